//! What moves a desired count beside policies: bounds, scheduled actions and forecasts.

use crate::agenda::Event;
use crate::aws::scaling_policy::ScalableTarget;
use crate::aws::schedule::ScheduledAction;
use crate::control::Control;
use crate::control::autoscaling::Activity;
use crate::control::log::Decision;
use crate::control::not_scaled::NotScaled;
use crate::table::Id;
use crate::units::Span;

impl Control<'_> {
    /// Registering a scalable target moves desired into its bounds at once.
    pub(in crate::control) fn bring_targets_within_bounds(&mut self) {
        for (target, definition) in self.scenario.scalable_targets.entries() {
            if self.scenario.services[definition.service].is_created_later {
                continue;
            }
            let bounds = &self.scaled_targets[target.index()];
            let state = &mut self.services[definition.service.index()];
            state.desired_count = state.desired_count.clamp(bounds.min_capacity, bounds.max_capacity);
        }
    }

    pub(in crate::control) fn scheduled_action_runs(&mut self, action: Id<ScheduledAction>, _occurrence: usize) {
        let now = self.now();
        let definition = &self.scenario.scheduled_actions[action];
        let target = definition.target;
        let service = self.scenario.scalable_targets[target].service;
        let desired = self.services[service.index()].desired_count;
        if self.scaled_targets[target.index()].suspended_state.scheduled_scaling {
            let message =
                format!("scheduled action {} {}: scheduled scaling is suspended", definition.name, definition.schedule);
            let resource = self.service_resource(service);
            let reason = NotScaled {
                is_scale_out: false,
                code: "ScheduledScalingSuspended",
                words: message,
                base: None,
                metric: None,
            };
            self.record_not_scaled(resource, definition.name.clone(), desired, None, reason);
            return;
        }
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
        let name = definition.name.clone();
        self.move_into_bounds(target, &name, decision);
    }

    /// `RegisterScalableTarget` for a target that is registered already.
    pub(in crate::control) fn register_scalable_target(
        &mut self,
        target: Id<ScalableTarget>,
        min_capacity: Option<u32>,
        max_capacity: Option<u32>,
        [scaling_in, scaling_out, scheduled]: [Option<bool>; 3],
    ) {
        let state = &mut self.scaled_targets[target.index()];
        state.min_capacity = min_capacity.unwrap_or(state.min_capacity);
        state.max_capacity = max_capacity.unwrap_or(state.max_capacity);
        let suspended = &mut state.suspended_state;
        suspended.dynamic_scaling_in = scaling_in.unwrap_or(suspended.dynamic_scaling_in);
        suspended.dynamic_scaling_out = scaling_out.unwrap_or(suspended.dynamic_scaling_out);
        suspended.scheduled_scaling = scheduled.unwrap_or(suspended.scheduled_scaling);
        let suspended = *suspended;
        let mut message = format!(
            "RegisterScalableTarget: min capacity {} and max capacity {}",
            state.min_capacity, state.max_capacity
        );
        for (name, is_suspended) in [
            ("DynamicScalingInSuspended", suspended.dynamic_scaling_in),
            ("DynamicScalingOutSuspended", suspended.dynamic_scaling_out),
            ("ScheduledScalingSuspended", suspended.scheduled_scaling),
        ] {
            if is_suspended {
                message.push_str(", ");
                message.push_str(name);
            }
        }
        let service = self.scenario.scalable_targets[target].service;
        let resource = self.service_resource(service);
        let decision = self.log.put(self.agenda.now(), None, "timeline.register_scalable_target", resource, message);
        self.move_into_bounds(target, "RegisterScalableTarget", decision);
    }

    /// Predictive scaling raises the desired count; no cooldown holds it back or begins.
    pub(in crate::control) fn raise_to_forecast(
        &mut self,
        target: Id<ScalableTarget>,
        policy: &str,
        wanted: u32,
        rule: String,
    ) {
        let service = self.scenario.scalable_targets[target].service;
        let desired = self.services[service.index()].desired_count;
        if wanted <= desired {
            return;
        }
        let message = format!(
            "Setting desired count to {wanted}. Cause: forecast of predictive scaling policy {policy} ({rule})"
        );
        let resource = self.service_resource(service);
        let decision = self.log.put(self.agenda.now(), None, "scaling.activity", resource, message);
        self.set_beside_policies(target, policy, wanted, rule, decision);
    }

    /// Moves the desired count into the bounds at once, without regard to cooldowns and without beginning one.
    fn move_into_bounds(&mut self, target: Id<ScalableTarget>, what: &str, cause: Decision) {
        let service = self.scenario.scalable_targets[target].service;
        let state = &self.scaled_targets[target.index()];
        let (min, max) = (state.min_capacity, state.max_capacity.max(state.min_capacity));
        let desired = self.services[service.index()].desired_count;
        let wanted = desired.clamp(min, max);
        if wanted == desired {
            return;
        }
        self.set_beside_policies(target, what, wanted, format!("{desired} into {min} to {max}"), cause);
    }

    /// Sets the desired count for another reason than an alarm's.
    fn set_beside_policies(
        &mut self,
        target: Id<ScalableTarget>,
        what: &str,
        wanted: u32,
        rule: String,
        cause: Decision,
    ) {
        let service = self.scenario.scalable_targets[target].service;
        let desired = self.services[service.index()].desired_count;
        self.activity_ends(target, "Overridden");
        self.records.scale_outs += u32::from(wanted > desired);
        let row = self.record_activity(service, what, (desired, wanted), None, rule);
        self.update_desired_count(service, wanted, Some(cause));
        let (is_scale_out, began_at) = (wanted > desired, self.now());
        self.scaled_targets[target.index()].moved =
            Some(Activity { desired: wanted, began_at, is_scale_out, cooldown: Span::ZERO, row, decision: cause });
        self.agenda.put(began_at + self.scenario.assumptions.activity_timeout, Event::TargetIsScaled(target));
    }
}
