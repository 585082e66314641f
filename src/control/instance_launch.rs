//! Launches of instances: which purchase option, zone and type come next, and what happens where EC2 has nothing.

use crate::aws::auto_scaling_group::{
    AutoScalingGroup, AvailabilityZone, CapacityDistributionStrategy, launch_order_of_zones,
};
use crate::aws::capacity_pool::CapacityPool;
use crate::aws::container_instance::{RegisteredResources, RegistrationFailure, instance_name};
use crate::aws::instance_type::InstanceType;
use crate::aws::lifecycle::LifecycleState;
use crate::aws::mixed_instances::{PoolOffer, PurchaseOption};
use crate::aws::subnet::{EndpointService, Subnet};
use crate::aws::task_definition::Protocol;
use crate::cluster::{ContainerInstance, InstanceStatus};
use crate::control::Control;
use crate::control::auto_scaling_group::InstanceInGroup;
use crate::control::log::Decision;
use crate::control::task_life::Agent;
use crate::scenario::{Missing, TimelineChange};
use crate::table::Id;
use crate::units::{Instant, Span};

/// Where and as what an instance is launched.
struct LaunchPlace {
    availability_zone: Id<AvailabilityZone>,
    subnet: Option<Id<Subnet>>,
    launch_template_override: usize,
    purchase_option: PurchaseOption,
    usd_per_hour: f64,
}

/// An instance that is wanted for more than the group's desired capacity.
pub struct LaunchWish {
    /// How it is bought.
    pub purchase_option: PurchaseOption,
    /// Only in these zones.
    pub zones: Option<Vec<Id<AvailabilityZone>>>,
    /// What it is launched for, as activities of groups say it.
    pub words: &'static str,
}

/// Why nothing can be launched now.
enum LaunchFailure {
    /// No subnet has an address left; the first that has none.
    InsufficientFreeAddressesInSubnet(PurchaseOption, Id<Subnet>),
    /// EC2 has none of these types in the group's zones, or at too high a price.
    InsufficientInstanceCapacity(PurchaseOption),
}

impl Control<'_> {
    /// Launches an instance of a group where it may; `None` where nothing can be launched, which is tried again in a while.
    pub(super) fn launch_instance(
        &mut self,
        group: Id<AutoScalingGroup>,
        cause: Option<Decision>,
    ) -> Option<Id<ContainerInstance>> {
        let mut failure = None;
        for purchase_option in self.purchase_options_wanted(group) {
            match self.launch_place(group, purchase_option, None) {
                Ok(place) => return Some(self.launch_at(group, &place, "", cause)),
                Err(why) => failure = failure.or(Some(why)),
            }
        }
        self.launch_fails(group, &failure?, cause);
        None
    }

    /// Launches an instance that is wanted for something else than the desired capacity; what fails is tried again in a while.
    pub(super) fn launch_wished(
        &mut self,
        group: Id<AutoScalingGroup>,
        wish: &LaunchWish,
        cause: Option<Decision>,
    ) -> Option<Id<ContainerInstance>> {
        match self.launch_place(group, wish.purchase_option, wish.zones.as_deref()) {
            Ok(place) => Some(self.launch_at(group, &place, wish.words, cause)),
            Err(why) => {
                self.launch_fails(group, &why, cause);
                None
            }
        }
    }

    /// Whether such an instance could be launched now.
    pub(super) fn can_launch(&self, group: Id<AutoScalingGroup>, wish: &LaunchWish) -> bool {
        self.launch_place(group, wish.purchase_option, wish.zones.as_deref()).is_ok()
    }

    /// EC2 has more or less of some types, or at another price. Groups find out at their next try; Spot Instances beyond what is there
    /// now are taken back.
    pub(super) fn update_capacity_pool(&mut self, pool: &CapacityPool) {
        self.capacity_pools.push(pool.clone());
        let zones: Vec<&str> =
            pool.availability_zones.iter().map(|it| self.scenario.availability_zones[*it].name.as_str()).collect();
        let has = pool.available.map(|it| format!("{it} available")).into_iter();
        let costs = pool.usd_per_hour.map(|it| format!("{it} USD an hour"));
        let interrupts = pool.interruptions_per_hour.map(|it| format!("{it} interruptions an hour"));
        let what: Vec<String> = has.chain(costs).chain(interrupts).collect();
        let option = pool.purchase_option.as_str();
        let message = format!("{} ({option}) in {}: {}", pool.instance_type, zones.join(", "), what.join(", "));
        let cause = self.log.put(
            self.agenda.now(),
            None,
            "timeline.update_capacity_pool",
            format!("capacity-pool/{}", pool.instance_type),
            message,
        );
        for zone in &pool.availability_zones {
            self.take_back_of_pool(&pool.instance_type, *zone, cause);
        }
    }

    /// What the group has less of than its distribution wants, On-Demand first.
    fn purchase_options_wanted(&self, group: Id<AutoScalingGroup>) -> Vec<PurchaseOption> {
        let Some(distribution) = self.scenario.auto_scaling_groups[group].instances_distribution else {
            return vec![PurchaseOption::OnDemand];
        };
        let desired = self.groups[group.index()].desired_capacity;
        let on_demand = distribution.on_demand_capacity(desired);
        let wanted = [(PurchaseOption::OnDemand, on_demand), (PurchaseOption::Spot, desired - on_demand)];
        let lacks = |it: &(PurchaseOption, u32)| self.group_capacity(group, Some(it.0)) < it.1;
        wanted.into_iter().filter(lacks).map(|it| it.0).collect()
    }

    /// Zones with the fewest instances come first, and in a zone what the allocation strategy takes first.
    fn launch_place(
        &self,
        group: Id<AutoScalingGroup>,
        purchase_option: PurchaseOption,
        only: Option<&[Id<AvailabilityZone>]>,
    ) -> Result<LaunchPlace, LaunchFailure> {
        let definition = &self.scenario.auto_scaling_groups[group];
        let zones = &definition.availability_zones;
        let mut counts = self.instances_by_zone(group);
        // What is about to go leaves its place to what comes for it.
        for old in self.replaced_instances(group) {
            let zone = self.cluster.instances[old].availability_zone;
            if let Some(count) = zones.iter().position(|it| *it == zone).map(|it| &mut counts[it]) {
                *count = count.saturating_sub(1);
            }
        }
        let mut order = launch_order_of_zones(&counts);
        if definition.upkeep.capacity_distribution_strategy == CapacityDistributionStrategy::BalancedOnly {
            let fewest = counts.iter().min().copied();
            order.retain(|it| Some(counts[*it]) == fewest);
        }
        let mut full = None;
        let mut is_short = false;
        for availability_zone in order.into_iter().map(|it| zones[it]) {
            if only.is_some_and(|it| !it.contains(&availability_zone)) {
                continue;
            }
            if self.is_zone_out(availability_zone) {
                is_short = true;
                continue;
            }
            let subnet =
                match self.cluster.subnet_with_room(&definition.subnets, &self.scenario.subnets, availability_zone) {
                    Ok(subnet) => subnet,
                    Err(subnet) => {
                        full = full.or(Some(subnet));
                        continue;
                    }
                };
            let order = self.launch_order(group, availability_zone, purchase_option, false);
            if let Some(&launch_template_override) = order.first() {
                let kind = &definition.launch_template_override(launch_template_override).instance_type;
                let usd_per_hour = self.usd_per_hour(kind, availability_zone, purchase_option);
                return Ok(LaunchPlace {
                    availability_zone,
                    subnet,
                    launch_template_override,
                    purchase_option,
                    usd_per_hour,
                });
            }
            is_short = true;
        }
        Err(match full.filter(|_| !is_short) {
            Some(subnet) => LaunchFailure::InsufficientFreeAddressesInSubnet(purchase_option, subnet),
            None => LaunchFailure::InsufficientInstanceCapacity(purchase_option),
        })
    }

    /// The place of an instance's pool in the order in which its group's allocation strategy would take them now.
    pub(super) fn allocation_place(&self, instance: Id<ContainerInstance>) -> usize {
        let row = &self.cluster.instances[instance];
        if self.scenario.auto_scaling_groups[row.auto_scaling_group].instances_distribution.is_none() {
            return 0;
        }
        let order = self.launch_order(row.auto_scaling_group, row.availability_zone, row.purchase_option, true);
        order.iter().position(|it| *it == row.launch_template_override).unwrap_or(order.len())
    }

    /// The places of a group's types in the order in which a launch in a zone tries them; those too of which EC2 has nothing where
    /// `with_dry`.
    fn launch_order(
        &self,
        group: Id<AutoScalingGroup>,
        zone: Id<AvailabilityZone>,
        purchase_option: PurchaseOption,
        with_dry: bool,
    ) -> Vec<usize> {
        let definition = &self.scenario.auto_scaling_groups[group];
        if let Some(kind) = &self.groups[group.index()].launch_template.instance_type {
            let is_dry = self.spare_instances(kind, zone, purchase_option) == Some(0);
            return if is_dry && !with_dry { Vec::new() } else { vec![definition.place_of_later(kind)] };
        }
        let distribution = definition.instances_distribution.unwrap_or_default();
        let offers: Vec<PoolOffer> = definition
            .instance_types
            .iter()
            .enumerate()
            .map(|(place, it)| {
                let kind = &it.instance_type;
                let usd_per_hour = self.usd_per_hour(kind, zone, purchase_option);
                let spare = self.spare_instances(kind, zone, purchase_option);
                let is_of_pool = |row: &ContainerInstance| {
                    row.launch_template_override == place
                        && row.availability_zone == zone
                        && row.purchase_option == purchase_option
                };
                let instances = || self.groups[group.index()].instances.iter().map(|&it| &self.cluster.instances[it]);
                let most = distribution.spot_max_price.unwrap_or(kind.usd_per_hour);
                PoolOffer {
                    usd_per_unit_hour: usd_per_hour / f64::from(it.weighted_capacity),
                    spare: if with_dry { spare.map(|it| it.max(1)) } else { spare },
                    in_use: match definition.instances_distribution {
                        Some(_) => instances().filter(|it| is_of_pool(it)).count() as u32,
                        None => 0,
                    },
                    is_too_dear: !it.may_be(purchase_option)
                        || (!with_dry && purchase_option == PurchaseOption::Spot && usd_per_hour > most),
                }
            })
            .collect();
        distribution.launch_order(purchase_option, &offers)
    }

    /// What an instance of a pool costs that is launched now, USD an hour.
    fn usd_per_hour(&self, kind: &InstanceType, zone: Id<AvailabilityZone>, purchase_option: PurchaseOption) -> f64 {
        let of_pool = self.capacity_pools.iter().rev().filter(|it| it.is_of(&kind.name, zone, purchase_option));
        let share = match purchase_option {
            PurchaseOption::OnDemand => 1.0,
            PurchaseOption::Spot => self.scenario.prices.spot_share,
        };
        let license = kind.license_usd_per_hour;
        of_pool.filter_map(|it| it.usd_per_hour).next().unwrap_or((kind.usd_per_hour - license) * share + license)
    }

    /// Instances of a pool that could still be launched; `None` for as many as one likes.
    fn spare_instances(
        &self,
        kind: &InstanceType,
        zone: Id<AvailabilityZone>,
        purchase_option: PurchaseOption,
    ) -> Option<u32> {
        let of_pool = self.capacity_pools.iter().rev().filter(|it| it.is_of(&kind.name, zone, purchase_option));
        let available = of_pool.filter_map(|it| it.available).next()?;
        let running = self.cluster.instances.iter().filter(|it| {
            it.status != InstanceStatus::Terminated
                && it.availability_zone == zone
                && it.purchase_option == purchase_option
                && it.instance_type(&self.scenario.auto_scaling_groups).name == kind.name
        });
        Some(available.saturating_sub(running.count() as u32))
    }

    /// Why an instance that a group launches now will not register: as its group says, or as the timeline last had it.
    fn registration_failure(
        &self,
        group: Id<AutoScalingGroup>,
        subnet: Option<Id<Subnet>>,
        has_trunk: bool,
    ) -> Option<RegistrationFailure> {
        let now = self.now();
        let in_timeline =
            self.scenario.timeline.iter().take_while(|it| it.at <= now).filter_map(|it| match it.change {
                TimelineChange::FailRegistration { auto_scaling_group, failure, lasts } => {
                    let holds = auto_scaling_group == group && lasts.is_none_or(|lasts| now < it.at + lasts);
                    holds.then_some(failure)
                }
                _ => None,
            });
        let definition = &self.scenario.auto_scaling_groups[group];
        let profile = definition.instance_profile.clone().map(Missing::InstanceProfile);
        let lacks_profile = profile.is_some_and(|it| self.scenario.is_missing(&it, now));
        let is_cut_off = subnet
            .map(|it| &self.scenario.subnets[it])
            .is_some_and(|it| !it.reaches(Some(EndpointService::Ecs), it.maps_public_ip))
            || !self.scenario.lets_out(&definition.security_groups);
        let failure = in_timeline
            .last()
            .or(definition.registration_failure)
            .or(lacks_profile.then_some(RegistrationFailure::MissingInstanceProfile))
            .or(is_cut_off.then_some(RegistrationFailure::NoRouteToEcs));
        failure.filter(|it| has_trunk || *it != RegistrationFailure::TrunkInterface)
    }

    fn launch_at(
        &mut self,
        group: Id<AutoScalingGroup>,
        place: &LaunchPlace,
        words: &str,
        cause: Option<Decision>,
    ) -> Id<ContainerInstance> {
        let now = self.now();
        let definition = &self.scenario.auto_scaling_groups[group];
        let kind = &definition.launch_template_override(place.launch_template_override).instance_type;
        let (zone, subnet) = (place.availability_zone, place.subnet);
        let state = &mut self.groups[group.index()];
        state.failed_launches = 0;
        state.launches_fail_since = None;
        state.launch_failure.clear();
        if let Some(subnet) = subnet {
            self.cluster.take_address(subnet);
        }
        let number = self.cluster.instances.len();
        let awsvpc_trunking = state.awsvpc_trunking;
        let has_trunk = kind.has_trunk(awsvpc_trunking);
        let registered = definition.registered_resources_with(kind, awsvpc_trunking);
        let name = instance_name(number);
        let (version, new_attributes) = (state.launch_template.version, state.launch_template.attributes.clone());
        let mut attributes = definition.container_instance_attributes(
            kind,
            &self.scenario.availability_zones[zone],
            subnet.map(|it| &self.scenario.subnets[it]),
            awsvpc_trunking,
        );
        attributes.retain(|it| new_attributes.iter().all(|new| new.0 != it.0));
        attributes.extend(new_attributes);
        let instance = self.cluster.instances.push(ContainerInstance {
            name: name.clone(),
            auto_scaling_group: group,
            launch_template_override: place.launch_template_override,
            purchase_option: place.purchase_option,
            usd_per_hour: place.usd_per_hour,
            availability_zone: zone,
            subnet,
            attributes,
            registration_failure: self.registration_failure(group, subnet, has_trunk),
            has_trunk,
            status: InstanceStatus::Launching,
            agent_connected: true,
            is_terminating: false,
            drains_until: None,
            registered_cpu_units: registered.cpu_units,
            registered_memory_mib: registered.memory_mib,
            registered_network_interfaces: registered.network_interfaces,
            registered_gpus: registered.gpus,
            registered_neuron_devices: registered.neuron_devices,
            remaining_cpu_units: registered.cpu_units,
            remaining_memory_mib: registered.memory_mib,
            reserved_ports: definition.reserved_tcp_ports().iter().map(|&port| ((Protocol::Tcp, port), 1)).collect(),
            remaining_network_interfaces: registered.network_interfaces,
            remaining_gpus: registered.gpus,
            remaining_neuron_devices: registered.neuron_devices,
            set_aside: RegisteredResources::default(),
            tasks: Vec::new(),
            hosted: Vec::new(),
            is_protected_from_scale_in: definition.new_instances_protected_from_scale_in,
            launched_at: now,
            in_service_at: None,
            registered_at: None,
            terminated_at: None,
            stopped_for: Span::ZERO,
        });
        self.agents.push(Agent::default());
        self.instances_in_groups.push(InstanceInGroup::new(LifecycleState::Pending, version, now));
        self.groups[group.index()].instances.push(instance);
        self.record_instance(instance);
        if !(self.scenario.begins_settled && now == Instant::START) {
            let mut message = format!("Launching a new EC2 instance: {name}");
            if !words.is_empty() {
                message += &format!(". An instance was launched {words}.");
            }
            self.log.put(now, cause, "group.instance_launching", self.group_resource(group), message);
            let usual = self.scenario.assumptions.launch_time_of(definition.operating_system_family);
            let law = definition.boot_time.as_ref().unwrap_or(usual);
            let after = law.sample(&mut self.streams.instances[group.index()]);
            self.advance_instance_at(instance, now + after);
        }
        self.draw_interruption(instance);
        instance
    }

    fn launch_fails(&mut self, group: Id<AutoScalingGroup>, failure: &LaunchFailure, cause: Option<Decision>) {
        let scenario = self.scenario;
        let definition = &scenario.auto_scaling_groups[group];
        let (message, after) = match failure {
            LaunchFailure::InsufficientFreeAddressesInSubnet(purchase_option, subnet) => (
                format!(
                    "Could not launch {}. InsufficientFreeAddressesInSubnet - There are not enough free \
                     addresses in subnet '{}' to satisfy the requested number of instances. Launching EC2 instance failed.",
                    purchase_option.words(),
                    scenario.subnets[*subnet].name
                ),
                scenario.assumptions.group_health_check_interval,
            ),
            LaunchFailure::InsufficientInstanceCapacity(purchase_option) => {
                let types: Vec<&str> = self.launched_types(group).map(|it| it.name.as_str()).collect();
                let zones =
                    definition.availability_zones.iter().map(|it| scenario.availability_zones[*it].name.as_str());
                let zones: Vec<&str> = zones.collect();
                let of = format!("{} in {}", types.join(", "), zones.join(", "));
                let words = purchase_option.words();
                let why = match purchase_option {
                    PurchaseOption::OnDemand => format!("We currently do not have sufficient capacity for {of}"),
                    PurchaseOption::Spot => {
                        format!("There is no Spot capacity available that matches your request for {of}")
                    }
                };
                let message = format!(
                    "Could not launch {words}. InsufficientInstanceCapacity - {why}. Launching EC2 instance failed."
                );
                let first = scenario.assumptions.insufficient_capacity_retry.0;
                let most = scenario.assumptions.insufficient_capacity_retry_maximum.0;
                let failed = self.groups[group.index()].failed_launches;
                (message, Span(first.saturating_mul(1 << failed.min(30)).min(most)))
            }
        };
        let resource = self.group_resource(group);
        if self.groups[group.index()].launch_failure != message {
            self.log.put(self.agenda.now(), cause, "group.launch_failed", resource, message.clone());
        }
        let now = self.now();
        let state = &mut self.groups[group.index()];
        state.launch_failure = message;
        state.failed_launches += 1;
        let failing_for = now.since(*state.launches_fail_since.get_or_insert(now));
        if failing_for > scenario.assumptions.administrative_suspension_after {
            return self.suspend_launches(group, failing_for);
        }
        self.reconcile_group_at(group, now + after);
    }
}
