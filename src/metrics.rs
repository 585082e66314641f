//! What CloudWatch sees: datapoints by period, each visible only some time after its period has closed.

use crate::aws::statistic::Statistic;
use crate::rare::{Nothing, Rare};
use crate::units::{Instant, Span};

/// The samples of one period.
#[derive(Clone, Debug, PartialEq)]
pub struct Datapoint {
    /// Sum of the samples.
    pub sum: f64,
    /// How many there were, above 0.
    pub sample_count: f64,
    /// Least sample.
    pub minimum: f64,
    /// Greatest sample.
    pub maximum: f64,
    /// The samples with how many there were of each, in ascending order; none where they have not been kept.
    pub samples: Rare<Samples>,
}

/// Values with how many there were of each, in ascending order.
pub type Samples = Vec<(f64, f64)>;

impl Nothing for Samples {
    const NOTHING: &'static Samples = &Vec::new();
}

impl Datapoint {
    /// One sample, or several of one value.
    pub fn of(value: f64, sample_count: f64) -> Datapoint {
        Datapoint { sum: value * sample_count, sample_count, minimum: value, maximum: value, samples: Rare::default() }
    }

    /// Samples with how many there are of each; `None` without any.
    pub fn of_samples(mut samples: Samples) -> Option<Datapoint> {
        samples.sort_by(|one, other| one.0.total_cmp(&other.0));
        let (minimum, maximum) = (samples.first()?.0, samples.last()?.0);
        let sum = samples.iter().map(|(value, count)| value * count).sum();
        let sample_count = samples.iter().map(|it| it.1).sum();
        Some(Datapoint { sum, sample_count, minimum, maximum, samples: samples.into() })
    }

    fn merge(mut self, other: &Datapoint) -> Datapoint {
        self.samples = match (self.all_samples(), other.all_samples()) {
            (Some(mut samples), Some(more)) => {
                samples.extend(more);
                samples.sort_by(|one, other| one.0.total_cmp(&other.0));
                samples.into()
            }
            _ => Rare::default(),
        };
        self.sum += other.sum;
        self.sample_count += other.sample_count;
        self.minimum = self.minimum.min(other.minimum);
        self.maximum = self.maximum.max(other.maximum);
        self
    }

    /// The samples, if they are known: a datapoint whose samples have one value knows them anyway.
    fn all_samples(&self) -> Option<Samples> {
        if !self.samples.is_empty() {
            return Some(self.samples.to_vec());
        }
        (self.minimum == self.maximum).then(|| vec![(self.minimum, self.sample_count)])
    }

    /// A statistic of the samples; `None` of extended ones where the samples are not known.
    pub fn value(&self, statistic: Statistic) -> Option<f64> {
        match statistic {
            Statistic::Average => Some(self.sum / self.sample_count),
            Statistic::Sum => Some(self.sum),
            Statistic::Minimum => Some(self.minimum),
            Statistic::Maximum => Some(self.maximum),
            Statistic::SampleCount => Some(self.sample_count),
            extended => extended.of_samples(&self.all_samples()?),
        }
    }
}

/// Periods that follow each other, the last of which has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Where the last ends.
    pub end: Instant,
    /// Length of each.
    pub period: Span,
    /// How many.
    pub count: usize,
}

impl Windows {
    /// Each from oldest to newest, where it begins and ends; `None` where it begins before the run, of which nobody knows all.
    pub fn each(self) -> impl Iterator<Item = Option<(Instant, Instant)>> {
        (0..self.count as u64).rev().map(move |back| {
            let end = self.end.0.checked_sub(back * self.period.0)?;
            Some((Instant(end.checked_sub(self.period.0)?), Instant(end)))
        })
    }
}

/// A metric over time.
#[derive(Clone, Debug)]
pub struct Series {
    /// Length of a period.
    resolution: Span,
    /// From the end of a period until its datapoint can be read.
    delay: Span,
    /// When the first period begins.
    begins: Instant,
    points: Vec<Option<Datapoint>>,
    /// The two newest once more, at hand for those who look at them every minute.
    newest: [Option<Datapoint>; 2],
    /// Periods whose datapoints come later than others, and all those after them not before: the first after inactivity.
    first_after_inactivity: Vec<usize>,
    /// From the end of such a period until its datapoint can be read.
    delay_after_inactivity: Span,
}

/// Datapoints of less than a minute can be read as such for three hours (*Amazon CloudWatch concepts*, *Metrics retention*). Those of a
/// minute are kept for 15 days, longer than alarms look back.
const SUB_MINUTE_RETENTION: Span = Span::seconds(3 * 3600);

impl Series {
    /// A metric without datapoints, whose first period begins with the run.
    pub fn new(resolution: Span, delay: Span) -> Series {
        Series::supplied(resolution, delay, Instant::START, Vec::new())
    }

    /// A metric whose datapoints are known from `begins` on.
    pub fn supplied(resolution: Span, delay: Span, begins: Instant, points: Vec<Option<Datapoint>>) -> Series {
        let mut newest = points.iter().rev().cloned();
        let newest = [newest.next().flatten(), newest.next().flatten()];
        let first_after_inactivity = Vec::new();
        Series { resolution, delay, begins, points, newest, first_after_inactivity, delay_after_inactivity: Span::ZERO }
    }

    /// The same where the first datapoint after a time without any comes later than others.
    pub fn with_inactivity(mut self, inactivity: Span, delay: Span) -> Series {
        let mut without = self.begins.since(Instant::START);
        for (place, point) in self.points.iter().enumerate() {
            match point {
                None => without += self.resolution,
                Some(_) => {
                    if without >= inactivity {
                        self.first_after_inactivity.push(place);
                    }
                    without = Span::ZERO;
                }
            }
        }
        self.delay_after_inactivity = delay;
        self
    }

    /// Length of a period.
    pub fn resolution(&self) -> Span {
        self.resolution
    }

    /// From the end of a period until its datapoint can be read.
    pub fn delay(&self) -> Span {
        self.delay
    }

    /// Appends the datapoint of the next period; `None` is no data.
    pub fn publish(&mut self, point: Option<Datapoint>) {
        self.newest.swap(0, 1);
        self.newest[0] = point.clone();
        self.points.push(point);
    }

    /// The datapoint of a period.
    fn point(&self, place: usize) -> Option<&Datapoint> {
        match self.points.len() - place {
            back @ (1 | 2) => self.newest[back - 1].as_ref(),
            _ => self.points[place].as_ref(),
        }
    }

    /// What came in periods that end later than `from` and at `to` at the latest, as far as it can be read at `now`.
    ///
    /// So a datapoint of five minutes is found in one of the five minutes that an alarm with a period of one looks at.
    fn within(&self, from: Instant, to: Instant, now: Instant) -> impl Iterator<Item = &Datapoint> {
        let upto = self.ended(to).min(self.readable(now));
        // The first period that ends after `from`.
        (self.ended(from).min(upto)..upto).filter_map(|it| self.point(it))
    }

    /// How many periods have ended at an instant.
    fn ended(&self, at: Instant) -> usize {
        (at.since(self.begins).0 / self.resolution.0.max(1)) as usize
    }

    /// How many periods can be read at `now`.
    fn readable(&self, now: Instant) -> usize {
        let mut readable = self.ended(Instant(now.0.saturating_sub(self.delay.0)));
        for &first in &self.first_after_inactivity {
            let ends = self.begins + self.resolution * (first as u64 + 1);
            if now < ends + self.delay_after_inactivity {
                readable = readable.min(first);
            }
        }
        readable.min(self.points.len())
    }

    /// Whether all that comes in `(from, to]` can be read at `now`, so that it will be read alike ever after; what is read as less
    /// than a minute will not.
    pub fn is_whole(&self, (from, to): (Instant, Instant), now: Instant) -> bool {
        to.since(from) >= Span::MINUTE && self.ended(to) <= self.readable(now)
    }

    /// A statistic of what came in `(from, to]`, as far as it can be read at `now`.
    pub fn value(&self, (from, to): (Instant, Instant), statistic: Statistic, now: Instant) -> Option<f64> {
        // What is read at no time of the run is told as it was.
        let is_kept = to.since(from) >= Span::MINUTE || now == Instant::NEVER || now.since(to) <= SUB_MINUTE_RETENTION;
        if !is_kept {
            return None;
        }
        let mut points = self.within(from, to, now);
        let first = points.next()?;
        match points.next() {
            None => first.value(statistic),
            Some(second) => points.fold(first.clone().merge(second), Datapoint::merge).value(statistic),
        }
    }

    /// The same in each of several periods, oldest first.
    pub fn values(&self, windows: Windows, statistic: Statistic, now: Instant) -> Vec<Option<f64>> {
        windows.each().map(|window| self.value(window?, statistic, now)).collect()
    }

    /// How many samples came in `(from, to]`, as far as they can be counted at `now`.
    pub fn sample_count(&self, (from, to): (Instant, Instant), now: Instant) -> f64 {
        self.within(from, to, now).map(|it| it.sample_count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::START + Span::seconds(seconds)
    }

    fn windows(end: u64, period: u64, count: usize) -> Windows {
        Windows { end: at(end), period: Span::seconds(period), count }
    }

    fn series(resolution: u64, delay: u64, values: &[f64]) -> Series {
        let mut series = Series::new(Span::seconds(resolution), Span::seconds(delay));
        values.iter().for_each(|value| series.publish(Some(Datapoint::of(*value, 1.0))));
        series
    }

    #[test]
    fn a_datapoint_is_seen_only_after_its_delay() {
        let series = series(60, 90, &[1.0, 2.0, 3.0]);
        let values = |end, now| series.values(windows(end, 60, 3), Statistic::Average, at(now));
        assert_eq!(values(180, 209), [Some(1.0), None, None]);
        assert_eq!(values(180, 210), [Some(1.0), Some(2.0), None]);
        assert_eq!(values(240, 270), [Some(2.0), Some(3.0), None]);
    }

    #[test]
    fn w3_windows_of_five_minutes_slide_by_the_minute() {
        let series = series(60, 0, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(series.values(windows(300, 300, 1), Statistic::Sum, at(300)), [Some(15.0)]);
        assert_eq!(series.values(windows(360, 300, 1), Statistic::Sum, at(360)), [Some(20.0)]);
    }

    #[test]
    fn a_minute_finds_a_datapoint_of_five_in_one_of_five() {
        let series = series(300, 0, &[1.0, 2.0]);
        let values = series.values(windows(600, 60, 10), Statistic::Average, at(600));
        let mut expected = [None; 10];
        (expected[4], expected[9]) = (Some(1.0), Some(2.0));
        assert_eq!(values, expected);
    }

    #[test]
    fn seconds_make_minutes() {
        let values: Vec<f64> = (1..=120).map(f64::from).collect();
        let series = series(1, 2, &values);
        let of = |statistic| series.values(windows(120, 60, 2), statistic, at(122));
        assert_eq!(of(Statistic::Maximum), [Some(60.0), Some(120.0)]);
        assert_eq!(of(Statistic::SampleCount), [Some(60.0), Some(60.0)]);
        assert_eq!(of(Statistic::Percentile(50.0)), [Some(30.0), Some(90.0)]);
        assert_eq!(series.values(windows(120, 60, 2), Statistic::Sum, at(61)), [Some(59.0 * 30.0), None]);
    }

    #[test]
    fn q9_the_first_datapoint_after_inactivity_comes_late_and_the_second_not_before_it() {
        let hours = 6 * 60;
        let mut points = vec![Some(Datapoint::of(1.0, 1.0))];
        points.resize(1 + hours, None);
        points.extend((2..5).map(|it| Some(Datapoint::of(f64::from(it), 1.0))));
        let of = |inactivity| {
            let series = Series::supplied(Span::MINUTE, Span::MINUTE, Instant::START, points.clone());
            series.with_inactivity(Span::seconds(inactivity), Span::seconds(300))
        };
        // The first period after six hours ends here.
        let ends = (hours as u64 + 2) * 60;
        let seen = |series: &Series, now| series.values(windows(ends + 120, 60, 3), Statistic::Average, at(now));
        let idle = of(6 * 3600);
        assert_eq!(seen(&idle, ends + 299), [None, None, None]);
        assert_eq!(seen(&idle, ends + 300), [Some(2.0), Some(3.0), Some(4.0)], "the others had their minute by then");
        let active = of(6 * 3600 + 60);
        assert_eq!(seen(&active, ends + 60), [Some(2.0), None, None], "a gap that is shorter is none");
        assert_eq!(idle.value((at(0), at(60)), Statistic::Average, at(120)), Some(1.0));
    }

    #[test]
    fn periods_of_less_than_a_minute_can_be_read_for_three_hours() {
        let series = series(20, 0, &[1.0; 3]);
        let of = |from, to, now| series.value((at(from), at(to)), Statistic::Sum, at(now));
        assert_eq!((of(0, 20, 10_820), of(0, 20, 10_821)), (Some(1.0), None));
        assert_eq!(of(0, 60, 100_000), Some(3.0), "they are minutes after that");
        assert_eq!(series.value((at(0), at(20)), Statistic::Sum, Instant::NEVER), Some(1.0));
    }

    #[test]
    fn we_45_a_sample_of_each_running_task() {
        // Three tasks of 512 units that use 128, 256 and 512 of them.
        let samples = [128.0, 256.0, 512.0].map(|used| (100.0 * used / 512.0, 1.0));
        let point = Datapoint::of_samples(samples.to_vec()).expect("samples");
        let average = point.value(Statistic::Average).expect("known");
        assert!((average - 58.333).abs() < 5e-4, "{average}");
        assert_eq!(point.value(Statistic::SampleCount), Some(3.0));
        assert_eq!((point.value(Statistic::Minimum), point.value(Statistic::Maximum)), (Some(25.0), Some(100.0)));
    }

    #[test]
    fn percentiles_need_the_samples() {
        let known = Datapoint::of_samples(vec![(5.0, 1.0), (1.0, 3.0)]).expect("samples");
        assert_eq!(known.value(Statistic::Percentile(75.0)), Some(1.0));
        assert_eq!(known.value(Statistic::Average), Some(2.0));
        assert_eq!((known.minimum, known.maximum), (1.0, 5.0));
        let unknown = Datapoint { samples: Rare::default(), ..known };
        assert_eq!(unknown.value(Statistic::Percentile(75.0)), None);
        assert_eq!(Datapoint::of(7.0, 4.0).value(Statistic::Percentile(99.0)), Some(7.0));
        assert_eq!(Datapoint::of_samples(Vec::new()), None);
    }
}
