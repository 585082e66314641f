//! Traces: counts of requests from a CSV file.
//!
//! The file has a row for each interval. The column of counts is named, or is `requests`, or is the last; the first
//! column may hold the time at which the interval begins, in ISO 8601 or in seconds.

use crate::units::Span;
use crate::workload::arrivals::whole_counts;

/// A trace as the file has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// Length of an interval.
    pub interval: Span,
    /// When the first interval begins, in nanoseconds since 1970 or since whatever its column counts from; `None` where
    /// the file has no times.
    pub begins: Option<i128>,
    /// Requests in each interval, in order.
    pub counts: Vec<f64>,
    /// Intervals between the first and the last that no row speaks of; they count as 0.
    pub missing: usize,
    /// Rows that fell into an interval that had one already; they add up.
    pub shared: usize,
}

/// Why a file is no trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadTrace {
    /// The line, from 1; `None` where the whole file is to blame.
    pub line: Option<u64>,
    /// What is wrong with it.
    pub message: String,
}

/// Which column holds the counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Column {
    /// The one with this name in the first row.
    Named(String),
    /// The one with this number, from 1.
    Numbered(usize),
}

/// A year of seconds; a longer trace is a mistake in its times.
pub const INTERVALS_MAXIMUM: u64 = 31_622_400;

/// Reads a trace; `interval` stands in for times, and is needed where the file has none.
pub fn read(bytes: &[u8], column: Option<&Column>, interval: Option<Span>) -> Result<Trace, BadTrace> {
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).trim(csv::Trim::All).from_reader(bytes);
    let mut rows: Vec<(u64, csv::StringRecord)> = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| BadTrace {
            line: error.position().map(csv::Position::line),
            message: "this is not text in UTF-8".to_owned(),
        })?;
        let line = record.position().map_or(0, csv::Position::line);
        if record.iter().any(|it| !it.is_empty()) {
            rows.push((line, record));
        }
    }
    let whole = |message: &str| BadTrace { line: None, message: message.to_owned() };
    let first = rows.first().ok_or_else(|| whole("the file has no rows"))?.1.clone();
    let width = first.len();
    let has_header = first.iter().all(|it| count(it).is_none() && nanos(it).is_none());
    let counts_at = match column {
        Some(Column::Numbered(number)) if (1..=width).contains(number) => number - 1,
        Some(Column::Numbered(number)) => {
            return Err(whole(&format!("there is no column {number}; the file has {width}")));
        }
        Some(Column::Named(name)) => first.iter().position(|it| has_header && it == name).ok_or_else(|| {
            let names: Vec<String> = first.iter().filter(|_| has_header).map(|it| format!("`{it}`")).collect();
            whole(&match names.as_slice() {
                [] => format!("there is no column `{name}`: the file has no header"),
                _ => format!("there is no column `{name}`; the file has {}", names.join(", ")),
            })
        })?,
        None => first.iter().position(|it| it == "requests").unwrap_or(width - 1),
    };
    let rows = &rows[usize::from(has_header)..];
    if rows.is_empty() {
        return Err(whole("the file has a header and no rows"));
    }
    let mut values = Vec::with_capacity(rows.len());
    for (line, row) in rows {
        let text = row.get(counts_at).unwrap_or("");
        values.push(count(text).ok_or_else(|| BadTrace {
            line: Some(*line),
            message: format!("`{text}` is not a count of requests: a finite number of at least 0"),
        })?);
    }
    if let Some(interval) = interval {
        let begins = rows[0].1.get(0).filter(|_| counts_at > 0).and_then(nanos);
        return Ok(Trace { interval, begins, counts: values, missing: 0, shared: 0 });
    }
    if counts_at == 0 || rows.len() < 2 {
        return Err(whole("the file does not say how long an interval is: give `interval`"));
    }
    let mut times = Vec::with_capacity(rows.len());
    for (line, row) in rows {
        let text = row.get(0).unwrap_or("");
        times.push(nanos(text).ok_or_else(|| BadTrace {
            line: Some(*line),
            message: format!(
                "`{text}` is not a time: ISO 8601 or seconds; or give `interval`, and times do not matter"
            ),
        })?);
    }
    place(&times, &values, rows)
}

/// Puts values into the intervals that their times lie in; the first two times say how long an interval is.
fn place(times: &[i128], values: &[f64], rows: &[(u64, csv::StringRecord)]) -> Result<Trace, BadTrace> {
    if let Some(index) = (1..times.len()).find(|&it| times[it] <= times[it - 1]) {
        let message = "the time is not later than that before".to_owned();
        return Err(BadTrace { line: Some(rows[index].0), message });
    }
    let interval = times[1] - times[0];
    let mut counts: Vec<f64> = Vec::with_capacity(values.len());
    let mut shared = 0;
    for (index, (&time, &value)) in times.iter().zip(values).enumerate() {
        // To the nearest interval, since clocks drift.
        let slot = (time - times[0] + interval / 2) / interval;
        if slot > i128::from(INTERVALS_MAXIMUM) {
            let message = format!("the time lies {slot} intervals behind the first");
            return Err(BadTrace { line: Some(rows[index].0), message });
        }
        let slot = slot as usize;
        if slot < counts.len() {
            counts[slot] += value;
            shared += 1;
        } else {
            counts.resize(slot, 0.0);
            counts.push(value);
        }
    }
    let missing = counts.len() - (values.len() - shared);
    let interval = u64::try_from(interval).unwrap_or(u64::MAX);
    Ok(Trace { interval: Span(interval), begins: Some(times[0]), counts, missing, shared })
}

fn count(text: &str) -> Option<f64> {
    text.parse().ok().filter(|it: &f64| it.is_finite() && *it >= 0.0)
}

/// Nanoseconds of a time since 1970, in ISO 8601 or in seconds; without a zone it is UTC.
pub fn nanos(text: &str) -> Option<i128> {
    if let Ok(timestamp) = text.parse::<jiff::Timestamp>() {
        return Some(timestamp.as_nanosecond());
    }
    if let Ok(civil) = text.parse::<jiff::civil::DateTime>() {
        return civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|it| it.timestamp().as_nanosecond());
    }
    let seconds: f64 = text.parse().ok()?;
    // A thousand years either way, where nanoseconds are still exact enough.
    (seconds.abs() < 3.2e10).then(|| (seconds * 1e9).round() as i128)
}

/// How far behind the begin of a recording a time lies that is written as the recording's are.
pub fn offset(begins: Option<i128>, time: &str) -> Option<Span> {
    u64::try_from(nanos(time)? - begins?).ok().map(Span)
}

impl Trace {
    /// Whole counts of the intervals from number `from` on, at most `length` of them, times `scale`.
    ///
    /// What rounding takes from one interval goes to the next, so that totals stay true.
    pub fn window(&self, from: usize, length: usize, scale: f64) -> Vec<u64> {
        whole_counts(self.counts.iter().skip(from).take(length).map(|it| it * scale))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, interval: Span, counts: &[f64]) {
        let trace = read(text.as_bytes(), None, None).expect("a trace");
        assert_eq!((trace.interval, trace.counts.as_slice()), (interval, counts), "{text}");
    }

    #[test]
    fn intervals_come_from_times() {
        let minute = "timestamp,requests\n1995-07-01T04:00:00Z,42\n1995-07-01T04:01:00Z,61\n";
        check(minute, Span::MINUTE, &[42.0, 61.0]);
        check("offset_s,requests\n0.0,238\n0.1,309\n0.2,304\n", Span::millis(100), &[238.0, 309.0, 304.0]);
        check("2014-04-10 00:04:00,94.0\n2014-04-10 00:09:00,56.0\n", Span::seconds(300), &[94.0, 56.0]);
        // `requests` counts wherever it stands, and drifting clocks stay in step.
        let drifting = "t,interval_s,requests,more\n0,5.1,1,x\n5,5.1,2,x\n10.2,5,3,x\n15.4,5,4,x\n";
        check(drifting, Span::seconds(5), &[1.0, 2.0, 3.0, 4.0]);
    }

    #[test]
    fn gaps_count_as_nothing() {
        let trace = read(b"0,1\n60,2\n240,5\n", None, None).expect("a trace");
        assert_eq!((trace.counts.as_slice(), trace.missing), (&[1.0, 2.0, 0.0, 0.0, 5.0][..], 2));
    }

    #[test]
    fn bad_lines_are_named() {
        for (text, line) in [
            ("t,requests\n0,1\n60,x\n", Some(3)),
            ("t,requests\n0,1\n60,-1\n", Some(3)),
            ("t,requests\n0,1\n60\n", Some(3)),
            ("t,requests\n0,1\n60,NaN\n", Some(3)),
            ("t,requests\n0,1\n60,1\n30,1\n", Some(4)),
            ("t,requests\n0,1\nnoon,1\n", Some(3)),
            ("t,requests\n0,1\n0,1\n", Some(3)),
            ("t,requests\n0,1\n1,1\n1e10,1\n", Some(4)),
            ("requests\n1\n2\n", None),
            ("requests\n", None),
            ("", None),
        ] {
            assert_eq!(read(text.as_bytes(), None, None).expect_err(text).line, line, "{text}");
        }
    }

    #[test]
    fn windows_begin_at_times() {
        let trace = read(b"1995-07-01T04:00:00Z,42\n1995-07-01T04:01:00Z,61\n", None, None).expect("a trace");
        assert_eq!(offset(trace.begins, "1995-07-01T05:00:00Z"), Some(Span::seconds(3_600)));
        assert_eq!(offset(trace.begins, "1995-07-01T03:00:00Z"), None);
        assert_eq!(offset(trace.begins, "noon"), None);
    }

    #[test]
    fn columns_by_name_and_number() {
        let text = b"a,b\n1,2\n3,4\n";
        let of = |column| read(text, Some(&column), Some(Span::SECOND)).map(|it| it.counts);
        assert_eq!(of(Column::Named("a".to_owned())), Ok(vec![1.0, 3.0]));
        assert_eq!(of(Column::Numbered(2)), Ok(vec![2.0, 4.0]));
        assert!(of(Column::Numbered(3)).is_err());
        assert!(of(Column::Named("c".to_owned())).is_err());
    }

    #[test]
    fn scaling_keeps_totals() {
        let trace = Trace { interval: Span::SECOND, begins: None, counts: vec![1.0; 10], missing: 0, shared: 0 };
        assert_eq!(trace.window(0, 10, 0.5).iter().sum::<u64>(), 5);
        assert_eq!(trace.window(2, 3, 1.0), [1, 1, 1]);
        assert_eq!(trace.window(0, 4, 1.5), [2, 1, 2, 1]);
    }
}
