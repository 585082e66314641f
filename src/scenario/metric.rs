//! Metrics as alarms and policies name them, `Metrics` with expressions, and `metrics`: those that the scenario supplies.

mod math;
mod supplied;

use crate::aws::auto_scaling_group::{AutoScalingGroup, AvailabilityZone};
use crate::aws::capacity_provider::CapacityProvider;
use crate::aws::container_instance::instance_name;
use crate::aws::load_balancer::{LoadBalancer, LoadBalancerType, TargetGroup};
use crate::aws::metric::{
    ClusterMetric, ContainerInsightsMetric, GroupMetric, InsightsOf, InstanceMetric, LoadBalancerMetric, Metric, Named,
    Published, Resolution, ServiceMetric, SuppliedMetric,
};
use crate::aws::service::ServiceDefinition;
use crate::aws::task_definition::{TaskDefinition, VolumeKind};
use crate::scenario::ContainerInsights;
use crate::scenario::capacity::Capacity;
use crate::scenario::load_balancing::LoadBalancing;
use crate::scenario::problem::{Place, Problem, nearest};
use crate::scenario::reader::{Fields, Names, Reader, What, last_name, listed};
use crate::scenario::tree::Node;
use crate::table::{Id, Table};
use crate::units::Span;

pub use self::math::{CustomizedFor, alarm_period};
pub(super) use self::supplied::read_file;
pub use self::supplied::supplied_metrics;

/// What can be watched.
pub struct Watchable<'a> {
    /// Services.
    pub services: &'a Table<ServiceDefinition>,
    /// Their names.
    pub service_names: &'a Names<ServiceDefinition>,
    /// Task definitions.
    pub task_definitions: &'a Table<TaskDefinition>,
    /// Load balancers and target groups.
    pub load_balancing: &'a LoadBalancing,
    /// Groups and capacity providers.
    pub capacity: &'a Capacity,
    /// Metrics that the scenario supplies.
    pub supplied: &'a Table<SuppliedMetric>,
    /// Whether Container Insights is on.
    pub container_insights: ContainerInsights,
}

/// Dimensions that name something that is simulated.
#[derive(Default)]
struct Dimensions {
    service: Option<Id<ServiceDefinition>>,
    has_cluster: bool,
    load_balancer: Option<Id<LoadBalancer>>,
    target_group: Option<Id<TargetGroup>>,
    group: Option<Id<AutoScalingGroup>>,
    provider: Option<Id<CapacityProvider>>,
    zone: Option<Id<AvailabilityZone>>,
    /// The first task definition of a family.
    family: Option<Id<TaskDefinition>>,
    /// The instance of `InstanceId`, and that of `ContainerInstanceId`, by the numbers of their launches; where the first of them stands.
    instances: [Option<u32>; 2],
    instance_place: Option<Place>,
}

/// A namespace whose metrics are simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Namespace {
    Ecs,
    ManagedScaling,
    ContainerInsights,
    LoadBalancer,
    Ec2,
    AutoScaling,
}

const NAMESPACES: [(&str, Namespace); 8] = [
    ("AWS/ECS", Namespace::Ecs),
    ("AWS/ECS/ManagedScaling", Namespace::ManagedScaling),
    ("ECS/ContainerInsights", Namespace::ContainerInsights),
    ("AWS/ApplicationELB", Namespace::LoadBalancer),
    ("AWS/NetworkELB", Namespace::LoadBalancer),
    ("AWS/ELB", Namespace::LoadBalancer),
    ("AWS/EC2", Namespace::Ec2),
    ("AWS/AutoScaling", Namespace::AutoScaling),
];

/// What the load balancer is called that a scenario has without saying so.
const UNNAMED_LOAD_BALANCER: &str = "default";

/// Metrics of these namespaces that AWS has, and that ask what is not simulated.
const NOT_SIMULATED: [&str; 46] = [
    "CPUCreditBalance",
    "CPUCreditUsage",
    "CPUSurplusCreditBalance",
    "CPUSurplusCreditsCharged",
    "ClientTLSNegotiationErrorCount",
    "ContainerCpuReserved",
    "ContainerCpuUtilization",
    "ContainerCpuUtilized",
    "ContainerMemoryReserved",
    "ContainerMemoryUtilization",
    "ContainerMemoryUtilized",
    "ContainerNetworkRxBytes",
    "ContainerNetworkTxBytes",
    "ContainerStorageReadBytes",
    "ContainerStorageWriteBytes",
    "DesyncMitigationMode_NonCompliant_Request_Count",
    "DiskReadBytes",
    "DiskReadOps",
    "DiskWriteBytes",
    "DiskWriteOps",
    "DroppedInvalidHeaderRequestCount",
    "EBSFilesystemUtilized",
    "EBSReadOps",
    "EBSReservation",
    "EBSWriteOps",
    "ForwardedInvalidHeaderRequestCount",
    "GrpcRequestCount",
    "IPv6ProcessedBytes",
    "IPv6RequestCount",
    "NetworkIn",
    "NetworkOut",
    "NetworkPacketsIn",
    "NetworkPacketsOut",
    "PeakPacketsPerSecond",
    "PortAllocationErrorCount",
    "RejectedConnectionCount",
    "StatusCheckFailed",
    "StorageReadBytes",
    "StorageWriteBytes",
    "TCP_Client_Reset_Count",
    "TCP_ELB_Reset_Count",
    "TCP_Target_Reset_Count",
    "TargetTLSNegotiationErrorCount",
    "TaskEBSFilesystemUtilization",
    "instance_filesystem_utilization",
    "instance_network_total_bytes",
];

fn find<M: Copy>(names: &[Named<M>], name: &str) -> Option<M> {
    names.iter().find(|it| it.0 == name).map(|it| it.1)
}

fn names<M>(names: &[Named<M>]) -> Vec<&'static str> {
    names.iter().map(|it| it.0).collect()
}

impl Watchable<'_> {
    /// The metric that `Namespace`, `MetricName` and `Dimensions` name. Without dimensions it is one of `service`.
    pub fn metric(
        &self,
        reader: &mut Reader<'_>,
        fields: &mut Fields<'_>,
        service: Option<Id<ServiceDefinition>>,
    ) -> Option<Metric> {
        let namespace_node = fields.take("Namespace");
        let name_node = fields.required(reader, "MetricName");
        let short = fields.reference(reader, "serviceName", self.service_names);
        let dimension_nodes = fields.list(reader, "Dimensions");
        let what = What { field: "MetricName", of: &fields.of };
        let name_node = name_node?;
        let name = reader.text(what, name_node)?;
        let namespace = namespace_node.and_then(|it| reader.text(What { field: "Namespace", of: &fields.of }, it));
        if let Some(supplied) = self.supplied_metric(namespace, name, dimension_nodes) {
            return Some(Metric::Supplied(supplied));
        }
        let known = namespace.map(|it| find(&NAMESPACES, it));
        if let (Some(None), Some(node), Some(namespace)) = (known, namespace_node, namespace) {
            self.refuse_namespace(reader, node.place, &fields.of, (namespace, name));
            return None;
        }
        let (problems, unsupported) = (reader.problems.len(), reader.unsupported.len());
        let mut dimensions = self.dimensions(reader, &fields.of, dimension_nodes);
        if reader.problems.len() > problems || reader.unsupported.len() > unsupported {
            return None;
        }
        dimensions.service = short.or(dimensions.service);
        let says_nothing = dimension_nodes.is_empty() && short.is_none();
        if says_nothing {
            dimensions.service = service;
        }
        let namespace = known.flatten().unwrap_or_else(|| self.namespace_of(name, &dimensions));
        if let Some(at) = dimensions.instance_place.filter(|_| namespace != Namespace::ContainerInsights) {
            reader.not_simulated(at, format!("`{name}` by `InstanceId` in {what}"));
            return None;
        }
        let metric = self.of_namespace(reader, namespace, &dimensions, (what, name_node.place, name));
        let is_told = reader.problems.len() > problems || reader.unsupported.len() > unsupported;
        if metric.is_none() && !is_told && says_nothing {
            let problem = Problem::new(name_node.place, format!("{} does not say what it watches", fields.of));
            reader.refuse(problem.help("add `Dimensions`, as in `[{Name: ServiceName, Value: web}]`"));
        }
        metric
    }

    /// A metric of a namespace that is not simulated: AWS may well have it.
    fn refuse_namespace(&self, reader: &mut Reader<'_>, at: Place, of: &str, (namespace, name): (&str, &str)) {
        let supplied: Vec<&str> = self.supplied.iter().map(|it| it.namespace.as_str()).collect();
        let known: Vec<&str> = NAMESPACES.iter().map(|it| it.0).chain(supplied.iter().copied()).collect();
        let message = if supplied.contains(&namespace) {
            format!("{of} watches `{name}` of `{namespace}`, which `metrics` supplies with other names or dimensions")
        } else {
            format!("metric `{name}` of `{namespace}`, which {of} watches, is not simulated yet")
        };
        let mut problem = Problem::new(at, message);
        if let Some(near) = nearest(namespace, known.iter().copied().filter(|it| *it != namespace)) {
            problem = problem.label(format!("did you mean `{near}`?"));
        }
        reader.not_runnable(problem.help("an entry of the section `metrics` supplies its values"));
    }

    /// The supplied metric of such a name with exactly these dimensions.
    fn supplied_metric(&self, namespace: Option<&str>, name: &str, nodes: &[Node]) -> Option<Id<SuppliedMetric>> {
        let text = |node: &Node, field: &str| node.get(field).and_then(Node::text).map(str::to_owned);
        let mut wanted: Vec<(String, String)> =
            nodes.iter().filter_map(|it| Some((text(it, "name")?, text(it, "value")?))).collect();
        wanted.sort();
        self.supplied.find(|it| {
            it.metric_name == name && namespace.is_none_or(|space| it.namespace == space) && it.dimensions == wanted
        })
    }

    fn dimensions(&self, reader: &mut Reader<'_>, of: &str, nodes: &[Node]) -> Dimensions {
        let mut dimensions = Dimensions::default();
        for node in nodes {
            let what = What { field: "Dimensions", of };
            let (name, value) = (node.get("name").and_then(Node::text), node.get("value"));
            let (Some(name), Some(value)) = (name, value) else {
                let problem = Problem::new(node.place, format!("an item of {what} has a `Name` and a `Value`"));
                reader.refuse(problem);
                continue;
            };
            let balancing = self.load_balancing;
            match name {
                "ServiceName" => dimensions.service = reader.reference(what, value, self.service_names),
                "ClusterName" => {
                    dimensions.has_cluster = true;
                    let said = value.text().unwrap_or_default();
                    if said != self.capacity.cluster_name {
                        reader.note(format!(
                            "{of} says `ClusterName: {said}`; here it is `{}`",
                            self.capacity.cluster_name
                        ));
                    }
                }
                "TargetGroup" => {
                    dimensions.target_group = reader.reference(what, value, &balancing.target_group_names);
                }
                "LoadBalancer" | "LoadBalancerName" => {
                    dimensions.load_balancer = self.load_balancer(reader, what, value);
                }
                "AutoScalingGroupName" => {
                    dimensions.group = reader.reference(what, value, &self.capacity.group_names);
                }
                "CapacityProviderName" => {
                    dimensions.provider = reader.reference(what, value, &self.capacity.provider_names);
                }
                "AvailabilityZone" => {
                    dimensions.zone = reader.reference(what, value, &self.capacity.zone_names);
                }
                "TaskDefinitionFamily" => dimensions.family = self.family(reader, what, value),
                "InstanceId" | "ContainerInstanceId" => {
                    let which = usize::from(name == "ContainerInstanceId");
                    dimensions.instances[which] = instance_number(reader, what, value);
                    dimensions.instance_place.get_or_insert(node.place);
                }
                "TaskId" | "ContainerName" => {
                    reader.not_simulated(node.place, format!("dimension `{name}` in {what}"));
                }
                _ => {
                    const KNOWN: [&str; 11] = [
                        "AvailabilityZone",
                        "ServiceName",
                        "TaskDefinitionFamily",
                        "ClusterName",
                        "TargetGroup",
                        "LoadBalancer",
                        "LoadBalancerName",
                        "AutoScalingGroupName",
                        "CapacityProviderName",
                        "InstanceId",
                        "ContainerInstanceId",
                    ];
                    let mut problem = Problem::new(node.place, format!("{what} has `{name}`, which nothing here has"));
                    if let Some(near) = nearest(name, KNOWN) {
                        problem = problem.label(format!("did you mean `{near}`?"));
                    }
                    reader.refuse(problem.help(format!("dimensions are {}", listed(KNOWN))));
                }
            }
        }
        dimensions
    }

    /// The first task definition of the family that is named.
    fn family(&self, reader: &mut Reader<'_>, what: What<'_>, value: &Node) -> Option<Id<TaskDefinition>> {
        let said = reader.text(what, value)?;
        let known = || self.task_definitions.iter().map(|it| it.family.as_str());
        let first = self.task_definitions.find(|it| it.family == said);
        if first.is_none() {
            let mut problem =
                Problem::new(value.place, format!("{what} names family `{said}`, which no task definition has"));
            if let Some(near) = nearest(said, known()) {
                problem = problem.label(format!("did you mean `{near}`?"));
            }
            let mut families: Vec<&str> = known().collect();
            families.dedup();
            reader.refuse(problem.help(format!("families are {}", listed(families))));
        }
        first
    }

    /// The load balancer that is named; the one that target groups have without any, whatever it is called.
    fn load_balancer(&self, reader: &mut Reader<'_>, what: What<'_>, value: &Node) -> Option<Id<LoadBalancer>> {
        let known = &self.load_balancing.load_balancer_names;
        let said = value.text().map(last_name);
        let is_known = known.iter().any(|it| Some(it) == said);
        if let ([(name, Some(only))], false) = (known.known.as_slice(), is_known)
            && name == UNNAMED_LOAD_BALANCER
        {
            return Some(*only);
        }
        reader.reference(what, value, known)
    }

    /// The namespace that a metric without one belongs to.
    fn namespace_of(&self, name: &str, dimensions: &Dimensions) -> Namespace {
        let is_of_insights = dimensions.family.is_some()
            || find(&InstanceMetric::NAMES, name).is_some()
            || Published::named(name).is_some();
        let kinds = [LoadBalancerType::Application, LoadBalancerType::Network, LoadBalancerType::Classic];
        let is_of_load_balancers = kinds.iter().any(|it| find(LoadBalancerMetric::names(*it), name).is_some());
        if dimensions.group.is_some() {
            if find(&GroupMetric::NAMES, name).is_some() { Namespace::AutoScaling } else { Namespace::Ec2 }
        } else if dimensions.provider.is_some() {
            Namespace::ManagedScaling
        } else if dimensions.target_group.is_some() || dimensions.load_balancer.is_some() || is_of_load_balancers {
            Namespace::LoadBalancer
        } else if is_of_insights {
            Namespace::ContainerInsights
        } else {
            Namespace::Ecs
        }
    }

    fn of_namespace(
        &self,
        reader: &mut Reader<'_>,
        namespace: Namespace,
        dimensions: &Dimensions,
        (what, at, name): (What<'_>, Place, &str),
    ) -> Option<Metric> {
        let mut lacks = |dimension: &str, names: Vec<&str>| {
            if names.contains(&name) {
                let message = format!("{what} is `{name}`, which has the dimension `{dimension}`");
                let help = match dimension {
                    "ClusterName" => "leave `ServiceName` out of `Dimensions`, and say `ClusterName`".to_owned(),
                    _ => format!("add `{dimension}` to `Dimensions`"),
                };
                reader.refuse(Problem::new(at, message).help(help));
            } else {
                refuse_name(reader, at, what, name, &names);
            }
            None
        };
        match namespace {
            Namespace::Ecs => match dimensions.service {
                Some(service) => match find(&ServiceMetric::NAMES, name) {
                    Some(metric) => Some(Metric::Service(service, metric, Resolution::Minute)),
                    None => lacks("ClusterName", names_of_services(name)),
                },
                None if dimensions.has_cluster => match find(&ClusterMetric::NAMES, name) {
                    Some(metric) => Some(Metric::Cluster(metric)),
                    None => lacks("ServiceName", self.all_names()),
                },
                None if find(&ClusterMetric::NAMES, name).is_some() => None,
                None => lacks("ServiceName", self.all_names()),
            },
            Namespace::ManagedScaling => match (dimensions.provider, name) {
                (Some(provider), "CapacityProviderReservation") => {
                    if self.capacity.providers[provider].managed_scaling.is_none() {
                        let message = format!(
                            "{what}: capacity provider `{}` has no managed scaling, so nothing is published",
                            self.capacity.providers[provider].name
                        );
                        reader.refuse(Problem::new(at, message));
                        return None;
                    }
                    Some(Metric::CapacityProviderReservation(provider))
                }
                _ => lacks("CapacityProviderName", vec!["CapacityProviderReservation"]),
            },
            Namespace::ContainerInsights => self.of_container_insights(reader, dimensions, (what, at, name)),
            Namespace::LoadBalancer => self.of_load_balancer(reader, dimensions, (what, at, name)),
            Namespace::Ec2 => match (dimensions.group, name) {
                (Some(group), "CPUUtilization") => Some(Metric::InstanceCpuUtilization(group)),
                _ => lacks("AutoScalingGroupName", vec!["CPUUtilization"]),
            },
            Namespace::AutoScaling => match (dimensions.group, find(&GroupMetric::NAMES, name)) {
                (Some(group), Some(metric)) => {
                    let group_definition = &self.capacity.groups[group];
                    if metric.is_of_warm_pools() && group_definition.upkeep.warm_pool.is_none() {
                        let group_name = &group_definition.name;
                        let message = format!("{what} is `{name}`, and group `{group_name}` has no warm pool");
                        reader.refuse(Problem::new(at, message).help("add a `WarmPoolConfiguration` to the group"));
                        return None;
                    }
                    Some(Metric::AutoScalingGroup(group, metric))
                }
                _ => lacks("AutoScalingGroupName", names(&GroupMetric::NAMES)),
            },
        }
    }

    fn of_container_insights(
        &self,
        reader: &mut Reader<'_>,
        dimensions: &Dimensions,
        (what, at, name): (What<'_>, Place, &str),
    ) -> Option<Metric> {
        let of = match (dimensions.service, dimensions.family) {
            (Some(_), Some(_)) => {
                let message = format!("{what} is `{name}` by `ServiceName` and `TaskDefinitionFamily`");
                let help = "Container Insights has each by itself, beside `ClusterName`";
                reader.refuse(Problem::new(at, message).help(help));
                return None;
            }
            (Some(service), None) => InsightsOf::Service(service),
            (None, Some(first)) => InsightsOf::Family(first),
            (None, None) => InsightsOf::Cluster,
        };
        let of_instances = find(&InstanceMetric::NAMES, name);
        if let Some(at_instance) = dimensions.instance_place {
            let help = match (dimensions.instances, of_instances) {
                _ if of != InsightsOf::Cluster => "leave the other dimensions out, but for `ClusterName`",
                ([Some(one), Some(other)], _) if one != other => "both name the same instance, by the same name here",
                ([None, _], _) => "add `InstanceId` to `Dimensions`: Container Insights has both",
                ([_, None], _) => "add `ContainerInstanceId` to `Dimensions`: Container Insights has both",
                (_, Some(it)) if !it.is_of_single_instances() => "it has `ClusterName` alone: leave the others out",
                _ => "",
            };
            if !help.is_empty() {
                let message = format!("{what} is `{name}`, which Container Insights does not have by these dimensions");
                reader.refuse(Problem::new(at_instance, message).help(help));
                return None;
            }
        }
        let of_tasks = Published::named(name).filter(|it| it.is_of(of));
        let metric = match (of_tasks, of_instances) {
            (Some(it), _) if dimensions.instance_place.is_none() => Metric::ContainerInsights(of, it.metric),
            (Some(_), _) => {
                let message = format!("{what} is `{name}`, which Container Insights does not have of single instances");
                reader.refuse(Problem::new(at, message).help("leave `InstanceId` and `ContainerInstanceId` out"));
                return None;
            }
            (None, Some(metric)) if of == InsightsOf::Cluster => {
                Metric::ContainerInstances(dimensions.instances[0], metric)
            }
            _ => {
                self.refuse_insights(reader, of, (what, at, name));
                return None;
            }
        };
        if self.container_insights == ContainerInsights::Disabled {
            let message = format!("{what} is `{name}`, which Container Insights publishes, and that is off");
            reader.refuse(Problem::new(at, message).help("add `containerInsights: enabled` to `cluster`"));
            return None;
        }
        let Some(published) = of_tasks else { return Some(metric) };
        if published.is_enhanced && self.container_insights != ContainerInsights::Enhanced {
            let message = format!("{what} is `{name}`, which Container Insights has with enhanced observability only");
            reader.refuse(Problem::new(at, message).help("say `containerInsights: enhanced` of the `cluster`"));
            return None;
        }
        let (is_there, lacks, help): (fn(&TaskDefinition) -> bool, _, _) = match published.metric {
            ContainerInsightsMetric::RestartCount => (
                has_restarts,
                "no container there has a restart policy",
                "Container Insights publishes it only for containers with a `restartPolicy`",
            ),
            ContainerInsightsMetric::UnHealthyContainerHealthStatus => (
                |it| it.containers.iter().any(|it| it.health_check.is_some()),
                "no container there has a health check",
                "Container Insights publishes it only for containers with a `healthCheck`",
            ),
            ContainerInsightsMetric::EbsFilesystemSize => (
                |it| it.has_volume(VolumeKind::Ebs),
                "no task there has an EBS volume",
                "a volume with `configuredAtLaunch`, which `volumeConfigurations` describe, is one",
            ),
            _ => return Some(metric),
        };
        if !self.concerned(of).any(is_there) {
            reader.refuse(Problem::new(at, format!("{what} is `{name}`, and {lacks}")).help(help));
            return None;
        }
        Some(metric)
    }

    /// A name that Container Insights does not have of this, or not at all.
    fn refuse_insights(&self, reader: &mut Reader<'_>, of: InsightsOf, (what, at, name): (What<'_>, Place, &str)) {
        let mut all = Published::METRICS.map(|it| it.name).to_vec();
        all.extend(names(&InstanceMetric::NAMES));
        all.sort_unstable();
        if !all.contains(&name) {
            refuse_name(reader, at, what, name, &all);
            return;
        }
        let (dimension, help) = match of {
            InsightsOf::Family(_) if Published::named(name).is_some_and(|it| it.is_of_services()) => {
                ("ServiceName", "say `ServiceName` instead of `TaskDefinitionFamily`")
            }
            InsightsOf::Cluster => ("ServiceName", "add `ServiceName` to `Dimensions`"),
            InsightsOf::Service(_) => ("ClusterName", "leave `ServiceName` out of `Dimensions`, and say `ClusterName`"),
            InsightsOf::Family(_) => {
                ("ClusterName", "leave `TaskDefinitionFamily` out of `Dimensions`, and say `ClusterName`")
            }
        };
        let message = format!("{what} is `{name}`, which has the dimension `{dimension}`");
        reader.refuse(Problem::new(at, message).help(help));
    }

    /// The task definitions whose tasks a metric is of, as the file begins.
    fn concerned(&self, of: InsightsOf) -> impl Iterator<Item = &TaskDefinition> {
        let family = match of {
            InsightsOf::Cluster => None,
            InsightsOf::Service(service) => Some(self.services[service].task_definition),
            InsightsOf::Family(first) => Some(first),
        };
        let family = family.map(|it| self.task_definitions[it].family.as_str());
        self.task_definitions.iter().filter(move |it| family.is_none_or(|of| it.family == of))
    }

    fn of_load_balancer(
        &self,
        reader: &mut Reader<'_>,
        dimensions: &Dimensions,
        (what, at, name): (What<'_>, Place, &str),
    ) -> Option<Metric> {
        let balancing = self.load_balancing;
        let of_service = |it: Id<ServiceDefinition>| self.services[it].load_balancer.as_ref().map(|it| it.target_group);
        let group = dimensions.target_group.or(dimensions.service.and_then(of_service));
        if let (None, Some(service)) = (group, dimensions.service) {
            let message =
                format!("{what} counts requests, and service `{}` has no target group", self.services[service].name);
            reader.refuse(Problem::new(at, message));
            return None;
        }
        let load_balancer = dimensions.load_balancer.or(group.map(|it| balancing.target_groups[it].load_balancer));
        let Some(load_balancer) = load_balancer else {
            let problem = Problem::new(at, format!("{what} is `{name}`, and nothing says of which load balancer"));
            reader.refuse(problem.help("add `LoadBalancer` or `TargetGroup` to `Dimensions`"));
            return None;
        };
        if let Some(group) = group.filter(|it| balancing.target_groups[*it].load_balancer != load_balancer) {
            let (group, load_balancer) =
                (&balancing.target_groups[group].name, &balancing.load_balancers[load_balancer].name);
            let message = format!("{what}: target group `{group}` does not belong to load balancer `{load_balancer}`");
            reader.refuse(Problem::new(at, message));
            return None;
        }
        let kind = balancing.load_balancers[load_balancer].kind;
        let known = LoadBalancerMetric::names(kind);
        let Some(metric) = find(known, name) else {
            refuse_name(reader, at, what, name, &names(known));
            return None;
        };
        let mut group = group.filter(|_| metric.is_of_target_groups());
        if group.is_none() && !metric.is_of_load_balancers() {
            let mut own = balancing.target_groups.entries().filter(|it| it.1.load_balancer == load_balancer);
            match (own.next(), own.next()) {
                // The targets of a Classic Load Balancer are its own.
                (Some((only, _)), None) => group = Some(only),
                _ => {
                    let problem = Problem::new(at, format!("{what} is `{name}`, which is counted by target group"));
                    reader.refuse(problem.help("add `TargetGroup` to `Dimensions`"));
                    return None;
                }
            }
        }
        match (dimensions.zone, metric, group) {
            (Some(zone), LoadBalancerMetric::HealthyHostCount, Some(group)) => {
                Some(Metric::HealthyHostsOfZone(group, zone))
            }
            (Some(zone), LoadBalancerMetric::UnHealthyHostCount, Some(group)) => {
                Some(Metric::UnHealthyHostsOfZone(group, zone))
            }
            (Some(_), ..) => {
                reader.not_simulated(at, format!("`{name}` by `AvailabilityZone` in {what}"));
                None
            }
            (None, ..) => Some(Metric::LoadBalancer(load_balancer, group, metric)),
        }
    }

    fn all_names(&self) -> Vec<&'static str> {
        let mut all = names(&ClusterMetric::NAMES);
        all.extend(names(LoadBalancerMetric::names(LoadBalancerType::Application)));
        all.extend(Published::METRICS.map(|it| it.name));
        all.extend(names(&InstanceMetric::NAMES));
        all.extend(names(&GroupMetric::NAMES));
        all.push("CapacityProviderReservation");
        all
    }

    /// Looks at a metric as often as `period` asks: ECS publishes some each 20 s where a service wants it.
    pub fn at_resolution(&self, reader: &mut Reader<'_>, metric: Metric, period: Span, of: &str) -> Metric {
        let resolution = match metric {
            _ if period >= Span::MINUTE => return metric,
            Metric::Service(service, metric, _) if self.services[service].high_resolution_metrics.contains(&metric) => {
                return Metric::Service(service, metric, Resolution::TwentySeconds);
            }
            Metric::Supplied(it) => self.supplied[it].resolution,
            _ => Span::MINUTE,
        };
        if period < resolution {
            reader.note(format!(
                "{of} looks at periods of {period}, and its metric has a datapoint each {resolution}: most of them are missing"
            ));
        }
        metric
    }
}

/// The number of an instance that is named as the simulation names them.
fn instance_number(reader: &mut Reader<'_>, what: What<'_>, value: &Node) -> Option<u32> {
    let said = last_name(reader.text(what, value)?);
    let number = said.strip_prefix("i-").and_then(|it| it.parse().ok());
    let number = number.filter(|it| instance_name(*it as usize) == said);
    if number.is_none() {
        let problem = Problem::new(value.place, format!("{what} names instance `{said}`"));
        reader.refuse(problem.help(format!(
            "instances are called `{}`, `{}` and so on here, in the order of their launches",
            instance_name(0),
            instance_name(1)
        )));
    }
    number
}

fn has_restarts(definition: &TaskDefinition) -> bool {
    definition.containers.iter().any(|it| it.restart_policy.is_some())
}

fn refuse_name(reader: &mut Reader<'_>, at: Place, what: What<'_>, name: &str, known: &[&str]) {
    if NOT_SIMULATED.contains(&name) {
        reader.not_simulated(at, format!("`{name}` in {what}"));
        return;
    }
    let mut problem = Problem::new(at, format!("{what} cannot be `{name}`"));
    if let Some(near) = nearest(name, known.iter().copied()) {
        problem = problem.label(format!("did you mean `{near}`?"));
    }
    reader.refuse(problem.help(format!("it can be {}", listed(known.iter().copied()))));
}

/// The names that a metric with `ServiceName` can have: a cluster's name says so by being none of them.
fn names_of_services(name: &str) -> Vec<&'static str> {
    let cluster = names(&ClusterMetric::NAMES);
    if cluster.contains(&name) { cluster } else { names(&ServiceMetric::NAMES) }
}
