//! Balance of a group's zones, and zones that fail.
//!
//! Follows *Rebalancing activities* and *Availability Zone distribution* in the EC2 Auto Scaling guide (2023 to 2026 copies).

use crate::agenda::Event;
use crate::aws::auto_scaling_group::{AutoScalingGroup, AvailabilityZone, ScalingProcess};
use crate::aws::mixed_instances::PurchaseOption;
use crate::cluster::{Host, InstanceStatus, StopCode, Task};
use crate::control::Control;
use crate::control::auto_scaling_group::replacement::ReplacementReason;
use crate::control::instance_launch::LaunchWish;
use crate::scenario::TimelineChange;
use crate::spelling::plural;
use crate::table::Id;
use crate::units::{Instant, Span};

impl Control<'_> {
    /// Instances of a group in each of its zones, those left out that it does not want.
    pub(in crate::control) fn instances_by_zone(&self, group: Id<AutoScalingGroup>) -> Vec<u32> {
        let zones = &self.scenario.auto_scaling_groups[group].availability_zones;
        let in_zone = |zone: &Id<AvailabilityZone>| {
            let instances = self.groups[group.index()].instances.iter().copied();
            let is_in = |it: &_| self.cluster.instances[*it].availability_zone == *zone && self.counts_for_group(*it);
            instances.filter(is_in).count() as u32
        };
        zones.iter().map(in_zone).collect()
    }

    /// Zones of a group that have so few instances that one more than in `zone` would not be too many.
    pub(super) fn emptier_zones(
        &self,
        group: Id<AutoScalingGroup>,
        zone: Id<AvailabilityZone>,
    ) -> Vec<Id<AvailabilityZone>> {
        let zones = &self.scenario.auto_scaling_groups[group].availability_zones;
        let counts = self.instances_by_zone(group);
        let own = zones.iter().position(|it| *it == zone).map_or(0, |it| counts[it]);
        zones.iter().zip(counts).filter(|(_, count)| count + 1 < own).map(|it| *it.0).collect()
    }

    /// Moves instances from the zone with the most to those with the fewest, launching first.
    pub(super) fn rebalance_zones(&mut self, group: Id<AutoScalingGroup>) {
        let least = self.scenario.assumptions.zone_imbalance;
        let zones = &self.scenario.auto_scaling_groups[group].availability_zones;
        let counts = self.instances_by_zone(group);
        let state = &self.groups[group.index()];
        let (Some(most), Some(fewest)) = (counts.iter().max(), counts.iter().min()) else { return };
        if most - fewest < least
            || !state.replacements.is_empty()
            || state.refresh.is_some()
            || self.group_capacity(group, None) < state.desired_capacity
            || self.in_service(group).len() < counts.iter().sum::<u32>() as usize
        {
            return;
        }
        let fullest = zones[counts.iter().position(|it| it == most).expect("it is one of them")];
        let to = self.emptier_zones(group, fullest);
        let wish = |purchase_option| LaunchWish { purchase_option, zones: Some(to.clone()), words: "" };
        // Where nothing could be launched nothing is drawn either.
        if ![PurchaseOption::OnDemand, PurchaseOption::Spot].iter().any(|it| self.can_launch(group, &wish(*it))) {
            return;
        }
        let Some(instance) = self.choose_to_terminate(group, Some(fullest)) else { return };
        let purchase_option = self.cluster.instances[instance].purchase_option;
        if !self.can_launch(group, &wish(purchase_option)) || self.is_suspended(group, ScalingProcess::AzRebalance) {
            return;
        }
        let names = |zones: &[Id<AvailabilityZone>]| {
            let names: Vec<&str> = zones.iter().map(|it| self.scenario.availability_zones[*it].name.as_str()).collect();
            names.join(" ")
        };
        let message = format!(
            "Instances are launched to balance instances in zones {} with other zones ({} has {most}, the fewest are {fewest}), \
             resulting in more than desired number of instances in the group",
            names(&to),
            names(&[fullest])
        );
        let resource = self.group_resource(group);
        let cause = self.log.put(self.agenda.now(), None, "group.zone_rebalance", resource, message);
        self.launch_before_terminating(instance, ReplacementReason::ZoneBalance, Some(cause));
    }

    /// Whether a zone is out, as the timeline has it.
    pub(in crate::control) fn is_zone_out(&self, zone: Id<AvailabilityZone>) -> bool {
        let now = self.now();
        self.scenario.timeline.iter().take_while(|it| it.at <= now).any(|it| match it.change {
            TimelineChange::AvailabilityZoneOutage { availability_zone, lasts } => {
                availability_zone == zone && lasts.is_none_or(|lasts| now < it.at + lasts)
            }
            _ => false,
        })
    }

    /// All that runs in a zone is lost, and nothing can be launched there for a while.
    pub(in crate::control) fn zone_goes_out(&mut self, index: usize, zone: Id<AvailabilityZone>, lasts: Option<Span>) {
        let now = self.now();
        let name = &self.scenario.availability_zones[zone].name;
        let until = lasts.map_or(String::new(), |it| format!(" for {it}"));
        let lost: Vec<_> = self
            .cluster
            .instances
            .ids()
            .filter(|it| {
                let row = &self.cluster.instances[*it];
                row.availability_zone == zone && row.status != InstanceStatus::Terminated
            })
            .collect();
        let tasks = self.fargate_tasks_in(zone, now);
        let message = format!(
            "zone {name} is out{until}: {} and {} on Fargate are lost, and nothing can be launched there",
            plural(lost.len(), "instance"),
            plural(tasks.len(), "task")
        );
        let resource = format!("availability-zone/{name}");
        self.log.put(now, None, "timeline.availability_zone_outage", resource, message);
        for instance in lost {
            let group = self.cluster.instances[instance].auto_scaling_group;
            self.instance_is_gone(instance, false);
            self.reconcile_at_next_check(group);
        }
        for task in tasks {
            self.lose_task(task);
        }
        self.agenda.put(now + self.scenario.assumptions.instance_loss_detection, Event::ZoneOutageIsNoticed(index));
    }

    /// ECS notices that tasks on Fargate are gone with their zone.
    pub(in crate::control) fn zone_outage_is_noticed(&mut self, index: usize) {
        let entry = &self.scenario.timeline[index];
        let TimelineChange::AvailabilityZoneOutage { availability_zone, .. } = entry.change else { return };
        for task in self.fargate_tasks_in(availability_zone, entry.at) {
            self.task_was_lost(task, StopCode::InfrastructureHealth, "The Availability Zone of the task is out.");
        }
    }

    /// Tasks on Fargate in a zone that were there at some time.
    fn fargate_tasks_in(&self, zone: Id<AvailabilityZone>, at: Instant) -> Vec<Id<Task>> {
        let is_there = |it: &Id<Task>| {
            let row = &self.cluster.tasks[*it];
            row.host == Some(Host::Fargate(zone)) && row.placed_at.is_some_and(|placed| placed <= at)
        };
        self.cluster.fargate_tasks.iter().copied().filter(is_there).collect()
    }
}
