//! CloudWatch's alarms as they stand: when they are evaluated, what they change to, and what they invoke again and again.
//!
//! Follows *Alarm evaluation*, *Alarm actions* and *Composite alarms* (CloudWatch User Guide, 2026); what they leave open is a
//! named assumption of the scenario.

use crate::agenda::Event;
use crate::aws::alarm::{Alarm, AlarmRule, AlarmState, ComparisonOperator, TreatMissingData, Watched};
use crate::aws::capacity_provider::CapacityProvider;
use crate::aws::composite_alarm::{CompositeAlarm, RuleAlarm, Side, managed_alarm_prefix};
use crate::aws::metric::{Metric, MetricStat};
use crate::aws::scaling_policy::{ScalingPolicy, ScalingPolicyKind, ScalingTarget};
use crate::aws::statistic::Statistic;
use crate::control::Control;
use crate::control::log::Decision;
use crate::control::metrics::newest_windows;
use crate::control::waterfall::Breach;
use crate::metrics::{Series, Windows};
use crate::rng::fnv;
use crate::run::AlarmChange;
use crate::table::Id;
use crate::units::{Instant, Span};

/// An alarm as it stands: of the scenario, of a policy, or of a capacity provider's managed scaling.
#[derive(Clone, Debug)]
pub struct AlarmInForce {
    /// Its state.
    pub state: AlarmState,
    /// What it invokes in a state.
    pub actions: Vec<(AlarmState, Action)>,
    changed_at: Instant,
    /// What brought it to ALARM last.
    pub breach: Option<Box<Breach>>,
    /// Its last change of state.
    pub decision: Option<Decision>,
    /// How many decisions there were when nothing came of what it invokes.
    in_vain_since: Option<usize>,
    /// Its rule, once more: alarms are what a quiet cluster looks at most, and what they go by lies in one place so.
    rule: AlarmRule,
    /// `None` where it watches metric math.
    seen: Option<Seen>,
}

/// What an alarm on one metric saw at its last evaluation.
#[derive(Clone, Debug)]
struct Seen {
    /// Where the series of its metric stands.
    series: usize,
    statistic: Statistic,
    /// Where the newest of its periods ended.
    end: Instant,
    /// Values of the periods, oldest first; `NAN` is no data.
    values: Vec<f64>,
    /// Of these, how many of the oldest will not change any more.
    whole: usize,
}

impl Seen {
    /// Reads what has changed since, into `points`.
    fn read(&mut self, series: &Series, windows: Windows, now: Instant, points: &mut Vec<Option<f64>>) {
        let Windows { end, period, count } = windows;
        let passed = (end.since(self.end).0 / period.0) as usize;
        let goes_on = self.values.len() == count && end.since(self.end) == period * passed as u64;
        if goes_on && passed <= self.whole {
            self.values.copy_within(passed.., 0);
            self.whole -= passed;
        } else {
            self.values.clear();
            self.values.resize(count, f64::NAN);
            self.whole = 0;
        }
        self.end = end;
        let whole_before = self.whole;
        for (at, window) in windows.each().enumerate().skip(whole_before) {
            self.values[at] = window.and_then(|it| series.value(it, self.statistic, now)).unwrap_or(f64::NAN);
            if self.whole == at && window.is_none_or(|it| series.is_whole(it, now)) {
                self.whole += 1;
            }
        }
        points.clear();
        points.extend(self.values.iter().map(|it| (!it.is_nan()).then_some(*it)));
    }
}

impl AlarmInForce {
    /// Whether it was made by a target tracking policy or managed scaling, not by whoever runs the cluster.
    pub fn is_managed(&self) -> bool {
        self.actions.iter().any(|it| !matches!(it.1, Action::Step(_)))
    }
}

/// What an alarm invokes.
#[derive(Clone, Copy, Debug)]
pub enum Action {
    /// The high alarm of target tracking.
    TrackOut(Id<ScalingPolicy>),
    /// The low alarm of target tracking.
    TrackIn(Id<ScalingPolicy>),
    /// Step scaling.
    Step(Id<ScalingPolicy>),
    /// The high alarm of a capacity provider's managed scaling.
    GrowGroup(Id<CapacityProvider>),
    /// The low one.
    ShrinkGroup(Id<CapacityProvider>),
}

/// The alarms that AWS has made for a scaling policy or a capacity provider; none where it tracks no target.
#[derive(Clone, Copy, Debug, Default)]
pub struct ManagedAlarms {
    high: Option<Id<Alarm>>,
    low: Option<Id<Alarm>>,
}

impl ManagedAlarms {
    fn at(self, side: Side) -> Option<Id<Alarm>> {
        match side {
            Side::High => self.high,
            Side::Low => self.low,
        }
    }

    fn set(&mut self, side: Side, alarm: Id<Alarm>) {
        match side {
            Side::High => self.high = Some(alarm),
            Side::Low => self.low = Some(alarm),
        }
    }
}

/// A composite alarm as it stands.
#[derive(Clone, Debug, Default)]
pub struct CompositeAlarmInForce {
    /// Its state.
    pub state: AlarmState,
    decision: Option<Decision>,
}

/// An alarm that is to be made: who it belongs to, what it is, and what it invokes.
type Wanted = (RuleAlarm, Alarm, Vec<(AlarmState, Action)>);

impl Control<'_> {
    /// Creates all alarms: those that are evaluated at one second of the minute side by side, as it is then that they are looked at;
    /// among these those of policies in the order of the policies, those of capacity providers, and then the rest of the scenario's.
    pub(super) fn put_alarms(&mut self) {
        let scenario = self.scenario;
        self.alarm_of_scenario = vec![None; scenario.alarms.len()];
        self.tracking_alarms = vec![ManagedAlarms::default(); scenario.scaling_policies.len()];
        let mut wanted = self.wanted_alarms();
        wanted.iter().for_each(|it| self.metrics.watch(scenario, &it.1.watches));
        wanted.sort_by_key(|it| self.phase_of(&it.1));
        for (owner, alarm, actions) in wanted {
            let alarm = self.put_alarm(alarm, actions);
            self.alarm_belongs_to(alarm, owner);
        }
        let of_targets = self.scaled_targets.iter_mut().map(|it| &mut it.low_alarms);
        let of_groups = self.group_scaling.iter_mut().map(|it| &mut it.low_alarms);
        of_targets.chain(of_groups).for_each(|it| it.sort_by_key(|(_, policy)| *policy));
        self.composite_alarms = vec![CompositeAlarmInForce::default(); scenario.composite_alarms.len()];
        if !scenario.composite_alarms.is_empty() {
            self.agenda.put(Instant::START, Event::CompositeAlarmsAreEvaluated);
        }
    }

    fn wanted_alarms(&self) -> Vec<Wanted> {
        let scenario = self.scenario;
        let mut wanted = Vec::new();
        let mut alarms_of_policy = vec![Vec::new(); scenario.scaling_policies.len()];
        for (alarm, definition) in scenario.alarms.entries() {
            definition.actions.iter().for_each(|it| alarms_of_policy[it.1.index()].push(alarm));
        }
        let mut is_wanted = vec![false; scenario.alarms.len()];
        let mut of_scenario = |id: Id<Alarm>, wanted: &mut Vec<Wanted>| {
            if !std::mem::replace(&mut is_wanted[id.index()], true) {
                let alarm = scenario.alarms[id].clone();
                let enabled = alarm.actions.iter().filter(|_| alarm.actions_enabled);
                let actions = enabled.map(|&(state, policy)| (state, Action::Step(policy))).collect();
                wanted.push((RuleAlarm::Own(id), alarm, actions));
            }
        };
        for (id, policy) in scenario.scaling_policies.entries() {
            match &policy.kind {
                ScalingPolicyKind::TargetTracking(_) => self.alarms_of_tracking(id, &mut wanted),
                ScalingPolicyKind::Predictive(_) => {}
                ScalingPolicyKind::Step(_) | ScalingPolicyKind::Simple(_) => {
                    alarms_of_policy[id.index()].iter().for_each(|it| of_scenario(*it, &mut wanted));
                }
            }
        }
        for id in scenario.capacity_providers.ids() {
            self.alarms_of_managed_scaling(id, &mut wanted);
        }
        scenario.alarms.ids().for_each(|it| of_scenario(it, &mut wanted));
        wanted
    }

    fn alarm_belongs_to(&mut self, alarm: Id<Alarm>, owner: RuleAlarm) {
        match owner {
            RuleAlarm::Own(id) => self.alarm_of_scenario[id.index()] = Some(alarm),
            RuleAlarm::Composite(_) => {}
            RuleAlarm::Tracking(policy, side) => {
                self.tracking_alarms[policy.index()].set(side, alarm);
                let low_alarms = match self.scenario.scaling_policies[policy].target {
                    ScalingTarget::Service(target) => &mut self.scaled_targets[target.index()].low_alarms,
                    ScalingTarget::Group(group) => &mut self.group_scaling[group.index()].low_alarms,
                };
                low_alarms.extend((side == Side::Low).then_some((alarm, policy)));
            }
            RuleAlarm::ManagedScaling(provider, side) => self.providers[provider.index()].alarms.set(side, alarm),
        }
    }

    /// States of the high and the low alarm of a capacity provider's managed scaling.
    pub(super) fn alarms_of_provider(&self, provider: Id<CapacityProvider>) -> (AlarmState, AlarmState) {
        let alarms = self.providers[provider.index()].alarms;
        let state = |side| alarms.at(side).map(|it| self.alarms_in_force[it.index()].state).unwrap_or_default();
        (state(Side::High), state(Side::Low))
    }

    fn alarms_of_tracking(&self, id: Id<ScalingPolicy>, wanted: &mut Vec<Wanted>) {
        let scenario = self.scenario;
        let policy = &scenario.scaling_policies[id];
        let ScalingPolicyKind::TargetTracking(tracking) = &policy.kind else { return };
        let (resource, low_ratio) = match policy.target {
            ScalingTarget::Service(target) => {
                let service = &scenario.services[scenario.scalable_targets[target].service].name;
                (format!("service/{}/{service}", scenario.cluster_name), scenario.assumptions.alarm_low_ratio)
            }
            ScalingTarget::Group(group) => {
                (scenario.auto_scaling_groups[group].name.clone(), scenario.assumptions.group_alarm_low_ratio)
            }
        };
        let (high, low) = tracking.alarm_rules(low_ratio);
        let mut want = |side, rule, action| {
            let name = managed_alarm_prefix(&resource, side) + &policy.name;
            let alarm = managed_alarm(name, rule, tracking.watches.clone());
            wanted.push((RuleAlarm::Tracking(id, side), alarm, vec![(AlarmState::Alarm, action)]));
        };
        want(Side::High, high, Action::TrackOut(id));
        if !tracking.disable_scale_in {
            want(Side::Low, low, Action::TrackIn(id));
        }
    }

    fn alarms_of_managed_scaling(&self, id: Id<CapacityProvider>, wanted: &mut Vec<Wanted>) {
        let scenario = self.scenario;
        let provider = &scenario.capacity_providers[id];
        let (Some(managed), Some(group)) = (&provider.managed_scaling, provider.auto_scaling_group()) else { return };
        let group = &scenario.auto_scaling_groups[group].name;
        let mut want = |side, comparison_operator, periods, action| {
            let rule = AlarmRule {
                comparison_operator,
                threshold: f64::from(managed.target_capacity),
                period: Span::MINUTE,
                evaluation_periods: periods,
                datapoints_to_alarm: periods,
                treat_missing_data: TreatMissingData::Missing,
                ignores_low_sample_count: false,
            };
            let metric = Metric::CapacityProviderReservation(id);
            let watches = Watched::Stat(MetricStat { metric, statistic: Statistic::Average });
            let alarm = managed_alarm(managed_alarm_prefix(group, side) + &provider.name, rule, watches);
            wanted.push((RuleAlarm::ManagedScaling(id, side), alarm, vec![(AlarmState::Alarm, action)]));
        };
        let (high, low) = (ComparisonOperator::GreaterThanThreshold, ComparisonOperator::LessThanThreshold);
        let assumptions = &scenario.assumptions;
        want(Side::High, high, assumptions.capacity_alarm_high_datapoints, Action::GrowGroup(id));
        want(Side::Low, low, assumptions.capacity_alarm_low_datapoints, Action::ShrinkGroup(id));
    }

    /// CloudWatch evaluates each alarm at a second of the minute of its own.
    fn phase_of(&self, alarm: &Alarm) -> Span {
        let every = alarm.rule.evaluated_every();
        let own = Span::seconds(fnv(alarm.name.as_bytes(), 0) % (every.0 / Span::SECOND.0));
        self.scenario.assumptions.alarm_phase.map_or(own, |it| Span(it.0 % every.0))
    }

    fn put_alarm(&mut self, alarm: Alarm, actions: Vec<(AlarmState, Action)>) -> Id<Alarm> {
        let first = Instant::START + alarm.rule.evaluated_every() + self.phase_of(&alarm);
        let seen = match &alarm.watches {
            Watched::Stat(stat) => Some(Seen {
                series: self.metrics.place(stat.metric),
                statistic: stat.statistic,
                end: Instant::START,
                values: Vec::new(),
                whole: 0,
            }),
            Watched::Math(_) => None,
        };
        self.alarms_in_force.push(AlarmInForce {
            state: AlarmState::InsufficientData,
            actions,
            changed_at: Instant::START,
            breach: None,
            decision: None,
            in_vain_since: None,
            rule: alarm.rule,
            seen,
        });
        let alarm = self.alarms.push(alarm);
        self.agenda.put(first, Event::AlarmIsEvaluated(alarm));
        alarm
    }

    pub(super) fn alarm_is_evaluated(&mut self, alarm: Id<Alarm>) {
        let mut points = std::mem::take(&mut self.points_of_alarm);
        let (windows, state) = self.alarm_looks(alarm, &mut points);
        if state != self.alarms_in_force[alarm.index()].state && !self.has_too_few_samples(alarm, windows) {
            self.alarm_changes(alarm, state, windows, &points);
        }
        self.points_of_alarm = points;
    }

    /// Where the periods of an alarm lie now, what they come to, which goes into `points`, and the state that follows.
    fn alarm_looks(&mut self, alarm: Id<Alarm>, points: &mut Vec<Option<f64>>) -> (Windows, AlarmState) {
        let now = self.now();
        let range_extra = self.scenario.assumptions.evaluation_range_extra;
        let row = &mut self.alarms_in_force[alarm.index()];
        let (state, rule) = (row.state, row.rule);
        let count = rule.evaluation_range(range_extra);
        let windows = if let Some(seen) = &mut row.seen {
            let series = self.metrics.at(seen.series);
            let windows = newest_windows(&rule, std::iter::once(series), count, now);
            seen.read(series, windows, now, points);
            windows
        } else {
            let watches = &self.alarms[alarm].watches;
            let windows = self.windows_of(&rule, watches, count);
            *points = self.points(watches, windows, now);
            windows
        };
        self.agenda.put(now + rule.evaluated_every(), Event::AlarmIsEvaluated(alarm));
        (windows, rule.evaluate(points, state))
    }

    fn alarm_changes(&mut self, alarm: Id<Alarm>, state: AlarmState, windows: Windows, points: &[Option<f64>]) {
        let now = self.now();
        let Alarm { name, rule, watches, .. } = &self.alarms[alarm];
        let from = self.alarms_in_force[alarm.index()].state;
        let breach = self.breach_of(rule, watches, windows, points);
        let newest = points.iter().rev().copied().flatten().next();
        let message = format!("{name} {} to {}: {}", from.as_str(), state.as_str(), in_short(rule, points, newest));
        let reason = rule.state_reason(points, self.periods(windows), state);
        let change = AlarmChange {
            at: now,
            alarm: name.clone(),
            from: from.as_str(),
            to: state.as_str(),
            value: newest,
            threshold: Some(rule.threshold),
            reason,
        };
        let resource = format!("alarm/{name}");
        self.records.alarm_changes.push(change);
        let decision = self.log.put(now, None, "alarm.state", resource, message);
        let breach = breach.filter(|_| state == AlarmState::Alarm);
        let row = &mut self.alarms_in_force[alarm.index()];
        row.breach = breach.map(Box::new);
        row.state = state;
        row.changed_at = now;
        row.decision = Some(decision);
        if !self.scenario.composite_alarms.is_empty() {
            self.agenda.put(now, Event::CompositeAlarmsAreEvaluated);
        }
        if state == AlarmState::Alarm {
            self.refreshes_hear_of_alarm();
            self.deployments_hear_of_alarm();
        }
        let is_above = self.alarms[alarm].rule.is_above();
        let invoked = self.alarms_in_force[alarm.index()].actions.iter().filter(|it| it.0 == from).map(|it| it.1);
        for action in invoked.collect::<Vec<_>>() {
            match action {
                Action::TrackOut(policy) => self.reasons_are_forgotten(policy, true),
                Action::TrackIn(policy) => self.reasons_are_forgotten(policy, false),
                Action::Step(policy) => self.reasons_are_forgotten(policy, is_above),
                Action::GrowGroup(_) | Action::ShrinkGroup(_) => {}
            }
        }
        self.alarm_acts(alarm);
    }

    /// Whether a percentile has so few samples that its alarm shall not change.
    fn has_too_few_samples(&self, alarm: Id<Alarm>, windows: Windows) -> bool {
        let Alarm { rule, watches, .. } = &self.alarms[alarm];
        let (Some(needed), Watched::Stat(stat)) = (watches.samples_needed(), watches) else { return false };
        let looked_at = Windows { count: rule.evaluation_periods as usize, ..windows };
        let series = self.metrics.series(stat.metric);
        let samples: f64 = looked_at.each().flatten().map(|window| series.sample_count(window, self.now())).sum();
        rule.ignores_low_sample_count && samples < needed
    }

    pub(super) fn alarm_acts_again(&mut self, alarm: Id<Alarm>) {
        let row = &self.alarms_in_force[alarm.index()];
        let since = self.now().since(row.changed_at).0;
        // Re-invocations keep the second of the transition that began them; others are stale.
        if since > 0 && since.is_multiple_of(row.rule.acts_again_every().0) {
            self.alarm_acts(alarm);
        }
    }

    /// Invokes what the alarm's state calls for, now and as long as the state stays.
    fn alarm_acts(&mut self, alarm: Id<Alarm>) {
        let row = &self.alarms_in_force[alarm.index()];
        let (state, cause, count) = (row.state, row.decision, row.actions.len());
        let decided = self.log.events.len();
        let in_vain = row.in_vain_since == Some(decided);
        if !in_vain && !row.actions.iter().any(|it| it.0 == state) {
            return;
        }
        self.agenda.put(self.agenda.now() + row.rule.acts_again_every(), Event::AlarmActsAgain(alarm));
        // Whatever would let more come of it is a decision, and in the log.
        debug_assert!(!in_vain || self.acts_in_vain(alarm));
        if in_vain || self.acts_in_vain(alarm) {
            self.alarms_in_force[alarm.index()].in_vain_since = Some(decided);
            return;
        }
        for place in 0..count {
            let (of_state, action) = self.alarms_in_force[alarm.index()].actions[place];
            if of_state != state {
                continue;
            }
            match action {
                Action::TrackOut(policy) | Action::Step(policy) => self.ask(policy, alarm, false),
                Action::TrackIn(policy) => self.ask(policy, alarm, true),
                Action::GrowGroup(provider) => self.grow_group(provider, cause),
                Action::ShrinkGroup(provider) => self.shrink_group(provider, cause),
            }
        }
    }

    /// Whether all that an alarm invokes are scale-ins at the minimum, as was said before.
    fn acts_in_vain(&self, alarm: Id<Alarm>) -> bool {
        let row = &self.alarms_in_force[alarm.index()];
        row.actions.iter().filter(|it| it.0 == row.state).all(|it| match it.1 {
            Action::TrackIn(policy) => match self.scenario.scaling_policies[policy].target {
                ScalingTarget::Service(target) => self.stays_at_minimum(target),
                ScalingTarget::Group(_) => false,
            },
            _ => false,
        })
    }

    /// Looks at all composite alarms; those that others name come before these.
    pub(super) fn composite_alarms_are_evaluated(&mut self) {
        let scenario = self.scenario;
        for (id, CompositeAlarm { name, rule, text }) in scenario.composite_alarms.entries() {
            let state_of = |it: &RuleAlarm| self.named_alarm(*it).0;
            let state = if rule.holds(&state_of) { AlarmState::Alarm } else { AlarmState::Ok };
            let from = self.composite_alarms[id.index()].state;
            if state == from {
                continue;
            }
            let cause = rule.alarms().into_iter().filter_map(|it| self.named_alarm(*it).1).max();
            let now = self.now();
            let reason = self.composite_reason(rule.alarms(), state, text);
            let message = format!("{name} {} to {}: {text}", from.as_str(), state.as_str());
            let decision = self.log.put(now, cause, "alarm.state", format!("alarm/{name}"), message);
            self.records.alarm_changes.push(AlarmChange {
                at: now,
                alarm: name.clone(),
                from: from.as_str(),
                to: state.as_str(),
                value: None,
                threshold: None,
                reason,
            });
            self.composite_alarms[id.index()] = CompositeAlarmInForce { state, decision: Some(decision) };
            if state == AlarmState::Alarm {
                self.refreshes_hear_of_alarm();
            }
            self.deployments_hear_of_alarm();
        }
    }

    /// The state of an alarm that a composite one names, and its last change.
    fn named_alarm(&self, named: RuleAlarm) -> (AlarmState, Option<Decision>) {
        if let RuleAlarm::Composite(composite) = named {
            let it = &self.composite_alarms[composite.index()];
            return (it.state, it.decision);
        }
        let alarm = self.alarm_behind(named).map(|it| &self.alarms_in_force[it.index()]);
        alarm.map_or((AlarmState::InsufficientData, None), |it| (it.state, it.decision))
    }

    /// The last change of an alarm that is in ALARM.
    pub(super) fn decision_of_alarm(&self, alarm: RuleAlarm) -> Option<Option<Decision>> {
        let (state, decision) = self.named_alarm(alarm);
        (state == AlarmState::Alarm).then_some(decision)
    }

    /// How far back an alarm looks, its periods all together; a composite one as far as those that it names.
    pub(super) fn looks_back(&self, alarm: RuleAlarm) -> Span {
        if let RuleAlarm::Composite(composite) = alarm {
            let named = self.scenario.composite_alarms[composite].rule.alarms();
            return named.into_iter().map(|it| self.looks_back(*it)).max().unwrap_or(Span::ZERO);
        }
        let rule = self.alarm_behind(alarm).map(|it| self.alarms[it].rule);
        rule.map_or(Span::ZERO, |it| it.period * u64::from(it.evaluation_periods))
    }

    /// The alarm on a metric that a composite one names.
    fn alarm_behind(&self, named: RuleAlarm) -> Option<Id<Alarm>> {
        match named {
            RuleAlarm::Own(alarm) => self.alarm_of_scenario[alarm.index()],
            RuleAlarm::Composite(_) => None,
            RuleAlarm::Tracking(policy, side) => self.tracking_alarms[policy.index()].at(side),
            RuleAlarm::ManagedScaling(provider, side) => self.providers[provider.index()].alarms.at(side),
        }
    }

    /// In the words of CloudWatch: the child that changed last, and the rule.
    fn composite_reason(&self, children: Vec<&RuleAlarm>, state: AlarmState, text: &str) -> String {
        let newest = children.into_iter().max_by_key(|it| self.named_alarm(**it).1);
        let said = newest.filter(|it| self.named_alarm(**it).1.is_some()).map(|named| {
            let name = match *named {
                RuleAlarm::Composite(composite) => &self.scenario.composite_alarms[composite].name,
                _ => self.alarm_behind(*named).map_or(&self.scenario.name, |it| &self.alarms[it].name),
            };
            format!("{name} transitioned to {}", self.named_alarm(*named).0.as_str())
        });
        let said = said.unwrap_or_else(|| "it was created".to_owned());
        format!("AlarmRule `{text}` is {} since {said}", if state == AlarmState::Alarm { "true" } else { "false" })
    }
}

/// An alarm that AWS makes itself.
fn managed_alarm(name: String, rule: AlarmRule, watches: Watched) -> Alarm {
    Alarm { name, watches, rule, actions_enabled: true, actions: Vec::new() }
}

/// What made an alarm change, as the log tells it.
fn in_short(rule: &AlarmRule, points: &[Option<f64>], newest: Option<f64>) -> String {
    let looked_at = rule.newest_points(points);
    let breaching = looked_at.iter().filter(|it| rule.breaches(it.1)).count();
    let comparison = match rule.comparison_operator {
        ComparisonOperator::GreaterThanThreshold => ">",
        ComparisonOperator::GreaterThanOrEqualToThreshold => ">=",
        ComparisonOperator::LessThanThreshold => "<",
        ComparisonOperator::LessThanOrEqualToThreshold => "<=",
    };
    match newest {
        None => "no datapoint".to_owned(),
        Some(value) => format!(
            "{breaching} of the last {} datapoints were {comparison} {} (newest {}); {} needed",
            looked_at.len(),
            super::autoscaling::rounded(rule.threshold),
            super::autoscaling::rounded(value),
            rule.datapoints_to_alarm
        ),
    }
}
