//! How deployments end that do not go as planned: what is steady after a failure, what a hook's failure cost, what is kept of an early
//! success, what holds up the last old tasks, and until when a shift of traffic goes back.

use plimsoll::report;
use plimsoll::run::{DeploymentStage, Run, TaskLife, Verdict};
use plimsoll::units::{Instant, Span};

use crate::deployments::{
    BREAKER, ERRORS, NEVER_LISTENS, Setup, TWO_GROUPS, VERDICTS, early, run, running_at_end, said, staged, words,
};

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
