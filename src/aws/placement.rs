//! Where a task goes, and which one goes first.
//!
//! Follows *Task placement strategies* and *Task placement constraints* in the ECS developer guide (read 2026).

/// A strategy; each breaks only the ties that the one before it left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlacementStrategy {
    /// The group of instances with the fewest tasks of the service.
    Spread(SpreadField),
    /// The instance with the least of this resource left.
    Binpack(Resource),
    /// Any.
    Random,
}

/// What `spread` groups instances by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpreadField {
    /// `instanceId`, or `host`: each instance for itself.
    InstanceId,
    /// `attribute:ecs.availability-zone`.
    AvailabilityZone,
    /// `attribute:NAME`, any other attribute.
    Attribute(String),
}

/// What `binpack` fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// CPU units.
    Cpu,
    /// Memory.
    Memory,
}

/// A binding constraint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlacementConstraint {
    /// No two tasks of the service on one instance.
    DistinctInstance,
}

/// How ties are broken once all strategies have spoken and the fewest tasks of the service have been preferred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TieBreak {
    /// By a draw from the seed.
    #[default]
    Random,
    /// The instance that registered first.
    Lexical,
}
