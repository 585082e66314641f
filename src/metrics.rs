//! What CloudWatch sees: datapoints by period, each visible only some time after its period has closed.

use crate::aws::statistic::Statistic;
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
    pub samples: Vec<(f64, f64)>,
}

impl Datapoint {
    /// One sample, or several of one value.
    pub fn of(value: f64, sample_count: f64) -> Datapoint {
        Datapoint { sum: value * sample_count, sample_count, minimum: value, maximum: value, samples: Vec::new() }
    }

    /// Samples with how many there are of each; `None` without any.
    pub fn of_samples(mut samples: Vec<(f64, f64)>) -> Option<Datapoint> {
        samples.sort_by(|one, other| one.0.total_cmp(&other.0));
        let (minimum, maximum) = (samples.first()?.0, samples.last()?.0);
        let sum = samples.iter().map(|(value, count)| value * count).sum();
        let sample_count = samples.iter().map(|it| it.1).sum();
        Some(Datapoint { sum, sample_count, minimum, maximum, samples })
    }

    fn merge(mut self, other: &Datapoint) -> Datapoint {
        self.samples = match (self.all_samples(), other.all_samples()) {
            (Some(mut samples), Some(more)) => {
                samples.extend(more);
                samples.sort_by(|one, other| one.0.total_cmp(&other.0));
                samples
            }
            _ => Vec::new(),
        };
        self.sum += other.sum;
        self.sample_count += other.sample_count;
        self.minimum = self.minimum.min(other.minimum);
        self.maximum = self.maximum.max(other.maximum);
        self
    }

    /// The samples, if they are known: a datapoint whose samples have one value knows them anyway.
    fn all_samples(&self) -> Option<Vec<(f64, f64)>> {
        if !self.samples.is_empty() {
            return Some(self.samples.clone());
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
}

impl Series {
    /// A metric without datapoints, whose first period begins with the run.
    pub fn new(resolution: Span, delay: Span) -> Series {
        Series { resolution, delay, begins: Instant::START, points: Vec::new() }
    }

    /// A metric whose datapoints are known from `begins` on.
    pub fn supplied(resolution: Span, delay: Span, begins: Instant, points: Vec<Option<Datapoint>>) -> Series {
        Series { resolution, delay, begins, points }
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
        self.points.push(point);
    }

    /// What came in periods that end later than `from` and at `to` at the latest, as far as it can be read at `now`.
    ///
    /// So a datapoint of five minutes is found in one of the five minutes that an alarm with a period of one looks at.
    fn within(&self, from: Instant, to: Instant, now: Instant) -> impl Iterator<Item = &Datapoint> {
        let upto = self.ended(to).min(self.readable(now));
        // The first period that ends after `from`.
        self.points[self.ended(from).min(upto)..upto].iter().flatten()
    }

    /// How many periods have ended at an instant.
    fn ended(&self, at: Instant) -> usize {
        (at.since(self.begins).0 / self.resolution.0.max(1)) as usize
    }

    /// How many periods can be read at `now`.
    fn readable(&self, now: Instant) -> usize {
        self.ended(Instant(now.0.saturating_sub(self.delay.0))).min(self.points.len())
    }

    /// Whether all that comes until `to` can be read at `now`, so that it will be read alike ever after.
    pub fn is_whole(&self, to: Instant, now: Instant) -> bool {
        self.ended(to) <= self.readable(now)
    }

    /// A statistic of what came in `(from, to]`, as far as it can be read at `now`.
    pub fn value(&self, (from, to): (Instant, Instant), statistic: Statistic, now: Instant) -> Option<f64> {
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
    fn percentiles_need_the_samples() {
        let known = Datapoint::of_samples(vec![(5.0, 1.0), (1.0, 3.0)]).expect("samples");
        assert_eq!(known.value(Statistic::Percentile(75.0)), Some(1.0));
        assert_eq!(known.value(Statistic::Average), Some(2.0));
        assert_eq!((known.minimum, known.maximum), (1.0, 5.0));
        let unknown = Datapoint { samples: Vec::new(), ..known };
        assert_eq!(unknown.value(Statistic::Percentile(75.0)), None);
        assert_eq!(Datapoint::of(7.0, 4.0).value(Statistic::Percentile(99.0)), Some(7.0));
        assert_eq!(Datapoint::of_samples(Vec::new()), None);
    }
}
