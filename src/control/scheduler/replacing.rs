//! When another task is started for one that has ended by itself.
//!
//! Follows *Service throttle logic* in the developer guide (2026) for tasks that never came to run, and measured gaps between the
//! starts of a task that exits at once (amazon-ecs-agent #322: 13 to 23 s) for those that did. Whatever else has the scheduler look
//! at a service meanwhile, the replacement of such a task waits for its own time. A task that the scheduler stopped is no such
//! task, nor is one of which AWS gives notice beforehand: their replacements wait for nothing.

use crate::aws::service::ServiceDefinition;
use crate::cluster::{ContainerInstance, Task};
use crate::control::Control;
use crate::control::image_digests::ImageDigests;
use crate::table::Id;

impl Control<'_> {
    /// A task of a service has ended by itself and is STOPPED: from when on another may be started for it.
    pub(in crate::control) fn task_is_replaced_later(&mut self, service: Id<ServiceDefinition>, task: Id<Task>) {
        let assumptions = &self.scenario.assumptions;
        let after = match self.cluster.tasks[task].started_at {
            Some(_) => assumptions.replacement_delay,
            None => assumptions.failed_launch_delay,
        };
        let at = self.now() + after;
        self.services[service.index()].replaced_at.insert(task, at);
        self.schedule_service_at(service, at);
    }

    /// Forgets the tasks that may be replaced by now.
    pub(super) fn forget_replaced_tasks(&mut self, service: Id<ServiceDefinition>) {
        let now = self.now();
        self.services[service.index()].replaced_at.retain(|_, at| *at > now);
    }

    /// How many of some tasks that a deployment lacks may be started now: for others it is too early.
    pub(super) fn without_those_replaced_later(
        &self,
        service: Id<ServiceDefinition>,
        deployment: u32,
        lacking: u32,
    ) -> u32 {
        let ending = self.services[service.index()].tasks.iter().filter(|it| {
            let row = &self.cluster.tasks[**it];
            let code = row.stopped_reason.as_ref().map(|it| it.0);
            row.deployment == deployment && row.is_asked_to_stop && code.is_some_and(|it| it.is_unforeseen())
        });
        let later = self.stopped_and_replaced_later(service, deployment) + ending.count() as u32;
        let state = &self.services[service.index()];
        let digests = state.deployment(deployment).map(|it| it.image_digests);
        // The task that was to tell the digests of images has ended: the others wait for the one that comes after it.
        let seeks_again = matches!(digests, Some(ImageDigests::Unknown { failed_attempts: 1.. }));
        if seeks_again && later > 0 { 0 } else { lacking.saturating_sub(later) }
    }

    /// Tasks of a deployment that are STOPPED, and for which it is too early to start others.
    pub(super) fn stopped_and_replaced_later(&self, service: Id<ServiceDefinition>, deployment: u32) -> u32 {
        let now = self.now();
        let replaced_at = &self.services[service.index()].replaced_at;
        let later = replaced_at.iter().filter(|it| *it.1 > now && self.cluster.tasks[*it.0].deployment == deployment);
        later.count() as u32
    }

    /// Whether it is too early to start another task of a DAEMON service on the instance that has lost one.
    pub(in crate::control) fn daemon_is_replaced_later(
        &self,
        service: Id<ServiceDefinition>,
        instance: Id<ContainerInstance>,
    ) -> bool {
        let now = self.now();
        let state = &self.services[service.index()];
        let number = state.primary().number;
        let is_of = |task: Id<Task>| {
            let row = &self.cluster.tasks[task];
            row.instance() == Some(instance) && row.deployment == number
        };
        state.replaced_at.iter().any(|(task, at)| *at > now && is_of(*task))
    }
}
