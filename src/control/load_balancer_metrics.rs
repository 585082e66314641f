//! What CloudWatch is told of load balancers, minute by minute: `AWS/ApplicationELB`.
//!
//! Follows *CloudWatch metrics for your Application Load Balancer* (User Guide, read 2026-04). The nodes' requests are
//! counted in the data plane; here are the targets by their health, and how all of it becomes a load balancer's minute.

use crate::aws::auto_scaling_group::AvailabilityZone;
use crate::aws::load_balancer::{LoadBalancer, LoadBalancerType};
use crate::aws::price::{load_balancer_capacity_units, network_load_balancer_capacity_units};
use crate::cluster::{Target, TargetState};
use crate::control::Control;
use crate::data::histogram::Histogram;
use crate::data::lane::response_times;
use crate::data::{ServiceTraffic, Traffic};
use crate::run::{
    HostMinute, Level, LoadBalancerCapacity, LoadBalancerMinute, RequestCounts, ResponseTimes, RoutingCounts,
};
use crate::table::Id;
use crate::units::{Instant, Span};

/// The targets of a group by their health, in the open minute.
#[derive(Clone, Debug, Default)]
pub struct HostCounts {
    registered: Gauge,
    healthy: Gauge,
    unhealthy: Gauge,
    anomalous: Gauge,
    mitigated: Gauge,
    healthy_zones: Gauge,
    /// And those whose nodes are in DNS.
    zones_in_dns: Gauge,
    zones: usize,
    /// Healthy and unhealthy targets of each of the cluster's zones, where something watches them, and what the last minute
    /// came to.
    by_zone: Vec<(Gauge, Gauge)>,
    last_by_zone: Vec<(Level, Level)>,
    /// Whether any was set since the minute began, and what the last one came to if none had been.
    has_changed: bool,
    last_steady: Option<Option<HostMinute>>,
}

/// A number that holds until it is set anew, over the open minute.
#[derive(Clone, Copy, Debug, Default)]
struct Gauge {
    value: u32,
    since: Instant,
    /// Value times nanoseconds before that.
    sum: u128,
    minimum: u32,
    maximum: u32,
}

impl Gauge {
    fn set(&mut self, at: Instant, value: usize) {
        self.sum += u128::from(at.since(self.since).0) * u128::from(self.value);
        self.since = at;
        self.value = u32::try_from(value).unwrap_or(u32::MAX);
        self.minimum = self.minimum.min(self.value);
        self.maximum = self.maximum.max(self.value);
    }

    /// The minute that ends at `at`; the next one begins with the value as it stands.
    fn close(&mut self, at: Instant) -> Level {
        self.set(at, self.value as usize);
        let level =
            Level { minimum: self.minimum, mean: self.sum as f64 / Span::MINUTE.0 as f64, maximum: self.maximum };
        *self = Gauge { value: self.value, since: at, sum: 0, minimum: self.value, maximum: self.value };
        level
    }
}

impl HostCounts {
    /// Healthy and unhealthy targets in one of the cluster's zones in the last minute, where something watches them.
    pub fn of_zone(&self, zone: Id<AvailabilityZone>) -> Option<(Level, Level)> {
        self.last_by_zone.get(zone.index()).copied()
    }

    /// Something will be set now; the open minute began at `began`.
    fn begins_to_change(&mut self, began: Instant) {
        self.has_changed = true;
        if self.last_steady.take().is_some() {
            // What stayed as it was has not been closed since.
            let HostCounts {
                registered, healthy, unhealthy, anomalous, mitigated, healthy_zones, zones_in_dns, ..
            } = self;
            let of_group = [registered, healthy, unhealthy, anomalous, mitigated, healthy_zones, zones_in_dns];
            let of_zones = self.by_zone.iter_mut().flat_map(|(one, other)| [one, other]);
            of_group.into_iter().chain(of_zones).for_each(|it| it.since = it.since.max(began));
        }
    }

    /// Closes the minute; `None` where no target was registered in it.
    fn close(&mut self, at: Instant) -> Option<HostMinute> {
        if let Some(minute) = self.last_steady {
            return minute;
        }
        let registered = self.registered.close(at);
        self.last_by_zone = self.by_zone.iter_mut().map(|(one, other)| (one.close(at), other.close(at))).collect();
        let (healthy_zones, zones_in_dns) = (self.healthy_zones.close(at), self.zones_in_dns.close(at));
        let others = |it: &Level| self.zones as u32 - it.minimum;
        let minute = HostMinute {
            healthy: self.healthy.close(at),
            unhealthy: self.unhealthy.close(at),
            anomalous: self.anomalous.close(at),
            mitigated: self.mitigated.close(at),
            unhealthy_state_routing_maximum: others(&healthy_zones),
            unhealthy_state_dns_maximum: others(&zones_in_dns),
            healthy_state_routing: healthy_zones,
            healthy_state_dns: zones_in_dns,
        };
        let minute = (registered.maximum > 0).then_some(minute);
        self.last_steady = (!std::mem::take(&mut self.has_changed)).then_some(minute);
        minute
    }
}

/// What several services' minutes add up to.
#[derive(Default)]
struct Sum<'a> {
    counts: RequestCounts,
    routing: RoutingCounts,
    /// Those whose targets answered anything.
    answering: Vec<&'a ServiceTraffic>,
    in_flight_mean: f64,
    new_flows: u64,
    active_flows: u64,
    arrivals_by_second: Vec<u64>,
}

impl<'a> Sum<'a> {
    fn add(&mut self, other: &'a ServiceTraffic) {
        self.counts.add(&other.counts);
        self.routing.add(&other.routing);
        self.answering.extend((other.target_response_time.count() > 0).then_some(other));
        self.in_flight_mean += other.in_flight_mean;
        self.new_flows += other.connections.new_flows;
        self.active_flows += other.connections.active_flows;
        let seconds = self.arrivals_by_second.len().max(other.arrivals_by_second.len());
        self.arrivals_by_second.resize(seconds, 0);
        for (sum, more) in self.arrivals_by_second.iter_mut().zip(&other.arrivals_by_second) {
            *sum += more;
        }
    }

    fn target_response_time_ms(&self) -> ResponseTimes {
        match self.answering.as_slice() {
            [] => ResponseTimes::default(),
            [only] => only.target_response_time_ms,
            several => {
                let mut all = Histogram::default();
                several.iter().for_each(|it| all.merge(&it.target_response_time));
                response_times(&all)
            }
        }
    }
}

impl Control<'_> {
    /// Counts targets for the first time: what stands then is what the first minute begins with.
    pub(super) fn hosts_begin(&mut self) {
        let zones = self.scenario.availability_zones.len();
        for group in self.scenario.groups_with_hosts_of_zones() {
            self.hosts[group.index()].by_zone = vec![<(Gauge, Gauge)>::default(); zones];
        }
        self.cluster.target_groups_changed.extend(self.scenario.target_groups.ids());
        self.count_hosts();
        for hosts in &mut self.hosts {
            hosts.close(Instant::START);
        }
    }

    /// Counts targets by their health, where anything has changed since the last time.
    pub(super) fn count_hosts(&mut self) {
        let now = self.now();
        while let Some(id) = self.cluster.target_groups_changed.pop_first() {
            let group = &self.scenario.target_groups[id];
            let load_balancer = &self.scenario.load_balancers[group.load_balancer];
            let pools = self.cluster.target_pools(id, group, load_balancer);
            let hosts = &mut self.hosts[id.index()];
            hosts.begins_to_change(self.hosts_closed_at);
            let targets = || pools.iter().flatten().map(|it| &self.cluster.targets[*it]);
            let in_state = |state: TargetState| targets().filter(|it| it.state == state).count();
            hosts.registered.set(now, self.cluster.target_groups[id.index()].len());
            hosts.healthy.set(now, in_state(TargetState::Healthy));
            hosts.unhealthy.set(now, in_state(TargetState::Unhealthy));
            hosts.anomalous.set(now, targets().filter(|it| it.is_anomalous).count());
            hosts.mitigated.set(now, targets().filter(|it| it.weight < 1.0).count());
            for (zone, (healthy, unhealthy)) in hosts.by_zone.iter_mut().enumerate() {
                let is_here = |it: &&Target| self.cluster.zone_of_task(it.task).is_some_and(|it| it.index() == zone);
                let count = |state| targets().filter(|it| it.state == state).filter(is_here).count();
                healthy.set(now, count(TargetState::Healthy));
                unhealthy.set(now, count(TargetState::Unhealthy));
            }
            let zones = zones_of(load_balancer);
            let zones_with = |is_enough: &dyn Fn(usize, usize) -> bool| {
                let is_healthy = |it: &&_| self.cluster.targets[**it].state == TargetState::Healthy;
                let has_enough = |it: &&Vec<_>| is_enough(it.iter().filter(is_healthy).count(), it.len());
                pools.iter().filter(has_enough).count() * (zones / pools.len().max(1))
            };
            let in_dns = |healthy, all| group.dns_failover.is_none_or(|it| !it.is_missed(healthy, all));
            hosts.zones = zones;
            hosts
                .healthy_zones
                .set(now, zones_with(&|healthy, all| !group.unhealthy_state_routing.is_missed(healthy, all)));
            hosts.zones_in_dns.set(now, zones_with(&in_dns));
        }
    }

    /// Closes the minute of every load balancer and target group.
    pub(super) fn publish_load_balancer_minutes(&mut self, traffic: &Traffic) {
        let now = self.now();
        let scenario = self.scenario;
        let minute = now.0 / Span::MINUTE.0 - 1;
        for (load_balancer, _) in scenario.load_balancers.entries() {
            let place = self.records.load_balancer_minutes.len();
            let mut whole = Sum::default();
            for &group in self.relations.groups_of(load_balancer) {
                let mut sum = Sum::default();
                let services = self.relations.services_behind(load_balancer, Some(group)).iter();
                for &service in services.filter(|it| !traffic.had_nothing(**it)) {
                    sum.add(traffic.last_minute_at(service, group));
                    whole.add(traffic.last_minute_at(service, group));
                }
                let hosts = self.hosts[group.index()].close(now);
                self.records.load_balancer_minutes.push(LoadBalancerMinute {
                    minute,
                    load_balancer: load_balancer.index(),
                    target_group: Some(group.index()),
                    target_response_time_ms: sum.target_response_time_ms().into(),
                    counts: sum.counts.into(),
                    routing: sum.routing.into(),
                    hosts,
                    request_count_per_target: hosts.and_then(|it| per_target(sum.routing.routed, it.healthy)),
                    own: None,
                    capacity: None,
                });
            }
            let own = traffic.last_minute_of(load_balancer).clone();
            whole.counts.add(&own.requests);
            whole.routing.rule_evaluations.add(own.rule_evaluations);
            let in_flight_before = self.in_flight_before[load_balancer.index()];
            self.in_flight_before[load_balancer.index()] = whole.in_flight_mean;
            let capacity = self.capacity_of(load_balancer, &whole, in_flight_before);
            let row = LoadBalancerMinute {
                minute,
                load_balancer: load_balancer.index(),
                target_group: None,
                target_response_time_ms: whole.target_response_time_ms().into(),
                counts: whole.counts.into(),
                routing: whole.routing.into(),
                hosts: None,
                request_count_per_target: None,
                own: Some(Box::new(own)),
                capacity: Some(Box::new(capacity)),
            };
            if scenario.counts_apart(load_balancer) {
                self.log.close_load_balancer_period(&row);
            }
            self.records.load_balancer_minutes.insert(place, row);
        }
        self.hosts_closed_at = now;
    }

    fn capacity_of(
        &self,
        load_balancer: Id<LoadBalancer>,
        whole: &Sum<'_>,
        in_flight_before: f64,
    ) -> LoadBalancerCapacity {
        let assumptions = &self.scenario.assumptions;
        let definition = &self.scenario.load_balancers[load_balancer];
        let answered = whole.counts.ended() - whole.counts.client_timeout;
        let arrived = whole.counts.arrived as f64;
        let processed_bytes = arrived * assumptions.request_bytes + answered as f64 * assumptions.response_bytes;
        let is_network = definition.kind == LoadBalancerType::Network;
        // A Network Load Balancer's connections go through to targets.
        let (new_client_connections, new_target_connections, active_client_connections) = if is_network {
            (whole.new_flows as f64, 0.0, whole.active_flows as f64)
        } else {
            let new_target_connections = (whole.in_flight_mean - in_flight_before).max(0.0);
            (arrived / assumptions.requests_per_connection, new_target_connections, whole.in_flight_mean)
        };
        let connections_of_one = new_client_connections / arrived.max(1.0);
        let evaluations_of_one = whole.routing.rule_evaluations.billed as f64 / arrived.max(1.0);
        let units = |requests_per_second: f64, bytes_per_second: f64| {
            let gb_per_hour = bytes_per_second * 3600.0 / 1e9;
            if is_network {
                let connections = requests_per_second * connections_of_one;
                let active = active_client_connections;
                return network_load_balancer_capacity_units(definition.protocol, connections, active, gb_per_hour);
            }
            let connections = requests_per_second / assumptions.requests_per_connection;
            let evaluations = requests_per_second * evaluations_of_one;
            load_balancer_capacity_units(connections, active_client_connections, gb_per_hour, evaluations)
        };
        let busiest = whole.arrivals_by_second.iter().max().copied().unwrap_or(0) as f64;
        let bytes_of_one = assumptions.request_bytes + assumptions.response_bytes;
        let consumed_lcus = units(arrived / 60.0, processed_bytes / 60.0);
        LoadBalancerCapacity {
            new_client_connections,
            new_target_connections,
            active_client_connections,
            processed_bytes,
            consumed_lcus,
            peak_lcus: units(busiest, busiest * bytes_of_one).max(consumed_lcus),
        }
    }
}

fn zones_of(load_balancer: &LoadBalancer) -> usize {
    load_balancer.availability_zones.len().max(1)
}

/// Requests for each target that was healthy, in the mean over the minute.
fn per_target(routed: u64, healthy: Level) -> Option<f64> {
    (healthy.mean > 0.0).then(|| routed as f64 / healthy.mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_means_over_time() {
        let at = |seconds: u64| Instant::START + Span::seconds(seconds);
        let mut gauge = Gauge::default();
        gauge.set(at(0), 4);
        let _ = gauge.close(at(0));
        gauge.set(at(15), 3);
        gauge.set(at(45), 5);
        assert_eq!(
            gauge.close(at(60)),
            Level { minimum: 3, mean: (4.0 * 15.0 + 3.0 * 30.0 + 5.0 * 15.0) / 60.0, maximum: 5 }
        );
        assert_eq!(gauge.close(at(120)), Level { minimum: 5, mean: 5.0, maximum: 5 });
    }
}
