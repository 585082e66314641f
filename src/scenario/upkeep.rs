//! What a group says of its instances once they are launched: health, hooks, zones, Spot, warm pool, suspended processes.

use crate::aws::auto_scaling_group::{AutoScalingGroup, CapacityDistributionStrategy, ScalingProcess, Upkeep};
use crate::aws::instance_replacement::InstanceMaintenancePolicy;
use crate::aws::lifecycle::{LifecycleActionResult, LifecycleHook, LifecycleState, LifecycleTransition};
use crate::aws::load_balancer::TargetGroup;
use crate::aws::warm_pool::WarmPool;
use crate::scenario::aws_fields::Shape;
use crate::scenario::problem::Problem;
use crate::scenario::reader::{Fields, Names, Reader, What, last_name};
use crate::scenario::tree::Node;
use crate::table::Table;
use crate::units::Span;

/// Most hooks of a group (*Quotas for Amazon EC2 Auto Scaling*).
const HOOKS_MAXIMUM: usize = 50;

const RESULTS: [(&str, LifecycleActionResult); 2] =
    [("CONTINUE", LifecycleActionResult::Continue), ("ABANDON", LifecycleActionResult::Abandon)];

/// What a group says of its instances, and the names of the target groups that it is attached to.
pub fn upkeep(reader: &mut Reader<'_>, fields: &mut Fields<'_>, is_mixed: bool) -> (Upkeep, Vec<String>) {
    let of = fields.of.clone();
    let capacity_rebalance = fields.flag_or(reader, "CapacityRebalance", false);
    let spot_instance_draining = fields.flag_or(reader, "spotInstanceDraining", false);
    let elb_health_check = health_check_types(reader, fields);
    let target_groups: Vec<String> = fields
        .list(reader, "TargetGroupARNs")
        .iter()
        .filter_map(|it| reader.text(What { field: "TargetGroupARNs", of: &of }, it))
        .map(|it| last_name(it).to_owned())
        .collect();
    let health_check_grace_period = fields.seconds_or(reader, "HealthCheckGracePeriod", 0..=86_400, Span::ZERO);
    let policy = fields.take("InstanceMaintenancePolicy");
    let instance_maintenance_policy = policy.and_then(|it| {
        let fields = reader.fields(it, format!("`InstanceMaintenancePolicy` of {of}"))?;
        healthy_percentages(reader, fields, None)
    });
    // -1 takes it away.
    let lifecycle_hooks = lifecycle_hooks(reader, fields);
    let capacity_distribution_strategy = capacity_distribution_strategy(reader, fields);
    let max_instance_lifetime = fields.parsed(reader, "MaxInstanceLifetime", max_instance_lifetime).flatten();
    let suspended_processes = suspended_processes(reader, fields);
    let warm_pool = warm_pool(reader, fields, is_mixed);
    let upkeep = Upkeep {
        capacity_rebalance,
        spot_instance_draining,
        elb_health_check,
        target_groups: Vec::new(),
        health_check_grace_period,
        instance_maintenance_policy,
        lifecycle_hooks,
        capacity_distribution_strategy,
        max_instance_lifetime,
        suspended_processes,
        warm_pool,
    };
    (upkeep, target_groups)
}

/// Finds the target groups of groups, once target groups are read.
pub fn attach_target_groups(
    reader: &mut Reader<'_>,
    groups: &mut Table<AutoScalingGroup>,
    attached: &[(String, Vec<String>)],
    (target_groups, names): (&Table<TargetGroup>, &Names<TargetGroup>),
) {
    for (name, arns) in attached {
        let Some(group) = groups.find(|it| it.name == *name) else { continue };
        for arn in arns {
            let known = names.iter().any(|it| it == arn);
            match target_groups.find(|it| it.name == *arn) {
                Some(id) => groups[group].upkeep.target_groups.push(id),
                None if known => {}
                None => reader.note(format!(
                    "Auto Scaling group `{name}` is attached to the target group `{arn}`, which is not in the scenario"
                )),
            }
        }
        if groups[group].upkeep.elb_health_check && groups[group].upkeep.target_groups.is_empty() {
            reader.note(format!(
                "Auto Scaling group `{name}` has health checks of type ELB and no target group: they find nothing"
            ));
        }
    }
}

/// `HealthCheckType`: a list in one text, whose `EC2` is always there.
fn health_check_types(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> bool {
    fields.usual(reader, "HealthCheckType", "EC2");
    let place = fields.place_of("HealthCheckType");
    let Some(text) = fields.text(reader, "HealthCheckType") else { return false };
    let mut has_elb = false;
    for word in text.split(',').map(str::trim) {
        match word {
            "EC2" => {}
            "ELB" => has_elb = true,
            "EBS" | "VPC_LATTICE" => {
                reader.note(format!("{}: health checks of type {word} are not simulated, and find nothing", fields.of));
            }
            _ => {
                let message = format!("`HealthCheckType` of {} has `{word}`", fields.of);
                reader.refuse(Problem::new(place, message).help("AWS knows EC2, ELB, EBS and VPC_LATTICE"));
            }
        }
    }
    has_elb
}

/// `MinHealthyPercentage` and `MaxHealthyPercentage`; `usual` are those of an instance refresh.
pub fn healthy_percentages(
    reader: &mut Reader<'_>,
    mut fields: Fields<'_>,
    usual: Option<InstanceMaintenancePolicy>,
) -> Option<InstanceMaintenancePolicy> {
    let policy = healthy_percentages_of(reader, &mut fields, usual);
    fields.finish(reader, &Shape::OURS);
    policy
}

/// The same, among other fields.
pub fn healthy_percentages_of(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    usual: Option<InstanceMaintenancePolicy>,
) -> Option<InstanceMaintenancePolicy> {
    if let Some(usual) = usual {
        fields.usual(reader, "MinHealthyPercentage", &usual.min_healthy_percentage);
        fields.usual(reader, "MaxHealthyPercentage", &usual.max_healthy_percentage);
    } else {
        fields.required(reader, "MinHealthyPercentage");
        fields.required(reader, "MaxHealthyPercentage");
    }
    let places = (fields.place_of("MinHealthyPercentage"), fields.place_of("MaxHealthyPercentage"));
    let min = fields.parsed(reader, "MinHealthyPercentage", |text| percentage(text, 0, 100));
    let max = fields.parsed(reader, "MaxHealthyPercentage", |text| percentage(text, 100, 200));
    // -1 for both takes a policy away.
    if (min, max) == (Some(None), Some(None)) {
        return usual;
    }
    let min = min.flatten().or(usual.map(|it| it.min_healthy_percentage))?;
    let max = max.flatten().or(usual.map(|it| it.max_healthy_percentage))?;
    if max - min > 100 {
        let message = format!("{} lets {min} to {max} percent be healthy", fields.of);
        let problem = Problem::new(places.1, message).related(places.0, "the least");
        reader.refuse(problem.help("AWS allows a difference of 100 at most"));
    }
    Some(InstanceMaintenancePolicy { min_healthy_percentage: min, max_healthy_percentage: max })
}

fn percentage(text: &str, least: u32, most: u32) -> Result<Option<u32>, String> {
    if text == "-1" {
        return Ok(None);
    }
    let percentage = text.parse().ok().filter(|it| (least..=most).contains(it));
    percentage
        .map(Some)
        .ok_or_else(|| format!("`{text}` is no such percentage: a whole number from {least} to {most} is"))
}

fn max_instance_lifetime(text: &str) -> Result<Option<Span>, String> {
    match text.parse() {
        Ok(0) => Ok(None),
        Ok(seconds @ 86_400..=31_536_000) => Ok(Some(Span::seconds(seconds))),
        _ => Err(format!("`{text}` is no lifetime of instances: 86400 to 31536000 seconds are, or 0 for none")),
    }
}

fn lifecycle_hooks(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Vec<LifecycleHook> {
    let of = fields.of.clone();
    let place = fields.place_of("LifecycleHookSpecificationList");
    let nodes = fields.list(reader, "LifecycleHookSpecificationList");
    if nodes.len() > HOOKS_MAXIMUM {
        let message = format!("{of} has {} lifecycle hooks; {HOOKS_MAXIMUM} are allowed", nodes.len());
        reader.refuse(Problem::new(place, message));
    }
    nodes.iter().filter_map(|it| lifecycle_hook(reader, it, &of)).collect()
}

fn lifecycle_hook(reader: &mut Reader<'_>, node: &Node, of: &str) -> Option<LifecycleHook> {
    let mut fields = reader.fields(node, format!("a lifecycle hook of {of}"))?;
    fields.required(reader, "LifecycleHookName");
    fields.required(reader, "LifecycleTransition");
    let name = fields.text(reader, "LifecycleHookName").map(str::to_owned);
    let transitions = [
        ("autoscaling:EC2_INSTANCE_LAUNCHING", LifecycleTransition::Launching),
        ("autoscaling:EC2_INSTANCE_TERMINATING", LifecycleTransition::Terminating),
    ];
    let transition = fields.word(reader, "LifecycleTransition", &transitions);
    let heartbeat_timeout = fields.seconds_or(reader, "HeartbeatTimeout", 30..=7_200, Span::seconds(3_600));
    let default_result = fields.word_or(reader, "DefaultResult", &RESULTS, LifecycleActionResult::Abandon);
    let completes = fields.distribution(reader, "completes");
    let result = fields.word_or(reader, "result", &RESULTS, LifecycleActionResult::Continue);
    let records_heartbeats = fields.flag_or(reader, "recordsHeartbeats", false);
    fields.finish(reader, &Shape::LIFECYCLE_HOOK);
    if completes.is_none() && name.is_some() {
        reader.note(format!(
            "lifecycle hook `{}` of {of} is never completed: instances wait for its HeartbeatTimeout; say how long its work takes \
             with `completes`",
            name.as_deref().unwrap_or("")
        ));
    }
    Some(LifecycleHook {
        name: name?,
        transition: transition?,
        heartbeat_timeout,
        default_result,
        completes,
        result,
        records_heartbeats,
    })
}

fn capacity_distribution_strategy(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> CapacityDistributionStrategy {
    let usual = CapacityDistributionStrategy::default();
    let Some(mut fields) = fields.map(reader, "AvailabilityZoneDistribution") else { return usual };
    let words = [("balanced-best-effort", usual), ("balanced-only", CapacityDistributionStrategy::BalancedOnly)];
    let place = fields.place_of("CapacityDistributionStrategy");
    let strategy = match fields.take("CapacityDistributionStrategy") {
        Some(node) if node.text() == Some("reservations-then-balanced") => {
            reader.not_simulated(place, "`reservations-then-balanced`, as there are no Capacity Reservations,");
            None
        }
        Some(node) => reader.word(What { field: "CapacityDistributionStrategy", of: &fields.of }, node, &words),
        None => None,
    };
    fields.finish(reader, &Shape::OURS);
    strategy.unwrap_or(usual)
}

/// The words of processes.
pub fn process_words() -> [(&'static str, ScalingProcess); 9] {
    ScalingProcess::ALL.map(|it| (it.as_str(), it))
}

/// `SuspendedProcesses`, as `DescribeAutoScalingGroups` gives them, or as names.
fn suspended_processes(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Vec<ScalingProcess> {
    let of = fields.of.clone();
    let what = What { field: "SuspendedProcesses", of: &of };
    let nodes = fields.list(reader, "SuspendedProcesses");
    nodes
        .iter()
        .filter_map(|node| {
            let name = match node.text() {
                Some(_) => node,
                None => {
                    let mut fields = reader.fields(node, format!("an item of `SuspendedProcesses` of {of}"))?;
                    let name = fields.required(reader, "ProcessName");
                    fields.finish(reader, &Shape::SUSPENDED_PROCESS);
                    name?
                }
            };
            reader.word(what, name, &process_words())
        })
        .collect()
}

fn warm_pool(reader: &mut Reader<'_>, fields: &mut Fields<'_>, is_mixed: bool) -> Option<WarmPool> {
    let place = fields.place_of("WarmPoolConfiguration");
    let of = fields.of.clone();
    let checks_place = fields.place_of("warmPoolsCheck");
    let checks = fields.flag_or(reader, "warmPoolsCheck", true);
    let node = fields.take("WarmPoolConfiguration")?;
    let mut pool = reader.fields(node, format!("`WarmPoolConfiguration` of {of}"))?;
    let words = [
        ("Stopped", LifecycleState::WarmedStopped),
        ("Running", LifecycleState::WarmedRunning),
        ("Hibernated", LifecycleState::WarmedHibernated),
    ];
    let configuration = WarmPool {
        min_size: pool.count_or(reader, "MinSize", 0..=5_000, 0),
        // -1 takes it away.
        max_group_prepared_capacity: pool.parsed(reader, "MaxGroupPreparedCapacity", prepared_capacity).flatten(),
        pool_state: pool.word_or(reader, "PoolState", &words, LifecycleState::WarmedStopped),
    };
    if let Some(mut reuse) = pool.map(reader, "InstanceReusePolicy") {
        let at = reuse.place_of("ReuseOnScaleIn");
        if reuse.flag_or(reader, "ReuseOnScaleIn", false) {
            let message = format!("the warm pool of {of} has `ReuseOnScaleIn`, which Amazon ECS does not support");
            let help =
                "leave `InstanceReusePolicy` out: instances are terminated on scale-in, and new ones fill the pool";
            reader.refuse(Problem::new(at, message).help(help));
        }
        reuse.finish(reader, &Shape::OURS);
    }
    pool.finish(reader, &Shape::WARM_POOL);
    if is_mixed {
        let problem = Problem::new(place, format!("{of} has a warm pool and a `MixedInstancesPolicy`"));
        let says = "You can't add a warm pool to Auto Scaling groups that have a mixed instances policy or that launch Spot Instances";
        reader.refuse(problem.help(format!("AWS says: {says}")));
    }
    if !checks {
        let message = format!("the warm pool of {of} without `ECS_WARM_POOLS_CHECK`");
        reader.not_simulated(checks_place, message);
    }
    Some(configuration)
}

fn prepared_capacity(text: &str) -> Result<Option<u32>, String> {
    if text == "-1" {
        return Ok(None);
    }
    let capacity = text.parse().ok().filter(|it| *it <= 5_000);
    capacity.map(Some).ok_or_else(|| format!("`{text}` is no number of instances: 0 to 5000 are, or -1 for `MaxSize`"))
}
