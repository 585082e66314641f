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
pub mod tree;
pub mod upkeep;
pub mod volume;
pub mod windows;
pub mod workload;

use std::collections::BTreeSet;

use crate::aws::alarm::{Alarm, Watched};
use crate::aws::anomaly_detection::AnomalyRule;
use crate::aws::auto_scaling_group::{AutoScalingGroup, AvailabilityZone};
use crate::aws::capacity_pool::CapacityPool;
use crate::aws::capacity_provider::{CapacityProvider, CapacityProviderStrategyItem};
use crate::aws::composite_alarm::CompositeAlarm;
use crate::aws::container_instance::RegistrationFailure;
use crate::aws::deployment::DeploymentChange;
use crate::aws::fargate::FargateCapacity;
use crate::aws::file_system::FileSystem;
use crate::aws::launch::{Launch, Launcher, TaskGroup};
use crate::aws::listener::{Action, Listener, ListenerRule};
use crate::aws::load_balancer::{ListenerProtocol, LoadBalancer, TargetGroup};
use crate::aws::metric::{Metric, MetricStat, SuppliedMetric, load_balancer_namespace};
use crate::aws::nat_gateway::NatGateways;
use crate::aws::network::NetworkTimes;
use crate::aws::operating_system::OperatingSystemFamily;
use crate::aws::pipeline::Pipeline;
use crate::aws::placement::{PlacementConstraint, PlacementStrategy, TieBreak};
use crate::aws::price::Prices;
use crate::aws::registry::PullQuota;
use crate::aws::run_task::RunTask;
use crate::aws::scaling_policy::{ScalableTarget, ScalingPolicy, ScalingPolicyKind, ScalingTarget};
use crate::aws::schedule::{GroupScheduledAction, ScheduledAction};
use crate::aws::security_group::{HTTPS_PORT, SecurityGroup, let_out};
use crate::aws::service::{SchedulingStrategy, ServiceDefinition, ServiceLoadBalancer};
use crate::aws::subnet::{DefaultRoute, NetworkConfiguration, Subnet};
use crate::aws::task_definition::TaskDefinition;
use crate::aws::task_definition::{CappedTaskWeight, Protocol};
use crate::aws::task_set::TaskSetChange;
use crate::distribution::Distribution;
use crate::table::{Id, Table};
use crate::units::{Instant, Span, ceil_capacity};
use crate::workload::commits::Commits;
use crate::workload::task_calls::TaskCalls;
use crate::workload::{Destination, Workload};

pub use defaults::with_defaults;
pub use event_bridge::EventBridgeAssumptions;
pub use fault::{Fault, Missing, RegistryFault};
pub use group_change::{GroupChange, NewLaunchTemplate};
pub use problem::Problems;
pub use reader::Folder;
pub use schema::schema;
pub use story::{Story, read};

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
            Fault::SlowDependency { .. } | Fault::ThrottledCalls { .. } => false,
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
        // Revisions of pipelines are numbered in a row, each pipeline's own.
        let is_of = |it: &Pipeline| it.service == service && it.revisions.binary_search(&revision).is_ok();
        if self.pipelines.iter().any(is_of) { self.services[service].task_definition } else { revision }
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
        let service_of = |it: MetricStat| match it.metric {
            Metric::Service(service, ..) if it.statistic.needs_samples() => Some(service),
            _ => None,
        };
        self.stats().filter_map(service_of).collect()
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
        self.stats().any(|it| matches!(it.metric, Metric::InstanceCpuUtilization(_)))
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
            Metric::ContainerInsights(Some(service), _) => {
                format!("ECS/ContainerInsights {name} ServiceName={}", self.services[service].name)
            }
            Metric::ContainerInsights(None, _) => {
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

/// Something that happens at a given time.
#[derive(Clone, Debug, PartialEq)]
pub struct TimelineEntry {
    /// When.
    pub at: Instant,
    /// What.
    pub change: TimelineChange,
}

/// What a timeline can do.
#[derive(Clone, Debug, PartialEq)]
pub enum TimelineChange {
    /// `UpdateService`: what is `None` stays.
    UpdateService {
        /// The service.
        service: Id<ServiceDefinition>,
        /// A new task definition, which starts a deployment.
        task_definition: Option<Id<TaskDefinition>>,
        /// A new desired count, applied in place.
        desired_count: Option<u32>,
        /// `networkConfiguration`, which starts a deployment too.
        network: Option<Id<NetworkConfiguration>>,
        /// `forceNewDeployment`
        force_new_deployment: bool,
        /// `minimumHealthyPercent`
        minimum_healthy_percent: Option<u32>,
        /// `maximumPercent`
        maximum_percent: Option<u32>,
        /// `healthCheckGracePeriodSeconds`
        health_check_grace_period: Option<Span>,
        /// `placementStrategy`, for what is placed and stopped from then on.
        placement_strategy: Option<Vec<PlacementStrategy>>,
        /// `placementConstraints`, for what is placed from then on.
        placement_constraints: Option<Id<Vec<PlacementConstraint>>>,
        /// `capacityProviderStrategy`, for what is started and stopped from then on; it begins no deployment.
        capacity_provider_strategy: Option<Vec<CapacityProviderStrategyItem>>,
        /// `availabilityZoneRebalancing`: whether it is ENABLED.
        availability_zone_rebalancing: Option<bool>,
        /// What else is said anew of `deploymentConfiguration`.
        deployment: Box<DeploymentChange>,
    },
    /// `CreateService`: a service of the file is there from then on.
    CreateService {
        /// The service.
        service: Id<ServiceDefinition>,
    },
    /// `CreateTaskSet`, `UpdateTaskSet`, `DeleteTaskSet` or `UpdateServicePrimaryTaskSet`.
    TaskSet {
        /// The service, whose deployment controller is EXTERNAL.
        service: Id<ServiceDefinition>,
        /// The number of the task set among the service's.
        task_set: usize,
        /// What.
        change: TaskSetChange,
    },
    /// `DeleteService`
    DeleteService {
        /// The service.
        service: Id<ServiceDefinition>,
        /// `force`: whether it may be scaled above 0.
        force: bool,
    },
    /// EC2 loses this many instances of a group at once, the oldest first.
    TerminateInstances {
        /// The group.
        auto_scaling_group: Id<AutoScalingGroup>,
        /// How many.
        count: u32,
    },
    /// Tasks of a service begin to answer requests with a 5xx, though their health checks pass.
    TargetErrors {
        /// The service, which has a load balancer.
        service: Id<ServiceDefinition>,
        /// How many of its running tasks, the oldest first.
        tasks: u32,
        /// The share of requests that fail, above 0 and up to 1, beside those that fail at every task.
        error_share: f64,
        /// For how long; until the end of the run, or of the task, where `None`.
        lasts: Option<Span>,
    },
    /// `StopTask` is called for running tasks of a service, the oldest first.
    StopTasks {
        /// The service.
        service: Id<ServiceDefinition>,
        /// How many.
        tasks: u32,
        /// `stoppedReason`
        reason: String,
    },
    /// Something is done to container instances of a group by hand.
    ContainerInstances {
        /// The group.
        auto_scaling_group: Id<AutoScalingGroup>,
        /// How many, the oldest first, of those that it can be done to.
        count: u32,
        /// Only those in this zone.
        availability_zone: Option<Id<AvailabilityZone>>,
        /// What.
        change: ContainerInstanceChange,
    },
    /// `RegisterScalableTarget`: what is `None` stays.
    RegisterScalableTarget {
        /// The target.
        target: Id<ScalableTarget>,
        /// `MinCapacity`
        min_capacity: Option<u32>,
        /// `MaxCapacity`
        max_capacity: Option<u32>,
        /// `SuspendedState`: in and out by policies, scheduled actions.
        suspended_state: [Option<bool>; 3],
    },
    /// `UpdateAutoScalingGroup`: what is `None` stays.
    UpdateAutoScalingGroup {
        /// The group.
        auto_scaling_group: Id<AutoScalingGroup>,
        /// `MinSize`
        min_size: Option<u32>,
        /// `MaxSize`
        max_size: Option<u32>,
        /// `DesiredCapacity`
        desired_capacity: Option<u32>,
        /// `LaunchTemplate`: what instances are launched with from now on.
        launch_template: Option<Box<NewLaunchTemplate>>,
    },
    /// Something else is done to a group or to some of its instances.
    Group {
        /// The group.
        auto_scaling_group: Id<AutoScalingGroup>,
        /// What.
        change: GroupChange,
    },
    /// EC2 interrupts Spot Instances, the oldest first: it recommends to rebalance, gives notice, and takes them back.
    InterruptSpotInstances {
        /// Only those of this group.
        auto_scaling_group: Option<Id<AutoScalingGroup>>,
        /// Only those of this type.
        instance_type: Option<String>,
        /// Only those in this zone.
        availability_zone: Option<Id<AvailabilityZone>>,
        /// How many of those that run.
        instances: PartOfTasks,
    },
    /// A zone fails: all that runs there is lost, and nothing can be launched.
    AvailabilityZoneOutage {
        /// The zone.
        availability_zone: Id<AvailabilityZone>,
        /// For how long; for the rest of the run where `None`.
        lasts: Option<Span>,
    },
    /// EC2 has more or less of some types from now on, or at another price. On-Demand Instances that run go on; Spot Instances that are
    /// too many, or for which it wants more than their group pays, are interrupted.
    UpdateCapacityPool(CapacityPool),
    /// Fargate Spot takes back the capacity under running tasks, after its warning of two minutes.
    InterruptFargateSpot(SpotInterruption),
    /// AWS gives notice that it retires the platform revision that tasks on Fargate run on, and does so after a while: services
    /// replace their tasks, standalone ones are stopped. Tasks that are created after the notice are on a newer one.
    RetireFargateTasks {
        /// Only tasks of this service; all tasks on Fargate where `None`.
        service: Option<Id<ServiceDefinition>>,
        /// From the notice until the tasks are retired.
        notice: Span,
    },
    /// Fargate has no capacity for new tasks; those that run go on.
    FargateCapacityUnavailable {
        /// The kind of capacity.
        capacity: FargateCapacity,
        /// Only in this zone.
        availability_zone: Option<Id<AvailabilityZone>>,
        /// For how long; for the rest of the run where `None`.
        lasts: Option<Span>,
    },
    /// A fault of a group's launch template: instances that it launches from now on are in service and do not register.
    FailRegistration {
        /// The group.
        auto_scaling_group: Id<AutoScalingGroup>,
        /// What is wrong.
        failure: RegistrationFailure,
        /// For how long; for the rest of the run where `None`.
        lasts: Option<Span>,
    },
    /// `PutAccountSetting` of `awsvpcTrunking`: for instances that are launched from now on.
    PutAwsvpcTrunking {
        /// `enabled`
        is_enabled: bool,
    },
    /// Something is wrong.
    Fault {
        /// What.
        fault: Fault,
        /// For how long; for the rest of the run where `None`.
        lasts: Option<Span>,
    },
    /// `ModifyListener` (of a default rule) or `ModifyRule`: from now on the rule does this.
    ModifyRule {
        /// The rule.
        rule: Id<ListenerRule>,
        /// What it does; never to or from a redirect.
        action: Action,
    },
}

/// Tasks on `FARGATE_SPOT` that are interrupted at once, the oldest first.
#[derive(Clone, Debug, PartialEq)]
pub struct SpotInterruption {
    /// Only tasks of this service.
    pub service: Option<Id<ServiceDefinition>>,
    /// Only tasks in this zone.
    pub availability_zone: Option<Id<AvailabilityZone>>,
    /// How many of those that run.
    pub tasks: PartOfTasks,
}

/// Some of the tasks that something can happen to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PartOfTasks {
    /// So many, if there are as many.
    Count(u32),
    /// This share of them, above 0 and up to 1, rounded up.
    Share(f64),
}

impl PartOfTasks {
    /// How many that is of `all`.
    pub fn of(self, all: usize) -> usize {
        match self {
            PartOfTasks::Count(count) => all.min(count as usize),
            PartOfTasks::Share(share) => all.min(ceil_capacity(share * all as f64) as usize),
        }
    }
}

/// What is done to container instances by hand.
#[derive(Clone, Debug, PartialEq)]
pub enum ContainerInstanceChange {
    /// `UpdateContainerInstancesState` to DRAINING, of ACTIVE ones.
    Drain,
    /// `UpdateContainerInstancesState` to ACTIVE, of DRAINING ones that their group does not terminate.
    Activate,
    /// `DeregisterContainerInstance` with `force`, of ACTIVE and DRAINING ones: their tasks are orphaned.
    Deregister,
    /// The agents lose their connection to ECS.
    DisconnectAgent {
        /// For how long; for the rest of the run where `None`.
        lasts: Option<Span>,
    },
    /// `PutAttributes`: names with their new values.
    PutAttributes(Vec<(String, String)>),
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

/// When ECS counts the slot of a task that is stopped as free: new tasks are sent to the instance while the old one still ends,
/// and wait there in PENDING.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SlotFreedAt {
    /// When it begins to leave its target group.
    Deactivating,
    /// When SIGTERM is sent.
    Stopping,
    /// When it is STOPPED.
    Stopped,
}

/// Which tasks `spread` counts, and the tie-break by the fewest tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpreadCounts {
    /// Those of the service, or of the standalone tasks' group, whichever deployment they belong to.
    Service,
    /// Of a service those of the same deployment only.
    Deployment,
}

/// What AWS does not document, each with the default that the semantics reference suggests. A scenario may set any of
/// them under `assumptions`.
#[derive(Clone, Debug, PartialEq)]
pub struct Assumptions {
    /// From RunInstances to the EC2 state `running` and InService: 35 s.
    pub instance_launch_time: Distribution,
    /// The same of an instance that runs Windows: 260 s, so that it is ACTIVE 300 s after its launch (inferred; AWS publishes none).
    pub windows_instance_launch_time: Distribution,
    /// From InService until the agent has registered with the cluster: 40 s.
    pub agent_registration_time: Distribution,
    /// From a change of a group's desired capacity to its activity: 10 s.
    pub auto_scaling_group_delay: Span,
    /// After `InsufficientInstanceCapacity` a group tries again so soon (30 s), each time after twice as long, ...
    pub insufficient_capacity_retry: Span,
    /// ... and so late at last: 300 s.
    pub insufficient_capacity_retry_maximum: Span,
    /// A group that has tried to launch instances for so long without launching any has its process Launch suspended by AWS: 24 h
    /// (*Suspend and resume Amazon EC2 Auto Scaling processes*: "over 24 hours"; which processes it does not say).
    pub administrative_suspension_after: Span,
    /// How often a group looks at its instances, and how long it takes to notice that one is gone: 60 s.
    pub group_health_check_interval: Span,
    /// From when EC2's status checks fail until a group takes it for more than a hiccup: 180 s.
    pub impaired_instance_wait: Span,
    /// Interruptions of a Spot Instance, an hour, in the mean, where its pool says nothing: 0.
    pub spot_interruptions_per_hour: f64,
    /// How long a rebalance recommendation comes before the interruption notice: 0, together with it.
    pub rebalance_recommendation_lead: Span,
    /// Difference between two zones' numbers of instances from which a group rebalances them: 2.
    pub zone_imbalance: u32,
    /// Start of a stopped instance of a warm pool, until it is in service: 25 s.
    pub warm_start_time: Span,
    /// Pause between the scheduler's passes after something changed: 5 s.
    pub scheduler_delay: Span,
    /// From the SIGTERM of a task that `StopTask` was called for until its target is deregistered, and gets requests all the same: 4 s
    /// (clients were seen to get errors for 3 to 5 s, containers-roadmap #708).
    pub stop_task_deregistration_time: Span,
    /// From the end of a task that ran until its replacement is decided, whatever has the scheduler look earlier: 15 s.
    pub replacement_delay: Span,
    /// The same of a task that never came to RUNNING: 10 s. From the fourth launch in a row that fails so it doubles each time,
    /// up to 27 minutes.
    pub failed_launch_delay: Span,
    /// The agent's pick-up of a placed task: 1 s.
    pub agent_pick_up_time: Span,
    /// ENI attachment of `awsvpc` tasks: 5 s.
    pub network_interface_attach_time: Span,
    /// ENI detachment of `awsvpc` tasks: 5 s.
    pub network_interface_detach_time: Span,
    /// Attachment of the trunk network interface of a new instance, while it is REGISTERING: 5 s, as of other interfaces.
    pub trunk_attach_time: Span,
    /// Fixed part of an image pull (manifest): 1 s.
    pub image_pull_overhead: Span,
    /// From when a task's images begin to be pulled until ECS knows their digests, where the agent tells them with the manifest: 1 s, the
    /// fixed part of a pull.
    pub image_digest_time: Span,
    /// Speed of an image pull on EC2, MB/s of compressed layers: 50.
    pub image_pull_mb_per_second: f64,
    /// Pulls that go at once on an instance; the others wait for their turn. As many as there are where `None`, as
    /// Docker and the agent do.
    pub image_pulls_at_once: Option<u32>,
    /// What all registries together give, MB/s of compressed layers, one pull after the other; as much as one likes
    /// where `None`.
    pub registry_mb_per_second: Option<f64>,
    /// From when an attempt to pull an image begins until Docker gives it up because no registry answers: 15 s, its
    /// HTTP client's time limit.
    pub registry_timeout: Span,
    /// Creating and starting containers: 1 s (with `awsvpc` one more).
    pub container_create_time: Span,
    /// Mounting a task's EFS file systems: 2 s.
    pub efs_mount_time: Span,
    /// Creating and attaching a task's EBS volume: 15 s.
    pub ebs_attach_time: Span,
    /// A task whose containers have not all been started so long after the agent took it up is stopped: 3 h.
    pub pending_timeout: Span,
    /// From EC2's loss of an instance until its tasks count as stopped: 30 s.
    pub instance_loss_detection: Span,
    /// How long managed draining waits for the tasks of an instance: 48 h (developer guide, *Managed instance draining*).
    pub managed_draining_maximum: Span,
    /// Placement retries: this often at first (10 s) ...
    pub placement_retry_fast: Span,
    /// ... for this long (60 s) ...
    pub placement_retry_window: Span,
    /// ... and then this often (300 s).
    pub placement_retry_slow: Span,
    /// Whether a placement is also tried again when an instance registers or a task stops: no.
    pub placement_retry_on_capacity: bool,
    /// How long a task waits in PROVISIONING for capacity: 1800 s.
    pub provisioning_timeout: Span,
    /// Most tasks in PROVISIONING: 500.
    pub provisioning_maximum: u32,
    /// Calls of `RunTask` for instances and of `StartTask` that may be made at once: 100, the bucket of requests that modify the
    /// resources of a cluster (*Request throttling for the Amazon ECS API*; that these calls are among them is inferred). ECS itself
    /// launches and stops as many tasks of services at once; what is more waits for its turn.
    pub cluster_modify_burst: u32,
    /// Such calls a second that come back: 40.
    pub cluster_modify_calls_per_second: u32,
    /// How often a throttled call of `RunTask` is made, on instances or on Fargate, the first time included: 3, `max_attempts` of
    /// the SDKs' standard mode.
    pub run_task_max_attempts: u32,
    /// Calls that change services (`CreateService`, `UpdateService`, `DeleteService` and those of task sets) that the timeline may
    /// make at once: 50 (the same page; which calls share the bucket is inferred).
    pub service_modify_burst: u32,
    /// Such calls a second that come back: 5.
    pub service_modify_calls_per_second: u32,
    /// How EventBridge delivers.
    pub event_bridge: EventBridgeAssumptions,
    /// Most tasks launched a minute for one service: 500.
    pub launches_per_minute: u32,
    /// A deployment hangs that has not moved for so long, no new task healthy and no old one stopped: 15 minutes.
    pub deployment_hangs_after: Span,
    /// Whether `maximumPercent` counts tasks that are stopping, as the developer guide of 2023 had it: no, as the API Reference of
    /// 2026 has it.
    pub maximum_percent_counts_stopping: bool,
    /// Whether unhealthy tasks stop before their replacements start, as before about 2023: no.
    pub unhealthy_tasks_stop_first: bool,
    /// From a steady state until ECS looks whether the service's tasks are even over the zones, and from each move until the next:
    /// 60 s (inferred).
    pub zone_rebalancing_delay: Span,
    /// A steady state that lasts is said again after: 6 h.
    pub steady_state_interval: Span,
    /// A running task of a service without load balancer counts as healthy after: 40 s.
    pub healthy_after: Span,
    /// Registration of a target until its first probe may be sent: 1 s.
    pub target_registration_time: Span,
    /// Whether a drained target keeps its task waiting for the whole deregistration delay: yes.
    pub drain_full_delay: bool,
    /// Whether `task:group` counts tasks of an instance by their desired status, so that one that is asked to stop is no
    /// longer there: no, it is there until it is STOPPED.
    pub task_groups_by_desired_status: bool,
    /// When the slot of a task that is stopped is free for another one: when it is STOPPING.
    pub slot_freed_at: SlotFreedAt,
    /// Final tie-break of placement, and of which task stops: a seeded draw.
    pub tie_break: TieBreak,
    /// Which tasks placement counts where it spreads: those of the service.
    pub spread_counts: SpreadCounts,
    /// The weight of tasks with a task-level `cpu` on a busy instance: the kernel's default.
    pub capped_task_weight: CappedTaskWeight,
    /// Publication delay of ECS service metrics: 90 s.
    pub ecs_metric_delay: Span,
    /// Publication delay of load balancer metrics: 60 s.
    pub load_balancer_metric_delay: Span,
    /// Publication delay of `CapacityProviderReservation`: 30 s.
    pub capacity_provider_metric_delay: Span,
    /// Publication delay of ECS service metrics each 20 s: 15 s.
    pub high_resolution_metric_delay: Span,
    /// Publication delay of metrics of the cluster: 60 s.
    pub cluster_metric_delay: Span,
    /// Publication delay of Container Insights: 60 s.
    pub container_insights_metric_delay: Span,
    /// Publication delay of EC2's metrics with detailed monitoring: 60 s.
    pub instance_metric_delay: Span,
    /// Publication delay of EC2's metrics without it, each five minutes: 120 s.
    pub basic_instance_metric_delay: Span,
    /// Publication delay of metrics of Auto Scaling groups: 60 s.
    pub group_metric_delay: Span,
    /// Publication delay of metrics that the scenario supplies, where they do not say their own: 60 s, as of SQS.
    pub supplied_metric_delay: Span,
    /// The same of the first datapoint of a queue (`AWS/SQS`) after six hours without any: 300 s. AWS says up to 15 minutes.
    pub queue_metric_delay_after_inactivity: Span,
    /// How many periods more than `EvaluationPeriods` an alarm fetches; `None` is `max(2, EvaluationPeriods / 3)`.
    pub evaluation_range_extra: Option<u32>,
    /// Second of the minute at which alarms are evaluated; `None` is a stable one for each alarm, from its name.
    pub alarm_phase: Option<Span>,
    /// How long the alarms of a rolling update are watched once all of its tasks run; `None` is as long as the slowest of them looks
    /// back, `Period` times `EvaluationPeriods` (the developer guide says only that it follows from the alarms).
    pub deployment_alarm_bake_time: Option<Span>,
    /// Threshold of a target tracking policy's low alarm, as a share of the target: 0.9.
    pub alarm_low_ratio: f64,
    /// The same of a policy of an Auto Scaling group: 0.7.
    pub group_alarm_low_ratio: f64,
    /// Largest share of running tasks that target tracking removes at once: 0.10.
    pub scale_in_max_fraction: f64,
    /// Largest share of instances that managed scaling removes in a minute: 0.49.
    pub capacity_scale_in_max_fraction: f64,
    /// Datapoints of a minute above the target that managed scaling's high alarm wants, all of them in a row: 1 (measured;
    /// containers-roadmap 638, 900, 1220).
    pub capacity_alarm_high_datapoints: u32,
    /// The same of its low alarm: 15 (*Amazon ECS managed scaling behavior*). Neither can be set in AWS.
    pub capacity_alarm_low_datapoints: u32,
    /// Whether a group over several zones or types always grows by `minimumScalingStepSize`, whatever waits, as managed scaling
    /// had it in 2020 (containers-roadmap 960) and the API's reference said until 2025: no.
    pub capacity_grows_by_minimum_step: bool,
    /// A scaling activity is fulfilled when running equals desired, or after: 600 s.
    pub activity_timeout: Span,
    /// When the cooldown after a scaling activity begins: when it is fulfilled.
    pub cooldown_start: CooldownStart,
    /// The value that target tracking computes with: the newest datapoint.
    pub target_tracking_value: TargetTrackingValue,
    /// Which datapoints `MetricAggregationType` of step scaling aggregates. AWS: the most recent ones of the alarm.
    pub step_scaling_datapoints: StepScalingDatapoints,
    /// Delay of a scheduled action: 5 s.
    pub scheduled_action_delay: Span,
    /// `CapacityProviderReservation` of an empty group without need: the target (`None`), or this value (100 was older).
    pub empty_capacity_provider_metric: Option<f64>,
    /// First growth from zero: two instances (`false`), or the formula `ceil(200 / target)`.
    pub first_growth_by_formula: bool,
    /// Requests that one connection carries, to a load balancer or from it to a task, for its capacity units and for what
    /// opening connections costs: 10.
    pub requests_per_connection: f64,
    /// Bytes of a request, for `ProcessedBytes` and capacity units: 0, so that bytes are not counted.
    pub request_bytes: f64,
    /// Bytes of a response, for the same: 0.
    pub response_bytes: f64,
    /// Thresholds, floor and ramp of Automatic Target Weights.
    pub anomaly: AnomalyRule,
    /// How long callers keep what DNS says of a load balancer's nodes: 60 s, AWS's time to live.
    pub dns_time_to_live: Span,
    /// What the network takes between callers, load balancers and tasks.
    pub network_times: NetworkTimes,
    /// CPU time of a task for the TLS handshake of a new connection, where its target group speaks HTTPS or TLS: 1 ms.
    pub tls_handshake_cpu_time: Span,
    /// Launch rates and vCPU quotas of Fargate, and how long its tasks take to start.
    pub fargate: FargateAssumptions,
    /// Cut of EC2's burst credits: whether T2's instances slow down without credits and others pay: yes.
    pub burst_credits: bool,
    /// Whether the alarms that target tracking and managed scaling make are billed like others: yes.
    pub managed_alarms_billed: bool,
}

impl Assumptions {
    /// From RunInstances to InService of an instance that runs an operating system.
    pub fn launch_time_of(&self, operating_system_family: OperatingSystemFamily) -> &Distribution {
        match operating_system_family.is_windows() {
            true => &self.windows_instance_launch_time,
            false => &self.instance_launch_time,
        }
    }
}

/// When the cooldown after a scaling activity begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CooldownStart {
    /// When as many tasks run as are desired, or the activity times out.
    #[default]
    Fulfilled,
    /// When the desired count is set.
    Set,
}

/// The value of a metric that target tracking computes the new capacity with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TargetTrackingValue {
    /// The newest datapoint that can be read.
    #[default]
    Newest,
    /// The mean of the periods that the alarm evaluates.
    MeanOfAlarmWindow,
}

/// The datapoints that choose a step of step scaling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StepScalingDatapoints {
    /// Those that the alarm looks at: as many as its `EvaluationPeriods`.
    #[default]
    AlarmWindow,
    /// The newest alone, which every aggregation leaves as it is.
    Newest,
}

impl Default for Assumptions {
    fn default() -> Self {
        Assumptions {
            instance_launch_time: Distribution::Constant(Span::seconds(35)),
            windows_instance_launch_time: Distribution::Constant(Span::seconds(260)),
            agent_registration_time: Distribution::Constant(Span::seconds(40)),
            auto_scaling_group_delay: Span::seconds(10),
            insufficient_capacity_retry: Span::seconds(30),
            insufficient_capacity_retry_maximum: Span::seconds(300),
            administrative_suspension_after: Span::seconds(24 * 3_600),
            group_health_check_interval: Span::MINUTE,
            impaired_instance_wait: Span::seconds(180),
            spot_interruptions_per_hour: 0.0,
            rebalance_recommendation_lead: Span::ZERO,
            zone_imbalance: 2,
            warm_start_time: Span::seconds(25),
            scheduler_delay: Span::seconds(5),
            stop_task_deregistration_time: Span::seconds(4),
            replacement_delay: Span::seconds(15),
            failed_launch_delay: Span::seconds(10),
            agent_pick_up_time: Span::seconds(1),
            network_interface_attach_time: Span::seconds(5),
            network_interface_detach_time: Span::seconds(5),
            trunk_attach_time: Span::seconds(5),
            image_pull_overhead: Span::seconds(1),
            image_digest_time: Span::seconds(1),
            image_pull_mb_per_second: 50.0,
            image_pulls_at_once: None,
            registry_mb_per_second: None,
            registry_timeout: Span::seconds(15),
            container_create_time: Span::seconds(1),
            efs_mount_time: Span::seconds(2),
            ebs_attach_time: Span::seconds(15),
            pending_timeout: Span::seconds(3 * 3600),
            instance_loss_detection: Span::seconds(30),
            managed_draining_maximum: Span::seconds(48 * 3600),
            placement_retry_fast: Span::seconds(10),
            placement_retry_window: Span::seconds(60),
            placement_retry_slow: Span::seconds(300),
            placement_retry_on_capacity: false,
            provisioning_timeout: Span::seconds(1800),
            provisioning_maximum: 500,
            cluster_modify_burst: 100,
            cluster_modify_calls_per_second: 40,
            run_task_max_attempts: 3,
            service_modify_burst: 50,
            service_modify_calls_per_second: 5,
            event_bridge: EventBridgeAssumptions::default(),
            launches_per_minute: 500,
            deployment_hangs_after: Span::seconds(900),
            maximum_percent_counts_stopping: false,
            unhealthy_tasks_stop_first: false,
            zone_rebalancing_delay: Span::MINUTE,
            steady_state_interval: Span::seconds(6 * 3600),
            healthy_after: Span::seconds(40),
            target_registration_time: Span::seconds(1),
            drain_full_delay: true,
            task_groups_by_desired_status: false,
            slot_freed_at: SlotFreedAt::Stopping,
            tie_break: TieBreak::Random,
            spread_counts: SpreadCounts::Service,
            capped_task_weight: CappedTaskWeight::KernelDefault,
            ecs_metric_delay: Span::seconds(90),
            load_balancer_metric_delay: Span::seconds(60),
            capacity_provider_metric_delay: Span::seconds(30),
            high_resolution_metric_delay: Span::seconds(15),
            cluster_metric_delay: Span::seconds(60),
            container_insights_metric_delay: Span::seconds(60),
            instance_metric_delay: Span::seconds(60),
            basic_instance_metric_delay: Span::seconds(120),
            group_metric_delay: Span::seconds(60),
            supplied_metric_delay: Span::seconds(60),
            queue_metric_delay_after_inactivity: Span::seconds(300),
            evaluation_range_extra: None,
            alarm_phase: None,
            deployment_alarm_bake_time: None,
            managed_alarms_billed: true,
            alarm_low_ratio: 0.9,
            group_alarm_low_ratio: 0.7,
            scale_in_max_fraction: 0.10,
            capacity_scale_in_max_fraction: 0.49,
            capacity_alarm_high_datapoints: 1,
            capacity_alarm_low_datapoints: 15,
            capacity_grows_by_minimum_step: false,
            activity_timeout: Span::seconds(600),
            cooldown_start: CooldownStart::default(),
            target_tracking_value: TargetTrackingValue::default(),
            step_scaling_datapoints: StepScalingDatapoints::default(),
            scheduled_action_delay: Span::seconds(5),
            empty_capacity_provider_metric: None,
            first_growth_by_formula: false,
            requests_per_connection: 10.0,
            request_bytes: 0.0,
            response_bytes: 0.0,
            anomaly: AnomalyRule::default(),
            dns_time_to_live: Span::seconds(60),
            network_times: NetworkTimes::default(),
            tls_handshake_cpu_time: Span::millis(1),
            fargate: FargateAssumptions::default(),
            burst_credits: true,
        }
    }
}

/// What a scenario can assume of Fargate: the account's quotas, with AWS's own defaults, and times that are measured, not
/// documented.
#[derive(Clone, Debug, PartialEq)]
pub struct FargateAssumptions {
    /// Quotas of on-demand capacity.
    pub on_demand: FargateQuotas,
    /// Quotas of Spot capacity.
    pub spot: FargateQuotas,
    /// Most tasks launched a minute for one service: 500, as in the large regions; elsewhere it is 125 (*Amazon ECS endpoints and
    /// quotas*).
    pub launches_per_minute: u32,
    /// Calls of `RunTask` for tasks on Fargate that may be made at once: 20 (*Fargate throttling quotas*).
    pub run_task_burst: u32,
    /// Such calls a second that come back: 20.
    pub run_task_calls_per_second: u32,
    /// PROVISIONING, in which a task gets its micro-VM and network interface: 15 s.
    pub provisioning_time: Span,
    /// The same of a task on Windows: 180 s (inferred; AWS publishes none).
    pub windows_provisioning_time: Span,
    /// PENDING, until the pull begins: 5 s.
    pub pending_time: Span,
    /// Speed of an image pull, MB/s of compressed layers: 13. Nothing is ever cached.
    pub pull_mb_per_second: f64,
    /// The same for larger tasks: from so many CPU units on, MB/s; in ascending order. None by default.
    pub pull_mb_per_second_from: Vec<(u32, f64)>,
    /// Until an image that is loaded lazily (SOCI) can be started: 5 s.
    pub lazy_loading_time: Span,
    /// From when an attempt to reach a registry begins until it is given up because none answers: 30 s, containerd's
    /// time limit for a connection.
    pub registry_timeout: Span,
    /// Creating and starting containers: 5 s.
    pub container_create_time: Span,
    /// DEPROVISIONING: 10 s.
    pub deprovisioning_time: Span,
    /// Size of an image once it is unpacked, which lies on the ephemeral storage beside the compressed one, times the size
    /// of that: 2.5.
    pub unpacked_image_ratio: f64,
    /// Interruptions of a Spot task, an hour, in the mean: 0.
    pub spot_interruptions_per_hour: f64,
    /// Whether the target of an interrupted Spot task is deregistered at the warning: yes; else it stays registered until
    /// the task is STOPPED, as AWS warns that it may.
    pub spot_deregisters_at_warning: bool,
    /// From when on a task is billed: from when its image pull starts (AWS Fargate pricing).
    pub billed_from: FargateBilledFrom,
}

/// From when on a task on Fargate is billed, until it is STOPPED.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FargateBilledFrom {
    /// When it is launched: PROVISIONING and PENDING too.
    Launched,
    /// When the pull of its images starts.
    PullStarted,
    /// When it is RUNNING.
    Running,
}

impl FargateAssumptions {
    /// PROVISIONING of a task that runs an operating system.
    pub fn provisioning_time_of(&self, operating_system_family: OperatingSystemFamily) -> Span {
        if operating_system_family.is_windows() { self.windows_provisioning_time } else { self.provisioning_time }
    }

    /// Quotas of one kind of capacity.
    pub fn quotas(&self, capacity: FargateCapacity) -> &FargateQuotas {
        match capacity {
            FargateCapacity::OnDemand => &self.on_demand,
            FargateCapacity::Spot => &self.spot,
        }
    }

    /// Speed of an image pull of a task of so many CPU units, MB/s.
    pub fn pull_speed(&self, cpu_units: u32) -> f64 {
        let from = self.pull_mb_per_second_from.iter().rev().find(|it| it.0 <= cpu_units);
        from.map_or(self.pull_mb_per_second, |it| it.1)
    }
}

/// Quotas of one kind of Fargate capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FargateQuotas {
    /// vCPUs of tasks that run at once: 6 in a new account; it grows with use, or on request.
    pub vcpu: u32,
    /// Launches at once: 100 (25 in smaller regions).
    pub launch_burst: u32,
    /// Launches a second that come back: 20 (5 in smaller regions).
    pub launches_per_second: u32,
}

impl Default for FargateAssumptions {
    fn default() -> Self {
        let quotas = FargateQuotas { vcpu: 6, launch_burst: 100, launches_per_second: 20 };
        FargateAssumptions {
            on_demand: quotas,
            spot: quotas,
            launches_per_minute: 500,
            run_task_burst: 20,
            run_task_calls_per_second: 20,
            provisioning_time: Span::seconds(15),
            windows_provisioning_time: Span::seconds(180),
            pending_time: Span::seconds(5),
            pull_mb_per_second: 13.0,
            pull_mb_per_second_from: Vec::new(),
            lazy_loading_time: Span::seconds(5),
            registry_timeout: Span::seconds(30),
            container_create_time: Span::seconds(5),
            deprovisioning_time: Span::seconds(10),
            unpacked_image_ratio: 2.5,
            spot_interruptions_per_hour: 0.0,
            spot_deregisters_at_warning: true,
            billed_from: FargateBilledFrom::PullStarted,
        }
    }
}
