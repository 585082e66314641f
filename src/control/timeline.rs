//! What the scenario makes happen at given times.

use crate::aws::listener::{Action, ListenerRule};
use crate::control::Control;
use crate::scenario::TimelineChange;
use crate::table::Id;

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
            TimelineChange::ModifyRule { rule, action } => self.modify_rule(*rule, action),
        }
    }

    fn modify_rule(&mut self, rule: Id<ListenerRule>, action: &Action) {
        let scenario = self.scenario;
        let Some((_, listener)) = scenario.listeners.entries().find(|(_, it)| it.rules.contains(&rule)) else { return };
        self.cluster.actions[rule.index()] = action.clone();
        self.cluster.touch();
        let (kind, name) = match scenario.listener_rules[rule].priority {
            Some(priority) => ("timeline.modify_rule", format!("ModifyRule {priority}")),
            None => ("timeline.modify_listener", "ModifyListener".to_owned()),
        };
        let does = match action {
            Action::Forward(forward) => {
                let groups = forward
                    .target_groups
                    .iter()
                    .map(|it| format!("{} {}", scenario.target_groups[it.target_group].name, it.weight));
                format!("forward to {}", groups.collect::<Vec<_>>().join(", "))
            }
            Action::FixedResponse { status_code } => format!("fixed-response {status_code}"),
            Action::Redirect(_) => "redirect".to_owned(),
        };
        let balancer = &scenario.load_balancers[listener.load_balancer].name;
        let resource = format!("listener/{balancer}/{}", listener.port);
        self.log.put(self.agenda.now(), None, kind, resource, format!("{name}: {does}"));
    }
}
