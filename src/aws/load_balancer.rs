//! Load balancers, target groups and health checks.

use crate::aws::auto_scaling_group::AvailabilityZone;
use crate::table::Id;
use crate::units::Span;

/// A load balancer.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadBalancer {
    /// Name.
    pub name: String,
    /// `Type`; AWS's default is `application`.
    pub kind: LoadBalancerType,
    /// `Scheme`; AWS's default is `internet-facing`.
    pub scheme: Scheme,
    /// What its listener speaks with those who come by none that the file names.
    pub protocol: ListenerProtocol,
    /// Nodes: each routes and counts by itself; AWS has at least one a zone, which is the default.
    pub nodes: u32,
    /// `idle_timeout.timeout_seconds`, 1 to 4000 s; AWS's default is 60 s. A longer wait ends in 504. Of a Network Load
    /// Balancer `tcp.idle_timeout.seconds`, 60 to 6000 s, by default 350 s: an idle connection is reset.
    pub idle_timeout: Span,
    /// Its zones.
    pub availability_zones: Vec<Id<AvailabilityZone>>,
    /// The Network Load Balancer through which callers come to an Application Load Balancer that is its target.
    pub comes_through: Option<ComesThrough>,
}

/// A Network Load Balancer whose target is an Application Load Balancer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ComesThrough {
    /// It.
    pub load_balancer: Id<LoadBalancer>,
    /// Whether its nodes send to the nodes of all zones.
    pub cross_zone: bool,
}

/// `Type` of a load balancer, as far as ECS services can stand behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoadBalancerType {
    /// Routes requests; AWS's default.
    #[default]
    Application,
    /// Routes connections.
    Network,
    /// Routes requests or connections to instances; keeps requests that no instance takes in its surge queue.
    Classic,
}

/// Requests that wait at each node of a Classic Load Balancer for an instance to take them; what comes beyond is answered
/// with 503 (*CloudWatch metrics for your Classic Load Balancer*: `SurgeQueueLength`, `SpilloverCount`).
pub const SURGE_QUEUE_LENGTH: usize = 1024;

/// `Scheme`: where a load balancer can be reached from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme {
    /// From the internet; AWS's default.
    #[default]
    InternetFacing,
    /// From its VPC.
    Internal,
}

/// `Protocol` of a listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ListenerProtocol {
    /// HTTP.
    #[default]
    Http,
    /// HTTP over TLS.
    Https,
    /// TCP, passed on as it comes.
    Tcp,
    /// TCP over TLS, which the load balancer ends.
    Tls,
}

impl ListenerProtocol {
    /// As the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            ListenerProtocol::Http => "HTTP",
            ListenerProtocol::Https => "HTTPS",
            ListenerProtocol::Tcp => "TCP",
            ListenerProtocol::Tls => "TLS",
        }
    }

    /// Whether callers shake hands over TLS with the load balancer.
    pub fn has_tls(self) -> bool {
        matches!(self, ListenerProtocol::Https | ListenerProtocol::Tls)
    }
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
    /// At random for each connection, to whose target all of its requests go: what the flow hash of a Network Load
    /// Balancer comes to.
    FlowHash,
}

/// A target group.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetGroup {
    /// Name.
    pub name: String,
    /// The load balancer in front of it.
    pub load_balancer: Id<LoadBalancer>,
    /// Whether its `Protocol` is HTTPS or TLS, so that targets shake hands with the load balancer.
    pub has_tls: bool,
    /// `deregistration_delay.timeout_seconds`, 0 to 3600 s; AWS's default is 300 s.
    pub deregistration_delay: Span,
    /// `load_balancing.algorithm.type`; AWS's default is `round_robin`.
    pub algorithm: RoutingAlgorithm,
    /// `slow_start.duration_seconds`, 30 to 900 s; zero, AWS's default, is off. Round robin only.
    pub slow_start: Span,
    /// `load_balancing.cross_zone.enabled`: whether a node sends to the targets of all zones; AWS's default is true.
    pub cross_zone: bool,
    /// `target_group_health.unhealthy_state_routing`: when a node sends to all targets, healthy or not.
    pub unhealthy_state_routing: HealthThreshold,
    /// `load_balancing.algorithm.anomaly_mitigation`: whether targets that fail more than their peers get fewer requests; AWS's
    /// default is off. Weighted random only.
    pub anomaly_mitigation: bool,
    /// `target_health_state.unhealthy.connection_termination.enabled`: whether the connections of a target that turns
    /// unhealthy are reset. Of Network Load Balancers only, whose default is true.
    pub resets_unhealthy: bool,
    /// Whether connections are cut when the deregistration delay is over; Network Load Balancers leave them alone unless
    /// `deregistration_delay.connection_termination.enabled` says so.
    pub cuts_deregistered: bool,
    /// `target_group_health.dns_failover`: when a zone is taken out of DNS; `None` is `off`.
    pub dns_failover: Option<HealthThreshold>,
    /// Health check.
    pub health_check: HealthCheck,
    /// `stickiness.enabled` and what belongs to it: whether a client's requests stay with the target of its first one.
    pub stickiness: Option<Stickiness>,
}

/// How long a client's requests stay with one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stickiness {
    /// `stickiness.type`
    pub kind: StickinessType,
    /// `stickiness.lb_cookie.duration_seconds` or `stickiness.app_cookie.duration_seconds`, 1 s to 7 days from the last
    /// request; AWS's default is a day.
    pub duration: Span,
}

/// `stickiness.type`: whose cookie it is. Which requests go where is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StickinessType {
    /// `lb_cookie`: the load balancer's (`AWSALB`).
    LbCookie,
    /// `app_cookie`: the application's, which the load balancer follows.
    AppCookie,
}

/// The least health below which a node gives up on health and sends to all targets that it may send to (fail-open).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthThreshold {
    /// `minimum_healthy_targets.count`, at least 1; AWS's default is 1.
    pub count: u32,
    /// `minimum_healthy_targets.percentage`, 1 to 100; AWS's default is off.
    pub percentage: Option<u32>,
}

impl Default for HealthThreshold {
    fn default() -> Self {
        HealthThreshold { count: 1, percentage: None }
    }
}

impl HealthThreshold {
    /// Whether so many healthy ones of all are too few.
    pub fn is_missed(&self, healthy: usize, all: usize) -> bool {
        let percentage = self.percentage.unwrap_or(0) as usize;
        healthy < self.count as usize || healthy * 100 < percentage * all
    }
}

/// The part of a whole target's requests that one in slow start gets, at `elapsed` of `duration` since it became healthy:
/// it grows in a straight line.
pub fn slow_start_weight(elapsed: Span, duration: Span) -> f64 {
    if elapsed >= duration { 1.0 } else { elapsed.0 as f64 / duration.0 as f64 }
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

impl HealthCheck {
    /// The default of a load balancer of this type, whose checks speak TCP (or HTTP).
    pub fn usual(kind: LoadBalancerType, is_http: bool) -> HealthCheck {
        let usual = HealthCheck::default();
        match kind {
            LoadBalancerType::Application => usual,
            LoadBalancerType::Network => HealthCheck { timeout: Span::seconds(if is_http { 6 } else { 10 }), ..usual },
            LoadBalancerType::Classic => HealthCheck { healthy_threshold: 10, ..usual },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Section 1.5 and worked example 3: one new target beside four old ones.
    #[test]
    fn w3_slow_start_shares() {
        let duration = Span::seconds(60);
        for (elapsed, share, rates) in [
            (15, 0.058_823_529, [29.41, 117.65]),
            (30, 0.111_111_11, [55.56, 111.11]),
            (45, 0.157_894_74, [78.95, 105.26]),
            (60, 0.2, [100.0, 100.0]),
        ] {
            let weight = slow_start_weight(Span::seconds(elapsed), duration);
            let got = weight / (4.0 + weight);
            assert!((got - share).abs() < 1e-8, "{elapsed}: {got}");
            assert!((500.0 * got - rates[0]).abs() < 0.01, "{elapsed}");
            assert!((500.0 / (4.0 + weight) - rates[1]).abs() < 0.01, "{elapsed}");
        }
    }

    #[test]
    fn too_few_healthy_ones_are_few_by_count_or_by_percentage() {
        let usual = HealthThreshold::default();
        assert!(usual.is_missed(0, 5) && !usual.is_missed(1, 5));
        let half = HealthThreshold { count: 1, percentage: Some(50) };
        assert!(half.is_missed(4, 10) && !half.is_missed(5, 10));
        let three = HealthThreshold { count: 3, percentage: None };
        assert!(three.is_missed(2, 2) && !three.is_missed(3, 9));
    }
}
