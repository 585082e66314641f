//! `timeline`: what happens when.

use std::collections::{BTreeMap, BTreeSet};

use crate::aws::alarm::Alarm;
use crate::aws::auto_scaling_group::AutoScalingGroup;
use crate::aws::composite_alarm::CompositeAlarm;
use crate::aws::fargate::{FargateCapacity, RETIREMENT_WAIT_PERIOD};
use crate::aws::listener::Action;
use crate::aws::placement::PlacementConstraint;
use crate::aws::scaling_policy::ScalableTarget;
use crate::aws::service::ServiceDefinition;
use crate::aws::subnet::NetworkConfiguration;
use crate::scenario::alarms::AlarmsByName;
use crate::scenario::aws_fields::Shape;
use crate::scenario::capacity::{Bounds, Capacity, REGISTRATION_FAILURES, attributes, check_registration_failure};
use crate::scenario::fault::fault;
use crate::scenario::group_change::{KnownAlarms, group_change, interrupt_spot_instances, new_launch_template};
use crate::scenario::listener::{self, Listeners};
use crate::scenario::load_balancing::LoadBalancing;
use crate::scenario::mixed_instances::capacity_pool;
use crate::scenario::problem::{Place, Problem};
use crate::scenario::quantity;
use crate::scenario::reader::{Fields, Names, Reader, What, listed};
use crate::scenario::scaling::{ecs_only, suspended_state};
use crate::scenario::service::{self};
use crate::scenario::task_definition::TaskDefinitions;
use crate::scenario::task_set::change_of_task_set;
use crate::scenario::tree::{Entry, Node};
use crate::scenario::update_service::{new_definition, refuse_deployments_of_external, update_service};
use crate::scenario::{ContainerInstanceChange, PartOfTasks, SpotInterruption, TimelineChange, TimelineEntry};
use crate::table::{Id, Table};
use crate::units::{Instant, Span};

/// `stoppedReason` where `StopTask` is called without a `reason`.
const STOPPED_BY_USER: &str = "Task stopped by user";

const CHANGES: &[&str] = &[
    "updateService",
    "deploy",
    "createService",
    "deleteService",
    "createTaskSet",
    "updateTaskSet",
    "deleteTaskSet",
    "updateServicePrimaryTaskSet",
    "terminateInstances",
    "targetErrors",
    "stopTask",
    "registerScalableTarget",
    "updateAutoScalingGroup",
    "updateContainerInstancesState",
    "deregisterContainerInstances",
    "disconnectAgents",
    "putAttributes",
    "updateCapacityPool",
    "interruptSpotInstances",
    "availabilityZoneOutage",
    "impairInstances",
    "suspendProcesses",
    "resumeProcesses",
    "setInstanceProtection",
    "enterStandby",
    "exitStandby",
    "startInstanceRefresh",
    "cancelInstanceRefresh",
    "rollbackInstanceRefresh",
    "interruptFargateSpot",
    "fargateCapacityUnavailable",
    "retireFargateTasks",
    "failRegistration",
    "deleteImage",
    "deleteSecret",
    "deleteRole",
    "deleteInstanceProfile",
    "registryOutage",
    "slowRegistry",
    "slowContainerRuntime",
    "applicationCrashes",
    "slowDependency",
    "throttleCalls",
    "putAccountSetting",
    "modifyListener",
    "modifyRule",
];

/// What the timeline refers to.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// Task definitions.
    pub task_definitions: &'a TaskDefinitions,
    /// Groups.
    pub capacity: &'a Capacity,
    /// Services, as they stand when an entry of the timeline comes.
    pub services: &'a Table<ServiceDefinition>,
    /// How often services have been created again until then; those that never were are left out.
    pub lives: &'a BTreeMap<Id<ServiceDefinition>, u32>,
    /// Names of services.
    pub service_names: &'a Names<ServiceDefinition>,
    /// Load balancers and target groups.
    pub load_balancing: &'a LoadBalancing,
    /// Listeners.
    pub listeners: &'a Listeners,
    /// Names of alarms.
    pub alarms: &'a Names<Alarm>,
    /// Composite alarms.
    pub composite_alarms: &'a Table<CompositeAlarm>,
    /// The same and all others, as deployments watch them.
    pub alarms_by_name: AlarmsByName<'a>,
    /// Scalable targets.
    pub scalable_targets: &'a Table<ScalableTarget>,
    /// How long the run is.
    pub duration: Span,
}

/// What the timeline gives services that is not in their definitions.
#[derive(Default)]
pub struct NewConfigurations {
    /// Network configurations.
    pub networks: Table<NetworkConfiguration>,
    /// Placement constraints, one set each.
    pub placement_constraints: Table<Vec<PlacementConstraint>>,
}

/// The section `timeline`, and what it makes of the services, both in order of time; what falls on one instant stays in the file's order.
pub fn timeline(
    reader: &mut Reader<'_>,
    node: &Node,
    around: &Around<'_>,
    new: &mut NewConfigurations,
) -> (Vec<TimelineEntry>, Vec<UpdatedService>) {
    let mut nodes: Vec<&Node> = reader.list(What { field: "timeline", of: "the scenario" }, node).iter().collect();
    // Each entry is judged by the services as those before it have made them.
    nodes.sort_by_key(|it| time_of(it));
    let mut as_defined = around.services.clone();
    for service in as_defined.iter_mut() {
        service.load_balancer.take_if(|it| it.is_added_later);
    }
    let mut services = as_defined.clone();
    let mut updated = Vec::new();
    let mut deleted = BTreeSet::new();
    let mut lives = BTreeMap::new();
    let mut entries: Vec<(TimelineEntry, Place)> = Vec::new();
    for node in nodes {
        let around = Around { services: &services, lives: &lives, ..*around };
        let Some(entry) = entry(reader, node, &around, new) else { continue };
        take_over(&mut services, &entry.change, new);
        match entry.change {
            TimelineChange::DeleteService { service, .. } => {
                deleted.insert(service);
            }
            TimelineChange::CreateService { service } if deleted.remove(&service) => {
                services[service] = as_defined[service].clone();
                *lives.entry(service).or_default() += 1;
            }
            _ => {}
        }
        if let TimelineChange::UpdateService { service, .. } | TimelineChange::CreateService { service } = entry.change
        {
            updated.push(UpdatedService { at: entry.at, service, definition: services[service].clone() });
        }
        entries.push((entry, node.place));
    }
    refuse_second_creations(reader, &entries, around);
    check_group_sizes(reader, &entries, around);
    check_capacities(reader, &entries, around);
    (entries.into_iter().map(|(it, _)| it).collect(), updated)
}

/// When an item of the timeline comes. One without a sound time is refused in any case.
pub fn time_of(item: &Node) -> Option<Span> {
    quantity::span(item.get("at").and_then(Node::text).unwrap_or_default()).ok()
}

/// What a call of the timeline has made of a service's definition.
pub struct UpdatedService {
    /// From when on.
    pub at: Instant,
    /// Which.
    pub service: Id<ServiceDefinition>,
    /// As it is then.
    pub definition: ServiceDefinition,
}

/// What a change makes of the definition of its service, for the changes that come after it.
fn take_over(services: &mut Table<ServiceDefinition>, change: &TimelineChange, new: &NewConfigurations) {
    let TimelineChange::UpdateService {
        service,
        task_definition,
        desired_count,
        volume,
        load_balancer,
        minimum_healthy_percent,
        maximum_percent,
        deployment,
        placement_strategy,
        placement_constraints,
        capacity_provider_strategy,
        availability_zone_rebalancing,
        ..
    } = change
    else {
        return;
    };
    let it = &mut services[*service];
    it.task_definition = task_definition.unwrap_or(it.task_definition);
    it.desired_count = desired_count.unwrap_or(it.desired_count);
    it.minimum_healthy_percent = minimum_healthy_percent.unwrap_or(it.minimum_healthy_percent);
    it.maximum_percent = maximum_percent.unwrap_or(it.maximum_percent);
    it.availability_zone_rebalancing = availability_zone_rebalancing.unwrap_or(it.availability_zone_rebalancing);
    deployment.apply(&mut it.deployment);
    it.launch.volume = volume.unwrap_or(it.launch.volume);
    if let Some(load_balancer) = load_balancer {
        it.load_balancer.clone_from(load_balancer);
    }
    if let Some(strategy) = placement_strategy {
        it.launch.placement_strategy.clone_from(strategy);
    }
    if let Some(constraints) = placement_constraints {
        it.launch.placement_constraints.clone_from(&new.placement_constraints[*constraints]);
    }
    if let Some(strategy) = capacity_provider_strategy {
        it.launch.capacity_provider_strategy.clone_from(strategy);
    }
}

fn entry(
    reader: &mut Reader<'_>,
    node: &Node,
    around: &Around<'_>,
    new: &mut NewConfigurations,
) -> Option<TimelineEntry> {
    let mut fields = reader.fields(node, "an item of `timeline`")?;
    let at = fields.required_span(reader, "at");
    if let Some(at) = at.filter(|it| *it >= around.duration) {
        reader.note(format!("`timeline`: the change at {at} comes after the end of the run"));
    }
    let changes: Vec<_> = CHANGES.iter().filter_map(|it| Some((*it, fields.take_entry(it)?))).collect();
    let problems = reader.problems.len();
    fields.finish(reader, &Shape::OURS);
    let [(name, change)] = changes.as_slice() else {
        if reader.problems.len() == problems {
            let message = format!("an item of `timeline` has {} changes, not one", changes.len());
            let help = format!("beside `at` it has one of {}", listed(CHANGES.iter().copied()));
            reader.refuse(Problem::new(node.place, message).help(help));
        }
        return None;
    };
    let change = self::change(reader, name, change, around, new);
    if let (Some(at), Some(change)) = (at, &change) {
        note_what_does_nothing(reader, at, name, change);
        if let TimelineChange::RetireFargateTasks { notice, .. } = change
            && at < around.duration
            && at + *notice >= around.duration
        {
            reader.note(format!(
                "`timeline`: `{name}` at {at} has a `notice` of {notice}: the tasks are retired after the end of the run"
            ));
        }
    }
    Some(TimelineEntry { at: Instant(at?.0), change: change? })
}

/// Says of changes that hold for no time, or for no part of anything, that they do nothing.
fn note_what_does_nothing(reader: &mut Reader<'_>, at: Span, name: &str, change: &TimelineChange) {
    let (lasts, share) = match change {
        TimelineChange::TargetErrors { lasts, error_share, .. } => (*lasts, Some(("errorShare", *error_share))),
        TimelineChange::FargateCapacityUnavailable { lasts, .. } | TimelineChange::Fault { lasts, .. } => {
            (*lasts, None)
        }
        TimelineChange::ContainerInstances { change: ContainerInstanceChange::DisconnectAgent { lasts }, .. } => {
            (*lasts, None)
        }
        TimelineChange::InterruptFargateSpot(SpotInterruption { tasks: PartOfTasks::Share(share), .. }) => {
            (None, Some(("share", *share)))
        }
        _ => (None, None),
    };
    let why = if lasts == Some(Span::ZERO) {
        "it lasts no time".to_owned()
    } else if let Some((field, _)) = share.filter(|it| it.1 == 0.0) {
        format!("its `{field}` is 0")
    } else {
        return;
    };
    reader.note(format!("`timeline`: `{name}` at {at} does nothing: {why}"));
}

fn change(
    reader: &mut Reader<'_>,
    name: &str,
    entry: &Entry,
    around: &Around<'_>,
    new: &mut NewConfigurations,
) -> Option<TimelineChange> {
    let mut fields = reader.fields(&entry.node, format!("`{name}`"))?;
    match name {
        "updateService" => {
            let change = update_service(reader, &mut fields, around, new);
            fields.finish(reader, &Shape::UPDATE_SERVICE);
            change
        }
        "deploy" => {
            fields.required(reader, "service");
            let service = fields.reference(reader, "service", around.service_names);
            let node = fields.required(reader, "taskDefinition");
            refuse_deployments_of_external(reader, &fields, service, around);
            let task_definition = node.and_then(|it| new_definition(reader, it, "`deploy`", service, around));
            fields.finish(reader, &Shape::OURS);
            Some(TimelineChange::UpdateService {
                service: service?,
                task_definition: Some(task_definition?),
                desired_count: None,
                network: None,
                force_new_deployment: false,
                volume: None,
                load_balancer: None,
                minimum_healthy_percent: None,
                maximum_percent: None,
                health_check_grace_period: None,
                placement_strategy: None,
                placement_constraints: None,
                capacity_provider_strategy: None,
                availability_zone_rebalancing: None,
                deployment: Box::default(),
            })
        }
        "createService" => {
            fields.required(reader, "service");
            let service = fields.reference(reader, "service", around.service_names);
            fields.finish(reader, &Shape::OURS);
            Some(TimelineChange::CreateService { service: service? })
        }
        "deleteService" => {
            fields.required(reader, "service");
            let service = fields.reference(reader, "service", around.service_names);
            let force = fields.flag_or(reader, "force", false);
            fields.finish(reader, &Shape::OURS);
            Some(TimelineChange::DeleteService { service: service?, force })
        }
        "createTaskSet" | "updateTaskSet" | "deleteTaskSet" | "updateServicePrimaryTaskSet" => {
            let of_services = (around.services, around.service_names, around.lives);
            let of_task_sets = service::Around {
                task_definitions: around.task_definitions,
                capacity: around.capacity,
                load_balancing: around.load_balancing,
                listeners: around.listeners,
            };
            let (service, task_set, change) = change_of_task_set(reader, name, fields, of_services, &of_task_sets)?;
            Some(TimelineChange::TaskSet { service, task_set, change })
        }
        "terminateInstances" => {
            let auto_scaling_group = group(reader, &mut fields, around);
            let count = fields.required_count(reader, "count", 1..=5_000);
            fields.finish(reader, &Shape::OURS);
            Some(TimelineChange::TerminateInstances { auto_scaling_group: auto_scaling_group?, count: count? })
        }
        "targetErrors" => {
            let change = target_errors(reader, &mut fields, around);
            fields.finish(reader, &Shape::OURS);
            change
        }
        "stopTask" => {
            fields.required(reader, "service");
            let service = fields.reference(reader, "service", around.service_names);
            let tasks = fields.count_or(reader, "tasks", 1..=5_000, 1);
            let reason = fields.text(reader, "reason").unwrap_or(STOPPED_BY_USER).to_owned();
            fields.finish(reader, &Shape::OURS);
            Some(TimelineChange::StopTasks { service: service?, tasks, reason })
        }
        "updateContainerInstancesState" | "deregisterContainerInstances" | "disconnectAgents" | "putAttributes" => {
            container_instances(reader, name, fields, around)
        }
        "updateCapacityPool" => {
            let pool = capacity_pool(reader, fields, around.capacity);
            pool.map(TimelineChange::UpdateCapacityPool)
        }
        "interruptSpotInstances" => interrupt_spot_instances(reader, fields, around.capacity),
        "availabilityZoneOutage" => {
            fields.required(reader, "availabilityZone");
            let availability_zone = fields.reference(reader, "availabilityZone", &around.capacity.zone_names);
            let lasts = fields.span(reader, "for");
            fields.finish(reader, &Shape::OURS);
            Some(TimelineChange::AvailabilityZoneOutage { availability_zone: availability_zone?, lasts })
        }
        "interruptFargateSpot" => interrupt_fargate_spot(reader, fields, around),
        "fargateCapacityUnavailable" => {
            let [on_demand, spot] = FargateCapacity::ALL.map(|it| (it.provider_name(), it));
            fields.required(reader, "capacityProvider");
            let capacity = fields.word(reader, "capacityProvider", &[on_demand, spot]);
            let availability_zone = fields.reference(reader, "availabilityZone", &around.capacity.zone_names);
            let lasts = fields.span(reader, "for");
            fields.finish(reader, &Shape::OURS);
            Some(TimelineChange::FargateCapacityUnavailable { capacity: capacity?, availability_zone, lasts })
        }
        "retireFargateTasks" => retire_fargate_tasks(reader, fields, around),
        "failRegistration" => fail_registration(reader, fields, around),
        "deleteImage"
        | "deleteSecret"
        | "deleteRole"
        | "deleteInstanceProfile"
        | "registryOutage"
        | "slowRegistry"
        | "slowContainerRuntime"
        | "applicationCrashes"
        | "slowDependency"
        | "throttleCalls" => fault(reader, name, fields, around),
        "putAccountSetting" => put_account_setting(reader, fields),
        "registerScalableTarget" => register_scalable_target(reader, entry, fields, around),
        "modifyListener" | "modifyRule" => modify(reader, name, fields, around),
        "updateAutoScalingGroup" => {
            let auto_scaling_group = group(reader, &mut fields, around);
            let bounds = Bounds::of_group(reader, &mut fields, &entry.node);
            let known_group = auto_scaling_group.map(|it| &around.capacity.groups[it]);
            let launch_template = new_launch_template(reader, &mut fields, known_group, around.capacity);
            fields.finish(reader, &Shape::UPDATE_AUTO_SCALING_GROUP);
            Some(TimelineChange::UpdateAutoScalingGroup {
                auto_scaling_group: auto_scaling_group?,
                min_size: bounds.min,
                max_size: bounds.max,
                desired_capacity: bounds.desired,
                launch_template,
            })
        }
        _ => {
            let group = group(reader, &mut fields, around);
            let alarms = KnownAlarms { names: around.alarms, composite: around.composite_alarms };
            group_change(reader, name, fields, group, (around.capacity, alarms))
        }
    }
}

/// Instances that a group launches from then on do not register.
fn fail_registration(reader: &mut Reader<'_>, mut fields: Fields<'_>, around: &Around<'_>) -> Option<TimelineChange> {
    let auto_scaling_group = group(reader, &mut fields, around);
    let at = fields.place_of("cause");
    fields.required(reader, "cause");
    let failure = fields.word(reader, "cause", &REGISTRATION_FAILURES);
    let lasts = fields.span(reader, "for");
    let of = fields.of.clone();
    fields.finish(reader, &Shape::OURS);
    let (auto_scaling_group, failure) = (auto_scaling_group?, failure?);
    let definition = &around.capacity.groups[auto_scaling_group];
    let of = format!("instances of `{}` in {of}", definition.name);
    check_registration_failure(reader, at, &of, failure, &definition.instance_types);
    Some(TimelineChange::FailRegistration { auto_scaling_group, failure, lasts })
}

/// Account settings that change nothing that is simulated (`PutAccountSetting`).
const OTHER_ACCOUNT_SETTINGS: [&str; 9] = [
    "containerInsights",
    "containerInstanceLongArnFormat",
    "defaultLogDriverMode",
    "fargateFIPSMode",
    "fargateTaskRetirementWaitPeriod",
    "guardDutyActivate",
    "serviceLongArnFormat",
    "tagResourceAuthorization",
    "taskLongArnFormat",
];

/// `PutAccountSetting`.
fn put_account_setting(reader: &mut Reader<'_>, mut fields: Fields<'_>) -> Option<TimelineChange> {
    fields.required(reader, "name");
    let words = [("awsvpcTrunking", true)].into_iter().chain(OTHER_ACCOUNT_SETTINGS.map(|it| (it, false)));
    let at = fields.place_of("name");
    let is_trunking = fields.word(reader, "name", &words.collect::<Vec<_>>());
    fields.required(reader, "value");
    if is_trunking == Some(false) {
        fields.take("value");
        fields.take("principalArn");
        reader.not_simulated(at, format!("an account setting other than `awsvpcTrunking` in {}", fields.of));
        return None;
    }
    let values = [("enabled", true), ("disabled", false), ("on", true), ("off", false)];
    let is_enabled = fields.word(reader, "value", &values);
    // Whoever calls: there is one account here.
    fields.take("principalArn");
    fields.finish(reader, &Shape::OURS);
    is_trunking?;
    Some(TimelineChange::PutAwsvpcTrunking { is_enabled: is_enabled? })
}

/// New bounds of a scalable target, or what of its scaling is suspended.
fn register_scalable_target(
    reader: &mut Reader<'_>,
    entry: &Entry,
    mut fields: Fields<'_>,
    around: &Around<'_>,
) -> Option<TimelineChange> {
    let resource = fields.take("ResourceId");
    let node = fields.take("service").or(resource).or_else(|| fields.required(reader, "service"));
    let service =
        node.and_then(|it| reader.reference(What { field: "service", of: &fields.of }, it, around.service_names));
    let bounds = Bounds::of_scalable_target(reader, &mut fields, &entry.node);
    let suspended_state = suspended_state(reader, &mut fields);
    ecs_only(reader, &mut fields);
    fields.finish(reader, &Shape::SCALABLE_TARGET);
    let service = service?;
    let Some(target) = around.scalable_targets.find(|it| it.service == service) else {
        let name = &around.services[service].name;
        let problem = Problem::new(node?.place, format!("service `{name}` is no scalable target"));
        reader.refuse(problem.help(format!("add `scalableTargets: {{{name}: {{MinCapacity: 1, MaxCapacity: 10}}}}`")));
        return None;
    };
    Some(TimelineChange::RegisterScalableTarget {
        target,
        min_capacity: bounds.min,
        max_capacity: bounds.max,
        suspended_state,
    })
}

/// Which tasks on Fargate Spot are interrupted: so many, or a share; one where nothing is said.
fn interrupt_fargate_spot(
    reader: &mut Reader<'_>,
    mut fields: Fields<'_>,
    around: &Around<'_>,
) -> Option<TimelineChange> {
    let at = fields.place_of("service");
    let names_service = fields.has("service");
    let service = fields.reference(reader, "service", around.service_names);
    let availability_zone = fields.reference(reader, "availabilityZone", &around.capacity.zone_names);
    let share_place = fields.place_of("share");
    let (count, share) = (fields.count(reader, "count", 1..=5_000), fields.number(reader, "share", 0.0..=1.0));
    if count.is_some() && share.is_some() {
        let problem = Problem::new(share_place, format!("{} has a `count` and a `share`", fields.of));
        reader.refuse(problem.help("say how many tasks are interrupted, or which share of those that run"));
    }
    fields.finish(reader, &Shape::OURS);
    if names_service && service.is_none() {
        return None;
    }
    if let Some(service) = service.map(|it| &around.services[it])
        && !service
            .launch
            .capacity_provider_strategy
            .iter()
            .any(|it| around.capacity.providers[it.capacity_provider].fargate() == Some(FargateCapacity::Spot))
    {
        let problem = Problem::new(at, format!("service `{}` has no tasks on FARGATE_SPOT", service.name));
        reader.refuse(problem.help("only capacity of Spot is taken back: name FARGATE_SPOT in its strategy"));
        return None;
    }
    let tasks = share.map_or(PartOfTasks::Count(count.unwrap_or(1)), PartOfTasks::Share);
    Some(TimelineChange::InterruptFargateSpot(SpotInterruption { service, availability_zone, tasks }))
}

/// Which tasks on Fargate are retired, and how long after the notice.
fn retire_fargate_tasks(
    reader: &mut Reader<'_>,
    mut fields: Fields<'_>,
    around: &Around<'_>,
) -> Option<TimelineChange> {
    let at = fields.place_of("service");
    let names_service = fields.has("service");
    let service = fields.reference(reader, "service", around.service_names);
    let notice = fields.span_or(reader, "notice", RETIREMENT_WAIT_PERIOD);
    fields.finish(reader, &Shape::OURS);
    if names_service && service.is_none() {
        return None;
    }
    if let Some(service) = service.map(|it| &around.services[it])
        && !service.launch.capacity_provider_strategy.iter().any(|it| around.capacity.is_fargate(it.capacity_provider))
    {
        let problem = Problem::new(at, format!("service `{}` has no tasks on Fargate", service.name));
        reader.refuse(problem.help("container instances are drained by hand: `updateContainerInstancesState`"));
        return None;
    }
    Some(TimelineChange::RetireFargateTasks { service, notice })
}

/// What is done to container instances of a group by hand.
fn container_instances(
    reader: &mut Reader<'_>,
    name: &str,
    mut fields: Fields<'_>,
    around: &Around<'_>,
) -> Option<TimelineChange> {
    let auto_scaling_group = group(reader, &mut fields, around);
    let count = fields.required_count(reader, "count", 1..=5_000);
    let zone = fields.reference(reader, "availabilityZone", &around.capacity.zone_names);
    let change = match name {
        "updateContainerInstancesState" => {
            fields.required(reader, "status");
            let is_drain = fields.word(reader, "status", &[("DRAINING", true), ("ACTIVE", false)]);
            is_drain.map(|it| if it { ContainerInstanceChange::Drain } else { ContainerInstanceChange::Activate })
        }
        "deregisterContainerInstances" => Some(ContainerInstanceChange::Deregister),
        "disconnectAgents" => Some(ContainerInstanceChange::DisconnectAgent { lasts: fields.span(reader, "for") }),
        _ => {
            fields.required(reader, "attributes");
            Some(ContainerInstanceChange::PutAttributes(attributes(reader, &mut fields)))
        }
    };
    fields.finish(reader, &Shape::OURS);
    Some(TimelineChange::ContainerInstances {
        auto_scaling_group: auto_scaling_group?,
        count: count?,
        availability_zone: zone,
        change: change?,
    })
}

/// New actions of a listener's default rule, or of another one: the listener by its ARN, or by load balancer and port; the
/// rule by its ARN, or by listener and priority.
fn modify(reader: &mut Reader<'_>, name: &str, mut fields: Fields<'_>, around: &Around<'_>) -> Option<TimelineChange> {
    let listeners = around.listeners;
    let is_rule = name == "modifyRule";
    let by_rule_arn = if is_rule { fields.text(reader, "RuleArn") } else { None };
    let by_arn = fields.text(reader, "ListenerArn");
    let balancer = fields.reference(reader, "loadBalancer", &around.load_balancing.load_balancer_names);
    let port_place = fields.place_of("port");
    let port = fields.count(reader, "port", 1..=65_535).and_then(|it| u16::try_from(it).ok());
    let listener = match (by_rule_arn, by_arn, balancer) {
        (Some(_), ..) => {
            listeners.table.find(|it| it.rules.iter().any(|rule| listeners.rules[*rule].arn.as_deref() == by_rule_arn))
        }
        (None, Some(arn), _) => listeners.table.find(|it| it.arn.as_deref() == Some(arn)),
        (None, None, Some(balancer)) => {
            let name = &around.load_balancing.load_balancers[balancer].name;
            Some(listeners.on_port(reader, balancer, name, (port, port_place, &fields.of))?)
        }
        (None, None, None) if fields.has("loadBalancer") => return None,
        (None, None, None) => {
            fields.required(reader, "loadBalancer");
            return None;
        }
    };
    let Some(listener) = listener else {
        let field = if by_rule_arn.is_some() { "RuleArn" } else { "ListenerArn" };
        let problem =
            Problem::new(fields.place_of(field), format!("`{field}` of {} is of no listener here", fields.of));
        reader.refuse(problem.help("name the load balancer and the port: `loadBalancer: NAME`, `port: 443`"));
        return None;
    };
    let row = &listeners.table[listener];
    let rule = if let Some(arn) = by_rule_arn {
        row.rules.iter().copied().find(|it| listeners.rules[*it].arn.as_deref() == Some(arn))
    } else {
        let priority = if is_rule {
            fields.required(reader, "Priority");
            fields.parsed(reader, "Priority", listener::priority)?
        } else {
            None
        };
        row.rules.iter().copied().find(|it| listeners.rules[*it].priority == priority)
    };
    let field = if is_rule { "Actions" } else { "DefaultActions" };
    let node = fields.required(reader, field);
    let what = What { field, of: &fields.of };
    let action = node.and_then(|it| listener::action(reader, what, it, row.load_balancer, around.load_balancing));
    let Some(rule) = rule else {
        let known: Vec<String> =
            row.rules.iter().filter_map(|it| listeners.rules[*it].priority).map(|it| it.to_string()).collect();
        let message = format!("{} is for a rule that listener {} does not have", fields.of, row.port);
        let help = match known.is_empty() {
            true => "it has its default rule only, which `modifyListener` changes".to_owned(),
            false => format!("its rules have the priorities {}", listed(known.iter().map(String::as_str))),
        };
        reader.refuse(Problem::new(fields.place_of("Priority"), message).help(help));
        return None;
    };
    let (place, of) = (fields.place, fields.of.clone());
    fields.finish(reader, &Shape::OURS);
    let action = action?;
    if matches!(action, Action::Redirect(_)) || matches!(listeners.rules[rule].action, Action::Redirect(_)) {
        reader.not_simulated(place, format!("{of} to or from a redirect"));
        return None;
    }
    Some(TimelineChange::ModifyRule { rule, action })
}

fn group(reader: &mut Reader<'_>, fields: &mut Fields<'_>, around: &Around<'_>) -> Option<Id<AutoScalingGroup>> {
    let aws_name = fields.take("autoScalingGroupName");
    let node = fields.take("autoScalingGroup").or(aws_name).or_else(|| fields.required(reader, "autoScalingGroup"));
    reader.reference(What { field: "autoScalingGroup", of: &fields.of }, node?, &around.capacity.group_names)
}

/// A service that the timeline creates is not there before; it is created again only after it was deleted.
fn refuse_second_creations(reader: &mut Reader<'_>, entries: &[(TimelineEntry, Place)], around: &Around<'_>) {
    let mut is_there: BTreeMap<Id<ServiceDefinition>, bool> = BTreeMap::new();
    for (entry, place) in entries {
        match entry.change {
            TimelineChange::DeleteService { service, .. } => {
                is_there.insert(service, false);
            }
            TimelineChange::CreateService { service } => {
                let name = &around.services[service].name;
                if is_there.insert(service, true) == Some(true) {
                    let message = format!("service `{name}` is created more than once");
                    let help =
                        "delete it before by `deleteService`, or describe the second one under a name of its own";
                    reader.refuse(Problem::new(*place, message).help(help));
                }
            }
            _ => {}
        }
    }
}

fn target_errors(reader: &mut Reader<'_>, fields: &mut Fields<'_>, around: &Around<'_>) -> Option<TimelineChange> {
    fields.required(reader, "service");
    let service = fields.reference(reader, "service", around.service_names);
    let at = fields.place_of("service");
    let tasks = fields.count_or(reader, "tasks", 1..=5_000, 1);
    let error_share = fields.number_or(reader, "errorShare", 0.0..=1.0, 1.0);
    let lasts = fields.span(reader, "for");
    let service = service?;
    if around.services[service].load_balancer.is_none() {
        let name = &around.services[service].name;
        let problem = Problem::new(at, format!("service `{name}` has no load balancer, so no targets that could fail"));
        reader.refuse(problem.help("`targetErrors` needs a service with `loadBalancers`"));
        return None;
    }
    Some(TimelineChange::TargetErrors { service, tasks, error_share, lasts })
}

/// Nor must bounds of scalable targets.
fn check_capacities(reader: &mut Reader<'_>, entries: &[(TimelineEntry, Place)], around: &Around<'_>) {
    let mut bounds: Vec<(u32, u32)> =
        around.scalable_targets.iter().map(|it| (it.min_capacity, it.max_capacity)).collect();
    for (entry, place) in entries {
        let TimelineChange::RegisterScalableTarget { target, min_capacity, max_capacity, .. } = entry.change else {
            continue;
        };
        let row = &mut bounds[target.index()];
        *row = (min_capacity.unwrap_or(row.0), max_capacity.unwrap_or(row.1));
        if row.0 > row.1 {
            let name = &around.services[around.scalable_targets[target].service].name;
            let message =
                format!("at {} service `{name}` would have at least {} and at most {}", entry.at, row.0, row.1);
            reader.refuse(Problem::new(*place, message).help("give both `MinCapacity` and `MaxCapacity`"));
        }
    }
}

/// Sizes of groups must not contradict each other at any time.
fn check_group_sizes(reader: &mut Reader<'_>, entries: &[(TimelineEntry, Place)], around: &Around<'_>) {
    let mut sizes: Vec<(u32, u32)> = around.capacity.groups.iter().map(|it| (it.min_size, it.max_size)).collect();
    for (entry, place) in entries {
        let TimelineChange::UpdateAutoScalingGroup { auto_scaling_group, min_size, max_size, desired_capacity, .. } =
            entry.change
        else {
            continue;
        };
        let size = &mut sizes[auto_scaling_group.index()];
        *size = (min_size.unwrap_or(size.0), max_size.unwrap_or(size.1));
        let name = &around.capacity.groups[auto_scaling_group].name;
        let (min, max) = *size;
        if min > max {
            let message = format!("at {} the group `{name}` would have at least {min} and at most {max}", entry.at);
            reader.refuse(Problem::new(*place, message));
        } else if desired_capacity.is_some_and(|it| !(min..=max).contains(&it)) {
            let message =
                format!("at {} the desired capacity of `{name}` would lie outside of {min} to {max}", entry.at);
            reader.refuse(Problem::new(*place, message));
        }
    }
}
