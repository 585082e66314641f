//! The charts: what a person wants to see of a run.

use plotters::prelude::*;

use crate::aws::alarm::Watched;
use crate::aws::auto_scaling_group::AutoScalingGroup;
use crate::aws::fargate::FargateCapacity;
use crate::aws::metric::{Metric, MetricStat, ServiceMetric};
use crate::aws::scaling_policy::{ScalingPolicy, ScalingPolicyKind, ScalingTarget};
use crate::report::chart::{Line, PALETTE, Panel, Stroke, draw, note, panels, panels_between, swatch, time_axis, tint};
use crate::report::{capacity, costs, deployments, standalone, waterfall};
use crate::run::{
    CapacityMinute, CapacitySplit, FargateMinute, ForecastHour, HostMinute, Run, ServiceMinute, ServicePlacement,
};
use crate::table::Id;
use crate::units::Instant;

/// Instances that the packing picture has room for.
const INSTANCES_MAXIMUM: usize = 40;
/// The colours of the parts of capacity, in their order.
pub(super) const PARTS: [RGBColor; 6] = [PALETTE[2], PALETTE[4], PALETTE[0], PALETTE[1], PALETTE[5], PALETTE[7]];
/// Services that have a panel of their own.
const SERVICES_MAXIMUM: usize = 6;

/// All charts of a run, name and bytes.
pub fn charts(run: &Run) -> Vec<(&'static str, Vec<u8>)> {
    let mut charts = vec![
        ("load_and_capacity.svg", panels(run, "Load against capacity", &each_service(run, load_and_capacity))),
        ("tasks.svg", panels(run, "Tasks: desired, running, pending", &each_service(run, tasks))),
        ("instances.svg", panels(run, "Instances: desired and in service", &each_group(run, instances))),
        ("utilization.svg", panels(run, "Utilisation, and what scaling aims at", &each_service(run, utilization))),
        ("response_time.svg", panels(run, "Response times", &each_service(run, response_time))),
        ("errors.svg", panels(run, "Errors by kind", &each_service(run, errors))),
        ("target_health.svg", panels(run, "Targets by their health", &target_health(run))),
        ("packing.svg", packing(run)),
        ("stranded_capacity.svg", panels(run, "What becomes of the capacity", &stranded_capacity(run))),
        ("zones.svg", panels(run, "Running tasks by zone", &each_service(run, zones))),
    ];
    if run.capacity_minutes.iter().any(|row| row.cpu_credits_mean.is_some()) {
        charts.push(("credits.svg", panels(run, "CPU credits of burstable instances", &each_group(run, credits))));
    }
    charts.push(("costs.svg", panels(run, "Costs", &costs::panels(run))));
    if !run.forecast_hours.is_empty() {
        charts.push(("forecast.svg", panels(run, "What predictive scaling foresaw, and what came", &forecasts(run))));
    }
    if !run.fargate_minutes.is_empty() {
        charts.push(("fargate.svg", panels(run, "Fargate: vCPUs against the quota", &fargate(run))));
    }
    if !run.service_scale_outs.is_empty() {
        charts.push(("waterfall.svg", waterfall::chart(run)));
    }
    if !run.managed_scaling_minutes.is_empty() {
        let title = "Managed scaling: what the group needs, and has";
        charts.push(("managed_scaling.svg", panels(run, title, &capacity::managed_scaling(run))));
        let title = "Why instances are there";
        charts.push(("instance_reasons.svg", panels(run, title, &capacity::instance_reasons(run))));
    }
    if deployments::has_deployments(run) {
        let between = deployments::under_way(run);
        let panels = deployments::panels(run, between);
        charts.push(("deployments.svg", panels_between(run, &deployments::title(run), &panels, between)));
    }
    if !run.run_task_totals.is_empty() {
        charts.push(("run_tasks.svg", panels(run, "Standalone tasks", &standalone::panels(run))));
    }
    charts
}

/// Two panels for each kind of capacity: vCPUs against the quota, and tasks that do not run yet.
fn fargate(run: &Run) -> Vec<Panel> {
    let mut panels = Vec::new();
    for capacity in FargateCapacity::ALL {
        let rows: Vec<&FargateMinute> = run.fargate_minutes.iter().filter(|row| row.capacity == capacity).collect();
        let line = |name: &str, colour: usize, stroke: Stroke, of: fn(&FargateMinute) -> f64| Line {
            name: name.to_owned(),
            colour: PALETTE[colour],
            stroke,
            points: rows.iter().map(|row| (row.minute as f64 * 60.0 + 60.0, Some(of(row)))).collect(),
        };
        let panel = |unit: &str, lines: Vec<Line>| Panel {
            title: capacity.provider_name().to_owned(),
            unit: unit.to_owned(),
            lines,
            is_logarithmic: false,
            top_at_least: 1.0,
            when_empty: "no tasks",
        };
        if rows.is_empty() {
            continue;
        }
        let mut of_vcpu = vec![line("in use", 0, Stroke::Area, |row| row.vcpu)];
        // A quota that is far away would flatten all the rest.
        let most = rows.iter().map(|row| row.vcpu).fold(0.0, f64::max);
        if rows.iter().any(|row| f64::from(row.vcpu_quota) <= 4.0 * most.max(1.0)) {
            of_vcpu.push(line("quota", 1, Stroke::Dashed, |row| f64::from(row.vcpu_quota)));
        }
        panels.push(panel("vCPU", of_vcpu));
        panels.push(panel(
            "tasks",
            vec![
                line("starting", 5, Stroke::Area, |row| f64::from(row.starting)),
                line("wait for a launch", 1, Stroke::Step, |row| f64::from(row.waiting)),
            ],
        ));
    }
    panels
}

/// A panel for each policy: what was forecast, what the busiest minute called for, and what ran.
fn forecasts(run: &Run) -> Vec<Panel> {
    let mut policies: Vec<Id<ScalingPolicy>> = run.forecast_hours.iter().map(|it| it.policy).collect();
    policies.sort_unstable();
    policies.dedup();
    let panels = policies.into_iter().take(SERVICES_MAXIMUM).map(|policy| {
        let hours = || run.forecast_hours.iter().filter(move |it| it.policy == policy);
        let line = |name: &str, colour: usize, stroke: Stroke, points| Line {
            name: name.to_owned(),
            colour: PALETTE[colour],
            stroke,
            points,
        };
        let by_hour = |of: fn(&ForecastHour) -> Option<u32>| {
            hours().map(|it| (it.at.as_seconds(), of(it).map(f64::from))).collect::<Vec<_>>()
        };
        let definition = &run.scenario.scaling_policies[policy];
        let (unit, present) = match definition.target {
            ScalingTarget::Service(target) => {
                let service = run.scenario.scalable_targets[target].service.index();
                let rows: Vec<&ServiceMinute> = run.service_minutes.iter().filter(|it| it.service == service).collect();
                ("tasks", by_minute("running", 0, Stroke::Area, &rows, |row| Some(f64::from(row.running_count))))
            }
            ScalingTarget::Group(group) => {
                let name = rows_of_group(run, group);
                let rows: Vec<&CapacityMinute> =
                    run.capacity_minutes.iter().filter(|it| it.capacity_provider == name).collect();
                let in_service = |row: &CapacityMinute| Some(f64::from(row.in_service));
                ("instances", at_minutes_end("in service", 0, Stroke::Area, &rows, in_service))
            }
        };
        Panel {
            title: format!("{}: {}", run.scenario.scaled_resource(policy), definition.name),
            unit: unit.to_owned(),
            lines: vec![
                present,
                line("forecast", 1, Stroke::Step, by_hour(|it| it.forecast_capacity)),
                line("the busiest minute called for", 2, Stroke::Step, by_hour(|it| it.busiest_capacity)),
            ],
            is_logarithmic: false,
            top_at_least: 1.0,
            when_empty: "no forecast: 24 hours of history are needed",
        }
    });
    panels.collect()
}

/// What the rows of a group's capacity are called: as its capacity provider, or as the group where it has none.
fn rows_of_group(run: &Run, group: Id<AutoScalingGroup>) -> &str {
    let provider = run.scenario.capacity_providers.iter().find(|it| it.auto_scaling_group() == Some(group));
    provider.map_or(&run.scenario.auto_scaling_groups[group].name, |it| &it.name)
}

fn each_service(run: &Run, panel: fn(&Run, usize, &[&ServiceMinute]) -> Panel) -> Vec<Panel> {
    let count = run.scenario.services.len().min(SERVICES_MAXIMUM);
    let panels: Vec<Panel> = (0..count)
        .map(|service| {
            let rows: Vec<&ServiceMinute> = run.service_minutes.iter().filter(|row| row.service == service).collect();
            panel(run, service, &rows)
        })
        .collect();
    panels
}

fn name_of(run: &Run, service: usize) -> String {
    run.scenario.services[Id::new(service)].name.clone()
}

/// A line with a point in the middle of each minute.
fn by_minute(
    name: &str,
    colour: usize,
    stroke: Stroke,
    rows: &[&ServiceMinute],
    of: impl Fn(&ServiceMinute) -> Option<f64>,
) -> Line {
    let points = rows.iter().map(|row| (row.minute as f64 * 60.0 + 30.0, of(row))).collect();
    Line { name: name.to_owned(), colour: PALETTE[colour], stroke, points }
}

fn load_and_capacity(run: &Run, service: usize, rows: &[&ServiceMinute]) -> Panel {
    let each = run.capacity_of_task(Id::new(service));
    let mut lines = vec![
        by_minute("offered", 0, Stroke::Area, rows, |row| Some(row.counts.arrived as f64 / 60.0)),
        by_minute("served", 2, Stroke::Plain, rows, |row| Some(row.counts.served as f64 / 60.0)),
    ];
    if let Some(each) = each {
        lines.push(by_minute("healthy tasks could serve", 1, Stroke::Step, rows, |row| {
            Some(f64::from(row.healthy_targets) * each)
        }));
    }
    Panel {
        title: name_of(run, service),
        unit: "requests a second".to_owned(),
        lines,
        is_logarithmic: false,
        top_at_least: 1.0,
        when_empty: "no requests",
    }
}

fn tasks(run: &Run, service: usize, rows: &[&ServiceMinute]) -> Panel {
    Panel {
        title: name_of(run, service),
        unit: "tasks".to_owned(),
        lines: vec![
            by_minute("running", 0, Stroke::Area, rows, |row| Some(f64::from(row.running_count))),
            by_minute("pending", 5, Stroke::Area, rows, |row| Some(f64::from(row.pending_count))),
            by_minute("desired", 1, Stroke::Step, rows, |row| Some(f64::from(row.desired_count))),
        ],
        is_logarithmic: false,
        top_at_least: 1.0,
        when_empty: "no tasks",
    }
}

/// A panel for each capacity provider, or group without one, that `panel` finds worth one.
fn each_group(run: &Run, panel: fn(&str, &[&CapacityMinute]) -> Option<Panel>) -> Vec<Panel> {
    let mut names: Vec<&str> = Vec::new();
    for row in &run.capacity_minutes {
        if !names.contains(&row.capacity_provider.as_str()) {
            names.push(&row.capacity_provider);
        }
    }
    let rows_of = |name: &str| run.capacity_minutes.iter().filter(|row| row.capacity_provider == name).collect();
    let panels = names.into_iter().filter_map(|name| {
        let rows: Vec<&CapacityMinute> = rows_of(name);
        panel(name, &rows)
    });
    panels.take(SERVICES_MAXIMUM).collect()
}

/// A line with a point at the end of each minute.
fn at_minutes_end(
    name: &str,
    colour: usize,
    stroke: Stroke,
    rows: &[&CapacityMinute],
    of: impl Fn(&CapacityMinute) -> Option<f64>,
) -> Line {
    let points = rows.iter().map(|row| (row.minute as f64 * 60.0 + 60.0, of(row))).collect();
    Line { name: name.to_owned(), colour: PALETTE[colour], stroke, points }
}

fn instances(name: &str, rows: &[&CapacityMinute]) -> Option<Panel> {
    Some(Panel {
        title: name.to_owned(),
        unit: "instances".to_owned(),
        lines: vec![
            at_minutes_end("in service", 0, Stroke::Area, rows, |row| Some(f64::from(row.in_service))),
            at_minutes_end("draining", 5, Stroke::Area, rows, |row| Some(f64::from(row.draining))),
            at_minutes_end("desired", 1, Stroke::Step, rows, |row| Some(f64::from(row.desired_capacity))),
        ],
        is_logarithmic: false,
        top_at_least: 1.0,
        when_empty: "no instances",
    })
}

fn credits(name: &str, rows: &[&CapacityMinute]) -> Option<Panel> {
    rows.iter().find(|row| row.cpu_credits_mean.is_some())?;
    Some(Panel {
        title: name.to_owned(),
        unit: "credits an instance (a vCPU for a minute each)".to_owned(),
        lines: vec![
            at_minutes_end("mean balance", 0, Stroke::Area, rows, |row| row.cpu_credits_mean),
            at_minutes_end("least balance", 1, Stroke::Plain, rows, |row| row.cpu_credits_least),
        ],
        is_logarithmic: false,
        top_at_least: 1.0,
        when_empty: "no instances with credits",
    })
}

/// Two panels for each group: its CPU and its memory.
fn stranded_capacity(run: &Run) -> Vec<Panel> {
    let mut cpu = each_group(run, |name, rows| Some(split(name, "CPU, vCPU", rows, 1024.0, |row| &row.cpu_units)));
    let memory = each_group(run, |name, rows| Some(split(name, "memory, GiB", rows, 1024.0, |row| &row.memory_mib)));
    cpu.extend(memory);
    cpu
}

fn split(
    name: &str,
    unit: &str,
    rows: &[&CapacityMinute],
    each: f64,
    of: fn(&CapacityMinute) -> &CapacitySplit,
) -> Panel {
    let lines = PARTS.iter().enumerate().map(|(part, colour)| {
        let name = CapacitySplit::default().parts()[part].0;
        let points = rows.iter().map(|row| (row.minute as f64 * 60.0 + 60.0, Some(of(row).parts()[part].1 / each)));
        Line { name: name.to_owned(), colour: *colour, stroke: Stroke::Area, points: points.collect() }
    });
    Panel {
        title: name.to_owned(),
        unit: unit.to_owned(),
        lines: lines.filter(|line| line.points.iter().any(|(_, value)| *value > Some(0.0))).collect(),
        is_logarithmic: false,
        top_at_least: 1.0,
        when_empty: "no instances",
    }
}

fn zones(run: &Run, service: usize, _: &[&ServiceMinute]) -> Panel {
    let rows: Vec<&ServicePlacement> = run.service_placements.iter().filter(|it| it.service == service).collect();
    let end = run.simulated.as_seconds();
    let lines = run.scenario.availability_zones.iter().enumerate().map(|(zone, definition)| {
        let tasks = |row: &&ServicePlacement| Some(f64::from(row.zones[zone].tasks));
        let changes = rows.iter().map(|row| (row.minute as f64 * 60.0 + 60.0, tasks(row)));
        let last = rows.last().map(|row| (end, tasks(row)));
        Line {
            name: definition.name.clone(),
            colour: PALETTE[zone % PALETTE.len()],
            stroke: Stroke::Area,
            points: changes.chain(last).collect(),
        }
    });
    Panel {
        title: name_of(run, service),
        unit: "running tasks".to_owned(),
        lines: lines.collect(),
        is_logarithmic: false,
        top_at_least: 1.0,
        when_empty: "no tasks",
    }
}

fn utilization(run: &Run, service: usize, rows: &[&ServiceMinute]) -> Panel {
    let mut lines = vec![
        by_minute("CPU", 0, Stroke::Plain, rows, |row| row.cpu_percent),
        by_minute("memory", 2, Stroke::Plain, rows, |row| row.memory_percent),
    ];
    for policy in &run.scenario.scaling_policies {
        let is_own =
            policy.scalable_target().is_some_and(|it| run.scenario.scalable_targets[it].service.index() == service);
        let ScalingPolicyKind::TargetTracking(tracking) = &policy.kind else { continue };
        let Watched::Stat(MetricStat { metric: Metric::Service(_, metric, _), .. }) = tracking.watches else {
            continue;
        };
        let (name, colour) = match metric {
            ServiceMetric::CpuUtilization => ("CPU target", 1),
            ServiceMetric::MemoryUtilization => ("memory target", 5),
        };
        if is_own {
            lines.push(by_minute(name, colour, Stroke::Dashed, rows, |_| Some(tracking.target_value)));
        }
    }
    Panel {
        title: name_of(run, service),
        unit: "% of what tasks reserve".to_owned(),
        lines,
        is_logarithmic: false,
        top_at_least: 100.0,
        when_empty: "",
    }
}

fn response_time(run: &Run, service: usize, rows: &[&ServiceMinute]) -> Panel {
    let values = || rows.iter().flat_map(|row| [row.response_time_ms.p50, row.response_time_ms.p99]).flatten();
    let (least, most) = values().fold((f64::INFINITY, 0.0f64), |(least, most), it| (least.min(it), most.max(it)));
    Panel {
        title: name_of(run, service),
        unit: "ms".to_owned(),
        lines: vec![
            by_minute("p50", 2, Stroke::Plain, rows, |row| row.response_time_ms.p50),
            by_minute("p90", 0, Stroke::Plain, rows, |row| row.response_time_ms.p90),
            by_minute("p99", 1, Stroke::Plain, rows, |row| row.response_time_ms.p99),
        ],
        is_logarithmic: most > 20.0 * least,
        top_at_least: 0.0,
        when_empty: "no request was served",
    }
}

fn errors(run: &Run, service: usize, rows: &[&ServiceMinute]) -> Panel {
    let kind = |name: &str, colour: usize, of: fn(&ServiceMinute) -> u64| {
        by_minute(name, colour, Stroke::Area, rows, |row| Some(of(row) as f64))
    };
    let all = [
        kind("502", 1, |row| row.counts.elb_502),
        kind("503", 5, |row| row.counts.elb_503),
        kind("504", 3, |row| row.counts.elb_504),
        kind("target 5xx", 6, |row| row.counts.target_5xx),
        kind("client timeout", 4, |row| row.counts.client_timeout),
    ];
    let lines = all.into_iter().filter(|line| line.points.iter().any(|(_, value)| *value > Some(0.0))).collect();
    Panel {
        title: name_of(run, service),
        unit: "failed requests a minute".to_owned(),
        lines,
        is_logarithmic: false,
        top_at_least: 1.0,
        when_empty: "no errors",
    }
}

fn target_health(run: &Run) -> Vec<Panel> {
    let groups = run.scenario.target_groups.entries().take(SERVICES_MAXIMUM);
    let panels = groups.map(|(id, group)| {
        let rows: Vec<_> =
            run.load_balancer_minutes.iter().filter(|row| row.target_group == Some(id.index())).collect();
        let line = |name: &str, colour: usize, stroke, of: fn(&HostMinute) -> f64| Line {
            name: name.to_owned(),
            colour: PALETTE[colour],
            stroke,
            points: rows.iter().map(|row| (row.minute as f64 * 60.0 + 30.0, row.hosts.as_ref().map(of))).collect(),
        };
        let mut lines = vec![
            line("healthy", 2, Stroke::Area, |it| it.healthy.mean),
            line("unhealthy", 1, Stroke::Area, |it| it.unhealthy.mean),
        ];
        if rows.iter().any(|row| row.hosts.is_some_and(|it| it.anomalous.maximum > 0)) {
            lines.push(line("anomalous", 3, Stroke::Step, |it| f64::from(it.anomalous.maximum)));
        }
        Panel {
            title: group.name.clone(),
            unit: "targets".to_owned(),
            lines,
            is_logarithmic: false,
            top_at_least: 1.0,
            when_empty: "no targets",
        }
    });
    panels.collect()
}

/// Which tasks sat on which instance over time: a band for each instance, its tasks in it by the share they reserve.
fn packing(run: &Run) -> Vec<u8> {
    let end = Instant::START + run.simulated;
    let shown = run.instances.len().min(INSTANCES_MAXIMUM);
    let band = if shown > 14 { 26 } else { 44 };
    let (top, left) = (42, 150);
    let height = 62 + top + band * shown.max(1) as i32 + 44;
    draw(run, "Packing: which tasks sat on which instance", height as u32, |area| {
        let lower = top + band * shown.max(1) as i32;
        let x = time_axis(run, area, left, lower);
        let mut at = 24;
        for (service, definition) in run.scenario.services.entries() {
            swatch(area, &definition.name, PALETTE[service.index() % PALETTE.len()], (at, 14));
            at += 44 + 8 * definition.name.chars().count() as i32;
        }
        note(
            area,
            "height: share of CPU or memory that the task reserves; pale: not running yet, or stopping",
            (at, 14),
            false,
        );
        for (number, instance) in run.instances.iter().take(shown).enumerate() {
            let upper = top + band * number as i32;
            note(
                area,
                &format!("{} {}", instance.name, zone_letter(&instance.availability_zone)),
                (left - 10, upper + band / 2),
                true,
            );
            let gone = instance.terminated_at.unwrap_or(end);
            let frame = Rectangle::new(
                [(x(instance.launched_at), upper + 2), (x(gone).max(x(instance.launched_at) + 1), upper + band - 2)],
                RGBColor(244, 246, 248).filled(),
            );
            area.draw(&frame).expect("an SVG in memory can be drawn");
            draw_tasks(run, number, upper + 2, band - 4, &x, area);
            let frame = Rectangle::new(
                [(x(instance.launched_at), upper + 2), (x(gone).max(x(instance.launched_at) + 1), upper + band - 2)],
                RGBColor(150, 156, 164).stroke_width(1),
            );
            area.draw(&frame).expect("an SVG in memory can be drawn");
        }
        if run.instances.len() > shown {
            let words = format!("the first {shown} of {} instances", run.instances.len());
            note(area, &words, (left, lower + 34), false);
        }
    })
}

fn zone_letter(zone: &str) -> String {
    zone.rsplit('-').next().unwrap_or(zone).to_owned()
}

/// Tasks of one instance: each takes the lowest slot that is free for as long as it holds its place.
fn draw_tasks(
    run: &Run,
    number: usize,
    upper: i32,
    height: i32,
    x: &dyn Fn(Instant) -> i32,
    area: &DrawingArea<SVGBackend, plotters::coord::Shift>,
) {
    let end = Instant::START + run.simulated;
    let instance = &run.instances[number];
    let share = |cpu: u32, memory: u32| {
        let by_cpu = f64::from(cpu) / f64::from(instance.cpu_units.max(1));
        by_cpu.max(f64::from(memory) / f64::from(instance.memory_mib.max(1)))
    };
    // What is held now: where it begins, how high it is, and until when.
    let mut held: Vec<(f64, f64, Instant)> = Vec::new();
    for task in run.tasks.iter().filter(|it| it.instance == Some(number)) {
        let Some(placed_at) = task.placed_at else { continue };
        let gone_at = task.stopped_at.unwrap_or(end);
        let tall = share(task.cpu_units, task.memory_mib).max(0.02);
        held.retain(|(_, _, until)| *until > placed_at);
        held.sort_by(|one, other| one.0.total_cmp(&other.0));
        let mut from = 0.0;
        for (begin, size, _) in &held {
            if *begin - from >= tall - 1e-9 {
                break;
            }
            from = begin + size;
        }
        held.push((from, tall, gone_at));
        let pixel = |share: f64| upper + height - (share.min(1.0) * f64::from(height)).round() as i32;
        let colour = PALETTE[task.service.unwrap_or(run.scenario.services.len()) % PALETTE.len()];
        let running_at = task.running_at.unwrap_or(gone_at);
        let stopping_at = task.stopping_at.unwrap_or(gone_at).max(running_at);
        for (begin, finish, strength) in
            [(placed_at, running_at, 0.3), (running_at, stopping_at, 0.85), (stopping_at, gone_at, 0.3)]
        {
            if x(finish) > x(begin) {
                let corners = [(x(begin), pixel(from + tall) + 1), (x(finish), pixel(from))];
                area.draw(&Rectangle::new(corners, tint(colour, strength).filled()))
                    .expect("an SVG in memory can be drawn");
            }
        }
    }
}
