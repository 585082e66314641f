//! Why capacity is as it is: what managed scaling saw and decided, and what each instance was there for.

use plotters::prelude::RGBColor;
use serde::Serialize;

use crate::aws::scaling_policy::{ScalingPolicy, ScalingTarget};
use crate::report::chart::{Line, PALETTE, Panel, Stroke, tint};
use crate::report::comparison::number;
use crate::report::costs::a_month;
use crate::report::words::{Told, plural};
use crate::run::{AliveReason, InstanceReason, ManagedScalingMinute, Run};
use crate::table::Id;
use crate::units::{Instant, Span};

/// Columns of `managed_scaling.csv`.
pub(super) const MANAGED_SCALING: &str = "minute capacity_provider m_count n_count used_count waiting_count never_grown_for_count \
    deciding deciding_count tasks_per_instance needed_instances_count reservation_percent target_percent high_alarm low_alarm \
    below_target_count desired_capacity decision_s decision";

/// Columns of `instance_reasons.csv`.
pub(super) const INSTANCE_REASONS: &str = "instance auto_scaling_group from_s until_s reason detail cost_usd";

/// A row of `managed_scaling.csv`.
#[derive(Serialize)]
pub(super) struct ManagedScalingRow<'a> {
    minute: u64,
    capacity_provider: &'a str,
    m_count: u32,
    n_count: u32,
    used_count: u32,
    waiting_count: u32,
    never_grown_for_count: u32,
    deciding: Option<String>,
    deciding_count: Option<u32>,
    tasks_per_instance: Option<u32>,
    needed_instances_count: Option<u32>,
    reservation_percent: f64,
    target_percent: u32,
    high_alarm: &'static str,
    low_alarm: &'static str,
    below_target_count: u32,
    desired_capacity: u32,
    decision_s: Option<f64>,
    decision: String,
}

/// The rows of `managed_scaling.csv`.
pub(super) fn managed_scaling_rows(run: &Run) -> impl Iterator<Item = ManagedScalingRow<'_>> {
    run.managed_scaling_minutes.iter().map(|row| {
        let deciding = row.deciding.as_ref();
        let decisions: Vec<&str> = row.decisions.iter().map(|it| it.1.as_str()).collect();
        ManagedScalingRow {
            minute: row.minute,
            capacity_provider: name_of(run, row),
            m_count: row.measured.needed,
            n_count: row.measured.present,
            used_count: row.measured.used,
            waiting_count: row.waiting,
            never_grown_for_count: row.never_grown_for,
            deciding: deciding_words(run, row),
            deciding_count: deciding.map(|it| it.count),
            tasks_per_instance: deciding.map(|it| it.tasks_per_instance),
            needed_instances_count: deciding.map(|it| it.instances),
            reservation_percent: row.measured.percent,
            target_percent: row.target_capacity,
            high_alarm: row.high_alarm.as_str(),
            low_alarm: row.low_alarm.as_str(),
            below_target_count: row.below_target,
            desired_capacity: row.desired_capacity,
            decision_s: row.decisions.first().map(|it| it.0.as_seconds()),
            decision: decisions.join("; "),
        }
    })
}

fn name_of<'a>(run: &'a Run, row: &ManagedScalingMinute) -> &'a str {
    &run.scenario.capacity_providers[Id::new(row.capacity_provider)].name
}

fn deciding_words(run: &Run, row: &ManagedScalingMinute) -> Option<String> {
    let it = row.deciding.as_ref()?;
    let whose = run.scenario.launcher_words(it.launcher);
    Some(format!("{whose}: {} CPU units, {} MiB", it.cpu_units, it.memory_mib))
}

/// What M follows from.
fn because(run: &Run, row: &ManagedScalingMinute) -> String {
    match &row.deciding {
        Some(it) => {
            let (tasks, need) = if it.count == 1 { ("task", "needs") } else { ("tasks", "need") };
            format!(
                "{} waiting {tasks} of {} ({} CPU units, {} MiB), {} to an instance, {need} {} more",
                it.count,
                run.scenario.launcher_words(it.launcher),
                it.cpu_units,
                it.memory_mib,
                it.tasks_per_instance,
                it.instances
            )
        }
        None => "instances with tasks".to_owned(),
    }
}

/// The arithmetic of one minute: what was measured, and what came of it.
pub fn explained(run: &Run, row: &ManagedScalingMinute) -> String {
    let measured = &row.measured;
    let because = because(run, row);
    let never = match row.never_grown_for {
        0 => String::new(),
        count => format!("; {count} waiting tasks that it never grows for"),
    };
    let decided = match row.decisions.as_slice() {
        [] => String::new(),
        decisions => format!("; {}", decisions.iter().map(|it| it.1.as_str()).collect::<Vec<_>>().join("; ")),
    };
    let low_alarm_wants = run.scenario.assumptions.capacity_alarm_low_datapoints;
    format!(
        "M = {} ({because}), N = {}, reservation {} against {}{never}; low alarm {} of {low_alarm_wants}{decided}",
        measured.needed,
        measured.present,
        number(measured.percent, 0),
        row.target_capacity,
        row.below_target.min(low_alarm_wants)
    )
}

/// What alarms, policies, schedules and groups decided, or why they did not, in order of time.
pub fn decisions(run: &Run) -> Vec<String> {
    let is_of_scaling = |kind: &str| {
        ["alarm.", "scaling.", "group.desired_capacity", "group.launch_failed", "capacity_provider."]
            .iter()
            .any(|it| kind.starts_with(it))
    };
    let rows = run.events.iter().filter(|it| is_of_scaling(it.kind));
    rows.map(|it| format!("{} {}: {}", it.at, it.resource, it.message)).collect()
}

/// What managed scaling saw and decided in each minute with a decision of another kind than in the one before, a line each.
pub fn managed_scaling_lines(run: &Run) -> Vec<String> {
    let mut lines = Vec::new();
    for (id, provider) in run.scenario.capacity_providers.entries() {
        let mut last = String::new();
        for row in run.managed_scaling_minutes.iter().filter(|row| row.capacity_provider == id.index()) {
            let Some((at, decision)) = row.decisions.first() else { continue };
            // What is in brackets changes every minute.
            let kind = decision.split('(').next().unwrap_or_default();
            if kind != last {
                lines.push(format!("{at} {}: {}", provider.name, explained(run, row)));
            }
            kind.clone_into(&mut last);
        }
    }
    lines
}

/// What one reason came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReasonTotal {
    /// The reason, as columns name it.
    pub reason: &'static str,
    /// Instance-hours.
    pub instance_hours: f64,
    /// USD, as EC2 bills each instance by the time.
    pub cost_usd: f64,
}

/// What instances were there for, over the run, in the order of [`AliveReason::ALL`].
pub fn reason_totals(run: &Run) -> Vec<(AliveReason, ReasonTotal)> {
    let totals = AliveReason::ALL.map(|reason| {
        let rows = || run.instance_reasons.iter().filter(|row| row.reason == reason);
        let total = ReasonTotal {
            reason: reason.as_str(),
            instance_hours: rows().map(|row| row.until.since(row.from)).fold(Span::ZERO, |a, b| a + b).as_hours(),
            cost_usd: rows().map(|row| cost_usd(run, row)).sum(),
        };
        (reason, total)
    });
    totals.into_iter().filter(|it| it.1.instance_hours > 0.0).collect()
}

/// What an instance cost while it was there for a reason: its part of what EC2 bills.
fn cost_usd(run: &Run, row: &InstanceReason) -> f64 {
    run.instances[row.instance].bills.iter().map(|it| it.usd_within(row.from, row.until)).sum()
}

/// A row of `instance_reasons.csv`.
#[derive(Serialize)]
pub(super) struct InstanceReasonRow<'a> {
    instance: &'a str,
    auto_scaling_group: &'a str,
    from_s: f64,
    until_s: f64,
    reason: &'static str,
    detail: &'a str,
    cost_usd: f64,
}

/// The rows of `instance_reasons.csv`.
pub(super) fn instance_reason_rows(run: &Run) -> impl Iterator<Item = InstanceReasonRow<'_>> {
    run.instance_reasons.iter().map(|row| InstanceReasonRow {
        instance: &run.instances[row.instance].name,
        auto_scaling_group: &run.instances[row.instance].auto_scaling_group,
        from_s: row.from.as_seconds(),
        until_s: row.until.as_seconds(),
        reason: row.reason.as_str(),
        detail: &row.detail,
        cost_usd: cost_usd(run, row),
    })
}

/// A decision of managed scaling, with the minute that it follows from and when it was.
type Decided<'r> = (&'r ManagedScalingMinute, Instant, &'r str);

/// By which figures managed scaling first let each group grow and first let it shrink, and how often it had to wait. Variants of which
/// the same is told share a paragraph.
pub fn managed_scaling_paragraphs(variants: &[Vec<&Run>]) -> String {
    let mut told = Told::default();
    for run in variants.iter().filter_map(|runs| runs.first()) {
        for (id, provider) in run.scenario.capacity_providers.entries() {
            let own = run.managed_scaling_minutes.iter().filter(|row| row.capacity_provider == id.index());
            let decided: Vec<Decided<'_>> =
                own.flat_map(|row| row.decisions.iter().map(move |it| (row, it.0, it.1.as_str()))).collect();
            let (out, back): (Vec<&Decided<'_>>, Vec<&Decided<'_>>) =
                decided.iter().filter(|it| it.2.starts_with("desired ")).partition(|it| is_growth(it.0));
            let mut parts = Vec::new();
            for changes in [&out, &back] {
                parts.extend(changes.first().map(|it| change_words(run, **it)));
            }
            if parts.is_empty() {
                continue;
            }
            let more = (out.len() + back.len()) as u32 - parts.len() as u32;
            if more > 0 {
                parts.push(plural(more, "more change"));
            }
            let warm_ups = decided.iter().filter(|it| it.2.contains("an instance warms up")).count();
            if warm_ups > 0 {
                parts.push(format!("{} waited for an instance to warm up", plural(warm_ups as u32, "scale-out")));
            }
            told.add(&run.scenario.variant, vec![format!("{} {}.", provider.name, parts.join("; "))]);
        }
    }
    told.under("How managed scaling sized its groups (each minute: managed_scaling.csv and .svg, `plimsoll explain`)")
}

fn is_growth(row: &ManagedScalingMinute) -> bool {
    row.measured.percent > f64::from(row.target_capacity)
}

/// A change of a group's desired capacity, with what it follows from.
fn change_words(run: &Run, (row, at, decision): Decided<'_>) -> String {
    let sizes = decision.trim_start_matches("desired ").split(" (").next().unwrap_or_default();
    let (alarm, wanted) = match is_growth(row) {
        true => ("high", run.scenario.assumptions.capacity_alarm_high_datapoints),
        false => ("low", run.scenario.assumptions.capacity_alarm_low_datapoints),
    };
    let because = match &row.deciding {
        Some(it) => {
            let (tasks, wait) = (plural(it.count, "task"), if it.count == 1 { "waits" } else { "wait" });
            format!(
                "{tasks} of {} {wait}, {} to an instance",
                run.scenario.launcher_words(it.launcher),
                it.tasks_per_instance
            )
        }
        None => "those with tasks".to_owned(),
    };
    let from_nothing = match row.measured.present == 0 && is_growth(row) {
        true => " whatever is needed, as N = 0",
        false => "",
    };
    format!(
        "{sizes} at {at}: M = {} ({because}), N = {}, reservation {}{from_nothing}, target {}, {alarm} alarm {wanted} of {wanted}",
        row.measured.needed,
        row.measured.present,
        number(row.measured.percent, 0),
        row.target_capacity
    )
}

/// Whether something scales a group of the run.
pub fn scales_groups(run: &Run) -> bool {
    let is_of_group = |it: &ScalingPolicy| matches!(it.target, ScalingTarget::Group(_));
    !run.managed_scaling_minutes.is_empty() || run.scenario.scaling_policies.iter().any(is_of_group)
}

/// A line for each variant that has a group which is scaled: what its instances were there for, and what that costs a month.
pub fn paragraphs(variants: &[Vec<&Run>]) -> String {
    let mut told = Told::default();
    for run in variants.iter().filter_map(|runs| runs.first()) {
        if !scales_groups(run) {
            continue;
        }
        let totals = reason_totals(run);
        let all: f64 = totals.iter().map(|it| it.1.instance_hours).sum();
        let mut parts: Vec<String> = Vec::new();
        for (reason, total) in &totals {
            let percent = 100.0 * total.instance_hours / all;
            if percent >= 0.5 {
                parts.push(format!(
                    "{} % {} ($ {}, {} a month)",
                    number(percent, 0),
                    words_of(*reason),
                    number(total.cost_usd, 2),
                    number(a_month(run, total.cost_usd), 0)
                ));
            }
        }
        let line = format!("of {} instance-hours {}.", number(all, 1), parts.join(", "));
        told.add(&run.scenario.variant, vec![line]);
    }
    told.under("What instances were there for (each by the minute: instance_reasons.csv)")
}

/// Why each instance was there, a line each: its reasons one after the other, and what each cost.
pub fn instance_lines(run: &Run) -> Vec<String> {
    let mut lines: Vec<String> =
        run.instances.iter().map(|it| format!("{} of {}", it.name, it.auto_scaling_group)).collect();
    let mut are_told = vec![false; lines.len()];
    for row in &run.instance_reasons {
        let detail = if row.detail.is_empty() { String::new() } else { format!("{}, ", row.detail) };
        let between = if are_told[row.instance] { ';' } else { ':' };
        are_told[row.instance] = true;
        lines[row.instance] += &format!(
            "{between} {} to {} {} ({detail}$ {})",
            row.from,
            row.until,
            row.reason.as_str(),
            number(cost_usd(run, row), 3)
        );
    }
    let told = lines.into_iter().zip(are_told).filter(|it| it.1);
    told.map(|it| it.0).collect()
}

/// Three panels for each capacity provider with managed scaling: its metric, the instances behind it, and the tasks that wait.
pub(super) fn managed_scaling(run: &Run) -> Vec<Panel> {
    let mut panels = Vec::new();
    for (id, provider) in run.scenario.capacity_providers.entries() {
        let rows: Vec<&ManagedScalingMinute> =
            run.managed_scaling_minutes.iter().filter(|row| row.capacity_provider == id.index()).collect();
        if rows.is_empty() {
            continue;
        }
        let line = |name: &str, colour: usize, stroke, of: fn(&ManagedScalingMinute) -> f64| Line {
            name: name.to_owned(),
            colour: PALETTE[colour],
            stroke,
            points: rows.iter().map(|row| (row.minute as f64 * 60.0 + 60.0, Some(of(row)))).collect(),
        };
        let panel = |unit: &str, lines| Panel {
            title: provider.name.clone(),
            unit: unit.to_owned(),
            lines,
            is_logarithmic: false,
            top_at_least: 1.0,
            when_empty: "",
        };
        panels.push(panel(
            "CapacityProviderReservation",
            vec![
                line("reservation", 0, Stroke::Step, |row| row.measured.percent),
                line("targetCapacity", 1, Stroke::Dashed, |row| f64::from(row.target_capacity)),
            ],
        ));
        panels.push(panel(
            "instances",
            vec![
                line("N, in service", 4, Stroke::Area, |row| f64::from(row.measured.present)),
                line("M, needed", 1, Stroke::Step, |row| f64::from(row.measured.needed)),
                line("desired capacity", 0, Stroke::Step, |row| f64::from(row.desired_capacity)),
            ],
        ));
        let waiting = line("tasks that wait", 3, Stroke::Area, |row| f64::from(row.waiting));
        panels.push(panel("tasks in PROVISIONING", vec![waiting]));
    }
    panels
}

/// A reason in words, after "instances".
fn words_of(reason: AliveReason) -> &'static str {
    match reason {
        AliveReason::Tasks => "with tasks",
        AliveReason::ThinlySpreadTasks => "with tasks that fewer instances would hold",
        AliveReason::Boots => "that boot",
        AliveReason::AwaitsTasks => "empty for tasks that wait",
        AliveReason::ProtectedByTasks => "too many, kept by managed termination protection for their tasks",
        AliveReason::ScaleInProtection => "too many, protected from scale-in",
        AliveReason::Drains => "that drain",
        AliveReason::MinSize => "empty at MinSize",
        AliveReason::TargetCapacity => "empty for targetCapacity below 100",
        AliveReason::LowAlarm => "empty until the low alarm has its datapoints",
        AliveReason::ScaleInPace => "empty, since scale-in takes less than half a minute",
        AliveReason::GroupPolicies => "empty, and the group's policies do not scale in",
        AliveReason::NoScaleIn => "empty, and nothing scales them in",
        AliveReason::Terminates => "about to be terminated",
        AliveReason::Deregistered => "that are not in the cluster",
        AliveReason::WarmPool => "in the warm pool",
        AliveReason::LifecycleHook => "that wait for lifecycle hooks",
        AliveReason::Standby => "in standby",
    }
}

/// Greens for what works, blues for what waits by a rule, and warm colours for what is kept.
fn colour_of(reason: AliveReason) -> RGBColor {
    let (colour, strength) = match reason {
        AliveReason::Tasks => (2, 1.0),
        AliveReason::ThinlySpreadTasks => (2, 0.45),
        AliveReason::Boots => (7, 1.0),
        AliveReason::AwaitsTasks => (7, 0.5),
        AliveReason::ProtectedByTasks => (3, 1.0),
        AliveReason::ScaleInProtection => (3, 0.45),
        AliveReason::Drains => (5, 1.0),
        AliveReason::MinSize => (6, 1.0),
        AliveReason::TargetCapacity => (4, 1.0),
        AliveReason::LowAlarm => (0, 1.0),
        AliveReason::ScaleInPace => (0, 0.45),
        AliveReason::GroupPolicies => (0, 0.7),
        AliveReason::NoScaleIn => (1, 1.0),
        AliveReason::Terminates => (1, 0.45),
        AliveReason::Deregistered => (6, 0.45),
        AliveReason::WarmPool => (5, 0.45),
        AliveReason::LifecycleHook => (7, 0.25),
        AliveReason::Standby => (6, 0.25),
    };
    tint(PALETTE[colour], strength)
}

/// A panel for each group: how many instances were there for which reason.
pub(super) fn instance_reasons(run: &Run) -> Vec<Panel> {
    let minutes = run.simulated.0.div_ceil(Span::MINUTE.0);
    let panels = run.scenario.auto_scaling_groups.iter().map(|group| {
        let mut counts = vec![[0u32; AliveReason::ALL.len()]; minutes as usize];
        let own =
            run.instance_reasons.iter().filter(|row| run.instances[row.instance].auto_scaling_group == group.name);
        for row in own {
            let place = AliveReason::ALL.iter().position(|it| *it == row.reason).expect("all reasons are listed");
            let of = |at: Instant| (at.0.div_ceil(Span::MINUTE.0)).min(minutes) as usize;
            for minute in &mut counts[of(row.from)..of(row.until)] {
                minute[place] += 1;
            }
        }
        let lines = AliveReason::ALL.iter().enumerate().map(|(place, reason)| Line {
            name: reason.as_str().to_owned(),
            colour: colour_of(*reason),
            stroke: Stroke::Area,
            points: counts
                .iter()
                .enumerate()
                .map(|(minute, counts)| (minute as f64 * 60.0 + 30.0, Some(f64::from(counts[place]))))
                .collect(),
        });
        Panel {
            title: group.name.clone(),
            unit: "instances".to_owned(),
            lines: lines.filter(|line| line.points.iter().any(|(_, value)| *value > Some(0.0))).collect(),
            is_logarithmic: false,
            top_at_least: 1.0,
            when_empty: "no instances",
        }
    });
    panels.take(6).collect()
}
