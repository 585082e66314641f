//! A group's own policies where its instances are not all alike: in a warm pool, in standby, of several weights, protected, or
//! impossible to launch.

use std::path::Path;

use plimsoll::engine::simulate;
use plimsoll::rng::Seed;
use plimsoll::run::{Run, ScalingActivity};
use plimsoll::scenario;

fn run(text: &str) -> Run {
    let story = scenario::read(Path::new("group.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
        .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    assert!(story.unsupported.is_empty(), "{}", story.unsupported.render(false));
    simulate(&story.variants[0], Seed { seed: 3, replication: 0 })
}

/// A group of m5.large with more fields, and a metric `load` that can be read at once; alarms are looked at 6 s after each minute.
fn group(size: u32, definition: &str, load: &str, rest: &str) -> String {
    format!(
        "duration: 2h
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 1, MaxSize: 8, DesiredCapacity: {size}{definition} }} }}
metrics: {{ load: {{ delay: 0s, steps: [{load}] }} }}
assumptions: {{ alarmPhase: 6s }}
{rest}"
    )
}

/// Target tracking of `load` at 50.
const TRACKING: &str = "scalingPolicies: { it: { AutoScalingGroupName: nodes, PolicyType: TargetTrackingScaling, \
    TargetTrackingConfiguration: { TargetValue: 50, CustomizedMetricSpecification: { Namespace: Custom, MetricName: load, Statistic: Average } } } }\n";

fn minute(minute: u32) -> f64 {
    f64::from(minute) * 60.0 + 6.0
}

/// Second, desired before and after of what was scaled.
fn activities(run: &Run) -> Vec<(f64, u32, u32)> {
    let scaled = run.scaling_activities.iter().filter(|it| it.status_code != "NotScaled");
    scaled.map(|it| (it.at.as_seconds(), it.from, it.to)).collect()
}

fn not_scaled<'r>(run: &'r Run, reason: &str) -> Vec<&'r ScalingActivity> {
    run.scaling_activities.iter().filter(|it| it.not_scaled_reason == Some(reason)).collect()
}

/// 4.2: only instances that are in service are the capacity that a policy starts from, and only they warm up.
#[test]
fn a_warm_pool_is_no_part_of_what_policies_scale() {
    let pool = ", WarmPoolConfiguration: { PoolState: Stopped, MaxGroupPreparedCapacity: 8 }";
    let idle = "{ at: 0s, value: 10 }";
    let of = |definition: &str| run(&group(6, definition, idle, TRACKING));
    let (with, without) = (of(pool), of(""));
    // 6 x 10 / 50 are 2, at most 49 % at once; then 4 x 10 / 50 are 1, two less at most and so on, 300 s apart.
    assert_eq!(activities(&without)[..2], [(minute(15), 6, 4), (minute(20), 4, 3)]);
    assert_eq!(activities(&with), activities(&without));
    assert_eq!(not_scaled(&with, "WarmingUp").len(), 0);
}

#[test]
fn what_stands_by_is_no_part_of_what_policies_scale() {
    let standby = "timeline: [{ at: 1m, enterStandby: { autoScalingGroup: nodes, count: 3, ShouldDecrementDesiredCapacity: true } }]\n";
    let run = run(&group(6, "", "{ at: 0s, value: 60 }", &format!("{TRACKING}{standby}")));
    // 3 in service x 60 / 50 are 4; that one does not change the metric, so 4 x 60 / 50 are 5 when it is warm, and so on.
    assert_eq!(activities(&run)[0], (minute(3), 3, 4));
}

/// *Suspend and resume Amazon EC2 Auto Scaling processes*: it stops "target tracking, step, and simple scaling policies", and what is
/// in breach when it is resumed is considered.
#[test]
fn policies_do_nothing_while_alarm_notification_is_suspended() {
    let suspend = "timeline: [{ at: 1m, suspendProcesses: { autoScalingGroup: nodes, ScalingProcesses: [AlarmNotification] } }, { at: 30m30s, resumeProcesses: { autoScalingGroup: nodes, ScalingProcesses: [AlarmNotification] } }]";
    let busy = "alarms: { busy: { Namespace: Custom, MetricName: load, Statistic: Average, EvaluationPeriods: 1, Threshold: 50, ComparisonOperator: GreaterThanThreshold } }";
    let step = "scalingPolicies: { it: { AutoScalingGroupName: nodes, PolicyType: StepScaling, AdjustmentType: ChangeInCapacity, StepAdjustments: [{ MetricIntervalLowerBound: 0, ScalingAdjustment: 1 }], alarm: busy } }";
    let simple = "scalingPolicies: { it: { AutoScalingGroupName: nodes, AdjustmentType: ChangeInCapacity, ScalingAdjustment: 1, alarm: busy } }";
    for (policies, first) in [
        (TRACKING.to_owned(), (minute(31), 4, 5)),
        (format!("{busy}\n{step}\n"), (minute(31), 4, 5)),
        (format!("{busy}\n{simple}\n"), (minute(31), 4, 5)),
    ] {
        let run = run(&group(4, "", "{ at: 0s, value: 60 }", &format!("{policies}{suspend}\n")));
        assert_eq!(activities(&run)[0], first, "{policies}");
        let [row] = not_scaled(&run, "AlarmNotificationSuspended")[..] else { panic!("said once: {policies}") };
        assert_eq!(row.rule, "no scale-out: the process AlarmNotification is suspended");
    }
}

/// The words of a scale-in say what the proportion calls for, and what of it may go at once.
#[test]
fn gradual_scale_in_has_its_arithmetic() {
    let run = run(&group(6, "", "{ at: 0s, value: 10 }", TRACKING));
    let row = run.scaling_activities.iter().find(|it| it.to < it.from).expect("it scales in");
    assert_eq!(row.rule, "6 warm x load 10 / 50 = 1.2, at most 2 fewer at once: 4");
    let busy = self::run(&group(4, "", "{ at: 0s, value: 75 }", TRACKING));
    assert_eq!(busy.scaling_activities[0].rule, "4 warm x load 75 / 50 = 6");
}

/// A scale-in alarm while nothing is warm: it is told as a scale-in that waits, and keeps no other policy from its own.
#[test]
fn scale_in_with_nothing_warm_is_no_scale_out() {
    let idle = "begin: cold
alarms: { idle: { Namespace: Custom, MetricName: load, Statistic: Average, EvaluationPeriods: 1, Threshold: 50, ComparisonOperator: LessThanThreshold } }";
    let step = "by-steps: { AutoScalingGroupName: nodes, PolicyType: StepScaling, AdjustmentType: ChangeInCapacity, EstimatedInstanceWarmup: 3600, StepAdjustments: [{ MetricIntervalUpperBound: 0, ScalingAdjustment: -1 }], alarm: idle }";
    let simple = "simply: { AutoScalingGroupName: nodes, AdjustmentType: ChangeInCapacity, ScalingAdjustment: -1, Cooldown: 9000, alarm: idle }";
    let of = |policies: &str| {
        let text = group(4, "", "{ at: 0s, value: 10 }", &format!("{idle}\nscalingPolicies: {{ {policies} }}\n"));
        run(&text.replace("duration: 2h", "duration: 50m"))
    };
    let alone = of(step);
    assert_eq!(activities(&alone), []);
    let [row] = not_scaled(&alone, "WarmingUp")[..] else { panic!("said once") };
    assert_eq!((row.rule.as_str(), alone.scaling_activities.len()), ("no scale-in: instances warm up (4)", 1));
    assert_eq!(activities(&of(&format!("{step}, {simple}"))), [(minute(1), 4, 3)]);
}

/// Second, desired before and after, status and seconds until the end of what simple scaling by `adjustment` did in twelve minutes,
/// with a cooldown of a minute, invoked each minute from the first on.
fn simply(
    definition: &str,
    adjustment: i32,
    more: &str,
    change: impl Fn(String) -> String,
) -> Vec<(f64, u32, u32, &'static str, Option<f64>)> {
    let rest = format!(
        "alarms: {{ busy: {{ Namespace: Custom, MetricName: load, Statistic: Average, EvaluationPeriods: 1, Threshold: 50, ComparisonOperator: GreaterThanThreshold }} }}
scalingPolicies: {{ it: {{ AutoScalingGroupName: nodes, AdjustmentType: ChangeInCapacity, ScalingAdjustment: {adjustment}, Cooldown: 60, alarm: busy }} }}
{more}"
    );
    let text = group(4, definition, "{ at: 0s, value: 60 }", &rest).replace("duration: 2h", "duration: 12m");
    let scaled = run(&change(text)).scaling_activities;
    let scaled = scaled.iter().filter(|it| it.status_code != "NotScaled");
    let lasts = |it: &ScalingActivity| it.ended_at.map(|ended| ended.since(it.at).as_seconds());
    scaled.map(|it| (it.at.as_seconds(), it.from, it.to, it.status_code, lasts(it))).collect()
}

fn of_weight_four(text: String) -> String {
    text.replace(
        "InstanceType: m5.large",
        "MixedInstancesPolicy: { LaunchTemplate: { Overrides: [{ InstanceType: m5.2xlarge, WeightedCapacity: '4' }] } }",
    )
}

/// 4.3: the cooldown begins when the last instance is in service, or when nothing can be done any more.
#[test]
fn simple_scaling_goes_on_whatever_becomes_of_its_activity() {
    // Two units more are one instance of four; the next two are there already.
    assert_eq!(
        simply("", 2, "", of_weight_four),
        [(minute(1), 4, 6, "Successful", Some(45.0)), (minute(3), 6, 8, "Successful", Some(10.0))]
    );
    // Nothing to launch: each fails at its first try.
    let in_one_zone = |available: u32| {
        format!(
            "cluster: {{ availabilityZones: [us-east-1a] }}\ncapacityPools: [{{ instanceType: m5.large, available: {available} }}]\n"
        )
    };
    let dry = simply("", 1, &in_one_zone(4), |it| it);
    let failed = |at: u32, from: u32| (minute(at), from, from + 1, "Failed", Some(10.0));
    assert_eq!(dry, [failed(1, 4), failed(3, 5), failed(5, 6), failed(7, 7)]);
    // One of two is there and the other is not: it has failed when the one is in service.
    let one_more = simply("", 2, &in_one_zone(5), |it| it);
    assert_eq!(one_more[0], (minute(1), 4, 6, "Failed", Some(45.0)));
    // All protected: the desired capacity is lowered, and nothing is terminated.
    let kept = simply(", NewInstancesProtectedFromScaleIn: true", -1, "", |it| it);
    let done = |at: u32, from: u32| (minute(at), from, from - 1, "Successful", Some(10.0));
    assert_eq!(kept, [done(1, 4), done(3, 3), done(5, 2)]);
    // A launch hook of a minute counts; one that is given up is a launch that failed.
    let hook = |result: &str| {
        let hook = format!(
            ", LifecycleHookSpecificationList: [{{ LifecycleHookName: prepare, LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING', completes: 60s, result: {result} }}]"
        );
        simply(&hook, 1, "", |it| it)
    };
    assert_eq!(
        hook("CONTINUE")[..2],
        [(minute(1), 4, 5, "Successful", Some(105.0)), (minute(4), 5, 6, "Successful", Some(105.0))]
    );
    assert_eq!(hook("ABANDON")[0], (minute(1), 4, 5, "Failed", Some(105.0)));
    // A process that is suspended, and a capacity that is set by hand while it is under way.
    let suspended = simply(", SuspendedProcesses: [Launch]", 1, "", |it| it);
    assert_eq!(
        suspended[..2],
        [(minute(1), 4, 5, "Cancelled", Some(10.0)), (minute(3), 5, 6, "Cancelled", Some(10.0))]
    );
    let by_hand = "timeline: [{ at: 80s, updateAutoScalingGroup: { autoScalingGroup: nodes, DesiredCapacity: 2 } }]\n";
    let overridden = simply("", 1, by_hand, |it| it);
    assert_eq!(overridden[0], (minute(1), 4, 5, "Overridden", Some(14.0)));
    assert_eq!(overridden[1].0, minute(3));
}

/// 4.3: with weights, a decrement that is smaller than what the group has too much does nothing.
#[test]
fn a_decrement_within_the_overshoot_of_weights_does_nothing() {
    // Two instances of four units each, for six.
    let six = |text: String| of_weight_four(text).replace("DesiredCapacity: 4", "DesiredCapacity: 6");
    assert_eq!(simply("", -1, "", six), []);
    // Three less of the eight that are there are five, and neither instance may go for that.
    assert_eq!(simply("", -3, "", six), [(minute(1), 6, 5, "Successful", Some(10.0))]);
}

/// W14, whenever in the minute the alarms are looked at: a metric may be of the minute before the last scale-in.
#[test]
fn w14_managed_scaling_goes_in_by_less_than_half_a_minute_at_every_phase() {
    for phase in [1, 6, 20, 29, 30, 31, 45, 59] {
        let run = run(&format!(
            "duration: 40m
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 0, MaxSize: 100, DesiredCapacity: 100, NewInstancesProtectedFromScaleIn: true }} }}
capacityProviders: {{ nodes: {{ autoScalingGroupProvider: {{ autoScalingGroupArn: nodes, managedScaling: {{ status: ENABLED }}, managedTerminationProtection: ENABLED }} }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, image: web, cpu: 2048, memory: 512 }}] }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: 100, capacityProviderStrategy: [{{ capacityProvider: nodes }}] }} }}
timeline: [{{ at: 5m, updateService: {{ service: web, desiredCount: 20 }} }}]
assumptions: {{ alarmPhase: {phase}s }}"
        ));
        let wanted = run.events.iter().filter(|it| it.kind == "group.desired_capacity");
        let path: Vec<&str> = wanted.map(|it| it.message.split(": ").next().expect("words")).collect();
        let steps =
            [(51, 100), (27, 51), (20, 27)].map(|(to, from)| format!("Setting desired capacity to {to}, from {from}"));
        assert_eq!(path, steps, "{phase} s");
    }
}

/// *Amazon CloudWatch metrics for Amazon EC2 Auto Scaling*: what is in the warm pool, in standby or waits for a launch hook is not in
/// service.
#[test]
fn metrics_of_a_group_go_by_the_state_of_its_instances() {
    let names = ["InService", "Pending", "Standby", "Terminating", "Total"];
    let alarms: Vec<String> = names
        .iter()
        .map(|it| format!("{it}: {{ Namespace: AWS/AutoScaling, MetricName: Group{it}Instances, Dimensions: [{{ Name: AutoScalingGroupName, Value: nodes }}], EvaluationPeriods: 1, Threshold: 1000, ComparisonOperator: GreaterThanThreshold }}"))
        .collect();
    let more = format!(
        "alarms: {{ {} }}
timeline: [{{ at: 70s, enterStandby: {{ autoScalingGroup: nodes, count: 1, ShouldDecrementDesiredCapacity: false }} }}, {{ at: 15m, updateAutoScalingGroup: {{ autoScalingGroup: nodes, DesiredCapacity: 2 }} }}]\n",
        alarms.join(", ")
    );
    let definition = ", WarmPoolConfiguration: { MaxGroupPreparedCapacity: 5 }, LifecycleHookSpecificationList: [{ LifecycleHookName: prepare, LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING', completes: 5m }, { LifecycleHookName: save, LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING', completes: 90s }]";
    let run = run(&group(3, definition, "{ at: 0s, value: 0 }", &more));
    // At the end of the minute.
    let at = |minute: u64| {
        let value = |name: &&str| {
            let name = format!("Group{name}Instances");
            let is_it = |it: &&plimsoll::run::MetricPoint| {
                it.metric.contains(&name) && it.at.as_seconds() == (minute * 60) as f64
            };
            run.metric_points.iter().find(is_it).expect("a point").value as u32
        };
        names.iter().map(value).collect::<Vec<u32>>()
    };
    assert_eq!(at(0), [3, 0, 0, 0, 3], "two more are in the pool");
    assert_eq!(at(3), [2, 1, 1, 0, 3], "one came out of the pool, and waits for its hook");
    assert_eq!(at(10), [3, 0, 1, 0, 3]);
    assert_eq!(at(15), [2, 0, 1, 1, 3]);
    assert_eq!(at(20), [2, 0, 1, 0, 2]);
}

/// Instances that are stopped have no CPU use, and those in standby are not what the load is on.
/// *Create a target tracking policy using high-resolution metrics for faster response*: periods of 10 and 30 s, looked at each 10 s.
#[test]
fn a_group_can_track_a_metric_of_10_or_30_seconds() {
    let of = |resolution: u32, rest: &str| {
        let policies = TRACKING.replace("Statistic: Average", &format!("Statistic: Average{rest}"));
        let text = group(2, "", "{ at: 0s, value: 50 }, { at: 10m, value: 100 }", &policies);
        run(&text.replace("delay: 0s,", &format!("delay: 2s, resolution: {resolution}s,")))
    };
    let first = |run: &Run| activities(run)[0];
    // Three periods beyond the target, two seconds until the last can be read, and the next look, each 10 s.
    assert_eq!(first(&of(10, ", Period: 10")), (636.0, 2, 4));
    assert_eq!(first(&of(30, ", Period: 30")), (696.0, 2, 4));
    assert_eq!(first(&of(10, ", Period: 60")), (786.0, 2, 4));
    assert_eq!(first(&of(10, "")), (786.0, 2, 4), "a minute where nothing is said");
    // In after 15 minutes of either.
    let falls = |period: u32| {
        let policies = TRACKING.replace("Statistic: Average", &format!("Statistic: Average, Period: {period}"));
        let text = group(4, "", "{ at: 0s, value: 50 }, { at: 10m, value: 10 }", &policies);
        first(&run(&text.replace("delay: 0s,", "delay: 2s, resolution: 10s,")))
    };
    assert_eq!((falls(10).1, falls(30).1), (4, 4));
    assert_eq!((falls(10).0, falls(30).0), (1506.0, 1506.0));
    let math = TRACKING.replace(
        "Namespace: Custom, MetricName: load, Statistic: Average",
        "Metrics: [{ Id: m, ReturnData: false, MetricStat: { Metric: { Namespace: Custom, MetricName: load }, Stat: Average, Period: 10 } }, { Id: e, Expression: m * 1, Period: 10 }]",
    );
    let text = group(2, "", "{ at: 0s, value: 50 }, { at: 10m, value: 100 }", &math);
    assert_eq!(first(&run(&text.replace("delay: 0s,", "delay: 2s, resolution: 10s,"))), (636.0, 2, 4));
}

#[test]
fn a_warm_pool_does_not_dilute_the_cpu_use_of_its_group() {
    let mean = |definition: &str| {
        let run = run(&format!(
            "duration: 10m
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 1, MaxSize: 8, DesiredCapacity: 2, InstanceMonitoring: {{ Enabled: true }}{definition} }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, image: web, cpu: 512, memory: 512, portMappings: [{{ containerPort: 80 }}] }}] }} }}
applications: {{ web: {{ startTime: 1s, cpuTime: 10ms }} }}
targetGroups: {{ web: {{}} }}
services: {{ web: {{ taskDefinition: web, desiredCount: 2, loadBalancers: [{{ targetGroupArn: web, containerName: web, containerPort: 80 }}] }} }}
workloads: {{ users: {{ service: web, arrivals: {{ constant: {{ rate: 40/s }} }} }} }}
alarms: {{ busy: {{ Namespace: AWS/EC2, MetricName: CPUUtilization, Dimensions: [{{ Name: AutoScalingGroupName, Value: nodes }}], Period: 60, EvaluationPeriods: 1, Threshold: 1000, ComparisonOperator: GreaterThanThreshold }} }}"
        ));
        let points = run.metric_points.iter().filter(|it| it.metric.contains("AWS/EC2 CPUUtilization"));
        let points: Vec<f64> = points.map(|it| it.value).collect();
        points.iter().sum::<f64>() / points.len() as f64
    };
    let without = mean("");
    // 0.4 of four vCPUs.
    assert!((without - 10.0).abs() < 0.5, "{without}");
    let with = mean(", WarmPoolConfiguration: { MaxGroupPreparedCapacity: 6 }");
    assert!((with - without).abs() < 0.1, "{with} {without}");
}

/// *Amazon CloudWatch metrics for Amazon EC2 Auto Scaling*: capacity counts units where instances have weights, and what is in the warm
/// pool has metrics of its own.
#[test]
fn capacity_of_a_group_and_of_its_warm_pool_can_be_watched() {
    let watched = |names: &[&str]| {
        let alarm = |it: &&str| {
            format!(
                "{it}: {{ Namespace: AWS/AutoScaling, MetricName: {it}, Dimensions: [{{ Name: AutoScalingGroupName, Value: nodes }}], EvaluationPeriods: 1, Threshold: 1000, ComparisonOperator: GreaterThanThreshold }}"
            )
        };
        format!("alarms: {{ {} }}\n", names.iter().map(alarm).collect::<Vec<_>>().join(", "))
    };
    let at = |run: &Run, names: &[&str], minute: u64| {
        let value = |name: &&str| {
            let is_it = |it: &&plimsoll::run::MetricPoint| {
                it.metric.contains(&format!(" {name} ")) && it.at.as_seconds() == (minute * 60) as f64
            };
            run.metric_points.iter().find(is_it).expect("a point").value as u32
        };
        names.iter().map(value).collect::<Vec<u32>>()
    };
    let units = [
        "GroupInServiceCapacity",
        "GroupPendingCapacity",
        "GroupStandbyCapacity",
        "GroupTerminatingCapacity",
        "GroupTotalCapacity",
        "GroupTotalInstances",
    ];
    let changes = "timeline: [{ at: 70s, enterStandby: { autoScalingGroup: nodes, count: 1, ShouldDecrementDesiredCapacity: true } }, { at: 5m, updateAutoScalingGroup: { autoScalingGroup: nodes, DesiredCapacity: 12 } }, { at: 15m, updateAutoScalingGroup: { autoScalingGroup: nodes, DesiredCapacity: 8 } }]\n";
    let hooks = ", LifecycleHookSpecificationList: [{ LifecycleHookName: prepare, LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING', completes: 5m }, { LifecycleHookName: save, LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING', completes: 90s }]";
    let weighted = of_weight_four(group(12, hooks, "{ at: 0s, value: 0 }", &(watched(&units) + changes)));
    let weighted = run(&weighted.replace("MaxSize: 8", "MaxSize: 20"));
    assert_eq!(at(&weighted, &units, 0), [12, 0, 0, 0, 12, 3]);
    assert_eq!(at(&weighted, &units, 3), [8, 0, 4, 0, 8, 2]);
    assert_eq!(at(&weighted, &units, 7), [8, 4, 4, 0, 12, 3]);
    assert_eq!(at(&weighted, &units, 15), [8, 0, 4, 4, 12, 3]);
    let pool = [
        "WarmPoolMinSize",
        "WarmPoolDesiredCapacity",
        "WarmPoolPendingCapacity",
        "WarmPoolWarmedCapacity",
        "WarmPoolTerminatingCapacity",
        "WarmPoolTotalCapacity",
        "GroupAndWarmPoolDesiredCapacity",
        "GroupAndWarmPoolTotalCapacity",
    ];
    let definition = format!(", WarmPoolConfiguration: {{ MaxGroupPreparedCapacity: 5, MinSize: 1 }}{hooks}");
    let changes = "timeline: [{ at: 5m, updateAutoScalingGroup: { autoScalingGroup: nodes, DesiredCapacity: 4 } }, { at: 20m, updateAutoScalingGroup: { autoScalingGroup: nodes, DesiredCapacity: 2 } }]\n";
    let warm = run(&group(3, &definition, "{ at: 0s, value: 0 }", &(watched(&pool) + changes)));
    assert_eq!(at(&warm, &pool, 0), [1, 2, 0, 2, 0, 2, 5, 5]);
    assert_eq!(at(&warm, &pool, 7), [1, 1, 0, 1, 0, 1, 5, 5]);
    // Three are wanted in the pool: two are launched for it, and wait for the hook.
    assert_eq!(at(&warm, &pool, 22), [1, 3, 2, 1, 0, 3, 5, 5]);
    assert_eq!(at(&warm, &pool, 30), [1, 3, 0, 3, 0, 3, 5, 5]);
}
