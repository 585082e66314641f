//! Deployments that shift traffic between two target groups: blue/green, linear and canary.
//!
//! Follows *Amazon ECS blue/green deployments*, *linear* and *canary deployments* and *Lifecycle hooks for Amazon ECS service
//! deployments* in the developer guide (2026). What these leave open: hooks of a stage are called together, when its traffic has
//! shifted; a desired count that changes holds for blue and green alike; another deployment that begins gives blue its traffic back and
//! stops green's tasks in RECONCILE_SERVICE; alarms are watched until blue is cleaned up, and from then on nothing rolls the deployment
//! back, as there is no blue that could take the traffic: CLEAN_UP lasts until blue's tasks are STOPPED, however long these take; the
//! first deployment of a service has no blue and is rolling.

use crate::aws::deployment::{
    ALL_TRAFFIC, DEPLOYMENT_MAXIMUM, DeploymentController, HookResult, LifecycleStage, STAGE_MAXIMUM,
    STEADY_AFTER_SCALING,
};
use crate::aws::listener::{Action, ListenerRule, weighted};
use crate::aws::load_balancer::TargetGroup;
use crate::aws::service::{AlternateTargetGroup, Registration, ServiceDefinition, deployment_bounds};
use crate::cluster::{Change, Task};
use crate::control::Control;
use crate::control::log::Decision;
use crate::control::scheduler::Roll;
use crate::control::scheduler::deployment::{FailureReason, Stage};
use crate::table::Id;
use crate::units::Instant;

/// Where a deployment stands that shifts traffic.
#[derive(Clone, Copy, Debug)]
pub struct Shift {
    /// The number of the deployment that has production traffic.
    pub blue: u32,
    /// The stage it is in.
    pub stage: LifecycleStage,
    /// When that began.
    pub began_at: Instant,
    /// Before when it does not end: hooks and bake times.
    waits_until: Instant,
    /// When it fails, by a hook.
    fails_at: Option<Instant>,
    /// After when it has lasted too long; [`Instant::NEVER`] where that fails nothing.
    expires_at: Instant,
    /// By when green must be steady, after the desired count has changed under CodeDeploy.
    steady_by: Option<Instant>,
    /// What green has of production traffic, in tenths of a percent.
    pub shifted: u32,
    has_begun: bool,
}

impl Shift {
    /// At the beginning of a deployment.
    pub fn new(blue: u32, now: Instant) -> Shift {
        Shift {
            blue,
            stage: LifecycleStage::ReconcileService,
            began_at: now,
            waits_until: now,
            fails_at: None,
            expires_at: now + STAGE_MAXIMUM,
            steady_by: None,
            shifted: 0,
            has_begun: false,
        }
    }
}

impl Control<'_> {
    /// Whether a service is deployed in stages now.
    pub(super) fn is_shifting(&self, service: Id<ServiceDefinition>) -> bool {
        let deployment = self.services[service.index()].primary();
        deployment.shift.is_some() && deployment.is_in_progress()
    }

    fn shift(&mut self, service: Id<ServiceDefinition>) -> &mut Shift {
        let deployment = self.services[service.index()].deployments.last_mut();
        deployment.and_then(|it| it.shift.as_mut()).expect("the service is deployed in stages")
    }

    /// The scheduler looks at a service that is deployed in stages.
    pub(super) fn shifting_service_is_scheduled(&mut self, service: Id<ServiceDefinition>) {
        if !self.shift(service).has_begun {
            self.shift(service).has_begun = true;
            let first = match self.tasks_of_others(service).is_empty() {
                true => LifecycleStage::PreScaleUp,
                false => LifecycleStage::ReconcileService,
            };
            self.stage_begins(service, first);
        }
        while self.is_shifting(service) {
            self.keep_blue_and_green(service);
            let Some(next) = self.stage_after(service) else { break };
            self.stage_begins(service, next);
        }
    }

    /// What follows the present stage; `None` as long as that lasts. A deployment whose last stage ends completes.
    fn stage_after(&mut self, service: Id<ServiceDefinition>) -> Option<LifecycleStage> {
        let now = self.now();
        let Shift { stage, waits_until, fails_at, expires_at, steady_by, shifted, .. } = *self.shift(service);
        if fails_at.is_some_and(|it| it <= now) {
            self.deployment_fails(service, FailureReason::HookFailed(stage), true, None);
            return None;
        }
        let created_at = self.services[service.index()].primary().created_at;
        if now >= created_at + DEPLOYMENT_MAXIMUM && stage < LifecycleStage::CleanUp {
            self.deployment_fails(service, FailureReason::TimedOut, true, None);
            return None;
        }
        if let Some(by) = steady_by {
            if self.green_is_up(service) {
                self.shift(service).steady_by = None;
            } else if now >= by {
                self.deployment_fails(service, FailureReason::NotSteady, true, None);
                return None;
            }
        }
        let is_over = now >= waits_until
            && match stage {
                LifecycleStage::ReconcileService => self.tasks_of_others(service).is_empty(),
                LifecycleStage::ScaleUp => self.green_is_up(service),
                // Blue stays as long as it may get its traffic back.
                LifecycleStage::BakeTime => self.shift(service).steady_by.is_none(),
                LifecycleStage::CleanUp => {
                    let green = self.services[service.index()].primary().number;
                    let tasks = &self.services[service.index()].tasks;
                    tasks.iter().all(|it| self.cluster.tasks[*it].deployment == green)
                }
                _ => true,
            };
        if !is_over {
            if now >= expires_at {
                self.deployment_fails(service, FailureReason::StageTimedOut(stage), true, None);
            }
            return None;
        }
        self.stage_ends(service);
        match stage {
            LifecycleStage::ProductionTrafficShift if shifted < ALL_TRAFFIC => {
                Some(LifecycleStage::PreProductionTrafficShift)
            }
            LifecycleStage::CleanUp => {
                self.deployment_completes(service);
                self.schedule_service(service);
                None
            }
            _ => stage.next(),
        }
    }

    fn stage_ends(&mut self, service: Id<ServiceDefinition>) {
        let now = self.now();
        let deployment = self.services[service.index()].deployments.last_mut();
        if let Some(it) = deployment.and_then(|it| it.stages.last_mut()) {
            it.ended_at = Some(now);
        }
    }

    fn stage_begins(&mut self, service: Id<ServiceDefinition>, stage: LifecycleStage) {
        let now = self.now();
        let configuration = self.services[service.index()].configuration.clone();
        let name = &self.scenario.services[service].name;
        let number = self.services[service.index()].primary().number;
        let cause = self.services[service.index()].wanted_because;
        let message = format!("(service {name}) (deployment {number}) {}", stage.as_str());
        let resource = self.service_resource(service);
        let decision = self.log.put(now, cause, "service.deployment_stage", resource, message);
        let mut waits_until = now;
        match stage {
            LifecycleStage::TestTrafficShift => self.shift_test_traffic(service, ALL_TRAFFIC),
            LifecycleStage::ProductionTrafficShift => {
                let (shifted, bake_time) = configuration.strategy.next_step(self.shift(service).shifted);
                self.shift(service).shifted = shifted;
                self.shift_production_traffic(service, shifted, Some(decision));
                waits_until = now + bake_time;
            }
            LifecycleStage::BakeTime => waits_until = now + configuration.bake_time,
            _ => {}
        }
        let mut expires_at = match stage {
            LifecycleStage::CleanUp => Instant::NEVER,
            // CodeDeploy may wait for two days before it terminates the original task set.
            _ => waits_until.max(now + configuration.controller.stage_maximum(stage)),
        };
        let mut fails_at: Option<Instant> = None;
        for hook in configuration.lifecycle_hooks.iter().filter(|it| it.stages.contains(&stage)) {
            let (after, result) = hook.ends(&mut self.streams.deployment_hooks[service.index()]);
            waits_until = waits_until.max(now + after);
            expires_at = expires_at.max(now + hook.timeout);
            if matches!(result, HookResult::Failed | HookResult::TimedOut) {
                fails_at = Some(fails_at.map_or(now + after, |it| it.min(now + after)));
            }
        }
        let shift = self.shift(service);
        (shift.stage, shift.began_at) = (stage, now);
        (shift.waits_until, shift.fails_at, shift.expires_at) = (waits_until, fails_at, expires_at);
        let shifted = shift.shifted;
        let deployment = self.services[service.index()].deployments.last_mut().expect("a service has a deployment");
        deployment.stages.push(Stage { stage, shifted, began_at: now, ended_at: None });
        let looks_at = [Some(waits_until), fails_at, Some(expires_at)].into_iter().flatten();
        for at in looks_at.filter(|it| *it > now && *it < Instant::NEVER) {
            self.schedule_service_at(service, at);
        }
    }

    /// The desired count of a service has changed: CodeDeploy gives up where that upsets a shift of traffic for long.
    pub(super) fn shift_hears_of_scaling(&mut self, service: Id<ServiceDefinition>) {
        let by_code_deploy =
            self.services[service.index()].configuration.controller == DeploymentController::CodeDeploy;
        if !by_code_deploy || !self.is_shifting(service) {
            return;
        }
        let shifts = LifecycleStage::PreProductionTrafficShift..=LifecycleStage::PostProductionTrafficShift;
        let by = self.now() + STEADY_AFTER_SCALING;
        if shifts.contains(&self.shift(service).stage) {
            self.shift(service).steady_by.get_or_insert(by);
            self.schedule_service_at(service, by);
        }
    }

    /// Tasks of deployments that are neither blue nor green.
    fn tasks_of_others(&mut self, service: Id<ServiceDefinition>) -> Vec<Id<Task>> {
        let (green, blue) = (self.services[service.index()].primary().number, self.shift(service).blue);
        let tasks = self.services[service.index()].tasks.iter().copied();
        tasks.filter(|it| ![green, blue].contains(&self.cluster.tasks[*it].deployment)).collect()
    }

    fn green_is_up(&mut self, service: Id<ServiceDefinition>) -> bool {
        let (green, desired) =
            (self.services[service.index()].primary().number, self.services[service.index()].desired_count);
        self.roll_of(service, &|it| (it == green).then_some(true)).staying_healthy >= desired
    }

    /// Keeps as many tasks of blue and of green as are desired, and stops those that have had their time.
    fn keep_blue_and_green(&mut self, service: Id<ServiceDefinition>) {
        let Shift { stage, blue, .. } = *self.shift(service);
        let green = self.services[service.index()].primary().number;
        let desired = self.services[service.index()].desired_count;
        let others: Vec<Id<Task>> = self.tasks_of_others(service);
        let mut leaving: Vec<Id<Task>> = others.into_iter().filter(|it| !self.is_asked_to_stop(*it)).collect();
        if stage == LifecycleStage::CleanUp {
            let tasks = self.services[service.index()].tasks.iter().copied();
            leaving.extend(tasks.filter(|it| {
                let row = &self.cluster.tasks[*it];
                row.deployment == blue && !row.is_asked_to_stop
            }));
        }
        if !leaving.is_empty() {
            let mut roll = Roll { leaving, ..Roll::default() };
            self.stop_what_leaves(service, &mut roll, 0, u32::MAX, 0);
        }
        if stage < LifecycleStage::CleanUp {
            self.keep_revision(service, blue, desired);
        }
        if stage >= LifecycleStage::ScaleUp {
            self.keep_revision(service, green, desired);
        }
    }

    /// Of a service that goes back from a shift of traffic, all production traffic is blue's again: green's tasks stop, whatever blue
    /// has, and none of them stands in for one of blue's.
    pub(super) fn failed_green_leaves(&mut self, service: Id<ServiceDefinition>) {
        let state = &self.services[service.index()];
        if !state.primary().is_gone_back_to {
            return;
        }
        let is_green =
            |number: u32| state.deployment(number).is_some_and(|it| it.shift.is_some() && it.failure.is_some());
        let is_left = |it: &Id<Task>| is_green(self.cluster.tasks[*it].deployment) && !self.is_asked_to_stop(*it);
        let leaving: Vec<Id<Task>> = state.tasks.iter().copied().filter(is_left).collect();
        if !leaving.is_empty() {
            self.stop_what_leaves(service, &mut Roll { leaving, ..Roll::default() }, 0, u32::MAX, 0);
        }
    }

    fn is_asked_to_stop(&self, task: Id<Task>) -> bool {
        self.cluster.tasks[task].is_asked_to_stop
    }

    /// After a shift of traffic that has failed, and was not taken back, its revisions stand side by side, each with what is desired at
    /// the most. The one that had completed before is kept; of what has failed no task is started, so that those of its tasks that fail
    /// their checks are in nobody's stead. ECS says nothing of it.
    pub(super) fn keep_revisions_of_failed_shift(&mut self, service: Id<ServiceDefinition>) {
        let state = &self.services[service.index()];
        let desired = state.desired_count;
        let (lower, upper) = deployment_bounds(desired, state.minimum_healthy_percent, state.maximum_percent);
        let before = state.number_completed_before();
        let numbers: Vec<u32> = state.deployments.iter().map(|it| it.number).collect();
        for number in numbers {
            if Some(number) == before {
                self.keep_revision(service, number, desired);
                continue;
            }
            let mut roll = self.roll_of(service, &|it| (it == number).then_some(true));
            self.stop_what_leaves(service, &mut roll, lower, upper, 0);
            self.stop_surplus(service, number, &mut roll, (lower, desired));
        }
    }

    /// Keeps as many tasks of one deployment as are desired of it, by the percentages of the service.
    pub(super) fn keep_revision(&mut self, service: Id<ServiceDefinition>, number: u32, desired: u32) {
        self.keep_revisions(service, (&|it| it == number, number), desired);
    }

    /// Keeps as many tasks of some deployments together; one of them starts what is lacking.
    pub(super) fn keep_revisions(
        &mut self,
        service: Id<ServiceDefinition>,
        (some, number): (&dyn Fn(u32) -> bool, u32),
        desired: u32,
    ) {
        let state = &self.services[service.index()];
        let (lower, upper) = deployment_bounds(desired, state.minimum_healthy_percent, state.maximum_percent);
        let mut roll = self.roll_of(service, &|it| some(it).then_some(true));
        self.stop_what_leaves(service, &mut roll, lower, upper, desired);
        let lacking = desired.saturating_sub(roll.staying.len() as u32);
        let lacking = self.without_those_replaced_later(service, number, lacking);
        let wanted = lacking.min(upper.saturating_sub(roll.all()));
        if wanted > 0 {
            self.note_replacements(service, number, &roll, desired);
            self.services[service.index()].launches_for = Some(number);
            self.start_tasks(service, wanted);
            self.services[service.index()].launches_for = None;
        }
        self.stop_surplus(service, number, &mut roll, (lower, desired));
    }

    /// What green tasks are registered as that would be this in blue's target group: the other one is theirs.
    pub(super) fn other_registration(
        &self,
        service: Id<ServiceDefinition>,
        as_blue: Option<Registration>,
    ) -> Option<Registration> {
        let as_blue = as_blue?;
        let target_group = self.other_target_group(service, Some(as_blue.target_group))?;
        Some(Registration { target_group, ..as_blue })
    }

    fn other_target_group(
        &self,
        service: Id<ServiceDefinition>,
        blue: Option<Id<TargetGroup>>,
    ) -> Option<Id<TargetGroup>> {
        let balancer = self.scenario.services[service].load_balancer.as_ref()?;
        balancer.target_groups().find(|it| Some(*it) != blue).or(Some(balancer.target_group))
    }

    /// The two target groups of a service, first the one that has its production traffic unless some of that is shifted.
    fn blue_and_green_groups(
        &self,
        service: Id<ServiceDefinition>,
    ) -> Option<(AlternateTargetGroup, Id<TargetGroup>, Id<TargetGroup>)> {
        let alternate = self.scenario.services[service].load_balancer.as_ref()?.alternate?;
        let state = &self.services[service.index()];
        let blue = match state.primary().shift.filter(|_| !state.primary().is_completed()) {
            Some(shift) => state.deployment(shift.blue)?.registration?.target_group,
            None => state.primary().registration?.target_group,
        };
        Some((alternate, blue, self.other_target_group(service, Some(blue))?))
    }

    fn shift_production_traffic(&mut self, service: Id<ServiceDefinition>, part: u32, cause: Option<Decision>) {
        let Some((alternate, blue, green)) = self.blue_and_green_groups(service) else { return };
        self.weigh(alternate.production_rule, (blue, green), part);
        let message = format!(
            "(service {}) (deployment {}) {} % of production traffic goes to (target-group {})",
            self.scenario.services[service].name,
            self.services[service.index()].primary().number,
            f64::from(part) / 10.0,
            self.scenario.target_groups[green].name
        );
        self.log.put(self.agenda.now(), cause, "service.traffic_shifted", self.service_resource(service), message);
    }

    fn shift_test_traffic(&mut self, service: Id<ServiceDefinition>, part: u32) {
        let Some((alternate, blue, green)) = self.blue_and_green_groups(service) else { return };
        if let Some(rule) = alternate.test_rule {
            self.weigh(rule, (blue, green), part);
        }
    }

    /// Gives all traffic to the service's PRIMARY deployment, or to its blue one where that is not yet up.
    pub(super) fn traffic_goes_back(&mut self, service: Id<ServiceDefinition>, cause: Option<Decision>) {
        let Some((alternate, blue, green)) = self.blue_and_green_groups(service) else { return };
        self.shift_test_traffic(service, 0);
        let is_back = matches!(
            &self.cluster.actions[alternate.production_rule.index()],
            Action::Forward(it) if it.weight_of(blue) > 0 && it.weight_of(green) == 0
        );
        if is_back {
            return;
        }
        self.weigh(alternate.production_rule, (blue, green), 0);
        let message = format!(
            "(service {}) all production traffic goes back to (target-group {})",
            self.scenario.services[service].name, self.scenario.target_groups[blue].name
        );
        self.log.put(self.agenda.now(), cause, "service.traffic_shifted", self.service_resource(service), message);
    }

    fn weigh(&mut self, rule: Id<ListenerRule>, (blue, green): (Id<TargetGroup>, Id<TargetGroup>), part: u32) {
        if let Action::Forward(forward) = &mut self.cluster.actions[rule.index()] {
            forward.target_groups = weighted((blue, green), part);
            self.cluster.has_changed(Change::Actions);
        }
    }
}
