//! Metrics that end somewhere: policies whose target lies beyond that, and scale-outs that it bounds.

use std::ops::RangeInclusive;

use crate::aws::alarm::{Alarm, AlarmState, ComparisonOperator, Watched};
use crate::aws::auto_scaling_group::AutoScalingGroup;
use crate::aws::metric::{LoadBalancerMetric, Metric, MetricStat, ServiceMetric};
use crate::aws::scaling_policy::{ScalingPolicy, ScalingPolicyKind, ScalingTarget, TargetTracking};
use crate::aws::service::ServiceDefinition;
use crate::aws::statistic::Statistic;
use crate::report::comparison::number;
use crate::run::{Run, ScalingActivity};
use crate::table::Id;
use crate::units::{Instant, Span};

/// A utilisation from which on a metric that ends at 100 is at its cap, percent.
const AT_CAP: f64 = 99.0;
/// Likewise of the instances of a group, of which those that are just warm have not been busy for the whole minute.
const AT_CAP_OF_GROUPS: f64 = 95.0;
/// Up to which a metric that can go beyond 100, but need not, is taken to be there.
const AT_CAP_MOST: f64 = 101.0;
/// So long without a task that a policy could bring back is worth a word.
const AT_ZERO_LEAST: u64 = 30;

/// Where a metric ends, and why.
struct Cap {
    most: f64,
    /// After "it comes to".
    why: &'static str,
}

/// Whether a service's tasks can use no more CPU than they reserve: on Fargate, with a task-level `cpu`, and on Windows.
fn is_cpu_capped(run: &Run, service: Id<ServiceDefinition>) -> bool {
    let definition = &run.scenario.services[service];
    let task_definition = &run.scenario.task_definitions[definition.task_definition];
    let serving = definition.load_balancer.as_ref().and_then(|it| it.container_in(task_definition)).unwrap_or(0);
    task_definition.cpu_cap_of(serving, is_on_fargate(run, service)).is_some()
}

fn is_on_fargate(run: &Run, service: Id<ServiceDefinition>) -> bool {
    let strategy = &run.scenario.services[service].launch.capacity_provider_strategy;
    strategy.iter().any(|it| run.scenario.capacity_providers[it.capacity_provider].fargate().is_some())
}

/// What `CPUUtilization` of a service can come to at the most: its workers are all busy beside whatever else computes in the task,
/// or the CPU is used up, percent.
fn cpu_cap(run: &Run, service: Id<ServiceDefinition>) -> Option<Cap> {
    let definition = &run.scenario.services[service];
    let task_definition = &run.scenario.task_definitions[definition.task_definition];
    let reserved = f64::from(task_definition.reservation().cpu_units);
    let cap = task_definition.cpu.map_or(f64::INFINITY, f64::from);
    let of_hardware = Cap { most: 100.0 * cap / reserved, why: "with the CPU of its tasks used up" };
    let of_hardware = Some(of_hardware).filter(|it| reserved > 0.0 && it.most.is_finite());
    let Some(load_balancer) = &definition.load_balancer else { return of_hardware };
    let application = &task_definition.containers[load_balancer.container_in(task_definition)?].application;
    let has_tls = run.scenario.target_groups[load_balancer.target_group].has_tls;
    // As if each request opened a connection: more than this it cannot be.
    let handshake = if has_tls { run.scenario.assumptions.tls_handshake_cpu_time.0 as f64 } else { 0.0 };
    let of_request = (application.cpu_time.mean_nanos() + handshake) / 1e9;
    let serving_units = run.capacity_of_task(service)? * of_request * 1024.0;
    let background: f64 = task_definition.containers.iter().map(|it| it.application.background_cpu_units).sum();
    let wanted = serving_units + background;
    let of_workers = Cap { most: 100.0 * wanted.min(cap) / reserved, why: "with all workers of a task busy" };
    Some(of_workers).filter(|_| reserved > 0.0 && wanted > 0.0)
}

/// What `MemoryUtilization` of a service can come to at the most: hard limits, of what it is a percentage of.
fn memory_cap(run: &Run, service: Id<ServiceDefinition>) -> Option<Cap> {
    let definition = &run.scenario.services[service];
    let task_definition = &run.scenario.task_definitions[definition.task_definition];
    if task_definition.caps_containers(is_on_fargate(run, service)) {
        return None;
    }
    let of_containers = || task_definition.containers.iter().map(|it| it.memory).sum::<Option<u32>>();
    let limit = task_definition.memory.filter(|it| *it > 0).or_else(of_containers)?;
    let reserved = task_definition.reservation().memory_mib;
    let most = 100.0 * f64::from(limit) / f64::from(reserved);
    (reserved > 0).then_some(Cap { most, why: "with all the memory that its tasks may use" })
}

/// Where a statistic of a metric ends, if it does.
fn cap_of(run: &Run, stat: &MetricStat) -> Option<Cap> {
    match stat.statistic {
        Statistic::Average | Statistic::Minimum | Statistic::Maximum | Statistic::Percentile(_) => {}
        _ => return None,
    }
    match stat.metric {
        Metric::Service(service, ServiceMetric::CpuUtilization, _) => cpu_cap(run, service),
        Metric::Service(service, ServiceMetric::MemoryUtilization, _) => memory_cap(run, service),
        Metric::InstanceCpuUtilization(_) => Some(Cap { most: 100.0, why: "with the CPU of its instances used up" }),
        _ => None,
    }
}

fn is_of(policy: &ScalingPolicy, run: &Run, target: ScalingTarget) -> bool {
    match (policy.target, target) {
        (ScalingTarget::Service(own), ScalingTarget::Service(other)) => {
            run.scenario.scalable_targets[own].service == run.scenario.scalable_targets[other].service
        }
        (own, other) => own == other,
    }
}

fn name_of_metric(run: &Run, watches: &Watched) -> String {
    run.scenario.watched_name(watches).to_owned()
}

/// Policies of a service or group that nothing can invoke: what they watch never comes to where they act.
pub(super) fn policies_that_never_fire(run: &Run, target: ScalingTarget) -> Vec<String> {
    let mut texts = Vec::new();
    for (id, policy) in run.scenario.scaling_policies.entries().filter(|it| is_of(it.1, run, target)) {
        if let ScalingPolicyKind::TargetTracking(tracking) = &policy.kind {
            let Watched::Stat(stat) = &tracking.watches else { continue };
            let Some(cap) = cap_of(run, stat).filter(|it| it.most <= tracking.target_value + 1e-9) else { continue };
            let has_scaled_out = |it: &ScalingActivity| it.cause == policy.name && it.to > it.from;
            if run.scaling_activities.iter().any(has_scaled_out) {
                continue;
            }
            let unit = if name_of_metric(run, &tracking.watches) == "CPUUtilization" { "CPU" } else { "memory" };
            texts.push(format!(
                "policy {} can never scale out: its target is {} % {unit}, and {} it comes to {} % at the most",
                policy.name,
                tracking.target_value,
                cap.why,
                number(cap.most, 0)
            ));
            continue;
        }
        for alarm in run.scenario.alarms.iter().filter(|it| it.actions.contains(&(AlarmState::Alarm, id))) {
            if let Some(cap) = cap_beyond_which_it_acts(run, alarm) {
                texts.push(format!(
                    "policy {} can never scale out: its alarm {} wants {} beyond {}, and {} it comes to {} at the most",
                    policy.name,
                    alarm.name,
                    name_of_metric(run, &alarm.watches),
                    alarm.rule.threshold,
                    cap.why,
                    number(cap.most, 0)
                ));
            }
        }
    }
    texts
}

/// The cap of what an alarm watches, where its threshold lies beyond that and it was never in ALARM.
fn cap_beyond_which_it_acts(run: &Run, alarm: &Alarm) -> Option<Cap> {
    let Watched::Stat(stat) = &alarm.watches else { return None };
    let is_beyond = |cap: &Cap| match alarm.rule.comparison_operator {
        ComparisonOperator::GreaterThanThreshold => cap.most <= alarm.rule.threshold + 1e-9,
        ComparisonOperator::GreaterThanOrEqualToThreshold => cap.most < alarm.rule.threshold - 1e-9,
        _ => false,
    };
    let has_acted = run.alarm_changes.iter().any(|it| it.alarm == alarm.name && it.to == "ALARM");
    cap_of(run, stat).filter(|cap| is_beyond(cap) && !has_acted)
}

/// A service at 0 tasks whose policies all watch what has no datapoints without a task, while requests come.
pub(super) fn trapped_at_zero(run: &Run, service: Id<ServiceDefinition>) -> Option<String> {
    let minutes: Vec<_> = super::rows_of(run, service).collect();
    let at_zero = minutes.iter().rev().take_while(|it| it.desired_count == 0);
    let (count, arrived) = at_zero.fold((0, 0), |(count, arrived), it| (count + 1, arrived + it.counts.arrived));
    let target = run.scenario.scalable_targets.entries().find(|it| it.1.service == service)?.0;
    let policies = run.scenario.scaling_policies.entries();
    let own: Vec<_> = policies.filter(|it| is_of(it.1, run, ScalingTarget::Service(target))).collect();
    let watched: Vec<&Watched> = own
        .iter()
        .flat_map(|(id, policy)| match &policy.kind {
            ScalingPolicyKind::TargetTracking(tracking) => vec![&tracking.watches],
            _ => {
                let alarms = run.scenario.alarms.iter();
                alarms.filter(|it| it.actions.iter().any(|it| it.1 == *id)).map(|it| &it.watches).collect()
            }
        })
        .collect();
    let target_group = run.scenario.services[service].load_balancer.as_ref().map(|it| it.target_group);
    let needs_tasks = |it: &&Watched| match it {
        Watched::Stat(stat) => match stat.metric {
            Metric::Service(of, ..) => of == service,
            Metric::LoadBalancer(_, of, LoadBalancerMetric::RequestCountPerTarget) => of == target_group,
            _ => false,
        },
        Watched::Math(_) => false,
    };
    let is_predictive = |it: &ScalingPolicy| matches!(it.kind, ScalingPolicyKind::Predictive(_));
    let is_trapped = count >= AT_ZERO_LEAST
        && arrived > 0
        && !watched.is_empty()
        && watched.iter().all(needs_tasks)
        && !own.iter().any(|it| is_predictive(it.1));
    let since = Instant((minutes.len() as u64).saturating_sub(count) * Span::MINUTE.0);
    is_trapped.then(|| {
        format!(
            "at 0 tasks from {since} to the end though {} requests come: no policy can scale out, as {} has no datapoints without a task",
            number(arrived as f64, 0),
            name_of_metric(run, watched[0])
        )
    })
}

fn tracked_metric(tracking: &TargetTracking) -> Option<Metric> {
    match tracking.watches {
        Watched::Stat(MetricStat { metric, .. }) => Some(metric),
        Watched::Math(_) => None,
    }
}

/// A scale-out by the figures that matter here.
struct Step {
    at: Instant,
    from: u32,
    to: u32,
    metric: Option<f64>,
}

/// Scale-outs of a service in a row that saw its CPU at the cap.
pub(super) fn bounded_of_service(run: &Run, service: Id<ServiceDefinition>) -> Vec<String> {
    let most = if is_cpu_capped(run, service) { f64::INFINITY } else { AT_CAP_MOST };
    let mut texts = Vec::new();
    for (policy, tracking) in super::tracking_of(run, service) {
        let is_cpu_of = |it| matches!(it, Metric::Service(of, ServiceMetric::CpuUtilization, _) if of == service);
        if !tracked_metric(tracking).is_some_and(is_cpu_of) {
            continue;
        }
        let own = super::scale_outs_of(run, service).filter(|it| it.policy == policy.name);
        let steps: Vec<Step> =
            own.map(|it| Step { at: it.decided_at, from: it.from, to: it.to, metric: it.metric }).collect();
        texts.extend(bounded(&steps, AT_CAP..=most, policy, tracking, "tasks"));
    }
    texts
}

/// Scale-outs of a group in a row that saw the CPU of its instances at 100 %.
pub(super) fn bounded_of_group(run: &Run, group: Id<AutoScalingGroup>) -> Vec<String> {
    let resource = super::resource_of(run, group);
    let mut texts = Vec::new();
    for policy in run.scenario.scaling_policies.iter().filter(|it| it.target == ScalingTarget::Group(group)) {
        let ScalingPolicyKind::TargetTracking(tracking) = &policy.kind else { continue };
        if tracked_metric(tracking) != Some(Metric::InstanceCpuUtilization(group)) {
            continue;
        }
        let own = run.scaling_activities.iter().filter(|it| {
            it.resource == resource && it.cause == policy.name && it.not_scaled_reason.is_none() && it.to > it.from
        });
        let steps: Vec<Step> = own.map(|it| Step { at: it.at, from: it.from, to: it.to, metric: it.metric }).collect();
        texts.extend(bounded(&steps, AT_CAP_OF_GROUPS..=AT_CAP_MOST, policy, tracking, "instances"));
    }
    texts
}

fn bounded(
    steps: &[Step],
    at_cap: RangeInclusive<f64>,
    policy: &ScalingPolicy,
    tracking: &TargetTracking,
    what: &str,
) -> Vec<String> {
    let in_a_row = steps.chunk_by(|one, other| {
        let is_capped = |it: &Step| it.metric.is_some_and(|it| at_cap.contains(&it));
        is_capped(one) && is_capped(other) && one.to <= other.from
    });
    in_a_row
        .filter(|it| it.len() > 1)
        .map(|steps| {
            let (first, last) = (&steps[0], &steps[steps.len() - 1]);
            format!(
                "{} scale-outs in a row saw the CPU at its cap, {} to {} {what} in {}: with a target of {} % policy {} adds {} % a \
                 step at the most, however high the load is",
                steps.len(),
                first.from,
                last.to,
                last.at.since(first.at),
                tracking.target_value,
                policy.name,
                number(10_000.0 / tracking.target_value - 100.0, 0)
            )
        })
        .collect()
}
