//! A scenario file as a whole: its sections in the order in which they need each other, and its variants.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::aws::auto_scaling_group::AutoScalingGroup;
use crate::aws::capability;
use crate::aws::launch::Launch;
use crate::aws::placement::{PORTS_MAXIMUM, PlacementConstraint, Reason};
use crate::aws::run_task::{Overrides, RunTask};
use crate::aws::scaling_policy::ScalableTarget;
use crate::aws::service::{ServiceDefinition, deployment_bounds};
use crate::aws::task_definition::{NetworkMode, Reservation, TaskDefinition};
use crate::scenario::alarms::AlarmsByName;
use crate::scenario::application::Applications;
use crate::scenario::aws_fields::Shape;
use crate::scenario::capacity::Capacity;
use crate::scenario::deployment::link_alarms;
use crate::scenario::event_bridge::Buckets;
use crate::scenario::fargate::{FargateDemand, TasksAtOnce, note_fargate};
use crate::scenario::fault::missing;
use crate::scenario::group_change::group_scheduled_actions;
use crate::scenario::launch::TaskGroups;
use crate::scenario::listener::Listeners;
use crate::scenario::load_balancing::LoadBalancing;
use crate::scenario::metric::{self, Watchable};
use crate::scenario::mixed_instances::capacity_pools;
use crate::scenario::pipeline::Pipelines;
use crate::scenario::placement::{
    for_attributes_only, meets, meets_as, note_unknown_attributes, note_unmet_attributes,
};
use crate::scenario::problem::{Problem, Problems, Severity};
use crate::scenario::reader::{BASE, Fields, Open, Reader, SCENARIO, What};
use crate::scenario::record::Record;
use crate::scenario::registry::pull_quotas;
use crate::scenario::run_task::Demands;
use crate::scenario::scaling::{Scaling, ScalingSections, unix_seconds};
use crate::scenario::start_task::start_tasks;
use crate::scenario::task_definition::TaskDefinitions;
use crate::scenario::tree::{Entry, Node, Value, is_same_field};
use crate::scenario::upkeep::attach_target_groups;
use crate::scenario::{
    Assumptions, Scenario, TimelineChange, TimelineEntry, assumption, event_bridge, expectation, files, patch, price,
    run_task, sections, service, timeline, workload,
};
use crate::table::{Id, Table};
use crate::units::{Instant, Span};
use crate::workload::task_calls::{RunTime, TaskCalls};

/// One file's worth: its variants, and what was noticed.
#[derive(Clone, Debug)]
pub struct Story {
    /// The variants, `base` first, then in the file's order.
    pub variants: Vec<Scenario>,
    /// How many replications the file asks for; 1 where it does not say.
    pub replications: u32,
    /// Remarks.
    pub notes: Vec<String>,
    /// Every file that was read, as read, the scenario first.
    pub inputs: Vec<(PathBuf, Vec<u8>)>,
    /// What AWS knows and would change the result, and is not simulated yet. Sound, but not to be run.
    pub unsupported: Problems,
}

/// A Monday: when a run begins where its file does not say.
const USUAL_START: &str = "2026-01-05T00:00:00Z";
const USUAL_START_SECOND: i64 = 1_767_571_200;

/// Reads a scenario file and everything it names through `open`; or says everything that is wrong with them.
pub fn read(path: &Path, open: Open<'_>) -> Result<Story, Problems> {
    read_and_look(path, open, None)
}

/// Looks at the unpatched tree of a file, at its `variants`, and at what was asked of both.
pub type Look<'l> = &'l mut dyn FnMut(&Node, Option<&Node>, &Record);

/// As [`read`], with a look at the tree on the way.
pub fn read_and_look(path: &Path, open: Open<'_>, look: Option<Look<'_>>) -> Result<Story, Problems> {
    let mut reader = Reader::new(open);
    // Who looks at what is asked may be about to find out where fields belong.
    reader.says_where_fields_belong = look.is_none();
    let story = files::load(&mut reader, path).and_then(|it| read_tree(&mut reader, it, path, look));
    let variants: Vec<&str> = reader.variants.iter().map(String::as_str).collect();
    let mut notes = reader.remarks(&variants);
    for (shape, fields) in &reader.accepted {
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        notes.push(format!("accepted without effect ({shape}): {}", fields.join(", ")));
    }
    match story {
        Some((variants, replications)) if reader.problems.is_empty() => Ok(Story {
            variants,
            replications,
            notes,
            inputs: reader.inputs,
            unsupported: Problems::new(Severity::Warning, reader.unsupported, reader.files),
        }),
        _ => {
            let mut problems = Problems::new(Severity::Error, reader.problems, reader.files);
            problems.notes = notes;
            Err(problems)
        }
    }
}

fn read_tree(reader: &mut Reader<'_>, root: Node, path: &Path, look: Option<Look<'_>>) -> Option<(Vec<Scenario>, u32)> {
    if root.value == Value::Null {
        let problem = Problem::new(root.place, "the file is empty");
        reader.refuse(problem.help("a scenario has at least a `duration`, as in `duration: 1h`"));
        return None;
    }
    let Value::Map(_) = root.value else {
        let problem =
            Problem::new(root.place, "a scenario must be a map of sections").label(format!("found {}", root.kind()));
        reader.refuse(problem);
        return None;
    };
    let name = path.file_stem().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
    let description = leading_comment(&reader.files[0].text);
    let (root, variants) = without(root, "variants");
    reader.has_variants = variants.is_some();
    variants.iter().for_each(|it| note_fields(it, &mut reader.varied_fields));
    let root = sections::normalised(reader, root);
    let mut read = Vec::new();
    reader.record = look.is_some().then(Record::default);
    let complete = sections::completed(root.clone());
    let base = decode(reader, &complete, Named { scenario: &name, variant: BASE, comment: &description });
    let replications = replications(reader, &complete);
    read.extend(base);
    let patches = read_variants(reader, variants.as_ref());
    if let (Some(record), Some(look)) = (reader.record.take(), look) {
        look(&complete, variants.as_ref(), &record);
    }
    for variant in patches {
        reader.variant = Some(variant.name.clone());
        // Each variant says for itself whether it is meant to fail.
        let (plain, _) = without(root.clone(), "expectFailure");
        let patched = sections::normalised(reader, patch::merge(plain, &variant.patch));
        let named = Named { scenario: &name, variant: &variant.name, comment: &description };
        if let Some(mut scenario) = decode(reader, &sections::completed(patched), named) {
            scenario.expect_failure |= variant.expect_failure;
            if let Some(description) = variant.description {
                scenario.description = description;
            }
            read.push(scenario);
        }
    }
    reader.variant = None;
    Some((read, replications))
}

/// The names of all fields in a tree.
fn note_fields(node: &Node, fields: &mut BTreeSet<String>) {
    match &node.value {
        Value::Map(entries) => {
            for entry in entries {
                fields.insert(entry.key.clone());
                note_fields(&entry.node, fields);
            }
        }
        Value::List(items) => items.iter().for_each(|it| note_fields(it, fields)),
        Value::Null | Value::Scalar { .. } | Value::Unread => {}
    }
}

/// A map without one of its entries, and that entry's value.
fn without(node: Node, key: &str) -> (Node, Option<Node>) {
    let Value::Map(mut entries) = node.value else { return (node, None) };
    let at = entries.iter().position(|it| is_same_field(&it.key, key));
    let taken = at.map(|it| entries.remove(it).node);
    (Node { place: node.place, value: Value::Map(entries) }, taken)
}

struct Variant {
    name: String,
    patch: Node,
    expect_failure: bool,
    description: Option<String>,
}

fn read_variants(reader: &mut Reader<'_>, node: Option<&Node>) -> Vec<Variant> {
    let Some(node) = node else { return Vec::new() };
    let entries = reader.entries(What { field: "variants", of: "the scenario" }, node);
    let mut variants = Vec::new();
    for entry in entries {
        let is_sound = entry.key.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_' | b'.'));
        if !is_sound || entry.key.is_empty() || entry.key.starts_with('.') || entry.key.len() > 100 {
            let problem = Problem::new(entry.key_place, format!("a variant cannot be called `{}`", entry.key));
            reader.refuse(problem.help("it names a folder of results: letters, digits, `-`, `_` and `.` within"));
        }
        if entry.key == BASE {
            let problem = Problem::new(entry.key_place, format!("a variant cannot be called `{BASE}`"));
            reader.refuse(problem.help("that is the file without any patch"));
        }
        let Some(mut fields) = reader.fields(&entry.node, format!("variant `{}`", entry.key)) else { continue };
        let patch = fields.required(reader, "patch");
        let expect_failure = fields.flag_or(reader, "expectFailure", false);
        let description = fields.text(reader, "description").map(str::to_owned);
        fields.finish(reader, &Shape::OURS);
        let Some(patch) = patch else { continue };
        let Value::Map(changes) = &patch.value else {
            let problem = Problem::new(patch.place, format!("`patch` of variant `{}` must be a map", entry.key));
            reader.refuse(problem.label(format!("found {}", patch.kind())));
            continue;
        };
        if let Some(nested) = changes.iter().find(|it| matches!(it.key.as_str(), "variants" | "replications")) {
            let message = format!("`patch` of variant `{}` cannot change `{}`", entry.key, nested.key);
            reader.refuse(Problem::new(nested.key_place, message).help("that belongs to the file as a whole"));
            continue;
        }
        variants.push(Variant { name: entry.key.clone(), patch: patch.clone(), expect_failure, description });
    }
    variants
}

fn replications(reader: &mut Reader<'_>, root: &Node) -> u32 {
    let node = root.get("replications").filter(|it| it.value != Value::Null);
    let what = What { field: "replications", of: SCENARIO };
    node.and_then(|it| reader.count(what, it, 1..=10_000)).unwrap_or(1)
}

/// The comment that a file begins with, without its marks; lines that are not parted by an empty one are one paragraph.
fn leading_comment(text: &str) -> String {
    let lines = text.lines().skip_while(|it| it.trim().is_empty()).take_while(|it| it.starts_with('#'));
    let lines: Vec<&str> = lines
        .map(|it| it.trim_start_matches('#').trim())
        .filter(|it| !it.starts_with("yaml-language-server:"))
        .collect();
    let paragraphs: Vec<String> = lines.split(|it| it.is_empty()).map(|it| it.join(" ")).collect();
    paragraphs.join("\n\n").trim().to_owned()
}

/// What a variant is called.
#[derive(Clone, Copy)]
struct Named<'a> {
    scenario: &'a str,
    variant: &'a str,
    comment: &'a str,
}

fn decode(reader: &mut Reader<'_>, root: &Node, named: Named<'_>) -> Option<Scenario> {
    reader.variants.push(named.variant.to_owned());
    let mut fields = reader.fields(root, SCENARIO)?;
    fields.usual(reader, "replications", &1);
    fields.take("replications");
    let description = fields.text(reader, "description").map_or(named.comment, str::trim).to_owned();
    let duration_node = fields.required(reader, "duration");
    let duration = duration(reader, duration_node);
    fields.usual(reader, "start", USUAL_START);
    let start_unix_seconds = fields.parsed(reader, "start", unix_seconds).unwrap_or(USUAL_START_SECOND);
    let begins_settled = fields.word_or(reader, "begin", &[("settled", true), ("cold", false)], true);
    // Without a duration the rest is read as if there were one, so that its mistakes are told as well.
    let length = duration.unwrap_or(Span::seconds(3_600));
    let instance_types = section(reader, &mut fields, "instanceTypes");
    let groups = section(reader, &mut fields, "autoScalingGroups");
    let providers = section(reader, &mut fields, "capacityProviders");
    let cluster = fields.map(reader, "cluster");
    let mut capacity = Capacity::read(reader, cluster, instance_types, groups, providers);
    let first_zone = capacity.zones.iter().next().map_or("", |it| it.name.as_str());
    let prices = price::prices(reader, &mut fields, first_zone, &capacity.instance_type_names());
    capacity.take_prices(reader, &prices);
    if let Some(timeline) = root.get("timeline") {
        capacity.expect_types_of(timeline);
    }
    let capacity_pools = capacity_pools(reader, fields.take("capacityPools"), &capacity);
    let load_balancers = section(reader, &mut fields, "loadBalancers");
    let target_groups = section(reader, &mut fields, "targetGroups");
    let mut load_balancing = LoadBalancing::read(reader, load_balancers, target_groups, &capacity);
    let attached = std::mem::take(&mut capacity.attached);
    let known = (&load_balancing.target_groups, &load_balancing.target_group_names);
    attach_target_groups(reader, &mut capacity.groups, &attached, known);
    let mut listeners = Listeners::read(reader, load_balancers, &load_balancing);
    load_balancing.shake_hands(load_balancers, &listeners.table);
    let application_entries = section(reader, &mut fields, "applications");
    let entries = repeatable_section(reader, &mut fields, "taskDefinitions");
    let mut applications = Applications::new(application_entries);
    applications.has_unread_containers = reader.unread_sections.contains("taskDefinitions");
    let task_definitions = TaskDefinitions::read(reader, entries, &mut applications);
    applications.check_used(reader);
    let fields_of_missing = fields.map(reader, "missing");
    let entries = section(reader, &mut fields, "registries");
    let pull_quotas = pull_quotas(reader, entries, &task_definitions.table);
    let missing = missing(reader, fields_of_missing, &task_definitions.table, &capacity);
    let around = service::Around {
        task_definitions: &task_definitions,
        capacity: &capacity,
        load_balancing: &load_balancing,
        listeners: &listeners,
    };
    let service_entries = section(reader, &mut fields, "services");
    let mut task_groups = TaskGroups::default();
    let mut new = timeline::NewConfigurations::default();
    let with_task_sets = (root.get("timeline"), &mut new.networks);
    let (services, names) = service::services(reader, service_entries, &around, &mut task_groups, with_task_sets);
    listeners.forward_to_both(&services);
    let entries = section(reader, &mut fields, "runTasks");
    let clock = (start_unix_seconds, length);
    let mut demands = Demands::default();
    let mut around = run_task::Around {
        task_definitions: &task_definitions,
        capacity: &capacity,
        duration: length,
        task_groups: &mut task_groups,
    };
    run_task::run_tasks(reader, entries, &mut around, &mut demands);
    let entries = section(reader, &mut fields, "startTasks");
    start_tasks(reader, entries, &mut around, &mut demands);
    let entries = section(reader, &mut fields, "buckets");
    let mut buckets = Buckets::read(reader, entries, length);
    let entries = section(reader, &mut fields, "rules");
    event_bridge::rules(reader, entries, &mut around, clock, &mut buckets, &mut demands);
    buckets.note_unheard(reader);
    let entries = section(reader, &mut fields, "schedules");
    event_bridge::schedules(reader, entries, &mut around, clock, &mut demands);
    let Demands { table: run_tasks, calls: task_calls, .. } = demands;
    let entries = section(reader, &mut fields, "groupScheduledActions");
    let group_scheduled_actions = group_scheduled_actions(reader, entries, &capacity, clock);
    let scaling_sections = ScalingSections {
        targets: section(reader, &mut fields, "scalableTargets"),
        alarms: section(reader, &mut fields, "alarms"),
        policies: section(reader, &mut fields, "scalingPolicies"),
        scheduled_actions: section(reader, &mut fields, "scheduledActions"),
    };
    let metrics = section(reader, &mut fields, "metrics");
    let composite_alarms = section(reader, &mut fields, "compositeAlarms");
    let assumptions = assumption::assumptions(reader, &mut fields);
    let supplied = metric::supplied_metrics(reader, metrics, length, assumptions.supplied_metric_delay);
    let watchable = Watchable {
        services: &services,
        service_names: &names,
        task_definitions: &task_definitions.table,
        load_balancing: &load_balancing,
        capacity: &capacity,
        supplied: &supplied,
        container_insights: capacity.container_insights,
    };
    let scaling = Scaling::read(reader, &scaling_sections, &watchable, clock);
    let managed_alarms = scaling.managed_alarms();
    let composite_alarms = scaling.alarms.composite(reader, composite_alarms, &managed_alarms);
    let entries = section(reader, &mut fields, "workloads");
    let around = workload::Around {
        services: &services,
        service_names: &names,
        load_balancing: &load_balancing,
        listeners: &listeners,
        duration: length,
    };
    let workloads = workload::workloads(reader, entries, &around);
    let around = timeline::Around {
        task_definitions: &task_definitions,
        capacity: &capacity,
        services: &services,
        lives: &BTreeMap::new(),
        service_names: &names,
        load_balancing: &load_balancing,
        listeners: &listeners,
        alarms: &scaling.alarms.names,
        composite_alarms: &composite_alarms,
        alarms_by_name: AlarmsByName {
            alarms: &scaling.alarms.names,
            composite: &composite_alarms,
            managed: &managed_alarms,
        },
        scalable_targets: &scaling.targets,
        duration: length,
    };
    let node = fields.take("timeline");
    let timeline = node.map(|it| timeline::timeline(reader, it, &around, &mut new));
    let (mut timeline, updated) = timeline.unwrap_or_default();
    let entries = section(reader, &mut fields, "pipelines");
    let pipelines = Pipelines::read(reader, entries, &around, &updated);
    let entries = section(reader, &mut fields, "expectations");
    let expectations = expectation::expectations(reader, entries, &names);
    let expect_failure = fields.flag_or(reader, "expectFailure", false);
    fields.finish(reader, &Shape::SCENARIO);
    crate::scenario::file_system::check_used(reader, &capacity.file_systems, &task_definitions.table);
    let Scaling { targets, policies, scheduled_actions, alarms, .. } = scaling;
    capacity.take_later_types(reader, &prices, &mut timeline);
    note_what_never_fits(reader, &capacity, &task_definitions, &services, &run_tasks, &timeline);
    note_constraints(reader, &capacity, &task_definitions, &services);
    let of_calls = (&services, &run_tasks, &task_calls[..]);
    let over_time = (&targets, &timeline[..]);
    note_what_fargate_holds(reader, &capacity, &task_definitions, of_calls, over_time, (&assumptions, length));
    let mut task_definitions = task_definitions;
    let (pipelines, commits) = pipelines.with_revisions(&mut task_definitions, &services, &timeline);
    let container_insights = capacity.container_insights;
    let known = AlarmsByName { alarms: &alarms.names, composite: &composite_alarms, managed: &managed_alarms };
    let mut services = services;
    // One that is deleted before it is created was there from the beginning.
    let mut seen = BTreeSet::new();
    for entry in &timeline {
        match entry.change {
            TimelineChange::CreateService { service } => services[service].is_created_later |= seen.insert(service),
            TimelineChange::DeleteService { service, .. } => {
                seen.insert(service);
            }
            _ => {}
        }
    }
    link_alarms(reader, service_entries, &names, &mut services, &known);
    let scenario = Scenario {
        name: named.scenario.to_owned(),
        variant: named.variant.to_owned(),
        description,
        duration: duration?,
        start_unix_seconds,
        cluster_name: capacity.cluster_name,
        begins_settled,
        availability_zones: capacity.zones,
        subnets: capacity.subnets.table,
        security_groups: capacity.security_groups.table,
        pull_quotas,
        missing,
        network_configurations: new.networks,
        placement_constraints: new.placement_constraints,
        file_systems: capacity.file_systems.table,
        nat_gateways: capacity.nat_gateways,
        task_definitions: task_definitions.table,
        auto_scaling_groups: capacity.groups,
        capacity_pools,
        capacity_providers: capacity.providers,
        load_balancers: load_balancing.load_balancers,
        listeners: listeners.table.clone(),
        listener_rules: listeners.rules.clone(),
        target_groups: load_balancing.target_groups,
        scalable_targets: targets,
        scaling_policies: policies,
        alarms: alarms.table,
        composite_alarms,
        supplied_metrics: supplied,
        container_insights,
        scheduled_actions,
        group_scheduled_actions,
        services,
        run_tasks,
        task_calls,
        pipelines,
        commits,
        task_groups: task_groups.table,
        workloads,
        timeline,
        expectations,
        expect_failure,
        assumptions,
        prices,
    };
    listeners.check_destinations(reader, &scenario);
    Some(scenario)
}

/// The entries of a section keyed by name; a name that came twice (out of a list) is refused.
fn section<'n>(reader: &mut Reader<'_>, fields: &mut Fields<'n>, name: &'static str) -> &'n [Entry] {
    let entries = repeatable_section(reader, fields, name);
    let mut first = BTreeMap::new();
    for entry in entries {
        if let Some(first) = first.insert(entry.key.as_str(), entry.key_place) {
            let problem = Problem::new(entry.key_place, format!("`{name}` defines `{}` twice", entry.key));
            reader.refuse(problem.label("the second").related(first, "the first"));
        }
    }
    entries
}

/// The entries of a section in which a name may come twice, as a family of task definitions does.
fn repeatable_section<'n>(reader: &mut Reader<'_>, fields: &mut Fields<'n>, name: &'static str) -> &'n [Entry] {
    let Some(node) = fields.take(name) else { return &[] };
    if node.value == Value::Unread {
        reader.unread_sections.insert(name);
    }
    reader.entries(What { field: name, of: &fields.of }, node)
}

fn duration(reader: &mut Reader<'_>, node: Option<&Node>) -> Option<Span> {
    let what = What { field: "duration", of: SCENARIO };
    let duration = reader.span_above_zero(what, node?)?;
    // Longer, and a float no longer holds every nanosecond.
    if duration > Span::seconds(104 * 86_400) {
        reader.refuse(Problem::new(node?.place, format!("{what} is {duration}; at most 104d are simulated")));
    }
    Some(duration)
}

/// Constraints that ask for what no instance has, which is worth a word before the run.
fn note_constraints(
    reader: &mut Reader<'_>,
    capacity: &Capacity,
    definitions: &TaskDefinitions,
    services: &Table<ServiceDefinition>,
) {
    if capacity.groups.is_empty() {
        return;
    }
    for service in services {
        let of = format!("service `{}`", service.name);
        note_unknown_attributes(reader, &of, &service.launch.placement_constraints, &capacity.groups);
        let of_definition = &definitions.table[service.task_definition].placement_constraints;
        let all: Vec<&PlacementConstraint> = service.launch.placement_constraints.iter().chain(of_definition).collect();
        note_unmet_attributes(reader, &of, &all, &service.launch.capacity_provider_strategy, capacity);
    }
    for definition in &definitions.table {
        let of = format!("task definition `{}`", definition.name());
        note_unknown_attributes(reader, &of, &definition.placement_constraints, &capacity.groups);
    }
}

/// What may be wanted of Fargate at the most: as many tasks of services as they are to have at any time, or as autoscaling may
/// want, with what deployments have beside; and what `runTasks` asks for.
fn note_what_fargate_holds(
    reader: &mut Reader<'_>,
    capacity: &Capacity,
    definitions: &TaskDefinitions,
    (services, run_tasks, calls): (&Table<ServiceDefinition>, &Table<RunTask>, &[TaskCalls]),
    (targets, timeline): (&Table<ScalableTarget>, &[TimelineEntry]),
    (assumptions, duration): (&Assumptions, Span),
) {
    let end = Instant::START + duration;
    let mut demands: Vec<FargateDemand<'_>> = services
        .entries()
        .map(|(id, service)| {
            let by_scaling = targets.iter().filter(|it| it.service == id).map(|it| it.max_capacity).max();
            let changes = timeline.iter().take_while(|it| it.at < end);
            FargateDemand {
                of: format!("service `{}`", service.name),
                launch: &service.launch,
                times: tasks_at_once((id, service), by_scaling.unwrap_or(0), changes, definitions),
                is_of_calls: false,
                has_random_ones: false,
            }
        })
        .collect();
    demands.extend(run_tasks.iter().zip(calls).map(|(run_task, calls)| FargateDemand {
        of: format!("{} `{}`", run_task.section_words(), run_task.name),
        launch: &run_task.launch,
        times: vec![TasksAtOnce { tasks: tasks_of_calls(run_task, calls, end, definitions), is_deployment: false }],
        is_of_calls: true,
        has_random_ones: matches!(calls, TaskCalls::Drawn { .. } | TaskCalls::Objects { .. }),
    }));
    note_fargate(reader, capacity, &definitions.table, &demands, &assumptions.fargate);
}

/// What a service has at one time or other: as many tasks as are wanted, and in a deployment so many old ones beside so many new
/// ones as `maximumPercent` lets be there.
fn tasks_at_once<'t>(
    (id, service): (Id<ServiceDefinition>, &ServiceDefinition),
    by_scaling: u32,
    changes: impl Iterator<Item = &'t TimelineEntry>,
    definitions: &TaskDefinitions,
) -> Vec<TasksAtOnce> {
    let size = Overrides::default();
    let steady =
        |definition, count| TasksAtOnce { tasks: vec![(definition, size, u64::from(count))], is_deployment: false };
    let (mut definition, mut desired, mut percent) =
        (service.task_definition, service.desired_count, service.maximum_percent);
    let mut times = vec![steady(definition, desired.max(by_scaling))];
    for change in changes {
        let TimelineChange::UpdateService { service, task_definition, desired_count, maximum_percent, .. } =
            change.change
        else {
            continue;
        };
        if service != id {
            continue;
        }
        (desired, percent) = (desired_count.unwrap_or(desired), maximum_percent.unwrap_or(percent));
        let new = task_definition.unwrap_or(definition);
        let count = desired.max(by_scaling);
        times.push(steady(new, count));
        if change.change.begins_deployment() {
            let beside = deployment_bounds(count, 100, percent).1.saturating_sub(count).min(count);
            let cpu = |it: Id<TaskDefinition>| definitions.table[it].cpu;
            let (larger, smaller) = if cpu(new) > cpu(definition) { (new, definition) } else { (definition, new) };
            times.push(TasksAtOnce {
                tasks: vec![(larger, size, u64::from(count)), (smaller, size, u64::from(beside))],
                is_deployment: true,
            });
        }
        definition = new;
    }
    times
}

/// The most that calls at known times have at once, each task as long as it may run; of random calls nothing but what they run.
fn tasks_of_calls(
    run_task: &RunTask,
    calls: &TaskCalls,
    end: Instant,
    definitions: &TaskDefinitions,
) -> Vec<(Id<TaskDefinition>, Overrides, u64)> {
    let definition = run_task.task_definition;
    let mut counts = vec![0_u64; run_task.sizes.len()];
    if let TaskCalls::Listed(calls) = calls {
        // At one instant begins come before ends: a task is there from its call on, and ends after the time it runs.
        let mut changes: Vec<(Instant, bool, usize, u32)> = Vec::new();
        for call in calls.iter().filter(|it| it.at < end) {
            changes.push((call.at, false, call.size, call.count));
            if let RunTime::Between(_, most) = call.run_time {
                changes.push((call.at + most, true, call.size, call.count));
            }
        }
        changes.sort_unstable();
        let of_definition = definitions.table[definition].cpu.unwrap_or(0);
        let cpu_units = |counts: &[u64]| -> u64 {
            let sizes = run_task.sizes.iter().map(|it| it.cpu.unwrap_or(of_definition));
            sizes.zip(counts).map(|(units, count)| u64::from(units) * count).sum()
        };
        let mut now = counts.clone();
        for (_, ends, size, count) in changes {
            if ends {
                now[size] -= u64::from(count);
            } else {
                now[size] += u64::from(count);
                if cpu_units(&now) > cpu_units(&counts) {
                    counts.clone_from(&now);
                }
            }
        }
    }
    run_task.sizes.iter().zip(counts).map(|(size, count)| (definition, *size, count)).collect()
}

/// A task that no instance in its reach could ever hold will wait for ever, which is worth a word before the run.
fn note_what_never_fits(
    reader: &mut Reader<'_>,
    capacity: &Capacity,
    definitions: &TaskDefinitions,
    services: &Table<ServiceDefinition>,
    run_tasks: &Table<RunTask>,
    timeline: &[TimelineEntry],
) {
    if capacity.groups.is_empty() {
        return;
    }
    let deployed = timeline.iter().filter_map(|it| match it.change {
        TimelineChange::UpdateService { service, task_definition, .. } => Some((service, task_definition?)),
        _ => None,
    });
    let mut runs: Vec<(Id<ServiceDefinition>, Id<TaskDefinition>)> =
        services.entries().map(|(id, it)| (id, it.task_definition)).chain(deployed).collect();
    runs.sort_unstable();
    runs.dedup();
    for (service, definition) in runs {
        let (service, definition) = (&services[service], &definitions.table[definition]);
        if let Some(why) = why_never(capacity, definition, &definition.reservation(), &service.launch) {
            let (name, service) = (definition.name(), &service.name);
            reader.note(format!("a task of `{name}` will never run in service `{service}`: {why}"));
        }
    }
    for (service, set) in services.iter().flat_map(|it| it.task_sets.iter().skip(1).map(move |set| (it, set))) {
        let definition = &definitions.table[set.task_definition];
        let launch =
            Launch { capacity_provider_strategy: set.capacity_provider_strategy.clone(), ..service.launch.clone() };
        if let Some(why) = why_never(capacity, definition, &definition.reservation(), &launch) {
            let (name, service, set) = (definition.name(), &service.name, &set.external_id);
            reader.note(format!("a task of `{name}` will never run in task set `{set}` of service `{service}`: {why}"));
        }
    }
    for run_task in run_tasks {
        let definition = &definitions.table[run_task.task_definition];
        let never = |it: &Overrides| {
            why_never(capacity, definition, &it.reservation(definition.reservation()), &run_task.launch)
        };
        let whys: Vec<String> = run_task.sizes.iter().filter_map(never).collect();
        if let Some(why) = whys.first() {
            let (name, of, sizes) = (definition.name(), &run_task.name, run_task.sizes.len());
            let some = if sizes == 1 { String::new() } else { format!(", of {} of its {sizes} sizes,", whys.len()) };
            let section = run_task.section_words();
            reader.note(format!("a task of `{name}` in {section} `{of}`{some} will never run: {why}"));
        }
    }
}

/// Why no instance that the groups in a service's reach launch could ever hold a task: of the group that comes closest.
fn why_never(capacity: &Capacity, definition: &TaskDefinition, need: &Reservation, launch: &Launch) -> Option<String> {
    let constraints: Vec<&PlacementConstraint> =
        launch.placement_constraints.iter().chain(&definition.placement_constraints).collect();
    let expressions = for_attributes_only(&constraints);
    let groups: Vec<&AutoScalingGroup> = capacity.groups_in_reach(&launch.capacity_provider_strategy).collect();
    if !groups.iter().any(|it| meets(it, &expressions, capacity)) {
        // That is said of the constraints already.
        return None;
    }
    let zones: Vec<_> = launch.network.subnets.iter().map(|it| capacity.subnets.table[*it].availability_zone).collect();
    let launches_there = |group: &AutoScalingGroup| {
        definition.network_mode != NetworkMode::Awsvpc
            || zones.is_empty()
            || group.availability_zones.iter().any(|it| zones.contains(it))
    };
    let mut closest: Option<(Reason, String)> = None;
    for (group, kind) in groups.iter().flat_map(|group| group.types().map(move |kind| (*group, kind))) {
        let registered = group.registered_resources(kind);
        let wrong_architecture = definition.cpu_architecture.filter(|it| *it != kind.cpu_architecture);
        let name = &kind.name;
        let (reason, why) = if wrong_architecture.is_some() {
            let why =
                format!("its `cpuArchitecture` is not that of a {name}, which is {}", kind.cpu_architecture.as_str());
            (Reason::Attribute, why)
        } else if let Some(missing) = group.missing_attributes(definition).next() {
            let (needed_for, given_by) = capability::explained(missing);
            let why = format!(
                "it requires the attribute `{missing}` for {needed_for}, which instances of group `{}` do not have: {given_by}",
                group.name
            );
            (Reason::Attribute, why)
        } else if !launches_there(group) {
            (Reason::AvailabilityZone, format!("group `{}` launches in no zone of the service's subnets", group.name))
        } else if let Some(reason) = registered.lacks(need) {
            let why = match reason {
                Reason::Cpu => {
                    format!("it reserves {} CPU units, and a {name} has {}", need.cpu_units, registered.cpu_units)
                }
                Reason::Memory => format!(
                    "it reserves {} MiB, and of its {} GiB a {name} registers {} MiB",
                    need.memory_mib, kind.memory_gib, registered.memory_mib
                ),
                Reason::Port => {
                    let ports: Vec<String> = group.reserved_tcp_ports().iter().map(u16::to_string).collect();
                    format!("it has a host port that the ECS agent keeps ({})", ports.join(", "))
                }
                Reason::TooManyPorts => format!(
                    "it reserves {} host ports, and an instance holds {PORTS_MAXIMUM}, {} of them the agent's",
                    need.ports.len(),
                    group.reserved_tcp_ports().len()
                ),
                Reason::NetworkInterface => format!("a {name} has no network interface for a task"),
                Reason::Gpu => format!("it reserves {} GPUs, and a {name} has {}", need.gpus, registered.gpus),
                Reason::NeuronDevice => format!(
                    "it opens {} Neuron devices, and a {name} has {}",
                    need.neuron_devices, registered.neuron_devices
                ),
                _ => unreachable!("an empty instance lacks resources only"),
            };
            (reason, why)
        } else if meets_as(group, kind, &expressions, capacity) {
            return None;
        } else {
            (Reason::MemberOf, format!("only a {name} has room for it, which its placement constraints do not select"))
        };
        if closest.as_ref().is_none_or(|it| it.0 < reason) {
            closest = Some((reason, why));
        }
    }
    closest.map(|(reason, why)| format!("{why} (ECS: \"{}\")", reason.words()))
}
