//! Placement strategies side by side: what becomes of the capacity, and how much of a service one loss takes.

use std::collections::BTreeMap;

use plotters::prelude::*;

use crate::aws::service::SchedulingStrategy;
use crate::report::chart::{note, sheet, swatch};
use crate::report::charts::PARTS;
use crate::report::comparison::interval;
use crate::report::standalone::all_standalone;
use crate::report::tables::side_by_side;
use crate::run::{CapacityMinute, CapacitySplit, Run};
use crate::units::Span;

/// Whether a scenario's variants place tasks differently, so that it is worth comparing how.
///
/// `variants` are the runs of each variant, as for the table of all figures.
pub fn compares_placement(variants: &[Vec<&Run>]) -> bool {
    // On Fargate nothing is placed, and what only one variant has is compared with nothing.
    let on_instances = variants.iter().filter_map(|runs| runs.first()).filter(|run| !run.uses_fargate());
    let of_variants: Vec<BTreeMap<&str, _>> = on_instances
        .map(|run| {
            let services = run.scenario.services.iter().map(|it| (it.name.as_str(), &it.launch));
            let launches = services.chain(run.scenario.run_tasks.iter().map(|it| (it.name.as_str(), &it.launch)));
            launches.map(|(name, it)| (name, (&it.placement_strategy, &it.placement_constraints))).collect()
        })
        .collect();
    let Some((first, others)) = of_variants.split_first() else { return false };
    others
        .iter()
        .any(|it| it.iter().any(|(name, placement)| first.get(name).is_some_and(|of_first| of_first != placement)))
}

/// The variants' figures of placement beside each other, each with its replications' mean and 95 % interval.
pub fn table(variants: &[Vec<&Run>]) -> String {
    let variants: Vec<&Vec<&Run>> = variants.iter().filter(|runs| !runs.is_empty()).collect();
    let names = variants.iter().map(|runs| runs[0].scenario.variant.clone());
    let header: Vec<String> = std::iter::once("placement".to_owned()).chain(names).collect();
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut add = |name: String, decimals: usize, of: &dyn Fn(&Run) -> Option<f64>| {
        let cells = variants.iter().map(|runs| {
            let values: Vec<f64> = runs.iter().filter_map(|run| of(run)).collect();
            (!values.is_empty()).then(|| interval(&values, decimals))
        });
        let cells: Vec<Option<String>> = cells.collect();
        // What no variant has is no figure of this scenario.
        if cells.iter().any(Option::is_some) {
            let cells = cells.into_iter().map(|it| it.unwrap_or_else(|| "-".to_owned()));
            rows.push(std::iter::once(name).chain(cells).collect());
        }
    };
    for (dimension, of_row) in DIMENSIONS {
        for (part, (name, _)) in CapacitySplit::default().parts().into_iter().enumerate() {
            add(format!("{dimension} {name}, %"), 1, &|run| Some(percents(run, *of_row)?[part]));
        }
    }
    add("zones: most less fewest tasks".to_owned(), 2, &|run| Some(spreads(run)?.uneven));
    add("worst instance has, % of a service".to_owned(), 1, &|run| Some(spreads(run)?.instance_percent));
    add("worst zone has, % of a service".to_owned(), 1, &|run| Some(spreads(run)?.zone_percent));
    add("tasks started".to_owned(), 0, &|run| Some(run.tasks.len() as f64));
    add("instance-hours".to_owned(), 1, &|run| Some(run.instance_hours));
    add("total, $".to_owned(), 2, &|run| Some(run.cost.total_usd()));
    side_by_side(&header, &rows)
}

type Dimension = (&'static str, fn(&CapacityMinute) -> &CapacitySplit);

const DIMENSIONS: &[Dimension] = &[("CPU", |row| &row.cpu_units), ("memory", |row| &row.memory_mib)];

/// The parts of the capacity of all instances over the run, percent; `None` where there were no instances.
fn percents(run: &Run, of_row: fn(&CapacityMinute) -> &CapacitySplit) -> Option<[f64; 6]> {
    let mut sums = [0.0; 6];
    for row in &run.capacity_minutes {
        for (sum, (_, part)) in sums.iter_mut().zip(of_row(row).parts()) {
            *sum += part;
        }
    }
    let total: f64 = sums.iter().sum();
    (total > 0.0).then(|| sums.map(|it| 100.0 * it / total))
}

/// How services with several tasks stand, in the mean over these services and the run.
struct Spreads {
    /// Tasks in the zone with most, less those in the zone with fewest.
    uneven: f64,
    /// Share lost with the worst instance, percent.
    instance_percent: f64,
    /// Share lost with the worst zone, percent.
    zone_percent: f64,
}

fn spreads(run: &Run) -> Option<Spreads> {
    let minutes = run.simulated.0 / Span::MINUTE.0;
    let (mut sums, mut weight) = (Spreads { uneven: 0.0, instance_percent: 0.0, zone_percent: 0.0 }, 0.0);
    for (service, definition) in run.scenario.services.entries() {
        // Of a DAEMON service each instance has the same, wherever the others are.
        if definition.scheduling_strategy == SchedulingStrategy::Daemon {
            continue;
        }
        let service = service.index();
        let rows: Vec<_> = run.service_placements.iter().filter(|it| it.service == service).collect();
        for (place, row) in rows.iter().enumerate() {
            let until = rows.get(place + 1).map_or(minutes, |next| next.minute);
            let lasts = until.saturating_sub(row.minute) as f64;
            // One task stands somewhere, whatever the strategy.
            let Some((instance, zone)) = row.blast_radius().filter(|_| row.tasks() > 1) else { continue };
            let tasks = || row.zones.iter().map(|it| it.tasks);
            sums.uneven += lasts * f64::from(tasks().max().unwrap_or(0) - tasks().min().unwrap_or(0));
            sums.instance_percent += lasts * instance;
            sums.zone_percent += lasts * zone;
            weight += lasts;
        }
    }
    (weight > 0.0).then(|| Spreads {
        uneven: sums.uneven / weight,
        instance_percent: sums.instance_percent / weight,
        zone_percent: sums.zone_percent / weight,
    })
}

/// A bar for each variant and dimension with the parts of its capacity, and what it costs and risks beside it.
pub fn chart(variants: &[Vec<&Run>]) -> Vec<u8> {
    const BAR: i32 = 26;
    const LEFT: i32 = 250;
    const WIDTH: i32 = 420;
    let variants: Vec<&Vec<&Run>> = variants.iter().filter(|runs| !runs.is_empty()).collect();
    let each = (BAR + 6) * DIMENSIONS.len() as i32 + 22;
    let height = 62 + 70 + each * variants.len() as i32;
    let Some(first) = variants.first().map(|runs| runs[0]) else { return Vec::new() };
    let runs = match variants[0].len() {
        1 => "one run each".to_owned(),
        several => format!("means of {several} runs each, with 95 % intervals"),
    };
    let subtitle = format!("{}  ·  {runs}", first.scenario.name);
    sheet("Placement: what becomes of the capacity, and what one loss takes", subtitle, height as u32, |area| {
        let mut at = 24;
        for ((name, _), colour) in CapacitySplit::default().parts().into_iter().zip(PARTS) {
            swatch(area, name, colour, (at, 14));
            at += 44 + 8 * name.chars().count() as i32;
        }
        for (number, runs) in variants.iter().enumerate() {
            let mut upper = 46 + each * number as i32;
            note(area, &runs[0].scenario.variant, (LEFT - 70, upper + BAR), true);
            let mean = |of: &dyn Fn(&Run) -> Option<f64>, decimals| {
                interval(&runs.iter().filter_map(|run| of(run)).collect::<Vec<f64>>(), decimals)
            };
            let risk = match runs[0].scenario.run_tasks.is_empty() {
                true => format!(
                    "worst instance {} %, worst zone {} % of a service",
                    mean(&|run| Some(spreads(run)?.instance_percent), 1),
                    mean(&|run| Some(spreads(run)?.zone_percent), 1)
                ),
                false => format!(
                    "{} standalone tasks refused or given up, {} vCPUs",
                    mean(&|run| Some(all_standalone(run)?.refused as f64), 0),
                    mean(&|run| Some(all_standalone(run)?.refused_vcpus), 0)
                ),
            };
            let words = [
                risk,
                format!(
                    "{} instance-hours, $ {}",
                    mean(&|run| Some(run.instance_hours), 1),
                    mean(&|run| Some(run.cost.total_usd()), 2)
                ),
            ];
            for ((dimension, of_row), words) in DIMENSIONS.iter().zip(words) {
                note(area, dimension, (LEFT - 10, upper + BAR / 2), true);
                let shares: Vec<[f64; 6]> = runs.iter().filter_map(|run| percents(run, *of_row)).collect();
                let mut from = 0.0;
                for (part, colour) in PARTS.iter().enumerate() {
                    let percent = shares.iter().map(|it| it[part]).sum::<f64>() / shares.len().max(1) as f64;
                    let pixel = |percent: f64| LEFT + (percent / 100.0 * f64::from(WIDTH)).round() as i32;
                    let corners = [(pixel(from), upper), (pixel(from + percent), upper + BAR)];
                    area.draw(&Rectangle::new(corners, colour.filled())).expect("an SVG in memory can be drawn");
                    from += percent;
                }
                note(area, &words, (LEFT + WIDTH + 14, upper + BAR / 2), false);
                upper += BAR + 6;
            }
        }
    })
}
