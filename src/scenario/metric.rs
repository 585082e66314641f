//! Metrics as alarms and policies name them, `Metrics` with expressions, and `metrics`: those that the scenario supplies.

use crate::aws::alarm::Watched;
use crate::aws::auto_scaling_group::{AutoScalingGroup, AvailabilityZone};
use crate::aws::capacity_provider::CapacityProvider;
use crate::aws::load_balancer::{LoadBalancer, LoadBalancerType, TargetGroup};
use crate::aws::metric::{
    ClusterMetric, ContainerInsightsMetric, GroupMetric, LoadBalancerMetric, Metric, MetricStat, Named, Resolution,
    ServiceMetric, SuppliedMetric,
};
use crate::aws::metric_math::{self, Expression, Kind, METRICS_MAXIMUM, MetricDataQuery, MetricMath, QuerySource};
use crate::aws::service::ServiceDefinition;
use crate::aws::statistic::{STATISTICS, Statistic};
use crate::scenario::ContainerInsights;
use crate::scenario::aws_fields::Shape;
use crate::scenario::capacity::Capacity;
use crate::scenario::load_balancing::LoadBalancing;
use crate::scenario::placement::syntax_problem;
use crate::scenario::problem::{Place, Problem, nearest};
use crate::scenario::quantity;
use crate::scenario::reader::{Fields, Names, Reader, What, last_name, listed};
use crate::scenario::recorded;
use crate::scenario::tree::{Entry, Node, Value};
use crate::table::{Id, Table};
use crate::units::{Instant, Span};
use crate::workload::trace::{BadTrace, nanos};

/// What can be watched.
pub struct Watchable<'a> {
    /// Services.
    pub services: &'a Table<ServiceDefinition>,
    /// Their names.
    pub service_names: &'a Names<ServiceDefinition>,
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
const NOT_SIMULATED: [&str; 37] = [
    "CPUCreditBalance",
    "CPUCreditUsage",
    "CPUSurplusCreditBalance",
    "CPUSurplusCreditsCharged",
    "ClientTLSNegotiationErrorCount",
    "DesyncMitigationMode_NonCompliant_Request_Count",
    "DiskReadBytes",
    "DiskReadOps",
    "DiskWriteBytes",
    "DiskWriteOps",
    "DroppedInvalidHeaderRequestCount",
    "EBSFilesystemSize",
    "EBSFilesystemUtilized",
    "EBSReadOps",
    "EBSReservation",
    "EBSWriteOps",
    "EphemeralStorageReserved",
    "EphemeralStorageUtilized",
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
    "RestartCount",
    "StatusCheckFailed",
    "StorageReadBytes",
    "StorageWriteBytes",
    "TCP_Client_Reset_Count",
    "TCP_ELB_Reset_Count",
    "TCP_Target_Reset_Count",
    "TargetTLSNegotiationErrorCount",
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
                "InstanceId" | "TaskDefinitionFamily" | "TaskId" | "ContainerName" => {
                    reader.not_simulated(node.place, format!("dimension `{name}` in {what}"));
                }
                _ => {
                    const KNOWN: [&str; 8] = [
                        "AvailabilityZone",
                        "ServiceName",
                        "ClusterName",
                        "TargetGroup",
                        "LoadBalancer",
                        "LoadBalancerName",
                        "AutoScalingGroupName",
                        "CapacityProviderName",
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
        let is_of_insights = find(&ContainerInsightsMetric::OF_SERVICES, name)
            .or(find(&ContainerInsightsMetric::OF_CLUSTERS, name))
            .is_some();
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
            Namespace::ContainerInsights => {
                let known: &[Named<ContainerInsightsMetric>] = if dimensions.service.is_some() {
                    &ContainerInsightsMetric::OF_SERVICES
                } else {
                    &ContainerInsightsMetric::OF_CLUSTERS
                };
                let Some(metric) = find(known, name) else {
                    let dimension = if dimensions.service.is_some() { "ClusterName" } else { "ServiceName" };
                    let mut all = names(&ContainerInsightsMetric::OF_SERVICES);
                    all.extend(names(&ContainerInsightsMetric::OF_CLUSTERS));
                    all.dedup();
                    return lacks(dimension, all);
                };
                if self.container_insights == ContainerInsights::Disabled {
                    let message = format!("{what} is `{name}`, which Container Insights publishes, and that is off");
                    reader.refuse(Problem::new(at, message).help("add `containerInsights: enabled` to `cluster`"));
                    return None;
                }
                Some(Metric::ContainerInsights(dimensions.service, metric))
            }
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
        all.extend(names(&ContainerInsightsMetric::OF_SERVICES));
        all.extend(names(&ContainerInsightsMetric::OF_CLUSTERS));
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

    /// `Statistic`, `ExtendedStatistic` or `Stat`.
    pub fn statistic(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<Statistic> {
        let extended = fields.parsed(reader, "ExtendedStatistic", Statistic::extended);
        if extended.is_some() && fields.has("Statistic") {
            let at = fields.place_of_key("ExtendedStatistic");
            let message = format!("{} has both `Statistic` and `ExtendedStatistic`", fields.of);
            reader.refuse(Problem::new(at, message).help("leave one of them out"));
        }
        let is_alone = extended.is_none() && !fields.has("ExtendedStatistic");
        if is_alone {
            return Some(fields.word_or(reader, "Statistic", &STATISTICS, Statistic::default()));
        }
        fields.take("Statistic");
        extended
    }

    /// `Metrics` or another list of queries: what it comes to, and the period that all its metrics have.
    pub fn math(
        &self,
        reader: &mut Reader<'_>,
        node: &Node,
        What { field, of }: What<'_>,
        service: Option<Id<ServiceDefinition>>,
    ) -> Option<(MetricMath, Span)> {
        let problems = reader.problems.len();
        let unsupported = reader.unsupported.len();
        let mut read: Vec<Query<'_>> = Vec::new();
        let mut periods: Vec<(Span, Place)> = Vec::new();
        for node in reader.list(What { field, of }, node) {
            let Some(mut fields) = reader.fields(node, format!("a metric of {of}")) else { continue };
            let id_node = fields.required(reader, "Id");
            let id = id_node.and_then(|it| reader.text(What { field: "Id", of: &fields.of }, it));
            if let (Some(id), Some(node)) = (id, id_node) {
                fields.of = format!("metric `{id}` of {of}");
                check_id(reader, node.place, id, &read, of);
            }
            let label = fields.text(reader, "Label");
            let returns = fields.flag_or(reader, "ReturnData", true);
            let expression = fields.take("Expression");
            let text = expression.and_then(|it| reader.text(What { field: "Expression", of: &fields.of }, it));
            let stat_node = fields.take("MetricStat");
            let period = period(reader, &mut fields);
            let stat = stat_node.and_then(|it| self.metric_stat(reader, it, &fields.of, service));
            if stat_node.is_some() == expression.is_some() {
                let problem =
                    Problem::new(node.place, format!("{} has not one of `MetricStat` and `Expression`", fields.of));
                reader.refuse(problem.help("a query is a metric or an expression over others"));
            }
            fields.finish(reader, &Shape::METRIC);
            periods.extend(period.filter(|_| expression.is_some()).map(|it| (it, node.place)));
            periods.extend(stat.as_ref().and_then(|it| it.1).map(|it| (it, node.place)));
            let source = stat.map(|it| it.0);
            read.push(Query {
                id: id.unwrap_or(""),
                label,
                text: text.zip(expression.map(|it| it.place)),
                source,
                returns,
            });
        }
        let period = periods.first().map_or(Span::MINUTE, |it| it.0);
        if let Some((other, at)) = periods.iter().find(|it| it.0 != period) {
            let message = format!("metrics of {of} have periods of {period} and of {other}");
            reader.refuse(Problem::new(*at, message).help("all metrics of an expression have the same period"));
        }
        let metrics = read.iter().filter(|it| it.text.is_none()).count();
        if metrics > METRICS_MAXIMUM {
            let message = format!("{of} reads {metrics} metrics; {METRICS_MAXIMUM} are allowed");
            reader.refuse(Problem::new(node.place, message));
        }
        let returned: Vec<usize> = (0..read.len()).filter(|it| read[*it].returns).collect();
        if reader.problems.len() > problems || reader.unsupported.len() > unsupported {
            return None;
        }
        let &[returned] = returned.as_slice() else {
            let message = format!("{} of the metrics of {of} return data; one has to", returned.len());
            reader.refuse(
                Problem::new(node.place, message)
                    .help("say `ReturnData: false` of the others; it is true unless it says so"),
            );
            return None;
        };
        let queries = understood(reader, &read, of)?;
        let kinds: Vec<(&str, Kind)> = queries.iter().map(|it| (it.0.id.as_str(), it.1)).collect();
        if kinds[returned].1 != Kind::Series {
            let at = read[returned].text.map_or(node.place, |it| it.1);
            let what = if kinds[returned].1 == Kind::Scalar { "one number" } else { "several time series" };
            let help = if kinds[returned].1 == Kind::Scalar {
                "`TIME_SERIES(...)` makes a series of a number"
            } else {
                "`SUM`, `MAX` or `AVG` of an array is one series"
            };
            let message = format!("what {of} returns comes to {what}, and not to a time series");
            reader.refuse(Problem::new(at, message).help(help));
            return None;
        }
        let queries = queries.into_iter().map(|it| it.0).collect();
        let mut math = MetricMath { queries, returned };
        for query in &mut math.queries {
            if let QuerySource::Stat(stat) = &mut query.source {
                stat.metric = self.at_resolution(reader, stat.metric, period, of);
            }
        }
        Some((math, period))
    }

    /// `MetricStat`, with its period where it says one.
    fn metric_stat(
        &self,
        reader: &mut Reader<'_>,
        node: &Node,
        of: &str,
        service: Option<Id<ServiceDefinition>>,
    ) -> Option<(MetricStat, Option<Span>)> {
        let mut fields = reader.fields(node, format!("`MetricStat` of {of}"))?;
        let metric_node = fields.required(reader, "Metric");
        let period = period(reader, &mut fields);
        let stat = fields.required(reader, "Stat");
        let statistic = stat.and_then(|it| {
            reader.parsed(What { field: "Stat", of: &fields.of }, it, |text| {
                find(&STATISTICS, text).map_or_else(|| Statistic::extended(text), Ok)
            })
        });
        fields.finish(reader, &Shape::METRIC);
        let mut fields = reader.fields(metric_node?, of)?;
        let metric = self.metric(reader, &mut fields, service);
        fields.finish(reader, &Shape::METRIC);
        Some((MetricStat { metric: metric?, statistic: statistic? }, period))
    }

    /// `CustomizedMetricSpecification`: one metric, or `Metrics`. Periods are minutes.
    pub fn customized(
        &self,
        reader: &mut Reader<'_>,
        node: &Node,
        of: &str,
        service: Option<Id<ServiceDefinition>>,
    ) -> Option<Watched> {
        let mut fields = reader.fields(node, format!("the customized metric of {of}"))?;
        if let Some(metrics) = fields.take("Metrics") {
            let name = fields.of.clone();
            let math = self.math(reader, metrics, What { field: "Metrics", of: &name }, service);
            fields.finish(reader, &Shape::METRIC);
            return math.map(|it| Watched::Math(Box::new(it.0)));
        }
        let metric = self.metric(reader, &mut fields, service);
        let statistic = Self::statistic(reader, &mut fields);
        fields.finish(reader, &Shape::METRIC);
        Some(Watched::Stat(MetricStat { metric: metric?, statistic: statistic? }))
    }
}

/// A query before its expression is understood.
struct Query<'n> {
    id: &'n str,
    label: Option<&'n str>,
    text: Option<(&'n str, Place)>,
    source: Option<MetricStat>,
    returns: bool,
}

fn check_id(reader: &mut Reader<'_>, at: Place, id: &str, read: &[Query<'_>], of: &str) {
    let is_sound = id.starts_with(|it: char| it.is_ascii_lowercase())
        && id.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_');
    if !is_sound {
        let problem = Problem::new(at, format!("`{id}` cannot be the id of a metric of {of}"));
        reader.refuse(problem.help("an id begins with a small letter, and has letters, digits and `_`"));
    }
    if read.iter().any(|it| it.id == id) {
        reader.refuse(Problem::new(at, format!("two metrics of {of} have the id `{id}`")));
    }
}

/// Queries with their expressions understood, those that others read before these; in the file's order.
fn understood(reader: &mut Reader<'_>, read: &[Query<'_>], of: &str) -> Option<Vec<(MetricDataQuery, Kind)>> {
    let metrics: Vec<usize> = (0..read.len()).filter(|it| read[*it].text.is_none()).collect();
    let mut kinds: Vec<Option<Kind>> = read.iter().map(|it| it.source.map(|_| Kind::Series)).collect();
    let mut sources: Vec<Option<QuerySource>> = read.iter().map(|it| it.source.map(QuerySource::Stat)).collect();
    while kinds.iter().any(Option::is_none) {
        let is_known = |name: &&str| read.iter().position(|it| it.id == *name).is_none_or(|it| kinds[it].is_some());
        let ready = (0..read.len()).find(|&it| {
            kinds[it].is_none() && read[it].text.is_some_and(|it| metric_math::names_in(it.0).iter().all(is_known))
        });
        let Some(ready) = ready else {
            let stuck = (0..read.len()).find(|it| kinds[*it].is_none()).and_then(|it| read[it].text)?;
            let problem = Problem::new(stuck.1, format!("expressions of {of} read each other in a circle"));
            reader.refuse(problem);
            return None;
        };
        let (text, place) = read[ready].text?;
        let known: Vec<(&str, Kind)> =
            read.iter().zip(&kinds).map(|(it, kind)| (it.id, kind.unwrap_or(Kind::Series))).collect();
        match Expression::parse(text, &known, &metrics) {
            Ok(expression) => {
                kinds[ready] = Some(expression.kind(&known));
                sources[ready] = Some(QuerySource::Expression(expression));
            }
            Err(error) => {
                let name = format!("metric `{}` of {of}", read[ready].id);
                let what = What { field: "Expression", of: &name };
                let source = reader.files[place.file].text.to_string();
                reader.refuse(syntax_problem(&source, place, text, &error, what));
                return None;
            }
        }
    }
    let queries = read.iter().zip(sources).zip(kinds).map(|((it, source), kind)| {
        let label = it.label.or(it.text.map(|it| it.0)).unwrap_or(it.id).to_owned();
        Some((MetricDataQuery { id: it.id.to_owned(), label, source: source? }, kind?))
    });
    queries.collect()
}

/// `Period` of a query, in seconds.
fn period(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<Span> {
    let node = fields.take("Period")?;
    alarm_period(reader, node, &fields.of)
}

/// A period that alarms can have: 10, 20 or 30 s, or a multiple of a minute up to a week.
pub fn alarm_period(reader: &mut Reader<'_>, node: &Node, of: &str) -> Option<Span> {
    let seconds = reader.count(What { field: "Period", of }, node, 1..=604_800)?;
    if !matches!(seconds, 10 | 20 | 30) && seconds % 60 != 0 {
        let problem = Problem::new(node.place, format!("`Period` of {of} is {seconds} s"));
        reader.refuse(problem.help("a period is 10, 20 or 30 seconds, or a multiple of 60 seconds"));
        return None;
    }
    Some(Span::seconds(u64::from(seconds)))
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

/// The section `metrics`.
pub fn supplied_metrics(
    reader: &mut Reader<'_>,
    entries: &[Entry],
    duration: Span,
    usual_delay: Span,
) -> Table<SuppliedMetric> {
    let mut table = Table::<SuppliedMetric>::new();
    for entry in entries {
        let Some(metric) = supplied_metric(reader, entry, duration, usual_delay) else { continue };
        let is_same = |it: &&SuppliedMetric| {
            (&it.namespace, &it.metric_name, &it.dimensions)
                == (&metric.namespace, &metric.metric_name, &metric.dimensions)
        };
        if let Some(first) = table.iter().find(is_same) {
            let message = format!("metrics `{}` and `{}` have the same name and dimensions", first.name, entry.key);
            reader.refuse(Problem::new(entry.key_place, message));
        }
        table.push(metric);
    }
    table
}

fn supplied_metric(
    reader: &mut Reader<'_>,
    entry: &Entry,
    duration: Span,
    usual_delay: Span,
) -> Option<SuppliedMetric> {
    let mut fields = reader.fields(&entry.node, format!("metric `{}`", entry.key))?;
    let namespace = fields.text(reader, "Namespace").unwrap_or("Custom").to_owned();
    let metric_name = fields.text(reader, "MetricName").unwrap_or(&entry.key).to_owned();
    if find(&NAMESPACES, &namespace).is_some() {
        let at = fields.place_of("Namespace");
        let problem = Problem::new(at, format!("{} is of `{namespace}`, whose metrics are simulated", fields.of));
        reader.refuse(problem.help("give it a namespace of its own, such as `Shop`, or `AWS/SQS` for a queue"));
    }
    let mut dimensions = Vec::new();
    for node in fields.list(reader, "Dimensions") {
        let text = |field: &str| node.get(field).and_then(Node::text).map(str::to_owned);
        match text("name").zip(text("value")) {
            Some(dimension) => dimensions.push(dimension),
            None => {
                let message = format!("an item of `Dimensions` of {} has a `Name` and a `Value`", fields.of);
                reader.refuse(Problem::new(node.place, message));
            }
        }
    }
    dimensions.sort();
    let resolution = fields.span_or(reader, "resolution", Span::MINUTE);
    if resolution < Span::SECOND || resolution.0 % Span::SECOND.0 != 0 {
        let at = fields.place_of("resolution");
        let message = format!("`resolution` of {} is {resolution}; it is of whole seconds, one at least", fields.of);
        reader.refuse(Problem::new(at, message));
        return None;
    }
    let delay = fields.span_or(reader, "delay", usual_delay);
    let start = fields.span_or(reader, "start", Span::ZERO);
    let (values, steps, file) = (fields.take("values"), fields.take("steps"), fields.take("file"));
    let column = fields.text(reader, "column").map(str::to_owned);
    let of = fields.of.clone();
    fields.finish(reader, &Shape::OURS);
    if [values, steps, file].iter().flatten().count() != 1 {
        let problem = Problem::new(entry.key_place, format!("{of} has not one of `values`, `steps` and `file`"));
        reader
            .refuse(problem.help("as in `values: [0, 10, 25]`, `steps: [{at: 10m, value: 500}]` or `file: queue.csv`"));
        return None;
    }
    let periods = (duration.0 / resolution.0) as usize + 1;
    let samples = if let Some(node) = values {
        let what = What { field: "values", of: &of };
        let mut samples = Vec::new();
        for node in reader.list(what, node) {
            let is_missing = node.value == Value::Null;
            let value = if is_missing { None } else { reader.number(what, node, f64::MIN..=f64::MAX) };
            samples.push(value.into_iter().collect());
        }
        samples
    } else if let Some(node) = steps {
        stepped(reader, node, &of, resolution, periods)?
    } else {
        let named = reader.text(What { field: "file", of: &of }, file?)?;
        let read = |bytes: &[u8]| read_file(bytes, column.as_deref(), resolution, periods);
        recorded::decoded(reader, file?, named, "metric", read)?
    };
    let ends = start + resolution * samples.len() as u64;
    if ends < duration {
        reader.note(format!("{of} ends after {ends} of {duration}; there are no datapoints after that"));
    }
    let begins = Instant::START + start;
    Some(SuppliedMetric {
        name: entry.key.clone(),
        namespace,
        metric_name,
        dimensions,
        resolution,
        delay,
        begins,
        samples,
    })
}

/// A level that holds from each step to the next.
fn stepped(reader: &mut Reader<'_>, node: &Node, of: &str, resolution: Span, periods: usize) -> Option<Vec<Vec<f64>>> {
    let mut steps: Vec<(Span, Option<f64>)> = Vec::new();
    for node in reader.list(What { field: "steps", of }, node) {
        let mut fields = reader.fields(node, format!("a step of {of}"))?;
        let at = fields.required_span(reader, "at");
        let value = fields.number(reader, "value", f64::MIN..=f64::MAX);
        fields.finish(reader, &Shape::OURS);
        let at = at?;
        if steps.last().is_some_and(|it| it.0 >= at) {
            let problem = Problem::new(node.place, format!("a step of {of} is not later than the one before it"));
            reader.refuse(problem);
        }
        steps.push((at, value));
    }
    let level = |period: usize| {
        let begins = resolution * period as u64;
        steps.iter().rev().find(|it| it.0 <= begins).and_then(|it| it.1)
    };
    Some((0..periods).map(|period| level(period).into_iter().collect()).collect())
}

/// Values from a CSV file: one row a period, or rows with times in the first column, which may share periods.
pub(super) fn read_file(
    bytes: &[u8],
    column: Option<&str>,
    resolution: Span,
    periods: usize,
) -> Result<Vec<Vec<f64>>, BadTrace> {
    let whole = |message: String| BadTrace { line: None, message };
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).trim(csv::Trim::All).from_reader(bytes);
    let mut rows: Vec<(u64, csv::StringRecord)> = Vec::new();
    for record in reader.records() {
        let line = |error: &csv::Error| error.position().map(csv::Position::line);
        let record =
            record.map_err(|error| BadTrace { line: line(&error), message: "this is not text in UTF-8".to_owned() })?;
        if record.iter().any(|it| !it.is_empty()) {
            rows.push((record.position().map_or(0, csv::Position::line), record));
        }
    }
    let Some((_, first)) = rows.first() else { return Err(whole("the file has no rows".to_owned())) };
    let width = first.len();
    let has_header = first.iter().all(|it| !it.is_empty() && quantity::number(it).is_none() && nanos(it).is_none());
    let at = match column {
        None => width - 1,
        Some(name) => first.iter().position(|it| has_header && it == name).ok_or_else(|| {
            let names: Vec<&str> = first.iter().filter(|_| has_header).collect();
            whole(format!("there is no column `{name}`; the file has {}", listed(names)))
        })?,
    };
    let mut samples: Vec<Vec<f64>> = Vec::new();
    let mut begins = None;
    for (index, (line, row)) in rows.iter().skip(usize::from(has_header)).enumerate() {
        let bad = |message: String| BadTrace { line: Some(*line), message };
        let period = if at == 0 || width < 2 {
            index
        } else {
            let text = row.get(0).unwrap_or("");
            let time = nanos(text).ok_or_else(|| bad(format!("`{text}` is not a time: ISO 8601 or seconds")))?;
            let since = time - *begins.get_or_insert(time);
            let since = u64::try_from(since).map_err(|_| bad("the time is before the first".to_owned()))?;
            (since / resolution.0) as usize
        };
        if period >= periods {
            break;
        }
        if samples.len() <= period {
            samples.resize(period + 1, Vec::new());
        }
        let text = row.get(at).unwrap_or("");
        if !text.is_empty() {
            let value = text.parse::<f64>().ok().filter(|it| it.is_finite());
            samples[period].push(value.ok_or_else(|| bad(format!("`{text}` is not a finite number")))?);
        }
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, column: Option<&str>, expected: &[&[f64]]) {
        let samples =
            read_file(text.as_bytes(), column, Span::MINUTE, 10).unwrap_or_else(|it| panic!("{}", it.message));
        assert_eq!(samples, expected, "{text}");
    }

    #[test]
    fn rows_are_periods_or_have_times() {
        check("5\n\n7\n", None, &[&[5.0], &[7.0]]);
        check("depth\n5\n7.5\n", Some("depth"), &[&[5.0], &[7.5]]);
        check("time,depth,age\n0,5,1\n30,6,1\n60,,1\n180,-2,1\n", Some("depth"), &[&[5.0, 6.0], &[], &[], &[-2.0]]);
        check("2026-01-05T00:00:00Z,5\n2026-01-05T00:01:30Z,6\n", None, &[&[5.0], &[6.0]]);
    }

    #[test]
    fn bad_lines_are_named() {
        for (text, column, line, message) in [
            ("", None, None, "the file has no rows"),
            ("a,b\n1,2\n", Some("c"), None, "there is no column `c`; the file has `a`, `b`"),
            ("time,depth\n0,5\nnoon,6\n", None, Some(3), "`noon` is not a time: ISO 8601 or seconds"),
            ("time,depth\n60,5\n0,6\n", None, Some(3), "the time is before the first"),
            ("1\nmany\n", None, Some(2), "`many` is not a finite number"),
        ] {
            let bad = read_file(text.as_bytes(), column, Span::MINUTE, 10).expect_err(text);
            assert_eq!((bad.line, bad.message.as_str()), (line, message), "{text}");
        }
    }
}
