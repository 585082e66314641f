//! Statistics: what CloudWatch makes of the samples of a period.
//!
//! Follows *CloudWatch statistics definitions* (CloudWatch User Guide, read 2026-04). Percentiles are nearest ranks; CloudWatch
//! says no more than that its own are statistics of the full distribution.

use std::fmt;

/// `Statistic` or `ExtendedStatistic` of a metric.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
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
    /// How many samples there are.
    SampleCount,
    /// `p99`: the value that so many percent of the samples do not exceed, 0 to 100.
    Percentile(f64),
    /// `tm`, `wm`, `tc`, `ts` and `IQM`: of the samples within bounds.
    Trimmed(Trimmed, Bounds),
    /// `PR(low:high)`: percent of the samples that lie above the one and not above the other value.
    PercentileRank(Bounds),
}

/// What is made of the samples within bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trimmed {
    /// `tm`: their mean.
    Mean,
    /// `wm`: the mean of all samples, those beyond the bounds put at them.
    WinsorizedMean,
    /// `tc`: how many they are.
    Count,
    /// `ts`: their sum.
    Sum,
}

/// Which samples count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bounds {
    /// Those between two percentiles, 0 to 100.
    Percent(f64, f64),
    /// Those above the one value and not above the other.
    Values(f64, f64),
}

/// The words of the five statistics that are no extended ones.
pub const STATISTICS: [(&str, Statistic); 5] = [
    ("Average", Statistic::Average),
    ("Sum", Statistic::Sum),
    ("Minimum", Statistic::Minimum),
    ("Maximum", Statistic::Maximum),
    ("SampleCount", Statistic::SampleCount),
];

impl Statistic {
    /// An extended statistic such as `p99`, `tm95`, `TM(10%:90%)`, `PR(:300)` or `IQM`.
    ///
    /// # Errors
    /// Says what it could be.
    pub fn extended(text: &str) -> Result<Statistic, String> {
        let expected = || {
            format!(
                "`{text}` is no extended statistic: `p99`, `tm95`, `TM(10%:90%)`, `TM(:300)`, `PR(:300)` or `IQM` is"
            )
        };
        if text.eq_ignore_ascii_case("IQM") {
            return Ok(Statistic::Trimmed(Trimmed::Mean, Bounds::Percent(25.0, 75.0)));
        }
        let digits = text.find(|it: char| !it.is_ascii_alphabetic()).ok_or_else(expected)?;
        let (word, rest) = text.split_at(digits);
        let percent = |text: &str| {
            let value = text.parse::<f64>().ok().filter(|it| (0.0..=100.0).contains(it));
            value.filter(|_| text.starts_with(|it: char| it.is_ascii_digit()))
        };
        let bounds = match rest.strip_prefix('(').and_then(|it| it.strip_suffix(')')) {
            Some(inside) => bounds(inside).ok_or_else(expected)?,
            None => Bounds::Percent(0.0, percent(rest).ok_or_else(expected)?),
        };
        match (word.to_ascii_lowercase().as_str(), bounds) {
            ("p", Bounds::Percent(_, high)) if !rest.starts_with('(') => Ok(Statistic::Percentile(high)),
            ("pr", Bounds::Values(..)) => Ok(Statistic::PercentileRank(bounds)),
            ("tm", _) => Ok(Statistic::Trimmed(Trimmed::Mean, bounds)),
            ("wm", _) => Ok(Statistic::Trimmed(Trimmed::WinsorizedMean, bounds)),
            ("tc", _) => Ok(Statistic::Trimmed(Trimmed::Count, bounds)),
            ("ts", _) => Ok(Statistic::Trimmed(Trimmed::Sum, bounds)),
            _ => Err(expected()),
        }
    }

    /// Whether it needs the samples themselves, not only their sum and count.
    pub fn needs_samples(self) -> bool {
        !matches!(self, Statistic::Average | Statistic::Sum | Statistic::SampleCount)
    }

    /// The same of samples with how many there are of each, in ascending order; `None` without any.
    pub fn of_samples(self, samples: &[(f64, f64)]) -> Option<f64> {
        let count: f64 = samples.iter().map(|it| it.1).sum();
        if count <= 0.0 {
            return None;
        }
        let sum = || samples.iter().map(|(value, count)| value * count).sum::<f64>();
        match self {
            Statistic::Average => Some(sum() / count),
            Statistic::Sum => Some(sum()),
            Statistic::SampleCount => Some(count),
            Statistic::Minimum => samples.first().map(|it| it.0),
            Statistic::Maximum => samples.last().map(|it| it.0),
            Statistic::Percentile(percent) => Some(percentile(samples, count, percent)),
            Statistic::PercentileRank(bounds) => Some(100.0 * within(samples, count, bounds).0 / count),
            Statistic::Trimmed(Trimmed::WinsorizedMean, bounds) => {
                let (low, high) = match bounds {
                    Bounds::Values(low, high) => (low, high),
                    Bounds::Percent(low, high) => (percentile(samples, count, low), percentile(samples, count, high)),
                };
                let sum: f64 = samples.iter().map(|(value, count)| value.max(low).min(high) * count).sum();
                Some(sum / count)
            }
            Statistic::Trimmed(what, bounds) => {
                let (kept, sum) = within(samples, count, bounds);
                match what {
                    Trimmed::Count => Some(kept),
                    Trimmed::Sum => Some(sum),
                    _ => (kept > 0.0).then(|| sum / kept),
                }
            }
        }
    }
}

/// Bounds such as `10%:90%`, `:300` or `150:`.
fn bounds(inside: &str) -> Option<Bounds> {
    let (low, high) = inside.split_once(':')?;
    let is_percent = low.ends_with('%') || high.ends_with('%');
    let number = |text: &str, none: f64| match text {
        "" => Some(none),
        _ => {
            let text = if is_percent { text.strip_suffix('%')? } else { text };
            text.parse::<f64>().ok().filter(|it| it.is_finite())
        }
    };
    if low.is_empty() && high.is_empty() {
        return None;
    }
    if is_percent {
        let (low, high) = (number(low, 0.0)?, number(high, 100.0)?);
        return (0.0 <= low && low < high && high <= 100.0).then_some(Bounds::Percent(low, high));
    }
    let (low, high) = (number(low, f64::NEG_INFINITY)?, number(high, f64::INFINITY)?);
    (low < high).then_some(Bounds::Values(low, high))
}

fn percentile(samples: &[(f64, f64)], count: f64, percent: f64) -> f64 {
    let wanted = count * percent / 100.0;
    let mut seen = 0.0;
    let found = samples.iter().find(|(_, count)| {
        seen += count;
        seen >= wanted - 1e-9
    });
    found.or(samples.last()).map_or(0.0, |it| it.0)
}

/// How many samples lie within bounds, and their sum; a sample that a percentile cuts counts in part.
fn within(samples: &[(f64, f64)], count: f64, bounds: Bounds) -> (f64, f64) {
    let (mut kept, mut sum, mut seen) = (0.0, 0.0, 0.0);
    for &(value, times) in samples {
        let part = match bounds {
            Bounds::Values(low, high) if value > low && value <= high => times,
            Bounds::Values(..) => 0.0,
            Bounds::Percent(low, high) => {
                let (from, to) = (count * low / 100.0, count * high / 100.0);
                ((seen + times).min(to) - f64::max(seen, from)).max(0.0)
            }
        };
        seen += times;
        kept += part;
        sum += part * value;
    }
    (kept, sum)
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, bounds) = match *self {
            Statistic::Percentile(percent) => return write!(f, "p{percent}"),
            Statistic::Trimmed(Trimmed::Mean, bounds) => ("TM", bounds),
            Statistic::Trimmed(Trimmed::WinsorizedMean, bounds) => ("WM", bounds),
            Statistic::Trimmed(Trimmed::Count, bounds) => ("TC", bounds),
            Statistic::Trimmed(Trimmed::Sum, bounds) => ("TS", bounds),
            Statistic::PercentileRank(bounds) => ("PR", bounds),
            plain => {
                let word = STATISTICS.iter().find(|it| it.1 == plain).map_or("", |it| it.0);
                return write!(f, "{word}");
            }
        };
        let end = |value: f64, none: f64| if value == none { String::new() } else { value.to_string() };
        match bounds {
            Bounds::Percent(low, high) => write!(f, "{word}({low}%:{high}%)"),
            Bounds::Values(low, high) => {
                write!(f, "{word}({}:{})", end(low, f64::NEG_INFINITY), end(high, f64::INFINITY))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extended_statistics_of_ten_samples() {
        let samples: Vec<(f64, f64)> = (1..=10).map(|it| (f64::from(it) * 100.0, 1.0)).collect();
        for (text, expected) in [
            ("p0", 100.0),
            ("p50", 500.0),
            ("p90", 900.0),
            ("p99.9", 1000.0),
            ("tm90", 500.0),
            ("TM(10%:90%)", 550.0),
            ("TM(:300)", 200.0),
            ("tm(700:)", 900.0),
            ("WM(10%:90%)", 540.0),
            ("wm(:300)", 270.0),
            ("tc90", 9.0),
            ("TC(300:500)", 2.0),
            ("ts50", 1500.0),
            ("PR(:300)", 30.0),
            ("PR(100:300)", 20.0),
            ("IQM", 550.0),
        ] {
            let statistic = Statistic::extended(text).expect(text);
            let value = statistic.of_samples(&samples).expect("there are samples");
            assert!((value - expected).abs() < 1e-9, "{text}: {value}");
        }
        assert_eq!(Statistic::Percentile(50.0).of_samples(&[]), None);
        assert_eq!(Statistic::extended("TM(1:2)").expect("sound").of_samples(&samples), None);
    }

    #[test]
    fn weights_are_so_many_samples() {
        let weighted = [(1.0, 3.0), (2.0, 5.0), (7.0, 2.0)];
        let single: Vec<(f64, f64)> =
            weighted.iter().flat_map(|&(value, count)| vec![(value, 1.0); count as usize]).collect();
        for text in ["p10", "p31", "p80", "p81", "tm35", "WM(15%:85%)", "TS(25%:95%)", "PR(1:2)"] {
            let statistic = Statistic::extended(text).expect(text);
            let (one, other) = (statistic.of_samples(&weighted), statistic.of_samples(&single));
            assert!((one.expect("samples") - other.expect("samples")).abs() < 1e-9, "{text}: {one:?} {other:?}");
        }
    }

    #[test]
    fn what_is_no_statistic_says_so() {
        for text in ["p", "p101", "p-1", "q99", "TM(90%:10%)", "TM(:)", "PR(10%:20%)", "p(10%:20%)", "99", "TM(10:90%)"]
        {
            assert!(Statistic::extended(text).is_err(), "{text}");
        }
        for text in ["p99", "TM(10%:90%)", "PR(:300)", "WM(5:)"] {
            assert_eq!(Statistic::extended(text).expect("sound").to_string(), text);
        }
    }
}
