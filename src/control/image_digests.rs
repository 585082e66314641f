//! The first task of a deployment goes alone: it establishes the digests of the images that the others run.
//!
//! Follows *Container image resolution* in the developer guide (2026). What that leaves open: a first task that the scheduler itself
//! stops is no failed attempt, one whose image does not fit its storage is; old tasks are stopped as far as the bounds allow while the
//! others wait; no deployment, not only the first, waits for capacity. ECS publishes no service events of this: the words are ours.

use crate::aws::image_digest::{ATTEMPTS, DigestIsTold};
use crate::aws::launch::Launcher;
use crate::aws::service::ServiceDefinition;
use crate::aws::task_definition::TaskDefinition;
use crate::cluster::{StopCode, Task};
use crate::control::Control;
use crate::control::health::task_name;
use crate::table::Id;
use crate::units::Instant;

/// Whether a deployment has what it starts its tasks with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageDigests {
    /// The digests are established, or nobody asks for them any more.
    Settled,
    /// The next task is to establish them.
    Unknown {
        /// Tasks that did not live to tell.
        failed_attempts: u32,
    },
    /// A task is about to tell them, and others wait for it.
    Sought {
        /// The task.
        by: Id<Task>,
        /// Tasks before it that did not live to tell.
        failed_attempts: u32,
    },
}

impl ImageDigests {
    /// At the beginning of a deployment. With a desired count of 0 there is no task that could establish them, and later ones do not.
    pub fn of_new(definition: &TaskDefinition, desired_count: u32) -> ImageDigests {
        match desired_count > 0 && definition.resolved_images().next().is_some() {
            true => ImageDigests::Unknown { failed_attempts: 0 },
            false => ImageDigests::Settled,
        }
    }
}

impl Control<'_> {
    fn image_digests(&mut self, service: Id<ServiceDefinition>) -> &mut ImageDigests {
        let deployment = self.services[service.index()].deployments.last_mut();
        &mut deployment.expect("a service has a deployment").image_digests
    }

    /// Whether tasks of a service's PRIMARY deployment wait for its first one to establish the digests.
    pub(super) fn waits_for_image_digests(&self, service: Id<ServiceDefinition>) -> bool {
        matches!(self.services[service.index()].launching().image_digests, ImageDigests::Sought { .. })
    }

    /// A task of a service was started: it is the one that establishes the digests where they are unknown.
    pub(super) fn task_seeks_image_digests(
        &mut self,
        service: Id<ServiceDefinition>,
        task: Id<Task>,
        others_wait: bool,
    ) {
        let state = &self.services[service.index()];
        if state.launching().number != state.primary().number {
            return;
        }
        let ImageDigests::Unknown { failed_attempts } = *self.image_digests(service) else { return };
        // Where capacity is short only what was said to be enabled is worth waiting for.
        let lacks_capacity = self.cluster.tasks[task].host.is_none() && self.fargate_of_task(task).is_none();
        let is_sought = match lacks_capacity {
            true => self.definition_of(task).insists_on_image_digests(),
            false => self.image_digests_are_told(task).is_some(),
        };
        if !is_sought {
            *self.image_digests(service) = ImageDigests::Settled;
            return;
        }
        *self.image_digests(service) = ImageDigests::Sought { by: task, failed_attempts };
        if others_wait {
            let words = format!(
                "other tasks wait until (task {}) has established the digests of its container images.",
                task_name(task)
            );
            self.say_of_deployment(service, "service.image_digests_awaited", &words);
        }
    }

    /// A task begins to pull its images, or has come to run: its service is looked at when that tells the digests.
    pub(super) fn task_may_tell_image_digests(&mut self, task: Id<Task>) {
        let Launcher::Service(service) = self.cluster.tasks[task].launcher else { return };
        if let ImageDigests::Sought { by, .. } = *self.image_digests(service)
            && by == task
            && let Some(at) = self.image_digests_told_at(task)
        {
            self.schedule_service_at(service, at.max(self.now()));
        }
    }

    /// Whether the digests have been told by now, or the task that was to tell them is no more.
    pub(super) fn look_for_image_digests(&mut self, service: Id<ServiceDefinition>) {
        let now = self.now();
        let ImageDigests::Sought { by, failed_attempts } = *self.image_digests(service) else { return };
        let row = &self.cluster.tasks[by];
        if row.host.is_some() && self.image_digests_are_told(by).is_none() {
            // It was placed where the agent knows nothing of digests.
            *self.image_digests(service) = ImageDigests::Settled;
            return;
        }
        let told_at = self.image_digests_told_at(by);
        let host = row.instance().map(|it| &self.cluster.instances[it]);
        let is_silent_since = [row.stopping_at, host.and_then(|it| it.terminated_at)].into_iter().flatten().min();
        let was_told = told_at.is_some_and(|at| at <= now && is_silent_since.is_none_or(|since| at <= since));
        if was_told && host.is_none_or(|it| it.agent_connected) {
            *self.image_digests(service) = ImageDigests::Settled;
            if self.services[service.index()].desired_count > 1 {
                let words = format!("(task {}) has established the digests of its container images.", task_name(by));
                self.say_of_deployment(service, "service.image_digests_established", &words);
            }
        } else if row.is_asked_to_stop {
            let code = row.stopped_reason.as_ref().map(|it| it.0);
            let failed_attempts = failed_attempts + u32::from(code != Some(StopCode::ServiceSchedulerInitiated));
            if failed_attempts < ATTEMPTS {
                *self.image_digests(service) = ImageDigests::Unknown { failed_attempts };
                return;
            }
            *self.image_digests(service) = ImageDigests::Settled;
            let words = format!(
                "goes on without the digests of its container images: {ATTEMPTS} attempts at establishing them have failed."
            );
            self.say_of_deployment(service, "service.image_digests_given_up", &words);
        }
    }

    /// When ECS hears the digests of a placed task's images; `None` where its agent does not establish them.
    fn image_digests_are_told(&self, task: Id<Task>) -> Option<DigestIsTold> {
        let definition = self.definition_of(task);
        match self.fargate_of_task(task) {
            Some(_) => definition.resolved_images().next().map(|_| DigestIsTold::WithManifest),
            None => definition.image_digests_told_by(&self.group_of(task).agent_version),
        }
    }

    /// The same as an instant, once it is foreseeable.
    fn image_digests_told_at(&self, task: Id<Task>) -> Option<Instant> {
        let row = &self.cluster.tasks[task];
        row.host?;
        match self.image_digests_are_told(task)? {
            DigestIsTold::WithManifest => Some(row.pull_started_at? + self.scenario.assumptions.image_digest_time),
            DigestIsTold::WhenRunning => row.started_at,
        }
    }

    fn say_of_deployment(&mut self, service: Id<ServiceDefinition>, kind: &'static str, words: &str) {
        let state = &self.services[service.index()];
        let (name, number) = (&self.scenario.services[service].name, state.primary().number);
        let (cause, resource) = (state.wanted_because, self.service_resource(service));
        let message = format!("(service {name}) (deployment {number}) {words}");
        self.log.put(self.agenda.now(), cause, kind, resource, message);
    }
}
