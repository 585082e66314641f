//! `memberOf`: where tasks end up, and what happens to those that no instance may take.

use std::collections::BTreeSet;
use std::path::Path;

use plimsoll::engine::simulate;
use plimsoll::rng::Seed;
use plimsoll::run::Run;
use plimsoll::scenario::{self, Story};
use plimsoll::units::{Instant, Span};

/// A cluster of two kinds of instances in two zones, and more lines.
fn story(services: &str) -> Story {
    let text = format!(
        "duration: 30m
cluster: {{ availabilityZones: [us-east-1a, us-east-1b] }}
autoScalingGroups:
  large: {{ InstanceType: m5.large, MinSize: 2, MaxSize: 2, attributes: {{ disk: ssd }} }}
  small: {{ InstanceType: t4g.small, MinSize: 2, MaxSize: 2, agentVersion: 1.14.4 }}
taskDefinitions:
  web: {{ containerDefinitions: [{{ name: web, cpu: 128, memory: 64 }}] }}
  on-ssd:
    placementConstraints: [{{ type: memberOf, expression: attribute:disk == ssd }}]
    containerDefinitions: [{{ name: web, cpu: 128, memory: 64 }}]
{services}"
    );
    let story = scenario::read(Path::new("constraints.yaml"), &mut |_| Ok(text.clone().into_bytes()))
        .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    assert!(story.unsupported.is_empty(), "{}", story.unsupported.render(false));
    story
}

fn run(services: &str) -> Run {
    simulate(&story(services).variants[0], Seed { seed: 1, replication: 0 })
}

/// A service of so many tasks with these constraints.
fn service(name: &str, definition: &str, count: u32, expressions: &[&str]) -> String {
    let constraints: Vec<String> =
        expressions.iter().map(|it| format!("{{ type: memberOf, expression: \"{it}\" }}")).collect();
    format!(
        "  {name}: {{ taskDefinition: {definition}, desiredCount: {count}, placementConstraints: [{}] }}\n",
        constraints.join(", ")
    )
}

/// Instances that the tasks of a service were placed on, by their places.
fn instances_of(run: &Run, service: usize) -> BTreeSet<usize> {
    run.tasks.iter().filter(|it| it.service == Some(service)).filter_map(|it| it.instance).collect()
}

fn placed(run: &Run, service: usize) -> usize {
    run.tasks.iter().filter(|it| it.service == Some(service) && it.instance.is_some()).count()
}

#[test]
fn a_deployment_spreads_beside_the_one_before_or_anew() {
    // One task in the first zone; the next deployment's goes to the other zone, unless only its own are counted.
    let next = |assumptions: &str| {
        let services = "services: { web: { taskDefinition: web, desiredCount: 1 } }
timeline: [{ at: 5m, updateService: { service: web, forceNewDeployment: true } }]";
        let run = run(&format!("{services}\nassumptions: {{ tieBreak: lexical{assumptions} }}"));
        let instances: Vec<Option<usize>> = run.tasks.iter().map(|it| it.instance).collect();
        assert_eq!((instances[0], instances.len()), (Some(0), 2));
        run.tasks[1].availability_zone.clone()
    };
    assert_eq!(next("").as_deref(), Some("us-east-1b"));
    assert_eq!(next(", spreadCounts: service").as_deref(), Some("us-east-1b"));
    assert_eq!(next(", spreadCounts: deployment").as_deref(), Some("us-east-1a"));
}

#[test]
fn expressions_see_what_agents_register() {
    // Instances 0 and 1 have a current agent, 2 and 3 one of 1.14.4, from before task network interfaces.
    let (all, new): (Vec<usize>, Vec<usize>) = ((0..4).collect(), vec![0, 1]);
    for (expression, expected) in [
        ("attribute:ecs.capability.task-eni exists", new.clone()),
        ("not(attribute:ecs.capability.task-eni exists)", vec![2, 3]),
        ("attribute:ecs.capability.task-eni !exists", vec![2, 3]),
        ("attribute:com.amazonaws.ecs.capability.docker-remote-api.1.19 exists", all.clone()),
        ("attribute:com.amazonaws.ecs.capability.docker-remote-api.1.16 exists", vec![]),
        ("attribute:com.amazonaws.ecs.capability.logging-driver.awslogs exists", all.clone()),
        ("attribute:com.amazonaws.ecs.capability.logging-driver.splunk exists", vec![]),
        ("attribute:ecs.capability.efs == yes", vec![]),
        ("attribute:ecs.capability.nothing-of-that exists", vec![]),
        ("attribute:disk exists and attribute:ecs.capability.efs exists", new),
    ] {
        let services = format!("services:\n{}", service("web", "web", 4, &[expression]));
        assert_eq!(instances_of(&run(&services), 0).into_iter().collect::<Vec<_>>(), expected, "{expression}");
    }
    let notes = |expression: &str| story(&format!("services:\n{}", service("web", "web", 4, &[expression]))).notes;
    assert_eq!(notes("attribute:ecs.capability.task-eni exists"), Vec::<String>::new());
    let near = notes("attribute:ecs.capability.task-enis exists");
    assert!(near[0].contains("did you mean `ecs.capability.task-eni`?"), "{near:?}");
    let driver = notes("attribute:com.amazonaws.ecs.capability.logging-driver.splunk exists");
    assert!(driver[0].contains("`ECS_AVAILABLE_LOGGING_DRIVERS` of their agents decides it"), "{driver:?}");
}

#[test]
fn tasks_go_where_their_expressions_say() {
    for (expression, types, zones) in [
        ("attribute:ecs.instance-type =~ t4g.*", vec!["t4g.small"], vec!["us-east-1a", "us-east-1b"]),
        ("attribute:ecs.cpu-architecture==x86_64", vec!["m5.large"], vec!["us-east-1a", "us-east-1b"]),
        ("attribute:ecs.availability-zone in [us-east-1b]", vec!["m5.large", "t4g.small"], vec!["us-east-1b"]),
        (
            "attribute:disk exists and attribute:ecs.availability-zone != us-east-1b",
            vec!["m5.large"],
            vec!["us-east-1a"],
        ),
        ("agentVersion < 1.14.5", vec!["t4g.small"], vec!["us-east-1a", "us-east-1b"]),
        ("ec2InstanceId == i-00001", vec!["m5.large"], vec!["us-east-1b"]),
        (
            "registeredAt >= 2026-01-05 and registeredAt < 2026-01-05T00:00:01Z",
            vec!["m5.large", "t4g.small"],
            vec!["us-east-1a", "us-east-1b"],
        ),
    ] {
        let run = run(&format!("services:\n{}", service("web", "web", 8, &[expression])));
        assert_eq!(placed(&run, 0), 8, "{expression}");
        let of = |name: fn(&plimsoll::run::InstanceLife) -> &str| {
            instances_of(&run, 0).iter().map(|&it| name(&run.instances[it])).collect::<BTreeSet<&str>>()
        };
        assert_eq!(of(|it| &it.instance_type), types.into_iter().collect(), "{expression}");
        assert_eq!(of(|it| &it.availability_zone), zones.into_iter().collect(), "{expression}");
    }
}

#[test]
fn every_constraint_holds_those_of_the_definition_too() {
    let web = service("web", "on-ssd", 4, &["attribute:ecs.availability-zone == us-east-1a"]);
    let run = run(&format!("services:\n{web}"));
    let instances: Vec<&str> = instances_of(&run, 0).into_iter().map(|it| run.instances[it].name.as_str()).collect();
    assert_eq!((instances, placed(&run, 0)), (vec!["i-00000"], 4));
}

#[test]
fn tasks_keep_together_and_apart_by_their_groups() {
    // The first wants to be where the second is, which is settled after it.
    let beside = service("beside", "web", 6, &["task:group == service:cache"]);
    let cache = service("cache", "web", 2, &["attribute:disk == ssd", "not(task:group == service:cache)"]);
    let apart = service("apart", "web", 4, &["not(task:group in ['service:cache', 'service:beside'])"]);
    let run = run(&format!("services:\n{beside}{cache}{apart}"));
    assert_eq!([0, 1, 2].map(|it| placed(&run, it)), [6, 2, 4]);
    let [beside, cache, apart] = [0, 1, 2].map(|it| instances_of(&run, it));
    assert_eq!(cache.len(), 2, "one an instance");
    assert!(beside.is_subset(&cache));
    assert!(apart.is_disjoint(&cache) && !apart.is_empty());
    assert!(run.tasks.iter().all(|it| it.created_at == Instant::START), "the cluster has settled");
}

#[test]
fn few_tasks_are_counted_as_they_come() {
    let run = run(&format!("services:\n{}", service("web", "web", 20, &["runningTasksCount < 3"])));
    let on = |instance| run.tasks.iter().filter(|it| it.instance == Some(instance)).count();
    assert_eq!([0, 1, 2, 3].map(on), [3; 4], "twelve of twenty");
}

#[test]
fn a_task_that_no_instance_may_take_is_told_of_in_ecs_s_words() {
    let run = run(&format!("services:\n{}", service("web", "web", 1, &["attribute:disk == hdd"])));
    assert_eq!(placed(&run, 0), 0);
    let told = run.events.iter().find(|it| it.kind == "service.task_placement_failure").expect("it is said");
    assert_eq!(
        told.message,
        "(service web) was unable to place a task because no container instance met all of its requirements. The \
         closest matching (container-instance i-00000) encountered error \"MemberOf placement constraint unsatisfied.\"."
    );
}

#[test]
fn a_group_does_not_grow_for_tasks_that_its_instances_may_not_take() {
    let grown = |expression: &str| {
        let text = format!(
            "  grows: {{ InstanceType: m5.large, MinSize: 0, MaxSize: 4, attributes: {{ disk: nvme }} }}
capacityProviders:
  grows:
    autoScalingGroupProvider: {{ autoScalingGroupArn: grows, managedScaling: {{ status: ENABLED }} }}
services:
  web:
    taskDefinition: web
    desiredCount: 1
    capacityProviderStrategy: [{{ capacityProvider: grows, weight: 1 }}]
    placementConstraints: [{{ type: memberOf, expression: \"{expression}\" }}]
"
        );
        let text = format!(
            "duration: 30m\nautoScalingGroups:\n{text}taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, memory: 64 }}] }} }}\n"
        );
        let story = scenario::read(Path::new("constraints.yaml"), &mut |_| Ok(text.clone().into_bytes()))
            .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
        let run = simulate(&story.variants[0], Seed { seed: 1, replication: 0 });
        (run.instances.len(), placed(&run, 0))
    };
    assert_eq!(grown("attribute:disk == nvme and runningTasksCount == 0"), (2, 1));
    assert_eq!(grown("attribute:disk == ssd"), (0, 0));
    assert_eq!(grown("task:group == service:cache"), (0, 0), "an empty instance would not help");
}

#[test]
fn spread_knows_the_built_in_attributes() {
    let run = run("services:
  web:
    taskDefinition: web
    desiredCount: 6
    placementStrategy: [{ type: spread, field: attribute:ecs.instance-type }]
");
    let of = |name: &str| {
        let is_on = |it: &usize| run.instances[*it].instance_type == name;
        run.tasks.iter().filter_map(|it| it.instance).filter(is_on).count()
    };
    assert_eq!([of("m5.large"), of("t4g.small")], [3, 3]);
}

#[test]
fn a_task_that_stops_is_hosted_until_it_has_stopped() {
    // One instance; the old task needs 20 s to end, and the new one may not be beside it.
    let placed_again = |by_desired_status: bool| {
        let text = format!(
            "duration: 10m
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 1, MaxSize: 1 }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, memory: 64 }}] }} }}
applications: {{ web: {{ shutdownTime: 20s }} }}
services:
  web:
    taskDefinition: web
    deploymentConfiguration: {{ minimumHealthyPercent: 0, maximumPercent: 100 }}
    placementConstraints: [{{ type: memberOf, expression: not(task:group == service:web) }}]
timeline: [{{ at: 1m, updateService: {{ service: web, forceNewDeployment: true }} }}]
assumptions: {{ taskGroupsByDesiredStatus: {by_desired_status} }}
"
        );
        let story = scenario::read(Path::new("constraints.yaml"), &mut |_| Ok(text.clone().into_bytes()))
            .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
        let run = simulate(&story.variants[0], Seed { seed: 1, replication: 0 });
        let (old, new) = (&run.tasks[0], &run.tasks[1]);
        (old.stopped_at.expect("it stops"), new.placed_at.expect("it is placed"))
    };
    let (stopped, placed) = placed_again(false);
    assert!(placed >= stopped, "{placed} {stopped}");
    let (stopped, placed) = placed_again(true);
    assert!(placed + Span::seconds(10) < stopped, "{placed} {stopped}");
}

#[test]
fn attributes_that_no_instance_has_are_remarked_on() {
    let web = service("web", "web", 1, &["attribute:dsik == ssd", "attribute:ecs.subnet-id == subnet-1"]);
    let notes = story(&format!("services:\n{web}")).notes;
    for note in [
        "a placement constraint of service `web` asks for the attribute `dsik`, which no instance here has; did you mean `disk`?",
        "a placement constraint of service `web` asks for the attribute `ecs.subnet-id`, which no instance here has; it is \
         not simulated unless `attributes` of an Auto Scaling group say it",
    ] {
        assert!(notes.iter().any(|it| it == note), "{notes:?}");
    }
    assert!(!notes.iter().any(|it| it.contains("on-ssd")), "{notes:?}");
    let unmet = |expression: &str| {
        let notes = story(&format!("services:\n{}", service("web", "on-ssd", 1, &[expression]))).notes;
        notes.into_iter().find(|it| it.starts_with("no instance here meets"))
    };
    assert_eq!(
        unmet("attribute:ecs.instance-type == t4g.small").as_deref(),
        Some(
            "no instance here meets the placement constraints of service `web`: `attribute:ecs.instance-type == t4g.small`, \
             `attribute:disk == ssd`"
        )
    );
    assert_eq!(unmet("attribute:ecs.instance-type == m5.large and runningTasksCount > 9"), None);
}
