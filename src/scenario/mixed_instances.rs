//! `MixedInstancesPolicy` of a group, and `capacityPools`: what EC2 has of each type.

use crate::aws::auto_scaling_group::AvailabilityZone;
use crate::aws::capacity_pool::CapacityPool;
use crate::aws::instance_type::InstanceType;
use crate::aws::mixed_instances::{
    InstancesDistribution, LaunchTemplateOverride, OnDemandAllocationStrategy, PurchaseOption, SpotAllocationStrategy,
};
use crate::scenario::aws_fields::Shape;
use crate::scenario::capacity::{Capacity, instance_type};
use crate::scenario::instance_requirements::instance_requirements;
use crate::scenario::problem::Problem;
use crate::scenario::reader::{Fields, Reader, What};
use crate::scenario::tree::{Node, Value};
use crate::table::Id;

/// Most types of a group (EC2 Auto Scaling API reference, `LaunchTemplate.Overrides`).
const OVERRIDES_MAXIMUM: usize = 40;

/// Words of purchase options.
const PURCHASE_OPTIONS: [(&str, PurchaseOption); 2] =
    [("on-demand", PurchaseOption::OnDemand), ("spot", PurchaseOption::Spot)];

/// The types and the distribution of a `MixedInstancesPolicy`.
pub fn mixed_instances_policy(
    reader: &mut Reader<'_>,
    node: &Node,
    of: &str,
    own: &[InstanceType],
) -> Option<(Vec<LaunchTemplateOverride>, InstancesDistribution)> {
    let mut fields = reader.fields(node, format!("`MixedInstancesPolicy` of {of}"))?;
    let template = fields.required(reader, "LaunchTemplate");
    let distribution = fields.map(reader, "InstancesDistribution");
    fields.finish(reader, &Shape::OURS);
    let by_attributes = match template.and_then(|it| it.get("Overrides")).map(|it| &it.value) {
        Some(Value::List(items)) => items.iter().any(|it| it.get("InstanceRequirements").is_some()),
        _ => false,
    };
    let distribution = match distribution {
        Some(fields) => self::distribution(reader, fields, by_attributes),
        None => Some(usual_distribution(by_attributes)),
    };
    let mut fields = reader.fields(template?, format!("`LaunchTemplate` of {of}"))?;
    fields.required(reader, "Overrides");
    let nodes = fields.list(reader, "Overrides");
    let overrides_place = fields.place_of("Overrides");
    fields.finish(reader, &Shape::MIXED_LAUNCH_TEMPLATE);
    let mut overrides: Vec<LaunchTemplateOverride> = Vec::new();
    let mut weights = 0;
    for node in nodes {
        let Some(mut fields) = reader.fields(node, format!("an item of `Overrides` of {of}")) else { continue };
        if by_attributes && nodes.len() > 1 {
            let message = format!("`Overrides` of {of} has `InstanceRequirements` and another item");
            let help = "types are selected by one item of requirements, or listed by their names";
            reader.refuse(Problem::new(node.place, message).help(help));
            return None;
        }
        let weight = fields.parsed(reader, "WeightedCapacity", weighted_capacity);
        weights += usize::from(weight.is_some());
        let mut types = Vec::new();
        if let Some(entry) = fields.take_entry("InstanceRequirements") {
            if fields.has("InstanceType") {
                let message =
                    format!("an item of `Overrides` of {of} has an `InstanceType` and `InstanceRequirements`");
                reader.refuse(Problem::new(entry.key_place, message).help("leave one of them out"));
            }
            fields.take("InstanceType");
            let selected = instance_requirements(reader, &entry.node, of, own).unwrap_or_default();
            types.extend(selected.into_iter().map(|it| LaunchTemplateOverride {
                price_protection_admits: [it.on_demand, it.spot],
                ..LaunchTemplateOverride::named(it.instance_type, weight.unwrap_or(1))
            }));
        } else if let Some(kind) =
            fields.required(reader, "InstanceType").and_then(|it| instance_type(reader, it, of, own))
        {
            types.push(LaunchTemplateOverride::named(kind, weight.unwrap_or(1)));
        }
        fields.finish(reader, &Shape::LAUNCH_TEMPLATE_OVERRIDE);
        for it in types {
            let name = &it.instance_type.name;
            if overrides.iter().any(|other| other.instance_type.name == *name) {
                reader.refuse(Problem::new(node.place, format!("`Overrides` of {of} lists {name} twice")));
            }
            overrides.push(it);
        }
    }
    if weights > 0 && weights < nodes.len() {
        let message = format!("`Overrides` of {of} gives {weights} of its {} types a `WeightedCapacity`", nodes.len());
        reader.refuse(Problem::new(overrides_place, message).help("AWS wants one for all types, or for none"));
    }
    if nodes.len() > OVERRIDES_MAXIMUM {
        let message = format!("`Overrides` of {of} lists {} types; {OVERRIDES_MAXIMUM} are allowed", nodes.len());
        reader.refuse(Problem::new(overrides_place, message));
    }
    if nodes.is_empty() {
        let problem = Problem::new(overrides_place, format!("`Overrides` of {of} lists no type"));
        reader.refuse(problem.help("add the types that it may launch: `Overrides: [{InstanceType: m5.large}]`"));
    }
    if let Some(distribution) = distribution
        && distribution.spot_max_price.is_some()
        && distribution.on_demand_percentage_above_base_capacity == 100
    {
        reader.note(format!("{of} has a `SpotMaxPrice` and launches no Spot Instances"));
    }
    if overrides.is_empty() {
        return None;
    }
    Some((overrides, distribution?))
}

/// What AWS assumes: where types are selected by their attributes there is no order of them, and the cheapest comes first.
fn usual_distribution(by_attributes: bool) -> InstancesDistribution {
    let usual = InstancesDistribution::default();
    match by_attributes {
        true => {
            InstancesDistribution { on_demand_allocation_strategy: OnDemandAllocationStrategy::LowestPrice, ..usual }
        }
        false => usual,
    }
}

fn distribution(reader: &mut Reader<'_>, mut fields: Fields<'_>, by_attributes: bool) -> Option<InstancesDistribution> {
    let usual = usual_distribution(by_attributes);
    let on_demand_place = fields.place_of("OnDemandAllocationStrategy");
    let on_demand = [
        ("prioritized", OnDemandAllocationStrategy::Prioritized),
        ("lowest-price", OnDemandAllocationStrategy::LowestPrice),
    ];
    let spot = [
        ("lowest-price", SpotAllocationStrategy::LowestPrice),
        ("capacity-optimized", SpotAllocationStrategy::CapacityOptimized),
        ("capacity-optimized-prioritized", SpotAllocationStrategy::CapacityOptimizedPrioritized),
        ("price-capacity-optimized", SpotAllocationStrategy::PriceCapacityOptimized),
    ];
    let spot_allocation_strategy =
        fields.word_or(reader, "SpotAllocationStrategy", &spot, usual.spot_allocation_strategy);
    let pools_place = fields.place_of("SpotInstancePools");
    let says_pools = fields.has("SpotInstancePools");
    let distribution = InstancesDistribution {
        on_demand_allocation_strategy: fields.word_or(
            reader,
            "OnDemandAllocationStrategy",
            &on_demand,
            usual.on_demand_allocation_strategy,
        ),
        on_demand_base_capacity: fields.count_or(reader, "OnDemandBaseCapacity", 0..=5_000, 0),
        on_demand_percentage_above_base_capacity: fields.count_or(
            reader,
            "OnDemandPercentageAboveBaseCapacity",
            0..=100,
            100,
        ),
        spot_allocation_strategy,
        // A default that is filled in must be one that the strategy has.
        spot_instance_pools: match spot_allocation_strategy {
            SpotAllocationStrategy::LowestPrice => {
                fields.count_or(reader, "SpotInstancePools", 1..=20, usual.spot_instance_pools)
            }
            _ => fields.count(reader, "SpotInstancePools", 1..=20).unwrap_or(usual.spot_instance_pools),
        },
        spot_max_price: fields.parsed(reader, "SpotMaxPrice", spot_max_price),
    };
    if by_attributes && distribution.on_demand_allocation_strategy == OnDemandAllocationStrategy::Prioritized {
        let message =
            format!("`OnDemandAllocationStrategy` of {} is `prioritized`, and nothing lists types in order", fields.of);
        let help = "with `InstanceRequirements` it is `lowest-price`, AWS's default there";
        reader.refuse(Problem::new(on_demand_place, message).help(help));
    }
    if says_pools && spot_allocation_strategy != SpotAllocationStrategy::LowestPrice {
        let message = format!("`SpotInstancePools` of {} is for the strategy `lowest-price` only", fields.of);
        reader.refuse(
            Problem::new(pools_place, message).help("leave it out, or set `SpotAllocationStrategy: lowest-price`"),
        );
    }
    fields.finish(reader, &Shape::OURS);
    Some(distribution)
}

/// The API has it as a text.
fn weighted_capacity(text: &str) -> Result<u32, String> {
    let weight = text.parse().ok().filter(|it| (1..=999).contains(it));
    weight.ok_or_else(|| format!("`{text}` is no weight: a whole number from 1 to 999 is"))
}

/// The API has it as a text.
fn spot_max_price(text: &str) -> Result<f64, String> {
    let price = text.parse().ok().filter(|it| (0.001..=10_000.0).contains(it));
    price.ok_or_else(|| format!("`{text}` is no price of an instance: USD an hour, 0.001 to 10000"))
}

/// The section `capacityPools`.
pub fn capacity_pools(reader: &mut Reader<'_>, node: Option<&Node>, capacity: &Capacity) -> Vec<CapacityPool> {
    let Some(node) = node else { return Vec::new() };
    let nodes = reader.list(What { field: "capacityPools", of: "the scenario" }, node);
    let mut pools = Vec::new();
    for node in nodes {
        let Some(fields) = reader.fields(node, "an item of `capacityPools`") else { continue };
        pools.extend(capacity_pool(reader, fields, capacity));
    }
    pools
}

/// What is said of some pools, in their section or by the timeline.
pub fn capacity_pool(reader: &mut Reader<'_>, mut fields: Fields<'_>, capacity: &Capacity) -> Option<CapacityPool> {
    let of = fields.of.clone();
    let at = fields.required(reader, "instanceType").map(|it| it.place);
    let name = fields.text(reader, "instanceType").map(str::to_owned);
    let availability_zones: Vec<Id<AvailabilityZone>> = capacity.some_zones(reader, &mut fields);
    let purchase_option = fields.word_or(reader, "purchaseOption", &PURCHASE_OPTIONS, PurchaseOption::OnDemand);
    let available = fields.count(reader, "available", 0..=1_000_000);
    let usd_per_hour = fields.number(reader, "usdPerHour", 0.0..=10_000.0);
    let interruptions_per_hour = fields.number(reader, "interruptionsPerHour", 0.0..=3_600.0);
    if available.is_none() && usd_per_hour.is_none() && interruptions_per_hour.is_none() {
        let problem = Problem::new(fields.place, format!("{of} says nothing of its pools"));
        reader.refuse(
            problem.help("add `available`, the instances that EC2 has for you, `usdPerHour` or `interruptionsPerHour`"),
        );
    }
    if interruptions_per_hour.is_some() && purchase_option == PurchaseOption::OnDemand {
        let at = fields.place_of("interruptionsPerHour");
        let problem = Problem::new(at, format!("{of} has `interruptionsPerHour` of On-Demand Instances"));
        reader.refuse(problem.help("only Spot Instances are interrupted: add `purchaseOption: spot`"));
    }
    fields.finish(reader, &Shape::OURS);
    let name = name?;
    let known: Vec<&str> = capacity.types_of_groups().into_iter().chain(capacity.later_types()).collect();
    if !known.contains(&name.as_str()) {
        let mut problem =
            Problem::new(at?, format!("`instanceType` of {of} is `{name}`, which no Auto Scaling group launches"));
        if let Some(near) = crate::scenario::problem::nearest(&name, known.iter().copied()) {
            problem = problem.label(format!("did you mean `{near}`?"));
        }
        reader.refuse(problem);
        return None;
    }
    Some(CapacityPool {
        instance_type: name,
        availability_zones,
        purchase_option,
        available,
        usd_per_hour,
        interruptions_per_hour,
    })
}
