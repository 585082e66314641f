//! What was asked: a scenario with every name resolved and every number checked.
//!
//! After this nothing is looked up by string and nothing can fail.
//!
//! [`read`] makes it of a file: `tree` parses, `files` splices what the file names, `sections` unwraps what AWS wraps,
//! `patch` makes the variants, and `story` reads the sections in the order in which they need each other, one module
//! each, through `reader`.

pub mod agent_configuration;
pub mod alarms;
pub mod application;
pub mod assumption;
pub mod aws_fields;
pub mod capacity;
pub mod container;
pub mod defaults;
pub mod deployment;
pub mod event_bridge;
pub mod expectation;
pub mod fargate;
pub mod fault;
pub mod file_system;
pub mod files;
pub mod group_change;
pub mod group_scaling;
pub mod instance_requirements;
pub mod launch;
pub mod listener;
pub mod load_balancing;
pub mod metric;
pub mod mixed_instances;
pub mod patch;
pub mod pipeline;
pub mod placement;
pub mod predictive_scaling;
pub mod price;
pub mod problem;
pub mod quantity;
pub mod reader;
pub mod record;
pub mod recorded;
pub mod registry;
pub mod required_attributes;
pub mod run_task;
pub mod scaling;
pub mod schema;
pub mod sections;
pub mod security_group;
pub mod service;
pub mod start_task;
pub mod story;
pub mod subnet;
pub mod task_definition;
pub mod task_set;
pub mod timeline;
pub mod timeline_change;
pub mod tree;
pub mod update_service;
pub mod upkeep;
pub mod volume;
pub mod windows;
pub mod workload;

use std::collections::BTreeSet;

use crate::aws::alarm::{Alarm, Watched};
use crate::aws::auto_scaling_group::{AutoScalingGroup, AvailabilityZone};
use crate::aws::capacity_pool::CapacityPool;
use crate::aws::capacity_provider::CapacityProvider;
use crate::aws::composite_alarm::CompositeAlarm;
use crate::aws::container_instance::instance_name;
use crate::aws::fargate::FargateCapacity;
use crate::aws::file_system::FileSystem;
use crate::aws::launch::{Launch, Launcher, TaskGroup};
use crate::aws::listener::{Action, Listener, ListenerRule};
use crate::aws::load_balancer::{ListenerProtocol, LoadBalancer, TargetGroup};
use crate::aws::metric::{InsightsOf, Metric, MetricStat, SuppliedMetric, load_balancer_namespace};
use crate::aws::nat_gateway::NatGateways;
use crate::aws::pipeline::Pipeline;
use crate::aws::placement::PlacementConstraint;
use crate::aws::price::Prices;
use crate::aws::registry::PullQuota;
use crate::aws::run_task::RunTask;
use crate::aws::scaling_policy::{ScalableTarget, ScalingPolicy, ScalingPolicyKind, ScalingTarget};
use crate::aws::schedule::{GroupScheduledAction, ScheduledAction};
use crate::aws::security_group::{HTTPS_PORT, SecurityGroup, let_out};
use crate::aws::service::{SchedulingStrategy, ServiceDefinition, ServiceLoadBalancer};
use crate::aws::subnet::{DefaultRoute, NetworkConfiguration, Subnet};
use crate::aws::task_definition::Protocol;
use crate::aws::task_definition::TaskDefinition;
use crate::table::{Id, Table};
use crate::units::{Instant, Span};
use crate::workload::commits::Commits;
use crate::workload::task_calls::TaskCalls;
use crate::workload::{Destination, Workload};

pub use assumption::{
    Assumptions, CooldownStart, FargateAssumptions, FargateBilledFrom, FargateQuotas, SlotFreedAt, SpreadCounts,
    StepScalingDatapoints, TargetTrackingValue,
};
pub use defaults::with_defaults;
pub use event_bridge::EventBridgeAssumptions;
pub use fault::{Fault, Missing, RegistryFault};
pub use group_change::{GroupChange, NewLaunchTemplate};
pub use problem::Problems;
pub use reader::Folder;
pub use schema::schema;
pub use story::{Story, read};
pub use timeline_change::{ContainerInstanceChange, PartOfTasks, SpotInterruption, TimelineChange, TimelineEntry};

/// One variant of a scenario file, ready to be simulated.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The file's stem.
    pub name: String,
    /// The variant's name; `base` is the unpatched file.
    pub variant: String,
    /// The comment that the file begins with: the question it answers, and what to look at.
    pub description: String,
    /// How long to simulate.
    pub duration: Span,
    /// The UTC second that the run begins at, for schedules and axes; 0 is 1970-01-01.
    pub start_unix_seconds: i64,
    /// The cluster's name.
    pub cluster_name: String,
    /// Whether the cluster has settled before the run begins: desired instances are registered, desired tasks run and
    /// are healthy, images are cached. Otherwise all of it starts from nothing at 0.
    pub begins_settled: bool,
    /// Zones.
    pub availability_zones: Table<AvailabilityZone>,
    /// Subnets; without any, addresses are not counted.
    pub subnets: Table<Subnet>,
    /// Security groups.
    pub security_groups: Table<SecurityGroup>,
    /// Registries that count pulls.
    pub pull_quotas: Vec<PullQuota>,
    /// What the scenario names and is not there, from the beginning to the end.
    pub missing: Vec<Missing>,
    /// Network configurations that the timeline gives services.
    pub network_configurations: Table<NetworkConfiguration>,
    /// Placement constraints that the timeline gives services, one set each.
    pub placement_constraints: Table<Vec<PlacementConstraint>>,
    /// File systems of EFS of which the scenario says where they have mount targets.
    pub file_systems: Table<FileSystem>,
    /// NAT gateways; none unless the file has them.
    pub nat_gateways: Option<NatGateways>,
    /// Revisions of task definitions.
    pub task_definitions: Table<TaskDefinition>,
    /// Auto Scaling groups.
    pub auto_scaling_groups: Table<AutoScalingGroup>,
    /// What EC2 has of instance types, and at what price, where it is not as much as one wants; the last that speaks of a pool
    /// counts.
    pub capacity_pools: Vec<CapacityPool>,
    /// Capacity providers.
    pub capacity_providers: Table<CapacityProvider>,
    /// Load balancers.
    pub load_balancers: Table<LoadBalancer>,
    /// Listeners of all load balancers.
    pub listeners: Table<Listener>,
    /// Their rules.
    pub listener_rules: Table<ListenerRule>,
    /// Target groups.
    pub target_groups: Table<TargetGroup>,
    /// Services.
    pub services: Table<ServiceDefinition>,
    /// Standalone tasks.
    pub run_tasks: Table<RunTask>,
    /// When each of them is asked for, in their order.
    pub task_calls: Vec<TaskCalls>,
    /// Pipelines.
    pub pipelines: Table<Pipeline>,
    /// When commits come to each of them, in their order.
    pub commits: Vec<Commits>,
    /// Task groups, those of services first and in their order.
    pub task_groups: Table<TaskGroup>,
    /// Scalable targets.
    pub scalable_targets: Table<ScalableTarget>,
    /// Scaling policies.
    pub scaling_policies: Table<ScalingPolicy>,
    /// Alarms of the scenario's own; AWS makes others for target tracking and managed scaling.
    pub alarms: Table<Alarm>,
    /// Composite alarms, those that others name before these.
    pub composite_alarms: Table<CompositeAlarm>,
    /// Metrics that the scenario supplies.
    pub supplied_metrics: Table<SuppliedMetric>,
    /// Whether Container Insights is on.
    pub container_insights: ContainerInsights,
    /// Scheduled actions.
    pub scheduled_actions: Table<ScheduledAction>,
    /// Scheduled actions of Auto Scaling groups.
    pub group_scheduled_actions: Vec<GroupScheduledAction>,
    /// Workloads.
    pub workloads: Table<Workload>,
    /// What happens when, in order of time.
    pub timeline: Vec<TimelineEntry>,
    /// What must hold at the end.
    pub expectations: Vec<Expectation>,
    /// Whether the expectations are meant to fail.
    pub expect_failure: bool,
    /// What AWS does not document.
    pub assumptions: Assumptions,
    /// Prices.
    pub prices: Prices,
}

impl Scenario {
    /// Whether a capacity provider's managed scaling sizes a group.
    pub fn has_managed_scaling(&self) -> bool {
        self.capacity_providers.iter().any(|it| it.managed_scaling.is_some())
    }

    /// What a listener rule does at some time: at first, and by each change of the timeline.
    pub fn actions_of(&self, rule: Id<ListenerRule>) -> impl Iterator<Item = &Action> {
        let changed = self.timeline.iter().filter_map(move |it| match &it.change {
            TimelineChange::ModifyRule { rule: it, action } if *it == rule => Some(action),
            _ => None,
        });
        std::iter::once(&self.listener_rules[rule].action).chain(changed)
    }

    /// What the listener of a rule speaks with callers.
    ///
    /// # Panics
    /// When no listener has the rule, which no scenario has.
    pub fn protocol_of(&self, rule: Id<ListenerRule>) -> ListenerProtocol {
        let listener = self.listeners.iter().find(|it| it.rules.contains(&rule));
        listener.expect("each rule belongs to a listener").protocol
    }

    /// The target groups that the requests of a workload go to at some time, each once.
    pub fn target_groups_of(&self, workload: &Workload) -> Vec<Id<TargetGroup>> {
        let mut groups = Vec::new();
        match &workload.destination {
            Destination::Service(service) => {
                groups.extend(self.services[*service].load_balancer.as_ref().map(|it| it.target_group));
            }
            Destination::Rule { rule, .. } => {
                for action in self.actions_of(*rule) {
                    let Action::Forward(forward) = action else { continue };
                    for it in &forward.target_groups {
                        if !groups.contains(&it.target_group) {
                            groups.push(it.target_group);
                        }
                    }
                }
            }
        }
        groups
    }

    /// The name of who starts tasks, as the file has it.
    pub fn launcher_name(&self, launcher: Launcher) -> &str {
        match launcher {
            Launcher::Service(service) => &self.services[service].name,
            Launcher::RunTask(run_task) => &self.run_tasks[run_task].name,
        }
    }

    /// The same, with what it is: "service `web`".
    pub fn launcher_words(&self, launcher: Launcher) -> String {
        let kind = match launcher {
            Launcher::Service(_) => "service",
            Launcher::RunTask(run_task) => self.run_tasks[run_task].section_words(),
        };
        format!("{kind} `{}`", self.launcher_name(launcher))
    }

    /// Where tasks of a launcher run.
    pub fn launch(&self, launcher: Launcher) -> &Launch {
        match launcher {
            Launcher::Service(service) => &self.services[service].launch,
            Launcher::RunTask(run_task) => &self.run_tasks[run_task].launch,
        }
    }

    /// What the network interfaces of a launcher's tasks have, where the timeline has given it this configuration.
    pub fn network_of(&self, launcher: Launcher, network: Option<Id<NetworkConfiguration>>) -> &NetworkConfiguration {
        match network {
            Some(network) => &self.network_configurations[network],
            None => &self.launch(launcher).network,
        }
    }

    /// The subnets that a launcher's tasks may have their addresses from, where the timeline has given it this
    /// configuration.
    pub fn subnets_of(&self, launcher: Launcher, network: Option<Id<NetworkConfiguration>>) -> &[Id<Subnet>] {
        &self.network_of(launcher, network).subnets
    }

    /// The faults of the timeline that hold at an instant, with the places of their entries; the first first.
    pub fn faults_at(&self, now: Instant) -> impl Iterator<Item = (usize, &Fault)> {
        self.timeline.iter().enumerate().take_while(move |(_, it)| it.at <= now).filter_map(move |(place, it)| {
            let TimelineChange::Fault { fault, lasts } = &it.change else { return None };
            lasts.is_none_or(|lasts| now < it.at + lasts).then_some((place, fault))
        })
    }

    /// Whether something that the scenario names is not there at an instant.
    pub fn is_missing(&self, what: &Missing, now: Instant) -> bool {
        self.missing.contains(what) || self.faults_at(now).any(|(_, it)| matches!(it, Fault::Missing(it) if it == what))
    }

    /// Whether an interface with these security groups can call AWS and registries, which listen on port 443.
    pub fn lets_out(&self, groups: &[Id<SecurityGroup>]) -> bool {
        let groups_of = groups.iter().map(|it| &self.security_groups[*it]);
        groups.is_empty() || let_out(groups_of, Protocol::Tcp, HTTPS_PORT)
    }

    /// Whether tasks can fail on their way to RUNNING, or end of themselves, for more than their definitions say: then
    /// all containers are followed one by one.
    pub fn faults_concern_containers(&self) -> bool {
        let is_of_container = |it: &Missing| matches!(it, Missing::Image(_) | Missing::Secret(_));
        let concerns = |it: &Fault| match it {
            Fault::Missing(missing) => is_of_container(missing),
            Fault::Registry { .. } | Fault::ApplicationCrashes { .. } => true,
            Fault::SlowDependency { .. } | Fault::SlowContainerRuntime { .. } | Fault::ThrottledCalls { .. } => false,
        };
        self.missing.iter().any(is_of_container)
            || self.subnets.iter().any(|it| it.default_route != DefaultRoute::NatGateway)
            || self.security_groups.ids().any(|it| !self.lets_out(&[it]))
            || !self.pull_quotas.is_empty()
            || self
                .timeline
                .iter()
                .any(|it| matches!(&it.change, TimelineChange::Fault { fault, .. } if concerns(fault)))
    }

    /// The revision that a pipeline has given another image, where it is one of its revisions; else the same. They differ in what is
    /// pulled, and not in how they serve.
    pub fn revision_before_pipelines(
        &self,
        service: Id<ServiceDefinition>,
        revision: Id<TaskDefinition>,
    ) -> Id<TaskDefinition> {
        let own = self.pipelines.iter().filter(|it| it.service == service);
        own.filter_map(|it| it.task_definition_of(revision)).next().unwrap_or(revision)
    }

    /// Whether the tasks of a launcher run on Fargate.
    pub fn runs_on_fargate(&self, launcher: Launcher) -> bool {
        let items = &self.launch(launcher).capacity_provider_strategy;
        items.iter().any(|it| self.capacity_providers[it.capacity_provider].fargate().is_some())
    }

    /// Whether a launcher is a service of scheduling strategy DAEMON.
    pub fn is_daemon(&self, launcher: Launcher) -> bool {
        launcher.service().is_some_and(|it| self.services[it].scheduling_strategy == SchedulingStrategy::Daemon)
    }

    /// Whether a load balancer has listeners or sticky sessions, so that its own counts say something.
    pub fn counts_apart(&self, load_balancer: Id<LoadBalancer>) -> bool {
        let is_its = |it: &TargetGroup| it.load_balancer == load_balancer && it.stickiness.is_some();
        self.listeners.iter().any(|it| it.load_balancer == load_balancer) || self.target_groups.iter().any(is_its)
    }

    /// Whether some tasks may run on a kind of Fargate capacity.
    pub fn uses_fargate(&self, capacity: FargateCapacity) -> bool {
        let launches = self.services.iter().map(|it| &it.launch).chain(self.run_tasks.iter().map(|it| &it.launch));
        let later = self.timeline.iter().filter_map(|it| match &it.change {
            TimelineChange::UpdateService { capacity_provider_strategy, .. } => capacity_provider_strategy.as_ref(),
            _ => None,
        });
        let of_task_sets =
            self.services.iter().flat_map(|it| &it.task_sets).flat_map(|it| &it.capacity_provider_strategy);
        let mut items =
            launches.flat_map(|it| &it.capacity_provider_strategy).chain(later.flatten()).chain(of_task_sets);
        items.any(|it| self.capacity_providers[it.capacity_provider].fargate() == Some(capacity))
    }

    /// All that alarms and policies read.
    fn watched(&self) -> impl Iterator<Item = &Watched> {
        let of_policies = self.scaling_policies.iter().flat_map(|it| match &it.kind {
            ScalingPolicyKind::TargetTracking(tracking) => vec![&tracking.watches],
            ScalingPolicyKind::Predictive(predictive) => predictive.watched().collect(),
            ScalingPolicyKind::Step(_) | ScalingPolicyKind::Simple(_) => Vec::new(),
        });
        self.alarms.iter().map(|it| &it.watches).chain(of_policies)
    }

    /// What a policy scales, as events name it: `service/NAME` or `auto-scaling-group/NAME`.
    pub fn scaled_resource(&self, policy: Id<ScalingPolicy>) -> String {
        match self.scaling_policies[policy].target {
            ScalingTarget::Service(target) => {
                format!("service/{}", self.services[self.scalable_targets[target].service].name)
            }
            ScalingTarget::Group(group) => format!("auto-scaling-group/{}", self.auto_scaling_groups[group].name),
        }
    }

    fn stats(&self) -> impl Iterator<Item = MetricStat> {
        self.watched().flat_map(Watched::stats)
    }

    /// Whether some service publishes metrics each 20 s.
    pub fn has_high_resolution_metrics(&self) -> bool {
        self.services.iter().any(|it| !it.high_resolution_metrics.is_empty())
    }

    /// Services of which something watches how the CPU or memory use of tasks differs.
    pub fn services_with_task_samples(&self) -> BTreeSet<Id<ServiceDefinition>> {
        let services_of = |it: MetricStat| match it.metric {
            Metric::Service(service, ..) | Metric::ContainerInsights(InsightsOf::Service(service), _) => vec![service],
            Metric::ContainerInsights(..) => self.services.ids().collect(),
            _ => Vec::new(),
        };
        self.stats().filter(|it| it.statistic.needs_samples()).flat_map(services_of).collect()
    }

    /// Target groups of which something watches the targets in single zones.
    pub fn groups_with_hosts_of_zones(&self) -> BTreeSet<Id<TargetGroup>> {
        let group_of = |it: MetricStat| match it.metric {
            Metric::HealthyHostsOfZone(of, _) | Metric::UnHealthyHostsOfZone(of, _) => Some(of),
            _ => None,
        };
        self.stats().filter_map(group_of).collect()
    }

    /// Whether something watches the CPU use of single instances.
    pub fn keeps_instance_samples(&self) -> bool {
        let is_of_instances = |it| matches!(it, Metric::InstanceCpuUtilization(_) | Metric::ContainerInstances(..));
        self.stats().any(|it| is_of_instances(it.metric))
    }

    /// Whether something watches what the CloudWatch agent publishes of container instances, so that it runs on them.
    pub fn has_instance_level_insights(&self) -> bool {
        self.stats().any(|it| matches!(it.metric, Metric::ContainerInstances(..)))
    }

    /// The name of what is watched: the metric's, or the expression.
    pub fn watched_name<'a>(&'a self, watched: &'a Watched) -> &'a str {
        match watched {
            Watched::Math(math) => math.label(),
            Watched::Stat(MetricStat { metric: Metric::Supplied(it), .. }) => &self.supplied_metrics[*it].metric_name,
            Watched::Stat(stat) => stat.metric.name().unwrap_or_default(),
        }
    }

    /// What is watched in full, and the statistic: namespace, name and dimensions, or the expression with the metrics that it
    /// reads.
    pub fn watched_words(&self, watched: &Watched) -> (String, String) {
        match watched {
            Watched::Stat(stat) => (self.metric_words(stat.metric), stat.statistic.to_string()),
            Watched::Math(math) => (math.label().to_owned(), String::new()),
        }
    }

    /// A metric's namespace, name and dimensions: `AWS/ECS CPUUtilization ServiceName=web`.
    pub fn metric_words(&self, metric: Metric) -> String {
        let name = metric.name().unwrap_or_default();
        match metric {
            Metric::Service(service, ..) => format!("AWS/ECS {name} ServiceName={}", self.services[service].name),
            Metric::Cluster(_) => format!("AWS/ECS {name} ClusterName={}", self.cluster_name),
            Metric::CapacityProviderReservation(it) => {
                format!("AWS/ECS/ManagedScaling {name} CapacityProviderName={}", self.capacity_providers[it].name)
            }
            Metric::LoadBalancer(load_balancer, group, _) => {
                let definition = &self.load_balancers[load_balancer];
                let namespace = load_balancer_namespace(definition.kind);
                let group = group.map(|it| format!(" TargetGroup={}", self.target_groups[it].name));
                format!("{namespace} {name} LoadBalancer={}{}", definition.name, group.unwrap_or_default())
            }
            Metric::HealthyHostsOfZone(group, zone) | Metric::UnHealthyHostsOfZone(group, zone) => {
                let definition = &self.target_groups[group];
                let load_balancer = &self.load_balancers[definition.load_balancer];
                format!(
                    "{} {name} LoadBalancer={} TargetGroup={} AvailabilityZone={}",
                    load_balancer_namespace(load_balancer.kind),
                    load_balancer.name,
                    definition.name,
                    self.availability_zones[zone].name
                )
            }
            Metric::ContainerInsights(InsightsOf::Service(service), _) => {
                format!("ECS/ContainerInsights {name} ServiceName={}", self.services[service].name)
            }
            Metric::ContainerInsights(InsightsOf::Family(first), _) => {
                let family = &self.task_definitions[first].family;
                format!("ECS/ContainerInsights {name} TaskDefinitionFamily={family}")
            }
            Metric::ContainerInstances(Some(number), _) => {
                format!("ECS/ContainerInsights {name} InstanceId={}", instance_name(number as usize))
            }
            Metric::ContainerInsights(InsightsOf::Cluster, _) | Metric::ContainerInstances(None, _) => {
                format!("ECS/ContainerInsights {name} ClusterName={}", self.cluster_name)
            }
            Metric::InstanceCpuUtilization(group) => {
                format!("AWS/EC2 {name} AutoScalingGroupName={}", self.auto_scaling_groups[group].name)
            }
            Metric::AutoScalingGroup(group, _) => {
                format!("AWS/AutoScaling {name} AutoScalingGroupName={}", self.auto_scaling_groups[group].name)
            }
            Metric::Supplied(it) => {
                let it = &self.supplied_metrics[it];
                let dimensions: Vec<String> =
                    it.dimensions.iter().map(|(name, value)| format!(" {name}={value}")).collect();
                format!("{} {}{}", it.namespace, it.metric_name, dimensions.concat())
            }
        }
    }

    /// The service whose tasks are the targets of a group; `None` without any.
    pub fn service_of(&self, target_group: Id<TargetGroup>) -> Option<Id<ServiceDefinition>> {
        let has_it = |it: &ServiceLoadBalancer| it.target_groups().any(|it| it == target_group);
        self.services.find(|it| it.load_balancer.as_ref().is_some_and(has_it))
    }
}

/// A gate that a run passes or fails.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    /// Its name in the file.
    pub name: String,
    /// What is measured.
    pub measure: Measure,
    /// The service it is measured on; all of them where `None`.
    pub service: Option<Id<ServiceDefinition>>,
    /// The value may be at most this.
    pub at_most: Option<f64>,
    /// The value must be at least this.
    pub at_least: Option<f64>,
}

/// What an expectation can measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// `errorPercent`: failed requests, percent of those that ended.
    ErrorPercent,
    /// `responseTimeP50Ms`: median response time of served requests over the run, ms.
    ResponseTimeP50Ms,
    /// `responseTimeP90Ms`
    ResponseTimeP90Ms,
    /// `responseTimeP99Ms`
    ResponseTimeP99Ms,
    /// `worstMinuteErrorPercent`: the worst minute's errors, percent.
    WorstMinuteErrorPercent,
    /// `worstMinuteP99Ms`: the worst minute's 99th percentile, ms.
    WorstMinuteP99Ms,
    /// `costUsd`: dollars over the run (the whole cluster).
    CostUsd,
    /// `taskHours`
    TaskHours,
    /// `instanceHours` (the whole cluster)
    InstanceHours,
    /// `runningCountAtEnd`: running tasks when the run ends.
    RunningCountAtEnd,
    /// `deploymentsCompleted`: deployments that completed, the first of each service not counted.
    DeploymentsCompleted,
    /// `deploymentsHanging`: deployments under way when the run ends that no longer move, the first of each service not counted.
    DeploymentsHanging,
    /// `deploymentSeconds`: the longest that a deployment took that completed, the first of each service not counted, s.
    DeploymentSeconds,
    /// `deploymentFailedSeconds`: from the beginning of the first deployment that failed until it did, s; none where none failed.
    DeploymentFailedSeconds,
    /// `tasksNeverRan`: tasks that stopped without having reached RUNNING.
    TasksNeverRan,
    /// `scaleOutSeconds`: from the rise of the load, or the first period that breached, until a policy raised the desired count for
    /// the first time, s.
    ScaleOutSeconds,
    /// `newTaskSeconds`: from the first scale-out by a policy until a task that it brought ran, s.
    NewTaskSeconds,
    /// `newTaskHealthySeconds`: from the rise of the load, or the first period that breached, until a task that the first scale-out
    /// brought counted as healthy, and got requests, s.
    NewTaskHealthySeconds,
    /// `waitForInstanceP95Seconds`: 95 of a hundred tasks waited for an instance for no longer, s ([`Run::waits_for_instances`]).
    ///
    /// [`Run::waits_for_instances`]: crate::run::Run::waits_for_instances
    WaitForInstanceP95Seconds,
    /// `waitForInstanceP99Seconds`
    WaitForInstanceP99Seconds,
    /// `capacityScaleOuts`: minutes in which a group's desired capacity was raised (the whole cluster).
    CapacityScaleOuts,
    /// `capacityScaleIns`: minutes in which it was lowered.
    CapacityScaleIns,
    /// `instancesMaximum`: instances in service at the end of the minute that had most (the whole cluster).
    InstancesMaximum,
    /// `standaloneTasksNotRun`: standalone tasks whose call failed, or that were given up in PROVISIONING.
    StandaloneTasksNotRun,
    /// Tasks that stopped otherwise than they were meant to: they did not start, failed their checks, ended of
    /// themselves or were lost.
    FailedTasks,
    /// `lastStandaloneTaskEndSeconds`: from the begin of the run until its last standalone task had ended; none while one goes on or
    /// none ran.
    LastStandaloneTaskEndSeconds,
    /// `invocationsGivenUp`: invocations that EventBridge dropped or put into a dead-letter queue.
    InvocationsGivenUp,
    /// `pipelineExecutionsSucceeded`: executions of pipelines that came to their end.
    PipelineExecutionsSucceeded,
    /// `commitToDeployedMaximumSeconds`: the longest time from a commit until its execution had succeeded.
    CommitToDeployedMaximumSeconds,
}

/// `containerInsights`, a setting of the cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ContainerInsights {
    /// Its metrics are not published.
    #[default]
    Disabled,
    /// Metrics of the cluster and its services, at the price of custom metrics.
    Enabled,
    /// Those of single tasks and containers besides, which nothing here watches, but which cost.
    Enhanced,
}
