//! What tasks stop for where ECS's words do not say it.

use std::path::Path;

use plimsoll::aws::stop_cause::{NoEgress, PullCaller, StopCause};
use plimsoll::aws::subnet::DefaultRoute;
use plimsoll::engine::simulate;
use plimsoll::report::stopped_tasks;
use plimsoll::rng::Seed;
use plimsoll::run::Run;
use plimsoll::scenario;
use plimsoll::units::Span;

use crate::stories::run;

/// What the terminal tells of the tasks that stopped, with its lines put together.
fn told(run: &Run) -> String {
    stopped_tasks::paragraphs(&[vec![run]]).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The causes of a run's tasks that have ended otherwise than they were meant to; of each there is one.
fn causes(run: &Run) -> Vec<StopCause> {
    let stopped = run.tasks.iter().filter(|it| it.stopped_at.is_some() && it.has_failed());
    stopped.map(|it| it.stop_cause.clone().unwrap_or_else(|| panic!("{:?} has no cause", it.stopped_reason))).collect()
}

/// The scenario in which a process needs 100 s to start, and a container's check and a target group's look at it.
#[test]
fn a_task_stopped_for_a_check_has_the_cause_of_that_very_check() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/slow-spring-service.yaml");
    let story = scenario::read(&path, &mut |it| std::fs::read(it)).unwrap_or_else(|it| panic!("{}", it.render(false)));
    let (mut by_load_balancer, mut by_container) = (0, 0);
    for variant in &story.variants {
        let run = simulate(variant, Seed { seed: 0, replication: 0 });
        for task in run.tasks.iter().filter(|it| it.stopped_at.is_some()) {
            match (task.stopped_reason.as_deref(), &task.stop_cause) {
                (
                    Some("Task failed ELB health checks in (target-group spring)"),
                    Some(StopCause::GracePeriodTooShort(_)),
                ) => {
                    by_load_balancer += 1;
                }
                (
                    Some("Task failed container health checks"),
                    Some(StopCause::StartPeriodTooShort(_) | StopCause::LacksCommand(_)),
                ) => by_container += 1,
                (reason, None) if !task.has_failed() => {
                    assert!(reason.is_some_and(|it| it.starts_with("Scaling activity")), "{reason:?}");
                }
                other => panic!("{} {other:?}", variant.variant),
            }
        }
    }
    assert!(by_load_balancer > 100 && by_container > 10, "{by_load_balancer} {by_container}");
}

/// Two tasks of one worker, which need a second for a request, behind checks that wait for two seconds.
fn busy(requests: &str, more_of_application: &str) -> Run {
    run(&format!(
        "duration: 15m
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 2, MaxSize: 2 }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, image: web, cpu: 256, memory: 256, portMappings: [{{ containerPort: 80 }}] }}] }} }}
applications: {{ web: {{ cpuTime: 100ms, waitTime: 900ms, concurrency: 1, {more_of_application} }} }}
targetGroups: {{ web: {{ HealthCheckIntervalSeconds: 5, HealthCheckTimeoutSeconds: 2, UnhealthyThresholdCount: 2 }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: 2, loadBalancers: [{{ targetGroupArn: web, containerName: web, containerPort: 80 }}] }} }}
workloads: {{ visitors: {{ service: web, arrivals: {{ poisson: {{ rate: {requests} }} }}, timeout: 30s }} }}"
    ))
}

#[test]
fn a_process_that_is_too_busy_for_its_checks_is_told_of_as_such() {
    let slow = causes(&busy("8/s", ""));
    assert!(!slow.is_empty());
    assert!(slow.iter().all(|it| *it == StopCause::AnswersTooLate(Span::seconds(2))), "{slow:?}");
    let run = busy("8/s", "queue: 0");
    let full = causes(&run);
    assert!(!full.is_empty());
    assert!(full.iter().all(|it| *it == StopCause::QueueIsFull), "{full:?}");
    assert!(
        told(&run).contains("Its process was busy, and its queue had no room left for the load balancer's checks.")
    );
    assert!(causes(&busy("0.1/s", "")).is_empty(), "who answers in time stays");
}

/// One task of a service whose image comes from Docker Hub, on Fargate in a subnet.
fn pulls_from(subnet: &str, cluster: &str, network: &str) -> Run {
    run(&format!(
        "duration: 10m
cluster: {{ subnets: {{ subnet-a: {{ AvailabilityZone: us-east-1a, CidrBlock: 10.0.0.0/24, {subnet} }} }}, {cluster} }}
taskDefinitions:
  web: {{ cpu: 256, memory: 512, networkMode: awsvpc, requiresCompatibilities: [FARGATE], containerDefinitions: [{{ name: web, image: \"shop/web:2\" }}] }}
services:
  web: {{ taskDefinition: web, desiredCount: 0, launchType: FARGATE, networkConfiguration: {{ awsvpcConfiguration: {{ subnets: [subnet-a], {network} }} }} }}
timeline: [{{ at: 1m, updateService: {{ service: web, desiredCount: 1 }} }}]"
    ))
}

#[test]
fn a_task_that_reaches_no_registry_names_what_keeps_it_in() {
    let by_route = |subnet: &str, route: DefaultRoute, words: &str| {
        let run = pulls_from(subnet, "", "");
        let StopCause::NotLetOut { by: NoEgress::Route { default_route, .. }, .. } = &causes(&run)[0] else {
            panic!("{:?}", causes(&run));
        };
        assert_eq!(*default_route, route);
        assert!(told(&run).contains(words), "{}", told(&run));
    };
    by_route(
        "defaultRoute: none",
        DefaultRoute::None,
        "dial tcp: i/o timeout Calls to registry `docker.io` time out, since subnet `subnet-a` has no default route.",
    );
    by_route(
        "defaultRoute: internetGateway",
        DefaultRoute::InternetGateway,
        "subnet `subnet-a` leads to an internet gateway only, and the task has no public address (assignPublicIp is DISABLED).",
    );
    let shut = "securityGroups: { sg-1: { IpPermissionsEgress: [{ IpProtocol: tcp, FromPort: 5432, ToPort: 5432 }] } }";
    let run = pulls_from("", shut, "securityGroups: [sg-1]");
    let words = "since security group `sg-1` lets out TCP 5432 and not port TCP 443.";
    assert!(told(&run).contains(words), "{}", told(&run));
    assert!(causes(&pulls_from("", "", "")).is_empty(), "with a NAT gateway it starts");
}

#[test]
fn pulls_beyond_a_quota_name_the_quota_and_who_shares_it() {
    let text = |authenticated: bool| {
        format!(
            "duration: 20m
cluster: {{ availabilityZones: [us-east-1a], natGateways: {{ number: 1 }} }}
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 2, MaxSize: 2, agentConfiguration: {{ ECS_IMAGE_PULL_BEHAVIOR: always }} }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, image: shop/web, memory: 256, versionConsistency: disabled }}] }} }}
registries: {{ docker.io: {{ pulls: 5, per: 6h, authenticated: {authenticated} }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: 0 }} }}
timeline: [{{ at: 1m, updateService: {{ service: web, desiredCount: 8 }} }}]"
        )
    };
    for (authenticated, by) in [(false, PullCaller::NatGateway), (true, PullCaller::Account)] {
        let run = run(&text(authenticated));
        let cause =
            StopCause::PullQuotaUsedUp { registry: "docker.io".to_owned(), pulls: 5, window: Span::HOUR * 6, by };
        let causes = causes(&run);
        assert!(causes.len() >= 3 && causes.iter().all(|it| *it == cause), "{causes:?}");
        let whole = "https://www.docker.com/increase-rate-limit Registry `docker.io` lets ";
        assert!(told(&run).contains(whole), "the reason is told to its end: {}", told(&run));
    }
}

#[test]
fn a_task_given_up_in_provisioning_names_the_time_and_the_maximum() {
    let run = run("duration: 40m
autoScalingGroups: { nodes: { InstanceType: m5.large, MinSize: 1, MaxSize: 1 } }
capacityProviders: { nodes: { autoScalingGroupProvider: { autoScalingGroupArn: nodes, managedScaling: { status: ENABLED } } } }
taskDefinitions: { web: { containerDefinitions: [{ name: web, image: web, cpu: 1024, memory: 256 }] } }
services: { web: { taskDefinition: web, desiredCount: 2, capacityProviderStrategy: [{ capacityProvider: nodes, weight: 1 }] } }
timeline: [{ at: 1m, updateService: { service: web, desiredCount: 3 } }]
assumptions: { provisioningTimeout: 10m }");
    let cause = StopCause::NoRoom { waited: Span::MINUTE * 10, largest_group: Some(("nodes".to_owned(), 1)) };
    let causes = causes(&run);
    assert!(!causes.is_empty() && causes.iter().all(|it| *it == cause), "{causes:?}");
}

/// ECS names the instance in each task's reason; tasks that several instances took along are told of together.
#[test]
fn tasks_that_went_with_their_instances_name_them_and_are_counted_together() {
    let run = run("duration: 20m
autoScalingGroups: { nodes: { InstanceType: m5.large, MinSize: 3, MaxSize: 3 } }
taskDefinitions: { web: { containerDefinitions: [{ name: web, image: web, cpu: 256, memory: 256 }] } }
services: { web: { taskDefinition: web, desiredCount: 3 } }
timeline: [{ at: 5m, terminateInstances: { autoScalingGroup: nodes, count: 2 } }]
");
    let reasons = run.tasks.iter().filter_map(|it| it.stopped_reason.as_deref());
    // A zone that comes back is given its tasks anew.
    let mut reasons: Vec<&str> = reasons.filter(|it| !it.starts_with("Availability-zone")).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["Host EC2 (instance i-00000) terminated.", "Host EC2 (instance i-00001) terminated."]);
    let told = told(&run);
    assert!(told.contains("2 × `web`: InfrastructureHealth: Host EC2 (instance ...) terminated."), "{told}");
}
