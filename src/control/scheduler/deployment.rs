//! Deployments: how one begins, and when it is over.
//!
//! Follows *Amazon ECS service deployments* in the developer guide (2026).

use crate::aws::service::ServiceDefinition;
use crate::aws::subnet::NetworkConfiguration;
use crate::aws::task_definition::TaskDefinition;
use crate::control::Control;
use crate::control::image_digests::ImageDigests;
use crate::control::log::Decision;
use crate::table::Id;
use crate::units::Instant;

/// One deployment of a service.
#[derive(Clone, Copy, Debug)]
pub struct Deployment {
    /// From 0.
    pub number: u32,
    /// What it runs.
    pub task_definition: Id<TaskDefinition>,
    /// The network configuration that the timeline has given the service; its own where `None`.
    pub network: Option<Id<NetworkConfiguration>>,
    /// When it began.
    pub created_at: Instant,
    /// When it completed.
    pub completed_at: Option<Instant>,
    /// Tasks that it has lost since the next one began, or that a scale-out has added to it.
    pub missing_tasks: u32,
    /// Whether its tasks can be started with the digests of their images.
    pub image_digests: ImageDigests,
}

impl Control<'_> {
    /// Starts a deployment of another revision, or of the same one again.
    pub(in crate::control) fn start_deployment(
        &mut self,
        service: Id<ServiceDefinition>,
        task_definition: Option<Id<TaskDefinition>>,
        network: Option<Id<NetworkConfiguration>>,
        cause: Option<Decision>,
    ) {
        let now = self.now();
        let number = self.services[service.index()].primary().number + 1;
        let before = self.services[service.index()].primary();
        let task_definition = task_definition.unwrap_or(before.task_definition);
        let network = network.or(before.network);
        let message = format!(
            "(service {}) (deployment {number}) in progress: {}",
            self.scenario.services[service].name,
            self.scenario.task_definitions[task_definition].name()
        );
        let decision =
            self.log.put(now, cause, "service.deployment_in_progress", self.service_resource(service), message);
        let desired = if self.daemons.contains(&service) { 1 } else { self.services[service.index()].desired_count };
        let image_digests = ImageDigests::of_new(&self.scenario.task_definitions[task_definition], desired);
        self.stop_rebalancing(service);
        let state = &mut self.services[service.index()];
        state.deployments.push(Deployment {
            number,
            task_definition,
            network,
            created_at: now,
            completed_at: None,
            missing_tasks: 0,
            image_digests,
        });
        state.wanted_because = Some(decision);
        state.failed_starts = 0;
        state.retries.clear();
        state.is_steady = false;
        self.watch_deployment(service);
        self.schedule_service(service);
    }

    pub(in crate::control) fn is_steady(&mut self, service: Id<ServiceDefinition>) {
        let now = self.now();
        let name = &self.scenario.services[service].name;
        let resource = self.service_resource(service);
        let state = &mut self.services[service.index()];
        let cause = state.wanted_because;
        let deployment = state.deployments.last_mut().expect("a service has a deployment");
        if deployment.completed_at.is_none() {
            deployment.completed_at = Some(now);
            deployment.missing_tasks = 0;
            let message = format!("(service {name}) (deployment {}) deployment completed.", deployment.number);
            self.log.put(now, cause, "service.deployment_completed", resource.clone(), message);
        }
        let state = &mut self.services[service.index()];
        if !state.is_steady {
            state.said.clear();
        }
        let interval = self.scenario.assumptions.steady_state_interval;
        let mut again_at = *state.steady_again_at.get_or_insert(now + interval);
        if !state.is_steady || again_at <= now {
            let cause = if state.is_steady { None } else { cause };
            state.is_steady = true;
            again_at = now + interval;
            state.steady_again_at = Some(again_at);
            let message = format!("(service {name}) has reached a steady state.");
            self.log.put(now, cause, "service.steady_state", resource, message);
        }
        self.schedule_service_at(service, again_at);
    }
}
