//! Prices, from dated data files that a scenario may override, and how AWS bills by them.
//!
//! A month has 730 hours. Reserved capacity, Savings Plans, the free tier, taxes and what leaves for the internet are left out.

use serde::Deserialize;

use crate::aws::fargate::{EPHEMERAL_STORAGE_GIB, FargateCapacity};
use crate::aws::instance_type::InstanceType;
use crate::aws::load_balancer::{ListenerProtocol, LoadBalancerType};
use crate::aws::operating_system::RuntimePlatform;
use crate::aws::pipeline::ComputeType;
use crate::aws::task_definition::CpuArchitecture;
use crate::aws::volume::{EbsVolume, VolumePrice, VolumeType};
use crate::units::Span;

/// Hours of a month, as AWS's calculators and pricing pages count them.
pub const HOURS_PER_MONTH: f64 = 730.0;

/// How CloudWatch bills an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlarmKind {
    /// Of a period of a minute or more.
    Standard,
    /// Of a shorter period.
    HighResolution,
    /// Of other alarms.
    Composite,
}

impl AlarmKind {
    /// That of an alarm on a metric, by its period.
    pub fn of_period(period: Span) -> AlarmKind {
        if period < Span::MINUTE { AlarmKind::HighResolution } else { AlarmKind::Standard }
    }
}

/// Metrics of a cluster that Container Insights publishes (CloudWatch pricing, examples).
pub const CONTAINER_INSIGHTS_METRICS_OF_CLUSTER: u64 = 8;
/// Those of a service.
pub const CONTAINER_INSIGHTS_METRICS_OF_SERVICE: u64 = 11;
/// Those of a task definition family; with enhanced observability each task has as many besides.
pub const CONTAINER_INSIGHTS_METRICS_OF_FAMILY: u64 = 6;
/// Metrics of a cluster's container instances together that CloudWatch agents on them publish (*Amazon ECS Container Insights
/// metrics*, by `ClusterName`).
pub const INSTANCE_LEVEL_METRICS_OF_CLUSTER: u64 = 11;
/// Those of each container instance (by `InstanceId` and `ContainerInstanceId` besides).
pub const INSTANCE_LEVEL_METRICS_OF_INSTANCE: u64 = 7;
/// Metrics that EC2 sends for an instance with detailed monitoring, each billed as a custom metric (CloudWatch pricing).
pub const DETAILED_MONITORING_METRICS: u64 = 7;

/// How many custom metrics cost each of the prices, beginning with the first.
const METRIC_TIERS: [u64; 4] = [10_000, 240_000, 750_000, u64::MAX];

/// Prices of everything that is billed but the instances themselves, in USD.
#[derive(Clone, Debug, PartialEq)]
pub struct Prices {
    /// The day the figures were read, `yyyy-mm-dd`.
    pub date: String,
    /// Region.
    pub region: String,
    /// What a Spot Instance costs where its pool says nothing, as a share of the price on demand, 0 to 1: 0.35.
    pub spot_share: f64,
    /// An Application Load Balancer, an hour or part of one.
    pub load_balancer_hour: f64,
    /// A load balancer capacity unit, an hour.
    pub load_balancer_capacity_unit_hour: f64,
    /// A Network Load Balancer, an hour or part of one.
    pub network_load_balancer_hour: f64,
    /// A Network Load Balancer's capacity unit, an hour.
    pub network_load_balancer_capacity_unit_hour: f64,
    /// A Classic Load Balancer, an hour or part of one.
    pub classic_load_balancer_hour: f64,
    /// A GB that a Classic Load Balancer transfers.
    pub classic_load_balancer_gb: f64,
    /// A vCPU of a Fargate task on X86_64, an hour.
    pub fargate_vcpu_hour: f64,
    /// A GB of its memory, an hour.
    pub fargate_gb_hour: f64,
    /// A vCPU of a Fargate task on ARM64, an hour.
    pub fargate_arm_vcpu_hour: f64,
    /// A GB of its memory, an hour.
    pub fargate_arm_gb_hour: f64,
    /// A vCPU of a Fargate task on Windows, an hour, without its licence.
    pub fargate_windows_vcpu_hour: f64,
    /// A GB of its memory, an hour.
    pub fargate_windows_gb_hour: f64,
    /// The licence for each of its vCPUs, an hour.
    pub fargate_windows_license_vcpu_hour: f64,
    /// The licence for each vCPU of an instance that runs Windows, an hour; without it the tables have it.
    pub windows_license_vcpu_hour: Option<f64>,
    /// Surplus CPU credits of T2, T3 and T3a, a vCPU for an hour, which 60 credits are.
    pub cpu_credits_vcpu_hour: f64,
    /// The same of T4g.
    pub cpu_credits_arm_vcpu_hour: f64,
    /// The same of instances that run Windows.
    pub cpu_credits_windows_vcpu_hour: f64,
    /// A GB of a Fargate task's ephemeral storage above the first 20, an hour.
    pub fargate_storage_gb_hour: f64,
    /// What Fargate Spot takes for vCPUs and memory, as a share of the price on demand, 0 to 1. It moves slowly.
    pub fargate_spot_share: f64,
    /// A NAT gateway, an hour or part of one.
    pub nat_gateway_hour: f64,
    /// A GB that goes through it.
    pub nat_gateway_gb: f64,
    /// A minute of a build of CodeBuild, by compute type in the order of [`ComputeType`].
    pub build_minute: [f64; 3],
    /// A metric of a standard alarm, a month.
    pub alarm_month: f64,
    /// A metric of an alarm of a period below a minute, a month.
    pub high_resolution_alarm_month: f64,
    /// A composite alarm, a month.
    pub composite_alarm_month: f64,
    /// A custom metric a month: of the first 10 000, the next 240 000, the next 750 000 and all above.
    pub metric_month: [f64; 4],
    /// EBS volumes, in the order of [`VolumeType::WORDS`].
    pub volumes: [VolumePrice; 7],
    /// On-Demand prices of instance types that the scenario sets, USD an hour.
    pub instances: Vec<(String, f64)>,
}

/// No average of Spot prices is published; those of common types are about a third.
pub const SPOT_SHARE: f64 = 0.35;

const TABLE: &str = include_str!("prices.csv");
const INSTANCES: &str = include_str!("instance_prices.csv");
const VOLUMES: &str = include_str!("volume_prices.csv");
const WINDOWS_LICENSES: &str = include_str!("windows_licenses.csv");

/// What the Windows licence of an instance costs, USD a vCPU and hour, where the table has nothing else (EC2 User Guide, *Optimize CPUs for
/// License-Included instances*).
const WINDOWS_LICENSE_VCPU_HOUR: f64 = 0.046;

/// What surplus CPU credits cost in every region, USD a vCPU-hour (EC2 On-Demand pricing, *T2/T3/T4g Unlimited Mode Pricing*).
const CPU_CREDITS_VCPU_HOUR: f64 = 0.05;
const CPU_CREDITS_ARM_VCPU_HOUR: f64 = 0.04;
const CPU_CREDITS_WINDOWS_VCPU_HOUR: f64 = 0.096;

/// Credits that a vCPU spends in an hour.
const CREDITS_PER_VCPU_HOUR: f64 = 60.0;

/// A row of the table of instances' prices.
#[derive(Deserialize)]
struct InstanceRow {
    region: String,
    name: String,
    usd_per_hour: f64,
}

/// A row of the table of licences.
#[derive(Deserialize)]
struct LicenseRow {
    name: String,
    usd_per_hour: f64,
}

/// A row of the table of volumes' prices.
#[derive(Deserialize)]
struct VolumeRow {
    region: String,
    volume_type: String,
    gb_month: f64,
    iops_month: f64,
    throughput_month: f64,
}

fn rows_of<T: serde::de::DeserializeOwned>(table: &str) -> Vec<T> {
    let mut rows = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(table.as_bytes());
    rows.deserialize().map(|row| row.expect("a table that is built in is sound")).collect()
}

/// The On-Demand price of an instance type in a region, USD an hour; `None` where the tables have none for it. Those of us-east-1
/// are in the catalogue of types.
pub fn instance_usd_per_hour(region: &str, instance_type: &str) -> Option<f64> {
    if region == "us-east-1" {
        return crate::aws::instance_type::find(instance_type).map(|it| it.usd_per_hour);
    }
    let rows: Vec<InstanceRow> = rows_of(INSTANCES);
    rows.into_iter().find(|it| it.region == region && it.name == instance_type).map(|it| it.usd_per_hour)
}

/// What EBS volumes cost in a region, in the order of [`VolumeType::WORDS`]; a type that it does not have costs what it costs in
/// us-east-1.
fn volume_prices(region: &str) -> [VolumePrice; 7] {
    let rows: Vec<VolumeRow> = rows_of(VOLUMES);
    VolumeType::WORDS.map(|(word, _)| {
        let of = |region: &str| rows.iter().find(|it| it.region == region && it.volume_type == word);
        let row = of(region).or_else(|| of("us-east-1")).expect("the table has every type in us-east-1");
        VolumePrice { gb_month: row.gb_month, iops_month: row.iops_month, throughput_month: row.throughput_month }
    })
}

/// Prices of a region; `None` where the table has none.
///
/// # Panics
/// When the table that is built in is broken, which its test excludes.
pub fn prices(region: &str) -> Option<Prices> {
    let mut rows = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(TABLE.as_bytes());
    let rows = rows.records().map(|row| row.expect("the price table is sound"));
    let figure = |text: &str| text.parse().expect("a price is a number");
    rows.into_iter().find(|row| &row[0] == region).map(|row| Prices {
        date: row[1].to_owned(),
        region: row[0].to_owned(),
        spot_share: SPOT_SHARE,
        load_balancer_hour: figure(&row[2]),
        load_balancer_capacity_unit_hour: figure(&row[3]),
        network_load_balancer_hour: figure(&row[4]),
        network_load_balancer_capacity_unit_hour: figure(&row[5]),
        classic_load_balancer_hour: figure(&row[6]),
        classic_load_balancer_gb: figure(&row[7]),
        fargate_vcpu_hour: figure(&row[8]),
        fargate_gb_hour: figure(&row[9]),
        fargate_arm_vcpu_hour: figure(&row[10]),
        fargate_arm_gb_hour: figure(&row[11]),
        fargate_storage_gb_hour: figure(&row[12]),
        fargate_spot_share: figure(&row[13]),
        nat_gateway_hour: figure(&row[14]),
        nat_gateway_gb: figure(&row[15]),
        alarm_month: figure(&row[16]),
        high_resolution_alarm_month: figure(&row[17]),
        composite_alarm_month: figure(&row[18]),
        metric_month: [figure(&row[19]), figure(&row[20]), figure(&row[21]), figure(&row[22])],
        fargate_windows_vcpu_hour: figure(&row[23]),
        fargate_windows_gb_hour: figure(&row[24]),
        fargate_windows_license_vcpu_hour: figure(&row[25]),
        build_minute: [figure(&row[26]), figure(&row[27]), figure(&row[28])],
        windows_license_vcpu_hour: None,
        cpu_credits_vcpu_hour: CPU_CREDITS_VCPU_HOUR,
        cpu_credits_arm_vcpu_hour: CPU_CREDITS_ARM_VCPU_HOUR,
        cpu_credits_windows_vcpu_hour: CPU_CREDITS_WINDOWS_VCPU_HOUR,
        volumes: volume_prices(&row[0]),
        instances: Vec::new(),
    })
}

impl Prices {
    /// A build of CodeBuild that took so long: each minute that has begun is billed in full, USD.
    pub fn build_usd(&self, compute_type: ComputeType, took: Span) -> f64 {
        self.build_minute[compute_type as usize] * took.0.div_ceil(Span::MINUTE.0) as f64
    }

    /// A load balancer that was there in `hours_started` hours, each billed in full, and used `capacity_unit_hours` or, if
    /// it is a Classic one, transferred so many GB, USD.
    pub fn load_balancer_usd(
        &self,
        kind: LoadBalancerType,
        hours_started: u64,
        capacity_unit_hours: f64,
        gb: f64,
    ) -> f64 {
        let (hour, used) = match kind {
            LoadBalancerType::Application => {
                (self.load_balancer_hour, self.load_balancer_capacity_unit_hour * capacity_unit_hours)
            }
            LoadBalancerType::Network => {
                (self.network_load_balancer_hour, self.network_load_balancer_capacity_unit_hour * capacity_unit_hours)
            }
            LoadBalancerType::Classic => (self.classic_load_balancer_hour, self.classic_load_balancer_gb * gb),
        };
        hour * hours_started as f64 + used
    }

    /// The On-Demand price of a type of the catalogue in the region, USD an hour, and whether it is the region's own: else it is that
    /// of us-east-1. `None` where neither the scenario nor the catalogue has it.
    pub fn instance_usd_per_hour(&self, instance_type: &str) -> Option<(f64, bool)> {
        let said = self.instances.iter().find(|it| it.0 == instance_type).map(|it| it.1);
        let own = said.or_else(|| instance_usd_per_hour(&self.region, instance_type)).map(|it| (it, true));
        own.or_else(|| Some((instance_usd_per_hour("us-east-1", instance_type)?, false)))
    }

    /// What the licence of Windows costs for an instance of a type, USD an hour: by its vCPUs, in every region alike, or as the table of
    /// exceptions has it where the scenario says no price.
    pub fn windows_license_usd_per_hour(&self, kind: &InstanceType) -> f64 {
        let by_vcpu = |each: f64| each * f64::from(kind.vcpu);
        if let Some(each) = self.windows_license_vcpu_hour {
            return by_vcpu(each);
        }
        let rows: Vec<LicenseRow> = rows_of(WINDOWS_LICENSES);
        let found = rows.into_iter().find(|it| it.name == kind.name);
        found.map_or(by_vcpu(WINDOWS_LICENSE_VCPU_HOUR), |it| it.usd_per_hour)
    }

    /// So many surplus CPU credits of an instance, USD.
    pub fn cpu_credits_usd(&self, architecture: CpuArchitecture, runs_windows: bool, credits: f64) -> f64 {
        let vcpu_hour = match architecture {
            _ if runs_windows => self.cpu_credits_windows_vcpu_hour,
            CpuArchitecture::X86_64 => self.cpu_credits_vcpu_hour,
            CpuArchitecture::Arm64 => self.cpu_credits_arm_vcpu_hour,
        };
        credits / CREDITS_PER_VCPU_HOUR * vcpu_hour
    }

    /// What an EBS volume costs an hour, USD.
    pub fn volume_usd_per_hour(&self, volume: &EbsVolume) -> f64 {
        let place = VolumeType::WORDS.iter().position(|it| it.1 == volume.volume_type).unwrap_or_default();
        self.volumes[place].usd_per_month(volume) / HOURS_PER_MONTH
    }

    /// An EBS volume from its creation until it is deleted: by the second, a minute at least, USD (EBS pricing).
    pub fn volume_usd(&self, volume: &EbsVolume, lifetime: Span) -> f64 {
        self.volume_usd_per_hour(volume) * billed(lifetime).as_hours()
    }

    /// An alarm over some metrics for so many hours, each begun, USD. An expression over two metrics has two; a composite alarm is
    /// billed as one, whatever it watches (CloudWatch pricing).
    pub fn alarm_usd(&self, kind: AlarmKind, metrics: u32, hours: f64) -> f64 {
        let month = match kind {
            AlarmKind::Standard => self.alarm_month * f64::from(metrics),
            AlarmKind::HighResolution => self.high_resolution_alarm_month * f64::from(metrics),
            AlarmKind::Composite => self.composite_alarm_month,
        };
        month / HOURS_PER_MONTH * hours
    }

    /// So many custom metrics, which those of detailed monitoring and of Container Insights are too, for so many hours, each begun,
    /// USD: the first 10 000 cost most (CloudWatch pricing).
    pub fn custom_metric_usd(&self, metrics: u64, hours: f64) -> f64 {
        let mut left = metrics;
        let month = METRIC_TIERS.iter().zip(self.metric_month).fold(0.0, |sum, (tier, price)| {
            let of_tier = left.min(*tier);
            left -= of_tier;
            sum + of_tier as f64 * price
        });
        month / HOURS_PER_MONTH * hours
    }

    /// NAT gateways that are there in so many hours begun, and what went through them, USD (Amazon VPC pricing).
    pub fn nat_gateway_usd(&self, gateways: u32, hours_started: u64, gb: f64) -> f64 {
        self.nat_gateway_hour * f64::from(gateways) * hours_started as f64 + self.nat_gateway_gb * gb
    }

    /// What a Fargate task of so many CPU units, MiB and GiB of ephemeral storage costs an hour, USD, with the licence of Windows. Spot
    /// makes storage no cheaper.
    pub fn fargate_usd_per_hour(
        &self,
        capacity: FargateCapacity,
        platform: RuntimePlatform,
        (cpu_units, memory_mib, storage_gib): (u32, u32, u32),
    ) -> f64 {
        let (vcpu_hour, gb_hour) = match platform.cpu_architecture {
            _ if platform.operating_system_family.is_windows() => {
                (self.fargate_windows_vcpu_hour + self.fargate_windows_license_vcpu_hour, self.fargate_windows_gb_hour)
            }
            CpuArchitecture::X86_64 => (self.fargate_vcpu_hour, self.fargate_gb_hour),
            CpuArchitecture::Arm64 => (self.fargate_arm_vcpu_hour, self.fargate_arm_gb_hour),
        };
        let share = match capacity {
            FargateCapacity::OnDemand => 1.0,
            FargateCapacity::Spot => self.fargate_spot_share,
        };
        let storage = f64::from(storage_gib.saturating_sub(EPHEMERAL_STORAGE_GIB)) * self.fargate_storage_gb_hour;
        let computing = f64::from(cpu_units) / 1024.0 * vcpu_hour + f64::from(memory_mib) / 1024.0 * gb_hour;
        share * computing + storage
    }

    /// A Fargate task of so many CPU units, MiB and GiB of ephemeral storage, from the start of its image pull until it is
    /// STOPPED: by the second begun, a minute at least, or 5 of Windows, USD (AWS Fargate pricing). Spot makes storage no cheaper.
    pub fn fargate_usd(
        &self,
        capacity: FargateCapacity,
        platform: RuntimePlatform,
        size: (u32, u32, u32),
        lifetime: Span,
    ) -> f64 {
        self.fargate_usd_per_hour(capacity, platform, size) * billed_on_fargate(platform, lifetime).as_hours()
    }
}

/// What is billed of an instance, a volume or a task on Fargate that was there so long: whole seconds, 60 at least.
pub fn billed(lifetime: Span) -> Span {
    Span::seconds(lifetime.0.div_ceil(Span::SECOND.0)).max(Span::MINUTE)
}

/// What is billed of a task on Fargate that was there so long: as [`billed`], 5 minutes at least of Windows (AWS Fargate pricing).
pub fn billed_on_fargate(platform: RuntimePlatform, lifetime: Span) -> Span {
    let minimum = if platform.operating_system_family.is_windows() { Span::MINUTE * 5 } else { Span::MINUTE };
    billed(lifetime).max(minimum)
}

/// Up to when a Spot Instance that EC2 interrupts costs nothing (EC2 User Guide, *Billing for interrupted Spot Instances*).
pub const FREE_WHEN_INTERRUPTED: Span = Span::seconds(3600);

/// An instance at an hourly price that EC2 has had `running` for so long since it was started: by the second, a minute at least
/// (EC2 User Guide, *On-Demand Instances*), USD. Where EC2 itself interrupts a Spot Instance in its first hour it is free; one that
/// its owner terminates is not. Each start of an instance is billed by itself.
pub fn instance_usd(usd_per_hour: f64, running: Span, interrupted_by_ec2: bool) -> f64 {
    match interrupted_by_ec2 && running < FREE_WHEN_INTERRUPTED {
        true => 0.0,
        false => usd_per_hour * billed(running).as_hours(),
    }
}

/// Load balancer capacity units of an hour: the greatest of four dimensions (Elastic Load Balancing pricing).
///
/// Connections are per second and at once, data in GB in the hour, rule evaluations per second beyond the first ten rules.
pub fn load_balancer_capacity_units(
    new_connections: f64,
    active_connections: f64,
    gb_per_hour: f64,
    rule_evaluations: f64,
) -> f64 {
    (new_connections / 25.0).max(active_connections / 3000.0).max(gb_per_hour).max(rule_evaluations / 1000.0)
}

/// Capacity units of a Network Load Balancer of an hour: the greatest of three dimensions, the first two of which are much
/// smaller where it ends TLS (Elastic Load Balancing pricing). Units as above.
pub fn network_load_balancer_capacity_units(
    protocol: ListenerProtocol,
    new_connections: f64,
    active_connections: f64,
    gb_per_hour: f64,
) -> f64 {
    let (new, active) = if protocol.has_tls() { (50.0, 3_000.0) } else { (800.0, 100_000.0) };
    (new_connections / new).max(active_connections / active).max(gb_per_hour)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::operating_system::OperatingSystemFamily;

    fn is_close(value: f64, expected: f64) -> bool {
        (value - expected).abs() < 1e-9 * expected.max(1.0)
    }

    #[test]
    fn w22_costs() {
        let prices = prices("us-east-1").expect("the region is there");
        assert!(is_close(instance_usd(0.096, Span::seconds(45), false), 0.0016));
        let of = |hours, units| prices.load_balancer_usd(LoadBalancerType::Application, hours, units, 0.0);
        assert!(is_close(of(730, 0.0), 16.425));
        assert!(is_close(of(0, 730.0), 5.84));
        let units = load_balancer_capacity_units(100.0, 6000.0, 3.6, 500.0 * 10.0);
        assert!(is_close(units, 5.0));
        assert!(is_close(of(0, units), 0.04));
    }

    /// Examples in the manner of the pricing page: 100 new connections a second of 3 minutes each, 1 Mbit/s and less.
    #[test]
    fn network_and_classic_load_balancers_have_prices_of_their_own() {
        let prices = prices("us-east-1").expect("the region is there");
        let tcp = network_load_balancer_capacity_units(ListenerProtocol::Tcp, 100.0, 18_000.0, 1.08);
        assert!(is_close(tcp, 1.08));
        let tls = network_load_balancer_capacity_units(ListenerProtocol::Tls, 100.0, 18_000.0, 1.08);
        assert!(is_close(tls, 6.0));
        let network = prices.load_balancer_usd(LoadBalancerType::Network, 1, tls, 1.08);
        assert!(is_close(network, 0.0225 + 0.036));
        let classic = prices.load_balancer_usd(LoadBalancerType::Classic, 730, tls, 100.0);
        assert!(is_close(classic, 18.25 + 0.8));
    }

    #[test]
    fn we_95_a_month_of_instances() {
        assert!(is_close(4.0 * instance_usd(0.096, Span::seconds(730 * 3600), false), 280.32));
        assert!(is_close(10.0 * instance_usd(0.0416, Span::seconds(24 * 3600), false), 9.984));
    }

    #[test]
    fn w22_costs_of_fargate() {
        let prices = prices("us-east-1").expect("the region is there");
        let of = |capacity, architecture, size, seconds| {
            let operating_system_family = OperatingSystemFamily::Linux;
            let platform = RuntimePlatform { operating_system_family, cpu_architecture: architecture };
            prices.fargate_usd(capacity, platform, size, Span::seconds(seconds))
        };
        let (on_demand, spot) = (FargateCapacity::OnDemand, FargateCapacity::Spot);
        let (x86, arm) = (CpuArchitecture::X86_64, CpuArchitecture::Arm64);
        assert!(is_close(of(on_demand, x86, (1024, 2048, 20), 3600), 0.04937));
        assert!((of(on_demand, x86, (1024, 2048, 20), 730 * 3600) - 36.04).abs() < 0.005);
        assert!(is_close(of(on_demand, arm, (1024, 2048, 20), 3600), 0.0395));
        assert!(is_close(of(on_demand, x86, (256, 512, 20), 3600), 0.012_342_5));
        // A task of 45 s is billed like one of 60 s.
        assert!((of(on_demand, x86, (1024, 2048, 20), 45) - 0.000_823).abs() < 5e-7);
        assert!(is_close(of(on_demand, x86, (1024, 2048, 20), 45), of(on_demand, x86, (1024, 2048, 20), 60)));
        // Storage above 20 GB, which Spot does not make cheaper.
        assert!(is_close(of(on_demand, x86, (1024, 2048, 120), 3600), 0.04937 + 0.0111));
        assert!(is_close(of(spot, x86, (1024, 2048, 120), 3600), 0.33 * 0.04937 + 0.0111));
        assert!(is_close(of(spot, arm, (4096, 8192, 20), 7200), 0.33 * 2.0 * (4.0 * 0.03238 + 8.0 * 0.00356)));
    }

    #[test]
    fn windows_costs_its_licence() {
        let prices = prices("us-east-1").expect("the region is there");
        let platform = RuntimePlatform {
            operating_system_family: OperatingSystemFamily::WindowsServer2022Core,
            cpu_architecture: CpuArchitecture::X86_64,
        };
        let of = |size, seconds| prices.fargate_usd(FargateCapacity::OnDemand, platform, size, Span::seconds(seconds));
        let hour = 2.0 * (0.046_552 + 0.046) + 4.0 * 0.005_111_75;
        assert!(is_close(of((2048, 4096, 20), 3600), hour));
        assert!(is_close(of((2048, 4096, 20), 45), hour / 12.0), "five minutes");
        assert!(is_close(of((2048, 4096, 20), 301), hour * 301.0 / 3600.0));
        let license = |prices: &Prices, name| {
            prices.windows_license_usd_per_hour(&crate::aws::instance_type::find(name).expect("it is there"))
        };
        assert!(is_close(license(&prices, "m5.large"), 0.092));
        // On-Demand, us-east-1: Windows 0.06, Linux 0.0416.
        assert!(is_close(license(&prices, "t3.medium"), 0.0184));
        let own = Prices { windows_license_vcpu_hour: Some(0.0), ..prices };
        assert_eq!((license(&own, "m5.large"), license(&own, "t3.medium")), (0.0, 0.0));
    }

    #[test]
    fn whole_seconds_are_billed_and_a_minute_at_least() {
        for (millis, seconds) in [(0, 60), (59_999, 60), (60_000, 60), (60_001, 61), (61_000, 61), (3_600_500, 3601)] {
            assert_eq!(billed(Span::millis(millis)), Span::seconds(seconds), "{millis} ms");
        }
    }

    #[test]
    fn w22_costs_of_volumes_and_alarms() {
        let prices = prices("us-east-1").expect("the region is there");
        let month = Span::seconds(730 * 3600);
        assert!(is_close(prices.volume_usd(&EbsVolume::gp3(30), month), 2.40));
        assert!(is_close(prices.volume_usd(&EbsVolume::gp3(30), Span::seconds(1)), 2.40 / 730.0 / 60.0));
        // 1000 IOPS and 125 MiB/s above what comes with it.
        let fast = EbsVolume { iops: Some(4_000), throughput_mibps: Some(250), ..EbsVolume::gp3(100) };
        assert!(is_close(prices.volume_usd(&fast, month), 8.0 + 5.0 + 5.0));
        let io2 = EbsVolume {
            volume_type: VolumeType::Io2,
            size_gib: 100,
            iops: Some(65_000),
            throughput_mibps: Some(4_000),
        };
        let iops = 0.065 * (32_000.0 + 0.7 * 32_000.0 + 0.49 * 1_000.0);
        assert!(is_close(prices.volume_usd(&io2, month), 12.5 + iops));
        assert!(is_close(prices.alarm_usd(AlarmKind::Standard, 2, 730.0), 0.20));
        assert!(is_close(prices.alarm_usd(AlarmKind::of_period(Span::seconds(20)), 1, 365.0), 0.15));
        assert!(is_close(prices.alarm_usd(AlarmKind::Composite, 5, 730.0), 0.50));
        // Detailed monitoring of one instance, and more metrics than the first price is for.
        assert!(is_close(prices.custom_metric_usd(DETAILED_MONITORING_METRICS, 730.0), 2.10));
        assert!(is_close(prices.custom_metric_usd(10_010, 730.0), 3_001.0));
        assert!(is_close(prices.custom_metric_usd(1_000_001, 730.0), 3_000.0 + 24_000.0 + 37_500.0 + 0.02));
        assert!(is_close(prices.nat_gateway_usd(2, 24, 10.0), 2.0 * 24.0 * 0.045 + 0.45));
    }

    /// The example of the pricing page: 5 services and 20 families.
    #[test]
    fn a_month_of_container_insights() {
        let prices = prices("us-east-1").expect("the region is there");
        let metrics = CONTAINER_INSIGHTS_METRICS_OF_CLUSTER
            + 5 * CONTAINER_INSIGHTS_METRICS_OF_SERVICE
            + 20 * CONTAINER_INSIGHTS_METRICS_OF_FAMILY;
        assert_eq!(metrics, 183);
        assert!(is_close(prices.custom_metric_usd(metrics, 730.0), 54.90));
    }

    #[test]
    fn an_interruption_by_ec2_in_the_first_hour_is_free() {
        let minutes = |minutes: u64| Span::seconds(60 * minutes);
        assert_eq!(instance_usd(0.1, minutes(59), true), 0.0);
        assert!(is_close(instance_usd(0.1, minutes(60), true), 0.1));
        assert!(is_close(instance_usd(0.1, minutes(30), false), 0.05));
    }

    #[test]
    fn an_unknown_region_has_no_prices() {
        assert_eq!(prices("mars-north-1"), None);
    }

    /// A figure that is ten times too high or low, a type that does not exist or a row without its source would be found here.
    #[test]
    fn tables_of_regions_are_sane_and_name_their_sources() {
        for table in [INSTANCES, VOLUMES] {
            let mut rows = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(table.as_bytes());
            let header = rows.headers().expect("a header").clone();
            let place = |name: &str| header.iter().position(|it| it == name).expect("the column is there");
            for row in rows.records().map(|it| it.expect("a row")) {
                assert!(row[place("source")].len() >= 10, "{row:?}");
                let date = &row[place("date")];
                assert!(date.len() == 10 && date.starts_with("202"), "{row:?}");
            }
        }
        let mut seen = std::collections::BTreeSet::new();
        for row in rows_of::<InstanceRow>(INSTANCES) {
            assert!(seen.insert((row.region.clone(), row.name.clone())), "{} twice", row.name);
            let here = instance_usd_per_hour("us-east-1", &row.name).unwrap_or_else(|| panic!("{}", row.name));
            let ratio = row.usd_per_hour / here;
            assert!((1.0..1.4).contains(&ratio), "{} {}: {ratio}", row.region, row.name);
        }
        for row in rows_of::<VolumeRow>(VOLUMES) {
            assert!(VolumeType::WORDS.iter().any(|it| it.0 == row.volume_type), "{}", row.volume_type);
            assert!((0.01..0.2).contains(&row.gb_month), "{} {}", row.region, row.volume_type);
        }
        let (seoul, virginia) =
            (prices("ap-northeast-2").expect("it is there"), prices("us-east-1").expect("it is there"));
        assert_eq!(seoul.instance_usd_per_hour("m5.large"), Some((0.118, true)));
        assert_eq!(seoul.instance_usd_per_hour("g5.xlarge"), Some((1.006, false)));
        assert_eq!(seoul.instance_usd_per_hour("m5.huge"), None);
        assert_eq!(virginia.instance_usd_per_hour("m5.large"), Some((0.096, true)));
        for (here, there) in [
            (seoul.fargate_vcpu_hour, virginia.fargate_vcpu_hour),
            (seoul.fargate_gb_hour, virginia.fargate_gb_hour),
            (seoul.fargate_arm_vcpu_hour, virginia.fargate_arm_vcpu_hour),
            (seoul.nat_gateway_hour, virginia.nat_gateway_hour),
            (seoul.volumes[1].gb_month, virginia.volumes[1].gb_month),
        ] {
            assert!((1.0..1.4).contains(&(here / there)), "{here} {there}");
        }
        // ARM64 is a fifth cheaper in every region.
        for prices in [seoul, virginia] {
            assert!((prices.fargate_arm_vcpu_hour / prices.fargate_vcpu_hour - 0.8).abs() < 0.001);
        }
    }
}
