//! Unhealthy tasks that get well while their replacements come: which of too many stops, and when.

use plimsoll::run::TaskLife;

use crate::service_scheduler::run_with_seed;

/// A service of two tasks that a storm of 40 s at 5 minutes makes unhealthy; they get well before their replacements listen.
fn text(service: &str, timeline: &str) -> String {
    format!(
        "
duration: 12m
autoScalingGroups: {{ nodes: {{ InstanceType: m5.xlarge, MinSize: 2, MaxSize: 2 }} }}
taskDefinitions: {{ web: {{ cpu: 1024, memory: 512, containerDefinitions: [{{ name: web, memory: 256, portMappings: [{{ containerPort: 80 }}] }}] }} }}
applications: {{ web: {{ cpuTime: 10ms, concurrency: 1, queue: 400, startTime: 60s }} }}
loadBalancers: {{ front: {{ listeners: [{{ Port: 80, Protocol: HTTP, DefaultActions: [{{ Type: forward, TargetGroupArn: web }}] }}] }} }}
targetGroups:
  web: {{ loadBalancer: front, HealthCheckIntervalSeconds: 5, HealthCheckTimeoutSeconds: 2, HealthyThresholdCount: 2, deregistrationDelay: 5s }}
  other: {{ loadBalancer: front }}
workloads:
  users: {{ loadBalancer: front, arrivals: {{ steps: [{{ at: 0s, rate: 20/s }}, {{ at: 300s, rate: 600/s }}, {{ at: 340s, rate: 20/s }}] }} }}
services:
  web:
    desiredCount: 2
    healthCheckGracePeriodSeconds: 120
    {service}
{timeline}
"
    )
}

/// Originals and replacements that were stopped, over some seeds.
fn stopped(service: &str, timeline: &str) -> (u32, u32) {
    let (mut originals, mut replacements) = (0, 0);
    for seed in 0..12 {
        let run = run_with_seed(&text(service, timeline), seed);
        let scaled_in =
            |it: &&TaskLife| it.stopped_reason.as_deref() == Some("Scaling activity initiated by (service web)");
        for task in run.tasks.iter().filter(scaled_in) {
            assert!(task.healthy_at.is_some(), "a replacement is not stopped before it is healthy: {service}");
            if task.task < 2 { originals += 1 } else { replacements += 1 }
        }
        assert_eq!(run.tasks.iter().filter(|it| it.stopped_at.is_none()).count(), 2, "{service}");
    }
    (originals, replacements)
}

const ONE_GROUP: &str = "loadBalancers: [{ targetGroupArn: web, containerName: web, containerPort: 80 }]";

#[test]
fn which_of_too_many_healthy_tasks_stops_is_drawn() {
    let (originals, replacements) = stopped(&format!("taskDefinition: web\n    {ONE_GROUP}"), "");
    assert!(originals > 0 && replacements > 0, "{originals} {replacements}");
}

#[test]
fn it_is_drawn_beside_hooks_shifts_of_traffic_and_task_sets() {
    let two_groups = ONE_GROUP.replace(
        " }]",
        ", advancedConfiguration: { alternateTargetGroupArn: other, productionListenerRule: { loadBalancer: front, port: 80 } } }]",
    );
    // Asked for longer than the run lasts: the revision before is kept as it is, and blue.
    let hook = "lifecycleHooks: [{ lifecycleStages: [PRE_SCALE_UP], completes: 1h }]";
    let deployed = "timeline: [{ at: 200s, updateService: { service: web, forceNewDeployment: true } }]";
    let rolling = format!("taskDefinition: web\n    {ONE_GROUP}\n    deploymentConfiguration: {{ {hook} }}");
    let blue_green = format!(
        "taskDefinition: web\n    {two_groups}\n    deploymentConfiguration: {{ strategy: BLUE_GREEN, bakeTimeInMinutes: 5, {hook} }}"
    );
    let task_set = format!(
        "deploymentController: {{ type: EXTERNAL }}
    taskSets: [{{ externalId: blue, taskDefinition: web, status: PRIMARY, scale: {{ value: 100, unit: PERCENT }}, {ONE_GROUP} }}]"
    );
    for (service, timeline) in [(rolling, deployed), (blue_green, deployed), (task_set, "")] {
        let (originals, replacements) = stopped(&service, timeline);
        assert!(originals > 0 && replacements > 0, "{originals} {replacements}: {service}");
    }
}
