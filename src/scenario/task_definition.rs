//! `taskDefinitions`: what `RegisterTaskDefinition` takes, and the rules by which it refuses.

use crate::aws::instance_type::AGENT_METRICS_PORT;
use crate::aws::task_definition::{
    ContainerDefinition, CpuArchitecture, NetworkMode, PortMapping, Protocol, TaskDefinition,
};
use crate::scenario::application::Applications;
use crate::scenario::aws_fields::Shape;
use crate::scenario::placement::placement_constraints_of_definition;
use crate::scenario::problem::{Place, Problem, nearest};
use crate::scenario::quantity;
use crate::scenario::reader::{Fields, Reader, What, last_name, listed};
use crate::scenario::tree::{Entry, Node, Value};
use crate::table::{Id, Table};
use crate::units::Span;

/// Most ranges of ports of one container (`PortMapping`).
const PORT_RANGES_MAXIMUM: usize = 100;

/// Task definitions by family and revision.
#[derive(Default)]
pub struct TaskDefinitions {
    /// Those that were accepted.
    pub table: Table<TaskDefinition>,
    /// Family and revision of each, with its key unless it was refused.
    revisions: Vec<(String, u32, Option<Id<TaskDefinition>>)>,
}

impl TaskDefinitions {
    /// The section `taskDefinitions`.
    pub fn read(reader: &mut Reader<'_>, entries: &[Entry], applications: &mut Applications<'_>) -> TaskDefinitions {
        let mut definitions = TaskDefinitions::default();
        for entry in entries {
            let Some((family, revision)) = definitions.family_and_revision(reader, entry) else {
                applications.has_unread_containers = true;
                continue;
            };
            let definition = task_definition(reader, &entry.node, &family, revision, applications);
            let id = definition.map(|it| definitions.table.push(it));
            definitions.revisions.push((family, revision, id));
        }
        definitions
    }

    /// The family and revision that a key and the fields under it say; revisions count up where nothing says.
    fn family_and_revision(&self, reader: &mut Reader<'_>, entry: &Entry) -> Option<(String, u32)> {
        let (family, keyed) = match entry.key.rsplit_once(':') {
            Some((family, revision)) => match quantity::whole(revision).and_then(|it| u32::try_from(it).ok()) {
                Some(revision) if revision > 0 => (family, Some(revision)),
                _ => {
                    let message = format!("`{}` does not end in a revision", entry.key);
                    let problem = Problem::new(entry.key_place, message);
                    reader.refuse(problem.help("a task definition is keyed by `family` or `family:1`"));
                    return None;
                }
            },
            None => (entry.key.as_str(), None),
        };
        check_name(reader, entry.key_place, family, "a family");
        let said = entry.node.get("revision").and_then(Node::text).and_then(quantity::whole);
        let said = said.and_then(|it| u32::try_from(it).ok()).filter(|it| *it > 0);
        if let (Some(keyed), Some(said)) = (keyed, said)
            && keyed != said
        {
            reader
                .note(format!("task definition `{}` says `revision: {said}`; its revision here is {keyed}", entry.key));
        }
        let next = self.of_family(family).map(|it| it.1 + 1).max().unwrap_or(1);
        let revision = keyed.or(said).unwrap_or(next);
        if self.of_family(family).any(|it| it.1 == revision) {
            let message = format!("revision {revision} of `{family}` is defined twice");
            reader.refuse(Problem::new(entry.key_place, message).label("the second"));
            return None;
        }
        Some((family.to_owned(), revision))
    }

    fn of_family<'a>(&'a self, family: &'a str) -> impl Iterator<Item = &'a (String, u32, Option<Id<TaskDefinition>>)> {
        self.revisions.iter().filter(move |it| it.0 == family)
    }

    /// What `family`, `family:revision` or an ARN that ends so refers to; `family` is its latest revision.
    pub fn reference(&self, reader: &mut Reader<'_>, what: What<'_>, node: &Node) -> Option<Id<TaskDefinition>> {
        let name = last_name(reader.text(what, node)?);
        let (family, revision) = name.split_once(':').map_or((name, None), |(family, it)| (family, Some(it)));
        let Some(latest) = self.of_family(family).max_by_key(|it| it.1) else {
            if reader.unread_sections.contains("taskDefinitions") {
                return None;
            }
            let problem = Problem::new(node.place, format!("{what} names `{name}`, which no task definition defines"));
            let families: Vec<&str> = {
                let mut families: Vec<&str> = self.revisions.iter().map(|it| it.0.as_str()).collect();
                families.dedup();
                families
            };
            let problem = match nearest(family, families.iter().copied()) {
                Some(near) => problem.label(format!("did you mean `{near}`?")),
                None => problem.label("not defined"),
            };
            reader.refuse(if families.is_empty() {
                problem.help("this scenario defines no task definition; the section `taskDefinitions` would")
            } else {
                problem.help(format!("`taskDefinitions` defines {}", listed(families)))
            });
            return None;
        };
        let Some(revision) = revision else { return latest.2 };
        let wanted = quantity::whole(revision).and_then(|it| u32::try_from(it).ok());
        match self.of_family(family).find(|it| Some(it.1) == wanted) {
            Some((_, _, id)) => *id,
            None => {
                let mut there: Vec<String> = self.of_family(family).map(|it| format!("{family}:{}", it.1)).collect();
                there.sort();
                let message = format!("{what} names `{name}`, and `{family}` has no such revision");
                let help =
                    format!("there is {}; `{family}` alone means the latest", listed(there.iter().map(|it| &**it)));
                reader.refuse(Problem::new(node.place, message).label("no such revision").help(help));
                None
            }
        }
    }

    /// The latest revision of the only family; nothing where there is none or more than one. Its key is missing where
    /// it was refused.
    pub fn only_family(&self) -> Option<Option<Id<TaskDefinition>>> {
        let family = self.revisions.first()?.0.as_str();
        let is_only = self.revisions.iter().all(|it| it.0 == family);
        let latest = self.of_family(family).filter(|_| is_only).max_by_key(|it| it.1)?;
        Some(latest.2)
    }
}

/// AWS's rule for families, containers and services.
pub fn check_name(reader: &mut Reader<'_>, at: Place, name: &str, kind: &str) {
    let is_sound = name.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_'));
    if !is_sound || name.is_empty() || name.len() > 255 {
        let problem = Problem::new(at, format!("{kind} cannot be called `{name}`"));
        reader.refuse(problem.help("AWS allows up to 255 letters, digits, hyphens and underscores"));
    }
}

fn task_definition(
    reader: &mut Reader<'_>,
    node: &Node,
    family: &str,
    revision: u32,
    applications: &mut Applications<'_>,
) -> Option<TaskDefinition> {
    let problems = reader.problems.len();
    let Some(mut fields) = reader.fields(node, format!("task definition `{family}:{revision}`")) else {
        applications.has_unread_containers = true;
        return None;
    };
    if let Some(said) = fields.take("family").and_then(Node::text).filter(|it| *it != family) {
        reader.note(format!("{} says `family: {said}`; its family here is `{family}`", fields.of));
    }
    fields.take("revision");
    let modes = [
        ("none", NetworkMode::None),
        ("bridge", NetworkMode::Bridge),
        ("host", NetworkMode::Host),
        ("awsvpc", NetworkMode::Awsvpc),
    ];
    let network_mode = fields.word_or(reader, "networkMode", &modes, NetworkMode::default());
    let cpu = fields.parsed(reader, "cpu", |text| match quantity::task_cpu(text)? {
        units @ 128..=196_608 => Ok(units),
        units => Err(format!("{units} units are out of range; a task may have 128 to 196608")),
    });
    let memory = fields.parsed(reader, "memory", |text| match quantity::task_memory(text)? {
        0 => Err("a task needs memory".to_owned()),
        mib => Ok(mib),
    });
    let is_fargate_only = compatibilities(reader, &mut fields);
    let cpu_architecture = runtime_platform(reader, &mut fields);
    let placement_constraints = placement_constraints_of_definition(reader, &mut fields);
    volumes(reader, &mut fields);
    let task = Task { family, revision, network_mode, memory, says_memory: fields.has("memory") };
    let containers = containers(reader, &mut fields, &task, applications);
    let place = fields.place;
    let of = fields.of.clone();
    fields.finish(reader, &Shape::TASK_DEFINITION);
    check_sums(reader, place, &of, &containers, (cpu.filter(|_| is_fargate_only), memory));
    (reader.problems.len() == problems).then(|| TaskDefinition {
        family: family.to_owned(),
        revision,
        network_mode,
        cpu,
        memory,
        cpu_architecture,
        placement_constraints,
        containers,
    })
}

/// What the containers of a task definition have to know of it.
struct Task<'a> {
    family: &'a str,
    revision: u32,
    network_mode: NetworkMode,
    memory: Option<u32>,
    /// Whether there is a field `memory`, even one that was refused.
    says_memory: bool,
}

/// Whether the definition is for Fargate alone.
fn compatibilities(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> bool {
    let what = "requiresCompatibilities";
    let items = fields.list(reader, what);
    let of = fields.of.clone();
    let words: Vec<(&str, Place)> = items
        .iter()
        .filter_map(|it| {
            let words = ["EC2", "FARGATE", "EXTERNAL", "MANAGED_INSTANCES"].map(|word| (word, word));
            Some((reader.word(What { field: what, of: &of }, it, &words)?, it.place))
        })
        .collect();
    if let Some((word, place)) = words.first()
        && words.iter().all(|(word, _)| *word != "EC2")
    {
        reader.not_simulated(*place, format!("`{what}: {word}` of {of}"));
    }
    words.iter().any(|(word, _)| *word == "FARGATE") && words.iter().all(|(word, _)| *word != "EC2")
}

fn runtime_platform(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<CpuArchitecture> {
    let node = fields.take("runtimePlatform")?;
    let mut platform = reader.fields(node, format!("`runtimePlatform` of {}", fields.of))?;
    let architectures = [("X86_64", CpuArchitecture::X86_64), ("ARM64", CpuArchitecture::Arm64)];
    let architecture = platform.word(reader, "cpuArchitecture", &architectures);
    if let Some(node) = platform.take("operatingSystemFamily")
        && let Some(family) = node.text().filter(|it| *it != "LINUX")
    {
        reader.not_simulated(node.place, format!("`operatingSystemFamily: {family}` of {}", fields.of));
    }
    platform.finish(reader, &Shape::RUNTIME_PLATFORM);
    architecture
}

/// Volumes change nothing unless they live outside of the instance.
fn volumes(reader: &mut Reader<'_>, fields: &mut Fields<'_>) {
    for node in fields.list(reader, "volumes") {
        let of = fields.of.clone();
        let Some(mut volume) = reader.fields(node, format!("a volume of {of}")) else { continue };
        for outside in
            ["efsVolumeConfiguration", "fsxWindowsFileServerVolumeConfiguration", "s3filesVolumeConfiguration"]
        {
            if let Some(entry) = volume.take_entry(outside) {
                reader.not_simulated(entry.key_place, format!("`{outside}` of {of}"));
            }
        }
        if let Some(entry) = volume.take_entry("configuredAtLaunch")
            && reader.flag(What { field: "configuredAtLaunch", of: "a volume" }, &entry.node) == Some(true)
        {
            reader.not_simulated(entry.key_place, format!("an EBS volume (`configuredAtLaunch`) of {of}"));
        }
        for inside in ["name", "host", "dockerVolumeConfiguration"] {
            volume.take(inside);
        }
        volume.finish(reader, &Shape::OURS);
    }
}

fn containers(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    task: &Task<'_>,
    applications: &mut Applications<'_>,
) -> Vec<ContainerDefinition> {
    let Some(node) = fields.required(reader, "containerDefinitions") else {
        applications.has_unread_containers = true;
        return Vec::new();
    };
    if node.value == Value::Unread {
        applications.has_unread_containers = true;
        return Vec::new();
    }
    let what = What { field: "containerDefinitions", of: &fields.of };
    let nodes = reader.list(what, node);
    if nodes.is_empty() || nodes.len() > 10 {
        let message = format!("{} has {} containers; a task definition has 1 to 10", fields.of, nodes.len());
        reader.refuse(Problem::new(node.place, message));
    }
    let mut containers: Vec<ContainerDefinition> = Vec::new();
    for node in nodes {
        let container = container(reader, node, &fields.of, task);
        applications.has_unread_containers |= container.as_ref().is_none_or(|it| it.name.is_empty());
        let Some(mut container) = container else { continue };
        if containers.iter().any(|it| it.name == container.name) {
            let message = format!("two containers of {} are called `{}`", fields.of, container.name);
            let at = node.get("name").map_or(node.place, |it| it.place);
            reader.refuse(Problem::new(at, message).label("the second"));
        }
        let memory = container.memory.or(container.memory_reservation).or(task.memory);
        container.application =
            applications.of_container(reader, (task.family, task.revision), &container.name, &container.image, memory);
        containers.push(container);
    }
    if !containers.is_empty() && containers.iter().all(|it| !it.essential) {
        let problem = Problem::new(node.place, format!("no container of {} is essential", fields.of));
        reader.refuse(problem.help("at least one must be: its end is the end of the task"));
    }
    containers
}

fn container(reader: &mut Reader<'_>, node: &Node, of: &str, task: &Task<'_>) -> Option<ContainerDefinition> {
    let name = node.get("name").and_then(Node::text).unwrap_or("").to_owned();
    let of = if name.is_empty() { format!("a container of {of}") } else { format!("container `{name}` of {of}") };
    let mut fields = reader.fields(node, of.clone())?;
    if let Some(node) = fields.required(reader, "name") {
        check_name(reader, node.place, &name, "a container");
    }
    let image = fields.text(reader, "image").unwrap_or_default().to_owned();
    let amount = |reader: &mut Reader<'_>, fields: &mut Fields<'_>, field: &'static str| {
        let node = fields.take(field)?;
        let mib = reader.parsed(What { field, of: &fields.of }, node, |text| match quantity::task_memory(text)? {
            mib @ 0..=5 => Err(format!("{mib} MiB are too few: Docker needs at least 6")),
            mib => Ok(mib),
        })?;
        Some((mib, node.place))
    };
    let memory = amount(reader, &mut fields, "memory");
    let memory_reservation = amount(reader, &mut fields, "memoryReservation");
    if let (Some((hard, at)), Some((soft, soft_at))) = (memory, memory_reservation)
        && hard < soft
    {
        let message = format!("`memory` of {of} is {hard} MiB, less than its `memoryReservation` of {soft}");
        let problem = Problem::new(at, message).label("the hard limit").related(soft_at, "the soft limit");
        reader.refuse(problem.help("the hard limit may not lie below the soft one"));
    }
    if let (Some((hard, at)), Some(task)) = (memory, task.memory)
        && hard > task
    {
        let message = format!("`memory` of {of} is {hard} MiB, more than the {task} MiB of the task");
        reader.refuse(Problem::new(at, message));
    }
    if !task.says_memory && !fields.has("memory") && !fields.has("memoryReservation") {
        let at = node.get("name").map_or(node.place, |it| it.place);
        let problem = Problem::new(at, format!("{of} has no memory"));
        reader.not_runnable(problem.help("on EC2 give it `memory` or `memoryReservation`, or give the task `memory`"));
    }
    fields.usual(reader, "cpu", &0);
    let cpu = fields.parsed(reader, "cpu", quantity::task_cpu).unwrap_or(0);
    let container = ContainerDefinition {
        name,
        image,
        cpu,
        memory: memory.map(|it| it.0),
        memory_reservation: memory_reservation.map(|it| it.0),
        essential: fields.flag_or(reader, "essential", true),
        gpus: gpus(reader, &mut fields),
        port_mappings: port_mappings(reader, &mut fields, task.network_mode),
        stop_timeout: fields.seconds_or(reader, "stopTimeout", 0..=86_400, Span::seconds(30)),
        application: Default::default(),
    };
    fields.finish(reader, &Shape::CONTAINER_DEFINITION);
    Some(container)
}

/// GPUs of `resourceRequirements`; other devices are not simulated.
fn gpus(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> u32 {
    let mut gpus = 0;
    let container = fields.of.clone();
    for node in fields.list(reader, "resourceRequirements") {
        let Some(mut requirement) = reader.fields(node, format!("a resource requirement of {container}")) else {
            continue;
        };
        requirement.required(reader, "type");
        let at = requirement.place_of("type");
        let is_gpu = requirement.word(reader, "type", &[("GPU", true), ("InferenceAccelerator", false)]);
        if is_gpu == Some(false) {
            reader.not_simulated(at, format!("an AWS Neuron device (`resourceRequirements` of {container})"));
            requirement.take("value");
        } else {
            requirement.required(reader, "value");
            // AWS has it as a text.
            let count = requirement.parsed(reader, "value", |text| match quantity::whole(text) {
                Some(count @ 1..=16) => Ok(count as u32),
                _ => Err(format!("`{text}` is no number of GPUs from 1 to 16")),
            });
            gpus += count.unwrap_or(0);
        }
        requirement.finish(reader, &Shape::OURS);
    }
    gpus
}

/// `8000-8010`, from the first port to the last.
fn port_range(text: &str) -> Result<(u32, u32), String> {
    let port = |text: &str| quantity::whole(text.trim()).and_then(|it| u16::try_from(it).ok()).filter(|it| *it > 0);
    match text.split_once('-').and_then(|(first, last)| port(first).zip(port(last))) {
        Some((first, last)) if first < last => Ok((first.into(), last.into())),
        _ => Err(format!("`{text}` is no range of ports such as 8000-8010")),
    }
}

fn port_mappings(reader: &mut Reader<'_>, fields: &mut Fields<'_>, network_mode: NetworkMode) -> Vec<PortMapping> {
    let mut mappings: Vec<PortMapping> = Vec::new();
    let mut ranges = 0;
    for node in fields.list(reader, "portMappings") {
        let of = format!("a port mapping of {}", fields.of);
        if network_mode == NetworkMode::None {
            let message = format!("{} maps a port, and its network mode is `none`", fields.of);
            reader.refuse(Problem::new(node.place, message).help("without a network there are no ports"));
        }
        let Some(mut mapping) = reader.fields(node, of.clone()) else { continue };
        let protocols = [("tcp", Protocol::Tcp), ("udp", Protocol::Udp)];
        let protocol = mapping.word_or(reader, "protocol", &protocols, Protocol::default());
        let range_place = mapping.place_of("containerPortRange");
        let is_range = mapping.has("containerPortRange");
        let range = mapping.parsed(reader, "containerPortRange", port_range);
        let container_port = if !is_range {
            mapping.required_count(reader, "containerPort", 1..=65_535)
        } else {
            for other in ["containerPort", "hostPort"] {
                if let Some(node) = mapping.take(other) {
                    let problem = Problem::new(node.place, format!("{of} has a `containerPortRange` and a `{other}`"));
                    reader.refuse(problem.help("host ports of a range are chosen when the task starts"));
                }
            }
            range.map(|it| it.0)
        };
        if network_mode == NetworkMode::Bridge && !is_range {
            mapping.usual(reader, "hostPort", &0);
        }
        let host = mapping.take("hostPort");
        let host_port = host.and_then(|it| reader.count(What { field: "hostPort", of: &of }, it, 0..=65_535));
        let is_own = matches!(network_mode, NetworkMode::Host | NetworkMode::Awsvpc);
        if let (Some(node), Some(host_port), Some(container_port)) = (host, host_port, container_port)
            && is_own
            && host_port != container_port
        {
            let mode = if network_mode == NetworkMode::Host { "host" } else { "awsvpc" };
            let message = format!("`hostPort` {host_port} of {} differs from its `containerPort`", fields.of);
            let help = format!("in network mode `{mode}` leave `hostPort` out, or make it {container_port}");
            reader.not_runnable(Problem::new(node.place, message).help(help));
        }
        mapping.finish(reader, &Shape::PORT_MAPPING);
        // Both lie within 16 bits, by the ranges above.
        let port = |it: u32| u16::try_from(it).unwrap_or(u16::MAX);
        if let Some(container_port) = container_port {
            let last = range.map_or(container_port, |it| it.1);
            let on_host = match network_mode {
                NetworkMode::Host => container_port..=last,
                _ => host_port.unwrap_or(0)..=host_port.unwrap_or(0),
            };
            if protocol == Protocol::Tcp
                && matches!(network_mode, NetworkMode::Bridge | NetworkMode::Host)
                && on_host.contains(&u32::from(AGENT_METRICS_PORT))
            {
                let at = host.map_or(node.place, |it| it.place);
                let message = format!("{of} takes the instance's port {AGENT_METRICS_PORT}, which is the ECS agent's");
                reader.refuse(Problem::new(at, message).help("22, 2375, 2376, 51678 and 51679 are taken as well"));
            }
            ranges += usize::from(is_range);
            let mapping = PortMapping {
                container_port: port(container_port),
                count: port(last - container_port + 1),
                host_port: host_port.map_or(0, port),
                protocol,
            };
            let overlaps = |it: &PortMapping| {
                let end = |it: &PortMapping| u32::from(it.container_port) + u32::from(it.count);
                it.protocol == protocol
                    && u32::from(it.container_port) < end(&mapping)
                    && u32::from(mapping.container_port) < end(it)
            };
            if is_range && mappings.iter().any(overlaps) {
                let message = format!("`containerPortRange` of {of} overlaps with ports that are mapped before");
                reader.refuse(Problem::new(range_place, message));
            }
            mappings.push(mapping);
        }
    }
    if ranges > PORT_RANGES_MAXIMUM {
        let message = format!("{} maps {ranges} ranges of ports; {PORT_RANGES_MAXIMUM} are allowed", fields.of);
        reader.refuse(Problem::new(fields.place_of("portMappings"), message));
    }
    mappings
}

/// What the containers ask for together must fit the task; CPU is held to that on Fargate only.
fn check_sums(
    reader: &mut Reader<'_>,
    place: Place,
    of: &str,
    containers: &[ContainerDefinition],
    (fargate_cpu, memory): (Option<u32>, Option<u32>),
) {
    let of_containers: u64 =
        containers.iter().map(|it| u64::from(it.memory.or(it.memory_reservation).unwrap_or(0))).sum();
    if let Some(memory) = memory.filter(|it| of_containers > u64::from(*it))
        // One container alone was refused already.
        && containers.iter().all(|it| it.memory.unwrap_or(0) <= memory)
    {
        let message =
            format!("the containers of {of} have {of_containers} MiB, more than the {memory} MiB of the task");
        reader.refuse(Problem::new(place, message));
    }
    let of_containers: u64 = containers.iter().map(|it| u64::from(it.cpu)).sum();
    if let Some(cpu) = fargate_cpu.filter(|it| of_containers > u64::from(*it)) {
        let message = format!("the containers of {of} have {of_containers} CPU units, more than the {cpu} of the task");
        reader.refuse(Problem::new(place, message));
    }
}
