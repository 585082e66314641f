//! What processes do of themselves: leak memory, begin cold, fail by their revision, meet their quota.

use std::path::Path;

use plimsoll::engine::simulate;
use plimsoll::rng::Seed;
use plimsoll::run::Run;
use plimsoll::scenario;

use crate::theory::NO_NETWORK;

fn run(application: &str, rate: u32, more: &str) -> Run {
    let text = format!(
        r#"
duration: 2h
assumptions: {NO_NETWORK}
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 2, MaxSize: 2 }} }}
taskDefinitions:
  web:1: &web
    cpu: 256
    memory: 200
    containerDefinitions: [{{ name: web, memory: 200, portMappings: [{{ containerPort: 80 }}] }}]
  web:2: *web
applications:
  web: &application {{ waitTime: 1ms, {application} }}
  web:2/web: {{ <<: *application, errorShare: 1 }}
targetGroups: {{ web: {{ deregistrationDelay: 5s }} }}
services: {{ web: {{ taskDefinition: web:1, loadBalancers: [{{ targetGroupArn: web, containerName: web, containerPort: 80 }}] }} }}
workloads: {{ users: {{ service: web, arrivals: {{ constant: {{ rate: {rate} }} }} }} }}
timeline: [{{ at: 119m, deploy: {{ service: web, taskDefinition: web:2 }} }}, {more}]
"#
    );
    let story = scenario::read(Path::new("case.yaml"), &mut |_| Ok(text.clone().into_bytes()))
        .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    simulate(&story.variants[0], Seed { seed: 5, replication: 0 })
}

/// When the first task was killed for its memory, in seconds.
fn killed_at(run: &Run) -> Option<f64> {
    let is_killed = |it: &&plimsoll::run::Event| it.kind == "task.out_of_memory";
    run.events.iter().find(is_killed).map(|it| it.at.as_seconds())
}

#[test]
fn what_leaks_is_killed_when_nothing_is_left() {
    let by_time = run("cpuTime: 1ms, memory: { base: 100MiB, leakPerHour: 120MiB }", 1, "");
    // 100 MiB at 2 MiB a minute.
    assert_eq!(killed_at(&by_time), Some(50.0 * 60.0 + 1.0));
    let percent = |minute: u64| {
        let row = by_time.service_minutes.iter().find(|row| row.minute == minute).expect("the minute is there");
        row.memory_percent.expect("a task runs")
    };
    assert!((percent(29) - (100.0 + 59.0) / 2.0).abs() < 0.1, "{}", percent(29));
    assert!(percent(52) < 60.0, "the next one begins anew");
    let by_requests = run("cpuTime: 1ms, memory: { base: 100MiB, leakPerRequest: 1MiB }", 1, "");
    let killed = killed_at(&by_requests).expect("it is killed");
    assert!((100.0..=102.0).contains(&killed), "{killed}");
    assert_eq!(killed_at(&run("cpuTime: 1ms, memory: { base: 100MiB }", 1, "")), None);
}

#[test]
fn a_broken_revision_fails_on_its_own_tasks() {
    let canary = run("cpuTime: 1ms", 5, "{ at: 30m, deploy: { service: web, taskDefinition: web:2 } }");
    let errors = |from: u64, to: u64| -> (u64, u64) {
        let rows = canary.service_minutes.iter().filter(|row| (from..to).contains(&row.minute));
        rows.fold((0, 0), |sum, row| (sum.0 + row.counts.target_5xx, sum.1 + row.counts.served))
    };
    // The first request comes after a gap.
    assert_eq!(errors(0, 30), (0, 30 * 60 * 5 - 1));
    assert_eq!(errors(40, 60), (20 * 60 * 5, 0));
    let last = run("cpuTime: 1ms", 5, "");
    assert_eq!(last.service_minutes.iter().take(118).map(|row| row.counts.target_5xx).sum::<u64>(), 0);
}

#[test]
fn a_quota_has_the_throughput_of_a_bound_and_another_tail() {
    // 30 ms of CPU each second at a quarter of a vCPU: 120 ms and the wait; with 25 ms in each 100 ms, 105 at the best.
    let mean = |application: &str| {
        let run = run(application, 1, "");
        let row = &run.service_minutes[10];
        (row.response_time_ms.mean.expect("requests are served"), row.cpu_percent.expect("a task runs"))
    };
    let (fluid, cpu) = mean("cpuTime: 30ms");
    assert!((fluid - 121.0).abs() < 0.5, "{fluid}");
    // A period of 100 ms divides the second, so that every request comes at the same phase of its period.
    let (throttled, same_cpu) = mean("cpuTime: 30ms, cfsPeriod: 100ms");
    assert!((31.0..=106.5).contains(&throttled), "{throttled}");
    assert!((cpu - same_cpu).abs() < 0.3, "{cpu} {same_cpu}");
}

#[test]
fn a_fresh_process_is_slow_at_first() {
    let deploy = "{ at: 30m, updateService: { service: web, forceNewDeployment: true } }";
    let of = |application: &str, minute: usize| {
        let run = run(application, 2, deploy);
        run.service_minutes[minute].response_time_ms.mean.expect("requests are served")
    };
    let warm = of("cpuTime: 5ms", 20);
    let cold = "cpuTime: 5ms, coldStart: { for: 20m, factor: 4 }";
    assert!((of(cold, 20) - warm).abs() < 0.1, "tasks of a settled cluster are warm");
    assert!((of(cold, 40) - warm - 60.0).abs() < 0.5, "15 ms more at a quarter of a vCPU");
    assert!((of(cold, 60) - warm).abs() < 0.1, "and warm again");
}

#[test]
fn of_an_instance_out_of_memory_the_larger_use_goes_where_two_are_as_far_above_what_they_reserved() {
    // 7811 MiB; both use 3000 beyond what they reserved, and `large`, which comes last, more in all.
    let run = crate::stories::run(
        "duration: 10m
autoScalingGroups: { nodes: { InstanceType: m5.large, MinSize: 1, MaxSize: 1 } }
taskDefinitions:
  small: { containerDefinitions: [{ name: small, cpu: 128, memoryReservation: 1000 }] }
  large: { containerDefinitions: [{ name: large, cpu: 128, memoryReservation: 1500 }] }
applications: { small: { memory: { base: 4000MiB } }, large: { memory: { base: 4500MiB } } }
services: { small: { taskDefinition: small, desiredCount: 1 }, large: { taskDefinition: large, desiredCount: 1 } }
",
    );
    let killed: Vec<&str> =
        run.events.iter().filter(|it| it.kind == "task.out_of_memory").map(|it| it.resource.as_str()).collect();
    assert!(!killed.is_empty() && killed.iter().all(|it| it.contains("large")), "{killed:?}");
}
