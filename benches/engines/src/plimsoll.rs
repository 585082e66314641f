//! In Plimsoll: a scenario file, every metric on.

use std::path::Path;

use cpu_time::ProcessTime;
use plimsoll::engine::simulate;
use plimsoll::rng::Seed;
use plimsoll::scenario::{self, Scenario};

use crate::Outcome;
use crate::workload::{Balancing, Discipline, SERVICE_SECONDS, WORKERS, Workload};

/// Plimsoll reports by minute, so a minute is a batch; fewer make no interval.
const LEAST_MINUTES: u64 = 10;

/// Tasks that fit on an instance where they need no processor.
const TASKS_OF_INSTANCE: usize = 256;

/// The workload as an ECS service. Workers are places for requests that wait for something else; the shared processor is
/// an instance of `WORKERS` processors with the task alone on it.
fn text(workload: &Workload, minutes: u64) -> String {
    let Workload { tasks, .. } = workload;
    let rate = workload.rate();
    let milliseconds = SERVICE_SECONDS * 1e3;
    let algorithm = match workload.balancing {
        Balancing::RoundRobin => "round_robin",
        Balancing::LeastOutstanding => "least_outstanding_requests",
    };
    let (instances, size, cpu, service) = match workload.discipline {
        Discipline::FirstCome => {
            let service = format!(
                "cpuTime: 0s, waitTime: {{ exponential: {{ mean: {milliseconds}ms }} }}, concurrency: {WORKERS}"
            );
            (tasks.div_ceil(TASKS_OF_INSTANCE), "m5.4xlarge", 1024 * 16 / TASKS_OF_INSTANCE, service)
        }
        Discipline::Sharing => {
            let service = format!("cpuTime: {{ exponential: {{ mean: {milliseconds}ms }} }}, concurrency: 100000");
            (*tasks, "m5.large", 1024 * WORKERS, service)
        }
    };
    format!(
        r#"
duration: {minutes}m
assumptions: {{ sameZoneRoundTrip: 0s, otherZoneRoundTrip: 0s, sameZoneConnection: 0s, otherZoneConnection: 0s, bridgeLatency: 0s }}
cluster: {{ availabilityZones: [us-east-1a] }}
autoScalingGroups: {{ nodes: {{ InstanceType: {size}, MinSize: {instances}, MaxSize: {instances} }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, memory: 128, cpu: {cpu}, portMappings: [{{ containerPort: 80 }}] }}] }} }}
applications: {{ web: {{ {service}, queue: 1000000, healthCheckCpuTime: 0s }} }}
loadBalancers: {{ front: {{ nodes: 1, idleTimeout: 4000 }} }}
targetGroups:
  web:
    HealthCheckIntervalSeconds: 300
    HealthCheckTimeoutSeconds: 120
    attributes: {{ load_balancing.algorithm.type: {algorithm} }}
services: {{ web: {{ taskDefinition: web, desiredCount: {tasks}, loadBalancers: [{{ targetGroupArn: web, containerName: web, containerPort: 80 }}] }} }}
workloads: {{ users: {{ service: web, arrivals: {{ poisson: {{ rate: {rate} }} }} }} }}
"#
    )
}

/// The scenario, or why this version of Plimsoll does not run it.
fn scenario(workload: &Workload, minutes: u64) -> Result<Scenario, String> {
    let text = text(workload, minutes);
    let path = format!("{}.yaml", workload.name);
    let story = scenario::read(Path::new(&path), &mut |_| Ok(text.clone().into_bytes()))
        .map_err(|problems| problems.messages().collect::<Vec<_>>().join("; "))?;
    if !story.unsupported.is_empty() {
        return Err(story.unsupported.messages().collect::<Vec<_>>().join("; "));
    }
    Ok(story.variants.into_iter().next().expect("a story has its base"))
}

/// Simulates about `count` requests: the whole minutes in which so many come.
pub fn run(workload: &Workload, count: u64, seed: u64) -> Result<Outcome, String> {
    let begin = ProcessTime::now();
    let minutes = ((count as f64 / workload.rate() / 60.0).round() as u64).max(LEAST_MINUTES);
    let scenario = scenario(workload, minutes)?;
    let run = simulate(&scenario, Seed { seed, replication: 0 });
    let elapsed = begin.elapsed();
    let counts = &run.requests[0].counts;
    assert_eq!(counts.failed(), 0, "every request is answered");
    let batch_means_ms = run.service_minutes.iter().filter_map(|it| it.response_time_ms.mean).collect();
    Ok(Outcome { count: counts.served, elapsed, batch_means_ms })
}
