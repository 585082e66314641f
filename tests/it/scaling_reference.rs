//! The scaling reference: facts and worked examples that are neither of one rule alone (those stand beside the rules) nor told by
//! the other files, over time and with the defaults that users get.

use std::path::Path;

use plimsoll::engine::simulate;
use plimsoll::rng::Seed;
use plimsoll::run::Run;
use plimsoll::scenario::{self, Scenario};
use plimsoll::units::Span;

use crate::scaling_policies::{activities, alarm, metric, minute, not_scaled};

fn read(text: &str) -> Scenario {
    let story = scenario::read(Path::new("story.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
        .unwrap_or_else(|problems| panic!("{text}\n{}", problems.render(false)));
    assert!(story.unsupported.is_empty(), "{}", story.unsupported.render(false));
    story.variants.into_iter().next().expect("a story has its base")
}

fn run(text: &str) -> Run {
    simulate(&read(text), Seed { seed: 7, replication: 0 })
}

/// A service `web` on Fargate, on metrics that are readable at once and looked at 6 s after each minute.
fn service(duration: &str, tasks: u32, metrics: &str, assumptions: &str, rest: &str) -> String {
    format!(
        "duration: {duration}
taskDefinitions: {{ web: {{ networkMode: awsvpc, cpu: 256, memory: 512, requiresCompatibilities: [FARGATE], containerDefinitions: [{{ name: web }}] }} }}
applications: {{ web: {{ startTime: 1s, image: {{ size: 1MB }} }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: {tasks}, launchType: FARGATE, networkConfiguration: {{ awsvpcConfiguration: {{ subnets: [subnet-1] }} }} }} }}
metrics: {{ {metrics} }}
assumptions: {{ alarmPhase: 6s, fargateVcpuQuota: 100{assumptions} }}
{rest}"
    )
}

fn target(min: u32, max: u32) -> String {
    format!("scalableTargets: {{ web: {{ MinCapacity: {min}, MaxCapacity: {max} }} }}")
}

fn step(name: &str, alarm: &str, kind: &str, bound: &str, adjustment: i32) -> String {
    format!(
        "{name}: {{ service: web, alarm: {alarm}, StepScalingPolicyConfiguration: {{ AdjustmentType: {kind}, StepAdjustments: [{{ ScalingAdjustment: {adjustment}, {bound}: 0 }}] }} }}"
    )
}

fn tracking(name: &str, metric: &str, more: &str) -> String {
    format!(
        "{name}: {{ service: web, TargetTrackingScalingPolicyConfiguration: {{ TargetValue: 50, CustomizedMetricSpecification: {{ Namespace: Custom, MetricName: {metric}, Statistic: Average }}{more} }} }}"
    )
}

/// Seconds of events of a kind, with their messages.
fn said<'r>(run: &'r Run, kind: &str) -> Vec<(u64, &'r str)> {
    let events = run.events.iter().filter(|it| it.kind == kind);
    events.map(|it| (it.at.as_seconds() as u64, it.message.as_str())).collect()
}

/// 0.3 and 1.2: every knob, and how late each metric is.
#[test]
fn defaults_are_those_of_the_reference() {
    let scenario = read(&service(
        "1h",
        1,
        &metric("load", "{ at: 0s, value: 0 }"),
        "",
        &format!(
            "{}
alarms: {{ {} }}
scalingPolicies: {{ {}, {} }}
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 0, MaxSize: 1, LifecycleHookSpecificationList: [{{ LifecycleHookName: it, LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING' }}], WarmPoolConfiguration: {{}} }} }}",
            target(0, 9),
            alarm("busy", "GreaterThanThreshold", 50),
            tracking("track", "load", ""),
            step("step", "busy", "ChangeInCapacity", "MetricIntervalLowerBound", 1)
        ),
    ));
    let kinds: Vec<String> = scenario.scaling_policies.iter().map(|it| format!("{:?}", it.kind)).collect();
    let five_minutes = Span::seconds(300);
    assert!(kinds[0].contains(&format!("scale_out_cooldown: {five_minutes:?}")), "{}", kinds[0]);
    assert!(
        kinds[0].contains(&format!("scale_in_cooldown: {five_minutes:?}, disable_scale_in: false")),
        "{}",
        kinds[0]
    );
    assert!(kinds[1].contains(&format!("cooldown: {five_minutes:?}")), "{}", kinds[1]);
    let group = scenario.auto_scaling_groups.iter().next().expect("one group");
    assert_eq!((group.default_cooldown, group.default_instance_warmup), (five_minutes, None));
    assert_eq!(group.upkeep.health_check_grace_period, Span::ZERO, "by the API");
    let hook = format!("{:?}", group.upkeep.lifecycle_hooks[0]);
    assert!(hook.contains(&format!("{:?}", Span::seconds(3600))) && hook.contains("Abandon"), "{hook}");
    let a = scenario.assumptions;
    for (name, span, seconds) in [
        ("ECS, 60 s", a.ecs_metric_delay, 90),
        ("ECS, 20 s", a.high_resolution_metric_delay, 15),
        ("cluster", a.cluster_metric_delay, 60),
        ("Container Insights", a.container_insights_metric_delay, 60),
        ("CapacityProviderReservation", a.capacity_provider_metric_delay, 30),
        ("load balancer", a.load_balancer_metric_delay, 60),
        ("EC2, basic", a.basic_instance_metric_delay, 120),
        ("EC2, detailed", a.instance_metric_delay, 60),
        ("group", a.group_metric_delay, 60),
        ("activity", a.activity_timeout, 600),
        ("scheduled action", a.scheduled_action_delay, 5),
        ("group's reconciliation", a.auto_scaling_group_delay, 10),
        ("warm start", a.warm_start_time, 25),
        ("health checks", a.group_health_check_interval, 60),
        ("impaired status", a.impaired_instance_wait, 180),
        ("insufficient capacity", a.insufficient_capacity_retry, 30),
        ("insufficient capacity at most", a.insufficient_capacity_retry_maximum, 300),
        ("PROVISIONING", a.provisioning_timeout, 1800),
    ] {
        assert_eq!(span, Span::seconds(seconds), "{name}");
    }
    assert_eq!((a.alarm_low_ratio, a.group_alarm_low_ratio), (0.9, 0.7));
    assert_eq!((a.scale_in_max_fraction, a.capacity_scale_in_max_fraction), (0.1, 0.49));
    assert_eq!((a.provisioning_maximum, a.zone_imbalance, a.launches_per_minute), (500, 2, 500));
    let times = [&a.instance_launch_time, &a.agent_registration_time].map(|it| format!("{it:?}"));
    for (time, seconds) in times.iter().zip([35, 40]) {
        assert!(
            time.contains(&format!("{:?}", Span::seconds(seconds))) || time.contains(&format!("{seconds}")),
            "{time}"
        );
    }
}

/// 2.1: a desired count above the maximum. A scale-in goes to the maximum first; a scale-out changes nothing.
#[test]
fn a_desired_count_above_the_maximum() {
    let of = |comparison: &str, bound: &str, adjustment: i32, values: &str| {
        let rest = format!(
            "{}
alarms: {{ {} }}
scalingPolicies: {{ {} }}
timeline: [{{ at: 2m, updateService: {{ service: web, desiredCount: 15 }} }}]",
            target(2, 10),
            alarm("it", comparison, 50),
            step("it", "it", "ChangeInCapacity", bound, adjustment)
        );
        run(&service("14m", 8, &metric("load", values), "", &rest))
    };
    let inwards =
        of("LessThanThreshold", "MetricIntervalUpperBound", -1, "{ at: 0s, value: 60 }, { at: 10m, value: 10 }");
    assert_eq!(activities(&inwards), [(minute(11), 15, 10)]);
    let out = of("GreaterThanThreshold", "MetricIntervalLowerBound", 1, "{ at: 0s, value: 0 }, { at: 10m, value: 60 }");
    assert_eq!(activities(&out), []);
    assert_eq!(not_scaled(&out, "AlreadyAtMaxCapacity").len(), 1);
}

/// W10 and 2.2: ten are desired and six run, so twice the target asks for 12 and not for 20.
#[test]
fn w10_running_tasks_are_what_is_scaled_from() {
    let run = run(&format!(
        "duration: 20m
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 3, MaxSize: 3 }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, cpu: 1024, memory: 512 }}] }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: 10, launchType: EC2 }} }}
metrics: {{ {} }}
assumptions: {{ alarmPhase: 6s }}
{}
scalingPolicies: {{ {} }}",
        metric("load", "{ at: 0s, value: 48 }, { at: 10m, value: 100 }"),
        target(1, 50),
        tracking("it", "load", "")
    ));
    assert_eq!(activities(&run), [(minute(13), 10, 12)]);
    assert_eq!((run.scaling_activities[0].base, run.scaling_activities[0].metric), (Some(6), Some(100.0)));
}

/// 2.3 and Q6: an activity that ECS cannot fulfil is over after 600 s, and its cooldown begins then.
#[test]
fn what_is_not_fulfilled_is_given_up_after_ten_minutes() {
    let rest = format!(
        "{}
alarms: {{ {} }}
scalingPolicies: {{ {} }}",
        target(1, 50),
        alarm("busy", "GreaterThanThreshold", 50),
        step("out", "busy", "ChangeInCapacity", "MetricIntervalLowerBound", 4)
    );
    let load = metric("load", "{ at: 0s, value: 0 }, { at: 10m, value: 60 }");
    let run = run(&service("40m", 4, &load, "", &rest).replace("fargateVcpuQuota: 100", "fargateVcpuQuota: 1"));
    let first = &run.scaling_activities[0];
    assert_eq!((first.from, first.to, first.status_code), (4, 8, "Unfulfilled"), "a quota of one vCPU is four tasks");
    assert_eq!(first.ended_at.map(|it| it.since(first.at)), Some(Span::seconds(600)));
    assert_eq!(activities(&run).len(), 1, "four run, and four more of them are eight");
    assert!(!not_scaled(&run, "AlreadyAtDesiredCapacity").is_empty());
}

/// 2.4.5: capacity 10, one policy adds 3 and another 200 percent: 30.
#[test]
fn w7_the_largest_capacity_wins() {
    let rest = format!(
        "{}
alarms: {{ {} }}
scalingPolicies: {{ {}, {} }}",
        target(1, 50),
        alarm("busy", "GreaterThanThreshold", 50),
        step("three", "busy", "ChangeInCapacity", "MetricIntervalLowerBound", 3),
        step("twice-as-many-more", "busy", "PercentChangeInCapacity", "MetricIntervalLowerBound", 200)
    );
    let load = metric("load", "{ at: 0s, value: 0 }, { at: 10m, value: 60 }, { at: 11m, value: 0 }");
    assert_eq!(activities(&run(&service("20m", 10, &load, "", &rest))), [(minute(11), 10, 30)]);
}

/// 2.4.5: who has a say in a scale-in of target tracking, and who has none.
#[test]
fn policies_without_data_hold_scale_in_up_and_those_that_never_scale_in_do_not() {
    let of = |second: &str| {
        let metrics = format!(
            "{}, {}",
            metric("load", "{ at: 0s, value: 48 }, { at: 10m, value: 10 }"),
            metric("other", "{ at: 0s, value: 48 }")
        );
        let rest = format!("{}\nscalingPolicies: {{ {}, {second} }}", target(1, 50), tracking("it", "load", ""));
        run(&service("26m", 10, &metrics, "", &rest))
    };
    assert_eq!(activities(&of(&tracking("other", "other", ""))), [], "48 is not below 45");
    assert_eq!(activities(&of(&tracking("other", "other", ", DisableScaleIn: true"))), [(minute(25), 10, 9)]);
    // A service without load balancer, and a metric of tasks that do not run, have no datapoint.
    let unknown = "cpu: { service: web, TargetTrackingScalingPolicyConfiguration: { TargetValue: 50, CustomizedMetricSpecification: { MetricName: ephemeral, Namespace: Custom, Statistic: Average } } }";
    let metrics = format!(
        "{}, {}",
        metric("load", "{ at: 0s, value: 48 }, { at: 10m, value: 10 }"),
        "ephemeral: { delay: 0s, start: 2h, values: [1] }"
    );
    let rest = format!("{}\nscalingPolicies: {{ {}, {unknown} }}", target(1, 50), tracking("it", "load", ""));
    let silent = run(&service("26m", 10, &metrics, "", &rest));
    assert_eq!(activities(&silent), []);
    let words = &not_scaled(&silent, "PolicyNotReady")[0].rule;
    assert!(words.contains("INSUFFICIENT_DATA"), "{words}");
}

/// 2.4.5 and P2: a step policy removes what target tracking would keep, which then adds it again.
#[test]
fn p2_a_step_scale_in_is_not_held_back_by_target_tracking() {
    let load = metric("load", "{ at: 0s, value: 49 }, { at: 10m, value: 47 }, { at: 11m, value: 56 }");
    let rest = format!(
        "{}
alarms: {{ {} }}
scalingPolicies: {{ {}, {} }}",
        target(1, 50),
        alarm("idle", "LessThanThreshold", 48),
        tracking("track", "load", ""),
        step("in", "idle", "ChangeInCapacity", "MetricIntervalUpperBound", -2)
    );
    let run = run(&service("16m", 10, &load, "", &rest));
    assert_eq!(activities(&run), [(minute(11), 10, 8), (minute(14), 8, 9)]);
}

/// A service behind a load balancer, scaled by its requests.
fn behind(policy: &str, min: u32, tasks: u32, rates: &str) -> Run {
    run(&format!(
        "duration: 1h
taskDefinitions: {{ web: {{ networkMode: awsvpc, cpu: 1024, memory: 2048, requiresCompatibilities: [FARGATE], containerDefinitions: [{{ name: web, portMappings: [{{ containerPort: 80 }}] }}] }} }}
applications: {{ web: {{ startTime: 1s, cpuTime: 4ms }} }}
targetGroups: {{ web: {{ TargetType: ip }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: {tasks}, launchType: FARGATE, networkConfiguration: {{ awsvpcConfiguration: {{ subnets: [subnet-1] }} }}, loadBalancers: [{{ targetGroupArn: web, containerName: web, containerPort: 80 }}] }} }}
workloads: {{ users: {{ service: web, arrivals: {{ steps: [{rates}] }} }} }}
assumptions: {{ alarmPhase: 6s, fargateVcpuQuota: 100, scaleInMaxFraction: 1 }}
{}
scalingPolicies: {{ it: {{ service: web, TargetTrackingScalingPolicyConfiguration: {{ TargetValue: {policy} }} }} }}",
        target(min, 20)
    ))
}

const REQUESTS: &str = "1500, PredefinedMetricSpecification: { PredefinedMetricType: ALBRequestCountPerTarget }";
const CPU: &str = "50, PredefinedMetricSpecification: { PredefinedMetricType: ECSServiceAverageCPUUtilization }";

/// 3: 25 requests a second and task are a target of 1500; W10: 12 000 a minute on eight targets at 1000 are 12.
#[test]
fn requests_are_counted_a_target_and_a_minute() {
    let at_rest = behind(REQUESTS, 1, 4, "{ at: 0s, rate: 98/s }");
    let change = at_rest.alarm_changes.iter().find(|it| it.alarm.contains("AlarmHigh") && it.to == "OK");
    let value = change.and_then(|it| it.value).expect("a datapoint");
    assert!((value - 1470.0).abs() < 4.0 * 19.2, "{value}: 1470, of a Poisson process");
    assert!(activities(&at_rest).iter().all(|it| it.2 <= 5), "{:?}", activities(&at_rest));
    let thousand = REQUESTS.replace("1500", "1000");
    let rises = behind(&thousand, 8, 8, "{ at: 0s, rate: 120/s }, { at: 10m, rate: 196/s }");
    assert_eq!((activities(&rises)[0].1, activities(&rises)[0].2), (8, 12));
}

/// 2.4.6 and P13: requests that nobody sends are real zeros and take a service to nothing; the CPU of no task is no datapoint, so
/// nothing brings it back.
#[test]
fn p13_from_no_task_at_all_cpu_never_comes_back() {
    let rates = "{ at: 0s, rate: 90/s }, { at: 5m, rate: 0/s }, { at: 40m, rate: 90/s }";
    let by_requests = behind(REQUESTS, 0, 4, rates);
    assert_eq!(activities(&by_requests).iter().map(|it| it.2).next(), Some(0), "{:?}", activities(&by_requests));
    let by_cpu = behind(CPU, 0, 0, rates);
    assert!(by_cpu.service_minutes.iter().all(|it| it.desired_count == 0));
    assert!(by_cpu.alarm_changes.is_empty(), "INSUFFICIENT_DATA from the first to the last");
}

/// 2.4.7: while a deployment is in progress there is no scale-in, and scale-out goes on.
#[test]
fn deployments_turn_scale_in_off_and_leave_scale_out_on() {
    let rest = |load: &str| {
        let rest = format!(
            "{}
scalingPolicies: {{ {} }}
timeline: [{{ at: 9m, updateService: {{ service: web, forceNewDeployment: true }} }}]",
            target(1, 50),
            tracking("it", load, "")
        );
        let metrics = format!(
            "{}, {}",
            metric("falls", "{ at: 0s, value: 48 }, { at: 1m, value: 10 }"),
            metric("rises", "{ at: 0s, value: 48 }, { at: 10m, value: 75 }")
        );
        // Tasks that need twenty minutes to come up: the first one, and then the others, which wait for its digest.
        run(&service("80m", 10, &metrics, ", fargateProvisioningTime: 20m", &rest))
    };
    let falls = rest("falls");
    let blocked = not_scaled(&falls, "TargetServicePutResourceAsUnscalable");
    assert_eq!(blocked[0].at.as_seconds(), minute(16));
    assert!(activities(&falls)[0].0 > 29.0 * 60.0, "after the deployment: {:?}", activities(&falls));
    assert_eq!(activities(&rest("rises"))[0], (minute(13), 10, 15));
}

/// 2.7: an action sets the bounds and moves what is outside of them, cooldown or not; policies go on within; what an `EndTime`
/// ends is not taken back.
#[test]
fn p12_scheduled_actions_move_bounds_that_stay_moved() {
    let rest = format!(
        "start: '2026-01-05T08:00:00Z'
{}
alarms: {{ {} }}
scalingPolicies: {{ {} }}
scheduledActions:
  day: {{ service: web, Schedule: 'cron(20 8 ? * MON-FRI *)', EndTime: '2026-01-05T08:30:00Z', ScalableTargetAction: {{ MinCapacity: 14 }} }}",
        target(2, 40),
        alarm("busy", "GreaterThanThreshold", 50),
        step("out", "busy", "ChangeInCapacity", "MetricIntervalLowerBound", 1)
    );
    let load = metric("load", "{ at: 0s, value: 0 }, { at: 18m, value: 60 }, { at: 19m, value: 0 }");
    let run = run(&service("2h", 4, &load, "", &rest));
    assert_eq!(activities(&run), [(minute(19), 4, 5), (20.0 * 60.0 + 5.0, 5, 14)], "5 s late, and in the cooldown");
    assert_eq!(run.service_minutes.last().map(|it| it.desired_count), Some(14));
}

/// A provider of a group whose instances hold two tasks each.
fn provider_text(duration: &str, size: &str, managed: &str, assumptions: &str, rest: &str) -> String {
    format!(
        "duration: {duration}
begin: settled
cluster: {{ availabilityZones: [us-east-1a] }}
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, {size} }} }}
capacityProviders: {{ nodes: {{ autoScalingGroupProvider: {{ autoScalingGroupArn: nodes, managedScaling: {{ status: ENABLED{managed} }} }} }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, cpu: 1024, memory: 512 }}] }} }}
assumptions: {{ alarmPhase: 36s{assumptions} }}
{rest}"
    )
}

fn provider(duration: &str, size: &str, managed: &str, assumptions: &str, rest: &str) -> Run {
    run(&provider_text(duration, size, managed, assumptions, rest))
}

const SERVICE: &str = "services: { web: { taskDefinition: web, desiredCount: 0, capacityProviderStrategy: [{ capacityProvider: nodes }] } }";

fn desired_capacities(run: &Run) -> Vec<u32> {
    let mut sizes: Vec<u32> = run.capacity_minutes.iter().map(|it| it.desired_capacity).collect();
    sizes.dedup();
    sizes
}

/// WE-67 and P5: for one task from nothing two instances come; the one that stays empty goes after fifteen minutes.
#[test]
fn we_67_two_instances_come_for_one_task() {
    let rest = format!("{SERVICE}\ntimeline: [{{ at: 5m, updateService: {{ service: web, desiredCount: 1 }} }}]");
    let run = provider("40m", "MinSize: 0, MaxSize: 10", "", "", &rest);
    assert_eq!(desired_capacities(&run), [0, 2, 1]);
    let measured: Vec<f64> = run.managed_scaling_minutes.iter().map(|it| it.measured.percent).collect();
    assert!(measured[..5].iter().all(|it| *it == 100.0) && measured.contains(&200.0) && measured.contains(&50.0));
    let two_since = run.instances.iter().filter_map(|it| it.in_service_at).max().expect("they came");
    let one_since = run.instances.iter().filter_map(|it| it.terminated_at).min().expect("one went");
    let idle = one_since.since(two_since).as_seconds();
    assert!((900.0..1020.0).contains(&idle), "after {idle} s");
}

/// W13: three tasks that need an instance each, from nothing: two come, and the third after the warm-up of those.
#[test]
fn w13_from_nothing_two_and_then_what_is_left() {
    let rest = format!("{SERVICE}\ntimeline: [{{ at: 5m, updateService: {{ service: web, desiredCount: 6 }} }}]");
    let run = provider("30m", "MinSize: 0, MaxSize: 10", "", "", &rest);
    assert_eq!(desired_capacities(&run), [0, 2, 3]);
    let launched: Vec<f64> = run.instances.iter().map(|it| it.launched_at.as_seconds()).collect();
    let between = launched[2] - launched[0];
    assert!((300.0..370.0).contains(&between), "{launched:?}");
}

/// WE-68: the metric of 100 at nothing, below 100 of target, makes an empty group go to two and back for ever.
#[test]
fn we_68_the_older_metric_lets_an_empty_group_oscillate() {
    let legacy = ", emptyCapacityProviderMetric: 100, firstGrowthByFormula: true";
    let run = provider("70m", "MinSize: 0, MaxSize: 10", ", targetCapacity: 90", legacy, SERVICE);
    assert!(desired_capacities(&run).starts_with(&[0, 2, 1, 0, 2]), "{:?}", desired_capacities(&run));
    let present = provider("70m", "MinSize: 0, MaxSize: 10", ", targetCapacity: 90", "", SERVICE);
    assert_eq!(desired_capacities(&present), [0]);
}

/// 5.6 and WE-93: from the need to RUNNING on an instance that had to be launched.
#[test]
fn we_93_how_long_a_task_waits_for_an_instance() {
    for need in [301, 315, 330, 345, 359] {
        let rest =
            format!("{SERVICE}\ntimeline: [{{ at: {need}s, updateService: {{ service: web, desiredCount: 1 }} }}]");
        let run = provider("20m", "MinSize: 0, MaxSize: 10", "", "", &rest);
        let task = &run.tasks[0];
        let took = task.placed_at.expect("it is placed").since(task.created_at).as_seconds();
        assert!((120.0..=190.0).contains(&took), "{took} s, from {need}");
    }
    let chain = ", capacityProviderMetricDelay: 10s, alarmPhase: 15s, autoScalingGroupDelay: 0s, instanceLaunchTime: 20s, agentRegistrationTime: 40s";
    let rest = format!("{SERVICE}\ntimeline: [{{ at: 1s, updateService: {{ service: web, desiredCount: 1 }} }}]");
    let text = provider_text("20m", "MinSize: 0, MaxSize: 10", "", chain, &rest).replace("alarmPhase: 36s, ", "");
    let run = run(&text);
    let instance = &run.instances[0];
    assert_eq!(
        (instance.launched_at.as_seconds(), instance.registered_at.map(|it| it.as_seconds())),
        (75.0, Some(135.0))
    );
    let task = &run.tasks[0];
    let life = [task.placed_at, task.running_at].map(|it| it.expect("it comes so far").as_seconds());
    assert_eq!(life, [140.0, 143.0], "placed, and RUNNING");
}

/// 5.2: a scale-out stops a scale-in, and the fifteen minutes begin again.
#[test]
fn a_scale_out_stops_a_scale_in_which_waits_for_fifteen_minutes_again() {
    let rest = SERVICE.replace("desiredCount: 0", "desiredCount: 40")
        + "\ntimeline: [{ at: 5m, updateService: { service: web, desiredCount: 2 } }, { at: 22m, updateService: { service: web, desiredCount: 40 } }, { at: 30m, updateService: { service: web, desiredCount: 2 } }]";
    let run = provider("70m", "MinSize: 0, MaxSize: 40, DesiredCapacity: 20", "", "", &rest);
    let changes: Vec<(f64, String)> = said(&run, "group.desired_capacity")
        .into_iter()
        .map(|(at, words)| (at as f64 / 60.0, words.split(':').next().unwrap_or_default().to_owned()))
        .collect();
    assert!(changes[0].0 > 20.0 && changes[0].0 < 22.0, "{changes:?}");
    let out = changes.iter().find(|it| it.0 > 22.0 && it.1.contains("from")).expect("it grows again");
    let after = changes.iter().find(|it| it.0 > 31.0).expect("it goes in again");
    assert!(after.0 - 30.0 > 15.0, "{out:?} {after:?}");
    // Each minute at least one and less than half.
    let sizes = desired_capacities(&run);
    for pair in sizes.windows(2).filter(|it| it[1] < it[0]) {
        assert!(2 * (pair[0] - pair[1]) < pair[0] || pair[0] - pair[1] == 1, "{sizes:?}");
    }
}

/// ecs 6.2: tasks with a launch type are invisible to the provider; with managed scaling DISABLED a task does not wait in
/// PROVISIONING but fails to be placed.
#[test]
fn who_makes_a_group_grow_and_who_does_not() {
    let timeline = "timeline: [{ at: 5m, updateService: { service: web, desiredCount: 4 } }]";
    let launch_type = SERVICE.replace("capacityProviderStrategy: [{ capacityProvider: nodes }]", "launchType: EC2");
    let run_of = |managed: &str, service: &str| {
        provider("30m", "MinSize: 1, MaxSize: 10", managed, "", &format!("{service}\n{timeline}"))
    };
    let with = run_of("", SERVICE);
    assert_eq!(desired_capacities(&with), [1, 2]);
    let without = run_of("", &launch_type);
    assert_eq!(desired_capacities(&without), [1]);
    assert!(!said(&without, "service.task_placement_failure").is_empty());
    let text = provider_text("30m", "MinSize: 1, MaxSize: 10", "", "", &format!("{SERVICE}\n{timeline}"));
    let disabled = run(&text.replace("status: ENABLED", "status: DISABLED"));
    assert_eq!((desired_capacities(&disabled), disabled.tasks.len()), (vec![1], 2), "none waits in PROVISIONING");
    assert!(!said(&disabled, "service.task_placement_failure").is_empty());
}

/// ecs 6.6, the spread trap: below 100 % there is an empty instance, the next task goes to it, and so on until each is alone.
#[test]
fn the_spread_trap() {
    let small = |strategy: &str| {
        let timeline: Vec<String> = (1..6)
            .map(|it| format!("{{ at: {}m, updateService: {{ service: web, desiredCount: {} }} }}", 20 * it, 1 + it))
            .collect();
        let rest = format!(
            "services: {{ web: {{ taskDefinition: web, desiredCount: 1, capacityProviderStrategy: [{{ capacityProvider: nodes }}], placementStrategy: [{strategy}] }} }}
timeline: [{}]",
            timeline.join(", ")
        );
        let run = provider("130m", "MinSize: 0, MaxSize: 20, DesiredCapacity: 2", ", targetCapacity: 50", "", &rest);
        run.managed_scaling_minutes.last().map(|it| it.measured.used)
    };
    assert_eq!(small("{ type: spread, field: instanceId }"), Some(6));
    assert_eq!(small("{ type: binpack, field: cpu }"), Some(3));
}

/// 5.3: with managed termination protection only empty instances go, so one long task keeps its instance, and without it a busy
/// one may go.
#[test]
fn only_empty_instances_go_where_they_are_protected() {
    let rest = SERVICE
        .replace("desiredCount: 0", "desiredCount: 8, placementStrategy: [{ type: spread, field: instanceId }]")
        + "\ntimeline: [{ at: 5m, updateService: { service: web, desiredCount: 1 } }]";
    let text_of = |protection: &str| {
        format!(
            "duration: 1h
cluster: {{ availabilityZones: [us-east-1a] }}
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 0, MaxSize: 10, DesiredCapacity: 4, NewInstancesProtectedFromScaleIn: true }} }}
capacityProviders: {{ nodes: {{ autoScalingGroupProvider: {{ autoScalingGroupArn: nodes, managedTerminationProtection: {protection}, managedScaling: {{ status: ENABLED }} }} }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, cpu: 1024, memory: 512 }}] }} }}
{rest}"
        )
    };
    let protected = run(&text_of("ENABLED"));
    let left: Vec<_> = protected.instances.iter().filter(|it| it.terminated_at.is_none()).collect();
    assert_eq!(left.len(), 1);
    let survivors = protected.tasks.iter().filter(|it| it.stopped_at.is_none()).count();
    assert_eq!((survivors, protected.tasks.len()), (1, 8), "no task was moved");
}

/// 4.3: with weights, a decrement smaller than what the group has beyond its desired capacity does nothing.
#[test]
fn a_decrement_smaller_than_the_overshoot_does_nothing() {
    for policy in [
        "PolicyType: StepScaling, AdjustmentType: ChangeInCapacity, StepAdjustments: [{ MetricIntervalUpperBound: 0, ScalingAdjustment: -1 }]",
        "AdjustmentType: ChangeInCapacity, ScalingAdjustment: -1",
    ] {
        let run = run(&format!(
            "duration: 30m
autoScalingGroups:
  nodes:
    MinSize: 2
    MaxSize: 60
    DesiredCapacity: 30
    MixedInstancesPolicy: {{ LaunchTemplate: {{ Overrides: [{{ InstanceType: m5.2xlarge, WeightedCapacity: '4' }}] }} }}
metrics: {{ {} }}
alarms: {{ {} }}
scalingPolicies: {{ in: {{ AutoScalingGroupName: nodes, alarm: idle, {policy} }} }}
assumptions: {{ alarmPhase: 6s }}",
            metric("load", "{ at: 0s, value: 60 }, { at: 10m, value: 10 }"),
            alarm("idle", "LessThanThreshold", 50)
        ));
        assert_eq!(run.instances.len(), 8, "8 of 4 units are 32");
        assert_eq!(activities(&run), [], "{policy}");
        assert_eq!(not_scaled(&run, "AlreadyAtDesiredCapacity").len(), 1, "{policy}");
    }
}

/// WE-76, the Spot workshop: instances hold four tasks each; On-Demand weight 1 with a base of 2, Spot weight 3; 10 tasks, then 22.
#[test]
fn we_76_two_providers_of_one_service() {
    let group = |name: &str| format!("{name}: {{ InstanceType: m5.large, MinSize: 0, MaxSize: 20 }}");
    let provider = |name: &str| {
        format!(
            "{name}: {{ autoScalingGroupProvider: {{ autoScalingGroupArn: {name}, managedScaling: {{ status: ENABLED }} }} }}"
        )
    };
    let run = run(&format!(
        "duration: 50m
cluster: {{ availabilityZones: [us-east-1a] }}
autoScalingGroups: {{ {}, {} }}
capacityProviders: {{ {}, {} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, cpu: 512, memory: 512 }}] }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: 0, capacityProviderStrategy: [{{ capacityProvider: od, base: 2, weight: 1 }}, {{ capacityProvider: spot, weight: 3 }}] }} }}
timeline: [{{ at: 2m, updateService: {{ service: web, desiredCount: 10 }} }}, {{ at: 12m, updateService: {{ service: web, desiredCount: 22 }} }}]
assumptions: {{ alarmPhase: 36s }}",
        group("od"),
        group("spot"),
        provider("od"),
        provider("spot")
    ));
    let of = |minute: u64| {
        let rows = run.managed_scaling_minutes.iter().filter(|it| it.minute == minute);
        rows.map(|it| it.desired_capacity).collect::<Vec<_>>()
    };
    assert_eq!(of(10), [2, 2], "4 and 6 tasks");
    assert_eq!(of(25), [2, 4], "7 and 15 tasks");
    let first = |provider: usize| {
        run.managed_scaling_minutes
            .iter()
            .filter(|it| it.capacity_provider == provider && it.minute >= 12)
            .map(|it| it.measured.percent)
            .find(|it| *it > 100.0)
    };
    assert_eq!(first(1), Some(200.0), "M 4 over N 2");
}

/// 2.4.8 and *Task scale-in protection*: protected tasks are neither scaled in nor replaced by a deployment until it expires.
#[test]
fn protected_tasks_are_not_stopped_before_their_protection_expires() {
    let of = |protection: &str, change: &str| {
        let rest = format!("timeline: [{{ at: 5m, updateService: {{ service: web, {change} }} }}]");
        let text = service("1h", 4, &metric("load", "{ at: 0s, value: 0 }"), "", &rest);
        run(&text.replace("desiredCount: 4,", &format!("desiredCount: 4, {protection}")))
    };
    let stopped = |run: &Run| {
        let mut times: Vec<f64> = run.tasks.iter().filter_map(|it| Some(it.stopping_at?.as_seconds() / 60.0)).collect();
        times.sort_by(f64::total_cmp);
        times
    };
    let protection = "taskProtection: { expiresInMinutes: 30 },";
    let scaled = of(protection, "desiredCount: 1");
    assert_eq!(stopped(&scaled), [30.0; 3]);
    assert_eq!(
        said(&scaled, "service.unable_to_scale_in"),
        [(305, "(service web) was unable to scale in due to 4 tasks under protection.")]
    );
    assert!(stopped(&of("", "desiredCount: 1")).iter().all(|it| *it < 5.1));
    let deployed = of(protection, "forceNewDeployment: true");
    assert_eq!(stopped(&deployed), [30.0; 4]);
    assert_eq!(deployed.tasks.len(), 8, "the new ones run beside them");
    let without = of(&protection.replace("expiresIn", "protectionEnabled: false, expiresIn"), "desiredCount: 1");
    assert!(stopped(&without).iter().all(|it| *it < 5.1));
}

/// 2.4.5: policies are not coordinated but for their outcome. A high alarm that leads to no more than there is holds no other policy's
/// scale-in back.
#[test]
fn a_scale_out_that_leads_nowhere_holds_no_scale_in_back() {
    let metrics =
        [metric("load", "{ at: 0s, value: 60 }"), metric("idle", "{ at: 0s, value: 9 }, { at: 10m, value: 1 }")];
    let rest = format!(
        "{}
alarms: {{ few: {{ Namespace: Custom, MetricName: idle, Statistic: Average, Period: 60, EvaluationPeriods: 1, Threshold: 5, ComparisonOperator: LessThanThreshold }} }}
scalingPolicies: {{ {}, {} }}",
        target(1, 10),
        tracking("track", "load", ""),
        step("in", "few", "ChangeInCapacity", "MetricIntervalUpperBound", -2)
    );
    let run = run(&service("12m", 10, &metrics.join(", "), "", &rest));
    let at_most = run.scaling_activities.iter().any(|it| it.not_scaled_reason == Some("AlreadyAtMaxCapacity"));
    assert!(at_most, "the high alarm acts in the same second each minute");
    assert_eq!(activities(&run)[0], (minute(11), 10, 8));
}

/// Of the ECS reference: 500 launches a minute and service.
#[test]
fn we_89_1200_tasks_are_launched_by_the_third_minute() {
    let run = run("duration: 20m
instanceTypes: { huge: { vcpu: 96, memory: 384GiB, networkInterfaces: 15 } }
autoScalingGroups: { nodes: { InstanceType: huge, MinSize: 4, MaxSize: 4 } }
taskDefinitions: { small: { containerDefinitions: [{ name: small, image: small, cpu: 0, memory: 16 }] } }
applications: { small: { startTime: 1s, image: { size: 1MB } } }
services: { small: { taskDefinition: small, desiredCount: 0, launchType: EC2 } }
timeline: [{ at: 5m, updateService: { service: small, desiredCount: 1200 } }]");
    let mut minutes = [0; 20];
    for at in run.tasks.iter().filter_map(|it| it.placed_at) {
        minutes[(at.as_seconds() / 60.0) as usize] += 1;
    }
    assert_eq!(minutes[5..9], [500, 500, 200, 0]);
}
