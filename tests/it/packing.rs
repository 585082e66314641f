//! What becomes of capacity, and what one loss takes of a service.

use std::path::Path;

use plimsoll::engine::simulate;
use plimsoll::report::placement::{chart, compares_placement, table};
use plimsoll::rng::Seed;
use plimsoll::run::{CapacitySplit, Run};
use plimsoll::scenario;

fn runs(text: &str) -> Vec<Run> {
    let story = scenario::read(Path::new("packing.yaml"), &mut |_| Ok(text.to_owned().into_bytes()))
        .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    story.variants.iter().map(|it| simulate(it, Seed { seed: 1, replication: 0 })).collect()
}

fn run(text: &str) -> Run {
    runs(text).remove(0)
}

/// Two m5.large (2048 units, 7811 MiB each) with two tasks and one of 512 units and 1024 MiB, each of which uses 400 MiB: two
/// more fit beside the two and three beside the one, and of what is left of memory nothing can be used.
#[test]
fn free_capacity_is_headroom_as_far_as_more_tasks_fit() {
    let run = run(r#"
duration: 5m
cluster: { availabilityZones: [us-east-1a] }
autoScalingGroups: { nodes: { InstanceType: m5.large, MinSize: 2, MaxSize: 2 } }
taskDefinitions: { web: { containerDefinitions: [{ name: web, cpu: 512, memory: 1024 }] } }
applications: { web: { memory: { base: 400MiB } } }
services: { web: { taskDefinition: web, desiredCount: 3 } }
"#);
    let row = run.capacity_minutes.last().expect("minutes are recorded");
    let memory = CapacitySplit {
        used: 1200.0,
        reserved_unused: 1872.0,
        headroom: 5.0 * 1024.0,
        fragmented: 2.0 * 7811.0 - 8.0 * 1024.0,
        draining: 0.0,
        booting: 0.0,
    };
    assert_eq!(row.memory_mib, memory);
    let cpu = CapacitySplit { used: 0.0, reserved_unused: 1536.0, headroom: 2560.0, ..CapacitySplit::default() };
    assert_eq!(row.cpu_units, cpu);
    let [placement] = &run.service_placements[..] else { panic!("{:?}", run.service_placements) };
    let (instance, zone) = placement.blast_radius().expect("tasks run");
    assert!((instance - 200.0 / 3.0).abs() < 1e-9 && zone == 100.0, "{instance} {zone}");
}

/// The parts add up to what the instances of the moment have, whatever they do.
#[test]
fn the_parts_add_up() {
    let run = run(include_str!("../../scenarios/capacity-provider-t4g.yaml"));
    let mut seen = CapacitySplit::default();
    for row in &run.capacity_minutes {
        let of_one = row.memory_mib.total() / row.cpu_units.total().max(1.0);
        assert!(row.cpu_units.total() % 2048.0 == 0.0, "whole instances of 2048 units: {row:?}");
        assert!(row.cpu_units.total() == 0.0 || (1.8..2.0).contains(&of_one), "{of_one}");
        assert!(row.cpu_units.parts().iter().chain(&row.memory_mib.parts()).all(|(_, part)| *part >= 0.0), "{row:?}");
        seen.booting += row.cpu_units.booting;
        seen.headroom += row.cpu_units.headroom;
        seen.used += row.cpu_units.used;
    }
    assert!(seen.booting > 0.0 && seen.headroom > 0.0 && seen.used > 0.0, "{seen:?}");
}

/// Six tasks on three instances: spread, an instance has a third of them; packed by memory, all stand on one.
#[test]
fn variants_that_place_differently_are_compared() {
    let text = r#"
duration: 5m
cluster: { availabilityZones: [us-east-1a] }
autoScalingGroups: { nodes: { InstanceType: m5.large, MinSize: 3, MaxSize: 3 } }
taskDefinitions: { web: { containerDefinitions: [{ name: web, cpu: 256, memory: 512 }] } }
services: { web: { taskDefinition: web, desiredCount: 6 } }
variants:
  packed: { patch: { services: { web: { placementStrategy: [{ type: binpack, field: memory }] } } } }
  again: { patch: { duration: 6m } }
"#;
    let runs = runs(text);
    let [base, packed, again] = [&runs[0], &runs[1], &runs[2]].map(|it| vec![it]);
    assert!(!compares_placement(&[base.clone(), again]) && !compares_placement(&[base.clone(), Vec::new()]));
    let variants = [base, packed];
    assert!(compares_placement(&variants));
    let table = table(&variants);
    let row = table.lines().find(|it| it.contains("worst instance has")).expect("the table has the row");
    let cells: Vec<&str> = row.trim_matches('│').split_whitespace().rev().take(2).collect();
    assert_eq!(cells, ["100.0", "33.3"], "{table}");
    let chart = String::from_utf8(chart(&variants)).expect("an SVG is text");
    assert!(chart.contains("worst instance 33.3 %") && chart.contains("worst instance 100.0 %"));
}
