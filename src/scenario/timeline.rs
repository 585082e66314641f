//! `timeline`: what happens when.

use crate::aws::alarm::Alarm;
use crate::aws::auto_scaling_group::AutoScalingGroup;
use crate::aws::capacity_provider::CapacityProviderStrategyItem;
use crate::aws::composite_alarm::CompositeAlarm;
use crate::aws::deployment::DeploymentController;
use crate::aws::fargate::{FargateCapacity, RETIREMENT_WAIT_PERIOD};
use crate::aws::launch::Launch;
use crate::aws::listener::Action;
use crate::aws::placement::PlacementConstraint;
use crate::aws::scaling_policy::ScalableTarget;
use crate::aws::service::{SchedulingStrategy, ServiceDefinition};
use crate::aws::subnet::NetworkConfiguration;
use crate::aws::task_definition::{TaskDefinition, Volume, VolumeKind};
use crate::aws::volume::EbsVolume;
use crate::scenario::alarms::AlarmsByName;
use crate::scenario::aws_fields::Shape;
use crate::scenario::capacity::{Bounds, Capacity, REGISTRATION_FAILURES, attributes, check_registration_failure};
use crate::scenario::container::client_exception;
use crate::scenario::deployment::{SaidDeployment, check_strategy, deployment_configuration};
use crate::scenario::fargate::refuse_on_fargate;
use crate::scenario::fault::fault;
use crate::scenario::group_change::{KnownAlarms, group_change, interrupt_spot_instances, new_launch_template};
use crate::scenario::launch::{invalid_parameter_exception, platform_versions, volume_configurations};
use crate::scenario::listener::{self, Listeners};
use crate::scenario::load_balancing::LoadBalancing;
use crate::scenario::mixed_instances::capacity_pool;
use crate::scenario::placement::{new_placement, refuse_too_many_constraints};
use crate::scenario::problem::{Place, Problem};
use crate::scenario::reader::{Fields, Names, Reader, What, listed};
use crate::scenario::scaling::{ecs_only, suspended_state};
use crate::scenario::service::{
    self, new_rebalancing, note_bounds_without_a_move, refuse_desired_count_of_daemon,
    refuse_early_success_below_minimum, refuse_maximum_of_daemon,
};
use crate::scenario::task_definition::TaskDefinitions;
use crate::scenario::task_set::change_of_task_set;
use crate::scenario::tree::{Entry, Node};
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
pub struct Around<'a> {
    /// Task definitions.
    pub task_definitions: &'a TaskDefinitions,
    /// Groups.
    pub capacity: &'a Capacity,
    /// Services.
    pub services: &'a Table<ServiceDefinition>,
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

/// The section `timeline`, in order of time; what falls on one instant stays in the file's order.
pub fn timeline(
    reader: &mut Reader<'_>,
    node: &Node,
    around: &Around<'_>,
    new: &mut NewConfigurations,
) -> Vec<TimelineEntry> {
    let nodes = reader.list(What { field: "timeline", of: "the scenario" }, node);
    let mut entries: Vec<(TimelineEntry, Place)> = Vec::new();
    for node in nodes {
        entries.extend(entry(reader, node, around, new).map(|it| (it, node.place)));
    }
    entries.sort_by_key(|(it, _)| it.at);
    refuse_second_creations(reader, &entries, around);
    check_group_sizes(reader, &entries, around);
    check_capacities(reader, &entries, around);
    entries.into_iter().map(|(it, _)| it).collect()
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
            let of_services = (around.services, around.service_names);
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

fn update_service(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    around: &Around<'_>,
    new: &mut NewConfigurations,
) -> Option<TimelineChange> {
    fields.required(reader, "service");
    let service = fields.reference(reader, "service", around.service_names);
    refuse_changes_under_code_deploy(reader, fields, service, around);
    let node = fields.take("taskDefinition");
    let brings_volume = fields.has("volumeConfigurations");
    let task_definition =
        node.and_then(|it| new_definition_beside(reader, it, "`updateService`", service, around, brings_volume));
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
    let (is_other_revision, volume) = new_deployment.unwrap_or_default();
    let force_new_deployment = fields.flag_or(reader, "forceNewDeployment", false) || is_other_revision;
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
        volume,
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

/// What else of `UpdateService` begins a deployment: whether something does, and the EBS volume that its tasks get.
///
/// *UpdateService* in the API's reference (2026): `loadBalancers`, `platformVersion` and `volumeConfigurations` trigger one even where
/// they say what holds already.
fn new_revision(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    service: Id<ServiceDefinition>,
    task_definition: Option<Id<TaskDefinition>>,
    around: &Around<'_>,
) -> Option<(bool, Option<EbsVolume>)> {
    let definition = &around.services[service];
    let name = &definition.name;
    let runs = &around.task_definitions.table[task_definition.unwrap_or(definition.task_definition)];
    let is_daemon = definition.scheduling_strategy == SchedulingStrategy::Daemon;
    let mut is_other = false;
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
        let at = fields.place_of_key("loadBalancers");
        let problems = reader.problems.len();
        let of_services = service::Around {
            task_definitions: around.task_definitions,
            capacity: around.capacity,
            load_balancing: around.load_balancing,
            listeners: around.listeners,
        };
        let said = service::load_balancer(reader, fields, &of_services, Some(runs));
        if reader.problems.len() == problems && said != definition.load_balancer {
            let message =
                format!("another target group, container or port in `loadBalancers` of {} (`{name}`)", fields.of);
            reader.not_simulated(at, message);
        }
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
        volume = volume_configurations(reader, fields, Some(runs));
    } else {
        fields.take("volumeConfigurations");
    }
    Some((is_other, volume))
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

/// A service that the timeline creates is not there before; it is created once.
fn refuse_second_creations(reader: &mut Reader<'_>, entries: &[(TimelineEntry, Place)], around: &Around<'_>) {
    let mut created: Vec<Id<ServiceDefinition>> = Vec::new();
    for (entry, place) in entries {
        let TimelineChange::CreateService { service } = entry.change else { continue };
        if created.contains(&service) {
            let name = &around.services[service].name;
            let problem = Problem::new(*place, format!("service `{name}` is created more than once"));
            reader.refuse(problem.help("describe the second one under a name of its own"));
        }
        created.push(service);
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

/// A task definition that a service is to run from now on: it must still have the container that serves.
pub fn new_definition(
    reader: &mut Reader<'_>,
    node: &Node,
    of: &str,
    service: Option<Id<ServiceDefinition>>,
    around: &Around<'_>,
) -> Option<Id<TaskDefinition>> {
    new_definition_beside(reader, node, of, service, around, false)
}

/// The same where the call says as well what EBS volumes tasks get, or does not.
fn new_definition_beside(
    reader: &mut Reader<'_>,
    node: &Node,
    of: &str,
    service: Option<Id<ServiceDefinition>>,
    around: &Around<'_>,
    brings_volume: bool,
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
    if let Some(volume) = new.volumes.iter().find(is_new).filter(|_| !brings_volume) {
        let message = format!("`{}` cannot replace `{}` in service `{}`", new.name(), old.name(), service.name);
        let help = format!("`volumeConfigurations` of the service does not say what its volume `{}` is", volume.name);
        reader.refuse(Problem::new(node.place, message).help(help));
        return None;
    }
    let Some(balancer) = &service.load_balancer else { return Some(id) };
    let serving = &old.containers[balancer.container].name;
    let port = balancer.container_port;
    let position = new.containers.iter().position(|it| it.name == *serving);
    let maps_port = |at: usize| new.containers[at].port_mappings.iter().any(|it| it.container_port == port);
    match position {
        Some(at) if !maps_port(at) => {
            let message = format!("`{}` cannot replace `{}` in service `{}`", new.name(), old.name(), service.name);
            let help = format!(
                "the load balancer sends requests to port {port} of container `{serving}`, which it does not map"
            );
            reader.refuse(Problem::new(node.place, message).help(help));
            None
        }
        Some(at) if at == balancer.container => Some(id),
        Some(_) => {
            reader.not_simulated(
                node.place,
                format!("a revision with its containers in another order (`{}`)", new.name()),
            );
            None
        }
        None => {
            let message = format!("`{}` cannot replace `{}` in service `{}`", new.name(), old.name(), service.name);
            let names = listed(new.containers.iter().map(|it| it.name.as_str()));
            let help = format!("the load balancer sends requests to container `{serving}`; it has {names}");
            reader.refuse(Problem::new(node.place, message).help(help));
            None
        }
    }
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
