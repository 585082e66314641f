//! What groups do with their instances: Spot interruptions, health, hooks, zones, refreshes, warm pools, schedules.

use plimsoll::rng::Seed;
use plimsoll::run::Run;

use crate::stories::run;

/// A group of m5.large in two zones; `fields` of the group and `more` of the scenario as the file has them.
fn group(size: u32, fields: &str, more: &str) -> String {
    format!(
        "duration: 2h
cluster: {{ availabilityZones: [us-east-1a, us-east-1b] }}
autoScalingGroups:
  nodes:
    InstanceType: m5.large
    MinSize: 0
    MaxSize: 40
    DesiredCapacity: {size}
    {fields}
{more}"
    )
}

/// The same of Spot Instances.
fn spot_group(size: u32, fields: &str, more: &str) -> String {
    let mixed = "MixedInstancesPolicy: { LaunchTemplate: { Overrides: [{ InstanceType: m5.large }] }, InstancesDistribution: { OnDemandPercentageAboveBaseCapacity: 0 } }";
    group(size, fields, more).replace("InstanceType: m5.large\n", &format!("{mixed}\n"))
}

/// A service of tasks that fill half an instance each.
const SERVICE: &str = "
capacityProviders:
  nodes: { autoScalingGroupProvider: { autoScalingGroupArn: nodes, managedScaling: { status: ENABLED } } }
taskDefinitions:
  worker: { containerDefinitions: [{ name: worker, image: worker, cpu: 1024, memory: 512 }] }
services:
  worker: { taskDefinition: worker, desiredCount: 4, capacityProviderStrategy: [{ capacityProvider: nodes }] }";

/// Seconds of events of a kind.
fn times(run: &Run, kind: &str) -> Vec<u64> {
    run.events.iter().filter(|it| it.kind == kind).map(|it| it.at.as_seconds() as u64).collect()
}

fn messages<'r>(run: &'r Run, kind: &str) -> Vec<&'r str> {
    run.events.iter().filter(|it| it.kind == kind).map(|it| it.message.as_str()).collect()
}

/// Seconds at which instances were terminated, in order.
fn terminated(run: &Run) -> Vec<u64> {
    let mut times: Vec<u64> =
        run.instances.iter().filter_map(|it| it.terminated_at).map(|it| it.as_seconds() as u64).collect();
    times.sort_unstable();
    times
}

/// Seconds at which instances were launched after the start, in order.
fn launched(run: &Run) -> Vec<u64> {
    let all = run.instances.iter().map(|it| it.launched_at.as_seconds() as u64);
    all.filter(|it| *it > 0).collect()
}

/// Lifecycle states that an instance came to, with the second.
fn states(run: &Run, instance: &str) -> Vec<(u64, &'static str)> {
    let rows = run.instance_changes.iter().filter(|it| it.instance == instance);
    let mut states: Vec<_> = rows.map(|it| (it.at.as_seconds() as u64, it.lifecycle_state)).collect();
    states.dedup_by_key(|it| it.1);
    states
}

/// Instances alive at the end in each of the two zones.
fn by_zone(run: &Run) -> [usize; 2] {
    ["us-east-1a", "us-east-1b"].map(|zone| {
        run.instances.iter().filter(|it| it.terminated_at.is_none() && it.availability_zone == zone).count()
    })
}

#[test]
fn a_spot_interruption_gives_two_minutes_and_the_group_replaces_it_after() {
    let more = "timeline: [{ at: 10m, interruptSpotInstances: { autoScalingGroup: nodes, count: 1 } }]";
    let run = run(&spot_group(4, "", more));
    assert_eq!(times(&run, "instance.spot_interruption_warning"), [600]);
    assert_eq!(terminated(&run), [720]);
    assert_eq!(launched(&run), [780], "at the next check after it is gone");
    // Interrupted by EC2 in its first hour, it costs nothing; nor does the new one until it is running.
    let hours = 3.0 * 2.0 + (7200.0 - 815.0) / 3600.0;
    assert!((run.cost.instances_usd - hours * 0.096 * 0.35).abs() < 1e-9, "{}", run.cost.instances_usd);
}

#[test]
fn agents_drain_at_the_notice_only_where_they_are_told_to() {
    let more = format!("{SERVICE}\ntimeline: [{{ at: 10m, interruptSpotInstances: {{ autoScalingGroup: nodes }} }}]");
    let drained = run(&spot_group(4, "spotInstanceDraining: true", &more));
    assert!(drained.instance_changes.iter().any(|it| it.status == "DRAINING" && it.at.as_seconds() as u64 == 600));
    let lost = |run: &Run| run.tasks.iter().filter(|it| it.stop_code == Some("InfrastructureHealth")).count();
    assert_eq!(lost(&drained), 0, "tasks without a load balancer are replaced within the two minutes");
    let kept = run(&spot_group(4, "", &more));
    assert!(!kept.instance_changes.iter().any(|it| it.status == "DRAINING" && it.at.as_seconds() as u64 == 600));
    assert!(lost(&kept) > 0);
}

#[test]
fn capacity_rebalancing_launches_before_it_terminates() {
    let more = "assumptions: { rebalanceRecommendationLead: 5m }
timeline: [{ at: 10m, interruptSpotInstances: { autoScalingGroup: nodes, count: 2 } }]";
    let run = run(&spot_group(4, "CapacityRebalance: true", more));
    assert_eq!(times(&run, "instance.rebalance_recommendation"), [600, 600]);
    assert_eq!(launched(&run), [600, 600]);
    assert_eq!(terminated(&run), [635, 635], "when the new ones are in service");
    assert!(times(&run, "instance.spot_interruption").is_empty());
    let words = messages(&run, "group.instance_terminating");
    let reason = "An instance was taken out of service in response to an EC2 instance rebalance recommendation.";
    assert!(words[0].ends_with(reason), "{words:?}");
    // Its group has terminated it, not EC2: what it ran is paid.
    let hours = 2.0 * 2.0 + 2.0 * 635.0 / 3600.0 + 2.0 * (7200.0 - 635.0) / 3600.0;
    assert!((run.cost.instances_usd - hours * 0.096 * 0.35).abs() < 1e-9, "{}", run.cost.instances_usd);
}

#[test]
fn rebalancing_goes_a_tenth_beyond_the_most() {
    let more = "assumptions: { rebalanceRecommendationLead: 30m }
timeline: [{ at: 10m, interruptSpotInstances: { autoScalingGroup: nodes, share: 1.0 } }]";
    let run = run(&spot_group(20, "CapacityRebalance: true", more).replace("MaxSize: 40", "MaxSize: 20"));
    let launched = launched(&run);
    assert_eq!(launched.len(), 20);
    assert!(launched.chunks(2).all(|it| it[0] == it[1]) && launched[2] == 635, "two at a time: {launched:?}");
}

#[test]
fn a_pool_that_shrinks_takes_its_instances_back() {
    let more = "timeline: [{ at: 10m, updateCapacityPool: { instanceType: m5.large, purchaseOption: spot, availabilityZones: [us-east-1a], available: 1 } }]";
    let run = run(&spot_group(6, "", more));
    assert_eq!(terminated(&run), [720, 720]);
    assert_eq!(by_zone(&run), [1, 5]);
    let dear = "timeline: [{ at: 10m, updateCapacityPool: { instanceType: m5.large, purchaseOption: spot, availabilityZones: [us-east-1a], usdPerHour: 0.2 } }]";
    assert_eq!(self::run(&spot_group(6, "", dear)).instances.iter().filter(|it| it.terminated_at.is_some()).count(), 3);
}

#[test]
fn interruptions_come_at_the_rate_that_is_assumed() {
    let more = "assumptions: { spotInterruptionsPerHour: 2 }";
    let run = run(&spot_group(30, "", more).replace("duration: 2h", "duration: 20h"));
    let count = times(&run, "instance.rebalance_recommendation").len() as f64;
    // A Poisson process over the hours of instances that are not about to go: its standard deviation is the root of its mean.
    let expected = 2.0 * run.instance_hours / (1.0 + 2.0 * 120.0 / 3600.0);
    assert!((count - expected).abs() < 4.0 * expected.sqrt(), "{count} of {expected}");
}

#[test]
fn w21_the_unhealthy_are_replaced_a_tenth_at_a_time() {
    let impair = |size| {
        let more = "timeline: [{ at: 10m, impairInstances: { autoScalingGroup: nodes, count: 4 } }]";
        run(&group(size, "", more))
    };
    // Found at 780: three minutes after the status checks began to fail; the next ones when those are in service.
    let thirty = impair(30);
    assert_eq!(terminated(&thirty), [780, 780, 780, 840]);
    assert_eq!(launched(&thirty), [780, 780, 780, 840]);
    assert_eq!(terminated(&impair(6)), [780, 840, 900, 960]);
    let words = messages(&thirty, "group.instance_terminating");
    assert!(words[0].ends_with("in response to an EC2 instance status checks failure."), "{words:?}");
}

#[test]
fn an_instance_maintenance_policy_can_launch_first() {
    let fields = "InstanceMaintenancePolicy: { MinHealthyPercentage: 100, MaxHealthyPercentage: 150 }";
    let more = "timeline: [{ at: 10m, impairInstances: { autoScalingGroup: nodes, count: 2 } }]";
    let run = run(&group(4, fields, more));
    assert_eq!((launched(&run), terminated(&run)), (vec![780, 780], vec![815, 815]));
}

#[test]
fn health_checks_of_the_load_balancer_count_after_the_grace_period() {
    let balanced = |fields: &str| {
        let more = "loadBalancers: { front: { Type: application } }
targetGroups: { web: { loadBalancer: front, TargetType: instance, HealthCheckIntervalSeconds: 10, UnhealthyThresholdCount: 2 } }
taskDefinitions:
  web: { networkMode: bridge, containerDefinitions: [{ name: web, image: web, cpu: 2048, memory: 512, portMappings: [{ containerPort: 80, hostPort: 0 }] }] }
services:
  web: { taskDefinition: web, desiredCount: 4, launchType: EC2, loadBalancers: [{ targetGroupArn: web, containerName: web, containerPort: 80 }] }
assumptions: { impairedInstanceWait: 2h }
timeline: [{ at: 10m, impairInstances: { autoScalingGroup: nodes, count: 1 } }]";
        run(&group(4, fields, more))
    };
    let with = balanced("HealthCheckType: ELB\n    TargetGroupARNs: [web]\n    HealthCheckGracePeriod: 300");
    assert_eq!(terminated(&with), [660]);
    let words = messages(&with, "group.instance_terminating");
    assert!(words[0].ends_with("in response to an ELB system health check failure."), "{words:?}");
    assert!(terminated(&balanced("")).is_empty(), "EC2 says nothing for two hours");
    let in_grace = balanced("HealthCheckType: ELB\n    TargetGroupARNs: [web]\n    HealthCheckGracePeriod: 1000");
    assert!(terminated(&in_grace).first().is_none_or(|it| *it >= 1000), "{:?}", terminated(&in_grace));
}

#[test]
fn a_launch_hook_holds_an_instance_in_pending_wait() {
    let hook = |fields: &str| {
        let hooks = format!(
            "LifecycleHookSpecificationList: [{{ LifecycleHookName: prepare, LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING', {fields} }}]"
        );
        let more = "timeline: [{ at: 10m, updateAutoScalingGroup: { autoScalingGroup: nodes, DesiredCapacity: 2 } }]";
        run(&group(1, &hooks, more))
    };
    let waits = hook("HeartbeatTimeout: 120, completes: 90s");
    assert_eq!(states(&waits, "i-00001"), [(610, "Pending"), (645, "Pending:Wait"), (735, "InService")]);
    let late = hook("HeartbeatTimeout: 60, DefaultResult: CONTINUE, completes: 90s");
    assert_eq!(states(&late, "i-00001")[2], (705, "InService"));
    let fails = hook("HeartbeatTimeout: 60, completes: 90s");
    assert_eq!(states(&fails, "i-00001")[2], (705, "Terminated"));
    assert_eq!(launched(&fails)[..3], [610, 715, 820], "the launch is tried again");
    let words = messages(&fails, "group.lifecycle_action_abandoned");
    let expected = "Launching a new EC2 instance: i-00001. Instance failed to complete user's Lifecycle Action: Lifecycle Action of hook prepare: Heartbeat Timeout";
    assert_eq!(words[0], expected);
    let heard = hook("HeartbeatTimeout: 60, completes: 90s, recordsHeartbeats: true");
    assert_eq!(states(&heard, "i-00001")[2], (735, "InService"));
}

#[test]
fn a_termination_hook_ends_in_termination_either_way() {
    let hook = |result| {
        let hooks = format!(
            "LifecycleHookSpecificationList: [{{ LifecycleHookName: save, LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING', completes: 60s, result: {result} }}]"
        );
        let more = "timeline: [{ at: 10m, updateAutoScalingGroup: { autoScalingGroup: nodes, DesiredCapacity: 1 } }]";
        let run = run(&group(2, &hooks, more));
        assert!(run.instance_changes.iter().any(|it| it.lifecycle_state == "Terminating:Wait"));
        terminated(&run)
    };
    assert_eq!([hook("CONTINUE"), hook("ABANDON")], [[670], [670]]);
}

#[test]
fn a_zone_that_fails_is_left_and_comes_back() {
    let more = "timeline: [{ at: 10m, availabilityZoneOutage: { availabilityZone: us-east-1a, for: 20m } }]";
    let best_effort = run(&group(4, "", more));
    assert_eq!(terminated(&best_effort)[..2], [600, 600]);
    assert_eq!(launched(&best_effort)[..2], [660, 660], "in the other zone");
    // When the zone is back instances move there one after the other, launched first.
    assert_eq!(launched(&best_effort)[2..], [1800, 1860]);
    assert_eq!(terminated(&best_effort)[2..], [1835, 1895]);
    assert_eq!(by_zone(&best_effort), [2, 2]);
    let only = "AvailabilityZoneDistribution: { CapacityDistributionStrategy: balanced-only }";
    let balanced_only = run(&group(4, only, more));
    assert!(launched(&balanced_only).iter().all(|it| *it >= 1800), "{:?}", launched(&balanced_only));
    assert_eq!(by_zone(&balanced_only), [2, 2]);
    let suspended = run(&group(4, "SuspendedProcesses: [AZRebalance]", more));
    assert_eq!(by_zone(&suspended), [0, 4]);
}

#[test]
fn a_zone_takes_its_tasks_on_fargate_along() {
    let run = run("duration: 1h
cluster: { availabilityZones: [us-east-1a, us-east-1b] }
taskDefinitions:
  web: { networkMode: awsvpc, cpu: 256, memory: 512, requiresCompatibilities: [FARGATE], containerDefinitions: [{ name: web, image: web }] }
services:
  web: { taskDefinition: web, desiredCount: 4, launchType: FARGATE, networkConfiguration: { awsvpcConfiguration: {} } }
timeline: [{ at: 10m, availabilityZoneOutage: { availabilityZone: us-east-1a } }]");
    let zones = |is_meant: &dyn Fn(bool) -> bool| {
        let meant = run.tasks.iter().filter(|it| is_meant(it.stopped_at.is_none()));
        meant.map(|it| it.availability_zone.as_deref().unwrap_or("").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(zones(&|runs| runs), ["us-east-1b"; 4]);
    assert_eq!(zones(&|runs| !runs), ["us-east-1a"; 2]);
    let lost: Vec<_> = run.tasks.iter().filter_map(|it| it.stopped_at).map(|it| it.as_seconds() as u64).collect();
    assert_eq!(lost, [630, 630], "when ECS notices");
}

#[test]
fn instances_go_when_they_are_as_old_as_they_may_be() {
    let text = group(3, "MaxInstanceLifetime: 86400", "").replace("duration: 2h", "duration: 25h");
    let run = run(&text);
    assert_eq!(terminated(&run), [86_400, 86_460, 86_520], "a tenth at a time, one at least");
}

const REFRESHED: &str = "{ at: 10m, updateAutoScalingGroup: { autoScalingGroup: nodes, LaunchTemplate: { Version: 2 }, attributes: { ecs.ami-id: ami-2 } } }";

#[test]
fn an_instance_refresh_replaces_what_min_and_max_healthy_percentage_allow() {
    let refresh = |size, preferences: &str| {
        let more = format!(
            "timeline: [{REFRESHED}, {{ at: 20m, startInstanceRefresh: {{ autoScalingGroup: nodes, Preferences: {{ {preferences} }} }} }}]"
        );
        run(&group(size, "", &more))
    };
    let half = refresh(4, "MinHealthyPercentage: 50");
    assert_eq!(terminated(&half), [1200, 1200, 1235, 1235]);
    assert!(
        messages(&half, "group.instance_refresh")[1].contains("Successful, 4 of 4"),
        "{:?}",
        messages(&half, "group.instance_refresh")
    );
    let warm = refresh(4, "MinHealthyPercentage: 50, InstanceWarmup: 100");
    assert_eq!(terminated(&warm), [1200, 1200, 1335, 1335]);
    let first = refresh(4, "MinHealthyPercentage: 100, MaxHealthyPercentage: 125");
    assert_eq!(launched(&first), [1200, 1235, 1270, 1305]);
    assert_eq!(terminated(&first), [1235, 1270, 1305, 1340]);
    let checked = refresh(4, "MinHealthyPercentage: 50, CheckpointPercentages: [50, 100], CheckpointDelay: 600");
    assert_eq!(terminated(&checked), [1200, 1200, 1835, 1835]);
}

#[test]
fn a_refresh_can_skip_instances_of_the_present_version() {
    let more = format!(
        "timeline: [{REFRESHED},
  {{ at: 12m, updateAutoScalingGroup: {{ autoScalingGroup: nodes, DesiredCapacity: 6 }} }},
  {{ at: 20m, startInstanceRefresh: {{ autoScalingGroup: nodes, Preferences: {{ MinHealthyPercentage: 0, SkipMatching: true }} }} }}]"
    );
    let run = run(&group(4, "", &more));
    assert_eq!(terminated(&run), [1200; 4]);
    assert_eq!(
        messages(&run, "group.instance_refresh")[0],
        "StartInstanceRefresh: 4 of 6 instances are to be replaced, MinHealthyPercentage 0, MaxHealthyPercentage 100"
    );
}

/// *Undo changes with a rollback*: an alarm makes a refresh fail; with `AutoRollback` what was replaced is replaced again.
#[test]
fn an_alarm_makes_a_refresh_fail_and_rolls_it_back() {
    let refresh = |preferences: &str, more: &str| {
        let alarm = "metrics: { errors: { delay: 0s, steps: [{ at: 0s, value: 0 }, { at: 21m, value: 9 }, { at: 30m, value: 0 }] } }
alarms: { errors: { Namespace: Custom, MetricName: errors, EvaluationPeriods: 1, Threshold: 5, ComparisonOperator: GreaterThanThreshold } }
assumptions: { alarmPhase: 6s }";
        let more = format!(
            "{alarm}
timeline:
  - {{ at: 20m, startInstanceRefresh: {{ autoScalingGroup: nodes, DesiredConfiguration: {{ LaunchTemplate: {{ Version: 2 }}, attributes: {{ ecs.ami-id: ami-2 }} }}, Preferences: {{ MinHealthyPercentage: 75, InstanceWarmup: 100{preferences} }} }} }}
  {more}
  - {{ at: 40m, updateAutoScalingGroup: {{ autoScalingGroup: nodes, DesiredCapacity: 5 }} }}"
        );
        run(&group(4, "", &more))
    };
    let told = |run: &Run| {
        let events = run.events.iter().filter(|it| it.kind == "group.instance_refresh");
        let words = events.map(|it| (it.at.as_seconds() as u64, it.message.clone())).skip(1);
        words.collect::<Vec<_>>()
    };
    // One is replaced each 135 s: at 1200, and the next at 1335, if the alarm does not come at 1326.
    let unwatched = refresh("", "");
    assert_eq!(terminated(&unwatched), [1200, 1335, 1470, 1605]);
    let watched = refresh(", AlarmSpecification: { Alarms: [errors] }", "");
    assert_eq!(terminated(&watched), [1200], "what was replaced stays");
    assert_eq!(told(&watched), [(1326, "instance refresh: Failed, alarm errors is in ALARM".to_owned())]);
    let rolled_back = refresh(", AutoRollback: true, AlarmSpecification: { Alarms: [errors] }", "");
    assert_eq!(terminated(&rolled_back)[..2], [1200, 1335], "the new one goes when it is warm, as others do");
    assert_eq!(
        told(&rolled_back),
        [
            (
                1326,
                "instance refresh: RollbackInProgress, alarm errors is in ALARM; 1 instance is to be replaced"
                    .to_owned()
            ),
            (1470, "instance refresh: RollbackSuccessful, 1 of 1 instance was replaced".to_owned()),
        ]
    );
    let cancelled = refresh("", "- { at: 22m, cancelInstanceRefresh: { autoScalingGroup: nodes } }");
    assert_eq!(told(&cancelled), [(1320, "instance refresh: Cancelled, 1 of 4 instances were replaced".to_owned())]);
    // Long after the last replacement, and before the refresh has baked.
    let baked = run(&group(
        4,
        "",
        "metrics: { errors: { delay: 0s, steps: [{ at: 0s, value: 0 }, { at: 40m, value: 9 }] } }
alarms: { errors: { Namespace: Custom, MetricName: errors, EvaluationPeriods: 1, Threshold: 5, ComparisonOperator: GreaterThanThreshold } }
assumptions: { alarmPhase: 6s }
timeline: [{ at: 20m, startInstanceRefresh: { autoScalingGroup: nodes, DesiredConfiguration: { LaunchTemplate: { Version: 2 } }, Preferences: { MinHealthyPercentage: 0, BakeTime: 1800, AutoRollback: true, AlarmSpecification: { Alarms: [errors] } } } }]",
    ));
    assert_eq!(terminated(&baked), [[1200; 4], [2466; 4]].concat(), "all of them, and all of the new ones");
    assert_eq!(told(&baked).last().map(|it| it.0), Some(2501));
    let by_hand = refresh("", "- { at: 22m, rollbackInstanceRefresh: { autoScalingGroup: nodes } }");
    assert!(told(&by_hand)[0].1.contains("RollbackInProgress, RollbackInstanceRefresh"), "{:?}", told(&by_hand));
    assert!(told(&by_hand)[1].1.contains("RollbackSuccessful"), "{:?}", told(&by_hand));
}

#[test]
fn scale_in_takes_past_launch_templates_first() {
    let more = format!(
        "timeline: [{REFRESHED},
  {{ at: 12m, updateAutoScalingGroup: {{ autoScalingGroup: nodes, DesiredCapacity: 4 }} }},
  {{ at: 20m, updateAutoScalingGroup: {{ autoScalingGroup: nodes, DesiredCapacity: 2 }} }}]"
    );
    for policies in ["[Default]", "[OldestLaunchTemplate, NewestInstance]"] {
        let run = run(&group(2, &format!("TerminationPolicies: {policies}"), &more));
        assert!(run.instances.iter().take(2).all(|it| it.terminated_at.is_some()), "{policies}");
    }
}

#[test]
fn a_refresh_drains_what_it_replaces() {
    let more = format!(
        "{SERVICE}\ntimeline: [{{ at: 10m, startInstanceRefresh: {{ autoScalingGroup: nodes, Preferences: {{ MinHealthyPercentage: 100, MaxHealthyPercentage: 150 }} }} }}]"
    );
    let run = run(&group(4, "", &more));
    assert!(run.tasks.iter().all(|it| it.stop_code != Some("InfrastructureHealth")), "no task is lost");
    assert_eq!(run.instances.iter().take(4).filter(|it| it.terminated_at.is_none()).count(), 0);
    assert!(run.service_minutes.iter().all(|it| it.running_count >= 4));
}

#[test]
fn w15_a_warm_pool_costs_nothing_while_stopped_and_starts_soon() {
    let more = "timeline: [{ at: 10m, updateAutoScalingGroup: { autoScalingGroup: nodes, DesiredCapacity: 8 } }]";
    let text = group(6, "WarmPoolConfiguration: {}", more).replace("MaxSize: 40", "MaxSize: 10");
    let run = run(&text);
    assert_eq!(run.instances.len(), 10, "desired 6, max 10: four in the pool; two of them are left at 8");
    let warmed: Vec<_> = (6..10).map(|it| states(&run, &format!("i-{it:05}"))).collect();
    assert!(warmed.iter().all(|it| it.contains(&(0, "Warmed:Stopped"))), "{warmed:?}");
    let started = warmed.iter().filter(|it| it.ends_with(&[(610, "Pending"), (635, "InService")]));
    assert_eq!(started.count(), 2, "{warmed:?}");
    assert_eq!(messages(&run, "group.instance_launching").len(), 2);
    let billed = 6.0 * 2.0 + 2.0 * (7200.0 - 635.0) / 3600.0;
    assert!((run.cost.instances_usd - billed * 0.096).abs() < 1e-9, "{}", run.cost.instances_usd);
    let hours = 6.0 * 2.0 + 2.0 * (7200.0 - 610.0) / 3600.0;
    assert!((run.instance_hours - hours).abs() < 1e-9, "{}", run.instance_hours);
}

#[test]
fn a_warm_pool_is_filled_again_after_scale_in() {
    let more = "timeline:
  - { at: 10m, updateAutoScalingGroup: { autoScalingGroup: nodes, DesiredCapacity: 4 } }
  - { at: 30m, updateAutoScalingGroup: { autoScalingGroup: nodes, DesiredCapacity: 2 } }";
    let pool = "WarmPoolConfiguration: { MaxGroupPreparedCapacity: 5, MinSize: 1 }";
    let run = run(&group(2, pool, more));
    // Two of three come in service; the pool keeps one. When two go, two are launched for it, stopped after 35 s.
    assert_eq!(launched(&run), [1800, 1800]);
    assert_eq!(states(&run, "i-00005"), [(1800, "Pending"), (1800, "Warmed:Pending"), (1835, "Warmed:Stopped")]);
    assert_eq!(terminated(&run), [1810, 1810]);
}

#[test]
fn suspended_processes_do_nothing() {
    let more = "timeline:
  - { at: 10m, suspendProcesses: { autoScalingGroup: nodes, ScalingProcesses: [Launch, Terminate] } }
  - { at: 11m, updateAutoScalingGroup: { autoScalingGroup: nodes, DesiredCapacity: 6 } }
  - { at: 20m, resumeProcesses: { autoScalingGroup: nodes, ScalingProcesses: [Launch] } }
  - { at: 30m, updateAutoScalingGroup: { autoScalingGroup: nodes, DesiredCapacity: 2 } }
  - { at: 40m, resumeProcesses: { autoScalingGroup: nodes } }";
    let run = run(&group(4, "", more));
    assert_eq!(launched(&run), [1200, 1200]);
    assert_eq!(terminated(&run), [2400; 4]);
    assert_eq!(messages(&run, "group.process_suspended").len(), 2);
}

#[test]
fn alarms_of_managed_scaling_wait_for_the_process_that_hears_them() {
    let more = format!(
        "{SERVICE}\ntimeline: [{{ at: 5m, updateService: {{ service: worker, desiredCount: 12 }} }}, {{ at: 20m, resumeProcesses: {{ autoScalingGroup: nodes }} }}]"
    );
    let run = run(&group(2, "SuspendedProcesses: [{ ProcessName: AlarmNotification }]", &more));
    assert!(launched(&run).iter().all(|it| *it >= 1200), "{:?}", launched(&run));
    assert!(!launched(&run).is_empty());
}

#[test]
fn scheduled_actions_of_a_group_set_its_sizes() {
    let more = "start: '2026-01-05T07:30:00Z'
groupScheduledActions:
  morning: { AutoScalingGroupName: nodes, Recurrence: '0 8 * * 1-5', DesiredCapacity: 5, MinSize: 5 }
  once: { AutoScalingGroupName: nodes, StartTime: '2026-01-05T09:00:00Z', MaxSize: 3, MinSize: 1 }";
    let run = run(&group(2, "", more));
    assert_eq!(launched(&run), [1815; 3], "5 s of delay, then the group's 10 s");
    assert_eq!(terminated(&run), [5415; 2]);
}

#[test]
fn protection_and_standby_by_hand() {
    let more = "timeline:
  - { at: 10m, setInstanceProtection: { autoScalingGroup: nodes, count: 4, ProtectedFromScaleIn: true } }
  - { at: 20m, updateAutoScalingGroup: { autoScalingGroup: nodes, DesiredCapacity: 2 } }
  - { at: 30m, setInstanceProtection: { autoScalingGroup: nodes, count: 4, ProtectedFromScaleIn: false } }
  - { at: 40m, enterStandby: { autoScalingGroup: nodes, count: 1, ShouldDecrementDesiredCapacity: true } }
  - { at: 50m, exitStandby: { autoScalingGroup: nodes, count: 1 } }
  - { at: 60m, enterStandby: { autoScalingGroup: nodes, count: 1, ShouldDecrementDesiredCapacity: false } }";
    let run = run(&group(4, "", more));
    assert_eq!(terminated(&run), [1810, 1810], "above its desired capacity until the protection was removed");
    assert_eq!(launched(&run), [3610], "only where the desired capacity stays");
}

/// A random hour of a group: what may happen to it, in the order of time.
fn random_changes(draw: &mut dyn FnMut(usize) -> usize) -> String {
    let mut changes = String::from("timeline:\n");
    for minute in (5..65).step_by(5) {
        let (count, size) = (1 + draw(3), 2 + draw(9));
        let change = match draw(8) {
            0 => format!("interruptSpotInstances: {{ autoScalingGroup: nodes, count: {count} }}"),
            1 => format!("impairInstances: {{ autoScalingGroup: nodes, count: {count} }}"),
            2 => format!("terminateInstances: {{ autoScalingGroup: nodes, count: {count} }}"),
            3 => "availabilityZoneOutage: { availabilityZone: us-east-1a, for: 7m }".to_owned(),
            4 => format!(
                "startInstanceRefresh: {{ autoScalingGroup: nodes, Preferences: {{ MinHealthyPercentage: 50, MaxHealthyPercentage: {} }} }}",
                100 + 25 * draw(3)
            ),
            5 => "suspendProcesses: { autoScalingGroup: nodes }".to_owned(),
            6 => "resumeProcesses: { autoScalingGroup: nodes }".to_owned(),
            _ => format!("updateAutoScalingGroup: {{ autoScalingGroup: nodes, DesiredCapacity: {size} }}"),
        };
        changes += &format!("  - {{ at: {minute}m, {change} }}\n");
    }
    changes + "  - { at: 65m, resumeProcesses: { autoScalingGroup: nodes } }\n"
}

#[test]
fn whatever_happened_a_group_comes_to_rest_at_its_desired_capacity() {
    let hooks = "LifecycleHookSpecificationList: [{ LifecycleHookName: prepare, LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING', completes: { exponential: { mean: 40s } }, HeartbeatTimeout: 120 }, { LifecycleHookName: save, LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING', completes: 50s }]";
    let kinds = [
        "",
        "CapacityRebalance: true\n    spotInstanceDraining: true",
        "InstanceMaintenancePolicy: { MinHealthyPercentage: 100, MaxHealthyPercentage: 120 }\n    DefaultInstanceWarmup: 30",
        hooks,
    ];
    for case in 0..60 {
        let mut stream = Seed { seed: case, replication: 0 }.stream("changes", "test");
        let changes = random_changes(&mut |n| stream.below(n));
        let kind = kinds[case as usize % kinds.len()];
        let text = match case % 3 {
            0 => group(4, &format!("{kind}\n    WarmPoolConfiguration: {{ MaxGroupPreparedCapacity: 8 }}"), &changes)
                .replace("interruptSpotInstances", "terminateInstances"),
            1 => spot_group(4, kind, &changes),
            _ => spot_group(4, kind, &format!("{SERVICE}\n{changes}")),
        };
        let run = run(&text.replace("MinSize: 0", "MinSize: 2"));
        let last = run.capacity_minutes.last().expect("a group is recorded");
        assert_eq!((last.in_service, last.draining), (last.desired_capacity, 0), "case {case}:\n{text}");
        let in_service = |zone: &str| {
            let alive = run.instances.iter().filter(|it| it.terminated_at.is_none() && it.availability_zone == zone);
            alive.filter(|it| states(&run, &it.name).last().is_some_and(|it| it.1 == "InService")).count()
        };
        let [a, b] = ["us-east-1a", "us-east-1b"].map(in_service);
        assert!(a.abs_diff(b) <= 1 && a + b == last.desired_capacity as usize, "case {case}: {a} and {b}\n{text}");
        assert!(run.events.len() < 3_000, "case {case}: {} events", run.events.len());
        assert!(run.tasks.iter().filter(|it| it.stopped_at.is_none()).count() <= 8, "case {case}");
    }
}

/// An instance refresh of four instances; what it said, with seconds.
fn refreshed(fields: &str, preferences: &str, more: &str) -> (Run, Vec<(u64, String)>) {
    let text = format!(
        "{more}
timeline:
  - {{ at: 9m, updateCapacityPool: {{ InstanceType: m5.large, available: 4 }} }}
  - {{ at: 10m, startInstanceRefresh: {{ autoScalingGroup: nodes, DesiredConfiguration: {{ LaunchTemplate: {{ Version: 2 }} }}, Preferences: {{ {preferences} }} }} }}"
    );
    let run = run(&group(4, fields, &text).replace("duration: 2h", "duration: 4h"));
    let events = run.events.iter().filter(|it| it.kind == "group.instance_refresh");
    let told = events.map(|it| (it.at.as_seconds() as u64, it.message.clone())).collect();
    (run, told)
}

/// *Replacing Auto Scaling instances based on an instance refresh*: it waits up to an hour for its new instances.
#[test]
fn a_refresh_whose_instances_never_come_in_service_fails_after_an_hour() {
    let hook = "LifecycleHookSpecificationList: [{ LifecycleHookName: prepare, LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING', completes: 10s, result: ABANDON }]";
    let (run, told) = refreshed(hook, "InstanceWarmup: 60", "");
    assert_eq!(terminated(&run)[0], 600, "one old instance goes, and no other after it");
    assert!(run.instances.iter().take(4).filter(|it| it.terminated_at.is_some()).count() == 1);
    assert_eq!(told.len(), 2, "{told:?}");
    let (at, words) = &told[1];
    assert!((4260..4320).contains(at), "an hour, and the warmup: {at}");
    assert!(words.starts_with("instance refresh: Failed, 0 of 1 new instances are in service and healthy"), "{words}");
    let (_, told) = refreshed(hook, "InstanceWarmup: 60, AutoRollback: true", "");
    assert!(told[1].1.contains("RollbackInProgress, 0 of 1 new instances"), "{told:?}");
    assert!(told[2].1.contains("RollbackFailed"), "the hook abandons those of the old version as well: {told:?}");
    let (_, told) = refreshed("", "InstanceWarmup: 60", "");
    assert!(told.last().is_some_and(|it| it.1.contains("Successful, 4 of 4")), "{told:?}");
}

/// New instances that are found unhealthy before they are warm are replaced again and again, and the refresh goes no further.
#[test]
fn a_refresh_whose_instances_stay_unhealthy_fails_after_an_hour() {
    let impaired =
        (11..80).map(|it| format!("\n  - {{ at: {it}m, impairInstances: {{ autoScalingGroup: nodes, count: 9 }} }}"));
    let text = format!(
        "timeline:
  - {{ at: 10m, startInstanceRefresh: {{ autoScalingGroup: nodes, Preferences: {{ MinHealthyPercentage: 0, InstanceWarmup: 300 }} }} }}{}",
        impaired.collect::<String>()
    );
    let run = run(&group(4, "", &text));
    let told = messages(&run, "group.instance_refresh");
    assert!(told[1].contains("Failed, 0 of 4 new instances are in service and healthy"), "{told:?}");
    let failed = times(&run, "group.instance_refresh")[1];
    assert!((600 + 3600 + 300..=600 + 3600 + 360).contains(&failed), "{failed}");
    assert!(terminated(&run).len() > 8, "{:?}", terminated(&run));
}

#[test]
fn a_refresh_watches_composite_alarms_too() {
    let alarms = "metrics: { errors: { delay: 0s, steps: [{ at: 0s, value: 0 }, { at: 12m, value: 9 }] } }
alarms: { errors: { Namespace: Custom, MetricName: errors, EvaluationPeriods: 1, Threshold: 5, ComparisonOperator: GreaterThanThreshold } }
compositeAlarms: { bad: { AlarmRule: 'ALARM(errors)' } }
assumptions: { alarmPhase: 6s }";
    let (run, told) = refreshed("", "InstanceWarmup: 100, AlarmSpecification: { Alarms: [bad] }", alarms);
    assert_eq!(told[1], (786, "instance refresh: Failed, alarm bad is in ALARM".to_owned()));
    assert_eq!(terminated(&run), [600, 735], "135 s each");
}

/// The types of instances in the order of their launch, of those that are there at the end.
fn types_at_end(run: &Run) -> Vec<&str> {
    let lives = run.instances.iter().filter(|it| it.terminated_at.is_none());
    let kind = |name: &str| {
        let change = run.instance_changes.iter().find(|it| it.instance == name);
        change.map_or("", |it| it.instance_type.as_str())
    };
    lives.map(|it| kind(&it.name)).collect()
}

#[test]
fn a_new_launch_template_can_have_another_instance_type() {
    let grown = "{ at: 10m, updateAutoScalingGroup: { autoScalingGroup: nodes, LaunchTemplate: { Version: 2 }, InstanceType: c5.large, DesiredCapacity: 4 } }";
    let of = |more: &str| run(&group(2, "", &format!("timeline: [{grown}{more}]")));
    let kept = of("");
    assert_eq!(types_at_end(&kept), ["m5.large", "m5.large", "c5.large", "c5.large"], "old ones stay");
    let said = messages(&kept, "group.launch_template");
    assert_eq!(said, ["UpdateAutoScalingGroup: launch template version 2, c5.large"]);
    let price =
        |name: &str| kept.instance_changes.iter().find(|it| it.instance == name).expect("launched").usd_per_hour;
    assert_eq!((price("i-00001"), price("i-00002")), (0.096, 0.085));
    let lost = of(", { at: 20m, terminateInstances: { autoScalingGroup: nodes, count: 1 } }");
    assert_eq!(types_at_end(&lost), ["m5.large", "c5.large", "c5.large", "c5.large"]);
    let refresh = ", { at: 20m, startInstanceRefresh: { autoScalingGroup: nodes, Preferences: { MinHealthyPercentage: 50, SkipMatching: true } } }";
    assert_eq!(types_at_end(&of(refresh)), ["c5.large"; 4]);
    let brought = "startInstanceRefresh: { autoScalingGroup: nodes, DesiredConfiguration: { LaunchTemplate: { Version: 3 }, InstanceType: r5.large }, Preferences: { MinHealthyPercentage: 50, InstanceWarmup: 300 } }";
    let brought = format!(", {{ at: 20m, {brought} }}");
    assert_eq!(types_at_end(&of(&brought)), ["r5.large"; 4]);
    let back = of(&format!("{brought}, {{ at: 22m, rollbackInstanceRefresh: {{ autoScalingGroup: nodes }} }}"));
    assert!(types_at_end(&back).iter().all(|it| *it == "c5.large" || *it == "m5.large"), "{:?}", types_at_end(&back));
    assert!(back.instance_changes.iter().any(|it| it.instance_type == "r5.large"));
    // Managed scaling reckons with the present type: two of these tasks fill a c5.xlarge, and no m5.large holds one.
    let managed = "capacityProviders:
  nodes: { autoScalingGroupProvider: { autoScalingGroupArn: nodes, managedScaling: { status: ENABLED } } }
taskDefinitions:
  large: { containerDefinitions: [{ name: large, image: large, cpu: 2048, memory: 3072 }] }
services:
  large: { taskDefinition: large, desiredCount: 0, capacityProviderStrategy: [{ capacityProvider: nodes }] }
timeline:
  - { at: 5m, updateService: { service: large, desiredCount: 4 } }
  - { at: 5m, updateAutoScalingGroup: { autoScalingGroup: nodes, LaunchTemplate: { Version: 2 }, InstanceType: c5.xlarge } }";
    let managed = run(&group(0, "", managed));
    let most = managed.capacity_minutes.iter().map(|it| it.desired_capacity).max();
    assert_eq!(most, Some(2), "four tasks on two of 4 vCPUs");
    assert_eq!(types_at_end(&managed), ["c5.xlarge"; 2]);
}

/// Suspicion settled: what is pending cannot be taken when a scale-in is asked for, and goes when it is in service.
/// What EC2 has of a type can be said where only a later version of the launch template brings it.
#[test]
fn pools_of_a_type_that_comes_later_can_be_dry() {
    let grown = "{ at: 10m, updateAutoScalingGroup: { autoScalingGroup: nodes, LaunchTemplate: { Version: 2 }, InstanceType: c5.large, DesiredCapacity: 4 } }";
    let of = |available: u32| {
        let pools =
            format!("capacityPools: [{{ instanceType: c5.large, available: {available} }}]\ntimeline: [{grown}]");
        let run = run(&group(2, "", &pools));
        types_at_end(&run).iter().filter(|it| **it == "c5.large").count()
    };
    assert_eq!((of(0), of(1)), (0, 2), "one in each of two zones");
    let refreshed = "capacityPools: [{ instanceType: r5.large, usdPerHour: 1 }]
timeline: [{ at: 20m, startInstanceRefresh: { autoScalingGroup: nodes, DesiredConfiguration: { LaunchTemplate: { Version: 3 }, InstanceType: r5.large }, Preferences: { MinHealthyPercentage: 0 } } }]";
    let run = run(&group(2, "", refreshed));
    let of_later = run.instance_changes.iter().find(|it| it.instance_type == "r5.large").expect("it is launched");
    assert!((of_later.usd_per_hour - 1.0).abs() < 1e-9);
}

#[test]
fn a_scale_in_asked_for_while_instances_are_pending_comes_to_its_size() {
    let more = "timeline: [{ at: 10m, updateAutoScalingGroup: { autoScalingGroup: nodes, DesiredCapacity: 5 } }, { at: 620s, updateAutoScalingGroup: { autoScalingGroup: nodes, DesiredCapacity: 0 } }]";
    let run = run(&group(0, "", more));
    assert_eq!(launched(&run), [610; 5]);
    assert_eq!(terminated(&run).len(), 5, "{:?}", terminated(&run));
    assert!(terminated(&run).iter().all(|it| (645..=660).contains(it)), "{:?}", terminated(&run));
}
