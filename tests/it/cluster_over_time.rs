//! Account settings, network configurations and registration failures that change while the run goes on.

use plimsoll::report::refusals;
use plimsoll::run::Run;

use crate::stories::run;

fn running(run: &Run) -> usize {
    run.tasks.iter().filter(|it| it.running_at.is_some() && it.stopping_at.is_none()).count()
}

fn told(run: &Run) -> String {
    refusals::paragraphs(&[vec![run]]).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A service of awsvpc tasks on one m5.large, which has two network interfaces for them, and ten with a trunk.
fn trunking(group: &str, timeline: &str) -> String {
    format!(
        "duration: 30m
cluster: {{ availabilityZones: [us-east-1a] }}
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 1, MaxSize: 2{group} }} }}
taskDefinitions: {{ web: {{ networkMode: awsvpc, containerDefinitions: [{{ name: web, memory: 64 }}] }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: 10 }} }}
assumptions: {{ placementRetryOnCapacity: true }}
timeline:
{timeline}"
    )
}

#[test]
fn only_instances_that_are_launched_after_the_account_setting_have_a_trunk() {
    let on = "  - { at: 1m, putAccountSetting: { name: awsvpcTrunking, value: enabled } }\n";
    let grow = "  - { at: 2m, updateAutoScalingGroup: { autoScalingGroup: nodes, DesiredCapacity: 2 } }\n";
    let off = "  - { at: 90s, putAccountSetting: { name: awsvpcTrunking, value: disabled } }\n";
    assert_eq!(running(&run(&trunking("", on))), 2, "the instance that is there has none");
    assert_eq!(running(&run(&trunking("", &format!("{on}{grow}")))), 10, "2 and 8 of 10");
    assert_eq!(running(&run(&trunking("", grow))), 4);
    assert_eq!(running(&run(&trunking("", &format!("{on}{off}{grow}")))), 4);
    let own = ", awsvpcTrunking: disabled";
    assert_eq!(running(&run(&trunking(own, &format!("{on}{grow}")))), 4, "a group that says so keeps its own");
    let late = "  - { at: 3m, putAccountSetting: { name: awsvpcTrunking, value: enabled } }\n";
    assert_eq!(running(&run(&trunking("", &format!("{grow}{late}")))), 4, "launched before");
    let events = run(&trunking("", on)).events;
    assert!(events.iter().any(|it| it.kind == "timeline.put_account_setting"));
}

/// A service on subnet a, which is given subnet b after a minute.
fn moved(definition: &str, launch: &str) -> Run {
    run(&format!(
        "duration: 30m
cluster:
  availabilityZones: [us-east-1a, us-east-1b]
  subnets:
    a: {{ AvailabilityZone: us-east-1a, CidrBlock: 10.0.0.0/24 }}
    b: {{ AvailabilityZone: us-east-1b, CidrBlock: 10.0.1.0/24 }}
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 4, MaxSize: 4 }} }}
taskDefinitions: {{ web: {{ networkMode: awsvpc, {definition} containerDefinitions: [{{ name: web, memory: 64 }}] }} }}
services:
  web:
    taskDefinition: web
    desiredCount: 3
    networkConfiguration: {{ awsvpcConfiguration: {{ subnets: [a] }} }}
    {launch}
timeline:
  - at: 1m
    updateService: {{ service: web, networkConfiguration: {{ awsvpcConfiguration: {{ subnets: [b] }} }} }}
  - {{ at: 10m, updateService: {{ service: web, desiredCount: 4 }} }}
"
    ))
}

#[test]
fn a_new_network_configuration_is_a_deployment_to_its_subnets() {
    for (definition, launch) in
        [("", ""), ("cpu: 256, memory: 512, requiresCompatibilities: [FARGATE],", "launchType: FARGATE")]
    {
        let run = moved(definition, launch);
        assert!(run.events.iter().any(|it| it.kind == "service.deployment_in_progress"));
        assert_eq!(running(&run), 4);
        assert_eq!(run.tasks.len(), 7);
        for task in &run.tasks {
            let (zone, is_old) = if task.stopping_at.is_some() { ("us-east-1a", true) } else { ("us-east-1b", false) };
            assert_eq!(task.availability_zone.as_deref(), Some(zone));
            assert_eq!(task.created_at.as_seconds() < 60.0, is_old);
        }
    }
}

fn registration(group: &str, begin: &str, timeline: &str) -> Run {
    run(&format!(
        "duration: 30m
begin: {begin}
cluster: {{ availabilityZones: [us-east-1a] }}
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 1, MaxSize: 3{group} }} }}
taskDefinitions: {{ web: {{ networkMode: awsvpc, containerDefinitions: [{{ name: web, memory: 64 }}] }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: 4 }} }}
{timeline}"
    ))
}

#[test]
fn an_instance_that_does_not_register_is_in_service_costs_and_takes_no_task() {
    for (failure, status, words) in [
        ("wrongClusterName", "NOT_REGISTERED", "ClusterNotFoundException"),
        ("missingInstanceProfile", "NOT_REGISTERED", "NoCredentialProviders"),
        ("trunkInterface, awsvpcTrunking: enabled", "REGISTRATION_FAILED", "trunk network interface"),
    ] {
        for begin in ["cold", "settled"] {
            let run = registration(&format!(", registrationFailure: {failure}"), begin, "");
            assert_eq!((run.tasks.len(), running(&run)), (0, 0), "{failure} {begin}");
            let last = run.instance_changes.last().expect("it was launched");
            assert_eq!(last.status, status);
            assert_eq!(run.instances[0].registered_at, None);
            assert!((run.instance_hours - 0.5).abs() < 1e-9, "{}", run.instance_hours);
            let event = run.events.iter().find(|it| it.kind == "instance.registration_failed").expect("it is told");
            assert!(event.message.contains(words), "{}", event.message);
            let told = told(&run);
            assert!(
                told.contains("1 instance of `nodes` is in service and never registered with the cluster"),
                "{told}"
            );
            assert!(told.contains(words), "{told}");
        }
    }
}

#[test]
fn a_fault_of_the_launch_template_strikes_what_is_launched_while_it_holds() {
    let timeline = "timeline:
  - { at: 1m, failRegistration: { autoScalingGroup: nodes, cause: missingInstanceProfile, for: 5m } }
  - { at: 2m, updateAutoScalingGroup: { autoScalingGroup: nodes, DesiredCapacity: 2 } }
  - { at: 10m, updateAutoScalingGroup: { autoScalingGroup: nodes, DesiredCapacity: 3 } }
";
    let run = registration("", "settled", timeline);
    let registered: Vec<bool> = run.instances.iter().map(|it| it.registered_at.is_some()).collect();
    assert_eq!(registered, [true, false, true]);
    assert_eq!(running(&run), 4);
}

/// *Service throttle logic*: the delay grows step by step between launch attempts, so that tasks launched together are one step.
#[test]
fn tasks_that_are_given_up_together_are_one_failed_launch() {
    // No m5.large has room for any of the fourteen, so that all wait in PROVISIONING and are given up at once.
    let text = "duration: 20m
autoScalingGroups: { nodes: { InstanceType: m5.large, MinSize: 0, MaxSize: 2 } }
capacityProviders: { nodes: { autoScalingGroupProvider: { autoScalingGroupArn: nodes, managedScaling: { status: ENABLED } } } }
taskDefinitions: { web: { containerDefinitions: [{ name: web, cpu: 256, memory: 16000 }] } }
services: { web: { taskDefinition: web, desiredCount: 0, capacityProviderStrategy: [{ capacityProvider: nodes, weight: 1 }] } }
timeline: [{ at: 1m, updateService: { service: web, desiredCount: 14 } }]
assumptions: { provisioningTimeout: 2m }
";
    let run = run(text);
    let mut created: Vec<u64> = run.tasks.iter().map(|it| it.created_at.as_seconds() as u64).collect();
    assert!(created.len() >= 5 * 14, "{created:?}");
    created.dedup();
    let pauses: Vec<u64> = created.windows(2).map(|it| it[1] - it[0] - 120).collect();
    // Three of `failedLaunchDelay`, and then those of WE-63.
    assert_eq!(pauses[..5], [10, 10, 10, 20, 40], "{created:?}");
}
