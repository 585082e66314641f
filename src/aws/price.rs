//! Prices, from a dated data file that a scenario may override.

use crate::aws::load_balancer::{ListenerProtocol, LoadBalancerType};
use crate::units::Span;

/// Prices of everything that is billed but the instances themselves, in USD.
#[derive(Clone, Debug, PartialEq)]
pub struct Prices {
    /// The day the figures were read, `yyyy-mm-dd`.
    pub date: String,
    /// Region.
    pub region: String,
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
}

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
        load_balancer_hour: figure(&row[2]),
        load_balancer_capacity_unit_hour: figure(&row[3]),
        network_load_balancer_hour: figure(&row[4]),
        network_load_balancer_capacity_unit_hour: figure(&row[5]),
        classic_load_balancer_hour: figure(&row[6]),
        classic_load_balancer_gb: figure(&row[7]),
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
    fn an_unknown_region_has_no_prices() {
        assert_eq!(prices("mars-north-1"), None);
    }
}
