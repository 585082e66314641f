//! What of `UpdateService` begins a deployment, and what does not.

use std::path::Path;

use plimsoll::engine::simulate;
use plimsoll::rng::Seed;
use plimsoll::run::Run;
use plimsoll::scenario;

/// A service on instances with a volume for each task, and one on Fargate; after 5 minutes the first, or the other, is told something.
fn text(service: &str, update: &str) -> String {
    format!(
        "duration: 1h
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 4, MaxSize: 4 }} }}
taskDefinitions:
  web:
    volumes: [{{ name: data, configuredAtLaunch: true }}]
    containerDefinitions: [{{ name: web, image: web, cpu: 128, memory: 256, portMappings: [{{ containerPort: 80 }}] }}]
  job:
    requiresCompatibilities: [FARGATE]
    cpu: 256
    memory: 512
    networkMode: awsvpc
    ephemeralStorage: {{ sizeInGiB: 50 }}
    containerDefinitions: [{{ name: job, image: job }}]
targetGroups:
  web: {{ HealthCheckIntervalSeconds: 10, HealthyThresholdCount: 2, deregistrationDelay: 10s }}
  other: {{}}
services:
  web:
    taskDefinition: web
    desiredCount: 2
    loadBalancers: [{{ targetGroupArn: web, containerName: web, containerPort: 80 }}]
    volumeConfigurations: [{{ name: data, managedEBSVolume: {{ sizeInGiB: 73 }} }}]
  job:
    taskDefinition: job
    desiredCount: 1
    launchType: FARGATE
    networkConfiguration: {{ awsvpcConfiguration: {{ subnets: [subnet-a] }} }}
cluster: {{ subnets: {{ subnet-a: {{ AvailabilityZone: us-east-1a, CidrBlock: 10.0.0.0/24 }} }} }}
timeline:
  - {{ at: 5m, updateService: {{ service: {service}, {update} }} }}
"
    )
}

fn run(service: &str, update: &str) -> Run {
    let text = text(service, update);
    let story = scenario::read(Path::new("update.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
        .unwrap_or_else(|problems| panic!("{text}\n{}", problems.render(false)));
    assert!(story.unsupported.is_empty(), "{}", story.unsupported.render(false));
    simulate(&story.variants[0], Seed { seed: 1, replication: 0 })
}

fn refusal(service: &str, update: &str) -> String {
    let text = text(service, update);
    match scenario::read(Path::new("update.yaml"), &mut |_| Ok(text.as_bytes().to_vec())) {
        Ok(story) => story.unsupported.render(false),
        Err(problems) => problems.render(false),
    }
}

/// How many deployments an update begins.
fn deployments(service: &str, update: &str) -> usize {
    run(service, update).events.iter().filter(|it| it.kind == "service.deployment_in_progress").count()
}

const BALANCER: &str = "loadBalancers: [{ targetGroupArn: web, containerName: web, containerPort: 80 }]";

#[test]
fn what_makes_another_revision_begins_a_deployment() {
    for (service, update) in [
        ("web", "forceNewDeployment: true"),
        ("web", BALANCER),
        ("web", "volumeConfigurations: [{ name: data, managedEBSVolume: { sizeInGiB: 73 } }]"),
        ("job", "platformVersion: 1.4.0"),
        ("job", "networkConfiguration: { awsvpcConfiguration: { subnets: [subnet-a] } }"),
    ] {
        assert_eq!(deployments(service, update), 1, "{update}");
    }
}

#[test]
fn what_is_applied_in_place_begins_none() {
    for update in [
        "desiredCount: 3",
        "deploymentConfiguration: { minimumHealthyPercent: 50, maximumPercent: 150 }",
        "healthCheckGracePeriodSeconds: 60",
        "placementStrategy: [{ type: spread, field: instanceId }]",
        "placementConstraints: [{ type: distinctInstance }]",
        "availabilityZoneRebalancing: DISABLED",
        "enableExecuteCommand: true, propagateTags: SERVICE",
    ] {
        assert_eq!(deployments("web", update), 0, "{update}");
    }
}

#[test]
fn tasks_of_the_new_deployment_have_the_new_volumes() {
    let cost = |gib: u32| {
        let update = format!("volumeConfigurations: [{{ name: data, managedEBSVolume: {{ sizeInGiB: {gib} }} }}]");
        run("web", &update).cost.volumes_usd
    };
    let (same, larger) = (cost(73), cost(146));
    // Two tasks of the new deployment from their placement, shortly after 5 minutes, to the end: 73 GiB more of gp3 each.
    let hours = (larger - same) / (2.0 * 73.0 * 0.08 / 730.0);
    assert!((54.0 / 60.0..=55.0 / 60.0).contains(&hours), "{hours}");
}

#[test]
fn what_a_service_cannot_be_given_is_said() {
    for (service, update, says) in [
        ("web", "platformVersion: 1.4.0", "The platform version must be null when specifying an EC2 launch type."),
        ("job", "platformVersion: 1.3.0", "needs more"),
        ("web", "volumeConfigurations: [{ name: date, managedEBSVolume: { sizeInGiB: 9 } }]", "did you mean `data`?"),
        (
            "web",
            "loadBalancers: [{ targetGroupArn: other, containerName: web, containerPort: 80 }]",
            "is not simulated yet",
        ),
        ("web", "loadBalancers: []", "is not simulated yet"),
    ] {
        let refusal = refusal(service, update);
        assert!(refusal.contains(says), "{update}: {refusal}");
    }
}
