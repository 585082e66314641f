//! What tasks take of the network when they start: the interface of network mode `awsvpc` an address of a subnet, those of the
//! bridge host ports that nobody named.
//!
//! Placement does not look at free addresses: a task without one is placed, and fails to start (*Stopped tasks error messages*
//! in the developer guide).

use crate::aws::auto_scaling_group::AvailabilityZone;
use crate::aws::host_ports::choose_ports;
use crate::aws::instance_type::AGENT_METRICS_PORT;
use crate::aws::launch::Launcher;
use crate::aws::security_group::{SecurityGroup, admit};
use crate::aws::subnet::{NetworkConfiguration, Subnet};
use crate::aws::task_definition::{NetworkMode, Protocol, TaskDefinition};
use crate::cluster::{ContainerInstance, StopCode, Task};
use crate::control::Control;
use crate::control::placing::Wanted;
use crate::scenario::Scenario;
use crate::table::Id;

/// Whether tasks can have a network interface in a zone.
pub(super) fn has_subnet(
    scenario: &Scenario,
    (launcher, network): (Launcher, Option<Id<NetworkConfiguration>>),
    definition: &TaskDefinition,
    zone: Id<AvailabilityZone>,
) -> bool {
    let subnets = scenario.subnets_of(launcher, network);
    definition.network_mode != NetworkMode::Awsvpc
        || subnets.is_empty()
        || subnets.iter().any(|it| scenario.subnets[*it].availability_zone == zone)
}

impl Control<'_> {
    /// Whether a task would find no address in a zone.
    pub(super) fn has_no_address(&self, wanted: &Wanted, zone: Id<AvailabilityZone>) -> bool {
        let subnets = self.scenario.subnets_of(wanted.launcher, wanted.network);
        self.scenario.task_definitions[wanted.task_definition].network_mode == NetworkMode::Awsvpc
            && self.cluster.subnet_with_room(subnets, &self.scenario.subnets, zone).is_err()
    }

    /// Gives a task that was placed an address, where it needs one and one is left.
    pub(super) fn take_address(&mut self, task: Id<Task>) {
        if self.definition_of(task).network_mode != NetworkMode::Awsvpc {
            return;
        }
        let row = &self.cluster.tasks[task];
        let Some(zone) = self.cluster.zone_of_task(task) else { return };
        let subnets = self.scenario.subnets_of(row.launcher, row.network);
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
        let zone = self.cluster.zone_of_task(task)?;
        let subnets = self.scenario.subnets_of(row.launcher, row.network);
        subnets.iter().copied().find(|it| self.scenario.subnets[*it].availability_zone == zone)
    }

    /// A network interface could not be created.
    pub(super) fn gets_no_address(&mut self, task: Id<Task>, subnet: Id<Subnet>) {
        let reason = format!(
            "Unexpected EC2 error while attempting to Create Network Interface in subnet '{}': InsufficientFreeAddressesInSubnet",
            self.scenario.subnets[subnet].name
        );
        let cause = self.say_of_task(task, None, "task.no_address", &format!("failed to start: {reason}"));
        self.stop_task(task, StopCode::TaskFailedToStart, reason, Some(cause));
    }

    /// Whether an instance has not the host ports left that a task would choose.
    pub(super) fn has_no_host_ports(&self, wanted: &Wanted, instance: Id<ContainerInstance>) -> bool {
        self.host_ports(&self.scenario.task_definitions[wanted.task_definition], instance).is_none()
    }

    /// Chooses the host ports of a task that starts; whether there were enough, and none of its own was taken.
    pub(super) fn take_host_ports(&mut self, task: Id<Task>) -> bool {
        let Some(instance) = self.cluster.tasks[task].instance() else { return true };
        if self.static_port_is_taken(task, instance) {
            return false;
        }
        let Some(ports) = self.host_ports(self.definition_of(task), instance) else { return false };
        let agent = &mut self.agents[instance.index()];
        agent.chosen_ports.extend(ports.iter().copied());
        if let Some((_, last)) = ports.last() {
            agent.next_port = last.saturating_add(1);
        }
        self.cluster.tasks[task].host_ports = ports;
        true
    }

    /// Docker cannot start a container for want of a host port.
    pub(super) fn gets_no_host_port(&mut self, task: Id<Task>) {
        let row = &self.cluster.tasks[task];
        let taken = row.instance().filter(|it| self.static_port_is_taken(task, *it));
        let port = row
            .reservation
            .ports
            .iter()
            .find(|it| taken.is_some_and(|instance| self.agents[instance.index()].chosen_ports.contains(it)));
        let why = match port {
            Some((_, port)) => format!("Bind for 0.0.0.0:{port} failed: port is already allocated"),
            None => "all ports are allocated".to_owned(),
        };
        let reason = format!(
            "CannotStartContainerError: Error response from daemon: driver failed programming external connectivity: {why}"
        );
        let cause = self.say_of_task(task, None, "task.no_host_port", &format!("failed to start: {reason}"));
        self.stop_task(task, StopCode::TaskFailedToStart, reason, Some(cause));
    }

    /// Whether the security groups of a task's interface, or of its instance, let its load balancer in to the port that
    /// it serves.
    pub(super) fn lets_in_load_balancer(&self, task: Id<Task>) -> bool {
        let row = &self.cluster.tasks[task];
        if row.registration.is_none() {
            return true;
        }
        let groups = || self.security_groups_of(task).iter().map(|it| &self.scenario.security_groups[*it]);
        let port = self.port_of_target(task);
        groups().next().is_none() || port.is_none_or(|(protocol, port)| admit(groups(), protocol, port))
    }

    /// The security groups of a task's network interface, or of its instance; none where nothing is said of any.
    pub(super) fn security_groups_of(&self, task: Id<Task>) -> &[Id<SecurityGroup>] {
        let row = &self.cluster.tasks[task];
        match self.definition_of(task).network_mode {
            NetworkMode::Awsvpc => &self.scenario.network_of(row.launcher, row.network).security_groups,
            _ if row.instance().is_some() => &self.group_of(task).security_groups,
            _ => &[],
        }
    }

    /// The port at which a task's load balancer looks for it; `None` without load balancer.
    pub(super) fn port_of_target(&self, task: Id<Task>) -> Option<(Protocol, u16)> {
        let row = &self.cluster.tasks[task];
        let registration = row.registration?;
        let definition = self.definition_of(task);
        let chosen = match row.instance().filter(|_| row.host_ports.is_empty()) {
            // It has not been started: these it would get now.
            Some(instance) => self.host_ports(definition, instance).unwrap_or_default(),
            None => row.host_ports.clone(),
        };
        definition.port_of(registration.container, registration.container_port, &chosen)
    }

    /// Whether a task's load balancer will never find it healthy, in a zone: no connection comes in, or its zone is
    /// none of the load balancer's.
    pub(super) fn is_out_of_reach(&self, task: Id<Task>, zone: Option<Id<AvailabilityZone>>) -> bool {
        let row = &self.cluster.tasks[task];
        let Some(registration) = row.registration else { return false };
        let group = &self.scenario.target_groups[registration.target_group];
        let zones = &self.scenario.load_balancers[group.load_balancer].availability_zones;
        let is_elsewhere = zone.is_some_and(|it| !zones.contains(&it));
        is_elsewhere || !self.lets_in_load_balancer(task)
    }

    /// Whether a port that a task names was chosen for another one that named none.
    fn static_port_is_taken(&self, task: Id<Task>, instance: Id<ContainerInstance>) -> bool {
        let chosen = &self.agents[instance.index()].chosen_ports;
        !chosen.is_empty() && self.cluster.tasks[task].reservation.ports.iter().any(|it| chosen.contains(it))
    }

    /// The host ports that a task would choose on an instance; `None` where too few are left in a row.
    fn host_ports(&self, definition: &TaskDefinition, instance: Id<ContainerInstance>) -> Option<Vec<(Protocol, u16)>> {
        let agent = &self.agents[instance.index()];
        let reserved = &self.cluster.instances[instance].reserved_ports;
        let mut ports: Vec<(Protocol, u16)> = Vec::new();
        let group = self.cluster.instances[instance].auto_scaling_group;
        let family = self.scenario.auto_scaling_groups[group].operating_system_family;
        let mut from = agent.next_port;
        for (protocol, count) in definition.dynamic_ports() {
            let is_free = |port: u16| {
                let port = (protocol, port);
                let is_agents = port == (Protocol::Tcp, AGENT_METRICS_PORT);
                !is_agents
                    && !agent.chosen_ports.contains(&port)
                    && !reserved.contains_key(&port)
                    && !ports.contains(&port)
            };
            let first = choose_ports(count, (family.first_ephemeral_port(), from), is_free)?;
            ports.extend((first..=first + (count - 1)).map(|port| (protocol, port)));
            from = first.saturating_add(count);
        }
        Some(ports)
    }
}
