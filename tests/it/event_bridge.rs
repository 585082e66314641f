//! Rules and schedules of EventBridge, end to end: when tasks are run, what is tried again, and what is lost.

use std::collections::BTreeSet;
use std::path::Path;

use plimsoll::aws::run_task::{PROVISIONING_LIMIT, THROTTLED};
use plimsoll::engine::simulate;
use plimsoll::rng::Seed;
use plimsoll::run::{EventTotals, Run};
use plimsoll::scenario;
use plimsoll::units::{Instant, Span};

/// Two m5.large of one zone (2048 units and 7811 MiB each), and a definition of 512 units: room for eight tasks.
const CLUSTER: &str = "
duration: 6h
cluster: { availabilityZones: [us-east-1a] }
autoScalingGroups: { nodes: { InstanceType: m5.large, MinSize: 2, MaxSize: 2 } }
taskDefinitions:
  batch: { containerDefinitions: [{ name: batch, cpu: 512, memoryReservation: 1024 }] }
";

const FARGATE: &str = "
duration: 2h
cluster: { availabilityZones: [us-east-1a] }
taskDefinitions:
  batch: { requiresCompatibilities: [FARGATE], networkMode: awsvpc, cpu: 256, memory: 512, containerDefinitions: [{ name: batch }] }
";

const ON_FARGATE: &str = "LaunchType: FARGATE, NetworkConfiguration: { awsvpcConfiguration: { Subnets: [subnet-a] } }";

fn run_with(text: &str, seed: u64) -> Run {
    let story = scenario::read(Path::new("event-bridge.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
        .unwrap_or_else(|problems| panic!("{text}\n{}", problems.render(false)));
    assert!(story.unsupported.is_empty(), "{}", story.unsupported.render(false));
    let scenario = story.variants.into_iter().next().expect("a story has its base");
    simulate(&scenario, Seed { seed, replication: 0 })
}

fn run(text: &str) -> Run {
    let run = run_with(text, 1);
    conserves(&run);
    run
}

fn events(run: &Run) -> EventTotals {
    run.run_task_totals[0].events
}

/// Each invocation ends exactly once, and so does each task that was asked for.
fn conserves(run: &Run) {
    for (number, totals) in run.run_task_totals.iter().enumerate() {
        let it = totals.events;
        assert_eq!(it.invocations, it.delivered + it.failed + it.dead_lettered + it.pending, "{it:?}");
        assert!(it.attempts >= it.delivered + it.failed + it.dead_lettered, "{it:?}");
        let created = run.tasks.iter().filter(|it| it.run_task == Some(number)).count() as u64;
        if it.pending == 0 {
            assert_eq!(totals.asked, created + totals.failed(), "{totals:?}");
        }
        let by_minute = |of: fn(&EventTotals) -> u64| -> u64 {
            run.run_task_minutes.iter().filter(|it| it.run_task == number).map(|it| of(&it.events)).sum()
        };
        assert_eq!((by_minute(|it| it.attempts), by_minute(|it| it.delivered)), (it.attempts, it.delivered));
    }
}

/// Objects at even distances: the first comes one of these after the begin, and what would be the last at the end, which is outside.
fn burst(count_per_second: u32, seconds: u32) -> String {
    format!("{{ shape: {{ of: {{ constant: {{ rate: {count_per_second}/s }} }}, start: 10m, for: {seconds}s }} }}")
}

fn rule_of_objects(parameters: &str, more: &str) -> String {
    format!(
        "rules: {{ put: {{ EventPattern: {{ source: [aws.s3], detail-type: [Object Created], detail: {{ bucket: {{ name: [up] }} }} }},
           Targets: [{{ Id: it, EcsParameters: {{ TaskDefinitionArn: batch, {parameters} }}, runTime: 1m {more} }}] }} }}"
    )
}

#[test]
fn a_rate_rule_runs_each_hour_at_its_second_of_the_minute() {
    let text = format!(
        "{CLUSTER}
rules: {{ hourly: {{ ScheduleExpression: rate(1 hour), Targets: [{{ Id: it, EcsParameters: {{ TaskDefinitionArn: batch }}, runTime: 5m }}] }} }}"
    );
    let one = run(&text);
    let at: Vec<Instant> = one.tasks.iter().map(|it| it.created_at).collect();
    assert_eq!(at.len(), 6);
    assert!(at[0] < Instant::START + Span::MINUTE, "within the minute");
    for pair in at.windows(2) {
        assert_eq!(pair[1].since(pair[0]), Span::seconds(3600), "the second of the minute is the rule's own");
    }
    assert_eq!(events(&one).delivered, 6);
    assert_ne!(run_with(&text, 2).tasks[0].created_at, at[0], "and drawn");
    assert!(one.events.iter().any(|it| it.resource == "task/hourly" && it.kind == "task.started"));
}

/// Traffic 7: the second is fixed for a rule, and all of its targets are invoked at it.
#[test]
fn all_targets_of_a_rule_are_invoked_at_its_second() {
    let target = |id: &str| format!("{{ Id: {id}, EcsParameters: {{ TaskDefinitionArn: batch }}, runTime: 5m }}");
    let created = |targets: &str| {
        let text =
            format!("{CLUSTER}\nrules: {{ hourly: {{ ScheduleExpression: rate(1 hour), Targets: [{targets}] }} }}");
        run(&text).tasks.iter().map(|it| it.created_at).collect::<Vec<Instant>>()
    };
    let (one, two) = (created(&target("a")), created(&format!("{}, {}", target("a"), target("b"))));
    assert_eq!((one.len(), two.len()), (6, 12));
    for (both, alone) in two.chunks(2).zip(&one) {
        assert_eq!(both, [*alone; 2]);
    }
}

/// 22:00 in Berlin is 21:00 UTC before the clock goes forward on 2026-03-29, and 20:00 after; 2:30 of that night does not exist.
#[test]
fn a_schedule_goes_by_the_wall_clock() {
    let of = |expression: &str| {
        let text = format!(
            "{}
start: 2026-03-28T00:00:00Z
assumptions: {{ scheduleOffset: 0s }}
schedules: {{ nightly: {{ ScheduleExpression: '{expression}', ScheduleExpressionTimezone: Europe/Berlin, Target: {{
  EcsParameters: {{ TaskDefinitionArn: batch, TaskCount: 2 }}, runTime: 5m }} }} }}",
            CLUSTER.replace("6h", "72h")
        );
        run(&text).tasks.iter().map(|it| it.created_at.as_seconds() / 3600.0).collect::<Vec<_>>()
    };
    assert_eq!(of("cron(0 22 * * ? *)"), [21.0, 21.0, 44.0, 44.0, 68.0, 68.0]);
    assert_eq!(of("cron(30 2 * * ? *)"), [1.5, 1.5, 48.5, 48.5]);
    assert_eq!(of("rate(24 hours)"), [0.0, 0.0, 24.0, 24.0, 48.0, 48.0]);
    assert_eq!(of("at(2026-03-29T22:00:00)"), [44.0, 44.0]);
}

#[test]
fn a_flexible_window_spreads_invocations() {
    let text = format!(
        "{CLUSTER}
schedules: {{ often: {{ ScheduleExpression: rate(10 minutes), FlexibleTimeWindow: {{ Mode: FLEXIBLE, MaximumWindowInMinutes: 5 }},
  Target: {{ EcsParameters: {{ TaskDefinitionArn: batch }}, runTime: 1m }} }} }}"
    );
    let run = run(&text);
    let within = |at: Instant| at.as_seconds() % 600.0;
    let late: Vec<f64> = run.tasks.iter().map(|it| within(it.created_at)).collect();
    assert_eq!(late.len(), 36);
    assert!(late.iter().all(|it| *it < 300.0), "{late:?}");
    assert!(late.iter().any(|it| *it < 100.0) && late.iter().any(|it| *it > 200.0), "each time anew");
}

#[test]
fn what_finds_no_room_is_lost_though_it_was_delivered() {
    let text = |assumptions: &str| {
        format!(
            "{CLUSTER}assumptions: {{ {assumptions} }}
rules: {{ hourly: {{ ScheduleExpression: rate(1 hour), Targets: [{{ Id: it, EcsParameters: {{ TaskDefinitionArn: batch, TaskCount: 10 }},
  runTime: 30m }}] }} }}"
        )
    };
    // Eight of ten fit, each hour.
    let lost = run(&text(""));
    assert_eq!((events(&lost).delivered, events(&lost).tasks_lost, events(&lost).retries), (6, 12, 0));
    assert_eq!(lost.run_task_totals[0].failures.iter().collect::<Vec<_>>(), [(&"RESOURCE:CPU", &12)]);
    assert_eq!(lost.tasks.len(), 48);
    // Where failures are tried again, the two others run after the half hour.
    let retried = run(&text("retryFailedPlacement: true"));
    assert_eq!((events(&retried).delivered, events(&retried).tasks_lost, retried.tasks.len()), (6, 0, 60));
    assert!(events(&retried).retries >= 6 * 10, "{:?}", events(&retried));
}

/// Nothing keeps the next run from beginning.
#[test]
fn runs_of_90_minutes_overlap_each_hour() {
    let text = format!(
        "{CLUSTER}
rules: {{ hourly: {{ ScheduleExpression: rate(1 hour), Targets: [{{ Id: it, EcsParameters: {{ TaskDefinitionArn: batch }}, runTime: 90m }}] }} }}"
    );
    let run = run(&text);
    let summary: serde_json::Value = serde_json::from_slice(&plimsoll::report::summary::summary(&run)).expect("JSON");
    let target = &summary["event_targets"][0];
    assert_eq!(target["tasks_begun_during_another"], 5);
    assert_eq!(target["tasks_at_once_maximum"], 2);
    assert_eq!(target["started_by"], "events-rule/hourly");
}

/// 4.11: 20 calls a second for Fargate, each up to 10 tasks; what is more is tried again, and nothing is lost.
#[test]
fn of_calls_for_fargate_20_a_second_are_answered() {
    let text = format!(
        "{FARGATE}assumptions: {{ fargateVcpuQuota: 4000, objectEventDelay: 0s, eventDelay: 0s }}
buckets: {{ up: {{ objects: {} }} }}
{}",
        burst(100, 5),
        rule_of_objects(ON_FARGATE, "")
    );
    let run = run(&text);
    let it = events(&run);
    assert_eq!((it.invocations, it.delivered, it.failed, run.tasks.len()), (499, 499, 0, 499));
    assert_eq!(it.attempts - it.delivered, run.run_task_totals[0].throttled, "each attempt is answered or throttled");
    assert!(it.retries > 300, "{it:?}");
    let created: Vec<f64> = run.tasks.iter().map(|it| it.created_at.as_seconds()).collect();
    for (place, at) in created.iter().enumerate() {
        let within = created[place..].iter().take_while(|it| **it < at + 1.0).count();
        assert!(within <= 40, "20 at once and 20 that come back in the second: {within}");
    }
}

#[test]
fn calls_for_instances_have_a_bucket_of_100_and_40_a_second() {
    let cluster = CLUSTER.replace("MinSize: 2, MaxSize: 2", "MinSize: 150, MaxSize: 150");
    let text = format!(
        "{cluster}assumptions: {{ objectEventDelay: 0s, eventDelay: 0s }}
buckets: {{ up: {{ objects: {{ batches: {{ rate: 2/h, size: 400, sizes: fixed }} }} }} }}
{}",
        rule_of_objects("LaunchType: EC2", ", RetryPolicy: { MaximumRetryAttempts: 0 }")
    );
    let run = run(&text);
    let it = events(&run);
    assert!(it.invocations >= 400 && it.invocations.is_multiple_of(400), "{it:?}");
    let batches = it.invocations / 400;
    assert_eq!((it.delivered, it.failed), (100 * batches, 300 * batches), "what is not tried again is dropped");
    assert_eq!(run.run_task_totals[0].failures.iter().collect::<Vec<_>>(), [(&THROTTLED, &(300 * batches))]);
    // What is tried again comes 40 a second at the most, and all of it.
    let patient = self::run(&text.replace(", RetryPolicy: { MaximumRetryAttempts: 0 }", ""));
    let first = of_first_batch(&patient);
    assert!(first.len() >= 400, "{}", first.len());
    for at in [0.0, 0.5, 1.0, 2.0, 4.0, 7.0] {
        let accepted = first.iter().filter(|it| it.0 <= at).count();
        assert!(accepted as f64 <= 100.0 + 40.0 * at + 1e-9, "{accepted} calls within {at} s");
    }
    assert!(first.iter().filter(|it| it.0 <= 1.0).count() > 130, "and nearly so many do");
}

#[test]
fn what_is_given_up_goes_to_the_dead_letter_queue() {
    let cluster = "
duration: 3h
cluster: { availabilityZones: [us-east-1a] }
autoScalingGroups: { nodes: { InstanceType: m5.large, MinSize: 0, MaxSize: 0 } }
capacityProviders: { nodes: { autoScalingGroupProvider: { autoScalingGroupArn: nodes, managedScaling: { status: ENABLED } } } }
taskDefinitions: { batch: { containerDefinitions: [{ name: batch, cpu: 512, memoryReservation: 1024 }] } }
assumptions: { provisioningMaximum: 5 }
";
    let text = |more: &str| {
        format!(
            "{cluster}
schedules: {{ one: {{ ScheduleExpression: 'at(2026-01-05T00:10:00)', Target: {{ runTime: 1m,
  EcsParameters: {{ TaskDefinitionArn: batch, TaskCount: 10, CapacityProviderStrategy: [{{ capacityProvider: nodes, weight: 1 }}] }},
  RetryPolicy: {{ MaximumRetryAttempts: 3, MaximumEventAgeInSeconds: 60 }} {more} }} }} }}"
        )
    };
    let kept = run(&text(", DeadLetterConfig: { Arn: arn:aws:sqs:us-east-1:1:lost }"));
    let it = events(&kept);
    assert_eq!((it.invocations, it.attempts, it.retries, it.dead_lettered, it.failed), (1, 4, 3, 1, 0));
    assert_eq!(kept.run_task_totals[0].failures.iter().collect::<Vec<_>>(), [(&PROVISIONING_LIMIT, &10)]);
    let dropped = events(&run(&text("")));
    assert_eq!((dropped.dead_lettered, dropped.failed), (0, 1));
}

#[test]
fn a_rule_sees_the_objects_that_its_pattern_matches() {
    let text = format!(
        "{FARGATE}assumptions: {{ fargateVcpuQuota: 4000 }}
buckets: {{ up: {{ objects: {}, keys: [{{ key: photos/a.jpg, weight: 3 }}, {{ key: logs/a.txt, weight: 1 }}] }} }}
rules:
  all: {{ EventPattern: &of {{ source: [aws.s3], detail-type: [Object Created], detail: {{ bucket: {{ name: [up] }} }} }},
    Targets: [{{ EcsParameters: {{ TaskDefinitionArn: batch, {ON_FARGATE} }}, runTime: 1m }}] }}
  photos: {{ EventPattern: {{ <<: *of, detail: {{ bucket: {{ name: [up] }}, object: {{ key: [{{ suffix: .jpg }}] }} }} }},
    Targets: [{{ EcsParameters: {{ TaskDefinitionArn: batch, {ON_FARGATE} }}, runTime: 1m }}] }}
  logs: {{ EventPattern: {{ <<: *of, detail: {{ bucket: {{ name: [up] }}, object: {{ key: [{{ prefix: logs/ }}] }} }} }},
    Targets: [{{ EcsParameters: {{ TaskDefinitionArn: batch, {ON_FARGATE} }}, runTime: 1m }}] }}
  none: {{ EventPattern: {{ <<: *of, detail: {{ bucket: {{ name: [up] }}, object: {{ key: [other] }} }} }},
    Targets: [{{ EcsParameters: {{ TaskDefinitionArn: batch, {ON_FARGATE} }}, runTime: 1m }}] }}",
        burst(1, 600)
    );
    let run = run(&text);
    let seen: Vec<u64> = run.run_task_totals.iter().map(|it| it.events.invocations).collect();
    assert_eq!((seen[0], seen[3]), (599, 0));
    assert_eq!(seen[1] + seen[2], 599, "they are the same objects to all rules");
    // Four standard deviations of a binomial count.
    assert!((seen[1] as f64 - 450.0).abs() < 43.0, "{seen:?}");
}

#[test]
fn duplicates_are_only_where_they_are_assumed() {
    let text = |share: &str| {
        format!(
            "{FARGATE}assumptions: {{ fargateVcpuQuota: 4000, duplicateEventShare: {share} }}
buckets: {{ up: {{ objects: {} }} }}
{}",
            burst(2, 60),
            rule_of_objects(ON_FARGATE, "")
        )
    };
    assert_eq!((events(&run(&text("0"))).invocations, events(&run(&text("0"))).duplicates), (119, 0));
    let all = run(&text("1"));
    assert_eq!((events(&all).invocations, events(&all).duplicates, all.tasks.len()), (238, 119, 238));
}

#[test]
fn what_is_disabled_runs_nothing() {
    let text = format!(
        "{CLUSTER}
rules: {{ hourly: {{ State: DISABLED, ScheduleExpression: rate(1 hour), Targets: [{{ EcsParameters: {{ TaskDefinitionArn: batch }} }}] }} }}"
    );
    let run = run(&text);
    assert_eq!((events(&run), run.tasks.len()), (EventTotals::default(), 0));
}

/// The shape that AWS's own commands print, in which text names the task definition by its ARN.
#[test]
fn a_schedule_is_taken_as_the_api_prints_it() {
    let text = format!(
        "{CLUSTER}schedules:
  - Arn: arn:aws:scheduler:us-east-1:1:schedule/default/one
    Name: one
    GroupName: default
    ScheduleExpression: rate(2 hours)
    ScheduleExpressionTimezone: UTC
    State: ENABLED
    FlexibleTimeWindow: {{ Mode: 'OFF' }}
    Target:
      Arn: arn:aws:ecs:us-east-1:1:cluster/default
      RoleArn: arn:aws:iam::1:role/run
      Input: '{{}}'
      EcsParameters: {{ TaskDefinitionArn: 'arn:aws:ecs:us-east-1:1:task-definition/batch:1', TaskCount: 1, LaunchType: EC2, EnableExecuteCommand: false }}
      RetryPolicy: {{ MaximumEventAgeInSeconds: 86400, MaximumRetryAttempts: 185 }}"
    );
    assert_eq!(run(&text).tasks.len(), 3);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(24))]

    /// Whatever is scheduled and whatever fits: each invocation ends once, and no instance holds more than it has.
    #[test]
    fn invocations_are_conserved_and_instances_never_overfull(
        minutes in 1u32..40, count in 1u32..=10, hold in 1u32..90, nodes in 0u32..5,
        retried: bool, attempts in 0u32..6, duplicate in 0u32..3, seed in 0u64..1000,
    ) {
        let unit = if minutes == 1 { "minute" } else { "minutes" };
        let text = format!(
            "{}assumptions: {{ retryFailedPlacement: {retried}, duplicateEventShare: 0.{duplicate} }}
rules: {{ often: {{ ScheduleExpression: rate({minutes} {unit}), Targets: [{{
  EcsParameters: {{ TaskDefinitionArn: batch, TaskCount: {count} }}, runTime: {{ exponential: {{ mean: {hold}m }} }},
  RetryPolicy: {{ MaximumRetryAttempts: {attempts} }} }}] }} }}",
            CLUSTER.replace("MinSize: 2, MaxSize: 2", &format!("MinSize: {nodes}, MaxSize: {nodes}"))
        );
        let run = run_with(&text, seed);
        conserves(&run);
        for place in 0..run.instances.len() {
            let mut changes: Vec<(Instant, i64)> = Vec::new();
            for task in run.tasks.iter().filter(|it| it.instance == Some(place)) {
                changes.extend(task.placed_at.map(|at| (at, i64::from(task.cpu_units))));
                changes.extend(task.stopping_at.or(task.stopped_at).map(|at| (at, -i64::from(task.cpu_units))));
            }
            changes.sort_unstable();
            let mut used = 0;
            for (_, change) in changes {
                used += change;
                proptest::prop_assert!(used <= 2048, "{used} of 2048 CPU units");
            }
        }
    }
}

#[test]
fn a_pattern_as_a_text_of_json_is_the_same_pattern() {
    let buckets = format!("buckets: {{ up: {{ objects: {} }} }}", burst(1, 10));
    let map = rule_of_objects("", "");
    let start = map.find("{ source").expect("it has a pattern");
    let end = start + map[start..].find(" },\n").expect("it ends");
    let json = r#"'{"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": {"bucket": {"name": ["up"]}}}'"#;
    let text = format!("{}{json}{}", &map[..start], &map[end + 2..]);
    let by_map = run(&format!("{CLUSTER}\n{buckets}\n{map}"));
    let by_text = run(&format!("{CLUSTER}\n{buckets}\n{text}"));
    assert!(by_map.tasks.len() >= 8, "{}", by_map.tasks.len());
    assert_eq!(by_map.fingerprint, by_text.fingerprint);
}

#[test]
fn the_input_of_a_target_overrides_what_is_reserved() {
    let rule = |input: &str| {
        let rule = format!(
            "rules: {{ hourly: {{ ScheduleExpression: rate(1 hour), Targets: [{{ Id: it, EcsParameters: {{ TaskDefinitionArn: batch }}, Input: '{input}', runTime: 1m }}] }} }}"
        );
        let run = run(&format!("{CLUSTER}\n{rule}"));
        (run.tasks[0].cpu_units, run.tasks[0].memory_mib)
    };
    assert_eq!(rule("{}"), (512, 1024));
    assert_eq!(rule(r#"{"cpu": "1024", "memory": "2048"}"#), (1024, 2048));
    let of_container = r#"{"containerOverrides": [{"name": "batch", "cpu": 256, "memoryReservation": 300, "command": ["x"], "environment": []}]}"#;
    assert_eq!(rule(of_container), (256, 300));
}

/// Seconds from the first task of the first batch of objects on: when each of that batch's tasks was created, and launched.
fn of_first_batch(run: &Run) -> Vec<(f64, f64)> {
    let first = run.tasks.iter().map(|it| it.created_at).min().expect("there is a batch");
    let since = |at: Instant| at.since(first).as_seconds();
    let tasks = run.tasks.iter().filter(|it| since(it.created_at) < 600.0);
    tasks.map(|it| (since(it.created_at), since(it.placed_at.expect("launched")))).collect()
}

/// Worked example 14 of the traffic reference: a burst of 300 objects, and one of 30 with ten tasks each.
#[test]
fn w14_a_burst_of_objects_goes_by_the_calls_or_by_the_launches() {
    let of = |objects: u32, task_count: u32| {
        let text = format!(
            "{FARGATE}assumptions: {{ fargateVcpuQuota: 4000, objectEventDelay: 0s, eventDelay: 0s }}
buckets: {{ up: {{ objects: {{ batches: {{ rate: 2/h, size: {objects}, sizes: fixed }} }} }} }}
{}",
            rule_of_objects(&format!("TaskCount: {task_count}, {ON_FARGATE}"), "")
        );
        let mut tasks = of_first_batch(&run(&text.replace("duration: 2h", "duration: 6h")));
        tasks.sort_by(|one, other| one.1.total_cmp(&other.1));
        assert_eq!(tasks.len(), 300);
        tasks
    };
    let by_calls = of(300, 1);
    let last = by_calls.iter().map(|it| it.0).fold(0.0, f64::max);
    assert!((14.0..600.0).contains(&last), "20 at once, and 20 a second: {last}");
    for at in [0.0, 1.0, 5.0, 10.0, 13.9] {
        let accepted = by_calls.iter().filter(|it| it.0 <= at).count();
        assert!(accepted as f64 <= 20.0 + 20.0 * at + 1e-9, "{accepted} calls within {at} s");
    }
    assert!(by_calls.iter().all(|it| it.0 == it.1), "100 launches at once, and 20 a second, never hold one up");
    let by_launches = of(30, 10);
    assert_eq!(by_launches.iter().filter(|it| it.0 == 0.0).count(), 200, "20 calls at once");
    assert_eq!(by_launches.iter().filter(|it| it.1 == 0.0).count(), 100);
    let last = by_launches[299].1;
    assert!((last - 10.0).abs() < 1e-6, "200 more at 20 a second: {last}");
}

/// Where Fargate has no capacity the call as a whole is an error, which EventBridge tries again; a program's call has failures.
#[test]
fn what_fargate_has_no_capacity_for_is_tried_again() {
    let text = format!(
        "{FARGATE}schedules: {{ one: {{ ScheduleExpression: 'at(2026-01-05T00:10:00)', Target: {{ runTime: 1m, EcsParameters: {{ TaskDefinitionArn: batch, TaskCount: 2, {ON_FARGATE} }} }} }} }}
runTasks: {{ program: {{ taskDefinition: batch, at: 10m, count: 3, launchType: FARGATE, networkConfiguration: {{ awsvpcConfiguration: {{ subnets: [subnet-a] }} }} }} }}
timeline: [{{ at: 0s, fargateCapacityUnavailable: {{ capacityProvider: FARGATE, for: 20m }} }}]"
    );
    let run = run(&text);
    let place = run.run_task_totals.iter().position(|it| it.events.invocations > 0).expect("the schedule's");
    let (schedule, program) = (&run.run_task_totals[place], &run.run_task_totals[1 - place]);
    assert_eq!((schedule.events.delivered, schedule.events.tasks_lost, schedule.failed()), (1, 0, 0));
    assert!(schedule.events.retries > 5, "{:?}", schedule.events);
    let words = "Capacity is unavailable at this time. Please try again later or in a different availability zone.";
    assert_eq!(program.failures.iter().collect::<Vec<_>>(), [(&words, &3)]);
    assert_eq!(run.tasks.len(), 2);
    assert!(run.tasks.iter().all(|it| it.created_at >= Instant::START + Span::MINUTE * 20));
}

/// Traffic 7: S3 tells the bus of an object once, and from there each rule has its own way.
#[test]
fn all_rules_hear_of_an_object_at_one_time() {
    let created = |event_delay: &str, photos: &str| {
        let text = format!(
            "{FARGATE}assumptions: {{ fargateVcpuQuota: 4000{event_delay} }}
buckets: {{ up: {{ objects: {}, keys: [{{ key: photos/a.jpg, weight: 3 }}, {{ key: logs/a.txt, weight: 1 }}] }} }}
rules:
  all: {{ EventPattern: &of {{ source: [aws.s3], detail-type: [Object Created], detail: {{ bucket: {{ name: [up] }} }} }},
    Targets: [{{ EcsParameters: {{ TaskDefinitionArn: batch, {ON_FARGATE} }}, runTime: 1m }}] }}
  photos: {{ EventPattern: {{ <<: *of, detail: {{ bucket: {{ name: [up] }}, object: {{ key: [{photos}] }} }} }},
    Targets: [{{ EcsParameters: {{ TaskDefinitionArn: batch, {ON_FARGATE} }}, runTime: 1m }}] }}",
            burst(1, 120)
        );
        let run = run(&text);
        [0, 1].map(|rule| {
            let its = run.tasks.iter().filter(|it| it.run_task == Some(rule));
            its.map(|it| it.created_at).collect::<BTreeSet<Instant>>()
        })
    };
    let [all, photos] = created(", eventDelay: 0s", "{ suffix: .jpg }");
    assert!(photos.len() < all.len() && photos.is_subset(&all), "{all:?} {photos:?}");
    let apart: BTreeSet<u64> = all.iter().map(|it| it.0 % Span::SECOND.0).collect();
    assert!(apart.len() > 100, "and the next object's event takes another time: {apart:?}");
    let [all, photos] = created("", "{ wildcard: '*' }");
    assert!(all.len() == photos.len() && all.is_disjoint(&photos), "from the bus on each rule has its own way");
    // Both are log-normal; that of S3 varies by seconds, what they differ by is some tenths of one.
    let mean = |them: &BTreeSet<Instant>| them.iter().map(|it| it.as_seconds()).sum::<f64>() / them.len() as f64;
    assert!((mean(&all) - mean(&photos)).abs() < 0.1, "{} {}", mean(&all), mean(&photos));
}
