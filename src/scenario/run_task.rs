//! `runTasks`: standalone tasks, when they are asked for, and how long they run.

use std::collections::BTreeMap;

use crate::aws::launch::{Launch, TaskGroup};
use crate::aws::placement::PlacementStrategy;
use crate::aws::run_task::{Caller, ContainerOverride, Overrides, RunTask};
use crate::aws::task_definition::TaskDefinition;
use crate::scenario::aws_fields::Shape;
use crate::scenario::capacity::Capacity;
use crate::scenario::fargate::{refuse_on_fargate, refuse_sizes_on_fargate};
use crate::scenario::launch::{TaskGroups, check_compatibility, launch, volume_configurations};
use crate::scenario::placement::refuse_too_many_constraints;
use crate::scenario::problem::{Place, Problem, nearest};
use crate::scenario::reader::{Fields, Reader, What, listed as names_listed};
use crate::scenario::recorded::{decoded, note_end, refuse_window};
use crate::scenario::task_definition::{TaskDefinitions, check_name, cpu_and_memory};
use crate::scenario::tree::{Entry, Node};
use crate::scenario::workload::{above_zero, arrivals, note_nothing};
use crate::table::{Id, Table};
use crate::units::{Instant, Span};
use crate::workload::task_calls::{RunTime, TaskCall, TaskCalls};
use crate::workload::task_trace;

/// Most sizes of a trace: placement keeps what it knows of instances for each.
const SIZES_MAXIMUM: usize = 1_000;

/// What standalone tasks refer to.
pub struct Around<'a> {
    /// Task definitions.
    pub task_definitions: &'a TaskDefinitions,
    /// Groups and providers.
    pub capacity: &'a Capacity,
    /// Length of the run.
    pub duration: Span,
    /// Task groups, to which they add.
    pub task_groups: &'a mut TaskGroups,
}

/// All that asks for standalone tasks, whoever calls for them.
#[derive(Default)]
pub struct Demands {
    /// What is called.
    pub table: Table<RunTask>,
    /// When, in the same order.
    pub calls: Vec<TaskCalls>,
    places: Vec<Place>,
}

impl Demands {
    /// Adds what one entry asks for. Names are of one space, since results go by them.
    pub fn add(&mut self, reader: &mut Reader<'_>, at: Place, run_task: RunTask, calls: TaskCalls) {
        if let Some(other) = self.table.find(|it| it.name == run_task.name) {
            let message = format!("standalone tasks of two kinds are called `{}`", run_task.name);
            let problem =
                Problem::new(at, message).label("the second").related(self.places[other.index()], "the first");
            reader.refuse(problem.help("their results go by this name: call one of them otherwise"));
        }
        self.table.push(run_task);
        self.calls.push(calls);
        self.places.push(at);
    }
}

/// The section `runTasks`: what is run where, and when.
pub fn run_tasks(reader: &mut Reader<'_>, entries: &[Entry], around: &mut Around<'_>, demands: &mut Demands) {
    for entry in entries {
        check_name(reader, entry.key_place, &entry.key, "standalone tasks");
        if let Some((run_task, calls)) = run_task(reader, entry, around) {
            demands.add(reader, entry.key_place, run_task, calls);
        }
    }
}

/// The task definition that tasks are of, under this name of its field, and their group.
pub fn group_of(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    name: &'static str,
    around: &mut Around<'_>,
) -> (Option<Id<TaskDefinition>>, Id<TaskGroup>) {
    let node = fields.required(reader, name);
    let what = What { field: name, of: &fields.of.clone() };
    let task_definition = node.and_then(|it| around.task_definitions.reference(reader, what, it));
    let definition = task_definition.map(|it| &around.task_definitions.table[it]);
    let family = definition.map_or("", |it| it.family.as_str());
    fields.derived(reader, "group", format!("family:{family}").as_str());
    let group = fields.text(reader, "group").map_or_else(|| format!("family:{family}"), str::to_owned);
    (task_definition, around.task_groups.of(&group))
}

/// What `RunTask` is told of tasks: their definition, under this name of its field, and where they run.
pub fn launched(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    name: &'static str,
    around: &mut Around<'_>,
) -> (Option<Id<TaskDefinition>>, Launch) {
    let (task_definition, task_group) = group_of(reader, fields, name, around);
    let definition = task_definition.map(|it| &around.task_definitions.table[it]);
    let (mut launch, on_ec2_because) = launch(reader, fields, around.capacity, task_group);
    if launch.placement_strategy.is_empty() {
        // ECS documents no other default for standalone tasks.
        launch.placement_strategy.push(PlacementStrategy::Random);
    }
    if let Some((id, why)) = task_definition.zip(on_ec2_because) {
        check_compatibility(reader, fields, around.task_definitions, id, why);
    }
    if let Some(definition) = definition {
        let at = fields.place_of("placementConstraints");
        refuse_too_many_constraints(reader, at, &fields.of, &launch.placement_constraints, definition);
    }
    if let Some(definition) = definition {
        let at = fields.place_of(name);
        refuse_on_fargate(reader, at, &fields.of, (&launch, around.capacity), definition);
    }
    (task_definition, launch)
}

/// When tasks are asked for, of what sizes, and how long they run: in one of these ways.
pub fn demand(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    entry: &Entry,
    overrides: Overrides,
    duration: Span,
    ways: &[&'static str],
) -> Demand {
    let said: Vec<&'static str> = ways.iter().copied().filter(|it| fields.has(it)).collect();
    match said.as_slice() {
        ["at"] => listed(reader, fields, overrides, duration),
        ["arrivals"] => drawn(reader, fields, overrides, duration),
        ["trace"] => fields.take("trace").and_then(|it| traced(reader, it, overrides, duration)),
        said => {
            for way in ways {
                fields.take(way);
            }
            let fault = if said.is_empty() { "does not say when" } else { "says it in several ways" };
            let problem = Problem::new(entry.key_place, format!("{} {fault}", fields.of));
            reader.refuse(problem.help(match ways {
                ["at"] => "give `at: 10m` or `at: [10m, 20m]`",
                _ => {
                    "give one of `at: 10m` or `at: [10m, 20m]`, `arrivals`, as workloads have it, and `trace: {file: tasks.csv}`"
                }
            }));
            None
        }
    }
}

fn run_task(reader: &mut Reader<'_>, entry: &Entry, around: &mut Around<'_>) -> Option<(RunTask, TaskCalls)> {
    let mut fields = reader.fields(&entry.node, format!("`runTasks` `{}`", entry.key))?;
    let (task_definition, mut launch) = launched(reader, &mut fields, "taskDefinition", around);
    let definition = task_definition.map(|it| &around.task_definitions.table[it]);
    launch.volume = volume_configurations(reader, &mut fields, definition);
    let overrides = overrides(reader, &mut fields, definition);
    let demand = demand(reader, &mut fields, entry, overrides, around.duration, &["at", "arrivals", "trace"]);
    fields.finish(reader, &Shape::RUN_TASK);
    let (sizes, calls) = demand?;
    if let Some(definition) = definition.filter(|it| it.is_for_fargate) {
        refuse_sizes_on_fargate(reader, entry, (&launch, around.capacity), definition, &sizes);
    }
    if let Some(definition) = definition {
        refuse_sizes_below_containers(reader, entry, definition, &sizes);
    }
    let caller = Caller::Program;
    Some((RunTask { name: entry.key.clone(), launch, task_definition: task_definition?, sizes, caller }, calls))
}

/// A container's hard limit may not be above what a call leaves its task.
pub fn refuse_sizes_below_containers(
    reader: &mut Reader<'_>,
    entry: &Entry,
    definition: &TaskDefinition,
    sizes: &[Overrides],
) {
    let Some(largest) = definition.containers.iter().max_by_key(|it| it.memory) else { return };
    let is_below = |it: &&Overrides| it.memory.is_some() && it.memory < largest.memory;
    if let Some(memory) = sizes.iter().find(is_below).and_then(|it| it.memory) {
        let limit = largest.memory.unwrap_or(0);
        let message = format!(
            "`runTasks` `{}` has tasks of {memory} MiB, and container `{}` of `{}` has {limit} by itself",
            entry.key,
            largest.name,
            definition.name()
        );
        let help = "give the container a `memoryReservation` instead of its `memory`, or the tasks as much";
        reader.refuse(Problem::new(entry.key_place, message).help(help));
    }
}

/// Sizes of tasks and calls for them.
pub type Demand = Option<(Vec<Overrides>, TaskCalls)>;

/// `overrides` as `RunTask` takes them, or `cpu` and `memory` as `sizes` have them.
pub fn overrides(reader: &mut Reader<'_>, fields: &mut Fields<'_>, definition: Option<&TaskDefinition>) -> Overrides {
    let said = fields.map(reader, "overrides");
    said.map_or(Overrides::default(), |it| task_override(reader, it, definition))
}

/// A `TaskOverride`: what the task and its containers have instead of what their definition says. Their commands and environment are
/// accepted without effect: how long a task runs is not theirs to say here.
pub fn task_override(reader: &mut Reader<'_>, mut said: Fields<'_>, definition: Option<&TaskDefinition>) -> Overrides {
    let overrides = size(reader, &mut said);
    let of = said.of.clone();
    let nodes = said.list(reader, "containerOverrides");
    let containers: Vec<ContainerOverride> =
        nodes.iter().filter_map(|it| container_override(reader, it, &of, definition)).collect();
    said.finish(reader, &Shape::TASK_OVERRIDE);
    definition.map_or(overrides, |it| overrides.with_containers(it, &containers))
}

fn container_override(
    reader: &mut Reader<'_>,
    node: &Node,
    of: &str,
    definition: Option<&TaskDefinition>,
) -> Option<ContainerOverride> {
    let mut fields = reader.fields(node, format!("a container override of {of}"))?;
    fields.required(reader, "name");
    let at = fields.place_of("name");
    let name = fields.text(reader, "name");
    let cpu = fields.count(reader, "cpu", 0..=196_608);
    let memory = fields.count(reader, "memory", 4..=100_000_000);
    let memory_reservation = fields.count(reader, "memoryReservation", 4..=100_000_000);
    let of = fields.of.clone();
    fields.finish(reader, &Shape::CONTAINER_OVERRIDE);
    let name = name?;
    if let Some(definition) = definition.filter(|it| it.containers.iter().all(|it| it.name != name)) {
        let message = format!("{of} is for container `{name}`, which `{}` does not have", definition.name());
        let known = || definition.containers.iter().map(|it| it.name.as_str());
        let says = "AWS says: InvalidParameterException: Override for container named that is not a container in the TaskDefinition.";
        let problem = Problem::new(at, message).help(says);
        reader.refuse(match nearest(name, known()) {
            Some(near) => problem.label(format!("did you mean `{near}`?")),
            None => problem.help(format!("it has {}", names_listed(known()))),
        });
        return None;
    }
    Some(ContainerOverride { name: name.to_owned(), cpu, memory, memory_reservation })
}

fn size(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Overrides {
    let (cpu, memory) = cpu_and_memory(reader, fields);
    Overrides { cpu, memory, ..Overrides::default() }
}

/// `at`: one instant or several, with so many tasks each.
fn listed(reader: &mut Reader<'_>, fields: &mut Fields<'_>, overrides: Overrides, duration: Span) -> Demand {
    let count = fields.count_or(reader, "count", 1..=1_000_000, 1);
    let run_time = fields.span(reader, "runTime").map_or(RunTime::OfApplication, |it| RunTime::Between(it, it));
    let (what_of, node) = (fields.of.clone(), fields.take("at")?);
    let what = What { field: "at", of: &what_of };
    let nodes = if node.text().is_some() { std::slice::from_ref(node) } else { reader.list(what, node) };
    let mut times: Vec<Span> = nodes.iter().filter_map(|it| reader.span(what, it)).collect();
    times.sort_unstable();
    if nodes.is_empty() {
        reader.note(format!("{what_of} has no times in `at`: its tasks are never asked for"));
    }
    note_late_calls(reader, &what_of, &times, duration);
    let call = |at: &Span| TaskCall { at: Instant::START + *at, count, size: 0, run_time };
    Some((vec![overrides], TaskCalls::Listed(times.iter().map(call).collect())))
}

/// Says of calls behind the end of the run that they are not made.
fn note_late_calls(reader: &mut Reader<'_>, of: &str, times: &[Span], duration: Span) {
    let late = times.iter().filter(|it| **it >= duration).count();
    if let Some(first) = times.iter().find(|it| **it >= duration) {
        let all = times.len();
        reader.note(if all == 1 {
            format!("{of}: its call at {first} comes after the end of the run")
        } else {
            format!("{of}: {late} of its {all} calls come after the end of the run, the first at {first}")
        });
    }
}

/// `arrivals`: calls at random, of sizes by their weight.
fn drawn(reader: &mut Reader<'_>, fields: &mut Fields<'_>, overrides: Overrides, duration: Span) -> Demand {
    let of = fields.of.clone();
    let process = fields.take("arrivals").and_then(|it| arrivals(reader, it, &of, duration));
    let count = fields.count_or(reader, "count", 1..=1_000_000, 1);
    let run_time = fields.distribution(reader, "runTime");
    let (mut sizes, mut weights) = (Vec::new(), Vec::new());
    let place = fields.place_of("sizes");
    for node in fields.list(reader, "sizes") {
        let Some(mut one) = reader.fields(node, format!("a size of {of}")) else { continue };
        let size = size(reader, &mut one);
        let weight = one.number_or(reader, "weight", 0.0..=1e12, 1.0);
        one.finish(reader, &Shape::OURS);
        match sizes.iter().position(|it| *it == size) {
            Some(place) => weights[place] += weight,
            None => {
                sizes.push(size);
                weights.push(weight);
            }
        }
    }
    if sizes.is_empty() {
        (sizes, weights) = (vec![overrides], vec![1.0]);
    } else if overrides != Overrides::default() {
        let problem = Problem::new(place, format!("{of} has `overrides` and `sizes`"));
        reader.refuse(problem.help("`sizes` are overrides, each with its weight: keep one of them"));
    }
    if weights.iter().sum::<f64>() <= 0.0 {
        let problem = Problem::new(place, format!("the weights of the sizes of {of} sum to nothing"));
        reader.refuse(problem.help("one of them has to be above 0"));
        return None;
    }
    Some((sizes, TaskCalls::Drawn { arrivals: process?, count, weights, run_time }))
}

/// `trace`: tasks as they were recorded, each a call of its own.
fn traced(reader: &mut Reader<'_>, node: &Node, overrides: Overrides, duration: Span) -> Demand {
    let mut fields = reader.fields(node, "`trace` of standalone tasks")?;
    let file_node = fields.required(reader, "file");
    let file = file_node.and_then(|it| reader.text(What { field: "file", of: &fields.of }, it));
    let from = fields.span_or(reader, "from", Span::ZERO);
    let length = above_zero(reader, &mut fields, "for");
    let start = fields.span_or(reader, "start", Span::ZERO);
    let scale = fields.number_or(reader, "scale", 0.0..=1.0, 1.0);
    let tasks = match (file_node, file) {
        (Some(node), Some(file)) => decoded(reader, node, file, "trace of tasks", task_trace::read),
        _ => None,
    };
    let last = tasks.iter().flatten().last().map_or(Span::ZERO, |it| it.at);
    if tasks.is_some() && from > last {
        refuse_window(reader, &fields, from, last);
    }
    note_nothing(reader, &fields.of, scale, start, duration);
    fields.finish(reader, &Shape::OURS);
    let tasks = tasks.filter(|_| from <= last)?;
    let end = start + length.unwrap_or(last - from);
    let fields_of = "`trace` of standalone tasks";
    note_end(reader, fields_of, end, duration);
    let mut places: BTreeMap<Overrides, usize> = BTreeMap::new();
    let (mut sizes, mut calls) = (Vec::new(), Vec::new());
    let inside = tasks.iter().filter(|it| it.at >= from && length.is_none_or(|length| it.at < from + length));
    for (number, task) in inside.enumerate() {
        // Of a part, tasks are left out at equal distances.
        if ((number + 1) as f64 * scale).floor() <= (number as f64 * scale).floor() {
            continue;
        }
        let own = Overrides { cpu: task.cpu.or(overrides.cpu), memory: task.memory.or(overrides.memory), ..overrides };
        let size = *places.entry(own).or_insert_with(|| {
            sizes.push(own);
            sizes.len() - 1
        });
        let at = Instant::START + start + (task.at - from);
        calls.push(TaskCall { at, count: 1, size, run_time: task.run_time });
    }
    if calls.is_empty() && scale > 0.0 && start < duration {
        reader.note(format!("{fields_of}: there is no task in its window, so none is asked for"));
    }
    let times: Vec<Span> = calls.iter().map(|it| it.at.since(Instant::START)).collect();
    if start < duration {
        note_late_calls(reader, fields_of, &times, duration);
    }
    if sizes.len() > SIZES_MAXIMUM {
        let message = format!("the trace has tasks of {} sizes; at most {SIZES_MAXIMUM} are simulated", sizes.len());
        reader.refuse(Problem::new(node.place, message).help("round them in the file, as those who chose them did"));
        return None;
    }
    if sizes.is_empty() {
        sizes.push(overrides);
    }
    Some((sizes, TaskCalls::Listed(calls.into())))
}
