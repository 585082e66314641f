//! Gaps between requests that are independent of each other.

use crate::distribution::gamma;
use crate::logarithm::unit_exponential;
use crate::rng::Stream;

/// A law of gaps by its mean and its squared coefficient of variation: even at 0, gamma below 1 (Erlang of k stages at 1/k),
/// exponential at 1, above that hyperexponential of two branches with balanced means (either brings half of the time).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gaps {
    /// Mean, nanoseconds; infinite where none come.
    mean: f64,
    law: Law,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Law {
    Even,
    Gamma {
        shape: f64,
    },
    Exponential,
    /// The share of the gaps in the branch of short ones.
    Hyperexponential {
        short: f64,
    },
}

impl Gaps {
    /// Gaps of so many requests a second, with this squared coefficient of variation; neither negative.
    pub fn new(rate: f64, cv2: f64) -> Gaps {
        // Less than that no one can measure, and its shape would leave the range of floats.
        let law = if cv2 < 1e-12 {
            Law::Even
        } else if cv2 < 1.0 {
            Law::Gamma { shape: 1.0 / cv2 }
        } else if cv2 == 1.0 {
            Law::Exponential
        } else {
            Law::Hyperexponential { short: (1.0 + ((cv2 - 1.0) / (cv2 + 1.0)).sqrt()) / 2.0 }
        };
        Gaps { mean: 1e9 / rate, law }
    }

    /// The next gap in nanoseconds, not rounded; `None` where there is no next request.
    pub fn next(&self, stream: &mut Stream) -> Option<f64> {
        if self.mean.is_infinite() {
            return None;
        }
        Some(match self.law {
            Law::Even => self.mean,
            Law::Gamma { shape } => self.mean * (gamma(shape, stream) / shape),
            Law::Exponential => self.mean * unit_exponential(stream.word()),
            Law::Hyperexponential { short } => {
                let share = if stream.unit() <= short { short } else { 1.0 - short };
                self.mean * unit_exponential(stream.word()) / (2.0 * share)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;

    #[test]
    fn gaps_have_their_mean_and_variation() {
        const DRAWS: usize = 400_000;
        for cv2 in [0.0, 0.05, 0.25, 0.4, 1.0, 1.5, 4.0, 9.0] {
            let gaps = Gaps::new(300_000.0, cv2);
            let mut stream = Seed { seed: 81, replication: 0 }.stream("test", "gaps");
            let values: Vec<f64> = (0..DRAWS).map(|_| gaps.next(&mut stream).expect("they go on") * 3e-4).collect();
            let mean = values.iter().sum::<f64>() / DRAWS as f64;
            let variance = values.iter().map(|it| (it - mean) * (it - mean)).sum::<f64>() / DRAWS as f64;
            // Four standard errors of the mean; the variance's own error is larger.
            assert!((mean - 1.0).abs() <= 4.0 * (cv2 / DRAWS as f64).sqrt() + 1e-9, "{cv2}: mean {mean}");
            assert!((variance - cv2).abs() <= 0.04 * cv2 + 1e-9, "{cv2}: {variance}");
        }
        assert_eq!(Gaps::new(0.0, 4.0).next(&mut Seed { seed: 81, replication: 0 }.stream("test", "gaps")), None);
    }
}
