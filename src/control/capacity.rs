//! Capacity: Auto Scaling groups, the instances they launch, and the providers that size them.
//!
//! Follows *Amazon ECS cluster auto scaling* and the EC2 Auto Scaling guide (2023 to 2026 copies). Left out: mixed
//! instances, Spot, hooks other than managed draining, warm pools, zone rebalancing.

use std::collections::BTreeSet;

use crate::agenda::Event;
use crate::aws::auto_scaling_group::{
    AutoScalingGroup, AvailabilityZone, TerminationCandidate, choose_launch_zone, choose_to_terminate,
};
use crate::aws::capacity_provider::{
    CapacityProvider, CapacityProviderReservation, CapacityProviderType, WaitingGroup,
};
use crate::aws::cluster_query::{InstanceFacts, matches};
use crate::aws::container_instance::{RegisteredResources, RegistrationFailure};
use crate::aws::instance_type::RESERVED_TCP_PORTS;
use crate::aws::placement::PlacementConstraint;
use crate::aws::price::instance_usd;
use crate::aws::service::ServiceDefinition;
use crate::aws::subnet::Subnet;
use crate::aws::task_definition::Protocol;
use crate::cluster::{ContainerInstance, InstanceStatus, StopCode, Task};
use crate::control::Control;
use crate::control::log::Decision;
use crate::control::network::has_subnet;
use crate::control::placing::Wanted;
use crate::control::task_life::Agent;
use crate::data::Traffic;
use crate::metrics::Datapoint;
use crate::run::{CapacityMinute, InstanceChange};
use crate::scenario::TimelineChange;
use crate::table::Id;
use crate::units::{Instant, Span};

/// A group notices an instance that EC2 has lost at its next look (EC2 Auto Scaling guide: periodically; assumed 60 s).
const HEALTH_CHECK_EVERY: Span = Span::seconds(60);

/// An Auto Scaling group as it stands.
#[derive(Clone, Debug)]
pub struct Group {
    /// `DesiredCapacity`
    pub desired_capacity: u32,
    /// `MinSize`
    pub min_size: u32,
    /// `MaxSize`
    pub max_size: u32,
    /// Instances that are not terminated, in order of launch.
    pub instances: Vec<Id<ContainerInstance>>,
    /// The decision that last changed the desired capacity.
    pub wanted_because: Option<Decision>,
    /// The account setting `awsvpcTrunking` for instances that it launches now.
    pub awsvpc_trunking: bool,
    /// Whether its last launch failed for want of an address, so that this is said once.
    launch_failed: bool,
    passes: BTreeSet<Instant>,
    cost_of_terminated_usd: f64,
}

/// A capacity provider as it stands.
#[derive(Clone, Debug, Default)]
pub struct Provider {
    /// Its metric, minute by minute.
    pub measured: Vec<CapacityProviderReservation>,
    /// Why it last did not scale, so that the same is not said every minute.
    last_reason: String,
}

impl Group {
    /// A group as the scenario defines it, without instances.
    pub fn new(definition: &AutoScalingGroup) -> Group {
        Group {
            desired_capacity: definition.desired_capacity,
            min_size: definition.min_size,
            max_size: definition.max_size,
            instances: Vec::new(),
            wanted_because: None,
            awsvpc_trunking: definition.awsvpc_trunking,
            launch_failed: false,
            passes: BTreeSet::new(),
            cost_of_terminated_usd: 0.0,
        }
    }
}

impl Control<'_> {
    /// Brings the groups to their desired capacity: at once where the cluster has settled, else by launching.
    pub(super) fn begin_groups(&mut self) {
        for group in self.scenario.auto_scaling_groups.ids() {
            for _ in 0..self.groups[group.index()].desired_capacity {
                let Some(instance) = self.launch_instance(group, None) else { break };
                if self.scenario.begins_settled {
                    let row = &mut self.cluster.instances[instance];
                    row.in_service_at = Some(Instant::START);
                    if row.registration_failure.is_some() {
                        self.does_not_register(instance);
                        continue;
                    }
                    row.status = InstanceStatus::Active;
                    row.registered_at = Some(Instant::START);
                    self.record_instance(instance);
                }
            }
        }
    }

    pub(super) fn instance_advances(&mut self, instance: Id<ContainerInstance>) {
        let now = self.now();
        let group = self.cluster.instances[instance].auto_scaling_group;
        match self.cluster.instances[instance].status {
            InstanceStatus::Launching => {
                let row = &mut self.cluster.instances[instance];
                row.status = InstanceStatus::Registering;
                row.in_service_at = Some(now);
                self.record_instance(instance);
                let law = &self.scenario.assumptions.agent_registration_time;
                let mut after = law.sample(&mut self.streams.instances[group.index()]);
                if self.cluster.instances[instance].has_trunk {
                    after += self.scenario.assumptions.trunk_attach_time;
                }
                self.agenda.put(now + after, Event::InstanceAdvances(instance));
            }
            InstanceStatus::Registering if self.cluster.instances[instance].registration_failure.is_some() => {
                self.does_not_register(instance);
            }
            InstanceStatus::Registering => {
                let row = &mut self.cluster.instances[instance];
                row.status = InstanceStatus::Active;
                row.registered_at = Some(now);
                let name = row.name.clone();
                self.record_instance(instance);
                let cause = self.groups[group.index()].wanted_because;
                let message = format!("(instance {name}) registered with the cluster");
                self.log.put(now, cause, "instance.registered", self.group_resource(group), message);
                self.capacity_was_freed(instance);
            }
            InstanceStatus::Draining => self.terminate_if_drained(instance),
            InstanceStatus::Deregistering => {
                self.cluster.instances[instance].status = InstanceStatus::Inactive;
                self.record_instance(instance);
            }
            InstanceStatus::Terminated => {
                for task in self.tasks_left_on(instance) {
                    self.task_was_lost(task, StopCode::InfrastructureHealth, "Host EC2 instance terminated.");
                }
            }
            InstanceStatus::Active | InstanceStatus::Inactive | InstanceStatus::RegistrationFailed => {}
        }
    }

    /// An instance that is in service in its group, runs and costs, and is of no use to the cluster.
    fn does_not_register(&mut self, instance: Id<ContainerInstance>) {
        let row = &mut self.cluster.instances[instance];
        row.status = InstanceStatus::RegistrationFailed;
        let (name, group) = (row.name.clone(), row.auto_scaling_group);
        let failure = row.registration_failure.expect("it fails for something");
        self.record_instance(instance);
        let cause = self.groups[group.index()].wanted_because;
        let message = format!(
            "(instance {name}) is in service and did not register with the cluster: {} ({})",
            failure.cause(),
            failure.words()
        );
        let resource = self.group_resource(group);
        self.log.put(self.agenda.now(), cause, "instance.registration_failed", resource, message);
    }

    /// Why an instance that a group launches now will not register: as its group says, or as the timeline last had it.
    fn registration_failure(&self, group: Id<AutoScalingGroup>, has_trunk: bool) -> Option<RegistrationFailure> {
        let now = self.now();
        let in_timeline =
            self.scenario.timeline.iter().take_while(|it| it.at <= now).filter_map(|it| match it.change {
                TimelineChange::FailRegistration { auto_scaling_group, failure, lasts } => {
                    let holds = auto_scaling_group == group && lasts.is_none_or(|lasts| now < it.at + lasts);
                    holds.then_some(failure)
                }
                _ => None,
            });
        let failure = in_timeline.last().or(self.scenario.auto_scaling_groups[group].registration_failure);
        failure.filter(|it| has_trunk || *it != RegistrationFailure::TrunkInterface)
    }

    /// The group's instances now cost this much since the run began, USD.
    pub fn group_cost_usd(&self, group: Id<AutoScalingGroup>) -> f64 {
        let now = self.now();
        let price = self.scenario.auto_scaling_groups[group].instance_type.usd_per_hour;
        let running = self.groups[group.index()].instances.iter().map(|&it| {
            let launched_at = self.cluster.instances[it].launched_at;
            instance_usd(price, now.since(launched_at))
        });
        self.groups[group.index()].cost_of_terminated_usd + running.sum::<f64>()
    }

    pub(super) fn capacity_provider_is_measured(&mut self, provider: Id<CapacityProvider>, traffic: &Traffic) {
        let scenario = self.scenario;
        let definition = &scenario.capacity_providers[provider];
        let group = match definition.kind {
            CapacityProviderType::AutoScalingGroup(group) => group,
            CapacityProviderType::Fargate(_) => return,
        };
        let mut row = self.capacity_row(group, &definition.name, traffic);
        if let Some(managed) = &definition.managed_scaling {
            let (present, used) = self.instances_present_and_used(group);
            let waiting = self.waiting_groups(provider);
            let empty = self.empty_but_for_daemons(group);
            let empty_metric = scenario.assumptions.empty_capacity_provider_metric;
            let measured = managed.reservation(present, used, &waiting, &empty, empty_metric);
            row.reservation_percent = Some(measured.percent);
            row.needed = Some(measured.needed);
            row.present = Some(measured.present);
            self.reservation_metrics[provider.index()].publish(Some(Datapoint::of(measured.percent, 1.0)));
            self.providers[provider.index()].measured.push(measured);
        }
        self.records.capacity_minutes.push(row);
    }

    pub(super) fn record_groups_without_provider(&mut self, traffic: &Traffic) {
        for (group, definition) in self.scenario.auto_scaling_groups.entries() {
            if self.scenario.capacity_providers.iter().all(|it| it.auto_scaling_group() != Some(group)) {
                let row = self.capacity_row(group, &definition.name, traffic);
                self.records.capacity_minutes.push(row);
            }
        }
    }

    /// The high alarm of a provider's managed scaling is in ALARM.
    pub(super) fn grow_group(&mut self, provider: Id<CapacityProvider>, cause: Option<Decision>) {
        let now = self.now();
        let definition = &self.scenario.capacity_providers[provider];
        let (Some(group), Some(managed), Some(measured)) =
            (definition.auto_scaling_group(), definition.managed_scaling, self.newest_reservation(provider))
        else {
            return;
        };
        let warms = self.groups[group.index()].instances.iter().map(|&it| self.cluster.instances[it].launched_at);
        // Instances of a settled cluster were there long before the run began.
        let newest = warms.filter(|&at| at > Instant::START || !self.scenario.begins_settled).max();
        let warm_at = newest.map(|at| at + managed.instance_warmup_period).filter(|&at| now < at);
        let state = &self.groups[group.index()];
        let by_formula = self.scenario.assumptions.first_growth_by_formula;
        let wanted = managed.scale_out_capacity(&measured, by_formula).clamp(state.min_size, state.max_size);
        let figures = format!(
            "M = {}, N = {}, reservation {}, target {}",
            measured.needed,
            measured.present,
            measured.percent.round(),
            managed.target_capacity
        );
        if wanted <= state.desired_capacity {
            let words = if state.desired_capacity >= state.max_size {
                "AlreadyAtMaxCapacity"
            } else {
                "AlreadyAtDesiredCapacity"
            };
            self.say_not_scaled(
                provider,
                format!("no scale-out: {words} {} ({figures})", state.desired_capacity),
                cause,
            );
        } else if let Some(at) = warm_at {
            self.say_not_scaled(provider, format!("no scale-out: an instance warms up until {at} ({figures})"), cause);
        } else {
            self.set_desired_capacity(group, wanted, cause, &figures);
            self.providers[provider.index()].last_reason.clear();
        }
    }

    /// The low alarm of a provider's managed scaling is in ALARM.
    pub(super) fn shrink_group(&mut self, provider: Id<CapacityProvider>, cause: Option<Decision>) {
        let definition = &self.scenario.capacity_providers[provider];
        let (Some(group), Some(managed), Some(measured)) =
            (definition.auto_scaling_group(), definition.managed_scaling, self.newest_reservation(provider))
        else {
            return;
        };
        let state = &self.groups[group.index()];
        let fraction = self.scenario.assumptions.capacity_scale_in_max_fraction;
        let wanted = managed.scale_in_capacity(state.desired_capacity, &measured, fraction).max(state.min_size);
        let figures = format!(
            "M = {}, N = {}, reservation {}, target {}",
            measured.needed,
            measured.present,
            measured.percent.round(),
            managed.target_capacity
        );
        if wanted >= state.desired_capacity {
            let words = if state.desired_capacity <= state.min_size {
                "AlreadyAtMinCapacity"
            } else {
                "AlreadyAtDesiredCapacity"
            };
            self.say_not_scaled(
                provider,
                format!("no scale-in: {words} {} ({figures})", state.desired_capacity),
                cause,
            );
        } else {
            self.set_desired_capacity(group, wanted, cause, &figures);
            self.providers[provider.index()].last_reason.clear();
        }
    }

    /// What an instance registers that a group launches now.
    pub(super) fn registered_when_launched(&self, group: Id<AutoScalingGroup>) -> RegisteredResources {
        let awsvpc_trunking = self.groups[group.index()].awsvpc_trunking;
        self.scenario.auto_scaling_groups[group].registered_resources_with(awsvpc_trunking)
    }

    /// The account setting `awsvpcTrunking` changes: instances that are launched from now on have a trunk, or none. Groups that
    /// say one of their own keep it.
    pub(super) fn put_awsvpc_trunking(&mut self, is_enabled: bool) {
        for (group, definition) in self.scenario.auto_scaling_groups.entries() {
            if !definition.has_own_awsvpc_trunking {
                self.groups[group.index()].awsvpc_trunking = is_enabled;
            }
        }
        let value = if is_enabled { "enabled" } else { "disabled" };
        let message = format!("PutAccountSetting awsvpcTrunking {value}: for instances that are launched from now on");
        self.log.put(self.agenda.now(), None, "timeline.put_account_setting", "account".to_owned(), message);
    }

    pub(super) fn update_group(
        &mut self,
        group: Id<AutoScalingGroup>,
        min_size: Option<u32>,
        max_size: Option<u32>,
        desired_capacity: Option<u32>,
    ) {
        let state = &mut self.groups[group.index()];
        state.min_size = min_size.unwrap_or(state.min_size);
        state.max_size = max_size.unwrap_or(state.max_size).max(state.min_size);
        let wanted = desired_capacity.unwrap_or(state.desired_capacity).clamp(state.min_size, state.max_size);
        let words = format!("UpdateAutoScalingGroup: min {}, max {}", state.min_size, state.max_size);
        self.set_desired_capacity(group, wanted, None, &words);
    }

    /// EC2 loses the oldest instances of a group, without warning.
    pub(super) fn lose_instances(&mut self, group: Id<AutoScalingGroup>, count: u32) {
        let lost: Vec<_> = self.groups[group.index()].instances.iter().copied().take(count as usize).collect();
        for instance in lost {
            let name = self.cluster.instances[instance].name.clone();
            let message = format!("(instance {name}) was terminated from outside the group");
            let now = self.now();
            self.log.put(now, None, "timeline.terminate_instances", self.group_resource(group), message);
            self.terminate_instance(instance);
        }
        let at = self.now() + HEALTH_CHECK_EVERY;
        self.reconcile_group_at(group, at);
    }

    pub(super) fn group_is_reconciled(&mut self, group: Id<AutoScalingGroup>) {
        let now = self.now();
        if !self.groups[group.index()].passes.remove(&now) {
            return;
        }
        let counted = |control: &Self| {
            let instances = &control.groups[group.index()].instances;
            instances.iter().filter(|&&it| !control.cluster.instances[it].is_terminating).count() as u32
        };
        while counted(self) < self.groups[group.index()].desired_capacity {
            let cause = self.groups[group.index()].wanted_because;
            if self.launch_instance(group, cause).is_none() {
                break;
            }
        }
        while counted(self) > self.groups[group.index()].desired_capacity {
            let Some(instance) = self.choose_to_terminate(group) else { return };
            self.scale_in_instance(instance);
        }
    }

    /// Something that a group kept only for its tasks may be free to go.
    pub(super) fn reconcile_group_soon_if_above(&mut self, group: Id<AutoScalingGroup>) {
        let state = &self.groups[group.index()];
        if state.instances.len() as u32 > state.desired_capacity {
            let at = self.now() + self.scenario.assumptions.auto_scaling_group_delay;
            self.reconcile_group_at(group, at);
        }
    }

    /// An instance's agent holds nothing any more: a draining one may go.
    pub(super) fn instance_is_empty(&mut self, instance: Id<ContainerInstance>) {
        let row = &self.cluster.instances[instance];
        let group = row.auto_scaling_group;
        if row.status == InstanceStatus::Draining && row.is_terminating {
            self.agenda.put(self.now(), Event::InstanceAdvances(instance));
        } else {
            self.reconcile_group_soon_if_above(group);
        }
    }

    /// `auto-scaling-group/NAME`, as events name it.
    pub fn group_resource(&self, group: Id<AutoScalingGroup>) -> String {
        format!("auto-scaling-group/{}", self.scenario.auto_scaling_groups[group].name)
    }

    fn reconcile_group_at(&mut self, group: Id<AutoScalingGroup>, at: Instant) {
        if self.groups[group.index()].passes.insert(at) {
            self.agenda.put(at, Event::GroupIsReconciled(group));
        }
    }

    fn set_desired_capacity(
        &mut self,
        group: Id<AutoScalingGroup>,
        wanted: u32,
        cause: Option<Decision>,
        figures: &str,
    ) {
        let before = self.groups[group.index()].desired_capacity;
        if wanted == before {
            return;
        }
        let message = format!("Setting desired capacity to {wanted}, from {before}: {figures}");
        let decision =
            self.log.put(self.agenda.now(), cause, "group.desired_capacity", self.group_resource(group), message);
        let state = &mut self.groups[group.index()];
        state.desired_capacity = wanted;
        state.wanted_because = Some(decision);
        let at = self.now() + self.scenario.assumptions.auto_scaling_group_delay;
        self.reconcile_group_at(group, at);
    }

    fn launch_instance(
        &mut self,
        group: Id<AutoScalingGroup>,
        cause: Option<Decision>,
    ) -> Option<Id<ContainerInstance>> {
        let now = self.now();
        let definition = &self.scenario.auto_scaling_groups[group];
        let Some((zone, subnet)) = self.launch_place(group) else {
            self.launch_fails(group, cause);
            return None;
        };
        self.groups[group.index()].launch_failed = false;
        if let Some(subnet) = subnet {
            self.cluster.take_address(subnet);
        }
        let number = self.cluster.instances.len();
        let awsvpc_trunking = self.groups[group.index()].awsvpc_trunking;
        let has_trunk = definition.instance_type.has_trunk(awsvpc_trunking);
        let registered = definition.registered_resources_with(awsvpc_trunking);
        let name = format!("i-{number:05}");
        let instance = self.cluster.instances.push(ContainerInstance {
            name: name.clone(),
            auto_scaling_group: group,
            availability_zone: zone,
            subnet,
            attributes: definition.container_instance_attributes(
                &self.scenario.availability_zones[zone],
                subnet.map(|it| &self.scenario.subnets[it]),
                awsvpc_trunking,
            ),
            registration_failure: self.registration_failure(group, has_trunk),
            has_trunk,
            status: InstanceStatus::Launching,
            agent_connected: true,
            is_terminating: false,
            drains_until: None,
            registered_cpu_units: registered.cpu_units,
            registered_memory_mib: registered.memory_mib,
            registered_network_interfaces: registered.network_interfaces,
            registered_gpus: registered.gpus,
            remaining_cpu_units: registered.cpu_units,
            remaining_memory_mib: registered.memory_mib,
            reserved_ports: RESERVED_TCP_PORTS.iter().map(|&port| ((Protocol::Tcp, port), 1)).collect(),
            remaining_network_interfaces: registered.network_interfaces,
            remaining_gpus: registered.gpus,
            set_aside: RegisteredResources::default(),
            tasks: Vec::new(),
            hosted: Vec::new(),
            cached_layers: BTreeSet::new(),
            is_protected_from_scale_in: definition.new_instances_protected_from_scale_in,
            launched_at: now,
            in_service_at: None,
            registered_at: None,
            terminated_at: None,
        });
        self.agents.push(Agent::default());
        self.groups[group.index()].instances.push(instance);
        self.record_instance(instance);
        if !(self.scenario.begins_settled && now == Instant::START) {
            let message = format!("Launching a new EC2 instance: {name}");
            self.log.put(now, cause, "group.instance_launching", self.group_resource(group), message);
            let law = definition.boot_time.as_ref().unwrap_or(&self.scenario.assumptions.instance_launch_time);
            let after = law.sample(&mut self.streams.instances[group.index()]);
            self.agenda.put(now + after, Event::InstanceAdvances(instance));
        }
        Some(instance)
    }

    /// No subnet of a group has an address left: it tries again in a while.
    fn launch_fails(&mut self, group: Id<AutoScalingGroup>, cause: Option<Decision>) {
        let first = self.scenario.auto_scaling_groups[group].subnets.first();
        if let Some(&subnet) = first.filter(|_| !self.groups[group.index()].launch_failed) {
            let message = format!(
                "Could not launch On-Demand Instances. InsufficientFreeAddressesInSubnet - There are not enough free addresses \
                 in subnet '{}' to satisfy the requested number of instances. Launching EC2 instance failed.",
                self.scenario.subnets[subnet].name
            );
            let resource = self.group_resource(group);
            self.log.put(self.agenda.now(), cause, "group.launch_failed", resource, message);
        }
        self.groups[group.index()].launch_failed = true;
        let at = self.now() + HEALTH_CHECK_EVERY;
        self.reconcile_group_at(group, at);
    }

    /// The zone of the next launch and the subnet in it; `None` where no zone has an address left.
    fn launch_place(&self, group: Id<AutoScalingGroup>) -> Option<(Id<AvailabilityZone>, Option<Id<Subnet>>)> {
        let definition = &self.scenario.auto_scaling_groups[group];
        let subnet_in = |zone| self.cluster.subnet_with_room(&definition.subnets, &self.scenario.subnets, zone);
        let zones: Vec<Id<AvailabilityZone>> =
            definition.availability_zones.iter().copied().filter(|it| subnet_in(*it).is_ok()).collect();
        if zones.is_empty() {
            return None;
        }
        let indices: Vec<usize> = zones.iter().map(|it| it.index()).collect();
        let counts: Vec<u32> = zones
            .iter()
            .map(|zone| {
                let instances = self.groups[group.index()].instances.iter().map(|&it| &self.cluster.instances[it]);
                instances.filter(|it| it.availability_zone == *zone && !it.is_terminating).count() as u32
            })
            .collect();
        let zone = Id::new(choose_launch_zone(&indices, &counts));
        Some((zone, subnet_in(zone).ok()?))
    }

    fn choose_to_terminate(&mut self, group: Id<AutoScalingGroup>) -> Option<Id<ContainerInstance>> {
        let now = self.now();
        let able: Vec<Id<ContainerInstance>> = self.groups[group.index()]
            .instances
            .iter()
            .copied()
            .filter(|&it| {
                let row = &self.cluster.instances[it];
                row.is_in_service() && !row.is_terminating
            })
            .collect();
        let candidates: Vec<TerminationCandidate> = able
            .iter()
            .map(|&it| TerminationCandidate {
                availability_zone: self.cluster.instances[it].availability_zone.index(),
                launched_at: self.cluster.instances[it].launched_at,
                is_protected: self.is_protected(it),
            })
            .collect();
        let policies = &self.scenario.auto_scaling_groups[group].termination_policies;
        let stream = &mut self.streams.instances[group.index()];
        choose_to_terminate(policies, &candidates, now, &mut |n| stream.below(n)).map(|chosen| able[chosen])
    }

    /// Managed termination protection lifts the protection of instances without tasks, and of those only.
    fn is_protected(&self, instance: Id<ContainerInstance>) -> bool {
        let row = &self.cluster.instances[instance];
        let providers = &self.scenario.capacity_providers;
        let managed = providers
            .iter()
            .any(|it| it.auto_scaling_group() == Some(row.auto_scaling_group) && it.managed_termination_protection);
        if managed { self.is_used(instance) } else { row.is_protected_from_scale_in }
    }

    fn scale_in_instance(&mut self, instance: Id<ContainerInstance>) {
        let now = self.now();
        let row = &self.cluster.instances[instance];
        let (group, name) = (row.auto_scaling_group, row.name.clone());
        let cause = self.groups[group.index()].wanted_because;
        let message = format!("Terminating EC2 instance: {name}");
        let decision = self.log.put(now, cause, "group.instance_terminating", self.group_resource(group), message);
        let drains =
            self.scenario.capacity_providers.iter().any(|it| {
                it.auto_scaling_group() == Some(group) && it.managed_draining && it.managed_scaling.is_some()
            });
        if drains && !self.tasks_left_on(instance).is_empty() {
            let row = &mut self.cluster.instances[instance];
            row.status = InstanceStatus::Draining;
            row.is_terminating = true;
            let until = now + self.scenario.assumptions.managed_draining_maximum;
            row.drains_until = Some(until);
            self.agenda.put(until, Event::InstanceAdvances(instance));
            self.record_instance(instance);
            self.schedule_services_on(instance, decision);
        } else {
            self.terminate_instance(instance);
        }
    }

    /// A task that gave back its network interface was the last on an instance that its group wants to terminate.
    pub(super) fn terminate_soon_if_drained(&mut self, instance: Id<ContainerInstance>) {
        let row = &self.cluster.instances[instance];
        if row.status == InstanceStatus::Draining && row.is_terminating && row.hosted.is_empty() {
            self.agenda.put(self.now(), Event::InstanceAdvances(instance));
        }
    }

    fn terminate_if_drained(&mut self, instance: Id<ContainerInstance>) {
        let row = &self.cluster.instances[instance];
        let is_overdue = row.drains_until.is_some_and(|it| it <= self.now());
        if row.is_terminating && (is_overdue || self.tasks_left_on(instance).is_empty()) {
            self.terminate_instance(instance);
        }
    }

    fn terminate_instance(&mut self, instance: Id<ContainerInstance>) {
        let now = self.now();
        let row = &mut self.cluster.instances[instance];
        row.status = InstanceStatus::Terminated;
        row.terminated_at = Some(now);
        let subnet = row.subnet.take();
        let (group, launched_at) = (row.auto_scaling_group, row.launched_at);
        self.cluster.return_address(subnet);
        let price = self.scenario.auto_scaling_groups[group].instance_type.usd_per_hour;
        let state = &mut self.groups[group.index()];
        state.instances.retain(|it| *it != instance);
        state.cost_of_terminated_usd += instance_usd(price, now.since(launched_at));
        self.record_instance(instance);
        let left = self.tasks_left_on(instance);
        for &task in &left {
            self.lose_task(task);
        }
        if !left.is_empty() {
            let at = now + self.scenario.assumptions.instance_loss_detection;
            self.agenda.put(at, Event::InstanceAdvances(instance));
        }
    }

    /// Tasks on an instance that are not STOPPED, whether or not they still hold their slot, service by service.
    pub(super) fn tasks_left_on(&self, instance: Id<ContainerInstance>) -> Vec<Id<Task>> {
        let mut tasks = self.cluster.instances[instance].hosted.clone();
        tasks.sort_unstable_by_key(|&task| (self.cluster.tasks[task].launcher, task));
        tasks
    }

    fn instances_present_and_used(&self, group: Id<AutoScalingGroup>) -> (u32, u32) {
        let in_service = self.groups[group.index()].instances.iter().copied().filter(|it| {
            let status = self.cluster.instances[*it].status;
            matches!(status, InstanceStatus::Registering | InstanceStatus::RegistrationFailed | InstanceStatus::Active)
        });
        in_service.fold((0, 0), |(present, used), it| (present + 1, used + u32::from(self.is_used(it))))
    }

    fn waiting_groups(&self, provider: Id<CapacityProvider>) -> Vec<WaitingGroup> {
        // Tasks of one group have the same constraints and subnets, too.
        type Where<'b> = (Vec<&'b PlacementConstraint>, &'b [Id<Subnet>]);
        let Some(asg) = self.scenario.capacity_providers[provider].auto_scaling_group() else { return Vec::new() };
        let mut groups: Vec<(Where, WaitingGroup)> = Vec::new();
        for &(launcher, task) in &self.cluster.waiting {
            let row = &self.cluster.tasks[task];
            if row.capacity_provider != Some(provider) {
                continue;
            }
            let constraints = self.constraints_of(launcher, row.task_definition);
            let subnets = self.scenario.subnets_of(launcher, row.network);
            let is_same = |it: &&mut (Where, WaitingGroup)| {
                it.0.0 == constraints && it.0.1 == subnets && it.1.reservation == row.reservation
            };
            match groups.iter_mut().find(is_same) {
                Some((_, group)) => group.count += 1,
                None => {
                    let group = WaitingGroup {
                        reservation: row.reservation.clone(),
                        count: 1,
                        is_distinct_instance: constraints.contains(&&PlacementConstraint::DistinctInstance),
                        is_selected: self.would_launch(&Wanted::of(row), asg, &constraints)
                            && !self.daemons_take_a_port(&row.reservation, asg),
                    };
                    groups.push(((constraints, subnets), group));
                }
            }
        }
        groups.into_iter().map(|it| it.1).collect()
    }

    /// Whether an instance that the provider's group would launch now, in one of its zones, meets the `memberOf` constraints
    /// when no tasks but those of DAEMON services are on it.
    fn would_launch(&self, wanted: &Wanted, group: Id<AutoScalingGroup>, constraints: &[&PlacementConstraint]) -> bool {
        let definition = &self.scenario.task_definitions[wanted.task_definition];
        if self.scenario.auto_scaling_groups[group].missing_attributes(definition).next().is_some() {
            return false;
        }
        let mut places = self.scenario.auto_scaling_groups[group].places(&self.scenario.subnets);
        places.any(|place| {
            has_subnet(self.scenario, (wanted.launcher, wanted.network), definition, place.0)
                && self.would_select(group, place, constraints, &self.daemons_of_new_instance(group, place))
        })
    }

    /// Whether the `memberOf` constraints select an instance that a group would launch now in a zone and subnet, when the
    /// tasks of these services are on it.
    pub(super) fn would_select(
        &self,
        group: Id<AutoScalingGroup>,
        (zone, subnet): (Id<AvailabilityZone>, Option<Id<Subnet>>),
        constraints: &[&PlacementConstraint],
        daemons: &[Id<ServiceDefinition>],
    ) -> bool {
        let mut expressions = constraints.iter().filter_map(|it| it.expression()).peekable();
        if expressions.peek().is_none() {
            return true;
        }
        let scenario = self.scenario;
        let (id, group) = (group, &scenario.auto_scaling_groups[group]);
        let task_group = |it: &Id<ServiceDefinition>| scenario.services[*it].launch.task_group;
        let task_groups: Vec<&str> =
            daemons.iter().map(|it| scenario.task_groups[task_group(it)].name.as_str()).collect();
        let facts = InstanceFacts {
            attributes: &group.container_instance_attributes(
                &scenario.availability_zones[zone],
                subnet.map(|it| &scenario.subnets[it]),
                self.groups[id.index()].awsvpc_trunking,
            ),
            ec2_instance_id: "",
            agent_connected: true,
            agent_version: &group.agent_version,
            registered_at_unix_nanos: self.unix_nanos(self.now()),
            running_tasks_count: task_groups.len() as u32,
            task_groups: &task_groups,
        };
        expressions.all(|it| matches(it, &facts))
    }

    /// The newest measurement whose datapoint is published.
    fn newest_reservation(&self, provider: Id<CapacityProvider>) -> Option<CapacityProviderReservation> {
        let measured = &self.providers[provider.index()].measured;
        let delay = self.scenario.assumptions.capacity_provider_metric_delay;
        let readable = self.now().since(Instant::START + delay).0 / Span::MINUTE.0;
        measured.get((readable as usize).min(measured.len()).checked_sub(1)?).copied()
    }

    fn say_not_scaled(&mut self, provider: Id<CapacityProvider>, reason: String, cause: Option<Decision>) {
        if self.providers[provider.index()].last_reason == reason {
            return;
        }
        let resource = format!("capacity-provider/{}", self.scenario.capacity_providers[provider].name);
        self.log.put(self.agenda.now(), cause, "capacity_provider.not_scaled", resource, reason.clone());
        self.providers[provider.index()].last_reason = reason;
    }

    fn capacity_row(&self, group: Id<AutoScalingGroup>, name: &str, traffic: &Traffic) -> CapacityMinute {
        let state = &self.groups[group.index()];
        let hosts: Vec<&ContainerInstance> = state.instances.iter().map(|&it| &self.cluster.instances[it]).collect();
        let count = |status: &[InstanceStatus]| hosts.iter().filter(|it| status.contains(&it.status)).count() as u32;
        let registered =
            || hosts.iter().filter(|it| matches!(it.status, InstanceStatus::Active | InstanceStatus::Draining));
        let share = |left: fn(&ContainerInstance) -> u32, all: fn(&ContainerInstance) -> u32| {
            let total: u64 = registered().map(|it| u64::from(all(it))).sum();
            let free: u64 = registered().map(|it| u64::from(left(it))).sum();
            (total > 0).then(|| 100.0 * (total - free) as f64 / total as f64)
        };
        let credits: Vec<f64> = state.instances.iter().filter_map(|&it| traffic.credits(it)).collect();
        let (cpu_units, memory_mib) = self.capacity_split(group, &hosts, traffic);
        CapacityMinute {
            minute: self.now().0 / Span::MINUTE.0 - 1,
            capacity_provider: name.to_owned(),
            desired_capacity: state.desired_capacity,
            in_service: count(&[
                InstanceStatus::Registering,
                InstanceStatus::RegistrationFailed,
                InstanceStatus::Active,
                InstanceStatus::Deregistering,
                InstanceStatus::Inactive,
            ]),
            draining: count(&[InstanceStatus::Draining]),
            reservation_percent: None,
            needed: None,
            present: None,
            cost_usd: self.group_cost_usd(group),
            reserved_cpu_percent: share(|it| it.remaining_cpu_units, |it| it.registered_cpu_units),
            reserved_memory_percent: share(|it| it.remaining_memory_mib, |it| it.registered_memory_mib),
            cpu_credits_least: credits.iter().copied().reduce(f64::min),
            cpu_credits_mean: (!credits.is_empty()).then(|| credits.iter().sum::<f64>() / credits.len() as f64),
            cpu_units,
            memory_mib,
        }
    }

    pub(super) fn record_instance(&mut self, instance: Id<ContainerInstance>) {
        self.cluster.touch();
        self.schedule_daemons();
        self.cluster.instances_described_anew.push(instance);
        let row = &self.cluster.instances[instance];
        let group = &self.scenario.auto_scaling_groups[row.auto_scaling_group];
        self.records.instance_changes.push(InstanceChange {
            at: self.agenda.now(),
            instance: row.name.clone(),
            auto_scaling_group: group.name.clone(),
            instance_type: group.instance_type.name.clone(),
            availability_zone: self.scenario.availability_zones[row.availability_zone].name.clone(),
            status: match row.status {
                InstanceStatus::Launching => "LAUNCHING",
                InstanceStatus::Registering => "REGISTERING",
                InstanceStatus::RegistrationFailed => {
                    row.registration_failure.map_or("REGISTRATION_FAILED", RegistrationFailure::status)
                }
                InstanceStatus::Active => "ACTIVE",
                InstanceStatus::Draining => "DRAINING",
                InstanceStatus::Deregistering => "DEREGISTERING",
                InstanceStatus::Inactive => "INACTIVE",
                InstanceStatus::Terminated => "TERMINATED",
            },
            tasks: row.tasks.len() as u32,
        });
    }
}
