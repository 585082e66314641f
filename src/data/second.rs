//! What a second leaves behind: the CPU and memory that tasks used, what they may use next, and which of them the kernel
//! kills for their memory.

use std::collections::{BTreeMap, BTreeSet};

use crate::aws::cpu_sharing::{CpuCredits, CpuDemand, CpuOffers, WithinTask, offer_cpu, share_within_task};
use crate::aws::instance_type::Burst;
use crate::aws::operating_system::windows_cpu_limit;
use crate::aws::task_definition::{Application, ContainerDefinition, TaskDefinition};
use crate::cluster::{Cluster, Container, ContainerInstance, ContainerStatus, Host, InstanceStatus, Task, TaskStatus};
use crate::data::{Samples, TaskSamples, Traffic, TwentySeconds, Used};
use crate::scenario::Scenario;
use crate::table::Id;
use crate::units::{Instant, NANOS_PER_SECOND, Span};

/// Who computes where, as long as the cluster stands still.
#[derive(Default)]
pub struct Roster {
    /// What computes has changed there since it was looked at.
    is_stale: BTreeSet<Place>,
    /// Machines, with vacant places among them, which are at rest.
    machines: Vec<Machine>,
    machine_at: BTreeMap<Place, usize>,
    vacant: Vec<usize>,
    /// Of each machine, whether its seconds are all alike until one of its stations is busy.
    is_at_rest: Vec<bool>,
    /// Seconds that have passed.
    seconds: u64,
    /// The machine that each station of each lane stands on, and the place of its task among the guests there.
    machine_of_station: Vec<Vec<Option<(usize, usize)>>>,
    demands: Vec<CpuDemand>,
    offers: CpuOffers,
    within: (Vec<CpuDemand>, CpuOffers),
}

/// Where tasks compute: on an instance, or one of them by itself on Fargate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Instance(Id<ContainerInstance>),
    Fargate(Id<Task>),
}

/// What tasks compute on: an instance that is registered, or a task on Fargate, which has its micro-VM to itself.
struct Machine {
    /// The instance, and its group's number; `None` on Fargate.
    instance: Option<(Id<ContainerInstance>, usize)>,
    cpu_units: f64,
    vcpu: u32,
    memory_mib: f64,
    burst: Option<Burst>,
    guests: Vec<Guest>,
    /// What containers compute beside those that serve, guest by guest.
    others: Vec<CpuDemand>,
    /// MiB of tasks on it that are no guests, since they use the same always and no CPU.
    quiet_memory_mib: f64,
    /// Whether what is offered now was offered when nobody computed, without credits: it will be the same the next time.
    has_idle_offers: bool,
    /// The second up to which it has been added up.
    added_up: u64,
}

impl Machine {
    /// Adds up the seconds that it has been at rest: only its memory was used, and that of no requests.
    fn add_up(&mut self, seconds: u64, into: Sums) {
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
}

/// Where seconds are added up: by service, by service for those with metrics of 20 s, and by group.
type Sums<'t> = (&'t mut [Samples], &'t mut [Option<TwentySeconds>], &'t mut [Used]);

/// What the containers of a task compute whatever they serve.
#[derive(Clone, Copy)]
struct Background {
    /// The container that serves; its demand is last second's.
    serving: CpuDemand,
    /// CPU units that it computes beside its requests.
    own: f64,
    /// Where the other containers stand among those of the machine.
    others: (usize, usize),
    /// CPU units that all of that would use.
    wanted: f64,
}

/// A task that computes: one that drains or stops does so until its processes are gone.
#[derive(Clone, Copy)]
struct Guest {
    task: Id<Task>,
    task_definition: Id<TaskDefinition>,
    service: Option<usize>,
    /// The container that serves requests.
    serving: Option<usize>,
    /// Its lane and its place there.
    station: Option<(usize, usize)>,
    /// Whether its station used CPU in this second or holds requests.
    is_busy: bool,
    /// Its demand is last second's.
    demand: CpuDemand,
    /// What its containers compute whatever they serve; `None` where that is nothing and no container has a bound of its own.
    background: Option<Background>,
    memory_base_mib: f64,
    memory_per_request_mib: f64,
    /// MiB that all of it may use.
    memory_limit: Option<u32>,
    /// Requests that it can hold without passing a limit of its own, as long as nothing leaks.
    requests_within_limits: u32,
    /// Whether memory leaks, and since when.
    leaks: bool,
    leaks_since: Option<Instant>,
    /// CPU units and MiB that its utilisation refers to; none unless it is RUNNING.
    base: Option<(f64, f64)>,
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
            quiet_memory_mib: 0.0,
            has_idle_offers: false,
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

    fn welcome(&mut self, traffic: &Traffic, scenario: &Scenario, cluster: &Cluster, task: Id<Task>) {
        let cpu_units = match self.instance {
            Some((instance, _)) => cluster.instances[instance].registered_cpu_units,
            None => cluster.tasks[task].reservation.cpu_units,
        };
        let mut guest = guest(traffic, scenario, cluster, task, cpu_units);
        let definition = &scenario.task_definitions[guest.task_definition];
        let followed = &cluster.tasks[task].containers;
        let caps_containers = definition.caps_containers(cluster.tasks[task].is_on_fargate());
        guest.background = self.background(definition, guest.serving, followed, caps_containers);
        self.guests.push(guest);
    }

    fn background(
        &mut self,
        definition: &TaskDefinition,
        serving: Option<usize>,
        followed: &[Container],
        caps_containers: bool,
    ) -> Option<Background> {
        let demand = |it: &ContainerDefinition| {
            let cap = caps_containers.then(|| windows_cpu_limit(it.cpu));
            CpuDemand {
                demand: cap.unwrap_or(f64::INFINITY).min(it.application.background_cpu_units),
                weight: if caps_containers { 1.0 } else { f64::from(it.cpu_weight()) },
                cap,
                is_throttled: false,
            }
        };
        let from = self.others.len();
        let mut of_serving = CpuDemand { demand: 0.0, weight: 2.0, cap: None, is_throttled: false };
        for (place, container) in definition.containers.iter().enumerate() {
            if serving == Some(place) {
                of_serving = demand(container);
                if !is_there(followed, place) {
                    of_serving.demand = 0.0;
                }
            } else if is_there(followed, place) && container.application.background_cpu_units > 0.0 {
                self.others.push(demand(container));
            }
        }
        let own = of_serving.demand;
        let wanted = own + self.others[from..].iter().map(|it| it.demand).sum::<f64>();
        let background = Background { serving: of_serving, own, others: (from, self.others.len()), wanted };
        (wanted > 0.0 || caps_containers).then_some(background)
    }
}

impl Roster {
    /// Of what computes there, something has changed.
    pub(super) fn has_changed_on(&mut self, instance: Id<ContainerInstance>) {
        self.is_stale.insert(Place::Instance(instance));
    }

    /// A task has changed.
    pub(super) fn has_changed_of(&mut self, cluster: &Cluster, task: Id<Task>) {
        match cluster.tasks[task].host {
            Some(Host::Instance(instance)) => self.is_stale.insert(Place::Instance(instance)),
            Some(Host::Fargate(_)) => self.is_stale.insert(Place::Fargate(task)),
            None => false,
        };
    }

    /// Who computes at a place as the cluster stands; `None` where nobody does, and no credits are earned.
    fn look_at(
        &self,
        place: Place,
        (traffic, scenario, cluster): (&Traffic, &Scenario, &Cluster),
        guests: Vec<Guest>,
    ) -> Option<Machine> {
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
        for &task in hosted.iter().filter(|it| computes(&cluster.tasks[**it])) {
            match memory_of_quiet(scenario, &cluster.tasks[task]) {
                Some(memory_mib) => machine.quiet_memory_mib += memory_mib,
                None => machine.welcome(traffic, scenario, cluster, task),
            }
        }
        let is_quiet = machine.quiet_memory_mib == 0.0 || machine.instance.is_none();
        (!machine.guests.is_empty() || machine.burst.is_some() || !is_quiet).then_some(machine)
    }

    /// Looks again at a place.
    fn renew(&mut self, place: Place, traffic: &mut Traffic, scenario: &Scenario, cluster: &Cluster) {
        let known = self.machine_at.get(&place).copied();
        let mut before = Vec::new();
        if let Some(number) = known {
            let machine = &mut self.machines[number];
            machine.add_up(self.seconds, (&mut traffic.samples, &mut traffic.twenty_seconds, &mut traffic.used));
            before = std::mem::take(&mut machine.guests);
            for (lane, station) in before.iter().filter_map(|it| it.station) {
                self.machine_of_station[lane][station] = None;
            }
        }
        let now = self.look_at(place, (traffic, scenario, cluster), Vec::with_capacity(before.len()));
        let stays = |task: Id<Task>| now.iter().any(|it| it.guests.iter().any(|it| it.task == task));
        for guest in before.iter().filter(|it| it.background.is_some() && !stays(it.task)) {
            traffic.background_given.remove(&guest.task);
        }
        let number = match (now, known) {
            (Some(machine), Some(number)) => {
                self.machines[number] = machine;
                number
            }
            (Some(machine), None) => {
                let number = self.vacant.pop().unwrap_or(self.machines.len());
                self.machine_at.insert(place, number);
                if number == self.machines.len() {
                    self.machines.push(machine);
                    self.is_at_rest.push(false);
                } else {
                    self.machines[number] = machine;
                }
                number
            }
            (None, Some(number)) => {
                self.machine_at.remove(&place);
                self.machines[number] = Machine::new(place, scenario, cluster, self.seconds);
                self.is_at_rest[number] = true;
                self.vacant.push(number);
                return;
            }
            (None, None) => return,
        };
        self.is_at_rest[number] = false;
        for (place, guest) in self.machines[number].guests.iter().enumerate() {
            let Some((lane, station)) = guest.station else { continue };
            let of_lane = &mut self.machine_of_station[lane];
            if of_lane.len() <= station {
                of_lane.resize(station + 1, None);
            }
            of_lane[station] = Some((number, place));
        }
    }
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
    let serving = service.and_then(|it| scenario.services[it].load_balancer.as_ref()).map(|it| it.container);
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

/// How many requests a task can hold before it or one of its containers passes its limit; 0 too where it has passed it
/// without any.
fn requests_within_limits(
    definition: &TaskDefinition,
    memory_limit: Option<u32>,
    serving: Option<usize>,
    containers: &[Container],
) -> u32 {
    let within = |requests: u32| {
        let load = Load { requests, ..Load::default() };
        who_passes_its_limit(definition, memory_limit, serving, containers, load).next().is_none()
    };
    let (mut low, mut high) = (0, u32::MAX);
    if within(high) {
        return high;
    }
    while low + 1 < high {
        let middle = low + (high - low) / 2;
        if within(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// What a task's memory follows.
#[derive(Clone, Copy, Default)]
struct Load {
    /// Requests that the container that serves holds.
    requests: u32,
    /// Requests that it has taken since it began.
    taken: u64,
    /// Since the task runs.
    hours: f64,
    /// When.
    at: Instant,
}

/// Whether a container's process runs: those of a task whose containers are not followed all do.
fn is_there(containers: &[Container], container: usize) -> bool {
    containers.get(container).is_none_or(|it| it.status == ContainerStatus::Running)
}

/// MiB that a container uses; none before its process starts and once it has ended.
fn memory_of(
    definition: &TaskDefinition,
    serving: Option<usize>,
    containers: &[Container],
    container: usize,
    load: Load,
) -> f64 {
    if !is_there(containers, container) {
        return 0.0;
    }
    let started_at = containers.get(container).and_then(|it| it.started_at);
    let hours = started_at.map_or(load.hours, |it| if it <= load.at { load.at.since(it).as_hours() } else { 0.0 });
    let application = &definition.containers[container].application;
    let (requests, taken) =
        if serving == Some(container) { (f64::from(load.requests), load.taken as f64) } else { (0.0, 0.0) };
    application.memory_base_mib
        + application.memory_per_request_mib * requests
        + application.memory_leak_per_request_mib * taken
        + application.memory_leak_per_hour_mib * hours
}

/// The containers that the kernel kills: those above their own limit, and the largest of a task that is above its.
fn who_passes_its_limit(
    definition: &TaskDefinition,
    memory_limit: Option<u32>,
    serving: Option<usize>,
    followed: &[Container],
    load: Load,
) -> impl Iterator<Item = usize> {
    let memory = move |container: usize| memory_of(definition, serving, followed, container, load);
    let containers = 0..definition.containers.len();
    let largest = containers
        .clone()
        .max_by(|&one, &other| memory(one).total_cmp(&memory(other)))
        .filter(|_| memory_limit.is_some_and(|it| containers.clone().map(memory).sum::<f64>() > f64::from(it)));
    let limits = definition.containers.iter().map(|it| it.memory).enumerate();
    let above = limits.filter(move |&(it, limit)| limit.is_some_and(|limit| memory(it) > f64::from(limit)));
    above.map(|it| it.0).chain(largest)
}

impl Traffic {
    /// One second of every instance, and of every task on Fargate: what its tasks used, what they may use next, and whether memory is left.
    pub(super) fn share_instances(&mut self, scenario: &Scenario, cluster: &Cluster) {
        let mut roster = std::mem::take(&mut self.roster);
        roster.machine_of_station.resize(self.lanes.len(), Vec::new());
        while let Some(place) = roster.is_stale.pop_first() {
            roster.renew(place, self, scenario, cluster);
        }
        self.wake_machines(&mut roster);
        roster.seconds += 1;
        let Roster { machines, demands, offers, within, is_at_rest, seconds, .. } = &mut roster;
        for (machine, is_at_rest) in machines.iter_mut().zip(is_at_rest).filter(|it| !*it.1) {
            demands.clear();
            let (mut memory_of_all, mut cpu_of_all) = (machine.quiet_memory_mib, 0.0);
            let mut has_background = false;
            let mut is_steady = true;
            for guest in &mut machine.guests {
                let is_busy = std::mem::take(&mut guest.is_busy);
                let (by_requests, load) = match is_busy || guest.leaks {
                    true => self.take_second(guest),
                    false => (0.0, Load { at: self.now, ..Load::default() }),
                };
                let by_background = match guest.background {
                    Some(_) => self.background_given.get(&guest.task).copied().unwrap_or(0.0),
                    None => 0.0,
                };
                let cpu_units_used = by_requests + by_background;
                let wanted = guest.background.map_or(0.0, |it| it.wanted);
                has_background |= wanted > 0.0;
                let definition = &scenario.task_definitions[guest.task_definition];
                let followed = &cluster.tasks[guest.task].containers;
                let within = guest.requests_within_limits;
                if guest.leaks || load.requests > within || within == 0 {
                    for container in who_passes_its_limit(definition, guest.memory_limit, guest.serving, followed, load)
                    {
                        self.runs_out_of_memory(guest.task, container);
                    }
                }
                is_steady &= !guest.leaks && within > 0 && (load.requests == 0 || guest.memory_per_request_mib == 0.0);
                let memory_mib = if guest.leaks {
                    let containers = 0..definition.containers.len();
                    containers.map(|it| memory_of(definition, guest.serving, followed, it, load)).sum()
                } else {
                    guest.memory_base_mib + guest.memory_per_request_mib * f64::from(load.requests)
                };
                memory_of_all += memory_mib;
                cpu_of_all += cpu_units_used;
                demands.push(CpuDemand { demand: by_requests + wanted, ..guest.demand });
                if let (Some((cpu_base, memory_base)), Some(service)) = (guest.base, guest.service) {
                    let second = TaskSamples {
                        cpu_units_used,
                        cpu_units_base: cpu_base,
                        memory_mib_used: memory_mib,
                        memory_mib_base: memory_base,
                    };
                    self.samples[service].add(guest.task, &second);
                    if let Some(it) = &mut self.twenty_seconds[service] {
                        it.samples.add(guest.task, &second);
                    }
                }
            }
            if let Some((instance, group)) = machine.instance {
                if let Some([open, _]) = &mut self.instances {
                    *open.entry(instance).or_default() += cpu_of_all;
                }
                let used = &mut self.used[group];
                used.cpu_units += cpu_of_all;
                used.memory_mib += memory_of_all;
                if memory_of_all > machine.memory_mib {
                    is_steady = false;
                    self.instance_runs_out_of_memory(scenario, cluster, &machine.guests);
                }
            }
            machine.added_up = *seconds;
            let is_idle = cpu_of_all == 0.0 && machine.burst.is_none() && !has_background;
            *is_at_rest = is_idle && is_steady;
            if is_idle && machine.has_idle_offers {
                continue;
            }
            machine.has_idle_offers = is_idle;
            let capacity = self.pass_credits(machine, cpu_of_all);
            offer_cpu(capacity, demands, offers);
            for ((guest, &offer), demand) in machine.guests.iter().zip(&offers.offers).zip(&*demands) {
                let mut requests = offer;
                let mut part_of_quota = 1.0;
                if let Some(background) = guest.background {
                    let by_requests = (demand.demand - background.wanted).max(0.0);
                    let others = &machine.others[background.others.0..background.others.1];
                    let serving = CpuDemand { demand: by_requests, ..background.serving };
                    let mut share = |capacity| share_within_task(capacity, serving, background.own, others, within);
                    let at_most = demand.cap.map_or(offer, |cap| cap.min(offer));
                    let shared: WithinTask = share(at_most);
                    self.background_given.insert(guest.task, shared.background);
                    (requests, part_of_quota) = match demand.cap {
                        Some(cap) if demand.is_throttled => (share(offer).requests, shared.requests.max(1.0) / cap),
                        _ => (shared.requests, 1.0),
                    };
                }
                if let Some((lane, place)) = guest.station {
                    let station = self.lanes[lane].station(place).0;
                    let changes = station.is_offered(requests) | (station.part_of_quota != part_of_quota);
                    station.part_of_quota = part_of_quota;
                    // A lane at rest has nothing there that would go faster or slower.
                    if changes && !self.is_awake[lane] {
                        self.is_awake[lane] = self.lanes[lane].is_given_at_rest(place, self.now);
                    }
                }
            }
        }
        self.roster = roster;
    }

    /// Wakes the machines that busy stations stand on.
    fn wake_machines(&mut self, roster: &mut Roster) {
        let Roster { machines, is_at_rest, seconds, machine_of_station, .. } = roster;
        let Traffic { lanes, is_awake, samples, twenty_seconds, used, .. } = self;
        for (place, lane) in lanes.iter().enumerate().filter(|it| is_awake[it.0]) {
            let of_lane = &machine_of_station[place];
            for (machine, guest) in lane.busy_stations().filter_map(|it| of_lane.get(it).copied().flatten()) {
                machines[machine].guests[guest].is_busy = true;
                if std::mem::take(&mut is_at_rest[machine]) {
                    machines[machine].add_up(*seconds, (samples, twenty_seconds, used));
                }
            }
        }
    }

    /// Adds up what machines at rest have come to.
    pub(super) fn add_up_rest(&mut self) {
        let Traffic { samples, twenty_seconds, used, roster, .. } = self;
        for machine in &mut roster.machines {
            machine.add_up(roster.seconds, (samples, twenty_seconds, used));
        }
    }

    /// CPU units that a task used in the second, and what its memory follows now.
    fn take_second(&mut self, guest: &Guest) -> (f64, Load) {
        let hours = guest.leaks_since.map_or(0.0, |it| self.now.since(it).as_hours());
        let Some((lane, place)) = guest.station else { return (0.0, Load { hours, at: self.now, ..Load::default() }) };
        let (station, cpu_done) = self.lanes[lane].station(place);
        let load = Load { requests: station.in_flight, taken: station.taken, hours, at: self.now };
        (cpu_done * 1024.0 / NANOS_PER_SECOND as f64, load)
    }

    /// Lets an instance earn and spend its CPU credits for a second; the CPU units that it can give in the next.
    fn pass_credits(&mut self, machine: &Machine, cpu_units_used: f64) -> f64 {
        let (Some(burst), Some((instance, _))) = (&machine.burst, machine.instance) else { return machine.cpu_units };
        let credits = self.credits.entry(instance).or_insert_with(|| CpuCredits::new(burst));
        let before = credits.charged;
        credits.pass(burst, 1.0, cpu_units_used);
        if credits.charged > before {
            let hour = (self.now.0.max(1) - 1) / Span::HOUR.0;
            *self.charged_credits.entry((instance, hour)).or_default() += credits.charged - before;
        }
        credits.capacity(burst, machine.vcpu)
    }

    /// The kernel kills the container that lies furthest above what it reserved.
    fn instance_runs_out_of_memory(&mut self, scenario: &Scenario, cluster: &Cluster, guests: &[Guest]) {
        let mut greediest: Option<(f64, &Guest, usize)> = None;
        for guest in guests {
            let (_, load) = self.take_second(guest);
            let definition = &scenario.task_definitions[guest.task_definition];
            let followed = &cluster.tasks[guest.task].containers;
            for (place, container) in definition.containers.iter().enumerate() {
                if !is_there(followed, place) {
                    continue;
                }
                let used = memory_of(definition, guest.serving, followed, place, load);
                let above = used - f64::from(container.memory_reservation.or(container.memory).unwrap_or(0));
                if greediest.is_none_or(|(most, ..)| above > most) {
                    greediest = Some((above, guest, place));
                }
            }
        }
        if let Some((_, guest, container)) = greediest {
            self.runs_out_of_memory(guest.task, container);
        }
    }

    fn runs_out_of_memory(&mut self, task: Id<Task>, container: usize) {
        if !self.out_of_memory.contains(&(task, container)) {
            self.out_of_memory.push((task, container));
        }
    }
}
