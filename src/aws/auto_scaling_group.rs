//! Auto Scaling groups: how many instances, in which zones, and which one goes.

use crate::aws::instance_type::InstanceType;
use crate::table::Id;
use crate::units::Span;

/// An Availability Zone of the cluster, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AvailabilityZone {
    /// Name, such as `us-east-1a`.
    pub name: String,
}

/// An Auto Scaling group as the scenario defines it.
#[derive(Clone, Debug, PartialEq)]
pub struct AutoScalingGroup {
    /// Name.
    pub name: String,
    /// The one type it launches.
    pub instance_type: InstanceType,
    /// Fewest instances.
    pub min_size: u32,
    /// Most instances.
    pub max_size: u32,
    /// Instances at the start.
    pub desired_capacity: u32,
    /// Zones, in the file's order; at least one.
    pub availability_zones: Vec<Id<AvailabilityZone>>,
    /// Whether instances are protected from scale-in at launch.
    pub new_instances_protected_from_scale_in: bool,
    /// Termination policies, in order.
    pub termination_policies: Vec<TerminationPolicy>,
    /// `ECS_RESERVED_MEMORY` of its agents, MiB.
    pub reserved_memory_mib: u32,
    /// Attributes of its container instances, name and value.
    pub attributes: Vec<(String, String)>,
    /// From launch to in service and registered with the cluster, where it differs from the scenario's assumptions.
    pub boot_time: Option<crate::distribution::Distribution>,
    /// Size of each instance's gp3 root volume in GiB; billed by the month.
    pub default_cooldown: Span,
}

/// How a group chooses what to terminate, after zone balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TerminationPolicy {
    /// AWS's default: with one launch template, the instance closest to its next billing hour.
    Default,
    /// The instance that was launched first.
    OldestInstance,
    /// The instance that was launched last.
    NewestInstance,
    /// The instance that is closest to its next hour of age.
    ClosestToNextInstanceHour,
}
