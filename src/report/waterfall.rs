//! The time-to-capacity waterfall of each scale-out: where the time went from more load to more tasks.

use plotters::coord::Shift;
use plotters::prelude::*;
use serde::Serialize;

use crate::report::chart::{PALETTE, draw, note, sheet, swatch, tint};
use crate::report::comparison::number;
use crate::report::words::Told;
use crate::run::{Run, ScaleOut, TaskLife};
use crate::table::Id;
use crate::units::{Instant, Span};

/// Columns of `waterfall.csv`.
pub(super) const COLUMNS: &str =
    "scale_out service policy from_count to_count task stage from_s until_s seconds since_begin_s detail";

/// Scale-outs that the chart has room for.
const SHOWN_MAXIMUM: usize = 16;

/// A stage on the way from more load to more tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// What is left of the period in which the load rose, whose mean is not beyond the target yet.
    RestOfPeriod,
    /// The periods that breach.
    Datapoints,
    /// Until CloudWatch has the last of them.
    Publication,
    /// Until the alarm looks.
    Evaluation,
    /// Until the policy sets the desired count: at once, or when a cooldown lets it.
    Policy,
    /// Until the service scheduler starts tasks.
    Scheduler,
    /// Until the group of the capacity provider launches an instance for them.
    CapacityProvider,
    /// Until that instance has registered.
    InstanceBoot,
    /// Until a place is found.
    Placement,
    /// Until the image is pulled: the agent takes the task up, a network interface is attached.
    TakeUp,
    /// The image is pulled.
    ImagePull,
    /// The containers start.
    ContainerStart,
    /// Until the task counts as healthy, and gets requests.
    Health,
}

impl Stage {
    /// All, in their order.
    pub const ALL: [Stage; 13] = [
        Stage::RestOfPeriod,
        Stage::Datapoints,
        Stage::Publication,
        Stage::Evaluation,
        Stage::Policy,
        Stage::Scheduler,
        Stage::CapacityProvider,
        Stage::InstanceBoot,
        Stage::Placement,
        Stage::TakeUp,
        Stage::ImagePull,
        Stage::ContainerStart,
        Stage::Health,
    ];

    /// As columns name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::RestOfPeriod => "rest-of-period",
            Stage::Datapoints => "datapoints",
            Stage::Publication => "publication",
            Stage::Evaluation => "evaluation",
            Stage::Policy => "policy",
            Stage::Scheduler => "scheduler",
            Stage::CapacityProvider => "capacity-provider",
            Stage::InstanceBoot => "instance-boot",
            Stage::Placement => "placement",
            Stage::TakeUp => "take-up",
            Stage::ImagePull => "image-pull",
            Stage::ContainerStart => "container-start",
            Stage::Health => "health",
        }
    }

    /// Of alarms in blue, of the cluster in warm colours, of the task in green.
    fn colour(self) -> RGBColor {
        let (colour, strength) = match self {
            Stage::RestOfPeriod => (7, 0.5),
            Stage::Datapoints => (0, 1.0),
            Stage::Publication => (4, 1.0),
            Stage::Evaluation => (6, 1.0),
            Stage::Policy => (3, 1.0),
            Stage::Scheduler => (7, 1.0),
            Stage::CapacityProvider => (1, 1.0),
            Stage::InstanceBoot => (5, 1.0),
            Stage::Placement => (1, 0.45),
            Stage::TakeUp => (5, 0.45),
            Stage::ImagePull => (2, 0.45),
            Stage::ContainerStart => (2, 0.7),
            Stage::Health => (2, 1.0),
        };
        tint(PALETTE[colour], strength)
    }
}

/// A stage with when it was.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Which.
    pub stage: Stage,
    /// Since when.
    pub from: Instant,
    /// Until when.
    pub until: Instant,
    /// More of it.
    pub detail: String,
}

/// A scale-out with what became of it.
#[derive(Debug)]
pub struct Waterfall<'r> {
    /// The scale-out.
    pub scale_out: &'r ScaleOut,
    /// When the load rose, or the first breaching period began.
    pub began_at: Instant,
    /// The steps until the desired count was set.
    pub decision: Vec<Step>,
    /// The steps of the new task that ran first.
    pub first: Vec<Step>,
    /// The steps of the new task that ran last.
    pub last: Vec<Step>,
}

impl Waterfall<'_> {
    /// From the rise of the load until the desired count was set.
    pub fn until_decision(&self) -> Span {
        self.scale_out.decided_at.since(self.began_at)
    }

    /// When a task got so far that it ran; `None` where it did not.
    pub fn running_at(steps: &[Step]) -> Option<Instant> {
        steps.iter().find(|it| it.stage == Stage::ContainerStart).map(|it| it.until)
    }
}

/// The waterfall of each scale-out, in order of time.
pub fn waterfalls(run: &Run) -> Vec<Waterfall<'_>> {
    let scale_outs = &run.service_scale_outs;
    scale_outs
        .iter()
        .enumerate()
        .map(|(place, scale_out)| {
            let next = scale_outs[place + 1..].iter().find(|it| it.service == scale_out.service);
            let until = next.map_or(Instant::NEVER, |it| it.decided_at);
            let is_new = |it: &&TaskLife| scale_out.may_bring(it) && it.created_at < until;
            let mut tasks: Vec<&TaskLife> = run.tasks.iter().filter(is_new).collect();
            tasks.truncate((scale_out.to - scale_out.from) as usize);
            // Of tasks that ran at the same instant the one that first got requests comes first.
            let runs_at =
                |it: &&&TaskLife| (it.running_at.unwrap_or(Instant::NEVER), it.healthy_at.unwrap_or(Instant::NEVER));
            let steps = |task: Option<&&TaskLife>| task.map_or(Vec::new(), |it| steps_of(run, scale_out, it));
            Waterfall {
                scale_out,
                began_at: scale_out.began_at(),
                decision: decision_steps(scale_out),
                first: steps(tasks.iter().min_by_key(runs_at)),
                last: steps(tasks.iter().max_by_key(runs_at)),
            }
        })
        .collect()
}

fn decision_steps(it: &ScaleOut) -> Vec<Step> {
    let step = |stage, from, until, detail: String| Step { stage, from, until, detail };
    let seconds = it.period.as_seconds();
    let mut steps = Vec::new();
    if let Some(rose_at) = it.load_rose_at.filter(|rose_at| *rose_at < it.first_period_began) {
        let detail = format!("of {seconds} s, whose mean is not beyond the target yet");
        steps.push(step(Stage::RestOfPeriod, rose_at, it.first_period_began, detail));
    }
    let detail = format!("{} of {seconds} s beyond the target", it.datapoints);
    let begins = it.load_rose_at.map_or(it.first_period_began, |rose_at| rose_at.max(it.first_period_began));
    steps.push(step(Stage::Datapoints, begins, it.last_period_ended, detail));
    let detail = "until CloudWatch has the last of them".to_owned();
    steps.push(step(Stage::Publication, it.last_period_ended, it.readable_at, detail));
    let detail = format!("until {} is evaluated", it.alarm);
    steps.push(step(Stage::Evaluation, it.readable_at, it.alarm_at, detail));
    let detail = if it.decided_at > it.alarm_at { "until the policy could act again" } else { "acts at once" };
    steps.push(step(Stage::Policy, it.alarm_at, it.decided_at, detail.to_owned()));
    steps
}

fn steps_of(run: &Run, scale_out: &ScaleOut, task: &TaskLife) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut at = scale_out.decided_at;
    let mut reach = |stage, until: Option<Instant>, detail: String| {
        let Some(until) = until.filter(|until| *until >= at) else { return };
        steps.push(Step { stage, from: at, until, detail });
        at = until;
    };
    reach(Stage::Scheduler, Some(task.created_at), "until the service scheduler starts tasks".to_owned());
    let instance = task.instance.map(|it| &run.instances[it]);
    if let Some(instance) = instance.filter(|it| it.launched_at > task.created_at) {
        let detail = format!("until {} launches {}", instance.auto_scaling_group, instance.name);
        reach(Stage::CapacityProvider, Some(instance.launched_at), detail);
        let detail = format!("{}, {}", instance.name, instance.instance_type);
        reach(Stage::InstanceBoot, instance.registered_at, detail);
    }
    let on = match (instance, &task.capacity_provider) {
        (Some(instance), _) => format!("on {}", instance.name),
        (None, Some(provider)) => format!("on {provider}"),
        (None, None) => String::new(),
    };
    reach(Stage::Placement, task.placed_at, on);
    let take_up = "until it is taken up and has its network";
    reach(Stage::TakeUp, task.pull_started_at, take_up.to_owned());
    reach(Stage::ImagePull, task.pulled_at, "until its images are pulled".to_owned());
    reach(Stage::ContainerStart, task.running_at, "until its containers run".to_owned());
    reach(Stage::Health, task.healthy_at, "until it counts as healthy, and gets requests".to_owned());
    steps
}

/// A row of `waterfall.csv`.
#[derive(Serialize)]
pub(super) struct WaterfallRow<'a> {
    scale_out: usize,
    service: &'a str,
    policy: &'a str,
    from_count: u32,
    to_count: u32,
    task: &'static str,
    stage: &'static str,
    from_s: f64,
    until_s: f64,
    seconds: f64,
    since_begin_s: f64,
    detail: String,
}

/// The rows of `waterfall.csv`.
pub(super) fn rows(run: &Run) -> Vec<WaterfallRow<'_>> {
    let mut rows = Vec::new();
    for (place, waterfall) in waterfalls(run).into_iter().enumerate() {
        let it = waterfall.scale_out;
        let began_at = waterfall.began_at;
        let parts = [("", waterfall.decision), ("first", waterfall.first), ("last", waterfall.last)];
        for (task, step) in parts.into_iter().flat_map(|(task, steps)| steps.into_iter().map(move |it| (task, it))) {
            rows.push(WaterfallRow {
                scale_out: place + 1,
                service: &run.scenario.services[Id::new(it.service)].name,
                policy: &it.policy,
                from_count: it.from,
                to_count: it.to,
                task,
                stage: step.stage.as_str(),
                from_s: step.from.as_seconds(),
                until_s: step.until.as_seconds(),
                seconds: step.until.since(step.from).as_seconds(),
                since_begin_s: step.until.since(began_at).as_seconds(),
                detail: step.detail,
            });
        }
    }
    rows
}

fn seconds(span: Span) -> String {
    number(span.as_seconds(), if span.0.is_multiple_of(Span::SECOND.0) { 0 } else { 1 })
}

/// A scale-out in one line: how long each stage took that took any time, and how long all of it.
fn in_short(run: &Run, waterfall: &Waterfall<'_>) -> String {
    let it = waterfall.scale_out;
    let parts = |steps: &[Step]| {
        // What a task does before it runs; its health checks are told by themselves.
        let long = steps.iter().filter(|it| it.until > it.from && it.stage != Stage::Health);
        let parts: Vec<String> =
            long.map(|it| format!("{} {}", seconds(it.until.since(it.from)), it.stage.as_str())).collect();
        parts.join(" + ")
    };
    let begins =
        if it.load_rose_at.is_some() { "the load rose" } else { "the first datapoint beyond the target began" };
    let mut text = format!(
        "{}, {} to {} tasks at {}: {} s after {begins} ({})",
        run.scenario.services[Id::new(it.service)].name,
        it.from,
        it.to,
        it.decided_at,
        seconds(waterfall.until_decision()),
        parts(&waterfall.decision)
    );
    let runs = |steps: &[Step]| Waterfall::running_at(steps).map(|at| at.since(it.decided_at));
    if let Some(first) = runs(&waterfall.first) {
        text += &format!("; the first new task ran {} s later ({})", seconds(first), parts(&waterfall.first));
        if let Some(last) = runs(&waterfall.last).filter(|last| *last > first) {
            text += &format!(", the last {} s later ({})", seconds(last), parts(&waterfall.last));
        }
    }
    if let Some(health) = waterfall.first.iter().find(|it| it.stage == Stage::Health) {
        let (took, after) = (health.until.since(health.from), health.until.since(waterfall.began_at));
        text += &format!(
            "; healthy after {} s more, the first got requests {} s after {begins}",
            seconds(took),
            seconds(after)
        );
    }
    text
}

/// The first scale-out of each variant in a line.
pub fn paragraphs(variants: &[Vec<&Run>]) -> String {
    let mut told = Told::default();
    for run in variants.iter().filter_map(|runs| runs.first()) {
        let waterfalls = waterfalls(run);
        let Some(first) = waterfalls.first() else { continue };
        told.add(&run.scenario.variant, vec![in_short(run, first) + "."]);
    }
    told.under(
        "From load to capacity: where the seconds of the first scale-out went (all: waterfall.csv, `plimsoll explain`)",
    )
}

/// Every scale-out of a run, a line for each stage.
pub fn explained(run: &Run) -> Vec<String> {
    let mut lines = Vec::new();
    for waterfall in waterfalls(run) {
        let it = waterfall.scale_out;
        lines.push(format!(
            "{} {}: {} to {} tasks, by policy {}",
            it.decided_at,
            run.scenario.services[Id::new(it.service)].name,
            it.from,
            it.to,
            it.policy
        ));
        let told = |steps: &[Step]| -> Vec<String> {
            let taken = steps.iter().filter(|it| it.until > it.from);
            let line = |step: &Step| {
                let since = seconds(step.until.since(waterfall.began_at));
                let took = seconds(step.until.since(step.from));
                let line = format!("  {since:>7} s  {:<18}{took:>7} s  {}", step.stage.as_str(), step.detail);
                line.trim_end().to_owned()
            };
            taken.map(line).collect()
        };
        lines.extend(told(&waterfall.decision));
        lines.extend(told(&waterfall.first));
        if Waterfall::running_at(&waterfall.last) > Waterfall::running_at(&waterfall.first) {
            lines.push("  and the task that ran last:".to_owned());
            lines.extend(told(&waterfall.last));
        }
    }
    lines
}

/// A bar for each scale-out with its stages, from the rise of the load until its first new task gets requests.
pub(super) fn chart(run: &Run) -> Vec<u8> {
    let waterfalls = waterfalls(run);
    let shown = waterfalls.len().min(SHOWN_MAXIMUM);
    let words = |it: &Waterfall<'_>| {
        let name = &run.scenario.services[Id::new(it.scale_out.service)].name;
        format!("{} {name}: {} to {}", it.scale_out.decided_at, it.scale_out.from, it.scale_out.to)
    };
    let bars: Vec<(String, &Waterfall<'_>)> = waterfalls[..shown].iter().map(|it| (words(it), it)).collect();
    let more = waterfalls.len() - shown;
    let Some(first) = waterfalls.first() else { return Vec::new() };
    let steps: Vec<&Step> = first.decision.iter().chain(&first.first).filter(|it| it.until > it.from).collect();
    let height = height_of(bars.len()) + (ROW * (steps.len() as i32 + 3)) as u32;
    draw(run, TITLE, height, |area| {
        draw_bars(area, &bars, more);
        draw_steps(area, first, &steps, TOP + (BAR + GAP) * bars.len() as i32 + 36 + 2 * ROW);
    })
}

/// Whether several variants have scale-outs, so that it is worth seeing the first of each beside the others.
///
/// `variants` are the runs of each variant, as for the table of all figures.
pub fn compares_scale_outs(variants: &[Vec<&Run>]) -> bool {
    variants.iter().filter(|runs| runs.first().is_some_and(|run| !run.service_scale_outs.is_empty())).count() > 1
}

/// A bar for the first scale-out of each variant.
pub fn chart_of_variants(variants: &[Vec<&Run>]) -> Vec<u8> {
    let runs: Vec<&Run> = variants.iter().filter_map(|runs| runs.first().copied()).collect();
    let Some(one) = runs.first() else { return Vec::new() };
    let of_runs: Vec<(&Run, Vec<Waterfall<'_>>)> = runs.iter().map(|run| (*run, waterfalls(run))).collect();
    let first = |(run, waterfalls): &'_ (&Run, Vec<Waterfall<'_>>)| {
        waterfalls.first().map(|it| format!("{}: {} to {}", run.scenario.variant, it.scale_out.from, it.scale_out.to))
    };
    let bars: Vec<(String, &Waterfall<'_>)> =
        of_runs.iter().filter_map(|it| Some((first(it)?, it.1.first()?))).take(SHOWN_MAXIMUM).collect();
    let subtitle = format!("{}  ·  the first scale-out of each variant", one.scenario.name);
    sheet(TITLE, subtitle, height_of(bars.len()), |area| draw_bars(area, &bars, 0))
}

const TITLE: &str = "From load to capacity: where the seconds went";
const BAR: i32 = 26;
const GAP: i32 = 18;
const TOP: i32 = 74;
/// Of the list of steps.
const ROW: i32 = 21;

fn height_of(bars: usize) -> u32 {
    (62 + TOP + (BAR + GAP) * bars as i32 + 56) as u32
}

/// A bar for each scale-out, and in how many words more there are.
fn draw_bars(area: &DrawingArea<SVGBackend<'_>, Shift>, bars: &[(String, &Waterfall<'_>)], more: usize) {
    let whole = |it: &Waterfall<'_>| it.first.last().map_or(it.until_decision(), |last| last.until.since(it.began_at));
    let most = bars.iter().map(|it| whole(it.1)).max().unwrap_or(Span::MINUTE).as_seconds().max(1.0);
    let (left, width) = (250, 750);
    let drawn = "an SVG in memory can be drawn";
    let (mut at, mut line) = (24, 14);
    for stage in Stage::ALL {
        let is_there = |it: &Waterfall<'_>| {
            it.decision.iter().chain(&it.first).any(|step| step.stage == stage && step.until > step.from)
        };
        if !bars.iter().any(|it| is_there(it.1)) {
            continue;
        }
        let room = 44 + 8 * stage.as_str().chars().count() as i32;
        if at + room > 1060 {
            (at, line) = (24, line + 24);
        }
        swatch(area, stage.as_str(), stage.colour(), (at, line));
        at += room;
    }
    let x = |seconds: f64| left + (seconds / most * f64::from(width)).round() as i32;
    let lower = TOP + (BAR + GAP) * bars.len() as i32;
    let step = [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0];
    let step = step.into_iter().find(|it| most / it <= 14.0).unwrap_or(7200.0);
    let mut tick = 0.0;
    while tick <= most {
        let ends = [(x(tick), TOP - 6), (x(tick), lower)];
        area.draw(&PathElement::new(ends, RGBColor(232, 235, 239))).expect(drawn);
        note(area, &format!("{} s", number(tick, 0)), (x(tick) - 12, lower + 12), false);
        tick += step;
    }
    for (place, (words, waterfall)) in bars.iter().enumerate() {
        let upper = TOP + (BAR + GAP) * place as i32;
        note(area, words, (left - 10, upper + BAR / 2), true);
        for step in waterfall.decision.iter().chain(&waterfall.first) {
            let corner = |at: Instant| x(at.since(waterfall.began_at).as_seconds());
            let corners = [(corner(step.from), upper), (corner(step.until), upper + BAR)];
            if corners[1].0 > corners[0].0 {
                area.draw(&Rectangle::new(corners, step.stage.colour().filled())).expect(drawn);
            }
            if corners[1].0 - corners[0].0 > 34 {
                let words = seconds(step.until.since(step.from));
                note(area, &words, (corners[0].0 + 2, upper - 9), false);
            }
        }
        let decided = x(waterfall.until_decision().as_seconds());
        let mark = [(decided, upper - 5), (decided, upper + BAR + 5)];
        area.draw(&PathElement::new(mark, BLACK.stroke_width(2))).expect(drawn);
        let (until, whole) = (waterfall.until_decision().as_seconds(), whole(waterfall).as_seconds());
        let words = format!("{} + {} s", number(until, 0), number(whole - until, 0));
        note(area, &words, (x(whole) + 8, upper + BAR / 2), false);
    }
    let mut words =
        "seconds since the load rose; the mark is where the desired count was set, to the right: before it and after it"
            .to_owned();
    if more > 0 {
        words += &format!("; {more} more in waterfall.csv");
    }
    note(area, &words, (left, lower + 36), false);
}

/// The steps of a scale-out, a line each: when it began, what it was, how long it took, and the seconds since the load rose.
fn draw_steps(area: &DrawingArea<SVGBackend<'_>, Shift>, waterfall: &Waterfall<'_>, steps: &[&Step], upper: i32) {
    let it = waterfall.scale_out;
    let title = format!("Second by second, {} to {} tasks at {}:", it.from, it.to, it.decided_at);
    note(area, &title, (24, upper), false);
    for (place, step) in steps.iter().enumerate() {
        let line = upper + ROW * (place as i32 + 1) + 4;
        note(area, &step.from.to_string(), (24, line), false);
        swatch(area, step.stage.as_str(), step.stage.colour(), (100, line));
        let (took, since) = (step.until.since(step.from), step.until.since(waterfall.began_at));
        note(area, &format!("{} s", seconds(took)), (320, line), true);
        note(area, &format!("to {} s", seconds(since)), (410, line), true);
        note(area, &step.detail, (436, line), false);
    }
}
