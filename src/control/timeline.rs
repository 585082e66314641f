//! What the scenario makes happen at given times.

use crate::control::Control;
use crate::scenario::TimelineChange;

impl Control<'_> {
    pub(super) fn timeline_is_due(&mut self, index: usize) {
        let scenario = self.scenario;
        match &scenario.timeline[index].change {
            TimelineChange::UpdateService {
                service,
                task_definition,
                desired_count,
                force_new_deployment,
                minimum_healthy_percent,
                maximum_percent,
            } => {
                let state = &mut self.services[service.index()];
                state.minimum_healthy_percent = minimum_healthy_percent.unwrap_or(state.minimum_healthy_percent);
                state.maximum_percent = maximum_percent.unwrap_or(state.maximum_percent);
                let cause = self.log.put(
                    self.agenda.now(),
                    None,
                    "timeline.update_service",
                    self.service_resource(*service),
                    format!("UpdateService {}", scenario.services[*service].name),
                );
                if let Some(desired) = desired_count {
                    self.set_desired_count(*service, *desired, Some(cause));
                }
                if task_definition.is_some() || *force_new_deployment {
                    self.start_deployment(*service, *task_definition, Some(cause));
                }
                self.schedule_service(*service);
            }
            TimelineChange::TerminateInstances { auto_scaling_group, count } => {
                self.lose_instances(*auto_scaling_group, *count);
            }
            TimelineChange::UpdateAutoScalingGroup { auto_scaling_group, min_size, max_size, desired_capacity } => {
                self.update_group(*auto_scaling_group, *min_size, *max_size, *desired_capacity);
            }
        }
    }
}
