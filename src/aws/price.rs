//! Prices, from a dated data file that a scenario may override.

use crate::aws::fargate::{EPHEMERAL_STORAGE_GIB, FargateCapacity};
use crate::aws::load_balancer::{ListenerProtocol, LoadBalancerType};
use crate::aws::task_definition::CpuArchitecture;
use crate::units::Span;

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
    /// A GB of a Fargate task's ephemeral storage above the first 20, an hour.
    pub fargate_storage_gb_hour: f64,
    /// A custom metric of CloudWatch, a month of 730 hours; prorated by the hour.
    pub custom_metric_month: f64,
    /// What Fargate Spot takes for vCPUs and memory, as a share of the price on demand, 0 to 1. It moves slowly.
    pub fargate_spot_share: f64,
}

/// No average of Spot prices is published; those of common types are about a third.
const SPOT_SHARE: f64 = 0.35;

const TABLE: &str = include_str!("prices.csv");

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
        custom_metric_month: figure(&row[14]),
    })
}

impl Prices {
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

    /// So many hours of custom metrics, USD: each metric is billed for each hour in which it is published.
    pub fn custom_metrics_usd(&self, metric_hours: f64) -> f64 {
        self.custom_metric_month / 730.0 * metric_hours
    }

    /// A Fargate task of so many CPU units, MiB and GiB of ephemeral storage, from the start of its image pull until it is
    /// STOPPED: by the second begun, a minute at least, USD (AWS Fargate pricing). Spot makes storage no cheaper.
    pub fn fargate_usd(
        &self,
        capacity: FargateCapacity,
        cpu_architecture: CpuArchitecture,
        (cpu_units, memory_mib, storage_gib): (u32, u32, u32),
        lifetime: Span,
    ) -> f64 {
        let (vcpu_hour, gb_hour) = match cpu_architecture {
            CpuArchitecture::X86_64 => (self.fargate_vcpu_hour, self.fargate_gb_hour),
            CpuArchitecture::Arm64 => (self.fargate_arm_vcpu_hour, self.fargate_arm_gb_hour),
        };
        let share = match capacity {
            FargateCapacity::OnDemand => 1.0,
            FargateCapacity::Spot => self.fargate_spot_share,
        };
        let storage = f64::from(storage_gib.saturating_sub(EPHEMERAL_STORAGE_GIB)) * self.fargate_storage_gb_hour;
        let computing = f64::from(cpu_units) / 1024.0 * vcpu_hour + f64::from(memory_mib) / 1024.0 * gb_hour;
        (share * computing + storage) * fargate_billed(lifetime).as_hours()
    }
}

/// Metrics of a cluster that Container Insights publishes (CloudWatch pricing, examples).
pub const CONTAINER_INSIGHTS_METRICS_OF_CLUSTER: u32 = 8;
/// Those of a service.
pub const CONTAINER_INSIGHTS_METRICS_OF_SERVICE: u32 = 11;
/// Those of a task definition family; with enhanced observability each task has as many besides.
pub const CONTAINER_INSIGHTS_METRICS_OF_FAMILY: u32 = 6;
/// Metrics of an EC2 instance with detailed monitoring.
pub const DETAILED_MONITORING_METRICS: u32 = 7;

/// What is billed of a Fargate task that lived so long: whole seconds, 60 at least.
pub fn fargate_billed(lifetime: Span) -> Span {
    Span::seconds(lifetime.0.div_ceil(Span::SECOND.0)).max(Span::MINUTE)
}

/// An instance at an hourly price: by the second, a minute at least, USD (EC2 User Guide, *On-Demand Instances*).
pub fn instance_usd(usd_per_hour: f64, lifetime: Span) -> f64 {
    usd_per_hour * lifetime.max(Span::MINUTE).as_hours()
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

    fn is_close(value: f64, expected: f64) -> bool {
        (value - expected).abs() < 1e-9 * expected.max(1.0)
    }

    #[test]
    fn w22_costs() {
        let prices = prices("us-east-1").expect("the region is there");
        assert!(is_close(instance_usd(0.096, Span::seconds(45)), 0.0016));
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
        assert!(is_close(4.0 * instance_usd(0.096, Span::seconds(730 * 3600)), 280.32));
        assert!(is_close(10.0 * instance_usd(0.0416, Span::seconds(24 * 3600)), 9.984));
    }

    #[test]
    fn w22_costs_of_fargate() {
        let prices = prices("us-east-1").expect("the region is there");
        let of = |capacity, architecture, size, seconds| {
            prices.fargate_usd(capacity, architecture, size, Span::seconds(seconds))
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
    fn fargate_bills_whole_seconds_and_a_minute_at_least() {
        for (millis, seconds) in [(0, 60), (59_999, 60), (60_000, 60), (60_001, 61), (61_000, 61), (3_600_500, 3601)] {
            assert_eq!(fargate_billed(Span::millis(millis)), Span::seconds(seconds), "{millis} ms");
        }
    }

    #[test]
    fn a_month_of_custom_metrics() {
        let prices = prices("us-east-1").expect("the region is there");
        // Detailed monitoring: 2.10 per instance and month; Container Insights of 5 services and 20 families: 183 metrics.
        let detailed = prices.custom_metrics_usd(730.0 * f64::from(DETAILED_MONITORING_METRICS));
        assert!(is_close(detailed, 2.10));
        let metrics = CONTAINER_INSIGHTS_METRICS_OF_CLUSTER
            + 5 * CONTAINER_INSIGHTS_METRICS_OF_SERVICE
            + 20 * CONTAINER_INSIGHTS_METRICS_OF_FAMILY;
        assert_eq!(metrics, 183);
        assert!(is_close(prices.custom_metrics_usd(730.0 * f64::from(metrics)), 54.90));
    }

    #[test]
    fn an_unknown_region_has_no_prices() {
        assert_eq!(prices("mars-north-1"), None);
    }
}
