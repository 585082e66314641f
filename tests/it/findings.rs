//! Detectors: what stands out of a run's scaling, and that nothing does where nothing should.

use std::path::Path;

use plimsoll::engine::simulate;
use plimsoll::report::findings::findings;
use plimsoll::rng::Seed;
use plimsoll::run::Run;
use plimsoll::scenario;

/// A service of `tasks` on Fargate with a vCPU each, under a policy on CPU with this target; 10 ms of CPU time a request.
fn run(tasks: u32, target: u32, arrivals: &str, application: &str, policies: &str) -> Run {
    let text = format!(
        "duration: 2h
cluster: {{ availabilityZones: [us-east-1a], subnets: {{ subnet-a: {{ AvailabilityZone: us-east-1a, CidrBlock: 10.0.0.0/20 }} }} }}
taskDefinitions:
  web: {{ cpu: 1024, memory: 2048, networkMode: awsvpc, requiresCompatibilities: [FARGATE], containerDefinitions: [{{ name: web, portMappings: [{{ containerPort: 80 }}] }}] }}
applications: {{ web: {{ cpuTime: 10ms, {application} }} }}
targetGroups: {{ web: {{}} }}
services:
  web: {{ taskDefinition: web, desiredCount: {tasks}, launchType: FARGATE, healthCheckGracePeriodSeconds: 7200, networkConfiguration: {{ awsvpcConfiguration: {{ subnets: [subnet-a] }} }}, loadBalancers: [{{ targetGroupArn: web, containerName: web, containerPort: 80 }}] }}
scalableTargets: {{ web: {{ MinCapacity: 1, MaxCapacity: 40 }} }}
scalingPolicies:
  cpu: {{ service: web, TargetTrackingScalingPolicyConfiguration: {{ TargetValue: {target}, PredefinedMetricSpecification: {{ PredefinedMetricType: ECSServiceAverageCPUUtilization }} }} }}
{policies}
assumptions: {{ fargateVcpuQuota: 100 }}
workloads: {{ clients: {{ service: web, arrivals: {{ {arrivals} }} }} }}
"
    );
    let story = scenario::read(Path::new("findings.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
        .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    simulate(&story.variants[0], Seed { seed: 1, replication: 0 })
}

fn kinds(run: &Run) -> Vec<&'static str> {
    findings(run).iter().map(|it| it.kind).collect()
}

fn text_of(run: &Run, kind: &str) -> String {
    findings(run)
        .into_iter()
        .find(|it| it.kind == kind)
        .unwrap_or_else(|| panic!("no {kind}: {:?}", findings(run)))
        .text
}

#[test]
fn nothing_stands_out_of_a_service_that_is_scaled_well() {
    let quiet = run(2, 50, "poisson: { rate: 80 }", "waitTime: 10ms", "");
    assert_eq!(kinds(&quiet), [""; 0]);
}

/// Four workers that compute a tenth of their time bring a vCPU to 40 %.
#[test]
fn a_target_above_what_the_workers_can_come_to_never_fires() {
    let never = run(2, 50, "poisson: { rate: 70 }", "waitTime: 90ms, concurrency: 4", "");
    assert_eq!(
        text_of(&never, "policy-never-fires"),
        "policy cpu can never scale out: its target is 50 % CPU, and with all workers of a task busy it comes to 40 % at the most"
    );
    assert!(never.service_scale_outs.is_empty());
    let reachable = run(2, 35, "poisson: { rate: 70 }", "waitTime: 90ms, concurrency: 4", "");
    assert!(!kinds(&reachable).contains(&"policy-never-fires"));
}

/// CPU ends at 100 %: with a target of 80 % a step adds at most a quarter.
#[test]
fn steps_are_bounded_by_the_cap_of_the_metric() {
    let capped = run(4, 80, "steps: [{ at: 0s, rate: 100 }, { at: 10m, rate: 2000 }]", "waitTime: 0s", "");
    let text = text_of(&capped, "bounded-by-metric-cap");
    assert!(text.contains("with a target of 80 % policy cpu adds 25 % a step at the most"), "{text}");
    assert!(capped.service_scale_outs.windows(2).all(|it| it[1].to <= it[0].to + it[0].to.div_ceil(4)));
}

#[test]
fn a_load_that_is_gone_before_the_cooldown_is() {
    let spike = "steps: [{ at: 0s, rate: 60 }, { at: 10m, rate: 190 }, { at: 14m, rate: 60 }]";
    let brief = run(2, 50, spike, "waitTime: 0s", "");
    let text = text_of(&brief, "cooldown-outlasts-disturbance");
    assert!(text.starts_with("once the load was back after 4m"), "{text}");
    let lasting = "steps: [{ at: 0s, rate: 60 }, { at: 10m, rate: 190 }]";
    assert!(!kinds(&run(2, 50, lasting, "waitTime: 0s", "")).contains(&"cooldown-outlasts-disturbance"));
}

/// Memory at 47 % is within its target of 50 %, and not below nine tenths of it: no policy may scale in.
#[test]
fn one_policy_that_is_not_ready_starves_the_scale_in_of_all() {
    let memory = "  memory: { service: web, TargetTrackingScalingPolicyConfiguration: { TargetValue: 50, PredefinedMetricSpecification: { PredefinedMetricType: ECSServiceAverageMemoryUtilization } } }";
    let starved = run(8, 50, "poisson: { rate: 40 }", "waitTime: 0s, memory: { base: 960MiB }", memory);
    let text = text_of(&starved, "starved-scale-in");
    assert!(text.contains("policy memory is not ready, its low alarm is OK"), "{text}");
    let free = run(8, 50, "poisson: { rate: 40 }", "waitTime: 0s, memory: { base: 400MiB }", memory);
    assert!(!kinds(&free).contains(&"starved-scale-in"));
}

/// A step policy in and target tracking out do not know of each other, so the one undoes what the other does.
#[test]
fn policies_that_undo_each_other_oscillate() {
    let step_in = "  in:
    service: web
    StepScalingPolicyConfiguration: { AdjustmentType: ChangeInCapacity, StepAdjustments: [{ MetricIntervalUpperBound: 0, ScalingAdjustment: -1 }], Cooldown: 60 }
    alarm: not-so-busy
alarms:
  not-so-busy: { MetricName: CPUUtilization, ServiceName: web, Statistic: Average, Period: 60, EvaluationPeriods: 1, Threshold: 48, ComparisonOperator: LessThanThreshold }";
    let swinging = run(4, 50, "poisson: { rate: 185 }", "waitTime: 0s", step_in);
    let text = text_of(&swinging, "oscillation");
    assert!(text.starts_with("the desired count swings by "), "{text}");
    assert!(text.contains("though the load does not"), "{text}");
}
