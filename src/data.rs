//! The data plane: requests, in tight loops between two control events.
//!
//! Between two calls of [`advance`] the cluster stands still, so where a request goes and when it ends is known on its
//! arrival, and no event queue is needed. What is approximate is the CPU: each task's speed is frozen for a simulated
//! second from the demand of the last, and applies to requests that arrive in it.

pub mod histogram;
pub mod lane;
pub mod station;

use std::collections::BTreeMap;

use crate::aws::cpu_sharing::{CpuCredits, CpuDemand, share_cpu};
use crate::aws::service::ServiceDefinition;
use crate::cluster::{Cluster, ContainerInstance, InstanceStatus, Target, Task, TaskStatus};
use crate::data::lane::Lane;
use crate::rng::Seed;
use crate::run::{RequestCounts, RequestTotals, ResponseTimes};
use crate::scenario::Scenario;
use crate::table::Id;
use crate::units::{Instant, NANOS_PER_SECOND, Span};

/// Requests under way, and what has been measured.
pub struct Traffic {
    lanes: Vec<Lane>,
    /// The lane of each service, by the service's number.
    lane_of_service: Vec<Option<usize>>,
    minutes: Vec<ServiceTraffic>,
    samples: Vec<Samples>,
    credits: BTreeMap<Id<ContainerInstance>, CpuCredits>,
    out_of_memory: Vec<(Id<Task>, usize)>,
    now: Instant,
    scratch: Scratch,
}

/// A service's minute, closed.
#[derive(Clone, Debug, Default)]
pub struct ServiceTraffic {
    /// Requests: arrivals of the minute, and what ended in it.
    pub counts: RequestCounts,
    /// Requests for which a target was chosen.
    pub routed: u64,
    /// Response times of served requests, ms.
    pub response_time_ms: ResponseTimes,
    /// `CPUUtilization`, percent; `None` without running tasks.
    pub cpu_percent: Option<f64>,
    /// `MemoryUtilization`, percent; `None` without running tasks.
    pub memory_percent: Option<f64>,
}

/// What was sampled of a service's running tasks in the open minute: sums over tasks and seconds.
#[derive(Clone, Copy, Debug, Default)]
struct Samples {
    cpu_units_used: f64,
    cpu_units_base: f64,
    memory_mib_used: f64,
    memory_mib_base: f64,
}

/// Room that is used again every second.
#[derive(Default)]
struct Scratch {
    demands: Vec<CpuDemand>,
    shares: Vec<f64>,
    tasks: Vec<Id<Task>>,
}

/// A task that has more CPU than this share of what it wants is never slowed further.
const SPEED_LEAST: f64 = 0.001;

impl Traffic {
    /// Nothing has arrived yet.
    pub fn new(scenario: &Scenario, seed: Seed) -> Traffic {
        let mut lanes = Vec::new();
        let lane_of_service = scenario
            .services
            .ids()
            .map(|service| {
                let lane = Lane::new(scenario, service, seed)?;
                lanes.push(lane);
                Some(lanes.len() - 1)
            })
            .collect();
        Traffic {
            lanes,
            lane_of_service,
            minutes: vec![ServiceTraffic::default(); scenario.services.len()],
            samples: vec![Samples::default(); scenario.services.len()],
            credits: BTreeMap::new(),
            out_of_memory: Vec::new(),
            now: Instant::START,
            scratch: Scratch::default(),
        }
    }

    /// Tasks, with the place of the container, that the kernel killed for their memory at the last second.
    pub fn out_of_memory(&self) -> &[(Id<Task>, usize)] {
        &self.out_of_memory
    }

    /// Requests of a target that still wait for their answer.
    pub fn in_flight(&self, target: Id<Target>) -> u32 {
        self.lanes.iter().map(|lane| lane.in_flight_of(target)).sum()
    }

    /// A service's last closed minute.
    pub fn last_minute(&self, service: Id<ServiceDefinition>) -> &ServiceTraffic {
        &self.minutes[service.index()]
    }

    /// A service's whole run so far.
    pub fn totals(&self, service: Id<ServiceDefinition>) -> RequestTotals {
        match self.lane_of_service[service.index()] {
            Some(lane) => self.lanes[lane].totals(),
            None => RequestTotals::default(),
        }
    }

    /// CPU credits left on a burstable instance; below zero is what it has borrowed.
    pub fn credits(&self, instance: Id<ContainerInstance>) -> Option<f64> {
        self.credits.get(&instance).map(|it| it.balance)
    }
}

/// Serves: completions and timeouts at or before `until`, arrivals before it.
pub fn advance(traffic: &mut Traffic, scenario: &Scenario, cluster: &Cluster, until: Instant) {
    for lane in &mut traffic.lanes {
        lane.advance(scenario, cluster, traffic.now, until);
    }
    traffic.now = until;
}

/// Puts a health check into the target's queue, now. The time until it is answered; `None` when it is refused at once.
pub fn probe(traffic: &mut Traffic, scenario: &Scenario, cluster: &Cluster, target: Id<Target>) -> Option<Span> {
    let service = cluster.tasks[cluster.targets[target].task].service;
    let now = traffic.now;
    let lane = traffic.lane_of_service[service.index()]?;
    let lane = &mut traffic.lanes[lane];
    lane.look(scenario, cluster, now);
    lane.probe(scenario, cluster, target, now)
}

/// Samples memory and CPU use of the second that has passed, and freezes each task's speed for the next one.
pub fn second_passes(traffic: &mut Traffic, scenario: &Scenario, cluster: &Cluster) {
    let now = traffic.now;
    traffic.out_of_memory.clear();
    for lane in &mut traffic.lanes {
        lane.look(scenario, cluster, now);
        lane.progress(now);
    }
    for (id, instance) in cluster.instances.entries() {
        if matches!(instance.status, InstanceStatus::Active | InstanceStatus::Draining) {
            share_instance(traffic, scenario, cluster, id, instance);
        }
    }
}

/// Closes the minute (t - 60 s, t] of every service.
pub fn minute_closes(traffic: &mut Traffic, scenario: &Scenario) {
    for service in scenario.services.ids() {
        let samples = std::mem::take(&mut traffic.samples[service.index()]);
        let percent = |used: f64, base: f64| (base > 0.0).then(|| 100.0 * used / base);
        let mut minute = match traffic.lane_of_service[service.index()] {
            Some(lane) => traffic.lanes[lane].close_minute(),
            None => ServiceTraffic::default(),
        };
        minute.cpu_percent = percent(samples.cpu_units_used, samples.cpu_units_base);
        minute.memory_percent = percent(samples.memory_mib_used, samples.memory_mib_base);
        traffic.minutes[service.index()] = minute;
    }
}

/// One instance's second: what its tasks used, what they may use next, and whether memory is left.
fn share_instance(
    traffic: &mut Traffic,
    scenario: &Scenario,
    cluster: &Cluster,
    id: Id<ContainerInstance>,
    instance: &ContainerInstance,
) {
    let kind = &scenario.auto_scaling_groups[instance.auto_scaling_group].instance_type;
    let mut scratch = std::mem::take(&mut traffic.scratch);
    scratch.demands.clear();
    scratch.tasks.clear();
    let mut used_in_all = 0.0;
    let mut memory_in_all = 0.0;
    let mut greediest: Option<(f64, Id<Task>, usize)> = None;
    for &task in &instance.tasks {
        let row = &cluster.tasks[task];
        if row.status != TaskStatus::Running {
            continue;
        }
        let definition = &scenario.task_definitions[row.task_definition];
        let cap = definition.cpu.map(f64::from);
        let mut second = StationSecond::default();
        let lane = traffic.lane_of_service[row.service.index()];
        if let Some(station) = lane.and_then(|lane| traffic.lanes[lane].station_of(task)) {
            second = station.take_second(cap);
        }
        used_in_all += second.cpu_units_used;
        scratch.tasks.push(task);
        scratch.demands.push(CpuDemand {
            demand: second.cpu_units_wanted,
            weight: f64::from(definition.cpu_weight()),
            cap,
        });
        let serving = scenario.services[row.service].load_balancer.as_ref().map(|it| it.container);
        let memory = |place: usize| {
            let application = &definition.containers[place].application;
            let requests = if serving == Some(place) { f64::from(second.in_flight) } else { 0.0 };
            application.memory_base_mib + application.memory_per_request_mib * requests
        };
        let mut memory_of_task = 0.0;
        for (place, container) in definition.containers.iter().enumerate() {
            let used = memory(place);
            memory_of_task += used;
            if container.memory.is_some_and(|limit| used > f64::from(limit)) {
                traffic.out_of_memory.push((task, place));
            }
            let above = used - f64::from(container.memory_reservation.or(container.memory).unwrap_or(0));
            if greediest.is_none_or(|(most, ..)| above > most) {
                greediest = Some((above, task, place));
            }
        }
        if definition.memory.is_some_and(|limit| memory_of_task > f64::from(limit)) {
            let largest = (0..definition.containers.len()).max_by(|&one, &other| memory(one).total_cmp(&memory(other)));
            let place = largest.expect("a task has a container");
            if !traffic.out_of_memory.contains(&(task, place)) {
                traffic.out_of_memory.push((task, place));
            }
        }
        memory_in_all += memory_of_task;
        let reservation = &row.reservation;
        let base = if reservation.cpu_units > 0 { reservation.cpu_units } else { instance.registered_cpu_units };
        let samples = &mut traffic.samples[row.service.index()];
        samples.cpu_units_used += second.cpu_units_used;
        samples.cpu_units_base += f64::from(base);
        samples.memory_mib_used += memory_of_task;
        samples.memory_mib_base += f64::from(reservation.memory_mib.max(1));
    }
    if memory_in_all > f64::from(instance.registered_memory_mib)
        && let Some((_, task, place)) = greediest
        && !traffic.out_of_memory.contains(&(task, place))
    {
        traffic.out_of_memory.push((task, place));
    }
    let mut capacity = f64::from(instance.registered_cpu_units);
    if let (Some(burst), true) = (&kind.burst, scenario.assumptions.burst_credits) {
        let credits = traffic.credits.entry(id).or_insert_with(|| CpuCredits::new(burst));
        credits.pass(burst, 1.0, used_in_all);
        capacity = credits.capacity(burst, kind.vcpu);
    }
    share_cpu(capacity, &scratch.demands, &mut scratch.shares);
    for (place, &task) in scratch.tasks.iter().enumerate() {
        let service = cluster.tasks[task].service;
        let Some(lane) = traffic.lane_of_service[service.index()] else { continue };
        if let Some(station) = traffic.lanes[lane].station_of(task) {
            let it = &scratch.demands[place];
            station.freeze_speed(it.demand, scratch.shares[place], it.cap);
        }
    }
    traffic.scratch = scratch;
}

/// A station's last second.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StationSecond {
    /// CPU units used on average.
    cpu_units_used: f64,
    /// CPU units that its runnable threads wanted on average.
    cpu_units_wanted: f64,
    /// Requests it holds now, waiting ones included.
    in_flight: u32,
}

impl station::Station {
    /// What the second used; a capped task never shows more than its cap, the rest is carried into the next second.
    fn take_second(&mut self, cap: Option<f64>) -> StationSecond {
        let units = |nanos: u64| nanos as f64 * 1024.0 / NANOS_PER_SECOND as f64;
        let used = units(std::mem::take(&mut self.cpu_done)) + self.cpu_debt;
        let shown = cap.map_or(used, |cap| used.min(cap));
        self.cpu_debt = used - shown;
        StationSecond {
            cpu_units_used: shown,
            cpu_units_wanted: units(std::mem::take(&mut self.runnable)),
            in_flight: self.in_flight,
        }
    }

    /// The share of a vCPU that each of its threads gets in the next second.
    fn freeze_speed(&mut self, demand: f64, share: f64, cap: Option<f64>) {
        let of_cap = cap.map_or(1.0, |cap| cap / 1024.0);
        let of_share = if demand > 0.0 { (share - self.cpu_debt) / demand } else { 1.0 };
        self.speed = of_cap.min(of_share).clamp(SPEED_LEAST, 1.0);
    }
}
