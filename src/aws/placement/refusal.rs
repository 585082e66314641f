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
    /// Another architecture.
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
    /// A `memberOf` constraint does not select it.
    MemberOf,
    /// A task of the service is there already.
    DistinctInstance,
}

impl Reason {
    /// All of them, in their order.
    pub const ALL: [Reason; 13] = [
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
        Reason::MemberOf,
        Reason::DistinctInstance,
    ];

    /// In the words of *Service event messages*, after the name of an instance; those of constraints, which it does not list,
    /// from published events.
    pub fn words(self) -> &'static str {
        match self {
            Reason::NotActive | Reason::CapacityProvider => "is not ACTIVE in the capacity provider of your task",
            Reason::Agent => "encountered error \"AGENT\"",
            Reason::Attribute | Reason::AvailabilityZone => "is missing an attribute required by your task",
            Reason::Cpu => "has insufficient CPU units available",
            Reason::Memory => "has insufficient memory available",
            Reason::Port => "is already using a port required by your task",
            Reason::TooManyPorts => "has too many ports in use",
            Reason::NetworkInterface => "doesn't have enough Elastic Network Interface attachment points available",
            Reason::Gpu => "has insufficient GPUs available",
            Reason::MemberOf => "encountered error \"MemberOf placement constraint unsatisfied.\"",
            Reason::DistinctInstance => "encountered error \"DistinctInstance placement constraint unsatisfied.\"",
        }
    }

    /// As `failures[].reason` of `RunTask` has it (*API failure reasons*).
    pub fn of_api(self) -> &'static str {
        match self {
            // Such instances are none to the request, which is the answer of an empty cluster.
            Reason::NotActive | Reason::CapacityProvider => "No Container Instances were found in your cluster.",
            Reason::Agent => "AGENT",
            Reason::Attribute | Reason::AvailabilityZone => "ATTRIBUTE",
            Reason::Cpu => "RESOURCE:CPU",
            Reason::Memory => "RESOURCE:MEMORY",
            Reason::Port | Reason::TooManyPorts => "RESOURCE:PORTS",
            Reason::NetworkInterface => "RESOURCE:ENI",
            Reason::Gpu => "RESOURCE:GPU",
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
pub const COUNTABLE: [Reason; 4] = [Reason::Cpu, Reason::Memory, Reason::NetworkInterface, Reason::Gpu];

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
    pub left: [Left; 4],
}

impl Refusal {
    /// What the closest instance fails for.
    pub fn reason(&self) -> Option<Reason> {
        self.closest.as_ref().map(|it| it.reason)
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
        let Some(Closest { instance, reason, .. }) = &self.closest else {
            return write!(f, "Reason: No Container Instances were found in your cluster.");
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
