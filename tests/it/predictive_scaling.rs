//! Predictive scaling of Auto Scaling groups, and by metrics that a policy names itself.

use std::path::Path;

use plimsoll::engine::simulate;
use plimsoll::report::files;
use plimsoll::rng::Seed;
use plimsoll::run::Run;
use plimsoll::scenario;

fn run(text: &str) -> Run {
    let story = scenario::read(Path::new("forecast.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
        .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    assert!(story.unsupported.is_empty(), "{}", story.unsupported.render(false));
    simulate(&story.variants[0], Seed { seed: 7, replication: 0 })
}

/// A group of instances without tasks, on which a policy forecasts.
fn group(fields: &str, specification: &str, configuration: &str, rest: &str) -> Run {
    run(&format!(
        "duration: 4h
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 2, MaxSize: 40, DesiredCapacity: 4{fields} }} }}
assumptions: {{ alarmPhase: 6s }}
metrics:
  jobs: {{ Namespace: Shop, delay: 0s, steps: [{{ at: 0s, value: 1200 }}] }}
  fleet: {{ Namespace: Shop, delay: 0s, steps: [{{ at: 0s, value: 8 }}] }}
scalingPolicies:
  foresee:
    AutoScalingGroupName: nodes
    PolicyType: PredictiveScaling
    PredictiveScalingConfiguration:
      MetricSpecifications: [{{ TargetValue: 50, {specification} }}]
      {configuration}
{rest}"
    ))
}

const CPU: &str = "PredefinedMetricPairSpecification: { PredefinedMetricType: ASGCPUUtilization }";

/// Loads of two days, 200 but in the third hour.
fn two_days(third: u32) -> String {
    let hours: Vec<String> = (0..48).map(|it| if it % 24 == 2 { third } else { 200 }.to_string()).collect();
    format!("history: {{ values: [{}] }}", hours.join(", "))
}

/// Second, desired before and after of what was scaled.
fn activities(run: &Run) -> Vec<(f64, u32, u32)> {
    let scaled = run.scaling_activities.iter().filter(|it| it.status_code != "NotScaled");
    scaled.map(|it| (it.at.as_seconds(), it.from, it.to)).collect()
}

fn forecast(run: &Run) -> Vec<Option<u32>> {
    run.forecast_hours.iter().map(|it| it.forecast_capacity).collect()
}

#[test]
fn w23_a_group_has_its_instances_before_the_hour() {
    let scale = |more: &str, third: u32| {
        group("", CPU, &format!("Mode: ForecastAndScale\n      {}\n      {more}", two_days(third)), "")
    };
    let run = scale("", 500);
    assert_eq!(activities(&run), [(6900.0, 4, 10)], "02:00 less 300 s, and no scale-in after it");
    assert_eq!(run.scaling_activities[0].status_code, "Successful");
    assert_eq!(forecast(&run)[..4], [Some(4), Some(4), Some(10), Some(4)]);
    let launched = run.instances.iter().filter(|it| it.launched_at.as_seconds() > 0.0);
    assert!(launched.clone().all(|it| it.launched_at.as_seconds() < 7200.0) && launched.count() == 6);
    assert_eq!(activities(&scale("", 2500)), [(6900.0, 4, 40)], "at most the group's MaxSize");
    let increase = "MaxCapacityBreachBehavior: IncreaseMaxCapacity\n      MaxCapacityBuffer: 10";
    assert_eq!(activities(&scale(increase, 2500)), [(6900.0, 4, 50)]);
    assert_eq!(activities(&scale("SchedulingBufferTime: 600", 500)), [(6600.0, 4, 10)]);
    let only = group("", CPU, &two_days(500), "");
    assert_eq!(activities(&only), []);
    assert_eq!(forecast(&only), forecast(&run));
    let csv = files(&run).into_iter().find(|it| it.0 == "forecast.csv").expect("it is written");
    let text = String::from_utf8(csv.1).expect("text");
    assert!(text.contains("\n7200.0,auto-scaling-group/nodes,foresee,500.0,"), "{text}");
}

/// The larger capacity holds: while an hour lasts other policies do not go below its forecast.
#[test]
fn target_tracking_goes_no_lower_than_the_forecast() {
    let follow = "  follow: { AutoScalingGroupName: nodes, PolicyType: TargetTrackingScaling, TargetTrackingConfiguration: { TargetValue: 50, PredefinedMetricSpecification: { PredefinedMetricType: ASGAverageCPUUtilization } } }";
    let configuration = format!("Mode: ForecastAndScale\n      {}", two_days(500));
    let run = group(", DefaultInstanceWarmup: 0, InstanceMonitoring: { Enabled: true }", CPU, &configuration, follow);
    let desired = |minute: u64| {
        let row = run.capacity_minutes.iter().find(|it| it.minute == minute);
        row.expect("a row a minute").desired_capacity
    };
    assert!((0..115).all(|it| desired(it) == 4), "{:?}", activities(&run));
    assert!((115..180).all(|it| desired(it) == 10), "{:?}", activities(&run));
    assert!((181..240).all(|it| (4..=10).contains(&desired(it))) && desired(239) == 4, "{:?}", activities(&run));
    // By less than half each minute: 10, 6, 4.
    assert_eq!(activities(&run)[1..].iter().map(|it| it.2).collect::<Vec<_>>(), [6, 4]);
}

#[test]
fn forecasts_are_scheduled_actions_to_a_group() {
    let configuration = format!("Mode: ForecastAndScale\n      {}", two_days(500));
    let suspended = ", SuspendedProcesses: [{ ProcessName: ScheduledActions }]";
    assert_eq!(activities(&group(suspended, CPU, &configuration, "")), []);
}

fn query(id: &str, metric: &str, stat: &str) -> String {
    format!("{{ Id: {id}, MetricStat: {{ Metric: {metric}, Stat: {stat} }}, ReturnData: false }}")
}

/// A load of 1200 jobs, and as scaling metric a fifth of a percent for each job of an instance.
fn own_metrics(capacity: &str) -> String {
    let jobs = "{ Namespace: Shop, MetricName: jobs }";
    let instances = "{ Namespace: AWS/AutoScaling, MetricName: GroupInServiceInstances, Dimensions: [{ Name: AutoScalingGroupName, Value: nodes }] }";
    format!(
        "CustomizedLoadMetricSpecification: {{ MetricDataQueries: [{{ Id: load, MetricStat: {{ Metric: {jobs}, Stat: Sum }} }}] }}, \
         CustomizedScalingMetricSpecification: {{ MetricDataQueries: [{}, {}, {{ Id: busy, Expression: jobs / instances / 5 }}] }}{capacity}",
        query("jobs", jobs, "Sum"),
        query("instances", instances, "Average"),
    )
}

/// *Advanced predictive scaling policy using custom metrics*: the load is forecast, and what it comes to in the scaling metric is learned.
#[test]
fn a_load_of_ones_own_becomes_capacity_by_what_it_came_to() {
    let hours: Vec<&str> = vec!["1200"; 48];
    let history = format!("history: {{ values: [{}] }}", hours.join(", "));
    let run = group("", &own_metrics(""), &history, "");
    // Nothing is known in the first hour. In it 4 instances at 60 % had 1200 jobs, a fifth of a percent each.
    assert_eq!(forecast(&run)[..3], [None, Some(5), Some(5)]);
    assert_eq!(run.forecast_hours[0].forecast_load, Some(1200.0));
    assert_eq!(run.forecast_hours[0].load, Some(1200.0));
    assert_eq!(run.forecast_hours[1].busiest_capacity, Some(5));
    let fleet = ", CustomizedCapacityMetricSpecification: { MetricDataQueries: [{ Id: fleet, MetricStat: { Metric: { Namespace: Shop, MetricName: fleet }, Stat: Average } }] }";
    let of_two_groups = group("", &own_metrics(fleet), &history, "");
    assert_eq!(forecast(&of_two_groups)[1], Some(10), "8 units at 60 % are four tenths of a percent a job");
    assert_eq!(forecast(&group("", &own_metrics(""), "", ""))[3], None, "a day of data is needed");
}

/// A service of tasks with a quarter of a vCPU each, at 20 requests of 10 ms a second.
fn service(specification: &str) -> Run {
    run(&format!(
        "duration: 3h
taskDefinitions: {{ web: {{ networkMode: awsvpc, cpu: 256, memory: 512, requiresCompatibilities: [FARGATE], containerDefinitions: [{{ name: web, portMappings: [{{ containerPort: 80 }}] }}] }} }}
applications: {{ web: {{ startTime: 1s, cpuTime: 10ms }} }}
targetGroups: {{ web: {{ TargetType: ip }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: 4, launchType: FARGATE, networkConfiguration: {{ awsvpcConfiguration: {{ subnets: [subnet-1] }} }}, loadBalancers: [{{ targetGroupArn: web, containerName: web, containerPort: 80 }}] }} }}
workloads: {{ users: {{ service: web, arrivals: {{ constant: {{ rate: 20/s }} }} }} }}
scalableTargets: {{ web: {{ MinCapacity: 2, MaxCapacity: 40 }} }}
scalingPolicies: {{ foresee: {{ service: web, PredictiveScalingPolicyConfiguration: {{ MetricSpecifications: [{{ TargetValue: 10, {specification} }}], {} }} }} }}
assumptions: {{ alarmPhase: 6s }}",
        two_days(500)
    ))
}

#[test]
fn load_and_scaling_metrics_of_aws_are_a_pair_or_learn_from_each_other() {
    let pair = service("PredefinedMetricPairSpecification: { PredefinedMetricType: ECSServiceCPUUtilization }");
    let apart = "PredefinedLoadMetricSpecification: { PredefinedMetricType: ECSServiceTotalCPUUtilization }, PredefinedScalingMetricSpecification: { PredefinedMetricType: ECSServiceAverageCPUUtilization }";
    let apart = service(apart);
    assert_eq!(forecast(&apart), forecast(&pair));
    assert_eq!(forecast(&pair)[..3], [Some(20), Some(20), Some(50)]);
    assert_eq!(apart.fingerprint, pair.fingerprint);
    // 1200 requests a minute keep four tasks at 20 %: a request is a fifteenth of a percent.
    let mixed = "PredefinedLoadMetricSpecification: { PredefinedMetricType: TotalALBRequestCount }, PredefinedScalingMetricSpecification: { PredefinedMetricType: ECSServiceAverageCPUUtilization }";
    let mixed = service(mixed);
    assert_eq!(forecast(&mixed)[..3], [None, Some(2), Some(4)], "200 and 500 requests a minute");
    assert!(mixed.forecast_hours[0].load.is_some_and(|it| (it - 1200.0).abs() < 20.0));
}
