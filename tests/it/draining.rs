//! Which task keeps a container instance that drains, and what that task waits for.

use std::path::Path;

use plimsoll::engine::simulate;
use plimsoll::report::{draining, summary::summary};
use plimsoll::rng::Seed;
use plimsoll::run::Run;
use plimsoll::scenario;

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
    let story = scenario::read(Path::new("draining.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
        .unwrap_or_else(|problems| panic!("{text}\n{}", problems.render(false)));
    assert!(story.unsupported.is_empty(), "{}", story.unsupported.render(false));
    simulate(&story.variants[0], Seed { seed: 1, replication: 0 })
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
