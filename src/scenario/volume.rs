//! EBS volumes: `rootVolume` and `BlockDeviceMappings` of groups, `managedEBSVolume` of tasks; and the cluster's `natGateways`.

use crate::aws::auto_scaling_group::AvailabilityZone;
use crate::aws::nat_gateway::NatGateways;
use crate::aws::operating_system::OperatingSystemFamily;
use crate::aws::volume::{EbsVolume, ROOT_VOLUME_GIB, VolumeType, WINDOWS_ROOT_VOLUME_GIB};
use crate::scenario::aws_fields::Shape;
use crate::scenario::problem::Problem;
use crate::scenario::quantity;
use crate::scenario::reader::{Fields, Reader, What};
use crate::scenario::subnet::Subnets;
use crate::scenario::tree::Value;
use crate::table::Table;

/// Names of the root device in AMIs.
const ROOT_DEVICES: [&str; 2] = ["/dev/xvda", "/dev/sda1"];

/// Most GiB of a volume.
const SIZE_MAXIMUM: u32 = 65_536;

/// `rootVolume` and `BlockDeviceMappings` of a group.
pub fn of_group(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    operating_system_family: OperatingSystemFamily,
) -> Vec<EbsVolume> {
    let is_windows = operating_system_family.is_windows();
    let root_gib = if is_windows { WINDOWS_ROOT_VOLUME_GIB } else { ROOT_VOLUME_GIB };
    let place = fields.place_of("rootVolume");
    if !fields.has("BlockDeviceMappings") {
        let usual = format!("{root_gib}GiB");
        match is_windows {
            true => fields.derived(reader, "rootVolume", usual.as_str()),
            false => fields.usual(reader, "rootVolume", usual.as_str()),
        }
    }
    let said = fields.parsed(reader, "rootVolume", |text| {
        let gib = quantity::memory_mib(text)? / 1024.0;
        match gib.fract() == 0.0 && (1.0..=f64::from(SIZE_MAXIMUM)).contains(&gib) {
            true => Ok(gib as u32),
            false => Err(format!("`{text}` is no size of a volume: whole GiB, 1GiB to {SIZE_MAXIMUM}GiB")),
        }
    });
    let mut volumes = vec![EbsVolume::gp3(said.unwrap_or(root_gib))];
    for node in fields.list(reader, "BlockDeviceMappings") {
        let Some(mut mapping) = reader.fields(node, format!("a block device mapping of {}", fields.of)) else {
            continue;
        };
        mapping.required(reader, "DeviceName");
        let device = mapping.text(reader, "DeviceName");
        let ebs = mapping.map(reader, "Ebs");
        let of = mapping.of.clone();
        mapping.finish(reader, &Shape::BLOCK_DEVICE_MAPPING);
        let Some(mut ebs) = ebs else { continue };
        let is_root = device.is_some_and(|it| ROOT_DEVICES.contains(&it));
        let size = ebs.count(reader, "VolumeSize", 1..=SIZE_MAXIMUM);
        let volume_type = ebs.word_or(reader, "VolumeType", &VolumeType::WORDS, VolumeType::default());
        let iops = ebs.count(reader, "Iops", 100..=256_000);
        let throughput_mibps = ebs.count(reader, "Throughput", 125..=2_000);
        ebs.finish(reader, &Shape::EBS_BLOCK_DEVICE);
        if is_root && said.is_some() {
            let problem = Problem::new(node.place, format!("{of} is of the root volume, which has a `rootVolume`"));
            reader.refuse(problem.related(place, "this one").help("leave one of them out"));
        }
        let Some(size_gib) = size.or(is_root.then_some(root_gib)) else {
            reader.note(format!("{of} has no `VolumeSize`: it costs nothing here"));
            continue;
        };
        let volume = EbsVolume { volume_type, size_gib, iops, throughput_mibps };
        match is_root {
            true => volumes[0] = volume,
            false => volumes.push(volume),
        }
    }
    volumes
}

/// `managedEBSVolume` of a volume configuration; `None` where its size is that of a snapshot, which is not known here.
pub fn managed(reader: &mut Reader<'_>, mut fields: Fields<'_>) -> Option<EbsVolume> {
    let size = fields.count(reader, "sizeInGiB", 1..=16_384);
    let volume_type = fields.word_or(reader, "volumeType", &VolumeType::WORDS, VolumeType::default());
    let iops = fields.count(reader, "iops", 100..=256_000);
    let throughput_mibps = fields.count(reader, "throughput", 125..=2_000);
    if size.is_none() && !fields.has("sizeInGiB") {
        reader.note(format!("{} has no `sizeInGiB`: its volumes cost nothing here", fields.of));
    }
    fields.finish(reader, &Shape::MANAGED_EBS_VOLUME);
    Some(EbsVolume { volume_type, size_gib: size?, iops, throughput_mibps })
}

/// `natGateways` of the cluster: none where it says nothing.
pub fn nat_gateways(
    reader: &mut Reader<'_>,
    cluster: &mut Fields<'_>,
    zones: &Table<AvailabilityZone>,
    subnets: &Subnets,
) -> Option<NatGateways> {
    let node = cluster.take("natGateways").filter(|it| !matches!(it.value, Value::Null))?;
    let mut fields = reader.fields(node, "`natGateways` of `cluster`")?;
    let place = fields.place_of("subnets");
    let says_subnets = fields.has("subnets");
    let of = fields.of.clone();
    let mut of_them = Vec::new();
    let named = fields.list(reader, "subnets");
    for item in named {
        of_them.extend(reader.reference(What { field: "subnets", of: &of }, item, &subnets.names));
    }
    if says_subnets && named.is_empty() {
        let problem = Problem::new(place, format!("`subnets` of {of} names none"));
        reader.refuse(problem.help("leave it out where every subnet's route leads through a NAT gateway"));
    }
    let mut in_zones: Vec<_> = of_them.iter().map(|it| subnets.table[*it].availability_zone).collect();
    in_zones.sort_unstable();
    in_zones.dedup();
    let one_a_zone = if says_subnets { in_zones.len() } else { zones.len() } as u32;
    fields.derived(reader, "number", &one_a_zone);
    let number = fields.count(reader, "number", 1..=1_000).unwrap_or(one_a_zone);
    fields.finish(reader, &Shape::OURS);
    Some(NatGateways { number, subnets: says_subnets.then_some(of_them) })
}
