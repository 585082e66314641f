//! Calls of the timeline that change services, of which an account may not make as many as it likes.
//!
//! Follows *Request throttling for the Amazon ECS API* in the developer guide and *Retry behavior* in the AWS SDKs and Tools Reference
//! Guide (2026): a throttled call is made again as AWS's SDKs do in their standard mode, three attempts in all, and is then given up.

use std::collections::BTreeMap;

use crate::agenda::Event;
use crate::aws::launch::Launcher;
use crate::aws::run_task::{THROTTLED, retry_pause};
use crate::aws::service::ServiceDefinition;
use crate::aws::task_set::TaskSetChange;
use crate::aws::token_bucket::TokenBucket;
use crate::control::Control;
use crate::rng::{Seed, Stream};
use crate::scenario::{Scenario, TimelineChange};
use crate::table::Id;

/// Attempts at a call, the first one included.
const ATTEMPTS: u32 = 3;

/// What the account may call, and what was throttled.
pub struct ServiceCalls {
    bucket: TokenBucket,
    /// How often the call of an entry of the timeline has been throttled.
    throttled: BTreeMap<usize, u32>,
    jitter: Stream,
}

impl ServiceCalls {
    /// Nothing was called yet.
    pub fn new(scenario: &Scenario, seed: Seed) -> ServiceCalls {
        let assumptions = &scenario.assumptions;
        ServiceCalls {
            bucket: TokenBucket::new(assumptions.service_modify_burst, assumptions.service_modify_calls_per_second),
            throttled: BTreeMap::new(),
            jitter: seed.stream("retries of calls", "timeline"),
        }
    }
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
}
