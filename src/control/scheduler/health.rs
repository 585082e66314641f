//! Which of a service's tasks count as healthy.
//!
//! Follows *Rolling update* (what counts as healthy) and *Health check grace period* in the developer guide (2026).

use crate::aws::container::HealthStatus;
use crate::aws::launch::Launcher;
use crate::cluster::{TargetState, Task, TaskStatus};
use crate::control::Control;
use crate::control::log::Decision;
use crate::table::Id;

impl Control<'_> {
    /// Whether a task counts as healthy: its target is, or it has run for a while where nothing checks it.
    pub(in crate::control) fn is_healthy(&mut self, task: Id<Task>) -> bool {
        let now = self.now();
        let healthy_after = self.scenario.assumptions.healthy_after;
        let row = &mut self.cluster.tasks[task];
        if row.status != TaskStatus::Running {
            return false;
        }
        let (target, is_followed) = (row.target, !row.containers.is_empty());
        let is_probed = is_followed && self.is_probed(task);
        if is_probed && !self.containers_are(task, HealthStatus::Healthy) {
            return false;
        }
        let row = &mut self.cluster.tasks[task];
        match target {
            Some(target) => self.cluster.targets[target].state == TargetState::Healthy,
            None if is_probed => true,
            None => {
                if row.healthy_at.is_some() {
                    return true;
                }
                let is_healthy = row.started_at.is_some_and(|it| now >= it + healthy_after);
                if is_healthy {
                    row.healthy_at = Some(now);
                    self.breaker_hears_of_healthy(task);
                }
                is_healthy
            }
        }
    }

    /// Whether essential containers of a task have failed their health checks.
    pub(in crate::control) fn has_unhealthy_containers(&self, task: Id<Task>) -> bool {
        !self.cluster.tasks[task].containers.is_empty() && self.containers_are(task, HealthStatus::Unhealthy)
    }

    /// Whether a task's target or its containers are unhealthy.
    pub(super) fn is_unhealthy(&self, task: Id<Task>) -> bool {
        let target = self.cluster.tasks[task].target;
        target.is_some_and(|it| self.cluster.targets[it].state == TargetState::Unhealthy)
            || self.has_unhealthy_containers(task)
    }

    /// Whether a task is unhealthy, its grace period over.
    pub(in crate::control) fn has_failed_its_checks(&mut self, task: Id<Task>) -> bool {
        let unhealthy = self.is_unhealthy(task);
        let row = &self.cluster.tasks[task];
        let (Some(started_at), true) = (row.started_at, unhealthy && row.status == TaskStatus::Running) else {
            return false;
        };
        let service = row.service().expect("the scheduler looks at tasks of services");
        let grace_ends = started_at + self.services[service.index()].health_check_grace_period;
        if self.now() < grace_ends {
            self.schedule_service_at(service, grace_ends);
            return false;
        }
        true
    }

    /// Puts down what made a service's task unhealthy or ended it; of standalone tasks nobody asks.
    pub(in crate::control) fn note_unhealthy(&mut self, launcher: Launcher, decision: Decision) {
        if let Launcher::Service(service) = launcher {
            self.services[service.index()].unhealthy_cause = Some(decision);
        }
    }
}
