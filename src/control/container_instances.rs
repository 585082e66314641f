//! What is done to container instances by hand, and what an agent without connection does not hear.
//!
//! Follows *Container instance draining*, *Deregister an Amazon ECS container instance* and *Amazon ECS container instances* in
//! the developer guide (2026).

use std::collections::BTreeSet;

use crate::agenda::Event;
use crate::aws::auto_scaling_group::{AutoScalingGroup, AvailabilityZone};
use crate::cluster::{ContainerInstance, InstanceStatus, StopCode, Task, TaskStatus};
use crate::control::Control;
use crate::scenario::{ContainerInstanceChange, TimelineChange};
use crate::table::Id;
use crate::units::Span;

impl Control<'_> {
    /// An entry of the timeline changes container instances of a group.
    pub(super) fn change_container_instances(
        &mut self,
        index: usize,
        group: Id<AutoScalingGroup>,
        count: u32,
        zone: Option<Id<AvailabilityZone>>,
        change: &ContainerInstanceChange,
    ) {
        let is_meant = |it: &ContainerInstance| {
            let is_registered = matches!(it.status, InstanceStatus::Active | InstanceStatus::Draining);
            let is_able = match change {
                ContainerInstanceChange::Drain => it.status == InstanceStatus::Active,
                ContainerInstanceChange::Activate => it.status == InstanceStatus::Draining && !it.is_terminating,
                ContainerInstanceChange::DisconnectAgent { .. } => it.agent_connected,
                ContainerInstanceChange::Deregister | ContainerInstanceChange::PutAttributes(_) => true,
            };
            is_registered && is_able && zone.is_none_or(|zone| it.availability_zone == zone)
        };
        let instances = self.groups[group.index()].instances.iter().copied();
        let meant: Vec<Id<ContainerInstance>> =
            instances.filter(|it| is_meant(&self.cluster.instances[*it])).take(count as usize).collect();
        let names: Vec<&str> = meant.iter().map(|it| self.cluster.instances[*it].name.as_str()).collect();
        let (kind, words) = match change {
            ContainerInstanceChange::Drain => ("timeline.drain", "set to DRAINING".to_owned()),
            ContainerInstanceChange::Activate => ("timeline.activate", "set to ACTIVE".to_owned()),
            ContainerInstanceChange::Deregister => ("timeline.deregister", "deregistered by force".to_owned()),
            ContainerInstanceChange::DisconnectAgent { .. } => {
                ("timeline.disconnect_agents", "agent is not connected".to_owned())
            }
            ContainerInstanceChange::PutAttributes(attributes) => {
                let all = attributes.iter().map(|(name, value)| format!("{name}={value}"));
                ("timeline.put_attributes", format!("has {}", all.collect::<Vec<_>>().join(", ")))
            }
        };
        let message = match names.is_empty() {
            true => format!("no container instance is {words}: none is there that could be"),
            false => format!("(container instances {}) {words}", names.join(", ")),
        };
        let cause = self.log.put(self.agenda.now(), None, kind, self.group_resource(group), message);
        for instance in meant {
            match change {
                ContainerInstanceChange::Drain => {
                    self.cluster.instances[instance].status = InstanceStatus::Draining;
                    self.record_instance(instance);
                    self.schedule_services_on(instance, cause);
                }
                ContainerInstanceChange::Activate => {
                    self.cluster.instances[instance].status = InstanceStatus::Active;
                    self.record_instance(instance);
                    self.capacity_was_freed(instance);
                }
                ContainerInstanceChange::Deregister => self.deregister(instance),
                ContainerInstanceChange::DisconnectAgent { .. } => {
                    self.cluster.instances[instance].agent_connected = false;
                    self.cluster.instances_described_anew.push(instance);
                    self.disconnected_agents.insert(instance, index);
                    self.container_instances_changed();
                }
                ContainerInstanceChange::PutAttributes(attributes) => {
                    let own = &mut self.cluster.instances[instance].attributes;
                    for (name, value) in attributes {
                        own.retain(|it| it.0 != *name);
                        own.push((name.clone(), value.clone()));
                    }
                    self.cluster.instances_described_anew.push(instance);
                    self.container_instances_changed();
                    self.capacity_was_freed(instance);
                }
            }
        }
        if let ContainerInstanceChange::DisconnectAgent { lasts: Some(lasts) } = change {
            self.agenda.put(self.now() + *lasts, Event::AgentsReconnect(index));
        }
    }

    /// Agents that an entry of the timeline disconnected are connected again, and hear what they missed.
    pub(super) fn agents_reconnect(&mut self, index: usize) {
        let TimelineChange::ContainerInstances { auto_scaling_group, .. } = self.scenario.timeline[index].change else {
            return;
        };
        let mut back = Vec::new();
        self.disconnected_agents.retain(|&instance, by| {
            if *by == index {
                back.push(instance);
            }
            *by != index
        });
        back.retain(|it| self.cluster.instances[*it].status != InstanceStatus::Terminated);
        let names: Vec<&str> = back.iter().map(|it| self.cluster.instances[*it].name.as_str()).collect();
        let message = format!("(container instances {}) agent is connected", names.join(", "));
        let resource = self.group_resource(auto_scaling_group);
        self.log.put(self.agenda.now(), None, "timeline.disconnect_agents", resource, message);
        for instance in back {
            self.cluster.instances[instance].agent_connected = true;
            self.cluster.instances_described_anew.push(instance);
            for task in self.tasks_left_on(instance) {
                self.task_may_tell_image_digests(task);
                let row = &self.cluster.tasks[task];
                let waits = match row.status {
                    TaskStatus::Pending => true,
                    TaskStatus::Running | TaskStatus::Deactivating => row.is_asked_to_stop,
                    _ => false,
                };
                let wake = self.task_wakes.get(&task);
                if waits && wake.is_none_or(|at| *at <= self.now()) {
                    self.wake_task(task, Span::ZERO);
                }
            }
            self.container_instances_changed();
            self.capacity_was_freed(instance);
        }
    }

    /// Whether the agent of a task's instance can be told something.
    pub(super) fn agent_hears_of(&self, task: Id<Task>) -> bool {
        self.cluster.tasks[task].instance().is_none_or(|it| self.cluster.instances[it].agent_connected)
    }

    fn deregister(&mut self, instance: Id<ContainerInstance>) {
        for task in self.tasks_left_on(instance) {
            self.lose_task(task);
            self.task_was_lost(task, StopCode::UserInitiated, "Container instance deregistration forced by user");
        }
        if self.cluster.instances[instance].has_trunk {
            self.cluster.instances[instance].status = InstanceStatus::Deregistering;
            let at = self.now() + self.scenario.assumptions.network_interface_detach_time;
            self.advance_instance_at(instance, at);
        } else {
            self.cluster.instances[instance].status = InstanceStatus::Inactive;
        }
        self.record_instance(instance);
    }

    /// Has the scheduler look at the services with tasks on an instance.
    pub(super) fn schedule_services_on(
        &mut self,
        instance: Id<ContainerInstance>,
        cause: crate::control::log::Decision,
    ) {
        let services: BTreeSet<_> =
            self.tasks_left_on(instance).iter().filter_map(|&task| self.cluster.tasks[task].service()).collect();
        for service in services {
            self.services[service.index()].wanted_because = Some(cause);
            self.schedule_service(service);
        }
    }
}
