//! Deployments: how one begins, when it is over, and what fails it.
//!
//! Follows *Amazon ECS service deployments*, *How the Amazon ECS deployment circuit breaker detects failures* and *How CloudWatch alarms
//! detect Amazon ECS deployment failures* in the developer guide (2026); when it is over, *Complete Amazon ECS rolling deployments early
//! with early success criteria* (2026): its tasks are healthy, the bake time has elapsed, and the old tasks are cleaned up. What these leave
//! open: old tasks are cleaned up when they are STOPPED, and the bake time runs meanwhile; the breaker's count goes on from its first
//! stage to its second; a deployment that has failed and is not rolled back replaces nothing, and its service is steady with what
//! there is where it *is healthy and at the desired number of tasks* (*Service event messages*), whatever revisions they are of. It is
//! to *stop launching new tasks* (`DeploymentCircuitBreaker` in the API's reference) and nothing else, so that what is more than desired
//! stops, of that revision first, then and after a scale-in; after a shift of traffic that is so of each revision by itself. A
//! service that goes back to a deployment is watched as in any other, so that this can fail too.

use crate::aws::deployment::{DeploymentStrategy, LifecycleStage, TaskFailures};
use crate::aws::service::{Registration, ServiceDefinition, ServiceLoadBalancer};
use crate::aws::subnet::NetworkConfiguration;
use crate::aws::task_definition::TaskDefinition;
use crate::aws::volume::EbsVolume;
use crate::cluster::Task;
use crate::control::Control;
use crate::control::image_digests::ImageDigests;
use crate::control::log::Decision;
use crate::control::scheduler::blue_green::Shift;
use crate::control::scheduler::hooks::CalledHooks;
use crate::control::scheduler::task_sets::TaskSet;
use crate::control::scheduler::{Roll, Service};
use crate::run::EarlySuccessLife;
use crate::table::Id;
use crate::units::{Instant, Span};

/// What a deployment brings; what is `None` stays as it was.
#[derive(Clone, Debug, Default)]
pub struct NewRevision {
    /// `taskDefinition`
    pub task_definition: Option<Id<TaskDefinition>>,
    /// `networkConfiguration`
    pub network: Option<Id<NetworkConfiguration>>,
    /// `volumeConfigurations`, which may take the volume away.
    pub volume: Option<Option<EbsVolume>>,
    /// `loadBalancers`, which may take the load balancer away.
    pub load_balancer: Option<Option<ServiceLoadBalancer>>,
}

/// One deployment of a service.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// From 0.
    pub number: u32,
    /// What it runs.
    pub task_definition: Id<TaskDefinition>,
    /// The network configuration that the timeline has given the service; its own where `None`.
    pub network: Option<Id<NetworkConfiguration>>,
    /// The EBS volume that each of its tasks gets.
    pub volume: Option<EbsVolume>,
    /// What its tasks are registered as; `None` without a load balancer.
    pub registration: Option<Registration>,
    /// When it began.
    pub created_at: Instant,
    /// When it completed for the first time.
    pub completed_at: Option<Instant>,
    /// What was left to do then, where that was something.
    pub early_success: Option<EarlySuccessLife>,
    /// Whether the service goes back to it, and has not come there yet: it is in progress again.
    pub is_gone_back_to: bool,
    /// Tasks that it has lost since the next one began, or that a scale-out has added to it.
    pub missing_tasks: u32,
    /// When another one began before it had completed, or its service was deleted.
    pub interrupted_at: Option<Instant>,
    /// Whether its service was deleted before it had completed.
    pub is_deleted: bool,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// Whether tasks were started in the place of unhealthy ones, so that a surplus of healthy tasks comes of these getting well.
    pub(super) replaces_unhealthy: bool,
    /// What the circuit breaker has counted.
    pub task_failures: TaskFailures,
    /// Whether an alarm was in ALARM when it began, so that its alarms are ignored.
    pub ignores_alarms: bool,
    /// Since when its alarms are watched though all is done.
    pub bakes_since: Option<Instant>,
    /// Until when its alarms are watched, from when all of its tasks run on.
    pub bakes_until: Option<Instant>,
    /// How traffic comes to it, where it is not rolling.
    pub shift: Option<Shift>,
    /// The hooks that it has called last, where it is rolling.
    pub(super) hooks: Option<CalledHooks>,
    /// The stages that it has come to, in turn.
    pub stages: Vec<Stage>,
    /// What it is beside, where it is a task set of an external deployment controller.
    pub task_set: Option<TaskSet>,
    /// Whether its tasks can be started with the digests of their images.
    pub image_digests: ImageDigests,
}

/// A stage of a deployment that is not rolling, or has hooks.
#[derive(Clone, Copy, Debug)]
pub struct Stage {
    /// Which.
    pub stage: LifecycleStage,
    /// What green has of production traffic at its end, in tenths of a percent.
    pub shifted: u32,
    /// When it began.
    pub began_at: Instant,
    /// When it ended, or the deployment failed in it.
    pub ended_at: Option<Instant>,
}

/// A deployment's failure.
#[derive(Clone, Copy, Debug)]
pub struct Failure {
    /// When.
    pub at: Instant,
    /// Why.
    pub reason: FailureReason,
    /// The number of the deployment that the service goes back to.
    pub rolls_back_to: Option<u32>,
    /// When it had come back to it.
    pub rolled_back_at: Option<Instant>,
}

impl Failure {
    /// What became of its deployment and by whom, in words.
    pub fn words(&self) -> String {
        let ended = if self.rolls_back_to.is_some() { "rolled it back" } else { "failed it" };
        let by = match self.reason {
            FailureReason::TasksFailedToStart => "the circuit breaker",
            FailureReason::AlarmDetected => "an alarm",
            _ => "ECS",
        };
        format!("{by} {ended}: {}", self.reason.words().trim_end_matches('.'))
    }
}

/// Why a deployment fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureReason {
    /// The circuit breaker has counted too many failed tasks.
    TasksFailedToStart,
    /// One of its alarms came to ALARM.
    AlarmDetected,
    /// A lifecycle hook said so, or did not answer in time.
    HookFailed(LifecycleStage),
    /// A stage lasted too long.
    StageTimedOut(LifecycleStage),
    /// Its tasks were not steady soon enough after the desired count had changed.
    NotSteady,
    /// The whole of it lasted too long.
    TimedOut,
}

impl FailureReason {
    /// In ECS's words, where these are known: the first two.
    pub fn words(self) -> String {
        match self {
            FailureReason::TasksFailedToStart => "tasks failed to start.".to_owned(),
            FailureReason::AlarmDetected => "alarm detected.".to_owned(),
            FailureReason::HookFailed(stage) => format!("lifecycle hook failed at {}.", stage.as_str()),
            FailureReason::StageTimedOut(stage) => format!("{} timed out.", stage.as_str()),
            FailureReason::NotSteady => "no steady state within 5 minutes of a scaling event.".to_owned(),
            FailureReason::TimedOut => "deployment timed out.".to_owned(),
        }
    }
}

impl Deployment {
    /// A deployment that begins.
    pub fn new(
        number: u32,
        (task_definition, network): (Id<TaskDefinition>, Option<Id<NetworkConfiguration>>),
        created_at: Instant,
    ) -> Deployment {
        Deployment {
            number,
            task_definition,
            network,
            volume: None,
            registration: None,
            created_at,
            completed_at: None,
            early_success: None,
            is_gone_back_to: false,
            missing_tasks: 0,
            interrupted_at: None,
            is_deleted: false,
            failure: None,
            replaces_unhealthy: false,
            task_failures: TaskFailures::default(),
            ignores_alarms: false,
            bakes_since: None,
            bakes_until: None,
            shift: None,
            hooks: None,
            stages: Vec::new(),
            task_set: None,
            image_digests: ImageDigests::Settled,
        }
    }

    /// Whether it stands still because it was told to: its alarms are watched, or a stage waits for hooks, traffic or its bake time.
    pub fn waits_on_purpose(&self, now: Instant) -> bool {
        let waits = |it: &Shift| !matches!(it.stage, LifecycleStage::ScaleUp | LifecycleStage::CleanUp);
        let has_called_hooks = self.shift.is_none() && self.stages.last().is_some_and(|it| it.ended_at.is_none());
        self.bakes_until.is_some_and(|it| it > now) || self.shift.as_ref().is_some_and(waits) || has_called_hooks
    }

    /// When it waited for its alarms, hooks, steps of traffic and bake times, as far as `end`.
    pub fn bakes(&self, end: Instant) -> Vec<(Instant, Instant)> {
        let over = self.failure.map(|it| it.at).or(self.completed_at).or(self.interrupted_at).unwrap_or(end);
        let is_bake = |it: &&Stage| !matches!(it.stage, LifecycleStage::ScaleUp | LifecycleStage::CleanUp);
        let stages = self.stages.iter().filter(is_bake).map(|it| (it.began_at, it.ended_at.unwrap_or(over)));
        let watched_until = self.bakes_until.map_or(over, |it| it.min(over));
        stages.chain(self.bakes_since.map(|it| (it, watched_until))).filter(|it| it.0 < it.1).collect()
    }

    /// When the hooks were called of which one has failed it; `None` where none has.
    pub fn failing_hooks_called_at(&self) -> Option<Instant> {
        let FailureReason::HookFailed(stage) = self.failure?.reason else { return None };
        self.stages.iter().rfind(|it| it.stage == stage).map(|it| it.began_at)
    }

    /// Another one begins: it is not to complete any more, where it has not. Tells whether that is news.
    pub(super) fn interrupt(&mut self, now: Instant) -> bool {
        let is_news = self.is_in_progress() && self.interrupted_at.is_none();
        if is_news {
            self.interrupted_at = Some(now);
            self.stages.last_mut().iter_mut().for_each(|it| it.ended_at = it.ended_at.or(Some(now)));
        }
        is_news
    }

    /// Its service is deleted.
    pub(super) fn ends_with_its_service(&mut self, now: Instant) {
        self.is_deleted = self.interrupt(now);
    }

    /// `rolloutState: COMPLETED`
    pub fn is_completed(&self) -> bool {
        self.completed_at.is_some() && !self.is_gone_back_to
    }

    /// `rolloutState: IN_PROGRESS`
    pub fn is_in_progress(&self) -> bool {
        !self.is_completed() && self.failure.is_none() && !self.is_deleted
    }
}

impl Service {
    /// The deployment of a number.
    pub fn deployment(&self, number: u32) -> Option<&Deployment> {
        self.deployments.iter().find(|it| it.number == number)
    }

    fn newest(&mut self) -> &mut Deployment {
        self.deployments.last_mut().expect("a service has a deployment")
    }

    /// The deployment that a service can go back to: the last one that has completed.
    fn last_completed(&self) -> Option<usize> {
        self.deployments.iter().rposition(Deployment::is_completed)
    }

    /// The deployment that has production traffic while another one begins: the last one that has completed at any time, which the
    /// service may be going back to.
    fn in_production(&self) -> Option<usize> {
        self.deployments.iter().rposition(|it| it.completed_at.is_some())
    }
}

impl Control<'_> {
    /// Starts a deployment of another revision, or of the same one again.
    pub(in crate::control) fn start_deployment(
        &mut self,
        service: Id<ServiceDefinition>,
        revision: NewRevision,
        cause: Option<Decision>,
    ) {
        let now = self.now();
        let newest = self.services[service.index()].newest();
        if newest.is_in_progress() && newest.shift.is_some_and(|it| it.stage == LifecycleStage::CleanUp) {
            // All traffic has come to it for good: it is what the next one replaces, and the old tasks go on stopping.
            newest.stages.last_mut().iter_mut().for_each(|it| it.ended_at = Some(now));
            self.deployment_completes(service);
        }
        let state = &self.services[service.index()];
        let number = 1 + state.deployments.iter().map(|it| it.number).max().unwrap_or(0);
        let before = state.primary();
        let task_definition = revision.task_definition.unwrap_or(before.task_definition);
        let network = revision.network.or(before.network);
        let volume = revision.volume.unwrap_or(before.volume);
        let production = state.in_production().unwrap_or(0);
        let blue = state.deployments[production].number;
        let registration = self.registration_of_next(service, &revision);
        let registration = registration.expect("the call is refused whose revision cannot be registered");
        let strategy = state.configuration.strategy;
        let message = format!(
            "(service {}) (deployment {number}) in progress: {}",
            self.scenario.services[service].name,
            self.scenario.task_definitions[task_definition].name()
        );
        let decision =
            self.log.put(now, cause, "service.deployment_in_progress", self.service_resource(service), message);
        let desired = if self.daemons.contains(&service) { 1 } else { self.services[service.index()].desired_count };
        self.stop_rebalancing(service);
        let mut deployment = Deployment::new(number, (task_definition, network), now);
        deployment.volume = volume;
        deployment.image_digests = ImageDigests::of_new(&self.scenario.task_definitions[task_definition], desired);
        deployment.ignores_alarms = self.alarm_of_deployment(service).is_some();
        deployment.registration = registration;
        if strategy != DeploymentStrategy::Rolling {
            deployment.shift = Some(Shift::new(blue, now));
            deployment.registration = self.other_registration(service, registration);
        }
        let before = self.services[service.index()].primary();
        if before.shift.is_some() && !before.is_completed() {
            self.traffic_goes_back(service, Some(decision));
        }
        let state = &mut self.services[service.index()];
        state.newest().interrupt(now);
        state.deployments.push(deployment);
        state.wanted_because = Some(decision);
        state.failed_starts = 0;
        state.retries.clear();
        state.is_steady = false;
        self.watch_deployment(service);
        self.schedule_service(service);
    }

    /// What tasks of a new revision are registered as: what it brings, or as before the container of that name.
    ///
    /// # Errors
    ///
    /// In ECS's words, where its task definition has no such container, or this maps no such port. A scenario in whose timeline that
    /// is so does not begin; a service that has gone back from what the timeline gave it may come to it.
    pub(in crate::control) fn registration_of_next(
        &self,
        service: Id<ServiceDefinition>,
        revision: &NewRevision,
    ) -> Result<Option<Registration>, String> {
        let state = &self.services[service.index()];
        let definitions = &self.scenario.task_definitions;
        let next = &definitions[revision.task_definition.unwrap_or(state.primary().task_definition)];
        let (target_group, looks_for) = match &revision.load_balancer {
            Some(None) => return Ok(None),
            Some(Some(it)) => (it.target_group, (it.container_name.as_str(), it.container_port)),
            None => {
                let has_alternate =
                    self.scenario.services[service].load_balancer.as_ref().is_some_and(|it| it.alternate.is_some());
                // Of two groups that take turns the rules tell which one has the requests; else what was said last holds.
                let before = match has_alternate {
                    true => &state.deployments[state.in_production().unwrap_or(0)],
                    false => state.primary(),
                };
                let Some(it) = before.registration else { return Ok(None) };
                let container = &definitions[before.task_definition].containers[it.container];
                (it.target_group, (container.name.as_str(), it.container_port))
            }
        };
        Registration::of(target_group, looks_for, next).map(Some).map_err(|it| it.words(looks_for))
    }

    /// A service has all of its tasks, and these are healthy.
    pub(in crate::control) fn is_steady(&mut self, service: Id<ServiceDefinition>) {
        let now = self.now();
        let are_old_gone = self.old_tasks_are_gone(service);
        let number = self.services[service.index()].primary().number;
        let waits_for_hooks = self.hooks_hold_up(service, LifecycleStage::PostScaleUp);
        let primary = self.services[service.index()].primary();
        if primary.number != number || (waits_for_hooks && primary.failure.is_some()) {
            // A hook has failed it.
            return;
        }
        let deployment = self.services[service.index()].newest();
        let may_complete = deployment.is_in_progress() && deployment.task_set.is_none() && !waits_for_hooks;
        if may_complete && self.has_baked(service) && are_old_gone {
            self.deployment_completes(service);
        }
        if let Some(it) = &mut self.services[service.index()].newest().early_success {
            it.all_healthy_at.get_or_insert(now);
        }
        // A deployment that has failed for good takes the place of none.
        let old_ones_stay = self.services[service.index()].primary().failure.is_some();
        if !are_old_gone && !old_ones_stay {
            return;
        }
        let state = &mut self.services[service.index()];
        if !state.is_steady {
            state.said.clear();
        }
        if !self.services[service.index()].is_steady {
            self.say_providers_are_steady(service);
        }
        let state = &mut self.services[service.index()];
        let interval = self.scenario.assumptions.steady_state_interval;
        let mut again_at = *state.steady_again_at.get_or_insert(now + interval);
        if !state.is_steady || again_at <= now {
            let cause = if state.is_steady { None } else { state.wanted_because };
            state.is_steady = true;
            again_at = now + interval;
            state.steady_again_at = Some(again_at);
            let message = format!("(service {}) has reached a steady state.", self.scenario.services[service].name);
            self.log.put(now, cause, "service.steady_state", self.service_resource(service), message);
        }
        self.schedule_service_at(service, again_at);
    }

    /// Whether so many tasks of a rolling update are healthy, and its alarms have been quiet for so long, that it is complete though
    /// others are still to come.
    pub(super) fn look_at_early_success(&mut self, service: Id<ServiceDefinition>, roll: &Roll) {
        let state = &self.services[service.index()];
        let deployment = state.primary();
        let Some(early) = state.configuration.early_success else { return };
        let is_rolling = deployment.shift.is_none() && deployment.task_set.is_none();
        if !deployment.is_in_progress()
            || !is_rolling
            || roll.staying_healthy < early.healthy_tasks(state.desired_count)
            || self.hooks_hold_up(service, LifecycleStage::PostScaleUp)
        {
            return;
        }
        if self.has_baked(service) && (early.cleanup_is_deferred || self.old_tasks_are_gone(service)) {
            self.deployment_completes(service);
            self.notes_early_success(service, roll.staying_healthy);
        }
    }

    /// Whether the bake time of a deployment whose tasks are healthy is over; it begins with the first time that this is asked.
    fn has_baked(&mut self, service: Id<ServiceDefinition>) -> bool {
        let now = self.now();
        let bake_time = self.bake_time_of_alarms(service);
        let deployment = self.services[service.index()].newest();
        deployment.bakes_since.get_or_insert(now);
        let bakes_until = *deployment.bakes_until.get_or_insert(now + bake_time);
        if bakes_until > now {
            self.schedule_service_at(service, bakes_until);
        }
        bakes_until <= now
    }

    /// Puts down what is left to do of a deployment that has completed early; nothing where that is nothing, and when a service goes
    /// back to one that had completed before.
    fn notes_early_success(&mut self, service: Id<ServiceDefinition>, healthy: u32) {
        let (now, old_tasks) = (self.now(), self.old_tasks(service));
        let state = &mut self.services[service.index()];
        let desired = state.desired_count;
        let had_completed = state.primary().completed_at.is_some_and(|it| it < now);
        if had_completed || (healthy >= desired && old_tasks == 0) {
            return;
        }
        let all_healthy_at = (healthy >= desired).then_some(now);
        state.newest().early_success = Some(EarlySuccessLife { healthy, desired, old_tasks, all_healthy_at });
    }

    /// Tasks of older deployments that are not STOPPED.
    fn old_tasks(&self, service: Id<ServiceDefinition>) -> u32 {
        let state = &self.services[service.index()];
        if state.has_task_sets() {
            // They stand side by side for as long as whoever deploys them wants it.
            return 0;
        }
        let number = state.primary().number;
        state.tasks.iter().filter(|it| self.cluster.tasks[**it].deployment != number).count() as u32
    }

    /// Whether nothing is left of a deployment but to see that it is complete: its tasks are healthy, and the last old one has just stopped.
    pub(in crate::control) fn has_come_to_its_end(&self, service: Id<ServiceDefinition>) -> bool {
        let deployment = self.services[service.index()].primary();
        deployment.is_in_progress() && deployment.bakes_until.is_some() && self.old_tasks_are_gone(service)
    }

    /// Whether *the tasks on the source service revision are cleaned up*: a deployment waits until they are STOPPED.
    fn old_tasks_are_gone(&self, service: Id<ServiceDefinition>) -> bool {
        self.old_tasks(service) == 0
    }

    pub(super) fn deployment_completes(&mut self, service: Id<ServiceDefinition>) {
        let now = self.now();
        let state = &mut self.services[service.index()];
        let cause = state.wanted_because;
        let deployment = state.newest();
        deployment.completed_at.get_or_insert(now);
        deployment.is_gone_back_to = false;
        deployment.missing_tasks = 0;
        let number = deployment.number;
        let failures = state.deployments.iter_mut().filter_map(|it| it.failure.as_mut());
        let rolled_back = failures.filter(|it| it.rolls_back_to == Some(number));
        rolled_back.for_each(|it| it.rolled_back_at = it.rolled_back_at.or(Some(now)));
        let name = &self.scenario.services[service].name;
        let message = format!("(service {name}) (deployment {number}) deployment completed.");
        self.log.put(now, cause, "service.deployment_completed", self.service_resource(service), message);
    }

    /// A service's deployment fails, and goes back to the last one that has completed, where there is one and that is wanted.
    pub(super) fn deployment_fails(
        &mut self,
        service: Id<ServiceDefinition>,
        reason: FailureReason,
        rolls_back: bool,
        cause: Option<Decision>,
    ) {
        let now = self.now();
        let name = &self.scenario.services[service].name;
        let state = &mut self.services[service.index()];
        let back = state.last_completed().filter(|_| rolls_back);
        let rolls_back_to = back.map(|it| state.deployments[it].number);
        let deployment = state.newest();
        deployment.failure = Some(Failure { at: now, reason, rolls_back_to, rolled_back_at: None });
        // It starts none in the place of another any more.
        deployment.replaces_unhealthy = false;
        let has_not_begun = reason == FailureReason::HookFailed(LifecycleStage::PreScaleUp);
        let was_blue = deployment.shift.is_some_and(|it| Some(it.blue) == rolls_back_to);
        deployment.stages.last_mut().iter_mut().for_each(|it| it.ended_at = it.ended_at.or(Some(now)));
        let message =
            format!("(service {name}) (deployment {}) deployment failed: {}", deployment.number, reason.words());
        let resource = self.service_resource(service);
        let decision = self.log.put(now, cause, "service.deployment_failed", resource.clone(), message);
        self.services[service.index()].is_steady = false;
        let Some(back) = back else {
            self.schedule_service(service);
            return;
        };
        let ignores_alarms = self.alarm_of_deployment(service).is_some();
        let state = &mut self.services[service.index()];
        // It is PRIMARY again, and no one can go back to it before it has completed once more.
        let mut again = state.deployments.remove(back);
        again.is_gone_back_to = true;
        // A rolling update has stopped and replaced its tasks meanwhile.
        again.replaces_unhealthy &= was_blue || has_not_begun;
        again.task_failures = TaskFailures::default();
        again.ignores_alarms = ignores_alarms;
        again.bakes_until = None;
        again.shift = None;
        let message = format!("(service {name}) rolling back to deployment {}.", again.number);
        state.deployments.push(again);
        state.failed_starts = 0;
        state.retries.clear();
        let decision = self.log.put(now, Some(decision), "service.deployment_rolling_back", resource, message);
        self.services[service.index()].wanted_because = Some(decision);
        self.traffic_goes_back(service, Some(decision));
        self.watch_deployment(service);
        self.schedule_service(service);
    }

    /// Whether the circuit breaker has counted enough.
    pub(super) fn look_at_circuit_breaker(&mut self, service: Id<ServiceDefinition>) {
        if self.breaker_trips(service) {
            let state = &self.services[service.index()];
            let rolls_back = state.configuration.circuit_breaker.is_some_and(|it| it.rolls_back);
            let cause = state.task_failure_cause;
            self.deployment_fails(service, FailureReason::TasksFailedToStart, rolls_back, cause);
        }
    }

    /// Whether the circuit breaker has counted enough to fail the deployment in progress.
    pub(super) fn breaker_trips(&self, service: Id<ServiceDefinition>) -> bool {
        let state = &self.services[service.index()];
        let deployment = state.primary();
        let Some(breaker) = state.configuration.circuit_breaker else { return false };
        deployment.is_in_progress()
            && deployment.shift.is_none()
            && deployment.task_failures.count >= breaker.threshold.of(state.desired_count)
    }

    /// Counts what has become of a task for the circuit breaker; only the deployment that is in progress is judged by its tasks.
    pub(in crate::control) fn count_for_breaker(
        &mut self,
        task: Id<Task>,
        cause: Option<Decision>,
        count: impl FnOnce(&mut TaskFailures),
    ) {
        let row = &self.cluster.tasks[task];
        let Some(service) = row.service() else { return };
        let number = row.deployment;
        let state = &mut self.services[service.index()];
        let deployment = state.newest();
        if deployment.number != number {
            return;
        }
        count(&mut deployment.task_failures);
        state.task_failure_cause = cause.or(state.task_failure_cause);
        if self.breaker_trips(service) {
            let now = self.now();
            self.schedule_service_at(service, now);
        }
    }

    /// A task has become healthy for the first time.
    pub(in crate::control) fn breaker_hears_of_healthy(&mut self, task: Id<Task>) {
        let Some(service) = self.cluster.tasks[task].service() else { return };
        let breaker = self.services[service.index()].configuration.circuit_breaker;
        self.count_for_breaker(task, None, |it| it.task_is_healthy(breaker.as_ref()));
    }

    /// The last change of an alarm of a service's deployments that is in ALARM; `None` where none is.
    fn alarm_of_deployment(&self, service: Id<ServiceDefinition>) -> Option<Option<Decision>> {
        let alarms = self.services[service.index()].configuration.alarms.as_ref()?;
        alarms.alarms.iter().find_map(|it| self.decision_of_alarm(*it))
    }

    /// An alarm has come to ALARM: deployments that watch it fail.
    pub(in crate::control) fn deployments_hear_of_alarm(&mut self) {
        for service in self.scenario.services.ids() {
            let Some(alarms) = &self.services[service.index()].configuration.alarms else { continue };
            let rolls_back = alarms.rolls_back;
            let deployment = self.services[service.index()].primary();
            let is_cleaning_up = deployment.shift.as_ref().is_some_and(|it| it.stage == LifecycleStage::CleanUp);
            if !deployment.is_in_progress() || deployment.ignores_alarms || is_cleaning_up {
                continue;
            }
            if let Some(cause) = self.alarm_of_deployment(service) {
                self.deployment_fails(service, FailureReason::AlarmDetected, rolls_back, cause);
            }
        }
    }

    /// How long alarms are watched after a rolling update has all of its tasks: as long as the slowest of them looks back.
    fn bake_time_of_alarms(&self, service: Id<ServiceDefinition>) -> Span {
        let state = &self.services[service.index()];
        match &state.configuration.alarms {
            Some(alarms) if state.primary().is_in_progress() && !state.primary().ignores_alarms => {
                let own = || alarms.alarms.iter().map(|it| self.looks_back(*it)).max().unwrap_or(Span::ZERO);
                self.scenario.assumptions.deployment_alarm_bake_time.unwrap_or_else(own)
            }
            _ => Span::ZERO,
        }
    }
}
