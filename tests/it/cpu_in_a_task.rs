//! The CPU of one task between its containers (*ecs.md* 1.3, level 2), end to end.

use plimsoll::run::Run;

use crate::stories::run;

/// One task of 512 CPU units: a container of weight 384 that serves, and a sidecar of weight 128 that computes all the time.
fn text(definition: &str, launch: &str, sidecar: u32, rate: u32, options: &str) -> String {
    format!(
        "duration: 20m
cluster: {{ availabilityZones: [us-east-1a], subnets: {{ a: {{ AvailabilityZone: us-east-1a, CidrBlock: 10.0.0.0/24 }} }} }}
autoScalingGroups: {{ nodes: {{ InstanceType: m6g.medium, MinSize: 1, MaxSize: 1 }} }}
taskDefinitions:
  web:
    {definition}
    containerDefinitions:
      - {{ name: web, cpu: 384, memory: 64, portMappings: [{{ containerPort: 80 }}] }}
      - {{ name: sidecar, cpu: 128, memory: 64 }}
applications:
  web: {{ cpuTime: 10ms, healthCheckCpuTime: 0s, concurrency: 8, queue: 1000{options} }}
  sidecar: {{ backgroundCpu: {sidecar} }}
loadBalancers: {{ front: {{ nodes: 1 }} }}
assumptions: {{ internetRoundTrip: 0s, httpOverhead: 0s, sameZoneRoundTrip: 0s, sameZoneConnection: 0s, bridgeLatency: 0s }}
targetGroups: {{ web: {{ loadBalancer: front, Protocol: HTTP, HealthCheckIntervalSeconds: 300, UnhealthyThresholdCount: 10, HealthyThresholdCount: 2 }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: 1, {launch} loadBalancers: [{{ targetGroupArn: web, containerName: web, containerPort: 80 }}] }} }}
workloads: {{ some: {{ service: web, timeout: 1h, arrivals: {{ constant: {{ rate: {rate}/s }} }} }} }}
"
    )
}

const CAPPED: &str = "cpu: 512";
const FARGATE: &str = "{ networkMode: awsvpc, cpu: 512, memory: 1024, requiresCompatibilities: [FARGATE] }";
const ON_FARGATE: &str = "launchType: FARGATE, networkConfiguration: { awsvpcConfiguration: { subnets: [a] } },";

/// Requests served a second, mean response time in ms and CPU percent of the tenth minute.
fn tenth_minute(text: &str) -> (f64, f64, f64) {
    let run = run(text);
    let row = run.service_minutes.iter().find(|it| it.minute == 10).expect("it has that minute");
    let mean = row.response_time_ms.mean.expect("some were served");
    (row.counts.served as f64 / 60.0, mean, row.cpu_percent.expect("a task runs"))
}

fn check(text: &str, expected: (f64, Option<f64>, f64)) {
    let (served, mean, cpu) = tenth_minute(text);
    assert!((served - expected.0).abs() < 0.02 * expected.0, "{served} a second, not {}: {text}", expected.0);
    if let Some(expected) = expected.1 {
        assert!((mean - expected).abs() < 0.01 * expected, "{mean} ms, not {expected}: {text}");
    }
    assert!((cpu - expected.2).abs() < 0.5, "{cpu} %, not {}: {text}", expected.2);
}

#[test]
fn a_sidecar_that_computes_slows_the_container_that_serves() {
    let fargate = FARGATE.trim_matches(['{', '}', ' ']).replace(", ", "\n    ");
    for (definition, launch) in [(CAPPED, ""), (fargate.as_str(), ON_FARGATE)] {
        // Without the sidecar 512 units are 50 requests of 10.24 a second; 20 of them use 40 %, each takes 10 ms / 0.5.
        check(&text(definition, launch, 0, 20, ""), (20.0, Some(20.0), 40.0));
        // Within its 128 it takes what it wants, and 412 are left: 412 / 10.24 = 40.2 a second, each 24.9 ms while few come.
        check(&text(definition, launch, 100, 20, ""), (20.0, Some(10.0 * 1024.0 / 412.0), (204.8 + 100.0) / 5.12));
        check(&text(definition, launch, 100, 60, ""), (40.23, None, 100.0));
        // Wanting more than 128 it gets 128 while the other is busy: 384 are 37.5 a second.
        check(&text(definition, launch, 400, 60, ""), (37.5, None, 100.0));
        // While that is idle for the most part the rest is lent to it: 102.4 and 400 of 512.
        check(&text(definition, launch, 400, 10, ""), (10.0, Some(10.0 * 1024.0 / 384.0), 502.4 / 5.12));
    }
}

#[test]
fn a_sidecar_uses_up_the_quota_of_the_periods() {
    // 50 ms of CPU in each 100 ms, of which 37.5 are left: 37.5 requests a second.
    check(&text(CAPPED, "", 400, 60, ", cfsPeriod: 100ms"), (37.5, None, 100.0));
    check(&text(CAPPED, "", 0, 60, ", cfsPeriod: 100ms"), (50.0, None, 100.0));
    // A request of 10 ms fits into a period at what the sidecar leaves of the instance's vCPU.
    check(&text(CAPPED, "", 100, 10, ", cfsPeriod: 100ms"), (10.0, Some(10.0 * 1024.0 / 924.0), 202.4 / 5.12));
    // One thread would never use up 1024 units alone.
    let whole = text("cpu: 1024", "", 512, 95, ", cfsPeriod: 100ms").replace("concurrency: 8", "concurrency: 1");
    check(&whole, (75.0, None, 100.0));
}

#[test]
fn containers_of_tasks_without_a_cap_compete_by_their_weights_too() {
    // An instance of 1024 units and one task: 1024 x 384 / 512 = 768 for requests while both are busy.
    let text = text("networkMode: bridge", "", 2048, 100, "");
    check(&text, (75.0, None, 200.0));
    // A second task of the same weight, which computes without serving, takes half of the instance.
    let batch = "runTasks: { batch: { taskDefinition: batch, at: 1m, runTime: 1h } }
";
    let two = text.replace("applications:\n", "  batch: { containerDefinitions: [{ name: batch, cpu: 512, memory: 64 }] }\napplications:\n  batch: { backgroundCpu: 1024 }\n");
    check(&(two + batch), (37.5, None, 100.0));
}

#[test]
fn what_a_container_computes_beside_its_requests_is_shared_evenly_with_them() {
    // 512 - 100 while there is enough; half of 512 each at the most.
    check(&text(CAPPED, "", 0, 60, ", backgroundCpu: 100"), (40.23, None, 100.0));
    check(&text(CAPPED, "", 0, 60, ", backgroundCpu: 500"), (25.0, None, 100.0));
}

#[test]
fn a_container_that_has_ended_computes_no_more() {
    let ends = text(CAPPED, "", 400, 10, "")
        .replace("{ name: sidecar,", "{ name: sidecar, essential: false,")
        .replace("backgroundCpu: 400", "backgroundCpu: 400, exit: { after: 5m }")
        .replace("HealthCheckIntervalSeconds: 300", "HealthCheckIntervalSeconds: 6")
        .replace("duration: 20m", "duration: 20m\nbegin: cold");
    let run = run(&ends);
    let mean = |minute| {
        let row = run.service_minutes.iter().find(|it| it.minute == minute).expect("it has that minute");
        row.response_time_ms.mean.expect("some were served")
    };
    assert!((mean(9) - 10.0 * 1024.0 / 384.0).abs() < 0.1, "{}", mean(9));
    assert!((mean(15) - 10.0 * 1024.0 / 512.0).abs() < 0.1, "{}", mean(15));
}

#[test]
fn a_capped_task_competes_by_the_kernel_s_weight_or_by_its_size() {
    // 2048 units, two tasks that want all of them: one of 1536 with a cap, one of weight 512 without.
    let cpu_percent = |assumptions: &str| {
        let run = run(&format!(
            "duration: 10m
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 1, MaxSize: 1 }} }}
taskDefinitions:
  capped: {{ cpu: 1536, memory: 512, containerDefinitions: [{{ name: capped, memory: 512 }}] }}
  free: {{ containerDefinitions: [{{ name: free, cpu: 512, memory: 512 }}] }}
applications: {{ capped: {{ backgroundCpu: 2048 }}, free: {{ backgroundCpu: 2048 }} }}
services: {{ capped: {{ taskDefinition: capped }}, free: {{ taskDefinition: free }} }}
{assumptions}"
        ));
        [0, 1].map(|service| {
            let of_service = |it: &&plimsoll::run::ServiceMinute| it.service == service && it.minute == 5;
            let row = run.service_minutes.iter().find(of_service).expect("it has that minute");
            row.cpu_percent.expect("a task runs")
        })
    };
    for (assumptions, capped, free) in [
        ("", 1024.0 / 1536.0 * 2048.0, 512.0 / 1536.0 * 2048.0),
        ("assumptions: { cappedTaskWeight: taskCpu }", 1536.0, 512.0),
    ] {
        let [of_capped, of_free] = cpu_percent(assumptions);
        assert!((of_capped - capped / 15.36).abs() < 0.01, "{of_capped} {assumptions}");
        assert!((of_free - free / 5.12).abs() < 0.01, "{of_free} {assumptions}");
    }
}

#[test]
fn background_counts_from_the_first_second_to_the_last() {
    let text = |begin: &str| {
        format!(
            "duration: 10m
{begin}
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 1, MaxSize: 1 }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, cpu: 512, memory: 64 }}] }} }}
applications: {{ web: {{ backgroundCpu: 256 }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: 1 }} }}
assumptions: {{ schedulerDelay: 2700ms }}
timeline: [{{ at: 5m, stopTask: {{ service: web }} }}]
"
        )
    };
    for begin in ["begin: settled", "begin: cold"] {
        let run = run(&text(begin));
        let minutes: Vec<f64> = run.service_minutes.iter().filter_map(|it| it.cpu_percent).collect();
        assert!(minutes.len() > 3 && minutes.iter().all(|it| (it - 50.0).abs() < 1e-9), "{begin}: {minutes:?}");
    }
    let first = run(&text("begin: settled")).capacity_minutes[0].cpu_units.used;
    assert!((first - 256.0).abs() < 1e-9, "{first} units in the mean of the first minute");
}

#[test]
fn background_counts_exactly_as_long_as_a_task_runs() {
    let used = |run_time: &str, other: u32| {
        let run = run(&format!(
            "duration: 10m
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 1, MaxSize: 1 }} }}
taskDefinitions:
  job: {{ containerDefinitions: [{{ name: job, cpu: 512, memory: 64 }}] }}
  other: {{ containerDefinitions: [{{ name: other, cpu: 1536, memory: 64 }}] }}
applications: {{ job: {{ backgroundCpu: 2048 }}, other: {{ backgroundCpu: {other} }} }}
services: {{ other: {{ taskDefinition: other, desiredCount: 1 }} }}
runTasks: {{ job: {{ taskDefinition: job, at: 150300ms, runTime: {run_time} }} }}
"
        ));
        let job = run.tasks.iter().find(|it| it.run_task.is_some()).expect("it runs");
        let began = job.running_at.expect("it runs").as_seconds();
        assert!(began.fract() > 0.1 && began.fract() < 0.9, "{began} is no whole second");
        run.capacity_minutes.iter().map(|it| it.cpu_units.used * 60.0).sum::<f64>() - f64::from(other) * 600.0
    };
    let near = |units: f64, expected: f64| assert!((units - expected).abs() < 1e-6, "{units}, not {expected}");
    near(used("20250ms", 0), 2048.0 * 20.25);
    near(used("90s", 0), 2048.0 * 90.0);
    // Beside a task that computes as well it has what that leaves, from the first second on.
    near(used("20250ms", 1024), 1024.0 * 20.25);
    near(used("20250ms", 256), 1792.0 * 20.25);
}

/// A task whose `late` container computes `late` units from its start on, for so many milliseconds, and `main` all the time. `of_task` is
/// its own `cpu`, if any. The task is RUNNING once `late` has started, when `init` has completed.
fn with_late_container(of_task: &str, main: u32, late: u32, lasts_ms: u32) -> Run {
    run(&format!(
        "duration: 10m
begin: cold
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 1, MaxSize: 1 }} }}
taskDefinitions:
  web:
    {of_task}
    containerDefinitions:
      - {{ name: main, cpu: 256, memory: 64 }}
      - {{ name: init, cpu: 0, memory: 64, essential: false }}
      - {{ name: late, cpu: 256, memory: 64, essential: false, dependsOn: [{{ containerName: init, condition: COMPLETE }}] }}
applications:
  main: {{ backgroundCpu: {main}, startTime: 0s }}
  init: {{ startTime: 0s, exit: {{ after: 70150ms }} }}
  late: {{ backgroundCpu: {late}, startTime: 0s, exit: {{ after: {lasts_ms}ms }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: 1 }} }}
"
    ))
}

#[test]
fn a_container_that_ends_after_10_3_s_of_a_running_task_used_10_3_s() {
    let units = |run: &Run| run.capacity_minutes.iter().map(|it| it.cpu_units.used * 60.0).sum::<f64>();
    for (of_task, main, late, expected) in [
        // Nothing else computes in the task; something does; and two share 512 units evenly, of which one alone takes 400.
        ("", 0, 500, 500.0),
        ("", 100, 500, 500.0),
        ("cpu: 512", 400, 400, 112.0),
    ] {
        let runs = |lasts_ms: u32| [late, 0].map(|it| with_late_container(of_task, main, it, lasts_ms));
        let [with, without] = runs(10_300);
        let used = units(&with) - units(&without);
        assert!((used - expected * 10.3).abs() < 1e-6, "{used} units for a second, not {expected} for 10.3 s: {main}");
        // Of the service: 512 units are reserved in all of the minute in which it ends.
        let [with, without] = runs(100_300);
        let ended_at = with.tasks[0].running_at.expect("it runs").as_seconds() + 100.3;
        let minute = (ended_at / 60.0).floor();
        let percent = |run: &Run| {
            let row = run.service_minutes.iter().find(|it| it.minute == minute as u64);
            row.and_then(|it| it.cpu_percent).expect("it runs in that minute")
        };
        let used = (percent(&with) - percent(&without)) / 100.0 * 512.0 * 60.0;
        let in_minute = ended_at - 60.0 * minute;
        assert!((used - expected * in_minute).abs() < 1e-6, "{used} units, not {expected} for {in_minute} s: {main}");
    }
}
