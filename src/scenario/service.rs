//! `services`: what `CreateService` takes.

use std::collections::BTreeMap;

use crate::aws::capacity_provider::CapacityProviderStrategyItem;
use crate::aws::deployment::{
    CODE_DEPLOY_CONFIGURATIONS, DeploymentConfiguration, DeploymentController, DeploymentStrategy,
};
use crate::aws::launch::Launch;
use crate::aws::listener::{Action, ListenerRule};
use crate::aws::load_balancer::TargetGroup;
use crate::aws::metric::ServiceMetric;
use crate::aws::service::{
    AlternateTargetGroup, NotRebalanced, SchedulingStrategy, ServiceDefinition, ServiceLoadBalancer, deployment_bounds,
    not_rebalanced,
};
use crate::aws::subnet::NetworkConfiguration;
use crate::aws::task_definition::{NetworkMode, TaskDefinition};
use crate::scenario::aws_fields::Shape;
use crate::scenario::capacity::Capacity;
use crate::scenario::deployment::{SaidDeployment, check_strategy, deployment_configuration};
use crate::scenario::fargate::refuse_on_fargate;
use crate::scenario::launch::{
    TaskGroups, check_compatibility, launch, refuse_placement_on_fargate, volume_configurations,
};
use crate::scenario::listener::Listeners;
use crate::scenario::load_balancing::LoadBalancing;
use crate::scenario::placement::{placement, refuse_too_many_constraints};
use crate::scenario::problem::{Place, Problem};
use crate::scenario::reader::{Fields, Names, Reader, What, last_name, listed};
use crate::scenario::sections::check_own_name;
use crate::scenario::task_definition::{TaskDefinitions, check_name};
use crate::scenario::task_set::task_sets;
use crate::scenario::tree::{Entry, Node, Value};
use crate::table::{Id, Table};
use crate::units::Span;

/// What services refer to.
pub struct Around<'a> {
    /// Task definitions.
    pub task_definitions: &'a TaskDefinitions,
    /// Groups and providers.
    pub capacity: &'a Capacity,
    /// Target groups.
    pub load_balancing: &'a LoadBalancing,
    /// Listeners and their rules.
    pub listeners: &'a Listeners,
}

/// Most services of a cluster (*Amazon ECS endpoints and quotas*, 2026).
const SERVICES_MAXIMUM: usize = 5_000;

/// The section `services`; task sets that the timeline creates belong to them, and their network configurations go to `networks`.
pub fn services(
    reader: &mut Reader<'_>,
    entries: &[Entry],
    around: &Around<'_>,
    task_groups: &mut TaskGroups,
    (timeline, networks): (Option<&Node>, &mut Table<NetworkConfiguration>),
) -> (Table<ServiceDefinition>, Names<ServiceDefinition>) {
    let (mut table, mut names) = (Table::<ServiceDefinition>::new(), Names::new("service", "services"));
    if let Some(beyond) = entries.get(SERVICES_MAXIMUM) {
        let message = format!("{} services are more than a cluster has", entries.len());
        let quota = format!("AWS's quota: {SERVICES_MAXIMUM} services per cluster (Amazon ECS endpoints and quotas)");
        reader.refuse(Problem::new(beyond.key_place, message).help(quota));
    }
    // ECS lets services share a target group, to which the tasks of all are registered.
    let mut first_of_group: BTreeMap<Id<TargetGroup>, (&str, Place)> = BTreeMap::new();
    for entry in entries {
        check_name(reader, entry.key_place, &entry.key, "a service");
        let service = service(reader, entry, around, task_groups, (timeline, networks));
        for group in service.iter().filter_map(|it| it.load_balancer.as_ref()).flat_map(|it| it.target_groups()) {
            let place = entry.node.get("loadBalancers").map_or(entry.node.place, |it| it.place);
            if let Some((first, first_place)) = first_of_group.get(&group) {
                let group = &around.load_balancing.target_groups[group].name;
                let message = format!(
                    "that services `{first}` and `{}` share the target group `{group}` is not simulated yet",
                    entry.key
                );
                let problem = Problem::new(place, message).related(*first_place, format!("`{first}` has it as well"));
                reader.not_runnable(problem.help(
                    "give each a target group, and let a listener forward to both with weights as their tasks have them",
                ));
            } else {
                first_of_group.insert(group, (&entry.key, place));
            }
        }
        let id = service.map(|it| table.push(it));
        names.add(&entry.key, id);
    }
    (table, names)
}

fn service(
    reader: &mut Reader<'_>,
    entry: &Entry,
    around: &Around<'_>,
    task_groups: &mut TaskGroups,
    (timeline, networks): (Option<&Node>, &mut Table<NetworkConfiguration>),
) -> Option<ServiceDefinition> {
    let mut fields = reader.fields(&entry.node, format!("service `{}`", entry.key))?;
    check_own_name(reader, &mut fields, "services", &entry.key);
    if let Some(cluster) =
        fields.text(reader, "cluster").map(last_name).filter(|it| *it != around.capacity.cluster_name)
    {
        reader.note(format!("{} says `cluster: {cluster}`; here it is `{}`", fields.of, around.capacity.cluster_name));
    }
    let controller = controller(reader, &mut fields);
    let words = [("REPLICA", SchedulingStrategy::Replica), ("DAEMON", SchedulingStrategy::Daemon)];
    let scheduling_strategy = fields.word_or(reader, "schedulingStrategy", &words, SchedulingStrategy::Replica);
    let is_daemon = scheduling_strategy == SchedulingStrategy::Daemon;
    let is_external = controller == DeploymentController::External;
    let group = task_groups.of(&format!("service:{}", entry.key));
    let task_sets = if is_external {
        note_what_task_sets_say(reader, &mut fields);
        Some(task_sets(reader, &mut fields, &entry.key, (timeline, group), around, networks)?)
    } else {
        refuse_task_sets_of_ecs(reader, &fields, controller);
        None
    };
    let task_definition = match &task_sets {
        Some(sets) => sets.all.first().map(|it| it.task_definition),
        None => task_definition(reader, &mut fields, around.task_definitions),
    };
    let desired_count = if is_daemon {
        refuse_desired_count_of_daemon(reader, &mut fields);
        0
    } else {
        // One task is what CloudFormation makes of a service that does not say; the API itself insists on a number.
        fields.count_or(reader, "desiredCount", 0..=5_000, 1)
    };
    let deployment_place = fields.place_of("deploymentConfiguration");
    let deployment = fields.map(reader, "deploymentConfiguration");
    let usual = if is_daemon { (0, 100) } else { (100, 200) };
    let said = deployment.map_or(SaidDeployment::default(), |mut it| {
        let source = "schedulingStrategy";
        it.derived_from(reader, "minimumHealthyPercent", &usual.0, (source, "100, of a DAEMON service 0"));
        it.derived_from(reader, "maximumPercent", &usual.1, (source, "200, of a DAEMON service 100"));
        deployment_configuration(reader, it, None)
    });
    let minimum_healthy_percent = said.minimum_healthy_percent.unwrap_or(usual.0);
    let maximum_percent = said.maximum_percent.unwrap_or(usual.1);
    let mut deployment = DeploymentConfiguration::default();
    said.change.apply(&mut deployment);
    let bake_time_is_said = said.change.bake_time.is_some();
    refuse_early_success_below_minimum(reader, deployment_place, &fields.of, (&deployment, minimum_healthy_percent));
    deployment.controller = controller;
    deployment_group(reader, &mut fields, &mut deployment);
    if is_daemon {
        refuse_maximum_of_daemon(reader, deployment_place, &fields.of, maximum_percent);
    }
    note_bounds_without_a_move(reader, &fields.of, desired_count, (minimum_healthy_percent, maximum_percent));
    let health_check_grace_period =
        fields.seconds_or(reader, "healthCheckGracePeriodSeconds", 0..=2_147_483_647, Span::ZERO);
    let (mut launch, on_ec2_because) = match &task_sets {
        Some(sets) => {
            let is_fargate = |it: &CapacityProviderStrategyItem| around.capacity.is_fargate(it.capacity_provider);
            let (placement_strategy, placement_constraints) = placement(reader, &mut fields);
            if sets.launch.capacity_provider_strategy.iter().any(is_fargate) {
                refuse_placement_on_fargate(reader, &mut fields);
            }
            (Launch { placement_strategy, placement_constraints, ..sets.launch.clone() }, None)
        }
        None => launch(reader, &mut fields, around.capacity, group),
    };
    if is_daemon {
        refuse_launch_of_daemon(reader, &fields, around.capacity, &launch);
    }
    let definition = task_definition.map(|it| &around.task_definitions.table[it]);
    if let Some((id, why)) = task_definition.zip(on_ec2_because) {
        check_compatibility(reader, &fields, around.task_definitions, id, why);
    }
    if let Some(definition) = definition {
        let at = fields.place_of("placementConstraints");
        refuse_too_many_constraints(reader, at, &fields.of, &launch.placement_constraints, definition);
        let at = fields.place_of("taskDefinition");
        if !is_external {
            refuse_on_fargate(reader, at, &fields.of, (&launch, around.capacity), definition);
        }
    }
    let load_balancer = match &task_sets {
        Some(sets) => sets.load_balancer.clone(),
        None => {
            let is_said = !fields.list(reader, "loadBalancers").is_empty();
            let own = load_balancer(reader, &mut fields, around, definition);
            match own.is_none() && is_said {
                true => None,
                false => with_later_groups(own, (timeline, &entry.key), around),
            }
        }
    };
    if is_external {
        refuse_deployments_of_external(reader, &fields, is_daemon, &deployment);
    } else {
        let said = fields.list(reader, "loadBalancers").first();
        let has_alternate = said.is_some_and(|it| it.get("advancedConfiguration").is_some());
        let kinds = (is_daemon, said.is_some(), has_alternate);
        let bakes = bake_time_is_said || deployment.controller == DeploymentController::CodeDeploy;
        check_strategy(reader, &fields, kinds, &deployment, bakes);
        launch.volume = volume_configurations(reader, &mut fields, definition);
    }
    let availability_zone_rebalancing = {
        let is_classic = |it: &ServiceLoadBalancer| load_balancing_is_classic(around.load_balancing, it.target_group);
        let of_definition = definition.map_or(&[][..], |it| &it.placement_constraints);
        let constraints = launch.placement_constraints.iter().chain(of_definition);
        let not = not_rebalanced(scheduling_strategy, maximum_percent, &launch.placement_strategy, constraints)
            .or(load_balancer.as_ref().is_some_and(is_classic).then_some(NotRebalanced::ClassicLoadBalancer))
            .or(is_external.then_some(NotRebalanced::ExternalController));
        rebalancing(reader, &mut fields, not)
    };
    let high_resolution_metrics = high_resolution_metrics(reader, &mut fields);
    let task_protection = task_protection(reader, &mut fields, is_daemon);
    fields.finish(reader, &Shape::SERVICE);
    Some(ServiceDefinition {
        name: entry.key.clone(),
        launch,
        task_definition: task_definition?,
        task_sets: task_sets.map_or(Vec::new(), |it| it.all),
        scheduling_strategy,
        desired_count,
        minimum_healthy_percent,
        maximum_percent,
        availability_zone_rebalancing,
        is_created_later: false,
        deployment,
        health_check_grace_period,
        load_balancer,
        high_resolution_metrics,
        task_protection,
    })
}

const REBALANCING: [(&str, bool); 2] = [("ENABLED", true), ("DISABLED", false)];

/// `availabilityZoneRebalancing`: ENABLED where nothing is said, unless something the service has does not go with it.
fn rebalancing(reader: &mut Reader<'_>, fields: &mut Fields<'_>, not: Option<NotRebalanced>) -> bool {
    let usual = if not.is_none() { "ENABLED" } else { "DISABLED" };
    fields.derived(reader, "availabilityZoneRebalancing", usual);
    let said = new_rebalancing(reader, fields);
    if let (Some(true), Some(not)) = (said, not) {
        let why = not.words();
        reader.note(format!("{} is not rebalanced over Availability Zones: that does not work with {why}", fields.of));
    }
    said.unwrap_or(true) && not.is_none()
}

/// `availabilityZoneRebalancing`, where it is said: whether it is ENABLED.
pub fn new_rebalancing(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<bool> {
    fields.word(reader, "availabilityZoneRebalancing", &REBALANCING)
}

fn load_balancing_is_classic(load_balancing: &LoadBalancing, group: Id<TargetGroup>) -> bool {
    load_balancing.of_classic.iter().any(|it| it.1 == group)
}

/// `taskProtection`: the arguments with which its tasks protect themselves from scale-in.
fn task_protection(reader: &mut Reader<'_>, fields: &mut Fields<'_>, is_daemon: bool) -> Option<Span> {
    let entry = fields.take_entry("taskProtection")?;
    let mut protection = reader.fields(&entry.node, format!("`taskProtection` of {}", fields.of))?;
    let enabled = protection.flag_or(reader, "protectionEnabled", true);
    let minutes = protection.count_or(reader, "expiresInMinutes", 1..=2_880, 120);
    protection.finish(reader, &Shape::OURS);
    if is_daemon {
        let message = format!("{} is a DAEMON service, whose tasks cannot be protected from scale-in", fields.of);
        reader.refuse(Problem::new(entry.key_place, message).help("leave `taskProtection` out"));
    }
    enabled.then(|| Span::MINUTE * u64::from(minutes))
}

/// The metrics that `monitoring` asks for each 20 s.
fn high_resolution_metrics(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Vec<ServiceMetric> {
    let mut metrics = Vec::new();
    let Some(node) = fields.take("monitoring") else { return metrics };
    let Some(mut monitoring) = reader.fields(node, format!("`monitoring` of {}", fields.of)) else { return metrics };
    for node in monitoring.list(reader, "metricConfigurations") {
        let Some(mut it) = reader.fields(node, format!("a metric configuration of {}", monitoring.of)) else {
            continue;
        };
        let mut named: Vec<ServiceMetric> = Vec::new();
        let names = it.list(reader, "metricNames");
        for name in names {
            named.extend(reader.word(What { field: "metricNames", of: &it.of }, name, &ServiceMetric::NAMES));
        }
        it.usual(reader, "resolutionSeconds", &60);
        let resolution = it.take("resolutionSeconds").and_then(|node| {
            let seconds = reader.count(What { field: "resolutionSeconds", of: &it.of }, node, 20..=60)?;
            if seconds != 20 && seconds != 60 {
                let problem = Problem::new(node.place, format!("`resolutionSeconds` of {} is {seconds}", it.of));
                reader.refuse(problem.help("it can be 20 or 60"));
            }
            Some(seconds)
        });
        it.finish(reader, &Shape::OURS);
        if resolution == Some(20) {
            let all = ServiceMetric::NAMES.map(|it| it.1);
            metrics.extend(if names.is_empty() { all.to_vec() } else { named });
        }
    }
    monitoring.finish(reader, &Shape::OURS);
    metrics.sort_unstable();
    metrics.dedup();
    metrics
}

/// A field that says how many tasks, which ECS does not take of a DAEMON service.
pub fn refuse_desired_count_of_daemon(reader: &mut Reader<'_>, fields: &mut Fields<'_>) {
    if let Some(entry) = fields.take_entry("desiredCount") {
        let message =
            format!("the daemon scheduling strategy does not support a desired count, which {} has", fields.of);
        let help = "remove it: one task runs on each container instance that meets the placement constraints";
        reader.refuse(Problem::new(entry.key_place, message).help(help));
    }
}

/// More tasks at once than instances, which ECS does not take of a DAEMON service.
pub fn refuse_maximum_of_daemon(reader: &mut Reader<'_>, at: Place, of: &str, maximum_percent: u32) {
    if maximum_percent > 100 {
        let message = format!(
            "the daemon scheduling strategy does not support values above 100 for `maximumPercent`, which {of} has"
        );
        reader.refuse(Problem::new(at, message).help("an instance never has two of its tasks: say 100, or nothing"));
    }
}

/// What ECS does not take of a DAEMON service of where tasks run.
fn refuse_launch_of_daemon(reader: &mut Reader<'_>, fields: &Fields<'_>, capacity: &Capacity, launch: &Launch) {
    let of = &fields.of;
    if launch.capacity_provider_strategy.iter().any(|it| capacity.is_fargate(it.capacity_provider)) {
        let message = format!("Fargate does not support the daemon scheduling strategy, which {of} has");
        let problem = Problem::new(fields.place_of("schedulingStrategy"), message);
        reader.refuse(problem.help("there are no container instances on Fargate: give its tasks a container more"));
        return;
    }
    if !launch.placement_strategy.is_empty() {
        let field = if fields.has("placementTemplate") { "placementTemplate" } else { "placementStrategy" };
        let message = format!("the daemon scheduling strategy does not support placement strategies, which {of} has");
        let problem = Problem::new(fields.place_of_key(field), message);
        reader.refuse(problem.help("remove them; `placementConstraints` say which instances have a task"));
    }
    if launch.capacity_provider_strategy.is_empty() {
        return;
    }
    let message =
        format!("the daemon scheduling strategy does not support a capacity provider strategy, which {of} has");
    let (at, help) = if fields.has("capacityProviderStrategy") {
        (
            fields.place_of_key("capacityProviderStrategy"),
            "remove it: its tasks run on the instances of all groups, and `placementConstraints` choose among them",
        )
    } else {
        (fields.place, "it has the cluster's default one unless it says `launchType: EC2`")
    };
    reader.refuse(Problem::new(at, message).help(help));
}

/// Bounds between which a rolling update may neither stop nor start a task. AWS takes them, and the deployment hangs.
pub fn note_bounds_without_a_move(reader: &mut Reader<'_>, of: &str, desired: u32, (minimum, maximum): (u32, u32)) {
    let (lower, upper) = deployment_bounds(desired, minimum, maximum);
    if minimum == 100 && maximum == 100 {
        reader.note(format!("{of} can never replace a task: minimumHealthyPercent and maximumPercent are both 100"));
    } else if desired > 0 && lower >= desired && upper <= desired {
        reader.note(format!(
            "{of} can replace no task while {} wanted: minimumHealthyPercent {minimum} keeps {lower}, rounded up, and maximumPercent \
             {maximum} allows {upper}, rounded down",
            if desired == 1 { "1 is".to_owned() } else { format!("{desired} are") },
        ));
    }
}

/// Early success with fewer healthy tasks than ECS keeps anyway, where the minimum is not said beside it.
pub fn refuse_early_success_below_minimum(
    reader: &mut Reader<'_>,
    at: Place,
    of: &str,
    (deployment, minimum): (&DeploymentConfiguration, u32),
) {
    if let Some(early) = deployment.early_success.filter(|it| it.healthy_percent < minimum) {
        let percent = early.healthy_percent;
        let message = format!(
            "`healthyPercent` of `earlySuccessCriteria` of {of} is {percent}, and `minimumHealthyPercent` {minimum}"
        );
        reader.refuse(Problem::new(at, message).help("it must be between the minimum healthy percent and 100"));
    }
}

/// What has deployments in hand.
fn controller(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> DeploymentController {
    let usual = DeploymentController::Ecs;
    let Some(node) = fields.take("deploymentController") else { return usual };
    let of = format!("`deploymentController` of {}", fields.of);
    let Some(mut controller) = reader.fields(node, of) else { return usual };
    let words = [
        ("ECS", usual),
        ("CODE_DEPLOY", DeploymentController::CodeDeploy),
        ("EXTERNAL", DeploymentController::External),
    ];
    let found = controller.word(reader, "type", &words).unwrap_or(usual);
    controller.finish(reader, &Shape::OURS);
    found
}

/// Task sets of a service whose deployments are ECS's own; of one that CodeDeploy deploys `DescribeServices` shows those that it has made.
fn refuse_task_sets_of_ecs(reader: &mut Reader<'_>, fields: &Fields<'_>, controller: DeploymentController) {
    let has_some = fields.peek("taskSets").is_some_and(|it| !it.is_blank());
    if has_some && controller == DeploymentController::Ecs {
        let message = format!("{} has task sets, and its deployment controller is ECS", fields.of);
        let help =
            "`deploymentController: {type: EXTERNAL}` makes a service of task sets; without it remove `taskSets`";
        reader.refuse(Problem::new(fields.place_of_key("taskSets"), message).help(help));
    }
}

/// `DescribeServices` writes what the PRIMARY task set has at the service as well.
fn note_what_task_sets_say(reader: &mut Reader<'_>, fields: &mut Fields<'_>) {
    for name in [
        "taskDefinition",
        "loadBalancers",
        "networkConfiguration",
        "launchType",
        "capacityProviderStrategy",
        "platformVersion",
        "platformFamily",
    ] {
        if fields.take(name).is_some_and(|it| !it.is_blank()) {
            let of = &fields.of;
            reader.note(format!(
                "`{name}` of {of} has no effect: with deployment controller EXTERNAL each task set has its own"
            ));
        }
    }
}

/// What is for deployments, which a service with task sets does not have.
fn refuse_deployments_of_external(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    is_daemon: bool,
    deployment: &DeploymentConfiguration,
) {
    let of = &fields.of;
    if is_daemon {
        let message = format!(
            "the deployment controller EXTERNAL does not support the daemon scheduling strategy, which {of} has"
        );
        reader.refuse(Problem::new(fields.place_of("schedulingStrategy"), message).help("its services are REPLICA"));
    }
    let plain = DeploymentConfiguration { controller: deployment.controller, ..DeploymentConfiguration::default() };
    if *deployment != plain {
        let message = format!("{of} has task sets, and says how ECS deploys it");
        let help = "with deployment controller EXTERNAL whoever calls decides: keep `minimumHealthyPercent` and `maximumPercent` only";
        reader.refuse(Problem::new(fields.place_of_key("deploymentConfiguration"), message).help(help));
    }
}

/// `deploymentGroup`: what a deployment group of CodeDeploy says of the service's deployments.
fn deployment_group(reader: &mut Reader<'_>, fields: &mut Fields<'_>, deployment: &mut DeploymentConfiguration) {
    let is_code_deploy = deployment.controller == DeploymentController::CodeDeploy;
    if fields.has("deploymentGroup") && !is_code_deploy {
        let message = format!("{} has a `deploymentGroup`, and deploys by ECS itself", fields.of);
        let problem = Problem::new(fields.place_of_key("deploymentGroup"), message);
        reader.refuse(problem.help("a deployment group belongs to `deploymentController: {type: CODE_DEPLOY}`"));
    }
    if !is_code_deploy {
        fields.take("deploymentGroup");
        return;
    }
    let at = fields.place_of_key("deploymentConfiguration");
    let Some(mut group) = fields.map(reader, "deploymentGroup") else { return };
    let usual = DeploymentStrategy::BlueGreen;
    let strategy = group.word_or(reader, "deploymentConfigName", &CODE_DEPLOY_CONFIGURATIONS, usual);
    let wait = group.count_or(reader, "terminationWaitTimeInMinutes", 0..=2_880, 60);
    group.finish(reader, &Shape::OURS);
    if deployment.strategy != DeploymentStrategy::Rolling || deployment.circuit_breaker.is_some() {
        let message = format!("{} deploys by CodeDeploy, and has a strategy or a circuit breaker of ECS", fields.of);
        let problem = Problem::new(at, message);
        reader.refuse(problem.help("`deploymentGroup: {deploymentConfigName}` says how traffic shifts"));
    }
    (deployment.strategy, deployment.bake_time) = (strategy, Span::MINUTE * u64::from(wait));
    let balancer = fields.list(reader, "loadBalancers").first();
    if balancer.is_none_or(|it| it.get("advancedConfiguration").is_none()) {
        let message = format!("{} deploys by CodeDeploy, and has no two target groups", fields.of);
        let problem = Problem::new(fields.place_of_key("loadBalancers"), message);
        reader.refuse(
            problem.help("its pair of target groups, and the listeners: `advancedConfiguration` of the load balancer"),
        );
    }
}

/// The task definition; a service that names none runs the only one there is, for tools that keep the two in two files.
fn task_definition(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    definitions: &TaskDefinitions,
) -> Option<Id<TaskDefinition>> {
    if let Some(node) = fields.take("taskDefinition") {
        return definitions.reference(reader, What { field: "taskDefinition", of: &fields.of }, node);
    }
    match definitions.only_family() {
        Some(id) => {
            if let Some(id) = id {
                let name = definitions.table[id].name();
                reader.note(format!("{} names no task definition, and runs the only one: `{name}`", fields.of));
            }
            id
        }
        None if reader.unread_sections.contains("taskDefinitions") => None,
        None => {
            fields.required(reader, "taskDefinition");
            None
        }
    }
}

/// What stands for a target group of the Classic Load Balancer that is named.
fn classic_target_group(
    reader: &mut Reader<'_>,
    balancer: &mut Fields<'_>,
    entry: &Entry,
    load_balancing: &LoadBalancing,
) -> Option<Id<TargetGroup>> {
    let named = balancer.reference(reader, "loadBalancerName", &load_balancing.load_balancer_names)?;
    let group = load_balancing.of_classic.iter().find(|(load_balancer, _)| *load_balancer == named).map(|it| it.1);
    if group.is_none() {
        let name = &load_balancing.load_balancers[named].name;
        let problem = Problem::new(entry.key_place, format!("load balancer `{name}` is not a Classic one"));
        reader.refuse(problem.help("services name target groups of other load balancers: `targetGroupArn`"));
    }
    group
}

/// `advancedConfiguration`: the other target group, and the rules by which traffic shifts between the two.
fn alternate(
    reader: &mut Reader<'_>,
    balancer: &mut Fields<'_>,
    around: &Around<'_>,
    (target_group, classic): (Option<Id<TargetGroup>>, Option<&Entry>),
) -> Option<AlternateTargetGroup> {
    let entry = balancer.take_entry("advancedConfiguration")?;
    let mut fields = reader.fields(&entry.node, format!("`advancedConfiguration` of {}", balancer.of))?;
    let groups = &around.load_balancing.target_groups;
    fields.required(reader, "alternateTargetGroupArn");
    let at = fields.place_of("alternateTargetGroupArn");
    let other = fields.reference(reader, "alternateTargetGroupArn", &around.load_balancing.target_group_names);
    let production = fields.required(reader, "productionListenerRule");
    let test = fields.take("testListenerRule");
    let of = fields.of.clone();
    let rule = |reader: &mut Reader<'_>, field: &'static str, node: &Node| {
        around.listeners.named(reader, What { field, of: &of }, node, around.load_balancing)
    };
    let production_rule = production.and_then(|it| rule(reader, "productionListenerRule", it));
    let test_rule = test.and_then(|it| rule(reader, "testListenerRule", it));
    fields.finish(reader, &Shape::ADVANCED_CONFIGURATION);
    if classic.is_some() {
        let message = format!("{of}: a Classic Load Balancer has no target groups to shift traffic between");
        reader.refuse(Problem::new(entry.key_place, message));
        return None;
    }
    let (target_group, other, production_rule) = (target_group?, other?, production_rule?);
    let names = [target_group, other].map(|it| &groups[it].name);
    if other == target_group || groups[other].load_balancer != groups[target_group].load_balancer {
        let what = if other == target_group { "is its own" } else { "belongs to another load balancer" };
        let problem = Problem::new(at, format!("the alternate target group `{}` of {of} {what}", names[1]));
        reader.refuse(problem.help("traffic shifts between two target groups of one load balancer"));
        return None;
    }
    let forwards_here = |rule: Id<ListenerRule>| match &around.listeners.rules[rule].action {
        Action::Forward(it) => {
            it.names(target_group) && it.target_groups.iter().all(|it| [target_group, other].contains(&it.target_group))
        }
        _ => false,
    };
    for (field, rule, node) in
        [("productionListenerRule", Some(production_rule), production), ("testListenerRule", test_rule, test)]
    {
        let (Some(rule), Some(node)) = (rule, node) else { continue };
        if !forwards_here(rule) {
            let message = format!("`{field}` of {of} does not forward to `{}`", names[0]);
            let help = format!("let it forward to `{}` and to no other group but `{}`", names[0], names[1]);
            reader.refuse(Problem::new(node.place, message).help(help));
            return None;
        }
        if field == "testListenerRule" && rule == production_rule {
            let problem = Problem::new(node.place, format!("both rules of {of} are the same"));
            reader.refuse(problem.help("give test traffic a rule or a port of its own"));
            return None;
        }
    }
    Some(AlternateTargetGroup { target_group: other, production_rule, test_rule })
}

/// The load balancer of a service with the target groups that the timeline's calls of `UpdateService` give it, since where its
/// requests may go has to be known. What is wrong with these is told where the timeline is read.
fn with_later_groups(
    mut own: Option<ServiceLoadBalancer>,
    (timeline, service): (Option<&Node>, &str),
    around: &Around<'_>,
) -> Option<ServiceLoadBalancer> {
    let Some(Value::List(entries)) = timeline.map(|it| &it.value) else { return own };
    let calls = entries.iter().filter_map(|it| it.get("updateService"));
    let of_it = calls.filter(|it| it.get("service").and_then(Node::text).map(last_name) == Some(service));
    for said in of_it.filter_map(|it| it.get("loadBalancers")) {
        let items = match &said.value {
            Value::List(items) => items.as_slice(),
            _ => std::slice::from_ref(said),
        };
        let Some(item) = items.first() else { continue };
        let text = |field: &str| item.get(field).and_then(Node::text);
        let Some(name) = text("targetGroupArn").map(last_name) else { continue };
        let Some(group) = around.load_balancing.target_groups.find(|it| it.name == name) else { continue };
        match &mut own {
            Some(own) if own.target_groups().any(|it| it == group) => {}
            Some(own) => own.others.push(group),
            None => {
                let name = text("containerName").unwrap_or_default().to_owned();
                let port = text("containerPort").and_then(|it| it.parse().ok()).unwrap_or_default();
                let first = ServiceLoadBalancer::of(group, name, port);
                own = Some(ServiceLoadBalancer { is_added_later: true, ..first });
            }
        }
    }
    own
}

/// `loadBalancers` of a service or of a task set, whose tasks run `definition`.
pub fn load_balancer(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    around: &Around<'_>,
    definition: Option<&TaskDefinition>,
) -> Option<ServiceLoadBalancer> {
    let load_balancing = around.load_balancing;
    let nodes = fields.list(reader, "loadBalancers");
    if let Some(second) = nodes.get(1) {
        reader.not_simulated(second.place, format!("a second target group of {}", fields.of));
    }
    let node = nodes.first()?;
    let of = format!("`loadBalancers` of {}", fields.of);
    let mut balancer = reader.fields(node, of.clone())?;
    let classic = balancer.take_entry("loadBalancerName");
    let target_group = match classic {
        Some(entry) => {
            balancer.take("targetGroupArn");
            classic_target_group(reader, &mut balancer, entry, load_balancing)
        }
        None => {
            balancer.required(reader, "targetGroupArn");
            balancer.reference(reader, "targetGroupArn", &load_balancing.target_group_names)
        }
    };
    balancer.required(reader, "containerName");
    let name_node = balancer.take("containerName");
    let name = name_node.and_then(|it| reader.text(What { field: "containerName", of: &of }, it));
    balancer.required(reader, "containerPort");
    let port_node = balancer.take("containerPort");
    let port = port_node.and_then(|it| reader.count(What { field: "containerPort", of: &of }, it, 1..=65_535));
    let alternate = alternate(reader, &mut balancer, around, (target_group, classic));
    balancer.finish(reader, &Shape::SERVICE_LOAD_BALANCER);
    let (definition, name, port) = (definition?, name?, port?);
    let container = definition.containers.iter().position(|it| it.name == name);
    let Some(container) = container else {
        let message = format!("{of} names container `{name}`, which `{}` does not have", definition.name());
        let names = listed(definition.containers.iter().map(|it| it.name.as_str()));
        let at = name_node.map_or(node.place, |it| it.place);
        reader.refuse(Problem::new(at, message).help(format!("it has {names}")));
        return None;
    };
    let mappings = &definition.containers[container].port_mappings;
    if mappings.iter().all(|it| u32::from(it.container_port) != port) {
        let message = format!("{of} names port {port}, which container `{name}` does not map");
        let ports: Vec<String> = mappings.iter().map(|it| it.container_port.to_string()).collect();
        let help = if ports.is_empty() {
            format!("add `portMappings: [{{containerPort: {port}}}]` to the container")
        } else {
            format!("it maps {}", ports.join(", "))
        };
        let at = port_node.map_or(node.place, |it| it.place);
        reader.refuse(Problem::new(at, message).help(help));
        return None;
    }
    let target_group = target_group?;
    if let Some(entry) = classic {
        let message = format!("{of} names a Classic Load Balancer, which tasks of `{}` cannot join", definition.name());
        let dynamic = mappings.iter().any(|it| u32::from(it.container_port) == port && it.host_port == 0);
        let help = match definition.network_mode {
            NetworkMode::Awsvpc => Some(
                "tasks in network mode `awsvpc`, as all of Fargate's, have addresses of their own, which only target groups of Application and Network Load Balancers can hold",
            ),
            NetworkMode::Bridge if dynamic => Some(
                "it needs a port that is the same on each instance: say `hostPort`, or use an Application Load Balancer, which takes dynamic ports",
            ),
            _ => None,
        };
        if let Some(help) = help {
            reader.refuse(Problem::new(entry.key_place, message).help(help));
            return None;
        }
    }
    if definition.network_mode == NetworkMode::Awsvpc && load_balancing.of_instances.contains(&target_group) {
        let group = &load_balancing.target_groups[target_group].name;
        let message = format!("{of}: tasks in network mode `awsvpc` cannot join target group `{group}`");
        let says = format!(
            "AWS says: InvalidParameterException: The provided target group {group} has target type instance, which is \
             incompatible with the awsvpc network mode specified in the task definition."
        );
        let problem = Problem::new(node.place, message).help(says);
        reader.refuse(problem.help("such a target group has `TargetType: ip`, or the tasks another network mode"));
    }
    let port = u16::try_from(port).unwrap_or(u16::MAX);
    Some(ServiceLoadBalancer { alternate, ..ServiceLoadBalancer::of(target_group, name.to_owned(), port) })
}
