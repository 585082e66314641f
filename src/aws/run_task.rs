//! Standalone tasks: what calls of `RunTask` start, which nobody replaces when they end.
//!
//! *Amazon ECS standalone tasks* and API Reference, *RunTask*.

use crate::aws::launch::Launch;
use crate::aws::task_definition::{Reservation, TaskDefinition};
use crate::table::Id;
use crate::units::{Instant, Span};

/// Most tasks of one call of `RunTask`; what is more goes into calls of its own, made at the same instant.
pub const TASKS_OF_A_CALL: u32 = 10;

/// Calls of `RunTask` that say the same of where tasks run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunTask {
    /// Name.
    pub name: String,
    /// Where the tasks run.
    pub launch: Launch,
    /// The definition of tasks that name none themselves.
    pub task_definition: Id<TaskDefinition>,
    /// The calls, in order of time.
    pub calls: Vec<Call>,
}

/// One call.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// When.
    pub at: Instant,
    /// How many tasks, from 1.
    pub count: u32,
    /// `overrides` of the call.
    pub overrides: Overrides,
    /// How long the tasks run, from RUNNING on, before they end by themselves; `None` is as their applications do.
    pub run_time: Option<Span>,
}

/// `overrides` of a call: what its tasks have instead of their definition's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Overrides {
    /// CPU units of the task.
    pub cpu: Option<u32>,
    /// MiB of the task.
    pub memory: Option<u32>,
}

impl Overrides {
    /// What a task reserves whose definition reserves so much.
    pub fn reservation(&self, of_definition: Reservation) -> Reservation {
        Reservation {
            cpu_units: self.cpu.unwrap_or(of_definition.cpu_units),
            memory_mib: self.memory.unwrap_or(of_definition.memory_mib),
            ..of_definition
        }
    }
}
