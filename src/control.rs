//! The control plane: what happens in time, one decision after the other.
//!
//! It writes the cluster and reads the traffic; the rules themselves are in `aws`.

pub mod alarms;
pub mod anomaly;
pub mod auto_scaling_group;
pub mod autoscaling;
pub mod capacity_provider;
mod container_insights;
pub mod container_instances;
pub mod containers;
pub mod costs;
pub mod daemon;
mod draining;
mod event_bridge;
mod failed_calls;
pub mod fargate;
mod faults;
pub mod group_scaling;
pub mod health;
pub mod image_digests;
mod image_pulls;
mod instance_launch;
mod instance_reasons;
pub mod load_balancer_metrics;
pub mod log;
pub mod metrics;
pub mod network;
mod not_scaled;
mod packing;
pub mod pipelines;
pub mod placing;
pub mod predictive_scaling;
mod refusals;
pub mod relations;
pub mod rollout;
pub mod run_tasks;
pub mod scheduler;
mod service_calls;
mod start_tasks;
mod start_up;
mod stop_causes;
pub mod task_life;
pub mod timeline;
pub mod waterfall;

use std::collections::{BTreeMap, BTreeSet};

use crate::agenda::{Agenda, Event};
use crate::aws::alarm::Alarm;
use crate::aws::capacity_pool::CapacityPool;
use crate::aws::fargate::FargateCapacity;
use crate::aws::launch::Launcher;
use crate::aws::metric::Resolution;
use crate::aws::scaling_policy::ScalingPolicy;
use crate::aws::service::ServiceDefinition;
use crate::aws::start_failure::StartFailure;
use crate::aws::stop_cause::StopCause;
use crate::aws::token_bucket::TokenBucket;
use crate::cluster::{Cluster, ContainerInstance, Target, Task};
use crate::control::alarms::{AlarmInForce, CompositeAlarmInForce, ManagedAlarms};
use crate::control::anomaly::Comparisons;
use crate::control::auto_scaling_group::{Group, InstanceInGroup};
use crate::control::autoscaling::ScaledTarget;
use crate::control::capacity_provider::Provider;
use crate::control::containers::Followed;
use crate::control::fargate::Fargate;
use crate::control::group_scaling::GroupScaling;
use crate::control::health::task_name;
use crate::control::load_balancer_metrics::HostCounts;
use crate::control::log::{Decision, Log};
use crate::control::metrics::Metrics;
use crate::control::pipelines::PipelineInForce;
use crate::control::placing::Placing;
use crate::control::predictive_scaling::Prediction;
use crate::control::refusals::Refusals;
use crate::control::relations::Relations;
use crate::control::rollout::Rollout;
use crate::control::run_tasks::Calls;
use crate::control::scheduler::Service;
use crate::control::scheduler::events::Drain;
use crate::control::service_calls::ServiceCalls;
use crate::control::start_up::Variation;
use crate::control::stop_causes::CheckedBy;
use crate::control::task_life::Agent;
use crate::control::waterfall::RecentArrivals;
use crate::data::Traffic;
use crate::rng::{Seed, Stream};
use crate::run::{
    AlarmChange, CapacityMinute, DrainHold, FailedCalls, FargateMinute, ForecastHour, InstanceChange, InstanceReason,
    LoadBalancerMinute, ManagedScalingMinute, RunTaskMinute, ScaleOut, ScalingActivity, ServiceMinute,
    ServicePlacement, TargetChange, ZonePlacement,
};
use crate::scenario::Scenario;
use crate::table::{Id, Table};
use crate::units::{Instant, Span};
use crate::workload::task_calls::TaskCallSource;

/// All that the control plane knows.
pub struct Control<'a> {
    /// What was asked.
    pub scenario: &'a Scenario,
    /// What belongs to what in it.
    pub relations: Relations,
    /// The cluster as it stands.
    pub cluster: Cluster,
    /// Events to come.
    pub agenda: Agenda,
    /// Decisions so far.
    pub log: Log,
    /// The two kinds of Fargate capacity, in the order of [`FargateCapacity::ALL`].
    pub fargate: [Fargate; 2],
    /// Calls of `RunTask` for tasks on Fargate that the account may make.
    pub fargate_calls: TokenBucket,
    /// Calls by which ECS launches and stops tasks of services.
    pub calls: TokenBucket,
    /// When registries have given all that was asked of them so far, where they do not give as much as one likes.
    pub registry_is_free_at: Instant,
    /// When pulls were made that registries count, by the quota's place and whom they came from.
    pub counted_pulls: BTreeMap<(usize, String), Vec<Instant>>,
    /// Whether faults of the scenario concern single containers, so that all tasks' containers are followed.
    pub faults_concern_containers: bool,
    /// Other calls of `RunTask` and `StartTask` that it may make.
    pub cluster_calls: TokenBucket,
    /// Calls of the timeline that change services.
    pub service_calls: ServiceCalls,
    /// Tasks on Fargate that are to be retired, by the place of the entry of the timeline.
    pub to_be_retired: BTreeMap<usize, Vec<Id<Task>>>,
    /// Tasks of services that are, and are not STOPPED: their services replace them.
    pub retired: BTreeSet<Id<Task>>,
    /// What finds instances for tasks.
    pub placing: Placing<'a>,
    /// Services, in the scenario's order.
    pub services: Vec<Service>,
    /// Calls of `RunTask`, in the scenario's order.
    pub run_tasks: Vec<Calls>,
    /// Pipelines, in the scenario's order.
    pub pipelines: Vec<PipelineInForce>,
    /// When standalone tasks in PROVISIONING are looked at.
    pub standalone_passes: BTreeSet<Instant>,
    /// Those of scheduling strategy DAEMON, in the scenario's order.
    pub daemons: Vec<Id<ServiceDefinition>>,
    /// When each task is looked at next.
    pub task_wakes: BTreeMap<Id<Task>, Instant>,
    /// Services of which a placement has failed and is to be tried again; some may have found an instance since.
    pub retrying: BTreeSet<Id<ServiceDefinition>>,
    /// Tasks that begin to leave their target groups in the event that is being handled.
    pub draining: Vec<Drain>,
    /// Auto Scaling groups, in the scenario's order.
    pub groups: Vec<Group>,
    /// Container instances as their groups see them, in the order of the cluster's.
    pub instances_in_groups: Vec<InstanceInGroup>,
    /// What predictive scaling knows and forecasts, by policy.
    pub predictions: BTreeMap<Id<ScalingPolicy>, Prediction>,
    /// What their own policies have done.
    pub group_scaling: Vec<GroupScaling>,
    /// What is said of EC2's pools; the last that speaks of a pool counts.
    pub capacity_pools: Vec<CapacityPool>,
    /// Capacity providers, in the scenario's order.
    pub providers: Vec<Provider>,
    /// Scalable targets, in the scenario's order.
    pub scaled_targets: Vec<ScaledTarget>,
    /// Arrivals of scalable targets in the last minutes, in the scenario's order.
    pub recent_arrivals: Vec<RecentArrivals>,
    /// Alarms: those of policies, those of capacity providers and the scenario's others.
    pub alarms: Table<Alarm>,
    /// As they stand, by alarm.
    pub alarms_in_force: Vec<AlarmInForce>,
    /// The alarm in force of each of the scenario's.
    pub alarm_of_scenario: Vec<Option<Id<Alarm>>>,
    /// The high and the low alarm of each scaling policy that tracks a target.
    pub tracking_alarms: Vec<ManagedAlarms>,
    /// Composite alarms as they stand, in the scenario's order.
    pub composite_alarms: Vec<CompositeAlarmInForce>,
    /// Metrics that something watches.
    pub metrics: Metrics,
    /// Room for what the alarm that is looked at has seen.
    points_of_alarm: Vec<Option<f64>>,
    /// Targets by their health, of each target group.
    pub hosts: Vec<HostCounts>,
    /// When their last minute ended.
    hosts_closed_at: Instant,
    /// Requests in flight behind each load balancer in the last minute, in the mean.
    pub in_flight_before: Vec<f64>,
    /// What anomaly detection has counted, of each target group.
    pub comparisons: Vec<Comparisons>,
    /// What was last decided of targets that were anomalous.
    pub anomaly_causes: BTreeMap<Id<Target>, Decision>,
    /// Tasks that the timeline has broken, by the place of the entry.
    pub broken_tasks: BTreeMap<Id<Task>, usize>,
    /// Where each service's tasks stood when they were last looked at, and the cluster's version then.
    pub last_placements: Vec<Vec<ZonePlacement>>,
    /// See `last_placements`.
    pub placements_seen_version: Option<u64>,
    /// The version of the cluster of which the last rows of services tell.
    pub minutes_seen_version: Option<u64>,
    /// What is to become of containers that are followed one by one, by their task.
    pub followed: BTreeMap<Id<Task>, Followed>,
    /// What is to end tasks on their way to RUNNING whose containers are not followed, once they have come there.
    pub start_failures: BTreeMap<Id<Task>, StartFailure>,
    /// How much the start of each task varies, where it does.
    pub variations: BTreeMap<Id<Task>, Variation>,
    /// Why tasks are unhealthy, where that is known, by who checks them.
    why_unhealthy: BTreeMap<(Id<Task>, CheckedBy), StopCause>,
    /// Container instances whose agents the timeline has disconnected, by the place of the entry.
    pub disconnected_agents: BTreeMap<Id<ContainerInstance>, usize>,
    /// The agent of each instance.
    pub agents: Vec<Agent>,
    /// Streams of randomness.
    pub streams: Streams,
    /// Rows for the report.
    pub records: Records,
}

/// Randomness of the control plane, by purpose.
pub struct Streams {
    /// What is drawn for the tasks of each service.
    pub services: Vec<TaskStreams>,
    /// What is drawn for standalone tasks.
    pub run_tasks: Vec<TaskStreams>,
    /// Launch and registration times and termination ties, by group.
    pub instances: Vec<Stream>,
    /// When EC2 wants Spot Instances back, by group.
    pub spot_instances: Vec<Stream>,
    /// How long lifecycle hooks take, by group.
    pub lifecycle_hooks: Vec<Stream>,
    /// What lifecycle hooks of deployments say, and when, by service.
    pub deployment_hooks: Vec<Stream>,
    /// First health checks, by target group.
    pub health_checks: Vec<Stream>,
}

/// Randomness of the tasks of one launcher.
pub struct TaskStreams {
    /// Ties of placement and of the choice of what stops.
    pub placement: Stream,
    /// Start and shutdown times.
    pub times: Stream,
    /// When Fargate Spot interrupts them.
    pub spot_interruptions: Stream,
    /// When their processes end because the timeline has them crash.
    pub crashes: Stream,
    /// How much longer or shorter the phases of their start take than usual.
    pub start_up: Stream,
}

impl TaskStreams {
    fn new(seed: Seed, launcher: &str) -> TaskStreams {
        TaskStreams {
            placement: seed.stream("placement", launcher),
            times: seed.stream("task times", launcher),
            spot_interruptions: seed.stream("spot interruptions", launcher),
            crashes: seed.stream("crashes", launcher),
            start_up: seed.stream("start-up", launcher),
        }
    }
}

impl Streams {
    /// Those of a launcher's tasks.
    pub fn of(&mut self, launcher: Launcher) -> &mut TaskStreams {
        match launcher {
            Launcher::Service(service) => &mut self.services[service.index()],
            Launcher::RunTask(run_task) => &mut self.run_tasks[run_task.index()],
        }
    }
}

/// What the control plane writes down for the report while it runs.
#[derive(Default)]
pub struct Records {
    /// A row per service and minute.
    pub service_minutes: Vec<ServiceMinute>,
    /// A row per load balancer and minute and one for each of its target groups.
    pub load_balancer_minutes: Vec<LoadBalancerMinute>,
    /// What `DescribeTargetHealth` would tell anew of targets.
    pub target_changes: Vec<TargetChange>,
    /// A row per capacity provider and minute.
    pub capacity_minutes: Vec<CapacityMinute>,
    /// A row per kind of Fargate capacity in use and minute.
    pub fargate_minutes: Vec<FargateMinute>,
    /// Where each service's tasks stand, whenever a minute ends with a change.
    pub service_placements: Vec<ServicePlacement>,
    /// A row for each entry of standalone tasks and minute.
    pub run_task_minutes: Vec<RunTaskMinute>,
    /// Attempts to place tasks that were refused.
    pub(crate) refusals: Refusals,
    /// What managed scaling saw and decided, by provider and minute.
    pub managed_scaling_minutes: Vec<ManagedScalingMinute>,
    /// Why instances were there.
    pub instance_reasons: Vec<InstanceReason>,
    /// The place of each instance's last row there.
    pub(crate) last_instance_reason: Vec<Option<usize>>,
    /// What kept container instances that drain.
    pub drain_holds: Vec<DrainHold>,
    /// Where those of a task stand among them.
    pub drain_holds_of_task: BTreeMap<Id<Task>, Vec<usize>>,
    /// What calls were refused or throttled for.
    pub failed_calls: Vec<FailedCalls>,
    /// Scale-outs of services by policies, each with what it hangs on.
    pub service_scale_outs: Vec<ScaleOut>,
    /// State changes of instances.
    pub instance_changes: Vec<InstanceChange>,
    /// State changes of alarms.
    pub alarm_changes: Vec<AlarmChange>,
    /// What predictive scaling forecast of each hour.
    pub forecast_hours: Vec<ForecastHour>,
    /// Scaling activities, and decisions not to scale.
    pub scaling_activities: Vec<ScalingActivity>,
    /// What was seen of each deployment, by its service's place and its number.
    pub rollouts: BTreeMap<(usize, u32), Rollout>,
    /// Why tasks have ended, where ECS does not say it.
    pub stop_causes: BTreeMap<Id<Task>, StopCause>,
    /// Increases of a desired count by policy or schedule.
    pub scale_outs: u32,
}

impl<'a> Control<'a> {
    /// The cluster at the start of the run, with the events that set it going.
    pub fn new(scenario: &'a Scenario, seed: Seed) -> Control<'a> {
        let streams = Streams {
            services: scenario.services.iter().map(|it| TaskStreams::new(seed, &it.name)).collect(),
            // A service cannot have such a name.
            run_tasks: scenario
                .run_tasks
                .iter()
                .map(|it| TaskStreams::new(seed, &format!("task/{}", it.name)))
                .collect(),
            instances: scenario.auto_scaling_groups.iter().map(|it| seed.stream("instances", &it.name)).collect(),
            spot_instances: scenario
                .auto_scaling_groups
                .iter()
                .map(|it| seed.stream("spot instances", &it.name))
                .collect(),
            lifecycle_hooks: scenario
                .auto_scaling_groups
                .iter()
                .map(|it| seed.stream("lifecycle hooks", &it.name))
                .collect(),
            deployment_hooks: scenario.services.iter().map(|it| seed.stream("deployment hooks", &it.name)).collect(),
            health_checks: scenario.target_groups.iter().map(|it| seed.stream("health checks", &it.name)).collect(),
        };
        let mut control = Control {
            scenario,
            relations: Relations::of(scenario),
            cluster: Cluster {
                target_groups: vec![Vec::new(); scenario.target_groups.len()],
                free_addresses: scenario.subnets.iter().map(|it| it.available_addresses).collect(),
                actions: scenario.listener_rules.iter().map(|it| it.action.clone()).collect(),
                ..Cluster::default()
            },
            agenda: Agenda::default(),
            log: Log::default(),
            fargate: FargateCapacity::ALL.map(|it| Fargate::new(scenario.assumptions.fargate.quotas(it))),
            fargate_calls: TokenBucket::new(
                scenario.assumptions.fargate.run_task_burst,
                scenario.assumptions.fargate.run_task_calls_per_second,
            ),
            calls: faults::usual_calls(scenario),
            registry_is_free_at: Instant::START,
            counted_pulls: BTreeMap::new(),
            faults_concern_containers: scenario.faults_concern_containers(),
            cluster_calls: TokenBucket::new(
                scenario.assumptions.cluster_modify_burst,
                scenario.assumptions.cluster_modify_calls_per_second,
            ),
            service_calls: ServiceCalls::new(scenario, seed),
            to_be_retired: BTreeMap::new(),
            retired: BTreeSet::new(),
            placing: Placing::new(scenario),
            services: scenario.services.iter().map(|it| Service::new(scenario, it)).collect(),
            run_tasks: scenario
                .run_tasks
                .iter()
                .zip(&scenario.task_calls)
                .map(|(it, calls)| {
                    let rule = it.caller.event_bridge().map_or(&it.name, |it| &it.name);
                    let told_after = &scenario.assumptions.event_bridge.object_event_delay;
                    Calls::new(TaskCallSource::new(calls, told_after, seed, &it.name), seed, &it.name, rule)
                })
                .collect(),
            pipelines: PipelineInForce::of(scenario, seed),
            standalone_passes: BTreeSet::new(),
            daemons: scenario
                .services
                .ids()
                .filter(|it| scenario.is_daemon(Launcher::Service(*it)) && !scenario.services[*it].is_created_later)
                .collect(),
            task_wakes: BTreeMap::new(),
            retrying: BTreeSet::new(),
            draining: Vec::new(),
            groups: scenario.auto_scaling_groups.iter().map(Group::new).collect(),
            instances_in_groups: Vec::new(),
            predictions: BTreeMap::new(),
            group_scaling: vec![GroupScaling::default(); scenario.auto_scaling_groups.len()],
            capacity_pools: scenario.capacity_pools.clone(),
            providers: scenario.capacity_providers.iter().map(|_| Provider::default()).collect(),
            recent_arrivals: vec![RecentArrivals::default(); scenario.scalable_targets.len()],
            scaled_targets: scenario.scalable_targets.iter().map(ScaledTarget::new).collect(),
            alarms: Table::new(),
            alarms_in_force: Vec::new(),
            alarm_of_scenario: Vec::new(),
            tracking_alarms: Vec::new(),
            composite_alarms: Vec::new(),
            metrics: Metrics::default(),
            hosts: vec![HostCounts::default(); scenario.target_groups.len()],
            hosts_closed_at: Instant::START,
            points_of_alarm: Vec::new(),
            in_flight_before: vec![0.0; scenario.load_balancers.len()],
            comparisons: vec![Comparisons::default(); scenario.target_groups.len()],
            anomaly_causes: BTreeMap::new(),
            broken_tasks: BTreeMap::new(),
            last_placements: vec![Vec::new(); scenario.services.len()],
            placements_seen_version: None,
            minutes_seen_version: None,
            followed: BTreeMap::new(),
            start_failures: BTreeMap::new(),
            variations: BTreeMap::new(),
            why_unhealthy: BTreeMap::new(),
            disconnected_agents: BTreeMap::new(),
            agents: Vec::new(),
            streams,
            records: Records::default(),
        };
        control.put_alarms();
        if scenario.has_high_resolution_metrics() {
            control.put_twenty_seconds();
        }
        control.bring_targets_within_bounds();
        control.begin_predictive_scaling();
        control.begin_groups();
        control.begin_services();
        control.begin_run_tasks();
        control.begin_pipelines();
        for index in 0..scenario.timeline.len() {
            control.agenda.put(scenario.timeline[index].at, Event::TimelineIsDue(index));
        }
        for (id, action) in scenario.scheduled_actions.entries() {
            for (occurrence, at) in action.times.iter().enumerate() {
                let at = *at + scenario.assumptions.scheduled_action_delay;
                control.agenda.put(at, Event::ScheduledActionRuns(id, occurrence));
            }
        }
        for (index, action) in scenario.group_scheduled_actions.iter().enumerate() {
            for at in &action.times {
                let at = *at + scenario.assumptions.scheduled_action_delay;
                control.agenda.put(at, Event::GroupActionRuns(index));
            }
        }
        control.agenda.put(Instant::START + scenario.assumptions.anomaly.interval, Event::TargetsAreCompared);
        control.agenda.put(Instant::START + Span::SECOND, Event::SecondPasses);
        control.agenda.put(Instant::START + Span::MINUTE, Event::MinuteCloses);
        control.hosts_begin();
        control
    }

    /// Makes the decision that `event` calls for.
    pub fn handle(&mut self, event: Event, traffic: &Traffic) {
        match event {
            Event::TimelineIsDue(index) => self.timeline_is_due(index),
            Event::ScalingCallIsMadeAgain(service) => self.scaling_call_is_made_again(service),
            Event::TargetErrorsEnd(index) => self.target_errors_end(index),
            Event::TargetOfStoppedTaskLeaves(task) => self.target_of_stopped_task_leaves(task),
            Event::FaultEnds(index) => self.fault_ends(index),
            Event::AgentsReconnect(index) => self.agents_reconnect(index),
            Event::FargateTasksAreRetired(index) => self.fargate_tasks_are_retired(index),
            Event::InstanceAdvances(instance) => self.instance_advances(instance),
            Event::ZoneOutageIsNoticed(index) => self.zone_outage_is_noticed(index),
            Event::SpotInstanceIsWanted(instance) => self.spot_instance_is_wanted(instance),
            Event::FargateLaunches(capacity) => self.fargate_launches(capacity),
            Event::SpotInterrupts(task) => self.spot_interrupts(task),
            Event::TaskAdvances(task) => self.task_advances(task, traffic),
            Event::ContainersAdvance(task) => self.containers_advance(task),
            Event::SpotTakesTask(task) => self.spot_takes_task(task),
            Event::ProbeEnds(target, passed) => self.probe_ends(target, passed),
            Event::ProbeIsAwaited(target) => self.probe_is_awaited(target, traffic),
            Event::ProbeIsSent(target) => self.probe_is_due(target),
            Event::TargetsAreCompared => self.targets_are_compared(traffic),
            Event::SecondPasses => self.second_passes(traffic),
            Event::TwentySecondsClose => self.publish_twenty_seconds(traffic),
            Event::MinuteCloses => self.minute_closes(traffic),
            Event::ScheduledActionRuns(action, occurrence) => self.scheduled_action_runs(action, occurrence),
            Event::PredictiveScalingRuns(policy) => self.predictive_scaling_runs(policy),
            Event::GroupActionRuns(index) => self.group_action_runs(index),
            Event::AlarmIsEvaluated(alarm) => self.alarm_is_evaluated(alarm),
            Event::CompositeAlarmsAreEvaluated => self.composite_alarms_are_evaluated(),
            Event::AlarmActsAgain(alarm) => self.alarm_acts_again(alarm),
            Event::TargetIsScaled(target) => self.target_is_scaled(target),
            Event::GroupIsScaled(group) => self.group_is_scaled(group),
            Event::RunTaskIsCalled(run_task) => self.run_task_is_called(run_task),
            Event::RunTaskIsRetried(run_task) => self.run_task_is_retried(run_task),
            Event::CustomSchedulerLooks(run_task) => self.custom_scheduler_looks(run_task),
            Event::StandaloneTasksArePlaced => self.standalone_tasks_are_placed(),
            Event::PipelineAdvances(pipeline) => self.pipeline_advances(pipeline),
            Event::ServiceIsScheduled(service) => self.service_is_scheduled(service),
            Event::DeploymentIsWatched(service, number) => self.deployment_is_watched(service, number),
            Event::CapacityProviderIsMeasured(provider) => self.capacity_provider_is_measured(provider, traffic),
            Event::GroupIsChecked(group) => self.group_is_checked(group),
            Event::GroupIsReconciled(group) => self.group_is_reconciled(group),
        }
        self.say_draining();
        self.count_hosts();
    }

    /// An instant of the run in nanoseconds since 1970 (UTC).
    pub(crate) fn unix_nanos(&self, at: Instant) -> i128 {
        placing::unix_nanos(self.scenario, at)
    }

    /// The present instant.
    pub fn now(&self) -> Instant {
        self.agenda.now()
    }

    fn second_passes(&mut self, traffic: &Traffic) {
        for &(task, container) in traffic.out_of_memory() {
            self.kill_for_memory(task, container);
        }
        let next = self.now() + Span::SECOND;
        self.agenda.put(next, Event::SecondPasses);
    }

    fn put_twenty_seconds(&mut self) {
        self.agenda.put(self.now() + Resolution::TwentySeconds.period(), Event::TwentySecondsClose);
    }

    fn minute_closes(&mut self, traffic: &Traffic) {
        self.publish_load_balancer_minutes(traffic);
        self.publish_service_minutes(traffic);
        self.publish_metrics(traffic);
        self.observe_loads();
        for provider in self.scenario.capacity_providers.ids() {
            self.agenda.put(self.now(), Event::CapacityProviderIsMeasured(provider));
        }
        self.record_groups_without_provider(traffic);
        self.record_fargate();
        self.record_placements();
        self.record_run_tasks();
        let next = self.now() + Span::MINUTE;
        self.agenda.put(next, Event::MinuteCloses);
    }

    /// `service/NAME` or `task/NAME`, as events name who started a task.
    pub(super) fn launcher_resource(&self, launcher: Launcher) -> String {
        match launcher {
            Launcher::Service(service) => self.service_resource(service),
            Launcher::RunTask(run_task) => format!("task/{}", self.scenario.run_tasks[run_task].name),
        }
    }

    /// Logs what becomes of a task.
    pub(super) fn say_of_task(
        &mut self,
        task: Id<Task>,
        cause: Option<Decision>,
        kind: &'static str,
        words: &str,
    ) -> Decision {
        let message = format!("{} {words}", self.task_words(task));
        let resource = self.launcher_resource(self.cluster.tasks[task].launcher);
        self.log.put(self.agenda.now(), cause, kind, resource, message)
    }

    /// The service of a task that is a target.
    ///
    /// # Panics
    /// When it is standalone: such a task is registered nowhere.
    pub(super) fn service_of_target(&self, task: Id<Task>) -> Id<ServiceDefinition> {
        self.cluster.tasks[task].service().expect("a target is a task of a service")
    }

    /// A task as messages speak of it, after its service or its task group.
    fn task_words(&self, task: Id<Task>) -> String {
        format!("({}) (task {})", self.launcher_words(self.cluster.tasks[task].launcher), task_name(task))
    }

    /// Who started a task, as messages speak of it: its service or its task group.
    fn launcher_words(&self, launcher: Launcher) -> String {
        match launcher {
            Launcher::Service(service) => format!("service {}", self.scenario.services[service].name),
            Launcher::RunTask(_) => {
                let group = self.scenario.launch(launcher).task_group;
                format!("task group {}", self.scenario.task_groups[group].name)
            }
        }
    }

    /// `service/NAME`, as events name it.
    pub fn service_resource(&self, service: Id<ServiceDefinition>) -> String {
        format!("service/{}", self.scenario.services[service].name)
    }
}
