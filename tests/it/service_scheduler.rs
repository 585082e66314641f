//! What the service scheduler does, through the scenario language: how deployments go, what replaces what, and where tasks go.

use std::path::Path;

use plimsoll::engine::simulate;
use plimsoll::rng::Seed;
use plimsoll::run::{Run, TaskLife};
use plimsoll::scenario;
use plimsoll::units::{Instant, Span};

fn run(text: &str) -> Run {
    run_with_seed(text, 1)
}

pub fn run_with_seed(text: &str, seed: u64) -> Run {
    let story = scenario::read(Path::new("service.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
        .unwrap_or_else(|problems| panic!("{text}\n{}", problems.render(false)));
    assert!(story.unsupported.is_empty(), "{}", story.unsupported.render(false));
    simulate(&story.variants[0], Seed { seed, replication: 0 })
}

/// One m5.large (2048 CPU units) for two tasks each, and a service without a load balancer.
struct Setup<'a> {
    zones: &'a str,
    instances: u32,
    desired: u32,
    /// `minimumHealthyPercent` and `maximumPercent`.
    percents: (u32, u32),
    service: &'a str,
    timeline: &'a str,
    more: &'a str,
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Setup {
            zones: "us-east-1a",
            instances: 4,
            desired: 4,
            percents: (100, 200),
            service: "",
            timeline: DEPLOY,
            more: "",
        }
    }
}

const DEPLOY: &str = "  - { at: 10m, deploy: { service: web, taskDefinition: \"web:2\" } }";

impl Setup<'_> {
    fn run(&self) -> Run {
        let Setup { zones, instances, desired, percents: (minimum, maximum), service, timeline, more } = self;
        let definition = |revision: u32| {
            format!(
                "  \"web:{revision}\": {{ containerDefinitions: [{{ name: web, image: \"web:{revision}\", versionConsistency: disabled, cpu: 1024, memory: 512, portMappings: [{{ containerPort: 80 }}] }}] }}\n"
            )
        };
        run(&format!(
            "duration: 1h
cluster: {{ availabilityZones: [{zones}] }}
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 0, MaxSize: 20, DesiredCapacity: {instances} }} }}
taskDefinitions:
{}{}{}services:
  web: {{ taskDefinition: \"web:1\", desiredCount: {desired}, deploymentConfiguration: {{ minimumHealthyPercent: {minimum}, maximumPercent: {maximum} }}{service} }}
timeline:
{timeline}
{more}",
            definition(1),
            definition(2),
            definition(3)
        ))
    }
}

fn messages<'a>(run: &'a Run, kind: &'a str) -> impl Iterator<Item = &'a str> {
    run.events.iter().filter(move |it| it.kind == kind).map(|it| it.message.as_str())
}

fn count(run: &Run, kind: &str) -> usize {
    messages(run, kind).count()
}

/// What the scheduler started and stopped, one after the other: `[2, -2]` is two started and then two stopped.
fn steps(run: &Run) -> Vec<i64> {
    let mut steps: Vec<i64> = Vec::new();
    for event in &run.events {
        let sign = match event.kind {
            "service.tasks_started" => 1,
            "service.tasks_stopped" => -1,
            _ => continue,
        };
        let tasks = sign * event.message.matches("(task ").count() as i64;
        match steps.last_mut() {
            Some(last) if last.signum() == tasks.signum() => *last += tasks,
            _ => steps.push(tasks),
        }
    }
    steps
}

fn minutes(instant: Instant) -> f64 {
    instant.as_seconds() / 60.0
}

fn runs_at(task: &TaskLife, at: Instant) -> bool {
    task.running_at.is_some_and(|it| it <= at) && task.stopping_at.is_none_or(|it| it > at)
}

fn end(run: &Run) -> Instant {
    Instant::START + run.simulated
}

/// Tasks in each zone at an instant, zone by zone.
fn tasks_in(run: &Run, zones: &[&str], at: Instant) -> Vec<usize> {
    let is_there = |it: &&TaskLife, zone: &str| runs_at(it, at) && it.availability_zone.as_deref() == Some(zone);
    zones.iter().map(|zone| run.tasks.iter().filter(|it| is_there(it, zone)).count()).collect()
}

/// How many tasks of a revision run at an instant.
fn of_revision(run: &Run, revision: &str, at: Instant) -> usize {
    run.tasks.iter().filter(|it| &*it.task_definition == revision && runs_at(it, at)).count()
}

#[test]
fn we_47_may_start_all_or_stop_half_first() {
    let go = |instances| steps(&Setup { instances, percents: (50, 200), ..Setup::default() }.run());
    assert_eq!(go(2), [-2, 2, -2, 2], "the cluster is full");
    assert_eq!(go(4), [-2, 4, -2], "with room for all");
}

#[test]
fn we_48_cannot_stop_first() {
    let setup = Setup { desired: 2, percents: (75, 200), ..Setup::default() };
    assert_eq!(steps(&setup.run()), [2, -2]);
    assert_eq!(steps(&Setup { instances: 1, ..setup }.run()), [0; 0], "without room nothing goes on");
}

#[test]
fn we_49_and_50_can_neither_stop_nor_start() {
    for (desired, percents) in [(3, (100, 125)), (10, (95, 105))] {
        let run = Setup { instances: 20, desired, percents, ..Setup::default() }.run();
        assert_eq!(steps(&run), [0; 0]);
        let said: Vec<&str> = messages(&run, "service.deployment_stuck").collect();
        assert_eq!(said.len(), 1, "once in six hours");
        assert!(said[0].contains("was unable to stop or start tasks during a deployment because of"), "{said:?}");
        assert_eq!(count(&run, "service.deployment_completed"), 0);
    }
    let one_each = Setup { instances: 20, desired: 10, percents: (90, 110), ..Setup::default() };
    assert_eq!(count(&one_each.run(), "service.deployment_completed"), 1, "9 and 11");
    assert_eq!(steps(&Setup { desired: 1, percents: (0, 100), ..Setup::default() }.run()), [-1, 1]);
}

#[test]
fn we_51_to_54_batches_of_a_deployment() {
    for (desired, instances, percents, expected) in [
        (6, 4, (100, 200), vec![2, -2, 2, -2, 2, -2]),
        (6, 4, (50, 200), vec![-3, 5, -3, 1]),
        (4, 2, (50, 100), vec![-2, 2, -2, 2]),
        (4, 4, (100, 200), vec![4, -4]),
        (4, 4, (100, 150), vec![2, -2, 2, -2]),
    ] {
        let run = Setup { desired, instances, percents, ..Setup::default() }.run();
        assert_eq!(steps(&run), expected, "{desired} tasks, {instances} instances, {percents:?}");
        assert_eq!(count(&run, "service.deployment_completed"), 1);
    }
}

#[test]
fn we_55_a_full_instance_waits_for_ever() {
    let full = |percents| {
        let more = "assumptions: { placementRetryFast: 10s }";
        let port = "  - { at: 10m, deploy: { service: web, taskDefinition: \"web:2\" } }";
        Setup { desired: 2, instances: 1, percents, timeline: port, more, ..Setup::default() }.run()
    };
    let waits = full((100, 200));
    assert_eq!(steps(&waits), [0; 0]);
    assert_eq!(count(&waits, "service.task_placement_failure"), 1, "duplicates are suppressed for six hours");
    assert_eq!(count(&waits, "service.deployment_completed"), 0);
    assert_eq!(steps(&full((0, 100))), [-2, 2]);
    // The example's own figures: one task that fills its instance.
    let one = |percents: (u32, u32)| {
        run(&format!(
            "duration: 1h
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 1, MaxSize: 1 }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, image: web, cpu: 2048, memory: 512 }}] }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: 1, deploymentConfiguration: {{ minimumHealthyPercent: {}, maximumPercent: {} }} }} }}
timeline: [{{ at: 10m, updateService: {{ service: web, forceNewDeployment: true }} }}]
",
            percents.0, percents.1
        ))
    };
    let waits = one((100, 200));
    assert_eq!((steps(&waits), waits.tasks.len()), (vec![], 1));
    assert!(
        messages(&waits, "service.task_placement_failure").next().is_some_and(|it| it.contains("insufficient CPU"))
    );
    assert_eq!(steps(&one((0, 100))), [-1, 1]);
}

#[test]
fn we_56_healthy_40_s_after_running() {
    let run = Setup::default().run();
    let new: Vec<&TaskLife> = run.tasks.iter().filter(|it| &*it.task_definition == "web:2").collect();
    assert_eq!(new.len(), 4);
    for task in new {
        let ran = task.running_at.expect("it ran");
        assert_eq!(task.healthy_at, Some(ran + Span::seconds(40)));
    }
}

#[test]
fn we_89_no_more_than_500_tasks_a_minute() {
    let run = run("duration: 10m
begin: cold
autoScalingGroups: { nodes: { InstanceType: m5.2xlarge, MinSize: 10, MaxSize: 10 } }
taskDefinitions: { web: { containerDefinitions: [{ name: web, image: web, versionConsistency: disabled, cpu: 64, memory: 64 }] } }
services: { web: { taskDefinition: web, desiredCount: 0 } }
timeline: [{ at: 5m, updateService: { service: web, desiredCount: 1200 } }]
");
    let launched = |minute: u64| {
        run.tasks.iter().filter(|it| minutes(it.created_at) as u64 == minute && it.placed_at.is_some()).count()
    };
    assert_eq!([launched(5), launched(6), launched(7)], [500, 500, 200], "done in the third minute");
}

#[test]
fn fargate_has_a_launch_rate_of_its_own() {
    let run = run("duration: 10m
taskDefinitions: { web: { networkMode: awsvpc, requiresCompatibilities: [FARGATE], cpu: 256, memory: 512, containerDefinitions: [{ name: web, image: web, versionConsistency: disabled }] } }
services: { web: { taskDefinition: web, desiredCount: 0, launchType: FARGATE, networkConfiguration: { awsvpcConfiguration: { subnets: [subnet-a] } } } }
timeline: [{ at: 5m, updateService: { service: web, desiredCount: 300 } }]
assumptions: { fargateLaunchesPerMinute: 125, fargateVcpuQuota: 1000 }
");
    let launched = |minute: u64| run.tasks.iter().filter(|it| minutes(it.created_at) as u64 == minute).count();
    assert_eq!([launched(5), launched(6), launched(7)], [125, 125, 50]);
}

/// Tasks are all in one zone, since the other one's instance was away.
fn uneven(service: &str, more: &str) -> Run {
    Setup {
        zones: "us-east-1a, us-east-1b",
        instances: 4,
        service,
        timeline: &format!(
            "  - {{ at: 1m, terminateInstances: {{ autoScalingGroup: nodes, count: 4 }} }}
  - {{ at: 1m, updateAutoScalingGroup: {{ autoScalingGroup: nodes, DesiredCapacity: 0 }} }}
  - {{ at: 2m, availabilityZoneOutage: {{ availabilityZone: us-east-1b, for: 18m }} }}
  - {{ at: 3m, updateAutoScalingGroup: {{ autoScalingGroup: nodes, DesiredCapacity: 2 }} }}
  - {{ at: 20m, updateAutoScalingGroup: {{ autoScalingGroup: nodes, DesiredCapacity: 4 }} }}
{more}"
        ),
        ..Setup::default()
    }
    .run()
}

const ZONES: [&str; 2] = ["us-east-1a", "us-east-1b"];

#[test]
fn we_62_rebalancing_starts_in_the_empty_zone_and_then_stops_in_the_full_one() {
    let run = uneven("", "");
    assert_eq!(tasks_in(&run, &ZONES, Instant::START + Span::MINUTE * 19), [4, 0]);
    assert_eq!(tasks_in(&run, &ZONES, end(&run)), [2, 2]);
    let kinds = ["service.rebalancing_started", "service.rebalancing_completed", "service.rebalancing_stopped"];
    assert_eq!(kinds.map(|it| count(&run, it)), [1, 1, 0]);
    let started = messages(&run, "service.rebalancing_started").next();
    let words = "(service web) is not AZ balanced with 4 tasks in us-east-1a, 0 tasks in us-east-1b. AZ Rebalancing in progress.";
    assert_eq!(started, Some(words));
    let completed = messages(&run, "service.rebalancing_completed").next();
    assert_eq!(completed, Some("(service web) is AZ balanced with 2 tasks in us-east-1a, 2 tasks in us-east-1b."));
    let moved = |kind, words: &str| messages(&run, kind).filter(|it| it.contains(words)).count();
    assert_eq!(moved("service.tasks_started", "has started 1 tasks in us-east-1b to AZ Rebalance: (task "), 2);
    assert_eq!(moved("service.tasks_stopped", "has stopped 1 running tasks in us-east-1a due to AZ rebalancing"), 2);
    let begins = run.events.iter().find(|it| it.kind == "service.rebalancing_started").expect("it began").at;
    for second in 0..600 {
        let at = begins + Span::seconds(second);
        assert!(run.tasks.iter().filter(|it| runs_at(it, at)).count() >= 4, "never fewer than desired: {at}");
    }
}

#[test]
fn what_is_not_rebalanced_stays_as_it_is() {
    for service in [
        ", availabilityZoneRebalancing: DISABLED",
        ", placementStrategy: [{ type: spread, field: instanceId }]",
        ", placementConstraints: [{ type: memberOf, expression: \"attribute:ecs.availability-zone in [us-east-1a, us-east-1b]\" }]",
    ] {
        let run = uneven(service, "");
        assert_eq!(tasks_in(&run, &ZONES, end(&run)), [4, 0], "{service}");
        assert_eq!(count(&run, "service.rebalancing_started"), 0);
    }
    let later = "  - { at: 10m, updateService: { service: web, availabilityZoneRebalancing: ENABLED } }";
    let run = uneven(", availabilityZoneRebalancing: DISABLED", later);
    assert_eq!(tasks_in(&run, &ZONES, end(&run)), [2, 2], "the timeline may enable it");
}

#[test]
fn a_deployment_interrupts_rebalancing() {
    let quiet = uneven("", "");
    let begins = quiet.events.iter().find(|it| it.kind == "service.rebalancing_started").expect("it began").at;
    let deploy = format!(
        "  - {{ at: {}s, deploy: {{ service: web, taskDefinition: \"web:2\" }} }}",
        begins.as_seconds() as u64 + 10
    );
    let run = uneven("", &deploy);
    assert_eq!(
        messages(&run, "service.rebalancing_stopped").collect::<Vec<_>>(),
        ["(service web) stopped AZ Rebalancing."]
    );
    assert_eq!(of_revision(&run, "web:2", end(&run)), 4);
    assert_eq!(of_revision(&run, "web:1", end(&run)), 0);
    assert_eq!(tasks_in(&run, &ZONES, end(&run)), [2, 2], "new tasks go where there are fewest");
}

#[test]
fn rebalancing_launches_no_instances() {
    let run = Setup {
        zones: "us-east-1a, us-east-1b",
        instances: 3,
        desired: 6,
        timeline: "  - { at: 1m, updateContainerInstancesState: { autoScalingGroup: nodes, availabilityZone: us-east-1b, count: 1, status: DRAINING } }
  - { at: 20m, updateContainerInstancesState: { autoScalingGroup: nodes, availabilityZone: us-east-1b, count: 1, status: ACTIVE } }
  - { at: 1m, updateService: { service: web, desiredCount: 4 } }
  - { at: 30m, updateService: { service: web, desiredCount: 5 } }",
        ..Setup::default()
    }
    .run();
    assert!(run.instances.len() == 3, "no more than there were");
}

#[test]
fn fargate_is_rebalanced_when_a_zone_has_capacity_again() {
    let run = run("duration: 1h
begin: cold
cluster: { availabilityZones: [us-east-1a, us-east-1b] }
taskDefinitions: { web: { networkMode: awsvpc, requiresCompatibilities: [FARGATE], cpu: 256, memory: 512, containerDefinitions: [{ name: web, image: web, versionConsistency: disabled }] } }
services: { web: { taskDefinition: web, desiredCount: 4, launchType: FARGATE, networkConfiguration: { awsvpcConfiguration: { subnets: [subnet-a, subnet-b] } } } }
timeline: [{ at: 0s, fargateCapacityUnavailable: { capacityProvider: FARGATE, availabilityZone: us-east-1b, for: 10m } }]
");
    assert_eq!(tasks_in(&run, &ZONES, Instant::START + Span::MINUTE * 9), [4, 0]);
    assert_eq!(tasks_in(&run, &ZONES, end(&run)), [2, 2]);
    assert!(
        messages(&run, "service.zone_placement_failure")
            .any(|it| it.ends_with("is unable to place a task in us-east-1b."))
    );
}

#[test]
fn a_new_placement_holds_for_what_is_placed_from_then_on() {
    let grown = |update: &str| {
        Setup {
            zones: "us-east-1a, us-east-1b",
            desired: 2,
            service: ", availabilityZoneRebalancing: DISABLED",
            timeline: &format!(
                "  - {{ at: 5m, updateService: {{ service: web, {update} }} }}
  - {{ at: 10m, updateService: {{ service: web, desiredCount: 4 }} }}"
            ),
            ..Setup::default()
        }
        .run()
    };
    let usual = grown("healthCheckGracePeriodSeconds: 0");
    assert_eq!(tasks_in(&usual, &ZONES, end(&usual)), [2, 2]);
    let only_b = grown(
        "placementConstraints: [{ type: memberOf, expression: \"attribute:ecs.availability-zone == us-east-1b\" }]",
    );
    assert_eq!(tasks_in(&only_b, &ZONES, end(&only_b)), [1, 3]);
    let packed = grown("placementStrategy: [{ type: binpack, field: memory }]");
    let mut hosts: Vec<usize> = packed.tasks.iter().filter_map(|it| it.instance).collect();
    hosts.sort_unstable();
    hosts.dedup();
    assert_eq!(hosts.len(), 2, "new tasks go beside the old ones");
    for run in [usual, only_b, packed] {
        assert_eq!(count(&run, "service.deployment_in_progress"), 0, "which starts no deployment");
        assert_eq!(run.tasks.len(), 4);
    }
}

#[test]
fn a_new_capacity_provider_strategy_holds_for_new_tasks_and_starts_no_deployment() {
    let run = run("duration: 1h
autoScalingGroups:
  one: { InstanceType: m5.large, MinSize: 2, MaxSize: 2 }
  two: { InstanceType: m5.large, MinSize: 2, MaxSize: 2 }
capacityProviders:
  one: { autoScalingGroupProvider: { autoScalingGroupArn: one } }
  two: { autoScalingGroupProvider: { autoScalingGroupArn: two } }
taskDefinitions: { web: { containerDefinitions: [{ name: web, image: web, memory: 512 }] } }
services: { web: { taskDefinition: web, desiredCount: 2, capacityProviderStrategy: [{ capacityProvider: one, weight: 1 }] } }
timeline:
  - { at: 5m, updateService: { service: web, capacityProviderStrategy: [{ capacityProvider: two, weight: 1 }] } }
  - { at: 10m, updateService: { service: web, desiredCount: 4 } }
  - { at: 20m, updateService: { service: web, forceNewDeployment: true } }
");
    let on = |provider: &str, at: Instant| {
        run.tasks.iter().filter(|it| it.capacity_provider.as_deref() == Some(provider) && runs_at(it, at)).count()
    };
    let at = |minute: u64| Instant::START + Span::MINUTE * minute;
    assert_eq!([on("one", at(9)), on("two", at(9))], [2, 0], "the tasks that are there stay");
    assert_eq!([on("one", at(19)), on("two", at(19))], [2, 2]);
    assert_eq!([on("one", at(59)), on("two", at(59))], [0, 4], "until they are replaced");
    assert_eq!(count(&run, "service.deployment_in_progress"), 1);
}

#[test]
fn a_grace_period_that_is_updated_holds_for_tasks_that_are_there() {
    let slow = |update: &str| {
        run(&format!(
            "duration: 30m
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 2, MaxSize: 2 }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, image: web, memory: 512, portMappings: [{{ containerPort: 80 }}] }}] }} }}
applications: {{ web: {{ startTime: 2m, waitTime: 1ms }} }}
targetGroups: {{ web: {{ HealthCheckIntervalSeconds: 10, deregistrationDelay: 5s }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: 1, loadBalancers: [{{ targetGroupArn: web, containerName: web, containerPort: 80 }}] }} }}
timeline: [{{ at: 1m, updateService: {{ service: web, desiredCount: 2{update} }} }}]
"
        ))
    };
    let killed = |run: &Run| {
        let reasons = run.tasks.iter().filter_map(|it| it.stopped_reason.as_deref());
        reasons.filter(|it| *it == "Task failed ELB health checks in (target-group web)").count()
    };
    assert!(killed(&slow("")) > 3, "it never comes so far");
    assert_eq!(killed(&slow(", healthCheckGracePeriodSeconds: 180")), 0);
}

#[test]
fn a_service_is_deleted_once_it_is_scaled_to_0_or_by_force() {
    let deleted = |timeline: &str| Setup { timeline, ..Setup::default() }.run();
    let told = |run: &Run| messages(run, "timeline.delete_service").next().map(str::to_owned);
    let refused = deleted("  - { at: 10m, deleteService: { service: web } }");
    let exception =
        "DeleteService web: InvalidParameterException: The service cannot be stopped while it is scaled above 0.";
    assert_eq!(told(&refused).as_deref(), Some(exception));
    assert_eq!(of_revision(&refused, "web:1", end(&refused)), 4);
    for timeline in [
        "  - { at: 10m, deleteService: { service: web, force: true } }",
        "  - { at: 5m, updateService: { service: web, desiredCount: 0 } }
  - { at: 10m, deleteService: { service: web } }",
    ] {
        let timeline = format!(
            "{timeline}
  - {{ at: 20m, updateService: {{ service: web, desiredCount: 3 }} }}
  - {{ at: 21m, deleteService: {{ service: web, force: true }} }}"
        );
        let run = deleted(&timeline);
        assert_eq!(told(&run).as_deref(), Some("DeleteService web"));
        assert_eq!(messages(&run, "service.inactive").collect::<Vec<_>>(), ["(service web) is INACTIVE."]);
        assert_eq!(of_revision(&run, "web:1", end(&run)), 0);
        assert!(run.tasks.iter().all(|it| it.stopped_at.is_some()), "all are STOPPED");
        let update = messages(&run, "timeline.update_service").last();
        assert_eq!(update, Some("UpdateService web: ServiceNotActiveException: Service was not ACTIVE."));
    }
}

#[test]
fn a_service_is_created_later_and_takes_the_place_of_one_that_is_deleted() {
    let run = run("duration: 1h
autoScalingGroups: { nodes: { InstanceType: m5.large, MinSize: 1, MaxSize: 1 } }
taskDefinitions:
  web: { containerDefinitions: [{ name: web, image: web, cpu: 1024, memory: 512 }] }
  agent: { containerDefinitions: [{ name: agent, image: agent, cpu: 64, memory: 64 }] }
services:
  before: { taskDefinition: web, desiredCount: 1 }
  after: { taskDefinition: web, desiredCount: 1 }
  agent: { taskDefinition: agent, schedulingStrategy: DAEMON }
timeline:
  - { at: 10m, createService: { service: agent } }
  - { at: 20m, deleteService: { service: before, force: true } }
  - { at: 30m, createService: { service: after } }
  - { at: 40m, deleteService: { service: agent } }
");
    let lives: Vec<(usize, u64)> =
        run.tasks.iter().map(|it| (it.service.expect("of a service"), minutes(it.created_at) as u64)).collect();
    assert_eq!(lives, [(0, 0), (2, 10), (1, 30)], "each begins when it is created");
    assert_eq!(messages(&run, "service.inactive").count(), 2);
    let desired = |service: usize, minute: u64| {
        let rows = run.service_minutes.iter();
        rows.into_iter().find(|it| it.service == service && it.minute == minute).map(|it| it.desired_count)
    };
    assert_eq!([desired(1, 28), desired(1, 31)], [Some(0), Some(1)]);
    assert_eq!([desired(2, 38), desired(2, 41)], [Some(1), Some(0)]);
}

/// A deployment of which no task ever counts as healthy: each exits 20 s after it began.
fn stalled(timeline: &str, percents: (u32, u32)) -> Run {
    run(&format!(
        "duration: 30m
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 8, MaxSize: 8 }} }}
taskDefinitions:
  \"web:1\": {{ containerDefinitions: [{{ name: web, image: \"web:1\", versionConsistency: disabled, cpu: 1024, memory: 512, portMappings: [{{ containerPort: 80 }}] }}] }}
  \"web:2\": {{ containerDefinitions: [{{ name: slow, image: \"web:2\", versionConsistency: disabled, cpu: 1024, memory: 512 }}] }}
applications: {{ slow: {{ exit: {{ after: 20s, code: 1 }} }} }}
services: {{ web: {{ taskDefinition: \"web:1\", desiredCount: 4, deploymentConfiguration: {{ minimumHealthyPercent: {}, maximumPercent: {} }} }} }}
timeline:
  - {{ at: 5m, deploy: {{ service: web, taskDefinition: \"web:2\" }} }}
{timeline}
",
        percents.0, percents.1
    ))
}

#[test]
fn tasks_of_the_old_revision_are_replaced_with_that_revision() {
    let quiet = stalled("", (100, 200));
    assert_eq!(of_revision(&quiet, "web:1", end(&quiet)), 4, "they stay as long as the new ones are not healthy");
    let lost = "  - { at: 10m, terminateInstances: { autoScalingGroup: nodes, count: 3 } }";
    let run = stalled(lost, (100, 200));
    let of_before = |minute: u64| of_revision(&run, "web:1", Instant::START + Span::MINUTE * minute);
    let replaced = run.tasks.iter().filter(|it| &*it.task_definition == "web:1" && minutes(it.created_at) > 5.0);
    assert!(replaced.count() > 0, "lost tasks of web:1 are replaced by tasks of web:1");
    assert_eq!(of_before(29), 4);
    let at_half = stalled(lost, (25, 200));
    assert!(of_revision(&at_half, "web:1", end(&at_half)) >= 1, "as far as the minimum needs them");
}

#[test]
fn a_scale_out_during_a_deployment_goes_to_both_revisions() {
    let grow = "  - { at: 10m, updateService: { service: web, desiredCount: 6 } }";
    let run = stalled(grow, (100, 200));
    assert_eq!(of_revision(&run, "web:1", end(&run)), 6, "what runs can take the load while the new revision fails");
    for second in 0..1_800 {
        let at = Instant::START + Span::seconds(second);
        let there = |it: &&TaskLife| it.created_at <= at && it.stopping_at.is_none_or(|it| it > at);
        assert!(run.tasks.iter().filter(there).count() <= 12, "never above maximumPercent: {at}");
    }
}

#[test]
fn a_third_deployment_interrupts_the_second() {
    let timeline = "  - { at: 10m, deploy: { service: web, taskDefinition: \"web:2\" } }
  - { at: 630s, deploy: { service: web, taskDefinition: \"web:3\" } }";
    let run = Setup { desired: 6, instances: 4, timeline, ..Setup::default() }.run();
    assert_eq!([1, 2, 3].map(|it| of_revision(&run, &format!("web:{it}"), end(&run))), [0, 0, 6]);
    assert_eq!(count(&run, "service.deployment_in_progress"), 2);
    assert_eq!(count(&run, "service.deployment_completed"), 1, "the second never completes");
    let began: Vec<&str> = run.tasks.iter().map(|it| &*it.task_definition).collect();
    assert!(began.contains(&"web:2"), "some of it had started");
    for task in run.tasks.iter().filter(|it| &*it.task_definition == "web:2") {
        assert!(minutes(task.created_at) < 10.51, "none of it after the third began");
    }
}

#[test]
fn maximum_percent_counts_stopping_tasks_if_asked_to() {
    let slow = |assumption: &str| {
        run(&format!(
            "duration: 1h
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 8, MaxSize: 8 }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, image: web, versionConsistency: disabled, cpu: 512, memory: 512, stopTimeout: 120 }}] }} }}
applications: {{ web: {{ shutdownTime: 100s }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: 4, deploymentConfiguration: {{ minimumHealthyPercent: 50, maximumPercent: 100 }} }} }}
timeline: [{{ at: 10m, updateService: {{ service: web, forceNewDeployment: true }} }}]
assumptions: {{ {assumption} }}
"
        ))
    };
    let all_run = |run: &Run| {
        let last = run.tasks.iter().filter_map(|it| it.running_at).max();
        minutes(last.expect("tasks run"))
    };
    let (without, with) = (slow(""), slow("maximumPercentCountsStopping: true"));
    assert!(all_run(&without) + 3.0 < all_run(&with), "twice 100 s: {} {}", all_run(&without), all_run(&with));
}

#[test]
fn unhealthy_tasks_go_after_their_replacement_or_before_it_as_in_former_years() {
    let sick = |assumption: &str| {
        run(&format!(
            "duration: 20m
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 2, MaxSize: 2 }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, image: web, memory: 512, healthCheck: {{ command: [CMD, ok], interval: 10, retries: 3 }} }}] }} }}
applications: {{ web: {{ unhealthyAfter: 5m, startTime: 0s, shutdownTime: 1s }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: 2 }} }}
assumptions: {{ {assumption} }}
"
        ))
    };
    assert_eq!(steps(&sick(""))[..2], [2, -2]);
    assert_eq!(steps(&sick("unhealthyTasksStopFirst: true"))[..2], [-2, 2]);
}

#[test]
fn a_steady_state_is_said_again_every_six_hours() {
    let run = run("duration: 13h
autoScalingGroups: { nodes: { InstanceType: m5.large, MinSize: 1, MaxSize: 1 } }
taskDefinitions: { web: { containerDefinitions: [{ name: web, image: web, memory: 512 }] } }
services: { web: { taskDefinition: web, desiredCount: 1 } }
");
    let said = run.events.iter().filter(|it| it.kind == "service.steady_state").map(|it| it.at.as_seconds() as u64);
    assert_eq!(said.collect::<Vec<_>>(), [21_605, 43_205]);
}

/// amazon-ecs-agent #322: a task that exits at once is started again 13 to 23 s after it was.
#[test]
fn a_task_that_ends_is_replaced_in_its_own_time_whatever_else_happens() {
    let starts_and_ends = |(service, exit): (&str, &str)| {
        let run = run(&format!(
            "duration: 10m
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 3, MaxSize: 3 }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, image: web, versionConsistency: disabled, memory: 128 }}] }} }}
applications: {{ web: {{ image: {{ size: 1MB }}, startTime: 0s, exit: {{ after: {exit}, code: 1 }} }} }}
services: {{ web: {{ taskDefinition: web, {service} }} }}
"
        ));
        let mut created: Vec<Instant> = run.tasks.iter().map(|it| it.created_at).collect();
        let mut ended: Vec<Instant> = run.tasks.iter().filter_map(|it| it.stopped_at).collect();
        created.sort_unstable();
        ended.sort_unstable();
        (created, ended)
    };
    let (created, _) = starts_and_ends(("desiredCount: 1", "3s"));
    let gaps: Vec<Span> = created.windows(2).map(|it| it[1].since(it[0])).collect();
    assert!(gaps.len() > 20 && gaps[1..].iter().all(|it| (13.0..=23.0).contains(&it.as_seconds())), "{gaps:?}");
    // Tasks of uneven lives, so that the start of one has the scheduler look while others have just ended.
    for service in ["desiredCount: 12", "schedulingStrategy: DAEMON"] {
        let (created, ended) = starts_and_ends((service, "{ exponential: { mean: 20s } }"));
        let desired = created.iter().filter(|it| **it == Instant::START).count();
        let replacements = &created[desired..];
        assert!(replacements.len() > 3 * desired, "{service}: {created:?}");
        for (replacement, ended) in replacements.iter().zip(&ended) {
            assert_eq!(*replacement, *ended + Span::seconds(15), "{service}");
        }
    }
}

/// Whatever ends a task, its target is deregistered once, and nothing else is.
#[test]
fn targets_are_registered_and_deregistered_once_each() {
    let run = run("duration: 20m
autoScalingGroups: { nodes: { InstanceType: m5.large, MinSize: 3, MaxSize: 3 } }
taskDefinitions: { web: { containerDefinitions: [{ name: web, image: web, memory: 256, portMappings: [{ containerPort: 80 }] }] } }
targetGroups: { web: { deregistrationDelay: 30s } }
services: { web: { taskDefinition: web, desiredCount: 4, loadBalancers: [{ targetGroupArn: web, containerName: web, containerPort: 80 }] } }
timeline:
  - { at: 2m, updateService: { service: web, forceNewDeployment: true } }
  - { at: 6m, applicationCrashes: { service: web, after: 20s, for: 1m } }
  - { at: 6m, updateService: { service: web, desiredCount: 6 } }
  - { at: 12m, terminateInstances: { autoScalingGroup: nodes, count: 1 } }
");
    let end = end(&run);
    let ran = run.tasks.iter().filter(|it| it.running_at.is_some_and(|at| at <= end)).count();
    let gone =
        run.tasks.iter().filter(|it| it.running_at.is_some() && it.stopping_at.is_some_and(|at| at <= end)).count();
    assert!(gone > 6, "{gone}");
    assert_eq!(count(&run, "service.targets_registered"), ran);
    assert_eq!(count(&run, "service.targets_deregistered"), gone);
    let first = messages(&run, "service.targets_deregistered").next();
    assert_eq!(first, Some("(service web) deregistered 1 targets in (target-group web)"));
}

#[test]
fn one_event_tells_of_all_tasks_whose_connections_begin_to_drain_at_once() {
    let run = crate::stories::run(
        "duration: 30m
autoScalingGroups: { nodes: { InstanceType: m5.large, MinSize: 2, MaxSize: 2 } }
taskDefinitions: { web: { containerDefinitions: [{ name: web, cpu: 128, memory: 128, portMappings: [{ containerPort: 80 }] }] } }
targetGroups: { web: { deregistrationDelay: 30s } }
services: { web: { taskDefinition: web, desiredCount: 5, loadBalancers: [{ targetGroupArn: web, containerName: web, containerPort: 80 }] } }
timeline: [{ at: 10m, updateService: { service: web, desiredCount: 2 } }, { at: 20m, updateService: { service: web, desiredCount: 1 } }]",
    );
    let said: Vec<&str> = messages(&run, "service.draining").collect();
    let words = |tasks: u32| format!("(service web) has begun draining connections on {tasks} tasks.");
    assert_eq!(said, [words(3), words(1)]);
    let stopped: Vec<&str> = messages(&run, "service.tasks_stopped").collect();
    assert!(stopped[0].starts_with("(service web) has stopped 3 running tasks: "), "{stopped:?}");
}
