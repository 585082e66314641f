//! Real traces drive a service end to end; every request of the trace is accounted for.

use std::path::{Path, PathBuf};

use plimsoll::engine::simulate;
use plimsoll::rng::Seed;
use plimsoll::scenario::{self, Story};
use plimsoll::workload::arrivals::ArrivalProcess;

/// A scenario that replays `arrivals` on twenty tasks.
fn replay(duration: &str, arrivals: &str) -> String {
    format!(
        r#"
duration: {duration}
autoScalingGroups: {{ nodes: {{ InstanceType: m5.2xlarge, MinSize: 3, MaxSize: 3 }} }}
taskDefinitions:
  web: {{ containerDefinitions: [{{ name: web, image: web, cpu: 1024, memory: 1024, portMappings: [{{ containerPort: 80 }}] }}] }}
applications:
  web: {{ cpuTime: {{ exponential: {{ mean: 1ms }} }}, waitTime: {{ exponential: {{ mean: 2ms }} }}, concurrency: 8 }}
targetGroups: {{ web: {{}} }}
services:
  web: {{ taskDefinition: web, desiredCount: 20, loadBalancers: [{{ targetGroupArn: web, containerName: web, containerPort: 80 }}] }}
workloads:
  trace: {{ service: web, arrivals: {{ {arrivals} }} }}
"#
    )
}

fn counts(path: &std::path::Path, from: &str, rows: usize) -> u64 {
    let text = std::fs::read_to_string(path).expect("the trace can be read");
    let lines = text.lines().skip(1).skip_while(|line| !line.starts_with(from)).take(rows);
    lines.map(|line| line.split(',').nth(1).and_then(|it| it.trim().parse::<u64>().ok()).expect("a count")).sum()
}

fn data(what: &str) -> Option<PathBuf> {
    let data = std::env::var_os("PLIMSOLL_DATA").map(PathBuf::from);
    if data.is_none() {
        println!("skipped: PLIMSOLL_DATA is not set, so {what} is not replayed");
    }
    data
}

/// Reads a scenario beside which `files` lie; others come from the disk.
fn read(text: &str, files: &[(&str, &str)]) -> Story {
    scenario::read(Path::new("trace.yaml"), &mut |path| {
        let made_up = files.iter().find(|it| path == Path::new(it.0));
        match made_up {
            Some((_, file)) => Ok(file.as_bytes().to_vec()),
            None if path == Path::new("trace.yaml") => Ok(text.as_bytes().to_vec()),
            None => plimsoll::cli::open(path),
        }
    })
    .unwrap_or_else(|problems| panic!("{}", problems.render(false)))
}

/// Replays a story and checks that every request that arrived is accounted for; how many.
fn arrived(story: &Story) -> u64 {
    let run = simulate(&story.variants[0], Seed { seed: 1, replication: 0 });
    let totals = &run.requests[0];
    assert_eq!(totals.counts.arrived, totals.counts.served + totals.counts.failed() + totals.in_flight);
    let by_minute: u64 = run.service_minutes.iter().map(|row| row.counts.arrived).sum();
    assert_eq!(by_minute, totals.counts.arrived, "minutes add up to the whole");
    totals.counts.arrived
}

fn check(file: &str, from: &str, days: u64) {
    let Some(data) = data(file) else { return };
    let trace = data.join("load").join(file);
    let arrivals =
        format!("trace: {{ file: \"{}\", from: \"{from}\", for: {days}d, spread: poisson }}", trace.display());
    let story = read(&replay(&format!("{days}d"), &arrivals), &[]);
    let expected = counts(&trace, from, (days * 1440) as usize);
    assert_eq!(arrived(&story), expected, "each request of the trace arrives");
}

#[test]
fn a_week_of_the_world_cup_is_accounted_for() {
    check("worldcup98-to-group-stage.csv", "1998-06-10T00:00:00Z", 7);
}

#[test]
fn four_weeks_of_nasa_are_accounted_for() {
    check("nasa-http-1995-07.csv", "1995-07-02T00:00:00Z", 25);
}

/// The user guide's own examples: five requests of one instant, and two of another, five months later.
#[test]
fn the_examples_of_an_access_log_are_accounted_for() {
    let Some(data) = data("an access log") else { return };
    let folder = data.join("alb-logs");
    let log = |window: &str| format!("accessLog: {{ path: \"{}\"{window} }}", folder.display());
    let whole = read(&replay("1h", &log("")), &[]);
    let ArrivalProcess::Instants { times, .. } = &whole.variants[0].workloads.iter().next().expect("one").arrivals
    else {
        panic!("instants");
    };
    let later = 151 * 86_400_000_000_000;
    assert_eq!(times[..], [0, 0, 0, 0, 0, later, later]);
    assert!(whole.notes.iter().all(|it| !it.contains("left out")), "every line is one of a log: {:?}", whole.notes);
    assert_eq!(arrived(&whole), 5);
    assert_eq!(arrived(&read(&replay("1h", &log(", from: 2018-11-30T00:00:00Z, start: 5m")), &[])), 0);
    let second_day = log(", from: 2018-11-30T22:22:48Z, start: 5m, scale: 10");
    assert_eq!(arrived(&read(&replay("1h", &second_day), &[])), 20);
}

/// Counts of a real load balancer, as a CSV and as CloudWatch would have exported them.
#[test]
fn two_weeks_of_a_load_balancer_are_accounted_for() {
    let Some(data) = data("a load balancer's counts") else { return };
    let file = data.join("cloudwatch/nab-elb-request-count-5min.csv");
    let csv = std::fs::read_to_string(&file).expect("the counts can be read");
    let rows: Vec<(&str, f64)> = csv
        .lines()
        .skip(1)
        .map(|line| line.split_once(',').expect("two columns"))
        .map(|(time, count)| (time, count.parse().expect("a count")))
        .collect();
    // CloudWatch gives its datapoints in no order.
    let points = rows.iter().rev().map(|(time, sum)| format!(r#"{{"Timestamp": "{time}", "Sum": {sum}}}"#));
    let json = format!(r#"{{"Label": "RequestCount", "Datapoints": [{}]}}"#, points.collect::<Vec<_>>().join(","));
    let total: f64 = rows.iter().map(|it| it.1).sum();
    for arrivals in [format!("trace: {{ file: \"{}\" }}", file.display()), "cloudWatch: { file: elb.json }".to_owned()]
    {
        let story = read(&replay("15d", &arrivals), &[("elb.json", &json)]);
        assert_eq!(arrived(&story) as f64, total, "{arrivals}");
    }
}

/// A day of virtual machines as standalone tasks, by every strategy, on a fixed fleet and behind a capacity provider: each is
/// started, refused, or given up, no instance holds more than it has, and what ends has ended by itself.
#[test]
fn a_day_of_virtual_machines_is_accounted_for_by_every_strategy() {
    let Some(data) = data("a trace of virtual machines") else { return };
    let file = data.join("task-traces/azure-2017-vms-1day.csv");
    let rows = std::fs::read_to_string(&file).expect("the trace can be read").lines().count() as u64 - 1;
    let fleets = [
        ("{ InstanceType: big, MinSize: 280, MaxSize: 280 }", "launchType: EC2"),
        (
            "{ InstanceType: big, MinSize: 0, MaxSize: 400 }",
            "capacityProviderStrategy: [{ capacityProvider: nodes, weight: 1 }]",
        ),
    ];
    let strategies = [
        "{ type: spread, field: instanceId }",
        "{ type: spread, field: 'attribute:ecs.availability-zone' }, { type: binpack, field: memory }",
        "{ type: binpack, field: cpu }",
        "{ type: binpack, field: memory }",
        "{ type: random }",
    ];
    // The trace has its times to five minutes: what it asks for at one instant was no burst of calls.
    let calls = "{ clusterModifyBurst: 1000000, clusterModifyCallsPerSecond: 1000000 }";
    for (group, launch) in fleets {
        let mut reserved = Vec::new();
        for strategy in strategies {
            let text = format!(
                r#"
duration: 1d
assumptions: {calls}
instanceTypes: {{ big: {{ vcpu: 72, memory: 144GiB, networkInterfaces: 15, usdPerHour: 3.06 }} }}
autoScalingGroups: {{ nodes: {group} }}
capacityProviders:
  nodes:
    autoScalingGroupProvider:
      autoScalingGroupArn: nodes
      managedScaling: {{ status: ENABLED, targetCapacity: 100 }}
      managedTerminationProtection: ENABLED
taskDefinitions: {{ vm: {{ networkMode: none, containerDefinitions: [{{ name: vm, cpu: 1024, memoryReservation: 1024 }}] }} }}
runTasks:
  vms: {{ taskDefinition: vm, trace: {{ file: "{}" }}, placementStrategy: [{strategy}], {launch} }}
"#,
                file.display()
            );
            let run = simulate(&read(&text, &[]).variants[0], Seed { seed: 1, replication: 0 });
            let totals = &run.run_task_totals[0];
            assert_eq!((totals.asked, run.tasks.len() as u64 + totals.failed()), (rows, rows), "{launch} {strategy}");
            let given_up = run.tasks.iter().filter(|it| it.placed_at.is_none() && it.stopped_at.is_some()).count();
            assert!(totals.failed() + (given_up as u64) < rows / 20, "{launch} {strategy}: {totals:?}, {given_up}");
            for task in &run.tasks {
                assert!(task.stopped_at.is_none() || task.exit_code == Some(0) || task.placed_at.is_none(), "{task:?}");
            }
            for row in &run.capacity_minutes {
                assert!(row.reserved_cpu_percent.is_none_or(|it| it <= 100.0));
                assert!(row.reserved_memory_percent.is_none_or(|it| it <= 100.0));
            }
            reserved.push(run.task_hours);
        }
        // The same tasks, and nearly all of them run: the strategies differ by what they turn away, not by what runs.
        let (least, most) = reserved.iter().fold((f64::MAX, 0.0_f64), |(a, b), it| (a.min(*it), b.max(*it)));
        assert!(most / least < 1.05, "{launch}: {reserved:?}");
    }
}
