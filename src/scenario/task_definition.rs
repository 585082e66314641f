//! `taskDefinitions`: what `RegisterTaskDefinition` takes, and the rules by which it refuses.

use std::collections::BTreeMap;

use crate::aws::fargate::{EPHEMERAL_STORAGE_GIB, EPHEMERAL_STORAGE_RANGE};
use crate::aws::operating_system::OperatingSystemFamily;
use crate::aws::task_definition::{
    ContainerDefinition, CpuArchitecture, NetworkMode, TaskDefinition, Volume, VolumeKind,
};
use crate::scenario::application::Applications;
use crate::scenario::aws_fields::Shape;
use crate::scenario::container::{Task, client_exception, containers};
use crate::scenario::fargate;
use crate::scenario::placement::placement_constraints_of_definition;
use crate::scenario::problem::{Place, Problem, nearest};
use crate::scenario::quantity;
use crate::scenario::reader::{Fields, Reader, What, last_name, listed};
use crate::scenario::required_attributes::required_attributes;
use crate::scenario::tree::{Entry, Node, Value};
use crate::scenario::windows;
use crate::table::{Id, Table};

/// Task definitions by family and revision.
#[derive(Default)]
pub struct TaskDefinitions {
    /// Those that were accepted.
    pub table: Table<TaskDefinition>,
    /// Family and revision of each, with its key unless it was refused.
    revisions: Vec<(String, u32, Option<Id<TaskDefinition>>)>,
    /// Those for Fargate alone, and where they say so.
    fargate_only: BTreeMap<Id<TaskDefinition>, Place>,
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
            let compatibilities = entry.node.get("requiresCompatibilities");
            if let Some((id, node)) = id.zip(compatibilities.filter(|it| is_fargate_only(it))) {
                definitions.fargate_only.insert(id, node.place);
            }
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

    /// Where a definition says that it is for Fargate and not for EC2; `None` where it does not.
    pub fn is_for_fargate_only(&self, id: Id<TaskDefinition>) -> Option<Place> {
        self.fargate_only.get(&id).copied()
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

/// Whether `requiresCompatibilities` has Fargate and not EC2.
fn is_fargate_only(compatibilities: &Node) -> bool {
    let Value::List(words) = &compatibilities.value else { return false };
    let has = |word: &str| words.iter().any(|it| it.text() == Some(word));
    has("FARGATE") && !has("EC2")
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
        ("default", NetworkMode::Bridge),
    ];
    let (cpu_architecture, operating_system_family) = runtime_platform(reader, &mut fields);
    let is_windows = operating_system_family.is_windows();
    let network_mode = if is_windows {
        fields.derived(reader, "networkMode", "default");
        fields.word(reader, "networkMode", &modes).unwrap_or_default()
    } else {
        windows::refuse_default_network(reader, node, &fields.of);
        fields.word_or(reader, "networkMode", &modes, NetworkMode::default())
    };
    let (cpu, memory) = cpu_and_memory(reader, &mut fields);
    let is_for_fargate = compatibilities(reader, &mut fields);
    let ephemeral_storage_gib = ephemeral_storage(reader, &mut fields, is_for_fargate);
    let placement_constraints = placement_constraints_of_definition(reader, &mut fields);
    let says_linux = |it: &Node| it.get("operatingSystemFamily").and_then(Node::text) == Some("LINUX");
    let is_for_linux = node.get("runtimePlatform").is_some_and(says_linux);
    let volumes = volumes(reader, &mut fields, is_for_fargate || is_for_linux);
    let says_memory = fields.has("memory");
    let task = Task { family, revision, network_mode, memory, says_memory, is_for_fargate };
    let execution_role = fields.text(reader, "executionRoleArn").map(str::to_owned);
    let containers = containers(reader, &mut fields, &task, applications);
    let place = fields.place;
    let of = fields.of.clone();
    fields.finish(reader, &Shape::TASK_DEFINITION);
    check_sums(reader, place, &of, &containers, (cpu.filter(|_| is_for_fargate), memory));
    if is_for_fargate {
        let of = &of;
        fargate::check_definition(
            reader,
            &fargate::Definition {
                node,
                of,
                network_mode,
                cpu,
                memory,
                operating_system_family,
                containers: &containers,
            },
        );
    }
    if is_windows {
        let (of, containers) = (&of, &containers[..]);
        let definition = windows::Definition { node, of, network_mode, cpu_architecture, is_for_fargate, containers };
        windows::check_definition(reader, &definition);
    }
    // Agents on Windows ignore the size of a task, and so need nothing for it.
    let (limits_cpu, limits_memory) = (cpu.filter(|_| !is_windows), memory.filter(|_| !is_windows));
    let task = (network_mode, limits_cpu, limits_memory);
    let requires_attributes = required_attributes(node, task, &volumes, &containers);
    (reader.problems.len() == problems).then(|| TaskDefinition {
        family: family.to_owned(),
        revision,
        network_mode,
        cpu,
        memory,
        is_for_fargate,
        execution_role,
        ephemeral_storage_gib,
        operating_system_family,
        cpu_architecture,
        placement_constraints,
        requires_attributes,
        volumes,
        containers,
    })
}

/// Whether the definition is for Fargate, and so has to hold to its rules.
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
        && words.iter().all(|(word, _)| !matches!(*word, "EC2" | "FARGATE"))
    {
        reader.not_simulated(*place, format!("`{what}: {word}` of {of}"));
    }
    words.iter().any(|(word, _)| *word == "FARGATE")
}

/// `ephemeralStorage`, GiB, which only Fargate has.
fn ephemeral_storage(reader: &mut Reader<'_>, fields: &mut Fields<'_>, is_for_fargate: bool) -> u32 {
    let of = fields.of.clone();
    let Some(node) = fields.take("ephemeralStorage").filter(|it| !it.is_blank()) else { return EPHEMERAL_STORAGE_GIB };
    let Some(mut storage) = reader.fields(node, format!("`ephemeralStorage` of {of}")) else {
        return EPHEMERAL_STORAGE_GIB;
    };
    storage.required(reader, "sizeInGiB");
    let size = storage.count(reader, "sizeInGiB", EPHEMERAL_STORAGE_RANGE);
    storage.finish(reader, &Shape::OURS);
    if !is_for_fargate {
        reader.note(format!("`ephemeralStorage` of {of} does nothing: only tasks on Fargate have it"));
    }
    size.unwrap_or(EPHEMERAL_STORAGE_GIB)
}

fn runtime_platform(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
) -> (Option<CpuArchitecture>, OperatingSystemFamily) {
    let linux = OperatingSystemFamily::Linux;
    let of = format!("`runtimePlatform` of {}", fields.of);
    let Some(mut platform) = fields.take("runtimePlatform").and_then(|it| reader.fields(it, of)) else {
        return (None, linux);
    };
    let architectures = [("X86_64", CpuArchitecture::X86_64), ("ARM64", CpuArchitecture::Arm64)];
    let architecture = platform.word(reader, "cpuArchitecture", &architectures);
    let families = OperatingSystemFamily::ALL.map(|it| (it.as_str(), it));
    let family = platform.word_or(reader, "operatingSystemFamily", &families, linux);
    platform.finish(reader, &Shape::RUNTIME_PLATFORM);
    (architecture, family)
}

/// Volumes on the instance change nothing, those outside of it take time.
fn volumes(reader: &mut Reader<'_>, fields: &mut Fields<'_>, is_for_linux_or_fargate: bool) -> Vec<Volume> {
    let mut volumes: Vec<Volume> = Vec::new();
    for node in fields.list(reader, "volumes") {
        let of = fields.of.clone();
        if let Some(place) = plain_s3(node) {
            let problem = Problem::new(place, format!("a volume of {of} is a bucket of S3, which ECS cannot mount"));
            reader.refuse(problem.label("no volume").help(
                "for files that tasks share use EFS (`efsVolumeConfiguration`); objects are read through the S3 API",
            ));
            continue;
        }
        let Some(mut volume) = reader.fields(node, format!("a volume of {of}")) else { continue };
        let name = volume.text(reader, "name").unwrap_or_default().to_owned();
        if let Some(entry) = volume.take_entry("s3filesVolumeConfiguration") {
            reader.not_simulated(entry.key_place, format!("`s3filesVolumeConfiguration` of {of}"));
        }
        let fsx = volume.take_entry("fsxWindowsFileServerVolumeConfiguration").filter(|it| !it.node.is_blank());
        if let Some(entry) = fsx.filter(|_| is_for_linux_or_fargate) {
            let message = format!("{of} has a volume of FSx for Windows File Server");
            let problem = Problem::new(entry.key_place, message).label("not on Linux, nor on Fargate");
            reader.refuse(problem.help("only tasks on instances that run Windows mount it; EFS is for Linux"));
        }
        let mut file_system = None;
        let efs = volume.take("efsVolumeConfiguration");
        if let Some(mut efs) = efs.and_then(|it| reader.fields(it, format!("`efsVolumeConfiguration` of {of}"))) {
            efs.required(reader, "fileSystemId");
            file_system = efs.text(reader, "fileSystemId").map(str::to_owned);
            efs.finish(reader, &Shape::EFS_VOLUME);
        }
        let at = volume.place_of_key("configuredAtLaunch");
        let is_ebs = volume.flag_or(reader, "configuredAtLaunch", false);
        for inside in ["host", "dockerVolumeConfiguration"] {
            volume.take(inside);
        }
        volume.finish(reader, &Shape::OURS);
        let kind = match (efs, is_ebs) {
            (Some(_), _) => VolumeKind::Efs,
            (None, true) => VolumeKind::Ebs,
            (None, false) if fsx.is_some() => VolumeKind::FsxWindows,
            (None, false) => VolumeKind::Instance,
        };
        if is_ebs && volumes.iter().any(|it| it.kind == VolumeKind::Ebs) {
            let problem = Problem::new(at, format!("{of} has two volumes that are configured at launch"));
            reader.refuse(problem.label("the second").help("a task has at most one EBS volume"));
        }
        volumes.push(Volume { name, kind, file_system });
    }
    volumes
}

/// Where a volume says that it is a bucket of S3. S3 Files is another thing.
fn plain_s3(node: &Node) -> Option<Place> {
    let Value::Map(entries) = &node.value else { return None };
    let is_bucket = |it: &&Entry| {
        let key = it.key.to_ascii_lowercase();
        key.starts_with("s3") && !key.starts_with("s3files")
    };
    let path = node.get("host").and_then(|it| it.get("sourcePath"));
    let path = path.filter(|it| it.text().is_some_and(|it| it.starts_with("s3://")));
    entries.iter().find(is_bucket).map(|it| it.key_place).or(path.map(|it| it.place))
}

/// What the containers reserve together must fit the task; CPU is held to that on Fargate only. Hard limits above what is
/// reserved may exceed it.
fn check_sums(
    reader: &mut Reader<'_>,
    place: Place,
    of: &str,
    containers: &[ContainerDefinition],
    (fargate_cpu, memory): (Option<u32>, Option<u32>),
) {
    let of_containers: u64 =
        containers.iter().map(|it| u64::from(it.memory_reservation.or(it.memory).unwrap_or(0))).sum();
    if let Some(memory) = memory.filter(|it| of_containers > u64::from(*it))
        // One container alone was refused already.
        && containers.iter().all(|it| it.memory.unwrap_or(0) <= memory)
    {
        let message =
            format!("the containers of {of} reserve {of_containers} MiB, more than the {memory} MiB of the task");
        let says = "The sum of all container 'memoryReservation' values cannot be greater than the value of the task 'memory'.";
        reader.refuse(Problem::new(place, message).help(client_exception(says)));
    }
    let of_containers: u64 = containers.iter().map(|it| u64::from(it.cpu)).sum();
    if let Some(cpu) = fargate_cpu.filter(|it| of_containers > u64::from(*it)) {
        let message = format!("the containers of {of} have {of_containers} CPU units, more than the {cpu} of the task");
        reader.refuse(Problem::new(place, message));
    }
}
/// `cpu`, units, and `memory`, MiB, of a task: of its definition, or as a call overrides them.
pub fn cpu_and_memory(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> (Option<u32>, Option<u32>) {
    let cpu = fields.parsed(reader, "cpu", |text| match quantity::task_cpu(text)? {
        units @ 128..=196_608 => Ok(units),
        units => Err(format!("{units} units are out of range; a task may have 128 to 196608")),
    });
    let memory = fields.parsed(reader, "memory", |text| match quantity::task_memory(text)? {
        0 => Err("a task needs memory".to_owned()),
        mib => Ok(mib),
    });
    (cpu, memory)
}
