//! The service scheduler: how many tasks run, of which revision, where.
//!
//! Follows *Amazon ECS services* and *Rolling update* in the developer guide (2026), with the loop and the cadences that
//! the guide leaves open as named assumptions of the scenario. DAEMON services have a loop of their own, in `daemon`.

pub mod blue_green;
pub mod deployment;
pub mod events;
mod health;
mod hooks;
mod rebalancing;
mod replacing;
mod revisions;
mod starting;
mod status;
mod stopping;
pub mod task_sets;

use std::collections::{BTreeMap, BTreeSet};

use crate::agenda::Event;
use crate::aws::capacity_provider::{CapacityProvider, CapacityProviderStrategyItem};
use crate::aws::deployment::{DeploymentConfiguration, LifecycleStage};
use crate::aws::placement::{PlacementConstraint, PlacementStrategy};
use crate::aws::service::{ServiceDefinition, ServiceStatus, deployment_bounds};
use crate::cluster::{InstanceStatus, Task};
use crate::control::Control;
use crate::control::image_digests::ImageDigests;
use crate::control::log::Decision;
use crate::control::scheduler::deployment::Deployment;
use crate::control::scheduler::rebalancing::Rebalancing;
use crate::control::scheduler::starting::Retry;
use crate::scenario::Scenario;
use crate::table::Id;
use crate::units::{Instant, Span};

/// A service as the scheduler keeps it.
#[derive(Clone, Debug)]
pub struct Service {
    /// `status`
    pub status: ServiceStatus,
    /// Tasks wanted; of a DAEMON service as the instances have it.
    pub desired_count: u32,
    /// `minimumHealthyPercent`, now.
    pub minimum_healthy_percent: u32,
    /// `maximumPercent`, now.
    pub maximum_percent: u32,
    /// `availabilityZoneRebalancing`, now: whether it is ENABLED.
    pub availability_zone_rebalancing: bool,
    /// `healthCheckGracePeriodSeconds`, now.
    pub health_check_grace_period: Span,
    /// `placementStrategy`, now.
    pub placement_strategy: Vec<PlacementStrategy>,
    /// `placementConstraints` that the timeline has given it; its own where `None`.
    pub placement_constraints: Option<Id<Vec<PlacementConstraint>>>,
    /// `capacityProviderStrategy`, now.
    pub capacity_provider_strategy: Vec<CapacityProviderStrategyItem>,
    /// The rest of `deploymentConfiguration`, now.
    pub configuration: DeploymentConfiguration,
    /// Deployments, the one that was begun or gone back to last at the end: that one is PRIMARY.
    pub deployments: Vec<Deployment>,
    /// Deployments from before the service was last deleted.
    pub former_deployments: Vec<Deployment>,
    /// Tasks that are not STOPPED, in order of creation.
    pub tasks: Vec<Id<Task>>,
    /// Launch attempts in a row of which a task never reached RUNNING.
    pub failed_starts: u32,
    /// When the last of them was counted: what else fails of tasks that were there by then belongs to it.
    pub failed_start_at: Option<Instant>,
    /// Of its stopped tasks that never reached RUNNING the one created last, and when it stopped.
    pub newest_that_never_ran: Option<(Id<Task>, Instant)>,
    /// The decision that last made a task unhealthy or ended one.
    pub unhealthy_cause: Option<Decision>,
    /// The decision that the circuit breaker last counted something of.
    pub task_failure_cause: Option<Decision>,
    /// The decision that last changed the desired count or began a deployment.
    pub wanted_because: Option<Decision>,
    /// The number of the deployment that tasks are being started for, where that is not the PRIMARY one.
    pub(super) launches_for: Option<u32>,
    passes: BTreeSet<Instant>,
    /// Tasks that have ended by themselves, and when others may be started for them.
    replaced_at: BTreeMap<Id<Task>, Instant>,
    /// Placements that have failed: of each Fargate provider its own, and one for all on instances.
    retries: BTreeMap<Option<Id<CapacityProvider>>, Retry>,
    said: BTreeMap<String, Instant>,
    /// The minute of the last launches, and how many it has seen.
    pub(super) launches: (u64, u32),
    /// Whether it has reached a steady state, and this was said.
    pub(super) is_steady: bool,
    /// When that is said again, if it lasts.
    pub(super) steady_again_at: Option<Instant>,
    rebalancing: Rebalancing,
}

impl Service {
    /// A service as the scenario defines it, without tasks.
    pub fn new(scenario: &Scenario, definition: &ServiceDefinition) -> Service {
        let (status, desired_count) = match definition.is_created_later {
            true => (ServiceStatus::Missing, 0),
            false => (ServiceStatus::Active, definition.desired_count),
        };
        let first = &scenario.task_definitions[definition.task_definition];
        Service {
            status,
            desired_count,
            minimum_healthy_percent: definition.minimum_healthy_percent,
            maximum_percent: definition.maximum_percent,
            availability_zone_rebalancing: definition.availability_zone_rebalancing,
            health_check_grace_period: definition.health_check_grace_period,
            placement_strategy: definition.launch.placement_strategy.clone(),
            placement_constraints: None,
            capacity_provider_strategy: definition.launch.capacity_provider_strategy.clone(),
            configuration: definition.deployment.clone(),
            deployments: match definition.task_sets.is_empty() {
                true => vec![Deployment {
                    registration: definition.load_balancer.as_ref().and_then(|it| it.first_registration(first)),
                    volume: definition.launch.volume,
                    ..Deployment::new(0, (definition.task_definition, None), Instant::START)
                }],
                false => Service::task_sets_of(definition, Instant::START),
            },
            former_deployments: Vec::new(),
            tasks: Vec::new(),
            failed_starts: 0,
            failed_start_at: None,
            newest_that_never_ran: None,
            unhealthy_cause: None,
            task_failure_cause: None,
            launches_for: None,
            wanted_because: None,
            passes: BTreeSet::new(),
            replaced_at: BTreeMap::new(),
            retries: BTreeMap::new(),
            said: BTreeMap::new(),
            launches: (0, 0),
            is_steady: false,
            steady_again_at: None,
            rebalancing: Rebalancing::default(),
        }
    }

    /// Becomes as the scenario defines it again, for a second life: its deployments are numbered on, and nothing else stays.
    fn begin_anew(&mut self, scenario: &Scenario, definition: &ServiceDefinition) {
        let mut anew = Service::new(scenario, definition);
        anew.former_deployments = std::mem::take(&mut self.former_deployments);
        anew.former_deployments.append(&mut self.deployments);
        let number = 1 + anew.former_deployments.iter().map(|it| it.number).max().unwrap_or(0);
        anew.deployments.iter_mut().for_each(|it| it.number += number);
        anew.desired_count = 0;
        *self = anew;
    }

    /// The PRIMARY deployment.
    pub fn primary(&self) -> &Deployment {
        self.deployments.last().expect("a service has a deployment")
    }

    /// Whether placements of its tasks have failed and are to be tried again.
    pub fn has_failed_placements(&self) -> bool {
        !self.retries.is_empty()
    }

    /// The deployment that new tasks belong to.
    pub fn launching(&self) -> &Deployment {
        self.launches_for.and_then(|it| self.deployment(it)).unwrap_or_else(|| self.primary())
    }

    /// Whether a deployment is under way, the first one not counted once it has completed; of task sets ECS knows of none.
    pub fn is_deploying(&self) -> bool {
        self.primary().is_in_progress() && !self.has_task_sets()
    }
}

/// Tasks of a service, sorted by what is to become of them.
#[derive(Default)]
struct Roll {
    /// Of the PRIMARY deployment, to be kept.
    staying: Vec<Id<Task>>,
    /// Running and healthy, but to be replaced: of an older deployment, or on a draining instance.
    leaving_healthy: Vec<Id<Task>>,
    /// Of the revision that the service had before, and about to be healthy: they are there for those that it has lost.
    leaving_not_yet_healthy: Vec<Id<Task>>,
    /// To be replaced, and not healthy.
    leaving: Vec<Id<Task>>,
    /// Of the PRIMARY deployment, but failing their health checks.
    unhealthy: Vec<Id<Task>>,
    /// Healthy ones among `staying`.
    staying_healthy: u32,
    /// Asked to stop and not STOPPED, where `maximumPercent` counts them.
    stopping: u32,
}

impl Roll {
    fn healthy(&self) -> u32 {
        self.staying_healthy + self.leaving_healthy.len() as u32
    }

    fn all(&self) -> u32 {
        let leaving = self.leaving_healthy.len() + self.leaving_not_yet_healthy.len() + self.leaving.len();
        (self.staying.len() + leaving + self.unhealthy.len()) as u32 + self.stopping
    }

    fn is_settled(&self, desired: u32) -> bool {
        self.leaving_healthy.is_empty()
            && self.leaving_not_yet_healthy.is_empty()
            && self.leaving.is_empty()
            && self.unhealthy.is_empty()
            && self.staying.len() as u32 == desired
            && self.staying_healthy == desired
    }
}

impl Control<'_> {
    /// Starts the services: settled on what is there, or from nothing.
    pub(super) fn begin_services(&mut self) {
        if self.scenario.begins_settled {
            // Tasks of DAEMON services are the first on an instance.
            for service in self.daemons.clone().into_iter().chain(self.scenario.services.ids()) {
                self.settle_service(service);
            }
            // A service may want to be where a later one is.
            let mut goes_on = true;
            while std::mem::take(&mut goes_on) {
                for service in self.scenario.services.ids() {
                    goes_on |= self.goes_by_tasks(&self.wanted_next(service, &[])) && self.settle_service(service);
                }
            }
        }
        for service in self.scenario.services.ids().filter(|it| !self.scenario.services[*it].is_created_later) {
            if self.services[service.index()].has_task_sets() {
                self.begin_task_sets(service);
            } else if self.scenario.begins_settled {
                let state = &mut self.services[service.index()];
                if state.tasks.len() as u32 == state.desired_count {
                    state.is_steady = true;
                    state.deployments[0].completed_at = Some(Instant::START);
                }
            } else {
                let definition = &self.scenario.task_definitions[self.scenario.services[service].task_definition];
                let state = &mut self.services[service.index()];
                // How many a DAEMON service wants, the instances will say.
                let desired = if self.daemons.contains(&service) { 1 } else { state.desired_count };
                state.deployments[0].image_digests = ImageDigests::of_new(definition, desired);
            }
            if self.services[service.index()].is_deploying() {
                self.watch_deployment(service);
            }
            self.schedule_service(service);
        }
    }

    /// Places what is desired as far as it goes; whether any task found an instance.
    fn settle_service(&mut self, service: Id<ServiceDefinition>) -> bool {
        if self.daemons.contains(&service) {
            return self.settle_daemon(service);
        }
        if self.services[service.index()].has_task_sets() {
            return self.settle_task_sets(service);
        }
        let before = self.services[service.index()].tasks.len();
        while (self.services[service.index()].tasks.len() as u32) < self.services[service.index()].desired_count
            && self.settle_next(service)
        {}
        self.services[service.index()].tasks.len() > before
    }

    /// Makes the next task of a service run where it finds a place; whether it does.
    fn settle_next(&mut self, service: Id<ServiceDefinition>) -> bool {
        let wanted = self.wanted_next(service, &[]);
        if let Some(capacity) = self.fargate_of(&wanted) {
            return self.settle_on_fargate(&wanted, capacity);
        }
        let Some(instance) = self.choose_instance(&wanted) else { return false };
        if self.has_no_address(&wanted, self.cluster.instances[instance].availability_zone)
            || self.has_no_host_ports(&wanted, instance)
        {
            return false;
        }
        let task = self.create_task(&wanted);
        self.settle_task(task, instance);
        true
    }

    /// Has the scheduler look at a service soon.
    pub(super) fn schedule_service(&mut self, service: Id<ServiceDefinition>) {
        let at = self.now() + self.scenario.assumptions.scheduler_delay;
        self.schedule_service_at(service, at);
    }

    /// Has the scheduler look at a service at an instant.
    pub(super) fn schedule_service_at(&mut self, service: Id<ServiceDefinition>, at: Instant) {
        if self.services[service.index()].passes.insert(at) {
            self.agenda.put(at, Event::ServiceIsScheduled(service));
        }
    }

    /// Changes a service's desired count; the PRIMARY deployment follows in place.
    pub(super) fn set_desired_count(&mut self, service: Id<ServiceDefinition>, desired: u32, cause: Option<Decision>) {
        // A call of auto scaling that was throttled is older than this one.
        self.service_calls.forget_scaling(service);
        let before = self.services[service.index()].desired_count;
        if before == desired || !self.is_active(service) {
            return;
        }
        let message = format!("(service {}) desired count {before} to {desired}", self.scenario.services[service].name);
        let decision =
            self.log.put(self.agenda.now(), cause, "service.desired_count", self.service_resource(service), message);
        if let Some(old) = self.services[service.index()].number_completed_before() {
            self.old_revision_lacks(service, old, desired.saturating_sub(before));
        }
        let state = &mut self.services[service.index()];
        state.desired_count = desired;
        state.deployments.iter_mut().for_each(|it| it.replaces_unhealthy &= desired > before);
        state.wanted_because = Some(decision);
        state.is_steady = false;
        state.retries.clear();
        self.shift_hears_of_scaling(service);
        self.task_sets_hear_of_scaling(service, before, decision);
        self.schedule_service(service);
    }

    pub(super) fn service_is_scheduled(&mut self, service: Id<ServiceDefinition>) {
        let now = self.now();
        if !self.services[service.index()].passes.remove(&now) {
            return;
        }
        match self.services[service.index()].status {
            ServiceStatus::Missing | ServiceStatus::Inactive => return,
            ServiceStatus::Draining => {
                self.drain_service(service);
                return;
            }
            ServiceStatus::Active => {}
        }
        self.forget_replaced_tasks(service);
        self.look_at_circuit_breaker(service);
        self.look_for_image_digests(service);
        if self.daemons.contains(&service) {
            self.daemon_is_scheduled(service);
            return;
        }
        self.place_waiting_tasks(service);
        if self.services[service.index()].has_task_sets() {
            self.task_sets_are_scheduled(service);
            self.check_activity(service);
            return;
        }
        if self.is_shifting(service) {
            self.shifting_service_is_scheduled(service);
            self.check_activity(service);
            return;
        }
        if self.hooks_hold_up(service, LifecycleStage::PreScaleUp) {
            self.keep_revision_before(service);
            self.check_activity(service);
            return;
        }
        if self.answer_fails_deployment(service) {
            self.check_activity(service);
            return;
        }
        let primary = self.services[service.index()].primary();
        if primary.shift.is_some() && primary.failure.is_some() {
            self.keep_revisions_of_failed_shift(service);
            self.check_activity(service);
            return;
        }
        let state = &self.services[service.index()];
        let desired = state.desired_count;
        let (lower, upper) = deployment_bounds(desired, state.minimum_healthy_percent, state.maximum_percent);
        self.failed_green_leaves(service);
        let mut roll = self.roll(service);
        let seen = (self.cluster.version, self.services[service.index()].primary().number);

        let stopped = self.stop_what_leaves(service, &mut roll, lower, upper, desired);
        if stopped > 0 {
            // What was stopped makes room: a new need, tried at once.
            self.services[service.index()].retries.clear();
        }
        self.stop_what_has_moved(service, &mut roll, lower);
        self.replace_of_old_revision(service, &mut roll, lower, upper);
        let in_all = desired + self.services[service.index()].rebalancing.extra_tasks();
        let number = self.services[service.index()].primary().number;
        let lacking = in_all.saturating_sub(roll.staying.len() as u32);
        let lacking = self.without_those_replaced_later(service, number, lacking);
        let wanted = lacking.min(upper.saturating_sub(roll.all()));
        let has_failed = self.services[service.index()].primary().failure.is_some();
        // What has just been stopped may be what the circuit breaker was waiting for.
        if wanted > 0 && !has_failed && !self.breaker_trips(service) {
            self.note_replacements(service, number, &roll, in_all);
            self.start_tasks(service, wanted);
        }
        self.stop_surplus(service, number, &mut roll, (lower, in_all));
        let has_older = !(roll.leaving_healthy.is_empty() && roll.leaving.is_empty());
        if has_older && lower >= desired && upper <= desired && desired > 0 {
            self.say_deployment_is_stuck(service);
        }
        let stands_still = seen == (self.cluster.version, self.services[service.index()].primary().number);
        let roll = if stands_still { roll } else { self.roll(service) };
        if roll.is_settled(desired) {
            self.look_at_early_success(service, &roll);
            let primary = self.services[service.index()].primary();
            // A hook may have failed it just now.
            if primary.number == number && (has_failed || primary.failure.is_none()) {
                self.is_steady(service);
            }
            // A deployment whose old tasks still stop has not completed, and goes first; of one that has failed no task is started.
            if self.services[service.index()].primary().is_completed() {
                self.rebalance_service(service, &roll);
            }
        } else {
            if self.services[service.index()].rebalancing.extra_tasks() == 0 {
                self.services[service.index()].is_steady = false;
            }
            self.look_at_early_success(service, &roll);
        }
        self.check_activity(service);
    }

    /// Sorts a service's tasks, those asked to stop left out.
    fn roll(&mut self, service: Id<ServiceDefinition>) -> Roll {
        let primary = self.services[service.index()].primary();
        // Where nothing follows it, a deployment that has failed replaces nothing.
        let (number, has_failed) = (primary.number, primary.failure.is_some());
        self.roll_of(service, &|it| Some(has_failed || it == number))
    }

    /// Sorts the tasks of some deployments; `stays` tells of a deployment's number whether its tasks are to stay, or nothing where it
    /// is none of these.
    fn roll_of(&mut self, service: Id<ServiceDefinition>, stays: &dyn Fn(u32) -> Option<bool>) -> Roll {
        let before = self.services[service.index()].number_completed_before();
        let tasks = self.services[service.index()].tasks.clone();
        let mut roll = Roll { staying: Vec::with_capacity(tasks.len()), ..Roll::default() };
        for task in tasks {
            let Some(stays) = stays(self.cluster.tasks[task].deployment) else { continue };
            if self.cluster.tasks[task].is_asked_to_stop {
                roll.stopping += u32::from(self.scenario.assumptions.maximum_percent_counts_stopping);
                continue;
            }
            let healthy = self.is_healthy(task);
            let row = &self.cluster.tasks[task];
            let drains =
                row.instance().is_some_and(|it| matches!(self.cluster.instances[it].status, InstanceStatus::Draining));
            let must_go = drains || self.retired.contains(&task);
            let is_before = Some(row.deployment) == before;
            if !stays || must_go {
                if healthy {
                    roll.leaving_healthy.push(task);
                } else if is_before && !must_go && !self.has_failed_its_checks(task) {
                    roll.leaving_not_yet_healthy.push(task);
                } else {
                    roll.leaving.push(task);
                }
            } else if self.has_failed_its_checks(task) {
                roll.unhealthy.push(task);
            } else {
                roll.staying_healthy += u32::from(healthy);
                roll.staying.push(task);
            }
        }
        roll
    }
}
