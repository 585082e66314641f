//! The loop: serve every request up to the next control event, make one decision, repeat.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::agenda::Event;
use crate::aws::fargate::FargateCapacity;
use crate::aws::launch::Launcher;
use crate::aws::load_balancer::{LoadBalancer, LoadBalancerType};
use crate::aws::price::{
    CONTAINER_INSIGHTS_METRICS_OF_CLUSTER, CONTAINER_INSIGHTS_METRICS_OF_FAMILY, CONTAINER_INSIGHTS_METRICS_OF_SERVICE,
    DETAILED_MONITORING_METRICS, load_balancer_capacity_units, network_load_balancer_capacity_units,
};
use crate::cluster::{Cluster, ContainerStatus, Task};
use crate::control::Control;
use crate::data::{self, Traffic};
use crate::rng::Seed;
use crate::run::{
    ContainerLife, Cost, ExpectationResult, InstanceLife, InstanceReason, RequestCounts, RequestTotals, Run,
    ServiceMinute, TaskLife, rows_of,
};
use crate::scenario::{ContainerInsights, Expectation, Measure, Scenario};
use crate::table::Id;
use crate::units::{Instant, Span};

/// Simulates a scenario. The same scenario and seed give the same run.
pub fn simulate(scenario: &Scenario, seed: Seed) -> Run {
    let end = Instant::START + scenario.duration;
    let mut traffic = Traffic::new(scenario, seed);
    let mut control = Control::new(scenario, seed);
    while let Some(event) = control.agenda.next_until(end) {
        let now = control.now();
        data::advance(&mut traffic, scenario, &control.cluster, now);
        match event {
            Event::TargetsAreCompared(group) => data::tally_targets(&mut traffic, group),
            Event::SecondPasses => data::second_passes(&mut traffic, scenario, &control.cluster),
            Event::TwentySecondsClose => data::twenty_seconds_close(&mut traffic),
            Event::MinuteCloses => data::minute_closes(&mut traffic, scenario),
            Event::ProbeIsSent(target) if control.is_checked(target) => {
                let answer = data::probe(&mut traffic, scenario, &control.cluster, target);
                control.probe_was_sent(target, answer);
            }
            _ => {}
        }
        control.handle(event, &traffic);
    }
    data::advance(&mut traffic, scenario, &control.cluster, end);
    finish(scenario, seed, control, &mut traffic)
}

fn finish(scenario: &Scenario, seed: Seed, mut control: Control, traffic: &mut Traffic) -> Run {
    let end = Instant::START + scenario.duration;
    let requests: Vec<RequestTotals> = scenario.services.ids().map(|it| traffic.totals(it)).collect();
    let names = Names::of(scenario);
    let tasks: Vec<TaskLife> = control
        .cluster
        .tasks
        .entries()
        .map(|(id, task)| life_of(scenario, &names, &control.cluster, id, task))
        .collect();
    let instances = control.cluster.instances.iter().map(|it| {
        let group = &scenario.auto_scaling_groups[it.auto_scaling_group];
        InstanceLife {
            name: it.name.clone(),
            auto_scaling_group: group.name.clone(),
            instance_type: it.instance_type(&scenario.auto_scaling_groups).name.clone(),
            availability_zone: scenario.availability_zones[it.availability_zone].name.clone(),
            cpu_units: it.registered_cpu_units,
            memory_mib: it.registered_memory_mib,
            launched_at: it.launched_at,
            registered_at: it.registered_at,
            terminated_at: it.terminated_at,
            usd_per_hour: it.usd_per_hour,
        }
    });
    let lasted = |from: Option<Instant>, to: Option<Instant>| from.map_or(Span::ZERO, |at| to.unwrap_or(end).since(at));
    let task_time: Span = tasks.iter().map(|it| lasted(it.placed_at, it.stopped_at)).fold(Span::ZERO, |a, b| a + b);
    let instance_time: Span = control
        .cluster
        .instances
        .iter()
        .map(|it| lasted(Some(it.launched_at), it.terminated_at))
        .fold(Span::ZERO, |a, b| a + b);
    let cost = cost_of(scenario, &control);
    let instances: Vec<InstanceLife> = instances.collect();
    let unplaced_at_end = control.with_unplaced_tasks();
    let metric_points = control.metric_points();
    let records = std::mem::take(&mut control.records);
    let instance_reasons = until_the_end(records.instance_reasons, &instances, end);
    let mut run = Run {
        scenario: scenario.clone(),
        seed: seed.seed,
        replication: seed.replication,
        fingerprint: control.log.fingerprint(),
        simulated: scenario.duration,
        requests,
        load_balancer_totals: scenario.load_balancers.ids().map(|it| traffic.answered_by(it)).collect(),
        load_balancer_minutes: records.load_balancer_minutes,
        target_changes: records.target_changes,
        service_minutes: records.service_minutes,
        capacity_minutes: records.capacity_minutes,
        fargate_minutes: records.fargate_minutes,
        service_placements: records.service_placements,
        run_task_totals: control.run_tasks.iter().map(|it| it.totals().clone()).collect(),
        run_task_minutes: records.run_task_minutes,
        placement_refusals: records.refusals.rows,
        unplaced_at_end,
        instance_changes: records.instance_changes,
        instances,
        tasks,
        managed_scaling_minutes: records.managed_scaling_minutes,
        instance_reasons,
        alarm_changes: records.alarm_changes,
        forecast_hours: records.forecast_hours,
        scaling_activities: records.scaling_activities,
        metric_points,
        events: std::mem::take(&mut control.log.events),
        task_hours: task_time.as_hours(),
        instance_hours: instance_time.as_hours(),
        cost,
        scale_outs: records.scale_outs,
        expectations: Vec::new(),
    };
    run.expectations = scenario.expectations.iter().map(|it| hold(it, &run, &control)).collect();
    run
}

/// The last reason of each instance holds until it is terminated, or the run ends.
fn until_the_end(mut rows: Vec<InstanceReason>, instances: &[InstanceLife], end: Instant) -> Vec<InstanceReason> {
    let mut is_last = vec![true; instances.len()];
    for row in rows.iter_mut().rev() {
        if std::mem::replace(&mut is_last[row.instance], false) {
            row.until = instances[row.instance].terminated_at.unwrap_or(end);
        }
    }
    rows.sort_by_key(|row| (row.instance, row.from));
    rows
}

/// Names of a scenario, each once however many tasks have it.
struct Names {
    task_groups: Vec<Arc<str>>,
    task_definitions: Vec<Arc<str>>,
    availability_zones: Vec<Arc<str>>,
    capacity_providers: Vec<Arc<str>>,
}

impl Names {
    fn of(scenario: &Scenario) -> Names {
        Names {
            task_groups: scenario.task_groups.iter().map(|it| it.name.as_str().into()).collect(),
            task_definitions: scenario.task_definitions.iter().map(|it| it.name().into()).collect(),
            availability_zones: scenario.availability_zones.iter().map(|it| it.name.as_str().into()).collect(),
            capacity_providers: scenario.capacity_providers.iter().map(|it| it.name.as_str().into()).collect(),
        }
    }
}

fn life_of(scenario: &Scenario, names: &Names, cluster: &Cluster, id: Id<Task>, task: &Task) -> TaskLife {
    let name = |names: &[Arc<str>], place: usize| Arc::clone(&names[place]);
    let zone = cluster.zone_of_task(id).map(|it| name(&names.availability_zones, it.index()));
    TaskLife {
        task: id.index(),
        service: task.service().map(Id::index),
        run_task: match task.launcher {
            Launcher::RunTask(run_task) => Some(run_task.index()),
            Launcher::Service(_) => None,
        },
        task_group: name(&names.task_groups, scenario.launch(task.launcher).task_group.index()),
        task_definition: name(&names.task_definitions, task.task_definition.index()),
        instance: task.instance().map(|it| it.index()),
        availability_zone: zone,
        capacity_provider: task.capacity_provider.map(|it| name(&names.capacity_providers, it.index())),
        cpu_units: task.reservation.cpu_units,
        memory_mib: task.reservation.memory_mib,
        created_at: task.created_at,
        placed_at: task.placed_at,
        pull_started_at: task.pull_started_at,
        pulled_at: task.pull_stopped_at,
        running_at: task.started_at,
        healthy_at: task.healthy_at,
        stopping_at: task.stopping_at,
        stopped_at: task.stopped_at,
        stop_code: task.stopped_reason.as_ref().map(|(code, _)| code.as_str()),
        stopped_reason: task.stopped_reason.as_ref().map(|(_, reason)| reason.clone()),
        exit_code: task.exit_code,
        containers: containers_of(scenario, task),
    }
}

fn containers_of(scenario: &Scenario, task: &Task) -> Vec<ContainerLife> {
    let definition = &scenario.task_definitions[task.task_definition];
    let lives = task.containers.iter().zip(&definition.containers).map(|(container, definition)| ContainerLife {
        name: definition.name.clone(),
        last_status: match container.status {
            ContainerStatus::Pending => "PENDING",
            ContainerStatus::Running => "RUNNING",
            ContainerStatus::Stopped => "STOPPED",
        },
        started_at: container.started_at,
        stopped_at: container.stopped_at,
        exit_code: container.exit_code,
        reason: container.reason.clone(),
        health_status: container.health_status.as_str(),
        restart_count: container.restart_count,
    });
    lives.collect()
}

fn cost_of(scenario: &Scenario, control: &Control) -> Cost {
    let instances_usd =
        scenario.auto_scaling_groups.ids().map(|it| control.group_cost_usd(it)).fold(0.0, |sum, it| sum + it);
    let hours_started = scenario.duration.0.div_ceil(3600 * Span::SECOND.0);
    let load_balancers_usd = scenario.load_balancers.entries().map(|(load_balancer, definition)| {
        // What comes to an Application Load Balancer through a Network Load Balancer is what that passes on.
        let is_before = |it: &LoadBalancer| it.comes_through.is_some_and(|it| it.load_balancer == load_balancer);
        let counted_at = scenario.load_balancers.find(is_before).unwrap_or(load_balancer);
        // An hour's units follow its requests: each new connection carries several of them.
        let (mut unit_hours, mut gb) = (0.0, 0.0);
        for hour in 0..hours_started {
            let minutes = hour * 60..(hour + 1) * 60;
            let of_hour = rows_of(&control.records.load_balancer_minutes, minutes);
            let rows = || of_hour.iter().filter(|row| row.load_balancer == counted_at.index());
            let requests: u64 = rows().filter(|row| row.target_group.is_none()).map(|row| row.counts.arrived).sum();
            let billed: u64 =
                rows().filter(|row| row.target_group.is_none()).map(|row| row.routing.rule_evaluations.billed).sum();
            let (mut active, mut bytes, mut flows) = (0.0, 0.0, 0.0);
            for capacity in rows().filter_map(|row| row.capacity) {
                active += capacity.active_client_connections / 60.0;
                bytes += capacity.processed_bytes;
                flows += capacity.new_client_connections;
            }
            let connections = requests as f64 / 3600.0 / scenario.assumptions.requests_per_connection;
            gb += bytes / 1e9;
            unit_hours += if definition.kind == LoadBalancerType::Network {
                network_load_balancer_capacity_units(definition.protocol, flows / 3600.0, active, bytes / 1e9)
            } else {
                load_balancer_capacity_units(connections, active, bytes / 1e9, billed as f64 / 3600.0)
            };
        }
        scenario.prices.load_balancer_usd(definition.kind, hours_started, unit_hours, gb)
    });
    // No load balancer at all sums up to minus nothing.
    let load_balancers_usd = load_balancers_usd.fold(0.0, |sum, it| sum + it);
    let fargate_usd = FargateCapacity::ALL.iter().map(|it| control.fargate_cost_usd(*it)).fold(0.0, |sum, it| sum + it);
    let metrics_usd = scenario.prices.custom_metrics_usd(custom_metric_hours(scenario, control));
    Cost { instances_usd, load_balancers_usd, fargate_usd, metrics_usd }
}

/// For how many hours custom metrics were published, all together; a metric is billed for each hour begun.
fn custom_metric_hours(scenario: &Scenario, control: &Control) -> f64 {
    let hours = |from: Instant, to: Instant| to.since(from).0.div_ceil(3600 * Span::SECOND.0) as f64;
    let end = Instant::START + scenario.duration;
    let whole = hours(Instant::START, end);
    let high_resolution =
        scenario.services.iter().map(|it| it.high_resolution_metrics.len() as f64 * whole).sum::<f64>();
    let detailed = control
        .cluster
        .instances
        .iter()
        .filter(|it| scenario.auto_scaling_groups[it.auto_scaling_group].detailed_monitoring);
    let detailed = detailed
        .map(|it| f64::from(DETAILED_MONITORING_METRICS) * hours(it.launched_at, it.terminated_at.unwrap_or(end)))
        .sum::<f64>();
    if scenario.container_insights == ContainerInsights::Disabled {
        return high_resolution + detailed;
    }
    let families: BTreeSet<&str> = scenario.task_definitions.iter().map(|it| it.family.as_str()).collect();
    let published = f64::from(CONTAINER_INSIGHTS_METRICS_OF_CLUSTER)
        + f64::from(CONTAINER_INSIGHTS_METRICS_OF_SERVICE) * scenario.services.len() as f64
        + f64::from(CONTAINER_INSIGHTS_METRICS_OF_FAMILY) * families.len() as f64;
    let of_tasks = if scenario.container_insights == ContainerInsights::Enhanced {
        let ran = control.cluster.tasks.iter().filter_map(|it| Some((it.started_at?, it.stopped_at.unwrap_or(end))));
        ran.map(|(from, to)| f64::from(CONTAINER_INSIGHTS_METRICS_OF_FAMILY) * hours(from, to)).sum()
    } else {
        0.0
    };
    high_resolution + detailed + published * whole + of_tasks
}

fn hold(expectation: &Expectation, run: &Run, control: &Control) -> ExpectationResult {
    let value = measure(expectation, run, control);
    let limit = expectation.at_most.or(expectation.at_least).unwrap_or_default();
    let passed = value.is_some_and(|value| {
        expectation.at_most.is_none_or(|most| value <= most) && expectation.at_least.is_none_or(|least| value >= least)
    });
    ExpectationResult { name: expectation.name.clone(), passed, value, limit }
}

fn measure(expectation: &Expectation, run: &Run, control: &Control) -> Option<f64> {
    let chosen = |service: usize| expectation.service.is_none_or(|it| it.index() == service);
    let is_chosen = |task: &&TaskLife| expectation.service.is_none_or(|it| task.service == Some(it.index()));
    let totals = || run.requests.iter().enumerate().filter(|(service, _)| chosen(*service)).map(|(_, it)| it);
    let error_percent =
        |counts: &RequestCounts| (counts.ended() > 0).then(|| 100.0 * counts.failed() as f64 / counts.ended() as f64);
    let quantile = |q: f64| {
        let mut all = crate::data::histogram::Histogram::default();
        totals().for_each(|it| all.merge(&it.histogram));
        all.quantile(q).map(|nanos| nanos / 1e6)
    };
    let worst = |of: &dyn Fn(&ServiceMinute) -> Option<f64>| {
        run.service_minutes.iter().filter(|row| chosen(row.service)).filter_map(of).reduce(f64::max)
    };
    match expectation.measure {
        Measure::ErrorPercent => {
            let mut all = RequestCounts::default();
            totals().for_each(|it| all.add(&it.counts));
            if expectation.service.is_none() {
                run.load_balancer_totals.iter().for_each(|it| all.add(&it.requests));
            }
            error_percent(&all)
        }
        Measure::ResponseTimeP50Ms => quantile(0.5),
        Measure::ResponseTimeP90Ms => quantile(0.9),
        Measure::ResponseTimeP99Ms => quantile(0.99),
        Measure::WorstMinuteErrorPercent => worst(&|row| error_percent(&row.counts)),
        Measure::WorstMinuteP99Ms => worst(&|row| row.response_time_ms.p99),
        Measure::CostUsd => Some(run.cost.total_usd()),
        Measure::TaskHours => {
            let end = Instant::START + run.simulated;
            let chosen_tasks = run.tasks.iter().filter(is_chosen);
            let time = chosen_tasks.filter_map(|it| Some(it.stopped_at.unwrap_or(end).since(it.placed_at?)));
            Some(time.fold(Span::ZERO, |a, b| a + b).as_hours())
        }
        Measure::InstanceHours => Some(run.instance_hours),
        Measure::RunningCountAtEnd => {
            let running = |it: &&TaskLife| it.running_at.is_some() && it.stopping_at.is_none();
            Some(run.tasks.iter().filter(is_chosen).filter(running).count() as f64)
        }
        Measure::DeploymentsCompleted => {
            let services = control.services.iter().enumerate().filter(|(service, _)| chosen(*service));
            let completed =
                services.flat_map(|(_, it)| it.deployments.iter().skip(1)).filter(|it| it.completed_at.is_some());
            Some(completed.count() as f64)
        }
    }
}
