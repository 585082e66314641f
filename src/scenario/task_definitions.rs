//! `taskDefinitions` and `applications`.

use crate::aws::task_definition::{
    Application, ContainerDefinition, CpuArchitecture, ImageLayer, NetworkMode, PortMapping, Protocol, TaskDefinition,
};
use crate::distribution::Distribution;
use crate::scenario::aws_fields;
use crate::scenario::problem::Problem;
use crate::scenario::reader::{Fields, Reader, nearest};
use crate::scenario::tree::{Key, Node, Value};
use crate::table::Table;
use crate::units::Span;

/// Containers of a task definition (ECS quotas).
const CONTAINERS_MAXIMUM: usize = 10;

/// Reads both sections; each container is given the application that describes it most closely.
pub fn read(reader: &mut Reader, definitions: Option<&Node>, applications: Option<&Node>) -> Table<TaskDefinition> {
    let mut table = Table::new();
    for (key, node) in reader.named(definitions, "taskDefinitions") {
        let Some(definition) = task_definition(reader, key, node, &table) else { continue };
        table.push(definition);
    }
    let applications = reader.named(applications, "applications");
    let mut is_used = vec![false; applications.len()];
    for definition in table.iter_mut() {
        let (family, revision) = (definition.family.clone(), definition.revision);
        for container in &mut definition.containers {
            // The most specific name comes last and wins.
            let names = [
                container.name.clone(),
                format!("{family}/{}", container.name),
                format!("{family}:{revision}/{}", container.name),
            ];
            for (place, (key, _)) in applications.iter().enumerate() {
                is_used[place] |= names.contains(&key.text);
            }
            let found = names.iter().rev().find_map(|name| applications.iter().find(|(key, _)| key.text == *name));
            container.application = match found {
                Some((key, node)) => application(reader, &key.text, node, container),
                None => default_application(container),
            };
        }
    }
    let containers: Vec<String> = table.iter().flat_map(|it| it.containers.iter().map(|it| it.name.clone())).collect();
    for ((key, _), is_used) in applications.iter().zip(is_used) {
        if !is_used {
            let problem = Problem::at(key.place.clone(), format!("application `{}` describes no container", key.text))
                .expected(format!("containers defined here: {}", containers.join(", ")));
            reader.refuse(match nearest(&key.text, containers.iter().map(String::as_str)) {
                Some(near) => problem.help(format!("did you mean `{near}`?")),
                None => problem,
            });
        }
    }
    table
}

fn task_definition(
    reader: &mut Reader,
    key: &Key,
    node: &Node,
    others: &Table<TaskDefinition>,
) -> Option<TaskDefinition> {
    let what = format!("task definition {}", key.text);
    let node = unwrapped(node, &["taskDefinition", "taskDefinitions"]);
    let mut fields = reader.fields(node, what.clone())?;
    let (family, revision) = match key.text.rsplit_once(':') {
        Some((family, number)) => match number.parse::<u32>() {
            Ok(number) if number > 0 => (family.to_owned(), number),
            _ => {
                let problem = Problem::at(key.place.clone(), format!("{what}: `{number}` is no revision"));
                reader.refuse(problem.expected("expected `family` or `family:revision`, revisions from 1"));
                return None;
            }
        },
        None => {
            let newest = others.iter().filter(|it| it.family == key.text).map(|it| it.revision).max();
            (key.text.clone(), newest.unwrap_or(0) + 1)
        }
    };
    fields.take("family");
    let network_mode = fields
        .get(reader, "networkMode", |reader, node, what| {
            let words = [
                ("none", NetworkMode::None),
                ("bridge", NetworkMode::Bridge),
                ("host", NetworkMode::Host),
                ("awsvpc", NetworkMode::Awsvpc),
                ("default", NetworkMode::Bridge),
            ];
            reader.one_of(node, what, &words)
        })
        .unwrap_or_default();
    let cpu = fields.get(reader, "cpu", cpu_units);
    let memory = fields.get(reader, "memory", |reader, node, what| reader.mebibytes(node, what)).map(|it| it as u32);
    let cpu_architecture = fields.take("runtimePlatform").and_then(|node| {
        let mut platform = reader.fields(node, format!("{what}, runtimePlatform"))?;
        let architecture = platform.get(reader, "cpuArchitecture", |reader, node, what| {
            reader.one_of(node, what, &[("X86_64", CpuArchitecture::X86_64), ("ARM64", CpuArchitecture::Arm64)])
        });
        platform.finish(reader, &["operatingSystemFamily"]);
        architecture
    });
    let constraints = fields.take("placementConstraints");
    for item in reader.list(constraints, &what) {
        reader.not_yet(&item.place, "a placement constraint of a task definition (memberOf)");
    }
    if let Some(node) = fields.take("requiresCompatibilities") {
        let words: Vec<String> =
            reader.list(Some(node), &what).iter().filter_map(|it| reader.text(it, &what)).collect();
        if !words.is_empty() && !words.iter().any(|it| it == "EC2") {
            reader.not_yet(&node.place, &format!("a task definition for {} only", words.join(" and ")));
        }
    }
    let volumes = fields.take("volumes");
    for volume in reader.list(volumes, &what) {
        if let Value::Map(entries) = &volume.value {
            let remote = entries.iter().find(|(key, _)| {
                key.text.contains("efs") || key.text.contains("fsx") || key.text.contains("configuredAtLaunch")
            });
            if let Some((key, _)) = remote {
                reader.not_yet(&key.place, &format!("a volume with {}", key.text));
            }
        }
    }
    for (name, words) in [("ephemeralStorage", "ephemeral storage"), ("proxyConfiguration", "a proxy (App Mesh)")] {
        if let Some(node) = fields.take(name) {
            reader.not_yet(&node.place, words);
        }
    }
    let list = fields.required(reader, "containerDefinitions", |_, _, _| Some(()));
    let containers_node = list.and_then(|()| fields.take("containerDefinitions"));
    let nodes = reader.list(containers_node, &format!("{what}, containerDefinitions"));
    let containers: Vec<ContainerDefinition> =
        nodes.iter().filter_map(|it| container(reader, it, &what, network_mode, memory)).collect();
    fields.finish(reader, aws_fields::TASK_DEFINITION);
    check_containers(reader, &what, containers_node.unwrap_or(node), &containers, memory);
    if others.iter().any(|it| it.family == family && it.revision == revision) {
        let problem =
            Problem::at(key.place.clone(), format!("{what}: revision {revision} of `{family}` is defined twice"));
        reader.refuse(problem.expected("each revision once"));
    }
    Some(TaskDefinition { family, revision, network_mode, cpu, memory, cpu_architecture, containers })
}

fn check_containers(
    reader: &mut Reader,
    what: &str,
    node: &Node,
    containers: &[ContainerDefinition],
    memory: Option<u32>,
) {
    let mut refuse = |message: String, expected: &str| {
        reader.refuse(Problem::at(node.place.clone(), format!("{what}: {message}")).expected(expected));
    };
    if let Value::List(items) = &node.value {
        if items.is_empty() {
            refuse("there is no container".to_owned(), "expected at least one container");
        } else if !containers.is_empty() && !containers.iter().any(|it| it.essential) {
            refuse("no container is essential".to_owned(), "expected at least one essential container");
        }
        if items.len() > CONTAINERS_MAXIMUM {
            refuse(format!("{} containers", items.len()), "at most 10 containers in a task definition");
        }
    }
    for (place, container) in containers.iter().enumerate() {
        if containers[..place].iter().any(|it| it.name == container.name) {
            refuse(format!("two containers are called `{}`", container.name), "each name once");
        }
    }
    if let Some(memory) = memory {
        let sum: u32 = containers.iter().filter_map(|it| it.memory).sum();
        if sum > memory {
            refuse(
                format!("the containers' memory, {sum} MiB, is more than the task's, {memory} MiB"),
                "expected containers that fit in the task",
            );
        }
    }
}

fn container(
    reader: &mut Reader,
    node: &Node,
    what: &str,
    network_mode: NetworkMode,
    task_memory: Option<u32>,
) -> Option<ContainerDefinition> {
    let mut fields = reader.fields(node, format!("{what}, container"))?;
    let name = fields.required(reader, "name", Reader::text)?;
    fields.what = format!("{what}, container {name}");
    let image = fields.get(reader, "image", Reader::text).unwrap_or_default();
    let cpu = fields.get(reader, "cpu", |reader, node, what| reader.count(node, what, 0..=262_144)).unwrap_or(0);
    let memory = fields.get(reader, "memory", |reader, node, what| reader.count(node, what, 4..=u32::MAX));
    let memory_reservation =
        fields.get(reader, "memoryReservation", |reader, node, what| reader.count(node, what, 4..=u32::MAX));
    let memory_place = fields.take("memory").map(|it| it.place.clone());
    if let (Some(hard), Some(soft), Some(place)) = (memory, memory_reservation, memory_place)
        && hard < soft
    {
        let message = format!("{}: memory {hard} is smaller than memoryReservation {soft}", fields.what);
        reader.refuse(Problem::at(place, message).expected("expected at least the reservation"));
    }
    let none_is_given = memory.is_none() && memory_reservation.is_none() && task_memory.is_none();
    if none_is_given && !fields.has("memory") && !fields.has("memoryReservation") {
        // Published examples have it, so it can be read; AWS refuses it when it is registered for EC2.
        let message = format!(
            "{}: no memory is given: `memory` or `memoryReservation`, here or of the task, is needed on EC2",
            fields.what
        );
        reader.not_run(&node.place, message);
    }
    let essential = fields.get(reader, "essential", Reader::boolean).unwrap_or(true);
    let stop_timeout = fields
        .get(reader, "stopTimeout", |reader, node, what| reader.seconds(node, what, 1..=86_400))
        .unwrap_or(Span::seconds(30));
    let mappings = fields.take("portMappings");
    let port_mappings: Vec<PortMapping> = reader
        .list(mappings, &fields.what)
        .into_iter()
        .filter_map(|it| port_mapping(reader, it, &fields.what, network_mode))
        .collect();
    if let (NetworkMode::None, Some(node), false) = (network_mode, mappings, port_mappings.is_empty()) {
        let problem = Problem::at(node.place.clone(), format!("{}: ports in network mode none", fields.what));
        reader.refuse(problem.expected("expected no port mapping in network mode none"));
    }
    for (name, words) in [
        ("healthCheck", "a container's health check"),
        ("restartPolicy", "a container's restart policy"),
        ("startTimeout", "a container's start timeout"),
        ("resourceRequirements", "a GPU"),
    ] {
        if let Some(node) = fields.take(name)
            && !matches!(&node.value, Value::List(items) if items.is_empty())
        {
            reader.not_yet(&node.place, words);
        }
    }
    if let Some(node) = fields.take("dependsOn")
        && !reader.list(Some(node), &fields.what).is_empty()
    {
        reader.not_yet(&node.place, "an order between containers (dependsOn)");
    }
    fields.finish(reader, aws_fields::CONTAINER_DEFINITION);
    Some(ContainerDefinition {
        name,
        image,
        cpu,
        memory,
        memory_reservation,
        essential,
        port_mappings,
        stop_timeout,
        application: Application::default(),
    })
}

fn port_mapping(reader: &mut Reader, node: &Node, what: &str, network_mode: NetworkMode) -> Option<PortMapping> {
    let mut fields = reader.fields(node, format!("{what}, port mapping"))?;
    if let Some(range) = fields.take("containerPortRange") {
        reader.not_yet(&range.place, "a range of ports");
    }
    let port = |reader: &mut Reader, node: &Node, what: &str| reader.count(node, what, 0..=65_535).map(|it| it as u16);
    let container_port = fields.get(reader, "containerPort", port).unwrap_or(0);
    let host_port = fields.get(reader, "hostPort", port).unwrap_or(0);
    let protocol = fields
        .get(reader, "protocol", |reader, node, what| {
            reader.one_of(node, what, &[("tcp", Protocol::Tcp), ("udp", Protocol::Udp)])
        })
        .unwrap_or_default();
    let same = matches!(network_mode, NetworkMode::Host | NetworkMode::Awsvpc);
    if same && host_port != 0 && host_port != container_port {
        let place = fields.take("hostPort").map_or(node.place.clone(), |it| it.place.clone());
        // Published examples have it, so it can be read; AWS refuses it when it is registered.
        let message = format!(
            "{}: hostPort {host_port} differs from containerPort {container_port}, which AWS refuses in network modes host and awsvpc",
            fields.what
        );
        reader.not_run(&place, message);
    }
    fields.finish(reader, aws_fields::PORT_MAPPING);
    Some(PortMapping { container_port, host_port, protocol })
}

/// `"256"`, `256`, `"1 vCPU"`, `".5 vCPU"`.
fn cpu_units(reader: &mut Reader, node: &Node, what: &str) -> Option<u32> {
    let expected = "CPU units or vCPUs, such as 256, \"1024\" or \"1 vCPU\"";
    let Value::Scalar { text, .. } = &node.value else {
        reader.refuse(Problem::at(node.place.clone(), format!("{what}: this is not {expected}")).expected(expected));
        return None;
    };
    let units = match text.to_lowercase().strip_suffix("vcpu") {
        Some(vcpu) => vcpu.trim().parse::<f64>().ok().map(|it| it * 1024.0),
        None => text.parse::<u32>().ok().map(f64::from),
    };
    match units {
        Some(units) if (128.0..=196_608.0).contains(&units) => Some(units as u32),
        _ => {
            let problem = Problem::at(node.place.clone(), format!("{what}: `{text}` is not {expected}"));
            reader.refuse(problem.expected(format!("expected {expected}, from 128 to 196608 units")));
            None
        }
    }
}

fn default_application(container: &ContainerDefinition) -> Application {
    let limit = container.memory.or(container.memory_reservation).map_or(128.0, f64::from);
    Application { memory_base_mib: (limit / 2.0).min(64.0), ..Application::default() }
}

fn application(reader: &mut Reader, name: &str, node: &Node, container: &ContainerDefinition) -> Application {
    let default = default_application(container);
    let Some(mut fields) = reader.fields(node, format!("application {name}")) else { return default };
    let law = |fields: &mut Fields, reader: &mut Reader, name: &'static str, default: &Distribution| {
        fields.get(reader, name, Reader::distribution).unwrap_or_else(|| default.clone())
    };
    let start_time = law(&mut fields, reader, "startTime", &default.start_time);
    let shutdown_time = law(&mut fields, reader, "shutdownTime", &default.shutdown_time);
    let cpu_time = law(&mut fields, reader, "cpuTime", &default.cpu_time);
    let wait_time = law(&mut fields, reader, "waitTime", &default.wait_time);
    let health_check_cpu_time = law(&mut fields, reader, "healthCheckCpuTime", &default.health_check_cpu_time);
    let concurrency = fields
        .get(reader, "concurrency", |reader, node, what| reader.count(node, what, 1..=100_000))
        .unwrap_or(default.concurrency);
    let queue = fields
        .get(reader, "queue", |reader, node, what| reader.count(node, what, 0..=10_000_000))
        .unwrap_or(default.queue);
    let error_share =
        fields.get(reader, "errorShare", |reader, node, what| reader.number(node, what, 0.0..=1.0)).unwrap_or(0.0);
    let cancel_on_timeout = fields.get(reader, "cancelOnTimeout", Reader::boolean).unwrap_or(false);
    let (mut memory_base_mib, mut memory_per_request_mib) = (default.memory_base_mib, 0.0);
    if let Some(node) = fields.take("memory")
        && let Some(mut memory) = reader.fields(node, format!("application {name}, memory"))
    {
        memory_base_mib = memory.get(reader, "base", Reader::mebibytes).unwrap_or(memory_base_mib);
        memory_per_request_mib = memory.get(reader, "perRequest", Reader::mebibytes).unwrap_or(0.0);
        memory.finish(reader, &[]);
    }
    let layers = fields.take("image").map_or_else(Vec::new, |node| layers(reader, name, node));
    fields.finish(reader, &[]);
    Application {
        layers,
        start_time,
        shutdown_time,
        cpu_time,
        wait_time,
        health_check_cpu_time,
        concurrency,
        queue,
        memory_base_mib,
        memory_per_request_mib,
        error_share,
        cancel_on_timeout,
    }
}

fn layers(reader: &mut Reader, name: &str, node: &Node) -> Vec<ImageLayer> {
    let Some(mut fields) = reader.fields(node, format!("application {name}, image")) else { return Vec::new() };
    let mut layers = Vec::new();
    if let Some(size_mb) = fields.get(reader, "size", Reader::megabytes) {
        layers.push(ImageLayer { name: name.to_owned(), size_mb });
    }
    let named = fields.take("layers");
    for (key, node) in reader.named(named, "layers") {
        if let Some(size_mb) = reader.megabytes(node, &format!("application {name}, layer {}", key.text)) {
            layers.push(ImageLayer { name: key.text.clone(), size_mb });
        }
    }
    fields.finish(reader, &[]);
    layers
}

/// A value without the wrapper that AWS's answers have.
pub fn unwrapped<'n>(node: &'n Node, wrappers: &[&str]) -> &'n Node {
    let Value::Map(entries) = &node.value else { return node };
    let Some((_, inside)) = entries.iter().find(|(key, _)| wrappers.contains(&key.text.as_str())) else { return node };
    match &inside.value {
        Value::Map(_) => inside,
        Value::List(items) if items.len() == 1 => &items[0],
        _ => node,
    }
}
