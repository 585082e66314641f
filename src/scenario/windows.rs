//! What `RegisterTaskDefinition` refuses of definitions whose containers run Windows.
//!
//! Follows *Amazon ECS task definition differences for EC2 instances running Windows* and the notes "This parameter is not supported for
//! Windows containers" in the API reference, *ContainerDefinition* and *RegisterTaskDefinition* (2026). AWS publishes no words for these
//! refusals.

use crate::aws::task_definition::{ContainerDefinition, CpuArchitecture, NetworkMode};
use crate::scenario::problem::Problem;
use crate::scenario::reader::Reader;
use crate::scenario::tree::{Node, Value};

/// Fields of a task definition that Windows does not have.
const NOT_OF_TASKS: [&str; 3] = ["ipcMode", "pidMode", "proxyConfiguration"];
/// Fields of a container that Windows does not have.
const NOT_OF_CONTAINERS: [&str; 11] = [
    "disableNetworking",
    "dnsSearchDomains",
    "dnsServers",
    "extraHosts",
    "links",
    "linuxParameters",
    "privileged",
    "readonlyRootFilesystem",
    "systemControls",
    "ulimits",
    "user",
];

/// What a definition for Windows says, as far as it is looked at here.
pub struct Definition<'a> {
    /// As it stands in the file.
    pub node: &'a Node,
    /// What it is called in messages.
    pub of: &'a str,
    /// Network mode.
    pub network_mode: NetworkMode,
    /// Architecture, where it says one.
    pub cpu_architecture: Option<CpuArchitecture>,
    /// Whether it is for Fargate.
    pub is_for_fargate: bool,
    /// Containers.
    pub containers: &'a [ContainerDefinition],
}

/// Refuses what a definition for Windows cannot have.
pub fn check_definition(reader: &mut Reader<'_>, definition: &Definition<'_>) {
    let Definition { node, of, .. } = *definition;
    let mode = node.get("networkMode").filter(|it| matches!(it.text(), Some("bridge" | "host" | "none")));
    // Of Fargate that is said already.
    if let Some(mode) = mode.filter(|_| !definition.is_for_fargate) {
        let problem = Problem::new(
            mode.place,
            format!("{of} runs Windows, which has no network mode `{}`", mode.text().unwrap_or("")),
        );
        reader.refuse(problem.help("leave it out, which is `default` (Docker's nat), or say `awsvpc`"));
    }
    if definition.cpu_architecture == Some(CpuArchitecture::Arm64) {
        let at = node.get("runtimePlatform").and_then(|it| it.get("cpuArchitecture")).map_or(node.place, |it| it.place);
        let problem = Problem::new(at, format!("{of} runs Windows on ARM64")).label("only with LINUX");
        reader.refuse(problem.help("Windows containers run on X86_64"));
    }
    for field in NOT_OF_TASKS {
        refuse_field(reader, node, field, of);
    }
    for volume in list(node, "volumes") {
        if let Some(efs) = volume.get("efsVolumeConfiguration").filter(|it| says_something(it)) {
            let problem = Problem::new(efs.place, format!("{of} runs Windows, which mounts no volume of EFS"));
            reader.refuse(problem.help("FSx for Windows File Server is for it, on instances"));
        }
    }
    for (node, container) in list(node, "containerDefinitions").iter().zip(definition.containers) {
        let of = format!("container `{}` of {of}", container.name);
        for field in NOT_OF_CONTAINERS {
            refuse_field(reader, node, field, &of);
        }
        if container.application.cfs_period.is_some() {
            reader
                .note(format!("`cfsPeriod` does nothing in {of}, which runs Windows: `cpu` bounds it at each instant"));
        }
    }
}

/// Refuses the network mode of Windows where a definition is for Linux.
pub fn refuse_default_network(reader: &mut Reader<'_>, node: &Node, of: &str) {
    if let Some(mode) = node.get("networkMode").filter(|it| it.text() == Some("default")) {
        let problem = Problem::new(mode.place, format!("{of} has network mode `default`, which only Windows has"));
        reader.refuse(problem.help("on Linux it is `bridge`, `host`, `awsvpc` or `none`"));
    }
}

fn refuse_field(reader: &mut Reader<'_>, node: &Node, field: &str, of: &str) {
    let Some(said) = node.get(field).filter(|it| says_something(it)) else { return };
    let problem = Problem::new(said.place, format!("{of} runs Windows, which has no `{field}`"));
    reader.refuse(problem.help("AWS says: this parameter is not supported for Windows containers; leave it out"));
}

/// Whether a field is more than what tools write for nothing.
fn says_something(node: &Node) -> bool {
    match &node.value {
        Value::Null => false,
        Value::List(items) => !items.is_empty(),
        Value::Map(entries) => !entries.is_empty(),
        Value::Scalar { text, .. } => !text.is_empty() && text != "false",
        Value::Unread => true,
    }
}

fn list<'n>(node: &'n Node, field: &str) -> &'n [Node] {
    match node.get(field).map(|it| &it.value) {
        Some(Value::List(items)) => items,
        _ => &[],
    }
}
