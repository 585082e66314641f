//! Registries that count the pulls of a caller.
//!
//! Follows *Docker Hub pull usage and limits* (Docker, 2025) and *Amazon ECR Public service quotas* (2026). A pull is counted when its
//! manifest is fetched, whatever is in the cache. Left out: the 500 GB a month that ECR Public gives who does not authenticate, and
//! pulls of other callers behind the same address.

use crate::units::Span;

/// Docker Hub, which images without a registry come from.
pub const DOCKER_HUB: &str = "docker.io";
/// Amazon ECR Public.
pub const ECR_PUBLIC: &str = "public.ecr.aws";

/// How many pulls a registry takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullQuota {
    /// The registry's host.
    pub registry: String,
    /// Whether pulls are made with credentials, and counted by account; else by the address that they come from.
    pub is_authenticated: bool,
    /// So many pulls, at least one, ...
    pub pulls: u32,
    /// ... in so long.
    pub window: Span,
}

impl PullQuota {
    /// What a registry is known to take: Docker Hub 100 pulls in 6 hours by address and 200 by account, ECR Public one a second and ten.
    pub fn usual(registry: &str, is_authenticated: bool) -> Option<(u32, Span)> {
        match (registry, is_authenticated) {
            (DOCKER_HUB, false) => Some((100, Span::HOUR * 6)),
            (DOCKER_HUB, true) => Some((200, Span::HOUR * 6)),
            (ECR_PUBLIC, false) => Some((1, Span::SECOND)),
            (ECR_PUBLIC, true) => Some((10, Span::SECOND)),
            _ => None,
        }
    }

    /// What the registry says beyond it.
    pub fn says(&self) -> &'static str {
        match (self.registry.as_str(), self.is_authenticated) {
            (DOCKER_HUB, false) => {
                "toomanyrequests: You have reached your unauthenticated pull rate limit. https://www.docker.com/increase-rate-limit"
            }
            (DOCKER_HUB, true) => {
                "toomanyrequests: You have reached your pull rate limit. You may increase the limit by upgrading. \
                 https://www.docker.com/increase-rate-limit"
            }
            _ => "toomanyrequests: Rate exceeded",
        }
    }
}
