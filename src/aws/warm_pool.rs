//! Warm pools: instances that were prepared beforehand.
//!
//! Follows *Decrease latency for applications with long boot times using warm pools* in the EC2 Auto Scaling guide (2023 to 2026
//! copies) and *Configuring pre-initialized instances for your Amazon ECS Auto Scaling group* in the ECS developer guide.

use crate::aws::lifecycle::LifecycleState;

/// `WarmPoolConfiguration` of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WarmPool {
    /// `MinSize`: fewest instances in the pool; AWS's default is 0.
    pub min_size: u32,
    /// `MaxGroupPreparedCapacity`: instances in the pool and in the group together; the group's `MaxSize` where `None`.
    pub max_group_prepared_capacity: Option<u32>,
    /// `PoolState`: `Warmed:Stopped`, `Warmed:Running` or `Warmed:Hibernated`; AWS's default is the first.
    pub pool_state: LifecycleState,
}

impl WarmPool {
    /// How many instances the pool is to have while the group wants so many.
    pub fn size(&self, max_size: u32, desired_capacity: u32) -> u32 {
        let prepared = self.max_group_prepared_capacity.unwrap_or(max_size);
        prepared.saturating_sub(desired_capacity).max(self.min_size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w15_size_of_the_pool() {
        let pool = |max_group_prepared_capacity, min_size| WarmPool {
            min_size,
            max_group_prepared_capacity,
            pool_state: LifecycleState::WarmedStopped,
        };
        assert_eq!(pool(None, 0).size(10, 6), 4);
        assert_eq!(pool(Some(8), 0).size(10, 6), 2);
        assert_eq!(pool(Some(8), 0).size(10, 9), 0);
        assert_eq!(pool(Some(8), 1).size(10, 9), 1);
    }
}
