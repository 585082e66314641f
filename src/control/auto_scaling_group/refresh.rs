//! Instance refresh: all instances of a group are replaced, some at a time.
//!
//! Follows *Use an instance refresh to update instances in an Auto Scaling group* in the EC2 Auto Scaling guide (2023 to 2026
//! copies) and *Undo changes with a rollback*. Left out: what becomes of instances in standby, which are left alone.

use crate::aws::alarm::{Alarm, AlarmState};
use crate::aws::auto_scaling_group::{AutoScalingGroup, ScalingProcess};
use crate::aws::composite_alarm::CompositeAlarm;
use crate::aws::instance_replacement::{InstanceRefreshPreferences, ScaleInProtectedInstances};
use crate::cluster::ContainerInstance;
use crate::control::Control;
use crate::control::auto_scaling_group::replacement::ReplacementReason;
use crate::control::log::Decision;
use crate::scenario::NewLaunchTemplate;
use crate::spelling::{one_or_more, plural};
use crate::table::Id;
use crate::units::{Instant, Span};

/// How long a refresh waits without progress before it fails: for protection from scale-in to be removed, and for its new instances to
/// be in service and healthy ("up to 60 minutes", *Replacing Auto Scaling instances based on an instance refresh*, 2020).
const WAIT_FOR_PROGRESS: Span = Span::seconds(3600);

/// A refresh under way.
#[derive(Clone, Debug)]
pub struct Refresh {
    preferences: InstanceRefreshPreferences,
    old: Vec<Id<ContainerInstance>>,
    total: usize,
    next_checkpoint: usize,
    resumes_at: Option<Instant>,
    /// When something was last replaced, so that nothing is waited for without end.
    moved_at: Instant,
    /// The most that were replaced by instances which are in service, warm and healthy.
    completed: usize,
    /// When it is over, once nothing is left to be replaced.
    bakes_until: Option<Instant>,
    /// What the group had before, where the refresh brings another configuration.
    before: Option<NewLaunchTemplate>,
    is_rollback: bool,
    cause: Decision,
}

impl Refresh {
    /// From in service until a new instance counts.
    pub fn instance_warmup(&self) -> Span {
        self.preferences.instance_warmup
    }
}

impl Control<'_> {
    /// `StartInstanceRefresh`.
    pub(in crate::control) fn start_instance_refresh(
        &mut self,
        group: Id<AutoScalingGroup>,
        preferences: &InstanceRefreshPreferences,
        desired_configuration: Option<&NewLaunchTemplate>,
    ) {
        let now = self.now();
        let resource = self.group_resource(group);
        if self.groups[group.index()].refresh.is_some() {
            let error = "InstanceRefreshInProgress: an instance refresh is in progress already";
            self.log.put(now, None, "group.instance_refresh", resource, error.to_owned());
            let name = &self.scenario.auto_scaling_groups[group].name;
            self.note_failed_call("StartInstanceRefresh", format!("group `{name}`"), error, true);
            return;
        }
        if let Some(alarm) = self.alarm_against(preferences) {
            let message = format!("instance refresh: Failed, alarm {alarm} was in ALARM when it was to begin");
            self.log.put(now, None, "group.instance_refresh", resource, message);
            return;
        }
        let before = desired_configuration.map(|new| self.exchange_launch_template(group, new));
        let version = self.groups[group.index()].launch_template.version;
        let instances = self.groups[group.index()].instances.iter().copied().filter(|it| self.counts_for_group(*it));
        let mut old: Vec<_> = instances.collect();
        let all = old.len();
        if preferences.skip_matching {
            old.retain(|it| self.instances_in_groups[it.index()].launch_template_version != version);
        }
        if preferences.scale_in_protected_instances == ScaleInProtectedInstances::Ignore {
            old.retain(|it| !self.is_protected(*it));
        }
        let message = format!(
            "StartInstanceRefresh: {} of {} {} to be replaced, MinHealthyPercentage {}, MaxHealthyPercentage {}",
            old.len(),
            plural(all, "instance"),
            one_or_more(all, "is", "are"),
            preferences.healthy.min_healthy_percentage,
            preferences.healthy.max_healthy_percentage
        );
        let cause = self.log.put(now, None, "group.instance_refresh", resource, message);
        self.groups[group.index()].refresh = Some(Refresh {
            preferences: preferences.clone(),
            total: old.len(),
            old,
            next_checkpoint: 0,
            resumes_at: None,
            moved_at: now,
            completed: 0,
            bakes_until: None,
            before,
            is_rollback: false,
            cause,
        });
        self.reconcile_group_at(group, now);
    }

    /// Replaces the next instances of a refresh, where enough others are healthy.
    pub(super) fn continue_refresh(&mut self, group: Id<AutoScalingGroup>) {
        let now = self.now();
        let Some(mut refresh) = self.groups[group.index()].refresh.clone() else { return };
        if self.is_suspended(group, ScalingProcess::InstanceRefresh) || refresh.resumes_at.is_some_and(|it| now < it) {
            // Nobody expects progress of it now.
            refresh.moved_at = now;
            self.groups[group.index()].refresh = Some(refresh);
            return;
        }
        if let Some(alarm) = self.alarm_against(&refresh.preferences) {
            return self.refresh_fails(group, refresh, &format!("alarm {alarm} is in ALARM"));
        }
        let desired = self.groups[group.index()].desired_capacity;
        let warm = self.healthy_capacity(group);
        refresh.old.retain(|it| self.counts_for_group(*it) && !self.is_being_replaced(*it));
        let of_refresh =
            |it: &&crate::control::auto_scaling_group::Replacement| it.why == ReplacementReason::InstanceRefresh;
        let underway = self.groups[group.index()].replacements.iter().filter(of_refresh).count();
        let begun = refresh.total - refresh.old.len();
        let is_quiet = underway == 0 && warm >= desired;
        let completed = begun.saturating_sub(underway + desired.saturating_sub(warm) as usize);
        if completed > refresh.completed {
            (refresh.completed, refresh.moved_at) = (completed, now);
        }
        let percent_complete = (100 * (begun - underway.min(begun))).checked_div(refresh.total).unwrap_or(100);
        if is_quiet {
            let checkpoints = &refresh.preferences.checkpoint_percentages;
            let checkpoint =
                checkpoints.get(refresh.next_checkpoint).copied().filter(|it| percent_complete >= *it as usize);
            if let Some(checkpoint) = checkpoint {
                refresh.next_checkpoint += 1;
                let last = refresh.next_checkpoint == checkpoints.len();
                if !(last && refresh.old.is_empty()) {
                    let resumes_at = now + refresh.preferences.checkpoint_delay;
                    let message = format!(
                        "instance refresh: {percent_complete} % complete, the checkpoint of {checkpoint} % waits until {resumes_at}"
                    );
                    self.say_of_refresh(group, &refresh, message);
                    refresh.resumes_at = Some(resumes_at);
                    self.groups[group.index()].refresh = Some(refresh);
                    self.reconcile_group_at(group, resumes_at);
                    return;
                }
            }
            // The last checkpoint is the end where it is less than 100 %.
            let is_last = !refresh.preferences.checkpoint_percentages.is_empty()
                && refresh.next_checkpoint == refresh.preferences.checkpoint_percentages.len();
            if refresh.old.is_empty() || is_last {
                let over_at = refresh.bakes_until.unwrap_or(now + refresh.preferences.bake_time);
                if now < over_at {
                    refresh.bakes_until = Some(over_at);
                    self.groups[group.index()].refresh = Some(refresh);
                    self.reconcile_group_at(group, over_at);
                    return;
                }
                let status = if refresh.is_rollback { "RollbackSuccessful" } else { "Successful" };
                let message =
                    format!("instance refresh: {status}, {begun} of {instances}", instances = replaced(refresh.total));
                self.say_of_refresh(group, &refresh, message);
                self.groups[group.index()].refresh = None;
                return;
            }
        }
        let checkpoint = refresh.preferences.checkpoint_percentages.get(refresh.next_checkpoint);
        let most = checkpoint.map_or(refresh.total, |it| (refresh.total * *it as usize).div_ceil(100));
        let may_begin = most.saturating_sub(begun);
        let healthy = refresh.preferences.healthy;
        let at_once = match healthy.launches_first() {
            true => (healthy.most_above(desired) as usize).saturating_sub(underway),
            false => healthy.may_go_down(desired, warm) as usize,
        };
        let waits = refresh.preferences.scale_in_protected_instances == ScaleInProtectedInstances::Wait;
        let able = refresh.old.iter().copied().filter(|it| !waits || !self.is_protected(*it));
        let next: Vec<_> = able.take(at_once.min(may_begin)).collect();
        let cause = Some(refresh.cause);
        if !next.is_empty() {
            refresh.moved_at = now;
            self.groups[group.index()].refresh = Some(refresh);
            for instance in next {
                match healthy.launches_first() {
                    true => self.launch_before_terminating(instance, ReplacementReason::InstanceRefresh, cause),
                    false => self.begin_to_terminate(instance, ReplacementReason::InstanceRefresh.words(), cause),
                }
            }
            self.reconcile_group_at(group, now);
        } else if is_quiet && now.since(refresh.moved_at) >= WAIT_FOR_PROGRESS {
            let left = refresh.old.len();
            self.refresh_fails(
                group,
                refresh,
                &format!("{} {} protected from scale-in", plural(left, "instance"), one_or_more(left, "is", "are")),
            );
        } else if now.since(refresh.moved_at) >= WAIT_FOR_PROGRESS + refresh.preferences.instance_warmup {
            let why = format!(
                "{completed} of {begun} new instances are in service and healthy, and none has become so for {WAIT_FOR_PROGRESS} beyond \
                 the instance warmup"
            );
            self.refresh_fails(group, refresh, &why);
        } else {
            self.groups[group.index()].refresh = Some(refresh);
        }
    }

    /// An alarm of the scenario that a refresh watches and that is in ALARM.
    fn alarm_against(&self, preferences: &InstanceRefreshPreferences) -> Option<&str> {
        let is_in_alarm = |it: &&Id<Alarm>| {
            let alarm = self.alarm_of_scenario[it.index()];
            alarm.is_some_and(|it| self.alarms_in_force[it.index()].state == AlarmState::Alarm)
        };
        let is_composite_in_alarm =
            |it: &&Id<CompositeAlarm>| self.composite_alarms[it.index()].state == AlarmState::Alarm;
        let composite = preferences.composite_alarms.iter().find(is_composite_in_alarm);
        let composite = composite.map(|it| self.scenario.composite_alarms[*it].name.as_str());
        preferences.alarms.iter().find(is_in_alarm).map(|it| self.scenario.alarms[*it].name.as_str()).or(composite)
    }

    /// Units of a group's instances that are warm, and in which its health checks find no fault.
    fn healthy_capacity(&self, group: Id<AutoScalingGroup>) -> u32 {
        let instances = self.groups[group.index()].instances.iter().copied();
        instances.filter(|it| self.is_warm_and_healthy(*it)).map(|it| self.weight_of(it)).sum()
    }

    /// An alarm has come to ALARM: refreshes that watch it hear of it at once.
    pub(in crate::control) fn refreshes_hear_of_alarm(&mut self) {
        let now = self.now();
        for group in self.scenario.auto_scaling_groups.ids() {
            let watches =
                |it: &Refresh| !it.preferences.alarms.is_empty() || !it.preferences.composite_alarms.is_empty();
            if self.groups[group.index()].refresh.as_ref().is_some_and(watches) {
                self.reconcile_group_at(group, now);
            }
        }
    }

    /// Gives a group another launch template; tells the one that it had.
    fn exchange_launch_template(&mut self, group: Id<AutoScalingGroup>, new: &NewLaunchTemplate) -> NewLaunchTemplate {
        std::mem::replace(&mut self.groups[group.index()].launch_template, new.clone())
    }

    /// A refresh fails: it is rolled back where that was asked for, else the group has what it had before, and what was replaced stays.
    fn refresh_fails(&mut self, group: Id<AutoScalingGroup>, refresh: Refresh, why: &str) {
        if refresh.preferences.auto_rollback && !refresh.is_rollback {
            return self.roll_back(group, refresh, why);
        }
        let status = if refresh.is_rollback { "RollbackFailed" } else { "Failed" };
        self.say_of_refresh(group, &refresh, format!("instance refresh: {status}, {why}"));
        self.end_refresh(group, refresh);
    }

    /// `CancelInstanceRefresh`: replacements that have begun are completed, and no more begin.
    pub(super) fn cancel_instance_refresh(&mut self, group: Id<AutoScalingGroup>) {
        let Some(refresh) = self.groups[group.index()].refresh.clone() else { return self.say_no_refresh(group) };
        let begun = refresh.total - refresh.old.len();
        let message =
            format!("instance refresh: Cancelled, {begun} of {instances}", instances = replaced(refresh.total));
        self.say_of_refresh(group, &refresh, message);
        self.end_refresh(group, refresh);
    }

    /// `RollbackInstanceRefresh`
    pub(super) fn rollback_instance_refresh(&mut self, group: Id<AutoScalingGroup>) {
        match self.groups[group.index()].refresh.clone() {
            Some(refresh) if refresh.before.is_some() && !refresh.is_rollback => {
                self.roll_back(group, refresh, "RollbackInstanceRefresh");
            }
            _ => self.say_no_refresh(group),
        }
    }

    fn say_no_refresh(&mut self, group: Id<AutoScalingGroup>) {
        let message =
            "ActiveInstanceRefreshNotFound: there is no instance refresh for which that could be done".to_owned();
        let resource = self.group_resource(group);
        self.log.put(self.agenda.now(), None, "group.instance_refresh", resource, message);
    }

    /// The configuration of a refresh that does not succeed is not the group's.
    fn end_refresh(&mut self, group: Id<AutoScalingGroup>, refresh: Refresh) {
        if let Some(before) = refresh.before.filter(|_| !refresh.is_rollback) {
            self.exchange_launch_template(group, &before);
        }
        self.forget_planned_replacements(group);
        self.groups[group.index()].refresh = None;
    }

    /// Those whose new instance has not been launched.
    fn forget_planned_replacements(&mut self, group: Id<AutoScalingGroup>) {
        let is_begun = |it: &crate::control::auto_scaling_group::Replacement| {
            it.why != ReplacementReason::InstanceRefresh || it.new.is_some()
        };
        self.groups[group.index()].replacements.retain(is_begun);
    }

    /// Instances that the refresh has launched are replaced by such as the group had before.
    fn roll_back(&mut self, group: Id<AutoScalingGroup>, mut refresh: Refresh, why: &str) {
        let now = self.now();
        let before = refresh.before.clone().expect("only a refresh with another configuration is rolled back");
        let brought = self.exchange_launch_template(group, &before);
        self.forget_planned_replacements(group);
        let is_new = |it: &Id<ContainerInstance>| {
            self.counts_for_group(*it)
                && self.instances_in_groups[it.index()].launch_template_version == brought.version
        };
        refresh.old = self.groups[group.index()].instances.iter().copied().filter(is_new).collect();
        refresh.total = refresh.old.len();
        let count = refresh.total;
        self.say_of_refresh(
            group,
            &refresh,
            format!(
                "instance refresh: RollbackInProgress, {why}; {} {} to be replaced",
                plural(count, "instance"),
                one_or_more(count, "is", "are")
            ),
        );
        refresh.preferences.checkpoint_percentages.clear();
        refresh.preferences.alarms.clear();
        refresh.preferences.composite_alarms.clear();
        refresh.preferences.bake_time = Span::ZERO;
        (refresh.resumes_at, refresh.bakes_until) = (None, None);
        (refresh.moved_at, refresh.completed) = (now, 0);
        refresh.is_rollback = true;
        self.groups[group.index()].refresh = Some(refresh);
        self.reconcile_group_at(group, now);
    }

    fn say_of_refresh(&mut self, group: Id<AutoScalingGroup>, refresh: &Refresh, message: String) {
        let resource = self.group_resource(group);
        self.log.put(self.agenda.now(), Some(refresh.cause), "group.instance_refresh", resource, message);
    }
}

fn replaced(instances: usize) -> String {
    format!("{} {} replaced", plural(instances, "instance"), one_or_more(instances, "was", "were"))
}
