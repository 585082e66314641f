//! Application Load Balancers, target groups and health checks.

use crate::aws::auto_scaling_group::AvailabilityZone;
use crate::table::Id;
use crate::units::Span;

/// An Application Load Balancer.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadBalancer {
    /// Name.
    pub name: String,
    /// Nodes: each routes and counts by itself; AWS has at least one a zone, which is the default.
    pub nodes: u32,
    /// `idle_timeout.timeout_seconds`, 1 to 4000 s; AWS's default is 60 s. A longer wait ends in 504.
    pub idle_timeout: Span,
    /// Its zones.
    pub availability_zones: Vec<Id<AvailabilityZone>>,
}

/// `load_balancing.algorithm.type`: how a node chooses among the targets in rotation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RoutingAlgorithm {
    /// One after the other; AWS's default.
    #[default]
    RoundRobin,
    /// The one with the fewest requests under way at this node; at a tie the next one in turn.
    LeastOutstandingRequests,
    /// At random, by weight.
    WeightedRandom,
}

/// A target group.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetGroup {
    /// Name.
    pub name: String,
    /// The load balancer in front of it.
    pub load_balancer: Id<LoadBalancer>,
    /// `deregistration_delay.timeout_seconds`, 0 to 3600 s; AWS's default is 300 s.
    pub deregistration_delay: Span,
    /// `load_balancing.algorithm.type`; AWS's default is `round_robin`.
    pub algorithm: RoutingAlgorithm,
    /// Health check.
    pub health_check: HealthCheck,
}

/// A target group's health check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// `HealthCheckIntervalSeconds`, 5 to 300 s; AWS's default is 30 s.
    pub interval: Span,
    /// `HealthCheckTimeoutSeconds`, 2 to 120 s; AWS's default is 5 s.
    pub timeout: Span,
    /// `HealthyThresholdCount`, 2 to 10; AWS's default is 5. A new target needs one success only.
    pub healthy_threshold: u32,
    /// `UnhealthyThresholdCount`, 2 to 10; AWS's default is 2.
    pub unhealthy_threshold: u32,
}

impl Default for HealthCheck {
    fn default() -> Self {
        HealthCheck {
            interval: Span::seconds(30),
            timeout: Span::seconds(5),
            healthy_threshold: 5,
            unhealthy_threshold: 2,
        }
    }
}
