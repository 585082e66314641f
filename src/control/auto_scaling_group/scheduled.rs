//! Scheduled actions of groups.
//!
//! Follows *Scheduled scaling for Amazon EC2 Auto Scaling* in the EC2 Auto Scaling guide (2023 to 2026 copies).

use crate::aws::auto_scaling_group::ScalingProcess;
use crate::control::Control;

impl Control<'_> {
    /// An occurrence of a scheduled action is due.
    pub(in crate::control) fn group_action_runs(&mut self, index: usize) {
        let scenario = self.scenario;
        let action = &scenario.group_scheduled_actions[index];
        let group = action.auto_scaling_group;
        // One that is missed is lost.
        if self.is_suspended(group, ScalingProcess::ScheduledActions) {
            return;
        }
        let state = &self.groups[group.index()];
        let min_size = action.min_size.unwrap_or(state.min_size);
        let max_size = action.max_size.unwrap_or(state.max_size);
        let resource = self.group_resource(group);
        let desired = action.desired_capacity.map_or(String::new(), |it| format!(", desired {it}"));
        let figures = format!("min {min_size}, max {max_size}{desired}");
        let message = format!("executing scheduled action {}: {figures}", action.name);
        let cause = self.log.put(self.agenda.now(), None, "group.scheduled_action", resource, message);
        if min_size > max_size {
            let message = format!("the scheduled action {} fails: min {min_size} is above max {max_size}", action.name);
            let resource = self.group_resource(group);
            self.log.put(self.agenda.now(), Some(cause), "group.scheduled_action", resource, message);
            return;
        }
        let state = &mut self.groups[group.index()];
        (state.min_size, state.max_size) = (min_size, max_size);
        let wanted = action.desired_capacity.unwrap_or(state.desired_capacity).clamp(min_size, max_size);
        self.set_desired_capacity(group, wanted, Some(cause), &figures);
        self.maintain_warm_pool(group);
    }
}
