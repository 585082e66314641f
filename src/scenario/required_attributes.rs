//! `requiresAttributes` of a task definition: what `RegisterTaskDefinition` would find its fields to need of agents.

use std::collections::BTreeSet;

use crate::aws::capability::{self, TaskNeeds, logging_driver};
use crate::aws::start_failure;
use crate::aws::task_definition::{ContainerDefinition, NetworkMode, Volume, VolumeKind};
use crate::scenario::tree::{Node, Value};

/// What a definition requires of agents, in order of the attributes' names; what `DescribeTaskDefinition` put there, too.
pub fn required_attributes(
    node: &Node,
    (network_mode, cpu, memory): (NetworkMode, Option<u32>, Option<u32>),
    volumes: &[Volume],
    containers: &[ContainerDefinition],
) -> Vec<String> {
    let says = |field: &str| node.get(field).is_some_and(|it| !it.is_blank());
    let needs = TaskNeeds {
        network_mode,
        cpu,
        has_task_size: cpu.is_some() || memory.is_some(),
        has_task_role: says("taskRoleArn"),
        shares_namespaces: says("pidMode") || says("ipcMode"),
        injects_faults: is_true(node.get("enableFaultInjection")),
    };
    let mut attributes: BTreeSet<String> = needs.attributes().map(str::to_owned).collect();
    attributes.extend(stated(node));
    for volume in items(node.get("volumes")) {
        attributes.extend(efs_attributes(volume).map(str::to_owned));
    }
    for (kind, attribute) in [
        (VolumeKind::Ebs, "ecs.capability.storage.ebs-task-volume-attach"),
        (VolumeKind::FsxWindows, capability::FSX_WINDOWS),
    ] {
        if volumes.iter().any(|it| it.kind == kind) {
            attributes.insert(attribute.to_owned());
        }
    }
    for (container, node) in containers.iter().zip(items(node.get("containerDefinitions"))) {
        attributes.extend(of_container(container, node, says("executionRoleArn")));
    }
    attributes.into_iter().collect()
}

/// The attributes of a pasted definition that agents are known to register, or not to.
fn stated(node: &Node) -> impl Iterator<Item = String> + '_ {
    let names = items(node.get("requiresAttributes")).filter_map(|it| it.get("name").or(Some(it))?.text());
    names.filter(|it| capability::is_known(it)).map(str::to_owned)
}

fn efs_attributes(volume: &Node) -> impl Iterator<Item = &'static str> {
    let efs = volume.get("efsVolumeConfiguration").filter(|it| !it.is_blank());
    let is_encrypted = |it: &Node| it.get("transitEncryption").and_then(Node::text) == Some("ENABLED");
    let has_auth = |it: &Node| is_encrypted(it) || it.get("authorizationConfig").is_some_and(|it| !it.is_blank());
    let auth = efs.is_some_and(has_auth).then_some("ecs.capability.efsAuth");
    efs.map(|_| "ecs.capability.efs").into_iter().chain(auth)
}

fn of_container(container: &ContainerDefinition, node: &Node, has_execution_role: bool) -> Vec<String> {
    let mut attributes: Vec<String> = Vec::new();
    let mut needs = |is_needed: bool, attribute: &str| attributes.extend(is_needed.then(|| attribute.to_owned()));
    let is_in_ecr = container.image.contains(".dkr.ecr.");
    needs(is_in_ecr, "com.amazonaws.ecs.capability.ecr-auth");
    needs(is_in_ecr && has_execution_role, "ecs.capability.execution-role-ecr-pull");
    needs(container.health_check.is_some(), "ecs.capability.container-health-check");
    needs(!container.depends_on.is_empty(), "ecs.capability.container-ordering");
    needs(container.restart_policy.is_some(), "ecs.capability.container-restart-policy");
    let has_range = items(node.get("portMappings")).any(|it| it.get("containerPortRange").is_some());
    needs(has_range, "ecs.capability.network.container-port-range");
    needs(is_true(node.get("privileged")), "com.amazonaws.ecs.capability.privileged-container");
    let has_credentials = node.get("repositoryCredentials").is_some_and(|it| !it.is_blank());
    needs(has_credentials, "ecs.capability.private-registry-authentication.secretsmanager");
    needs(items(node.get("environmentFiles")).next().is_some(), "ecs.capability.env-files.s3");
    for secret in items(node.get("secrets")) {
        needs(is_of_secrets_manager(secret), "ecs.capability.secrets.asm.environment-variables");
        needs(!is_of_secrets_manager(secret), "ecs.capability.secrets.ssm.environment-variables");
    }
    let router = node.get("firelensConfiguration").and_then(|it| it.get("type")).and_then(Node::text);
    needs(router == Some("fluentbit"), "ecs.capability.firelens.fluentbit");
    needs(router == Some("fluentd"), "ecs.capability.firelens.fluentd");
    let log = node.get("logConfiguration");
    if let Some(driver) = log.and_then(|it| it.get("logDriver")).and_then(Node::text) {
        needs(true, &logging_driver(driver));
        needs(driver == "awslogs" && has_execution_role, "ecs.capability.execution-role-awslogs");
    }
    for secret in items(log.and_then(|it| it.get("secretOptions"))) {
        needs(is_of_secrets_manager(secret), "ecs.capability.secrets.asm.bootstrap.log-driver");
        needs(!is_of_secrets_manager(secret), "ecs.capability.secrets.ssm.bootstrap.log-driver");
    }
    attributes
}

/// Whether a secret's `valueFrom` is an ARN of Secrets Manager, not a parameter of Systems Manager.
fn is_of_secrets_manager(secret: &Node) -> bool {
    secret.get("valueFrom").and_then(Node::text).is_some_and(start_failure::is_of_secrets_manager)
}

fn is_true(node: Option<&Node>) -> bool {
    node.and_then(Node::text) == Some("true")
}

fn items(node: Option<&Node>) -> impl Iterator<Item = &Node> {
    let items: &[Node] = match node.map(|it| &it.value) {
        Some(Value::List(items)) => items,
        _ => &[],
    };
    items.iter()
}
