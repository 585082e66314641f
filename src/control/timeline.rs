//! What the scenario makes happen at given times.

use crate::agenda::Event;
use crate::aws::listener::{Action, ListenerRule};
use crate::aws::service::ServiceDefinition;
use crate::cluster::{Change, StopCode, Task, TaskStatus};
use crate::control::Control;
use crate::control::health::task_name;
use crate::control::scheduler::deployment::NewRevision;
use crate::scenario::TimelineChange;
use crate::table::Id;

impl Control<'_> {
    pub(super) fn timeline_is_due(&mut self, index: usize) {
        let scenario = self.scenario;
        if self.service_call_is_throttled(index) {
            return;
        }
        match &scenario.timeline[index].change {
            change @ TimelineChange::UpdateService { .. } => self.update_service(change),
            TimelineChange::CreateService { service } => self.create_service(*service),
            TimelineChange::TaskSet { service, task_set, change } => self.change_task_set(*service, *task_set, *change),
            TimelineChange::DeleteService { service, force } => self.delete_service(*service, *force),
            TimelineChange::TerminateInstances { auto_scaling_group, count } => {
                self.lose_instances(*auto_scaling_group, *count);
            }
            TimelineChange::TargetErrors { service, tasks, error_share, lasts } => {
                self.break_tasks(index, *service, *tasks, *error_share);
                if let Some(lasts) = *lasts {
                    self.agenda.put(self.now() + lasts, Event::TargetErrorsEnd(index));
                }
            }
            TimelineChange::UpdateAutoScalingGroup {
                auto_scaling_group,
                min_size,
                max_size,
                desired_capacity,
                launch_template,
            } => {
                let new = launch_template.as_deref();
                self.update_group(*auto_scaling_group, *min_size, *max_size, *desired_capacity, new);
            }
            TimelineChange::Group { auto_scaling_group, change } => self.change_group(*auto_scaling_group, change),
            TimelineChange::InterruptSpotInstances {
                auto_scaling_group,
                instance_type,
                availability_zone,
                instances,
            } => {
                let of = instance_type.as_deref();
                self.interrupt_spot_instances(*auto_scaling_group, of, *availability_zone, *instances);
            }
            TimelineChange::AvailabilityZoneOutage { availability_zone, lasts } => {
                self.zone_goes_out(index, *availability_zone, *lasts);
            }
            TimelineChange::RegisterScalableTarget { target, min_capacity, max_capacity, suspended_state } => {
                self.register_scalable_target(*target, *min_capacity, *max_capacity, *suspended_state);
            }
            TimelineChange::ContainerInstances { auto_scaling_group, count, availability_zone, change } => {
                self.change_container_instances(index, *auto_scaling_group, *count, *availability_zone, change);
            }
            TimelineChange::UpdateCapacityPool(pool) => self.update_capacity_pool(pool),
            TimelineChange::StopTasks { service, tasks, reason } => self.stop_tasks_by_call(*service, *tasks, reason),
            TimelineChange::InterruptFargateSpot(interruption) => self.interrupt_spot_tasks(interruption),
            TimelineChange::RetireFargateTasks { service, notice } => {
                self.give_notice_of_retirement(index, *service, *notice);
            }
            TimelineChange::FargateCapacityUnavailable { capacity, availability_zone, lasts } => {
                let place = availability_zone
                    .map_or(String::new(), |it| format!(" in {}", scenario.availability_zones[it].name));
                let until = lasts.map_or(String::new(), |it| format!(" for {it}"));
                let name = capacity.provider_name();
                let message = format!("{name} has no capacity for new tasks{place}{until}");
                let resource = format!("capacity-provider/{name}");
                self.log.put(self.agenda.now(), None, "timeline.fargate_capacity_unavailable", resource, message);
            }
            TimelineChange::FailRegistration { auto_scaling_group, failure, lasts } => {
                let until = lasts.map_or(String::new(), |it| format!(" for {it}"));
                let name = &scenario.auto_scaling_groups[*auto_scaling_group].name;
                let message = format!("instances that `{name}` launches do not register{until}: {}", failure.cause());
                let resource = self.group_resource(*auto_scaling_group);
                self.log.put(self.agenda.now(), None, "timeline.fail_registration", resource, message);
            }
            TimelineChange::Fault { fault, lasts } => self.fault_begins(index, fault, *lasts),
            TimelineChange::PutAwsvpcTrunking { is_enabled } => self.put_awsvpc_trunking(*is_enabled),
            TimelineChange::ModifyRule { rule, action } => self.modify_rule(*rule, action),
        }
    }

    /// `UpdateService`: the scheduler goes by what is new from its next look on; some of it begins a deployment.
    fn update_service(&mut self, change: &TimelineChange) {
        let TimelineChange::UpdateService {
            service,
            task_definition,
            network,
            volume,
            load_balancer,
            desired_count,
            force_new_deployment: _,
            minimum_healthy_percent,
            maximum_percent,
            health_check_grace_period,
            placement_strategy,
            placement_constraints,
            capacity_provider_strategy,
            availability_zone_rebalancing,
            deployment,
        } = change
        else {
            return;
        };
        if self.refuses_for_status(*service, "timeline.update_service", "UpdateService") {
            return;
        }
        let revision = NewRevision {
            task_definition: *task_definition,
            network: *network,
            volume: *volume,
            load_balancer: load_balancer.clone(),
        };
        if change.begins_deployment()
            && let Err(error) = self.registration_of_next(*service, &revision)
        {
            let name = &self.scenario.services[*service].name;
            let message = format!("UpdateService {name}: {error}");
            let resource = self.service_resource(*service);
            self.log.put(self.agenda.now(), None, "timeline.update_service", resource, message);
            self.note_failed_call("UpdateService", format!("service `{name}`"), &error, true);
            return;
        }
        let state = &mut self.services[service.index()];
        state.failed_starts = 0;
        state.minimum_healthy_percent = minimum_healthy_percent.unwrap_or(state.minimum_healthy_percent);
        state.maximum_percent = maximum_percent.unwrap_or(state.maximum_percent);
        deployment.apply(&mut state.configuration);
        state.health_check_grace_period = health_check_grace_period.unwrap_or(state.health_check_grace_period);
        state.placement_constraints = placement_constraints.or(state.placement_constraints);
        if let Some(strategy) = placement_strategy {
            state.placement_strategy.clone_from(strategy);
        }
        if let Some(strategy) = capacity_provider_strategy {
            state.capacity_provider_strategy.clone_from(strategy);
        }
        let is_rebalanced = state.availability_zone_rebalancing;
        state.availability_zone_rebalancing = availability_zone_rebalancing.unwrap_or(is_rebalanced);
        let cause = self.log.put(
            self.agenda.now(),
            None,
            "timeline.update_service",
            self.service_resource(*service),
            format!("UpdateService {}", self.scenario.services[*service].name),
        );
        if *availability_zone_rebalancing == Some(false) {
            self.stop_rebalancing(*service);
        }
        if let Some(desired) = desired_count {
            self.set_desired_count(*service, *desired, Some(cause));
        }
        if change.begins_deployment() {
            self.start_deployment(*service, revision, Some(cause));
        }
        self.schedule_service(*service);
    }

    /// The oldest running tasks of a service, so many at most.
    fn oldest_running(&self, service: Id<ServiceDefinition>, tasks: u32) -> Vec<Id<Task>> {
        let is_running = |it: &Id<Task>| self.cluster.tasks[*it].status == TaskStatus::Running;
        let mut running: Vec<Id<Task>> =
            self.services[service.index()].tasks.iter().copied().filter(is_running).collect();
        running.sort_unstable();
        running.truncate(tasks as usize);
        running
    }

    /// `StopTask` is called: SIGTERM goes out at once, whatever requests are under way.
    fn stop_tasks_by_call(&mut self, service: Id<ServiceDefinition>, tasks: u32, reason: &str) {
        let stopped = self.oldest_running(service, tasks);
        let names: Vec<String> = stopped.iter().copied().map(task_name).collect();
        let name = &self.scenario.services[service].name;
        let message = format!("(service {name}) StopTask for {} running tasks: {}", names.len(), names.join(", "));
        let resource = self.service_resource(service);
        let cause = Some(self.log.put(self.agenda.now(), None, "timeline.stop_task", resource, message));
        for task in stopped {
            self.stop_task(task, StopCode::UserInitiated, reason.to_owned(), cause);
        }
        self.services[service.index()].wanted_because = cause;
        self.schedule_service(service);
    }

    /// The oldest running tasks of a service begin to fail.
    fn break_tasks(&mut self, index: usize, service: Id<ServiceDefinition>, tasks: u32, error_share: f64) {
        let broken = self.oldest_running(service, tasks);
        for &task in &broken {
            self.cluster.tasks[task].error_share = error_share;
            self.broken_tasks.insert(task, index);
            self.cluster.has_changed(Change::Task(task));
        }
        let names: Vec<String> = broken.into_iter().map(task_name).collect();
        let message = format!(
            "(service {}) {} running tasks fail {} % of their requests: {}",
            self.scenario.services[service].name,
            names.len(),
            100.0 * error_share,
            names.join(", ")
        );
        self.log.put(self.agenda.now(), None, "timeline.target_errors", self.service_resource(service), message);
    }

    /// Tasks that an entry of the timeline has broken are whole again, but for those that another has broken since.
    pub(super) fn target_errors_end(&mut self, index: usize) {
        let TimelineChange::TargetErrors { service, .. } = self.scenario.timeline[index].change else { return };
        let cluster = &mut self.cluster;
        self.broken_tasks.retain(|&task, by| {
            if *by == index {
                cluster.tasks[task].error_share = 0.0;
                cluster.has_changed(Change::Task(task));
            }
            *by != index
        });
        let message = format!("(service {}) its tasks fail no more", self.scenario.services[service].name);
        self.log.put(self.agenda.now(), None, "timeline.target_errors", self.service_resource(service), message);
    }

    fn modify_rule(&mut self, rule: Id<ListenerRule>, action: &Action) {
        let scenario = self.scenario;
        let Some((_, listener)) = scenario.listeners.entries().find(|(_, it)| it.rules.contains(&rule)) else { return };
        self.cluster.actions[rule.index()] = action.clone();
        self.cluster.has_changed(Change::Actions);
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
