//! Calls that AWS refused or throttled, so that what they were to do was not done, or later.

use serde::Serialize;

use crate::report::words::{Told, at_or_between, plural, times};
use crate::run::{CalledBy, FailedCalls, Run};

/// Kinds of failed calls that are told in the terminal of one variant, in order of the first.
const TOLD_MAXIMUM: usize = 8;

/// Calls of one action by one kind of caller that came to the same error, for `summary.json`.
#[derive(Serialize)]
pub struct FailedCallsSummary<'a> {
    action: &'a str,
    called_by: &'static str,
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
        called_by: it.called_by.as_str(),
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
    let mut told = Told::default();
    for run in variants.iter().filter_map(|runs| runs.first()) {
        let variant = &run.scenario.variant;
        for it in run.failed_calls.iter().take(TOLD_MAXIMUM) {
            told.add(variant, vec![words(it)]);
        }
        if let Some(more) = run.failed_calls.len().checked_sub(TOLD_MAXIMUM).filter(|it| *it > 0) {
            told.add(variant, vec![format!("and calls with {} more", plural(more, "error"))]);
        }
    }
    told.under("Calls that were refused or throttled (each: events.csv)")
}

fn words(it: &FailedCalls) -> String {
    let first = it.targets.first().map_or("", |it| it.as_str());
    let others = match it.targets.len() {
        0 | 1 => String::new(),
        several => format!(" (and {})", plural(several - 1, "other")),
    };
    let error = it.error.trim_end_matches('.');
    let (action, first_at, last_at) = (it.action, it.first_at, it.last_at);
    let by = match it.called_by {
        CalledBy::Account => "",
        CalledBy::ApplicationAutoScaling => " by Application Auto Scaling",
        CalledBy::Pipeline => " by a pipeline",
    };
    if !it.is_throttled() {
        return match it.attempts {
            1 => format!("{action}{by} for {first} was refused at {first_at}: {error}."),
            attempts => {
                let refused = times(attempts);
                let when = at_or_between(first_at, last_at);
                format!("{action}{by} for {first}{others} was refused {refused}, {when}: {error}.")
            }
        };
    }
    let in_the_end = match (it.called_by, it.given_up) {
        (CalledBy::Account, 0) => "all were made again".to_owned(),
        (CalledBy::Account, 1) => "1 call was given up, and nothing came of it".to_owned(),
        (CalledBy::Account, calls) => format!("{calls} calls were given up, and nothing came of them"),
        (CalledBy::ApplicationAutoScaling, _) => {
            "all were made again until they were answered or a newer one took their place".to_owned()
        }
        (CalledBy::Pipeline, _) => "all were made again until they were answered".to_owned(),
    };
    let when = format!("{} {}", plural(it.attempts, "attempt"), at_or_between(first_at, last_at));
    format!(
        "{action}{by} for {first}{others} was throttled, {when}, and {in_the_end}: {error}. \
         `serviceModifyBurst` and `serviceModifyCallsPerSecond` of `assumptions` say how many calls there may be."
    )
}
