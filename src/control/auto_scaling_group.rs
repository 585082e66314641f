//! Auto Scaling groups: the life of their instances, their desired capacity, and what goes when there are too many.
//!
//! Follows the EC2 Auto Scaling guide (2023 to 2026 copies). What makes a group replace instances, and what else it does in time,
//! has files of its own in this folder.

mod by_hand;
mod health;
mod hooks;
mod refresh;
mod replacement;
mod scheduled;
mod spot;
mod termination;
mod warm_pool;
mod zones;

use std::collections::BTreeSet;

use crate::agenda::Event;
use crate::aws::auto_scaling_group::{AutoScalingGroup, ScalingProcess};
use crate::aws::container_instance::{CONTAINER_INSTANCES_PER_CLUSTER, RegisteredResources, RegistrationFailure};
use crate::aws::instance_type::InstanceType;
use crate::aws::lifecycle::{LifecycleState, LifecycleTransition};
use crate::aws::mixed_instances::PurchaseOption;
use crate::cluster::{Change, ContainerInstance, InstanceStatus, StopCode, Task};
use crate::control::Control;
use crate::control::auto_scaling_group::refresh::Refresh;
use crate::control::auto_scaling_group::replacement::Replacement;
use crate::control::group_scaling::Hindrance;
use crate::control::log::Decision;
use crate::run::InstanceChange;
use crate::scenario::NewLaunchTemplate;
use crate::table::Id;
use crate::units::Instant;

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
    /// Launches that have failed in a row.
    pub(super) failed_launches: u32,
    /// Since when no launch has succeeded, of those that were tried.
    pub(super) launches_fail_since: Option<Instant>,
    /// Why the last of them did, so that the same is said once.
    pub(super) launch_failure: String,
    /// Its launch template, in what it has otherwise than the group: version 1 until the timeline says another.
    pub(super) launch_template: NewLaunchTemplate,
    /// Instances that are being replaced, their replacements being launched first.
    replacements: Vec<Replacement>,
    refresh: Option<Refresh>,
    suspended: BTreeSet<ScalingProcess>,
    /// Those of them for which it was said that nothing is done.
    said_suspended: BTreeSet<ScalingProcess>,
    passes: BTreeSet<Instant>,
    cost_of_terminated_usd: f64,
}

/// An instance as its group sees it.
#[derive(Clone, Debug)]
pub struct InstanceInGroup {
    /// Where it stands.
    pub lifecycle_state: LifecycleState,
    /// Version of the launch template that it was launched with.
    pub launch_template_version: u32,
    /// When its group last began to put it in service.
    pub(super) pending_since: Instant,
    /// When its next step is due; it may be looked at before.
    pub(super) advances_at: Option<Instant>,
    /// When its agent registers.
    registers_at: Option<Instant>,
    /// When the hooks that it waits for have ended.
    hooks_end_at: Option<Instant>,
    /// What is said of them, where they have failed.
    hook_failure: Option<String>,
    /// Why its group finds it unhealthy.
    unhealthy: Option<&'static str>,
    /// When EC2 began to find it impaired.
    pub(super) impaired_since: Option<Instant>,
    /// When its interruption notice comes.
    notice_at: Option<Instant>,
    /// When EC2 takes it back.
    interrupted_at: Option<Instant>,
    /// When EC2 had it `running`, and so billed it: once, or each time that it was started from a warm pool.
    pub(super) runs: Vec<Ec2Run>,
    /// Since when it is stopped.
    stopped_since: Option<Instant>,
}

/// A time in which EC2 has an instance `running`.
#[derive(Clone, Copy, Debug)]
pub struct Ec2Run {
    /// Since when.
    pub since: Instant,
    /// Until when; `None` while it lasts.
    pub until: Option<Instant>,
    /// Whether EC2 ended it to take back a Spot Instance.
    pub interrupted_by_ec2: bool,
}

impl InstanceInGroup {
    /// An instance that is being launched.
    pub fn new(lifecycle_state: LifecycleState, launch_template_version: u32, now: Instant) -> InstanceInGroup {
        InstanceInGroup {
            lifecycle_state,
            launch_template_version,
            pending_since: now,
            advances_at: None,
            registers_at: None,
            hooks_end_at: None,
            hook_failure: None,
            unhealthy: None,
            impaired_since: None,
            notice_at: None,
            interrupted_at: None,
            runs: Vec::new(),
            stopped_since: None,
        }
    }
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
            failed_launches: 0,
            launches_fail_since: None,
            launch_failure: String::new(),
            launch_template: NewLaunchTemplate { version: 1, attributes: Vec::new(), instance_type: None },
            replacements: Vec::new(),
            refresh: None,
            suspended: definition.upkeep.suspended_processes.iter().copied().collect(),
            said_suspended: BTreeSet::new(),
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
                    row.in_service_at = Some(Instant::START);
                    self.begins_to_run(instance);
                    self.in_group(instance).lifecycle_state = LifecycleState::InService;
                    if self.registration_fails(instance) {
                        self.does_not_register(instance);
                        continue;
                    }
                    let row = &mut self.cluster.instances[instance];
                    row.status = InstanceStatus::Active;
                    row.registered_at = Some(Instant::START);
                    self.record_instance(instance);
                }
            }
            self.maintain_warm_pool(group);
            self.agenda
                .put(self.now() + self.scenario.assumptions.group_health_check_interval, Event::GroupIsChecked(group));
        }
    }

    /// Looks at an instance: what of its life is due is done.
    pub(super) fn instance_advances(&mut self, instance: Id<ContainerInstance>) {
        let now = self.now();
        self.spot_notices_are_due(instance);
        self.hooks_may_have_ended(instance);
        let group = self.cluster.instances[instance].auto_scaling_group;
        if self.in_group(instance).advances_at.is_some_and(|it| it > now) {
            return;
        }
        let may_register = self.in_group(instance).registers_at.is_none_or(|it| it <= now);
        match self.cluster.instances[instance].status {
            InstanceStatus::Launching => self.instance_runs(instance),
            InstanceStatus::Registering if may_register => {
                if self.registration_fails(instance) {
                    self.does_not_register(instance);
                    return;
                }
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
                let reason = format!("Host EC2 (instance {}) terminated.", self.cluster.instances[instance].name);
                for task in self.tasks_left_on(instance) {
                    self.task_was_lost(task, StopCode::InfrastructureHealth, &reason);
                }
            }
            InstanceStatus::Warmed => self.warming_ends(instance),
            InstanceStatus::Registering
            | InstanceStatus::RegistrationFailed
            | InstanceStatus::Active
            | InstanceStatus::Inactive => {}
        }
    }

    /// Whether an instance that calls `RegisterContainerInstance` now is refused: for what was wrong with it from the beginning, or as
    /// the cluster is full. Its agent gives up either way.
    fn registration_fails(&mut self, instance: Id<ContainerInstance>) -> bool {
        let is_registered = |it: &&ContainerInstance| {
            matches!(it.status, InstanceStatus::Active | InstanceStatus::Draining | InstanceStatus::Deregistering)
        };
        if self.cluster.instances.len() > CONTAINER_INSTANCES_PER_CLUSTER
            && self.cluster.instances.iter().filter(is_registered).count() >= CONTAINER_INSTANCES_PER_CLUSTER
        {
            let failure = &mut self.cluster.instances[instance].registration_failure;
            failure.get_or_insert(RegistrationFailure::ClusterIsFull);
        }
        self.cluster.instances[instance].registration_failure.is_some()
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

    /// EC2 has launched an instance: it comes in service, at once or when its launch hooks have completed, and its agent starts.
    fn instance_runs(&mut self, instance: Id<ContainerInstance>) {
        let now = self.now();
        let group = self.cluster.instances[instance].auto_scaling_group;
        self.cluster.instances[instance].status = InstanceStatus::Registering;
        self.begins_to_run(instance);
        if !self.begin_hooks(instance, LifecycleTransition::Launching) {
            self.comes_in_service(instance);
        } else {
            self.in_group(instance).lifecycle_state = LifecycleState::PendingWait;
        }
        self.record_instance(instance);
        let law = &self.scenario.assumptions.agent_registration_time;
        let mut after = law.sample(&mut self.streams.instances[group.index()]);
        if self.cluster.instances[instance].has_trunk {
            after += self.scenario.assumptions.trunk_attach_time;
        }
        self.in_group(instance).registers_at = Some(now + after);
        self.agenda.put(now + after, Event::InstanceAdvances(instance));
    }

    /// An instance counts for its group from now on.
    fn comes_in_service(&mut self, instance: Id<ContainerInstance>) {
        let now = self.now();
        let group = self.cluster.instances[instance].auto_scaling_group;
        self.cluster.instances[instance].in_service_at = Some(now);
        self.in_group(instance).lifecycle_state = LifecycleState::InService;
        self.replacements_may_go_on(group);
        // A scale-in that was asked for while it was pending could not take it then.
        self.reconcile_group_soon_if_above(group);
    }

    /// An instance as its group sees it.
    pub(super) fn in_group(&mut self, instance: Id<ContainerInstance>) -> &mut InstanceInGroup {
        &mut self.instances_in_groups[instance.index()]
    }

    /// Looks at an instance again at some time, and takes its next step not before.
    pub(super) fn advance_instance_at(&mut self, instance: Id<ContainerInstance>, at: Instant) {
        self.in_group(instance).advances_at = Some(at);
        self.agenda.put(at, Event::InstanceAdvances(instance));
    }

    /// The group's instances now cost this much since the run began, USD.
    pub fn group_cost_usd(&self, group: Id<AutoScalingGroup>) -> f64 {
        let running = self.groups[group.index()].instances.iter().map(|&it| self.instance_cost_usd(it));
        self.groups[group.index()].cost_of_terminated_usd + running.sum::<f64>()
    }

    pub(super) fn update_group(
        &mut self,
        group: Id<AutoScalingGroup>,
        min_size: Option<u32>,
        max_size: Option<u32>,
        desired_capacity: Option<u32>,
        launch_template: Option<&NewLaunchTemplate>,
    ) {
        if let Some(new) = launch_template {
            self.groups[group.index()].launch_template = new.clone();
            let of_type = new.instance_type.as_ref().map_or(String::new(), |it| format!(", {}", it.name));
            let message = format!("UpdateAutoScalingGroup: launch template version {}{of_type}", new.version);
            self.log.put(self.agenda.now(), None, "group.launch_template", self.group_resource(group), message);
        }
        let state = &mut self.groups[group.index()];
        state.min_size = min_size.unwrap_or(state.min_size);
        state.max_size = max_size.unwrap_or(state.max_size).max(state.min_size);
        let wanted = desired_capacity.unwrap_or(state.desired_capacity).clamp(state.min_size, state.max_size);
        let words = format!("UpdateAutoScalingGroup: min {}, max {}", state.min_size, state.max_size);
        self.set_desired_capacity(group, wanted, None, &words);
    }

    /// EC2 loses the oldest instances of a group, without warning.
    pub(super) fn lose_instances(&mut self, group: Id<AutoScalingGroup>, count: u32) {
        let of_group = self.groups[group.index()].instances.iter().copied();
        let lost: Vec<_> = of_group.filter(|it| !self.is_warmed(*it)).take(count as usize).collect();
        for instance in lost {
            let name = self.cluster.instances[instance].name.clone();
            let message = format!("(instance {name}) was terminated from outside the group");
            let now = self.now();
            self.log.put(now, None, "timeline.terminate_instances", self.group_resource(group), message);
            self.terminate_instance(instance);
        }
        self.reconcile_at_next_check(group);
    }

    /// A group notices an instance that is gone at its next look.
    fn reconcile_at_next_check(&mut self, group: Id<AutoScalingGroup>) {
        let at = self.now() + self.scenario.assumptions.group_health_check_interval;
        self.reconcile_group_at(group, at);
    }

    pub(super) fn group_is_reconciled(&mut self, group: Id<AutoScalingGroup>) {
        let now = self.now();
        if !self.groups[group.index()].passes.remove(&now) {
            return;
        }
        self.complete_replacements(group);
        self.continue_refresh(group);
        self.launch_to_desired_capacity(group);
        self.launch_replacements(group);
        self.maintain_warm_pool(group);
        self.terminate_to_desired_capacity(group);
        self.check_group_activity(group);
    }

    fn terminate_to_desired_capacity(&mut self, group: Id<AutoScalingGroup>) {
        while self.group_capacity(group, None)
            > self.groups[group.index()].desired_capacity + self.extra_capacity(group)
        {
            if self.is_suspended(group, ScalingProcess::Terminate) {
                return self.hinder_group_activity(group, Hindrance::Suspended(ScalingProcess::Terminate));
            }
            let Some(instance) = self.choose_to_terminate(group, None) else {
                return self.hinder_group_activity(group, Hindrance::NothingMayGo);
            };
            self.scale_in_instance(instance);
        }
    }

    fn launch_to_desired_capacity(&mut self, group: Id<AutoScalingGroup>) {
        while self.group_capacity(group, None)
            < self.groups[group.index()].desired_capacity + self.extra_capacity(group)
        {
            if self.is_suspended(group, ScalingProcess::Launch) {
                return self.hinder_group_activity(group, Hindrance::Suspended(ScalingProcess::Launch));
            }
            let cause = self.groups[group.index()].wanted_because;
            if self.take_from_warm_pool(group, cause) {
                continue;
            }
            if self.launch_instance(group, cause).is_none() {
                return self.hinder_group_activity(group, Hindrance::LaunchFailed);
            }
        }
        self.groups[group.index()].launches_fail_since = None;
    }

    /// Whether a process of a group is suspended; the first time that this keeps it from something it is said.
    pub(super) fn is_suspended(&mut self, group: Id<AutoScalingGroup>, process: ScalingProcess) -> bool {
        let state = &mut self.groups[group.index()];
        let is_suspended = state.suspended.contains(&process);
        if is_suspended && state.said_suspended.insert(process) {
            let message = format!("nothing is done: the process {} is suspended", process.as_str());
            self.log.put(self.agenda.now(), None, "group.process_suspended", self.group_resource(group), message);
        }
        is_suspended
    }

    /// A group looks at its instances, each minute.
    pub(super) fn group_is_checked(&mut self, group: Id<AutoScalingGroup>) {
        self.find_unhealthy_instances(group);
        self.replace_unhealthy_instances(group);
        self.replace_old_instances(group);
        self.continue_refresh(group);
        self.rebalance_zones(group);
        self.maintain_warm_pool(group);
        let next = self.now() + self.scenario.assumptions.group_health_check_interval;
        self.agenda.put(next, Event::GroupIsChecked(group));
    }

    /// Something that a group kept only for its tasks may be free to go.
    pub(super) fn reconcile_group_soon_if_above(&mut self, group: Id<AutoScalingGroup>) {
        let state = &self.groups[group.index()];
        // A group that has no more instances than it wants need not count them.
        let may_be_above = state.instances.len() > state.desired_capacity as usize || self.has_weights(group);
        if may_be_above && self.group_capacity(group, None) > state.desired_capacity {
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

    /// The types that a group launches now: those that it was given, or the one of its present launch template.
    pub(super) fn launched_types(&self, group: Id<AutoScalingGroup>) -> impl Iterator<Item = &InstanceType> {
        let of_template = self.groups[group.index()].launch_template.instance_type.as_ref();
        let own = &self.scenario.auto_scaling_groups[group].instance_types;
        let own = own.iter().map(|it| &it.instance_type).filter(move |_| of_template.is_none());
        of_template.into_iter().chain(own)
    }

    /// What an instance of a type registers that a group launches now.
    pub(super) fn registered_when_launched(
        &self,
        group: Id<AutoScalingGroup>,
        kind: &InstanceType,
    ) -> RegisteredResources {
        let awsvpc_trunking = self.groups[group.index()].awsvpc_trunking;
        self.scenario.auto_scaling_groups[group].registered_resources_with(kind, awsvpc_trunking)
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

    /// Units of its group's capacity that an instance is.
    pub(super) fn weight_of(&self, instance: Id<ContainerInstance>) -> u32 {
        let row = &self.cluster.instances[instance];
        self.scenario.auto_scaling_groups[row.auto_scaling_group]
            .launch_template_override(row.launch_template_override)
            .weighted_capacity
    }

    /// Whether some of a group's instances are more than one unit of its capacity.
    pub(super) fn has_weights(&self, group: Id<AutoScalingGroup>) -> bool {
        self.scenario.auto_scaling_groups[group].instance_types.iter().any(|it| it.weighted_capacity > 1)
    }

    /// Units of capacity that a group has in instances of a purchase option, or of both, those left out that it terminates.
    pub(super) fn group_capacity(&self, group: Id<AutoScalingGroup>, purchase_option: Option<PurchaseOption>) -> u32 {
        let instances = self.groups[group.index()].instances.iter().copied();
        let counts = |it: &Id<ContainerInstance>| {
            let row = &self.cluster.instances[*it];
            self.counts_for_group(*it) && purchase_option.is_none_or(|option| option == row.purchase_option)
        };
        instances.filter(counts).map(|it| self.weight_of(it)).sum()
    }

    /// Whether an instance is one that its group wants: none that it terminates, or has in its warm pool or in standby.
    pub(super) fn counts_for_group(&self, instance: Id<ContainerInstance>) -> bool {
        let state = self.instances_in_groups[instance.index()].lifecycle_state;
        let is_away = matches!(state, LifecycleState::Standby | LifecycleState::Terminated) || state.is_warmed();
        !is_away && !self.cluster.instances[instance].is_terminating
    }

    /// Whether an instance is in its group's warm pool, or on its way there.
    pub(super) fn is_warmed(&self, instance: Id<ContainerInstance>) -> bool {
        self.instances_in_groups[instance.index()].lifecycle_state.is_warmed()
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
        self.override_group_activity(group, wanted);
        let message = format!("Setting desired capacity to {wanted}, from {before}: {figures}");
        let decision =
            self.log.put(self.agenda.now(), cause, "group.desired_capacity", self.group_resource(group), message);
        let state = &mut self.groups[group.index()];
        state.desired_capacity = wanted;
        state.wanted_because = Some(decision);
        let at = self.now() + self.scenario.assumptions.auto_scaling_group_delay;
        self.reconcile_group_at(group, at);
    }

    /// Tasks on an instance that are not STOPPED, whether or not they still hold their slot, service by service.
    pub(super) fn tasks_left_on(&self, instance: Id<ContainerInstance>) -> Vec<Id<Task>> {
        let mut tasks = self.cluster.instances[instance].hosted.clone();
        tasks.sort_unstable_by_key(|&task| (self.cluster.tasks[task].launcher, task));
        tasks
    }

    pub(super) fn record_instance(&mut self, instance: Id<ContainerInstance>) {
        self.cluster.has_changed(Change::Instance(instance));
        self.check_group_activity(self.cluster.instances[instance].auto_scaling_group);
        self.container_instances_changed();
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
                InstanceStatus::RegistrationFailed => {
                    row.registration_failure.map_or("REGISTRATION_FAILED", RegistrationFailure::status)
                }
                InstanceStatus::Active => "ACTIVE",
                InstanceStatus::Draining => "DRAINING",
                InstanceStatus::Deregistering => "DEREGISTERING",
                InstanceStatus::Inactive => "INACTIVE",
                InstanceStatus::Warmed => "WARMED",
                InstanceStatus::Terminated => "TERMINATED",
            },
            tasks: row.tasks.len() as u32,
            purchase_option: row.purchase_option.as_str(),
            usd_per_hour: row.usd_per_hour,
            lifecycle_state: self.instances_in_groups[instance.index()].lifecycle_state.as_str(),
        });
    }
}
