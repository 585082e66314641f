//! `summary.json`: a run in a few numbers.

use serde::Serialize;

use crate::data::histogram::Histogram;
use crate::report::capacity::{ReasonTotal, reason_totals, scales_groups};
use crate::report::costs::{OwnerCost, a_month, by_owner};
use crate::report::deployments::{self, DeploymentRow};
use crate::report::draining::{self, DrainSummary};
use crate::report::event_bridge::{self, TargetSummary};
use crate::report::failed_calls::{self, FailedCallsSummary};
use crate::report::findings::{Finding, findings};
use crate::report::pipelines::{self, PipelineSummary};
use crate::report::refusals::{Refused, refused};
use crate::report::standalone::{Standalone, standalone};
use crate::report::stopped_tasks::{StoppedTasks, stopped_tasks};
use crate::run::{ExpectationResult, RequestCounts, ResponseTimes, Run, quantile};

/// The version of the outputs' shape; columns and keys are only ever added.
pub const SCHEMA_VERSION: u32 = 1;

#[derive(Serialize)]
struct Summary<'a> {
    schema_version: u32,
    scenario: &'a str,
    variant: &'a str,
    replication: u32,
    seed: u64,
    fingerprint: &'a str,
    simulated_s: f64,
    requests: Requests,
    response_time_ms: ResponseTimes,
    task_hours: f64,
    instance_hours: f64,
    cost_usd: f64,
    scale_outs: u32,
    expectations: &'a [ExpectationResult],
    expect_failure: bool,
    cost_instances_usd: f64,
    cost_load_balancers_usd: f64,
    worst_minute: Option<WorstMinute>,
    caller_response_time_ms: ResponseTimes,
    /// Where tasks may run on Fargate.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_fargate_usd: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    standalone_tasks: Vec<Standalone<'a>>,
    /// What instances were there for, where a capacity provider's managed scaling sizes a group.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    instance_reasons: Vec<ReasonTotal>,
    /// What came of deployments, but for those that services began with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    deployments: Vec<DeploymentRow<'a>>,
    /// What stands out of the scaling.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    findings: Vec<Finding>,
    /// Services of which tasks found no instance.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    placement_refusals: Vec<Refused>,
    /// Tasks that stopped otherwise than they were meant to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stopped_tasks: Vec<StoppedTasks<'a>>,
    /// What kept container instances that drained for ten minutes and more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    draining: Vec<DrainSummary<'a>>,
    /// Calls that AWS refused or throttled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed_calls: Vec<FailedCallsSummary<'a>>,
    cost_volumes_usd: f64,
    cost_cloudwatch_usd: f64,
    /// Where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_nat_gateways_usd: Option<f64>,
    /// Where there are pipelines.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_builds_usd: Option<f64>,
    /// Where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_cpu_credits_usd: Option<f64>,
    cost_month_usd: f64,
    costs: Vec<OwnerCost>,
    /// Where tasks can wait for an instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_for_instances: Option<Waits>,
    /// Where managed scaling sizes a group.
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<Groups>,
    /// What EventBridge invoked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    event_targets: Vec<TargetSummary<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pipelines: Vec<PipelineSummary<'a>>,
}

/// How long tasks waited for an instance.
#[derive(Serialize)]
struct Waits {
    tasks: usize,
    waited: usize,
    p50_s: Option<f64>,
    p95_s: Option<f64>,
    p99_s: Option<f64>,
    longest_s: Option<f64>,
}

/// How often groups changed their size.
#[derive(Serialize)]
struct Groups {
    scale_outs: u32,
    scale_ins: u32,
    instances_maximum: Option<u32>,
}

#[derive(Serialize)]
struct Requests {
    arrived: u64,
    served: u64,
    failed: Failed,
    in_flight: u64,
    /// What load balancers with listeners did by themselves; `arrived` and `failed` count it too.
    #[serde(skip_serializing_if = "Option::is_none")]
    load_balancers: Option<OwnAnswers>,
}

#[derive(Serialize)]
struct OwnAnswers {
    fixed_response: u64,
    fixed_response_5xx: u64,
    redirects: u64,
}

#[derive(Serialize)]
struct Failed {
    elb_502: u64,
    elb_503: u64,
    elb_504: u64,
    target_5xx: u64,
    client_timeout: u64,
}

/// The minute that hurt most: the one with the greatest share of errors; among equals, the slowest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct WorstMinute {
    /// Minutes since the run began.
    pub minute: u64,
    /// Errors, percent of what ended in it.
    pub error_percent: f64,
    /// The 99th percentile of its response times, ms; the slowest service's.
    pub response_time_p99_ms: Option<f64>,
}

/// Requests of all services together, and those that load balancers answered themselves.
pub fn all_requests(run: &Run) -> (RequestCounts, u64, ResponseTimes) {
    let mut counts = RequestCounts::default();
    let mut histogram = Histogram::default();
    let mut in_flight = 0;
    for totals in &run.requests {
        counts.add(&totals.counts);
        histogram.merge(&totals.histogram);
        in_flight += totals.in_flight;
    }
    run.load_balancer_totals.iter().for_each(|it| counts.add(&it.requests));
    let millis = |nanos: Option<f64>| nanos.map(|it| it / 1e6);
    let times = ResponseTimes {
        mean: millis(histogram.mean()),
        p50: millis(histogram.quantile(0.5)),
        p90: millis(histogram.quantile(0.9)),
        p99: millis(histogram.quantile(0.99)),
    };
    (counts, in_flight, times)
}

/// Response times of all services together as their callers see them, ms: with the way to the load balancer and what
/// that adds, which is the same for all requests that come to a service by one listener.
pub fn caller_response_times(run: &Run) -> ResponseTimes {
    let mut values: Vec<(f64, f64)> = Vec::new();
    let (mut sum, mut count) = (0.0, 0);
    for totals in &run.requests {
        let histogram = &totals.histogram;
        let mut to_caller_mean = 0.0;
        for (to_caller, part) in &totals.to_callers {
            let to_caller = to_caller.0 as f64;
            values.extend(histogram.filled().map(|(nanos, count)| (nanos + to_caller, part * count as f64)));
            to_caller_mean += part * to_caller;
        }
        sum += histogram.sum() as f64 + to_caller_mean * histogram.count() as f64;
        count += histogram.count();
    }
    values.sort_by(|one, other| one.0.total_cmp(&other.0));
    let quantile = |q: f64| {
        let wanted = (q * count as f64).ceil().max(1.0);
        let mut seen = 0.0;
        let value = values.iter().find(|(_, count)| {
            seen += count;
            // Parts of counts do not add up exactly.
            seen >= wanted - 1e-6 * wanted.min(1e3)
        });
        value.map(|(nanos, _)| nanos / 1e6)
    };
    let mean = (count > 0).then(|| sum / count as f64 / 1e6);
    ResponseTimes { mean, p50: quantile(0.5), p90: quantile(0.9), p99: quantile(0.99) }
}

/// The minute that hurt most; `None` without requests.
pub fn worst_minute(run: &Run) -> Option<WorstMinute> {
    let mut worst: Option<WorstMinute> = None;
    for minute in run.service_minutes.chunk_by(|one, other| one.minute == other.minute) {
        let mut counts = RequestCounts::default();
        minute.iter().for_each(|row| counts.add(&row.counts));
        let number = minute[0].minute;
        let load_balancers = run.load_balancers_in(number..number + 1).iter();
        load_balancers.filter_map(|it| it.own.as_deref()).for_each(|it| counts.add(&it.requests));
        if counts.ended() == 0 {
            continue;
        }
        let slowest = minute.iter().filter_map(|row| row.response_time_ms.p99).reduce(f64::max);
        let this = WorstMinute {
            minute: minute[0].minute,
            error_percent: 100.0 * counts.failed() as f64 / counts.ended() as f64,
            response_time_p99_ms: slowest,
        };
        let rank = |it: &WorstMinute| (it.error_percent, it.response_time_p99_ms.unwrap_or(0.0));
        if worst.is_none_or(|worst| rank(&this) > rank(&worst)) {
            worst = Some(this);
        }
    }
    worst
}

fn waits_for_instances(run: &Run) -> Option<Waits> {
    let waits = run.waits_for_instances(|_| true);
    (!waits.is_empty()).then(|| Waits {
        tasks: waits.len(),
        waited: waits.iter().filter(|it| **it > 0.0).count(),
        p50_s: quantile(&waits, 0.5),
        p95_s: quantile(&waits, 0.95),
        p99_s: quantile(&waits, 0.99),
        longest_s: quantile(&waits, 1.0),
    })
}

/// The file's bytes.
pub fn summary(run: &Run) -> Vec<u8> {
    let (counts, in_flight, response_time_ms) = all_requests(run);
    let summary = Summary {
        schema_version: SCHEMA_VERSION,
        scenario: &run.scenario.name,
        variant: &run.scenario.variant,
        replication: run.replication,
        seed: run.seed,
        fingerprint: &run.fingerprint,
        simulated_s: run.simulated.as_seconds(),
        requests: Requests {
            arrived: counts.arrived,
            served: counts.served,
            failed: Failed {
                elb_502: counts.elb_502,
                elb_503: counts.elb_503,
                elb_504: counts.elb_504,
                target_5xx: counts.target_5xx,
                client_timeout: counts.client_timeout,
            },
            in_flight,
            load_balancers: (!run.scenario.listeners.is_empty()).then(|| OwnAnswers {
                fixed_response: counts.fixed_response,
                fixed_response_5xx: counts.fixed_response_5xx,
                redirects: run.load_balancer_totals.iter().map(|it| it.redirects).sum(),
            }),
        },
        response_time_ms,
        task_hours: run.task_hours,
        instance_hours: run.instance_hours,
        cost_usd: run.cost.total_usd(),
        scale_outs: run.scale_outs,
        expectations: &run.expectations,
        expect_failure: run.scenario.expect_failure,
        cost_instances_usd: run.cost.instances_usd,
        cost_load_balancers_usd: run.cost.load_balancers_usd,
        worst_minute: worst_minute(run),
        caller_response_time_ms: caller_response_times(run),
        cost_fargate_usd: run.uses_fargate().then_some(run.cost.fargate_usd),
        standalone_tasks: standalone(run),
        instance_reasons: match !scales_groups(run) {
            true => Vec::new(),
            false => reason_totals(run).into_iter().map(|it| it.1).collect(),
        },
        deployments: deployments::rows(run).collect(),
        findings: findings(run),
        placement_refusals: refused(run),
        stopped_tasks: stopped_tasks(run),
        cost_volumes_usd: run.cost.volumes_usd,
        cost_cloudwatch_usd: run.cost.cloud_watch_usd,
        cost_builds_usd: (!run.scenario.pipelines.is_empty()).then_some(run.cost.builds_usd),
        cost_nat_gateways_usd: run.scenario.nat_gateways.as_ref().map(|_| run.cost.nat_gateways_usd),
        cost_cpu_credits_usd: Some(run.cost.cpu_credits_usd).filter(|it| *it > 0.0),
        cost_month_usd: a_month(run, run.cost.total_usd()),
        costs: by_owner(run),
        waits_for_instances: waits_for_instances(run),
        groups: run.scenario.has_managed_scaling().then(|| Groups {
            scale_outs: run.capacity_changes().0,
            scale_ins: run.capacity_changes().1,
            instances_maximum: run.instances_maximum(),
        }),
        event_targets: event_bridge::summaries(run),
        pipelines: pipelines::summaries(run),
        draining: draining::summaries(run),
        failed_calls: failed_calls::summaries(run),
    };
    let mut bytes = serde_json::to_vec_pretty(&summary).expect("a summary can be written");
    bytes.push(b'\n');
    bytes
}
