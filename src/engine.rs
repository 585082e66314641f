//! The loop: serve every request up to the next control event, make one decision, repeat.

mod costs;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::agenda::Event;
use crate::aws::launch::Launcher;
use crate::aws::task_set::TaskSetStatus;
use crate::cluster::{ContainerStatus, Task};
use crate::control::Control;
use crate::control::rollout::Rollout;
use crate::control::scheduler::deployment::Deployment;
use crate::data::{self, Traffic};
use crate::rng::Seed;
use crate::run::{
    ContainerLife, DeploymentFailure, DeploymentLife, ExecutionStatus, ExpectationResult, InstanceLife, InstanceReason,
    PipelineExecution, RequestCounts, RequestTotals, Run, ServiceMinute, SpareNeeded, TaskLife, Verdict,
    quantile as quantile_of,
};
use crate::scenario::{Expectation, Measure, Scenario};
use crate::table::Id;
use crate::units::{Instant, Span};

/// Simulates a scenario. The same scenario and seed give the same run.
pub fn simulate(scenario: &Scenario, seed: Seed) -> Run {
    let end = Instant::START + scenario.duration;
    let mut traffic = Traffic::new(scenario, seed);
    let mut control = Control::new(scenario, seed);
    settle(&mut control, &mut traffic);
    while let Some(event) = control.agenda.next_until(end) {
        let now = control.now();
        data::advance(&mut traffic, scenario, &control.cluster, now);
        match event {
            Event::TargetsAreCompared => data::tally_targets(&mut traffic),
            Event::SecondPasses => data::second_passes(&mut traffic, scenario, &control.cluster),
            Event::TwentySecondsClose => data::twenty_seconds_close(&mut traffic),
            Event::MinuteCloses => data::minute_closes(&mut traffic, scenario),
            Event::ProbeIsSent(target) if control.sends_probe(target) => {
                let answer = data::probe(&mut traffic, scenario, &control.cluster, target);
                control.probe_was_sent(target, answer);
            }
            _ => {}
        }
        control.handle(event, &traffic);
        settle(&mut control, &mut traffic);
    }
    data::advance(&mut traffic, scenario, &control.cluster, end);
    finish(scenario, seed, control, &mut traffic)
}

/// Tells the traffic what of the cluster has changed, and the control plane which health checks are to be sent again.
fn settle(control: &mut Control<'_>, traffic: &mut Traffic) {
    let changes = control.cluster.take_changes();
    data::note_changes(traffic, &control.cluster, &changes);
    while let Some((target, at)) = data::next_due_probe(traffic) {
        control.put_probe(target, at);
    }
}

fn finish(scenario: &Scenario, seed: Seed, mut control: Control, traffic: &mut Traffic) -> Run {
    let end = Instant::START + scenario.duration;
    let requests: Vec<RequestTotals> = scenario.services.ids().map(|it| traffic.totals(it)).collect();
    let names = Names::of(scenario);
    let tasks: Vec<TaskLife> =
        control.cluster.tasks.entries().map(|(id, task)| life_of(scenario, &names, &control, id, task)).collect();
    let instances = control.cluster.instances.entries().map(|(id, it)| {
        let group = &scenario.auto_scaling_groups[it.auto_scaling_group];
        InstanceLife {
            name: it.name.clone(),
            auto_scaling_group: group.name.clone(),
            instance_type: it.instance_type(&scenario.auto_scaling_groups).name.clone(),
            availability_zone: scenario.availability_zones[it.availability_zone].name.clone(),
            cpu_units: it.registered_cpu_units,
            memory_mib: it.registered_memory_mib,
            launched_at: it.launched_at,
            in_service_at: it.in_service_at,
            registered_at: it.registered_at,
            terminated_at: it.terminated_at,
            usd_per_hour: it.usd_per_hour,
            bills: control.instance_bills(id, end).collect(),
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
    let instance_time = instance_time - control.stopped_time(end);
    let (cost, costs) = costs::costs(scenario, &control, traffic, end);
    let instances: Vec<InstanceLife> = instances.collect();
    let unplaced_at_end = control.with_unplaced_tasks();
    let metric_points = control.metric_points();
    for instance in control.cluster.instances.ids() {
        control.record_unseen_instance(instance, end);
    }
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
        run_task_totals: control.run_tasks.iter().map(|it| it.totals_at_end()).collect(),
        pipeline_executions: control.pipelines.iter().flat_map(|it| it.rows()).collect(),
        run_task_minutes: records.run_task_minutes,
        placement_refusals: records.refusals.rows,
        unplaced_at_end,
        instance_changes: records.instance_changes,
        deployments: deployments_of(scenario, &control, records.rollouts, end),
        instances,
        tasks,
        managed_scaling_minutes: records.managed_scaling_minutes,
        instance_reasons,
        drain_holds: records.drain_holds,
        failed_calls: records.failed_calls,
        service_scale_outs: records.service_scale_outs,
        alarm_changes: records.alarm_changes,
        forecast_hours: records.forecast_hours,
        scaling_activities: records.scaling_activities,
        metric_points,
        events: std::mem::take(&mut control.log.events),
        handled_events: control.agenda.handed_out(),
        task_hours: task_time.as_hours(),
        instance_hours: instance_time.as_hours(),
        cost,
        costs,
        scale_outs: records.scale_outs,
        expectations: Vec::new(),
    };
    run.expectations = scenario.expectations.iter().map(|it| hold(it, &run)).collect();
    run
}

/// Every deployment, by service, then in order of time.
fn deployments_of(
    scenario: &Scenario,
    control: &Control,
    mut rollouts: BTreeMap<(usize, u32), Rollout>,
    end: Instant,
) -> Vec<DeploymentLife> {
    let mut lives = Vec::new();
    for (service, state) in control.services.iter().enumerate() {
        let mut deployments: Vec<&Deployment> = state.former_deployments.iter().chain(&state.deployments).collect();
        // The one that a service has gone back to stands last.
        deployments.sort_by_key(|it| it.number);
        let is_there = |it: &&Deployment| it.task_set.is_none_or(|it| it.status != TaskSetStatus::Missing);
        for deployment in deployments.into_iter().filter(is_there) {
            let rollout = rollouts.remove(&(service, deployment.number));
            let seen = rollout.map(|it| (it.desired_count, it.spare, it.hangs));
            let (desired_count, spare, hangs) =
                seen.unwrap_or((state.desired_count, SpareNeeded::DoesNotApply, Vec::new()));
            let failure = deployment.failure.map(|it| DeploymentFailure {
                at: it.at,
                reason: it.reason.words(),
                hooks_called_at: deployment.failing_hooks_called_at(),
                rolls_back_to: it.rolls_back_to,
                rolled_back_at: it.rolled_back_at,
            });
            lives.push(DeploymentLife {
                service,
                number: deployment.number,
                task_definition: scenario.task_definitions[deployment.task_definition].name(),
                task_set: scenario.services[Id::new(service)]
                    .task_set(deployment.number)
                    .map(|it| it.external_id.clone()),
                desired_count,
                began_at: deployment.created_at,
                completed_at: deployment.completed_at,
                early_success: deployment.early_success,
                superseded_at: deployment.interrupted_at.filter(|_| !deployment.is_deleted),
                deleted_at: deployment.interrupted_at.filter(|_| deployment.is_deleted),
                failure,
                bakes: deployment.bakes(end),
                spare,
                hangs,
            });
        }
    }
    lives
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

fn life_of(scenario: &Scenario, names: &Names, control: &Control<'_>, id: Id<Task>, task: &Task) -> TaskLife {
    let name = |names: &[Arc<str>], place: usize| Arc::clone(&names[place]);
    let zone = control.cluster.zone_of_task(id).map(|it| name(&names.availability_zones, it.index()));
    TaskLife {
        task: id.index(),
        service: task.service().map(Id::index),
        run_task: match task.launcher {
            Launcher::RunTask(run_task) => Some(run_task.index()),
            Launcher::Service(_) => None,
        },
        deployment: task.deployment,
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
        sigterm_due_at: task.sigterm_due_at,
        sigterm_at: task.sigterm_at,
        stopped_at: task.stopped_at,
        stop_code: task.stopped_reason.as_ref().map(|(code, _)| code.as_str()),
        stopped_reason: task.stopped_reason.as_ref().map(|(_, reason)| reason.clone()),
        stop_cause: control.records.stop_causes.get(&id).cloned(),
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

fn hold(expectation: &Expectation, run: &Run) -> ExpectationResult {
    let value = measure(expectation, run);
    // Of two limits the one that is broken is the one to tell.
    let too_small = expectation.at_least.filter(|least| value.is_some_and(|value| value < *least));
    let limit = too_small.or(expectation.at_most).or(expectation.at_least).unwrap_or_default();
    let passed = value.is_some_and(|value| {
        expectation.at_most.is_none_or(|most| value <= most) && expectation.at_least.is_none_or(|least| value >= least)
    });
    ExpectationResult { name: expectation.name.clone(), passed, value, limit }
}

fn measure(expectation: &Expectation, run: &Run) -> Option<f64> {
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
    let deployments = || run.deployments.iter().filter(|it| it.number > 0 && chosen(it.service));
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
            let completed = deployments().filter(|it| it.completed_at.is_some());
            Some(completed.count() as f64)
        }
        Measure::DeploymentsHanging => {
            let hanging = deployments().filter(|it| matches!(it.verdict(), Verdict::Hangs(_)));
            Some(hanging.count() as f64)
        }
        Measure::DeploymentSeconds => {
            deployments().filter_map(|it| Some(it.completed_at?.since(it.began_at).as_seconds())).reduce(f64::max)
        }
        Measure::DeploymentFailedSeconds => {
            let all = run.deployments.iter().filter(|it| chosen(it.service));
            let failed = all.filter_map(|it| Some((it.began_at, it.failure.as_ref()?.at)));
            failed.min().map(|(from, to)| to.since(from).as_seconds())
        }
        Measure::TasksNeverRan => {
            let never_ran = |it: &&TaskLife| it.running_at.is_none() && it.stopped_at.is_some();
            Some(run.tasks.iter().filter(is_chosen).filter(never_ran).count() as f64)
        }
        Measure::ScaleOutSeconds => {
            let first = run.service_scale_outs.iter().find(|it| chosen(it.service))?;
            Some(first.decided_at.since(first.began_at()).as_seconds())
        }
        Measure::NewTaskSeconds => {
            let first = run.service_scale_outs.iter().find(|it| chosen(it.service))?;
            let ran = run.tasks.iter().filter(|it| first.may_bring(it)).filter_map(|it| it.running_at).min()?;
            Some(ran.since(first.decided_at).as_seconds())
        }
        Measure::NewTaskHealthySeconds => {
            let first = run.service_scale_outs.iter().find(|it| chosen(it.service))?;
            let brought = run.tasks.iter().filter(|it| first.may_bring(it)).take((first.to - first.from) as usize);
            let healthy = brought.filter_map(|it| it.healthy_at).min()?;
            Some(healthy.since(first.began_at()).as_seconds())
        }
        Measure::WaitForInstanceP95Seconds => quantile_of(&run.waits_for_instances(|it| is_chosen(&it)), 0.95),
        Measure::WaitForInstanceP99Seconds => quantile_of(&run.waits_for_instances(|it| is_chosen(&it)), 0.99),
        Measure::CapacityScaleOuts => Some(f64::from(run.capacity_changes().0)),
        Measure::CapacityScaleIns => Some(f64::from(run.capacity_changes().1)),
        Measure::InstancesMaximum => run.instances_maximum().map(f64::from),
        Measure::FailedTasks => {
            let is_of = |it: &TaskLife| expectation.service.is_none_or(|service| it.service == Some(service.index()));
            let failed = run.tasks.iter().filter(|it| it.stopped_at.is_some() && it.has_failed() && is_of(it));
            Some(failed.count() as f64)
        }
        Measure::LastStandaloneTaskEndSeconds => {
            let tasks = || run.tasks.iter().filter(|it| it.run_task.is_some());
            let ended = tasks().map(|it| it.stopped_at).collect::<Option<Vec<Instant>>>()?;
            Some(ended.into_iter().max()?.as_seconds())
        }
        Measure::InvocationsGivenUp => {
            let given_up = run.run_task_totals.iter().map(|it| it.events.failed + it.events.dead_lettered);
            Some(given_up.sum::<u64>() as f64)
        }
        Measure::PipelineExecutionsSucceeded => Some(succeeded(run).count() as f64),
        Measure::CommitToDeployedMaximumSeconds => {
            let times = succeeded(run).filter_map(|it| Some(it.ended_at?.since(it.committed_at)));
            Some(times.max()?.as_seconds())
        }
        Measure::StandaloneTasksNotRun => {
            let failed: u64 = run.run_task_totals.iter().map(|it| it.failed()).sum();
            let given_up = run.tasks.iter().filter(|it| it.run_task.is_some() && it.was_given_up()).count();
            Some(failed as f64 + given_up as f64)
        }
    }
}

/// Executions of pipelines that came to their end.
fn succeeded(run: &Run) -> impl Iterator<Item = &PipelineExecution> {
    run.pipeline_executions.iter().filter(|it| it.status == ExecutionStatus::Succeeded)
}
