//! What a user would want to be told of a run's scaling: detectors that look at the whole of it.

mod cap;
mod oscillation;

use serde::Serialize;

use crate::aws::auto_scaling_group::AutoScalingGroup;
use crate::aws::scaling_policy::{ScalingPolicy, ScalingPolicyKind, ScalingTarget, TargetTracking};
use crate::aws::service::ServiceDefinition;
use crate::report::words::{Told, times};
use crate::run::{Run, ScaleOut, ServiceMinute};
use crate::table::Id;
use crate::units::{Instant, Span};

/// So long without a scale-in that the metric asks for is worth a word.
const STARVED_LEAST: Span = Span::seconds(30 * 60);
/// Why a scale-in that the metric asks for does not come, where it is not usual that it does not: a cooldown, an activity or the
/// minimum keep it off for good reason, and with one task less the metric may be beyond the target.
const KEEPS_OFF_SCALE_IN: [&str; 5] = [
    "PolicyNotReady",
    "NoDatapoint",
    "DynamicScalingInSuspended",
    "TargetServicePutResourceAsUnscalable",
    "AlarmNotificationSuspended",
];
/// The load is gone where it is below this share of what breached, and by more than chance explains, for some minutes in a row.
const LOAD_GONE: f64 = 0.8;
/// Standard deviations of a Poisson count that chance explains.
const CHANCE: f64 = 3.0;
/// Minutes in a row for which it must be gone.
const GONE_FOR: usize = 3;

/// Something that a detector found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// Which detector: `oscillation`, `starved-scale-in`, `policy-never-fires`, `cooldown-outlasts-disturbance`,
    /// `bounded-by-metric-cap`.
    pub kind: &'static str,
    /// `service/NAME` or `auto-scaling-group/NAME`, as scaling activities name it.
    pub resource: String,
    /// In a sentence.
    pub text: String,
}

/// All that was found, service by service and then group by group.
pub fn findings(run: &Run) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut add = |kind: &'static str, resource: &str, texts: Vec<String>| {
        found.extend(texts.into_iter().map(|text| Finding { kind, resource: resource.to_owned(), text }));
    };
    for (service, definition) in run.scenario.services.entries() {
        let resource = format!("service/{}", definition.name);
        let target = run.scenario.scalable_targets.entries().find(|it| it.1.service == service).map(|it| it.0);
        let least = target.map_or(0, |it| run.scenario.scalable_targets[it].min_capacity);
        let never = target.map(|it| cap::policies_that_never_fire(run, ScalingTarget::Service(it)));
        add("policy-never-fires", &resource, never.unwrap_or_default());
        add("policy-never-fires", &resource, cap::trapped_at_zero(run, service).into_iter().collect());
        add("bounded-by-metric-cap", &resource, cap::bounded_of_service(run, service));
        add("cooldown-outlasts-disturbance", &resource, cooldowns_beyond_disturbances(run, service));
        add("oscillation", &resource, oscillation::of_service(run, service).into_iter().collect());
        let low_alarm = format!("/{}-AlarmLow-", definition.name);
        add("starved-scale-in", &resource, starved_scale_in(run, &resource, &low_alarm, least));
    }
    for (group, definition) in run.scenario.auto_scaling_groups.entries() {
        let resource = resource_of(run, group);
        add("policy-never-fires", &resource, cap::policies_that_never_fire(run, ScalingTarget::Group(group)));
        add("bounded-by-metric-cap", &resource, cap::bounded_of_group(run, group));
        add("oscillation", &resource, oscillation::of_group(run, group).into_iter().collect());
        let low_alarm = format!("TargetTracking-{}-AlarmLow-", definition.name);
        add("starved-scale-in", &resource, starved_scale_in(run, &resource, &low_alarm, definition.min_size));
    }
    found
}

/// A line for each finding of each variant's first replication.
pub fn paragraphs(variants: &[Vec<&Run>]) -> String {
    let mut told = Told::default();
    for run in variants.iter().filter_map(|runs| runs.first()) {
        for finding in findings(run) {
            let name = finding.resource.rsplit('/').next().unwrap_or_default();
            told.add(&run.scenario.variant, vec![format!("{name}: {}.", finding.text)]);
        }
    }
    told.under("What stands out of the scaling")
}

fn resource_of(run: &Run, group: Id<AutoScalingGroup>) -> String {
    format!("auto-scaling-group/{}", run.scenario.auto_scaling_groups[group].name)
}

fn tracking_of(run: &Run, service: Id<ServiceDefinition>) -> impl Iterator<Item = (&ScalingPolicy, &TargetTracking)> {
    policies_of(run, service).filter_map(|it| match &it.kind {
        ScalingPolicyKind::TargetTracking(tracking) => Some((it, tracking)),
        _ => None,
    })
}

fn policies_of(run: &Run, service: Id<ServiceDefinition>) -> impl Iterator<Item = &ScalingPolicy> {
    let own = move |it: &&ScalingPolicy| {
        it.scalable_target().is_some_and(|it| run.scenario.scalable_targets[it].service == service)
    };
    run.scenario.scaling_policies.iter().filter(own)
}

fn scale_outs_of(run: &Run, service: Id<ServiceDefinition>) -> impl Iterator<Item = &ScaleOut> {
    run.service_scale_outs.iter().filter(move |it| it.service == service.index())
}

fn rows_of(run: &Run, service: Id<ServiceDefinition>) -> impl Iterator<Item = &ServiceMinute> {
    run.service_minutes.iter().filter(move |it| it.service == service.index())
}

/// Arrivals a minute between two instants, in the mean.
fn load_between(rows: &[&ServiceMinute], from: Instant, until: Instant) -> f64 {
    let minutes = from.0 / Span::MINUTE.0..until.0.div_ceil(Span::MINUTE.0);
    let inside: Vec<f64> =
        rows.iter().filter(|it| minutes.contains(&it.minute)).map(|it| it.counts.arrived as f64).collect();
    inside.iter().sum::<f64>() / inside.len().max(1) as f64
}

fn cooldowns_beyond_disturbances(run: &Run, service: Id<ServiceDefinition>) -> Vec<String> {
    let rows: Vec<&ServiceMinute> = rows_of(run, service).collect();
    let mut texts = Vec::new();
    for policy in policies_of(run, service) {
        let cooldown = match &policy.kind {
            ScalingPolicyKind::TargetTracking(tracking) => tracking.scale_out_cooldown,
            ScalingPolicyKind::Step(step) => step.cooldown,
            _ => continue,
        };
        let mut count = 0;
        let mut longest = Span::ZERO;
        for it in scale_outs_of(run, service).filter(|it| it.policy == policy.name) {
            let level = load_between(&rows, it.first_period_began, it.last_period_ended);
            let is_gone_below = (LOAD_GONE * level).min(level - CHANCE * libm::sqrt(level));
            let is_gone = |row: &&ServiceMinute| {
                let begins = Instant(row.minute * Span::MINUTE.0);
                begins >= it.last_period_ended && (row.counts.arrived as f64) < is_gone_below
            };
            let gone = rows.windows(GONE_FOR).find(|minutes| minutes.iter().all(is_gone)).map(|minutes| minutes[0]);
            let lasted = gone.map(|row| Instant(row.minute * Span::MINUTE.0).since(it.began_at()));
            if let Some(lasted) = lasted.filter(|it| level > 0.0 && *it < cooldown) {
                count += 1;
                longest = longest.max(lasted);
            }
        }
        if count > 0 {
            texts.push(format!(
                "{} the load was back after {longest} or less, sooner than the cooldown of {} of policy {} was over: capacity came \
                 for what had passed",
                times(count),
                cooldown,
                policy.name
            ));
        }
    }
    texts
}

/// For how long something kept off a scale-in that the low alarm asked for, the longest time.
fn starved_scale_in(run: &Run, resource: &str, low_alarm: &str, least: u32) -> Vec<String> {
    let end = Instant::START + run.simulated;
    let mut texts: Vec<(Span, String)> = Vec::new();
    let own: Vec<_> = run.scaling_activities.iter().filter(|it| it.resource == resource).collect();
    for (place, activity) in own.iter().enumerate() {
        let is_kept_off = activity.not_scaled_reason.is_some_and(|it| KEEPS_OFF_SCALE_IN.contains(&it));
        if !is_kept_off || activity.from <= least {
            continue;
        }
        let reason = activity.rule.trim_start_matches("no scale-in: ");
        let next = own.get(place + 1).map_or(end, |it| it.at);
        // Once the low alarm is over nobody asks for a scale-in any more.
        let over = run
            .alarm_changes
            .iter()
            .find(|it| it.at > activity.at && it.from == "ALARM" && it.alarm.contains(low_alarm));
        let until = over.map_or(next, |it| it.at.min(next));
        let lasted = until.since(activity.at);
        if lasted >= STARVED_LEAST {
            texts.push((lasted, format!("no scale-in for {lasted} from {} on: {reason}", activity.at)));
        }
    }
    texts.sort_by_key(|it| std::cmp::Reverse(it.0));
    texts.into_iter().take(1).map(|it| it.1).collect()
}
