//! What services and `runTasks` say alike: where their tasks run.

use crate::aws::capacity_provider::CapacityProviderStrategyItem;
use crate::aws::fargate::PlatformVersion;
use crate::aws::launch::{Launch, TaskGroup};
use crate::aws::operating_system::OperatingSystemFamily;
use crate::aws::task_definition::{TaskDefinition, VolumeKind};
use crate::aws::volume::EbsVolume;
use crate::scenario::aws_fields::Shape;
use crate::scenario::capacity::Capacity;
use crate::scenario::container::client_exception;
use crate::scenario::placement::placement;
use crate::scenario::problem::{Problem, nearest};
use crate::scenario::reader::{Fields, Reader, What, listed};
use crate::scenario::task_definition::TaskDefinitions;
use crate::scenario::volume::managed;
use crate::table::{Id, Table};

/// The task groups of a file.
#[derive(Default)]
pub struct TaskGroups {
    /// Those met so far.
    pub table: Table<TaskGroup>,
}

impl TaskGroups {
    /// The group of this name.
    pub fn of(&mut self, name: &str) -> Id<TaskGroup> {
        let found = self.table.find(|it| it.name == name);
        found.unwrap_or_else(|| self.table.push(TaskGroup { name: name.to_owned() }))
    }
}

/// The fields that say where the tasks of a service or of `RunTask` run, and why they launch on EC2, if they do.
pub fn launch(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    capacity: &Capacity,
    task_group: Id<TaskGroup>,
) -> (Launch, Option<&'static str>) {
    let (placement_strategy, placement_constraints) = placement(reader, fields);
    let (launch, on_ec2_because) = where_tasks_run(reader, fields, capacity, task_group);
    if launch.capacity_provider_strategy.iter().any(|it| capacity.is_fargate(it.capacity_provider)) {
        refuse_placement_on_fargate(reader, fields);
    }
    (Launch { placement_strategy, placement_constraints, ..launch }, on_ec2_because)
}

/// The same but for placement, of which task sets say nothing.
pub fn where_tasks_run(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    capacity: &Capacity,
    task_group: Id<TaskGroup>,
) -> (Launch, Option<&'static str>) {
    let (capacity_provider_strategy, on_ec2_because) = capacity_provider_strategy(reader, fields, capacity);
    let (platform_version, platform_family) = platform(reader, fields, capacity, &capacity_provider_strategy);
    let network = capacity.network_of_launch(reader, fields);
    let launch = Launch {
        task_group,
        placement_strategy: Vec::new(),
        placement_constraints: Vec::new(),
        capacity_provider_strategy,
        platform_version,
        platform_family,
        network,
        volume: None,
    };
    (launch, on_ec2_because)
}

const STRATEGIES: &str = "Placement strategies";
const CONSTRAINTS: &str = "Placement constraints";

/// Says of a service or `RunTask` on Fargate what it says of placement, which there is none of.
pub fn refuse_placement_on_fargate(reader: &mut Reader<'_>, fields: &mut Fields<'_>) {
    let of = fields.of.clone();
    for (field, words) in
        [("placementStrategy", STRATEGIES), ("placementTemplate", STRATEGIES), ("placementConstraints", CONSTRAINTS)]
    {
        if let Some(node) = fields.take(field).filter(|it| !it.is_blank()) {
            let problem = Problem::new(node.place, format!("{of} runs on Fargate, which has no `{field}`"));
            let says = format!("{words} are not supported with FARGATE launch type.");
            reader.refuse(
                problem
                    .help("leave it out: Fargate spreads tasks over the zones of their subnets")
                    .help(invalid_parameter_exception(&says)),
            );
        }
    }
}

/// Platform versions as they are written.
pub fn platform_versions() -> [(&'static str, PlatformVersion); 4] {
    [
        ("LATEST", PlatformVersion::default()),
        (PlatformVersion::V1_4.as_str(), PlatformVersion::V1_4),
        (PlatformVersion::V1_3.as_str(), PlatformVersion::V1_3),
        (PlatformVersion::V1_0.as_str(), PlatformVersion::V1_0),
    ]
}

/// The platform version and family, and whether there is the network configuration that Fargate asks for.
fn platform(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    capacity: &Capacity,
    strategy: &[CapacityProviderStrategyItem],
) -> (PlatformVersion, Option<OperatingSystemFamily>) {
    let of = fields.of.clone();
    if !strategy.iter().any(|it| capacity.is_fargate(it.capacity_provider)) {
        fields.take("platformVersion");
        fields.take("platformFamily");
        return (PlatformVersion::default(), None);
    }
    let at = fields.place_of("platformFamily");
    let version = fields.word_or(reader, "platformVersion", &platform_versions(), PlatformVersion::default());
    // `DescribeServices` writes `Linux`.
    let family = match fields.text(reader, "platformFamily") {
        Some(said) if said.eq_ignore_ascii_case("LINUX") => Some(OperatingSystemFamily::Linux),
        Some(said) => {
            let found = OperatingSystemFamily::ALL.into_iter().find(|it| it.as_str() == said);
            if found.is_none() {
                let words = OperatingSystemFamily::ALL.map(OperatingSystemFamily::as_str);
                let problem = Problem::new(at, format!("`platformFamily` of {of} is `{said}`"));
                reader.refuse(match nearest(said, words) {
                    Some(near) => problem.label(format!("did you mean `{near}`?")),
                    None => problem.help(format!("expected {}", listed(words))),
                });
            }
            found
        }
        None => None,
    };
    if fields.take("networkConfiguration").is_none() {
        let problem = Problem::new(fields.place, format!("{of} runs on Fargate and has no `networkConfiguration`"));
        let says = "Network Configuration must be provided when networkMode 'awsvpc' is specified.";
        reader.refuse(
            problem
                .help("`networkConfiguration: {awsvpcConfiguration: {subnets: [subnet-1]}}` would be one")
                .help(invalid_parameter_exception(says)),
        );
    }
    (version, family)
}

/// What `CreateService` and `RunTask` answer, for those who look for its words.
pub fn invalid_parameter_exception(says: &str) -> String {
    format!("AWS says: InvalidParameterException: {says}")
}

/// Refuses a definition that is for Fargate alone where tasks launch on EC2, and tells why they do.
pub fn check_compatibility(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    definitions: &TaskDefinitions,
    definition: Id<TaskDefinition>,
    why: &str,
) {
    let Some(says_so) = definitions.is_for_fargate_only(definition) else { return };
    let name = definitions.table[definition].name();
    let message = format!("{} launches on EC2, which its task definition `{name}` is not for", fields.of);
    let problem = Problem::new(fields.place_of("taskDefinition"), message).related(says_so, "it is for Fargate alone");
    let help = format!("{why}; `requiresCompatibilities: [EC2, FARGATE]` lets it run there as well");
    reader.refuse(problem.help(client_exception("Task definition does not support launch_type EC2.")).help(help));
}

/// The capacity provider strategy, and why tasks launch on EC2, if they do.
fn capacity_provider_strategy(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    capacity: &Capacity,
) -> (Vec<CapacityProviderStrategyItem>, Option<&'static str>) {
    let launch_type = fields.take("launchType");
    let mut launches_on_fargate = false;
    let strategy = fields.take("capacityProviderStrategy").filter(|it| !it.is_blank());
    let mut is_ec2 = false;
    if let Some(node) = launch_type {
        let words = ["EC2", "FARGATE", "EXTERNAL", "MANAGED_INSTANCES"].map(|it| (it, it));
        if let Some(word) = reader.word(What { field: "launchType", of: &fields.of }, node, &words) {
            match word {
                "EC2" => is_ec2 = true,
                "FARGATE" => launches_on_fargate = true,
                _ => reader.not_simulated(node.place, format!("`launchType: {word}` of {}", fields.of)),
            }
        }
        if let Some(strategy) = strategy {
            let message = format!("{} has a launch type and a capacity provider strategy", fields.of);
            let problem = Problem::new(strategy.place, message).related(node.place, "the launch type");
            reader.refuse(problem.help("the two exclude each other"));
        }
    }
    let items = match strategy {
        Some(node) => capacity.strategy(reader, node, &fields.of),
        // Launch type FARGATE and a strategy of FARGATE alone come to the same.
        None if launches_on_fargate => capacity.fargate_on_demand(),
        None if launch_type.is_none() => capacity.default_strategy.clone(),
        None => Vec::new(),
    };
    let says_nothing = launch_type.is_none() && strategy.is_none();
    let on_ec2_because = if is_ec2 {
        Some("it says `launchType: EC2`")
    } else if !items.is_empty() && !items.iter().any(|it| capacity.is_fargate(it.capacity_provider)) {
        Some("its capacity providers have Auto Scaling groups")
    } else if says_nothing && !capacity.says_default_strategy && !capacity.groups.is_empty() {
        Some("without `launchType` and capacity providers the launch type is EC2")
    } else {
        None
    };
    (items, on_ec2_because)
}

/// `volumeConfigurations`, which must be there for an EBS volume that each task gets, and for nothing else; and that volume, where its
/// size is known.
pub fn volume_configurations(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    definition: Option<&TaskDefinition>,
) -> Option<EbsVolume> {
    let mut ebs_volume = None;
    let of = format!("a volume configuration of {}", fields.of);
    let mut configured = Vec::new();
    for node in fields.list(reader, "volumeConfigurations") {
        let Some(mut volume) = reader.fields(node, of.clone()) else { continue };
        volume.required(reader, "name");
        let name_node = volume.take("name");
        let name = name_node.and_then(|it| reader.text(What { field: "name", of: &of }, it));
        if let Some(node) = volume.required(reader, "managedEBSVolume")
            && let Some(fields) = reader.fields(node, format!("`managedEBSVolume` of {of}"))
        {
            ebs_volume = managed(reader, fields);
        }
        volume.finish(reader, &Shape::OURS);
        let (Some(name), Some(node), Some(definition)) = (name, name_node, definition) else { continue };
        configured.push(name);
        let volumes = definition.volumes.iter().filter(|it| it.kind == VolumeKind::Ebs).map(|it| it.name.as_str());
        if volumes.clone().all(|it| it != name) {
            let message = format!("{of} names volume `{name}`, which `{}` does not have", definition.name());
            let problem = Problem::new(node.place, message);
            reader.refuse(match nearest(name, volumes) {
                Some(near) => problem.label(format!("did you mean `{near}`?")),
                None => problem.help("it is for volumes that say `configuredAtLaunch: true`"),
            });
        }
    }
    let definition = definition?;
    for volume in definition.volumes.iter().filter(|it| it.kind == VolumeKind::Ebs) {
        if !configured.contains(&volume.name.as_str()) {
            let message = format!(
                "{} does not say what volume `{}` of `{}` is, which is configured at launch",
                fields.of,
                volume.name,
                definition.name()
            );
            let help = format!(
                "`volumeConfigurations: [{{name: {}, managedEBSVolume: {{sizeInGiB: 20}}}}]` would",
                volume.name
            );
            reader.refuse(Problem::new(fields.place, message).help(help));
        }
    }
    ebs_volume
}
