//! What listener rules do with requests: weights, fixed responses, redirects, and clients that stay.

use std::path::Path;

use plimsoll::cluster::{Change, Cluster, TargetState};
use plimsoll::data::{Traffic, advance, note_changes};
use plimsoll::engine::simulate;
use plimsoll::rng::Seed;
use plimsoll::run::{LoadBalancerCounts, RequestCounts, Run};
use plimsoll::scenario::{self, Scenario};
use plimsoll::table::Id;
use plimsoll::units::{Instant, Span};
use proptest::prelude::*;

use crate::oracle::cluster_of;

fn read(text: &str) -> Scenario {
    let story = scenario::read(Path::new("listeners.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
        .unwrap_or_else(|problems| panic!("{}\n{text}", problems.render(false)));
    assert!(story.unsupported.is_empty(), "{}", story.unsupported.render(false));
    story.variants.into_iter().next().expect("a story has its base")
}

/// Three services on their target groups `a`, `b` and `c`, and a group `nobody` without service, behind these rules.
fn behind(rules: &str, default: &str, rest: &str) -> Scenario {
    read(&format!(
        r#"
duration: 5m
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 3, MaxSize: 3 }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, memory: 64, portMappings: [{{ containerPort: 80 }}] }}] }} }}
applications: {{ web: {{ cpuTime: {{ exponential: {{ mean: 4ms }} }}, waitTime: 5ms }} }}
loadBalancers:
  front:
    listeners:
      - {{ Port: 443, Protocol: HTTPS, DefaultActions: [{default}], rules: [{rules}] }}
      - {{ Port: 80, Protocol: HTTP, DefaultActions: [{{ Type: redirect, RedirectConfig: {{ Protocol: HTTPS, Port: "443", StatusCode: HTTP_301 }} }}] }}
targetGroups: {{ a: {{}}, b: {{}}, c: {{}}, nobody: {{}} }}
services:
  a: {{ taskDefinition: web, loadBalancers: [{{ targetGroupArn: a, containerName: web, containerPort: 80 }}] }}
  b: {{ taskDefinition: web, loadBalancers: [{{ targetGroupArn: b, containerName: web, containerPort: 80 }}] }}
  c: {{ taskDefinition: web, desiredCount: 0, loadBalancers: [{{ targetGroupArn: c, containerName: web, containerPort: 80 }}] }}
{rest}
"#
    ))
}

fn weighted(weights: &[(&str, u32)], stickiness: u32) -> String {
    let groups: Vec<String> =
        weights.iter().map(|(name, weight)| format!("{{ TargetGroupArn: {name}, Weight: {weight} }}")).collect();
    let sticky = match stickiness {
        0 => String::new(),
        seconds => format!(", TargetGroupStickinessConfig: {{ Enabled: true, DurationSeconds: {seconds} }}"),
    };
    format!("{{ Type: forward, ForwardConfig: {{ TargetGroups: [{}]{sticky} }} }}", groups.join(", "))
}

fn replay(scenario: &Scenario, seed: u64) -> Run {
    simulate(scenario, Seed { seed, replication: 0 })
}

fn arrived(run: &Run) -> Vec<u64> {
    run.requests.iter().map(|it| it.counts.arrived).collect()
}

/// Each request ends once, whoever it came to; how many came in all.
fn conserved(run: &Run) -> u64 {
    let mut all = RequestCounts::default();
    for totals in &run.requests {
        assert_eq!(totals.counts.arrived, totals.counts.ended() + totals.in_flight);
        all.add(&totals.counts);
    }
    for it in &run.load_balancer_totals {
        assert_eq!(it.requests.arrived, it.requests.ended());
        all.add(&it.requests);
    }
    all.arrived
}

/// Evenly, 100 a second for 100 seconds.
const TEN_THOUSAND: &str = "workloads: { users: { loadBalancer: front, \
    arrivals: { shape: { of: { constant: { rate: 100 } }, for: 100s } } } }";

/// Worked example 2: 95 to 5 over 10,000 requests.
#[test]
fn w2_weights() {
    let run = replay(&behind("", &weighted(&[("a", 95), ("b", 5)], 0), TEN_THOUSAND), 3);
    let all = conserved(&run);
    assert!(all.abs_diff(10_000) <= 1, "{all}");
    let part = arrived(&run)[1];
    assert!(part.abs_diff(500) <= 66, "{part}");
    assert!(run.requests.iter().all(|it| it.counts.elb_503 == 0));
}

/// Worked example 2: nothing fails over to the others.
#[test]
fn w2_an_empty_groups_share_is_answered_with_503() {
    // The service of `c` has no tasks; `nobody` has not even a service.
    let run = replay(&behind("", &weighted(&[("a", 90), ("c", 5), ("nobody", 5)], 0), TEN_THOUSAND), 5);
    let all = conserved(&run) as f64;
    let of_c = &run.requests[2].counts;
    let of_nobody = &run.load_balancer_totals[0].requests;
    assert_eq!((of_c.arrived, of_c.elb_503), (of_c.failed(), of_c.arrived));
    assert_eq!((of_nobody.arrived, of_nobody.elb_503), (of_nobody.failed(), of_nobody.arrived));
    for part in [of_c.elb_503, of_nobody.elb_503] {
        assert!((part as f64 - all * 0.05).abs() <= 66.0, "{part} of {all}");
    }
}

#[test]
fn fixed_responses_and_redirects_are_counted_once() {
    let rules = "{ Priority: 1, Conditions: [{ Field: host-header, Values: ['*.example'] }], \
                   Actions: [{ Type: fixed-response, FixedResponseConfig: { StatusCode: '503' } }] }, \
                 { Priority: 2, Conditions: [{ Field: path-pattern, Values: [/gone/*] }], \
                   Actions: [{ Type: fixed-response, FixedResponseConfig: { StatusCode: '404' } }] }";
    let rest = "workloads:
  users: { loadBalancer: front, port: 80, arrivals: { constant: { rate: 10 } } }
  gone: { loadBalancer: front, port: 80, path: /gone/fishing, arrivals: { constant: { rate: 4 } } }
  closed: { loadBalancer: front, host: shop.EXAMPLE, path: /gone/too, arrivals: { constant: { rate: 2 } } }
";
    let run = replay(&behind(rules, "{ Type: forward, TargetGroupArn: a }", rest), 1);
    let own = &run.load_balancer_totals[0];
    let about = |count: u64, rate: u64| assert!(count.abs_diff(rate * 300) <= 1, "{count} at {rate}/s");
    about(arrived(&run)[0], 10);
    about(own.requests.fixed_response, 4);
    about(own.requests.fixed_response_5xx, 2);
    assert!(own.redirects.abs_diff(14 * 300) <= 2, "{}", own.redirects);
    assert_eq!(own.requests.failed(), own.requests.fixed_response_5xx);
    assert!(conserved(&run).abs_diff(16 * 300) <= 3);
    let minutes: u64 = run
        .load_balancer_minutes
        .iter()
        .filter_map(|it| it.own.as_deref())
        .map(LoadBalancerCounts::fixed_responses)
        .sum();
    assert_eq!(minutes, own.fixed_responses());
}

/// A load balancer that listens for HTTP and for HTTPS: only those who come by the latter shake hands.
#[test]
fn tls_is_for_those_who_come_by_https() {
    let story = |timeout: &str| {
        read(&format!(
            r#"
duration: 5m
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 3, MaxSize: 3 }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, memory: 64, portMappings: [{{ containerPort: 80 }}] }}] }} }}
applications: {{ web: {{ cpuTime: 0s, waitTime: 10ms, concurrency: 100 }} }}
loadBalancers:
  front:
    listeners:
      - {{ Port: 443, Protocol: HTTPS, DefaultActions: [{{ Type: forward, TargetGroupArn: web }}] }}
      - {{ Port: 80, Protocol: HTTP, DefaultActions: [{{ Type: forward, TargetGroupArn: web }}] }}
targetGroups: {{ web: {{}} }}
services: {{ web: {{ taskDefinition: web, loadBalancers: [{{ targetGroupArn: web, containerName: web, containerPort: 80 }}] }} }}
workloads:
  plain: {{ loadBalancer: front, port: 80, timeout: {timeout}, arrivals: {{ constant: {{ rate: 30 }} }} }}
  secret: {{ loadBalancer: front, port: 443, timeout: {timeout}, arrivals: {{ constant: {{ rate: 10 }} }} }}
assumptions: {{ requestsPerConnection: 4, internetRoundTrip: 20ms, httpOverhead: 0s, httpsOverhead: 1ms, sameZoneRoundTrip: 0s, otherZoneRoundTrip: 0s, sameZoneConnection: 0s, otherZoneConnection: 0s, bridgeLatency: 0s }}
"#
        ))
    };
    let run = replay(&story("1s"), 1);
    // A round trip and a quarter; half of one more and 1 ms for those with TLS.
    let ways = &run.requests[0].to_callers;
    assert_eq!(ways.iter().map(|it| it.0).collect::<Vec<_>>(), [Span::millis(25), Span::millis(31)]);
    assert!((ways[0].1 - 0.75).abs() < 1e-3 && (ways[0].1 + ways[1].1 - 1.0).abs() < 1e-12, "{ways:?}");
    let times = plimsoll::report::summary::caller_response_times(&run);
    assert!((times.mean.expect("served") - (10.0 + 0.75 * 25.0 + 0.25 * 31.0)).abs() < 0.01, "{times:?}");
    for (quantile, millis) in [(times.p50, 35.0), (times.p90, 41.0)] {
        assert!((quantile.expect("served") / millis - 1.0).abs() < 0.005, "{times:?}");
    }
    // With 38 ms there is time for a task's 10 ms without TLS only.
    let counts = &replay(&story("38ms"), 1).requests[0].counts;
    // Each first one comes after the first gap, and one more at the very end.
    assert_eq!((counts.served, counts.client_timeout), (8_999, 2_999));
}

/// Users who come by a rule that forwards to one service fare as those who come straight to it.
#[test]
fn users_come_by_a_rule_as_they_come_to_its_service() {
    let of = |to: &str| {
        let users = "arrivals: { users: { count: 40, thinkTime: { exponential: { mean: 200ms } } } }";
        let rest = format!("workloads: {{ users: {{ {to}, {users} }} }}");
        replay(&behind("", "{ Type: forward, TargetGroupArn: a }", &rest), 4)
    };
    let (by_rule, straight) = (of("loadBalancer: front"), of("service: a"));
    assert!(by_rule.requests[0].counts.arrived > 20_000);
    assert_eq!(by_rule.requests[0].counts, straight.requests[0].counts);
    assert_eq!(by_rule.requests[0].response_time_ms, straight.requests[0].response_time_ms);
    conserved(&by_rule);
}

/// ECS registers the tasks of both; here that is read, and not run.
#[test]
fn services_that_share_a_target_group_are_named() {
    let text = r#"
duration: 5m
taskDefinitions: { web: { containerDefinitions: [{ name: web, memory: 64, portMappings: [{ containerPort: 80 }] }] } }
targetGroups: { web: {} }
services:
  old: { taskDefinition: web, loadBalancers: [{ targetGroupArn: web, containerName: web, containerPort: 80 }] }
  new: { taskDefinition: web, loadBalancers: [{ targetGroupArn: web, containerName: web, containerPort: 80 }] }
"#;
    let story =
        scenario::read(Path::new("shared.yaml"), &mut |_| Ok(text.as_bytes().to_vec())).expect("it can be read");
    let said = story.unsupported.render(false);
    assert!(said.contains("services `old` and `new` share the target group `web`"), "{said}");
    assert!(said.contains("shared.yaml:7:") && said.contains("give each a target group"), "{said}");
}

/// A rule for each thing that a condition can look at, and a workload that it is for.
#[test]
fn rules_look_at_methods_headers_queries_and_sources() {
    let rule = |priority: u32, condition: &str, status: u16| {
        format!(
            "{{ Priority: {priority}, Conditions: [{condition}], \
               Actions: [{{ Type: fixed-response, FixedResponseConfig: {{ StatusCode: '{status}' }} }}] }}"
        )
    };
    let rules = [
        rule(1, "{ Field: http-request-method, HttpRequestMethodConfig: { Values: [DELETE, PUT] } }", 405),
        rule(2, "{ Field: http-header, HttpHeaderConfig: { HttpHeaderName: user-agent, Values: ['*BOT*'] } }", 403),
        rule(3, "{ Field: query-string, QueryStringConfig: { Values: [{ Key: version, Value: v1 }] } }", 410),
        rule(4, "{ Field: source-ip, SourceIpConfig: { Values: [203.0.113.0/24] } }", 503),
    ];
    let rest = "workloads:
  deletes: { loadBalancer: front, method: DELETE, arrivals: { constant: { rate: 1 } } }
  robots: { loadBalancer: front, headers: { Accept: text/html, User-Agent: [x, aRobotic/2] }, arrivals: { constant: { rate: 2 } } }
  old: { loadBalancer: front, port: 80, path: '/?x=1&VERSION=V1', arrivals: { constant: { rate: 4 } } }
  banned: { loadBalancer: front, sourceIp: 203.0.113.99, arrivals: { constant: { rate: 8 } } }
  others: { loadBalancer: front, query: version=v2, headers: { User-Agent: x }, sourceIp: 203.0.112.0/24, arrivals: { constant: { rate: 16 } } }
";
    let run = replay(&behind(&rules.join(", "), "{ Type: forward, TargetGroupArn: a }", rest), 1);
    let own = &run.load_balancer_totals[0];
    let about = |count: u64, rate: u64| assert!(count.abs_diff(rate * 300) <= 3, "{count} at {rate}/s");
    about(own.requests.fixed_response, 1 + 2 + 4);
    about(own.requests.fixed_response_5xx, 8);
    about(arrived(&run)[0], 16);
    // Of the redirected the one listener has the default rule only, and what the other evaluates counts.
    // Each of a workload's requests is told by the same number, the one at the very end not at all.
    let evaluated =
        |count: u64, rate: u64| assert!(count.abs_diff(rate * 300) <= 1 + 2 + 3 + 4 + 4, "{count} at {rate}/s");
    evaluated(own.rule_evaluations.all, 1 + 2 * 2 + 4 * 3 + 8 * 4);
    assert_eq!(own.rule_evaluations.billed, 0, "ten are free");
    let of_lanes: u64 = run
        .load_balancer_minutes
        .iter()
        .filter(|it| it.target_group.is_none())
        .map(|it| it.routing.rule_evaluations.all)
        .sum();
    evaluated(of_lanes, 1 + 2 * 2 + 4 * 3 + 8 * 4 + 16 * 4);
}

/// Elastic Load Balancing pricing: 60 rules, of which ten are free, at 100 requests a second are 5000 rule evaluations, or
/// 5 capacity units.
#[test]
fn rules_beyond_the_first_ten_take_capacity() {
    let rules: Vec<String> = (1..=60)
        .map(|it| {
            format!(
                "{{ Priority: {it}, Conditions: [{{ Field: path-pattern, Values: [/{it}] }}], \
                   Actions: [{{ Type: forward, TargetGroupArn: a }}] }}"
            )
        })
        .collect();
    for (path, all, billed) in [("/nowhere", 60, 50), ("/60", 60, 50), ("/12", 12, 2), ("/3", 3, 0)] {
        let rest = format!(
            "workloads: {{ users: {{ loadBalancer: front, path: {path}, arrivals: {{ constant: {{ rate: 100 }} }} }} }}"
        );
        let run = replay(&behind(&rules.join(", "), "{ Type: forward, TargetGroupArn: b }", &rest), 1);
        let rows: Vec<_> = run.load_balancer_minutes.iter().filter(|it| it.target_group.is_none()).collect();
        for row in &rows[1..] {
            let evaluations = row.routing.rule_evaluations;
            assert_eq!((evaluations.all, evaluations.billed), (6000 * all, 6000 * billed), "{path}");
            let consumed = row.capacity.as_deref().expect("of a load balancer").consumed_lcus;
            // Ten new connections a second are 0.4 units.
            let expected = (billed as f64 / 10.0).max(0.4);
            assert!((consumed - expected).abs() < 1e-9, "{path}: {consumed}");
        }
    }
}

/// From each instant on, a rule does what it was told last; a fixed response is one of the things.
#[test]
fn the_timeline_shifts_weights() {
    let change = |at: u32, action: &str| {
        format!(
            "  - {{ at: {at}s, modifyListener: {{ loadBalancer: front, port: 443, DefaultActions: [{action}] }} }}\n"
        )
    };
    let rest = format!(
        "workloads: {{ users: {{ loadBalancer: front, arrivals: {{ poisson: {{ rate: 100 }} }} }} }}\ntimeline:\n{}{}{}{}",
        change(60, &weighted(&[("a", 50), ("b", 50)], 0)),
        change(120, &weighted(&[("a", 0), ("b", 1)], 0)),
        change(180, "{ Type: fixed-response, FixedResponseConfig: { StatusCode: '503' } }"),
        change(240, "{ Type: forward, TargetGroupArn: b }"),
    );
    let run = replay(&behind("", "{ Type: forward, TargetGroupArn: a }", &rest), 9);
    let minute = |service: usize| -> Vec<u64> {
        run.service_minutes.iter().filter(|it| it.service == service).map(|it| it.counts.arrived).collect()
    };
    let own: Vec<u64> = run
        .load_balancer_minutes
        .iter()
        .filter(|it| it.target_group.is_none())
        .filter_map(|it| it.own.as_deref())
        .map(|it| it.requests.fixed_response_5xx)
        .collect();
    let (a, b) = (minute(0), minute(1));
    let half = |it: u64| (2_700..3_300).contains(&it);
    assert!(half(a[1]) && half(b[1]), "{a:?} {b:?}");
    assert_eq!((a[0] > 5_000, b[0], own[0]), (true, 0, 0));
    assert_eq!((a[2], b[2] > 5_000, own[2]), (0, true, 0));
    assert_eq!((a[3], b[3], own[3] > 5_000), (0, 0, true));
    assert_eq!((a[4], b[4] > 5_000, own[4]), (0, true, 0));
    conserved(&run);
}

/// All requests go from one group to another, one that has tasks or one that has none.
#[test]
fn the_timeline_moves_all_requests_at_once() {
    for (group, served) in [("b", true), ("nobody", false)] {
        let rest = format!(
            "workloads: {{ users: {{ loadBalancer: front, arrivals: {{ poisson: {{ rate: 100 }} }} }} }}
timeline: [{{ at: 120s, modifyListener: {{ loadBalancer: front, port: 443, DefaultActions: [{{ Type: forward, TargetGroupArn: {group} }}] }} }}]"
        );
        let scenario = behind("", "{ Type: forward, TargetGroupArn: a }", &rest);
        let run = replay(&scenario, 9);
        let unmoved =
            replay(&behind("", "{ Type: forward, TargetGroupArn: a }", rest.split('\n').next().unwrap_or("")), 9);
        assert_eq!(conserved(&run), conserved(&unmoved), "the same requests come");
        let of_a: Vec<u64> =
            run.service_minutes.iter().filter(|it| it.service == 0).map(|it| it.counts.arrived).collect();
        assert!(of_a[..2].iter().all(|it| *it > 5_000) && of_a[2..].iter().all(|it| *it == 0), "{of_a:?}");
        assert_eq!(arrived(&run)[1] > 15_000, served);
    }
}

/// Clients who never leave are picked for once: weights that change move none of them before the cookie ends.
#[test]
fn a_client_stays_with_its_target_group_for_the_duration_from_the_pick() {
    let change = |at: u32, weights: &[(&str, u32)]| {
        let action = weighted(weights, 100);
        format!(
            "  - {{ at: {at}s, modifyListener: {{ loadBalancer: front, port: 443, DefaultActions: [{action}] }} }}\n"
        )
    };
    let rest = format!(
        "workloads: {{ users: {{ loadBalancer: front, clients: 20, arrivals: {{ constant: {{ rate: 100 }} }} }} }}\ntimeline:\n{}",
        change(30, &[("a", 0), ("b", 100)]),
    );
    let run = replay(&behind("", &weighted(&[("a", 100), ("b", 0)], 100), &rest), 9);
    let minute = |service: usize| -> Vec<u64> {
        run.service_minutes.iter().filter(|it| it.service == service).map(|it| it.counts.arrived).collect()
    };
    let (a, b) = (minute(0), minute(1));
    // All were picked for within the first seconds, and their cookies end 100 s later, however often they come.
    assert_eq!((a[0], b[0]), (5_999, 0), "{a:?} {b:?}");
    assert!(a[1] > 3_900 && b[1] > 1_500, "{a:?} {b:?}");
    assert_eq!((a[2], b[2]), (0, 6_000), "{a:?} {b:?}");
    conserved(&run);
}

/// Workloads of one client each at rates that are powers of two: a target's count tells whose requests it got.
fn sticky(attributes: &str, clients: &str) -> Scenario {
    let workloads: Vec<String> = (0..WORKLOADS)
        .map(|it| format!("  w{it}: {{ service: web, {clients} arrivals: {{ constant: {{ rate: {} }} }} }}\n", 1 << it))
        .collect();
    read(&format!(
        r#"
duration: 1h
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 1, MaxSize: 1 }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, memory: 64, portMappings: [{{ containerPort: 80 }}] }}] }} }}
applications: {{ web: {{ cpuTime: 0s, waitTime: 1h, concurrency: 1000000 }} }}
loadBalancers: {{ front: {{ nodes: 3, idleTimeout: 4000s }} }}
targetGroups: {{ web: {{ attributes: {{ stickiness.enabled: "true", stickiness.type: lb_cookie, {attributes} }} }} }}
services: {{ web: {{ taskDefinition: web, loadBalancers: [{{ targetGroupArn: web, containerName: web, containerPort: 80 }}] }} }}
workloads:
{}"#,
        workloads.join("")
    ))
}

const WORKLOADS: u32 = 7;

struct Watched<'a> {
    scenario: &'a Scenario,
    cluster: Cluster,
    traffic: Traffic,
    seconds: u64,
}

impl Watched<'_> {
    fn new(scenario: &Scenario) -> Watched<'_> {
        let traffic = Traffic::new(scenario, Seed { seed: 11, replication: 0 });
        Watched { scenario, cluster: cluster_of(scenario, &[0; 4]), traffic, seconds: 0 }
    }

    /// Who sends to each target during the next 64 seconds: a bit for each workload.
    fn who(&mut self) -> Vec<u32> {
        let count = |traffic: &Traffic| -> Vec<u32> { (0..4).map(|it| traffic.in_flight(Id::new(it))).collect() };
        let before = count(&self.traffic);
        self.seconds += 64;
        advance(&mut self.traffic, self.scenario, &self.cluster, Instant::START + Span::seconds(self.seconds));
        let after = count(&self.traffic);
        // Within one request of each workload, which is far less than the 64 of the slowest.
        after.iter().zip(before).map(|(after, before)| (after - before + 16) / 64).collect()
    }

    fn set(&mut self, target: usize, state: TargetState) {
        self.cluster.targets[Id::new(target)].state = state;
        self.cluster.has_changed(Change::Target(Id::new(target)));
        let changes = self.cluster.take_changes();
        note_changes(&mut self.traffic, &self.cluster, &changes);
    }
}

#[test]
fn a_client_stays_with_its_target_as_long_as_that_is_healthy() {
    for algorithm in ["round_robin", "least_outstanding_requests"] {
        let scenario = sticky(&format!("load_balancing.algorithm.type: {algorithm}"), "clients: 1,");
        let mut watched = Watched::new(&scenario);
        let first = watched.who();
        // Every workload is at one target, and none at two.
        assert_eq!(first.iter().fold(0, |all, it| all | it), (1 << WORKLOADS) - 1, "{algorithm} {first:?}");
        assert_eq!(first.iter().sum::<u32>(), (1 << WORKLOADS) - 1, "{algorithm} {first:?}");
        assert!(first.iter().filter(|it| **it > 0).count() > 1, "{algorithm} {first:?}");
        assert_eq!(watched.who(), first);
        let left = first.iter().position(|it| *it > 0).expect("someone is served");
        for state in [TargetState::Unhealthy, TargetState::Draining] {
            watched.set(left, state);
            let moved = watched.who();
            assert_eq!((moved[left], moved.iter().sum::<u32>()), (0, (1 << WORKLOADS) - 1), "{algorithm} {moved:?}");
            for target in (0..4).filter(|it| *it != left) {
                assert_eq!(moved[target] & first[target], first[target], "who was there stays: {first:?} {moved:?}");
            }
            // And once it is back, no one goes back to it.
            watched.set(left, TargetState::Healthy);
            assert_eq!(watched.who(), moved, "{algorithm}");
        }
    }
}

#[test]
fn a_session_ends_when_its_client_is_silent_for_too_long() {
    // The slowest workload asks once a second, which is no longer than the cookie lasts, or is.
    let lasting = sticky("stickiness.lb_cookie.duration_seconds: 1", "clients: 1,");
    let mut watched = Watched::new(&lasting);
    let first = watched.who();
    assert_eq!(watched.who(), first, "renewed by every request");
    let scenario = read_slow("1");
    let mut watched = Watched::new(&scenario);
    watched.who();
    let counts: Vec<u32> = (0..4).map(|it| watched.traffic.in_flight(Id::new(it))).collect();
    assert!(counts.iter().all(|it| (7..=8).contains(it)), "each request is dealt anew: {counts:?}");
    let scenario = read_slow("3");
    let mut watched = Watched::new(&scenario);
    watched.who();
    let counts: Vec<u32> = (0..4).map(|it| watched.traffic.in_flight(Id::new(it))).collect();
    assert_eq!(counts.iter().filter(|it| **it > 0).count(), 1, "{counts:?}");
}

/// One client that asks every two seconds, of a cookie that lasts so many.
fn read_slow(duration: &str) -> Scenario {
    let mut scenario = sticky(&format!("stickiness.lb_cookie.duration_seconds: {duration}"), "clients: 1,");
    let mut workload = scenario.workloads.iter().next().expect("the first").clone();
    workload.arrivals = workload.arrivals.shaped(0.5, Span::ZERO, None, Instant::START);
    scenario.workloads = [workload].into_iter().fold(plimsoll::table::Table::new(), |mut table, it| {
        table.push(it);
        table
    });
    let balancer = scenario.load_balancers.iter_mut().next().expect("the only one");
    balancer.nodes = 1;
    scenario
}

#[derive(Clone, Debug)]
struct Case {
    shifts: Vec<(u32, [u32; 4], u32)>,
    clients: u32,
    requests: u32,
    rate: u32,
    seed: u64,
}

fn cases() -> impl Strategy<Value = Case> {
    let weights = prop::array::uniform4(prop_oneof![Just(0u32), 1u32..999])
        .prop_filter("not all", |it| it.iter().sum::<u32>() > 0);
    let shifts = prop::collection::vec((1u32..299, weights, prop_oneof![Just(0u32), 1u32..200]), 1..5);
    (shifts, 1u32..200, 1u32..50, 1u32..60, 0u64..1000).prop_map(|(mut shifts, clients, requests, rate, seed)| {
        shifts.sort_by_key(|it| it.0);
        Case { shifts, clients, requests, rate, seed }
    })
}

impl Case {
    fn action(&self, shift: usize) -> String {
        let (_, [a, b, c, nobody], sticky) = self.shifts[shift];
        weighted(&[("a", a), ("b", b), ("c", c), ("nobody", nobody)], sticky)
    }

    fn scenario(&self, destination: &str) -> Scenario {
        let changes = (1..self.shifts.len()).map(|it| {
            let (at, action) = (self.shifts[it].0, self.action(it));
            format!("  - {{ at: {at}s, modifyListener: {{ loadBalancer: front, port: 443, DefaultActions: [{action}] }} }}\n")
        });
        let Case { clients, requests, rate, .. } = self;
        let rest = format!(
            "workloads:
  users: {{ {destination}, clients: {{ count: {clients}, requests: {requests} }}, arrivals: {{ poisson: {{ rate: {rate} }} }} }}
  bursts: {{ {destination}, arrivals: {{ batches: {{ rate: {rate}, size: 3 }} }} }}
timeline:
{}",
            changes.collect::<String>()
        );
        behind("", &self.action(0), &rest)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// However requests are split over lanes, and however often that changes: each comes to exactly one end.
    #[test]
    fn each_request_comes_to_one_target_group(case in cases()) {
        let split = replay(&case.scenario("loadBalancer: front"), case.seed);
        let whole = replay(&case.scenario("service: a"), case.seed);
        prop_assert_eq!(conserved(&split), conserved(&whole));
        let again = replay(&case.scenario("loadBalancer: front"), case.seed);
        prop_assert_eq!(&split.fingerprint, &again.fingerprint);
    }
}
