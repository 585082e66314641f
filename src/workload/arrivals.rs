//! Arrival processes: at what rate, and how requests lie within it.

use crate::distribution::{fill_unit_exponentials, whole_nanos};
use crate::rng::Stream;
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

/// Arrivals of a process, one batch after the other.
#[derive(Clone, Debug)]
pub struct Arrivals {
    process: ArrivalProcess,
    stream: Stream,
    /// Of a rate: the segment of its curve, and where in it, in nanoseconds. Of counts: the interval.
    segment: usize,
    position: f64,
    /// Of counts: how many of the interval's requests have come, and how much of it random spacing has used up.
    placed: u64,
}

impl Arrivals {
    /// Arrivals from the start of the run.
    pub fn new(process: &ArrivalProcess, stream: Stream) -> Arrivals {
        Arrivals { process: process.clone(), stream, segment: 0, position: 0.0, placed: 0 }
    }

    /// The next arrivals, whole nanoseconds since the start, not decreasing; tells how many there were. Fewer than
    /// asked for means that none follow.
    pub fn fill(&mut self, times: &mut [f64]) -> usize {
        match &self.process {
            ArrivalProcess::Rate { curve, spacing } => {
                match spacing {
                    Spacing::Poisson => fill_unit_exponentials(&mut self.stream, times),
                    Spacing::Even => times.fill(1.0),
                }
                fill_from_rate(curve, *spacing, times, &mut self.segment, &mut self.position)
            }
            ArrivalProcess::Counts { .. } => {
                let mut filled = 0;
                while filled < times.len()
                    && let Some(next) = self.next_of_counts()
                {
                    times[filled] = next as f64;
                    filled += 1;
                }
                filled
            }
        }
    }

    fn next_of_counts(&mut self) -> Option<u64> {
        let ArrivalProcess::Counts { start, interval, counts, spacing } = &self.process else { return None };
        while self.placed == *counts.get(self.segment)? {
            self.segment += 1;
            self.placed = 0;
            self.position = 0.0;
        }
        let left = counts[self.segment] - self.placed;
        let share = match spacing {
            // The least of `left` uniform points on what remains of the interval.
            Spacing::Poisson => {
                let unit = self.stream.unit();
                self.position += (1.0 - self.position) * (1.0 - libm::pow(unit, 1.0 / left as f64));
                self.position
            }
            Spacing::Even => (self.placed as f64 + 0.5) / counts[self.segment] as f64,
        };
        self.placed += 1;
        // The interval's end belongs to the next one.
        let offset = ((share * interval.0 as f64) as u64).min(interval.0 - 1);
        Some(start.0 + interval.0 * self.segment as u64 + offset)
    }
}

/// Replaces each of `times`, an area under the rate curve, by the instant at which the rate's integral has grown by it
/// since the one before. Tells how many there are before the curve ends at no rate.
fn fill_from_rate(
    curve: &[RatePoint],
    spacing: Spacing,
    times: &mut [f64],
    segment: &mut usize,
    position: &mut f64,
) -> usize {
    let mut filled = 0;
    while filled < times.len() {
        if *segment + 1 < curve.len() {
            let Some(next) = next_of_rate(curve, &mut times[filled], segment, position) else { continue };
            times[filled] = whole_nanos(next);
            filled += 1;
            continue;
        }
        // The last point's rate holds on.
        let last = curve[*segment];
        if last.rate <= 0.0 {
            return filled;
        }
        *position = position.max(last.at.0 as f64);
        match spacing {
            // At random, a nanosecond more or less of a gap is nothing; evenly, it would add up.
            Spacing::Poisson => {
                *position = whole_nanos(*position);
                become_whole(&mut times[filled..], 1e9 / last.rate);
                add_up(&mut times[filled..], position);
            }
            Spacing::Even => {
                for time in &mut times[filled..] {
                    *position += *time * 1e9 / last.rate;
                    *time = whole_nanos(*position);
                }
            }
        }
        let rest = &times[filled..];
        return filled + rest.partition_point(|&it| it < MOST_NANOS);
    }
    filled
}

#[multiversion::multiversion(targets = "simd")]
fn become_whole(gaps: &mut [f64], scale: f64) {
    for gap in gaps {
        *gap = whole_nanos(*gap * scale);
    }
}

/// Turns whole gaps into instants, the last of which is the new `position`.
fn add_up(gaps: &mut [f64], position: &mut f64) {
    // Whole numbers add up to the same in any order, so only one addition of four waits for the one before.
    let (fours, rest) = gaps.as_chunks_mut::<4>();
    for four in fours {
        let [a, b, c, d] = *four;
        let (two, three, all) = (a + b, (a + b) + c, (a + b) + (c + d));
        *four = [*position + a, *position + two, *position + three, *position + all];
        *position = four[3];
    }
    for gap in rest {
        *position += *gap;
        *gap = *position;
    }
}

/// Walks along one piece of a curve until the rate's integral has grown by `area`; where the piece ends before, takes what
/// it had from `area` and goes on to the next piece.
fn next_of_rate(curve: &[RatePoint], area: &mut f64, segment: &mut usize, position: &mut f64) -> Option<f64> {
    let (from, to) = (curve[*segment], curve[*segment + 1]);
    let (begin, end) = (from.at.0 as f64, to.at.0 as f64);
    *position = position.max(begin);
    let length = end - begin;
    let slope = if length > 0.0 { (to.rate - from.rate) * 1e-9 / length } else { 0.0 };
    let rate = (from.rate * 1e-9 + slope * (*position - begin)).max(0.0);
    let left = end - *position;
    let remaining = left * (rate + slope * left / 2.0).max(0.0);
    if *area >= remaining || left <= 0.0 {
        *area -= remaining.min(*area);
        *segment += 1;
        *position = end;
        return None;
    }
    // The root of rate x dt + slope x dt^2 / 2 = area, in the form that loses no digits.
    let root = (rate * rate + 2.0 * slope * *area).max(0.0).sqrt();
    *position = (*position + 2.0 * *area / (rate + root)).min(end);
    Some(*position)
}

/// Whole nanoseconds are exact in a float up to here: 104 days.
const MOST_NANOS: f64 = (1u64 << 53) as f64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;

    fn second(seconds: u64) -> Instant {
        Instant::START + Span::seconds(seconds)
    }

    fn arrivals(process: &ArrivalProcess, seed: u64, until: Instant) -> Vec<u64> {
        let mut arrivals = Arrivals::new(process, Seed { seed, replication: 0 }.stream("arrivals", "test"));
        let mut all = Vec::new();
        let mut batch = [0.0; 100];
        loop {
            let filled = arrivals.fill(&mut batch);
            all.extend(batch[..filled].iter().map(|&it| it as u64).take_while(|&it| it < until.0));
            if filled < batch.len() || batch[filled - 1] as u64 >= until.0 {
                return all;
            }
        }
    }

    #[test]
    fn even_arrivals_of_a_constant_rate() {
        let curve = vec![RatePoint { at: Instant::START, rate: 4.0 }];
        let times = arrivals(&ArrivalProcess::Rate { curve, spacing: Spacing::Even }, 0, second(10));
        assert_eq!(times.len(), 39, "one each time the integral passes a whole number, the last at the end itself");
        assert_eq!(times[..3], [250_000_000, 500_000_000, 750_000_000]);
    }

    #[test]
    fn a_ramp_has_the_area_under_it() {
        let curve = vec![
            RatePoint { at: Instant::START, rate: 0.0 },
            RatePoint { at: second(100), rate: 20.0 },
            RatePoint { at: second(100), rate: 5.0 },
            RatePoint { at: second(200), rate: 5.0 },
            RatePoint { at: second(200), rate: 0.0 },
        ];
        let even = ArrivalProcess::Rate { curve: curve.clone(), spacing: Spacing::Even };
        let times = arrivals(&even, 0, second(1000));
        let before = times.iter().filter(|&&it| it < second(100).0).count();
        assert!((999..=1000).contains(&before), "the last one falls on the step, a rounding to either side: {before}");
        assert!((1499..=1500).contains(&times.len()), "{}", times.len());
        assert!(times.is_sorted());
        let half = times.iter().filter(|&&it| it < second(50).0).count();
        assert!((249..=250).contains(&half), "a quarter of a ramp's area lies in its first half: {half}");
        let poisson = ArrivalProcess::Rate { curve, spacing: Spacing::Poisson };
        let counts: Vec<f64> = (0..200).map(|seed| arrivals(&poisson, seed, second(1000)).len() as f64).collect();
        let mean = counts.iter().sum::<f64>() / 200.0;
        let variance = counts.iter().map(|it| (it - mean) * (it - mean)).sum::<f64>() / 199.0;
        // Poisson: mean and variance 1500; four standard errors of each over 200 runs.
        assert!((mean - 1500.0).abs() < 4.0 * libm::sqrt(1500.0 / 200.0), "{mean}");
        assert!((variance / 1500.0 - 1.0).abs() < 4.0 * libm::sqrt(2.0 / 199.0), "{variance}");
    }

    #[test]
    fn counts_come_exactly() {
        for spacing in [Spacing::Poisson, Spacing::Even] {
            let process = ArrivalProcess::Counts {
                start: second(60),
                interval: Span::seconds(60),
                counts: vec![3, 0, 500, 1],
                spacing,
            };
            let times = arrivals(&process, 9, Instant::NEVER);
            assert!(times.is_sorted());
            let inside =
                |from: u64| times.iter().filter(|&&it| it >= second(from).0 && it < second(from + 60).0).count();
            assert_eq!([inside(0), inside(60), inside(120), inside(180), inside(240)], [0, 3, 0, 500, 1]);
        }
    }
}
