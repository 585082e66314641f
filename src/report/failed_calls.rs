//! Calls that AWS refused or throttled, so that what they were to do was not done, or later.

use serde::Serialize;

use crate::report::words::{plural, wrap};
use crate::run::{FailedCalls, Run};

/// Kinds of failed calls that are told in the terminal of one variant, in order of the first.
const TOLD_MAXIMUM: usize = 8;

/// Calls of one action that came to the same error, for `summary.json`.
#[derive(Serialize)]
pub struct FailedCallsSummary<'a> {
    action: &'a str,
    error: &'a str,
    /// What they were made for.
    targets: &'a [String],
    attempts: u64,
    /// Of these, those that nobody made again.
    given_up: u64,
    first_s: f64,
    last_s: f64,
}

/// What calls failed for, in order of the first.
pub fn summaries(run: &Run) -> Vec<FailedCallsSummary<'_>> {
    let each = run.failed_calls.iter().map(|it| FailedCallsSummary {
        action: it.action,
        error: &it.error,
        targets: &it.targets,
        attempts: it.attempts,
        given_up: it.given_up,
        first_s: it.first_at.as_seconds(),
        last_s: it.last_at.as_seconds(),
    });
    each.collect()
}

/// The lines under the table of a scenario that tell of failed calls; empty without any. Of each variant the first replication is told.
pub fn paragraphs(variants: &[Vec<&Run>]) -> String {
    let mut text = String::new();
    for run in variants.iter().filter_map(|runs| runs.first()) {
        let variant = &run.scenario.variant;
        for it in run.failed_calls.iter().take(TOLD_MAXIMUM) {
            wrap(&mut text, &format!("{variant}: {}", words(it)), 2);
        }
        if let Some(more) = run.failed_calls.len().checked_sub(TOLD_MAXIMUM).filter(|it| *it > 0) {
            wrap(&mut text, &format!("{variant}: and calls with {} more", plural(more, "error")), 2);
        }
    }
    if text.is_empty() { text } else { format!("Calls that were refused or throttled (each: events.csv)\n{text}") }
}

fn words(it: &FailedCalls) -> String {
    let first = it.targets.first().map_or("", |it| it.as_str());
    let others = match it.targets.len() {
        0 | 1 => String::new(),
        several => format!(" (and {})", plural(several - 1, "other")),
    };
    let error = it.error.trim_end_matches('.');
    let (action, first_at, last_at) = (it.action, it.first_at, it.last_at);
    match (it.is_throttled(), it.attempts) {
        (false, 1) => format!("{action} for {first} was refused at {first_at}: {error}."),
        (false, attempts) => {
            format!("{action} for {first}{others} was refused {attempts} times, from {first_at} to {last_at}: {error}.")
        }
        (true, attempts) => {
            let in_the_end = match it.given_up {
                0 => "all were made again".to_owned(),
                1 => "1 call was given up, and nothing came of it".to_owned(),
                calls => format!("{calls} calls were given up, and nothing came of them"),
            };
            let attempts = plural(attempts, "attempt");
            format!(
                "{action} for {first}{others} was throttled, {attempts} from {first_at} to {last_at}, and {in_the_end}: {error}. \
                 `serviceModifyBurst` and `serviceModifyCallsPerSecond` of `assumptions` say how many calls there may be."
            )
        }
    }
}
