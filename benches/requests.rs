//! Requests through one service, against a bare loop and against event-per-request heaps, in one run.
//!
//! Tasks of 2 workers, exponential service of 50 ms, Poisson arrivals at 80 % load, one load balancer node, every metric
//! on: the loop of the engine with a sample each second and a period each minute. W1 deals round robin to 16 tasks; W2 to
//! the one with the fewest requests outstanding; W3 the same with 1,000 tasks; in W4 each of 16 tasks shares two vCPUs
//! among all its requests.
//!
//! `memory_growth` is W1 for as long, but ten times as fast (and as many requests); `control_event_cost` W1's requests
//! served from one control event to the next, 512 of them, against 5,120.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant as Clock};

use plimsoll::control::Control;
use plimsoll::data::histogram::Histogram;
use plimsoll::data::{Traffic, advance};
use plimsoll::distribution::Distribution;
use plimsoll::engine::simulate;
use plimsoll::rng::Seed;
use plimsoll::run::RequestTotals;
use plimsoll::scenario::{self, Scenario};
use plimsoll::units::{Instant, Span};
use plimsoll::workload::arrivals::{ArrivalProcess, Arrivals, RatePoint, Spacing};

const WORKERS: usize = 2;
const SEED: Seed = Seed { seed: 1, replication: 0 };
const SERVICE: Distribution = Distribution::Exponential { mean: Span::millis(50) };

/// How requests are dealt and served.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    RoundRobin,
    LeastOutstanding,
    Sharing,
}

#[derive(Clone, Copy)]
struct Workload {
    name: &'static str,
    kind: Kind,
    tasks: usize,
    /// How much faster requests come and are served.
    speed: usize,
}

const W1: Workload = Workload { name: "W1", kind: Kind::RoundRobin, tasks: 16, speed: 1 };
const FAST_W1: Workload = Workload { speed: 10, ..W1 };
const W2: Workload = Workload { name: "W2", kind: Kind::LeastOutstanding, tasks: 16, speed: 1 };
const W3: Workload = Workload { name: "W3", kind: Kind::LeastOutstanding, tasks: 1000, speed: 1 };
const W4: Workload = Workload { name: "W4", kind: Kind::Sharing, tasks: 16, speed: 1 };

impl Workload {
    fn rate(self) -> f64 {
        0.8 * (self.tasks * WORKERS * self.speed) as f64 / 0.05
    }

    /// A run of about so many requests, in whole minutes.
    fn scenario(self, requests: usize) -> Scenario {
        let minutes = ((requests as f64 / self.rate() / 60.0).round() as u64).max(1);
        let mean = 50 / self.speed;
        let waits = format!("cpuTime: 0s, waitTime: {{ exponential: {{ mean: {mean}ms }} }}, concurrency: 2");
        let (application, cpu, instances) = match self.kind {
            Kind::Sharing => ("cpuTime: { exponential: { mean: 50ms } }, concurrency: 1000000", "cpu: 2048,", 16),
            _ => (waits.as_str(), "", 63),
        };
        let algorithm = match self.kind {
            Kind::LeastOutstanding => "least_outstanding_requests",
            _ => "round_robin",
        };
        let (rate, tasks) = (self.rate(), self.tasks);
        let text = format!(
            r#"
duration: {minutes}m
assumptions: {{ sameZoneRoundTrip: 0s, otherZoneRoundTrip: 0s, sameZoneConnection: 0s, otherZoneConnection: 0s, bridgeLatency: 0s }}
cluster: {{ availabilityZones: [us-east-1a] }}
autoScalingGroups: {{ nodes: {{ InstanceType: m5.4xlarge, MinSize: {instances}, MaxSize: {instances} }} }}
taskDefinitions: {{ web: {{ {cpu} memory: 512, containerDefinitions: [{{ name: web, memory: 128, cpu: 64, portMappings: [{{ containerPort: 80 }}] }}] }} }}
applications: {{ web: {{ {application}, queue: 1000000, healthCheckCpuTime: 0s }} }}
loadBalancers: {{ front: {{ nodes: 1, idleTimeout: 4000 }} }}
targetGroups: {{ web: {{ HealthCheckIntervalSeconds: 300, HealthCheckTimeoutSeconds: 120, attributes: {{ load_balancing.algorithm.type: {algorithm} }} }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: {tasks}, loadBalancers: [{{ targetGroupArn: web, containerName: web, containerPort: 80 }}] }} }}
workloads: {{ users: {{ service: web, arrivals: {{ poisson: {{ rate: {rate} }} }} }} }}
"#
        );
        let story = scenario::read(Path::new("bench.yaml"), &mut |_| Ok(text.clone().into_bytes()))
            .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
        story.variants.into_iter().next().expect("a story has its base")
    }

    fn requests(self, scenario: &Scenario) -> usize {
        (self.rate() * scenario.duration.as_seconds()) as usize
    }

    /// The requests of a run, as the simulator draws them.
    fn draws(self) -> Draws {
        let curve = vec![RatePoint { at: Instant::START, rate: self.rate() }];
        let process = ArrivalProcess::Rate { curve, spacing: Spacing::Poisson };
        let purpose = if self.kind == Kind::Sharing { "cpu time" } else { "wait time" };
        Draws {
            arrivals: Arrivals::new(&process, SEED.stream("arrivals", "users")),
            stream: SEED.stream(purpose, "web"),
            times: vec![0.0; 1024],
            work: vec![0.0; 1024],
            next: 1024,
        }
    }
}

struct Draws {
    arrivals: Arrivals,
    stream: plimsoll::rng::Stream,
    times: Vec<f64>,
    work: Vec<f64>,
    next: usize,
}

impl Draws {
    fn fill(&mut self) {
        self.arrivals.fill(&mut self.times);
        SERVICE.fill(&mut self.stream, &mut self.work);
        self.next = 0;
    }

    #[inline(always)]
    fn one(&mut self) -> (u64, u64) {
        if self.next == 1024 {
            self.fill();
        }
        self.next += 1;
        (self.times[self.next - 1] as u64, self.work[self.next - 1] as u64)
    }
}

/// The bare loop: the same two variates of each request, and one bucket counted.
fn limit(requests: usize) -> Histogram {
    let mut draws = W1.draws();
    let mut histogram = Histogram::default();
    for _ in 0..requests.div_ceil(1024) {
        draws.fill();
        black_box(&draws.times);
        histogram.record_all(&draws.work);
    }
    histogram
}

const ARRIVAL: u32 = u32::MAX;

/// Replacing the top sinks once, where a pop and a push would sink and rise.
fn replace<T: Ord>(events: &mut BinaryHeap<Reverse<T>>, event: T) {
    *events.peek_mut().expect("the event at hand is there") = Reverse(event);
}

/// The textbook with care: one heap of packed events, an arrival and a departure for each request.
fn heap(workload: Workload, until: u64) -> Histogram {
    let tasks = workload.tasks;
    let mut draws = workload.draws();
    let mut events: BinaryHeap<Reverse<(u64, u32)>> = BinaryHeap::with_capacity(64);
    let mut busy = vec![0usize; tasks];
    let mut outstanding = vec![0u32; tasks];
    let mut queues: Vec<VecDeque<(u64, u64)>> = vec![VecDeque::new(); tasks];
    let mut histogram = Histogram::default();
    let mut turn = 0;
    let mut coming = draws.one();
    events.push(Reverse((coming.0, ARRIVAL)));
    while let Some(&Reverse((now, what))) = events.peek() {
        if now >= until {
            break;
        }
        if what == ARRIVAL {
            let (arrival, nanos) = coming;
            coming = draws.one();
            replace(&mut events, (coming.0, ARRIVAL));
            let task = match workload.kind {
                Kind::LeastOutstanding => fewest(&outstanding, turn),
                _ => turn,
            };
            outstanding[task] += 1;
            if busy[task] < WORKERS {
                busy[task] += 1;
                histogram.record(nanos);
                events.push(Reverse((arrival + nanos, task as u32)));
            } else {
                queues[task].push_back((arrival, nanos));
            }
            turn = if task + 1 == tasks { 0 } else { task + 1 };
        } else {
            let task = what as usize;
            outstanding[task] -= 1;
            match queues[task].pop_front() {
                Some((arrival, nanos)) => {
                    histogram.record(now + nanos - arrival);
                    replace(&mut events, (now + nanos, what));
                }
                None => {
                    busy[task] -= 1;
                    events.pop();
                }
            }
        }
    }
    histogram
}

/// The first of the least at or after `turn`.
fn fewest(counts: &[u32], turn: usize) -> usize {
    let least = counts.iter().copied().min().unwrap_or(0);
    let after = counts[turn..].iter().position(|it| *it == least).map(|it| it + turn);
    after.unwrap_or_else(|| counts.iter().position(|it| *it == least).unwrap_or(0))
}

/// A task whose requests share two vCPUs, by the work that each of them has been given.
#[derive(Default)]
struct Shared {
    /// Work given to each since the start, and when that was.
    given: f64,
    at: u64,
    /// What each needs to have been given when it ends, ascending from the back; and its arrival.
    ends: Vec<(f64, u64)>,
    stamp: u32,
}

impl Shared {
    fn pass(&mut self, now: u64) {
        self.given += (now - self.at) as f64 * self.speed();
        self.at = now;
    }

    fn speed(&self) -> f64 {
        if self.ends.len() <= WORKERS { 1.0 } else { WORKERS as f64 / self.ends.len() as f64 }
    }

    fn next(&self) -> Option<u64> {
        let (needed, _) = self.ends.last()?;
        Some(self.at + ((needed - self.given).max(0.0) / self.speed()).round() as u64)
    }
}

/// Processor sharing with a heap of arrivals and of each task's next departure; stamps tell which are stale.
fn sharing_heap(workload: Workload, until: u64) -> Histogram {
    let mut draws = workload.draws();
    let mut events: BinaryHeap<Reverse<(u64, u32, u32)>> = BinaryHeap::with_capacity(64);
    let mut tasks: Vec<Shared> = (0..workload.tasks).map(|_| Shared::default()).collect();
    let mut histogram = Histogram::default();
    let mut turn = 0;
    let mut coming = draws.one();
    events.push(Reverse((coming.0, ARRIVAL, 0)));
    while let Some(&Reverse((now, what, stamp))) = events.peek() {
        if now >= until {
            break;
        }
        let place = if what == ARRIVAL { turn } else { what as usize };
        if what == ARRIVAL {
            let (arrival, nanos) = coming;
            coming = draws.one();
            replace(&mut events, (coming.0, ARRIVAL, 0));
            turn = if turn + 1 == workload.tasks { 0 } else { turn + 1 };
            let task = &mut tasks[place];
            task.pass(now);
            let needed = task.given + nanos as f64;
            let at = task.ends.partition_point(|it| it.0 > needed);
            task.ends.insert(at, (needed, arrival));
        } else {
            events.pop();
            if tasks[place].stamp != stamp {
                continue;
            }
            let task = &mut tasks[place];
            task.pass(now);
            let (needed, arrival) = task.ends.pop().expect("what ends was there");
            task.given = needed;
            histogram.record(now - arrival);
        }
        let task = &mut tasks[place];
        task.stamp = task.stamp.wrapping_add(1);
        if let Some(next) = task.next() {
            events.push(Reverse((next, place as u32, task.stamp)));
        }
    }
    histogram
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let begin = Clock::now();
    let value = work();
    (begin.elapsed(), value)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn peak_memory_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<f64>().ok().map(|kib| kib / 1024.0)
}

fn nanos(took: Duration, requests: usize) -> f64 {
    took.as_secs_f64() * 1e9 / requests as f64
}

/// Our time for a request, the heap's, and what the two ran.
fn round(workload: Workload, scenario: &Scenario) -> (f64, f64) {
    let requests = workload.requests(scenario);
    let (ours, run) = timed(|| simulate(scenario, SEED));
    let (theirs, histogram) = timed(|| match workload.kind {
        Kind::Sharing => sharing_heap(workload, scenario.duration.0),
        _ => heap(workload, scenario.duration.0),
    });

    check(workload, &run.requests[0], &histogram);
    (nanos(ours, requests), nanos(theirs, requests))
}

/// How much longer it takes to serve the same requests if a control event comes every 512 instead of every 5,120.
fn control_event_cost(scenario: &Scenario, rounds: usize) -> f64 {
    let control = Control::new(scenario, SEED);
    let serve = |every: Span| {
        let mut traffic = Traffic::new(scenario, SEED);
        timed(|| {
            let mut now = Instant::START;
            while now < Instant::START + scenario.duration {
                now += every;
                advance(&mut traffic, scenario, &control.cluster, now);
            }
            traffic.totals(scenario.services.ids().next().expect("a service")).counts.served
        })
    };
    let ratios = (0..rounds).map(|_| {
        let ((rarely, some), (often, others)) = (serve(Span::seconds(10)), serve(Span::SECOND));
        assert_eq!(some, others, "where control events fall changes nothing");
        often.as_secs_f64() / rarely.as_secs_f64()
    });
    median(ratios.collect())
}

/// Both served the same requests.
fn check(workload: Workload, totals: &RequestTotals, histogram: &Histogram) {
    let (mean, expected) = (totals.histogram.mean().unwrap_or(0.0), histogram.mean().unwrap_or(0.0));
    assert!((mean / expected - 1.0).abs() < 1e-3, "{}: {mean} against {expected}", workload.name);
    let open = totals.counts.arrived.abs_diff(histogram.count());
    assert!(open <= totals.in_flight, "{}: {open} of {} differ", workload.name, totals.in_flight);
}

fn main() {
    let is_test = std::env::args().any(|it| it == "--test") || !std::env::args().any(|it| it == "--bench");
    let (requests, rounds) = if is_test { (60_000, 1) } else { (6_000_000, 7) };

    let many = if is_test { 100_000 } else { 100_000_000 };
    black_box(simulate(&W1.scenario(many / 10), SEED));
    let memory_of_few = peak_memory_mib();
    black_box(simulate(&FAST_W1.scenario(many), SEED));
    let memory = memory_of_few.zip(peak_memory_mib());
    let control_event_cost = control_event_cost(&W1.scenario(requests), rounds);

    let scenarios: Vec<(Workload, Scenario)> = [W1, W2, W3, W4].map(|it| (it, it.scenario(requests))).into();
    let mut of_limit = Vec::new();
    let mut bare = Vec::new();
    let mut figures = vec![(Vec::new(), Vec::new()); scenarios.len()];
    for _ in 0..rounds {
        let (took, _) = timed(|| black_box(limit(requests)));
        bare.push(nanos(took, requests));
        for ((workload, scenario), (ours, heaps)) in scenarios.iter().zip(&mut figures) {
            let (own, heap) = round(*workload, scenario);
            ours.push(own);
            heaps.push(heap);
        }
        of_limit.push(bare[bare.len() - 1] / figures[0].0[figures[0].0.len() - 1]);
    }
    println!("{rounds} rounds, medians, nanoseconds a request");
    println!("{:4} {:>10} {:>10} {:>8}", "", "plimsoll", "heap", "ratio");
    let mut ratios = Vec::new();
    for ((workload, _), (ours, heaps)) in scenarios.iter().zip(&figures) {
        let ratio = median(heaps.iter().zip(ours).map(|(heap, own)| heap / own).collect());
        println!("{:4} {:10.1} {:10.1} {ratio:8.2}", workload.name, median(ours.clone()), median(heaps.clone()));
        ratios.push((workload.name.to_lowercase(), ratio));
    }
    println!("bare loop {:5.1}", median(bare));
    if let Some((few, many_mib)) = memory {
        println!("peak memory {few:.1} MiB with {} requests, {many_mib:.1} MiB with {many}", many / 10);
        println!("ratio memory_growth {:.3}", many_mib / few);
    }
    println!("ratio control_event_cost {control_event_cost:.3}");
    println!("ratio w1_of_limit {:.3}", median(of_limit));
    for (name, ratio) in &ratios {
        if name != "w3" {
            println!("ratio {name}_of_heap {ratio:.3}");
        }
    }
    let cost = figures[2].0.iter().zip(&figures[1].0).map(|(w3, w2)| w3 / w2).collect();
    println!("ratio w3_cost_of_w2 {:.3}", median(cost));
}
