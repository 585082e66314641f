//! The memory of tasks: what it follows, and which container the kernel kills when it runs out.

use crate::aws::task_definition::TaskDefinition;
use crate::cluster::{Container, ContainerStatus, Task};
use crate::table::Id;
use crate::units::Instant;

/// How many requests a task can hold before it or one of its containers passes its limit; 0 too where it has passed it
/// without any.
pub(super) fn requests_within_limits(
    definition: &TaskDefinition,
    memory_limit: Option<u32>,
    serving: Option<usize>,
    containers: &[Container],
) -> u32 {
    let within = |requests: u32| {
        let load = Load { requests, ..Load::default() };
        who_passes_its_limit(definition, memory_limit, serving, containers, load).next().is_none()
    };
    let (mut low, mut high) = (0, u32::MAX);
    if within(high) {
        return high;
    }
    while low + 1 < high {
        let middle = low + (high - low) / 2;
        if within(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// What a task's memory follows.
#[derive(Clone, Copy, Default)]
pub(super) struct Load {
    /// Requests that the container that serves holds.
    pub(super) requests: u32,
    /// Requests that it has taken since it began.
    pub(super) taken: u64,
    /// Since the task runs.
    pub(super) hours: f64,
    /// When.
    pub(super) at: Instant,
}

/// A container on an instance that is out of memory, by what the kernel chooses among them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Greed {
    /// MiB that it uses beyond those that it reserved.
    pub(super) above_mib: f64,
    /// MiB that it uses.
    pub(super) used_mib: f64,
    /// Its task.
    pub(super) task: Id<Task>,
    /// Its place in the definition.
    pub(super) container: usize,
}

impl Greed {
    /// Whether it is killed rather than another: it is further above what it reserved, or uses more, or is of a task with a lower id.
    /// ECS says nothing of it; this is the order that the reference suggests, and in a task that of the definition.
    pub(super) fn is_killed_before(&self, other: &Greed) -> bool {
        let by_memory = |it: &Greed, than: &Greed| {
            it.above_mib.total_cmp(&than.above_mib).then(it.used_mib.total_cmp(&than.used_mib))
        };
        let by_place = |it: &Greed| (it.task, it.container);
        by_memory(self, other).then(by_place(other).cmp(&by_place(self))).is_gt()
    }
}

/// Whether a container's process runs: those of a task whose containers are not followed all do.
pub(super) fn is_there(containers: &[Container], container: usize) -> bool {
    containers.get(container).is_none_or(|it| it.status == ContainerStatus::Running)
}

/// MiB that a container uses; none before its process starts and once it has ended.
pub(super) fn memory_of(
    definition: &TaskDefinition,
    serving: Option<usize>,
    containers: &[Container],
    container: usize,
    load: Load,
) -> f64 {
    if !is_there(containers, container) {
        return 0.0;
    }
    let started_at = containers.get(container).and_then(|it| it.started_at);
    let hours = started_at.map_or(load.hours, |it| if it <= load.at { load.at.since(it).as_hours() } else { 0.0 });
    let application = &definition.containers[container].application;
    let (requests, taken) =
        if serving == Some(container) { (f64::from(load.requests), load.taken as f64) } else { (0.0, 0.0) };
    application.memory_base_mib
        + application.memory_per_request_mib * requests
        + application.memory_leak_per_request_mib * taken
        + application.memory_leak_per_hour_mib * hours
}

/// The containers that the kernel kills: those above their own limit, and the largest of a task that is above its.
pub(super) fn who_passes_its_limit(
    definition: &TaskDefinition,
    memory_limit: Option<u32>,
    serving: Option<usize>,
    followed: &[Container],
    load: Load,
) -> impl Iterator<Item = usize> {
    let memory = move |container: usize| memory_of(definition, serving, followed, container, load);
    let containers = 0..definition.containers.len();
    let largest = containers
        .clone()
        .max_by(|&one, &other| memory(one).total_cmp(&memory(other)))
        .filter(|_| memory_limit.is_some_and(|it| containers.clone().map(memory).sum::<f64>() > f64::from(it)));
    let limits = definition.containers.iter().map(|it| it.memory).enumerate();
    let above = limits.filter(move |&(it, limit)| limit.is_some_and(|limit| memory(it) > f64::from(limit)));
    above.map(|it| it.0).chain(largest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_instance_out_of_memory_ties_go_by_larger_use_and_then_by_task_id() {
        let greed =
            |above_mib, used_mib, task, container| Greed { above_mib, used_mib, task: Id::new(task), container };
        let check = |killed: Greed, spared: Greed| {
            assert!(killed.is_killed_before(&spared) && !spared.is_killed_before(&killed), "{killed:?} {spared:?}");
        };
        check(greed(201.0, 300.0, 9, 1), greed(200.0, 700.0, 1, 0));
        check(greed(200.0, 700.0, 9, 1), greed(200.0, 300.0, 1, 0));
        check(greed(200.0, 300.0, 1, 1), greed(200.0, 300.0, 9, 0));
        check(greed(200.0, 300.0, 1, 0), greed(200.0, 300.0, 1, 1));
    }
}
