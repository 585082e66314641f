//! Predictive scaling: an hour's capacity is there before the hour, and never taken away by the forecast.
//!
//! The rules are in `aws::predictive_scaling`. Hours are counted from the start of the run, which is a full hour.

use crate::agenda::Event;
use crate::aws::predictive_scaling::{FORECAST_EVERY_HOURS, MetricPair, PredictiveScaling, forecast};
use crate::aws::scaling_policy::{ScalingPolicy, ScalingPolicyKind};
use crate::control::Control;
use crate::run::{ForecastHour, ServiceMinute};
use crate::table::Id;
use crate::units::{Instant, Span};

const HOUR: Span = Span::seconds(3_600);

/// What predictive scaling knows and forecasts.
#[derive(Clone, Debug)]
pub struct Prediction {
    /// Load of each hour that is over, those before the run first.
    history: Vec<f64>,
    /// Of the open hour: minutes, their loads, and the most that one called for.
    minutes: u32,
    sum: f64,
    busiest: u32,
    /// The forecast in force, and the place in the history of its first hour.
    ahead: Option<Vec<f64>>,
    ahead_from: usize,
}

impl Control<'_> {
    /// Sets predictive scaling going.
    pub(super) fn begin_predictive_scaling(&mut self) {
        for (id, policy) in self.scenario.scaling_policies.entries() {
            let ScalingPolicyKind::Predictive(predictive) = &policy.kind else { continue };
            let history = predictive.history.clone();
            let prediction = Prediction { history, minutes: 0, sum: 0.0, busiest: 0, ahead: None, ahead_from: 0 };
            self.predictions.insert(id, prediction);
            self.agenda.put(Instant::START, Event::PredictiveScalingRuns(id));
        }
    }

    /// Adds the minute that has closed to the loads of policies.
    pub(super) fn observe_loads(&mut self) {
        let rows = self.records.service_minutes.len().saturating_sub(self.scenario.services.len());
        let (now, scenario) = (self.now(), self.scenario);
        for (id, prediction) in &mut self.predictions {
            let Some((predictive, service)) = of_service(scenario, *id) else { continue };
            let row = &self.records.service_minutes[rows + service];
            let load = load_of(predictive.metric_pair, row);
            prediction.minutes += 1;
            prediction.sum += load;
            prediction.busiest = prediction.busiest.max(predictive.capacity(load));
            let is_hour = now.0.is_multiple_of(HOUR.0);
            let is_last = now + Span::MINUTE > Instant::START + scenario.duration;
            if !is_hour && !is_last {
                continue;
            }
            let begins = Instant((now.0 - 1) / HOUR.0 * HOUR.0);
            let mean = prediction.sum / f64::from(prediction.minutes);
            let known = self.records.forecast_hours.iter_mut().rev().find(|it| {
                it.service == service && it.at == begins && it.policy == scenario.scaling_policies[*id].name
            });
            if let Some(row) = known {
                (row.load, row.busiest_capacity) = (Some(mean), Some(prediction.busiest));
            }
            if is_hour {
                prediction.history.push(mean);
                (prediction.minutes, prediction.sum, prediction.busiest) = (0, 0.0, 0);
            }
        }
    }

    /// An hour begins, or its capacity is to be there already.
    pub(super) fn predictive_scaling_runs(&mut self, policy: Id<ScalingPolicy>) {
        let now = self.now();
        let scenario = self.scenario;
        let definition = &scenario.scaling_policies[policy];
        let (Some((predictive, service)), Some(target)) = (of_service(scenario, policy), definition.scalable_target())
        else {
            return;
        };
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
        let capacity = load.map(|it| predictive.capacity(it));
        if begins_now {
            self.records.forecast_hours.push(ForecastHour {
                service,
                policy: definition.name.clone(),
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
        let state = &mut self.scaled_targets[target.index()];
        let most = predictive.max_capacity(capacity, state.max_capacity);
        let wanted = capacity.clamp(state.min_capacity.min(most), most);
        // Until its hour begins, what was forecast of the one before holds as well.
        let (least_before, most_before) = if begins_now { (0, 0) } else { state.forecast_bounds };
        state.forecast_bounds = (wanted.max(least_before), most.max(most_before));
        let (at, target_value) = (begins, predictive.target_value);
        let load = super::autoscaling::rounded(load);
        let rule = format!("forecast for {at}: {load} / {target_value} = {capacity}");
        self.raise_to_forecast(target, &definition.name, wanted, rule);
    }
}

fn of_service(scenario: &crate::scenario::Scenario, policy: Id<ScalingPolicy>) -> Option<(&PredictiveScaling, usize)> {
    let definition = &scenario.scaling_policies[policy];
    let ScalingPolicyKind::Predictive(predictive) = &definition.kind else { return None };
    let target = definition.scalable_target()?;
    Some((predictive, scenario.scalable_targets[target].service.index()))
}

fn load_of(pair: MetricPair, row: &ServiceMinute) -> f64 {
    let of_tasks = |percent: Option<f64>| percent.unwrap_or(0.0) * f64::from(row.running_count);
    match pair {
        MetricPair::CpuUtilization => of_tasks(row.cpu_percent),
        MetricPair::MemoryUtilization => of_tasks(row.memory_percent),
        MetricPair::RequestCount => row.counts.arrived as f64,
    }
}
