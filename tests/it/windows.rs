//! Windows on instances and on Fargate (*ecs.md* 1.1, 1.3, 2.3, 6.7): where its tasks go, what its containers may use, what it costs.

use plimsoll::report::refusals;
use plimsoll::run::Run;
use plimsoll::units::{Instant, Span};

use crate::stories::{run, story};

const WINDOWS: &str = "runtimePlatform: { operatingSystemFamily: WINDOWS_SERVER_2022_CORE }";

fn running(run: &Run) -> usize {
    run.tasks.iter().filter(|it| it.running_at.is_some() && it.stopping_at.is_none()).count()
}

fn told(run: &Run) -> String {
    refusals::paragraphs(&[vec![run]]).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// One task of a definition with these fields, and groups with these.
fn placed(definition: &str, groups: &[&str]) -> String {
    let groups: Vec<String> = groups
        .iter()
        .enumerate()
        .map(|(number, it)| format!("  nodes{number}: {{ InstanceType: m5.large, MinSize: 1, MaxSize: 1, {it} }}\n"))
        .collect();
    format!(
        "duration: 10m
cluster: {{ availabilityZones: [us-east-1a] }}
autoScalingGroups:
{}taskDefinitions:
  web:
    {definition}
    containerDefinitions: [{{ name: web, memory: 64, cpu: 128 }}]
services: {{ web: {{ taskDefinition: web, desiredCount: 1 }} }}
",
        groups.concat()
    )
}

const LINUX_GROUP: &str = "";
const CORE_2022: &str = "operatingSystemFamily: WINDOWS_SERVER_2022_CORE";
const FULL_2022: &str = "operatingSystemFamily: WINDOWS_SERVER_2022_FULL";

#[test]
fn tasks_go_to_instances_of_their_operating_system_only() {
    let family = |it: &str| format!("runtimePlatform: {{ operatingSystemFamily: {it} }}");
    for (definition, groups, place) in [
        (WINDOWS.to_owned(), [LINUX_GROUP, CORE_2022], 1),
        (WINDOWS.to_owned(), [CORE_2022, FULL_2022], 0),
        (family("WINDOWS_SERVER_2022_FULL"), [CORE_2022, FULL_2022], 1),
        (family("LINUX"), [CORE_2022, LINUX_GROUP], 1),
        ("family: web".to_owned(), [CORE_2022, LINUX_GROUP], 1),
    ] {
        let run = run(&placed(&definition, &groups));
        assert_eq!(running(&run), 1, "{definition}");
        let group = &run.instances[run.tasks[0].instance.expect("it runs on one")].auto_scaling_group;
        assert_eq!(group, &format!("nodes{place}"), "{definition} {groups:?}");
    }
}

#[test]
fn a_refusal_names_the_operating_system() {
    for (definition, group, attribute) in [
        (WINDOWS, LINUX_GROUP, "ecs.os-family: WINDOWS_SERVER_2022_CORE"),
        (WINDOWS, FULL_2022, "ecs.os-family: WINDOWS_SERVER_2022_CORE"),
        ("family: web", CORE_2022, "ecs.os-family: LINUX"),
    ] {
        let text = placed(definition, &[group]);
        let run = run(&text);
        assert_eq!(running(&run), 0);
        let told = told(&run);
        assert!(told.contains("is missing an attribute required by your task"), "{told}");
        assert!(told.contains(&format!("requires the attribute `{attribute}` for its `runtimePlatform`")), "{told}");
        let notes = story(&text).notes;
        assert!(notes.iter().any(|it| it.contains(attribute)), "{notes:?}");
    }
}

#[test]
fn the_network_interface_of_a_task_has_to_be_switched_on() {
    let awsvpc = format!("networkMode: awsvpc\n    {WINDOWS}");
    let lacking = run(&placed(&awsvpc, &[CORE_2022]));
    assert_eq!(running(&lacking), 0);
    assert!(told(&lacking).contains("`ecs.capability.task-eni`"));
    let with = format!("{CORE_2022}, agentConfiguration: {{ ECS_ENABLE_TASK_ENI: true }}");
    assert_eq!(running(&run(&placed(&awsvpc, &[&with]))), 1);
}

#[test]
fn the_agent_keeps_the_ports_of_windows() {
    let port = |port: u16, definition: &str, group: &str| {
        let text = placed(definition, &[group]);
        running(&run(
            &text.replace("cpu: 128", &format!("cpu: 128, portMappings: [{{ containerPort: 80, hostPort: {port} }}]"))
        ))
    };
    assert_eq!(port(3389, WINDOWS, CORE_2022), 0);
    assert_eq!(port(22, WINDOWS, CORE_2022), 1);
    assert_eq!(port(80, WINDOWS, CORE_2022), 1);
    assert_eq!(port(80, WINDOWS, &format!("{CORE_2022}, agentConfiguration: {{ ECS_ENABLE_TASK_IAM_ROLE: true }}")), 0);
    assert_eq!(port(3389, "family: web", LINUX_GROUP), 1);
    assert_eq!(port(22, "family: web", LINUX_GROUP), 0);
}

/// A task on an instance of two vCPUs that is all its own: requests of 10 ms, 10.24 CPU units a request a second.
fn serving(definition: &str, group: &str, cpu: [u32; 2], sidecar: u32, rate: &str) -> String {
    format!(
        "duration: 12m
cluster: {{ availabilityZones: [us-east-1a] }}
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 1, MaxSize: 1, {group} }} }}
taskDefinitions:
  web:
    {definition}
    containerDefinitions:
      - {{ name: web, cpu: {}, memory: 64, portMappings: [{{ containerPort: 80 }}] }}
      - {{ name: sidecar, cpu: {}, memory: 64 }}
applications:
  web: {{ cpuTime: 10ms, healthCheckCpuTime: 0s, concurrency: 8, queue: 20 }}
  sidecar: {{ backgroundCpu: {sidecar} }}
loadBalancers: {{ front: {{ nodes: 1 }} }}
assumptions: {{ internetRoundTrip: 0s, httpOverhead: 0s, sameZoneRoundTrip: 0s, sameZoneConnection: 0s, bridgeLatency: 0s }}
targetGroups: {{ web: {{ loadBalancer: front, Protocol: HTTP, HealthCheckIntervalSeconds: 300, UnhealthyThresholdCount: 10, HealthyThresholdCount: 2 }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: 1, loadBalancers: [{{ targetGroupArn: web, containerName: web, containerPort: 80 }}] }} }}
workloads: {{ some: {{ service: web, timeout: 1h, arrivals: {{ constant: {{ rate: {rate} }} }} }} }}
",
        cpu[0], cpu[1]
    )
}

/// Requests served a second, mean response time in ms and CPU percent of the tenth minute.
fn tenth_minute(text: &str) -> (f64, f64, f64) {
    let run = run(text);
    let row = run.service_minutes.iter().find(|it| it.minute == 10).expect("it has that minute");
    let mean = row.response_time_ms.mean.expect("some were served");
    (row.counts.served as f64 / 60.0, mean, row.cpu_percent.expect("a task runs"))
}

#[test]
fn cpu_is_an_absolute_limit_of_each_container() {
    let is_close = |value: f64, expected: f64| (value - expected).abs() < 0.02 * expected;
    for (cpu, sidecar, rate, served, mean, percent) in [
        // 512 units are 50 requests of 10.24 a second, and one takes 10 ms / 0.5, though the other 1536 are idle.
        ([512, 0], 0, "20/s", 20.0, Some(20.0), 20.0 * 10.24 / 512.0),
        ([512, 0], 0, "60/s", 50.0, None, 1.0),
        // What the sidecar does not use is not lent: 384 / 10.24 = 37.5, and 384 of the 512 that the task reserves.
        ([384, 128], 0, "60/s", 37.5, None, 0.75),
        // It wants 300 and gets its 128; the other has its 384 all the same.
        ([384, 128], 300, "60/s", 37.5, None, 1.0),
        ([384, 128], 300, "20/s", 20.0, Some(10.0 * 1024.0 / 384.0), (204.8 + 128.0) / 512.0),
        // Without `cpu` it is 1 % of one CPU: a request a second at the most. The task reserves nothing: 10.24 of the machine's 2048.
        ([0, 0], 0, "30/min", 0.5, Some(1000.0), 5.12 / 2048.0),
        ([0, 0], 0, "5/s", 1.0, None, 10.24 / 2048.0),
    ] {
        let text = serving(WINDOWS, CORE_2022, cpu, sidecar, rate);
        let of = tenth_minute(&text);
        assert!(is_close(of.0, served), "{} a second, not {served}: {cpu:?} {sidecar} {rate}", of.0);
        if let Some(mean) = mean {
            assert!(is_close(of.1, mean), "{} ms, not {mean}: {cpu:?} {sidecar} {rate}", of.1);
        }
        assert!(is_close(of.2, 100.0 * percent), "{} %, not {}: {cpu:?} {sidecar} {rate}", of.2, 100.0 * percent);
    }
}

#[test]
fn the_size_of_a_task_bounds_nothing_on_windows() {
    // Of Linux the task-level 256 are the bound, of Windows the 512 of the container.
    let sized = |platform: &str| format!("cpu: 256\n    memory: 512\n    {platform}");
    let (served, ..) = tenth_minute(&serving(&sized(WINDOWS), CORE_2022, [512, 0], 0, "60/s"));
    assert!((served - 50.0).abs() < 1.0, "{served}");
    let linux = "runtimePlatform: { operatingSystemFamily: LINUX }";
    let (served, ..) = tenth_minute(&serving(&sized(linux), LINUX_GROUP, [512, 0], 0, "60/s"));
    assert!((served - 25.0).abs() < 0.5, "{served}");
}

#[test]
fn an_instance_costs_its_licence() {
    let hour = |fields: &str, more: &str| {
        let text = placed(WINDOWS, &[CORE_2022]).replace("duration: 10m", "duration: 1h") + more;
        run(&text.replace("InstanceType: m5.large", fields)).cost.instances_usd
    };
    let is_close = |value: f64, expected: f64| assert!((value - expected).abs() < 1e-12, "{value} {expected}");
    is_close(hour("InstanceType: m5.large", ""), 0.096 + 2.0 * 0.046);
    is_close(hour("InstanceType: t3.medium", ""), 0.06);
    is_close(hour("InstanceType: m5.large", "prices: { windowsLicenseVcpuHour: 0 }\n"), 0.096);
    is_close(hour("InstanceType: m5.large", "prices: { instances: { m5.large: 0.08 } }\n"), 0.08 + 0.092);
    // Spot takes a share of the instance, and all of the licence.
    let spot = "MixedInstancesPolicy: { InstancesDistribution: { OnDemandPercentageAboveBaseCapacity: 0 }, LaunchTemplate: { Overrides: [{ InstanceType: m5.large }] } }";
    is_close(hour(spot, ""), 0.35 * 0.096 + 0.092);
}

#[test]
fn windows_boots_longer() {
    let registered = |more: &str| {
        let run = run(&(placed(WINDOWS, &[CORE_2022]) + "begin: cold\n" + more));
        let it = &run.instances[0];
        it.registered_at.expect("it has registered").since(it.launched_at)
    };
    assert_eq!(registered(""), Span::seconds(300));
    assert_eq!(
        registered("assumptions: { windowsInstanceLaunchTime: 60s, agentRegistrationTime: 30s }\n"),
        Span::seconds(90)
    );
    let own = placed(WINDOWS, &[&format!("{CORE_2022}, bootTime: 10s")]) + "begin: cold\n";
    assert_eq!(run(&own).instances[0].in_service_at, Some(run(&own).instances[0].launched_at + Span::seconds(10)));
}

fn on_fargate(more: &str) -> String {
    format!(
        "duration: 1h
taskDefinitions:
  web:
    requiresCompatibilities: [FARGATE]
    networkMode: awsvpc
    cpu: 1024
    memory: 2048
    {WINDOWS}
    containerDefinitions: [{{ name: web, image: web }}]
services:
  web:
    taskDefinition: web
    desiredCount: 1
    launchType: FARGATE
    platformVersion: 1.0.0
    platformFamily: WINDOWS_SERVER_2022_CORE
    networkConfiguration: {{ awsvpcConfiguration: {{ subnets: [subnet-1] }} }}
{more}"
    )
}

#[test]
fn fargate_bills_the_licence_and_five_minutes() {
    let hour = 0.046_552 + 0.046 + 2.0 * 0.005_111_75;
    let settled = run(&on_fargate(""));
    assert!((settled.cost.fargate_usd - hour).abs() < 1e-12, "{}", settled.cost.fargate_usd);
    let short = "begin: cold\napplications: { web: { shutdownTime: 0s } }
timeline: [{ at: 4m, updateService: { service: web, desiredCount: 0 } }]\n";
    let run = run(&on_fargate(short));
    let task = &run.tasks[0];
    let lived = task.stopped_at.expect("it has stopped").since(task.running_at.expect("it ran"));
    assert!(lived > Span::seconds(20) && lived < Span::MINUTE * 4, "{lived}");
    assert!((run.cost.fargate_usd - hour / 12.0).abs() < 1e-12, "{}", run.cost.fargate_usd);
    let costs: f64 = run.costs.iter().map(|it| it.usd).sum();
    assert!((costs - hour / 12.0).abs() < 1e-12, "{costs}");
}

#[test]
fn fargate_takes_longer_to_start_windows() {
    let running_at = |more: &str| run(&on_fargate(&format!("begin: cold\n{more}"))).tasks[0].running_at;
    let after = |more: &str| running_at(more).expect("it runs").since(Instant::START);
    let usual = after("");
    assert_eq!(after("assumptions: { fargateWindowsProvisioningTime: 15s }\n"), usual - Span::seconds(165));
    assert_eq!(after("assumptions: { fargateProvisioningTime: 1s }\n"), usual, "that is Linux's");
}
