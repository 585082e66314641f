//! What it costs that tasks need not wait for instances: the variants of a scenario side by side.

use plotters::prelude::*;

use crate::report::chart::{PALETTE, note, sheet, swatch, tint};
use crate::report::comparison::{interval, number};
use crate::run::{Run, quantile};

/// Whether a scenario's variants scale groups for tasks that wait, so that it is worth comparing how long and at what cost.
///
/// `variants` are the runs of each variant, as for the table of all figures.
pub fn compares_waits(variants: &[Vec<&Run>]) -> bool {
    let has_waits = |run: &Run| run.scenario.has_managed_scaling() && wait(run, 1.0) > Some(0.0);
    variants.iter().filter(|runs| !runs.is_empty()).count() > 1
        && variants.iter().filter_map(|runs| runs.first()).any(|run| has_waits(run))
}

/// How long this share of the tasks waited at most for an instance, seconds; `None` where none could wait.
pub(super) fn wait(run: &Run, share: f64) -> Option<f64> {
    quantile(&run.waits_for_instances(|_| true), share)
}

/// Tasks that waited for an instance at all; `None` where none could wait.
pub(super) fn waited(run: &Run) -> Option<f64> {
    let waits = run.waits_for_instances(|_| true);
    (!waits.is_empty()).then(|| waits.iter().filter(|it| **it > 0.0).count() as f64)
}

fn share_that_waited(run: &Run) -> Option<f64> {
    let waits = run.waits_for_instances(|_| true);
    let waited = waits.iter().filter(|it| **it > 0.0).count();
    (!waits.is_empty()).then(|| 100.0 * waited as f64 / waits.len() as f64)
}

/// A row for each variant: how many tasks and how long tasks waited for instances, and beside it what the run cost.
pub fn chart(variants: &[Vec<&Run>]) -> Vec<u8> {
    const LEFT: i32 = 190;
    const WIDTH: i32 = 330;
    const DOLLARS: i32 = 650;
    const WIDTH_OF_DOLLARS: i32 = 330;
    const BAR: i32 = 13;
    const EACH: i32 = 46;
    let variants: Vec<&Vec<&Run>> = variants.iter().filter(|runs| !runs.is_empty()).collect();
    let Some(first) = variants.first().map(|runs| runs[0]) else { return Vec::new() };
    let values = |runs: &[&Run], of: &dyn Fn(&Run) -> Option<f64>| -> Vec<f64> {
        runs.iter().filter_map(|run| of(run)).collect()
    };
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let usd = |run: &Run| Some(run.cost.total_usd());
    let of_all = |of: &dyn Fn(&Run) -> Option<f64>| {
        variants.iter().map(|runs| mean(&values(runs, of))).fold(0.0, f64::max).max(1e-9)
    };
    let (longest, dearest) = (of_all(&|run| wait(run, 0.99)), of_all(&usd));
    let runs = match variants[0].len() {
        1 => "one run each".to_owned(),
        several => format!("means of {several} runs each, with 95 % intervals"),
    };
    let hours = first.simulated.as_hours();
    let hours = number(hours, if hours.fract() < 0.05 { 0 } else { 1 });
    let subtitle = format!(
        "{}  ·  {runs}  ·  what got no instance waited until it was given up, or to the end",
        first.scenario.name
    );
    let height = 62 + 60 + EACH * variants.len() as i32 + 16;
    sheet("Waiting for an instance, and what not waiting costs", subtitle, height as u32, |area| {
        let (p95, p99, money) = (PALETTE[0], tint(PALETTE[0], 0.45), PALETTE[5]);
        swatch(area, "95 of 100 tasks waited at most, s", p95, (24, 14));
        swatch(area, "99 of 100", p99, (300, 14));
        swatch(area, &format!("total of these {hours} h, $"), money, (DOLLARS - 26, 14));
        for (place, runs) in variants.iter().enumerate() {
            let upper = 44 + EACH * place as i32;
            note(area, &runs[0].scenario.variant, (LEFT - 12, upper + BAR / 2), true);
            let shares = values(runs, &share_that_waited);
            if !shares.is_empty() {
                note(area, &format!("{} % waited", number(mean(&shares), 0)), (LEFT - 12, upper + BAR + BAR / 2), true);
            }
            for (line, share, colour) in [(0, 0.95, p95), (1, 0.99, p99)] {
                let of_runs = values(runs, &|run| wait(run, share));
                let from = upper + line * (BAR + 1);
                bar(area, (LEFT, from), f64::from(WIDTH) * mean(&of_runs) / longest, BAR, colour);
                let end = LEFT + (f64::from(WIDTH) * mean(&of_runs) / longest).round() as i32;
                note(area, &interval(&of_runs, 0), (end + 8, from + BAR / 2), false);
            }
            let of_runs = values(runs, &usd);
            let length = f64::from(WIDTH_OF_DOLLARS) * mean(&of_runs) / dearest;
            bar(area, (DOLLARS, upper), length, 2 * BAR + 1, money);
            note(area, &interval(&of_runs, 2), (DOLLARS + length.round() as i32 + 8, upper + BAR), false);
        }
    })
}

fn bar(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    (x, y): (i32, i32),
    length: f64,
    thickness: i32,
    colour: RGBColor,
) {
    let corners = [(x, y), (x + length.round().max(1.0) as i32, y + thickness)];
    area.draw(&Rectangle::new(corners, colour.filled())).expect("an SVG in memory can be drawn");
}
