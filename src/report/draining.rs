//! Container instances that drain: which tasks keep them, and what these wait for.

use serde::Serialize;

use crate::aws::launch::Launcher;
use crate::report::refusals::amount;
use crate::report::words::{Told, in_seconds, one_or_more, plural};
use crate::run::{DrainHold, DrainReason, Run, task_name};
use crate::units::{Instant, Span};

/// An instance that drains for no longer is not told of: that is what tasks take to be replaced and to stop.
const TOLD_FROM: Span = Span::seconds(600);
/// Kinds of what keeps instances that are told of one variant, and tasks and instances that are named of each.
const TOLD_MOST: usize = 4;
const NAMED_MOST: usize = 3;

/// What kept draining instances for one reason, for `summary.json`.
#[derive(Serialize)]
pub struct DrainSummary<'a> {
    /// The service, or the entry of standalone tasks.
    started_by: &'a str,
    /// What its tasks waited for.
    reason: &'static str,
    /// Instances that they kept.
    instances: Vec<&'a str>,
    /// The tasks.
    tasks: Vec<String>,
    /// When one was first seen, s.
    from_s: f64,
    /// When one was last, s.
    until_s: f64,
    /// The longest that one was, s.
    longest_s: f64,
}

/// Columns of `draining.csv`.
pub(super) const COLUMNS: &str = "from_s until_s lasted_s instance task service run_task reason minimum_healthy_percent \
    maximum_percent closest_instance closest_reason wanted left";

/// A row of `draining.csv`: a task that kept a draining instance for one reason.
#[derive(Debug, Serialize)]
pub(super) struct DrainRow<'a> {
    from_s: f64,
    until_s: f64,
    lasted_s: f64,
    instance: &'a str,
    task: String,
    service: &'a str,
    run_task: Option<&'a str>,
    reason: &'static str,
    minimum_healthy_percent: Option<u32>,
    maximum_percent: Option<u32>,
    closest_instance: Option<&'a str>,
    closest_reason: Option<&'static str>,
    wanted: Option<u32>,
    left: Option<u32>,
}

/// The rows of `draining.csv`.
pub(super) fn rows(run: &Run) -> impl Iterator<Item = DrainRow<'_>> {
    run.drain_holds.iter().map(|it| {
        let (minimum_healthy_percent, maximum_percent, closest) = match &it.reason {
            DrainReason::NoRoomForReplacement { minimum_healthy_percent, closest } => {
                (Some(*minimum_healthy_percent), None, closest.as_ref())
            }
            DrainReason::NoMove { minimum_healthy_percent, maximum_percent } => {
                (Some(*minimum_healthy_percent), Some(*maximum_percent), None)
            }
            DrainReason::ReplacementIsNotHealthy { minimum_healthy_percent } => {
                (Some(*minimum_healthy_percent), None, None)
            }
            _ => (None, None, None),
        };
        let shortage = closest.and_then(|it| it.shortage);
        let launcher = run.scenario.launcher_name(it.launcher);
        DrainRow {
            from_s: it.from.as_seconds(),
            until_s: it.until.as_seconds(),
            lasted_s: it.lasted.as_seconds(),
            instance: &run.instances[it.instance].name,
            task: task_name(it.task),
            service: launcher,
            run_task: it.launcher.service().is_none().then_some(launcher),
            reason: name_of(&it.reason),
            minimum_healthy_percent,
            maximum_percent,
            closest_instance: closest.map(|it| it.instance.as_str()),
            closest_reason: closest.map(|it| it.reason.name()),
            wanted: shortage.map(|it| it.wanted),
            left: shortage.map(|it| it.left),
        }
    })
}

/// Tasks of one launcher that kept instances for the same reason.
struct Alike<'r> {
    launcher: Launcher,
    holds: Vec<&'r DrainHold>,
}

impl Alike<'_> {
    fn longest(&self) -> Span {
        self.holds.iter().map(|it| it.lasted).max().unwrap_or(Span::ZERO)
    }

    /// Of the tasks that were kept longest the last.
    fn reason(&self) -> &DrainReason {
        &self.holds.iter().max_by_key(|it| it.lasted).expect("there is one").reason
    }

    fn places(&self, of: fn(&DrainHold) -> usize) -> Vec<usize> {
        let mut places: Vec<usize> = self.holds.iter().map(|it| of(it)).collect();
        places.sort_unstable();
        places.dedup();
        places
    }
}

/// What kept instances for long, that which did so for longest first.
fn alike(run: &Run) -> Vec<Alike<'_>> {
    let mut all: Vec<Alike<'_>> = Vec::new();
    let kind = |it: &DrainHold| (it.launcher, name_of(&it.reason));
    for hold in run.drain_holds.iter().filter(|it| it.lasted >= TOLD_FROM) {
        match all.iter_mut().find(|it| kind(it.holds[0]) == kind(hold)) {
            Some(it) => it.holds.push(hold),
            None => all.push(Alike { launcher: hold.launcher, holds: vec![hold] }),
        }
    }
    all.sort_by_key(|it| std::cmp::Reverse(it.longest()));
    all
}

/// What kept draining instances for ten minutes and more.
pub fn summaries(run: &Run) -> Vec<DrainSummary<'_>> {
    let each = alike(run).into_iter().map(|it| DrainSummary {
        started_by: run.scenario.launcher_name(it.launcher),
        reason: name_of(it.reason()),
        instances: it.places(|hold| hold.instance).into_iter().map(|it| run.instances[it].name.as_str()).collect(),
        tasks: it.places(|hold| hold.task).into_iter().map(task_name).collect(),
        from_s: it.holds.iter().map(|it| it.from).min().unwrap_or(Instant::START).as_seconds(),
        until_s: it.holds.iter().map(|it| it.until).max().unwrap_or(Instant::START).as_seconds(),
        longest_s: it.longest().as_seconds(),
    });
    each.collect()
}

/// The paragraphs under the table about instances that drained for long; empty without any. Of each variant the first replication is told.
pub fn paragraphs(variants: &[Vec<&Run>]) -> String {
    let mut told = Told::default();
    for run in variants.iter().filter_map(|runs| runs.first()) {
        let all = alike(run);
        for it in all.iter().take(TOLD_MOST) {
            told.add(&run.scenario.variant, vec![words(run, it)]);
        }
        if let Some(more) = all.len().checked_sub(TOLD_MOST).filter(|it| *it > 0) {
            told.add(&run.scenario.variant, vec![format!("and tasks that waited for {more} more")]);
        }
    }
    told.under("Instances that drained for long: what kept them (all: draining.csv)")
}

fn words(run: &Run, it: &Alike<'_>) -> String {
    let instances = it.places(|hold| hold.instance);
    let tasks = it.places(|hold| hold.task);
    let names = named(instances.iter().map(|it| run.instances[*it].name.clone()));
    let kept = plural(tasks.len(), "task");
    let which = named(tasks.iter().map(|it| task_name(*it)));
    let first = it.holds.iter().map(|it| it.from).min().unwrap_or(Instant::START);
    let last = it.holds.iter().map(|it| it.until).max().unwrap_or(Instant::START);
    // The last look is within the last minute.
    let end = Instant::START + run.simulated;
    let until = if last + Span::MINUTE >= end { "the end".to_owned() } else { last.to_string() };
    let each = if it.holds.len() > 1 && instances.len() > 1 { "at most " } else { "" };
    format!(
        "{names} {} kept by {kept} of {} ({which}), from {first} to {until} ({each}{}): {}.",
        one_or_more(instances.len(), "was", "were"),
        run.scenario.launcher_words(it.launcher),
        in_seconds(it.longest()),
        waits_for(it.reason(), tasks.len())
    )
}

fn named(names: impl ExactSizeIterator<Item = String>) -> String {
    let more = names.len().saturating_sub(NAMED_MOST);
    let shown: Vec<String> = names.take(NAMED_MOST).collect();
    let rest = if more > 0 { format!(" and {}", plural(more, "other")) } else { String::new() };
    shown.join(", ") + &rest
}

/// A reason as outputs have it.
fn name_of(reason: &DrainReason) -> &'static str {
    match reason {
        DrainReason::RunsOn => "standalone-task",
        DrainReason::NoRoomForReplacement { .. } => "no-room-for-replacement",
        DrainReason::NoMove { .. } => "no-move",
        DrainReason::ReplacementIsNotHealthy { .. } => "replacement-not-healthy",
        DrainReason::NotAskedToStop => "not-asked-to-stop",
        DrainReason::LeavesTargetGroup => "leaves-target-group",
        DrainReason::Stops => "stops",
        DrainReason::AgentIsNotConnected => "agent-not-connected",
    }
}

/// What so many tasks wait for, in words.
fn waits_for(reason: &DrainReason, tasks: usize) -> String {
    let their = one_or_more(tasks, "its replacement", "their replacements");
    let is = one_or_more(tasks, "is", "are");
    let it = one_or_more(tasks, "it", "they");
    match reason {
        DrainReason::RunsOn => {
            format!("standalone tasks run on until they end, and nobody stops {}", one_or_more(tasks, "it", "them"))
        }
        DrainReason::NoRoomForReplacement { minimum_healthy_percent, closest } => {
            let finds = one_or_more(tasks, "finds", "find");
            let lacks = closest.as_ref().map_or("there is no other instance".to_owned(), |it| match it.shortage {
                Some(shortage) => {
                    format!(
                        "{} short on {}, the closest",
                        amount(it.reason, u64::from(shortage.missing())),
                        it.instance
                    )
                }
                None => format!("{} of {}, the closest", it.reason.name(), it.instance),
            });
            format!(
                "minimumHealthyPercent {minimum_healthy_percent} lets {} stop only when {their} {is} healthy, and {} {finds} no room \
                 ({lacks})",
                one_or_more(tasks, "it", "them"),
                one_or_more(tasks, "that", "these")
            )
        }
        DrainReason::NoMove { minimum_healthy_percent, maximum_percent } => format!(
            "maximumPercent {maximum_percent} allows no replacement before {it} {}, and minimumHealthyPercent {minimum_healthy_percent} \
             does not let {} stop before",
            one_or_more(tasks, "stops", "stop"),
            one_or_more(tasks, "it", "them")
        ),
        DrainReason::ReplacementIsNotHealthy { minimum_healthy_percent } => format!(
            "minimumHealthyPercent {minimum_healthy_percent} lets {} stop only when {their} {is} healthy, which did not come to be",
            one_or_more(tasks, "it", "them")
        ),
        DrainReason::NotAskedToStop => {
            "the service scheduler had not asked for {it} to stop".replace("{it}", one_or_more(tasks, "it", "them"))
        }
        DrainReason::LeavesTargetGroup => {
            format!("asked to stop, {it} {} still leaving the target group", one_or_more(tasks, "was", "were"))
        }
        DrainReason::Stops => format!("{it} had been told to stop, and took that long"),
        DrainReason::AgentIsNotConnected => "the agent was not connected, and heard of nothing".to_owned(),
    }
}
