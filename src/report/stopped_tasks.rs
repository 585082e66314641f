//! Tasks that stopped otherwise than they were meant to, counted by their stop code and reason.

use std::borrow::Cow;

use serde::Serialize;

use crate::aws::stop_cause::StopCause;
use crate::report::words::{Told, sentence};
use crate::run::{Run, TaskLife};
use crate::table::Id;

/// Kinds of ends that are told in the terminal of one variant, the most frequent first.
const TOLD_MAXIMUM: usize = 6;

/// Tasks that stopped alike.
#[derive(Debug, PartialEq, Serialize)]
pub struct StoppedTasks<'a> {
    /// Their service, or the entry of `runTasks` that started them.
    pub launcher: &'a str,
    /// `stopCode`
    pub stop_code: &'a str,
    /// `stoppedReason`, in which `...` stands for the name of the instance.
    pub stopped_reason: Cow<'a, str>,
    /// Exit code of their containers, where they had come so far.
    pub exit_code: Option<u8>,
    /// What made them end, where it is known and ECS does not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// How many.
    pub tasks: u32,
}

/// Tasks with one stop code, reason, exit code and cause.
struct Alike<'a> {
    end: (&'a str, &'a str, Cow<'a, str>, Option<u8>),
    cause: Option<StopCause>,
    tasks: u32,
}

/// Tasks that stopped otherwise than they were meant to, of each service and entry of `runTasks` by their ends, the
/// most frequent first.
pub fn stopped_tasks(run: &Run) -> Vec<StoppedTasks<'_>> {
    let mut alike: Vec<Alike<'_>> = Vec::new();
    for task in run.tasks.iter().filter(|it| it.stopped_at.is_some() && it.has_failed()) {
        let end = (launcher(run, task), task.stop_code.unwrap_or_default(), reason(run, task), task.exit_code);
        let takes_in = |it: &mut &mut Alike<'_>| match (&mut it.cause, &task.stop_cause) {
            (Some(cause), Some(other)) => cause.takes_in(other),
            (cause, other) => cause.is_none() && other.is_none(),
        };
        match alike.iter_mut().filter(|it| it.end == end).find_map(|mut it| takes_in(&mut it).then_some(it)) {
            Some(it) => it.tasks += 1,
            None => alike.push(Alike { end, cause: task.stop_cause.clone(), tasks: 1 }),
        }
    }
    alike.sort_by(|one, other| one.end.cmp(&other.end));
    let mut rows: Vec<StoppedTasks<'_>> = alike
        .into_iter()
        .map(|Alike { end: (launcher, stop_code, stopped_reason, exit_code), cause, tasks }| StoppedTasks {
            launcher,
            stop_code,
            stopped_reason,
            exit_code,
            cause: cause.map(|it| it.words()),
            tasks,
        })
        .collect();
    rows.sort_by_key(|it| std::cmp::Reverse(it.tasks));
    rows
}

/// Why it stopped, in words that tasks of several instances share.
fn reason<'a>(run: &Run, task: &'a TaskLife) -> Cow<'a, str> {
    let reason = task.stopped_reason.as_deref().unwrap_or_default();
    match task.instance.map(|it| &run.instances[it].name) {
        Some(name) if reason.contains(name.as_str()) => Cow::Owned(reason.replace(name.as_str(), "...")),
        _ => Cow::Borrowed(reason),
    }
}

fn launcher<'a>(run: &'a Run, task: &TaskLife) -> &'a str {
    match (task.service, task.run_task) {
        (Some(service), _) => &run.scenario.services[Id::new(service)].name,
        (None, Some(run_task)) => &run.scenario.run_tasks[Id::new(run_task)].name,
        (None, None) => "",
    }
}

/// The lines under the table of a scenario that count ends of tasks; empty without any. Of each variant the first
/// replication is told.
pub fn paragraphs(variants: &[Vec<&Run>]) -> String {
    let mut told = Told::default();
    for run in variants.iter().filter_map(|runs| runs.first()) {
        let variant = &run.scenario.variant;
        let rows = stopped_tasks(run);
        for row in rows.iter().take(TOLD_MAXIMUM) {
            let code = row.exit_code.map_or(String::new(), |it| format!(", exit code {it}"));
            let (tasks, launcher) = (row.tasks, row.launcher);
            // Some of ECS's reasons begin with the code itself.
            let reason = row.stopped_reason.strip_prefix(row.stop_code).and_then(|it| it.strip_prefix(": "));
            let reason = reason.unwrap_or(&row.stopped_reason);
            let line = format!("{tasks} × `{launcher}`: {}: {reason}{code}", row.stop_code);
            told.add(variant, std::iter::once(line).chain(row.cause.as_deref().map(sentence)).collect());
        }
        if rows.len() > TOLD_MAXIMUM {
            let others: u32 = rows[TOLD_MAXIMUM..].iter().map(|it| it.tasks).sum();
            told.add(variant, vec![format!("{others} more in other words")]);
        }
    }
    told.under("Tasks that stopped (each: tasks.csv)")
}
