//! CloudWatch's alarms and Application Auto Scaling, minute by minute.
//!
//! Follows *Alarm evaluation* (CloudWatch, 2026-04) and the Application Auto Scaling guide (2023 to 2026 copies); what
//! they leave open is a named assumption of the scenario. Left out: predictive scaling, high-resolution metrics.

use crate::agenda::Event;
use crate::aws::alarm::{Alarm, AlarmRule, AlarmState, ComparisonOperator, Statistic, TreatMissingData};
use crate::aws::capacity_provider::CapacityProvider;
use crate::aws::scaling_policy::{ScalableTarget, ScalingPolicy, ScalingPolicyKind, ServiceMetric};
use crate::aws::schedule::ScheduledAction;
use crate::aws::service::ServiceDefinition;
use crate::cluster::TaskStatus;
use crate::control::Control;
use crate::control::log::Decision;
use crate::data::Traffic;
use crate::metrics::{Datapoint, Series};
use crate::rng::fnv;
use crate::run::{AlarmChange, ServiceMinute};
use crate::scenario::Assumptions;
use crate::table::Id;
use crate::units::{Instant, Span};

/// An alarm as it stands: of a policy, or of a capacity provider's managed scaling.
#[derive(Clone, Debug)]
pub struct AlarmInForce {
    state: AlarmState,
    watches: Watched,
    action: Action,
    changed_at: Instant,
    decision: Option<Decision>,
}

impl AlarmInForce {
    /// The service whose metric it watches.
    pub fn service(&self) -> Option<Id<ServiceDefinition>> {
        match self.watches {
            Watched::Service(service, _) => Some(service),
            Watched::CapacityProvider(_) => None,
        }
    }

    /// Whether it was made by a target tracking policy or managed scaling, not by whoever runs the cluster.
    pub fn is_managed(&self) -> bool {
        !matches!(self.action, Action::Step(_))
    }
}

/// What an alarm watches.
#[derive(Clone, Copy, Debug)]
enum Watched {
    Service(Id<ServiceDefinition>, ServiceMetric),
    CapacityProvider(Id<CapacityProvider>),
}

/// What an alarm in ALARM invokes.
#[derive(Clone, Copy, Debug)]
enum Action {
    TrackOut(Id<ScalingPolicy>),
    TrackIn(Id<ScalingPolicy>),
    Step(Id<ScalingPolicy>),
    GrowGroup(Id<CapacityProvider>),
    ShrinkGroup(Id<CapacityProvider>),
}

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

/// Metrics of one service.
#[derive(Clone, Debug)]
pub struct ServiceMetrics {
    cpu_utilization: Series,
    memory_utilization: Series,
    request_count_per_target: Series,
    request_count: Series,
    target_response_time: Series,
}

impl ServiceMetrics {
    /// Metrics without datapoints.
    pub fn new(assumptions: &Assumptions) -> ServiceMetrics {
        let ecs = || Series::new(assumptions.ecs_metric_delay);
        let load_balancer = || Series::new(assumptions.load_balancer_metric_delay);
        ServiceMetrics {
            cpu_utilization: ecs(),
            memory_utilization: ecs(),
            request_count_per_target: load_balancer(),
            request_count: load_balancer(),
            target_response_time: load_balancer(),
        }
    }

    /// The series of a metric.
    pub fn series(&self, metric: ServiceMetric) -> &Series {
        match metric {
            ServiceMetric::CpuUtilization => &self.cpu_utilization,
            ServiceMetric::MemoryUtilization => &self.memory_utilization,
            ServiceMetric::RequestCountPerTarget => &self.request_count_per_target,
            ServiceMetric::RequestCount => &self.request_count,
            ServiceMetric::TargetResponseTime => &self.target_response_time,
        }
    }
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
        }
    }
}

impl Control<'_> {
    /// Creates the alarms of all policies and capacity providers.
    pub(super) fn put_alarms(&mut self) {
        let scenario = self.scenario;
        let cluster = &scenario.cluster_name;
        for (id, policy) in scenario.scaling_policies.entries() {
            let service = scenario.scalable_targets[policy.target].service;
            let service_name = &scenario.services[service].name;
            match &policy.kind {
                ScalingPolicyKind::TargetTracking(tracking) => {
                    let (high, low) = tracking.alarm_rules(scenario.assumptions.alarm_low_ratio);
                    let watched = Watched::Service(service, tracking.metric);
                    let name = format!("TargetTracking-service/{cluster}/{service_name}-AlarmHigh-{}", policy.name);
                    self.put_alarm(name, high, watched, Action::TrackOut(id));
                    if !tracking.disable_scale_in {
                        let name = format!("TargetTracking-service/{cluster}/{service_name}-AlarmLow-{}", policy.name);
                        self.put_alarm(name, low, watched, Action::TrackIn(id));
                    }
                }
                ScalingPolicyKind::Step(step) => {
                    let watched = Watched::Service(service, step.metric);
                    self.put_alarm(step.alarm_name.clone(), step.alarm, watched, Action::Step(id));
                }
            }
        }
        for (id, provider) in scenario.capacity_providers.entries() {
            let (Some(managed), Some(group)) = (&provider.managed_scaling, provider.auto_scaling_group()) else {
                continue;
            };
            let rule = |comparison_operator, periods| AlarmRule {
                comparison_operator,
                threshold: f64::from(managed.target_capacity),
                period: Span::MINUTE,
                evaluation_periods: periods,
                datapoints_to_alarm: periods,
                treat_missing_data: TreatMissingData::Missing,
                statistic: Statistic::Average,
            };
            let group = &scenario.auto_scaling_groups[group].name;
            let name = format!("TargetTracking-{group}-AlarmHigh-{}", provider.name);
            let high = rule(ComparisonOperator::GreaterThanThreshold, 1);
            self.put_alarm(name, high, Watched::CapacityProvider(id), Action::GrowGroup(id));
            let name = format!("TargetTracking-{group}-AlarmLow-{}", provider.name);
            let low = rule(ComparisonOperator::LessThanThreshold, 15);
            self.put_alarm(name, low, Watched::CapacityProvider(id), Action::ShrinkGroup(id));
        }
    }

    fn put_alarm(&mut self, name: String, rule: AlarmRule, watches: Watched, action: Action) {
        // CloudWatch evaluates each alarm at a second of the minute of its own.
        let own = Span::seconds(fnv(name.as_bytes(), 0) % 60);
        let phase = self.scenario.assumptions.alarm_phase.unwrap_or(own);
        let alarm = self.alarms.push(Alarm { name, rule });
        self.alarms_in_force.push(AlarmInForce {
            state: AlarmState::InsufficientData,
            watches,
            action,
            changed_at: Instant::START,
            decision: None,
        });
        self.agenda.put(Instant::START + Span::MINUTE + phase, Event::AlarmIsEvaluated(alarm));
    }

    /// Registering a scalable target moves desired into its bounds at once.
    pub(super) fn bring_targets_within_bounds(&mut self) {
        for (target, definition) in self.scenario.scalable_targets.entries() {
            let bounds = &self.scaled_targets[target.index()];
            let state = &mut self.services[definition.service.index()];
            state.desired_count = state.desired_count.clamp(bounds.min_capacity, bounds.max_capacity);
        }
    }

    /// Closes the minute of every service: a row for the report, datapoints for CloudWatch.
    pub(super) fn publish_service_minutes(&mut self, traffic: &Traffic) {
        let minute = self.now().0 / Span::MINUTE.0 - 1;
        let of_service =
            |it: &ServiceDefinition| self.request_count_per_target(it.load_balancer.as_ref()?.target_group);
        let per_target: Vec<Option<f64>> = self.scenario.services.iter().map(of_service).collect();
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
            let samples = f64::from(running.max(1));
            let metrics = &mut self.service_metrics[service.index()];
            metrics.cpu_utilization.publish(closed.cpu_percent.map(|percent| Datapoint::of(percent, samples)));
            metrics.memory_utilization.publish(closed.memory_percent.map(|percent| Datapoint::of(percent, samples)));
            // The count is published at 0 too, as long as there is a target to divide by.
            let per_target = per_target.get(service.index()).copied().flatten();
            metrics.request_count_per_target.publish(per_target.map(|value| Datapoint::of(value, 1.0)));
            let routed = (closed.routing.routed > 0).then(|| Datapoint::of(closed.routing.routed as f64, 1.0));
            metrics.request_count.publish(routed);
            let answers = &closed.target_response_time;
            let response = answers.mean().map(|nanos| Datapoint::of(nanos / 1e9, answers.count() as f64));
            metrics.target_response_time.publish(response);
            self.log.close_period(&row);
            self.records.service_minutes.push(row);
        }
    }

    pub(super) fn alarm_is_evaluated(&mut self, alarm: Id<Alarm>) {
        let now = self.now();
        self.agenda.put(now + Span::MINUTE, Event::AlarmIsEvaluated(alarm));
        let Alarm { name, rule } = &self.alarms[alarm];
        let row = &self.alarms_in_force[alarm.index()];
        let points = self.watched_series(row.watches).window(rule, rule.evaluation_range(), now);
        let state = rule.evaluate(&points, row.state);
        if state == row.state {
            return;
        }
        let newest = points.iter().rev().copied().flatten().next();
        let reason = reason_of(rule, &points, newest);
        let (from, name, threshold) = (row.state, name.clone(), rule.threshold);
        let message = format!("{name} {} to {}: {reason}", from.as_str(), state.as_str());
        self.records.alarm_changes.push(AlarmChange {
            at: now,
            alarm: name.clone(),
            from: from.as_str(),
            to: state.as_str(),
            value: newest,
            threshold,
            reason,
        });
        let decision = self.log.put(now, None, "alarm.state", format!("alarm/{name}"), message);
        let row = &mut self.alarms_in_force[alarm.index()];
        row.state = state;
        row.changed_at = now;
        row.decision = Some(decision);
        if state == AlarmState::Alarm {
            self.alarm_acts(alarm);
        }
    }

    pub(super) fn alarm_acts_again(&mut self, alarm: Id<Alarm>) {
        let row = &self.alarms_in_force[alarm.index()];
        let since = self.now().since(row.changed_at).0;
        // Re-invocations keep the second of the transition that began them; others are stale.
        if row.state == AlarmState::Alarm && since > 0 && since.is_multiple_of(Span::MINUTE.0) {
            self.alarm_acts(alarm);
        }
    }

    fn alarm_acts(&mut self, alarm: Id<Alarm>) {
        let now = self.now();
        self.agenda.put(now + Span::MINUTE, Event::AlarmActsAgain(alarm));
        let row = &self.alarms_in_force[alarm.index()];
        let cause = row.decision;
        match row.action {
            Action::TrackOut(policy) => self.ask(policy, alarm, false),
            Action::TrackIn(policy) => self.ask(policy, alarm, true),
            Action::Step(policy) => self.ask(policy, alarm, false),
            Action::GrowGroup(provider) => self.grow_group(provider, cause),
            Action::ShrinkGroup(provider) => self.shrink_group(provider, cause),
        }
    }

    fn ask(&mut self, policy: Id<ScalingPolicy>, alarm: Id<Alarm>, is_scale_in_of_tracking: bool) {
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
                ScalingPolicyKind::Step(step) => match step.capacity(running, metric) {
                    Some(wanted) if wanted > running => {
                        let wanted = step.capacity(base, metric).unwrap_or(wanted);
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
        let Some(target) = self.scenario.scalable_targets.find(|it| it.service == service) else { return };
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
        for (id, Alarm { rule, .. }) in self.alarms.entries() {
            let alarm = &self.alarms_in_force[id.index()];
            let Action::TrackIn(policy) = alarm.action else { continue };
            let definition = &self.scenario.scaling_policies[policy];
            let ScalingPolicyKind::TargetTracking(tracking) = &definition.kind else { continue };
            if definition.target != target {
                continue;
            }
            if alarm.state != AlarmState::Alarm {
                return Err(format!(
                    "no scale-in: policy {} is not ready, its low alarm is {}",
                    definition.name,
                    alarm.state.as_str()
                ));
            }
            let Some(metric) = self.watched_series(alarm.watches).newest(rule.statistic, self.now()) else { continue };
            let fraction = self.scenario.assumptions.scale_in_max_fraction;
            let wanted = tracking.scale_in_capacity(running, metric, fraction).ok_or_else(|| {
                format!(
                    "no scale-in: AutoScalingAnticipatedFlapping (one task less would bring {} from {} above {})",
                    tracking.metric.as_str(),
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

    fn metric_in_force(&self, alarm: Id<Alarm>) -> Option<f64> {
        let watches = self.alarms_in_force[alarm.index()].watches;
        self.watched_series(watches).newest(self.alarms[alarm].rule.statistic, self.now())
    }

    fn watched_series(&self, watched: Watched) -> &Series {
        match watched {
            Watched::Service(service, metric) => self.service_metrics[service.index()].series(metric),
            Watched::CapacityProvider(provider) => &self.reservation_metrics[provider.index()],
        }
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
                    tracking.metric.as_str(),
                    rounded(metric),
                    tracking.target_value
                )
            }
            ScalingPolicyKind::Step(step) => {
                format!(
                    "{} {} is {} from the threshold {}: {base} running to {wanted}",
                    step.metric.as_str(),
                    rounded(metric),
                    rounded(metric - step.alarm.threshold),
                    step.alarm.threshold
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
fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn reason_of(rule: &AlarmRule, points: &[Option<f64>], newest: Option<f64>) -> String {
    let real: Vec<f64> = points.iter().copied().flatten().collect();
    let looked_at = &real[real.len().saturating_sub(rule.evaluation_periods as usize)..];
    let breaching = looked_at.iter().filter(|&&value| rule.breaches(value)).count();
    let comparison = match rule.comparison_operator {
        ComparisonOperator::GreaterThanThreshold => ">",
        ComparisonOperator::GreaterThanOrEqualToThreshold => ">=",
        ComparisonOperator::LessThanThreshold => "<",
        ComparisonOperator::LessThanOrEqualToThreshold => "<=",
    };
    match newest {
        None => "no datapoint".to_owned(),
        Some(value) => format!(
            "{breaching} of the last {} datapoints were {comparison} {} (newest {}); {} needed",
            looked_at.len(),
            rounded(rule.threshold),
            rounded(value),
            rule.datapoints_to_alarm
        ),
    }
}
