//! Network and Classic Load Balancers: connections that stay with their task, and requests that wait for one.

use std::path::Path;

use plimsoll::cluster::{Change, TargetState};
use plimsoll::data::{Traffic, advance, note_changes};
use plimsoll::engine::simulate;
use plimsoll::rng::Seed;
use plimsoll::scenario::{self, Scenario};
use plimsoll::table::Id;
use plimsoll::units::{Instant, Span};

use crate::oracle::cluster_of;
use crate::theory::NO_NETWORK;

fn read(text: &str) -> Scenario {
    let story = scenario::read(Path::new("types.yaml"), &mut |_| Ok(text.to_owned().into_bytes()))
        .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    assert!(story.unsupported.is_empty(), "{}", story.unsupported.render(false));
    story.variants.into_iter().next().expect("a story has its base")
}

/// 1000 requests a second, each of which lasts for an hour, so that they can be counted at their tasks.
fn network(group: &str, workload: &str) -> Scenario {
    read(&format!(
        r#"
duration: 1h
assumptions: {NO_NETWORK}
cluster: {{ availabilityZones: [us-east-1a] }}
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 1, MaxSize: 1 }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, memory: 64, portMappings: [{{ containerPort: 80 }}] }}] }} }}
applications: {{ web: {{ cpuTime: 0s, waitTime: 1h, concurrency: 1000000 }} }}
loadBalancers: {{ front: {{ Type: network, idleTimeout: 6000s }} }}
targetGroups: {{ web: {{ attributes: {{ {group} }} }} }}
services: {{ web: {{ taskDefinition: web, loadBalancers: [{{ targetGroupArn: web, containerName: web, containerPort: 80 }}] }} }}
workloads: {{ users: {{ service: web, {workload} arrivals: {{ constant: {{ rate: 1000 }} }} }} }}
"#
    ))
}

/// How many of a second's requests each of three tasks gets, the third of which joins after ten seconds; over twenty.
fn by_second(scenario: &Scenario) -> Vec<Vec<u32>> {
    let mut cluster = cluster_of(scenario, &[0, 0, 0]);
    cluster.targets[Id::new(2)].state = TargetState::Draining;
    let mut traffic = Traffic::new(scenario, Seed { seed: 7, replication: 0 });
    let mut before = vec![0; 3];
    let second = |second| {
        if second == 11 {
            cluster.targets[Id::new(2)].state = TargetState::Healthy;
            cluster.has_changed(Change::Target(Id::new(2)));
            let changes = cluster.take_changes();
            note_changes(&mut traffic, &cluster, &changes);
        }
        advance(&mut traffic, scenario, &cluster, Instant::START + Span::seconds(second));
        let counts: Vec<u32> = (0..3).map(|it| traffic.in_flight(Id::new(it))).collect();
        let grown = counts.iter().zip(&before).map(|(now, before)| now - before).collect();
        before = counts;
        grown
    };
    (1..=20).map(second).collect()
}

/// *Health checks for Network Load Balancer target groups*: without a healthy target in an enabled zone, the address of its
/// subnet is taken out of DNS. An Application Load Balancer's node answers 503 where it has no target of its own.
#[test]
fn zones_without_a_target_are_in_no_answer_of_dns() {
    let errors = |kind: &str, attributes: &str| {
        let scenario = read(&format!(
            r#"
duration: 10m
cluster: {{ availabilityZones: [us-east-1a, us-east-1b, us-east-1c] }}
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 1, MaxSize: 1, AvailabilityZones: [us-east-1a] }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, memory: 64, portMappings: [{{ containerPort: 80 }}] }}] }} }}
applications: {{ web: {{ cpuTime: 1ms }} }}
loadBalancers: {{ front: {{ Type: {kind} }} }}
targetGroups: {{ web: {{ attributes: {{ {attributes} }} }} }}
services: {{ web: {{ taskDefinition: web, loadBalancers: [{{ targetGroupArn: web, containerName: web, containerPort: 80 }}] }} }}
workloads: {{ users: {{ service: web, arrivals: {{ poisson: {{ rate: 50 }} }} }} }}
"#
        ));
        let run = simulate(&scenario, Seed { seed: 3, replication: 0 });
        let states =
            run.load_balancer_minutes.iter().filter_map(|it| it.hosts).next_back().expect("targets are registered");
        assert_eq!((states.healthy_state_dns.minimum, states.unhealthy_state_dns_maximum), (1, 2), "{kind}");
        let counts = &run.requests[0].counts;
        (counts.arrived - counts.served) as f64 / counts.arrived as f64
    };
    assert_eq!(errors("network", ""), 0.0);
    let of_application = errors("application", "load_balancing.cross_zone.enabled: false");
    assert!((of_application - 2.0 / 3.0).abs() < 0.02, "{of_application}");
}

#[test]
fn kept_connections_give_a_new_task_nothing() {
    let kept = by_second(&network("", "clients: 100,"));
    // Where the hundred connections fell once, each second's requests go.
    assert!(kept.iter().all(|it| it[2] == 0), "{kept:?}");
    let first: u32 = kept[1..].iter().map(|it| it[0]).sum();
    assert!((19_000.0 * 0.25..19_000.0 * 0.75).contains(&f64::from(first)), "{first}");
    // Of clients that stay for 50 requests a second's thousand brings twenty new ones, and a third go to the new task.
    let leaving = by_second(&network("", "clients: { count: 100, requests: 50 },"));
    assert!(leaving[..10].iter().all(|it| it[2] == 0));
    assert!((200..470).contains(&leaving[19][2]), "{leaving:?}");
    // So they do if they open a connection for each request.
    let anew = by_second(&network("", "clients: 100, requestsPerConnection: 1,"));
    let share: u32 = anew[10..].iter().map(|it| it[2]).sum();
    assert!((f64::from(share) - 10_000.0 / 3.0).abs() < 3.0 * 47.2, "{share}");
    let without = by_second(&network("", ""));
    let share: u32 = without[10..].iter().map(|it| it[2]).sum();
    assert!((f64::from(share) - 10_000.0 / 3.0).abs() < 3.0 * 47.2, "{share}");
}

/// One task of two turns to this state after five seconds: how many it holds then, at once and five seconds later, and how
/// many were reset.
fn turned(group: &str, state: TargetState) -> ([u32; 3], u64) {
    let scenario = network(group, "clients: 100,");
    let mut cluster = cluster_of(&scenario, &[0, 0]);
    let mut traffic = Traffic::new(&scenario, Seed { seed: 7, replication: 0 });
    let at = |second| Instant::START + Span::seconds(second);
    advance(&mut traffic, &scenario, &cluster, at(5));
    let before = traffic.in_flight(Id::new(0));
    cluster.targets[Id::new(0)].state = state;
    if state == TargetState::Unused {
        cluster.target_groups[0].retain(|it| it.index() != 0);
    }
    cluster.has_changed(Change::Target(Id::new(0)));
    let changes = cluster.take_changes();
    note_changes(&mut traffic, &cluster, &changes);
    advance(&mut traffic, &scenario, &cluster, at(5) + Span(1));
    let then = traffic.in_flight(Id::new(0));
    advance(&mut traffic, &scenario, &cluster, at(10));
    let counts = traffic.totals(Id::new(0));
    assert_eq!(counts.counts.ended() + counts.in_flight, counts.counts.arrived);
    assert_eq!((counts.counts.elb_503, counts.counts.elb_504), (0, 0));
    ([before, then, traffic.in_flight(Id::new(0))], counts.counts.elb_502)
}

#[test]
fn connections_outlive_deregistration_and_not_health() {
    let (held, reset) = turned("", TargetState::Draining);
    assert!(held[1] >= held[0] && held[2] > held[0] + 1000 && reset == 0, "draining: {held:?}");
    let (held, reset) = turned("", TargetState::Unused);
    assert!(held[2] > held[0] + 1000 && reset == 0, "deregistered: {held:?}, {reset}");
    let terminates = "deregistration_delay.connection_termination.enabled: 'true'";
    let (held, reset) = turned(terminates, TargetState::Unused);
    assert!(held[1..] == [0, 0] && reset == u64::from(held[0]), "deregistered and cut: {held:?}, {reset}");
    let (held, reset) = turned("", TargetState::Unhealthy);
    assert!(held[1..] == [0, 0] && reset == u64::from(held[0]), "unhealthy: {held:?}, {reset}");
    let keeps = "target_health_state.unhealthy.connection_termination.enabled: 'false'";
    let (held, reset) = turned(keeps, TargetState::Unhealthy);
    assert!(held[2] > held[0] + 1000 && reset == 0, "unhealthy and kept: {held:?}");
}

/// A Classic Load Balancer of one node before tasks of one server and no queue of their own. A busy one refuses its health
/// check too, which is sent fewer times than make it unhealthy.
fn classic(tasks: u32, minutes: u32, service: &str, rate: f64, timeout: &str) -> Scenario {
    read(&format!(
        r#"
duration: {minutes}m
assumptions: {NO_NETWORK}
cluster: {{ availabilityZones: [us-east-1a] }}
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: {tasks}, MaxSize: {tasks} }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, memory: 64, portMappings: [{{ containerPort: 80, hostPort: 80 }}] }}] }} }}
applications: {{ web: {{ {service}, concurrency: 1, queue: 0, healthCheckCpuTime: 0s }} }}
loadBalancers: {{ old: {{ Type: classic, HealthCheck: {{ Interval: 300, Timeout: 60, UnhealthyThreshold: 10 }} }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: {tasks}, loadBalancers: [{{ loadBalancerName: old, containerName: web, containerPort: 80 }}] }} }}
workloads: {{ users: {{ service: web, {timeout} arrivals: {{ poisson: {{ rate: {rate} }} }} }} }}
"#
    ))
}

/// Requests of all tasks wait in one line, so that it is the queue M/M/4 of the textbooks, at a utilisation of 0.8.
#[test]
fn a_surge_queue_is_one_line_before_all_tasks() {
    let scenario = classic(4, 45, "cpuTime: 0s, waitTime: { exponential: { mean: 1ms } }", 3200.0, "");
    let run = simulate(&scenario, Seed { seed: 301, replication: 0 });
    let means: Vec<f64> = run.service_minutes.iter().filter_map(|row| row.response_time_ms.mean).collect();
    crate::theory::agrees("M/M/4 behind a surge queue", "the mean sojourn time", &means, 1.745_540_59);
    assert_eq!(run.requests[0].counts.failed(), 0);
    assert!(
        run.service_minutes
            .iter()
            .all(|row| row.connections.spillover == 0 && row.connections.surge_queue_length < 200)
    );
}

/// Tasks that are far too few: 1024 wait, and what comes beyond spills over.
#[test]
fn a_surge_queue_spills_over() {
    for (service, cpu) in [("cpuTime: 0s, waitTime: 10ms", 0.0), ("cpuTime: 10ms, waitTime: 0s", 100.0)] {
        let scenario = classic(2, 10, service, 400.0, "");
        let run = simulate(&scenario, Seed { seed: 302, replication: 0 });
        let counts = &run.requests[0].counts;
        assert_eq!(counts.arrived, counts.ended() + run.requests[0].in_flight, "each request ends once");
        let last = run.service_minutes.last().expect("there are minutes");
        assert_eq!(last.connections.surge_queue_length, 1024);
        assert_eq!(last.connections.spillover, last.counts.elb_503);
        // Two tasks serve 200 a second of the 400, and who waits does so for 1024 of these.
        assert!((last.counts.served as f64 - 12_000.0).abs() <= 2.0, "{}", last.counts.served);
        let waited = last.response_time_ms.mean.expect("some are served");
        assert!((waited - (1024.0 + 2.0) * 5.0).abs() < 25.0, "{waited} ms");
        assert!((last.cpu_percent.unwrap_or(0.0) > 0.0) == (cpu > 0.0));
        // Nobody waits as long as that.
        let scenario = classic(2, 10, service, 400.0, "timeout: 1s,");
        let run = simulate(&scenario, Seed { seed: 302, replication: 0 });
        let totals = &run.requests[0];
        assert_eq!(totals.counts.arrived, totals.counts.ended() + totals.in_flight, "each request ends once");
        let ended: u64 = run.service_minutes.iter().map(|row| row.counts.ended()).sum();
        assert_eq!(ended, totals.counts.ended(), "minutes add up to the whole");
        assert!(totals.counts.client_timeout > 100_000 && totals.counts.elb_503 == 0, "{:?}", totals.counts);
    }
}

/// Elastic Load Balancing pricing: a Network Load Balancer's capacity units are 800 new connections a second, or 50 where it
/// ends TLS; a Classic Load Balancer has none, and is billed by the GB.
#[test]
fn each_type_is_billed_by_its_own_measure() {
    let cost = |load_balancer: &str, service: &str, groups: &str| {
        let scenario = read(&format!(
            r#"
duration: 10m
assumptions: {{ requestBytes: 1000, responseBytes: 9000 }}
cluster: {{ availabilityZones: [us-east-1a] }}
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 1, MaxSize: 1 }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, memory: 64, portMappings: [{{ containerPort: 80, hostPort: 80 }}] }}] }} }}
applications: {{ web: {{ cpuTime: 0s, waitTime: 10ms, concurrency: 1000 }} }}
loadBalancers: {{ front: {{ {load_balancer} }} }}
{groups}
services: {{ web: {{ taskDefinition: web, loadBalancers: [{{ {service}, containerName: web, containerPort: 80 }}] }} }}
workloads: {{ users: {{ service: web, arrivals: {{ constant: {{ rate: 100 }} }} }} }}
"#
        ));
        simulate(&scenario, Seed { seed: 1, replication: 0 })
    };
    // 60,000 requests of 10,000 bytes each, in the one hour that has begun.
    let gb = 0.6;
    let (by_group, group) = ("targetGroupArn: web", "targetGroups: { web: {} }");
    for (load_balancer, service, groups, usd) in [
        ("Type: application", by_group, group, 0.0225 + 0.008 * gb),
        ("Type: network", by_group, group, 0.0225 + 0.006 * gb),
        ("Type: classic", "loadBalancerName: front", "", 0.025 + 0.008 * gb),
    ] {
        let run = cost(load_balancer, service, groups);
        let got = run.cost.load_balancers_usd;
        assert!((got - usd).abs() < 1e-6, "{load_balancer}: {got} for {usd}");
    }
    // 100 new connections a second are twice what a unit has with TLS; over the hour a third of a unit.
    let run = cost("Type: network, listenerProtocol: TLS", by_group, group);
    let got = run.cost.load_balancers_usd;
    assert!((got - (0.0225 + 0.006 * gb)).abs() < 1e-6, "{got}: bytes weigh more over an hour");
    let minute = run.load_balancer_minutes.iter().filter(|it| it.target_group.is_none()).nth(1).expect("ten minutes");
    let capacity = minute.capacity.as_deref().expect("of a load balancer");
    // 1 MB a second weighs 3.6 units, 100 connections a second 2.
    assert!((capacity.consumed_lcus - 3.6).abs() < 1e-9, "{capacity:?}");
    assert_eq!((capacity.new_client_connections, capacity.new_target_connections), (6000.0, 0.0));
}
