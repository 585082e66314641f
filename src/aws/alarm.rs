//! CloudWatch alarms: M of N, missing data, comparison.
//!
//! Follows *Alarm evaluation* and *Configuring how CloudWatch alarms treat missing data* (read 2026-04).

use crate::units::Span;

/// How a datapoint is held against the threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComparisonOperator {
    /// Above.
    GreaterThanThreshold,
    /// At or above.
    GreaterThanOrEqualToThreshold,
    /// Below.
    LessThanThreshold,
    /// At or below.
    LessThanOrEqualToThreshold,
}

/// What stands in for a datapoint that is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TreatMissingData {
    /// AWS's default: not enough is known.
    #[default]
    Missing,
    /// Keep the state.
    Ignore,
    /// As if it breached.
    Breaching,
    /// As if it did not.
    NotBreaching,
}

/// An alarm's state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AlarmState {
    /// Not enough data; where every alarm begins.
    #[default]
    InsufficientData,
    /// Within the threshold.
    Ok,
    /// In breach.
    Alarm,
}

/// What CloudWatch makes of the samples of a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Statistic {
    /// Sum over count.
    #[default]
    Average,
    /// Sum.
    Sum,
    /// Least.
    Minimum,
    /// Greatest.
    Maximum,
}

/// The rule of an alarm, without the metric it watches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AlarmRule {
    /// Comparison.
    pub comparison_operator: ComparisonOperator,
    /// Threshold.
    pub threshold: f64,
    /// `Period`, a multiple of a minute here.
    pub period: Span,
    /// N: how many periods are looked at.
    pub evaluation_periods: u32,
    /// M: how many of them must breach.
    pub datapoints_to_alarm: u32,
    /// Missing data.
    pub treat_missing_data: TreatMissingData,
    /// Statistic.
    pub statistic: Statistic,
}
