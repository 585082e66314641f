//! Recorded traffic under `arrivals`: `trace`, `accessLog` and `cloudWatch`, the files they name, and windows of them.

use std::path::{Path, PathBuf};

use crate::scenario::files::{self, Opened};
use crate::scenario::problem::{Place, Problem, SourceFile};
use crate::scenario::quantity;
use crate::scenario::reader::{Fields, Reader, What};
use crate::scenario::tree::{Node, Value};
use crate::scenario::workload::{above_zero, note_nothing};
use crate::spelling::{one_or_more, plural};
use crate::units::{Instant, Span};
use crate::workload::access_log;
use crate::workload::arrivals::{ArrivalProcess, Spacing};
use crate::workload::cloud_watch;
use crate::workload::trace::{self, BadTrace, Column, Trace};
use crate::workload::words;

/// Which part of a recording is replayed, when and how often.
struct Cut<'n> {
    from: Option<&'n Node>,
    length: Option<Span>,
    start: Span,
    scale: f64,
}

impl<'n> Cut<'n> {
    fn of(reader: &mut Reader<'_>, fields: &mut Fields<'n>, duration: Span) -> Cut<'n> {
        let from = fields.take("from");
        let length = above_zero(reader, fields, "for");
        let start = fields.span_or(reader, "start", Span::ZERO);
        let scale = fields.number_or(reader, "scale", 0.0..=1e12, 1.0);
        note_nothing(reader, &fields.of, scale, start, duration);
        Cut { from, length, start, scale }
    }

    /// How far behind the begin of a recording its window begins: a length of time, or a time that it has.
    fn begin(&self, reader: &mut Reader<'_>, of: &str, begins: Option<i128>) -> Option<Span> {
        let Some(node) = self.from else { return Some(Span::ZERO) };
        reader.parsed(What { field: "from", of }, node, |text| match quantity::span(text) {
            Ok(span) => Ok(span),
            Err(why) => trace::offset(begins, text).ok_or_else(|| format!("{why}, or as a time that the file has")),
        })
    }
}

/// How the requests of an interval lie in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spread {
    /// Each at the instant at which it was logged.
    Exact,
    /// Exactly as many as were counted.
    Counted(Spacing),
    /// As many on average: a Poisson process at their rate.
    Rate,
}

const SPREADS: &[(&str, Spread)] = &[
    ("poisson", Spread::Counted(Spacing::Poisson)),
    ("even", Spread::Counted(Spacing::Even)),
    ("rate", Spread::Rate),
    ("exact", Spread::Exact),
];

/// The ways to spread what has no instants.
fn spread_of_counts(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Spread {
    fields.word_or(reader, "spread", &SPREADS[..3], Spread::Counted(Spacing::default()))
}

/// A CSV of counts.
pub fn trace(reader: &mut Reader<'_>, fields: &mut Fields<'_>, duration: Span) -> Option<ArrivalProcess> {
    let node = fields.required(reader, "file");
    let file = node.and_then(|it| reader.text(What { field: "file", of: &fields.of }, it));
    let column = fields.text(reader, "column").map(|it| match quantity::whole(it) {
        Some(number) => Column::Numbered(usize::try_from(number).unwrap_or(usize::MAX)),
        None => Column::Named(it.to_owned()),
    });
    let interval = above_zero(reader, fields, "interval");
    let cut = Cut::of(reader, fields, duration);
    let spread = spread_of_counts(reader, fields);
    let read = |bytes: &[u8]| trace::read(bytes, column.as_ref(), interval);
    let trace = decoded(reader, node?, file?, "trace", read)?;
    note_gaps(reader, file?, &trace);
    counts(reader, fields, &cut, &trace, spread, duration)
}

/// What CloudWatch counted.
pub fn cloud_watch(reader: &mut Reader<'_>, fields: &mut Fields<'_>, duration: Span) -> Option<ArrivalProcess> {
    let node = fields.required(reader, "file");
    let file = node.and_then(|it| reader.text(What { field: "file", of: &fields.of }, it));
    let id = fields.text(reader, "id");
    let period = above_zero(reader, fields, "period");
    let cut = Cut::of(reader, fields, duration);
    let spread = spread_of_counts(reader, fields);
    let export = decoded(reader, node?, file?, "CloudWatch export", |bytes| cloud_watch::read(bytes, id, period))?;
    note_gaps(reader, file?, &export.trace);
    let shown = plain(file?);
    if export.longest_gap > Span::MINUTE * 60 {
        reader.note(format!("{shown}: there is no datapoint for {}", export.longest_gap));
    }
    if export.is_partial {
        reader.note(format!("{shown}: CloudWatch says that this is a part of the data"));
    }
    counts(reader, fields, &cut, &export.trace, spread, duration)
}

/// A path without the mark that some write before it.
fn plain(named: &str) -> &str {
    named.strip_prefix("file://").unwrap_or(named)
}

fn note_gaps(reader: &mut Reader<'_>, file: &str, trace: &Trace) {
    let shown = plain(file);
    if trace.missing > 0 {
        reader.note(format!(
            "{shown}: {} without a row {} as 0 requests",
            plural(trace.missing, "interval"),
            one_or_more(trace.missing, "counts", "count")
        ));
    }
    if trace.shared > 0 {
        reader.note(format!(
            "{shown}: {} an interval with the row before, and {} up",
            plural(trace.shared, "row") + one_or_more(trace.shared, " shares", " share"),
            one_or_more(trace.shared, "adds", "add")
        ));
    }
}

/// The window of a trace.
fn counts(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    cut: &Cut<'_>,
    trace: &Trace,
    spread: Spread,
    duration: Span,
) -> Option<ArrivalProcess> {
    let of = &fields.of;
    let from = cut.begin(reader, of, trace.begins)?;
    for (name, span) in [("from", Some(from)), ("for", cut.length)] {
        if let Some(span) = span.filter(|it| it.0 % trace.interval.0 != 0) {
            let message =
                format!("`{name}` of {of} is {span}, and the intervals of the trace are of {}", trace.interval);
            let problem = Problem::new(fields.place_of(name), message);
            reader.refuse(problem.help("a window begins and ends with an interval"));
            return None;
        }
    }
    let intervals = |span: Span| usize::try_from(span.0 / trace.interval.0).unwrap_or(usize::MAX);
    let (first, length) = (intervals(from), cut.length.map_or(usize::MAX, intervals));
    let window = trace.counts.iter().skip(first).take(length);
    let end = cut.start + trace.interval * window.len() as u64;
    if window.len() == 0 {
        refuse_window(reader, fields, from, trace.interval * trace.counts.len() as u64);
        return None;
    }
    note_end(reader, of, end, duration);
    let Spread::Counted(spacing) = spread else {
        let rate = |count: f64| count * cut.scale / trace.interval.as_seconds();
        let begins = (0..).map(|it| cut.start + trace.interval * it);
        let mut steps: Vec<(Span, f64)> = begins.zip(window).map(|(at, count)| (at, rate(*count))).collect();
        steps.push((end, 0.0));
        return Some(ArrivalProcess::Rate { curve: words::steps(&steps), spacing: Spacing::Poisson });
    };
    let counts = trace.window(first, length, cut.scale);
    Some(ArrivalProcess::Counts { start: Instant::START + cut.start, interval: trace.interval, counts, spacing })
}

pub(super) fn refuse_window(reader: &mut Reader<'_>, fields: &Fields<'_>, from: Span, all: Span) {
    let message = format!("{} begins at {from}, and its file ends after {all}", fields.of);
    reader.refuse(Problem::new(fields.place_of("from"), message));
}

pub(super) fn note_end(reader: &mut Reader<'_>, of: &str, end: Span, duration: Span) {
    if end < duration {
        reader.note(format!("{of} ends after {end} of {duration}; nothing of it comes after that"));
    }
}

/// What a file holds, or a refusal that points at the bad line and at the place that names the file.
pub(super) fn decoded<T>(
    reader: &mut Reader<'_>,
    node: &Node,
    named: &str,
    kind: &str,
    read: impl FnOnce(&[u8]) -> Result<T, BadTrace>,
) -> Option<T> {
    let path = beside(reader, node, named);
    let index = match files::bytes(reader, &path) {
        Ok(index) => index,
        Err(why) => {
            reader.refuse(Problem::new(node.place, format!("cannot read `{}`: {why}", path.display())));
            return None;
        }
    };
    match read(&reader.inputs[index].1) {
        Ok(decoded) => Some(decoded),
        Err(bad) => {
            refuse_file(reader, node, &path, index, kind, bad);
            None
        }
    }
}

/// The path that a file names, relative to that file.
fn beside(reader: &Reader<'_>, node: &Node, named: &str) -> PathBuf {
    files::relative_to(&reader.files[node.place.file].path, plain(named))
}

fn refuse_file(reader: &mut Reader<'_>, node: &Node, path: &Path, index: usize, kind: &str, bad: BadTrace) {
    let shown = path.display();
    let Some(line) = bad.line else {
        reader.refuse(Problem::new(node.place, format!("`{shown}` is no {kind}: {}", bad.message)));
        return;
    };
    let text = String::from_utf8_lossy(&reader.inputs[index].1).into_owned();
    let lines_before = usize::try_from(line).unwrap_or(1).saturating_sub(1);
    let start = text.split_inclusive('\n').take(lines_before).map(str::len).sum::<usize>();
    let end = start + text[start..].lines().next().map_or(0, str::len);
    let file = match reader.files.iter().position(|it| it.path == path) {
        Some(file) => file,
        None => {
            reader.files.push(SourceFile { path: path.to_owned(), text: text.into() });
            reader.files.len() - 1
        }
    };
    let message = format!("line {line} of `{shown}` is no {kind}: {}", bad.message);
    reader.refuse(Problem::new(Place { file, start, end }, message).related(node.place, "named here"));
}

/// Access logs of a load balancer, each request at its own instant.
pub fn access_log(reader: &mut Reader<'_>, fields: &mut Fields<'_>, duration: Span) -> Option<ArrivalProcess> {
    let node = fields.required(reader, "path");
    let cut = Cut::of(reader, fields, duration);
    let spread = fields.word_or(reader, "spread", SPREADS, Spread::Exact);
    fields.usual(reader, "interval", &Span::SECOND);
    let interval = above_zero(reader, fields, "interval").unwrap_or(Span::SECOND);
    let arrivals = logged(reader, fields, node?)?;
    let (first, last) = (*arrivals.first()?, *arrivals.last()?);
    let since = |time: i64| Span(time.abs_diff(first));
    if spread != Spread::Exact {
        let mut trace = Trace { interval, begins: Some(i128::from(first)), counts: Vec::new(), missing: 0, shared: 0 };
        let intervals = since(last).0 / interval.0 + 1;
        if intervals > trace::INTERVALS_MAXIMUM {
            let message = format!("the log of {} spans {intervals} intervals of {interval}", fields.of);
            reader.refuse(Problem::new(fields.place_of("interval"), message).help("longer ones are fewer"));
            return None;
        }
        trace.counts.resize(intervals as usize, 0.0);
        arrivals.iter().for_each(|it| trace.counts[(since(*it).0 / interval.0) as usize] += 1.0);
        return counts(reader, fields, &cut, &trace, spread, duration);
    }
    let from = cut.begin(reader, &fields.of, Some(i128::from(first)))?;
    let until = cut.length.map_or(Span(u64::MAX), |it| from + it);
    let window = arrivals.iter().map(|it| since(*it)).filter(|it| (from..until).contains(it));
    let times: Vec<u64> = window.map(|it| (cut.start + (it - from)).0).collect();
    let Some(end) = times.last().map(|it| Span(*it)) else {
        if from > since(last) {
            refuse_window(reader, fields, from, since(last));
        } else {
            let message = format!("no request came in the window of {}", fields.of);
            reader.refuse(Problem::new(fields.place_of("from"), message));
        }
        return None;
    };
    note_end(reader, &fields.of, cut.length.map_or(end, |it| cut.start + it), duration);
    Some(ArrivalProcess::Instants { times: times.into(), scale: cut.scale })
}

/// When the requests of all these files came, in order of time; never none.
fn logged(reader: &mut Reader<'_>, fields: &Fields<'_>, node: &Node) -> Option<Vec<i64>> {
    let what = What { field: "path", of: &fields.of };
    let named: Vec<&Node> = match &node.value {
        Value::List(_) => reader.list(what, node).iter().collect(),
        _ => vec![node],
    };
    if named.is_empty() {
        reader.refuse(Problem::new(node.place, format!("{what} names no file")));
        return None;
    }
    let mut files = Vec::new();
    // All are read before any is given up, so that everything wrong is told at once.
    let mut is_whole = true;
    for node in named {
        let Some(text) = reader.text(what, node) else {
            is_whole = false;
            continue;
        };
        let path = beside(reader, node, text);
        match log_files(reader, &path) {
            Ok(found) => {
                for (path, index) in found {
                    is_whole &= is_log(reader, node, &path, index);
                    // A file that is named twice, as by its folder too, counts once.
                    if !files.iter().any(|it: &(PathBuf, usize)| it.1 == index) {
                        files.push((path, index));
                    }
                }
            }
            Err(why) => {
                reader.refuse(Problem::new(node.place, format!("cannot read `{}`: {why}", path.display())));
                is_whole = false;
            }
        }
    }
    if !is_whole {
        return None;
    }
    let mut arrivals = Vec::new();
    files.iter().for_each(|(_, index)| arrivals.extend(&reader.access_logs[index].arrivals));
    arrivals.sort_unstable();
    note_bad_lines(reader, &files, arrivals.len());
    Some(arrivals)
}

/// A file, or the logs in a folder and in those below it; with their numbers among the inputs.
fn log_files(reader: &mut Reader<'_>, path: &Path) -> Result<Vec<(PathBuf, usize)>, String> {
    let mut inside = match files::opened(reader, path)? {
        Opened::File(index) => return Ok(vec![(path.to_owned(), index)]),
        Opened::Folder(files) => files,
    };
    inside.retain(|it| it.extension().is_some_and(|it| it == "log" || it == "gz"));
    if inside.is_empty() {
        return Err("the folder has no logs in it (*.log, *.gz)".to_owned());
    }
    inside.sort();
    let opened = inside.into_iter().map(|it| match files::bytes(reader, &it) {
        Ok(index) => Ok((it, index)),
        Err(why) => Err(format!("{}: {why}", it.display())),
    });
    opened.collect()
}

/// Whether a file is a log; it is refused otherwise.
fn is_log(reader: &mut Reader<'_>, node: &Node, path: &Path, index: usize) -> bool {
    let shown = path.display();
    if !reader.access_logs.contains_key(&index) {
        match access_log::read(&reader.inputs[index].1) {
            Ok(log) => drop(reader.access_logs.insert(index, log)),
            Err(error) => {
                let message = format!("`{shown}` is no access log: it is damaged: {error}");
                reader.refuse(Problem::new(node.place, message));
                return false;
            }
        }
    }
    let log = &reader.access_logs[&index];
    if !log.arrivals.is_empty() {
        return true;
    }
    let why = match log.bad.first() {
        Some(bad) => format!("line {}: {}", bad.line, bad.why),
        None => "it has no lines".to_owned(),
    };
    let problem = Problem::new(node.place, format!("`{shown}` is no access log: {why}"));
    reader.refuse(problem.help(
        "files are read as an Application Load Balancer stores them, compressed or not; counts in a CSV are a `trace`",
    ));
    false
}

/// Tells how many lines were left out, and the first of them.
fn note_bad_lines(reader: &mut Reader<'_>, files: &[(PathBuf, usize)], good_count: usize) {
    const SHOWN: usize = 3;
    let logs = || files.iter().map(|(path, index)| (path, &reader.access_logs[index]));
    let bad_count: u64 = logs().map(|(_, log)| log.bad_count).sum();
    let lines = logs().flat_map(|(path, log)| {
        log.bad.iter().map(move |it| format!("{}, line {} ({})", path.display(), it.line, it.why))
    });
    let lines: Vec<String> = lines.take(SHOWN).collect();
    if bad_count > 0 {
        let more = if bad_count > lines.len() as u64 { "; and others" } else { "" };
        reader.note(format!(
            "{bad_count} of {} lines are none of an access log and are left out: {}{more}",
            bad_count + good_count as u64,
            lines.join("; ")
        ));
    }
}
