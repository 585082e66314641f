//! Standalone tasks: what calls of `RunTask` start, which nobody replaces when they end.
//!
//! *Amazon ECS standalone tasks* and API Reference, *RunTask*.

use crate::aws::event_bridge::{EcsTarget, Invoker};
use crate::aws::launch::Launch;
use crate::aws::start_task::StartTask;
use crate::aws::task_definition::{ContainerDefinition, Reservation, TaskDefinition};
use crate::table::Id;
use crate::units::Span;

/// Most tasks of one call of `RunTask`; what is more goes into further calls at the same instant.
pub const TASKS_OF_A_CALL: u32 = 10;

/// What a call gets whose tasks would be more in PROVISIONING than a cluster may have; none of them is started.
pub const PROVISIONING_LIMIT: &str = "ClientException: Tasks provisioning capacity limit exceeded.";

/// What a call gets that comes too soon after others.
pub const THROTTLED: &str = "ThrottlingException: Rate exceeded.";

/// The pause before a throttled call is made again, as AWS's SDKs do in their standard mode; `retries` are those before, `jitter`
/// is drawn from 0 to 1.
///
/// *Retry behavior* in the AWS SDKs and Tools Reference Guide: a second for throttling, doubled each time, 20 s at the most, times
/// the jitter.
pub fn retry_pause(retries: u32, jitter: f64) -> Span {
    let longest = Span::SECOND * (1_u64 << retries.min(5));
    Span::from_nanos_f64(longest.min(Span::seconds(20)).0 as f64 * jitter)
}

/// Who asks for standalone tasks, and what becomes of calls that are not answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Caller {
    /// A program that calls `RunTask`, and makes throttled calls again as AWS's SDKs do.
    Program,
    /// A rule or schedule of EventBridge, which calls `RunTask`.
    EventBridge(EcsTarget),
    /// A program that chooses instances itself, and calls `StartTask`; throttled calls are made again as of `RunTask`.
    StartTask(StartTask),
}

impl Caller {
    /// What EventBridge invokes, where it is that.
    pub fn event_bridge(&self) -> Option<&EcsTarget> {
        match self {
            Caller::EventBridge(target) => Some(target),
            Caller::Program | Caller::StartTask(_) => None,
        }
    }

    /// `startedBy` of the tasks, where AWS sets it.
    pub fn started_by(&self) -> Option<String> {
        self.event_bridge().map(|it| it.invoker.started_by(&it.name))
    }
}

/// Calls that say the same of where tasks run.
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
    /// Who makes the calls.
    pub caller: Caller,
}

impl RunTask {
    /// What the entry is, as messages speak of it.
    pub fn section_words(&self) -> &'static str {
        match &self.caller {
            Caller::Program => "`runTasks`",
            Caller::EventBridge(EcsTarget { invoker: Invoker::Rule, .. }) => "rule",
            Caller::EventBridge(EcsTarget { invoker: Invoker::Schedule, .. }) => "schedule",
            Caller::StartTask(_) => "`startTasks`",
        }
    }
}

/// `overrides` of a call: what its tasks have instead of their definition's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Overrides {
    /// CPU units of the task.
    pub cpu: Option<u32>,
    /// MiB of the task.
    pub memory: Option<u32>,
    /// What its containers reserve together, CPU units, where calls have overridden that and the task has no CPU of its own.
    pub cpu_of_containers: Option<u32>,
    /// The same of memory, MiB.
    pub memory_of_containers: Option<u32>,
}

/// An item of `containerOverrides`, as far as it changes what is reserved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerOverride {
    /// The container's name.
    pub name: String,
    /// `cpu`
    pub cpu: Option<u32>,
    /// `memory`, MiB.
    pub memory: Option<u32>,
    /// `memoryReservation`, MiB.
    pub memory_reservation: Option<u32>,
}

impl Overrides {
    /// Takes over what containers are to have instead of what their definition says; it counts where the task has nothing of its own.
    pub fn with_containers(mut self, definition: &TaskDefinition, containers: &[ContainerOverride]) -> Overrides {
        if containers.is_empty() {
            return self;
        }
        let of = |name: &str| containers.iter().find(|it| it.name == name);
        let sum = |amount: &dyn Fn(&ContainerDefinition, Option<&ContainerOverride>) -> u32| {
            definition.containers.iter().map(|it| amount(it, of(&it.name))).sum::<u32>()
        };
        if definition.cpu.is_none_or(|it| it == 0) {
            self.cpu_of_containers = Some(sum(&|it, new| new.and_then(|it| it.cpu).unwrap_or(it.cpu)));
        }
        if definition.memory.is_none_or(|it| it == 0) {
            self.memory_of_containers = Some(sum(&|it, new| {
                let soft = new.and_then(|it| it.memory_reservation).or(it.memory_reservation).filter(|it| *it > 0);
                soft.or(new.and_then(|it| it.memory)).or(it.memory).unwrap_or(0)
            }));
        }
        self
    }

    /// What a task reserves whose definition reserves so much.
    pub fn reservation(&self, of_definition: Reservation) -> Reservation {
        Reservation {
            cpu_units: self.cpu.or(self.cpu_of_containers).unwrap_or(of_definition.cpu_units),
            memory_mib: self.memory.or(self.memory_of_containers).unwrap_or(of_definition.memory_mib),
            ..of_definition
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_20_seconds() {
        let longest: Vec<Span> = (0..8).map(|it| retry_pause(it, 1.0)).collect();
        assert_eq!(longest, [1, 2, 4, 8, 16, 20, 20, 20].map(Span::seconds));
        assert_eq!((retry_pause(1, 0.25), retry_pause(3, 0.0)), (Span::millis(500), Span::ZERO));
    }
}
