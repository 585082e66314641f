//! Which instance goes, and how it goes.

use crate::agenda::Event;
use crate::aws::auto_scaling_group::{AutoScalingGroup, AvailabilityZone, TerminationCandidate, choose_to_terminate};
use crate::aws::lifecycle::{LifecycleState, LifecycleTransition};
use crate::aws::mixed_instances::PurchaseOption;
use crate::cluster::{ContainerInstance, InstanceStatus};
use crate::control::Control;
use crate::control::log::Decision;
use crate::table::Id;

impl Control<'_> {
    /// The instance that goes when there are too many, or the one that leaves a zone.
    pub(super) fn choose_to_terminate(
        &mut self,
        group: Id<AutoScalingGroup>,
        zone: Option<Id<AvailabilityZone>>,
    ) -> Option<Id<ContainerInstance>> {
        let now = self.now();
        let definition = &self.scenario.auto_scaling_groups[group];
        let desired = self.groups[group.index()].desired_capacity;
        let surplus = match zone {
            Some(_) => u32::MAX,
            None => self.group_capacity(group, None) - desired - self.extra_capacity(group),
        };
        let present_version = self.groups[group.index()].launch_template.version;
        let able: Vec<Id<ContainerInstance>> = self.groups[group.index()]
            .instances
            .iter()
            .copied()
            .filter(|&it| {
                let row = &self.cluster.instances[it];
                // What counts for more than there is too much would leave too little.
                row.is_in_service()
                    && self.counts_for_group(it)
                    && self.weight_of(it) <= surplus
                    && zone.is_none_or(|zone| row.availability_zone == zone)
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
                past_launch_template_version: Some(self.instances_in_groups[it.index()].launch_template_version)
                    .filter(|it| *it != present_version),
            })
            .collect();
        let policies = &definition.termination_policies;
        let stream = &mut self.streams.instances[group.index()];
        choose_to_terminate(policies, &candidates, now, &mut |n| stream.below(n)).map(|chosen| able[chosen])
    }

    /// Managed termination protection lifts the protection of instances without tasks, and of those only.
    pub(in crate::control) fn is_protected(&self, instance: Id<ContainerInstance>) -> bool {
        let row = &self.cluster.instances[instance];
        let providers = &self.scenario.capacity_providers;
        let managed = providers
            .iter()
            .any(|it| it.auto_scaling_group() == Some(row.auto_scaling_group) && it.managed_termination_protection);
        if managed { self.is_used(instance) } else { row.is_protected_from_scale_in }
    }

    pub(super) fn scale_in_instance(&mut self, instance: Id<ContainerInstance>) {
        let cause = self.groups[self.cluster.instances[instance].auto_scaling_group.index()].wanted_because;
        self.begin_to_terminate(instance, "", cause);
    }

    /// A group takes an instance out of service, `why` in its words: at once, or when its tasks and its hooks are done.
    pub(super) fn begin_to_terminate(&mut self, instance: Id<ContainerInstance>, why: &str, cause: Option<Decision>) {
        let now = self.now();
        let row = &self.cluster.instances[instance];
        let (group, name) = (row.auto_scaling_group, row.name.clone());
        let mut message = format!("Terminating EC2 instance: {name}");
        if !why.is_empty() {
            message += &format!(". An instance was taken out of service {why}.");
        }
        let decision = self.log.put(now, cause, "group.instance_terminating", self.group_resource(group), message);
        let drains =
            self.scenario.capacity_providers.iter().any(|it| {
                it.auto_scaling_group() == Some(group) && it.managed_draining && it.managed_scaling.is_some()
            });
        // An agent that is not connected drains nothing.
        let drains = drains && self.cluster.instances[instance].agent_connected;
        let drains = drains && !self.tasks_left_on(instance).is_empty();
        let waits = self.begin_hooks(instance, LifecycleTransition::Terminating);
        if !drains && !waits {
            self.terminate_instance(instance);
            return;
        }
        self.in_group(instance).lifecycle_state = LifecycleState::TerminatingWait;
        let row = &mut self.cluster.instances[instance];
        row.is_terminating = true;
        if drains {
            row.status = InstanceStatus::Draining;
            let until = now + self.scenario.assumptions.managed_draining_maximum;
            row.drains_until = Some(until);
            self.agenda.put(until, Event::InstanceAdvances(instance));
        }
        self.record_instance(instance);
        if drains {
            self.schedule_services_on(instance, decision);
        }
    }

    /// A task that gave back its network interface was the last on an instance that its group wants to terminate.
    pub(in crate::control) fn terminate_soon_if_drained(&mut self, instance: Id<ContainerInstance>) {
        let row = &self.cluster.instances[instance];
        if row.status == InstanceStatus::Draining && row.is_terminating && row.hosted.is_empty() {
            self.agenda.put(self.now(), Event::InstanceAdvances(instance));
        }
    }

    pub(super) fn terminate_if_drained(&mut self, instance: Id<ContainerInstance>) {
        let row = &self.cluster.instances[instance];
        let is_overdue = row.drains_until.is_none_or(|it| it <= self.now());
        let has_hooks = self.instances_in_groups[instance.index()].hooks_end_at.is_some();
        if row.is_terminating && !has_hooks && (is_overdue || self.tasks_left_on(instance).is_empty()) {
            self.terminate_instance(instance);
        }
    }

    pub(super) fn terminate_instance(&mut self, instance: Id<ContainerInstance>) {
        self.instance_is_gone(instance, false);
    }

    /// EC2 has terminated an instance: on somebody's call, or because it interrupted a Spot Instance.
    pub(super) fn instance_is_gone(&mut self, instance: Id<ContainerInstance>, interrupted_by_ec2: bool) {
        let now = self.now();
        self.record_unseen_instance(instance, now);
        self.ceases_to_run(instance, interrupted_by_ec2);
        self.counts_as_stopped_until(instance, now);
        self.in_group(instance).lifecycle_state = LifecycleState::Terminated;
        let row = &mut self.cluster.instances[instance];
        row.status = InstanceStatus::Terminated;
        row.terminated_at = Some(now);
        let subnet = row.subnet.take();
        let group = row.auto_scaling_group;
        self.cluster.return_address(subnet);
        let cost_usd = self.instance_cost_usd(instance);
        let state = &mut self.groups[group.index()];
        state.instances.retain(|it| *it != instance);
        state.cost_of_terminated_usd += cost_usd;
        self.record_instance(instance);
        let left = self.tasks_left_on(instance);
        for &task in &left {
            self.lose_task(task);
        }
        if !left.is_empty() {
            let at = now + self.scenario.assumptions.instance_loss_detection;
            self.advance_instance_at(instance, at);
        }
    }
}
