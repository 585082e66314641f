//! `InstanceRequirements` of an override: resolved to types of the catalogue when the scenario is read.

use crate::aws::instance_requirements::{
    CpuManufacturer, Inclusion, InstanceGeneration, InstanceRequirements, Range, SelectedType, SpotPriceProtection,
};
use crate::aws::instance_type::{self, InstanceType};
use crate::aws::price::SPOT_SHARE;
use crate::scenario::aws_fields::Shape;
use crate::scenario::problem::Problem;
use crate::scenario::reader::{Fields, Reader};
use crate::scenario::tree::Node;

/// The types that an item of `Overrides` asks for by their attributes, the cheapest first; of the catalogue and of the scenario's `own`.
/// Prices are those on demand in us-east-1, and Spot Instances the usual share of them.
pub fn instance_requirements(
    reader: &mut Reader<'_>,
    node: &Node,
    of: &str,
    own: &[InstanceType],
) -> Option<Vec<SelectedType>> {
    let problems = reader.problems.len();
    let mut fields = reader.fields(node, format!("`InstanceRequirements` of {of}"))?;
    fields.required(reader, "VCpuCount");
    fields.required(reader, "MemoryMiB");
    let manufacturers = [
        ("intel", CpuManufacturer::Intel),
        ("amd", CpuManufacturer::Amd),
        ("amazon-web-services", CpuManufacturer::AmazonWebServices),
    ];
    let generations = [("current", InstanceGeneration::Current), ("previous", InstanceGeneration::Previous)];
    let inclusions =
        [("included", Inclusion::Included), ("excluded", Inclusion::Excluded), ("required", Inclusion::Required)];
    let over_lowest = fields.count(reader, "SpotMaxPricePercentageOverLowestPrice", 0..=1_000_000);
    let of_optimal_place = fields.place_of("MaxSpotPriceAsPercentageOfOptimalOnDemandPrice");
    let of_optimal = fields.count(reader, "MaxSpotPriceAsPercentageOfOptimalOnDemandPrice", 1..=1_000_000);
    if over_lowest.is_some() && of_optimal.is_some() {
        let message = format!("{} has two thresholds for the price of Spot Instances", fields.of);
        let help = "leave one of `SpotMaxPricePercentageOverLowestPrice` and `MaxSpotPriceAsPercentageOfOptimalOnDemandPrice` out";
        reader.refuse(Problem::new(of_optimal_place, message).help(help));
    }
    let excluded_place = fields.place_of("ExcludedInstanceTypes");
    let requirements = InstanceRequirements {
        vcpu_count: range(reader, &mut fields, "VCpuCount"),
        memory_mib: range(reader, &mut fields, "MemoryMiB"),
        memory_gib_per_vcpu: range(reader, &mut fields, "MemoryGiBPerVCpu"),
        network_interface_count: range(reader, &mut fields, "NetworkInterfaceCount"),
        accelerator_count: range(reader, &mut fields, "AcceleratorCount"),
        cpu_manufacturers: words(reader, &mut fields, "CpuManufacturers", &manufacturers),
        instance_generations: words(reader, &mut fields, "InstanceGenerations", &generations),
        burstable_performance: fields.word_or(reader, "BurstablePerformance", &inclusions, Inclusion::Excluded),
        bare_metal: fields.word_or(reader, "BareMetal", &inclusions, Inclusion::Excluded),
        allowed_instance_types: texts(reader, &mut fields, "AllowedInstanceTypes"),
        excluded_instance_types: texts(reader, &mut fields, "ExcludedInstanceTypes"),
        on_demand_max_price_percentage_over_lowest_price: fields.count_or(
            reader,
            "OnDemandMaxPricePercentageOverLowestPrice",
            0..=1_000_000,
            20,
        ),
        spot_price_protection: match (over_lowest, of_optimal) {
            (None, Some(percent)) => SpotPriceProtection::OfOptimalOnDemandPrice(percent),
            (percent, _) => SpotPriceProtection::OverLowestPrice(percent.unwrap_or(100)),
        },
    };
    if !requirements.allowed_instance_types.is_empty() && !requirements.excluded_instance_types.is_empty() {
        let message = format!("{} has `AllowedInstanceTypes` and `ExcludedInstanceTypes`", fields.of);
        reader.refuse(Problem::new(excluded_place, message).help("leave one of them out"));
    }
    fields.finish(reader, &Shape::INSTANCE_REQUIREMENTS);
    if reader.problems.len() > problems {
        return None;
    }
    let named_otherwise = instance_type::all().iter().filter(|it| own.iter().all(|own| own.name != it.name));
    let catalogue: Vec<InstanceType> = own.iter().chain(named_otherwise).cloned().collect();
    let selected = requirements.select(&catalogue, SPOT_SHARE);
    if selected.is_empty() {
        let problem = Problem::new(node.place, format!("no instance type meets the `InstanceRequirements` of {of}"));
        reader.refuse(problem.help("those of the catalogue and of `instanceTypes` are looked at; ask for less"));
        return None;
    }
    let told = |it: &SelectedType| {
        let only = match (it.on_demand, it.spot) {
            (true, false) => ", on demand only",
            (false, _) => ", Spot only",
            _ => "",
        };
        format!("{} ({} USD an hour{only})", it.instance_type.name, it.instance_type.usd_per_hour)
    };
    let names: Vec<String> = selected.iter().map(told).collect();
    reader.note(format!("the `InstanceRequirements` of {of} come to {}", names.join(", ")));
    Some(selected)
}

/// `Min` and `Max` of a requirement.
fn range(reader: &mut Reader<'_>, fields: &mut Fields<'_>, name: &'static str) -> Range {
    let Some(entry) = fields.take_entry(name) else { return Range::default() };
    let Some(mut range) = reader.fields(&entry.node, format!("`{name}` of {}", fields.of)) else {
        return Range::default();
    };
    let bounds = Range { min: range.number(reader, "Min", 0.0..=1e9), max: range.number(reader, "Max", 0.0..=1e9) };
    if let (Some(min), Some(max)) = (bounds.min, bounds.max)
        && min > max
    {
        reader.refuse(Problem::new(
            entry.key_place,
            format!("`{name}` of {} is {min} at least and {max} at most", fields.of),
        ));
    }
    range.finish(reader, &Shape::OURS);
    bounds
}

fn words<T: Copy>(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    name: &'static str,
    words: &[(&'static str, T)],
) -> Vec<T> {
    let of = fields.of.clone();
    let nodes = fields.list(reader, name);
    let what = crate::scenario::reader::What { field: name, of: &of };
    nodes.iter().filter_map(|it| reader.word(what, it, words)).collect()
}

fn texts(reader: &mut Reader<'_>, fields: &mut Fields<'_>, name: &'static str) -> Vec<String> {
    let of = fields.of.clone();
    let nodes = fields.list(reader, name);
    let what = crate::scenario::reader::What { field: name, of: &of };
    nodes.iter().filter_map(|it| reader.text(what, it).map(str::to_owned)).collect()
}
