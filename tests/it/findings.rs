//! Detectors: what stands out of a run's scaling, and that nothing does where nothing should.

use std::path::Path;

use plimsoll::engine::simulate;
use plimsoll::report::findings::findings;
use plimsoll::rng::Seed;
use plimsoll::run::Run;
use plimsoll::scenario;

/// A service of `tasks` on Fargate with a vCPU each, under a policy on CPU with this target; 10 ms of CPU time a request.
fn run(tasks: u32, target: u32, arrivals: &str, application: &str, policies: &str) -> Run {
    let text = format!(
        "duration: 2h
cluster: {{ availabilityZones: [us-east-1a], subnets: {{ subnet-a: {{ AvailabilityZone: us-east-1a, CidrBlock: 10.0.0.0/20 }} }} }}
taskDefinitions:
  web: {{ cpu: 1024, memory: 2048, networkMode: awsvpc, requiresCompatibilities: [FARGATE], containerDefinitions: [{{ name: web, portMappings: [{{ containerPort: 80 }}] }}] }}
applications: {{ web: {{ cpuTime: 10ms, {application} }} }}
targetGroups: {{ web: {{}} }}
services:
  web: {{ taskDefinition: web, desiredCount: {tasks}, launchType: FARGATE, healthCheckGracePeriodSeconds: 7200, networkConfiguration: {{ awsvpcConfiguration: {{ subnets: [subnet-a] }} }}, loadBalancers: [{{ targetGroupArn: web, containerName: web, containerPort: 80 }}] }}
scalableTargets: {{ web: {{ MinCapacity: 1, MaxCapacity: 40 }} }}
scalingPolicies:
  cpu: {{ service: web, TargetTrackingScalingPolicyConfiguration: {{ TargetValue: {target}, PredefinedMetricSpecification: {{ PredefinedMetricType: ECSServiceAverageCPUUtilization }} }} }}
{policies}
assumptions: {{ fargateVcpuQuota: 100 }}
workloads: {{ clients: {{ service: web, arrivals: {{ {arrivals} }} }} }}
"
    );
    let story = scenario::read(Path::new("findings.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
        .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    simulate(&story.variants[0], Seed { seed: 1, replication: 0 })
}

fn kinds(run: &Run) -> Vec<&'static str> {
    findings(run).iter().map(|it| it.kind).collect()
}

fn text_of(run: &Run, kind: &str) -> String {
    findings(run)
        .into_iter()
        .find(|it| it.kind == kind)
        .unwrap_or_else(|| panic!("no {kind}: {:?}", findings(run)))
        .text
}

#[test]
fn nothing_stands_out_of_a_service_that_is_scaled_well() {
    let quiet = run(2, 50, "poisson: { rate: 80 }", "waitTime: 10ms", "");
    assert_eq!(kinds(&quiet), [""; 0]);
}

/// Four workers that compute a tenth of their time bring a vCPU to 40 %.
#[test]
fn a_target_above_what_the_workers_can_come_to_never_fires() {
    let never = run(2, 50, "poisson: { rate: 70 }", "waitTime: 90ms, concurrency: 4", "");
    assert_eq!(
        text_of(&never, "policy-never-fires"),
        "policy cpu can never scale out: its target is 50 % CPU, and with all workers of a task busy it comes to 40 % at the most"
    );
    assert!(never.service_scale_outs.is_empty());
    let reachable = run(2, 35, "poisson: { rate: 70 }", "waitTime: 90ms, concurrency: 4", "");
    assert!(!kinds(&reachable).contains(&"policy-never-fires"));
}

/// CPU ends at 100 %: with a target of 80 % a step adds at most a quarter.
#[test]
fn steps_are_bounded_by_the_cap_of_the_metric() {
    let capped = run(4, 80, "steps: [{ at: 0s, rate: 100 }, { at: 10m, rate: 2000 }]", "waitTime: 0s", "");
    let text = text_of(&capped, "bounded-by-metric-cap");
    assert!(text.contains("with a target of 80 % policy cpu adds 25 % a step at the most"), "{text}");
    assert!(capped.service_scale_outs.windows(2).all(|it| it[1].to <= it[0].to + it[0].to.div_ceil(4)));
}

#[test]
fn a_load_that_is_gone_before_the_cooldown_is() {
    let spike = "steps: [{ at: 0s, rate: 60 }, { at: 10m, rate: 190 }, { at: 14m, rate: 60 }]";
    let brief = run(2, 50, spike, "waitTime: 0s", "");
    let text = text_of(&brief, "cooldown-outlasts-disturbance");
    assert!(text.starts_with("once the load was back after 4m"), "{text}");
    let lasting = "steps: [{ at: 0s, rate: 60 }, { at: 10m, rate: 190 }]";
    assert!(!kinds(&run(2, 50, lasting, "waitTime: 0s", "")).contains(&"cooldown-outlasts-disturbance"));
}

/// Memory at 47 % is within its target of 50 %, and not below nine tenths of it: no policy may scale in.
#[test]
fn one_policy_that_is_not_ready_starves_the_scale_in_of_all() {
    let memory = "  memory: { service: web, TargetTrackingScalingPolicyConfiguration: { TargetValue: 50, PredefinedMetricSpecification: { PredefinedMetricType: ECSServiceAverageMemoryUtilization } } }";
    let starved = run(8, 50, "poisson: { rate: 40 }", "waitTime: 0s, memory: { base: 960MiB }", memory);
    let text = text_of(&starved, "starved-scale-in");
    assert!(text.contains("policy memory is not ready, its low alarm is OK"), "{text}");
    let free = run(8, 50, "poisson: { rate: 40 }", "waitTime: 0s, memory: { base: 400MiB }", memory);
    assert!(!kinds(&free).contains(&"starved-scale-in"));
}

/// A step policy in and target tracking out do not know of each other, so the one undoes what the other does.
#[test]
fn policies_that_undo_each_other_oscillate() {
    let step_in = "  in:
    service: web
    StepScalingPolicyConfiguration: { AdjustmentType: ChangeInCapacity, StepAdjustments: [{ MetricIntervalUpperBound: 0, ScalingAdjustment: -1 }], Cooldown: 60 }
    alarm: not-so-busy
alarms:
  not-so-busy: { MetricName: CPUUtilization, ServiceName: web, Statistic: Average, Period: 60, EvaluationPeriods: 1, Threshold: 48, ComparisonOperator: LessThanThreshold }";
    let swinging = run(4, 50, "poisson: { rate: 185 }", "waitTime: 0s", step_in);
    let text = text_of(&swinging, "oscillation");
    assert!(text.starts_with("the desired count swings by "), "{text}");
    assert!(text.contains("though the load does not"), "{text}");
}

/// A container's memory cannot go beyond its hard limit, and neither can what is a percentage of that: a target of 100 % is never passed.
#[test]
fn memory_ends_at_its_hard_limit() {
    let policy = |target: u32| {
        format!(
            "  memory: {{ service: web, TargetTrackingScalingPolicyConfiguration: {{ TargetValue: {target}, PredefinedMetricSpecification: {{ PredefinedMetricType: ECSServiceAverageMemoryUtilization }} }} }}"
        )
    };
    let of =
        |target: u32| run(2, 50, "poisson: { rate: 40 }", "waitTime: 0s, memory: { base: 900MiB }", &policy(target));
    assert_eq!(
        text_of(&of(100), "policy-never-fires"),
        "policy memory can never scale out: its target is 100 % memory, and with all the memory that its tasks may use it comes to 100 % at the most"
    );
    assert!(!kinds(&of(90)).contains(&"policy-never-fires"));
}

/// An alarm that wants what its metric never comes to invokes no step policy; one below it does, or could.
#[test]
fn a_step_policy_whose_alarm_lies_beyond_the_cap_never_fires() {
    let step = |threshold: u32, operator: &str| {
        format!("  out:
    service: web
    StepScalingPolicyConfiguration: {{ AdjustmentType: ChangeInCapacity, StepAdjustments: [{{ MetricIntervalLowerBound: 0, ScalingAdjustment: 1 }}] }}
    alarm: busy
alarms:
  busy: {{ MetricName: CPUUtilization, ServiceName: web, Statistic: Average, Period: 60, EvaluationPeriods: 1, Threshold: {threshold}, ComparisonOperator: {operator} }}")
    };
    let of = |threshold, operator| {
        run(2, 30, "poisson: { rate: 50 }", "waitTime: 90ms, concurrency: 4", &step(threshold, operator))
    };
    let never = of(40, "GreaterThanThreshold");
    assert_eq!(
        text_of(&never, "policy-never-fires"),
        "policy out can never scale out: its alarm busy wants CPUUtilization beyond 40, and with all workers of a task busy it comes to 40 at the most"
    );
    assert!(!kinds(&of(40, "GreaterThanOrEqualToThreshold")).contains(&"policy-never-fires"));
    assert!(!kinds(&of(39, "GreaterThanThreshold")).contains(&"policy-never-fires"));
}

/// P13: what has no datapoints without a task cannot bring the first one back.
#[test]
fn a_cpu_policy_never_comes_back_from_zero() {
    let of = |count: u32, rest: &str| {
        let text = format!(
            "duration: 1h
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 1, MaxSize: 1 }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, cpu: 256, memory: 256, portMappings: [{{ containerPort: 80 }}] }}] }} }}
applications: {{ web: {{ cpuTime: 10ms }} }}
targetGroups: {{ web: {{}} }}
services: {{ web: {{ taskDefinition: web, desiredCount: {count}, loadBalancers: [{{ targetGroupArn: web, containerName: web, containerPort: 80 }}] }} }}
scalableTargets: {{ web: {{ MinCapacity: 0, MaxCapacity: 4 }} }}
scalingPolicies:
  cpu: {{ service: web, TargetTrackingScalingPolicyConfiguration: {{ TargetValue: 50, PredefinedMetricSpecification: {{ PredefinedMetricType: ECSServiceAverageCPUUtilization }} }} }}
{rest}
"
        );
        let story = scenario::read(Path::new("zero.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
            .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
        simulate(&story.variants[0], Seed { seed: 1, replication: 0 })
    };
    let requests = "workloads: { clients: { service: web, arrivals: { steps: [{ at: 10m, rate: 1 }] } } }";
    let text = text_of(&of(0, requests), "policy-never-fires");
    assert!(text.starts_with("at 0 tasks from 00:00:00 to the end though "), "{text}");
    assert!(text.ends_with("CPUUtilization has no datapoints without a task"), "{text}");
    assert!(kinds(&of(0, "")).is_empty(), "nobody asks");
    assert!(!kinds(&of(1, requests)).contains(&"policy-never-fires"));
    let of_requests = format!("  wake: {{ service: web, alarm: asked, StepScalingPolicyConfiguration: {{ AdjustmentType: ExactCapacity, StepAdjustments: [{{ MetricIntervalLowerBound: 0, ScalingAdjustment: 1 }}] }} }}
alarms: {{ asked: {{ Namespace: AWS/ApplicationELB, MetricName: RequestCount, Dimensions: [{{ Name: LoadBalancer, Value: default }}], Statistic: Sum, Period: 60, EvaluationPeriods: 1, Threshold: 0, ComparisonOperator: GreaterThanThreshold }} }}
{requests}");
    assert!(kinds(&of(0, &of_requests)).is_empty(), "an alarm on requests wakes it");
}

/// WE-68, containers-roadmap 653: the older metric of an empty group lets it swing between nothing and two instances.
#[test]
fn an_empty_group_that_swings_is_told() {
    let of = |older: bool| {
        let text = format!(
            "duration: 2h
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 0, MaxSize: 10 }} }}
capacityProviders: {{ nodes: {{ autoScalingGroupProvider: {{ autoScalingGroupArn: nodes, managedScaling: {{ status: ENABLED, targetCapacity: 90 }} }} }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, cpu: 256, memory: 256 }}] }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: 0, capacityProviderStrategy: [{{ capacityProvider: nodes }}] }} }}
assumptions: {{ {} }}
",
            if older { "emptyCapacityProviderMetric: 100, firstGrowthByFormula: true" } else { "" }
        );
        let story = scenario::read(Path::new("swings.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
            .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
        simulate(&story.variants[0], Seed { seed: 1, replication: 0 })
    };
    let found = findings(&of(true));
    let [only] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((only.kind, only.resource.as_str()), ("oscillation", "auto-scaling-group/nodes"));
    assert!(only.text.starts_with("the desired capacity swings by 2.0 every "), "{}", only.text);
    assert_eq!(findings(&of(false)), []);
}

/// A group whose instances are all at 100 % of their CPU grows by a quarter a step under a target of 80 %.
#[test]
fn groups_are_bounded_by_the_cap_as_well() {
    let of = |rate: u32| {
        let text = format!(
            "duration: 90m
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 4, MaxSize: 40, InstanceMonitoring: {{ Enabled: true }}, DefaultInstanceWarmup: 60 }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, cpu: 2048, memory: 256, portMappings: [{{ containerPort: 80 }}] }}] }} }}
applications: {{ web: {{ cpuTime: 10ms, concurrency: 4, queue: 50 }} }}
targetGroups: {{ web: {{ HealthCheckTimeoutSeconds: 100, HealthCheckIntervalSeconds: 110 }} }}
services: {{ web: {{ taskDefinition: web, schedulingStrategy: DAEMON, healthCheckGracePeriodSeconds: 7200, loadBalancers: [{{ targetGroupArn: web, containerName: web, containerPort: 80 }}] }} }}
scalingPolicies:
  nodes-on-cpu: {{ AutoScalingGroupName: nodes, PolicyType: TargetTrackingScaling, TargetTrackingConfiguration: {{ TargetValue: 80, PredefinedMetricSpecification: {{ PredefinedMetricType: ASGAverageCPUUtilization }} }} }}
workloads: {{ clients: {{ service: web, arrivals: {{ steps: [{{ at: 0s, rate: 400 }}, {{ at: 20m, rate: {rate} }}] }} }} }}
"
        );
        let story = scenario::read(Path::new("bounded.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
            .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
        simulate(&story.variants[0], Seed { seed: 1, replication: 0 })
    };
    let capped = of(4000);
    let text = text_of(&capped, "bounded-by-metric-cap");
    assert!(text.contains("with a target of 80 % policy nodes-on-cpu adds 25 % a step at the most"), "{text}");
    assert!(!kinds(&of(700)).contains(&"bounded-by-metric-cap"));
}

/// Of a group, too, one policy that is not ready holds the scale-in of all up; at its least nothing is held up.
#[test]
fn groups_are_starved_of_scale_in_as_well() {
    let of = |second: u32, desired: u32| {
        let policy = |name: &str| {
            format!(
                "{name}: {{ AutoScalingGroupName: nodes, PolicyType: TargetTrackingScaling, TargetTrackingConfiguration: {{ TargetValue: 50, CustomizedMetricSpecification: {{ Namespace: Custom, MetricName: {name}, Statistic: Average }} }} }}"
            )
        };
        let text = format!(
            "duration: 2h
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 1, MaxSize: 8, DesiredCapacity: {desired} }} }}
metrics: {{ one: {{ delay: 0s, steps: [{{ at: 0s, value: 10 }}] }}, two: {{ delay: 0s, steps: [{{ at: 0s, value: {second} }}] }} }}
scalingPolicies: {{ {}, {} }}
",
            policy("one"),
            policy("two")
        );
        let story = scenario::read(Path::new("starved.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
            .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
        simulate(&story.variants[0], Seed { seed: 1, replication: 0 })
    };
    let found = findings(&of(48, 4));
    let [only] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((only.kind, only.resource.as_str()), ("starved-scale-in", "auto-scaling-group/nodes"));
    assert!(only.text.contains("policy two is not ready, its low alarm is OK"), "{}", only.text);
    assert_eq!(findings(&of(10, 4)), []);
    assert_eq!(findings(&of(48, 1)), []);
}

/// A service on metrics that the scenario supplies, under a policy for each, with a target of 50.
fn supplied(duration: &str, tasks: u32, target: &str, metrics: [&str; 2], rest: &str) -> Run {
    let of = |steps: [&str; 2], written: &dyn Fn(&str, &str) -> String| {
        [("one", steps[0]), ("two", steps[1])].map(|(name, steps)| written(name, steps)).join("\n")
    };
    let text = format!(
        "duration: {duration}
taskDefinitions: {{ web: {{ networkMode: awsvpc, cpu: 256, memory: 512, requiresCompatibilities: [FARGATE], containerDefinitions: [{{ name: web }}] }} }}
applications: {{ web: {{ startTime: 1s, image: {{ size: 1MB }} }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: {tasks}, launchType: FARGATE, networkConfiguration: {{ awsvpcConfiguration: {{ subnets: [subnet-1] }} }} }} }}
scalableTargets: {{ web: {{ {target} }} }}
metrics:
{}
scalingPolicies:
{}
{rest}
",
        of(metrics, &|name, steps| format!("  {name}: {{ steps: [{steps}] }}")),
        of(metrics, &|name, _| format!("  {name}: {{ service: web, TargetTrackingScalingPolicyConfiguration: {{ TargetValue: 50, CustomizedMetricSpecification: {{ Namespace: Custom, MetricName: {name}, Statistic: Average }} }} }}")),
    );
    let story = scenario::read(Path::new("findings.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
        .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    simulate(&story.variants[0], Seed { seed: 1, replication: 0 })
}

const LOW: &str = "{ at: 0s, value: 10 }";
/// Within the target, and not below nine tenths of it.
const WITHIN: &str = "{ at: 0s, value: 48 }";

/// At the minimum nothing is held back: neither by a policy that is not ready, nor by a suspension or a deployment.
#[test]
fn at_its_minimum_nothing_is_starved() {
    let suspended = "MinCapacity: 2, MaxCapacity: 10, SuspendedState: { DynamicScalingInSuspended: true }";
    let deployed = "timeline: [{ at: 5m, updateService: { service: web, forceNewDeployment: true } }]
assumptions: { fargateProvisioningTime: 3h }";
    for (target, metrics, rest) in [
        ("MinCapacity: 2, MaxCapacity: 10", [LOW, WITHIN], ""),
        ("MinCapacity: 2, MaxCapacity: 2", [LOW, WITHIN], ""),
        (suspended, [LOW, LOW], ""),
        ("MinCapacity: 2, MaxCapacity: 10", [LOW, LOW], deployed),
    ] {
        let run = supplied("2h", 2, target, metrics, rest);
        assert_eq!(kinds(&run), [""; 0], "{target}");
        let reasons: Vec<_> = run.scaling_activities.iter().filter_map(|it| it.not_scaled_reason).collect();
        assert!(!reasons.is_empty() && reasons.iter().all(|it| *it == "AlreadyAtMinCapacity"), "{reasons:?}");
    }
    let above = supplied("2h", 4, "MinCapacity: 2, MaxCapacity: 10", [LOW, WITHIN], "");
    assert!(text_of(&above, "starved-scale-in").contains("policy two is not ready"));
}

/// A low alarm that is over for a while and comes back asks again, and is refused again for the same reason.
#[test]
fn a_scale_in_is_starved_again_after_its_alarm_was_over() {
    let interrupted = "{ at: 0s, value: 10 }, { at: 20m, value: 48 }, { at: 22m, value: 10 }";
    let run = supplied("2h", 6, "MinCapacity: 2, MaxCapacity: 10", [interrupted, WITHIN], "");
    let refused = run.scaling_activities.iter().filter(|it| it.not_scaled_reason == Some("PolicyNotReady"));
    let [first, second] = refused.collect::<Vec<_>>()[..] else { panic!("asked twice") };
    assert_eq!((first.rule.as_str(), first.from), (second.rule.as_str(), 6));
    let text = text_of(&run, "starved-scale-in");
    assert!(text.contains(&format!("from {} on", second.at)), "{text}");
}

/// A service on instances, with the scaling of the cases below; `task` and `container` are fields of the task definition.
fn on_instances(duration: &str, seed: u64, cpu: [&str; 2], application: &str, arrivals: &str) -> Run {
    let [task, container] = cpu;
    let text = format!(
        "duration: {duration}
autoScalingGroups: {{ nodes: {{ InstanceType: m5.4xlarge, MinSize: 6, MaxSize: 6 }} }}
taskDefinitions: {{ web: {{ {task}containerDefinitions: [{{ name: web, {container}memory: 256, portMappings: [{{ containerPort: 80 }}] }}] }} }}
applications: {{ web: {{ startTime: 5s, {application}, queue: 100, memory: {{ base: 100MiB, perRequest: 1MiB }} }} }}
targetGroups: {{ web: {{ deregistrationDelay: 10s }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: 2, healthCheckGracePeriodSeconds: 60, loadBalancers: [{{ targetGroupArn: web, containerName: web, containerPort: 80 }}] }} }}
scalableTargets: {{ web: {{ MinCapacity: 1, MaxCapacity: 30 }} }}
scalingPolicies: {{ cpu: {{ service: web, TargetTrackingScalingPolicyConfiguration: {{ TargetValue: 50, PredefinedMetricSpecification: {{ PredefinedMetricType: ECSServiceAverageCPUUtilization }} }} }} }}
workloads: {{ users: {{ service: web, arrivals: {{ {arrivals} }}, timeout: 10s }} }}
"
    );
    let story = scenario::read(Path::new("findings.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
        .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    simulate(&story.variants[0], Seed { seed, replication: 0 })
}

/// A container's `cpu` is a share, so that CPU goes far beyond 100 % of it: no cap bounds a step.
#[test]
fn a_metric_beyond_100_percent_is_not_at_its_cap() {
    let rises = "spikes: { base: 1, spikes: [{ at: 5m, rate: 60, rampUp: 20m, hold: 30m, decay: 1m }] }";
    let application = "cpuTime: { exponential: { mean: 100ms } }, concurrency: 8";
    let shares = on_instances("1h", 1, ["", "cpu: 256, "], application, rises);
    let beyond = shares.service_scale_outs.iter().filter(|it| it.metric.is_some_and(|it| it > 101.0)).count();
    assert!(beyond > 1, "{beyond}");
    assert!(!kinds(&shares).contains(&"bounded-by-metric-cap"), "{:?}", findings(&shares));
}

/// One worker that computes 40 % of its time is 40 % of a vCPU, but the process takes another 29 % beside its requests.
#[test]
fn what_a_process_computes_beside_its_requests_counts_for_a_policy() {
    let application = "cpuTime: 40ms, waitTime: 60ms, concurrency: 1";
    let cpu = ["cpu: 1024, memory: 512, ", ""];
    let busy = on_instances("40m", 1, cpu, &format!("{application}, backgroundCpu: 300"), "poisson: { rate: 17 }");
    assert!(!busy.service_scale_outs.is_empty());
    assert!(!kinds(&busy).contains(&"policy-never-fires"), "{:?}", findings(&busy));
    let little = on_instances("40m", 1, cpu, &format!("{application}, backgroundCpu: 50"), "poisson: { rate: 17 }");
    assert!(little.service_scale_outs.is_empty());
    assert!(text_of(&little, "policy-never-fires").ends_with("it comes to 45 % at the most"));
}

/// What varies by chance only is not gone, however a single minute comes out.
#[test]
fn a_quiet_minute_of_a_constant_load_is_no_end_of_a_disturbance() {
    let cpu = ["cpu: 256, memory: 512, ", ""];
    let application = "cpuTime: { exponential: { mean: 300ms } }, concurrency: 8";
    let runs: Vec<Run> =
        (1..=6).map(|seed| on_instances("2h", seed, cpu, application, "poisson: { rate: 1 }")).collect();
    assert!(runs.iter().all(|it| !it.service_scale_outs.is_empty()));
    for run in &runs {
        assert!(!kinds(run).contains(&"cooldown-outlasts-disturbance"), "{:?}", findings(run));
    }
}

/// A zone whose instances come and go takes a DAEMON service along: nothing scales that.
#[test]
fn the_number_of_a_daemons_instances_is_no_oscillation() {
    let outages: String = (1..=4)
        .map(|it| {
            format!("  - {{ at: {}m, availabilityZoneOutage: {{ availabilityZone: us-east-1a, for: 5m }} }}\n", 20 * it)
        })
        .collect();
    let run = crate::stories::run(&format!(
        "duration: 2h
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 3, MaxSize: 3 }} }}
taskDefinitions: {{ log: {{ containerDefinitions: [{{ name: log, image: log, cpu: 64, memory: 64 }}] }} }}
services: {{ log: {{ taskDefinition: log, schedulingStrategy: DAEMON }} }}
timeline:
{outages}"
    ));
    let wanted: Vec<u32> = run.service_minutes.iter().map(|it| it.desired_count).collect();
    assert!(wanted.windows(2).filter(|it| it[0] != it[1]).count() >= 5, "{wanted:?}");
    assert_eq!(kinds(&run), [""; 0], "{:?}", findings(&run));
}
