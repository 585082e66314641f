//! Automatic Target Weights: which targets fail more than their peers, and how much of their requests they lose.
//!
//! Follows *Automatic Target Weights (ATW)* in the User Guide for Application Load Balancers (read 2026-04): detection is on
//! for every HTTP and HTTPS target group with three healthy targets, mitigation is a choice. Thresholds, floor and ramp are
//! not published; [`AnomalyRule`] names them, and a scenario may set each under `assumptions`.

use crate::units::Span;

/// Fewest healthy targets that are compared.
pub const HEALTHY_TARGETS_LEAST: usize = 3;

/// What AWS does not publish of anomaly detection and mitigation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AnomalyRule {
    /// How often targets are compared: 5 s.
    pub interval: Span,
    /// Over how long their requests are counted: 60 s.
    pub window: Span,
    /// Fewest requests of a target that can be told to be anomalous: 20.
    pub requests_least: u32,
    /// Its share of errors is greater than this: 0.05 ...
    pub error_share: f64,
    /// ... and greater than this many times the median of its peers: 3.
    pub error_ratio: f64,
    /// By which the weight of an anomalous target is multiplied: 0.5 ...
    pub weight_factor: f64,
    /// ... but not below this: 0.05.
    pub weight_floor: f64,
    /// What a target that is normal again gains of its weight: 0.1.
    pub weight_step: f64,
}

impl Default for AnomalyRule {
    fn default() -> Self {
        AnomalyRule {
            interval: Span::seconds(5),
            window: Span::seconds(60),
            requests_least: 20,
            error_share: 0.05,
            error_ratio: 3.0,
            weight_factor: 0.5,
            weight_floor: 0.05,
            weight_step: 0.1,
        }
    }
}

/// Requests of a target, and how many of them it answered with a 5xx or did not take.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TargetTally {
    /// Requests that were sent to it; where they are dealt evenly this is its part of them, which need not be whole.
    pub requests: f64,
    /// Errors.
    pub errors: u64,
}

impl TargetTally {
    /// Adds another's.
    pub fn add(&mut self, other: TargetTally) {
        self.requests += other.requests;
        self.errors += other.errors;
    }

    /// Errors as a share of requests; `None` without requests.
    pub fn error_share(self) -> Option<f64> {
        (self.requests > 0.0).then(|| self.errors as f64 / self.requests)
    }
}

impl AnomalyRule {
    /// Whether each of these healthy targets is anomalous, and the median share of errors of the others it was held against.
    pub fn compare(&self, targets: &[TargetTally]) -> Vec<(bool, f64)> {
        let mut shares: Vec<f64> = targets.iter().filter_map(|it| it.error_share()).collect();
        shares.sort_by(f64::total_cmp);
        let verdict = |target: &TargetTally| {
            let Some(own) = target.error_share() else { return (false, 0.0) };
            let of_others = median_without(&shares, own);
            let is_judged = targets.len() >= HEALTHY_TARGETS_LEAST && target.requests >= f64::from(self.requests_least);
            (is_judged && own > self.error_share && own > self.error_ratio * of_others, of_others)
        };
        targets.iter().map(verdict).collect()
    }

    /// The weight of a target after one more comparison.
    pub fn next_weight(&self, weight: f64, is_anomalous: bool) -> f64 {
        if is_anomalous {
            (weight * self.weight_factor).max(self.weight_floor).min(weight)
        } else {
            // Steps of a tenth do not add up to a whole in binary.
            let next = weight + self.weight_step;
            if next > 1.0 - 1e-9 { 1.0 } else { next }
        }
    }
}

/// The median of ascending shares without one that equals `own`; 0 where nothing is left.
fn median_without(shares: &[f64], own: f64) -> f64 {
    let removed = shares.partition_point(|it| *it < own);
    let left = shares.len().saturating_sub(1);
    let at = |place: usize| shares[if place < removed { place } else { place + 1 }];
    match left {
        0 => 0.0,
        _ if left % 2 == 1 => at(left / 2),
        _ => f64::midpoint(at(left / 2 - 1), at(left / 2)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(requests: f64, errors: u64) -> TargetTally {
        TargetTally { requests, errors }
    }

    fn verdicts(targets: &[TargetTally]) -> Vec<bool> {
        AnomalyRule::default().compare(targets).into_iter().map(|it| it.0).collect()
    }

    #[test]
    fn the_one_that_fails_much_more_than_the_median_of_the_others_is_anomalous() {
        assert_eq!(verdicts(&[tally(100.0, 0), tally(100.0, 6), tally(100.0, 0)]), [false, true, false]);
        // Not more than 5 %.
        assert_eq!(verdicts(&[tally(100.0, 0), tally(100.0, 5), tally(100.0, 0)]), [false; 3]);
        // Not more than three times the median of the others, which is 4 % and then 3.9 %.
        let four = [tally(100.0, 12), tally(100.0, 3), tally(100.0, 4), tally(100.0, 9)];
        assert_eq!(verdicts(&four), [false; 4]);
        let three = [tally(1000.0, 120), tally(1000.0, 30), tally(1000.0, 39), tally(1000.0, 90)];
        assert_eq!(verdicts(&three), [true, false, false, false]);
        // Of two others the median lies in the middle.
        assert_eq!(AnomalyRule::default().compare(&[tally(50.0, 20), tally(50.0, 1), tally(50.0, 2)])[0], (true, 0.03));
    }

    #[test]
    fn few_requests_and_few_targets_are_not_judged() {
        assert_eq!(verdicts(&[tally(19.0, 19), tally(100.0, 0), tally(100.0, 0)]), [false; 3]);
        assert_eq!(verdicts(&[tally(20.0, 20), tally(100.0, 0), tally(100.0, 0)]), [true, false, false]);
        assert_eq!(verdicts(&[tally(100.0, 100), tally(100.0, 0)]), [false; 2]);
        // All fail: none more than the others.
        assert_eq!(verdicts(&[tally(100.0, 50); 5]), [false; 5]);
        assert_eq!(verdicts(&[tally(0.0, 0); 3]), [false; 3]);
    }

    #[test]
    fn a_weight_halves_down_to_its_floor_and_comes_back_in_tenths() {
        let rule = AnomalyRule::default();
        let steps = |mut weight: f64, is_anomalous: bool, count: usize| -> Vec<f64> {
            let mut step = || {
                weight = rule.next_weight(weight, is_anomalous);
                weight
            };
            (0..count).map(|_| step()).collect()
        };
        assert_eq!(steps(1.0, true, 6), [0.5, 0.25, 0.125, 0.0625, 0.05, 0.05]);
        let back = steps(0.05, false, 10);
        for (step, weight) in back.iter().enumerate().take(9) {
            assert!((weight - (0.05 + 0.1 * (step as f64 + 1.0))).abs() < 1e-12, "{back:?}");
        }
        assert_eq!(back[9], 1.0);
        assert_eq!(steps(0.9, false, 2), [1.0, 1.0]);
    }
}
