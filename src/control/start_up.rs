//! How long the phases of a task's start take: what is usual, varied where the scenario wants that, and what Docker is slow at
//! or gives up.
//!
//! Follows *Optimize Amazon ECS task launch time* in the developer guide (2026) and the agent's `docker_client.go` (2026-06).

use crate::aws::auto_scaling_group::AutoScalingGroup;
use crate::aws::launch::Launcher;
use crate::aws::start_failure::StartFailure;
use crate::aws::task_definition::NetworkMode;
use crate::cluster::{StopCode, Task};
use crate::control::Control;
use crate::scenario::Fault;
use crate::table::Id;
use crate::units::{Instant, Span};

/// A phase of a task's life that takes its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The network interface comes, on Fargate the machine too.
    Provisioning,
    /// The agent takes the task up.
    PickUp,
    /// Images are pulled.
    Pull,
    /// Containers are created and started.
    CreateAndStart,
    /// The network interface goes.
    Deprovisioning,
}

/// What each phase of a task takes, times what is usual.
pub type Variation = [f64; 5];

impl Control<'_> {
    /// Draws what the phases of a new task take, all at once, so that no task's fate hangs on another's.
    pub(super) fn draw_start_up(&mut self, task: Id<Task>, launcher: Launcher) {
        let jitter = self.scenario.assumptions.start_up_jitter;
        if jitter > 0.0 {
            let stream = &mut self.streams.of(launcher).start_up;
            let variation = [(); 5].map(|()| 1.0 - jitter + 2.0 * jitter * stream.unit());
            self.variations.insert(task, variation);
        }
    }

    /// What a phase of a task takes that usually takes so long.
    pub(super) fn varied(&self, task: Id<Task>, phase: Phase, usual: Span) -> Span {
        match self.variations.get(&task) {
            Some(variation) => Span::from_nanos_f64(usual.0 as f64 * variation[phase as usize]),
            None => usual,
        }
    }

    /// From when all images of a task are there until all of its containers have started, or the agent gives them up.
    pub(super) fn until_all_have_started(&self, task: Id<Task>) -> (Span, Option<StartFailure>) {
        let (assumptions, now) = (&self.scenario.assumptions, self.now());
        if self.cluster.tasks[task].is_on_fargate() {
            return (self.varied(task, Phase::CreateAndStart, assumptions.fargate.container_create_time), None);
        }
        let (paused, failure) = self.until_pause_container_has_started(task, now);
        if failure.is_some() {
            return (paused, failure);
        }
        let (after, failure) = self.until_started(task, now);
        (paused + after, failure)
    }

    /// From an instant on until the pause container of network mode `awsvpc` has started on an instance, or the agent gives it up; nothing
    /// in other modes.
    pub(super) fn until_pause_container_has_started(
        &self,
        task: Id<Task>,
        at: Instant,
    ) -> (Span, Option<StartFailure>) {
        let has_one = self.definition_of(task).network_mode == NetworkMode::Awsvpc;
        self.until_docker_has_started(task, Span::SECOND * u64::from(has_one), at)
    }

    /// From when the image of a container is there, at an instant, or its restart policy wants it again, until it has started, or the
    /// agent gives it up.
    pub(super) fn until_started(&self, task: Id<Task>, at: Instant) -> (Span, Option<StartFailure>) {
        self.until_docker_has_started(task, self.scenario.assumptions.container_create_time, at)
    }

    /// Until a container has started that usually takes so long, or the agent gives it up; Fargate is not known to.
    fn until_docker_has_started(&self, task: Id<Task>, usual: Span, at: Instant) -> (Span, Option<StartFailure>) {
        let takes = Span::from_nanos_f64(usual.0 as f64 * self.slowness_of_runtime(task, at));
        let takes = self.varied(task, Phase::CreateAndStart, takes);
        match self.cluster.tasks[task].instance() {
            Some(_) => self.group_of(task).agent_configuration.timeouts.until_started(takes),
            None => (takes, None),
        }
    }

    fn slowness_of_runtime(&self, task: Id<Task>, at: Instant) -> f64 {
        let instance = self.cluster.tasks[task].instance();
        let group = instance.map(|it| self.cluster.instances[it].auto_scaling_group);
        let is_here = |of: &Option<Id<AutoScalingGroup>>| group.is_some() && (of.is_none() || *of == group);
        let factors = self.scenario.faults_at(at).filter_map(|(_, it)| match it {
            Fault::SlowContainerRuntime { auto_scaling_group, factor } if is_here(auto_scaling_group) => Some(*factor),
            _ => None,
        });
        factors.product()
    }

    /// A task whose containers are not followed is given up on its way, if something has been found to fail by now; whether it was.
    pub(super) fn is_given_up(&mut self, task: Id<Task>) -> bool {
        let Some(failure) = self.start_failures.remove(&task) else { return false };
        let reason = self.start_has_failed(task, &failure);
        let cause = self.say_of_task(task, None, "task.failed_to_start", &format!("failed to start: {reason}"));
        self.stop_task(task, StopCode::TaskFailedToStart, reason, Some(cause));
        true
    }
}
