//! Container instances that drain, and the tasks that keep them from ending.

use crate::aws::launch::Launcher;
use crate::aws::placement::refusal::Closest;
use crate::units::{Instant, Span};

/// A task that was on a DRAINING container instance, and why it was not gone: looked at each minute.
#[derive(Clone, Debug, PartialEq)]
pub struct DrainHold {
    /// The place of the instance.
    pub instance: usize,
    /// The place of the task.
    pub task: usize,
    /// Who started it.
    pub launcher: Launcher,
    /// What it waited for, as it was last.
    pub reason: DrainReason,
    /// When the instance was first seen with the task there for such a reason.
    pub from: Instant,
    /// When it was last.
    pub until: Instant,
    /// For how long it was seen so.
    pub lasted: Span,
}

/// What a task on a DRAINING container instance waits for.
#[derive(Clone, Debug, PartialEq)]
pub enum DrainReason {
    /// It is a standalone task: nobody stops it.
    RunsOn,
    /// Its service keeps so many tasks healthy, and its replacement finds no instance: what the closest lacks, where there is one.
    NoRoomForReplacement {
        /// `minimumHealthyPercent`
        minimum_healthy_percent: u32,
        /// The instance that comes closest.
        closest: Option<Closest>,
    },
    /// `maximumPercent` allows no replacement before it stops, and `minimumHealthyPercent` does not let it stop before.
    NoMove {
        /// `minimumHealthyPercent`
        minimum_healthy_percent: u32,
        /// `maximumPercent`
        maximum_percent: u32,
    },
    /// Its replacement is on its way, and not healthy.
    ReplacementIsNotHealthy {
        /// `minimumHealthyPercent`
        minimum_healthy_percent: u32,
    },
    /// The service scheduler has not asked it to stop, and is about to, or waits for something of its own.
    NotAskedToStop,
    /// It leaves its target group.
    LeavesTargetGroup,
    /// It was sent SIGTERM, or is being cleaned up.
    Stops,
    /// The agent is not connected: it hears of nothing.
    AgentIsNotConnected,
}
