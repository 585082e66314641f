//! `updateService` and `deploy` of the timeline: what a service is given anew, and what of that begins a deployment.
//!
//! Follows *UpdateService* in the Amazon ECS API Reference (2026).

use crate::aws::capacity_provider::CapacityProviderStrategyItem;
use crate::aws::deployment::DeploymentController;
use crate::aws::launch::Launch;
use crate::aws::placement::PlacementConstraint;
use crate::aws::service::{NotRegistrable, SchedulingStrategy, ServiceDefinition, ServiceLoadBalancer};
use crate::aws::task_definition::{TaskDefinition, Volume, VolumeKind};
use crate::aws::volume::EbsVolume;
use crate::scenario::TimelineChange;
use crate::scenario::container::client_exception;
use crate::scenario::deployment::{SaidDeployment, check_strategy, deployment_configuration};
use crate::scenario::fargate::refuse_on_fargate;
use crate::scenario::launch::{invalid_parameter_exception, platform_versions, volume_configurations};
use crate::scenario::placement::{new_placement, refuse_too_many_constraints};
use crate::scenario::problem::Problem;
use crate::scenario::reader::{Fields, Reader, What, listed};
use crate::scenario::service::{
    self, new_rebalancing, note_bounds_without_a_move, refuse_desired_count_of_daemon,
    refuse_early_success_below_minimum, refuse_maximum_of_daemon,
};
use crate::scenario::timeline::{Around, NewConfigurations};
use crate::scenario::tree::Node;
use crate::table::Id;
use crate::units::Span;

/// What an `UpdateService` changes; `None` where it is refused.
pub fn update_service(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    around: &Around<'_>,
    new: &mut NewConfigurations,
) -> Option<TimelineChange> {
    fields.required(reader, "service");
    let service = fields.reference(reader, "service", around.service_names);
    refuse_changes_under_code_deploy(reader, fields, service, around);
    let node = fields.take("taskDefinition");
    let brings = Brings { volume: fields.has("volumeConfigurations"), load_balancer: fields.has("loadBalancers") };
    let task_definition =
        node.and_then(|it| new_definition_beside(reader, it, "`updateService`", service, around, brings));
    refuse_deployments_of_external(reader, fields, service, around);
    let is_daemon = service.is_some_and(|it| around.services[it].scheduling_strategy == SchedulingStrategy::Daemon);
    if is_daemon {
        refuse_desired_count_of_daemon(reader, fields);
    }
    let desired_count = fields.count(reader, "desiredCount", 0..=5_000);
    let network = around.capacity.network_of_launch_if_said(reader, fields).map(|it| new.networks.push(it));
    let (placement_strategy, constraints) = new_placement(reader, fields);
    let placement_constraints = constraints.map(|it| new.placement_constraints.push(it));
    let health_check_grace_period = fields.seconds(reader, "healthCheckGracePeriodSeconds", 0..=2_147_483_647);
    let availability_zone_rebalancing = new_rebalancing(reader, fields);
    let node = fields.take("capacityProviderStrategy");
    let capacity_provider_strategy = node.map(|it| around.capacity.strategy(reader, it, &fields.of));
    let deployment_place = fields.place_of("deploymentConfiguration");
    let new_deployment = service.and_then(|it| new_revision(reader, fields, it, task_definition, around));
    if new_deployment.is_none() {
        // What is refused leaves these unread.
        for name in ["platformVersion", "loadBalancers", "volumeConfigurations"] {
            fields.take(name);
        }
    }
    let revision = new_deployment.unwrap_or_default();
    let force_new_deployment = fields.flag_or(reader, "forceNewDeployment", false) || revision.is_other;
    let deployment = fields.map(reader, "deploymentConfiguration");
    let said = deployment
        .map_or(SaidDeployment::default(), |it| deployment_configuration(reader, it, Some(&around.alarms_by_name)));
    if is_daemon {
        refuse_maximum_of_daemon(reader, deployment_place, &fields.of, said.maximum_percent.unwrap_or(100));
    }
    if let Some(definition) = service.map(|it| &around.services[it]) {
        let minimum = said.minimum_healthy_percent.unwrap_or(definition.minimum_healthy_percent);
        let maximum = said.maximum_percent.unwrap_or(definition.maximum_percent);
        let mut deployment = definition.deployment.clone();
        said.change.apply(&mut deployment);
        if said.minimum_healthy_percent.is_some() || said.change.early_success.is_some() {
            refuse_early_success_below_minimum(reader, deployment_place, &fields.of, (&deployment, minimum));
        }
        if said.minimum_healthy_percent.is_some() || said.maximum_percent.is_some() {
            let of = format!("{} of service `{}`: it", fields.of, definition.name);
            let desired = desired_count.unwrap_or(definition.desired_count);
            note_bounds_without_a_move(reader, &of, desired, (minimum, maximum));
        }
    }
    let has_task_sets = service.is_some_and(|it| !around.services[it].task_sets.is_empty());
    if let (Some(service), Some(_), false) = (service, said.change.strategy, has_task_sets) {
        let definition = &around.services[service];
        let mut deployment = definition.deployment.clone();
        said.change.apply(&mut deployment);
        let balancer = definition.load_balancer.as_ref();
        let kinds = (is_daemon, balancer.is_some(), balancer.is_some_and(|it| it.alternate.is_some()));
        let bakes = said.change.bake_time.is_some() || definition.deployment.bake_time > Span::ZERO;
        check_strategy(reader, fields, kinds, &deployment, bakes);
    }
    if let Some(service) = service {
        let service = (&around.services[service], around);
        let constraints = placement_constraints.map(|it| &new.placement_constraints[it]);
        let of_placement = (placement_strategy.is_some(), constraints);
        refuse_new_launch(reader, fields, service, capacity_provider_strategy.as_deref(), of_placement);
    }
    Some(TimelineChange::UpdateService {
        service: service?,
        task_definition,
        desired_count,
        network,
        force_new_deployment,
        volume: revision.volume,
        load_balancer: revision.load_balancer,
        minimum_healthy_percent: said.minimum_healthy_percent,
        maximum_percent: said.maximum_percent,
        deployment: Box::new(said.change),
        health_check_grace_period,
        placement_strategy,
        placement_constraints,
        capacity_provider_strategy,
        availability_zone_rebalancing,
    })
}

/// What else of `UpdateService` begins a deployment.
#[derive(Default)]
struct OtherRevision {
    /// Whether something does that is kept nowhere.
    is_other: bool,
    /// The EBS volume that its tasks get from then on.
    volume: Option<Option<EbsVolume>>,
    /// What its tasks are registered as from then on.
    load_balancer: Option<Option<ServiceLoadBalancer>>,
}

/// What comes with a new task definition, so that it need not go with what the service has.
#[derive(Clone, Copy, Default)]
struct Brings {
    /// `volumeConfigurations`
    volume: bool,
    /// `loadBalancers`
    load_balancer: bool,
}

/// What else of `UpdateService` begins a deployment.
///
/// *UpdateService* in the API's reference (2026): `loadBalancers`, `platformVersion` and `volumeConfigurations` trigger one even where
/// they say what holds already; no `volumeConfigurations` trigger none, and an empty list takes the volume away.
fn new_revision(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    service: Id<ServiceDefinition>,
    task_definition: Option<Id<TaskDefinition>>,
    around: &Around<'_>,
) -> Option<OtherRevision> {
    let definition = &around.services[service];
    let name = &definition.name;
    let runs = &around.task_definitions.table[task_definition.unwrap_or(definition.task_definition)];
    let is_daemon = definition.scheduling_strategy == SchedulingStrategy::Daemon;
    let mut is_other = false;
    let mut load_balancer = None;
    let on_fargate = |it: &CapacityProviderStrategyItem| around.capacity.is_fargate(it.capacity_provider);
    let is_on_fargate = definition.launch.capacity_provider_strategy.iter().any(on_fargate);
    if fields.has("platformVersion") {
        let at = fields.place_of_key("platformVersion");
        let version = fields.word(reader, "platformVersion", &platform_versions())?;
        if !is_on_fargate {
            let problem =
                Problem::new(at, format!("`platformVersion` is not for service `{name}`, which launches on EC2"));
            let says = "The platform version must be null when specifying an EC2 launch type.";
            reader.refuse(problem.help(invalid_parameter_exception(says)));
        }
        let launch = Launch { platform_version: version, ..definition.launch.clone() };
        refuse_on_fargate(reader, at, &format!("service `{name}`"), (&launch, around.capacity), runs);
        is_other = true;
    } else if is_on_fargate {
        fields.take("platformVersion");
    }
    if fields.has("loadBalancers") {
        load_balancer = new_load_balancer(reader, fields, definition, runs, around);
        is_other = true;
    } else {
        fields.take("loadBalancers");
    }
    let mut volume = None;
    if fields.has("volumeConfigurations") {
        if is_daemon {
            let at = fields.place_of_key("volumeConfigurations");
            let message =
                format!("`volumeConfigurations` is not for service `{name}`, whose scheduling strategy is DAEMON");
            reader.refuse(Problem::new(at, message).help("EBS volumes of tasks are for REPLICA services"));
        }
        volume = Some(volume_configurations(reader, fields, Some(runs)));
    } else {
        fields.take("volumeConfigurations");
    }
    Some(OtherRevision { is_other, volume, load_balancer })
}

/// `loadBalancers`: what tasks of the new deployment are registered as; an empty list takes the load balancer away. `None` where that
/// stays.
fn new_load_balancer(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    service: &ServiceDefinition,
    runs: &TaskDefinition,
    around: &Around<'_>,
) -> Option<Option<ServiceLoadBalancer>> {
    let at = fields.place_of_key("loadBalancers");
    let problems = reader.problems.len();
    let of_services = service::Around {
        task_definitions: around.task_definitions,
        capacity: around.capacity,
        load_balancing: around.load_balancing,
        listeners: around.listeners,
    };
    let said = service::load_balancer(reader, fields, &of_services, Some(runs));
    if reader.problems.len() > problems {
        return None;
    }
    let now = service.load_balancer.as_ref();
    let is_classic =
        |it: &ServiceLoadBalancer| around.load_balancing.of_classic.iter().any(|of| of.1 == it.target_group);
    let what = if now.into_iter().chain(&said).any(|it| it.alternate.is_some()) {
        "a service with `advancedConfiguration`, whose deployments shift traffic between two target groups"
    } else if now.into_iter().chain(&said).any(is_classic) {
        "a service behind a Classic Load Balancer"
    } else {
        return Some(said);
    };
    let says = |it: &ServiceLoadBalancer| (it.target_group, it.alternate, it.container_name.clone(), it.container_port);
    if said.as_ref().map(says) == now.map(says) {
        return None;
    }
    let message =
        format!("other `loadBalancers` in {} of {what} (`{}`) are not simulated yet", fields.of, service.name);
    reader.not_runnable(Problem::new(at, message).help(
        "`loadBalancers` may say here what the service has, which begins a deployment; a second service can have the other target \
         group, created by `createService`, to which `modifyListener` or `modifyRule` sends the requests",
    ));
    None
}

/// What only CodeDeploy changes of the services that it deploys (*UpdateService* in the API's reference, 2026).
fn refuse_changes_under_code_deploy(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    service: Option<Id<ServiceDefinition>>,
    around: &Around<'_>,
) {
    let by_code_deploy =
        service.is_some_and(|it| around.services[it].deployment.controller == DeploymentController::CodeDeploy);
    for (field, words) in [
        ("taskDefinition", "task definition"),
        ("networkConfiguration", "network configuration"),
        ("platformVersion", "platform version"),
        ("loadBalancers", "load balancers"),
    ] {
        if by_code_deploy && fields.has(field) {
            let message = format!("{} changes the {words} of a service that CodeDeploy deploys", fields.of);
            let says = format!(
                "Unable to update {words} on services with a CODE_DEPLOY deployment controller. Use AWS CodeDeploy to trigger a new \
                 deployment."
            );
            let problem = Problem::new(fields.place_of(field), message).help(invalid_parameter_exception(&says));
            reader.refuse(match field {
                "taskDefinition" => problem.help("`deploy` does so here"),
                _ => problem,
            });
        }
    }
}

/// What `UpdateService` does not change of a service with task sets.
pub fn refuse_deployments_of_external(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    service: Option<Id<ServiceDefinition>>,
    around: &Around<'_>,
) {
    let Some(service) = service.map(|it| &around.services[it]).filter(|it| !it.task_sets.is_empty()) else { return };
    for name in [
        "taskDefinition",
        "networkConfiguration",
        "capacityProviderStrategy",
        "forceNewDeployment",
        "availabilityZoneRebalancing",
        "platformVersion",
        "loadBalancers",
        "volumeConfigurations",
    ] {
        if fields.has(name) {
            let message = format!(
                "{} has `{name}`, and the deployment controller of service `{}` is EXTERNAL",
                fields.of, service.name
            );
            let help = "a new task set brings it: `createTaskSet`; `updateService` changes the desired count, the health check \
                        grace period and placement";
            reader.refuse(Problem::new(fields.place_of_key(name), message).help(help));
        }
    }
    if fields.has("deploymentConfiguration")
        && let Some(node) = fields.peek("deploymentConfiguration")
        && [
            "strategy",
            "deploymentCircuitBreaker",
            "alarms",
            "lifecycleHooks",
            "bakeTimeInMinutes",
            "earlySuccessCriteria",
        ]
        .iter()
        .any(|it| node.get(it).is_some())
    {
        let message = format!("{} says how ECS deploys service `{}`, which has task sets", fields.of, service.name);
        let help = "keep `minimumHealthyPercent` and `maximumPercent` only";
        reader.refuse(Problem::new(fields.place_of_key("deploymentConfiguration"), message).help(help));
    }
}

/// What a service cannot be given of where its tasks run, as it is of another kind.
fn refuse_new_launch(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    (service, around): (&ServiceDefinition, &Around<'_>),
    strategy: Option<&[CapacityProviderStrategyItem]>,
    (has_strategies, constraints): (bool, Option<&Vec<PlacementConstraint>>),
) {
    let is_daemon = service.scheduling_strategy == SchedulingStrategy::Daemon;
    let is_fargate = |items: &[CapacityProviderStrategyItem]| {
        items.iter().any(|it| around.capacity.is_fargate(it.capacity_provider))
    };
    let was_on_fargate = is_fargate(&service.launch.capacity_provider_strategy);
    let name = &service.name;
    if is_daemon && (has_strategies || strategy.is_some()) {
        let field = if has_strategies { "placementStrategy" } else { "capacityProviderStrategy" };
        let message = format!("`{field}` is not for service `{name}`, whose scheduling strategy is DAEMON");
        reader.refuse(
            Problem::new(fields.place_of_key(field), message).help("its `placementConstraints` can be changed"),
        );
    }
    if was_on_fargate && (has_strategies || constraints.is_some()) {
        let field = if has_strategies { "placementStrategy" } else { "placementConstraints" };
        let message = format!("`{field}` is not for service `{name}`, which runs on Fargate");
        let problem = Problem::new(fields.place_of_key(field), message);
        reader.refuse(problem.help("leave it out: Fargate spreads tasks over the zones of their subnets"));
    }
    if let Some(constraints) = constraints {
        let at = fields.place_of_key("placementConstraints");
        let definition = &around.task_definitions.table[service.task_definition];
        refuse_too_many_constraints(reader, at, &format!("service `{name}`"), constraints, definition);
    }
    if let Some(items) = strategy.filter(|it| !it.is_empty() && is_fargate(it) != was_on_fargate) {
        let kind = if is_fargate(items) { "Fargate" } else { "Auto Scaling groups" };
        let at = fields.place_of_key("capacityProviderStrategy");
        reader.not_simulated(at, format!("a service that changes to capacity providers of {kind} (`{name}`)"));
    }
}

/// A task definition that a service is to run from now on: it must still have the container that serves.
pub fn new_definition(
    reader: &mut Reader<'_>,
    node: &Node,
    of: &str,
    service: Option<Id<ServiceDefinition>>,
    around: &Around<'_>,
) -> Option<Id<TaskDefinition>> {
    new_definition_beside(reader, node, of, service, around, Brings::default())
}

/// The same where the call says as well what EBS volumes tasks get, or does not.
fn new_definition_beside(
    reader: &mut Reader<'_>,
    node: &Node,
    of: &str,
    service: Option<Id<ServiceDefinition>>,
    around: &Around<'_>,
    brings: Brings,
) -> Option<Id<TaskDefinition>> {
    let id = around.task_definitions.reference(reader, What { field: "taskDefinition", of }, node)?;
    let service = &around.services[service?];
    let definition = &around.task_definitions.table[id];
    let whose = format!("service `{}`", service.name);
    refuse_too_many_constraints(reader, node.place, &whose, &service.launch.placement_constraints, definition);
    if refuse_on_fargate(reader, node.place, &whose, (&service.launch, around.capacity), definition) {
        return None;
    }
    let is_on_fargate =
        |it: &CapacityProviderStrategyItem| around.capacity.providers[it.capacity_provider].fargate().is_some();
    if let Some(says_so) = around.task_definitions.is_for_fargate_only(id)
        && !service.launch.capacity_provider_strategy.iter().any(is_on_fargate)
    {
        let message = format!("{whose} launches on EC2, which `{}` is not for", definition.name());
        let problem = Problem::new(node.place, message).related(says_so, "it is for Fargate alone");
        let help = "`requiresCompatibilities: [EC2, FARGATE]` lets it run there as well";
        let says = "Task definition does not support launch_type EC2.";
        reader.refuse(problem.help(client_exception(says)).help(help));
        return None;
    }
    let (old, new) = (&around.task_definitions.table[service.task_definition], &around.task_definitions.table[id]);
    let is_new = |it: &&Volume| it.kind == VolumeKind::Ebs && !old.volumes.contains(it);
    if let Some(volume) = new.volumes.iter().find(is_new).filter(|_| !brings.volume) {
        let message = format!("`{}` cannot replace `{}` in service `{}`", new.name(), old.name(), service.name);
        let help = format!("`volumeConfigurations` of the service does not say what its volume `{}` is", volume.name);
        reader.refuse(Problem::new(node.place, message).help(help));
        return None;
    }
    let Some(balancer) = service.load_balancer.as_ref().filter(|_| !brings.load_balancer) else { return Some(id) };
    let Err(why) = balancer.registration(new) else { return Some(id) };
    let (serving, port) = (&balancer.container_name, balancer.container_port);
    let help = match why {
        NotRegistrable::NoPort => {
            format!("the load balancer sends requests to port {port} of container `{serving}`, which it does not map")
        }
        NotRegistrable::NoContainer => {
            let names = listed(new.containers.iter().map(|it| it.name.as_str()));
            format!("the load balancer sends requests to container `{serving}`; it has {names}")
        }
    };
    let message = format!("`{}` cannot replace `{}` in service `{}`", new.name(), old.name(), service.name);
    reader.refuse(Problem::new(node.place, message).help(help));
    None
}
