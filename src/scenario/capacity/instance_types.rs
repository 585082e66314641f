//! `instanceTypes`, the types that groups launch, and what they cost.

use crate::aws::auto_scaling_group::AutoScalingGroup;
use crate::aws::instance_type::{self, InstanceType};
use crate::aws::mixed_instances::LaunchTemplateOverride;
use crate::aws::price::Prices;
use crate::aws::task_definition::CpuArchitecture;
use crate::scenario::aws_fields::Shape;
use crate::scenario::capacity::Capacity;
use crate::scenario::problem::{Problem, nearest};
use crate::scenario::reader::{Reader, What};
use crate::scenario::tree::{Entry, Node, Value};
use crate::scenario::{GroupChange, TimelineChange, TimelineEntry, quantity};

impl Capacity {
    /// Gives the types of all groups what they cost in the region of these prices, with the licence where they run Windows. Those that the scenario describes itself keep their
    /// own price, unless `prices` has one for them.
    pub fn take_prices(&mut self, reader: &mut Reader<'_>, prices: &Prices) {
        let mut missing: Vec<String> = Vec::new();
        for group in self.groups.iter_mut() {
            let is_windows = group.operating_system_family.is_windows();
            for kind in group.instance_types.iter_mut().map(|it| &mut it.instance_type) {
                let is_of_region = take_price(kind, &self.instance_types, prices, is_windows);
                if !is_of_region && !missing.contains(&kind.name) {
                    missing.push(kind.name.clone());
                }
            }
        }
        note_missing_prices(reader, prices, &missing);
    }

    /// Takes the types of launch template versions that the timeline brings into their groups, with what they cost.
    pub fn take_later_types(&mut self, reader: &mut Reader<'_>, prices: &Prices, timeline: &mut [TimelineEntry]) {
        let mut missing: Vec<String> = Vec::new();
        for entry in timeline {
            let (group, template) = match &mut entry.change {
                TimelineChange::UpdateAutoScalingGroup { auto_scaling_group, launch_template, .. } => {
                    (*auto_scaling_group, launch_template)
                }
                TimelineChange::Group {
                    auto_scaling_group,
                    change: GroupChange::StartInstanceRefresh { desired_configuration, .. },
                } => (*auto_scaling_group, desired_configuration),
                _ => continue,
            };
            let Some(kind) = template.as_mut().and_then(|it| it.instance_type.as_mut()) else { continue };
            let group = &mut self.groups[group];
            let is_windows = group.operating_system_family.is_windows();
            if is_windows {
                kind.awsvpc_tasks_with_trunk = None;
            }
            let has_price = group.instance_types.iter().any(|it| it.instance_type.name == kind.name);
            if !has_price && !take_price(kind, &self.instance_types, prices, is_windows) {
                missing.push(kind.name.clone());
            }
            if !group.later_instance_types.iter().any(|it| it.instance_type == *kind) {
                group.later_instance_types.push(LaunchTemplateOverride::named(kind.clone(), 1));
            }
        }
        missing.sort_unstable();
        missing.dedup();
        note_missing_prices(reader, prices, &missing);
    }

    /// A type of the catalogue or of the scenario's own.
    pub fn instance_type(&self, reader: &mut Reader<'_>, node: &Node, of: &str) -> Option<InstanceType> {
        instance_type(reader, node, of, &self.instance_types)
    }

    /// Names of all instance types, those of the scenario's own and those of the catalogue.
    pub fn instance_type_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.instance_types.iter().map(|it| it.name.as_str()).collect();
        for name in instance_type::names() {
            names.push(name);
        }
        names
    }

    /// The types that the groups launch, each once.
    pub fn types_of_groups(&self) -> Vec<&str> {
        let mut names: Vec<&str> =
            self.groups.iter().flat_map(AutoScalingGroup::types).map(|it| it.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Takes note of the types that the timeline brings, before it is read: what EC2 has of them may be said as well.
    pub fn expect_types_of(&mut self, timeline: &Node) {
        let Value::List(entries) = &timeline.value else { return };
        let changes = entries.iter().flat_map(|it| {
            let update = it.get("updateAutoScalingGroup");
            let refresh = it.get("startInstanceRefresh").and_then(|it| it.get("DesiredConfiguration"));
            update.into_iter().chain(refresh)
        });
        let types = changes.filter_map(|it| it.get("InstanceType")).filter_map(Node::text);
        self.later_types = types.map(str::to_owned).collect();
    }

    /// Those types.
    pub fn later_types(&self) -> impl Iterator<Item = &str> {
        self.later_types.iter().map(String::as_str)
    }
}

/// An instance type that the catalogue does not have, or that a scenario wants otherwise.
pub(super) fn own_instance_type(reader: &mut Reader<'_>, entry: &Entry) -> Option<InstanceType> {
    let mut fields = reader.fields(&entry.node, format!("instance type `{}`", entry.key))?;
    let vcpu = fields.required_count(reader, "vcpu", 1..=1_024);
    fields.required(reader, "memory");
    let memory = fields.parsed(reader, "memory", |text| match quantity::memory_mib(text)? {
        mib if (1.0..=33_554_432.0).contains(&mib) => Ok(mib),
        _ => Err(format!("`{text}` is no memory of an instance: 1MiB to 32768GiB")),
    });
    let network_interfaces_maximum = fields.required_count(reader, "networkInterfaces", 1..=1_000);
    let architectures = [("x86_64", CpuArchitecture::X86_64), ("arm64", CpuArchitecture::Arm64)];
    let cpu_architecture = fields.word_or(reader, "cpuArchitecture", &architectures, CpuArchitecture::X86_64);
    let awsvpc_tasks_with_trunk = fields.count(reader, "awsvpcTasksWithTrunk", 1..=1_000);
    let gpus = fields.count_or(reader, "gpus", 0..=64, 0);
    let neuron_devices = fields.count_or(reader, "neuronDevices", 0..=64, 0);
    let registered = memory.map(|mib| instance_type::registered_memory_by_rule(mib / 1024.0));
    if let Some(registered) = registered {
        fields.derived(reader, "registeredMemory", &registered);
    }
    let said = fields.parsed(reader, "registeredMemory", quantity::task_memory);
    if !fields.has("usdPerHour") {
        reader.note(format!("{} has no `usdPerHour`: its instances cost nothing here", fields.of));
    }
    let usd_per_hour = fields.number_or(reader, "usdPerHour", 0.0..=10_000.0, 0.0);
    fields.finish(reader, &Shape::OURS);
    Some(InstanceType {
        name: entry.key.clone(),
        vcpu: vcpu?,
        memory_gib: memory? / 1024.0,
        registered_memory_mib: said.or(registered)?,
        network_interfaces_maximum: network_interfaces_maximum?,
        awsvpc_tasks_with_trunk,
        cpu_architecture,
        gpus,
        neuron_devices,
        usd_per_hour,
        license_usd_per_hour: 0.0,
        burst: None,
    })
}

/// A type of the catalogue or of the scenario's own.
pub fn instance_type(reader: &mut Reader<'_>, node: &Node, of: &str, own: &[InstanceType]) -> Option<InstanceType> {
    let name = reader.text(What { field: "InstanceType", of }, node)?;
    if let Some(found) = own.iter().find(|it| it.name == name).cloned().or_else(|| instance_type::find(name)) {
        return Some(found);
    }
    let mut problem =
        Problem::new(node.place, format!("`InstanceType` of {of} is `{name}`, which is not in the catalogue"));
    let mut known: Vec<&str> = own.iter().map(|it| it.name.as_str()).collect();
    for name in instance_type::names() {
        known.push(name);
    }
    if let Some(near) = nearest(name, known) {
        problem = problem.label(format!("did you mean `{near}`?"));
    }
    reader.refuse(problem);
    None
}

/// `CreditSpecification`: whether bursting goes on without credits. Only types that have credits can say it.
pub fn credit_specification<'k>(
    reader: &mut Reader<'_>,
    entry: &Entry,
    of: &str,
    mut kinds: impl Iterator<Item = &'k InstanceType>,
) -> Option<bool> {
    let mut fields = reader.fields(&entry.node, format!("`CreditSpecification` of {of}"))?;
    fields.required(reader, "CpuCredits");
    let is_unlimited = fields.word(reader, "CpuCredits", &[("standard", false), ("unlimited", true)]);
    fields.finish(reader, &Shape::OURS);
    let first = kinds.next()?;
    if first.burst.is_none() && kinds.all(|it| it.burst.is_none()) {
        let message = format!("{of} has a `CreditSpecification`, and {} has no CPU credits", first.name);
        let problem = Problem::new(entry.key_place, message).help("leave it out, or take a T2, T3, T3a or T4g");
        reader.refuse(problem.help("AWS says: InvalidParameterCombination"));
        return None;
    }
    is_unlimited
}

/// Gives a type its price, unless the scenario describes it itself and has none for it; whether it is one of the region.
fn take_price(kind: &mut InstanceType, own: &[InstanceType], prices: &Prices, is_windows: bool) -> bool {
    let is_own = own.iter().any(|it| it.name == kind.name);
    let mut is_of_region = true;
    if (!is_own || prices.instances.iter().any(|it| it.0 == kind.name))
        && let Some((usd_per_hour, of_region)) = prices.instance_usd_per_hour(&kind.name)
    {
        (kind.usd_per_hour, is_of_region) = (usd_per_hour, of_region);
    }
    if is_windows {
        kind.license_usd_per_hour = prices.windows_license_usd_per_hour(kind);
        kind.usd_per_hour += kind.license_usd_per_hour;
    }
    is_of_region
}

fn note_missing_prices(reader: &mut Reader<'_>, prices: &Prices, missing: &[String]) {
    if !missing.is_empty() {
        let (region, types) = (&prices.region, missing.join(", "));
        reader.note(format!(
            "there is no price of {types} in the region `{region}`: that of us-east-1 is taken; `prices.instances` can say it"
        ));
    }
}
