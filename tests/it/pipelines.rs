//! Pipelines, end to end: what becomes of each commit in each execution mode.

use std::path::Path;

use plimsoll::engine::simulate;
use plimsoll::rng::Seed;
use plimsoll::run::{ExecutionStatus, PipelineExecution, Run};
use plimsoll::scenario;
use plimsoll::units::{Instant, Span};

use ExecutionStatus::{Failed, InProgress, Succeeded, Superseded};

/// A service of two tasks without load balancer: a deployment takes some 50 s.
const CLUSTER: &str = "
duration: 3h
cluster: { availabilityZones: [us-east-1a] }
autoScalingGroups: { nodes: { InstanceType: m5.xlarge, MinSize: 1, MaxSize: 1 } }
taskDefinitions:
  web: { containerDefinitions: [{ name: web, image: shop/web, cpu: 256, memory: 512 }] }
applications: { web: { image: { size: 200MB } } }
services: { web: { taskDefinition: web, desiredCount: 2 } }
";

fn run_with(text: &str, seed: u64) -> Run {
    let story = scenario::read(Path::new("pipelines.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
        .unwrap_or_else(|problems| panic!("{text}\n{}", problems.render(false)));
    assert!(story.unsupported.is_empty(), "{}", story.unsupported.render(false));
    simulate(story.variants.first().expect("a story has its base"), Seed { seed, replication: 0 })
}

fn run(text: &str) -> Run {
    run_with(text, 1)
}

/// One pipeline, whose build takes 4 minutes in all.
fn of(mode: &str, commits: &str, more: &str) -> Run {
    run(&format!(
        "{CLUSTER}pipelines: {{ web: {{ service: web, executionMode: {mode}, commits: {{ {commits} }}, sourceTime: 10s,
  build: {{ provisioningTime: 30s, time: 209s, changed: 50MB, pushMbPerSecond: 50 }} {more} }} }}"
    ))
}

fn statuses(run: &Run) -> Vec<ExecutionStatus> {
    run.pipeline_executions.iter().map(|it| it.status).collect()
}

fn seconds(at: Option<Instant>) -> f64 {
    at.expect("it came so far").as_seconds()
}

fn in_deployment(it: &PipelineExecution) -> Span {
    it.ended_at.expect("it ended").since(it.deploy_began_at.expect("it was deployed"))
}

#[test]
fn a_commit_goes_through_its_stages() {
    let run = of("SUPERSEDED", "at: 10m", "");
    let [it] = run.pipeline_executions.as_slice() else { panic!("one execution") };
    assert_eq!(it.committed_at, Instant::START + Span::seconds(600));
    assert_eq!((seconds(it.source_ended_at), seconds(it.build_began_at)), (610.0, 610.0));
    assert_eq!((seconds(it.build_ended_at), seconds(it.pushed_at)), (849.0, 850.0), "50 MB at 50 MB/s");
    assert_eq!((seconds(it.deploy_began_at), it.status), (850.0, Succeeded));
    // The stage lasts until the service has come to the revision.
    let completed = run.events.iter().find(|it| it.kind == "service.deployment_completed").expect("it completes");
    let late = seconds(it.ended_at) - completed.at.as_seconds();
    assert!((0.0..=10.0).contains(&late), "{late}");
    assert_eq!(
        it.task_definition.map(|it| run.scenario.task_definitions[plimsoll::table::Id::new(it)].name()),
        Some("web:2".into())
    );
    // Of the image only what has changed is pulled: 1 s, and 50 MB at 50 MB/s.
    let new: Vec<_> = run.tasks.iter().filter(|it| &*it.task_definition == "web:2").collect();
    assert_eq!(new.len(), 2);
    let pulls: Vec<f64> = new.iter().map(|it| seconds(it.pulled_at) - seconds(it.pull_started_at)).collect();
    assert_eq!(pulls.iter().copied().fold(0.0, f64::max), 2.0, "{pulls:?}");
}

/// Four commits while the first is built: in the default mode only the newest of those that wait goes on.
#[test]
fn superseded_builds_the_first_and_the_last_of_four() {
    let run = of("SUPERSEDED", "at: [10m, 11m, 12m, 13m]", "");
    assert_eq!(statuses(&run), [Succeeded, Superseded, Superseded, Succeeded]);
    assert_eq!(run.pipeline_executions[1].reason, "execution 3 overtook it");
    let of = |place: usize| &run.pipeline_executions[place];
    assert_eq!(seconds(of(3).build_began_at), seconds(of(0).pushed_at), "the stage is locked until then");
}

#[test]
fn queued_builds_all_of_four_in_turn() {
    let run = of("QUEUED", "at: [10m, 11m, 12m, 13m]", "");
    assert_eq!(statuses(&run), [Succeeded; 4]);
    for pair in run.pipeline_executions.windows(2) {
        assert!(seconds(pair[0].pushed_at) <= seconds(pair[1].build_began_at));
        assert!(seconds(pair[0].ended_at) <= seconds(pair[1].deploy_began_at));
    }
    let began: Vec<f64> = run.pipeline_executions.iter().map(|it| seconds(it.build_began_at)).collect();
    assert_eq!(began, [610.0, 850.0, 1090.0, 1330.0]);
}

#[test]
fn parallel_builds_side_by_side_and_the_last_to_deploy_wins() {
    let text = |concurrent: &str| {
        format!(
            "{CLUSTER}pipelines: {{ web: {{ service: web, executionMode: PARALLEL, commits: {{ at: [10m, 601s, 602s] }},
  build: {{ provisioningTime: 30s, time: 209s, changed: 50MB, concurrent: {concurrent} }} }} }}"
        )
    };
    let run = run(&text("3"));
    assert_eq!(statuses(&run), [Failed, Failed, Succeeded]);
    assert_eq!(run.pipeline_executions[0].reason, "another deployment replaced it");
    let began: Vec<f64> = run.pipeline_executions.iter().map(|it| seconds(it.build_began_at)).collect();
    assert_eq!(began, [610.0, 611.0, 612.0]);
    // With two machines the third build waits for one.
    let two = run_with(&text("2"), 1);
    assert_eq!(seconds(two.pipeline_executions[2].build_began_at), seconds(two.pipeline_executions[0].pushed_at));
}

#[test]
fn a_pipeline_that_does_not_wait_ends_with_the_update() {
    let run = of("QUEUED", "at: 10m", ", deploy: { waitsForService: false }");
    assert_eq!(run.pipeline_executions[0].ended_at, run.pipeline_executions[0].deploy_began_at);
}

/// 1.8: an image for another architecture: `exec format error`. The deployment never completes, and the stage times out.
#[test]
fn an_image_of_the_wrong_machine_times_out_after_60_minutes() {
    let run = run(&format!(
        "{CLUSTER}pipelines: {{ web: {{ service: web, commits: {{ at: 10m }}, build: {{ architecture: ARM64 }} }} }}"
    ));
    let it = &run.pipeline_executions[0];
    assert_eq!((it.status, it.reason.as_str()), (Failed, "the service did not come to it in time"));
    assert_eq!(in_deployment(it), Span::seconds(3600));
    let new = || run.tasks.iter().filter(|it| &*it.task_definition == "web:2");
    assert!(new().count() > 2 && new().all(|it| it.running_at.is_none()), "no task of it ever ran");
    let fine = run_with(
        &format!(
            "{CLUSTER}pipelines: {{ web: {{ service: web, commits: {{ at: 10m }}, build: {{ architecture: X86_64 }} }} }}"
        ),
        1,
    );
    assert_eq!(statuses(&fine), [Succeeded]);
}

#[test]
fn a_pipeline_tells_who_rolled_its_deployment_back() {
    let cluster = |configuration: &str| {
        CLUSTER.replace(
            "desiredCount: 2 }",
            &format!("desiredCount: 2, deploymentConfiguration: {{ {configuration} }} }}"),
        )
    };
    let reason = |rollback: bool| {
        let breaker = cluster(&format!("deploymentCircuitBreaker: {{ enable: true, rollback: {rollback} }}"));
        let commits = "commits: { at: 10m }, build: { architecture: ARM64 }";
        let run = run(&format!("{breaker}pipelines: {{ web: {{ service: web, {commits} }} }}"));
        let [it] = run.pipeline_executions.as_slice() else { panic!("one execution") };
        assert_eq!(it.status, Failed);
        it.reason.clone()
    };
    assert_eq!(reason(true), "the circuit breaker rolled it back: tasks failed to start");
    assert_eq!(reason(false), "the circuit breaker failed it: tasks failed to start");
    let alarms = cluster("alarms: { alarmNames: [busy], enable: true, rollback: true }")
        .replace("taskDefinitions:\n", "taskDefinitions:\n  busy: { containerDefinitions: [{ name: busy, image: shop/web, cpu: 256, memory: 512 }] }\n")
        .replace("applications: {", "applications: { busy: { backgroundCpu: 512 },");
    let run = run(&format!(
        "{alarms}pipelines: {{ web: {{ service: web, commits: {{ at: 10m }}, badCommits: {{ share: 1, taskDefinition: busy }} }} }}
alarms: {{ busy: {{ Namespace: AWS/ECS, MetricName: CPUUtilization, Dimensions: [{{ Name: ServiceName, Value: web }}], EvaluationPeriods: 1, Threshold: 90, ComparisonOperator: GreaterThanThreshold }} }}
assumptions: {{ deploymentAlarmBakeTime: 5m }}
"
    ));
    assert_eq!(run.pipeline_executions[0].reason, "an alarm rolled it back: alarm detected");
}

#[test]
fn a_shorter_timeout_ends_the_stage_sooner() {
    let run = run(&format!(
        "{CLUSTER}pipelines: {{ web: {{ service: web, commits: {{ at: 10m }}, build: {{ architecture: ARM64 }}, deploy: {{ DeploymentTimeout: 15 }} }} }}"
    ));
    let it = &run.pipeline_executions[0];
    assert_eq!(in_deployment(it), Span::seconds(900));
}

#[test]
fn bad_commits_are_deployed_as_their_revision() {
    let cluster = CLUSTER.replace(
        "taskDefinitions:\n",
        "taskDefinitions:\n  web-broken: { containerDefinitions: [{ name: web, image: shop/web, cpu: 256, memory: 512 }] }\n",
    );
    let text = |share: &str| {
        format!(
            "{cluster}pipelines: {{ web: {{ service: web, executionMode: QUEUED, commits: {{ at: [10m, 20m, 30m, 40m, 50m, 60m, 70m, 80m] }},
  build: {{ time: 1m }}, badCommits: {{ share: {share}, taskDefinition: web-broken }} }} }}"
        )
    };
    let bad = |share: &str| run(&text(share)).pipeline_executions.iter().filter(|it| it.is_bad).count();
    assert_eq!((bad("0"), bad("1")), (0, 8));
    let all = run(&text("1"));
    assert!(all.tasks.iter().any(|it| &*it.task_definition == "web-broken:1"));
    assert!((1..8).contains(&bad("0.5")));
}

/// At random times, in each mode: what an execution may be, and that its stages follow each other.
#[test]
fn each_commit_is_accounted_for_once() {
    for mode in ["SUPERSEDED", "QUEUED", "PARALLEL"] {
        for seed in 1..6 {
            let run = run_with(
                &format!(
                    "{CLUSTER}pipelines: {{ web: {{ service: web, executionMode: {mode},
  commits: {{ arrivals: {{ poisson: {{ rate: 12/h }} }}, executions: 20 }}, build: {{ time: {{ uniform: {{ minimum: 1m, maximum: 9m }} }}, concurrent: 3 }} }} }}"
                ),
                seed,
            );
            let all = &run.pipeline_executions;
            assert!(all.len() > 20, "{}", all.len());
            let numbers: Vec<u32> = all.iter().map(|it| it.execution).collect();
            assert!(numbers.iter().copied().eq(1..=all.len() as u32));
            for it in all {
                follows_its_stages(it);
                assert_eq!(it.status == ExecutionStatus::NotStarted, it.execution > 20, "{it:?}");
                assert!(it.status != Superseded || mode == "SUPERSEDED");
                assert_eq!(it.ended_at.is_none(), it.status == InProgress);
            }
            if mode != "PARALLEL" {
                let deploys: Vec<&PipelineExecution> = all.iter().filter(|it| it.deploy_began_at.is_some()).collect();
                for pair in deploys.windows(2) {
                    assert!(seconds(pair[0].ended_at) <= seconds(pair[1].deploy_began_at), "one deploys at a time");
                }
            }
        }
    }
}

fn follows_its_stages(it: &PipelineExecution) {
    let stages = [it.source_ended_at, it.build_began_at, it.build_ended_at, it.pushed_at, it.deploy_began_at];
    let reached = stages.iter().take_while(|it| it.is_some()).count();
    assert!(stages[reached..].iter().skip(1).all(Option::is_none), "{it:?}");
    assert!(stages[..reached].is_sorted(), "{it:?}");
    assert!(it.status != Succeeded || reached == stages.len(), "{it:?}");
}

#[test]
fn builds_are_billed_by_the_minute_begun() {
    use plimsoll::aws::pipeline::ComputeType;
    use plimsoll::aws::price::prices;
    let prices = prices("us-east-1").expect("the table has it");
    let usd = |it, seconds| prices.build_usd(it, Span::seconds(seconds));
    assert!((usd(ComputeType::Small, 61) - 0.01).abs() < 1e-12);
    assert!((usd(ComputeType::Medium, 60) - 0.01).abs() < 1e-12);
    assert!((usd(ComputeType::Large, 600) - 0.2).abs() < 1e-12);
}

/// A pipeline of one commit, beside what the timeline gives its service at 5 minutes.
fn updated(update: &str, commit: &str, more: &str) -> String {
    let cluster = CLUSTER.replace(
        "taskDefinitions:\n",
        "taskDefinitions:
  other:
    volumes: [{ name: data, configuredAtLaunch: true }]
    containerDefinitions: [{ name: web, image: shop/web, cpu: 512, memory: 1024 }]
  bad:
    volumes: [{ name: data, configuredAtLaunch: true }]
    containerDefinitions: [{ name: web, image: shop/bad, cpu: 128, memory: 1024 }]
  others: { containerDefinitions: [{ name: wob, image: shop/web, cpu: 512, memory: 1024 }] }\n",
    );
    format!(
        "{cluster}timeline: [{{ at: 5m, updateService: {{ service: web, {update} }} }}]
pipelines: {{ web: {{ service: web, commits: {{ at: [{commit}] }}, sourceTime: 10s,
  build: {{ provisioningTime: 30s, time: 209s, changed: 50MB, pushMbPerSecond: 50 }} {more} }} }}"
    )
}

const OTHER: &str = "taskDefinition: other, volumeConfigurations: [{ name: data, managedEBSVolume: { sizeInGiB: 9 } }]";

#[test]
fn a_pipeline_deploys_what_the_service_was_given_last() {
    // The deploy action copies the service's task definition, and gives it the new image.
    let ends_with = |update: &str, commit: &str, more: &str| {
        let run = run(&updated(update, commit, more));
        assert_eq!(statuses(&run), vec![Succeeded; commit.split(',').count()]);
        let last = run.tasks.last().expect("tasks run");
        (last.task_definition.to_string(), last.cpu_units)
    };
    assert_eq!(ends_with("desiredCount: 2", "10m", ""), ("web:2".to_owned(), 256));
    assert_eq!(ends_with(OTHER, "10m", ""), ("other:2".to_owned(), 512));
    // One that is built before and deployed after as well; and one after a bad commit.
    assert_eq!(ends_with(OTHER, "4m", ""), ("other:2".to_owned(), 512));
    let bad = ", badCommits: { share: 1, taskDefinition: bad }";
    assert_eq!(ends_with(OTHER, "10m, 30m", bad), ("bad:1".to_owned(), 128));
}

#[test]
fn a_pipeline_cannot_deploy_to_a_service_that_is_deleted() {
    let deleted = updated("desiredCount: 2", "10m", "")
        .replace("timeline: [", "timeline: [{ at: 12m, deleteService: { service: web, force: true } }, ");
    let run = run(&deleted);
    let [it] = run.pipeline_executions.as_slice() else { panic!("one execution") };
    let words = "ServiceNotActiveException: Service was not ACTIVE.";
    assert_eq!((it.status, it.reason.as_str()), (Failed, words));
    assert_eq!(it.ended_at, it.deploy_began_at);
    assert!(run.deployments.iter().all(|it| it.number == 0), "none begins");
    assert!(run.failed_calls.iter().any(|it| it.action == "UpdateService" && it.error == words));
}

#[test]
fn pipelines_are_judged_by_what_the_timeline_makes_of_their_services() {
    let refusal = |text: &str| match scenario::read(Path::new("pipelines.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
    {
        Ok(story) => story.unsupported.render(false),
        Err(problems) => problems.render(false),
    };
    let words = refusal(&updated("taskDefinition: others", "4m", ""));
    assert!(
        words.contains("`container` of `build` of pipeline `web` is `web`, which `others:1` does not have"),
        "{words}"
    );
    // Its volume is known from 5 minutes on.
    let bad = ", badCommits: { share: 0.5, taskDefinition: bad }";
    assert_eq!(refusal(&updated(OTHER, "10m", bad)), "");
    let words = refusal(&updated(OTHER, "1m", bad));
    assert!(words.contains("`bad:1` cannot replace `web:1` in service `web`"), "{words}");
}
