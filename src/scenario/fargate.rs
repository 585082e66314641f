//! What Fargate asks of a task definition and of what runs it, and refuses.
//!
//! Follows *Amazon ECS task definition differences for Fargate* in the developer guide (2026); the words are those of
//! `RegisterTaskDefinition`.

use crate::aws::capacity_provider::{CapacityProvider, choose_provider};
use crate::aws::fargate::{
    EPHEMERAL_STORAGE_GIB, FargateCapacity, PlatformVersion, TASK_CPUS, images_on_storage_gib, is_valid_size,
    nearest_size, task_cpu,
};
use crate::aws::launch::Launch;
use crate::aws::operating_system::OperatingSystemFamily;
use crate::aws::run_task::Overrides;
use crate::aws::task_definition::{ContainerDefinition, NetworkMode, TaskDefinition, VolumeKind};
use crate::scenario::FargateAssumptions;
use crate::scenario::capacity::Capacity;
use crate::scenario::container::client_exception;
use crate::scenario::problem::{Place, Problem};
use crate::scenario::reader::{Reader, listed};
use crate::scenario::tree::{Entry, Node, Value};
use crate::table::{Id, Table};

/// What a task definition says that Fargate looks at.
pub struct Definition<'a> {
    /// As it stands in the file.
    pub node: &'a Node,
    /// What it is called in messages.
    pub of: &'a str,
    /// Network mode.
    pub network_mode: NetworkMode,
    /// Task-level CPU units.
    pub cpu: Option<u32>,
    /// Task-level memory, MiB.
    pub memory: Option<u32>,
    /// Operating system.
    pub operating_system_family: OperatingSystemFamily,
    /// Containers.
    pub containers: &'a [ContainerDefinition],
}

/// Fields of a task definition that no task on Fargate can have.
const NOT_OF_TASKS: [&str; 2] = ["ipcMode", "placementConstraints"];
/// Fields of a container that no task on Fargate can have.
const NOT_OF_CONTAINERS: [&str; 7] = [
    "disableNetworking",
    "dnsSearchDomains",
    "dnsServers",
    "dockerSecurityOptions",
    "extraHosts",
    "links",
    "privileged",
];
/// `linuxParameters` that no task on Fargate can have.
const NOT_OF_LINUX: [&str; 5] = ["devices", "maxSwap", "sharedMemorySize", "swappiness", "tmpfs"];

/// Refuses what a definition that requires Fargate cannot have.
pub fn check_definition(reader: &mut Reader<'_>, definition: &Definition<'_>) {
    let Definition { node, of, network_mode, .. } = *definition;
    if network_mode != NetworkMode::Awsvpc {
        let at = node.get("networkMode").map_or(node.place, |it| it.place);
        let problem = Problem::new(at, format!("{of} is for Fargate, and its network mode is not `awsvpc`"));
        reader.refuse(
            problem
                .help("say `networkMode: awsvpc`")
                .help(client_exception("Fargate only supports network mode \u{2018}awsvpc\u{2019}.")),
        );
    }
    let family = definition.operating_system_family;
    if !family.is_on_fargate() {
        let at = node
            .get("runtimePlatform")
            .and_then(|it| it.get("operatingSystemFamily"))
            .map_or(node.place, |it| it.place);
        let there = OperatingSystemFamily::ALL.into_iter().filter(|it| it.is_on_fargate()).map(|it| it.as_str());
        let problem = Problem::new(at, format!("{of} is for Fargate, which does not run {}", family.as_str()));
        reader.refuse(problem.label("on instances only").help(format!("it runs {}", listed(there))));
    }
    if family.is_windows() {
        for volume in list(node, "volumes") {
            let at_launch = volume.get("configuredAtLaunch").filter(|it| says_something(it));
            if let Some(at_launch) = at_launch {
                let problem =
                    Problem::new(at_launch.place, format!("{of} has an EBS volume on Windows, and is for Fargate"));
                reader.refuse(problem.help("on Fargate it needs platform version 1.4.0, which is Linux's"));
            }
        }
    }
    check_size(reader, definition);
    for field in NOT_OF_TASKS {
        refuse_field(reader, node, field, of);
    }
    if let Some(mode) = node.get("pidMode").filter(|it| it.text() == Some("host")) {
        let problem = Problem::new(mode.place, format!("{of} is for Fargate, which has no `pidMode: host`"));
        reader.refuse(problem.help("only `pidMode: task` is there"));
    }
    for volume in list(node, "volumes") {
        refuse_field(reader, volume, "dockerVolumeConfiguration", of);
        if let Some(path) = volume.get("host").and_then(|it| it.get("sourcePath")).filter(|it| !it.is_blank()) {
            let problem = Problem::new(path.place, format!("{of} is for Fargate, where no host has a path"));
            reader.refuse(problem.help("leave `sourcePath` out: the volume lies on the task's ephemeral storage"));
        }
    }
    for (node, container) in list(node, "containerDefinitions").iter().zip(definition.containers) {
        let of = format!("container `{}` of {of}", container.name);
        for field in NOT_OF_CONTAINERS {
            refuse_field(reader, node, field, &of);
        }
        if let Some(linux) = node.get("linuxParameters") {
            for field in NOT_OF_LINUX {
                refuse_field(reader, linux, field, &of);
            }
        }
        if container.gpus > 0 {
            let at = node.get("resourceRequirements").map_or(node.place, |it| it.place);
            reader.refuse(Problem::new(at, format!("{of} has a GPU, and Fargate has none")));
        }
    }
}

/// Refuses a definition whose tasks a launch would put on Fargate, and which was not registered for it or asks for more than
/// the platform version has; whether it was refused. `at` is where the launch names it, `of` is the launch in messages.
pub fn refuse_on_fargate(
    reader: &mut Reader<'_>,
    at: Place,
    of: &str,
    (launch, capacity): (&Launch, &Capacity),
    definition: &TaskDefinition,
) -> bool {
    let kinds: Vec<FargateCapacity> = launch
        .capacity_provider_strategy
        .iter()
        .filter_map(|it| capacity.providers[it.capacity_provider].fargate())
        .collect();
    if kinds.is_empty() {
        return false;
    }
    let name = definition.name();
    if !definition.is_for_fargate {
        let problem = Problem::new(at, format!("{of} runs on Fargate, and `{name}` is not for it"));
        reader.refuse(
            problem
                .label("not registered for Fargate")
                .help(format!("add `requiresCompatibilities: [FARGATE]` to `{name}`"))
                .help(client_exception("Task definition does not support launch_type FARGATE.")),
        );
        return true;
    }
    if refuse_family(reader, at, of, launch, definition) {
        return true;
    }
    if definition.operating_system_family.is_windows() {
        return refuse_windows(reader, at, of, (launch, &kinds), definition);
    }
    let architecture = definition.fargate_architecture();
    let size = definition.cpu.and_then(task_cpu).map(|it| (it.platform_version(), "its size"));
    let of_architecture = kinds.iter().map(|it| (it.platform_version(architecture), architecture.as_str()));
    let needs_latest = |is_needed: bool, what| is_needed.then_some((PlatformVersion::V1_4, what));
    let needs = [
        needs_latest(definition.ephemeral_storage_gib > EPHEMERAL_STORAGE_GIB, "its ephemeral storage"),
        needs_latest(definition.has_volume(VolumeKind::Efs), "its EFS volume"),
        needs_latest(definition.has_volume(VolumeKind::Ebs), "its EBS volume"),
    ];
    let mut all = size.into_iter().chain(of_architecture).chain(needs.into_iter().flatten());
    let Some((version, what)) = all.find(|it| it.0 > launch.platform_version) else { return false };
    let message = format!("{of} has platform version {}, and `{name}` needs more", launch.platform_version.as_str());
    let help = format!("for {what} it must be {} or LATEST", version.as_str());
    reader.refuse(Problem::new(at, message).help(help).help(format!("AWS says: {INCOMPATIBLE}")));
    true
}

/// Refuses a definition of another operating system than the platform family that a launch says.
fn refuse_family(reader: &mut Reader<'_>, at: Place, of: &str, launch: &Launch, definition: &TaskDefinition) -> bool {
    let own = definition.operating_system_family;
    let Some(said) = launch.platform_family.filter(|it| *it != own) else { return false };
    let message =
        format!("{of} has platform family {}, and `{}` is for {}", said.as_str(), definition.name(), own.as_str());
    reader.refuse(
        Problem::new(at, message)
            .help("`operatingSystemFamily` of its `runtimePlatform` decides it; leave `platformFamily` out"),
    );
    true
}

/// Refuses what Windows does not have on Fargate: Spot, and the platform versions of Linux.
fn refuse_windows(
    reader: &mut Reader<'_>,
    at: Place,
    of: &str,
    (launch, kinds): (&Launch, &[FargateCapacity]),
    definition: &TaskDefinition,
) -> bool {
    let (name, family) = (definition.name(), definition.operating_system_family.as_str());
    if kinds.contains(&FargateCapacity::Spot) {
        let problem = Problem::new(at, format!("{of} runs on FARGATE_SPOT, and `{name}` is for {family}"));
        let says = "Windows containers on Fargate don't support the Fargate Spot capacity provider.";
        reader.refuse(problem.help("take `FARGATE` alone").help(format!("AWS says: {says}")));
        return true;
    }
    let version = launch.platform_version;
    if !matches!(version, PlatformVersion::V1_0 | PlatformVersion::Latest) {
        let message = format!("{of} has platform version {}, and `{name}` is for {family}", version.as_str());
        let problem = Problem::new(at, message);
        reader.refuse(problem.help("for Windows it must be 1.0.0 or LATEST").help(format!("AWS says: {INCOMPATIBLE}")));
        return true;
    }
    false
}

/// What `CreateService` and `RunTask` answer where the platform version has not what a definition needs.
const INCOMPATIBLE: &str = "PlatformTaskDefinitionIncompatibilityException: The specified platform does not satisfy the task definition's required capabilities.";

/// Refuses sizes that `overrides` give to tasks on Fargate, and that it does not have.
pub fn refuse_sizes_on_fargate(
    reader: &mut Reader<'_>,
    entry: &Entry,
    (launch, capacity): (&Launch, &Capacity),
    definition: &TaskDefinition,
    sizes: &[Overrides],
) {
    if !launch.capacity_provider_strategy.iter().any(|it| capacity.is_fargate(it.capacity_provider)) {
        return;
    }
    for size in sizes {
        let (Some(cpu), Some(memory)) = (size.cpu.or(definition.cpu), size.memory.or(definition.memory)) else {
            continue;
        };
        let family = definition.operating_system_family;
        if !is_valid_size(family, (cpu, memory)) {
            let (near_cpu, near_memory) = nearest_size(family, (cpu, memory));
            let message = format!(
                "tasks of `runTasks` `{}` have {cpu} CPU units and {memory} MiB, which is no size of Fargate's",
                entry.key
            );
            let help = format!("the nearest is {near_cpu} CPU units with {near_memory} MiB");
            reader.refuse(Problem::new(entry.key_place, message).help(help));
            return;
        }
    }
}

/// What a service or an entry of `runTasks` may have on Fargate.
pub struct FargateDemand<'a> {
    /// Whose it is, in messages.
    pub of: String,
    /// Where its tasks run.
    pub launch: &'a Launch,
    /// What it may have at some time or other; never empty.
    pub times: Vec<TasksAtOnce>,
    /// Whether its tasks are of calls, which nobody makes again where they are refused.
    pub is_of_calls: bool,
    /// Whether it has other tasks beside, at random.
    pub has_random_ones: bool,
}

/// Tasks that run at one time.
pub struct TasksAtOnce {
    /// Of which definitions and sizes, and how many.
    pub tasks: Vec<(Id<TaskDefinition>, Overrides, u64)>,
    /// Whether a deployment has old and new ones then.
    pub is_deployment: bool,
}

impl TasksAtOnce {
    /// CPU units on a kind of capacity; each part of the tasks is split by the strategy for itself.
    fn cpu_units(
        &self,
        launch: &Launch,
        capacity: &Capacity,
        definitions: &Table<TaskDefinition>,
        kind: FargateCapacity,
    ) -> u64 {
        let strategy = &launch.capacity_provider_strategy;
        let units = self.tasks.iter().map(|(definition, size, count)| {
            let mut counts = vec![0; strategy.len()];
            // Beyond that a strategy's parts change no more, and a strategy of one item has all.
            let split = (*count).min(if strategy.len() == 1 { 1 } else { 100_000 });
            for _ in 0..split {
                let place = choose_provider(strategy, &counts);
                counts[place] += 1;
            }
            let is_its = |place: usize| capacity.providers[strategy[place].capacity_provider].fargate() == Some(kind);
            let part: u32 = (0..counts.len()).filter(|it| is_its(*it)).map(|it| counts[it]).sum();
            let tasks = (u64::from(part) * count).checked_div(split).unwrap_or(0);
            tasks * u64::from(size.cpu.or(definitions[*definition].cpu).unwrap_or(0))
        });
        units.sum()
    }
}

/// Says of what may run on Fargate whether the account's quota of vCPUs holds it, and whether its images fit on its storage.
pub fn note_fargate(
    reader: &mut Reader<'_>,
    capacity: &Capacity,
    definitions: &Table<TaskDefinition>,
    demands: &[FargateDemand<'_>],
    assumptions: &FargateAssumptions,
) {
    // Of a strategy that is refused nothing can be told.
    let is_sound = |it: &&FargateDemand<'_>| {
        let strategy = &it.launch.capacity_provider_strategy;
        let is_fargate = |it: Id<CapacityProvider>| capacity.providers[it].fargate().is_some();
        strategy.iter().any(|it| it.weight > 0) && is_fargate(strategy[0].capacity_provider)
    };
    let demands: Vec<&FargateDemand<'_>> = demands.iter().filter(is_sound).collect();
    for demand in &demands {
        for (definition, ..) in demand.times.iter().flat_map(|it| &it.tasks) {
            let definition = &definitions[*definition];
            let (megabytes, storage) = (definition.image_mb(), definition.ephemeral_storage_gib);
            let gib = images_on_storage_gib(megabytes, assumptions.unpacked_image_ratio);
            if gib > f64::from(storage) {
                reader.note(format!(
                    "a task of `{}` will never run in {}: its images take {gib:.1} GiB, compressed and unpacked, and its ephemeral storage has {storage} GiB",
                    definition.name(),
                    demand.of
                ));
            }
        }
    }
    for kind in FargateCapacity::ALL {
        let (mut cpu_units, mut deploys, mut has_calls) = (0, false, false);
        for demand in &demands {
            let most = |is_deployment: bool| {
                let times = demand.times.iter().filter(|it| it.is_deployment == is_deployment);
                times.map(|it| it.cpu_units(demand.launch, capacity, definitions, kind)).max().unwrap_or(0)
            };
            let (steady, deploying) = (most(false), most(true));
            cpu_units += steady.max(deploying);
            deploys |= deploying > steady;
            has_calls |= demand.is_of_calls && steady > 0;
        }
        let quota = assumptions.quotas(kind).vcpu;
        if cpu_units <= u64::from(quota) * 1024 {
            continue;
        }
        let field = match kind {
            FargateCapacity::OnDemand => "fargateVcpuQuota",
            FargateCapacity::Spot => "fargateSpotVcpuQuota",
        };
        let (name, vcpu) = (kind.provider_name(), cpu_units as f64 / 1024.0);
        let is_its = |it: &FargateDemand<'_>| {
            let mut strategy = it.launch.capacity_provider_strategy.iter();
            strategy.any(|it| capacity.providers[it.capacity_provider].fargate() == Some(kind))
        };
        let while_deploying = if deploys { " while deployments have old and new tasks" } else { "" };
        let is_random = demands.iter().any(|it| it.has_random_ones && is_its(it));
        let besides = if is_random { ", without those of random calls" } else { "" };
        let refused = if has_calls {
            "the others wait, or are not started where `runTasks` asks for them,"
        } else {
            "the others wait"
        };
        reader.note(format!(
            "tasks on {name} may come to {vcpu} vCPU{while_deploying}{besides}, and the quota of the account is {quota}: {refused} until `{field}` of `assumptions` is raised"
        ));
    }
}

/// Task-level CPU and memory must be there and make one of Fargate's sizes.
fn check_size(reader: &mut Reader<'_>, definition: &Definition<'_>) {
    let Definition { node, of, cpu, memory, .. } = *definition;
    for (field, is_there) in [("cpu", cpu.is_some()), ("memory", memory.is_some())] {
        if !is_there && node.get(field).is_none_or(Node::is_blank) {
            let says = format!("Fargate requires that '{field}' be defined at the task level.");
            let problem = Problem::new(node.place, format!("{of} is for Fargate and has no task-level `{field}`"));
            reader.refuse(problem.help(client_exception(&says)));
        }
    }
    let (Some(cpu), Some(memory)) = (cpu, memory) else { return };
    let family = definition.operating_system_family;
    if is_valid_size(family, (cpu, memory)) {
        return;
    }
    let (near_cpu, near_memory) = nearest_size(family, (cpu, memory));
    let row = task_cpu(cpu).filter(|it| it.is_of(family));
    let field = if row.is_some() { "memory" } else { "cpu" };
    let at = node.get(field).map_or(node.place, |it| it.place);
    let numbers = match row {
        Some(row) => row.memory_mib().iter().map(u32::to_string).collect::<Vec<_>>(),
        None => TASK_CPUS.iter().filter(|it| it.is_of(family)).map(|it| it.cpu_units.to_string()).collect(),
    };
    let there = listed(numbers.iter().map(String::as_str));
    let with = if family.is_windows() { " with Windows" } else { "" };
    let message = format!("{of} has {cpu} CPU units and {memory} MiB, which is no size of Fargate's{with}");
    let help = match row {
        Some(_) => format!("with {cpu} CPU units a task may have {there} MiB"),
        None => format!("a task may have {there} CPU units"),
    };
    let problem = Problem::new(at, message);
    let problem = if near_cpu >= cpu && near_memory >= memory {
        problem.label(format!("the nearest is {near_cpu} CPU units with {near_memory} MiB"))
    } else {
        problem.label(format!("the largest is {near_cpu} CPU units with {near_memory} MiB"))
    };
    let says = format!(
        "No Fargate configuration exists for given values: {cpu} CPU, {memory} memory. See the Amazon ECS documentation for the valid values."
    );
    reader.refuse(problem.help(help).help(client_exception(&says)));
}

fn refuse_field(reader: &mut Reader<'_>, node: &Node, field: &str, of: &str) {
    let Some(said) = node.get(field).filter(|it| says_something(it)) else { return };
    let problem = Problem::new(said.place, format!("{of} is for Fargate, which has no `{field}`"));
    reader.refuse(problem.help("leave it out, or run the task on EC2 (`requiresCompatibilities: [EC2]`)"));
}

/// Whether a field is more than an empty list or map, `null` or `false`, as tools write them.
fn says_something(node: &Node) -> bool {
    match &node.value {
        Value::Null => false,
        Value::List(items) => !items.is_empty(),
        Value::Map(entries) => !entries.is_empty(),
        Value::Scalar { text, .. } => text != "false",
        Value::Unread => true,
    }
}

fn list<'n>(node: &'n Node, field: &str) -> &'n [Node] {
    match node.get(field).map(|it| &it.value) {
        Some(Value::List(items)) => items,
        _ => &[],
    }
}
