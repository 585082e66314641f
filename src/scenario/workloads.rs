//! `workloads`: arrivals in words, and traces.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::scenario::problem::Problem;
use crate::scenario::reader::{Fields, Reader, nearest, parse_span};
use crate::scenario::tree::{Node, Value};
use crate::table::{Id, Table};
use crate::units::{Instant, Span};
use crate::workload::Workload;
use crate::workload::arrivals::{ArrivalProcess, RatePoint, Spacing};
use crate::workload::words::{self, Spike};

/// How files beside the scenario are read.
pub struct Files<'a> {
    /// Opens a path.
    pub open: &'a mut dyn FnMut(&Path) -> std::io::Result<Vec<u8>>,
    /// The scenario's folder.
    pub folder: PathBuf,
    /// All that was read, as read.
    pub inputs: &'a mut Vec<(PathBuf, Vec<u8>)>,
}

impl Files<'_> {
    /// The bytes of a file beside the scenario.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&mut self, name: &str) -> std::io::Result<(PathBuf, Vec<u8>)> {
        let path = self.folder.join(name);
        if let Some((_, bytes)) = self.inputs.iter().find(|(other, _)| *other == path) {
            return Ok((path, bytes.clone()));
        }
        let bytes = (self.open)(&path)?;
        self.inputs.push((path.clone(), bytes.clone()));
        Ok((path, bytes))
    }
}

/// The words for arrivals.
const WORDS: [&str; 8] = ["constant", "poisson", "ramp", "steps", "diurnal", "hourly", "spikes", "trace"];

/// Reads `workloads`.
pub fn read(
    reader: &mut Reader,
    node: Option<&Node>,
    services: &[(String, bool)],
    duration: Span,
    files: &mut Files,
) -> Table<Workload> {
    let names: Vec<String> = services.iter().map(|(name, _)| name.clone()).collect();
    let mut workloads = Table::new();
    for (key, node) in reader.named(node, "workloads") {
        let what = format!("workload {}", key.text);
        let Some(mut fields) = reader.fields(node, what.clone()) else { continue };
        let service = fields.required(reader, "service", |reader, node, what| {
            let place = reader.reference(node, what, "service", &names)?;
            if !services[place].1 {
                let message = format!("{what}: service `{}` has no load balancer to send requests to", names[place]);
                reader
                    .refuse(Problem::at(node.place.clone(), message).expected("expected a service with loadBalancers"));
                return None;
            }
            Some(place)
        });
        let timeout = fields.get(reader, "timeout", Reader::span);
        let has_arrivals = fields.required(reader, "arrivals", |_, _, _| Some(())).is_some();
        let arrivals_node = fields.take("arrivals").filter(|_| has_arrivals);
        let arrivals = arrivals_node.and_then(|node| arrivals(reader, node, &what, duration, files));
        fields.finish(reader, &[]);
        if let (Some(service), Some(arrivals)) = (service, arrivals) {
            workloads.push(Workload { name: key.text.clone(), service: Id::new(service), arrivals, timeout });
        }
    }
    workloads
}

fn arrivals(reader: &mut Reader, node: &Node, what: &str, duration: Span, files: &mut Files) -> Option<ArrivalProcess> {
    let what = format!("{what}, arrivals");
    let wrong = |reader: &mut Reader| {
        let problem = Problem::at(node.place.clone(), format!("{what}: how do requests come?"));
        reader.refuse(problem.expected(format!("expected one of {}", WORDS.join(", "))));
    };
    let Value::Map(entries) = &node.value else {
        wrong(reader);
        return None;
    };
    let [(word, inside)] = entries.as_slice() else {
        wrong(reader);
        return None;
    };
    let what = format!("{what}, {}", word.text);
    let rated = |curve: Vec<RatePoint>, spacing| Some(ArrivalProcess::Rate { curve, spacing });
    if word.text == "steps" {
        let mut steps: Vec<(Span, f64)> = Vec::new();
        for item in reader.list(Some(inside), &what) {
            let mut fields = reader.fields(item, what.clone())?;
            let at = fields.required(reader, "at", Reader::span);
            let rate = fields.required(reader, "rate", Reader::rate);
            fields.finish(reader, &[]);
            steps.push((at?, rate?));
        }
        if steps.is_empty() || steps.windows(2).any(|pair| pair[1].0 <= pair[0].0) {
            let problem = Problem::at(inside.place.clone(), format!("{what}: the steps are not in order of time"));
            reader.refuse(problem.expected("expected steps, each later than the one before it"));
            return None;
        }
        return rated(words::steps(&steps), Spacing::Poisson);
    }
    if !WORDS.contains(&word.text.as_str()) {
        let problem = Problem::at(word.place.clone(), format!("{what}: there are no arrivals of this kind"))
            .expected(format!("expected one of {}", WORDS.join(", ")));
        reader.refuse(match nearest(&word.text, WORDS.into_iter()) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => problem,
        });
        return None;
    }
    let mut fields = reader.fields(inside, what.clone())?;
    let process = match word.text.as_str() {
        "constant" => {
            let rate = fields.required(reader, "rate", Reader::rate);
            rate.and_then(|rate| rated(words::constant(rate), Spacing::Even))
        }
        "poisson" => {
            let rate = fields.required(reader, "rate", Reader::rate);
            rate.and_then(|rate| rated(words::constant(rate), Spacing::Poisson))
        }
        "ramp" => {
            let from = fields.required(reader, "from", Reader::rate);
            let to = fields.required(reader, "to", Reader::rate);
            let start = fields.get(reader, "start", Reader::span).unwrap_or(Span::ZERO);
            let over = fields.required(reader, "over", Reader::span);
            let parts = from.zip(to).zip(over);
            parts.and_then(|((from, to), over)| rated(words::ramp(from, to, start, over), Spacing::Poisson))
        }
        "diurnal" => {
            let mean = fields.required(reader, "mean", Reader::rate);
            let amplitude =
                fields.required(reader, "amplitude", |reader, node, what| reader.number(node, what, 0.0..=1.0));
            let peak_at = fields.get(reader, "peakAt", Reader::span).unwrap_or(Span::seconds(14 * 3600));
            let period = fields
                .get(reader, "period", Reader::span)
                .filter(|it| *it > Span::ZERO)
                .unwrap_or(Span::seconds(86_400));
            mean.zip(amplitude).and_then(|(mean, amplitude)| {
                rated(words::diurnal(mean, amplitude, peak_at, period, duration), Spacing::Poisson)
            })
        }
        "hourly" => hourly(reader, &mut fields, duration).and_then(|curve| rated(curve, Spacing::Poisson)),
        "spikes" => spikes(reader, &mut fields).and_then(|curve| rated(curve, Spacing::Poisson)),
        _ => trace(reader, &mut fields, files),
    };
    fields.finish(reader, &[]);
    process
}

fn hourly(reader: &mut Reader, fields: &mut Fields, duration: Span) -> Option<Vec<RatePoint>> {
    let node = fields.take("rates");
    let scale = fields.get(reader, "scale", |reader, node, what| reader.number(node, what, 0.0..=1e9)).unwrap_or(1.0);
    let what = fields.what.clone();
    let rates: Vec<f64> =
        reader.list(node, &what).into_iter().filter_map(|it| reader.rate(it, &what)).map(|it| it * scale).collect();
    if rates.is_empty() {
        let problem = Problem::at(fields.place.clone(), format!("{what}: there are no rates"));
        reader.refuse(problem.expected("expected `rates`: one for each hour"));
        return None;
    }
    Some(words::hourly(&rates, duration))
}

fn spikes(reader: &mut Reader, fields: &mut Fields) -> Option<Vec<RatePoint>> {
    let base = fields.required(reader, "base", Reader::rate);
    let node = fields.take("spikes");
    let what = fields.what.clone();
    let mut all = Vec::new();
    for item in reader.list(node, &what) {
        let mut spike = reader.fields(item, what.clone())?;
        let at = spike.required(reader, "at", Reader::span);
        let rate = spike.required(reader, "rate", Reader::rate);
        let part = |spike: &mut Fields, reader: &mut Reader, name: &'static str| {
            spike.get(reader, name, Reader::span).unwrap_or(Span::ZERO)
        };
        let ramp_up = part(&mut spike, reader, "rampUp");
        let hold = part(&mut spike, reader, "hold");
        let decay = part(&mut spike, reader, "decay");
        spike.finish(reader, &[]);
        let spike = Spike { at: at?, rate: rate?, ramp_up, hold, decay };
        let before = all.last().map(|it: &Spike| it.at + it.ramp_up + it.hold + it.decay);
        if before.is_some_and(|end| end > spike.at) {
            let problem =
                Problem::at(item.place.clone(), format!("{what}: this spike begins before the last has ended"));
            reader.refuse(problem.expected("expected spikes one after the other"));
            return None;
        }
        all.push(spike);
    }
    Some(words::spikes(base?, &all))
}

fn trace(reader: &mut Reader, fields: &mut Fields, files: &mut Files) -> Option<ArrivalProcess> {
    let file = fields.required(reader, "file", Reader::text);
    let column = fields.get(reader, "column", Reader::text);
    let interval = fields.get(reader, "interval", Reader::span);
    let from = fields.get(reader, "from", Reader::text);
    let length = fields.get(reader, "for", Reader::span);
    let scale = fields.get(reader, "scale", |reader, node, what| reader.number(node, what, 0.0..=1e9)).unwrap_or(1.0);
    let spacing = fields
        .get(reader, "spread", |reader, node, what| {
            reader.one_of(node, what, &[("poisson", Spacing::Poisson), ("even", Spacing::Even)])
        })
        .unwrap_or_default();
    let place = fields.take("file").map(|it| it.place.clone())?;
    let what = fields.what.clone();
    let refuse = |reader: &mut Reader, message: String, expected: &str| {
        reader.refuse(Problem::at(place.clone(), format!("{what}: {message}")).expected(expected));
    };
    let file = file?;
    let bytes = match files.read(&file) {
        Ok((_, bytes)) => bytes,
        Err(error) => {
            refuse(reader, format!("`{file}` cannot be read: {error}"), "expected a CSV file beside the scenario");
            return None;
        }
    };
    let mut rows = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(bytes.as_slice());
    let headers = match rows.headers() {
        Ok(headers) => headers.clone(),
        Err(error) => {
            refuse(reader, format!("`{file}` is no CSV: {error}"), "expected a CSV file with a header");
            return None;
        }
    };
    let names: Vec<&str> = headers.iter().collect();
    let wanted = match &column {
        Some(column) => names.iter().position(|it| it == column).or(column.parse().ok().filter(|&it| it < names.len())),
        None => names.iter().position(|it| *it == "requests").or(names.len().checked_sub(1)),
    };
    let Some(wanted) = wanted else {
        let message = format!("`{file}` has no column `{}`", column.unwrap_or_default());
        refuse(reader, message, &format!("its columns: {}", names.join(", ")));
        return None;
    };
    let mut times: Vec<String> = Vec::new();
    let mut counts: Vec<u64> = Vec::new();
    for row in rows.records() {
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                refuse(reader, format!("{file}, line {line}: {error}"), "expected rows of one length");
                return None;
            }
        };
        let line = row.position().map_or(0, csv::Position::line);
        let text = row.get(wanted).unwrap_or_default().trim();
        match text.parse::<f64>() {
            Ok(count) if count.is_finite() && count >= 0.0 && count.fract() == 0.0 => counts.push(count as u64),
            _ => {
                let message = format!("{file}, line {line}, column {}: `{text}` is no count", names[wanted]);
                refuse(reader, message, "expected a whole number of requests, not negative");
                return None;
            }
        }
        times.push(row.get(0).unwrap_or_default().trim().to_owned());
    }
    let seconds_of = |text: &str| {
        text.parse::<Timestamp>().map(|it| it.as_nanosecond() as f64 / 1e9).ok().or_else(|| text.parse::<f64>().ok())
    };
    let inferred = || {
        let (first, second) = (seconds_of(times.first()?)?, seconds_of(times.get(1)?)?);
        Some(Span::from_seconds_f64(second - first)).filter(|_| wanted != 0)
    };
    let Some(interval) = interval.or_else(inferred).filter(|it| *it > Span::ZERO) else {
        refuse(
            reader,
            format!("`{file}`: how long is an interval?"),
            "expected `interval`, or timestamps in the first column",
        );
        return None;
    };
    let skipped = match &from {
        None => 0,
        Some(from) => {
            let by_time =
                || seconds_of(from).zip(times.first().and_then(|it| seconds_of(it))).map(|(at, first)| at - first);
            let offset = parse_span(from).map(Span::as_seconds).or_else(by_time);
            match offset {
                Some(offset) if offset >= 0.0 => (offset / interval.as_seconds()) as usize,
                _ => {
                    refuse(
                        reader,
                        format!("`{from}` is no time of the trace"),
                        "expected a timestamp or an offset in the trace",
                    );
                    return None;
                }
            }
        }
    };
    let taken = length.map_or(usize::MAX, |it| (it.0 / interval.0) as usize);
    let counts: Vec<u64> = counts.into_iter().skip(skipped).take(taken).collect();
    if counts.is_empty() {
        refuse(
            reader,
            format!("nothing of `{file}` lies in the window"),
            "expected a window with at least one interval",
        );
        return None;
    }
    let counts = if scale == 1.0 { counts } else { words::scaled(&counts, scale) };
    Some(ArrivalProcess::Counts { start: Instant::START, interval, counts, spacing })
}
