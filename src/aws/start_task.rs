//! Tasks that a scheduler of one's own places: `StartTask`, which names the instances.
//!
//! API Reference, *StartTask*: it passes placement strategies and constraints by. What an instance does not have, it does not have
//! all the same: resources, required attributes, a connected agent (*API failure reasons*).

use crate::aws::auto_scaling_group::{AutoScalingGroup, AvailabilityZone};
use crate::aws::cluster_query::Expression;
use crate::table::Id;
use crate::units::Span;

/// Most container instances of one call of `StartTask`.
pub const INSTANCES_OF_A_CALL: usize = 10;

/// `failures[].reason` for an instance that is not there.
pub const MISSING: &str = "MISSING";

/// `failures[].reason` for an instance that is not ACTIVE.
pub const INACTIVE: &str = "INACTIVE";

/// Who places tasks itself, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct StartTask {
    /// The instances that it looks at, as `ListContainerInstances` and `DescribeContainerInstances` show them.
    pub container_instances: InstancesNamed,
    /// How it goes about it.
    pub manner: Manner,
}

/// Which container instances are meant. All that match, in the order in which they were launched.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InstancesNamed {
    /// Of this group.
    pub auto_scaling_group: Option<Id<AutoScalingGroup>>,
    /// In this zone.
    pub availability_zone: Option<Id<AvailabilityZone>>,
    /// That this expression selects: `filter` of `ListContainerInstances`.
    pub filter: Option<Expression>,
    /// Of these the ones at these places, from 1; all where it is empty.
    pub ordinals: Vec<u32>,
}

/// How tasks are placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// One on each of the instances, with nothing tried again.
    OnEach,
    /// By a scheduler that looks at the cluster again and again, and calls `StartTask` for what finds room.
    Polling(CustomScheduler),
}

/// A scheduler that looks at the cluster again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CustomScheduler {
    /// The time between two looks, above 0.
    pub every: Span,
    /// Where it puts a task.
    pub choice: Choice,
    /// Tasks that it keeps, those that have ended started anew; without it, it places what is asked for, and keeps trying.
    pub desired_count: Option<u32>,
}

/// Which of the instances that have room a scheduler takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The one that was launched first.
    FirstFit,
    /// The one with the least of its CPU units reserved in proportion; of equals, the one that was launched first.
    LeastLoaded,
}
