//! Calls that change services, of which an account may not make as many as it likes: those of the timeline, of Application Auto Scaling
//! and of pipelines share one bucket.
//!
//! Follows *Request throttling for the Amazon ECS API* in the developer guide (*all API requests for each AWS account*) and *Retry
//! behavior* in the AWS SDKs and Tools Reference Guide (2026): a throttled call of the timeline is made again as AWS's SDKs do in their
//! standard mode, three attempts in all, and is then given up. How often AWS's own services try is not documented: here with the same
//! pauses until they are answered; of auto scaling's calls for a service only the newest is.

use std::collections::BTreeMap;

use crate::agenda::Event;
use crate::aws::launch::Launcher;
use crate::aws::pipeline::Pipeline;
use crate::aws::run_task::{THROTTLED, retry_pause};
use crate::aws::service::ServiceDefinition;
use crate::aws::task_set::TaskSetChange;
use crate::aws::token_bucket::TokenBucket;
use crate::control::Control;
use crate::control::log::Decision;
use crate::rng::{Seed, Stream};
use crate::run::CalledBy;
use crate::scenario::{Scenario, TimelineChange};
use crate::table::Id;
use crate::units::{Instant, Span};

/// Attempts at a call, the first one included.
const ATTEMPTS: u32 = 3;

/// What the account may call, and what was throttled.
pub struct ServiceCalls {
    bucket: TokenBucket,
    /// How often the call of an entry of the timeline has been throttled.
    throttled: BTreeMap<usize, u32>,
    jitter: Stream,
    /// What auto scaling still wants of services whose calls were throttled.
    scaling: BTreeMap<Id<ServiceDefinition>, ThrottledScaling>,
    /// How often the call of a pipeline that is to deploy has been throttled.
    deploying: BTreeMap<Id<Pipeline>, u32>,
    jitter_of_aws: Stream,
}

impl ServiceCalls {
    /// Nothing was called yet.
    pub fn new(scenario: &Scenario, seed: Seed) -> ServiceCalls {
        let assumptions = &scenario.assumptions;
        ServiceCalls {
            bucket: TokenBucket::new(assumptions.service_modify_burst, assumptions.service_modify_calls_per_second),
            throttled: BTreeMap::new(),
            jitter: seed.stream("retries of calls", "timeline"),
            scaling: BTreeMap::new(),
            deploying: BTreeMap::new(),
            jitter_of_aws: seed.stream("retries of calls", "AWS services"),
        }
    }
}

/// A call of Application Auto Scaling that is to be made again.
struct ThrottledScaling {
    desired: u32,
    cause: Option<Decision>,
    attempts: u32,
    at: Instant,
}

/// The service that a change of the timeline calls for, with the kind of its event and the action.
fn call_of(change: &TimelineChange) -> Option<(Id<ServiceDefinition>, &'static str, &'static str)> {
    Some(match change {
        TimelineChange::UpdateService { service, .. } => (*service, "timeline.update_service", "UpdateService"),
        TimelineChange::CreateService { service } => (*service, "timeline.create_service", "CreateService"),
        TimelineChange::DeleteService { service, .. } => (*service, "timeline.delete_service", "DeleteService"),
        TimelineChange::TaskSet { service, change, .. } => {
            let (kind, call) = words_of(*change);
            (*service, kind, call)
        }
        _ => return None,
    })
}

/// The kind of event and the action that changes a task set.
pub(super) fn words_of(change: TaskSetChange) -> (&'static str, &'static str) {
    match change {
        TaskSetChange::Create => ("timeline.create_task_set", "CreateTaskSet"),
        TaskSetChange::Update(_) => ("timeline.update_task_set", "UpdateTaskSet"),
        TaskSetChange::Delete { .. } => ("timeline.delete_task_set", "DeleteTaskSet"),
        TaskSetChange::MakePrimary => ("timeline.update_service_primary_task_set", "UpdateServicePrimaryTaskSet"),
    }
}

impl ServiceCalls {
    /// What auto scaling still wants of a service is no longer to be done.
    pub(super) fn forget_scaling(&mut self, service: Id<ServiceDefinition>) {
        self.scaling.remove(&service);
    }
}

impl Control<'_> {
    /// Whether the call of an entry of the timeline is throttled; then that is told, and it is made again soon, or given up.
    pub(super) fn service_call_is_throttled(&mut self, index: usize) -> bool {
        let (now, scenario) = (self.now(), self.scenario);
        let Some((service, kind, call)) = call_of(&scenario.timeline[index].change) else { return false };
        if self.service_calls.bucket.take(now) {
            return false;
        }
        let throttled = self.service_calls.throttled.entry(index).or_default();
        *throttled += 1;
        let attempts = *throttled;
        let is_given_up = attempts >= ATTEMPTS;
        let then = if !is_given_up {
            let pause = retry_pause(attempts - 1, self.service_calls.jitter.unit());
            self.agenda.put(now + pause, Event::TimelineIsDue(index));
            format!("It is made again after {pause}.")
        } else {
            format!("It is given up after {ATTEMPTS} attempts.")
        };
        let message = format!("{call} {}: {THROTTLED} {then}", scenario.services[service].name);
        let resource = self.service_resource(service);
        self.log.put(now, None, kind, resource, message);
        let target = scenario.launcher_words(Launcher::Service(service));
        self.note_failed_call(call, target, THROTTLED, is_given_up);
        true
    }

    /// Application Auto Scaling calls `UpdateService`; where that is throttled, again until it is answered.
    pub(super) fn update_desired_count(
        &mut self,
        service: Id<ServiceDefinition>,
        desired: u32,
        cause: Option<Decision>,
    ) {
        self.service_calls.scaling.remove(&service);
        self.scaling_calls(service, ThrottledScaling { desired, cause, attempts: 0, at: self.now() });
    }

    /// A throttled call of Application Auto Scaling is made again, unless a newer one has taken its place.
    pub(super) fn scaling_call_is_made_again(&mut self, service: Id<ServiceDefinition>) {
        let now = self.now();
        if self.service_calls.scaling.get(&service).is_some_and(|it| it.at == now)
            && let Some(call) = self.service_calls.scaling.remove(&service)
        {
            self.scaling_calls(service, call);
        }
    }

    fn scaling_calls(&mut self, service: Id<ServiceDefinition>, call: ThrottledScaling) {
        let now = self.now();
        if self.service_calls.bucket.take(now) {
            self.set_desired_count(service, call.desired, call.cause);
            return;
        }
        let caller = (CalledBy::ApplicationAutoScaling, "Application Auto Scaling");
        let pause = self.pause_of_aws(caller, service, call.attempts, call.cause);
        let call = ThrottledScaling { attempts: call.attempts + 1, at: now + pause, ..call };
        self.agenda.put(call.at, Event::ScalingCallIsMadeAgain(service));
        self.service_calls.scaling.insert(service, call);
    }

    /// How long a pipeline waits before it calls `UpdateService` again; `None` where it may call now.
    pub(super) fn pipelines_call_is_throttled(&mut self, pipeline: Id<Pipeline>) -> Option<Span> {
        let now = self.now();
        if self.service_calls.bucket.take(now) {
            self.service_calls.deploying.remove(&pipeline);
            return None;
        }
        let attempts = self.service_calls.deploying.entry(pipeline).or_default();
        let before = *attempts;
        *attempts += 1;
        let (name, service) = (&self.scenario.pipelines[pipeline].name, self.scenario.pipelines[pipeline].service);
        Some(self.pause_of_aws((CalledBy::Pipeline, &format!("pipeline {name}")), service, before, None))
    }

    fn pause_of_aws(
        &mut self,
        (called_by, caller): (CalledBy, &str),
        service: Id<ServiceDefinition>,
        attempts: u32,
        cause: Option<Decision>,
    ) -> Span {
        let pause = retry_pause(attempts, self.service_calls.jitter_of_aws.unit());
        let name = &self.scenario.services[service].name;
        let message = format!("UpdateService {name} by {caller}: {THROTTLED} It is made again after {pause}.");
        self.log.put(self.agenda.now(), cause, "service.call_throttled", self.service_resource(service), message);
        let target = self.scenario.launcher_words(Launcher::Service(service));
        self.note_failed_call_of(called_by, "UpdateService", target, THROTTLED, false);
        pause
    }
}
