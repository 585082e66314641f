//! Instances that are replaced: first the new one is launched, or first the old one is terminated.

use crate::aws::auto_scaling_group::{AutoScalingGroup, ScalingProcess};
use crate::aws::instance_replacement::{health_replacements_at_once, rebalancing_ceiling};
use crate::cluster::{ContainerInstance, InstanceStatus};
use crate::control::Control;
use crate::control::instance_launch::LaunchWish;
use crate::control::log::Decision;
use crate::table::Id;
use crate::units::Span;

/// Why an instance is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplacementReason {
    /// EC2 is likely to interrupt it.
    RebalanceRecommendation,
    /// Its zone has more instances than another.
    ZoneBalance,
    /// It is unhealthy, as these words say.
    Unhealthy(&'static str),
    /// It is as old as it may be.
    MaximumLifetime,
    /// The group is refreshed.
    InstanceRefresh,
}

impl ReplacementReason {
    /// Why an instance was taken out of service, as activities of groups say it.
    pub fn words(self) -> &'static str {
        match self {
            ReplacementReason::RebalanceRecommendation => "in response to an EC2 instance rebalance recommendation",
            ReplacementReason::ZoneBalance => "to aid in balancing the group's zones",
            ReplacementReason::Unhealthy(words) => words,
            ReplacementReason::MaximumLifetime => "because it reached the maximum instance lifetime",
            ReplacementReason::InstanceRefresh => "in response to an instance refresh",
        }
    }
}

/// An instance that goes once another is in service for it.
#[derive(Clone, Debug)]
pub struct Replacement {
    /// The one that goes.
    pub old: Id<ContainerInstance>,
    /// The other, once it is launched.
    pub new: Option<Id<ContainerInstance>>,
    /// Why.
    pub why: ReplacementReason,
    cause: Option<Decision>,
}

impl Control<'_> {
    /// Units that a group has beyond its desired capacity, because it launches before it terminates.
    pub(in crate::control) fn extra_capacity(&self, group: Id<AutoScalingGroup>) -> u32 {
        let replacements = self.groups[group.index()].replacements.iter();
        let doubled = replacements.filter(|it| it.new.is_some() && self.counts_for_group(it.old));
        doubled.map(|it| self.weight_of(it.old)).sum()
    }

    /// Has an instance replaced by another that is launched first.
    pub(super) fn launch_before_terminating(
        &mut self,
        old: Id<ContainerInstance>,
        why: ReplacementReason,
        cause: Option<Decision>,
    ) {
        let group = self.cluster.instances[old].auto_scaling_group;
        if self.counts_for_group(old) && !self.is_being_replaced(old) {
            self.groups[group.index()].replacements.push(Replacement { old, new: None, why, cause });
            let now = self.now();
            self.reconcile_group_at(group, now);
        }
    }

    /// Instances of a group that go when others have come for them where they were.
    pub(in crate::control) fn replaced_instances(&self, group: Id<AutoScalingGroup>) -> Vec<Id<ContainerInstance>> {
        let replacements = self.groups[group.index()].replacements.iter();
        let old = replacements.filter(|it| it.why != ReplacementReason::ZoneBalance).map(|it| it.old);
        old.filter(|it| self.counts_for_group(*it)).collect()
    }

    /// Whether another instance is to come before this one goes.
    pub(super) fn is_being_replaced(&self, instance: Id<ContainerInstance>) -> bool {
        let group = self.cluster.instances[instance].auto_scaling_group;
        self.groups[group.index()].replacements.iter().any(|it| it.old == instance)
    }

    /// Instances of a group that are in service for as long as its new ones need to warm up, and that it keeps.
    pub(super) fn is_warm(&self, instance: Id<ContainerInstance>) -> bool {
        let row = &self.cluster.instances[instance];
        let group = row.auto_scaling_group;
        let usual = self.scenario.auto_scaling_groups[group].default_instance_warmup.unwrap_or(Span::ZERO);
        let warmup = self.groups[group.index()].refresh.as_ref().map_or(usual, |it| it.instance_warmup());
        self.counts_for_group(instance) && row.in_service_at.is_some_and(|it| it + warmup <= self.now())
    }

    /// Units of a group's instances that are warm.
    pub(super) fn warm_capacity(&self, group: Id<AutoScalingGroup>) -> u32 {
        let instances = self.groups[group.index()].instances.iter().copied();
        instances.filter(|it| self.is_warm(*it)).map(|it| self.weight_of(it)).sum()
    }

    /// An instance came in service: what waits for it is looked at, now and when it is warm.
    pub(super) fn replacements_may_go_on(&mut self, group: Id<AutoScalingGroup>) {
        let state = &self.groups[group.index()];
        if state.replacements.is_empty() && state.refresh.is_none() {
            return;
        }
        let usual = self.scenario.auto_scaling_groups[group].default_instance_warmup.unwrap_or(Span::ZERO);
        let warmup = state.refresh.as_ref().map_or(usual, |it| it.instance_warmup());
        let now = self.now();
        self.reconcile_group_at(group, now);
        self.reconcile_group_at(group, now + warmup);
    }

    /// Instances whose replacements are in service and warm go now.
    pub(super) fn complete_replacements(&mut self, group: Id<AutoScalingGroup>) {
        let mut replacements = std::mem::take(&mut self.groups[group.index()].replacements);
        replacements.retain(|it| self.counts_for_group(it.old));
        for replacement in &mut replacements {
            replacement.new = replacement.new.filter(|it| self.counts_for_group(*it));
        }
        let (done, open): (Vec<_>, Vec<_>) = replacements.into_iter().partition(|it| {
            // A recommendation leaves no time for a warm-up.
            let is_ready = |new| match it.why {
                ReplacementReason::RebalanceRecommendation | ReplacementReason::ZoneBalance => {
                    self.cluster.instances[new].in_service_at.is_some()
                }
                ReplacementReason::InstanceRefresh => self.is_warm_and_healthy(new),
                ReplacementReason::Unhealthy(_) | ReplacementReason::MaximumLifetime => self.is_warm(new),
            };
            it.new.is_some_and(is_ready)
        });
        self.groups[group.index()].replacements = open;
        for replacement in done {
            if self.is_suspended(group, ScalingProcess::Terminate) {
                self.groups[group.index()].replacements.push(replacement);
                continue;
            }
            self.begin_to_terminate(replacement.old, replacement.why.words(), replacement.cause);
        }
    }

    /// Launches what is to come before others go, as far as the group may be above its most.
    pub(super) fn launch_replacements(&mut self, group: Id<AutoScalingGroup>) {
        for place in 0..self.groups[group.index()].replacements.len() {
            let Replacement { old, new, why, cause } = self.groups[group.index()].replacements[place].clone();
            if new.is_some() {
                continue;
            }
            let ceiling = rebalancing_ceiling(self.groups[group.index()].max_size);
            if self.group_capacity(group, None) + self.weight_of(old) > ceiling {
                break;
            }
            if self.is_suspended(group, ScalingProcess::Launch) {
                break;
            }
            let row = &self.cluster.instances[old];
            let wish = LaunchWish {
                purchase_option: row.purchase_option,
                zones: match why {
                    ReplacementReason::ZoneBalance => Some(self.emptier_zones(group, row.availability_zone)),
                    _ => None,
                },
                words: why.words(),
            };
            let launched = self.launch_wished(group, &wish, cause);
            self.groups[group.index()].replacements[place].new = launched;
            if launched.is_none() {
                break;
            }
        }
        // What cannot be launched for balance is given up; the zones are looked at again each minute.
        let state = &mut self.groups[group.index()];
        state.replacements.retain(|it| it.new.is_some() || it.why != ReplacementReason::ZoneBalance);
    }

    /// Replaces instances for one reason, as many at a time as the group's maintenance policy allows: a tenth of the desired capacity
    /// without one, terminated first.
    pub(super) fn replace_some(
        &mut self,
        group: Id<AutoScalingGroup>,
        old: &[(Id<ContainerInstance>, ReplacementReason)],
        cause: Option<Decision>,
    ) {
        let old: Vec<_> =
            old.iter().filter(|it| self.counts_for_group(it.0) && !self.is_being_replaced(it.0)).copied().collect();
        if old.is_empty() {
            return;
        }
        let desired = self.groups[group.index()].desired_capacity;
        let policy = self.scenario.auto_scaling_groups[group].upkeep.instance_maintenance_policy;
        if let Some(policy) = policy.filter(|it| it.launches_first()) {
            let underway = self.groups[group.index()].replacements.len() as u32;
            let at_once = policy.most_above(desired).saturating_sub(underway);
            for &(instance, why) in old.iter().take(at_once as usize) {
                self.launch_before_terminating(instance, why, cause);
            }
            return;
        }
        let warm = self.warm_capacity(group);
        let at_once = match policy {
            Some(policy) => policy.may_go_down(desired, warm),
            None => {
                let most = health_replacements_at_once(desired);
                (most + warm).saturating_sub(desired).min(most)
            }
        };
        if at_once == 0 || self.is_suspended(group, ScalingProcess::Terminate) {
            return;
        }
        for &(instance, why) in old.iter().take(at_once as usize) {
            self.begin_to_terminate(instance, why.words(), cause);
        }
        let now = self.now();
        self.reconcile_group_at(group, now);
    }

    /// Instances in service that the group keeps, the oldest first.
    pub(super) fn in_service(&self, group: Id<AutoScalingGroup>) -> Vec<Id<ContainerInstance>> {
        let instances = self.groups[group.index()].instances.iter().copied();
        let is_in_service = |it: &Id<ContainerInstance>| {
            let row = &self.cluster.instances[*it];
            row.in_service_at.is_some() && row.status != InstanceStatus::Terminated && self.counts_for_group(*it)
        };
        instances.filter(is_in_service).collect()
    }

    /// Replaces instances that are as old as they may be.
    pub(super) fn replace_old_instances(&mut self, group: Id<AutoScalingGroup>) {
        let Some(most) = self.scenario.auto_scaling_groups[group].upkeep.max_instance_lifetime else { return };
        let now = self.now();
        let old: Vec<_> = self
            .in_service(group)
            .into_iter()
            .filter(|it| now.since(self.cluster.instances[*it].launched_at) >= most)
            .map(|it| (it, ReplacementReason::MaximumLifetime))
            .collect();
        self.replace_some(group, &old, None);
    }
}
