//! The service scheduler: how many tasks run, of which revision, where.
//!
//! Follows *Amazon ECS services* and *Rolling update* in the developer guide (2026), with the loop and the cadences that
//! the guide leaves open as named assumptions of the scenario. DAEMON services have a loop of their own, in `daemon`. Left out:
//! circuit breaker, blue/green.

use std::collections::{BTreeMap, BTreeSet};

use crate::agenda::Event;
use crate::aws::capacity_provider::{CapacityProvider, choose_provider, choose_provider_to_leave};
use crate::aws::cluster_query::Expression;
use crate::aws::container::HealthStatus;
use crate::aws::fargate::RETIRED;
use crate::aws::launch::Launcher;
use crate::aws::placement::{StopCandidate, choose_to_stop};
use crate::aws::run_task::Overrides;
use crate::aws::service::{ServiceDefinition, deployment_bounds};
use crate::aws::subnet::NetworkConfiguration;
use crate::aws::task_definition::TaskDefinition;
use crate::cluster::{ContainerInstance, InstanceStatus, StopCode, TargetState, Task, TaskStatus};
use crate::control::Control;
use crate::control::health::task_name;
use crate::control::image_digests::ImageDigests;
use crate::control::log::Decision;
use crate::control::placing::Wanted;
use crate::run::RefusalOutcome;
use crate::table::Id;
use crate::units::{Instant, Span};

/// Duplicate events are suppressed for this long (developer guide, *Viewing service events*).
const DUPLICATE_EVENTS: Span = Span::seconds(6 * 3600);
/// Longest pause between attempts to start tasks that never reach RUNNING (*Service throttle logic*).
const LAUNCH_THROTTLE_MAXIMUM: Span = Span::seconds(27 * 60);

/// A service as the scheduler keeps it.
#[derive(Clone, Debug)]
pub struct Service {
    /// Tasks wanted; of a DAEMON service as the instances have it.
    pub desired_count: u32,
    /// `minimumHealthyPercent`, now.
    pub minimum_healthy_percent: u32,
    /// `maximumPercent`, now.
    pub maximum_percent: u32,
    /// Deployments, the newest last: that one is PRIMARY.
    pub deployments: Vec<Deployment>,
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
    /// The decision that last changed the desired count or began a deployment.
    pub wanted_because: Option<Decision>,
    passes: BTreeSet<Instant>,
    /// Placements that have failed: of each Fargate provider its own, and one for all on instances.
    retries: BTreeMap<Option<Id<CapacityProvider>>, Retry>,
    said: BTreeMap<String, Instant>,
    /// The minute of the last launches, and how many it has seen.
    pub(super) launches: (u64, u32),
    /// Whether it has reached a steady state, and this was said.
    pub(super) is_steady: bool,
}

/// One deployment of a service.
#[derive(Clone, Copy, Debug)]
pub struct Deployment {
    /// From 0.
    pub number: u32,
    /// What it runs.
    pub task_definition: Id<TaskDefinition>,
    /// The network configuration that the timeline has given the service; its own where `None`.
    pub network: Option<Id<NetworkConfiguration>>,
    /// When it began.
    pub created_at: Instant,
    /// When it completed.
    pub completed_at: Option<Instant>,
    /// Whether its tasks can be started with the digests of their images.
    pub image_digests: ImageDigests,
}

/// A placement that failed and is tried again.
#[derive(Clone, Copy, Debug)]
struct Retry {
    first_failed_at: Instant,
    next_at: Instant,
}

impl Service {
    /// A service as the scenario defines it, without tasks.
    pub fn new(definition: &ServiceDefinition) -> Service {
        Service {
            desired_count: definition.desired_count,
            minimum_healthy_percent: definition.minimum_healthy_percent,
            maximum_percent: definition.maximum_percent,
            deployments: vec![Deployment {
                number: 0,
                task_definition: definition.task_definition,
                network: None,
                created_at: Instant::START,
                completed_at: None,
                image_digests: ImageDigests::Settled,
            }],
            tasks: Vec::new(),
            failed_starts: 0,
            failed_start_at: None,
            newest_that_never_ran: None,
            unhealthy_cause: None,
            wanted_because: None,
            passes: BTreeSet::new(),
            retries: BTreeMap::new(),
            said: BTreeMap::new(),
            launches: (0, 0),
            is_steady: false,
        }
    }

    /// The deployment that new tasks belong to.
    pub fn primary(&self) -> &Deployment {
        self.deployments.last().expect("a service has a deployment")
    }

    /// Whether a deployment is under way, the first one not counted once it has completed.
    pub fn is_deploying(&self) -> bool {
        self.primary().completed_at.is_none()
    }
}

/// Tasks of a service, sorted by what is to become of them.
#[derive(Default)]
struct Roll {
    /// Of the PRIMARY deployment, to be kept.
    staying: Vec<Id<Task>>,
    /// Running and healthy, but to be replaced: of an older deployment, or on a draining instance.
    leaving_healthy: Vec<Id<Task>>,
    /// To be replaced, and not healthy.
    leaving: Vec<Id<Task>>,
    /// Of the PRIMARY deployment, but failing their health checks.
    unhealthy: Vec<Id<Task>>,
    /// Healthy ones among `staying`.
    staying_healthy: u32,
}

impl Roll {
    fn healthy(&self) -> u32 {
        self.staying_healthy + self.leaving_healthy.len() as u32
    }

    fn all(&self) -> u32 {
        (self.staying.len() + self.leaving_healthy.len() + self.leaving.len() + self.unhealthy.len()) as u32
    }

    fn is_settled(&self, desired: u32) -> bool {
        self.leaving_healthy.is_empty()
            && self.leaving.is_empty()
            && self.unhealthy.is_empty()
            && self.staying.len() as u32 == desired
            && self.staying_healthy == desired
    }
}

impl<'a> Control<'a> {
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
        for service in self.scenario.services.ids() {
            if self.scenario.begins_settled {
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
            self.schedule_service(service);
        }
    }

    /// Places what is desired as far as it goes; whether any task found an instance.
    fn settle_service(&mut self, service: Id<ServiceDefinition>) -> bool {
        if self.daemons.contains(&service) {
            return self.settle_daemon(service);
        }
        let before = self.services[service.index()].tasks.len();
        while (self.services[service.index()].tasks.len() as u32) < self.services[service.index()].desired_count {
            let wanted = self.wanted_next(service, &[]);
            if let Some(capacity) = self.fargate_of(&wanted) {
                if self.settle_on_fargate(&wanted, capacity) {
                    continue;
                }
                break;
            }
            let Some(instance) = self.choose_instance(&wanted) else { break };
            if self.has_no_address(&wanted, self.cluster.instances[instance].availability_zone)
                || self.has_no_host_ports(&wanted, instance)
            {
                break;
            }
            let task = self.create_task(&wanted);
            self.settle_task(task, instance);
        }
        self.services[service.index()].tasks.len() > before
    }

    /// Whether where a task can go depends on where others are.
    pub(super) fn goes_by_tasks(&self, wanted: &Wanted) -> bool {
        let constraints = self.constraints_of(wanted.launcher, wanted.task_definition);
        constraints.iter().filter_map(|it| it.expression()).any(Expression::depends_on_tasks)
    }

    /// Puts down what made a service's task unhealthy or ended it; of standalone tasks nobody asks.
    pub(super) fn note_unhealthy(&mut self, launcher: Launcher, decision: Decision) {
        if let Launcher::Service(service) = launcher {
            self.services[service.index()].unhealthy_cause = Some(decision);
        }
    }

    /// Whether tasks of a launcher are registered with a target group.
    pub(super) fn has_load_balancer(&self, launcher: Launcher) -> bool {
        launcher.service().is_some_and(|it| self.scenario.services[it].load_balancer.is_some())
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
        let before = self.services[service.index()].desired_count;
        if before == desired {
            return;
        }
        let message = format!("(service {}) desired count {before} to {desired}", self.scenario.services[service].name);
        let decision =
            self.log.put(self.agenda.now(), cause, "service.desired_count", self.service_resource(service), message);
        let state = &mut self.services[service.index()];
        state.desired_count = desired;
        state.wanted_because = Some(decision);
        state.is_steady = false;
        state.retries.clear();
        self.schedule_service(service);
    }

    /// Starts a deployment of another revision, or of the same one again.
    pub(super) fn start_deployment(
        &mut self,
        service: Id<ServiceDefinition>,
        task_definition: Option<Id<TaskDefinition>>,
        network: Option<Id<NetworkConfiguration>>,
        cause: Option<Decision>,
    ) {
        let now = self.now();
        let number = self.services[service.index()].primary().number + 1;
        let before = self.services[service.index()].primary();
        let task_definition = task_definition.unwrap_or(before.task_definition);
        let network = network.or(before.network);
        let message = format!(
            "(service {}) (deployment {number}) in progress: {}",
            self.scenario.services[service].name,
            self.scenario.task_definitions[task_definition].name()
        );
        let decision =
            self.log.put(now, cause, "service.deployment_in_progress", self.service_resource(service), message);
        let desired = if self.daemons.contains(&service) { 1 } else { self.services[service.index()].desired_count };
        let image_digests = ImageDigests::of_new(&self.scenario.task_definitions[task_definition], desired);
        let state = &mut self.services[service.index()];
        let deployment =
            Deployment { number, task_definition, network, created_at: now, completed_at: None, image_digests };
        state.deployments.push(deployment);
        state.wanted_because = Some(decision);
        state.failed_starts = 0;
        state.retries.clear();
        state.is_steady = false;
        self.schedule_service(service);
    }

    /// Services whose failed placements are tried again because there is room, which they no longer wait for.
    pub(super) fn retries_on_capacity(&mut self) -> BTreeSet<Id<ServiceDefinition>> {
        let mut services = BTreeSet::new();
        if self.scenario.assumptions.placement_retry_on_capacity {
            services = std::mem::take(&mut self.retrying);
            services.retain(|it| !std::mem::take(&mut self.services[it.index()].retries).is_empty());
        }
        services
    }

    /// A slot on an instance is free, or an instance has registered: what waits for capacity is tried again soon.
    pub(super) fn capacity_was_freed(&mut self, instance: Id<ContainerInstance>) {
        self.place_daemons(instance);
        let group = self.cluster.instances[instance].auto_scaling_group;
        let launchers: BTreeSet<Launcher> = self.cluster.waiting.iter().map(|it| it.0).collect();
        let mut services: BTreeSet<Id<ServiceDefinition>> = launchers.iter().filter_map(|it| it.service()).collect();
        services.extend(self.retries_on_capacity());
        for service in services {
            self.schedule_service(service);
        }
        self.place_standalone_tasks_soon();
        self.reconcile_group_soon_if_above(group);
    }

    pub(super) fn service_is_scheduled(&mut self, service: Id<ServiceDefinition>) {
        let now = self.now();
        if !self.services[service.index()].passes.remove(&now) {
            return;
        }
        self.look_for_image_digests(service);
        if self.daemons.contains(&service) {
            self.daemon_is_scheduled(service);
            return;
        }
        self.place_waiting_tasks(service);
        let state = &self.services[service.index()];
        let desired = state.desired_count;
        let (lower, upper) = deployment_bounds(desired, state.minimum_healthy_percent, state.maximum_percent);
        let mut roll = self.roll(service);

        let stopped = self.stop_what_leaves(service, &mut roll, lower, upper, desired);
        if stopped > 0 {
            // What was stopped makes room: a new need, tried at once.
            self.services[service.index()].retries.clear();
        }
        let wanted = desired.saturating_sub(roll.staying.len() as u32).min(upper.saturating_sub(roll.all()));
        if wanted > 0 {
            self.start_tasks(service, wanted);
        }
        let surplus = (roll.staying.len() as u32).saturating_sub(desired);
        if surplus > 0 {
            self.scale_in(service, &mut roll.staying, surplus);
        }
        let has_older = !(roll.leaving_healthy.is_empty() && roll.leaving.is_empty());
        if has_older && lower >= desired && upper <= desired && desired > 0 {
            self.say_deployment_is_stuck(service);
        }
        let roll = self.roll(service);
        if roll.is_settled(desired) {
            self.is_steady(service);
        } else {
            self.services[service.index()].is_steady = false;
        }
        self.check_activity(service);
    }

    /// Whether a service has tasks that wait for an instance, or tries to place some again.
    pub(crate) fn with_unplaced_tasks(&self) -> BTreeSet<Launcher> {
        let waiting = self.cluster.waiting.iter().map(|it| it.0);
        let services = self.scenario.services.ids().filter(|it| !self.services[it.index()].retries.is_empty());
        let daemons = self.daemons.iter().copied().filter(|it| self.lacks_room(*it));
        waiting.chain(services.chain(daemons).map(Launcher::Service)).collect()
    }

    /// Sorts a service's tasks, those asked to stop left out.
    fn roll(&mut self, service: Id<ServiceDefinition>) -> Roll {
        let primary = self.services[service.index()].primary().number;
        let mut roll = Roll::default();
        for task in self.services[service.index()].tasks.clone() {
            if self.cluster.tasks[task].is_asked_to_stop {
                continue;
            }
            let healthy = self.is_healthy(task);
            let row = &self.cluster.tasks[task];
            let drains =
                row.instance().is_some_and(|it| matches!(self.cluster.instances[it].status, InstanceStatus::Draining));
            if row.deployment != primary || drains || self.retired.contains(&task) {
                if healthy { roll.leaving_healthy.push(task) } else { roll.leaving.push(task) }
            } else if self.has_failed_its_checks(task) {
                roll.unhealthy.push(task);
            } else {
                roll.staying_healthy += u32::from(healthy);
                roll.staying.push(task);
            }
        }
        roll
    }

    /// Whether a task counts as healthy: its target is, or it has run for a while where nothing checks it.
    pub(super) fn is_healthy(&mut self, task: Id<Task>) -> bool {
        let now = self.now();
        let healthy_after = self.scenario.assumptions.healthy_after;
        let row = &mut self.cluster.tasks[task];
        if row.status != TaskStatus::Running {
            return false;
        }
        let (target, is_followed) = (row.target, !row.containers.is_empty());
        let is_probed = is_followed && self.is_probed(task);
        if is_probed && !self.containers_are(task, HealthStatus::Healthy) {
            return false;
        }
        let row = &mut self.cluster.tasks[task];
        match target {
            Some(target) => self.cluster.targets[target].state == TargetState::Healthy,
            None if is_probed => true,
            None => {
                if row.healthy_at.is_none() && row.started_at.is_some_and(|it| now >= it + healthy_after) {
                    row.healthy_at = Some(now);
                }
                row.healthy_at.is_some()
            }
        }
    }

    /// Whether essential containers of a task have failed their health checks.
    pub(super) fn has_unhealthy_containers(&self, task: Id<Task>) -> bool {
        !self.cluster.tasks[task].containers.is_empty() && self.containers_are(task, HealthStatus::Unhealthy)
    }

    /// Whether a task's target or its containers are unhealthy.
    fn is_unhealthy(&self, task: Id<Task>) -> bool {
        let target = self.cluster.tasks[task].target;
        target.is_some_and(|it| self.cluster.targets[it].state == TargetState::Unhealthy)
            || self.has_unhealthy_containers(task)
    }

    /// Whether a task is unhealthy, its grace period over.
    pub(super) fn has_failed_its_checks(&mut self, task: Id<Task>) -> bool {
        let unhealthy = self.is_unhealthy(task);
        let row = &self.cluster.tasks[task];
        let (Some(started_at), true) = (row.started_at, unhealthy && row.status == TaskStatus::Running) else {
            return false;
        };
        let service = row.service().expect("the scheduler looks at tasks of services");
        let grace_ends = started_at + self.scenario.services[service].health_check_grace_period;
        if self.now() < grace_ends {
            self.schedule_service_at(service, grace_ends);
            return false;
        }
        true
    }

    /// Stops old and unhealthy tasks as far as the bounds allow; takes them off the roll and tells how many.
    fn stop_what_leaves(
        &mut self,
        service: Id<ServiceDefinition>,
        roll: &mut Roll,
        lower: u32,
        upper: u32,
        desired: u32,
    ) -> u32 {
        let deployment = self.services[service.index()].primary().number;
        let cause = self.services[service.index()].wanted_because;
        let mut stopped = Vec::new();
        let reason = |control: &Control<'_>, task: Id<Task>| match control.retired.contains(&task) {
            true => RETIRED.to_owned(),
            false => format!("Scaling activity initiated by (deployment {deployment})"),
        };
        let (protected, leaving) = self.protected_and_others(service, std::mem::take(&mut roll.leaving));
        roll.leaving = protected;
        for task in leaving {
            stopped.push((task, reason(self, task), cause));
        }
        let may_stop = roll.healthy().saturating_sub(lower);
        let (protected, mut leaving) = self.protected_and_others(service, std::mem::take(&mut roll.leaving_healthy));
        for _ in 0..may_stop.min(leaving.len() as u32) {
            let victim = self.choose_victim(service, &leaving, None);
            let task = leaving.remove(victim);
            stopped.push((task, reason(self, task), cause));
        }
        roll.leaving_healthy = protected;
        roll.leaving_healthy.extend(leaving);
        // A replacement that is healthy makes an unhealthy task superfluous; where there is no room for a replacement
        // they go one at a time.
        let replacements = roll.staying.len() as u32 - roll.staying_healthy;
        let superfluous = (roll.staying_healthy + roll.unhealthy.len() as u32).saturating_sub(desired);
        let one_for_room = u32::from(roll.all() >= upper && replacements == 0);
        let unhealthy_cause = self.services[service.index()].unhealthy_cause;
        for _ in 0..superfluous.max(one_for_room).min(roll.unhealthy.len() as u32) {
            let draw = self.streams.services[service.index()].placement.below(roll.unhealthy.len());
            let task = roll.unhealthy.remove(draw);
            let by = if self.has_unhealthy_containers(task) { "container" } else { "ELB" };
            stopped.push((task, format!("Task failed {by} health checks"), unhealthy_cause));
        }
        let count = stopped.len() as u32;
        if count > 0 {
            let names: Vec<String> = stopped.iter().map(|(task, ..)| format!("(task {})", task_name(*task))).collect();
            let message = format!(
                "(service {}) has stopped {count} running tasks: {}.",
                self.scenario.services[service].name,
                names.join(" ")
            );
            let cause = stopped[0].2;
            let decision = self.log.put(
                self.agenda.now(),
                cause,
                "service.tasks_stopped",
                self.service_resource(service),
                message,
            );
            for (task, reason, _) in stopped {
                self.stop_task(task, StopCode::ServiceSchedulerInitiated, reason, Some(decision));
            }
        }
        count
    }

    /// Stops tasks that are more than desired.
    fn scale_in(&mut self, service: Id<ServiceDefinition>, staying: &mut Vec<Id<Task>>, surplus: u32) {
        let now = self.now();
        let (protected, mut others) = self.protected_and_others(service, std::mem::take(staying));
        let held = surplus.saturating_sub(others.len() as u32);
        if held > 0 {
            let words = format!("was unable to scale in due to {} tasks under protection.", protected.len());
            let cause = self.services[service.index()].wanted_because;
            self.say_once(service, "service.unable_to_scale_in", &words, cause);
        }
        let surplus = surplus - held;
        let mut victims = Vec::new();
        for _ in 0..surplus {
            let leaves = self.provider_to_leave(service, &others);
            let victim = self.choose_victim(service, &others, leaves);
            victims.push(others.remove(victim));
        }
        *staying = protected;
        staying.extend(others);
        if victims.is_empty() {
            return;
        }
        let names: Vec<String> = victims.iter().map(|task| format!("(task {})", task_name(*task))).collect();
        let message = format!(
            "(service {}) has stopped {surplus} running tasks: {}.",
            self.scenario.services[service].name,
            names.join(" ")
        );
        let cause = self.services[service.index()].wanted_because;
        let decision = self.log.put(now, cause, "service.tasks_stopped", self.service_resource(service), message);
        for task in victims {
            let reason = format!("Scaling activity initiated by (service {})", self.scenario.services[service].name);
            self.stop_task(task, StopCode::ServiceSchedulerInitiated, reason, Some(decision));
        }
    }

    /// Tasks that protect themselves from scale-in and deployments, and the rest; the scheduler looks again when the first protection
    /// expires. An instance that drains, and a task that is retired, wait for no protection.
    fn protected_and_others(
        &mut self,
        service: Id<ServiceDefinition>,
        tasks: Vec<Id<Task>>,
    ) -> (Vec<Id<Task>>, Vec<Id<Task>>) {
        let Some(protection) = self.scenario.services[service].task_protection else { return (Vec::new(), tasks) };
        let now = self.now();
        let protected_until = |task: &Id<Task>| {
            let row = &self.cluster.tasks[*task];
            let drains = row.instance().is_some_and(|it| self.cluster.instances[it].status == InstanceStatus::Draining);
            let until = row.started_at? + protection;
            (now < until && !drains && !self.retired.contains(task)).then_some(until)
        };
        let first_to_expire = tasks.iter().filter_map(protected_until).min();
        let parts = tasks.iter().copied().partition(|it| protected_until(it).is_some());
        if let Some(expires) = first_to_expire {
            self.schedule_service_at(service, expires);
        }
        parts
    }

    /// The provider whose tasks are too many first when a service has a surplus; `None` where any may go.
    fn provider_to_leave(&self, service: Id<ServiceDefinition>, among: &[Id<Task>]) -> Option<Id<CapacityProvider>> {
        let strategy = &self.scenario.services[service].launch.capacity_provider_strategy;
        let count = |provider| {
            let is_there = |it: &&Id<Task>| self.cluster.tasks[**it].capacity_provider == Some(provider);
            among.iter().filter(is_there).count() as u32
        };
        let counts: Vec<u32> = strategy.iter().map(|it| count(it.capacity_provider)).collect();
        choose_provider_to_leave(strategy, &counts).map(|it| strategy[it].capacity_provider)
    }

    /// Which of some tasks stops, of those on a provider if it is one of them that must.
    fn choose_victim(
        &mut self,
        service: Id<ServiceDefinition>,
        among: &[Id<Task>],
        of_provider: Option<Id<CapacityProvider>>,
    ) -> usize {
        let is_unhealthy: Vec<bool> = among.iter().map(|&task| self.is_unhealthy(task)).collect();
        let candidates: Vec<StopCandidate> = among
            .iter()
            .zip(is_unhealthy)
            .map(|(&task, is_unhealthy)| {
                let row = &self.cluster.tasks[task];
                let host = row.instance().map(|it| &self.cluster.instances[it]);
                StopCandidate {
                    may_stop: of_provider.is_none() || row.capacity_provider == of_provider,
                    is_running: row.status == TaskStatus::Running,
                    is_unhealthy,
                    availability_zone: self.cluster.zone_of_task(task).map(Id::index),
                    instance: row.instance().map(Id::index),
                    attributes: host.map_or(&[], |it| &it.attributes),
                    remaining_cpu_units_after: host.map_or(0, |it| it.remaining_cpu_units + row.reservation.cpu_units),
                    remaining_memory_mib_after: host
                        .map_or(0, |it| it.remaining_memory_mib + row.reservation.memory_mib),
                    started: row.started_at,
                    created: row.created_at,
                }
            })
            .collect();
        let stream = &mut self.streams.services[service.index()].placement;
        let strategies = &self.scenario.services[service].launch.placement_strategy;
        choose_to_stop(strategies, &candidates, self.scenario.assumptions.tie_break, &mut |n| stream.below(n))
    }

    /// Tries to place tasks that wait in PROVISIONING.
    fn place_waiting_tasks(&mut self, service: Id<ServiceDefinition>) {
        let placed = self.place_waiting_tasks_of(Launcher::Service(service));
        self.say_started(service, &placed);
    }

    /// Tries to place what a launcher has in PROVISIONING; tells what found an instance.
    pub(super) fn place_waiting_tasks_of(&mut self, launcher: Launcher) -> Vec<Id<Task>> {
        let now = self.now();
        let from_here_on = self.cluster.waiting.range((launcher, Id::new(0))..);
        let waiting: Vec<Id<Task>> = from_here_on.take_while(|it| it.0 == launcher).map(|it| it.1).collect();
        let mut placed = Vec::new();
        // What one cannot get the next of its kind cannot either, unless tasks draw each other.
        let mut refused: BTreeSet<Wanted> = BTreeSet::new();
        for task in waiting {
            let wanted = Wanted::of(&self.cluster.tasks[task]);
            if refused.contains(&wanted) {
                self.placement_is_refused(&wanted, 1, RefusalOutcome::WaitsInProvisioning);
                continue;
            }
            let Some(instance) = self.choose_instance(&wanted) else {
                if !self.goes_by_tasks(&wanted) {
                    refused.insert(wanted);
                }
                self.placement_is_refused(&wanted, 1, RefusalOutcome::WaitsInProvisioning);
                continue;
            };
            self.place_task(task, instance);
            self.records.refusals.end(&wanted, now);
            placed.push(task);
        }
        placed
    }

    /// What the next task of a service is to be.
    ///
    /// `refused` are the providers of tasks that are not there because their provider could not take them: others start all
    /// the same, in their share.
    pub(super) fn wanted_next(&self, service: Id<ServiceDefinition>, refused: &[Id<CapacityProvider>]) -> Wanted {
        Wanted {
            launcher: Launcher::Service(service),
            task_definition: self.services[service.index()].primary().task_definition,
            capacity_provider: self.choose_capacity_provider(service, refused),
            network: self.services[service.index()].primary().network,
            overrides: Overrides::default(),
        }
    }

    /// Starts up to `wanted` tasks: placed, waiting in PROVISIONING, or refused and tried again later.
    fn start_tasks(&mut self, service: Id<ServiceDefinition>, wanted: u32) {
        let now = self.now();
        if let Some(gate) = self.start_gate(service)
            && gate > now
        {
            self.schedule_service_at(service, gate);
            return;
        }
        let mut placed = Vec::new();
        let (mut refused, mut refused_now, mut refusal) = (Vec::new(), BTreeSet::new(), None);
        let retries = &self.services[service.index()].retries;
        let not_yet: BTreeSet<_> = retries.iter().filter(|it| it.1.next_at > now).filter_map(|it| *it.0).collect();
        for started in 0..wanted {
            if self.waits_for_image_digests(service) {
                break;
            }
            if !self.may_launch(service) {
                self.schedule_service_at(service, now.next_minute());
                break;
            }
            let next = self.wanted_next(service, &refused);
            if let Some(capacity) = self.fargate_of(&next) {
                if next.capacity_provider.is_some_and(|it| not_yet.contains(&it)) {
                    refused.extend(next.capacity_provider);
                } else if let Some(why) = self.fargate_refusal(&next, capacity) {
                    refusal.get_or_insert(why);
                    refused.extend(next.capacity_provider);
                    refused_now.extend(next.capacity_provider);
                } else {
                    let task = self.create_task(&next);
                    self.launch_on_fargate(task);
                    placed.push(task);
                    self.task_seeks_image_digests(service, task, wanted > started + 1);
                    self.services[service.index()].retries.remove(&next.capacity_provider);
                }
                continue;
            }
            let waits =
                next.capacity_provider.is_some_and(|it| self.scenario.capacity_providers[it].managed_scaling.is_some());
            match self.choose_instance(&next) {
                Some(instance) => {
                    let task = self.create_task(&next);
                    self.place_task(task, instance);
                    self.records.refusals.end(&next, now);
                    placed.push(task);
                    self.task_seeks_image_digests(service, task, wanted > started + 1);
                    self.services[service.index()].retries.remove(&None);
                }
                None if waits => {
                    let refusal = self.placement_is_refused(&next, 1, RefusalOutcome::WaitsInProvisioning);
                    if !self.was_said(service, "service.task_waits") {
                        let words = format!(
                            "was unable to place a task because {} It waits in PROVISIONING for its capacity provider.",
                            self.records.refusals.rows[refusal].refusal
                        );
                        self.say_once(service, "service.task_waits", &words, None);
                    }
                    if !self.may_provision(1) {
                        let at = now + self.scenario.assumptions.placement_retry_fast;
                        self.schedule_service_at(service, at);
                        break;
                    }
                    let task = self.create_task(&next);
                    self.wake_task(task, self.scenario.assumptions.provisioning_timeout);
                    self.task_seeks_image_digests(service, task, wanted > started + 1);
                }
                None => {
                    let outcome = RefusalOutcome::RetriedAt(self.try_again_later(service, None));
                    let refusal = self.placement_is_refused(&next, wanted - placed.len() as u32, outcome);
                    if !self.was_said(service, "service.task_placement_failure") {
                        let refusal = &self.records.refusals.rows[refusal].refusal;
                        self.say_placement_failed(service, &format!("was unable to place a task because {refusal}"));
                    }
                    break;
                }
            }
        }
        self.services[service.index()].launches.1 += placed.len() as u32;
        self.say_started(service, &placed);
        if let Some(refusal) = refusal {
            self.say_placement_failed(service, &format!("was unable to place a task. Reason: {}.", refusal.words()));
        }
        for provider in refused_now {
            self.try_again_later(service, Some(provider));
        }
    }

    pub(super) fn say_started(&mut self, service: Id<ServiceDefinition>, placed: &[Id<Task>]) {
        if placed.is_empty() {
            return;
        }
        let names: Vec<String> = placed.iter().map(|task| format!("(task {})", task_name(*task))).collect();
        let message = format!(
            "(service {}) has started {} tasks: {}.",
            self.scenario.services[service].name,
            placed.len(),
            names.join(" ")
        );
        let cause = self.services[service.index()].wanted_because;
        self.log.put(self.agenda.now(), cause, "service.tasks_started", self.service_resource(service), message);
        self.services[service.index()].said.remove("service.task_waits");
        self.services[service.index()].said.remove("service.task_placement_failure");
    }

    fn say_placement_failed(&mut self, service: Id<ServiceDefinition>, words: &str) {
        let cause = self.services[service.index()].wanted_because;
        self.say_once(service, "service.task_placement_failure", words, cause);
    }

    /// A task could not be placed, and its service comes back to it; when.
    fn try_again_later(&mut self, service: Id<ServiceDefinition>, of: Option<Id<CapacityProvider>>) -> Instant {
        let now = self.now();
        let assumptions = &self.scenario.assumptions;
        let state = &mut self.services[service.index()];
        let first_failed_at = state.retries.get(&of).map_or(now, |it| it.first_failed_at);
        let pause = if now.since(first_failed_at) < assumptions.placement_retry_window {
            assumptions.placement_retry_fast
        } else {
            assumptions.placement_retry_slow
        };
        state.retries.insert(of, Retry { first_failed_at, next_at: now + pause });
        self.retrying.insert(service);
        self.schedule_service_at(service, now + pause);
        now + pause
    }

    /// The earliest instant at which tasks may be started again after failures.
    pub(super) fn start_gate(&mut self, service: Id<ServiceDefinition>) -> Option<Instant> {
        let retry = self.services[service.index()].retries.get(&None).map(|it| it.next_at);
        let throttle = throttle_delay(self.services[service.index()].failed_starts)
            .and_then(|delay| self.services[service.index()].newest_that_never_ran.map(|(_, at)| at + delay));
        if throttle.is_some_and(|it| it > self.now()) {
            self.say_once(
                service,
                "service.task_start_impaired",
                "is unable to consistently start tasks successfully.",
                None,
            );
        }
        retry.max(throttle)
    }

    pub(super) fn may_launch(&mut self, service: Id<ServiceDefinition>) -> bool {
        let minute = self.now().0 / Span::MINUTE.0;
        let launches = &mut self.services[service.index()].launches;
        if launches.0 != minute {
            *launches = (minute, 0);
        }
        launches.1 < self.scenario.assumptions.launches_per_minute
    }

    /// The provider that the next task of a service goes to; `None` is launch type EC2.
    fn choose_capacity_provider(
        &self,
        service: Id<ServiceDefinition>,
        refused: &[Id<CapacityProvider>],
    ) -> Option<Id<CapacityProvider>> {
        let strategy = &self.scenario.services[service].launch.capacity_provider_strategy;
        if strategy.is_empty() {
            return None;
        }
        let deployment = self.services[service.index()].primary().number;
        let counts: Vec<u32> = strategy
            .iter()
            .map(|item| {
                let refused = refused.iter().filter(|it| **it == item.capacity_provider).count();
                // Those that are retired are replaced as by a deployment.
                let tasks = self.services[service.index()].tasks.iter().filter(|it| !self.retired.contains(it));
                let tasks = tasks
                    .map(|&it| &self.cluster.tasks[it])
                    .filter(|it| !it.is_asked_to_stop && it.deployment == deployment)
                    .filter(|it| it.capacity_provider == Some(item.capacity_provider))
                    .count();
                (tasks + refused) as u32
            })
            .collect();
        Some(strategy[choose_provider(strategy, &counts)].capacity_provider)
    }

    pub(super) fn is_steady(&mut self, service: Id<ServiceDefinition>) {
        let now = self.now();
        let name = &self.scenario.services[service].name;
        let resource = self.service_resource(service);
        let state = &mut self.services[service.index()];
        let cause = state.wanted_because;
        let deployment = state.deployments.last_mut().expect("a service has a deployment");
        if deployment.completed_at.is_none() {
            deployment.completed_at = Some(now);
            let message = format!("(service {name}) (deployment {}) deployment completed.", deployment.number);
            self.log.put(now, cause, "service.deployment_completed", resource.clone(), message);
        }
        let state = &mut self.services[service.index()];
        if !state.is_steady {
            state.is_steady = true;
            state.said.clear();
            let message = format!("(service {name}) has reached a steady state.");
            self.log.put(now, cause, "service.steady_state", resource, message);
        }
    }

    /// Whether an event of a service would be a duplicate now.
    fn was_said(&self, service: Id<ServiceDefinition>, kind: &str) -> bool {
        self.services[service.index()].said.get(kind).is_some_and(|&at| self.now() < at + DUPLICATE_EVENTS)
    }

    pub(super) fn say_deployment_is_stuck(&mut self, service: Id<ServiceDefinition>) {
        self.say_once(
            service,
            "service.deployment_stuck",
            "was unable to stop or start tasks during a deployment because of the service deployment configuration. \
             Update the minimumHealthyPercent or maximumPercent value and try again.",
            None,
        );
    }

    /// Logs an event of a service, unless the same was said and its cause is still there.
    pub(super) fn say_once(
        &mut self,
        service: Id<ServiceDefinition>,
        kind: &'static str,
        words: &str,
        cause: Option<Decision>,
    ) {
        let now = self.now();
        if self.was_said(service, kind) {
            return;
        }
        let state = &mut self.services[service.index()];
        state.said.insert(kind.to_owned(), now);
        let message = format!("(service {}) {words}", self.scenario.services[service].name);
        self.log.put(now, cause, kind, self.service_resource(service), message);
    }
}

/// The pause before the next launch after `failures` launch attempts in a row of which a task never ran; `None` before the fourth.
pub fn throttle_delay(failures: u32) -> Option<Span> {
    match failures {
        0..=3 => None,
        _ => Some(LAUNCH_THROTTLE_MAXIMUM.min(Span::seconds(10 << (failures - 3).min(20)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_63_pauses_between_launches_that_fail() {
        for (failures, seconds) in
            [(4, 20), (5, 40), (6, 80), (7, 160), (8, 320), (9, 640), (10, 1280), (11, 1620), (40, 1620)]
        {
            assert_eq!(throttle_delay(failures), Some(Span::seconds(seconds)), "{failures}");
        }
        assert_eq!(throttle_delay(3), None);
    }
}
