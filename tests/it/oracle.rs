//! The oracle: one event per request in one heap, written to be read. The kernels give the same numbers.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::path::Path;

use plimsoll::aws::task_definition::Reservation;
use plimsoll::cluster::{Cluster, ContainerInstance, InstanceStatus, Target, TargetState, Task, TaskStatus};
use plimsoll::data::histogram::Histogram;
use plimsoll::data::{Traffic, advance};
use plimsoll::rng::{Seed, Stream};
use plimsoll::run::RequestCounts;
use plimsoll::scenario::{self, Scenario};
use plimsoll::table::Id;
use plimsoll::units::{Instant, Span};
use plimsoll::workload::arrivals::Arrivals;

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
    /// Round trips to the load balancer and from it to a task, ms.
    to_balancer_ms: u64,
    to_task_ms: u64,
    /// Whether tasks shake hands with the load balancer, for 5 ms of CPU on a quarter of the requests.
    has_tls: bool,
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
    ProcessEnds,
    ProcessBegins,
}

const LENGTH: Span = Span::seconds(40);

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
            to_balancer_ms: [0, 20][stream.below(2)],
            to_task_ms: [0, 4][stream.below(2)],
            has_tls: stream.below(4) == 0,
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
taskDefinitions: {{ web: {{ {cap} containerDefinitions: [{{ name: web, memory: 64, portMappings: [{{ containerPort: 80 }}] }}] }} }}
applications: {{ web: {{ cpuTime: {cpu}, waitTime: {{ exponential: {{ mean: {wait}ms }} }}, concurrency: {servers}, queue: {queue}, errorShare: {error_share}, cancelOnTimeout: {cancels} }} }}
loadBalancers: {{ front: {{ nodes: {nodes} }} }}
assumptions: {{ requestsPerConnection: 4, internetRoundTrip: {to_balancer}ms, httpOverhead: 0s, sameZoneRoundTrip: {to_task}ms, otherZoneRoundTrip: {to_task}ms, sameZoneConnection: 0s, otherZoneConnection: 0s, bridgeLatency: 0s, tlsHandshakeCpuTime: 5ms }}
targetGroups: {{ web: {{ Protocol: {protocol}, attributes: {{ load_balancing.algorithm.type: {algorithm} }} }} }}
services: {{ web: {{ taskDefinition: web, loadBalancers: [{{ targetGroupArn: web, containerName: web, containerPort: 80 }}] }} }}
workloads:
  some: {{ service: web, arrivals: {{ poisson: {{ rate: {rate} }} }}, timeout: {timeout}ms }}
  others: {{ service: web, arrivals: {others} }}
"#,
            cap = self.cap.map_or(String::new(), |cap| format!("cpu: \"{cap}\", memory: \"64\",")),
            cpu = if self.cpu_ms == 0 {
                "0s".to_owned()
            } else {
                format!("{{ exponential: {{ mean: {}ms }} }}", self.cpu_ms)
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
        );
        let story = scenario::read(Path::new("case.yaml"), &mut |_| Ok(text.clone().into_bytes()))
            .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
        story.variants.into_iter().next().expect("a story has its base")
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
        cluster_of(scenario, &vec![0; self.tasks])
    }

    fn changes(&self, stream: &mut Stream) -> Vec<Change> {
        let states = [TargetState::Healthy, TargetState::Unhealthy, TargetState::Draining, TargetState::Initial];
        let mut changes: Vec<Change> = (0..stream.below(12))
            .map(|_| Change {
                at: Instant(stream.below(LENGTH.0 as usize) as u64),
                task: stream.below(self.tasks),
                what: match stream.below(6) {
                    0 => What::ProcessEnds,
                    1 => What::ProcessBegins,
                    other => What::State(states[other - 2]),
                },
            })
            .collect();
        // At the end one target goes for good.
        changes.push(Change { at: Instant(LENGTH.0 - 1), task: 0, what: What::State(TargetState::Unused) });
        changes.sort_by_key(|it| it.at);
        changes
    }
}

/// A cluster of healthy tasks of the first service, each on an instance of its own in one of the zones.
pub fn cluster_of(scenario: &Scenario, zones: &[usize]) -> Cluster {
    let mut cluster = Cluster { target_groups: vec![Vec::new()], version: 1, ..Cluster::default() };
    for &zone in zones {
        let instance = cluster.instances.push(ContainerInstance {
            availability_zone: scenario.availability_zones.ids().nth(zone).expect("the scenario has the zone"),
            name: "i".to_owned(),
            auto_scaling_group: Id::new(0),
            status: InstanceStatus::Active,
            registered_cpu_units: 0,
            registered_memory_mib: 0,
            remaining_cpu_units: 0,
            remaining_memory_mib: 0,
            reserved_ports: BTreeMap::new(),
            remaining_network_interfaces: 0,
            tasks: Vec::new(),
            cached_layers: BTreeSet::new(),
            is_protected_from_scale_in: false,
            launched_at: Instant::START,
            in_service_at: None,
            registered_at: None,
            terminated_at: None,
        });
        let task = cluster.tasks.push(Task {
            service: Id::new(0),
            task_definition: Id::new(0),
            deployment: 0,
            capacity_provider: None,
            instance: Some(instance),
            status: TaskStatus::Running,
            reservation: Reservation::default(),
            holds_reservation: false,
            process_is_up: true,
            is_asked_to_stop: false,
            target: None,
            created_at: Instant::START,
            placed_at: None,
            pull_started_at: None,
            pull_stopped_at: None,
            started_at: Some(Instant::START),
            healthy_at: None,
            stopping_at: None,
            stopped_at: None,
            stopped_reason: None,
            exit_code: None,
        });
        let target = cluster.targets.push(Target {
            task,
            target_group: Id::new(0),
            state: TargetState::Healthy,
            successes: 0,
            failures: 0,
            registered_at: Instant::START,
            probe_sent_at: Instant::START,
            slow_start_since: None,
        });
        cluster.target_groups[0].push(target);
    }
    cluster
}

/// The kernels, advanced to each change and to `stops` in between.
fn by_kernels(case: &Case, changes: &[Change], stops: &[Instant]) -> (RequestCounts, u64, Histogram) {
    let scenario = case.scenario();
    let mut cluster = case.cluster(&scenario);
    let mut traffic = Traffic::new(&scenario, Seed { seed: case.seed, replication: 0 });
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
            (What::State(_), None) => {}
        }
        cluster.touch();
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
    Arrives(usize),
}

struct Request {
    arrival: u64,
    cpu: u64,
    wait: u64,
    deadline: u64,
    is_callers: bool,
    node: usize,
    /// Where it falls if its target is chosen at random.
    chance: f64,
    is_fault: bool,
    has_ended: bool,
}

struct Server {
    state: TargetState,
    is_up: bool,
    busy: u32,
    waiting: VecDeque<usize>,
    serving: Vec<usize>,
    /// Requests sent here whose callers may still wait.
    outstanding: Vec<usize>,
    /// Requests that compute, each with what it must have been given when it is done.
    computing: Vec<(usize, f64)>,
    /// What each has been given since one alone began, and when that was so.
    given: f64,
    since: u64,
    /// Grows when that changes, so that what was foreseen before is stale.
    stamp: u32,
    /// Grows when the process ends, so that completions of its former life are stale.
    life: u32,
}

impl Server {
    /// Those that compute have gone on until now, each with its part of the CPU.
    fn pass(&mut self, now: u64, vcpu: f64) {
        let threads = self.computing.len() as f64;
        let length = (now - self.since) as f64;
        // In the same steps as the kernel, since what falls on half a nanosecond is rounded.
        self.given += length * (vcpu * (1.0 / threads)).min(1.0);
        if self.computing.is_empty() {
            self.given = 0.0;
        }
        self.since = now;
        self.stamp += 1;
    }

    /// The first of them that will be done, and when.
    fn next(&self, vcpu: f64) -> Option<(u64, usize)> {
        let first = self.computing.iter().enumerate().min_by(|one, other| one.1.1.total_cmp(&other.1.1));
        let slowdown = (self.computing.len() as f64 * (1.0 / vcpu)).max(1.0);
        let length = |needs: f64| ((needs - self.given).max(0.0) * slowdown).round_ties_even() as u64;
        first.map(|(place, (_, needs))| (self.since + length(*needs), place))
    }
}

/// One event after the other.
fn by_events(case: &Case, changes: &[Change]) -> (RequestCounts, u64, Histogram) {
    let scenario = case.scenario();
    let requests = requests_of(case, &scenario);
    let mut requests: Vec<Request> = requests;
    let mut servers: Vec<Server> = (0..case.tasks)
        .map(|_| Server {
            state: TargetState::Healthy,
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
    for (place, request) in requests.iter().enumerate() {
        events.push(Reverse((request.arrival, Event::Arrives(place))));
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
    let vcpu = case.cap.map_or(f64::INFINITY, |cap| f64::from(cap) / 1024.0);
    let start =
        |servers: &mut [Server], events: &mut BinaryHeap<_>, now: u64, task: usize, request: usize, cpu: u64| {
            let server = &mut servers[task];
            server.serving.push(request);
            server.pass(now, vcpu);
            server.computing.push((request, server.given + cpu as f64));
            let (at, _) = server.next(vcpu).expect("it computes");
            events.push(Reverse((at, Event::Computes { task, stamp: server.stamp })));
        };
    while let Some(Reverse((now, event))) = events.pop() {
        if now > LENGTH.0 || (now == LENGTH.0 && matches!(event, Event::Arrives(_))) {
            break;
        }
        match event {
            Event::Arrives(place) => {
                counts.arrived += 1;
                let request = &requests[place];
                if rotation.is_empty() {
                    counts.elb_503 += 1;
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
                    _ => ((request.chance * rotation.len() as f64) as usize).min(rotation.len() - 1),
                };
                let task = rotation[chosen];
                turns[request.node] = (chosen + 1) % rotation.len();
                let server = &mut servers[task];
                if server.is_up && (server.busy < case.servers || server.waiting.len() < case.queue as usize) {
                    server.outstanding.push(place);
                }
                if !server.is_up {
                    counts.elb_502 += 1;
                } else if server.busy < case.servers {
                    server.busy += 1;
                    events.push(Reverse((request.deadline, Event::TimesOut(place))));
                    let cpu = request.cpu;
                    start(&mut servers, &mut events, now, task, place, cpu);
                } else if server.waiting.len() < case.queue as usize {
                    server.waiting.push_back(place);
                    events.push(Reverse((request.deadline, Event::TimesOut(place))));
                } else {
                    counts.elb_502 += 1;
                }
            }
            Event::Computes { task, stamp } => {
                let server = &mut servers[task];
                if server.stamp != stamp {
                    continue;
                }
                let (_, place) = server.next(vcpu).expect("one is done");
                server.pass(now, vcpu);
                let (request, needs) = server.computing.remove(place);
                // The end of a step is rounded to a nanosecond; what was done in it is not.
                server.given = needs;
                let completes = Event::Completes { task, request, life: server.life };
                events.push(Reverse((now + requests[request].wait, completes)));
                if let Some((at, _)) = server.next(vcpu) {
                    events.push(Reverse((at, Event::Computes { task, stamp: server.stamp })));
                }
            }
            Event::Completes { task, request, life } => {
                let server = &mut servers[task];
                if server.life != life {
                    continue;
                }
                server.serving.retain(|it| *it != request);
                let it = &mut requests[request];
                if !it.has_ended {
                    it.has_ended = true;
                    if it.is_fault {
                        counts.target_5xx += 1;
                    } else {
                        counts.served += 1;
                        histogram.record(now - it.arrival + case.to_target());
                    }
                }
                match server.waiting.pop_front() {
                    Some(next) => start(&mut servers, &mut events, now, task, next, requests[next].cpu),
                    None => server.busy -= 1,
                }
            }
            Event::TimesOut(place) => {
                let it = &mut requests[place];
                if !it.has_ended {
                    it.has_ended = true;
                    if it.is_callers { counts.client_timeout += 1 } else { counts.elb_504 += 1 }
                }
                if case.cancels {
                    servers.iter_mut().for_each(|server| server.waiting.retain(|it| *it != place));
                }
            }
            Event::Changes(place) => {
                let Change { task, what, .. } = changes[place];
                let server = &mut servers[task];
                let mut cut = Vec::new();
                match what {
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
                        server.computing.clear();
                        server.stamp += 1;
                        server.life += 1;
                    }
                    What::ProcessBegins => server.is_up = true,
                }
                for request in cut {
                    if !requests[request].has_ended {
                        requests[request].has_ended = true;
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

/// All requests of a case, with their fates, drawn from the streams that the kernels draw from.
fn requests_of(case: &Case, scenario: &Scenario) -> Vec<Request> {
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
    let application = &scenario.task_definitions[Id::new(0)].containers[0].application;
    let mut cpus = seed.stream("cpu time", "web");
    let mut waits = seed.stream("wait time", "web");
    let mut nodes = seed.stream("load balancer node", "web");
    let mut faults = seed.stream("faults", "web");
    let mut chances = seed.stream("target", "web");
    let mut handshakes = seed.stream("tls handshake", "web");
    arrivals
        .into_iter()
        .map(|(arrival, workload)| {
            let timeout = scenario.workloads[Id::new(workload)].timeout;
            let patience = match timeout {
                Some(timeout) => timeout.0.saturating_sub(case.to_caller()),
                None => Span::seconds(60).0,
            };
            let handshake = if case.has_tls && handshakes.unit() <= 0.25 { 5_000_000 } else { 0 };
            Request {
                arrival,
                cpu: application.cpu_time.sample(&mut cpus).0 + handshake,
                wait: application.wait_time.sample(&mut waits).0,
                deadline: arrival + patience.saturating_sub(case.to_target()),
                is_callers: timeout.is_some(),
                node: if case.nodes > 1 { nodes.below(case.nodes as usize) } else { 0 },
                chance: if case.algorithm == "weighted_random" { chances.unit() } else { 0.0 },
                is_fault: application.error_share > 0.0 && faults.unit() <= application.error_share,
                has_ended: false,
            }
        })
        .collect()
}

#[test]
fn kernels_and_oracle_give_the_same_numbers() {
    for seed in 0..400 {
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
