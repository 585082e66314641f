//! File systems of EFS: where tasks can mount them.
//!
//! Follows *Managing mount targets* and *Mounting One Zone file systems* in the EFS User Guide and `CreateMountTarget` (2026):
//! the name of a file system resolves to the mount target of one's own zone, and to nothing in a zone without one. ECS
//! gives the mount helper no `az` option, so that a task cannot use the mount target of another zone.

use crate::aws::auto_scaling_group::AvailabilityZone;
use crate::table::Id;

/// A file system of EFS that a scenario describes; others can be mounted in every zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSystem {
    /// `FileSystemId`
    pub id: String,
    /// The zones that have a mount target.
    pub mount_target_zones: Vec<Id<AvailabilityZone>>,
}

impl FileSystem {
    /// Whether a task in a zone can mount it.
    pub fn mounts_in(&self, zone: Id<AvailabilityZone>) -> bool {
        self.mount_target_zones.contains(&zone)
    }
}

/// What the EFS mount helper says in a zone without a mount target.
pub fn not_resolved(file_system: &str, zone: &AvailabilityZone) -> String {
    let region = zone.name.trim_end_matches(|it: char| it.is_ascii_lowercase());
    format!(
        "Failed to resolve \"{file_system}.efs.{region}.amazonaws.com\" - check that your file system ID is correct, and ensure that the VPC has an EFS mount target for this file system ID. See https://docs.aws.amazon.com/console/efs/mount-dns-name for more detail."
    )
}

/// The stopped reason of a task on Fargate whose file system was not mounted, from what the mount helper said.
pub fn not_mounted_on_fargate(says: &str) -> String {
    format!(
        "ResourceInitializationError: failed to invoke EFS utils commands to set up EFS volumes: stderr: {says} : unsuccessful EFS utils command execution; code: 1"
    )
}

/// The stopped reason of a task on an instance whose file system was not mounted: of the volume plugin, by way of Docker.
pub fn not_mounted_on_instance((family, revision): (&str, u32), volume: &str, says: &str) -> String {
    format!(
        "Error response from daemon: create ecs-{family}-{revision}-{volume}: VolumeDriver.Create: mounting volume failed: {says}"
    )
}
