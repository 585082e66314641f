//! Tasks that no instance could take: `placement_refusals.csv`, and the paragraphs that explain them.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::aws::auto_scaling_group::AutoScalingGroup;
use crate::aws::capability;
use crate::aws::container_instance::RegisteredResources;
use crate::aws::fargate::{FargateCapacity, FargateRefusal};
use crate::aws::instance_type::{self, InstanceType};
use crate::aws::launch::Launcher;
use crate::aws::placement::refusal::{COUNTABLE, Left, Reason, Shortage};
use crate::aws::placement::{PORTS_MAXIMUM, PlacementStrategy, Resource};
use crate::aws::run_task::{PROVISIONING_LIMIT, THROTTLED};
use crate::aws::task_definition::{NetworkMode, Protocol, Reservation, TaskDefinition};
use crate::report::comparison::number;
use crate::report::words::{Told, at_or_between, in_seconds, one_or_more, plural, sentence, times, wrap};
use crate::run::{FargateMinute, PlacementRefusal, RefusalExplanation, RefusalOutcome, Run, RunTaskMinute, TaskLife};
use crate::table::Id;
use crate::units::{Instant, Span};

/// Columns of `placement_refusals.csv`.
pub(super) const COLUMNS: &str = "time_s last_time_s attempts service task_definition capacity_provider tasks_count \
    instances_count not_active_count capacity_provider_count agent_count attribute_count zone_count cpu_count memory_count \
    port_count too_many_ports_count network_interface_count gpu_count member_of_count distinct_instance_count \
    closest_instance reason wanted left registered usable_instances_count left_in_all largest_piece outcome retry_s placed_s \
    run_task neuron_device_count";

/// Reasons whose counts stand in a row beside each other; that of Neuron devices came later and stands at the end.
const COUNTED: [Reason; 13] = [
    Reason::NotActive,
    Reason::CapacityProvider,
    Reason::Agent,
    Reason::Attribute,
    Reason::AvailabilityZone,
    Reason::Cpu,
    Reason::Memory,
    Reason::Port,
    Reason::TooManyPorts,
    Reason::NetworkInterface,
    Reason::Gpu,
    Reason::MemberOf,
    Reason::DistinctInstance,
];

/// A row of `placement_refusals.csv`: attempts that were refused alike.
#[derive(Debug, Serialize)]
pub(super) struct RefusalRow<'a> {
    time_s: f64,
    last_time_s: f64,
    attempts: u32,
    service: &'a str,
    task_definition: String,
    capacity_provider: Option<&'a str>,
    tasks_count: u32,
    instances_count: u32,
    counts: [u32; COUNTED.len()],
    closest_instance: Option<&'a str>,
    reason: &'a str,
    wanted: Option<u32>,
    left: Option<u32>,
    registered: Option<u32>,
    usable_instances_count: u32,
    left_in_all: Option<u64>,
    largest_piece: Option<u32>,
    outcome: &'static str,
    retry_s: Option<f64>,
    placed_s: Option<f64>,
    run_task: Option<&'a str>,
    neuron_device_count: u32,
}

/// The rows of `placement_refusals.csv`.
pub(super) fn rows(run: &Run) -> impl Iterator<Item = RefusalRow<'_>> {
    run.placement_refusals.iter().map(|row| {
        let (scenario, refusal) = (&run.scenario, &row.refusal);
        let closest = refusal.closest.as_ref();
        let shortage = closest.and_then(|it| it.shortage);
        let left = refusal.reason().and_then(|it| refusal.left_of(it));
        let count_of = |it: Reason| refusal.counts.get(&it).copied().unwrap_or(0);
        let (outcome, retry) = match row.outcome {
            RefusalOutcome::RetriedAt(at) => ("retried", Some(at)),
            RefusalOutcome::WaitsInProvisioning => ("PROVISIONING", None),
            RefusalOutcome::NotStarted => ("not started", None),
            RefusalOutcome::WaitsForRoom => ("waits for room", None),
        };
        RefusalRow {
            time_s: row.first_at.as_seconds(),
            last_time_s: row.last_at.as_seconds(),
            attempts: row.attempts,
            service: scenario.launcher_name(row.launcher),
            task_definition: scenario.task_definitions[Id::new(row.task_definition)].name(),
            capacity_provider: row.capacity_provider.map(|it| scenario.capacity_providers[Id::new(it)].name.as_str()),
            tasks_count: row.tasks,
            instances_count: refusal.instances(),
            counts: COUNTED.map(count_of),
            closest_instance: closest.map(|it| it.instance.as_str()),
            reason: closest.map_or("no instances", |it| it.reason.name()),
            wanted: shortage.map(|it| it.wanted),
            left: shortage.map(|it| it.left),
            registered: shortage.map(|it| it.registered),
            usable_instances_count: refusal.usable,
            left_in_all: left.map(|it| it.in_all),
            largest_piece: left.map(|it| it.largest_piece),
            outcome,
            retry_s: retry.map(Instant::as_seconds),
            placed_s: row.placed_at.map(Instant::as_seconds),
            run_task: row.launcher.service().is_none().then(|| scenario.launcher_name(row.launcher)),
            neuron_device_count: count_of(Reason::NeuronDevice),
        }
    })
}

/// Refusals that stood no longer are told in one line, if their tasks were placed in the end.
const BRIEF: Span = Span::seconds(300);
/// Services that are explained in full under one table, and in one line.
const EXPLAINED_MAXIMUM: usize = 4;
const BRIEF_MAXIMUM: usize = 8;

/// Whose tasks were not placed, or not at once.
#[derive(Debug, Serialize)]
pub struct Refused {
    /// The service, or the entry of `runTasks`.
    pub service: String,
    /// Which of the two it is: `service` or `runTasks`.
    pub started_by: &'static str,
    /// Attempts that were refused.
    pub attempts: u32,
    /// The first of them, s.
    pub first_s: f64,
    /// The last, s.
    pub last_s: f64,
    /// Whether tasks were still not placed when the run ended.
    pub unplaced_at_end: bool,
    /// Attempts by what the closest instance failed for.
    pub attempts_by_reason: BTreeMap<&'static str, u32>,
    /// ECS's sentence of the refusal that stood longest.
    pub message: String,
    /// What it comes from, and what follows from that.
    pub explanation: Vec<String>,
    #[serde(skip)]
    in_brief: String,
    #[serde(skip)]
    is_brief: bool,
}

/// Whose tasks were refused, services first, in the scenario's order.
pub fn refused(run: &Run) -> Vec<Refused> {
    let mut by_launcher: BTreeMap<Launcher, Vec<&PlacementRefusal>> = BTreeMap::new();
    run.placement_refusals.iter().for_each(|it| by_launcher.entry(it.launcher).or_default().push(it));
    by_launcher.into_iter().filter_map(|(launcher, rows)| refused_of(run, launcher, &rows)).collect()
}

fn refused_of(run: &Run, launcher: Launcher, rows: &[&PlacementRefusal]) -> Option<Refused> {
    let (first, last) = (rows.first()?, rows.last()?);
    let unplaced_at_end = run.unplaced_at_end.contains(&launcher);
    let reasons = reasons_of(rows);
    // What stands in the way at the end, or when tasks are given up, matters more than what once did; else what did so for longest.
    let longest = reasons.iter().max_by_key(|it| it.stood).map(|it| it.reason);
    let reason = if unplaced_at_end || given_up_of(run, launcher) > 0 { last.refusal.reason() } else { longest? };
    let in_question = |it: &PlacementRefusal| it.refusal.reason() == reason;
    let explained = rows.iter().filter(|it| it.explanation.is_some() && in_question(it));
    let row = explained.max_by_key(|it| it.stood())?;
    let (name, whose) = (run.scenario.launcher_name(launcher), run.scenario.launcher_words(launcher));
    let attempts: u32 = rows.iter().map(|it| it.attempts).sum();
    let attempts_by_reason: BTreeMap<&str, u32> = reasons.iter().map(|it| (it.words(), it.attempts)).collect();
    let tasks = rows.iter().map(|it| it.tasks).max().unwrap_or(0);
    let end = Instant::START + run.simulated;
    let longest = rows.iter().map(|it| it.stood()).max().unwrap_or(Span::ZERO);
    // While some of them are placed, others go on waiting in PROVISIONING.
    let is_its = |it: &&TaskLife| match launcher {
        Launcher::Service(service) => it.service == Some(service.index()),
        Launcher::RunTask(run_task) => it.run_task == Some(run_task.index()),
    };
    let waits = run.tasks.iter().filter(is_its).filter_map(|it| Some(it.placed_at?.since(it.created_at)));
    let longest_wait = waits.max().unwrap_or(Span::ZERO).max(longest);
    let found = plural(tasks, "task");
    let since = first.first_at;
    let where_to = match (row.outcome == RefusalOutcome::WaitsForRoom, tasks) {
        (false, _) => "no instance",
        (true, 1) => "no room on the instance that is to have it",
        (true, _) => "no room on the instances that are to have them",
    };
    // Where calls of RunTask go on, those that wait at the end are not those that waited at the beginning.
    let comes_and_goes = launcher.service().is_none() && rows.iter().any(|it| it.placed_at.is_some());
    let lost = lost_of(run, launcher);
    let is_brief = !unplaced_at_end && lost.is_none() && longest < BRIEF;
    let mut in_brief = if let Some(lost) = lost {
        format!("of {whose} {lost}, {}", at_or_between(since, last.last_at))
    } else if unplaced_at_end && comes_and_goes {
        let (most, lasted) = (number(f64::from(tasks), 0), in_seconds(end.since(since)));
        format!(
            "tasks of {whose} found {where_to} at some time from {since} to the end ({lasted}), up to {most} at once"
        )
    } else if unplaced_at_end {
        format!("{found} of {whose} found {where_to}, from {since} to the end ({})", in_seconds(end.since(since)))
    } else {
        format!("{found} of {whose} found {where_to} at first, from {since} (at most for {})", in_seconds(longest_wait))
    };
    let mut counts: Vec<String> =
        attempts_by_reason.iter().map(|(reason, attempts)| format!("{reason} {attempts}")).collect();
    if let [only] = &mut counts[..] {
        *only = attempts_by_reason.keys().next().map_or(String::new(), |it| (*it).to_owned());
    }
    in_brief += &format!("; {}: {}", plural(attempts, "attempt"), counts.join(", "));
    if let Some((closest, shortage)) = row.refusal.closest.as_ref().and_then(|it| Some((it, it.shortage?))) {
        let missing = amount(closest.reason, u64::from(shortage.missing()));
        in_brief += &format!(" (closest {}, {missing} short)", closest.instance);
    }
    in_brief.push('.');
    let mut explanation = vec![in_brief.clone()];
    if reasons.len() > 1 {
        let each: Vec<String> = reasons.iter().map(ReasonInAll::sentence).collect();
        explanation.push(sentence(&each.join("; ")));
    }
    explanation.extend(explain(run, row));
    Some(Refused {
        service: name.to_owned(),
        started_by: if launcher.service().is_some() { "service" } else { "runTasks" },
        attempts,
        first_s: first.first_at.as_seconds(),
        last_s: last.last_at.as_seconds(),
        unplaced_at_end,
        attempts_by_reason,
        message: format!("({}) was unable to place a task because {}", resource(run, launcher), row.refusal),
        explanation,
        in_brief,
        is_brief,
    })
}

/// What one reason came to over all attempts of somebody's tasks.
struct ReasonInAll {
    /// `None` where there was no instance.
    reason: Option<Reason>,
    attempts: u32,
    first_at: Instant,
    last_at: Instant,
    stood: Span,
}

impl ReasonInAll {
    fn words(&self) -> &'static str {
        self.reason.map_or("no instances", Reason::name)
    }

    fn sentence(&self) -> String {
        let what = match self.reason {
            Some(reason) => format!("the closest instance failed for {}", reason.name()),
            None => "there was no instance".to_owned(),
        };
        format!("{what} {}, {}", times(u64::from(self.attempts)), at_or_between(self.first_at, self.last_at))
    }
}

/// What each reason came to, in order of the first time that it was one.
fn reasons_of(rows: &[&PlacementRefusal]) -> Vec<ReasonInAll> {
    let mut reasons: Vec<ReasonInAll> = Vec::new();
    for row in rows {
        let reason = row.refusal.reason();
        match reasons.iter_mut().find(|it| it.reason == reason) {
            Some(it) => {
                it.attempts += row.attempts;
                it.last_at = it.last_at.max(row.last_at);
                it.stood += row.stood();
            }
            None => reasons.push(ReasonInAll {
                reason,
                attempts: row.attempts,
                first_at: row.first_at,
                last_at: row.last_at,
                stood: row.stood(),
            }),
        }
    }
    reasons
}

/// Who wanted a task, as ECS's events have it.
fn resource(run: &Run, launcher: Launcher) -> String {
    match launcher {
        Launcher::Service(_) => format!("service {}", run.scenario.launcher_name(launcher)),
        Launcher::RunTask(_) => {
            let group = run.scenario.launch(launcher).task_group;
            format!("task group {}", run.scenario.task_groups[group].name)
        }
    }
}

/// Standalone tasks that were given up before an instance was found.
fn given_up_of(run: &Run, launcher: Launcher) -> u64 {
    let Launcher::RunTask(run_task) = launcher else { return 0 };
    run.tasks.iter().filter(|it| it.run_task == Some(run_task.index()) && it.was_given_up()).count() as u64
}

/// What became of standalone tasks that found no instance in the end.
fn lost_of(run: &Run, launcher: Launcher) -> Option<String> {
    let Launcher::RunTask(run_task) = launcher else { return None };
    let failures = &run.run_task_totals[run_task.index()].failures;
    let of = |reason: &str| failures.get(reason).copied().unwrap_or(0);
    let (too_many, throttled) = (of(PROVISIONING_LIMIT), of(THROTTLED));
    let not_placed = failures.values().sum::<u64>() - too_many - throttled;
    let given_up = given_up_of(run, launcher);
    let said: Vec<String> = [
        (not_placed, "found no instance and {were} not started"),
        (given_up, "{were} given up in PROVISIONING"),
        (too_many, "{were} not taken while too many were in PROVISIONING"),
        (throttled, "{were} not started since their calls were throttled"),
    ]
    .into_iter()
    .filter(|it| it.0 > 0)
    .map(|(count, words)| {
        format!("{} {}", plural(count, "task"), words.replace("{were}", one_or_more(count, "was", "were")))
    })
    .collect();
    (!said.is_empty()).then(|| said.join(", "))
}

/// The paragraphs under the table of a scenario; empty where all tasks were placed at once. Of each variant the first
/// replication is told.
pub fn paragraphs(variants: &[Vec<&Run>]) -> String {
    let mut told: Vec<(Vec<&str>, Refused)> = Vec::new();
    for run in variants.iter().filter_map(|runs| runs.first()) {
        for one in refused(run) {
            let variant = run.scenario.variant.as_str();
            match told.iter_mut().find(|it| it.1.explanation == one.explanation && it.1.message == one.message) {
                Some((names, _)) => names.push(variant),
                None => told.push((vec![variant], one)),
            }
        }
    }
    if told.is_empty() {
        return String::new();
    }
    let mut text = "Tasks that found no instance (every attempt: placement_refusals.csv)\n".to_owned();
    let (mut explained, mut brief) = (0, 0);
    for (variants, one) in &told {
        let heading = format!("{}: {}", variants.join(", "), one.in_brief);
        if !one.is_brief && explained < EXPLAINED_MAXIMUM {
            explained += 1;
            wrap(&mut text, &heading, 2);
            wrap(&mut text, &format!("ECS: {}", one.message), 4);
            one.explanation[1..].iter().for_each(|it| wrap(&mut text, it, 4));
        } else if brief < BRIEF_MAXIMUM {
            brief += 1;
            wrap(&mut text, &heading, 2);
        }
    }
    let more = told.len() - explained - brief;
    if more > 0 {
        wrap(&mut text, &format!("and {}", plural(more, "more service")), 2);
    }
    text
}

/// The paragraphs under the table of a scenario about launches that Fargate refused; empty without any. Of each variant the first
/// replication is told.
pub fn fargate_paragraphs(variants: &[Vec<&Run>]) -> String {
    type Count = fn(&FargateMinute) -> u32;
    let mut told = Told::default();
    for run in variants.iter().filter_map(|runs| runs.first()) {
        for capacity in FargateCapacity::ALL {
            let rows = || run.fargate_minutes.iter().filter(move |it| it.capacity == capacity);
            let of = |refused: Count| {
                let hit: Vec<&FargateMinute> = rows().filter(|it| refused(it) > 0).collect();
                Some((hit.iter().map(|it| refused(it)).sum::<u32>(), hit.first()?.minute, hit.len() as u32))
            };
            let kinds: [(Count, FargateRefusal); 2] = [
                (|it| it.refused - it.without_capacity, FargateRefusal::VcpuQuota),
                (|it| it.without_capacity, FargateRefusal::NoCapacity),
            ];
            for (refused, reason) in kinds {
                let Some((launches, first, minutes)) = of(refused) else { continue };
                let most = rows().map(|it| it.vcpu).fold(0.0, f64::max);
                let quota = rows().map(|it| it.vcpu_quota).max().unwrap_or(0);
                let (name, at) = (capacity.provider_name(), Span::MINUTE * first);
                let launches =
                    format!("{} {}", number(f64::from(launches), 0), one_or_more(launches, "launch", "launches"));
                let mut paragraph = format!(
                    "{name} refused {launches} in {}, first at {at}. ECS: \"{}\"",
                    plural(minutes, "minute"),
                    reason.words()
                );
                if reason == FargateRefusal::VcpuQuota {
                    let setting = match capacity {
                        FargateCapacity::OnDemand => "fargateVcpuQuota",
                        FargateCapacity::Spot => "fargateSpotVcpuQuota",
                    };
                    paragraph += &format!(
                        " Up to {most} vCPUs of {quota} were in use; `{setting}` of `assumptions` is the quota of the account."
                    );
                }
                told.add(&run.scenario.variant, vec![paragraph]);
            }
        }
    }
    for run in variants.iter().filter_map(|runs| runs.first()) {
        let settings = "`fargateRunTaskCallsPerSecond` and `runTaskMaxAttempts` of `assumptions` say how many there \
                        may be, and how often each is made.";
        told_of_throttled(&mut told, run, true, settings);
    }
    told.under("Launches that Fargate refused (by minute: fargate.csv)")
}

/// A paragraph for each variant whose calls for tasks on instances were throttled.
pub fn throttled_paragraphs(variants: &[Vec<&Run>]) -> String {
    let mut told = Told::default();
    for run in variants.iter().filter_map(|runs| runs.first()) {
        let settings =
            "`clusterModifyBurst` and `clusterModifyCallsPerSecond` of `assumptions` say how many there may be.";
        told_of_throttled(&mut told, run, false, settings);
    }
    told.under("Calls that were throttled (by minute: run_tasks.csv)")
}

fn told_of_throttled<'r>(told: &mut Told<'r>, run: &'r Run, on_fargate: bool, settings: &str) {
    let scenario = &run.scenario;
    let is_meant = |it: usize| scenario.runs_on_fargate(Launcher::RunTask(Id::new(it))) == on_fargate;
    let rows = run.run_task_minutes.iter().filter(|it| it.throttled > 0 && is_meant(it.run_task));
    let throttled: Vec<&RunTaskMinute> = rows.collect();
    let Some(first) = throttled.first() else { return };
    let calls: u64 = throttled.iter().map(|it| it.throttled).sum();
    let totals = run.run_task_totals.iter().enumerate().filter(|it| is_meant(it.0));
    let lost: u64 = totals.filter_map(|it| it.1.failures.get(THROTTLED)).sum();
    let paragraph = format!(
        "calls of RunTask were throttled {}, first at {}, and {} {} not started in the end. ECS: \"{THROTTLED}\" {settings}",
        times(calls),
        Span::MINUTE * first.minute,
        plural(lost, "task"),
        one_or_more(lost, "was", "were"),
    );
    told.add(&scenario.variant, vec![paragraph]);
}

/// An amount of a countable resource, with its unit.
pub(super) fn amount(reason: Reason, count: u64) -> String {
    let count_text = number(count as f64, 0);
    match reason {
        Reason::Cpu => format!("{count_text} CPU units"),
        Reason::Memory => format!("{count_text} MiB"),
        Reason::NetworkInterface => plural(count, "network interface"),
        Reason::NeuronDevice => plural(count, "Neuron device"),
        _ => plural(count, "GPU"),
    }
}

/// What a refusal comes from and what follows from it, a sentence or two each.
fn explain(run: &Run, row: &PlacementRefusal) -> Vec<String> {
    let Some(explanation) = row.explanation.as_deref() else { return Vec::new() };
    let refusal = &row.refusal;
    let mut said = Vec::new();
    if !refusal.counts.is_empty() {
        let counts: Vec<String> =
            refusal.counts.iter().map(|(reason, count)| format!("{} {count}", reason.name())).collect();
        let asked = refusal.instances();
        let (at, asked) = (row.first_at, plural(asked, "instance"));
        said.push(format!("At {at}, of {asked}, by what each fails for first: {}.", counts.join(", ")));
    }
    if let Some(closest) = &refusal.closest
        && let Some(shortage) = closest.shortage
    {
        let lacks = |reason: Reason, it: &Shortage| {
            let (wanted, missing) = (amount(reason, u64::from(it.wanted)), number(f64::from(it.missing()), 0));
            let left = amount(reason, u64::from(it.left));
            format!("{left} left of {}, {wanted} wanted, {missing} too few", number(f64::from(it.registered), 0))
        };
        let mut text = format!("Closest is {}: {}", closest.instance, lacks(closest.reason, &shortage));
        for (reason, shortage) in &explanation.also_lacks {
            text += &format!("; and {}", lacks(*reason, shortage));
        }
        said.push(text + ".");
        said.extend(pieces(row, closest.reason, &shortage));
    }
    said.extend(other_causes(run, row, explanation));
    said.extend(remedies(run, row, explanation));
    said
}

/// What is left in all against what is left in one piece.
fn pieces(row: &PlacementRefusal, reason: Reason, shortage: &Shortage) -> Option<String> {
    let refusal = &row.refusal;
    let Left { in_all, largest_piece, largest_registered, instances_with_enough } = refusal.left_of(reason)?;
    // A DAEMON's task can use what its own instance has left only; of what no instance has at all nothing is fragmented.
    if refusal.usable < 2 || row.outcome == RefusalOutcome::WaitsForRoom || largest_registered < shortage.wanted {
        return None;
    }
    let wanted = shortage.wanted;
    let usable = plural(refusal.usable, "instance");
    Some(if in_all < u64::from(wanted) {
        format!("All {usable} that it may use have {} left together: they are full.", amount(reason, in_all))
    } else if largest_piece < wanted {
        format!(
            "All {usable} that it may use have {} left together, but no more than {} in one piece: what is free is \
             fragmented.",
            amount(reason, in_all),
            amount(reason, u64::from(largest_piece))
        )
    } else {
        let short =
            COUNTABLE.iter().zip(refusal.left.iter()).filter(|(_, it)| it.instances_with_enough < refusal.usable);
        let enough: Vec<String> = short
            .map(|(resource, it)| format!("{} with enough {}", it.instances_with_enough, resource.name()))
            .collect();
        match enough.len() {
            0 | 1 => format!(
                "Of {usable} that it may use {instances_with_enough} have enough {}, and lack something else.",
                reason.name()
            ),
            _ => format!("Of {usable} that it may use: {}, none with enough of everything.", enough.join(", ")),
        }
    })
}

/// What the reasons that cannot be counted come from.
fn other_causes(run: &Run, row: &PlacementRefusal, explanation: &RefusalExplanation) -> Vec<String> {
    let scenario = &run.scenario;
    let definition = &scenario.task_definitions[Id::new(row.task_definition)];
    let mut said = Vec::new();
    if !explanation.places_without_room.is_empty() {
        let each = explanation.places_without_room.iter().map(|(instance, reason, shortage)| {
            let short = shortage.map(|it| format!("{} short", amount(*reason, u64::from(it.missing()))));
            format!("{instance} ({})", short.unwrap_or_else(|| reason.name().to_owned()))
        });
        let each: Vec<String> = each.collect();
        let more = if each.len() < row.refusal.instances() as usize { ", ..." } else { "" };
        said.push(format!("Without its task: {}{more}.", each.join(", ")));
    }
    for taken in &explanation.ports {
        let protocol = match taken.protocol {
            Protocol::Tcp => "TCP",
            Protocol::Udp => "UDP",
        };
        let holder = match &taken.holder {
            Some((task, launcher)) => {
                format!(", on the first by (task {task}) of {}", scenario.launcher_words(*launcher))
            }
            None => " by the ECS agent".to_owned(),
        };
        said.push(format!(
            "{protocol} host port {} is taken on {}{holder}.",
            taken.port,
            plural(taken.instances, "instance")
        ));
    }
    for unmet in &explanation.expressions {
        let attributes: Vec<String> = unmet
            .attributes
            .iter()
            .map(|(name, values)| match values.len() {
                0 => format!("they have no attribute `{name}`"),
                _ => format!("their `{name}` is {}", values.join(", ")),
            })
            .collect();
        let but = if attributes.is_empty() { String::new() } else { format!(": {}", attributes.join("; ")) };
        said.push(format!(
            "The constraint `{}` does not select {}{but}.",
            unmet.expression,
            plural(unmet.instances, "instance")
        ));
    }
    if !explanation.with_own_task.is_empty() {
        let more = if explanation.with_own_task.len() < own_tasks(row) { ", ..." } else { "" };
        said.push(format!("A task of the service is there already: {}{more}.", explanation.with_own_task.join(", ")));
    }
    if let Some(wanted) = definition.cpu_architecture.filter(|_| !explanation.architectures.is_empty()) {
        let others: Vec<String> = explanation
            .architectures
            .iter()
            .map(|(it, count)| format!("{} {}", plural(*count, "instance"), it.as_str()))
            .collect();
        said.push(format!(
            "`{}` is for {} (attribute `ecs.cpu-architecture`), but {}.",
            definition.name(),
            wanted.as_str(),
            others.join(", ")
        ));
    }
    for (attribute, count) in &explanation.missing_attributes {
        let (needed_for, given_by) = capability::explained(attribute);
        said.push(format!(
            "`{}` requires the attribute `{attribute}` for {needed_for}, which {} {} not have: {given_by}.",
            definition.name(),
            plural(*count, "instance"),
            one_or_more(*count, "does", "do")
        ));
    }
    if !explanation.zones.is_empty() {
        let subnets: Vec<String> = scenario
            .launch(row.launcher)
            .network
            .subnets
            .iter()
            .map(|it| &scenario.subnets[*it])
            .map(|it| format!("{} in {}", it.name, scenario.availability_zones[it.availability_zone].name))
            .collect();
        let elsewhere: Vec<String> = explanation
            .zones
            .iter()
            .map(|(zone, count)| {
                format!("{} in {}", plural(*count, "instance"), scenario.availability_zones[Id::new(*zone)].name)
            })
            .collect();
        said.push(format!("The service's subnets are {}; {}.", subnets.join(", "), elsewhere.join(", ")));
    }
    said
}

fn own_tasks(row: &PlacementRefusal) -> usize {
    row.refusal.counts.get(&Reason::DistinctInstance).map_or(0, |it| *it as usize)
}

/// What would let the task be placed, as far as it follows from what is known.
fn remedies(run: &Run, row: &PlacementRefusal, explanation: &RefusalExplanation) -> Vec<String> {
    let scenario = &run.scenario;
    let definition = &scenario.task_definitions[Id::new(row.task_definition)];
    let mut said = Vec::new();
    if let Some(first) = explanation.moves.first() {
        let mut by_launcher: BTreeMap<Launcher, u32> = BTreeMap::new();
        explanation.moves.iter().for_each(|it| *by_launcher.entry(it.launcher).or_default() += 1);
        let tasks: Vec<String> = by_launcher
            .iter()
            .map(|(it, count)| format!("{} of `{}`", plural(*count, "task"), scenario.launcher_name(*it)))
            .collect();
        let mut to: Vec<&str> = explanation.moves.iter().map(|it| it.to.as_str()).collect();
        to.dedup();
        let resource = if row.refusal.reason() == Some(Reason::Cpu) { Resource::Cpu } else { Resource::Memory };
        let word = if resource == Resource::Cpu { "cpu" } else { "memory" };
        let packs = |launcher: Launcher| {
            scenario.launch(launcher).placement_strategy.first() == Some(&PlacementStrategy::Binpack(resource))
        };
        let loose = by_launcher.keys().filter(|it| !packs(**it));
        let loose: Vec<String> = loose.map(|it| format!("`{}`", scenario.launcher_name(*it))).collect();
        let how = if row.outcome == RefusalOutcome::WaitsForRoom {
            "ECS sets room aside for the tasks of DAEMON services, but moves no running task for them".to_owned()
        } else if loose.is_empty() {
            "they are packed already, and ECS moves no task: `forceNewDeployment` places them anew".to_owned()
        } else {
            format!(
                "{} is not packed (`binpack` by `{word}` keeps such room together), and ECS moves no running task",
                loose.join(" and ")
            )
        };
        said.push(format!(
            "It would fit on {} if {} stood on {}: {how}.",
            first.from,
            tasks.join(" and "),
            to.join(", ")
        ));
    }
    if let Some(reason) = row.refusal.reason() {
        said.extend(remedy_of(reason, run, row, explanation));
    }
    for group in &explanation.groups {
        let definition_of_group = &scenario.auto_scaling_groups[Id::new(group.group)];
        let name = &definition_of_group.name;
        if let Some((count, failure)) = group.not_registered {
            said.push(format!(
                "{} of `{name}` {} in service and never registered with the cluster: {} ({}). No task goes there.",
                plural(count, "instance"),
                one_or_more(count, "is", "are"),
                failure.cause(),
                failure.words()
            ));
        }
        let need = row.overrides.reservation(definition.reservation());
        let types = || definition_of_group.types().zip(&group.types);
        let able: Vec<&str> = types().filter(|it| it.1.lacks.is_none()).map(|it| it.0.name.as_str()).collect();
        if able.is_empty() {
            said.extend(types().map(|(kind, found)| {
                let lacks = found.lacks.expect("none of them would hold it");
                never_holds(definition_of_group, kind, (lacks, &found.empty), (definition, &need)) + "."
            }));
            continue;
        }
        let kind = able.join(" or ");
        let text = match group.never_grown_for {
            Some(lacks) => {
                let all: Vec<&str> = definition_of_group.types().map(|it| it.name.as_str()).collect();
                format!(
                    "A new {kind} would hold it, but managed scaling never grows `{name}` for it: it asks whether the task fits \
                     the least that any of {} has of each resource, and that {}",
                    all.join(", "),
                    lacks.words()
                )
            }
            None if group.booting > 0 => {
                let boots = one_or_more(group.booting, "boots", "boot");
                format!("{} of `{name}` {boots}, and an empty {kind} would hold it", plural(group.booting, "instance"))
            }
            None if group.missing > 0 => {
                let instances = plural(group.missing, "instance");
                let why = match group.launch_failure.trim_end_matches('.') {
                    "" => format!(
                        "and `{name}` is about to launch it: it has {instances} fewer than its desired capacity"
                    ),
                    failure => format!("but `{name}` cannot launch the {instances} that it wants: {failure}"),
                };
                format!("A new {kind} would hold it, {why}")
            }
            None if group.desired_capacity >= group.max_size => {
                format!("A new {kind} would hold it, but `{name}` is at its MaxSize of {}", group.max_size)
            }
            None if row.outcome == RefusalOutcome::WaitsInProvisioning && definition_of_group.has_weights() => format!(
                "A new {kind} of `{name}` would hold it, but managed scaling sets a number of instances as the desired capacity \
                 (now {}), which the group takes for units of its weights",
                group.desired_capacity
            ),
            None if row.outcome == RefusalOutcome::WaitsInProvisioning => {
                format!("A new {kind} of `{name}` would hold it, for which its capacity provider is there")
            }
            None => format!(
                "A new {kind} would hold it, but nothing makes `{name}` launch one (desired capacity {} of at most {}): {} \
                 has no capacity provider with managed scaling",
                group.desired_capacity,
                group.max_size,
                scenario.launcher_words(row.launcher)
            ),
        };
        said.push(text + ".");
    }
    said
}

/// Why no instance of a type that a group launches could ever hold a task.
fn never_holds(
    group: &AutoScalingGroup,
    kind: &InstanceType,
    (lacks, registered): (Reason, &RegisteredResources),
    (definition, need): (&TaskDefinition, &Reservation),
) -> String {
    let (name, type_name) = (&group.name, &kind.name);
    let whole = group.registered_resources(kind);
    let is_whole = (registered.cpu_units, registered.memory_mib) == (whole.cpu_units, whole.memory_mib);
    let but = if is_whole { "" } else { " besides its DAEMON tasks" };
    match lacks {
        Reason::Cpu => format!(
            "No {type_name} of `{name}` could ever hold it: it has {}{but}, and {} are wanted",
            amount(Reason::Cpu, u64::from(registered.cpu_units)),
            number(f64::from(need.cpu_units), 0)
        ),
        Reason::Memory => format!(
            "No {type_name} of `{name}` could ever hold it: of its {} GiB it has {}{but}, and {} are wanted",
            kind.memory_gib,
            amount(Reason::Memory, u64::from(registered.memory_mib)),
            number(f64::from(need.memory_mib), 0)
        ),
        Reason::Gpu => format!(
            "No {type_name} of `{name}` could ever hold it: it has {}, and {} are wanted",
            amount(Reason::Gpu, u64::from(registered.gpus)),
            need.gpus
        ),
        Reason::NeuronDevice => format!(
            "No {type_name} of `{name}` could ever hold it: it has {}, and {} are wanted",
            amount(Reason::NeuronDevice, u64::from(registered.neuron_devices)),
            need.neuron_devices
        ),
        Reason::Attribute if definition.cpu_architecture.is_none_or(|it| it == kind.cpu_architecture) => {
            let missing: Vec<&str> = group.missing_attributes(definition).collect();
            format!("No {type_name} of `{name}` could ever hold it: it lacks {}", missing.join(", "))
        }
        Reason::Attribute => {
            format!("No {type_name} of `{name}` could ever hold it: that is {}", kind.cpu_architecture.as_str())
        }
        Reason::AvailabilityZone => {
            format!("No instance of `{name}` could ever hold it: it launches in no zone of the service's subnets")
        }
        Reason::MemberOf => format!("No {type_name} that `{name}` launches would be selected by the constraints"),
        reason => format!("No {type_name} of `{name}` could ever hold it: it {}", reason.words()),
    }
}

/// Types of the same architecture, vCPUs and memory that support `awsvpcTrunking`, with the tasks that they hold then.
fn alike_with_trunk(kind: &InstanceType) -> Vec<String> {
    let is_alike = |it: &InstanceType| {
        let of = |it: &InstanceType| (it.vcpu, it.cpu_architecture, it.gpus, it.neuron_devices);
        of(it) == of(kind) && it.memory_gib == kind.memory_gib && it.has_trunk(true)
    };
    let alike = instance_type::names().filter_map(instance_type::find).filter(is_alike);
    alike.take(3).map(|it| format!("{} ({} tasks)", it.name, it.awsvpc_tasks(true))).collect()
}

/// What follows from the reason that the closest instance fails for.
fn remedy_of(reason: Reason, run: &Run, row: &PlacementRefusal, explanation: &RefusalExplanation) -> Vec<String> {
    let scenario = &run.scenario;
    let definition = &scenario.task_definitions[Id::new(row.task_definition)];
    let lets_go_first = |what: &str| {
        explanation.old_tasks_stay.then(|| {
            format!("{what} is free once an old task of the deployment stops, which `minimumHealthyPercent: 100` lets happen last")
        })
    };
    let mut said = Vec::new();
    match reason {
        Reason::Port => {
            said.push("A static host port is there once an instance: `hostPort: 0` or network mode `awsvpc` lets several tasks stand on one".to_owned());
            let is_own = |holder: &Option<(String, Launcher)>| holder.as_ref().is_some_and(|it| it.1 == row.launcher);
            if explanation.ports.iter().any(|it| is_own(&it.holder)) {
                said.extend(lets_go_first("The port"));
            }
        }
        Reason::TooManyPorts => said.push(format!("An instance holds {PORTS_MAXIMUM} static host ports, the agent's five among them; dynamic ones do not count")),
        Reason::NetworkInterface => {
            for group in &explanation.groups {
                let group = &scenario.auto_scaling_groups[Id::new(group.group)];
                said.extend(group.types().map(|kind| {
                    let (without, with) = (kind.awsvpc_tasks(false), kind.awsvpc_tasks(true));
                    let of = |count: u32| amount(Reason::NetworkInterface, u64::from(count));
                    if group.has_trunk(kind) {
                        return format!("With its trunk a {} has {} for tasks", kind.name, of(with));
                    }
                    if with > without {
                        return format!("A {} has {} for tasks, and {with} with `awsvpcTrunking`", kind.name, of(without));
                    }
                    let alike = alike_with_trunk(kind);
                    let others = match alike.is_empty() {
                        true => String::new(),
                        false => format!("; types of its size that can: {}", alike.join(", ")),
                    };
                    format!("A {} has {} for tasks, and cannot have a trunk{others}", kind.name, of(without))
                }));
            }
            if definition.network_mode == NetworkMode::Awsvpc {
                let other = if definition.operating_system_family.is_windows() { "default" } else { "bridge" };
                said.push(format!("In network mode `{other}` tasks need none"));
            }
        }
        Reason::DistinctInstance => {
            said.push("`distinctInstance` takes as many instances as tasks, those of an older deployment included".to_owned());
            said.extend(lets_go_first("An instance"));
        }
        Reason::Attribute if explanation.architectures.is_empty() => {}
        Reason::Attribute => said.push("`runtimePlatform.cpuArchitecture` and the instance type must agree".to_owned()),
        Reason::AvailabilityZone => said.push("`networkConfiguration` needs a subnet in a zone with instances, or the group a zone with a subnet".to_owned()),
        _ => {}
    }
    said.into_iter().map(|it| it + ".").collect()
}
