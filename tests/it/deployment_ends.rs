//! How deployments end that do not go as planned: what is steady after a failure, what a hook's failure cost, what is kept of an early
//! success, what holds up the last old tasks, and until when a shift of traffic goes back.

use plimsoll::report;
use plimsoll::run::{DeploymentStage, Run, TaskLife, Verdict};
use plimsoll::units::{Instant, Span};

use crate::deployments::{
    BREAKER, ERRORS, NEVER_LISTENS, Setup, TWO_GROUPS, VERDICTS, early, running_at_end, said, staged, words,
};
use crate::stories::run;

const STEADY: &[&str] = &["service.steady_state"];

#[test]
fn a_service_is_steady_with_what_a_failed_deployment_has_left_of_both_revisions() {
    // One after the other is replaced; two of the minutes with errors end the update halfway.
    let watched = "alarms: { alarmNames: [errors], enable: true, rollback: false }, minimumHealthyPercent: 95, maximumPercent: 100";
    let run =
        Setup { desired: 24, deployment: watched, new: "errorShare: 0.5", more: ERRORS, ..Setup::default() }.run();
    let failed = said(&run, &["service.deployment_failed"]);
    let [(failed_at, _)] = failed[..] else { panic!("it fails once: {failed:?}") };
    let (old, new) = (running_at_end(&run, "web:1"), running_at_end(&run, "web:2"));
    assert!(old > 0 && new > 0 && old + new == 24, "{old} {new}");
    let healthy_at = run.tasks.iter().filter(|it| it.stopping_at.is_none()).filter_map(|it| it.healthy_at).max();
    let healthy_at = healthy_at.expect("all are").since(Instant::START + Span::MINUTE * 5).as_seconds();
    let steady = said(&run, STEADY);
    let [(steady_at, _)] = steady[..] else { panic!("it is said once: {steady:?}") };
    assert!(steady_at >= failed_at.max(healthy_at) && steady_at < healthy_at.max(failed_at) + 10.0, "{steady_at}");
}

#[test]
fn a_service_is_steady_after_a_failure_only_at_its_desired_count() {
    let deployment = |bounds: &str| {
        format!(
            "deploymentCircuitBreaker: {{ enable: true, rollback: false, thresholdConfiguration: {{ type: COUNT, value: 3 }} }}, {bounds}"
        )
    };
    let of = |bounds: &str| Setup { deployment: &deployment(bounds), new: NEVER_LISTENS, ..Setup::default() }.run();
    let all_old = of("minimumHealthyPercent: 100, maximumPercent: 200");
    let failed_at = said(&all_old, &["service.deployment_failed"])[0].0;
    assert_eq!(running_at_end(&all_old, "web:1"), 4);
    assert!(said(&all_old, STEADY)[0].0 >= failed_at);
    let half = of("minimumHealthyPercent: 50, maximumPercent: 100");
    assert_eq!(words(&half, &["service.deployment_failed"]).len(), 1);
    assert!(running_at_end(&half, "web:1") < 4);
    assert_eq!(words(&half, STEADY), [] as [String; 0]);
}

#[test]
fn a_scale_in_is_met_after_a_deployment_has_failed() {
    let timeline = "  - { at: 60m, updateService: { service: web, desiredCount: 1 } }";
    for bounds in ["minimumHealthyPercent: 100, maximumPercent: 200", "minimumHealthyPercent: 50, maximumPercent: 100"]
    {
        let deployment = format!(
            "deploymentCircuitBreaker: {{ enable: true, rollback: false, thresholdConfiguration: {{ type: COUNT, value: 3 }} }}, {bounds}"
        );
        let run = Setup { deployment: &deployment, new: NEVER_LISTENS, timeline, ..Setup::default() }.run();
        let failed = said(&run, &["service.deployment_failed"]);
        assert!(failed.len() == 1 && failed[0].0 < 55.0 * 60.0, "{failed:?}");
        assert_eq!((running_at_end(&run, "web:1"), running_at_end(&run, "web:2")), (1, 0), "{bounds}");
        let steady = said(&run, STEADY);
        assert!(steady.last().is_some_and(|it| it.0 > 55.0 * 60.0), "{bounds}: {steady:?}");
    }
}

/// Fails a deployment when the oldest tasks, which are those of the old revision, answer with errors.
const WATCHED_FOR_GOOD: &str = "alarms: { alarmNames: [errors], enable: true, rollback: false }";

#[test]
fn what_a_failed_deployment_leaves_beyond_the_desired_count_stops() {
    // New tasks never listen, and their checks are ignored for two hours: all eight would stay.
    let timeline = "  - { at: 20m, targetErrors: { service: web, tasks: 4, for: 5m } }";
    let setup = Setup { deployment: WATCHED_FOR_GOOD, new: NEVER_LISTENS, more: ERRORS, timeline, ..Setup::default() };
    let text = setup
        .text()
        .replace("    taskDefinition: web:1\n", "    taskDefinition: web:1\n    healthCheckGracePeriodSeconds: 7200\n");
    let run = run(&text);
    let failed = said(&run, &["service.deployment_failed"]);
    assert!(failed.len() == 1 && failed[0].1.ends_with("alarm detected."), "{failed:?}");
    assert_eq!((running_at_end(&run, "web:1"), running_at_end(&run, "web:2")), (4, 0));
    assert!(said(&run, STEADY).last().is_some_and(|it| it.0 >= failed[0].0));
}

#[test]
fn tasks_of_the_revision_that_has_failed_stop_before_those_of_the_old_one() {
    let watched = format!("{WATCHED_FOR_GOOD}, minimumHealthyPercent: 95, maximumPercent: 100");
    let of = |timeline: &str| {
        let new = "errorShare: 0.5";
        let run = Setup { desired: 24, deployment: &watched, new, more: ERRORS, timeline, ..Setup::default() }.run();
        (running_at_end(&run, "web:1"), running_at_end(&run, "web:2"))
    };
    let (old, new) = of("");
    assert!(old > 1 && new > 1, "{old} {new}");
    let to = |desired: usize| format!("  - {{ at: 60m, updateService: {{ service: web, desiredCount: {desired} }} }}");
    assert_eq!(of(&to(old + 1)), (old, 1));
    assert_eq!(of(&to(old - 1)), (old - 1, 0));
}

#[test]
fn a_shift_that_an_alarm_has_failed_for_good_keeps_what_is_desired_of_each_revision() {
    let deployment = format!("{}, {WATCHED_FOR_GOOD}", staged("CANARY"));
    let of = |scales: &str| {
        let timeline = format!("  - {{ at: 10m, targetErrors: {{ service: web, tasks: 4, for: 5m }} }}\n{scales}");
        let (deployment, timeline) = (&deployment, &timeline);
        let run = Setup { deployment, balancer: TWO_GROUPS, more: ERRORS, timeline, ..Setup::default() }.run();
        assert_eq!(said(&run, &["service.deployment_failed"]).len(), 1);
        (running_at_end(&run, "web:1"), running_at_end(&run, "web:2"))
    };
    assert_eq!(of(""), (4, 4));
    assert_eq!(of("  - { at: 60m, updateService: { service: web, desiredCount: 2 } }"), (2, 2));
}

#[test]
fn rebalancing_starts_no_task_of_a_deployment_that_has_failed() {
    // The old tasks are uneven over the zones when the breaker has tripped.
    let deployment = "deploymentCircuitBreaker: { enable: true, rollback: false, thresholdConfiguration: { type: COUNT, value: 3 } }";
    let drain = "  - { at: 4m, updateContainerInstancesState: { autoScalingGroup: nodes, count: 1, availabilityZone: us-east-1a, status: DRAINING } }
  - { at: 6m, updateContainerInstancesState: { autoScalingGroup: nodes, count: 1, availabilityZone: us-east-1a, status: ACTIVE } }";
    let setup = Setup { desired: 2, deployment, new: NEVER_LISTENS, timeline: drain, ..Setup::default() };
    let two = |text: String| {
        let nodes = "{ InstanceType: m5.large, MinSize: 6, MaxSize: 6 }";
        assert!(text.contains(nodes));
        let text = text.replace(nodes, "{ InstanceType: m5.large, MinSize: 2, MaxSize: 2 }");
        let text = text.replace(
            "    taskDefinition: web:1\n",
            "    taskDefinition: web:1\n    availabilityZoneRebalancing: ENABLED\n",
        );
        run(&format!("cluster: {{ availabilityZones: [us-east-1a, us-east-1b] }}\n{text}"))
    };
    let run = two(setup.text());
    let failed_at = run.deployments[1].failure.as_ref().expect("the breaker trips").at;
    let late = |it: &&TaskLife| it.deployment == 1 && it.created_at > failed_at;
    assert_eq!(run.tasks.iter().filter(late).count(), 0);
}

#[test]
fn the_time_that_a_failing_hook_took_is_told_though_old_tasks_drain_meanwhile() {
    for stage in ["PRE_SCALE_UP", "POST_SCALE_UP"] {
        let hook = format!("lifecycleHooks: [{{ lifecycleStages: [{stage}], completes: 8s, failureShare: 1 }}]");
        let run = Setup { deployment: &hook, ..Setup::default() }.run();
        let it = &run.deployments[1];
        let Verdict::Failed(failure) = it.verdict() else { panic!("{:?}", it.verdict()) };
        let waits = it.waits(&run);
        let of = |stage| waits.iter().find(|it| it.0 == stage).map(|it| it.1);
        assert_eq!(of(DeploymentStage::Bake), Some(Span::seconds(8)), "{stage}: {waits:?}");
        let all = waits.iter().fold(Span::ZERO, |sum, it| sum + it.1);
        assert_eq!(all, failure.at.since(it.began_at), "{stage}");
        // Old tasks were deregistered in these 8 s.
        let drains =
            run.tasks.iter().filter(|it| it.deployment == 0).any(|it| it.stopping_at.is_some_and(|at| at < failure.at));
        assert_eq!(drains, stage == "POST_SCALE_UP");
    }
}

#[test]
fn a_service_that_goes_back_to_an_early_success_keeps_its_verdict() {
    let deployment = format!("{}, {BREAKER}", early("DEFERRED"));
    let timeline = "  - { at: 30m, deploy: { service: web, taskDefinition: web:3 } }";
    let plain = Setup { deployment: &deployment, ..Setup::default() }.run();
    let text = Setup { deployment: &deployment, timeline, ..Setup::default() }.text();
    let never = format!("  web:2/web: {{ startTime: 2s }}\n  web:3/web: {{ {NEVER_LISTENS} }}\n");
    let back = run(&text.replace("  web:2/web: { startTime: 2s }\n", &never));
    let words = words(&back, &VERDICTS);
    assert!(words.iter().any(|it| it.ends_with("rolling back to deployment 1.")), "{words:?}");
    assert!(back.deployments[2].failure.as_ref().is_some_and(|it| it.rolled_back_at.is_some()));
    let first = plain.deployments[1].verdict();
    assert!(matches!(first, Verdict::FinishedEarly(..)), "{first:?}");
    assert_eq!(back.deployments[1].verdict(), first);

    // The next one comes while the first has some left to do.
    let soon = plain.deployments[1].completed_at.expect("it completes").as_seconds() as u64 + 1;
    let timeline = format!("  - {{ at: {soon}s, deploy: {{ service: web, taskDefinition: web:3 }} }}");
    let followed = Setup { deployment: &deployment, timeline: &timeline, ..Setup::default() }.run();
    let told = report::deployments::paragraphs(&[vec![&followed]]);
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("; a newer one took its place before that was over."), "{told}");
}

/// An agent is disconnected for good just before the deployment.
const DEAF: &str = "  - { at: 290s, disconnectAgents: { autoScalingGroup: nodes, count: 1 } }";

/// What is said of the only task that runs on an instance whose agent is disconnected.
fn kept_by_its_agent(run: &Run) -> String {
    let at = Instant::START + Span::seconds(290);
    let there = |it: &&TaskLife| it.deployment == 0 && it.stopping_at > Some(at) && it.stopped_at.is_none();
    let kept: Vec<&TaskLife> = run.tasks.iter().filter(there).collect();
    let [task] = kept[..] else { panic!("one old task cannot be stopped: {kept:?}") };
    let instance = &run.instances[task.instance.expect("it runs on one")].name;
    format!("1 old task cannot be stopped, since its agent is disconnected: t-{:05} on {instance}", task.task)
}

#[test]
fn a_task_that_its_disconnected_agent_keeps_is_named_where_an_update_hangs() {
    let run = Setup { desired: 6, timeline: DEAF, ..Setup::default() }.run();
    let it = &run.deployments[1];
    let Verdict::Hangs(hang) = it.verdict() else { panic!("{:?}", it.verdict()) };
    assert_eq!(hang.because, kept_by_its_agent(&run));
    assert_eq!(running_at_end(&run, "web:2"), 6, "that is all that is left to do");
}

#[test]
fn new_tasks_that_wait_for_disconnected_agents_are_named_where_an_update_hangs() {
    // Half a second after they were placed, and half a second before their agents take them up.
    let deaf = "  - { at: 305500ms, disconnectAgents: { autoScalingGroup: nodes, count: 6 } }";
    let run = Setup { desired: 1, timeline: deaf, ..Setup::default() }.run();
    let Verdict::Hangs(hang) = run.deployments[1].verdict() else { panic!("{:?}", run.deployments[1].verdict()) };
    let new = run.tasks.iter().find(|it| it.deployment == 1).expect("it was placed");
    assert!(new.pull_started_at.is_none());
    let words = format!(
        "0 of 1 new tasks are healthy, and no other comes to be; 1 new task stays PENDING, since its agent is disconnected: t-{:05} on {}",
        new.task,
        run.instances[new.instance.expect("it has a place")].name
    );
    assert_eq!(hang.because, words);
    let text = Setup { timeline: deaf, ..Setup::default() }.text();
    let at_once = text.replace("image: web,", "image: web, versionConsistency: disabled,");
    let several = self::run(&at_once);
    let because = &several.deployments[1].hangs[0].because;
    assert!(because.contains("; 4 new tasks stay PENDING, since their agents are disconnected: t-"), "{because}");
}

#[test]
fn an_update_that_waits_for_an_agent_says_so_and_not_that_it_waits_for_deregistration() {
    let deaf = "  - { at: 290s, disconnectAgents: { autoScalingGroup: nodes, count: 1, for: 12m } }";
    let setup = Setup { desired: 6, timeline: deaf, ..Setup::default() };
    let balanced = "    loadBalancers: [{ targetGroupArn: blue, containerName: web, containerPort: 80,  }]\n";
    let requests = "workloads: { visitors: { service: web, arrivals: { poisson: { rate: 10/s } } } }\n";
    let text = setup.text();
    assert!(text.contains(balanced) && text.contains(requests), "{text}");
    for (text, deregistration) in [(text.replace(balanced, "").replace(requests, ""), 0.0), (text, 10.0)] {
        let run = run(&text);
        let it = &run.deployments[1];
        assert!(matches!(it.verdict(), Verdict::Finished(_)), "{:?}", it.verdict());
        let waits = it.waits(&run);
        let of = |stage| waits.iter().find(|it| it.0 == stage).map_or(0.0, |it| it.1.as_seconds());
        let deregistered = of(DeploymentStage::Deregistration);
        assert!((deregistration..=deregistration * 1.5).contains(&deregistered), "{waits:?}");
        assert!((540.0..700.0).contains(&of(DeploymentStage::Agent)), "{waits:?}");
        let told = report::deployments::paragraphs(&[vec![&run]]);
        assert!(told.contains("for agents that are disconnected"), "{told}");
        assert_eq!(told.contains("to be deregistered"), deregistration > 0.0, "{told}");
    }
}

/// The same with more hours, and few requests.
fn in_hours(text: &str, hours: u32) -> Run {
    let (short, many) = ("duration: 2h\n", "rate: 10/s");
    assert!(text.contains(short) && text.contains(many), "{text}");
    run(&text.replace(short, &format!("duration: {hours}h\n")).replace(many, "rate: 1/min"))
}

#[test]
fn nothing_rolls_a_shift_of_traffic_back_whose_blue_tasks_are_being_stopped() {
    let text = Setup {
        desired: 6,
        deployment: &staged("BLUE_GREEN"),
        balancer: TWO_GROUPS,
        timeline: DEAF,
        ..Setup::default()
    };
    let run = in_hours(&text.text(), 30);
    let stages = words(&run, &["service.deployment_stage"]);
    assert!(stages.last().is_some_and(|it| it.ends_with("CLEAN_UP")), "{stages:?}");
    assert_eq!(words(&run, &VERDICTS), ["(service web) (deployment 1) in progress: web:2"]);
    assert_eq!(words(&run, &["service.traffic_shifted"]).len(), 1, "it stays with green");
    assert_eq!(running_at_end(&run, "web:2"), 6);
    let Verdict::Hangs(hang) = run.deployments[1].verdict() else { panic!("{:?}", run.deployments[1].verdict()) };
    assert_eq!(hang.because, kept_by_its_agent(&run));
}

/// By a deployment group of CodeDeploy that terminates the original task set after so many minutes.
fn by_code_deploy(configuration: &str, terminates_after: u32, timeline: &str) -> String {
    let text = Setup { timeline, ..Setup::default() }.text();
    let web = "loadBalancers: [{ targetGroupArn: blue, containerName: web, containerPort: 80,  }]";
    assert!(text.contains(web), "{text}");
    let own = format!(
        "loadBalancers: [{{ targetGroupArn: blue, containerName: web, containerPort: 80, {TWO_GROUPS} }}]
    deploymentController: {{ type: CODE_DEPLOY }}
    deploymentGroup: {{ deploymentConfigName: CodeDeployDefault.{configuration}, terminationWaitTimeInMinutes: {terminates_after} }}"
    );
    text.replace(web, &own)
}

#[test]
fn blue_stays_while_code_deploy_waits_for_green_to_be_steady_after_a_scaling_event() {
    // Scaled beyond what there is room for, two minutes before all traffic has come to green.
    let plain = run(&by_code_deploy("ECSCanary10Percent5Minutes", 0, ""));
    let shifted_at = said(&plain, &["service.traffic_shifted"])[1].0;
    let too_many =
        format!("  - {{ at: {}s, updateService: {{ service: web, desiredCount: 60 }} }}", 180 + shifted_at as u64);
    let upset = run(&by_code_deploy("ECSCanary10Percent5Minutes", 0, &too_many));
    let failed = said(&upset, &["service.deployment_failed"]);
    let [(failed_at, _)] = failed[..] else { panic!("it fails once: {failed:?}") };
    assert_eq!(failed_at, (shifted_at as u64 - 120 + 300) as f64);
    let stages = words(&upset, &["service.deployment_stage"]);
    assert!(stages.last().is_some_and(|it| it.ends_with("BAKE_TIME")), "{stages:?}");
    let at = Instant::START + Span::MINUTE * 5 + Span::from_nanos_f64(failed_at * 1e9);
    let is_blue = |it: &&TaskLife| it.deployment == 0 && it.created_at < at && it.stopping_at.is_none_or(|it| it > at);
    assert!(upset.tasks.iter().filter(is_blue).count() >= 4, "blue can take the traffic");
}

#[test]
fn code_deploy_may_keep_the_original_task_set_for_two_days() {
    let run = in_hours(&by_code_deploy("ECSAllAtOnce", 2_880, ""), 50);
    let stages = said(&run, &["service.deployment_stage"]);
    let last = stages.len() - 1;
    assert!(stages[last].1.ends_with("CLEAN_UP"), "{stages:?}");
    assert_eq!(stages[last].0 - stages[last - 1].0, 172_800.0);
    assert_eq!(words(&run, &VERDICTS).len(), 2);
    assert_eq!((running_at_end(&run, "web:1"), running_at_end(&run, "web:2")), (0, 4));
}

#[test]
fn green_of_a_shift_that_has_failed_stands_in_for_none_of_blues_tasks() {
    // All instances drain while the hook is asked: neither blue nor green may lose a task then, nor blue when it is alone again.
    let bounds = "minimumHealthyPercent: 100, maximumPercent: 100";
    let hook = "lifecycleHooks: [{ lifecycleStages: [POST_SCALE_UP], completes: 120s, failureShare: 1 }]";
    let deployment = format!("{}, {bounds}, {hook}", staged("BLUE_GREEN"));
    let timeline =
        "  - { at: 390s, updateContainerInstancesState: { autoScalingGroup: nodes, count: 6, status: DRAINING } }";
    let run = Setup { deployment: &deployment, balancer: TWO_GROUPS, timeline, ..Setup::default() }.run();
    let failed_at = run.deployments[1].failure.as_ref().expect("its hook fails").at;
    assert!(failed_at > Instant::START + Span::seconds(390));
    let of = |number: u32| run.tasks.iter().filter(move |it| it.deployment == number);
    assert_eq!(of(0).map(|it| it.stopping_at).collect::<Vec<_>>(), [None; 4]);
    // The scheduler looks within five seconds.
    let is_soon = |it: &TaskLife| it.stopping_at.is_some_and(|at| at.since(failed_at) <= Span::seconds(5));
    assert_eq!(of(1).filter(|it| is_soon(it)).count(), 4);
}
