//! What the scenario file means: defaults, either case, references, variants, words; and that real files are accepted.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use plimsoll::aws::alarm::{AlarmState, Watched};
use plimsoll::aws::metric::{LoadBalancerMetric, Metric, MetricStat};
use plimsoll::aws::placement::{PlacementConstraint, PlacementStrategy, Resource, SpreadField};
use plimsoll::aws::scaling_policy::ScalingPolicyKind;
use plimsoll::aws::statistic::Statistic;
use plimsoll::aws::task_definition::NetworkMode;
use plimsoll::distribution::Distribution;
use plimsoll::rng::Seed;
use plimsoll::scenario::{Folder, Measure, Problems, Scenario, Story, TimelineChange, read};
use plimsoll::table::Id;
use plimsoll::units::{Instant, Span};
use plimsoll::workload::arrivals::{ArrivalProcess, Arrivals, BatchSize, Spacing};
use plimsoll::workload::modulation::Modulation;

/// Reads the scenario `text` as `stories/story.yaml`, beside which `files` lie.
fn read_with(text: &str, files: &[(&str, &str)]) -> Result<Story, Problems> {
    let mut all: BTreeMap<PathBuf, &str> = files.iter().map(|(name, text)| (PathBuf::from(name), *text)).collect();
    all.insert(PathBuf::from("stories/story.yaml"), text);
    read(Path::new("stories/story.yaml"), &mut |path| {
        all.get(path).map(|it| it.as_bytes().to_vec()).ok_or_else(|| io::ErrorKind::NotFound.into())
    })
}

fn accepted(text: &str) -> Story {
    read_with(text, &[]).unwrap_or_else(|problems| panic!("{}", problems.render(false)))
}

fn base(text: &str) -> Scenario {
    accepted(text).variants.remove(0)
}

/// A scenario with one service `web` behind a load balancer, and more lines.
fn web(more: &str) -> String {
    format!(
        "duration: 1h
taskDefinitions:
  web:
    containerDefinitions: [{{name: web, image: web, cpu: 256, memory: 512, portMappings: [{{containerPort: 80}}]}}]
targetGroups: {{web: {{}}}}
services:
  web:
    taskDefinition: web
    desiredCount: 2
    loadBalancers: [{{targetGroupArn: web, containerName: web, containerPort: 80}}]
{more}"
    )
}

#[test]
fn what_is_not_said_is_aws_s_default() {
    let scenario = base(&web("autoScalingGroups: {asg: {InstanceType: m5.large, MinSize: 1, MaxSize: 4}}
capacityProviders: {cp: {autoScalingGroupProvider: {autoScalingGroupArn: asg, managedScaling: {status: ENABLED}}}}
"));
    assert_eq!(scenario.name, "story");
    assert_eq!(scenario.variant, "base");
    assert_eq!(scenario.start_unix_seconds, 1_767_571_200, "a Monday, 2026-01-05");
    let zones: Vec<&str> = scenario.availability_zones.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(zones, ["us-east-1a", "us-east-1b", "us-east-1c"]);
    let service = scenario.services.iter().next().expect("one service");
    assert_eq!((service.minimum_healthy_percent, service.maximum_percent), (100, 200));
    assert!(scenario.begins_settled);
    let definition = &scenario.task_definitions[service.task_definition];
    assert_eq!((definition.revision, definition.network_mode), (1, NetworkMode::Bridge));
    let container = &definition.containers[0];
    assert!(container.essential);
    assert_eq!(container.stop_timeout, None, "what the agent says");
    assert_eq!(container.application.memory_base_mib, 64.0);
    let group = scenario.target_groups.iter().next().expect("one target group");
    assert_eq!(group.deregistration_delay, Span::seconds(300));
    assert_eq!(group.health_check, plimsoll::aws::load_balancer::HealthCheck::default());
    let balancer = &scenario.load_balancers[group.load_balancer];
    assert_eq!((balancer.nodes, balancer.idle_timeout), (3, Span::seconds(60)), "one node a zone");
    let asg = scenario.auto_scaling_groups.iter().next().expect("one group");
    assert_eq!((asg.desired_capacity, asg.availability_zones.len()), (1, 3));
    let provider = scenario.capacity_providers.iter().next().expect("one provider");
    let scaling = provider.managed_scaling.expect("managed scaling");
    assert_eq!((scaling.target_capacity, scaling.minimum_scaling_step_size), (100, 1));
    assert_eq!(scaling.maximum_scaling_step_size, 10_000);
    assert_eq!(scaling.instance_warmup_period, Span::seconds(300));
    assert!(!provider.managed_termination_protection && provider.managed_draining);
}

#[test]
fn small_containers_get_half_their_memory_as_base() {
    for (memory, base_mib) in [("memory: 64", 32.0), ("memory: 512", 64.0), ("memoryReservation: 100", 50.0)] {
        let scenario = base(&format!(
            "duration: 1h\ntaskDefinitions: {{a: {{containerDefinitions: [{{name: a, image: a, {memory}}}]}}}}"
        ));
        let definition = scenario.task_definitions.iter().next().expect("one definition");
        assert_eq!(definition.containers[0].application.memory_base_mib, base_mib, "{memory}");
    }
}

#[test]
fn fields_are_accepted_in_either_case() {
    let scenario = base(
        "Duration: 1h
AutoScalingGroups: {asg: {instanceType: m5.large, minSize: 1, MaxSize: 4, desiredCapacity: 3, defaultCooldown: 10}}
TaskDefinitions: {web: {ContainerDefinitions: [{Name: web, Image: web, Memory: 512}]}}
Services: {web: {TaskDefinition: web, DesiredCount: 2}}",
    );
    let group = scenario.auto_scaling_groups.iter().next().expect("one group");
    assert_eq!((group.desired_capacity, group.default_cooldown), (3, Span::seconds(10)));
    assert_eq!(scenario.services.iter().next().expect("one service").desired_count, 2);
}

#[test]
fn a_family_is_its_latest_revision() {
    let text = |wanted: &str| {
        format!(
            "duration: 1h
taskDefinitions:
  web: {{containerDefinitions: [{{name: web, image: one, memory: 512}}]}}
  web:5: {{containerDefinitions: [{{name: web, image: five, memory: 512}}]}}
  web:3: {{containerDefinitions: [{{name: web, image: three, memory: 512}}]}}
services: {{web: {{taskDefinition: '{wanted}', desiredCount: 1}}}}"
        )
    };
    for (wanted, revision) in [
        ("web", 5),
        ("web:1", 1),
        ("web:3", 3),
        ("arn:aws:ecs:us-west-2:123456789012:task-definition/web:3", 3),
        ("arn:aws:ecs:us-west-2:123456789012:task-definition/web", 5),
    ] {
        let scenario = base(&text(wanted));
        let service = scenario.services.iter().next().expect("one service");
        assert_eq!(scenario.task_definitions[service.task_definition].revision, revision, "{wanted}");
    }
}

#[test]
fn we_5_units_of_cpu_and_memory_in_a_definition() {
    for (cpu, memory) in [("\"1 vCPU\"", "\"2 GB\""), ("1024", "2048"), ("'1024'", "'2048'"), ("1 vcpu", "2GB")] {
        let scenario = base(&format!(
            "duration: 1h\ntaskDefinitions: {{a: {{cpu: {cpu}, memory: {memory}, containerDefinitions: [{{name: a, image: a}}]}}}}"
        ));
        let definition = scenario.task_definitions.iter().next().expect("one definition");
        assert_eq!((definition.cpu, definition.memory), (Some(1024), Some(2048)), "{cpu} {memory}");
    }
}

#[test]
fn the_most_specific_application_wins() {
    let scenario = base(
        "duration: 1h
taskDefinitions:
  a: {containerDefinitions: [{name: app, image: a, memory: 512}]}
  a:2: {containerDefinitions: [{name: app, image: a, memory: 512}]}
  b: {containerDefinitions: [{name: app, image: b, memory: 512}]}
applications:
  app: {cpuTime: 1ms, image: {size: 120MB}}
  a/app: {cpuTime: 2ms, image: {layers: {system: 80MB, code: 1.5MB}}}
  a:2/app: {cpuTime: 3ms, memory: {base: 0.5GiB, perRequest: 2MiB}, concurrency: 4, queue: 0, errorShare: 0.01}",
    );
    let found: Vec<(String, Distribution)> =
        scenario.task_definitions.iter().map(|it| (it.name(), it.containers[0].application.cpu_time.clone())).collect();
    let constant = |millis| Distribution::Constant(Span::millis(millis));
    let expected = [("a:1", 2), ("a:2", 3), ("b:1", 1)].map(|(name, millis)| (name.to_owned(), constant(millis)));
    assert_eq!(found, expected);
    let of =
        |index: usize| &scenario.task_definitions.iter().nth(index).expect("a definition").containers[0].application;
    let layers: Vec<(&str, f64)> = of(0).layers.iter().map(|it| (it.name.as_str(), it.size_mb)).collect();
    assert_eq!(layers, [("system", 80.0), ("code", 1.5)]);
    assert_eq!((of(1).memory_base_mib, of(1).memory_per_request_mib), (512.0, 2.0));
    assert_eq!((of(1).concurrency, of(1).queue, of(1).error_share), (4, 0, 0.01));
    assert_eq!((of(2).layers[0].name.as_str(), of(2).layers[0].size_mb), ("b", 120.0), "one layer, of the image");
}

#[test]
fn console_templates_expand() {
    let zone = PlacementStrategy::Spread(SpreadField::AvailabilityZone);
    let instance = PlacementStrategy::Spread(SpreadField::InstanceId);
    let memory = PlacementStrategy::Binpack(Resource::Memory);
    for (name, strategy, constraints) in [
        ("AZ Balanced Spread", vec![zone.clone(), instance], vec![]),
        ("AZ Balanced BinPack", vec![zone, memory.clone()], vec![]),
        ("BinPack", vec![memory], vec![]),
        ("One Task Per Host", vec![], vec![PlacementConstraint::DistinctInstance]),
    ] {
        let scenario = base(&format!(
            "duration: 1h
taskDefinitions: {{a: {{containerDefinitions: [{{name: a, image: a, memory: 512}}]}}}}
services: {{a: {{taskDefinition: a, desiredCount: 1, placementTemplate: {name}}}}}"
        ));
        let service = scenario.services.iter().next().expect("one service");
        assert_eq!(
            (&service.launch.placement_strategy, &service.launch.placement_constraints),
            (&strategy, &constraints),
            "{name}"
        );
    }
}

#[test]
fn managed_termination_protection_protects_the_group() {
    let scenario = base(
        "duration: 1h
autoScalingGroups: {asg: {InstanceType: m5.large, MinSize: 1, MaxSize: 4, AvailabilityZones: 'us-east-1b, us-east-1a'}}
capacityProviders:
  cp:
    autoScalingGroupProvider:
      autoScalingGroupArn: arn:aws:autoscaling:us-west-2:1:autoScalingGroup:uuid:autoScalingGroupName/asg
      managedScaling: {status: ENABLED}
      managedTerminationProtection: ENABLED",
    );
    let group = scenario.auto_scaling_groups.iter().next().expect("one group");
    assert!(group.new_instances_protected_from_scale_in);
    let zones: Vec<usize> = group.availability_zones.iter().map(|it| it.index()).collect();
    assert_eq!(zones, [1, 0], "in the file's order");
}

#[test]
fn variants_are_patches_over_the_file() {
    let text = web("expectFailure: true
replications: 3
variants:
  more: {patch: {Services: {web: {desiredCount: 7}}}, description: With more tasks.}
  less: {patch: {services: {web: {DesiredCount: 1, loadBalancers: null}}}, expectFailure: true}
  longer: {patch: {duration: 2h, services: {other: {taskDefinition: web, desiredCount: 1}}}}
");
    let story = accepted(&format!("# Is it enough, and\n# for how long?\n#\n# Look at p99.\n{text}"));
    assert_eq!(story.replications, 3);
    let found: Vec<(&str, u32, usize, bool, &str)> = story
        .variants
        .iter()
        .map(|it| {
            let service = it.services.iter().next().expect("a service");
            let text = it.description.lines().next().unwrap_or("");
            (it.variant.as_str(), service.desired_count, it.services.len(), it.expect_failure, text)
        })
        .collect();
    assert_eq!(
        found,
        [
            ("base", 2, 1, true, "Is it enough, and for how long?"),
            ("more", 7, 1, false, "With more tasks."),
            ("less", 1, 1, true, "Is it enough, and for how long?"),
            ("longer", 2, 2, false, "Is it enough, and for how long?"),
        ]
    );
    assert_eq!(story.variants[0].description, "Is it enough, and for how long?\n\nLook at p99.");
    assert_eq!(story.variants[3].duration, Span::seconds(7_200));
    assert!(story.variants[2].services.iter().all(|it| it.load_balancer.is_none()));
}

#[test]
fn files_are_spliced_and_may_be_wrapped_or_extended() {
    let definition = r#"{"taskDefinition": {"family": "other", "containerDefinitions": [{"name": "web", "image": "web",
        "memory": 512, "portMappings": [{"containerPort": 80}], "command": ["file:///etc/passwd"]}]}, "tags": []}"#;
    let service = r#"{"services": [{"serviceName": "web", "desiredCount": 1, "taskDefinition": "web:1",
        "loadBalancers": [{"targetGroupArn": "arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/web/0123",
        "containerName": "web", "containerPort": 80}]}], "failures": []}"#;
    let text = "duration: 1h
taskDefinitions: {web: file://../aws/td.json}
targetGroups: file://groups.yaml
services: {web: {<<: file://../aws/sv.json, desiredCount: 9}}
";
    let files = [
        ("aws/td.json", definition),
        ("aws/sv.json", service),
        ("stories/groups.yaml", "TargetGroups: [{TargetGroupName: web, HealthCheckIntervalSeconds: 10}]"),
    ];
    let story = read_with(text, &files).unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    let scenario = &story.variants[0];
    let service = scenario.services.iter().next().expect("one service");
    assert_eq!((service.name.as_str(), service.desired_count), ("web", 9));
    let group = service.load_balancer.as_ref().expect("a load balancer").target_group;
    assert_eq!(scenario.target_groups[group].health_check.interval, Span::seconds(10));
    let read: Vec<&str> = story.inputs.iter().map(|(path, _)| path.to_str().expect("UTF-8")).collect();
    assert_eq!(read, ["stories/story.yaml", "aws/td.json", "stories/groups.yaml", "aws/sv.json"]);
    assert_eq!(story.inputs[1].1, definition.as_bytes());
    assert!(story.notes.iter().any(|it| it.contains("says `family: other`")), "{:?}", story.notes);
}

fn process(arrivals: &str) -> ArrivalProcess {
    let scenario = base(&web(&format!("workloads: {{users: {{service: web, arrivals: {arrivals}}}}}\n")));
    scenario.workloads.iter().next().expect("one workload").arrivals.clone()
}

#[test]
fn arrivals_have_words() {
    for (arrivals, points, spacing) in [
        ("{constant: {rate: 10}}", &[(0, 10.0)][..], Spacing::Even),
        ("{poisson: {rate: 6000/min}}", &[(0, 100.0)], Spacing::Poisson),
        (
            "{ramp: {from: 0, to: 1e3/s, start: 60s, over: 10m}}",
            &[(0, 0.0), (60, 0.0), (660, 1000.0)],
            Spacing::Poisson,
        ),
        (
            "{steps: [{at: 0s, rate: 1}, {at: 1m, rate: 360000/h}]}",
            &[(0, 1.0), (60, 1.0), (60, 100.0)],
            Spacing::Poisson,
        ),
        (
            "{spikes: {base: 1, spikes: [{at: 10s, rate: 5, rampUp: 10s, hold: 10s, decay: 20s}]}}",
            &[(0, 1.0), (10, 1.0), (20, 5.0), (30, 5.0), (50, 1.0)],
            Spacing::Poisson,
        ),
        ("{sum: [{constant: {rate: 1}}, {constant: {rate: 2/s}}]}", &[(0, 3.0)], Spacing::Even),
        (
            "{shape: {of: {constant: {rate: 1}}, scale: 3, start: 1m, for: 2m}}",
            &[(0, 0.0), (60, 0.0), (60, 3.0), (180, 3.0), (180, 0.0)],
            Spacing::Even,
        ),
        (
            "{sum: [{poisson: {rate: 1}}, {shape: {of: {steps: [{at: 1m, rate: 2}]}, from: 30s}}]}",
            &[(0, 1.0), (30, 1.0), (30, 3.0)],
            Spacing::Poisson,
        ),
        (
            "{sum: [{constant: {rate: 1}}, {steps: [{at: 1m, rate: 2}]}]}",
            &[(0, 1.0), (60, 1.0), (60, 3.0)],
            Spacing::Poisson,
        ),
    ] {
        let ArrivalProcess::Rate { curve, spacing: found } = process(arrivals) else { panic!("a rate: {arrivals}") };
        let curve: Vec<(u64, f64)> = curve.iter().map(|it| (it.at.0 / 1_000_000_000, it.rate)).collect();
        assert_eq!((curve.as_slice(), found), (points, spacing), "{arrivals}");
    }
}

#[test]
fn bursts_have_words() {
    let two = |rates, durations: [u64; 2]| {
        ArrivalProcess::Modulated(Modulation::TwoStates { rates, mean_durations: durations.map(Span::seconds) })
    };
    let renewal = ArrivalProcess::Renewal { rate: 5.0, cv2: 4.0 };
    for (arrivals, expected) in [
        ("{mmpp: {rates: [1, 60/min], meanDurations: [1m, 10s]}}", two([1.0, 1.0], [60, 10])),
        // The rates lie 90/s apart, the root of (I - 1) m (r12 + r21) / (2 p1 p2) = 81 x 100 x 0.5 / 0.5.
        (
            "{mmpp: {mean: 100, indexOfDispersion: 82, burstDuration: 4s, burstShare: 0.5}}",
            two([100.0 - 45.0, 100.0 + 45.0], [4, 4]),
        ),
        ("{renewal: {rate: 5/s, cv2: 4}}", renewal.clone()),
        ("{batches: {rate: 5, size: 2.5}}", ArrivalProcess::Batches { rate: 5.0, size: BatchSize::Geometric(2.5) }),
        (
            "{batches: {rate: 5, size: 3, sizes: fixed}}",
            ArrivalProcess::Batches { rate: 5.0, size: BatchSize::Fixed(3) },
        ),
        (
            "{onOff: {rate: 50, sources: 10, on: 1s, off: 3s}}",
            ArrivalProcess::Modulated(Modulation::OnOff {
                sources: 10,
                rate: 20.0,
                mean_durations: [Span::SECOND, Span::seconds(3)],
                shape: 1.4,
            }),
        ),
        (
            "{shape: {of: {renewal: {rate: 10, cv2: 4}}, scale: 0.5, from: 1m, for: 2m, start: 10s}}",
            ArrivalProcess::Window {
                of: Box::new(renewal),
                from: Span::MINUTE,
                start: Instant::START + Span::seconds(10),
                length: Some(Span::MINUTE * 2),
            },
        ),
    ] {
        assert_eq!(process(arrivals), expected, "{arrivals}");
    }
}

#[test]
fn traces_are_read_beside_the_scenario() {
    let csv =
        "timestamp,requests,errors\n2026-01-01T00:00:00Z,1,9\n2026-01-01T00:01:00Z,2,9\n2026-01-01T00:02:00Z,3,9\n";
    for (more, start, interval, counts) in [
        ("", 0, 60, &[1, 2, 3][..]),
        (", column: errors, scale: 2", 0, 60, &[18, 18, 18]),
        (", column: 2", 0, 60, &[1, 2, 3]),
        (", from: 1m, for: 1m", 0, 60, &[2]),
        (", from: 2026-01-01T00:01:00Z", 0, 60, &[2, 3]),
        (", interval: 1s, start: 10s", 10, 1, &[1, 2, 3]),
        (", scale: 0.5", 0, 60, &[1, 1, 1]),
    ] {
        let text =
            web(&format!("workloads: {{users: {{service: web, arrivals: {{trace: {{file: load.csv{more}}}}}}}}}\n"));
        let story = read_with(&text, &[("stories/load.csv", csv)]).unwrap_or_else(|it| panic!("{}", it.render(false)));
        let workload = story.variants[0].workloads.iter().next().expect("one workload");
        let expected = ArrivalProcess::Counts {
            start: Instant(Span::seconds(start).0),
            interval: Span::seconds(interval),
            counts: counts.to_vec(),
            spacing: Spacing::Poisson,
        };
        assert_eq!(workload.arrivals, expected, "{more}");
        assert_eq!(story.inputs.len(), 2, "the trace is an input too");
    }
}

/// A line of an access log; the first is the worked example of the traffic reference.
fn log_line(second: u32) -> String {
    format!(
        "h2 2026-03-01T12:00:{second:02}.250000Z app/web/0123456789abcdef 203.0.113.7:51000 10.0.1.15:8080 0.001 0.187 0.000 200 200 412 5120 \"GET https://shop.example:443/cart HTTP/2.0\" \"ua/1.0\" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/web/89abcdef01234567 \"Root=1-x\" \"shop.example\" \"session-reused\" 10 2026-03-01T12:00:{second:02}.062000Z \"forward\" \"-\" \"-\" \"10.0.1.15:8080\" \"200\" \"-\" \"-\" TID_x \"-\" \"-\" \"-\"\n"
    )
}

#[test]
fn logs_are_replayed_at_their_instants() {
    // Two nodes of a load balancer, each out of order; one line is of neither.
    let one = format!("{}{}oops\n", log_line(5), log_line(1));
    let other = log_line(3);
    let instants = |scale: f64, seconds: &[u64]| ArrivalProcess::Instants {
        times: seconds.iter().map(|it| Span::seconds(*it).0).collect(),
        scale,
    };
    let counts = |counts: &[u64], interval: u64, spacing| ArrivalProcess::Counts {
        start: Instant::START,
        interval: Span::seconds(interval),
        counts: counts.to_vec(),
        spacing,
    };
    for (fields, expected) in [
        ("path: one.log", instants(1.0, &[0, 4])),
        ("path: [one.log, other.log]", instants(1.0, &[0, 2, 4])),
        ("path: [logs, logs/other.log]", instants(1.0, &[0, 2, 4])),
        ("path: logs, from: 1s, start: 10s, scale: 2", instants(2.0, &[11, 13])),
        ("path: logs, from: \"2026-03-01T12:00:03.062Z\", for: 2s", instants(1.0, &[0])),
        ("path: logs, spread: poisson, interval: 2s", counts(&[1, 1, 1], 2, Spacing::Poisson)),
        ("path: logs, spread: even, scale: 3", counts(&[3, 0, 3, 0, 3], 1, Spacing::Even)),
    ] {
        let text = web(&format!("workloads: {{users: {{service: web, arrivals: {{accessLog: {{{fields}}}}}}}}}\n"));
        let story = read(Path::new("stories/story.yaml"), &mut |path| match path.to_str() {
            Some("stories/story.yaml") => Ok(text.clone().into_bytes()),
            Some("stories/one.log" | "stories/logs/2026/one.log") => Ok(one.clone().into_bytes()),
            Some("stories/other.log" | "stories/logs/other.log") => Ok(other.clone().into_bytes()),
            Some("stories/logs") => {
                let inside = ["other.log", "index.html", "2026/one.log"].map(|it| Path::new("stories/logs").join(it));
                Err(io::Error::new(io::ErrorKind::IsADirectory, Folder(inside.to_vec())))
            }
            _ => Err(io::ErrorKind::NotFound.into()),
        });
        let story = story.unwrap_or_else(|it| panic!("{fields}: {}", it.render(false)));
        assert_eq!(story.variants[0].workloads.iter().next().expect("one workload").arrivals, expected, "{fields}");
        let note = "one.log, line 3 (it has fewer than 13 fields)";
        assert!(story.notes.iter().any(|it| it.ends_with(note)), "{:?}", story.notes);
    }
}

#[test]
fn what_cloud_watch_counted_is_replayed() {
    let statistics = r#"{"Label": "RequestCount", "Datapoints": [
        {"Timestamp": "2026-03-01T12:01:00Z", "Sum": 6000.0, "Unit": "Count"},
        {"Timestamp": "2026-03-01T12:00:00Z", "Sum": 3000.0, "Unit": "Count"}]}"#;
    let data = r#"{"MetricDataResults": [{"Id": "m1", "Label": "web", "StatusCode": "PartialData",
        "Timestamps": [1772366460, 1772366400], "Values": [6000, 3000]}]}"#;
    let read = |fields: &str, file: &str| {
        let arrivals = format!("{{cloudWatch: {{file: requests.json{fields}}}}}");
        let text = web(&format!("workloads: {{users: {{service: web, arrivals: {arrivals}}}}}\n"));
        let story = read_with(&text, &[("stories/requests.json", file)]);
        story.unwrap_or_else(|it| panic!("{fields}: {}", it.render(false)))
    };
    let of = |story: Story| story.variants[0].workloads.iter().next().expect("one workload").arrivals.clone();
    let counts = |counts: &[u64]| ArrivalProcess::Counts {
        start: Instant::START,
        interval: Span::MINUTE,
        counts: counts.to_vec(),
        spacing: Spacing::Poisson,
    };
    assert_eq!(of(read("", statistics)), counts(&[3_000, 6_000]));
    assert_eq!(of(read(", scale: 0.5, from: 1m", statistics)), counts(&[3_000]));
    assert_eq!(of(read(", from: 2026-03-01T12:01:00Z", data)), counts(&[6_000]));
    assert!(read("", data).notes.iter().any(|it| it.contains("a part of the data")));
    // The worked example of the traffic reference: 50/s and 100/s, 9000 expected with a deviation of 94.87.
    let process = of(read(", spread: rate", statistics));
    let ArrivalProcess::Rate { curve, spacing: Spacing::Poisson } = &process else { panic!("a rate: {process:?}") };
    let points: Vec<(u64, f64)> = curve.iter().map(|it| (it.at.0 / 1_000_000_000, it.rate)).collect();
    assert_eq!(points, [(0, 50.0), (60, 50.0), (60, 100.0), (120, 100.0), (120, 0.0)]);
    const RUNS: u32 = 400;
    let totals: Vec<f64> = (0..RUNS)
        .map(|replication| {
            let stream = Seed { seed: 101, replication }.stream("arrivals", "users");
            Arrivals::new(&process, stream).fill(&mut vec![0.0; 20_000]) as f64
        })
        .collect();
    let mean = totals.iter().sum::<f64>() / f64::from(RUNS);
    let deviation = (totals.iter().map(|it| (it - mean) * (it - mean)).sum::<f64>() / f64::from(RUNS - 1)).sqrt();
    // Four standard errors of either.
    assert!((mean - 9_000.0).abs() < 4.0 * 94.87 / f64::from(RUNS).sqrt(), "{mean}");
    assert!((deviation / 94.87 - 1.0).abs() < 4.0 / f64::from(2 * RUNS).sqrt(), "{deviation}");
}

#[test]
fn distributions_have_words() {
    let law = |written: &str| {
        let text = format!(
            "duration: 1h
taskDefinitions: {{a: {{containerDefinitions: [{{name: a, image: a, memory: 512}}]}}}}
applications: {{a: {{cpuTime: {written}}}}}"
        );
        let scenario = base(&text);
        scenario.task_definitions.iter().next().expect("one definition").containers[0].application.cpu_time.clone()
    };
    let (ten, hundred) = (Span::millis(10), Span::millis(100));
    for (written, expected) in [
        ("10ms", Distribution::Constant(ten)),
        ("{constant: 10ms}", Distribution::Constant(ten)),
        ("{exponential: {mean: 10ms}}", Distribution::Exponential { mean: ten }),
        ("{logNormal: {mean: 10ms, cv2: 2}}", Distribution::LogNormal { mean: ten, cv2: 2.0 }),
        ("{gamma: {mean: 10ms, shape: 0.5}}", Distribution::Gamma { mean: ten, shape: 0.5 }),
        ("{erlang: {mean: 10ms, stages: 3}}", Distribution::Gamma { mean: ten, shape: 3.0 }),
        ("{pareto: {minimum: 10ms, shape: 1.5}}", Distribution::Pareto { minimum: ten, shape: 1.5, maximum: None }),
        ("{uniform: {minimum: 10ms, maximum: 100ms}}", Distribution::Uniform { minimum: ten, maximum: hundred }),
        (
            "{empirical: {values: [10ms, 100ms], weights: [3, 1]}}",
            Distribution::Empirical { values: vec![ten, hundred], cumulative: vec![0.75, 1.0] },
        ),
    ] {
        assert_eq!(law(written), expected, "{written}");
    }
    // A log-normal law has its median at exp(mu), and its 99th percentile 2.326 sigma above.
    let Distribution::LogNormal { mean, cv2 } = law("{logNormal: {median: 10ms, p99: 100ms}}") else {
        panic!("a log-normal law")
    };
    let sigma2 = libm::log1p(cv2);
    let mu = libm::log(mean.as_seconds()) - sigma2 / 2.0;
    assert!((libm::exp(mu) - 0.010).abs() < 1e-9);
    assert!((libm::exp(mu + 2.326_347_874 * sigma2.sqrt()) - 0.100).abs() < 1e-7);
}

#[test]
fn policies_alarms_timeline_and_expectations() {
    let scenario = base(&web(
        "autoScalingGroups: {asg: {InstanceType: m5.large, MinSize: 1, MaxSize: 4}}
scalableTargets: {web: {ResourceId: service/default/web, MinCapacity: 1, MaxCapacity: 9}}
alarms:
  slow:
    MetricName: TargetResponseTime
    Dimensions: [{Name: TargetGroup, Value: targetgroup/web/0123}, {Name: LoadBalancer, Value: app/lb/45}]
    EvaluationPeriods: 5
    DatapointsToAlarm: 3
    Threshold: 0.5
    ComparisonOperator: GreaterThanThreshold
scalingPolicies:
  requests:
    ResourceId: service/default/web
    TargetTrackingScalingPolicyConfiguration:
      TargetValue: 1000.0
      PredefinedMetricSpecification: {PredefinedMetricType: ALBRequestCountPerTarget, ResourceLabel: app/lb/1/targetgroup/web/2}
      ScaleOutCooldown: 60
      DisableScaleIn: true
  slow:
    PolicyType: StepScaling
    service: web
    alarm: slow
    StepScalingPolicyConfiguration:
      AdjustmentType: PercentChangeInCapacity
      MinAdjustmentMagnitude: 2
      Cooldown: 30
      StepAdjustments: [{MetricIntervalLowerBound: 1, ScalingAdjustment: 50}, {MetricIntervalLowerBound: 0, MetricIntervalUpperBound: 1, ScalingAdjustment: 10}]
timeline:
  - {at: 20m, updateService: {service: web, desiredCount: 4, deploymentConfiguration: {maximumPercent: 150}}}
  - {at: 10m, terminateInstances: {autoScalingGroup: asg, count: 2}}
  - {at: 10m, updateAutoScalingGroup: {AutoScalingGroupName: asg, MaxSize: 8}}
expectations:
  responseTimeP99Ms: {service: web, atMost: 250}
  cheap: {measure: costUsd, atMost: 10.5, atLeast: 1}
",
    ));
    let kinds: Vec<&ScalingPolicyKind> = scenario.scaling_policies.iter().map(|it| &it.kind).collect();
    let [ScalingPolicyKind::TargetTracking(tracking), ScalingPolicyKind::Step(step)] = kinds.as_slice() else {
        panic!("{kinds:?}")
    };
    let of_group = |metric| Metric::LoadBalancer(Id::new(0), Some(Id::new(0)), metric);
    let watched = |metric, statistic| Watched::Stat(MetricStat { metric: of_group(metric), statistic });
    assert_eq!(tracking.watches, watched(LoadBalancerMetric::RequestCountPerTarget, Statistic::Sum));
    assert_eq!((tracking.target_value, tracking.period), (1000.0, Span::MINUTE));
    assert_eq!((tracking.scale_out_cooldown, tracking.scale_in_cooldown), (Span::seconds(60), Span::seconds(300)));
    assert!(tracking.disable_scale_in);
    let alarm = &scenario.alarms[Id::new(0)];
    assert_eq!(alarm.watches, watched(LoadBalancerMetric::TargetResponseTime, Statistic::Average));
    assert_eq!(alarm.actions, [(AlarmState::Alarm, Id::new(1))]);
    let rule = &alarm.rule;
    assert_eq!((rule.period, rule.datapoints_to_alarm, rule.evaluation_periods), (Span::MINUTE, 3, 5));
    let bounds: Vec<(Option<f64>, i32)> = step.steps.iter().map(|it| (it.lower_bound, it.scaling_adjustment)).collect();
    assert_eq!(bounds, [(Some(0.0), 10), (Some(1.0), 50)], "sorted by their bounds");
    let times: Vec<u64> = scenario.timeline.iter().map(|it| it.at.0 / Span::MINUTE.0).collect();
    assert_eq!(times, [10, 10, 20]);
    assert!(matches!(scenario.timeline[0].change, TimelineChange::TerminateInstances { count: 2, .. }));
    assert!(matches!(scenario.timeline[1].change, TimelineChange::UpdateAutoScalingGroup { max_size: Some(8), .. }));
    let TimelineChange::UpdateService { desired_count, maximum_percent, .. } = scenario.timeline[2].change else {
        panic!("an update of the service")
    };
    assert_eq!((desired_count, maximum_percent), (Some(4), Some(150)));
    let measures: Vec<Measure> = scenario.expectations.iter().map(|it| it.measure).collect();
    assert_eq!(measures, [Measure::ResponseTimeP99Ms, Measure::CostUsd]);
    assert_eq!((scenario.expectations[1].at_most, scenario.expectations[1].at_least), (Some(10.5), Some(1.0)));
}

#[test]
fn what_is_not_simulated_is_sound_and_named() {
    let story = accepted(
        "duration: 1h
taskDefinitions:
  web:
    requiresCompatibilities: [EXTERNAL]
    volumes: [{name: shared, s3filesVolumeConfiguration: {fileSystemArn: fs-1}}]
    containerDefinitions:
      - {name: web, image: web, memory: 512, resourceRequirements: [{type: InferenceAccelerator, value: device-1}], logConfiguration: {logDriver: awslogs}}
services:
  web:
    taskDefinition: web
    desiredCount: 1
    launchType: EXTERNAL
    serviceRegistries: []
    deploymentConfiguration: {deploymentCircuitBreaker: {enable: true, rollback: true}}
    placementConstraints: [{type: memberOf, expression: 'attribute:ecs.instance-type == t3.medium'}]
  quiet:
    taskDefinition: web
    desiredCount: 1
    deploymentController: {type: ECS}
    serviceConnectConfiguration: {enabled: false}
    deploymentConfiguration: {deploymentCircuitBreaker: {enable: false, rollback: false}}
",
    );
    let found: Vec<&str> = story.unsupported.messages().collect();
    assert_eq!(
        found,
        [
            "`requiresCompatibilities: EXTERNAL` of task definition `web:1` is not simulated yet",
            "`s3filesVolumeConfiguration` of task definition `web:1` is not simulated yet",
            "an Elastic Inference accelerator (`resourceRequirements` of container `web` of task definition `web:1`) is not simulated yet",
            "`launchType: EXTERNAL` of service `web` is not simulated yet",
        ]
    );
    let note = "accepted without effect (container definition): logConfiguration";
    assert!(story.notes.iter().any(|it| it == note), "{:?}", story.notes);
}

#[test]
fn whatever_is_not_simulated_is_named() {
    let scaled = "scalableTargets: {web: {MinCapacity: 1, MaxCapacity: 9}}\nscalingPolicies: {p: {service: web, ";
    let tracking = "TargetTrackingScalingPolicyConfiguration: {TargetValue: 1, ";
    let group = |fields: &str| {
        format!("autoScalingGroups: {{asg: {{InstanceType: m5.large, MinSize: 0, MaxSize: 1, {fields}}}}}")
    };
    let service = |fields: &str| format!("variants: {{v: {{patch: {{services: {{web: {{{fields}}}}}}}}}}}");
    let target_group = |fields: &str| format!("variants: {{v: {{patch: {{targetGroups: {{web: {{{fields}}}}}}}}}}}");
    let task = |fields: &str| format!("variants: {{v: {{patch: {{taskDefinitions: {{web: {{{fields}}}}}}}}}}}");
    for (more, named) in [
        (service("serviceRegistries: [{registryArn: x}]"), "`serviceRegistries`"),
        (service("serviceConnectConfiguration: {enabled: true}"), "`serviceConnectConfiguration`"),
        (service("launchType: MANAGED_INSTANCES"), "`launchType: MANAGED_INSTANCES`"),
        (target_group("Protocol: TCP"), "`Protocol: TCP`"),
        (target_group("TargetType: lambda"), "`TargetType: lambda`"),
        (target_group("HealthCheckEnabled: false"), "`HealthCheckEnabled: false`"),
        (target_group("Attributes: {stickiness.type: source_ip}"), "`stickiness.type`"),
        (task("proxyConfiguration: {type: APPMESH, containerName: envoy}"), "`proxyConfiguration`"),
        (group("warmPoolsCheck: false, WarmPoolConfiguration: {MinSize: 1}"), "`ECS_WARM_POOLS_CHECK`"),
        (group("TerminationPolicies: ['arn:aws:lambda:us-east-1:1:function:choose:prod']"), "a Lambda function"),
        (
            group("AvailabilityZoneDistribution: {CapacityDistributionStrategy: reservations-then-balanced}"),
            "`reservations-then-balanced`",
        ),
        (
            group("")
                + "\nscalingPolicies: {p: {AutoScalingGroupName: asg, PolicyType: PredictiveScaling, PredictiveScalingConfiguration: \
                   {MetricSpecifications: [{TargetValue: 50, PredefinedMetricPairSpecification: {PredefinedMetricType: ASGNetworkIn}}]}}}",
            "network traffic of instances",
        ),
        (
            format!("{scaled}{tracking}CustomizedMetricSpecification: {{Namespace: Shop, MetricName: x}}}}}}}}"),
            "metric `x` of `Shop`",
        ),
        (
            "alarms: {a: {MetricName: NetworkIn, Namespace: AWS/EC2, EvaluationPeriods: 1, Threshold: 1, \
             ComparisonOperator: LessThanThreshold}}"
                .to_owned(),
            "`NetworkIn`",
        ),
        (
            "alarms: {a: {MetricName: CPUUtilization, EvaluationWindow: {x: 1}, EvaluationPeriods: 1, Threshold: 1, \
             ComparisonOperator: LessThanThreshold}}"
                .to_owned(),
            "`EvaluationWindow`",
        ),
    ] {
        let story = accepted(&web(&format!("{more}\n")));
        let found: Vec<&str> = story.unsupported.messages().collect();
        let [only] = found.as_slice() else { panic!("{more}\n{found:?}") };
        assert!(only.contains(named) && only.ends_with("is not simulated yet"), "{more}\n{only}");
    }
}

#[test]
fn registration_accepts_what_aws_accepts() {
    for (mode, container) in [
        ("bridge", "memory: 256, memoryReservation: 256"),
        ("bridge", "memory: 512, portMappings: [{containerPort: 80, hostPort: 8080}]"),
        ("bridge", "memory: 512, portMappings: [{containerPort: 80, hostPort: 0, protocol: udp}]"),
        ("host", "memory: 512, portMappings: [{containerPort: 80, hostPort: 80}]"),
        ("awsvpc", "memory: 512, portMappings: [{containerPort: 80}]"),
        ("none", "memory: 512, portMappings: []"),
        ("bridge", "memoryReservation: 128, cpu: 0, memory: null"),
    ] {
        accepted(&format!(
            "duration: 1h
taskDefinitions: {{a: {{networkMode: {mode}, containerDefinitions: [{{name: a, image: a, {container}}}]}}}}"
        ));
    }
}

/// The folder of real files, where there is one.
fn data() -> Option<PathBuf> {
    let data = std::env::var_os("PLIMSOLL_DATA").map(PathBuf::from);
    if data.is_none() {
        println!("skipped: PLIMSOLL_DATA does not say where the real files are");
    }
    data
}

/// Reads a scenario that names files of the data folder.
fn read_over_data(data: &Path, text: &str) -> Result<Story, Problems> {
    read(Path::new("scenario.yaml"), &mut |path| match path.to_str() {
        Some("scenario.yaml") => Ok(text.as_bytes().to_vec()),
        _ => std::fs::read(data.join(path)),
    })
}

fn json_files(data: &Path, folder: &str, prefix: &str) -> Vec<String> {
    let mut found: Vec<String> = std::fs::read_dir(data.join(folder))
        .expect("the folder is there")
        .map(|it| it.expect("readable").file_name().into_string().expect("UTF-8"))
        .filter(|it| it.starts_with(prefix) && it.ends_with(".json"))
        .map(|it| format!("{folder}/{it}"))
        .collect();
    found.sort();
    assert!(!found.is_empty(), "{folder}/{prefix}*.json");
    found
}

#[test]
fn real_task_definitions_are_accepted_as_they_are() {
    let Some(data) = data() else { return };
    let mut files = json_files(&data, "task-definitions/aws-samples", "");
    files.extend(json_files(&data, "task-definitions/ecs-guide", ""));
    files.extend(json_files(&data, "aws-cli/ecs", "register-task-definition"));
    files.extend(json_files(&data, "ecspresso", "td"));
    for file in files {
        let text = format!("duration: 1m\ntaskDefinitions: {{it: 'file://{file}'}}\n");
        let story = read_over_data(&data, &text).unwrap_or_else(|it| panic!("{}", it.render(false)));
        assert_eq!(story.variants[0].task_definitions.len(), 1, "{file}");
        // Two break rules of RegisterTaskDefinition, so they can be read, and not run.
        let reason = match file.as_str() {
            "task-definitions/aws-samples/kibana_ec2.json" => "differs from its `containerPort`",
            "task-definitions/ecs-guide/example_task_definitions-5.json" => "has no memory",
            _ => continue,
        };
        assert!(story.unsupported.messages().any(|it| it.contains(reason)), "{file}");
    }
}

#[test]
fn real_services_are_accepted_as_they_are() {
    let Some(data) = data() else { return };
    let mut files = json_files(&data, "aws-cli/ecs", "create-service");
    files.extend(["ecspresso/sv.json".to_owned(), "ecspresso/ecs-service-def.json".to_owned()]);
    for file in files {
        let bytes = std::fs::read(data.join(&file)).expect("readable");
        let json: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        let service = json.get("service").unwrap_or(&json);
        let text = scenario_around(service, &file);
        let story = read_over_data(&data, &text).unwrap_or_else(|it| panic!("{text}\n{}", it.render(false)));
        // A service in the hands of an external controller has no task definition, so there is nothing to keep.
        let expected = usize::from(service["deploymentController"]["type"] != "EXTERNAL");
        assert_eq!(story.variants[0].services.len(), expected, "{file}");
    }
}

/// A scenario that defines whatever a service refers to.
fn scenario_around(service: &serde_json::Value, file: &str) -> String {
    let definition = service["taskDefinition"].as_str().unwrap_or("it");
    let definition = definition.rsplit('/').next().expect("a name");
    let balancer = &service["loadBalancers"][0];
    let container = balancer["containerName"].as_str().unwrap_or("it");
    let port = balancer["containerPort"].as_u64().unwrap_or(80);
    let group = balancer["targetGroupArn"].as_str().and_then(|it| it.split('/').nth(1)).unwrap_or("it");
    // A Classic Load Balancer sends to instances, at one port.
    let classic = balancer["loadBalancerName"].as_str();
    let fargate = if service["launchType"] == "FARGATE" {
        "requiresCompatibilities: [FARGATE], cpu: 256, memory: 512, "
    } else {
        ""
    };
    let (mode, host_port) = if classic.is_some() { ("bridge", port) } else { ("awsvpc", 0) };
    let load_balancers =
        classic.map_or(String::new(), |name| format!("loadBalancers: {{front: {{}}, {name}: {{Type: classic}}}}\n"));
    let front = if classic.is_some() { ", loadBalancer: front" } else { "" };
    let configured = service["volumeConfigurations"].as_array().into_iter().flatten();
    let volumes: Vec<String> =
        configured.map(|it| format!("{{name: {}, configuredAtLaunch: true}}", it["name"])).collect();
    let volumes = volumes.join(", ");
    let host_port = if host_port > 0 { format!(", hostPort: {host_port}") } else { String::new() };
    format!(
        "duration: 1m
{load_balancers}taskDefinitions:
  '{definition}': {{
    {fargate}networkMode: {mode}, volumes: [{volumes}],
    containerDefinitions: [{{name: {container}, image: it, memory: 512, portMappings: [{{containerPort: {port}{host_port}}}]}}] }}
targetGroups: {{{group}: {{TargetType: ip{front}}}}}
services: {{it: 'file://{file}'}}
"
    )
}

#[test]
fn real_capacity_providers_target_groups_and_policies_are_accepted() {
    let Some(data) = data() else { return };
    for (text, simulated) in [
        (
            "autoScalingGroups: {MyAutoScalingGroup: {InstanceType: m5.large, MinSize: 0, MaxSize: 4}}
capacityProviders: file://aws-cli/ecs/describe-capacity-providers-1.json",
            true,
        ),
        (
            "autoScalingGroups: {MyAutoScalingGroup: {InstanceType: m5.large, MinSize: 0, MaxSize: 4}}
capacityProviders: file://aws-cli/ecs/describe-capacity-providers-2.json",
            true,
        ),
        ("targetGroups: file://aws-cli/elbv2/create-target-group-1.json", true),
        ("targetGroups: file://aws-cli/elbv2/create-target-group-2.json", false),
        ("targetGroups: file://aws-cli/elbv2/create-target-group-3.json", false),
        ("targetGroups: file://aws-cli/elbv2/create-target-group-4.json", false),
        ("targetGroups: file://aws-cli/elbv2/create-target-group-5.json", false),
        (
            "cluster: {availabilityZones: [us-west-2a, us-west-2b, us-west-2c]}
autoScalingGroups:
  my-asg: {<<: file://aws-cli/autoscaling/describe-auto-scaling-groups-1.json, InstanceType: m5.large}",
            true,
        ),
    ] {
        let story = read_over_data(&data, &format!("duration: 1m\n{text}\n"));
        let story = story.unwrap_or_else(|it| panic!("{text}\n{}", it.render(false)));
        assert_eq!(story.unsupported.is_empty(), simulated, "{text}\n{}", story.unsupported.render(false));
    }
    for (file, group, simulated) in [("1", "web", 1), ("3", "web", 0), ("5", "EC2Co-Defau-LDNM7Q3ZH1ZN", 1)] {
        let text = format!(
            "duration: 1m
taskDefinitions: {{it: {{containerDefinitions: [{{name: it, image: it, memory: 512, portMappings: [{{containerPort: 80}}]}}]}}}}
targetGroups: {{{group}: {{}}}}
services: {{it: {{desiredCount: 1, loadBalancers: [{{targetGroupArn: {group}, containerName: it, containerPort: 80}}]}}}}
scalableTargets: {{it: {{MinCapacity: 1, MaxCapacity: 9}}}}
scalingPolicies:
  it:
    service: it
    TargetTrackingScalingPolicyConfiguration: file://aws-cli/application-autoscaling/put-scaling-policy-{file}.json
"
        );
        let story = read_over_data(&data, &text).unwrap_or_else(|it| panic!("{text}\n{}", it.render(false)));
        assert_eq!(story.variants[0].scaling_policies.len(), simulated, "{file}");
    }
}

#[test]
fn real_traces_are_accepted() {
    let Some(data) = data() else { return };
    let mut files: Vec<String> = Vec::new();
    for folder in ["load", "cloudwatch"] {
        for entry in std::fs::read_dir(data.join(folder)).expect("the folder is there") {
            files.push(format!("{folder}/{}", entry.expect("readable").file_name().to_str().expect("UTF-8")));
        }
    }
    files.sort();
    for file in files {
        let text = web(&format!("workloads: {{users: {{service: web, arrivals: {{trace: {{file: {file}}}}}}}}}\n"));
        let story = read_over_data(&data, &text).unwrap_or_else(|it| panic!("{}", it.render(false)));
        let workload = story.variants[0].workloads.iter().next().expect("one workload");
        let ArrivalProcess::Counts { counts, interval, .. } = &workload.arrivals else { panic!("counts: {file}") };
        let total: u64 = counts.iter().sum();
        // Rows and sums as the data's README lists them.
        let expected = match file.as_str() {
            "load/nasa-http-1995-07.csv" => Some((39_693, 1_891_713, 60_000)),
            "load/wikipedia-2007-09-18-per-second.csv" => Some((3_601, 10_569_540, 1_000)),
            "load/wikipedia-2007-09-18-first10min-per-100ms.csv" => Some((6_000, 1_800_371, 100)),
            "load/twitter-stream-2021-08-a.csv" => Some((20_160, 76_878_572, 60_000)),
            _ => None,
        };
        if let Some((rows, sum, millis)) = expected {
            assert_eq!((counts.len(), total, *interval), (rows, sum, Span::millis(millis)), "{file}");
        }
    }
}

/// AWS contradicts itself about numbers of days: EventBridge counts from 1 for Sunday, an example of Application Auto Scaling as Unix.
#[test]
fn days_of_the_week_as_numbers_are_remarked_on() {
    let notes = |schedule: &str| {
        let text = format!(
            "scalableTargets: {{web: {{MinCapacity: 1, MaxCapacity: 9}}}}
scheduledActions: {{up: {{service: web, Schedule: {schedule}, ScalableTargetAction: {{MinCapacity: 3}}}}}}
"
        );
        let story = accepted(&web(&text));
        story.notes.into_iter().filter(|it| it.contains("1 = SUN")).count()
    };
    assert_eq!(notes("cron(30 6 * * 2 *)"), 1);
    assert_eq!(notes("cron(30 6 ? * MON *)"), 0);
}

#[test]
fn bounds_that_leave_an_update_no_move_are_noted() {
    let notes = |service: &str, update: &str| {
        let text = format!(
            "duration: 1h
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 1, MaxSize: 1 }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, image: web, cpu: 64, memory: 64 }}] }} }}
services: {{ web: {{ taskDefinition: web, {service} }} }}
timeline: [{{ at: 5m, updateService: {{ service: web, {update} }} }}]"
        );
        let story = read(Path::new("bounds.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
            .unwrap_or_else(|problems| panic!("{text}\n{}", problems.render(false)));
        story
            .notes
            .into_iter()
            .filter(|it| it.contains("can never replace") || it.contains("can replace no"))
            .collect::<Vec<String>>()
    };
    let none: [String; 0] = [];
    assert_eq!(notes("", "desiredCount: 2"), none);
    let both = "deploymentConfiguration: { minimumHealthyPercent: 100, maximumPercent: 100 }";
    assert_eq!(
        notes("", both),
        [
            "`updateService` of service `web`: it can never replace a task: minimumHealthyPercent and maximumPercent are both 100"
        ]
    );
    assert_eq!(notes(both, "desiredCount: 2").len(), 1, "of the service itself");
    let halves = "deploymentConfiguration: { minimumHealthyPercent: 50, maximumPercent: 150 }";
    assert_eq!(
        notes("desiredCount: 1", halves),
        [
            "`updateService` of service `web`: it can replace no task while 1 is wanted: minimumHealthyPercent 50 keeps 1, rounded up, and \
          maximumPercent 150 allows 1, rounded down"
        ]
    );
    assert_eq!(notes("desiredCount: 2", halves), none);
    assert_eq!(
        notes("desiredCount: 2", "deploymentConfiguration: { maximumPercent: 100 }").len(),
        1,
        "with the minimum that the service has"
    );
}

#[test]
fn content_filters_that_are_not_simulated_are_named() {
    let told = |detail: &str| {
        let text = format!(
            "duration: 1h
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 1, MaxSize: 1 }} }}
taskDefinitions: {{ job: {{ containerDefinitions: [{{ name: job, image: job, cpu: 64, memory: 64 }}] }} }}
buckets: {{ up: {{ objects: {{ poisson: {{ rate: 1/s }} }}, keys: [{{ key: a, weight: 1 }}] }} }}
rules: {{ up: {{ EventPattern: {{ source: [aws.s3], detail-type: [Object Created], detail: {{ {detail} }} }}, Targets: [{{ Id: it, EcsParameters: {{ TaskDefinitionArn: job }} }}] }} }}"
        );
        match read(Path::new("filters.yaml"), &mut |_| Ok(text.as_bytes().to_vec())) {
            Ok(story) => story.unsupported.messages().map(str::to_owned).collect::<Vec<_>>().join("\n"),
            Err(problems) => panic!("{detail}\n{}", problems.render(false)),
        }
    };
    for (detail, filter) in [
        ("bucket: { name: [up] }, object: { key: [{ anything-but: b }] }", "anything-but"),
        ("bucket: { name: [up] }, object: { key: [{ exists: true }] }", "exists"),
        ("bucket: { name: [{ prefix: up }] }", "prefix"),
        ("bucket: { name: [up] }, object: { key: [a], size: [{ numeric: [\">\", 0] }] }", "size"),
        ("bucket: { name: [up] }, reason: [PutObject]", "reason"),
    ] {
        assert!(told(detail).contains(&format!("`{filter}`")), "{detail}: {}", told(detail));
    }
    assert_eq!(told("bucket: { name: [up] }, object: { key: [{ prefix: a }] }"), "");
}

#[test]
fn a_note_names_the_variants_that_it_concerns() {
    let text = "duration: 1h
autoScalingGroups:
  nodes: { InstanceType: m5.large, MinSize: 1, MaxSize: 1 }
  more: { InstanceType: m5.large, MinSize: 1, MaxSize: 1000 }
taskDefinitions: { web: { containerDefinitions: [{ name: web, image: web, cpu: 256, memory: 256 }] } }
services: { web: { taskDefinition: web, desiredCount: 1 } }
timeline: [{ at: 2h, updateService: { service: web, desiredCount: 2 } }]
variants:
  large: { patch: { autoScalingGroups: { nodes: { MaxSize: 5000, MinSize: 1 } } } }
  larger: { patch: { autoScalingGroups: { nodes: { MaxSize: 5000, MinSize: 2 } } } }
";
    let story = read(Path::new("notes.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
        .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    let about = |words: &str| -> Vec<&String> { story.notes.iter().filter(|it| it.contains(words)).collect() };
    assert_eq!(
        about("comes after the end of the run"),
        ["`timeline`: the change at 2h comes after the end of the run"]
    );
    let [large] = about("6000 instances")[..] else { panic!("{:?}", story.notes) };
    assert!(large.starts_with("large, larger: the groups may grow to 6000 instances together"), "{large}");
}
