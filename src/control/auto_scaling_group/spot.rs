//! Spot Instances that EC2 wants back: rebalance recommendation, interruption notice, and the end two minutes later.
//!
//! Follows *Spot Instance interruption notices* in the EC2 User Guide, *Capacity Rebalancing* in the EC2 Auto Scaling guide and
//! *Container instance draining* in the ECS developer guide. Left out: instances that are stopped or hibernated instead.

use crate::agenda::Event;
use crate::aws::auto_scaling_group::{AutoScalingGroup, AvailabilityZone};
use crate::aws::mixed_instances::PurchaseOption;
use crate::aws::spot::INTERRUPTION_NOTICE;
use crate::cluster::{ContainerInstance, InstanceStatus};
use crate::control::Control;
use crate::control::auto_scaling_group::replacement::ReplacementReason;
use crate::control::log::Decision;
use crate::distribution::Distribution;
use crate::scenario::PartOfTasks;
use crate::spelling::plural;
use crate::table::Id;
use crate::units::Span;

impl Control<'_> {
    /// The timeline has EC2 take back Spot Instances, the oldest first.
    pub(in crate::control) fn interrupt_spot_instances(
        &mut self,
        group: Option<Id<AutoScalingGroup>>,
        instance_type: Option<&str>,
        zone: Option<Id<AvailabilityZone>>,
        part: PartOfTasks,
    ) {
        let mut meant: Vec<Id<ContainerInstance>> = self.cluster.instances.ids().collect();
        meant.retain(|it| {
            let row = &self.cluster.instances[*it];
            self.can_be_interrupted(*it)
                && group.is_none_or(|group| row.auto_scaling_group == group)
                && instance_type.is_none_or(|name| self.instance_type_of(*it).name == name)
                && zone.is_none_or(|zone| row.availability_zone == zone)
        });
        meant.truncate(part.of(meant.len()));
        let names: Vec<&str> = meant.iter().map(|it| self.cluster.instances[*it].name.as_str()).collect();
        let message = match names.is_empty() {
            true => "no Spot Instance runs that could be interrupted".to_owned(),
            false => format!("EC2 wants {} Spot Instances back: {}", names.len(), names.join(", ")),
        };
        let resource = group.map_or("ec2/spot".to_owned(), |it| self.group_resource(it));
        let cause = self.log.put(self.agenda.now(), None, "timeline.interrupt_spot_instances", resource, message);
        for instance in meant {
            self.spot_instance_is_at_risk(instance, Some(cause));
        }
    }

    /// EC2 wants a Spot Instance back, as the seed has it.
    pub(in crate::control) fn spot_instance_is_wanted(&mut self, instance: Id<ContainerInstance>) {
        if self.can_be_interrupted(instance) {
            self.spot_instance_is_at_risk(instance, None);
        }
    }

    /// Draws when EC2 will want a Spot Instance back that was just launched.
    pub(in crate::control) fn draw_interruption(&mut self, instance: Id<ContainerInstance>) {
        let row = &self.cluster.instances[instance];
        if row.purchase_option != PurchaseOption::Spot {
            return;
        }
        let name = &self.instance_type_of(instance).name;
        let of_pool =
            self.capacity_pools.iter().rev().filter(|it| it.is_of(name, row.availability_zone, PurchaseOption::Spot));
        let usual = self.scenario.assumptions.spot_interruptions_per_hour;
        let rate = of_pool.filter_map(|it| it.interruptions_per_hour).next().unwrap_or(usual);
        if rate > 0.0 {
            let law = Distribution::Exponential { mean: Span::from_seconds_f64(3600.0 / rate) };
            let after = law.sample(&mut self.streams.spot_instances[row.auto_scaling_group.index()]);
            self.agenda.put(self.now() + after, Event::SpotInstanceIsWanted(instance));
        }
    }

    /// EC2 has less of a pool than runs, or sells it for more than some would pay: it takes the rest back.
    pub(in crate::control) fn take_back_of_pool(
        &mut self,
        instance_type: &str,
        zone: Id<AvailabilityZone>,
        cause: Decision,
    ) {
        let of_pool = || {
            let is_of =
                |it: &&crate::aws::capacity_pool::CapacityPool| it.is_of(instance_type, zone, PurchaseOption::Spot);
            self.capacity_pools.iter().rev().filter(is_of)
        };
        let available = of_pool().filter_map(|it| it.available).next();
        let usd_per_hour = of_pool().filter_map(|it| it.usd_per_hour).next();
        let mut running: Vec<Id<ContainerInstance>> = self.cluster.instances.ids().collect();
        running.retain(|it| {
            let row = &self.cluster.instances[*it];
            self.can_be_interrupted(*it)
                && row.availability_zone == zone
                && self.instance_type_of(*it).name == instance_type
        });
        let most = |it: &Id<ContainerInstance>| {
            let group = &self.scenario.auto_scaling_groups[self.cluster.instances[*it].auto_scaling_group];
            let own = group.instances_distribution.and_then(|it| it.spot_max_price);
            own.unwrap_or(self.instance_type_of(*it).usd_per_hour)
        };
        let (too_dear, rest): (Vec<_>, Vec<_>) =
            running.into_iter().partition(|it| usd_per_hour.is_some_and(|price| price > most(it)));
        let too_many = available.map_or(0, |it| rest.len().saturating_sub(it as usize));
        for instance in too_dear.into_iter().chain(rest.into_iter().take(too_many)) {
            self.spot_instance_is_at_risk(instance, Some(cause));
        }
    }

    fn can_be_interrupted(&self, instance: Id<ContainerInstance>) -> bool {
        let row = &self.cluster.instances[instance];
        let state = &self.instances_in_groups[instance.index()];
        row.purchase_option == PurchaseOption::Spot
            && row.status != InstanceStatus::Terminated
            && state.notice_at.is_none()
            && state.interrupted_at.is_none()
    }

    /// The rebalance recommendation, and the notice with it or some time later.
    fn spot_instance_is_at_risk(&mut self, instance: Id<ContainerInstance>, cause: Option<Decision>) {
        let now = self.now();
        let group = self.cluster.instances[instance].auto_scaling_group;
        let name = self.cluster.instances[instance].name.clone();
        let message = format!("(instance {name}) EC2 Instance Rebalance Recommendation");
        let resource = self.group_resource(group);
        let decision = self.log.put(now, cause, "instance.rebalance_recommendation", resource, message);
        if self.scenario.auto_scaling_groups[group].upkeep.capacity_rebalance {
            self.launch_before_terminating(instance, ReplacementReason::RebalanceRecommendation, Some(decision));
        }
        let notice_at = now + self.scenario.assumptions.rebalance_recommendation_lead;
        self.in_group(instance).notice_at = Some(notice_at);
        if notice_at == now {
            self.spot_notices_are_due(instance);
        } else {
            self.agenda.put(notice_at, Event::InstanceAdvances(instance));
        }
    }

    /// The interruption notice of a Spot Instance, and its end.
    pub(super) fn spot_notices_are_due(&mut self, instance: Id<ContainerInstance>) {
        let now = self.now();
        if self.cluster.instances[instance].status == InstanceStatus::Terminated {
            return;
        }
        let state = self.in_group(instance);
        if state.notice_at.is_some_and(|it| it <= now) {
            state.notice_at = None;
            state.interrupted_at = Some(now + INTERRUPTION_NOTICE);
            self.agenda.put(now + INTERRUPTION_NOTICE, Event::InstanceAdvances(instance));
            self.notice_spot_interruption(instance);
        } else if state.interrupted_at.is_some_and(|it| it <= now) {
            self.spot_instance_ends(instance);
        }
    }

    fn notice_spot_interruption(&mut self, instance: Id<ContainerInstance>) {
        let row = &self.cluster.instances[instance];
        let (group, name) = (row.auto_scaling_group, row.name.clone());
        let at = self.now() + INTERRUPTION_NOTICE;
        let drains = self.scenario.auto_scaling_groups[group].upkeep.spot_instance_draining
            && row.status == InstanceStatus::Active
            && row.agent_connected;
        let then = if drains { "; its agent sets it to DRAINING" } else { "" };
        let message =
            format!("(instance {name}) EC2 Spot Instance Interruption Warning: it is terminated at {at}{then}");
        let resource = self.group_resource(group);
        let cause = self.log.put(self.agenda.now(), None, "instance.spot_interruption_warning", resource, message);
        if drains {
            self.cluster.instances[instance].status = InstanceStatus::Draining;
            self.record_instance(instance);
            self.schedule_services_on(instance, cause);
        }
    }

    /// The two minutes are over: the instance goes, whatever is on it.
    fn spot_instance_ends(&mut self, instance: Id<ContainerInstance>) {
        let row = &self.cluster.instances[instance];
        let (group, name, tasks) = (row.auto_scaling_group, row.name.clone(), row.hosted.len());
        let message =
            format!("(instance {name}) Spot interruption: EC2 terminates it, with {} on it", plural(tasks, "task"));
        let resource = self.group_resource(group);
        self.log.put(self.agenda.now(), None, "instance.spot_interruption", resource, message);
        self.instance_is_gone(instance, true);
        self.reconcile_at_next_check(group);
    }
}
