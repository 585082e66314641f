//! Lifecycle hooks of rolling updates, which have no traffic to shift.
//!
//! Follows *Amazon ECS introduces pause and continue controls for service deployments* (What's New, May 2026: *rolling, blue/green,
//! linear, and canary*) and *Lifecycle hooks for Amazon ECS service deployments* in the developer guide (2026). What these leave open: a
//! rolling update comes to `PRE_SCALE_UP` before its first task, and the revision before is kept as it is until then; to `POST_SCALE_UP`
//! when so many of its tasks are healthy that it would complete but for the old ones. A service that goes back to a deployment calls none.

use crate::aws::deployment::{DeploymentStrategy, HookResult, LifecycleStage};
use crate::aws::service::ServiceDefinition;
use crate::control::Control;
use crate::control::scheduler::deployment::{FailureReason, Stage};
use crate::table::Id;
use crate::units::Instant;

/// The hooks of a stage that a rolling update has called last.
#[derive(Clone, Copy, Debug)]
pub struct CalledHooks {
    stage: LifecycleStage,
    ends_at: Instant,
    fail: bool,
}

impl Control<'_> {
    /// Whether hooks of a stage hold a rolling update up, or have just failed it; they are called when it first comes there.
    pub(super) fn hooks_hold_up(&mut self, service: Id<ServiceDefinition>, stage: LifecycleStage) -> bool {
        let now = self.now();
        let state = &self.services[service.index()];
        let deployment = state.primary();
        let is_called_by = state.configuration.strategy == DeploymentStrategy::Rolling
            && deployment.is_in_progress()
            && !deployment.is_gone_back_to
            && !(deployment.number == 0 && self.scenario.begins_settled)
            && deployment.shift.is_none()
            && deployment.task_set.is_none()
            && !self.daemons.contains(&service);
        if !is_called_by || deployment.hooks.is_some_and(|it| it.stage > stage) {
            return false;
        }
        let called = match deployment.hooks.filter(|it| it.stage == stage) {
            Some(it) => it,
            None if state.configuration.lifecycle_hooks.iter().any(|it| it.stages.contains(&stage)) => {
                self.hooks_are_called(service, stage)
            }
            None => return false,
        };
        if called.ends_at > now {
            return true;
        }
        if called.fail {
            self.deployment_fails(service, FailureReason::HookFailed(stage), true, None);
            return true;
        }
        let deployment = self.services[service.index()].deployments.last_mut();
        if let Some(it) = deployment.and_then(|it| it.stages.last_mut()) {
            it.ended_at.get_or_insert(now);
        }
        false
    }

    /// Whether the hooks that a rolling update has called after its scale-up have just failed it. They answer when they do, whether its
    /// tasks are still as they were then or not.
    pub(super) fn answer_fails_deployment(&mut self, service: Id<ServiceDefinition>) -> bool {
        let number = self.services[service.index()].primary().number;
        let called = self.services[service.index()].primary().hooks.map(|it| it.stage);
        if called != Some(LifecycleStage::PostScaleUp) || !self.hooks_hold_up(service, LifecycleStage::PostScaleUp) {
            return false;
        }
        let primary = self.services[service.index()].primary();
        primary.number != number || primary.failure.is_some()
    }

    fn hooks_are_called(&mut self, service: Id<ServiceDefinition>, stage: LifecycleStage) -> CalledHooks {
        let now = self.now();
        let state = &self.services[service.index()];
        let hooks = state.configuration.lifecycle_hooks.iter().filter(|it| it.stages.contains(&stage));
        let stream = &mut self.streams.deployment_hooks[service.index()];
        let results: Vec<_> = hooks.map(|it| it.ends(stream)).collect();
        let fails = |it: &HookResult| matches!(it, HookResult::Failed | HookResult::TimedOut);
        let failed_after = results.iter().filter(|it| fails(&it.1)).map(|it| it.0).min();
        let after = failed_after.or(results.iter().map(|it| it.0).max()).unwrap_or_default();
        let called = CalledHooks { stage, ends_at: now + after, fail: failed_after.is_some() };
        let (number, cause) = (state.primary().number, state.wanted_because);
        let name = &self.scenario.services[service].name;
        let message = format!("(service {name}) (deployment {number}) {}", stage.as_str());
        self.log.put(now, cause, "service.deployment_stage", self.service_resource(service), message);
        let deployment = self.services[service.index()].deployments.last_mut().expect("a service has a deployment");
        deployment.hooks = Some(called);
        deployment.stages.push(Stage { stage, shifted: 0, began_at: now, ended_at: None });
        self.schedule_service_at(service, called.ends_at);
        called
    }

    /// Keeps what a service has of older revisions, as long as its rolling update has not begun to start tasks. What is lacking of all
    /// is started of the one before.
    pub(super) fn keep_revision_before(&mut self, service: Id<ServiceDefinition>) {
        let desired = self.services[service.index()].desired_count;
        if let Some(before) = self.services[service.index()].number_completed_before() {
            self.keep_revisions(service, (&|_| true, before), desired);
        }
    }
}
