//! Refusals are explained: counts, amounts, pieces, and what follows.

use plimsoll::aws::launch::Launcher;
use plimsoll::aws::placement::Reason;
use plimsoll::report::{files, refusals};
use plimsoll::run::{RefusalOutcome, Run};
use plimsoll::table::Id;
use plimsoll::units::{Instant, Span};

use crate::stories::run;

/// The paragraphs of a run in one line, so that it does not matter where lines break.
fn told(run: &Run) -> String {
    refusals::paragraphs(&[vec![run]]).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn says(run: &Run, words: &[&str]) {
    let told = told(run);
    for words in words {
        assert!(told.contains(words), "{words:?} is not in {told}");
    }
}

fn csv(run: &Run) -> Vec<std::collections::BTreeMap<String, String>> {
    let files = files(run);
    let (_, bytes) = files.iter().find(|(name, _)| *name == "placement_refusals.csv").expect("something was refused");
    let mut reader = csv::Reader::from_reader(&bytes[..]);
    reader.deserialize().map(|it| it.expect("a row is as its header")).collect()
}

/// Eight tasks of 1536 MiB, two on each of four m5.large, and a report.
fn q23(report: &str) -> String {
    format!(
        "duration: 30m
cluster: {{ availabilityZones: [us-east-1a] }}
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 4, MaxSize: 4 }} }}
taskDefinitions:
  web: {{ containerDefinitions: [{{ name: web, image: web, cpu: 512, memory: 1536 }}] }}
  report: {{ containerDefinitions: [{{ name: report, image: report, {report} }}] }}
services:
  web: {{ taskDefinition: web, desiredCount: 8 }}
  report: {{ taskDefinition: report, desiredCount: 1 }}
"
    )
}

/// Eight tasks of 1536 MiB, two on each of four m5.large (7811 MiB): 4739 MiB are left on each, 18,956 in all.
#[test]
fn the_terminal_and_the_csv_name_fragmentation() {
    let run = run(&q23("cpu: 1024, memory: 6144"));
    says(
        &run,
        &[
            "base: 1 task of service `report` found no instance, from 00:00:05 to the end (29m55s); 12 attempts: memory \
             (closest i-00000, 1 405 MiB short).",
            "The closest matching (container-instance i-00000) has insufficient memory available.",
            "At 00:00:05, of 4 instances, by what each fails for first: memory 4.",
            "4 739 MiB left of 7 811, 6 144 MiB wanted, 1 405 too few.",
            "All 4 instances that it may use have 18 956 MiB left together, but no more than 4 739 MiB in one piece: what \
             is free is fragmented.",
            "It would fit on i-00000 if 1 task of `web` stood on i-00001: `web` is not packed (`binpack` by `memory` keeps such room together)",
            "A new m5.large would hold it, but `nodes` is at its MaxSize of 4.",
        ],
    );
    let rows = csv(&run);
    let [row] = &rows[..] else { panic!("nothing changes, so there is one row: {rows:?}") };
    for (column, value) in [
        ("time_s", "5.0"),
        ("attempts", "12"),
        ("service", "report"),
        ("task_definition", "report:1"),
        ("tasks_count", "1"),
        ("instances_count", "4"),
        ("cpu_count", "0"),
        ("memory_count", "4"),
        ("closest_instance", "i-00000"),
        ("reason", "memory"),
        ("wanted", "6144"),
        ("left", "4739"),
        ("registered", "7811"),
        ("usable_instances_count", "4"),
        ("left_in_all", "18956"),
        ("largest_piece", "4739"),
        ("outcome", "retried"),
        ("placed_s", ""),
    ] {
        assert_eq!(row[column], value, "{column}");
    }
    let last: f64 = row["last_time_s"].parse().expect("a number");
    let retried: f64 = row["retry_s"].parse().expect("a number");
    assert_eq!(retried, last + 300.0, "the slow cadence");
}

/// The moves that an explanation names do make room: with the task where it says, the refused one fits by its own figures.
#[test]
fn moves_that_are_named_make_room() {
    let run = run(&q23("cpu: 1024, memory: 7500"));
    let row = &run.placement_refusals[0];
    let explanation = row.explanation.as_ref().expect("it stood longest");
    let shortage = row.refusal.closest.as_ref().and_then(|it| it.shortage).expect("memory can be counted");
    assert_eq!(explanation.moves.len(), 2, "{explanation:?}");
    assert!(
        explanation
            .moves
            .iter()
            .all(|it| it.from == "i-00000" && it.to != "i-00000" && it.launcher == Launcher::Service(Id::new(0)))
    );
    assert!(shortage.left + 2 * 1536 >= shortage.wanted && shortage.left + 1536 < shortage.wanted);
}

/// 8192 MiB never fit an m5.large, which registers 7811 (WE-11 of its kind), with a provider that would launch more of them too.
#[test]
fn what_no_instance_could_ever_hold_waits_in_provisioning() {
    let text = "duration: 30m
autoScalingGroups: { nodes: { InstanceType: m5.large, MinSize: 1, MaxSize: 4 } }
capacityProviders:
  nodes: { autoScalingGroupProvider: { autoScalingGroupArn: nodes, managedScaling: { status: ENABLED } } }
taskDefinitions: { big: { containerDefinitions: [{ name: big, image: big, memory: 8192 }] } }
services:
  big: { taskDefinition: big, desiredCount: 2, capacityProviderStrategy: [{ capacityProvider: nodes, weight: 1 }] }
";
    let run = run(text);
    let row = &run.placement_refusals[0];
    assert_eq!((row.tasks, row.outcome), (2, RefusalOutcome::WaitsInProvisioning));
    assert_eq!(run.unplaced_at_end.len(), 1);
    says(
        &run,
        &[
            "2 tasks of service `big` found no instance",
            "has insufficient memory available.",
            "No m5.large of `nodes` could ever hold it: of its 8 GiB it has 7 811 MiB, and 8 192 are wanted.",
        ],
    );
}

/// WE-6: four tasks with one static host port on three instances; a fourth instance brings the fourth.
#[test]
fn a_static_port_is_named_with_who_has_it() {
    let text = "duration: 30m
autoScalingGroups: { nodes: { InstanceType: t3.medium, MinSize: 3, MaxSize: 4, DesiredCapacity: 3 } }
taskDefinitions:
  web: { containerDefinitions: [{ name: web, image: web, memory: 128, portMappings: [{ containerPort: 80, hostPort: 80 }] }] }
services: { web: { taskDefinition: web, desiredCount: 4 } }
timeline: [{ at: 10m, updateAutoScalingGroup: { autoScalingGroup: nodes, DesiredCapacity: 4 } }]
";
    let run = run(text);
    let row = &run.placement_refusals[0];
    assert_eq!((row.refusal.counts[&Reason::Port], row.tasks), (3, 1));
    let placed_at = row.placed_at.expect("the fourth instance takes it");
    assert!(placed_at > Instant::START + Span::seconds(600), "{placed_at}");
    assert!(run.unplaced_at_end.is_empty());
    says(
        &run,
        &[
            "1 task of service `web` found no instance at first, from 00:00:05",
            "TCP host port 80 is taken on 3 instances, on the first by (task t-00001) of service `web`.",
            "A new t3.medium would hold it, but nothing makes `nodes` launch one (desired capacity 3 of at most 4)",
        ],
    );
}

/// WE-36: distinctInstance, five wanted on three instances.
#[test]
fn distinct_instances_are_named() {
    let text = "duration: 10m
autoScalingGroups: { nodes: { InstanceType: t3.medium, MinSize: 3, MaxSize: 3 } }
taskDefinitions: { web: { containerDefinitions: [{ name: web, image: web, memory: 128 }] } }
services: { web: { taskDefinition: web, desiredCount: 5, placementConstraints: [{ type: distinctInstance }] } }
";
    let run = run(text);
    assert_eq!(run.placement_refusals[0].tasks, 2);
    says(
        &run,
        &[
            "encountered error \"DistinctInstance placement constraint unsatisfied.\".",
            "A task of the service is there already: i-00000, i-00001, i-00002.",
        ],
    );
}

/// Constraints, zones, architectures and the other dimension are told apart, though ECS has one word for some of them.
#[test]
fn what_ecs_calls_a_missing_attribute_is_told_apart() {
    let of = |group: &str, definition: &str, service: &str| {
        run(&format!(
            "duration: 10m
cluster:
  availabilityZones: [us-east-1a, us-east-1b]
  subnets: {{ subnet-b: {{ AvailabilityZone: us-east-1b, CidrBlock: 10.0.0.0/24 }} }}
autoScalingGroups: {{ nodes: {{ InstanceType: {group}, availabilityZones: [us-east-1a], MinSize: 2, MaxSize: 2 }} }}
taskDefinitions:
  web: {{ {definition}, containerDefinitions: [{{ name: web, image: web, cpu: 128, memory: 128 }}] }}
services: {{ web: {{ taskDefinition: web, desiredCount: 1, {service} }} }}
"
        ))
    };
    let zone =
        of("m5.large", "networkMode: awsvpc", "networkConfiguration: { awsvpcConfiguration: { subnets: [subnet-b] } }");
    says(
        &zone,
        &[
            "is missing an attribute required by your task.",
            "by what each fails for first: zone 2.",
            "The service's subnets are subnet-b in us-east-1b; 2 instances in us-east-1a.",
        ],
    );
    let architecture = of("m7g.large", "runtimePlatform: { cpuArchitecture: X86_64 }", "");
    says(
        &architecture,
        &[
            "is missing an attribute required by your task.",
            "by what each fails for first: attribute 2.",
            "`web:1` is for X86_64 (attribute `ecs.cpu-architecture`), but 2 instances ARM64.",
        ],
    );
    let constraint = "placementConstraints: [{ type: memberOf, expression: 'attribute:disk == ssd' }]";
    says(
        &of("m5.large, attributes: { disk: hdd }", "networkMode: bridge", constraint),
        &["The constraint `attribute:disk == ssd` does not select 2 instances: their `disk` is hdd."],
    );
    says(
        &of("m5.large", "networkMode: bridge", constraint),
        &["does not select 2 instances: they have no attribute `disk`."],
    );
}

/// CPU is left on one instance and memory on the other.
#[test]
fn each_has_what_the_other_lacks() {
    let text = "duration: 10m
cluster: { availabilityZones: [us-east-1a] }
autoScalingGroups:
  a: { InstanceType: m5.large, MinSize: 1, MaxSize: 1 }
  b: { InstanceType: c5.xlarge, MinSize: 1, MaxSize: 1, attributes: { big: 'yes' } }
taskDefinitions:
  cpu: { containerDefinitions: [{ name: cpu, image: cpu, cpu: 1900, memory: 100 }] }
  memory: { containerDefinitions: [{ name: memory, image: memory, cpu: 100, memory: 6000 }] }
  both: { containerDefinitions: [{ name: both, image: both, cpu: 1024, memory: 4096 }] }
services:
  cpu: { taskDefinition: cpu, desiredCount: 1, placementConstraints: [{ type: memberOf, expression: 'attribute:big !exists' }] }
  memory: { taskDefinition: memory, desiredCount: 1, placementConstraints: [{ type: memberOf, expression: 'attribute:big exists' }] }
  both: { taskDefinition: both, desiredCount: 1 }
";
    says(
        &run(text),
        &[
            "by what each fails for first: CPU 1, memory 1.",
            "Of 2 instances that it may use: 1 with enough CPU, 1 with enough memory, none with enough of everything.",
        ],
    );
}

/// A run in which every task finds its instance has no such file and says nothing.
#[test]
fn nothing_is_said_where_nothing_was_refused() {
    let run = run(&q23("cpu: 512, memory: 1024"));
    assert!(run.placement_refusals.is_empty());
    assert_eq!(refusals::paragraphs(&[vec![&run]]), "");
    assert!(files(&run).iter().all(|(name, _)| *name != "placement_refusals.csv"));
}

/// Jobs that come all the time: those that wait at the end are others than those that waited at first.
#[test]
fn jobs_that_come_all_the_time_found_no_instance_at_some_time() {
    let text = |arrivals: &str| {
        format!(
            "duration: 1h
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 1, MaxSize: 1 }} }}
capacityProviders: {{ nodes: {{ autoScalingGroupProvider: {{ autoScalingGroupArn: nodes, managedScaling: {{ status: ENABLED }} }} }} }}
taskDefinitions: {{ job: {{ containerDefinitions: [{{ name: job, cpu: 2048, memory: 1024 }}] }} }}
runTasks: {{ jobs: {{ taskDefinition: job, arrivals: {{ {arrivals} }}, runTime: 10m, capacityProviderStrategy: [{{ capacityProvider: nodes, weight: 1 }}] }} }}
assumptions: {{ provisioningTimeout: 2h }}
"
        )
    };
    let going_on = told(&run(&text("constant: { rate: 0.005/s }")));
    let words = "tasks of `runTasks` `jobs` found no instance at some time from ";
    assert!(going_on.contains(words) && going_on.contains("to the end"), "{going_on}");
}

#[test]
fn all_reasons_are_told_and_the_one_that_held_longest_is_explained() {
    // At first there is no instance; then the one that comes is full until the end.
    let text = "duration: 2h
begin: cold
cluster: { availabilityZones: [us-east-1a] }
autoScalingGroups: { nodes: { InstanceType: m5.large, MinSize: 0, MaxSize: 1, DesiredCapacity: 0 } }
capacityProviders: { nodes: { autoScalingGroupProvider: { autoScalingGroupArn: nodes, managedScaling: { status: ENABLED, targetCapacity: 100 } } } }
taskDefinitions: { job: { containerDefinitions: [{ name: job, image: job, cpu: 1024, memory: 512 }] } }
runTasks: { job: { taskDefinition: job, capacityProviderStrategy: [{ capacityProvider: nodes, weight: 1 }], runTime: 2h, at: [1m], count: 6 } }
";
    let run = run(text);
    let told = told(&run);
    let reasons = "There was no instance once, at 00:01:00; the closest instance failed for CPU once, at ";
    assert!(told.contains(reasons), "{told}");
    assert!(told.contains("A new m5.large would hold it, but `nodes` is at its MaxSize of 1."), "{told}");
}

#[test]
fn standalone_tasks_that_are_lost_at_once_are_explained() {
    let text = "duration: 30m
cluster: { availabilityZones: [us-east-1a] }
autoScalingGroups: { nodes: { InstanceType: m5.large, MinSize: 1, MaxSize: 1 } }
taskDefinitions: { job: { containerDefinitions: [{ name: job, image: job, cpu: 1024, memory: 512 }] } }
runTasks: { job: { taskDefinition: job, runTime: 5s, at: [1m], count: 4 } }
";
    let run = run(text);
    let told = told(&run);
    assert!(told.contains("2 tasks found no instance and were not started"), "{told}");
    assert!(told.contains("ECS: (task group family:job) was unable to place a task"), "{told}");
    assert!(told.contains("0 CPU units left of 2 048, 1 024 CPU units wanted"), "{told}");
}

/// One instance of `nodes` and a task that it holds, with what happens.
fn one_instance(more: &str) -> Run {
    run(&format!(
        "duration: 30m
cluster: {{ availabilityZones: [us-east-1a] }}
autoScalingGroups:
  nodes: {{ InstanceType: m5.large, MinSize: 1, MaxSize: 1 }}
  batch: {{ InstanceType: m5.large, MinSize: 0, MaxSize: 1 }}
capacityProviders: {{ batch: {{ autoScalingGroupProvider: {{ autoScalingGroupArn: batch }} }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, image: web, cpu: 256, memory: 256 }}] }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: 1 }} }}
{more}"
    ))
}

#[test]
fn instances_that_are_none_to_a_task_are_not_named_as_the_closest() {
    let drained = one_instance(
        "timeline: [{ at: 5m, updateContainerInstancesState: { autoScalingGroup: nodes, count: 1, status: DRAINING } }]",
    );
    says(&drained, &["met all of its requirements. Reason: No Container Instances were found in your cluster. At 00:"]);
    let of_another = one_instance(
        "runTasks: { job: { taskDefinition: web, at: 5m, capacityProviderStrategy: [{ capacityProvider: batch, weight: 1 }] } }",
    );
    says(&of_another, &["Reason: No Container Instances were found in your capacity provider. At 00:"]);
    let failed = of_another.events.iter().find(|it| it.kind == "task.run_task_failed").expect("it failed");
    let words = "RunTask had failures: 1 No Container Instances were found in your capacity provider.";
    assert!(failed.message.contains(words), "{}", failed.message);
}

#[test]
fn a_group_that_has_lost_an_instance_launches_another_one_or_cannot() {
    let lost = "  - { at: 5m, terminateInstances: { autoScalingGroup: nodes, count: 1 } }\n";
    let launches = one_instance(&format!("timeline:\n{lost}"));
    says(
        &launches,
        &[
            "A new m5.large would hold it, and `nodes` is about to launch it: it has 1 instance fewer than its desired capacity.",
        ],
    );
    let cannot = one_instance(&format!(
        "timeline:
  - {{ at: 4m, updateCapacityPool: {{ instanceType: m5.large, purchaseOption: on-demand, available: 0 }} }}
{lost}"
    ));
    says(
        &cannot,
        &[
            "A new m5.large would hold it, but `nodes` cannot launch the 1 instance that it wants: Could not launch On-Demand \
           Instances. InsufficientInstanceCapacity - We currently do not have sufficient capacity for m5.large in us-east-1a.",
        ],
    );
}
