//! EC2 instance types: what each registers with a cluster and what it costs.

use std::sync::OnceLock;

use serde::Deserialize;

use crate::aws::task_definition::CpuArchitecture;

/// CPU credits of a burstable type (EC2 User Guide, *Key concepts for burstable performance instances*).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Burst {
    /// Share of each vCPU that can be used for ever, 0 to 1.
    pub baseline: f64,
    /// Credits (vCPU-minutes) earned in an hour.
    pub credits_per_hour: f64,
    /// Most credits that are kept: a day's earnings.
    pub credits_maximum: f64,
    /// Credits at launch: T2 in standard mode has 30 a vCPU, the others none.
    pub credits_at_launch: f64,
    /// Whether bursting goes on without credits, at a price (`CpuCredits: unlimited`): AWS's default for T3, T3a and T4g, not for T2.
    pub unlimited: bool,
}

/// Credits that T2 has at launch in standard mode, a vCPU.
const LAUNCH_CREDITS_OF_A_VCPU: f64 = 30.0;

/// An EC2 instance type.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceType {
    /// Name, such as `m5.large`.
    pub name: String,
    /// vCPUs; each is 1024 CPU units.
    pub vcpu: u32,
    /// Advertised memory, GiB.
    pub memory_gib: f64,
    /// MiB that the agent registers: what the operating system sees, before `ECS_RESERVED_MEMORY`.
    pub registered_memory_mib: u32,
    /// Most network interfaces, the primary included.
    pub network_interfaces_maximum: u32,
    /// Tasks of network mode `awsvpc` with the account setting `awsvpcTrunking`, where it supports the type.
    pub awsvpc_tasks_with_trunk: Option<u32>,
    /// Architecture.
    pub cpu_architecture: CpuArchitecture,
    /// GPUs.
    pub gpus: u32,
    /// AWS Trainium or Inferentia chips, each a device `/dev/neuronN`.
    pub neuron_devices: u32,
    /// On-Demand price of Linux in us-east-1, USD an hour.
    pub usd_per_hour: f64,
    /// What of that is the licence of Windows, USD an hour, which Spot does not make cheaper; 0 on Linux.
    pub license_usd_per_hour: f64,
    /// Credits, of burstable types.
    pub burst: Option<Burst>,
}

impl InstanceType {
    /// CPU units that the agent registers.
    pub fn cpu_units(&self) -> u32 {
        self.vcpu * 1024
    }

    /// Most network interfaces: with a trunk those of its tasks, the primary one and the trunk (developer guide, *Increasing
    /// Amazon ECS Linux container instance network interfaces*).
    pub fn network_interfaces(&self, awsvpc_trunking: bool) -> u32 {
        match self.awsvpc_tasks_with_trunk.filter(|_| awsvpc_trunking) {
            Some(tasks) => tasks + 2,
            None => self.network_interfaces_maximum,
        }
    }

    /// Tasks of network mode `awsvpc`, each with an interface of its own, on one instance.
    pub fn awsvpc_tasks(&self, awsvpc_trunking: bool) -> u32 {
        let own = if self.has_trunk(awsvpc_trunking) { 2 } else { 1 };
        self.network_interfaces(awsvpc_trunking).saturating_sub(own)
    }

    /// `CreditSpecification`: whether bursting goes on without credits. Only T2 in standard mode has credits at launch (EC2 User Guide,
    /// *Standard mode for burstable performance instances*). Nothing where the type has no credits.
    pub fn specify_credits(&mut self, is_unlimited: bool) {
        let is_t2 = self.name.starts_with("t2.");
        let vcpu = f64::from(self.vcpu);
        if let Some(burst) = &mut self.burst {
            burst.unlimited = is_unlimited;
            burst.credits_at_launch = if is_t2 && !is_unlimited { LAUNCH_CREDITS_OF_A_VCPU * vcpu } else { 0.0 };
        }
    }

    /// Whether an instance that is launched under this account setting gets a trunk.
    pub fn has_trunk(&self, awsvpc_trunking: bool) -> bool {
        awsvpc_trunking && self.awsvpc_tasks_with_trunk.is_some()
    }
}

/// MiB that an instance of so much memory registers, where nobody has measured it: 0.93 of it below 8 GiB, 0.955 from there, as of
/// the types that were measured.
pub fn registered_memory_by_rule(memory_gib: f64) -> u32 {
    let share = if memory_gib < 8.0 { 0.93 } else { 0.955 };
    (memory_gib * 1024.0 * share).floor() as u32
}

/// TCP ports that the agent reserves on each instance (agent source, read 2026-06): SSH, Docker and its own.
pub const RESERVED_TCP_PORTS: [u16; 5] = [22, 2375, 2376, 51678, 51679];

/// The port of the agent's own metrics: it registers none of it, and no task may have it (agent source, read 2026-06).
pub const AGENT_METRICS_PORT: u16 = 51680;

const TABLE: &str = include_str!("instance_types.csv");

/// The type of this name.
pub fn find(name: &str) -> Option<InstanceType> {
    all().iter().find(|it| it.name == name).cloned()
}

/// The names of all types, in the table's order.
pub fn names() -> impl Iterator<Item = &'static str> {
    all().iter().map(|it| it.name.as_str())
}

/// All types, in the table's order.
pub fn all() -> &'static [InstanceType] {
    static ALL: OnceLock<Vec<InstanceType>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut rows = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(TABLE.as_bytes());
        rows.deserialize()
            .map(|row: Result<Row, _>| row.expect("the table of instance types is sound").into())
            .collect()
    })
}

/// A row of the table.
#[derive(Deserialize)]
struct Row {
    name: String,
    vcpu: u32,
    memory_gib: f64,
    registered_memory_mib: u32,
    network_interfaces_maximum: u32,
    awsvpc_tasks_with_trunk: Option<u32>,
    cpu_architecture: String,
    gpus: u32,
    neuron_devices: u32,
    usd_per_hour: f64,
    baseline_percent: Option<f64>,
    credits_per_hour: Option<f64>,
    credits_maximum: Option<f64>,
    #[allow(dead_code, reason = "it is there for people, and a test asks for it")]
    source: String,
}

impl From<Row> for InstanceType {
    fn from(row: Row) -> InstanceType {
        let is_t2 = row.name.starts_with("t2.");
        let burst = row.baseline_percent.map(|baseline| Burst {
            baseline: baseline / 100.0,
            credits_per_hour: row.credits_per_hour.expect("a burstable type earns credits"),
            credits_maximum: row.credits_maximum.expect("a burstable type keeps credits"),
            credits_at_launch: if is_t2 { LAUNCH_CREDITS_OF_A_VCPU * f64::from(row.vcpu) } else { 0.0 },
            unlimited: !is_t2,
        });
        InstanceType {
            vcpu: row.vcpu,
            memory_gib: row.memory_gib,
            registered_memory_mib: row.registered_memory_mib,
            network_interfaces_maximum: row.network_interfaces_maximum,
            awsvpc_tasks_with_trunk: row.awsvpc_tasks_with_trunk,
            gpus: row.gpus,
            neuron_devices: row.neuron_devices,
            cpu_architecture: match row.cpu_architecture.as_str() {
                "arm64" => CpuArchitecture::Arm64,
                _ => CpuArchitecture::X86_64,
            },
            usd_per_hour: row.usd_per_hour,
            license_usd_per_hour: 0.0,
            burst,
            name: row.name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_sane_and_has_its_source() {
        let mut rows = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(TABLE.as_bytes());
        let rows: Vec<Row> = rows.deserialize().collect::<Result<_, _>>().expect("the table is sound");
        assert!(rows.len() > 60);
        for row in rows {
            let name = &row.name;
            assert!(row.vcpu > 0 && row.usd_per_hour > 0.0 && row.network_interfaces_maximum >= 2, "{name}");
            assert!(
                f64::from(row.registered_memory_mib) < row.memory_gib * 1024.0,
                "{name} registers less than it has"
            );
            assert!(f64::from(row.registered_memory_mib) > row.memory_gib * 1024.0 * 0.85, "{name}");
            let more = row.awsvpc_tasks_with_trunk.is_none_or(|it| it >= row.network_interfaces_maximum);
            assert!(more, "{name}: a trunk is for more tasks");
            assert!(["x86_64", "arm64"].contains(&row.cpu_architecture.as_str()), "{name}");
            assert!(!row.source.is_empty(), "{name}");
            let is_neuron = ["inf", "trn"].iter().any(|it| name.starts_with(it));
            assert_eq!(row.neuron_devices > 0, is_neuron, "{name}");
            if let Some(baseline) = row.baseline_percent {
                let earned = baseline / 100.0 * f64::from(row.vcpu) * 60.0;
                assert!((earned - row.credits_per_hour.expect("credits")).abs() < 0.7, "{name} earns {earned}");
                let kept = row.credits_per_hour.expect("credits") * 24.0;
                assert!((kept - row.credits_maximum.expect("credits")).abs() < 1.0, "{name} keeps a day's earnings");
            }
        }
        let mut sorted: Vec<&str> = names().collect();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), names().count(), "no type stands twice");
    }

    #[test]
    fn memory_by_rule() {
        let neuron = ["inf1.xlarge", "inf2.48xlarge", "trn1.2xlarge"];
        for name in ["t2.nano", "t2.medium", "t2.large", "t2.2xlarge", "g2.2xlarge"].into_iter().chain(neuron) {
            let it = find(name).expect("the type is there");
            assert_eq!(registered_memory_by_rule(it.memory_gib), it.registered_memory_mib, "{name}");
        }
    }

    #[test]
    fn figures_of_some_types() {
        let m5 = find("m5.large").expect("m5.large is there");
        assert_eq!((m5.cpu_units(), m5.registered_memory_mib, m5.usd_per_hour), (2048, 7811, 0.096));
        assert_eq!(
            find("t2.small").and_then(|it| it.burst).map(|it| (it.credits_at_launch, it.unlimited)),
            Some((30.0, false))
        );
        assert_eq!(find("t4g.medium").map(|it| it.cpu_architecture), Some(CpuArchitecture::Arm64));
        assert_eq!(find("m5.lage"), None);
    }
}
