//! Standalone tasks: what calls of `RunTask` start, which nobody replaces when they end.
//!
//! *Amazon ECS standalone tasks* and API Reference, *RunTask*.

use crate::aws::launch::Launch;
use crate::aws::task_definition::{Reservation, TaskDefinition};
use crate::table::Id;

/// Most tasks of one call of `RunTask`; what is more goes into further calls at the same instant.
pub const TASKS_OF_A_CALL: u32 = 10;

/// What a call gets whose tasks would be more in PROVISIONING than a cluster may have; none of them is started.
pub const PROVISIONING_LIMIT: &str = "ClientException: Tasks provisioning capacity limit exceeded.";

/// Calls of `RunTask` that say the same of where tasks run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunTask {
    /// Name.
    pub name: String,
    /// Where the tasks run.
    pub launch: Launch,
    /// What they run.
    pub task_definition: Id<TaskDefinition>,
    /// What calls may say of their tasks' sizes, each once; at least one.
    pub sizes: Vec<Overrides>,
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
