//! Schedulers of one's own: what `StartTask` puts where, and what it is refused.

use std::path::Path;

use plimsoll::engine::simulate;
use plimsoll::rng::Seed;
use plimsoll::run::Run;
use plimsoll::scenario;
use plimsoll::units::{Instant, Span};

/// Three m5.large over two zones (2048 units and 7811 MiB each), and a definition of 512 units.
const CLUSTER: &str = "
duration: 2h
cluster: { availabilityZones: [us-east-1a, us-east-1b] }
autoScalingGroups: { nodes: { InstanceType: m5.large, MinSize: 3, MaxSize: 3 } }
taskDefinitions:
  batch: { containerDefinitions: [{ name: batch, cpu: 512, memoryReservation: 1024 }] }
";

fn run(text: &str) -> Run {
    let story = scenario::read(Path::new("start-tasks.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
        .unwrap_or_else(|problems| panic!("{text}\n{}", problems.render(false)));
    assert!(story.unsupported.is_empty(), "{}", story.unsupported.render(false));
    simulate(story.variants.first().expect("a story has its base"), Seed { seed: 1, replication: 0 })
}

fn of(entry: &str) -> Run {
    run(&format!("{CLUSTER}startTasks: {{ own: {entry} }}"))
}

fn places(run: &Run) -> Vec<usize> {
    run.tasks.iter().map(|it| it.instance.expect("they are placed")).collect()
}

fn failures(run: &Run) -> Vec<(&'static str, u64)> {
    run.run_task_totals[0].failures.iter().map(|(reason, count)| (*reason, *count)).collect()
}

#[test]
fn each_instance_that_is_named_gets_a_task() {
    let run = of("{ taskDefinition: batch, at: [10m, 20m], containerInstances: { ordinals: [3, 1] }, runTime: 5m }");
    assert_eq!(places(&run), [2, 0, 2, 0]);
    assert_eq!(run.tasks[0].placed_at, Some(Instant::START + Span::seconds(600)));
    assert_eq!((run.run_task_totals[0].asked, failures(&run)), (4, vec![]));
}

#[test]
fn instances_are_chosen_by_zone_and_by_expression() {
    let zone = of("{ taskDefinition: batch, at: 10m, containerInstances: { availabilityZone: us-east-1b } }");
    let of_zone = |run: &Run| run.tasks.iter().all(|it| it.availability_zone.as_deref() == Some("us-east-1b"));
    assert!(!zone.tasks.is_empty() && of_zone(&zone));
    let filter = "attribute:ecs.availability-zone == us-east-1b";
    let selected = of(&format!("{{ taskDefinition: batch, at: 10m, containerInstances: {{ filter: '{filter}' }} }}"));
    assert_eq!(places(&selected), places(&zone));
    assert_eq!(of("{ taskDefinition: batch, at: 10m }").tasks.len(), 3, "all, where none is named");
}

/// Strategies and constraints are passed by, resources are not.
#[test]
fn failures_are_in_the_words_of_the_api() {
    let twice = "{ taskDefinition: batch, at: [10m, 11m, 12m, 13m, 14m], containerInstances: { ordinals: [1] } }";
    assert_eq!((places(&of(twice)), failures(&of(twice))), (vec![0; 4], vec![("RESOURCE:CPU", 1)]));
    let missing = "{ taskDefinition: batch, at: 10m, containerInstances: { ordinals: [1, 4] } }";
    assert_eq!((places(&of(missing)), failures(&of(missing))), (vec![0], vec![("MISSING", 1)]));
    let constrained = run(&format!(
        "{}startTasks: {{ own: {{ taskDefinition: batch, at: 10m, containerInstances: {{ ordinals: [1] }} }} }}",
        CLUSTER.replace(
            "  batch: {",
            "  batch: { placementConstraints: [{ type: memberOf, expression: 'attribute:ecs.instance-type == t3.micro' }],"
        )
    ));
    assert_eq!(constrained.tasks.len(), 1, "constraints are not asked");
    let drained = run(&format!(
        "{CLUSTER}startTasks: {{ own: {{ taskDefinition: batch, at: 10m, containerInstances: {{ ordinals: [1, 2, 3] }} }} }}
timeline: [{{ at: 5m, updateContainerInstancesState: {{ autoScalingGroup: nodes, count: 3, status: DRAINING }} }}]"
    ));
    assert_eq!(failures(&drained), [("INACTIVE", 3)]);
    let said = drained.events.iter().find(|it| it.kind == "task.start_task_failed").expect("it is said");
    assert_eq!(said.message, "(task group family:batch) StartTask had failures: 3 INACTIVE.");
}

/// Ten instances a call: 105 calls are 1,050 instances, of which the bucket lets 100 calls through at once. The others are made again, as
/// AWS's SDKs do, up to three times.
#[test]
fn calls_of_ten_instances_are_throttled_beyond_100() {
    let cluster = CLUSTER.replace("MinSize: 3, MaxSize: 3", "MinSize: 1050, MaxSize: 1050");
    let of = |more: &str| {
        run(&format!("{cluster}startTasks: {{ own: {{ taskDefinition: batch, at: 10m, runTime: 1m }} }}\n{more}"))
    };
    let once = of("assumptions: { runTaskMaxAttempts: 1 }");
    assert_eq!((once.tasks.len(), failures(&once)), (1000, vec![("ThrottlingException: Rate exceeded.", 50)]));
    let said = once.events.iter().find(|it| it.kind == "task.start_task_failed").expect("it is said");
    let words = "(task group family:batch) StartTask failed for 10 tasks: ThrottlingException: Rate exceeded.";
    assert_eq!((said.message.as_str(), once.run_task_totals[0].failed_calls), (words, 5));
    let again = of("");
    assert_eq!((again.tasks.len(), failures(&again), again.run_task_totals[0].asked), (1050, vec![], 1050));
    assert!(again.run_task_totals[0].throttled >= 5);
    let mut instances = places(&again);
    instances.sort_unstable();
    instances.dedup();
    assert_eq!(instances.len(), 1050, "each call names the same instances again");
    let last = again.tasks.iter().filter_map(|it| it.placed_at).max().expect("they are placed");
    assert!(last > Instant::START + Span::seconds(600) && last < Instant::START + Span::seconds(603), "{last}");
    let told = again.events.iter().filter(|it| it.kind == "task.start_task_throttled").count() as u64;
    assert_eq!(told, again.run_task_totals[0].throttled);
}

#[test]
fn a_scheduler_fills_one_instance_after_the_other_or_all_alike() {
    let of_choice = |choice: &str| {
        let entry =
            format!("{{ taskDefinition: batch, scheduler: {{ chooses: {choice} }}, at: 10m, count: 6, runTime: 1h }}");
        places(&of(&entry))
    };
    assert_eq!(of_choice("firstFit"), [0, 0, 0, 0, 1, 1]);
    assert_eq!(of_choice("leastLoaded"), [0, 1, 2, 0, 1, 2]);
}

#[test]
fn what_finds_no_room_is_tried_at_the_next_look() {
    // Twelve fit; the others run when these have ended, at a look of the scheduler, and none is lost.
    let run = of("{ taskDefinition: batch, scheduler: { every: 30s }, at: 10m, count: 20, runTime: 10m }");
    assert_eq!((run.run_task_totals[0].asked, run.tasks.len(), failures(&run)), (20, 20, vec![]));
    let at: Vec<f64> = run.tasks.iter().filter_map(|it| Some(it.placed_at?.as_seconds())).collect();
    assert_eq!(at.iter().filter(|it| **it == 600.0).count(), 12);
    assert!(at.iter().all(|it| it % 30.0 == 0.0), "{at:?}");
    assert!(at[12..].iter().all(|it| *it >= 1200.0 && *it <= 1260.0), "{at:?}");
}

#[test]
fn a_scheduler_keeps_what_it_is_to_keep() {
    let run = of("{ taskDefinition: batch, scheduler: { every: 10s, desiredCount: 5 }, runTime: 10m }");
    let at_once = |at: Instant| {
        run.tasks.iter().filter(|it| it.created_at <= at && it.stopped_at.is_none_or(|end| end > at)).count()
    };
    // Each look finds what has ended since the last one, and starts as many.
    assert!((0..720).all(|it| at_once(Instant::START + Span::seconds(10 * it)) == 5));
    assert!((0..7200).all(|it| at_once(Instant::START + Span::seconds(it)) <= 5));
    assert_eq!(run.run_task_totals[0].asked, run.tasks.len() as u64);
    assert!(run.tasks.len() >= 5 * 11, "{} over two hours of ten minutes each", run.tasks.len());
}

#[test]
fn what_a_scheduler_has_in_mind_is_counted() {
    let run = of("{ taskDefinition: batch, at: 10m, count: 20, runTime: 30m, scheduler: { every: 10s } }");
    let queued = |minute: u64| run.run_task_minutes.iter().find(|it| it.minute == minute).map(|it| it.queued);
    // Twelve have room at once, and the rest half an hour later.
    assert_eq!((queued(9), queued(12), queued(45)), (Some(0), Some(8), Some(0)));
}
