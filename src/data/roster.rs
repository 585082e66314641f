//! Who computes where: the machines, and the tasks that are guests there.

use std::collections::BTreeMap;

use crate::aws::cpu_sharing::{CpuDemand, CpuOffers, WithinTask, share_within_task};
use crate::aws::instance_type::Burst;
use crate::aws::operating_system::windows_cpu_limit;
use crate::aws::task_definition::{Application, ContainerDefinition, TaskDefinition};
use crate::cluster::{Cluster, Container, ContainerInstance, ContainerStatus, Host, InstanceStatus, Task, TaskStatus};
use crate::data::awake::Awake;
use crate::data::memory::{is_there, requests_within_limits};
use crate::data::{Samples, TaskSamples, Traffic, TwentySeconds, Used};
use crate::scenario::Scenario;
use crate::table::Id;
use crate::units::Instant;

/// Who computes where, as long as the cluster stands still.
#[derive(Default)]
pub struct Roster {
    /// What computes has changed there since it was looked at: these tasks, or more than tasks.
    pub(super) is_stale: BTreeMap<Place, Changed>,
    /// Machines, with vacant places among them, which are at rest.
    pub(super) machines: Vec<Machine>,
    pub(super) machine_at: BTreeMap<Place, usize>,
    pub(super) vacant: Vec<usize>,
    /// Machines whose seconds may differ; those of the others are all alike until one of their stations is busy.
    pub(super) awake: Awake,
    /// Seconds that have passed.
    pub(super) seconds: u64,
    /// The machine that each station of each lane stands on, and the place of its task among the guests there.
    pub(super) machine_of_station: Vec<Vec<Option<(usize, usize)>>>,
    pub(super) demands: Vec<CpuDemand>,
    pub(super) offers: CpuOffers,
    pub(super) within: (Vec<CpuDemand>, CpuOffers),
    /// When tasks ended that computed whatever they served, of those of which that was not counted yet.
    ended: BTreeMap<Id<Task>, Instant>,
    /// What ran in tasks that compute whatever they serve, each time that one of them changed in the second under way.
    pub(super) ran_since: BTreeMap<Id<Task>, Vec<RunsSince>>,
}

/// Which containers of a task run from an instant on.
#[derive(Debug)]
pub(super) struct RunsSince {
    at: Instant,
    /// Whether any of them does.
    any: bool,
    /// Whether each of them does; all of them, where they are not followed.
    each: Vec<bool>,
}

/// What the containers of a task were given for a second, beside what they serve.
#[derive(Clone, Copy, Debug)]
pub(super) struct GivenForSecond {
    /// CPU units of them all.
    pub(super) cpu_units: f64,
    /// CPU units that the task may use.
    pub(super) at_most: f64,
    /// CPU units that its requests want.
    pub(super) by_requests: f64,
}

/// What has changed of a place.
#[derive(Debug)]
pub(super) enum Changed {
    /// Some of its tasks; what is known of the others holds.
    Tasks(Vec<Id<Task>>),
    /// All of it may have.
    All,
}

/// Where tasks compute: on an instance, or one of them by itself on Fargate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Instance(Id<ContainerInstance>),
    Fargate(Id<Task>),
}

impl Place {
    /// Where a task computes, once it is placed.
    fn of(cluster: &Cluster, task: Id<Task>) -> Option<Place> {
        Some(match cluster.tasks[task].host? {
            Host::Instance(instance) => Place::Instance(instance),
            Host::Fargate(_) => Place::Fargate(task),
        })
    }
}

/// What tasks compute on: an instance that is registered, or a task on Fargate, which has its micro-VM to itself.
pub(super) struct Machine {
    /// The instance, and its group's number; `None` on Fargate.
    pub(super) instance: Option<(Id<ContainerInstance>, usize)>,
    pub(super) cpu_units: f64,
    pub(super) vcpu: u32,
    pub(super) memory_mib: f64,
    pub(super) burst: Option<Burst>,
    pub(super) guests: Vec<Guest>,
    /// What containers compute beside those that serve, guest by guest.
    pub(super) others: Vec<CpuDemand>,
    /// Whether some guest's containers compute whatever they serve, or have bounds of their own.
    has_background: bool,
    /// Whether there may be guests among these of which it is not known what they were given.
    pub(super) has_newcomers: bool,
    /// CPU units that those used in this second who have left in it, beside what they served.
    pub(super) used_by_departed: f64,
    /// MiB of tasks on it that are no guests, since they use the same always and no CPU.
    pub(super) quiet_memory_mib: f64,
    /// Whether what is offered now was offered when nobody computed, without credits: it will be the same the next time.
    pub(super) has_idle_offers: bool,
    /// Whether some targets on it may be checked without being asked.
    pub(super) has_unasked: bool,
    /// The second up to which it has been added up.
    pub(super) added_up: u64,
}

/// Where seconds are added up: by service, by service for those with metrics of 20 s, and by group.
pub(super) type Sums<'t> = (&'t mut [Samples], &'t mut [Option<TwentySeconds>], &'t mut [Used]);

/// What the containers of a task compute whatever they serve.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Background {
    /// The container that serves; its demand is last second's.
    pub(super) serving: CpuDemand,
    /// CPU units that it computes beside its requests.
    pub(super) own: f64,
    /// Where the other containers stand among those of the machine.
    pub(super) others: (usize, usize),
    /// CPU units that all of that would use.
    pub(super) wanted: f64,
    /// The part of this second in which it did.
    pub(super) ran: f64,
    /// Whether the task computed there before, so that all of the second is the task's whatever part of it these are.
    pub(super) is_of_known_task: bool,
}

/// A task that computes: one that drains or stops does so until its processes are gone.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Guest {
    pub(super) task: Id<Task>,
    pub(super) task_definition: Id<TaskDefinition>,
    pub(super) service: Option<usize>,
    /// The container that serves requests.
    pub(super) serving: Option<usize>,
    /// Its lane and its place there.
    pub(super) station: Option<(usize, usize)>,
    /// Whether its station used CPU in this second or holds requests.
    pub(super) is_busy: bool,
    /// Its demand is last second's.
    pub(super) demand: CpuDemand,
    /// What its station was last told that it may use, and the part of its quota; `NAN` before that.
    pub(super) given: (f64, f64),
    /// What its containers compute whatever they serve; `None` where that is nothing and no container has a bound of its own.
    pub(super) background: Option<Background>,
    /// CPU units that this came to in the second under way, where some of its containers came or went in it.
    pub(super) in_this_second: Option<f64>,
    pub(super) memory_base_mib: f64,
    pub(super) memory_per_request_mib: f64,
    /// MiB that all of it may use.
    pub(super) memory_limit: Option<u32>,
    /// Requests that it can hold without passing a limit of its own, as long as nothing leaks.
    pub(super) requests_within_limits: u32,
    /// Whether memory leaks, and since when.
    pub(super) leaks: bool,
    pub(super) leaks_since: Option<Instant>,
    /// CPU units and MiB that its utilisation refers to; none unless it is RUNNING.
    pub(super) base: Option<(f64, f64)>,
}

impl Background {
    /// CPU units of a task's demand that its requests want.
    pub(super) fn by_requests(&self, demand: &CpuDemand) -> f64 {
        (demand.demand - self.wanted).max(0.0)
    }

    /// What the containers of a task whose demand is last second's make of what it may use; `others` are those of its machine.
    pub(super) fn share(
        &self,
        capacity: f64,
        demand: &CpuDemand,
        others: &[CpuDemand],
        within: &mut (Vec<CpuDemand>, CpuOffers),
    ) -> WithinTask {
        let serving = CpuDemand { demand: self.by_requests(demand), ..self.serving };
        share_within_task(capacity, serving, self.own, &others[self.others.0..self.others.1], within)
    }
}

impl Guest {
    /// Whether somebody who looks at the task again finds the same.
    fn is_as_before(&self, now: &Guest) -> bool {
        *self == Guest { is_busy: self.is_busy, given: self.given, ..*now }
    }
}

impl Machine {
    /// Nobody computes on it.
    fn new(place: Place, scenario: &Scenario, cluster: &Cluster, seconds: u64) -> Machine {
        let machine = Machine {
            instance: None,
            cpu_units: 0.0,
            vcpu: 0,
            memory_mib: 0.0,
            burst: None,
            guests: Vec::new(),
            others: Vec::new(),
            has_background: false,
            has_newcomers: false,
            used_by_departed: 0.0,
            quiet_memory_mib: 0.0,
            has_idle_offers: false,
            has_unasked: false,
            added_up: seconds,
        };
        match place {
            Place::Instance(id) => {
                let instance = &cluster.instances[id];
                let kind = instance.instance_type(&scenario.auto_scaling_groups);
                Machine {
                    instance: Some((id, instance.auto_scaling_group.index())),
                    cpu_units: f64::from(instance.registered_cpu_units),
                    vcpu: kind.vcpu,
                    memory_mib: f64::from(instance.registered_memory_mib),
                    burst: kind.burst.filter(|_| scenario.assumptions.burst_credits),
                    ..machine
                }
            }
            Place::Fargate(task) => {
                let reservation = &cluster.tasks[task].reservation;
                Machine {
                    cpu_units: f64::from(reservation.cpu_units),
                    vcpu: reservation.cpu_units.div_ceil(1024),
                    memory_mib: f64::from(reservation.memory_mib),
                    ..machine
                }
            }
        }
    }

    /// Adds up the seconds that it has been at rest: only its memory was used, and that of no requests.
    pub(super) fn add_up(&mut self, seconds: u64, into: Sums) {
        let rested = seconds - std::mem::replace(&mut self.added_up, seconds);
        if rested == 0 {
            return;
        }
        let rested = rested as f64;
        let (samples, twenty_seconds, used) = into;
        for guest in &self.guests {
            let (Some((cpu_base, memory_base)), Some(service)) = (guest.base, guest.service) else { continue };
            let seconds = TaskSamples {
                cpu_units_used: 0.0,
                cpu_units_base: rested * cpu_base,
                memory_mib_used: rested * guest.memory_base_mib,
                memory_mib_base: rested * memory_base,
            };
            samples[service].add(guest.task, &seconds);
            if let Some(it) = &mut twenty_seconds[service] {
                it.samples.add(guest.task, &seconds);
            }
        }
        if let Some((_, group)) = self.instance {
            let of_guests: f64 = self.guests.iter().map(|it| it.memory_base_mib).sum();
            used[group].memory_mib += rested * (self.quiet_memory_mib + of_guests);
        }
    }

    /// Looks at a task that computes on it; `known` tells whether it did before, and which of its containers ran in this second.
    fn welcome(
        &mut self,
        traffic: &Traffic,
        scenario: &Scenario,
        cluster: &Cluster,
        (task, is_known, ran_since): (Id<Task>, bool, &[RunsSince]),
    ) {
        let cpu_units = match self.instance {
            Some((instance, _)) => cluster.instances[instance].registered_cpu_units,
            None => cluster.tasks[task].reservation.cpu_units,
        };
        let mut guest = guest(traffic, scenario, cluster, task, cpu_units);
        let definition = &scenario.task_definitions[guest.task_definition];
        let followed = &cluster.tasks[task].containers;
        let caps_containers = definition.caps_containers(cluster.tasks[task].is_on_fargate());
        if computes_in_background(definition, caps_containers) {
            // Where containers are not followed all of them begin when the task is RUNNING.
            let began_at = |place: usize| match followed.get(place) {
                Some(container) => container.started_at,
                None => cluster.tasks[task].started_at,
            };
            let ran = |place: usize| began_at(place).map_or(1.0, |it| part_of_second_since(it, traffic.now));
            let background = self.background(definition, guest.serving, followed, (caps_containers, &ran));
            guest.background = background.map(|it| Background { is_of_known_task: is_known, ..it });
            if let Some(given) = traffic.background_given.get(&task).filter(|_| !ran_since.is_empty()) {
                let of_task = (definition, guest.serving, caps_containers);
                guest.in_this_second = Some(computed_in_second(of_task, given, ran_since, traffic.now));
            }
            self.has_background = true;
            self.has_newcomers = true;
        }
        self.guests.push(guest);
    }

    fn background(
        &mut self,
        definition: &TaskDefinition,
        serving: Option<usize>,
        followed: &[Container],
        (caps_containers, ran): (bool, &dyn Fn(usize) -> f64),
    ) -> Option<Background> {
        let from = self.others.len();
        let (of_serving, others) =
            demands_beside_requests((definition, serving, caps_containers), &|it| is_there(followed, it));
        let by_serving = serving.map(|it| (it, of_serving.demand));
        let mut by_place: Vec<(usize, f64)> = others.iter().map(|it| (it.0, it.1.demand)).chain(by_serving).collect();
        by_place.sort_unstable_by_key(|it| it.0);
        let wanted_until_now: f64 = by_place.iter().fold(0.0, |sum, it| sum + it.1 * ran(it.0));
        self.others.extend(others.iter().map(|it| it.1));
        let own = of_serving.demand;
        let wanted = own + self.others[from..].iter().map(|it| it.demand).sum::<f64>();
        let ran = if wanted > 0.0 { wanted_until_now / wanted } else { 1.0 };
        let others = (from, self.others.len());
        let background = Background { serving: of_serving, own, others, wanted, ran, is_of_known_task: false };
        (wanted > 0.0 || caps_containers).then_some(background)
    }
}

impl Changed {
    /// What was known of a task, where that still holds. What its containers compute beside those that serve lies with the machine.
    fn stays<'g>(&self, before: &'g [Guest], task: Id<Task>) -> Option<&'g Guest> {
        match self {
            Changed::Tasks(tasks) if !tasks.contains(&task) => {
                before.iter().find(|it| it.task == task && it.background.is_none())
            }
            _ => None,
        }
    }
}

impl Roster {
    /// Of what computes there, something has changed.
    pub(super) fn has_changed_on(&mut self, instance: Id<ContainerInstance>) {
        self.is_stale.insert(Place::Instance(instance), Changed::All);
    }

    /// A task that computes whatever it serves has changed; where one of its containers came or went, or it ended, the instant counts.
    pub(super) fn hears_of_containers(&mut self, cluster: &Cluster, task: Id<Task>, now: Instant) {
        let row = &cluster.tasks[task];
        let any = computes(row);
        if !any {
            self.ended.entry(task).or_insert(now);
        }
        let each = (0..row.containers.len()).map(|it| is_there(&row.containers, it)).collect();
        self.ran_since.entry(task).or_default().push(RunsSince { at: now, any, each });
    }

    /// Whether something of where a task computes has changed, and has not been looked at since.
    pub(super) fn has_to_look_at(&self, cluster: &Cluster, task: Id<Task>) -> bool {
        Place::of(cluster, task).is_none_or(|it| self.is_stale.contains_key(&it))
    }

    /// A task has changed.
    pub(super) fn has_changed_of(&mut self, cluster: &Cluster, task: Id<Task>) {
        let Some(place) = Place::of(cluster, task) else { return };
        if let Changed::Tasks(tasks) = self.is_stale.entry(place).or_insert(Changed::Tasks(Vec::new())) {
            tasks.push(task);
        }
    }

    /// Who computes at a place as the cluster stands; `None` where nobody does, and no credits are earned.
    fn look_at(
        &self,
        place: Place,
        (traffic, scenario, cluster): (&Traffic, &Scenario, &Cluster),
        (before, changed): (&[Guest], &Changed),
    ) -> Option<Machine> {
        let guests = Vec::with_capacity(before.len() + 1);
        let mut machine = Machine { guests, ..Machine::new(place, scenario, cluster, self.seconds) };
        let hosted = match &place {
            Place::Instance(id) => {
                let instance = &cluster.instances[*id];
                if !matches!(instance.status, InstanceStatus::Active | InstanceStatus::Draining) {
                    return None;
                }
                &instance.tasks[..]
            }
            Place::Fargate(task) if cluster.fargate_tasks.contains(task) => std::slice::from_ref(task),
            Place::Fargate(_) => return None,
        };
        for &task in hosted {
            if let Some(guest) = changed.stays(before, task) {
                machine.guests.push(*guest);
            } else if computes(&cluster.tasks[task]) {
                match memory_of_quiet(scenario, &cluster.tasks[task]) {
                    Some(memory_mib) => machine.quiet_memory_mib += memory_mib,
                    None => {
                        let is_known = before.iter().any(|it| it.task == task);
                        let ran_since = self.ran_since.get(&task).map_or(&[][..], |it| it);
                        machine.welcome(traffic, scenario, cluster, (task, is_known, ran_since));
                    }
                }
            }
        }
        let is_quiet = machine.quiet_memory_mib == 0.0 || machine.instance.is_none();
        (!machine.guests.is_empty() || machine.burst.is_some() || !is_quiet).then_some(machine)
    }

    /// Looks again at some tasks of a machine; tells whether that is all there is to look at. What all guests share is looked at as
    /// a whole where some containers compute in the background, or standalone tasks come or go.
    fn renew_guests(
        &mut self,
        number: usize,
        tasks: &[Id<Task>],
        traffic: &mut Traffic,
        scenario: &Scenario,
        cluster: &Cluster,
    ) -> bool {
        let machine = &mut self.machines[number];
        let Some((instance, _)) = machine.instance else { return false };
        let is_looked_at_as_a_whole = |task: &Id<Task>| {
            let row = &cluster.tasks[*task];
            let definition = &scenario.task_definitions[row.task_definition];
            row.service().is_none()
                || computes_in_background(definition, definition.caps_containers(row.is_on_fargate()))
        };
        if machine.has_background || tasks.iter().any(is_looked_at_as_a_whole) {
            return false;
        }
        let instance = &cluster.instances[instance];
        let computes = |task: &Id<Task>| instance.tasks.contains(task) && computes(&cluster.tasks[*task]);
        let mut first_moved = usize::MAX;
        // Who leaves goes first: then all guests are among the instance's tasks, and in their order.
        for task in tasks {
            let Some(place) = machine.guests.iter().position(|it| it.task == *task) else { continue };
            let station = machine.guests[place].station;
            if !computes(task) {
                machine.add_up(self.seconds, (&mut traffic.samples, &mut traffic.twenty_seconds, &mut traffic.used));
                machine.guests.remove(place);
                leaves(&mut self.machine_of_station, station, number);
                first_moved = first_moved.min(place);
            }
        }
        for task in tasks.iter().filter(|it| computes(it)) {
            let now = guest(traffic, scenario, cluster, *task, instance.registered_cpu_units);
            let known = machine.guests.iter().position(|it| it.task == *task);
            if known.is_some_and(|it| machine.guests[it].is_as_before(&now)) {
                continue;
            }
            machine.add_up(self.seconds, (&mut traffic.samples, &mut traffic.twenty_seconds, &mut traffic.used));
            let place = known.unwrap_or_else(|| {
                let mut guests = machine.guests.iter().map(|it| it.task).peekable();
                let earlier = instance.tasks.iter().take_while(|it| *it != task);
                earlier.filter(|it| guests.next_if_eq(it).is_some()).count()
            });
            match known {
                Some(_) => machine.guests[place] = now,
                None => machine.guests.insert(place, now),
            }
            machine.has_idle_offers = false;
            self.awake.wake(number);
            first_moved = first_moved.min(place);
        }
        for (place, guest) in machine.guests.iter().enumerate().skip(first_moved) {
            stands_on(&mut self.machine_of_station, guest.station, (number, place));
        }
        !machine.guests.is_empty()
    }

    /// Looks again at a place.
    pub(super) fn renew(
        &mut self,
        (place, changed): (Place, Changed),
        traffic: &mut Traffic,
        scenario: &Scenario,
        cluster: &Cluster,
    ) {
        let known = self.machine_at.get(&place).copied();
        if let (Changed::Tasks(tasks), Some(number)) = (&changed, known)
            && self.renew_guests(number, tasks, traffic, scenario, cluster)
        {
            return;
        }
        let mut before = Vec::new();
        if let Some(number) = known {
            let machine = &mut self.machines[number];
            machine.add_up(self.seconds, (&mut traffic.samples, &mut traffic.twenty_seconds, &mut traffic.used));
            before = std::mem::take(&mut machine.guests);
            before.iter().for_each(|it| leaves(&mut self.machine_of_station, it.station, number));
            before.iter().for_each(|it| traffic.forget_quiet_probe(cluster, it.task));
        }
        let now = self.look_at(place, (traffic, scenario, cluster), (&before, &changed));
        let stays = |task: Id<Task>| now.iter().any(|it| it.guests.iter().any(|it| it.task == task));
        let mut used_by_departed = 0.0;
        for guest in before.iter().filter(|it| it.background.is_some() && !stays(it.task)) {
            used_by_departed += self.count_last_second(guest, traffic, scenario, cluster);
        }
        for guest in now.iter().flat_map(|it| &it.guests).filter(|it| it.background.is_none()) {
            // What comes to it again is new then.
            traffic.background_given.remove(&guest.task);
        }
        let number = match (now, known) {
            (Some(machine), Some(number)) => {
                self.machines[number] = Machine { used_by_departed, ..machine };
                number
            }
            (Some(machine), None) => {
                let number = self.vacant.pop().unwrap_or(self.machines.len());
                self.machine_at.insert(place, number);
                if number == self.machines.len() {
                    self.machines.push(machine);
                } else {
                    self.machines[number] = machine;
                }
                number
            }
            (None, Some(number)) => {
                self.machine_at.remove(&place);
                self.machines[number] = Machine::new(place, scenario, cluster, self.seconds);
                self.awake.rests(number);
                self.vacant.push(number);
                return;
            }
            (None, None) => return,
        };
        self.awake.wake(number);
        for (place, guest) in self.machines[number].guests.iter().enumerate() {
            stands_on(&mut self.machine_of_station, guest.station, (number, place));
        }
    }
}

impl Roster {
    /// Counts what a task that has ended computed in its last second beside what it served; in CPU units.
    fn count_last_second(
        &mut self,
        guest: &Guest,
        traffic: &mut Traffic,
        scenario: &Scenario,
        cluster: &Cluster,
    ) -> f64 {
        let given = traffic.background_given.remove(&guest.task);
        let Some(ended_at) = self.ended.remove(&guest.task) else { return 0.0 };
        let ran = 1.0 - part_of_second_since(ended_at, traffic.now);
        let definition = &scenario.task_definitions[guest.task_definition];
        let of_task =
            (definition, guest.serving, definition.caps_containers(cluster.tasks[guest.task].is_on_fargate()));
        let ran_since = self.ran_since.get(&guest.task).map_or(&[][..], |it| it);
        let used = given.map_or(0.0, |it| computed_in_second(of_task, &it, ran_since, traffic.now));
        if let (Some((cpu_base, _)), Some(service)) = (guest.base, guest.service) {
            let second = TaskSamples { cpu_units_used: used, cpu_units_base: ran * cpu_base, ..TaskSamples::default() };
            traffic.samples[service].add(guest.task, &second);
            if let Some(it) = &mut traffic.twenty_seconds[service] {
                it.samples.add(guest.task, &second);
            }
        }
        used
    }
}

/// What containers of a task want beside requests: the one that serves, and each of the others that does, with its place.
fn demands_beside_requests(
    (definition, serving, caps_containers): (&TaskDefinition, Option<usize>, bool),
    runs: &dyn Fn(usize) -> bool,
) -> (CpuDemand, Vec<(usize, CpuDemand)>) {
    let demand = |it: &ContainerDefinition| {
        let cap = caps_containers.then(|| windows_cpu_limit(it.cpu));
        CpuDemand {
            demand: cap.unwrap_or(f64::INFINITY).min(it.application.background_cpu_units),
            weight: if caps_containers { 1.0 } else { f64::from(it.cpu_weight()) },
            cap,
            is_throttled: false,
        }
    };
    let mut of_serving = CpuDemand { demand: 0.0, weight: 2.0, cap: None, is_throttled: false };
    let mut others = Vec::new();
    for (place, container) in definition.containers.iter().enumerate() {
        if serving == Some(place) {
            of_serving = demand(container);
            if !runs(place) {
                of_serving.demand = 0.0;
            }
        } else if runs(place) && container.application.background_cpu_units > 0.0 {
            others.push((place, demand(container)));
        }
    }
    (of_serving, others)
}

/// CPU units that the containers of a task used beside what they serve in the second that ends `now`, in which some of them came or
/// went: what those that ran were given of what the task may use in all of it, from one change to the next.
fn computed_in_second(
    of_task: (&TaskDefinition, Option<usize>, bool),
    given: &GivenForSecond,
    ran_since: &[RunsSince],
    now: Instant,
) -> f64 {
    let mut room = <(Vec<CpuDemand>, CpuOffers)>::default();
    let mut given_to = |since: &RunsSince| -> f64 {
        let runs = |it: usize| since.any && since.each.get(it).is_none_or(|it| *it);
        let (of_serving, others) = demands_beside_requests(of_task, &runs);
        let others: Vec<CpuDemand> = others.into_iter().map(|it| it.1).collect();
        let own = of_serving.demand;
        let serving = CpuDemand { demand: given.by_requests, ..of_serving };
        share_within_task(given.at_most, serving, own, &others, &mut room).background
    };
    let (mut used, mut left, mut at_once) = (0.0, 1.0, given.cpu_units);
    for since in ran_since {
        let from_then_on = given_to(since);
        if from_then_on != at_once {
            let after = part_of_second_since(since.at, now);
            used += at_once * (left - after);
            (left, at_once) = (after, from_then_on);
        }
    }
    used + at_once * left
}

/// The part of the second that ends `now` which came after an instant.
fn part_of_second_since(instant: Instant, now: Instant) -> f64 {
    if instant >= now { 0.0 } else { now.since(instant).as_seconds().min(1.0) }
}

/// A station stands on a machine no more; a task that has its place by now may stand on another.
fn leaves(machine_of_station: &mut [Vec<Option<(usize, usize)>>], station: Option<(usize, usize)>, machine: usize) {
    if let Some((lane, station)) = station {
        machine_of_station[lane][station].take_if(|it| it.0 == machine);
    }
}

/// Puts down the machine that a station stands on, and the place of its task among the guests there.
fn stands_on(
    machine_of_station: &mut [Vec<Option<(usize, usize)>>],
    station: Option<(usize, usize)>,
    place: (usize, usize),
) {
    let Some((lane, station)) = station else { return };
    let of_lane = &mut machine_of_station[lane];
    if of_lane.len() <= station {
        of_lane.resize(station + 1, None);
    }
    of_lane[station] = Some(place);
}

/// Whether a task uses CPU and memory.
fn computes(task: &Task) -> bool {
    let one_runs = || task.containers.iter().any(|it| it.status == ContainerStatus::Running);
    task.process_is_up || task.status == TaskStatus::Running || one_runs()
}

/// MiB of a task that only lies in memory, always the same and within what it reserves: of standalone tasks nothing else is
/// asked, so that they need no look each second. `None` of all others.
fn memory_of_quiet(scenario: &Scenario, task: &Task) -> Option<f64> {
    let definition = &scenario.task_definitions[task.task_definition];
    let leaks = |it: &Application| it.memory_leak_per_hour_mib > 0.0 || it.memory_leak_per_request_mib > 0.0;
    let computes = |it: &Application| it.background_cpu_units > 0.0;
    let is_over =
        |it: &ContainerDefinition| it.memory.is_some_and(|limit| it.application.memory_base_mib > f64::from(limit));
    let is_quiet = task.service().is_none()
        && !definition.containers.iter().any(|it| leaks(&it.application) || computes(&it.application) || is_over(it));
    let there = (0..definition.containers.len()).filter(|&it| is_there(&task.containers, it));
    let memory_mib: f64 = there.map(|it| definition.containers[it].application.memory_base_mib).sum();
    (is_quiet && memory_mib <= f64::from(task.reservation.memory_mib)).then_some(memory_mib)
}

/// Whether containers of a task compute whatever they serve, or have bounds of their own.
fn computes_in_background(definition: &TaskDefinition, caps_containers: bool) -> bool {
    caps_containers || definition.containers.iter().any(|it| it.application.background_cpu_units > 0.0)
}

/// A task that computes on a machine of so many CPU units.
fn guest(
    traffic: &Traffic,
    scenario: &Scenario,
    cluster: &Cluster,
    task: Id<Task>,
    cpu_units_of_machine: u32,
) -> Guest {
    let row = &cluster.tasks[task];
    let definition = &scenario.task_definitions[row.task_definition];
    let service = row.service();
    let serving = row.registration.map(|it| it.container);
    let mut lanes = service.map_or(0..0, |it| traffic.lanes_of_service[it.index()].clone());
    let reservation = &row.reservation;
    let caps_containers = definition.caps_containers(row.is_on_fargate());
    let memory_limit = row.overrides.memory.or(definition.memory).filter(|_| !caps_containers);
    let task_cpu = row.overrides.cpu.or(definition.cpu);
    let cpu_base = if reservation.cpu_units > 0 { reservation.cpu_units } else { cpu_units_of_machine };
    let base = (f64::from(cpu_base), f64::from(reservation.memory_mib.max(1)));
    let serves = serving.and_then(|it| definition.containers.get(it)).map(|it| &it.application);
    Guest {
        task,
        task_definition: row.task_definition,
        service: service.map(Id::index),
        serving,
        station: lanes.find_map(|it| Some((it, traffic.lanes[it].place_of(task)?))),
        is_busy: false,
        given: (f64::NAN, f64::NAN),
        demand: CpuDemand {
            demand: 0.0,
            weight: f64::from(definition.cpu_weight(task_cpu, scenario.assumptions.capped_task_weight)),
            cap: match caps_containers {
                true => Some(definition.containers.iter().map(|it| windows_cpu_limit(it.cpu)).sum()),
                false => task_cpu.map(f64::from),
            },
            is_throttled: serves.is_some_and(|it| it.cfs_period.is_some())
                && !definition.operating_system_family.is_windows(),
        },
        background: None,
        in_this_second: None,
        memory_base_mib: (0..definition.containers.len())
            .filter(|&it| is_there(&row.containers, it))
            .map(|it| definition.containers[it].application.memory_base_mib)
            .sum(),
        memory_per_request_mib: serves.map_or(0.0, |it| it.memory_per_request_mib),
        memory_limit,
        requests_within_limits: requests_within_limits(definition, memory_limit, serving, &row.containers),
        leaks: definition
            .containers
            .iter()
            .map(|it| &it.application)
            .any(|it| it.memory_leak_per_hour_mib > 0.0 || it.memory_leak_per_request_mib > 0.0),
        leaks_since: row.started_at,
        base: (row.status == TaskStatus::Running).then_some(base),
    }
}
