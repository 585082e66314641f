//! The words for a rate that changes over time, and what each means as a curve.
//!
//! A curve is straight lines between points, the first at 0; its last rate holds on. Two points at one instant are a
//! step.

use crate::units::{Instant, Span};
use crate::workload::arrivals::RatePoint;

/// Rates over time, in requests a second.
pub type Curve = Vec<RatePoint>;

const HOUR: u64 = 60 * Span::MINUTE.0;

fn point(at: u64, rate: f64) -> RatePoint {
    RatePoint { at: Instant(at), rate }
}

/// `constant` and `poisson`: the same rate all the time.
pub fn constant(rate: f64) -> Curve {
    vec![point(0, rate)]
}

/// `ramp`: `from` until `start`, then straight to `to` within `over`, which it keeps.
pub fn ramp(from: f64, to: f64, start: Span, over: Span) -> Curve {
    let mut curve = vec![point(0, from)];
    if start > Span::ZERO {
        curve.push(point(start.0, from));
    }
    curve.push(RatePoint { at: Instant::START + start + over, rate: to });
    curve
}

/// `steps`: each rate from its instant on, in order of time; nothing before the first.
pub fn steps(steps: &[(Span, f64)]) -> Curve {
    let mut curve = Vec::new();
    let mut before = 0.0;
    for &(at, rate) in steps {
        if at > Span::ZERO {
            if curve.is_empty() {
                curve.push(point(0, before));
            }
            curve.push(point(at.0, before));
        }
        curve.push(point(at.0, rate));
        before = rate;
    }
    curve
}

/// `diurnal`: a cosine around `mean` that reaches `mean * (1 + amplitude)` at `peak_at`, once a period.
///
/// Straight lines between points a minute apart (a hundredth of the period, where that is shorter) differ from the
/// cosine of a day by less than 3 in a million.
pub fn diurnal(mean: f64, amplitude: f64, peak_at: Span, period: Span, duration: Span) -> Curve {
    let apart = Span::MINUTE.0.min(period.0 / 100).max(1);
    let rate = |at: u64| {
        let angle = 2.0 * std::f64::consts::PI * (at as f64 - peak_at.0 as f64) / period.0 as f64;
        (mean * (1.0 + amplitude * libm::cos(angle))).max(0.0)
    };
    (0..=duration.0.div_ceil(apart)).map(|number| point(number * apart, rate(number * apart))).collect()
}

/// `hourly`: the rates of the 24 hours from the start of the run on, times `scale`, again every day.
///
/// Straight lines between the middles of the hours: a day's total is that of the 24 numbers, without steps between them.
pub fn hourly(rates: &[f64; 24], scale: f64, duration: Span) -> Curve {
    let rate_of = |hour: u64| rates[(hour % 24) as usize] * scale;
    let mut curve = vec![point(0, (rate_of(23) + rate_of(0)) / 2.0)];
    curve.extend((0..=duration.0 / HOUR).map(|hour| point(hour * HOUR + HOUR / 2, rate_of(hour))));
    curve
}

/// A rise above a base rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spike {
    /// When it begins to rise.
    pub at: Span,
    /// The rate at its height, base included.
    pub rate: f64,
    /// How long it rises.
    pub ramp_up: Span,
    /// How long it stays.
    pub hold: Span,
    /// How long it falls.
    pub decay: Span,
}

/// `spikes`: a base rate, and what each spike adds to it; spikes that overlap add up.
pub fn spikes(base: f64, spikes: &[Spike]) -> Curve {
    let rises = spikes.iter().map(|it| {
        let height = it.rate - base;
        let up = it.at + it.ramp_up;
        let down = up + it.hold;
        let mut curve = vec![point(0, 0.0)];
        curve.push(point(it.at.0, 0.0));
        curve.push(point(up.0, height));
        curve.push(point(down.0, height));
        curve.push(point((down + it.decay).0, 0.0));
        curve
    });
    let mut curves: Vec<Curve> = rises.collect();
    curves.push(constant(base));
    sum(&curves)
}

/// A rise by doubling, as of a story that goes round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FlashCrowd {
    /// The rate before and after.
    pub base: f64,
    /// How many times that the height is, at least 1.
    pub factor: f64,
    /// When it begins to rise.
    pub at: Span,
    /// In what time it doubles.
    pub doubling: Span,
    /// How long it stays at its height.
    pub hold: Span,
    /// In what time it halves, until it is back at the base.
    pub half_life: Span,
}

/// `flashCrowd`: straight lines, a hundred to each doubling and halving, above the exponential by 6 in a million at most.
pub fn flash_crowd(crowd: &FlashCrowd) -> Curve {
    let doublings = libm::log2(crowd.factor);
    let pieces = (doublings * 100.0).ceil() as u64;
    let up = Span::from_nanos_f64(crowd.doubling.0 as f64 * doublings);
    let down = Span::from_nanos_f64(crowd.half_life.0 as f64 * doublings);
    // From `begin` on, piece after piece; one that takes no time is a step.
    let exponential = |begin: Span, over: Span, is_rise: bool| {
        let pieces = if over == Span::ZERO { 1 } else { pieces.max(1) };
        (0..=pieces).map(move |piece| {
            let share = piece as f64 / pieces as f64;
            let height = if is_rise { share } else { 1.0 - share };
            let at = begin.0 + (over.0 as f64 * share) as u64;
            point(at, crowd.base * libm::exp2(doublings * height))
        })
    };
    let mut curve = vec![point(0, crowd.base)];
    curve.extend(exponential(crowd.at, up, true));
    curve.extend(exponential(crowd.at + up + crowd.hold, down, false));
    curve
}

/// A stretch of a curve, from `from` on and for `length`, moved to `start`; nothing before and behind it.
pub fn window(curve: &Curve, from: Span, length: Option<Span>, start: Instant) -> Curve {
    let (from, end) = (Instant(from.0), length.map_or(Instant::NEVER, |it| Instant((from + it).0)));
    let mut window = Vec::new();
    if start > Instant::START {
        window.extend([point(0, 0.0), RatePoint { at: start, rate: 0.0 }]);
    }
    window.push(RatePoint { at: start, rate: rate_after(curve, from) });
    let within = curve.iter().filter(|it| it.at > from && it.at < end);
    window.extend(within.map(|it| RatePoint { at: start + (it.at - from), rate: it.rate }));
    if let Some(length) = length {
        let at = start + length;
        window.extend([RatePoint { at, rate: rate_before(curve, end) }, RatePoint { at, rate: 0.0 }]);
    }
    window
}

/// `sum`: all of these together.
pub fn sum(curves: &[Curve]) -> Curve {
    let mut instants: Vec<Instant> = curves.iter().flatten().map(|it| it.at).collect();
    instants.push(Instant::START);
    instants.sort_unstable();
    instants.dedup();
    let mut sum = Vec::with_capacity(instants.len());
    for at in instants {
        // Rounding may leave a spike that ends on the base a hair below zero.
        let before: f64 = curves.iter().map(|it| rate_before(it, at)).sum::<f64>().max(0.0);
        let after: f64 = curves.iter().map(|it| rate_after(it, at)).sum::<f64>().max(0.0);
        if at > Instant::START {
            sum.push(RatePoint { at, rate: before });
        }
        if at == Instant::START || after != before {
            sum.push(RatePoint { at, rate: after });
        }
    }
    sum
}

/// The rate that a curve comes to an instant with.
fn rate_before(curve: &[RatePoint], at: Instant) -> f64 {
    let next = curve.partition_point(|it| it.at < at);
    match (next.checked_sub(1).map(|it| curve[it]), curve.get(next)) {
        (_, Some(it)) if it.at == at => it.rate,
        (Some(last), Some(next)) => between(last, *next, at),
        (Some(last), None) => last.rate,
        (None, Some(next)) => next.rate,
        (None, None) => 0.0,
    }
}

/// The rate that a curve leaves an instant with.
fn rate_after(curve: &[RatePoint], at: Instant) -> f64 {
    let next = curve.partition_point(|it| it.at <= at);
    match (next.checked_sub(1).map(|it| curve[it]), curve.get(next)) {
        (Some(last), _) if last.at == at => last.rate,
        (Some(last), Some(next)) => between(last, *next, at),
        (Some(last), None) => last.rate,
        (None, _) => 0.0,
    }
}

fn between(last: RatePoint, next: RatePoint, at: Instant) -> f64 {
    let share = (at - last.at).0 as f64 / (next.at - last.at).0 as f64;
    last.rate + (next.rate - last.rate) * share
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(curve: &Curve, points: &[(u64, f64)]) {
        let expected: Curve = points.iter().map(|&(seconds, rate)| point(Span::seconds(seconds).0, rate)).collect();
        assert_eq!(*curve, expected);
    }

    #[test]
    fn ramps_and_steps() {
        let s = Span::seconds;
        check(&ramp(1.0, 5.0, s(10), s(20)), &[(0, 1.0), (10, 1.0), (30, 5.0)]);
        check(&ramp(1.0, 5.0, s(0), s(20)), &[(0, 1.0), (20, 5.0)]);
        check(&steps(&[(s(0), 1.0), (s(60), 3.0)]), &[(0, 1.0), (60, 1.0), (60, 3.0)]);
        check(&steps(&[(s(60), 3.0)]), &[(0, 0.0), (60, 0.0), (60, 3.0)]);
    }

    #[test]
    fn spikes_stand_on_their_base_and_add_up() {
        let s = Span::seconds;
        let spike = Spike { at: s(10), rate: 5.0, ramp_up: s(0), hold: s(10), decay: s(20) };
        check(&spikes(1.0, &[spike]), &[(0, 1.0), (10, 1.0), (10, 5.0), (20, 5.0), (40, 1.0)]);
        let later = Spike { at: s(15), rate: 3.0, ramp_up: s(0), hold: s(0), decay: s(0) };
        // A spike of no length adds nothing but the instant.
        let both = spikes(1.0, &[spike, later]);
        assert_eq!(rate_after(&both, Instant(s(16).0)), 5.0);
        assert_eq!(rate_before(&both, Instant(s(30).0)), 3.0);
    }

    #[test]
    fn a_sum_keeps_steps() {
        let s = Span::seconds;
        let curves = [steps(&[(s(0), 1.0), (s(10), 2.0)]), ramp(0.0, 10.0, s(0), s(20))];
        check(&sum(&curves), &[(0, 1.0), (10, 6.0), (10, 7.0), (20, 12.0)]);
    }

    #[test]
    fn a_flash_crowd_has_the_area_under_its_exponentials() {
        let s = Span::seconds;
        let crowd =
            FlashCrowd { base: 5.0, factor: 10.0, at: s(600), doubling: s(420), hold: s(3_600), half_life: s(1_800) };
        let curve = flash_crowd(&crowd);
        let ln2 = std::f64::consts::LN_2;
        let (rise, fall) = (420.0 * libm::log2(10.0), 1_800.0 * libm::log2(10.0));
        // The integral of base 2^(t / doubling) up to the height is base (factor - 1) doubling / ln 2.
        let expected = 5.0 * (600.0 + 9.0 * 420.0 / ln2 + 10.0 * 3_600.0 + 9.0 * 1_800.0 / ln2);
        let end = curve.last().expect("points").at;
        assert!((end.as_seconds() - (600.0 + rise + 3_600.0 + fall)).abs() < 1e-6);
        let area = total(&curve, end);
        assert!((area / expected - 1.0).abs() < 5e-6, "{area} for {expected}");
        assert_eq!(rate_after(&curve, Instant(s(600).0)), 5.0);
        let doubled = rate_after(&curve, Instant(s(600 + 420).0));
        assert!((doubled - 10.0).abs() < 1e-4, "{doubled}");
        let step = flash_crowd(&FlashCrowd { doubling: Span::ZERO, hold: s(60), half_life: Span::ZERO, ..crowd });
        assert_eq!(total(&step, Instant(s(700).0)), 5.0 * 700.0 + 45.0 * 60.0);
    }

    #[test]
    fn windows_cut_and_move() {
        let s = Span::seconds;
        let day = steps(&[(s(0), 1.0), (s(10), 2.0), (s(20), 4.0)]);
        let moved = window(&day, s(5), Some(s(10)), Instant(s(100).0));
        check(&moved, &[(0, 0.0), (100, 0.0), (100, 1.0), (105, 1.0), (105, 2.0), (110, 2.0), (110, 0.0)]);
        check(&window(&day, s(10), None, Instant::START), &[(0, 2.0), (10, 2.0), (10, 4.0)]);
        let slope = ramp(0.0, 10.0, s(0), s(10));
        check(&window(&slope, s(2), Some(s(3)), Instant::START), &[(0, 2.0), (3, 5.0), (3, 0.0)]);
    }

    /// Requests of a curve until `end`, which is one of its instants or behind the last.
    fn total(curve: &Curve, end: Instant) -> f64 {
        let lines = curve.windows(2).filter(|it| it[1].at <= end);
        let last = curve.iter().rev().find(|it| it.at <= end).expect("a point");
        lines.map(|it| (it[0].rate + it[1].rate) / 2.0 * (it[1].at - it[0].at).as_seconds()).sum::<f64>()
            + (last.rate + rate_before(curve, end)) / 2.0 * (end - last.at).as_seconds()
    }

    #[test]
    fn a_diurnal_day_peaks_when_it_should_and_keeps_its_mean() {
        let day = Span(24 * HOUR);
        let curve = diurnal(100.0, 0.5, Span(14 * HOUR), day, day);
        let top = curve.iter().max_by(|a, b| a.rate.total_cmp(&b.rate)).expect("points");
        assert_eq!((top.at, top.rate), (Instant(14 * HOUR), 150.0));
        let mean = total(&curve, Instant(day.0)) / day.as_seconds();
        assert!((mean - 100.0).abs() < 1e-9, "{mean}");
    }

    #[test]
    fn hours_meet_in_their_middles_and_keep_the_total() {
        let mut rates = [1.0; 24];
        rates[10] = 5.0;
        rates[23] = 3.0;
        let curve = hourly(&rates, 2.0, Span(48 * HOUR));
        for (hours, rate) in [(10.5, 10.0), (11.0, 6.0), (11.5, 2.0), (23.5, 6.0), (24.0, 4.0), (34.5, 10.0)] {
            let at = Instant::START + Span::from_seconds_f64(hours * 3_600.0);
            assert_eq!(rate_before(&curve, at), rate, "{hours} h");
        }
        assert_eq!(total(&curve, Instant(24 * HOUR)), 2.0 * 30.0 * 3_600.0);
    }
}
