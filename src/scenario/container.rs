//! `containerDefinitions`: the containers of a task definition, and the rules by which `RegisterTaskDefinition` refuses them.

use crate::aws::container::{
    ContainerCondition, ContainerDependency, ContainerHealthCheck, FARGATE_TIMEOUT_SECONDS, RestartPolicy, circle,
};
use crate::aws::image_digest::VersionConsistency;
use crate::aws::instance_type::AGENT_METRICS_PORT;
use crate::aws::task_definition::{ContainerDefinition, NetworkMode, PortMapping, Protocol};
use crate::scenario::application::Applications;
use crate::scenario::aws_fields::Shape;
use crate::scenario::problem::{Problem, nearest};
use crate::scenario::quantity;
use crate::scenario::reader::{Fields, Reader, What, listed};
use crate::scenario::task_definition::check_name;
use crate::scenario::tree::{Node, Value};
use crate::units::Span;

/// Most ranges of ports of one container (`PortMapping`).
const PORT_RANGES_MAXIMUM: usize = 100;

/// What the containers of a task definition have to know of it.
pub struct Task<'a> {
    /// Family.
    pub family: &'a str,
    /// Revision.
    pub revision: u32,
    /// Network mode.
    pub network_mode: NetworkMode,
    /// Task-level memory, MiB.
    pub memory: Option<u32>,
    /// Whether there is a field `memory`, even one that was refused.
    pub says_memory: bool,
    /// Whether the definition is for Fargate.
    pub is_for_fargate: bool,
}

/// The field `containerDefinitions`.
pub fn containers(
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
    let names: Vec<&str> = nodes.iter().map(|it| it.get("name").and_then(Node::text).unwrap_or("")).collect();
    let mut containers: Vec<ContainerDefinition> = Vec::new();
    for node in nodes {
        let container = container(reader, node, &fields.of, task, &names);
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
    if containers.len() == nodes.len() {
        check_dependencies(reader, nodes, &fields.of, &containers);
    }
    containers
}

fn container(
    reader: &mut Reader<'_>,
    node: &Node,
    of: &str,
    task: &Task<'_>,
    names: &[&str],
) -> Option<ContainerDefinition> {
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
        let says = format!("The 'memory' setting for container '{name}' is greater than for the task.");
        reader.refuse(Problem::new(at, message).help(client_exception(&says)));
    }
    if !task.says_memory && !fields.has("memory") && !fields.has("memoryReservation") {
        let at = node.get("name").map_or(node.place, |it| it.place);
        let problem = Problem::new(at, format!("{of} has no memory"));
        let says = format!(
            "Invalid setting for container '{name}'. At least one of 'memory' or 'memoryReservation' must be specified."
        );
        reader.not_runnable(
            problem
                .help("on EC2 give it `memory` or `memoryReservation`, or give the task `memory`")
                .help(client_exception(&says)),
        );
    }
    fields.usual(reader, "cpu", &0);
    let cpu = fields.parsed(reader, "cpu", quantity::task_cpu).unwrap_or(0);
    let words = [("enabled", VersionConsistency::Enabled), ("disabled", VersionConsistency::Disabled)];
    let version_consistency = fields.word(reader, "versionConsistency", &words).unwrap_or_default();
    let container = ContainerDefinition {
        name,
        image,
        version_consistency,
        cpu,
        memory: memory.map(|it| it.0),
        memory_reservation: memory_reservation.map(|it| it.0),
        essential: fields.flag_or(reader, "essential", true),
        gpus: gpus(reader, &mut fields),
        neuron_devices: neuron_devices(reader, &mut fields),
        port_mappings: port_mappings(reader, &mut fields, task.network_mode),
        depends_on: depends_on(reader, &mut fields, names),
        secrets: secrets(reader, &mut fields, node),
        health_check_command: health_check_command(reader, node),
        health_check: health_check(reader, &mut fields),
        start_timeout: timeout(reader, &mut fields, "startTimeout", task.is_for_fargate),
        stop_timeout: timeout(reader, &mut fields, "stopTimeout", task.is_for_fargate),
        restart_policy: restart_policy(reader, &mut fields),
        application: Default::default(),
    };
    fields.finish(reader, &Shape::CONTAINER_DEFINITION);
    Some(container)
}

/// What `RegisterTaskDefinition` answers, for those who look for its words.
pub fn client_exception(says: &str) -> String {
    format!("AWS says: ClientException: {says}")
}

fn timeout(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    field: &'static str,
    is_for_fargate: bool,
) -> Option<Span> {
    let place = fields.place_of(field);
    let timeout = fields.seconds(reader, field, 0..=86_400)?;
    let [least, most] = [FARGATE_TIMEOUT_SECONDS.start(), FARGATE_TIMEOUT_SECONDS.end()];
    let allowed = Span::seconds(u64::from(*least))..=Span::seconds(u64::from(*most));
    if is_for_fargate && !allowed.contains(&timeout) {
        let message = format!("`{field}` of {} is {} s", fields.of, timeout.as_seconds());
        reader.refuse(Problem::new(place, message).help(format!("on Fargate it may be {least} to {most} seconds")));
    }
    Some(timeout)
}

fn depends_on(reader: &mut Reader<'_>, fields: &mut Fields<'_>, names: &[&str]) -> Vec<ContainerDependency> {
    let mut dependencies: Vec<ContainerDependency> = Vec::new();
    for node in fields.list(reader, "dependsOn") {
        let of = format!("a dependency of {}", fields.of);
        let Some(mut dependency) = reader.fields(node, of.clone()) else { continue };
        dependency.required(reader, "containerName");
        let name_node = dependency.take("containerName");
        let name = name_node.and_then(|it| reader.text(What { field: "containerName", of: &of }, it));
        let conditions = [
            ("START", ContainerCondition::Start),
            ("COMPLETE", ContainerCondition::Complete),
            ("SUCCESS", ContainerCondition::Success),
            ("HEALTHY", ContainerCondition::Healthy),
        ];
        dependency.required(reader, "condition");
        let condition = dependency.word(reader, "condition", &conditions);
        dependency.finish(reader, &Shape::OURS);
        let Some(name) = name else { continue };
        let Some(container) = names.iter().position(|it| *it == name) else {
            let at = name_node.map_or(node.place, |it| it.place);
            let problem = Problem::new(at, format!("{} depends on container `{name}`, which is not there", fields.of));
            let problem = match nearest(name, names.iter().copied()) {
                Some(near) => problem.label(format!("did you mean `{near}`?")),
                None => problem.label("no such container").help(format!("there are {}", listed(names.iter().copied()))),
            };
            let says = format!("Cannot depend on container + '{name}' because it does not exist");
            reader.refuse(problem.help(client_exception(&says)));
            continue;
        };
        if let Some(condition) = condition {
            dependencies.push(ContainerDependency { container, condition });
        }
    }
    dependencies
}

/// Conditions that can never hold, and circles.
fn check_dependencies(reader: &mut Reader<'_>, nodes: &[Node], of: &str, containers: &[ContainerDefinition]) {
    for (node, container) in nodes.iter().zip(containers) {
        let at = node.get("dependsOn").map_or(node.place, |it| it.place);
        for dependency in &container.depends_on {
            let on = &containers[dependency.container];
            let word = match dependency.condition {
                ContainerCondition::Start => continue,
                ContainerCondition::Complete => "COMPLETE",
                ContainerCondition::Success => "SUCCESS",
                ContainerCondition::Healthy if on.health_check.is_some() => continue,
                ContainerCondition::Healthy => {
                    let message = format!(
                        "container `{}` of {of} waits for `{}` to be HEALTHY, which has no `healthCheck`",
                        container.name, on.name
                    );
                    let problem = Problem::new(at, message).related(nodes[dependency.container].place, "this one");
                    reader.refuse(problem.help("a check of the image's own does not count: give it one here"));
                    continue;
                }
            };
            if on.essential {
                let message = format!(
                    "container `{}` of {of} waits for `{}` to {}, which is essential: its end is the end of the task",
                    container.name,
                    on.name,
                    if word == "SUCCESS" { "succeed" } else { "complete" },
                );
                let says = "A dependency container with SUCCESS or COMPLETE condition cannot be an essential container";
                let problem = Problem::new(at, message).related(nodes[dependency.container].place, "this one");
                let help = format!("say `essential: false` of `{}`", on.name);
                reader.refuse(problem.help(help).help(client_exception(says)));
            }
        }
    }
    let depends_on: Vec<Vec<usize>> =
        containers.iter().map(|it| it.depends_on.iter().map(|it| it.container).collect()).collect();
    if let Some(circle) = circle(&depends_on) {
        let mut names: Vec<String> = circle.iter().map(|&it| format!("`{}`", containers[it].name)).collect();
        names.push(names[0].clone());
        let at = nodes[circle[0]].get("dependsOn").map_or(nodes[circle[0]].place, |it| it.place);
        let message = format!("containers of {of} depend on each other in a circle: {}", names.join(" on "));
        reader.refuse(Problem::new(at, message).help("none of them could ever start"));
    }
}

/// `healthCheck.command`: a list, or a text that stands for a shell's.
fn health_check_command(reader: &mut Reader<'_>, container: &Node) -> Vec<String> {
    let Some(command) = container.get("healthCheck").and_then(|it| it.get("command")) else { return Vec::new() };
    match command.text() {
        Some(text) => vec!["CMD-SHELL".to_owned(), text.to_owned()],
        None => {
            let what = What { field: "command", of: "`healthCheck`" };
            reader.list(what, command).iter().filter_map(Node::text).map(str::to_owned).collect()
        }
    }
}

fn health_check(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<ContainerHealthCheck> {
    let node = fields.take("healthCheck")?;
    let mut check = reader.fields(node, format!("`healthCheck` of {}", fields.of))?;
    check.take("command");
    let usual = ContainerHealthCheck::default();
    let read = ContainerHealthCheck {
        interval: check.seconds_or(reader, "interval", 5..=300, usual.interval),
        timeout: check.seconds_or(reader, "timeout", 2..=60, usual.timeout),
        retries: check.count_or(reader, "retries", 1..=10, usual.retries),
        start_period: check.seconds_or(reader, "startPeriod", 0..=300, usual.start_period),
    };
    check.finish(reader, &Shape::OURS);
    Some(read)
}

/// What the agent fetches for a container before it starts.
fn secrets(reader: &mut Reader<'_>, fields: &mut Fields<'_>, node: &Node) -> Vec<String> {
    let mut secrets: Vec<String> = Vec::new();
    let container = fields.of.clone();
    for node in fields.list(reader, "secrets") {
        let Some(mut secret) = reader.fields(node, format!("a secret of {container}")) else { continue };
        secret.take("name");
        secret.required(reader, "valueFrom");
        secrets.extend(secret.text(reader, "valueFrom").map(str::to_owned));
        secret.finish(reader, &Shape::OURS);
    }
    if let Some(mut credentials) = fields.map(reader, "repositoryCredentials") {
        secrets.extend(credentials.text(reader, "credentialsParameter").map(str::to_owned));
        credentials.finish(reader, &Shape::OURS);
    }
    let options = node.get("logConfiguration").and_then(|it| it.get("secretOptions")).map(|it| &it.value);
    if let Some(Value::List(options)) = options {
        secrets.extend(options.iter().filter_map(|it| it.get("valueFrom")?.text()).map(str::to_owned));
    }
    secrets
}

fn restart_policy(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<RestartPolicy> {
    let node = fields.take("restartPolicy")?;
    let mut policy = reader.fields(node, format!("`restartPolicy` of {}", fields.of))?;
    policy.required(reader, "enabled");
    let is_enabled = policy.flag(reader, "enabled");
    let nodes = policy.list(reader, "ignoredExitCodes");
    let what = What { field: "ignoredExitCodes", of: &policy.of };
    let ignored_exit_codes = nodes.iter().filter_map(|it| exit_code(reader, what, it)).collect();
    if nodes.len() > 50 {
        let message = format!("{what} has {} exit codes", nodes.len());
        reader.refuse(Problem::new(policy.place_of("ignoredExitCodes"), message).help("AWS allows 50"));
    }
    let restart_attempt_period = policy.seconds_or(reader, "restartAttemptPeriod", 60..=1800, Span::seconds(300));
    policy.finish(reader, &Shape::OURS);
    (is_enabled == Some(true)).then_some(RestartPolicy { ignored_exit_codes, restart_attempt_period })
}

/// The exit code of a process, 0 to 255.
pub fn exit_code(reader: &mut Reader<'_>, what: What<'_>, node: &Node) -> Option<u8> {
    reader.count(what, node, 0..=255).and_then(|it| u8::try_from(it).ok())
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
            let says =
                format!("When networkMode={mode}, the host ports and container ports in port mappings must match.");
            reader.not_runnable(Problem::new(node.place, message).help(help).help(client_exception(&says)));
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

/// Neuron devices of `linuxParameters`: those called `/dev/neuronN` on their instance.
fn neuron_devices(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Vec<u32> {
    let mut numbers = Vec::new();
    let container = fields.of.clone();
    let Some(mut linux) = fields.map(reader, "linuxParameters") else { return numbers };
    for node in linux.list(reader, "devices") {
        let Some(mut device) = reader.fields(node, format!("a device of {container}")) else { continue };
        device.required(reader, "hostPath");
        let number = device.text(reader, "hostPath").and_then(|it| it.strip_prefix("/dev/neuron"));
        numbers.extend(number.and_then(quantity::whole).and_then(|it| u32::try_from(it).ok()));
        device.finish(reader, &Shape::DEVICE);
    }
    linux.finish(reader, &Shape::LINUX_PARAMETERS);
    numbers.sort_unstable();
    numbers.dedup();
    numbers
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
        let types = [("GPU", "GPU"), ("InferenceAccelerator", "accelerator"), ("NeuronDevice", "Neuron")];
        let what = requirement.word(reader, "type", &types);
        if what == Some("accelerator") {
            reader
                .not_simulated(at, format!("an Elastic Inference accelerator (`resourceRequirements` of {container})"));
            requirement.take("value");
        } else if what == Some("Neuron") {
            let message = format!("{container} requires `NeuronDevice`, which only Amazon ECS Managed Instances give");
            let help = "on EC2 name the devices: `linuxParameters: { devices: [{ hostPath: /dev/neuron0 }] }`";
            reader.refuse(Problem::new(at, message).help(help));
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
