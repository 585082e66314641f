//! What the timeline does to the instances and processes of a group.

use crate::aws::auto_scaling_group::{AutoScalingGroup, AvailabilityZone, ScalingProcess};
use crate::aws::lifecycle::LifecycleState;
use crate::cluster::ContainerInstance;
use crate::control::Control;
use crate::scenario::GroupChange;
use crate::table::Id;
use crate::units::Span;

impl Control<'_> {
    /// An entry of the timeline changes a group.
    pub(in crate::control) fn change_group(&mut self, group: Id<AutoScalingGroup>, change: &GroupChange) {
        match change {
            GroupChange::ImpairInstances { count, availability_zone } => {
                self.impair_instances(group, *count, *availability_zone);
            }
            GroupChange::SuspendProcesses(processes) => self.suspend_processes(group, processes, true),
            GroupChange::ResumeProcesses(processes) => self.suspend_processes(group, processes, false),
            GroupChange::SetInstanceProtection { count, availability_zone, protected_from_scale_in } => {
                self.set_instance_protection(group, *count, *availability_zone, *protected_from_scale_in);
            }
            GroupChange::EnterStandby { count, availability_zone, should_decrement_desired_capacity } => {
                self.enter_standby(group, *count, *availability_zone, *should_decrement_desired_capacity);
            }
            GroupChange::ExitStandby { count, availability_zone } => {
                self.exit_standby(group, *count, *availability_zone);
            }
            GroupChange::StartInstanceRefresh { preferences, desired_configuration } => {
                self.start_instance_refresh(group, preferences, desired_configuration.as_deref());
            }
            GroupChange::CancelInstanceRefresh => self.cancel_instance_refresh(group),
            GroupChange::RollbackInstanceRefresh => self.rollback_instance_refresh(group),
        }
    }

    fn suspend_processes(&mut self, group: Id<AutoScalingGroup>, processes: &[ScalingProcess], suspends: bool) {
        let state = &mut self.groups[group.index()];
        for process in processes {
            match suspends {
                true => state.suspended.insert(*process),
                false => state.suspended.remove(process),
            };
        }
        state.said_suspended.clear();
        let names: Vec<&str> = processes.iter().map(|it| it.as_str()).collect();
        let (kind, word) = match suspends {
            true => ("timeline.suspend_processes", "SuspendProcesses"),
            false => ("timeline.resume_processes", "ResumeProcesses"),
        };
        let resource = self.group_resource(group);
        self.log.put(self.agenda.now(), None, kind, resource, format!("{word}: {}", names.join(", ")));
        let now = self.now();
        self.reconcile_group_at(group, now);
    }

    /// AWS suspends the launches of a group that has tried in vain for long: nothing is tried until somebody resumes them.
    pub(in crate::control) fn suspend_launches(&mut self, group: Id<AutoScalingGroup>, failing_for: Span) {
        let state = &mut self.groups[group.index()];
        state.suspended.insert(ScalingProcess::Launch);
        state.launches_fail_since = None;
        let message = format!(
            "the process Launch is suspended administratively: launches have failed for {failing_for}; `resumeProcesses` resumes it"
        );
        let resource = self.group_resource(group);
        self.log.put(self.agenda.now(), None, "group.administrative_suspension", resource, message);
    }

    /// The oldest instances of a group in a zone for which something holds.
    fn some_instances(
        &self,
        group: Id<AutoScalingGroup>,
        count: u32,
        zone: Option<Id<AvailabilityZone>>,
        holds: impl Fn(Id<ContainerInstance>) -> bool,
    ) -> Vec<Id<ContainerInstance>> {
        let instances = self.groups[group.index()].instances.iter().copied();
        let is_meant = |it: &Id<ContainerInstance>| {
            zone.is_none_or(|zone| self.cluster.instances[*it].availability_zone == zone) && holds(*it)
        };
        instances.filter(is_meant).take(count as usize).collect()
    }

    fn say_by_hand(
        &mut self,
        group: Id<AutoScalingGroup>,
        kind: &'static str,
        meant: &[Id<ContainerInstance>],
        words: &str,
    ) {
        let names: Vec<&str> = meant.iter().map(|it| self.cluster.instances[*it].name.as_str()).collect();
        let message = match names.is_empty() {
            true => format!("{words}: no instance is there for which that could be done"),
            false => format!("{words}: {}", names.join(", ")),
        };
        self.log.put(self.agenda.now(), None, kind, self.group_resource(group), message);
    }

    fn set_instance_protection(
        &mut self,
        group: Id<AutoScalingGroup>,
        count: u32,
        zone: Option<Id<AvailabilityZone>>,
        protected: bool,
    ) {
        let differs = |it| {
            let row: &ContainerInstance = &self.cluster.instances[it];
            self.counts_for_group(it) && row.is_protected_from_scale_in != protected
        };
        let meant = self.some_instances(group, count, zone, differs);
        let words = format!("SetInstanceProtection: ProtectedFromScaleIn {protected}");
        self.say_by_hand(group, "timeline.set_instance_protection", &meant, &words);
        for instance in meant {
            self.cluster.instances[instance].is_protected_from_scale_in = protected;
        }
        self.reconcile_group_soon_if_above(group);
    }

    fn enter_standby(
        &mut self,
        group: Id<AutoScalingGroup>,
        count: u32,
        zone: Option<Id<AvailabilityZone>>,
        decrements: bool,
    ) {
        let is_in_service = |it: Id<ContainerInstance>| {
            self.instances_in_groups[it.index()].lifecycle_state == LifecycleState::InService
        };
        let mut meant = self.some_instances(group, count, zone, is_in_service);
        let state = &self.groups[group.index()];
        if decrements {
            let spare = state.desired_capacity - state.min_size;
            let mut units = 0;
            meant.retain(|it| {
                units += self.weight_of(*it);
                units <= spare
            });
        }
        self.say_by_hand(group, "timeline.enter_standby", &meant, "EnterStandby");
        let units: u32 = meant.iter().map(|it| self.weight_of(*it)).sum();
        for instance in meant {
            self.in_group(instance).lifecycle_state = LifecycleState::Standby;
            self.record_instance(instance);
        }
        if decrements {
            let wanted = self.groups[group.index()].desired_capacity - units;
            self.set_desired_capacity(group, wanted, None, "EnterStandby");
        } else {
            let at = self.now() + self.scenario.assumptions.auto_scaling_group_delay;
            self.reconcile_group_at(group, at);
        }
    }

    /// Instances come back; the desired capacity grows by them, whatever it was before, as far as it may.
    fn exit_standby(&mut self, group: Id<AutoScalingGroup>, count: u32, zone: Option<Id<AvailabilityZone>>) {
        let stands_by = |it: Id<ContainerInstance>| {
            self.instances_in_groups[it.index()].lifecycle_state == LifecycleState::Standby
                && !self.cluster.instances[it].is_terminating
        };
        let meant = self.some_instances(group, count, zone, stands_by);
        self.say_by_hand(group, "timeline.exit_standby", &meant, "ExitStandby");
        let units: u32 = meant.iter().map(|it| self.weight_of(*it)).sum();
        for instance in meant {
            self.in_group(instance).lifecycle_state = LifecycleState::InService;
            self.record_instance(instance);
        }
        let state = &self.groups[group.index()];
        let wanted = (state.desired_capacity + units).min(state.max_size);
        self.set_desired_capacity(group, wanted, None, "ExitStandby");
        self.reconcile_group_soon_if_above(group);
    }
}
