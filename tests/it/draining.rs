//! Which task keeps a container instance that drains, and what that task waits for.

use std::collections::BTreeMap;

use plimsoll::report::{draining, files, summary::summary};
use plimsoll::run::Run;

use crate::stories;

/// Two instances, of which one is set to DRAINING after five minutes; a service with a task on each, of so many CPU units.
fn run(cpu: u32, deployment: &str, more: &str) -> Run {
    let text = format!(
        "duration: 1h
cluster: {{ availabilityZones: [us-east-1a] }}
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 2, MaxSize: 2 }} }}
taskDefinitions:
  web: {{ containerDefinitions: [{{ name: web, image: web, cpu: {cpu}, memory: 256 }}] }}
  job: {{ containerDefinitions: [{{ name: job, image: job, cpu: 64, memory: 64 }}] }}
services:
  web:
    taskDefinition: web
    desiredCount: 2
    deploymentConfiguration: {{ {deployment} }}
    placementStrategy: [{{ type: spread, field: instanceId }}]
timeline: [{{ at: 5m, updateContainerInstancesState: {{ autoScalingGroup: nodes, count: 1, status: DRAINING }} }}]
{more}"
    );
    stories::run(&text)
}

fn told(run: &Run) -> String {
    draining::paragraphs(&[vec![run]]).split_whitespace().collect::<Vec<_>>().join(" ")
}

const KEEPS_ALL: &str = "minimumHealthyPercent: 100, maximumPercent: 200";

#[test]
fn a_replacement_without_room_keeps_the_instance() {
    // Of 2,048 CPU units 548 are left on the other instance.
    let run = run(1500, KEEPS_ALL, "");
    let told = told(&run);
    let on_first = run.tasks.iter().find(|it| it.instance == Some(0)).expect("a task was on the first instance");
    let task = format!("(t-{:05})", on_first.task);
    let says = format!("base: i-00000 was kept by 1 task of service `web` {task}, from 00:06:00 to the end (");
    assert!(told.contains(&says), "{told}");
    let says = "minimumHealthyPercent 100 lets it stop only when its replacement is healthy, and that finds no room (952 CPU units \
                short on i-00001, the closest).";
    assert!(told.contains(says), "{told}");
    let summary: serde_json::Value = serde_json::from_slice(&summary(&run)).expect("JSON");
    let row = &summary["draining"][0];
    assert_eq!((&row["reason"], &row["instances"][0]), (&"no-room-for-replacement".into(), &"i-00000".into()), "{row}");
    assert!(row["longest_s"].as_f64() > Some(3_000.0), "{row}");
}

#[test]
fn bounds_without_a_move_keep_the_instance() {
    let told = told(&run(256, "minimumHealthyPercent: 100, maximumPercent: 100", ""));
    let says = "maximumPercent 100 allows no replacement before it stops, and minimumHealthyPercent 100 does not let it stop before.";
    assert!(told.contains(says), "{told}");
}

#[test]
fn standalone_tasks_keep_the_instance_until_they_end() {
    let job = "runTasks: { job: { taskDefinition: job, runTime: 40m, at: [0s], count: 2, placementStrategy: [{ type: spread, field: instanceId }] } }";
    let run = run(256, KEEPS_ALL, job);
    let told = told(&run);
    assert!(told.contains("i-00000 was kept by 1 task of `runTasks` `job` ("), "{told}");
    assert!(told.contains("): standalone tasks run on until they end, and nobody stops it."), "{told}");
    assert!(!told.contains("service `web`"), "its task is replaced: {told}");
}

#[test]
fn an_instance_that_is_soon_empty_is_not_told_of() {
    let run = run(256, KEEPS_ALL, "");
    assert!(run.tasks.iter().any(|it| it.instance == Some(0) && it.stopped_at.is_some()), "it was replaced");
    assert_eq!(told(&run), "");
    let summary: serde_json::Value = serde_json::from_slice(&summary(&run)).expect("JSON");
    assert_eq!(summary["draining"], serde_json::Value::Null);
}

#[test]
fn one_task_of_a_service_that_lets_half_go_keeps_nothing() {
    assert_eq!(told(&run(1500, "minimumHealthyPercent: 50, maximumPercent: 200", "")), "");
}

#[test]
fn each_task_and_reason_has_a_row_of_draining_csv() {
    let rows = |run: &Run| {
        let files = files(run);
        let (_, bytes) = files.iter().find(|(name, _)| *name == "draining.csv")?;
        let mut reader = csv::Reader::from_reader(&bytes[..]);
        Some(
            reader
                .deserialize()
                .map(|it| it.expect("a row is as its header"))
                .collect::<Vec<BTreeMap<String, String>>>(),
        )
    };
    let kept = run(1500, KEEPS_ALL, "");
    let all = rows(&kept).expect("an instance drained");
    let row = all.iter().find(|it| it["reason"] == "no-room-for-replacement").expect("there is no room");
    let has = |columns: [(&str, &str); 8]| {
        columns.iter().for_each(|(column, value)| assert_eq!(row[*column], *value, "{column} of {row:?}"));
    };
    has([
        ("instance", "i-00000"),
        ("service", "web"),
        ("run_task", ""),
        ("minimum_healthy_percent", "100"),
        ("closest_instance", "i-00001"),
        ("closest_reason", "CPU"),
        ("wanted", "1500"),
        ("left", "548"),
    ]);
    let seconds = |column: &str| row[column].parse::<f64>().expect("a number");
    assert_eq!(seconds("until_s") - seconds("from_s"), seconds("lasted_s"));
    assert_eq!(all.len(), kept.drain_holds.len());

    let job = "runTasks: { job: { taskDefinition: job, at: 1m, count: 2, runTime: 30m } }";
    let standalone = rows(&run(64, KEEPS_ALL, job)).expect("an instance drained");
    let row = standalone.iter().find(|it| it["reason"] == "standalone-task").expect("it runs on");
    assert_eq!((row["service"].as_str(), row["run_task"].as_str()), ("job", "job"));

    let calm = stories::run(
        "duration: 10m
autoScalingGroups: { nodes: { InstanceType: m5.large, MinSize: 1, MaxSize: 1 } }
taskDefinitions: { web: { containerDefinitions: [{ name: web, cpu: 64, memory: 64 }] } }
services: { web: { taskDefinition: web, desiredCount: 1 } }
",
    );
    assert_eq!(rows(&calm), None, "nothing drained");
}
