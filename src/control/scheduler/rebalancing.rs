//! Availability Zone rebalancing: tasks of a service that is steady move from the fullest zones to the emptiest.
//!
//! Follows *Balancing an Amazon ECS service across Availability Zones* and *Amazon ECS Availability Zone service rebalancing
//! service event messages* in the developer guide (2026). What they leave open: how soon ECS looks at the zones, and how many
//! tasks move at once (`zoneRebalancingDelay`, and one for each pair of zones).

use std::collections::BTreeSet;

use crate::aws::auto_scaling_group::AvailabilityZone;
use crate::aws::service::{
    SchedulingStrategy, ServiceDefinition, deployment_bounds, not_rebalanced, rebalancing_moves,
};
use crate::aws::task_definition::Reservation;
use crate::cluster::{StopCode, Task};
use crate::control::Control;
use crate::control::health::task_name;
use crate::control::placing::Wanted;
use crate::control::scheduler::{Roll, Service};
use crate::table::Id;
use crate::units::Instant;

/// How a service's rebalancing stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Rebalancing {
    /// Whether it was said that it is in progress.
    is_in_progress: bool,
    /// Tasks that were started, each with the zone where one stops once it is healthy.
    moves: Vec<(Id<Task>, Id<AvailabilityZone>)>,
    /// When the zones are looked at next, where they are not balanced.
    looks_at: Option<Instant>,
}

impl Rebalancing {
    /// Tasks that run beyond the desired count until others have stopped for them.
    pub(super) fn extra_tasks(&self) -> u32 {
        self.moves.len() as u32
    }
}

impl Control<'_> {
    /// Whether a service is rebalanced, as it stands now.
    fn is_rebalanced(&self, state: &Service, wanted: &Wanted) -> bool {
        state.availability_zone_rebalancing
            && not_rebalanced(
                SchedulingStrategy::Replica,
                state.maximum_percent,
                &state.placement_strategy,
                self.constraints_of(wanted).into_iter(),
            )
            .is_none()
    }

    /// For each task that was started in an emptier zone and is healthy now one stops in the fuller one.
    pub(super) fn stop_what_has_moved(&mut self, service: Id<ServiceDefinition>, roll: &mut Roll, lower: u32) {
        let moves = std::mem::take(&mut self.services[service.index()].rebalancing.moves);
        let mut open = Vec::new();
        for (place, &(started, from)) in moves.iter().enumerate() {
            if !roll.staying.contains(&started) {
                continue;
            }
            if !self.is_healthy(started) || roll.healthy() <= lower {
                open.push((started, from));
                continue;
            }
            let tasks_in = |zone| {
                let is_there = |it: &Id<Task>| self.cluster.zone_of_task(*it) == zone;
                roll.staying.iter().copied().filter(is_there).collect::<Vec<_>>()
            };
            let there = tasks_in(Some(from));
            // How many are left in a zone once all moves are done.
            let left_in = |zone: Id<AvailabilityZone>| {
                let leave = moves[place..].iter().chain(&open).filter(|it| it.1 == zone).count();
                tasks_in(Some(zone)).len().saturating_sub(leave)
            };
            if self.scenario.availability_zones.ids().any(|it| left_in(it) > left_in(from) + 1) {
                // Others have gone from there meanwhile: it is one too many, as after a scale-in.
                continue;
            }
            if !self.may_leave(service, &there, from) {
                open.push((started, from));
                continue;
            }
            let (_, others) = self.protected_and_others(service, there);
            let victim = others[self.choose_victim(service, &others, None)];
            roll.staying_healthy -= u32::from(self.is_healthy(victim));
            roll.staying.retain(|it| *it != victim);
            let message = format!(
                "(service {}) has stopped 1 running tasks in {} due to AZ rebalancing: (task {}).",
                self.scenario.services[service].name,
                self.scenario.availability_zones[from].name,
                task_name(victim)
            );
            let decision =
                self.log.put(self.now(), None, "service.tasks_stopped", self.service_resource(service), message);
            let deployment = self.services[service.index()].primary().number;
            let reason = format!("Availability-zone rebalancing initiated by (deployment {deployment})");
            self.stop_task(victim, StopCode::ServiceSchedulerInitiated, reason, Some(decision));
        }
        self.services[service.index()].rebalancing.moves = open;
    }

    /// Whether some of a service's tasks in a zone may stop: not all of them protect themselves.
    fn may_leave(&mut self, service: Id<ServiceDefinition>, tasks: &[Id<Task>], zone: Id<AvailabilityZone>) -> bool {
        let is_there = |it: &Id<Task>| self.cluster.zone_of_task(*it) == Some(zone);
        let there: Vec<Id<Task>> = tasks.iter().copied().filter(is_there).collect();
        let (protected, others) = self.protected_and_others(service, there);
        if others.is_empty() {
            let words = format!(
                "was unable to AZ Rebalance because it was unable to scale in due to {} tasks under protection.",
                protected.len()
            );
            self.say_once(service, "service.scale_in_failure_by_task_protection", &words, None);
        }
        !others.is_empty()
    }

    /// A service has settled: its tasks move on, if they are uneven over the zones and it is time.
    pub(super) fn rebalance_service(&mut self, service: Id<ServiceDefinition>, roll: &Roll) {
        let now = self.now();
        let zones = self.zones_out_of_balance(service, &roll.staying);
        let name = self.scenario.services[service].name.clone();
        let state = &mut self.services[service.index()];
        let Some((zones, tasks_in)) = zones else {
            state.rebalancing.looks_at = None;
            if std::mem::take(&mut state.rebalancing.is_in_progress) {
                let balanced = self.words_of_zones(&roll.staying);
                let message = format!("(service {name}) is AZ balanced with {balanced}.");
                let resource = self.service_resource(service);
                self.log.put(now, None, "service.rebalancing_completed", resource, message);
            }
            return;
        };
        let looks_at =
            *state.rebalancing.looks_at.get_or_insert(now + self.scenario.assumptions.zone_rebalancing_delay);
        if now < looks_at {
            self.schedule_service_at(service, looks_at);
            return;
        }
        self.services[service.index()].rebalancing.looks_at = None;
        if !std::mem::replace(&mut self.services[service.index()].rebalancing.is_in_progress, true) {
            let uneven = self.words_of_zones(&roll.staying);
            let message = format!("(service {name}) is not AZ balanced with {uneven}. AZ Rebalancing in progress.");
            let resource = self.service_resource(service);
            self.log.put(now, None, "service.rebalancing_started", resource, message);
        }
        let state = &self.services[service.index()];
        let (_, upper) = deployment_bounds(state.desired_count, state.minimum_healthy_percent, state.maximum_percent);
        let mut room = upper.saturating_sub(roll.all());
        let mut started = Vec::new();
        let moves = rebalancing_moves(&tasks_in, |from, to| {
            let may_start = room > 0 && self.may_leave(service, &roll.staying, zones[from]);
            let task = if may_start { self.start_in_zone(service, zones[to]) } else { None };
            room -= u32::from(task.is_some());
            started.extend(task);
            task.is_some()
        });
        let moves = started.into_iter().zip(moves.iter().map(|(from, _)| zones[*from])).collect::<Vec<_>>();
        if moves.is_empty() {
            let again = now + self.scenario.assumptions.placement_retry_slow;
            self.services[service.index()].rebalancing.looks_at = Some(again);
            self.schedule_service_at(service, again);
        }
        self.services[service.index()].rebalancing.moves = moves;
    }

    /// Instances have come or gone: services that are steady may be uneven over the zones that there are now.
    pub(in crate::control) fn look_at_zones_soon(&mut self) {
        for service in self.scenario.services.ids() {
            let state = &self.services[service.index()];
            if state.is_steady && state.availability_zone_rebalancing && !self.daemons.contains(&service) {
                self.schedule_service(service);
            }
        }
    }

    /// A deployment begins, or the service is deleted: what was moving moves no more.
    pub(in crate::control) fn stop_rebalancing(&mut self, service: Id<ServiceDefinition>) {
        let rebalancing = std::mem::take(&mut self.services[service.index()].rebalancing);
        if rebalancing.is_in_progress {
            let message = format!("(service {}) stopped AZ Rebalancing.", self.scenario.services[service].name);
            let cause = self.services[service.index()].wanted_because;
            let resource = self.service_resource(service);
            self.log.put(self.now(), cause, "service.rebalancing_stopped", resource, message);
        }
    }

    /// The zones that a service can have tasks in and how many of these are in each; `None` where they are balanced or the
    /// service is not rebalanced.
    fn zones_out_of_balance(
        &self,
        service: Id<ServiceDefinition>,
        tasks: &[Id<Task>],
    ) -> Option<(Vec<Id<AvailabilityZone>>, Vec<u32>)> {
        let count_in = |zone: Id<AvailabilityZone>| {
            tasks.iter().filter(|it| self.cluster.zone_of_task(**it) == Some(zone)).count() as u32
        };
        let is_uneven = |counts: &[u32]| counts.iter().max() > counts.iter().min().map(|it| it + 1).as_ref();
        let all: Vec<u32> = self.scenario.availability_zones.ids().map(count_in).collect();
        let wanted = self.wanted_next(service, &[]);
        if !is_uneven(&all) || !self.is_rebalanced(&self.services[service.index()], &wanted) {
            return None;
        }
        let zones: Vec<Id<AvailabilityZone>> = self.zones_of_service(service, &wanted).into_iter().collect();
        let counts: Vec<u32> = zones.iter().map(|it| count_in(*it)).collect();
        is_uneven(&counts).then_some((zones, counts))
    }

    /// The zones where a service's tasks may be: those of its subnets on Fargate, else those of instances that meet what it asks
    /// for, whether or not they have room. Rebalancing launches none.
    fn zones_of_service(&self, service: Id<ServiceDefinition>, next: &Wanted) -> BTreeSet<Id<AvailabilityZone>> {
        let strategy = &self.services[service.index()].capacity_provider_strategy;
        let providers: Vec<_> = match strategy.as_slice() {
            [] => vec![None],
            items => items.iter().map(|it| Some(it.capacity_provider)).collect(),
        };
        let mut zones = BTreeSet::new();
        for capacity_provider in providers {
            let wanted = Wanted { capacity_provider, ..*next };
            if self.fargate_of(&wanted).is_some() {
                zones.extend(self.zones_of_subnets(&wanted));
                continue;
            }
            let asked = self.asked_by(&wanted);
            for (id, instance) in self.cluster.instances.entries() {
                let is_news = !zones.contains(&instance.availability_zone);
                if is_news && self.failure_on(&asked, &Reservation::default(), id).is_none() {
                    zones.insert(instance.availability_zone);
                }
                if zones.len() == self.scenario.availability_zones.len() {
                    break;
                }
            }
        }
        zones.retain(|it| !self.is_zone_out(*it));
        zones
    }

    /// Starts a task in a zone, where there is room for it now.
    fn start_in_zone(&mut self, service: Id<ServiceDefinition>, zone: Id<AvailabilityZone>) -> Option<Id<Task>> {
        let next = self.wanted_next(service, &[]);
        let wanted = Wanted { availability_zone: Some(zone), ..next };
        let name = &self.scenario.availability_zones[zone].name;
        let task = if let Some(capacity) = self.fargate_of(&wanted) {
            if self.fargate_refusal(&wanted, capacity).is_some() {
                let words = format!("is unable to place a task in {name}.");
                self.say_once(service, "service.zone_placement_failure", &words, None);
                return None;
            }
            let task = self.create_task(&wanted);
            self.launch_on_fargate(task);
            task
        } else {
            let Some(instance) = self.choose_instance(&wanted) else {
                let words = format!(
                    "is unable to place a task in {name} because no container instance met all of its requirements."
                );
                self.say_once(service, "service.zone_placement_failure", &words, None);
                return None;
            };
            let task = self.create_task(&wanted);
            self.place_task(task, instance);
            task
        };
        self.services[service.index()].launches.1 += 1;
        let message = format!(
            "(service {}) has started 1 tasks in {name} to AZ Rebalance: (task {}).",
            self.scenario.services[service].name,
            task_name(task)
        );
        self.log.put(self.now(), None, "service.tasks_started", self.service_resource(service), message);
        Some(task)
    }

    /// How many of some tasks are in each zone: `2 tasks in us-east-1a, 1 tasks in us-east-1b`.
    fn words_of_zones(&self, tasks: &[Id<Task>]) -> String {
        let mut words = Vec::new();
        for (zone, it) in self.scenario.availability_zones.entries() {
            let count = tasks.iter().filter(|it| self.cluster.zone_of_task(**it) == Some(zone)).count();
            words.push(format!("{count} tasks in {}", it.name));
        }
        words.join(", ")
    }
}
