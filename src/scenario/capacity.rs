//! `cluster`, `autoScalingGroups` and `capacityProviders`: where tasks can run.

mod instance_types;
mod provider;

use crate::aws::auto_scaling_group::{AutoScalingGroup, AvailabilityZone, TerminationPolicy};
use crate::aws::capacity_provider::{CapacityProvider, CapacityProviderStrategyItem};
use crate::aws::cluster_query::{Version, is_of_a_name};
use crate::aws::container_instance::{CONTAINER_INSTANCES_PER_CLUSTER, RegistrationFailure};
use crate::aws::fargate::FargateCapacity;
use crate::aws::instance_type::InstanceType;
use crate::aws::mixed_instances::LaunchTemplateOverride;
use crate::aws::nat_gateway::NatGateways;
use crate::aws::operating_system::OperatingSystemFamily;
use crate::aws::start_failure::role_name;
use crate::aws::subnet::{NetworkConfiguration, Subnet};
use crate::aws::task_definition::CpuArchitecture;
use crate::scenario::agent_configuration::agent_configuration;
use crate::scenario::aws_fields::Shape;
use crate::scenario::capacity::instance_types::own_instance_type;
use crate::scenario::file_system::{FileSystems, file_systems};
use crate::scenario::mixed_instances::mixed_instances_policy;
use crate::scenario::problem::{Place, Problem};
use crate::scenario::reader::{Fields, Names, Reader, What};
use crate::scenario::sections::check_own_name;
use crate::scenario::security_group::SecurityGroups;
use crate::scenario::subnet::{Subnets, named_security_groups};
use crate::scenario::tree::{Entry, Node, Value};
use crate::scenario::upkeep::upkeep;
use crate::scenario::{ContainerInsights, quantity, volume};
use crate::table::{Id, Table};
use crate::units::Span;

pub use self::instance_types::{credit_specification, instance_type};

/// Version of agents where nothing is said: that of June 2026.
const AGENT_VERSION: &str = "1.105.1";

/// Values of the account setting `awsvpcTrunking`.
const TRUNKING: [(&str, bool); 2] = [("enabled", true), ("disabled", false)];

/// Why instances do not register.
pub const REGISTRATION_FAILURES: [(&str, RegistrationFailure); 4] = [
    ("wrongClusterName", RegistrationFailure::WrongClusterName),
    ("missingInstanceProfile", RegistrationFailure::MissingInstanceProfile),
    ("trunkInterface", RegistrationFailure::TrunkInterface),
    ("noRouteToEcs", RegistrationFailure::NoRouteToEcs),
];

/// Refuses the failure of a trunk that instances of a type never have.
pub fn check_registration_failure(
    reader: &mut Reader<'_>,
    at: Place,
    of: &str,
    failure: RegistrationFailure,
    types: &[LaunchTemplateOverride],
) {
    let mut kinds = types.iter().map(|it| &it.instance_type);
    let has_trunk = types.iter().any(|it| it.instance_type.awsvpc_tasks_with_trunk.is_some());
    if let Some(kind) = kinds.next().filter(|_| failure == RegistrationFailure::TrunkInterface && !has_trunk) {
        let message = format!("the trunk of {of} fails, and a {} never has one", kind.name);
        reader.refuse(Problem::new(at, message).help("`awsvpcTrunking` does not support this type"));
    }
}

/// The cluster and what it runs on.
pub struct Capacity {
    /// The cluster's name.
    pub cluster_name: String,
    /// Zones.
    pub zones: Table<AvailabilityZone>,
    /// Subnets.
    pub subnets: Subnets,
    /// Security groups.
    pub security_groups: SecurityGroups,
    /// File systems of EFS.
    pub file_systems: FileSystems,
    /// NAT gateways, where there are any.
    pub nat_gateways: Option<NatGateways>,
    /// Instance types that the scenario describes itself.
    instance_types: Vec<InstanceType>,
    /// Groups.
    pub groups: Table<AutoScalingGroup>,
    /// Providers.
    pub providers: Table<CapacityProvider>,
    /// Names of zones.
    pub zone_names: Names<AvailabilityZone>,
    /// Names of groups.
    pub group_names: Names<AutoScalingGroup>,
    /// Names of providers.
    pub provider_names: Names<CapacityProvider>,
    /// Whether Container Insights is on.
    pub container_insights: ContainerInsights,
    /// `defaultCapacityProviderStrategy` of the cluster.
    pub default_strategy: Vec<CapacityProviderStrategyItem>,
    /// Whether the cluster says one, be it of providers that are not simulated.
    pub says_default_strategy: bool,
    /// The account setting `awsvpcTrunking`, where no group says otherwise.
    awsvpc_trunking: bool,
    /// Groups that say of themselves that new instances are not protected.
    unprotected: Vec<String>,
    /// Types that only later versions of launch templates bring, by what the timeline says.
    later_types: Vec<String>,
    /// Groups with the names of target groups that they are attached to.
    pub attached: Vec<(String, Vec<String>)>,
}

impl Capacity {
    /// The three sections.
    pub fn read(
        reader: &mut Reader<'_>,
        mut cluster: Option<Fields<'_>>,
        instance_types: &[Entry],
        groups: &[Entry],
        providers: &[Entry],
    ) -> Capacity {
        let mut capacity = Capacity {
            cluster_name: "default".to_owned(),
            zones: Table::new(),
            subnets: Subnets::default(),
            security_groups: SecurityGroups::default(),
            file_systems: FileSystems::default(),
            nat_gateways: None,
            instance_types: instance_types.iter().filter_map(|it| own_instance_type(reader, it)).collect(),
            groups: Table::new(),
            providers: Table::new(),
            zone_names: Names::new("Availability Zone", "cluster.availabilityZones"),
            group_names: Names::new("Auto Scaling group", "autoScalingGroups"),
            provider_names: Names::new("capacity provider", "capacityProviders"),
            container_insights: ContainerInsights::default(),
            default_strategy: Vec::new(),
            says_default_strategy: false,
            awsvpc_trunking: false,
            unprotected: Vec::new(),
            later_types: Vec::new(),
            attached: Vec::new(),
        };
        let usual_zones = ["us-east-1a", "us-east-1b", "us-east-1c"].map(str::to_owned);
        if let Some(fields) = &mut cluster {
            if !fields.has("clusterName") {
                fields.usual(reader, "name", capacity.cluster_name.as_str());
            }
            fields.usual(reader, "availabilityZones", &usual_zones[..]);
            let name = fields.take_either("name", "clusterName");
            if let Some(name) = name.and_then(|it| reader.text(What { field: "name", of: "`cluster`" }, it)) {
                capacity.cluster_name = name.to_owned();
            }
            for node in fields.list(reader, "availabilityZones") {
                let what = What { field: "availabilityZones", of: "`cluster`" };
                let Some(name) = reader.text(what, node) else { continue };
                if capacity.zone_names.iter().any(|it| it == name) {
                    reader.refuse(Problem::new(node.place, format!("zone `{name}` is listed twice")));
                }
                let id = capacity.zones.push(AvailabilityZone { name: name.to_owned() });
                capacity.zone_names.add(name, Some(id));
            }
        }
        if let Some(fields) = &mut cluster {
            capacity.awsvpc_trunking = fields.word_or(reader, "awsvpcTrunking", &TRUNKING, false);
            capacity.container_insights = container_insights(reader, fields);
        }
        if capacity.zones.is_empty() {
            for name in usual_zones {
                capacity.zone_names.add(&name, Some(capacity.zones.next_id()));
                capacity.zones.push(AvailabilityZone { name });
            }
        }
        if let Some(fields) = &mut cluster {
            capacity.subnets.read(reader, fields, &capacity.zone_names);
            capacity.security_groups.read(reader, fields);
            let zones: Vec<_> = capacity.zones.ids().collect();
            capacity.file_systems = file_systems(reader, fields, &capacity.zone_names, &capacity.subnets, &zones);
            capacity.nat_gateways = volume::nat_gateways(reader, fields, &capacity.zones, &capacity.subnets);
        }
        for entry in groups {
            if entry.node.get("NewInstancesProtectedFromScaleIn").and_then(Node::text) == Some("false") {
                capacity.unprotected.push(entry.key.clone());
            }
            let group = capacity.group(reader, entry);
            let id = group.map(|it| capacity.groups.push(it));
            capacity.group_names.add(&entry.key, id);
        }
        let at_most: u64 = capacity.groups.iter().map(|it| u64::from(it.max_size)).sum();
        if at_most > CONTAINER_INSTANCES_PER_CLUSTER as u64 {
            reader.note(format!(
                "the groups may grow to {at_most} instances together, and a cluster has at most {CONTAINER_INSTANCES_PER_CLUSTER} container \
                 instances (Amazon ECS endpoints and quotas): those beyond it do not register"
            ));
        }
        for entry in providers {
            if FargateCapacity::ALL.iter().any(|it| it.provider_name() == entry.key) {
                // It is always there; `DescribeCapacityProviders` lists it with the others.
                let fields = reader.fields(&entry.node, format!("capacity provider `{}`", entry.key));
                if let Some(mut fields) = fields {
                    check_own_name(reader, &mut fields, "capacityProviders", &entry.key);
                    fields.finish(reader, &Shape::CAPACITY_PROVIDER);
                }
                continue;
            }
            let provider = capacity.provider(reader, entry);
            let id = provider.map(|it| capacity.providers.push(it));
            capacity.provider_names.add(&entry.key, id);
        }
        for fargate in FargateCapacity::ALL {
            let id = capacity.providers.push(CapacityProvider::of_fargate(fargate));
            capacity.provider_names.add(fargate.provider_name(), Some(id));
        }
        if let Some(mut fields) = cluster {
            if let Some(node) = fields.take("defaultCapacityProviderStrategy") {
                capacity.default_strategy = capacity.strategy(reader, node, "`cluster`");
                capacity.says_default_strategy = !node.is_blank();
            }
            fields.finish(reader, &Shape::CLUSTER);
        }
        capacity
    }

    /// `networkConfiguration` of a service or of `RunTask`: every subnet of the cluster where it says nothing.
    pub fn network_of_launch(&self, reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> NetworkConfiguration {
        let subnets = || self.subnets.table.ids().collect();
        let said = self.network_of_launch_if_said(reader, fields);
        said.unwrap_or_else(|| NetworkConfiguration { subnets: subnets(), ..NetworkConfiguration::default() })
    }

    /// The same, `None` where there is no `networkConfiguration`.
    pub fn network_of_launch_if_said(
        &self,
        reader: &mut Reader<'_>,
        fields: &mut Fields<'_>,
    ) -> Option<NetworkConfiguration> {
        self.subnets.of_launch(reader, fields, &self.security_groups.names)
    }

    /// The zones of a list or of a text such as `us-east-1a,us-east-1b`; all of the cluster's where nothing is said.
    pub fn some_zones(&self, reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Vec<Id<AvailabilityZone>> {
        let name = "availabilityZones";
        let what = What { field: name, of: &fields.of.clone() };
        let all: Vec<String> = self.zones.iter().map(|it| it.name.clone()).collect();
        fields.derived(reader, name, &all[..]);
        let mut zones = Vec::new();
        match fields.take(name) {
            Some(node) if node.text().is_some() => {
                for name in node.text().unwrap_or("").split(',').map(str::trim).filter(|it| !it.is_empty()) {
                    zones.extend(reader.named(what, node.place, name, &self.zone_names));
                }
            }
            Some(node) => {
                for item in reader.list(what, node) {
                    // Elastic Load Balancing lists maps with a `ZoneName`.
                    let item = item.get("zoneName").unwrap_or(item);
                    zones.extend(reader.reference(what, item, &self.zone_names));
                }
            }
            None => {}
        }
        zones.dedup();
        if zones.is_empty() { self.zones.ids().collect() } else { zones }
    }

    /// Where a group launches: its zones, or those of its subnets; and its subnets, or all of its zones'.
    fn zones_and_subnets(
        &self,
        reader: &mut Reader<'_>,
        fields: &mut Fields<'_>,
    ) -> (Vec<Id<AvailabilityZone>>, Vec<Id<Subnet>>) {
        let place = fields.place_of("VPCZoneIdentifier");
        let of_subnet = |it: &Id<Subnet>| self.subnets.table[*it].availability_zone;
        let Some(subnets) = self.subnets.of_group(reader, fields) else {
            let zones = self.some_zones(reader, fields);
            let subnets = self.subnets.table.ids().filter(|it| zones.contains(&of_subnet(it))).collect();
            return (zones, subnets);
        };
        if !fields.has("AvailabilityZones") {
            let mut zones: Vec<_> = subnets.iter().map(of_subnet).collect();
            zones.sort_unstable();
            zones.dedup();
            return (if zones.is_empty() { self.zones.ids().collect() } else { zones }, subnets);
        }
        let zones = self.some_zones(reader, fields);
        if let Some(outside) = subnets.iter().find(|it| !zones.contains(&of_subnet(it))) {
            let (subnet, zone) = (&self.subnets.table[*outside].name, &self.zones[of_subnet(outside)].name);
            let message = format!("{} has subnet `{subnet}`, which lies in {zone}", fields.of);
            reader.refuse(
                Problem::new(place, message).help("`AvailabilityZones` must have the zones of all its subnets"),
            );
        }
        (zones, subnets)
    }

    fn group(&mut self, reader: &mut Reader<'_>, entry: &Entry) -> Option<AutoScalingGroup> {
        let problems = reader.problems.len();
        let mut fields = reader.fields(&entry.node, format!("Auto Scaling group `{}`", entry.key))?;
        check_own_name(reader, &mut fields, "autoScalingGroups", &entry.key);
        let (mut instance_types, mut instances_distribution) = (Vec::new(), None);
        if let Some(entry) = fields.take_entry("MixedInstancesPolicy") {
            if let Some(node) = fields.take("InstanceType") {
                let message = format!("{} has an `InstanceType` and a `MixedInstancesPolicy`", fields.of);
                let problem = Problem::new(node.place, message).related(entry.key_place, "which says the types");
                reader.refuse(problem.help("put the type among its `Overrides`, or leave the policy out"));
            }
            let policy = mixed_instances_policy(reader, &entry.node, &fields.of, &self.instance_types);
            if let Some((types, distribution)) = policy {
                (instance_types, instances_distribution) = (types, Some(distribution));
            }
        } else if let Some(node) = fields.required(reader, "InstanceType") {
            let found = instance_type(reader, node, &fields.of, &self.instance_types);
            let only = |instance_type| LaunchTemplateOverride::named(instance_type, 1);
            instance_types.extend(found.map(only));
        }
        let credits = fields.take_entry("CreditSpecification");
        let kinds = || instance_types.iter().map(|it: &LaunchTemplateOverride| &it.instance_type);
        let is_unlimited = credits.and_then(|it| credit_specification(reader, it, &fields.of, kinds()));
        if let Some(is_unlimited) = is_unlimited {
            instance_types.iter_mut().for_each(|it| it.instance_type.specify_credits(is_unlimited));
        }
        let families = OperatingSystemFamily::ALL.map(|it| (it.as_str(), it));
        let linux = OperatingSystemFamily::Linux;
        let operating_system_family = fields.word_or(reader, "operatingSystemFamily", &families, linux);
        if operating_system_family.is_windows() {
            let at = fields.place_of("operatingSystemFamily");
            for kind in instance_types.iter_mut().map(|it| &mut it.instance_type) {
                // Trunks are Linux's (*Increasing Amazon ECS Linux container instance network interfaces*).
                kind.awsvpc_tasks_with_trunk = None;
                if kind.cpu_architecture == CpuArchitecture::Arm64 {
                    let message = format!("{} runs Windows on a {}, which is ARM64", fields.of, kind.name);
                    let problem = Problem::new(at, message).label("only on X86_64");
                    reader.refuse(problem.help("take a type of X86_64, such as m5.large"));
                }
            }
        }
        let bounds = Bounds {
            min: fields.required_count(reader, "MinSize", 0..=5_000),
            max: fields.required_count(reader, "MaxSize", 0..=5_000),
            desired: fields.count(reader, "DesiredCapacity", 0..=5_000),
        };
        if let Some(min) = bounds.min {
            fields.derived(reader, "DesiredCapacity", &min);
        }
        bounds.check(reader, entry.node.place, &fields.of, Bounds::NAMES_OF_GROUP, &entry.node);
        let (availability_zones, subnets) = self.zones_and_subnets(reader, &mut fields);
        // Its default depends on the capacity provider above it.
        let protection = fields.flag(reader, "NewInstancesProtectedFromScaleIn").unwrap_or(false);
        let termination_policies = termination_policies(reader, &mut fields);
        let default_cooldown = fields.seconds_or(reader, "DefaultCooldown", 0..=86_400, Span::seconds(300));
        // -1 is how the API says that it is not set.
        let default_instance_warmup = match fields.take("DefaultInstanceWarmup") {
            Some(node) if node.text() == Some("-1") => None,
            Some(node) => reader
                .count(What { field: "DefaultInstanceWarmup", of: &fields.of }, node, 0..=3_600)
                .map(|it| Span::seconds(u64::from(it))),
            None => None,
        };
        fields.usual(reader, "reservedMemory", &0);
        let reserved_memory_mib = fields.parsed(reader, "reservedMemory", quantity::task_memory);
        if let [only] = instance_types.as_slice() {
            fields.derived(reader, "registeredMemory", &only.instance_type.registered_memory_mib);
        }
        let place = fields.place_of("registeredMemory");
        if let Some(mib) = fields.parsed(reader, "registeredMemory", quantity::task_memory) {
            match instance_types.as_mut_slice() {
                [only] => only.instance_type.registered_memory_mib = mib,
                [] => {}
                several => {
                    let message = format!("`registeredMemory` of {} is one for {} types", fields.of, several.len());
                    let help = "say it of each type under `instanceTypes`";
                    reader.refuse(Problem::new(place, message).help(help));
                }
            }
        }
        // No default is said: a group that says it keeps it when the account setting changes.
        let says_trunking = fields.word(reader, "awsvpcTrunking", &TRUNKING);
        let awsvpc_trunking = says_trunking.unwrap_or(self.awsvpc_trunking);
        for kind in instance_types.iter().map(|it| &it.instance_type) {
            if says_trunking == Some(true) && kind.awsvpc_tasks_with_trunk.is_none() {
                reader.note(format!(
                    "{} has awsvpcTrunking, which does not support {}: its instances get no trunk",
                    fields.of, kind.name
                ));
            }
        }
        let attributes = attributes(reader, &mut fields);
        fields.usual(reader, "agentVersion", AGENT_VERSION);
        let agent_version = fields.parsed(reader, "agentVersion", |text| {
            Version::parse(text).ok_or_else(|| format!("`{text}` is no version such as {AGENT_VERSION}"))
        });
        let agent_version =
            agent_version.or_else(|| Version::parse(AGENT_VERSION)).expect("the usual one is a version");
        let agent_configuration = agent_configuration(reader, &mut fields, operating_system_family);
        let names_other_cluster = agent_configuration.cluster.as_ref().is_some_and(|it| *it != self.cluster_name);
        let what = What { field: "SecurityGroupIds", of: &fields.of.clone() };
        let security_groups = fields
            .take("SecurityGroupIds")
            .map_or(Vec::new(), |it| named_security_groups(reader, what, it, &self.security_groups.names));
        let instance_profile = instance_profile(reader, &mut fields);
        let container_stop_timeout = fields.seconds_or(reader, "containerStopTimeout", 1..=86_400, Span::seconds(30));
        let pull_dependent_containers_upfront = fields.flag_or(reader, "pullDependentContainersUpfront", false);
        let registration_failure = fields.word(reader, "registrationFailure", &REGISTRATION_FAILURES);
        if let Some(failure) = registration_failure {
            let at = fields.place_of("registrationFailure");
            check_registration_failure(reader, at, &fields.of, failure, &instance_types);
        }
        let registration_failure =
            registration_failure.or(names_other_cluster.then_some(RegistrationFailure::WrongClusterName));
        let boot_time = fields.distribution(reader, "bootTime");
        let volumes = volume::of_group(reader, &mut fields, operating_system_family);
        let monitoring = fields.map(reader, "InstanceMonitoring");
        let detailed_monitoring = monitoring.is_some_and(|mut it| {
            let enabled = it.flag_or(reader, "Enabled", false);
            it.finish(reader, &Shape::INSTANCE_MONITORING);
            enabled
        });
        let (upkeep, target_groups) = upkeep(reader, &mut fields, instances_distribution.is_some());
        if !target_groups.is_empty() || upkeep.elb_health_check {
            self.attached.push((entry.key.clone(), target_groups));
        }
        fields.finish(reader, &Shape::AUTO_SCALING_GROUP);
        for kind in instance_types.iter().map(|it| &it.instance_type) {
            if reserved_memory_mib.unwrap_or(0) >= kind.registered_memory_mib {
                let (name, mib) = (&kind.name, kind.registered_memory_mib);
                let message = format!("Auto Scaling group `{}` reserves all of the {mib} MiB of a {name}", entry.key);
                reader.refuse(Problem::new(entry.node.place, message));
            }
        }
        if instance_types.is_empty() {
            return None;
        }
        let (min_size, max_size) = (bounds.min?, bounds.max?);
        (reader.problems.len() == problems).then(|| AutoScalingGroup {
            name: entry.key.clone(),
            instance_types,
            later_instance_types: Vec::new(),
            operating_system_family,
            instances_distribution,
            min_size,
            max_size,
            desired_capacity: bounds.desired.unwrap_or(min_size),
            availability_zones,
            subnets,
            new_instances_protected_from_scale_in: protection,
            termination_policies,
            reserved_memory_mib: reserved_memory_mib.unwrap_or(0),
            awsvpc_trunking,
            has_own_awsvpc_trunking: says_trunking.is_some(),
            attributes,
            agent_version,
            agent_configuration,
            container_stop_timeout,
            pull_dependent_containers_upfront,
            registration_failure,
            security_groups,
            instance_profile,
            boot_time,
            default_cooldown,
            volumes,
            detailed_monitoring,
            upkeep,
            default_instance_warmup,
        })
    }
}

/// A least, a most, and what lies between.
pub struct Bounds {
    /// Least.
    pub min: Option<u32>,
    /// Most.
    pub max: Option<u32>,
    /// Between.
    pub desired: Option<u32>,
}

impl Bounds {
    /// What is said of a group's.
    pub fn of_group(reader: &mut Reader<'_>, fields: &mut Fields<'_>, node: &Node) -> Bounds {
        let bounds = Bounds {
            min: fields.count(reader, "MinSize", 0..=5_000),
            max: fields.count(reader, "MaxSize", 0..=5_000),
            desired: fields.count(reader, "DesiredCapacity", 0..=5_000),
        };
        bounds.check(reader, node.place, &fields.of, Bounds::NAMES_OF_GROUP, node);
        bounds
    }

    /// What is said of a scalable target's.
    pub fn of_scalable_target(reader: &mut Reader<'_>, fields: &mut Fields<'_>, node: &Node) -> Bounds {
        let bounds = Bounds {
            min: fields.count(reader, "MinCapacity", 0..=5_000),
            max: fields.count(reader, "MaxCapacity", 0..=5_000),
            desired: None,
        };
        bounds.check(reader, node.place, &fields.of, ["MinCapacity", "MaxCapacity", ""], node);
        bounds
    }

    /// The fields of a group that hold them.
    pub const NAMES_OF_GROUP: [&str; 3] = ["MinSize", "MaxSize", "DesiredCapacity"];

    /// Refuses bounds that contradict each other; `names` are those of the fields of `node`, least, most, between.
    pub fn check(&self, reader: &mut Reader<'_>, place: Place, of: &str, names: [&str; 3], node: &Node) {
        let at = |name: &str| node.get(name).map_or(place, |it| it.place);
        let [min_name, max_name, desired_name] = names;
        if let (Some(min), Some(max)) = (self.min, self.max)
            && min > max
        {
            let message = format!("`{min_name}` of {of} is {min}, above its `{max_name}` of {max}");
            reader.refuse(Problem::new(at(min_name), message).related(at(max_name), "the most"));
        } else if let Some(desired) = self.desired
            && (self.min.is_some_and(|it| desired < it) || self.max.is_some_and(|it| desired > it))
        {
            let (min, max) = (self.min.unwrap_or(0), self.max.unwrap_or(desired));
            let message = format!("`{desired_name}` of {of} is {desired}, outside of {min} to {max}");
            reader.refuse(Problem::new(at(desired_name), message));
        }
    }
}

/// `IamInstanceProfile` of a launch template (`Name` or `Arn`) or of a launch configuration: its name.
fn instance_profile(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<String> {
    let node = fields.take("IamInstanceProfile")?;
    if node.text().is_some() {
        let what = What { field: "IamInstanceProfile", of: &fields.of };
        return reader.text(what, node).map(|it| role_name(it).to_owned());
    }
    let mut profile = reader.fields(node, format!("`IamInstanceProfile` of {}", fields.of))?;
    let name = profile.take_either("Name", "Arn");
    let name = name.and_then(|it| reader.text(What { field: "Name", of: &profile.of }, it));
    profile.finish(reader, &Shape::OURS);
    name.map(|it| role_name(it).to_owned())
}

fn termination_policies(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Vec<TerminationPolicy> {
    let words = [
        ("Default", TerminationPolicy::Default),
        ("OldestInstance", TerminationPolicy::OldestInstance),
        ("NewestInstance", TerminationPolicy::NewestInstance),
        ("ClosestToNextInstanceHour", TerminationPolicy::ClosestToNextInstanceHour),
        ("AllocationStrategy", TerminationPolicy::AllocationStrategy),
        ("OldestLaunchTemplate", TerminationPolicy::OldestLaunchTemplate),
        // Groups here have templates, of which the one that says nothing of itself is the first version.
        ("OldestLaunchConfiguration", TerminationPolicy::OldestLaunchTemplate),
    ];
    let mut policies = Vec::new();
    let name = "TerminationPolicies";
    fields.usual(reader, name, &["Default".to_owned()][..]);
    for node in fields.list(reader, name) {
        let what = What { field: name, of: &fields.of };
        match node.text() {
            Some(arn) if arn.starts_with("arn:aws:lambda:") => {
                reader.not_simulated(node.place, format!("a termination policy that is a Lambda function (`{arn}`)"));
            }
            _ => policies.extend(reader.word(what, node, &words)),
        }
    }
    if policies.iter().rev().skip(1).any(|it| *it == TerminationPolicy::Default) {
        let message = format!("`{name}` of {} has `Default` before another", fields.of);
        reader.refuse(Problem::new(fields.place_of(name), message).help("AWS wants it last"));
    }
    if policies.is_empty() { vec![TerminationPolicy::Default] } else { policies }
}

/// Attributes of container instances: names, and values that may be missing.
pub fn attributes(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Vec<(String, String)> {
    let of = fields.of.clone();
    let entries = fields.entries(reader, "attributes");
    entries
        .iter()
        .filter_map(|it| {
            check_attribute(reader, it, &of);
            // An attribute may have a name without a value.
            if it.node.value == Value::Null {
                return Some((it.key.clone(), String::new()));
            }
            let value = reader.text(What { field: &it.key, of: &format!("`attributes` of {of}") }, &it.node)?;
            Some((it.key.clone(), value.to_owned()))
        })
        .collect()
}

/// The API's rule for attributes (`Attribute`): 1 to 128 of some characters, in names and values.
fn check_attribute(reader: &mut Reader<'_>, entry: &Entry, of: &str) {
    let (name, value) = (&entry.key, entry.node.text().unwrap_or(""));
    if name.is_empty() || name.len() > 128 || !name.chars().all(is_of_a_name) {
        let problem = Problem::new(entry.key_place, format!("an attribute of {of} cannot be called `{name}`"));
        reader.refuse(problem.help("AWS allows 1 to 128 letters, digits, and `-`, `_`, `/`, `\\`, `.`"));
    }
    let is_of_a_value = |it: char| is_of_a_name(it) || matches!(it, '@' | ':' | ' ');
    if value.len() > 128 || !value.chars().all(is_of_a_value) || value.trim() != value {
        let problem = Problem::new(entry.node.place, format!("the attribute `{name}` of {of} cannot be `{value}`"));
        reader.refuse(
            problem.help(
                "AWS allows up to 128 letters, digits, `-`, `_`, `/`, `\\`, `.`, `@`, `:`, and spaces between them",
            ),
        );
    }
}

/// `containerInsights`, or the item of that name in the cluster's `settings`.
fn container_insights(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> ContainerInsights {
    let words = [
        ("disabled", ContainerInsights::Disabled),
        ("enabled", ContainerInsights::Enabled),
        ("enhanced", ContainerInsights::Enhanced),
    ];
    let settings = fields.list(reader, "settings");
    let is_it = |it: &&Node| it.get("name").and_then(Node::text) == Some("containerInsights");
    let what = What { field: "settings", of: "`cluster`" };
    let set = settings.iter().find(is_it).and_then(|it| it.get("value")).and_then(|it| reader.word(what, it, &words));
    let usual = set.unwrap_or_default();
    if settings.is_empty() {
        fields.usual(reader, "containerInsights", "disabled");
    }
    fields.word(reader, "containerInsights", &words).unwrap_or(usual)
}
