//! Application Auto Scaling: target tracking and step scaling of a service's desired count.
//!
//! Follows the Application Auto Scaling user guide (2023 to 2026 copies) and its API model of 2026-08.

use crate::aws::alarm::AlarmRule;
use crate::aws::service::ServiceDefinition;
use crate::table::Id;
use crate::units::Span;

/// A metric that scaling looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServiceMetric {
    /// `ECSServiceAverageCPUUtilization`, percent.
    CpuUtilization,
    /// `ECSServiceAverageMemoryUtilization`, percent.
    MemoryUtilization,
    /// `ALBRequestCountPerTarget`, requests a minute.
    RequestCountPerTarget,
    /// `RequestCount` of the load balancer, requests a minute; for step scaling only.
    RequestCount,
    /// `TargetResponseTime`, seconds, average; for step scaling only.
    TargetResponseTime,
}

/// A scalable target: a service's desired count and its bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct ScalableTarget {
    /// The service.
    pub service: Id<ServiceDefinition>,
    /// `MinCapacity`.
    pub min_capacity: u32,
    /// `MaxCapacity`.
    pub max_capacity: u32,
}

/// A scaling policy.
#[derive(Clone, Debug, PartialEq)]
pub struct ScalingPolicy {
    /// Name.
    pub name: String,
    /// What it scales.
    pub target: Id<ScalableTarget>,
    /// How.
    pub kind: ScalingPolicyKind,
}

/// The two kinds of dynamic policy that are simulated.
#[derive(Clone, Debug, PartialEq)]
pub enum ScalingPolicyKind {
    /// `TargetTrackingScaling`
    TargetTracking(TargetTracking),
    /// `StepScaling`, with the alarm that invokes it.
    Step(StepScaling),
}

/// `TargetTrackingScalingPolicyConfiguration`.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetTracking {
    /// Metric.
    pub metric: ServiceMetric,
    /// `TargetValue`, above 0, in the metric's unit.
    pub target_value: f64,
    /// `ScaleOutCooldown`; AWS's default for ECS is 300 s.
    pub scale_out_cooldown: Span,
    /// `ScaleInCooldown`; AWS's default for ECS is 300 s.
    pub scale_in_cooldown: Span,
    /// `DisableScaleIn`.
    pub disable_scale_in: bool,
}

/// `StepScalingPolicyConfiguration` and its alarm.
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
    /// The alarm's name.
    pub alarm_name: String,
    /// What the alarm watches.
    pub metric: ServiceMetric,
    /// When it fires.
    pub alarm: AlarmRule,
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
