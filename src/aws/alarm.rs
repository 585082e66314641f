//! CloudWatch alarms: M of N, missing data, comparison.
//!
//! Follows *Alarm evaluation* and *Configuring how CloudWatch alarms treat missing data* (read 2026-04).

use crate::units::Span;

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

/// What CloudWatch makes of the samples of a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Statistic {
    /// Sum over count.
    #[default]
    Average,
    /// Sum.
    Sum,
    /// Least.
    Minimum,
    /// Greatest.
    Maximum,
}

/// The rule of an alarm, without the metric it watches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AlarmRule {
    /// Comparison.
    pub comparison_operator: ComparisonOperator,
    /// Threshold.
    pub threshold: f64,
    /// `Period`, a multiple of a minute here.
    pub period: Span,
    /// N: how many periods are looked at.
    pub evaluation_periods: u32,
    /// M: how many of them must breach.
    pub datapoints_to_alarm: u32,
    /// Missing data.
    pub treat_missing_data: TreatMissingData,
    /// Statistic.
    pub statistic: Statistic,
}

/// An alarm, without the metric it watches and the action it invokes.
#[derive(Clone, Debug, PartialEq)]
pub struct Alarm {
    /// Its name, as AWS makes it or the scenario gives it.
    pub name: String,
    /// Its rule.
    pub rule: AlarmRule,
}

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
    /// How many periods CloudWatch fetches: more than `EvaluationPeriods`. AWS publishes no formula; its tables have 5
    /// for 3, which this gives.
    pub fn evaluation_range(&self) -> usize {
        let n = self.evaluation_periods as usize;
        n + (n / 3).max(2)
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
        let real: Vec<bool> = points.iter().flatten().map(|&value| self.breaches(value)).collect();
        let breaching = real.iter().filter(|&&it| it).count();
        let verdict = |is_alarm| if is_alarm { AlarmState::Alarm } else { AlarmState::Ok };
        if real.is_empty() {
            return match self.treat_missing_data {
                TreatMissingData::Missing => AlarmState::InsufficientData,
                TreatMissingData::Ignore => current,
                TreatMissingData::Breaching => AlarmState::Alarm,
                TreatMissingData::NotBreaching => AlarmState::Ok,
            };
        }
        if real.len() >= n {
            // Enough real datapoints: the newest of them, however far back; missing ones do not count.
            return verdict(real[real.len() - n..].iter().filter(|&&it| it).count() >= m);
        }
        if self.treat_missing_data == TreatMissingData::Breaching {
            return verdict(breaching + n - real.len() >= m);
        }
        if breaching >= m {
            return AlarmState::Alarm;
        }
        if self.treat_missing_data == TreatMissingData::NotBreaching || breaching < real.len() {
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
            statistic: Statistic::Average,
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
            assert_eq!(rule(n, n, TreatMissingData::Missing).evaluation_range(), range);
        }
    }
}
