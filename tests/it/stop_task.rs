//! `StopTask`, called for tasks that serve requests.

use std::path::Path;

use plimsoll::engine::simulate;
use plimsoll::rng::Seed;
use plimsoll::run::{Run, TaskLife};
use plimsoll::scenario;
use plimsoll::units::{Instant, Span};

const STOPPED_AT: Instant = Instant(600 * Span::SECOND.0);

/// Four tasks that get 100 requests a second and shut down at once; one is stopped after ten minutes.
fn run(call: &str, assumptions: &str) -> Run {
    let text = format!(
        "duration: 20m
assumptions: {{ {assumptions} }}
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 2, MaxSize: 2 }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, cpu: 256, memory: 256, portMappings: [{{ containerPort: 80 }}] }}] }} }}
applications: {{ web: {{ cpuTime: 1ms, shutdownTime: 0s }} }}
services: {{ web: {{ taskDefinition: web, desiredCount: 4, loadBalancers: [{{ targetGroupArn: web, containerName: web, containerPort: 80 }}] }} }}
targetGroups: {{ web: {{ deregistrationDelay: 300s }} }}
workloads: {{ users: {{ service: web, arrivals: {{ constant: {{ rate: 100 }} }} }} }}
timeline: [{{ at: 10m, {call} }}]"
    );
    let story = scenario::read(Path::new("case.yaml"), &mut |_| Ok(text.clone().into_bytes()))
        .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    simulate(&story.variants[0], Seed { seed: 5, replication: 0 })
}

fn stopped(run: &Run) -> Vec<&TaskLife> {
    run.tasks.iter().filter(|it| it.stopping_at.is_some()).collect()
}

#[test]
fn a_stopped_task_waits_for_no_target_and_clients_see_errors_for_some_seconds() {
    let run = run("stopTask: { service: web }", "");
    let stopped = stopped(&run);
    let [task] = stopped[..] else { panic!("one task is stopped, not {}", stopped.len()) };
    assert_eq!(task.sigterm_at, Some(STOPPED_AT), "the deregistration delay of 300 s is not waited for");
    assert_eq!(task.stop_code, Some("UserInitiated"));
    assert_eq!(task.stopped_reason.as_deref(), Some("Task stopped by user"));
    let lost = &run.requests[0].counts;
    // A quarter of 100 a second for 4 s.
    assert!((97..=103).contains(&lost.elb_502), "{lost:?}");
    assert_eq!(lost.failed(), lost.elb_502);
    let replaced = run.tasks.iter().find(|it| it.created_at >= STOPPED_AT).expect("the service has another started");
    assert!(replaced.created_at.since(STOPPED_AT) <= Span::seconds(10), "without waiting: {}", replaced.created_at);
    assert_eq!(run.requests[0].counts.ended() + run.requests[0].in_flight, run.requests[0].counts.arrived);
}

#[test]
fn who_is_deregistered_at_once_gets_no_more_requests() {
    let run = run("stopTask: { service: web, tasks: 3, reason: it hangs }", "stopTaskDeregistrationTime: 0s");
    let stopped = stopped(&run);
    assert_eq!(stopped.len(), 3);
    assert!(stopped.iter().all(|it| it.stopped_reason.as_deref() == Some("it hangs")));
    // What was under way when the process ended.
    assert!(run.requests[0].counts.failed() <= 3, "{:?}", run.requests[0].counts);
}
