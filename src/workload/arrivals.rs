//! Arrival processes: at what rate, and how requests lie within it.

use std::sync::Arc;

use crate::distribution::{fill_unit_exponentials, whole_nanos};
use crate::logarithm::unit_exponential;
use crate::rng::Stream;
use crate::units::{Instant, Span};
use crate::workload::modulation::{Modulated, Modulation};
use crate::workload::renewal::Gaps;
use crate::workload::words;

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
    /// A Poisson process whose rate itself changes at random.
    Modulated(Modulation),
    /// Gaps that are independent of each other and of one law. A request is taken to have come just before the start.
    Renewal {
        /// Requests a second.
        rate: f64,
        /// Squared coefficient of variation of the gaps; see [`Gaps`].
        cv2: f64,
    },
    /// Several requests at one instant, the instants a Poisson process.
    Batches {
        /// Requests a second, so that a batch comes every `size / rate` seconds.
        rate: f64,
        /// How many come at once.
        size: BatchSize,
    },
    /// Each request at an instant of its own, as a log has it.
    Instants {
        /// When, in nanoseconds since the start, not decreasing.
        times: Arc<[u64]>,
        /// How often each comes: of a part of one, requests are left out at equal distances; further ones lie evenly
        /// before the next request.
        scale: f64,
    },
    /// A stretch of a process, moved.
    Window {
        /// The process.
        of: Box<ArrivalProcess>,
        /// Where in its time the stretch begins.
        from: Span,
        /// When that is in the run.
        start: Instant,
        /// How long the stretch is; `None` is without end.
        length: Option<Span>,
    },
}

/// How many requests come in a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BatchSize {
    /// Always so many, at least 1.
    Fixed(u32),
    /// 1, 2, 3 ... with probabilities that fall by the same factor, and this mean, at least 1.
    Geometric(f64),
}

impl BatchSize {
    fn mean(self) -> f64 {
        match self {
            BatchSize::Fixed(size) => f64::from(size),
            BatchSize::Geometric(mean) => mean,
        }
    }

    fn sample(self, stream: &mut Stream) -> u64 {
        match self {
            BatchSize::Fixed(size) => u64::from(size),
            // ln U over the logarithm of the share that goes on; of a mean of 1 that is a number over -infinity.
            BatchSize::Geometric(mean) => 1 + (libm::log(stream.unit()) / libm::log1p(-1.0 / mean)) as u64,
        }
    }
}

impl ArrivalProcess {
    /// `shape`: the process at `scale` times its rate, its time from `from` on, for `length`, moved to `start`.
    pub fn shaped(self, scale: f64, from: Span, length: Option<Span>, start: Instant) -> ArrivalProcess {
        let scaled = self.scaled(scale);
        match scaled {
            ArrivalProcess::Rate { curve, spacing } => {
                ArrivalProcess::Rate { curve: words::window(&curve, from, length, start), spacing }
            }
            _ if from == Span::ZERO && length.is_none() && start == Instant::START => scaled,
            _ => ArrivalProcess::Window { of: Box::new(scaled), from, start, length },
        }
    }

    fn scaled(self, scale: f64) -> ArrivalProcess {
        match self {
            ArrivalProcess::Rate { curve, spacing } => {
                let points = curve.into_iter().map(|it| RatePoint { rate: it.rate * scale, ..it });
                ArrivalProcess::Rate { curve: points.collect(), spacing }
            }
            ArrivalProcess::Counts { start, interval, counts, spacing } => {
                let counts = whole_counts(counts.into_iter().map(|it| it as f64 * scale));
                ArrivalProcess::Counts { start, interval, counts, spacing }
            }
            ArrivalProcess::Modulated(modulation) => ArrivalProcess::Modulated(modulation.scaled(scale)),
            ArrivalProcess::Renewal { rate, cv2 } => ArrivalProcess::Renewal { rate: rate * scale, cv2 },
            ArrivalProcess::Batches { rate, size } => ArrivalProcess::Batches { rate: rate * scale, size },
            ArrivalProcess::Instants { times, scale: before } => {
                ArrivalProcess::Instants { times, scale: before * scale }
            }
            ArrivalProcess::Window { of, from, start, length } => {
                ArrivalProcess::Window { of: Box::new(of.scaled(scale)), from, start, length }
            }
        }
    }
}

/// Whole counts; what rounding takes from one goes to the next, so that totals stay true.
pub fn whole_counts(counts: impl IntoIterator<Item = f64>) -> Vec<u64> {
    let (mut exact, mut given) = (0.0, 0.0);
    let whole = counts.into_iter().map(|it| {
        exact += it;
        let whole = (exact + 0.5).floor() - given;
        given += whole;
        whole as u64
    });
    whole.collect()
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
    /// Of a rate: the segment of its curve, and where in it, in nanoseconds. Of counts: the interval. Of instants: the
    /// request.
    segment: usize,
    position: f64,
    /// Of counts: how many of the interval's requests have come, and how much of it random spacing has used up. Of
    /// instants and batches: how many have come of those that belong together.
    placed: u64,
    /// Of batches and instants: how many belong together.
    together: u64,
    kind: Kind,
}

/// What some processes need to know beside that.
#[derive(Clone, Debug)]
enum Kind {
    Plain,
    Modulated(Modulated),
    Renewal(Gaps),
    Window(Box<Arrivals>),
}

impl Arrivals {
    /// Arrivals from the start of the run.
    pub fn new(process: &ArrivalProcess, mut stream: Stream) -> Arrivals {
        let kind = match process {
            ArrivalProcess::Modulated(modulation) => Kind::Modulated(Modulated::new(modulation, &mut stream)),
            ArrivalProcess::Renewal { rate, cv2 } => Kind::Renewal(Gaps::new(*rate, *cv2)),
            ArrivalProcess::Window { of, .. } => Kind::Window(Box::new(Arrivals::new(of, stream.clone()))),
            _ => Kind::Plain,
        };
        Arrivals { process: process.clone(), stream, segment: 0, position: 0.0, placed: 0, together: 0, kind }
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
            _ => {
                let mut filled = 0;
                while filled < times.len()
                    && let Some(next) = self.next()
                {
                    times[filled] = next;
                    filled += 1;
                }
                filled
            }
        }
    }

    fn next(&mut self) -> Option<f64> {
        match (&self.process, &mut self.kind) {
            (_, Kind::Modulated(modulated)) => modulated.next(&mut self.stream),
            (_, Kind::Renewal(gaps)) => {
                self.position += gaps.next(&mut self.stream)?;
                Some(whole_nanos(self.position))
            }
            (ArrivalProcess::Window { from, start, length, .. }, Kind::Window(arrivals)) => {
                let end = length.map_or(f64::INFINITY, |it| (*from + it).0 as f64);
                let mut time = [0.0];
                while arrivals.fill(&mut time) > 0 && time[0] < end {
                    if time[0] >= from.0 as f64 {
                        return Some(time[0] - from.0 as f64 + start.0 as f64);
                    }
                }
                None
            }
            (ArrivalProcess::Batches { rate, size }, _) => {
                if *rate <= 0.0 {
                    return None;
                }
                if self.placed == self.together {
                    self.position += unit_exponential(self.stream.word()) * size.mean() * 1e9 / rate;
                    (self.placed, self.together) = (0, size.sample(&mut self.stream));
                }
                self.placed += 1;
                Some(whole_nanos(self.position))
            }
            (ArrivalProcess::Counts { .. }, _) => self.next_of_counts().map(|it| it as f64),
            (ArrivalProcess::Instants { .. }, _) => self.next_of_instants(),
            _ => unreachable!("rates are filled a batch at a time, and the other kinds have a state"),
        }
    }

    fn next_of_instants(&mut self) -> Option<f64> {
        let ArrivalProcess::Instants { times, scale } = &self.process else { return None };
        while self.placed == self.together {
            if self.segment == times.len() {
                return None;
            }
            // How many are due after so many requests; the first of several stands for itself.
            let due = |requests: usize| (requests as f64 * scale + 0.5).floor();
            self.together = (due(self.segment + 1) - due(self.segment)) as u64;
            self.placed = 0;
            self.segment += 1;
        }
        let time = times[self.segment - 1];
        let gap = times.get(self.segment).map_or(0, |next| next - time);
        let offset = (gap as f64 * (self.placed as f64 / self.together as f64)).floor();
        self.placed += 1;
        Some(time as f64 + offset)
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

/// Gaps that are added up together.
const TOGETHER: usize = 512;

/// Turns whole gaps into instants, the last of which is the new `position`.
///
/// Whole numbers add up to the same in any order: first each gap with the three before it, then two of these, and only
/// the sum of eight waits for the instant eight before.
#[multiversion::multiversion(targets = "simd")]
fn add_up(gaps: &mut [f64], position: &mut f64) {
    let mut fours = [0.0; 4 + TOGETHER];
    for gaps in gaps.chunks_mut(TOGETHER) {
        let mut so_far = 0.0;
        for (four, gap) in fours[4..7].iter_mut().zip(&*gaps) {
            so_far += gap;
            *four = so_far;
        }
        for (four, gaps) in fours[7..].iter_mut().zip(gaps.windows(4)) {
            *four = (gaps[0] + gaps[1]) + (gaps[2] + gaps[3]);
        }
        let mut times = [*position; 8];
        let (earlier, later) = (fours[..TOGETHER].as_chunks::<8>().0, fours[4..].as_chunks::<8>().0);
        let (eights, rest) = gaps.as_chunks_mut::<8>();
        for ((eight, earlier), later) in eights.iter_mut().zip(earlier).zip(later) {
            for place in 0..8 {
                times[place] += earlier[place] + later[place];
            }
            *eight = times;
        }
        *position = times[7];
        for gap in rest {
            *position += *gap;
            *gap = *position;
        }
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

    /// One of each kind.
    fn processes() -> Vec<ArrivalProcess> {
        let bursts = Modulation::two_states(50.0, 3.0, Span::SECOND, 0.2).expect("an index that is possible");
        let sources =
            Modulation::OnOff { sources: 20, rate: 10.0, mean_durations: [Span::SECOND, Span::seconds(3)], shape: 1.4 };
        let times: Arc<[u64]> = (0..500).map(|it| it * it * 1_000_000).collect();
        let of = Box::new(ArrivalProcess::Modulated(bursts));
        let curve = vec![RatePoint { at: Instant::START, rate: 0.0 }, RatePoint { at: second(10), rate: 100.0 }];
        vec![
            ArrivalProcess::Rate { curve, spacing: Spacing::Poisson },
            ArrivalProcess::Counts {
                start: second(1),
                interval: Span::SECOND,
                counts: vec![300, 0, 300],
                spacing: Spacing::Poisson,
            },
            ArrivalProcess::Modulated(bursts),
            ArrivalProcess::Modulated(sources),
            ArrivalProcess::Renewal { rate: 50.0, cv2: 0.3 },
            ArrivalProcess::Renewal { rate: 50.0, cv2: 4.0 },
            ArrivalProcess::Batches { rate: 50.0, size: BatchSize::Geometric(4.5) },
            ArrivalProcess::Batches { rate: 50.0, size: BatchSize::Fixed(7) },
            ArrivalProcess::Instants { times, scale: 1.5 },
            ArrivalProcess::Window { of, from: Span::seconds(3), start: second(1), length: Some(Span::seconds(10)) },
        ]
    }

    #[test]
    fn arrivals_do_not_depend_on_how_many_are_asked_for_at_once() {
        for process in processes() {
            let new = || Arrivals::new(&process, Seed { seed: 91, replication: 0 }.stream("arrivals", "test"));
            let mut whole = [0.0; 400];
            let filled = new().fill(&mut whole);
            let (mut parts, mut arrivals, mut sizes) = (Vec::new(), new(), [1, 7, 64, 3, 129].iter().cycle());
            while parts.len() < filled {
                let size = *sizes.next().expect("a cycle");
                let mut part = vec![0.0; size.min(filled - parts.len())];
                assert_eq!(arrivals.fill(&mut part), part.len(), "{process:?}");
                parts.extend(part);
            }
            assert!(filled > 200, "{process:?}");
            assert_eq!(whole[..filled], parts, "{process:?}");
            assert!(whole[..filled].is_sorted(), "{process:?}");
            assert!(whole.iter().all(|it| it.fract() == 0.0), "{process:?}");
        }
    }

    /// Mean and variance over mean of the counts of `windows` windows.
    fn dispersion(process: &ArrivalProcess, seed: u64, window: Span, windows: usize) -> (f64, f64) {
        let mut counts = vec![0.0; windows];
        for time in arrivals(process, seed, Instant(window.0 * windows as u64)) {
            counts[(time / window.0) as usize] += 1.0;
        }
        let mean = counts.iter().sum::<f64>() / windows as f64;
        let variance = counts.iter().map(|it| (it - mean) * (it - mean)).sum::<f64>() / (windows - 1) as f64;
        (mean, variance / mean)
    }

    #[test]
    fn two_states_disperse_as_they_should() {
        for (rates, switching) in [([0.4, 1.2], 1.0), ([0.4, 1.2], 0.1), ([0.2, 1.4], 0.1)] {
            let rates: [f64; 2] = rates.map(|it| it * 10.0);
            let mean_durations = [Span::from_seconds_f64(1.0 / switching); 2];
            let process = ArrivalProcess::Modulated(Modulation::TwoStates { rates, mean_durations });
            let window = Span::seconds(50);
            let (mean, index) = dispersion(&process, 92, window, 10_000);
            // IDC(t) = 1 + 2 p1 p2 (l1 - l2)^2 / (s m) (1 - (1 - e^(-s t)) / (s t)), s the sum of both switching rates.
            let s = 2.0 * switching;
            let limit = 0.5 * (rates[0] - rates[1]) * (rates[0] - rates[1]) / (s * 8.0);
            let st = s * window.as_seconds();
            let expected = 1.0 + limit * (1.0 + libm::expm1(-st) / st);
            assert!((mean / 400.0 - 1.0).abs() < 0.01, "{mean}");
            // Four standard errors of a variance.
            assert!((index / expected - 1.0).abs() < 4.0 * libm::sqrt(2.0 / 10_000.0), "{index} for {expected}");
        }
    }

    #[test]
    fn two_states_by_their_index_have_it() {
        for (mean, index, duration, share) in [(100.0, 1.5, 5, 0.1), (40.0, 20.0, 2, 0.25), (100.0, 9.0, 1, 0.5)] {
            let modulation = Modulation::two_states(mean, index, Span::seconds(duration), share).expect("possible");
            let Modulation::TwoStates { rates: [quiet, burst], mean_durations: [calm, bursting] } = modulation else {
                panic!("two states");
            };
            let (calm, bursting) = (calm.as_seconds(), bursting.as_seconds());
            let (p1, p2) = (calm / (calm + bursting), bursting / (calm + bursting));
            assert!((p2 - share).abs() < 1e-9 && (p1 * quiet + p2 * burst - mean).abs() < 1e-9 * mean);
            let between = (burst - quiet) * (burst - quiet);
            let limit = 1.0 + 2.0 * p1 * p2 * between / ((1.0 / calm + 1.0 / bursting) * mean);
            assert!((limit / index - 1.0).abs() < 1e-9, "{limit} for {index}");
        }
        let most = Modulation::two_states(100.0, 1e6, Span::SECOND, 0.5).expect_err("impossible");
        assert_eq!(most, 1.0 + 2.0 * 0.25 * 100.0 / 0.5);
        let all = Modulation::two_states(100.0, most, Span::SECOND, 0.5).expect("just possible");
        assert!(matches!(all, Modulation::TwoStates { rates: [quiet, _], .. } if quiet < 1e-6), "{all:?}");
    }

    #[test]
    fn renewals_and_batches_disperse_as_they_should() {
        // Of a renewal process the limit is the cv2 of its gaps; of batches E[N^2] / E[N].
        for (process, expected) in [
            (ArrivalProcess::Renewal { rate: 10.0, cv2: 0.25 }, 0.25),
            (ArrivalProcess::Renewal { rate: 10.0, cv2: 1.0 }, 1.0),
            (ArrivalProcess::Renewal { rate: 10.0, cv2: 4.0 }, 4.0),
            (ArrivalProcess::Batches { rate: 10.0, size: BatchSize::Fixed(5) }, 5.0),
            (ArrivalProcess::Batches { rate: 10.0, size: BatchSize::Geometric(3.0) }, 5.0),
            (ArrivalProcess::Batches { rate: 10.0, size: BatchSize::Geometric(1.0) }, 1.0),
        ] {
            let (mean, index) = dispersion(&process, 93, Span::seconds(100), 8_000);
            assert!((mean / 1_000.0 - 1.0).abs() < 4.0 * libm::sqrt(expected / 8e6), "{process:?}: {mean}");
            // Four standard errors of a variance, and what the ends of a window make of a renewal.
            assert!((index / expected - 1.0).abs() < 4.0 * libm::sqrt(2.0 / 8_000.0) + 0.01, "{process:?}: {index}");
        }
        let even = arrivals(&ArrivalProcess::Renewal { rate: 4.0, cv2: 0.0 }, 0, second(1));
        assert_eq!(even, [250_000_000, 500_000_000, 750_000_000]);
    }

    /// The Hurst exponent of on-off sources with Pareto times of this shape.
    ///
    /// The counts of an interval t vary by its mean, as Poisson's do, and by what the sources do, which grows as t^(2H).
    fn hurst(shape: f64) -> f64 {
        let (sources, rate, mean_durations) = (20, 10.0, [Span::SECOND; 2]);
        let process = ArrivalProcess::Modulated(Modulation::OnOff { sources, rate, mean_durations, shape });
        let (mean, short) = dispersion(&process, 94, Span::seconds(10), 6_400);
        let (_, long) = dispersion(&process, 94, Span::seconds(640), 100);
        assert!((mean / 1_000.0 - 1.0).abs() < 0.05, "{mean}");
        (libm::log((long - 1.0) / (short - 1.0)) / libm::log(64.0) + 1.0) / 2.0
    }

    #[test]
    fn on_off_sources_are_self_similar() {
        let (heavy, light) = (hurst(1.4), hurst(3.0));
        println!("H is {heavy:.3} of shape 1.4 and {light:.3} of shape 3");
        assert!((heavy - 0.8).abs() < 0.1, "H is (3 - shape) / 2, and here {heavy}");
        assert!((light - 0.5).abs() < 0.1, "light tails leave no long memory: {light}");
    }

    #[test]
    fn instants_come_when_they_did() {
        let times: Arc<[u64]> = Arc::new([0, 0, 10, 20, 50, 50]);
        let at = |scale| arrivals(&ArrivalProcess::Instants { times: times.clone(), scale }, 0, Instant::NEVER);
        assert_eq!(at(1.0), [0, 0, 10, 20, 50, 50]);
        assert_eq!(at(2.0), [0, 0, 0, 5, 10, 15, 20, 35, 50, 50, 50, 50]);
        assert_eq!(at(0.5), [0, 10, 50]);
        assert_eq!(at(0.0), [0; 0]);
    }

    #[test]
    fn shapes_scale_cut_and_move() {
        for process in processes() {
            let plain = arrivals(&process, 96, second(60));
            let shaped = |scale, length| process.clone().shaped(scale, Span::seconds(2), length, second(100));
            let moved = arrivals(&shaped(1.0, Some(Span::seconds(5))), 96, second(200));
            assert!(moved.iter().all(|it| (second(100).0..second(105).0).contains(it)), "{process:?}");
            if !matches!(process, ArrivalProcess::Rate { .. }) {
                // The same requests; of a rate only as many.
                let cut = plain.iter().filter(|it| (second(2).0..second(7).0).contains(it));
                assert_eq!(moved, cut.map(|it| it + second(98).0).collect::<Vec<_>>(), "{process:?}");
            }
            assert_eq!(arrivals(&shaped(0.0, None), 96, second(200)), [0; 0], "{process:?}");
            let twice = arrivals(&shaped(2.0, Some(Span::seconds(5))), 96, second(200));
            let ratio = twice.len() as f64 / moved.len().max(1) as f64;
            assert!((1.4..2.8).contains(&ratio), "{process:?}: {ratio}");
        }
    }
}
