//! The laws that lengths of time are drawn from.

use crate::logarithm::unit_exponential;
use crate::rng::Stream;
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

impl Distribution {
    /// The log-normal law of this median and 99th percentile, which must lie above it.
    pub fn log_normal_of(median: Span, p99: Span) -> Distribution {
        // 2.326... is the 99th percentile of the standard normal law.
        let sigma = libm::log(p99.as_seconds() / median.as_seconds()) / 2.326_347_874_040_841;
        let mean = Span::from_seconds_f64(median.as_seconds() * libm::exp(sigma * sigma / 2.0));
        Distribution::LogNormal { mean, cv2: libm::expm1(sigma * sigma) }
    }

    /// One value; whole nanoseconds, the mean of the law is kept but for that rounding.
    pub fn sample(&self, stream: &mut Stream) -> Span {
        Span::from_nanos_f64(match self {
            Distribution::Constant(value) => return *value,
            Distribution::Exponential { mean } => {
                return Span(whole_nanos(mean.0 as f64 * unit_exponential(stream.word())) as u64);
            }
            Distribution::LogNormal { mean, cv2 } => {
                let variance = libm::log1p(*cv2);
                mean.0 as f64 * libm::exp(libm::sqrt(variance) * standard_normal(stream) - variance / 2.0)
            }
            Distribution::Gamma { mean, shape } => mean.0 as f64 / shape * gamma(*shape, stream),
            Distribution::Pareto { minimum, shape, maximum } => {
                let value = minimum.0 as f64 * libm::pow(stream.unit(), -1.0 / shape);
                maximum.map_or(value, |maximum| value.min(maximum.0 as f64))
            }
            Distribution::Uniform { minimum, maximum } => {
                return Span(minimum.0 + stream.below((maximum.0 - minimum.0) as usize + 1) as u64);
            }
            Distribution::Empirical { values, cumulative } => {
                let unit = stream.unit();
                let place = cumulative.partition_point(|&it| it < unit).min(values.len() - 1);
                return values[place];
            }
        })
    }

    /// Fills `values` with whole nanoseconds, as that many calls of [`sample`](Distribution::sample) would.
    pub fn fill(&self, stream: &mut Stream, values: &mut [f64]) {
        match self {
            Distribution::Constant(value) => values.fill(value.0 as f64),
            Distribution::Exponential { mean } => fill_exponentials(mean.0 as f64, stream, values),
            _ => values.iter_mut().for_each(|value| *value = self.sample(stream).0 as f64),
        }
    }

    /// The law's mean in nanoseconds (of a cut Pareto, the mean after the cut).
    pub fn mean_nanos(&self) -> f64 {
        match self {
            Distribution::Constant(value) => value.0 as f64,
            Distribution::Exponential { mean }
            | Distribution::LogNormal { mean, .. }
            | Distribution::Gamma { mean, .. } => mean.0 as f64,
            Distribution::Pareto { minimum, shape, maximum } => {
                let least = minimum.0 as f64;
                let whole = shape * least / (shape - 1.0);
                // The integral of the tail beyond the cut is lost.
                maximum
                    .map_or(whole, |most| whole - least / (shape - 1.0) * libm::pow(least / most.0 as f64, shape - 1.0))
            }
            Distribution::Uniform { minimum, maximum } => (minimum.0 as f64 + maximum.0 as f64) / 2.0,
            Distribution::Empirical { values, cumulative } => {
                let mut before = 0.0;
                let mut mean = 0.0;
                for (value, upto) in values.iter().zip(cumulative) {
                    mean += value.0 as f64 * (upto - before);
                    before = *upto;
                }
                mean
            }
        }
    }
}

/// Fills `values` with unit exponential variates, one word of the stream for each.
pub fn fill_unit_exponentials(stream: &mut Stream, values: &mut [f64]) {
    let mut words = [0; 128];
    for chunk in values.chunks_mut(words.len()) {
        let words = &mut words[..chunk.len()];
        stream.fill(words);
        unit_exponentials(words, chunk);
    }
}

#[multiversion::multiversion(targets = "simd")]
fn unit_exponentials(words: &[u64], values: &mut [f64]) {
    for (value, &word) in values.iter_mut().zip(words) {
        *value = unit_exponential(word);
    }
}

/// Fills `values` with exponential variates of this mean, whole nanoseconds, one word of the stream for each.
fn fill_exponentials(mean: f64, stream: &mut Stream, values: &mut [f64]) {
    let mut words = [0; 128];
    for chunk in values.chunks_mut(words.len()) {
        let words = &mut words[..chunk.len()];
        stream.fill(words);
        exponentials(mean, words, chunk);
    }
}

#[multiversion::multiversion(targets = "simd")]
fn exponentials(mean: f64, words: &[u64], values: &mut [f64]) {
    for (value, &word) in values.iter_mut().zip(words) {
        *value = whole_nanos(mean * unit_exponential(word));
    }
}

/// The nearest whole number (of two, the even one); exact from 0 to 2^51 ns, which is 26 days, and whole up to 2^53.
///
/// Adding 2^52 leaves no room for a fraction. Unlike `round` it needs no instruction that older processors lack.
#[inline(always)]
pub fn whole_nanos(nanos: f64) -> f64 {
    const SHIFT: f64 = (1u64 << 52) as f64;
    (nanos + SHIFT) - SHIFT
}

/// A standard normal variate (Box and Muller's transform, one of the pair).
fn standard_normal(stream: &mut Stream) -> f64 {
    let radius = libm::sqrt(-2.0 * libm::log(stream.unit()));
    radius * libm::cos(std::f64::consts::TAU * stream.unit())
}

/// A gamma variate of scale 1: a sum of exponentials for small whole shapes, else Marsaglia and Tsang (2000).
pub fn gamma(shape: f64, stream: &mut Stream) -> f64 {
    if shape.fract() == 0.0 && shape <= 16.0 {
        return (0..shape as u32).map(|_| unit_exponential(stream.word())).sum();
    }
    if shape < 1.0 {
        let boost = libm::pow(stream.unit(), 1.0 / shape);
        return gamma(shape + 1.0, stream) * boost;
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / libm::sqrt(9.0 * d);
    loop {
        let x = standard_normal(stream);
        let v = 1.0 + c * x;
        let u = stream.unit();
        if v > 0.0 {
            let v = v * v * v;
            if libm::log(u) < 0.5 * x * x + d - d * v + d * libm::log(v) {
                return d * v;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;

    const MEAN: Span = Span::millis(10);

    fn laws() -> Vec<(Distribution, f64)> {
        // Each with its squared coefficient of variation.
        vec![
            (Distribution::Constant(MEAN), 0.0),
            (Distribution::Exponential { mean: MEAN }, 1.0),
            (Distribution::LogNormal { mean: MEAN, cv2: 2.0 }, 2.0),
            (Distribution::Gamma { mean: MEAN, shape: 4.0 }, 0.25),
            (Distribution::Gamma { mean: MEAN, shape: 2.5 }, 0.4),
            (Distribution::Gamma { mean: MEAN, shape: 0.5 }, 2.0),
            (Distribution::Pareto { minimum: Span::millis(8), shape: 5.0, maximum: None }, 1.0 / 15.0),
            (Distribution::Uniform { minimum: Span::ZERO, maximum: Span::millis(20) }, 1.0 / 3.0),
            (
                Distribution::Empirical {
                    values: vec![Span::millis(5), Span::millis(25)],
                    cumulative: vec![0.75, 1.0],
                },
                0.75,
            ),
        ]
    }

    #[test]
    fn moments_are_those_of_the_law() {
        const DRAWS: usize = 400_000;
        for (law, cv2) in laws() {
            let mut stream = Seed { seed: 3, replication: 0 }.stream("test", "moments");
            let mut values = vec![0.0; DRAWS];
            law.fill(&mut stream, &mut values);
            let mean = values.iter().sum::<f64>() / DRAWS as f64;
            let variance = values.iter().map(|it| (it - mean) * (it - mean)).sum::<f64>() / DRAWS as f64;
            let expected = law.mean_nanos();
            // Four standard errors of the mean; the variance's own error is larger, with heavy tails.
            let error = 4.0 * expected * libm::sqrt(cv2 / DRAWS as f64);
            assert!((mean - expected).abs() <= error + 1.0, "{law:?}: mean {mean}");
            let measured = variance / (expected * expected);
            assert!((measured - cv2).abs() <= 0.06 * cv2 + 1e-9, "{law:?}: cv2 {measured}");
        }
    }

    #[test]
    fn filling_is_sampling_one_by_one() {
        for (law, _) in laws() {
            let mut one = Seed { seed: 4, replication: 0 }.stream("test", "fill");
            let mut other = one.clone();
            let mut values = [0.0; 300];
            law.fill(&mut one, &mut values);
            assert_eq!(values, std::array::from_fn(|_| law.sample(&mut other).0 as f64), "{law:?}");
        }
    }

    #[test]
    fn a_cut_tail_lowers_the_mean() {
        let law = Distribution::Pareto { minimum: MEAN, shape: 1.5, maximum: Some(Span::millis(1000)) };
        let mut stream = Seed { seed: 5, replication: 0 }.stream("test", "cut");
        let mut values = vec![0.0; 400_000];
        law.fill(&mut stream, &mut values);
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        assert!((mean / law.mean_nanos() - 1.0).abs() < 0.02, "{mean} against {}", law.mean_nanos());
    }

    #[test]
    fn quantiles_are_those_of_the_law() {
        const DRAWS: usize = 400_000;
        // The law, a share, and the value that this share of draws does not exceed, ms.
        let ln2 = std::f64::consts::LN_2;
        for (law, share, expected) in [
            (Distribution::Exponential { mean: MEAN }, 0.5, 10.0 * ln2),
            (Distribution::Exponential { mean: MEAN }, 0.99, 10.0 * libm::log(100.0)),
            // ln of a log-normal has the variance ln(1 + cv2); 2.326348 is the normal law's 99th percentile.
            (Distribution::LogNormal { mean: MEAN, cv2: 2.0 }, 0.5, 10.0 / libm::sqrt(3.0)),
            (
                Distribution::LogNormal { mean: MEAN, cv2: 2.0 },
                0.99,
                10.0 / libm::sqrt(3.0) * libm::exp(2.326_348 * libm::sqrt(libm::log(3.0))),
            ),
            // The chi-squared law of 8 degrees of freedom has its median at 7.344121.
            (Distribution::Gamma { mean: MEAN, shape: 4.0 }, 0.5, 10.0 * 7.344_121 / 8.0),
            // And that of 1 degree at 0.454936 (median) and 6.634897 (99th percentile).
            (Distribution::Gamma { mean: MEAN, shape: 0.5 }, 0.5, 4.549_36),
            (Distribution::Gamma { mean: MEAN, shape: 0.5 }, 0.99, 66.348_97),
            (Distribution::Pareto { minimum: MEAN, shape: 2.0, maximum: None }, 0.99, 100.0),
            (Distribution::Uniform { minimum: Span::millis(5), maximum: Span::millis(15) }, 0.9, 14.0),
        ] {
            let mut stream = Seed { seed: 6, replication: 0 }.stream("test", "quantiles");
            let mut values = vec![0.0; DRAWS];
            law.fill(&mut stream, &mut values);
            let within = values.iter().filter(|&&it| it <= expected * 1e6).count() as f64 / DRAWS as f64;
            // Four standard errors of a share.
            let error = 4.0 * libm::sqrt(share * (1.0 - share) / DRAWS as f64);
            assert!((within - share).abs() <= error, "{law:?}: {within} of {share} within {expected} ms");
        }
    }
}
