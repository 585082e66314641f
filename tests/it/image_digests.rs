//! The first task of a deployment establishes the digests of its images before the others start.

use plimsoll::run::{Run, TaskLife};
use plimsoll::units::{Instant, Span};

use crate::stories::run;

/// Four tasks on four instances whose service is deployed anew at 5 minutes.
fn deployed(group: &str, container: &str, more: &str) -> Run {
    run(&format!(
        "duration: 15m
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 4, MaxSize: 4, {group} }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, cpu: 256, memory: 512, {container} }}] }} }}
applications: {{ web: {{ startTime: 0s }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: 4 }} }}
timeline: [{{ at: 5m, updateService: {{ service: web, forceNewDeployment: true }} }}]
{more}"
    ))
}

/// When the tasks that were created after an instant were, in seconds after it.
fn created_after(run: &Run, after: u64) -> Vec<f64> {
    let after = Instant::START + Span::seconds(after);
    let created = run.tasks.iter().map(|it| it.created_at).filter(|it| *it >= after);
    created.map(|it| it.since(after).as_seconds()).collect()
}

fn said<'a>(run: &'a Run, kind: &str) -> Vec<&'a str> {
    run.events.iter().filter(|it| it.kind == kind).map(|it| it.message.as_str()).collect()
}

#[test]
fn the_rest_of_a_deployment_waits_for_the_manifests_of_its_first_task() {
    // The scheduler's pass after 5 s, the agent's pick-up 1 s, the manifest 1 s.
    let usual = deployed("", "image: web", "");
    assert_eq!(created_after(&usual, 300), [5.0, 7.0, 7.0, 7.0]);
    assert_eq!(created_after(&usual, 0).len(), 8, "nobody waits before that: the service had its digests");
    let awaited = said(&usual, "service.image_digests_awaited");
    assert_eq!(awaited.len(), 1);
    assert!(awaited[0].starts_with("(service web) (deployment 1) other tasks wait until (task "), "{awaited:?}");
    assert_eq!(said(&usual, "service.image_digests_established").len(), 1);
    assert_eq!(said(&usual, "service.deployment_completed").len(), 1);

    let slow = deployed("", "image: web", "assumptions: { imageDigestTime: 4s }");
    assert_eq!(created_after(&slow, 300), [5.0, 10.0, 10.0, 10.0], "while its image is there long before");

    for container in
        ["image: \"web@sha256:94afd1f2e64d908bc90dbca0035a5b567\"", "image: web, versionConsistency: disabled"]
    {
        let at_once = deployed("", container, "");
        assert_eq!(created_after(&at_once, 300), [5.0; 4], "{container}");
        assert!(said(&at_once, "service.image_digests_awaited").is_empty());
    }
}

#[test]
fn older_agents_tell_digests_when_the_task_runs_or_not_at_all() {
    let ecr = "image: 111122223333.dkr.ecr.us-east-1.amazonaws.com/web";
    // Pull and start take 1 s each.
    for (version, container, others) in [
        ("1.82.4", "image: web", 8.0),
        ("1.70.0", "image: web", 8.0),
        ("1.69.0", "image: web", 5.0),
        ("1.69.0", ecr, 8.0),
        ("1.30.0", ecr, 5.0),
    ] {
        let run = deployed(&format!("agentVersion: {version}"), container, "");
        assert_eq!(created_after(&run, 300), [5.0, others, others, others], "{version} {container}");
    }
}

#[test]
fn a_service_that_begins_with_nothing_has_no_digests_to_wait_for() {
    let service = |count: u32, more: &str| {
        format!(
            "duration: 15m
begin: cold
taskDefinitions:
  web:
    requiresCompatibilities: [FARGATE]
    networkMode: awsvpc
    cpu: 256
    memory: 512
    containerDefinitions: [{{ name: web, image: web }}]
services:
  web:
    taskDefinition: web
    launchType: FARGATE
    desiredCount: {count}
    networkConfiguration: {{ awsvpcConfiguration: {{ subnets: [subnet-a] }} }}
{more}"
        )
    };
    // On Fargate 15 s of PROVISIONING and 5 s of PENDING come before the manifest.
    assert_eq!(created_after(&run(&service(3, "")), 0), [5.0, 26.0, 26.0]);
    let later = "timeline: [{ at: 1m, updateService: { service: web, desiredCount: 3 } }]";
    assert_eq!(created_after(&run(&service(0, later)), 60), [5.0; 3]);
    let forced = "timeline: [{ at: 1m, updateService: { service: web, desiredCount: 3, forceNewDeployment: true } }]";
    assert_eq!(created_after(&run(&service(0, forced)), 60), [5.0, 26.0, 26.0]);
}

#[test]
fn after_three_attempts_it_goes_on_without() {
    // No address is left for any task: each fails before its image is looked at.
    let run = run("duration: 15m
begin: cold
cluster:
  availabilityZones: [us-east-1a]
  subnets: { subnet-a: { AvailabilityZone: us-east-1a, AvailableIpAddressCount: 2 } }
autoScalingGroups: { nodes: { InstanceType: m5.xlarge, MinSize: 2, MaxSize: 2, VPCZoneIdentifier: subnet-a } }
taskDefinitions: { web: { networkMode: awsvpc, containerDefinitions: [{ name: web, image: web, cpu: 64, memory: 64 }] } }
services:
  web:
    taskDefinition: web
    desiredCount: 4
    networkConfiguration: { awsvpcConfiguration: { subnets: [subnet-a] } }");
    let tasks: Vec<&TaskLife> = run.tasks.iter().take(7).collect();
    for two in tasks[..3].windows(2) {
        assert!(two[0].stopping_at.expect("it failed") <= two[1].created_at, "one after the other");
    }
    let created: Vec<Instant> = tasks[3..].iter().map(|it| it.created_at).collect();
    assert!(created[0] > tasks[2].created_at && created.iter().all(|it| *it == created[0]), "{created:?}");
    assert_eq!(said(&run, "service.image_digests_awaited").len(), 3);
    assert_eq!(said(&run, "service.image_digests_given_up").len(), 1);
    assert!(said(&run, "service.image_digests_established").is_empty());
}

#[test]
fn capacity_is_waited_for_only_where_consistency_is_said_to_be_enabled() {
    let grown = |container: &str| {
        run(&format!(
            "duration: 30m
begin: cold
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 0, MaxSize: 4 }} }}
capacityProviders: {{ nodes: {{ autoScalingGroupProvider: {{ autoScalingGroupArn: nodes, managedScaling: {{ status: ENABLED }} }} }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, cpu: 1024, memory: 512, image: web, {container} }}] }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: 4, capacityProviderStrategy: [{{ capacityProvider: nodes }}] }} }}"
        ))
    };
    let usual = grown("");
    assert_eq!(created_after(&usual, 0), [5.0; 4], "all of them wait in PROVISIONING");
    let enabled = grown("versionConsistency: enabled");
    let created = created_after(&enabled, 0);
    assert_eq!((created[0], created.len()), (5.0, 4));
    let pulled = enabled.tasks[0].pull_started_at.expect("it was pulled").since(Instant::START).as_seconds();
    assert!(created[1..].iter().all(|it| *it == pulled + 1.0), "{created:?} {pulled}");
}

#[test]
fn a_digest_is_not_heard_of_while_the_agent_is_not_connected() {
    let more = "  - { at: 305500ms, disconnectAgents: { autoScalingGroup: nodes, count: 4, for: 1m } }";
    let text = "duration: 15m
autoScalingGroups: { nodes: { InstanceType: m5.large, MinSize: 4, MaxSize: 4 } }
taskDefinitions: { web: { containerDefinitions: [{ name: web, cpu: 256, memory: 512, image: web }] } }
assumptions: { imageDigestTime: 3s, agentPickUpTime: 0s }
services: { web: { taskDefinition: web, desiredCount: 4 } }
timeline:
  - { at: 5m, updateService: { service: web, forceNewDeployment: true } }
";
    let run = run(&format!("{text}{more}"));
    assert_eq!(created_after(&run, 300), [5.0, 65.5, 65.5, 65.5]);
}

#[test]
fn daemons_wait_as_well() {
    let run = run("duration: 15m
autoScalingGroups: { nodes: { InstanceType: m5.large, MinSize: 3, MaxSize: 3 } }
taskDefinitions: { logs: { containerDefinitions: [{ name: logs, cpu: 256, memory: 512, image: logs }] } }
applications: { logs: { shutdownTime: 1s } }
services:
  logs: { taskDefinition: logs, schedulingStrategy: DAEMON, deploymentConfiguration: { minimumHealthyPercent: 0 } }
timeline: [{ at: 5m, updateService: { service: logs, forceNewDeployment: true } }]");
    let created = created_after(&run, 300);
    assert_eq!(created.len(), 3);
    assert_eq!(created[1..], [created[0] + 2.0; 2], "the agent's pick-up and the manifest");
}
