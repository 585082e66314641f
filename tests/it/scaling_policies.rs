//! Scaling policies of services and groups, by the worked examples of the scaling reference: on metrics that the scenario
//! supplies, so that each example's figures are exact.

use std::path::Path;

use plimsoll::engine::simulate;
use plimsoll::rng::Seed;
use plimsoll::run::{Run, ScalingActivity};
use plimsoll::scenario;

fn run(text: &str) -> Run {
    let story = scenario::read(Path::new("story.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
        .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    assert!(story.unsupported.is_empty(), "{}", story.unsupported.render(false));
    simulate(&story.variants[0], Seed { seed: 7, replication: 0 })
}

/// A service `web` on Fargate, and metrics that are readable at once and looked at 6 s after each minute.
fn service(duration: &str, tasks: u32, metrics: &str, rest: &str) -> String {
    format!(
        "duration: {duration}
taskDefinitions: {{ web: {{ networkMode: awsvpc, cpu: 256, memory: 512, requiresCompatibilities: [FARGATE], containerDefinitions: [{{ name: web }}] }} }}
applications: {{ web: {{ startTime: 1s, image: {{ size: 1MB }} }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: {tasks}, launchType: FARGATE, networkConfiguration: {{ awsvpcConfiguration: {{ subnets: [subnet-1] }} }} }} }}
metrics: {{ {metrics} }}
{rest}"
    )
}

/// A group of instances without tasks, and metrics of the same kind.
fn group(size: u32, definition: &str, metrics: &str, rest: &str) -> String {
    format!(
        "duration: 2h
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 2, MaxSize: 20, DesiredCapacity: {size}{definition} }} }}
metrics: {{ {metrics} }}
assumptions: {{ alarmPhase: 6s }}
{rest}"
    )
}

pub fn metric(name: &str, steps: &str) -> String {
    format!("{name}: {{ delay: 0s, steps: [{steps}] }}")
}

/// An alarm on one period of `load`.
pub fn alarm(name: &str, comparison: &str, threshold: u32) -> String {
    format!(
        "{name}: {{ Namespace: Custom, MetricName: load, Statistic: Average, Period: 60, EvaluationPeriods: 1, Threshold: {threshold}, ComparisonOperator: {comparison} }}"
    )
}

fn tracking(name: &str, metric: &str, target: u32, more: &str) -> String {
    format!(
        "{name}: {{ service: web, TargetTrackingScalingPolicyConfiguration: {{ TargetValue: {target}, CustomizedMetricSpecification: {{ Namespace: Custom, MetricName: {metric}, Statistic: Average }}{more} }} }}"
    )
}

/// Second, desired before and after of what was scaled.
pub fn activities(run: &Run) -> Vec<(f64, u32, u32)> {
    let scaled = run.scaling_activities.iter().filter(|it| it.status_code != "NotScaled");
    scaled.map(|it| (it.at.as_seconds(), it.from, it.to)).collect()
}

pub fn not_scaled<'r>(run: &'r Run, reason: &str) -> Vec<&'r ScalingActivity> {
    run.scaling_activities.iter().filter(|it| it.not_scaled_reason == Some(reason)).collect()
}

pub fn minute(minute: u32) -> f64 {
    f64::from(minute) * 60.0 + 6.0
}

const STEPS: &str = "StepAdjustments: [{ MetricIntervalLowerBound: 0, MetricIntervalUpperBound: 10, ScalingAdjustment: 2 }, \
                     { MetricIntervalLowerBound: 10, ScalingAdjustment: 3 }]";

#[test]
fn w8_what_a_cooldowns_activity_added_counts_as_part_of_the_next() {
    let load = metric(
        "load",
        "{ at: 0s, value: 0 }, { at: 10m, value: 55 }, { at: 12m, value: 65 }, { at: 14m, value: 55 }, { at: 15m, value: 0 }",
    );
    let rest = format!(
        "scalableTargets: {{ web: {{ MinCapacity: 1, MaxCapacity: 20 }} }}
alarms: {{ {} }}
scalingPolicies: {{ out: {{ service: web, alarm: busy, StepScalingPolicyConfiguration: {{ AdjustmentType: ChangeInCapacity, Cooldown: 300, {STEPS} }} }} }}
assumptions: {{ alarmPhase: 6s }}",
        alarm("busy", "GreaterThanOrEqualToThreshold", 50)
    );
    let run = run(&service("30m", 10, &load, &rest));
    assert_eq!(activities(&run), [(minute(11), 10, 12), (minute(13), 12, 13)]);
    assert!(run.scaling_activities.iter().filter(|it| it.to > it.from).all(|it| it.status_code == "Successful"));
}

#[test]
fn w9_what_warms_up_is_deducted_from_the_next_step() {
    let load = metric(
        "load",
        "{ at: 0s, value: 0 }, { at: 10m, value: 60 }, { at: 11m, value: 62 }, { at: 12m, value: 70 }, { at: 13m, value: 0 }",
    );
    let rest = format!(
        "alarms: {{ {} }}
scalingPolicies:
  out:
    AutoScalingGroupName: nodes
    PolicyType: StepScaling
    AdjustmentType: PercentChangeInCapacity
    EstimatedInstanceWarmup: 300
    StepAdjustments: [{{ MetricIntervalLowerBound: 0, MetricIntervalUpperBound: 10, ScalingAdjustment: 0 }}, {{ MetricIntervalLowerBound: 10, MetricIntervalUpperBound: 20, ScalingAdjustment: 10 }}, {{ MetricIntervalLowerBound: 20, ScalingAdjustment: 30 }}]
    alarm: busy",
        alarm("busy", "GreaterThanThreshold", 50)
    );
    let run = run(&group(10, "", &load, &rest));
    assert_eq!(activities(&run), [(minute(11), 10, 11), (minute(13), 11, 13)]);
    assert_eq!(not_scaled(&run, "AlreadyAtDesiredCapacity")[0].at.as_seconds(), minute(12));
}

#[test]
fn w19_a_desired_count_below_the_minimum() {
    let of = |policy: &str, comparison: &str, adjustment: i32, values: &str| {
        let rest = format!(
            "scalableTargets: {{ web: {{ MinCapacity: 2, MaxCapacity: 20 }} }}
alarms: {{ {} }}
scalingPolicies: {{ {policy}: {{ service: web, alarm: it, StepScalingPolicyConfiguration: {{ AdjustmentType: ChangeInCapacity, StepAdjustments: [{{ ScalingAdjustment: {adjustment}, {} }}] }} }} }}
timeline: [{{ at: 2m, updateService: {{ service: web, desiredCount: 1 }} }}]
assumptions: {{ alarmPhase: 6s }}",
            alarm("it", comparison, 50),
            if adjustment > 0 { "MetricIntervalLowerBound: 0" } else { "MetricIntervalUpperBound: 0" }
        );
        run(&service("30m", 2, &metric("load", values), &rest))
    };
    let out =
        of("out", "GreaterThanThreshold", 1, "{ at: 0s, value: 0 }, { at: 10m, value: 60 }, { at: 11m, value: 0 }");
    assert_eq!(activities(&out), [(minute(11), 1, 2)]);
    let inwards = of("in", "LessThanThreshold", -1, "{ at: 0s, value: 60 }, { at: 10m, value: 10 }");
    assert_eq!(activities(&inwards), []);
    assert_eq!(not_scaled(&inwards, "AlreadyAtMinCapacity").len(), 1);
}

#[test]
fn w20_several_policies_scale_out_by_the_largest_and_in_by_common_consent() {
    let of = |cpu: u32, memory: u32| {
        let metrics = format!(
            "{}, {}",
            metric("cpu", &format!("{{ at: 0s, value: 48 }}, {{ at: 10m, value: {cpu} }}")),
            metric("memory", &format!("{{ at: 0s, value: 68 }}, {{ at: 10m, value: {memory} }}"))
        );
        let rest = format!(
            "scalableTargets: {{ web: {{ MinCapacity: 1, MaxCapacity: 50 }} }}
scalingPolicies: {{ {}, {} }}
assumptions: {{ alarmPhase: 6s, scaleInMaxFraction: 1 }}",
            tracking("cpu", "cpu", 50, ""),
            tracking("memory", "memory", 70, "")
        );
        run(&service("26m", 10, &metrics, &rest))
    };
    assert_eq!(activities(&of(80, 77))[0], (minute(13), 10, 16));
    let not_ready = of(30, 65);
    assert_eq!(activities(&not_ready), []);
    assert_eq!(not_scaled(&not_ready, "PolicyNotReady")[0].at.as_seconds(), minute(25));
    assert_eq!(activities(&of(30, 56)), [(minute(25), 10, 8)]);
}

#[test]
fn w26_a_scale_out_ends_the_cooldown_of_a_scale_in() {
    let load = metric(
        "load",
        "{ at: 0s, value: 40 }, { at: 10m, value: 10 }, { at: 11m, value: 40 }, { at: 12m, value: 60 }, { at: 13m, value: 10 }, { at: 14m, value: 40 }",
    );
    let policy = |name: &str, alarm: &str, adjustment: i32, bound: &str, cooldown: u32| {
        format!(
            "{name}: {{ service: web, alarm: {alarm}, StepScalingPolicyConfiguration: {{ AdjustmentType: ChangeInCapacity, Cooldown: {cooldown}, StepAdjustments: [{{ ScalingAdjustment: {adjustment}, {bound}: 0 }}] }} }}"
        )
    };
    let rest = format!(
        "scalableTargets: {{ web: {{ MinCapacity: 1, MaxCapacity: 20 }} }}
alarms: {{ {}, {} }}
scalingPolicies: {{ {}, {} }}
assumptions: {{ alarmPhase: 6s }}",
        alarm("busy", "GreaterThanThreshold", 50),
        alarm("idle", "LessThanThreshold", 20),
        policy("out", "busy", 2, "MetricIntervalLowerBound", 300),
        policy("in", "idle", -1, "MetricIntervalUpperBound", 300)
    );
    let run = run(&service("30m", 10, &load, &rest));
    assert_eq!(activities(&run), [(minute(11), 10, 9), (minute(13), 9, 11), (minute(14), 11, 10)]);
}

#[test]
fn w28_scale_in_is_gradual() {
    let of = |fraction: f64| {
        let load = metric("load", "{ at: 0s, value: 48 }, { at: 10m, value: 10 }");
        let rest = format!(
            "scalableTargets: {{ web: {{ MinCapacity: 2, MaxCapacity: 20 }} }}
scalingPolicies: {{ {} }}
assumptions: {{ alarmPhase: 6s, cooldownStart: set, scaleInMaxFraction: {fraction} }}",
            tracking("it", "load", 50, ", ScaleInCooldown: 300")
        );
        activities(&run(&service("90m", 10, &load, &rest)))
    };
    let begin = minute(25);
    let expected: Vec<(f64, u32, u32)> = (0..8).map(|it| (begin + 300.0 * f64::from(it), 10 - it, 9 - it)).collect();
    assert_eq!(of(0.1), expected);
    assert_eq!(of(1.0), [(begin, 10, 2)]);
}

#[test]
fn w29_an_alarm_that_stays_does_not_scale_out_twice() {
    let load = metric("load", "{ at: 0s, value: 48 }, { at: 10m, value: 75 }, { at: 15m, value: 50 }");
    let rest = format!(
        "scalableTargets: {{ web: {{ MinCapacity: 2, MaxCapacity: 90 }} }}
scalingPolicies: {{ {} }}
assumptions: {{ alarmPhase: 6s, fargateProvisioningTime: 120s, fargateVcpuQuota: 100 }}",
        tracking("it", "load", 50, ", ScaleOutCooldown: 300")
    );
    let run = run(&service("30m", 10, &load, &rest));
    assert_eq!(activities(&run), [(minute(13), 10, 15)]);
    let again = not_scaled(&run, "AlreadyAtDesiredCapacity");
    assert_eq!(again.iter().map(|it| it.at.as_seconds()).collect::<Vec<_>>(), [minute(14)], "said once");
    assert_eq!((again[0].base, again[0].metric), (Some(10), Some(75.0)));
    let end = run.scaling_activities[0].ended_at.expect("it ends").as_seconds() - minute(13);
    assert!((120.0..180.0).contains(&end), "fulfilled after {end} s");
}

#[test]
fn what_is_suspended_comes_back_at_the_next_invocation_and_schedules_are_lost() {
    let load = metric("load", "{ at: 0s, value: 48 }, { at: 10m, value: 75 }, { at: 34m, value: 50 }");
    let rest = format!(
        "start: 2026-01-05T00:00:00Z
scalableTargets: {{ web: {{ MinCapacity: 2, MaxCapacity: 90, SuspendedState: {{ DynamicScalingOutSuspended: true, ScheduledScalingSuspended: true }} }} }}
scalingPolicies: {{ {} }}
scheduledActions: {{ lost: {{ service: web, Schedule: 'at(2026-01-05T00:20:00)', ScalableTargetAction: {{ MinCapacity: 40 }} }} }}
timeline: [{{ at: 30m, registerScalableTarget: {{ service: web, MinCapacity: 12, SuspendedState: {{ DynamicScalingOutSuspended: false, ScheduledScalingSuspended: false }} }} }}]
assumptions: {{ alarmPhase: 6s }}",
        tracking("it", "load", 50, "")
    );
    let run = run(&service("1h", 10, &load, &rest));
    assert_eq!(activities(&run)[..2], [(1800.0, 10, 12), (minute(30), 12, 15)]);
    assert_eq!(not_scaled(&run, "DynamicScalingOutSuspended")[0].at.as_seconds(), minute(13));
    assert_eq!(not_scaled(&run, "ScheduledScalingSuspended").len(), 1);
    assert_eq!(
        run.scaling_activities.iter().find(|it| it.cause == "RegisterScalableTarget").map(|it| it.status_code),
        Some("Overridden")
    );
}

fn group_tracking(more: &str) -> String {
    format!(
        "scalingPolicies: {{ it: {{ AutoScalingGroupName: nodes, PolicyType: TargetTrackingScaling, TargetTrackingConfiguration: {{ TargetValue: 50, CustomizedMetricSpecification: {{ Namespace: Custom, MetricName: load, Statistic: Average }} }}{more} }} }}"
    )
}

#[test]
fn target_tracking_of_a_group_starts_from_warm_instances_and_waits_for_those_that_are_not() {
    let load = metric("load", "{ at: 0s, value: 40 }, { at: 10m, value: 75 }, { at: 16m, value: 20 }");
    let run = run(&group(4, "", &load, &group_tracking("")));
    // 4 x 75 / 50 are 6, also as long as those two warm up; then 6 x 20 / 50 are 3, at most 49 % at once: two less.
    let activities = activities(&run);
    assert_eq!(activities[..2], [(minute(13), 4, 6), (minute(31), 6, 4)]);
    // The default cooldown of 300 s lies between scale-ins without a warm-up of the group's own.
    assert_eq!(activities[2..], [(minute(36), 4, 3), (minute(41), 3, 2)]);
    let alarms = run.alarm_changes.iter().find(|it| it.to == "ALARM" && it.alarm.contains("AlarmLow"));
    assert_eq!(alarms.and_then(|it| it.threshold), Some(35.0));
}

#[test]
fn simple_scaling_waits_for_its_activity_and_its_cooldown() {
    let load = metric("load", "{ at: 0s, value: 0 }, { at: 10m, value: 60 }, { at: 25m, value: 0 }");
    let rest = format!(
        "alarms: {{ {} }}
scalingPolicies: {{ one-more: {{ AutoScalingGroupName: nodes, AdjustmentType: ChangeInCapacity, ScalingAdjustment: 1, Cooldown: 200, alarm: busy }} }}",
        alarm("busy", "GreaterThanThreshold", 50)
    );
    let run = run(&group(4, "", &load, &rest));
    // 10 s until it launches, 35 s until it is in service, and 200 s: the first invocation after 245 s comes after 300.
    assert_eq!(activities(&run), [(minute(11), 4, 5), (minute(16), 5, 6), (minute(21), 6, 7)]);
    let ends: Vec<f64> = run
        .scaling_activities
        .iter()
        .filter(|it| it.to > it.from)
        .filter_map(|it| Some(it.ended_at?.since(it.at).as_seconds()))
        .collect();
    assert_eq!(ends, [45.0, 45.0, 45.0]);
}

#[test]
fn without_detailed_monitoring_a_group_looks_at_five_minutes_at_a_time() {
    let of = |monitoring: bool| {
        let definition = format!(", InstanceMonitoring: {{ Enabled: {monitoring} }}");
        let policy = "scalingPolicies: { it: { AutoScalingGroupName: nodes, PolicyType: TargetTrackingScaling, TargetTrackingConfiguration: { TargetValue: 50, PredefinedMetricSpecification: { PredefinedMetricType: ASGAverageCPUUtilization } } } }";
        let text = group(4, &definition, "", policy).replace("metrics: {  }\n", "");
        run(&text).alarm_changes.iter().find(|it| it.to == "ALARM").map(|it| it.at.as_seconds())
    };
    let (detailed, basic) = (of(true).expect("idle"), of(false).expect("idle"));
    assert!((900.0..1100.0).contains(&detailed), "{detailed}");
    assert!((4500.0..4900.0).contains(&basic), "{basic}");
}

/// A service of tasks with half a vCPU each, under a load that needs some of them.
fn predictive(duration: &str, rate: u32, configuration: &str, more: &str) -> Run {
    run(&format!(
        "duration: {duration}
taskDefinitions: {{ web: {{ networkMode: awsvpc, cpu: 256, memory: 512, requiresCompatibilities: [FARGATE], containerDefinitions: [{{ name: web, portMappings: [{{ containerPort: 80 }}] }}] }} }}
applications: {{ web: {{ startTime: 1s, cpuTime: 10ms }} }}
targetGroups: {{ web: {{ TargetType: ip }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: 4, launchType: FARGATE, networkConfiguration: {{ awsvpcConfiguration: {{ subnets: [subnet-1] }} }}, loadBalancers: [{{ targetGroupArn: web, containerName: web, containerPort: 80 }}] }} }}
workloads: {{ users: {{ service: web, arrivals: {{ constant: {{ rate: {rate}/s }} }} }} }}
scalableTargets: {{ web: {{ MinCapacity: 2, MaxCapacity: 40 }} }}
scalingPolicies: {{ foresee: {{ service: web, PredictiveScalingPolicyConfiguration: {{ MetricSpecifications: [{{ TargetValue: 50, PredefinedMetricPairSpecification: {{ PredefinedMetricType: ECSServiceCPUUtilization }} }}], {configuration} }} }} }}
assumptions: {{ fargateVcpuQuota: 100, alarmPhase: 6s{more} }}"
    ))
}

/// Loads of two days, 200 but in the third hour.
fn two_days(third: u32) -> String {
    let hours: Vec<String> = (0..48).map(|it| if it % 24 == 2 { third } else { 200 }.to_string()).collect();
    format!("history: {{ values: [{}] }}", hours.join(", "))
}

#[test]
fn w23_capacity_is_there_five_minutes_before_its_hour_and_beyond_the_maximum_where_it_may() {
    let scale = |more: &str, third: u32| {
        predictive("4h", 20, &format!("Mode: ForecastAndScale, {}{more}", two_days(third)), "")
    };
    let run = scale("", 500);
    assert_eq!(activities(&run), [(6900.0, 4, 10)], "02:00 less 300 s, and no scale-in after it");
    let of = |run: &Run| run.forecast_hours.iter().map(|it| it.forecast_capacity).collect::<Vec<_>>();
    assert_eq!(of(&run)[..4], [Some(4), Some(4), Some(10), Some(4)]);
    assert_eq!(activities(&scale("", 2500)), [(6900.0, 4, 40)], "at most the maximum");
    let increase = ", MaxCapacityBreachBehavior: IncreaseMaxCapacity, MaxCapacityBuffer: 10";
    assert_eq!(activities(&scale(increase, 2500)), [(6900.0, 4, 50)]);
    let only = predictive("4h", 20, &two_days(500), "");
    assert_eq!(activities(&only), []);
    assert_eq!(of(&only), of(&run));
    // 20 requests a second of 10 ms are a fifth of a vCPU, 80 % of a task with a quarter of one.
    let load = run.forecast_hours[0].load.expect("an hour has passed");
    assert!((load - 80.0).abs() < 4.0, "{load}");
}

#[test]
fn a_forecast_needs_a_day_and_learns_from_what_is_simulated() {
    let run = predictive("33h", 20, "Mode: ForecastOnly", "");
    let known: Vec<bool> = run.forecast_hours.iter().map(|it| it.forecast_load.is_some()).collect();
    assert_eq!(known.iter().position(|it| *it), Some(24));
    let (forecast, load) = (run.forecast_hours[30].forecast_load, run.forecast_hours[6].load);
    assert!((forecast.expect("known") - load.expect("passed")).abs() < 1e-9);
}

/// *Step scaling policies*: the aggregation type is applied to the most recent datapoints of the alarm.
#[test]
fn steps_are_chosen_by_the_aggregated_datapoints_of_the_alarm() {
    let load = metric(
        "load",
        "{ at: 0s, value: 0 }, { at: 10m, value: 52 }, { at: 11m, value: 55 }, { at: 12m, value: 79 }, { at: 13m, value: 0 }",
    );
    let of = |configuration: &str, assumptions: &str| {
        let rest = format!(
            "scalableTargets: {{ web: {{ MinCapacity: 1, MaxCapacity: 20 }} }}
alarms: {{ busy: {{ Namespace: Custom, MetricName: load, Statistic: Average, EvaluationPeriods: 3, Threshold: 50, ComparisonOperator: GreaterThanThreshold }} }}
scalingPolicies: {{ out: {{ service: web, alarm: busy, StepScalingPolicyConfiguration: {{ AdjustmentType: ChangeInCapacity, {configuration}StepAdjustments: [{{ MetricIntervalLowerBound: 0, MetricIntervalUpperBound: 10, ScalingAdjustment: 1 }}, {{ MetricIntervalLowerBound: 10, MetricIntervalUpperBound: 20, ScalingAdjustment: 2 }}, {{ MetricIntervalLowerBound: 20, ScalingAdjustment: 3 }}] }} }} }}
assumptions: {{ alarmPhase: 6s{assumptions} }}"
        );
        activities(&run(&service("20m", 10, &load, &rest)))
    };
    // 52, 55 and 79: their mean is 62.
    assert_eq!(of("", ""), [(minute(13), 10, 12)]);
    assert_eq!(of("MetricAggregationType: Average, ", ""), [(minute(13), 10, 12)]);
    assert_eq!(of("MetricAggregationType: Minimum, ", ""), [(minute(13), 10, 11)]);
    assert_eq!(of("MetricAggregationType: Maximum, ", ""), [(minute(13), 10, 13)]);
    assert_eq!(of("MetricAggregationType: Minimum, ", ", stepScalingDatapoints: newest"), [(minute(13), 10, 13)]);
}

#[test]
fn a_group_s_steps_are_chosen_so_as_well() {
    let load =
        metric("load", "{ at: 0s, value: 0 }, { at: 10m, value: 52 }, { at: 11m, value: 75 }, { at: 12m, value: 0 }");
    let of = |aggregation: &str| {
        let rest = format!(
            "alarms: {{ busy: {{ Namespace: Custom, MetricName: load, Statistic: Average, EvaluationPeriods: 2, Threshold: 50, ComparisonOperator: GreaterThanThreshold }} }}
scalingPolicies: {{ out: {{ AutoScalingGroupName: nodes, PolicyType: StepScaling, AdjustmentType: ChangeInCapacity, MetricAggregationType: {aggregation}, {STEPS}, alarm: busy }} }}"
        );
        activities(&run(&group(4, "", &load, &rest)))
    };
    assert_eq!(of("Average"), [(minute(12), 4, 7)], "63.5 is in the upper step");
    assert_eq!(of("Minimum"), [(minute(12), 4, 6)]);
}

/// 2.6: no step covers the value, or an alarm that breaches by missing data has none: nothing is done, and it is said why.
#[test]
fn a_step_policy_without_a_step_for_the_value_says_so() {
    let of = |treatment: &str, values: &str| {
        let rest = format!(
            "scalableTargets: {{ web: {{ MinCapacity: 1, MaxCapacity: 20 }} }}
alarms: {{ idle: {{ Namespace: Custom, MetricName: load, Statistic: Average, EvaluationPeriods: 1, Threshold: 50, ComparisonOperator: LessThanThreshold, TreatMissingData: {treatment} }} }}
scalingPolicies: {{ out: {{ service: web, alarm: idle, StepScalingPolicyConfiguration: {{ AdjustmentType: ChangeInCapacity, {STEPS} }} }} }}
assumptions: {{ alarmPhase: 6s }}"
        );
        run(&service("20m", 10, &metric("load", values), &rest))
    };
    let uncovered = of("missing", "{ at: 0s, value: 60 }, { at: 10m, value: 30 }");
    let [row] = not_scaled(&uncovered, "NoStepAdjustment")[..] else { panic!("said once") };
    assert_eq!((row.at.as_seconds(), row.from, row.to, row.metric), (minute(11), 10, 10, Some(30.0)));
    assert_eq!(row.rule, "no scale-in: no step adjustment covers the value (30 is -20 from the threshold 50)");
    let missing = of("breaching", "{ at: 0s, value: 60 }, { at: 10m }");
    assert_eq!((activities(&missing).len(), not_scaled(&missing, "NoDatapoint").len()), (0, 1));
    let rest = format!(
        "alarms: {{ {} }}
scalingPolicies: {{ out: {{ AutoScalingGroupName: nodes, PolicyType: StepScaling, AdjustmentType: ChangeInCapacity, {STEPS}, alarm: idle }} }}",
        alarm("idle", "LessThanThreshold", 50)
    );
    let of_group = run(&group(4, "", &metric("load", "{ at: 0s, value: 60 }, { at: 10m, value: 30 }"), &rest));
    assert_eq!(not_scaled(&of_group, "NoStepAdjustment").len(), 1);
}

/// *Service auto scaling*: from 0 the least possible step is taken, then scaling resumes from the running count, which a
/// cooldown holds no scale-out back from that is larger.
#[test]
fn from_nothing_scaling_resumes_from_the_running_count() {
    let rest = format!(
        "scalableTargets: {{ web: {{ MinCapacity: 0, MaxCapacity: 20 }} }}
scalingPolicies: {{ {} }}
assumptions: {{ alarmPhase: 6s, fargateVcpuQuota: 100 }}",
        tracking("it", "load", 50, "")
    );
    let load = metric("load", "{ at: 0s, value: 0 }, { at: 10m, value: 500 }");
    let run = run(&service("30m", 0, &load, &rest));
    let [first, second, ..] = activities(&run)[..] else { panic!("{:?}", activities(&run)) };
    assert_eq!(first, (minute(13), 0, 1));
    assert_eq!((second.1, second.2), (1, 10), "1 running at ten times the target");
    assert!(second.0 - first.0 < 300.0, "within the cooldown, at {} s", second.0);
}

/// *Step scaling policies*: a policy goes on responding while an activity is in progress, which target tracking does not scale
/// in beside.
#[test]
fn steps_go_in_while_a_scale_out_is_in_progress() {
    let of = |inwards: &str| {
        // Tasks that take half an hour to come up, so that the scale-out at minute 6 is in progress for ten minutes.
        let load = metric("load", "{ at: 0s, value: 40 }, { at: 5m, value: 60 }, { at: 6m, value: 20 }");
        let rest = format!(
            "scalableTargets: {{ web: {{ MinCapacity: 1, MaxCapacity: 40 }} }}
alarms: {{ {}, {} }}
scalingPolicies:
  out: {{ service: web, alarm: hot, StepScalingPolicyConfiguration: {{ AdjustmentType: ChangeInCapacity, Cooldown: 0, StepAdjustments: [{{ MetricIntervalLowerBound: 0, ScalingAdjustment: 4 }}] }} }}
  {inwards}
assumptions: {{ alarmPhase: 6s, fargateVcpuQuota: 100, fargateProvisioningTime: 30m }}",
            alarm("hot", "GreaterThanThreshold", 50),
            alarm("cold", "LessThanThreshold", 30)
        );
        run(&service("25m", 10, &load, &rest))
    };
    let by_steps = of(
        "in: { service: web, alarm: cold, StepScalingPolicyConfiguration: { AdjustmentType: ChangeInCapacity, Cooldown: 0, StepAdjustments: [{ MetricIntervalUpperBound: 0, ScalingAdjustment: -1 }] } }",
    );
    assert_eq!(activities(&by_steps)[..2], [(minute(6), 10, 14), (minute(7), 14, 9)]);
    let overridden = by_steps.scaling_activities.iter().find(|it| it.to == 14).expect("the scale-out");
    assert_eq!(overridden.status_code, "Overridden");
    let by_tracking = of(&tracking("tracked", "load", 100, ""));
    assert_eq!(activities(&by_tracking)[0], (minute(6), 10, 14));
    assert!(activities(&by_tracking)[1].0 >= 16.0 * 60.0, "{:?}", activities(&by_tracking));
    assert_eq!(not_scaled(&by_tracking, "ActivityInProgress").len(), 1);
}

/// The figures of an activity hold: what was computed, and the limit that was laid on it.
#[test]
fn figures_say_what_was_computed_and_what_was_made_of_it() {
    let of = |tasks: u32, target: &str, load: &str| {
        let rest = format!(
            "scalableTargets: {{ web: {{ {target} }} }}
scalingPolicies: {{ {} }}
assumptions: {{ alarmPhase: 6s, fargateVcpuQuota: 100 }}",
            tracking("it", "load", 50, "")
        );
        run(&service("30m", tasks, &metric("load", load), &rest))
    };
    let rule = |run: &Run| run.scaling_activities[0].rule.clone();
    let gradual = of(10, "MinCapacity: 2, MaxCapacity: 20", "{ at: 0s, value: 12 }");
    assert_eq!(rule(&gradual), "10 running x load 12 / 50 = 2.4, at most 1 fewer at once: 9");
    let by_one = of(10, "MinCapacity: 2, MaxCapacity: 20", "{ at: 0s, value: 44 }");
    assert_eq!(rule(&by_one), "10 running x load 44 / 50 = 9");
    let from_nothing = of(0, "MinCapacity: 0, MaxCapacity: 20", "{ at: 0s, value: 500 }");
    assert_eq!(rule(&from_nothing), "0 running, load 500 / 50: the least step, to 1");
    let nothing = of(0, "MinCapacity: 0, MaxCapacity: 20", "{ at: 0s, value: 0 }");
    assert_eq!(rule(&nothing), "no scale-in: AlreadyAtMinCapacity 0");
    let out = of(10, "MinCapacity: 2, MaxCapacity: 20", "{ at: 0s, value: 62 }");
    assert_eq!(rule(&out), "10 running x load 62 / 50 = 13");
}

/// Where steps and target tracking both scale in, the larger capacity wins, and is its policy's.
#[test]
fn a_scale_in_is_the_winner_s() {
    let of = |adjustment: i32| {
        let rest = format!(
            "scalableTargets: {{ web: {{ MinCapacity: 1, MaxCapacity: 40 }} }}
alarms: {{ cold: {{ Namespace: Custom, MetricName: load, EvaluationPeriods: 15, Threshold: 30, ComparisonOperator: LessThanThreshold }} }}
scalingPolicies:
  steps: {{ service: web, alarm: cold, StepScalingPolicyConfiguration: {{ AdjustmentType: ChangeInCapacity, Cooldown: 60, StepAdjustments: [{{ MetricIntervalUpperBound: 0, ScalingAdjustment: {adjustment} }}] }} }}
  {}
assumptions: {{ alarmPhase: 6s, fargateVcpuQuota: 100, scaleInMaxFraction: 0.3 }}",
            tracking("tracked", "load", 50, "")
        );
        let run = run(&service("20m", 10, &metric("load", "{ at: 0s, value: 12 }"), &rest));
        let first = &run.scaling_activities[0];
        (first.cause.clone(), first.to, first.rule.clone())
    };
    let tracked = "10 running x load 12 / 50 = 2.4, at most 3 fewer at once: 7";
    assert_eq!(of(-5), ("tracked".to_owned(), 7, tracked.to_owned()));
    assert_eq!(of(-2), ("steps".to_owned(), 8, "load 12 is -18 from the threshold 30: 10 running to 8".to_owned()));
}
