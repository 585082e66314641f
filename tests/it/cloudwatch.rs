//! CloudWatch: which metrics there are and when, what alarms make of them, and what it costs.

use std::path::Path;

use plimsoll::engine::simulate;
use plimsoll::report;
use plimsoll::rng::Seed;
use plimsoll::run::{AlarmChange, MetricPoint, Run};
use plimsoll::scenario;

fn run(text: &str) -> Run {
    let story = scenario::read(Path::new("story.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
        .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    assert!(story.unsupported.is_empty(), "{}", story.unsupported.render(false));
    simulate(&story.variants[0], Seed { seed: 7, replication: 0 })
}

/// A service `web` of tasks with a vCPU each, which handle a request in 10 ms of CPU time.
fn web(tasks: u32, steps: &str, rest: &str) -> String {
    format!(
        r#"
autoScalingGroups: {{ nodes: {{ InstanceType: m5.2xlarge, MinSize: 4, MaxSize: 4 }} }}
taskDefinitions: {{ web: {{ cpu: 1024, memory: 1024, containerDefinitions: [{{ name: web, memory: 1024, portMappings: [{{ containerPort: 80 }}] }}] }} }}
applications: {{ web: {{ cpuTime: 10ms, memory: {{ base: 512MiB }} }} }}
targetGroups: {{ web: {{}} }}
workloads: {{ users: {{ service: web, arrivals: {{ steps: [{steps}] }} }} }}
services:
  web:
    taskDefinition: web
    desiredCount: {tasks}
    loadBalancers: [{{ targetGroupArn: web, containerName: web, containerPort: 80 }}]
    monitoring: {{ metricConfigurations: [{{ metricNames: [CPUUtilization, MemoryUtilization], resolutionSeconds: 20 }}] }}
{rest}
"#
    )
}

fn changes<'r>(run: &'r Run, alarm: &str) -> Vec<&'r AlarmChange> {
    run.alarm_changes.iter().filter(|it| it.alarm.contains(alarm)).collect()
}

/// When an alarm came to a state for the first time, s.
fn first(run: &Run, alarm: &str, state: &str) -> f64 {
    let change = changes(run, alarm).into_iter().find(|it| it.to == state);
    change.unwrap_or_else(|| panic!("{alarm} is never {state}")).at.as_seconds()
}

fn points<'r>(run: &'r Run, metric: &str) -> Vec<&'r MetricPoint> {
    run.metric_points.iter().filter(|it| it.metric.contains(metric)).collect()
}

fn activities(run: &Run) -> Vec<(f64, &str)> {
    let activities = run.events.iter().filter(|it| it.kind == "scaling.activity");
    activities.map(|it| (it.at.as_seconds(), it.message.as_str())).collect()
}

const TARGET: &str = "scalableTargets: { web: { MinCapacity: 1, MaxCapacity: 20 } }";

fn tracking(metric: &str) -> String {
    format!(
        "{TARGET}
scalingPolicies: {{ cpu: {{ service: web, TargetTrackingScalingPolicyConfiguration: {{ TargetValue: 50, PredefinedMetricSpecification: {{ PredefinedMetricType: {metric} }} }} }} }}
assumptions: {{ alarmPhase: 6s }}"
    )
}

#[test]
fn w27_a_step_of_load_triggers_when_the_benchmark_says() {
    for (metric, period, below, above) in [
        ("ECSServiceAverageCPUUtilization", 60, (306.0, 366.0), (246.0, 306.0)),
        ("ECSServiceAverageCPUUtilizationHighResolution", 20, (76.0, 96.0), (56.0, 76.0)),
    ] {
        for begins in [610, 617, 625, 640, 653, 659] {
            let steps = format!("{{ at: 0s, rate: 20/s }}, {{ at: {begins}s, rate: 80/s }}");
            let run = run(&format!("duration: 30m{}", web(1, &steps, &tracking(metric))));
            let after = first(&run, "AlarmHigh", "ALARM") - f64::from(begins);
            // The period in which it begins is above the target where the load lasts for more than half of it.
            let part = 1.0 - f64::from(begins % period) / f64::from(period);
            let (least, most) = if part > 0.5 { above } else { below };
            assert!((least..=most).contains(&after), "{metric} from {begins} s: after {after} s");
        }
    }
}

#[test]
fn q5_high_resolution_tracking_scales_in_after_45_datapoints() {
    let steps = "{ at: 0s, rate: 190/s }, { at: 10m, rate: 20/s }";
    let run =
        run(&format!("duration: 40m{}", web(4, steps, &tracking("ECSServiceAverageCPUUtilizationHighResolution"))));
    // 47.5 percent is between 45 and 50. The forty-fifth low period closes at 1500 s, is readable at 1515 s, and looked at then.
    assert_eq!(first(&run, "AlarmLow", "ALARM"), 1516.0);
    let (at, message) = activities(&run)[0];
    assert_eq!(at, 1516.0, "{message}");
    assert!(!points(&run, "CPUUtilization ServiceName=web").is_empty());
    assert!(points(&run, "CPUUtilization ServiceName=web").iter().all(|it| it.period.as_seconds() == 20.0));
}

/// Worked example 41 and 42 of the ECS reference.
#[test]
fn w17_a_container_can_use_more_than_it_reserves() {
    for (rate, memory, cpu_percent, memory_percent) in [("300/s", 512, 400.0, 50.0), ("12.5/s", 128, 25.0, 12.5)] {
        let run = run(&format!(
            "duration: 10m
instanceTypes: {{ c4: {{ vcpu: 2, memory: 3.75GiB, networkInterfaces: 3, registeredMemory: 3768 }} }}
autoScalingGroups: {{ nodes: {{ InstanceType: c4, MinSize: 1, MaxSize: 1 }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, cpu: 512, memory: 1024, portMappings: [{{ containerPort: 80 }}] }}] }} }}
applications: {{ web: {{ cpuTime: 10ms, memory: {{ base: {memory}MiB }} }} }}
targetGroups: {{ web: {{}} }}
services: {{ web: {{ taskDefinition: web, desiredCount: 1, loadBalancers: [{{ targetGroupArn: web, containerName: web, containerPort: 80 }}] }} }}
workloads: {{ users: {{ service: web, arrivals: {{ constant: {{ rate: {rate} }} }}, timeout: 1s }} }}
"
        ));
        let minute = &run.service_minutes[5];
        let (cpu, mem) = (minute.cpu_percent.expect("it runs"), minute.memory_percent.expect("it runs"));
        assert!((cpu - cpu_percent).abs() < 0.01 * cpu_percent, "{cpu}");
        assert!((mem - memory_percent).abs() < 1e-9, "{mem}");
    }
}

/// The cluster of WE-43, its ten tasks using what `application` says, with an alarm above 50 on each of some of its metrics.
fn cluster_of_two_sizes(application: &str, metrics: &[&str]) -> Run {
    let alarm = |metric: &&str| {
        format!(
            "  {metric}: {{ Namespace: AWS/ECS, MetricName: {metric}, Dimensions: [{{ Name: ClusterName, Value: default }}], EvaluationPeriods: 1, Threshold: 50, ComparisonOperator: GreaterThanThreshold }}"
        )
    };
    let alarms: Vec<String> = metrics.iter().map(alarm).collect();
    run(&format!(
        "duration: 10m
instanceTypes:
  large: {{ vcpu: 16, memory: 30GiB, networkInterfaces: 8, registeredMemory: 30158 }}
  small: {{ vcpu: 2, memory: 3.75GiB, networkInterfaces: 3, registeredMemory: 3768 }}
autoScalingGroups:
  large: {{ InstanceType: large, MinSize: 1, MaxSize: 1 }}
  small: {{ InstanceType: small, MinSize: 1, MaxSize: 1 }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, cpu: 1024, memory: 2048 }}] }} }}
applications: {{ web: {{ {application} }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: 10 }} }}
alarms:
{}
",
        alarms.join("\n")
    ))
}

#[test]
fn w18_reservation_of_a_cluster() {
    let names = ["CPUReservation", "MemoryReservation", "CPUUtilization", "MemoryUtilization", "GPUReservation"];
    let run = cluster_of_two_sizes("memory: { base: 1024MiB }", &names);
    let of = |name: &str| points(&run, &format!("AWS/ECS {name} ClusterName")).last().map(|it| it.value);
    let close = |name: &str, expected: f64| {
        let value = of(name).expect("a datapoint");
        assert!((value - expected).abs() < 1e-9, "{name}: {value}");
    };
    close("CPUReservation", 100.0 * 10_240.0 / 18_432.0);
    close("MemoryReservation", 100.0 * 20_480.0 / 33_926.0);
    close("CPUUtilization", 0.0);
    close("MemoryUtilization", 100.0 * 10_240.0 / 33_926.0);
    assert_eq!(of("GPUReservation"), None, "there are no GPUs");
    let change = changes(&run, "CPUReservation")[0];
    assert_eq!((change.from, change.to), ("INSUFFICIENT_DATA", "ALARM"));
    let expected = "Threshold Crossed: 1 out of the last 1 datapoints [55.55555555555556 (05/01/26 00:00:00)] was greater than \
                    the threshold (50.0) (minimum 1 datapoint for OK -> ALARM transition).";
    assert_eq!(change.reason, expected);
}

#[test]
fn w25_an_alarm_that_stays_acts_again_each_minute() {
    let policy = "
alarms: { busy: { MetricName: CPUUtilization, Dimensions: [{ Name: ServiceName, Value: web }], EvaluationPeriods: 1, Threshold: 1, ComparisonOperator: GreaterThanThreshold, AlarmActions: [more] } }
scalingPolicies: { more: { service: web, PolicyType: StepScaling, StepScalingPolicyConfiguration: { AdjustmentType: ChangeInCapacity, Cooldown: 250, StepAdjustments: [{ MetricIntervalLowerBound: 0, ScalingAdjustment: 1 }] } } }
";
    let run = run(&format!("duration: 20m{}", web(2, "{ at: 0s, rate: 100/s }", &format!("{TARGET}{policy}"))));
    let began = first(&run, "busy", "ALARM");
    assert_eq!(changes(&run, "busy").len(), 1);
    let times: Vec<f64> = activities(&run).iter().map(|it| it.0 - began).collect();
    // The cooldown of 250 s holds four invocations back; the fifth acts, on the second of the minute of the state change.
    assert_eq!(&times[..3], [0.0, 300.0, 600.0]);
}

#[test]
fn actions_follow_the_state_that_they_belong_to() {
    let alarm = |fields: &str| {
        format!(
            "
alarms: {{ busy: {{ MetricName: CPUUtilization, EvaluationPeriods: 1, Threshold: 50, ComparisonOperator: GreaterThanThreshold, {fields} }} }}
scalingPolicies:
  more: {{ service: web, PolicyType: StepScaling, alarm: busy, StepScalingPolicyConfiguration: {{ AdjustmentType: ExactCapacity, StepAdjustments: [{{ MetricIntervalLowerBound: 0, ScalingAdjustment: 5 }}] }} }}
  less: {{ service: web, PolicyType: StepScaling, alarm: calm, StepScalingPolicyConfiguration: {{ AdjustmentType: ExactCapacity, StepAdjustments: [{{ MetricIntervalUpperBound: 0, ScalingAdjustment: 2 }}] }} }}
"
        )
    };
    let steps = "{ at: 0s, rate: 270/s }, { at: 10m, rate: 30/s }";
    let story = |fields: &str| {
        let rest = format!("{TARGET}{}", alarm(fields)).replace(", alarm: calm", "");
        format!("duration: 40m{}", web(3, steps, &rest))
    };
    let arn = "'arn:aws:autoscaling:us-east-1:1:scalingPolicy:0:resource/ecs/service/default/web:policyName/less'";
    let both = run(&story(&format!("OKActions: [{arn}]")));
    let desired: Vec<u32> = both.service_minutes.iter().map(|it| it.desired_count).collect();
    assert!(desired.contains(&5), "{desired:?}");
    assert_eq!(desired.last(), Some(&2), "{desired:?}");
    let none = run(&story(&format!("OKActions: [{arn}], ActionsEnabled: false")));
    assert!(none.service_minutes.iter().all(|it| it.desired_count == 3));
    assert!(!changes(&none, "busy").is_empty(), "it is evaluated all the same");
}

const QUEUE: &str = "
metrics:
  queue: { Namespace: AWS/SQS, MetricName: ApproximateNumberOfMessagesVisible, Dimensions: [{ Name: QueueName, Value: jobs }], steps: [{ at: 0s, value: 150 }, { at: 10m, value: 1000 }] }
";

fn backlog_per_task(expression: &str) -> String {
    format!(
        "{QUEUE}{TARGET}
scalingPolicies:
  backlog:
    service: web
    TargetTrackingScalingPolicyConfiguration:
      TargetValue: 100
      CustomizedMetricSpecification:
        Metrics:
          - {{ Id: m1, MetricStat: {{ Metric: {{ Namespace: AWS/SQS, MetricName: ApproximateNumberOfMessagesVisible, Dimensions: [{{ Name: QueueName, Value: jobs }}] }}, Stat: Sum }}, ReturnData: false }}
          - {{ Id: m2, MetricStat: {{ Metric: {{ Namespace: ECS/ContainerInsights, MetricName: RunningTaskCount, Dimensions: [{{ Name: ClusterName, Value: default }}, {{ Name: ServiceName, Value: web }}] }}, Stat: Average }}, ReturnData: false }}
          - {{ Id: e1, Expression: \"{expression}\", Label: backlog per task }}
cluster: {{ settings: [{{ name: containerInsights, value: enabled }}] }}
assumptions: {{ alarmPhase: 6s }}
"
    )
}

#[test]
fn backlog_per_task_is_tracked() {
    let run = run(&format!("duration: 30m{}", web(2, "{ at: 0s, rate: 1/s }", &backlog_per_task("m1 / m2"))));
    // Three minutes of 500 for each of two tasks have closed at 780 s, and are readable at 840 s.
    let (at, message) = activities(&run)[0];
    assert_eq!(at, 846.0);
    assert!(
        message.contains("Setting desired count to 10") && message.contains("2 running x backlog per task 500 / 100")
    );
    let values: Vec<f64> = points(&run, "backlog per task").iter().map(|it| it.value).collect();
    assert_eq!((values[0], values[12]), (75.0, 500.0));
    assert_eq!(values.last(), Some(&100.0));
    let files = report::files(&run);
    let (_, metrics) = files.iter().find(|it| it.0 == "metrics.csv").expect("the file is written");
    let text = String::from_utf8_lossy(metrics);
    assert!(text.starts_with("time_s,period_s,metric,statistic,value\n0.0,60.0,backlog per task,,75.0\n"), "{text}");
    // Container Insights of a cluster, a service and a family: 8, 11 and 6 metrics for an hour begun; and two at 20 s.
    // The two alarms of the policy read two metrics each.
    let alarms = 4.0 * 0.1 / 730.0;
    assert!((run.cost.cloud_watch_usd - alarms - 27.0 * 0.3 / 730.0).abs() < 1e-12, "{}", run.cost.cloud_watch_usd);
}

#[test]
fn without_a_task_there_is_no_backlog_per_task() {
    let story = |expression: &str| {
        let text = web(0, "{ at: 0s, rate: 1/s }", &backlog_per_task(expression));
        run(&format!("duration: 30m{}", text.replace("MinCapacity: 1", "MinCapacity: 0")))
    };
    let stuck = story("m1 / m2");
    assert!(activities(&stuck).is_empty());
    assert!(points(&stuck, "backlog per task").is_empty());
    assert!(changes(&stuck, "AlarmHigh").is_empty(), "it stays INSUFFICIENT_DATA");
    let freed = story("m1 / MAX([m2, TIME_SERIES(1)])");
    assert!(activities(&freed)[0].1.contains("Setting desired count to 1"), "the least possible step first");
    assert_eq!(freed.service_minutes.last().expect("minutes").desired_count, 10);
}

#[test]
fn high_resolution_alarms_look_each_ten_seconds() {
    let rest = "
metrics: { depth: { Namespace: Shop, resolution: 1s, delay: 0s, steps: [{ at: 0s, value: 1 }, { at: 300s, value: 9 }, { at: 400s }] } }
alarms:
  deep: { Namespace: Shop, MetricName: depth, Statistic: Maximum, Period: 10, EvaluationPeriods: 3, DatapointsToAlarm: 2, Threshold: 5, ComparisonOperator: GreaterThanThreshold }
assumptions: { alarmPhase: 6s }
";
    let run = run(&format!("duration: 10m{}", web(1, "{ at: 0s, rate: 1/s }", rest)));
    // Two periods have closed at 320 s; it looks at 326 s. The last datapoint is of 400 s; five periods later none is left.
    let seen: Vec<(f64, &str)> = changes(&run, "deep").iter().map(|it| (it.at.as_seconds(), it.to)).collect();
    assert_eq!(seen, [(16.0, "OK"), (326.0, "ALARM"), (456.0, "INSUFFICIENT_DATA")]);
    assert_eq!(points(&run, "Shop depth").len(), 40);
}

#[test]
fn composite_alarms_follow_their_children() {
    let rest = "
metrics:
  one: { Namespace: Shop, delay: 0s, steps: [{ at: 0s, value: 0 }, { at: 5m, value: 1 }, { at: 15m, value: 0 }] }
  other: { Namespace: Shop, delay: 0s, steps: [{ at: 0s, value: 0 }, { at: 10m, value: 1 }] }
alarms:
  first: { Namespace: Shop, MetricName: one, EvaluationPeriods: 1, Threshold: 0, ComparisonOperator: GreaterThanThreshold }
  second: { Namespace: Shop, MetricName: other, EvaluationPeriods: 1, Threshold: 0, ComparisonOperator: GreaterThanThreshold }
compositeAlarms:
  over-both: { AlarmRule: 'ALARM(both) OR AT_LEAST(2, OK, (first, second, both))' }
  both: { AlarmRule: 'ALARM(\"first\") AND ALARM(second)' }
assumptions: { alarmPhase: 6s }
";
    let run = run(&format!("duration: 20m{}", web(1, "{ at: 0s, rate: 1/s }", rest)));
    let of = |alarm: &str| -> Vec<(f64, &str)> {
        let own = run.alarm_changes.iter().filter(|it| it.alarm == alarm);
        own.map(|it| (it.at.as_seconds(), it.to)).collect()
    };
    assert_eq!(of("both"), [(0.0, "OK"), (666.0, "ALARM"), (966.0, "OK")]);
    assert_eq!(of("over-both"), [(0.0, "OK"), (66.0, "ALARM")]);
    let change = run.alarm_changes.iter().find(|it| it.alarm == "both" && it.to == "ALARM").expect("it comes to ALARM");
    let expected = "AlarmRule `ALARM(\"first\") AND ALARM(second)` is true since second transitioned to ALARM";
    assert_eq!((change.reason.as_str(), change.threshold), (expected, None));
}

/// AWS's own alarms end in a UUID; here they end in the name of the policy, and a UUID does where there is one policy.
#[test]
fn composite_alarms_name_alarms_of_target_tracking() {
    let rules = "
compositeAlarms:
  busy: { AlarmRule: 'ALARM(\"TargetTracking-service/default/web-AlarmHigh-cpu\")' }
  exported: { AlarmRule: 'ALARM(arn:aws:cloudwatch:us-east-1:1:alarm:TargetTracking-service/default/web-AlarmHigh-0e6b3c1a-7d52-4e5b-9c8e-2f4f5d3a1b20)' }
  neither: { AlarmRule: 'NOT busy_or_idle' }
"
    .replace("NOT busy_or_idle", "NOT (ALARM(busy) OR ALARM(TargetTracking-service/default/web-AlarmLow-cpu))");
    let steps = "{ at: 0s, rate: 95/s }, { at: 10m, rate: 190/s }, { at: 25m, rate: 95/s }";
    let text = format!("duration: 40m{}{rules}", web(2, steps, &tracking("ECSServiceAverageCPUUtilization")));
    let run = run(&text);
    let high = first(&run, "TargetTracking-service/default/web-AlarmHigh-cpu", "ALARM");
    assert_eq!(
        [first(&run, "busy", "ALARM"), first(&run, "exported", "ALARM"), first(&run, "neither", "OK")],
        [high; 3]
    );
    let change = run.alarm_changes.iter().find(|it| it.alarm == "busy" && it.to == "ALARM").expect("it comes to ALARM");
    assert!(
        change.reason.ends_with("since TargetTracking-service/default/web-AlarmHigh-cpu transitioned to ALARM"),
        "{}",
        change.reason
    );
}

#[test]
fn statistics_are_of_tasks_requests_and_instances() {
    let rest = "
alarms:
  tasks: { MetricName: CPUUtilization, Statistic: SampleCount, EvaluationPeriods: 1, Threshold: 0, ComparisonOperator: GreaterThanThreshold }
  busiest: { MetricName: CPUUtilization, Statistic: Maximum, EvaluationPeriods: 1, Threshold: 0, ComparisonOperator: GreaterThanThreshold }
  slow: { MetricName: TargetResponseTime, ExtendedStatistic: p99, EvaluationPeriods: 1, Threshold: 0, ComparisonOperator: GreaterThanThreshold }
  healthy: { Namespace: AWS/ApplicationELB, MetricName: HealthyHostCount, Statistic: Minimum, Dimensions: [{ Name: TargetGroup, Value: targetgroup/web/1 }, { Name: LoadBalancer, Value: app/front/2 }], EvaluationPeriods: 1, Threshold: 1, ComparisonOperator: GreaterThanThreshold }
  zone: { Namespace: AWS/ApplicationELB, MetricName: HealthyHostCount, Statistic: Maximum, Dimensions: [{ Name: TargetGroup, Value: web }, { Name: AvailabilityZone, Value: us-east-1a }], EvaluationPeriods: 1, Threshold: 3, ComparisonOperator: LessThanThreshold }
  other-zone: { Namespace: AWS/ApplicationELB, MetricName: HealthyHostCount, Statistic: Maximum, Dimensions: [{ Name: TargetGroup, Value: web }, { Name: AvailabilityZone, Value: us-east-1b }], EvaluationPeriods: 1, Threshold: 3, ComparisonOperator: LessThanThreshold }
  third-zone: { Namespace: AWS/ApplicationELB, MetricName: HealthyHostCount, Statistic: Maximum, Dimensions: [{ Name: TargetGroup, Value: web }, { Name: AvailabilityZone, Value: us-east-1c }], EvaluationPeriods: 1, Threshold: 3, ComparisonOperator: LessThanThreshold }
  nodes: { Namespace: AWS/EC2, MetricName: CPUUtilization, Dimensions: [{ Name: AutoScalingGroupName, Value: nodes }], Period: 300, EvaluationPeriods: 1, Threshold: 0, ComparisonOperator: GreaterThanThreshold }
  fullest: { Namespace: AWS/EC2, MetricName: CPUUtilization, Statistic: Maximum, Dimensions: [{ Name: AutoScalingGroupName, Value: nodes }], Period: 300, EvaluationPeriods: 1, Threshold: 0, ComparisonOperator: GreaterThanThreshold }
  size: { Namespace: AWS/AutoScaling, MetricName: GroupInServiceInstances, Dimensions: [{ Name: AutoScalingGroupName, Value: nodes }], EvaluationPeriods: 1, Threshold: 3, ComparisonOperator: GreaterThanThreshold }
";
    let run = run(&format!("duration: 20m{}", web(3, "{ at: 0s, rate: 120/s }", rest)));
    let value = |alarm: &str| {
        run.alarm_changes.iter().find(|it| it.alarm == alarm).and_then(|it| it.value).expect("a datapoint")
    };
    assert_eq!(["zone", "other-zone", "third-zone"].map(value).iter().sum::<f64>(), 3.0);
    assert_eq!((value("tasks"), value("healthy"), value("size")), (3.0, 3.0, 4.0));
    let minute = run.service_minutes[0].cpu_percent.expect("they run");
    assert!(value("busiest") >= minute && value("busiest") < minute + 10.0, "{} {minute}", value("busiest"));
    let p99 = run.service_minutes[0].response_time_ms.p99.expect("requests") / 1e3;
    assert!((value("slow") - p99).abs() < 0.05 * p99, "{} {p99}", value("slow"));
    // 1.2 vCPUs of 32; the fullest of four instances has a task or two.
    let mean =
        points(&run, "AWS/EC2 CPUUtilization").iter().find(|it| it.statistic == "Average").expect("a point").value;
    assert!((mean - 100.0 * 1.2 / 32.0).abs() < 0.1, "{mean}");
    let fullest =
        points(&run, "AWS/EC2 CPUUtilization").iter().find(|it| it.statistic == "Maximum").expect("a point").value;
    assert!(fullest > 1.2 * mean && fullest < 4.0 * mean, "{fullest} {mean}");
    // Five minutes close at 300 s and are readable at 420 s.
    assert!((420.0..480.0).contains(&first(&run, "nodes", "ALARM")));
}

/// With so few requests a 99th percentile says nothing, and the alarm shall not act on it.
#[test]
fn percentiles_of_few_samples_can_be_ignored() {
    let alarm = |low: &str| {
        let rest = format!(
            "alarms: {{ slow: {{ MetricName: TargetResponseTime, ExtendedStatistic: p99, EvaluationPeriods: 1, Threshold: 0, ComparisonOperator: GreaterThanThreshold, EvaluateLowSampleCountPercentile: {low} }} }}"
        );
        run(&format!("duration: 10m{}", web(1, "{ at: 0s, rate: 2/s }", &rest)))
    };
    assert_eq!(changes(&alarm("evaluate"), "slow").len(), 1);
    assert!(changes(&alarm("ignore"), "slow").is_empty());
}

/// What something watches must not change what happens: the same requests, tasks and minutes.
#[test]
fn watching_changes_nothing() {
    let story = |rest: &str| run(&format!("duration: 20m{}", web(3, "{ at: 0s, rate: 150/s }", rest)));
    let watched = story(
        "
alarms:
  busiest: { MetricName: CPUUtilization, Statistic: Maximum, EvaluationPeriods: 1, Threshold: 1000, ComparisonOperator: GreaterThanThreshold }
  slow: { MetricName: TargetResponseTime, ExtendedStatistic: p99, EvaluationPeriods: 1, Threshold: 1000, ComparisonOperator: GreaterThanThreshold }
  short: { MetricName: CPUUtilization, Period: 20, ExtendedStatistic: p90, EvaluationPeriods: 1, Threshold: 1000, ComparisonOperator: GreaterThanThreshold }
",
    );
    let unwatched = story("");
    let minutes = |run: &Run| -> Vec<(u64, Option<f64>, Option<f64>)> {
        run.service_minutes.iter().map(|it| (it.counts.served, it.cpu_percent, it.response_time_ms.p99)).collect()
    };
    assert_eq!(minutes(&watched), minutes(&unwatched));
    assert!(!watched.alarm_changes.is_empty() && unwatched.alarm_changes.is_empty());
}

/// 1.6: the delay of a metric shifts the alarms on it; a period of five datapoints is never looked at with fewer, whichever
/// second the alarm is evaluated at.
#[test]
fn periods_of_several_datapoints_are_whole() {
    let of = |delay: u32, phase: u32, values: &str| {
        let alarm = |name: &str, comparison: &str| {
            format!(
                "{name}: {{ Namespace: Custom, MetricName: load, Statistic: Sum, Period: 300, EvaluationPeriods: 1, Threshold: 45, ComparisonOperator: {comparison} }}"
            )
        };
        let rest = format!(
            "duration: 30m
metrics: {{ load: {{ delay: {delay}s, steps: [{values}] }} }}
alarms: {{ {}, {} }}
assumptions: {{ alarmPhase: {phase}s }}",
            alarm("hot", "GreaterThanThreshold"),
            alarm("cold", "LessThanThreshold")
        );
        run(&web(1, "{ at: 0s, rate: 1/s }", &rest))
    };
    for (delay, phase) in [(0, 0), (0, 6), (60, 6), (90, 6), (90, 47), (150, 6)] {
        let constant = of(delay, phase, "{ at: 0s, value: 10 }");
        // The fifth minute closes at 300 s; the alarm is evaluated at its second of each minute.
        let readable = 300 + delay;
        let evaluated = f64::from((readable - phase).div_ceil(60) * 60 + phase);
        assert_eq!(first(&constant, "hot", "ALARM"), evaluated, "{delay} s late, evaluated at {phase} s");
        assert_eq!(changes(&constant, "hot").last().map(|it| it.to), Some("ALARM"));
        let cold: Vec<_> = changes(&constant, "cold").iter().map(|it| (it.to, it.value)).collect();
        assert_eq!(cold, [("OK", Some(50.0))], "{delay} s late, evaluated at {phase} s");
        // W3: they slide by the minute, so that the first minute at 5 ends the alarm.
        let falls = of(delay, phase, "{ at: 0s, value: 10 }, { at: 10m, value: 5 }");
        let turns = changes(&falls, "hot").into_iter().find(|it| it.from == "ALARM").expect("it falls");
        assert_eq!((turns.at.as_seconds(), turns.value), (evaluated + 360.0, Some(45.0)));
    }
}

/// Of the ECS reference: where all use exactly what they reserve, utilization is reservation.
#[test]
fn we_43_and_44_a_cluster_that_uses_what_it_reserves() {
    let names = ["CPUReservation", "MemoryReservation", "CPUUtilization", "MemoryUtilization"];
    let run = cluster_of_two_sizes("backgroundCpu: 1024, memory: { base: 2048MiB }", &names);
    let of = |name: &str| points(&run, &format!("AWS/ECS {name} ClusterName")).last().expect("a datapoint").value;
    for (name, expected) in names.into_iter().zip([55.56, 60.37, 55.56, 60.37]) {
        assert!((of(name) - expected).abs() < 0.005, "{name}: {}", of(name));
    }
}

/// Of the ECS reference: a container-level definition of 512 units and 1024 MiB on a c4.large, busy and idle.
#[test]
fn we_41_and_42_a_service_that_bursts_uses_more_than_it_reserves() {
    let percent = |cpu: u32, memory: u32| {
        let run = run(&format!(
            "duration: 5m
instanceTypes: {{ small: {{ vcpu: 2, memory: 3.75GiB, networkInterfaces: 3, registeredMemory: 3768 }} }}
autoScalingGroups: {{ small: {{ InstanceType: small, MinSize: 1, MaxSize: 1 }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, cpu: 512, memory: 1024 }}] }} }}
applications: {{ web: {{ backgroundCpu: {cpu}, memory: {{ base: {memory}MiB }} }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: 1 }} }}"
        ));
        let last = run.service_minutes.last().expect("there are minutes");
        (last.cpu_percent, last.memory_percent)
    };
    for (uses, expected) in [((2048, 512), (400.0, 50.0)), ((128, 128), (25.0, 12.5))] {
        let (cpu, memory) = percent(uses.0, uses.1);
        assert!((cpu.expect("it runs") - expected.0).abs() < 1e-6, "{cpu:?}");
        assert!((memory.expect("it runs") - expected.1).abs() < 1e-6, "{memory:?}");
    }
}

#[test]
fn we_46_a_service_without_running_task_has_no_datapoint() {
    let run = run("duration: 20m
autoScalingGroups: { nodes: { InstanceType: m5.large, MinSize: 1, MaxSize: 1 } }
taskDefinitions: { web: { containerDefinitions: [{ name: web, cpu: 512, memory: 512 }] } }
applications: { web: { backgroundCpu: 256 } }
services: { web: { taskDefinition: web, desiredCount: 1 } }
alarms: { busy: { Namespace: AWS/ECS, MetricName: CPUUtilization, Dimensions: [{ Name: ServiceName, Value: web }], EvaluationPeriods: 1, Threshold: 90, ComparisonOperator: GreaterThanThreshold } }
assumptions: { alarmPhase: 6s }
timeline: [{ at: 8m, updateService: { service: web, desiredCount: 0 } }]");
    assert!(run.service_minutes[5].cpu_percent.is_some_and(|it| (it - 50.0).abs() < 1e-6));
    assert!(run.service_minutes[12..].iter().all(|it| it.cpu_percent.is_none() && it.memory_percent.is_none()));
    let states: Vec<&str> = changes(&run, "busy").iter().map(|it| it.to).collect();
    assert_eq!(states, ["OK", "INSUFFICIENT_DATA"]);
}

/// Of the ECS reference: three tasks of 512 units that use 128, 256 and 512, here of three task sets.
#[test]
fn we_45_a_service_of_three_tasks_has_three_samples() {
    let sets: Vec<String> = (1..=3)
        .map(|it| {
            let status = if it == 1 { "status: PRIMARY, " } else { "" };
            format!("{{ externalId: set-{it}, taskDefinition: \"web:{it}\", {status}scale: {{ value: 100, unit: PERCENT }} }}")
        })
        .collect();
    let definition =
        |it: u32| format!("  \"web:{it}\": {{ containerDefinitions: [{{ name: web, cpu: 512, memory: 512 }}] }}\n");
    let application = |(it, cpu): (u32, u32)| format!("  \"web:{it}/web\": {{ backgroundCpu: {cpu} }}\n");
    let statistics = ["Average", "SampleCount", "Minimum", "Maximum"];
    let alarm = |statistic: &&str| {
        format!(
            "  {statistic}:
    Metrics:
      - {{ Id: m1, MetricStat: {{ Metric: {{ Namespace: AWS/ECS, MetricName: CPUUtilization, Dimensions: [{{ Name: ServiceName, Value: web }}] }}, Period: 60, Stat: {statistic} }}, ReturnData: false }}
      - {{ Id: e1, Expression: m1 * 1, Label: of {statistic} }}
    EvaluationPeriods: 1
    Threshold: 0
    ComparisonOperator: GreaterThanThreshold
"
        )
    };
    let run = run(&format!(
        "duration: 10m
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 2, MaxSize: 2 }} }}
taskDefinitions:
{}applications:
{}services:
  web: {{ desiredCount: 1, deploymentController: {{ type: EXTERNAL }}, taskSets: [{}] }}
alarms:
{}",
        (1..=3).map(definition).collect::<String>(),
        [(1, 128), (2, 256), (3, 512)].map(application).concat(),
        sets.join(", "),
        statistics.iter().map(alarm).collect::<String>()
    ));
    assert_eq!(run.tasks.len(), 3);
    let value = |statistic: &str| points(&run, &format!("of {statistic}")).last().expect("a datapoint").value;
    assert!((value("Average") - 58.333).abs() < 5e-4, "{}", value("Average"));
    assert_eq!(value("SampleCount"), 3.0);
    assert!((value("Minimum") - 25.0).abs() < 1e-9 && (value("Maximum") - 100.0).abs() < 1e-9);
}
