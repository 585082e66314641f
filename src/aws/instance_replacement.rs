//! How many instances of a group may be replaced at a time, and in which order: first launched, or first terminated.
//!
//! Follows *Instance maintenance policies*, *Health checks for instances in an Auto Scaling group*, *Instance refresh* and
//! *Rebalancing activities* in the EC2 Auto Scaling guide (2023 to 2026 copies).

use crate::aws::alarm::Alarm;
use crate::aws::composite_alarm::CompositeAlarm;
use crate::table::Id;
use crate::units::Span;

/// `InstanceMaintenancePolicy`, and the same two of an instance refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstanceMaintenancePolicy {
    /// `MinHealthyPercentage` of the desired capacity, 0 to 100.
    pub min_healthy_percentage: u32,
    /// `MaxHealthyPercentage` of the desired capacity, 100 to 200.
    pub max_healthy_percentage: u32,
}

impl InstanceMaintenancePolicy {
    /// Whether replacements are launched before what they replace is terminated.
    pub fn launches_first(&self) -> bool {
        self.max_healthy_percentage > 100
    }

    /// Instances that may be beyond the desired capacity at once; one at least where any may.
    pub fn most_above(&self, desired: u32) -> u32 {
        match self.launches_first() {
            true => (desired * (self.max_healthy_percentage - 100) / 100).max(1),
            false => 0,
        }
    }

    /// Instances that must stay healthy.
    pub fn least_healthy(&self, desired: u32) -> u32 {
        (desired * self.min_healthy_percentage).div_ceil(100)
    }

    /// How many more instances may be taken out of service before replacements for them are launched, where `healthy` of the
    /// desired are; one at a time at least.
    pub fn may_go_down(&self, desired: u32, healthy: u32) -> u32 {
        match healthy.saturating_sub(self.least_healthy(desired)) {
            0 => u32::from(healthy >= desired),
            several => several,
        }
    }
}

/// How many unhealthy instances are replaced at a time without a policy: a tenth of the desired capacity, one at least.
pub fn health_replacements_at_once(desired: u32) -> u32 {
    (desired / 10).max(1)
}

/// The size that a group may reach while it rebalances: a tenth more than its most, one at least.
pub fn rebalancing_ceiling(max_size: u32) -> u32 {
    max_size + (max_size / 10).max(1)
}

/// What an instance refresh was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceRefreshPreferences {
    /// How many at a time.
    pub healthy: InstanceMaintenancePolicy,
    /// `InstanceWarmup`: from in service until a new instance counts.
    pub instance_warmup: Span,
    /// `SkipMatching`: instances of the present launch template version stay.
    pub skip_matching: bool,
    /// `CheckpointPercentages`, ascending.
    pub checkpoint_percentages: Vec<u32>,
    /// `CheckpointDelay`
    pub checkpoint_delay: Span,
    /// `ScaleInProtectedInstances`
    pub scale_in_protected_instances: ScaleInProtectedInstances,
    /// `AutoRollback`: a refresh that fails goes back to what the group had before.
    pub auto_rollback: bool,
    /// `AlarmSpecification`: alarms of the scenario. One of them in ALARM makes the refresh fail.
    pub alarms: Vec<Id<Alarm>>,
    /// Composite alarms among them.
    pub composite_alarms: Vec<Id<CompositeAlarm>>,
    /// `BakeTime`: from the last replacement until the refresh is over, 0 to two days. Its alarms are watched until then.
    pub bake_time: Span,
}

/// What an instance refresh does about instances that are protected from scale-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScaleInProtectedInstances {
    /// `Refresh`: replaces them.
    Refresh,
    /// `Ignore`: leaves them.
    Ignore,
    /// `Wait`: an hour, for the protection to be removed.
    Wait,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w21_limits() {
        assert_eq!([rebalancing_ceiling(20), rebalancing_ceiling(5)], [22, 6]);
        assert_eq!([health_replacements_at_once(30), health_replacements_at_once(6)], [3, 1]);
    }

    #[test]
    fn percentages_say_how_many_at_a_time() {
        let policy = |min, max| InstanceMaintenancePolicy { min_healthy_percentage: min, max_healthy_percentage: max };
        assert_eq!(policy(90, 100).may_go_down(30, 30), 3);
        assert_eq!(policy(90, 100).may_go_down(30, 28), 1);
        assert_eq!(policy(90, 100).may_go_down(30, 27), 0);
        assert_eq!(policy(90, 100).may_go_down(4, 4), 1, "one at a time at least");
        assert_eq!(policy(90, 100).may_go_down(4, 3), 0);
        assert_eq!(policy(0, 100).may_go_down(4, 4), 4);
        assert_eq!(
            [policy(100, 110).most_above(30), policy(100, 110).most_above(4), policy(90, 100).most_above(30)],
            [3, 1, 0]
        );
    }
}
