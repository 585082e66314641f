//! `scalingPolicies` with `AutoScalingGroupName`: EC2 Auto Scaling's policies, in the shape of its `PutScalingPolicy`.

use crate::aws::alarm::{Alarm, Watched};
use crate::aws::auto_scaling_group::AutoScalingGroup;
use crate::aws::metric::{LoadBalancerMetric, Metric, MetricStat};
use crate::aws::scaling_policy::{
    ScalingPolicy, ScalingPolicyKind, ScalingTarget, SimpleScaling, StepScaling, TargetTracking,
};
use crate::aws::statistic::Statistic;
use crate::scenario::aws_fields::Shape;
use crate::scenario::metric::CustomizedFor;
use crate::scenario::predictive_scaling::ForecastFor;
use crate::scenario::problem::{Place, Problem};
use crate::scenario::reader::{Fields, Reader, What};
use crate::scenario::scaling::{ADJUSTMENT_TYPES, AGGREGATION_TYPES, Scaling, scaling_adjustment, steps};
use crate::scenario::tree::Node;
use crate::table::Id;
use crate::units::Span;

/// The kinds of `PolicyType` of EC2 Auto Scaling.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tracking,
    Step,
    Simple,
    Predictive,
}

impl Scaling<'_> {
    /// A policy of an Auto Scaling group, and the alarm that it says to be invoked by.
    pub(super) fn group_policy(
        &mut self,
        reader: &mut Reader<'_>,
        mut fields: Fields<'_>,
        name: &str,
    ) -> Option<(ScalingPolicy, Option<Id<Alarm>>)> {
        let place = fields.place_of("AutoScalingGroupName");
        let group = fields.reference(reader, "AutoScalingGroupName", &self.watchable.capacity.group_names);
        let kinds = [
            ("TargetTrackingScaling", Kind::Tracking),
            ("StepScaling", Kind::Step),
            ("SimpleScaling", Kind::Simple),
            ("PredictiveScaling", Kind::Predictive),
        ];
        let kind = fields.word_or(reader, "PolicyType", &kinds, Kind::Simple);
        let is_enabled = fields.flag_or(reader, "Enabled", true);
        let (tracking, steps_node) = (fields.take("TargetTrackingConfiguration"), fields.take("StepAdjustments"));
        let predictive = fields.take_entry("PredictiveScalingConfiguration");
        let adjustment_type = fields.word(reader, "AdjustmentType", &ADJUSTMENT_TYPES);
        let min_adjustment_magnitude = fields.count_or(reader, "MinAdjustmentMagnitude", 0..=5_000, 0);
        let adjustment = scaling_adjustment(reader, &mut fields, adjustment_type);
        let cooldown = fields.seconds(reader, "Cooldown", 0..=86_400);
        let warmup = fields.seconds(reader, "EstimatedInstanceWarmup", 0..=3_600);
        let aggregation = fields.word(reader, "MetricAggregationType", &AGGREGATION_TYPES);
        if aggregation.is_some() && kind != Kind::Step {
            let message = format!("`MetricAggregationType` of {} counts for `StepScaling` only", fields.of);
            reader.note(message);
        }
        let (alarm, linked) = (fields.take("alarm"), fields.list(reader, "Alarms"));
        let of = fields.of.clone();
        let mut lacks = |reader: &mut Reader<'_>, name: &'static str, is_there: bool| {
            if !is_there {
                fields.required(reader, name);
            }
        };
        match kind {
            Kind::Tracking => lacks(reader, "TargetTrackingConfiguration", tracking.is_some()),
            Kind::Step => {
                lacks(reader, "AdjustmentType", adjustment_type.is_some());
                lacks(reader, "StepAdjustments", steps_node.is_some());
            }
            Kind::Simple => {
                lacks(reader, "AdjustmentType", adjustment_type.is_some());
                lacks(reader, "ScalingAdjustment", adjustment.is_some());
            }
            Kind::Predictive => lacks(reader, "PredictiveScalingConfiguration", predictive.is_some()),
        }
        fields.finish(reader, &Shape::GROUP_SCALING_POLICY);
        let group = group?;
        self.refuse_beside_managed_scaling(reader, place, &of, group);
        let described = linked.first().and_then(|it| it.get("AlarmName"));
        let kind = match kind {
            Kind::Tracking => ScalingPolicyKind::TargetTracking(self.group_tracking(reader, tracking?, &of, group)?),
            Kind::Step => ScalingPolicyKind::Step(StepScaling {
                adjustment_type: adjustment_type?,
                steps: steps(reader, steps_node?, &of, adjustment_type)?,
                min_adjustment_magnitude,
                cooldown: Span::ZERO,
                metric_aggregation_type: aggregation.unwrap_or_default(),
            }),
            Kind::Simple => ScalingPolicyKind::Simple(SimpleScaling {
                adjustment_type: adjustment_type?,
                scaling_adjustment: adjustment?,
                min_adjustment_magnitude,
                cooldown,
            }),
            Kind::Predictive => {
                let entry = predictive?;
                let forecast_for = ForecastFor::Group(group);
                ScalingPolicyKind::Predictive(self.predictive(
                    reader,
                    &entry.node,
                    &of,
                    entry.key_place,
                    forecast_for,
                )?)
            }
        };
        let is_invoked = matches!(kind, ScalingPolicyKind::Step(_) | ScalingPolicyKind::Simple(_));
        let named = alarm.or(described).filter(|_| is_invoked);
        if is_invoked && named.is_none() && !self.alarms.names_policy(name) {
            let problem = Problem::new(place, format!("{of} does not say its alarm"));
            let help = "add `alarm:` with the name of an entry of the section `alarms`, or name the policy in the \
                        `AlarmActions` of that";
            reader.refuse(problem.help(help));
        }
        // One that was refused says so itself.
        let alarm = match named {
            Some(node) => Some(self.alarm_of(reader, node, &of)?),
            None => None,
        };
        if !is_enabled {
            reader.note(format!("{of} is not `Enabled`, so nothing comes of it"));
            return None;
        }
        let target = ScalingTarget::Group(group);
        let policy = ScalingPolicy { name: name.to_owned(), target, kind, estimated_instance_warmup: warmup };
        Some((policy, alarm))
    }

    /// What ECS scales by managed scaling no other policy may drive.
    fn refuse_beside_managed_scaling(
        &self,
        reader: &mut Reader<'_>,
        place: Place,
        of: &str,
        group: Id<AutoScalingGroup>,
    ) {
        let capacity = self.watchable.capacity;
        let manages = |it: &&crate::aws::capacity_provider::CapacityProvider| {
            it.auto_scaling_group() == Some(group) && it.managed_scaling.is_some()
        };
        if let Some(provider) = capacity.providers.iter().find(manages) {
            let (group, provider) = (&capacity.groups[group].name, &provider.name);
            let message =
                format!("{of} scales group `{group}`, which managed scaling of capacity provider `{provider}` scales");
            let help = "leave the policy out, or set `managedScaling: {status: DISABLED}` of the provider";
            reader.refuse(Problem::new(place, message).help(help));
        }
    }

    fn group_tracking(
        &self,
        reader: &mut Reader<'_>,
        node: &Node,
        of: &str,
        group: Id<AutoScalingGroup>,
    ) -> Option<TargetTracking> {
        let mut fields = reader.fields(node, format!("the target tracking of {of}"))?;
        let target_value = fields.required_positive(reader, "TargetValue");
        let disable_scale_in = fields.flag_or(reader, "DisableScaleIn", false);
        let (predefined, customized) =
            (fields.take("PredefinedMetricSpecification"), fields.take_entry("CustomizedMetricSpecification"));
        if let (Some(_), Some(entry)) = (predefined, customized) {
            let message = format!("the target tracking of {of} has two metrics: one predefined, one customized");
            let problem = Problem::new(entry.key_place, message);
            reader.refuse(problem.help("leave one of them out; each policy tracks one"));
        }
        if predefined.is_none() && customized.is_none() {
            fields.required(reader, "PredefinedMetricSpecification");
        }
        fields.finish(reader, &Shape::TARGET_TRACKING);
        let (watches, period) = match (predefined, customized) {
            (Some(node), _) => self.predefined_group_metric(reader, node, of, group)?,
            (None, Some(entry)) => self.watchable.customized(reader, &entry.node, of, CustomizedFor::Group)?,
            (None, None) => return None,
        };
        Some(TargetTracking {
            watches,
            period,
            target_value: target_value?,
            scale_out_cooldown: Span::ZERO,
            scale_in_cooldown: Span::ZERO,
            disable_scale_in,
        })
    }

    /// `PredefinedMetricSpecification` of a group, or its like of predictive scaling.
    pub(super) fn predefined_group_metric(
        &self,
        reader: &mut Reader<'_>,
        node: &Node,
        of: &str,
        group: Id<AutoScalingGroup>,
    ) -> Option<(Watched, Span)> {
        let mut fields = reader.fields(node, format!("the metric of {of}"))?;
        let place = fields.place_of("PredefinedMetricType");
        fields.required(reader, "PredefinedMetricType");
        let types =
            ["ASGAverageCPUUtilization", "ALBRequestCountPerTarget", "ASGAverageNetworkIn", "ASGAverageNetworkOut"]
                .map(|it| (it, it));
        let said = fields.word(reader, "PredefinedMetricType", &types);
        let label = fields.take("ResourceLabel");
        let of = fields.of.clone();
        fields.finish(reader, &Shape::OURS);
        match said? {
            "ASGAverageCPUUtilization" => {
                let metric = Metric::InstanceCpuUtilization(group);
                let is_detailed = self.watchable.capacity.groups[group].detailed_monitoring;
                let period = if is_detailed { Span::MINUTE } else { Span::seconds(300) };
                Some((Watched::Stat(MetricStat { metric, statistic: Statistic::Average }), period))
            }
            "ALBRequestCountPerTarget" => {
                let metric = LoadBalancerMetric::RequestCountPerTarget;
                let metric = self.requests_of_label(reader, label, (&of, place), metric)?;
                Some((Watched::Stat(MetricStat { metric, statistic: Statistic::Sum }), Span::MINUTE))
            }
            network => {
                reader.not_simulated(place, format!("`{network}` of {of}: traffic of instances"));
                None
            }
        }
    }

    /// A metric of the target group that `ResourceLabel` names.
    pub(super) fn requests_of_label(
        &self,
        reader: &mut Reader<'_>,
        label: Option<&Node>,
        (of, place): (&str, Place),
        metric: LoadBalancerMetric,
    ) -> Option<Metric> {
        let Some(label) = label else {
            let problem = Problem::new(place, format!("{of} does not say its target group"));
            reader.refuse(problem.help("add `ResourceLabel` with the name of a target group"));
            return None;
        };
        let balancing = self.watchable.load_balancing;
        let group = reader.reference(What { field: "ResourceLabel", of }, label, &balancing.target_group_names)?;
        Some(Metric::LoadBalancer(balancing.target_groups[group].load_balancer, Some(group), metric))
    }
}
