//! The oracle: one event per request in one heap, written to be read. The kernels give the same numbers.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::path::Path;

use plimsoll::aws::container_instance::RegisteredResources;
use plimsoll::aws::launch::Launcher;
use plimsoll::aws::mixed_instances::PurchaseOption;
use plimsoll::aws::run_task::Overrides;
use plimsoll::aws::task_definition::Reservation;
use plimsoll::cluster::{
    self, Cluster, ContainerInstance, Host, InstanceStatus, Target, TargetState, Task, TaskStatus,
};
use plimsoll::data::histogram::Histogram;
use plimsoll::data::{Traffic, advance, note_changes, second_passes};
use plimsoll::rng::{Seed, Stream};
use plimsoll::run::RequestCounts;
use plimsoll::scenario::{self, Scenario};
use plimsoll::table::Id;
use plimsoll::units::{Instant, Span};
use plimsoll::workload::arrivals::Arrivals;
use plimsoll::workload::users::{NOBODY, Users};

/// A small case, drawn.
#[derive(Debug)]
struct Case {
    servers: u32,
    queue: u32,
    nodes: u32,
    tasks: usize,
    rate: u32,
    wait_ms: u32,
    timeout_ms: u64,
    second_rate: u32,
    error_share: f64,
    /// Mean CPU time; with it, tasks may be capped.
    cpu_ms: u32,
    cap: Option<u32>,
    cancels: bool,
    algorithm: &'static str,
    /// Users who wait for their answers.
    users: Option<&'static str>,
    /// Most connections to a task.
    connections: Option<u32>,
    /// With a cap, how long the periods of its quota are.
    cfs_period_ms: Option<u64>,
    /// Of a fresh process: requests, milliseconds, and how much slower it is.
    cold_start: Option<(u32, u64, f64)>,
    /// Whether every other task is of a second revision, which has another share of errors and needs twice the CPU time.
    has_revisions: bool,
    /// Round trips to the load balancer and from it to a task, ms.
    to_balancer_ms: u64,
    to_task_ms: u64,
    /// Whether tasks shake hands with the load balancer, for 5 ms of CPU on a quarter of the requests.
    has_tls: bool,
    /// CPU units that a sidecar of the same weight computes in each task.
    sidecar: Option<u32>,
    seed: u64,
}

/// What is done to a target at an instant.
#[derive(Clone, Copy, Debug)]
struct Change {
    at: Instant,
    task: usize,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    State(TargetState),
    Weight(f64),
    ErrorShare(f64),
    ProcessEnds,
    ProcessBegins,
    /// Its instance has so many CPU units.
    Offered(u32),
}

const LENGTH: Span = Span::seconds(40);

/// CPU units of an instance, more than its threads can use.
const CPU_UNITS: u32 = 16 * 1024;

fn cpu(mean_ms: u32) -> String {
    if mean_ms == 0 { "0s".to_owned() } else { format!("{{ exponential: {{ mean: {mean_ms}ms }} }}") }
}

impl Case {
    fn draw(stream: &mut Stream, seed: u64) -> Case {
        Case {
            servers: [1, 2, 3, 4, 12][stream.below(5)],
            queue: [0, 1, 5, 40, 1000, 1000][stream.below(6)],
            nodes: 1 + stream.below(3) as u32,
            tasks: 1 + stream.below(12),
            rate: 5 + stream.below(400) as u32,
            wait_ms: 1 + stream.below(60) as u32,
            timeout_ms: 20 + stream.below(400) as u64,
            second_rate: if stream.below(2) == 0 { 0 } else { 20 },
            error_share: if stream.below(2) == 0 { 0.0 } else { 0.1 },
            cpu_ms: stream.below(3) as u32 * 10,
            cap: [None, Some(256), Some(1024)][stream.below(3)],
            cancels: stream.below(3) == 0,
            algorithm: ["round_robin", "least_outstanding_requests", "weighted_random"][stream.below(3)],
            users: [
                None,
                None,
                None,
                Some("users: { count: 7, thinkTime: { exponential: { mean: 80ms } } }"),
                Some("users: { count: 5, every: 60ms, start: 3s }"),
                Some("sessions: { of: { poisson: { rate: 8 } }, requests: 4, thinkTime: 30ms }"),
            ][stream.below(6)],
            connections: [None, None, Some(1), Some(6), Some(50)][stream.below(5)],
            cfs_period_ms: [None, Some(100), Some(20)][stream.below(3)],
            cold_start: [None, Some((30, 0, 3.0)), Some((0, 2500, 1.7)), Some((5, 1000, 2.3))][stream.below(4)],
            has_revisions: stream.below(3) == 0,
            to_balancer_ms: [0, 20][stream.below(2)],
            to_task_ms: [0, 4][stream.below(2)],
            has_tls: stream.below(4) == 0,
            sidecar: [None, None, Some(100), Some(600)][stream.below(4)],
            seed,
        }
    }

    /// The second workload, of the same rate one way or another; batches put several requests on one instant.
    fn others(&self) -> String {
        let rate = self.second_rate;
        match self.seed % 5 {
            0 => format!("{{ constant: {{ rate: {rate} }} }}"),
            1 => format!("{{ batches: {{ rate: {rate}, size: 6 }} }}"),
            2 => format!("{{ mmpp: {{ rates: [0, {}], meanDurations: [2s, 2s] }} }}", 2 * rate),
            3 => format!("{{ onOff: {{ rate: {rate}, sources: 5, on: 1s, off: 3s }} }}"),
            _ => format!(
                "{{ shape: {{ of: {{ renewal: {{ rate: {rate}, cv2: 8 }} }}, from: 10s, start: 5s, for: 20s }} }}"
            ),
        }
    }

    fn scenario(&self) -> Scenario {
        let text = format!(
            r#"
duration: 1m
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 1, MaxSize: 1 }} }}
taskDefinitions:
  web:1: {{ {cap} containerDefinitions: [{{ name: web, memory: 64, portMappings: [{{ containerPort: 80 }}] }}{sidecar}] }}
  web:2: {{ {cap} containerDefinitions: [{{ name: web, memory: 64, portMappings: [{{ containerPort: 80 }}] }}{sidecar}] }}
applications:
{background}  web: &web {{ cpuTime: {cpu}, waitTime: {{ exponential: {{ mean: {wait}ms }} }}, concurrency: {servers}, queue: {queue}, errorShare: {error_share}, cancelOnTimeout: {cancels} {options} }}
  web:2/web: {{ <<: *web, cpuTime: {twice_the_cpu}, errorShare: 0.3 }}
loadBalancers: {{ front: {{ nodes: {nodes} }} }}
assumptions: {{ requestsPerConnection: 4, internetRoundTrip: {to_balancer}ms, httpOverhead: 0s, sameZoneRoundTrip: {to_task}ms, otherZoneRoundTrip: {to_task}ms, sameZoneConnection: 0s, otherZoneConnection: 0s, bridgeLatency: 0s, tlsHandshakeCpuTime: 5ms }}
targetGroups: {{ web: {{ Protocol: {protocol}, attributes: {{ load_balancing.algorithm.type: {algorithm} }} }} }}
services: {{ web: {{ taskDefinition: web:1, loadBalancers: [{{ targetGroupArn: web, containerName: web, containerPort: 80 }}] }} }}
workloads:
  some: {{ service: web, arrivals: {{ poisson: {{ rate: {rate} }} }}, timeout: {timeout}ms }}
  others: {{ service: web, arrivals: {others} }}
{users}timeline: [{{ at: 59s, targetErrors: {{ service: web }} }}{timeline}]
"#,
            cap = self.cap.map_or(String::new(), |cap| format!("cpu: \"{cap}\", memory: \"128\",")),
            cpu = cpu(self.cpu_ms),
            sidecar = self.sidecar.map_or("", |_| ", { name: sidecar, memory: 64 }"),
            background = self.sidecar.map_or(String::new(), |it| format!("  sidecar: {{ backgroundCpu: {it} }}\n")),
            twice_the_cpu = cpu(2 * self.cpu_ms),
            options = self.options(),
            timeline = if self.has_revisions {
                ", { at: 59s, updateService: { service: web, taskDefinition: web:2 } }"
            } else {
                ""
            },
            cancels = self.cancels,
            algorithm = self.algorithm,
            wait = self.wait_ms,
            servers = self.servers,
            queue = self.queue,
            error_share = self.error_share,
            nodes = self.nodes,
            to_balancer = self.to_balancer_ms,
            to_task = self.to_task_ms,
            protocol = if self.has_tls { "HTTPS" } else { "HTTP" },
            rate = self.rate,
            timeout = self.timeout_ms,
            others = self.others(),
            users = self.users.map_or(String::new(), |it| {
                format!("  people: {{ service: web, arrivals: {{ {it} }}, timeout: {}ms }}\n", 2 * self.timeout_ms)
            }),
        );
        let story = scenario::read(Path::new("case.yaml"), &mut |_| Ok(text.clone().into_bytes()))
            .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
        story.variants.into_iter().next().expect("a story has its base")
    }

    fn options(&self) -> String {
        let connections = self.connections.map_or(String::new(), |it| format!(", connections: {it}"));
        let period = self.cfs_period_ms.map_or(String::new(), |it| format!(", cfsPeriod: {it}ms"));
        let cold_start = self.cold_start.map_or(String::new(), |(requests, lasts, factor)| {
            format!(", coldStart: {{ requests: {requests}, for: {lasts}ms, factor: {factor} }}")
        });
        let answers = if self.answers_apart() { ", clientErrorShare: 0.2, redirectionShare: 0.1" } else { "" };
        connections + &period + &cold_start + answers
    }

    /// Whether some requests are answered with 3xx and 4xx.
    fn answers_apart(&self) -> bool {
        self.seed % 4 == 1
    }

    /// What the network adds to a response: a round trip, and one more for each handshake.
    fn to_target(&self) -> u64 {
        self.to_task_ms * if self.has_tls { 1_250_000 } else { 1_000_000 }
    }

    /// What a caller waits beyond that: a round trip, and one more for each connection.
    fn to_caller(&self) -> u64 {
        self.to_balancer_ms * 1_250_000
    }

    fn cluster(&self, scenario: &Scenario) -> Cluster {
        let mut cluster = cluster_of(scenario, &vec![0; self.tasks]);
        for task in cluster.tasks.ids() {
            cluster.tasks[task].task_definition = Id::new(self.revision_of(task.index()));
            let instance = cluster.tasks[task].instance().expect("it has one");
            cluster.instances[instance].tasks.push(task);
            cluster.instances[instance].registered_cpu_units = CPU_UNITS;
        }
        cluster
    }

    fn revision_of(&self, task: usize) -> usize {
        if self.has_revisions { task % 2 } else { 0 }
    }

    /// CPU time a period, as far as it can stop anyone.
    fn quota(&self) -> Option<(f64, u64)> {
        let (cap, period) = (u64::from(self.cap?), self.cfs_period_ms? * 1_000_000);
        let servers = self.servers.min(self.connections.unwrap_or(u32::MAX));
        let wanted = 1024 * u64::from(servers) + u64::from(self.sidecar.unwrap_or(0));
        (cap < wanted).then_some(((cap * period / 1024) as f64, period))
    }

    fn changes(&self, stream: &mut Stream) -> Vec<Change> {
        let states = [TargetState::Healthy, TargetState::Unhealthy, TargetState::Draining, TargetState::Initial];
        let mut changes: Vec<Change> = (0..stream.below(12))
            .map(|_| Change {
                at: Instant(stream.below(LENGTH.0 as usize) as u64),
                task: stream.below(self.tasks),
                what: match stream.below(8) {
                    0 => What::ProcessEnds,
                    1 => What::ProcessBegins,
                    6 => What::Weight([0.05, 0.5, 1.0][stream.below(3)]),
                    7 => What::ErrorShare([0.0, 0.3, 1.0][stream.below(3)]),
                    other => What::State(states[other - 2]),
                },
            })
            .collect();
        // Half of the cases know more and less CPU.
        let offers = stream.below(2) * stream.below(30);
        changes.extend((0..offers).map(|_| Change {
            at: Instant(stream.below(LENGTH.0 as usize) as u64),
            task: stream.below(self.tasks),
            what: What::Offered([100, 300, 700, 1024, 1536, 4000, CPU_UNITS][stream.below(7)]),
        }));
        // At the end one target goes for good.
        changes.push(Change { at: Instant(LENGTH.0 - 1), task: 0, what: What::State(TargetState::Unused) });
        changes.sort_by_key(|it| it.at);
        changes
    }
}

/// A cluster of healthy tasks of the first service, each on an instance of its own in one of the zones.
pub fn cluster_of(scenario: &Scenario, zones: &[usize]) -> Cluster {
    let mut cluster = Cluster { target_groups: vec![Vec::new()], version: 1, ..Cluster::default() };
    let group = scenario.target_groups.iter().next().expect("the scenario has a target group");
    let load_balancer = &scenario.load_balancers[group.load_balancer];
    for &zone in zones {
        let instance = cluster.instances.push(ContainerInstance {
            launch_template_override: 0,
            purchase_option: PurchaseOption::OnDemand,
            usd_per_hour: 0.0,
            availability_zone: scenario.availability_zones.ids().nth(zone).expect("the scenario has the zone"),
            name: "i".to_owned(),
            auto_scaling_group: Id::new(0),
            subnet: None,
            attributes: Vec::new(),
            registration_failure: None,
            has_trunk: false,
            status: InstanceStatus::Active,
            agent_connected: true,
            is_terminating: false,
            drains_until: None,
            registered_cpu_units: 0,
            registered_memory_mib: 0,
            registered_network_interfaces: 0,
            registered_gpus: 0,
            registered_neuron_devices: 0,
            remaining_cpu_units: 0,
            remaining_memory_mib: 0,
            reserved_ports: BTreeMap::new(),
            remaining_network_interfaces: 0,
            remaining_gpus: 0,
            remaining_neuron_devices: 0,
            set_aside: RegisteredResources::default(),
            tasks: Vec::new(),
            hosted: Vec::new(),
            is_protected_from_scale_in: false,
            launched_at: Instant::START,
            in_service_at: None,
            registered_at: None,
            terminated_at: None,
            stopped_for: Span::ZERO,
        });
        let task = cluster.tasks.push(Task {
            launcher: Launcher::Service(Id::new(0)),
            overrides: Overrides::default(),
            network: None,
            run_time: None,
            task_definition: Id::new(0),
            volume: None,
            registration: scenario.services[Id::new(0)]
                .load_balancer
                .as_ref()
                .and_then(|it| it.registration(&scenario.task_definitions[Id::new(0)]).ok()),
            placement_constraints: None,
            started_for_zone: None,
            deployment: 0,
            capacity_provider: None,
            host: Some(Host::Instance(instance)),
            subnet: None,
            host_ports: Vec::new(),
            status: TaskStatus::Running,
            reservation: Reservation::default(),
            holds_reservation: false,
            process_is_up: true,
            containers: Vec::new(),
            is_asked_to_stop: false,
            target: None,
            created_at: Instant::START,
            released_at: None,
            pulled_through_nat_bytes: 0,
            placed_at: None,
            pull_started_at: None,
            pull_stopped_at: None,
            started_at: Some(Instant::START),
            healthy_at: None,
            stopping_at: None,
            sigterm_due_at: None,
            sigterm_at: None,
            stopped_at: None,
            stopped_reason: None,
            exit_code: None,
            error_share: 0.0,
        });
        let target = cluster.targets.push(Target {
            task,
            target_group: Id::new(0),
            state: TargetState::Healthy,
            reason: None,
            successes: 0,
            failures: 0,
            is_reachable: true,
            zone_of_load_balancer: cluster.place_among_zones(task, load_balancer),
            registered_at: Instant::START,
            probe_sent_at: Instant::START,
            next_probe_at: Instant::NEVER,
            slow_start_since: None,
            is_anomalous: false,
            weight: 1.0,
        });
        cluster.target_groups[0].push(target);
        cluster.tasks[task].target = Some(target);
        cluster.has_changed(cluster::Change::Instance(instance));
    }
    cluster
}

/// The kernels, advanced to each change and to `stops` in between.
fn by_kernels(case: &Case, changes: &[Change], stops: &[Instant]) -> (RequestCounts, u64, Histogram) {
    let scenario = case.scenario();
    let mut cluster = case.cluster(&scenario);
    let mut traffic = Traffic::new(&scenario, Seed { seed: case.seed, replication: 0 });
    let of_cluster = cluster.take_changes();
    note_changes(&mut traffic, &cluster, &of_cluster);
    let mut stops: VecDeque<Instant> = stops.iter().copied().collect();
    for change in changes {
        while stops.front().is_some_and(|stop| *stop <= change.at) {
            let stop = stops.pop_front().expect("there is one");
            advance(&mut traffic, &scenario, &cluster, stop);
        }
        advance(&mut traffic, &scenario, &cluster, change.at);
        let target = cluster.target_groups[0].iter().copied().find(|it| it.index() == change.task);
        match (change.what, target) {
            (What::State(state), Some(target)) => {
                cluster.targets[target].state = state;
                if state == TargetState::Unused {
                    cluster.target_groups[0].retain(|it| *it != target);
                }
            }
            (What::ProcessEnds, _) => cluster.tasks[Id::new(change.task)].process_is_up = false,
            (What::ProcessBegins, _) => cluster.tasks[Id::new(change.task)].process_is_up = true,
            (What::Offered(cpu_units), _) => {
                let instance = cluster.tasks[Id::new(change.task)].instance().expect("it has one");
                cluster.instances[instance].registered_cpu_units = cpu_units;
                cluster.has_changed(cluster::Change::Instance(instance));
                let of_cluster = cluster.take_changes();
                note_changes(&mut traffic, &cluster, &of_cluster);
                second_passes(&mut traffic, &scenario, &cluster);
            }
            (What::Weight(weight), _) => cluster.targets[Id::new(change.task)].weight = weight,
            (What::ErrorShare(share), _) => cluster.tasks[Id::new(change.task)].error_share = share,
            (What::State(_), None) => {}
        }
        cluster.has_changed(cluster::Change::Task(Id::new(change.task)));
        cluster.has_changed(cluster::Change::Target(Id::new(change.task)));
        let of_cluster = cluster.take_changes();
        note_changes(&mut traffic, &cluster, &of_cluster);
    }
    for stop in stops {
        advance(&mut traffic, &scenario, &cluster, stop);
    }
    advance(&mut traffic, &scenario, &cluster, Instant::START + LENGTH);
    let totals = traffic.totals(Id::new(0));
    (totals.counts, totals.in_flight, totals.histogram)
}

/// In the order in which they happen at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Computes { task: usize, stamp: u32 },
    Completes { task: usize, request: usize, life: u32 },
    TimesOut(usize),
    Changes(usize),
}

struct Request {
    /// Since when its caller waits.
    arrival: u64,
    user: u32,
    /// By revision, until it is known who serves it.
    cpu: [u64; 2],
    wait: [u64; 2],
    /// The status code of its answer, by revision.
    status: [u16; 2],
    deadline: u64,
    is_callers: bool,
    node: usize,
    /// Where it falls if its target is chosen at random.
    chance: f64,
    /// Whether it fails at a target that fails for this share.
    error_chance: f64,
    has_ended: bool,
}

struct Server {
    revision: usize,
    state: TargetState,
    weight: f64,
    error_share: f64,
    is_up: bool,
    busy: u32,
    waiting: VecDeque<usize>,
    serving: Vec<usize>,
    /// Requests sent here whose callers may still wait.
    outstanding: Vec<usize>,
    /// Requests that compute, each with what it must have been given when it is done.
    computing: Vec<(usize, f64)>,
    /// What each has been given since one alone began, and when that was so; and what all have used.
    given: f64,
    since: u64,
    used: f64,
    /// vCPUs.
    offered: f64,
    /// CPU units of its instance, and the part of its quota that a sidecar leaves.
    cpu_units: f64,
    part: f64,
    /// CPU time that may be used in a period, its length and when the first one begins; when this one ends, and what all
    /// will have used when it is spent.
    quota: Option<(f64, u64, u64)>,
    period_ends: u64,
    spent_at: f64,
    is_spent: bool,
    /// Requests, and an instant, until which it is cold.
    cold_requests: u32,
    cold_until: u64,
    /// Grows when that changes, so that what was foreseen before is stale.
    stamp: u32,
    /// Grows when the process ends, so that completions of its former life are stale.
    life: u32,
}

/// What comes next among those that compute.
#[derive(Clone, Copy)]
enum Next {
    /// The one at this place is done.
    IsDone(usize),
    /// The quota is spent, or fresh.
    QuotaTurns,
}

impl Server {
    /// Those that compute have gone on until now, each with its part of the CPU.
    fn pass(&mut self, now: u64) {
        let threads = self.computing.len() as f64;
        let length = (now - self.since) as f64;
        // In the same steps as the kernel, since what falls on half a nanosecond is rounded.
        let vcpu = if self.is_spent { 0.0 } else { self.offered };
        let given = if threads == 0.0 { 0.0 } else { length * (vcpu * (1.0 / threads)).min(1.0) };
        self.used += given * threads;
        self.given = if threads == 0.0 { 0.0 } else { self.given + given };
        self.since = now;
        self.stamp += 1;
    }

    /// What comes next, and when, as things stand since the clock was moved.
    fn next(&mut self) -> Option<(u64, Next)> {
        let first = self.computing.iter().enumerate().min_by(|one, other| one.1.1.total_cmp(&other.1.1));
        let (place, (_, needs)) = first?;
        let threads = self.computing.len() as f64;
        let after = |length: f64| self.since + length.round_ties_even() as u64;
        let slowdown = (threads * (1.0 / self.offered)).max(1.0);
        let done = after((needs - self.given).max(0.0) * slowdown);
        let Some((amount, period, phase)) = self.quota else { return Some((done, Next::IsDone(place))) };
        if self.since >= self.period_ends {
            self.period_ends = (0..).map(|it| phase + it * period).find(|end| *end > self.since)?;
            self.spent_at = self.used + amount * self.part;
        }
        let spent = after((self.spent_at - self.used).max(0.0) / threads.min(self.offered));
        self.is_spent = false;
        if done <= spent && done <= self.period_ends {
            return Some((done, Next::IsDone(place)));
        }
        self.is_spent = spent == self.since;
        let turn = if self.is_spent { self.period_ends } else { spent.min(self.period_ends) };
        Some((turn, Next::QuotaTurns))
    }

    /// The instance has so many CPU units.
    fn is_offered(&mut self, now: u64, case: &Case, servers: u32) {
        let cpu_units = self.cpu_units;
        let sidecar = f64::from(case.sidecar.unwrap_or(0));
        // Two of one weight: half of all is certain, and what the other does not want.
        let left = |all: f64| (all - sidecar).max(all / 2.0).max(1.0);
        if let Some(cap) = case.cap.map(f64::from).filter(|_| case.sidecar.is_some()) {
            self.part = left(cpu_units.min(cap)) / cap;
        }
        let cap = case.cap.filter(|_| self.quota.is_none()).map_or(f64::INFINITY, f64::from);
        let threads = f64::from(servers);
        let is_short = |vcpu: f64| self.quota.is_some() || vcpu < threads;
        let before = self.offered;
        let offered = (left(cpu_units.min(cap)) / 1024.0).min(threads);
        let (was_short, is_short) = (is_short(before), is_short(offered));
        if offered != before {
            self.pass(now);
            self.offered = offered;
        }
        if was_short != is_short {
            // What is left to do is counted anew, in whole nanoseconds.
            for (_, needs) in &mut self.computing {
                *needs = (*needs - self.given).max(0.0).round_ties_even();
            }
            self.given = 0.0;
        }
    }
}

/// One event after the other.
fn by_events(case: &Case, changes: &[Change]) -> (RequestCounts, u64, Histogram) {
    let scenario = case.scenario();
    let mut source = Requests::new(case, &scenario);
    let mut requests: Vec<Request> = Vec::new();
    let threads = case.servers.min(case.connections.unwrap_or(u32::MAX));
    let mut phases = Seed { seed: case.seed, replication: 0 }.stream("cfs period", "web");
    let mut servers: Vec<Server> = (0..case.tasks)
        .map(|task| Server {
            revision: case.revision_of(task),
            used: 0.0,
            cpu_units: f64::from(CPU_UNITS),
            part: 1.0,
            offered: f64::from(threads)
                .min(case.cap.filter(|_| case.quota().is_none()).map_or(f64::INFINITY, |cap| f64::from(cap) / 1024.0)),
            quota: {
                let phase = case.cfs_period_ms.map_or(0, |it| phases.below(it as usize * 1_000_000) as u64);
                case.quota().map(|(amount, period)| (amount, period, phase))
            },
            period_ends: 0,
            spent_at: 0.0,
            is_spent: false,
            cold_requests: 0,
            cold_until: 0,
            state: TargetState::Healthy,
            weight: 1.0,
            error_share: 0.0,
            is_up: true,
            busy: 0,
            waiting: VecDeque::new(),
            serving: Vec::new(),
            outstanding: Vec::new(),
            computing: Vec::new(),
            given: 0.0,
            since: 0,
            stamp: 0,
            life: 0,
        })
        .collect();
    let mut turns = vec![0usize; case.nodes as usize];
    let mut counts = RequestCounts::default();
    let mut histogram = Histogram::default();
    let mut events: BinaryHeap<Reverse<(u64, Event)>> = BinaryHeap::new();
    for (place, change) in changes.iter().enumerate() {
        events.push(Reverse((change.at.0, Event::Changes(place))));
    }
    let candidates = |servers: &[Server]| {
        let pool: Vec<usize> = (0..servers.len())
            .filter(|&it| !matches!(servers[it].state, TargetState::Draining | TargetState::Unused))
            .collect();
        let healthy: Vec<usize> =
            pool.iter().copied().filter(|&it| servers[it].state == TargetState::Healthy).collect();
        if healthy.is_empty() { pool } else { healthy }
    };
    let mut rotation = candidates(&servers);
    let start =
        |servers: &mut [Server], events: &mut BinaryHeap<_>, now: u64, task: usize, request: usize, cpu: u64| {
            let server = &mut servers[task];
            server.serving.push(request);
            server.pass(now);
            server.computing.push((request, server.given + cpu as f64));
            let (at, _) = server.next().expect("it computes");
            events.push(Reverse((at, Event::Computes { task, stamp: server.stamp })));
        };
    loop {
        // What ends at an instant does so before anything arrives.
        let arrives_at = source.next().filter(|it| *it < LENGTH.0);
        let happens_at = events.peek().map(|it| it.0.0).filter(|it| *it <= LENGTH.0);
        let (now, event) = match (arrives_at, happens_at) {
            (None, None) => break,
            (Some(at), other) if other.is_none_or(|other| at < other) => (at, None),
            _ => events.pop().map(|Reverse((at, event))| (at, Some(event))).expect("there is one"),
        };
        match event {
            None => {
                let Some(request) = source.draw() else { continue };
                counts.arrived += 1;
                requests.push(request);
                let place = requests.len() - 1;
                let request = &requests[place];
                if rotation.is_empty() {
                    counts.elb_503 += 1;
                    source.refuses(request, now);
                    continue;
                }
                let turn = turns[request.node];
                let chosen = match case.algorithm {
                    "round_robin" => turn,
                    "least_outstanding_requests" => {
                        servers.iter_mut().for_each(|it| it.outstanding.retain(|it| !requests[*it].has_ended));
                        let of_node = |it: &&usize| requests[**it].node == request.node;
                        let outstanding = |task: usize| servers[task].outstanding.iter().filter(of_node).count();
                        (0..rotation.len())
                            .min_by_key(|it| {
                                (outstanding(rotation[*it]), (it + rotation.len() - turn) % rotation.len())
                            })
                            .expect("there are targets")
                    }
                    _ => {
                        // The chance falls into one of the weights, laid end to end.
                        let whole: f64 = rotation.iter().map(|it| servers[*it].weight).sum();
                        let mut left = request.chance * whole;
                        let falls = |it: &usize| {
                            let is_here = left < servers[*it].weight;
                            left -= servers[*it].weight;
                            is_here
                        };
                        rotation.iter().position(falls).unwrap_or(rotation.len() - 1)
                    }
                };
                let task = rotation[chosen];
                turns[request.node] = (chosen + 1) % rotation.len();
                if request.error_chance < servers[task].error_share {
                    requests[place].status = [500; 2];
                }
                let request = &requests[place];
                let server = &mut servers[task];
                let held = server.busy + server.waiting.len() as u32;
                let has_room = server.busy < case.servers || server.waiting.len() < case.queue as usize;
                if !server.is_up || !has_room || case.connections.is_some_and(|most| held >= most) {
                    counts.elb_502 += 1;
                    source.refuses(request, now);
                    continue;
                }
                server.outstanding.push(place);
                if let Some((_, _, factor)) = case.cold_start
                    && (server.cold_requests > 0 || now < server.cold_until)
                {
                    let cpu = &mut requests[place].cpu[server.revision];
                    *cpu = (*cpu as f64 * factor).round_ties_even() as u64;
                }
                server.cold_requests = server.cold_requests.saturating_sub(1);
                let request = &requests[place];
                events.push(Reverse((request.deadline, Event::TimesOut(place))));
                if server.busy < case.servers {
                    server.busy += 1;
                    let cpu = request.cpu[server.revision];
                    start(&mut servers, &mut events, now, task, place, cpu);
                } else {
                    server.waiting.push_back(place);
                }
            }
            Some(Event::Computes { task, stamp }) => {
                let server = &mut servers[task];
                if server.stamp != stamp {
                    continue;
                }
                let (_, next) = server.next().expect("something comes next");
                server.pass(now);
                if let Next::IsDone(place) = next {
                    let (request, needs) = server.computing.remove(place);
                    // The end of a step is rounded to a nanosecond; what was done in it is not.
                    server.given = needs;
                    let completes = Event::Completes { task, request, life: server.life };
                    events.push(Reverse((now + requests[request].wait[server.revision], completes)));
                }
                if let Some((at, _)) = server.next() {
                    events.push(Reverse((at, Event::Computes { task, stamp: server.stamp })));
                }
            }
            Some(Event::Completes { task, request, life }) => {
                let server = &mut servers[task];
                if server.life != life {
                    continue;
                }
                server.serving.retain(|it| *it != request);
                let it = &mut requests[request];
                if !it.has_ended {
                    it.has_ended = true;
                    source.answers(it, now);
                    let status = it.status[server.revision];
                    if status == 500 {
                        counts.target_5xx += 1;
                    } else {
                        counts.served += 1;
                        counts.target_3xx += u64::from(status == 302);
                        counts.target_4xx += u64::from(status == 404);
                        histogram.record(now - it.arrival + case.to_target());
                    }
                }
                match server.waiting.pop_front() {
                    Some(next) => {
                        let cpu = requests[next].cpu[server.revision];
                        start(&mut servers, &mut events, now, task, next, cpu);
                    }
                    None => server.busy -= 1,
                }
            }
            Some(Event::TimesOut(place)) => {
                let it = &mut requests[place];
                if !it.has_ended {
                    it.has_ended = true;
                    source.answers(it, now);
                    if it.is_callers { counts.client_timeout += 1 } else { counts.elb_504 += 1 }
                }
                if case.cancels {
                    servers.iter_mut().for_each(|server| server.waiting.retain(|it| *it != place));
                }
            }
            Some(Event::Changes(place)) => {
                let Change { task, what, .. } = changes[place];
                let server = &mut servers[task];
                let mut cut = Vec::new();
                match what {
                    What::Weight(weight) => server.weight = weight,
                    What::ErrorShare(share) => server.error_share = share,
                    What::State(_) if server.state == TargetState::Unused => {}
                    What::State(state) => {
                        server.state = state;
                        if state == TargetState::Unused {
                            cut.extend(server.serving.iter().chain(&server.waiting).copied());
                        }
                    }
                    What::ProcessEnds => {
                        cut.extend(server.serving.drain(..).chain(server.waiting.drain(..)));
                        server.is_up = false;
                        server.busy = 0;
                        server.pass(now);
                        server.computing.clear();
                        server.life += 1;
                    }
                    What::ProcessBegins => {
                        if let Some((requests, lasts, _)) = case.cold_start.filter(|_| !server.is_up) {
                            (server.cold_requests, server.cold_until) = (requests, now + lasts * 1_000_000);
                        }
                        server.is_up = true;
                    }
                    What::Offered(cpu_units) => {
                        server.cpu_units = f64::from(cpu_units);
                        // The second ends for all of them.
                        for (task, server) in servers.iter_mut().enumerate() {
                            server.is_offered(now, case, threads);
                            if let Some((at, _)) = server.next() {
                                events.push(Reverse((at, Event::Computes { task, stamp: server.stamp })));
                            }
                        }
                        continue;
                    }
                }
                for request in cut {
                    if !requests[request].has_ended {
                        requests[request].has_ended = true;
                        source.answers(&requests[request], now);
                        counts.elb_502 += 1;
                    }
                }
                rotation = candidates(&servers);
                for turn in &mut turns {
                    *turn = turn.checked_rem(rotation.len()).unwrap_or(0);
                }
            }
        }
    }
    let in_flight = counts.arrived - counts.ended();
    (counts, in_flight, histogram)
}

/// The requests of a case, each with its fate, drawn from the streams that the kernels draw from.
struct Requests<'s> {
    case: &'s Case,
    scenario: &'s Scenario,
    /// Requests that come by themselves, and users who come; by instant and workload.
    arrivals: VecDeque<(u64, usize)>,
    users: Users,
    cpus: [Stream; 2],
    waits: [Stream; 2],
    nodes: Stream,
    faults: Stream,
    chances: Stream,
    error_chances: Stream,
    handshakes: Stream,
}

impl<'s> Requests<'s> {
    fn new(case: &'s Case, scenario: &'s Scenario) -> Requests<'s> {
        let seed = Seed { seed: case.seed, replication: 0 };
        let mut arrivals: Vec<(u64, usize)> = Vec::new();
        for (place, workload) in scenario.workloads.iter().enumerate() {
            let mut of_workload = Arrivals::new(&workload.arrivals, seed.stream("arrivals", &workload.name));
            let mut batch = [0.0; 64];
            loop {
                let filled = of_workload.fill(&mut batch);
                let due = batch[..filled].iter().map(|it| *it as u64).filter(|it| *it < LENGTH.0);
                arrivals.extend(due.map(|it| (it, place)));
                if filled < batch.len() || batch[filled - 1] as u64 >= LENGTH.0 {
                    break;
                }
            }
        }
        arrivals.sort_unstable();
        let habits = scenario.workloads.iter().map(|it| Some((it.users.clone()?, seed.stream("users", &it.name))));
        Requests {
            case,
            scenario,
            arrivals: arrivals.into(),
            users: Users::new(habits.collect(), vec![Span::ZERO; scenario.workloads.len()]),
            cpus: [0, 1].map(|_| seed.stream("cpu time", "web")),
            waits: [0, 1].map(|_| seed.stream("wait time", "web")),
            nodes: seed.stream("load balancer node", "web"),
            faults: seed.stream("faults", "web"),
            chances: seed.stream("target", "web"),
            error_chances: seed.stream("target errors", "web"),
            handshakes: seed.stream("tls handshake", "web"),
        }
    }

    /// When the next one comes.
    fn next(&mut self) -> Option<u64> {
        let arrival = self.arrivals.front().map(|it| it.0);
        arrival.into_iter().chain(self.users.next_at()).min()
    }

    /// The next one; `None` where a user comes or leaves instead.
    fn draw(&mut self) -> Option<Request> {
        let now = self.next()?;
        let (workload, user, arrival) = match self.arrivals.front() {
            Some(&(at, workload)) if at == now => {
                self.arrivals.pop_front();
                if self.users.ask(workload) {
                    self.users.joins(workload, at);
                    return None;
                }
                (workload, NOBODY, at)
            }
            _ => {
                let sending = self.users.send()?;
                (sending.workload, sending.user, sending.wanted_at)
            }
        };
        let definitions = [0, 1].map(|it| &self.scenario.task_definitions[Id::new(it)]);
        let applications = definitions.map(|it| &it.containers[0].application);
        let timeout = self.scenario.workloads[Id::new(workload)].timeout;
        let patience = match timeout {
            Some(timeout) => timeout.0.saturating_sub(self.case.to_caller()),
            None => Span::seconds(60).0,
        };
        let handshake = if self.case.has_tls && self.handshakes.unit() <= 0.25 { 5_000_000 } else { 0 };
        Some(Request {
            arrival,
            user,
            cpu: [0, 1].map(|it| applications[it].cpu_time.sample(&mut self.cpus[it]).0 + handshake),
            wait: [0, 1].map(|it| applications[it].wait_time.sample(&mut self.waits[it]).0),
            status: {
                let draws = applications[0].error_share > 0.0 || self.case.has_revisions || self.case.answers_apart();
                let chance = if draws { self.faults.unit() } else { 2.0 };
                applications.map(|it| match chance - it.error_share {
                    rest if rest <= 0.0 => 500,
                    _ if !self.case.answers_apart() => 200,
                    _ if chance <= it.error_share + 0.2 => 404,
                    _ if chance <= it.error_share + 0.2 + 0.1 => 302,
                    _ => 200,
                })
            },
            deadline: now + patience.saturating_sub(self.case.to_target()),
            is_callers: timeout.is_some(),
            node: if self.case.nodes > 1 { self.nodes.below(self.case.nodes as usize) } else { 0 },
            chance: if self.case.algorithm == "weighted_random" { self.chances.unit() } else { 0.0 },
            error_chance: self.error_chances.unit(),
            has_ended: false,
        })
    }

    /// Nobody takes a request.
    fn refuses(&mut self, request: &Request, now: u64) {
        if request.user != NOBODY {
            self.users.are_answered(request.user, now + 1_000_000 + self.case.to_caller());
        }
    }

    /// A request ends for its caller.
    fn answers(&mut self, request: &Request, now: u64) {
        if request.user != NOBODY {
            self.users.are_answered(request.user, now + self.case.to_target() + self.case.to_caller());
        }
    }
}

#[test]
fn kernels_and_oracle_give_the_same_numbers() {
    for seed in 0..600 {
        let mut stream = Seed { seed, replication: 0 }.stream("test", "oracle");
        let case = Case::draw(&mut stream, seed);
        let changes = case.changes(&mut stream);
        let mut stops: Vec<Instant> =
            (0..stream.below(200)).map(|_| Instant(stream.below(LENGTH.0 as usize) as u64)).collect();
        stops.sort_unstable();
        let (counts, in_flight, histogram) = by_events(&case, &changes);
        assert!(counts.arrived > 0, "seed {seed}");
        for stops in [&stops[..], &[]] {
            let kernels = by_kernels(&case, &changes, stops);
            assert_eq!(kernels.0, counts, "{case:?}, {} stops, {changes:?}", stops.len());
            assert_eq!(kernels.1, in_flight, "seed {seed}: in flight");
            assert!(kernels.2 == histogram, "seed {seed}: response times");
        }
    }
}
