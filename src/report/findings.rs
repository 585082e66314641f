//! What a user would want to be told of a run's scaling: detectors that look at the whole of it.

use serde::Serialize;

use crate::aws::alarm::Watched;
use crate::aws::metric::{Metric, ServiceMetric};
use crate::aws::scaling_policy::{ScalingPolicy, ScalingPolicyKind, TargetTracking};
use crate::aws::service::ServiceDefinition;
use crate::report::comparison::number;
use crate::report::words::times;
use crate::run::{Run, ScaleOut, ServiceMinute};
use crate::table::Id;
use crate::units::{Instant, Span};

/// Turns of the desired count from which on it counts as oscillating: two whole periods.
const TURNS_LEAST: usize = 4;
/// A load that varies less than this, as its standard deviation over its mean, does not explain an oscillation.
const LOAD_VARIES_MOST: f64 = 0.15;
/// So long without a scale-in that the metric asks for is worth a word.
const STARVED_LEAST: Span = Span::seconds(30 * 60);
/// Why a scale-in that the metric asks for does not come, where it is not usual that it does not: a cooldown, an activity or the
/// minimum keep it off for good reason, and with one task less the metric may be beyond the target.
const KEEPS_OFF_SCALE_IN: [&str; 4] =
    ["PolicyNotReady", "NoDatapoint", "DynamicScalingInSuspended", "TargetServicePutResourceAsUnscalable"];
/// A utilisation from which on a metric that ends at 100 is at its cap, percent.
const AT_CAP: f64 = 99.0;
/// Up to which a metric that can go beyond 100, but need not, is taken to be there.
const AT_CAP_MOST: f64 = 101.0;
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
    /// The service.
    pub service: String,
    /// In a sentence.
    pub text: String,
}

/// All that was found, service by service.
pub fn findings(run: &Run) -> Vec<Finding> {
    let mut found = Vec::new();
    for (service, definition) in run.scenario.services.entries() {
        let mut add = |kind: &'static str, texts: Vec<String>| {
            let finding = |text| Finding { kind, service: definition.name.clone(), text };
            found.extend(texts.into_iter().map(finding));
        };
        add("policy-never-fires", policies_that_never_fire(run, service));
        add("bounded-by-metric-cap", bounded_by_the_cap(run, service));
        add("cooldown-outlasts-disturbance", cooldowns_beyond_disturbances(run, service));
        add("oscillation", oscillation(run, service).into_iter().collect());
        add("starved-scale-in", starved_scale_in(run, service));
    }
    found
}

/// A line for each finding of each variant's first replication.
pub fn paragraphs(variants: &[Vec<&Run>]) -> String {
    let mut text = String::new();
    for run in variants.iter().filter_map(|runs| runs.first()) {
        for finding in findings(run) {
            text += &format!("  {}: {}: {}.\n", run.scenario.variant, finding.service, finding.text);
        }
    }
    if text.is_empty() { text } else { format!("What stands out of the scaling\n{text}") }
}

fn tracking_of(run: &Run, service: Id<ServiceDefinition>) -> impl Iterator<Item = (&ScalingPolicy, &TargetTracking)> {
    let own = move |it: &&ScalingPolicy| {
        it.scalable_target().is_some_and(|it| run.scenario.scalable_targets[it].service == service)
    };
    run.scenario.scaling_policies.iter().filter(own).filter_map(|it| match &it.kind {
        ScalingPolicyKind::TargetTracking(tracking) => Some((it, tracking)),
        _ => None,
    })
}

fn is_cpu_of(watches: &Watched, service: Id<ServiceDefinition>) -> bool {
    matches!(
        watches,
        Watched::Stat(stat) if matches!(stat.metric, Metric::Service(it, ServiceMetric::CpuUtilization, _) if it == service)
    )
}

/// Whether a service's tasks can use no more CPU than they reserve: on Fargate, with a task-level `cpu`, and on Windows.
fn is_cpu_capped(run: &Run, service: Id<ServiceDefinition>) -> bool {
    let definition = &run.scenario.services[service];
    let task_definition = &run.scenario.task_definitions[definition.task_definition];
    let serving = definition.load_balancer.as_ref().map_or(0, |it| it.container);
    task_definition.cpu_cap_of(serving, is_on_fargate(run, service)).is_some()
}

fn is_on_fargate(run: &Run, service: Id<ServiceDefinition>) -> bool {
    let strategy = &run.scenario.services[service].launch.capacity_provider_strategy;
    strategy.iter().any(|it| run.scenario.capacity_providers[it.capacity_provider].fargate().is_some())
}

/// What `CPUUtilization` of a service can come to at the most: its workers are all busy beside whatever else computes in the task,
/// or the CPU is used up, percent.
fn cpu_cap(run: &Run, service: Id<ServiceDefinition>) -> Option<f64> {
    let definition = &run.scenario.services[service];
    let task_definition = &run.scenario.task_definitions[definition.task_definition];
    let serving = definition.load_balancer.as_ref()?.container;
    let application = &task_definition.containers.get(serving)?.application;
    let reserved = f64::from(task_definition.reservation().cpu_units);
    let has_tls =
        definition.load_balancer.as_ref().is_some_and(|it| run.scenario.target_groups[it.target_group].has_tls);
    // As if each request opened a connection: more than this it cannot be.
    let handshake = if has_tls { run.scenario.assumptions.tls_handshake_cpu_time.0 as f64 } else { 0.0 };
    let of_request = (application.cpu_time.mean_nanos() + handshake) / 1e9;
    let serving_units = run.capacity_of_task(service)? * of_request * 1024.0;
    let background: f64 = task_definition.containers.iter().map(|it| it.application.background_cpu_units).sum();
    let wanted = serving_units + background;
    let cap = task_definition.cpu.map_or(f64::INFINITY, f64::from);
    (reserved > 0.0 && wanted > 0.0).then(|| 100.0 * wanted.min(cap) / reserved)
}

fn policies_that_never_fire(run: &Run, service: Id<ServiceDefinition>) -> Vec<String> {
    let Some(cap) = cpu_cap(run, service) else { return Vec::new() };
    let of_cpu = tracking_of(run, service).filter(|(_, it)| is_cpu_of(&it.watches, service));
    let has_fired = |policy: &ScalingPolicy| scale_outs_of(run, service).any(|it| it.policy == policy.name);
    let never = of_cpu.filter(|(policy, it)| cap <= it.target_value + 1e-9 && !has_fired(policy));
    never
        .map(|(policy, it)| {
            format!(
                "policy {} can never scale out: its target is {} % CPU, and with all workers of a task busy it comes to {} % at the \
                 most",
                policy.name,
                it.target_value,
                number(cap, 0)
            )
        })
        .collect()
}

fn scale_outs_of(run: &Run, service: Id<ServiceDefinition>) -> impl Iterator<Item = &ScaleOut> {
    run.service_scale_outs.iter().filter(move |it| it.service == service.index())
}

fn bounded_by_the_cap(run: &Run, service: Id<ServiceDefinition>) -> Vec<String> {
    let mut texts = Vec::new();
    let most = if is_cpu_capped(run, service) { f64::INFINITY } else { AT_CAP_MOST };
    for (policy, tracking) in tracking_of(run, service).filter(|(_, it)| is_cpu_of(&it.watches, service)) {
        let own: Vec<&ScaleOut> = scale_outs_of(run, service).filter(|it| it.policy == policy.name).collect();
        let in_a_row = own.chunk_by(|one, other| {
            let is_capped = |it: &ScaleOut| it.metric.is_some_and(|it| (AT_CAP..=most).contains(&it));
            is_capped(one) && is_capped(other) && one.to <= other.from
        });
        for steps in in_a_row.filter(|it| it.len() > 1) {
            let (first, last) = (steps[0], steps[steps.len() - 1]);
            texts.push(format!(
                "{} scale-outs in a row saw the CPU at its cap, {} to {} tasks in {}: with a target of {} % policy {} adds {} % a \
                 step at the most, however high the load is",
                steps.len(),
                first.from,
                last.to,
                last.decided_at.since(first.decided_at),
                tracking.target_value,
                policy.name,
                number(10_000.0 / tracking.target_value - 100.0, 0)
            ));
        }
    }
    texts
}

fn rows_of(run: &Run, service: Id<ServiceDefinition>) -> Vec<&ServiceMinute> {
    run.service_minutes.iter().filter(|it| it.service == service.index()).collect()
}

/// Arrivals a minute between two instants, in the mean.
fn load_between(rows: &[&ServiceMinute], from: Instant, until: Instant) -> f64 {
    let minutes = from.0 / Span::MINUTE.0..until.0.div_ceil(Span::MINUTE.0);
    let inside: Vec<f64> =
        rows.iter().filter(|it| minutes.contains(&it.minute)).map(|it| it.counts.arrived as f64).collect();
    inside.iter().sum::<f64>() / inside.len().max(1) as f64
}

fn cooldowns_beyond_disturbances(run: &Run, service: Id<ServiceDefinition>) -> Vec<String> {
    let rows = rows_of(run, service);
    let mut texts = Vec::new();
    for (policy, tracking) in tracking_of(run, service) {
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
            if let Some(lasted) = lasted.filter(|it| level > 0.0 && *it < tracking.scale_out_cooldown) {
                count += 1;
                longest = longest.max(lasted);
            }
        }
        if count > 0 {
            texts.push(format!(
                "{} the load was back after {longest} or less, sooner than the cooldown of {} of policy {} was over: capacity came \
                 for what had passed",
                times(count),
                tracking.scale_out_cooldown,
                policy.name
            ));
        }
    }
    texts
}

fn oscillation(run: &Run, service: Id<ServiceDefinition>) -> Option<String> {
    let rows = rows_of(run, service);
    // Where the desired count turns: the minute, and the count there.
    let mut turns: Vec<(u64, u32)> = Vec::new();
    let mut last: Option<(u32, bool)> = None;
    for pair in rows.windows(2) {
        let (before, after) = (pair[0].desired_count, pair[1].desired_count);
        if before == after {
            continue;
        }
        let is_up = after > before;
        if last.is_some_and(|(_, was_up)| was_up != is_up) {
            turns.push((pair[1].minute, before));
        }
        last = Some((after, is_up));
    }
    let (first, end) = (turns.first()?, turns.last()?);
    if turns.len() < TURNS_LEAST {
        return None;
    }
    let inside: Vec<f64> =
        rows.iter().filter(|it| (first.0..end.0).contains(&it.minute)).map(|it| it.counts.arrived as f64).collect();
    let mean = inside.iter().sum::<f64>() / inside.len().max(1) as f64;
    let variance = inside.iter().map(|it| (it - mean) * (it - mean)).sum::<f64>() / inside.len().max(1) as f64;
    if mean > 0.0 && libm::sqrt(variance) / mean > LOAD_VARIES_MOST {
        return None;
    }
    let swings: Vec<f64> = turns.windows(2).map(|it| (f64::from(it[0].1) - f64::from(it[1].1)).abs()).collect();
    let amplitude = swings.iter().sum::<f64>() / swings.len() as f64;
    let period = 2.0 * (end.0 - first.0) as f64 / (turns.len() - 1) as f64;
    let (from, until) = (Instant(first.0 * Span::MINUTE.0), Instant(end.0 * Span::MINUTE.0));
    let started = run.tasks.iter().filter(|it| it.service == Some(service.index()));
    let started = started.filter(|it| it.created_at >= from && it.created_at < until).count();
    let wasted = started.saturating_sub(end.1.saturating_sub(first.1) as usize);
    Some(format!(
        "the desired count swings by {} tasks every {} minutes though the load does not ({} turns); {wasted} tasks were started for it",
        number(amplitude, 1),
        number(period, 0),
        turns.len()
    ))
}

fn starved_scale_in(run: &Run, service: Id<ServiceDefinition>) -> Vec<String> {
    let name = &run.scenario.services[service].name;
    let resource = format!("service/{name}");
    let low_alarm = format!("/{name}-AlarmLow-");
    let end = Instant::START + run.simulated;
    let mut texts: Vec<(Span, String)> = Vec::new();
    let own: Vec<_> = run.scaling_activities.iter().filter(|it| it.resource.ends_with(&resource)).collect();
    let target = run.scenario.scalable_targets.iter().find(|it| it.service == service);
    let least = target.map_or(0, |it| it.min_capacity);
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
            .find(|it| it.at > activity.at && it.from == "ALARM" && it.alarm.contains(&low_alarm));
        let until = over.map_or(next, |it| it.at.min(next));
        let lasted = until.since(activity.at);
        if lasted >= STARVED_LEAST {
            texts.push((lasted, format!("no scale-in for {lasted} from {} on: {reason}", activity.at)));
        }
    }
    texts.sort_by_key(|it| std::cmp::Reverse(it.0));
    texts.into_iter().take(1).map(|it| it.1).collect()
}
