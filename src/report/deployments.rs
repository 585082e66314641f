//! Deployments: will they finish, what did they wait for, what room do they need, and whom did they hurt.

use serde::Serialize;

use crate::report::chart::{Line, PALETTE, Panel, Stroke};
use crate::report::comparison::number;
use crate::report::words::{Told, in_seconds, one_or_more, plural, sentence};
use crate::run::{DeploymentLife, DeploymentStage, EarlySuccessLife, Run, SpareNeeded, TaskLife, Verdict};
use crate::table::Id;
use crate::units::{Instant, Span};

/// Deployments of one variant that are told of one by one.
const TOLD_MOST: usize = 8;
/// Services and their revisions that have a panel and a line each.
const PANELS_MOST: usize = 8;
const LINES_MOST: usize = 6;

impl DeploymentStage {
    /// As columns name it.
    pub fn as_str(self) -> &'static str {
        match self {
            DeploymentStage::TakeUp => "take-up",
            DeploymentStage::ImagePull => "image-pull",
            DeploymentStage::ContainerStart => "container-start",
            DeploymentStage::Health => "health",
            DeploymentStage::Deregistration => "deregistration",
            DeploymentStage::Shutdown => "shutdown",
            DeploymentStage::Instance => "instance",
            DeploymentStage::Agent => "agent",
            DeploymentStage::Bake => "bake",
            DeploymentStage::Scheduler => "scheduler",
        }
    }

    fn words(self) -> &'static str {
        match self {
            DeploymentStage::TakeUp => "network interfaces and the agent",
            DeploymentStage::ImagePull => "image pulls",
            DeploymentStage::ContainerStart => "containers to start",
            DeploymentStage::Health => "health checks",
            DeploymentStage::Deregistration => "old tasks to be deregistered",
            DeploymentStage::Shutdown => "old tasks to shut down",
            DeploymentStage::Instance => "instances",
            DeploymentStage::Agent => "agents that are disconnected",
            DeploymentStage::Bake => "alarms, hooks, steps of traffic and bake times",
            DeploymentStage::Scheduler => "the scheduler",
        }
    }
}

/// A row of `deployments.csv`, and of `summary.json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeploymentRow<'a> {
    service: &'a str,
    deployment: u32,
    task_definition: &'a str,
    desired_count: u32,
    began_s: f64,
    verdict: &'static str,
    took_s: Option<f64>,
    old_tasks_gone_s: Option<f64>,
    tasks_started: usize,
    tasks_never_healthy: usize,
    spare_tasks_needed: Option<u32>,
    longest_stage: Option<&'static str>,
    take_up_s: f64,
    image_pull_s: f64,
    container_start_s: f64,
    health_s: f64,
    deregistration_s: f64,
    shutdown_s: f64,
    instance_s: f64,
    bake_s: f64,
    scheduler_s: f64,
    requests: u64,
    requests_lost: u64,
    hangs_since_s: Option<f64>,
    hangs_because: Option<&'a str>,
    failed_because: Option<&'a str>,
    rolled_back_s: Option<f64>,
    early_healthy_tasks: Option<u32>,
    early_old_tasks: Option<u32>,
    early_over_s: Option<f64>,
    agent_s: f64,
}

/// The header of `deployments.csv`.
pub const COLUMNS: &str = "service deployment task_definition desired_count began_s verdict took_s old_tasks_gone_s \
    tasks_started tasks_never_healthy spare_tasks_needed longest_stage take_up_s image_pull_s container_start_s health_s \
    deregistration_s shutdown_s instance_s bake_s scheduler_s requests requests_lost hangs_since_s hangs_because \
    failed_because rolled_back_s early_healthy_tasks early_old_tasks early_over_s agent_s";

/// Deployments worth telling of: all but those that services began with, and of these what hung.
fn told(run: &Run) -> impl Iterator<Item = &DeploymentLife> {
    let came_later = |it: &DeploymentLife| match it.task_set {
        Some(_) => it.began_at > Instant::START,
        None => it.number > 0,
    };
    run.deployments.iter().filter(move |it| came_later(it) || !it.hangs.is_empty())
}

/// Whether any deployment is worth telling of.
pub fn has_deployments(run: &Run) -> bool {
    told(run).next().is_some()
}

/// A row for each deployment.
pub fn rows(run: &Run) -> impl Iterator<Item = DeploymentRow<'_>> {
    told(run).map(|it| {
        let waits = it.waits(run);
        let waited = |stage| waits.iter().find(|wait| wait.0 == stage).map_or(0.0, |wait| wait.1.as_seconds());
        let (tasks_started, tasks_never_healthy, _) = it.tasks_started(run);
        let requests = it.requests(run);
        let since_began = |at: Instant| at.since(it.began_at).as_seconds();
        let (verdict, took) = match it.verdict() {
            Verdict::Finished(took) => ("finished", Some(took)),
            Verdict::FinishedEarly(took, _) => ("finished-early", Some(took)),
            Verdict::Hangs(_) => ("hangs", None),
            Verdict::Failed(failure) => ("failed", Some(failure.at.since(it.began_at))),
            Verdict::Superseded(took) => ("superseded", Some(took)),
            Verdict::Deleted(took) => ("deleted", Some(took)),
            Verdict::UnderWay => ("under-way", None),
        };
        let hang = it.hangs.last();
        DeploymentRow {
            service: &run.scenario.services[Id::new(it.service)].name,
            deployment: it.number,
            task_definition: &it.task_definition,
            desired_count: it.desired_count,
            began_s: it.began_at.since(Instant::START).as_seconds(),
            verdict,
            took_s: took.map(Span::as_seconds),
            old_tasks_gone_s: it.old_tasks_gone_at(run).map(since_began),
            tasks_started,
            tasks_never_healthy,
            spare_tasks_needed: match it.spare {
                SpareNeeded::Tasks { tasks, .. } => Some(tasks),
                SpareNeeded::NoneWouldDo | SpareNeeded::DoesNotApply => None,
            },
            longest_stage: waits.first().map(|wait| wait.0.as_str()),
            take_up_s: waited(DeploymentStage::TakeUp),
            image_pull_s: waited(DeploymentStage::ImagePull),
            container_start_s: waited(DeploymentStage::ContainerStart),
            health_s: waited(DeploymentStage::Health),
            deregistration_s: waited(DeploymentStage::Deregistration),
            shutdown_s: waited(DeploymentStage::Shutdown),
            instance_s: waited(DeploymentStage::Instance),
            bake_s: waited(DeploymentStage::Bake),
            scheduler_s: waited(DeploymentStage::Scheduler),
            requests: requests.arrived,
            requests_lost: requests.failed(),
            hangs_since_s: hang.map(|it| it.since.since(Instant::START).as_seconds()),
            hangs_because: hang.map(|it| it.because.as_str()),
            failed_because: it.failure.as_ref().map(|it| it.reason.as_str()),
            rolled_back_s: it.failure.as_ref().and_then(|it| it.rolled_back_at).map(since_began),
            early_healthy_tasks: it.early_success.map(|it| it.healthy),
            early_old_tasks: it.early_success.map(|it| it.old_tasks),
            early_over_s: it.early_success_over_at(run).map(since_began),
            agent_s: waited(DeploymentStage::Agent),
        }
    })
}

/// What came of the deployments of each variant's first replication: those first that hang.
pub fn paragraphs(variants: &[Vec<&Run>]) -> String {
    let mut told_of = Told::default();
    for run in variants.iter().filter_map(|runs| runs.first()) {
        let variant = &run.scenario.variant;
        let mut all: Vec<&DeploymentLife> = told(run).collect();
        let is_open = |it: &DeploymentLife| matches!(it.verdict(), Verdict::Hangs(_));
        all.sort_by_key(|it| (!is_open(it), it.began_at, it.service));
        let more = all.len().saturating_sub(TOLD_MOST);
        for deployment in all.iter().take(TOLD_MOST) {
            told_of.add(variant, paragraph(run, deployment));
        }
        if more > 0 {
            let hanging = all.iter().skip(TOLD_MOST).filter(|it| is_open(it)).count() as u32;
            let of_these = match hanging {
                0 => String::new(),
                _ => format!(", {hanging} of which {}", one_or_more(hanging, "hangs", "hang")),
            };
            told_of.add(variant, vec![format!("and {more} more{of_these}")]);
        }
    }
    told_of.under("Deployments: will they finish, and what do they wait for (all: deployments.csv)")
}

/// What is told of a deployment: what came of it, and what that comes from.
fn paragraph(run: &Run, it: &DeploymentLife) -> Vec<String> {
    let service = &run.scenario.services[Id::new(it.service)].name;
    let revision = &it.task_definition;
    let since = |at: Instant| in_seconds(at.since(it.began_at));
    let verdict = match it.verdict() {
        Verdict::Finished(took) => match it.old_tasks_gone_at(run).filter(|at| *at > it.began_at + took) {
            Some(gone) => format!("finished in {}, the old tasks gone after {}.", in_seconds(took), since(gone)),
            None => format!("finished in {}.", in_seconds(took)),
        },
        Verdict::FinishedEarly(took, early) => {
            format!("finished early in {}, {}", in_seconds(took), left_to_do(run, it, early))
        }
        Verdict::Hangs(hang) => format!("HANGS since {}. {}", hang.since, sentence(&hang.because)),
        Verdict::Failed(failure) => {
            let then = match (failure.rolls_back_to, failure.rolled_back_at) {
                (Some(number), Some(at)) => format!(" Rolled back to deployment {number} by {at}."),
                (Some(number), None) => format!(" Rolling back to deployment {number}, and not there at the end."),
                (None, _) => " It was not rolled back.".to_owned(),
            };
            format!("FAILED after {}: {}{then}", since(failure.at), failure.reason)
        }
        Verdict::Superseded(after) if it.task_set.is_some() => {
            format!("deleted after {}, without ever being steady.", in_seconds(after))
        }
        Verdict::Superseded(after) => format!("superseded by a newer one after {}.", in_seconds(after)),
        Verdict::Deleted(after) => format!("ended by the deletion of its service after {}.", in_seconds(after)),
        Verdict::UnderWay => "still under way at the end.".to_owned(),
    };
    let tasks = plural(it.desired_count, "task");
    let what = match &it.task_set {
        Some(set) => format!("{service}, task set {set} of {revision},"),
        None => format!("{service} to {revision}"),
    };
    let mut said = vec![format!("{what} at {}, {tasks}: {verdict}", it.began_at)];
    let waits = it.waits(run);
    let waits = waits.iter().filter(|wait| wait.1 >= Span::SECOND);
    let waits: Vec<String> = waits.map(|wait| format!("{} for {}", in_seconds(wait.1), wait.0.words())).collect();
    if !waits.is_empty() && !matches!(it.verdict(), Verdict::Hangs(_)) {
        said.push(format!("It waited {}.", waits.join(", ")));
    }
    for hang in &it.hangs {
        if let Some(until) = hang.until {
            said.push(format!("It stood still from {} to {until}: {}", hang.since, sentence(&hang.because)));
        }
    }
    said.extend([spare(it), never_healthy(run, it), lost(run, it)].into_iter().flatten());
    said
}

/// What was left of a deployment that finished early, and when that was over.
fn left_to_do(run: &Run, it: &DeploymentLife, early: &EarlySuccessLife) -> String {
    let EarlySuccessLife { healthy, desired, old_tasks, .. } = *early;
    let old = match old_tasks {
        0 => String::new(),
        _ => format!(" and {} still to be cleaned up", plural(old_tasks, "old task")),
    };
    let over = match it.early_success_over_at(run) {
        Some(at) => format!("; nothing was left after {}.", in_seconds(at.since(it.began_at))),
        None if is_followed(run, it) => "; a newer one took its place before that was over.".to_owned(),
        None => "; that was not over at the end.".to_owned(),
    };
    format!("with {healthy} of {desired} tasks healthy{old}{over}")
}

/// Whether a newer deployment of its service has begun.
fn is_followed(run: &Run, it: &DeploymentLife) -> bool {
    run.deployments.iter().any(|other| other.service == it.service && other.number > it.number)
}

fn spare(it: &DeploymentLife) -> Option<String> {
    match it.spare {
        SpareNeeded::Tasks { tasks: 0, .. } => Some("There was room enough for it.".to_owned()),
        SpareNeeded::Tasks { tasks, cpu_units, memory_mib, on_own_instances } => {
            let each = one_or_more(tasks, "", " each");
            let room = format!(
                "{} CPU units and {} MiB{each}",
                number(f64::from(cpu_units), 0),
                number(f64::from(memory_mib), 0)
            );
            let place = match (on_own_instances, tasks) {
                (false, _) => "",
                (true, 1) => ", on an instance without one of its tasks",
                (true, _) => ", on instances without one of its tasks",
            };
            Some(format!("It needed room for {} more than there was: {room}{place}.", plural(tasks, "task")))
        }
        SpareNeeded::NoneWouldDo => {
            Some("No spare capacity lets it finish: its minimum and maximum leave it no move.".to_owned())
        }
        SpareNeeded::DoesNotApply => None,
    }
}

fn never_healthy(run: &Run, it: &DeploymentLife) -> Option<String> {
    let (started, never_healthy, unwanted) = it.tasks_started(run);
    (never_healthy > 0).then(|| {
        let started = plural(started, "task");
        let why = match unwanted {
            0 => String::new(),
            _ if unwanted == never_healthy => ", no longer wanted".to_owned(),
            _ => format!(", {unwanted} of them no longer wanted"),
        };
        format!("Of {started} that it started {never_healthy} stopped without ever being healthy{why}.")
    })
}

fn lost(run: &Run, it: &DeploymentLife) -> Option<String> {
    let requests = it.requests(run);
    let (lost, all) = (requests.failed() as f64, requests.arrived as f64);
    (all > 0.0).then(|| {
        let percent = if lost > 0.0 { format!(" ({} %)", number(100.0 * lost / all, 2)) } else { String::new() };
        format!("Requests lost in its minutes: {} of {}{percent}.", number(lost, 0), number(all, 0))
    })
}

/// When deployments were under way, from and to so many seconds since the start, with a little before and after; the whole run where
/// that is most of it.
pub fn under_way(run: &Run) -> (f64, f64) {
    let end = Instant::START + run.simulated;
    let ended_at = |it: &DeploymentLife| {
        let failed_at = it.failure.as_ref().map(|it| it.rolled_back_at.unwrap_or(it.at));
        let old_ones_gone_at = it.old_tasks_gone_at(run);
        [it.completed_at, old_ones_gone_at, it.early_success_over_at(run), it.superseded_at, it.deleted_at, failed_at]
            .into_iter()
            .flatten()
            .max()
            .unwrap_or(end)
    };
    let began = told(run).map(|it| it.began_at).min().unwrap_or(Instant::START).as_seconds();
    let ended = told(run).map(ended_at).max().unwrap_or(end).as_seconds();
    // Task sets stand side by side for as long as their controller wants.
    let ended = if told(run).any(|it| it.task_set.is_some()) { end.as_seconds() } else { ended };
    let around = f64::max(60.0, 0.15 * (ended - began));
    let (from, to) = (f64::max(0.0, began - around), f64::min(end.as_seconds(), ended + around));
    if to - from > 0.6 * end.as_seconds() { (0.0, end.as_seconds()) } else { (from, to) }
}

fn services_told(run: &Run) -> Vec<usize> {
    let mut services: Vec<usize> = told(run).map(|it| it.service).collect();
    services.dedup();
    services
}

/// The title of the chart that [`panels`] makes: it tells of how many services it shows only some.
pub fn title(run: &Run) -> String {
    match services_told(run).len() {
        ..=PANELS_MOST => "Old and new revisions".to_owned(),
        count => format!("Old and new revisions ({PANELS_MOST} of {count} services)"),
    }
}

/// A panel for each service that was deployed: running tasks of each of its revisions, side by side, from and to so many seconds
/// since the start.
pub fn panels(run: &Run, (from, to): (f64, f64)) -> Vec<Panel> {
    let services = services_told(run);
    let panel = |service: usize| {
        let of_service: Vec<&DeploymentLife> = run.deployments.iter().filter(|it| it.service == service).collect();
        let first = of_service.len().saturating_sub(LINES_MOST);
        let lines = of_service[first..].iter().enumerate().map(|(place, deployment)| {
            let is_own = |it: &&TaskLife| it.service == Some(service) && it.deployment == deployment.number;
            let mut changes: Vec<(Instant, i32)> = Vec::new();
            for task in run.tasks.iter().filter(is_own) {
                let Some(running_at) = task.running_at else { continue };
                changes.push((running_at, 1));
                if let Some(gone_at) = task.stopping_at.or(task.stopped_at) {
                    changes.push((gone_at, -1));
                }
            }
            changes.sort_unstable();
            let before = changes.partition_point(|it| it.0.as_seconds() <= from);
            let mut count: i32 = changes[..before].iter().map(|it| it.1).sum();
            let mut points = vec![(from, Some(f64::from(count)))];
            let within = changes[before..].chunk_by(|one, other| one.0 == other.0);
            for at_once in within.take_while(|it| it[0].0.as_seconds() < to) {
                count += at_once.iter().map(|it| it.1).sum::<i32>();
                points.push((at_once[0].0.as_seconds(), Some(f64::from(count))));
            }
            points.push((to, Some(f64::from(count))));
            let name = match &deployment.task_set {
                Some(set) => format!("{} (task set {set})", deployment.task_definition),
                None => {
                    let early = deployment.early_success.zip(deployment.completed_at).map(|(early, at)| {
                        let EarlySuccessLife { healthy, desired, .. } = early;
                        let after = in_seconds(at.since(deployment.began_at));
                        format!(", finished early after {after} with {healthy} of {desired} healthy")
                    });
                    let early = early.unwrap_or_default();
                    format!("{} (deployment {}{early})", deployment.task_definition, deployment.number)
                }
            };
            Line { name, colour: PALETTE[place % PALETTE.len()], stroke: Stroke::Step, points }
        });
        let name = &run.scenario.services[Id::new(service)].name;
        let title = match of_service.len() {
            ..=LINES_MOST => name.clone(),
            count => {
                let what = if of_service[0].task_set.is_some() { "task sets" } else { "deployments" };
                format!("{name} (the last {LINES_MOST} of {count} {what})")
            }
        };
        Panel {
            title,
            unit: "running tasks".to_owned(),
            lines: lines.collect(),
            is_logarithmic: false,
            top_at_least: 1.0,
            when_empty: "no tasks",
        }
    };
    services.into_iter().take(PANELS_MOST).map(panel).collect()
}
