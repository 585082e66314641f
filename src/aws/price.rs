//! Prices, from a dated data file that a scenario may override.

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
}
