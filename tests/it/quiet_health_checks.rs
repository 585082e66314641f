//! Health checks of tasks that nothing else is asked of wake nobody; what comes of them is what comes of those that do.

use std::path::Path;

use plimsoll::engine::simulate;
use plimsoll::rng::Seed;
use plimsoll::run::Run;
use plimsoll::scenario;

/// Two services with now and then a request, on instances and on Fargate, of which one is deployed anew and one loses a task.
fn run(health_check: &str, memory: &str) -> Run {
    let text = format!(
        r#"
duration: 40m
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 2, MaxSize: 2 }} }}
taskDefinitions:
  web: {{ containerDefinitions: [{{ name: web, cpu: 256, memory: 128, portMappings: [{{ containerPort: 80 }}] }}] }}
  new: {{ containerDefinitions: [{{ name: web, cpu: 128, memory: 128, portMappings: [{{ containerPort: 80 }}] }}] }}
  small: {{ networkMode: awsvpc, cpu: 256, memory: 512, requiresCompatibilities: [FARGATE], containerDefinitions: [{{ name: web, portMappings: [{{ containerPort: 80 }}] }}] }}
applications: {{ web: {{ cpuTime: 10ms, memory: {{ perRequest: {memory} }}, healthCheckCpuTime: {health_check} }} }}
loadBalancers: {{ front: {{}} }}
targetGroups:
  one: {{ loadBalancer: front, HealthCheckIntervalSeconds: 7, HealthCheckTimeoutSeconds: 2 }}
  other: {{ loadBalancer: front, HealthCheckIntervalSeconds: 7, HealthCheckTimeoutSeconds: 2 }}
services:
  one: {{ taskDefinition: web, desiredCount: 3, loadBalancers: [{{ targetGroupArn: one, containerName: web, containerPort: 80 }}] }}
  other: {{ taskDefinition: small, desiredCount: 2, launchType: FARGATE, networkConfiguration: {{ awsvpcConfiguration: {{ subnets: [subnet-1] }} }}, loadBalancers: [{{ targetGroupArn: other, containerName: web, containerPort: 80 }}] }}
workloads:
  few: {{ service: one, arrivals: {{ constant: {{ rate: 0.02/s }} }} }}
  fewer: {{ service: other, arrivals: {{ constant: {{ rate: 0.01/s }} }} }}
timeline:
  - {{ at: 10m, updateService: {{ service: one, taskDefinition: new }} }}
  - {{ at: 25m, stopTask: {{ service: other }} }}
"#
    );
    let story = scenario::read(Path::new("quiet.yaml"), &mut |_| Ok(text.clone().into_bytes()))
        .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    assert!(story.unsupported.is_empty(), "{}", story.unsupported.render(false));
    simulate(&story.variants[0], Seed { seed: 3, replication: 0 })
}

/// Checks that take so many milliseconds of CPU, whose law says so or is drawn from; with the memory that each request takes.
fn both(milliseconds: u32, memory: &str) -> (Run, Run) {
    let quiet = run(&format!("{milliseconds}ms"), memory);
    // Of a law that is drawn from, nobody knows beforehand what it comes to.
    let law = format!("{{ uniform: {{ minimum: {milliseconds}ms, maximum: {milliseconds}ms }} }}");
    (quiet, run(&law, memory))
}

fn assert_same(quiet: &Run, drawn: &Run) {
    let told =
        |run: &Run| -> Vec<_> { run.target_changes.iter().map(|it| (it.at, it.task, it.state, it.reason)).collect() };
    assert_eq!(told(quiet), told(drawn));
    assert_eq!(quiet.service_minutes.len(), drawn.service_minutes.len());
    for (quiet, drawn) in quiet.service_minutes.iter().zip(&drawn.service_minutes) {
        assert_eq!((&quiet.counts, quiet.running_count), (&drawn.counts, drawn.running_count));
        assert_eq!(quiet.response_time_ms.p99, drawn.response_time_ms.p99);
        for (what, quiet_percent, drawn_percent) in
            [("CPU", quiet.cpu_percent, drawn.cpu_percent), ("memory", quiet.memory_percent, drawn.memory_percent)]
        {
            let (one, other) = (quiet_percent.expect("tasks run"), drawn_percent.expect("tasks run"));
            assert!((one - other).abs() < 1e-9, "{one} % of {what}, not {other} % in minute {}", quiet.minute);
        }
    }
}

#[test]
fn a_health_check_that_wakes_nobody_uses_and_says_the_same() {
    let (quiet, drawn) = both(20, "0MiB");
    assert!(quiet.handled_events + 3000 < drawn.handled_events, "most are quiet, and not sent one by one");
    assert_same(&quiet, &drawn);
    // Nine checks in some minutes, eight in others, of 20 ms each, of a quarter of a vCPU: where no request comes.
    let idle = quiet.service_minutes.iter().find(|it| it.service == 1 && it.counts.arrived == 0 && it.minute > 1);
    let percent = idle.and_then(|it| it.cpu_percent).expect("there is one");
    let of = |checks: f64| 100.0 * checks * 0.020 / 60.0 / 0.25;
    // Two tasks, in the mean.
    assert!([8.0, 8.5, 9.0].iter().any(|it| (percent - of(*it)).abs() < 1e-9), "{percent} %");
}

/// On Fargate each takes 1.2 s: at the end of each minute some are under way.
#[test]
fn a_health_check_that_a_minute_parts_counts_in_both() {
    let (quiet, drawn) = both(300, "0MiB");
    assert_same(&quiet, &drawn);
}

#[test]
fn a_health_check_that_is_under_way_when_a_second_ends_takes_memory() {
    let (quiet, drawn) = both(300, "10MiB");
    assert_same(&quiet, &drawn);
}
