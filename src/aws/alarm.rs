//! CloudWatch alarms: M of N, missing data, comparison, when they are evaluated, and their words.
//!
//! Follows *Alarm evaluation*, *Configuring how CloudWatch alarms treat missing data*, *Percentile-based alarms and low data
//! samples* and *Alarm actions* (read 2026-04), and `PutMetricAlarm` (2026-08). Left out: bands of anomaly detection, and
//! windows that are aligned with the clock (`EvaluationWindow`).

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::aws::metric::MetricStat;
use crate::aws::metric_math::{MetricMath, Periods};
use crate::aws::scaling_policy::ScalingPolicy;
use crate::aws::statistic::Statistic;
use crate::table::Id;
use crate::units::{Instant, Span};

/// How a datapoint is held against the threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComparisonOperator {
    /// Above.
    GreaterThanThreshold,
    /// At or above.
    GreaterThanOrEqualToThreshold,
    /// Below.
    LessThanThreshold,
    /// At or below.
    LessThanOrEqualToThreshold,
}

/// What stands in for a datapoint that is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TreatMissingData {
    /// AWS's default: not enough is known.
    #[default]
    Missing,
    /// Keep the state.
    Ignore,
    /// As if it breached.
    Breaching,
    /// As if it did not.
    NotBreaching,
}

/// An alarm's state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AlarmState {
    /// Not enough data; where every alarm begins.
    #[default]
    InsufficientData,
    /// Within the threshold.
    Ok,
    /// In breach.
    Alarm,
}

/// The rule of an alarm, without the metric it watches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AlarmRule {
    /// Comparison.
    pub comparison_operator: ComparisonOperator,
    /// Threshold.
    pub threshold: f64,
    /// `Period`: 10, 20 or 30 s, or a multiple of a minute.
    pub period: Span,
    /// N: how many periods are looked at.
    pub evaluation_periods: u32,
    /// M: how many of them must breach.
    pub datapoints_to_alarm: u32,
    /// Missing data.
    pub treat_missing_data: TreatMissingData,
    /// `EvaluateLowSampleCountPercentile: ignore`: the state stays while a percentile has too few samples to say much.
    pub ignores_low_sample_count: bool,
}

/// What an alarm or a policy reads.
#[derive(Clone, Debug, PartialEq)]
pub enum Watched {
    /// One metric.
    Stat(MetricStat),
    /// Several, by an expression.
    Math(Box<MetricMath>),
}

impl Watched {
    /// The metrics that it reads.
    pub fn stats(&self) -> Vec<MetricStat> {
        match self {
            Watched::Stat(stat) => vec![*stat],
            Watched::Math(math) => math.stats().copied().collect(),
        }
    }

    /// The percentile that it watches, 0 to 100; `None` where it is another statistic or an expression.
    fn percentile(&self) -> Option<f64> {
        match self {
            Watched::Stat(MetricStat { statistic: Statistic::Percentile(percent), .. }) => Some(*percent),
            _ => None,
        }
    }

    /// How many samples a percentile needs to be trusted: 10 / (1 - p) from the median on, 10 / p below; `None` where it is
    /// none.
    pub fn samples_needed(&self) -> Option<f64> {
        let share = self.percentile()? / 100.0;
        Some(10.0 / if share >= 0.5 { 1.0 - share } else { share })
    }
}

/// An alarm.
#[derive(Clone, Debug, PartialEq)]
pub struct Alarm {
    /// Its name, as AWS makes it or the scenario gives it.
    pub name: String,
    /// What it watches.
    pub watches: Watched,
    /// Its rule.
    pub rule: AlarmRule,
    /// `ActionsEnabled`
    pub actions_enabled: bool,
    /// Scaling policies that it invokes in a state: `AlarmActions`, `OKActions`, `InsufficientDataActions`.
    pub actions: Vec<(AlarmState, Id<ScalingPolicy>)>,
}

/// `Period` of an alarm, at most; and `Period` times `EvaluationPeriods` where the period is an hour at least.
pub const SPAN_MAXIMUM: Span = Span::seconds(604_800);
/// `Period` times `EvaluationPeriods` of an alarm, at most, where the period is shorter than an hour.
pub const SPAN_MAXIMUM_BELOW_HOURS: Span = Span::seconds(86_400);

const HOUR: Span = Span::seconds(3_600);

impl AlarmState {
    /// As the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            AlarmState::InsufficientData => "INSUFFICIENT_DATA",
            AlarmState::Ok => "OK",
            AlarmState::Alarm => "ALARM",
        }
    }
}

impl AlarmRule {
    /// How many periods CloudWatch fetches: more than `EvaluationPeriods`, by `extra` where that is assumed. AWS publishes no
    /// formula; its tables have 5 for 3, which `N + max(2, N / 3)` gives.
    pub fn evaluation_range(&self, extra: Option<u32>) -> usize {
        let n = self.evaluation_periods as usize;
        n + extra.map_or((n / 3).max(2), |it| it as usize)
    }

    /// Whether it looks at more than a day, so that it is evaluated hourly.
    pub fn is_multi_day(&self) -> bool {
        self.period * u64::from(self.evaluation_periods) > SPAN_MAXIMUM_BELOW_HOURS
    }

    /// From one evaluation to the next: 10 s for a period below a minute, an hour for one of several days, else a minute.
    pub fn evaluated_every(&self) -> Span {
        if self.is_multi_day() {
            HOUR
        } else if self.period < Span::MINUTE {
            Span::seconds(10)
        } else {
            Span::MINUTE
        }
    }

    /// From one invocation of Auto Scaling actions to the next, as long as the state stays: a minute. For periods below a
    /// minute AWS says nothing; it is assumed to be the period.
    pub fn acts_again_every(&self) -> Span {
        self.period.min(Span::MINUTE).max(Span::seconds(10))
    }

    /// Where the newest period ends at an evaluation: windows slide with the minute; those below a minute follow each other,
    /// and alarms of several days look no further than the last full hour.
    pub fn data_until(&self, now: Instant) -> Instant {
        let step = if self.is_multi_day() { HOUR } else { self.period.min(Span::MINUTE) };
        Instant(now.0 - now.0 % step.0.max(1))
    }

    /// Whether it watches for values above the threshold, not below.
    pub fn is_above(&self) -> bool {
        matches!(
            self.comparison_operator,
            ComparisonOperator::GreaterThanThreshold | ComparisonOperator::GreaterThanOrEqualToThreshold
        )
    }

    /// Whether a value is beyond the threshold.
    pub fn breaches(&self, value: f64) -> bool {
        match self.comparison_operator {
            ComparisonOperator::GreaterThanThreshold => value > self.threshold,
            ComparisonOperator::GreaterThanOrEqualToThreshold => value >= self.threshold,
            ComparisonOperator::LessThanThreshold => value < self.threshold,
            ComparisonOperator::LessThanOrEqualToThreshold => value <= self.threshold,
        }
    }

    /// The state after looking at `points`, the evaluation range, newest last, `None` where there is no datapoint.
    ///
    /// Reproduces the tables of *Configuring how CloudWatch alarms treat missing data*.
    pub fn evaluate(&self, points: &[Option<f64>], current: AlarmState) -> AlarmState {
        let (n, m) = (self.evaluation_periods as usize, self.datapoints_to_alarm as usize);
        let real = || points.iter().flatten().map(|&value| self.breaches(value));
        let (found, breaching) = (real().count(), real().filter(|it| *it).count());
        let verdict = |is_alarm| if is_alarm { AlarmState::Alarm } else { AlarmState::Ok };
        if found == 0 {
            return match self.treat_missing_data {
                TreatMissingData::Missing => AlarmState::InsufficientData,
                TreatMissingData::Ignore => current,
                TreatMissingData::Breaching => AlarmState::Alarm,
                TreatMissingData::NotBreaching => AlarmState::Ok,
            };
        }
        if found >= n {
            // Enough real datapoints: the newest of them, however far back; missing ones do not count.
            return verdict(real().skip(found - n).filter(|it| *it).count() >= m);
        }
        if self.treat_missing_data == TreatMissingData::Breaching {
            return verdict(breaching + n - found >= m);
        }
        if breaching >= m {
            return AlarmState::Alarm;
        }
        if self.treat_missing_data == TreatMissingData::NotBreaching || breaching < found {
            return AlarmState::Ok;
        }
        if self.treat_missing_data == TreatMissingData::Ignore {
            return current;
        }
        // The guard against premature alarms: only breaching datapoints, fewer than M, count once the oldest is M old.
        let oldest = points.iter().position(Option::is_some).expect("there is a real datapoint");
        if points.len() - oldest >= m { AlarmState::Alarm } else { current }
    }
}

impl ComparisonOperator {
    fn words(self) -> &'static str {
        match self {
            ComparisonOperator::GreaterThanThreshold => "greater than",
            ComparisonOperator::GreaterThanOrEqualToThreshold => "greater than or equal to",
            ComparisonOperator::LessThanThreshold => "less than",
            ComparisonOperator::LessThanOrEqualToThreshold => "less than or equal to",
        }
    }
}

fn counted(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

fn was(count: usize) -> &'static str {
    if count == 1 { "was" } else { "were" }
}

impl AlarmRule {
    /// The datapoints that an evaluation rests on, with their place among the periods: as many as it looks at, the newest first.
    pub fn newest_points(&self, points: &[Option<f64>]) -> Vec<(usize, f64)> {
        let real = points.iter().enumerate().rev().filter_map(|(at, it)| Some((at, (*it)?)));
        real.take(self.evaluation_periods as usize).collect()
    }

    /// `StateReason` of a change to `state` on these points, as CloudWatch writes it; `periods` says when they begin.
    pub fn state_reason(&self, points: &[Option<f64>], periods: Periods, state: AlarmState) -> String {
        let n = self.evaluation_periods as usize;
        let real = self.newest_points(points);
        if state == AlarmState::InsufficientData {
            return format!("Insufficient Data: {} {} unknown.", counted(n, "datapoint"), was(n));
        }
        let missing = n - real.len();
        let treatment =
            if self.treat_missing_data == TreatMissingData::Breaching { "Breaching" } else { "NonBreaching" };
        let is_treated =
            matches!(self.treat_missing_data, TreatMissingData::Breaching | TreatMissingData::NotBreaching);
        if real.is_empty() {
            let (periods, points) = (counted(n, "period"), counted(n, "missing datapoint"));
            return format!(
                "Threshold Crossed: no datapoints were received for {periods} and {points} {} treated as [{treatment}].",
                was(n)
            );
        }
        let is_alarm = state == AlarmState::Alarm;
        let listed: Vec<String> = real
            .iter()
            .filter(|(_, value)| self.breaches(*value) == is_alarm)
            .map(|(at, value)| {
                let begins = periods.first_unix_seconds + (*at as u64 * periods.seconds) as i64;
                format!("{value:?} ({})", date_and_time(begins))
            })
            .collect();
        let (not, needed, transition) = if is_alarm {
            ("", self.datapoints_to_alarm as usize, "OK -> ALARM")
        } else {
            ("not ", n + 1 - self.datapoints_to_alarm as usize, "ALARM -> OK")
        };
        let filled = if missing > 0 && is_treated {
            format!(" and {} {} treated as [{treatment}]", counted(missing, "missing datapoint"), was(missing))
        } else {
            String::new()
        };
        format!(
            "Threshold Crossed: {} out of the last {n} datapoints [{}] {} {not}{} the threshold ({:?}){filled} (minimum {} for \
             {transition} transition).",
            listed.len(),
            listed.join(", "),
            was(listed.len()),
            self.comparison_operator.words(),
            self.threshold,
            counted(needed, "datapoint"),
        )
    }
}

/// A UTC second as CloudWatch writes it: `05/01/26 00:03:00`.
fn date_and_time(unix_seconds: i64) -> String {
    let Ok(time) = Timestamp::from_second(unix_seconds) else { return unix_seconds.to_string() };
    let time = time.to_zoned(TimeZone::UTC);
    let (day, month, year) = (time.day(), time.month(), time.year() % 100);
    format!("{day:02}/{month:02}/{year:02} {:02}:{:02}:{:02}", time.hour(), time.minute(), time.second())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(n: u32, m: u32, treat_missing_data: TreatMissingData) -> AlarmRule {
        AlarmRule {
            comparison_operator: ComparisonOperator::GreaterThanThreshold,
            threshold: 0.5,
            period: Span::MINUTE,
            evaluation_periods: n,
            datapoints_to_alarm: m,
            treat_missing_data,
            ignores_low_sample_count: false,
        }
    }

    fn points(text: &str) -> Vec<Option<f64>> {
        text.chars()
            .map(|it| match it {
                'X' => Some(1.0),
                '0' => Some(0.0),
                _ => None,
            })
            .collect()
    }

    /// `expected` has a letter for each treatment: A alarm, O ok, I insufficient data, K keeps its state.
    fn check(m: u32, text: &str, expected: &str) {
        let treatments = [
            TreatMissingData::Missing,
            TreatMissingData::Ignore,
            TreatMissingData::Breaching,
            TreatMissingData::NotBreaching,
        ];
        for (treatment, letter) in treatments.into_iter().zip(expected.chars()) {
            for current in [AlarmState::Ok, AlarmState::Alarm, AlarmState::InsufficientData] {
                let expected = match letter {
                    'A' => AlarmState::Alarm,
                    'O' => AlarmState::Ok,
                    'I' => AlarmState::InsufficientData,
                    _ => current,
                };
                let state = rule(3, m, treatment).evaluate(&points(text), current);
                assert_eq!(state, expected, "{text} with M = {m}, {treatment:?}, from {current:?}");
            }
        }
    }

    #[test]
    fn w1_three_of_three() {
        check(3, "0-X-X", "OOOO");
        check(3, "0----", "OOOO");
        check(3, "-----", "IKAO");
        check(3, "0XX-X", "AAAA");
        check(3, "--X--", "AKAO");
        check(3, "----X", "KKAO");
        check(3, "---X-", "KKAO");
        check(3, "---X0", "OOOO");
        check(3, "--X-0", "OOOO");
    }

    #[test]
    fn w2_two_of_three() {
        check(2, "0-X-X", "AAAA");
        check(2, "00X0X", "AAAA");
        check(2, "0-X--", "OOAO");
        check(2, "----0", "OOAO");
        check(2, "---X-", "AKAO");
    }

    #[test]
    fn w4_an_alarm_needs_its_breaches_in_a_row() {
        let rule = rule(3, 3, TreatMissingData::Missing);
        let history = points("00XXX000X");
        let mut state = AlarmState::InsufficientData;
        let mut states = String::new();
        for end in 1..=history.len() {
            let range = &history[end.saturating_sub(5)..end];
            state = rule.evaluate(range, state);
            states.push(if state == AlarmState::Alarm { 'A' } else { '.' });
        }
        assert_eq!(states, "....A....");
    }

    #[test]
    fn the_range_is_five_for_three() {
        for (n, range) in [(1, 3), (3, 5), (15, 20)] {
            assert_eq!(rule(n, n, TreatMissingData::Missing).evaluation_range(None), range);
        }
        assert_eq!(rule(3, 3, TreatMissingData::Missing).evaluation_range(Some(0)), 3);
    }

    fn at(hours: u64, minutes: u64) -> Instant {
        Instant::START + Span::MINUTE * (60 * hours + minutes)
    }

    #[test]
    fn w5_an_alarm_of_days_looks_at_full_hours_once_an_hour() {
        // A job fails in its hourly run at 10:02, and is well again at 11:43: at least one failure in 25 hours.
        let rule = AlarmRule { period: HOUR, ..rule(25, 1, TreatMissingData::NotBreaching) };
        assert!(rule.is_multi_day());
        assert_eq!(rule.evaluated_every(), HOUR);
        let failed_at = at(24 + 10, 2);
        let state_at = |now: Instant, is_repaired: bool| {
            let until = rule.data_until(now);
            let points: Vec<Option<f64>> = (0..25u64)
                .rev()
                .map(|back| {
                    let (from, to) = (until - Instant::START - HOUR * (back + 1), until - Instant::START - HOUR * back);
                    let fails = failed_at.0 > from.0 && failed_at.0 <= to.0 && !(is_repaired && back > 0);
                    Some(f64::from(u8::from(fails)))
                })
                .collect();
            rule.evaluate(&points, AlarmState::Ok)
        };
        assert_eq!(state_at(at(24 + 10, 3), false), AlarmState::Ok, "data to 10:00");
        assert_eq!(state_at(at(24 + 11, 3), false), AlarmState::Alarm, "data to 11:00");
        assert_eq!(rule.data_until(at(24 + 11, 43)), at(24 + 11, 0));
        assert_eq!(state_at(at(24 + 12, 3), true), AlarmState::Ok, "data to 12:00");
    }

    #[test]
    fn evaluations_follow_the_period() {
        for (period, n, every, again) in [
            (10, 1, 10, 10),
            (20, 3, 10, 20),
            (30, 2, 10, 30),
            (60, 3, 60, 60),
            (300, 1, 60, 60),
            (3_600, 25, 3_600, 60),
        ] {
            let rule = AlarmRule { period: Span::seconds(period), ..rule(n, n, TreatMissingData::Missing) };
            assert_eq!(rule.evaluated_every(), Span::seconds(every), "{period}");
            assert_eq!(rule.acts_again_every(), Span::seconds(again), "{period}");
        }
        let twenty = AlarmRule { period: Span::seconds(20), ..rule(3, 3, TreatMissingData::Missing) };
        assert_eq!(twenty.data_until(Instant::START + Span::seconds(56)), Instant::START + Span::seconds(40));
    }

    #[test]
    fn percentiles_need_samples() {
        let watches = |percent: f64| {
            let metric = crate::aws::metric::Metric::Cluster(crate::aws::metric::ClusterMetric::CpuUtilization);
            Watched::Stat(MetricStat { metric, statistic: Statistic::Percentile(percent) })
        };
        for (percent, needed) in [(99.0, 1_000.0), (50.0, 20.0), (10.0, 100.0)] {
            let samples = watches(percent).samples_needed().expect("a percentile");
            assert!((samples - needed).abs() < 1e-6, "p{percent}: {samples}");
        }
    }

    #[test]
    fn reasons_are_cloud_watchs() {
        let rule = AlarmRule { threshold: 80.0, ..rule(3, 2, TreatMissingData::Missing) };
        // 2026-01-05T00:00:00Z
        let periods = Periods { first_unix_seconds: 1_767_571_200, seconds: 60, count: 5 };
        let points = [Some(50.0), Some(85.0), Some(79.5), None, Some(90.25)];
        assert_eq!(
            rule.state_reason(&points, periods, AlarmState::Alarm),
            "Threshold Crossed: 2 out of the last 3 datapoints [90.25 (05/01/26 00:04:00), 85.0 (05/01/26 00:01:00)] were \
             greater than the threshold (80.0) (minimum 2 datapoints for OK -> ALARM transition)."
        );
        assert_eq!(
            rule.state_reason(&points, periods, AlarmState::Ok),
            "Threshold Crossed: 1 out of the last 3 datapoints [79.5 (05/01/26 00:02:00)] was not greater than the threshold \
             (80.0) (minimum 2 datapoints for ALARM -> OK transition)."
        );
        assert_eq!(
            rule.state_reason(&[None; 5], periods, AlarmState::InsufficientData),
            "Insufficient Data: 3 datapoints were unknown."
        );
        let one = AlarmRule { treat_missing_data: TreatMissingData::Breaching, evaluation_periods: 1, ..rule };
        assert_eq!(
            one.state_reason(&[None; 3], periods, AlarmState::Alarm),
            "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was treated as [Breaching]."
        );
    }
}
