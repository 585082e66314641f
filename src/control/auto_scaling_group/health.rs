//! Health of instances, as their group finds it, and what follows.
//!
//! Follows *Health checks for instances in an Auto Scaling group* in the EC2 Auto Scaling guide (2023 to 2026 copies). An instance
//! that EC2 no longer has is replaced at the next check (`reconcile_at_next_check`).

use crate::aws::auto_scaling_group::{AutoScalingGroup, AvailabilityZone, ScalingProcess};
use crate::aws::task_definition::NetworkMode;
use crate::cluster::{ContainerInstance, InstanceStatus, TargetState};
use crate::control::Control;
use crate::control::auto_scaling_group::replacement::ReplacementReason;
use crate::table::Id;

const STATUS_CHECKS_FAILED: &str = "in response to an EC2 instance status checks failure";
const LOAD_BALANCER_CHECK_FAILED: &str = "in response to an ELB system health check failure";

impl Control<'_> {
    /// The oldest instances of a group stop to answer: EC2's status checks fail, their agents are cut off, and so are their tasks.
    pub(in crate::control) fn impair_instances(
        &mut self,
        group: Id<AutoScalingGroup>,
        count: u32,
        zone: Option<Id<AvailabilityZone>>,
    ) {
        let now = self.now();
        let mut meant = self.in_service(group);
        meant.retain(|it| {
            self.instances_in_groups[it.index()].impaired_since.is_none()
                && zone.is_none_or(|zone| self.cluster.instances[*it].availability_zone == zone)
        });
        meant.truncate(count as usize);
        for instance in meant {
            let name = self.cluster.instances[instance].name.clone();
            let message = format!("(instance {name}) is impaired: its status checks fail, and nothing on it answers");
            self.log.put(now, None, "timeline.impair_instances", self.group_resource(group), message);
            self.in_group(instance).impaired_since = Some(now);
            self.cluster.instances[instance].agent_connected = false;
            for task in self.tasks_left_on(instance) {
                self.lose_task(task);
            }
            self.cluster.instances_described_anew.push(instance);
            self.container_instances_changed();
        }
    }

    /// What the group finds at its periodic check.
    pub(super) fn find_unhealthy_instances(&mut self, group: Id<AutoScalingGroup>) {
        let unhealthy: Vec<_> = self
            .in_service(group)
            .into_iter()
            .filter(|it| self.instances_in_groups[it.index()].unhealthy.is_none())
            .filter_map(|it| Some((it, self.finding(it)?)))
            .collect();
        if unhealthy.is_empty() || self.is_suspended(group, ScalingProcess::HealthCheck) {
            return;
        }
        for (instance, words) in unhealthy {
            self.in_group(instance).unhealthy = Some(words);
            let name = self.cluster.instances[instance].name.clone();
            let message = format!("(instance {name}) is found unhealthy, {words}");
            let resource = self.group_resource(group);
            self.log.put(self.agenda.now(), None, "group.instance_unhealthy", resource, message);
        }
    }

    /// Whether an instance is in service and warm, and nothing is found wrong with it.
    pub(super) fn is_warm_and_healthy(&self, instance: Id<ContainerInstance>) -> bool {
        let is_found = self.instances_in_groups[instance.index()].unhealthy.is_some();
        self.is_warm(instance) && !is_found && self.finding(instance).is_none()
    }

    /// Why an instance is unhealthy; `None` where it is not.
    fn finding(&self, instance: Id<ContainerInstance>) -> Option<&'static str> {
        let now = self.now();
        let row = &self.cluster.instances[instance];
        let upkeep = &self.scenario.auto_scaling_groups[row.auto_scaling_group].upkeep;
        let wait = self.scenario.assumptions.impaired_instance_wait;
        if self.instances_in_groups[instance.index()].impaired_since.is_some_and(|it| it + wait <= now) {
            return Some(STATUS_CHECKS_FAILED);
        }
        let in_grace = row.in_service_at.is_none_or(|it| now < it + upkeep.health_check_grace_period);
        if !upkeep.elb_health_check || in_grace {
            return None;
        }
        let is_unhealthy = |target| {
            let target: &crate::cluster::Target = &self.cluster.targets[target];
            target.state == TargetState::Unhealthy && upkeep.target_groups.contains(&target.target_group)
        };
        // Tasks with their own network interface are targets by their address, not by their instance.
        let by_instance = row.hosted.iter().filter(|it| self.definition_of(**it).network_mode != NetworkMode::Awsvpc);
        let mut targets = by_instance.filter_map(|it| self.cluster.tasks[*it].target);
        targets.any(is_unhealthy).then_some(LOAD_BALANCER_CHECK_FAILED)
    }

    /// Replaces what was found unhealthy, some at a time.
    pub(super) fn replace_unhealthy_instances(&mut self, group: Id<AutoScalingGroup>) {
        let unhealthy: Vec<_> = self
            .in_service(group)
            .into_iter()
            .filter(|it| self.cluster.instances[*it].status != InstanceStatus::Terminated)
            .filter_map(|it| Some((it, ReplacementReason::Unhealthy(self.instances_in_groups[it.index()].unhealthy?))))
            .collect();
        if !unhealthy.is_empty() && !self.is_suspended(group, ScalingProcess::ReplaceUnhealthy) {
            self.replace_some(group, &unhealthy, None);
        }
    }
}
