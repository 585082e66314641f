//! Capacity providers: the metric of managed scaling, and what its alarms do to a group.
//!
//! Follows *Amazon ECS cluster auto scaling* and *Amazon ECS managed scaling behavior* (2023 to 2026 copies).

use crate::aws::auto_scaling_group::{AutoScalingGroup, AvailabilityZone, ScalingProcess};
use crate::aws::capacity_provider::{
    CapacityProvider, CapacityProviderReservation, CapacityProviderType, EmptyInstances, ManagedScaling, WaitingGroup,
};
use crate::aws::cluster_query::{InstanceFacts, matches};
use crate::aws::instance_type::InstanceType;
use crate::aws::launch::Launcher;
use crate::aws::metric::Metric;
use crate::aws::placement::PlacementConstraint;
use crate::aws::service::ServiceDefinition;
use crate::aws::subnet::Subnet;
use crate::cluster::{ContainerInstance, InstanceStatus};
use crate::control::Control;
use crate::control::alarms::ManagedAlarms;
use crate::control::log::Decision;
use crate::control::network::has_subnet;
use crate::control::placing::Wanted;
use crate::data::Traffic;
use crate::metrics::Datapoint;
use crate::run::{CapacityMinute, DecidingTasks, ManagedScalingMinute};
use crate::table::Id;
use crate::units::{Instant, Span};

/// A capacity provider as it stands.
#[derive(Clone, Debug, Default)]
pub struct Provider {
    /// The high and the low alarm of its managed scaling.
    pub(super) alarms: ManagedAlarms,
    /// Its metric, minute by minute.
    pub measured: Vec<CapacityProviderReservation>,
    /// Why it last did not scale, so that the same is not said every minute.
    last_reason: String,
}

impl Control<'_> {
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
            let (launchers, waiting): (Vec<Launcher>, Vec<WaitingGroup>) =
                self.waiting_groups(provider).into_iter().unzip();
            let types = self.launched_types(group);
            let empty = EmptyInstances::of(types.map(|kind| self.empty_but_for_daemons(group, kind)));
            let empty = empty.expect("a group has a type");
            let empty_metric = scenario.assumptions.empty_capacity_provider_metric;
            let managed = &self.as_it_steps(managed, group);
            let measured = managed.reservation(present, used, &waiting, &empty, empty_metric);
            row.reservation_percent = Some(measured.percent);
            row.needed = Some(measured.needed);
            row.present = Some(measured.present);
            let point = Datapoint::of(measured.percent, 1.0);
            self.metrics.publish(Metric::CapacityProviderReservation(provider), Some(point));
            self.providers[provider.index()].measured.push(measured);
            let tasks = |it: &&WaitingGroup| empty.tasks_of(it);
            let never = waiting.iter().filter(|it| tasks(it) == 0).map(|it| it.count).sum();
            let deciding = measured.deciding.map(|it| DecidingTasks {
                launcher: launchers[it.place],
                count: waiting[it.place].count,
                cpu_units: waiting[it.place].reservation.cpu_units,
                memory_mib: waiting[it.place].reservation.memory_mib,
                tasks_per_instance: it.tasks_per_instance,
                instances: it.instances,
            });
            let below = |it: &&CapacityProviderReservation| it.percent < f64::from(managed.target_capacity);
            let below_target = self.providers[provider.index()].measured.iter().rev().take_while(below).count();
            let (high_alarm, low_alarm) = self.alarms_of_provider(provider);
            self.records.managed_scaling_minutes.push(ManagedScalingMinute {
                minute: row.minute,
                capacity_provider: provider.index(),
                measured,
                target_capacity: managed.target_capacity,
                waiting: waiting.iter().map(|it| it.count).sum(),
                never_grown_for: never,
                deciding,
                high_alarm,
                low_alarm,
                below_target: below_target as u32,
                desired_capacity: self.groups[group.index()].desired_capacity,
                decisions: Vec::new(),
            });
            self.record_instance_reasons(group, Some((managed, &measured, low_alarm, below_target as u32)));
        } else {
            self.record_instance_reasons(group, None);
        }
        self.records.capacity_minutes.push(row);
    }

    /// Managed scaling of a group with its step sizes: a group over several zones or types may know the least step only.
    fn as_it_steps(&self, managed: &ManagedScaling, group: Id<AutoScalingGroup>) -> ManagedScaling {
        let definition = &self.scenario.auto_scaling_groups[group];
        let is_of_several = definition.availability_zones.len() > 1 || self.launched_types(group).nth(1).is_some();
        match self.scenario.assumptions.capacity_grows_by_minimum_step && is_of_several {
            true => ManagedScaling { maximum_scaling_step_size: managed.minimum_scaling_step_size, ..*managed },
            false => *managed,
        }
    }

    pub(super) fn record_groups_without_provider(&mut self, traffic: &Traffic) {
        for (group, definition) in self.scenario.auto_scaling_groups.entries() {
            if self.scenario.capacity_providers.iter().all(|it| it.auto_scaling_group() != Some(group)) {
                let row = self.capacity_row(group, &definition.name, traffic);
                self.records.capacity_minutes.push(row);
                self.record_instance_reasons(group, None);
            }
        }
    }

    /// What a provider's alarm is about: its group, its managed scaling and the reservation; `None` where the group heeds no alarm.
    fn alarmed(
        &mut self,
        provider: Id<CapacityProvider>,
    ) -> Option<(Id<AutoScalingGroup>, ManagedScaling, CapacityProviderReservation)> {
        let definition = &self.scenario.capacity_providers[provider];
        let group = definition.auto_scaling_group()?;
        let (managed, measured) = (definition.managed_scaling?, self.newest_reservation(provider)?);
        (!self.is_suspended(group, ScalingProcess::AlarmNotification)).then_some((group, managed, measured))
    }

    /// The high alarm of a provider's managed scaling is in ALARM.
    pub(super) fn grow_group(&mut self, provider: Id<CapacityProvider>, cause: Option<Decision>) {
        let now = self.now();
        let Some((group, managed, measured)) = self.alarmed(provider) else { return };
        let wanted_ones = self.groups[group.index()].instances.iter().copied().filter(|it| self.counts_for_group(*it));
        let warms = wanted_ones.map(|it| self.instances_in_groups[it.index()].pending_since);
        // Instances of a settled cluster were there long before the run began.
        let newest = warms.filter(|&at| at > Instant::START || !self.scenario.begins_settled).max();
        let warm_at = newest.map(|at| at + managed.instance_warmup_period).filter(|&at| now < at);
        let state = &self.groups[group.index()];
        let by_formula = self.scenario.assumptions.first_growth_by_formula;
        let wanted = managed.scale_out_capacity(&measured, by_formula).clamp(state.min_size, state.max_size);
        let figures = figures(&measured, managed.target_capacity);
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
            self.scale_group(provider, group, wanted, cause, &figures);
        }
    }

    /// The low alarm of a provider's managed scaling is in ALARM.
    pub(super) fn shrink_group(&mut self, provider: Id<CapacityProvider>, cause: Option<Decision>) {
        let Some((group, managed, measured)) = self.alarmed(provider) else { return };
        let state = &self.groups[group.index()];
        let fraction = self.scenario.assumptions.capacity_scale_in_max_fraction;
        let wanted = managed.scale_in_capacity(state.desired_capacity, &measured, fraction).max(state.min_size);
        let figures = figures(&measured, managed.target_capacity);
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
            self.scale_group(provider, group, wanted, cause, &figures);
        }
    }

    fn scale_group(
        &mut self,
        provider: Id<CapacityProvider>,
        group: Id<AutoScalingGroup>,
        wanted: u32,
        cause: Option<Decision>,
        figures: &str,
    ) {
        let before = self.groups[group.index()].desired_capacity;
        self.note_decision(provider, format!("desired {before} to {wanted} ({figures})"));
        self.set_desired_capacity(group, wanted, cause, figures);
        self.providers[provider.index()].last_reason.clear();
    }

    /// Writes down in the present minute what an alarm of the provider led to.
    fn note_decision(&mut self, provider: Id<CapacityProvider>, words: String) {
        let now = self.now();
        let rows = self.records.managed_scaling_minutes.iter_mut().rev();
        if let Some(row) = rows.take(self.providers.len()).find(|it| it.capacity_provider == provider.index()) {
            row.decisions.push((now, words));
        }
    }

    fn instances_present_and_used(&self, group: Id<AutoScalingGroup>) -> (u32, u32) {
        let in_service = self.groups[group.index()].instances.iter().copied().filter(|it| {
            let row = &self.cluster.instances[*it];
            let has_agent = matches!(
                row.status,
                InstanceStatus::Registering | InstanceStatus::RegistrationFailed | InstanceStatus::Active
            );
            has_agent && row.in_service_at.is_some()
        });
        in_service.fold((0, 0), |(present, used), it| (present + 1, used + u32::from(self.is_used(it))))
    }

    fn waiting_groups(&self, provider: Id<CapacityProvider>) -> Vec<(Launcher, WaitingGroup)> {
        // Tasks of one group have the same constraints and subnets, too.
        type Where<'b> = (Vec<&'b PlacementConstraint>, &'b [Id<Subnet>]);
        let Some(asg) = self.scenario.capacity_providers[provider].auto_scaling_group() else { return Vec::new() };
        let mut groups: Vec<(Where, (Launcher, WaitingGroup))> = Vec::new();
        for &(launcher, task) in &self.cluster.waiting {
            let row = &self.cluster.tasks[task];
            if row.capacity_provider != Some(provider) {
                continue;
            }
            let constraints = self.constraints_of(&Wanted::of(row));
            let subnets = self.scenario.subnets_of(launcher, row.network);
            let is_same = |it: &&mut (Where, (Launcher, WaitingGroup))| {
                it.0.0 == constraints && it.0.1 == subnets && it.1.1.reservation == row.reservation
            };
            match groups.iter_mut().find(is_same) {
                Some((_, (_, group))) => group.count += 1,
                None => {
                    let group = WaitingGroup {
                        reservation: row.reservation.clone(),
                        count: 1,
                        is_distinct_instance: constraints.contains(&&PlacementConstraint::DistinctInstance),
                        is_selected: self.would_launch(&Wanted::of(row), asg, &constraints)
                            && !self.daemons_take_a_port(&row.reservation, asg),
                    };
                    groups.push(((constraints, subnets), (launcher, group)));
                }
            }
        }
        groups.into_iter().map(|it| it.1).collect()
    }

    /// Whether an instance that the provider's group would launch now, in one of its zones, meets the `memberOf` constraints
    /// when no tasks but those of DAEMON services are on it.
    fn would_launch(&self, wanted: &Wanted, group: Id<AutoScalingGroup>, constraints: &[&PlacementConstraint]) -> bool {
        let definition = &self.scenario.task_definitions[wanted.task_definition];
        let group_definition = &self.scenario.auto_scaling_groups[group];
        if group_definition.missing_attributes(definition).next().is_some() {
            return false;
        }
        self.launched_types(group).any(|kind| {
            group_definition.places(&self.scenario.subnets).any(|place| {
                let daemons = || self.daemons_of_new_instance((group, kind), place);
                has_subnet(self.scenario, (wanted.launcher, wanted.network), definition, place.0)
                    && self.would_select((group, kind), place, constraints, &daemons())
            })
        })
    }

    /// Whether the `memberOf` constraints select an instance of a type that a group would launch now in a zone and subnet, when the
    /// tasks of these services are on it.
    pub(super) fn would_select(
        &self,
        (group, kind): (Id<AutoScalingGroup>, &InstanceType),
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
        let attributes = group.container_instance_attributes(
            kind,
            &scenario.availability_zones[zone],
            subnet.map(|it| &scenario.subnets[it]),
            self.groups[id.index()].awsvpc_trunking,
        );
        let facts = InstanceFacts {
            running_tasks_count: task_groups.len() as u32,
            task_groups: &task_groups,
            ..group.facts_of_empty_instance(&attributes, self.unix_nanos(self.now()))
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
        self.note_decision(provider, reason.clone());
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
        // Its agent may have registered before its launch hooks are done.
        let waits_for_hooks = |it: &ContainerInstance| {
            matches!(it.status, InstanceStatus::Registering | InstanceStatus::Active) && it.in_service_at.is_none()
        };
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
            ]) - hosts.iter().filter(|it| waits_for_hooks(it)).count() as u32,
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
}

fn figures(measured: &CapacityProviderReservation, target_capacity: u32) -> String {
    let CapacityProviderReservation { needed, present, percent, .. } = measured;
    format!("M = {needed}, N = {present}, reservation {}, target {target_capacity}", percent.round())
}
