//! What a run costs: `costs.csv`, the part of `summary.json`, `costs.svg`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::aws::price::HOURS_PER_MONTH;
use crate::report::chart::{Line, PALETTE, Panel, Stroke};
use crate::run::{CostKind, CostOwner, CostRow, Run};
use crate::table::Id;

/// A row of `costs.csv`.
#[derive(Serialize)]
pub struct CostLine {
    hour: u64,
    owner: String,
    kind: &'static str,
    usd: f64,
    redistributed_usd: f64,
}

/// The columns of `costs.csv`.
pub const COSTS: &str = "hour owner kind usd redistributed_usd";

/// The rows of `costs.csv`.
pub fn rows(run: &Run) -> impl Iterator<Item = CostLine> {
    run.costs.iter().map(|row| CostLine {
        hour: row.hour,
        owner: name_of(run, row.owner),
        kind: row.kind.as_str(),
        usd: row.usd,
        redistributed_usd: row.redistributed_usd,
    })
}

/// What an owner's part of the run cost.
#[derive(Serialize)]
pub struct OwnerCost {
    owner: String,
    /// By what it reserves or has alone.
    usd: f64,
    /// Its part of what nobody reserves.
    redistributed_usd: f64,
    /// Both.
    total_usd: f64,
    /// Both, of a month of 730 h like this run.
    month_usd: f64,
    /// Both, by kind.
    kinds: BTreeMap<&'static str, f64>,
}

/// What each owner's part of the run cost.
pub fn by_owner(run: &Run) -> Vec<OwnerCost> {
    let mut rows: BTreeMap<CostOwner, Vec<&CostRow>> = BTreeMap::new();
    for row in &run.costs {
        rows.entry(row.owner).or_default().push(row);
    }
    let owners = rows.into_iter().map(|(owner, rows)| {
        let sum = |of: fn(&CostRow) -> f64| rows.iter().map(|row| of(row)).fold(0.0, |sum, it| sum + it);
        let (usd, redistributed_usd) = (sum(|it| it.usd), sum(|it| it.redistributed_usd));
        let mut kinds = BTreeMap::new();
        for row in &rows {
            *kinds.entry(row.kind.as_str()).or_default() += row.usd + row.redistributed_usd;
        }
        let total_usd = usd + redistributed_usd;
        OwnerCost {
            owner: name_of(run, owner),
            usd,
            redistributed_usd,
            total_usd,
            month_usd: a_month(run, total_usd),
            kinds,
        }
    });
    owners.collect()
}

/// What a month of 730 h like this run costs, USD.
pub fn a_month(run: &Run, usd: f64) -> f64 {
    usd / run.simulated.as_hours() * HOURS_PER_MONTH
}

/// Owners that have a colour of their own in the chart.
const OWNERS_MAXIMUM: usize = 5;

/// Panels of what was paid for in each hour, by kind and by owner.
pub fn panels(run: &Run) -> Vec<Panel> {
    let kinds = CostKind::ALL.iter().enumerate().map(|(place, kind)| {
        let by_hour = by_hour(run, |row| if row.kind == *kind { row.usd } else { 0.0 });
        line(run, kind.as_str().replace('_', " "), place, &by_hour)
    });
    let mut owners: BTreeMap<CostOwner, f64> = BTreeMap::new();
    for row in &run.costs {
        *owners.entry(row.owner).or_default() += row.usd;
    }
    // The unused stands last; of many owners those that cost most have names.
    let mut ranked: Vec<(CostOwner, f64)> = owners.into_iter().filter(|it| it.0 != CostOwner::Unused).collect();
    ranked.sort_by(|one, other| other.1.total_cmp(&one.1).then(one.0.cmp(&other.0)));
    let named: Vec<CostOwner> = ranked.iter().take(OWNERS_MAXIMUM).map(|it| it.0).collect();
    let of = |is_it: &dyn Fn(CostOwner) -> bool| by_hour(run, |row| if is_it(row.owner) { row.usd } else { 0.0 });
    let mut owners: Vec<Line> = Vec::new();
    for (place, owner) in named.iter().enumerate() {
        owners.push(line(run, name_of(run, *owner), place, &of(&|it| it == *owner)));
    }
    let is_other = |it: CostOwner| it != CostOwner::Unused && !named.contains(&it);
    owners.push(line(run, "others".to_owned(), OWNERS_MAXIMUM, &of(&is_other)));
    owners.push(line(run, "unused".to_owned(), OWNERS_MAXIMUM + 1, &of(&|it| it == CostOwner::Unused)));
    let panel = |title: &str, lines: Vec<Line>| Panel {
        title: title.to_owned(),
        unit: "$ in the hour".to_owned(),
        lines: lines
            .into_iter()
            .filter(|it| it.points.iter().any(|(_, usd)| usd.is_some_and(|it| it > 1e-9)))
            .collect(),
        is_logarithmic: false,
        top_at_least: 0.01,
        when_empty: "nothing costs anything",
    };
    vec![panel("by kind", kinds.collect()), panel("by owner, what no task reserves by itself", owners)]
}

fn by_hour(run: &Run, of: impl Fn(&CostRow) -> f64) -> Vec<f64> {
    let hours = run.costs.iter().map(|row| row.hour + 1).max().unwrap_or(0);
    let mut usd = vec![0.0; hours as usize];
    for row in &run.costs {
        usd[row.hour as usize] += of(row);
    }
    usd
}

fn line(run: &Run, name: String, place: usize, by_hour: &[f64]) -> Line {
    // Each holds to the end of its hour, and rounding leaves nothing below zero.
    let points = by_hour.iter().enumerate().map(|(hour, usd)| (hour as f64 * 3600.0, Some(usd.max(0.0))));
    let last = by_hour.last().map(|usd| (run.simulated.as_seconds(), Some(usd.max(0.0))));
    Line { name, colour: PALETTE[place % PALETTE.len()], stroke: Stroke::Area, points: points.chain(last).collect() }
}

fn name_of(run: &Run, owner: CostOwner) -> String {
    match owner {
        CostOwner::Service(service) => format!("service/{}", run.scenario.services[Id::new(service)].name),
        CostOwner::RunTask(run_task) => format!("task/{}", run.scenario.run_tasks[Id::new(run_task)].name),
        CostOwner::Unused => "unused".to_owned(),
        CostOwner::Cluster => "cluster".to_owned(),
    }
}
