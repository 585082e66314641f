//! `StepScalingPolicyConfiguration`, and what step policies of services and groups have in common.

use crate::aws::scaling_policy::{
    AdjustmentType, MetricAggregationType, StepAdjustment, StepFault, StepScaling, check_steps,
};
use crate::scenario::aws_fields::Shape;
use crate::scenario::problem::Problem;
use crate::scenario::reader::{Fields, Reader, What};
use crate::scenario::tree::Node;
use crate::units::Span;

/// Words of `AdjustmentType`.
pub(in crate::scenario) const ADJUSTMENT_TYPES: [(&str, AdjustmentType); 3] = [
    ("ChangeInCapacity", AdjustmentType::ChangeInCapacity),
    ("PercentChangeInCapacity", AdjustmentType::PercentChangeInCapacity),
    ("ExactCapacity", AdjustmentType::ExactCapacity),
];

/// Words of `MetricAggregationType`.
pub(in crate::scenario) const AGGREGATION_TYPES: [(&str, MetricAggregationType); 3] = [
    ("Average", MetricAggregationType::Average),
    ("Minimum", MetricAggregationType::Minimum),
    ("Maximum", MetricAggregationType::Maximum),
];

/// `StepScalingPolicyConfiguration`
pub(super) fn step_scaling(reader: &mut Reader<'_>, node: &Node, of: &str) -> Option<StepScaling> {
    let mut fields = reader.fields(node, format!("the step scaling of {of}"))?;
    fields.required(reader, "AdjustmentType");
    let adjustment_type = fields.word(reader, "AdjustmentType", &ADJUSTMENT_TYPES);
    let steps =
        fields.required(reader, "StepAdjustments").and_then(|it| steps(reader, it, &fields.of, adjustment_type));
    let min_adjustment_magnitude = fields.count_or(reader, "MinAdjustmentMagnitude", 0..=5_000, 0);
    if min_adjustment_magnitude > 0 && adjustment_type.is_some_and(|it| it != AdjustmentType::PercentChangeInCapacity) {
        reader.note(format!("`MinAdjustmentMagnitude` of {of} counts for `PercentChangeInCapacity` only"));
    }
    let cooldown = fields.seconds_or(reader, "Cooldown", 0..=864_000, Span::seconds(300));
    let aggregation = fields.word_or(reader, "MetricAggregationType", &AGGREGATION_TYPES, Default::default());
    fields.finish(reader, &Shape::OURS);
    Some(StepScaling {
        adjustment_type: adjustment_type?,
        steps: steps?,
        min_adjustment_magnitude,
        cooldown,
        metric_aggregation_type: aggregation,
    })
}

/// `ScalingAdjustment`, which an exact capacity cannot have below 0.
pub(in crate::scenario) fn scaling_adjustment(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    adjustment_type: Option<AdjustmentType>,
) -> Option<i32> {
    fields.parsed(reader, "ScalingAdjustment", |text| match text.parse::<i32>() {
        Err(_) => Err(format!("`{text}` is not a whole number such as `2` or `-1`")),
        Ok(below) if below < 0 && adjustment_type == Some(AdjustmentType::ExactCapacity) => {
            Err(format!("`{text}` is below 0; for exact capacity, you must specify a non-negative value"))
        }
        Ok(adjustment) => Ok(adjustment),
    })
}

/// Step adjustments, sorted by their bounds; refused where they leave gaps, overlap or end short of infinity.
pub(in crate::scenario) fn steps(
    reader: &mut Reader<'_>,
    node: &Node,
    of: &str,
    adjustment_type: Option<AdjustmentType>,
) -> Option<Vec<StepAdjustment>> {
    let problems = reader.problems.len();
    let nodes = reader.list(What { field: "StepAdjustments", of }, node);
    let (mut steps, mut places) = (Vec::new(), Vec::new());
    for node in nodes {
        let mut fields = reader.fields(node, format!("a step of {of}"))?;
        let lower_bound = fields.number(reader, "MetricIntervalLowerBound", f64::MIN..=f64::MAX);
        let upper_bound = fields.number(reader, "MetricIntervalUpperBound", f64::MIN..=f64::MAX);
        fields.required(reader, "ScalingAdjustment");
        let adjustment = scaling_adjustment(reader, &mut fields, adjustment_type);
        let is_unbounded = !fields.has("MetricIntervalLowerBound") && !fields.has("MetricIntervalUpperBound");
        fields.finish(reader, &Shape::OURS);
        if is_unbounded {
            let message = format!(
                "a step of {of} has no bound: the upper and lower bound can't be null in the same step adjustment"
            );
            let help = "add `MetricIntervalLowerBound: 0` to scale out, or `MetricIntervalUpperBound: 0` to scale in";
            reader.refuse(Problem::new(node.place, message).help(help));
        }
        if let Some(scaling_adjustment) = adjustment {
            steps.push(StepAdjustment { lower_bound, upper_bound, scaling_adjustment });
            places.push((lower_bound, node.place));
        }
    }
    if nodes.is_empty() || nodes.len() > 20 {
        let message = format!("{of} has {} steps; 1 to 20 are allowed", nodes.len());
        reader.refuse(Problem::new(node.place, message));
    }
    if reader.problems.len() > problems {
        return None;
    }
    let Err((number, fault)) = check_steps(&mut steps) else { return Some(steps) };
    let step = &steps[number];
    let at = places.iter().find(|(lower_bound, _)| *lower_bound == step.lower_bound).map_or(node.place, |it| it.1);
    let (lower, upper) = (step.lower_bound.unwrap_or(f64::NEG_INFINITY), step.upper_bound.unwrap_or(f64::INFINITY));
    let each = "each step begins where another ends; bounds are relative to the threshold";
    let (message, help) = match fault {
        StepFault::EndsBeforeItBegins => (format!("a step of {of} ends at {upper}, not above its start {lower}"), each),
        StepFault::LeavesGapFrom(end) => (format!("steps of {of} leave a gap between {end} and {lower}"), each),
        StepFault::OverlapsUpTo(end) => (format!("steps of {of} overlap between {lower} and {end}"), each),
        StepFault::NothingBelow => (
            format!("nothing covers the values below the lowest step of {of}"),
            "leave `MetricIntervalLowerBound` out of the lowest step: that is minus infinity",
        ),
        StepFault::NothingAbove => (
            format!("nothing covers the values above the highest step of {of}"),
            "leave `MetricIntervalUpperBound` out of the highest step: that is infinity",
        ),
    };
    reader.refuse(Problem::new(at, message).help(help));
    None
}
