//! Scheduled actions: `at`, `rate` and AWS's `cron`, with time zones.

use crate::aws::scaling_policy::ScalableTarget;
use crate::table::Id;
use crate::units::Instant;

/// A scheduled action of Application Auto Scaling.
#[derive(Clone, Debug, PartialEq)]
pub struct ScheduledAction {
    /// Name.
    pub name: String,
    /// What it scales.
    pub target: Id<ScalableTarget>,
    /// When it runs within the simulated time: instants, in order. Computed when the scenario is read.
    pub times: Vec<Instant>,
    /// The schedule as written.
    pub schedule: String,
    /// `MinCapacity`, where given.
    pub min_capacity: Option<u32>,
    /// `MaxCapacity`, where given.
    pub max_capacity: Option<u32>,
}
