//! What keeps container instances that drain: looked at each minute, and written down where it changes.
//!
//! Follows *Draining Amazon ECS container instances* in the developer guide (2026): tasks of services are replaced within
//! `minimumHealthyPercent` and `maximumPercent`, standalone tasks are left alone. Scale-in protection of tasks keeps none of them.

use std::mem::discriminant;

use crate::aws::auto_scaling_group::AutoScalingGroup;
use crate::aws::launch::Launcher;
use crate::aws::service::{ServiceDefinition, deployment_bounds};
use crate::cluster::{ContainerInstance, InstanceStatus, Task, TaskStatus};
use crate::control::Control;
use crate::run::{DrainHold, DrainReason};
use crate::table::Id;
use crate::units::Span;

impl Control<'_> {
    /// Writes down what keeps the draining instances of a group in the minute that closes.
    pub(super) fn record_drain_holds(&mut self, group: Id<AutoScalingGroup>) {
        let now = self.now();
        let is_draining = |it: &Id<ContainerInstance>| self.cluster.instances[*it].status == InstanceStatus::Draining;
        let draining: Vec<Id<ContainerInstance>> =
            self.groups[group.index()].instances.iter().copied().filter(is_draining).collect();
        for instance in draining {
            let tasks = &self.cluster.instances[instance].hosted;
            // Those of DAEMON services are the last to stop, and wait for the others.
            let (daemons, others): (Vec<Id<Task>>, Vec<Id<Task>>) =
                tasks.iter().copied().partition(|it| self.scenario.is_daemon(self.cluster.tasks[*it].launcher));
            for task in if others.is_empty() { daemons } else { others } {
                let (launcher, reason) = (self.cluster.tasks[task].launcher, self.why_not_gone(task, instance));
                let rows = &mut self.records.drain_holds;
                let rows_of_task = self.records.drain_holds_of_task.entry(task).or_default();
                let is_alike = |it: &&usize| discriminant(&rows[**it].reason) == discriminant(&reason);
                let known = rows_of_task.iter().find(is_alike).copied();
                if known.is_none() {
                    rows_of_task.push(rows.len());
                }
                match known.map(|it| &mut rows[it]) {
                    Some(row) => {
                        row.lasted += Span::MINUTE;
                        (row.until, row.reason) = (now, reason);
                    }
                    None => rows.push(DrainHold {
                        instance: instance.index(),
                        task: task.index(),
                        launcher,
                        reason,
                        from: now,
                        until: now,
                        lasted: Span::ZERO,
                    }),
                }
            }
        }
    }

    /// What a task on a draining instance waits for.
    fn why_not_gone(&self, task: Id<Task>, instance: Id<ContainerInstance>) -> DrainReason {
        let row = &self.cluster.tasks[task];
        if !self.cluster.instances[instance].agent_connected {
            return DrainReason::AgentIsNotConnected;
        }
        if row.is_asked_to_stop {
            return match row.status {
                TaskStatus::Running | TaskStatus::Deactivating => DrainReason::LeavesTargetGroup,
                _ => DrainReason::Stops,
            };
        }
        let Launcher::Service(service) = row.launcher else { return DrainReason::RunsOn };
        let state = &self.services[service.index()];
        let is_daemon = self.scenario.is_daemon(row.launcher);
        let number = row.deployment;
        let desired = state.desired_count_of(number);
        let (minimum_healthy_percent, maximum_percent) = (state.minimum_healthy_percent, state.maximum_percent);
        let (lower, upper) = deployment_bounds(desired, minimum_healthy_percent, maximum_percent);
        let (healthy, all) = self.healthy_and_all(service);
        if is_daemon || healthy > lower {
            return DrainReason::NotAskedToStop;
        }
        let own = || state.tasks.iter().map(|it| &self.cluster.tasks[*it]).filter(|it| !it.is_asked_to_stop);
        let waits = own().any(|it| it.host.is_none() && it.status == TaskStatus::Provisioning);
        if waits || state.has_failed_placements() {
            let closest = self.records.refusals.newest_of(row.launcher).and_then(|it| it.refusal.closest.clone());
            return DrainReason::NoRoomForReplacement { minimum_healthy_percent, closest };
        }
        if own().any(|it| it.healthy_at.is_none()) {
            return DrainReason::ReplacementIsNotHealthy { minimum_healthy_percent };
        }
        match all >= upper {
            true => DrainReason::NoMove { minimum_healthy_percent, maximum_percent },
            false => DrainReason::NotAskedToStop,
        }
    }

    /// Tasks of a service that are not asked to stop: those that have been healthy, and all.
    fn healthy_and_all(&self, service: Id<ServiceDefinition>) -> (u32, u32) {
        let tasks = self.services[service.index()].tasks.iter().map(|it| &self.cluster.tasks[*it]);
        let kept = tasks.filter(|it| !it.is_asked_to_stop);
        kept.fold((0, 0), |(healthy, all), it| (healthy + u32::from(it.healthy_at.is_some()), all + 1))
    }
}
