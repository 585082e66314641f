//! What a container instance registers with its cluster, and how many tasks of a kind an empty one holds.
//!
//! Follows *Amazon ECS container instances*, *Elastic network interface trunking* in the developer guide and the agent's host
//! resources (2026).

use crate::aws::instance_type::{InstanceType, RESERVED_TCP_PORTS};
use crate::aws::placement::{PORTS_MAXIMUM, Reason};
use crate::aws::task_definition::{Protocol, Reservation};

/// What the instance of a number is called, from 0 in the order of launches: its EC2 instance id and that of its container instance.
pub fn instance_name(number: usize) -> String {
    format!("i-{number:05}")
}

/// `registeredResources` of a container instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegisteredResources {
    /// CPU units.
    pub cpu_units: u32,
    /// MiB: what the operating system sees, less `ECS_RESERVED_MEMORY`.
    pub memory_mib: u32,
    /// Network interfaces that tasks can have: the instance's own, and the trunk where there is one, not counted.
    pub network_interfaces: u32,
    /// GPUs.
    pub gpus: u32,
    /// Neuron devices.
    pub neuron_devices: u32,
    /// TCP ports that its agent reserves.
    pub reserved_tcp_ports: &'static [u16],
}

impl RegisteredResources {
    /// What a Linux instance of a type registers; `awsvpc_trunking` is the account setting when it is launched.
    pub fn new(instance_type: &InstanceType, reserved_memory_mib: u32, awsvpc_trunking: bool) -> RegisteredResources {
        RegisteredResources {
            cpu_units: instance_type.cpu_units(),
            memory_mib: instance_type.registered_memory_mib.saturating_sub(reserved_memory_mib),
            network_interfaces: instance_type.awsvpc_tasks(awsvpc_trunking),
            gpus: instance_type.gpus,
            neuron_devices: instance_type.neuron_devices,
            reserved_tcp_ports: &RESERVED_TCP_PORTS,
        }
    }

    /// The lesser of each, which managed scaling asks whether a task fits.
    pub fn least(self, other: RegisteredResources) -> RegisteredResources {
        RegisteredResources {
            cpu_units: self.cpu_units.min(other.cpu_units),
            memory_mib: self.memory_mib.min(other.memory_mib),
            network_interfaces: self.network_interfaces.min(other.network_interfaces),
            gpus: self.gpus.min(other.gpus),
            neuron_devices: self.neuron_devices.min(other.neuron_devices),
            ..self
        }
    }

    /// The greater of each, which managed scaling counts by.
    pub fn greatest(self, other: RegisteredResources) -> RegisteredResources {
        RegisteredResources {
            cpu_units: self.cpu_units.max(other.cpu_units),
            memory_mib: self.memory_mib.max(other.memory_mib),
            network_interfaces: self.network_interfaces.max(other.network_interfaces),
            gpus: self.gpus.max(other.gpus),
            neuron_devices: self.neuron_devices.max(other.neuron_devices),
            ..self
        }
    }

    /// With what a task reserves beside.
    pub fn and(self, reservation: &Reservation) -> RegisteredResources {
        RegisteredResources {
            cpu_units: self.cpu_units + reservation.cpu_units,
            memory_mib: self.memory_mib + reservation.memory_mib,
            network_interfaces: self.network_interfaces + reservation.network_interfaces,
            gpus: self.gpus + reservation.gpus,
            neuron_devices: self.neuron_devices + reservation.neuron_devices,
            ..self
        }
    }

    /// What a task leaves of it; `None` where it does not fit.
    pub fn less(self, reservation: &Reservation) -> Option<RegisteredResources> {
        Some(RegisteredResources {
            cpu_units: self.cpu_units.checked_sub(reservation.cpu_units)?,
            memory_mib: self.memory_mib.checked_sub(reservation.memory_mib)?,
            network_interfaces: self.network_interfaces.checked_sub(reservation.network_interfaces)?,
            gpus: self.gpus.checked_sub(reservation.gpus)?,
            neuron_devices: self.neuron_devices.checked_sub(reservation.neuron_devices)?,
            ..self
        })
    }

    /// The first thing that not even an empty instance has for a task, in the order in which ECS looks.
    pub fn lacks(&self, reservation: &Reservation) -> Option<Reason> {
        let is_taken = |port: &(Protocol, u16)| port.0 == Protocol::Tcp && self.reserved_tcp_ports.contains(&port.1);
        let ports = reservation.ports.len();
        if reservation.cpu_units > self.cpu_units {
            Some(Reason::Cpu)
        } else if reservation.memory_mib > self.memory_mib {
            Some(Reason::Memory)
        } else if reservation.ports.iter().any(is_taken) {
            Some(Reason::Port)
        } else if ports > 0 && ports + self.reserved_tcp_ports.len() > PORTS_MAXIMUM {
            Some(Reason::TooManyPorts)
        } else if reservation.network_interfaces > self.network_interfaces {
            Some(Reason::NetworkInterface)
        } else if reservation.gpus > self.gpus {
            Some(Reason::Gpu)
        } else if reservation.neuron_devices > self.neuron_devices {
            Some(Reason::NeuronDevice)
        } else {
            None
        }
    }

    /// Tasks of one kind that fit on an empty instance; 0 where not even one does.
    pub fn tasks(&self, reservation: &Reservation, is_distinct_instance: bool) -> u32 {
        if self.lacks(reservation).is_some() {
            return 0;
        }
        let by = |room: u32, need: u32| room.checked_div(need).unwrap_or(u32::MAX);
        by(self.cpu_units, reservation.cpu_units)
            .min(by(self.memory_mib, reservation.memory_mib))
            .min(by(self.network_interfaces, reservation.network_interfaces))
            .min(by(self.gpus, reservation.gpus))
            .min(by(self.neuron_devices, reservation.neuron_devices))
            .min(if is_distinct_instance || !reservation.ports.is_empty() { 1 } else { u32::MAX })
    }
}

/// Why an instance that is in service in its group never becomes an ACTIVE container instance (`RegisterContainerInstance`, the
/// field `status` of `ContainerInstance`, and *Troubleshooting container instances* in the developer guide, 2026).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RegistrationFailure {
    /// `ECS_CLUSTER` of its agent names another cluster.
    WrongClusterName,
    /// It has no IAM instance profile, so that its agent has no credentials.
    MissingInstanceProfile,
    /// Its trunk network interface could not be provisioned.
    TrunkInterface,
    /// No route leads from its subnet to Amazon ECS, or its security groups let nothing out on port 443.
    NoRouteToEcs,
    /// The cluster has as many container instances as it may have.
    ClusterIsFull,
}

/// *Container instances per cluster* in *Amazon ECS service quotas* (developer guide, 2026), which cannot be raised.
pub const CONTAINER_INSTANCES_PER_CLUSTER: usize = 5_000;

impl RegistrationFailure {
    /// What its agent logs, or ECS says.
    pub fn words(self) -> &'static str {
        match self {
            RegistrationFailure::WrongClusterName => "ClusterNotFoundException: Cluster not found.",
            RegistrationFailure::MissingInstanceProfile => "NoCredentialProviders: no valid providers in chain",
            RegistrationFailure::TrunkInterface => "the trunk network interface could not be provisioned",
            RegistrationFailure::NoRouteToEcs => {
                "RequestError: send request failed caused by: Post to the endpoint of Amazon ECS: dial tcp: i/o timeout"
            }
            RegistrationFailure::ClusterIsFull => "LimitExceededException: The limit for the resource was exceeded.",
        }
    }

    /// What is wrong, as a fault of the group's launch template or of the cluster.
    pub fn cause(self) -> &'static str {
        match self {
            RegistrationFailure::WrongClusterName => "`ECS_CLUSTER` of its agent names another cluster",
            RegistrationFailure::MissingInstanceProfile => "it has no IAM instance profile",
            RegistrationFailure::TrunkInterface => "its trunk network interface could not be provisioned",
            RegistrationFailure::NoRouteToEcs => {
                "no route leads from its subnet to Amazon ECS, or its security groups let nothing out there"
            }
            RegistrationFailure::ClusterIsFull => "the cluster has 5000 container instances, and may have no more",
        }
    }

    /// The status that it ends in: only the failure of a trunk leaves a container instance behind.
    pub fn status(self) -> &'static str {
        match self {
            RegistrationFailure::WrongClusterName
            | RegistrationFailure::MissingInstanceProfile
            | RegistrationFailure::NoRouteToEcs
            | RegistrationFailure::ClusterIsFull => "NOT_REGISTERED",
            RegistrationFailure::TrunkInterface => "REGISTRATION_FAILED",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::instance_type::find;

    fn registered(name: &str, reserved_memory_mib: u32, awsvpc_trunking: bool) -> RegisteredResources {
        RegisteredResources::new(&find(name).expect("the type is there"), reserved_memory_mib, awsvpc_trunking)
    }

    fn need(cpu_units: u32, memory_mib: u32, network_interfaces: u32) -> Reservation {
        Reservation { cpu_units, memory_mib, network_interfaces, ..Reservation::default() }
    }

    #[test]
    fn we_7_interfaces_with_and_without_a_trunk() {
        let tiny = need(1, 1, 1);
        assert_eq!(registered("c5.large", 0, false).tasks(&tiny, false), 2);
        assert_eq!(registered("c5.large", 0, true).tasks(&tiny, false), 10);
        let c5 = find("c5.large").expect("the type is there");
        assert_eq!((c5.network_interfaces(false), c5.network_interfaces(true)), (3, 12));
        for unsupported in ["t3.large", "g4dn.xlarge"] {
            assert_eq!(registered(unsupported, 0, true), registered(unsupported, 0, false), "{unsupported}");
        }
    }

    #[test]
    fn we_8_and_9_tasks_on_an_empty_instance() {
        let m5 = registered("m5.large", 0, false);
        assert_eq!(m5.tasks(&need(256, 512, 0), false), 8);
        assert_eq!(m5.tasks(&need(256, 512, 1), false), 2);
        assert_eq!(registered("m5.large", 0, true).tasks(&need(256, 512, 1), false), 8);
        assert_eq!(m5.tasks(&need(0, 2048, 0), false), 3);
        assert_eq!(m5.tasks(&need(256, 512, 0), true), 1);
    }

    #[test]
    fn we_13_reserved_memory_is_not_registered() {
        assert_eq!(registered("m5.large", 256, false).memory_mib, 7555);
    }

    #[test]
    fn what_an_empty_instance_lacks() {
        let m5 = registered("m5.large", 0, false);
        assert_eq!(m5.lacks(&need(2048, 7811, 2)), None);
        assert_eq!(m5.lacks(&need(2049, 7812, 0)), Some(Reason::Cpu));
        assert_eq!(m5.lacks(&need(1, 7812, 0)), Some(Reason::Memory));
        assert_eq!(m5.lacks(&need(1, 1, 3)), Some(Reason::NetworkInterface));
    }

    #[test]
    fn ports_and_gpus_of_an_empty_instance() {
        let m5 = registered("m5.large", 0, false);
        let ports = |ports: Vec<(Protocol, u16)>| Reservation { ports, ..need(1, 1, 0) };
        assert_eq!(m5.tasks(&ports(vec![(Protocol::Tcp, 80)]), false), 1);
        assert_eq!(m5.tasks(&ports(vec![(Protocol::Tcp, 51678)]), false), 0);
        assert_eq!(m5.tasks(&ports(vec![(Protocol::Udp, 51678)]), false), 1);
        let many = |count: u16| ports((0..count).map(|it| (Protocol::Tcp, 8000 + it)).collect());
        assert_eq!((m5.tasks(&many(95), false), m5.tasks(&many(96), false)), (1, 0));
        let gpu = Reservation { gpus: 1, ..need(1, 1, 0) };
        assert_eq!((m5.tasks(&gpu, false), registered("g5.xlarge", 0, false).tasks(&gpu, false)), (0, 1));
        let neuron = |neuron_devices| Reservation { neuron_devices, ..need(1, 1, 0) };
        let inf1 = registered("inf1.6xlarge", 0, false);
        assert_eq!([1, 2, 4, 5].map(|it| inf1.tasks(&neuron(it), false)), [4, 2, 1, 0]);
        assert_eq!(m5.lacks(&neuron(1)), Some(Reason::NeuronDevice));
    }
}
