//! Response times, and how sure their mean is.

use serde::{Deserialize, Serialize};

/// Batches that a run is cut into, by time of arrival.
pub const BATCHES: usize = 32;

/// Response times of a run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Responses {
    /// Responses in all.
    pub count: u64,
    batch_nanos: u64,
    /// Responses and their sum in nanoseconds, by batch.
    batches: Vec<(u64, u64)>,
}

impl Responses {
    /// None yet, to `expected` requests of which a second brings `rate`.
    pub fn new(expected: u64, rate: f64) -> Responses {
        let batch_nanos = (expected as f64 / rate * 1e9 / BATCHES as f64) as u64;
        Responses { count: 0, batch_nanos: batch_nanos.max(1), batches: vec![(0, 0); BATCHES] }
    }

    /// Counts the response at `now` to a request that came at `arrived`; nanoseconds.
    pub fn record(&mut self, arrived: u64, now: u64) {
        // The last arrivals may come a little later than expected.
        let (count, sum) = &mut self.batches[((arrived / self.batch_nanos) as usize).min(BATCHES - 1)];
        *count += 1;
        *sum += now - arrived;
        self.count += 1;
    }

    /// Mean of each batch that has responses, milliseconds.
    pub fn batch_means_ms(&self) -> Vec<f64> {
        let filled = self.batches.iter().filter(|(count, _)| *count > 0);
        filled.map(|&(count, sum)| sum as f64 / count as f64 / 1e6).collect()
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
    fn a_response_counts_where_its_request_came() {
        let mut responses = Responses::new(BATCHES as u64, 1.0);
        for (arrived, now) in [(0, 3_000_000_000), (500_000_000, 1_500_000_000), (2_000_000_000, 2_001_000_000)] {
            responses.record(arrived, now);
        }
        assert_eq!((responses.count, responses.batch_means_ms()), (3, vec![2000.0, 1.0]));
    }

    #[test]
    fn an_estimate_is_the_mean_and_its_error() {
        let estimate = Estimate::of(&[1.0, 3.0, 1.0, 3.0]);
        assert_eq!(estimate.mean, 2.0);
        assert!((estimate.half_width - 1.96 * (1.0f64 / 3.0).sqrt()).abs() < 1e-12);
    }
}
