//! Where an Application Load Balancer sends requests, counted at each target: a second's requests that last for an hour.

use std::path::Path;

use plimsoll::aws::load_balancer::slow_start_weight;
use plimsoll::cluster::{Change, TargetState};
use plimsoll::data::{Traffic, advance, note_changes};
use plimsoll::rng::Seed;
use plimsoll::scenario::{self, Scenario};
use plimsoll::table::Id;
use plimsoll::units::{Instant, Span};

use crate::oracle::cluster_of;

const RATE: f64 = 1000.0;

fn scenario(nodes: u32, zones: &str, attributes: &str) -> Scenario {
    read(&scenario_text(nodes, zones, attributes))
}

fn scenario_text(nodes: u32, zones: &str, attributes: &str) -> String {
    format!(
        r#"
duration: 1h
cluster: {{ availabilityZones: [{zones}] }}
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 1, MaxSize: 1 }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, memory: 64, portMappings: [{{ containerPort: 80 }}] }}] }} }}
applications: {{ web: {{ cpuTime: 0s, waitTime: 1h, concurrency: 1000000 }} }}
loadBalancers: {{ front: {{ nodes: {nodes}, idleTimeout: 4000s }} }}
targetGroups: {{ web: {{ attributes: {{ {attributes} }} }} }}
services: {{ web: {{ taskDefinition: web, loadBalancers: [{{ targetGroupArn: web, containerName: web, containerPort: 80 }}] }} }}
workloads: {{ users: {{ service: web, arrivals: {{ constant: {{ rate: {RATE} }} }} }} }}
"#
    )
}

fn read(text: &str) -> Scenario {
    let story = scenario::read(Path::new("routing.yaml"), &mut |_| Ok(text.to_owned().into_bytes()))
        .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    assert!(story.unsupported.is_empty(), "{}", story.unsupported.render(false));
    story.variants.into_iter().next().expect("a story has its base")
}

/// Requests that each of so many targets, in these zones and states, has after these seconds.
fn sent(scenario: &Scenario, targets: &[(usize, TargetState)], seconds: u64) -> (Vec<f64>, u64) {
    let mut cluster = cluster_of(scenario, &targets.iter().map(|it| it.0).collect::<Vec<_>>());
    for (number, (_, state)) in targets.iter().enumerate() {
        cluster.targets[Id::new(number)].state = *state;
    }
    let mut traffic = Traffic::new(scenario, Seed { seed: 7, replication: 0 });
    advance(&mut traffic, scenario, &cluster, Instant::START + Span::seconds(seconds));
    let counts = (0..targets.len()).map(|it| f64::from(traffic.in_flight(Id::new(it)))).collect();
    (counts, traffic.totals(Id::new(0)).counts.elb_503)
}

/// Three standard deviations of a binomial count.
fn within(requests: f64, share: f64) -> f64 {
    3.0 * libm::sqrt(requests * share * (1.0 - share))
}

#[test]
fn w1_cross_zone() {
    let zones = "us-east-1a, us-east-1b";
    let targets: Vec<_> = (0..10).map(|it| (usize::from(it >= 2), TargetState::Healthy)).collect();
    let (all, _) = sent(&scenario(2, zones, ""), &targets, 10);
    assert!(all.iter().all(|it| (it - 1000.0).abs() <= 2.0), "on: 100 a second each: {all:?}");
    let (own, _) = sent(&scenario(2, zones, "load_balancing.cross_zone.enabled: 'false'"), &targets, 10);
    for (number, count) in own.iter().enumerate() {
        let expected: f64 = if number < 2 { 2500.0 } else { 625.0 };
        let off = within(10_000.0, 0.5) / if number < 2 { 2.0 } else { 8.0 } + 1.0;
        assert!((count - expected).abs() <= off, "off: target {number} has {count} of {expected}");
    }
    // Without a target of its own a zone's node answers 503.
    let (_, refused) = sent(&scenario(2, zones, "load_balancing.cross_zone.enabled: 'false'"), &targets[..2], 10);
    assert!((refused as f64 - 5000.0).abs() <= within(10_000.0, 0.5), "{refused}");
}

#[test]
fn targets_outside_the_load_balancers_zones_are_unused() {
    let mut scenario = scenario(1, "us-east-1a, us-east-1b", "");
    scenario.load_balancers[Id::new(0)].availability_zones.truncate(1);
    let (counts, _) = sent(&scenario, &[(0, TargetState::Healthy), (1, TargetState::Healthy)], 1);
    assert_eq!((counts[0].round() / 10.0, counts[1]), (99.9, 0.0));
}

#[test]
fn too_few_healthy_targets_open_all() {
    use TargetState::{Healthy, Unhealthy};
    let targets = [(0, Healthy), (0, Unhealthy), (0, Unhealthy), (0, Unhealthy)];
    let (closed, _) = sent(&scenario(1, "us-east-1a", ""), &targets, 4);
    assert!(closed[0] > 3990.0 && closed[1] == 0.0, "one healthy target is enough by default: {closed:?}");
    for threshold in ["count: '2'", "percentage: '50'"] {
        let attribute = format!("target_group_health.unhealthy_state_routing.minimum_healthy_targets.{threshold}");
        let (open, _) = sent(&scenario(1, "us-east-1a", &attribute), &targets, 4);
        assert!(open.iter().all(|it| (it - 1000.0).abs() <= 1.0), "{threshold}: {open:?}");
    }
}

/// As worked example 11 has it of tasks: one zone of five loses its targets, and callers who know its node become fewer over
/// the time to live, so that a fifth of the requests of half a minute fail.
#[test]
fn a_zone_without_healthy_targets_leaves_dns() {
    let zones = "us-east-1a, us-east-1b, us-east-1c, us-east-1d, us-east-1e";
    let lost = |attributes: &str| {
        let scenario = scenario(5, zones, &format!("load_balancing.cross_zone.enabled: 'false', {attributes}"));
        let mut cluster = cluster_of(&scenario, &[0, 1, 2, 3, 4]);
        let mut traffic = Traffic::new(&scenario, Seed { seed: 7, replication: 0 });
        let mut counts = vec![0];
        for second in 1..=160 {
            let at = Instant::START + Span::seconds(second);
            advance(&mut traffic, &scenario, &cluster, at);
            counts.push(traffic.totals(Id::new(0)).counts.elb_503);
            let state = match second {
                10 => TargetState::Draining,
                90 => TargetState::Healthy,
                _ => continue,
            };
            cluster.targets[Id::new(0)].state = state;
            cluster.has_changed(Change::Target(Id::new(0)));
            let changes = cluster.take_changes();
            note_changes(&mut traffic, &cluster, &changes);
        }
        assert_eq!(counts[10], 0);
        counts
    };
    let counts = lost("");
    assert!((counts[160] as f64 - 6000.0).abs() < 3.0 * 78.0, "{}", counts[160]);
    assert!((170..=230).contains(&counts[11]), "two hundred a second at first: {}", counts[11]);
    assert_eq!(counts[70], counts[160], "nobody knows it after a minute");
    let counts = lost("target_group_health.dns_failover.minimum_healthy_targets.count: 'off'");
    assert!((counts[90] as f64 - 16_000.0).abs() < 3.0 * 114.0 && counts[90] == counts[160], "{counts:?}");
}

/// Worked example 3: one target in slow start beside four at full.
#[test]
fn w3_slow_start() {
    let scenario = scenario(1, "us-east-1a", "slow_start.duration_seconds: '60'");
    let mut cluster = cluster_of(&scenario, &[0; 5]);
    cluster.targets[Id::new(4)].slow_start_since = Some(Instant::START);
    let mut traffic = Traffic::new(&scenario, Seed { seed: 7, replication: 0 });
    let mut before = vec![0.0; 5];
    for second in 1..=70 {
        advance(&mut traffic, &scenario, &cluster, Instant::START + Span::seconds(second));
        let counts: Vec<f64> = (0..5).map(|it| f64::from(traffic.in_flight(Id::new(it)))).collect();
        // In the middle of the second.
        let weight = slow_start_weight(Span::millis(second * 1000 - 500), Span::seconds(60));
        let expected = |target: usize| RATE * if target == 4 { weight } else { 1.0 } / (4.0 + weight);
        for target in 0..5 {
            let got = counts[target] - before[target];
            assert!((got - expected(target)).abs() <= 2.5, "second {second}, target {target}: {got}");
        }
        before = counts;
    }
    // On average over the ramp, section 1.5.
    let first_minute = 60.0 * RATE * 0.107_425_794_7;
    assert!((before[4] - 10.0 * RATE / 5.0 - first_minute).abs() < 10.0, "{} of {first_minute}", before[4]);
}

/// A cookie sends all that one client asks for to one of sixteen targets, however few the others have.
#[test]
fn sessions_may_send_all_to_one_target() {
    let attributes = "load_balancing.algorithm.type: least_outstanding_requests, stickiness.enabled: true, stickiness.type: lb_cookie";
    let text = scenario_text(1, "us-east-1a", attributes)
        .replace("service: web, arrivals", "service: web, clients: 1, arrivals");
    let targets = [(0, TargetState::Healthy); 16];
    let (counts, refused) = sent(&read(&text), &targets, 60);
    assert_eq!((counts.iter().filter(|it| **it > 0.0).count(), refused), (1, 0));
    // The next arrival falls on the end of the minute.
    assert_eq!(counts.iter().sum::<f64>(), 60.0 * RATE - 1.0);
}
