//! Containers inside a task, end to end: when they start, stop, are probed, end and are started again.

use std::path::Path;

use plimsoll::engine::simulate;
use plimsoll::rng::Seed;
use plimsoll::run::{ContainerLife, Run, TaskLife};
use plimsoll::scenario;
use plimsoll::units::Span;

/// A service whose tasks have these containers, on so many instances of a type, settled without a task; one is wanted after
/// a minute. The other lines are of the definition, of the applications, and of the file.
fn text(containers: &str, definition: &str, applications: &str, more: &str) -> String {
    format!(
        "duration: 30m
cluster: {{ availabilityZones: [us-east-1a] }}
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 2, MaxSize: 2 }} }}
taskDefinitions:
  web:
{definition}
    containerDefinitions:
{containers}
applications:
{applications}
services:
  web: {{ taskDefinition: web, desiredCount: 0 }}
timeline:
  - {{ at: 1m, updateService: {{ service: web, desiredCount: 1 }} }}
{more}"
    )
}

fn simulated(text: &str) -> Run {
    let story = scenario::read(Path::new("containers.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
        .unwrap_or_else(|problems| panic!("{text}\n{}", problems.render(false)));
    assert!(story.unsupported.is_empty(), "{}", story.unsupported.render(false));
    simulate(&story.variants[0], Seed { seed: 1, replication: 0 })
}

fn run(containers: &str, applications: &str, more: &str) -> Run {
    simulated(&text(containers, "", applications, more))
}

fn container<'a>(task: &'a TaskLife, name: &str) -> &'a ContainerLife {
    task.containers.iter().find(|it| it.name == name).expect("it has that container")
}

fn started(task: &TaskLife, name: &str) -> f64 {
    container(task, name).started_at.expect("it was started").as_seconds()
}

fn stopped(task: &TaskLife, name: &str) -> f64 {
    container(task, name).stopped_at.expect("it has stopped").as_seconds()
}

fn messages<'a>(run: &'a Run, kind: &'a str) -> impl Iterator<Item = &'a str> {
    run.events.iter().filter(move |it| it.kind == kind).map(|it| it.message.as_str())
}

const WEB_AFTER_INIT: &str = "
      - { name: init, memory: 64, essential: false }
      - { name: web, memory: 64, dependsOn: [{ containerName: init, condition: CONDITION }] }";

fn after_init(condition: &str) -> String {
    WEB_AFTER_INIT.replace("CONDITION", condition)
}

/// Pull and creation of what is cached: a second each.
const PULL_AND_CREATE: f64 = 2.0;

#[test]
fn a_container_waits_for_another_to_complete() {
    for (condition, code) in [("COMPLETE", 1), ("COMPLETE", 0), ("SUCCESS", 0)] {
        let init = format!("  init: {{ exit: {{ after: 20s, code: {code} }} }}\n  web: {{}}");
        let run = run(&after_init(condition), &init, "");
        let task = &run.tasks[0];
        assert_eq!(stopped(task, "init") - started(task, "init"), 20.0);
        assert_eq!(started(task, "web") - stopped(task, "init"), PULL_AND_CREATE, "pulled only then");
        assert_eq!(task.running_at.map(|it| it.as_seconds()), Some(started(task, "web")), "RUNNING when all are");
        assert_eq!(container(task, "init").exit_code, Some(code));
        assert_eq!(run.tasks.len(), 1, "an end that is not essential is not the end of the task");
        assert_eq!(task.stopped_at, None);
    }
    let text = text(&after_init("START"), "", "  init: { exit: { after: 20s } }\n  web: {}", "");
    let run = simulated(&text);
    assert_eq!(started(&run.tasks[0], "web") - started(&run.tasks[0], "init"), PULL_AND_CREATE);
    let upfront = text.replace("MaxSize: 2", "MaxSize: 2, pullDependentContainersUpfront: true");
    let run = simulated(&upfront);
    assert_eq!(started(&run.tasks[0], "web") - started(&run.tasks[0], "init"), 1.0, "created, its image being there");
}

#[test]
fn what_cannot_come_to_pass_ends_the_task_before_it_runs() {
    let timed_out = after_init("COMPLETE").replace("name: init,", "name: init, startTimeout: 30,");
    for (containers, after, code, lasts, reason) in [
        (
            after_init("SUCCESS"),
            "20s",
            1,
            20.0,
            "failed to resolve container ordering dependency [init] for target [web] as dependency did not exit successfully.",
        ),
        (timed_out, "100s", 0, 30.0, "container ordering dependency [init] for target [web] has timed out."),
    ] {
        let init = format!("  init: {{ exit: {{ after: {after}, code: {code} }}, shutdownTime: 0s }}\n  web: {{}}");
        let run = run(&containers, &init, "");
        let task = &run.tasks[0];
        assert_eq!((task.stop_code, task.running_at), (Some("TaskFailedToStart"), None));
        let expected = format!("CannotStartContainerError: dependency graph: {reason}");
        assert_eq!(task.stopped_reason.as_ref(), Some(&expected));
        assert_eq!(container(task, "web").reason.as_ref(), Some(&expected));
        assert_eq!(container(task, "web").exit_code, Some(143));
        assert_eq!(stopped(task, "init") - started(task, "init"), lasts);
        assert!(run.tasks.len() > 4, "it is tried again");
        assert_eq!(messages(&run, "service.task_start_impaired").count(), 1, "and throttled");
    }
}

#[test]
fn a_container_waits_for_another_to_be_healthy() {
    let containers = "
      - { name: router, memory: 64, healthCheck: { interval: 10 } }
      - { name: web, memory: 64, dependsOn: [{ containerName: router, condition: HEALTHY }] }";
    let run = run(containers, "  router: { startTime: 12s }\n  web: {}", "");
    let task = &run.tasks[0];
    // It listens after 12 s; the probe after 20 s is the first that it answers.
    assert_eq!(started(task, "web") - started(task, "router"), 20.0 + PULL_AND_CREATE);
    assert_eq!(container(task, "router").health_status, "HEALTHY");
}

#[test]
fn tasks_that_never_come_to_run_are_given_up() {
    let containers = "
      - { name: router, memory: 64, healthCheck: {} }
      - { name: web, memory: 64, dependsOn: [{ containerName: router, condition: HEALTHY }] }";
    let run = run(containers, "  router: { startTime: 1d }\n  web: {}", "assumptions: { pendingTimeout: 10m }");
    let task = &run.tasks[0];
    assert_eq!((task.stop_code, task.running_at), (Some("TaskFailedToStart"), None));
    let lasted = task.stopping_at.expect("it is given up").as_seconds() - started(task, "router");
    assert_eq!(lasted, 600.0 - PULL_AND_CREATE);
}

#[test]
fn we_92_a_probed_task_is_healthy_after_30_s() {
    let run = run("      - { name: web, memory: 64, healthCheck: {} }", "  web: {}", "");
    let task = &run.tasks[0];
    let took = task.healthy_at.expect("healthy").as_seconds() - task.running_at.expect("running").as_seconds();
    assert_eq!(took, 30.0, "its probe says so, not the 40 s of tasks that nobody probes");
    assert!(messages(&run, "service.steady_state").count() > 0);
}

#[test]
fn an_unhealthy_task_of_a_service_is_replaced_after_its_replacement_is_healthy() {
    let run = run(
        "      - { name: web, memory: 64, healthCheck: { interval: 10, timeout: 5, retries: 3 } }",
        "  web: { unhealthyAfter: 5m, startTime: 0s, shutdownTime: 1s }",
        "",
    );
    let (first, second) = (&run.tasks[0], &run.tasks[1]);
    // Probes are sent each 10 s; the first that hangs is that of 310 s, since one that hangs takes 5 s more.
    let began = started(first, "web");
    let failed: Vec<f64> =
        run.events.iter().filter(|it| it.kind == "task.unhealthy").map(|it| it.at.as_seconds()).collect();
    assert_eq!(failed[0] - began, 300.0 + 5.0 + 2.0 * 15.0);
    let words = format!("(service web) (task t-{:05}) failed container health checks.", first.task);
    assert_eq!(messages(&run, "task.unhealthy").next(), Some(words.as_str()));
    assert_eq!(first.stopped_reason.as_deref(), Some("Task failed container health checks"));
    assert_eq!(first.stop_code, Some("ServiceSchedulerInitiated"));
    assert!(first.stopping_at > second.healthy_at, "maximumPercent is 200: first the replacement");
    assert_eq!(container(first, "web").health_status, "UNHEALTHY");
}

#[test]
fn unhealthy_containers_are_let_be_in_the_grace_period() {
    let text =
        text("      - { name: web, memory: 64, healthCheck: { interval: 10 } }", "", "  web: { startTime: 5m }", "");
    assert!(simulated(&text).tasks.len() > 1, "it is killed before it listens");
    let grace = text.replace("desiredCount: 0", "desiredCount: 0, healthCheckGracePeriodSeconds: 600");
    let run = simulated(&grace);
    assert_eq!(run.tasks.len(), 1);
    assert_eq!(container(&run.tasks[0], "web").health_status, "HEALTHY");
}

#[test]
fn containers_stop_in_reverse_each_by_its_own_timeout() {
    let containers = "
      - { name: base, memory: 64, stopTimeout: 30 }
      - { name: middle, memory: 64, dependsOn: [{ containerName: base, condition: START }] }
      - { name: top, memory: 64, stopTimeout: 10, dependsOn: [{ containerName: middle, condition: START }] }
      - { name: apart, memory: 64 }";
    let applications = "  base: { shutdownTime: 3s }
  middle: { shutdownTime: 1h }
  top: { shutdownTime: 1h }
  apart: { shutdownTime: 1s }";
    let more = "  - { at: 10m, updateService: { service: web, desiredCount: 0 } }\n";
    let text = text(containers, "", applications, more).replace("MaxSize: 2", "MaxSize: 2, containerStopTimeout: 20");
    let run = simulated(&text);
    let task = &run.tasks[0];
    let at = task.stopping_at.expect("asked to stop").as_seconds();
    let ends = ["top", "middle", "base", "apart"].map(|it| (stopped(task, it) - at, container(task, it).exit_code));
    assert_eq!(ends, [(10.0, Some(137)), (30.0, Some(137)), (33.0, Some(0)), (1.0, Some(0))]);
    assert_eq!(task.stopped_at.map(|it| it.as_seconds() - at), Some(33.0));
    assert_eq!(task.exit_code, Some(137));
}

#[test]
fn the_end_of_an_essential_container_is_the_end_of_its_task() {
    let containers = "
      - { name: web, memory: 64 }
      - { name: router, memory: 64 }";
    let run = run(containers, "  web: { exit: { after: 100s, code: 3 } }\n  router: { shutdownTime: 7s }", "");
    let task = &run.tasks[0];
    assert_eq!(stopped(task, "web") - started(task, "web"), 100.0);
    assert_eq!(stopped(task, "router") - stopped(task, "web"), 7.0, "the others are sent SIGTERM");
    assert_eq!(task.stop_code, Some("EssentialContainerExited"));
    assert_eq!(task.stopped_reason.as_deref(), Some("Essential container in task exited"));
    assert_eq!(task.exit_code, Some(3));
    assert!(run.tasks.len() > 5, "it is replaced each time");
    assert_eq!(messages(&run, "service.task_start_impaired").count(), 0, "what has run is not throttled");
}

#[test]
fn a_restart_policy_starts_a_container_again_in_its_task() {
    let containers = |codes: &str| {
        format!(
            "      - {{ name: web, memory: 64, restartPolicy: {{ enabled: true, ignoredExitCodes: [{codes}], restartAttemptPeriod: 60 }} }}"
        )
    };
    let again = run(&containers("0"), "  web: { exit: { after: 100s, code: 1 } }", "");
    assert_eq!(again.tasks.len(), 1, "the task goes on");
    // 30 min, less the minute before it is wanted; each run takes 100 s and a second to start.
    assert_eq!(container(&again.tasks[0], "web").restart_count, 17);
    let ignored = run(&containers("0, 1"), "  web: { exit: { after: 100s, code: 1 } }", "");
    assert!(ignored.tasks.len() > 1);
    let too_short = run(&containers("0"), "  web: { exit: { after: 59s, code: 1 } }", "");
    assert_eq!(container(&too_short.tasks[0], "web").restart_count, 0);
    assert_eq!(too_short.tasks[0].stop_code, Some("EssentialContainerExited"));
}

#[test]
fn what_slows_starts_slows_restarts() {
    let containers = "      - { name: web, memory: 64, restartPolicy: { enabled: true, restartAttemptPeriod: 60 } }";
    let applications = "  web: { exit: { after: 100s, code: 1 } }";
    let restarts = |more: &str| container(&run(containers, applications, more).tasks[0], "web").restart_count;
    let slow = |factor: u32| format!("  - {{ at: 150s, slowContainerRuntime: {{ factor: {factor} }} }}\n");
    // Each run takes 100 s, and each start but the first a minute instead of a second.
    assert_eq!((restarts(""), restarts(&slow(60))), (17, 11));
    // Docker does not get it done in time: the container has ended, and it was essential.
    let never = run(containers, applications, &slow(500));
    let first = &never.tasks[0];
    assert_eq!((first.stop_code, container(first, "web").restart_count), (Some("EssentialContainerExited"), 1));
    let ended_at = started(first, "web") + 100.0;
    assert_eq!(first.stopping_at.map(|it| it.as_seconds()), Some(ended_at + 240.0));
    // From one end to the next, of which each start takes 20 s, or varies by half of that.
    let between = |assumptions: &str| {
        let run =
            run(containers, applications, &format!("assumptions: {{ containerCreateTime: 20s, {assumptions} }}\n"));
        let ends = run.events.iter().filter(|it| it.kind == "container.restarted").map(|it| it.at.as_seconds());
        let ends: Vec<f64> = ends.collect();
        ends[1] - ends[0]
    };
    let (usual, varied) = (between(""), between("startUpJitter: 0.5"));
    assert_eq!(usual, 120.0);
    assert!(varied != usual && (110.0..=130.0).contains(&varied), "{varied}");
}

#[test]
fn a_slow_runtime_mounts_as_fast_as_any() {
    let definition = "    volumes: [{ name: shared, efsVolumeConfiguration: { fileSystemId: fs-1 } }]";
    let took = |definition: &str, more: &str| {
        let run = simulated(&text("      - { name: web, memory: 64 }", definition, "  web: {}", more));
        let task = &run.tasks[0];
        task.running_at.expect("it runs").as_seconds() - task.pulled_at.expect("it was pulled").as_seconds()
    };
    let slow = "  - { at: 30s, slowContainerRuntime: { factor: 10 } }\n";
    let mount = took(definition, "") - took("", "");
    assert!(mount > 0.0);
    assert_eq!(took(definition, slow) - took("", slow), mount);
    assert_eq!(took("", slow), 10.0 * took("", ""));
}

fn memory_percent(run: &Run, minute: u64) -> f64 {
    let row = run.service_minutes.iter().find(|it| it.minute == minute).expect("a row of that minute");
    row.memory_percent.expect("it runs")
}

#[test]
fn memory_is_used_by_what_runs_and_its_reservation_stays() {
    let containers = "
      - { name: init, memory: 100, essential: false }
      - { name: web, memory: 100 }";
    let applications = "  init: { exit: { after: 5m }, memory: { base: 80MiB } }\n  web: { memory: { base: 20MiB } }";
    let run = run(containers, applications, "");
    assert_eq!((memory_percent(&run, 4), memory_percent(&run, 20)), (50.0, 10.0));
    assert_eq!(run.tasks[0].memory_mib, 200, "nothing of the reservation is given back");
}

#[test]
fn a_container_that_is_not_essential_is_killed_for_its_memory_alone() {
    let containers = "
      - { name: cache, memory: 100, essential: false }
      - { name: web, memory: 100 }";
    let applications = "  cache: { memory: { base: 80MiB, leakPerHour: 240MiB } }\n  web: { memory: { base: 20MiB } }";
    let run = run(containers, applications, "");
    assert_eq!(run.tasks.len(), 1);
    let cache = container(&run.tasks[0], "cache");
    assert_eq!((cache.exit_code, cache.last_status), (Some(137), "STOPPED"));
    assert_eq!(cache.reason.as_deref(), Some("OutOfMemoryError: Container killed due to memory usage"));
    assert_eq!(messages(&run, "task.out_of_memory").count(), 1);
    assert_eq!(memory_percent(&run, 20), 10.0, "its memory is free again");
}

/// As one process, and followed by itself: the kernel's kill of an essential container is the end of its task, and no failed start.
#[test]
fn an_essential_container_that_is_killed_for_its_memory_ends_its_task() {
    for health_check in ["", ", healthCheck: {}"] {
        let container = format!("      - {{ name: web, memory: 100{health_check} }}");
        let run = run(&container, "  web: { memory: { base: 80MiB, leakPerHour: 240MiB }, shutdownTime: 30s }", "");
        let first = &run.tasks[0];
        assert_eq!((first.stop_code, first.exit_code), (Some("EssentialContainerExited"), Some(137)));
        let words = "OutOfMemoryError: Container killed due to memory usage";
        assert_eq!(first.stopped_reason.as_deref(), Some(words));
        // 20 MiB at 4 a minute, and nobody waits for a SIGTERM.
        let lived = first.stopped_at.expect("it ends").since(first.running_at.expect("it ran")).as_seconds();
        assert!((lived - 300.0).abs() <= 2.0, "{lived}");
        assert!(run.tasks.len() > 4, "it is replaced each time");
        assert_eq!(messages(&run, "service.task_start_impaired").count(), 0, "and not throttled");
    }
}

/// With soft limits alone an instance can run out of memory: the container goes that is furthest above what it reserves.
#[test]
fn an_instance_without_memory_kills_who_is_furthest_above_its_reservation() {
    let run = simulated(
        "duration: 30m
autoScalingGroups: { nodes: { InstanceType: m5.large, MinSize: 1, MaxSize: 1 } }
taskDefinitions:
  modest: { containerDefinitions: [{ name: modest, memoryReservation: 4000 }] }
  greedy: { containerDefinitions: [{ name: greedy, memoryReservation: 1000 }] }
applications:
  modest: { memory: { base: 4500MiB } }
  greedy: { memory: { base: 2500MiB, leakPerHour: 6000MiB } }
services: { modest: { taskDefinition: modest, desiredCount: 1 }, greedy: { taskDefinition: greedy, desiredCount: 1 } }
",
    );
    let killed: Vec<&TaskLife> = run.tasks.iter().filter(|it| it.exit_code == Some(137)).collect();
    assert!(killed.len() >= 2 && killed.iter().all(|it| it.service == Some(1)), "{killed:?}");
    // 811 of the 7811 MiB are left, at 100 a minute: 500 above their reservation against 2311.
    let lived = killed[0].stopped_at.expect("it ends").as_seconds();
    assert!((lived - 486.6).abs() <= 2.0, "{lived}");
}

#[test]
fn an_image_of_another_architecture_ends_at_its_start() {
    let containers = "      - { name: web, memory: 64 }";
    let text = text(containers, "", "  web: { imageArchitecture: ARM64 }", "");
    let run = simulated(&text);
    let task = &run.tasks[0];
    assert_eq!((task.running_at, task.stop_code), (None, Some("EssentialContainerExited")));
    assert_eq!(task.exit_code, Some(255));
    assert!(container(task, "web").reason.as_ref().is_some_and(|it| it.contains("exec format error")));
    assert_eq!(messages(&run, "service.task_start_impaired").count(), 1, "it counts as failed to start");
    // The same from the beginning: a cluster cannot have settled on it.
    let settled = simulated(&text.replace("desiredCount: 0", "desiredCount: 1"));
    assert!(settled.tasks.iter().all(|it| it.running_at.is_none()));
    let fits = simulated(&text.replace("imageArchitecture: ARM64", "imageArchitecture: X86_64"));
    assert_eq!(fits.tasks.len(), 1);
    assert!(fits.tasks[0].healthy_at.is_some());
}

/// 5.2: the phases of a start and a stop on EC2, with an image of 100 MB at 50 MB/s.
#[test]
fn a_start_on_an_instance_takes_the_phases_of_the_reference() {
    let phases = |definition: &str| {
        let more = "  - { at: 10m, updateService: { service: web, desiredCount: 0 } }\n";
        let application = "  web: { image: { size: 100MB }, startTime: 0s, shutdownTime: 7s }";
        let run = simulated(&text("      - { name: web, memory: 64 }", definition, application, more));
        let [task] = &run.tasks[..] else { panic!("one task: {:?}", run.tasks) };
        let life =
            [task.placed_at, task.pull_started_at, task.pulled_at, task.running_at, task.stopping_at, task.stopped_at];
        let seconds = life.map(|it| it.expect("it came so far").as_seconds());
        (task.created_at.as_seconds(), seconds)
    };
    // Asked for at 60 s, and 5 s later by the scheduler: agent 1 s, pull 1 s and 2 s of layers, creation 1 s; SIGTERM at 605 s.
    assert_eq!(phases(""), (65.0, [65.0, 66.0, 69.0, 70.0, 605.0, 612.0]));
    // A network interface of 5 s before, and 5 s after; a pause container of a second more.
    assert_eq!(phases("    networkMode: awsvpc"), (65.0, [65.0, 71.0, 74.0, 76.0, 605.0, 617.0]));
}

/// What is followed but nothing happens to lives as what is not.
#[test]
fn a_followed_container_lives_as_any_other() {
    let containers = "
      - { name: web, memory: 64 }
      - { name: router, memory: 64 }";
    for definition in ["", "    networkMode: awsvpc"] {
        let more = "  - { at: 10m, updateService: { service: web, desiredCount: 0 } }\n";
        let lives = |web: &str| {
            let applications = format!(
                "  web: {{ image: {{ size: 500MB }}, shutdownTime: 40s{web} }}\n  router: {{ image: {{ size: 100MB }} }}"
            );
            let run = simulated(&text(containers, definition, &applications, more));
            let task = run.tasks[0].clone();
            let TaskLife { placed_at, pulled_at, running_at, healthy_at, stopping_at, stopped_at, exit_code, .. } =
                task;
            (placed_at, pulled_at, running_at, healthy_at, stopping_at, stopped_at, exit_code)
        };
        assert_eq!(lives(""), lives(", imageArchitecture: X86_64"), "{definition}");
    }
}

#[test]
fn volumes_outside_of_the_instance_take_time() {
    let plain = text("      - { name: web, memory: 64 }", "", "  web: {}", "");
    let began = |text: &str| {
        let run = simulated(text);
        run.tasks[0].running_at.expect("it runs").as_seconds()
    };
    let usual = began(&plain);
    let efs = "    volumes: [{ name: shared, efsVolumeConfiguration: { fileSystemId: fs-1 } }]";
    assert_eq!(began(&text("      - { name: web, memory: 64 }", efs, "  web: {}", "")) - usual, 2.0);
    let ebs = text(
        "      - { name: web, memory: 64 }",
        "    volumes: [{ name: data, configuredAtLaunch: true }]",
        "  web: {}",
        "",
    );
    let ebs = ebs.replace(
        "desiredCount: 0",
        "desiredCount: 0, volumeConfigurations: [{ name: data, managedEBSVolume: { sizeInGiB: 20 } }]",
    );
    // It is attached before the agent takes the task up, beside a network interface, which takes 5 s of the 15.
    assert_eq!(began(&ebs) - usual, 15.0 + 1.0 - 1.0);
    let awsvpc = |it: &str| it.replace("  web:\n", "  web:\n    networkMode: awsvpc\n");
    assert_eq!(began(&awsvpc(&ebs)) - began(&awsvpc(&plain)), 10.0);
}

#[test]
fn instances_that_are_lost_take_their_containers_along() {
    let containers = "
      - { name: router, memory: 64, healthCheck: { interval: 10 } }
      - { name: web, memory: 64, dependsOn: [{ containerName: router, condition: HEALTHY }], restartPolicy: { enabled: true, restartAttemptPeriod: 60 } }";
    let more = "  - { at: 80s, terminateInstances: { autoScalingGroup: nodes, count: 2 } }
  - { at: 15m, terminateInstances: { autoScalingGroup: nodes, count: 2 } }
";
    let run = run(containers, "  router: {}\n  web: { exit: { after: 100s, code: 1 } }", more);
    let lost: Vec<&TaskLife> = run.tasks.iter().filter(|it| it.stopped_at.is_some()).collect();
    assert_eq!(lost.len(), 2, "one as it started, one that ran");
    assert!(lost.iter().flat_map(|it| &it.containers).all(|it| it.last_status == "STOPPED"));
}

/// The front container is started again under load: each request ends once all the same.
#[test]
fn requests_to_a_container_that_is_started_again_end_once() {
    let text = "duration: 20m
autoScalingGroups: { nodes: { InstanceType: m5.large, MinSize: 2, MaxSize: 2 } }
taskDefinitions:
  web:
    containerDefinitions:
      - { name: router, memory: 64, healthCheck: {} }
      - name: web
        cpu: 256
        memory: 256
        portMappings: [{ containerPort: 80 }]
        dependsOn: [{ containerName: router, condition: HEALTHY }]
        restartPolicy: { enabled: true, restartAttemptPeriod: 60 }
applications:
  router: {}
  web: { cpuTime: { exponential: { mean: 20ms } }, exit: { after: { uniform: { minimum: 30s, maximum: 5m } }, code: 1 } }
targetGroups: { web: {} }
services:
  web:
    taskDefinition: web
    desiredCount: 4
    loadBalancers: [{ targetGroupArn: web, containerName: web, containerPort: 80 }]
workloads: { all: { service: web, arrivals: { poisson: { rate: 40/s } }, timeout: 5s } }
";
    let run = simulated(text);
    let counts = &run.requests[0].counts;
    let restarts: u32 = run.tasks.iter().flat_map(|it| &it.containers).map(|it| it.restart_count).sum();
    assert!(restarts > 4 && run.tasks.len() > 4, "some are started again in their task, some are not");
    assert!(counts.failed() > 0 && counts.served > 10 * counts.failed());
    let in_flight = counts.arrived - counts.ended();
    assert!(in_flight < 100, "{in_flight} of {} have not ended", counts.arrived);
}

/// The control plane frees a slot when a task is sent SIGTERM, the agent when it is gone.
#[test]
fn we_94_a_replacement_waits_until_the_old_task_is_gone() {
    let text = "duration: 20m
cluster: { availabilityZones: [us-east-1a] }
autoScalingGroups: { nodes: { InstanceType: m5.large, MinSize: 1, MaxSize: 1 } }
taskDefinitions:
  web: { containerDefinitions: [{ name: web, cpu: 1024, memory: 3000, portMappings: [{ containerPort: 80 }] }] }
applications: { web: { shutdownTime: 5s } }
targetGroups: { web: { Attributes: { deregistration_delay.timeout_seconds: '30' } } }
services:
  web:
    taskDefinition: web
    desiredCount: 2
    deploymentConfiguration: { minimumHealthyPercent: 50, maximumPercent: 100 }
    loadBalancers: [{ targetGroupArn: web, containerName: web, containerPort: 80 }]
timeline: [{ at: 1m, updateService: { service: web, forceNewDeployment: true } }]
assumptions: { placementRetryOnCapacity: true, agentPickUpTime: 0s, schedulerDelay: 0s }
";
    let run = simulated(text);
    let replacements: Vec<&TaskLife> = run.tasks.iter().skip(2).collect();
    assert_eq!(replacements.len(), 2);
    for new in replacements {
        let placed = new.placed_at.expect("placed");
        let old = run.tasks.iter().filter(|it| it.stopping_at.is_some_and(|at| at + Span::seconds(30) == placed));
        assert_eq!(old.count(), 1, "placed 30 s after an old one began to drain");
        // The pull of a cached image takes a second.
        let pull_began = new.pulled_at.expect("pulled").as_seconds() - 1.0;
        assert_eq!(pull_began - placed.as_seconds(), 5.0, "and pulled once that is gone");
    }
}

#[test]
fn we_90_and_91_from_the_decision_until_the_task_is_stopped() {
    for (delay, shutdown, lasts, code) in [(300, "5s", 305.0, 0), (30, "1h", 60.0, 137)] {
        // As one, and followed by itself.
        for health_check in ["", ", healthCheck: {}"] {
            let text = format!(
                "duration: 20m
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 1, MaxSize: 1 }} }}
taskDefinitions:
  web: {{ containerDefinitions: [{{ name: web, memory: 64, portMappings: [{{ containerPort: 80 }}]{health_check} }}] }}
applications: {{ web: {{ shutdownTime: {shutdown} }} }}
targetGroups: {{ web: {{ Attributes: {{ deregistration_delay.timeout_seconds: '{delay}' }} }} }}
services:
  web: {{ taskDefinition: web, loadBalancers: [{{ targetGroupArn: web, containerName: web, containerPort: 80 }}] }}
timeline: [{{ at: 1m, updateService: {{ service: web, desiredCount: 0 }} }}]
"
            );
            let run = simulated(&text);
            let task = &run.tasks[0];
            let [from, to] = [task.stopping_at, task.stopped_at].map(|it| it.expect("stopped").as_seconds());
            assert_eq!((to - from, task.exit_code), (lasts, Some(code)));
        }
    }
}
