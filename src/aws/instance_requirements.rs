//! Attribute-based instance type selection: which types of the catalogue meet `InstanceRequirements`.
//!
//! Follows *Create a mixed instances group using attribute-based instance type selection* in the EC2 Auto Scaling guide and
//! `InstanceRequirements` of its API model (2026-08). What a type is, is read from its name (*Naming conventions* of the EC2 Instance
//! Types guide). Without a threshold for Spot AWS applies one of its own that it does not publish; here that is the former default of
//! 100 percent. Left out: local storage, EBS and network bandwidth, baseline performance factors, and the names of accelerators.

use crate::aws::instance_type::InstanceType;
use crate::aws::task_definition::CpuArchitecture;

/// Who made a type's CPU: `CpuManufacturers`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuManufacturer {
    /// `intel`
    Intel,
    /// `amd`
    Amd,
    /// `amazon-web-services`: Graviton.
    AmazonWebServices,
}

/// `InstanceGenerations`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceGeneration {
    /// `current`
    Current,
    /// `previous`
    Previous,
}

/// `BurstablePerformance` or `BareMetal`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Inclusion {
    /// `included`: with the others.
    Included,
    /// `excluded`: none of them, AWS's default.
    #[default]
    Excluded,
    /// `required`: none but them.
    Required,
}

impl Inclusion {
    fn admits(self, is_so: bool) -> bool {
        match self {
            Inclusion::Included => true,
            Inclusion::Excluded => !is_so,
            Inclusion::Required => is_so,
        }
    }
}

/// `Min` and `Max` of a number, either of which may be absent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Range {
    /// At least.
    pub min: Option<f64>,
    /// At most.
    pub max: Option<f64>,
}

impl Range {
    fn holds(self, value: f64) -> bool {
        self.min.is_none_or(|it| value >= it) && self.max.is_none_or(|it| value <= it)
    }
}

/// How much dearer than the cheapest a Spot Instance's type may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpotPriceProtection {
    /// `SpotMaxPricePercentageOverLowestPrice`: percent above the Spot price of the cheapest; 100 where nothing is said.
    OverLowestPrice(u32),
    /// `MaxSpotPriceAsPercentageOfOptimalOnDemandPrice`: its Spot price in percent of the cheapest one's price on demand.
    OfOptimalOnDemandPrice(u32),
}

/// `InstanceRequirements` of an override.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceRequirements {
    /// `VCpuCount`
    pub vcpu_count: Range,
    /// `MemoryMiB`
    pub memory_mib: Range,
    /// `MemoryGiBPerVCpu`
    pub memory_gib_per_vcpu: Range,
    /// `NetworkInterfaceCount`
    pub network_interface_count: Range,
    /// `AcceleratorCount`
    pub accelerator_count: Range,
    /// `CpuManufacturers`; any where it is empty.
    pub cpu_manufacturers: Vec<CpuManufacturer>,
    /// `InstanceGenerations`; any where it is empty.
    pub instance_generations: Vec<InstanceGeneration>,
    /// `BurstablePerformance`
    pub burstable_performance: Inclusion,
    /// `BareMetal`
    pub bare_metal: Inclusion,
    /// `AllowedInstanceTypes`, with `*` for any text; all where it is empty.
    pub allowed_instance_types: Vec<String>,
    /// `ExcludedInstanceTypes`, in the same way.
    pub excluded_instance_types: Vec<String>,
    /// `OnDemandMaxPricePercentageOverLowestPrice`; AWS's default is 20.
    pub on_demand_max_price_percentage_over_lowest_price: u32,
    /// Of Spot Instances.
    pub spot_price_protection: SpotPriceProtection,
}

/// A type that meets requirements.
#[derive(Clone, Debug, PartialEq)]
pub struct SelectedType {
    /// The type.
    pub instance_type: InstanceType,
    /// Whether price protection lets it be launched on demand, and as Spot.
    pub on_demand: bool,
    /// See there.
    pub spot: bool,
}

impl InstanceRequirements {
    /// The types that meet the requirements and that price protection leaves for one of the purchase options at least, the cheapest
    /// first. A Spot Instance is taken to cost `spot_share` of the price on demand.
    ///
    /// The image decides the architecture: it is taken to be ARM64 where all the manufacturers are Amazon, and else x86.
    pub fn select(&self, catalogue: &[InstanceType], spot_share: f64) -> Vec<SelectedType> {
        let mut matching: Vec<&InstanceType> = catalogue.iter().filter(|it| self.are_met_by(it)).collect();
        matching.sort_by(|one, other| {
            one.usd_per_hour.total_cmp(&other.usd_per_hour).then_with(|| one.name.cmp(&other.name))
        });
        let Some(lowest) = identified_price(&matching) else { return Vec::new() };
        let on_demand_most = lowest * (1.0 + f64::from(self.on_demand_max_price_percentage_over_lowest_price) / 100.0);
        let spot_most = match self.spot_price_protection {
            SpotPriceProtection::OverLowestPrice(percent) => lowest * spot_share * (1.0 + f64::from(percent) / 100.0),
            SpotPriceProtection::OfOptimalOnDemandPrice(percent) => lowest * f64::from(percent) / 100.0,
        };
        let of = |it: &InstanceType| SelectedType {
            instance_type: it.clone(),
            on_demand: it.usd_per_hour <= on_demand_most + 1e-12,
            spot: it.usd_per_hour * spot_share <= spot_most + 1e-12,
        };
        matching.into_iter().map(of).filter(|it| it.on_demand || it.spot).collect()
    }

    fn are_met_by(&self, kind: &InstanceType) -> bool {
        let (family, name) = (Family::of(&kind.name), kind.name.as_str());
        let is_arm = !self.cpu_manufacturers.is_empty()
            && self.cpu_manufacturers.iter().all(|it| *it == CpuManufacturer::AmazonWebServices);
        let memory_mib = kind.memory_gib * 1024.0;
        self.vcpu_count.holds(f64::from(kind.vcpu))
            && self.memory_mib.holds(memory_mib)
            && self.memory_gib_per_vcpu.holds(kind.memory_gib / f64::from(kind.vcpu))
            && self.network_interface_count.holds(f64::from(kind.network_interfaces_maximum))
            && self.accelerator_count.holds(f64::from(kind.gpus))
            && (kind.cpu_architecture == CpuArchitecture::Arm64) == is_arm
            && (self.cpu_manufacturers.is_empty() || self.cpu_manufacturers.contains(&family.cpu_manufacturer()))
            && (self.instance_generations.is_empty() || self.instance_generations.contains(&family.generation()))
            && self.burstable_performance.admits(kind.burst.is_some())
            && self.bare_metal.admits(name.contains(".metal"))
            && (self.allowed_instance_types.is_empty()
                || self.allowed_instance_types.iter().any(|it| is_like(it, name)))
            && !self.excluded_instance_types.iter().any(|it| is_like(it, name))
    }
}

/// The price that price protection counts from: of the cheapest current C, M or R type, else of the cheapest current one, else of the
/// cheapest. `matching` is in the order of prices.
fn identified_price(matching: &[&InstanceType]) -> Option<f64> {
    let is_current = |it: &&&InstanceType| Family::of(&it.name).generation() == InstanceGeneration::Current;
    let is_common = |it: &&&InstanceType| is_current(it) && matches!(Family::of(&it.name).series, "c" | "m" | "r");
    let found = matching.iter().find(is_common).or_else(|| matching.iter().find(is_current));
    found.or_else(|| matching.first()).map(|it| it.usd_per_hour)
}

/// What stands before the dot of a type's name: `m6g` is series m, number 6 and the attributes g.
struct Family<'n> {
    series: &'n str,
    number: &'n str,
    attributes: &'n str,
}

/// Families of former generations (*Previous generation instances*).
const PREVIOUS: [&str; 16] =
    ["a1", "c1", "c3", "c4", "d2", "g2", "g3", "i2", "m1", "m2", "m3", "m4", "p2", "r3", "r4", "t1"];

impl Family<'_> {
    fn of(name: &str) -> Family<'_> {
        let family = name.split('.').next().unwrap_or(name);
        let digits = family.find(|it: char| it.is_ascii_digit()).unwrap_or(family.len());
        let (series, rest) = family.split_at(digits);
        let end = rest.find(|it: char| !it.is_ascii_digit()).unwrap_or(rest.len());
        let (number, attributes) = rest.split_at(end);
        Family { series, number, attributes }
    }

    fn cpu_manufacturer(&self) -> CpuManufacturer {
        // G5 has AMD's, and does not say so; all A1 are Graviton.
        match (self.series, self.number) {
            ("g", "5") if self.attributes.is_empty() => return CpuManufacturer::Amd,
            ("a", "1") => return CpuManufacturer::AmazonWebServices,
            _ => {}
        }
        match self.attributes.as_bytes().first() {
            Some(b'g') => CpuManufacturer::AmazonWebServices,
            Some(b'a') => CpuManufacturer::Amd,
            _ => CpuManufacturer::Intel,
        }
    }

    fn generation(&self) -> InstanceGeneration {
        let is_previous = PREVIOUS.iter().any(|it| it.strip_prefix(self.series) == Some(self.number));
        if is_previous { InstanceGeneration::Previous } else { InstanceGeneration::Current }
    }
}

/// Whether a name is like a pattern in which `*` stands for any text, as in `m5.8xlarge`, `c5*.*`, `m5a.*`, `r*` and `*3*`.
fn is_like(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::instance_type::all;

    fn requirements(vcpu: (u32, u32), memory_gib: (u32, u32)) -> InstanceRequirements {
        let range = |(min, max): (u32, u32), unit: f64| Range {
            min: Some(f64::from(min) * unit),
            max: Some(f64::from(max) * unit),
        };
        InstanceRequirements {
            vcpu_count: range(vcpu, 1.0),
            memory_mib: range(memory_gib, 1024.0),
            memory_gib_per_vcpu: Range::default(),
            network_interface_count: Range::default(),
            accelerator_count: Range::default(),
            cpu_manufacturers: Vec::new(),
            instance_generations: Vec::new(),
            burstable_performance: Inclusion::Excluded,
            bare_metal: Inclusion::Excluded,
            allowed_instance_types: Vec::new(),
            excluded_instance_types: Vec::new(),
            on_demand_max_price_percentage_over_lowest_price: 20,
            spot_price_protection: SpotPriceProtection::OverLowestPrice(100),
        }
    }

    fn names(requirements: &InstanceRequirements, is_wanted: fn(&SelectedType) -> bool) -> Vec<String> {
        let selected = requirements.select(all(), 0.35);
        selected.into_iter().filter(is_wanted).map(|it| it.instance_type.name).collect()
    }

    #[test]
    fn types_are_selected_by_their_attributes() {
        let two = requirements((2, 2), (8, 8));
        let on_demand = names(&two, |it| it.on_demand);
        let expected = ["m6a.large", "m7i-flex.large", "m5.large", "m6i.large", "m7i.large"];
        assert_eq!(on_demand, expected, "no burstable one, none of ARM64");
        let burstable = InstanceRequirements { burstable_performance: Inclusion::Required, ..two.clone() };
        assert_eq!(names(&burstable, |_| true), ["t3a.large", "t3.large", "t2.large"]);
        let graviton =
            InstanceRequirements { cpu_manufacturers: vec![CpuManufacturer::AmazonWebServices], ..two.clone() };
        assert_eq!(names(&graviton, |it| it.on_demand), ["m6g.large", "m7g.large"]);
        let amd = InstanceRequirements { cpu_manufacturers: vec![CpuManufacturer::Amd], ..two.clone() };
        assert_eq!(names(&amd, |it| it.on_demand), ["m6a.large"]);
        let allowed = InstanceRequirements { allowed_instance_types: vec!["m5.*".to_owned()], ..two.clone() };
        assert_eq!(names(&allowed, |_| true), ["m5.large"]);
        let excluded =
            InstanceRequirements { excluded_instance_types: vec!["m*i*".to_owned(), "m6a.*".to_owned()], ..two };
        assert_eq!(names(&excluded, |it| it.on_demand), ["m5.large"]);
    }

    /// `OnDemandMaxPricePercentageOverLowestPrice`, 20 by default, counts from the cheapest current C, M or R type.
    #[test]
    fn price_protection_leaves_out_what_is_much_dearer() {
        // The cheapest that matches is a C type with two vCPUs and 4 GiB.
        let wide = requirements((2, 4), (4, 32));
        let all = wide.select(all(), 0.35);
        let lowest = all[0].instance_type.usd_per_hour;
        assert_eq!(lowest, 0.085);
        for it in &all {
            assert_eq!(it.on_demand, it.instance_type.usd_per_hour <= 1.2 * lowest + 1e-12, "{it:?}");
            assert_eq!(it.spot, it.instance_type.usd_per_hour <= 2.0 * lowest + 1e-12, "{it:?}");
        }
        let off = InstanceRequirements {
            on_demand_max_price_percentage_over_lowest_price: 999_999,
            spot_price_protection: SpotPriceProtection::OfOptimalOnDemandPrice(50),
            ..wide
        };
        let loose = off.select(crate::aws::instance_type::all(), 0.35);
        assert!(loose.len() > all.len() && loose.iter().all(|it| it.on_demand));
        for it in &loose {
            assert_eq!(it.spot, it.instance_type.usd_per_hour * 0.35 <= 0.5 * lowest + 1e-12, "{it:?}");
        }
    }

    #[test]
    fn names_say_what_a_type_is() {
        for (name, maker, generation) in [
            ("m5.large", CpuManufacturer::Intel, InstanceGeneration::Current),
            ("m7i-flex.large", CpuManufacturer::Intel, InstanceGeneration::Current),
            ("t3a.large", CpuManufacturer::Amd, InstanceGeneration::Current),
            ("c7g.large", CpuManufacturer::AmazonWebServices, InstanceGeneration::Current),
            ("t4g.large", CpuManufacturer::AmazonWebServices, InstanceGeneration::Current),
            ("g4dn.xlarge", CpuManufacturer::Intel, InstanceGeneration::Current),
            ("g5.xlarge", CpuManufacturer::Amd, InstanceGeneration::Current),
            ("g2.2xlarge", CpuManufacturer::Intel, InstanceGeneration::Previous),
        ] {
            let family = Family::of(name);
            assert_eq!((family.cpu_manufacturer(), family.generation()), (maker, generation), "{name}");
        }
        for (pattern, name, is_so) in [
            ("m5.8xlarge", "m5.8xlarge", true),
            ("c5*.*", "c5n.large", true),
            ("m5a.*", "m5.large", false),
            ("r*", "r6g.large", true),
            ("*3*", "t3.large", true),
            ("*3*", "t2.large", false),
            ("m5.large", "m5.large2", false),
        ] {
            assert_eq!(is_like(pattern, name), is_so, "{pattern} {name}");
        }
    }
}
