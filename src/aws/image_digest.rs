//! Container image resolution: that a service's tasks all run the image which the first task of a deployment found.
//!
//! Follows *Container image resolution* in *Deploy Amazon ECS services by replacing tasks* (developer guide, 2026) and
//! `versionConsistency` of `ContainerDefinition`. What the guide leaves open: agents before 1.83.0, which it says make services
//! wait longer, tell the digests when the task is RUNNING. Left out: that the circuit breaker fails the deployment when
//! they cannot be established.

use crate::aws::cluster_query::Version;

/// Attempts at establishing the digests of a deployment's images; after so many that failed it goes on without.
pub const ATTEMPTS: u32 = 3;

/// `versionConsistency` of a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VersionConsistency {
    /// Not said, which is enabled, but not worth waiting for capacity.
    #[default]
    Default,
    /// `enabled`
    Enabled,
    /// `disabled`
    Disabled,
}

/// When ECS hears of the digests that an agent finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DigestIsTold {
    /// When the manifests have been pulled, before the images are.
    WithManifest,
    /// When the task is RUNNING.
    WhenRunning,
}

/// Whether an image is named so that there is a digest to establish: with a tag or nothing, not with a digest.
pub fn is_resolved(image: &str, version_consistency: VersionConsistency) -> bool {
    version_consistency != VersionConsistency::Disabled && !image.contains('@')
}

/// When an agent of a version tells the digest of an image; `None` where it does not establish it.
///
/// From 1.31.0 on agents do for images in ECR, from 1.70.0 on for all.
pub fn told_by_agent(agent_version: &Version, image: &str) -> Option<DigestIsTold> {
    let is_from = |since: &str| Version::parse(since).is_some_and(|it| *agent_version >= it);
    let since = if image.contains(".dkr.ecr.") { "1.31.0" } else { "1.70.0" };
    match is_from(since) {
        true if is_from("1.83.0") => Some(DigestIsTold::WithManifest),
        true => Some(DigestIsTold::WhenRunning),
        false => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_not_looked_for_where_it_is_said_or_not_wanted() {
        let usual = VersionConsistency::default();
        for (image, version_consistency, expected) in [
            ("web", usual, true),
            ("registry:5000/web:latest", VersionConsistency::Enabled, true),
            ("web:latest", VersionConsistency::Disabled, false),
            ("web@sha256:94afd1f2e64d908bc90dbca0035a5b567", usual, false),
            ("web:1@sha256:94afd1f2e64d908bc90dbca0035a5b567", VersionConsistency::Enabled, false),
        ] {
            assert_eq!(is_resolved(image, version_consistency), expected, "{image}");
        }
    }

    #[test]
    fn agents_learnt_it_by_and_by() {
        let ecr = "111122223333.dkr.ecr.us-east-1.amazonaws.com/web:latest";
        let told = |version: &str, image| told_by_agent(&Version::parse(version).expect("a version"), image);
        for (version, in_ecr, elsewhere) in [
            ("1.30.0", None, None),
            ("1.31.0", Some(DigestIsTold::WhenRunning), None),
            ("1.69.0", Some(DigestIsTold::WhenRunning), None),
            ("1.70.0", Some(DigestIsTold::WhenRunning), Some(DigestIsTold::WhenRunning)),
            ("1.82.4", Some(DigestIsTold::WhenRunning), Some(DigestIsTold::WhenRunning)),
            ("1.83.0", Some(DigestIsTold::WithManifest), Some(DigestIsTold::WithManifest)),
        ] {
            assert_eq!((told(version, ecr), told(version, "web")), (in_ecr, elsewhere), "{version}");
        }
    }
}
