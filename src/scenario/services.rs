//! `services`.

use crate::aws::capacity_provider::{CapacityProvider, CapacityProviderStrategyItem};
use crate::aws::load_balancer::TargetGroup;
use crate::aws::placement::{
    CONSOLE_TEMPLATES, PlacementConstraint, PlacementStrategy, Resource, SpreadField, console_template,
};
use crate::aws::service::{ServiceDefinition, ServiceLoadBalancer};
use crate::aws::task_definition::TaskDefinition;
use crate::scenario::aws_fields;
use crate::scenario::problem::Problem;
use crate::scenario::reader::{Fields, Reader, name_of_arn, nearest};
use crate::scenario::task_definitions::unwrapped;
use crate::scenario::tree::{Key, Node, Value};
use crate::table::{Id, Table};
use crate::units::Span;

/// What services refer to.
pub struct Names<'a> {
    /// Task definitions.
    pub task_definitions: &'a Table<TaskDefinition>,
    /// Capacity providers.
    pub capacity_providers: &'a Table<CapacityProvider>,
    /// Target groups.
    pub target_groups: &'a Table<TargetGroup>,
}

/// Reads `services`.
pub fn read(reader: &mut Reader, node: Option<&Node>, names: &Names) -> Table<ServiceDefinition> {
    let mut services = Table::new();
    for (key, node) in reader.named(node, "services") {
        if let Some(service) = service(reader, key, node, names) {
            services.push(service);
        }
    }
    services
}

fn service(reader: &mut Reader, key: &Key, node: &Node, names: &Names) -> Option<ServiceDefinition> {
    let what = format!("service {}", key.text);
    let mut fields = reader.fields(unwrapped(node, &["service", "services"]), what.clone())?;
    fields.take("serviceName");
    let task_definition = fields.required(reader, "taskDefinition", |reader, node, what| {
        task_definition_reference(reader, node, what, names.task_definitions)
    });
    let desired_count =
        fields.get(reader, "desiredCount", |reader, node, what| reader.count(node, what, 0..=5000)).unwrap_or(1);
    let (minimum, maximum) = match fields.take("deploymentConfiguration") {
        Some(node) => deployment_configuration(reader, node, &what),
        None => (None, None),
    };
    let health_check_grace_period = fields
        .get(reader, "healthCheckGracePeriodSeconds", |reader, node, what| {
            reader.seconds(node, what, 0..=2_147_483_647)
        })
        .unwrap_or(Span::ZERO);
    let placement_strategy = strategies(reader, &mut fields);
    let placement_constraints = constraints(reader, &mut fields);
    let template = fields.take("placementTemplate").and_then(|node| {
        let words = CONSOLE_TEMPLATES.map(|name| (name, name));
        let name = reader.one_of(node, &what, &words)?;
        if !placement_strategy.is_empty() || !placement_constraints.is_empty() {
            let message = format!("{what}: a placement template beside strategies or constraints");
            reader.refuse(Problem::at(node.place.clone(), message).expected("expected one or the other"));
        }
        console_template(name)
    });
    let (placement_strategy, placement_constraints) = template.unwrap_or((placement_strategy, placement_constraints));
    let capacity_provider_strategy = capacity_provider_strategy(reader, &mut fields, names);
    if let Some(node) = fields.take("launchType") {
        let kind = reader.one_of(node, &what, &[("EC2", 0), ("FARGATE", 1), ("EXTERNAL", 2), ("MANAGED_INSTANCES", 3)]);
        match kind {
            Some(0) if !capacity_provider_strategy.is_empty() => {
                let message = format!("{what}: a launch type beside a capacity provider strategy");
                reader.refuse(Problem::at(node.place.clone(), message).expected("expected one or the other"));
            }
            Some(kind) if kind > 0 => reader.not_yet(&node.place, "a launch type other than EC2"),
            _ => {}
        }
    }
    if let Some(node) = fields.take("schedulingStrategy") {
        let kind = reader.one_of(node, &what, &[("REPLICA", 0), ("DAEMON", 1)]);
        if kind == Some(1) {
            reader.not_yet(&node.place, "a DAEMON service");
        }
    }
    if let Some(node) = fields.take("deploymentController")
        && let Some(mut controller) = reader.fields(node, format!("{what}, deploymentController"))
    {
        let words = [("ECS", 0), ("CODE_DEPLOY", 1), ("EXTERNAL", 2)];
        let kind = controller.get(reader, "type", |reader, node, what| reader.one_of(node, what, &words));
        if kind.is_some_and(|it| it > 0) {
            reader.not_yet(&node.place, "a deployment controller other than ECS");
        }
        controller.finish(reader, &[]);
    }
    for (name, words) in [
        ("serviceRegistries", "service discovery"),
        ("serviceConnectConfiguration", "Service Connect"),
        ("volumeConfigurations", "a volume at launch"),
        ("vpcLatticeConfigurations", "VPC Lattice"),
        ("monitoring", "high-resolution metrics"),
    ] {
        if let Some(node) = fields.take(name)
            && !matches!(&node.value, Value::List(items) if items.is_empty())
        {
            reader.not_yet(&node.place, words);
        }
    }
    let load_balancer = load_balancer(reader, &mut fields, names, task_definition);
    fields.finish(reader, aws_fields::SERVICE);
    Some(ServiceDefinition {
        name: key.text.clone(),
        task_definition: task_definition?,
        desired_count,
        minimum_healthy_percent: minimum.unwrap_or(100),
        maximum_percent: maximum.unwrap_or(200),
        health_check_grace_period,
        placement_strategy,
        placement_constraints,
        capacity_provider_strategy,
        load_balancer,
    })
}

/// Reads `deploymentConfiguration`: its two bounds.
pub fn deployment_configuration(reader: &mut Reader, node: &Node, what: &str) -> (Option<u32>, Option<u32>) {
    let Some(mut fields) = reader.fields(node, format!("{what}, deploymentConfiguration")) else { return (None, None) };
    let percent = |reader: &mut Reader, node: &Node, what: &str| reader.count(node, what, 0..=100);
    let minimum = fields.get(reader, "minimumHealthyPercent", percent);
    let maximum = fields.get(reader, "maximumPercent", |reader, node, what| reader.count(node, what, 100..=10_000));
    for name in ["deploymentCircuitBreaker", "alarms"] {
        if let Some(node) = fields.take(name)
            && let Some(mut inside) = reader.fields(node, format!("{what}, {name}"))
        {
            if inside.get(reader, "enable", Reader::boolean) == Some(true) {
                let words = if name == "alarms" { "a rollback by alarms" } else { "a deployment circuit breaker" };
                reader.not_yet(&node.place, words);
            }
            inside.finish(reader, &["rollback", "alarmNames", "thresholdConfiguration", "resetOnHealthyTask"]);
        }
    }
    if let Some(node) = fields.take("strategy") {
        let words = [("ROLLING", 0), ("BLUE_GREEN", 1), ("LINEAR", 2), ("CANARY", 3)];
        if reader.one_of(node, what, &words).is_some_and(|it| it > 0) {
            reader.not_yet(&node.place, "a deployment strategy other than ROLLING");
        }
    }
    fields.finish(reader, aws_fields::DEPLOYMENT_CONFIGURATION);
    (minimum, maximum)
}

/// What `family`, `family:revision` or an ARN means; `family` is its latest revision.
pub fn task_definition_reference(
    reader: &mut Reader,
    node: &Node,
    what: &str,
    definitions: &Table<TaskDefinition>,
) -> Option<Id<TaskDefinition>> {
    let text = reader.text(node, what)?;
    let wanted = name_of_arn(&text);
    let newest = || {
        let family = definitions.entries().filter(|(_, it)| it.family == wanted);
        family.max_by_key(|(_, it)| it.revision).map(|(id, _)| id)
    };
    let found = definitions.find(|it| it.name() == wanted).or_else(newest);
    if found.is_none() {
        let known: Vec<String> = definitions.iter().map(TaskDefinition::name).collect();
        let message = format!("{what}: no task definition `{wanted}`");
        let problem = Problem::at(node.place.clone(), message).expected(match known.as_slice() {
            [] => "no task definition is defined".to_owned(),
            known => format!("defined here: {}", known.join(", ")),
        });
        reader.refuse(match nearest(wanted, known.iter().map(String::as_str)) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => problem,
        });
    }
    found
}

fn strategies(reader: &mut Reader, fields: &mut Fields) -> Vec<PlacementStrategy> {
    let node = fields.take("placementStrategy");
    let items = reader.list(node, &fields.what);
    if let (Some(node), true) = (node, items.len() > 5) {
        let message = format!("{}: {} placement strategies", fields.what, items.len());
        reader.refuse(Problem::at(node.place.clone(), message).expected("at most 5"));
    }
    items.into_iter().filter_map(|it| strategy(reader, it, &format!("{}, placement strategy", fields.what))).collect()
}

fn strategy(reader: &mut Reader, node: &Node, what: &str) -> Option<PlacementStrategy> {
    let mut fields = reader.fields(node, what)?;
    let kind = fields.required(reader, "type", |reader, node, what| {
        reader.one_of(node, what, &[("spread", 0), ("binpack", 1), ("random", 2)])
    });
    let field_node = fields.take("field");
    fields.finish(reader, &[]);
    match kind? {
        0 => {
            let Some(node) = field_node else {
                return Some(PlacementStrategy::Spread(SpreadField::InstanceId));
            };
            let field = reader.text(node, what)?;
            match field.as_str() {
                "instanceId" | "host" => Some(PlacementStrategy::Spread(SpreadField::InstanceId)),
                "attribute:ecs.availability-zone" => Some(PlacementStrategy::Spread(SpreadField::AvailabilityZone)),
                _ => match field.strip_prefix("attribute:") {
                    Some(name) => Some(PlacementStrategy::Spread(SpreadField::Attribute(name.to_owned()))),
                    None => {
                        let known = ["instanceId", "host", "attribute:ecs.availability-zone"];
                        let problem =
                            Problem::at(node.place.clone(), format!("{what}: nothing is spread over `{field}`"))
                                .expected("expected instanceId, host or attribute:NAME");
                        reader.refuse(match nearest(&field, known.into_iter()) {
                            Some(near) => problem.help(format!("did you mean `{near}`?")),
                            None => problem,
                        });
                        None
                    }
                },
            }
        }
        1 => {
            let Some(node) = field_node else {
                reader.refuse(
                    Problem::at(node.place.clone(), format!("{what}: `field` is missing"))
                        .expected("expected cpu or memory"),
                );
                return None;
            };
            let words = [("cpu", Resource::Cpu), ("memory", Resource::Memory)];
            reader.one_of(node, what, &words).map(PlacementStrategy::Binpack)
        }
        _ => Some(PlacementStrategy::Random),
    }
}

fn constraints(reader: &mut Reader, fields: &mut Fields) -> Vec<PlacementConstraint> {
    let node = fields.take("placementConstraints");
    let what = format!("{}, placement constraint", fields.what);
    let items = reader.list(node, &fields.what);
    if let (Some(node), true) = (node, items.len() > 10) {
        let message = format!("{}: {} placement constraints", fields.what, items.len());
        reader.refuse(Problem::at(node.place.clone(), message).expected("at most 10"));
    }
    let mut all = Vec::new();
    for item in items {
        let Some(mut fields) = reader.fields(item, what.clone()) else { continue };
        let words = [("distinctInstance", 0), ("memberOf", 1)];
        let kind = fields.required(reader, "type", |reader, node, what| reader.one_of(node, what, &words));
        fields.take("expression");
        fields.finish(reader, &[]);
        match kind {
            Some(0) => all.push(PlacementConstraint::DistinctInstance),
            Some(_) => reader.not_yet(&item.place, "a memberOf constraint"),
            None => {}
        }
    }
    all
}

fn capacity_provider_strategy(
    reader: &mut Reader,
    fields: &mut Fields,
    names: &Names,
) -> Vec<CapacityProviderStrategyItem> {
    let node = fields.take("capacityProviderStrategy");
    let what = format!("{}, capacity provider strategy", fields.what);
    let known: Vec<String> = names.capacity_providers.iter().map(|it| it.name.clone()).collect();
    let mut strategy = Vec::new();
    for item in reader.list(node, &fields.what) {
        let Some(mut fields) = reader.fields(item, what.clone()) else { continue };
        let provider = fields.required(reader, "capacityProvider", |reader, node, what| {
            let text = reader.text(node, what)?;
            if matches!(text.as_str(), "FARGATE" | "FARGATE_SPOT") {
                reader.not_yet(&node.place, &text);
                return None;
            }
            reader.reference(node, what, "capacity provider", &known)
        });
        let base = fields.get(reader, "base", |reader, node, what| reader.count(node, what, 0..=100_000)).unwrap_or(0);
        let weight = fields.get(reader, "weight", |reader, node, what| reader.count(node, what, 0..=1000)).unwrap_or(0);
        fields.finish(reader, &[]);
        if let Some(provider) = provider {
            strategy.push(CapacityProviderStrategyItem { capacity_provider: Id::new(provider), base, weight });
        }
    }
    let Some(node) = node else { return strategy };
    let mut refuse = |message: &str, expected: &str| {
        reader.refuse(Problem::at(node.place.clone(), format!("{what}: {message}")).expected(expected));
    };
    if strategy.iter().filter(|it| it.base > 0).count() > 1 {
        refuse("two items have a base", "one base above 0 at most");
    }
    if strategy.len() == 1 && strategy[0].weight == 0 && strategy[0].base == 0 {
        strategy[0].weight = 1;
    } else if !strategy.is_empty() && strategy.iter().all(|it| it.weight == 0) {
        refuse("no item has a weight", "at least one weight above 0");
        strategy[0].weight = 1;
    }
    strategy
}

fn load_balancer(
    reader: &mut Reader,
    fields: &mut Fields,
    names: &Names,
    task_definition: Option<Id<TaskDefinition>>,
) -> Option<ServiceLoadBalancer> {
    let node = fields.take("loadBalancers");
    let what = format!("{}, load balancer", fields.what);
    let items = reader.list(node, &fields.what);
    if let Some(second) = items.get(1) {
        reader.not_yet(&second.place, "a service with several target groups");
    }
    let item = *items.first()?;
    let mut fields = reader.fields(item, what.clone())?;
    if let Some(node) = fields.take("loadBalancerName") {
        reader.not_yet(&node.place, "a Classic Load Balancer");
        fields.take("targetGroupArn");
        fields.take("containerName");
        fields.take("containerPort");
        fields.finish(reader, &["advancedConfiguration"]);
        return None;
    }
    let known: Vec<String> = names.target_groups.iter().map(|it| it.name.clone()).collect();
    let target_group = fields
        .required(reader, "targetGroupArn", |reader, node, what| reader.reference(node, what, "target group", &known));
    let containers: Vec<String> = task_definition
        .map(|it| names.task_definitions[it].containers.iter().map(|it| it.name.clone()).collect())
        .unwrap_or_default();
    let container = fields.required(reader, "containerName", |reader, node, what| {
        task_definition?;
        reader.reference(node, what, "container", &containers)
    });
    let container_port = fields
        .required(reader, "containerPort", |reader, node, what| reader.count(node, what, 1..=65_535))
        .map(|it| it as u16);
    let port_place = fields.take("containerPort").map(|it| it.place.clone());
    fields.finish(reader, &["advancedConfiguration"]);
    let (container, port, place) = (container?, container_port?, port_place?);
    let mappings = &names.task_definitions[task_definition?].containers[container].port_mappings;
    if !mappings.iter().any(|it| it.container_port == port) {
        let ports: Vec<String> = mappings.iter().map(|it| it.container_port.to_string()).collect();
        let message = format!("{what}: container `{}` does not map port {port}", containers[container]);
        reader.refuse(Problem::at(place, message).expected(match ports.as_slice() {
            [] => "it maps no port".to_owned(),
            ports => format!("it maps {}", ports.join(", ")),
        }));
    }
    Some(ServiceLoadBalancer { target_group: Id::new(target_group?), container, container_port: port })
}
