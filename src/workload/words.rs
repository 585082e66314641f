//! The words of a scenario file for arrival processes, as rate curves.

use crate::units::{Instant, NANOS_PER_SECOND, Span};
use crate::workload::arrivals::RatePoint;

/// A rate that stays.
pub fn constant(rate: f64) -> Vec<RatePoint> {
    vec![RatePoint { at: Instant::START, rate }]
}

/// A straight line from one rate to another.
pub fn ramp(from: f64, to: f64, start: Span, over: Span) -> Vec<RatePoint> {
    let begin = Instant::START + start;
    vec![
        RatePoint { at: Instant::START, rate: from },
        RatePoint { at: begin, rate: from },
        RatePoint { at: begin + over, rate: to },
    ]
}

/// A rate that jumps: each step's rate holds from its instant on, the first one's from the start.
pub fn steps(steps: &[(Span, f64)]) -> Vec<RatePoint> {
    let mut curve = Vec::new();
    let mut before = steps.first().map_or(0.0, |(_, rate)| *rate);
    for &(at, rate) in steps {
        let at = Instant::START + at;
        curve.push(RatePoint { at, rate: before });
        curve.push(RatePoint { at, rate });
        before = rate;
    }
    curve.insert(0, RatePoint { at: Instant::START, rate: curve.first().map_or(0.0, |it| it.rate) });
    curve
}

/// A sine: `mean x (1 + amplitude x cos(2 pi (t - peak) / period))`, its points a minute apart (or a hundredth of the
/// period, where that is shorter), until `duration`.
pub fn diurnal(mean: f64, amplitude: f64, peak_at: Span, period: Span, duration: Span) -> Vec<RatePoint> {
    let apart = Span::MINUTE.0.min(period.0 / 100).max(1);
    (0..=duration.0.div_ceil(apart))
        .map(|point| {
            let at = point * apart;
            let turn = std::f64::consts::TAU * (at as f64 - peak_at.0 as f64) / period.0 as f64;
            RatePoint { at: Instant(at), rate: (mean * (1.0 + amplitude * libm::cos(turn))).max(0.0) }
        })
        .collect()
}

/// A rate for each hour, straight lines between the middles of the hours; the list begins again when it ends.
pub fn hourly(rates: &[f64], duration: Span) -> Vec<RatePoint> {
    let hour = 3600 * NANOS_PER_SECOND;
    let rate_of = |hour: u64| rates[(hour % rates.len() as u64) as usize];
    let last = rates[rates.len() - 1];
    let mut curve = vec![RatePoint { at: Instant::START, rate: (last + rates[0]) / 2.0 }];
    for number in 0..=duration.0 / hour {
        curve.push(RatePoint { at: Instant(number * hour + hour / 2), rate: rate_of(number) });
    }
    curve
}

/// A spike above a base.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spike {
    /// When it begins to rise.
    pub at: Span,
    /// The rate at its top.
    pub rate: f64,
    /// How long it rises.
    pub ramp_up: Span,
    /// How long it stays.
    pub hold: Span,
    /// How long it falls.
    pub decay: Span,
}

/// A base rate with spikes, which do not overlap.
pub fn spikes(base: f64, spikes: &[Spike]) -> Vec<RatePoint> {
    let mut curve = constant(base);
    for spike in spikes {
        let mut at = Instant::START + spike.at;
        curve.push(RatePoint { at, rate: base });
        at += spike.ramp_up;
        curve.push(RatePoint { at, rate: spike.rate });
        at += spike.hold;
        curve.push(RatePoint { at, rate: spike.rate });
        at += spike.decay;
        curve.push(RatePoint { at, rate: base });
    }
    curve
}

/// Counts multiplied by `scale`: whole numbers whose running sum is never off by one or more.
pub fn scaled(counts: &[u64], scale: f64) -> Vec<u64> {
    let (mut exact, mut given) = (0.0, 0u64);
    counts
        .iter()
        .map(|&count| {
            exact += count as f64 * scale;
            let next = (exact + 1e-9).floor() as u64;
            let here = next - given;
            given = next;
            here
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate_at(curve: &[RatePoint], seconds: u64) -> f64 {
        let at = Instant::START + Span::seconds(seconds);
        let after = curve.iter().position(|it| it.at > at).unwrap_or(curve.len());
        let before = curve[after - 1];
        match curve.get(after) {
            None => before.rate,
            Some(next) => {
                let share = (at.0 - before.at.0) as f64 / (next.at.0 - before.at.0) as f64;
                before.rate + share * (next.rate - before.rate)
            }
        }
    }

    #[test]
    fn words_mean_what_they_say() {
        let minute = Span::MINUTE;
        let curve = ramp(10.0, 50.0, minute, minute * 2);
        assert_eq!([rate_at(&curve, 30), rate_at(&curve, 120), rate_at(&curve, 999)], [10.0, 30.0, 50.0]);
        let curve = steps(&[(Span::ZERO, 5.0), (minute, 20.0)]);
        assert_eq!([rate_at(&curve, 59), rate_at(&curve, 60), rate_at(&curve, 600)], [5.0, 20.0, 20.0]);
        let curve = diurnal(100.0, 0.5, Span::seconds(14 * 3600), Span::seconds(86_400), Span::seconds(86_400));
        assert!((rate_at(&curve, 14 * 3600) - 150.0).abs() < 1e-6 && (rate_at(&curve, 2 * 3600) - 50.0).abs() < 1e-6);
        let curve = hourly(&[10.0, 30.0], Span::seconds(4 * 3600));
        assert_eq!([rate_at(&curve, 1800), rate_at(&curve, 3600), rate_at(&curve, 5400)], [10.0, 20.0, 30.0]);
        let spike = Spike { at: minute, rate: 9.0, ramp_up: minute, hold: minute, decay: minute };
        let curve = spikes(1.0, &[spike]);
        assert_eq!([0, 60, 90, 150, 210, 300].map(|at| rate_at(&curve, at)), [1.0, 1.0, 5.0, 9.0, 5.0, 1.0]);
    }

    #[test]
    fn scaling_loses_no_request() {
        assert_eq!(scaled(&[1; 10], 0.1).iter().sum::<u64>(), 1);
        assert_eq!(scaled(&[3, 5], 2.0), [6, 10]);
        assert_eq!(scaled(&[7; 1000], 0.35).iter().sum::<u64>(), 2450);
    }
}
