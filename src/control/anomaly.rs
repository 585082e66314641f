//! Automatic Target Weights in time: targets are compared every few seconds, and those that fail lose requests.

use std::collections::VecDeque;

use crate::agenda::Event;
use crate::aws::anomaly_detection::TargetTally;
use crate::aws::load_balancer::TargetGroup;
use crate::cluster::{Change, Target, TargetState};
use crate::control::Control;
use crate::data::Traffic;
use crate::table::Id;

/// What was counted of a group's targets in the last intervals, the newest last.
#[derive(Clone, Debug, Default)]
pub struct Comparisons {
    intervals: VecDeque<Vec<(Id<Target>, TargetTally)>>,
    /// Whether a target has errors, an anomaly or another weight than 1, or a request in one of the intervals.
    has_any: bool,
}

impl Comparisons {
    fn tally_of(&self, target: Id<Target>) -> TargetTally {
        let mut tally = TargetTally::default();
        for interval in &self.intervals {
            // Targets are listed in the order of their registration, which is that of their ids.
            if let Ok(place) = interval.binary_search_by_key(&target, |it| it.0) {
                tally.add(interval[place].1);
            }
        }
        tally
    }

    fn holds_requests(&self) -> bool {
        self.intervals.iter().flatten().any(|it| it.1.requests > 0.0)
    }

    fn holds_errors(&self) -> bool {
        self.intervals.iter().flatten().any(|it| it.1.errors > 0)
    }
}

impl Control<'_> {
    /// Compares the healthy targets of each group that had requests of late.
    pub(super) fn targets_are_compared(&mut self, traffic: &Traffic) {
        self.agenda.put(self.now() + self.scenario.assumptions.anomaly.interval, Event::TargetsAreCompared);
        for group in self.scenario.target_groups.ids() {
            if traffic.has_tally(group) || self.comparisons[group.index()].has_any {
                self.compare_targets_of(group, traffic);
            }
        }
    }

    /// Follows with the weights of a group's targets where anomalies are mitigated.
    fn compare_targets_of(&mut self, group: Id<TargetGroup>, traffic: &Traffic) {
        let rule = self.scenario.assumptions.anomaly;
        let targets = self.cluster.target_groups[group.index()].clone();
        let interval = targets.iter().map(|&it| (it, traffic.tally_of(&self.cluster, it))).collect();
        let comparisons = &mut self.comparisons[group.index()];
        comparisons.intervals.push_back(interval);
        while comparisons.intervals.len() as u64 * rule.interval.0 > rule.window.0.max(rule.interval.0) {
            comparisons.intervals.pop_front();
        }
        let is_at_rest = |it: &Id<Target>| {
            let target = &self.cluster.targets[*it];
            !target.is_anomalous && target.weight == 1.0
        };
        let is_quiet = targets.iter().all(is_at_rest) && !comparisons.holds_errors();
        comparisons.has_any = !is_quiet || comparisons.holds_requests();
        if is_quiet {
            return;
        }
        let is_healthy = |it: &Id<Target>| self.cluster.targets[*it].state == TargetState::Healthy;
        let (healthy, others): (Vec<_>, Vec<_>) = targets.into_iter().partition(is_healthy);
        let tallies: Vec<TargetTally> = healthy.iter().map(|it| comparisons.tally_of(*it)).collect();
        let verdicts = rule.compare(&tallies);
        for ((target, tally), (is_anomalous, of_others)) in healthy.into_iter().zip(tallies).zip(verdicts) {
            self.target_is_judged(target, is_anomalous, tally, of_others);
        }
        // Whoever is not healthy is compared with nobody.
        for target in others {
            self.target_is_judged(target, false, TargetTally::default(), 0.0);
        }
    }

    fn target_is_judged(&mut self, target: Id<Target>, is_anomalous: bool, tally: TargetTally, of_others: f64) {
        let rule = &self.scenario.assumptions.anomaly;
        let row = &self.cluster.targets[target];
        let group = &self.scenario.target_groups[row.target_group];
        let (was_anomalous, before, task) = (row.is_anomalous, row.weight, row.task);
        let weight = if group.anomaly_mitigation { rule.next_weight(before, is_anomalous) } else { before };
        if is_anomalous == was_anomalous && weight == before {
            return;
        }
        let row = &mut self.cluster.targets[target];
        (row.is_anomalous, row.weight) = (is_anomalous, weight);
        let (state, reason) = (row.state, row.reason);
        self.cluster.has_changed(Change::Target(target));
        if is_anomalous != was_anomalous || (weight < 1.0) != (before < 1.0) {
            self.record_target(target, state, reason);
        }
        // Without mitigation nothing is decided.
        if group.anomaly_mitigation {
            let kind = match (was_anomalous, is_anomalous) {
                (false, true) => "target.anomalous",
                (true, false) => "target.normal",
                _ => "target.weight",
            };
            let result = if is_anomalous { "anomalous" } else { "normal" };
            let share = tally.error_share().unwrap_or(0.0);
            let words = format!(
                "is {result} in (target-group {}): {:.1} % of {:.0} requests in {} failed, {:.1} % in the median of its peers; weight {before:.2} to {weight:.2}",
                group.name,
                100.0 * share,
                tally.requests,
                rule.window,
                100.0 * of_others,
            );
            let cause = self.anomaly_causes.get(&target).copied().filter(|_| kind != "target.anomalous");
            let decision = self.say_of_task(task, cause, kind, &words);
            if kind == "target.anomalous" {
                self.anomaly_causes.insert(target, decision);
            }
        }
    }
}
