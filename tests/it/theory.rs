//! Where queueing theory has the answer, the simulator agrees with it.
//!
//! The values are those of textbooks (Harchol-Balter 2013, Kleinrock 1975). Seeds were chosen beforehand. A mean is
//! accepted within three half-widths of its 95 % interval, taken from the means of batches of whole minutes after a
//! warm-up of a twentieth; the half-width may be at most 2 % of the value, so that the test can fail.

use std::collections::VecDeque;
use std::path::Path;

use plimsoll::aws::cpu_sharing::{CpuDemand, CpuOffers, offer_cpu};
use plimsoll::engine::simulate;
use plimsoll::rng::Seed;
use plimsoll::run::Run;
use plimsoll::scenario::{self, Scenario};
use plimsoll::table::Id;
use plimsoll::workload::arrivals::Arrivals;

/// A station or several, in units of the mean service time, which is a millisecond.
#[derive(Clone, Copy)]
pub struct Queue {
    pub name: &'static str,
    /// Arrivals of Poisson, per mean service time.
    pub arrivals: f64,
    /// Another process of the same rate.
    pub process: Option<&'static str>,
    pub service: &'static str,
    pub tasks: u32,
    pub servers: u32,
    /// vCPUs that the requests of a task share, instead of its servers.
    pub shared_vcpu: Option<u32>,
    /// Requests that may wait at a task.
    pub waiting: u32,
    pub algorithm: &'static str,
    pub nodes: u32,
    pub minutes: u32,
    pub seed: u64,
}

pub const UNBOUNDED: u32 = 10_000_000;
/// A network that takes no time, since theory knows of none.
pub const NO_NETWORK: &str = "{ sameZoneRoundTrip: 0s, otherZoneRoundTrip: 0s, sameZoneConnection: 0s, otherZoneConnection: 0s, bridgeLatency: 0s, internetRoundTrip: 0s, httpOverhead: 0s }";
pub const EXPONENTIAL: &str = "{ exponential: { mean: 1ms } }";

impl Queue {
    pub fn run(&self) -> Run {
        let (cpu, service, servers) = match self.shared_vcpu {
            Some(vcpu) => {
                (format!("cpu: {},", 1024 * vcpu), format!("cpuTime: {}, waitTime: 0s", self.service), UNBOUNDED / 10)
            }
            None => (String::new(), format!("cpuTime: 0s, waitTime: {}", self.service), self.servers),
        };
        let text = format!(
            r#"
duration: {minutes}m
assumptions: {NO_NETWORK}
cluster: {{ availabilityZones: [us-east-1a] }}
autoScalingGroups: {{ nodes: {{ InstanceType: m5.4xlarge, MinSize: 1, MaxSize: 1 }} }}
taskDefinitions: {{ web: {{ {cpu} memory: 128, containerDefinitions: [{{ name: web, cpu: 64, memory: 128, portMappings: [{{ containerPort: 80 }}] }}] }} }}
applications: {{ web: {{ {service}, concurrency: {servers}, queue: {waiting}, healthCheckCpuTime: 0s }} }}
loadBalancers: {{ front: {{ nodes: {nodes}, idleTimeout: 4000 }} }}
targetGroups: {{ web: {{ HealthCheckIntervalSeconds: 300, HealthCheckTimeoutSeconds: 120, attributes: {{ load_balancing.algorithm.type: {algorithm} }} }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: {tasks}, loadBalancers: [{{ targetGroupArn: web, containerName: web, containerPort: 80 }}] }} }}
workloads: {{ users: {{ service: web, arrivals: {arrivals} }} }}
"#,
            minutes = self.minutes,
            waiting = self.waiting,
            algorithm = self.algorithm,
            nodes = self.nodes,
            tasks = self.tasks,
            arrivals = match self.process {
                Some(process) => process.to_owned(),
                None => format!("{{ poisson: {{ rate: {} }} }}", self.arrivals * 1000.0),
            },
        );
        let story = scenario::read(Path::new("queue.yaml"), &mut |_| Ok(text.clone().into_bytes()))
            .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
        simulate(&story.variants[0], Seed { seed: self.seed, replication: 0 })
    }
}

/// Mean and half-width of the 95 % interval, from twenty batches of whole minutes.
pub fn batch_means(values: &[f64]) -> (f64, f64) {
    const BATCHES: usize = 20;
    let values = &values[values.len() / 20..];
    let means: Vec<f64> =
        values.chunks_exact(values.len() / BATCHES).map(|it| it.iter().sum::<f64>() / it.len() as f64).collect();
    let n = means.len() as f64;
    let mean = means.iter().sum::<f64>() / n;
    let variance = means.iter().map(|it| (it - mean) * (it - mean)).sum::<f64>() / (n - 1.0);
    // Student's t at 0.975 with 19 degrees of freedom.
    (mean, 2.093 * libm::sqrt(variance / n))
}

pub fn agrees(name: &str, what: &str, values: &[f64], expected: f64) {
    let (mean, half_width) = batch_means(values);
    assert!(half_width <= 0.02 * expected, "{name}: {what} is known only to {half_width}: run it longer");
    assert!(
        (mean - expected).abs() <= 3.0 * half_width,
        "{name}: {what} is {mean} +- {half_width}, theory has {expected}"
    );
}

pub fn check(queue: &Queue, sojourn: f64) -> Run {
    let run = queue.run();
    let means: Vec<f64> = run.service_minutes.iter().filter_map(|row| row.response_time_ms.mean).collect();
    agrees(queue.name, "the mean sojourn time", &means, sojourn);
    run
}

pub fn queue(name: &'static str, servers: u32, rho: f64, service: &'static str, minutes: u32, seed: u64) -> Queue {
    let arrivals = rho * f64::from(servers);
    Queue {
        name,
        arrivals,
        process: None,
        service,
        tasks: 1,
        servers,
        shared_vcpu: None,
        waiting: UNBOUNDED,
        algorithm: "round_robin",
        nodes: 1,
        minutes,
        seed,
    }
}

#[test]
fn one_station_first_come_first_served() {
    for (queue, sojourn) in [
        (queue("M/M/1 .5", 1, 0.5, EXPONENTIAL, 60, 11), 2.0),
        (queue("M/M/1 .8", 1, 0.8, EXPONENTIAL, 120, 12), 5.0),
        (queue("M/M/2 .8", 2, 0.8, EXPONENTIAL, 60, 13), 2.777_777_78),
        (queue("M/M/4 .9", 4, 0.9, EXPONENTIAL, 60, 15), 2.969_383_16),
        (queue("M/M/16 .95", 16, 0.95, EXPONENTIAL, 40, 16), 1.975_240_58),
        (queue("M/D/1 .8", 1, 0.8, "1ms", 60, 17), 3.0),
        (queue("M/D/4 .8", 4, 0.8, "1ms", 30, 18), 1.386_094_931),
        (queue("M/G/1 log-normal .5", 1, 0.5, "{ logNormal: { mean: 1ms, cv2: 4 } }", 120, 19), 3.5),
        (queue("M/G/1 Erlang-2 .8", 1, 0.8, "{ erlang: { mean: 1ms, stages: 2 } }", 100, 20), 4.0),
    ] {
        check(&queue, sojourn);
    }
}

/// MMPP(2)/M/1 at .8, by the matrix-geometric solution; two states that change at the same rate.
#[test]
fn bursts_wait_as_theory_says() {
    for (process, minutes, seed, sojourn) in [
        ("{ mmpp: { rates: [400, 1200], meanDurations: [1ms, 1ms] } }", 240, 81, 5.464_539_9),
        ("{ mmpp: { rates: [400, 1200], meanDurations: [10ms, 10ms] } }", 360, 82, 8.691_130_1),
        ("{ mmpp: { rates: [400, 1200], meanDurations: [100ms, 100ms] } }", 1200, 83, 32.907_523),
        ("{ mmpp: { rates: [200, 1400], meanDurations: [100ms, 100ms] } }", 2880, 84, 82.008_421),
        ("{ mmpp: { rates: [700, 900], meanDurations: [100ms, 100ms] } }", 240, 85, 5.942_732_8),
        // The first of them by its index of dispersion, which is 1.2.
        (
            "{ mmpp: { mean: 800/s, indexOfDispersion: 1.2, burstDuration: 1ms, burstShare: 0.5 } }",
            240,
            86,
            5.464_539_9,
        ),
    ] {
        let run = Queue { process: Some(process), ..queue("MMPP(2)/M/1", 1, 0.8, EXPONENTIAL, minutes, seed) }.run();
        let rows = &run.service_minutes;
        let served = rows.iter().map(|row| row.counts.served as f64).sum::<f64>() / rows.len() as f64;
        // Each request counts alike, and a minute of bursts has more of them.
        let means: Vec<f64> = rows
            .iter()
            .map(|row| row.response_time_ms.mean.unwrap_or(0.0) * row.counts.served as f64 / served)
            .collect();
        println!("{process}: {:?}, theory has {sojourn}", batch_means(&means));
        agrees(process, "the mean sojourn time", &means, sojourn);
    }
}

#[test]
fn percentiles_of_m_m_4() {
    let run = check(&queue("M/M/4 .8", 4, 0.8, EXPONENTIAL, 60, 14), 1.745_540_59);
    let times = &run.requests[0].response_time_ms;
    for (value, expected) in [(times.p50, 1.346_199_05), (times.p90, 3.775_960_25), (times.p99, 6.893_203_75)] {
        // The histogram's own error is 0.4 %; the sample's, of eleven million requests, below 1 %.
        let value = value.expect("requests were served");
        assert!((value / expected - 1.0).abs() < 0.014, "{value}, theory has {expected}");
    }
}

#[test]
fn a_bounded_queue_turns_away_what_theory_says() {
    for (name, servers, capacity, offered, blocking, sojourn, minutes, seed) in [
        ("M/M/1/10 .8", 1, 10, 0.8, 0.023_492_857_6, 3.797_097_5, 240, 21),
        ("M/M/1/10 1.2", 1, 10, 1.2, 0.192_586_495, 6.926_137_84, 60, 22),
        ("M/M/4/10 3.2", 4, 10, 3.2, 0.035_740_722_5, 1.374_059_45, 60, 23),
        ("M/M/4/10 4.8", 4, 10, 4.8, 0.205_472_284, 1.864_560_06, 60, 24),
    ] {
        let queue = Queue {
            arrivals: offered,
            waiting: capacity - servers,
            ..queue(name, servers, 0.5, EXPONENTIAL, minutes, seed)
        };
        let run = check(&queue, sojourn);
        let shares: Vec<f64> =
            run.service_minutes.iter().map(|row| row.counts.elb_502 as f64 / row.counts.arrived as f64).collect();
        agrees(name, "the share turned away", &shares, blocking);
    }
}

#[test]
fn round_robin_over_equal_tasks() {
    // E_n/M/1; two tasks at half load give the golden ratio.
    for (name, tasks, rho, sojourn, seed) in [
        ("round robin, 2 at .5", 2, 0.5, 1.618_033_99, 31),
        ("round robin, 2 at .8", 2, 0.8, 3.843_979_77, 32),
        ("round robin, 4 at .8", 4, 0.8, 3.267_383_61, 33),
        ("round robin, 16 at .8", 16, 0.8, 2.836_132_45, 34),
    ] {
        let queue = Queue { tasks, arrivals: rho * f64::from(tasks), ..queue(name, 1, 0.5, EXPONENTIAL, 60, seed) };
        check(&queue, sojourn);
    }
}

#[test]
fn round_robin_on_several_nodes_drifts_towards_random() {
    // Four tasks at .8, measured by an independent simulation of 6e7 requests: each within 0.007.
    for (nodes, sojourn, seed) in [(2, 3.348, 41), (8, 3.610, 42)] {
        let queue =
            Queue { tasks: 4, nodes, arrivals: 3.2, ..queue("round robin on nodes", 1, 0.5, EXPONENTIAL, 60, seed) };
        check(&queue, sojourn);
    }
}

#[test]
fn littles_law_holds() {
    let run = queue("Little", 4, 0.8, EXPONENTIAL, 10, 51).run();
    let totals = &run.requests[0];
    let mean_seconds = totals.response_time_ms.mean.expect("requests were served") / 1e3;
    let rate = totals.counts.served as f64 / run.simulated.as_seconds();
    // L = lambda W, against the mean of M/M/4 at .8 in the system: 3.2 in service and 2.38572989 waiting.
    assert!((rate * mean_seconds / 5.585_729_89 - 1.0).abs() < 0.03, "{}", rate * mean_seconds);
}

/// One service of one task, where CPU can be short.
#[derive(Clone, Copy)]
struct Sharer {
    /// Requests a second.
    rate: f64,
    /// Task-level CPU units: a hard cap.
    cap: Option<u32>,
    /// Container-level CPU units: its weight.
    weight: u32,
    threads: usize,
    cpu_ms: u32,
    wait_ms: u32,
}

/// Tasks that share an m5.large, which has two vCPUs.
struct Sharing {
    name: &'static str,
    services: Vec<Sharer>,
    seed: u64,
}

const SHARED_MINUTES: u32 = 90;
const SHARED_VCPU: f64 = 2.0;

impl Sharing {
    fn scenario(&self) -> Scenario {
        let mut text = format!(
            "duration: {SHARED_MINUTES}m\nassumptions: {NO_NETWORK}\ncluster: {{ availabilityZones: [us-east-1a] }}\nautoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 1, MaxSize: 1 }} }}\n"
        );
        let mut section = |name: &str, of: &dyn Fn(usize, &Sharer) -> String| {
            text += &format!("{name}:\n");
            for (place, it) in self.services.iter().enumerate() {
                text += &format!("  s{place}: {}\n", of(place, it));
            }
        };
        section("taskDefinitions", &|place, it| {
            let cap = it.cap.map_or(String::new(), |cap| format!("cpu: \"{cap}\", memory: \"256\", "));
            format!(
                "{{ {cap}containerDefinitions: [{{ name: s{place}, cpu: {}, memory: 128, portMappings: [{{ containerPort: 80 }}] }}] }}",
                it.weight
            )
        });
        section("applications", &|_, it| {
            format!(
                "{{ cpuTime: {{ exponential: {{ mean: {}ms }} }}, waitTime: {{ exponential: {{ mean: {}ms }} }}, concurrency: {}, queue: {UNBOUNDED}, healthCheckCpuTime: 0s }}",
                it.cpu_ms, it.wait_ms, it.threads
            )
        });
        section("loadBalancers", &|_, _| "{ nodes: 1, idleTimeout: 4000 }".to_owned());
        section("targetGroups", &|place, _| {
            format!("{{ loadBalancer: s{place}, HealthCheckIntervalSeconds: 300, HealthCheckTimeoutSeconds: 120 }}")
        });
        section("services", &|place, _| {
            format!(
                "{{ taskDefinition: s{place}, desiredCount: 1, healthCheckGracePeriodSeconds: 1000000, loadBalancers: [{{ targetGroupArn: s{place}, containerName: s{place}, containerPort: 80 }}] }}"
            )
        });
        section("workloads", &|place, it| {
            format!("{{ service: s{place}, arrivals: {{ poisson: {{ rate: {} }} }} }}", it.rate)
        });
        let story = scenario::read(Path::new("sharing.yaml"), &mut |_| Ok(text.clone().into_bytes()))
            .unwrap_or_else(|problems| panic!("{}\n{text}", problems.render(false)));
        story.variants.into_iter().next().expect("a story has its base")
    }

    /// The same requests under processor sharing: at each moment the instance's CPU is divided among its tasks, and a
    /// task's among its runnable threads. Response times by service, ms, in order of completion.
    fn by_processor_sharing(&self, scenario: &Scenario, seed: Seed) -> Vec<Vec<f64>> {
        let end = scenario.duration.as_seconds();
        let mut tasks: Vec<SharingTask> = (0..self.services.len())
            .map(|place| {
                let application = &scenario.task_definitions[Id::new(place)].containers[0].application;
                let name = format!("s{place}");
                let workload = &scenario.workloads[Id::new(place)];
                let mut times = vec![0.0; (self.services[place].rate * end * 1.2) as usize];
                Arrivals::new(&workload.arrivals, seed.stream("arrivals", &name)).fill(&mut times);
                let (mut cpu, mut wait) = (vec![0.0; times.len()], vec![0.0; times.len()]);
                application.cpu_time.fill(&mut seed.stream("cpu time", &name), &mut cpu);
                application.wait_time.fill(&mut seed.stream("wait time", &name), &mut wait);
                let requests = times.iter().zip(&cpu).zip(&wait).map(|((&at, &cpu), &wait)| [at, cpu, wait]);
                let coming = requests.map(|it| it.map(|nanos| nanos / 1e9)).collect();
                SharingTask { coming, ..SharingTask::default() }
            })
            .collect();
        let mut now = 0.0;
        let mut offers = CpuOffers::default();
        while now < end {
            let demands: Vec<CpuDemand> = tasks
                .iter()
                .zip(&self.services)
                .map(|(task, it)| CpuDemand {
                    demand: task.computing.len() as f64,
                    weight: if it.cap.is_some() { 1024.0 } else { f64::from(it.weight) },
                    cap: it.cap.map(|cap| f64::from(cap) / 1024.0),
                    is_throttled: false,
                })
                .collect();
            offer_cpu(SHARED_VCPU, &demands, &mut offers);
            let speeds: Vec<f64> =
                demands.iter().zip(&offers.offers).map(|(it, offer)| (offer / it.demand.max(1.0)).min(1.0)).collect();
            let next = tasks.iter().zip(&speeds).map(|(task, &speed)| task.next(now, speed)).fold(end, f64::min);
            for ((task, &speed), it) in tasks.iter_mut().zip(&speeds).zip(&self.services) {
                task.pass(now, next, speed, it.threads);
            }
            now = next;
        }
        tasks.into_iter().map(|it| it.responses).collect()
    }
}

#[derive(Default)]
struct SharingTask {
    /// Arrival, CPU time and waiting time of each request to come, seconds.
    coming: VecDeque<[f64; 3]>,
    queue: VecDeque<[f64; 3]>,
    /// Arrival, CPU time left, waiting time.
    computing: Vec<[f64; 3]>,
    /// Arrival and end.
    waiting: Vec<[f64; 2]>,
    responses: Vec<f64>,
}

impl SharingTask {
    /// When something happens next at this speed.
    fn next(&self, now: f64, speed: f64) -> f64 {
        let arrival = self.coming.front().map_or(f64::INFINITY, |it| it[0]);
        let computed = self.computing.iter().map(|it| now + it[1] / speed).fold(arrival, f64::min);
        self.waiting.iter().map(|it| it[1]).fold(computed, f64::min)
    }

    fn pass(&mut self, now: f64, next: f64, speed: f64, threads: usize) {
        const INSTANT: f64 = 1e-12;
        self.computing.iter_mut().for_each(|it| it[1] -= (next - now) * speed);
        let (waiting, responses) = (&mut self.waiting, &mut self.responses);
        self.computing.retain(|&[arrival, left, wait]| {
            if left <= INSTANT {
                waiting.push([arrival, next + wait]);
            }
            left > INSTANT
        });
        waiting.retain(|&[arrival, end]| {
            if end <= next + INSTANT {
                responses.push((next - arrival) * 1e3);
            }
            end > next + INSTANT
        });
        while self.coming.front().is_some_and(|it| it[0] <= next + INSTANT) {
            self.queue.extend(self.coming.pop_front());
        }
        while self.computing.len() + self.waiting.len() < threads
            && let Some(request) = self.queue.pop_front()
        {
            self.computing.push(request);
        }
    }
}

/// How far the frozen shares of CPU are from processor sharing, on the same requests.
#[test]
fn cpu_that_is_short_slows_as_processor_sharing_does() {
    let capped = |cap: u32, threads, rho: f64, wait_ms| Sharer {
        rate: rho * f64::from(cap) / 1024.0 / 0.010,
        cap: Some(cap),
        weight: cap,
        threads,
        cpu_ms: 10,
        wait_ms,
    };
    let free = |rate, weight, threads| Sharer { rate, cap: None, weight, threads, cpu_ms: 10, wait_ms: 0 };
    let one = |name, service, seed| Sharing { name, services: vec![service], seed };
    let two = |name, one, other, seed| Sharing { name, services: vec![one, other], seed };
    for (sharing, mean_within, p99_within) in [
        (one("a quarter, one thread, .8", capped(256, 1, 0.8, 0), 61), 0.001, 0.005),
        (one("a quarter, 8 threads, .6", capped(256, 8, 0.6, 0), 62), 0.001, 0.005),
        (one("a quarter, 8 threads, .9", capped(256, 8, 0.9, 0), 63), 0.001, 0.005),
        (one("one vCPU, 2 threads, .8", capped(1024, 2, 0.8, 0), 64), 0.001, 0.005),
        (one("one vCPU, 64 threads, .8", capped(1024, 64, 0.8, 0), 65), 0.001, 0.005),
        (one("one vCPU, 64 threads that wait, .8", capped(1024, 64, 0.8, 100), 66), 0.001, 0.005),
        (one("one vCPU, 8 threads, overloaded", capped(1024, 8, 1.05, 0), 67), 0.001, 0.005),
        (one("two vCPUs, 16 threads, .8", free(160.0, 512, 16), 68), 0.001, 0.005),
        (two("two equals, .4 each", free(80.0, 512, 16), free(80.0, 512, 16), 69), 0.03, 0.03),
        (two("a loud one", free(150.0, 512, 32), free(30.0, 512, 8), 70), 0.08, 0.06),
        (two("one of twice the weight, overloaded", free(75.0, 512, 8), free(140.0, 1024, 8), 71), 0.001, 0.005),
    ] {
        let seed = Seed { seed: sharing.seed, replication: 0 };
        let scenario = sharing.scenario();
        let run = simulate(&scenario, seed);
        for (service, mut expected) in sharing.by_processor_sharing(&scenario, seed).into_iter().enumerate() {
            let totals = &run.requests[service];
            let mean = expected.iter().sum::<f64>() / expected.len() as f64;
            expected.sort_by(f64::total_cmp);
            let p99 = expected[expected.len() * 99 / 100];
            let off = |value: Option<f64>, expected: f64| value.expect("requests were served") / expected - 1.0;
            let off_mean = off(totals.response_time_ms.mean, mean);
            let off_p99 = off(totals.response_time_ms.p99, p99);
            println!(
                "{}, service {service}: mean {mean:.1} ms {:+.1} %, p99 {p99:.1} ms {:+.1} %",
                sharing.name,
                100.0 * off_mean,
                100.0 * off_p99
            );
            assert!(off_mean.abs() <= mean_within, "{} s{service}: mean off by {off_mean:.3}", sharing.name);
            assert!(off_p99.abs() <= p99_within, "{} s{service}: p99 off by {off_p99:.3}", sharing.name);
            // What was used is what was served: 10 ms of CPU each, but for what is in flight.
            let base = f64::from(sharing.services[service].cap.unwrap_or(sharing.services[service].weight));
            let percents = run.service_minutes.iter().filter(|row| row.service == service);
            let used = percents.map(|row| row.cpu_percent.expect("a task runs")).sum::<f64>() * base / 1024.0 * 0.6;
            let served = totals.counts.served as f64 * 0.010;
            assert!((used / served - 1.0).abs() <= 0.01, "{}: {used} s of CPU used for {served} s", sharing.name);
        }
    }
}
