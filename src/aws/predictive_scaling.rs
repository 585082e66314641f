//! Predictive scaling: how much capacity an hour will need, from the hours before it.
//!
//! Follows *How predictive scaling works* (Application Auto Scaling guide, 2026), *Predictive scaling* and *Advanced predictive scaling
//! policy using custom metrics* (EC2 Auto Scaling guide, 2023) and the API models of 2026-08. AWS does not publish how it forecasts:
//! here an hour is the mean of the same hours of the week, or of the day where the history is shorter than eight days. Nor does it say
//! how a load becomes a capacity where the two metrics differ, but that they have to correlate: here it is their ratio so far
//! ([`ScalingRatio`]). Left out: network traffic of instances.

use crate::aws::alarm::Watched;
use crate::aws::metric::{Metric, MetricStat};
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

/// What is forecast.
#[derive(Clone, Debug, PartialEq)]
pub enum LoadMetric {
    /// The load of a service, by one of its predefined metrics.
    OfService(MetricPair),
    /// Another metric, or an expression.
    Watched(Watched),
}

impl LoadMetric {
    /// Whether a minute without datapoint is one without load: load balancers publish counts only while requests flow.
    pub fn is_nothing_where_missing(&self) -> bool {
        matches!(self, LoadMetric::Watched(Watched::Stat(MetricStat { metric: Metric::LoadBalancer(..), .. })))
    }
}

/// `PredictiveScalingPolicyConfiguration`, or `PredictiveScalingConfiguration` of an Auto Scaling group's policy.
#[derive(Clone, Debug, PartialEq)]
pub struct PredictiveScaling {
    /// What is forecast.
    pub load: LoadMetric,
    /// The metric of one task or instance that is held at the target; `None` where it is its part of the load.
    pub scaling: Option<Watched>,
    /// `CustomizedCapacityMetricSpecification`: what divides a load among; `None` is the running tasks, or the units in service.
    pub capacity: Option<Watched>,
    /// `TargetValue` of one task or instance, above 0: percent, or requests a minute.
    pub target_value: f64,
    /// `Mode`: `ForecastAndScale`, or only `ForecastOnly`.
    pub scales: bool,
    /// `SchedulingBufferTime`: capacity is raised so long before its hour. AWS's default is 300 s.
    pub scheduling_buffer_time: Span,
    /// `MaxCapacityBuffer`, percent, of `MaxCapacityBreachBehavior: IncreaseMaxCapacity`; `None` is `HonorMaxCapacity`.
    pub max_capacity_buffer: Option<u32>,
    /// Load of each hour before the run up to its start, in the mean of its minutes, oldest first.
    pub history: Vec<f64>,
}

impl PredictiveScaling {
    /// The metrics that it reads.
    pub fn watched(&self) -> impl Iterator<Item = &Watched> {
        let load = match &self.load {
            LoadMetric::OfService(_) => None,
            LoadMetric::Watched(watched) => Some(watched),
        };
        load.into_iter().chain(&self.scaling).chain(&self.capacity)
    }

    /// Tasks or units of capacity that a load needs; `None` where it has a scaling metric of its own, and nothing has been seen of that.
    pub fn needed(&self, load: f64, ratio: ScalingRatio) -> Option<u32> {
        let ratio = match self.scaling {
            Some(_) => ratio.value()?,
            None => 1.0,
        };
        Some(ceil_capacity(load * ratio / self.target_value))
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

/// What a load has come to in the scaling metric, all units of capacity together, for each unit of the load.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ScalingRatio {
    scaling: f64,
    load: f64,
}

impl ScalingRatio {
    /// A minute in which `capacity` units, each with the scaling metric at `scaling`, had this load.
    pub fn observe(&mut self, scaling: f64, capacity: f64, load: f64) {
        self.scaling += scaling * capacity;
        self.load += load;
    }

    /// Scaling metric times units, for a load of 1; `None` as long as there was no load.
    pub fn value(self) -> Option<f64> {
        (self.load > 0.0).then(|| self.scaling / self.load)
    }
}

/// The load of the next hours after `history` (a value an hour, oldest first, `None` of an hour without data); `None` before there
/// are 24 values.
pub fn forecast(history: &[Option<f64>]) -> Option<Vec<f64>> {
    if history.iter().flatten().count() < HISTORY_LEAST {
        return None;
    }
    let cycle = if history.len() >= HISTORY_OF_WEEKS { 7 * 24 } else { 24 };
    let begins = history.len().saturating_sub(HISTORY_MOST);
    let load = |hour: usize| {
        // An hour of the week that has not been yet is forecast as that hour of the day.
        let mean = |cycle: usize| {
            let alike: Vec<f64> =
                (begins..history.len()).filter(|it| it % cycle == hour % cycle).filter_map(|it| history[it]).collect();
            (!alike.is_empty()).then(|| alike.iter().sum::<f64>() / alike.len() as f64)
        };
        mean(cycle).or_else(|| mean(24)).unwrap_or(0.0)
    };
    Some((history.len()..history.len() + FORECAST_HOURS).map(load).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::statistic::Statistic;

    fn policy(max_capacity_buffer: Option<u32>) -> PredictiveScaling {
        PredictiveScaling {
            load: LoadMetric::OfService(MetricPair::CpuUtilization),
            scaling: None,
            capacity: None,
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
        let needed = |load| policy(None).needed(load, ScalingRatio::default());
        assert_eq!((needed(500.0), needed(501.0)), (Some(10), Some(11)));
    }

    #[test]
    fn a_load_becomes_capacity_by_what_it_has_come_to_before() {
        let metric = Metric::Supplied(crate::table::Id::new(0));
        let scaling = Watched::Stat(MetricStat { metric, statistic: Statistic::Average });
        let policy = PredictiveScaling { scaling: Some(scaling), ..policy(None) };
        let mut ratio = ScalingRatio::default();
        assert_eq!(policy.needed(2500.0, ratio), None, "nothing was seen");
        ratio.observe(0.0, 6.0, 0.0);
        assert_eq!(policy.needed(2500.0, ratio), None, "what had no load says nothing");
        // 1200 jobs kept 6 instances at 40 %, 600 jobs 4 of them at 30 %: a job is a fifth of a percent.
        ratio.observe(40.0, 6.0, 1200.0);
        ratio.observe(30.0, 4.0, 600.0);
        assert_eq!(ratio.value(), Some(0.2));
        assert_eq!((policy.needed(2500.0, ratio), policy.needed(2501.0, ratio)), (Some(10), Some(11)));
    }

    fn forecast(history: &[f64]) -> Option<Vec<f64>> {
        super::forecast(&history.iter().copied().map(Some).collect::<Vec<_>>())
    }

    #[test]
    fn hours_without_data_are_passed_over() {
        let mut history = vec![Some(5.0); 24];
        history[3] = None;
        assert_eq!(super::forecast(&history), None, "23 hours are known");
        history.extend([Some(7.0); 24]);
        history[24 + 4] = None;
        let ahead = super::forecast(&history).expect("46 hours are known");
        assert_eq!((ahead[2], ahead[3], ahead[4]), (6.0, 7.0, 5.0));
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
