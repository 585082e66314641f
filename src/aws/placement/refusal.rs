//! Why no instance can take a task: how many fail for what, which comes closest, and by how much it falls short.
//!
//! Follows *Amazon ECS service event messages* and *Amazon ECS API failure reasons* in the developer guide (2026). ECS tells of
//! the closest instance only, and no amounts; the rest is what one would have to add up by hand.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use crate::aws::cluster_query::matches;
use crate::aws::placement::{Candidate, PlacementConstraint, failure};
use crate::aws::task_definition::{CpuArchitecture, Reservation};

/// Why an instance cannot take a task, in the order in which ECS looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// DRAINING, or not ACTIVE for another reason.
    NotActive,
    /// Of another capacity provider than the one that was chosen.
    CapacityProvider,
    /// Its agent is not connected.
    Agent,
    /// Another architecture, or an attribute that the task definition requires is missing.
    Attribute,
    /// A zone without a subnet of the service.
    AvailabilityZone,
    /// Too few CPU units left.
    Cpu,
    /// Too little memory left.
    Memory,
    /// A static host port is taken.
    Port,
    /// A hundred ports are taken.
    TooManyPorts,
    /// No network interface left.
    NetworkInterface,
    /// Too few GPUs left.
    Gpu,
    /// Too few Neuron devices left. ECS has no word for it; the words are those for GPUs.
    NeuronDevice,
    /// A `memberOf` constraint does not select it.
    MemberOf,
    /// A task of the service is there already.
    DistinctInstance,
}

/// What is told where there is no instance that could take the task: in the cluster, or in the capacity provider that was chosen
/// for it.
pub fn no_container_instances(in_capacity_provider: bool) -> &'static str {
    match in_capacity_provider {
        true => "No Container Instances were found in your capacity provider.",
        false => "No Container Instances were found in your cluster.",
    }
}

impl Reason {
    /// All of them, in their order.
    pub const ALL: [Reason; 14] = [
        Reason::NotActive,
        Reason::CapacityProvider,
        Reason::Agent,
        Reason::Attribute,
        Reason::AvailabilityZone,
        Reason::Cpu,
        Reason::Memory,
        Reason::Port,
        Reason::TooManyPorts,
        Reason::NetworkInterface,
        Reason::Gpu,
        Reason::NeuronDevice,
        Reason::MemberOf,
        Reason::DistinctInstance,
    ];

    /// In the words of *Service event messages*, after the name of an instance; those of constraints, which it does not list,
    /// from published events. The first two are ours: ECS names no such instance.
    pub fn words(self) -> &'static str {
        match self {
            Reason::NotActive => "is not ACTIVE",
            Reason::CapacityProvider => "is not of the capacity provider",
            Reason::Agent => "encountered error \"AGENT\"",
            Reason::Attribute | Reason::AvailabilityZone => "is missing an attribute required by your task",
            Reason::Cpu => "has insufficient CPU units available",
            Reason::Memory => "has insufficient memory available",
            Reason::Port => "is already using a port required by your task",
            Reason::TooManyPorts => "has too many ports in use",
            Reason::NetworkInterface => "doesn't have enough Elastic Network Interface attachment points available",
            Reason::Gpu => "has insufficient GPUs available",
            Reason::NeuronDevice => "has insufficient Neuron devices available",
            Reason::MemberOf => "encountered error \"MemberOf placement constraint unsatisfied.\"",
            Reason::DistinctInstance => "encountered error \"DistinctInstance placement constraint unsatisfied.\"",
        }
    }

    /// As `failures[].reason` of `RunTask` has it (*API failure reasons*).
    pub fn of_api(self) -> &'static str {
        match self {
            Reason::NotActive => no_container_instances(false),
            Reason::CapacityProvider => no_container_instances(true),
            Reason::Agent => "AGENT",
            Reason::Attribute | Reason::AvailabilityZone => "ATTRIBUTE",
            Reason::Cpu => "RESOURCE:CPU",
            Reason::Memory => "RESOURCE:MEMORY",
            Reason::Port | Reason::TooManyPorts => "RESOURCE:PORTS",
            Reason::NetworkInterface => "RESOURCE:ENI",
            Reason::Gpu => "RESOURCE:GPU",
            Reason::NeuronDevice => "RESOURCE:NeuronDevice",
            Reason::MemberOf => "MemberOf placement constraint unsatisfied.",
            Reason::DistinctInstance => "DistinctInstance placement constraint unsatisfied.",
        }
    }

    /// In a word or two, as tables have it.
    pub fn name(self) -> &'static str {
        match self {
            Reason::NotActive => "not ACTIVE",
            Reason::CapacityProvider => "other capacity provider",
            Reason::Agent => "agent not connected",
            Reason::Attribute => "attribute",
            Reason::AvailabilityZone => "zone",
            Reason::Cpu => "CPU",
            Reason::Memory => "memory",
            Reason::Port => "port",
            Reason::TooManyPorts => "too many ports",
            Reason::NetworkInterface => "ENI",
            Reason::Gpu => "GPU",
            Reason::NeuronDevice => "Neuron device",
            Reason::MemberOf => "memberOf",
            Reason::DistinctInstance => "distinctInstance",
        }
    }

    /// How many stages an instance has passed that fails for this; ECS has one word for some of them.
    fn stage(self) -> u32 {
        match self {
            Reason::NotActive | Reason::CapacityProvider => 0,
            Reason::Attribute | Reason::AvailabilityZone => Reason::Attribute as u32,
            other => other as u32,
        }
    }
}

/// What an instance has of a countable resource, and a task needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// What the task needs.
    pub wanted: u32,
    /// What the instance has left.
    pub left: u32,
    /// What the instance has in all.
    pub registered: u32,
}

impl Shortage {
    /// What a task needs and an instance has of the resource that a reason tells of; `None` of reasons that cannot be counted.
    pub fn of(reason: Reason, need: &Reservation, it: &Candidate) -> Option<Shortage> {
        let (wanted, left, registered) = match reason {
            Reason::Cpu => (need.cpu_units, it.remaining_cpu_units, it.registered_cpu_units),
            Reason::Memory => (need.memory_mib, it.remaining_memory_mib, it.registered_memory_mib),
            Reason::NetworkInterface => {
                (need.network_interfaces, it.remaining_network_interfaces, it.registered_network_interfaces)
            }
            Reason::Gpu => (need.gpus, it.remaining_gpus, it.registered_gpus),
            Reason::NeuronDevice => (need.neuron_devices, it.remaining_neuron_devices, it.registered_neuron_devices),
            _ => return None,
        };
        Some(Shortage { wanted, left, registered })
    }

    /// By how much the instance falls short; 0 where it has enough.
    pub fn missing(&self) -> u32 {
        self.wanted.saturating_sub(self.left)
    }
}

/// Reasons that can be counted: resources, of which some is left.
pub const COUNTABLE: [Reason; 5] =
    [Reason::Cpu, Reason::Memory, Reason::NetworkInterface, Reason::Gpu, Reason::NeuronDevice];

/// What is left of a resource on all instances that a task may use: those that fail for nothing but what they have left, or
/// because of a task that is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// On all together.
    pub in_all: u64,
    /// On the one that has most.
    pub largest_piece: u32,
    /// The most that one of them has when it is empty.
    pub largest_registered: u32,
    /// Instances that have enough of it for the task.
    pub instances_with_enough: u32,
}

/// The instance that comes closest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closest {
    /// Its place in the cluster.
    pub id: usize,
    /// Its EC2 instance id.
    pub instance: String,
    /// What it fails for first.
    pub reason: Reason,
    /// By how much, where that can be counted.
    pub shortage: Option<Shortage>,
}

/// No instance can take the task: how many fail for what, and the one that comes closest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// Instances by the first reason that each fails for.
    pub counts: BTreeMap<Reason, u32>,
    /// The instance that passes the most stages, and of these the one with most left of what is short; `None` where there is
    /// no instance.
    pub closest: Option<Closest>,
    /// Instances that the task may use, if they had room for it.
    pub usable: u32,
    /// What is left on these, in the order of [`COUNTABLE`].
    pub left: Box<[Left; COUNTABLE.len()]>,
    /// Whether a capacity provider was chosen for the task before.
    pub in_capacity_provider: bool,
}

impl Refusal {
    /// What the closest instance fails for.
    pub fn reason(&self) -> Option<Reason> {
        self.closest.as_ref().map(|it| it.reason)
    }

    /// As `failures[].reason` of `RunTask` has it (*API failure reasons*).
    pub fn of_api(&self) -> &'static str {
        match self.named_closest() {
            Some(closest) => closest.reason.of_api(),
            None => no_container_instances(self.in_capacity_provider),
        }
    }

    /// The closest instance, where ECS names it. One that is not ACTIVE, or of another capacity provider, is none to the task: what is told
    /// is the answer of an empty cluster.
    fn named_closest(&self) -> Option<&Closest> {
        self.closest.as_ref().filter(|it| !matches!(it.reason, Reason::NotActive | Reason::CapacityProvider))
    }

    /// Instances that were asked.
    pub fn instances(&self) -> u32 {
        self.counts.values().sum()
    }

    /// What is left of a resource on the instances that the task may use; `None` of reasons that cannot be counted.
    pub fn left_of(&self, reason: Reason) -> Option<Left> {
        Some(self.left[COUNTABLE.iter().position(|it| *it == reason)?])
    }
}

impl fmt::Display for Refusal {
    /// In the words of *Service event messages*.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no container instance met all of its requirements. ")?;
        let Some(Closest { instance, reason, .. }) = self.named_closest() else {
            return write!(f, "Reason: {}", no_container_instances(self.in_capacity_provider));
        };
        write!(f, "The closest matching (container-instance {instance}) {}.", reason.words())
    }
}

/// Asks instances one after the other why they cannot take a task.
pub struct Inquiry<'a> {
    need: &'a Reservation,
    architecture: Option<CpuArchitecture>,
    constraints: &'a [&'a PlacementConstraint],
    refusal: Refusal,
    closest: Option<(u32, u32, Reverse<usize>)>,
}

impl<'a> Inquiry<'a> {
    /// For one task; no instance has been asked.
    pub fn new(
        need: &'a Reservation,
        architecture: Option<CpuArchitecture>,
        constraints: &'a [&'a PlacementConstraint],
    ) -> Inquiry<'a> {
        Inquiry { need, architecture, constraints, refusal: Refusal::default(), closest: None }
    }

    /// Asks an instance; why it cannot take the task, `None` where it can.
    pub fn ask(&mut self, it: &Candidate) -> Option<Reason> {
        let reason = failure(self.need, self.architecture, self.constraints, it)?;
        let refusal = &mut self.refusal;
        *refusal.counts.entry(reason).or_insert(0) += 1;
        if is_usable(reason, self.constraints, it) {
            refusal.usable += 1;
            for (left, resource) in refusal.left.iter_mut().zip(COUNTABLE) {
                let Some(has) = Shortage::of(resource, self.need, it) else { continue };
                left.in_all += u64::from(has.left);
                left.largest_piece = left.largest_piece.max(has.left);
                left.largest_registered = left.largest_registered.max(has.registered);
                left.instances_with_enough += u32::from(has.missing() == 0);
            }
        }
        let shortage = Shortage::of(reason, self.need, it);
        let rank = (reason.stage(), shortage.map_or(0, |it| it.left), Reverse(it.id));
        if self.closest.is_none_or(|closest| closest < rank) {
            self.closest = Some(rank);
            let instance = it.facts.ec2_instance_id;
            match &mut refusal.closest {
                // Most instances are asked in vain: the name is written over.
                Some(closest) => {
                    instance.clone_into(&mut closest.instance);
                    (closest.id, closest.reason, closest.shortage) = (it.id, reason, shortage);
                }
                none => *none = Some(Closest { id: it.id, instance: instance.to_owned(), reason, shortage }),
            }
        }
        Some(reason)
    }

    /// What came of it, for those that cannot take the task.
    pub fn refusal(self) -> Refusal {
        self.refusal
    }
}

/// Whether a task may use an instance that fails for this, once it has room: its constraints, which are asked last, hold.
fn is_usable(reason: Reason, constraints: &[&PlacementConstraint], it: &Candidate) -> bool {
    match reason {
        Reason::DistinctInstance => true,
        Reason::MemberOf => false,
        _ if reason < Reason::Cpu => false,
        _ => constraints.iter().filter_map(|it| it.expression()).all(|expression| matches(expression, &it.facts)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::aws::cluster_query::{Expression, InstanceFacts, Version};
    use crate::aws::placement::PORTS_MAXIMUM;
    use crate::aws::task_definition::Protocol;

    static AGENT: LazyLock<Version> = LazyLock::new(|| Version::parse("1.105.1").expect("a version"));
    static NO_PORTS: BTreeMap<(Protocol, u16), u32> = BTreeMap::new();
    const NAMES: [&str; 5] = ["i-0", "i-1", "i-2", "i-3", "i-4"];

    /// An m5.large with this much left.
    fn host(id: usize, cpu: u32, memory: u32) -> Candidate<'static> {
        Candidate {
            id,
            availability_zone: 0,
            facts: InstanceFacts {
                attributes: &[],
                ec2_instance_id: NAMES[id],
                agent_connected: true,
                agent_version: &AGENT,
                agent_configuration: None,
                registered_at_unix_nanos: 0,
                running_tasks_count: 0,
                task_groups: &[],
            },
            remaining_cpu_units: cpu,
            remaining_memory_mib: memory,
            registered_cpu_units: 2048,
            registered_memory_mib: 7811,
            registered_network_interfaces: 2,
            registered_gpus: 0,
            registered_neuron_devices: 0,
            reserved_ports: &NO_PORTS,
            remaining_network_interfaces: 2,
            remaining_gpus: 0,
            remaining_neuron_devices: 0,
            is_active: true,
            capacity_provider_matches: true,
            subnet_matches: true,
            has_required_attributes: true,
            cpu_architecture: CpuArchitecture::X86_64,
            group_tasks: 0,
        }
    }

    fn need(cpu_units: u32, memory_mib: u32) -> Reservation {
        Reservation { cpu_units, memory_mib, ..Reservation::default() }
    }

    fn ask(need: &Reservation, constraints: &[&PlacementConstraint], hosts: &[Candidate]) -> Refusal {
        let mut inquiry = Inquiry::new(need, Some(CpuArchitecture::X86_64), constraints);
        for it in hosts {
            assert!(inquiry.ask(it).is_some(), "{} can take it", it.facts.ec2_instance_id);
        }
        inquiry.refusal()
    }

    #[test]
    fn every_reason_is_counted_and_has_words() {
        let web = BTreeMap::from([((Protocol::Tcp, 80), 1)]);
        let full: BTreeMap<(Protocol, u16), u32> =
            (0..PORTS_MAXIMUM as u16).map(|it| ((Protocol::Tcp, 1000 + it), 1)).collect();
        let disk = PlacementConstraint::MemberOf(Expression::parse("attribute:disk == ssd").expect("sound"));
        let none: &[&PlacementConstraint] = &[];
        let free = host(0, 2048, 7811);
        let mut without_agent = free;
        without_agent.facts.agent_connected = false;
        let ports = Reservation { ports: vec![(Protocol::Tcp, 80)], ..need(1, 1) };
        let interface = Reservation { network_interfaces: 1, ..need(1, 1) };
        let gpu = Reservation { gpus: 1, ..need(1, 1) };
        let neuron = Reservation { neuron_devices: 1, ..need(1, 1) };
        let cases: [(Reason, Reservation, Candidate, &[&PlacementConstraint]); 14] = [
            (Reason::NotActive, need(1, 1), Candidate { is_active: false, ..free }, none),
            (Reason::CapacityProvider, need(1, 1), Candidate { capacity_provider_matches: false, ..free }, none),
            (Reason::Agent, need(1, 1), without_agent, none),
            (Reason::Attribute, need(1, 1), Candidate { cpu_architecture: CpuArchitecture::Arm64, ..free }, none),
            (Reason::AvailabilityZone, need(1, 1), Candidate { subnet_matches: false, ..free }, none),
            (Reason::Cpu, need(2049, 1), free, none),
            (Reason::Memory, need(1, 7812), free, none),
            (Reason::Port, ports.clone(), Candidate { reserved_ports: &web, ..free }, none),
            (Reason::TooManyPorts, ports, Candidate { reserved_ports: &full, ..free }, none),
            (Reason::NetworkInterface, interface, Candidate { remaining_network_interfaces: 0, ..free }, none),
            (Reason::Gpu, gpu, free, none),
            (Reason::NeuronDevice, neuron, free, none),
            (Reason::MemberOf, need(1, 1), free, &[&disk]),
            (
                Reason::DistinctInstance,
                need(1, 1),
                Candidate { group_tasks: 1, ..free },
                &[&PlacementConstraint::DistinctInstance],
            ),
        ];
        let lacking = ask(&need(1, 1), none, &[Candidate { has_required_attributes: false, ..free }]);
        assert_eq!(lacking.reason(), Some(Reason::Attribute));
        for ((reason, need, host, constraints), expected) in cases.into_iter().zip(Reason::ALL) {
            assert_eq!(reason, expected);
            let refusal = ask(&need, constraints, &[host, Candidate { id: 1, ..host }]);
            assert_eq!(refusal.counts, BTreeMap::from([(reason, 2)]));
            assert_eq!(refusal.closest.as_ref().map(|it| (it.id, it.reason)), Some((0, reason)), "the first of equals");
            let countable = COUNTABLE.contains(&reason);
            assert_eq!(refusal.closest.as_ref().is_some_and(|it| it.shortage.is_some()), countable, "{reason:?}");
            let told = match reason {
                Reason::NotActive | Reason::CapacityProvider => format!("Reason: {}", no_container_instances(false)),
                _ => format!("(container-instance i-0) {}.", reason.words()),
            };
            assert!(refusal.to_string().ends_with(&told), "{refusal}");
        }
    }

    #[test]
    fn what_is_free_in_pieces() {
        let refusal = ask(&need(256, 2048), &[], &[host(0, 2048, 1900), host(1, 2048, 1720), host(2, 100, 1500)]);
        assert_eq!(refusal.counts, BTreeMap::from([(Reason::Cpu, 1), (Reason::Memory, 2)]));
        let closest = refusal.closest.clone().expect("there are instances");
        assert_eq!((closest.instance.as_str(), closest.reason), ("i-0", Reason::Memory));
        let shortage = closest.shortage.expect("memory can be counted");
        assert_eq!(shortage, Shortage { wanted: 2048, left: 1900, registered: 7811 });
        assert_eq!(shortage.missing(), 148);
        let left = refusal.left_of(Reason::Memory).expect("memory can be counted");
        assert_eq!(
            left,
            Left { in_all: 5120, largest_piece: 1900, largest_registered: 7811, instances_with_enough: 0 }
        );
        assert_eq!(refusal.left_of(Reason::Cpu).expect("so can CPU").instances_with_enough, 2);
    }

    #[test]
    fn only_what_the_task_may_use_is_added_up() {
        let ssd = [("disk".to_owned(), "ssd".to_owned())];
        let constraint = PlacementConstraint::MemberOf(Expression::parse("attribute:disk == ssd").expect("sound"));
        let mut able = host(0, 2048, 100);
        able.facts.attributes = &ssd;
        let hosts = [
            able,
            host(1, 2048, 7811),
            host(2, 2048, 50),
            Candidate { is_active: false, ..host(3, 2048, 7811) },
            Candidate { cpu_architecture: CpuArchitecture::Arm64, ..host(4, 2048, 7811) },
        ];
        let refusal = ask(&need(1, 200), &[&constraint], &hosts);
        let counts = [(Reason::NotActive, 1), (Reason::Attribute, 1), (Reason::Memory, 2), (Reason::MemberOf, 1)];
        assert_eq!(refusal.counts, BTreeMap::from(counts));
        assert_eq!(refusal.reason(), Some(Reason::MemberOf), "it passes the most stages");
        assert_eq!((refusal.usable, refusal.left_of(Reason::Memory).map(|it| it.in_all)), (1, Some(100)));
    }

    #[test]
    fn reasons_of_the_api() {
        let of = |it: Reason| it.of_api();
        assert_eq!(
            [Reason::Cpu, Reason::Memory, Reason::Port, Reason::NetworkInterface, Reason::Gpu].map(of),
            ["RESOURCE:CPU", "RESOURCE:MEMORY", "RESOURCE:PORTS", "RESOURCE:ENI", "RESOURCE:GPU"]
        );
        assert_eq!(
            [Reason::Agent, Reason::AvailabilityZone, Reason::MemberOf].map(of),
            ["AGENT", "ATTRIBUTE", "MemberOf placement constraint unsatisfied."]
        );
    }
}
