//! The time-to-capacity waterfall: its stages follow each other without a gap, and it finds where the seconds went.

use std::path::Path;

use plimsoll::engine::simulate;
use plimsoll::report::waterfall::{Stage, Step, Waterfall, waterfalls};
use plimsoll::rng::Seed;
use plimsoll::run::Run;
use plimsoll::scenario;
use plimsoll::units::Instant;

fn run(path: &str, variant: &str) -> Run {
    let story = scenario::read(Path::new(path), &mut |it| std::fs::read(it))
        .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    let scenario = story.variants.iter().find(|it| it.variant == variant).expect("the variant is there");
    simulate(scenario, Seed { seed: 1, replication: 0 })
}

/// One stage begins where the last ends.
fn check_whole(steps: &[Step], from: Instant, until: Option<Instant>) {
    let mut at = from;
    for step in steps {
        assert_eq!(step.from, at, "{step:?}");
        assert!(step.until >= step.from, "{step:?}");
        at = step.until;
    }
    assert_eq!(Some(at), until.or(Some(at)));
    assert!(steps.windows(2).all(|it| it[0].stage < it[1].stage), "{steps:?}");
}

fn seconds(steps: &[Step], stage: Stage) -> f64 {
    steps.iter().find(|it| it.stage == stage).map_or(0.0, |it| it.until.since(it.from).as_seconds())
}

#[test]
fn stages_follow_each_other_from_the_load_to_the_task() {
    let mut scale_outs = 0;
    for (path, variant) in [
        ("scenarios/aws-benchmark-load-step.yaml", "base"),
        ("scenarios/aws-benchmark-load-step.yaml", "each-20-seconds"),
        ("scenarios/capacity-provider-t4g.yaml", "base"),
        ("scenarios/lunch-rush.yaml", "base"),
        ("scenarios/black-friday.yaml", "base"),
    ] {
        let run = run(path, variant);
        for waterfall in waterfalls(&run) {
            let decided_at = waterfall.scale_out.decided_at;
            check_whole(&waterfall.decision, waterfall.began_at, Some(decided_at));
            check_whole(&waterfall.first, decided_at, None);
            check_whole(&waterfall.last, decided_at, None);
            assert!(Waterfall::running_at(&waterfall.first) <= Waterfall::running_at(&waterfall.last));
            scale_outs += 1;
        }
    }
    assert!(scale_outs >= 10, "{scale_outs}");
}

/// AWS (2026-09-15): 363 s with metrics each minute, 86 s with metrics each 20 s, new tasks 23 s later; each within a tenth.
#[test]
fn the_aws_benchmark_is_met_within_a_tenth() {
    for (variant, expected) in [("base", 363.0), ("each-20-seconds", 86.0)] {
        let run = run("scenarios/aws-benchmark-load-step.yaml", variant);
        let all = waterfalls(&run);
        let waterfall = all.first().expect("it scales out");
        let took = waterfall.until_decision().as_seconds();
        assert!((took - expected).abs() <= 0.1 * expected, "{variant}: {took} s of {expected}");
        let ran = Waterfall::running_at(&waterfall.first).expect("a new task runs");
        let later = ran.since(waterfall.scale_out.decided_at).as_seconds();
        assert!((later - 23.0).abs() <= 2.3, "{variant}: {later} s");
    }
    let run = run("scenarios/aws-benchmark-load-step.yaml", "base");
    let all = waterfalls(&run);
    // The load steps ten seconds into a minute; three whole minutes follow, and CloudWatch has the last after 90 s.
    let decision = &all[0].decision;
    assert!((seconds(decision, Stage::RestOfPeriod) - 50.0).abs() <= 1.0, "{decision:?}");
    assert!((seconds(decision, Stage::Datapoints) - 180.0).abs() < 1e-9);
    assert!((seconds(decision, Stage::Publication) - 90.0).abs() < 1e-9);
}

#[test]
fn tasks_that_wait_for_an_instance_show_what_they_wait_for() {
    let text = "duration: 30m
cluster: { availabilityZones: [us-east-1a] }
autoScalingGroups: { nodes: { InstanceType: m5.large, MinSize: 1, MaxSize: 10 } }
capacityProviders: { nodes: { autoScalingGroupProvider: { autoScalingGroupArn: nodes, managedScaling: {} } } }
taskDefinitions: { web: { containerDefinitions: [{ name: web, cpu: 1024, memory: 1024, portMappings: [{ containerPort: 80 }] }] } }
applications: { web: { cpuTime: 10ms } }
targetGroups: { web: {} }
services:
  web: { taskDefinition: web, desiredCount: 2, capacityProviderStrategy: [{ capacityProvider: nodes }], loadBalancers: [{ targetGroupArn: web, containerName: web, containerPort: 80 }] }
scalableTargets: { web: { MinCapacity: 2, MaxCapacity: 10 } }
scalingPolicies:
  cpu: { service: web, TargetTrackingScalingPolicyConfiguration: { TargetValue: 50, PredefinedMetricSpecification: { PredefinedMetricType: ECSServiceAverageCPUUtilization } } }
workloads: { clients: { service: web, arrivals: { steps: [{ at: 0s, rate: 60 }, { at: 10m, rate: 150 }] } } }
";
    let story = scenario::read(Path::new("waits.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
        .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    let run = simulate(&story.variants[0], Seed { seed: 1, replication: 0 });
    let all = waterfalls(&run);
    let waits = all.iter().find(|it| it.last.iter().any(|step| step.stage == Stage::InstanceBoot));
    let waits = waits.expect("a scale-out waits for instances");
    // Launch and registration take 35 s and 40 s by default.
    assert!((seconds(&waits.last, Stage::InstanceBoot) - 75.0).abs() < 1e-9, "{:?}", waits.last);
    assert!(seconds(&waits.last, Stage::CapacityProvider) > 30.0, "{:?}", waits.last);
    check_whole(&waits.last, waits.scale_out.decided_at, None);
}
