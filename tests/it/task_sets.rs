//! Services whose deployment controller is EXTERNAL: task sets that the timeline creates, scales, makes PRIMARY and deletes.

use std::path::Path;

use plimsoll::run::{Run, TaskLife, Verdict};
use plimsoll::scenario;
use plimsoll::units::{Instant, Span};

use crate::stories::run;

/// A service `web` whose task set `blue` has all of its desired count.
struct Setup<'a> {
    desired: u32,
    instances: u32,
    /// The service beyond that.
    service: &'a str,
    timeline: &'a str,
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Setup { desired: 5, instances: 6, service: "", timeline: "" }
    }
}

const GREEN: &str = "createTaskSet: { service: web, externalId: green, taskDefinition: web:2, scale: { value: 50, unit: PERCENT }, loadBalancers: [{ targetGroupArn: green, containerName: web, containerPort: 80 }] }";

impl Setup<'_> {
    fn run(&self) -> Run {
        let Setup { desired, instances, service, timeline } = self;
        run(&format!(
            "duration: 1h
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: {instances}, MaxSize: {instances} }} }}
taskDefinitions:
  web:1: {{ containerDefinitions: [{{ name: web, image: web, cpu: 1024, memory: 256, portMappings: [{{ containerPort: 80 }}] }}] }}
  web:2: {{ containerDefinitions: [{{ name: web, image: web, cpu: 1024, memory: 256, portMappings: [{{ containerPort: 80 }}] }}] }}
applications: {{ web: {{ startTime: 2s, cpuTime: 5ms }} }}
loadBalancers:
  front:
    listeners:
      - {{ Port: 443, Protocol: HTTPS, DefaultActions: [{{ Type: forward, TargetGroupArn: blue }}] }}
targetGroups:
  blue: {{ loadBalancer: front, HealthCheckIntervalSeconds: 10, deregistrationDelay: 10s }}
  green: {{ loadBalancer: front, HealthCheckIntervalSeconds: 10, deregistrationDelay: 10s }}
services:
  web:
    desiredCount: {desired}
    deploymentController: {{ type: EXTERNAL }}
    taskSets: [{{ externalId: blue, taskDefinition: web:1, status: PRIMARY, scale: {{ value: 100, unit: PERCENT }}, loadBalancers: [{{ targetGroupArn: blue, containerName: web, containerPort: 80 }}] }}]
    {service}
workloads: {{ visitors: {{ loadBalancer: front, arrivals: {{ poisson: {{ rate: 20/s }} }} }} }}
timeline:
{timeline}"
        ))
    }
}

/// Events of some kinds, in words.
fn said(run: &Run, kinds: &[&str]) -> Vec<String> {
    run.events.iter().filter(|it| kinds.contains(&it.kind)).map(|it| it.message.clone()).collect()
}

fn running_at(run: &Run, definition: &str, minutes: u64) -> usize {
    let at = Instant::START + Span::MINUTE * minutes;
    let runs =
        |it: &&TaskLife| it.running_at.is_some_and(|from| from <= at) && it.stopping_at.is_none_or(|until| until > at);
    run.tasks.iter().filter(|it| &*it.task_definition == definition).filter(runs).count()
}

#[test]
fn a_task_set_has_its_share_of_the_desired_count_rounded_up() {
    let timeline = format!("  - {{ at: 5m, {GREEN} }}");
    let run = Setup { timeline: &timeline, ..Setup::default() }.run();
    assert_eq!(
        said(&run, &["timeline.create_task_set", "service.computed_desired_count", "service.task_set_steady_state"]),
        [
            "CreateTaskSet web green: scale 50 percent",
            "(service web) updated computedDesiredCount for taskSet green to 3.",
            "(service web, taskSet green) updated state to STEADY_STATE.",
        ]
    );
    assert_eq!((running_at(&run, "web:1", 20), running_at(&run, "web:2", 20)), (5, 3));
    let started = said(&run, &["service.tasks_started"]);
    assert!(started[0].starts_with("(service web, taskSet green) has started 3 tasks: "), "{started:?}");
    let life = run.deployments.iter().find(|it| it.task_set.as_deref() == Some("green")).expect("it is told");
    assert!(matches!(life.verdict(), Verdict::Finished(took) if took < Span::MINUTE), "{:?}", life.verdict());
}

#[test]
fn task_sets_follow_a_desired_count_that_changes() {
    let timeline =
        format!("  - {{ at: 5m, {GREEN} }}\n  - {{ at: 10m, updateService: {{ service: web, desiredCount: 8 }} }}");
    let run = Setup { timeline: &timeline, ..Setup::default() }.run();
    assert_eq!((running_at(&run, "web:1", 20), running_at(&run, "web:2", 20)), (8, 4));
    assert_eq!(
        said(&run, &["service.computed_desired_count"])[1..],
        [
            "(service web) updated computedDesiredCount for taskSet blue to 8.",
            "(service web) updated computedDesiredCount for taskSet green to 4.",
        ]
    );
}

#[test]
fn traffic_shifts_by_the_listener_and_the_old_task_set_is_deleted() {
    let timeline = format!(
        "  - {{ at: 5m, {GREEN} }}
  - {{ at: 10m, modifyListener: {{ loadBalancer: front, DefaultActions: [{{ Type: forward, ForwardConfig: {{ TargetGroups: [{{ TargetGroupArn: blue, Weight: 3 }}, {{ TargetGroupArn: green, Weight: 1 }}] }} }}] }} }}
  - {{ at: 15m, updateTaskSet: {{ service: web, taskSet: green, scale: {{ value: 100 }} }} }}
  - {{ at: 20m, modifyListener: {{ loadBalancer: front, DefaultActions: [{{ Type: forward, TargetGroupArn: green }}] }} }}
  - {{ at: 20m, updateServicePrimaryTaskSet: {{ service: web, primaryTaskSet: green }} }}
  - {{ at: 25m, deleteTaskSet: {{ service: web, taskSet: blue }} }}
  - {{ at: 30m, deleteTaskSet: {{ service: web, taskSet: blue, force: true }} }}
  - {{ at: 40m, updateTaskSet: {{ service: web, taskSet: blue, scale: {{ value: 10 }} }} }}"
    );
    let run = Setup { timeline: &timeline, ..Setup::default() }.run();
    assert_eq!((running_at(&run, "web:1", 29), running_at(&run, "web:2", 29)), (5, 5));
    assert_eq!((running_at(&run, "web:1", 50), running_at(&run, "web:2", 50)), (0, 5));
    assert_eq!(
        said(
            &run,
            &["timeline.delete_task_set", "timeline.update_service_primary_task_set", "service.task_set_deleted"]
        ),
        [
            "UpdateServicePrimaryTaskSet web green",
            "DeleteTaskSet web blue: InvalidParameterException: The task set is scaled above 0, and its deletion is not forced.",
            "DeleteTaskSet web blue",
            "(service web, taskSet blue) is gone.",
        ]
    );
    let last = said(&run, &["timeline.update_task_set"]).pop();
    assert_eq!(
        last.as_deref(),
        Some("UpdateTaskSet web blue: TaskSetNotFoundException: The specified task set wasn't found.")
    );
    let counts = &run.requests[0].counts;
    assert_eq!(counts.failed(), 0, "{counts:?}");
    assert_eq!(counts.arrived, counts.served + run.requests[0].in_flight);
    // A quarter of the requests between 11 and 14 minutes came to green.
    let green = run.scenario.target_groups.find(|it| it.name == "green").expect("it is there").index();
    let of = |group: Option<usize>| -> u64 {
        let rows = run.load_balancer_minutes.iter().filter(|it| (11..15).contains(&it.minute));
        rows.filter(|it| it.target_group == group).map(|it| it.counts.arrived).sum()
    };
    let share = of(Some(green)) as f64 / of(None).max(1) as f64;
    assert!((0.22..0.28).contains(&share), "{share}");
}

#[test]
fn a_service_is_steady_with_task_sets_side_by_side() {
    let timeline = format!("  - {{ at: 10m, {GREEN} }}");
    let run = Setup { timeline: &timeline, ..Setup::default() }.run();
    let steady = run.events.iter().filter(|it| it.kind == "service.steady_state").map(|it| it.at).max();
    assert!(steady.is_some_and(|it| it > Instant::START + Span::MINUTE * 10), "{steady:?}");
    assert_eq!((running_at(&run, "web:1", 30), running_at(&run, "web:2", 30)), (5, 3));
}

#[test]
fn a_task_set_without_room_never_comes_to_be_steady() {
    let timeline = format!("  - {{ at: 5m, {GREEN} }}");
    let run = Setup { desired: 4, instances: 2, timeline: &timeline, ..Setup::default() }.run();
    assert_eq!(running_at(&run, "web:2", 50), 0);
    assert_eq!(said(&run, &["service.task_set_steady_state"]), [] as [String; 0]);
    let life = run.deployments.iter().find(|it| it.task_set.as_deref() == Some("green")).expect("it is told");
    assert!(matches!(life.verdict(), Verdict::Hangs(_)), "{:?}", life.verdict());
    assert!(!said(&run, &["service.task_placement_failure"]).is_empty());
}

#[test]
fn tasks_of_a_task_set_are_replaced_within_it() {
    let timeline = format!(
        "  - {{ at: 5m, {GREEN} }}\n  - {{ at: 15m, terminateInstances: {{ autoScalingGroup: nodes, count: 2 }} }}"
    );
    let run = Setup { timeline: &timeline, ..Setup::default() }.run();
    assert_eq!((running_at(&run, "web:1", 30), running_at(&run, "web:2", 30)), (5, 3));
    assert!(run.tasks.len() > 8, "some were lost");
}

#[test]
fn task_sets_on_other_capacity_stand_side_by_side() {
    let service = "";
    let green = "createTaskSet: { service: web, externalId: green, taskDefinition: api, launchType: FARGATE, networkConfiguration: { awsvpcConfiguration: {} }, scale: { value: 100 } }";
    let timeline = format!("  - {{ at: 5m, {green} }}");
    let text = format!(
        "duration: 30m
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 2, MaxSize: 2 }} }}
taskDefinitions:
  web: {{ containerDefinitions: [{{ name: web, image: web, cpu: 256, memory: 256 }}] }}
  api: {{ cpu: 256, memory: 512, networkMode: awsvpc, requiresCompatibilities: [FARGATE], containerDefinitions: [{{ name: web, image: web }}] }}
services:
  web: {{ desiredCount: 3, deploymentController: {{ type: EXTERNAL }}, taskSets: [{{ externalId: blue, taskDefinition: web, launchType: EC2, status: PRIMARY, scale: {{ value: 100 }} }}] {service} }}
timeline:
{timeline}"
    );
    let run = run(&text);
    assert_eq!((running_at(&run, "web:1", 25), running_at(&run, "api:1", 25)), (3, 3));
    let on_instances = |definition: &str| {
        run.tasks.iter().filter(|it| &*it.task_definition == definition && it.instance.is_some()).count()
    };
    assert_eq!((on_instances("web:1"), on_instances("api:1")), (3, 0));
}

#[test]
fn service_auto_scaling_scales_the_service_and_not_its_task_sets() {
    let timeline = format!("  - {{ at: 1m, {GREEN} }}");
    let setup = Setup { timeline: &timeline, ..Setup::default() };
    let run = setup.run();
    // ECS knows of no deployment, so that nothing is held back by one.
    assert_eq!(said(&run, &["service.deployment_in_progress", "service.deployment_completed"]), [] as [String; 0]);
}

#[test]
fn a_service_with_task_sets_is_created_again() {
    let timeline = format!(
        "  - {{ at: 5m, {GREEN} }}
  - {{ at: 10m, deleteService: {{ service: web, force: true }} }}
  - {{ at: 20m, createService: {{ service: web }} }}
  - {{ at: 30m, {GREEN} }}
  - {{ at: 40m, updateTaskSet: {{ service: web, taskSet: green, scale: {{ value: 100 }} }} }}
  - {{ at: 41m, updateServicePrimaryTaskSet: {{ service: web, primaryTaskSet: green }} }}
  - {{ at: 42m, deleteTaskSet: {{ service: web, taskSet: blue, force: true }} }}"
    );
    let run = Setup { instances: 8, timeline: &timeline, ..Setup::default() }.run();
    let running = |minutes| (running_at(&run, "web:1", minutes), running_at(&run, "web:2", minutes));
    assert_eq!([4, 8, 15].map(running), [(5, 0), (5, 3), (0, 0)]);
    // It begins as it is defined, with blue alone; green is another one than before.
    assert_eq!([25, 35, 50].map(running), [(5, 0), (5, 3), (0, 5)]);
    let told: Vec<(u32, Option<&str>, f64)> =
        run.deployments.iter().map(|it| (it.number, it.task_set.as_deref(), it.began_at.as_seconds())).collect();
    let minute = 60.0;
    let expected = [
        (0, Some("blue"), 0.0),
        (1, Some("green"), 5.0 * minute),
        (3, Some("blue"), 20.0 * minute),
        (5, Some("green"), 30.0 * minute),
    ];
    assert_eq!(told, expected);
    assert!(run.failed_calls.is_empty(), "{:?}", run.failed_calls);
    let started = said(&run, &["service.tasks_started"]);
    assert!(started.last().is_some_and(|it| it.starts_with("(service web, taskSet green)")), "{started:?}");
}

#[test]
fn a_task_set_of_the_first_life_is_not_there_in_the_second() {
    let again = "  - { at: 10m, deleteService: { service: web, force: true } }
  - { at: 20m, createService: { service: web } }";
    let text = |more: &str| {
        format!(
            "duration: 1h
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 6, MaxSize: 6 }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, image: web, cpu: 256, memory: 256 }}] }} }}
services: {{ web: {{ desiredCount: 2, deploymentController: {{ type: EXTERNAL }}, taskSets: [{{ externalId: blue, taskDefinition: web, status: PRIMARY, scale: {{ value: 100 }} }}] }} }}
timeline:
  - {{ at: 5m, createTaskSet: {{ service: web, externalId: green, taskDefinition: web, scale: {{ value: 50 }} }} }}
{again}
  - {{ at: 30m, {more} }}"
        )
    };
    let refusal = |more: &str| {
        scenario::read(Path::new("task-sets.yaml"), &mut |_| Ok(text(more).into_bytes()))
            .expect_err("it is refused")
            .render(false)
    };
    let words = refusal("deleteTaskSet: { service: web, taskSet: green }");
    assert!(
        words.contains("`green`, which is no task set of service `web`") && words.contains("it has `blue`"),
        "{words}"
    );
    let words = refusal("createTaskSet: { service: web, externalId: blue, taskDefinition: web, scale: { value: 50 } }");
    assert!(words.contains("two task sets `blue`"), "{words}");
}
