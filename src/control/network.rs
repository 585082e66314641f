//! Addresses of tasks: the network interface of network mode `awsvpc` takes one of a subnet.
//!
//! Placement does not look at free addresses: a task without one is placed, and fails to start (*Stopped tasks error messages*
//! in the developer guide).

use crate::aws::auto_scaling_group::AvailabilityZone;
use crate::aws::service::ServiceDefinition;
use crate::aws::subnet::Subnet;
use crate::aws::task_definition::{NetworkMode, TaskDefinition};
use crate::cluster::{ContainerInstance, StopCode, Task};
use crate::control::Control;
use crate::control::health::task_name;
use crate::table::Id;

impl Control<'_> {
    /// Whether tasks of a service can have a network interface in a zone.
    pub(super) fn has_subnet(
        &self,
        service: Id<ServiceDefinition>,
        definition: &TaskDefinition,
        zone: Id<AvailabilityZone>,
    ) -> bool {
        let subnets = &self.scenario.services[service].subnets;
        definition.network_mode != NetworkMode::Awsvpc
            || subnets.is_empty()
            || subnets.iter().any(|it| self.scenario.subnets[*it].availability_zone == zone)
    }

    /// Whether a task of a service would find no address beside an instance.
    pub(super) fn has_no_address(&self, service: Id<ServiceDefinition>, instance: Id<ContainerInstance>) -> bool {
        let definition = self.services[service.index()].primary().task_definition;
        let zone = self.cluster.instances[instance].availability_zone;
        self.scenario.task_definitions[definition].network_mode == NetworkMode::Awsvpc
            && self
                .cluster
                .subnet_with_room(&self.scenario.services[service].subnets, &self.scenario.subnets, zone)
                .is_err()
    }

    /// Gives a task that was placed an address, where it needs one and one is left.
    pub(super) fn take_address(&mut self, task: Id<Task>, instance: Id<ContainerInstance>) {
        if self.definition_of(task).network_mode != NetworkMode::Awsvpc {
            return;
        }
        let service = self.cluster.tasks[task].service;
        let zone = self.cluster.instances[instance].availability_zone;
        let subnets = &self.scenario.services[service].subnets;
        if let Ok(Some(subnet)) = self.cluster.subnet_with_room(subnets, &self.scenario.subnets, zone) {
            self.cluster.take_address(subnet);
            self.cluster.tasks[task].subnet = Some(subnet);
        }
    }

    /// The subnet that has no address for a placed task; `None` where it has one, or needs none.
    pub(super) fn subnet_without_address(&self, task: Id<Task>) -> Option<Id<Subnet>> {
        let row = &self.cluster.tasks[task];
        if row.subnet.is_some() || self.definition_of(task).network_mode != NetworkMode::Awsvpc {
            return None;
        }
        let zone = self.cluster.instances[row.instance?].availability_zone;
        let subnets = &self.scenario.services[row.service].subnets;
        subnets.iter().copied().find(|it| self.scenario.subnets[*it].availability_zone == zone)
    }

    /// A network interface could not be created.
    pub(super) fn gets_no_address(&mut self, task: Id<Task>, subnet: Id<Subnet>) {
        let service = self.cluster.tasks[task].service;
        let reason = format!(
            "Unexpected EC2 error while attempting to Create Network Interface in subnet '{}': InsufficientFreeAddressesInSubnet",
            self.scenario.subnets[subnet].name
        );
        let name = &self.scenario.services[service].name;
        let message = format!("(service {name}) (task {}) failed to start: {reason}", task_name(task));
        let resource = self.service_resource(service);
        let cause = self.log.put(self.agenda.now(), None, "task.no_address", resource, message);
        self.stop_task(task, StopCode::TaskFailedToStart, reason, Some(cause));
    }
}
