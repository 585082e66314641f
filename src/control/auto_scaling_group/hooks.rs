//! Lifecycle hooks: instances that wait until something outside of their group is done.

use crate::agenda::Event;
use crate::aws::lifecycle::{LifecycleActionResult, LifecycleTransition, deciding_hook};
use crate::cluster::{ContainerInstance, InstanceStatus};
use crate::control::Control;
use crate::control::group_scaling::Hindrance;
use crate::table::Id;

impl Control<'_> {
    /// Has an instance wait for the hooks of a transition; whether there are any.
    pub(super) fn begin_hooks(&mut self, instance: Id<ContainerInstance>, transition: LifecycleTransition) -> bool {
        let now = self.now();
        let group = self.cluster.instances[instance].auto_scaling_group;
        let scenario = self.scenario;
        let hooks = &scenario.auto_scaling_groups[group].upkeep.lifecycle_hooks;
        let hooks: Vec<_> = hooks.iter().filter(|it| it.transition == transition).collect();
        let stream = &mut self.streams.lifecycle_hooks[group.index()];
        let ends: Vec<_> = hooks.iter().map(|it| it.ends(stream)).collect();
        let Some(decides) = deciding_hook(&ends) else {
            self.in_group(instance).hooks_end_at = None;
            return false;
        };
        let (after, result, timed_out) = ends[decides];
        let state = self.in_group(instance);
        state.hooks_end_at = Some(now + after);
        let is_given_up = result == LifecycleActionResult::Abandon && transition == LifecycleTransition::Launching;
        let why = match timed_out {
            true => "Heartbeat Timeout",
            false => "Lifecycle Action Completed with ABANDON Result",
        };
        state.hook_failure = is_given_up.then(|| format!("{}: {why}", hooks[decides].name));
        self.agenda.put(now + after, Event::InstanceAdvances(instance));
        true
    }

    /// Looks whether the hooks that an instance waits for have ended.
    pub(super) fn hooks_may_have_ended(&mut self, instance: Id<ContainerInstance>) {
        let now = self.now();
        let state = self.in_group(instance);
        if state.hooks_end_at.is_none_or(|it| it > now) {
            return;
        }
        state.hooks_end_at = None;
        let failure = state.hook_failure.take();
        let row = &self.cluster.instances[instance];
        if row.status == InstanceStatus::Terminated {
            return;
        }
        let (group, name) = (row.auto_scaling_group, row.name.clone());
        if let Some(failure) = failure {
            let message = format!(
                "Launching a new EC2 instance: {name}. Instance failed to complete user's Lifecycle Action: Lifecycle Action of \
                 hook {failure}"
            );
            let resource = self.group_resource(group);
            let cause = self.log.put(now, None, "group.lifecycle_action_abandoned", resource, message);
            self.groups[group.index()].failed_launches += 1;
            let was_for_pool = self.is_warmed(instance);
            self.begin_to_terminate(instance, "because its launch was abandoned", Some(cause));
            if !was_for_pool {
                self.hinder_group_activity(group, Hindrance::LaunchFailed);
            }
            let at = now + self.scenario.assumptions.auto_scaling_group_delay;
            self.reconcile_group_at(group, at);
        } else if row.is_terminating {
            match row.status {
                // Looked at where the instance advances.
                InstanceStatus::Draining => {}
                _ => self.terminate_instance(instance),
            }
        } else if self.is_warmed(instance) {
            self.enters_warm_pool(instance);
        } else {
            self.comes_in_service(instance);
            self.record_instance(instance);
        }
    }
}
