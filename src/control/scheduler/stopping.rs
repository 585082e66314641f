//! What a service stops: old and unhealthy tasks, and those that are more than desired.
//!
//! Follows *Rolling update* and *Task scale-in protection* in the developer guide (2026).

use crate::aws::capacity_provider::{CapacityProvider, choose_provider_to_leave};
use crate::aws::deployment::TaskFailures;
use crate::aws::fargate::RETIRED;
use crate::aws::placement::{StopCandidate, TieBreak, choose_to_stop};
use crate::aws::service::ServiceDefinition;
use crate::cluster::{InstanceStatus, StopCode, Task, TaskStatus};
use crate::control::Control;
use crate::control::scheduler::Roll;
use crate::table::Id;

impl Control<'_> {
    /// Stops old and unhealthy tasks as far as the bounds allow; takes them off the roll and tells how many.
    pub(super) fn stop_what_leaves(
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
            false => match control.task_set_name(service, control.cluster.tasks[task].deployment) {
                Some(set) => format!("Scaling activity initiated by (taskSet {set})"),
                None => format!("Scaling activity initiated by (deployment {deployment})"),
            },
        };
        let (protected, mut leaving) = self.protected_and_others(service, std::mem::take(&mut roll.leaving));
        roll.leaving = protected;
        for &task in &leaving {
            if self.has_failed_its_checks(task) {
                let of = self.cluster.tasks[task].deployment;
                self.old_revision_lacks(service, of, 1);
            }
        }
        // Of those on their way as many stay as the minimum needs.
        let needed = lower.saturating_sub(roll.healthy()) as usize;
        leaving.extend(roll.leaving_not_yet_healthy.drain(needed.min(roll.leaving_not_yet_healthy.len())..));
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
        let unhealthy = roll.unhealthy.len() as u32;
        let at_once = if self.scenario.assumptions.unhealthy_tasks_stop_first { unhealthy } else { 0 };
        for _ in 0..superfluous.max(one_for_room).max(at_once).min(unhealthy) {
            let draw = self.streams.services[service.index()].placement.below(roll.unhealthy.len());
            let task = roll.unhealthy.remove(draw);
            stopped.push((task, self.fails_health_checks(task), unhealthy_cause));
            self.count_for_breaker(task, unhealthy_cause, TaskFailures::task_failed_its_checks);
        }
        let tasks: Vec<Id<Task>> = stopped.iter().map(|it| it.0).collect();
        let decision = self.say_stopped(service, &tasks, stopped.first().and_then(|it| it.2));
        let count = stopped.len() as u32;
        roll.stopping += if self.scenario.assumptions.maximum_percent_counts_stopping { count } else { 0 };
        for (task, reason, _) in stopped {
            self.stop_task(task, StopCode::ServiceSchedulerInitiated, reason, decision);
        }
        count
    }

    /// Tasks of a deployment are about to be started; puts down whether they take the place of unhealthy ones.
    pub(super) fn note_replacements(
        &mut self,
        service: Id<ServiceDefinition>,
        deployment: u32,
        roll: &Roll,
        wanted: u32,
    ) {
        let instead_of_unhealthy = roll.staying.len() + roll.unhealthy.len() >= wanted as usize;
        if instead_of_unhealthy && !roll.unhealthy.is_empty() {
            self.replaces_unhealthy(service, deployment, true);
        }
    }

    fn replaces_unhealthy(&mut self, service: Id<ServiceDefinition>, deployment: u32, replaces: bool) {
        let deployments = &mut self.services[service.index()].deployments;
        deployments.iter_mut().filter(|it| it.number == deployment).for_each(|it| it.replaces_unhealthy = replaces);
    }

    /// Stops what is more than `wanted` of the tasks that a deployment keeps. Where unhealthy tasks were replaced these may have got
    /// well: which of all stops is decided when their replacements are healthy. Those that have no place yet are taken back before.
    pub(super) fn stop_surplus(
        &mut self,
        service: Id<ServiceDefinition>,
        deployment: u32,
        roll: &mut Roll,
        (lower, wanted): (u32, u32),
    ) {
        let surplus = (roll.staying.len() as u32).saturating_sub(wanted);
        let placed = roll.staying.iter().filter(|it| self.cluster.tasks[**it].host.is_some()).count();
        let healthy = roll.staying_healthy as usize;
        let replaces = self.services[service.index()].deployment(deployment).is_some_and(|it| it.replaces_unhealthy);
        if surplus > 0 && !(replaces && healthy < placed) {
            let all_are_healthy = healthy == roll.staying.len();
            self.replaces_unhealthy(service, deployment, replaces && all_are_healthy);
            self.scale_in(service, roll, (lower, surplus), replaces && all_are_healthy);
        }
        if replaces && roll.is_settled(wanted) {
            self.replaces_unhealthy(service, deployment, false);
        }
    }

    /// Tasks of deployments that have failed, of some; all of these where none is of such a one. What has failed goes first.
    fn of_failed_or_all(&self, service: Id<ServiceDefinition>, tasks: &[Id<Task>]) -> Vec<Id<Task>> {
        let state = &self.services[service.index()];
        let has_failed = |number: u32| state.deployment(number).is_some_and(|it| it.failure.is_some());
        let of_failed = tasks.iter().copied().filter(|it| has_failed(self.cluster.tasks[*it].deployment));
        let of_failed: Vec<Id<Task>> = of_failed.collect();
        if of_failed.is_empty() { tasks.to_vec() } else { of_failed }
    }

    /// Stops tasks that are more than desired: by placement after a scale-in (*UpdateService* in the API's reference), at random where
    /// unhealthy tasks were replaced and got well, so that all are healthy (*Amazon ECS services* in the developer guide, 2026). Healthy
    /// ones stop only as far as the minimum has enough without them; those of deployments that have failed stop before all others, which
    /// ECS says nothing of.
    fn scale_in(
        &mut self,
        service: Id<ServiceDefinition>,
        roll: &mut Roll,
        (lower, surplus): (u32, u32),
        is_of_replaced: bool,
    ) {
        let (protected, mut others) = self.protected_and_others(service, std::mem::take(&mut roll.staying));
        let held = surplus.saturating_sub(others.len() as u32);
        if held > 0 {
            let words = format!("was unable to scale in due to {} tasks under protection.", protected.len());
            let cause = self.services[service.index()].wanted_because;
            self.say_once(service, "service.unable_to_scale_in", &words, cause);
        }
        let surplus = surplus - held;
        let at_random = is_of_replaced && self.scenario.assumptions.tie_break == TieBreak::Random;
        let mut victims = Vec::new();
        for _ in 0..surplus {
            if roll.healthy() <= lower {
                let (needed, spare) = others.into_iter().partition(|it| self.is_healthy(*it));
                (others, roll.staying) = (spare, [std::mem::take(&mut roll.staying), needed].concat());
            }
            if others.is_empty() {
                break;
            }
            let among = self.of_failed_or_all(service, &others);
            let victim = if at_random {
                self.streams.services[service.index()].placement.below(among.len())
            } else {
                let leaves = self.provider_to_leave(service, &among);
                self.choose_victim(service, &among, leaves)
            };
            let victim = among[victim];
            others.retain(|it| *it != victim);
            roll.staying_healthy -= u32::from(self.is_healthy(victim));
            victims.push(victim);
        }
        roll.staying.extend(protected);
        roll.staying.extend(others);
        let cause = self.services[service.index()].wanted_because;
        let decision = self.say_stopped(service, &victims, cause);
        for task in victims {
            let reason = format!("Scaling activity initiated by (service {})", self.scenario.services[service].name);
            self.stop_task(task, StopCode::ServiceSchedulerInitiated, reason, decision);
        }
    }

    /// Tasks that protect themselves from scale-in and deployments, and the rest; the scheduler looks again when the first protection
    /// expires. An instance that drains, and a task that is retired, wait for no protection.
    pub(super) fn protected_and_others(
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
        let deployment = among.first().map_or(0, |it| self.cluster.tasks[*it].deployment);
        let strategy = self.strategy_of(service, deployment);
        let count = |provider| {
            let is_there = |it: &&Id<Task>| self.cluster.tasks[**it].capacity_provider == Some(provider);
            among.iter().filter(is_there).count() as u32
        };
        let counts: Vec<u32> = strategy.iter().map(|it| count(it.capacity_provider)).collect();
        choose_provider_to_leave(strategy, &counts).map(|it| strategy[it].capacity_provider)
    }

    /// Which of some tasks stops, of those on a provider if it is one of them that must.
    pub(super) fn choose_victim(
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
        let strategies = &self.services[service.index()].placement_strategy;
        choose_to_stop(strategies, &candidates, self.scenario.assumptions.tie_break, &mut |n| stream.below(n))
    }
}
