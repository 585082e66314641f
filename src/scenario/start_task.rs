//! `startTasks`: tasks that a scheduler of one's own puts on instances that it names.

use crate::aws::capacity_provider::CapacityProviderStrategyItem;
use crate::aws::fargate::PlatformVersion;
use crate::aws::launch::Launch;
use crate::aws::run_task::{Caller, Overrides, RunTask};
use crate::aws::start_task::{Choice, CustomScheduler, InstancesNamed, Manner, StartTask};
use crate::scenario::aws_fields::Shape;
use crate::scenario::launch::volume_configurations;
use crate::scenario::placement::expression;
use crate::scenario::problem::Problem;
use crate::scenario::reader::{Fields, Reader, What};
use crate::scenario::run_task::{Around, Demands, demand, group_of, overrides, refuse_sizes_below_containers};
use crate::scenario::task_definition::check_name;
use crate::scenario::tree::Entry;
use crate::scenario::workload::above_zero;
use crate::units::Span;
use crate::workload::task_calls::TaskCalls;

/// The section `startTasks`.
pub fn start_tasks(reader: &mut Reader<'_>, entries: &[Entry], around: &mut Around<'_>, demands: &mut Demands) {
    for entry in entries {
        check_name(reader, entry.key_place, &entry.key, "tasks of `startTasks`");
        if let Some((run_task, calls)) = start_task(reader, entry, around) {
            demands.add(reader, entry.key_place, run_task, calls);
        }
    }
}

fn start_task(reader: &mut Reader<'_>, entry: &Entry, around: &mut Around<'_>) -> Option<(RunTask, TaskCalls)> {
    let mut fields = reader.fields(&entry.node, format!("`startTasks` `{}`", entry.key))?;
    let (task_definition, task_group) = group_of(reader, &mut fields, "taskDefinition", around);
    let definition = task_definition.map(|it| &around.task_definitions.table[it]);
    let network = around.capacity.network_of_launch(reader, &mut fields);
    let volume = volume_configurations(reader, &mut fields, definition);
    let launch = Launch {
        task_group,
        placement_strategy: Vec::new(),
        placement_constraints: Vec::new(),
        capacity_provider_strategy: Vec::<CapacityProviderStrategyItem>::new(),
        platform_version: PlatformVersion::default(),
        platform_family: None,
        network,
        volume,
    };
    if let Some(at) = task_definition.and_then(|it| around.task_definitions.is_for_fargate_only(it)) {
        let message = format!("{} starts tasks on instances, which their definition is not for", fields.of);
        let problem = Problem::new(fields.place_of("taskDefinition"), message).related(at, "it is for Fargate alone");
        reader.refuse(problem.help("`requiresCompatibilities: [EC2, FARGATE]` lets them run there as well"));
    }
    let container_instances = instances_named(reader, &mut fields, around);
    let manner = manner(reader, &mut fields);
    let overrides = overrides(reader, &mut fields, definition);
    let keeps = matches!(manner, Manner::Polling(CustomScheduler { desired_count: Some(_), .. }));
    let demand = match manner {
        _ if keeps => kept(reader, &mut fields, overrides),
        Manner::OnEach => {
            if let Some(node) = fields.take("count").filter(|it| it.text() != Some("1")) {
                let problem = Problem::new(node.place, format!("{} has a `count`", fields.of));
                reader.refuse(problem.help("without a `scheduler`, each of its instances gets one task"));
            }
            demand(reader, &mut fields, entry, overrides, around.duration, &["at"])
        }
        Manner::Polling(_) => {
            demand(reader, &mut fields, entry, overrides, around.duration, &["at", "arrivals", "trace"])
        }
    };
    fields.finish(reader, &Shape::START_TASK);
    let (sizes, calls) = demand?;
    if let Some(definition) = definition {
        refuse_sizes_below_containers(reader, entry, definition, &sizes);
    }
    let caller = Caller::StartTask(StartTask { container_instances, manner });
    Some((RunTask { name: entry.key.clone(), launch, task_definition: task_definition?, sizes, caller }, calls))
}

/// A scheduler that keeps so many tasks is not asked for any.
fn kept(reader: &mut Reader<'_>, fields: &mut Fields<'_>, overrides: Overrides) -> Option<(Vec<Overrides>, TaskCalls)> {
    for field in ["at", "arrivals", "trace", "count"] {
        if let Some(node) = fields.take(field) {
            let message = format!("{} keeps a `desiredCount` and has `{field}`", fields.of);
            let help = "a scheduler either keeps so many tasks, or places those that are asked for";
            reader.refuse(Problem::new(node.place, message).help(help));
        }
    }
    let run_time = fields.distribution(reader, "runTime");
    Some((vec![overrides], TaskCalls::Scheduled { times: Vec::new().into(), count: 1, run_time }))
}

/// `containerInstances`: which ones are meant.
fn instances_named(reader: &mut Reader<'_>, fields: &mut Fields<'_>, around: &Around<'_>) -> InstancesNamed {
    let Some(mut named) = fields.map(reader, "containerInstances") else { return InstancesNamed::default() };
    let auto_scaling_group = named.reference(reader, "autoScalingGroup", &around.capacity.group_names);
    let availability_zone = named.reference(reader, "availabilityZone", &around.capacity.zone_names);
    let of = named.of.clone();
    let filter = named.take("filter").and_then(|it| expression(reader, it, What { field: "filter", of: &of }));
    let mut ordinals = Vec::new();
    for node in named.list(reader, "ordinals") {
        ordinals.extend(reader.count(What { field: "ordinals", of: &of }, node, 1..=100_000));
    }
    named.finish(reader, &Shape::OURS);
    InstancesNamed { auto_scaling_group, availability_zone, filter, ordinals }
}

/// `scheduler`: how often it looks, where it puts tasks, and how many it keeps.
fn manner(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Manner {
    let Some(node) = fields.take("scheduler") else { return Manner::OnEach };
    let Some(mut scheduler) = reader.fields(node, format!("`scheduler` of {}", fields.of)) else {
        return Manner::OnEach;
    };
    scheduler.usual(reader, "every", "10s");
    let every = above_zero(reader, &mut scheduler, "every").unwrap_or(Span::seconds(10));
    let words = [("firstFit", Choice::FirstFit), ("leastLoaded", Choice::LeastLoaded)];
    let choice = scheduler.word_or(reader, "chooses", &words, Choice::FirstFit);
    let desired_count = scheduler.count(reader, "desiredCount", 0..=100_000);
    scheduler.finish(reader, &Shape::OURS);
    Manner::Polling(CustomScheduler { every, choice, desired_count })
}
