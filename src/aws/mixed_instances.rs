//! Mixed instances groups: On-Demand and Spot Instances of several types, and which of them comes next.
//!
//! Follows *Auto Scaling groups with multiple instance types and purchase options*, *Allocation strategies* and *Configure an
//! Auto Scaling group to use instance weights* in the EC2 Auto Scaling guide (2023 to 2026 copies).

use crate::aws::instance_type::InstanceType;
use crate::units::ceil_capacity;

/// How an instance is bought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PurchaseOption {
    /// At a fixed price, for as long as it is wanted.
    OnDemand,
    /// At the price of spare capacity, until EC2 wants that back.
    Spot,
}

impl PurchaseOption {
    /// As EC2 names it (`InstanceLifecycle`; instances on demand have none, for which the groups' messages say this).
    pub fn as_str(self) -> &'static str {
        match self {
            PurchaseOption::OnDemand => "on-demand",
            PurchaseOption::Spot => "spot",
        }
    }

    /// As messages of groups name such instances.
    pub fn words(self) -> &'static str {
        match self {
            PurchaseOption::OnDemand => "On-Demand Instances",
            PurchaseOption::Spot => "Spot Instances",
        }
    }
}

/// One of the types that a group launches: an item of `Overrides` of a launch template.
#[derive(Clone, Debug, PartialEq)]
pub struct LaunchTemplateOverride {
    /// Its type.
    pub instance_type: InstanceType,
    /// `WeightedCapacity`: units of the group's capacity that an instance is, 1 to 999; 1 where no type has a weight.
    pub weighted_capacity: u32,
    /// Whether price protection of `InstanceRequirements` lets it be launched on demand, and as a Spot Instance.
    pub price_protection_admits: [bool; 2],
}

impl LaunchTemplateOverride {
    /// A type that is listed by its name, for which there is no price protection.
    pub fn named(instance_type: InstanceType, weighted_capacity: u32) -> LaunchTemplateOverride {
        LaunchTemplateOverride { instance_type, weighted_capacity, price_protection_admits: [true; 2] }
    }

    /// Whether price protection lets it be bought so.
    pub fn may_be(&self, purchase_option: PurchaseOption) -> bool {
        self.price_protection_admits[usize::from(purchase_option == PurchaseOption::Spot)]
    }
}

/// `InstancesDistribution` of a `MixedInstancesPolicy`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InstancesDistribution {
    /// `OnDemandAllocationStrategy`
    pub on_demand_allocation_strategy: OnDemandAllocationStrategy,
    /// `OnDemandBaseCapacity`: what is filled with On-Demand Instances first; AWS's default is 0.
    pub on_demand_base_capacity: u32,
    /// `OnDemandPercentageAboveBaseCapacity`, 0 to 100; AWS's default is 100.
    pub on_demand_percentage_above_base_capacity: u32,
    /// `SpotAllocationStrategy`
    pub spot_allocation_strategy: SpotAllocationStrategy,
    /// `SpotInstancePools`: how many of the cheapest pools of a zone `lowest-price` spreads over, 1 to 20; AWS's default is 2.
    pub spot_instance_pools: u32,
    /// `SpotMaxPrice`, USD an hour; the On-Demand price where there is none.
    pub spot_max_price: Option<f64>,
}

/// Which type an On-Demand Instance is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDemandAllocationStrategy {
    /// The first of the list that there is; AWS's default where types are listed.
    Prioritized,
    /// The cheapest for each unit of capacity.
    LowestPrice,
}

/// Which pool (a type in a zone) a Spot Instance is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpotAllocationStrategy {
    /// Evenly over the cheapest pools of a zone; the API's default.
    LowestPrice,
    /// The pool with the most spare capacity.
    CapacityOptimized,
    /// The same, and the first of the list among those with about as much.
    CapacityOptimizedPrioritized,
    /// The cheapest of the pools with the most spare capacity.
    PriceCapacityOptimized,
}

/// What a pool (a type in a zone, On-Demand or Spot) has to offer now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PoolOffer {
    /// USD an hour for each unit of capacity.
    pub usd_per_unit_hour: f64,
    /// Instances that could still be launched; as many as one likes where there is no figure.
    pub spare: Option<u32>,
    /// Instances of it that the group has.
    pub in_use: u32,
    /// Whether its price is above what the group pays at most.
    pub is_too_dear: bool,
}

impl PoolOffer {
    fn depth(&self) -> u32 {
        self.spare.unwrap_or(u32::MAX)
    }
}

impl InstancesDistribution {
    /// How much of a capacity is On-Demand: the base, and of the rest the percentage, in favour of On-Demand where that is no whole
    /// number.
    pub fn on_demand_capacity(&self, capacity: u32) -> u32 {
        let base = capacity.min(self.on_demand_base_capacity);
        let percentage = f64::from(self.on_demand_percentage_above_base_capacity);
        base + ceil_capacity(f64::from(capacity - base) * percentage / 100.0)
    }

    /// The places of a zone's pools in the order in which a launch tries them, those left out that have nothing to offer. `pools`
    /// has one for each type, in the order of the list.
    ///
    /// How much more a pool must have to count as one with the most spare capacity is not published: here those count that have at
    /// least half of what the deepest has.
    pub fn launch_order(&self, purchase_option: PurchaseOption, pools: &[PoolOffer]) -> Vec<usize> {
        let mut order: Vec<usize> =
            (0..pools.len()).filter(|it| pools[*it].spare != Some(0) && !pools[*it].is_too_dear).collect();
        let by_price = |order: &mut Vec<usize>| {
            order.sort_by(|one, other| pools[*one].usd_per_unit_hour.total_cmp(&pools[*other].usd_per_unit_hour));
        };
        let deepest = order.iter().map(|it| pools[*it].depth()).max().unwrap_or(0);
        let is_shallow = |place: &usize| pools[*place].depth() < deepest.div_ceil(2);
        match (purchase_option, self.on_demand_allocation_strategy, self.spot_allocation_strategy) {
            (PurchaseOption::OnDemand, OnDemandAllocationStrategy::Prioritized, _) => {}
            (PurchaseOption::OnDemand, OnDemandAllocationStrategy::LowestPrice, _) => by_price(&mut order),
            (PurchaseOption::Spot, _, SpotAllocationStrategy::LowestPrice) => {
                by_price(&mut order);
                let cheapest = order.len().min(self.spot_instance_pools as usize);
                order[..cheapest].sort_by_key(|it| pools[*it].in_use);
            }
            (PurchaseOption::Spot, _, SpotAllocationStrategy::CapacityOptimized) => {
                order.sort_by_key(|it| std::cmp::Reverse(pools[*it].depth()));
            }
            (PurchaseOption::Spot, _, SpotAllocationStrategy::CapacityOptimizedPrioritized) => {
                order.sort_by_key(is_shallow);
            }
            (PurchaseOption::Spot, _, SpotAllocationStrategy::PriceCapacityOptimized) => {
                by_price(&mut order);
                order.sort_by_key(is_shallow);
            }
        }
        order
    }
}

impl Default for InstancesDistribution {
    /// What the API assumes where nothing is said.
    fn default() -> InstancesDistribution {
        InstancesDistribution {
            on_demand_allocation_strategy: OnDemandAllocationStrategy::Prioritized,
            on_demand_base_capacity: 0,
            on_demand_percentage_above_base_capacity: 100,
            spot_allocation_strategy: SpotAllocationStrategy::LowestPrice,
            spot_instance_pools: 2,
            spot_max_price: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w11_the_split_of_a_capacity() {
        for (base, percentage, on_demand) in [
            (10, 50, [1, 5, 10, 15, 20, 25]),
            (0, 0, [0, 0, 0, 0, 0, 0]),
            (0, 60, [1, 3, 6, 12, 18, 24]),
            (0, 100, [1, 5, 10, 20, 30, 40]),
            (12, 0, [1, 5, 10, 12, 12, 12]),
            (2, 30, [1, 3, 5, 8, 11, 14]),
        ] {
            let distribution = InstancesDistribution {
                on_demand_base_capacity: base,
                on_demand_percentage_above_base_capacity: percentage,
                ..InstancesDistribution::default()
            };
            for (capacity, expected) in [1, 5, 10, 20, 30, 40].into_iter().zip(on_demand) {
                assert_eq!(distribution.on_demand_capacity(capacity), expected, "{base}, {percentage} % of {capacity}");
            }
        }
    }

    fn pool(usd_per_unit_hour: f64, spare: Option<u32>, in_use: u32) -> PoolOffer {
        PoolOffer { usd_per_unit_hour, spare, in_use, is_too_dear: false }
    }

    fn spot(strategy: SpotAllocationStrategy, pools: &[PoolOffer]) -> Vec<usize> {
        let distribution =
            InstancesDistribution { spot_allocation_strategy: strategy, ..InstancesDistribution::default() };
        distribution.launch_order(PurchaseOption::Spot, pools)
    }

    #[test]
    fn on_demand_goes_by_the_list_or_by_price() {
        let pools = [pool(0.3, None, 0), pool(0.1, None, 0), pool(0.2, Some(0), 0)];
        let mut distribution = InstancesDistribution::default();
        assert_eq!(distribution.launch_order(PurchaseOption::OnDemand, &pools), [0, 1]);
        distribution.on_demand_allocation_strategy = OnDemandAllocationStrategy::LowestPrice;
        assert_eq!(distribution.launch_order(PurchaseOption::OnDemand, &pools), [1, 0]);
    }

    #[test]
    fn lowest_price_spreads_over_the_two_cheapest() {
        let mut in_use = [0; 3];
        for _ in 0..6 {
            let pools = [pool(0.3, None, in_use[0]), pool(0.1, None, in_use[1]), pool(0.2, None, in_use[2])];
            in_use[spot(SpotAllocationStrategy::LowestPrice, &pools)[0]] += 1;
        }
        assert_eq!(in_use, [0, 3, 3]);
    }

    #[test]
    fn the_optimized_look_for_the_deepest() {
        let pools = [pool(0.3, Some(90), 0), pool(0.1, Some(5), 0), pool(0.2, Some(60), 0), pool(0.1, Some(100), 0)];
        assert_eq!(spot(SpotAllocationStrategy::CapacityOptimized, &pools), [3, 0, 2, 1]);
        assert_eq!(spot(SpotAllocationStrategy::CapacityOptimizedPrioritized, &pools), [0, 2, 3, 1]);
        assert_eq!(spot(SpotAllocationStrategy::PriceCapacityOptimized, &pools), [3, 2, 0, 1]);
    }

    #[test]
    fn what_is_too_dear_or_dry_is_not_tried() {
        let dear = PoolOffer { is_too_dear: true, ..pool(0.1, None, 0) };
        assert_eq!(spot(SpotAllocationStrategy::LowestPrice, &[dear, pool(0.2, Some(0), 0)]), [0; 0]);
    }
}
