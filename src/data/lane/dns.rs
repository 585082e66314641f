//! Which nodes callers know: a zone that is not healthy enough is taken out of DNS, and those who have asked before still go
//! there.
//!
//! Follows *Target group health* in the User Guide for Application Load Balancers (read 2026-04). A caller asks again when its
//! record has expired, so that the age of what it knows lies evenly between nothing and the time to live, and what goes to a
//! zone ends in a straight line. A zone that never had a target is not judged: its node answers 503, as is documented. A
//! Network Load Balancer's is (*Health checks for Network Load Balancer target groups*: without a healthy target in an
//! enabled zone the address of its subnet is taken out of DNS).

use crate::rng::Stream;

/// Which zones are in DNS, and were.
pub(super) struct ZonesInDns {
    /// Nanoseconds.
    time_to_live: f64,
    /// By zone.
    zones: Vec<Zone>,
    /// Until when someone may know what has changed since.
    changed_until: f64,
    stream: Stream,
}

#[derive(Clone, Default)]
struct Zone {
    is_judged: bool,
    is_out: bool,
    /// When it left or came back, in turn; first it left.
    changes: Vec<f64>,
}

impl ZonesInDns {
    /// All of so many zones are in.
    pub(super) fn new(zones: usize, time_to_live: f64, stream: Stream) -> ZonesInDns {
        ZonesInDns { time_to_live, zones: vec![Zone::default(); zones], changed_until: f64::NEG_INFINITY, stream }
    }

    /// A zone has targets or is judged without, and is healthy enough or not, from `now` on. What is so when the run begins has been so
    /// for long.
    pub(super) fn judge(&mut self, zone: usize, is_judged: bool, is_healthy: bool, now: f64) {
        let it = &mut self.zones[zone];
        it.is_judged |= is_judged;
        let is_out = it.is_judged && !is_healthy;
        if is_out != it.is_out {
            it.is_out = is_out;
            let since = if now == 0.0 { f64::NEG_INFINITY } else { now };
            it.changes.push(since);
            self.changed_until = self.changed_until.max(since + self.time_to_live);
        }
        // What nobody knows any more is forgotten, two changes at a time: out and in again.
        let expired = now - self.time_to_live;
        while it.changes.get(1).is_some_and(|back| *back < expired) {
            it.changes.drain(..2);
        }
    }

    /// Whether a request at `now` may know something else than that all zones are in.
    pub(super) fn matters(&self, now: f64) -> bool {
        now < self.changed_until || self.zones.iter().any(|it| it.is_out)
    }

    /// The node of `nodes`, which lie in the zones in turn, that a request at `now` comes to, if `node` were its choice among
    /// all of them.
    pub(super) fn node_of(&mut self, node: usize, nodes: usize, now: f64) -> usize {
        if !self.matters(now) {
            return node;
        }
        let asked_at = now - self.stream.unit() * self.time_to_live;
        let zones = self.zones.len();
        let is_in = |node: usize| self.zones[node % zones].was_in(asked_at);
        let known = (0..nodes).filter(|it| is_in(*it)).count();
        if known == 0 || is_in(node) {
            return node;
        }
        let chosen = self.stream.below(known);
        (0..nodes).filter(|it| is_in(*it)).nth(chosen).unwrap_or(node)
    }
}

impl Zone {
    fn was_in(&self, at: f64) -> bool {
        self.changes.iter().filter(|it| **it <= at).count() % 2 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;

    fn zones(count: usize) -> ZonesInDns {
        ZonesInDns::new(count, 60.0, Seed { seed: 5, replication: 0 }.stream("dns", "front"))
    }

    /// The part of a second's requests that still comes to the zone, of those that would have.
    fn stale(dns: &mut ZonesInDns, now: f64) -> f64 {
        (0..20_000).filter(|_| dns.node_of(1, 3, now) == 1).count() as f64 / 20_000.0
    }

    #[test]
    fn those_who_asked_before_go_on_and_become_fewer_in_a_straight_line() {
        let mut dns = zones(3);
        (0..3).for_each(|zone| dns.judge(zone, true, true, 0.0));
        assert!(!dns.matters(5.0));
        dns.judge(1, true, false, 100.0);
        for (now, share) in [(100.0, 1.0), (115.0, 0.75), (130.0, 0.5), (159.0, 1.0 / 60.0), (160.0, 0.0)] {
            assert!((stale(&mut dns, now) - share).abs() < 0.012, "{now}");
        }
        dns.judge(1, true, true, 200.0);
        for (now, share) in [(200.0, 0.0), (230.0, 0.5), (260.0, 1.0)] {
            assert!((stale(&mut dns, now) - share).abs() < 0.012, "{now}");
        }
        assert!(!dns.matters(260.0));
    }

    #[test]
    fn where_all_zones_are_bad_all_stay_and_one_without_targets_is_not_judged() {
        let mut dns = zones(2);
        dns.judge(0, true, false, 0.0);
        dns.judge(1, false, false, 0.0);
        assert_eq!((dns.node_of(0, 2, 1.0), dns.node_of(1, 2, 1.0)), (1, 1));
        dns.judge(1, true, false, 50.0);
        assert_eq!((dns.node_of(0, 2, 110.0), dns.node_of(1, 2, 110.0)), (0, 1));
    }
}
