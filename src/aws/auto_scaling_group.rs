//! Auto Scaling groups: how many instances, in which zones, and which one goes.

use crate::aws::capability::AgentConfiguration;
use crate::aws::cluster_query::Version;
use crate::aws::container_instance::{RegisteredResources, RegistrationFailure};
use crate::aws::instance_type::InstanceType;
use crate::aws::subnet::Subnet;
use crate::aws::task_definition::TaskDefinition;
use crate::table::{Id, Table};
use crate::units::{Instant, Span};

/// An Availability Zone of the cluster, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AvailabilityZone {
    /// Name, such as `us-east-1a`.
    pub name: String,
}

/// An Auto Scaling group as the scenario defines it.
#[derive(Clone, Debug, PartialEq)]
pub struct AutoScalingGroup {
    /// Name.
    pub name: String,
    /// The one type it launches.
    pub instance_type: InstanceType,
    /// Fewest instances.
    pub min_size: u32,
    /// Most instances.
    pub max_size: u32,
    /// Instances at the start.
    pub desired_capacity: u32,
    /// Zones, in the file's order; at least one.
    pub availability_zones: Vec<Id<AvailabilityZone>>,
    /// Its subnets; in a zone without one addresses are not counted.
    pub subnets: Vec<Id<Subnet>>,
    /// Whether instances are protected from scale-in at launch.
    pub new_instances_protected_from_scale_in: bool,
    /// Termination policies, in order.
    pub termination_policies: Vec<TerminationPolicy>,
    /// `ECS_RESERVED_MEMORY` of its agents, MiB.
    pub reserved_memory_mib: u32,
    /// The account setting `awsvpcTrunking` when its instances are launched, as long as nobody puts it otherwise.
    pub awsvpc_trunking: bool,
    /// Whether the group says that of itself, whatever the account setting is.
    pub has_own_awsvpc_trunking: bool,
    /// Attributes of its container instances beside the built-in ones, or instead of one: name and value.
    pub attributes: Vec<(String, String)>,
    /// Version of their agents.
    pub agent_version: Version,
    /// What their agents' configuration says.
    pub agent_configuration: AgentConfiguration,
    /// `ECS_CONTAINER_STOP_TIMEOUT` of its agents: from SIGTERM to SIGKILL of containers that say no `stopTimeout`. The
    /// agent's default is 30 s.
    pub container_stop_timeout: Span,
    /// `ECS_PULL_DEPENDENT_CONTAINERS_UPFRONT`: whether all images of a task are pulled before its first container starts,
    /// not each when its container may start. The agent's default is no.
    pub pull_dependent_containers_upfront: bool,
    /// Why its instances do not register with the cluster, where something is wrong from the beginning.
    pub registration_failure: Option<RegistrationFailure>,
    /// From launch to in service and registered with the cluster, where it differs from the scenario's assumptions.
    pub boot_time: Option<crate::distribution::Distribution>,
    /// Size of each instance's gp3 root volume in GiB; billed by the month.
    pub default_cooldown: Span,
}

impl AutoScalingGroup {
    /// The places where it launches: each zone with each of its subnets there, or with none where there is none.
    pub fn places<'a>(
        &'a self,
        subnets: &'a Table<Subnet>,
    ) -> impl Iterator<Item = (Id<AvailabilityZone>, Option<Id<Subnet>>)> + 'a {
        self.availability_zones.iter().flat_map(move |&zone| {
            let inside = move |it: &&Id<Subnet>| subnets[**it].availability_zone == zone;
            let none = !self.subnets.iter().any(|it| inside(&it));
            let of_zone = self.subnets.iter().filter(inside).map(|it| Some(*it));
            of_zone.chain(none.then_some(None)).map(move |it| (zone, it))
        })
    }

    /// What each of its container instances registers, with the account setting `awsvpcTrunking` as it is at the beginning.
    pub fn registered_resources(&self) -> RegisteredResources {
        self.registered_resources_with(self.awsvpc_trunking)
    }

    /// What each of its container instances registers that is launched under this account setting `awsvpcTrunking`.
    pub fn registered_resources_with(&self, awsvpc_trunking: bool) -> RegisteredResources {
        RegisteredResources::new(&self.instance_type, self.reserved_memory_mib, awsvpc_trunking)
    }

    /// What a task definition requires (`requiresAttributes`) and its instances do not have: neither registered by their
    /// agents nor among the group's own attributes.
    pub fn missing_attributes<'a>(&'a self, definition: &'a TaskDefinition) -> impl Iterator<Item = &'a str> + 'a {
        let is_there = |it: &str| {
            self.agent_configuration.registers(&self.agent_version, it)
                || self.attributes.iter().any(|(own, _)| own == it)
        };
        definition.requires_attributes.iter().map(String::as_str).filter(move |it| !is_there(it))
    }

    /// Whether its instances get a trunk network interface.
    pub fn has_trunk(&self) -> bool {
        self.instance_type.has_trunk(self.awsvpc_trunking)
    }

    /// The attributes that its container instances in a zone register: the built-in ones (*Amazon ECS container instance
    /// attributes* in the developer guide), then its own, of which one may say what a built-in one is.
    ///
    /// An instance with a trunk, launched under this account setting `awsvpcTrunking`, has `ecs.awsvpc-trunk-id`, with an id of ours.
    ///
    /// `ecs.ami-id` and `ecs.vpc-id`, and `ecs.subnet-id` without a subnet, are there only where its own attributes say them.
    pub fn container_instance_attributes(
        &self,
        zone: &AvailabilityZone,
        subnet: Option<&Subnet>,
        awsvpc_trunking: bool,
    ) -> Vec<(String, String)> {
        let built_in = [
            ("ecs.availability-zone", zone.name.as_str()),
            ("ecs.cpu-architecture", self.instance_type.cpu_architecture.attribute()),
            ("ecs.instance-type", self.instance_type.name.as_str()),
            ("ecs.os-family", "LINUX"),
            ("ecs.os-type", "linux"),
        ];
        let subnet = subnet.map(|it| ("ecs.subnet-id", it.name.as_str()));
        let trunk = self.instance_type.has_trunk(awsvpc_trunking).then_some(("ecs.awsvpc-trunk-id", "eni-trunk"));
        let is_own = |name: &str| self.attributes.iter().any(|(own, _)| own == name);
        let built_in = built_in.iter().chain(&subnet).chain(&trunk).filter(|(name, _)| !is_own(name));
        built_in
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .chain(self.attributes.iter().cloned())
            .collect()
    }
}

/// How a group chooses what to terminate, after zone balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TerminationPolicy {
    /// AWS's default: with one launch template, the instance closest to its next billing hour.
    Default,
    /// The instance that was launched first.
    OldestInstance,
    /// The instance that was launched last.
    NewestInstance,
    /// The instance that is closest to its next hour of age.
    ClosestToNextInstanceHour,
}

/// The zone of the next launch: the one with the fewest instances, the first listed among equals.
///
/// # Panics
/// When there is no zone.
pub fn choose_launch_zone(zones: &[usize], counts: &[u32]) -> usize {
    let (zone, _) = zones.iter().zip(counts).min_by_key(|(_, count)| **count).expect("a group has a zone");
    *zone
}

/// An instance that a group might terminate.
#[derive(Clone, Copy, Debug)]
pub struct TerminationCandidate {
    /// Its zone.
    pub availability_zone: usize,
    /// When it was launched.
    pub launched_at: Instant,
    /// Whether it is protected from scale-in.
    pub is_protected: bool,
}

/// Which instance a group terminates: from the zone with the most that has an unprotected one, then by the policies in
/// order, then by `draw` (a number below its argument). `None` when all are protected.
pub fn choose_to_terminate(
    policies: &[TerminationPolicy],
    candidates: &[TerminationCandidate],
    now: Instant,
    draw: &mut dyn FnMut(usize) -> usize,
) -> Option<usize> {
    let in_zone = |zone: usize| candidates.iter().filter(|it| it.availability_zone == zone).count();
    let mut able: Vec<usize> = (0..candidates.len()).filter(|&it| !candidates[it].is_protected).collect();
    let most = able.iter().map(|&it| in_zone(candidates[it].availability_zone)).max()?;
    able.retain(|&it| in_zone(candidates[it].availability_zone) == most);
    for policy in policies {
        // Smaller goes first.
        let rank = |it: usize| {
            let launched_at = candidates[it].launched_at.0;
            match policy {
                TerminationPolicy::OldestInstance => launched_at,
                TerminationPolicy::NewestInstance => u64::MAX - launched_at,
                TerminationPolicy::Default | TerminationPolicy::ClosestToNextInstanceHour => {
                    let hour = 3600 * Span::SECOND.0;
                    hour - now.0.saturating_sub(launched_at) % hour
                }
            }
        };
        let first = able.iter().map(|&it| rank(it)).min()?;
        able.retain(|&it| rank(it) == first);
    }
    match able.len() {
        1 => Some(able[0]),
        several => Some(able[draw(several)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(rows: &[(usize, u64, bool)]) -> Vec<TerminationCandidate> {
        rows.iter()
            .map(|&(availability_zone, minute, is_protected)| TerminationCandidate {
                availability_zone,
                launched_at: Instant(minute * Span::MINUTE.0),
                is_protected,
            })
            .collect()
    }

    fn check(policy: TerminationPolicy, rows: &[(usize, u64, bool)], expected: Option<usize>) {
        let now = Instant(100 * Span::MINUTE.0);
        assert_eq!(choose_to_terminate(&[policy], &candidates(rows), now, &mut |_| 0), expected);
    }

    #[test]
    fn launches_go_to_the_zone_with_the_fewest() {
        assert_eq!(choose_launch_zone(&[4, 7, 9], &[1, 0, 0]), 7);
        assert_eq!(choose_launch_zone(&[4, 7], &[2, 2]), 4);
    }

    #[test]
    fn zone_balance_beats_every_policy() {
        check(TerminationPolicy::OldestInstance, &[(0, 1, false), (1, 30, false), (1, 40, false)], Some(1));
        check(TerminationPolicy::NewestInstance, &[(0, 50, false), (1, 30, false), (1, 40, false)], Some(2));
    }

    #[test]
    fn the_default_is_the_closest_to_its_next_hour() {
        // Ages at minute 100: 99, 55 and 10 minutes; to the next hour: 21, 5 and 50.
        check(TerminationPolicy::Default, &[(0, 1, false), (0, 45, false), (0, 90, false)], Some(1));
    }

    #[test]
    fn the_protected_stay() {
        check(TerminationPolicy::OldestInstance, &[(0, 1, true), (0, 30, false)], Some(1));
        check(TerminationPolicy::OldestInstance, &[(0, 1, true), (0, 30, true)], None);
        check(TerminationPolicy::OldestInstance, &[(0, 1, true), (0, 2, true), (1, 30, false)], Some(2));
    }
}
