//! Capacity providers: which one a task goes to, and how managed scaling sizes a group.

use crate::aws::auto_scaling_group::AutoScalingGroup;
use crate::table::Id;
use crate::units::Span;

/// A capacity provider over an Auto Scaling group.
#[derive(Clone, Debug, PartialEq)]
pub struct CapacityProvider {
    /// Name.
    pub name: String,
    /// The group it grows.
    pub auto_scaling_group: Id<AutoScalingGroup>,
    /// Managed scaling, where it is enabled.
    pub managed_scaling: Option<ManagedScaling>,
    /// Whether only instances without tasks may be terminated.
    pub managed_termination_protection: bool,
    /// Whether an instance that is to go is drained first.
    pub managed_draining: bool,
}

/// `managedScaling` of a capacity provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManagedScaling {
    /// Percentage of the group that tasks should use, 1 to 100; AWS's default is 100.
    pub target_capacity: u32,
    /// Fewest instances added at once, 1 to 10000; AWS's default is 1.
    pub minimum_scaling_step_size: u32,
    /// Most instances added at once, 1 to 10000; AWS's default is 10000.
    pub maximum_scaling_step_size: u32,
    /// How long a new instance keeps another scale-out waiting; AWS's default is 300 s.
    pub instance_warmup_period: Span,
}

/// One item of a capacity provider strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapacityProviderStrategyItem {
    /// The provider.
    pub capacity_provider: Id<CapacityProvider>,
    /// Tasks that go there first, 0 to 100000.
    pub base: u32,
    /// Share of the rest, 0 to 1000.
    pub weight: u32,
}
