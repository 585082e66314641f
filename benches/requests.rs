//! Requests through one service, against a bare loop and against an event-per-request heap, in one run.
//!
//! Workload W1: 16 tasks of 2 workers, exponential service of 50 ms, Poisson arrivals at 80 % load, round robin on one
//! load balancer node, every metric on: the loop of the engine with a sample each second and a period each minute.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant as Clock};

use plimsoll::data::histogram::Histogram;
use plimsoll::distribution::Distribution;
use plimsoll::engine::simulate;
use plimsoll::rng::Seed;
use plimsoll::run::Run;
use plimsoll::scenario::{self, Scenario};
use plimsoll::units::Span;
use plimsoll::workload::arrivals::{ArrivalProcess, Arrivals, RatePoint, Spacing};

const TASKS: usize = 16;
const WORKERS: usize = 2;
const RATE: f64 = 0.8 * (TASKS * WORKERS) as f64 / 0.05;
const SEED: Seed = Seed { seed: 1, replication: 0 };

fn scenario(minutes: u64) -> Scenario {
    let text = format!(
        r#"
duration: {minutes}m
cluster: {{ availabilityZones: [us-east-1a] }}
autoScalingGroups: {{ nodes: {{ InstanceType: m5.4xlarge, MinSize: 1, MaxSize: 1 }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, memory: 128, cpu: 64, portMappings: [{{ containerPort: 80 }}] }}] }} }}
applications: {{ web: {{ cpuTime: 0s, waitTime: {{ exponential: {{ mean: 50ms }} }}, concurrency: {WORKERS}, queue: 1000000, healthCheckCpuTime: 0s }} }}
loadBalancers: {{ front: {{ nodes: 1, idleTimeout: 4000 }} }}
targetGroups: {{ web: {{ HealthCheckIntervalSeconds: 300, HealthCheckTimeoutSeconds: 120 }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: {TASKS}, loadBalancers: [{{ targetGroupArn: web, containerName: web, containerPort: 80 }}] }} }}
workloads: {{ users: {{ service: web, arrivals: {{ poisson: {{ rate: {RATE} }} }} }} }}
"#
    );
    let story = scenario::read(Path::new("w1.yaml"), &mut |_| Ok(text.clone().into_bytes()))
        .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    story.variants.into_iter().next().expect("a story has its base")
}

fn arrivals() -> Arrivals {
    let curve = vec![RatePoint { at: plimsoll::units::Instant::START, rate: RATE }];
    Arrivals::new(&ArrivalProcess::Rate { curve, spacing: Spacing::Poisson }, SEED.stream("arrivals", "users"))
}

const SERVICE: Distribution = Distribution::Exponential { mean: Span::millis(50) };

/// The bare loop: the same two variates of each request, and one bucket counted.
fn limit(requests: usize) -> Histogram {
    let (mut arrivals, mut stream) = (arrivals(), SEED.stream("wait time", "web"));
    let (mut times, mut work) = (vec![0.0; 1024], vec![0.0; 1024]);
    let mut histogram = Histogram::default();
    for _ in 0..requests.div_ceil(1024) {
        arrivals.fill(&mut times);
        SERVICE.fill(&mut stream, &mut work);
        black_box(&times);
        histogram.record_all(&work);
    }
    histogram
}

/// The textbook with care: one heap of packed events, an arrival and a departure for each request.
fn heap(until: u64) -> Histogram {
    let (mut arrivals, mut stream) = (arrivals(), SEED.stream("wait time", "web"));
    let (mut times, mut work) = (vec![0.0; 1024], vec![0.0; 1024]);
    let mut next = 1024;
    let mut events: BinaryHeap<Reverse<(u64, u32)>> = BinaryHeap::with_capacity(64);
    let mut busy = [0usize; TASKS];
    let mut queues: Vec<std::collections::VecDeque<(u64, u64)>> = vec![std::collections::VecDeque::new(); TASKS];
    let mut histogram = Histogram::default();
    let mut turn = 0;
    const ARRIVAL: u32 = u32::MAX;
    let mut draw = |times: &mut Vec<f64>, work: &mut Vec<f64>, next: &mut usize| {
        if *next == 1024 {
            arrivals.fill(times);
            SERVICE.fill(&mut stream, work);
            *next = 0;
        }
        *next += 1;
        (times[*next - 1] as u64, work[*next - 1] as u64)
    };
    let mut coming = draw(&mut times, &mut work, &mut next);
    events.push(Reverse((coming.0, ARRIVAL)));
    // Replacing the top sinks once, where a pop and a push would sink and rise.
    let replace = |events: &mut BinaryHeap<Reverse<(u64, u32)>>, event| {
        *events.peek_mut().expect("the event at hand is there") = Reverse(event);
    };
    while let Some(&Reverse((now, what))) = events.peek() {
        if now >= until {
            break;
        }
        if what == ARRIVAL {
            let (arrival, nanos) = coming;
            coming = draw(&mut times, &mut work, &mut next);
            replace(&mut events, (coming.0, ARRIVAL));
            if busy[turn] < WORKERS {
                busy[turn] += 1;
                histogram.record(nanos);
                events.push(Reverse((arrival + nanos, turn as u32)));
            } else {
                queues[turn].push_back((arrival, nanos));
            }
            turn = (turn + 1) % TASKS;
        } else {
            let task = what as usize;
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

fn main() {
    let is_test = std::env::args().any(|it| it == "--test") || !std::env::args().any(|it| it == "--bench");
    let (minutes, rounds) = if is_test { (2, 1) } else { (200, 7) };
    let scenario = scenario(minutes);
    let until = scenario.duration.0;
    let requests = (RATE * scenario.duration.as_seconds()) as usize;

    let few = self::scenario(minutes.div_ceil(10));
    let small: Run = simulate(&few, SEED);
    let memory_of_few = peak_memory_mib();
    let (mut of_limit, mut of_heap) = (Vec::new(), Vec::new());
    let (mut ours, mut bare, mut heaps) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (a, run) = timed(|| simulate(&scenario, SEED));
        let (b, _) = timed(|| black_box(limit(requests)));
        let (c, histogram) = timed(|| heap(until));
        let totals = &run.requests[0];
        // The heap counts a request when it starts, so those in flight at the end are in it too.
        assert_eq!(totals.counts.arrived - histogram.count(), queued(totals.in_flight, &histogram, totals));
        of_limit.push(b.as_secs_f64() / a.as_secs_f64());
        of_heap.push(c.as_secs_f64() / a.as_secs_f64());
        ours.push(a.as_secs_f64());
        bare.push(b.as_secs_f64());
        heaps.push(c.as_secs_f64());
        let (mean, expected) = (totals.histogram.mean().unwrap_or(0.0), histogram.mean().unwrap_or(0.0));
        assert!((mean / expected - 1.0).abs() < 1e-3, "the same requests: {mean} against {expected}");
    }
    let nanos = |seconds: f64| seconds * 1e9 / requests as f64;
    println!("W1, {requests} requests, {rounds} rounds, medians");
    println!("  plimsoll, all metrics  {:7.1} ns a request", nanos(median(ours)));
    println!("  bare loop              {:7.1} ns a request", nanos(median(bare)));
    println!("  event heap             {:7.1} ns a request", nanos(median(heaps)));
    if let (Some(few), Some(many)) = (memory_of_few, peak_memory_mib()) {
        println!(
            "  peak memory            {few:.1} MiB after {} requests, {many:.1} MiB after {requests}",
            small.requests[0].counts.arrived
        );
        println!("ratio memory_growth {:.3}", many / few);
    }
    println!("ratio w1_of_limit {:.3}", median(of_limit));
    println!("ratio w1_of_heap {:.3}", median(of_heap));
}

/// Requests that waited in a queue when the run ended: arrived, but not started.
fn queued(in_flight: u64, started: &Histogram, totals: &plimsoll::run::RequestTotals) -> u64 {
    let in_service = started.count() - totals.counts.served;
    in_flight - in_service
}
