//! Attempts to place tasks that were refused: what each of them found, and why.
//!
//! To ask every instance takes time in a large cluster, so they are asked anew only where something has changed, and for one
//! service no more often than ECS tries again; attempts in between are counted with the one before.

use std::collections::BTreeMap;

use crate::aws::auto_scaling_group::AutoScalingGroup;
use crate::aws::capacity_provider::{CapacityProvider, EmptyInstances};
use crate::aws::cluster_query::{Expression, InstanceFacts, matches};
use crate::aws::container_instance::RegisteredResources;
use crate::aws::instance_type::InstanceType;
use crate::aws::launch::Launcher;
use crate::aws::placement::Candidate;
use crate::aws::placement::refusal::{COUNTABLE, Inquiry, Reason, Refusal, Shortage};
use crate::aws::task_definition::{CpuArchitecture, Reservation};
use crate::cluster::{Cluster, ContainerInstance, InstanceStatus, Task};
use crate::control::Control;
use crate::control::health::task_name;
use crate::control::network::has_subnet;
use crate::control::placing::{Asked, Wanted, is_candidate, unix_nanos};
use crate::control::scheduler::Service;
use crate::run::{
    GroupInReach, PlacementRefusal, RefusalExplanation, RefusalOutcome, TakenPort, TaskMove, TypeInReach,
    UnmetExpression,
};
use crate::table::Id;
use crate::units::Instant;

/// Names of instances and values of attributes that an explanation lists at most.
const LISTED_MAXIMUM: usize = 8;
/// Moves of other tasks that are thought through to make room.
const MOVES_MAXIMUM: usize = 8;

/// Attempts that were refused.
#[derive(Default)]
pub struct Refusals {
    /// Those that found the same, together, in order of the first.
    pub(crate) rows: Vec<PlacementRefusal>,
    /// Those that are not over.
    open: BTreeMap<Wanted, Open>,
    /// The explained row that stood longest, by what the closest instance failed for.
    longest: BTreeMap<(Wanted, Option<Reason>), usize>,
    /// Rows so far, by the same.
    counts: BTreeMap<(Wanted, Option<Reason>), u32>,
    /// What was found last, and of what: services that need the same find the same at one instant.
    found: Option<(NeedAt, Refusal)>,
}

/// The number of a task's requirements, when instances were asked, and what version of them.
type NeedAt = (usize, Instant, u64);

/// Attempts that may go on.
struct Open {
    row: usize,
    /// When the first attempt was refused since a task was last placed.
    began_at: Instant,
    /// When the instances were last asked, and what version of them.
    asked_at: Instant,
    version: u64,
}

impl Refusals {
    /// A task of this kind was placed.
    pub(super) fn end(&mut self, kind: &Wanted, now: Instant) {
        if let Some(open) = self.open.remove(kind) {
            self.rows[open.row].placed_at = Some(now);
            self.keep_explanation_of_the_longest(*kind, open.row);
        }
    }

    /// Nothing of this kind waits any more, though none was placed.
    pub(super) fn is_over(&mut self, kind: &Wanted) {
        if let Some(open) = self.open.remove(kind) {
            self.keep_explanation_of_the_longest(*kind, open.row);
        }
    }

    /// The newest refusal of somebody's tasks, whatever became of it.
    pub(super) fn newest_of(&self, launcher: Launcher) -> Option<&PlacementRefusal> {
        self.rows.iter().rev().find(|it| it.launcher == launcher)
    }

    /// Why tasks of this kind are refused now; `None` where none is.
    pub(super) fn refusal_of(&self, kind: &Wanted) -> Option<&Refusal> {
        Some(&self.rows[self.open.get(kind)?.row].refusal)
    }

    /// Whether nothing explains a row that has stood longer by now than the one of its reason that is explained.
    fn stands_longest_unexplained(&self, kind: &Wanted, row: usize) -> bool {
        let it = &self.rows[row];
        let longest = self.longest.get(&(*kind, it.refusal.reason())).map(|it| self.rows[*it].stood());
        it.explanation.is_none() && longest.is_some_and(|longest| it.stood() > longest)
    }

    /// Of the rows of one reason, only the one that stood longest stays explained.
    fn keep_explanation_of_the_longest(&mut self, kind: Wanted, row: usize) {
        let key = (kind, self.rows[row].refusal.reason());
        let Some(&before) = self.longest.get(&key) else {
            self.longest.insert(key, row);
            return;
        };
        if before == row || self.rows[row].explanation.is_none() {
            return;
        }
        if self.rows[before].stood() < self.rows[row].stood() {
            self.rows[before].explanation = None;
            self.longest.insert(key, row);
        } else {
            self.rows[row].explanation = None;
        }
    }
}

impl<'a> Control<'a> {
    /// Why no instance can take a task. This asks all of them.
    ///
    /// # Panics
    /// When one can.
    pub(super) fn refusal(&self, wanted: &Wanted) -> Refusal {
        Asked::new(self.scenario, self.now(), wanted).refusal(&self.cluster)
    }

    /// Puts down that no instance can take a task now; where that stands among the refusals.
    pub(super) fn placement_is_refused(&mut self, wanted: &Wanted, tasks: u32, outcome: RefusalOutcome) -> usize {
        let (now, kind) = (self.now(), *wanted);
        let version = self.placing.version;
        let assumptions = &self.scenario.assumptions;
        let refusals = &mut self.records.refusals;
        let mut began_at = now;
        if let Some(open) = refusals.open.get_mut(&kind) {
            let row = &mut refusals.rows[open.row];
            let is_in_window = now.since(open.began_at) < assumptions.placement_retry_window;
            let pause = if is_in_window { assumptions.placement_retry_fast } else { assumptions.placement_retry_slow };
            let is_same_attempt = row.last_at == now;
            if is_same_attempt || open.version == version || now < open.asked_at + pause {
                let row = open.row;
                let is_as_before = open.version == version;
                go_on(&mut refusals.rows[row], now, tasks, outcome);
                if is_as_before && refusals.stands_longest_unexplained(&kind, row) {
                    self.explain_later(&Asked::new(self.scenario, now, wanted), kind, row);
                }
                if !is_same_attempt {
                    self.tell_of_what_keeps_instances_off(wanted, row);
                }
                return row;
            }
            began_at = open.began_at;
        }
        let inquiry = Asked::new(self.scenario, now, wanted);
        let refusal = self.found_of(&inquiry, wanted);
        let refusals = &mut self.records.refusals;
        let before = refusals.open.get_mut(&kind);
        if let Some(open) = before {
            (open.asked_at, open.version) = (now, version);
            let row = &mut refusals.rows[open.row];
            if row.refusal == refusal {
                go_on(row, now, tasks, outcome);
                let row = open.row;
                if refusals.stands_longest_unexplained(&kind, row) {
                    self.explain_later(&inquiry, kind, row);
                }
                self.tell_of_what_keeps_instances_off(wanted, row);
                return row;
            }
            let row = open.row;
            refusals.keep_explanation_of_the_longest(kind, row);
        }
        self.put_refusal(&inquiry, refusal, (kind, tasks, outcome), began_at)
    }

    /// Why no instance can take a task, asked anew only if nobody else has found it just now.
    fn found_of(&mut self, inquiry: &Asked<'a>, wanted: &Wanted) -> Refusal {
        if inquiry.asks_for_tasks() {
            return inquiry.refusal(&self.cluster);
        }
        let need = (self.placing.requirements_of(self.scenario, wanted), self.now(), self.placing.version);
        if let Some((found, refusal)) = &self.records.refusals.found
            && *found == need
        {
            return refusal.clone();
        }
        let refusal = inquiry.refusal(&self.cluster);
        self.records.refusals.found = Some((need, refusal.clone()));
        refusal
    }

    /// The same of a DAEMON service, of which some instances are to have a task and have no room for it: those that are asked.
    pub(super) fn daemon_is_refused(&mut self, wanted: &Wanted, asked: &Asked<'a>) -> usize {
        let (now, kind) = (self.now(), *wanted);
        let refusal = asked.refusal(&self.cluster);
        let what = (kind, refusal.instances(), RefusalOutcome::WaitsForRoom);
        let refusals = &mut self.records.refusals;
        if let Some(row) = refusals.open.get(&kind).map(|it| it.row) {
            if refusals.rows[row].refusal == refusal {
                go_on(&mut refusals.rows[row], now, what.1, what.2);
                return row;
            }
            refusals.keep_explanation_of_the_longest(kind, row);
        }
        self.put_refusal(asked, refusal, what, now)
    }

    /// Puts down a row for an attempt that found something new.
    fn put_refusal(
        &mut self,
        inquiry: &Asked<'a>,
        refusal: Refusal,
        (kind, tasks, outcome): (Wanted, u32, RefusalOutcome),
        began_at: Instant,
    ) -> usize {
        let (now, version) = (self.now(), self.placing.version);
        let count = self.records.refusals.counts.entry((kind, refusal.reason())).or_default();
        *count += 1;
        // To look around takes longer than to ask; of a thousand rows that differ a little, ten are explained.
        let is_explained = count.is_power_of_two();
        let explanation = is_explained.then(|| Box::new(inquiry.explanation(self, &refusal)));
        let refusals = &mut self.records.refusals;
        let row = refusals.rows.len();
        refusals.rows.push(PlacementRefusal {
            first_at: now,
            last_at: now,
            attempts: 1,
            launcher: kind.launcher,
            task_definition: kind.task_definition.index(),
            overrides: kind.overrides,
            capacity_provider: kind.capacity_provider.map(Id::index),
            tasks,
            refusal,
            outcome,
            placed_at: None,
            explanation,
        });
        refusals.open.insert(kind, Open { row, began_at, asked_at: now, version });
        row
    }

    /// Looks around for a row that was thought not worth it, and has stood long since.
    fn explain_later(&mut self, inquiry: &Asked<'a>, kind: Wanted, row: usize) {
        let explanation = inquiry.explanation(self, &self.records.refusals.rows[row].refusal);
        let refusals = &mut self.records.refusals;
        refusals.rows[row].explanation = Some(Box::new(explanation));
        refusals.keep_explanation_of_the_longest(kind, row);
    }

    /// Instances that did not register, or could not be launched, show in no refusal: what an explanation says of the groups is brought
    /// up to date.
    fn tell_of_what_keeps_instances_off(&mut self, wanted: &Wanted, row: usize) {
        let fails_to_launch = self.groups.iter().any(|it| it.launches_fail_since.is_some());
        let fails_to_register =
            || self.cluster.instances.iter().any(|it| it.status == InstanceStatus::RegistrationFailed);
        let is_explained = self.records.refusals.rows[row].explanation.is_some();
        if !is_explained || !(fails_to_launch || fails_to_register()) {
            return;
        }
        let groups = Asked::new(self.scenario, self.now(), wanted).groups(self);
        if let Some(explanation) = &mut self.records.refusals.rows[row].explanation {
            explanation.groups = groups;
        }
    }
}

/// Counts another attempt that found the same, or more tasks of the same one.
fn go_on(row: &mut PlacementRefusal, now: Instant, tasks: u32, outcome: RefusalOutcome) {
    if row.last_at == now {
        row.tasks += tasks;
    } else {
        row.attempts += 1;
        row.tasks = tasks;
    }
    (row.last_at, row.outcome) = (now, outcome);
}

impl<'a> Asked<'a> {
    /// Instances that are asked, in order of launch.
    fn candidates<'b>(&'b self, cluster: &'b Cluster) -> Box<dyn Iterator<Item = Id<ContainerInstance>> + 'b> {
        match &self.places {
            Some(places) => Box::new(places.iter().copied()),
            None => Box::new(candidates(cluster)),
        }
    }

    fn refusal(&self, cluster: &Cluster) -> Refusal {
        let mut inquiry = Inquiry::new(&self.reservation, self.definition.cpu_architecture, &self.constraints);
        for instance in self.candidates(cluster) {
            let reason = self.with_candidate(cluster, instance, None, |it| inquiry.ask(it));
            assert!(reason.is_some(), "what was refused the rules refuse");
        }
        Refusal { in_capacity_provider: self.group.is_some(), ..inquiry.refusal() }
    }

    fn explanation(&self, control: &Control<'a>, refusal: &Refusal) -> RefusalExplanation {
        let cluster = &control.cluster;
        let has = |reason: Reason| refusal.counts.contains_key(&reason);
        let service = self.launcher.service().map(|it| &control.services[it.index()]);
        let keeps_old_tasks =
            |it: &Service| it.is_deploying() && it.primary().number > 0 && it.minimum_healthy_percent >= 100;
        let mut explanation = RefusalExplanation {
            groups: self.groups(control),
            old_tasks_stay: service.is_some_and(keeps_old_tasks),
            ..RefusalExplanation::default()
        };
        if let Some(closest) = &refusal.closest {
            explanation.also_lacks = self.with_candidate(cluster, Id::new(closest.id), None, |it| {
                let others = COUNTABLE.into_iter().filter(|other| *other != closest.reason);
                let lacks = others.filter_map(|other| Some((other, Shortage::of(other, &self.reservation, it)?)));
                lacks.filter(|(_, it)| it.missing() > 0).collect()
            });
        }
        let mut ports: Vec<TakenPort> = Vec::new();
        let mut architectures: Vec<(CpuArchitecture, u32)> = Vec::new();
        let mut missing_attributes: BTreeMap<String, u32> = BTreeMap::new();
        let mut zones: BTreeMap<usize, u32> = BTreeMap::new();
        let mut expressions: Vec<(&Expression, UnmetExpression)> = Vec::new();
        let looks_around =
            [Reason::Port, Reason::Attribute, Reason::AvailabilityZone, Reason::MemberOf, Reason::DistinctInstance];
        for instance in self.candidates(cluster).filter(|_| looks_around.into_iter().any(has)) {
            self.with_candidate(cluster, instance, None, |it| match self.failure(it) {
                Some(Reason::Port) => self.taken_ports(cluster, instance, &mut ports),
                Some(Reason::Attribute) => {
                    let group = &self.scenario.auto_scaling_groups[cluster.instances[instance].auto_scaling_group];
                    for missing in group.missing_attributes(self.definition) {
                        *missing_attributes.entry(missing.to_owned()).or_default() += 1;
                    }
                    if self.definition.cpu_architecture.is_none_or(|wanted| wanted == it.cpu_architecture) {
                        return;
                    }
                    match architectures.iter_mut().find(|(one, _)| *one == it.cpu_architecture) {
                        Some((_, count)) => *count += 1,
                        None => architectures.push((it.cpu_architecture, 1)),
                    }
                }
                Some(Reason::AvailabilityZone) => *zones.entry(it.availability_zone).or_default() += 1,
                Some(Reason::MemberOf) => self.unmet_expressions(&it.facts, &mut expressions),
                Some(Reason::DistinctInstance) if explanation.with_own_task.len() < LISTED_MAXIMUM => {
                    explanation.with_own_task.push(it.facts.ec2_instance_id.to_owned());
                }
                _ => {}
            });
        }
        if let Some(places) = &self.places {
            let lacks = |it: &Id<ContainerInstance>| {
                self.with_candidate(cluster, *it, None, |it| {
                    let reason = self.failure(it)?;
                    Some((it.facts.ec2_instance_id.to_owned(), reason, Shortage::of(reason, &self.reservation, it)))
                })
            };
            explanation.places_without_room = places.iter().take(LISTED_MAXIMUM).filter_map(lacks).collect();
        }
        explanation.ports = ports;
        explanation.architectures = architectures;
        explanation.missing_attributes = missing_attributes.into_iter().collect();
        explanation.zones = zones.into_iter().collect();
        explanation.expressions = expressions.into_iter().map(|it| it.1).collect();
        if let Some(reason) = refusal.reason().filter(|it| COUNTABLE.contains(it)) {
            explanation.moves = self.moves(cluster, reason).unwrap_or_default();
        }
        explanation
    }

    /// Which of the ports that the task needs are taken on an instance, and by whom.
    fn taken_ports(&self, cluster: &Cluster, instance: Id<ContainerInstance>, ports: &mut Vec<TakenPort>) {
        let row = &cluster.instances[instance];
        for &(protocol, port) in self.reservation.ports.iter().filter(|it| row.reserved_ports.contains_key(it)) {
            match ports.iter_mut().find(|it| (it.protocol, it.port) == (protocol, port)) {
                Some(taken) => taken.instances += 1,
                None => {
                    let holds = |it: &Id<Task>| {
                        let task = &cluster.tasks[*it];
                        [&task.reservation.ports, &task.host_ports].iter().any(|it| it.contains(&(protocol, port)))
                    };
                    let holder = row.tasks.iter().copied().find(holds);
                    let holder = holder.map(|it| (task_name(it).to_string(), cluster.tasks[it].launcher));
                    ports.push(TakenPort { protocol, port, instances: 1, holder });
                }
            }
        }
    }

    /// Which expressions do not select an instance, and what it has instead.
    fn unmet_expressions(&self, facts: &InstanceFacts<'_>, unmet: &mut Vec<(&'a Expression, UnmetExpression)>) {
        for expression in self.constraints.iter().filter_map(|it| it.expression()) {
            if matches(expression, facts) {
                continue;
            }
            let place = unmet.iter().position(|it| it.0 == expression).unwrap_or_else(|| {
                let mut names = expression.attributes();
                names.sort_unstable();
                names.dedup();
                let attributes = names.into_iter().map(|it| (it.to_owned(), Vec::new())).collect();
                unmet.push((
                    expression,
                    UnmetExpression { expression: expression.to_string(), instances: 0, attributes },
                ));
                unmet.len() - 1
            });
            let row = &mut unmet[place].1;
            row.instances += 1;
            for (name, values) in &mut row.attributes {
                for (_, value) in facts.attributes.iter().filter(|it| it.0 == *name) {
                    if values.len() < LISTED_MAXIMUM && !values.contains(value) {
                        values.push(value.clone());
                    }
                }
            }
        }
    }

    /// What an instance would lack that each group in reach could launch.
    fn groups(&self, control: &Control<'a>) -> Vec<GroupInReach> {
        let groups = self.scenario.auto_scaling_groups.entries();
        if let Some(places) = &self.places {
            // A new instance makes no room on those that are there; it is worth a word where none could ever have any.
            let is_asked = |id| places.iter().any(|it| control.cluster.instances[*it].auto_scaling_group == id);
            let asked = groups
                .filter(|(id, _)| is_asked(*id))
                .map(|(id, group)| self.group_in_reach(control, id, |kind| group.registered_resources(kind)));
            let never = |it: &GroupInReach| it.types.iter().all(|kind| kind.empty.lacks(&self.reservation).is_some());
            return asked.filter(never).map(|it| GroupInReach { never_grown_for: None, ..it }).collect();
        }
        let in_reach = groups.filter(|(id, _)| self.group.is_none_or(|it| it == *id));
        in_reach
            .map(|(id, _)| self.group_in_reach(control, id, |kind| control.empty_but_for_daemons(id, kind)))
            .collect()
    }

    fn group_in_reach(
        &self,
        control: &Control<'a>,
        id: Id<AutoScalingGroup>,
        empty: impl Fn(&InstanceType) -> RegisteredResources,
    ) -> GroupInReach {
        let group = &self.scenario.auto_scaling_groups[id];
        let state = &control.groups[id.index()];
        let statuses = state.instances.iter().map(|it| control.cluster.instances[*it].status);
        let boots = |it: &InstanceStatus| matches!(it, InstanceStatus::Launching | InstanceStatus::Registering);
        GroupInReach {
            group: id.index(),
            desired_capacity: state.desired_capacity,
            max_size: state.max_size,
            booting: statuses.filter(boots).count() as u32,
            missing: match group.has_weights() {
                true => 0,
                false => state.desired_capacity.saturating_sub(state.instances.len() as u32),
            },
            launch_failure: state.launches_fail_since.map_or(String::new(), |_| state.launch_failure.clone()),
            not_registered: state
                .instances
                .iter()
                .map(|it| &control.cluster.instances[*it])
                .filter(|it| it.status == InstanceStatus::RegistrationFailed)
                .fold(None, |count, it| Some((count.map_or(1, |(count, _)| count + 1), it.registration_failure?))),
            types: group
                .types()
                .map(|kind| {
                    let empty = empty(kind);
                    TypeInReach { lacks: self.lacks_of_an_empty_instance((group, kind), &empty), empty }
                })
                .collect(),
            never_grown_for: self.never_grown_for(control, id),
        }
    }

    fn never_grown_for(&self, control: &Control<'a>, group: Id<AutoScalingGroup>) -> Option<Reason> {
        let is_sized = |it: &CapacityProvider| it.auto_scaling_group() == Some(group) && it.managed_scaling.is_some();
        self.scenario.capacity_providers.iter().find(|it| is_sized(it))?;
        let types = control.launched_types(group);
        let empty = EmptyInstances::of(types.map(|kind| control.empty_but_for_daemons(group, kind)))?;
        empty.smallest.lacks(&self.reservation)
    }

    fn lacks_of_an_empty_instance(
        &self,
        (group, kind): (&AutoScalingGroup, &InstanceType),
        empty: &RegisteredResources,
    ) -> Option<Reason> {
        if self.definition.cpu_architecture.is_some_and(|it| it != kind.cpu_architecture) {
            return Some(Reason::Attribute);
        }
        if group.missing_attributes(self.definition).next().is_some() {
            return Some(Reason::Attribute);
        }
        let places = group.places(&self.scenario.subnets);
        let places: Vec<_> = places
            .filter(|it| has_subnet(self.scenario, (self.launcher, self.network), self.definition, it.0))
            .collect();
        if places.is_empty() {
            return Some(Reason::AvailabilityZone);
        }
        if let Some(reason) = empty.lacks(&self.reservation) {
            return Some(reason);
        }
        let expressions: Vec<&Expression> = self.constraints.iter().filter_map(|it| it.expression()).collect();
        let is_selected = expressions.is_empty()
            || places.into_iter().any(|(zone, subnet)| {
                let subnet = subnet.map(|it| &self.scenario.subnets[it]);
                let zone = &self.scenario.availability_zones[zone];
                let attributes = group.container_instance_attributes(kind, zone, subnet, group.awsvpc_trunking);
                let facts = group.facts_of_empty_instance(&attributes, unix_nanos(self.scenario, self.now));
                expressions.iter().all(|it| matches(it, &facts))
            });
        (!is_selected).then_some(Reason::MemberOf)
    }

    /// A few moves of other tasks that would make room on the instance with most left of what is short; `None` where a few are
    /// not enough.
    fn moves(&self, cluster: &Cluster, short: Reason) -> Option<Vec<TaskMove>> {
        let left = |it: &Candidate, reason| Shortage::of(reason, &self.reservation, it).map_or(0, |it| it.left);
        let usable = self.candidates(cluster).filter_map(|instance| {
            self.with_candidate(cluster, instance, None, |it| {
                let (left, id) = (left(it, short), it.id);
                let is_countable = self.failure(it).is_some_and(|reason| COUNTABLE.contains(&reason));
                // Nothing but what is left stands in the way.
                fill_up(it, &self.reservation);
                (is_countable && self.failure(it).is_none()).then_some((left, std::cmp::Reverse(id), instance))
            })
        });
        let (.., target) = usable.max()?;
        let mut room = self.with_candidate(cluster, target, None, |it| Room {
            cpu_units: it.remaining_cpu_units,
            memory_mib: it.remaining_memory_mib,
            network_interfaces: it.remaining_network_interfaces,
            gpus: it.remaining_gpus,
            neuron_devices: it.remaining_neuron_devices,
        });
        let mut others: BTreeMap<Id<ContainerInstance>, Room> = BTreeMap::new();
        let mut there: Vec<Id<Task>> = cluster.instances[target].tasks.clone();
        // Those of DAEMON services cannot stand elsewhere.
        let is_daemon = |it: &Id<Task>| self.scenario.is_daemon(cluster.tasks[*it].launcher);
        there.retain(|it| !cluster.tasks[*it].is_asked_to_stop && !is_daemon(it));
        let mut moves = Vec::new();
        while !room.holds(&self.reservation) {
            if moves.len() == MOVES_MAXIMUM {
                return None;
            }
            // The smallest task that makes enough room by itself, else the largest.
            let of = |it: Id<Task>| amount(&cluster.tasks[it].reservation, short);
            there.sort_unstable_by_key(|&it| (of(it), it));
            let missing = amount(&self.reservation, short).saturating_sub(room.amount(short));
            let place = there.iter().position(|&it| of(it) >= missing.max(1));
            let task = there.remove(place.or_else(|| there.len().checked_sub(1))?);
            let row = &cluster.tasks[task];
            let to = self.new_place(cluster, task, target, &others)?;
            others.entry(to).or_insert_with(|| Room::of(cluster, to)).take(&row.reservation);
            room.give_back(&row.reservation);
            moves.push(TaskMove {
                launcher: row.launcher,
                from: cluster.instances[target].name.clone(),
                to: cluster.instances[to].name.clone(),
            });
        }
        Some(moves)
    }

    /// The fullest instance beside its own that a task could stand on as well.
    fn new_place(
        &self,
        cluster: &Cluster,
        task: Id<Task>,
        not: Id<ContainerInstance>,
        changed: &BTreeMap<Id<ContainerInstance>, Room>,
    ) -> Option<Id<ContainerInstance>> {
        let row = &cluster.tasks[task];
        let asked = Asked::new(self.scenario, self.now, &Wanted::of(row));
        let able = candidates(cluster).filter(|&it| it != not).filter_map(|instance| {
            let room = changed.get(&instance).copied().unwrap_or_else(|| Room::of(cluster, instance));
            if !room.holds(&row.reservation) {
                return None;
            }
            let can = asked.with_candidate(cluster, instance, None, |it| {
                (it.remaining_cpu_units, it.remaining_memory_mib) = (room.cpu_units, room.memory_mib);
                (it.remaining_network_interfaces, it.remaining_gpus) = (room.network_interfaces, room.gpus);
                it.remaining_neuron_devices = room.neuron_devices;
                asked.failure(it).is_none()
            });
            can.then_some((room.memory_mib, instance))
        });
        able.min().map(|it| it.1)
    }
}

/// What an instance has left, as moves of tasks would change it.
#[derive(Clone, Copy)]
struct Room {
    cpu_units: u32,
    memory_mib: u32,
    network_interfaces: u32,
    gpus: u32,
    neuron_devices: u32,
}

impl Room {
    fn of(cluster: &Cluster, instance: Id<ContainerInstance>) -> Room {
        let it = cluster.instances[instance].available();
        Room {
            cpu_units: it.cpu_units,
            memory_mib: it.memory_mib,
            network_interfaces: it.network_interfaces,
            gpus: it.gpus,
            neuron_devices: it.neuron_devices,
        }
    }

    fn holds(&self, need: &Reservation) -> bool {
        COUNTABLE.iter().all(|it| amount(need, *it) <= self.amount(*it))
    }

    fn take(&mut self, need: &Reservation) {
        self.cpu_units -= need.cpu_units;
        self.memory_mib -= need.memory_mib;
        self.network_interfaces -= need.network_interfaces;
        self.gpus -= need.gpus;
        self.neuron_devices -= need.neuron_devices;
    }

    fn give_back(&mut self, need: &Reservation) {
        self.cpu_units += need.cpu_units;
        self.memory_mib += need.memory_mib;
        self.network_interfaces += need.network_interfaces;
        self.gpus += need.gpus;
        self.neuron_devices += need.neuron_devices;
    }

    fn amount(&self, reason: Reason) -> u32 {
        match reason {
            Reason::Cpu => self.cpu_units,
            Reason::Memory => self.memory_mib,
            Reason::NetworkInterface => self.network_interfaces,
            Reason::Gpu => self.gpus,
            Reason::NeuronDevice => self.neuron_devices,
            _ => 0,
        }
    }
}

/// What a task reserves of a countable resource.
fn amount(need: &Reservation, reason: Reason) -> u32 {
    match reason {
        Reason::Cpu => need.cpu_units,
        Reason::Memory => need.memory_mib,
        Reason::NetworkInterface => need.network_interfaces,
        Reason::Gpu => need.gpus,
        Reason::NeuronDevice => need.neuron_devices,
        _ => 0,
    }
}

/// Gives an instance enough of everything that can be counted, as far as an empty one has it.
fn fill_up(it: &mut Candidate, need: &Reservation) {
    let enough = |left: u32, wanted: u32, registered: u32| left.max(wanted.min(registered));
    it.remaining_cpu_units = enough(it.remaining_cpu_units, need.cpu_units, it.registered_cpu_units);
    it.remaining_memory_mib = enough(it.remaining_memory_mib, need.memory_mib, it.registered_memory_mib);
    let interfaces = it.registered_network_interfaces;
    it.remaining_network_interfaces = enough(it.remaining_network_interfaces, need.network_interfaces, interfaces);
    it.remaining_gpus = enough(it.remaining_gpus, need.gpus, it.registered_gpus);
    let devices = it.registered_neuron_devices;
    it.remaining_neuron_devices = enough(it.remaining_neuron_devices, need.neuron_devices, devices);
}

/// Instances that placement sees, in order of launch.
fn candidates(cluster: &Cluster) -> impl Iterator<Item = Id<ContainerInstance>> + '_ {
    cluster.instances.entries().filter(|(_, it)| is_candidate(it)).map(|it| it.0)
}
