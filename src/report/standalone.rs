//! Standalone tasks: what was asked of `RunTask`, what came of it, and how long it waited.

use serde::Serialize;

use crate::report::chart::{Line, PALETTE, Panel, Stroke};
use crate::run::{Run, RunTaskMinute, TaskLife, quantile};
use crate::table::Id;

/// A row of `run_tasks.csv`.
#[derive(Serialize)]
pub struct RunTaskRow<'a> {
    minute: u64,
    run_task: &'a str,
    asked_count: u64,
    failed_count: u64,
    provisioning_count: u32,
    running_count: u32,
    failed_calls_count: u64,
    throttled_count: u64,
    queued_count: u32,
}

/// The header of `run_tasks.csv`.
pub const RUN_TASKS: &str = "minute run_task asked_count failed_count provisioning_count running_count failed_calls_count \
    throttled_count queued_count";

/// What has become of one entry of `runTasks`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Standalone<'a> {
    /// Its name.
    pub name: &'a str,
    /// Tasks asked for.
    pub asked: u64,
    /// Tasks that were placed.
    pub placed: u64,
    /// Tasks that were not started, by the call's reason.
    pub failures: &'a std::collections::BTreeMap<&'static str, u64>,
    /// Tasks that were given up in PROVISIONING.
    pub timed_out: u64,
    /// Half of the placed tasks waited for an instance for no longer; seconds.
    pub wait_p50_s: Option<f64>,
    /// 99 of a hundred did; seconds.
    pub wait_p99_s: Option<f64>,
}

/// What has become of each entry of `runTasks`.
pub fn standalone(run: &Run) -> Vec<Standalone<'_>> {
    let of = |number: usize| run.tasks.iter().filter(move |it| it.run_task == Some(number));
    let each = run.scenario.run_tasks.iter().zip(&run.run_task_totals).enumerate();
    each.map(|(number, (run_task, totals))| {
        let waits = waits_of(of(number));
        Standalone {
            name: &run_task.name,
            asked: totals.asked,
            placed: waits.len() as u64,
            failures: &totals.failures,
            timed_out: of(number).filter(|it| it.was_given_up()).count() as u64,
            wait_p50_s: quantile(&waits, 0.5),
            wait_p99_s: quantile(&waits, 0.99),
        }
    })
    .collect()
}

/// All standalone tasks of a run together.
pub struct AllStandalone {
    /// Asked for.
    pub asked: u64,
    /// Not started, or given up in PROVISIONING.
    pub refused: u64,
    /// vCPUs that these would have reserved.
    pub refused_vcpus: f64,
}

/// All standalone tasks of a run together; `None` where none was asked for.
pub fn all_standalone(run: &Run) -> Option<AllStandalone> {
    let all = || run.tasks.iter().filter(|it| it.run_task.is_some());
    let given_up = || all().filter(|it| it.was_given_up());
    let totals = || run.run_task_totals.iter();
    let asked = totals().map(|it| it.asked).sum();
    let cpu_units =
        totals().map(|it| it.failed_cpu_units).sum::<u64>() + given_up().map(|it| u64::from(it.cpu_units)).sum::<u64>();
    (asked > 0).then(|| AllStandalone {
        asked,
        refused: totals().map(|it| it.failed()).sum::<u64>() + given_up().count() as u64,
        refused_vcpus: cpu_units as f64 / 1024.0,
    })
}

/// How long tasks waited for an instance, seconds, in order.
fn waits_of<'a>(tasks: impl Iterator<Item = &'a TaskLife>) -> Vec<f64> {
    let mut waits: Vec<f64> = tasks.filter_map(|it| Some(it.placed_at?.since(it.created_at).as_seconds())).collect();
    waits.sort_by(f64::total_cmp);
    waits
}

/// Rows of `run_tasks.csv`.
pub fn rows(run: &Run) -> impl Iterator<Item = RunTaskRow<'_>> {
    run.run_task_minutes.iter().map(|row| RunTaskRow {
        minute: row.minute,
        run_task: &run.scenario.run_tasks[Id::new(row.run_task)].name,
        asked_count: row.asked,
        failed_count: row.failed,
        provisioning_count: row.provisioning,
        running_count: row.running,
        failed_calls_count: row.failed_calls,
        throttled_count: row.throttled,
        queued_count: row.queued,
    })
}

/// A panel for each entry of `runTasks`.
pub fn panels(run: &Run) -> Vec<Panel> {
    let each = run.scenario.run_tasks.iter().enumerate();
    each.map(|(number, run_task)| {
        let rows: Vec<&RunTaskMinute> = run.run_task_minutes.iter().filter(|it| it.run_task == number).collect();
        let line = |name: &str, colour: usize, stroke: Stroke, of: fn(&RunTaskMinute) -> u64| {
            let points = rows.iter().map(|it| (it.minute as f64 * 60.0 + 60.0, Some(of(it) as f64))).collect();
            Line { name: name.to_owned(), colour: PALETTE[colour], stroke, points }
        };
        let mut lines = vec![
            line("running", 0, Stroke::Area, |it| u64::from(it.running)),
            line("in PROVISIONING", 5, Stroke::Area, |it| u64::from(it.provisioning)),
            line("failed in the minute", 3, Stroke::Plain, |it| it.failed),
        ];
        if rows.iter().any(|it| it.queued > 0) {
            lines.push(line("in its scheduler's queue", 4, Stroke::Plain, |it| u64::from(it.queued)));
        }
        Panel {
            title: run_task.name.clone(),
            unit: "tasks".to_owned(),
            lines,
            is_logarithmic: false,
            top_at_least: 1.0,
            when_empty: "no tasks",
        }
    })
    .collect()
}
