//! Laws of deployments of every kind, tried on random ones: traffic that shifts, task sets, crash loops, rebalancing, and desired counts
//! that change meanwhile.

use proptest::prelude::*;

use plimsoll::aws::service::deployment_bounds;
use plimsoll::engine::simulate;
use plimsoll::rng::Seed;
use plimsoll::run::{Run, TaskLife, Verdict};
use plimsoll::scenario;
use plimsoll::units::{Instant, Span};

use crate::properties::{every_task_lives_in_order, no_instance_is_over_committed};

/// How a service is deployed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rolling,
    BlueGreen,
    Linear,
    Canary,
    TaskSets,
}

/// A service that is deployed some times while its tasks crash and its instances come and go.
#[derive(Clone, Debug)]
struct Story {
    kind: Kind,
    instances: u32,
    tasks_an_instance: u32,
    desired: u32,
    minimum_healthy: u32,
    maximum: u32,
    is_balanced: bool,
    /// The percentage of hooks that fail, where there are some: before the first task of each deployment and after the last.
    hooks: Option<u32>,
    shutdown_s: u32,
    /// Seconds at which it is deployed.
    deployed_at: Vec<u32>,
    /// From when and for how long, in seconds, tasks crash some time after they have started.
    crashes: Option<(u32, u32)>,
    /// From when and for how long an instance is DRAINING, so that zones are uneven when it is back.
    drains: Option<(u32, u32)>,
    /// Seconds at which the desired count changes, and to what.
    scales: Vec<(u32, u32)>,
    seed: u64,
}

fn stories() -> impl Strategy<Value = Story> {
    let kind = prop_oneof![
        Just(Kind::Rolling),
        Just(Kind::BlueGreen),
        Just(Kind::Linear),
        Just(Kind::Canary),
        Just(Kind::TaskSets)
    ];
    let percents =
        (prop_oneof![Just(0u32), Just(50), Just(75), Just(100)], prop_oneof![Just(100u32), Just(150), Just(200)]);
    let sizes = (2u32..6, 1u32..5, 1u32..8);
    let upsets = (
        prop_oneof![Just(None), (300u32..1_500, 60u32..900).prop_map(Some)],
        prop_oneof![Just(None), (60u32..900, 60u32..900).prop_map(Some)],
    );
    let deployed_at = proptest::collection::vec(600u32..1_800, 1..4);
    let scales = proptest::collection::vec((600u32..2_400, 1u32..9), 0..4);
    let switches = (any::<bool>(), prop_oneof![Just(None), Just(Some(0u32)), Just(Some(40))]);
    (kind, sizes, percents, switches, 0u32..30, (deployed_at, scales), upsets, 0u64..1000).prop_map(
        |(kind, sizes, percents, (is_balanced, hooks), shutdown_s, (mut deployed_at, mut scales), upsets, seed)| {
            let (crashes, drains) = upsets;
            deployed_at.sort_unstable();
            scales.sort_unstable();
            scales.dedup_by_key(|it| it.0);
            Story {
                kind,
                instances: sizes.0,
                tasks_an_instance: sizes.1,
                desired: sizes.2,
                minimum_healthy: percents.0,
                maximum: percents.1,
                is_balanced: is_balanced || kind == Kind::TaskSets,
                hooks: hooks.filter(|_| kind != Kind::TaskSets),
                shutdown_s,
                deployed_at,
                crashes,
                drains,
                scales,
                seed,
            }
        },
    )
}

/// When the service is deleted, in seconds, so that another one finds what it has left.
const DELETED_AT: u32 = 9_000;

impl Story {
    fn run(&self) -> Run {
        let target = |group: &str| format!("{{ targetGroupArn: {group}, containerName: web, containerPort: 80 }}");
        let strategy = match self.kind {
            Kind::Rolling | Kind::TaskSets => "ROLLING",
            Kind::BlueGreen => "BLUE_GREEN, bakeTimeInMinutes: 2",
            Kind::Linear => "LINEAR, linearConfiguration: { stepPercent: 40, stepBakeTimeInMinutes: 1 }",
            Kind::Canary => "CANARY, canaryConfiguration: { canaryPercent: 10, canaryBakeTimeInMinutes: 2 }",
        };
        let balancer = match (self.is_balanced, self.kind) {
            (false, _) | (_, Kind::TaskSets) => String::new(),
            (true, Kind::Rolling) => format!("loadBalancers: [{}],", target("blue")),
            (true, _) => {
                let target = target("blue").replace(" }", ", advancedConfiguration: { alternateTargetGroupArn: green, productionListenerRule: { loadBalancer: front, port: 443 } } }");
                format!("loadBalancers: [{target}],")
            }
        };
        let hooks = self.hooks.map_or(String::new(), |it| {
            let fails = f64::from(it) / 100.0;
            format!(", lifecycleHooks: [{{ lifecycleStages: [PRE_SCALE_UP, POST_SCALE_UP], completes: 90s, failureShare: {fails} }}]")
        });
        let percents =
            format!("minimumHealthyPercent: {}, maximumPercent: {}{hooks}", self.minimum_healthy, self.maximum);
        let service = match self.kind {
            Kind::TaskSets => format!(
                "{{ desiredCount: {desired}, deploymentController: {{ type: EXTERNAL }}, deploymentConfiguration: {{ {percents} }},
    taskSets: [{{ externalId: blue, taskDefinition: web, status: PRIMARY, scale: {{ value: 100, unit: PERCENT }}, loadBalancers: [{blue}] }}] }}",
                desired = self.desired,
                blue = target("blue"),
            ),
            _ => format!(
                "{{ taskDefinition: web, desiredCount: {}, {balancer} deploymentConfiguration: {{ strategy: {strategy}, {percents} }} }}",
                self.desired
            ),
        };
        let mut timeline: Vec<(u32, String)> = Vec::new();
        match self.kind {
            Kind::TaskSets => {
                let at = self.deployed_at[0];
                let half = format!(
                    "createTaskSet: {{ service: web, externalId: green, taskDefinition: web, scale: {{ value: 50, unit: PERCENT }}, loadBalancers: [{}] }}",
                    target("green")
                );
                timeline.push((at, half));
                timeline.push((
                    at + 200,
                    "updateTaskSet: { service: web, taskSet: green, scale: { value: 100, unit: PERCENT } }".to_owned(),
                ));
                timeline.push((
                    at + 400,
                    "updateServicePrimaryTaskSet: { service: web, primaryTaskSet: green }".to_owned(),
                ));
                timeline.push((at + 600, "deleteTaskSet: { service: web, taskSet: blue, force: true }".to_owned()));
            }
            _ => {
                let again = "updateService: { service: web, forceNewDeployment: true }";
                timeline.extend(self.deployed_at.iter().map(|at| (*at, again.to_owned())));
            }
        }
        if let Some((at, lasts)) = self.crashes {
            let crash = format!(
                "applicationCrashes: {{ service: web, after: {{ exponential: {{ mean: 40s }} }}, for: {lasts}s }}"
            );
            timeline.push((at, crash));
        }
        let scaled = |to: &u32| format!("updateService: {{ service: web, desiredCount: {to} }}");
        timeline.extend(self.scales.iter().map(|(at, to)| (*at, scaled(to))));
        if let Some((at, lasts)) = self.drains {
            let to = |status: &str| {
                format!("updateContainerInstancesState: {{ autoScalingGroup: nodes, count: 1, status: {status} }}")
            };
            timeline.push((at, to("DRAINING")));
            timeline.push((at + lasts, to("ACTIVE")));
        }
        timeline.push((DELETED_AT, "deleteService: { service: web, force: true }".to_owned()));
        timeline.push((DELETED_AT + 300, "createService: { service: after }".to_owned()));
        timeline.sort_by_key(|it| it.0);
        let timeline: String = timeline.iter().map(|(at, what)| format!("  - {{ at: {at}s, {what} }}\n")).collect();
        let text = format!(
            "duration: 3h
assumptions: {{ zoneRebalancingDelay: 1m }}
cluster: {{ availabilityZones: [us-east-1a, us-east-1b] }}
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: {instances}, MaxSize: {instances} }} }}
taskDefinitions:
  web: {{ containerDefinitions: [{{ name: web, image: web, versionConsistency: disabled, cpu: {cpu}, memory: 64, portMappings: [{{ containerPort: 80 }}] }}] }}
  other: {{ containerDefinitions: [{{ name: web, image: web, versionConsistency: disabled, cpu: {cpu}, memory: 64 }}] }}
applications: {{ web: {{ image: {{ layers: {{ web: 0MB }} }}, shutdownTime: {shutdown}s }} }}
loadBalancers: {{ front: {{ listeners: [{{ Port: 443, Protocol: HTTPS, DefaultActions: [{{ Type: forward, TargetGroupArn: blue }}] }}] }} }}
targetGroups:
  blue: {{ loadBalancer: front, HealthCheckIntervalSeconds: 10, deregistrationDelay: 10s }}
  green: {{ loadBalancer: front, HealthCheckIntervalSeconds: 10, deregistrationDelay: 10s }}
services:
  web: {service}
  after: {{ taskDefinition: other, desiredCount: 100 }}
timeline:
{timeline}",
            instances = self.instances,
            cpu = 2048 / self.tasks_an_instance,
            shutdown = self.shutdown_s,
        );
        let story = scenario::read(std::path::Path::new("deployments.yaml"), &mut |_| Ok(text.clone().into_bytes()))
            .unwrap_or_else(|problems| panic!("{}\n{text}", problems.render(false)));
        simulate(&story.variants[0], Seed { seed: self.seed, replication: 0 })
    }

    /// Whether a task counts for `maximumPercent` of another: revisions that stand side by side have each their own.
    fn are_counted_together(&self, one: &TaskLife, other: &TaskLife) -> bool {
        self.kind == Kind::Rolling || one.deployment == other.deployment
    }
}

impl Story {
    /// The desired count at an instant.
    fn desired_at(&self, at: Instant) -> u32 {
        let by_then = self.scales.iter().rfind(|it| Instant::START + Span::seconds(u64::from(it.0)) <= at);
        by_then.map_or(self.desired, |it| it.1)
    }

    /// The tasks of a deployment that the service scheduler keeps at an instant: what is computed of a task set, whose scale only grows.
    fn desired_of(&self, deployment: u32, at: Instant) -> u32 {
        let full_at = Instant::START + Span::seconds(u64::from(self.deployed_at[0]) + 200);
        match self.kind == Kind::TaskSets && deployment == 1 && at <= full_at {
            true => self.desired_at(at).div_ceil(2),
            false => self.desired_at(at),
        }
    }

    /// Whether a task was stopped since that is what its deployment had come to, whatever else ran: in RECONCILE_SERVICE and CLEAN_UP,
    /// of a shift of traffic that had failed, and of a task set that was deleted.
    fn was_cleaned_up(&self, run: &Run, task: &TaskLife) -> bool {
        if self.kind == Kind::TaskSets {
            return task.stopped_reason.as_ref().is_some_and(|it| it.ends_with("was deleted"));
        }
        let stages =
            run.events.iter().filter(|it| it.kind == "service.deployment_stage" && Some(it.at) <= task.stopping_at);
        let mut later = stages.filter_map(|it| {
            let (_, words) = it.message.split_once("(deployment ")?;
            let (number, stage) = words.split_once(") ")?;
            (number.parse::<u32>().ok()? > task.deployment).then_some(stage)
        });
        let own = run.deployments.iter().find(|it| it.service == 0 && it.number == task.deployment);
        let was_interrupted = own.is_some_and(|it| it.superseded_at.is_some());
        let had_failed = own.and_then(|it| it.failure.as_ref()).is_some_and(|it| Some(it.at) <= task.stopping_at);
        if had_failed && self.kind != Kind::Rolling {
            return true;
        }
        later.any(|it| it == "CLEAN_UP" || (it == "RECONCILE_SERVICE" && was_interrupted))
    }
}

/// When the last deployment of the service completed.
fn completed_at(run: &Run) -> Option<Instant> {
    run.deployments.iter().rfind(|it| it.service == 0)?.completed_at
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_kind_of_deployment_keeps_within_its_bounds(story in stories()) {
        let run = story.run();
        every_task_lives_in_order(&run);
        no_instance_is_over_committed(&run);
        let deleted_at = Instant::START + Span::seconds(u64::from(DELETED_AT));
        let of_web: Vec<&TaskLife> = run.tasks.iter().filter(|it| it.service == Some(0)).collect();
        for task in &of_web {
            let at = task.created_at;
            let is_there = |it: &&&TaskLife| it.created_at <= at && it.stopping_at.is_none_or(|stopping| stopping > at);
            let there = of_web.iter().filter(is_there).filter(|it| story.are_counted_together(task, it)).count() as u32;
            let (_, upper) = deployment_bounds(story.desired_at(at), story.minimum_healthy, story.maximum);
            prop_assert!(there <= upper, "{there} of {upper} at {at}: {story:?}");
            // What the service scheduler stops, but for what has failed its checks, and what it cleans up whatever runs. A crash is not
            // its doing, but it takes nothing from what is left after one.
            let by_scheduler = task.stop_code == Some("ServiceSchedulerInitiated")
                && task.stopped_reason.as_ref().is_some_and(|it| !it.contains("health checks"));
            let Some(at) = task.stopping_at.filter(|it| by_scheduler && *it < deleted_at) else { continue };
            if story.was_cleaned_up(&run, task) || task.healthy_at.is_none_or(|it| it >= at) {
                continue;
            }
            let desired = story.desired_of(task.deployment, at);
            let (lower, _) = deployment_bounds(desired, story.minimum_healthy, story.maximum);
            let is_healthy = |it: &&&TaskLife| {
                it.healthy_at.is_some_and(|healthy| healthy <= at) && it.stopping_at.is_none_or(|stopping| stopping > at)
            };
            let is_counted = |it: &&&TaskLife| story.are_counted_together(task, it);
            let healthy = of_web.iter().filter(is_healthy).filter(is_counted).count() as u32;
            prop_assert!(healthy >= lower, "{healthy} healthy at {at}, {lower} must be: {story:?}");
        }
        // Each deployment comes to an end, or it is named that it does not; and a lower desired count is met.
        for it in run.deployments.iter().filter(|it| it.service == 0) {
            let hangs = it.hangs.last().is_some_and(|hang| hang.until.is_none_or(|until| until >= deleted_at));
            prop_assert!(it.verdict() != Verdict::UnderWay || hangs, "deployment {}: {story:?}", it.number);
        }
        let before = Instant::START + Span::seconds(u64::from(DELETED_AT) - 60);
        let is_there = |it: &&&TaskLife| it.created_at <= before && it.stopping_at.is_none_or(|at| at > before);
        for task in of_web.iter().filter(is_there) {
            let together = of_web.iter().filter(is_there).filter(|it| story.are_counted_together(task, it)).count() as u32;
            let (_, upper) = deployment_bounds(story.desired_at(before), story.minimum_healthy, story.maximum);
            prop_assert!(together <= upper, "{together} of {upper} an hour and more later: {story:?}");
        }
        // What is stopped has freed all that it held, neither less nor more: what follows finds the instances empty.
        let room = story.instances * story.tasks_an_instance;
        let after = run.tasks.iter().filter(|it| it.service == Some(1) && it.running_at.is_some()).count() as u32;
        prop_assert_eq!(after, room, "{:?}", story);
    }

    #[test]
    fn spare_capacity_never_makes_a_shift_of_traffic_finish_later(story in stories()) {
        // Health checks of a load balancer come when they come: without one all delays are constant.
        let kind = if story.kind == Kind::TaskSets { Kind::Canary } else { story.kind };
        let deployed_at = story.deployed_at[..1].to_vec();
        let shutdown_s = if kind == Kind::Rolling { 0 } else { story.shutdown_s };
        let scales = Vec::new();
        let constant = Story { kind, is_balanced: false, crashes: None, drains: None, scales, deployed_at, shutdown_s, ..story };
        let more = Story { instances: constant.instances + 1, ..constant.clone() };
        if let Some(least) = completed_at(&constant.run()) {
            let most = completed_at(&more.run());
            prop_assert!(most.is_some_and(|it| it <= least), "{least} and with an instance more {most:?}: {constant:?}");
        }
    }
}
