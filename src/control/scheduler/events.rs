//! What a service says of itself, in ECS's words (*Amazon ECS service event messages*).

use std::collections::BTreeSet;

use crate::aws::service::ServiceDefinition;
use crate::cluster::Task;
use crate::control::Control;
use crate::control::health::task_name;
use crate::control::log::Decision;
use crate::table::Id;
use crate::units::Span;

/// Duplicate events are suppressed for this long (developer guide, *Viewing service events*).
const DUPLICATE_EVENTS: Span = Span::seconds(6 * 3600);

/// Tasks of a service, or of one of its task sets, that begin to leave their target group for the same reason.
pub struct Drain {
    service: Id<ServiceDefinition>,
    of: String,
    cause: Option<Decision>,
    tasks: u32,
}

impl Control<'_> {
    pub(in crate::control) fn say_started(&mut self, service: Id<ServiceDefinition>, placed: &[Id<Task>]) {
        if placed.is_empty() {
            return;
        }
        let names: Vec<String> = placed.iter().map(|task| format!("(task {})", task_name(*task))).collect();
        let message = format!(
            "{} has started {} tasks: {}.",
            self.service_and_task_set(service, self.cluster.tasks[placed[0]].deployment),
            placed.len(),
            names.join(" ")
        );
        let cause = self.services[service.index()].wanted_because;
        self.log.put(self.agenda.now(), cause, "service.tasks_started", self.service_resource(service), message);
        self.services[service.index()].said.remove("service.task_waits");
        self.services[service.index()].said.remove("service.task_placement_failure");
    }

    /// Logs which tasks a service stops; tells the decision, where there are any.
    pub(in crate::control) fn say_stopped(
        &mut self,
        service: Id<ServiceDefinition>,
        tasks: &[Id<Task>],
        cause: Option<Decision>,
    ) -> Option<Decision> {
        if tasks.is_empty() {
            return None;
        }
        let names: Vec<String> = tasks.iter().map(|task| format!("(task {})", task_name(*task))).collect();
        let message = format!(
            "{} has stopped {} running tasks: {}.",
            self.service_and_task_set(service, self.cluster.tasks[tasks[0]].deployment),
            tasks.len(),
            names.join(" ")
        );
        let resource = self.service_resource(service);
        Some(self.log.put(self.agenda.now(), cause, "service.tasks_stopped", resource, message))
    }

    /// A task of a service begins to leave its target group; that is said once the present event is through, of all that do so for the
    /// same reason together.
    pub(in crate::control) fn begins_to_drain(&mut self, task: Id<Task>, cause: Option<Decision>) {
        let service = self.service_of_target(task);
        let of = self.service_and_task_set(service, self.cluster.tasks[task].deployment);
        let drain = Drain { service, of, cause, tasks: 1 };
        match self.draining.iter_mut().find(|it| (&it.of, it.cause) == (&drain.of, drain.cause)) {
            Some(it) => it.tasks += 1,
            None => self.draining.push(drain),
        }
    }

    /// Says of how many tasks connections are being drained.
    pub(in crate::control) fn say_draining(&mut self) {
        for Drain { service, of, cause, tasks } in std::mem::take(&mut self.draining) {
            let message = format!("{of} has begun draining connections on {tasks} tasks.");
            self.log.put(self.agenda.now(), cause, "service.draining", self.service_resource(service), message);
        }
    }

    pub(super) fn say_placement_failed(&mut self, service: Id<ServiceDefinition>, words: &str) {
        let cause = self.services[service.index()].wanted_because;
        self.say_once(service, "service.task_placement_failure", words, cause);
    }

    /// Whether an event of a service would be a duplicate now.
    pub(super) fn was_said(&self, service: Id<ServiceDefinition>, kind: &str) -> bool {
        self.services[service.index()].said.get(kind).is_some_and(|&at| self.now() < at + DUPLICATE_EVENTS)
    }

    pub(in crate::control) fn say_deployment_is_stuck(&mut self, service: Id<ServiceDefinition>) {
        self.say_once(
            service,
            "service.deployment_stuck",
            "was unable to stop or start tasks during a deployment because of the service deployment configuration. \
             Update the minimumHealthyPercent or maximumPercent value and try again.",
            None,
        );
    }

    /// Says of each capacity provider that has tasks of a service that it has all that were meant for it: ECS sends
    /// `CAPACITY_PROVIDER_STEADY_STATE` to EventBridge (*Amazon ECS service action events*); the words are ours.
    pub(super) fn say_providers_are_steady(&mut self, service: Id<ServiceDefinition>) {
        let tasks = self.services[service.index()].tasks.iter();
        let providers: BTreeSet<_> = tasks.filter_map(|it| self.cluster.tasks[*it].capacity_provider).collect();
        let cause = self.services[service.index()].wanted_because;
        for provider in providers {
            let (name, of) = (&self.scenario.services[service].name, &self.scenario.capacity_providers[provider].name);
            let message = format!("(service {name}) (capacity-provider {of}) has reached a steady state.");
            let resource = self.service_resource(service);
            self.log.put(self.agenda.now(), cause, "service.capacity_provider_steady_state", resource, message);
        }
    }

    /// Logs an event of a service, unless the same was said and its cause is still there.
    pub(in crate::control) fn say_once(
        &mut self,
        service: Id<ServiceDefinition>,
        kind: &'static str,
        words: &str,
        cause: Option<Decision>,
    ) {
        let now = self.now();
        if self.was_said(service, kind) {
            return;
        }
        let state = &mut self.services[service.index()];
        state.said.insert(kind.to_owned(), now);
        let message = format!("(service {}) {words}", self.scenario.services[service].name);
        self.log.put(now, cause, kind, self.service_resource(service), message);
    }
}
