//! Container instances and network modes, end to end: density, GPUs, ports, addresses, and what is done to instances by hand.

use plimsoll::aws::placement::Reason;
use plimsoll::run::Run;
use plimsoll::units::{Instant, Span};

use crate::stories::{run, story};

/// A service of tasks of this definition on instances of this group, and more lines.
fn one_service(group: &str, definition: &str, count: u32, more: &str) -> String {
    format!(
        "duration: 10m
autoScalingGroups: {{ nodes: {{ {group} }} }}
taskDefinitions: {{ web: {{ {definition} }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: {count} }} }}
{more}"
    )
}

fn placed(run: &Run) -> usize {
    run.tasks.iter().filter(|it| it.instance.is_some()).count()
}

fn running(run: &Run, at: Instant) -> usize {
    let is_there = |it: &&plimsoll::run::TaskLife| {
        it.running_at.is_some_and(|it| it <= at) && it.stopped_at.is_none_or(|it| it > at)
    };
    run.tasks.iter().filter(is_there).count()
}

/// The first message of this kind.
fn said<'a>(run: &'a Run, kind: &str) -> &'a str {
    run.events.iter().find(|it| it.kind == kind).map_or("", |it| it.message.as_str())
}

const SMALL: &str = "cpu: 256, memory: 512";

fn of_mode(mode: &str, container: &str, mappings: &str) -> String {
    format!("networkMode: {mode}, containerDefinitions: [{{ name: web, {container}, portMappings: [{mappings}] }}]")
}

#[test]
fn we_8_tasks_an_instance_by_network_mode() {
    let nodes = "InstanceType: m5.large, MinSize: 1, MaxSize: 1";
    let trunk = "InstanceType: m5.large, MinSize: 1, MaxSize: 1, awsvpcTrunking: enabled";
    for (group, mode, mappings, expected) in [
        (nodes, "bridge", "{ containerPort: 80 }", 8),
        (nodes, "bridge", "{ containerPort: 80, hostPort: 80 }", 1),
        (nodes, "host", "{ containerPort: 8080 }", 1),
        (nodes, "awsvpc", "{ containerPort: 80 }", 2),
        (trunk, "awsvpc", "{ containerPort: 80 }", 8),
        (nodes, "none", "", 8),
    ] {
        let run = run(&one_service(group, &of_mode(mode, SMALL, mappings), 12, ""));
        assert_eq!(placed(&run), expected, "{mode} {mappings} on {group}");
    }
}

#[test]
fn we_7_a_trunk_by_the_account_setting() {
    let tasks = |setting: &str, nodes: &str| {
        let definition = of_mode("awsvpc", "cpu: 2, memory: 6", "");
        let cluster = format!("cluster: {{ awsvpcTrunking: {setting} }}");
        placed(&run(&one_service(&format!("MinSize: 1, MaxSize: 1, {nodes}"), &definition, 15, &cluster)))
    };
    assert_eq!(tasks("enabled", "InstanceType: c5.large"), 10);
    assert_eq!(tasks("disabled", "InstanceType: c5.large"), 2);
    assert_eq!(tasks("enabled", "InstanceType: c5.large, awsvpcTrunking: disabled"), 2);
    assert_eq!(tasks("enabled", "InstanceType: t3.large"), 2, "T3 has no trunks");
}

#[test]
fn an_instance_is_registering_while_its_trunk_is_attached() {
    let registered = |trunking: &str| {
        let group = format!("InstanceType: m5.large, MinSize: 1, MaxSize: 1, awsvpcTrunking: {trunking}");
        let run = run(&one_service(&group, &of_mode("awsvpc", SMALL, ""), 1, "begin: cold"));
        run.instances[0].registered_at.expect("it registers")
    };
    assert_eq!(registered("enabled"), registered("disabled") + Span::seconds(5));
}

#[test]
fn a_neuron_device_runs_one_task() {
    // A chip an inf1.xlarge, four an inf1.6xlarge; other devices of `linuxParameters` are nobody's.
    let devices = |paths: &[&str]| {
        let devices: Vec<String> = paths.iter().map(|it| format!("{{ hostPath: {it} }}")).collect();
        of_mode("bridge", &format!("{SMALL}, linuxParameters: {{ devices: [{}] }}", devices.join(", ")), "")
    };
    let one = devices(&["/dev/neuron0", "/dev/fuse"]);
    for (kind, definition, expected) in [
        ("inf1.xlarge", &one, 1),
        ("inf1.6xlarge", &one, 4),
        ("inf1.6xlarge", &devices(&["/dev/neuron0", "/dev/neuron1"]), 2),
        ("inf1.6xlarge", &devices(&["/dev/fuse"]), 5),
    ] {
        let group = format!("InstanceType: {kind}, MinSize: 1, MaxSize: 1");
        let run = run(&one_service(&group, definition, 5, ""));
        assert_eq!(placed(&run), expected, "{kind} {definition}");
        if expected == 5 {
            continue;
        }
        let refusal = said(&run, "service.task_placement_failure");
        assert!(refusal.ends_with("has insufficient Neuron devices available."), "{refusal}");
        let [row, ..] = &run.placement_refusals[..] else { panic!("it is explained") };
        let closest = row.refusal.closest.as_ref().expect("there is an instance");
        assert_eq!(closest.reason, Reason::NeuronDevice);
        assert_eq!(closest.shortage.map(|it| it.left), Some(0));
    }
}

#[test]
fn the_agent_keeps_a_gpu_until_its_task_is_gone() {
    // The slot is free at SIGTERM; the new task waits in PENDING for the GPU until the old one has ended, 20 s later.
    let group = "InstanceType: g4dn.xlarge, MinSize: 1, MaxSize: 1";
    let gpu = "resourceRequirements: [{ type: GPU, value: \"1\" }]";
    let more = "applications: { web: { shutdownTime: 20s } }
timeline: [{ at: 2m, updateService: { service: web, forceNewDeployment: true,
  deploymentConfiguration: { minimumHealthyPercent: 0, maximumPercent: 100 } } }]";
    let run = run(&one_service(group, &of_mode("bridge", &format!("{SMALL}, {gpu}"), ""), 1, more));
    let [old, new] = &run.tasks[..] else { panic!("{} tasks", run.tasks.len()) };
    assert!(new.placed_at < old.stopped_at, "{:?} {:?}", new.placed_at, old.stopped_at);
    assert_eq!(new.pull_started_at, old.stopped_at);
}

#[test]
fn a_task_with_a_gpu_goes_where_one_is_left() {
    let group = "InstanceType: g5.xlarge, MinSize: 2, MaxSize: 2";
    let gpu = "resourceRequirements: [{ type: GPU, value: \"1\" }]";
    let run = run(&one_service(group, &of_mode("bridge", &format!("{SMALL}, {gpu}"), ""), 3, ""));
    assert_eq!(placed(&run), 2);
    let refusal = said(&run, "service.task_placement_failure");
    assert!(refusal.ends_with("has insufficient GPUs available."), "{refusal}");
}

/// Two tasks in network mode `awsvpc` an instance; what the subnets and the service say comes from outside.
fn in_subnets(subnets: &str, group: &str, count: u32, service: &str, more: &str) -> String {
    format!(
        "duration: 20m
cluster: {{ availabilityZones: [us-east-1a, us-east-1b], subnets: {{ {subnets} }} }}
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, {group} }} }}
taskDefinitions:
  web: {{ networkMode: awsvpc, containerDefinitions: [{{ name: web, cpu: 128, memory: 64 }}] }}
services:
  web: {{ taskDefinition: web, desiredCount: {count}, networkConfiguration: {{ awsvpcConfiguration: {{ {service} }} }} }}
{more}"
    )
}

const TWO_SUBNETS: &str = "subnet-a: { AvailabilityZone: us-east-1a, CidrBlock: 10.0.0.0/24 }, \
     subnet-b: { AvailabilityZone: us-east-1b, CidrBlock: 10.0.1.0/24 }";

#[test]
fn tasks_go_to_the_zones_of_their_services_subnets() {
    let run = run(&in_subnets(TWO_SUBNETS, "MinSize: 4, MaxSize: 4", 6, "subnets: [subnet-b]", ""));
    let zones: Vec<&str> =
        run.tasks.iter().filter_map(|it| Some(run.instances[it.instance?].availability_zone.as_str())).collect();
    assert_eq!(zones, ["us-east-1b"; 4], "two instances there, with two interfaces each");
    let elsewhere =
        in_subnets(TWO_SUBNETS, "MinSize: 2, MaxSize: 2, VPCZoneIdentifier: subnet-a", 1, "subnets: [subnet-b]", "");
    let run = self::run(&elsewhere);
    let refusal = said(&run, "service.task_placement_failure");
    assert!(refusal.ends_with("is missing an attribute required by your task."), "{refusal}");
    assert!(run.instances.iter().all(|it| it.availability_zone == "us-east-1a"), "the zone of its subnet");
}

#[test]
fn a_task_without_an_address_does_not_start() {
    // Two instances and three tasks.
    let five = "subnet-a: { AvailabilityZone: us-east-1a, AvailableIpAddressCount: 5 }";
    let group = "MinSize: 2, MaxSize: 2, VPCZoneIdentifier: subnet-a";
    let run = run(&in_subnets(five, group, 4, "subnets: [subnet-a]", ""));
    let end = Instant::START + Span::seconds(20 * 60);
    assert_eq!(running(&run, end), 3);
    let failed: Vec<_> = run.tasks.iter().filter(|it| it.running_at.is_none()).collect();
    assert!(failed.len() > 2, "it is tried again and again: {}", failed.len());
    for task in failed.iter().filter(|it| it.stopped_at.is_some()) {
        assert_eq!(task.stop_code, Some("TaskFailedToStart"));
        let reason = task.stopped_reason.as_deref().expect("it says why");
        assert!(reason.ends_with("in subnet 'subnet-a': InsufficientFreeAddressesInSubnet"), "{reason}");
    }
    let impaired = said(&run, "service.task_start_impaired");
    assert!(impaired.contains("unable to consistently start tasks"), "{impaired}");
}

#[test]
fn addresses_come_back() {
    // Of five addresses two are the instances'; a deployment of two tasks needs one more for a while.
    let five = "subnet-a: { AvailabilityZone: us-east-1a, AvailableIpAddressCount: 5 }";
    let group = "MinSize: 2, MaxSize: 2, VPCZoneIdentifier: subnet-a";
    let more = "timeline: [{ at: 2m, updateService: { service: web, forceNewDeployment: true } }]
expectations: { deploymentsCompleted: { atLeast: 1 } }";
    let run = run(&in_subnets(five, group, 2, "subnets: [subnet-a]", more));
    assert!(run.expectations.iter().all(|it| it.passed), "{:?}", run.expectations);
    assert!(run.tasks.len() >= 4);
}

#[test]
fn a_group_launches_where_addresses_are_left() {
    let uneven = "subnet-a: { AvailabilityZone: us-east-1a, AvailableIpAddressCount: 1 }, \
         subnet-b: { AvailabilityZone: us-east-1b, AvailableIpAddressCount: 2 }";
    let run = run(&in_subnets(uneven, "MinSize: 4, MaxSize: 4", 0, "subnets: [subnet-a]", ""));
    let in_zone = |zone: &str| run.instances.iter().filter(|it| it.availability_zone == zone).count();
    assert_eq!((in_zone("us-east-1a"), in_zone("us-east-1b")), (1, 2));
    let failures = run.events.iter().filter(|it| it.kind == "group.launch_failed").count();
    assert_eq!(failures, 1, "said once");
}

#[test]
fn dynamic_ports_run_out() {
    // Of 16,383 ports the agent's, 51678 to 51680, part the first 2,525 from the rest: room for two times 5,000 in a row.
    let mapping = "{ containerPortRange: 10000-14999 }";
    let run = run(&one_service(
        "InstanceType: m5.large, MinSize: 1, MaxSize: 1",
        &of_mode("bridge", SMALL, mapping),
        3,
        "begin: cold",
    ));
    assert_eq!(running(&run, Instant::START + Span::seconds(590)), 2);
    let failed = run.tasks.iter().find(|it| it.stopped_at.is_some()).expect("one cannot start");
    let reason = failed.stopped_reason.as_deref().expect("it says why");
    assert!(reason.starts_with("CannotStartContainerError") && reason.ends_with("all ports are allocated"), "{reason}");
}

#[test]
fn a_static_port_may_have_been_chosen_for_another_task() {
    let text = "duration: 10m
autoScalingGroups: { nodes: { InstanceType: m5.large, MinSize: 1, MaxSize: 1 } }
taskDefinitions:
  any: { containerDefinitions: [{ name: web, cpu: 128, memory: 64, portMappings: [{ containerPort: 80 }] }] }
  one: { containerDefinitions: [{ name: web, cpu: 128, memory: 64, portMappings: [{ containerPort: 80, hostPort: 49153 }] }] }
services:
  any: { taskDefinition: any, desiredCount: 1 }
  one: { taskDefinition: one, desiredCount: 0 }
timeline: [{ at: 1m, updateService: { service: one, desiredCount: 1 } }]";
    let run = run(text);
    let failed = run.tasks.iter().find(|it| it.service == Some(1)).expect("it is placed");
    let reason = failed.stopped_reason.as_deref().expect("it says why");
    assert!(reason.ends_with("Bind for 0.0.0.0:49153 failed: port is already allocated"), "{reason}");
}

/// Two instances with room for two tasks each, and two tasks, with this timeline.
fn by_hand(deployment: &str, timeline: &str) -> Run {
    run(&format!(
        "duration: 20m
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 2, MaxSize: 2 }} }}
taskDefinitions:
  web: {{ placementConstraints: [], containerDefinitions: [{{ name: web, cpu: 1024, memory: 64 }}] }}
services:
  web:
    taskDefinition: web
    desiredCount: 2
    placementStrategy: [{{ type: spread, field: instanceId }}]
    deploymentConfiguration: {{ {deployment} }}
timeline: [{timeline}]
assumptions: {{ tieBreak: lexical }}"
    ))
}

fn at(seconds: u64) -> Instant {
    Instant::START + Span::seconds(seconds)
}

/// Tasks that run on an instance at an instant.
fn running_on(run: &Run, instance: usize, at: Instant) -> usize {
    let is_there = |it: &&plimsoll::run::TaskLife| {
        it.instance == Some(instance)
            && it.running_at.is_some_and(|it| it <= at)
            && it.stopped_at.is_none_or(|it| it > at)
    };
    run.tasks.iter().filter(is_there).count()
}

#[test]
fn draining_by_hand_and_back() {
    let drain = "{ at: 1m, updateContainerInstancesState: { autoScalingGroup: nodes, count: 1, status: DRAINING } }";
    let run = by_hand("minimumHealthyPercent: 100, maximumPercent: 200", drain);
    assert_eq!((running_on(&run, 0, at(60)), running_on(&run, 1, at(60))), (1, 1));
    assert_eq!((running_on(&run, 0, at(1100)), running_on(&run, 1, at(1100))), (0, 2));
    let moved = run.tasks.iter().find(|it| it.instance == Some(0)).and_then(|it| it.stopping_at).expect("it stops");
    let successor = run.tasks[2].healthy_at.expect("it becomes healthy");
    assert!(moved >= successor, "its replacement is healthy first");
    assert_eq!(run.instances.len(), 2, "its group keeps the instance");
    assert_eq!(run.instance_changes.last().map(|it| it.status), Some("DRAINING"), "until it is set ACTIVE");

    let stuck = by_hand("minimumHealthyPercent: 100, maximumPercent: 100", drain);
    assert_eq!((running_on(&stuck, 0, at(1100)), running_on(&stuck, 1, at(1100))), (1, 1), "it never ends");

    let back = format!(
        "{drain}, {{ at: 10m, updateContainerInstancesState: {{ autoScalingGroup: nodes, count: 1, status: ACTIVE }} }}, \
         {{ at: 11m, updateService: {{ service: web, desiredCount: 4 }} }}"
    );
    let back = by_hand("minimumHealthyPercent: 100, maximumPercent: 200", &back);
    assert_eq!((running_on(&back, 0, at(1100)), running_on(&back, 1, at(1100))), (2, 2));
}

#[test]
fn an_agent_without_connection() {
    let usual = "minimumHealthyPercent: 100, maximumPercent: 200";
    let off = "{ at: 1m, disconnectAgents: { autoScalingGroup: nodes, count: 2, for: 10m } }";
    let more = format!("{off}, {{ at: 2m, updateService: {{ service: web, desiredCount: 3 }} }}");
    let run = by_hand(usual, &more);
    assert_eq!(running(&run, at(600)), 2, "its tasks go on, and none is added");
    let refusal = said(&run, "service.task_placement_failure");
    assert!(refusal.contains("encountered error \"AGENT\""), "{refusal}");
    assert_eq!(running(&run, at(1190)), 3, "connected again");

    let fewer = format!("{off}, {{ at: 2m, updateService: {{ service: web, desiredCount: 1 }} }}");
    let run = by_hand(usual, &fewer);
    let stopped = run.tasks.iter().find_map(|it| it.stopped_at).expect("one stops");
    assert!(stopped >= at(660), "the agent hears of it when it is connected again: {stopped}");
}

#[test]
fn attributes_over_time() {
    let text = "duration: 20m
autoScalingGroups: { nodes: { InstanceType: m5.large, MinSize: 2, MaxSize: 2, attributes: { stack: blue } } }
taskDefinitions: { web: { containerDefinitions: [{ name: web, cpu: 128, memory: 64 }] } }
services:
  web:
    taskDefinition: web
    desiredCount: 2
    placementConstraints: [{ type: memberOf, expression: attribute:stack == green }]
timeline: [{ at: 5m, putAttributes: { autoScalingGroup: nodes, count: 1, attributes: { stack: green } } }]";
    let run = run(text);
    assert_eq!(running(&run, at(300)), 0);
    assert_eq!((running_on(&run, 0, at(1190)), running_on(&run, 1, at(1190))), (2, 0));
}

#[test]
fn a_container_instance_is_deregistered() {
    let run = by_hand(
        "minimumHealthyPercent: 100, maximumPercent: 200",
        "{ at: 1m, deregisterContainerInstances: { autoScalingGroup: nodes, count: 1 } }",
    );
    let orphan = run.tasks.iter().find(|it| it.instance == Some(0)).expect("a task was there");
    assert_eq!((orphan.stopped_at, orphan.stop_code), (Some(at(60)), Some("UserInitiated")));
    assert_eq!(running_on(&run, 1, at(1190)), 2);
    assert_eq!(run.instance_changes.last().map(|it| it.status), Some("INACTIVE"));
    assert_eq!(run.instances[0].terminated_at, None, "EC2 keeps it, and bills it");

    let trunk = self::run(&one_service(
        "InstanceType: m5.large, MinSize: 1, MaxSize: 1, awsvpcTrunking: enabled",
        &of_mode("awsvpc", SMALL, ""),
        1,
        "timeline: [{ at: 1m, deregisterContainerInstances: { autoScalingGroup: nodes, count: 1 } }]",
    ));
    let changes: Vec<_> = trunk.instance_changes.iter().rev().take(2).map(|it| (it.status, it.at)).collect();
    assert_eq!(changes, [("INACTIVE", at(65)), ("DEREGISTERING", at(60))]);
}

#[test]
fn the_slot_of_a_stopping_task() {
    // One instance, room for one task; the old one takes 10 s to end.
    let placed_at = |freed: &str, container: &str| {
        let text = format!(
            "duration: 20m
autoScalingGroups: {{ nodes: {{ InstanceType: t3.medium, MinSize: 1, MaxSize: 1 }} }}
taskDefinitions:
  web:
    containerDefinitions: [{{ name: web, cpu: 2048, memory: 64, {container}portMappings: [{{ containerPort: 80 }}] }}]
applications: {{ web: {{ shutdownTime: 10s }} }}
targetGroups: {{ web: {{ deregistrationDelay: 100s }} }}
services:
  web:
    taskDefinition: web
    desiredCount: 1
    deploymentConfiguration: {{ minimumHealthyPercent: 0, maximumPercent: 100 }}
    loadBalancers: [{{ targetGroupArn: web, containerName: web, containerPort: 80 }}]
timeline: [{{ at: 1m, updateService: {{ service: web, forceNewDeployment: true }} }}]
assumptions: {{ slotFreedAt: {freed}, placementRetryOnCapacity: true }}"
        );
        let run = run(&text);
        let (old, new) = (&run.tasks[0], &run.tasks[1]);
        let (stopping, stopped) = (old.stopping_at.expect("it stops"), old.stopped_at.expect("it stops"));
        assert_eq!(stopped, stopping + Span::seconds(110));
        assert!(new.pulled_at.expect("it starts") >= stopped, "its agent waits for the old one");
        new.placed_at.expect("it is placed").since(stopping)
    };
    // Whether its containers are stopped together or, for their health check, one by one.
    for container in ["", "healthCheck: { command: [CMD, curl], interval: 5 }, "] {
        let [deactivating, stopping, stopped] =
            ["deactivating", "stopping", "stopped"].map(|it| placed_at(it, container));
        assert!(deactivating < Span::seconds(100), "{deactivating}");
        assert!((Span::seconds(100)..Span::seconds(110)).contains(&stopping), "{stopping}");
        assert!(stopped >= Span::seconds(110), "{stopped}");
    }
}

#[test]
fn an_instance_type_of_ones_own() {
    let text = |memory: u32| {
        one_service(
            "InstanceType: m9x.large, MinSize: 1, MaxSize: 1",
            &of_mode("awsvpc", &format!("cpu: 1, memory: {memory}"), ""),
            5,
            "instanceTypes: { m9x.large: { vcpu: 2, memory: 8GiB, networkInterfaces: 4, usdPerHour: 0.3 } }",
        )
    };
    // floor(8 x 1024 x 0.955) MiB, and three interfaces for tasks.
    let run = run(&text(64));
    assert_eq!((run.instances[0].cpu_units, run.instances[0].memory_mib), (2048, 7823));
    assert_eq!(placed(&run), 3);
    assert!((run.cost.instances_usd - 0.05).abs() < 1e-9);
    assert_eq!(placed(&self::run(&text(7824))), 0);
}

/// What is noted of one service of this definition on this group.
fn notes(group: &str, definition: &str, more: &str) -> Vec<String> {
    let notes = story(&one_service(group, definition, 1, more)).notes;
    notes.iter().map(|it| it.to_string()).filter(|it| it.contains("never run")).collect()
}

#[test]
fn what_could_never_run_is_said_at_once() {
    let m5 = "InstanceType: m5.xlarge, MinSize: 1, MaxSize: 1";
    let bridge = |container: &str, mappings: &str| of_mode("bridge", container, mappings);
    for (group, definition, why) in [
        (
            m5,
            bridge("cpu: 1, memory: 16384", ""),
            "it reserves 16384 MiB, and of its 16 GiB a m5.xlarge registers 15611 MiB (ECS: \"has insufficient memory available\")",
        ),
        (
            m5,
            bridge("cpu: 6144, memory: 64", ""),
            "it reserves 6144 CPU units, and a m5.xlarge has 4096 (ECS: \"has insufficient CPU units available\")",
        ),
        (
            m5,
            bridge(SMALL, "{ containerPort: 22, hostPort: 22 }"),
            "it has a host port that the ECS agent keeps (22, 2375, 2376, 51678, 51679) (ECS: \"is already using a port required by your task\")",
        ),
        (
            m5,
            of_mode("host", SMALL, "{ containerPortRange: 8000-8095 }"),
            "it reserves 96 host ports, and an instance holds 100, 5 of them the agent's (ECS: \"has too many ports in use\")",
        ),
        (
            m5,
            bridge("cpu: 1, memory: 64, resourceRequirements: [{ type: GPU, value: 1 }]", ""),
            "it reserves 1 GPUs, and a m5.xlarge has 0 (ECS: \"has insufficient GPUs available\")",
        ),
        (
            m5,
            bridge(
                "cpu: 1, memory: 64, linuxParameters: { devices: [{ hostPath: /dev/neuron0 }, { hostPath: /dev/neuron1 }] }",
                "",
            ),
            "it opens 2 Neuron devices, and a m5.xlarge has 0 (ECS: \"has insufficient Neuron devices available\")",
        ),
        (
            m5,
            format!("runtimePlatform: {{ cpuArchitecture: ARM64 }}, {}", bridge(SMALL, "")),
            "its `cpuArchitecture` is not that of a m5.xlarge, which is X86_64 (ECS: \"is missing an attribute required by your task\")",
        ),
    ] {
        let expected = format!("a task of `web:1` will never run in service `web`: {why}");
        assert_eq!(notes(group, &definition, ""), [expected]);
    }
    assert_eq!(notes(m5, &bridge("cpu: 4096, memory: 15611", ""), ""), [""; 0]);
}

#[test]
fn only_groups_in_reach_count() {
    let text = "duration: 10m
autoScalingGroups:
  small: { InstanceType: t3.small, MinSize: 1, MaxSize: 1 }
  large: { InstanceType: m5.4xlarge, MinSize: 1, MaxSize: 1 }
capacityProviders: { small: { autoScalingGroupProvider: { autoScalingGroupArn: small } } }
taskDefinitions: { web: { containerDefinitions: [{ name: web, cpu: 128, memory: 4096 }] } }
services:
  here: { taskDefinition: web, capacityProviderStrategy: [{ capacityProvider: small }] }
  there: { taskDefinition: web, launchType: EC2 }
  kept-out:
    taskDefinition: web
    placementConstraints: [{ type: memberOf, expression: attribute:ecs.instance-type == t3.small }]";
    let notes = story(text).notes;
    let notes: Vec<String> = notes.iter().map(|it| it.to_string()).filter(|it| it.contains("never run")).collect();
    assert_eq!(
        notes,
        [
            "a task of `web:1` will never run in service `here`: it reserves 4096 MiB, and of its 2 GiB a t3.small registers \
             1901 MiB (ECS: \"has insufficient memory available\")",
            "a task of `web:1` will never run in service `kept-out`: only a m5.4xlarge has room for it, which its placement \
             constraints do not select (ECS: \"encountered error \"MemberOf placement constraint unsatisfied.\"\")",
        ]
    );
}

#[test]
fn the_5001st_container_instance_of_a_cluster_does_not_register() {
    let of = |first: u32, begin: &str| {
        format!(
            "duration: 10m
begin: {begin}
cluster: {{ availabilityZones: [us-east-1a] }}
autoScalingGroups:
  many: {{ InstanceType: t3.micro, MinSize: {first}, MaxSize: {first} }}
  few: {{ InstanceType: t3.micro, MinSize: 2, MaxSize: 2 }}
timeline: [{{ at: 5m, updateAutoScalingGroup: {{ autoScalingGroup: few, MinSize: 2, MaxSize: 3, DesiredCapacity: 3 }} }}]
"
        )
    };
    let failed = |run: &Run| -> Vec<String> {
        let events = run.events.iter().filter(|it| it.kind == "instance.registration_failed");
        events.map(|it| it.message.clone()).collect()
    };
    for begin in ["settled", "cold"] {
        let run = run(&of(4_999, begin));
        let failed = failed(&run);
        assert_eq!(failed.len(), 2, "{begin}");
        assert!(
            failed.iter().all(|it| it.contains("(LimitExceededException: The limit for the resource was exceeded.)"))
        );
        let registered = run.instances.iter().filter(|it| it.registered_at.is_some()).count();
        assert_eq!((run.instances.len(), registered), (5_002, 5_000), "{begin}");
        let unregistered = run.instances.iter().filter(|it| it.registered_at.is_none());
        assert!(unregistered.into_iter().all(|it| it.bills.iter().map(|it| it.usd).sum::<f64>() > 0.0), "they cost");
    }
    assert_eq!(failed(&run(&of(4_997, "settled"))), [] as [String; 0]);
}
