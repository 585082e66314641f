//! What a task needs the container agent to be able to do: the `requiresAttributes` of a task definition, and which of
//! these attributes an agent registers.
//!
//! Follows `agent_capability.go`, the configuration defaults of ecs-init and the changelog of github.com/aws/amazon-ecs-agent
//! (2026-06); for EFS *Use Amazon EFS volumes with Amazon ECS*, for restart policies and EBS volumes their pages in the
//! developer guide (2026). Which fields of a definition ask for which attribute is not documented in one place: it follows
//! the attributes' names and what `DescribeTaskDefinition` shows in published examples. Left out: Docker volume plugins, gMSA and
//! driver versions of GPUs, which instances are taken to have. The versions for fault injection and for tasks of more than 10 vCPUs,
//! and which versions of Docker's API an ECS-optimized AMI has, are recalled.

use crate::aws::cluster_query::Version;
use crate::aws::image_cache::ImageCleanup;
use crate::aws::operating_system::is_of_operating_system;
use crate::aws::start_failure::{AgentTimeouts, ImagePullBehavior};
use crate::aws::task_definition::NetworkMode;

/// The prefix of the older attributes.
const OLD: &str = "com.amazonaws.ecs.capability.";
/// The prefix of the others.
const NEW: &str = "ecs.capability.";

/// Minor versions of Docker's API 1 that agents register; on Windows 1.24 answers for those before it.
const DOCKER_API: std::ops::RangeInclusive<u32> = 17..=44;

/// The attribute of a log driver.
pub fn logging_driver(driver: &str) -> String {
    format!("{OLD}logging-driver.{driver}")
}

/// An attribute that agents register from some version on.
struct Capability {
    attribute: &'static str,
    since: &'static str,
    /// What of a task needs it.
    needed_for: &'static str,
}

const fn capability(attribute: &'static str, since: &'static str, needed_for: &'static str) -> Capability {
    Capability { attribute, since, needed_for }
}

/// Every attribute that a task definition is known to require, those of log drivers aside.
const CAPABILITIES: [Capability; 27] = [
    capability("com.amazonaws.ecs.capability.ecr-auth", "1.3.0", "an image in ECR"),
    capability("com.amazonaws.ecs.capability.logging-driver.awsfirelens", "1.30.0", "the log driver awsfirelens"),
    capability("com.amazonaws.ecs.capability.privileged-container", "1.0.0", "a privileged container"),
    capability("com.amazonaws.ecs.capability.task-iam-role", "1.11.0", "a task role"),
    capability("com.amazonaws.ecs.capability.task-iam-role-network-host", "1.12.0", "a task role in network mode host"),
    capability("ecs.capability.container-health-check", "1.17.0", "a health check of a container"),
    capability("ecs.capability.container-ordering", "1.26.0", "`dependsOn`"),
    capability("ecs.capability.container-restart-policy", "1.86.0", "a `restartPolicy`"),
    capability("ecs.capability.efs", "1.35.0", "a volume of EFS"),
    capability("ecs.capability.efsAuth", "1.38.0", "a volume of EFS with encryption in transit or authorization"),
    capability("ecs.capability.env-files.s3", "1.39.0", "`environmentFiles`"),
    capability("ecs.capability.execution-role-awslogs", "1.16.0", "awslogs by the task execution role"),
    capability("ecs.capability.execution-role-ecr-pull", "1.16.0", "an image in ECR by the task execution role"),
    capability("ecs.capability.fault-injection", "1.90.0", "`enableFaultInjection`"),
    capability("ecs.capability.firelens.fluentbit", "1.30.0", "FireLens with fluentbit"),
    capability("ecs.capability.firelens.fluentd", "1.30.0", "FireLens with fluentd"),
    capability(FSX_WINDOWS, "1.47.0", "a volume of FSx for Windows File Server"),
    capability("ecs.capability.increased-task-cpu-limit", "1.75.0", "a task of more than 10 vCPUs"),
    capability("ecs.capability.network.container-port-range", "1.67.2", "a `containerPortRange`"),
    capability("ecs.capability.pid-ipc-namespace-sharing", "1.22.0", "`pidMode` or `ipcMode`"),
    capability("ecs.capability.private-registry-authentication.secretsmanager", "1.19.0", "`repositoryCredentials`"),
    capability("ecs.capability.secrets.asm.environment-variables", "1.23.0", "a secret of Secrets Manager"),
    capability("ecs.capability.secrets.asm.bootstrap.log-driver", "1.27.0", "a secret of a log driver"),
    capability("ecs.capability.secrets.ssm.environment-variables", "1.22.0", "a secret of Systems Manager"),
    capability("ecs.capability.secrets.ssm.bootstrap.log-driver", "1.27.0", "a secret of a log driver"),
    capability("ecs.capability.storage.ebs-task-volume-attach", "1.79.0", "an EBS volume"),
    capability("ecs.capability.task-eni", "1.15.0", "network mode awsvpc"),
];

/// A task with a task-level `cpu` or `memory`.
const TASK_CPU_MEM_LIMIT: &str = "ecs.capability.task-cpu-mem-limit";

/// A volume of FSx for Windows File Server.
pub const FSX_WINDOWS: &str = "ecs.capability.fsxWindowsFileServer";

/// Whether an attribute is one that agents register, or fail to.
pub fn is_known(attribute: &str) -> bool {
    attribute == TASK_CPU_MEM_LIMIT
        || attribute.strip_prefix(OLD).is_some_and(|it| it.starts_with("logging-driver."))
        || docker_api(attribute).is_some()
        || CAPABILITIES.iter().any(|it| it.attribute == attribute)
}

/// Whether an attribute has a name such as capabilities have, known or not.
pub fn is_named_like_one(attribute: &str) -> bool {
    attribute.starts_with(NEW) || attribute.starts_with(OLD)
}

/// The attributes that agents are known to register, or not to, those of log drivers and of Docker's API aside.
pub fn names() -> impl Iterator<Item = &'static str> {
    CAPABILITIES.iter().map(|it| it.attribute).chain([TASK_CPU_MEM_LIMIT])
}

/// The minor version of `com.amazonaws.ecs.capability.docker-remote-api.1.N`.
fn docker_api(attribute: &str) -> Option<u32> {
    let minor = attribute.strip_prefix(OLD)?.strip_prefix("docker-remote-api.1.")?;
    minor.parse().ok().filter(|_| minor.bytes().all(|it| it.is_ascii_digit()))
}

/// What an agent's configuration (`/etc/ecs/ecs.config`) says, as far as it decides what tasks it can run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentConfiguration {
    /// `ECS_CLUSTER`; the scenario's cluster where it says nothing.
    pub cluster: Option<String>,
    /// `ECS_IMAGE_PULL_BEHAVIOR`
    pub image_pull_behavior: ImagePullBehavior,
    /// `ECS_IMAGE_CLEANUP_INTERVAL` and what else is said of images that nobody needs.
    pub image_cleanup: ImageCleanup,
    /// How long it waits for Docker.
    pub timeouts: AgentTimeouts,
    /// `ECS_AVAILABLE_LOGGING_DRIVERS`
    pub available_logging_drivers: Vec<String>,
    /// `ECS_ENABLE_TASK_IAM_ROLE`
    pub enable_task_iam_role: bool,
    /// `ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST`
    pub enable_task_iam_role_network_host: bool,
    /// `ECS_ENABLE_TASK_ENI`
    pub enable_task_eni: bool,
    /// `ECS_ENABLE_TASK_CPU_MEM_LIMIT`
    pub enable_task_cpu_mem_limit: bool,
    /// `ECS_ENABLE_AWSLOGS_EXECUTIONROLE_OVERRIDE`
    pub enable_awslogs_executionrole_override: bool,
    /// `ECS_DISABLE_PRIVILEGED`
    pub disable_privileged: bool,
    /// `ECS_DISABLE_DOCKER_HEALTH_CHECK`
    pub disable_docker_health_check: bool,
    /// Whether the agent runs on Windows.
    pub runs_on_windows: bool,
}

impl Default for AgentConfiguration {
    /// As ecs-init sets it on an ECS-optimized AMI.
    fn default() -> AgentConfiguration {
        let drivers = ["json-file", "syslog", "awslogs", "fluentd", "none"];
        AgentConfiguration {
            cluster: None,
            image_pull_behavior: ImagePullBehavior::default(),
            image_cleanup: ImageCleanup::default(),
            timeouts: AgentTimeouts::default(),
            available_logging_drivers: drivers.map(str::to_owned).to_vec(),
            enable_task_iam_role: true,
            enable_task_iam_role_network_host: true,
            enable_task_eni: true,
            enable_task_cpu_mem_limit: true,
            enable_awslogs_executionrole_override: true,
            disable_privileged: false,
            disable_docker_health_check: false,
            runs_on_windows: false,
        }
    }
}

impl AgentConfiguration {
    /// As the agent for Windows has it where the user data of its instance say nothing (agent source, `config_windows.go`): task roles,
    /// network mode awsvpc and awslogs by the task execution role have to be switched on.
    pub fn of_windows() -> AgentConfiguration {
        AgentConfiguration {
            available_logging_drivers: ["json-file", "none", "awslogs"].map(str::to_owned).to_vec(),
            enable_task_iam_role: false,
            enable_task_iam_role_network_host: false,
            enable_task_eni: false,
            enable_task_cpu_mem_limit: false,
            enable_awslogs_executionrole_override: false,
            runs_on_windows: true,
            timeouts: AgentTimeouts::of_windows(),
            ..AgentConfiguration::default()
        }
    }

    /// How images are cleared away: not at all where what is there is preferred to a pull (agent source,
    /// `docker_image_manager.go`).
    pub fn image_cleanup(&self) -> ImageCleanup {
        let is_enabled = self.image_cleanup.is_enabled && self.image_pull_behavior != ImagePullBehavior::PreferCached;
        ImageCleanup { is_enabled, ..self.image_cleanup }
    }

    /// Whether an agent of a version registers an attribute that task definitions require.
    pub fn registers(&self, agent_version: &Version, attribute: &str) -> bool {
        if attribute == TASK_CPU_MEM_LIMIT {
            return self.enable_task_cpu_mem_limit && is_from(agent_version, "1.16.0");
        }
        if let Some(minor) = docker_api(attribute) {
            return DOCKER_API.contains(&minor);
        }
        let driver = attribute.strip_prefix(OLD).and_then(|it| it.strip_prefix("logging-driver."));
        if let Some(driver) = driver.filter(|it| *it != "awsfirelens") {
            return self.available_logging_drivers.iter().any(|it| it == driver);
        }
        let is_enabled = match attribute.strip_prefix(OLD).or(attribute.strip_prefix(NEW)) {
            Some("task-iam-role") => self.enable_task_iam_role,
            Some("task-iam-role-network-host") => self.enable_task_iam_role_network_host,
            Some("task-eni") => self.enable_task_eni,
            Some("increased-task-cpu-limit") => self.enable_task_cpu_mem_limit,
            Some("execution-role-awslogs") => self.enable_awslogs_executionrole_override,
            Some("privileged-container") => !self.disable_privileged && !self.runs_on_windows,
            Some("container-health-check") => !self.disable_docker_health_check,
            Some("fsxWindowsFileServer") => self.runs_on_windows,
            Some("efs" | "efsAuth" | "pid-ipc-namespace-sharing" | "fault-injection") => !self.runs_on_windows,
            _ => true,
        };
        let since = CAPABILITIES.iter().find(|it| it.attribute == attribute).map(|it| it.since);
        is_enabled && since.is_none_or(|it| is_from(agent_version, it))
    }
}

fn is_from(version: &Version, since: &str) -> bool {
    Version::parse(since).is_none_or(|since| *version >= since)
}

/// What of a task needs an attribute, and what of an instance would give it.
pub fn explained(attribute: &str) -> (String, String) {
    let agent = |since: &str| format!("agents from {since} on register it");
    if attribute == TASK_CPU_MEM_LIMIT {
        return ("a task-level `cpu` or `memory`".to_owned(), agent("1.16.0"));
    }
    if let Some(it) = CAPABILITIES.iter().find(|it| it.attribute == attribute) {
        let given_by = match it.attribute {
            FSX_WINDOWS => "only instances that run Windows register it".to_owned(),
            _ => agent(it.since),
        };
        return (it.needed_for.to_owned(), given_by);
    }
    if is_of_operating_system(attribute) {
        let given_by = "`operatingSystemFamily` of their group says what they run".to_owned();
        return ("its `runtimePlatform`".to_owned(), given_by);
    }
    if let Some(minor) = docker_api(attribute) {
        let given_by = format!("their Docker has 1.{} to 1.{}", DOCKER_API.start(), DOCKER_API.end());
        return (format!("version 1.{minor} of Docker's API"), given_by);
    }
    match attribute.strip_prefix(OLD).and_then(|it| it.strip_prefix("logging-driver.")) {
        Some(driver) => (
            format!("the log driver {driver}"),
            "`ECS_AVAILABLE_LOGGING_DRIVERS` of their agents decides it".to_owned(),
        ),
        None => ("`requiresAttributes`".to_owned(), "the group's `attributes` can say it".to_owned()),
    }
}

/// What a task definition says that its agent must be able to do, beside its containers.
#[derive(Clone, Copy, Debug, Default)]
pub struct TaskNeeds {
    /// Network mode.
    pub network_mode: NetworkMode,
    /// Task-level CPU units.
    pub cpu: Option<u32>,
    /// Whether it has a task-level `cpu` or `memory`.
    pub has_task_size: bool,
    /// Whether it has a `taskRoleArn`.
    pub has_task_role: bool,
    /// Whether it has a `pidMode` or `ipcMode`.
    pub shares_namespaces: bool,
    /// Whether it has `enableFaultInjection`.
    pub injects_faults: bool,
}

impl TaskNeeds {
    /// The attributes that follow.
    pub fn attributes(&self) -> impl Iterator<Item = &'static str> {
        let is_host = self.network_mode == NetworkMode::Host;
        [
            (self.has_task_role && !is_host, "com.amazonaws.ecs.capability.task-iam-role"),
            (self.has_task_role && is_host, "com.amazonaws.ecs.capability.task-iam-role-network-host"),
            (self.network_mode == NetworkMode::Awsvpc, "ecs.capability.task-eni"),
            (self.has_task_size, TASK_CPU_MEM_LIMIT),
            (self.cpu.is_some_and(|it| it > 10 * 1024), "ecs.capability.increased-task-cpu-limit"),
            (self.shares_namespaces, "ecs.capability.pid-ipc-namespace-sharing"),
            (self.injects_faults, "ecs.capability.fault-injection"),
        ]
        .into_iter()
        .filter_map(|(is_needed, attribute)| is_needed.then_some(attribute))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).expect("a version")
    }

    #[test]
    fn a_current_agent_registers_all_but_windows_and_drivers_it_was_not_told_of() {
        let (configuration, current) = (AgentConfiguration::default(), version("1.105.1"));
        for it in CAPABILITIES.iter().map(|it| it.attribute) {
            assert!(is_known(it));
            assert_eq!(configuration.registers(&current, it), it != FSX_WINDOWS, "{it}");
            assert_ne!(explained(it).0, explained("own").0, "{it}");
        }
        assert!(configuration.registers(&current, &logging_driver("awslogs")));
        assert!(!configuration.registers(&current, &logging_driver("splunk")));
        assert!(configuration.registers(&current, TASK_CPU_MEM_LIMIT));
    }

    #[test]
    fn an_agent_on_windows_registers_what_windows_has() {
        let (configuration, current) = (AgentConfiguration::of_windows(), version("1.105.1"));
        let registers = |it: &str| configuration.registers(&current, it);
        assert!(registers(FSX_WINDOWS) && registers("ecs.capability.container-health-check"));
        assert!(registers(&logging_driver("awslogs")) && !registers(&logging_driver("fluentd")));
        let lacks = ["ecs.capability.efs", "ecs.capability.task-eni", "com.amazonaws.ecs.capability.task-iam-role"];
        assert!(lacks.into_iter().chain([TASK_CPU_MEM_LIMIT]).all(|it| !registers(it)));
        let with_eni = AgentConfiguration { enable_task_eni: true, ..configuration.clone() };
        assert!(with_eni.registers(&current, "ecs.capability.task-eni"));
    }

    #[test]
    fn instances_have_the_versions_of_docker_s_api() {
        let attribute = |minor: &str| format!("com.amazonaws.ecs.capability.docker-remote-api.1.{minor}");
        for (minor, is_there) in [("16", false), ("17", true), ("19", true), ("44", true), ("45", false)] {
            let attribute = attribute(minor);
            assert!(is_known(&attribute) && is_named_like_one(&attribute));
            for configuration in [AgentConfiguration::default(), AgentConfiguration::of_windows()] {
                assert_eq!(configuration.registers(&version("1.105.1"), &attribute), is_there, "{minor}");
            }
        }
        assert!(!is_known(&attribute("+19")) && !is_known(&attribute("")) && !is_named_like_one("ecs.os-type"));
    }

    #[test]
    fn an_old_agent_lacks_what_came_later() {
        let configuration = AgentConfiguration::default();
        for (attribute, before, since) in [
            ("ecs.capability.task-eni", "1.14.5", "1.15.0"),
            ("ecs.capability.container-health-check", "1.16.2", "1.17.0"),
            ("ecs.capability.container-ordering", "1.25.3", "1.26.0"),
            ("ecs.capability.efsAuth", "1.37.0", "1.38.0"),
            ("ecs.capability.container-restart-policy", "1.85.3", "1.86.0"),
            (TASK_CPU_MEM_LIMIT, "1.15.2", "1.16.0"),
        ] {
            assert!(!configuration.registers(&version(before), attribute), "{attribute}");
            assert!(configuration.registers(&version(since), attribute), "{attribute}");
        }
    }

    #[test]
    fn a_configuration_turns_attributes_off() {
        let current = version("1.105.1");
        let usual = AgentConfiguration::default();
        let without = |configuration: AgentConfiguration, attribute: &str| {
            assert!(usual.registers(&current, attribute), "{attribute}");
            assert!(!configuration.registers(&current, attribute), "{attribute}");
        };
        without(AgentConfiguration { enable_task_eni: false, ..usual.clone() }, "ecs.capability.task-eni");
        without(
            AgentConfiguration { available_logging_drivers: Vec::new(), ..usual.clone() },
            &logging_driver("awslogs"),
        );
        let role = "com.amazonaws.ecs.capability.task-iam-role";
        without(AgentConfiguration { enable_task_iam_role: false, ..usual.clone() }, role);
        let privileged = "com.amazonaws.ecs.capability.privileged-container";
        without(AgentConfiguration { disable_privileged: true, ..usual.clone() }, privileged);
    }

    #[test]
    fn a_task_needs_what_its_fields_say() {
        let needs = TaskNeeds { has_task_role: true, ..TaskNeeds::default() };
        let attributes = |it: TaskNeeds| it.attributes().collect::<Vec<_>>();
        assert_eq!(attributes(TaskNeeds::default()), [""; 0]);
        assert_eq!(attributes(needs), ["com.amazonaws.ecs.capability.task-iam-role"]);
        let host = TaskNeeds { network_mode: NetworkMode::Host, ..needs };
        assert_eq!(attributes(host), ["com.amazonaws.ecs.capability.task-iam-role-network-host"]);
        let large = TaskNeeds { cpu: Some(16 * 1024), has_task_size: true, ..TaskNeeds::default() };
        assert_eq!(attributes(large), [TASK_CPU_MEM_LIMIT, "ecs.capability.increased-task-cpu-limit"]);
    }
}
