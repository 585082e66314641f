//! Predictive scaling: how much capacity an hour will need, from the hours before it.
//!
//! Follows *How predictive scaling works* (Application Auto Scaling guide, 2026), *Predictive scaling* (EC2 Auto Scaling guide) and
//! the API model of 2026-08. AWS does not publish how it forecasts: here an hour is the mean of the same hours of the week, or
//! of the day where the history is shorter than eight days. Left out: policies of Auto Scaling groups, customized metric pairs.

use crate::units::{Span, ceil_capacity};

/// Hours of history that a forecast needs, and that it looks at.
const HISTORY_LEAST: usize = 24;
const HISTORY_MOST: usize = 14 * 24;
/// From here on the hours of the week are told apart.
const HISTORY_OF_WEEKS: usize = 8 * 24;
/// How far a forecast reaches, and how often it is made anew, in hours.
pub const FORECAST_HOURS: usize = 48;
/// See [`FORECAST_HOURS`].
pub const FORECAST_EVERY_HOURS: usize = 6;

/// `PredefinedMetricPairSpecification`: a load that all tasks share, and the metric of one task that follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricPair {
    /// `ECSServiceCPUUtilization`: percent of a task's CPU, summed over tasks.
    CpuUtilization,
    /// `ECSServiceMemoryUtilization`: the same of memory.
    MemoryUtilization,
    /// `ALBRequestCount`: requests a minute.
    RequestCount,
}

/// `PredictiveScalingPolicyConfiguration`
#[derive(Clone, Debug, PartialEq)]
pub struct PredictiveScaling {
    /// What is forecast.
    pub metric_pair: MetricPair,
    /// `TargetValue` of one task, above 0: percent, or requests a minute.
    pub target_value: f64,
    /// `Mode`: `ForecastAndScale`, or only `ForecastOnly`.
    pub scales: bool,
    /// `SchedulingBufferTime`: capacity is raised so long before its hour. AWS's default is 300 s.
    pub scheduling_buffer_time: Span,
    /// `MaxCapacityBuffer`, percent, of `MaxCapacityBreachBehavior: IncreaseMaxCapacity`; `None` is `HonorMaxCapacity`.
    pub max_capacity_buffer: Option<u32>,
    /// Load of each hour before the run up to its start, oldest first.
    pub history: Vec<f64>,
}

impl PredictiveScaling {
    /// Tasks that a load needs.
    pub fn capacity(&self, load: f64) -> u32 {
        ceil_capacity(load / self.target_value)
    }

    /// The most that the hour of a forecast may have, where the target's maximum is `max`.
    pub fn max_capacity(&self, forecast: u32, max: u32) -> u32 {
        match self.max_capacity_buffer {
            Some(percent) if forecast >= max => {
                ceil_capacity(f64::from(forecast) * (1.0 + f64::from(percent) / 100.0)).max(max)
            }
            _ => max,
        }
    }
}

/// The load of the next hours after `history` (a value an hour, oldest first); `None` before there are 24.
pub fn forecast(history: &[f64]) -> Option<Vec<f64>> {
    if history.len() < HISTORY_LEAST {
        return None;
    }
    let cycle = if history.len() >= HISTORY_OF_WEEKS { 7 * 24 } else { 24 };
    let begins = history.len().saturating_sub(HISTORY_MOST);
    let load = |hour: usize| {
        // An hour of the week that has not been yet is forecast as that hour of the day.
        let mean = |cycle: usize| {
            let alike: Vec<f64> =
                (begins..history.len()).filter(|it| it % cycle == hour % cycle).map(|it| history[it]).collect();
            (!alike.is_empty()).then(|| alike.iter().sum::<f64>() / alike.len() as f64)
        };
        mean(cycle).or_else(|| mean(24)).unwrap_or(0.0)
    };
    Some((history.len()..history.len() + FORECAST_HOURS).map(load).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(max_capacity_buffer: Option<u32>) -> PredictiveScaling {
        PredictiveScaling {
            metric_pair: MetricPair::CpuUtilization,
            target_value: 50.0,
            scales: true,
            scheduling_buffer_time: Span::seconds(300),
            max_capacity_buffer,
            history: Vec::new(),
        }
    }

    #[test]
    fn w23_a_forecast_beyond_the_maximum() {
        assert_eq!(policy(Some(10)).max_capacity(50, 40), 55);
        assert_eq!(policy(Some(0)).max_capacity(50, 40), 50);
        assert_eq!(policy(None).max_capacity(50, 40), 40);
        assert_eq!(policy(Some(10)).max_capacity(30, 40), 40);
        assert_eq!((policy(None).capacity(500.0), policy(None).capacity(501.0)), (10, 11));
    }

    #[test]
    fn an_hour_is_the_mean_of_those_alike() {
        assert_eq!(forecast(&[1.0; 23]), None);
        assert_eq!(forecast(&[1.0; 24]).map(|it| it.len()), Some(48), "a day of data, two days ahead");
        // No more than the newest fourteen days are looked at.
        let aged: Vec<f64> = (0..15 * 24).map(|it| if it < 24 { 900.0 } else { 3.0 }).collect();
        assert_eq!(forecast(&aged), Some(vec![3.0; 48]));
        let days: Vec<f64> = (0..48).map(|it| f64::from(it % 24) + if it < 24 { 0.0 } else { 2.0 }).collect();
        let ahead = forecast(&days).expect("two days are enough");
        assert_eq!((ahead.len(), ahead[0], ahead[23], ahead[24]), (48, 1.0, 24.0, 1.0));
        // Ten days of which one hour of the first and the eighth is busy: so it is a week after, and not on other days.
        let mut weeks = vec![1.0; 10 * 24 - 6];
        (weeks[5 + 72], weeks[5 + 72 + 168 - 24]) = (100.0, 1.0);
        let ahead = forecast(&weeks).expect("ten days are enough");
        let at = |hour: usize| ahead[hour - weeks.len()];
        assert_eq!((at(5 + 72 + 168), at(5 + 48 + 168 + 24 + 1)), (100.0, 1.0));
    }
}
