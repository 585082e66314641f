//! Task sets: those that a service of deployment controller EXTERNAL begins with (`taskSets`), and what the timeline does to them.

use std::collections::BTreeMap;

use crate::aws::launch::{Launch, TaskGroup};
use crate::aws::service::{ServiceDefinition, ServiceLoadBalancer};
use crate::aws::subnet::NetworkConfiguration;
use crate::aws::task_definition::VolumeKind;
use crate::aws::task_set::{Scale, TaskSetChange, TaskSetDefinition, TaskSetStatus};
use crate::scenario::aws_fields::Shape;
use crate::scenario::fargate::refuse_on_fargate;
use crate::scenario::launch::{check_compatibility, where_tasks_run};
use crate::scenario::problem::{Place, Problem, nearest};
use crate::scenario::reader::{Fields, Names, Reader, What, last_name, listed};
use crate::scenario::service::{Around, load_balancer};
use crate::scenario::timeline::time_of;
use crate::scenario::tree::{Node, Value};
use crate::table::{Id, Table};

/// What the task sets of a service come to.
pub struct TaskSets {
    /// All of them.
    pub all: Vec<TaskSetDefinition>,
    /// Where tasks of the first one run, but for their placement, which is the service's.
    pub launch: Launch,
    /// Where tasks are registered.
    pub load_balancer: Option<ServiceLoadBalancer>,
}

/// A task set that was read.
struct Read {
    definition: TaskSetDefinition,
    launch: Launch,
    load_balancer: Option<ServiceLoadBalancer>,
    place: Place,
}

/// The calls of the timeline that create task sets of a service, in the file's order, with the life of the service that each falls into.
/// They are read with it, since what it may run has to be known.
fn created_later<'n>(timeline: Option<&'n Node>, service: &str) -> Vec<(&'n Node, u32)> {
    let Some(Value::List(items)) = timeline.map(|it| &it.value) else { return Vec::new() };
    let mut in_time: Vec<(usize, &Node)> = items.iter().enumerate().collect();
    in_time.sort_by_key(|it| time_of(it.1));
    let (mut life, mut is_deleted) = (0, false);
    let mut calls: Vec<(usize, &Node, u32)> = Vec::new();
    for (place, item) in in_time {
        let call = |name: &str| {
            item.get(name).filter(|it| it.get("service").and_then(Node::text).map(last_name) == Some(service))
        };
        is_deleted |= call("deleteService").is_some();
        if call("createService").is_some() && std::mem::take(&mut is_deleted) {
            life += 1;
        }
        calls.extend(call("createTaskSet").map(|it| (place, it, life)));
    }
    calls.sort_by_key(|it| it.0);
    calls.into_iter().map(|it| (it.1, it.2)).collect()
}

/// Reads the task sets of a service, those that the timeline creates included.
pub fn task_sets(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    name: &str,
    (timeline, task_group): (Option<&Node>, Id<TaskGroup>),
    around: &Around<'_>,
    networks: &mut Table<NetworkConfiguration>,
) -> Option<TaskSets> {
    let mut sets: Vec<Read> = Vec::new();
    let of = format!("a task set of service `{name}`");
    let begun: Vec<(&Node, Option<u32>)> = fields.list(reader, "taskSets").iter().map(|it| (it, None)).collect();
    let later = created_later(timeline, name).into_iter().map(|(node, life)| (node, Some(life)));
    let nodes: Vec<(&Node, Option<u32>)> = begun.into_iter().chain(later).collect();
    for (node, created_in) in &nodes {
        let of = if created_in.is_some() { "`createTaskSet`" } else { &of };
        let Some(fields) = reader.fields(node, of) else { continue };
        sets.extend(task_set(reader, fields, (*created_in, task_group), around, networks));
    }
    if nodes.is_empty() {
        reader.note(format!(
            "service `{name}` has no task set, and so never a task: with deployment controller EXTERNAL it begins with `taskSets`, or the \
             timeline has `createTaskSet`"
        ));
    }
    for (place, set) in sets.iter().enumerate() {
        let is_same = |it: &&Read| {
            let (one, other) = (&it.definition, &set.definition);
            let are_together = one.life == other.life || !one.is_created_later || !other.is_created_later;
            one.external_id == other.external_id && are_together
        };
        if let Some(first) = sets[..place].iter().find(is_same) {
            let message = format!("service `{name}` has two task sets `{}`", set.definition.external_id);
            let problem = Problem::new(set.place, message).related(first.place, "the first");
            reader.refuse(problem.help("`externalId` is what tells them apart here"));
        }
    }
    let mut primary = sets.iter().filter(|it| it.definition.is_primary);
    if let (Some(first), Some(second)) = (primary.next(), primary.next()) {
        let problem = Problem::new(second.place, format!("service `{name}` has two task sets that are PRIMARY"));
        reader.refuse(problem.related(first.place, "the first"));
    }
    let load_balancer = load_balancer_of_all(reader, name, &sets, around);
    let launch = sets.first()?.launch.clone();
    Some(TaskSets { all: sets.into_iter().map(|it| it.definition).collect(), launch, load_balancer })
}

/// One load balancer whose target groups they have.
fn load_balancer_of_all(
    reader: &mut Reader<'_>,
    name: &str,
    sets: &[Read],
    around: &Around<'_>,
) -> Option<ServiceLoadBalancer> {
    let mut all: Option<ServiceLoadBalancer> = None;
    for set in sets {
        let Some(own) = &set.load_balancer else { continue };
        let Some(all) = &mut all else {
            all = Some(own.clone());
            continue;
        };
        let of = |it: &ServiceLoadBalancer| {
            let group = &around.load_balancing.target_groups[it.target_group];
            group.load_balancer
        };
        if of(own) != of(all) {
            let what = format!("service `{name}`, of whose task sets load balancers differ,");
            reader.not_simulated(set.place, what);
        } else if !all.target_groups().any(|it| it == own.target_group) {
            all.others.push(own.target_group);
        }
    }
    all
}

/// A task set, as `DescribeTaskSets` has it and `CreateTaskSet` takes it.
fn task_set(
    reader: &mut Reader<'_>,
    mut fields: Fields<'_>,
    (created_in, task_group): (Option<u32>, Id<TaskGroup>),
    around: &Around<'_>,
    networks: &mut Table<NetworkConfiguration>,
) -> Option<Read> {
    let (place, is_created_later) = (fields.place, created_in.is_some());
    if is_created_later {
        fields.take("service");
    }
    let own_id = fields.take("id");
    let name = fields.take("externalId").or(own_id).or_else(|| fields.required(reader, "externalId"));
    let external_id = name.and_then(|it| reader.text(What { field: "externalId", of: &fields.of }, it)).map(last_name);
    let node = fields.required(reader, "taskDefinition");
    let of = fields.of.clone();
    let what = What { field: "taskDefinition", of: &of };
    let task_definition = node.and_then(|it| around.task_definitions.reference(reader, what, it));
    let status = match is_created_later {
        true => None,
        false => {
            let words = [("PRIMARY", TaskSetStatus::Primary), ("ACTIVE", TaskSetStatus::Active)];
            Some(fields.word_or(reader, "status", &words, TaskSetStatus::Active))
        }
    };
    let scale = fields.take("scale").and_then(|it| scale(reader, it, &of));
    if scale.is_none() {
        reader.note(format!("{of} has no `scale`, which is 0 percent of the desired count"));
    }
    let says_network = fields.has("networkConfiguration");
    let (launch, on_ec2_because) = where_tasks_run(reader, &mut fields, around.capacity, task_group);
    let definition = task_definition.map(|it| &around.task_definitions.table[it]);
    if let Some((id, why)) = task_definition.zip(on_ec2_because) {
        check_compatibility(reader, &fields, around.task_definitions, id, why);
    }
    if let Some(definition) = definition {
        let at = fields.place_of("taskDefinition");
        refuse_on_fargate(reader, at, &of, (&launch, around.capacity), definition);
        if let Some(volume) = definition.volumes.iter().find(|it| it.kind == VolumeKind::Ebs) {
            let message =
                format!("{of} runs `{}`, whose volume `{}` is configured at launch", definition.name(), volume.name);
            reader.refuse(Problem::new(at, message).help("`CreateTaskSet` has no `volumeConfigurations`"));
        }
    }
    let at = fields.place_of("loadBalancers");
    let load_balancer = load_balancer(reader, &mut fields, around, definition);
    let is_classic =
        |it: &ServiceLoadBalancer| around.load_balancing.of_classic.iter().any(|of| of.1 == it.target_group);
    if let Some(balancer) = &load_balancer
        && (balancer.alternate.is_some() || is_classic(balancer))
    {
        let what = if balancer.alternate.is_some() { "an `advancedConfiguration`" } else { "a Classic Load Balancer" };
        let problem = Problem::new(at, format!("{of} has {what}"));
        reader.refuse(
            problem.help("a task set has one target group; who shifts traffic changes the rules: `modifyListener`"),
        );
    }
    fields.finish(reader, &Shape::TASK_SET);
    let network = says_network.then(|| networks.push(launch.network.clone()));
    let definition = TaskSetDefinition {
        external_id: external_id?.to_owned(),
        task_definition: task_definition?,
        registration: load_balancer.as_ref().zip(definition).and_then(|(it, of)| it.registration(of).ok()),
        network,
        capacity_provider_strategy: launch.capacity_provider_strategy.clone(),
        scale: scale.unwrap_or_default(),
        is_primary: status == Some(TaskSetStatus::Primary),
        is_created_later,
        life: created_in.unwrap_or(0),
    };
    Some(Read { definition, launch, load_balancer, place })
}

/// `scale`
fn scale(reader: &mut Reader<'_>, node: &Node, of: &str) -> Option<Scale> {
    let mut fields = reader.fields(node, format!("`scale` of {of}"))?;
    fields.required(reader, "value");
    let value = fields.number(reader, "value", 0.0..=100.0);
    fields.word_or(reader, "unit", &[("PERCENT", ())], ());
    fields.finish(reader, &Shape::OURS);
    value.map(Scale::percent)
}

/// A call of the timeline that concerns a task set: of which service, which, and what is done. `lives` tells which lives the services
/// are in when it is made, none being the first.
pub fn change_of_task_set(
    reader: &mut Reader<'_>,
    call: &str,
    mut fields: Fields<'_>,
    (services, names, lives): (
        &Table<ServiceDefinition>,
        &Names<ServiceDefinition>,
        &BTreeMap<Id<ServiceDefinition>, u32>,
    ),
    around: &Around<'_>,
) -> Option<(Id<ServiceDefinition>, usize, TaskSetChange)> {
    fields.required(reader, "service");
    let at = fields.place_of("service");
    let service = fields.reference(reader, "service", names);
    if let Some(service) = service.map(|it| &services[it]).filter(|it| it.task_sets.is_empty()) {
        let problem = Problem::new(at, format!("service `{}` has no task sets", service.name));
        reader.refuse(problem.help("only `deploymentController: {type: EXTERNAL}` has"));
        return None;
    }
    let life = service.and_then(|it| lives.get(&it)).copied().unwrap_or(0);
    if call == "createTaskSet" {
        let id = fields.take("externalId").or_else(|| fields.take("id"));
        let name = id.and_then(Node::text).map(last_name);
        // It was read with its service, and what is wrong was told then.
        let task_group = services[service?].launch.task_group;
        task_set(reader, fields, (Some(life), task_group), around, &mut Table::new());
        let created =
            |it: &TaskSetDefinition| it.is_created_later && it.life == life && Some(it.external_id.as_str()) == name;
        let number = services[service?].task_sets.iter().position(created)?;
        return Some((service?, number, TaskSetChange::Create));
    }
    let field = if call == "updateServicePrimaryTaskSet" { "primaryTaskSet" } else { "taskSet" };
    let node = fields.required(reader, field);
    let change = match call {
        "updateTaskSet" => {
            let node = fields.required(reader, "scale");
            node.and_then(|it| scale(reader, it, &fields.of)).map(TaskSetChange::Update)
        }
        "deleteTaskSet" => Some(TaskSetChange::Delete { force: fields.flag_or(reader, "force", false) }),
        _ => Some(TaskSetChange::MakePrimary),
    };
    let of = fields.of.clone();
    fields.finish(reader, &Shape::CALL_OF_TASK_SET);
    let (service, node) = (service?, node?);
    let name = last_name(reader.text(What { field, of: &of }, node)?);
    let sets = &services[service].task_sets;
    let is_there = |it: &TaskSetDefinition| !it.is_created_later || it.life == life;
    let Some(number) = sets.iter().position(|it| it.external_id == name && is_there(it)) else {
        let message =
            format!("`{field}` of {of} names `{name}`, which is no task set of service `{}`", services[service].name);
        let known = || sets.iter().filter(|it| is_there(it)).map(|it| it.external_id.as_str());
        let problem = Problem::new(node.place, message);
        reader.refuse(match nearest(name, known()) {
            Some(near) => problem.label(format!("did you mean `{near}`?")),
            None => problem.help(format!("it has {}", listed(known()))),
        });
        return None;
    };
    Some((service, number, change?))
}
