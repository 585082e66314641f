//! EC2 instance types: what each registers with a cluster and what it costs.

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
    /// Credits at launch: T2 has 30 a vCPU, the others none.
    pub credits_at_launch: f64,
    /// Whether bursting goes on without credits, at a price: AWS's default for T3, T3a and T4g, not for T2.
    pub unlimited: bool,
}

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
    /// Architecture.
    pub cpu_architecture: CpuArchitecture,
    /// On-Demand price of Linux in us-east-1, USD an hour.
    pub usd_per_hour: f64,
    /// Credits, of burstable types.
    pub burst: Option<Burst>,
}

impl InstanceType {
    /// CPU units that the agent registers.
    pub fn cpu_units(&self) -> u32 {
        self.vcpu * 1024
    }
}

/// TCP ports that the agent reserves on each instance (agent source, read 2026-06): SSH, Docker and its own.
pub const RESERVED_TCP_PORTS: [u16; 5] = [22, 2375, 2376, 51678, 51679];
