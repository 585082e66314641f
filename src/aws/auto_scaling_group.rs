//! Auto Scaling groups: how many instances, in which zones, and which one goes.

use crate::aws::capability::AgentConfiguration;
use crate::aws::cluster_query::{InstanceFacts, Version};
use crate::aws::container_instance::{RegisteredResources, RegistrationFailure};
use crate::aws::instance_replacement::InstanceMaintenancePolicy;
use crate::aws::instance_type::InstanceType;
use crate::aws::lifecycle::LifecycleHook;
use crate::aws::load_balancer::TargetGroup;
use crate::aws::mixed_instances::{InstancesDistribution, LaunchTemplateOverride};
use crate::aws::operating_system::OperatingSystemFamily;
use crate::aws::security_group::SecurityGroup;
use crate::aws::subnet::Subnet;
use crate::aws::task_definition::TaskDefinition;
use crate::aws::volume::EbsVolume;
use crate::aws::warm_pool::WarmPool;
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
    /// The types that it launches, in the order of the list; at least one.
    pub instance_types: Vec<LaunchTemplateOverride>,
    /// The types of launch template versions that it is given later.
    pub later_instance_types: Vec<LaunchTemplateOverride>,
    /// What its instances run: LINUX where nothing is said.
    pub operating_system_family: OperatingSystemFamily,
    /// `InstancesDistribution` of its mixed instances policy; without one all are On-Demand Instances of the one type.
    pub instances_distribution: Option<InstancesDistribution>,
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
    /// Security groups of its instances (`SecurityGroupIds` of the launch template); where there are none everything
    /// comes in.
    pub security_groups: Vec<Id<SecurityGroup>>,
    /// The name of its instances' IAM instance profile, where it is said.
    pub instance_profile: Option<String>,
    /// From launch to in service and registered with the cluster, where it differs from the scenario's assumptions.
    pub boot_time: Option<crate::distribution::Distribution>,
    /// `DefaultCooldown`: how long simple scaling pauses, and a new instance warms up, where nothing else says it. AWS's
    /// default is 300 s.
    pub default_cooldown: Span,
    /// `DefaultInstanceWarmup`: how long a new instance warms up, where a policy does not say it, and is in service until it counts as
    /// one that replaces another.
    pub default_instance_warmup: Option<Span>,
    /// EBS volumes of each of its instances, the root volume first.
    pub volumes: Vec<EbsVolume>,
    /// Whether CloudWatch monitors its instances in detail (`InstanceMonitoring`): metrics each minute, not each fifth, which is billed.
    pub detailed_monitoring: bool,
    /// What it does with its instances once they are launched.
    pub upkeep: Upkeep,
}

/// What a group does with its instances once they are launched.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Upkeep {
    /// `CapacityRebalance`: whether Spot Instances are replaced when EC2 recommends it, before it interrupts them.
    pub capacity_rebalance: bool,
    /// `ECS_ENABLE_SPOT_INSTANCE_DRAINING` of its agents: whether they set themselves to DRAINING at the interruption notice. The
    /// agent's default is no.
    pub spot_instance_draining: bool,
    /// Whether `HealthCheckType` has `ELB`.
    pub elb_health_check: bool,
    /// `TargetGroupARNs` that are simulated.
    pub target_groups: Vec<Id<TargetGroup>>,
    /// `HealthCheckGracePeriod`: from in service until what the load balancer finds counts; the API's default is 0.
    pub health_check_grace_period: Span,
    /// `InstanceMaintenancePolicy`
    pub instance_maintenance_policy: Option<InstanceMaintenancePolicy>,
    /// `LifecycleHookSpecificationList`
    pub lifecycle_hooks: Vec<LifecycleHook>,
    /// `CapacityDistributionStrategy` of its `AvailabilityZoneDistribution`.
    pub capacity_distribution_strategy: CapacityDistributionStrategy,
    /// `MaxInstanceLifetime`, a day at least.
    pub max_instance_lifetime: Option<Span>,
    /// `SuspendedProcesses`
    pub suspended_processes: Vec<ScalingProcess>,
    /// `WarmPoolConfiguration`
    pub warm_pool: Option<WarmPool>,
}

/// Where a group launches when it cannot in the zone with the fewest instances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CapacityDistributionStrategy {
    /// In another zone; AWS's default.
    #[default]
    BalancedBestEffort,
    /// Nowhere: it keeps trying there.
    BalancedOnly,
}

/// A process of EC2 Auto Scaling that can be suspended (*Suspend and resume Amazon EC2 Auto Scaling processes*).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ScalingProcess {
    /// New instances.
    Launch,
    /// Instances that go.
    Terminate,
    /// Registration with target groups that a group names; those of ECS services are not its own.
    AddToLoadBalancer,
    /// What alarms ask for.
    AlarmNotification,
    /// Balance of zones.
    AzRebalance,
    /// Findings that instances are unhealthy.
    HealthCheck,
    /// Instance refreshes.
    InstanceRefresh,
    /// Replacement of the unhealthy.
    ReplaceUnhealthy,
    /// Scheduled actions; those that are missed are lost.
    ScheduledActions,
}

impl ScalingProcess {
    /// All of them.
    pub const ALL: [ScalingProcess; 9] = [
        ScalingProcess::Launch,
        ScalingProcess::Terminate,
        ScalingProcess::AddToLoadBalancer,
        ScalingProcess::AlarmNotification,
        ScalingProcess::AzRebalance,
        ScalingProcess::HealthCheck,
        ScalingProcess::InstanceRefresh,
        ScalingProcess::ReplaceUnhealthy,
        ScalingProcess::ScheduledActions,
    ];

    /// As the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            ScalingProcess::Launch => "Launch",
            ScalingProcess::Terminate => "Terminate",
            ScalingProcess::AddToLoadBalancer => "AddToLoadBalancer",
            ScalingProcess::AlarmNotification => "AlarmNotification",
            ScalingProcess::AzRebalance => "AZRebalance",
            ScalingProcess::HealthCheck => "HealthCheck",
            ScalingProcess::InstanceRefresh => "InstanceRefresh",
            ScalingProcess::ReplaceUnhealthy => "ReplaceUnhealthy",
            ScalingProcess::ScheduledActions => "ScheduledActions",
        }
    }
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

    /// The types that it launches, and those that it launches later.
    pub fn types(&self) -> impl Iterator<Item = &InstanceType> {
        self.instance_types.iter().chain(&self.later_instance_types).map(|it| &it.instance_type)
    }

    /// One of its types, by its place among those that it launches and then those that it launches later.
    pub fn launch_template_override(&self, place: usize) -> &LaunchTemplateOverride {
        match place.checked_sub(self.instance_types.len()) {
            None => &self.instance_types[place],
            Some(later) => &self.later_instance_types[later],
        }
    }

    /// The place of a type of a later launch template version.
    ///
    /// # Panics
    /// When no version has it.
    pub fn place_of_later(&self, kind: &InstanceType) -> usize {
        let place = self.later_instance_types.iter().position(|it| it.instance_type == *kind);
        self.instance_types.len() + place.expect("types of later launch templates were taken from the timeline")
    }

    /// What a task definition requires (its operating system, `requiresAttributes`) and its instances do not have: neither registered by
    /// their agents nor among the group's own attributes.
    pub fn missing_attributes<'a>(&'a self, definition: &'a TaskDefinition) -> impl Iterator<Item = &'a str> + 'a {
        let is_there = |it: &str| {
            self.agent_configuration.registers(&self.agent_version, it)
                || self.attributes.iter().any(|(own, _)| own == it)
        };
        let family = definition.operating_system_family;
        let other_family = (family != self.operating_system_family).then(|| family.required_attribute());
        let others = definition.requires_attributes.iter().map(String::as_str).filter(move |it| !is_there(it));
        other_family.into_iter().chain(others)
    }

    /// Whether some of its types count as several units of its capacity.
    pub fn has_weights(&self) -> bool {
        self.instance_types.iter().any(|it| it.weighted_capacity != 1)
    }

    /// What each of its container instances of a type registers, with the account setting `awsvpcTrunking` as it is at the beginning.
    pub fn registered_resources(&self, kind: &InstanceType) -> RegisteredResources {
        self.registered_resources_with(kind, self.awsvpc_trunking)
    }

    /// What each of its container instances of a type registers that is launched under this account setting `awsvpcTrunking`.
    pub fn registered_resources_with(&self, kind: &InstanceType, awsvpc_trunking: bool) -> RegisteredResources {
        let resources = RegisteredResources::new(kind, self.reserved_memory_mib, awsvpc_trunking);
        RegisteredResources { reserved_tcp_ports: self.reserved_tcp_ports(), ..resources }
    }

    /// TCP ports that its instances' agents reserve.
    pub fn reserved_tcp_ports(&self) -> &'static [u16] {
        self.operating_system_family.reserved_tcp_ports(self.agent_configuration.enable_task_iam_role)
    }

    /// Whether its instances of a type get a trunk network interface.
    pub fn has_trunk(&self, kind: &InstanceType) -> bool {
        kind.has_trunk(self.awsvpc_trunking)
    }

    /// The attributes that its container instances of a type in a zone register: the built-in ones (*Amazon ECS container instance
    /// attributes* in the developer guide), then its own, of which one may say what a built-in one is.
    ///
    /// An instance with a trunk, launched under this account setting `awsvpcTrunking`, has `ecs.awsvpc-trunk-id`, with an id of ours.
    ///
    /// `ecs.ami-id` and `ecs.vpc-id`, and `ecs.subnet-id` without a subnet, are there only where its own attributes say them.
    pub fn container_instance_attributes(
        &self,
        kind: &InstanceType,
        zone: &AvailabilityZone,
        subnet: Option<&Subnet>,
        awsvpc_trunking: bool,
    ) -> Vec<(String, String)> {
        let built_in = [
            ("ecs.availability-zone", zone.name.as_str()),
            ("ecs.cpu-architecture", kind.cpu_architecture.attribute()),
            ("ecs.instance-type", kind.name.as_str()),
            ("ecs.os-family", self.operating_system_family.as_str()),
            ("ecs.os-type", self.operating_system_family.os_type()),
        ];
        let subnet = subnet.map(|it| ("ecs.subnet-id", it.name.as_str()));
        let trunk = kind.has_trunk(awsvpc_trunking).then_some(("ecs.awsvpc-trunk-id", "eni-trunk"));
        let is_own = |name: &str| self.attributes.iter().any(|(own, _)| own == name);
        let built_in = built_in.iter().chain(&subnet).chain(&trunk).filter(|(name, _)| !is_own(name));
        built_in
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .chain(self.attributes.iter().cloned())
            .collect()
    }

    /// What an expression finds of an instance of these attributes on which nothing runs yet.
    pub fn facts_of_empty_instance<'a>(
        &'a self,
        attributes: &'a [(String, String)],
        registered_at_unix_nanos: i128,
    ) -> InstanceFacts<'a> {
        InstanceFacts {
            attributes,
            ec2_instance_id: "",
            agent_connected: true,
            agent_version: &self.agent_version,
            agent_configuration: Some(&self.agent_configuration),
            registered_at_unix_nanos,
            running_tasks_count: 0,
            task_groups: &[],
        }
    }
}

/// How a group chooses what to terminate, after zone balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TerminationPolicy {
    /// AWS's default: in mixed instances groups as [`AllocationStrategy`](TerminationPolicy::AllocationStrategy); then as
    /// [`OldestLaunchTemplate`](TerminationPolicy::OldestLaunchTemplate); then the instance closest to its next billing hour.
    Default,
    /// The instance of the pool that the allocation strategy would take last.
    AllocationStrategy,
    /// The instance that was launched first.
    OldestInstance,
    /// The instance that was launched last.
    NewestInstance,
    /// The instance that is closest to its next hour of age.
    ClosestToNextInstanceHour,
    /// An instance of a launch template version that is not the group's present one, of the oldest first.
    OldestLaunchTemplate,
}

/// The places of zones with so many instances in the order in which a launch tries them: those with the fewest first, the first
/// listed among equals (`balanced-best-effort`).
pub fn launch_order_of_zones(counts: &[u32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..counts.len()).collect();
    order.sort_by_key(|it| counts[*it]);
    order
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
    /// Whether the group has more of its purchase option than its distribution wants.
    pub is_above_share: bool,
    /// Its pool's place in the order in which the allocation strategy takes them.
    pub allocation_place: usize,
    /// Version of the launch template that it was launched with; `None` where that is the group's present one.
    pub past_launch_template_version: Option<u32>,
}

/// Which instance a group terminates: of the purchase option that is above its share, from the zone with the most that has an
/// unprotected one, then by the policies in order, then by `draw` (a number below its argument). `None` when all are protected.
pub fn choose_to_terminate(
    policies: &[TerminationPolicy],
    candidates: &[TerminationCandidate],
    now: Instant,
    draw: &mut dyn FnMut(usize) -> usize,
) -> Option<usize> {
    let in_zone = |zone: usize| candidates.iter().filter(|it| it.availability_zone == zone).count();
    let mut able: Vec<usize> = (0..candidates.len()).filter(|&it| !candidates[it].is_protected).collect();
    if able.iter().any(|&it| candidates[it].is_above_share) {
        able.retain(|&it| candidates[it].is_above_share);
    }
    let most = able.iter().map(|&it| in_zone(candidates[it].availability_zone)).max()?;
    able.retain(|&it| in_zone(candidates[it].availability_zone) == most);
    for policy in policies {
        // Smaller goes first.
        let rank = |it: usize| {
            let launched_at = candidates[it].launched_at.0;
            let hour = Span::HOUR.0;
            let to_next_hour = hour - now.0.saturating_sub(launched_at) % hour;
            let taken_last = u64::MAX - candidates[it].allocation_place as u64;
            let version = candidates[it].past_launch_template_version.map_or(u64::MAX, u64::from);
            match policy {
                TerminationPolicy::OldestInstance => [launched_at, 0, 0],
                TerminationPolicy::NewestInstance => [u64::MAX - launched_at, 0, 0],
                TerminationPolicy::AllocationStrategy => [taken_last, 0, 0],
                TerminationPolicy::ClosestToNextInstanceHour => [to_next_hour, 0, 0],
                TerminationPolicy::OldestLaunchTemplate => [version, 0, 0],
                TerminationPolicy::Default => [taken_last, version, to_next_hour],
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
                is_above_share: false,
                allocation_place: 0,
                past_launch_template_version: None,
            })
            .collect()
    }

    fn check(policy: TerminationPolicy, rows: &[(usize, u64, bool)], expected: Option<usize>) {
        let now = Instant(100 * Span::MINUTE.0);
        assert_eq!(choose_to_terminate(&[policy], &candidates(rows), now, &mut |_| 0), expected);
    }

    #[test]
    fn launches_go_to_the_zone_with_the_fewest() {
        assert_eq!(launch_order_of_zones(&[1, 0, 0]), [1, 2, 0]);
        assert_eq!(launch_order_of_zones(&[2, 2]), [0, 1]);
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
    fn mixed_groups_keep_their_shares_and_their_allocation_strategy() {
        let mut all = candidates(&[(0, 1, false), (0, 30, false), (1, 40, false), (1, 50, true)]);
        let chosen = |all: &[TerminationCandidate], policy| {
            choose_to_terminate(&[policy], all, Instant(100 * Span::MINUTE.0), &mut |_| 0)
        };
        all[2].is_above_share = true;
        assert_eq!(chosen(&all, TerminationPolicy::OldestInstance), Some(2));
        all[2].is_above_share = false;
        // What nothing can be taken of does not count.
        all[3].is_above_share = true;
        assert_eq!(chosen(&all, TerminationPolicy::OldestInstance), Some(0));
        all[1].allocation_place = 1;
        assert_eq!(chosen(&all, TerminationPolicy::Default), Some(1));
        assert_eq!(chosen(&all, TerminationPolicy::AllocationStrategy), Some(1));
        // To the next hour: 21, 50 and 60 minutes.
        assert_eq!(chosen(&all, TerminationPolicy::ClosestToNextInstanceHour), Some(0));
    }

    #[test]
    fn past_launch_templates_go_before_the_next_hour_and_after_the_allocation_strategy() {
        let mut all = candidates(&[(0, 45, false), (0, 1, false), (0, 30, false), (0, 20, false)]);
        let chosen = |all: &[TerminationCandidate], policy| {
            choose_to_terminate(&[policy], all, Instant(100 * Span::MINUTE.0), &mut |_| 0)
        };
        (all[1].past_launch_template_version, all[2].past_launch_template_version) = (Some(2), Some(1));
        assert_eq!(chosen(&all, TerminationPolicy::OldestLaunchTemplate), Some(2));
        assert_eq!(chosen(&all, TerminationPolicy::Default), Some(2));
        all[3].allocation_place = 1;
        assert_eq!(chosen(&all, TerminationPolicy::Default), Some(3));
    }

    #[test]
    fn the_protected_stay() {
        check(TerminationPolicy::OldestInstance, &[(0, 1, true), (0, 30, false)], Some(1));
        check(TerminationPolicy::OldestInstance, &[(0, 1, true), (0, 30, true)], None);
        check(TerminationPolicy::OldestInstance, &[(0, 1, true), (0, 2, true), (1, 30, false)], Some(2));
    }
}
