//! Predictive scaling: an hour's capacity is there before the hour, and never taken away by the forecast.
//!
//! The rules are in `aws::predictive_scaling`. Hours are counted from the start of the run, which is a full hour.

use crate::agenda::Event;
use crate::aws::alarm::Watched;
use crate::aws::metric::GroupMetric;
use crate::aws::predictive_scaling::{
    FORECAST_EVERY_HOURS, LoadMetric, MetricPair, PredictiveScaling, ScalingRatio, forecast,
};
use crate::aws::scaling_policy::{ScalingPolicy, ScalingPolicyKind, ScalingTarget};
use crate::control::Control;
use crate::control::autoscaling::rounded;
use crate::metrics::Windows;
use crate::run::{ForecastHour, ServiceMinute};
use crate::scenario::Scenario;
use crate::table::Id;
use crate::units::{Instant, Span};

const HOUR: Span = Span::seconds(3_600);

/// What predictive scaling knows and forecasts.
#[derive(Clone, Debug)]
pub struct Prediction {
    /// Load of each hour that is over, those before the run first.
    history: Vec<Option<f64>>,
    /// What loads have come to in the scaling metric.
    ratio: ScalingRatio,
    /// Of the open hour: minutes with data, their loads, and the most that one called for.
    minutes: u32,
    sum: f64,
    busiest: Option<u32>,
    /// The forecast in force, and the place in the history of its first hour.
    ahead: Option<Vec<f64>>,
    ahead_from: usize,
}

impl Control<'_> {
    /// Sets predictive scaling going.
    pub(super) fn begin_predictive_scaling(&mut self) {
        for (id, policy) in self.scenario.scaling_policies.entries() {
            let ScalingPolicyKind::Predictive(predictive) = &policy.kind else { continue };
            predictive.watched().for_each(|it| self.metrics.watch(self.scenario, it));
            let prediction = Prediction {
                history: predictive.history.iter().copied().map(Some).collect(),
                ratio: ScalingRatio::default(),
                minutes: 0,
                sum: 0.0,
                busiest: None,
                ahead: None,
                ahead_from: 0,
            };
            self.predictions.insert(id, prediction);
            self.agenda.put(Instant::START, Event::PredictiveScalingRuns(id));
        }
    }

    /// Adds the minute that has closed to the loads of policies.
    pub(super) fn observe_loads(&mut self) {
        let (now, scenario) = (self.now(), self.scenario);
        let policies: Vec<Id<ScalingPolicy>> = self.predictions.keys().copied().collect();
        for id in policies {
            let Some(predictive) = predictive_scaling(scenario, id) else { continue };
            let target = scenario.scaling_policies[id].target;
            let load = self.load_of_minute(predictive, target);
            let per_unit = predictive.scaling.as_ref().and_then(|it| self.value_of_minute(it));
            let capacity = self.capacity_of_minute(predictive, target);
            let Some(prediction) = self.predictions.get_mut(&id) else { continue };
            if let (Some(load), Some(per_unit), Some(capacity)) = (load, per_unit, capacity) {
                prediction.ratio.observe(per_unit, capacity, load);
            }
            if let Some(load) = load {
                prediction.minutes += 1;
                prediction.sum += load;
                prediction.busiest = prediction.busiest.max(predictive.needed(load, prediction.ratio));
            }
            let is_hour = now.0.is_multiple_of(HOUR.0);
            let is_last = now + Span::MINUTE > Instant::START + scenario.duration;
            if !is_hour && !is_last {
                continue;
            }
            let begins = Instant((now.0 - 1) / HOUR.0 * HOUR.0);
            let mean = (prediction.minutes > 0).then(|| prediction.sum / f64::from(prediction.minutes));
            let known = self.records.forecast_hours.iter_mut().rev().find(|it| it.policy == id && it.at == begins);
            if let Some(row) = known {
                (row.load, row.busiest_capacity) = (mean, prediction.busiest);
            }
            if is_hour {
                prediction.history.push(mean);
                (prediction.minutes, prediction.sum, prediction.busiest) = (0, 0.0, None);
            }
        }
    }

    fn load_of_minute(&self, predictive: &PredictiveScaling, target: ScalingTarget) -> Option<f64> {
        match (&predictive.load, target) {
            (LoadMetric::OfService(pair), ScalingTarget::Service(target)) => {
                let service = self.scenario.scalable_targets[target].service.index();
                let first = self.records.service_minutes.len().checked_sub(self.scenario.services.len())?;
                Some(load_of(*pair, &self.records.service_minutes[first + service]))
            }
            (LoadMetric::OfService(_), ScalingTarget::Group(_)) => None,
            (load @ LoadMetric::Watched(watched), _) => {
                let of_nothing = || load.is_nothing_where_missing().then_some(0.0);
                self.value_of_minute(watched).or_else(of_nothing)
            }
        }
    }

    /// What is to divide the load: running tasks, or units of capacity in service, where the policy names no metric.
    fn capacity_of_minute(&self, predictive: &PredictiveScaling, target: ScalingTarget) -> Option<f64> {
        match (&predictive.capacity, target) {
            (Some(watched), _) => self.value_of_minute(watched),
            (None, ScalingTarget::Service(target)) => {
                let service = self.scenario.scalable_targets[target].service;
                Some(f64::from(self.running_count(service)))
            }
            (None, ScalingTarget::Group(group)) => Some(self.of_group(group, GroupMetric::InServiceCapacity)),
        }
    }

    /// The datapoint of the minute that has just closed. Forecasts look at whole hours, so that it does not matter to them when it
    /// can be read.
    fn value_of_minute(&self, watched: &Watched) -> Option<f64> {
        let window = Windows { end: self.now(), period: Span::MINUTE, count: 1 };
        self.points(watched, window, Instant::NEVER).into_iter().next().flatten()
    }

    /// An hour begins, or its capacity is to be there already.
    pub(super) fn predictive_scaling_runs(&mut self, policy: Id<ScalingPolicy>) {
        let now = self.now();
        let scenario = self.scenario;
        let Some(predictive) = predictive_scaling(scenario, policy) else { return };
        let buffer = predictive.scheduling_buffer_time;
        let begins_now = now.0.is_multiple_of(HOUR.0);
        // The hour that begins now, or next.
        let hour = now.0.div_ceil(HOUR.0);
        let begins = Instant(hour * HOUR.0);
        let before = predictive.history.len();
        let Some(prediction) = self.predictions.get_mut(&policy) else { return };
        let place = before + hour as usize;
        let known = prediction.history.len();
        if begins_now && (prediction.ahead.is_none() || known >= prediction.ahead_from + FORECAST_EVERY_HOURS) {
            prediction.ahead = forecast(&prediction.history);
            prediction.ahead_from = known;
        }
        let load = prediction.ahead.as_ref().and_then(|it| it.get(place.checked_sub(prediction.ahead_from)?)).copied();
        let ratio = prediction.ratio;
        let capacity = load.and_then(|it| predictive.needed(it, ratio));
        if begins_now {
            self.records.forecast_hours.push(ForecastHour {
                policy,
                at: begins,
                forecast_load: load,
                forecast_capacity: capacity,
                load: None,
                busiest_capacity: None,
            });
        }
        let next = begins + if begins_now { HOUR } else { Span::ZERO };
        let early = Instant(next.0.saturating_sub(buffer.0));
        let again = if begins_now && early > now { early } else { next };
        self.agenda.put(again, Event::PredictiveScalingRuns(policy));
        let (Some(load), Some(capacity), true) = (load, capacity, predictive.scales) else { return };
        let of_load = match predictive.scaling {
            Some(_) => format!("{} x {}", rounded(load), ratio.value().map_or(0.0, |it| (it * 1e6).round() / 1e6)),
            None => rounded(load).to_string(),
        };
        let rule = format!("forecast for {begins}: {of_load} / {} = {capacity}", predictive.target_value);
        self.forecast_is_due(policy, (capacity, begins_now), rule);
    }

    /// Keeps what is forecast as a floor for the hour, and raises the capacity to it.
    fn forecast_is_due(&mut self, policy: Id<ScalingPolicy>, (capacity, begins_now): (u32, bool), rule: String) {
        let definition = &self.scenario.scaling_policies[policy];
        let ScalingPolicyKind::Predictive(predictive) = &definition.kind else { return };
        let (min, max, bounds) = match definition.target {
            ScalingTarget::Service(target) => {
                let state = &mut self.scaled_targets[target.index()];
                (state.min_capacity, state.max_capacity, &mut state.forecast_bounds)
            }
            ScalingTarget::Group(group) => {
                let state = &self.groups[group.index()];
                (state.min_size, state.max_size, &mut self.group_scaling[group.index()].forecast_bounds)
            }
        };
        let most = predictive.max_capacity(capacity, max);
        let wanted = capacity.clamp(min.min(most), most);
        // Until its hour begins, what was forecast of the one before holds as well.
        let (least_before, most_before) = if begins_now { (0, 0) } else { *bounds };
        *bounds = (wanted.max(least_before), most.max(most_before));
        match definition.target {
            ScalingTarget::Service(target) => self.raise_to_forecast(target, &definition.name, wanted, rule),
            ScalingTarget::Group(group) => self.raise_group_to_forecast(group, &definition.name, wanted, rule),
        }
    }
}

fn predictive_scaling(scenario: &Scenario, policy: Id<ScalingPolicy>) -> Option<&PredictiveScaling> {
    match &scenario.scaling_policies[policy].kind {
        ScalingPolicyKind::Predictive(predictive) => Some(predictive),
        _ => None,
    }
}

fn load_of(pair: MetricPair, row: &ServiceMinute) -> f64 {
    let of_tasks = |percent: Option<f64>| percent.unwrap_or(0.0) * f64::from(row.running_count);
    match pair {
        MetricPair::CpuUtilization => of_tasks(row.cpu_percent),
        MetricPair::MemoryUtilization => of_tasks(row.memory_percent),
        MetricPair::RequestCount => row.counts.arrived as f64,
    }
}
