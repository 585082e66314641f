//! Application Auto Scaling: what becomes of a scalable target when alarms invoke its policies.
//!
//! Follows the Application Auto Scaling guide (2023 to 2026 copies); what it leaves open is a named assumption of the
//! scenario. Left out: predictive scaling.

use crate::agenda::Event;
use crate::aws::alarm::{Alarm, AlarmState};
use crate::aws::scaling_policy::{ScalableTarget, ScalingPolicy, ScalingPolicyKind};
use crate::aws::schedule::ScheduledAction;
use crate::aws::service::ServiceDefinition;
use crate::cluster::TaskStatus;
use crate::control::Control;
use crate::control::log::Decision;
use crate::data::Traffic;
use crate::run::ServiceMinute;
use crate::table::Id;
use crate::units::{Instant, Span};

/// A scalable target as it stands.
#[derive(Clone, Debug)]
pub struct ScaledTarget {
    /// `MinCapacity`, now.
    pub min_capacity: u32,
    /// `MaxCapacity`, now.
    pub max_capacity: u32,
    asked: Vec<Asked>,
    activity: Option<Activity>,
    scale_out_cooldown: Cooldown,
    scale_in_cooldown_ends: Instant,
    last_reason: String,
    /// The low alarms of the policies that track a metric, in order of creation.
    pub(super) low_alarms: Vec<(Id<Alarm>, Id<ScalingPolicy>)>,
}

/// A policy that an alarm has invoked.
#[derive(Clone, Copy, Debug)]
struct Asked {
    policy: Id<ScalingPolicy>,
    alarm: Id<Alarm>,
    is_scale_in_of_tracking: bool,
}

/// A change of desired count that ECS has not yet fulfilled.
#[derive(Clone, Copy, Debug)]
struct Activity {
    desired: u32,
    began_at: Instant,
    is_scale_out: bool,
    cooldown: Span,
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
            min_capacity: definition.min_capacity,
            max_capacity: definition.max_capacity,
            asked: Vec::new(),
            activity: None,
            scale_out_cooldown: Cooldown::default(),
            scale_in_cooldown_ends: Instant::START,
            last_reason: String::new(),
            low_alarms: Vec::new(),
        }
    }
}

impl Control<'_> {
    /// Registering a scalable target moves desired into its bounds at once.
    pub(super) fn bring_targets_within_bounds(&mut self) {
        for (target, definition) in self.scenario.scalable_targets.entries() {
            let bounds = &self.scaled_targets[target.index()];
            let state = &mut self.services[definition.service.index()];
            state.desired_count = state.desired_count.clamp(bounds.min_capacity, bounds.max_capacity);
        }
    }

    /// Closes the minute of every service: a row for the report.
    pub(super) fn publish_service_minutes(&mut self, traffic: &Traffic) {
        let minute = self.now().0 / Span::MINUTE.0 - 1;
        for (service, definition) in self.scenario.services.entries() {
            let closed = traffic.last_minute(service);
            let state = &self.services[service.index()];
            let count = |wanted: &[TaskStatus]| {
                state.tasks.iter().filter(|&&it| wanted.contains(&self.cluster.tasks[it].status)).count() as u32
            };
            let running = count(&[TaskStatus::Running]);
            let healthy = definition.load_balancer.as_ref().map(|it| self.cluster.healthy_targets(it.target_group));
            let row = ServiceMinute {
                minute,
                service: service.index(),
                desired_count: state.desired_count,
                running_count: running,
                pending_count: count(&[TaskStatus::Provisioning, TaskStatus::Pending, TaskStatus::Activating]),
                counts: closed.counts.clone(),
                cpu_percent: closed.cpu_percent,
                memory_percent: closed.memory_percent,
                response_time_ms: closed.response_time_ms,
                healthy_targets: healthy.unwrap_or(0) as u32,
                new_flows: closed.new_flows,
                active_flows: closed.active_flows,
                surge_queue_length: closed.surge_queue_length,
                spillover: closed.spillover,
            };
            self.log.close_period(&row);
            self.records.service_minutes.push(row);
        }
    }

    /// An alarm invokes a policy.
    pub(super) fn ask(&mut self, policy: Id<ScalingPolicy>, alarm: Id<Alarm>, is_scale_in_of_tracking: bool) {
        let target = self.scenario.scaling_policies[policy].target;
        self.scaled_targets[target.index()].asked.push(Asked { policy, alarm, is_scale_in_of_tracking });
        self.agenda.put(self.now(), Event::TargetIsScaled(target));
    }

    pub(super) fn scheduled_action_runs(&mut self, action: Id<ScheduledAction>, _occurrence: usize) {
        let now = self.now();
        let definition = &self.scenario.scheduled_actions[action];
        let target = definition.target;
        let service = self.scenario.scalable_targets[target].service;
        let state = &mut self.scaled_targets[target.index()];
        state.min_capacity = definition.min_capacity.unwrap_or(state.min_capacity);
        state.max_capacity = definition.max_capacity.unwrap_or(state.max_capacity);
        let (min, max) = (state.min_capacity, state.max_capacity);
        let message = format!(
            "scheduled action {} {}: min capacity {min} and max capacity {max}",
            definition.name, definition.schedule
        );
        let resource = self.service_resource(service);
        let decision = self.log.put(now, None, "scaling.scheduled_action", resource, message);
        let desired = self.services[service.index()].desired_count;
        // A scheduled action ignores cooldowns and begins none.
        let wanted = desired.clamp(min, max.max(min));
        self.records.scale_outs += u32::from(wanted > desired);
        self.set_desired_count(service, wanted, Some(decision));
    }

    /// Decides on all that was asked of a target at this instant: out beats in, the largest capacity wins.
    pub(super) fn target_is_scaled(&mut self, target: Id<ScalableTarget>) {
        let asked = std::mem::take(&mut self.scaled_targets[target.index()].asked);
        let service = self.scenario.scalable_targets[target].service;
        self.check_activity(service);
        if asked.is_empty() {
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
            let Some(metric) = self.metric_in_force(it.alarm) else { continue };
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
                    _ => {}
                },
            }
        }
        if let Some((wanted, it)) = out {
            self.scale_out(target, *it, wanted, base);
            return;
        }
        let tracked = tracking_in.map(|it| (self.tracked_scale_in(target, running), it));
        match (steps_in, tracked) {
            (None, None) => {}
            (Some((wanted, it)), None) => self.scale_in_target(target, *it, wanted),
            (None, Some((Ok(wanted), it))) => self.scale_in_target(target, *it, wanted),
            (Some((wanted, it)), Some((Ok(tracked), _))) => self.scale_in_target(target, *it, wanted.max(tracked)),
            (Some((wanted, it)), Some((Err(_), _))) => self.scale_in_target(target, *it, wanted),
            (None, Some((Err(reason), it))) => {
                let cause = self.alarms_in_force[it.alarm.index()].decision;
                self.say_target_not_scaled(target, reason, cause);
            }
        }
    }

    /// Whether ECS has fulfilled the activity that is in progress; its cooldown begins then.
    pub(super) fn check_activity(&mut self, service: Id<ServiceDefinition>) {
        let now = self.now();
        let Some(target) = self.relations.target_of(service) else { return };
        let running = self.running_count(service);
        let timeout = self.scenario.assumptions.activity_timeout;
        let state = &mut self.scaled_targets[target.index()];
        let Some(activity) = state.activity else { return };
        if running != activity.desired && now < activity.began_at + timeout {
            return;
        }
        state.activity = None;
        let ends = now.min(activity.began_at + timeout) + activity.cooldown;
        if activity.is_scale_out {
            state.scale_out_cooldown.ends = ends;
        } else {
            state.scale_in_cooldown_ends = ends;
        }
    }

    fn scale_out(&mut self, target: Id<ScalableTarget>, asked: Asked, wanted: u32, base: u32) {
        let service = self.scenario.scalable_targets[target].service;
        let state = &self.scaled_targets[target.index()];
        let desired = self.services[service.index()].desired_count;
        // A desired count below the minimum is raised to it first, and the policy goes on from there.
        let clamped = wanted.clamp(state.min_capacity, state.max_capacity);
        let metric = self.metric_in_force(asked.alarm).unwrap_or_default();
        let cause = self.alarms_in_force[asked.alarm.index()].decision;
        let figures = self.figures(asked, base, metric, wanted);
        if clamped <= desired {
            let code = if desired >= state.max_capacity { "AlreadyAtMaxCapacity" } else { "AlreadyAtDesiredCapacity" };
            self.say_target_not_scaled(target, format!("no scale-out: {code} {desired} ({figures})"), cause);
            return;
        }
        self.begin_activity(target, asked, clamped, base, true, &figures);
    }

    fn scale_in_target(&mut self, target: Id<ScalableTarget>, asked: Asked, wanted: u32) {
        let now = self.now();
        let service = self.scenario.scalable_targets[target].service;
        let state = &self.scaled_targets[target.index()];
        let desired = self.services[service.index()].desired_count;
        let cause = self.alarms_in_force[asked.alarm.index()].decision;
        let blocked = if self.services[service.index()].is_deploying() {
            Some("a deployment is in progress".to_owned())
        } else if state.activity.is_some() {
            Some("an activity is in progress".to_owned())
        } else if now < state.scale_in_cooldown_ends {
            Some(format!("cooldown until {}", state.scale_in_cooldown_ends))
        } else if desired <= state.min_capacity {
            Some(format!("AlreadyAtMinCapacity {}", state.min_capacity))
        } else {
            None
        };
        if let Some(reason) = blocked {
            self.say_target_not_scaled(target, format!("no scale-in: {reason}"), cause);
            return;
        }
        let clamped = wanted.clamp(state.min_capacity, state.max_capacity);
        let running = self.running_count(service);
        let metric = self.metric_in_force(asked.alarm).unwrap_or_default();
        let figures = self.figures(asked, running, metric, wanted);
        if clamped >= desired {
            let reason = format!("no scale-in: AlreadyAtDesiredCapacity {desired} ({figures})");
            self.say_target_not_scaled(target, reason, cause);
            return;
        }
        self.begin_activity(target, asked, clamped, running, false, &figures);
    }

    fn begin_activity(
        &mut self,
        target: Id<ScalableTarget>,
        asked: Asked,
        desired: u32,
        base: u32,
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
        };
        let alarm = &self.alarms[asked.alarm];
        let message = format!(
            "Setting desired count to {desired}. Cause: monitor alarm {} in state ALARM triggered policy {} ({figures})",
            alarm.name, policy.name
        );
        let cause = self.alarms_in_force[asked.alarm.index()].decision;
        let decision = self.log.put(now, cause, "scaling.activity", self.service_resource(service), message);
        let state = &mut self.scaled_targets[target.index()];
        state.last_reason.clear();
        state.activity = Some(Activity { desired, began_at: now, is_scale_out, cooldown });
        if is_scale_out {
            state.scale_out_cooldown = Cooldown { ends: Instant::NEVER, base_before: base };
            // A scale-out cancels what is left of a scale-in's cooldown.
            state.scale_in_cooldown_ends = now;
        }
        self.records.scale_outs += u32::from(is_scale_out);
        self.set_desired_count(service, desired, Some(decision));
        self.agenda.put(now + self.scenario.assumptions.activity_timeout, Event::TargetIsScaled(target));
    }

    /// The capacity that target tracking would go in to, or why it does not: every policy must be ready.
    fn tracked_scale_in(&self, target: Id<ScalableTarget>, running: u32) -> Result<u32, String> {
        let mut most: Option<u32> = None;
        for &(id, policy) in &self.scaled_targets[target.index()].low_alarms {
            let alarm = &self.alarms_in_force[id.index()];
            let definition = &self.scenario.scaling_policies[policy];
            let ScalingPolicyKind::TargetTracking(tracking) = &definition.kind else { continue };
            if alarm.state != AlarmState::Alarm {
                return Err(format!(
                    "no scale-in: policy {} is not ready, its low alarm is {}",
                    definition.name,
                    alarm.state.as_str()
                ));
            }
            let Some(metric) = self.metric_in_force(id) else { continue };
            let fraction = self.scenario.assumptions.scale_in_max_fraction;
            let wanted = tracking.scale_in_capacity(running, metric, fraction).ok_or_else(|| {
                format!(
                    "no scale-in: AutoScalingAnticipatedFlapping (one task less would bring {} from {} above {})",
                    self.scenario.watched_name(&tracking.watches),
                    rounded(metric),
                    tracking.target_value
                )
            })?;
            most = most.max(Some(wanted));
        }
        most.ok_or_else(|| "no scale-in: no datapoint".to_owned())
    }

    /// Running tasks; during a scale-out's cooldown no more than before it, as what it added counts as part of the next.
    fn scale_out_base(&self, target: Id<ScalableTarget>, running: u32) -> u32 {
        let cooldown = &self.scaled_targets[target.index()].scale_out_cooldown;
        if self.now() < cooldown.ends { running.min(cooldown.base_before) } else { running }
    }

    /// The newest datapoint that the alarm's periods have: what decides how much capacity is called for.
    fn metric_in_force(&self, alarm: Id<Alarm>) -> Option<f64> {
        let Alarm { rule, watches, .. } = &self.alarms[alarm];
        self.newest_value(watches, rule.data_until(self.now()), rule.period)
    }

    fn running_count(&self, service: Id<ServiceDefinition>) -> u32 {
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
                format!(
                    "{base} running x {} {} / {} = {wanted}",
                    self.scenario.watched_name(&tracking.watches),
                    rounded(metric),
                    tracking.target_value
                )
            }
            ScalingPolicyKind::Step(_) => {
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

    fn say_target_not_scaled(&mut self, target: Id<ScalableTarget>, reason: String, cause: Option<Decision>) {
        // The code decides whether it is news; the figures in brackets change every minute.
        let code = reason.split('(').next().unwrap_or_default().to_owned();
        if self.scaled_targets[target.index()].last_reason == code {
            return;
        }
        let service = self.scenario.scalable_targets[target].service;
        self.log.put(self.agenda.now(), cause, "scaling.not_scaled", self.service_resource(service), reason);
        self.scaled_targets[target.index()].last_reason = code;
    }
}

/// Two decimals at most, as people read figures.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
