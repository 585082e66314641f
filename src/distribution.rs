//! The laws that lengths of time are drawn from.

use crate::units::Span;

/// The law of a length of time that is never negative: a request's CPU time, an instance's boot.
///
/// In a scenario: a plain length (`5ms`) is constant; otherwise one key names the law, as in
/// `{ exponential: { mean: 20ms } }`.
#[derive(Clone, Debug, PartialEq)]
pub enum Distribution {
    /// Always the same.
    Constant(Span),
    /// Exponential with this mean.
    Exponential {
        /// Mean.
        mean: Span,
    },
    /// Log-normal, by its mean and squared coefficient of variation (variance over mean squared).
    LogNormal {
        /// Mean.
        mean: Span,
        /// Squared coefficient of variation, above 0.
        cv2: f64,
    },
    /// Gamma, by its mean and shape (Erlang with k stages where the shape is the whole number k).
    Gamma {
        /// Mean.
        mean: Span,
        /// Shape, above 0; the squared coefficient of variation is its inverse.
        shape: f64,
    },
    /// Pareto with this least value: P(X > x) = (minimum / x)^shape.
    Pareto {
        /// Least value.
        minimum: Span,
        /// Shape, above 1 (so that there is a mean).
        shape: f64,
        /// Values above are cut to this; without it the tail is unbounded.
        maximum: Option<Span>,
    },
    /// Every value between the two alike.
    Uniform {
        /// Least value.
        minimum: Span,
        /// Greatest value.
        maximum: Span,
    },
    /// One of these values, each with its weight.
    Empirical {
        /// Values, in the file's order.
        values: Vec<Span>,
        /// How much of the weight lies on this value and those before it; the last is 1.
        cumulative: Vec<f64>,
    },
}
