//! Revisions whose containers stand in another order: ECS goes by `containerName` and `containerPort`, for every way a revision comes.

use std::path::Path;

use plimsoll::run::{ExecutionStatus, Run};
use plimsoll::scenario;

use crate::stories::run;

/// Of each revision the container that serves is `web`, whose requests take 2 ms; a request to `log` would take a second.
const WEB: &str = "{ name: web, image: web, cpu: 128, memory: 256, portMappings: [{ containerPort: 80 }] }";
const LOG: &str = "{ name: log, image: log, cpu: 64, memory: 128, portMappings: [{ containerPort: 80, hostPort: 0 }] }";

/// A service that begins with `web:1`, in which `web` stands first. In `web:2` the order is `second`, in `web:3` as in the first again.
fn text(second: [&str; 2], service: &str, rest: &str) -> String {
    let second = second.join(", ");
    format!(
        "duration: 40m
autoScalingGroups: {{ nodes: {{ InstanceType: m5.xlarge, MinSize: 2, MaxSize: 2 }} }}
taskDefinitions:
  web:1: {{ containerDefinitions: [{WEB}, {LOG}] }}
  web:2: {{ containerDefinitions: [{second}] }}
  web:3: {{ containerDefinitions: [{WEB}, {LOG}] }}
applications: {{ web: {{ cpuTime: 2ms, startTime: 2s }}, log: {{ cpuTime: 1s, startTime: 2s }} }}
loadBalancers:
  front:
    listeners:
      - {{ Port: 80, Protocol: HTTP, DefaultActions: [{{ Type: forward, TargetGroupArn: a }}] }}
      - {{ Port: 81, Protocol: HTTP, DefaultActions: [{{ Type: forward, TargetGroupArn: a }}] }}
targetGroups:
  a: {{ LoadBalancer: front, HealthCheckIntervalSeconds: 10, HealthyThresholdCount: 2, deregistrationDelay: 10s }}
  b: {{ LoadBalancer: front, HealthCheckIntervalSeconds: 10, HealthyThresholdCount: 2, deregistrationDelay: 10s }}
services:
  web: {{ desiredCount: 2, {service} }}
workloads: {{ users: {{ loadBalancer: front, port: 80, arrivals: {{ poisson: {{ rate: 20 }} }} }} }}
{rest}"
    )
}

const IN_A: &str = "loadBalancers: [{ targetGroupArn: a, containerName: web, containerPort: 80 }]";
const ROLLING: &str =
    "taskDefinition: web:1, loadBalancers: [{ targetGroupArn: a, containerName: web, containerPort: 80 }]";
const BLUE_GREEN: &str = "taskDefinition: web:1, deploymentConfiguration: { strategy: BLUE_GREEN, bakeTimeInMinutes: 1 },
    loadBalancers: [{ targetGroupArn: a, containerName: web, containerPort: 80,
      advancedConfiguration: { alternateTargetGroupArn: b, productionListenerRule: { loadBalancer: front, port: 80 } } }]";

/// What callers and CloudWatch see of each minute.
fn minutes(run: &Run) -> Vec<String> {
    let rows = run.service_minutes.iter();
    rows.map(|it| format!("{:?} {:?} {}", it.counts, it.response_time_ms, it.healthy_targets)).collect()
}

#[test]
fn the_place_of_the_container_that_serves_changes_nothing() {
    let back = "  - { at: 15m, updateService: { service: web, taskDefinition: web:3 } }";
    let task_sets = format!(
        "deploymentController: {{ type: EXTERNAL }},
    taskSets: [{{ externalId: one, taskDefinition: web:1, status: PRIMARY, scale: {{ value: 100 }}, {IN_A} }}]"
    );
    let created = format!(
        "timeline:
  - {{ at: 5m, createTaskSet: {{ service: web, externalId: two, taskDefinition: web:2, scale: {{ value: 100 }}, {IN_A} }} }}
  - {{ at: 10m, updateTaskSet: {{ service: web, taskSet: one, scale: {{ value: 0 }} }} }}"
    );
    for (service, rest) in [
        (
            ROLLING,
            format!("timeline:\n  - {{ at: 5m, updateService: {{ service: web, taskDefinition: web:2 }} }}\n{back}"),
        ),
        (ROLLING, format!("timeline:\n  - {{ at: 5m, deploy: {{ service: web, taskDefinition: web:2 }} }}\n{back}")),
        (
            ROLLING,
            format!(
                "timeline:\n  - {{ at: 5m, updateService: {{ service: web, taskDefinition: web:2, {IN_A} }} }}\n{back}"
            ),
        ),
        (
            BLUE_GREEN,
            format!("timeline:\n  - {{ at: 5m, updateService: {{ service: web, taskDefinition: web:2 }} }}\n{back}"),
        ),
        (
            ROLLING,
            "pipelines: { web: { service: web, commits: { at: [1m, 20m] }, build: { container: web },
  badCommits: { share: 1, taskDefinition: web:2 } } }"
                .to_owned(),
        ),
        (&task_sets, created),
    ] {
        let (same, other) = (run(&text([WEB, LOG], service, &rest)), run(&text([LOG, WEB], service, &rest)));
        assert_eq!(minutes(&other), minutes(&same), "{service} {rest}");
        let of_second = other.tasks.iter().filter(|it| &*it.task_definition == "web:2").count();
        assert!(of_second >= 2, "{service} {rest}");
        let (counts, last) = (&other.requests[0].counts, other.service_minutes.last().expect("a row for each minute"));
        assert!(counts.failed() == 0 && counts.served > 40_000, "{counts:?} {service} {rest}");
        let p99 = last.response_time_ms.p99.expect("requests come in each minute");
        assert!(last.healthy_targets == 2 && p99 < 20.0, "{p99} {service} {rest}");
    }
}

#[test]
fn task_sets_may_be_served_by_containers_of_other_names() {
    let task_sets = format!(
        "deploymentController: {{ type: EXTERNAL }},
    taskSets: [{{ externalId: one, taskDefinition: web:1, status: PRIMARY, scale: {{ value: 100 }}, {IN_A} }}]"
    );
    let api = "{ name: api, image: web, cpu: 128, memory: 256, portMappings: [{ containerPort: 8080 }] }";
    let created = "timeline:
  - { at: 5m, createTaskSet: { service: web, externalId: two, taskDefinition: web:2, scale: { value: 100 },
      loadBalancers: [{ targetGroupArn: a, containerName: api, containerPort: 8080 }] } }
  - { at: 10m, updateTaskSet: { service: web, taskSet: one, scale: { value: 0 } } }";
    let run = run(&text([LOG, api], &task_sets, created));
    let last = run.service_minutes.last().expect("a row for each minute");
    assert_eq!((last.healthy_targets, run.requests[0].counts.failed()), (2, 0));
}

#[test]
fn a_revision_without_the_container_or_its_port_is_refused() {
    let refusal = |second: [&str; 2]| {
        let rest = "timeline: [{ at: 5m, updateService: { service: web, taskDefinition: web:2 } }]";
        let text = text(second, ROLLING, rest);
        let problems = scenario::read(Path::new("story.yaml"), &mut |_| Ok(text.as_bytes().to_vec())).err();
        problems.expect("it is refused").render(false)
    };
    let without = refusal([LOG, &WEB.replace("name: web", "name: api")]);
    assert!(without.contains("sends requests to container `web`; it has `log`, `api`"), "{without}");
    let elsewhere = refusal([LOG, &WEB.replace("containerPort: 80", "containerPort: 81")]);
    assert!(elsewhere.contains("port 80 of container `web`, which it does not map"), "{elsewhere}");
}

#[test]
fn what_a_service_that_went_back_cannot_register_is_refused_then() {
    // The second revision is served by `api`, never gets healthy and is taken back; the third has `api` alone, which the service's
    // load balancer looks for no more.
    let api = "{ name: api, image: log, cpu: 128, memory: 256, portMappings: [{ containerPort: 80 }] }";
    let breaker = "deploymentConfiguration: { deploymentCircuitBreaker: { enable: true, rollback: true } }";
    let service = format!("{ROLLING}, {breaker}");
    let third = "pipelines: { web: { service: web, commits: { at: [30m] }, sourceTime: 1s, build: { container: log },
  badCommits: { share: 1, taskDefinition: web:4 } } }
timeline:
  - { at: 1m, updateService: { service: web, taskDefinition: web:2,
      loadBalancers: [{ targetGroupArn: a, containerName: api, containerPort: 80 }] } }
  - { at: 30m, updateService: { service: web, taskDefinition: web:4 } }";
    let text = text([LOG, api], &service, third)
        .replace("  web:3:", &format!("  web:4: {{ containerDefinitions: [{LOG}, {api}] }}\n  web:3:"))
        .replace("applications: {", "applications: { api: { cpuTime: 1s, healthCheckCpuTime: 60s },");
    let run = run(&text);
    let error = "InvalidParameterException: The container web does not exist in the task definition.";
    let refused: Vec<(&str, &str)> = run.failed_calls.iter().map(|it| (it.called_by.as_str(), &*it.error)).collect();
    assert_eq!(refused, [("account", error), ("pipeline", error)]);
    let [execution] = run.pipeline_executions.as_slice() else { panic!("one execution") };
    assert_eq!((execution.status, &*execution.reason), (ExecutionStatus::Failed, error));
    let last = run.service_minutes.last().expect("a row for each minute");
    assert_eq!((last.healthy_targets, last.counts.failed()), (2, 0), "it goes on with its first revision");
}
