//! Services that are created and deleted while the run goes on.
//!
//! Follows *CreateService* and *DeleteService* in the API Reference (2026).

use crate::aws::container_instance::RegisteredResources;
use crate::aws::launch::Launcher;
use crate::aws::service::{ServiceDefinition, ServiceStatus};
use crate::cluster::StopCode;
use crate::control::Control;
use crate::control::image_digests::ImageDigests;
use crate::table::Id;

impl Control<'_> {
    /// Whether a service is there for what else is asked of it.
    pub(in crate::control) fn is_active(&self, service: Id<ServiceDefinition>) -> bool {
        self.services[service.index()].status == ServiceStatus::Active
    }

    /// `CreateService`, of one that the timeline creates: for the first time, or again once it is INACTIVE.
    pub(in crate::control) fn create_service(&mut self, service: Id<ServiceDefinition>) {
        let now = self.now();
        let definition = &self.scenario.services[service];
        let error = match self.services[service.index()].status {
            ServiceStatus::Missing | ServiceStatus::Inactive => None,
            ServiceStatus::Draining => {
                Some("InvalidParameterException: Unable to Start a service that is still Draining.")
            }
            ServiceStatus::Active => Some("InvalidParameterException: Creation of service was not idempotent."),
        };
        let because = error.map_or(String::new(), |it| format!(": {it}"));
        let message = format!("CreateService {}{because}", definition.name);
        let resource = self.service_resource(service);
        let cause = self.log.put(now, None, "timeline.create_service", resource, message);
        if let Some(error) = error {
            self.note_failed_call("CreateService", format!("service `{}`", definition.name), error, true);
            return;
        }
        let is_daemon = self.scenario.is_daemon(Launcher::Service(service));
        let desired = if is_daemon { 1 } else { definition.desired_count };
        let runs = &self.scenario.task_definitions[definition.task_definition];
        let state = &mut self.services[service.index()];
        if state.status == ServiceStatus::Inactive {
            state.begin_anew(self.scenario, definition);
        }
        state.status = ServiceStatus::Active;
        state.wanted_because = Some(cause);
        match state.has_task_sets() {
            true => state.deployments.iter_mut().for_each(|it| it.created_at = now),
            false => {
                state.deployments[0].created_at = now;
                state.deployments[0].image_digests = ImageDigests::of_new(runs, desired);
            }
        }
        if is_daemon {
            self.daemons.push(service);
            self.daemons.sort_unstable();
        }
        self.set_desired_count(service, definition.desired_count, Some(cause));
        if self.services[service.index()].is_deploying() {
            self.watch_deployment(service);
        }
        self.schedule_service(service);
    }

    /// `DeleteService`: the service is DRAINING until its tasks are STOPPED. One that is scaled above 0 must be forced.
    pub(in crate::control) fn delete_service(&mut self, service: Id<ServiceDefinition>, is_forced: bool) {
        let now = self.now();
        let name = &self.scenario.services[service].name;
        let resource = self.service_resource(service);
        let is_daemon = self.daemons.contains(&service);
        let is_scaled = self.services[service.index()].desired_count > 0 && !is_daemon;
        let error = if !self.is_active(service) {
            Some("ServiceNotActiveException: Service was not ACTIVE.")
        } else if is_scaled && !is_forced {
            Some("InvalidParameterException: The service cannot be stopped while it is scaled above 0.")
        } else {
            None
        };
        let because = error.map_or(String::new(), |it| format!(": {it}"));
        let message = format!("DeleteService {name}{because}");
        let cause = self.log.put(now, None, "timeline.delete_service", resource, message);
        if let Some(error) = error {
            self.note_failed_call("DeleteService", format!("service `{name}`"), error, true);
            return;
        }
        self.stop_rebalancing(service);
        if !is_daemon {
            self.set_desired_count(service, 0, Some(cause));
        }
        self.services[service.index()].status = ServiceStatus::Draining;
        self.services[service.index()].desired_count = 0;
        self.services[service.index()].wanted_because = Some(cause);
        let deployments = self.services[service.index()].deployments.iter_mut();
        deployments.filter(|it| it.task_set.is_none()).for_each(|it| it.ends_with_its_service(now));
        if is_daemon {
            self.daemons.retain(|it| *it != service);
            for instance in self.cluster.instances.ids() {
                self.cluster.set_aside(instance, RegisteredResources::default());
                self.place_daemons(instance);
            }
        }
        self.schedule_service(service);
    }

    /// The tasks of a deleted service stop, protected or not; when all are STOPPED it is INACTIVE.
    pub(super) fn drain_service(&mut self, service: Id<ServiceDefinition>) {
        let cause = self.services[service.index()].wanted_because;
        let tasks = self.services[service.index()].tasks.clone();
        if tasks.is_empty() {
            self.services[service.index()].status = ServiceStatus::Inactive;
            let message = format!("(service {}) is INACTIVE.", self.scenario.services[service].name);
            self.log.put(self.now(), cause, "service.inactive", self.service_resource(service), message);
            return;
        }
        let remaining: Vec<_> = tasks.into_iter().filter(|it| !self.cluster.tasks[*it].is_asked_to_stop).collect();
        let decision = self.say_stopped(service, &remaining, cause);
        for task in remaining {
            let reason = format!("Service {} was deleted", self.scenario.services[service].name);
            self.stop_task(task, StopCode::ServiceSchedulerInitiated, reason, decision);
        }
    }

    /// What is answered to whoever asks something of a service that is not there, or on its way out.
    pub(in crate::control) fn error_of_status(&self, service: Id<ServiceDefinition>) -> Option<&'static str> {
        match self.services[service.index()].status {
            _ if self.is_active(service) => None,
            ServiceStatus::Missing => Some("ServiceNotFoundException: Service not found."),
            _ => Some("ServiceNotActiveException: Service was not ACTIVE."),
        }
    }

    /// Logs that something was asked of a service that is not there; whether it is.
    pub(in crate::control) fn refuses_for_status(
        &mut self,
        service: Id<ServiceDefinition>,
        kind: &'static str,
        call: &'static str,
    ) -> bool {
        let Some(error) = self.error_of_status(service) else { return false };
        let name = &self.scenario.services[service].name;
        self.log.put(self.now(), None, kind, self.service_resource(service), format!("{call} {name}: {error}"));
        self.note_failed_call(call, format!("service `{name}`"), error, true);
        true
    }
}
