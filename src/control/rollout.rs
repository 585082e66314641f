//! Deployments as somebody who watches them sees them: what room they need, whether they move, and what holds them up.
//!
//! ECS tells none of this: an update that cannot get through stays IN_PROGRESS for ever. *Rolling update* in the developer
//! guide (2026) has the bounds that this rests on.

use std::collections::BTreeMap;

use crate::agenda::Event;
use crate::aws::launch::Launcher;
use crate::aws::placement::PlacementConstraint;
use crate::aws::rolling_update::{RollingUpdate, Site};
use crate::aws::service::{ServiceDefinition, deployment_bounds};
use crate::aws::stop_cause::is_of_failed_checks;
use crate::aws::task_definition::{Protocol, Reservation};
use crate::cluster::{ContainerInstance, InstanceStatus, StopCode, Task, TaskStatus};
use crate::control::Control;
use crate::control::health::task_name;
use crate::control::log::Decision;
use crate::control::placing::is_candidate;
use crate::run::{DeploymentHang, SpareNeeded};
use crate::spelling::{one_or_more, plural};
use crate::table::Id;
use crate::units::{Instant, Span};

/// How often a deployment under way is looked at.
const LOOKED_AT_EVERY: Span = Span::MINUTE;
/// Tasks that are named one by one.
const NAMED_MOST: usize = 3;

/// What is seen of one deployment.
#[derive(Clone, Debug)]
pub struct Rollout {
    /// Tasks that were desired when it began.
    pub desired_count: u32,
    /// The room that it needed when it began.
    pub spare: SpareNeeded,
    /// When it stood still for too long.
    pub hangs: Vec<DeploymentHang>,
    /// The most of its tasks that were healthy, the fewest old ones that were left, and when that was first seen.
    most_healthy: u32,
    fewest_old: u32,
    moved_at: Instant,
}

impl Control<'_> {
    /// Begins to watch the newest deployment of a service.
    pub(super) fn watch_deployment(&mut self, service: Id<ServiceDefinition>) {
        let number = self.services[service.index()].primary().number;
        self.watch_rollout(service, number);
    }

    /// Begins to watch a task set of a service.
    pub(super) fn watch_task_set(&mut self, service: Id<ServiceDefinition>, number: u32) {
        self.services[service.index()].launches_for = Some(number);
        self.watch_rollout(service, number);
        self.services[service.index()].launches_for = None;
    }

    fn watch_rollout(&mut self, service: Id<ServiceDefinition>, number: u32) {
        let now = self.now();
        let (_, fewest_old) = self.healthy_and_old(service, number);
        let desired_count = self.services[service.index()].desired_count_of(number);
        let spare = self.spare_needed(service);
        // A service may go back to a deployment that was watched before.
        let rollout = self.records.rollouts.entry((service.index(), number)).or_insert_with(|| Rollout {
            desired_count,
            spare,
            hangs: Vec::new(),
            most_healthy: 0,
            fewest_old,
            moved_at: now,
        });
        (rollout.most_healthy, rollout.fewest_old, rollout.moved_at) = (0, fewest_old, now);
        self.agenda.put(self.now() + LOOKED_AT_EVERY, Event::DeploymentIsWatched(service, number));
    }

    /// Old tasks that were asked to stop and go on, as their agents are disconnected, in words; `None` where there are none.
    fn kept_by_deaf_agents(&self, service: Id<ServiceDefinition>, number: u32) -> Option<String> {
        let goes_on = |it: &Task| {
            let has_not_heard = matches!(it.status, TaskStatus::Running | TaskStatus::Deactivating);
            it.deployment != number && it.is_asked_to_stop && has_not_heard
        };
        let kept = self.at_deaf_agents(service, goes_on);
        let names = named(&kept)?;
        Some(match kept.len() {
            1 => format!("1 old task cannot be stopped, since its agent is disconnected: {names}"),
            count => format!("{count} old tasks cannot be stopped, since their agents are disconnected: {names}"),
        })
    }

    /// New tasks that wait for agents which are disconnected to take them up, in words; `None` where there are none.
    fn waiting_for_deaf_agents(&self, service: Id<ServiceDefinition>, number: u32) -> Option<String> {
        let waits = |it: &Task| it.deployment == number && it.status == TaskStatus::Pending && !it.is_asked_to_stop;
        let waiting = self.at_deaf_agents(service, waits);
        let names = named(&waiting)?;
        Some(match waiting.len() {
            1 => format!("1 new task stays PENDING, since its agent is disconnected: {names}"),
            count => format!("{count} new tasks stay PENDING, since their agents are disconnected: {names}"),
        })
    }

    /// New tasks that pull images and run nothing yet, in words; `None` where there are none.
    fn pulling(&self, service: Id<ServiceDefinition>, number: u32) -> Option<String> {
        let pulls = |it: &&Task| {
            let runs_none = it.containers.iter().all(|container| container.started_at.is_none());
            it.deployment == number && !it.is_asked_to_stop && it.pull_stopped_at.is_none() && runs_none
        };
        let tasks = self.services[service.index()].tasks.iter().map(|it| &self.cluster.tasks[*it]);
        let since: Vec<Instant> = tasks.filter(pulls).filter_map(|it| it.pull_started_at).collect();
        let first = since.iter().min()?;
        Some(match since.len() {
            1 => format!("1 new task has been pulling its images since {first}"),
            count => format!("{count} new tasks have been pulling their images, the first since {first}"),
        })
    }

    /// Those of a service's tasks that are meant and whose agents are disconnected, with their instances.
    fn at_deaf_agents(&self, service: Id<ServiceDefinition>, is_meant: impl Fn(&Task) -> bool) -> Vec<String> {
        let name = |&task: &Id<Task>| {
            let row = &self.cluster.tasks[task];
            let instance = row.instance().filter(|_| is_meant(row) && !self.agent_hears_of(task))?;
            Some(format!("{} on {}", task_name(task), self.cluster.instances[instance].name))
        };
        self.services[service.index()].tasks.iter().filter_map(name).collect()
    }

    pub(super) fn deployment_is_watched(&mut self, service: Id<ServiceDefinition>, number: u32) {
        let now = self.now();
        let state = &self.services[service.index()];
        let is_under_way = match state.deployment(number).and_then(|it| it.task_set.map(|set| (it, set))) {
            Some((it, set)) => set.status.is_there() && it.completed_at.is_none(),
            None => state.primary().number == number && state.is_deploying(),
        };
        let (healthy, old) = self.healthy_and_old(service, number);
        // Old tasks that were asked to stop do so in their own time, and that is bounded where their agents hear of it.
        let cleans_up = old == 0
            && healthy >= self.services[service.index()].desired_count_of(number)
            && self.kept_by_deaf_agents(service, number).is_none();
        let waits_on_purpose = self.services[service.index()].primary().waits_on_purpose(now) || cleans_up;
        let Some(rollout) = self.records.rollouts.get_mut(&(service.index(), number)) else { return };
        let moves = healthy > rollout.most_healthy || old < rollout.fewest_old || waits_on_purpose;
        if moves || !is_under_way {
            rollout.most_healthy = rollout.most_healthy.max(healthy);
            rollout.fewest_old = rollout.fewest_old.min(old);
            rollout.moved_at = now;
            if let Some(hang) = rollout.hangs.last_mut().filter(|it| it.until.is_none()) {
                hang.until = Some(now);
            }
        }
        if !is_under_way {
            return;
        }
        let since = rollout.moved_at;
        let is_named = rollout.hangs.last().is_some_and(|it| it.until.is_none());
        if !is_named && now.since(since) >= self.scenario.assumptions.deployment_hangs_after {
            let because = self.what_holds_up(service, number);
            let name = &self.scenario.services[service].name;
            let message =
                format!("(service {name}) (deployment {number}) has not moved for {}: {because}", now.since(since));
            let cause = self.services[service.index()].wanted_because;
            let resource = self.service_resource(service);
            let _: Decision = self.log.put(now, cause, "deployment.hangs", resource, message);
            let hang = DeploymentHang { since, named_at: now, until: None, because };
            if let Some(it) = self.records.rollouts.get_mut(&(service.index(), number)) {
                it.hangs.push(hang);
            }
        }
        self.agenda.put(now + LOOKED_AT_EVERY, Event::DeploymentIsWatched(service, number));
    }

    /// Tasks of a deployment that have been healthy, and those of older ones; none that is asked to stop.
    fn healthy_and_old(&self, service: Id<ServiceDefinition>, number: u32) -> (u32, u32) {
        let (mut healthy, mut old) = (0, 0);
        // Task sets stand side by side.
        let replaces = !self.services[service.index()].has_task_sets();
        for task in self.services[service.index()].tasks.iter().map(|it| &self.cluster.tasks[*it]) {
            if task.is_asked_to_stop {
                continue;
            }
            let is_old = task.deployment != number;
            old += u32::from(is_old && replaces);
            healthy += u32::from(!is_old && task.healthy_at.is_some());
        }
        (healthy, old)
    }

    /// What keeps a deployment from moving, in words.
    fn what_holds_up(&self, service: Id<ServiceDefinition>, number: u32) -> String {
        let state = &self.services[service.index()];
        let desired = state.desired_count_of(number);
        let (lower, upper) = deployment_bounds(desired, state.minimum_healthy_percent, state.maximum_percent);
        let (healthy, old) = self.healthy_and_old(service, number);
        let (minimum, maximum) = (state.minimum_healthy_percent, state.maximum_percent);
        if old > 0 && lower >= desired && upper <= desired {
            return format!(
                "minimumHealthyPercent {minimum} keeps {}, and maximumPercent {maximum} allows no more than {upper}: nothing \
                 may stop or start",
                if desired == 1 { "the only task".to_owned() } else { format!("all {desired} tasks") }
            );
        }
        let of_deployment = |it: &&Task| it.service() == Some(service) && it.deployment == number;
        let own = || self.cluster.tasks.iter().filter(of_deployment);
        let kept = self.kept_by_deaf_agents(service, number);
        let pending = self.waiting_for_deaf_agents(service, number);
        if let Some(kept) = kept.as_ref().filter(|_| old == 0 && healthy >= desired) {
            return kept.clone();
        }
        let waiting = own().filter(|it| it.host.is_none() && it.status == TaskStatus::Provisioning).count() as u32;
        if waiting > 0 || state.has_failed_placements() {
            let refusal = self.records.refusals.newest_of(Launcher::Service(service));
            let missing =
                desired.saturating_sub(own().filter(|it| it.host.is_some() && !it.is_asked_to_stop).count() as u32);
            let tasks = if missing == 1 {
                "1 new task finds no place".to_owned()
            } else {
                format!("{missing} new tasks find no place")
            };
            let by_fargate = || {
                let next = self.wanted_next(service, &[]);
                self.would_refuse_on_fargate(&next, self.fargate_of(&next)?)
            };
            let why = match refusal {
                Some(it) => format!(": {}", it.refusal),
                None => by_fargate().map_or(".".to_owned(), |it| format!(" on Fargate: {}", it.words())),
            };
            let stays = match old {
                0 => String::new(),
                _ if healthy + old <= lower => format!(
                    " None of the {old} old ones may stop before: minimumHealthyPercent {minimum} keeps {lower}."
                ),
                _ => String::new(),
            };
            // Old ones still hold what they had reserved.
            let by_agents: String = kept.into_iter().chain(pending).map(|it| format!(" {it}.")).collect();
            return format!("{tasks}{why}{stays}{by_agents}");
        }
        let of_deployment = |it: &(Id<Task>, &Task)| it.1.service() == Some(service) && it.1.deployment == number;
        let own = || self.cluster.tasks.entries().filter(of_deployment);
        // Those that were no longer wanted, or left a draining instance, have held nothing up.
        let was_meant_to = |it: &Task| {
            let reason = it.stopped_reason.as_ref();
            reason.is_some_and(|it| it.0 == StopCode::ServiceSchedulerInitiated && !is_of_failed_checks(&it.1))
        };
        let is_over = |it: &Task| it.stopped_at.is_some() && it.healthy_at.is_none();
        let ended = || own().filter(|it| is_over(it.1) && !was_meant_to(it.1));
        let last_words = |tasks: &mut dyn Iterator<Item = (Id<Task>, &Task)>| {
            let (id, last) = tasks.max_by_key(|it| it.1.stopped_at)?;
            let (code, reason) = last.stopped_reason.as_ref()?;
            let cause = self.records.stop_causes.get(&id).map_or(String::new(), |it| format!(": {}", it.words()));
            Some(format!("{}: {reason}{cause}", code.as_str()))
        };
        let never_ran = || ended().filter(|it| it.1.started_at.is_none());
        let ran = || ended().filter(|it| it.1.started_at.is_some());
        let now = self.now();
        let told = |count: usize, what: String, words: Option<String>| {
            let words = words.map_or(String::new(), |it| format!(" (the last: {it})"));
            format!("{count} of its tasks {what}{words}")
        };
        if state.failed_starts > 0 && never_ran().next().is_some() {
            return told(
                never_ran().count(),
                format!("stopped by {now} before they ran"),
                last_words(&mut never_ran()),
            );
        }
        if ran().next().is_some() {
            return told(
                ran().count(),
                format!("ran by {now}, and stopped before they were healthy"),
                last_words(&mut ran()),
            );
        }
        let is_protected = |it: &Task| {
            let until = it.started_at.zip(self.scenario.services[service].task_protection).map(|it| it.0 + it.1);
            until.is_some_and(|it| self.now() < it)
        };
        let all = || state.tasks.iter().map(|it| &self.cluster.tasks[*it]);
        let protected = all().filter(|it| it.deployment != number && !it.is_asked_to_stop && is_protected(it)).count();
        if protected > 0 {
            let are = one_or_more(protected, "is", "are");
            return format!("{} {are} protected from scale-in and deployments", plural(protected, "old task"));
        }
        if healthy < desired {
            let because = pending.into_iter().chain(kept).chain(self.pulling(service, number));
            let because: String = because.map(|it| format!("; {it}")).collect();
            return format!("{healthy} of {desired} new tasks are healthy, and no other comes to be{because}");
        }
        format!("{} {} still there", plural(old, "old task"), one_or_more(old, "is", "are"))
    }

    /// The room that the deployment of a service whose tasks are launched needs beyond what there is.
    fn spare_needed(&self, service: Id<ServiceDefinition>) -> SpareNeeded {
        let state = &self.services[service.index()];
        let deployment = state.launching();
        let desired = state.desired_count_of(deployment.number);
        let wanted = self.wanted_next(service, &[]);
        if self.daemons.contains(&service) || self.fargate_of(&wanted).is_some() {
            return SpareNeeded::DoesNotApply;
        }
        let is_old = |it: &Task| it.deployment != deployment.number && !it.is_asked_to_stop;
        let tasks = || state.tasks.iter().map(|it| &self.cluster.tasks[*it]);
        if !tasks().any(is_old) {
            return SpareNeeded::DoesNotApply;
        }
        // What has been asked to stop leaves its place of itself, and so do tasks of an update that was interrupted before they were
        // healthy: nothing waits for these.
        let before = state.number_completed_before();
        let stays = |it: &Task| is_old(it) && (it.healthy_at.is_some() || Some(it.deployment) == before);
        let leaves = |it: &Task| it.is_asked_to_stop || it.service() == Some(service) && is_old(it) && !stays(it);
        let mut old: Vec<Reservation> = Vec::new();
        for task in tasks().filter(|it| stays(it)) {
            if !old.contains(&task.reservation) {
                old.push(task.reservation.clone());
            }
        }
        // The largest leave most room.
        old.sort_by_key(|it| std::cmp::Reverse((it.cpu_units, it.memory_mib)));
        let mut old_on: BTreeMap<Id<ContainerInstance>, Vec<u32>> = BTreeMap::new();
        for task in tasks().filter(|it| stays(it)) {
            let kind = old.iter().position(|it| *it == task.reservation);
            if let (Some(instance), Some(kind)) = (task.instance(), kind) {
                old_on.entry(instance).or_insert_with(|| vec![0; old.len()])[kind] += 1;
            }
        }
        let (lower, upper) = deployment_bounds(desired, state.minimum_healthy_percent, state.maximum_percent);
        let asked = self.asked_by(&wanted);
        // Whether a task may run somewhere, were there room for all; beside those of its service, or without them.
        let may_run = |id: Id<ContainerInstance>, without: Option<Launcher>| {
            static NO_PORTS: BTreeMap<(Protocol, u16), u32> = BTreeMap::new();
            asked.with_candidate(&self.cluster, id, without, |it| {
                it.remaining_cpu_units = u32::MAX;
                it.remaining_memory_mib = u32::MAX;
                it.remaining_network_interfaces = u32::MAX;
                it.remaining_gpus = u32::MAX;
                it.remaining_neuron_devices = u32::MAX;
                it.reserved_ports = &NO_PORTS;
                asked.failure(it).is_none()
            })
        };
        let own = Some(wanted.launcher);
        let keeps_apart = asked.asks_for_tasks() && old_on.keys().any(|it| may_run(*it, own) && !may_run(*it, None));
        let update = RollingUpdate {
            desired,
            lower,
            upper,
            new: wanted.reservation(self.scenario),
            old,
            is_distinct_instance: keeps_apart
                || self.constraints_of(&wanted).contains(&&PlacementConstraint::DistinctInstance),
        };
        let mut sites = Vec::new();
        let mut room_elsewhere = 0;
        for (id, instance) in self.cluster.instances.entries().filter(|it| is_candidate(it.1)) {
            let old_tasks = old_on.remove(&id).unwrap_or_default();
            let has_old = !old_tasks.is_empty();
            if !has_old && (room_elsewhere >= update.desired || instance.status != InstanceStatus::Active) {
                continue;
            }
            let there = || instance.tasks.iter().map(|it| &self.cluster.tasks[*it]);
            let is_others = |it: &&Task| !(leaves(it) || it.service() == Some(service) && stays(it));
            let has_a_port = |it: &Task| it.reservation.ports.iter().any(|port| update.new.ports.contains(port));
            let site = Site {
                available: there()
                    .filter(|it| leaves(it))
                    .fold(instance.available(), |it, task| it.and(&task.reservation)),
                has_port_taken: there().filter(is_others).any(has_a_port),
                takes_new: may_run(id, own),
                old_tasks,
                new_tasks: 0,
            };
            let room = site.room_for(&update);
            room_elsewhere += if has_old { 0 } else { room };
            if has_old || room > 0 {
                sites.push(site);
            }
        }
        let Reservation { cpu_units, memory_mib, .. } = update.new;
        let on_own_instances = update.is_one_an_instance();
        // Both revisions hold all of their tasks until the traffic has moved for good.
        let least = match deployment.shift.is_some() || deployment.task_set.is_some() {
            true => {
                let room = sites.iter().map(|it| it.room_for(&update)).fold(0, u32::saturating_add);
                Some(update.desired.saturating_sub(room))
            }
            false => update.least_spare(&sites),
        };
        match least {
            Some(tasks) => SpareNeeded::Tasks { tasks, cpu_units, memory_mib, on_own_instances },
            None => SpareNeeded::NoneWouldDo,
        }
    }
}

/// The first of some names, and how many there are more; `None` of none.
fn named(names: &[String]) -> Option<String> {
    match names {
        [] => None,
        all if all.len() <= NAMED_MOST => Some(all.join(", ")),
        all => Some(format!("{} and {} more", all[..NAMED_MOST].join(", "), all.len() - NAMED_MOST)),
    }
}
