//! Exports of CloudWatch: counts of requests as `get-metric-statistics` and `get-metric-data` print them.
//!
//! Follows *GetMetricStatistics* and *GetMetricData* in the CloudWatch API reference (read 2026-08). A timestamp is the start
//! of its period. Left out: statistics other than `Sum`; several pages in one file.

use serde_json::Value;

use crate::units::Span;
use crate::workload::trace::{BadTrace, INTERVALS_MAXIMUM, Trace, nanos};

/// What an export has.
#[derive(Clone, Debug, PartialEq)]
pub struct Export {
    /// Its counts; periods without a datapoint count as 0.
    pub trace: Trace,
    /// The longest time without a datapoint between the first and the last; zero where none is missing.
    pub longest_gap: Span,
    /// Whether CloudWatch says that there is more.
    pub is_partial: bool,
}

/// The metric that counts requests, by which one of several is chosen.
const REQUEST_COUNT: &str = "RequestCount";

/// Reads an export. `id` chooses one of several results, by `Id` or `Label`; `period` is needed where a single datapoint does
/// not tell how long one is.
pub fn read(bytes: &[u8], id: Option<&str>, period: Option<Span>) -> Result<Export, BadTrace> {
    const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
    let json: Value = serde_json::from_slice(bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes))
        .map_err(|error| BadTrace { line: u64::try_from(error.line()).ok(), message: format!("not JSON: {error}") })?;
    let (mut points, is_partial) = if let Some(points) = json.get("Datapoints").and_then(Value::as_array) {
        (points.iter().map(datapoint).collect::<Result<Vec<_>, _>>()?, false)
    } else if let Some(results) = json.get("MetricDataResults").and_then(Value::as_array) {
        let result = chosen(results, id)?;
        let code = result["StatusCode"].as_str().unwrap_or("Complete");
        if !matches!(code, "Complete" | "PartialData") {
            return Err(whole(&format!("its StatusCode is `{code}`, and it has no data")));
        }
        let is_partial = code == "PartialData" || json["NextToken"].as_str().is_some_and(|it| !it.is_empty());
        (paired(result)?, is_partial)
    } else {
        return Err(whole("it has neither `Datapoints` nor `MetricDataResults`"));
    };
    points.sort_by_key(|it| it.0);
    place(&points, period, is_partial)
}

fn whole(message: &str) -> BadTrace {
    BadTrace { line: None, message: message.to_owned() }
}

/// A point of `get-metric-statistics`.
fn datapoint(point: &Value) -> Result<(i128, f64), BadTrace> {
    let sum = point.get("Sum").ok_or_else(|| whole("a datapoint has no `Sum`: export with `--statistics Sum`"))?;
    Ok((time(&point["Timestamp"])?, count(sum)?))
}

fn chosen<'a>(results: &'a [Value], id: Option<&str>) -> Result<&'a Value, BadTrace> {
    let is = |result: &Value, name: &str| ["Id", "Label"].iter().any(|it| result[it] == name);
    let found: Vec<&Value> = match id {
        Some(id) => results.iter().filter(|it| is(it, id)).collect(),
        None if results.len() == 1 => results.iter().collect(),
        None => results.iter().filter(|it| is(it, REQUEST_COUNT)).collect(),
    };
    if let [only] = found.as_slice() {
        return Ok(only);
    }
    let ids: Vec<String> = results.iter().filter_map(|it| it["Id"].as_str()).map(|it| format!("`{it}`")).collect();
    Err(whole(&match ids.as_slice() {
        [] => "it has no results".to_owned(),
        _ => format!("`id` has to say which of its results counts requests: {}", ids.join(", ")),
    }))
}

/// The points of a result of `get-metric-data`.
fn paired(result: &Value) -> Result<Vec<(i128, f64)>, BadTrace> {
    let list = |name: &str| result[name].as_array().map(Vec::as_slice).unwrap_or_default();
    let (times, values) = (list("Timestamps"), list("Values"));
    if times.len() != values.len() {
        return Err(whole(&format!("it has {} timestamps and {} values", times.len(), values.len())));
    }
    times.iter().zip(values).map(|(at, value)| Ok((time(at)?, count(value)?))).collect()
}

fn time(value: &Value) -> Result<i128, BadTrace> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    nanos(&text).ok_or_else(|| whole(&format!("`{text}` is not a time: ISO 8601 or seconds since 1970")))
}

fn count(value: &Value) -> Result<f64, BadTrace> {
    let number = value.as_f64().filter(|it| it.is_finite() && *it >= 0.0);
    number.ok_or_else(|| whole(&format!("`{value}` is not a count of requests: a finite number of at least 0")))
}

/// Puts points in order of time into periods, the least distance of two of them where nobody says how long one is.
fn place(points: &[(i128, f64)], period: Option<Span>, is_partial: bool) -> Result<Export, BadTrace> {
    let Some(&(begins, _)) = points.first() else { return Err(whole("it has no datapoints")) };
    let gaps = || points.windows(2).map(|it| it[1].0 - it[0].0);
    let period = match (period, gaps().filter(|it| *it > 0).min()) {
        (Some(period), _) => i128::from(period.0),
        (None, Some(least)) => least,
        (None, None) => return Err(whole("a single datapoint does not say how long a period is: give `period`")),
    };
    let periods = (points[points.len() - 1].0 - begins) / period + 1;
    if periods > i128::from(INTERVALS_MAXIMUM) {
        return Err(whole(&format!("its datapoints lie {periods} periods apart")));
    }
    let mut counts = vec![0.0; periods as usize];
    let mut filled = 0;
    let mut before = None;
    for (time, value) in points {
        let slot = ((time - begins) / period) as usize;
        counts[slot] += value;
        filled += usize::from(before != Some(slot));
        before = Some(slot);
    }
    let longest = gaps().max().unwrap_or(0);
    let longest_gap = if longest > period { Span(u64::try_from(longest).unwrap_or(u64::MAX)) } else { Span::ZERO };
    let trace = Trace {
        interval: Span(u64::try_from(period).unwrap_or(u64::MAX)),
        begins: Some(begins),
        missing: counts.len() - filled,
        shared: points.len() - filled,
        counts,
    };
    Ok(Export { trace, longest_gap, is_partial })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATISTICS: &str = r#"{"Label": "RequestCount", "Datapoints": [
        {"Timestamp": "2026-03-01T12:01:00Z", "Sum": 6000.0, "Unit": "Count"},
        {"Timestamp": "2026-03-01T12:00:00+00:00", "Sum": 3000.0, "Unit": "Count"}]}"#;

    fn check(text: &str, interval: Span, counts: &[f64]) -> Export {
        let export = read(text.as_bytes(), None, None).unwrap_or_else(|bad| panic!("{text}: {}", bad.message));
        assert_eq!((export.trace.interval, export.trace.counts.as_slice()), (interval, counts), "{text}");
        export
    }

    #[test]
    fn datapoints_come_in_any_order() {
        let export = check(STATISTICS, Span::MINUTE, &[3_000.0, 6_000.0]);
        check(&format!("\u{feff}{STATISTICS}"), Span::MINUTE, &[3_000.0, 6_000.0]);
        assert_eq!((export.longest_gap, export.is_partial), (Span::ZERO, false));
        let data = r#"{"MetricDataResults": [{"Id": "m1", "Label": "web", "StatusCode": "PartialData",
            "Timestamps": [1772367000, 1772366700, 1772366400.0], "Values": [3, 2.5, 1]}], "Messages": []}"#;
        assert!(check(data, Span::MINUTE * 5, &[1.0, 2.5, 3.0]).is_partial);
    }

    #[test]
    fn periods_without_a_datapoint_count_as_nothing() {
        let data = r#"{"MetricDataResults": [{"Id": "m1", "StatusCode": "Complete",
            "Timestamps": [7500, 60, 0], "Values": [3, 2, 1]}]}"#;
        let mut counts = vec![0.0; 126];
        (counts[0], counts[1], counts[125]) = (1.0, 2.0, 3.0);
        let export = check(data, Span::MINUTE, &counts);
        assert_eq!((export.trace.missing, export.longest_gap), (123, Span::seconds(7_440)));
    }

    #[test]
    fn one_of_several_results_is_chosen() {
        let text = r#"{"MetricDataResults": [
            {"Id": "a", "Label": "HTTPCode_Target_5XX_Count", "Timestamps": [0, 60], "Values": [1, 2]},
            {"Id": "b", "Label": "RequestCount", "Timestamps": [0, 60], "Values": [30, 40]}]}"#;
        check(text, Span::MINUTE, &[30.0, 40.0]);
        let first = read(text.as_bytes(), Some("a"), None).expect("a result");
        assert_eq!(first.trace.counts, [1.0, 2.0]);
        let unnamed = text.replace("\"RequestCount\"", "\"web\"");
        let bad = read(unnamed.as_bytes(), None, None).expect_err("either");
        assert_eq!(bad.message, "`id` has to say which of its results counts requests: `a`, `b`");
    }

    #[test]
    fn what_is_no_export_says_so() {
        for (text, message) in [
            ("[1", "not JSON: EOF while parsing a list at line 1 column 2"),
            ("{}", "it has neither `Datapoints` nor `MetricDataResults`"),
            (r#"{"Datapoints": []}"#, "it has no datapoints"),
            (
                r#"{"Datapoints": [{"Timestamp": 0, "Average": 1}]}"#,
                "a datapoint has no `Sum`: export with `--statistics Sum`",
            ),
            (
                r#"{"Datapoints": [{"Timestamp": "noon", "Sum": 1}]}"#,
                "`noon` is not a time: ISO 8601 or seconds since 1970",
            ),
            (
                r#"{"Datapoints": [{"Timestamp": 0, "Sum": -1}]}"#,
                "`-1` is not a count of requests: a finite number of at least 0",
            ),
            (
                r#"{"Datapoints": [{"Timestamp": 0, "Sum": 1}]}"#,
                "a single datapoint does not say how long a period is: give `period`",
            ),
            (
                r#"{"Datapoints": [{"Timestamp": 0, "Sum": 1}, {"Timestamp": 1, "Sum": 1}, {"Timestamp": 1e10, "Sum": 1}]}"#,
                "its datapoints lie 10000000001 periods apart",
            ),
            (
                r#"{"MetricDataResults": [{"Id": "a", "Timestamps": [0, 60], "Values": [1]}]}"#,
                "it has 2 timestamps and 1 values",
            ),
            (
                r#"{"MetricDataResults": [{"Id": "a", "StatusCode": "Forbidden"}]}"#,
                "its StatusCode is `Forbidden`, and it has no data",
            ),
            (r#"{"MetricDataResults": []}"#, "it has no results"),
        ] {
            assert_eq!(read(text.as_bytes(), None, None).expect_err(text).message, message);
        }
        let one = read(br#"{"Datapoints": [{"Timestamp": 0, "Sum": 1}]}"#, None, Some(Span::MINUTE)).expect("a period");
        assert_eq!((one.trace.interval, one.trace.counts), (Span::MINUTE, vec![1.0]));
    }
}
