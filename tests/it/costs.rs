//! What runs cost: from when to when it is billed, by which prices, and whose it is.

use plimsoll::report;
use plimsoll::run::{CostKind, CostOwner, Run};

use crate::stories::{run, story};

fn is_close(value: f64, expected: f64) -> bool {
    (value - expected).abs() < 1e-9
}

/// What an owner has of a kind, before and with its part of what nobody reserves.
fn of(run: &Run, owner: CostOwner, kind: CostKind) -> (f64, f64) {
    let rows = run.costs.iter().filter(|it| it.owner == owner && it.kind == kind);
    rows.fold((0.0, 0.0), |sum, it| (sum.0 + it.usd, sum.1 + it.usd + it.redistributed_usd))
}

const LARGE: CostOwner = CostOwner::Service(0);
const SMALL: CostOwner = CostOwner::Service(1);

/// Two services on one m5.large, with more fields of the group and more lines.
fn two_services(group: &str, more: &str) -> String {
    format!(
        "duration: 1h
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 1, MaxSize: 4, {group} }} }}
taskDefinitions:
  large: {{ containerDefinitions: [{{ name: large, image: large, cpu: 1024, memory: 2048 }}] }}
  small: {{ containerDefinitions: [{{ name: small, image: small, cpu: 512, memory: 1024 }}] }}
services:
  large: {{ taskDefinition: large, desiredCount: 1 }}
  small: {{ taskDefinition: small, desiredCount: 1 }}
{more}"
    )
}

#[test]
fn an_instance_is_split_as_aws_splits_it() {
    let run = run(&two_services("", ""));
    // 2 vCPU and 8 GB weigh 9 x 2 + 8 = 26.
    let unit = 0.096 / 26.0;
    let (large, small) = (of(&run, LARGE, CostKind::Ec2), of(&run, SMALL, CostKind::Ec2));
    assert!(is_close(large.0, unit * (9.0 + 2.0)), "{large:?}");
    assert!(is_close(small.0, unit * (4.5 + 1.0)), "{small:?}");
    let unused = of(&run, CostOwner::Unused, CostKind::Ec2);
    assert!(is_close(unused.0, unit * (4.5 + 5.0)) && is_close(unused.1, 0.0), "{unused:?}");
    // The large one has two thirds of each resource that is reserved, and so of what is not.
    assert!(is_close(large.1, 0.096 * 2.0 / 3.0) && is_close(small.1, 0.096 / 3.0), "{large:?} {small:?}");
    // 30 GB of gp3, by the same shares.
    let volume = 30.0 * 0.08 / 730.0;
    assert!(is_close(run.cost.volumes_usd, volume));
    assert!(is_close(of(&run, LARGE, CostKind::Ebs).1, volume * 2.0 / 3.0));
    assert!(is_close(run.cost.total_usd(), 0.096 + volume));
}

#[test]
fn a_task_takes_part_as_long_as_it_is_there() {
    // The small one is gone after half an hour; what is unused then is the large one's alone.
    let leaves = "timeline: [{ at: 30m, updateService: { service: small, desiredCount: 0 } }]
applications: { small: { shutdownTime: 0s } }
assumptions: { slotFreedAt: stopped }";
    let run = run(&two_services("", leaves));
    let task = run.tasks.iter().find(|it| it.service == Some(1)).expect("it was there");
    let hours = task.stopped_at.expect("it has stopped").as_seconds() / 3600.0;
    assert!((0.5..0.6).contains(&hours), "{hours}");
    let small = of(&run, SMALL, CostKind::Ec2);
    assert!(is_close(small.0, 0.096 / 26.0 * 5.5 * hours), "{small:?} {hours}");
    let whole = of(&run, LARGE, CostKind::Ec2).1 + small.1;
    assert!(is_close(whole, 0.096), "{whole}");
}

#[test]
fn an_instance_is_billed_while_it_runs_and_a_minute_at_least() {
    let more = "timeline:
  - { at: 10m, updateAutoScalingGroup: { autoScalingGroup: nodes, DesiredCapacity: 2 } }
  - { at: 11m, updateAutoScalingGroup: { autoScalingGroup: nodes, DesiredCapacity: 1 } }";
    let run = run(&two_services("TerminationPolicies: [NewestInstance]", more));
    let second = &run.instances[1];
    let (launched, terminated) = (second.launched_at, second.terminated_at.expect("it went"));
    // 35 s of EC2's `pending` are free; what is left of its life is below a minute.
    let running = terminated.since(launched).as_seconds() - 35.0;
    assert!((1.0..60.0).contains(&running), "{running}");
    assert!(is_close(run.cost.instances_usd, 0.096 * (1.0 + 60.0 / 3600.0)), "{}", run.cost.instances_usd);
    // Its volume is there from the launch on.
    let volume = 30.0 * 0.08 / 730.0 * (1.0 + (running + 35.0).max(60.0) / 3600.0);
    assert!(is_close(run.cost.volumes_usd, volume), "{} {volume}", run.cost.volumes_usd);
}

#[test]
fn prices_are_those_of_the_region_or_of_the_file() {
    let seoul = "cluster: { availabilityZones: [ap-northeast-2a] }\n";
    let story_there = story(&two_services("", seoul));
    assert!(story_there.notes.iter().all(|it| !it.to_string().contains("price")), "{:?}", story_there.notes);
    let there = run(&two_services("", seoul));
    assert!(is_close(there.cost.instances_usd, 0.118), "{}", there.cost.instances_usd);
    assert!(is_close(there.cost.volumes_usd, 30.0 * 0.0912 / 730.0));
    let said = run(&two_services(
        "",
        &format!("{seoul}prices: {{ instances: {{ m5.large: 0.2 }}, volumes: {{ gp3: {{ gbMonth: 0.73 }} }} }}"),
    ));
    assert!(is_close(said.cost.instances_usd, 0.2) && is_close(said.cost.volumes_usd, 0.03));
    // A type that the table of the region has not.
    let missing = two_services("", seoul).replace("m5.large", "g5.xlarge");
    let notes: Vec<String> = story(&missing).notes.iter().map(|it| it.to_string()).collect();
    assert!(notes.iter().any(|it| it.contains("no price of g5.xlarge in the region `ap-northeast-2`")), "{notes:?}");
    assert!(is_close(run(&missing).cost.instances_usd, 1.006));
}

#[test]
fn volumes_are_billed_by_what_they_are() {
    let mapped = "BlockDeviceMappings: [{ DeviceName: /dev/xvda, Ebs: { VolumeSize: 100, Iops: 4000 } }, { DeviceName: /dev/sdb, Ebs: { VolumeSize: 50, VolumeType: gp2 } }]";
    let run_mapped = run(&two_services(mapped, ""));
    assert!(is_close(run_mapped.cost.volumes_usd, (100.0 * 0.08 + 1000.0 * 0.005 + 50.0 * 0.10) / 730.0));
    assert!(is_close(run(&two_services("rootVolume: 60GiB", "")).cost.volumes_usd, 60.0 * 0.08 / 730.0));
    // A task's own volume, which is its service's alone.
    let own = two_services("", "").replace(
        "small: { containerDefinitions",
        "small: { volumes: [{ name: data, configuredAtLaunch: true }], containerDefinitions",
    );
    let own = own.replace(
        "{ taskDefinition: small, desiredCount: 1 }",
        "{ taskDefinition: small, desiredCount: 1, volumeConfigurations: [{ name: data, managedEBSVolume: { sizeInGiB: 73 } }] }",
    );
    let own = run(&own);
    let root = 30.0 * 0.08 / 730.0;
    assert!(is_close(own.cost.volumes_usd, root + 73.0 * 0.08 / 730.0), "{}", own.cost.volumes_usd);
    assert!(is_close(of(&own, SMALL, CostKind::Ebs).0, root * 5.5 / 26.0 + 0.008));
}

#[test]
fn alarms_and_detailed_monitoring_are_billed_by_the_hour_begun() {
    let policy = "scalableTargets: { large: { MinCapacity: 1, MaxCapacity: 2 } }
scalingPolicies:
  cpu: { service: large, TargetTrackingScalingPolicyConfiguration: { TargetValue: 50, PredefinedMetricSpecification: { PredefinedMetricType: ECSServiceAverageCPUUtilization } } }
capacityProviders: { nodes: { autoScalingGroupProvider: { autoScalingGroupArn: nodes, managedScaling: { status: ENABLED } } } }";
    let hour = 1.0 / 730.0;
    let run_both = run(&two_services("", policy).replace("duration: 1h", "duration: 90m"));
    assert!(is_close(run_both.cost.cloud_watch_usd, 4.0 * 0.10 * 2.0 * hour), "{}", run_both.cost.cloud_watch_usd);
    assert!(is_close(of(&run_both, LARGE, CostKind::CloudWatch).0, 2.0 * 0.10 * 2.0 * hour));
    assert!(is_close(of(&run_both, CostOwner::Cluster, CostKind::CloudWatch).0, 2.0 * 0.10 * 2.0 * hour));
    let free = run(&two_services("", &format!("{policy}\nassumptions: {{ managedAlarmsBilled: false }}")));
    assert_eq!(free.cost.cloud_watch_usd, 0.0);
    let monitored = run(&two_services("InstanceMonitoring: { Enabled: true }", ""));
    assert!(is_close(monitored.cost.cloud_watch_usd, 2.10 * hour), "{}", monitored.cost.cloud_watch_usd);
}

#[test]
fn nat_gateways_are_billed_by_the_hour_and_by_what_is_pulled() {
    let text = |nat: &str| {
        format!(
            "duration: 30m
begin: cold
cluster:
  availabilityZones: [us-east-1a, us-east-1b]
  subnets:
    private: {{ AvailabilityZone: us-east-1a, CidrBlock: 10.0.0.0/24 }}
    public: {{ AvailabilityZone: us-east-1b, CidrBlock: 10.0.1.0/24 }}
  {nat}
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 1, MaxSize: 1, VPCZoneIdentifier: private }} }}
taskDefinitions:
  web: {{ containerDefinitions: [{{ name: web, image: web, cpu: 128, memory: 128 }}] }}
  far: {{ requiresCompatibilities: [FARGATE], networkMode: awsvpc, cpu: 256, memory: 512, containerDefinitions: [{{ name: far, image: far }}] }}
applications: {{ web: {{ image: {{ size: 500MB }} }}, far: {{ image: {{ size: 200MB }} }} }}
services:
  web: {{ taskDefinition: web, desiredCount: 2 }}
  far: {{ taskDefinition: far, desiredCount: 3, launchType: FARGATE, networkConfiguration: {{ awsvpcConfiguration: {{ subnets: [private] }} }} }}
  near: {{ taskDefinition: far, desiredCount: 1, launchType: FARGATE, networkConfiguration: {{ awsvpcConfiguration: {{ subnets: [public] }} }} }}"
        )
    };
    let none = run(&text(""));
    assert_eq!(none.cost.nat_gateways_usd, 0.0);
    let with = run(&text("natGateways: { subnets: [private] }"));
    // The image is pulled once to the instance or, where its two tasks come at once, for each; and for each task on Fargate.
    let (web, far) = (of(&with, LARGE, CostKind::NatGateway).0, of(&with, SMALL, CostKind::NatGateway).0);
    assert!(is_close(web, 0.5 * 0.045) || is_close(web, 1.0 * 0.045), "{web}");
    assert!(is_close(far, 0.6 * 0.045), "{far}");
    assert!(is_close(with.cost.nat_gateways_usd, 0.045 + web + far), "{}", with.cost.nat_gateways_usd);
    // Every subnet's route, and one a zone.
    let all = run(&text("natGateways: {}"));
    assert!(is_close(all.cost.nat_gateways_usd, 2.0 * 0.045 + web + 0.8 * 0.045), "{}", all.cost.nat_gateways_usd);
    assert_eq!(none.fingerprint, all.fingerprint, "what is billed changes nothing that happens");
}

#[test]
fn fargate_is_billed_from_the_pull_or_as_the_file_says() {
    let text = |from: &str| {
        format!(
            "duration: 30m
begin: cold
taskDefinitions:
  web: {{ requiresCompatibilities: [FARGATE], networkMode: awsvpc, cpu: 1024, memory: 2048, containerDefinitions: [{{ name: web, image: web }}] }}
applications: {{ web: {{ image: {{ size: 130MB }} }} }}
services:
  web: {{ taskDefinition: web, desiredCount: 1, launchType: FARGATE, networkConfiguration: {{ awsvpcConfiguration: {{ subnets: [a] }} }} }}
assumptions: {{ fargateBilledFrom: {from} }}"
        )
    };
    for from in ["launched", "pullStarted", "running"] {
        let run = run(&text(from));
        let task = &run.tasks[0];
        let since = match from {
            "launched" => task.placed_at,
            "pullStarted" => task.pull_started_at,
            _ => task.running_at,
        };
        let seconds = (1800.0 - since.expect("it came so far").as_seconds()).ceil();
        assert!(is_close(run.cost.fargate_usd, 0.04937 * seconds / 3600.0), "{from}: {}", run.cost.fargate_usd);
    }
}

#[test]
fn a_load_balancer_is_shared_by_the_requests_of_each_hour() {
    let text = "duration: 2h
autoScalingGroups: { nodes: { InstanceType: m5.xlarge, MinSize: 1, MaxSize: 1 } }
loadBalancers: { front: {} }
targetGroups: { one: { loadBalancer: front }, other: { loadBalancer: front } }
taskDefinitions:
  web: { containerDefinitions: [{ name: web, image: web, cpu: 512, memory: 512, portMappings: [{ containerPort: 80 }] }] }
applications: { web: { cpuTime: 1ms } }
services:
  one: { taskDefinition: web, desiredCount: 1, loadBalancers: [{ targetGroupArn: one, containerName: web, containerPort: 80 }] }
  other: { taskDefinition: web, desiredCount: 1, loadBalancers: [{ targetGroupArn: other, containerName: web, containerPort: 80 }] }
workloads:
  one: { service: one, arrivals: { steps: [{ at: 0s, rate: 5/s }, { at: 1h, rate: 0/s }] } }
";
    let run = run(text);
    let by_hour = |owner: CostOwner, hour: u64| {
        let rows =
            run.costs.iter().filter(|it| it.owner == owner && it.hour == hour && it.kind == CostKind::LoadBalancer);
        rows.map(|it| it.usd).sum::<f64>()
    };
    // All requests of the first hour are the one's; the second has none, and is shared alike.
    assert!(by_hour(LARGE, 0) > 0.0225 && by_hour(SMALL, 0) == 0.0, "{:?}", run.costs);
    assert!(is_close(by_hour(LARGE, 1), by_hour(SMALL, 1)));
    let both = by_hour(LARGE, 1) + by_hour(SMALL, 1);
    assert!((0.0225..0.0226).contains(&both), "{both}");
}

#[test]
fn rows_and_summary_tell_the_same() {
    let run = run(&two_services("", ""));
    let files = report::files(&run);
    let text = |name: &str| {
        let (_, bytes) = files.iter().find(|it| it.0 == name).unwrap_or_else(|| panic!("{name}"));
        String::from_utf8(bytes.clone()).expect("it is text")
    };
    let csv = text("costs.csv");
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("hour,owner,kind,usd,redistributed_usd"));
    let sum: f64 = lines.map(|it| it.split(',').nth(3).expect("usd").parse::<f64>().expect("a number")).sum();
    assert!(is_close(sum, run.cost.total_usd()));
    let summary: serde_json::Value = serde_json::from_str(&text("summary.json")).expect("it is JSON");
    let owners = summary["costs"].as_array().expect("a list");
    let names: Vec<&str> = owners.iter().map(|it| it["owner"].as_str().expect("a name")).collect();
    assert_eq!(names, ["service/large", "service/small", "unused"]);
    let total: f64 = owners.iter().map(|it| it["total_usd"].as_f64().expect("a number")).sum();
    assert!(is_close(total, run.cost.total_usd()));
    assert!(is_close(summary["cost_month_usd"].as_f64().expect("a number"), 730.0 * run.cost.total_usd()));
    assert!(text("costs.svg").contains("by kind"));
}

#[test]
fn surplus_cpu_credits_are_charged() {
    let text = |instance_type: &str, more: &str| {
        format!(
            "duration: 8h
autoScalingGroups: {{ nodes: {{ InstanceType: {instance_type}, MinSize: 0, MaxSize: 1, DesiredCapacity: 1 }} }}
taskDefinitions: {{ busy: {{ containerDefinitions: [{{ name: busy, image: busy, cpu: 1024, memory: 512 }}] }} }}
applications: {{ busy: {{ backgroundCpu: 2048 }} }}
services: {{ busy: {{ taskDefinition: busy, desiredCount: 1 }} }}
{more}"
        )
    };
    // From the seventh hour on 96 credits of a sixtieth of a vCPU-hour each are beyond what a day earns.
    let x86 = run(&text("t3.medium", ""));
    assert!((x86.cost.cpu_credits_usd - 2.0 * 96.0 / 60.0 * 0.05).abs() < 1e-3, "{:?}", x86.cost);
    let hours: Vec<u64> = x86.costs.iter().filter(|it| it.kind == CostKind::CpuCredits).map(|it| it.hour).collect();
    assert!(hours.iter().all(|it| *it >= 6) && hours.contains(&7), "{hours:?}");
    let arm = run(&text("t4g.medium", ""));
    assert!((arm.cost.cpu_credits_usd - 2.0 * 96.0 / 60.0 * 0.04).abs() < 1e-3, "{:?}", arm.cost);
    // One that goes after two hours owes what it has borrowed in them.
    let ended = run(&text(
        "t3.medium",
        "timeline: [{ at: 2h, updateAutoScalingGroup: { autoScalingGroup: nodes, DesiredCapacity: 0 } }]",
    ));
    assert!((ended.cost.cpu_credits_usd - 2.0 * 96.0 / 60.0 * 0.05).abs() < 1e-2, "{:?}", ended.cost);
    assert_eq!(run(&text("m5.large", "")).cost.cpu_credits_usd, 0.0);
}

/// `CreditSpecification`: in standard mode an instance slows down to its baseline instead of borrowing.
#[test]
fn credits_are_those_that_the_launch_template_specifies() {
    let text = |instance_type: &str, specification: &str| {
        format!(
            "duration: 8h
autoScalingGroups: {{ nodes: {{ InstanceType: {instance_type}, MinSize: 0, MaxSize: 1, DesiredCapacity: 1{specification} }} }}
taskDefinitions: {{ busy: {{ containerDefinitions: [{{ name: busy, image: busy, cpu: 1024, memory: 512 }}] }} }}
applications: {{ busy: {{ backgroundCpu: 2048 }} }}
services: {{ busy: {{ taskDefinition: busy, desiredCount: 1 }} }}"
        )
    };
    let standard = run(&text("t3.medium", ", CreditSpecification: { CpuCredits: standard }"));
    assert_eq!(standard.cost.cpu_credits_usd, 0.0);
    // A fifth of two vCPUs, of the one that the task reserves.
    let used = standard.service_minutes[400].cpu_percent.expect("it runs");
    assert!((used - 40.0).abs() < 1.0, "{used}");
    let unlimited = run(&text("t3.medium", ", CreditSpecification: { CpuCredits: unlimited }"));
    assert!(unlimited.service_minutes[400].cpu_percent.is_some_and(|it| it > 199.0));
    assert_eq!(unlimited.cost, run(&text("t3.medium", "")).cost, "as it is for T3 anyway");
    let t2 = |specification: &str| run(&text("t2.medium", specification)).cost.cpu_credits_usd;
    assert_eq!(t2(""), 0.0);
    assert!(t2(", CreditSpecification: { CpuCredits: unlimited }") > 0.0);
}
