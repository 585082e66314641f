//! Arrival processes: at what rate, and how requests lie within it.

use crate::units::{Instant, Span};

/// How requests lie within their rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spacing {
    /// At random: a Poisson process of that rate.
    #[default]
    Poisson,
    /// Evenly: one each time the rate's integral passes a whole number.
    Even,
}

/// When requests come. Rates are requests a second, finite and not negative.
#[derive(Clone, Debug, PartialEq)]
pub enum ArrivalProcess {
    /// A rate that changes over time.
    Rate {
        /// The rate: straight lines between these points, by time, the first at 0; the last one's rate holds on. Two
        /// points at one instant are a step.
        curve: Vec<RatePoint>,
        /// How requests lie within it.
        spacing: Spacing,
    },
    /// Counts of a trace: exactly so many requests in each interval.
    Counts {
        /// When the first interval begins.
        start: Instant,
        /// Length of an interval, above 0.
        interval: Span,
        /// Requests of each.
        counts: Vec<u64>,
        /// How they lie within their interval.
        spacing: Spacing,
    },
}

/// A point of a rate curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RatePoint {
    /// When.
    pub at: Instant,
    /// Requests a second.
    pub rate: f64,
}
