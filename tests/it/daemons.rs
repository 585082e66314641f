//! DAEMON services: one task on each instance, first to start and last to stop.

use std::path::Path;

use plimsoll::aws::launch::Launcher;
use plimsoll::aws::placement::Reason;
use plimsoll::engine::simulate;
use plimsoll::report::{self, refusals::paragraphs};
use plimsoll::rng::Seed;
use plimsoll::run::{RefusalOutcome, Run, TaskLife};
use plimsoll::scenario;
use plimsoll::table::Id;
use plimsoll::units::{Instant, Span};

const AGENT: usize = 0;
const WEB: usize = 1;

/// A cluster with a DAEMON service `agent`, a service `web`, and what comes from outside.
struct Setup<'a> {
    /// Of the Auto Scaling group of m5.large (2048 CPU units, 7811 MiB).
    group: &'a str,
    /// Of the capacity provider, if there is one.
    managed_scaling: &'a str,
    /// CPU units of one task.
    agent_cpu: u32,
    agent: &'a str,
    /// Of its one container.
    agent_container: &'a str,
    agent_application: &'a str,
    web_cpu: u32,
    web_count: u32,
    web: &'a str,
    more: &'a str,
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Setup {
            group: "MinSize: 4, MaxSize: 4",
            managed_scaling: "",
            agent_cpu: 256,
            agent: "",
            agent_container: "",
            agent_application: "shutdownTime: 10s",
            web_cpu: 512,
            web_count: 4,
            web: "",
            more: "",
        }
    }
}

impl Setup<'_> {
    fn run(&self) -> Run {
        let (provider, strategy) = match self.managed_scaling {
            "" => (String::new(), ""),
            scaling => (
                format!(
                    "capacityProviders: {{ nodes: {{ autoScalingGroupProvider: {{ autoScalingGroupArn: nodes, {scaling} }} }} }}"
                ),
                "capacityProviderStrategy: [{ capacityProvider: nodes }],",
            ),
        };
        let text = format!(
            "duration: 60m
cluster: {{ availabilityZones: [us-east-1a, us-east-1b] }}
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, {} }} }}
{provider}
taskDefinitions:
  agent: {{ containerDefinitions: [{{ name: agent, image: agent, cpu: {agent}, memory: 256, {} }}] }}
  web: {{ containerDefinitions: [{{ name: web, image: web, cpu: {web}, memory: 512 }}] }}
applications:
  agent: {{ {} }}
  web: {{ shutdownTime: 20s }}
services:
  agent: {{ taskDefinition: agent, schedulingStrategy: DAEMON, {} }}
  web: {{ taskDefinition: web, desiredCount: {}, {strategy} {} }}
{}",
            self.group,
            self.agent_container,
            self.agent_application,
            self.agent,
            self.web_count,
            self.web,
            self.more,
            agent = self.agent_cpu,
            web = self.web_cpu,
        );
        let story = scenario::read(Path::new("daemons.yaml"), &mut |_| Ok(text.clone().into_bytes()))
            .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
        assert!(story.unsupported.is_empty(), "{}", story.unsupported.render(false));
        simulate(&story.variants[0], Seed { seed: 1, replication: 0 })
    }
}

fn of(run: &Run, service: usize) -> Vec<&TaskLife> {
    run.tasks.iter().filter(|it| it.service == Some(service)).collect()
}

/// Tasks of a service that stand on an instance at an instant, not asked to stop.
fn there(run: &Run, service: usize, at: Instant) -> Vec<usize> {
    let is_there = |it: &&&TaskLife| it.placed_at.is_some_and(|it| it <= at) && it.stopping_at.is_none_or(|it| it > at);
    let mut found: Vec<usize> = of(run, service).iter().filter(is_there).filter_map(|it| it.instance).collect();
    found.sort_unstable();
    found
}

fn said<'a>(run: &'a Run, kind: &str) -> Vec<&'a str> {
    run.events.iter().filter(|it| it.kind == kind).map(|it| it.message.as_str()).collect()
}

fn at(minutes: u64) -> Instant {
    Instant::START + Span::MINUTE * minutes
}

const MANAGED: &str = "managedScaling: { status: ENABLED, targetCapacity: 100 }";

#[test]
fn we_84_a_daemon_holds_no_instance() {
    let group = "MinSize: 4, MaxSize: 8";
    let web = "placementConstraints: [{ type: distinctInstance }]";
    let run = Setup { group, managed_scaling: MANAGED, web_count: 2, web, ..Setup::default() }.run();
    let first = &run.capacity_minutes[0];
    assert_eq!((first.needed, first.present, first.reservation_percent), (Some(2), Some(4), Some(50.0)));
    assert_eq!(there(&run, AGENT, at(1)), [0, 1, 2, 3]);
}

#[test]
fn a_new_instance_has_its_daemon_first_and_holds_fewer_replicas() {
    let grown = |agent: &str, agent_cpu: u32| {
        Setup {
            group: "MinSize: 2, MaxSize: 9",
            managed_scaling: MANAGED,
            agent_cpu,
            agent,
            web_count: 6,
            web: "placementStrategy: [{ type: binpack, field: cpu }]",
            more: "timeline: [{ at: 5m, updateService: { service: web, desiredCount: 14 } }]",
            ..Setup::default()
        }
        .run()
    };
    let run = grown("", 256);
    assert_eq!(there(&run, AGENT, at(0)), [0, 1]);
    assert_eq!(there(&run, WEB, at(0)), [0, 0, 0, 1, 1, 1], "three of 512 beside one of 256");
    // Eight wait, and three go on an instance that holds the daemon.
    assert_eq!(run.capacity_minutes.iter().filter_map(|it| it.needed).find(|it| *it != 2), Some(5));
    assert_eq!(run.instances.len(), 5);
    for number in 2..5 {
        let instance = &run.instances[number];
        let agents: Vec<&TaskLife> = of(&run, AGENT).into_iter().filter(|it| it.instance == Some(number)).collect();
        assert_eq!(agents.len(), 1);
        assert_eq!(agents[0].placed_at, instance.registered_at, "in the instant of registration");
        let webs = of(&run, WEB).into_iter().filter(|it| it.instance == Some(number));
        assert!(webs.clone().all(|it| it.placed_at > instance.registered_at));
        assert!(webs.count() <= 3);
    }
    assert_eq!(there(&run, WEB, at(30)).len(), 14);
    let desired: Vec<u32> = [1, 30]
        .map(|minute| run.service_minutes.iter().find(|it| (it.service, it.minute) == (AGENT, minute)))
        .map(|it| it.expect("a row for each minute").desired_count)
        .into();
    assert_eq!(desired, [2, 5], "one for each instance");

    // On no instance of this kind: four of 512 fill one.
    let without = grown(
        "placementConstraints: [{ type: memberOf, expression: \"attribute:ecs.instance-type == t3.micro\" }],",
        256,
    );
    assert_eq!((of(&without, AGENT).len(), without.instances.len()), (0, 4));
    // A daemon larger than the instance: nothing is set aside for it.
    let too_large = grown("", 4096);
    assert_eq!((of(&too_large, AGENT).len(), too_large.instances.len()), (0, 4));
    assert_eq!(said(&too_large, "service.task_placement_failure").len(), 1, "once, while its cause is there");
}

#[test]
fn an_instance_with_nothing_but_a_daemon_is_free_to_go() {
    let scaling = "managedScaling: { status: ENABLED, targetCapacity: 100 }, managedTerminationProtection: ENABLED";
    let run = Setup {
        group: "MinSize: 1, MaxSize: 9, DesiredCapacity: 3",
        managed_scaling: scaling,
        web_count: 9,
        more: "timeline: [{ at: 5m, updateService: { service: web, desiredCount: 1 } }]",
        ..Setup::default()
    }
    .run();
    let left = there(&run, WEB, at(10));
    assert_eq!(left.len(), 1);
    for (number, instance) in run.instances.iter().enumerate().filter(|(number, _)| *number != left[0]) {
        let gone_at = instance.terminated_at.unwrap_or_else(|| panic!("{} is empty", instance.name));
        let agent = of(&run, AGENT).into_iter().find(|it| it.instance == Some(number)).expect("each had one");
        assert_eq!(agent.stop_code, Some("ServiceSchedulerInitiated"), "drained, not lost");
        assert_eq!(agent.stopped_at, Some(gone_at));
    }
    assert_eq!(run.instances[left[0]].terminated_at, None);
    assert_eq!(there(&run, AGENT, at(59)), left);
}

#[test]
fn the_last_task_of_a_draining_instance_is_the_daemon_s() {
    for (strategy, managed_scaling) in [
        ("updateContainerInstancesState: { autoScalingGroup: nodes, count: 1, status: DRAINING }", ""),
        ("updateAutoScalingGroup: { autoScalingGroup: nodes, MinSize: 1, MaxSize: 3 }", MANAGED),
    ] {
        let timeline = format!("timeline: [{{ at: 5m, {strategy} }}]");
        let run = Setup {
            managed_scaling,
            web_count: 9,
            web: "placementStrategy: [{ type: spread, field: instanceId }]",
            more: &timeline,
            ..Setup::default()
        }
        .run();
        let drained = run.instance_changes.iter().find(|it| it.status == "DRAINING").expect("one is drained");
        let number = run.instances.iter().position(|it| it.name == drained.instance).expect("it is there");
        let here = |service| of(&run, service).into_iter().filter(move |it| it.instance == Some(number));
        let last_web = here(WEB).map(|it| it.stopped_at.expect("it is drained")).max().expect("it had some");
        let agents: Vec<&TaskLife> = here(AGENT).collect();
        assert_eq!(agents.len(), 1, "no other comes");
        assert!(agents[0].stopping_at >= Some(last_web), "{:?} {last_web}", agents[0].stopping_at);
        assert_eq!(there(&run, AGENT, at(59)).len(), 3);
        assert_eq!(of(&run, AGENT).len(), 4);
    }
}

#[test]
fn an_instance_drains_with_network_interfaces_too() {
    let text = "duration: 30m
autoScalingGroups: { nodes: { InstanceType: m5.large, MinSize: 3, MaxSize: 3 } }
capacityProviders:
  nodes: { autoScalingGroupProvider: { autoScalingGroupArn: nodes, managedScaling: { status: ENABLED } } }
taskDefinitions:
  agent: { networkMode: awsvpc, containerDefinitions: [{ name: agent, image: agent, memory: 64 }] }
services:
  agent: { taskDefinition: agent, schedulingStrategy: DAEMON }
timeline:
  - { at: 5m, updateAutoScalingGroup: { autoScalingGroup: nodes, MinSize: 2, MaxSize: 2 } }
";
    let story = scenario::read(Path::new("drains.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
        .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    let run = simulate(&story.variants[0], Seed { seed: 1, replication: 0 });
    assert_eq!(run.instances.iter().filter(|it| it.terminated_at.is_some()).count(), 1);
}

/// Instants at which tasks of the daemon's first deployment were asked to stop, and how many.
fn waves(run: &Run) -> Vec<(Instant, usize)> {
    let mut stopped: Vec<Instant> = of(run, AGENT).iter().filter_map(|it| it.stopping_at).collect();
    stopped.sort_unstable();
    stopped.chunk_by(|one, other| one == other).map(|it| (it[0], it.len())).collect()
}

#[test]
fn a_deployment_stops_and_then_starts_instance_by_instance() {
    let deployed = |minimum: u32| {
        let agent = format!("deploymentConfiguration: {{ minimumHealthyPercent: {minimum} }}");
        let more = "timeline: [{ at: 5m, updateService: { service: agent, forceNewDeployment: true } }]";
        let agent_container = "versionConsistency: disabled";
        Setup { group: "MinSize: 5, MaxSize: 5", agent: &agent, agent_container, more, ..Setup::default() }.run()
    };
    // At most n - ceil(n x min / 100) at once, of five.
    for (minimum, sizes) in [(0, vec![5]), (50, vec![2, 2, 1]), (75, vec![1, 1, 1, 1, 1])] {
        let run = deployed(minimum);
        let waves = waves(&run);
        assert_eq!(waves.iter().map(|it| it.1).collect::<Vec<_>>(), sizes, "{minimum}");
        let mut lives: Vec<_> = of(&run, AGENT).iter().map(|it| (it.instance, it.placed_at, it.stopped_at)).collect();
        lives.sort_unstable();
        assert_eq!(lives.len(), 10);
        for two in lives.chunks(2) {
            assert_eq!(two[0].0, two[1].0, "the next is on the same instance");
            assert!(two[0].2.expect("it was stopped") <= two[1].1.expect("it was placed"));
        }
        assert_eq!(said(&run, "service.deployment_completed").len(), 1);
    }
    let stuck = deployed(100);
    assert_eq!(waves(&stuck), []);
    assert_eq!(said(&stuck, "service.deployment_stuck").len(), 1);
}

#[test]
fn nobody_takes_the_room_between_two_tasks_of_a_daemon() {
    // 1024 for the daemon, 1024 for one replica; the other waits for ever.
    let run = Setup {
        group: "MinSize: 1, MaxSize: 1",
        agent_cpu: 1024,
        web_cpu: 1024,
        web_count: 2,
        more: "timeline: [{ at: 5m, updateService: { service: agent, forceNewDeployment: true } }]
assumptions: { placementRetryFast: 1s, placementRetrySlow: 1s }",
        ..Setup::default()
    }
    .run();
    assert_eq!(of(&run, AGENT).len(), 2);
    assert_eq!(there(&run, AGENT, at(59)), [0]);
    assert_eq!(of(&run, WEB).len(), 1, "daemons come first in a settled cluster, and their room is kept");
}

#[test]
fn a_constraint_that_is_no_longer_met_stops_the_task() {
    let put = |minute: u32, value: &str| {
        format!(
            "  - {{ at: {minute}m, putAttributes: {{ autoScalingGroup: nodes, count: 1, attributes: {{ logs: \"{value}\" }} }} }}\n"
        )
    };
    let timeline = format!("timeline:\n{}{}", put(5, "none"), put(20, "all"));
    let run = Setup {
        group: "MinSize: 3, MaxSize: 3, attributes: { logs: all }",
        agent: "placementConstraints: [{ type: memberOf, expression: \"attribute:logs == all\" }]",
        more: &timeline,
        ..Setup::default()
    }
    .run();
    assert_eq!(there(&run, AGENT, at(4)), [0, 1, 2]);
    assert_eq!(there(&run, AGENT, at(10)), [1, 2]);
    assert_eq!(there(&run, AGENT, at(20)), [0, 1, 2], "in the instant in which it is met again");
    let violated = said(&run, "service.daemon_placement_constraint_violated");
    assert_eq!(violated, ["(service agent) no longer meets the placement constraints: (task t-00000)."]);
    assert_eq!(there(&run, WEB, at(59)).len(), 4, "running replicas are not asked again");
}

#[test]
fn a_daemon_waits_for_room_and_is_the_first_to_get_it() {
    let run = Setup {
        group: "MinSize: 1, MaxSize: 1, attributes: { logs: none }",
        agent: "placementConstraints: [{ type: memberOf, expression: \"attribute:logs == all\" }]",
        web_count: 4,
        more: "timeline:
  - { at: 5m, putAttributes: { autoScalingGroup: nodes, count: 1, attributes: { logs: all } } }
  - { at: 10m, updateService: { service: web, desiredCount: 3 } }
  - { at: 11m, updateService: { service: web, desiredCount: 4 } }",
        ..Setup::default()
    }
    .run();
    assert_eq!(there(&run, WEB, at(4)), [0, 0, 0, 0]);
    let failures = said(&run, "service.task_placement_failure");
    let lacks = "The closest matching (container-instance i-00000) has insufficient CPU units available.";
    assert!(failures[0].starts_with("(service agent)") && failures[0].ends_with(lacks), "{failures:?}");
    let freed_at = of(&run, WEB).iter().filter_map(|it| it.stopping_at).min().expect("one was stopped");
    assert_eq!(of(&run, AGENT)[0].placed_at, Some(freed_at), "when the slot is free");
    assert_eq!(there(&run, WEB, at(59)), [0, 0, 0], "256 are left, and they are not enough for a fourth");
}

/// The paragraphs on the terminal, as one line.
fn told(run: &Run) -> String {
    paragraphs(&[vec![run]]).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What there is no room for is explained like other refusals: which instance lacks what, and what would make room.
#[test]
fn a_lack_of_room_is_explained() {
    let run = Setup {
        group: "MinSize: 3, MaxSize: 3, attributes: { logs: none }",
        agent: "placementConstraints: [{ type: memberOf, expression: \"attribute:logs == all\" }]",
        web_count: 10,
        web: "placementStrategy: [{ type: binpack, field: cpu }]",
        more: "timeline:
  - { at: 5m, putAttributes: { autoScalingGroup: nodes, count: 3, attributes: { logs: all } } }
  - { at: 30m, updateService: { service: web, desiredCount: 0 } }",
        ..Setup::default()
    }
    .run();
    assert_eq!(there(&run, AGENT, at(6)).len(), 1, "two of the three are full");
    let rows: Vec<_> =
        run.placement_refusals.iter().filter(|it| it.launcher == Launcher::Service(Id::new(AGENT))).collect();
    let row = rows[0];
    assert_eq!((row.tasks, row.refusal.instances(), row.outcome), (2, 2, RefusalOutcome::WaitsForRoom));
    let closest = row.refusal.closest.as_ref().expect("there are instances");
    let shortage = closest.shortage.expect("CPU is counted");
    assert_eq!((closest.reason, shortage.wanted, shortage.left, shortage.registered), (Reason::Cpu, 256, 0, 2048));
    assert!(
        (at(5)..at(6)).contains(&row.first_at)
            && (at(30)..at(31)).contains(&rows[rows.len() - 1].placed_at.expect("placed"))
    );
    let csv = report::files(&run).into_iter().find(|it| it.0 == "placement_refusals.csv").expect("a file").1;
    assert!(String::from_utf8(csv).expect("UTF-8").contains(",waits for room,,"));
    let told = told(&run);
    for words in [
        "2 tasks of service `agent` found no room on the instances that are to have them at first",
        "of 2 instances, by what each fails for first: CPU 2",
        "(256 CPU units short)",
        "ECS sets room aside for the tasks of DAEMON services, but moves no running task for them",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let waits = Setup { more: "", group: "MinSize: 1, MaxSize: 1", agent_cpu: 4096, ..Setup::default() }.run();
    assert!(waits.unplaced_at_end.contains(&Launcher::Service(Id::new(AGENT))));
    let told = self::told(&waits);
    assert!(
        told.contains("No m5.large of `nodes` could ever hold it: it has 2 048 CPU units, and 4 096 are wanted"),
        "{told}"
    );
    assert!(!self::told(&run).contains("left together"), "what other instances have is nothing to a DAEMON's task");
    // Of what no instance has at all there is no fragment either.
    let web = Setup { web_cpu: 4096, ..Setup::default() }.run();
    let told = self::told(&web);
    assert!(told.contains("4 096 are wanted") && !told.contains("fragmented"), "{told}");
}

#[test]
fn replicas_that_go_where_the_daemon_is_make_the_group_grow() {
    // As the developer guide has it, *Example task placement constraints*.
    let run = Setup {
        group: "MinSize: 0, MaxSize: 4",
        managed_scaling: MANAGED,
        web: "placementConstraints: [{ type: memberOf, expression: \"task:group == service:agent\" }]",
        ..Setup::default()
    }
    .run();
    assert_eq!(there(&run, WEB, at(30)).len(), 4);
    assert_eq!(there(&run, AGENT, at(10)), [0, 1]);
}

#[test]
fn a_daemon_may_follow_other_tasks() {
    let run = Setup {
        agent: "placementConstraints: [{ type: memberOf, expression: \"task:group == service:web\" }]",
        web_count: 2,
        web: "placementStrategy: [{ type: spread, field: instanceId }]",
        more: "timeline:
  - { at: 10m, updateService: { service: web, desiredCount: 4 } }
  - { at: 20m, updateService: { service: web, desiredCount: 0 } }",
        ..Setup::default()
    }
    .run();
    for (minute, count) in [(5, 2), (15, 4), (30, 0)] {
        assert_eq!(there(&run, AGENT, at(minute)), there(&run, WEB, at(minute)), "at {minute} minutes");
        assert_eq!(there(&run, AGENT, at(minute)).len(), count);
    }
}

#[test]
fn an_instance_whose_agent_is_away_keeps_its_task() {
    let run = Setup {
        agent: "deploymentConfiguration: { minimumHealthyPercent: 0 }",
        more: "timeline: [{ at: 5m, disconnectAgents: { autoScalingGroup: nodes, count: 1, for: 10m } }]",
        ..Setup::default()
    }
    .run();
    assert_eq!(of(&run, AGENT).len(), 4, "none is stopped, none started");
    assert!(run.service_minutes.iter().filter(|it| it.service == AGENT).all(|it| it.desired_count == 4));
}

#[test]
fn unhealthy_tasks_are_replaced_one_at_a_time_where_they_are() {
    let run = Setup {
        agent_container: "healthCheck: { command: [CMD-SHELL, \"true\"], interval: 10, timeout: 5, retries: 2 }",
        agent_application: "shutdownTime: 10s, unhealthyAfter: 20m",
        ..Setup::default()
    }
    .run();
    let failed: Vec<&TaskLife> = of(&run, AGENT)
        .into_iter()
        .filter(|it| it.stopped_reason.as_deref() == Some("Task failed container health checks"))
        .collect();
    let first: Vec<&TaskLife> = failed.iter().copied().filter(|it| it.running_at == Some(Instant::START)).collect();
    assert_eq!(first.len(), 4, "all fail at once");
    for (number, task) in first.iter().enumerate() {
        let next =
            of(&run, AGENT).into_iter().find(|it| it.instance == task.instance && it.placed_at >= task.stopped_at);
        let healthy_at = next.expect("one on the same instance").healthy_at.expect("it comes to be healthy");
        let others = first.iter().enumerate().filter(|(other, _)| *other != number).map(|(_, it)| it);
        let meanwhile = others.filter(|it| it.stopping_at >= task.stopping_at && it.stopping_at < Some(healthy_at));
        assert_eq!(meanwhile.count(), 0, "while the one of {:?} is replaced", task.instance);
    }
}
