//! Response times, and how sure their mean is.

use serde::{Deserialize, Serialize};

/// Batches that a run is cut into.
pub const BATCHES: u64 = 32;

/// Response times of a run, as means of consecutive batches.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Responses {
    /// Responses in all.
    pub count: u64,
    /// Mean of each full batch, milliseconds.
    pub batch_means_ms: Vec<f64>,
    batch: u64,
    in_batch: u64,
    nanos_in_batch: u64,
}

impl Responses {
    /// None yet, of about `expected` to come.
    pub fn new(expected: u64) -> Responses {
        Responses { batch: (expected / BATCHES).max(1), ..Responses::default() }
    }

    /// Those of an engine that made the batches itself.
    pub fn of_batches(count: u64, batch_means_ms: Vec<f64>) -> Responses {
        Responses { count, batch_means_ms, ..Responses::default() }
    }

    /// Counts one that took `nanos`.
    pub fn record(&mut self, nanos: u64) {
        self.count += 1;
        self.in_batch += 1;
        self.nanos_in_batch += nanos;
        if self.in_batch == self.batch {
            self.batch_means_ms.push(self.nanos_in_batch as f64 / self.batch as f64 / 1e6);
            (self.in_batch, self.nanos_in_batch) = (0, 0);
        }
    }
}

/// A mean, and the half width of its 95 % confidence interval.
#[derive(Clone, Copy, Debug)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// 1.96 standard errors.
    pub half_width: f64,
}

impl Estimate {
    /// From batch means, each long against the time in which the queues forget.
    pub fn of(means: &[f64]) -> Estimate {
        let n = means.len() as f64;
        let mean = means.iter().sum::<f64>() / n;
        let variance = means.iter().map(|it| (it - mean) * (it - mean)).sum::<f64>() / (n - 1.0);
        Estimate { mean, half_width: 1.96 * (variance / n).sqrt() }
    }
}

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_closed_when_it_is_full() {
        let mut responses = Responses::new(2 * BATCHES);
        [1_000_000, 3_000_000, 5_000_000].into_iter().for_each(|it| responses.record(it));
        assert_eq!((responses.count, responses.batch_means_ms), (3, vec![2.0]));
    }

    #[test]
    fn an_estimate_is_the_mean_and_its_error() {
        let estimate = Estimate::of(&[1.0, 3.0, 1.0, 3.0]);
        assert_eq!(estimate.mean, 2.0);
        assert!((estimate.half_width - 1.96 * (1.0f64 / 3.0).sqrt()).abs() < 1e-12);
    }
}
