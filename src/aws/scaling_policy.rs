//! Application Auto Scaling: target tracking and step scaling of a service's desired count.
//!
//! Follows the Application Auto Scaling user guide (2023 to 2026 copies) and its API model of 2026-08.

use crate::aws::alarm::{AlarmRule, ComparisonOperator, TreatMissingData, Watched};
use crate::aws::auto_scaling_group::AutoScalingGroup;
use crate::aws::predictive_scaling::PredictiveScaling;
use crate::aws::service::ServiceDefinition;
use crate::table::Id;
use crate::units::{Span, ceil_capacity, floor_capacity};

/// A scalable target: a service's desired count and its bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct ScalableTarget {
    /// The service.
    pub service: Id<ServiceDefinition>,
    /// `MinCapacity`.
    pub min_capacity: u32,
    /// `MaxCapacity`.
    pub max_capacity: u32,
    /// `SuspendedState`
    pub suspended_state: SuspendedState,
}

/// `SuspendedState`: what of scaling is suspended (*Suspending and resuming scaling*).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SuspendedState {
    /// `DynamicScalingInSuspended`: policies do not scale in.
    pub dynamic_scaling_in: bool,
    /// `DynamicScalingOutSuspended`: policies do not scale out.
    pub dynamic_scaling_out: bool,
    /// `ScheduledScalingSuspended`: scheduled actions that come due are lost.
    pub scheduled_scaling: bool,
}

/// A scaling policy.
#[derive(Clone, Debug, PartialEq)]
pub struct ScalingPolicy {
    /// Name.
    pub name: String,
    /// What it scales.
    pub target: ScalingTarget,
    /// How.
    pub kind: ScalingPolicyKind,
    /// `EstimatedInstanceWarmup` of a policy of an Auto Scaling group: how long a new instance warms up.
    pub estimated_instance_warmup: Option<Span>,
}

/// What a policy scales.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScalingTarget {
    /// The desired count of a service.
    Service(Id<ScalableTarget>),
    /// The desired capacity of an Auto Scaling group.
    Group(Id<AutoScalingGroup>),
}

impl ScalingPolicy {
    /// The scalable target of a service that it scales.
    pub fn scalable_target(&self) -> Option<Id<ScalableTarget>> {
        match self.target {
            ScalingTarget::Service(target) => Some(target),
            ScalingTarget::Group(_) => None,
        }
    }
}

/// The kinds of dynamic policy that are simulated.
#[derive(Clone, Debug, PartialEq)]
pub enum ScalingPolicyKind {
    /// `TargetTrackingScaling`
    TargetTracking(TargetTracking),
    /// `StepScaling`; alarms name it among their actions.
    Step(StepScaling),
    /// `SimpleScaling` of an Auto Scaling group; alarms name it, too.
    Simple(SimpleScaling),
    /// `PredictiveScaling` of a service.
    Predictive(PredictiveScaling),
}

/// Simple scaling: one adjustment, and then a pause (*Step and simple scaling policies*).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimpleScaling {
    /// `AdjustmentType`.
    pub adjustment_type: AdjustmentType,
    /// `ScalingAdjustment`.
    pub scaling_adjustment: i32,
    /// `MinAdjustmentMagnitude`, of percentages only.
    pub min_adjustment_magnitude: u32,
    /// `Cooldown`; the group's `DefaultCooldown` where it is left out.
    pub cooldown: Option<Span>,
}

impl SimpleScaling {
    /// The capacity that it makes of `current`, before the bounds.
    pub fn capacity(&self, current: u32) -> u32 {
        adjusted(self.adjustment_type, self.min_adjustment_magnitude, current, self.scaling_adjustment)
    }
}

/// `TargetTrackingScalingPolicyConfiguration`.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetTracking {
    /// The metric, or what an expression makes of several.
    pub watches: Watched,
    /// Length of the periods that its alarms look at: a minute, or less of a high-resolution metric (20 s of a service, 10 or 30 s
    /// of a group).
    pub period: Span,
    /// `TargetValue`, above 0, in the metric's unit.
    pub target_value: f64,
    /// `ScaleOutCooldown`; AWS's default for ECS is 300 s.
    pub scale_out_cooldown: Span,
    /// `ScaleInCooldown`; AWS's default for ECS is 300 s.
    pub scale_in_cooldown: Span,
    /// `DisableScaleIn`.
    pub disable_scale_in: bool,
}

/// `StepScalingPolicyConfiguration`.
#[derive(Clone, Debug, PartialEq)]
pub struct StepScaling {
    /// `AdjustmentType`.
    pub adjustment_type: AdjustmentType,
    /// Steps, without gap or overlap.
    pub steps: Vec<StepAdjustment>,
    /// `MinAdjustmentMagnitude`, of percentages only.
    pub min_adjustment_magnitude: u32,
    /// `Cooldown`; AWS's default is 300 s.
    pub cooldown: Span,
    /// `MetricAggregationType`.
    pub metric_aggregation_type: MetricAggregationType,
}

/// `MetricAggregationType`: what of an alarm's most recent datapoints is held against the bounds of steps (*Step scaling policies*).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MetricAggregationType {
    /// Their mean.
    #[default]
    Average,
    /// The least of them.
    Minimum,
    /// The greatest.
    Maximum,
}

impl MetricAggregationType {
    /// What it makes of datapoints; `None` of none.
    pub fn of(self, datapoints: &[f64]) -> Option<f64> {
        let all = datapoints.iter().copied();
        match self {
            MetricAggregationType::Average if datapoints.is_empty() => None,
            MetricAggregationType::Average => Some(all.sum::<f64>() / datapoints.len() as f64),
            MetricAggregationType::Minimum => all.reduce(f64::min),
            MetricAggregationType::Maximum => all.reduce(f64::max),
        }
    }
}

/// How a step changes capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdjustmentType {
    /// By this many.
    ChangeInCapacity,
    /// By this share.
    PercentChangeInCapacity,
    /// To this many.
    ExactCapacity,
}

/// One step; bounds are relative to the alarm's threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepAdjustment {
    /// `MetricIntervalLowerBound`; `None` is minus infinity.
    pub lower_bound: Option<f64>,
    /// `MetricIntervalUpperBound`; `None` is plus infinity.
    pub upper_bound: Option<f64>,
    /// `ScalingAdjustment`.
    pub scaling_adjustment: i32,
}

impl TargetTracking {
    /// The desired count that `running` tasks at `metric` call for: proportional, rounded up.
    ///
    /// From no running task the least possible step is taken once there is demand.
    pub fn scale_out_capacity(&self, running: u32, metric: f64) -> u32 {
        if running == 0 {
            return u32::from(metric > self.target_value);
        }
        ceil_capacity(f64::from(running) * metric / self.target_value)
    }

    /// The desired count to go in to, at most `max_fraction` of the running tasks (but one) at once.
    ///
    /// `None` where one task less would bring the metric above the target again (`AutoScalingAnticipatedFlapping`).
    pub fn scale_in_capacity(&self, running: u32, metric: f64, max_fraction: f64) -> Option<u32> {
        let proportional = ceil_capacity(f64::from(running) * metric / self.target_value);
        let surplus = running.checked_sub(proportional).filter(|&it| it > 0)?;
        let gradual = floor_capacity(f64::from(running) * max_fraction).max(1);
        Some(running - surplus.min(gradual))
    }

    /// The rules of the two alarms that AWS makes for the policy: 3 of 3 periods above the target, and 15 minutes of them (15
    /// of 15, 45 of 45 of 20 s, 90 of 90 of 10 s) below `low_ratio` of it.
    pub fn alarm_rules(&self, low_ratio: f64) -> (AlarmRule, AlarmRule) {
        let rule = |comparison_operator, threshold, periods| AlarmRule {
            comparison_operator,
            threshold,
            period: self.period,
            evaluation_periods: periods,
            datapoints_to_alarm: periods,
            treat_missing_data: TreatMissingData::Missing,
            ignores_low_sample_count: false,
        };
        let in_fifteen_minutes = (15 * Span::MINUTE.0 / self.period.min(Span::MINUTE).0) as u32;
        (
            rule(ComparisonOperator::GreaterThanThreshold, self.target_value, 3),
            rule(ComparisonOperator::LessThanThreshold, self.target_value * low_ratio, in_fifteen_minutes),
        )
    }
}

impl StepScaling {
    /// The capacity that `current` at `metric` calls for when an alarm of this rule has invoked it, before the bounds; `None`
    /// where no step covers the metric.
    pub fn capacity(&self, alarm: &AlarmRule, current: u32, metric: f64) -> Option<u32> {
        let breach = metric - alarm.threshold;
        let is_above = match breach.partial_cmp(&0.0)? {
            std::cmp::Ordering::Greater => true,
            std::cmp::Ordering::Less => false,
            // At the threshold itself the alarm's operator says from which side it was reached.
            std::cmp::Ordering::Equal => alarm.is_above(),
        };
        let step = self.steps.iter().find(|step| {
            let lower = step.lower_bound.unwrap_or(f64::NEG_INFINITY);
            let upper = step.upper_bound.unwrap_or(f64::INFINITY);
            if is_above { lower <= breach && breach < upper } else { lower < breach && breach <= upper }
        })?;
        Some(adjusted(self.adjustment_type, self.min_adjustment_magnitude, current, step.scaling_adjustment))
    }
}

fn adjusted(kind: AdjustmentType, min_adjustment_magnitude: u32, current: u32, adjustment: i32) -> u32 {
    match kind {
        AdjustmentType::ChangeInCapacity => current.saturating_add_signed(adjustment),
        AdjustmentType::ExactCapacity => u32::try_from(adjustment).unwrap_or(0),
        AdjustmentType::PercentChangeInCapacity => {
            let change = percent_change(f64::from(current) * f64::from(adjustment) / 100.0);
            let magnitude = min_adjustment_magnitude as i32;
            let change = if change == 0 { 0 } else { change.signum() * change.abs().max(magnitude) };
            current.saturating_add_signed(change)
        }
    }
}

/// A percentage's change in whole units: towards zero beyond one, to one below it (*Step scaling policies*).
pub fn percent_change(change: f64) -> i32 {
    if change.abs() < 1e-9 {
        0
    } else if change.abs() < 1.0 {
        change.signum() as i32
    } else {
        (change + 1e-9 * change.signum()).trunc() as i32
    }
}

/// What is wrong with one of several steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum StepFault {
    /// It ends at or below its start.
    EndsBeforeItBegins,
    /// Between the step below it, which ends here, and its own start lie values that no step covers.
    LeavesGapFrom(f64),
    /// It begins before the step below it ends, here.
    OverlapsUpTo(f64),
    /// It is the lowest, and begins below the threshold without reaching to minus infinity.
    NothingBelow,
    /// It is the highest, and ends above the threshold without reaching to infinity.
    NothingAbove,
}

/// Whether steps are valid by the rules of `PutScalingPolicy`: no gap, no overlap, open ends where they are needed.
/// Otherwise the place of a step that breaks one of them, and how. Sorts the steps by their bounds.
pub fn check_steps(steps: &mut [StepAdjustment]) -> Result<(), (usize, StepFault)> {
    let lower = |it: &StepAdjustment| it.lower_bound.unwrap_or(f64::NEG_INFINITY);
    let upper = |it: &StepAdjustment| it.upper_bound.unwrap_or(f64::INFINITY);
    steps.sort_by(|one, other| lower(one).total_cmp(&lower(other)));
    for (place, step) in steps.iter().enumerate() {
        if upper(step) <= lower(step) {
            return Err((place, StepFault::EndsBeforeItBegins));
        }
        let Some(below) = place.checked_sub(1).map(|it| upper(&steps[it])) else { continue };
        if below < lower(step) {
            return Err((place, StepFault::LeavesGapFrom(below)));
        }
        if below > lower(step) {
            return Err((place, StepFault::OverlapsUpTo(below)));
        }
    }
    if steps.first().and_then(|it| it.lower_bound).is_some_and(|it| it < 0.0) {
        return Err((0, StepFault::NothingBelow));
    }
    if steps.last().and_then(|it| it.upper_bound).is_some_and(|it| it > 0.0) {
        return Err((steps.len() - 1, StepFault::NothingAbove));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::metric::{Metric, MetricStat, Resolution, ServiceMetric};
    use crate::aws::statistic::Statistic;

    fn tracking(target_value: f64) -> TargetTracking {
        let metric = Metric::Service(Id::new(0), ServiceMetric::CpuUtilization, Resolution::Minute);
        TargetTracking {
            watches: Watched::Stat(MetricStat { metric, statistic: Statistic::Average }),
            period: Span::MINUTE,
            target_value,
            scale_out_cooldown: Span::seconds(300),
            scale_in_cooldown: Span::seconds(300),
            disable_scale_in: false,
        }
    }

    fn step(adjustment_type: AdjustmentType, steps: &[(Option<f64>, Option<f64>, i32)], magnitude: u32) -> StepScaling {
        StepScaling {
            adjustment_type,
            steps: steps
                .iter()
                .map(|&(lower_bound, upper_bound, scaling_adjustment)| StepAdjustment {
                    lower_bound,
                    upper_bound,
                    scaling_adjustment,
                })
                .collect(),
            min_adjustment_magnitude: magnitude,
            cooldown: Span::seconds(300),
            metric_aggregation_type: MetricAggregationType::Average,
        }
    }

    /// An alarm above 50.
    fn alarm() -> AlarmRule {
        tracking(50.0).alarm_rules(0.9).0
    }

    #[test]
    fn q5_counts_of_managed_alarms() {
        let counts = |period: u64| {
            let (high, low) = TargetTracking { period: Span::seconds(period), ..tracking(50.0) }.alarm_rules(0.9);
            let of = |it: AlarmRule| (it.evaluation_periods, it.datapoints_to_alarm, it.threshold);
            (of(high), of(low))
        };
        assert_eq!(counts(60), ((3, 3, 50.0), (15, 15, 45.0)));
        assert_eq!(counts(20), ((3, 3, 50.0), (45, 45, 45.0)));
        assert_eq!(counts(10), ((3, 3, 50.0), (90, 90, 45.0)));
        assert_eq!(counts(300), ((3, 3, 50.0), (15, 15, 45.0)));
    }

    #[test]
    fn w29_the_desired_count_as_base_would_run_away() {
        // CPU at 75 % of 10 tasks against a target of 50, looked at again each minute while the new tasks start.
        let of = |base| tracking(50.0).scale_out_capacity(base, 75.0);
        assert_eq!([of(10), of(10), of(10)], [15; 3], "from the running tasks");
        assert_eq!([of(10), of(of(10)), of(of(of(10)))], [15, 23, 35], "from the desired count");
    }

    #[test]
    fn w6_a_table_of_percent_steps() {
        let out = [(Some(0.0), Some(10.0), 0), (Some(10.0), Some(20.0), 10), (Some(20.0), None, 30)];
        let inwards = [(Some(-10.0), Some(0.0), 0), (Some(-20.0), Some(-10.0), -10), (None, Some(-20.0), -30)];
        let out = step(AdjustmentType::PercentChangeInCapacity, &out, 0);
        let inwards = step(AdjustmentType::PercentChangeInCapacity, &inwards, 0);
        for (policy, capacity, metric, expected) in [
            (&out, 10, 55.0, 10),
            (&out, 10, 59.9, 10),
            (&out, 10, 60.0, 11),
            (&out, 11, 70.0, 14),
            (&inwards, 14, 45.0, 14),
            (&inwards, 14, 40.0, 13),
            (&inwards, 13, 30.0, 10),
        ] {
            assert_eq!(policy.capacity(&alarm(), capacity, metric), Some(expected), "{capacity} at {metric}");
        }
        assert_eq!(out.capacity(&alarm(), 10, 45.0), None, "no step covers it");
    }

    /// 2.6: at the threshold itself the alarm's operator says which end of an interval counts.
    #[test]
    fn q24_a_value_at_the_threshold_belongs_to_the_side_that_the_alarm_watches() {
        let steps = [(None, Some(0.0), -1), (Some(0.0), None, 1)];
        let policy = step(AdjustmentType::ChangeInCapacity, &steps, 0);
        for (comparison_operator, expected) in [
            (ComparisonOperator::GreaterThanThreshold, 11),
            (ComparisonOperator::GreaterThanOrEqualToThreshold, 11),
            (ComparisonOperator::LessThanThreshold, 9),
            (ComparisonOperator::LessThanOrEqualToThreshold, 9),
        ] {
            let rule = AlarmRule { comparison_operator, ..alarm() };
            assert_eq!(policy.capacity(&rule, 10, 50.0), Some(expected), "{comparison_operator:?}");
        }
    }

    #[test]
    fn min_adjustment_magnitude_counts_in_either_direction_and_not_for_nothing() {
        let percent = |adjustment, lower_bound, upper_bound| {
            step(AdjustmentType::PercentChangeInCapacity, &[(lower_bound, upper_bound, adjustment)], 4)
        };
        assert_eq!(percent(-10, None, Some(0.0)).capacity(&alarm(), 20, 40.0), Some(16), "-2 is raised to -4");
        assert_eq!(percent(10, Some(0.0), None).capacity(&alarm(), 20, 60.0), Some(24));
        assert_eq!(percent(30, Some(0.0), None).capacity(&alarm(), 20, 60.0), Some(26), "+6 is more");
        assert_eq!(percent(0, Some(0.0), None).capacity(&alarm(), 20, 60.0), Some(20));
    }

    #[test]
    fn w7_percentages_are_rounded() {
        for (change, expected) in
            [(12.7, 12), (0.67, 1), (-0.58, -1), (-6.67, -6), (0.0, 0), (3.0, 3), (0.6, 1), (-0.5, -1)]
        {
            assert_eq!(percent_change(change), expected, "{change}");
        }
        for (capacity, percent, magnitude, expected) in
            [(10, 10, 0, 11), (3, 20, 0, 4), (5, -10, 0, 4), (127, 10, 0, 139), (4, 25, 2, 6), (10, 200, 0, 30)]
        {
            let policy = step(AdjustmentType::PercentChangeInCapacity, &[(Some(0.0), None, percent)], magnitude);
            assert_eq!(policy.capacity(&alarm(), capacity, 60.0), Some(expected), "{capacity} by {percent} %");
        }
        assert_eq!(
            step(AdjustmentType::ChangeInCapacity, &[(Some(0.0), None, 5)], 0).capacity(&alarm(), 3, 60.0),
            Some(8)
        );
        assert_eq!(
            step(AdjustmentType::ExactCapacity, &[(Some(0.0), None, 5)], 0).capacity(&alarm(), 3, 60.0),
            Some(5)
        );
    }

    #[test]
    fn w10_target_tracking_is_proportional() {
        for (running, metric, target, expected) in [
            (10, 150.0, 100.0, 15),
            (10, 75.0, 50.0, 15),
            (4, 62.0, 50.0, 5),
            (3, 61.0, 60.0, 4),
            (8, 1500.0, 1000.0, 12),
            (2, 99.57, 50.0, 4),
            (6, 100.0, 50.0, 12),
        ] {
            assert_eq!(tracking(target).scale_out_capacity(running, metric), expected, "{running} at {metric}");
        }
        for (target, path) in
            [(50.0, vec![20, 40, 80]), (80.0, vec![13, 17, 22, 28]), (90.0, vec![12, 14, 16, 18, 20, 23])]
        {
            let mut running = 10;
            for expected in path {
                running = tracking(target).scale_out_capacity(running, 100.0);
                assert_eq!(running, expected);
            }
        }
    }

    #[test]
    fn w10_scale_in_is_gradual() {
        for (running, metric, target, proportional, gradual) in [
            (10, 40.0, 50.0, Some(8), Some(9)),
            (4, 40.0, 50.0, None, None),
            (2, 44.0, 50.0, None, None),
            (6, 0.0, 100.0, Some(0), Some(5)),
            (100, 12.0, 60.0, Some(20), Some(90)),
        ] {
            assert_eq!(tracking(target).scale_in_capacity(running, metric, 1.0), proportional);
            assert_eq!(tracking(target).scale_in_capacity(running, metric, 0.1), gradual);
        }
    }

    #[test]
    fn datapoints_are_aggregated() {
        let of = |datapoints: &[f64]| {
            [MetricAggregationType::Minimum, MetricAggregationType::Average, MetricAggregationType::Maximum]
                .map(|it| it.of(datapoints))
        };
        assert_eq!(of(&[60.0, 90.0, 75.0]), [Some(60.0), Some(75.0), Some(90.0)]);
        assert_eq!(of(&[60.0]), [Some(60.0); 3]);
        assert_eq!(of(&[]), [None; 3]);
    }

    #[test]
    fn from_nothing_the_least_step_is_taken() {
        assert_eq!(tracking(50.0).scale_out_capacity(0, 80.0), 1);
        assert_eq!(tracking(50.0).scale_out_capacity(0, 20.0), 0);
    }

    #[test]
    fn steps_have_neither_gap_nor_overlap() {
        let check = |steps: &[(Option<f64>, Option<f64>)]| {
            let mut steps: Vec<StepAdjustment> = steps
                .iter()
                .map(|&(lower_bound, upper_bound)| StepAdjustment { lower_bound, upper_bound, scaling_adjustment: 1 })
                .collect();
            check_steps(&mut steps)
        };
        assert_eq!(check(&[(Some(0.0), Some(10.0)), (Some(10.0), None)]), Ok(()));
        assert_eq!(check(&[(Some(-10.0), Some(0.0)), (None, Some(-10.0))]), Ok(()));
        for (broken, fault) in [
            (&[(Some(0.0), Some(10.0)), (Some(12.0), None)][..], (1, StepFault::LeavesGapFrom(10.0))),
            (&[(Some(0.0), Some(10.0)), (Some(8.0), None)], (1, StepFault::OverlapsUpTo(10.0))),
            (&[(Some(0.0), Some(10.0))], (0, StepFault::NothingAbove)),
            (&[(Some(-10.0), Some(0.0))], (0, StepFault::NothingBelow)),
            (&[(Some(10.0), Some(5.0))], (0, StepFault::EndsBeforeItBegins)),
            (&[(None, None), (Some(1.0), None)], (1, StepFault::OverlapsUpTo(f64::INFINITY))),
        ] {
            assert_eq!(check(broken), Err(fault), "{broken:?}");
        }
    }
}
