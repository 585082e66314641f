//! Fargate and Fargate Spot, end to end: how tasks start, what quotas let run, where they go, what they cost and how Spot
//! takes them away.

use plimsoll::aws::fargate::FargateCapacity;
use plimsoll::aws::price::billed;
use plimsoll::aws::run_task::THROTTLED;
use plimsoll::report;
use plimsoll::run::{Run, TaskLife};
use plimsoll::units::{Instant, Span};
use proptest::prelude::*;

use crate::stories::{run, story};

/// A service on Fargate whose tasks have a quarter of a vCPU, with more fields of it, and more lines.
fn service(count: u32, fields: &str, more: &str) -> String {
    format!(
        "duration: 20m
taskDefinitions:
  web:
    requiresCompatibilities: [FARGATE]
    networkMode: awsvpc
    cpu: 256
    memory: 512
    containerDefinitions: [{{ name: web, image: web, portMappings: [{{ containerPort: 80 }}] }}]
services:
  web:
    taskDefinition: web
    desiredCount: {count}
    networkConfiguration: {{ awsvpcConfiguration: {{ subnets: [subnet-a] }} }}
    availabilityZoneRebalancing: DISABLED
    {fields}
{more}"
    )
}

/// The same without a first task that goes alone for the digest of its image.
fn all_at_once(count: u32, fields: &str, more: &str) -> String {
    service(count, fields, more).replace("image: web,", "image: web, versionConsistency: disabled,")
}

const ON_DEMAND: &str = "launchType: FARGATE";
const SPOT: &str = "capacityProviderStrategy: [{ capacityProvider: FARGATE_SPOT, weight: 1 }]";

fn seconds(at: Option<Instant>) -> f64 {
    at.expect("it came so far").as_seconds()
}

/// From creation to RUNNING, s.
fn start_time(task: &TaskLife) -> f64 {
    seconds(task.running_at) - task.created_at.as_seconds()
}

fn said<'a>(run: &'a Run, kind: &str) -> Vec<&'a str> {
    run.events.iter().filter(|it| it.kind == kind).map(|it| it.message.as_str()).collect()
}

fn running_at_end(run: &Run) -> usize {
    run.tasks.iter().filter(|it| it.running_at.is_some() && it.stopping_at.is_none()).count()
}

#[test]
fn we_87_an_image_of_413_mb() {
    let text = |image: &str, more: &str| {
        service(1, ON_DEMAND, &format!("begin: cold\napplications: {{ web: {{ {image} }} }}\n{more}"))
    };
    let start = |image, more| start_time(&run(&text(image, more)).tasks[0]);
    let close = |value: f64, expected: f64| assert!((value - expected).abs() < 1e-6, "{value} {expected}");
    close(start("image: { size: 413MB }", ""), 15.0 + 5.0 + 413.0 / 13.0 + 5.0);
    assert!((start("image: { size: 413MB }", "") - 56.8).abs() < 0.05, "as measured: 56.9 s in the mean");
    // Loaded lazily, from a container that is followed, and where larger tasks pull faster.
    close(start("image: { size: 413MB }, sociIndex: true", ""), 30.0);
    close(
        start("image: { size: 413MB }, unhealthyAfter: 100h, exit: { after: 100h }", ""),
        15.0 + 5.0 + 413.0 / 13.0 + 5.0,
    );
    close(start("image: { size: 413MB }", "assumptions: { fargatePullMbPerSecondFrom: { 256: 41.3 } }"), 35.0);
    close(
        start("image: { size: 413MB }", "assumptions: { fargatePullMbPerSecondFrom: { 512: 41.3 } }"),
        25.0 + 413.0 / 13.0,
    );
    let task = &run(&text("image: { size: 413MB }", "")).tasks[0];
    assert_eq!((seconds(task.placed_at), seconds(task.pull_started_at)), (5.0, 25.0));
}

#[test]
fn nothing_is_cached_and_images_share_their_layers() {
    let more = "begin: cold
applications: { web: { image: { layers: { base: 130MB, web: 13MB } } }, side: { image: { layers: { base: 130MB } } } }
timeline: [{ at: 5m, updateService: { service: web, desiredCount: 2 } }]";
    let text = service(1, ON_DEMAND, more)
        .replace("containerDefinitions: [", "containerDefinitions: [{ name: side, image: side }, ");
    let run = run(&text);
    for task in &run.tasks {
        assert!((start_time(task) - 36.0).abs() < 1e-6, "each layer once, for the second task as well");
    }
    assert_eq!(run.tasks.len(), 2);
}

#[test]
fn we_88_250_launches_by_the_bucket() {
    let more = "begin: cold\nassumptions: { fargateVcpuQuota: 100 }";
    let run = run(&all_at_once(250, ON_DEMAND, more));
    let since: Vec<Span> = run.tasks.iter().map(|it| it.placed_at.expect("launched").since(it.created_at)).collect();
    assert_eq!(since.len(), 250);
    for (place, span) in since.iter().enumerate() {
        let expected = if place < 100 { Span::ZERO } else { Span::millis(50) * (place as u64 - 99) };
        assert_eq!(*span, expected, "task {place}");
    }
    assert_eq!(since[249], Span::millis(7500));
    assert_eq!(said(&run, "service.tasks_started").len(), 1, "all of them are there at once, and wait in PROVISIONING");
}

#[test]
fn spot_has_quotas_and_a_bucket_of_its_own() {
    let both = "capacityProviderStrategy: [{ capacityProvider: FARGATE, weight: 1 }, { capacityProvider: FARGATE_SPOT, weight: 1 }]";
    let more =
        "begin: cold\nassumptions: { fargateLaunchBurst: 2, fargateLaunchesPerSecond: 1, fargateSpotVcpuQuota: 1 }";
    let run = run(&all_at_once(20, both, more));
    let of =
        |name: &str| run.tasks.iter().filter(|it| it.capacity_provider.as_deref() == Some(name)).collect::<Vec<_>>();
    let (on_demand, spot) = (of("FARGATE"), of("FARGATE_SPOT"));
    assert_eq!((on_demand.len(), spot.len()), (10, 4), "what Spot refuses nobody else takes, nor does it keep others");
    assert!(spot.iter().all(|it| it.placed_at == Some(it.created_at)));
    let last = on_demand.iter().filter_map(|it| it.placed_at).max().expect("they were launched");
    assert_eq!(last, on_demand[0].created_at + Span::seconds(8), "two at once, eight by the second");
    let words = said(&run, "service.task_placement_failure");
    assert_eq!(
        words,
        [
            "(service web) was unable to place a task. Reason: You've reached the limit on the number of vCPUs you can run concurrently."
        ]
    );
    let told = plimsoll::report::refusals::fargate_paragraphs(&[vec![&run]]).replace("\n    ", " ");
    assert!(told.contains("base: FARGATE_SPOT refused ") && !told.contains("FARGATE refused"), "{told}");
    assert!(told.contains("Up to 1 vCPUs of 1 were in use; `fargateSpotVcpuQuota`"), "{told}");
    let refused: u32 = run.fargate_minutes.iter().map(|it| it.refused).sum();
    assert!(refused > 0 && run.fargate_minutes.iter().all(|it| it.without_capacity == 0));
}

#[test]
fn what_one_provider_refuses_does_not_hold_up_the_other() {
    let mixed = "capacityProviderStrategy: [{ capacityProvider: FARGATE, base: 2, weight: 1 }, { capacityProvider: FARGATE_SPOT, weight: 1 }]";
    let more = "timeline: [{ at: 1s, fargateCapacityUnavailable: { capacityProvider: FARGATE_SPOT } }]
applications: { web: { exit: { after: { constant: 11m }, code: 1 } } }";
    let run = run(&service(4, mixed, more));
    let again: Vec<_> = run.tasks.iter().filter(|it| it.created_at > Instant::START).collect();
    assert!(!again.is_empty() && again.iter().all(|it| it.capacity_provider.as_deref() == Some("FARGATE")));
    let first = again.iter().map(|it| it.created_at).min().expect("some");
    assert!(first < Instant::START + Span::seconds(11 * 60 + 40), "{first:?}: though Spot is tried again later");
}

#[test]
fn a_quota_that_was_left_leaves_room_again() {
    let more = "timeline: [{ at: 5m, updateService: { service: web, desiredCount: 4 } }]";
    let mut text = service(24, ON_DEMAND, more);
    text += "\nassumptions: { fargateDeprovisioningTime: 10s }";
    text = text.replace("services:\n", "services:\n  other: { taskDefinition: web, desiredCount: 4, launchType: FARGATE, networkConfiguration: { awsvpcConfiguration: {} } }\n");
    let run = run(&text);
    // `other` comes first, and leaves 20 tasks of the 24 that the quota holds.
    let of_web = |it: &&TaskLife| it.service == Some(1);
    assert_eq!(run.tasks.iter().filter(of_web).filter(|it| it.created_at == Instant::START).count(), 20);
    assert_eq!(run.tasks.iter().filter(of_web).filter(|it| it.stopping_at.is_some()).count(), 16);
    assert_eq!(running_at_end(&run), 8);
    let notes = story(&text).notes;
    let expected = "tasks on FARGATE may come to 7 vCPU, and the quota of the account is 6: the others wait until `fargateVcpuQuota` of `assumptions` is raised";
    assert!(notes.iter().any(|it| it == expected), "{notes:?}");
}

#[test]
fn the_note_on_the_quota_counts_deployments_and_standalone_tasks() {
    // A quota of six vCPUs; a service of twelve tasks of a quarter each is three.
    let note = |fields: &str, more: &str| {
        let larger = "taskDefinitions:
  large:
    requiresCompatibilities: [FARGATE]
    networkMode: awsvpc
    cpu: 1024
    memory: 2048
    containerDefinitions: [{ name: web, image: web, portMappings: [{ containerPort: 80 }] }]
";
        let text = service(12, &format!("{ON_DEMAND}\n    {fields}"), more).replace("taskDefinitions:\n", larger);
        let notes = story(&text).notes.into_iter().filter_map(|it| {
            let rest = it.strip_prefix("tasks on FARGATE may come to ")?;
            Some(rest.split(" until ").next()?.to_owned())
        });
        notes.collect::<Vec<String>>()
    };
    let deploy = "timeline: [{ at: 5m, deploy: { service: web, taskDefinition: large } }]";
    // Twelve large ones, and by maximumPercent as many small ones beside, half as many, or none.
    let said = |vcpu: &str| {
        vec![format!(
            "{vcpu} vCPU while deployments have old and new tasks, and the quota of the account is 6: the others wait"
        )]
    };
    assert_eq!(note("", deploy), said("15"));
    assert_eq!(note("deploymentConfiguration: { maximumPercent: 150 }", deploy), said("13.5"));
    let none = "deploymentConfiguration: { maximumPercent: 100, minimumHealthyPercent: 50 }";
    assert_eq!(note(none, deploy), ["12 vCPU, and the quota of the account is 6: the others wait"]);
    assert_eq!(
        note("", "timeline: [{ at: 25m, deploy: { service: web, taskDefinition: large } }]").len(),
        0,
        "after the end"
    );
    assert_eq!(note("", "timeline: [{ at: 5m, updateService: { service: web, forceNewDeployment: true } }]").len(), 0);
    // Eight halves from the first minute on, six more while those run or when they have ended.
    let jobs = |second: &str| {
        format!(
            "runTasks:
  one: {{ taskDefinition: web, at: 1m, count: 8, runTime: 5m, overrides: {{ cpu: 512, memory: 1 GB }}, launchType: FARGATE, networkConfiguration: {{ awsvpcConfiguration: {{}} }} }}
  all: {{ taskDefinition: web, at: [1m, {second}], count: 4, runTime: 5m, launchType: FARGATE, networkConfiguration: {{ awsvpcConfiguration: {{}} }} }}"
        )
    };
    let refused =
        "and the quota of the account is 6: the others wait, or are not started where `runTasks` asks for them,";
    assert_eq!(note("", &jobs("2m")), [format!("9 vCPU, {refused}")]);
    assert_eq!(note("", &jobs("10m")), [format!("8 vCPU, {refused}")]);
    // One that runs no time is there while it starts and stops.
    let short = "runTasks: { short: { taskDefinition: web, at: [1m, 2m], count: 16, runTime: 0s, launchType: FARGATE, networkConfiguration: { awsvpcConfiguration: {} } } }";
    assert_eq!(note("", short), [format!("7 vCPU, {refused}")]);
    let random = "runTasks: { all: { taskDefinition: web, arrivals: { poisson: { rate: 1/s } }, launchType: FARGATE, networkConfiguration: { awsvpcConfiguration: {} } } }";
    assert_eq!(note("", random).len(), 0);
    let both = format!("{random}\n{deploy}");
    assert!(
        note("", &both)[0]
            .starts_with("15 vCPU while deployments have old and new tasks, without those of random calls,")
    );
}

#[test]
fn tasks_spread_over_the_zones_of_their_subnets() {
    let cluster = "cluster:
  availabilityZones: [us-east-1a, us-east-1b, us-east-1c]
  subnets:
    b: { AvailabilityZone: us-east-1b, CidrBlock: 10.0.1.0/24 }
    a: { AvailabilityZone: us-east-1a, CidrBlock: 10.0.0.0/24 }
    c: { AvailabilityZone: us-east-1c, CidrBlock: 10.0.2.0/28 }
";
    let zones = |text: &str| -> Vec<char> {
        let run = run(text);
        let zones = run.tasks.iter().filter_map(|it| it.availability_zone.as_ref()?.chars().last());
        zones.collect()
    };
    let of = |subnets: &str, begin: &str| {
        let text = service(5, ON_DEMAND, &format!("{cluster}begin: {begin}"));
        zones(&text.replace("subnets: [subnet-a]", &format!("subnets: [{subnets}]")))
    };
    for begin in ["cold", "settled"] {
        assert_eq!(of("b, a", begin), ['b', 'a', 'b', 'a', 'b'], "in the order of the subnets");
        assert_eq!(of("a, b, c", begin), ['a', 'b', 'c', 'a', 'b']);
    }
    // Where there is no capacity in a zone, the others take all.
    let outage = "timeline: [{ at: 0s, fargateCapacityUnavailable: { capacityProvider: FARGATE, availabilityZone: us-east-1a, for: 5m } }]";
    let text = service(4, ON_DEMAND, &format!("{cluster}begin: cold\n{outage}"));
    assert_eq!(zones(&text.replace("subnets: [subnet-a]", "subnets: [a, b]")), ['b', 'b', 'b', 'b']);
}

#[test]
fn a_subnet_without_addresses_fails_the_task() {
    let cluster = "cluster: { subnets: { a: { AvailabilityZone: us-east-1a, AvailableIpAddressCount: 3 } }, availabilityZones: [us-east-1a] }\nbegin: cold";
    let text = service(5, ON_DEMAND, cluster).replace("subnets: [subnet-a]", "subnets: [a]");
    let run = run(&text);
    assert_eq!(running_at_end(&run), 3);
    assert!(said(&run, "task.no_address")[0].contains("InsufficientFreeAddressesInSubnet"));
}

#[test]
fn a_full_subnet_leaves_its_tasks_to_the_others() {
    let of = |begin: &str, count: u32| {
        let cluster = format!(
            "cluster:
  availabilityZones: [us-east-1a, us-east-1b]
  subnets:
    a: {{ AvailabilityZone: us-east-1a, AvailableIpAddressCount: 1 }}
    b: {{ AvailabilityZone: us-east-1b, AvailableIpAddressCount: 5 }}
begin: {begin}"
        );
        run(&service(count, ON_DEMAND, &cluster).replace("subnets: [subnet-a]", "subnets: [a, b]"))
    };
    for begin in ["cold", "settled"] {
        let run = of(begin, 6);
        assert_eq!(running_at_end(&run), 6, "one in the zone that is full then, five in the other");
        assert!(said(&run, "task.no_address").is_empty() && run.tasks.len() == 6, "{begin}");
        let in_a = run.tasks.iter().filter(|it| it.availability_zone.as_deref() == Some("us-east-1a"));
        assert_eq!(in_a.count(), 1);
    }
    let full = of("cold", 7);
    assert_eq!(running_at_end(&full), 6);
    assert!(said(&full, "task.no_address")[0].contains("InsufficientFreeAddressesInSubnet"), "all are full");
}

#[test]
fn a_launch_that_finds_no_capacity_is_none() {
    // Two at once, then one each second; at 10 s, when six have begun, capacity is gone.
    let more = "begin: cold
assumptions: { fargateLaunchBurst: 2, fargateLaunchesPerSecond: 1 }
timeline: [{ at: 10s, fargateCapacityUnavailable: { capacityProvider: FARGATE } }]";
    let run = run(&all_at_once(10, ON_DEMAND, more));
    let launched: u32 = run.fargate_minutes.iter().map(|it| it.launched).sum();
    let placed = run.tasks.iter().filter(|it| it.placed_at.is_some()).count();
    assert_eq!((launched as usize, placed), (6, 6));
    let first = &run.fargate_minutes[0];
    assert!(first.without_capacity >= 4 && first.refused == first.without_capacity, "{first:?}");
}

#[test]
fn costs_are_of_whole_seconds_since_the_pull() {
    let more = "begin: cold
applications: { web: { image: { size: 26MB }, shutdownTime: 1500ms } }
timeline: [{ at: 10m, updateService: { service: web, desiredCount: 0 } }]";
    for (fields, per_hour) in [(ON_DEMAND, 0.012_342_5), (SPOT, 0.33 * 0.012_342_5)] {
        let run = run(&service(3, fields, more));
        let mut expected = 0.0;
        for task in &run.tasks {
            let since = task.pull_started_at.expect("it was pulled");
            let lived = task.stopped_at.expect("it has stopped").since(since);
            assert_eq!(billed(lived), Span::seconds(lived.as_seconds().ceil() as u64));
            expected += billed(lived).as_hours() * per_hour;
        }
        assert!((run.cost.fargate_usd - expected).abs() < 1e-12, "{} {expected}", run.cost.fargate_usd);
        assert_eq!(run.cost.total_usd(), run.cost.fargate_usd);
        let last = run.fargate_minutes.last().expect("there are rows");
        assert_eq!((last.running, last.vcpu), (0, 0.0));
        assert!((last.cost_usd - expected).abs() < 1e-12);
    }
    // A task of seconds costs a minute; ARM64 and storage have prices of their own.
    let short = "begin: cold\napplications: { web: { shutdownTime: 0s } }
timeline: [{ at: 32s, updateService: { service: web, desiredCount: 0 } }]";
    let arm = service(1, ON_DEMAND, short).replace(
        "cpu: 256",
        "runtimePlatform: { cpuArchitecture: ARM64 }\n    ephemeralStorage: { sizeInGiB: 120 }\n    cpu: 256",
    );
    let run = run(&arm);
    let hour = 0.25 * 0.03238 + 0.5 * 0.00356 + 100.0 * 0.000_111;
    assert!((run.cost.fargate_usd - hour / 60.0).abs() < 1e-12, "{}", run.cost.fargate_usd);
}

#[test]
fn an_image_larger_than_the_storage_never_runs() {
    let more = "begin: cold\napplications: { web: { image: { size: 7GB } } }";
    let text = service(1, ON_DEMAND, more);
    let run = run(&text);
    assert!(run.tasks.iter().all(|it| it.running_at.is_none()));
    assert_eq!(run.tasks[0].stop_code, Some("TaskFailedToStart"));
    assert!(run.tasks[0].stopped_reason.as_ref().is_some_and(|it| it.contains("no space left on device")));
    assert!(story(&text).notes.iter().any(|it| it.contains("its images take 22.8 GiB")), "{:?}", story(&text).notes);
    let larger = text.replace("cpu: 256", "ephemeralStorage: { sizeInGiB: 23 }\n    cpu: 256");
    assert_eq!(running_at_end(&self::run(&larger)), 1);
}

/// Behind a load balancer, with requests and a policy.
fn behind_a_load_balancer(fields: &str, rate: u32, more: &str) -> String {
    let fields =
        format!("{fields}\n    loadBalancers: [{{ targetGroupArn: web, containerName: web, containerPort: 80 }}]");
    let more = format!(
        "targetGroups: {{ web: {{ TargetType: ip, HealthCheckIntervalSeconds: 5, HealthCheckTimeoutSeconds: 2, HealthyThresholdCount: 2, deregistrationDelay: 30s }} }}
workloads: {{ visitors: {{ service: web, arrivals: {{ poisson: {{ rate: {rate}/s }} }} }} }}
{more}"
    );
    service(4, &fields, &more)
}

#[test]
fn a_service_on_fargate_serves_and_scales() {
    let more = "applications: { web: { cpuTime: 10ms, image: { size: 65MB } } }
scalableTargets: { web: { MinCapacity: 2, MaxCapacity: 20 } }
scalingPolicies:
  follow:
    service: web
    PolicyType: TargetTrackingScaling
    TargetTrackingScalingPolicyConfiguration: { TargetValue: 50, PredefinedMetricSpecification: { PredefinedMetricType: ECSServiceAverageCPUUtilization } }";
    let run = run(&behind_a_load_balancer(ON_DEMAND, 80, more));
    let counts = &run.requests[0].counts;
    assert!(counts.arrived > 90_000 && counts.failed() == 0, "{counts:?}");
    // 80 requests of 10 ms are 0.8 vCPU of the 1 there is: 80 %, so that 50 % takes 7 tasks.
    let busy = run.service_minutes[1].cpu_percent.expect("tasks run");
    assert!((busy - 80.0).abs() < 3.0, "{busy}");
    let last = run.service_minutes.last().expect("there are minutes");
    assert_eq!((last.desired_count, last.running_count), (7, 7));
    assert!((last.cpu_percent.expect("tasks run") - 80.0 * 4.0 / 7.0).abs() < 3.0);
    assert!(run.instances.is_empty() && run.capacity_minutes.is_empty());
    let files = report::files(&run);
    for name in ["fargate.csv", "fargate.svg"] {
        assert!(files.iter().any(|it| it.0 == name), "{name}");
    }
}

/// What a task is given is what its definition says, whoever else is busy: a quarter of a vCPU stretches 10 ms to 40 ms.
#[test]
fn tasks_have_no_neighbours() {
    let more = "applications: { web: { cpuTime: 10ms } }\nassumptions: { sameZoneRoundTrip: 0s, otherZoneRoundTrip: 0s, awsvpcLatency: 0s }";
    let quiet = run(&behind_a_load_balancer(ON_DEMAND, 1, more));
    let loud = "  loud: { taskDefinition: web, desiredCount: 8, launchType: FARGATE, networkConfiguration: { awsvpcConfiguration: {} } }\n";
    let text = behind_a_load_balancer(ON_DEMAND, 1, more).replace("services:\n", &format!("services:\n{loud}"));
    let beside = run(&text);
    let p50 = |run: &Run, service: usize| run.requests[service].response_time_ms.p50.expect("requests were served");
    assert!((p50(&quiet, 0) - 40.0).abs() < 1.0, "{}", p50(&quiet, 0));
    assert_eq!(p50(&quiet, 0), p50(&beside, 1));
}

#[test]
fn memory_is_a_hard_limit_of_the_task() {
    let more = "applications: { web: { memory: { base: 100MiB, leakPerHour: 2400MiB } } }";
    let run = run(&service(1, ON_DEMAND, more));
    let first = &run.tasks[0];
    assert_eq!((first.stop_code, first.exit_code), (Some("EssentialContainerExited"), Some(137)));
    // 412 MiB at 40 MiB a minute.
    assert!((seconds(first.stopping_at) - 618.0).abs() < 2.0, "{}", seconds(first.stopping_at));
}

#[test]
fn spot_interrupts_with_a_warning_and_replaces_on_spot_alone() {
    let more = "applications: { web: { cpuTime: 5ms, shutdownTime: 100s, image: { size: 13MB } } }
timeline: [{ at: 5m, interruptFargateSpot: { service: web, share: 0.5 } }]";
    let text = behind_a_load_balancer(SPOT, 20, more)
        .replace("image: web, portMappings", "image: web, stopTimeout: 90, portMappings");
    let run = run(&text);
    let notice = Instant::START + Span::seconds(300);
    let interrupted: Vec<&TaskLife> = run.tasks.iter().filter(|it| it.stop_code == Some("SpotInterruption")).collect();
    assert_eq!(interrupted.len(), 2);
    for task in interrupted {
        assert_eq!(
            task.stopping_at,
            Some(notice),
            "SIGTERM comes with the warning: nothing waits for the target group"
        );
        assert_eq!(task.stopped_at, Some(notice + Span::seconds(90 + 10)), "stopTimeout, and DEPROVISIONING");
        assert_eq!(
            (task.exit_code, task.stopped_reason.as_deref()),
            (Some(137), Some("Your Spot Task was interrupted."))
        );
    }
    let replacements: Vec<&TaskLife> = run.tasks.iter().filter(|it| it.created_at > Instant::START).collect();
    assert_eq!(replacements.len(), 2);
    for task in replacements {
        assert_eq!(task.created_at, notice + Span::seconds(5), "the service hears of the notice");
        assert_eq!(task.capacity_provider.as_deref(), Some("FARGATE_SPOT"));
    }
    assert_eq!(running_at_end(&run), 4);
    let states: Vec<(Instant, &str)> =
        run.target_changes.iter().filter(|it| it.task < 2 && it.at >= notice).map(|it| (it.at, it.state)).collect();
    let gone = notice + Span::seconds(90);
    assert_eq!(states, [(notice, "draining"), (notice, "draining"), (gone, "unused"), (gone, "unused")]);
    assert_eq!(run.requests[0].counts.failed(), 0, "targets that drain get nothing new");
}

#[test]
fn no_task_outlives_its_spot_interruption() {
    let more = "applications: { web: { shutdownTime: 20s } }
timeline:
  - { at: 5m, updateService: { service: web, desiredCount: 2 } }
  - { at: 6m, interruptFargateSpot: { share: 1 } }
  - { at: 7m, interruptFargateSpot: { share: 1 } }";
    let text = behind_a_load_balancer(SPOT, 20, more).replace("deregistrationDelay: 30s", "deregistrationDelay: 300s");
    let notice = Instant::START + Span::seconds(360);
    let run = run(&text);
    let of = |code: &str| -> Vec<&TaskLife> {
        let first = run.tasks.iter().filter(|it| it.created_at == Instant::START);
        first.filter(|it| it.stop_code == Some(code)).collect()
    };
    let (leaving, interrupted) = (of("ServiceSchedulerInitiated"), of("SpotInterruption"));
    assert_eq!((leaving.len(), interrupted.len()), (2, 2));
    for task in leaving {
        // They would wait until 10m05s for their targets.
        assert_eq!(task.stopping_at, Some(Instant::START + Span::seconds(305)));
        assert_eq!(task.stopped_at, Some(notice + Span::seconds(120 + 10)), "killed, and DEPROVISIONING");
        assert_eq!(task.exit_code, Some(137));
    }
    for task in interrupted {
        assert_eq!((task.stopped_at, task.exit_code), (Some(notice + Span::seconds(20 + 10)), Some(0)));
    }
    let warned = said(&run, "timeline.interrupt_fargate_spot");
    assert!(warned[0].starts_with("4 tasks"), "{warned:?}");
    assert!(warned[1].starts_with("2 tasks"), "those that have a notice get no second one: {warned:?}");
}

/// 5.4: nobody replaces a standalone task that Spot has interrupted.
#[test]
fn standalone_tasks_on_spot_are_not_replaced() {
    let more = "runTasks: { jobs: { taskDefinition: web, at: 1m, count: 3, capacityProviderStrategy: [{ capacityProvider: FARGATE_SPOT, weight: 1 }], networkConfiguration: { awsvpcConfiguration: {} } } }
timeline: [{ at: 5m, interruptFargateSpot: { share: 1 } }]";
    let run = run(&service(0, ON_DEMAND, more));
    assert_eq!(run.tasks.len(), 3);
    for task in &run.tasks {
        assert_eq!(
            (task.stop_code, task.capacity_provider.as_deref()),
            (Some("SpotInterruption"), Some("FARGATE_SPOT"))
        );
        assert_eq!(task.stopping_at, Some(Instant::START + Span::seconds(300)));
    }
}

/// Services replace what is retired as a deployment would; nobody replaces standalone tasks; what came after the notice stays.
#[test]
fn retired_tasks_are_replaced_within_the_bounds() {
    let at = |seconds: u64| Instant::START + Span::seconds(seconds);
    let of = |fields: &str| {
        let more = "applications: { web: { shutdownTime: 5s } }
runTasks: { job: { taskDefinition: web, at: [1m, 3m], launchType: FARGATE, networkConfiguration: { awsvpcConfiguration: {} } } }
timeline:
  - { at: 2m, retireFargateTasks: { notice: 3m } }
  - { at: 3m, updateService: { service: web, desiredCount: 5 } }";
        run(&behind_a_load_balancer(&format!("{ON_DEMAND}\n    {fields}"), 10, more))
    };
    let reason = Some("ECS is performing maintenance on the underlying infrastructure hosting the task.");
    let usual = of("");
    let retired: Vec<&TaskLife> = usual.tasks.iter().filter(|it| it.stopped_reason.as_deref() == reason).collect();
    let (services, jobs): (Vec<&TaskLife>, Vec<&TaskLife>) = retired.into_iter().partition(|it| it.service.is_some());
    assert_eq!((services.len(), jobs.len()), (4, 1), "neither the fifth nor the second job");
    assert_eq!((jobs[0].stopping_at, jobs[0].stop_code), (Some(at(300)), Some("TerminationNotice")));
    let replacements: Vec<&TaskLife> = usual.tasks.iter().filter(|it| it.created_at > at(300)).collect();
    assert_eq!(replacements.len(), 4);
    let healthy = replacements.iter().filter_map(|it| it.healthy_at).min().expect("they come");
    for task in services {
        assert!(task.created_at == Instant::START && task.stop_code == Some("ServiceSchedulerInitiated"));
        assert!(task.stopping_at.expect("it stops") >= healthy, "none goes before another is there");
    }
    assert_eq!((usual.requests[0].counts.failed(), running_at_end(&usual)), (0, 6));
    // Without room above the desired count, half of five go first.
    let tight = of("deploymentConfiguration: { minimumHealthyPercent: 50, maximumPercent: 100 }");
    let mut stopping: Vec<Instant> = tight
        .tasks
        .iter()
        .filter(|it| it.service.is_some() && it.stopped_reason.as_deref() == reason)
        .filter_map(|it| it.stopping_at)
        .collect();
    stopping.sort_unstable();
    assert_eq!((stopping.len(), stopping[0], stopping[1]), (4, at(305), at(305)));
    assert!(stopping[2] > at(305));
    let told = said(&tight, "timeline.retire_fargate_tasks");
    assert!(told[0].starts_with("5 tasks on Fargate will be retired after 3m: "), "{told:?}");
    let late = "timeline: [{ at: 2m, retireFargateTasks: { service: web } }]";
    let notes = story(&service(1, ON_DEMAND, late)).notes;
    let note =
        "`timeline`: `retireFargateTasks` at 2m has a `notice` of 7d: the tasks are retired after the end of the run";
    assert!(notes.iter().any(|it| it == note), "{notes:?}");
}

#[test]
fn what_is_retired_is_replaced_by_the_same_shares() {
    let mixed = "capacityProviderStrategy: [{ capacityProvider: FARGATE, base: 2, weight: 0 }, { capacityProvider: FARGATE_SPOT, weight: 1 }]";
    let run = run(&service(4, mixed, "timeline: [{ at: 5m, retireFargateTasks: { service: web, notice: 0s } }]"));
    let left = run.tasks.iter().filter(|it| it.stopping_at.is_none());
    let mut providers: Vec<&str> = left.filter_map(|it| it.capacity_provider.as_deref()).collect();
    providers.sort_unstable();
    assert_eq!((run.tasks.len(), providers), (8, vec!["FARGATE", "FARGATE", "FARGATE_SPOT", "FARGATE_SPOT"]));
}

#[test]
fn containers_that_stop_in_turn_have_two_minutes_together() {
    let more = "applications: { web: { shutdownTime: 100s }, side: { shutdownTime: 100s } }
timeline: [{ at: 5m, interruptFargateSpot: { count: 1 } }]";
    let both = "{ name: side, image: side, stopTimeout: 110 }, { name: web, image: web, stopTimeout: 110, dependsOn: [{ containerName: side, condition: START }],";
    let run = run(&service(1, SPOT, more).replace("{ name: web, image: web,", both));
    let task = run.tasks.iter().find(|it| it.stop_code == Some("SpotInterruption")).expect("one was interrupted");
    assert_eq!(task.stopped_at, Some(Instant::START + Span::seconds(300 + 120 + 10)));
    let codes: Vec<_> = task.containers.iter().map(|it| it.exit_code).collect();
    assert_eq!((codes, task.exit_code), (vec![Some(137), Some(0)], Some(137)));
}

#[test]
fn a_spot_task_that_stays_registered_loses_requests() {
    let more = "applications: { web: { cpuTime: 5ms, shutdownTime: 1s } }
assumptions: { fargateSpotDeregistersAtWarning: false }
timeline: [{ at: 5m, interruptFargateSpot: { count: 1 } }]";
    let run = run(&behind_a_load_balancer(SPOT, 20, more));
    let notice = Instant::START + Span::seconds(300);
    let changes: Vec<(Instant, &str)> =
        run.target_changes.iter().filter(|it| it.task == 0 && it.at >= notice).map(|it| (it.at, it.state)).collect();
    assert_eq!(changes.last(), Some(&(notice + Span::seconds(11), "unused")), "when it is STOPPED: {changes:?}");
    // A quarter of 20 requests a second, until its health checks have failed.
    let failed = run.requests[0].counts.elb_502;
    assert!((10..=60).contains(&failed), "{failed}");
}

#[test]
fn spot_without_capacity_waits_and_on_demand_goes_on() {
    let both = "capacityProviderStrategy: [{ capacityProvider: FARGATE, weight: 1, base: 1 }, { capacityProvider: FARGATE_SPOT, weight: 3 }]";
    let more = "begin: cold
timeline: [{ at: 0s, fargateCapacityUnavailable: { capacityProvider: FARGATE_SPOT, for: 3m } }]";
    let run = run(&all_at_once(9, both, more));
    let of =
        |name: &str| run.tasks.iter().filter(|it| it.capacity_provider.as_deref() == Some(name)).collect::<Vec<_>>();
    let (on_demand, spot) = (of("FARGATE"), of("FARGATE_SPOT"));
    assert_eq!((on_demand.len(), spot.len()), (3, 6), "WE-79");
    assert!(on_demand.iter().all(|it| it.created_at == Instant::START + Span::seconds(5)));
    assert!(spot.iter().all(|it| it.created_at >= Instant::START + Span::seconds(180)));
    assert_eq!(
        said(&run, "service.task_placement_failure")[0],
        "(service web) was unable to place a task. Reason: Capacity is unavailable at this time. Please try again later or in a different availability zone."
    );
}

#[test]
fn a_surplus_leaves_the_providers_by_their_shares() {
    let both = "capacityProviderStrategy: [{ capacityProvider: FARGATE, weight: 1, base: 1 }, { capacityProvider: FARGATE_SPOT, weight: 3 }]";
    for (desired, on_demand, spot) in [(5, 2, 3), (2, 1, 1), (1, 1, 0)] {
        let more = format!("timeline: [{{ at: 2m, updateService: {{ service: web, desiredCount: {desired} }} }}]");
        let run = run(&service(9, both, &more));
        let left = |name: &str| {
            let stays = |it: &&TaskLife| it.stopping_at.is_none() && it.capacity_provider.as_deref() == Some(name);
            run.tasks.iter().filter(stays).count()
        };
        assert_eq!((left("FARGATE"), left("FARGATE_SPOT")), (on_demand, spot), "of 3 and 6");
    }
}

#[test]
fn standalone_tasks_run_on_fargate() {
    let more = "runTasks:
  jobs:
    taskDefinition: web
    at: 1m
    count: 30
    runTime: 2m
    overrides: { cpu: 512, memory: 1 GB }
    launchType: FARGATE
    networkConfiguration: { awsvpcConfiguration: { subnets: [a] } }";
    let run = run(&service(0, ON_DEMAND, more));
    assert_eq!(run.tasks.len(), 12, "six vCPUs for halves");
    for task in &run.tasks {
        assert_eq!((task.cpu_units, task.capacity_provider.as_deref()), (512, Some("FARGATE")));
        assert_eq!(start_time(task), 25.0);
        assert_eq!(seconds(task.stopped_at), 60.0 + 25.0 + 120.0 + 10.0);
    }
    let failed = said(&run, "task.run_task_failed");
    assert!(
        failed[0].ends_with("8 You've reached the limit on the number of vCPUs you can run concurrently."),
        "{failed:?}"
    );
    let expected = 12.0 * (0.5 * 0.04048 + 0.004445) * 135.0 / 3600.0;
    assert!((run.cost.fargate_usd - expected).abs() < 1e-9, "{} {expected}", run.cost.fargate_usd);
}

/// Forty calls of ten at once: twenty are taken, the others are tried twice more.
#[test]
fn calls_for_tasks_on_fargate_are_throttled_and_made_again() {
    let of = |attempts: u32| {
        let more = format!(
            "assumptions: {{ fargateVcpuQuota: 1000, runTaskMaxAttempts: {attempts} }}
runTasks: {{ jobs: {{ taskDefinition: web, at: 1m, count: 1200, runTime: 2m, launchType: FARGATE, networkConfiguration: {{ awsvpcConfiguration: {{}} }} }} }}"
        );
        run(&service(0, ON_DEMAND, &more))
    };
    let at = |run: &Run| run.tasks.iter().map(|it| it.created_at.as_seconds()).collect::<Vec<f64>>();
    let once = of(1);
    assert_eq!(once.tasks.len(), 200);
    assert_eq!(once.run_task_totals[0].failures.iter().collect::<Vec<_>>(), [(&THROTTLED, &1000)]);
    assert_eq!((once.run_task_totals[0].failed_calls, once.run_task_totals[0].throttled), (100, 100));
    let thrice = of(3);
    let totals = &thrice.run_task_totals[0];
    assert_eq!(totals.asked, thrice.tasks.len() as u64 + totals.failed());
    // Within a second of the first and two of the second attempt at most 20 come back each second.
    assert!((201..=800).contains(&thrice.tasks.len()), "{}", thrice.tasks.len());
    assert!(at(&thrice).iter().all(|it| (60.0..63.0).contains(it)));
    assert!(at(&thrice).iter().filter(|it| **it > 60.0).count() > 200);
    let minute = thrice.run_task_minutes.iter().find(|it| it.minute == 1).expect("a row for each minute");
    assert_eq!((minute.asked, minute.throttled), (1200, totals.throttled));
    let told = report::refusals::fargate_paragraphs(&[vec![&once]]);
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        told.contains("base: calls of RunTask were throttled 100 times, first at 1m, and 1 000 tasks were not started"),
        "{told}"
    );
    let patient = of(100);
    assert_eq!((patient.tasks.len(), patient.run_task_totals[0].failed()), (1200, 0));
    let calls = at(&patient);
    for (place, from) in calls.iter().enumerate() {
        for (later, to) in calls.iter().enumerate().skip(place) {
            assert!((later - place + 1) as f64 <= 10.0 * (20.0 + (to - from) * 20.0) + 1e-6);
        }
    }
}

/// Interruptions by a rate are a Poisson process over the time that Spot tasks live.
#[test]
fn the_rate_of_interruptions_is_kept() {
    let more = "assumptions: { fargateSpotInterruptionsPerHour: 2, fargateSpotVcpuQuota: 100 }\napplications: { web: { shutdownTime: 0s } }";
    let text = service(200, SPOT, more).replace("duration: 20m", "duration: 2h");
    let run = run(&text);
    let end = Instant::START + run.simulated;
    let hours: f64 =
        run.tasks.iter().filter_map(|it| Some(it.stopping_at.unwrap_or(end).since(it.placed_at?).as_hours())).sum();
    let count = run.tasks.iter().filter(|it| it.stop_code == Some("SpotInterruption")).count() as f64;
    let (expected, deviation) = (2.0 * hours, libm::sqrt(2.0 * hours));
    assert!(hours > 300.0 && (count - expected).abs() < 4.0 * deviation, "{count} of {expected}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever is wanted: never more vCPUs than the quota, never faster than the bucket, and both are used as far as it goes.
    #[test]
    fn quota_and_bucket_hold(
        quota in 0_u32..8,
        burst in 1_u32..12,
        rate in 1_u32..5,
        first in 0_u32..40,
        second in 0_u32..40,
        is_spot: bool,
    ) {
        let kind = if is_spot { "Spot" } else { "" };
        let more = format!(
            "begin: cold
assumptions: {{ fargate{kind}VcpuQuota: {quota}, fargate{kind}LaunchBurst: {burst}, fargate{kind}LaunchesPerSecond: {rate} }}
timeline: [{{ at: 7m, updateService: {{ service: web, desiredCount: {second} }} }}]"
        );
        let run = run(&service(first, if is_spot { SPOT } else { ON_DEMAND }, &more));
        let mut changes: Vec<(Instant, i64)> = Vec::new();
        for task in &run.tasks {
            changes.push((task.created_at, 1));
            changes.extend(task.stopped_at.map(|at| (at, -1)));
        }
        changes.sort_unstable();
        let mut tasks = 0;
        for (_, change) in changes {
            tasks += change;
            prop_assert!(tasks <= i64::from(quota) * 4, "a quarter of a vCPU each");
        }
        let mut launches: Vec<Instant> = run.tasks.iter().filter_map(|it| it.placed_at).collect();
        launches.sort_unstable();
        for (place, from) in launches.iter().enumerate() {
            for (later, to) in launches.iter().enumerate().skip(place) {
                let most = f64::from(burst) + to.since(*from).as_seconds() * f64::from(rate);
                prop_assert!((later - place + 1) as f64 <= most + 1e-9);
            }
        }
        prop_assert_eq!(running_at_end(&run), (quota * 4).min(second) as usize);
        let capacity = if is_spot { FargateCapacity::Spot } else { FargateCapacity::OnDemand };
        prop_assert!(run.fargate_minutes.iter().all(|it| it.capacity == capacity && it.vcpu <= f64::from(quota)));
    }
}
