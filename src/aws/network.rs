//! What the network costs between a caller, a load balancer and a task.
//!
//! AWS publishes none of these times. The defaults are those that the semantics reference suggests; all of them are
//! constants, so a response time moves and keeps its shape.

use crate::aws::load_balancer::{ListenerProtocol, LoadBalancer, Scheme};
use crate::aws::task_definition::NetworkMode;
use crate::units::Span;

/// Times that the network takes, each a field of `assumptions` that a scenario may set.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkTimes {
    /// Round trip from a caller to a load balancer that faces the internet: 20 ms.
    pub internet_round_trip: Span,
    /// Round trip from a caller to an internal load balancer: 0.5 ms.
    pub internal_round_trip: Span,
    /// Round trip from a load balancer node to a task of its zone: 0.3 ms.
    pub same_zone_round_trip: Span,
    /// Round trip from a load balancer node to a task of another zone: 1 ms.
    pub other_zone_round_trip: Span,
    /// What a load balancer adds to an HTTP request: 0.5 ms.
    pub http_overhead: Span,
    /// What a load balancer adds to an HTTPS request: 1 ms.
    pub https_overhead: Span,
    /// What a Network Load Balancer, or a Classic one that passes TCP on, adds to a request: 0.1 ms.
    pub tcp_overhead: Span,
    /// What network mode `bridge` adds to a round trip, docker's bridge and its address translation: 0.05 ms. (Felter and
    /// others, "An Updated Performance Comparison of Virtual Machines and Linux Containers", ISPASS 2015, found that the
    /// translation about doubles a round trip of some tens of microseconds.)
    pub bridge_latency: Span,
    /// What network mode `host` adds to a round trip: nothing.
    pub host_latency: Span,
    /// What network mode `awsvpc` adds to a round trip: nothing.
    pub awsvpc_latency: Span,
    /// A new connection from a load balancer node to a task of its zone: 0.3 ms.
    pub same_zone_connection: Span,
    /// A new connection from a load balancer node to a task of another zone: 1 ms.
    pub other_zone_connection: Span,
}

impl Default for NetworkTimes {
    fn default() -> Self {
        let micros = |it: u64| Span(it * 1_000);
        NetworkTimes {
            internet_round_trip: Span::millis(20),
            internal_round_trip: micros(500),
            same_zone_round_trip: micros(300),
            other_zone_round_trip: Span::millis(1),
            http_overhead: micros(500),
            https_overhead: Span::millis(1),
            tcp_overhead: micros(100),
            bridge_latency: micros(50),
            host_latency: Span::ZERO,
            awsvpc_latency: Span::ZERO,
            same_zone_connection: micros(300),
            other_zone_connection: Span::millis(1),
        }
    }
}

impl NetworkTimes {
    /// From when a load balancer sends a request until it has the answer, less the task's own time.
    ///
    /// A node sends to the tasks of `zones` zones evenly, one of which is its own. One request in
    /// `requests_per_connection` opens a connection, and with TLS makes one more round trip on it.
    pub fn to_target(&self, zones: usize, mode: NetworkMode, has_tls: bool, requests_per_connection: f64) -> Span {
        let mean = |same, other| over_zones(zones, same, other);
        let of_mode = match mode {
            NetworkMode::Bridge => self.bridge_latency,
            NetworkMode::Awsvpc => self.awsvpc_latency,
            NetworkMode::Host | NetworkMode::None => self.host_latency,
        };
        let round_trip = mean(self.same_zone_round_trip, self.other_zone_round_trip) + of_mode.0 as f64;
        let handshake = if has_tls { round_trip } else { 0.0 };
        let opening = mean(self.same_zone_connection, self.other_zone_connection) + handshake;
        Span::from_nanos_f64(round_trip + opening / requests_per_connection)
    }

    /// What a caller waits beyond the time that the load balancer waits for the task: the way to the load balancer, what
    /// that adds, and the part of a connection's opening that falls on one request. A connection takes one round trip,
    /// with TLS 1.3 two (RFC 8446, section 2).
    pub fn to_caller(&self, scheme: Scheme, protocol: ListenerProtocol, requests_per_connection: f64) -> Span {
        let round_trip = self.caller_round_trip(scheme).0 as f64;
        let round_trips_to_open = if protocol.has_tls() { 2.0 } else { 1.0 };
        let opening = round_trips_to_open * round_trip / requests_per_connection;
        Span::from_nanos_f64(round_trip + opening) + self.overhead(protocol)
    }

    /// The same where callers come to an Application Load Balancer through a Network Load Balancer: to the nodes of that,
    /// and from there to those behind, evenly in as many zones as it sends to; `protocol` is that of the listener there.
    pub fn to_caller_through(
        &self,
        (through, zones): (&LoadBalancer, usize),
        protocol: ListenerProtocol,
        requests_per_connection: f64,
    ) -> Span {
        let hop = over_zones(zones, self.same_zone_round_trip, self.other_zone_round_trip);
        // It passes connections on, so that the handshake is with the one behind, over the whole way.
        let round_trip = self.caller_round_trip(through.scheme).0 as f64 + hop;
        let round_trips_to_open = if protocol.has_tls() { 2.0 } else { 1.0 };
        let whole = round_trip + round_trips_to_open * round_trip / requests_per_connection;
        Span::from_nanos_f64(whole) + self.overhead(through.protocol) + self.overhead(protocol)
    }

    /// What a redirect costs a caller, as from HTTP to HTTPS: one more exchange with the load balancer, by the protocol of
    /// the listener that redirects.
    pub fn redirect(&self, scheme: Scheme, protocol: ListenerProtocol) -> Span {
        self.caller_round_trip(scheme) + self.overhead(protocol)
    }

    fn caller_round_trip(&self, scheme: Scheme) -> Span {
        match scheme {
            Scheme::InternetFacing => self.internet_round_trip,
            Scheme::Internal => self.internal_round_trip,
        }
    }

    fn overhead(&self, protocol: ListenerProtocol) -> Span {
        match protocol {
            ListenerProtocol::Http => self.http_overhead,
            ListenerProtocol::Https => self.https_overhead,
            ListenerProtocol::Tcp | ListenerProtocol::Tls => self.tcp_overhead,
        }
    }
}

/// The mean of what a node meets in its own zone and in the others, all `zones` of which get as much.
fn over_zones(zones: usize, same: Span, other: Span) -> f64 {
    let own = 1.0 / zones.max(1) as f64;
    same.0 as f64 * own + other.0 as f64 * (1.0 - own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_a_task_is_longer_on_average_the_more_zones_there_are() {
        let times = NetworkTimes::default();
        for (zones, mode, millis) in [
            (1, NetworkMode::Host, 0.3),
            (1, NetworkMode::Bridge, 0.35),
            (2, NetworkMode::Awsvpc, 0.65),
            (3, NetworkMode::Host, 0.3 + 0.7 * 2.0 / 3.0),
        ] {
            let got = times.to_target(zones, mode, false, f64::INFINITY);
            assert!((got.0 as f64 / 1e6 - millis).abs() < 1e-6, "{zones} zones, {mode:?}: {got}");
        }
        // A tenth of the requests open a connection, and shake hands on it.
        assert_eq!(times.to_target(1, NetworkMode::Host, false, 10.0), Span(330_000));
        assert_eq!(times.to_target(1, NetworkMode::Host, true, 10.0), Span(360_000));
    }
}
