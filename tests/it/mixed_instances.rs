//! Groups of several instance types: which of them come, what managed scaling reckons with, and what a dry pool does.

use std::path::Path;

use plimsoll::run::{InstanceLife, Run};
use plimsoll::scenario;

use crate::stories::run;

/// A group without capacity provider; `distribution` and `more` as the file has them.
fn group(sizes: &str, overrides: &str, distribution: &str, more: &str) -> String {
    format!(
        "duration: 2h
cluster: {{ availabilityZones: [us-east-1a, us-east-1b] }}
autoScalingGroups:
  nodes:
    {sizes}
    MixedInstancesPolicy:
      LaunchTemplate: {{ Overrides: [{overrides}] }}
      InstancesDistribution: {{ {distribution} }}
{more}"
    )
}

const LARGE_AND_XLARGE: &str = "{ InstanceType: m5.large }, { InstanceType: m5.xlarge }";
const WEIGHTED: &str =
    "{ InstanceType: m5.large, WeightedCapacity: '1' }, { InstanceType: m5.2xlarge, WeightedCapacity: '4' }";

fn alive(run: &Run) -> Vec<&InstanceLife> {
    run.instances.iter().filter(|it| it.terminated_at.is_none()).collect()
}

/// Instances at the end by type, zone and purchase option.
fn counts(run: &Run) -> Vec<String> {
    let mut counts: Vec<(String, u32)> = Vec::new();
    for instance in alive(run) {
        let bought = run.instance_changes.iter().find(|it| it.instance == instance.name).expect("it was launched");
        let name =
            format!("{} {} {}", instance.instance_type, &instance.availability_zone[8..], bought.purchase_option);
        match counts.iter_mut().find(|it| it.0 == name) {
            Some(row) => row.1 += 1,
            None => counts.push((name, 1)),
        }
    }
    counts.sort();
    counts.into_iter().map(|(name, count)| format!("{count} {name}")).collect()
}

fn launch_failures(run: &Run) -> Vec<(u64, &str)> {
    let failures = run.events.iter().filter(|it| it.kind == "group.launch_failed");
    failures.map(|it| (it.at.as_seconds() as u64, it.message.as_str())).collect()
}

#[test]
fn w11_on_demand_base_and_share() {
    let distribution = "OnDemandBaseCapacity: 2, OnDemandPercentageAboveBaseCapacity: 30, SpotInstancePools: 1";
    let run = run(&group("MinSize: 10\n    MaxSize: 10", LARGE_AND_XLARGE, distribution, ""));
    assert_eq!(
        counts(&run),
        ["3 m5.large 1a on-demand", "2 m5.large 1a spot", "2 m5.large 1b on-demand", "3 m5.large 1b spot"]
    );
    // Spot at 0.35 of 0.096 USD, ten instances for two hours.
    assert!((run.cost.instances_usd - 2.0 * 0.096 * (5.0 + 5.0 * 0.35)).abs() < 1e-9, "{}", run.cost.instances_usd);
}

#[test]
fn w16_weights_go_beyond_the_desired_capacity() {
    let overrides =
        "{ InstanceType: m5.2xlarge, WeightedCapacity: '12' }, { InstanceType: m5.large, WeightedCapacity: '1' }";
    let run = run(&group("MinSize: 5\n    MaxSize: 20", overrides, "", ""));
    assert_eq!(counts(&run), ["1 m5.2xlarge 1a on-demand"], "12 units, 7 beyond the 5 that were missing");
}

#[test]
fn scale_in_takes_nothing_that_counts_for_more_than_is_too_much() {
    let more = "timeline: [{ at: 10m, updateAutoScalingGroup: { autoScalingGroup: nodes, DesiredCapacity: 6 } },
      { at: 30m, updateAutoScalingGroup: { autoScalingGroup: nodes, DesiredCapacity: 4 } }]";
    let overrides =
        "{ InstanceType: m5.2xlarge, WeightedCapacity: '4' }, { InstanceType: m5.large, WeightedCapacity: '1' }";
    let run = run(&group("MinSize: 0\n    MaxSize: 20\n    DesiredCapacity: 8", overrides, "", more));
    let terminated: Vec<u64> =
        run.instances.iter().filter_map(|it| it.terminated_at).map(|it| it.as_seconds() as u64 / 60).collect();
    assert_eq!(terminated, [30], "two units too many are less than the four of an instance");
}

#[test]
fn a_dry_pool_falls_to_the_next_type_then_to_the_next_zone() {
    let pools = "capacityPools:
  - { instanceType: m5.large, availabilityZones: [us-east-1a], available: 1 }
  - { instanceType: m5.xlarge, availabilityZones: [us-east-1a], available: 1 }";
    let run = run(&group("MinSize: 8\n    MaxSize: 8", LARGE_AND_XLARGE, "", pools));
    assert_eq!(counts(&run), ["1 m5.large 1a on-demand", "6 m5.large 1b on-demand", "1 m5.xlarge 1a on-demand"]);
    assert!(launch_failures(&run).is_empty());
}

#[test]
fn insufficient_capacity_is_tried_again_later_and_later() {
    let pools = "capacityPools: [{ instanceType: m5.large, purchaseOption: spot, available: 1 }, { instanceType: m5.xlarge, purchaseOption: spot, available: 0 }]
timeline: [{ at: 20m, updateCapacityPool: { instanceType: m5.xlarge, purchaseOption: spot, available: 9 } }]";
    let distribution = "OnDemandPercentageAboveBaseCapacity: 50";
    let run = run(&group("MinSize: 8\n    MaxSize: 8", LARGE_AND_XLARGE, distribution, pools));
    let [(0, first)] = launch_failures(&run)[..] else { panic!("{:?}", launch_failures(&run)) };
    assert_eq!(
        first,
        "Could not launch Spot Instances. InsufficientInstanceCapacity - There is no Spot capacity available that matches your \
         request for m5.large, m5.xlarge in us-east-1a, us-east-1b. Launching EC2 instance failed."
    );
    assert_eq!(
        counts(&run),
        [
            "2 m5.large 1a on-demand",
            "1 m5.large 1a spot",
            "2 m5.large 1b on-demand",
            "1 m5.large 1b spot",
            "1 m5.xlarge 1a spot",
            "1 m5.xlarge 1b spot",
        ],
        "On-Demand does not stand in for Spot"
    );
    // Tries after 30, 60, 120, 240 s and then every 300 s: at 30, 90, 210, 450, 750, 1050 and 1350.
    let last = run.instances.iter().map(|it| it.launched_at.as_seconds() as u64).max();
    assert_eq!(last, Some(1350));
}

/// *Suspend and resume processes*: a group that has tried for over 24 hours in vain has its process Launch suspended by AWS.
#[test]
fn a_group_that_launches_nothing_for_a_day_is_suspended() {
    let of = |pools: &str, timeline: &str| {
        let dry = format!("capacityPools: [{pools}]\ntimeline: [{timeline}]\n");
        let text = group("MinSize: 2\n    MaxSize: 4", "{ InstanceType: m5.large }", "SpotInstancePools: 1", &dry);
        run(&text.replace("duration: 2h", "duration: 50h"))
    };
    let suspended = |run: &Run| {
        let found = run.events.iter().filter(|it| it.kind == "group.administrative_suspension");
        found.map(|it| it.at.as_seconds() / 3600.0).collect::<Vec<_>>()
    };
    let again = "{ at: 26h, updateCapacityPool: { instanceType: m5.large, available: 10 } }";
    let kept = of("{ instanceType: m5.large, available: 0 }", again);
    let [at] = suspended(&kept)[..] else { panic!("once: {:?}", suspended(&kept)) };
    assert!((24.0..24.2).contains(&at), "{at}");
    assert!(kept.instances.is_empty(), "what EC2 has again is not asked for");
    let resumed =
        format!("{again}, {{ at: 30h, resumeProcesses: {{ autoScalingGroup: nodes, ScalingProcesses: [Launch] }} }}");
    assert_eq!(of("{ instanceType: m5.large, available: 0 }", &resumed).instances.len(), 2);
    let soon =
        "{ at: 20h, updateCapacityPool: { instanceType: m5.large, availabilityZones: [us-east-1a], available: 1 } }";
    let one = of("{ instanceType: m5.large, available: 0 }", soon);
    let [at] = suspended(&one)[..] else { panic!("{:?}", suspended(&one)) };
    assert!(at > 44.0, "the day begins anew with a launch that succeeds: {at}");
    assert!(suspended(&of("{ instanceType: m5.large, available: 2 }", "")).is_empty());
}

#[test]
fn spot_that_is_dearer_than_the_most_one_pays_is_not_launched() {
    let pools = "capacityPools: [{ instanceType: m5.large, purchaseOption: spot, usdPerHour: 0.1 }, { instanceType: m5.xlarge, purchaseOption: spot, usdPerHour: 0.19 }]";
    let distribution = "OnDemandPercentageAboveBaseCapacity: 0";
    let run = run(&group("MinSize: 2\n    MaxSize: 2", LARGE_AND_XLARGE, distribution, pools));
    assert_eq!(counts(&run), ["1 m5.xlarge 1a spot", "1 m5.xlarge 1b spot"], "0.1 is above the 0.096 on demand");
}

#[test]
fn what_goes_is_of_the_option_above_its_share_and_of_the_pool_taken_last() {
    let more = "timeline: [{ at: 10m, updateAutoScalingGroup: { autoScalingGroup: nodes, DesiredCapacity: 4 } }]";
    let distribution = "OnDemandBaseCapacity: 4, OnDemandPercentageAboveBaseCapacity: 0";
    let sizes = "MinSize: 0\n    MaxSize: 8\n    DesiredCapacity: 8";
    let run = run(&group(sizes, LARGE_AND_XLARGE, distribution, more));
    assert_eq!(counts(&run), ["2 m5.large 1a on-demand", "2 m5.large 1b on-demand"]);
}

/// *Amazon ECS managed scaling behavior*: the largest type is what it counts by, and the desired capacity that it sets is a number
/// of instances, which a group with weights takes for units.
#[test]
fn managed_scaling_counts_by_the_largest_type_and_knows_no_weights() {
    let desired = |overrides: &str| {
        let text = group("MinSize: 0\n    MaxSize: 60\n    DesiredCapacity: 4", overrides, "", "")
            + "capacityProviders:
  nodes: { autoScalingGroupProvider: { autoScalingGroupArn: nodes, managedScaling: { status: ENABLED } } }
taskDefinitions:
  worker: { containerDefinitions: [{ name: worker, image: worker, cpu: 1024, memory: 512 }] }
services:
  worker: { taskDefinition: worker, desiredCount: 8, capacityProviderStrategy: [{ capacityProvider: nodes }] }
timeline: [{ at: 5m, updateService: { service: worker, desiredCount: 40 } }]";
        let run = run(&text);
        let messages = run.events.iter().filter(|it| it.kind == "group.desired_capacity");
        let first = messages.map(|it| it.message.clone()).next().expect("the group grows");
        let running = run.service_minutes.iter().rev().map(|it| it.running_count).next();
        (first, running)
    };
    // 32 tasks wait; an m5.2xlarge holds 8, an m5.large 2.
    let unweighted = WEIGHTED.replace(", WeightedCapacity: '1'", "").replace(", WeightedCapacity: '4'", "");
    let (first, running) = desired(&unweighted);
    assert_eq!(first, "Setting desired capacity to 8, from 4: M = 8, N = 4, reservation 200, target 100");
    assert_eq!(running, Some(40));
    // One m5.2xlarge of four units is there and M is one and four; the group is satisfied with another one.
    let large_first =
        "{ InstanceType: m5.2xlarge, WeightedCapacity: '4' }, { InstanceType: m5.large, WeightedCapacity: '1' }";
    let (first, running) = desired(large_first);
    assert_eq!(first, "Setting desired capacity to 5, from 4: M = 5, N = 1, reservation 500, target 100");
    assert_eq!(running, Some(16), "two instances are eight units, more than managed scaling ever asks for");
}

/// Types by attributes: On-Demand Instances are of the cheapest that price protection leaves, and Spot has its own threshold.
#[test]
fn types_are_selected_by_their_attributes() {
    let of = |requirements: &str, distribution: &str, more: &str| {
        let overrides = format!(
            "{{ InstanceRequirements: {{ VCpuCount: {{ Min: 2, Max: 4 }}, MemoryMiB: {{ Min: 8192, Max: 16384 }}, AllowedInstanceTypes: [m5.*]{requirements} }} }}"
        );
        let text = group("MinSize: 4\n    MaxSize: 4", &overrides, distribution, more);
        let read = |_: &Path| Ok(text.as_bytes().to_vec());
        let story = scenario::read(Path::new("mixed.yaml"), &mut |it| read(it)).expect("it is sound");
        (counts(&run(&text)), story.notes.join("; "))
    };
    let (found, notes) = of("", "", "");
    assert_eq!(found, ["2 m5.large 1a on-demand", "2 m5.large 1b on-demand"]);
    let expected = "the `InstanceRequirements` of Auto Scaling group `nodes` come to m5.large (0.096 USD an hour), m5.xlarge (0.192 USD an hour, Spot only)";
    assert!(notes.contains(expected), "{notes}");
    // No m5.large is left: the other type may be Spot, and not on demand.
    let dry = "capacityPools: [{ instanceType: m5.large, available: 0 }, { instanceType: m5.large, purchaseOption: spot, available: 0 }]";
    assert_eq!(of("", "", dry).0, [""; 0]);
    let spot = "OnDemandPercentageAboveBaseCapacity: 0";
    assert_eq!(of("", spot, dry).0, ["2 m5.xlarge 1a spot", "2 m5.xlarge 1b spot"]);
    let without = ", OnDemandMaxPricePercentageOverLowestPrice: 999999";
    assert_eq!(of(without, "", dry).0, ["2 m5.xlarge 1a on-demand", "2 m5.xlarge 1b on-demand"]);
}
