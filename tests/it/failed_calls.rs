//! Calls that AWS refuses or throttles: what is told of them below the table and in `summary.json`.

use std::path::Path;

use plimsoll::engine::simulate;
use plimsoll::report::{failed_calls, summary::summary};
use plimsoll::rng::Seed;
use plimsoll::run::{CalledBy, Run};
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

#[test]
fn throttled_calls_of_auto_scaling_and_pipelines_are_told_apart() {
    let target =
        "{ ServiceNamespace: ecs, ScalableDimension: ecs:service:DesiredCount, MinCapacity: 1, MaxCapacity: 20 }";
    let build = "{ provisioningTime: 0s, time: 1m, cachedTime: 1m, cacheShare: 0, pushMbPerSecond: 50 }";
    let more = format!(
        "assumptions: {{ serviceModifyBurst: 1, serviceModifyCallsPerSecond: 1 }}
scalableTargets: {{ a: {target} }}
pipelines:
  one: {{ service: b, commits: {{ at: [10m] }}, sourceTime: 0s, build: {build} }}
  two: {{ service: c, commits: {{ at: [10m] }}, sourceTime: 0s, build: {build} }}"
    );
    let timeline = "  - { at: 5m, updateService: { service: d, healthCheckGracePeriodSeconds: 5 } }
  - { at: 5m, registerScalableTarget: { service: a, MinCapacity: 6 } }";
    let run = run(timeline, &more);
    let by = |it: CalledBy| run.failed_calls.iter().filter(move |row| row.called_by == it);
    for (caller, words) in [
        (CalledBy::ApplicationAutoScaling, "UpdateService by Application Auto Scaling for service `a` was throttled, "),
        (CalledBy::Pipeline, "UpdateService by a pipeline for service `"),
    ] {
        assert_eq!(by(caller).count(), 1, "{caller:?}: {:?}", run.failed_calls);
        assert!(by(caller).all(|it| it.given_up == 0 && it.attempts > 0));
        assert!(told(&run).contains(words), "{}", told(&run));
    }
    assert!(told(&run).contains("until they were answered"), "{}", told(&run));
    let summary: serde_json::Value = serde_json::from_slice(&summary(&run)).expect("JSON");
    let callers = summary["failed_calls"].as_array().expect("a list").iter().map(|it| it["called_by"].as_str());
    let mut callers: Vec<Option<&str>> = callers.collect();
    callers.sort_unstable();
    assert_eq!(callers, [Some("application-auto-scaling"), Some("pipeline")]);
}
