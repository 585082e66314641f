//! Deployments: what fails one and how a service goes back, and how traffic shifts to a new revision.

use plimsoll::run::{Run, TaskLife};
use plimsoll::units::{Instant, Span};

use crate::stories::run;

/// A service `web` on six instances whose revision 2 is deployed at 5 minutes.
pub struct Setup<'a> {
    pub desired: u32,
    pub deployment: &'a str,
    /// Of the service's load balancer, beyond its target group.
    pub balancer: &'a str,
    /// The application of the new revision.
    pub new: &'a str,
    /// More of the timeline.
    pub timeline: &'a str,
    pub more: &'a str,
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Setup { desired: 4, deployment: "", balancer: "", new: "startTime: 2s", timeline: "", more: "" }
    }
}

/// A process that comes up, but listens only when the run is over.
pub const NEVER_LISTENS: &str = "startTime: 10h";

impl Setup<'_> {
    pub fn run(&self) -> Run {
        run(&self.text())
    }

    pub fn text(&self) -> String {
        let Setup { desired, deployment, balancer, new, timeline, more } = self;
        format!(
            "duration: 2h
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 6, MaxSize: 6 }} }}
taskDefinitions:
  web:1: {{ containerDefinitions: [{{ name: web, image: web, cpu: 128, memory: 256, portMappings: [{{ containerPort: 80 }}] }}] }}
  web:2: {{ containerDefinitions: [{{ name: web, image: web, cpu: 128, memory: 256, portMappings: [{{ containerPort: 80 }}] }}] }}
  web:3: {{ containerDefinitions: [{{ name: web, image: web, cpu: 128, memory: 256, portMappings: [{{ containerPort: 80 }}] }}] }}
applications:
  web: {{ startTime: 2s }}
  web:2/web: {{ {new} }}
loadBalancers:
  front:
    listeners:
      - {{ Port: 443, Protocol: HTTPS, DefaultActions: [{{ Type: forward, TargetGroupArn: blue }}] }}
      - {{ Port: 8443, Protocol: HTTPS, DefaultActions: [{{ Type: forward, TargetGroupArn: blue }}] }}
targetGroups:
  blue: {{ loadBalancer: front, HealthCheckIntervalSeconds: 10, deregistrationDelay: 10s }}
  green: {{ loadBalancer: front, HealthCheckIntervalSeconds: 10, deregistrationDelay: 10s }}
services:
  web:
    taskDefinition: web:1
    desiredCount: {desired}
    deploymentConfiguration: {{ {deployment} }}
    loadBalancers: [{{ targetGroupArn: blue, containerName: web, containerPort: 80, {balancer} }}]
workloads: {{ visitors: {{ service: web, arrivals: {{ poisson: {{ rate: 10/s }} }} }} }}
timeline:
  - {{ at: 5m, deploy: {{ service: web, taskDefinition: web:2 }} }}
{timeline}
{more}"
        )
    }
}

/// Events of some kinds with their seconds since the deployment at 5 minutes.
pub fn said(run: &Run, kinds: &[&str]) -> Vec<(f64, String)> {
    let deployed_at = Instant::START + Span::MINUTE * 5;
    let after = run.events.iter().filter(|it| it.at >= deployed_at && kinds.contains(&it.kind));
    after.map(|it| (it.at.since(deployed_at).as_seconds(), it.message.clone())).collect()
}

pub fn words(run: &Run, kinds: &[&str]) -> Vec<String> {
    said(run, kinds).into_iter().map(|it| it.1).collect()
}

pub const VERDICTS: [&str; 4] = [
    "service.deployment_in_progress",
    "service.deployment_failed",
    "service.deployment_rolling_back",
    "service.deployment_completed",
];

/// Tasks of a task definition that were started after the deployment.
fn tasks_of(run: &Run, definition: &str) -> usize {
    let deployed_at = Instant::START + Span::MINUTE * 5;
    run.tasks.iter().filter(|it| &*it.task_definition == definition && it.created_at >= deployed_at).count()
}

/// Tasks of a task definition that run when all is over.
pub fn running_at_end(run: &Run, definition: &str) -> usize {
    let runs = |it: &&plimsoll::run::TaskLife| it.running_at.is_some() && it.stopping_at.is_none();
    run.tasks.iter().filter(|it| &*it.task_definition == definition).filter(runs).count()
}

pub const BREAKER: &str = "deploymentCircuitBreaker: { enable: true, rollback: true }";

#[test]
fn the_circuit_breaker_fails_a_deployment_and_goes_back() {
    let run = Setup { deployment: BREAKER, new: NEVER_LISTENS, ..Setup::default() }.run();
    assert_eq!(
        words(&run, &VERDICTS),
        [
            "(service web) (deployment 1) in progress: web:2",
            "(service web) (deployment 1) deployment failed: tasks failed to start.",
            "(service web) rolling back to deployment 0.",
            "(service web) (deployment 0) deployment completed.",
        ]
    );
    let failed_at = said(&run, &["service.deployment_failed"])[0].0;
    let deployed_at = Instant::START + Span::MINUTE * 5;
    let late = run.tasks.iter().filter(|it| it.created_at > deployed_at + Span::from_nanos_f64(failed_at * 1e9));
    assert_eq!(late.count(), 0, "neither does the failed one start any, nor has the old one lost any");
    assert_eq!((running_at_end(&run, "web:1"), running_at_end(&run, "web:2")), (4, 0));
    let cause = run.events.iter().find(|it| it.kind == "service.deployment_failed").and_then(|it| it.cause);
    assert_eq!(run.events[cause.expect("it has a cause")].kind, "target.unhealthy");
}

#[test]
fn without_a_circuit_breaker_it_goes_on_and_on() {
    let run = Setup { new: NEVER_LISTENS, ..Setup::default() }.run();
    assert_eq!(words(&run, &VERDICTS).len(), 1);
    assert!(tasks_of(&run, "web:2") > 100, "{}", tasks_of(&run, "web:2"));
    assert_eq!(running_at_end(&run, "web:1"), 4);
}

#[test]
fn without_rollback_a_failed_deployment_stalls_and_old_tasks_stay() {
    let deployment = "deploymentCircuitBreaker: { enable: true, rollback: false, thresholdConfiguration: { type: COUNT, value: 5 } }";
    let run = Setup { deployment, new: NEVER_LISTENS, ..Setup::default() }.run();
    assert_eq!(words(&run, &VERDICTS).len(), 2);
    assert_eq!(running_at_end(&run, "web:1"), 4);
    let failed_at = said(&run, &["service.deployment_failed"])[0].0;
    let last = run.tasks.iter().map(|it| it.created_at).max().expect("there are tasks");
    assert!(last.since(Instant::START + Span::MINUTE * 5).as_seconds() <= failed_at);

    // The next one goes its way as ever.
    let timeline = "  - { at: 60m, deploy: { service: web, taskDefinition: web:3 } }";
    let run = Setup { deployment, new: NEVER_LISTENS, timeline, ..Setup::default() }.run();
    assert_eq!(running_at_end(&run, "web:3"), 4);
    assert_eq!(run.tasks.iter().filter(|it| it.stopping_at.is_none() && it.running_at.is_some()).count(), 4);
}

#[test]
fn tasks_that_never_run_trip_the_breaker_in_its_first_stage() {
    // Of another architecture: each stops before it has run.
    let new = "startTime: 0s, imageArchitecture: ARM64";
    let run = Setup { deployment: BREAKER, new, ..Setup::default() }.run();
    assert_eq!(words(&run, &["service.deployment_failed"]).len(), 1);
    assert!((3..=6).contains(&tasks_of(&run, "web:2")), "{}", tasks_of(&run, "web:2"));
    assert!(run.tasks.iter().filter(|it| &*it.task_definition == "web:2").all(|it| it.running_at.is_none()));
}

#[test]
fn we_58_so_many_tasks_fail_before_the_breaker_trips() {
    for (desired, threshold) in [(1, 3), (6, 3), (7, 4), (26, 13)] {
        let run = Setup { desired, deployment: BREAKER, new: NEVER_LISTENS, ..Setup::default() }.run();
        assert_eq!(words(&run, &["service.deployment_failed"]).len(), 1, "{desired}");
        let by_checks = |it: &&plimsoll::run::TaskLife| {
            it.stopped_reason.as_deref().is_some_and(|it| it.starts_with("Task failed ELB health checks"))
        };
        let failed = run.tasks.iter().filter(by_checks).count();
        // Those that fail in one pass of the scheduler are counted together.
        assert!((threshold..=threshold.max(desired as usize)).contains(&failed), "{desired}: {failed}");
        assert_eq!(running_at_end(&run, "web:1"), desired as usize);
    }
}

#[test]
fn a_deployment_interrupted_by_a_third_is_never_gone_back_to() {
    let timeline = "  - { at: 310s, deploy: { service: web, taskDefinition: web:3 } }";
    let run = Setup { timeline, ..Setup::default() }.run();
    let completed = words(&run, &["service.deployment_completed"]);
    assert_eq!(completed, ["(service web) (deployment 2) deployment completed."]);
    assert_eq!(running_at_end(&run, "web:3"), 4);
    assert_eq!(run.tasks.iter().filter(|it| it.stopping_at.is_none() && it.running_at.is_some()).count(), 4);
}

/// An alarm on what the service's targets answer with 5xx.
pub const ERRORS: &str = "alarms:
  errors: { Namespace: AWS/ApplicationELB, MetricName: HTTPCode_Target_5XX_Count, serviceName: web, Statistic: Sum, Period: 60, EvaluationPeriods: 5, DatapointsToAlarm: 2, Threshold: 5, ComparisonOperator: GreaterThanThreshold, TreatMissingData: notBreaching }";
const WATCHED: &str = "alarms: { alarmNames: [errors], enable: true, rollback: true }";

#[test]
fn an_alarm_fails_a_deployment_and_goes_back() {
    let run = Setup { deployment: WATCHED, new: "errorShare: 0.5", more: ERRORS, ..Setup::default() }.run();
    assert_eq!(
        words(&run, &VERDICTS)[1..],
        [
            "(service web) (deployment 1) deployment failed: alarm detected.",
            "(service web) rolling back to deployment 0.",
            "(service web) (deployment 0) deployment completed.",
        ]
    );
    assert_eq!((running_at_end(&run, "web:1"), running_at_end(&run, "web:2")), (4, 0));
}

/// When the last task of the first deployment was asked to stop, since all of the second were healthy; seconds from its begin.
fn all_asked_to_stop(run: &Run) -> f64 {
    let old = run.tasks.iter().filter(|it| it.deployment == 0).filter_map(|it| it.stopping_at);
    old.max().expect("they stop").since(Instant::START + Span::MINUTE * 5).as_seconds()
}

#[test]
fn alarms_that_stay_quiet_have_their_bake_time() {
    let quiet = Setup { deployment: WATCHED, more: ERRORS, ..Setup::default() }.run();
    let alone = Setup::default().run();
    let completed = |run: &Run| said(run, &["service.deployment_completed"])[0].0;
    let settled = all_asked_to_stop(&alone);
    // Five periods of a minute, while the old tasks stop.
    assert!((completed(&quiet) - settled - 300.0).abs() < 1e-6);
    let more = format!("{ERRORS}\nassumptions: {{ deploymentAlarmBakeTime: 40s }}");
    let assumed = Setup { deployment: WATCHED, more: &more, ..Setup::default() }.run();
    assert!((completed(&assumed) - settled - 40.0).abs() < 1e-6);
}

#[test]
fn an_alarm_that_is_in_alarm_at_the_start_is_ignored() {
    let broken = "  - { at: 1m, targetErrors: { service: web, tasks: 4 } }";
    let run = Setup { deployment: WATCHED, timeline: broken, more: ERRORS, ..Setup::default() }.run();
    let in_alarm = run.alarm_changes.iter().any(|it| it.to == "ALARM" && it.at < Instant::START + Span::MINUTE * 5);
    assert!(in_alarm, "{:?}", run.alarm_changes);
    assert_eq!(words(&run, &VERDICTS)[1..], ["(service web) (deployment 1) deployment completed."]);
}

pub const TWO_GROUPS: &str = "advancedConfiguration: { alternateTargetGroupArn: green, productionListenerRule: { loadBalancer: front, port: 443 }, testListenerRule: { loadBalancer: front, port: 8443 } }";

pub fn staged(strategy: &str) -> String {
    format!("strategy: {strategy}, bakeTimeInMinutes: 5")
}

/// Minutes between the first step of traffic and each, with the percentage.
fn steps(run: &Run) -> Vec<(f64, String)> {
    let shifted = said(run, &["service.traffic_shifted"]);
    let first = shifted[0].0;
    let percent = |it: &str| it.split(" % ").next().and_then(|it| it.rsplit(' ').next()).unwrap_or("").to_owned();
    shifted.iter().map(|(at, words)| ((at - first) / 60.0, percent(words))).collect()
}

#[test]
fn we_61_traffic_shifts_in_steps() {
    let step = |minutes: f64, percent: &str| (minutes, percent.to_owned());
    let canary = Setup { deployment: &staged("CANARY"), balancer: TWO_GROUPS, ..Setup::default() }.run();
    assert_eq!(steps(&canary), [step(0.0, "5"), step(10.0, "100")]);
    let linear = Setup { deployment: &staged("LINEAR"), balancer: TWO_GROUPS, ..Setup::default() }.run();
    let tenths: Vec<(f64, String)> =
        (0..10).map(|it| step(6.0 * f64::from(it), &(10 * (it + 1)).to_string())).collect();
    assert_eq!(steps(&linear), tenths);
    let thirds = format!("{}, linearConfiguration: {{ stepPercent: 30 }}", staged("LINEAR"));
    let linear = Setup { deployment: &thirds, balancer: TWO_GROUPS, ..Setup::default() }.run();
    assert_eq!(steps(&linear), [step(0.0, "30"), step(6.0, "60"), step(12.0, "90"), step(18.0, "100")]);
}

#[test]
fn blue_green_goes_through_its_stages_and_hurts_nobody() {
    let run = Setup { deployment: &staged("BLUE_GREEN"), balancer: TWO_GROUPS, ..Setup::default() }.run();
    let stages = said(&run, &["service.deployment_stage"]);
    let names: Vec<&str> = stages.iter().filter_map(|it| it.1.rsplit(' ').next()).collect();
    assert_eq!(
        names,
        [
            "PRE_SCALE_UP",
            "SCALE_UP",
            "POST_SCALE_UP",
            "TEST_TRAFFIC_SHIFT",
            "POST_TEST_TRAFFIC_SHIFT",
            "PRE_PRODUCTION_TRAFFIC_SHIFT",
            "PRODUCTION_TRAFFIC_SHIFT",
            "POST_PRODUCTION_TRAFFIC_SHIFT",
            "BAKE_TIME",
            "CLEAN_UP",
        ]
    );
    assert!((stages[9].0 - stages[8].0 - 300.0).abs() < 1e-6, "bakeTimeInMinutes");
    let counts = &run.requests[0].counts;
    assert_eq!(counts.failed(), 0, "{counts:?}");
    assert_eq!(counts.arrived, counts.served + run.requests[0].in_flight);
    assert_eq!((running_at_end(&run, "web:1"), running_at_end(&run, "web:2")), (0, 4));
    let most = run.service_minutes.iter().map(|it| it.running_count).max();
    assert_eq!(most, Some(8), "blue and green hold the whole desired count side by side");
}

#[test]
fn target_groups_take_turns() {
    let timeline = "  - { at: 40m, deploy: { service: web, taskDefinition: web:3 } }";
    let run = Setup { deployment: &staged("BLUE_GREEN"), balancer: TWO_GROUPS, timeline, ..Setup::default() }.run();
    let shifted = words(&run, &["service.traffic_shifted"]);
    assert_eq!(
        shifted,
        [
            "(service web) (deployment 1) 100 % of production traffic goes to (target-group green)",
            "(service web) (deployment 2) 100 % of production traffic goes to (target-group blue)",
        ]
    );
    assert_eq!(run.requests[0].counts.failed(), 0);
    assert_eq!(running_at_end(&run, "web:3"), 4);
    // What CloudWatch is told of each group is what came to it, and of the service their sum.
    for service in &run.service_minutes {
        let of_groups = run.load_balancer_minutes.iter().filter(|it| it.minute == service.minute);
        let sum: u64 = of_groups.filter(|it| it.target_group.is_some()).map(|it| it.counts.arrived).sum();
        assert_eq!(sum, service.counts.arrived, "minute {}", service.minute);
    }
}

#[test]
fn an_alarm_gives_blue_its_traffic_back_at_once() {
    let deployment = format!("{}, {WATCHED}", staged("CANARY"));
    let more = ERRORS.replace("serviceName: web", "Dimensions: [{ Name: LoadBalancer, Value: front }]");
    let setup = Setup {
        deployment: &deployment,
        balancer: TWO_GROUPS,
        new: "errorShare: 0.5",
        more: &more,
        ..Setup::default()
    };
    let run = setup.run();
    let failed_at = said(&run, &["service.deployment_failed"])[0].0;
    let shifted = said(&run, &["service.traffic_shifted"]);
    assert_eq!(shifted.len(), 2, "{shifted:?}");
    assert_eq!(
        shifted[1],
        (failed_at, "(service web) all production traffic goes back to (target-group blue)".to_owned())
    );
    assert_eq!((running_at_end(&run, "web:1"), running_at_end(&run, "web:2")), (4, 0));
    assert_eq!(
        words(&run, &VERDICTS).last().map(String::as_str),
        Some("(service web) (deployment 0) deployment completed.")
    );
    let rolling = Setup { deployment: WATCHED, new: "errorShare: 0.5", more: ERRORS, ..Setup::default() }.run();
    let hurt = |run: &Run| run.requests[0].counts.failed();
    assert!(hurt(&run) * 4 < hurt(&rolling), "{} {}", hurt(&run), hurt(&rolling));
}

#[test]
fn a_hook_that_fails_stops_green_before_it_has_any_traffic() {
    let hook = "lifecycleHooks: [{ lifecycleStages: [POST_TEST_TRAFFIC_SHIFT], completes: 40s, failureShare: 1 }]";
    let deployment = format!("{}, {hook}", staged("BLUE_GREEN"));
    let run = Setup { deployment: &deployment, balancer: TWO_GROUPS, ..Setup::default() }.run();
    let stages = said(&run, &["service.deployment_stage"]);
    assert_eq!(stages.len(), 5);
    let failed = &said(&run, &["service.deployment_failed"])[0];
    assert_eq!(failed.0 - stages[4].0, 40.0);
    assert_eq!(
        failed.1,
        "(service web) (deployment 1) deployment failed: lifecycle hook failed at POST_TEST_TRAFFIC_SHIFT."
    );
    assert!(words(&run, &["service.traffic_shifted"]).is_empty());
    assert_eq!(running_at_end(&run, "web:1"), 4);
}

#[test]
fn a_pause_lasts_until_somebody_continues_or_its_timeout() {
    let paused = |more: &str| {
        let hook = format!("lifecycleHooks: [{{ targetType: PAUSE, lifecycleStages: [POST_SCALE_UP], {more} }}]");
        let deployment = format!("{}, {hook}", staged("BLUE_GREEN"));
        Setup { deployment: &deployment, balancer: TWO_GROUPS, ..Setup::default() }.run()
    };
    let lasted = |run: &Run| {
        let stages = said(run, &["service.deployment_stage"]);
        stages.get(3).map(|it| it.0 - stages[2].0)
    };
    assert_eq!(lasted(&paused("completes: 15m")), Some(900.0));
    assert_eq!(lasted(&paused("timeoutConfiguration: { timeoutInMinutes: 10, action: CONTINUE }")), Some(600.0));
    let given_up = paused("timeoutConfiguration: { timeoutInMinutes: 10 }");
    assert_eq!(lasted(&given_up), None);
    assert_eq!(words(&given_up, &["service.deployment_failed"]).len(), 1);
}

#[test]
fn another_deployment_interrupts_a_canary() {
    let timeline = "  - { at: 10m, deploy: { service: web, taskDefinition: web:3 } }";
    let run = Setup { deployment: &staged("CANARY"), balancer: TWO_GROUPS, timeline, ..Setup::default() }.run();
    let shifted = words(&run, &["service.traffic_shifted"]);
    assert!(shifted[1].ends_with("goes back to (target-group blue)"), "{shifted:?}");
    let stages = words(&run, &["service.deployment_stage"]);
    assert!(stages.iter().any(|it| it == "(service web) (deployment 2) RECONCILE_SERVICE"), "{stages:?}");
    assert_eq!(running_at_end(&run, "web:3"), 4);
    assert_eq!(run.tasks.iter().filter(|it| it.stopping_at.is_none() && it.running_at.is_some()).count(), 4);
    assert_eq!(run.requests[0].counts.failed(), 0);
}

#[test]
fn a_service_without_load_balancer_is_blue_green_without_traffic() {
    let text = "duration: 1h
autoScalingGroups: { nodes: { InstanceType: m5.large, MinSize: 2, MaxSize: 2 } }
taskDefinitions:
  work:1: { containerDefinitions: [{ name: work, image: work, cpu: 128, memory: 256 }] }
  work:2: { containerDefinitions: [{ name: work, image: work, cpu: 128, memory: 256 }] }
services:
  work: { taskDefinition: work:1, desiredCount: 3, deploymentConfiguration: { strategy: BLUE_GREEN, bakeTimeInMinutes: 10 } }
timeline: [{ at: 5m, deploy: { service: work, taskDefinition: work:2 } }]";
    let run = run(text);
    let stages = said(&run, &["service.deployment_stage"]);
    assert_eq!(stages.len(), 10);
    // Green counts as healthy 40 s after its last task runs.
    assert!(stages[2].0 - stages[1].0 >= 40.0, "{stages:?}");
    assert_eq!(running_at_end(&run, "work:2"), 3);
    assert_eq!(words(&run, &["service.deployment_completed"]).len(), 1);
}

#[test]
fn code_deploy_shifts_by_its_predefined_configurations() {
    let by_code_deploy = |name: &str, timeline: &str| {
        let group = format!("deploymentGroup: {{ deploymentConfigName: CodeDeployDefault.{name} }}");
        let text = Setup { timeline, ..Setup::default() }.text();
        let web = "loadBalancers: [{ targetGroupArn: blue, containerName: web, containerPort: 80,  }]";
        let own = format!(
            "loadBalancers: [{{ targetGroupArn: blue, containerName: web, containerPort: 80, {TWO_GROUPS} }}]
    deploymentController: {{ type: CODE_DEPLOY }}
    {group}"
        );
        assert!(text.contains(web), "{text}");
        run(&text.replace(web, &own))
    };
    let step = |minutes: f64, percent: &str| (minutes, percent.to_owned());
    let canary = by_code_deploy("ECSCanary10Percent5Minutes", "");
    assert_eq!(steps(&canary), [step(0.0, "10"), step(5.0, "100")]);
    let stages = said(&canary, &["service.deployment_stage"]);
    let last = stages.len() - 1;
    assert_eq!(stages[last].0 - stages[last - 1].0, 3_600.0, "an hour until the original task set is terminated");
    let linear = by_code_deploy("ECSLinear10PercentEvery3Minutes", "");
    assert_eq!(steps(&linear).last(), Some(&step(27.0, "100")));

    // There is no room for as many more.
    let too_many = "  - { at: 7m, updateService: { service: web, desiredCount: 60 } }";
    let upset = by_code_deploy("ECSCanary10Percent5Minutes", too_many);
    let failed = said(&upset, &["service.deployment_failed"]);
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].0, 120.0 + 300.0);
    let a_few = "  - { at: 7m, updateService: { service: web, desiredCount: 6 } }";
    let scaled = by_code_deploy("ECSCanary10Percent5Minutes", a_few);
    assert!(said(&scaled, &["service.deployment_failed"]).is_empty());
    assert_eq!(running_at_end(&scaled, "web:2"), 6);
}

/// Two of the four tasks of the new revision are enough; the old ones take 10 s to drain.
pub fn early(cleanup: &str) -> String {
    format!(
        "minimumHealthyPercent: 50, maximumPercent: 150, earlySuccessCriteria: {{ enable: true, healthyPercent: 50, sourceServiceRevisionCleanup: {cleanup} }}"
    )
}

#[test]
fn early_success_completes_a_rolling_update_before_its_last_tasks() {
    let completed = |deployment: &str, timeline: &str| {
        let run = Setup { deployment, timeline, ..Setup::default() }.run();
        (said(&run, &["service.deployment_completed"])[0].0, running_at_end(&run, "web:2"))
    };
    let (whole, all) = completed("minimumHealthyPercent: 50, maximumPercent: 150", "");
    let (deferred, still_all) = completed(&early("DEFERRED"), "");
    assert!(deferred < whole, "{deferred} {whole}");
    assert_eq!((all, still_all), (4, 4), "the others follow outside of the deployment");
    let (blocking, _) = completed(&early("BLOCKING"), "");
    assert!(deferred <= blocking && blocking <= whole, "{deferred} {blocking} {whole}");
}

/// Tasks of the revision before that were not STOPPED when the deployment completed.
fn old_tasks_left(run: &Run) -> usize {
    let completed_at = run.deployments[1].completed_at.expect("it completes");
    run.tasks.iter().filter(|it| it.deployment == 0 && it.stopped_at.is_none_or(|at| at > completed_at)).count()
}

#[test]
fn a_deployment_waits_until_its_old_tasks_are_stopped_unless_that_is_deferred() {
    let of = |deployment: &str| Setup { deployment, ..Setup::default() }.run();
    let whole = of("minimumHealthyPercent: 50, maximumPercent: 150");
    assert_eq!((old_tasks_left(&whole), whole.deployments[1].early_success), (0, None));
    let blocking = of(&early("BLOCKING"));
    assert_eq!(old_tasks_left(&blocking), 0);
    let deferred = of(&early("DEFERRED"));
    let left = old_tasks_left(&deferred) as u32;
    let early = deferred.deployments[1].early_success.expect("others were to come");
    assert!(left > 0 && early.old_tasks == left && early.desired == 4, "{early:?}");
    assert!((2..=4).contains(&early.healthy), "{early:?}");
    let over_at = deferred.deployments[1].early_success_over_at(&deferred).expect("all is done in the end");
    assert_eq!(deferred.deployments[1].old_tasks_gone_at(&deferred).max(early.all_healthy_at), Some(over_at));
    assert!(deferred.deployments[1].completed_at.is_some_and(|it| it < over_at));
    let told = plimsoll::report::deployments::paragraphs(&[vec![&deferred]]);
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    let words = format!(
        "with {} of 4 tasks healthy and {left} old tasks still to be cleaned up; nothing was left after",
        early.healthy
    );
    assert!(told.contains("finished early in ") && told.contains(&words), "{told}");
}

#[test]
fn what_an_interrupted_update_has_come_to_stays_until_the_hooks_of_the_next_one_are_over() {
    // Some of the second revision have come by turns when the third asks its hook.
    let run = Setup {
        deployment: "minimumHealthyPercent: 75, maximumPercent: 100, lifecycleHooks: [{ lifecycleStages: [PRE_SCALE_UP], completes: 100s }]",
        timeline: "  - { at: 420s, deploy: { service: web, taskDefinition: web:3 } }",
        ..Setup::default()
    }
    .run();
    let there_at = |seconds: u64, definition: &str| {
        let at = Instant::START + Span::seconds(seconds);
        let is_there = |it: &&TaskLife| it.created_at <= at && it.stopping_at.is_none_or(|it| it > at);
        run.tasks
            .iter()
            .filter(is_there)
            .filter(|it| definition.is_empty() || &*it.task_definition == definition)
            .count()
    };
    let second = there_at(515, "web:2");
    assert!((1..4).contains(&second), "{second} of the second revision");
    for seconds in (430..520).step_by(5) {
        assert!((3..=4).contains(&there_at(seconds, "")), "{} at {seconds} s", there_at(seconds, ""));
    }
    assert_eq!(running_at_end(&run, "web:3"), 4);
}

#[test]
fn rolling_updates_call_hooks_before_their_first_task_and_after_their_last() {
    let of = |hook: &str| {
        let deployment = format!("lifecycleHooks: [{{ {hook} }}]");
        Setup { deployment: &deployment, ..Setup::default() }.run()
    };
    let plain = Setup::default().run();
    let first = |run: &Run| {
        let new = run.tasks.iter().filter(|it| it.deployment == 1).map(|it| it.created_at).min();
        new.map(|it| it.since(Instant::START + Span::MINUTE * 5).as_seconds())
    };
    let completed = |run: &Run| said(run, &["service.deployment_completed"])[0].0;
    let before = of("lifecycleStages: [PRE_SCALE_UP], completes: 100s");
    let begins = first(&plain).expect("new tasks are started");
    assert_eq!(first(&before), Some(begins + 100.0));
    assert_eq!(words(&before, &["service.deployment_stage"]), ["(service web) (deployment 1) PRE_SCALE_UP"]);
    assert_eq!(running_at_end(&before, "web:2"), 4);
    let after = of("targetType: PAUSE, lifecycleStages: [POST_SCALE_UP], completes: 10m");
    let settled = all_asked_to_stop(&plain);
    assert!((completed(&after) - settled - 600.0).abs() < 1e-6, "{} {settled}", completed(&after));
    // Nobody continues it for 20 minutes.
    let ignored =
        of("targetType: PAUSE, lifecycleStages: [POST_SCALE_UP], timeoutConfiguration: { timeoutInMinutes: 20 }");
    let failed = of("lifecycleStages: [POST_SCALE_UP], completes: 40s, failureShare: 1");
    for (run, at) in [(&ignored, settled + 1200.0), (&failed, settled + 40.0)] {
        let [(failed_at, words)] = &said(run, &["service.deployment_failed"])[..] else { panic!("it fails once") };
        assert!((failed_at - at).abs() < 1e-6, "{failed_at} {at}");
        assert_eq!(words, "(service web) (deployment 1) deployment failed: lifecycle hook failed at POST_SCALE_UP.");
        assert_eq!((running_at_end(run, "web:1"), running_at_end(run, "web:2")), (4, 0));
    }
    let never = of("lifecycleStages: [PRE_SCALE_UP], completes: 40s, failureShare: 1");
    assert_eq!((running_at_end(&never, "web:1"), first(&never)), (4, None));
}

#[test]
fn auto_scaling_and_pipelines_call_from_the_bucket_of_the_account() {
    let more = "assumptions: { serviceModifyBurst: 1, serviceModifyCallsPerSecond: 1 }
scalableTargets: { web: { ServiceNamespace: ecs, ScalableDimension: ecs:service:DesiredCount, MinCapacity: 1, MaxCapacity: 20 } }
pipelines:
  one: { service: web, commits: { at: [20m] }, sourceTime: 0s, build: { provisioningTime: 0s, time: 1m, cachedTime: 1m, cacheShare: 0, pushMbPerSecond: 50 } }
  two: { service: web, commits: { at: [20m] }, sourceTime: 0s, build: { provisioningTime: 0s, time: 1m, cachedTime: 1m, cacheShare: 0, pushMbPerSecond: 50 } }";
    let update = "  - { at: 10m, updateService: { service: web, healthCheckGracePeriodSeconds: 5 } }
  - { at: 10m, registerScalableTarget: { service: web, MinCapacity: 6 } }";
    let run = Setup { timeline: update, more, ..Setup::default() }.run();
    let throttled = words(&run, &["service.call_throttled"]);
    for caller in ["Application Auto Scaling", "pipeline two"] {
        let begins =
            format!("UpdateService web by {caller}: ThrottlingException: Rate exceeded. It is made again after ");
        assert!(throttled.iter().any(|it| it.starts_with(&begins)), "{caller}: {throttled:?}");
    }
    let desired = said(&run, &["service.desired_count"]);
    assert!(desired[0].1.ends_with("desired count 4 to 6") && (300.0..330.0).contains(&desired[0].0), "{desired:?}");
    let begun = words(&run, &["service.deployment_in_progress"]);
    assert_eq!(begun.len(), 3, "both pipelines come to deploy: {begun:?}");
}

#[test]
fn nothing_rolls_back_what_has_succeeded_early() {
    // Two are healthy, and then the rest fails its checks.
    let deployment = format!("{}, {BREAKER}", early("DEFERRED"));
    let timeline = "  - { at: 330s, applicationCrashes: { service: web, after: 1s } }";
    let run = Setup { deployment: &deployment, timeline, ..Setup::default() }.run();
    assert_eq!(words(&run, &["service.deployment_failed"]), [] as [String; 0]);
}

#[test]
fn calls_that_change_services_are_throttled_and_made_again() {
    let bucket = "assumptions: { serviceModifyBurst: 2, serviceModifyCallsPerSecond: 1 }";
    let update = "  - { at: 20m, updateService: { service: web, desiredCount: 5 } }\n";
    let run = Setup { timeline: &update.repeat(5), more: bucket, ..Setup::default() }.run();
    let said = words(&run, &["timeline.update_service"]);
    let throttled: Vec<&String> = said.iter().filter(|it| it.contains("ThrottlingException: Rate exceeded.")).collect();
    assert!(throttled.len() >= 3, "{said:?}");
    assert!(throttled.iter().all(|it| it.starts_with("UpdateService web: ")), "{said:?}");
    let done = said.iter().filter(|it| *it == "UpdateService web").count();
    let given_up = said.iter().filter(|it| it.ends_with("It is given up after 3 attempts.")).count();
    assert_eq!(done - 1 + given_up, 5, "each ends in one way, after the deployment's own: {said:?}");
    assert!(given_up < 3, "{said:?}");
}

#[test]
fn capacity_providers_of_a_service_come_to_a_steady_state_with_it() {
    let text = "duration: 30m
autoScalingGroups: { nodes: { InstanceType: m5.large, MinSize: 2, MaxSize: 4 } }
capacityProviders: { nodes: { autoScalingGroupProvider: { autoScalingGroupArn: nodes } } }
taskDefinitions: { web: { containerDefinitions: [{ name: web, image: web, cpu: 256, memory: 256 }] } }
services: { web: { taskDefinition: web, desiredCount: 2, capacityProviderStrategy: [{ capacityProvider: nodes, weight: 1 }] } }
timeline: [{ at: 5m, updateService: { service: web, desiredCount: 4 } }]";
    let run = run(text);
    assert_eq!(
        words(&run, &["service.capacity_provider_steady_state"]),
        ["(service web) (capacity-provider nodes) has reached a steady state."]
    );
}
