//! `autoScalingGroups`, `capacityProviders`, `loadBalancers` and `targetGroups`.

use crate::aws::auto_scaling_group::{AutoScalingGroup, AvailabilityZone, TerminationPolicy};
use crate::aws::capacity_provider::{CapacityProvider, ManagedScaling};
use crate::aws::instance_type::{self, InstanceType};
use crate::aws::load_balancer::{HealthCheck, LoadBalancer, TargetGroup};
use crate::scenario::aws_fields;
use crate::scenario::problem::Problem;
use crate::scenario::reader::{Fields, Reader, nearest};
use crate::scenario::task_definitions::unwrapped;
use crate::scenario::tree::{Key, Node, Value};
use crate::table::{Id, Table};
use crate::units::Span;

/// Names of a table's rows, for references.
fn zone_names(zones: &Table<AvailabilityZone>) -> Vec<String> {
    zones.iter().map(|it| it.name.clone()).collect()
}

/// Zones as a list or as one word.
fn zone_list(reader: &mut Reader, node: &Node, what: &str, names: &[String]) -> Option<Vec<Id<AvailabilityZone>>> {
    let items = match &node.value {
        Value::List(items) => items.iter().collect(),
        _ => vec![node],
    };
    let zones: Option<Vec<_>> =
        items.into_iter().map(|it| reader.reference(it, what, "availability zone", names).map(Id::new)).collect();
    zones.filter(|it| !it.is_empty())
}

/// Reads `autoScalingGroups`.
pub fn auto_scaling_groups(
    reader: &mut Reader,
    node: Option<&Node>,
    zones: &Table<AvailabilityZone>,
) -> Table<AutoScalingGroup> {
    let names = zone_names(zones);
    let all: Vec<Id<AvailabilityZone>> = zones.ids().collect();
    let mut groups = Table::new();
    for (key, node) in reader.named(node, "autoScalingGroups") {
        if let Some(group) = auto_scaling_group(reader, key, node, &names, &all) {
            groups.push(group);
        }
    }
    groups
}

fn auto_scaling_group(
    reader: &mut Reader,
    key: &Key,
    node: &Node,
    zones: &[String],
    all: &[Id<AvailabilityZone>],
) -> Option<AutoScalingGroup> {
    let what = format!("auto scaling group {}", key.text);
    let mut fields = reader.fields(unwrapped(node, &["AutoScalingGroups"]), what)?;
    fields.take("AutoScalingGroupName");
    let size = |reader: &mut Reader, node: &Node, what: &str| reader.count(node, what, 0..=5000);
    let instance_type = fields.required(reader, "InstanceType", instance_type_of);
    let min_size = fields.get(reader, "MinSize", size).unwrap_or(0);
    let max_size = fields.required(reader, "MaxSize", size);
    let desired_capacity = fields.get(reader, "DesiredCapacity", size).unwrap_or(min_size);
    let availability_zones = fields
        .get(reader, "AvailabilityZones", |reader, node, what| zone_list(reader, node, what, zones))
        .unwrap_or_else(|| all.to_vec());
    let protected = fields.get(reader, "NewInstancesProtectedFromScaleIn", Reader::boolean);
    let default_cooldown = fields
        .get(reader, "DefaultCooldown", |reader, node, what| reader.seconds(node, what, 0..=u64::MAX))
        .unwrap_or(Span::seconds(300));
    let policies = fields.take("TerminationPolicies");
    let mut termination_policies: Vec<TerminationPolicy> = reader
        .list(policies, &fields.what)
        .into_iter()
        .filter_map(|it| {
            let words = [
                ("Default", TerminationPolicy::Default),
                ("OldestInstance", TerminationPolicy::OldestInstance),
                ("NewestInstance", TerminationPolicy::NewestInstance),
                ("ClosestToNextInstanceHour", TerminationPolicy::ClosestToNextInstanceHour),
            ];
            reader.one_of(it, &fields.what, &words)
        })
        .collect();
    if termination_policies.is_empty() {
        termination_policies.push(TerminationPolicy::Default);
    }
    let reserved_memory_mib = fields.get(reader, "reservedMemory", Reader::mebibytes).unwrap_or(0.0) as u32;
    let registered = fields.get(reader, "registeredMemory", Reader::mebibytes);
    let boot_time = fields.get(reader, "bootTime", Reader::distribution);
    let attributes_node = fields.take("attributes");
    let attributes = reader
        .named(attributes_node, "attributes")
        .into_iter()
        .filter_map(|(key, node)| Some((key.text.clone(), reader.text(node, &fields.what)?)))
        .collect();
    for (name, words) in [
        ("MixedInstancesPolicy", "a mixed instances policy"),
        ("WarmPoolConfiguration", "a warm pool"),
        ("MaxInstanceLifetime", "a maximum instance lifetime"),
        ("CapacityRebalance", "capacity rebalancing"),
        ("LifecycleHookSpecificationList", "a lifecycle hook"),
        ("DefaultInstanceWarmup", "a default instance warm-up"),
    ] {
        if let Some(node) = fields.take(name)
            && !matches!(&node.value, Value::Scalar { text, .. } if text == "false" || text == "0")
        {
            reader.not_yet(&node.place, words);
        }
    }
    let sizes_place = fields.take("MaxSize").map(|it| it.place.clone());
    let (name, place) = (key.text.clone(), sizes_place);
    fields.finish(reader, aws_fields::AUTO_SCALING_GROUP);
    let (mut instance_type, max_size) = instance_type.zip(max_size)?;
    if let Some(registered) = registered {
        instance_type.registered_memory_mib = registered as u32;
    }
    if !(min_size <= desired_capacity && desired_capacity <= max_size) {
        let message = format!(
            "auto scaling group {name}: MinSize {min_size}, DesiredCapacity {desired_capacity} and MaxSize {max_size} are out of order"
        );
        reader.refuse(
            Problem::at(place.unwrap_or_else(|| key.place.clone()), message)
                .expected("expected MinSize <= DesiredCapacity <= MaxSize"),
        );
    }
    Some(AutoScalingGroup {
        name,
        instance_type,
        min_size,
        max_size,
        desired_capacity,
        availability_zones,
        new_instances_protected_from_scale_in: protected.unwrap_or(false),
        termination_policies,
        reserved_memory_mib,
        attributes,
        boot_time,
        default_cooldown,
    })
}

fn instance_type_of(reader: &mut Reader, node: &Node, what: &str) -> Option<InstanceType> {
    let name = reader.text(node, what)?;
    let found = instance_type::find(&name);
    if found.is_none() {
        let problem =
            Problem::at(node.place.clone(), format!("{what}: there is no instance type `{name}` in the catalogue"));
        let near = nearest(&name, instance_type::names()).unwrap_or("m5.large");
        reader.refuse(problem.expected("not in the catalogue").help(format!("the nearest is `{near}`")));
    }
    found
}

/// Reads `capacityProviders`.
pub fn capacity_providers(
    reader: &mut Reader,
    node: Option<&Node>,
    groups: &mut Table<AutoScalingGroup>,
) -> Table<CapacityProvider> {
    let names: Vec<String> = groups.iter().map(|it| it.name.clone()).collect();
    let mut providers = Table::new();
    for (key, node) in reader.named(node, "capacityProviders") {
        let what = format!("capacity provider {}", key.text);
        let node = unwrapped(node, &["capacityProvider", "capacityProviders"]);
        let Some(mut fields) = reader.fields(node, what.clone()) else { continue };
        fields.take("name");
        fields.take("capacityProviderName");
        let group_provider = fields.required(reader, "autoScalingGroupProvider", |_, _, _| Some(())).is_some();
        let inside = fields.take("autoScalingGroupProvider").filter(|_| group_provider);
        fields.finish(reader, aws_fields::CAPACITY_PROVIDER);
        let Some(mut fields) = inside.and_then(|it| reader.fields(it, what.clone())) else { continue };
        let group = fields.required(reader, "autoScalingGroupArn", |reader, node, what| {
            reader.reference(node, what, "auto scaling group", &names)
        });
        let managed_node = fields.take("managedScaling");
        let managed_scaling = managed_node.and_then(|node| managed_scaling(reader, node, &what));
        let switch = |reader: &mut Reader, node: &Node, what: &str| {
            reader.one_of(node, what, &[("ENABLED", true), ("DISABLED", false)])
        };
        let protection = fields.get(reader, "managedTerminationProtection", switch).unwrap_or(false);
        let draining = fields.get(reader, "managedDraining", switch).unwrap_or(true);
        if protection && managed_scaling.is_none() {
            let place = fields.take("managedTerminationProtection").map_or(node.place.clone(), |it| it.place.clone());
            let message = format!("{what}: managed termination protection without managed scaling");
            reader.refuse(Problem::at(place, message).expected("managed scaling must be ENABLED too"));
        }
        fields.finish(reader, &[]);
        let Some(group) = group.map(Id::new) else { continue };
        if providers.iter().any(|it: &CapacityProvider| it.auto_scaling_group == group) {
            let message = format!("{what}: another provider has this auto scaling group already");
            reader.refuse(Problem::at(key.place.clone(), message).expected("a group of its own"));
        }
        groups[group].new_instances_protected_from_scale_in |= protection;
        providers.push(CapacityProvider {
            name: key.text.clone(),
            auto_scaling_group: group,
            managed_scaling,
            managed_termination_protection: protection,
            managed_draining: draining,
        });
    }
    providers
}

fn managed_scaling(reader: &mut Reader, node: &Node, what: &str) -> Option<ManagedScaling> {
    let mut fields = reader.fields(node, format!("{what}, managedScaling"))?;
    let step = |reader: &mut Reader, node: &Node, what: &str| reader.count(node, what, 1..=10_000);
    let enabled = fields
        .get(reader, "status", |reader, node, what| {
            reader.one_of(node, what, &[("ENABLED", true), ("DISABLED", false)])
        })
        .unwrap_or(true);
    let managed = ManagedScaling {
        target_capacity: fields
            .get(reader, "targetCapacity", |reader, node, what| reader.count(node, what, 1..=100))
            .unwrap_or(100),
        minimum_scaling_step_size: fields.get(reader, "minimumScalingStepSize", step).unwrap_or(1),
        maximum_scaling_step_size: fields.get(reader, "maximumScalingStepSize", step).unwrap_or(10_000),
        instance_warmup_period: fields
            .get(reader, "instanceWarmupPeriod", |reader, node, what| reader.seconds(node, what, 0..=10_000))
            .unwrap_or(Span::seconds(300)),
    };
    fields.finish(reader, &[]);
    if managed.minimum_scaling_step_size > managed.maximum_scaling_step_size {
        let message = format!("{what}: the minimum scaling step size is above the maximum");
        reader.refuse(Problem::at(node.place.clone(), message).expected("expected minimum <= maximum"));
    }
    enabled.then_some(managed)
}

/// Reads `loadBalancers`; where target groups need one and none is defined, one with AWS's defaults.
pub fn load_balancers(
    reader: &mut Reader,
    node: Option<&Node>,
    zones: &Table<AvailabilityZone>,
    is_needed: bool,
) -> Table<LoadBalancer> {
    let names = zone_names(zones);
    let all: Vec<Id<AvailabilityZone>> = zones.ids().collect();
    let mut balancers = Table::new();
    for (key, node) in reader.named(node, "loadBalancers") {
        let what = format!("load balancer {}", key.text);
        let Some(mut fields) = reader.fields(unwrapped(node, &["LoadBalancers"]), what.clone()) else { continue };
        fields.take("LoadBalancerName");
        fields.take("Name");
        if let Some(node) = fields.take("Type") {
            let kind =
                reader.one_of(node, &what, &[("application", 0), ("network", 1), ("gateway", 2), ("classic", 3)]);
            if kind.is_some_and(|it| it > 0) {
                reader.not_yet(&node.place, "a load balancer other than an Application Load Balancer");
            }
        }
        let availability_zones = fields
            .get(reader, "AvailabilityZones", |reader, node, what| zone_list(reader, node, what, &names))
            .unwrap_or_else(|| all.clone());
        let nodes = fields
            .get(reader, "nodes", |reader, node, what| reader.count(node, what, 1..=100))
            .unwrap_or(availability_zones.len() as u32);
        let seconds = |reader: &mut Reader, node: &Node, what: &str| reader.seconds(node, what, 1..=4000);
        let mut idle_timeout = fields.get(reader, "idleTimeout", seconds);
        if let Some(mut attributes) = attributes(reader, &mut fields) {
            idle_timeout = idle_timeout.or(attributes.get(reader, "idle_timeout.timeout_seconds", seconds));
            attributes.finish(
                reader,
                &[
                    "routing.http2.enabled",
                    "deletion_protection.enabled",
                    "access_logs.s3.enabled",
                    "client_keep_alive.seconds",
                ],
            );
        }
        fields.finish(reader, aws_fields::LOAD_BALANCER);
        balancers.push(LoadBalancer {
            name: key.text.clone(),
            nodes,
            idle_timeout: idle_timeout.unwrap_or(Span::seconds(60)),
            availability_zones,
        });
    }
    if balancers.is_empty() && is_needed {
        balancers.push(LoadBalancer {
            name: "default".to_owned(),
            nodes: all.len() as u32,
            idle_timeout: Span::seconds(60),
            availability_zones: all,
        });
    }
    balancers
}

fn attributes<'n>(reader: &mut Reader, fields: &mut Fields<'n>) -> Option<Fields<'n>> {
    let node = fields.take("attributes")?;
    reader.fields(node, format!("{}, attributes", fields.what))
}

/// Reads `targetGroups`.
pub fn target_groups(reader: &mut Reader, node: Option<&Node>, balancers: &Table<LoadBalancer>) -> Table<TargetGroup> {
    let names: Vec<String> = balancers.iter().map(|it| it.name.clone()).collect();
    let mut groups = Table::new();
    for (key, node) in reader.named(node, "targetGroups") {
        let what = format!("target group {}", key.text);
        let Some(mut fields) = reader.fields(unwrapped(node, &["TargetGroups"]), what.clone()) else { continue };
        fields.take("TargetGroupName");
        fields.take("Name");
        let default = HealthCheck::default();
        let seconds = |least: u64, most: u64| {
            move |reader: &mut Reader, node: &Node, what: &str| reader.seconds(node, what, least..=most)
        };
        let threshold = |reader: &mut Reader, node: &Node, what: &str| reader.count(node, what, 2..=10);
        let health_check = HealthCheck {
            interval: fields.get(reader, "HealthCheckIntervalSeconds", seconds(5, 300)).unwrap_or(default.interval),
            timeout: fields.get(reader, "HealthCheckTimeoutSeconds", seconds(2, 120)).unwrap_or(default.timeout),
            healthy_threshold: fields
                .get(reader, "HealthyThresholdCount", threshold)
                .unwrap_or(default.healthy_threshold),
            unhealthy_threshold: fields
                .get(reader, "UnhealthyThresholdCount", threshold)
                .unwrap_or(default.unhealthy_threshold),
        };
        if health_check.timeout >= health_check.interval {
            let place = fields.take("HealthCheckTimeoutSeconds").or(fields.take("HealthCheckIntervalSeconds"));
            let message = format!(
                "{what}: the health check's timeout, {}, is not below its interval, {}",
                health_check.timeout, health_check.interval
            );
            let place = place.map_or(node.place.clone(), |it| it.place.clone());
            reader.refuse(Problem::at(place, message).expected("expected timeout < interval"));
        }
        let delay = |reader: &mut Reader, node: &Node, what: &str| reader.seconds(node, what, 0..=3600);
        let mut deregistration_delay = fields.get(reader, "deregistrationDelay", delay);
        if let Some(mut attributes) = attributes(reader, &mut fields) {
            deregistration_delay =
                deregistration_delay.or(attributes.get(reader, "deregistration_delay.timeout_seconds", delay));
            for (name, plain, words) in [
                ("load_balancing.algorithm.type", "round_robin", "a routing algorithm other than round robin"),
                ("stickiness.enabled", "false", "stickiness"),
                ("slow_start.duration_seconds", "0", "slow start"),
                ("load_balancing.cross_zone.enabled", "true", "cross-zone load balancing switched off"),
            ] {
                if let Some(node) = attributes.take(name)
                    && !matches!(&node.value, Value::Scalar { text, .. } if text == plain || text == "use_load_balancer_configuration")
                {
                    reader.not_yet(&node.place, words);
                }
            }
            attributes.finish(reader, &["stickiness.type", "load_balancing.algorithm.anomaly_mitigation"]);
        }
        let chosen = fields
            .get(reader, "loadBalancer", |reader, node, what| reader.reference(node, what, "load balancer", &names));
        if chosen.is_none() && !fields.has("loadBalancer") && names.len() > 1 {
            let message = format!("{what}: which load balancer is in front of it?");
            let problem = Problem::at(key.place.clone(), message);
            reader.refuse(problem.expected(format!("expected `loadBalancer`: one of {}", names.join(", "))));
        }
        fields.finish(reader, aws_fields::TARGET_GROUP);
        groups.push(TargetGroup {
            name: key.text.clone(),
            load_balancer: Id::new(chosen.unwrap_or(0)),
            deregistration_delay: deregistration_delay.unwrap_or(Span::seconds(300)),
            health_check,
        });
    }
    groups
}
