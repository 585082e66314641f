//! The data plane: requests, in tight loops between two control events.
//!
//! Between two calls of [`advance`] the cluster stands still, so where a request goes and when it ends is known on its
//! arrival, and no event queue is needed. What is approximate is the CPU: what each task may use is frozen for a simulated
//! second from what all tasks of its instance used in the last; a request that starts gets an equal part of it beside
//! those that its task's other threads compute then, and keeps that speed. (`tests/it/processor_sharing.rs` measures the
//! error.)

pub mod histogram;
mod kernel;
pub mod lane;
pub mod station;

use std::collections::BTreeMap;

use crate::aws::cpu_sharing::{CpuCredits, CpuDemand, offer_cpu};
use crate::aws::service::ServiceDefinition;
use crate::cluster::{Cluster, ContainerInstance, InstanceStatus, Target, Task, TaskStatus};
use crate::data::lane::Lane;
use crate::data::station::Station;
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
    offers: Vec<f64>,
    memory: Vec<f64>,
    tasks: Vec<Id<Task>>,
}

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
        self.lanes.iter().map(|lane| lane.in_flight_of(target, self.now)).sum()
    }

    /// A service's last closed minute.
    pub fn last_minute(&self, service: Id<ServiceDefinition>) -> &ServiceTraffic {
        &self.minutes[service.index()]
    }

    /// A service's whole run so far.
    pub fn totals(&self, service: Id<ServiceDefinition>) -> RequestTotals {
        match self.lane_of_service[service.index()] {
            Some(lane) => self.lanes[lane].totals(self.now),
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

/// Samples memory and CPU use of the second that has passed, and freezes what each task may use in the next one.
pub fn second_passes(traffic: &mut Traffic, scenario: &Scenario, cluster: &Cluster) {
    let now = traffic.now;
    traffic.out_of_memory.clear();
    for lane in &mut traffic.lanes {
        lane.look(scenario, cluster, now);
        lane.second_ends(now);
    }
    for (id, instance) in cluster.instances.entries() {
        if matches!(instance.status, InstanceStatus::Active | InstanceStatus::Draining) {
            share_instance(traffic, scenario, cluster, id, instance);
        }
    }
    for lane in &mut traffic.lanes {
        lane.second_begins(now);
    }
}

/// Closes the minute (t - 60 s, t] of every service.
pub fn minute_closes(traffic: &mut Traffic, scenario: &Scenario) {
    for service in scenario.services.ids() {
        let samples = std::mem::take(&mut traffic.samples[service.index()]);
        let percent = |used: f64, base: f64| (base > 0.0).then(|| 100.0 * used / base);
        let mut minute = match traffic.lane_of_service[service.index()] {
            Some(lane) => traffic.lanes[lane].close_minute(traffic.now),
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
    let mut scratch = std::mem::take(&mut traffic.scratch);
    scratch.demands.clear();
    scratch.tasks.clear();
    let mut memory_in_all = 0.0;
    let mut greediest: Option<(f64, Id<Task>, usize)> = None;
    for &task in &instance.tasks {
        let row = &cluster.tasks[task];
        // A task that drains or stops computes and remembers until its processes are gone.
        if !row.process_is_up && row.status != TaskStatus::Running {
            continue;
        }
        let definition = &scenario.task_definitions[row.task_definition];
        let cap = definition.cpu.map(f64::from);
        let (cpu_units_used, requests) = traffic.take_second(row.service, task, cap);
        scratch.tasks.push(task);
        scratch.demands.push(CpuDemand { demand: cpu_units_used, weight: f64::from(definition.cpu_weight()), cap });
        measure_memory(scenario, row, requests, &mut scratch.memory);
        let memory = &scratch.memory;
        let memory_of_task: f64 = memory.iter().sum();
        memory_in_all += memory_of_task;
        for (place, (container, &used)) in definition.containers.iter().zip(memory).enumerate() {
            if container.memory.is_some_and(|limit| used > f64::from(limit)) {
                traffic.runs_out_of_memory(task, place);
            }
            let above = used - f64::from(container.memory_reservation.or(container.memory).unwrap_or(0));
            if greediest.is_none_or(|(most, ..)| above > most) {
                greediest = Some((above, task, place));
            }
        }
        if definition.memory.is_some_and(|limit| memory_of_task > f64::from(limit)) {
            let largest = (0..memory.len()).max_by(|&one, &other| memory[one].total_cmp(&memory[other]));
            traffic.runs_out_of_memory(task, largest.expect("a task has a container"));
        }
        if row.status == TaskStatus::Running {
            let reservation = &row.reservation;
            let base = if reservation.cpu_units > 0 { reservation.cpu_units } else { instance.registered_cpu_units };
            let samples = &mut traffic.samples[row.service.index()];
            samples.cpu_units_used += cpu_units_used;
            samples.cpu_units_base += f64::from(base);
            samples.memory_mib_used += memory_of_task;
            samples.memory_mib_base += f64::from(reservation.memory_mib.max(1));
        }
    }
    if memory_in_all > f64::from(instance.registered_memory_mib)
        && let Some((_, task, place)) = greediest
    {
        traffic.runs_out_of_memory(task, place);
    }
    let capacity = traffic.pass_credits(scenario, id, instance, scratch.demands.iter().map(|it| it.demand).sum());
    offer_cpu(capacity, &scratch.demands, &mut scratch.offers);
    for (&task, &offer) in scratch.tasks.iter().zip(&scratch.offers) {
        if let Some((station, _)) = traffic.station_of(cluster.tasks[task].service, task) {
            station.is_offered(offer);
        }
    }
    traffic.scratch = scratch;
}

/// Writes to `memory` the MiB that each container of a task uses, with so many requests at the one that serves.
fn measure_memory(scenario: &Scenario, task: &Task, requests: u32, memory: &mut Vec<f64>) {
    let serving = scenario.services[task.service].load_balancer.as_ref().map(|it| it.container);
    let containers = &scenario.task_definitions[task.task_definition].containers;
    memory.clear();
    memory.extend(containers.iter().enumerate().map(|(place, container)| {
        let requests = if serving == Some(place) { f64::from(requests) } else { 0.0 };
        container.application.memory_base_mib + container.application.memory_per_request_mib * requests
    }));
}

impl Traffic {
    fn station_of(&mut self, service: Id<ServiceDefinition>, task: Id<Task>) -> Option<(&mut Station, &mut f64)> {
        self.lanes[self.lane_of_service[service.index()]?].station_of(task)
    }

    /// CPU units that a task used in the second, and the requests it holds now. A capped task never shows more than its
    /// cap; the rest is shown in the seconds that follow.
    fn take_second(&mut self, service: Id<ServiceDefinition>, task: Id<Task>, cap: Option<f64>) -> (f64, u32) {
        let Some((station, cpu_done)) = self.station_of(service, task) else { return (0.0, 0) };
        let second = NANOS_PER_SECOND as f64;
        let used = *cpu_done + station.cpu_debt;
        let shown = cap.map_or(used, |cap| used.min(cap / 1024.0 * second));
        station.cpu_debt = used - shown;
        (shown * 1024.0 / second, station.in_flight)
    }

    /// Lets an instance earn and spend its CPU credits for a second; the CPU units that it can give in the next.
    fn pass_credits(
        &mut self,
        scenario: &Scenario,
        id: Id<ContainerInstance>,
        instance: &ContainerInstance,
        cpu_units_used: f64,
    ) -> f64 {
        let kind = &scenario.auto_scaling_groups[instance.auto_scaling_group].instance_type;
        let (Some(burst), true) = (&kind.burst, scenario.assumptions.burst_credits) else {
            return f64::from(instance.registered_cpu_units);
        };
        let credits = self.credits.entry(id).or_insert_with(|| CpuCredits::new(burst));
        credits.pass(burst, 1.0, cpu_units_used);
        credits.capacity(burst, kind.vcpu)
    }

    fn runs_out_of_memory(&mut self, task: Id<Task>, container: usize) {
        if !self.out_of_memory.contains(&(task, container)) {
            self.out_of_memory.push((task, container));
        }
    }
}
