//! Laws that hold for every scenario, tried on random ones.

use proptest::prelude::*;

use plimsoll::aws::service::deployment_bounds;
use plimsoll::engine::simulate;
use plimsoll::report;
use plimsoll::rng::Seed;
use plimsoll::run::{CostKind, CostOwner, Run, TaskLife};
use plimsoll::scenario::{self, Scenario};
use plimsoll::units::{Instant, Span};

/// A small scenario with a bit of everything, shaped by a handful of numbers.
#[derive(Clone, Debug)]
struct Story {
    instances: u32,
    spare: u32,
    desired: u32,
    max_capacity: u32,
    cpu: u32,
    memory: u32,
    rate: u32,
    peak: u32,
    cpu_ms: u32,
    wait_ms: u32,
    queue: u32,
    timeout_s: u32,
    minimum_healthy: u32,
    maximum: u32,
    nodes: u32,
    strategy: usize,
    has_provider: bool,
    has_static_port: bool,
    is_cold: bool,
    memory_per_request: u32,
    load_balancer: usize,
    daemon: Option<u32>,
    seed: u64,
}

const LOAD_BALANCERS: [&str; 3] = ["application", "network", "classic"];

const STRATEGIES: [&str; 4] = ["AZ Balanced Spread", "AZ Balanced BinPack", "BinPack", "One Task Per Host"];

fn stories() -> impl Strategy<Value = Story> {
    let sizes = (1u32..4, 0u32..3, 1u32..6, 1u32..6, prop_oneof![Just(128u32), Just(512), Just(1024)], 128u32..2048);
    let traffic = (1u32..40, 1u32..120, 1u32..60, 0u32..80, 0u32..30, 1u32..20);
    let deployment = (prop_oneof![Just(0u32), Just(50), Just(100)], prop_oneof![Just(100u32), Just(150), Just(200)]);
    // Its `minimumHealthyPercent`, where there is a DAEMON service.
    let daemon = prop_oneof![Just(None), Just(Some(0u32)), Just(Some(50))];
    let switches =
        (1u32..4, 0usize..4, any::<bool>(), any::<bool>(), any::<bool>(), 0u32..64, (0usize..3, daemon, 0u64..1000));
    (sizes, traffic, deployment, switches).prop_map(|(sizes, traffic, deployment, switches)| Story {
        instances: sizes.0,
        spare: sizes.1,
        desired: sizes.2,
        max_capacity: sizes.2 + sizes.3,
        cpu: sizes.4,
        memory: sizes.5,
        rate: traffic.0,
        peak: traffic.1,
        cpu_ms: traffic.2,
        wait_ms: traffic.3,
        queue: traffic.4,
        timeout_s: traffic.5,
        minimum_healthy: deployment.0,
        maximum: deployment.1,
        nodes: switches.0,
        strategy: switches.1,
        has_provider: switches.2,
        has_static_port: switches.3 || switches.6.0 == 2,
        is_cold: switches.4,
        memory_per_request: switches.5,
        load_balancer: switches.6.0,
        daemon: switches.6.1,
        seed: switches.6.2,
    })
}

impl Story {
    fn text(&self) -> String {
        let provider =
            if self.has_provider { "capacityProviderStrategy: [{ capacityProvider: nodes, weight: 1 }]," } else { "" };
        format!(
            r#"
duration: 45m
begin: {begin}
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: {min}, MaxSize: {max}, DesiredCapacity: {min} }} }}
capacityProviders:
  nodes:
    autoScalingGroupProvider:
      autoScalingGroupArn: nodes
      managedScaling: {{ status: ENABLED, targetCapacity: 90, instanceWarmupPeriod: 60 }}
      managedTerminationProtection: ENABLED
taskDefinitions:
  "web:1": {{ containerDefinitions: [{{ name: web, image: "web:1", cpu: {cpu}, memory: {memory}, portMappings: [{{ containerPort: 80, hostPort: {port} }}] }}] }}
  "web:2": {{ containerDefinitions: [{{ name: web, image: "web:2", cpu: {cpu}, memory: {memory}, portMappings: [{{ containerPort: 80, hostPort: {port} }}] }}] }}
  agent: {{ containerDefinitions: [{{ name: agent, image: agent, cpu: 64, memory: 128 }}] }}
applications:
  web:
    cpuTime: {{ exponential: {{ mean: {cpu_ms}ms }} }}
    waitTime: {{ constant: {wait_ms}ms }}
    concurrency: 2
    queue: {queue}
    memory: {{ base: 64MiB, perRequest: {per_request}MiB }}
    errorShare: 0.01
  agent: {{ image: {{ size: 40MB }}, shutdownTime: 5s, exit: {{ after: {{ exponential: {{ mean: 20m }} }}, code: 1 }} }}
loadBalancers: {{ front: {{ Type: {kind}, nodes: {nodes} }} }}
{target_groups}
services:
  web: {{ taskDefinition: "web:1", desiredCount: {desired}, {provider} placementTemplate: "{template}", deploymentConfiguration: {{ minimumHealthyPercent: {minimum}, maximumPercent: {maximum} }}, loadBalancers: [{{ {registered}, containerName: web, containerPort: 80 }}] }}
{agent}
scalableTargets: {{ web: {{ MinCapacity: 1, MaxCapacity: {max_capacity} }} }}
scalingPolicies:
  cpu: {{ PolicyType: TargetTrackingScaling, service: web, TargetTrackingScalingPolicyConfiguration: {{ TargetValue: 50, ScaleOutCooldown: 60, PredefinedMetricSpecification: {{ PredefinedMetricType: ECSServiceAverageCPUUtilization }} }} }}
workloads:
  users: {{ service: web, arrivals: {{ steps: [{{ at: 0s, rate: {rate} }}, {{ at: 10m, rate: {peak} }}, {{ at: 25m, rate: {rate} }}] }}, timeout: {timeout}s, clients: {{ count: 10, requests: 50 }} }}
{people}
timeline:
  - {{ at: 20m, deploy: {{ service: web, taskDefinition: "web:2" }} }}
  - {{ at: 30m, terminateInstances: {{ autoScalingGroup: nodes, count: 1 }} }}
{drained}
"#,
            begin = if self.is_cold { "cold" } else { "settled" },
            min = self.instances,
            max = self.instances + self.spare,
            cpu = self.cpu,
            memory = self.memory,
            port = if self.has_static_port { 80 } else { 0 },
            cpu_ms = self.cpu_ms,
            wait_ms = self.wait_ms,
            queue = self.queue,
            per_request = self.memory_per_request,
            nodes = self.nodes,
            kind = LOAD_BALANCERS[self.load_balancer],
            target_groups = match self.load_balancer {
                0 => "targetGroups: { web: { HealthCheckIntervalSeconds: 10, deregistrationDelay: 20s } }",
                // Checks time out after 10 s.
                1 => "targetGroups: { web: { HealthCheckIntervalSeconds: 20, deregistrationDelay: 20s } }",
                _ => "",
            },
            registered = if self.load_balancer == 2 { "loadBalancerName: front" } else { "targetGroupArn: web" },
            desired = self.desired,
            agent = self.daemon.map_or(String::new(), |minimum| format!(
                "  agent: {{ taskDefinition: agent, schedulingStrategy: DAEMON, deploymentConfiguration: {{ minimumHealthyPercent: {minimum} }} }}"
            )),
            drained = match self.daemon {
                Some(_) => {
                    "  - { at: 15m, updateService: { service: agent, forceNewDeployment: true } }\n  - { at: 33m, updateContainerInstancesState: { autoScalingGroup: nodes, count: 1, status: DRAINING } }\n  - { at: 38m, updateContainerInstancesState: { autoScalingGroup: nodes, count: 9, status: ACTIVE } }"
                }
                None => "",
            },
            template = STRATEGIES[self.strategy],
            minimum = self.minimum_healthy,
            maximum = self.maximum,
            max_capacity = self.max_capacity,
            rate = self.rate,
            peak = self.peak,
            timeout = self.timeout_s,
            // Half of the stories, since a lane with users is served otherwise.
            people = if self.seed.is_multiple_of(2) {
                "  people: { service: web, arrivals: { sessions: { of: { poisson: { rate: 2 } }, requests: 5, thinkTime: 2s } }, timeout: 3s }"
            } else {
                ""
            },
        )
    }

    fn scenario(&self) -> Scenario {
        let text = self.text();
        let story = scenario::read(std::path::Path::new("story.yaml"), &mut |_| Ok(text.clone().into_bytes()))
            .unwrap_or_else(|problems| panic!("{}\n{text}", problems.render(false)));
        assert!(story.unsupported.is_empty(), "{}", story.unsupported.render(false));
        story.variants.into_iter().next().expect("a story has its base")
    }

    fn run(&self) -> Run {
        simulate(&self.scenario(), Seed { seed: self.seed, replication: 0 })
    }
}

/// Replays the log of tasks: on each instance, what is reserved never exceeds what is registered.
pub fn no_instance_is_over_committed(run: &Run) {
    for (number, instance) in run.instances.iter().enumerate() {
        let here: Vec<_> = run.tasks.iter().filter(|it| it.instance == Some(number)).collect();
        for task in &here {
            let at = task.placed_at.expect("a task on an instance was placed");
            // A slot is given back when the task is stopping at the latest when it stops; `stopping` is the earliest.
            let beside = here.iter().filter(|it| {
                it.placed_at.is_some_and(|placed| placed <= at) && it.stopping_at.is_none_or(|stopping| stopping > at)
            });
            let (cpu, memory) = beside.fold((0, 0), |(cpu, memory), it| (cpu + it.cpu_units, memory + it.memory_mib));
            assert!(cpu <= instance.cpu_units, "{cpu} CPU units on {} of {}", instance.name, instance.cpu_units);
            assert!(memory <= instance.memory_mib, "{memory} MiB on {} of {}", instance.name, instance.memory_mib);
        }
    }
}

/// A task's states come in their order, and whatever ends it, it stops once.
pub fn every_task_lives_in_order(run: &Run) {
    for task in &run.tasks {
        let on_its_way = [
            Some(task.created_at),
            task.placed_at,
            task.pull_started_at,
            task.pulled_at,
            task.running_at,
            task.healthy_at,
        ];
        let to_its_end = [Some(task.created_at), task.placed_at, task.running_at, task.stopping_at, task.stopped_at];
        let reached = on_its_way.iter().take_while(|it| it.is_some()).count();
        assert!(on_its_way[reached..].iter().all(Option::is_none), "no state is left out: {task:?}");
        for instants in [&on_its_way[..], &to_its_end[..]] {
            let reached: Vec<Instant> = instants.iter().copied().flatten().collect();
            assert!(reached.is_sorted(), "{task:?}");
        }
        let has_end = [task.stop_code.is_some(), task.stopped_reason.is_some(), task.stopping_at.is_some()];
        assert!(has_end == [true; 3] || has_end == [false; 3], "{task:?}");
        assert!(task.stopped_at.is_none() || task.stop_code.is_some(), "{task:?}");
        assert!(task.running_at.is_none() || task.placed_at.is_some(), "{task:?}");
        assert!(task.stop_code != Some("TaskFailedToStart") || task.running_at.is_none(), "{task:?}");
        for container in &task.containers {
            assert!(container.stopped_at.is_none_or(|it| container.started_at.is_none_or(|started| started <= it)));
            assert!(task.stopped_at.is_none() || container.last_status == "STOPPED", "{task:?}");
        }
    }
}

/// Faults that a timeline can have, each for a while.
const FAULTS: [&str; 14] = [
    "deleteImage: { image: \"shop/web:1\", for: LASTS }",
    "deleteSecret: { SecretId: /web/key, for: LASTS }",
    "deleteRole: { RoleName: execution, for: LASTS }",
    "registryOutage: { for: LASTS }",
    "registryOutage: { error: tooManyRequests, for: LASTS }",
    "slowRegistry: { factor: 20, for: LASTS }",
    "applicationCrashes: { service: web, after: { exponential: { mean: 20s } }, code: 3, for: LASTS }",
    "slowDependency: { service: web, factor: 30, for: LASTS }",
    "throttleCalls: { burst: 1, callsPerSecond: 1, for: LASTS }",
    "availabilityZoneOutage: { availabilityZone: us-east-1a, for: LASTS }",
    "disconnectAgents: { autoScalingGroup: nodes, count: 2, for: LASTS }",
    "targetErrors: { service: web, tasks: 2, errorShare: 0.5, for: LASTS }",
    "terminateInstances: { autoScalingGroup: nodes, count: 1 }",
    "updateService: { service: web, forceNewDeployment: true }",
];

/// A service under faults that begin at these seconds and hold for so many.
fn story_of_faults(faults: &[(usize, u32, u32)], follows: bool, is_awsvpc: bool) -> String {
    let timeline: Vec<String> = faults
        .iter()
        .map(|(fault, at, lasts)| {
            format!("  - {{ at: {at}s, {} }}", FAULTS[*fault].replace("LASTS", &format!("{lasts}s")))
        })
        .collect();
    let probe = if follows { "healthCheck: { interval: 10, retries: 2 }, " } else { "" };
    let (mode, size) = if is_awsvpc { ("awsvpc", "m5.2xlarge") } else { ("bridge", "m5.large") };
    format!(
        "duration: 40m
cluster: {{ availabilityZones: [us-east-1a, us-east-1b] }}
autoScalingGroups: {{ nodes: {{ InstanceType: {size}, MinSize: 3, MaxSize: 4 }} }}
taskDefinitions:
  web:
    networkMode: {mode}
    executionRoleArn: execution
    containerDefinitions:
      - {{ name: web, image: \"shop/web:1\", cpu: 256, memory: 512, {probe}secrets: [{{ name: KEY, valueFrom: /web/key }}], portMappings: [{{ containerPort: 80 }}] }}
      - {{ name: sidecar, image: shop/sidecar, cpu: 64, memory: 64, essential: false }}
applications:
  web: {{ image: {{ size: 300MB }}, startTime: {{ exponential: {{ mean: 5s }} }}, shutdownTime: {{ exponential: {{ mean: 20s }} }}, waitTime: 30ms }}
  sidecar: {{ image: {{ size: 30MB }} }}
targetGroups: {{ web: {{ HealthCheckIntervalSeconds: 10, deregistrationDelay: 20s }} }}
services:
  web:
    taskDefinition: web
    desiredCount: 5
    deploymentConfiguration: {{ minimumHealthyPercent: 50, maximumPercent: 200 }}
    loadBalancers: [{{ targetGroupArn: web, containerName: web, containerPort: 80 }}]
workloads:
  users: {{ service: web, arrivals: {{ poisson: {{ rate: 20/s }} }}, timeout: 5s }}
timeline:
{}
",
        timeline.join("\n")
    )
}

/// Of a DAEMON service an instance never has two tasks that are not STOPPED, none is placed while it is not ACTIVE, and in
/// the end it has one if it is.
fn an_instance_has_one_task_of_a_daemon(run: &Run, service: usize) {
    let end = Instant::START + run.simulated;
    for (number, instance) in run.instances.iter().enumerate() {
        let tasks = run.tasks.iter().filter(|it| it.service == Some(service) && it.instance == Some(number));
        let mut lives: Vec<(Instant, Instant)> = tasks
            .map(|it| (it.placed_at.expect("a task on an instance was placed"), it.stopped_at.unwrap_or(end)))
            .collect();
        lives.sort_unstable();
        assert!(lives.windows(2).all(|two| two[0].1 <= two[1].0), "two at once on {}: {lives:?}", instance.name);
        let changes: Vec<_> = run.instance_changes.iter().filter(|it| it.instance == instance.name).collect();
        for &(placed_at, _) in &lives {
            // It may be placed and the instance drained at one instant, in this order.
            let before = changes.iter().rfind(|it| it.at < placed_at);
            let statuses = before.into_iter().chain(changes.iter().filter(|it| it.at == placed_at));
            let statuses: Vec<&str> = statuses.map(|it| it.status).collect();
            assert!(statuses.contains(&"ACTIVE"), "{} at {placed_at}: {statuses:?}", instance.name);
        }
        let last = changes.last().expect("it was launched");
        if last.status == "ACTIVE" && last.at + Span::MINUTE < end {
            let newest = lives.last().unwrap_or_else(|| panic!("{} never had a task", instance.name));
            assert!(newest.1 + Span::MINUTE > end, "{} is without a task since {}", instance.name, newest.1);
        }
    }
}

/// Requests leave a surge queue for a task with room, which has more of a node's requests than the others: found by the
/// property below.
#[test]
fn a_surge_queue_may_send_to_another_than_the_fewest() {
    let story = Story {
        instances: 3,
        spare: 1,
        desired: 4,
        max_capacity: 5,
        cpu: 128,
        memory: 1253,
        rate: 29,
        peak: 1,
        cpu_ms: 28,
        wait_ms: 60,
        queue: 19,
        timeout_s: 1,
        minimum_healthy: 0,
        maximum: 100,
        nodes: 1,
        strategy: 0,
        has_provider: false,
        has_static_port: true,
        is_cold: false,
        memory_per_request: 0,
        load_balancer: 2,
        daemon: None,
        seed: 35,
    };
    let run = story.run();
    let (counts, open) = (&run.requests[0].counts, run.requests[0].in_flight);
    assert_eq!(counts.arrived, counts.served + counts.failed() + open, "each request ends once");
}

/// The rows of costs are the costs, kind by kind, and what is given of the unused is what others get.
fn every_dollar_has_an_owner(run: &Run) {
    let of = |kinds: &[CostKind]| {
        let rows = run.costs.iter().filter(|it| kinds.contains(&it.kind));
        rows.fold((0.0, 0.0), |sum, it| (sum.0 + it.usd, sum.1 + it.redistributed_usd))
    };
    for (kinds, usd) in [
        (&[CostKind::Ec2][..], run.cost.instances_usd),
        (&[CostKind::Ebs], run.cost.volumes_usd),
        (&[CostKind::Fargate, CostKind::FargateSpot], run.cost.fargate_usd),
        (&[CostKind::LoadBalancer], run.cost.load_balancers_usd),
        (&[CostKind::CloudWatch], run.cost.cloud_watch_usd),
        (&[CostKind::NatGateway], run.cost.nat_gateways_usd),
        (&[CostKind::CpuCredits], run.cost.cpu_credits_usd),
    ] {
        let (sum, redistributed) = of(kinds);
        assert!((sum - usd).abs() < 1e-9, "{kinds:?}: {sum} of {usd}");
        assert!(redistributed.abs() < 1e-9, "{kinds:?}: {redistributed}");
    }
    for row in &run.costs {
        assert!(row.usd > -1e-12, "{row:?}");
        assert!(row.owner == CostOwner::Unused || row.redistributed_usd > -1e-12, "{row:?}");
        assert!(row.redistributed_usd >= -row.usd - 1e-12, "{row:?}");
    }
    let total: f64 = run.costs.iter().map(|it| it.usd + it.redistributed_usd).sum();
    assert!((total - run.cost.total_usd()).abs() < 1e-9, "{total}");
}

/// A service without a load balancer on equal instances, which is deployed anew some times.
#[derive(Clone, Debug)]
struct Rollout {
    instances: u32,
    tasks_an_instance: u32,
    desired: u32,
    minimum_healthy: u32,
    maximum: u32,
    shutdown_s: u32,
    /// Seconds from one deployment to the next.
    pauses: Vec<u32>,
    /// A desired count that it is given after the first deployment began.
    scaled_to: Option<u32>,
    /// `slotFreedAt`
    slot_freed_at: &'static str,
    seed: u64,
}

fn rollouts() -> impl Strategy<Value = Rollout> {
    let percents = (
        prop_oneof![Just(0u32), Just(25), Just(50), Just(75), Just(100)],
        prop_oneof![Just(100u32), Just(125), Just(150), Just(200)],
    );
    let scaled_to = prop_oneof![Just(None), (1u32..10).prop_map(Some)];
    (1u32..5, 1u32..5, 1u32..9, percents, 0u32..40, proptest::collection::vec(5u32..300, 1..4), scaled_to, 0u64..1000)
        .prop_map(
            |(
                instances,
                tasks_an_instance,
                desired,
                (minimum_healthy, maximum),
                shutdown_s,
                pauses,
                scaled_to,
                seed,
            )| {
                Rollout {
                    instances,
                    tasks_an_instance,
                    desired,
                    minimum_healthy,
                    maximum,
                    shutdown_s,
                    pauses,
                    scaled_to,
                    slot_freed_at: "stopping",
                    seed,
                }
            },
        )
}

impl Rollout {
    fn run(&self) -> Run {
        let mut timeline = String::new();
        let mut at = 600;
        for pause in &self.pauses {
            timeline += &format!("  - {{ at: {at}s, updateService: {{ service: web, forceNewDeployment: true }} }}\n");
            at += pause;
        }
        if let Some(desired) = self.scaled_to {
            timeline += &format!("  - {{ at: 630s, updateService: {{ service: web, desiredCount: {desired} }} }}\n");
        }
        let text = format!(
            "duration: 3h
assumptions: {{ slotFreedAt: {slot_freed_at} }}
cluster: {{ availabilityZones: [us-east-1a] }}
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: {instances}, MaxSize: {instances} }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, image: web, versionConsistency: disabled, cpu: {cpu}, memory: 64 }}] }} }}
applications: {{ web: {{ image: {{ layers: {{ web: 0MB }} }}, shutdownTime: {shutdown}s }} }}
services:
  web: {{ taskDefinition: web, desiredCount: {desired}, deploymentConfiguration: {{ minimumHealthyPercent: {minimum}, maximumPercent: {maximum} }} }}
  after: {{ taskDefinition: web, desiredCount: 100 }}
timeline:
{timeline}  - {{ at: 160m, deleteService: {{ service: web, force: true }} }}
  - {{ at: 165m, createService: {{ service: after }} }}
",
            instances = self.instances,
            cpu = 2048 / self.tasks_an_instance,
            shutdown = self.shutdown_s,
            desired = self.desired,
            minimum = self.minimum_healthy,
            maximum = self.maximum,
            slot_freed_at = self.slot_freed_at,
        );
        let story = scenario::read(std::path::Path::new("rollout.yaml"), &mut |_| Ok(text.clone().into_bytes()))
            .unwrap_or_else(|problems| panic!("{}\n{text}", problems.render(false)));
        simulate(&story.variants[0], Seed { seed: self.seed, replication: 0 })
    }

    /// Tasks that may be at once and healthy ones that must remain, at an instant.
    fn bounds_at(&self, at: Instant) -> (u32, u32) {
        let scaled = self.scaled_to.filter(|_| at >= Instant::START + Span::seconds(630));
        let (lower, upper) = deployment_bounds(scaled.unwrap_or(self.desired), self.minimum_healthy, self.maximum);
        // Those that are more than desired when that has just fallen are stopped at the scheduler's next look.
        let before = deployment_bounds(self.desired, self.minimum_healthy, self.maximum);
        (lower.min(before.0), if at < Instant::START + Span::seconds(640) { upper.max(before.1) } else { upper })
    }
}

/// When the last deployment of a run completed; `None` where it did not.
fn completed_at(run: &Run) -> Option<Instant> {
    let began = run
        .events
        .iter()
        .rposition(|it| it.kind == "service.deployment_in_progress" && it.resource == "service/web")?;
    run.events[began..].iter().find(|it| it.kind == "service.deployment_completed").map(|it| it.at)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn deployments_keep_within_their_bounds(rollout in rollouts()) {
        let run = rollout.run();
        every_task_lives_in_order(&run);
        no_instance_is_over_committed(&run);
        let of_web: Vec<_> = run.tasks.iter().filter(|it| it.service == Some(0)).collect();
        let deleted_at = Instant::START + Span::MINUTE * 160;
        for task in &of_web {
            let there = |at: Instant| {
                of_web.iter().filter(|it| it.created_at <= at && it.stopping_at.is_none_or(|it| it > at)).count() as u32
            };
            let (_, upper) = rollout.bounds_at(task.created_at);
            prop_assert!(there(task.created_at) <= upper, "{} of {upper} at {}", there(task.created_at), task.created_at);
            let Some(stopping) = task.stopping_at.filter(|it| *it < deleted_at) else { continue };
            if task.healthy_at.is_none_or(|it| it >= stopping) {
                continue;
            }
            let is_healthy = |it: &&&TaskLife| {
                it.healthy_at.is_some_and(|it| it <= stopping) && it.stopping_at.is_none_or(|it| it > stopping)
            };
            let (healthy, (lower, _)) = (of_web.iter().filter(is_healthy).count() as u32, rollout.bounds_at(stopping));
            prop_assert!(healthy >= lower, "{healthy} healthy at {stopping}, {lower} must be");
        }
        // What is stopped has freed all that it held, neither less nor more: what follows finds the instances empty.
        let room = rollout.instances * rollout.tasks_an_instance;
        let after = run.tasks.iter().filter(|it| it.service == Some(1) && it.running_at.is_some()).count() as u32;
        prop_assert_eq!(after, room);
    }

    #[test]
    fn spare_capacity_never_makes_a_deployment_finish_later(rollout in rollouts()) {
        // A task that is placed beside others that still stop waits for these in PENDING, and placement does not know: how long it
        // takes to start depends on where the random choice among equal instances has put it, and with one instance more it may
        // be put there. It takes equally long everywhere where slots are free when tasks are STOPPED, or where these end at once.
        for (slot_freed_at, shutdown_s) in [("stopped", rollout.shutdown_s), ("stopping", 0)] {
            let rollout = Rollout { pauses: vec![5], scaled_to: None, slot_freed_at, shutdown_s, ..rollout.clone() };
            let more = Rollout { instances: rollout.instances + 1, ..rollout.clone() };
            if let Some(least) = completed_at(&rollout.run()) {
                let most = completed_at(&more.run());
                prop_assert!(most.is_some_and(|it| it <= least), "{least} and with an instance more {most:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn laws_hold(story in stories()) {
        let run = story.run();
        for totals in &run.requests {
            let counts = &totals.counts;
            prop_assert_eq!(counts.arrived, counts.served + counts.failed() + totals.in_flight, "each request ends once");
        }
        no_instance_is_over_committed(&run);
        every_task_lives_in_order(&run);
        every_dollar_has_an_owner(&run);
        if story.daemon.is_some() {
            an_instance_has_one_task_of_a_daemon(&run, 1);
        }
        for row in run.service_minutes.iter().filter(|it| it.service == 0) {
            prop_assert!(row.desired_count >= 1 && row.desired_count <= story.max_capacity, "desired within min and max");
        }
        for row in &run.capacity_minutes {
            prop_assert!(row.desired_capacity >= story.instances);
            prop_assert!(row.desired_capacity <= story.instances + story.spare);
        }
        for (place, event) in run.events.iter().enumerate() {
            prop_assert!(event.cause.is_none_or(|cause| cause < place), "a cause comes before its effect");
        }
        for row in &run.placement_refusals {
            let refusal = &row.refusal;
            prop_assert!(row.attempts > 0 && row.tasks > 0 && row.first_at <= row.last_at, "{row:?}");
            prop_assert!(row.placed_at.is_none_or(|it| row.last_at <= it), "{row:?}");
            prop_assert!(refusal.usable <= refusal.instances());
            if let Some(shortage) = refusal.closest.as_ref().and_then(|it| it.shortage) {
                prop_assert!(shortage.left < shortage.wanted && shortage.left <= shortage.registered, "{row:?}");
            }
            for left in refusal.left.iter() {
                prop_assert!(u64::from(left.largest_piece) <= left.in_all, "{row:?}");
                prop_assert!(left.largest_piece <= left.largest_registered, "{row:?}");
            }
        }
        let ended: u64 = run.service_minutes.iter().map(|row| row.counts.ended()).sum();
        let whole: u64 = run.requests.iter().map(|it| it.counts.ended()).sum();
        prop_assert_eq!(ended, whole, "minutes add up to the whole");
        for row in &run.load_balancer_minutes {
            let hosts = row.hosts.map(|it| it.healthy);
            prop_assert!(hosts.is_none_or(|it| f64::from(it.minimum) <= it.mean && it.mean <= f64::from(it.maximum)));
            prop_assert!(row.routing.unhealthy_routed <= row.routing.routed);
            prop_assert!(row.routing.target_connection_errors <= row.counts.elb_502);
            prop_assert!(row.capacity.as_deref().is_none_or(|it| it.active_client_connections > -1e-6), "{:?}", row.capacity);
        }
        if LOAD_BALANCERS[story.load_balancer] != "application" {
            // Others refuse what they have no target for, or keep it waiting.
            return Ok(());
        }
        let of_groups = run.load_balancer_minutes.iter().filter(|it| it.target_group.is_some());
        let routed: u64 = of_groups.map(|it| it.routing.routed).sum();
        let arrived: u64 = run.requests.iter().map(|it| it.counts.arrived - it.counts.elb_503).sum();
        prop_assert_eq!(routed, arrived, "a target is chosen for all that do not get 503");
    }

    #[test]
    fn laws_hold_whatever_fails(
        faults in prop::collection::vec((0..FAULTS.len(), 30u32..1_500, 1u32..600), 1..6),
        (follows, is_awsvpc, seed) in (any::<bool>(), any::<bool>(), 0u64..1000),
    ) {
        let text = story_of_faults(&faults, follows, is_awsvpc);
        let story = scenario::read(std::path::Path::new("faults.yaml"), &mut |_| Ok(text.clone().into_bytes()))
            .unwrap_or_else(|problems| panic!("{}\n{text}", problems.render(false)));
        let run = simulate(&story.variants[0], Seed { seed, replication: 0 });
        every_task_lives_in_order(&run);
        no_instance_is_over_committed(&run);
        let (counts, open) = (&run.requests[0].counts, run.requests[0].in_flight);
        prop_assert_eq!(counts.arrived, counts.served + counts.failed() + open, "each request ends once");
    }

    #[test]
    fn the_same_story_gives_the_same_bytes(story in stories()) {
        prop_assume!(story.seed % 4 == 0);
        let (one, other) = (story.run(), story.run());
        prop_assert_eq!(&one.fingerprint, &other.fingerprint);
        prop_assert_eq!(report::files(&one), report::files(&other));
    }
}
