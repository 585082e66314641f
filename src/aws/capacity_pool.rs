//! What EC2 has to offer: a capacity pool is an instance type in an Availability Zone, On-Demand or Spot.
//!
//! Follows *How Spot Instances work* and *Troubleshoot instance launch issues* (`InsufficientInstanceCapacity`) in the EC2 User Guide.
//! How much a pool has is not published; a scenario says it, or there is as much as anyone wants.

use crate::aws::auto_scaling_group::AvailabilityZone;
use crate::aws::mixed_instances::PurchaseOption;
use crate::table::Id;

/// What a scenario says of some pools.
#[derive(Clone, Debug, PartialEq)]
pub struct CapacityPool {
    /// Type.
    pub instance_type: String,
    /// Zones; each is a pool by itself.
    pub availability_zones: Vec<Id<AvailabilityZone>>,
    /// On-Demand or Spot.
    pub purchase_option: PurchaseOption,
    /// Instances that this account can have running in each at once; as many as it wants where `None`.
    pub available: Option<u32>,
    /// USD an hour; the type's price, or the usual share of it for Spot, where `None`.
    pub usd_per_hour: Option<f64>,
    /// Interruptions of each of its Spot Instances, an hour, in the mean; the usual where `None`.
    pub interruptions_per_hour: Option<f64>,
}

impl CapacityPool {
    /// Whether it speaks of this pool.
    pub fn is_of(&self, instance_type: &str, zone: Id<AvailabilityZone>, purchase_option: PurchaseOption) -> bool {
        self.instance_type == instance_type
            && self.purchase_option == purchase_option
            && self.availability_zones.contains(&zone)
    }
}
