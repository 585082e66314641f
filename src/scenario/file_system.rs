//! `cluster.fileSystems`: where file systems of EFS have mount targets.

use crate::aws::auto_scaling_group::AvailabilityZone;
use crate::aws::file_system::FileSystem;
use crate::aws::task_definition::TaskDefinition;
use crate::scenario::aws_fields::Shape;
use crate::scenario::problem::{Place, Problem};
use crate::scenario::reader::{Fields, Names, Reader, What, listed};
use crate::scenario::subnet::Subnets;
use crate::scenario::tree::{Entry, Node};
use crate::table::{Id, Table};

/// File systems, and where the scenario speaks of each.
#[derive(Default)]
pub struct FileSystems {
    /// In the file's order.
    pub table: Table<FileSystem>,
    places: Vec<Place>,
}

/// Refuses file systems that no volume names.
pub fn check_used(reader: &mut Reader<'_>, file_systems: &FileSystems, definitions: &Table<TaskDefinition>) {
    if reader.unread_sections.contains("taskDefinitions") {
        return;
    }
    let mut named: Vec<&str> =
        definitions.iter().flat_map(|it| &it.volumes).filter_map(|it| it.file_system.as_deref()).collect();
    named.sort_unstable();
    named.dedup();
    for (file_system, &place) in file_systems.table.iter().zip(&file_systems.places) {
        if !named.contains(&file_system.id.as_str()) {
            let message = format!("file system `{}` is of no volume of any task definition", file_system.id);
            let problem = Problem::new(place, message);
            reader.refuse(match named.is_empty() {
                true => problem.help("no volume has an `efsVolumeConfiguration`"),
                false => problem.help(format!("`fileSystemId` names {}", listed(named.iter().copied()))),
            });
        }
    }
}

/// The map `fileSystems` of the cluster, as `DescribeFileSystems` and `DescribeMountTargets` tell it.
pub fn file_systems(
    reader: &mut Reader<'_>,
    cluster: &mut Fields<'_>,
    zones: &Names<AvailabilityZone>,
    subnets: &Subnets,
    all_zones: &[Id<AvailabilityZone>],
) -> FileSystems {
    let mut file_systems = FileSystems::default();
    for entry in cluster.entries(reader, "fileSystems") {
        if let Some(file_system) = file_system(reader, entry, zones, subnets, all_zones) {
            file_systems.table.push(file_system);
            file_systems.places.push(entry.key_place);
        }
    }
    file_systems
}

fn file_system(
    reader: &mut Reader<'_>,
    entry: &Entry,
    zones: &Names<AvailabilityZone>,
    subnets: &Subnets,
    all_zones: &[Id<AvailabilityZone>],
) -> Option<FileSystem> {
    let mut fields = reader.fields(&entry.node, format!("file system `{}`", entry.key))?;
    // One Zone: its only mount target is in that zone.
    let is_one_zone = fields.has("AvailabilityZoneName");
    let one_zone = fields.reference(reader, "AvailabilityZoneName", zones);
    let said = fields.take("MountTargets");
    let of = fields.of.clone();
    fields.finish(reader, &Shape::FILE_SYSTEM);
    let mut mount_target_zones = Vec::new();
    let nodes: &[Node] = said.map_or(&[], |it| reader.list(What { field: "MountTargets", of: &of }, it));
    for node in nodes {
        let Some(mut fields) = reader.fields(node, format!("a mount target of {of}")) else { continue };
        let says_subnet = fields.has("SubnetId");
        let subnet = match subnets.table.is_empty() {
            true => {
                fields.take("SubnetId");
                None
            }
            false => fields.reference(reader, "SubnetId", &subnets.names),
        };
        let of_subnet = subnet.map(|it| subnets.table[it].availability_zone);
        if of_subnet.is_none() && (!says_subnet || subnets.table.is_empty()) {
            fields.required(reader, "AvailabilityZoneName");
        }
        let zone = fields.reference(reader, "AvailabilityZoneName", zones).or(of_subnet);
        fields.finish(reader, &Shape::MOUNT_TARGET);
        let Some(zone) = zone else { continue };
        if mount_target_zones.contains(&zone) {
            let problem = Problem::new(node.place, format!("{of} has two mount targets in one zone"));
            let says = "MountTargetConflict: mount target already exists in this AZ";
            reader.refuse(problem.label("the second").help(format!("AWS says: {says}")));
        } else if one_zone.is_some_and(|it| it != zone) {
            let problem = Problem::new(node.place, format!("{of} is of one zone, and has a mount target in another"));
            reader.refuse(
                problem
                    .help("a One Zone file system has its mount target in its own zone")
                    .help("AWS says: AvailabilityZonesMismatch"),
            );
        }
        mount_target_zones.push(zone);
    }
    if said.is_none() {
        mount_target_zones = match (is_one_zone, one_zone) {
            (true, zone) => zone.into_iter().collect(),
            (false, _) => all_zones.to_vec(),
        };
    }
    Some(FileSystem { id: entry.key.clone(), mount_target_zones })
}
