//! `agentConfiguration` of an Auto Scaling group: what `/etc/ecs/ecs.config` of its instances says, in its own names.

use crate::aws::capability::AgentConfiguration;
use crate::aws::image_cache::ImageCleanup;
use crate::aws::operating_system::OperatingSystemFamily;
use crate::aws::start_failure::{AgentTimeouts, ImagePullBehavior};
use crate::scenario::aws_fields::Shape;
use crate::scenario::problem::Problem;
use crate::scenario::reader::{Fields, Reader, What};
use crate::units::Span;

/// Log drivers that an agent can be told of (`LogConfiguration`, and `ECS_AVAILABLE_LOGGING_DRIVERS` in the agent's README).
const LOGGING_DRIVERS: [&str; 12] = [
    "awslogs",
    "etwlogs",
    "fluentd",
    "gcplogs",
    "gelf",
    "journald",
    "json-file",
    "logentries",
    "none",
    "splunk",
    "sumologic",
    "syslog",
];

/// The map `agentConfiguration`; what an ECS-optimized AMI of the operating system has where it says nothing.
pub fn agent_configuration(
    reader: &mut Reader<'_>,
    group: &mut Fields<'_>,
    operating_system_family: OperatingSystemFamily,
) -> AgentConfiguration {
    let mut configuration = match operating_system_family.is_windows() {
        true => AgentConfiguration::of_windows(),
        false => AgentConfiguration::default(),
    };
    let of = format!("`agentConfiguration` of {}", group.of);
    let Some(mut fields) = group.map(reader, "agentConfiguration") else { return configuration };
    let field = "ECS_AVAILABLE_LOGGING_DRIVERS";
    fields.usual(reader, field, &configuration.available_logging_drivers[..]);
    if fields.has(field) {
        let words = LOGGING_DRIVERS.map(|it| (it, it));
        let drivers = fields.list(reader, field).iter();
        let drivers = drivers.filter_map(|it| reader.word(What { field, of: &of }, it, &words));
        configuration.available_logging_drivers = drivers.map(str::to_owned).collect();
    }
    configuration.cluster = fields.text(reader, "ECS_CLUSTER").map(str::to_owned);
    let behaviors = [
        ("default", ImagePullBehavior::Default),
        ("always", ImagePullBehavior::Always),
        ("once", ImagePullBehavior::Once),
        ("prefer-cached", ImagePullBehavior::PreferCached),
    ];
    configuration.image_pull_behavior =
        fields.word_or(reader, "ECS_IMAGE_PULL_BEHAVIOR", &behaviors, ImagePullBehavior::default());
    configuration.image_cleanup = image_cleanup(reader, &mut fields);
    let is_windows = configuration.runs_on_windows;
    let shortest = if is_windows { AgentTimeouts::SHORTEST_ON_WINDOWS } else { AgentTimeouts::SHORTEST };
    let timeouts = &mut configuration.timeouts;
    for ((name, timeout), least) in [
        ("ECS_IMAGE_PULL_INACTIVITY_TIMEOUT", &mut timeouts.image_pull_inactivity),
        ("ECS_CONTAINER_CREATE_TIMEOUT", &mut timeouts.container_create),
        ("ECS_CONTAINER_START_TIMEOUT", &mut timeouts.container_start),
    ]
    .into_iter()
    .zip(shortest)
    {
        *timeout = at_least(reader, &mut fields, name, least, *timeout);
    }
    timeouts.image_pull = at_least(reader, &mut fields, "ECS_IMAGE_PULL_TIMEOUT", Span::SECOND, timeouts.image_pull);
    for (name, flag) in [
        ("ECS_ENABLE_TASK_IAM_ROLE", &mut configuration.enable_task_iam_role),
        ("ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST", &mut configuration.enable_task_iam_role_network_host),
        ("ECS_ENABLE_TASK_ENI", &mut configuration.enable_task_eni),
        ("ECS_ENABLE_TASK_CPU_MEM_LIMIT", &mut configuration.enable_task_cpu_mem_limit),
        ("ECS_ENABLE_AWSLOGS_EXECUTIONROLE_OVERRIDE", &mut configuration.enable_awslogs_executionrole_override),
        ("ECS_DISABLE_PRIVILEGED", &mut configuration.disable_privileged),
        ("ECS_DISABLE_DOCKER_HEALTH_CHECK", &mut configuration.disable_docker_health_check),
    ] {
        *flag = fields.flag_or(reader, name, *flag);
    }
    for (name, ours) in [
        ("ECS_RESERVED_MEMORY", "reservedMemory"),
        ("ECS_CONTAINER_STOP_TIMEOUT", "containerStopTimeout"),
        ("ECS_PULL_DEPENDENT_CONTAINERS_UPFRONT", "pullDependentContainersUpfront"),
        ("ECS_INSTANCE_ATTRIBUTES", "attributes"),
    ] {
        if fields.has(name) {
            let problem = Problem::new(fields.place_of(name), format!("`{name}` of {of} has a field of its own"));
            reader.refuse(problem.help(format!("say `{ours}` of the group")));
            return configuration;
        }
    }
    fields.finish(reader, &Shape::OURS);
    configuration
}

fn image_cleanup(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> ImageCleanup {
    let is_enabled = !fields.flag_or(reader, "ECS_DISABLE_IMAGE_CLEANUP", false);
    let mut cleanup = ImageCleanup { is_enabled, ..ImageCleanup::default() };
    let (interval, least) = (cleanup.interval, ImageCleanup::SHORTEST_INTERVAL);
    cleanup.interval = at_least(reader, fields, "ECS_IMAGE_CLEANUP_INTERVAL", least, interval);
    cleanup.minimum_age = fields.span_or(reader, "ECS_IMAGE_MINIMUM_CLEANUP_AGE", cleanup.minimum_age);
    let per_cycle = cleanup.images_per_cycle;
    cleanup.images_per_cycle = fields.count_or(reader, "ECS_NUM_IMAGES_DELETE_PER_CYCLE", 1..=1_000_000, per_cycle);
    let (wait, least) = (cleanup.task_cleanup_wait, ImageCleanup::SHORTEST_TASK_CLEANUP_WAIT);
    cleanup.task_cleanup_wait = at_least(reader, fields, "ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION", least, wait);
    cleanup
}

/// A time that an agent takes from `least` on, and puts its own default in the place of what is shorter (agent source, `config.go`).
fn at_least(reader: &mut Reader<'_>, fields: &mut Fields<'_>, name: &'static str, least: Span, usual: Span) -> Span {
    let place = fields.place_of(name);
    let span = fields.span_or(reader, name, usual);
    if span < least {
        let message = format!("`{name}` of {} is {span}, expected at least {least}", fields.of);
        reader.refuse(Problem::new(place, message).help(format!("an agent would take its default of {usual} instead")));
    }
    span
}
