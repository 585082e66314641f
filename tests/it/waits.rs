//! How long tasks wait for instances, how often groups change their size, and what managed scaling's alarms and steps have to do with it.

use std::path::Path;

use plimsoll::engine::simulate;
use plimsoll::report::placement::compares_placement;
use plimsoll::report::waits::compares_waits;
use plimsoll::rng::Seed;
use plimsoll::run::{Run, quantile};
use plimsoll::scenario;

/// Four instances with a task each, which another one does not fit beside; after five minutes `count` tasks are wanted.
fn text(zones: &str, max_size: u32, count: u32, managed_scaling: &str, assumptions: &str) -> String {
    format!(
        "duration: 1h
cluster: {{ availabilityZones: [{zones}] }}
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 0, MaxSize: {max_size}, DesiredCapacity: 4 }} }}
capacityProviders:
  nodes:
    autoScalingGroupProvider:
      autoScalingGroupArn: nodes
      managedScaling: {{ {managed_scaling} }}
      managedTerminationProtection: ENABLED
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, image: web, cpu: 1536, memory: 512 }}] }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: 4, capacityProviderStrategy: [{{ capacityProvider: nodes, weight: 1 }}] }} }}
timeline: [{{ at: 5m, updateService: {{ service: web, desiredCount: {count} }} }}]
assumptions: {{ {assumptions} }}
"
    )
}

fn runs(text: &str) -> Vec<Run> {
    let story = scenario::read(Path::new("waits.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
        .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    story.variants.iter().map(|it| simulate(it, Seed { seed: 1, replication: 0 })).collect()
}

fn run(text: &str) -> Run {
    runs(text).remove(0)
}

const ONE_ZONE: &str = "us-east-1a";
const THREE_ZONES: &str = "us-east-1a, us-east-1b, us-east-1c";

/// The desired capacities, one after the other, with the minute in which each was there first.
fn sizes(run: &Run) -> Vec<(u64, u32)> {
    let mut sizes: Vec<(u64, u32)> = run.capacity_minutes.iter().map(|it| (it.minute, it.desired_capacity)).collect();
    sizes.dedup_by_key(|it| it.1);
    sizes
}

#[test]
fn the_low_alarm_wants_as_many_datapoints_as_the_scenario_says() {
    let first_at = |datapoints: u32| {
        let run = run(&text(ONE_ZONE, 20, 1, "", &format!("capacityAlarmLowDatapoints: {datapoints}")));
        sizes(&run)[1].0
    };
    assert_eq!(first_at(15) - first_at(5), 10);
    assert_eq!(first_at(30) - first_at(15), 15);
    let default = run(&text(ONE_ZONE, 20, 1, "", ""));
    assert_eq!(sizes(&default)[1].0, first_at(15));
}

#[test]
fn the_high_alarm_wants_as_many_datapoints_as_the_scenario_says() {
    let first_at = |assumptions: &str| sizes(&run(&text(ONE_ZONE, 20, 12, "", assumptions)))[1].0;
    assert_eq!(first_at("capacityAlarmHighDatapoints: 3") - first_at(""), 2);
}

#[test]
fn a_group_over_several_zones_grows_by_the_least_step_where_the_rule_of_2020_holds() {
    let of_2020 = "capacityGrowsByMinimumStep: true";
    for (zones, managed_scaling, assumptions, to) in [
        (THREE_ZONES, "", of_2020, 5),
        (THREE_ZONES, "minimumScalingStepSize: 3", of_2020, 7),
        (THREE_ZONES, "", "", 12),
        (ONE_ZONE, "", of_2020, 12),
    ] {
        let run = run(&text(zones, 20, 12, managed_scaling, assumptions));
        assert_eq!(sizes(&run)[1].1, to, "{zones} {managed_scaling} {assumptions}");
    }
}

#[test]
fn a_wait_lasts_from_the_creation_of_a_task_to_its_place() {
    let run = run(&text(ONE_ZONE, 20, 12, "", ""));
    let waits = run.waits_for_instances(|_| true);
    // The four of the settled cluster have not waited for anything.
    assert_eq!(waits.len(), 8);
    let fresh = || run.tasks.iter().skip(4);
    for (wait, task) in waits.iter().zip(fresh()) {
        let placed_at = task.placed_at.expect("all find an instance");
        assert_eq!(*wait, placed_at.since(task.created_at).as_seconds());
        // The metric's minute, its delay, the alarm, the group and the boot.
        assert!((115.0..=220.0).contains(wait), "{wait}");
    }
    assert_eq!(quantile(&waits, 0.95), waits.last().copied());
    assert!(run.waits_for_instances(|task| task.service == Some(1)).is_empty());
    assert_eq!((run.capacity_changes(), run.instances_maximum()), ((1, 0), Some(12)));
}

#[test]
fn what_is_given_up_has_waited_until_then_and_what_waits_at_the_end_until_that() {
    let given_up = run(&text(ONE_ZONE, 5, 6, "", "provisioningTimeout: 10m"));
    let waits = given_up.waits_for_instances(|task| task.was_given_up());
    assert!(!waits.is_empty() && waits.iter().all(|it| *it == 600.0), "{waits:?}");
    let waiting = run(&text(ONE_ZONE, 5, 6, "", "provisioningTimeout: 2h"));
    let last = waiting.tasks.last().expect("there are tasks");
    let until_end = 3600.0 - last.created_at.as_seconds();
    assert_eq!(waiting.waits_for_instances(|_| true).last(), Some(&until_end));
}

#[test]
fn only_what_can_be_compared_is_drawn_beside_each_other() {
    let base = text(ONE_ZONE, 20, 12, "", "");
    let with = |patch: &str| format!("{base}variants: {{ other: {{ patch: {{ {patch} }} }} }}\n");
    let other_service = "{ taskDefinition: web, desiredCount: 1, placementStrategy: [{ type: binpack, field: cpu }] }";
    for (patch, placement) in [
        ("services: { web: { placementStrategy: [{ type: binpack, field: cpu }] } }".to_owned(), true),
        (format!("services: {{ other: {other_service} }}"), false),
        (
            "capacityProviders: { nodes: { autoScalingGroupProvider: { managedScaling: { targetCapacity: 80 } } } }"
                .to_owned(),
            false,
        ),
    ] {
        let runs = runs(&with(&patch));
        let variants: Vec<Vec<&Run>> = runs.iter().map(|run| vec![run]).collect();
        assert_eq!(compares_placement(&variants), placement, "{patch}");
        assert!(compares_waits(&variants), "{patch}");
        assert!(!compares_waits(&variants[..1]), "{patch}");
    }
}
