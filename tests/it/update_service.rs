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
    simulated(&text(service, update))
}

fn simulated(text: &str) -> Run {
    let story = scenario::read(Path::new("update.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
        .unwrap_or_else(|problems| panic!("{text}\n{}", problems.render(false)));
    assert!(story.unsupported.is_empty(), "{}", story.unsupported.render(false));
    simulate(&story.variants[0], Seed { seed: 1, replication: 0 })
}

fn refusal(service: &str, update: &str) -> String {
    refusal_of(&text(service, update))
}

fn refusal_of(text: &str) -> String {
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
fn an_empty_list_takes_the_volumes_away() {
    // Of a definition without volumes, after one with a volume of 73 GiB for each of two tasks.
    let bare = "taskDefinitions:
  bare: { containerDefinitions: [{ name: web, image: web, cpu: 128, memory: 256, portMappings: [{ containerPort: 80 }] }] }
  web:";
    let usd = |update: &str| {
        let text = text("web", update).replace("taskDefinitions:\n  web:", bare);
        let run = simulated(&text);
        let begun = run.events.iter().filter(|it| it.kind == "service.deployment_in_progress").count();
        (run.cost.volumes_usd, begun)
    };
    let (kept, begun) = usd("forceNewDeployment: true");
    assert_eq!(begun, 1);
    let (taken, begun) = usd("taskDefinition: bare, volumeConfigurations: []");
    assert_eq!(begun, 1);
    // For 55 of 60 minutes two volumes less, and for half a minute those of old tasks beside new ones.
    let hours = (kept - taken) / (2.0 * 73.0 * 0.08 / 730.0);
    assert!((54.0 / 60.0..=56.0 / 60.0).contains(&hours), "{hours}");
    // The same service afterwards: what has none begins a deployment by the list alone.
    let update = "taskDefinition: bare, volumeConfigurations: [] } }
  - { at: 15m, updateService: { service: web, volumeConfigurations: [] } }
  - { at: 25m, updateService: { service: web, volumeConfigurations: ";
    assert_eq!(usd(update).1, 2, "and nothing, by leaving it out");
    let refused = refusal("web", "volumeConfigurations: []");
    assert!(refused.contains("does not say what volume `data` of `web:1` is"), "{refused}");
}

#[test]
fn each_change_is_judged_by_those_that_come_before_it() {
    // Written in another order than they happen: the third says for `other` what the first has made possible.
    let text = text("web", "desiredCount: 2").replace(
        "timeline:\n",
        "timeline:
  - { at: 20m, updateService: { service: web, taskDefinition: other, forceNewDeployment: true } }
  - { at: 10m, updateService: { service: web, taskDefinition: other, volumeConfigurations: [{ name: more, managedEBSVolume: { sizeInGiB: 9 } }] } }
",
    );
    let with_other = text.replace(
        "taskDefinitions:\n",
        "taskDefinitions:
  other:
    volumes: [{ name: more, configuredAtLaunch: true }]
    containerDefinitions: [{ name: web, image: web, cpu: 128, memory: 256, portMappings: [{ containerPort: 80 }] }]
",
    );
    simulated(&with_other);
    // At 2 minutes, before it has that volume, it is another matter.
    let too_early = refusal_of(&with_other.replace("at: 20m", "at: 2m"));
    assert!(too_early.contains("`other:1` cannot replace `web:1` in service `web`"), "{too_early}");
    // And so is `web`, whose volume it has no longer.
    let back = with_other.replace(
        "at: 20m, updateService: { service: web, taskDefinition: other",
        "at: 20m, updateService: { service: web, taskDefinition: web",
    );
    let back = refusal_of(&back);
    assert!(back.contains("`web:1` cannot replace `other:1` in service `web`"), "{back}");
}

#[test]
fn a_service_is_created_again_when_it_is_gone() {
    let life = "desiredCount: 2 } }
  - { at: 10m, deleteService: { service: job, force: true } }
  - { at: 30m, createService: { service: job } }
  - { at: 40m, updateService: { service: job, desiredCount: 2";
    let run = run("job", &format!("{life} "));
    let of_job: Vec<(f64, bool)> = run
        .tasks
        .iter()
        .filter(|it| &*it.task_group == "service:job")
        .map(|it| (it.created_at.as_seconds(), it.stopped_at.is_some()))
        .collect();
    assert_eq!(of_job.len(), 4, "{of_job:?}");
    assert_eq!((of_job[0], of_job[1].1), ((0.0, true), true), "those of the first life end");
    assert!(of_job[2].0 > 1_800.0 && !of_job[2].1, "one is desired again, as defined: {of_job:?}");
    assert!(of_job[3].0 > 2_400.0 && !of_job[3].1, "{of_job:?}");
    let numbers: Vec<u32> = run.deployments.iter().filter(|it| it.service == 1).map(|it| it.number).collect();
    assert_eq!(numbers, [0, 1], "the first life's is not forgotten");
    // While its tasks stop it is not to be had.
    let too_soon = self::run("job", &life.replace("30m", "605s"));
    let [row] = too_soon.failed_calls.iter().filter(|it| it.action == "CreateService").collect::<Vec<_>>()[..] else {
        panic!("{:?}", too_soon.failed_calls)
    };
    assert_eq!(row.error, "InvalidParameterException: Unable to Start a service that is still Draining.");
    let twice = refusal("job", &format!("{life} }} }}\n  - {{ at: 50m, createService: {{ service: job"));
    assert!(twice.contains("service `job` is created more than once"), "{twice}");
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
            "loadBalancers: [{ targetGroupArn: othre, containerName: web, containerPort: 80 }]",
            "did you mean `other`?",
        ),
        ("web", "loadBalancers: [{ targetGroupArn: other, containerName: web, containerPort: 81 }]", "it maps 80"),
        ("web", "loadBalancers: [{ targetGroupArn: other, containerName: webb, containerPort: 80 }]", "it has `web`"),
    ] {
        let refusal = refusal(service, update);
        assert!(refusal.contains(says), "{update}: {refusal}");
    }
}

/// A service of two tasks that says `balancers`, behind a listener that forwards to `a`; `updateService` says `update` after 5 minutes.
fn behind_a_listener(balancers: &str, update: &str, rest: &str) -> String {
    format!(
        "duration: 20m
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 4, MaxSize: 4 }} }}
applications: {{ fast: {{ cpuTime: 1ms, concurrency: 4 }}, slow: {{ cpuTime: 9ms, concurrency: 4 }} }}
taskDefinitions:
  web:
    containerDefinitions:
      - {{ name: fast, image: fast, cpu: 128, memory: 256, portMappings: [{{ containerPort: 80 }}] }}
      - {{ name: slow, image: slow, cpu: 128, memory: 256, portMappings: [{{ containerPort: 81 }}] }}
loadBalancers:
  front: {{ listeners: [{{ Port: 80, Protocol: HTTP, DefaultActions: [{{ Type: forward, TargetGroupArn: a }}] }}] }}
targetGroups:
  a: {{ LoadBalancer: front, HealthCheckIntervalSeconds: 10, HealthyThresholdCount: 2, deregistrationDelay: 10s }}
  b: {{ LoadBalancer: front, HealthCheckIntervalSeconds: 10, HealthyThresholdCount: 2, deregistrationDelay: 10s }}
services: {{ web: {{ taskDefinition: web, desiredCount: 2, loadBalancers: [{balancers}] }} }}
workloads: {{ users: {{ loadBalancer: front, arrivals: {{ poisson: {{ rate: 50 }} }} }} }}
timeline:
  - {{ at: 5m, updateService: {{ service: web, loadBalancers: [{update}] }} }}
{rest}"
    )
}

/// The target group, task and second of each change to a state.
fn targets_that_become(run: &Run, state: &str) -> Vec<(usize, usize, f64)> {
    let changes = run.target_changes.iter().filter(|it| it.state == state);
    changes.map(|it| (it.target_group, it.task, it.at.as_seconds())).collect()
}

const IN_A: &str = "{ targetGroupArn: a, containerName: fast, containerPort: 80 }";
const IN_B: &str = "{ targetGroupArn: b, containerName: fast, containerPort: 80 }";
const TO_B: &str = "  - { at: 400s, modifyListener: { loadBalancer: front, port: 80, DefaultActions: [{ Type: forward, TargetGroupArn: b }] } }";

#[test]
fn tasks_of_the_new_deployment_are_registered_in_the_new_target_group() {
    let run = simulated(&behind_a_listener(IN_A, IN_B, TO_B));
    let healthy = targets_that_become(&run, "healthy");
    let of_old: Vec<_> = healthy.iter().filter(|it| it.0 == 0).collect();
    assert!(of_old.len() == 2 && of_old.iter().all(|it| it.2 == 0.0), "{healthy:?}");
    let of_new: Vec<_> = healthy.iter().filter(|it| it.0 == 1).collect();
    assert!(of_new.len() == 2 && of_new.iter().all(|it| it.1 >= 2 && it.2 > 300.0), "{healthy:?}");
    // The old ones stay where they are until the new ones are healthy, and are asked to stop.
    let draining = targets_that_become(&run, "draining");
    let last_healthy = of_new.iter().map(|it| it.2).fold(0.0, f64::max);
    assert!(draining.len() == 2 && draining.iter().all(|it| it.0 == 0), "{draining:?}");
    assert!(draining.iter().all(|it| it.2 > of_new[0].2) && draining[1].2 >= last_healthy, "{draining:?} {of_new:?}");
    // Requests go where the rule says: to a group without targets until it is told of the other one.
    let lost: Vec<(u64, u64)> = run.service_minutes.iter().map(|it| (it.minute, it.counts.elb_503)).collect();
    let (empty_from, moved_at) = (draining[1].2, 400.0);
    let expected = 50.0 * (moved_at - empty_from);
    let sum: u64 = lost.iter().map(|it| it.1).sum();
    assert!((0.8..1.2).contains(&(sum as f64 / expected)), "{lost:?}, {expected} expected");
    assert!(lost.iter().all(|it| it.1 == 0 || (5..=6).contains(&it.0)), "{lost:?}");
    let served: u64 = run.service_minutes.iter().filter(|it| it.minute >= 7).map(|it| it.counts.served).sum();
    assert!(served > 35_000, "{served}");
    let hosts: Vec<u32> = run.service_minutes.iter().filter(|it| it.minute != 5).map(|it| it.healthy_targets).collect();
    assert!(hosts.iter().all(|it| *it == 2), "{hosts:?}");
}

#[test]
fn another_container_serves_the_new_deployment() {
    let slow = "{ targetGroupArn: a, containerName: slow, containerPort: 81 }";
    let run = simulated(&behind_a_listener(IN_A, slow, ""));
    let p50 = |minute: u64| {
        let row = run.service_minutes.iter().find(|it| it.minute == minute).expect("a row for each minute");
        row.response_time_ms.p50.expect("requests come in each minute")
    };
    assert!(p50(18) > p50(2) + 7.5, "1 ms becomes 9: {} and {}", p50(2), p50(18));
    assert!(run.service_minutes.iter().all(|it| it.counts.elb_503 == 0), "one group is never empty");
    let updated = simulated(&behind_a_listener(IN_A, IN_A, ""));
    let begun = updated.events.iter().filter(|it| it.kind == "service.deployment_in_progress").count();
    assert_eq!(begun, 1, "saying it again is a deployment as well");
}

#[test]
fn a_load_balancer_is_taken_away_and_added() {
    let taken = simulated(&behind_a_listener(IN_A, "", ""));
    assert_eq!(targets_that_become(&taken, "healthy").len(), 2);
    assert_eq!(targets_that_become(&taken, "draining").len(), 2, "when those without a target have run for 40 s");
    let last = taken.service_minutes.iter().rfind(|it| it.counts.arrived > 0).expect("requests come all the time");
    assert_eq!((last.counts.elb_503, last.running_count), (last.counts.arrived, 2));
    let added = simulated(&behind_a_listener("", IN_A, ""));
    let minute = |at: u64| added.service_minutes.iter().find(|it| it.minute == at).expect("a row for each minute");
    assert_eq!(minute(2).counts.elb_503, minute(2).counts.arrived, "nobody is registered");
    assert_eq!((minute(15).counts.elb_503, minute(15).healthy_targets), (0, 2));
    assert!(minute(15).counts.served > 2_500);
}

#[test]
fn a_deployment_that_fails_goes_back_to_its_target_group() {
    // Nothing answers at port 81 with what the health check wants to hear, so that the circuit breaker counts.
    let failing = "{ targetGroupArn: b, containerName: slow, containerPort: 81 }";
    let breaker =
        "deploymentConfiguration: { deploymentCircuitBreaker: { enable: true, rollback: true } }, desiredCount: 2";
    let text = behind_a_listener(IN_A, failing, "")
        .replace("desiredCount: 2", breaker)
        .replace("slow: { cpuTime: 9ms,", "slow: { cpuTime: 9ms, healthCheckCpuTime: 30s,")
        .replace("duration: 20m", "duration: 40m");
    let run = simulated(&text);
    let went_back =
        run.events.iter().any(|it| it.kind == "service.deployment_failed" || it.kind.contains("rolled_back"));
    assert!(went_back, "{:?}", run.events.iter().map(|it| &it.kind).collect::<Vec<_>>());
    let last = run.service_minutes.last().expect("a row for each minute");
    assert_eq!((last.counts.elb_503, last.healthy_targets), (0, 2), "the old ones have all requests again");
    assert!(targets_that_become(&run, "healthy").iter().all(|it| it.0 == 0));
}

#[test]
fn where_requests_go_on_to_is_noted() {
    let notes = |text: &str| {
        let story = scenario::read(Path::new("update.yaml"), &mut |_| Ok(text.as_bytes().to_vec())).expect("it runs");
        story.notes.join(" ")
    };
    let unnamed = notes(&behind_a_listener(IN_A, IN_B, ""));
    let expected = "registers the tasks of service `web` in target group `b`, to which no rule sends a request";
    assert!(unnamed.contains(expected), "{unnamed}");
    let named = notes(&behind_a_listener(IN_A, IN_B, TO_B));
    assert!(!named.contains("no rule sends"), "{named}");
    let taken = notes(&behind_a_listener(IN_A, "", ""));
    assert!(taken.contains("takes the load balancer of service `web` away"), "{taken}");
    let straight = behind_a_listener(IN_A, IN_B, "").replace("users: { loadBalancer: front", "users: { service: web");
    let straight = refusal_of(&straight);
    assert!(straight.contains("whose target group `updateService` changes"), "{straight}");
}
