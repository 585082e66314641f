//! Faults: what is missing, what is out of reach and what breaks for a while, and what ECS makes of it.

use std::path::Path;

use plimsoll::engine::simulate;
use plimsoll::report::stopped_tasks;
use plimsoll::rng::Seed;
use plimsoll::run::{Run, TaskLife};
use plimsoll::scenario;

/// A service that is asked for its one task after a minute, on two instances; more of the cluster, of the definition,
/// of the container, of the application, of the group, and other lines of the file.
#[derive(Default)]
struct Story<'a> {
    cluster: &'a str,
    definition: &'a str,
    container: &'a str,
    application: &'a str,
    group: &'a str,
    service: &'a str,
    timeline: &'a str,
    more: &'a str,
}

/// Tasks of a deployment that do not wait for the first one.
const TOGETHER: &str = "versionConsistency: disabled,";
const SECRET: &str = "arn:aws:secretsmanager:us-east-1:1:secret:db";
const GIVEN_SECRET: &str = "secrets: [{ name: DB, valueFrom: \"arn:aws:secretsmanager:us-east-1:1:secret:db\" }], ";
const EXECUTION_ROLE: &str = "executionRoleArn: \"arn:aws:iam::1:role/ecsTaskExecutionRole\", ";

impl Story<'_> {
    fn text(&self) -> String {
        let Story { cluster, definition, container, application, group, service, timeline, more } = self;
        format!(
            "duration: 30m
cluster: {{ availabilityZones: [us-east-1a, us-east-1b], {cluster} }}
autoScalingGroups:
  nodes: {{ InstanceType: m5.large, MinSize: 2, MaxSize: 2, AvailabilityZones: [us-east-1a], {group} }}
taskDefinitions:
  web: {{ {definition} containerDefinitions: [{{ name: web, image: \"shop/web:2\", memory: 256, {container} portMappings: [{{ containerPort: 80 }}] }}] }}
applications:
  web: {{ image: {{ size: 100MB }}, {application} shutdownTime: 1s }}
services:
  web: {{ taskDefinition: web, desiredCount: 0, {service} }}
timeline:
  - {{ at: 1m, updateService: {{ service: web, desiredCount: 1 }} }}
{timeline}
{more}
"
        )
    }

    fn run(&self) -> Run {
        let text = self.text();
        let story = scenario::read(Path::new("faults.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
            .unwrap_or_else(|problems| panic!("{text}\n{}", problems.render(false)));
        assert!(story.unsupported.is_empty(), "{}", story.unsupported.render(false));
        simulate(&story.variants[0], Seed { seed: 1, replication: 0 })
    }
}

/// A service behind a load balancer, with requests.
const BALANCED: &str = "loadBalancers: [{ targetGroupArn: web, containerName: web, containerPort: 80 }]";

fn messages<'a>(run: &'a Run, kind: &'a str) -> impl Iterator<Item = &'a str> {
    run.events.iter().filter(move |it| it.kind == kind).map(|it| it.message.as_str())
}

fn seconds(at: Option<plimsoll::units::Instant>) -> f64 {
    at.expect("it came so far").as_seconds()
}

/// All tasks of a run that never ran, for this reason.
fn all_fail_to_start(run: &Run, reason: &str) {
    assert!(run.tasks.len() > 3, "it is tried again and again: {}", run.tasks.len());
    for task in run.tasks.iter().filter(|it| it.stopped_at.is_some()) {
        assert_eq!((task.stop_code, task.running_at), (Some("TaskFailedToStart"), None));
        assert_eq!(task.stopped_reason.as_deref(), Some(reason));
    }
    assert_eq!(messages(run, "service.task_start_impaired").count(), 1, "and throttled");
}

const NOT_FOUND: &str = "CannotPullContainerError: Error response from daemon: manifest for shop/web:2 not found: manifest unknown: \
    Requested image not found";

#[test]
fn an_image_that_is_not_there_fails_after_five_attempts() {
    let run = Story { more: "missing: { images: [\"shop/web:2\"] }", ..Story::default() }.run();
    all_fail_to_start(&run, NOT_FOUND);
    let first = &run.tasks[0];
    let took = seconds(first.stopped_at) - seconds(first.pull_started_at);
    // Five answers of a second, and the agent's pauses of 1.1, 2.2, 4.4 and 5 s.
    assert!((took - 17.7).abs() < 1e-6, "{took}");
}

#[test]
fn a_container_that_is_not_essential_is_not_missed() {
    let sidecar = "containerDefinitions: [{ name: web, image: \"shop/web:2\", memory: 256, portMappings: [{ containerPort: 80 }] }, \
        { name: sidecar, image: \"shop/sidecar\", memory: 64, essential: false }]";
    let text = Story { more: "missing: { images: [shop/sidecar] }", ..Story::default() }.text();
    let start = text.find("containerDefinitions").expect("it has containers");
    let end = start + text[start..].find(" }\n").expect("the definition ends");
    let text = format!("{}{sidecar}{}", &text[..start], &text[end..]);
    let story = scenario::read(Path::new("faults.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
        .unwrap_or_else(|problems| panic!("{text}\n{}", problems.render(false)));
    let run = simulate(&story.variants[0], Seed { seed: 1, replication: 0 });
    assert_eq!(run.tasks.len(), 1);
    assert!(run.tasks[0].running_at.is_some() && run.tasks[0].stopped_at.is_none());
    let sidecar = &run.tasks[0].containers[1];
    assert_eq!((sidecar.last_status, sidecar.started_at), ("STOPPED", None));
    assert!(sidecar.reason.as_deref().is_some_and(|it| it.starts_with("CannotPullContainerError")));
}

#[test]
fn an_image_that_is_deleted_for_a_while_comes_back() {
    let timeline = "  - { at: 30s, deleteImage: { image: \"shop/web:2\", for: 2m } }";
    let run = Story { timeline, ..Story::default() }.run();
    let failed: Vec<&TaskLife> = run.tasks.iter().filter(|it| it.stopped_at.is_some()).collect();
    assert!(!failed.is_empty() && failed.iter().all(|it| it.stopped_reason.as_deref() == Some(NOT_FOUND)));
    let last = run.tasks.last().expect("there is one");
    assert!(seconds(last.running_at) > 150.0 && last.stopped_at.is_none());
    assert_eq!(messages(&run, "timeline.missing").count(), 2, "its end is told as well");
}

#[test]
fn what_an_instance_has_in_its_cache_outlives_the_registry() {
    let timeline = "  - { at: 2m, registryOutage: {} }
  - { at: 3m, updateService: { service: web, forceNewDeployment: true } }";
    let run = Story { timeline, service: "placementTemplate: BinPack", ..Story::default() }.run();
    let second = &run.tasks[1];
    assert_eq!(second.instance, run.tasks[0].instance, "where the image is");
    // Four pauses, five time limits of 15 s, and then the image that is there.
    let took = seconds(second.pulled_at) - seconds(second.pull_started_at);
    assert!((took - (12.7 + 75.0)).abs() < 1e-6, "{took}");
    assert!(second.running_at.is_some());
    let always = "agentConfiguration: { ECS_IMAGE_PULL_BEHAVIOR: always }";
    let run = Story { timeline, group: always, service: "placementTemplate: BinPack", ..Story::default() }.run();
    assert!(run.tasks[1].stopped_reason.as_deref().is_some_and(|it| it
        == "CannotPullContainerError: The task can’t pull the image. Check your network configuration. Error response from daemon: Get \
            \"https://registry-1.docker.io/v2/\": net/http: request canceled while waiting for connection (Client.Timeout exceeded while \
            awaiting headers)"));
    let prefer_cached = "agentConfiguration: { ECS_IMAGE_PULL_BEHAVIOR: prefer-cached }";
    let run = Story { timeline, group: prefer_cached, service: "placementTemplate: BinPack", ..Story::default() }.run();
    assert_eq!(run.tasks[1].pulled_at, run.tasks[1].pull_started_at, "nobody asks the registry");
}

#[test]
fn a_registry_that_returns_between_two_attempts_is_waited_for() {
    // The task's first attempt begins after 66 s; the third one, 30 s + 3.3 s later, finds the registry again.
    let timeline = "  - { at: 30s, registryOutage: { registry: docker.io, for: 55s } }";
    let run = Story { timeline, ..Story::default() }.run();
    assert_eq!(run.tasks.len(), 1);
    let task = &run.tasks[0];
    let took = seconds(task.pulled_at) - seconds(task.pull_started_at);
    assert!((took - (2.0 * 15.0 + 1.1 + 2.2 + 1.0 + 2.0)).abs() < 1e-6, "{took}");
}

#[test]
fn a_registry_turns_pulls_away() {
    let timeline = "  - { at: 30s, registryOutage: { error: tooManyRequests } }";
    let run = Story { timeline, ..Story::default() }.run();
    all_fail_to_start(
        &run,
        "CannotPullContainerError: Error response from daemon: toomanyrequests: You have reached your pull rate limit.",
    );
}

#[test]
fn a_slow_registry_takes_longer_for_the_layers() {
    let timeline = "  - { at: 30s, slowRegistry: { factor: 10, for: 5m } }";
    let run = Story { timeline, ..Story::default() }.run();
    let task = &run.tasks[0];
    // 100 MB at 50 MB/s, ten times as long, and a second before.
    assert_eq!(seconds(task.pulled_at) - seconds(task.pull_started_at), 21.0);
}

#[test]
fn pulls_wait_for_their_turn_and_share_what_the_registry_gives() {
    let three = "  - { at: 90s, updateService: { service: web, desiredCount: 3 } }";
    let pulled = |more: &str| {
        let service = "placementTemplate: BinPack";
        let story = Story { more, timeline: three, container: TOGETHER, service, ..Story::default() };
        let text = story.text().replace("desiredCount: 1", "desiredCount: 3");
        let text = text.replace("  - { at: 90s, updateService: { service: web, desiredCount: 3 } }", "");
        let story = scenario::read(Path::new("faults.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
            .unwrap_or_else(|problems| panic!("{text}\n{}", problems.render(false)));
        let run = simulate(&story.variants[0], Seed { seed: 1, replication: 0 });
        run.tasks.iter().map(|it| seconds(it.pulled_at) - seconds(it.pull_started_at)).collect::<Vec<f64>>()
    };
    assert_eq!(pulled(""), [3.0, 3.0, 3.0]);
    assert_eq!(pulled("assumptions: { imagePullsAtOnce: 1 }"), [3.0, 6.0, 9.0]);
    assert_eq!(pulled("assumptions: { imagePullsAtOnce: 2 }"), [3.0, 3.0, 6.0]);
    assert_eq!(pulled("assumptions: { registryMbPerSecond: 20 }"), [5.0, 10.0, 15.0]);
}

#[test]
fn a_missing_secret_stops_the_task_before_it_starts() {
    let reason = format!(
        "Fetching secret data from AWS Secrets Manager in region us-east-1: secret {SECRET}: ResourceNotFoundException: Secrets Manager \
         can't find the specified secret."
    );
    let more = format!("missing: {{ secrets: [\"{SECRET}\"] }}");
    let story = Story { definition: EXECUTION_ROLE, container: GIVEN_SECRET, more: &more, ..Story::default() };
    all_fail_to_start(&story.run(), &reason);
    let timeline = format!("  - {{ at: 30s, deleteSecret: {{ SecretId: \"{SECRET}\", for: 10m }} }}");
    let story = Story { definition: EXECUTION_ROLE, container: GIVEN_SECRET, timeline: &timeline, ..Story::default() };
    let run = story.run();
    assert!(run.tasks[0].stopped_reason.as_deref() == Some(reason.as_str()));
    assert!(run.tasks.last().is_some_and(|it| seconds(it.running_at) > 630.0), "it is put back");
}

#[test]
fn a_missing_execution_role_keeps_tasks_from_being_launched() {
    let reason = "ECS was unable to assume the role 'arn:aws:iam::1:role/ecsTaskExecutionRole' that was provided for this task. Please verify \
        that the role being passed has the proper trust relationship and permissions and that your IAM user has permissions to pass this role.";
    let more = "missing: { roles: [ecsTaskExecutionRole] }";
    let run = Story { definition: EXECUTION_ROLE, more, ..Story::default() }.run();
    all_fail_to_start(&run, reason);
    let says: Vec<&str> = messages(&run, "service.task_configuration_failure").collect();
    assert_eq!(says, [format!("(service web) failed to launch a task with (error {reason})")]);
    assert!(run.tasks.iter().all(|it| it.pull_started_at.is_none()));
}

#[test]
fn what_is_missing_from_the_beginning_never_ran() {
    let text = Story { more: "missing: { images: [\"shop/web:2\"] }", ..Story::default() }.text();
    let text = text.replace("desiredCount: 0", "desiredCount: 1");
    let story = scenario::read(Path::new("faults.yaml"), &mut |_| Ok(text.as_bytes().to_vec())).expect("it is sound");
    let run = simulate(&story.variants[0], Seed { seed: 1, replication: 0 });
    assert!(run.tasks.iter().all(|it| it.running_at.is_none()), "a cluster settles without it");
}

#[test]
fn an_image_of_another_architecture_exits_at_once() {
    let run = Story { application: "imageArchitecture: ARM64,", ..Story::default() }.run();
    let first = &run.tasks[0];
    assert_eq!((first.stop_code, first.running_at), (Some("EssentialContainerExited"), None));
    assert!(first.containers[0].reason.as_deref().is_some_and(|it| it.starts_with("exec format error")));
    assert!(run.tasks.len() > 3);
}

#[test]
fn an_application_that_crashes_is_started_for_ever_and_not_throttled() {
    let timeline = "  - { at: 30s, applicationCrashes: { service: web, after: 3s, code: 78, for: 10m } }";
    let run = Story { timeline, ..Story::default() }.run();
    let crashed: Vec<&TaskLife> = run.tasks.iter().filter(|it| it.stopped_at.is_some()).collect();
    for task in &crashed {
        assert_eq!((task.stop_code, task.exit_code), (Some("EssentialContainerExited"), Some(78)));
        assert_eq!(task.stopped_reason.as_deref(), Some("Essential container in task exited"));
        assert_eq!(seconds(task.stopping_at) - seconds(task.running_at), 3.0);
    }
    // Two or three seconds of the start, three of life, and a pass of the scheduler: it goes on for all of ten minutes.
    assert!(crashed.len() > 25, "{}", crashed.len());
    assert_eq!(messages(&run, "service.task_start_impaired").count(), 0, "its tasks reach RUNNING");
    assert!(run.tasks.last().is_some_and(|it| it.stopped_at.is_none() && seconds(it.running_at) > 630.0));
}

#[test]
fn a_subnet_without_a_way_out_cannot_pull() {
    let subnets =
        |of: &str| format!("subnets: {{ subnet-a: {{ AvailabilityZone: us-east-1a, CidrBlock: 10.0.0.0/24, {of} }} }}");
    // Without an endpoint for ECS its instances do not even register.
    let cut_off = subnets("defaultRoute: none");
    let run = Story { cluster: &cut_off, ..Story::default() }.run();
    assert_eq!(messages(&run, "instance.registered").count(), 0);
    let failed: Vec<&str> = messages(&run, "instance.registration_failed").collect();
    assert!(!failed.is_empty() && failed.iter().all(|it| it.contains("no route leads from its subnet to Amazon ECS")));
    let reason = "CannotPullContainerError: The task can’t pull the image. Check your network configuration. Error response from daemon: Get \
        \"https://registry-1.docker.io/v2/\": net/http: request canceled while waiting for connection (Client.Timeout exceeded while \
        awaiting headers)";
    let endpoint = subnets("defaultRoute: none, vpcEndpoints: [ecs, ecr]");
    all_fail_to_start(&Story { cluster: &endpoint, ..Story::default() }.run(), reason);
    let no_public_ip = subnets("defaultRoute: internetGateway, MapPublicIpOnLaunch: false, vpcEndpoints: [ecs]");
    all_fail_to_start(&Story { cluster: &no_public_ip, ..Story::default() }.run(), reason);
    let public = subnets("defaultRoute: internetGateway");
    assert!(Story { cluster: &public, ..Story::default() }.run().tasks[0].running_at.is_some());
    // The endpoints of ECR serve for its images.
    let text = Story { cluster: &endpoint, ..Story::default() }.text();
    let text = text.replace("shop/web:2", "1.dkr.ecr.us-east-1.amazonaws.com/web:2");
    let story = scenario::read(Path::new("faults.yaml"), &mut |_| Ok(text.as_bytes().to_vec())).expect("it is sound");
    let run = simulate(&story.variants[0], Seed { seed: 1, replication: 0 });
    assert!(run.tasks[0].running_at.is_some());
}

#[test]
fn on_fargate_a_task_needs_a_public_address_or_a_nat_gateway() {
    let text = |route: &str, assign: &str| {
        format!(
            "duration: 20m
cluster:
  availabilityZones: [us-east-1a]
  subnets: {{ subnet-a: {{ AvailabilityZone: us-east-1a, CidrBlock: 10.0.0.0/24, defaultRoute: {route} }} }}
taskDefinitions:
  web: {{ networkMode: awsvpc, cpu: 256, memory: 512, requiresCompatibilities: [FARGATE], containerDefinitions: [{{ name: web, image: shop/web }}] }}
services:
  web:
    taskDefinition: web
    desiredCount: 1
    launchType: FARGATE
    networkConfiguration: {{ awsvpcConfiguration: {{ subnets: [subnet-a], assignPublicIp: {assign} }} }}
begin: cold
"
        )
    };
    let run = |text: String| {
        let story = scenario::read(Path::new("fargate.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
            .unwrap_or_else(|problems| panic!("{text}\n{}", problems.render(false)));
        simulate(&story.variants[0], Seed { seed: 1, replication: 0 })
    };
    assert!(run(text("internetGateway", "ENABLED")).tasks[0].running_at.is_some());
    assert!(run(text("natGateway", "DISABLED")).tasks[0].running_at.is_some());
    let without = run(text("internetGateway", "DISABLED"));
    let first = &without.tasks[0];
    assert_eq!(
        first.stopped_reason.as_deref(),
        Some(
            "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref docker.io/shop/web:latest: failed \
             to do request: Head \"https://registry-1.docker.io/v2/shop/web/manifests/latest\": dial tcp: i/o timeout"
        )
    );
    let took = seconds(first.stopping_at) - seconds(first.pull_started_at);
    assert!((took - (5.0 * 30.0 + 12.7)).abs() < 1e-6, "{took}: some three minutes, as users report");
}

/// A balanced service whose instances have a security group with one rule, and requests to it.
fn behind_a_rule(ports: (u32, u32), container_port: &str) -> Run {
    let cluster = format!(
        "securityGroups: {{ web: {{ IpPermissions: [{{ IpProtocol: tcp, FromPort: {}, ToPort: {} }}] }} }}",
        ports.0, ports.1
    );
    let more = "targetGroups: { web: { deregistrationDelay: 10s } }
workloads: { users: { service: web, arrivals: { constant: { rate: 2/s } }, timeout: 30s } }";
    let story = Story {
        cluster: &cluster,
        group: "SecurityGroupIds: [web]",
        container: container_port,
        service: BALANCED,
        more,
        ..Story::default()
    };
    story.run()
}

#[test]
fn a_rule_that_misses_the_host_port_kills_and_replaces_for_ever() {
    let run = behind_a_rule((80, 80), "");
    let stopped: Vec<&TaskLife> = run.tasks.iter().filter(|it| it.stopped_at.is_some()).collect();
    assert!(stopped.len() > 8, "{}", stopped.len());
    for task in &stopped {
        assert_eq!(task.stop_code, Some("ServiceSchedulerInitiated"));
        assert_eq!(task.stopped_reason.as_deref(), Some("Task failed ELB health checks in (target-group web)"));
        assert!(task.running_at.is_some() && task.healthy_at.is_none());
    }
    let reasons: Vec<&str> =
        run.target_changes.iter().filter(|it| it.state == "unhealthy").filter_map(|it| it.reason).collect();
    assert!(!reasons.is_empty() && reasons.iter().all(|it| *it == "Target.Timeout"), "{reasons:?}");
    assert_eq!(messages(&run, "service.task_start_impaired").count(), 0, "tasks that reach RUNNING are not throttled");
    // With no healthy target the load balancer tries all of them, and gives up after 10 s.
    let counts = &run.requests[0].counts;
    assert!(counts.elb_504 > 1000 && counts.served == 0 && counts.elb_502 == 0, "{counts:?}");
    assert_eq!(counts.arrived, counts.failed() + run.requests[0].in_flight);
}

#[test]
fn rules_that_have_the_host_port_work() {
    for ports in [(1, 65_535), (32_768, 65_535), (49_153, 49_153)] {
        let run = behind_a_rule(ports, "");
        assert_eq!(run.tasks.len(), 1, "{ports:?}");
        assert!(run.tasks[0].healthy_at.is_some());
    }
}

#[test]
fn an_interface_of_its_own_has_the_groups_of_its_service() {
    let story = |group: &str| {
        let cluster = "securityGroups: { open: { IpPermissions: [{ IpProtocol: -1 }] }, shut: { IpPermissions: [] } }";
        let service =
            format!("{BALANCED}, networkConfiguration: {{ awsvpcConfiguration: {{ securityGroups: [{group}] }} }}");
        let more = "targetGroups: { web: { TargetType: ip } }";
        let group = "SecurityGroupIds: [shut]";
        Story { cluster, definition: "networkMode: awsvpc,", service: &service, group, more, ..Story::default() }.run()
    };
    assert_eq!(story("open").tasks.len(), 1);
    assert!(story("shut").tasks.len() > 3);
    assert_eq!(story("shut, open").tasks.len(), 1, "rules add up");
}

#[test]
fn a_connection_that_times_out_is_counted_when_it_ends() {
    let story = |duration: &str, timeout: &str| {
        let cluster = "securityGroups: { shut: { IpPermissions: [] } }";
        // Unhealthy for a quarter of an hour, and the only target: the load balancer sends to it all the same. At 9:55 come ten seconds
        // of requests, each of which is tried for ten seconds.
        let service = format!("{BALANCED}, healthCheckGracePeriodSeconds: 1200");
        let more = format!(
            "targetGroups: {{ web: {{}} }}\nworkloads: {{ users: {{ service: web, timeout: {timeout}, arrivals: {{ steps: [{{ at: 0s, rate: 0 }}, {{ at: 595s, rate: 20 }}, {{ at: 605s, rate: 0 }}] }} }} }}"
        );
        let text =
            Story { cluster, service: &service, group: "SecurityGroupIds: [shut]", more: &more, ..Story::default() };
        let text = text.text().replace("duration: 30m", &format!("duration: {duration}"));
        let story = scenario::read(Path::new("faults.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
            .unwrap_or_else(|problems| panic!("{text}\n{}", problems.render(false)));
        simulate(&story.variants[0], Seed { seed: 1, replication: 0 })
    };
    let of_minute = |run: &Run, minute: u64| {
        let row = run.service_minutes.iter().find(|it| it.minute == minute).expect("the run is so long");
        row.counts.clone()
    };
    let run = story("30m", "30s");
    let (before, after) = (of_minute(&run, 9), of_minute(&run, 10));
    assert!(before.arrived > 50 && after.arrived > 50, "{before:?} {after:?}");
    assert_eq!((before.elb_504, after.elb_504), (0, before.arrived + after.arrived), "all end after the minute");
    assert_eq!((after.served, after.client_timeout), (0, 0));
    // Callers who give up before the load balancer does.
    let run = story("30m", "3s");
    let (before, after) = (of_minute(&run, 9), of_minute(&run, 10));
    assert_eq!(before.elb_504 + after.elb_504, 0);
    assert_eq!(before.client_timeout + after.client_timeout, before.arrived + after.arrived);
    assert!(before.client_timeout < before.arrived, "those of the last three seconds end in the next minute");
    // A run that ends meanwhile leaves them in flight.
    let run = story("10m", "30s");
    let totals = &run.requests[0];
    assert!(totals.in_flight > 50 && totals.counts.arrived == totals.in_flight, "{:?}", totals.counts);
}

#[test]
fn a_load_balancer_of_other_zones_never_uses_its_targets() {
    let more = "loadBalancers: { front: { AvailabilityZones: [us-east-1b] } }
targetGroups: { web: { loadBalancer: front, deregistrationDelay: 10s } }";
    let run = Story { service: BALANCED, more, ..Story::default() }.run();
    assert!(run.tasks.len() > 8, "{}", run.tasks.len());
    let states: Vec<_> = run.target_changes.iter().filter(|it| it.state != "draining").collect();
    assert!(states.iter().all(|it| it.state == "unused"), "{states:?}");
    assert!(states.iter().any(|it| it.reason == Some("Target.NotInUse")));
    let says = messages(&run, "target.unhealthy").next().expect("ECS says why");
    assert!(says.ends_with(
        "is unhealthy in (target-group web) due to (reason Target is in an Availability Zone that is not enabled for the load balancer)"
    ));
}

#[test]
fn instances_never_register_by_what_their_template_says() {
    let other = Story { group: "agentConfiguration: { ECS_CLUSTER: prod }", ..Story::default() }.run();
    let same = Story { group: "agentConfiguration: { ECS_CLUSTER: default }", ..Story::default() }.run();
    let profile = "IamInstanceProfile: { Name: ecsInstanceRole }";
    let more = "missing: { instanceProfiles: [ecsInstanceRole] }";
    let without = Story { group: profile, more, ..Story::default() }.run();
    assert_eq!(messages(&same, "instance.registration_failed").count(), 0);
    for (run, why) in [(other, "ClusterNotFoundException"), (without, "NoCredentialProviders")] {
        let failed: Vec<&str> = messages(&run, "instance.registration_failed").collect();
        assert!(failed.len() == 2 && failed.iter().all(|it| it.contains(why)), "{failed:?}");
        assert!(run.tasks.is_empty());
        assert!(messages(&run, "service.task_placement_failure").count() > 0);
    }
    let timeline = "  - { at: 0s, deleteInstanceProfile: { InstanceProfileName: ecsInstanceRole, for: 5m } }
  - { at: 6m, terminateInstances: { autoScalingGroup: nodes, count: 2 } }";
    let for_a_while = Story { group: profile, timeline, ..Story::default() }.run();
    assert!(for_a_while.tasks.iter().any(|it| it.running_at.is_some()), "instances launched later have it");
}

#[test]
fn a_slow_dependency_holds_requests_and_lets_them_go() {
    let more = "targetGroups: { web: {} }
workloads: { users: { service: web, arrivals: { constant: { rate: 10/s } }, timeout: 30s } }";
    let timeline = "  - { at: 10m, slowDependency: { service: web, factor: 20, for: 5m } }";
    let application = "waitTime: 50ms, cpuTime: 0s, concurrency: 100,";
    let run = Story { application, service: BALANCED, timeline, more, ..Story::default() }.run();
    let mean = |minute: u64| {
        let row = run.service_minutes.iter().find(|it| it.minute == minute).expect("each minute has a row");
        row.response_time_ms.mean.expect("there were requests")
    };
    let usual = mean(9);
    for (minute, factor) in [(10, 20.0), (12, 20.0), (14, 20.0), (16, 1.0), (20, 1.0)] {
        let slower = mean(minute) - usual;
        // What was under way at the beginning keeps its time.
        assert!((slower - 50.0 * (factor - 1.0)).abs() < 20.0, "minute {minute}: {slower} ms more than {usual}");
    }
}

#[test]
fn ecs_makes_fewer_calls_while_it_is_throttled() {
    let run = |timeline: &str| {
        let text = Story { timeline, container: TOGETHER, ..Story::default() }.text();
        let text = text.replace("desiredCount: 1", "desiredCount: 10").replace("size: 100MB", "size: 0MB");
        let story = scenario::read(Path::new("faults.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
            .unwrap_or_else(|problems| panic!("{text}\n{}", problems.render(false)));
        simulate(&story.variants[0], Seed { seed: 1, replication: 0 })
    };
    let spread = |run: &Run| {
        let all: Vec<f64> = run.tasks.iter().map(|it| seconds(it.running_at)).collect();
        all.iter().copied().fold(0.0, f64::max) - all.iter().copied().fold(f64::INFINITY, f64::min)
    };
    assert_eq!(spread(&run("")), 0.0);
    let throttled = "  - { at: 30s, throttleCalls: { burst: 2, callsPerSecond: 1, for: 10m } }";
    assert_eq!(spread(&run(throttled)), 8.0, "two at once, and one a second");
    let stopped = format!("{throttled}\n  - {{ at: 5m, updateService: {{ service: web, desiredCount: 0 }} }}");
    let run = run(&stopped);
    let ends: Vec<f64> = run.tasks.iter().map(|it| seconds(it.stopped_at)).collect();
    let (first, last) = (ends.iter().copied().fold(f64::INFINITY, f64::min), ends.iter().copied().fold(0.0, f64::max));
    assert_eq!(last - first, 8.0);
}

#[test]
fn ends_of_tasks_are_counted_by_their_reasons() {
    let run = Story { more: "missing: { images: [\"shop/web:2\"] }", ..Story::default() }.run();
    let rows = plimsoll::report::stopped_tasks::stopped_tasks(&run);
    assert_eq!(rows.len(), 1);
    let stopped = run.tasks.iter().filter(|it| it.stopped_at.is_some()).count();
    assert_eq!((rows[0].launcher, rows[0].stop_code, rows[0].tasks as usize), ("web", "TaskFailedToStart", stopped));
    assert_eq!(rows[0].stopped_reason, NOT_FOUND);
    let text = plimsoll::report::stopped_tasks::paragraphs(&[vec![&run]]);
    assert!(text.contains(&format!("base: {stopped} × `web`: TaskFailedToStart: CannotPullContainerError")), "{text}");
    let meant =
        Story { timeline: "  - { at: 5m, updateService: { service: web, desiredCount: 0 } }", ..Story::default() };
    assert!(plimsoll::report::stopped_tasks::stopped_tasks(&meant.run()).is_empty(), "that was meant");
}

#[test]
fn a_reason_that_begins_with_its_stop_code_tells_it_once() {
    let service = "capacityProviderStrategy: [{ capacityProvider: nodes, weight: 1 }]";
    let more = "capacityProviders: { nodes: { autoScalingGroupProvider: { autoScalingGroupArn: nodes, managedScaling: { status: ENABLED } } } }
assumptions: { provisioningTimeout: 10m }";
    let run = Story { container: "cpu: 4096,", service, more, ..Story::default() }.run();
    let text = stopped_tasks::paragraphs(&[vec![&run]]);
    assert!(text.contains("× `web`: TaskFailedToStart: RESOURCE:CPU\n"), "{text}");
}

#[test]
fn a_check_whose_command_is_not_in_the_image_fails_each_time() {
    let container =
        "healthCheck: { command: [CMD-SHELL, curl -f http://localhost/ || exit 1], interval: 10, retries: 2 },";
    let application = "image: { size: 1MB, without: [curl] },";
    let text = Story { container, ..Story::default() }.text().replace("image: { size: 100MB },", application);
    let story = scenario::read(Path::new("faults.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
        .unwrap_or_else(|problems| panic!("{text}\n{}", problems.render(false)));
    let run = simulate(&story.variants[0], Seed { seed: 1, replication: 0 });
    assert!(run.tasks.len() > 3);
    let first = &run.tasks[0];
    assert_eq!(first.stopped_reason.as_deref(), Some("Task failed container health checks"));
    assert_eq!(first.containers[0].health_status, "UNHEALTHY");
    let says = messages(&run, "container.unhealthy").next().expect("it says why");
    assert!(says.ends_with("failed its health check: curl: not found (exit code 127)"), "{says}");
}

/// From RUNNING until a task counts as healthy without anybody who checks it.
#[test]
fn we_56_a_task_that_nobody_checks_is_healthy_after_40_s() {
    let run = Story::default().run();
    let healthy = messages(&run, "service.steady_state").count();
    assert!(healthy > 0);
    let steady = run.events.iter().rfind(|it| it.kind == "service.steady_state").expect("it is steady");
    let took = steady.at.as_seconds() - seconds(run.tasks[0].running_at);
    assert_eq!(took, 40.0, "WE-56: 40 s after RUNNING, 60 s where that is at 20 s");
}

/// WE-57 has 150 s for a new target, the threshold times the interval. *Health checks for Application Load Balancer target groups* says
/// otherwise (2026): "After your target is registered, it must pass one health check to be considered healthy." So the threshold is for
/// targets that have to recover, and those take what WE-57 says.
#[test]
fn we_57_a_new_target_needs_one_success_and_an_unhealthy_one_its_threshold() {
    for (interval, threshold) in [(30, 5), (10, 2)] {
        let more = format!(
            "targetGroups: {{ web: {{ HealthCheckIntervalSeconds: {interval}, HealthyThresholdCount: {threshold} }} }}"
        );
        let new = Story { service: BALANCED, more: &more, ..Story::default() }.run();
        let took = seconds(new.tasks[0].healthy_at) - seconds(new.tasks[0].running_at);
        assert!((1.0..=11.1).contains(&took), "registered after 1 s, checked within 10 s: {took} s");
        let service = format!("{BALANCED}, healthCheckGracePeriodSeconds: 900");
        let run = Story { service: &service, application: "startTime: 3m,", more: &more, ..Story::default() }.run();
        assert_eq!(run.tasks.len(), 1);
        let at = |state: &str| run.target_changes.iter().find(|it| it.state == state).map(|it| it.at);
        assert!(at("unhealthy").is_some());
        let took = seconds(at("healthy")) - (seconds(run.tasks[0].running_at) + 180.0);
        let (least, most) = (f64::from(interval * (threshold - 1)), f64::from(interval * threshold));
        assert!(least < took && took <= most + 1.0, "WE-57: {took} s, from {least} to {most}");
    }
}

/// What the terminal tells of a shipped scenario's tasks that stopped, with its lines put together.
fn told_of_stops(scenario: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(scenario);
    let story = scenario::read(&path, &mut |it| std::fs::read(it)).unwrap_or_else(|it| panic!("{}", it.render(false)));
    let runs: Vec<Run> = story.variants.iter().map(|it| simulate(it, Seed { seed: 0, replication: 0 })).collect();
    let variants: Vec<Vec<&Run>> = runs.iter().map(|it| vec![it]).collect();
    stopped_tasks::paragraphs(&variants).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_terminal_names_what_keeps_a_load_balancer_out() {
    let told = told_of_stops("tutorial-trap.yaml");
    let by_group = "Task failed ELB health checks in (target-group web), exit code 0 The load balancer's connections time out, since security group `tutorial` lets in \
                    TCP 80 and not host ports TCP 49153 to ";
    assert!(told.contains(by_group), "{told}");
    for zone in ["us-east-1a", "us-east-1b"] {
        assert!(
            told.contains(&format!("Load balancer `front` is not enabled in {zone}, where the task is.")),
            "{told}"
        );
    }
    assert!(!told.contains("ports:"), "the variants that mend it stop nothing: {told}");
}

#[test]
fn the_terminal_names_why_tasks_never_become_healthy() {
    let told = told_of_stops("slow-spring-service.yaml");
    assert!(told.contains("Its process was still starting, and healthCheckGracePeriodSeconds is 0."), "{told}");
    assert!(told.contains("Its process was still starting, and startPeriod of healthCheck is 0."), "{told}");
    assert!(told.contains("The image lacks curl, which its healthCheck runs."), "{told}");
}

/// A security group of the instances that lets nothing out but to a database.
const SHUT: &str = "securityGroups: { sg-1: { IpPermissions: [{ IpProtocol: \"-1\" }], IpPermissionsEgress: [{ IpProtocol: tcp, FromPort: 5432, ToPort: 5432 }] } }";

#[test]
fn instances_whose_security_group_lets_nothing_out_never_register() {
    let run = Story { cluster: SHUT, group: "SecurityGroupIds: [sg-1]", more: "begin: cold", ..Story::default() }.run();
    assert!(run.tasks.iter().all(|it| it.running_at.is_none()));
    assert!(run.instances.iter().all(|it| it.registered_at.is_none()));
    let open = SHUT.replace("5432", "443");
    let open =
        Story { cluster: &open, group: "SecurityGroupIds: [sg-1]", more: "begin: cold", ..Story::default() }.run();
    assert!(open.tasks.iter().any(|it| it.running_at.is_some()));
}

/// A service on Fargate with one task, whose image is of an architecture, or whose security group is shut.
fn on_fargate(cluster: &str, application: &str, groups: &str) -> Run {
    let text = format!(
        "duration: 30m
cluster: {{ subnets: {{ subnet-a: {{ AvailabilityZone: us-east-1a, CidrBlock: 10.0.0.0/24 }} }}, {cluster} }}
taskDefinitions:
  web: {{ cpu: 256, memory: 512, networkMode: awsvpc, requiresCompatibilities: [FARGATE], containerDefinitions: [{{ name: web, image: \"shop/web:2\" }}] }}
applications: {{ web: {{ {application} }} }}
services:
  web: {{ taskDefinition: web, desiredCount: 0, launchType: FARGATE, networkConfiguration: {{ awsvpcConfiguration: {{ subnets: [subnet-a], {groups} }} }} }}
timeline: [{{ at: 1m, updateService: {{ service: web, desiredCount: 1 }} }}]"
    );
    let story = scenario::read(Path::new("faults.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
        .unwrap_or_else(|problems| panic!("{text}\n{}", problems.render(false)));
    simulate(&story.variants[0], Seed { seed: 1, replication: 0 })
}

#[test]
fn a_task_on_fargate_whose_security_group_lets_nothing_out_reaches_no_registry() {
    let run = on_fargate(SHUT, "", "securityGroups: [sg-1]");
    let reason = run.tasks[0].stopped_reason.clone().expect("it has stopped");
    assert!(reason.starts_with("CannotPullContainerError: pull image manifest has been retried 5 time(s)"), "{reason}");
    assert!(reason.ends_with("dial tcp: i/o timeout"), "{reason}");
    let run = on_fargate(&SHUT.replace("5432", "443"), "", "securityGroups: [sg-1]");
    assert!(run.tasks[0].running_at.is_some());
}

#[test]
fn fargate_looks_for_its_platform_in_the_manifest() {
    let run = on_fargate("", "imageArchitecture: ARM64", "");
    all_fail_to_start(
        &run,
        "CannotPullContainerError: pull image manifest has been retried 5 time(s): image Manifest does not contain descriptor matching \
         platform 'linux/amd64'",
    );
}

const UNAUTHENTICATED: &str = "CannotPullContainerError: Error response from daemon: toomanyrequests: You have reached your unauthenticated \
    pull rate limit. https://www.docker.com/increase-rate-limit";

/// Eight tasks on two instances behind one NAT gateway, the image of each pulled anew.
fn pulls_of_eight(registry: &str) -> Run {
    let more = format!("registries: {{ docker.io: {registry} }}");
    let timeline = "  - { at: 2m, updateService: { service: web, desiredCount: 8 } }";
    let group = "agentConfiguration: { ECS_IMAGE_PULL_BEHAVIOR: always }";
    Story {
        cluster: "natGateways: { number: 1 }",
        container: TOGETHER,
        group,
        timeline,
        more: &more,
        ..Story::default()
    }
    .run()
}

#[test]
fn a_registry_turns_away_pulls_beyond_its_quota() {
    let usual = pulls_of_eight("{}");
    assert_eq!(usual.tasks.iter().filter(|it| it.running_at.is_some()).count(), 8, "a hundred in six hours");
    let run = pulls_of_eight("{ pulls: 5, per: 6h }");
    assert_eq!(run.tasks.iter().filter(|it| it.running_at.is_some()).count(), 5);
    let turned_away = run.tasks.iter().filter(|it| it.stopped_reason.as_deref() == Some(UNAUTHENTICATED));
    assert!(turned_away.count() >= 3);
    // When the window has passed there are five more.
    let later = pulls_of_eight("{ pulls: 5, per: 5m }");
    assert_eq!(later.tasks.iter().filter(|it| it.running_at.is_some()).count(), 8);
}

#[test]
fn pulls_with_credentials_are_counted_by_account() {
    let run = pulls_of_eight("{ authenticated: true, pulls: 3 }");
    assert_eq!(run.tasks.iter().filter(|it| it.running_at.is_some()).count(), 3);
    let says = "toomanyrequests: You have reached your pull rate limit. You may increase the limit by upgrading.";
    assert!(run.tasks.iter().any(|it| it.stopped_reason.as_ref().is_some_and(|it| it.contains(says))));
}
