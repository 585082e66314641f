//! Calls that AWS refuses or throttles: what is told of them below the table and in `summary.json`.

use std::path::Path;

use plimsoll::engine::simulate;
use plimsoll::report::{failed_calls, summary::summary};
use plimsoll::rng::Seed;
use plimsoll::run::Run;
use plimsoll::scenario;

/// Four services, and what the timeline does to them.
fn run(timeline: &str, more: &str) -> Run {
    let text = format!(
        "duration: 30m
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 2, MaxSize: 2 }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, image: web, cpu: 64, memory: 64 }}] }} }}
services: {{ a: {{ taskDefinition: web }}, b: {{ taskDefinition: web }}, c: {{ taskDefinition: web }}, d: {{ taskDefinition: web }} }}
timeline:
{timeline}
{more}"
    );
    let story = scenario::read(Path::new("calls.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
        .unwrap_or_else(|problems| panic!("{text}\n{}", problems.render(false)));
    simulate(&story.variants[0], Seed { seed: 1, replication: 0 })
}

fn told(run: &Run) -> String {
    failed_calls::paragraphs(&[vec![run]]).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_refused_call_is_told_with_its_error_and_what_it_was_for() {
    let timeline = "  - { at: 5m, deleteService: { service: a } }
  - { at: 6m, deleteService: { service: a, force: true } }
  - { at: 20m, updateService: { service: a, desiredCount: 2 } }
  - { at: 21m, updateService: { service: a, desiredCount: 3 } }";
    let run = run(timeline, "");
    assert_eq!(
        told(&run),
        "Calls that were refused or throttled (each: events.csv) \
         base: DeleteService for service `a` was refused at 00:05:00: InvalidParameterException: The service cannot be stopped while it \
         is scaled above 0. \
         base: UpdateService for service `a` was refused 2 times, from 00:20:00 to 00:21:00: ServiceNotActiveException: Service was not \
         ACTIVE."
    );
    let summary: serde_json::Value = serde_json::from_slice(&summary(&run)).expect("JSON");
    assert_eq!(summary["failed_calls"][1]["action"], "UpdateService");
    assert_eq!(summary["failed_calls"][1]["given_up"], 2);
    assert_eq!(summary["failed_calls"][1]["first_s"], 1200.0);
}

#[test]
fn throttled_calls_are_counted_with_those_that_were_given_up() {
    let updates =
        |service: &str| format!("  - {{ at: 5m, updateService: {{ service: {service}, desiredCount: 2 }} }}\n");
    let timeline: String = ["a", "b", "c", "d"].map(updates).concat().repeat(4);
    let run = run(&timeline, "assumptions: { serviceModifyBurst: 1, serviceModifyCallsPerSecond: 1 }");
    let [row] = run.failed_calls.as_slice() else { panic!("{:?}", run.failed_calls) };
    let said = |end: &str| run.events.iter().filter(|it| it.message.ends_with(end)).count() as u64;
    let throttled = run.events.iter().filter(|it| it.message.contains("ThrottlingException: Rate exceeded.")).count();
    assert_eq!((row.attempts, row.given_up), (throttled as u64, said("It is given up after 3 attempts.")));
    assert!(row.given_up > 0 && row.targets.len() == 4, "{row:?}");
    let told = told(&run);
    assert!(told.contains("(and 3 others) was throttled, "), "{told}");
    assert!(told.contains(&format!("and {} calls were given up, and nothing came of them", row.given_up)), "{told}");
    assert!(self::run("  - { at: 5m, updateService: { service: a, desiredCount: 2 } }", "").failed_calls.is_empty());
}
