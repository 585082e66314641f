//! Auto Scaling groups: the life of their instances, their desired capacity, and what goes when there are too many.
//!
//! Follows the EC2 Auto Scaling guide (2023 to 2026 copies). Left out: hooks other than managed draining, warm pools, zone
//! rebalancing.

use std::collections::BTreeSet;

use crate::agenda::Event;
use crate::aws::auto_scaling_group::{AutoScalingGroup, TerminationCandidate, choose_to_terminate};
use crate::aws::instance_type::InstanceType;
use crate::aws::mixed_instances::PurchaseOption;
use crate::aws::price::instance_usd;
use crate::cluster::{ContainerInstance, InstanceStatus, StopCode, Task};
use crate::control::Control;
use crate::control::log::Decision;
use crate::run::InstanceChange;
use crate::table::Id;
use crate::units::{Instant, Span};

/// A group notices an instance that EC2 has lost at its next look (EC2 Auto Scaling guide: periodically; assumed 60 s).
pub(super) const HEALTH_CHECK_EVERY: Span = Span::seconds(60);

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
    /// Launches that have failed in a row.
    pub(super) failed_launches: u32,
    /// Why the last of them did, so that the same is said once.
    pub(super) launch_failure: String,
    passes: BTreeSet<Instant>,
    cost_of_terminated_usd: f64,
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
            failed_launches: 0,
            launch_failure: String::new(),
            passes: BTreeSet::new(),
            cost_of_terminated_usd: 0.0,
        }
    }
}

impl Control<'_> {
    /// Brings the groups to their desired capacity: at once where the cluster has settled, else by launching.
    pub(super) fn begin_groups(&mut self) {
        for group in self.scenario.auto_scaling_groups.ids() {
            while self.group_capacity(group, None) < self.groups[group.index()].desired_capacity {
                let Some(instance) = self.launch_instance(group, None) else { break };
                if self.scenario.begins_settled {
                    let row = &mut self.cluster.instances[instance];
                    row.status = InstanceStatus::Active;
                    row.in_service_at = Some(Instant::START);
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
                if self.has_trunk(instance) {
                    after += self.scenario.assumptions.trunk_attach_time;
                }
                self.agenda.put(now + after, Event::InstanceAdvances(instance));
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
            InstanceStatus::Active | InstanceStatus::Inactive => {}
        }
    }

    /// The group's instances now cost this much since the run began, USD.
    pub fn group_cost_usd(&self, group: Id<AutoScalingGroup>) -> f64 {
        let now = self.now();
        let running = self.groups[group.index()].instances.iter().map(|&it| {
            let row = &self.cluster.instances[it];
            instance_usd(row.usd_per_hour, now.since(row.launched_at))
        });
        self.groups[group.index()].cost_of_terminated_usd + running.sum::<f64>()
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
        while self.group_capacity(group, None) < self.groups[group.index()].desired_capacity {
            let cause = self.groups[group.index()].wanted_because;
            if self.launch_instance(group, cause).is_none() {
                break;
            }
        }
        while self.group_capacity(group, None) > self.groups[group.index()].desired_capacity {
            let Some(instance) = self.choose_to_terminate(group) else { return };
            self.scale_in_instance(instance);
        }
    }

    /// Something that a group kept only for its tasks may be free to go.
    pub(super) fn reconcile_group_soon_if_above(&mut self, group: Id<AutoScalingGroup>) {
        if self.group_capacity(group, None) > self.groups[group.index()].desired_capacity {
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

    /// The type of an instance.
    pub(super) fn instance_type_of(&self, instance: Id<ContainerInstance>) -> &InstanceType {
        self.cluster.instances[instance].instance_type(&self.scenario.auto_scaling_groups)
    }

    /// Whether an instance has a trunk network interface.
    pub(super) fn has_trunk(&self, instance: Id<ContainerInstance>) -> bool {
        let group = &self.scenario.auto_scaling_groups[self.cluster.instances[instance].auto_scaling_group];
        group.has_trunk(self.instance_type_of(instance))
    }

    /// Units of its group's capacity that an instance is.
    pub(super) fn weight_of(&self, instance: Id<ContainerInstance>) -> u32 {
        let row = &self.cluster.instances[instance];
        let types = &self.scenario.auto_scaling_groups[row.auto_scaling_group].instance_types;
        types[row.launch_template_override].weighted_capacity
    }

    /// Units of capacity that a group has in instances of a purchase option, or of both, those left out that it terminates.
    pub(super) fn group_capacity(&self, group: Id<AutoScalingGroup>, purchase_option: Option<PurchaseOption>) -> u32 {
        let instances = self.groups[group.index()].instances.iter().copied();
        let counts = |it: &Id<ContainerInstance>| {
            let row = &self.cluster.instances[*it];
            !row.is_terminating && purchase_option.is_none_or(|option| option == row.purchase_option)
        };
        instances.filter(counts).map(|it| self.weight_of(it)).sum()
    }

    /// `auto-scaling-group/NAME`, as events name it.
    pub fn group_resource(&self, group: Id<AutoScalingGroup>) -> String {
        format!("auto-scaling-group/{}", self.scenario.auto_scaling_groups[group].name)
    }

    pub(super) fn reconcile_group_at(&mut self, group: Id<AutoScalingGroup>, at: Instant) {
        if self.groups[group.index()].passes.insert(at) {
            self.agenda.put(at, Event::GroupIsReconciled(group));
        }
    }

    pub(super) fn set_desired_capacity(
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

    fn choose_to_terminate(&mut self, group: Id<AutoScalingGroup>) -> Option<Id<ContainerInstance>> {
        let now = self.now();
        let definition = &self.scenario.auto_scaling_groups[group];
        let desired = self.groups[group.index()].desired_capacity;
        let surplus = self.group_capacity(group, None) - desired;
        let able: Vec<Id<ContainerInstance>> = self.groups[group.index()]
            .instances
            .iter()
            .copied()
            .filter(|&it| {
                let row = &self.cluster.instances[it];
                // What counts for more than there is too much would leave too little.
                row.is_in_service() && !row.is_terminating && self.weight_of(it) <= surplus
            })
            .collect();
        let of_on_demand = self.group_capacity(group, Some(PurchaseOption::OnDemand));
        let of_spot = self.group_capacity(group, Some(PurchaseOption::Spot));
        let is_above_share = |option| {
            definition.instances_distribution.is_some_and(|it| {
                let on_demand = it.on_demand_capacity(desired);
                match option {
                    PurchaseOption::OnDemand => of_on_demand > on_demand,
                    PurchaseOption::Spot => of_spot > desired - on_demand,
                }
            })
        };
        let candidates: Vec<TerminationCandidate> = able
            .iter()
            .map(|&it| TerminationCandidate {
                availability_zone: self.cluster.instances[it].availability_zone.index(),
                launched_at: self.cluster.instances[it].launched_at,
                is_protected: self.is_protected(it),
                is_above_share: is_above_share(self.cluster.instances[it].purchase_option),
                allocation_place: self.allocation_place(it),
            })
            .collect();
        let policies = &definition.termination_policies;
        let stream = &mut self.streams.instances[group.index()];
        choose_to_terminate(policies, &candidates, now, &mut |n| stream.below(n)).map(|chosen| able[chosen])
    }

    /// Managed termination protection lifts the protection of instances without tasks, and of those only.
    pub(super) fn is_protected(&self, instance: Id<ContainerInstance>) -> bool {
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
        let (group, launched_at, price) = (row.auto_scaling_group, row.launched_at, row.usd_per_hour);
        self.cluster.return_address(subnet);
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

    pub(super) fn record_instance(&mut self, instance: Id<ContainerInstance>) {
        self.cluster.touch();
        self.check_group_activity(self.cluster.instances[instance].auto_scaling_group);
        self.schedule_daemons();
        self.cluster.instances_described_anew.push(instance);
        let row = &self.cluster.instances[instance];
        let group = &self.scenario.auto_scaling_groups[row.auto_scaling_group];
        self.records.instance_changes.push(InstanceChange {
            at: self.agenda.now(),
            instance: row.name.clone(),
            auto_scaling_group: group.name.clone(),
            instance_type: row.instance_type(&self.scenario.auto_scaling_groups).name.clone(),
            availability_zone: self.scenario.availability_zones[row.availability_zone].name.clone(),
            status: match row.status {
                InstanceStatus::Launching => "LAUNCHING",
                InstanceStatus::Registering => "REGISTERING",
                InstanceStatus::Active => "ACTIVE",
                InstanceStatus::Draining => "DRAINING",
                InstanceStatus::Deregistering => "DEREGISTERING",
                InstanceStatus::Inactive => "INACTIVE",
                InstanceStatus::Terminated => "TERMINATED",
            },
            tasks: row.tasks.len() as u32,
            purchase_option: row.purchase_option.as_str(),
            usd_per_hour: row.usd_per_hour,
        });
    }
}
