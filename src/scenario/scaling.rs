//! `scalableTargets`, `alarms`, `scalingPolicies` and `scheduledActions`.

use crate::aws::alarm::{AlarmRule, ComparisonOperator, Statistic, TreatMissingData};
use crate::aws::scaling_policy::{
    AdjustmentType, ScalableTarget, ScalingPolicy, ScalingPolicyKind, ServiceMetric, StepAdjustment, StepScaling,
    TargetTracking, check_steps,
};
use crate::aws::schedule::{ScheduledAction, occurrences};
use crate::aws::service::ServiceDefinition;
use crate::scenario::aws_fields;
use crate::scenario::problem::Problem;
use crate::scenario::reader::{Fields, Reader};
use crate::scenario::tree::{Key, Node};
use crate::table::{Id, Table};
use crate::units::Span;

/// An entry of `alarms`.
pub struct NamedAlarm {
    name: String,
    metric: ServiceMetric,
    rule: AlarmRule,
}

/// What scaling is about.
pub struct Names<'a> {
    /// Services.
    pub services: &'a [String],
    /// Scalable targets.
    pub targets: &'a Table<ScalableTarget>,
    /// Alarms.
    pub alarms: &'a [NamedAlarm],
}

/// Names of services, for references.
pub fn service_names(services: &Table<ServiceDefinition>) -> Vec<String> {
    services.iter().map(|it| it.name.clone()).collect()
}

/// Reads `scalableTargets`, keyed by service.
pub fn scalable_targets(reader: &mut Reader, node: Option<&Node>, services: &[String]) -> Table<ScalableTarget> {
    let mut targets = Table::new();
    for (key, node) in reader.named(node, "scalableTargets") {
        let what = format!("scalable target {}", key.text);
        let Some(mut fields) = reader.fields(node, what.clone()) else { continue };
        let by_id =
            fields.get(reader, "ResourceId", |reader, node, what| reader.reference(node, what, "service", services));
        let service = match by_id {
            Some(service) => Some(service),
            None => {
                let named = Node {
                    place: key.place.clone(),
                    value: crate::scenario::tree::Value::Scalar { text: key.text.clone(), is_quoted: false },
                };
                reader.reference(&named, &what, "service", services)
            }
        };
        let capacity = |reader: &mut Reader, node: &Node, what: &str| reader.count(node, what, 0..=5000);
        let min_capacity = fields.required(reader, "MinCapacity", capacity);
        let max_capacity = fields.required(reader, "MaxCapacity", capacity);
        if let Some(node) = fields.take("SuspendedState") {
            reader.not_yet(&node.place, "suspended scaling");
        }
        fields.finish(reader, aws_fields::SCALABLE_TARGET);
        let (Some(service), Some(min_capacity), Some(max_capacity)) = (service, min_capacity, max_capacity) else {
            continue;
        };
        if min_capacity > max_capacity {
            let message = format!("{what}: MinCapacity {min_capacity} is above MaxCapacity {max_capacity}");
            reader.refuse(Problem::at(node.place.clone(), message).expected("expected MinCapacity <= MaxCapacity"));
        }
        targets.push(ScalableTarget { service: Id::new(service), min_capacity, max_capacity });
    }
    targets
}

/// Reads `alarms`.
pub fn alarms(reader: &mut Reader, node: Option<&Node>, services: &[String]) -> Vec<NamedAlarm> {
    let mut alarms = Vec::new();
    for (key, node) in reader.named(node, "alarms") {
        if let Some(alarm) = alarm(reader, key, node, services) {
            alarms.push(alarm);
        }
    }
    alarms
}

fn alarm(reader: &mut Reader, key: &Key, node: &Node, services: &[String]) -> Option<NamedAlarm> {
    let what = format!("alarm {}", key.text);
    let mut fields = reader.fields(node, what.clone())?;
    fields.take("AlarmName");
    let metric = fields.required(reader, "MetricName", |reader, node, what| {
        let words = [
            ServiceMetric::CpuUtilization,
            ServiceMetric::MemoryUtilization,
            ServiceMetric::RequestCountPerTarget,
            ServiceMetric::RequestCount,
            ServiceMetric::TargetResponseTime,
        ]
        .map(|metric| (metric.as_str(), metric));
        reader.one_of(node, what, &words)
    });
    fields.get(reader, "ServiceName", |reader, node, what| reader.reference(node, what, "service", services));
    fields.take("Dimensions");
    for (name, words) in [
        ("Metrics", "an alarm on metric math"),
        ("ExtendedStatistic", "an alarm on a percentile"),
        ("ThresholdMetricId", "anomaly detection"),
    ] {
        if let Some(node) = fields.take(name) {
            reader.not_yet(&node.place, words);
        }
    }
    let statistic = fields.get(reader, "Statistic", |reader, node, what| {
        let words = [
            ("Average", Statistic::Average),
            ("Sum", Statistic::Sum),
            ("Minimum", Statistic::Minimum),
            ("Maximum", Statistic::Maximum),
        ];
        reader.one_of(node, what, &words)
    });
    let period = fields.get(reader, "Period", |reader, node, what| {
        let period = reader.seconds(node, what, 10..=86_400)?;
        if !period.0.is_multiple_of(Span::MINUTE.0) {
            reader.not_yet(&node.place, "a period that is not whole minutes");
        }
        Some(period)
    });
    let periods = |reader: &mut Reader, node: &Node, what: &str| reader.count(node, what, 1..=1440);
    let evaluation_periods = fields.required(reader, "EvaluationPeriods", periods);
    let datapoints = fields.get(reader, "DatapointsToAlarm", periods);
    let threshold = fields.required(reader, "Threshold", |reader, node, what| {
        reader.number(node, what, f64::NEG_INFINITY..=f64::INFINITY)
    });
    let comparison_operator = fields.required(reader, "ComparisonOperator", |reader, node, what| {
        let words = [
            ("GreaterThanThreshold", ComparisonOperator::GreaterThanThreshold),
            ("GreaterThanOrEqualToThreshold", ComparisonOperator::GreaterThanOrEqualToThreshold),
            ("LessThanThreshold", ComparisonOperator::LessThanThreshold),
            ("LessThanOrEqualToThreshold", ComparisonOperator::LessThanOrEqualToThreshold),
        ];
        reader.one_of(node, what, &words)
    });
    let treat_missing_data = fields.get(reader, "TreatMissingData", |reader, node, what| {
        let words = [
            ("missing", TreatMissingData::Missing),
            ("ignore", TreatMissingData::Ignore),
            ("breaching", TreatMissingData::Breaching),
            ("notBreaching", TreatMissingData::NotBreaching),
        ];
        reader.one_of(node, what, &words)
    });
    let place = fields.take("DatapointsToAlarm").map_or(node.place.clone(), |it| it.place.clone());
    fields.finish(reader, aws_fields::ALARM);
    let metric = metric?;
    let evaluation_periods = evaluation_periods?;
    let datapoints_to_alarm = datapoints.unwrap_or(evaluation_periods);
    if datapoints_to_alarm > evaluation_periods {
        let message =
            format!("{what}: DatapointsToAlarm {datapoints_to_alarm} is above EvaluationPeriods {evaluation_periods}");
        reader.refuse(Problem::at(place, message).expected("expected at most EvaluationPeriods"));
    }
    Some(NamedAlarm {
        name: key.text.clone(),
        metric,
        rule: AlarmRule {
            comparison_operator: comparison_operator?,
            threshold: threshold?,
            period: period.unwrap_or(Span::MINUTE),
            evaluation_periods,
            datapoints_to_alarm,
            treat_missing_data: treat_missing_data.unwrap_or_default(),
            statistic: statistic.unwrap_or(metric.statistic()),
        },
    })
}

/// The scalable target that `service` or `ResourceId` names.
fn target(reader: &mut Reader, fields: &mut Fields, names: &Names) -> Option<Id<ScalableTarget>> {
    let name = if fields.has("ResourceId") { "ResourceId" } else { "service" };
    fields.take("service");
    let service =
        fields.required(reader, name, |reader, node, what| reader.reference(node, what, "service", names.services))?;
    let found = names.targets.find(|it| it.service.index() == service);
    if found.is_none() && !reader.has_problems() {
        let place = fields.take(name).map_or(fields.place.clone(), |it| it.place.clone());
        let message = format!("{}: service `{}` is no scalable target", fields.what, names.services[service]);
        reader.refuse(Problem::at(place, message).expected("expected an entry of it in `scalableTargets`"));
    }
    found
}

/// Reads `scalingPolicies`.
pub fn scaling_policies(reader: &mut Reader, node: Option<&Node>, names: &Names) -> Table<ScalingPolicy> {
    let mut policies = Table::new();
    for (key, node) in reader.named(node, "scalingPolicies") {
        let what = format!("scaling policy {}", key.text);
        let Some(mut fields) = reader.fields(node, what.clone()) else { continue };
        fields.take("PolicyName");
        let target = target(reader, &mut fields, names);
        let kind = fields.get(reader, "PolicyType", |reader, node, what| {
            let words =
                [("StepScaling", 0), ("TargetTrackingScaling", 1), ("PredictiveScaling", 2), ("SimpleScaling", 3)];
            reader.one_of(node, what, &words)
        });
        let tracking = fields.take("TargetTrackingScalingPolicyConfiguration");
        let step = fields.take("StepScalingPolicyConfiguration");
        let alarm = fields.get(reader, "alarm", |reader, node, what| {
            let known: Vec<String> = names.alarms.iter().map(|it| it.name.clone()).collect();
            reader.reference(node, what, "alarm", &known)
        });
        if let Some(node) = fields.take("PredictiveScalingPolicyConfiguration") {
            reader.not_yet(&node.place, "predictive scaling");
        }
        if kind == Some(2) || kind == Some(3) {
            reader.not_yet(&node.place, "this type of scaling policy");
        }
        let has_alarm = fields.has("alarm");
        fields.finish(reader, aws_fields::SCALING_POLICY);
        let kind = match (tracking, step) {
            (Some(node), None) => target_tracking(reader, node, &what).map(ScalingPolicyKind::TargetTracking),
            (None, Some(configuration)) => {
                if !has_alarm {
                    let problem = Problem::at(node.place.clone(), format!("{what}: which alarm invokes it?"));
                    reader.refuse(problem.expected("expected `alarm`: the name of an entry of `alarms`"));
                }
                let alarm = alarm.map(|it| &names.alarms[it]);
                step_scaling(reader, configuration, &what, alarm).map(ScalingPolicyKind::Step)
            }
            _ => {
                let problem = Problem::at(node.place.clone(), format!("{what}: how does it scale?"));
                reader.refuse(problem.expected(
                    "expected TargetTrackingScalingPolicyConfiguration or StepScalingPolicyConfiguration, one of them",
                ));
                None
            }
        };
        if let (Some(target), Some(kind)) = (target, kind) {
            policies.push(ScalingPolicy { name: key.text.clone(), target, kind });
        }
    }
    policies
}

fn target_tracking(reader: &mut Reader, node: &Node, what: &str) -> Option<TargetTracking> {
    let mut fields = reader.fields(node, what)?;
    let target_value = fields.required(reader, "TargetValue", |reader, node, what| {
        reader.number(node, what, f64::MIN_POSITIVE..=f64::INFINITY)
    });
    let cooldown = |reader: &mut Reader, node: &Node, what: &str| reader.seconds(node, what, 0..=u64::MAX);
    let scale_out_cooldown = fields.get(reader, "ScaleOutCooldown", cooldown).unwrap_or(Span::seconds(300));
    let scale_in_cooldown = fields.get(reader, "ScaleInCooldown", cooldown).unwrap_or(Span::seconds(300));
    let disable_scale_in = fields.get(reader, "DisableScaleIn", Reader::boolean).unwrap_or(false);
    if let Some(node) = fields.take("CustomizedMetricSpecification") {
        reader.not_yet(&node.place, "a customised metric");
        fields.take("PredefinedMetricSpecification");
        fields.finish(reader, &[]);
        return None;
    }
    let specification = fields.required(reader, "PredefinedMetricSpecification", |_, _, _| Some(()));
    let specification = fields.take("PredefinedMetricSpecification").filter(|_| specification.is_some());
    fields.finish(reader, &[]);
    let mut fields = reader.fields(specification?, what)?;
    let metric = fields.required(reader, "PredefinedMetricType", |reader, node, what| {
        let words = [
            ("ECSServiceAverageCPUUtilization", Some(ServiceMetric::CpuUtilization)),
            ("ECSServiceAverageMemoryUtilization", Some(ServiceMetric::MemoryUtilization)),
            ("ALBRequestCountPerTarget", Some(ServiceMetric::RequestCountPerTarget)),
            ("ECSServiceAverageCPUUtilizationHighResolution", None),
            ("ECSServiceAverageMemoryUtilizationHighResolution", None),
        ];
        let metric = reader.one_of(node, what, &words)?;
        if metric.is_none() {
            reader.not_yet(&node.place, "a high-resolution metric");
        }
        metric
    });
    fields.finish(reader, &["ResourceLabel"]);
    Some(TargetTracking {
        metric: metric?,
        target_value: target_value?,
        scale_out_cooldown,
        scale_in_cooldown,
        disable_scale_in,
    })
}

fn step_scaling(reader: &mut Reader, node: &Node, what: &str, alarm: Option<&NamedAlarm>) -> Option<StepScaling> {
    let mut fields = reader.fields(node, what)?;
    let adjustment_type = fields.required(reader, "AdjustmentType", |reader, node, what| {
        let words = [
            ("ChangeInCapacity", AdjustmentType::ChangeInCapacity),
            ("PercentChangeInCapacity", AdjustmentType::PercentChangeInCapacity),
            ("ExactCapacity", AdjustmentType::ExactCapacity),
        ];
        reader.one_of(node, what, &words)
    });
    let min_adjustment_magnitude = fields
        .get(reader, "MinAdjustmentMagnitude", |reader, node, what| reader.count(node, what, 0..=5000))
        .unwrap_or(0);
    let cooldown = fields
        .get(reader, "Cooldown", |reader, node, what| reader.seconds(node, what, 0..=u64::MAX))
        .unwrap_or(Span::seconds(300));
    let steps_node = fields.take("StepAdjustments");
    fields.finish(reader, &["MetricAggregationType"]);
    let mut steps = Vec::new();
    for item in reader.list(steps_node, &format!("{what}, StepAdjustments")) {
        let mut step = reader.fields(item, format!("{what}, step"))?;
        let any =
            |reader: &mut Reader, node: &Node, what: &str| reader.number(node, what, f64::NEG_INFINITY..=f64::INFINITY);
        let lower_bound = step.get(reader, "MetricIntervalLowerBound", any);
        let upper_bound = step.get(reader, "MetricIntervalUpperBound", any);
        let adjustment = step.required(reader, "ScalingAdjustment", |reader, node, what| {
            reader.number(node, what, -100_000.0..=100_000.0).filter(|it| it.fract() == 0.0)
        });
        step.finish(reader, &[]);
        steps.push(StepAdjustment { lower_bound, upper_bound, scaling_adjustment: adjustment? as i32 });
    }
    if let Err(reason) = check_steps(&steps) {
        let place = steps_node.map_or(node.place.clone(), |it| it.place.clone());
        reader
            .refuse(Problem::at(place, format!("{what}: {reason}")).expected("expected steps without gap or overlap"));
    }
    let alarm = alarm?;
    Some(StepScaling {
        adjustment_type: adjustment_type?,
        steps,
        min_adjustment_magnitude,
        cooldown,
        alarm_name: alarm.name.clone(),
        metric: alarm.metric,
        alarm: alarm.rule,
    })
}

/// Reads `scheduledActions`.
pub fn scheduled_actions(
    reader: &mut Reader,
    node: Option<&Node>,
    names: &Names,
    start_unix: i64,
    duration: Span,
) -> Table<ScheduledAction> {
    let mut actions = Table::new();
    for (key, node) in reader.named(node, "scheduledActions") {
        let what = format!("scheduled action {}", key.text);
        let Some(mut fields) = reader.fields(node, what.clone()) else { continue };
        fields.take("ScheduledActionName");
        let target = target(reader, &mut fields, names);
        let schedule = fields.required(reader, "Schedule", Reader::text);
        let timezone = fields.get(reader, "Timezone", Reader::text);
        let active =
            (fields.get(reader, "StartTime", Reader::timestamp), fields.get(reader, "EndTime", Reader::timestamp));
        let schedule_place = fields.take("Schedule").map(|it| it.place.clone());
        let action_node = fields.take("ScalableTargetAction");
        fields.finish(reader, aws_fields::SCHEDULED_ACTION);
        let capacity = |reader: &mut Reader, node: &Node, what: &str| reader.count(node, what, 0..=5000);
        let (mut min_capacity, mut max_capacity) = (None, None);
        if let Some(node) = action_node
            && let Some(mut action) = reader.fields(node, what.clone())
        {
            min_capacity = action.get(reader, "MinCapacity", capacity);
            max_capacity = action.get(reader, "MaxCapacity", capacity);
            action.finish(reader, &[]);
        }
        if min_capacity.is_none() && max_capacity.is_none() {
            let problem = Problem::at(node.place.clone(), format!("{what}: what does it set?"));
            reader.refuse(problem.expected("expected ScalableTargetAction with MinCapacity, MaxCapacity or both"));
        }
        if let (Some(min), Some(max)) = (min_capacity, max_capacity)
            && min > max
        {
            let message = format!("{what}: MinCapacity {min} is above MaxCapacity {max}");
            reader.refuse(Problem::at(node.place.clone(), message).expected("expected MinCapacity <= MaxCapacity"));
        }
        let (Some(target), Some(schedule), Some(place)) = (target, schedule, schedule_place) else { continue };
        match occurrences(&schedule, timezone.as_deref(), start_unix, duration, active) {
            Ok(times) => {
                actions.push(ScheduledAction {
                    name: key.text.clone(),
                    target,
                    times,
                    schedule,
                    min_capacity,
                    max_capacity,
                });
            }
            Err(reason) => {
                let problem = Problem::at(place, format!("{what}: {reason}"));
                reader.refuse(problem.expected("expected at(...), rate(...) or cron(...)"));
            }
        }
    }
    actions
}
