//! Spot Instances: what EC2 says before it takes one back, and what it charges then.
//!
//! Follows *Spot Instance interruptions*, *EC2 instance rebalance recommendations* and *Billing for interrupted Spot Instances* in
//! the EC2 User Guide.

use crate::aws::price::instance_usd;
use crate::units::Span;

/// From the interruption notice until EC2 terminates the instance.
pub const INTERRUPTION_NOTICE: Span = Span::seconds(120);

/// Lifetime below which EC2 charges nothing for an instance that it interrupts.
const FREE_WHEN_INTERRUPTED: Span = Span::seconds(3600);

/// A Spot Instance at an hourly price that lived so long, USD: nothing where EC2 interrupted it in its first hour.
pub fn spot_instance_usd(usd_per_hour: f64, lifetime: Span, interrupted_by_ec2: bool) -> f64 {
    match interrupted_by_ec2 && lifetime < FREE_WHEN_INTERRUPTED {
        true => 0.0,
        false => instance_usd(usd_per_hour, lifetime),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_hour_is_free_where_ec2_interrupts() {
        let usd = |seconds, interrupted| spot_instance_usd(0.36, Span::seconds(seconds), interrupted);
        assert!(usd(3599, true).abs() < 1e-12);
        assert!((usd(3600, true) - 0.36).abs() < 1e-12);
        assert!((usd(5400, true) - 0.54).abs() < 1e-12, "later by the second");
        assert!((usd(1800, false) - 0.18).abs() < 1e-12, "who terminates it pays");
    }
}
