//! What CloudWatch sees: one-minute datapoints, each visible only some time after its minute has closed.

use crate::aws::alarm::{AlarmRule, Statistic};
use crate::units::{Instant, Span};

/// The samples of one minute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Datapoint {
    /// Sum of the samples.
    pub sum: f64,
    /// How many there were, above 0.
    pub sample_count: f64,
    /// Least sample.
    pub minimum: f64,
    /// Greatest sample.
    pub maximum: f64,
}

impl Datapoint {
    /// One sample, or several of one value.
    pub fn of(value: f64, sample_count: f64) -> Datapoint {
        Datapoint { sum: value * sample_count, sample_count, minimum: value, maximum: value }
    }

    fn merge(self, other: Datapoint) -> Datapoint {
        Datapoint {
            sum: self.sum + other.sum,
            sample_count: self.sample_count + other.sample_count,
            minimum: self.minimum.min(other.minimum),
            maximum: self.maximum.max(other.maximum),
        }
    }

    fn statistic(self, statistic: Statistic) -> f64 {
        match statistic {
            Statistic::Average => self.sum / self.sample_count,
            Statistic::Sum => self.sum,
            Statistic::Minimum => self.minimum,
            Statistic::Maximum => self.maximum,
        }
    }
}

/// A metric over time.
#[derive(Clone, Debug)]
pub struct Series {
    /// From the end of a minute until its datapoint can be read.
    delay: Span,
    /// By minute, from the run's first.
    points: Vec<Option<Datapoint>>,
}

impl Series {
    /// A metric without datapoints.
    pub fn new(delay: Span) -> Series {
        Series { delay, points: Vec::new() }
    }

    /// Appends the datapoint of the next minute; `None` is no data.
    pub fn publish(&mut self, point: Option<Datapoint>) {
        self.points.push(point);
    }

    /// The newest `count` periods of `rule` that have ended by `now`, oldest first; what is not yet visible is missing.
    ///
    /// Windows slide with the minute: a period of 300 s is any five minutes that have just ended.
    pub fn window(&self, rule: &AlarmRule, count: usize, now: Instant) -> Vec<Option<f64>> {
        let minutes_ended = (now.0 / Span::MINUTE.0) as usize;
        let period = (rule.period.0 / Span::MINUTE.0).max(1) as usize;
        (0..count)
            .rev()
            .map(|back| {
                let end = minutes_ended.checked_sub(back * period)?;
                let minutes = end.saturating_sub(period)..end;
                let visible = minutes.filter_map(|minute| self.visible(minute, now));
                visible.reduce(Datapoint::merge).map(|point| point.statistic(rule.statistic))
            })
            .collect()
    }

    /// The newest value that can be read at `now`.
    pub fn newest(&self, statistic: Statistic, now: Instant) -> Option<f64> {
        let minutes_ended = (now.0 / Span::MINUTE.0) as usize;
        (0..minutes_ended).rev().find_map(|minute| self.visible(minute, now)).map(|point| point.statistic(statistic))
    }

    fn visible(&self, minute: usize, now: Instant) -> Option<Datapoint> {
        let readable_at = Instant((minute as u64 + 1) * Span::MINUTE.0) + self.delay;
        self.points.get(minute).copied().flatten().filter(|_| readable_at <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::alarm::{ComparisonOperator, TreatMissingData};

    fn rule(period: u64, statistic: Statistic) -> AlarmRule {
        AlarmRule {
            comparison_operator: ComparisonOperator::GreaterThanThreshold,
            threshold: 0.0,
            period: Span::seconds(period),
            evaluation_periods: 3,
            datapoints_to_alarm: 3,
            treat_missing_data: TreatMissingData::Missing,
            statistic,
        }
    }

    fn at(seconds: u64) -> Instant {
        Instant::START + Span::seconds(seconds)
    }

    #[test]
    fn a_datapoint_is_seen_only_after_its_delay() {
        let mut series = Series::new(Span::seconds(90));
        for value in [1.0, 2.0, 3.0] {
            series.publish(Some(Datapoint::of(value, 1.0)));
        }
        let rule = rule(60, Statistic::Average);
        assert_eq!(series.window(&rule, 3, at(209)), [Some(1.0), None, None]);
        assert_eq!(series.window(&rule, 3, at(210)), [Some(1.0), Some(2.0), None]);
        assert_eq!(series.window(&rule, 3, at(270)), [Some(2.0), Some(3.0), None]);
        assert_eq!(series.newest(Statistic::Average, at(149)), None);
        assert_eq!(series.newest(Statistic::Average, at(269)), Some(2.0));
    }

    #[test]
    fn w3_windows_of_five_minutes_slide_by_the_minute() {
        let mut series = Series::new(Span::ZERO);
        for value in 1..=6 {
            series.publish(Some(Datapoint::of(f64::from(value), 1.0)));
        }
        let rule = rule(300, Statistic::Sum);
        assert_eq!(series.window(&rule, 1, at(300)), [Some(15.0)]);
        assert_eq!(series.window(&rule, 1, at(360)), [Some(20.0)]);
    }
}
