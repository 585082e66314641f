//! EC2 Auto Scaling: what becomes of a group when alarms invoke its own policies.
//!
//! Follows *Target tracking scaling policies*, *Step and simple scaling policies*, *Set the default instance warmup* and *Scaling
//! cooldowns* (EC2 Auto Scaling guide, 2018 to 2023 copies); what they leave open is a named assumption of the scenario.
//! A capacity provider's managed scaling is in `capacity_provider`, and no other policy may drive its group.

use crate::agenda::Event;
use crate::aws::alarm::{Alarm, AlarmState};
use crate::aws::auto_scaling_group::{AutoScalingGroup, ScalingProcess};
use crate::aws::lifecycle::LifecycleState;
use crate::aws::scaling_policy::{ScalingPolicy, ScalingPolicyKind};
use crate::cluster::ContainerInstance;
use crate::control::Control;
use crate::control::autoscaling::{rounded, tracked_figures};
use crate::control::log::Decision;
use crate::control::not_scaled::{Asked, LastReasons, NotScaled, no_datapoint, no_step_adjustment};
use crate::run::ScalingActivity;
use crate::table::Id;
use crate::units::{Instant, Span};

/// What a group's policies have done, as it stands.
#[derive(Clone, Debug, Default)]
pub struct GroupScaling {
    asked: Vec<Asked>,
    /// The low alarms of the policies that track a metric, in the order of these.
    pub(super) low_alarms: Vec<(Id<Alarm>, Id<ScalingPolicy>)>,
    activity: Option<Activity>,
    /// Policies of simple scaling wait until then, and until their last activity has ended.
    simple_cooldown_ends: Instant,
    /// Target tracking scales in again from then on.
    scale_in_from: Instant,
    pub(super) last_reasons: LastReasons,
    /// What predictive scaling keeps at least in this hour, and the most that it allows.
    pub(super) forecast_bounds: (u32, u32),
}

/// A change of desired capacity that the group has not yet come to.
#[derive(Clone, Copy, Debug)]
struct Activity {
    desired: u32,
    is_scale_out: bool,
    /// Of simple scaling: its cooldown begins when the activity ends.
    simple_cooldown: Option<Span>,
    hindrance: Option<Hindrance>,
    row: usize,
    decision: Decision,
}

/// What keeps a group from its desired capacity, so that an activity ends with what it has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hindrance {
    /// A launch has failed; the group tries again, and no activity waits for that.
    LaunchFailed,
    /// What there is too much may not go: it is protected, or each of it counts for more than that.
    NothingMayGo,
    /// It may not launch, or not terminate.
    Suspended(ScalingProcess),
}

/// How an activity of a group ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ActivityEnd {
    /// The desired capacity is there.
    Successful,
    /// Another one took its place.
    Overridden,
    Hindered(Hindrance),
}

/// What a policy asks for, and from what.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    capacity: u32,
    asked: Asked,
    base: u32,
    metric: f64,
}

/// What a policy does to a group, and by which figures.
struct Change<'a> {
    policy: &'a str,
    figures: String,
    base: Option<u32>,
    metric: Option<f64>,
    simple_cooldown: Option<Span>,
}

impl Control<'_> {
    /// An alarm invokes a policy of a group.
    pub(super) fn ask_group(
        &mut self,
        group: Id<AutoScalingGroup>,
        policy: Id<ScalingPolicy>,
        alarm: Id<Alarm>,
        is_scale_in_of_tracking: bool,
    ) {
        self.group_scaling[group.index()].asked.push(Asked { policy, alarm, is_scale_in_of_tracking });
        self.agenda.put(self.now(), Event::GroupIsScaled(group));
    }

    /// Decides on all that was asked of a group at this instant: out beats in, the largest capacity wins.
    pub(super) fn group_is_scaled(&mut self, group: Id<AutoScalingGroup>) {
        let asked = std::mem::take(&mut self.group_scaling[group.index()].asked);
        if !asked.is_empty() && self.is_suspended(group, ScalingProcess::AlarmNotification) {
            for it in asked {
                let is_scale_out = self.alarms[it.alarm].rule.is_above() && !it.is_scale_in_of_tracking;
                let direction = if is_scale_out { "scale-out" } else { "scale-in" };
                let words = format!("no {direction}: the process AlarmNotification is suspended");
                self.say_group_not_scaled(group, it, None, is_scale_out, ("AlarmNotificationSuspended", words));
            }
            return;
        }
        let desired = self.groups[group.index()].desired_capacity;
        let (mut out, mut steps_in, mut tracking_in) = (None::<Wanted>, None::<Wanted>, None::<Asked>);
        for it in asked {
            if it.is_scale_in_of_tracking {
                tracking_in.get_or_insert(it);
                continue;
            }
            let (base, _) = self.capacity_for_policy(group, self.warmup_of(group, Some(it.policy)));
            let is_simple = matches!(self.scenario.scaling_policies[it.policy].kind, ScalingPolicyKind::Simple(_));
            let metric = self.value_in_force(&it);
            let (base, metric) = if is_simple { (desired, metric.or(Some(0.0))) } else { (base, metric) };
            // With weights a group may be above its desired capacity, and a decrement that is smaller than that does nothing.
            let base = match &self.scenario.scaling_policies[it.policy].kind {
                ScalingPolicyKind::Simple(simple) if simple.capacity(base) < base && self.has_weights(group) => {
                    base.max(self.group_capacity(group, None))
                }
                _ => base,
            };
            let Some(metric) = metric else {
                if matches!(self.scenario.scaling_policies[it.policy].kind, ScalingPolicyKind::Step(_)) {
                    let reason = no_datapoint(&self.alarms[it.alarm].rule, base);
                    self.record_group_not_scaled(group, it, reason);
                }
                continue;
            };
            // Target tracking is asked to scale out by its high alarm, whatever comes of it; the others by what they make of it.
            let (capacity, from) = match &self.scenario.scaling_policies[it.policy].kind {
                ScalingPolicyKind::TargetTracking(tracking) => (tracking.scale_out_capacity(base, metric), None),
                ScalingPolicyKind::Step(step) => match step.capacity(&self.alarms[it.alarm].rule, base, metric) {
                    Some(capacity) => (capacity, Some(base)),
                    None => {
                        let reason = no_step_adjustment(&self.alarms[it.alarm].rule, base, metric);
                        self.record_group_not_scaled(group, it, reason);
                        continue;
                    }
                },
                ScalingPolicyKind::Simple(simple) => (simple.capacity(base), Some(base)),
                ScalingPolicyKind::Predictive(_) => continue,
            };
            let wanted = Wanted { capacity, asked: it, base, metric };
            let is_more = |than: &Option<Wanted>| than.is_none_or(|than| capacity > than.capacity);
            // Of nothing nothing can be taken: it is then the alarm that says that it would be.
            let takes_of_nothing = from == Some(0) && capacity == 0 && !self.alarms[it.alarm].rule.is_above();
            if from.is_none_or(|from| capacity > from) {
                if is_more(&out) {
                    out = Some(wanted);
                }
            } else if (takes_of_nothing || from.is_some_and(|from| capacity < from)) && is_more(&steps_in) {
                steps_in = Some(wanted);
            }
        }
        // One that leads to no more capacity holds nothing back.
        if out.is_some_and(|it| self.scale_group_out(group, it)) {
            return;
        }
        let tracked = tracking_in.map(|it| (self.group_scale_in(group, it), it));
        match (steps_in, tracked) {
            (None, None) => {}
            (Some(step), Some((Ok(tracked), _))) if tracked.capacity > step.capacity => {
                self.scale_group_in(group, tracked);
            }
            (Some(step), _) => self.scale_group_in(group, step),
            (None, Some((Ok(tracked), _))) => self.scale_group_in(group, tracked),
            (None, Some((Err(reason), it))) => self.say_group_not_scaled(group, it, None, false, reason),
        }
    }

    /// Whether it came to a scale-out.
    fn scale_group_out(&mut self, group: Id<AutoScalingGroup>, wanted: Wanted) -> bool {
        let (min, max) = self.bounds_of_policies(group);
        let desired = self.groups[group.index()].desired_capacity;
        let capacity = wanted.capacity.clamp(min, max);
        let figures = self.group_figures(&wanted);
        let held = self.simple_is_held(group, &wanted);
        let reason = held.or_else(|| {
            let code = if desired >= max { "AlreadyAtMaxCapacity" } else { "AlreadyAtDesiredCapacity" };
            (capacity <= desired).then(|| (code, format!("no scale-out: {code} {desired} ({figures})")))
        });
        let is_held = reason.is_some();
        match reason {
            Some(reason) => self.say_group_not_scaled(group, wanted.asked, Some(wanted), true, reason),
            None => self.begin_group_activity(group, &wanted, capacity, &figures),
        }
        !is_held
    }

    fn scale_group_in(&mut self, group: Id<AutoScalingGroup>, wanted: Wanted) {
        let now = self.now();
        let (min, max) = self.bounds_of_policies(group);
        let desired = self.groups[group.index()].desired_capacity;
        let capacity = wanted.capacity.clamp(min, max);
        let figures = self.group_figures(&wanted);
        let kind = &self.scenario.scaling_policies[wanted.asked.policy].kind;
        let is_simple = matches!(kind, ScalingPolicyKind::Simple(_));
        let is_tracking = matches!(kind, ScalingPolicyKind::TargetTracking(_));
        let (_, warming) = self.capacity_for_policy(group, self.warmup_of(group, Some(wanted.asked.policy)));
        let scale_in_from = self.group_scaling[group.index()].scale_in_from;
        let held = self.simple_is_held(group, &wanted);
        let reason = if held.is_some() {
            held
        } else if !is_simple && warming > 0 {
            Some(("WarmingUp", format!("no scale-in: instances warm up ({warming})")))
        } else if is_tracking && now < scale_in_from {
            Some(("Cooldown", format!("no scale-in: default cooldown until {scale_in_from}")))
        } else if desired <= min {
            Some(("AlreadyAtMinCapacity", format!("no scale-in: AlreadyAtMinCapacity {min}")))
        } else if !is_simple && wanted.base == 0 {
            Some(("WarmingUp", "no scale-in: no instance is warm".to_owned()))
        } else if capacity >= desired {
            let code = "AlreadyAtDesiredCapacity";
            Some((code, format!("no scale-in: {code} {desired} ({figures})")))
        } else {
            None
        };
        if let Some(reason) = reason {
            return self.say_group_not_scaled(group, wanted.asked, Some(wanted), false, reason);
        }
        self.begin_group_activity(group, &wanted, capacity, &figures);
        let definition = &self.scenario.auto_scaling_groups[group];
        if is_tracking && definition.default_instance_warmup.is_none() {
            self.group_scaling[group.index()].scale_in_from = now + definition.default_cooldown;
        }
    }

    /// The least and the most that policies go to: the group's sizes, or what is forecast for the hour where that is more.
    fn bounds_of_policies(&self, group: Id<AutoScalingGroup>) -> (u32, u32) {
        let state = &self.groups[group.index()];
        let (forecast, most) = self.group_scaling[group.index()].forecast_bounds;
        let least = state.min_size.max(forecast);
        (least, state.max_size.max(most).max(least))
    }

    /// Predictive scaling raises the desired capacity; no cooldown holds it back or begins. Its forecasts are scheduled actions
    /// to the group, and are lost while these are suspended (*Suspend and resume processes*).
    pub(super) fn raise_group_to_forecast(
        &mut self,
        group: Id<AutoScalingGroup>,
        policy: &str,
        wanted: u32,
        rule: String,
    ) {
        let desired = self.groups[group.index()].desired_capacity;
        if wanted <= desired || self.is_suspended(group, ScalingProcess::ScheduledActions) {
            return;
        }
        let message = format!(
            "a forecast of predictive scaling policy {policy} changes the desired capacity from {desired} to {wanted} ({rule})"
        );
        let change = Change { policy, figures: rule, base: None, metric: None, simple_cooldown: None };
        self.change_by_activity(group, wanted, None, message, change);
    }

    /// Why a policy of simple scaling has to wait, if it has: for its last activity, and for the cooldown after that.
    fn simple_is_held(&self, group: Id<AutoScalingGroup>, wanted: &Wanted) -> Option<(&'static str, String)> {
        let kind = &self.scenario.scaling_policies[wanted.asked.policy].kind;
        let ScalingPolicyKind::Simple(_) = kind else { return None };
        let state = &self.group_scaling[group.index()];
        if state.activity.is_some_and(|it| it.simple_cooldown.is_some()) {
            let words = "no scaling: an activity is in progress".to_owned();
            return Some(("ActivityInProgress", words));
        }
        let ends = state.simple_cooldown_ends;
        let words = format!("no scaling: cooldown until {ends}");
        (self.now() < ends).then_some(("Cooldown", words))
    }

    fn begin_group_activity(&mut self, group: Id<AutoScalingGroup>, wanted: &Wanted, capacity: u32, figures: &str) {
        let policy = &self.scenario.scaling_policies[wanted.asked.policy];
        let simple_cooldown = match &policy.kind {
            ScalingPolicyKind::Simple(simple) => {
                Some(simple.cooldown.unwrap_or(self.scenario.auto_scaling_groups[group].default_cooldown))
            }
            _ => None,
        };
        let before = self.groups[group.index()].desired_capacity;
        let alarm = &self.alarms[wanted.asked.alarm].name;
        let message = format!(
            "a monitor alarm {alarm} in state ALARM triggered policy {} changing the desired capacity from {before} to {capacity} ({figures})",
            policy.name
        );
        let cause = self.alarms_in_force[wanted.asked.alarm.index()].decision;
        let (base, metric) = (Some(wanted.base), Some(wanted.metric));
        let change = Change { policy: &policy.name, figures: figures.to_owned(), base, metric, simple_cooldown };
        self.change_by_activity(group, capacity, cause, message, change);
    }

    /// Begins an activity, which ends another that is in progress.
    fn change_by_activity(
        &mut self,
        group: Id<AutoScalingGroup>,
        capacity: u32,
        cause: Option<Decision>,
        message: String,
        change: Change<'_>,
    ) {
        let now = self.now();
        let before = self.groups[group.index()].desired_capacity;
        let Change { policy, figures, base, metric, simple_cooldown } = change;
        self.group_activity_ends(group, ActivityEnd::Overridden);
        let resource = self.group_resource(group);
        let decision = self.log.put(now, cause, "scaling.activity", resource.clone(), message);
        let words = format!("policy {policy} ({figures})");
        self.records.scaling_activities.push(ScalingActivity {
            at: now,
            resource,
            cause: policy.to_owned(),
            from: before,
            to: capacity,
            base,
            metric,
            rule: figures,
            status_code: "InProgress",
            ended_at: None,
            not_scaled_reason: None,
        });
        let row = self.records.scaling_activities.len() - 1;
        let state = &mut self.group_scaling[group.index()];
        state.last_reasons = Default::default();
        let is_scale_out = capacity > before;
        state.activity =
            Some(Activity { desired: capacity, is_scale_out, simple_cooldown, hindrance: None, row, decision });
        self.set_desired_capacity(group, capacity, Some(decision), &words);
    }

    /// Something has changed: the group may have come to what an activity wanted, or to as much of it as it can. A scale-out ends
    /// with what is in service, beyond the desired capacity where weights have it so; a scale-in when nothing is going any more.
    pub(super) fn check_group_activity(&mut self, group: Id<AutoScalingGroup>) {
        let Some(activity) = self.group_scaling[group.index()].activity else { return };
        let instances = || self.groups[group.index()].instances.iter().copied();
        let wanted = || instances().filter(|it| self.counts_for_group(*it));
        let state = |it: &Id<ContainerInstance>| self.instances_in_groups[it.index()].lifecycle_state;
        let is_pending = wanted().any(|it| state(&it) != LifecycleState::InService);
        let end = if activity.is_scale_out {
            let in_service = wanted().filter(|it| state(it) == LifecycleState::InService);
            let in_service: u32 = in_service.map(|it| self.weight_of(it)).sum();
            let hindrance = activity.hindrance.filter(|_| !is_pending).map(ActivityEnd::Hindered);
            if in_service >= activity.desired { Some(ActivityEnd::Successful) } else { hindrance }
        } else if instances().any(|it| self.cluster.instances[it].is_terminating) {
            None
        } else if self.group_capacity(group, None) <= activity.desired + self.extra_capacity(group) {
            Some(ActivityEnd::Successful)
        } else {
            activity.hindrance.map(ActivityEnd::Hindered)
        };
        if let Some(end) = end {
            self.group_activity_ends(group, end);
        }
    }

    /// A group cannot do what an activity wants of it.
    pub(super) fn hinder_group_activity(&mut self, group: Id<AutoScalingGroup>, hindrance: Hindrance) {
        let is_of_scale_out =
            matches!(hindrance, Hindrance::LaunchFailed | Hindrance::Suspended(ScalingProcess::Launch));
        let activity = self.group_scaling[group.index()].activity.as_mut();
        if let Some(activity) = activity.filter(|it| it.is_scale_out == is_of_scale_out) {
            activity.hindrance = Some(hindrance);
            self.check_group_activity(group);
        }
    }

    /// Somebody sets a group's desired capacity: an activity that wanted another one is over.
    pub(super) fn override_group_activity(&mut self, group: Id<AutoScalingGroup>, desired: u32) {
        if self.group_scaling[group.index()].activity.is_some_and(|it| it.desired != desired) {
            self.group_activity_ends(group, ActivityEnd::Overridden);
        }
    }

    fn group_activity_ends(&mut self, group: Id<AutoScalingGroup>, end: ActivityEnd) {
        let now = self.now();
        let Some(activity) = self.group_scaling[group.index()].activity.take() else { return };
        if let Some(cooldown) = activity.simple_cooldown {
            self.group_scaling[group.index()].simple_cooldown_ends = now + cooldown;
        }
        let desired = activity.desired;
        let (status, words) = match end {
            ActivityEnd::Successful => ("Successful", format!("desired capacity {desired} is in service")),
            ActivityEnd::Overridden => {
                ("Overridden", format!("a newer activity follows the one to desired capacity {desired}"))
            }
            ActivityEnd::Hindered(Hindrance::LaunchFailed) => {
                ("Failed", format!("a launch for desired capacity {desired} has failed"))
            }
            ActivityEnd::Hindered(Hindrance::NothingMayGo) => {
                ("Successful", format!("nothing more may go for desired capacity {desired}"))
            }
            ActivityEnd::Hindered(Hindrance::Suspended(process)) => {
                let process = process.as_str();
                ("Cancelled", format!("the process {process} is suspended, desired capacity {desired} stays wanted"))
            }
        };
        let row = &mut self.records.scaling_activities[activity.row];
        row.status_code = status;
        row.ended_at = Some(now);
        let resource = self.group_resource(group);
        let words = format!("{status}: {words}");
        self.log.put(now, Some(activity.decision), "scaling.activity_ended", resource, words);
    }

    /// The capacity that target tracking would go in to, or why it does not: every policy must be ready.
    fn group_scale_in(&self, group: Id<AutoScalingGroup>, asked: Asked) -> Result<Wanted, (&'static str, String)> {
        let mut most: Option<Wanted> = None;
        for &(alarm, policy) in &self.group_scaling[group.index()].low_alarms {
            let definition = &self.scenario.scaling_policies[policy];
            let ScalingPolicyKind::TargetTracking(tracking) = &definition.kind else { continue };
            let state = self.alarms_in_force[alarm.index()].state;
            if state != AlarmState::Alarm {
                let (name, state) = (&definition.name, state.as_str());
                let words = format!("no scale-in: policy {name} is not ready, its low alarm is {state}");
                return Err(("PolicyNotReady", words));
            }
            let Some(metric) = self.tracked_value(alarm) else { continue };
            let (base, _) = self.capacity_for_policy(group, self.warmup_of(group, Some(policy)));
            let fraction = self.scenario.assumptions.capacity_scale_in_max_fraction;
            let Some(capacity) = tracking.scale_in_capacity(base, metric, fraction) else {
                let name = self.scenario.watched_name(&tracking.watches);
                let (code, target) = ("AutoScalingAnticipatedFlapping", tracking.target_value);
                let metric = rounded(metric);
                let words =
                    format!("no scale-in: {code} (one instance less would bring {name} from {metric} above {target})");
                return Err((code, words));
            };
            if most.is_none_or(|it| capacity > it.capacity) {
                most = Some(Wanted { capacity, asked: Asked { policy, alarm, ..asked }, base, metric });
            }
        }
        most.ok_or_else(|| ("NoDatapoint", "no scale-in: no datapoint".to_owned()))
    }

    /// How long a new instance of a group warms up: as a policy says, else the group, else its default cooldown.
    fn warmup_of(&self, group: Id<AutoScalingGroup>, policy: Option<Id<ScalingPolicy>>) -> Span {
        let definition = &self.scenario.auto_scaling_groups[group];
        let of_policy = policy.and_then(|it| self.scenario.scaling_policies[it].estimated_instance_warmup);
        of_policy.or(definition.default_instance_warmup).unwrap_or(definition.default_cooldown)
    }

    /// Whether an instance is in service for as long as it warms up; the clock starts when it comes InService.
    fn is_warm_for_policy(&self, instance: Id<ContainerInstance>, warmup: Span) -> bool {
        let row = &self.cluster.instances[instance];
        let is_old = |at: Instant| (at == Instant::START && self.scenario.begins_settled) || at + warmup <= self.now();
        row.is_in_service() && !row.is_terminating && row.in_service_at.is_some_and(is_old)
    }

    /// Units of a group's capacity that are in service and warm, and those that are launched or warm up. What is in the warm pool or
    /// in standby is neither.
    fn capacity_for_policy(&self, group: Id<AutoScalingGroup>, warmup: Span) -> (u32, u32) {
        let (mut warm, mut warming) = (0, 0);
        let instances = self.groups[group.index()].instances.iter().copied();
        for it in instances.filter(|it| self.counts_for_group(*it)) {
            if self.is_warm_for_policy(it, warmup) {
                warm += self.weight_of(it);
            } else {
                warming += self.weight_of(it);
            }
        }
        (warm, warming)
    }

    /// Whether the group's metrics leave an instance out: one that is not in service, and one that still warms up in a group that
    /// says how long, or that a policy tracks. What its group terminates counts as long as it runs.
    pub(super) fn is_left_out_of_metrics(&self, instance: Id<ContainerInstance>) -> bool {
        if self.cluster.instances[instance].is_terminating {
            return self.cluster.instances[instance].in_service_at.is_none();
        }
        if self.instances_in_groups[instance.index()].lifecycle_state != LifecycleState::InService {
            return true;
        }
        let group = self.cluster.instances[instance].auto_scaling_group;
        let policies = self.relations.policies_of(group);
        if self.scenario.auto_scaling_groups[group].default_instance_warmup.is_none() && policies.is_empty() {
            return false;
        }
        let of_policies = policies.iter().map(|it| self.warmup_of(group, Some(*it))).max();
        let warmup = of_policies.unwrap_or_else(|| self.warmup_of(group, None));
        !self.is_warm_for_policy(instance, warmup)
    }

    fn group_figures(&self, wanted: &Wanted) -> String {
        let Wanted { capacity, asked, base, metric } = *wanted;
        match &self.scenario.scaling_policies[asked.policy].kind {
            ScalingPolicyKind::TargetTracking(tracking) => {
                let name = self.scenario.watched_name(&tracking.watches);
                tracked_figures(tracking, (base, "warm"), name, metric, capacity)
            }
            ScalingPolicyKind::Simple(_) => format!("{base} desired to {capacity}"),
            _ => {
                let alarm = &self.alarms[asked.alarm];
                let name = self.scenario.watched_name(&alarm.watches);
                let (metric, threshold) = (rounded(metric), alarm.rule.threshold);
                let breach = rounded(metric - threshold);
                format!("{name} {metric} is {breach} from the threshold {threshold}: {base} warm to {capacity}")
            }
        }
    }

    fn say_group_not_scaled(
        &mut self,
        group: Id<AutoScalingGroup>,
        asked: Asked,
        wanted: Option<Wanted>,
        is_scale_out: bool,
        reason: (&'static str, String),
    ) {
        let (code, words) = reason;
        let (base, metric) = (wanted.map(|it| it.base), wanted.map(|it| it.metric));
        self.record_group_not_scaled(group, asked, NotScaled { is_scale_out, code, words, base, metric });
    }

    fn record_group_not_scaled(&mut self, group: Id<AutoScalingGroup>, asked: Asked, reason: NotScaled) {
        if !self.group_scaling[group.index()].last_reasons.is_news(&reason) {
            return;
        }
        let desired = self.groups[group.index()].desired_capacity;
        let decision = self.alarms_in_force[asked.alarm.index()].decision;
        let policy = self.scenario.scaling_policies[asked.policy].name.clone();
        self.record_not_scaled(self.group_resource(group), policy, desired, decision, reason);
    }
}
