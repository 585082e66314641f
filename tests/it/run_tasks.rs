//! Standalone tasks, end to end: what a call starts, what it does not, and what becomes of it.

use std::path::Path;

use plimsoll::aws::run_task::PROVISIONING_LIMIT;
use plimsoll::engine::simulate;
use plimsoll::report;
use plimsoll::rng::Seed;
use plimsoll::run::{Run, TaskLife};
use plimsoll::scenario::{self, Scenario};
use plimsoll::units::{Instant, Span};

/// Two m5.large of one zone (2048 units and 7811 MiB each), and a definition of 512 units and 1024 MiB.
const CLUSTER: &str = "
duration: 3h
cluster: { availabilityZones: [us-east-1a] }
autoScalingGroups: { nodes: { InstanceType: m5.large, MinSize: 2, MaxSize: 2 } }
taskDefinitions:
  batch: { containerDefinitions: [{ name: batch, cpu: 512, memoryReservation: 1024 }] }
";

/// The same, on a capacity provider that begins without an instance.
const PROVIDER: &str = "
duration: 3h
cluster: { availabilityZones: [us-east-1a] }
autoScalingGroups: { nodes: { InstanceType: m5.large, MinSize: 0, MaxSize: 2 } }
capacityProviders:
  nodes: { autoScalingGroupProvider: { autoScalingGroupArn: nodes, managedScaling: { status: ENABLED, targetCapacity: 100 } } }
taskDefinitions:
  batch: { containerDefinitions: [{ name: batch, cpu: 512, memoryReservation: 1024 }] }
";

fn read(text: &str) -> Scenario {
    let story = scenario::read(Path::new("run-tasks.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
        .unwrap_or_else(|problems| panic!("{text}\n{}", problems.render(false)));
    assert!(story.unsupported.is_empty(), "{}", story.unsupported.render(false));
    story.variants.into_iter().next().expect("a story has its base")
}

fn run(text: &str) -> Run {
    simulate(&read(text), Seed { seed: 1, replication: 0 })
}

fn of(cluster: &str, more: &str) -> Run {
    run(&format!("{cluster}{more}"))
}

fn failures(run: &Run, number: usize) -> Vec<(&'static str, u64)> {
    run.run_task_totals[number].failures.iter().map(|(reason, count)| (*reason, *count)).collect()
}

fn at(seconds: u64) -> Instant {
    Instant::START + Span::seconds(seconds)
}

fn placed(run: &Run) -> Vec<&TaskLife> {
    run.tasks.iter().filter(|it| it.placed_at.is_some()).collect()
}

#[test]
fn a_call_starts_what_fits_and_nobody_tries_the_rest_again() {
    let run = of(CLUSTER, "runTasks: { night: { taskDefinition: batch, at: 10m, count: 25, runTime: 5m } }");
    assert_eq!((run.run_task_totals[0].asked, failures(&run, 0)), (25, vec![("RESOURCE:CPU", 17)]));
    assert_eq!(run.tasks.len(), 8, "four of 512 units on each of two instances");
    for task in &run.tasks {
        assert_eq!((task.placed_at, task.service, task.run_task), (Some(at(600)), None, Some(0)));
        assert_eq!(&*task.task_group, "family:batch");
        let running = task.running_at.expect("it ran");
        // The time it was to run, from RUNNING on; then the essential container has ended by itself.
        assert_eq!(task.stopped_at, Some(running + Span::seconds(300)));
        assert_eq!((task.stop_code, task.exit_code), (Some("EssentialContainerExited"), Some(0)));
    }
    // Calls of ten: of the first eight start, and of the two others none.
    let said = run.events.iter().find(|it| it.kind == "task.run_task_failed").expect("it is said");
    assert_eq!((said.resource.as_str(), said.at), ("task/night", at(600)));
    assert_eq!(said.message, "(task group family:batch) RunTask had failures: 2 RESOURCE:CPU.");
}

#[test]
fn failures_name_what_the_closest_instance_lacks() {
    for (definition, more, reason) in [
        ("cpu: 64, memory: 9000", "", "RESOURCE:MEMORY"),
        ("cpu: 4096, memory: 64", "", "RESOURCE:CPU"),
        ("cpu: 64, memory: 64, portMappings: [{ containerPort: 22, hostPort: 22 }]", "", "RESOURCE:PORTS"),
        ("cpu: 64, memory: 64, resourceRequirements: [{ type: GPU, value: '1' }]", "", "RESOURCE:GPU"),
        (
            "cpu: 64, memory: 64",
            ", placementConstraints: [{ type: memberOf, expression: 'attribute:ecs.instance-type == t3.micro' }]",
            "MemberOf placement constraint unsatisfied.",
        ),
    ] {
        let cluster = CLUSTER.replace("cpu: 512, memoryReservation: 1024", definition);
        let run = of(&cluster, &format!("runTasks: {{ one: {{ taskDefinition: batch, at: 1m{more} }} }}"));
        assert_eq!((failures(&run, 0), run.tasks.len()), (vec![(reason, 1)], 0), "{definition}");
    }
    let none = CLUSTER.replace("MinSize: 2, MaxSize: 2", "MinSize: 0, MaxSize: 0");
    let run = of(&none, "runTasks: { one: { taskDefinition: batch, at: 1m } }");
    assert_eq!(failures(&run, 0), [("No Container Instances were found in your cluster.", 1)]);
}

#[test]
fn failures_name_interfaces_attributes_and_agents() {
    let interfaces =
        CLUSTER.replace("cpu: 512, memoryReservation: 1024 }]", "cpu: 64, memory: 64 }], networkMode: awsvpc");
    let run = of(&interfaces, "runTasks: { many: { taskDefinition: batch, at: 1m, count: 5 } }");
    assert_eq!((run.tasks.len(), failures(&run, 0)), (4, vec![("RESOURCE:ENI", 1)]), "two on each m5.large");
    let arm = CLUSTER.replace("batch: {", "batch: { runtimePlatform: { cpuArchitecture: ARM64 },");
    let run = of(&arm, "runTasks: { one: { taskDefinition: batch, at: 1m } }");
    assert_eq!((run.tasks.len(), failures(&run, 0)), (0, vec![("ATTRIBUTE", 1)]));
    let away = "runTasks: { one: { taskDefinition: batch, at: [1m, 5m], runTime: 1m } }
timeline: [{ at: 30s, disconnectAgents: { autoScalingGroup: nodes, count: 2, for: 2m } }]";
    let run = of(CLUSTER, away);
    assert_eq!((run.tasks.len(), failures(&run, 0)), (1, vec![("AGENT", 1)]), "those at five minutes find them again");
}

#[test]
fn a_capacity_provider_lets_them_wait_and_grows() {
    let strategy = "capacityProviderStrategy: [{ capacityProvider: nodes, weight: 1 }]";
    let run =
        of(PROVIDER, &format!("runTasks: {{ night: {{ taskDefinition: batch, at: 10m, count: 9, {strategy} }} }}"));
    assert!(failures(&run, 0).is_empty());
    assert_eq!(run.tasks.len(), 9);
    let waits: Vec<Option<Span>> = run.tasks.iter().map(|it| Some(it.placed_at?.since(it.created_at))).collect();
    // Two instances hold eight; the ninth is given up after the provisioning timeout.
    assert_eq!(waits.iter().flatten().count(), 8);
    assert!(waits.iter().flatten().all(|it| (Span::seconds(60)..Span::seconds(300)).contains(it)), "{waits:?}");
    let given_up = run.tasks.iter().find(|it| it.placed_at.is_none()).expect("one found no room");
    assert_eq!((given_up.stop_code, given_up.stopped_at), (Some("TaskFailedToStart"), Some(at(600 + 1800))));
    assert!(run.instances.len() == 2, "{} instances", run.instances.len());
}

#[test]
fn no_more_than_500_wait_in_provisioning() {
    let strategy = "capacityProviderStrategy: [{ capacityProvider: nodes, weight: 1 }]";
    let cluster = PROVIDER.replace("MaxSize: 2", "MaxSize: 0");
    let run =
        of(&cluster, &format!("runTasks: {{ night: {{ taskDefinition: batch, at: 10m, count: 505, {strategy} }} }}"));
    assert_eq!(failures(&run, 0), [(PROVISIONING_LIMIT, 5)]);
    assert_eq!((run.tasks.len(), placed(&run).len()), (500, 0));
    let minute = run.run_task_minutes.iter().find(|it| it.minute == 10).expect("a row for each minute");
    assert_eq!((minute.asked, minute.failed, minute.provisioning, minute.running), (505, 5, 500, 0));
}

#[test]
fn a_call_that_would_be_too_many_in_provisioning_starts_nothing() {
    let strategy = "capacityProviderStrategy: [{ capacityProvider: nodes, weight: 1 }]";
    let cluster = PROVIDER.replace("MaxSize: 2", "MaxSize: 0");
    let text = format!(
        "assumptions: {{ provisioningMaximum: 25 }}
runTasks: {{ night: {{ taskDefinition: batch, at: [10m, 11m], count: 30, {strategy} }} }}"
    );
    let run = of(&cluster, &text);
    assert_eq!(failures(&run, 0), [(PROVISIONING_LIMIT, 40)], "the third call of ten, and all of the second time");
    assert_eq!((run.tasks.len(), run.run_task_totals[0].failed_calls), (20, 4));
    let minute = run.run_task_minutes.iter().find(|it| it.minute == 10).expect("a row for each minute");
    assert_eq!((minute.asked, minute.failed, minute.provisioning, minute.failed_calls), (30, 10, 20, 1));
    let said = run.events.iter().find(|it| it.kind == "task.run_task_failed").expect("it is said");
    assert_eq!(said.message, format!("(task group family:batch) RunTask failed for 10 tasks: {PROVISIONING_LIMIT}"));
}

#[test]
fn an_ended_task_makes_room_for_one_that_waits() {
    let strategy = "capacityProviderStrategy: [{ capacityProvider: nodes, weight: 1 }]";
    let text = format!(
        "runTasks:
  first: {{ taskDefinition: batch, at: 10m, count: 8, runTime: 10m, {strategy} }}
  second: {{ taskDefinition: batch, at: 15m, count: 8, runTime: 1m, {strategy} }}"
    );
    let run = of(PROVIDER, &text);
    let end_of_first = run.tasks.iter().filter(|it| it.run_task == Some(0)).filter_map(|it| it.stopped_at).min();
    let second: Vec<Instant> =
        run.tasks.iter().filter(|it| it.run_task == Some(1)).filter_map(|it| it.placed_at).collect();
    assert_eq!(second.len(), 8);
    let first_placed = *second.iter().min().expect("eight");
    let since = first_placed.since(end_of_first.expect("they end"));
    assert!(since <= Span::seconds(5), "placed {since} after the first end");
}

#[test]
fn what_the_call_overrides_is_reserved() {
    let run = of(
        CLUSTER,
        "runTasks: { big: { taskDefinition: batch, at: 1m, count: 3, overrides: { cpu: '1 vCPU', memory: '2 GB' } } }",
    );
    assert_eq!(run.tasks.iter().map(|it| (it.cpu_units, it.memory_mib)).collect::<Vec<_>>(), [(1024, 2048); 3]);
}

#[test]
fn a_group_is_one_whoever_names_it() {
    // Two instances, so that of one group two tasks find an instance for themselves.
    let distinct = "placementConstraints: [{ type: distinctInstance }]";
    let text = |group: &str| {
        format!(
            "runTasks:
  one: {{ taskDefinition: batch, at: 1m, {distinct} }}
  other: {{ taskDefinition: batch, at: 2m, count: 2, {distinct}, group: '{group}' }}"
        )
    };
    let shared = of(CLUSTER, &text("family:batch"));
    assert_eq!(failures(&shared, 1), [("DistinctInstance placement constraint unsatisfied.", 1)]);
    assert!(failures(&of(CLUSTER, &text("others")), 1).is_empty());
}

#[test]
fn a_services_constraint_sees_the_groups_of_standalone_tasks() {
    let text = "
runTasks: { noisy: { taskDefinition: batch, at: 1m, group: noisy, placementStrategy: [{ type: binpack, field: memory }] } }
services:
  quiet:
    taskDefinition: batch
    desiredCount: 0
    placementConstraints: [{ type: memberOf, expression: 'not(task:group == noisy)' }]
timeline: [{ at: 2m, updateService: { service: quiet, desiredCount: 3 } }]";
    let run = of(CLUSTER, text);
    let noisy = run.tasks[0].instance;
    let quiet: Vec<_> = run.tasks.iter().filter(|it| it.service.is_some()).map(|it| it.instance).collect();
    assert_eq!(quiet.len(), 3);
    assert!(noisy.is_some() && quiet.iter().all(|it| *it != noisy), "{noisy:?} {quiet:?}");
}

#[test]
fn one_that_wants_to_be_beside_others_is_placed_when_they_come() {
    let strategy = "capacityProviderStrategy: [{ capacityProvider: nodes, weight: 1 }]";
    let beside = "placementConstraints: [{ type: memberOf, expression: 'task:group == service:web' }]";
    let text = format!(
        "runTasks: {{ near: {{ taskDefinition: batch, at: 1m, {strategy}, {beside} }} }}
services: {{ web: {{ taskDefinition: batch, desiredCount: 0, {strategy} }} }}
timeline: [{{ at: 5m, updateService: {{ service: web, desiredCount: 1 }} }}]"
    );
    let run = of(&PROVIDER.replace("MinSize: 0", "MinSize: 1"), &text);
    let placed_at = |it: &TaskLife| it.placed_at.expect("it is placed");
    let (near, web) = (placed_at(&run.tasks[0]), placed_at(&run.tasks[1]));
    assert!(near >= web && near.since(web) <= Span::seconds(5), "{near:?} after {web:?}");
    assert_eq!(run.tasks[0].instance, run.tasks[1].instance);
}

#[test]
fn applications_end_by_themselves_too() {
    let run = of(
        CLUSTER,
        "applications: { batch: { exit: { after: 90s, code: 3 } } }
runTasks: { night: { taskDefinition: batch, at: 1m }, timed: { taskDefinition: batch, at: 1m, runTime: 30s } }",
    );
    let codes: Vec<_> = run.tasks.iter().map(|it| (it.exit_code, it.containers[0].exit_code)).collect();
    assert_eq!(codes, [(Some(3), Some(3)), (Some(0), Some(0))]);
    let ran = |task: &TaskLife| {
        task.containers[0].stopped_at.expect("it ended").since(task.containers[0].started_at.expect("it ran"))
    };
    assert_eq!((ran(&run.tasks[0]), ran(&run.tasks[1])), (Span::seconds(90), Span::seconds(30)));
}

#[test]
fn a_lost_instance_takes_its_tasks_along() {
    let run = of(
        CLUSTER,
        "runTasks: { night: { taskDefinition: batch, at: 1m, count: 4, runTime: 5m } }
timeline: [{ at: 5m55s, terminateInstances: { autoScalingGroup: nodes, count: 2 } }]",
    );
    // They would have ended by themselves before ECS notices.
    for task in &run.tasks {
        assert_eq!((task.stop_code, task.exit_code), (Some("InfrastructureHealth"), None), "{task:?}");
        assert_eq!(task.stopped_at, Some(at(355 + 30)), "2.2: ECS reacts 30 s after EC2 has terminated it");
    }
}

#[test]
fn the_health_of_a_standalone_task_matters_to_nobody() {
    let run = of(
        CLUSTER,
        "  job: { containerDefinitions: [{ name: job, memory: 64, healthCheck: { command: [CMD, check], interval: 10, timeout: 5, retries: 1 } }] }
runTasks: { sick: { taskDefinition: job, at: 1m, runTime: 30m } }
applications: { job: { unhealthyAfter: 1m } }",
    );
    let [task] = &run.tasks[..] else { panic!("it is never replaced: {:?}", run.tasks) };
    let ran = task.stopped_at.expect("it ends").since(task.running_at.expect("it runs"));
    assert!(ran >= Span::MINUTE * 30, "{ran}");
    assert_eq!(
        (task.stop_code, task.stopped_reason.as_deref()),
        (Some("EssentialContainerExited"), Some("Essential container in task exited"))
    );
}

#[test]
fn the_time_of_containers_one_by_one_counts_from_running_and_ends_the_task() {
    let run = of(
        CLUSTER,
        "  job:
    containerDefinitions:
      - { name: db, memory: 64, healthCheck: { command: [CMD, check], interval: 30 } }
      - { name: app, memory: 64, dependsOn: [{ containerName: db, condition: HEALTHY }], restartPolicy: { enabled: true, restartAttemptPeriod: 60 } }
  again:
    containerDefinitions: [{ name: app, memory: 64, restartPolicy: { enabled: true, restartAttemptPeriod: 60 } }]
runTasks:
  waits: { taskDefinition: job, at: 1m, runTime: 10s }
  restarts: { taskDefinition: again, at: 1m, runTime: 2m }
  shorter: { taskDefinition: batch, at: 1m, runTime: 5s }
applications: { batch: { startTime: 60s } }",
    );
    let ran = |it: &TaskLife| {
        let ended = it.containers.first().map_or(it.stopped_at, |it| it.stopped_at);
        ended.expect("it ends").since(it.running_at.expect("it runs"))
    };
    assert_eq!(run.tasks.iter().map(ran).collect::<Vec<_>>(), [10, 120, 5].map(Span::seconds));
    assert!(run.tasks.iter().all(|it| it.stop_code == Some("EssentialContainerExited")));
    assert_eq!(run.tasks[1].containers[0].restart_count, 0);
}

#[test]
fn an_instance_that_drains_waits_for_them_and_no_longer_than_two_days() {
    // The group shrinks to nothing while a task of three hours runs.
    let text = |maximum: &str| {
        format!(
            "assumptions: {{ managedDrainingMaximum: {maximum} }}
timeline: [{{ at: 30m, updateAutoScalingGroup: {{ autoScalingGroup: nodes, desiredCapacity: 0, minSize: 0, maxSize: 0 }} }}]
runTasks:
  long: {{ taskDefinition: batch, at: 10m, runTime: 100m, capacityProviderStrategy: [{{ capacityProvider: nodes, weight: 1 }}] }}"
        )
    };
    let usual = of(PROVIDER, &text("48h"));
    let task = placed(&usual)[0];
    assert_eq!((task.stop_code, task.exit_code), (Some("EssentialContainerExited"), Some(0)));
    let instance = &usual.instances[task.instance.expect("it was placed")];
    assert_eq!(instance.terminated_at, task.stopped_at, "it goes when its last task has ended");
    let hasty = of(PROVIDER, &text("10m"));
    let task = placed(&hasty)[0];
    assert_eq!(task.stop_code, Some("InfrastructureHealth"));
    let instance = &hasty.instances[task.instance.expect("it was placed")];
    let drains = hasty.instance_changes.iter().find(|it| it.status == "DRAINING" && it.instance == instance.name);
    let drains = drains.expect("it drained").at;
    assert_eq!(instance.terminated_at, Some(drains + Span::seconds(600)));
}

#[test]
fn a_trace_is_replayed_row_by_row() {
    let text = format!(
        "{}runTasks: {{ traced: {{ taskDefinition: batch, trace: {{ file: tasks.csv, from: 60s, start: 10m }} }} }}",
        CLUSTER.replace("3h", "30m")
    );
    let csv = "arrival_s,cpu_units,memory_mib,duration_min_s,duration_max_s,censored
0,256,64,60,60,0
60,256,128,60,120,0
60,512,64,30,30,0
120,128,64,0,0,1
";
    let story = scenario::read(Path::new("run-tasks.yaml"), &mut |path| {
        Ok(if path.ends_with("tasks.csv") { csv.into() } else { text.clone().into_bytes() })
    })
    .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    let run = simulate(&story.variants[0], Seed { seed: 1, replication: 0 });
    let rows: Vec<_> = run.tasks.iter().map(|it| (it.created_at, it.cpu_units, it.memory_mib)).collect();
    assert_eq!(rows, [(at(600), 256, 128), (at(600), 512, 64), (at(660), 128, 64)]);
    let ran = |task: &TaskLife| Some(task.stopped_at?.since(task.running_at?));
    let first = ran(&run.tasks[0]).expect("it ended");
    assert!((Span::seconds(60)..=Span::seconds(120)).contains(&first), "{first}");
    assert_eq!((ran(&run.tasks[1]), ran(&run.tasks[2])), (Some(Span::seconds(30)), None));
}

#[test]
fn what_could_never_run_is_said_at_once() {
    let text = format!(
        "{CLUSTER}runTasks:
  jobs:
    taskDefinition: batch
    arrivals: {{ poisson: {{ rate: 0.05 }} }}
    sizes: [{{ cpu: '256', memory: '512' }}, {{ cpu: '1024', memory: '16384' }}]"
    );
    let story = scenario::read(Path::new("run-tasks.yaml"), &mut |_| Ok(text.clone().into_bytes()));
    let notes: Vec<String> = story.expect("it is sound").notes.iter().map(ToString::to_string).collect();
    let said = "a task of `batch:1` in `runTasks` `jobs`, of 1 of its 2 sizes, will never run: it reserves 16384 MiB, and of its 8 GiB a m5.large registers 7811 MiB";
    assert!(notes.iter().any(|it| it.contains(said)), "{notes:#?}");
}

#[test]
fn an_entry_and_a_service_may_have_one_name() {
    let text = "
runTasks: { web: { taskDefinition: batch, at: 10m, count: 4, runTime: 5m } }
services: { web: { taskDefinition: batch, desiredCount: 9 } }";
    let run = of(CLUSTER, text);
    let files = report::files(&run);
    let rows = |name: &str| -> Vec<(String, String)> {
        let file = &files.iter().find(|it| it.0 == name).expect("the file is there").1;
        let mut csv = csv::Reader::from_reader(&file[..]);
        let headers = csv.headers().expect("a header").clone();
        let column = |name: &str| headers.iter().position(|it| it == name).expect("a column");
        let (service, run_task) = (column("service"), column("run_task"));
        let rows = csv.records().map(|it| it.expect("a row"));
        rows.map(|it| (it[service].to_owned(), it[run_task].to_owned())).collect()
    };
    let tasks = rows("tasks.csv");
    let count = |rows: &[(String, String)], service: &str, run_task: &str| {
        rows.iter().filter(|it| (it.0.as_str(), it.1.as_str()) == (service, run_task)).count()
    };
    assert_eq!((count(&tasks, "web", ""), count(&tasks, "", "web")), (8, 0));
    let refusals = rows("placement_refusals.csv");
    assert!(count(&refusals, "web", "") > 0 && count(&refusals, "web", "web") > 0, "{refusals:?}");
    let by: Vec<&str> = report::refusals::refused(&run).iter().map(|it| it.started_by).collect();
    assert_eq!(by, ["service", "runTasks"]);
}

#[test]
fn what_can_never_come_is_said_at_once() {
    let notes = |more: &str| -> Vec<String> {
        let text = format!("{CLUSTER}{more}");
        let story = scenario::read(Path::new("run-tasks.yaml"), &mut |path| {
            let rows = b"arrival_s\n0\n60\n120\n".to_vec();
            Ok(if path.ends_with("tasks.csv") { rows } else { text.clone().into_bytes() })
        });
        story.unwrap_or_else(|it| panic!("{}", it.render(false))).notes
    };
    let of = |entry: &str| notes(&format!("runTasks: {{ jobs: {{ taskDefinition: batch, {entry} }} }}"));
    let trace = "`trace` of standalone tasks";
    for (entry, said) in [
        ("at: []", "`runTasks` `jobs` has no times in `at`: its tasks are never asked for".to_owned()),
        ("at: 3h", "`runTasks` `jobs`: its call at 3h comes after the end of the run".to_owned()),
        (
            "at: [1h, 4h, 5h]",
            "`runTasks` `jobs`: 2 of its 3 calls come after the end of the run, the first at 4h".to_owned(),
        ),
        ("trace: { file: tasks.csv, scale: 0 }", format!("{trace} has a `scale` of 0: nothing of it comes")),
        (
            "trace: { file: tasks.csv, start: 3h }",
            format!("{trace} starts at 3h, after the end of the run: nothing of it comes"),
        ),
        (
            "trace: { file: tasks.csv, start: 179m30s }",
            format!("{trace}: 2 of its 3 calls come after the end of the run, the first at 3h30s"),
        ),
        (
            "trace: { file: tasks.csv, from: 10s, for: 20s }",
            format!("{trace}: there is no task in its window, so none is asked for"),
        ),
    ] {
        let notes = of(entry);
        assert_eq!(notes.iter().filter(|it| **it == said).count(), 1, "{entry}: {notes:#?}");
    }
    let sound = of("at: [1h, 2h]");
    assert!(sound.iter().all(|it| !it.contains("`jobs`")), "{sound:#?}");
    let timeline = notes("timeline: [{ at: 1h, disconnectAgents: { autoScalingGroup: nodes, count: 1, for: 0s } }]");
    assert!(
        timeline.contains(&"`timeline`: `disconnectAgents` at 1h does nothing: it lasts no time".to_owned()),
        "{timeline:#?}"
    );
}

/// Nothing is lost: each task that was asked for was started, refused, or waits.
#[test]
fn every_task_that_was_asked_for_is_accounted_for() {
    for (cluster, strategy) in
        [(CLUSTER, ""), (PROVIDER, ", capacityProviderStrategy: [{ capacityProvider: nodes, weight: 1 }]")]
    {
        let text = format!(
            "{cluster}runTasks:
  jobs:
    taskDefinition: batch
    arrivals: {{ poisson: {{ rate: 0.05 }} }}
    count: 3
    sizes: [{{ cpu: '256', memory: '512', weight: 3 }}, {{ cpu: '1024', memory: '4096' }}]
    runTime: {{ exponential: {{ mean: 10m }} }}{}",
            strategy.replacen(", ", "\n    ", 1)
        );
        let scenario = read(&text);
        for replication in 0..3 {
            let run = simulate(&scenario, Seed { seed: 5, replication });
            let totals = &run.run_task_totals[0];
            assert_eq!(totals.asked, run.tasks.len() as u64 + totals.failed());
            assert_eq!(totals.asked, run.run_task_minutes.iter().map(|it| it.asked).sum::<u64>());
            assert!(totals.asked > 1000 && totals.failed() > 0 || !strategy.is_empty(), "{totals:?}");
            let again = simulate(&scenario, Seed { seed: 5, replication });
            assert_eq!(run.fingerprint, again.fingerprint);
        }
    }
}
