//! The metrics that are simulated: their names in CloudWatch, and what each is counted of.
//!
//! Follows *Amazon ECS CloudWatch metrics*, *Amazon ECS Container Insights metrics*, *CloudWatch metrics for your Application /
//! Network / Classic Load Balancer*, *CloudWatch metrics for Amazon EC2 Auto Scaling* and *List the available CloudWatch
//! metrics for your instances* (2023 to 2026 copies). Left out: requests by Availability Zone, what is counted by single instance or
//! task, and what needs disks, packets or the operating system.

use crate::aws::auto_scaling_group::{AutoScalingGroup, AvailabilityZone};
use crate::aws::capacity_provider::CapacityProvider;
use crate::aws::load_balancer::{LoadBalancer, LoadBalancerType, TargetGroup};
use crate::aws::service::ServiceDefinition;
use crate::aws::statistic::Statistic;
use crate::aws::task_definition::TaskDefinition;
use crate::table::Id;
use crate::units::{Instant, Span};

/// A metric, by what it is counted of: namespace, name and dimensions in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// `AWS/ECS` by `ClusterName` and `ServiceName`.
    Service(Id<ServiceDefinition>, ServiceMetric, Resolution),
    /// `AWS/ECS` by `ClusterName`: container instances.
    Cluster(ClusterMetric),
    /// `AWS/ECS/ManagedScaling`, `CapacityProviderReservation` by `CapacityProviderName` and `ClusterName`.
    CapacityProviderReservation(Id<CapacityProvider>),
    /// `AWS/ApplicationELB`, `AWS/NetworkELB` or `AWS/ELB` by `LoadBalancer`, or by `TargetGroup`.
    LoadBalancer(Id<LoadBalancer>, Option<Id<TargetGroup>>, LoadBalancerMetric),
    /// `HealthyHostCount` of a target group's targets in one zone, by `AvailabilityZone` besides.
    HealthyHostsOfZone(Id<TargetGroup>, Id<AvailabilityZone>),
    /// `UnHealthyHostCount` likewise.
    UnHealthyHostsOfZone(Id<TargetGroup>, Id<AvailabilityZone>),
    /// `ECS/ContainerInsights` by `ClusterName`, or by that and something else.
    ContainerInsights(InsightsOf, ContainerInsightsMetric),
    /// `ECS/ContainerInsights` by `ClusterName`, of container instances: a sample of each; or of one of them, by the number of its launch,
    /// with `InstanceId` and `ContainerInstanceId`.
    ContainerInstances(Option<u32>, InstanceMetric),
    /// `AWS/EC2`, `CPUUtilization` by `AutoScalingGroupName`.
    InstanceCpuUtilization(Id<AutoScalingGroup>),
    /// `AWS/AutoScaling` by `AutoScalingGroupName`.
    AutoScalingGroup(Id<AutoScalingGroup>, GroupMetric),
    /// Whatever the scenario supplies.
    Supplied(Id<SuppliedMetric>),
}

impl Metric {
    /// The service that it is of, by its dimensions.
    pub fn service(self) -> Option<Id<ServiceDefinition>> {
        match self {
            Metric::Service(service, ..) => Some(service),
            Metric::ContainerInsights(InsightsOf::Service(service), _) => Some(service),
            _ => None,
        }
    }
}

/// Whose tasks a metric of Container Insights is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InsightsOf {
    /// All of the cluster's, by `ClusterName` alone.
    Cluster,
    /// By `ServiceName`.
    Service(Id<ServiceDefinition>),
    /// By `TaskDefinitionFamily`: the first task definition of the family stands for it.
    Family(Id<TaskDefinition>),
}

/// How often ECS publishes a metric of a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resolution {
    /// Each minute.
    #[default]
    Minute,
    /// Each 20 s: `resolutionSeconds` of the service's `monitoring`.
    TwentySeconds,
}

/// A metric of `AWS/ECS` of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServiceMetric {
    /// Percent of the CPU units that its running tasks reserve.
    CpuUtilization,
    /// Percent of the memory that its running tasks reserve.
    MemoryUtilization,
}

/// A metric of `AWS/ECS` of a cluster: of its container instances that are ACTIVE or DRAINING, in percent of what they have
/// registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClusterMetric {
    /// CPU units that running tasks reserve.
    CpuReservation,
    /// Memory that running tasks reserve.
    MemoryReservation,
    /// GPUs that running tasks have.
    GpuReservation,
    /// CPU units in use.
    CpuUtilization,
    /// Memory in use.
    MemoryUtilization,
}

/// A metric of a load balancer or of a target group, over a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "CloudWatch's own names, which its documentation explains")]
pub enum LoadBalancerMetric {
    RequestCount,
    RequestCountPerTarget,
    /// Seconds; `Latency` of a Classic Load Balancer.
    TargetResponseTime,
    HttpCodeTarget2xx,
    HttpCodeTarget3xx,
    HttpCodeTarget4xx,
    HttpCodeTarget5xx,
    HttpCodeElb4xx,
    HttpCodeElb5xx,
    HttpCodeElb502,
    HttpCodeElb503,
    HttpCodeElb504,
    HealthyHostCount,
    UnHealthyHostCount,
    AnomalousHostCount,
    MitigatedHostCount,
    HealthyStateRouting,
    UnhealthyStateRouting,
    HealthyStateDns,
    UnhealthyStateDns,
    UnhealthyRoutingRequestCount,
    TargetConnectionErrorCount,
    NewConnectionCount,
    ActiveConnectionCount,
    ProcessedBytes,
    ConsumedLcus,
    PeakLcus,
    RuleEvaluations,
    HttpRedirectCount,
    HttpFixedResponseCount,
    NonStickyRequestCount,
    NewFlowCount,
    ActiveFlowCount,
    SurgeQueueLength,
    SpilloverCount,
}

/// A metric of `ECS/ContainerInsights`, over a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "CloudWatch's own names, which its documentation explains")]
pub enum ContainerInsightsMetric {
    DesiredTaskCount,
    RunningTaskCount,
    PendingTaskCount,
    DeploymentCount,
    /// Task sets of a service whose deployment controller is EXTERNAL.
    TaskSetCount,
    /// How often restart policies have started a task's containers again since it was started; a sample of each running task that has
    /// such a policy.
    RestartCount,
    /// Of a cluster: tasks that run.
    TaskCount,
    /// Of a cluster.
    ServiceCount,
    /// Of a cluster: container instances with a running task.
    ContainerInstanceCount,
    /// CPU units; a sample of each task, as all that follow.
    CpuUtilized,
    /// CPU units; those of its instance for a task that reserves none.
    CpuReserved,
    /// MiB, though the unit says megabytes.
    MemoryUtilized,
    /// MiB.
    MemoryReserved,
    /// Bytes a second, of requests that tasks received; of network modes `awsvpc` and `bridge`.
    NetworkRxBytes,
    /// Bytes a second, of responses that tasks sent; of network modes `awsvpc` and `bridge`.
    NetworkTxBytes,
    /// GB of 10^9 bytes, of tasks on Fargate that run Linux.
    EphemeralStorageReserved,
    /// The same that images take, compressed and unpacked.
    EphemeralStorageUtilized,
    /// GB of 10^9 bytes of the EBS volume that a task was given.
    EbsFilesystemSize,
    /// Percent of what a task reserves, or of its instance where that is nothing.
    TaskCpuUtilization,
    /// Percent of what a task reserves.
    TaskMemoryUtilization,
    /// Percent of what a task on Fargate that runs Linux has.
    TaskEphemeralStorageUtilization,
    /// Of each container with a health check: 1 where it is UNHEALTHY, 0 where it is HEALTHY.
    UnHealthyContainerHealthStatus,
}

/// A metric of `ECS/ContainerInsights` of container instances, which the CloudWatch agent on each of them publishes: of its tasks, not
/// of what the operating system and agents use beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InstanceMetric {
    /// CPU units of the instance.
    CpuLimit,
    /// Percent of its CPU units that running tasks reserve.
    CpuReservedCapacity,
    /// CPU units in use.
    CpuUsageTotal,
    /// Percent of its CPU units in use.
    CpuUtilization,
    /// Bytes that its operating system sees.
    MemoryLimit,
    /// Percent of these that running tasks reserve.
    MemoryReservedCapacity,
    /// Percent of these in use.
    MemoryUtilization,
    /// Bytes in use.
    MemoryWorkingSet,
    /// Running tasks.
    NumberOfRunningTasks,
}

/// A metric of `AWS/AutoScaling`, at the end of a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "CloudWatch's own names, which its documentation explains")]
pub enum GroupMetric {
    MinSize,
    MaxSize,
    DesiredCapacity,
    InServiceInstances,
    PendingInstances,
    StandbyInstances,
    TerminatingInstances,
    TotalInstances,
    InServiceCapacity,
    PendingCapacity,
    StandbyCapacity,
    TerminatingCapacity,
    TotalCapacity,
    WarmPoolMinSize,
    WarmPoolDesiredCapacity,
    WarmPoolPendingCapacity,
    WarmPoolTerminatingCapacity,
    WarmPoolWarmedCapacity,
    WarmPoolTotalCapacity,
    GroupAndWarmPoolDesiredCapacity,
    GroupAndWarmPoolTotalCapacity,
}

/// A metric that the scenario supplies: a queue's depth, or anything else that is not simulated.
#[derive(Clone, Debug, PartialEq)]
pub struct SuppliedMetric {
    /// The entry's name in the scenario.
    pub name: String,
    /// `Namespace`
    pub namespace: String,
    /// `MetricName`
    pub metric_name: String,
    /// `Dimensions`: names with values.
    pub dimensions: Vec<(String, String)>,
    /// Length of a period, a second at least (`StorageResolution`).
    pub resolution: Span,
    /// From the end of a period until its datapoint can be read.
    pub delay: Span,
    /// When the first period begins.
    pub begins: Instant,
    /// The samples of each period; none is no datapoint.
    pub samples: Vec<Vec<f64>>,
}

/// A metric and what is made of its samples: `MetricStat`, or the fields of an alarm on one metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MetricStat {
    /// The metric.
    pub metric: Metric,
    /// `Statistic` or `ExtendedStatistic`.
    pub statistic: Statistic,
}

impl Resolution {
    /// Length of a period.
    pub const fn period(self) -> Span {
        match self {
            Resolution::Minute => Span::MINUTE,
            Resolution::TwentySeconds => Span::seconds(20),
        }
    }
}

/// A name in CloudWatch, and the metric.
pub type Named<M> = (&'static str, M);

impl ServiceMetric {
    /// Their names.
    pub const NAMES: [Named<ServiceMetric>; 2] =
        [("CPUUtilization", ServiceMetric::CpuUtilization), ("MemoryUtilization", ServiceMetric::MemoryUtilization)];
}

impl ClusterMetric {
    /// Their names.
    pub const NAMES: [Named<ClusterMetric>; 5] = [
        ("CPUReservation", ClusterMetric::CpuReservation),
        ("MemoryReservation", ClusterMetric::MemoryReservation),
        ("GPUReservation", ClusterMetric::GpuReservation),
        ("CPUUtilization", ClusterMetric::CpuUtilization),
        ("MemoryUtilization", ClusterMetric::MemoryUtilization),
    ];
}

use LoadBalancerMetric as L;

/// Of Application Load Balancers, and of target groups behind them.
const APPLICATION: &[Named<LoadBalancerMetric>] = &[
    ("RequestCount", L::RequestCount),
    ("RequestCountPerTarget", L::RequestCountPerTarget),
    ("TargetResponseTime", L::TargetResponseTime),
    ("HTTPCode_Target_2XX_Count", L::HttpCodeTarget2xx),
    ("HTTPCode_Target_3XX_Count", L::HttpCodeTarget3xx),
    ("HTTPCode_Target_4XX_Count", L::HttpCodeTarget4xx),
    ("HTTPCode_Target_5XX_Count", L::HttpCodeTarget5xx),
    ("HTTPCode_ELB_4XX_Count", L::HttpCodeElb4xx),
    ("HTTPCode_ELB_5XX_Count", L::HttpCodeElb5xx),
    ("HTTPCode_ELB_502_Count", L::HttpCodeElb502),
    ("HTTPCode_ELB_503_Count", L::HttpCodeElb503),
    ("HTTPCode_ELB_504_Count", L::HttpCodeElb504),
    ("HealthyHostCount", L::HealthyHostCount),
    ("UnHealthyHostCount", L::UnHealthyHostCount),
    ("AnomalousHostCount", L::AnomalousHostCount),
    ("MitigatedHostCount", L::MitigatedHostCount),
    ("HealthyStateRouting", L::HealthyStateRouting),
    ("UnhealthyStateRouting", L::UnhealthyStateRouting),
    ("HealthyStateDNS", L::HealthyStateDns),
    ("UnhealthyStateDNS", L::UnhealthyStateDns),
    ("UnhealthyRoutingRequestCount", L::UnhealthyRoutingRequestCount),
    ("TargetConnectionErrorCount", L::TargetConnectionErrorCount),
    ("NewConnectionCount", L::NewConnectionCount),
    ("ActiveConnectionCount", L::ActiveConnectionCount),
    ("ProcessedBytes", L::ProcessedBytes),
    ("ConsumedLCUs", L::ConsumedLcus),
    ("PeakLCUs", L::PeakLcus),
    ("RuleEvaluations", L::RuleEvaluations),
    ("HTTP_Redirect_Count", L::HttpRedirectCount),
    ("HTTP_Fixed_Response_Count", L::HttpFixedResponseCount),
    ("NonStickyRequestCount", L::NonStickyRequestCount),
];

const NETWORK: &[Named<LoadBalancerMetric>] = &[
    ("NewFlowCount", L::NewFlowCount),
    ("ActiveFlowCount", L::ActiveFlowCount),
    ("HealthyHostCount", L::HealthyHostCount),
    ("UnHealthyHostCount", L::UnHealthyHostCount),
    ("ProcessedBytes", L::ProcessedBytes),
    ("ConsumedLCUs", L::ConsumedLcus),
];

const CLASSIC: &[Named<LoadBalancerMetric>] = &[
    ("RequestCount", L::RequestCount),
    ("Latency", L::TargetResponseTime),
    ("HTTPCode_Backend_2XX", L::HttpCodeTarget2xx),
    ("HTTPCode_Backend_3XX", L::HttpCodeTarget3xx),
    ("HTTPCode_Backend_4XX", L::HttpCodeTarget4xx),
    ("HTTPCode_Backend_5XX", L::HttpCodeTarget5xx),
    ("HTTPCode_ELB_4XX", L::HttpCodeElb4xx),
    ("HTTPCode_ELB_5XX", L::HttpCodeElb5xx),
    ("HealthyHostCount", L::HealthyHostCount),
    ("UnHealthyHostCount", L::UnHealthyHostCount),
    ("BackendConnectionErrors", L::TargetConnectionErrorCount),
    ("SurgeQueueLength", L::SurgeQueueLength),
    ("SpilloverCount", L::SpilloverCount),
];

impl LoadBalancerMetric {
    /// The names of those that load balancers of a type have.
    pub fn names(kind: LoadBalancerType) -> &'static [Named<LoadBalancerMetric>] {
        match kind {
            LoadBalancerType::Application => APPLICATION,
            LoadBalancerType::Network => NETWORK,
            LoadBalancerType::Classic => CLASSIC,
        }
    }

    /// Whether it is counted of target groups: what only a whole load balancer has is not.
    pub fn is_of_target_groups(self) -> bool {
        !matches!(
            self,
            L::HttpCodeElb4xx
                | L::HttpCodeElb5xx
                | L::HttpCodeElb502
                | L::HttpCodeElb503
                | L::HttpCodeElb504
                | L::NewConnectionCount
                | L::ActiveConnectionCount
                | L::ProcessedBytes
                | L::ConsumedLcus
                | L::PeakLcus
                | L::RuleEvaluations
                | L::HttpRedirectCount
                | L::HttpFixedResponseCount
                | L::NonStickyRequestCount
                | L::NewFlowCount
                | L::ActiveFlowCount
        )
    }

    /// Whether it is counted of whole load balancers: targets are counted by their groups.
    pub fn is_of_load_balancers(self) -> bool {
        !matches!(
            self,
            L::RequestCountPerTarget
                | L::HealthyHostCount
                | L::UnHealthyHostCount
                | L::AnomalousHostCount
                | L::MitigatedHostCount
                | L::HealthyStateRouting
                | L::UnhealthyStateRouting
                | L::HealthyStateDns
                | L::UnhealthyStateDns
        )
    }
}

/// The namespace of load balancers of a type.
pub fn load_balancer_namespace(kind: LoadBalancerType) -> &'static str {
    match kind {
        LoadBalancerType::Application => "AWS/ApplicationELB",
        LoadBalancerType::Network => "AWS/NetworkELB",
        LoadBalancerType::Classic => "AWS/ELB",
    }
}

use ContainerInsightsMetric as C;

/// A metric of Container Insights, and whose it is, each beside `ClusterName`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its name.
    pub name: &'static str,
    /// The metric.
    pub metric: ContainerInsightsMetric,
    /// Whether it is published with enhanced observability only.
    pub is_enhanced: bool,
    of: Of,
}

/// The dimension sets of a metric of Container Insights: of the cluster, by `ServiceName` and by `TaskDefinitionFamily`.
type Of = [bool; 3];

const CLUSTERS: Of = [true, false, false];
const SERVICES: Of = [false, true, false];
const SERVICES_AND_FAMILIES: Of = [false, true, true];
const ALL: Of = [true; 3];

const fn always(name: &'static str, metric: ContainerInsightsMetric, of: Of) -> Published {
    Published { name, metric, is_enhanced: false, of }
}

const fn enhanced(name: &'static str, metric: ContainerInsightsMetric, of: Of) -> Published {
    Published { name, metric, is_enhanced: true, of }
}

impl Published {
    /// All that are simulated (*Amazon ECS Container Insights with enhanced observability metrics*, 2026).
    pub const METRICS: [Published; 22] = [
        always("ContainerInstanceCount", C::ContainerInstanceCount, CLUSTERS),
        always("ServiceCount", C::ServiceCount, CLUSTERS),
        always("TaskCount", C::TaskCount, CLUSTERS),
        always("DesiredTaskCount", C::DesiredTaskCount, SERVICES),
        always("RunningTaskCount", C::RunningTaskCount, SERVICES),
        always("PendingTaskCount", C::PendingTaskCount, SERVICES),
        always("DeploymentCount", C::DeploymentCount, SERVICES),
        always("TaskSetCount", C::TaskSetCount, SERVICES),
        always("RestartCount", C::RestartCount, ALL),
        always("CpuUtilized", C::CpuUtilized, ALL),
        always("CpuReserved", C::CpuReserved, ALL),
        always("MemoryUtilized", C::MemoryUtilized, ALL),
        always("MemoryReserved", C::MemoryReserved, ALL),
        always("NetworkRxBytes", C::NetworkRxBytes, ALL),
        always("NetworkTxBytes", C::NetworkTxBytes, ALL),
        always("EphemeralStorageReserved", C::EphemeralStorageReserved, ALL),
        always("EphemeralStorageUtilized", C::EphemeralStorageUtilized, ALL),
        always("EBSFilesystemSize", C::EbsFilesystemSize, SERVICES_AND_FAMILIES),
        enhanced("TaskCpuUtilization", C::TaskCpuUtilization, ALL),
        enhanced("TaskMemoryUtilization", C::TaskMemoryUtilization, ALL),
        enhanced("TaskEphemeralStorageUtilization", C::TaskEphemeralStorageUtilization, ALL),
        enhanced("UnHealthyContainerHealthStatus", C::UnHealthyContainerHealthStatus, CLUSTERS),
    ];

    /// The one of a name.
    pub fn named(name: &str) -> Option<Published> {
        Published::METRICS.into_iter().find(|it| it.name == name)
    }

    /// Whether something has it.
    pub fn is_of(&self, of: InsightsOf) -> bool {
        let [of_clusters, of_services, of_families] = self.of;
        match of {
            InsightsOf::Cluster => of_clusters,
            InsightsOf::Service(_) => of_services,
            InsightsOf::Family(_) => of_families,
        }
    }

    /// Whether services have it.
    pub fn is_of_services(&self) -> bool {
        self.of[1]
    }
}

impl InstanceMetric {
    /// Their names.
    pub const NAMES: [Named<InstanceMetric>; 9] = [
        ("instance_cpu_limit", InstanceMetric::CpuLimit),
        ("instance_cpu_reserved_capacity", InstanceMetric::CpuReservedCapacity),
        ("instance_cpu_usage_total", InstanceMetric::CpuUsageTotal),
        ("instance_cpu_utilization", InstanceMetric::CpuUtilization),
        ("instance_memory_limit", InstanceMetric::MemoryLimit),
        ("instance_memory_reserved_capacity", InstanceMetric::MemoryReservedCapacity),
        ("instance_memory_utilization", InstanceMetric::MemoryUtilization),
        ("instance_memory_working_set", InstanceMetric::MemoryWorkingSet),
        ("instance_number_of_running_tasks", InstanceMetric::NumberOfRunningTasks),
    ];
}

impl InstanceMetric {
    /// Whether it is published of single instances as well.
    pub fn is_of_single_instances(self) -> bool {
        matches!(
            self,
            InstanceMetric::CpuReservedCapacity
                | InstanceMetric::CpuUtilization
                | InstanceMetric::MemoryReservedCapacity
                | InstanceMetric::MemoryUtilization
        )
    }
}

impl GroupMetric {
    /// Their names.
    pub const NAMES: [Named<GroupMetric>; 21] = [
        ("GroupMinSize", GroupMetric::MinSize),
        ("GroupMaxSize", GroupMetric::MaxSize),
        ("GroupDesiredCapacity", GroupMetric::DesiredCapacity),
        ("GroupInServiceInstances", GroupMetric::InServiceInstances),
        ("GroupPendingInstances", GroupMetric::PendingInstances),
        ("GroupStandbyInstances", GroupMetric::StandbyInstances),
        ("GroupTerminatingInstances", GroupMetric::TerminatingInstances),
        ("GroupTotalInstances", GroupMetric::TotalInstances),
        ("GroupInServiceCapacity", GroupMetric::InServiceCapacity),
        ("GroupPendingCapacity", GroupMetric::PendingCapacity),
        ("GroupStandbyCapacity", GroupMetric::StandbyCapacity),
        ("GroupTerminatingCapacity", GroupMetric::TerminatingCapacity),
        ("GroupTotalCapacity", GroupMetric::TotalCapacity),
        ("WarmPoolMinSize", GroupMetric::WarmPoolMinSize),
        ("WarmPoolDesiredCapacity", GroupMetric::WarmPoolDesiredCapacity),
        ("WarmPoolPendingCapacity", GroupMetric::WarmPoolPendingCapacity),
        ("WarmPoolTerminatingCapacity", GroupMetric::WarmPoolTerminatingCapacity),
        ("WarmPoolWarmedCapacity", GroupMetric::WarmPoolWarmedCapacity),
        ("WarmPoolTotalCapacity", GroupMetric::WarmPoolTotalCapacity),
        ("GroupAndWarmPoolDesiredCapacity", GroupMetric::GroupAndWarmPoolDesiredCapacity),
        ("GroupAndWarmPoolTotalCapacity", GroupMetric::GroupAndWarmPoolTotalCapacity),
    ];

    /// Whether only groups with a warm pool have it.
    pub fn is_of_warm_pools(self) -> bool {
        matches!(
            self,
            GroupMetric::WarmPoolMinSize
                | GroupMetric::WarmPoolDesiredCapacity
                | GroupMetric::WarmPoolPendingCapacity
                | GroupMetric::WarmPoolTerminatingCapacity
                | GroupMetric::WarmPoolWarmedCapacity
                | GroupMetric::WarmPoolTotalCapacity
                | GroupMetric::GroupAndWarmPoolDesiredCapacity
                | GroupMetric::GroupAndWarmPoolTotalCapacity
        )
    }
}

impl Metric {
    /// Its name in CloudWatch; of a supplied one, the scenario knows it.
    pub fn name(self) -> Option<&'static str> {
        fn find<M: PartialEq>(names: &[Named<M>], metric: &M) -> Option<&'static str> {
            names.iter().find(|it| it.1 == *metric).map(|it| it.0)
        }
        match self {
            Metric::Service(_, metric, _) => find(&ServiceMetric::NAMES, &metric),
            Metric::Cluster(metric) => find(&ClusterMetric::NAMES, &metric),
            Metric::CapacityProviderReservation(_) => Some("CapacityProviderReservation"),
            Metric::LoadBalancer(_, _, metric) => {
                [APPLICATION, NETWORK, CLASSIC].iter().find_map(|names| find(names, &metric))
            }
            Metric::HealthyHostsOfZone(..) => Some("HealthyHostCount"),
            Metric::UnHealthyHostsOfZone(..) => Some("UnHealthyHostCount"),
            Metric::ContainerInsights(_, metric) => {
                Published::METRICS.iter().find(|it| it.metric == metric).map(|it| it.name)
            }
            Metric::ContainerInstances(_, metric) => find(&InstanceMetric::NAMES, &metric),
            Metric::InstanceCpuUtilization(_) => Some("CPUUtilization"),
            Metric::AutoScalingGroup(_, metric) => find(&GroupMetric::NAMES, &metric),
            Metric::Supplied(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_metric_of_container_insights_is_published_once() {
        for (place, one) in Published::METRICS.iter().enumerate() {
            let others = &Published::METRICS[place + 1..];
            assert!(others.iter().all(|it| it.name != one.name && it.metric != one.metric), "{}", one.name);
            assert_eq!(Metric::ContainerInsights(InsightsOf::Cluster, one.metric).name(), Some(one.name));
        }
        let of_family = |it: &&Published| it.is_of(InsightsOf::Family(Id::new(0)));
        assert_eq!(Published::METRICS.iter().filter(of_family).count(), 13);
    }

    #[test]
    fn each_metric_of_a_load_balancer_belongs_to_something() {
        for (name, metric) in APPLICATION.iter().chain(NETWORK).chain(CLASSIC) {
            assert!(metric.is_of_load_balancers() || metric.is_of_target_groups(), "{name}");
            let first = Metric::LoadBalancer(Id::new(0), None, *metric).name();
            assert!(first.is_some(), "{name}");
        }
        assert_eq!(Metric::Cluster(ClusterMetric::GpuReservation).name(), Some("GPUReservation"));
    }
}
