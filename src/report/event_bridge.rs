//! EventBridge: how often each rule and schedule invoked its target, and what came of it.

use serde::Serialize;

use crate::aws::event_bridge::{EcsTarget, Invoker};
use crate::report::comparison::number;
use crate::report::words::{Told, one_or_more, plural};
use crate::run::{EventTotals, Run, TaskLife};
use crate::table::Id;
use crate::units::Instant;

/// A row of `invocations.csv`: one target over one minute.
#[derive(Serialize)]
pub struct InvocationRow<'a> {
    minute: u64,
    target: &'a str,
    invoker: &'static str,
    invocations_count: u64,
    duplicates_count: u64,
    attempts_count: u64,
    retries_count: u64,
    delivered_count: u64,
    failed_invocations_count: u64,
    sent_to_dlq_count: u64,
    tasks_lost_count: u64,
}

/// The header of `invocations.csv`.
pub const INVOCATIONS: &str = "minute target invoker invocations_count duplicates_count attempts_count retries_count \
    delivered_count failed_invocations_count sent_to_dlq_count tasks_lost_count";

/// Rows of `invocations.csv`: minutes in which something happened.
pub fn rows(run: &Run) -> impl Iterator<Item = InvocationRow<'_>> {
    run.run_task_minutes.iter().filter_map(|row| {
        let run_task = &run.scenario.run_tasks[Id::new(row.run_task)];
        let target = run_task.caller.event_bridge()?;
        let events = row.events;
        (events != EventTotals::default()).then(|| InvocationRow {
            minute: row.minute,
            target: &run_task.name,
            invoker: invoker_word(target),
            invocations_count: events.invocations,
            duplicates_count: events.duplicates,
            attempts_count: events.attempts,
            retries_count: events.retries,
            delivered_count: events.delivered,
            failed_invocations_count: events.failed,
            sent_to_dlq_count: events.dead_lettered,
            tasks_lost_count: events.tasks_lost,
        })
    })
}

fn invoker_word(target: &EcsTarget) -> &'static str {
    match target.invoker {
        Invoker::Rule => "rule",
        Invoker::Schedule => "schedule",
    }
}

/// One target over the whole run, for `summary.json`.
#[derive(Serialize)]
pub struct TargetSummary<'a> {
    name: &'a str,
    invoker: &'static str,
    started_by: String,
    #[serde(flatten)]
    events: EventTotals,
    tasks_at_once_maximum: usize,
    /// Tasks that were created while one that was created before them had not ended.
    tasks_begun_during_another: usize,
}

/// Each target over the whole run.
pub fn summaries(run: &Run) -> Vec<TargetSummary<'_>> {
    let each = run.scenario.run_tasks.entries().zip(&run.run_task_totals);
    each.filter_map(|((id, run_task), totals)| {
        let target = run_task.caller.event_bridge()?;
        let tasks: Vec<&TaskLife> = run.tasks.iter().filter(|it| it.run_task == Some(id.index())).collect();
        Some(TargetSummary {
            name: &run_task.name,
            invoker: invoker_word(target),
            started_by: target.invoker.started_by(&target.name),
            events: totals.events,
            tasks_at_once_maximum: tasks_at_once(&tasks),
            tasks_begun_during_another: begun_during_another(&tasks),
        })
    })
    .collect()
}

/// The most of some tasks that were there at one time, from their creation until they stopped.
fn tasks_at_once(tasks: &[&TaskLife]) -> usize {
    let begins = tasks.iter().map(|it| (it.created_at, 1));
    // At one instant ends come first.
    let mut changes: Vec<(Instant, i32)> =
        begins.chain(tasks.iter().filter_map(|it| Some((it.stopped_at?, -1)))).collect();
    changes.sort_unstable();
    let (mut now, mut most) = (0, 0);
    for (_, change) in changes {
        now += change;
        most = most.max(now);
    }
    most as usize
}

/// How many of some tasks, which are in order of creation, were created while an earlier one had not ended; those of one call begin
/// together.
fn begun_during_another(tasks: &[&TaskLife]) -> usize {
    let mut latest_end = Instant::START;
    let mut count = 0;
    for together in tasks.chunk_by(|one, other| one.created_at == other.created_at) {
        if together[0].created_at < latest_end {
            count += together.len();
        }
        let ends = together.iter().map(|it| it.stopped_at.unwrap_or(Instant(u64::MAX)));
        latest_end = ends.fold(latest_end, Instant::max);
    }
    count
}

/// A line for each target of each variant; empty where there is none.
pub fn lines(variants: &[Vec<&Run>]) -> String {
    let mut told = Told::default();
    for run in variants.iter().filter_map(|runs| runs.first()) {
        for it in summaries(run) {
            let events = it.events;
            let count_of = |count: u64| number(count as f64, 0);
            let (invocations, delivered) = (plural(events.invocations, "invocation"), count_of(events.delivered));
            let mut line = format!("{} {}: {invocations}, {delivered} delivered", it.invoker, it.name);
            let (retries, tasks) =
                (one_or_more(events.retries, "retry", "retries"), one_or_more(events.tasks_lost, "task", "tasks"));
            let lost = format!("{tasks} lost though their call was delivered");
            for (count, words) in [
                (events.duplicates, "of them twice"),
                (events.retries, retries),
                (events.failed, "given up and dropped"),
                (events.dead_lettered, "given up and dead-lettered"),
                (events.pending, "pending at the end"),
                (events.tasks_lost, lost.as_str()),
            ] {
                if count > 0 {
                    line += &format!(", {} {words}", count_of(count));
                }
            }
            if it.tasks_begun_during_another > 0 {
                line += &format!(
                    "; {} began while an earlier one went on, up to {} at once",
                    plural(it.tasks_begun_during_another, "task"),
                    count_of(it.tasks_at_once_maximum as u64)
                );
            }
            told.add(&run.scenario.variant, vec![line]);
        }
    }
    told.under("EventBridge (by minute: invocations.csv)")
}
