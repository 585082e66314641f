//! Why each instance is there: looked at each minute, and written down where it changes.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::aws::alarm::AlarmState;
use crate::aws::auto_scaling_group::AutoScalingGroup;
use crate::aws::capacity_provider::{CapacityProviderReservation, ManagedScaling};
use crate::aws::lifecycle::LifecycleState;
use crate::aws::service::SchedulingStrategy;
use crate::cluster::{ContainerInstance, InstanceStatus};
use crate::control::Control;
use crate::run::{AliveReason, InstanceReason};
use crate::spelling::plural;
use crate::table::Id;
use crate::units::Instant;

/// What managed scaling has measured, the state of its low alarm, and how many datapoints are below the target.
type Measured<'m> = (&'m ManagedScaling, &'m CapacityProviderReservation, AlarmState, u32);

/// Services that the detail of an instance with tasks names.
const NAMED_MAXIMUM: usize = 3;

impl Control<'_> {
    /// Writes down for which reasons the instances of a group were there in the minute that closes.
    pub(super) fn record_instance_reasons(&mut self, group: Id<AutoScalingGroup>, measured: Option<Measured<'_>>) {
        let now = self.now();
        self.record_drain_holds(group);
        self.records.last_instance_reason.resize(self.cluster.instances.len(), None);
        let spread = self.instances_that_packing_would_free(group);
        let is_too_many = self.group_capacity(group, None) > self.groups[group.index()].desired_capacity;
        for place in 0..self.groups[group.index()].instances.len() {
            let instance = self.groups[group.index()].instances[place];
            let reason = match self.why_alive(group, instance, measured, is_too_many) {
                AliveReason::Tasks if spread.contains(&instance) => AliveReason::ThinlySpreadTasks,
                reason => reason,
            };
            let last = self.records.last_instance_reason[instance.index()];
            let from = match last.map(|it| &mut self.records.instance_reasons[it]) {
                Some(row) if row.reason == reason => {
                    row.until = now;
                    continue;
                }
                Some(row) => row.until,
                None => self.cluster.instances[instance].launched_at,
            };
            let detail = self.detail_of(reason, group, instance, measured);
            self.records.last_instance_reason[instance.index()] = Some(self.records.instance_reasons.len());
            let row = InstanceReason { instance: instance.index(), from, until: now, reason, detail };
            self.records.instance_reasons.push(row);
        }
    }

    /// Writes down why an instance was there that nobody has looked at by its end: it was gone within the minute of its launch, or the
    /// run is over.
    pub(crate) fn record_unseen_instance(&mut self, instance: Id<ContainerInstance>, until: Instant) {
        self.records.last_instance_reason.resize(self.cluster.instances.len(), None);
        let row = &self.cluster.instances[instance];
        let (group, from) = (row.auto_scaling_group, row.launched_at);
        let is_seen = self.records.last_instance_reason[instance.index()].is_some();
        if is_seen || row.status == InstanceStatus::Terminated || from == until {
            return;
        }
        let is_too_many = self.group_capacity(group, None) > self.groups[group.index()].desired_capacity;
        let reason = self.why_alive(group, instance, None, is_too_many);
        let detail = self.detail_of(reason, group, instance, None);
        self.records.last_instance_reason[instance.index()] = Some(self.records.instance_reasons.len());
        let row = InstanceReason { instance: instance.index(), from, until, reason, detail };
        self.records.instance_reasons.push(row);
    }

    /// Of a group's instances with tasks, those with least on them that could go if all were packed, by CPU and memory.
    fn instances_that_packing_would_free(&self, group: Id<AutoScalingGroup>) -> BTreeSet<Id<ContainerInstance>> {
        let row = |it: &Id<ContainerInstance>| &self.cluster.instances[*it];
        let reserved = |it: &Id<ContainerInstance>| {
            let row = row(it);
            let (cpu, memory) = (row.registered_cpu_units, row.registered_memory_mib);
            (u64::from(cpu - row.remaining_cpu_units), u64::from(memory - row.remaining_memory_mib))
        };
        let used = self.groups[group.index()].instances.iter().copied();
        let mut used: Vec<Id<ContainerInstance>> =
            used.filter(|it| row(it).status == InstanceStatus::Active && self.is_used(*it)).collect();
        let (mut cpu, mut memory) = (0, 0);
        for (of_cpu, of_memory) in used.iter().map(reserved) {
            cpu += of_cpu;
            memory += of_memory;
        }
        // The largest instances hold what there is in the fewest.
        used.sort_by_key(|it| Reverse((row(it).registered_cpu_units, row(it).registered_memory_mib)));
        let mut kept = 0;
        while cpu > 0 || memory > 0 {
            let Some(next) = used.get(kept) else { return BTreeSet::new() };
            cpu = cpu.saturating_sub(u64::from(row(next).registered_cpu_units));
            memory = memory.saturating_sub(u64::from(row(next).registered_memory_mib));
            kept += 1;
        }
        // Tasks without any reservation still need an instance.
        let kept = kept.max(1).min(used.len());
        used.sort_by_key(|it| Reverse(reserved(it)));
        used[kept..].iter().copied().collect()
    }

    fn why_alive(
        &self,
        group: Id<AutoScalingGroup>,
        instance: Id<ContainerInstance>,
        measured: Option<Measured<'_>>,
        is_too_many: bool,
    ) -> AliveReason {
        let state = &self.groups[group.index()];
        let lifecycle_state = self.instances_in_groups[instance.index()].lifecycle_state;
        match self.cluster.instances[instance].status {
            InstanceStatus::Warmed => return AliveReason::WarmPool,
            InstanceStatus::Launching | InstanceStatus::Registering => return AliveReason::Boots,
            InstanceStatus::Draining => return AliveReason::Drains,
            InstanceStatus::RegistrationFailed
            | InstanceStatus::Deregistering
            | InstanceStatus::Inactive
            | InstanceStatus::Terminated => {
                return AliveReason::Deregistered;
            }
            InstanceStatus::Active => {}
        }
        match lifecycle_state {
            LifecycleState::PendingWait | LifecycleState::TerminatingWait => return AliveReason::LifecycleHook,
            LifecycleState::Standby => return AliveReason::Standby,
            _ => {}
        }
        let is_used = self.is_used(instance);
        if is_too_many {
            return match (self.is_protected(instance), is_used) {
                (true, true) => AliveReason::ProtectedByTasks,
                (true, false) => AliveReason::ScaleInProtection,
                (false, true) => AliveReason::Tasks,
                (false, false) => AliveReason::Terminates,
            };
        }
        if is_used {
            return AliveReason::Tasks;
        }
        match measured {
            _ if state.desired_capacity <= state.min_size => AliveReason::MinSize,
            None if self.relations.policies_of(group).is_empty() => AliveReason::NoScaleIn,
            None => AliveReason::GroupPolicies,
            Some((_, metric, ..)) if metric.deciding.is_some() => AliveReason::AwaitsTasks,
            Some((managed, metric, ..)) if managed.capacity_at_target(metric) >= state.desired_capacity => {
                AliveReason::TargetCapacity
            }
            Some((_, _, AlarmState::Alarm, _)) => AliveReason::ScaleInPace,
            Some(_) => AliveReason::LowAlarm,
        }
    }

    fn detail_of(
        &self,
        reason: AliveReason,
        group: Id<AutoScalingGroup>,
        instance: Id<ContainerInstance>,
        measured: Option<Measured<'_>>,
    ) -> String {
        let state = &self.groups[group.index()];
        match (reason, measured) {
            (AliveReason::Tasks | AliveReason::ThinlySpreadTasks | AliveReason::ProtectedByTasks, _) => {
                self.words_for_tasks_on(instance)
            }
            (AliveReason::Drains, _) => {
                let until = self.cluster.instances[instance].drains_until;
                until.map_or(String::new(), |it| format!("until {it} at the latest"))
            }
            (AliveReason::LifecycleHook, _) => {
                let state = self.instances_in_groups[instance.index()].lifecycle_state;
                state.as_str().to_owned()
            }
            (AliveReason::MinSize, _) => format!("MinSize {}", state.min_size),
            (AliveReason::GroupPolicies, _) => self.words_for_policies_of(group),
            (AliveReason::NoScaleIn | AliveReason::ScaleInPace, _) => {
                format!("desired capacity {}", state.desired_capacity)
            }
            (AliveReason::TargetCapacity, Some((managed, metric, ..))) => format!(
                "M = {} at {} % is {}",
                metric.needed,
                managed.target_capacity,
                plural(managed.capacity_at_target(metric), "instance")
            ),
            (AliveReason::LowAlarm, Some((.., below_target))) => {
                let wanted = self.scenario.assumptions.capacity_alarm_low_datapoints;
                format!("{below_target} of {wanted} datapoints at first")
            }
            _ => String::new(),
        }
    }

    /// Which policy of a group is not ready to scale in, or what else kept it from that.
    fn words_for_policies_of(&self, group: Id<AutoScalingGroup>) -> String {
        let scaling = &self.group_scaling[group.index()];
        let waits = scaling.low_alarms.iter().find(|it| self.alarms_in_force[it.0.index()].state != AlarmState::Alarm);
        match waits {
            Some((alarm, policy)) => {
                let state = self.alarms_in_force[alarm.index()].state.as_str();
                format!("the low alarm of {} is {state}", self.scenario.scaling_policies[*policy].name)
            }
            None => scaling.last_reasons.last_of(false).to_owned(),
        }
    }

    /// The services, and entries of standalone tasks, that have tasks on an instance.
    fn words_for_tasks_on(&self, instance: Id<ContainerInstance>) -> String {
        let mut names: Vec<&str> = Vec::new();
        for task in &self.cluster.instances[instance].hosted {
            let launcher = self.cluster.tasks[*task].launcher;
            let is_daemon = self.cluster.tasks[*task]
                .service()
                .is_some_and(|it| self.scenario.services[it].scheduling_strategy == SchedulingStrategy::Daemon);
            let name = self.scenario.launcher_name(launcher);
            if !is_daemon && !names.contains(&name) {
                names.push(name);
            }
        }
        names.sort_unstable();
        let more = names.len().saturating_sub(NAMED_MAXIMUM);
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        names.truncate(NAMED_MAXIMUM);
        names.join(", ") + &rest
    }
}
