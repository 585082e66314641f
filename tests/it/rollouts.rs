//! What is told of deployments: whether they get through, what they wait for, and what room they need.

use plimsoll::report;
use plimsoll::run::{DeploymentLife, DeploymentStage, Run, SpareNeeded, Verdict};
use plimsoll::units::{Instant, Span};
use proptest::prelude::*;

use crate::stories::run;

/// `desired` tasks of 512 units on `instances` of 2,048 each, deployed anew at 5 minutes.
fn deployed(instances: u32, desired: u32, bounds: (u32, u32), more: &str) -> Run {
    run(&deployed_text(instances, desired, bounds, more))
}

fn deployed_text(instances: u32, desired: u32, (minimum, maximum): (u32, u32), more: &str) -> String {
    format!(
        "duration: 1h
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: {instances}, MaxSize: {instances} }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, image: web, cpu: 512, memory: 256 }}] }} }}
applications: {{ web: {{ startTime: 0s }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: {desired}, deploymentConfiguration: {{ minimumHealthyPercent: {minimum}, maximumPercent: {maximum} }} }} }}
timeline:
  - {{ at: 5m, updateService: {{ service: web, forceNewDeployment: true }} }}
{more}"
    )
}

fn the_deployment(run: &Run) -> &DeploymentLife {
    let mut later = run.deployments.iter().filter(|it| it.number > 0);
    let only = later.next().expect("there is a deployment");
    assert!(later.next().is_none(), "and no other");
    only
}

fn spare_tasks(it: &DeploymentLife) -> Option<u32> {
    match it.spare {
        SpareNeeded::Tasks { tasks, .. } => Some(tasks),
        SpareNeeded::NoneWouldDo | SpareNeeded::DoesNotApply => None,
    }
}

#[test]
fn we_55_a_full_instance_hangs_for_want_of_one_place() {
    let full = deployed(1, 4, (100, 200), "");
    let it = the_deployment(&full);
    assert_eq!(spare_tasks(it), Some(1));
    let Verdict::Hangs(hang) = it.verdict() else { panic!("{:?}", it.verdict()) };
    assert_eq!(hang.since, Instant::START + Span::seconds(300), "it never moved");
    assert_eq!(hang.named_at.since(hang.since), Span::seconds(900));
    assert!(hang.because.starts_with("4 new tasks find no place"), "{}", hang.because);
    assert!(hang.because.ends_with("minimumHealthyPercent 100 keeps 4."), "{}", hang.because);
    let events: Vec<&str> =
        full.events.iter().filter(|it| it.kind == "deployment.hangs").map(|it| it.message.as_str()).collect();
    assert_eq!(events.len(), 1, "it is said once");

    let one_may_go = deployed(1, 4, (75, 100), "");
    let it = the_deployment(&one_may_go);
    assert_eq!(spare_tasks(it), Some(0));
    assert!(matches!(it.verdict(), Verdict::Finished(_)), "{:?}", it.verdict());
}

#[test]
fn we_49_bounds_that_leave_no_move_are_named() {
    let stuck = deployed(2, 3, (100, 125), "");
    let it = the_deployment(&stuck);
    assert_eq!(it.spare, SpareNeeded::NoneWouldDo);
    let Verdict::Hangs(hang) = it.verdict() else { panic!("{:?}", it.verdict()) };
    assert_eq!(
        hang.because,
        "minimumHealthyPercent 100 keeps all 3 tasks, and maximumPercent 125 allows no more than 3: nothing may stop or start"
    );
}

#[test]
fn on_distinct_instances_an_old_task_takes_one() {
    // On 4 instances, and on 5: where no two tasks may share one, old and new ones may not either.
    for constraint in ["type: distinctInstance", "type: memberOf, expression: \"not(task:group == service:web)\""] {
        for (instances, bounds, spare) in [(4, (100, 200), 1), (4, (75, 100), 0), (5, (100, 200), 0)] {
            let with = format!("placementConstraints: [{{ {constraint} }}], taskDefinition: web");
            let run = run(&deployed_text(instances, 4, bounds, "").replace("taskDefinition: web", &with));
            let it = the_deployment(&run);
            assert_eq!(spare_tasks(it), Some(spare), "{constraint} {instances} {bounds:?}");
            assert_eq!(matches!(it.verdict(), Verdict::Finished(_)), spare == 0, "{:?}", it.verdict());
        }
    }
}

#[test]
fn what_stops_already_leaves_its_place_of_itself() {
    // The second update begins while old tasks of the first one are drained, and hold what is left.
    let run = run("duration: 1h
autoScalingGroups: { nodes: { InstanceType: m5.large, MinSize: 2, MaxSize: 2 } }
taskDefinitions: { web: { containerDefinitions: [{ name: web, image: web, cpu: 512, memory: 256, portMappings: [{ containerPort: 80 }] }] } }
applications: { web: { startTime: 0s } }
targetGroups: { web: { HealthCheckIntervalSeconds: 10, HealthyThresholdCount: 2, deregistrationDelay: 60 } }
services: { web: { taskDefinition: web, desiredCount: 4, loadBalancers: [{ targetGroupArn: web, containerName: web, containerPort: 80 }] } }
timeline:
  - { at: 5m, updateService: { service: web, forceNewDeployment: true } }
  - { at: 5m50s, updateService: { service: web, forceNewDeployment: true } }
");
    let it = run.deployments.last().expect("there are three");
    assert!(matches!(it.verdict(), Verdict::Finished(_)), "{:?}", it.verdict());
    assert_eq!(spare_tasks(it), Some(0), "it needs no more room than there will be");
}

#[test]
fn a_new_task_that_leaves_a_draining_instance_holds_nothing_up() {
    let run = run("duration: 50m
autoScalingGroups: { nodes: { InstanceType: m5.large, MinSize: 5, MaxSize: 5 } }
taskDefinitions:
  web:1: { containerDefinitions: [{ name: web, image: web, cpu: 512, memory: 256, portMappings: [{ containerPort: 80 }] }] }
  web:2: { containerDefinitions: [{ name: web, image: web, cpu: 512, memory: 256, portMappings: [{ containerPort: 80 }] }] }
applications: { web:2/web: { startTime: 1h } }
targetGroups: { web: { HealthCheckIntervalSeconds: 10, deregistrationDelay: 10 } }
services: { web: { taskDefinition: web:1, desiredCount: 4, healthCheckGracePeriodSeconds: 7200, loadBalancers: [{ targetGroupArn: web, containerName: web, containerPort: 80 }] } }
timeline:
  - { at: 5m, deploy: { service: web, taskDefinition: web:2 } }
  - { at: 10m, updateContainerInstancesState: { autoScalingGroup: nodes, count: 2, status: DRAINING } }
");
    let Verdict::Hangs(hang) = the_deployment(&run).verdict() else { panic!("it hangs") };
    assert_eq!(hang.because, "0 of 4 new tasks are healthy, and no other comes to be");
    assert!(the_deployment(&run).tasks_started(&run).1 > 0, "one has left");
}

#[test]
fn a_quota_of_fargate_is_named_where_an_update_hangs() {
    let run = run("duration: 30m
cluster: { subnets: { a: { AvailabilityZone: us-east-1a, CidrBlock: 10.0.0.0/24 } } }
taskDefinitions: { web: { requiresCompatibilities: [FARGATE], networkMode: awsvpc, cpu: 1024, memory: 2048, containerDefinitions: [{ name: web, image: web }] } }
services: { web: { taskDefinition: web, launchType: FARGATE, desiredCount: 6, networkConfiguration: { awsvpcConfiguration: { subnets: [a] } } } }
timeline: [{ at: 5m, updateService: { service: web, forceNewDeployment: true } }]
");
    let Verdict::Hangs(hang) = the_deployment(&run).verdict() else { panic!("it hangs") };
    let words = "6 new tasks find no place on Fargate: You've reached the limit on the number of vCPUs you can run concurrently. \
                 None of the 6 old ones may stop before: minimumHealthyPercent 100 keeps 6.";
    assert_eq!(hang.because, words);
}

#[test]
fn an_instance_that_comes_later_ends_the_hang() {
    let text =
        "  - { at: 40m, updateAutoScalingGroup: { autoScalingGroupName: nodes, MaxSize: 2, DesiredCapacity: 2 } }";
    let run = run(&format!(
        "duration: 1h
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 1, MaxSize: 1 }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, image: web, cpu: 512, memory: 256 }}] }} }}
applications: {{ web: {{ startTime: 0s }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: 4 }} }}
timeline:
  - {{ at: 5m, updateService: {{ service: web, forceNewDeployment: true }} }}
{text}"
    ));
    let it = the_deployment(&run);
    assert!(matches!(it.verdict(), Verdict::Finished(_)), "{:?}", it.verdict());
    let [hang] = it.hangs.as_slice() else { panic!("{:?}", it.hangs) };
    let until = hang.until.expect("it moved again");
    assert!(until > Instant::START + Span::seconds(2_400), "{until}");
}

#[test]
fn a_loop_of_failing_tasks_is_told_from_want_of_room() {
    let looping = run("duration: 1h
autoScalingGroups: { nodes: { InstanceType: m5.large, MinSize: 2, MaxSize: 2 } }
taskDefinitions:
  \"web:1\": { containerDefinitions: [{ name: web, image: web, cpu: 512, memory: 256, portMappings: [{ containerPort: 80 }] }] }
  \"web:2\": { containerDefinitions: [{ name: web, image: slow, cpu: 512, memory: 256, portMappings: [{ containerPort: 80 }] }] }
applications: { web: { startTime: 0s }, \"web:2/web\": { startTime: 300s } }
targetGroups: { web: {} }
services: { web: { taskDefinition: web:1, desiredCount: 1, loadBalancers: [{ targetGroupArn: web, containerName: web, containerPort: 80 }] } }
timeline: [{ at: 5m, updateService: { service: web, taskDefinition: web:2 } }]");
    let it = the_deployment(&looping);
    let Verdict::Hangs(hang) = it.verdict() else { panic!("{:?}", it.verdict()) };
    assert!(
        hang.because.contains("12 of its tasks ran by 00:20:00, and stopped before they were healthy"),
        "{}",
        hang.because
    );
    assert!(hang.because.contains("Task failed ELB health checks"), "{}", hang.because);
    let (started, never_healthy, _) = it.tasks_started(&looping);
    let still_there = looping.tasks.iter().filter(|it| it.deployment == 1 && it.stopped_at.is_none()).count();
    assert!(never_healthy >= 10 && never_healthy + still_there == started, "{started} {never_healthy} {still_there}");
    assert_eq!(it.waits(&looping)[0].0, DeploymentStage::Health, "that is what it waits for");
}

#[test]
fn stages_follow_each_other_and_come_to_the_whole() {
    let run = deployed(2, 5, (50, 200), "");
    let it = the_deployment(&run);
    let Verdict::Finished(took) = it.verdict() else { panic!("{:?}", it.verdict()) };
    let stages = it.stages(&run);
    assert_eq!(stages[0].1, it.began_at);
    assert_eq!(stages[stages.len() - 1].2, it.ended_at(&run));
    assert!(stages.windows(2).all(|it| it[0].2 == it[1].1 && it[0].0 != it[1].0), "{stages:?}");
    let all = it.waits(&run).iter().fold(Span::ZERO, |sum, it| sum + it.1);
    assert_eq!(all, took);
    let health = it.waits(&run).iter().find(|it| it.0 == DeploymentStage::Health).expect("tasks must be healthy").1;
    assert!(health >= Span::seconds(40), "without a check a task counts as healthy after 40 s: {health}");
}

#[test]
fn the_terminal_tells_the_verdict_and_what_it_rests_on() {
    let (full, roomy) = (deployed(1, 4, (100, 200), ""), deployed(2, 4, (100, 200), ""));
    let told = report::deployments::paragraphs(&[vec![&full], vec![&roomy]]);
    assert!(told.contains("HANGS since 00:05:00."), "{told}");
    assert!(told.contains("It needed room for 1 task more than there was: 512 CPU units and 256 MiB."), "{told}");
    assert!(told.contains("finished in "), "{told}");
    assert!(told.contains("for health checks"), "{told}");
    assert!(told.lines().all(|it| it.chars().count() <= 118), "{told}");
}

#[test]
fn a_chart_of_some_deployments_tells_of_how_many() {
    let deployed = |times: u32| {
        let again = |it: u32| {
            format!("  - {{ at: {}m, updateService: {{ service: web, forceNewDeployment: true }} }}\n", 5 * it)
        };
        let timeline: String = (1..=times).map(again).collect();
        let run = run(&format!(
            "duration: 1h
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 2, MaxSize: 2 }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, image: web, cpu: 512, memory: 256 }}] }} }}
applications: {{ web: {{ startTime: 0s }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: 2 }} }}
timeline:
{timeline}"
        ));
        let files = report::files(&run);
        let chart = files.iter().find(|it| it.0 == "deployments.svg").expect("there is a chart");
        String::from_utf8(chart.1.clone()).expect("it is text")
    };
    let (six, nine) = (deployed(5), deployed(8));
    assert!(!six.contains("the last 6 of"), "all are drawn");
    assert!(nine.contains("web (the last 6 of 9 deployments)"), "{nine}");
}

#[test]
fn a_deployment_ends_with_its_service() {
    // Full, so that it hangs; while it shifts traffic; and of a service that comes again.
    let deleted = |strategy: &str, more: &str| {
        run(&format!(
            "duration: 1h
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 1, MaxSize: 1 }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, image: web, cpu: 512, memory: 256 }}] }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: 4{strategy} }} }}
timeline:
  - {{ at: 5m, updateService: {{ service: web, forceNewDeployment: true }} }}
  - {{ at: 30m, deleteService: {{ service: web, force: true }} }}
{more}"
        ))
    };
    let hangs = |run: &Run| run.events.iter().filter(|it| it.kind == "deployment.hangs").count();
    let again = deleted("", "  - { at: 40m, createService: { service: web } }\n");
    for run in [&deleted("", ""), &again] {
        let it = run.deployments.iter().find(|it| it.number == 1).expect("it was deployed anew");
        assert_eq!(it.verdict(), Verdict::Deleted(Span::seconds(1500)));
        assert_eq!(it.ended_at(run), Instant::START + Span::seconds(1800));
        assert_eq!(it.hangs[0].until.map(|it| it.since(Instant::START)), Some(Span::seconds(1800)));
        assert_eq!(hangs(run), 1);
        assert_eq!(it.waits(run).iter().map(|it| it.1.as_seconds()).sum::<f64>(), 25.0 * 60.0);
        let told = report::deployments::paragraphs(&[vec![run]]);
        assert!(told.contains("its service was deleted after 25m."), "{told}");
        assert!(told.contains("It stood still from 00:05:00 to 00:30:00"), "{told}");
    }
    let last = again.deployments.last().expect("it was created again");
    assert!(matches!(last.verdict(), Verdict::Finished(_)), "{:?}", last.verdict());
    // One that is over stays so.
    let room = deleted(", deploymentConfiguration: { minimumHealthyPercent: 50 }", "");
    assert!(matches!(the_deployment(&room).verdict(), Verdict::Finished(_)));
}

#[test]
fn a_deployment_whose_images_are_pulled_for_long_says_so() {
    let slow = run("duration: 30m
autoScalingGroups: { nodes: { InstanceType: m5.large, MinSize: 2, MaxSize: 2 } }
taskDefinitions:
  \"web:1\": { containerDefinitions: [{ name: web, image: web, cpu: 512, memory: 256 }] }
  \"web:2\": { containerDefinitions: [{ name: web, image: large, cpu: 512, memory: 256 }] }
applications: { \"web:2/web\": { image: { size: 200MB } } }
services: { web: { taskDefinition: web:1, desiredCount: 2 } }
timeline:
  - { at: 4m, slowRegistry: { factor: 500 } }
  - { at: 5m, updateService: { service: web, taskDefinition: web:2 } }");
    let it = the_deployment(&slow);
    let because = &it.hangs[0].because;
    assert!(because.ends_with("; 2 new tasks have been pulling their images, the first since 00:05:06"), "{because}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// What is foretold when a deployment begins is what comes of it, where tasks are alike and the fleet stays as it is.
    #[test]
    fn the_room_foretold_is_the_room_needed(
        instances in 1u32..5,
        desired in 1u32..17,
        minimum in prop::sample::select(vec![0u32, 25, 50, 75, 100]),
        maximum in prop::sample::select(vec![100u32, 125, 150, 200]),
    ) {
        prop_assume!(desired <= 4 * instances);
        let run = deployed(instances, desired, (minimum, maximum), "");
        let it = the_deployment(&run);
        let finishes = matches!(it.verdict(), Verdict::Finished(_));
        prop_assert_eq!(finishes, spare_tasks(it) == Some(0), "{:?} {:?}", it.spare, it.verdict());
    }
}
