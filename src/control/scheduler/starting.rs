//! What a service starts: where its tasks go, and when it tries again.
//!
//! Follows *Service throttle logic* and *Amazon ECS capacity providers* in the developer guide (2026).

use std::collections::BTreeSet;

use crate::aws::capacity_provider::{CapacityProvider, CapacityProviderStrategyItem, choose_provider};
use crate::aws::cluster_query::Expression;
use crate::aws::launch::Launcher;
use crate::aws::run_task::Overrides;
use crate::aws::service::ServiceDefinition;
use crate::cluster::{ContainerInstance, Task};
use crate::control::Control;
use crate::control::placing::Wanted;
use crate::run::RefusalOutcome;
use crate::table::Id;
use crate::units::{Instant, Span};

/// Longest pause between attempts to start tasks that never reach RUNNING (*Service throttle logic*).
const LAUNCH_THROTTLE_MAXIMUM: Span = Span::seconds(27 * 60);

/// A placement that failed and is tried again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Retry {
    pub(super) first_failed_at: Instant,
    pub(super) next_at: Instant,
}

impl Control<'_> {
    /// Tries to place tasks that wait in PROVISIONING.
    pub(super) fn place_waiting_tasks(&mut self, service: Id<ServiceDefinition>) {
        let placed = self.place_waiting_tasks_of(Launcher::Service(service));
        self.say_started(service, &placed);
    }

    /// Tries to place what a launcher has in PROVISIONING; tells what found an instance.
    pub(in crate::control) fn place_waiting_tasks_of(&mut self, launcher: Launcher) -> Vec<Id<Task>> {
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
    pub(in crate::control) fn wanted_next(
        &self,
        service: Id<ServiceDefinition>,
        refused: &[Id<CapacityProvider>],
    ) -> Wanted {
        Wanted {
            launcher: Launcher::Service(service),
            task_definition: self.services[service.index()].launching().task_definition,
            capacity_provider: self.choose_capacity_provider(service, refused),
            network: self.services[service.index()].launching().network,
            placement_constraints: self.services[service.index()].placement_constraints,
            availability_zone: None,
            overrides: Overrides::default(),
        }
    }

    /// Starts up to `wanted` tasks: placed, waiting in PROVISIONING, or refused and tried again later.
    pub(super) fn start_tasks(&mut self, service: Id<ServiceDefinition>, wanted: u32) {
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
            let next = self.wanted_next(service, &refused);
            let on_fargate = self.fargate_of(&next);
            if !self.may_launch(service, on_fargate.is_some()) {
                self.schedule_service_at(service, now.next_minute());
                break;
            }
            if let Some(capacity) = on_fargate {
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
                    self.services[service.index()].launches.1 += 1;
                    self.task_seeks_image_digests(service, task, wanted > started + 1);
                    self.services[service.index()].retries.remove(&next.capacity_provider);
                }
                continue;
            }
            let waits = self.provisions(next.capacity_provider);
            match self.choose_instance(&next) {
                Some(instance) => {
                    let task = self.create_task(&next);
                    self.place_task(task, instance);
                    self.records.refusals.end(&next, now);
                    placed.push(task);
                    self.services[service.index()].launches.1 += 1;
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
        self.say_started(service, &placed);
        if let Some(refusal) = refusal {
            self.say_placement_failed(service, &format!("was unable to place a task. Reason: {}", refusal.words()));
        }
        for provider in refused_now {
            self.try_again_later(service, Some(provider));
        }
    }

    /// A task could not be placed, and its service comes back to it; when.
    pub(super) fn try_again_later(
        &mut self,
        service: Id<ServiceDefinition>,
        of: Option<Id<CapacityProvider>>,
    ) -> Instant {
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
    pub(in crate::control) fn start_gate(&mut self, service: Id<ServiceDefinition>) -> Option<Instant> {
        let retry = self.services[service.index()].retries.get(&None).map(|it| it.next_at);
        let first = self.scenario.assumptions.failed_launch_delay;
        let throttle = throttle_delay(self.services[service.index()].failed_starts, first)
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

    pub(in crate::control) fn may_launch(&mut self, service: Id<ServiceDefinition>, on_fargate: bool) -> bool {
        let assumptions = &self.scenario.assumptions;
        let most = if on_fargate { assumptions.fargate.launches_per_minute } else { assumptions.launches_per_minute };
        let minute = self.now().0 / Span::MINUTE.0;
        let launches = &mut self.services[service.index()].launches;
        if launches.0 != minute {
            *launches = (minute, 0);
        }
        launches.1 < most
    }

    /// The capacity provider strategy of a service's tasks, or of those of one of its task sets.
    pub(super) fn strategy_of(
        &self,
        service: Id<ServiceDefinition>,
        deployment: u32,
    ) -> &[CapacityProviderStrategyItem] {
        match self.scenario.services[service].task_set(deployment) {
            Some(set) => &set.capacity_provider_strategy,
            None => &self.services[service.index()].capacity_provider_strategy,
        }
    }

    /// The provider that the next task of a service goes to; `None` is launch type EC2.
    fn choose_capacity_provider(
        &self,
        service: Id<ServiceDefinition>,
        refused: &[Id<CapacityProvider>],
    ) -> Option<Id<CapacityProvider>> {
        let deployment = self.services[service.index()].launching().number;
        let strategy = self.strategy_of(service, deployment);
        if strategy.is_empty() {
            return None;
        }
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

    /// Services whose failed placements are tried again because there is room, which they no longer wait for.
    pub(in crate::control) fn retries_on_capacity(&mut self) -> BTreeSet<Id<ServiceDefinition>> {
        let mut services = BTreeSet::new();
        if self.scenario.assumptions.placement_retry_on_capacity {
            services = std::mem::take(&mut self.retrying);
            services.retain(|it| !std::mem::take(&mut self.services[it.index()].retries).is_empty());
        }
        services
    }

    /// A slot on an instance is free, or an instance has registered: what waits for capacity is tried again soon.
    pub(in crate::control) fn capacity_was_freed(&mut self, instance: Id<ContainerInstance>) {
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

    /// Whether a service has tasks that wait for an instance, or tries to place some again.
    pub(crate) fn with_unplaced_tasks(&self) -> BTreeSet<Launcher> {
        let waiting = self.cluster.waiting.iter().map(|it| it.0);
        let services = self.scenario.services.ids().filter(|it| !self.services[it.index()].retries.is_empty());
        let daemons = self.daemons.iter().copied().filter(|it| self.lacks_room(*it));
        waiting.chain(services.chain(daemons).map(Launcher::Service)).collect()
    }

    /// Whether where a task can go depends on where others are.
    pub(in crate::control) fn goes_by_tasks(&self, wanted: &Wanted) -> bool {
        let constraints = self.constraints_of(wanted);
        constraints.iter().filter_map(|it| it.expression()).any(Expression::depends_on_tasks)
    }
}

/// The pause before a service launches again after `failures` launch attempts in a row of which a task never ran, `first` being that
/// after the first three; `None` before the fourth, when nothing but the replacement of that task waits.
pub fn throttle_delay(failures: u32, first: Span) -> Option<Span> {
    match failures {
        0..=3 => None,
        _ => Some(LAUNCH_THROTTLE_MAXIMUM.min(first * (1 << (failures - 3).min(20)))),
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
            assert_eq!(throttle_delay(failures, Span::seconds(10)), Some(Span::seconds(seconds)), "{failures}");
        }
        assert_eq!(throttle_delay(3, Span::seconds(10)), None);
    }
}
