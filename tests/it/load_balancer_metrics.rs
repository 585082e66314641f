//! What CloudWatch is told of load balancers and targets, and what it leads to.

use std::path::Path;

use plimsoll::engine::simulate;
use plimsoll::report;
use plimsoll::rng::Seed;
use plimsoll::run::{LoadBalancerMinute, Run};
use plimsoll::scenario;
use plimsoll::units::Instant;

/// Five tasks, each on an instance of its own, and 100 requests a second.
fn story(target_group: &str, application: &str, workload: &str, rest: &str) -> String {
    format!(
        r#"
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 5, MaxSize: 5 }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, memory: 512, portMappings: [{{ containerPort: 80 }}] }}] }} }}
applications: {{ web: {{ cpuTime: 0s, {application} }} }}
loadBalancers: {{ front: {{ nodes: 1 }} }}
targetGroups: {{ web: {{ {target_group} }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: 5, placementTemplate: One Task Per Host, loadBalancers: [{{ targetGroupArn: web, containerName: web, containerPort: 80 }}] }} }}
workloads: {{ users: {{ service: web, {workload} }} }}
{rest}
"#
    )
}

fn run(text: &str, seed: u64) -> Run {
    let story = scenario::read(Path::new("story.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
        .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    assert!(story.unsupported.is_empty(), "{}", story.unsupported.render(false));
    simulate(&story.variants[0], Seed { seed, replication: 0 })
}

fn of_group(run: &Run) -> Vec<&LoadBalancerMinute> {
    run.load_balancer_minutes.iter().filter(|it| it.target_group.is_some()).collect()
}

fn of_load_balancer(run: &Run) -> Vec<&LoadBalancerMinute> {
    run.load_balancer_minutes.iter().filter(|it| it.target_group.is_none()).collect()
}

/// A file as rows of fields by the header's names.
fn table(run: &Run, file: &str) -> Vec<Vec<(String, String)>> {
    let files = report::files(run);
    let (_, bytes) = files.iter().find(|(name, _)| *name == file).expect("the file is written");
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let header = reader.headers().expect("a header").clone();
    let row = |row: csv::StringRecord| header.iter().map(str::to_owned).zip(row.iter().map(str::to_owned)).collect();
    reader.records().map(|it| row(it.expect("a row"))).collect()
}

fn field<'a>(row: &'a [(String, String)], name: &str) -> &'a str {
    &row.iter().find(|it| it.0 == name).expect("the column is there").1
}

const EVEN: &str = "arrivals: { constant: { rate: 100/s } }";

/// Worked example 4: a target that refuses connections is found out after 45 s in the mean, 7.5 s with quick checks.
#[test]
fn w4_requests_that_fail_until_a_dead_target_is_found_out() {
    for (checks, phases, step, least, mean, most) in [
        ("", 30, 1.0, 600, 900.0, 1200),
        ("HealthCheckIntervalSeconds: 5, HealthCheckTimeoutSeconds: 2", 10, 0.5, 100, 150.0, 200),
    ] {
        let mut sum = 0;
        for phase in 0..phases {
            let at = 120_000 + (f64::from(phase) * step * 1000.0) as u64 + 7;
            let rest = format!(
                "duration: 5m\nassumptions: {{ instanceLossDetection: 1h }}\ntimeline: [{{ at: {at}ms, terminateInstances: {{ autoScalingGroup: nodes, count: 1 }} }}]"
            );
            let run = run(&story(checks, "waitTime: 1ms", EVEN, &rest), 3);
            let counts = &run.requests[0].counts;
            assert_eq!(counts.failed(), counts.elb_502);
            assert!((least - 1..=most + 1).contains(&counts.elb_502), "{checks} {phase}: {}", counts.elb_502);
            sum += counts.elb_502;
            let refused: u64 = of_group(&run).iter().map(|it| it.routing.target_connection_errors).sum();
            assert_eq!(refused, counts.elb_502, "nothing was in flight that could be cut off");
            let change = run.target_changes.iter().find(|it| it.state == "unhealthy").expect("it was found out");
            assert_eq!(change.reason, Some("Target.FailedHealthChecks"));
        }
        let got = sum as f64 / f64::from(phases);
        // The phases lie evenly over the interval, so that the mean is off by no more than a part of a step.
        assert!((got - mean).abs() <= 20.0 * step, "{checks}: {got}");
    }
}

/// Worked example 5: an idle task stops after the deregistration delay and its own second.
#[test]
fn w5_an_idle_task_is_drained_for_the_whole_delay() {
    for (delay, stopped) in [("", 301.0), ("deregistrationDelay: 5s", 6.0)] {
        let rest = "duration: 15m\ntimeline: [{ at: 5m, updateService: { service: web, desiredCount: 4 } }]";
        let run = run(&story(delay, "waitTime: 1ms", "arrivals: { constant: { rate: 0.01/s } }", rest), 1);
        let task = run.tasks.iter().find(|it| it.stopped_at.is_some()).expect("one was stopped");
        let begun = task.stopping_at.expect("it was asked to");
        assert_eq!(task.stopped_at.map(|it| it.since(begun).as_seconds()), Some(stopped));
        let changes: Vec<_> = run.target_changes.iter().filter(|it| it.task == task.task).collect();
        let told: Vec<_> = changes.iter().map(|it| (it.state, it.reason)).collect();
        let expected = [
            ("initial", Some("Elb.RegistrationInProgress")),
            ("healthy", None),
            ("draining", Some("Target.DeregistrationInProgress")),
            ("unused", Some("Target.NotRegistered")),
        ];
        assert_eq!(told, expected);
        assert_eq!(changes[2].at, begun);
        assert_eq!(changes[3].at.since(begun).as_seconds(), stopped - 1.0);
        // One healthy host less, and none that is unhealthy.
        let hosts: Vec<_> = of_group(&run).iter().map(|it| it.hosts.expect("there are targets")).collect();
        assert_eq!((hosts[4].healthy.maximum, hosts[5].healthy.minimum, hosts[6].healthy.maximum), (5, 4, 4));
        assert!(hosts.iter().all(|it| it.unhealthy.maximum == 0));
        let since_five = begun.since(Instant::START).as_seconds() - 300.0;
        assert!((hosts[5].healthy.mean - (4.0 + since_five / 60.0)).abs() < 1e-9, "{}", hosts[5].healthy.mean);
    }
}

/// 1.11: what is still in flight when the delay is over gets a 502; `drainFullDelay: false` ends the delay with the last request.
#[test]
fn requests_in_flight_have_as_long_as_the_delay() {
    let of = |delay: &str, more: &str| {
        let rest = format!(
            "duration: 15m\ntimeline: [{{ at: 5m, updateService: {{ service: web, desiredCount: 4 }} }}]\n{more}"
        );
        // Requests of 20 s, one each second: four in flight at each of five tasks.
        let text = story(delay, "waitTime: 20s, concurrency: 100", "arrivals: { constant: { rate: 1/s } }", &rest);
        let run = run(&text, 1);
        let task = run.tasks.iter().find(|it| it.stopped_at.is_some()).expect("one was stopped");
        let [from, sigterm] = [task.stopping_at, task.stopped_at].map(|it| it.expect("it has stopped").as_seconds());
        let counts = run.requests[0].counts.clone();
        assert_eq!(counts.failed(), counts.elb_502);
        (sigterm - from, counts.elb_502)
    };
    // A second is the process's own after SIGTERM. Of the 20 s of each request 5 have passed: three or so are left.
    let (took, lost) = of("deregistrationDelay: 5s", "");
    assert!(took == 6.0 && (2..=4).contains(&lost), "{took} s, {lost} lost");
    assert_eq!(of("deregistrationDelay: 25s", ""), (26.0, 0));
    let (took, lost) = of("deregistrationDelay: 300s", "assumptions: { drainFullDelay: false }");
    assert!((15.0..=22.0).contains(&took) && lost == 0, "{took} s, {lost} lost");
    let (took, lost) = of("deregistrationDelay: 5s", "assumptions: { drainFullDelay: false }");
    assert!(took == 6.0 && (2..=4).contains(&lost), "{took} s, {lost} lost");
}

/// Worked example 6: 504 at the idle timeout, 460 when the caller gives up before; the task works on either way.
#[test]
fn w6_504_and_460() {
    // The next request comes 65 s after the first, and finds the only server busy until 70 s.
    let application = "waitTime: 70s, concurrency: 1, queue: 0";
    for timeout in ["", "timeout: 30s,"] {
        let workload = format!("{timeout} arrivals: {{ constant: {{ rate: 0.015384615 }} }}");
        // One target only, whose checks need no server.
        let text = story(
            "HealthCheckIntervalSeconds: 300, UnhealthyThresholdCount: 10",
            application,
            &workload,
            "duration: 30m",
        )
        .replace("desiredCount: 5", "desiredCount: 1");
        let run = run(&text, 1);
        let rows = of_group(&run);
        let sum = |of: fn(&LoadBalancerMinute) -> u64| rows.iter().map(|it| of(it)).sum::<u64>();
        let (late, refused) = (sum(|it| it.counts.elb_504 + it.counts.client_timeout), sum(|it| it.counts.elb_502));
        assert!(late >= 10 && late.abs_diff(refused) <= 2, "{late} {refused}");
        assert_eq!(sum(|it| it.counts.client_timeout) > 0, !timeout.is_empty());
        assert_eq!(sum(|it| it.counts.elb_504) > 0, timeout.is_empty());
        let rows = table(&run, "load_balancers.csv");
        let column = if timeout.is_empty() { "http_code_elb_504_count" } else { "http_code_elb_4xx_count" };
        assert!(rows.iter().any(|row| field(row, column) == "1"));
        assert!(rows.iter().all(|row| field(row, "target_response_time_mean_ms").is_empty()), "no target answered");
    }
}

#[test]
fn codes_add_up_and_what_is_zero_is_absent() {
    let rest = "duration: 10m\ntimeline: [{ at: 200500ms, terminateInstances: { autoScalingGroup: nodes, count: 1 } }]\nassumptions: { requestBytes: 400, responseBytes: 5000 }";
    let application = "waitTime: { exponential: { mean: 300ms } }, concurrency: 8, queue: 20, errorShare: 0.02";
    let run = run(&story("", application, "timeout: 2s, arrivals: { poisson: { rate: 115/s } }", rest), 5);
    let totals = &run.requests[0].counts;
    assert!(totals.elb_502 > 0 && totals.client_timeout > 0 && totals.target_5xx > 0, "{totals:?}");
    let number = |text: &str| if text.is_empty() { 0 } else { text.parse::<u64>().expect("a count") };
    let (mut ended, mut routed) = (0, 0);
    for row in table(&run, "load_balancers.csv").iter().filter(|row| field(row, "target_group").is_empty()) {
        for code in ["target_2xx", "target_5xx", "elb_4xx", "elb_5xx"] {
            ended += number(field(row, &format!("http_code_{code}_count")));
        }
        routed += number(field(row, "request_count"));
        let elb: u64 = [502, 503, 504].iter().map(|it| number(field(row, &format!("http_code_elb_{it}_count")))).sum();
        assert_eq!(elb, number(field(row, "http_code_elb_5xx_count")));
        for (name, value) in row.iter().filter(|it| it.0.contains("_code_") || it.0 == "request_count") {
            assert_ne!(value, "0", "{name} is absent when it is zero");
        }
    }
    assert_eq!(ended, totals.ended());
    // The open minute is not told; there is none here.
    assert_eq!(routed, totals.arrived - totals.elb_503);
    for (whole, group) in of_load_balancer(&run).iter().zip(of_group(&run)) {
        assert_eq!((&whole.counts, &whole.routing), (&group.counts, &group.routing), "one group is all of it");
        let capacity = whole.capacity.as_deref().expect("a load balancer has it");
        let bytes =
            400.0 * whole.counts.arrived as f64 + 5000.0 * (whole.counts.ended() - whole.counts.client_timeout) as f64;
        assert_eq!(capacity.processed_bytes, bytes);
        assert_eq!(capacity.consumed_lcus, bytes * 60.0 / 1e9, "bytes weigh most here");
        assert!(capacity.peak_lcus >= capacity.consumed_lcus);
    }
}

/// What a task answers with 3xx or 4xx is served all the same, takes as long, and is told apart; with CPU that is short too.
#[test]
fn what_is_answered_with_3xx_and_4xx_is_told_apart() {
    for application in ["", "cpuTime: { exponential: { mean: 8ms } },"] {
        let of = |shares: &str| {
            let text =
                story("", &format!("waitTime: {{ exponential: {{ mean: 50ms }} }}, {shares}"), EVEN, "duration: 20m")
                    .replace("cpuTime: 0s,", if application.is_empty() { "cpuTime: 0s," } else { application });
            run(&text, 8)
        };
        let plain = of("concurrency: 8");
        let apart = of("concurrency: 8, errorShare: 0.05, clientErrorShare: 0.1, redirectionShare: 0.2");
        let counts = &apart.requests[0].counts;
        // Bernoulli: four standard deviations of 120,000 draws.
        for (count, share) in [(counts.target_5xx, 0.05), (counts.target_4xx, 0.1), (counts.target_3xx, 0.2)] {
            let (mean, width) = (120e3 * share, 4.0 * f64::sqrt(120e3 * share * (1.0 - share)));
            assert!((count as f64 - mean).abs() < width, "{count} for {mean}");
        }
        assert_eq!(counts.served + counts.target_5xx, plain.requests[0].counts.served);
        for (one, other) in of_group(&plain).iter().zip(of_group(&apart)) {
            assert_eq!(one.target_response_time_ms, other.target_response_time_ms, "the same requests, the same times");
        }
        let column = |name: &str| -> u64 {
            let rows = table(&apart, "load_balancers.csv");
            let rows = rows.iter().filter(|row| field(row, "target_group").is_empty());
            rows.map(|row| field(row, name).parse::<u64>().unwrap_or(0)).sum()
        };
        assert_eq!(column("http_code_target_3xx_count"), counts.target_3xx);
        assert_eq!(column("http_code_target_4xx_count"), counts.target_4xx);
        assert_eq!(column("http_code_target_2xx_count"), counts.served - counts.target_3xx - counts.target_4xx);
    }
}

/// By Little's law the requests in flight are the rate times the time each takes; here both are given.
#[test]
fn connections_follow_the_requests_in_flight() {
    let run = run(
        &story(
            "",
            "waitTime: 90s, concurrency: 4000",
            "timeout: 30s, arrivals: { constant: { rate: 40/s } }",
            "duration: 4m",
        ),
        1,
    );
    let active: Vec<f64> = of_load_balancer(&run)
        .iter()
        .map(|it| it.capacity.as_deref().expect("it has it").active_client_connections)
        .collect();
    // Nothing at first; 40/s x 30 s later on; in between it grows for half a minute.
    assert!((active[0] - (0.5 * 600.0 + 0.5 * 1200.0)).abs() < 20.0, "{active:?}");
    assert!(active[1..].iter().all(|it| (it - 1200.0).abs() < 1.0), "{active:?}");
    let rows = table(&run, "load_balancers.csv");
    let last = rows.iter().rfind(|row| field(row, "target_group").is_empty()).expect("there is one");
    let told: f64 = field(last, "active_connection_count").parse().expect("a number");
    assert!((told - 2400.0).abs() < 2.0, "callers' connections and those to targets: {told}");
}

#[test]
fn scaling_sees_the_request_count_per_target_that_is_told() {
    let rest = r#"duration: 20m
scalableTargets: { web: { MinCapacity: 2, MaxCapacity: 5 } }
scalingPolicies:
  requests: { PolicyType: TargetTrackingScaling, service: web, TargetTrackingScalingPolicyConfiguration: { TargetValue: 1800, ScaleOutCooldown: 60, PredefinedMetricSpecification: { PredefinedMetricType: ALBRequestCountPerTarget } } }"#;
    let text = story("", "waitTime: 1ms", EVEN, rest).replace("desiredCount: 5", "desiredCount: 2");
    let run = run(&text, 1);
    assert!(run.scale_outs > 0 && !run.alarm_changes.is_empty());
    let rows = of_group(&run);
    for change in &run.alarm_changes {
        let value = change.value.expect("there is traffic from the start");
        let minutes = (change.at.since(Instant::START).as_seconds() / 60.0) as usize;
        let told: Vec<Option<f64>> =
            rows[..minutes].iter().rev().take(3).map(|it| it.request_count_per_target).collect();
        assert!(told.contains(&Some(value)), "{value} of {told:?}");
    }
    // Where the targets change within a minute, their mean over time divides.
    let uneven = rows.iter().find(|it| it.hosts.is_some_and(|it| it.healthy.minimum < it.healthy.maximum));
    let uneven = uneven.expect("targets were added");
    let mean = uneven.hosts.expect("there are some").healthy.mean;
    assert_eq!(uneven.request_count_per_target, Some(uneven.routing.routed as f64 / mean));
}

#[test]
fn requests_to_targets_that_are_all_unhealthy_are_counted_as_such() {
    // Checks time out behind a queue of long requests, though the targets answer them.
    let checks = "HealthCheckIntervalSeconds: 10, HealthCheckTimeoutSeconds: 2";
    let application = "waitTime: 5s, concurrency: 1, queue: 50";
    let text = story(checks, application, "arrivals: { constant: { rate: 0.9/s } }", "duration: 10m");
    // ECS leaves them alone.
    let run = run(&text.replace("desiredCount: 5", "desiredCount: 5, healthCheckGracePeriodSeconds: 3600"), 1);
    let late = run.target_changes.iter().find(|it| it.state == "unhealthy").expect("checks wait too long");
    assert_eq!(late.reason, Some("Target.Timeout"));
    let rows = of_group(&run);
    let open: u64 = rows.iter().map(|it| it.routing.unhealthy_routed).sum();
    assert!(open > 0);
    for row in &rows {
        let hosts = row.hosts.expect("there are targets");
        let zones = run.scenario.load_balancers.iter().next().expect("one").availability_zones.len() as u32;
        if hosts.healthy.minimum > 0 {
            assert_eq!((row.routing.unhealthy_routed, hosts.healthy_state_routing.minimum), (0, zones));
        } else {
            assert_eq!(hosts.healthy_state_routing.minimum, 0);
        }
        if hosts.healthy.maximum == 0 {
            assert_eq!(row.routing.unhealthy_routed, row.routing.routed);
        }
    }
}

const MITIGATED: &str =
    "attributes: { load_balancing.algorithm.type: weighted_random, load_balancing.algorithm.anomaly_mitigation: 'on' }";
const ONE_BREAKS: &str =
    "duration: 20m\ntimeline: [{ at: 5m, targetErrors: { service: web, tasks: 1, errorShare: 1, for: 10m } }]";

/// The weight of a target halves every 5 s to its floor, and comes back in tenths once the window holds no errors.
#[test]
fn an_anomalous_target_loses_its_requests_and_gets_them_back() {
    let run = run(&story(MITIGATED, "waitTime: 1ms", EVEN, ONE_BREAKS), 2);
    let decisions: Vec<_> = run.events.iter().filter(|it| it.kind.starts_with("target.")).collect();
    let decisions: Vec<(f64, &str, &str)> = decisions
        .iter()
        .map(|it| {
            let weights = it.message.rsplit("weight ").next().expect("it tells the weights");
            (it.at.as_seconds(), it.kind, weights)
        })
        .collect();
    let expected = [
        (305.0, "target.anomalous", "1.00 to 0.50"),
        (310.0, "target.weight", "0.50 to 0.25"),
        (315.0, "target.weight", "0.25 to 0.12"),
        (320.0, "target.weight", "0.12 to 0.06"),
        (325.0, "target.weight", "0.06 to 0.05"),
    ];
    assert_eq!(decisions[..5], expected);
    // It ceases to fail at 900 s; what it failed before leaves the window by 960 s.
    let (at, kind, weights) = decisions[5];
    assert!((955.0..=960.0).contains(&at) && kind == "target.normal" && weights == "0.05 to 0.15", "{decisions:?}");
    assert_eq!(decisions.len(), 15);
    assert_eq!(decisions[14], (at + 45.0, "target.weight", "0.95 to 1.00"));
    let rows = of_group(&run);
    // At its floor it gets 0.05 of 4.05; each of its requests fails.
    for row in &rows[6..15] {
        let (share, requests) = (0.05 / 4.05, 6000.0);
        let off = 3.5 * libm::sqrt(requests * share * (1.0 - share));
        let errors = row.counts.target_5xx as f64;
        assert!((errors - requests * share).abs() <= off, "minute {}: {errors}", row.minute);
        let hosts = row.hosts.expect("there are targets");
        assert_eq!((hosts.anomalous.maximum, hosts.mitigated.minimum, hosts.healthy.minimum), (1, 1, 5));
    }
    assert!(rows[16..].iter().all(|it| it.counts.target_5xx == 0));
    let hosts = rows[18].hosts.expect("there are targets");
    assert_eq!((hosts.anomalous.maximum, hosts.mitigated.maximum), (0, 0));
    let told: Vec<_> = table(&run, "targets.csv");
    let of_anomaly: Vec<_> = told
        .iter()
        .map(|row| (field(row, "anomaly_detection_result"), field(row, "mitigation_in_effect")))
        .filter(|it| *it != ("normal", "no"))
        .collect();
    assert_eq!(of_anomaly, [("anomalous", "yes"), ("normal", "yes")]);
}

#[test]
fn without_mitigation_an_anomaly_is_told_and_nothing_is_done() {
    for attributes in ["", "attributes: { load_balancing.algorithm.type: weighted_random }"] {
        let run = run(&story(attributes, "waitTime: 1ms", EVEN, ONE_BREAKS), 2);
        assert!(!run.events.iter().any(|it| it.kind.starts_with("target.")), "nothing is decided");
        let rows = of_group(&run);
        let hosts = |minute: usize| rows[minute].hosts.expect("there are targets");
        assert_eq!([4, 7, 17].map(|it| hosts(it).anomalous.maximum), [0, 1, 0]);
        assert!((0..20).all(|it| hosts(it).mitigated.maximum == 0));
        let errors = rows[8].counts.target_5xx as f64;
        assert!((errors - 1200.0).abs() <= 3.5 * libm::sqrt(6000.0 * 0.2 * 0.8), "{attributes}: {errors}");
    }
}

#[test]
fn two_healthy_targets_are_not_compared() {
    let text = story("", "waitTime: 1ms", EVEN, ONE_BREAKS).replace("desiredCount: 5", "desiredCount: 2");
    let run = run(&text, 2);
    assert!(of_group(&run)[8].counts.target_5xx > 2900);
    assert!(of_group(&run).iter().all(|it| it.hosts.is_some_and(|it| it.anomalous.maximum == 0)));
}
