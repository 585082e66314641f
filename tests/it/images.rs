//! Images on container instances: what agents clear away, and how long they wait for Docker and for registries.

use plimsoll::run::{Run, TaskLife};

use crate::stories::run;

fn pull_seconds(task: &TaskLife) -> f64 {
    let (from, to) = (task.pull_started_at.expect("it was pulled"), task.pulled_at.expect("and came"));
    to.as_seconds() - from.as_seconds()
}

/// A batch job of ten minutes on one instance at 0:01, and again after some time; its image takes 1 + 500/50 s.
fn two_runs(again: &str, agent: &str) -> (f64, f64) {
    let run = run(&format!(
        "duration: 8h
autoScalingGroups:
  nodes: {{ InstanceType: m5.large, MinSize: 1, MaxSize: 1, agentConfiguration: {{ {agent} }} }}
taskDefinitions:
  job: {{ containerDefinitions: [{{ name: job, image: \"shop/job:2\", memory: 256 }}] }}
applications:
  job: {{ image: {{ size: 500MB }} }}
runTasks:
  job: {{ taskDefinition: job, at: [1m, {again}], runTime: 10m }}
"
    ));
    let tasks: Vec<&TaskLife> = run.tasks.iter().collect();
    assert_eq!(tasks.len(), 2);
    (pull_seconds(tasks[0]), pull_seconds(tasks[1]))
}

#[test]
fn containers_of_a_stopped_task_keep_its_image_for_three_hours() {
    // Stopped about 0:11, its containers go at 3:11 and the image at the next half hour.
    assert_eq!(two_runs("3h29m", ""), (11.0, 1.0));
    assert_eq!(two_runs("3h31m", ""), (11.0, 11.0));
}

#[test]
fn what_an_agent_is_told_of_cleanup_it_does() {
    // An hour after the pull at the earliest, each half hour.
    let soon = "ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION: 1m";
    assert_eq!(two_runs("1h29m", soon), (11.0, 1.0));
    assert_eq!(two_runs("1h31m", soon), (11.0, 11.0));
    let sooner = format!("{soon}, ECS_IMAGE_MINIMUM_CLEANUP_AGE: 5m, ECS_IMAGE_CLEANUP_INTERVAL: 10m");
    assert_eq!(two_runs("19m", &sooner), (11.0, 1.0));
    assert_eq!(two_runs("21m", &sooner), (11.0, 11.0));
    assert_eq!(two_runs("7h", "ECS_DISABLE_IMAGE_CLEANUP: true"), (11.0, 1.0));
}

#[test]
fn agents_that_prefer_what_is_cached_keep_it() {
    assert_eq!(two_runs("7h", "ECS_IMAGE_PULL_BEHAVIOR: prefer-cached").1, 0.0);
    assert_eq!(two_runs("2h", "ECS_IMAGE_PULL_BEHAVIOR: once").1, 0.0);
    assert_eq!(two_runs("7h", "ECS_IMAGE_PULL_BEHAVIOR: once").1, 11.0, "it was cleared away");
}

/// A service on one instance that is asked for its task after a minute, 100 MB of image; more of the agent, of the assumptions
/// and of the timeline.
fn one_task(agent: &str, assumptions: &str, timeline: &str) -> Run {
    run(&format!(
        "duration: 4h
autoScalingGroups:
  nodes: {{ InstanceType: m5.large, MinSize: 1, MaxSize: 1, agentConfiguration: {{ {agent} }} }}
taskDefinitions:
  web: {{ containerDefinitions: [{{ name: web, image: \"shop/web:2\", memory: 256 }}] }}
applications:
  web: {{ image: {{ size: 100MB }} }}
services:
  web: {{ taskDefinition: web, desiredCount: 0 }}
assumptions: {{ {assumptions} }}
timeline:
  - {{ at: 1m, updateService: {{ service: web, desiredCount: 1 }} }}
{timeline}
"
    ))
}

/// From the beginning of the first task's pull until it has stopped, and why it has.
fn first_failure(run: &Run) -> (f64, Option<&str>) {
    let task = &run.tasks[0];
    assert_eq!((task.stop_code, task.running_at), (Some("TaskFailedToStart"), None));
    let stopped = task.stopped_at.expect("it has stopped").as_seconds();
    (stopped - task.pull_started_at.expect("it was pulled").as_seconds(), task.stopped_reason.as_deref())
}

#[test]
fn a_registry_that_stalls_is_given_up_after_five_times_a_minute() {
    const INACTIVE: Option<&str> =
        Some("CannotPullContainerError: inactivity time exceeded timeout while pulling image");
    let stalls = "  - { at: 30s, registryOutage: { error: stalls } }";
    // And the agent's pauses of 1.1, 2.2, 4.4 and 5 s.
    assert_eq!(first_failure(&one_task("", "", stalls)), (312.7, INACTIVE));
    let patient = one_task("ECS_IMAGE_PULL_INACTIVITY_TIMEOUT: 2m", "", stalls);
    assert_eq!(first_failure(&patient), (612.7, INACTIVE));
    let ends = "  - { at: 30s, registryOutage: { error: stalls, for: 90s } }";
    let task = &one_task("", "", ends).tasks[0];
    assert!(task.running_at.is_some_and(|it| it.as_seconds() < 200.0), "the second or third attempt succeeds");
}

#[test]
fn a_pull_is_given_up_after_two_hours() {
    const TIMED_OUT: Option<&str> =
        Some("DockerTimeoutError: Could not transition to pulled; timed out after waiting 2h0m0s");
    // 2 s at 50 MB/s, 5,000 times as long.
    let slow = "  - { at: 30s, slowRegistry: { factor: 5000 } }";
    assert_eq!(first_failure(&one_task("", "", slow)), (7_200.0, TIMED_OUT));
    // Without any fault, where containers are not followed.
    assert_eq!(first_failure(&one_task("", "imagePullMbPerSecond: 0.01", "")), (7_200.0, TIMED_OUT));
    let patient = one_task("ECS_IMAGE_PULL_TIMEOUT: 3h", "imagePullMbPerSecond: 0.01", "");
    assert_eq!(pull_seconds(&patient.tasks[0]), 10_001.0);
    let short = one_task("ECS_IMAGE_PULL_TIMEOUT: 1m", "", "  - { at: 30s, registryOutage: {} }");
    let reason = Some("DockerTimeoutError: Could not transition to pulled; timed out after waiting 1m0s");
    assert_eq!(first_failure(&short), (60.0, reason));
}

#[test]
fn docker_may_take_four_minutes_to_create_and_three_to_start() {
    let slow = |factor| {
        format!("  - {{ at: 30s, slowContainerRuntime: {{ AutoScalingGroupName: nodes, factor: {factor} }} }}")
    };
    let failure = |agent, factor: u32| {
        let run = one_task(agent, "", &slow(factor));
        let (after, reason) = first_failure(&run);
        (after, reason.map(str::to_owned))
    };
    let says = |words: &str| Some(format!("DockerTimeoutError: Could not transition to {words}"));
    // Three seconds for the pull; half of a second each to create and to start, so many times as long.
    assert_eq!(failure("", 400), (3.0 + 200.0 + 180.0, says("started; timed out after waiting 3m0s")));
    assert_eq!(failure("", 500), (3.0 + 240.0, says("created; timed out after waiting 4m0s")));
    let patient = "ECS_CONTAINER_CREATE_TIMEOUT: 10m, ECS_CONTAINER_START_TIMEOUT: 10m";
    let task = &one_task(patient, "", &slow(500)).tasks[0];
    assert!(task.running_at.is_some() && task.stopped_at.is_none());
    let ends = "  - { at: 30s, slowContainerRuntime: { factor: 500, for: 10m } }";
    let run = one_task("", "", ends);
    assert!(run.tasks.last().is_some_and(|it| it.running_at.is_some()), "Docker has come back");
    // The same where containers are followed one by one.
    let followed = format!("{}\n  - {{ at: 3h, registryOutage: {{}} }}", slow(400));
    assert_eq!(first_failure(&one_task("", "", &followed)).0, 3.0 + 200.0 + 180.0);
}

/// How long tasks of a service take from their placement to their start, pull and all.
fn start_ups(assumptions: &str, others: &str) -> Vec<f64> {
    let run = run(&format!(
        "duration: 10m
begin: cold
autoScalingGroups:
  nodes: {{ InstanceType: m5.xlarge, MinSize: 8, MaxSize: 8, bootTime: 0s }}
taskDefinitions:
  web: {{ containerDefinitions: [{{ name: web, image: \"shop/web:2\", memory: 256, versionConsistency: disabled }}] }}
applications:
  web: {{ image: {{ size: 100MB }} }}
services:
  web: {{ taskDefinition: web, desiredCount: 40, placementConstraints: [{{ type: distinctInstance }}] }}
{others}
assumptions: {{ agentRegistrationTime: 0s, {assumptions} }}
"
    ));
    let of_web = run.tasks.iter().filter(|it| &*it.task_group == "service:web");
    let took = of_web.filter_map(|it| Some(it.running_at?.as_seconds() - it.placed_at?.as_seconds()));
    took.collect()
}

#[test]
fn start_ups_vary_by_a_fifth_where_they_are_to() {
    // Pick-up, pull of 1 + 100/50 s, creation and start.
    let usual = start_ups("", "");
    assert_eq!(usual.len(), 8);
    assert!(usual.iter().all(|it| *it == 5.0), "{usual:?}");
    let varied = start_ups("startUpJitter: 0.2", "");
    assert!(varied.iter().all(|it| (4.0..=6.0).contains(it)), "{varied:?}");
    let distinct = varied.iter().filter(|one| varied.iter().filter(|it| it == one).count() == 1);
    assert_eq!(distinct.count(), varied.len(), "each its own");
    let beside = "  other: { taskDefinition: web, desiredCount: 3 }";
    assert_eq!(start_ups("startUpJitter: 0.2", beside), varied, "another service disturbs none");
}

#[test]
fn the_pause_container_may_take_no_longer_than_another() {
    let awsvpc = |timeline: &str| {
        let text = "duration: 4h
cluster: { subnets: { a: { AvailabilityZone: us-east-1a, CidrBlock: 10.0.0.0/24 } } }
autoScalingGroups: { nodes: { InstanceType: m5.large, MinSize: 1, MaxSize: 1 } }
taskDefinitions: { web: { networkMode: awsvpc, containerDefinitions: [{ name: web, image: \"shop/web:2\", memory: 256 }] } }
applications: { web: { image: { size: 100MB } } }
services: { web: { taskDefinition: web, desiredCount: 0, networkConfiguration: { awsvpcConfiguration: { subnets: [a] } } } }
timeline:
  - { at: 1m, updateService: { service: web, desiredCount: 1 } }
";
        run(&format!("{text}{timeline}\n"))
    };
    let slow = |factor: u32| format!("  - {{ at: 30s, slowContainerRuntime: {{ factor: {factor} }} }}");
    let says = |words: &str| Some(format!("DockerTimeoutError: Could not transition to {words}"));
    let failure = |timeline: &str| {
        let run = awsvpc(timeline);
        let (after, reason) = first_failure(&run);
        (after, reason.map(str::to_owned))
    };
    // The pause container is created and started in a second, so many times as long, before any other is; the
    // network interface takes 5 s to go.
    assert_eq!(failure(&slow(500)), (3.0 + 240.0 + 5.0, says("created; timed out after waiting 4m0s")));
    assert_eq!(failure(&slow(400)), (3.0 + 200.0 + 180.0 + 5.0, says("started; timed out after waiting 3m0s")));
    let followed = |factor: u32| format!("{}\n  - {{ at: 3h, registryOutage: {{}} }}", slow(factor));
    assert_eq!(failure(&followed(500)), (3.0 + 240.0 + 5.0, says("created; timed out after waiting 4m0s")));
    let task = &awsvpc(&slow(300)).tasks[0];
    assert_eq!(pull_seconds(task), 3.0);
    let running = task.running_at.expect("it runs").as_seconds() - task.pulled_at.expect("pulled").as_seconds();
    assert_eq!(running, 600.0, "one after the other");
}
