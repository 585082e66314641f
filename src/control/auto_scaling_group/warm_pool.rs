//! The warm pool of a group.

use crate::aws::auto_scaling_group::{AutoScalingGroup, AvailabilityZone, ScalingProcess};
use crate::aws::lifecycle::{LifecycleState, LifecycleTransition};
use crate::aws::mixed_instances::PurchaseOption;
use crate::cluster::{ContainerInstance, InstanceStatus};
use crate::control::Control;
use crate::control::instance_launch::LaunchWish;
use crate::control::log::Decision;
use crate::table::Id;
use crate::units::{Instant, Span};

impl Control<'_> {
    /// Brings the pool to its size: by launches, or by terminating the newest.
    pub(super) fn maintain_warm_pool(&mut self, group: Id<AutoScalingGroup>) {
        let Some(pool) = self.scenario.auto_scaling_groups[group].upkeep.warm_pool else { return };
        let state = &self.groups[group.index()];
        let desired = state.desired_capacity;
        let size = pool.size(state.max_size, desired) as usize;
        while self.warm_instances(group).len() < size {
            if self.is_suspended(group, ScalingProcess::Launch) {
                return;
            }
            let words = "to fill the warm pool";
            let mut wish = LaunchWish { purchase_option: PurchaseOption::OnDemand, zones: None, words };
            wish.zones = Some(self.zones_with_fewest_prepared(group));
            if !self.can_launch(group, &wish) {
                wish.zones = None;
            }
            if self.launch_warmed(group, &wish).is_none() {
                return;
            }
        }
        // What is wanted of it is taken first.
        let is_waited_for = self.group_capacity(group, None) < desired;
        while !is_waited_for && self.warm_instances(group).len() > size {
            let Some(instance) = self.warm_instances(group).pop() else { return };
            if self.is_suspended(group, ScalingProcess::Terminate) {
                return;
            }
            let now = self.now();
            let name = self.cluster.instances[instance].name.clone();
            let message = format!("Terminating EC2 instance: {name}. The warm pool is to have {size} instances.");
            let cause = self.groups[group.index()].wanted_because;
            self.log.put(now, cause, "group.instance_terminating", self.group_resource(group), message);
            self.terminate_instance(instance);
        }
    }

    fn warm_instances(&self, group: Id<AutoScalingGroup>) -> Vec<Id<ContainerInstance>> {
        self.groups[group.index()].instances.iter().copied().filter(|it| self.is_warmed(*it)).collect()
    }

    /// Zones with the fewest instances, those of the warm pool included.
    fn zones_with_fewest_prepared(&self, group: Id<AutoScalingGroup>) -> Vec<Id<AvailabilityZone>> {
        let zones = &self.scenario.auto_scaling_groups[group].availability_zones;
        let mut counts = self.instances_by_zone(group);
        for warm in self.warm_instances(group) {
            let zone = self.cluster.instances[warm].availability_zone;
            if let Some(place) = zones.iter().position(|it| *it == zone) {
                counts[place] += 1;
            }
        }
        let fewest = counts.iter().min().copied();
        zones.iter().zip(counts).filter(|it| Some(it.1) == fewest).map(|it| *it.0).collect()
    }

    fn launch_warmed(&mut self, group: Id<AutoScalingGroup>, wish: &LaunchWish) -> Option<Id<ContainerInstance>> {
        let instance = self.launch_wished(group, wish, None)?;
        self.in_group(instance).lifecycle_state = LifecycleState::WarmedPending;
        self.cluster.instances[instance].status = InstanceStatus::Warmed;
        self.record_instance(instance);
        if self.scenario.begins_settled && self.now() == Instant::START {
            self.enters_warm_pool(instance);
        }
        Some(instance)
    }

    /// An instance of the pool has started for the first time: it waits for the launch hooks, then it is stopped.
    pub(super) fn warming_ends(&mut self, instance: Id<ContainerInstance>) {
        if self.in_group(instance).lifecycle_state != LifecycleState::WarmedPending {
            return;
        }
        self.begins_to_run(instance);
        if self.begin_hooks(instance, LifecycleTransition::Launching) {
            self.in_group(instance).lifecycle_state = LifecycleState::WarmedPendingWait;
            self.record_instance(instance);
        } else {
            self.enters_warm_pool(instance);
        }
    }

    /// An instance is prepared; what is stopped costs nothing but its volumes.
    pub(super) fn enters_warm_pool(&mut self, instance: Id<ContainerInstance>) {
        let now = self.now();
        let group = self.cluster.instances[instance].auto_scaling_group;
        let Some(pool) = self.scenario.auto_scaling_groups[group].upkeep.warm_pool else { return };
        if pool.pool_state == LifecycleState::WarmedRunning {
            self.begins_to_run(instance);
        } else {
            // Its agent clears nothing away while it is stopped.
            self.clean_up_images(instance);
            self.ceases_to_run(instance, false);
            self.in_group(instance).stopped_since = Some(now);
        }
        self.in_group(instance).lifecycle_state = pool.pool_state;
        self.record_instance(instance);
        let name = self.cluster.instances[instance].name.clone();
        let message = format!("(instance {name}) is in the warm pool, {}", pool.pool_state.as_str());
        self.log.put(now, None, "group.instance_warmed", self.group_resource(group), message);
        // Somebody may wait for it.
        self.reconcile_group_at(group, now);
    }

    /// Has an instance of the pool come in service instead of a new one, in the zone with the fewest; whether there was one.
    pub(super) fn take_from_warm_pool(&mut self, group: Id<AutoScalingGroup>, cause: Option<Decision>) -> bool {
        if self.scenario.auto_scaling_groups[group].upkeep.warm_pool.is_none() {
            return false;
        }
        let counts = self.instances_by_zone(group);
        let zones = &self.scenario.auto_scaling_groups[group].availability_zones;
        let in_zone = |it: &Id<ContainerInstance>| {
            let zone = self.cluster.instances[*it].availability_zone;
            zones.iter().position(|it| *it == zone).map_or(0, |it| counts[it])
        };
        let prepares = [LifecycleState::WarmedPending, LifecycleState::WarmedPendingWait];
        let is_ready =
            |it: &Id<ContainerInstance>| !prepares.contains(&self.instances_in_groups[it.index()].lifecycle_state);
        let Some(instance) = self.warm_instances(group).into_iter().filter(is_ready).min_by_key(in_zone) else {
            return false;
        };
        let now = self.now();
        let name = self.cluster.instances[instance].name.clone();
        let message = format!("Launching a new EC2 instance from warm pool: {name}");
        self.log.put(now, cause, "group.instance_launching", self.group_resource(group), message);
        self.counts_as_stopped_until(instance, now);
        let start_time = self.scenario.assumptions.warm_start_time;
        let state = self.in_group(instance);
        let after = if state.lifecycle_state == LifecycleState::WarmedRunning { Span::ZERO } else { start_time };
        state.lifecycle_state = LifecycleState::Pending;
        state.pending_since = now;
        self.cluster.instances[instance].status = InstanceStatus::Launching;
        self.record_instance(instance);
        self.advance_instance_at(instance, now + after);
        true
    }

    /// How long instances of warm pools have been stopped, all together.
    pub fn stopped_time(&self, end: Instant) -> Span {
        let open = self.instances_in_groups.iter().filter_map(|it| it.stopped_since).map(|it| end.since(it));
        let closed = self.cluster.instances.iter().map(|it| it.stopped_for);
        open.chain(closed).fold(Span::ZERO, |all, it| all + it)
    }

    /// An instance is stopped no longer.
    pub(super) fn counts_as_stopped_until(&mut self, instance: Id<ContainerInstance>, now: Instant) {
        if let Some(since) = self.in_group(instance).stopped_since.take() {
            self.cluster.instances[instance].stopped_for += now.since(since);
        }
    }
}
