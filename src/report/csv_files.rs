//! The CSV files: a row is a struct, its field names are the header.

use serde::Serialize;

use crate::aws::stop_cause::StopCause;
use crate::report::capacity;
use crate::report::costs;
use crate::report::deployments;
use crate::report::draining;
use crate::report::event_bridge;
use crate::report::pipelines;
use crate::report::refusals;
use crate::report::standalone::{self, RUN_TASKS};
use crate::report::waterfall;
use crate::run::{LoadBalancerCapacity, LoadBalancerCounts, LoadBalancerMinute, Run, task_name};
use crate::table::Id;

#[derive(Serialize)]
struct ServiceRow<'a> {
    minute: u64,
    service: &'a str,
    desired_count: u32,
    running_count: u32,
    pending_count: u32,
    requests_count: u64,
    served_count: u64,
    errors_elb_502_count: u64,
    errors_elb_503_count: u64,
    errors_elb_504_count: u64,
    errors_target_5xx_count: u64,
    errors_client_timeout_count: u64,
    cpu_percent: Option<f64>,
    memory_percent: Option<f64>,
    response_time_p50_ms: Option<f64>,
    response_time_p90_ms: Option<f64>,
    response_time_p99_ms: Option<f64>,
    response_time_mean_ms: Option<f64>,
    healthy_targets_count: u32,
    new_flow_count: u64,
    active_flow_count: u64,
    surge_queue_length: u64,
    spillover_count: u64,
}

#[derive(Serialize)]
struct LoadBalancerRow<'a> {
    minute: u64,
    load_balancer: &'a str,
    target_group: Option<&'a str>,
    request_count: Option<u64>,
    request_count_per_target: Option<f64>,
    target_response_time_mean_ms: Option<f64>,
    target_response_time_p50_ms: Option<f64>,
    target_response_time_p90_ms: Option<f64>,
    target_response_time_p99_ms: Option<f64>,
    http_code_target_2xx_count: Option<u64>,
    http_code_target_3xx_count: Option<u64>,
    http_code_target_4xx_count: Option<u64>,
    http_code_target_5xx_count: Option<u64>,
    http_code_elb_4xx_count: Option<u64>,
    http_code_elb_5xx_count: Option<u64>,
    http_code_elb_502_count: Option<u64>,
    http_code_elb_503_count: Option<u64>,
    http_code_elb_504_count: Option<u64>,
    healthy_host_count_min: Option<u32>,
    healthy_host_count_mean: Option<f64>,
    healthy_host_count_max: Option<u32>,
    un_healthy_host_count_min: Option<u32>,
    un_healthy_host_count_mean: Option<f64>,
    un_healthy_host_count_max: Option<u32>,
    healthy_state_routing_min: Option<u32>,
    anomalous_host_count_max: Option<u32>,
    mitigated_host_count_max: Option<u32>,
    unhealthy_routing_request_count: Option<u64>,
    target_connection_error_count: Option<u64>,
    rejected_connection_count: Option<u64>,
    new_connection_count: Option<f64>,
    active_connection_count: Option<f64>,
    processed_bytes: Option<f64>,
    consumed_lcus: Option<f64>,
    peak_lcus: Option<f64>,
    rule_evaluations: Option<u64>,
    http_redirect_count: Option<u64>,
    http_fixed_response_count: Option<u64>,
    non_sticky_request_count: Option<u64>,
    unhealthy_state_routing_max: Option<u32>,
    healthy_state_dns_min: Option<u32>,
    unhealthy_state_dns_max: Option<u32>,
}

#[derive(Serialize)]
struct TargetRow<'a> {
    time_s: f64,
    task: String,
    target_group: &'a str,
    state: &'a str,
    reason: Option<&'a str>,
    anomaly_detection_result: &'a str,
    mitigation_in_effect: &'a str,
    weight: f64,
}

#[derive(Serialize)]
struct CapacityRow<'a> {
    minute: u64,
    capacity_provider: &'a str,
    desired_capacity: u32,
    in_service_count: u32,
    draining_count: u32,
    reservation_percent: Option<f64>,
    m_count: Option<u32>,
    n_count: Option<u32>,
    cost_usd: f64,
    reserved_cpu_percent: Option<f64>,
    reserved_memory_percent: Option<f64>,
    cpu_credits_least: Option<f64>,
    cpu_credits_mean: Option<f64>,
    cpu_used_units: f64,
    cpu_reserved_unused_units: f64,
    cpu_headroom_units: f64,
    cpu_fragmented_units: f64,
    cpu_draining_units: f64,
    cpu_booting_units: f64,
    memory_used_mib: f64,
    memory_reserved_unused_mib: f64,
    memory_headroom_mib: f64,
    memory_fragmented_mib: f64,
    memory_draining_mib: f64,
    memory_booting_mib: f64,
}

#[derive(Serialize)]
struct FargateRow<'a> {
    minute: u64,
    capacity_provider: &'a str,
    running_count: u32,
    starting_count: u32,
    stopping_count: u32,
    waiting_count: u32,
    launched_count: u32,
    refused_count: u32,
    vcpu: f64,
    vcpu_quota: u32,
    cost_usd: f64,
    without_capacity_count: u32,
}

#[derive(Serialize)]
struct ZoneRow<'a> {
    minute: u64,
    service: &'a str,
    availability_zone: &'a str,
    running_count: u32,
    share_percent: Option<f64>,
    fullest_instance_count: u32,
    fullest_instance_percent: Option<f64>,
}

#[derive(Serialize)]
struct InstanceRow<'a> {
    time_s: f64,
    instance: &'a str,
    auto_scaling_group: &'a str,
    instance_type: &'a str,
    availability_zone: &'a str,
    status: &'a str,
    tasks_count: u32,
    purchase_option: &'a str,
    usd_per_hour: f64,
    lifecycle_state: &'a str,
}

#[derive(Serialize)]
struct TaskRow<'a> {
    task: String,
    service: Option<&'a str>,
    task_definition: &'a str,
    instance: Option<&'a str>,
    availability_zone: Option<&'a str>,
    created_s: f64,
    placed_s: Option<f64>,
    pulled_s: Option<f64>,
    running_s: Option<f64>,
    healthy_s: Option<f64>,
    stopping_s: Option<f64>,
    stopped_s: Option<f64>,
    stop_code: Option<&'a str>,
    stopped_reason: Option<&'a str>,
    exit_code: Option<u8>,
    reserved_cpu_units: u32,
    reserved_memory_mib: u32,
    task_group: &'a str,
    capacity_provider: Option<&'a str>,
    pull_started_s: Option<f64>,
    run_task: Option<&'a str>,
    stop_cause: Option<String>,
}

#[derive(Serialize)]
struct ContainerRow<'a> {
    task: String,
    service: Option<&'a str>,
    container: &'a str,
    last_status: &'a str,
    started_s: Option<f64>,
    stopped_s: Option<f64>,
    exit_code: Option<u8>,
    reason: Option<&'a str>,
    health_status: &'a str,
    restart_count: u32,
}

#[derive(Serialize)]
struct AlarmRow<'a> {
    time_s: f64,
    alarm: &'a str,
    from_state: &'a str,
    to_state: &'a str,
    value: Option<f64>,
    threshold: Option<f64>,
    reason: &'a str,
}

#[derive(Serialize)]
struct ForecastRow<'a> {
    time_s: f64,
    resource: String,
    policy: &'a str,
    forecast_load: Option<f64>,
    load: Option<f64>,
    forecast_count: Option<u32>,
    busiest_count: Option<u32>,
}

#[derive(Serialize)]
struct ActivityRow<'a> {
    time_s: f64,
    resource: &'a str,
    cause: &'a str,
    from_count: u32,
    to_count: u32,
    base_count: Option<u32>,
    metric: Option<f64>,
    rule: &'a str,
    status_code: &'a str,
    end_s: Option<f64>,
    not_scaled_reason: Option<&'a str>,
}

#[derive(Serialize)]
struct MetricRow<'a> {
    time_s: f64,
    period_s: f64,
    metric: &'a str,
    statistic: &'a str,
    value: f64,
}

#[derive(Serialize)]
struct EventRow<'a> {
    time_s: f64,
    id: usize,
    cause_id: Option<usize>,
    kind: &'a str,
    resource: &'a str,
    message: &'a str,
}

/// All CSV files of a run, name and bytes.
pub fn files(run: &Run) -> Vec<(&'static str, Vec<u8>)> {
    let service_name = |place: usize| run.scenario.services[Id::new(place)].name.as_str();
    let seconds = |at: crate::units::Instant| at.as_seconds();
    let services = run.service_minutes.iter().map(|row| ServiceRow {
        minute: row.minute,
        service: service_name(row.service),
        desired_count: row.desired_count,
        running_count: row.running_count,
        pending_count: row.pending_count,
        requests_count: row.counts.arrived,
        served_count: row.counts.served,
        errors_elb_502_count: row.counts.elb_502,
        errors_elb_503_count: row.counts.elb_503,
        errors_elb_504_count: row.counts.elb_504,
        errors_target_5xx_count: row.counts.target_5xx,
        errors_client_timeout_count: row.counts.client_timeout,
        cpu_percent: row.cpu_percent,
        memory_percent: row.memory_percent,
        response_time_p50_ms: row.response_time_ms.p50,
        response_time_p90_ms: row.response_time_ms.p90,
        response_time_p99_ms: row.response_time_ms.p99,
        response_time_mean_ms: row.response_time_ms.mean,
        healthy_targets_count: row.healthy_targets,
        new_flow_count: row.connections.new_flows,
        active_flow_count: row.connections.active_flows,
        surge_queue_length: row.connections.surge_queue_length,
        spillover_count: row.connections.spillover,
    });
    let load_balancers = run.load_balancer_minutes.iter().map(|row| load_balancer_row(run, row));
    let targets = run.target_changes.iter().map(|row| TargetRow {
        time_s: seconds(row.at),
        task: task_name(row.task),
        target_group: &run.scenario.target_groups[Id::new(row.target_group)].name,
        state: row.state,
        reason: row.reason,
        anomaly_detection_result: if row.is_anomalous { "anomalous" } else { "normal" },
        mitigation_in_effect: if row.weight < 1.0 { "yes" } else { "no" },
        weight: row.weight,
    });
    let capacity = run.capacity_minutes.iter().map(|row| CapacityRow {
        minute: row.minute,
        capacity_provider: &row.capacity_provider,
        desired_capacity: row.desired_capacity,
        in_service_count: row.in_service,
        draining_count: row.draining,
        reservation_percent: row.reservation_percent,
        m_count: row.needed,
        n_count: row.present,
        cost_usd: row.cost_usd,
        reserved_cpu_percent: row.reserved_cpu_percent,
        reserved_memory_percent: row.reserved_memory_percent,
        cpu_credits_least: row.cpu_credits_least,
        cpu_credits_mean: row.cpu_credits_mean,
        cpu_used_units: row.cpu_units.used,
        cpu_reserved_unused_units: row.cpu_units.reserved_unused,
        cpu_headroom_units: row.cpu_units.headroom,
        cpu_fragmented_units: row.cpu_units.fragmented,
        cpu_draining_units: row.cpu_units.draining,
        cpu_booting_units: row.cpu_units.booting,
        memory_used_mib: row.memory_mib.used,
        memory_reserved_unused_mib: row.memory_mib.reserved_unused,
        memory_headroom_mib: row.memory_mib.headroom,
        memory_fragmented_mib: row.memory_mib.fragmented,
        memory_draining_mib: row.memory_mib.draining,
        memory_booting_mib: row.memory_mib.booting,
    });
    let zones = run.service_placements.iter().flat_map(|row| {
        let percent = move |part: u32| (row.tasks() > 0).then(|| 100.0 * f64::from(part) / f64::from(row.tasks()));
        row.zones.iter().zip(&run.scenario.availability_zones).map(move |(here, zone)| ZoneRow {
            minute: row.minute,
            service: service_name(row.service),
            availability_zone: &zone.name,
            running_count: here.tasks,
            share_percent: percent(here.tasks),
            fullest_instance_count: here.on_fullest_instance,
            fullest_instance_percent: percent(here.on_fullest_instance),
        })
    });
    let instances = run.instance_changes.iter().map(|row| InstanceRow {
        time_s: seconds(row.at),
        instance: &row.instance,
        auto_scaling_group: &row.auto_scaling_group,
        instance_type: &row.instance_type,
        availability_zone: &row.availability_zone,
        status: row.status,
        tasks_count: row.tasks,
        purchase_option: row.purchase_option,
        usd_per_hour: row.usd_per_hour,
        lifecycle_state: row.lifecycle_state,
    });
    let tasks = run.tasks.iter().map(|row| TaskRow {
        task: task_name(row.task),
        service: row.service.map(service_name),
        task_definition: &row.task_definition,
        instance: row.instance.map(|it| run.instances[it].name.as_str()),
        availability_zone: row.availability_zone.as_deref(),
        created_s: seconds(row.created_at),
        placed_s: row.placed_at.map(seconds),
        pulled_s: row.pulled_at.map(seconds),
        running_s: row.running_at.map(seconds),
        healthy_s: row.healthy_at.map(seconds),
        stopping_s: row.stopping_at.map(seconds),
        stopped_s: row.stopped_at.map(seconds),
        stop_code: row.stop_code,
        stopped_reason: row.stopped_reason.as_deref(),
        exit_code: row.exit_code,
        reserved_cpu_units: row.cpu_units,
        reserved_memory_mib: row.memory_mib,
        task_group: &row.task_group,
        capacity_provider: row.capacity_provider.as_deref(),
        pull_started_s: row.pull_started_at.map(seconds),
        run_task: row.run_task.map(|it| run.scenario.run_tasks[Id::new(it)].name.as_str()),
        stop_cause: row.stop_cause.as_ref().map(StopCause::words),
    });
    let containers = run.tasks.iter().flat_map(|task| {
        let service = task.service.map(service_name);
        task.containers.iter().map(move |row| ContainerRow {
            task: task_name(task.task),
            service,
            container: &row.name,
            last_status: row.last_status,
            started_s: row.started_at.map(seconds),
            stopped_s: row.stopped_at.map(seconds),
            exit_code: row.exit_code,
            reason: row.reason.as_deref(),
            health_status: row.health_status,
            restart_count: row.restart_count,
        })
    });
    let alarms = run.alarm_changes.iter().map(|row| AlarmRow {
        time_s: seconds(row.at),
        alarm: &row.alarm,
        from_state: row.from,
        to_state: row.to,
        value: row.value,
        threshold: row.threshold,
        reason: &row.reason,
    });
    let events = run.events.iter().enumerate().map(|(id, row)| EventRow {
        time_s: seconds(row.at),
        id,
        cause_id: row.cause,
        kind: row.kind,
        resource: &row.resource,
        message: &row.message,
    });
    let activities = run.scaling_activities.iter().map(|row| ActivityRow {
        time_s: seconds(row.at),
        resource: &row.resource,
        cause: &row.cause,
        from_count: row.from,
        to_count: row.to,
        base_count: row.base,
        metric: row.metric,
        rule: &row.rule,
        status_code: row.status_code,
        end_s: row.ended_at.map(seconds),
        not_scaled_reason: row.not_scaled_reason,
    });
    let mut files = vec![
        ("services.csv", table(SERVICES, services)),
        ("capacity.csv", table(CAPACITY, capacity)),
        ("instances.csv", table(INSTANCES, instances)),
        ("tasks.csv", table(TASKS, tasks)),
        ("alarms.csv", table(ALARMS, alarms)),
        ("events.csv", table(EVENTS, events)),
        ("load_balancers.csv", table(LOAD_BALANCERS, load_balancers)),
        ("targets.csv", table(TARGETS, targets)),
        ("zones.csv", table(ZONES, zones)),
    ];
    if !run.scenario.scaling_policies.is_empty() || !run.scenario.scalable_targets.is_empty() {
        files.push(("scaling_activities.csv", table(SCALING_ACTIVITIES, activities)));
    }
    if !run.forecast_hours.is_empty() {
        let forecasts = run.forecast_hours.iter().map(|row| ForecastRow {
            time_s: seconds(row.at),
            resource: run.scenario.scaled_resource(row.policy),
            policy: &run.scenario.scaling_policies[row.policy].name,
            forecast_load: row.forecast_load,
            load: row.load,
            forecast_count: row.forecast_capacity,
            busiest_count: row.busiest_capacity,
        });
        files.push(("forecast.csv", table(FORECAST, forecasts)));
    }
    if run.tasks.iter().any(|it| !it.containers.is_empty()) {
        files.push(("containers.csv", table(CONTAINERS, containers)));
    }
    if !run.fargate_minutes.is_empty() {
        let fargate = run.fargate_minutes.iter().map(|row| FargateRow {
            minute: row.minute,
            capacity_provider: row.capacity.provider_name(),
            running_count: row.running,
            starting_count: row.starting,
            stopping_count: row.stopping,
            waiting_count: row.waiting,
            launched_count: row.launched,
            refused_count: row.refused,
            vcpu: row.vcpu,
            vcpu_quota: row.vcpu_quota,
            cost_usd: row.cost_usd,
            without_capacity_count: row.without_capacity,
        });
        files.push(("fargate.csv", table(FARGATE, fargate)));
    }
    if !run.managed_scaling_minutes.is_empty() {
        files.push(("managed_scaling.csv", table(capacity::MANAGED_SCALING, capacity::managed_scaling_rows(run))));
    }
    if !run.service_scale_outs.is_empty() {
        files.push(("waterfall.csv", table(waterfall::COLUMNS, waterfall::rows(run).into_iter())));
    }
    if deployments::has_deployments(run) {
        files.push(("deployments.csv", table(deployments::COLUMNS, deployments::rows(run))));
    }
    if !run.instance_reasons.is_empty() {
        files.push(("instance_reasons.csv", table(capacity::INSTANCE_REASONS, capacity::instance_reason_rows(run))));
    }
    if !run.run_task_totals.is_empty() {
        files.push(("run_tasks.csv", table(RUN_TASKS, standalone::rows(run))));
    }
    if run.scenario.run_tasks.iter().any(|it| it.caller.event_bridge().is_some()) {
        files.push(("invocations.csv", table(event_bridge::INVOCATIONS, event_bridge::rows(run))));
    }
    if !run.scenario.pipelines.is_empty() {
        files.push(("pipelines.csv", table(pipelines::PIPELINES, pipelines::rows(run))));
    }
    if !run.metric_points.is_empty() {
        let metrics = run.metric_points.iter().map(|row| MetricRow {
            time_s: seconds(row.at),
            period_s: row.period.as_seconds(),
            metric: &row.metric,
            statistic: &row.statistic,
            value: row.value,
        });
        files.push(("metrics.csv", table(METRICS, metrics)));
    }
    if !run.placement_refusals.is_empty() {
        files.push(("placement_refusals.csv", table(refusals::COLUMNS, refusals::rows(run))));
    }
    if !run.drain_holds.is_empty() {
        files.push(("draining.csv", table(draining::COLUMNS, draining::rows(run))));
    }
    files.push(("costs.csv", table(costs::COSTS, costs::rows(run))));
    files
}

/// A metric that is reported only where it is not zero.
fn reported(count: u64) -> Option<u64> {
    (count > 0).then_some(count)
}

/// The same of one that need not be whole.
fn reported_amount(amount: f64) -> Option<f64> {
    (amount > 0.0).then_some(amount)
}

fn load_balancer_row<'a>(run: &'a Run, row: &LoadBalancerMinute) -> LoadBalancerRow<'a> {
    let (counts, routing, times, hosts) = (&row.counts, &row.routing, &row.target_response_time_ms, row.hosts);
    let capacity = |of: fn(&LoadBalancerCapacity) -> f64| row.capacity.as_deref().map(of);
    let own = |of: fn(&LoadBalancerCounts) -> u64| row.own.as_deref().map(of).and_then(reported);
    LoadBalancerRow {
        minute: row.minute,
        load_balancer: &run.scenario.load_balancers[Id::new(row.load_balancer)].name,
        target_group: row.target_group.map(|it| run.scenario.target_groups[Id::new(it)].name.as_str()),
        request_count: reported(routing.routed),
        request_count_per_target: row.request_count_per_target,
        target_response_time_mean_ms: times.mean,
        target_response_time_p50_ms: times.p50,
        target_response_time_p90_ms: times.p90,
        target_response_time_p99_ms: times.p99,
        http_code_target_2xx_count: reported(counts.served - counts.target_3xx - counts.target_4xx),
        http_code_target_3xx_count: reported(counts.target_3xx),
        http_code_target_4xx_count: reported(counts.target_4xx),
        http_code_target_5xx_count: reported(counts.target_5xx),
        http_code_elb_4xx_count: reported(counts.client_timeout),
        http_code_elb_5xx_count: reported(counts.elb_502 + counts.elb_503 + counts.elb_504),
        http_code_elb_502_count: reported(counts.elb_502),
        http_code_elb_503_count: reported(counts.elb_503),
        http_code_elb_504_count: reported(counts.elb_504),
        healthy_host_count_min: hosts.map(|it| it.healthy.minimum),
        healthy_host_count_mean: hosts.map(|it| it.healthy.mean),
        healthy_host_count_max: hosts.map(|it| it.healthy.maximum),
        un_healthy_host_count_min: hosts.map(|it| it.unhealthy.minimum),
        un_healthy_host_count_mean: hosts.map(|it| it.unhealthy.mean),
        un_healthy_host_count_max: hosts.map(|it| it.unhealthy.maximum),
        healthy_state_routing_min: hosts.map(|it| it.healthy_state_routing.minimum),
        anomalous_host_count_max: hosts.map(|it| it.anomalous.maximum),
        mitigated_host_count_max: hosts.map(|it| it.mitigated.maximum),
        unhealthy_routing_request_count: reported(routing.unhealthy_routed),
        target_connection_error_count: reported(routing.target_connection_errors),
        rejected_connection_count: None,
        new_connection_count: capacity(|it| it.new_client_connections + it.new_target_connections)
            .and_then(reported_amount),
        active_connection_count: capacity(|it| 2.0 * it.active_client_connections).and_then(reported_amount),
        processed_bytes: capacity(|it| it.processed_bytes).and_then(reported_amount),
        consumed_lcus: capacity(|it| it.consumed_lcus),
        peak_lcus: capacity(|it| it.peak_lcus),
        rule_evaluations: row.capacity.as_ref().and_then(|_| reported(routing.rule_evaluations.all)),
        http_redirect_count: own(|it| it.redirects),
        http_fixed_response_count: own(LoadBalancerCounts::fixed_responses),
        non_sticky_request_count: own(|it| it.non_sticky),
        unhealthy_state_routing_max: hosts.map(|it| it.unhealthy_state_routing_maximum),
        healthy_state_dns_min: hosts.map(|it| it.healthy_state_dns.minimum),
        unhealthy_state_dns_max: hosts.map(|it| it.unhealthy_state_dns_maximum),
    }
}

/// Rows under their header; a table without rows has its header all the same.
fn table<R: Serialize>(header: &str, rows: impl Iterator<Item = R>) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    writer.write_record(header.split_whitespace()).expect("a header can be written");
    rows.for_each(|row| writer.serialize(row).expect("a row can be written"));
    writer.into_inner().expect("memory can be written")
}

const SERVICES: &str = "minute service desired_count running_count pending_count requests_count served_count \
    errors_elb_502_count errors_elb_503_count errors_elb_504_count errors_target_5xx_count errors_client_timeout_count \
    cpu_percent memory_percent response_time_p50_ms response_time_p90_ms response_time_p99_ms response_time_mean_ms \
    healthy_targets_count new_flow_count active_flow_count surge_queue_length spillover_count";
const CAPACITY: &str = "minute capacity_provider desired_capacity in_service_count draining_count reservation_percent \
    m_count n_count cost_usd reserved_cpu_percent reserved_memory_percent \
    cpu_credits_least cpu_credits_mean \
    cpu_used_units cpu_reserved_unused_units cpu_headroom_units cpu_fragmented_units cpu_draining_units cpu_booting_units \
    memory_used_mib memory_reserved_unused_mib memory_headroom_mib memory_fragmented_mib memory_draining_mib memory_booting_mib";
const FARGATE: &str = "minute capacity_provider running_count starting_count stopping_count waiting_count launched_count \
    refused_count vcpu vcpu_quota cost_usd without_capacity_count";
const ZONES: &str = "minute service availability_zone running_count share_percent fullest_instance_count \
    fullest_instance_percent";
const INSTANCES: &str = "time_s instance auto_scaling_group instance_type availability_zone status tasks_count \
    purchase_option usd_per_hour lifecycle_state";
const TASKS: &str = "task service task_definition instance availability_zone created_s placed_s pulled_s running_s \
    healthy_s stopping_s stopped_s stop_code stopped_reason exit_code reserved_cpu_units reserved_memory_mib task_group capacity_provider \
    pull_started_s run_task stop_cause";
const CONTAINERS: &str =
    "task service container last_status started_s stopped_s exit_code reason health_status restart_count";
const ALARMS: &str = "time_s alarm from_state to_state value threshold reason";
const FORECAST: &str = "time_s resource policy forecast_load load forecast_count busiest_count";
const SCALING_ACTIVITIES: &str = "time_s resource cause from_count to_count base_count metric rule status_code end_s \
    not_scaled_reason";
const METRICS: &str = "time_s period_s metric statistic value";
const LOAD_BALANCERS: &str = "minute load_balancer target_group request_count request_count_per_target \
    target_response_time_mean_ms target_response_time_p50_ms target_response_time_p90_ms target_response_time_p99_ms \
    http_code_target_2xx_count http_code_target_3xx_count http_code_target_4xx_count http_code_target_5xx_count \
    http_code_elb_4xx_count http_code_elb_5xx_count http_code_elb_502_count http_code_elb_503_count \
    http_code_elb_504_count healthy_host_count_min healthy_host_count_mean healthy_host_count_max \
    un_healthy_host_count_min un_healthy_host_count_mean un_healthy_host_count_max healthy_state_routing_min \
    anomalous_host_count_max mitigated_host_count_max unhealthy_routing_request_count target_connection_error_count \
    rejected_connection_count new_connection_count active_connection_count processed_bytes consumed_lcus peak_lcus \
    rule_evaluations http_redirect_count http_fixed_response_count non_sticky_request_count \
    unhealthy_state_routing_max healthy_state_dns_min unhealthy_state_dns_max";
const TARGETS: &str = "time_s task target_group state reason anomaly_detection_result mitigation_in_effect weight";
const EVENTS: &str = "time_s id cause_id kind resource message";

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Row {
        one: u32,
        other: Option<f64>,
    }

    #[test]
    fn no_data_is_empty_not_zero() {
        let rows = [Row { one: 1, other: None }, Row { one: 2, other: Some(0.5) }];
        assert_eq!(table("one other", rows.into_iter()), b"one,other\n1,\n2,0.5\n");
        assert_eq!(table("one other", std::iter::empty::<Row>()), b"one,other\n");
    }
}
