//! Pipelines: what became of each commit, and when.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::report::words::{Told, plural};
use crate::run::{ExecutionStatus, PipelineExecution, Run, quantile};
use crate::table::Id;
use crate::units::Instant;

/// A row of `pipelines.csv`: one execution.
#[derive(Serialize)]
pub struct PipelineRow<'a> {
    pipeline: &'a str,
    execution: u32,
    status: &'static str,
    reason: &'a str,
    is_bad_commit: bool,
    task_definition: Option<String>,
    committed_s: f64,
    source_ended_s: Option<f64>,
    build_began_s: Option<f64>,
    build_ended_s: Option<f64>,
    pushed_s: Option<f64>,
    deploy_began_s: Option<f64>,
    ended_s: Option<f64>,
}

/// The header of `pipelines.csv`.
pub const PIPELINES: &str = "pipeline execution status reason is_bad_commit task_definition committed_s source_ended_s \
    build_began_s build_ended_s pushed_s deploy_began_s ended_s";

/// Rows of `pipelines.csv`.
pub fn rows(run: &Run) -> impl Iterator<Item = PipelineRow<'_>> {
    let seconds = |at: Option<Instant>| at.map(|it| it.as_seconds());
    run.pipeline_executions.iter().map(move |it| PipelineRow {
        pipeline: &run.scenario.pipelines[Id::new(it.pipeline)].name,
        execution: it.execution,
        status: it.status.as_str(),
        reason: &it.reason,
        is_bad_commit: it.is_bad,
        task_definition: it.task_definition.map(|it| run.scenario.task_definitions[Id::new(it)].name()),
        committed_s: it.committed_at.as_seconds(),
        source_ended_s: seconds(it.source_ended_at),
        build_began_s: seconds(it.build_began_at),
        build_ended_s: seconds(it.build_ended_at),
        pushed_s: seconds(it.pushed_at),
        deploy_began_s: seconds(it.deploy_began_at),
        ended_s: seconds(it.ended_at),
    })
}

/// A pipeline over the whole run, for `summary.json`.
#[derive(Serialize)]
pub struct PipelineSummary<'a> {
    name: &'a str,
    commits: usize,
    /// Executions by what became of them.
    executions: BTreeMap<&'static str, usize>,
    /// Executions that failed, by why.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    failed: BTreeMap<&'a str, usize>,
    /// From the commit to the end of those that succeeded, seconds: half of them took no longer.
    commit_to_deployed_p50_s: Option<f64>,
    /// The longest of these.
    commit_to_deployed_longest_s: Option<f64>,
    /// Executions that succeeded after one with a later commit, which they undid.
    deployed_out_of_order: usize,
}

/// Each pipeline over the whole run.
pub fn summaries(run: &Run) -> Vec<PipelineSummary<'_>> {
    let each = run.scenario.pipelines.entries();
    each.map(|(id, pipeline)| {
        let executions: Vec<&PipelineExecution> =
            run.pipeline_executions.iter().filter(|it| it.pipeline == id.index()).collect();
        let mut by_status: BTreeMap<&'static str, usize> = BTreeMap::new();
        executions.iter().for_each(|it| *by_status.entry(it.status.as_str()).or_default() += 1);
        let mut failed: BTreeMap<&str, usize> = BTreeMap::new();
        for it in executions.iter().filter(|it| it.status == ExecutionStatus::Failed) {
            *failed.entry(it.reason.as_str()).or_default() += 1;
        }
        let succeeded = || executions.iter().filter(|it| it.status == ExecutionStatus::Succeeded);
        let mut times: Vec<f64> =
            succeeded().filter_map(|it| Some(it.ended_at?.since(it.committed_at).as_seconds())).collect();
        times.sort_by(f64::total_cmp);
        let updates = || executions.iter().filter_map(|it| Some((it.deploy_began_at?, it.execution)));
        let is_late = |one: &(Instant, u32)| updates().any(|other| other.1 > one.1 && other.0 < one.0);
        PipelineSummary {
            name: &pipeline.name,
            commits: executions.len(),
            executions: by_status,
            failed,
            commit_to_deployed_p50_s: quantile(&times, 0.5),
            commit_to_deployed_longest_s: quantile(&times, 1.0),
            deployed_out_of_order: updates().filter(is_late).count(),
        }
    })
    .collect()
}

/// A line for each pipeline of each variant; empty where there is none.
pub fn lines(variants: &[Vec<&Run>]) -> String {
    let mut told = Told::default();
    for run in variants.iter().filter_map(|runs| runs.first()) {
        for it in summaries(run) {
            let states: Vec<String> = it.executions.iter().map(|(state, count)| format!("{count} {state}")).collect();
            let minutes = |seconds: f64| format!("{:.1} min", seconds / 60.0);
            let mut line = format!("pipeline {}: {}, {}", it.name, plural(it.commits, "commit"), states.join(", "));
            if let (Some(half), Some(longest)) = (it.commit_to_deployed_p50_s, it.commit_to_deployed_longest_s) {
                line += &format!("; deployed {} after the commit, {} at the most", minutes(half), minutes(longest));
            }
            if it.deployed_out_of_order > 0 {
                line += &format!("; {} deployed over a later commit", it.deployed_out_of_order);
            }
            for (reason, executions) in it.failed {
                line += &format!("; {executions} failed: {reason}");
            }
            told.add(&run.scenario.variant, vec![line]);
        }
    }
    told.under("Pipelines (each execution: pipelines.csv)")
}
