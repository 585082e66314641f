//! Why instances are there: each for one reason at a time, for all of its life, and the arithmetic behind managed scaling.

use std::path::Path;

use plimsoll::engine::simulate;
use plimsoll::report::capacity::{explained, instance_lines, managed_scaling_paragraphs, paragraphs, reason_totals};
use plimsoll::rng::Seed;
use plimsoll::run::{AliveReason, CostKind, Run};
use plimsoll::scenario;
use plimsoll::units::{Instant, Span};

/// A group of m5.large behind a capacity provider, with a service of tasks that take half of one; `counts` are the desired
/// counts by minute.
fn run(group: &str, managed_scaling: &str, counts: &[(u64, u32)], strategy: &str) -> Run {
    let changes = counts.iter().map(|(minute, count)| {
        format!("  - {{ at: {minute}m, updateService: {{ service: web, desiredCount: {count} }} }}\n")
    });
    let text = format!(
        "duration: 2h
cluster: {{ availabilityZones: [us-east-1a] }}
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, {group} }} }}
capacityProviders: {{ nodes: {{ autoScalingGroupProvider: {{ autoScalingGroupArn: nodes, {managed_scaling} }} }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, image: web, cpu: 1024, memory: 512 }}] }} }}
services:
  web: {{ taskDefinition: web, desiredCount: 4, placementStrategy: [{strategy}], capacityProviderStrategy: [{{ capacityProvider: nodes }}] }}
timeline:
{}",
        changes.collect::<String>()
    );
    let story = scenario::read(Path::new("reasons.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
        .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    simulate(&story.variants[0], Seed { seed: 1, replication: 0 })
}

const PACKED: &str = "{ type: binpack, field: cpu }";
const SPREAD: &str = "{ type: spread, field: instanceId }";

/// Every instance has one reason after the other from its launch until its end, and they cost what the group does.
fn check_whole(run: &Run) {
    let end = Instant::START + run.simulated;
    for (place, life) in run.instances.iter().enumerate() {
        let mut at = life.launched_at;
        for row in run.instance_reasons.iter().filter(|row| row.instance == place) {
            assert_eq!(row.from, at, "{}", life.name);
            assert!(row.until > row.from);
            at = row.until;
        }
        assert_eq!(at, life.terminated_at.unwrap_or(end), "{}", life.name);
    }
    let totals = reason_totals(run);
    let sum: f64 = totals.iter().map(|it| it.1.cost_usd).sum();
    let of_ec2: f64 = run.costs.iter().filter(|it| it.kind == CostKind::Ec2).map(|it| it.usd).sum();
    assert!((sum - of_ec2).abs() < 1e-9, "{sum} of {of_ec2}");
    assert!((sum - run.cost.instances_usd).abs() < 1e-9, "{sum} of {}", run.cost.instances_usd);
    let hours: f64 = totals.iter().map(|it| it.1.instance_hours).sum();
    assert!((hours - run.instance_hours).abs() < 1e-9);
}

fn hours(run: &Run, reason: AliveReason) -> f64 {
    reason_totals(run).iter().find(|it| it.0 == reason).map_or(0.0, |it| it.1.instance_hours)
}

#[test]
fn growth_and_decline_are_told_reason_by_reason() {
    let run = run("MinSize: 1, MaxSize: 10, DesiredCapacity: 2", "managedScaling: {}", &[(5, 12), (40, 2)], PACKED);
    check_whole(&run);
    // Four launched instances, 35 s and 40 s each; looked at each minute.
    let boots = hours(&run, AliveReason::Boots) * 60.0;
    assert!((4.0..=8.0).contains(&boots), "{boots} minutes");
    // From minute 40 on four are empty, and two have a task each: until the alarm has its datapoints, then by less than half a minute.
    let waits = hours(&run, AliveReason::LowAlarm) * 60.0 / 4.0;
    assert!((15.0..18.0).contains(&waits), "{waits} minutes each");
    let by_pace = run.instance_reasons.iter().filter(|row| row.reason == AliveReason::ScaleInPace).count();
    assert!(by_pace > 0);
    assert_eq!(hours(&run, AliveReason::TargetCapacity), 0.0);
    // The two tasks that are left stand apart until the instance of one of them is chosen to go, and is drained.
    let apart = hours(&run, AliveReason::ThinlySpreadTasks);
    assert!((0.2..0.3).contains(&apart), "{apart}");
}

#[test]
fn what_is_kept_free_and_what_is_kept_at_the_least() {
    let spare =
        run("MinSize: 0, MaxSize: 10, DesiredCapacity: 4", "managedScaling: { targetCapacity: 50 }", &[], PACKED);
    check_whole(&spare);
    // Two of four hold the tasks; the others are what 50 % keeps free.
    assert!((hours(&spare, AliveReason::TargetCapacity) - 4.0).abs() < 1e-9);
    let least = run("MinSize: 3, MaxSize: 10", "managedScaling: {}", &[], PACKED);
    check_whole(&least);
    assert!((hours(&least, AliveReason::MinSize) - 2.0).abs() < 1e-9);
    let unmanaged = run("MinSize: 0, MaxSize: 10, DesiredCapacity: 3", "", &[], PACKED);
    check_whole(&unmanaged);
    assert!((hours(&unmanaged, AliveReason::NoScaleIn) - 2.0).abs() < 1e-9);
}

#[test]
fn tasks_that_are_spread_thinly_hold_instances_that_packing_would_free() {
    let run = run("MinSize: 4, MaxSize: 10", "managedScaling: {}", &[], SPREAD);
    check_whole(&run);
    assert!((hours(&run, AliveReason::Tasks) - 4.0).abs() < 1e-9);
    assert!((hours(&run, AliveReason::ThinlySpreadTasks) - 4.0).abs() < 1e-9);
}

/// Eight tasks more than fit: two to an m5.large, so four instances; the arithmetic of *Amazon ECS managed scaling behavior*.
#[test]
fn a_decision_of_managed_scaling_has_its_arithmetic() {
    let run = run("MinSize: 0, MaxSize: 10, DesiredCapacity: 2", "managedScaling: {}", &[(5, 12)], PACKED);
    let decided = |it: &&plimsoll::run::ManagedScalingMinute| it.decisions.iter().any(|it| it.1.starts_with("desired"));
    let row = run.managed_scaling_minutes.iter().find(decided).expect("it grows");
    assert_eq!(
        explained(&run, row),
        "M = 6 (8 waiting tasks of service `web` (1024 CPU units, 512 MiB), 2 to an instance, need 4 more), N = 2, reservation 300 \
         against 100; low alarm 0 of 15; desired 2 to 6 (M = 6, N = 2, reservation 300, target 100)"
    );
    assert!(
        row.decisions[0].0 > Instant::START + Span::MINUTE * 6,
        "the metric is of the minute after the tasks came to wait"
    );
    let minutes = run.managed_scaling_minutes.iter();
    assert!(minutes.clone().all(|it| it.measured.present <= 6 && it.never_grown_for == 0));
    assert_eq!(minutes.count(), 120);
}

/// A group by itself, for two hours.
fn lives(group: &str, more: &str) -> Run {
    let text = format!("duration: 2h\nautoScalingGroups: {{ nodes: {{ MinSize: 0, MaxSize: 10, {group} }} }}\n{more}");
    let story = scenario::read(Path::new("reasons.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
        .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    simulate(&story.variants[0], Seed { seed: 1, replication: 0 })
}

fn dollars(run: &Run, reason: AliveReason) -> f64 {
    reason_totals(run).iter().find(|it| it.0 == reason).map_or(0.0, |it| it.1.cost_usd)
}

/// What reasons cost is what EC2 bills: nothing for a Spot Instance that it takes back in its first hour, each time that an instance
/// of a warm pool runs, and what waits for hooks.
#[test]
fn reasons_cost_what_is_billed() {
    let spot = "MixedInstancesPolicy: { LaunchTemplate: { Overrides: [{ InstanceType: m5.large }] }, InstancesDistribution: { OnDemandPercentageAboveBaseCapacity: 0 } }, DesiredCapacity: 4";
    let interrupt = "timeline: [{ at: 10m, interruptSpotInstances: { autoScalingGroup: nodes, count: 1 } }]";
    let taken_back = lives(spot, interrupt);
    let lost = taken_back.instances.iter().position(|it| it.terminated_at.is_some()).expect("one is interrupted");
    let cost_of = |place: usize| taken_back.instances[place].bills.iter().map(|it| it.usd).sum::<f64>();
    assert_eq!(cost_of(lost), 0.0);
    let hook = |completes: &str, result: &str| {
        format!(
            "InstanceType: m5.large, DesiredCapacity: 2, LifecycleHookSpecificationList: [{{ LifecycleHookName: prepare, LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING', completes: {completes}, result: {result} }}]"
        )
    };
    let grow = "timeline: [{ at: 10m, updateAutoScalingGroup: { autoScalingGroup: nodes, DesiredCapacity: 4 } }]";
    let waits = lives(&hook("10m", "CONTINUE"), grow);
    // Two wait ten minutes in Pending:Wait, after the 35 s and 10 s before that EC2 does not bill.
    let billed = 0.096 * (2.0 * 2.0 + 2.0 * (7200.0 - 645.0) / 3600.0);
    let all: f64 = reason_totals(&waits).iter().map(|it| it.1.cost_usd).sum();
    assert!((all - billed).abs() < 1e-9, "{all} of {billed}");
    // Each is gone within a minute of its launch, and billed for one.
    let given_up = lives(&hook("5s", "ABANDON"), grow);
    let pool = |state: &str| {
        lives(
            &format!(
                "InstanceType: m5.large, DesiredCapacity: 2, WarmPoolConfiguration: {{ PoolState: {state}, MaxGroupPreparedCapacity: 5 }}"
            ),
            grow,
        )
    };
    let (running, stopped) = (pool("Running"), pool("Stopped"));
    assert!(dollars(&running, AliveReason::WarmPool) > 0.096 * 2.0, "one or more for two hours");
    assert_eq!(dollars(&stopped, AliveReason::WarmPool), 0.0);
    for run in [&taken_back, &waits, &given_up, &running, &stopped] {
        let sum: f64 = reason_totals(run).iter().map(|it| it.1.cost_usd).sum();
        let of_ec2: f64 = run.costs.iter().filter(|it| it.kind == CostKind::Ec2).map(|it| it.usd).sum();
        assert!((sum - of_ec2).abs() < 1e-9 && sum > 0.0, "{sum} of {of_ec2}");
    }
}

/// An agent may have registered before its instance's hooks are done: it is then the hook that the instance is there for.
#[test]
fn what_waits_for_hooks_or_stands_by_is_there_for_that() {
    let hooks = "InstanceType: m5.large, DesiredCapacity: 2, LifecycleHookSpecificationList: [{ LifecycleHookName: prepare, LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING', completes: 10m }, { LifecycleHookName: save, LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING', completes: 6m }]";
    let changes = "timeline: [{ at: 10m, updateAutoScalingGroup: { autoScalingGroup: nodes, DesiredCapacity: 4 } }, { at: 60m, updateAutoScalingGroup: { autoScalingGroup: nodes, DesiredCapacity: 3 } }, { at: 90m, enterStandby: { autoScalingGroup: nodes, count: 1, ShouldDecrementDesiredCapacity: true } }]";
    let run = lives(hooks, changes);
    let waited = hours(&run, AliveReason::LifecycleHook);
    // Two for ten minutes less the 40 s of their agents, one for six; looked at each minute.
    assert!((waited - (2.0 * 560.0 + 360.0) / 3600.0).abs() < 4.0 / 60.0, "{waited}");
    assert!((hours(&run, AliveReason::Standby) - 0.5).abs() < 2.0 / 60.0, "{}", hours(&run, AliveReason::Standby));
    let details: Vec<&str> = run
        .instance_reasons
        .iter()
        .filter(|it| it.reason == AliveReason::LifecycleHook)
        .map(|it| it.detail.as_str())
        .collect();
    assert_eq!(details, ["Pending:Wait", "Pending:Wait", "Terminating:Wait"]);
    check_whole(&run);
}

/// A group that its own policies scale keeps what is empty until their low alarms are in ALARM, and says which is not.
#[test]
fn an_empty_instance_waits_for_the_policies_of_its_group() {
    let text = "duration: 1h
cluster: { availabilityZones: [us-east-1a] }
autoScalingGroups: { nodes: { InstanceType: m5.large, MinSize: 1, MaxSize: 4, DesiredCapacity: 2 } }
metrics: { load: { delay: 0s, steps: [{ at: 0s, value: 50 }, { at: 30m, value: 10 }] } }
assumptions: { alarmPhase: 6s }
scalingPolicies: { half: { AutoScalingGroupName: nodes, PolicyType: TargetTrackingScaling, TargetTrackingConfiguration: { TargetValue: 50, CustomizedMetricSpecification: { Namespace: Custom, MetricName: load, Statistic: Average } } } }
";
    let story = scenario::read(Path::new("reasons.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
        .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    let run = simulate(&story.variants[0], Seed { seed: 1, replication: 0 });
    check_whole(&run);
    // Both wait for 45 minutes, of which the last 15 are those of the low alarm; looked at each minute.
    let waited = hours(&run, AliveReason::GroupPolicies);
    assert!((1.46..1.54).contains(&waited), "{waited}");
    assert_eq!(hours(&run, AliveReason::NoScaleIn), 0.0);
    let rows = run.instance_reasons.iter().filter(|row| row.reason == AliveReason::GroupPolicies);
    assert!(rows.map(|row| &row.detail).all(|it| it.starts_with("the low alarm of half is ")));
    let text = words(&paragraphs(&[vec![&run]]));
    assert!(text.contains("empty, and the group's policies do not scale in ($ 0.1"), "{text}");
}

/// With line breaks as spaces.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_terminal_tells_by_which_figures_a_group_was_sized() {
    let run = run("MinSize: 0, MaxSize: 10, DesiredCapacity: 2", "managedScaling: {}", &[(5, 12), (40, 2)], PACKED);
    let text = words(&managed_scaling_paragraphs(&[vec![&run]]));
    let growth = "M = 6 (8 tasks of service `web` wait, 2 to an instance), N = 2, reservation 300, target 100, high alarm 1 of 1;";
    assert!(text.contains("base: nodes 2 to 6 at 00:0") && text.contains(growth), "{text}");
    let decline = "M = 2 (those with tasks), N = 6, reservation 33, target 100, low alarm 15 of 15;";
    assert!(text.contains("; 6 to 4 at 00:5") && text.contains(decline), "{text}");
    let lines = instance_lines(&run);
    assert_eq!(lines.len(), run.instances.len());
    let kept = lines.iter().find(|it| it.contains("low-alarm")).expect("one waits for the low alarm");
    assert!(kept.contains(" low-alarm (") && kept.contains(" of 15 datapoints at first, $ 0.0"), "{kept}");
}
