//! The section `metrics`: metrics that the scenario supplies, and their values in CSV files.

use crate::aws::metric::SuppliedMetric;
use crate::scenario::aws_fields::Shape;
use crate::scenario::metric::{NAMESPACES, find};
use crate::scenario::problem::Problem;
use crate::scenario::reader::{Reader, What, listed};
use crate::scenario::tree::{Entry, Node, Value};
use crate::scenario::{quantity, recorded};
use crate::table::Table;
use crate::units::{Instant, Span};
use crate::workload::trace::{BadTrace, nanos};

/// The section `metrics`.
pub fn supplied_metrics(
    reader: &mut Reader<'_>,
    entries: &[Entry],
    duration: Span,
    usual_delay: Span,
) -> Table<SuppliedMetric> {
    let mut table = Table::<SuppliedMetric>::new();
    for entry in entries {
        let Some(metric) = supplied_metric(reader, entry, duration, usual_delay) else { continue };
        let is_same = |it: &&SuppliedMetric| {
            (&it.namespace, &it.metric_name, &it.dimensions)
                == (&metric.namespace, &metric.metric_name, &metric.dimensions)
        };
        if let Some(first) = table.iter().find(is_same) {
            let message = format!("metrics `{}` and `{}` have the same name and dimensions", first.name, entry.key);
            reader.refuse(Problem::new(entry.key_place, message));
        }
        table.push(metric);
    }
    table
}

fn supplied_metric(
    reader: &mut Reader<'_>,
    entry: &Entry,
    duration: Span,
    usual_delay: Span,
) -> Option<SuppliedMetric> {
    let mut fields = reader.fields(&entry.node, format!("metric `{}`", entry.key))?;
    let namespace = fields.text(reader, "Namespace").unwrap_or("Custom").to_owned();
    let metric_name = fields.text(reader, "MetricName").unwrap_or(&entry.key).to_owned();
    if find(&NAMESPACES, &namespace).is_some() {
        let at = fields.place_of("Namespace");
        let problem = Problem::new(at, format!("{} is of `{namespace}`, whose metrics are simulated", fields.of));
        reader.refuse(problem.help("give it a namespace of its own, such as `Shop`, or `AWS/SQS` for a queue"));
    }
    let mut dimensions = Vec::new();
    for node in fields.list(reader, "Dimensions") {
        let text = |field: &str| node.get(field).and_then(Node::text).map(str::to_owned);
        match text("name").zip(text("value")) {
            Some(dimension) => dimensions.push(dimension),
            None => {
                let message = format!("an item of `Dimensions` of {} has a `Name` and a `Value`", fields.of);
                reader.refuse(Problem::new(node.place, message));
            }
        }
    }
    dimensions.sort();
    let resolution = fields.span_or(reader, "resolution", Span::MINUTE);
    if resolution < Span::SECOND || resolution.0 % Span::SECOND.0 != 0 {
        let at = fields.place_of("resolution");
        let message = format!("`resolution` of {} is {resolution}; it is of whole seconds, one at least", fields.of);
        reader.refuse(Problem::new(at, message));
        return None;
    }
    let delay = fields.span_or(reader, "delay", usual_delay);
    let start = fields.span_or(reader, "start", Span::ZERO);
    let (values, steps, file) = (fields.take("values"), fields.take("steps"), fields.take("file"));
    let column = fields.text(reader, "column").map(str::to_owned);
    let of = fields.of.clone();
    fields.finish(reader, &Shape::OURS);
    if [values, steps, file].iter().flatten().count() != 1 {
        let problem = Problem::new(entry.key_place, format!("{of} has not one of `values`, `steps` and `file`"));
        reader
            .refuse(problem.help("as in `values: [0, 10, 25]`, `steps: [{at: 10m, value: 500}]` or `file: queue.csv`"));
        return None;
    }
    let periods = (duration.0 / resolution.0) as usize + 1;
    let samples = if let Some(node) = values {
        let what = What { field: "values", of: &of };
        let mut samples = Vec::new();
        for node in reader.list(what, node) {
            let is_missing = node.value == Value::Null;
            let value = if is_missing { None } else { reader.number(what, node, f64::MIN..=f64::MAX) };
            samples.push(value.into_iter().collect());
        }
        samples
    } else if let Some(node) = steps {
        stepped(reader, node, &of, resolution, periods)?
    } else {
        let named = reader.text(What { field: "file", of: &of }, file?)?;
        let read = |bytes: &[u8]| read_file(bytes, column.as_deref(), resolution, periods);
        recorded::decoded(reader, file?, named, "metric", read)?
    };
    let ends = start + resolution * samples.len() as u64;
    if ends < duration {
        reader.note(format!("{of} ends after {ends} of {duration}; there are no datapoints after that"));
    }
    let begins = Instant::START + start;
    Some(SuppliedMetric {
        name: entry.key.clone(),
        namespace,
        metric_name,
        dimensions,
        resolution,
        delay,
        begins,
        samples,
    })
}

/// A level that holds from each step to the next.
fn stepped(reader: &mut Reader<'_>, node: &Node, of: &str, resolution: Span, periods: usize) -> Option<Vec<Vec<f64>>> {
    let mut steps: Vec<(Span, Option<f64>)> = Vec::new();
    for node in reader.list(What { field: "steps", of }, node) {
        let mut fields = reader.fields(node, format!("a step of {of}"))?;
        let at = fields.required_span(reader, "at");
        let value = fields.number(reader, "value", f64::MIN..=f64::MAX);
        fields.finish(reader, &Shape::OURS);
        let at = at?;
        if steps.last().is_some_and(|it| it.0 >= at) {
            let problem = Problem::new(node.place, format!("a step of {of} is not later than the one before it"));
            reader.refuse(problem);
        }
        steps.push((at, value));
    }
    let level = |period: usize| {
        let begins = resolution * period as u64;
        steps.iter().rev().find(|it| it.0 <= begins).and_then(|it| it.1)
    };
    Some((0..periods).map(|period| level(period).into_iter().collect()).collect())
}

/// Values from a CSV file: one row a period, or rows with times in the first column, which may share periods.
pub(in crate::scenario) fn read_file(
    bytes: &[u8],
    column: Option<&str>,
    resolution: Span,
    periods: usize,
) -> Result<Vec<Vec<f64>>, BadTrace> {
    let whole = |message: String| BadTrace { line: None, message };
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).trim(csv::Trim::All).from_reader(bytes);
    let mut rows: Vec<(u64, csv::StringRecord)> = Vec::new();
    for record in reader.records() {
        let line = |error: &csv::Error| error.position().map(csv::Position::line);
        let record =
            record.map_err(|error| BadTrace { line: line(&error), message: "this is not text in UTF-8".to_owned() })?;
        if record.iter().any(|it| !it.is_empty()) {
            rows.push((record.position().map_or(0, csv::Position::line), record));
        }
    }
    let Some((_, first)) = rows.first() else { return Err(whole("the file has no rows".to_owned())) };
    let width = first.len();
    let has_header = first.iter().all(|it| !it.is_empty() && quantity::number(it).is_none() && nanos(it).is_none());
    let at = match column {
        None => width - 1,
        Some(name) => first.iter().position(|it| has_header && it == name).ok_or_else(|| {
            let names: Vec<&str> = first.iter().filter(|_| has_header).collect();
            whole(format!("there is no column `{name}`; the file has {}", listed(names)))
        })?,
    };
    let mut samples: Vec<Vec<f64>> = Vec::new();
    let mut begins = None;
    for (index, (line, row)) in rows.iter().skip(usize::from(has_header)).enumerate() {
        let bad = |message: String| BadTrace { line: Some(*line), message };
        let period = if at == 0 || width < 2 {
            index
        } else {
            let text = row.get(0).unwrap_or("");
            let time = nanos(text).ok_or_else(|| bad(format!("`{text}` is not a time: ISO 8601 or seconds")))?;
            let since = time - *begins.get_or_insert(time);
            let since = u64::try_from(since).map_err(|_| bad("the time is before the first".to_owned()))?;
            (since / resolution.0) as usize
        };
        if period >= periods {
            break;
        }
        if samples.len() <= period {
            samples.resize(period + 1, Vec::new());
        }
        let text = row.get(at).unwrap_or("");
        if !text.is_empty() {
            let value = text.parse::<f64>().ok().filter(|it| it.is_finite());
            samples[period].push(value.ok_or_else(|| bad(format!("`{text}` is not a finite number")))?);
        }
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, column: Option<&str>, expected: &[&[f64]]) {
        let samples =
            read_file(text.as_bytes(), column, Span::MINUTE, 10).unwrap_or_else(|it| panic!("{}", it.message));
        assert_eq!(samples, expected, "{text}");
    }

    #[test]
    fn rows_are_periods_or_have_times() {
        check("5\n\n7\n", None, &[&[5.0], &[7.0]]);
        check("depth\n5\n7.5\n", Some("depth"), &[&[5.0], &[7.5]]);
        check("time,depth,age\n0,5,1\n30,6,1\n60,,1\n180,-2,1\n", Some("depth"), &[&[5.0, 6.0], &[], &[], &[-2.0]]);
        check("2026-01-05T00:00:00Z,5\n2026-01-05T00:01:30Z,6\n", None, &[&[5.0], &[6.0]]);
    }

    #[test]
    fn bad_lines_are_named() {
        for (text, column, line, message) in [
            ("", None, None, "the file has no rows"),
            ("a,b\n1,2\n", Some("c"), None, "there is no column `c`; the file has `a`, `b`"),
            ("time,depth\n0,5\nnoon,6\n", None, Some(3), "`noon` is not a time: ISO 8601 or seconds"),
            ("time,depth\n60,5\n0,6\n", None, Some(3), "the time is before the first"),
            ("1\nmany\n", None, Some(2), "`many` is not a finite number"),
        ] {
            let bad = read_file(text.as_bytes(), column, Span::MINUTE, 10).expect_err(text);
            assert_eq!((bad.line, bad.message.as_str()), (line, message), "{text}");
        }
    }
}
