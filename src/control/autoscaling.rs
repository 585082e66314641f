//! Application Auto Scaling: what becomes of a scalable target when alarms invoke its policies.
//!
//! Follows the Application Auto Scaling guide (2023 to 2026 copies); what it leaves open is a named assumption of the
//! scenario. Predictive scaling is in `predictive_scaling`.

mod bounds;

use crate::agenda::Event;
use crate::aws::alarm::{Alarm, AlarmState};
use crate::aws::scaling_policy::{
    MetricAggregationType, ScalableTarget, ScalingPolicy, ScalingPolicyKind, ScalingTarget, SuspendedState,
    TargetTracking,
};
use crate::aws::service::ServiceDefinition;
use crate::cluster::TaskStatus;
use crate::control::Control;
use crate::control::log::Decision;
use crate::control::not_scaled::{Asked, LastReasons, NotScaled, no_datapoint, no_step_adjustment};
use crate::data::Traffic;
use crate::run::{ScalingActivity, ServiceMinute};
use crate::scenario::{CooldownStart, StepScalingDatapoints, TargetTrackingValue};
use crate::spelling::plural;
use crate::table::Id;
use crate::units::{Instant, Span, ceil_capacity};

/// A scalable target as it stands.
#[derive(Clone, Debug)]
pub struct ScaledTarget {
    service: Id<ServiceDefinition>,
    /// `MinCapacity`, now.
    pub min_capacity: u32,
    /// `MaxCapacity`, now.
    pub max_capacity: u32,
    asked: Vec<Asked>,
    suspended_state: SuspendedState,
    /// What predictive scaling keeps at least in this hour, and the most that it allows.
    pub(super) forecast_bounds: (u32, u32),
    /// An activity of a policy.
    activity: Option<Activity>,
    /// One of a scheduled action, or of a call: it has no cooldown and holds nothing back.
    moved: Option<Activity>,
    scale_out_cooldown: Cooldown,
    scale_in_cooldown_ends: Instant,
    last_reasons: LastReasons,
    /// The low alarms of the policies that track a metric, in the order of these.
    pub(super) low_alarms: Vec<(Id<Alarm>, Id<ScalingPolicy>)>,
}

/// A change of desired count that ECS has not yet fulfilled.
#[derive(Clone, Copy, Debug)]
struct Activity {
    desired: u32,
    began_at: Instant,
    is_scale_out: bool,
    cooldown: Span,
    /// Its place among the records.
    row: usize,
    decision: Decision,
}

/// A scale-out's cooldown, and the capacity before it: what was added counts as part of the next step.
#[derive(Clone, Copy, Debug, Default)]
struct Cooldown {
    ends: Instant,
    base_before: u32,
}

impl ScaledTarget {
    /// A scalable target as the scenario defines it.
    pub fn new(definition: &ScalableTarget) -> ScaledTarget {
        ScaledTarget {
            service: definition.service,
            min_capacity: definition.min_capacity,
            max_capacity: definition.max_capacity,
            asked: Vec::new(),
            forecast_bounds: (0, 0),
            activity: None,
            moved: None,
            scale_out_cooldown: Cooldown::default(),
            scale_in_cooldown_ends: Instant::START,
            suspended_state: definition.suspended_state,
            last_reasons: Default::default(),
            low_alarms: Vec::new(),
        }
    }
}

impl ScaledTarget {
    /// The least that dynamic scaling goes to: the larger of the minimum and what is forecast, which the maximum bounds.
    fn least(&self) -> u32 {
        self.min_capacity.max(self.forecast_bounds.0)
    }

    /// The most that it goes to.
    fn most(&self) -> u32 {
        self.max_capacity.max(self.forecast_bounds.1).max(self.least())
    }

    fn cooldown_ends_at(&mut self, is_scale_out: bool, at: Instant) {
        if is_scale_out {
            self.scale_out_cooldown.ends = at;
        } else {
            self.scale_in_cooldown_ends = at;
        }
    }
}

/// Nothing scales in below the minimum.
const AT_MINIMUM: &str = "AlreadyAtMinCapacity";

/// One task less would bring the metric above its target.
const FLAPPING: &str = "AutoScalingAnticipatedFlapping";

impl Control<'_> {
    /// Closes the minute of every service: a row for the report.
    pub(super) fn publish_service_minutes(&mut self, traffic: &Traffic) {
        let minute = self.now().0 / Span::MINUTE.0 - 1;
        let stands_still = self.minutes_seen_version.replace(self.cluster.version) == Some(self.cluster.version);
        let last_minute = self.records.service_minutes.len().wrapping_sub(self.scenario.services.len());
        for service in self.scenario.services.ids() {
            let closed = traffic.last_minute(service);
            let (running_count, pending_count, healthy_targets) = match stands_still {
                true => {
                    let last = &self.records.service_minutes[last_minute + service.index()];
                    (last.running_count, last.pending_count, last.healthy_targets)
                }
                false => self.tasks_of_minute(service),
            };
            let mut row = ServiceMinute {
                minute,
                service: service.index(),
                desired_count: self.services[service.index()].desired_count,
                running_count,
                pending_count,
                cpu_percent: closed.cpu_percent,
                memory_percent: closed.memory_percent,
                healthy_targets,
                ..ServiceMinute::default()
            };
            if !traffic.had_nothing(service) {
                row.counts = closed.counts.clone().into();
                row.response_time_ms = closed.response_time_ms.into();
                row.connections = closed.connections.into();
                if let Some(target) = self.relations.target_of(service) {
                    self.recent_arrivals[target.index()].push(&closed.arrivals_by_second, self.agenda.now());
                }
            }
            self.log.close_period(&row);
            self.records.service_minutes.push(row);
        }
    }

    /// Tasks of a service that are RUNNING, those that are not yet, and its healthy targets.
    fn tasks_of_minute(&self, service: Id<ServiceDefinition>) -> (u32, u32, u32) {
        let tasks = &self.services[service.index()].tasks;
        let count = |wanted: &[TaskStatus]| {
            tasks.iter().filter(|&&it| wanted.contains(&self.cluster.tasks[it].status)).count() as u32
        };
        let groups = self.scenario.services[service].load_balancer.iter().flat_map(|it| it.target_groups());
        let healthy: usize = groups.map(|it| self.cluster.healthy_targets(it)).sum();
        let pending = count(&[TaskStatus::Provisioning, TaskStatus::Pending, TaskStatus::Activating]);
        (count(&[TaskStatus::Running]), pending, healthy as u32)
    }

    /// An alarm invokes a policy.
    pub(super) fn ask(&mut self, policy: Id<ScalingPolicy>, alarm: Id<Alarm>, is_scale_in_of_tracking: bool) {
        let target = match self.scenario.scaling_policies[policy].target {
            ScalingTarget::Service(target) => target,
            ScalingTarget::Group(group) => return self.ask_group(group, policy, alarm, is_scale_in_of_tracking),
        };
        self.scaled_targets[target.index()].asked.push(Asked { policy, alarm, is_scale_in_of_tracking });
        self.agenda.put(self.now(), Event::TargetIsScaled(target));
    }

    /// Whether a scale-in would be refused at the minimum, as was said before, and nothing else would come of asking for it.
    pub(super) fn stays_at_minimum(&self, target: Id<ScalableTarget>) -> bool {
        let state = &self.scaled_targets[target.index()];
        let service = &self.services[state.service.index()];
        state.last_reasons.at_minimum == Some(state.least())
            && service.desired_count <= state.least()
            && state.activity.is_none()
            && state.moved.is_none()
    }

    /// Writes an activity down and tells its place.
    pub(super) fn record_activity(
        &mut self,
        service: Id<ServiceDefinition>,
        cause: &str,
        (from, to): (u32, u32),
        figures: Option<(u32, f64)>,
        rule: String,
    ) -> usize {
        self.records.scaling_activities.push(ScalingActivity {
            at: self.agenda.now(),
            resource: self.service_resource(service),
            cause: cause.to_owned(),
            from,
            to,
            base: figures.map(|it| it.0),
            metric: figures.map(|it| it.1),
            rule,
            status_code: "InProgress",
            ended_at: None,
            not_scaled_reason: None,
        });
        self.records.scaling_activities.len() - 1
    }

    /// Decides on all that was asked of a target at this instant: out beats in, the largest capacity wins.
    pub(super) fn target_is_scaled(&mut self, target: Id<ScalableTarget>) {
        let asked = std::mem::take(&mut self.scaled_targets[target.index()].asked);
        let service = self.scenario.scalable_targets[target].service;
        self.check_activity(service);
        if asked.is_empty() || !self.is_active(service) {
            return;
        }
        let refused = self.refuses_scale_in(target);
        if let Some((_, words)) = &refused
            && asked.iter().all(|it| it.is_scale_in_of_tracking)
            && !self.scaled_targets[target.index()].last_reasons.would_be_news(false, words)
        {
            return;
        }
        let mut out: Option<(u32, &Asked)> = None;
        let mut steps_in: Option<(u32, &Asked)> = None;
        let mut tracking_in: Option<&Asked> = None;
        let running = self.running_count(service);
        let base = self.scale_out_base(target, running);
        for it in &asked {
            if it.is_scale_in_of_tracking {
                tracking_in.get_or_insert(it);
                continue;
            }
            let Some(metric) = self.value_in_force(it) else {
                if matches!(self.scenario.scaling_policies[it.policy].kind, ScalingPolicyKind::Step(_)) {
                    self.say_target_not_scaled(target, *it, no_datapoint(&self.alarms[it.alarm].rule, running));
                }
                continue;
            };
            match &self.scenario.scaling_policies[it.policy].kind {
                ScalingPolicyKind::TargetTracking(tracking) => {
                    let wanted = tracking.scale_out_capacity(base, metric);
                    if out.is_none_or(|(most, _)| wanted > most) {
                        out = Some((wanted, it));
                    }
                }
                ScalingPolicyKind::Step(step) => match step.capacity(&self.alarms[it.alarm].rule, running, metric) {
                    Some(wanted) if wanted > running => {
                        let wanted = step.capacity(&self.alarms[it.alarm].rule, base, metric).unwrap_or(wanted);
                        if out.is_none_or(|(most, _)| wanted > most) {
                            out = Some((wanted, it));
                        }
                    }
                    Some(wanted) if wanted < running && steps_in.is_none_or(|(most, _)| wanted > most) => {
                        steps_in = Some((wanted, it));
                    }
                    Some(_) => {}
                    None => {
                        let reason = no_step_adjustment(&self.alarms[it.alarm].rule, running, metric);
                        self.say_target_not_scaled(target, *it, reason);
                    }
                },
                ScalingPolicyKind::Simple(_) | ScalingPolicyKind::Predictive(_) => {}
            }
        }
        if let Some((wanted, it)) = out {
            if self.scaled_targets[target.index()].suspended_state.dynamic_scaling_out {
                let reason = NotScaled {
                    is_scale_out: true,
                    code: "DynamicScalingOutSuspended",
                    words: format!("no scale-out: it is suspended (to {wanted})"),
                    base: Some(base),
                    metric: self.value_in_force(it),
                };
                self.say_target_not_scaled(target, *it, reason);
            } else if self.scale_out(target, *it, wanted, base) {
                return;
            }
            // One that leads to no more tasks holds nothing back: policies are not coordinated but for their outcome.
        }
        let Some(inwards) = steps_in.map(|it| *it.1).or(tracking_in.copied()) else { return };
        if let Some((code, words)) = refused {
            let metric = self.value_in_force(&inwards);
            let reason = NotScaled { is_scale_out: false, code, words, base: Some(running), metric };
            self.say_target_not_scaled(target, inwards, reason);
            let state = &mut self.scaled_targets[target.index()];
            state.last_reasons.at_minimum = (code == AT_MINIMUM).then_some(state.least());
            return;
        }
        let tracked = tracking_in.map(|it| (self.tracked_scale_in(target, running, *it), it));
        match (steps_in, tracked) {
            (None, None) => {}
            (Some((wanted, it)), None) => self.scale_in_target(target, *it, wanted),
            (None, Some((Ok((wanted, winner)), _))) => self.scale_in_target(target, winner, wanted),
            // The largest capacity wins; but tracking does not take part while an activity is in progress.
            (Some((wanted, _)), Some((Ok((tracked, winner)), _)))
                if tracked > wanted && self.scaled_targets[target.index()].activity.is_none() =>
            {
                self.scale_in_target(target, winner, tracked);
            }
            (Some((wanted, it)), Some(_)) => self.scale_in_target(target, *it, wanted),
            // A desired count above the maximum goes down to it, whatever one task less would do.
            (None, Some((Err((code, _)), it)))
                if code == FLAPPING
                    && self.services[service.index()].desired_count
                        > self.scaled_targets[target.index()].max_capacity =>
            {
                let most = self.scaled_targets[target.index()].max_capacity;
                self.scale_in_target(target, *it, most);
            }
            (None, Some((Err((code, words)), it))) => {
                let metric = self.value_in_force(it);
                let reason = NotScaled { is_scale_out: false, code, words, base: Some(running), metric };
                self.say_target_not_scaled(target, *it, reason);
            }
        }
    }

    /// Why no policy can scale a target in, whatever it is that it calls for.
    fn refuses_scale_in(&self, target: Id<ScalableTarget>) -> Option<(&'static str, String)> {
        let service = self.scenario.scalable_targets[target].service;
        let state = &self.scaled_targets[target.index()];
        let least = state.least();
        // At the minimum nothing else matters: whatever holds a scale-in back holds none back there.
        if self.services[service.index()].desired_count <= least {
            Some((AT_MINIMUM, format!("no scale-in: {AT_MINIMUM} {least}")))
        } else if state.suspended_state.dynamic_scaling_in {
            Some(("DynamicScalingInSuspended", "no scale-in: it is suspended".to_owned()))
        } else {
            None
        }
    }

    /// Whether ECS has fulfilled the activity that is in progress; its cooldown begins then.
    pub(super) fn check_activity(&mut self, service: Id<ServiceDefinition>) {
        let now = self.now();
        let Some(target) = self.relations.target_of(service) else { return };
        if self.scaled_targets[target.index()].activity.is_none() && self.scaled_targets[target.index()].moved.is_none()
        {
            return;
        }
        let running = self.running_count(service);
        let timeout = self.scenario.assumptions.activity_timeout;
        let state = &mut self.scaled_targets[target.index()];
        let status = |it: &Activity| {
            let is_late = now >= it.began_at + timeout;
            if running == it.desired { Some("Successful") } else { is_late.then_some("Unfulfilled") }
        };
        if let Some((moved, status)) = state.moved.as_ref().and_then(|it| Some((*it, status(it)?))) {
            state.moved = None;
            self.say_activity_ended(target, &moved, status);
        }
        let state = &mut self.scaled_targets[target.index()];
        let Some((activity, status)) = state.activity.as_ref().and_then(|it| Some((*it, status(it)?))) else { return };
        state.activity = None;
        if self.scenario.assumptions.cooldown_start == CooldownStart::Fulfilled {
            let ends = now.min(activity.began_at + timeout) + activity.cooldown;
            state.cooldown_ends_at(activity.is_scale_out, ends);
        }
        self.say_activity_ended(target, &activity, status);
    }

    /// Something else sets the desired count: what was in progress is over.
    fn activity_ends(&mut self, target: Id<ScalableTarget>, status: &'static str) {
        let now = self.now();
        let state = &mut self.scaled_targets[target.index()];
        let (moved, activity) = (state.moved.take(), state.activity.take());
        if let Some(activity) = &activity
            && self.scenario.assumptions.cooldown_start == CooldownStart::Fulfilled
        {
            state.cooldown_ends_at(activity.is_scale_out, now + activity.cooldown);
        }
        for it in moved.iter().chain(&activity) {
            self.say_activity_ended(target, it, status);
        }
    }

    fn say_activity_ended(&mut self, target: Id<ScalableTarget>, activity: &Activity, status: &'static str) {
        let now = self.now();
        let service = self.scenario.scalable_targets[target].service;
        let row = &mut self.records.scaling_activities[activity.row];
        row.status_code = status;
        row.ended_at = Some(now);
        let desired = activity.desired;
        let words = match status {
            "Successful" => format!("Successful: desired count {desired} is fulfilled by ecs"),
            "Overridden" => format!("Overridden: a newer activity follows the one to desired count {desired}"),
            _ => format!("Unfulfilled: {} of {} run", self.running_count(service), plural(desired, "task")),
        };
        let resource = self.service_resource(service);
        self.log.put(now, Some(activity.decision), "scaling.activity_ended", resource, words);
    }

    /// Whether it came to a scale-out.
    fn scale_out(&mut self, target: Id<ScalableTarget>, asked: Asked, wanted: u32, base: u32) -> bool {
        let service = self.scenario.scalable_targets[target].service;
        let state = &self.scaled_targets[target.index()];
        let desired = self.services[service.index()].desired_count;
        // A desired count below the minimum is raised to it first, and the policy goes on from there.
        let clamped = wanted.clamp(state.least(), state.most());
        let metric = self.value_in_force(&asked).unwrap_or_default();
        let figures = self.figures(asked, base, metric, wanted);
        if clamped <= desired {
            let code = if desired >= state.most() { "AlreadyAtMaxCapacity" } else { "AlreadyAtDesiredCapacity" };
            let words = format!("no scale-out: {code} {desired} ({figures})");
            let reason = NotScaled { is_scale_out: true, code, words, base: Some(base), metric: Some(metric) };
            self.say_target_not_scaled(target, asked, reason);
            return false;
        }
        self.begin_activity(target, asked, clamped, (base, metric), true, &figures);
        true
    }

    fn scale_in_target(&mut self, target: Id<ScalableTarget>, asked: Asked, wanted: u32) {
        let now = self.now();
        let service = self.scenario.scalable_targets[target].service;
        let state = &self.scaled_targets[target.index()];
        let desired = self.services[service.index()].desired_count;
        // Step scaling responds while an activity is in progress; but the cooldown of a scale-in has then not even begun.
        let is_held_back_by =
            |it: &Activity| asked.is_scale_in_of_tracking || (!it.is_scale_out && it.cooldown > Span::ZERO);
        let blocked = if self.services[service.index()].is_deploying() {
            Some(("TargetServicePutResourceAsUnscalable", "a deployment is in progress".to_owned()))
        } else if state.activity.as_ref().is_some_and(is_held_back_by) {
            Some(("ActivityInProgress", "an activity is in progress".to_owned()))
        } else if now < state.scale_in_cooldown_ends {
            Some(("Cooldown", format!("cooldown until {}", state.scale_in_cooldown_ends)))
        } else {
            None
        };
        let running = self.running_count(service);
        if let Some((code, words)) = blocked {
            let (base, metric) = (Some(running), self.value_in_force(&asked));
            let words = format!("no scale-in: {words}");
            let reason = NotScaled { is_scale_out: false, code, words, base, metric };
            self.say_target_not_scaled(target, asked, reason);
            return;
        }
        let clamped = wanted.clamp(state.least(), state.most());
        let metric = self.value_in_force(&asked).unwrap_or_default();
        let figures = self.figures(asked, running, metric, wanted);
        if clamped >= desired {
            let code = "AlreadyAtDesiredCapacity";
            let words = format!("no scale-in: {code} {desired} ({figures})");
            let reason = NotScaled { is_scale_out: false, code, words, base: Some(running), metric: Some(metric) };
            self.say_target_not_scaled(target, asked, reason);
            return;
        }
        self.begin_activity(target, asked, clamped, (running, metric), false, &figures);
    }

    fn begin_activity(
        &mut self,
        target: Id<ScalableTarget>,
        asked: Asked,
        desired: u32,
        (base, metric): (u32, f64),
        is_scale_out: bool,
        figures: &str,
    ) {
        let now = self.now();
        let service = self.scenario.scalable_targets[target].service;
        let policy = &self.scenario.scaling_policies[asked.policy];
        let cooldown = match &policy.kind {
            ScalingPolicyKind::TargetTracking(it) if is_scale_out => it.scale_out_cooldown,
            ScalingPolicyKind::TargetTracking(it) => it.scale_in_cooldown,
            ScalingPolicyKind::Step(it) => it.cooldown,
            ScalingPolicyKind::Simple(_) | ScalingPolicyKind::Predictive(_) => Span::ZERO,
        };
        let alarm = &self.alarms[asked.alarm];
        let message = format!(
            "Setting desired count to {desired}. Cause: monitor alarm {} in state ALARM triggered policy {} ({figures})",
            alarm.name, policy.name
        );
        let cause = self.alarms_in_force[asked.alarm.index()].decision;
        self.activity_ends(target, "Overridden");
        let decision = self.log.put(now, cause, "scaling.activity", self.service_resource(service), message);
        let before = self.services[service.index()].desired_count;
        let name = &policy.name;
        let row = self.record_activity(service, name, (before, desired), Some((base, metric)), figures.to_owned());
        let counts_from_now = self.scenario.assumptions.cooldown_start == CooldownStart::Set;
        let state = &mut self.scaled_targets[target.index()];
        state.last_reasons = Default::default();
        state.activity = Some(Activity { desired, began_at: now, is_scale_out, cooldown, row, decision });
        if counts_from_now {
            state.cooldown_ends_at(is_scale_out, now + cooldown);
        }
        if is_scale_out {
            state.scale_out_cooldown.base_before = base;
            if !counts_from_now {
                state.scale_out_cooldown.ends = Instant::NEVER;
            }
            // A scale-out cancels what is left of a scale-in's cooldown.
            state.scale_in_cooldown_ends = now;
        }
        self.records.scale_outs += u32::from(is_scale_out);
        if is_scale_out {
            let before = self.services[service.index()].desired_count;
            self.note_scale_out(service, asked.alarm, &policy.name, (before, desired), decision);
        }
        self.update_desired_count(service, desired, Some(decision));
        self.agenda.put(now + self.scenario.assumptions.activity_timeout, Event::TargetIsScaled(target));
    }

    /// The capacity that target tracking would go in to and the policy that calls for it, or why it does not: every policy must
    /// be ready.
    fn tracked_scale_in(
        &self,
        target: Id<ScalableTarget>,
        running: u32,
        asked: Asked,
    ) -> Result<(u32, Asked), (&'static str, String)> {
        let mut most: Option<(u32, Asked)> = None;
        for &(id, policy) in &self.scaled_targets[target.index()].low_alarms {
            let alarm = &self.alarms_in_force[id.index()];
            let definition = &self.scenario.scaling_policies[policy];
            let ScalingPolicyKind::TargetTracking(tracking) = &definition.kind else { continue };
            if alarm.state != AlarmState::Alarm {
                let words = format!(
                    "no scale-in: policy {} is not ready, its low alarm is {}",
                    definition.name,
                    alarm.state.as_str()
                );
                return Err(("PolicyNotReady", words));
            }
            let Some(metric) = self.tracked_value(id) else { continue };
            let fraction = self.scenario.assumptions.scale_in_max_fraction;
            let wanted = tracking.scale_in_capacity(running, metric, fraction).ok_or_else(|| {
                let words = format!(
                    "no scale-in: {FLAPPING} (one task less would bring {} from {} above {})",
                    self.scenario.watched_name(&tracking.watches),
                    rounded(metric),
                    tracking.target_value
                );
                (FLAPPING, words)
            })?;
            if most.is_none_or(|(most, _)| wanted > most) {
                most = Some((wanted, Asked { policy, alarm: id, ..asked }));
            }
        }
        most.ok_or_else(|| ("NoDatapoint", "no scale-in: no datapoint".to_owned()))
    }

    /// Running tasks; during a scale-out's cooldown no more than before it, as what it added counts as part of the next.
    fn scale_out_base(&self, target: Id<ScalableTarget>, running: u32) -> u32 {
        let cooldown = &self.scaled_targets[target.index()].scale_out_cooldown;
        // From nothing the least step was taken, and what follows resumes from the running count.
        let counts = cooldown.base_before > 0 && self.now() < cooldown.ends;
        if counts { running.min(cooldown.base_before) } else { running }
    }

    /// The newest datapoint that the alarm's periods have: what decides how much capacity is called for.
    pub(super) fn metric_in_force(&self, alarm: Id<Alarm>) -> Option<f64> {
        let Alarm { rule, watches, .. } = &self.alarms[alarm];
        self.newest_value(watches, rule)
    }

    /// What target tracking computes with.
    pub(super) fn tracked_value(&self, alarm: Id<Alarm>) -> Option<f64> {
        if self.scenario.assumptions.target_tracking_value == TargetTrackingValue::Newest {
            return self.metric_in_force(alarm);
        }
        let Alarm { rule, watches, .. } = &self.alarms[alarm];
        let windows = self.windows_of(rule, watches, rule.evaluation_periods as usize);
        let values: Vec<f64> = self.points(watches, windows, self.now()).into_iter().flatten().collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    }

    /// What `policy` computes with when `alarm` has invoked it.
    pub(super) fn value_in_force(&self, Asked { policy, alarm, .. }: &Asked) -> Option<f64> {
        match &self.scenario.scaling_policies[*policy].kind {
            ScalingPolicyKind::TargetTracking(_) => self.tracked_value(*alarm),
            ScalingPolicyKind::Step(step) => self.step_value(*alarm, step.metric_aggregation_type),
            _ => self.metric_in_force(*alarm),
        }
    }

    /// What step scaling holds against the bounds of its steps: the datapoints that the alarm rests on, aggregated.
    fn step_value(&self, alarm: Id<Alarm>, aggregation: MetricAggregationType) -> Option<f64> {
        if self.scenario.assumptions.step_scaling_datapoints == StepScalingDatapoints::Newest {
            return self.metric_in_force(alarm);
        }
        let Alarm { rule, watches, .. } = &self.alarms[alarm];
        let count = rule.evaluation_range(self.scenario.assumptions.evaluation_range_extra);
        let windows = self.windows_of(rule, watches, count);
        let points = self.points(watches, windows, self.now());
        let newest: Vec<f64> = rule.newest_points(&points).into_iter().map(|it| it.1).collect();
        aggregation.of(&newest)
    }

    pub(super) fn running_count(&self, service: Id<ServiceDefinition>) -> u32 {
        let tasks = &self.services[service.index()].tasks;
        tasks
            .iter()
            .filter(|&&it| {
                self.cluster.tasks[it].status == TaskStatus::Running && !self.cluster.tasks[it].is_asked_to_stop
            })
            .count() as u32
    }

    fn figures(&self, asked: Asked, base: u32, metric: f64, wanted: u32) -> String {
        match &self.scenario.scaling_policies[asked.policy].kind {
            ScalingPolicyKind::TargetTracking(tracking) => {
                let name = self.scenario.watched_name(&tracking.watches);
                tracked_figures(tracking, (base, "running"), name, metric, wanted)
            }
            _ => {
                let alarm = &self.alarms[asked.alarm];
                format!(
                    "{} {} is {} from the threshold {}: {base} running to {wanted}",
                    self.scenario.watched_name(&alarm.watches),
                    rounded(metric),
                    rounded(metric - alarm.rule.threshold),
                    alarm.rule.threshold
                )
            }
        }
    }

    /// An alarm has left a state in which it invoked policies: why these did not scale is worth saying again when it is back.
    pub(super) fn reasons_are_forgotten(&mut self, policy: Id<ScalingPolicy>, is_scale_out: bool) {
        let reasons = match self.scenario.scaling_policies[policy].target {
            ScalingTarget::Service(target) => &mut self.scaled_targets[target.index()].last_reasons,
            ScalingTarget::Group(group) => &mut self.group_scaling[group.index()].last_reasons,
        };
        reasons.forget(is_scale_out);
    }

    fn say_target_not_scaled(&mut self, target: Id<ScalableTarget>, asked: Asked, reason: NotScaled) {
        if !self.scaled_targets[target.index()].last_reasons.is_news(&reason) {
            return;
        }
        let service = self.scenario.scalable_targets[target].service;
        let resource = self.service_resource(service);
        let desired = self.services[service.index()].desired_count;
        let decision = self.alarms_in_force[asked.alarm.index()].decision;
        let policy = self.scenario.scaling_policies[asked.policy].name.clone();
        self.record_not_scaled(resource, policy, desired, decision, reason);
    }
}

/// How target tracking came to a capacity: the product, and what it was made of that where another rule comes on top.
pub(super) fn tracked_figures(
    tracking: &TargetTracking,
    (base, counted): (u32, &str),
    name: &str,
    metric: f64,
    wanted: u32,
) -> String {
    let (value, target) = (rounded(metric), tracking.target_value);
    if base == 0 && wanted > 0 {
        return format!("0 {counted}, {name} {value} / {target}: the least step, to {wanted}");
    }
    let product = f64::from(base) * metric / target;
    let called_for = ceil_capacity(product);
    if called_for == wanted {
        return format!("{base} {counted} x {name} {value} / {target} = {wanted}");
    }
    let product = format!("{base} {counted} x {name} {value} / {target} = {}", rounded(product));
    match base.checked_sub(wanted).filter(|_| called_for < wanted) {
        Some(fewer) => format!("{product}, at most {fewer} fewer at once: {wanted}"),
        None => format!("{product}, within the bounds: {wanted}"),
    }
}

/// Two decimals at most, as people read figures.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
