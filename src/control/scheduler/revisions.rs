//! Tasks of the revision that ran before a deployment: those that are lost meanwhile, and those that a scale-out adds.
//!
//! Follows *Amazon ECS improves service availability during rolling deployments* (What's New, November 2025): unhealthy and
//! terminated tasks are replaced with the revision that they belong to, and a scale-out goes to both, within
//! `maximumPercent` and `minimumHealthyPercent`. What it leaves open: a deployment that never completed is no revision to go back
//! to, and nothing is replaced beyond what the minimum needs, since it would stop at once.

use crate::aws::service::ServiceDefinition;
use crate::cluster::Task;
use crate::control::Control;
use crate::control::placing::Wanted;
use crate::control::scheduler::{Roll, Service};
use crate::run::RefusalOutcome;
use crate::table::Id;

impl Service {
    /// The place of the deployment that the service had completed before the one in progress, or was going back to; `None` where none
    /// is in progress, or none had completed.
    pub(super) fn completed_before(&self) -> Option<usize> {
        let (primary, older) = self.deployments.split_last()?;
        if primary.is_completed() || primary.task_set.is_some() {
            return None;
        }
        older.iter().rposition(|it| it.completed_at.is_some())
    }

    /// The number of that deployment.
    pub(in crate::control) fn number_completed_before(&self) -> Option<u32> {
        self.completed_before().map(|it| self.deployments[it].number)
    }
}

impl Control<'_> {
    /// A task has ended, or could not be started, and not because the scheduler wanted it to: its revision gets another while it is
    /// needed.
    pub(in crate::control) fn task_of_deployment_was_lost(&mut self, service: Id<ServiceDefinition>, deployment: u32) {
        self.old_revision_lacks(service, deployment, 1);
    }

    /// Tasks of a deployment are missing, if it is the one that the service had before.
    pub(super) fn old_revision_lacks(&mut self, service: Id<ServiceDefinition>, deployment: u32, tasks: u32) {
        let state = &mut self.services[service.index()];
        if let Some(place) = state.completed_before()
            && state.deployments[place].number == deployment
        {
            state.deployments[place].missing_tasks += tasks;
        }
    }

    /// Starts tasks of the revision before, for those that it has lost, as far as the minimum needs them.
    pub(super) fn replace_of_old_revision(
        &mut self,
        service: Id<ServiceDefinition>,
        roll: &mut Roll,
        lower: u32,
        upper: u32,
    ) {
        let now = self.now();
        let Some(place) = self.services[service.index()].completed_before() else { return };
        let deployment = self.services[service.index()].deployments[place].clone();
        let needed = lower.saturating_sub(roll.healthy() + roll.leaving_not_yet_healthy.len() as u32);
        let missing =
            deployment.missing_tasks.saturating_sub(self.stopped_and_replaced_later(service, deployment.number));
        let wanted = missing.min(needed).min(upper.saturating_sub(roll.all()));
        let mut placed: Vec<Id<Task>> = Vec::new();
        for _ in 0..wanted {
            let next = Wanted {
                task_definition: deployment.task_definition,
                network: deployment.network,
                ..self.wanted_next(service, &[])
            };
            let on_fargate = self.fargate_of(&next);
            if !self.may_launch(service, on_fargate.is_some()) {
                self.schedule_service_at(service, now.next_minute());
                break;
            }
            let instance = if on_fargate.is_some() { None } else { self.choose_instance(&next) };
            // Where its capacity provider grows a group for it, it waits in PROVISIONING as any other does.
            let waits = on_fargate.is_none()
                && instance.is_none()
                && self.provisions(next.capacity_provider)
                && self.may_provision(1);
            let may_start = match on_fargate {
                Some(capacity) => self.fargate_refusal(&next, capacity).is_none(),
                None => instance.is_some() || waits,
            };
            if !may_start {
                self.schedule_service_at(service, now + self.scenario.assumptions.placement_retry_fast);
                break;
            }
            let task = self.create_task_of_deployment(&next, deployment.number);
            self.services[service.index()].deployments[place].missing_tasks -= 1;
            roll.leaving_not_yet_healthy.push(task);
            if waits {
                self.placement_is_refused(&next, 1, RefusalOutcome::WaitsInProvisioning);
                self.wake_task(task, self.scenario.assumptions.provisioning_timeout);
                continue;
            }
            match instance {
                Some(instance) => self.place_task(task, instance),
                None => self.launch_on_fargate(task),
            }
            self.services[service.index()].launches.1 += 1;
            placed.push(task);
        }
        self.say_started(service, &placed);
    }
}
