//! Typed values out of the tree. Nothing here stops at the first mistake: what is wrong is collected, and reading goes
//! on with what can be read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use crate::distribution::Distribution;
use crate::scenario::aws_fields::Shape;
use crate::scenario::problem::{Place, Problem, SourceFile, nearest};
use crate::scenario::quantity;
use crate::scenario::record::{AskedField, Kind, Record, Usual, Written};
use crate::scenario::schema::homes_of;
use crate::scenario::tree::{Entry, Node, Value, is_same_field};
use crate::spelling::is_slip;
use crate::table::Id;
use crate::units::Span;
use crate::workload::access_log::AccessLog;

/// What the whole is called.
pub const SCENARIO: &str = "the scenario";

/// How the caller opens a file. Of a folder it may fail with a [`Folder`].
pub type Open<'o> = &'o mut dyn FnMut(&Path) -> io::Result<Vec<u8>>;

/// The error of opening a folder, by which the reader learns what is in it: all files, those in folders below included.
#[derive(Debug)]
pub struct Folder(pub Vec<PathBuf>);

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it is a folder")
    }
}

impl std::error::Error for Folder {}

/// What has been read, and what was noticed on the way.
pub struct Reader<'o> {
    /// Opens files; this room touches none itself.
    pub open: Open<'o>,
    /// Files as bytes, the scenario first.
    pub inputs: Vec<(PathBuf, Vec<u8>)>,
    /// Access logs among them, by their numbers: variants read them again, and they can be long.
    pub access_logs: BTreeMap<usize, AccessLog>,
    /// Files as text, as places count them.
    pub files: Vec<SourceFile>,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// What is known to AWS, would change the result and is not simulated.
    pub unsupported: Vec<Problem>,
    /// Remarks, each once with the variants that it came up in, none where it is of the whole file, in the order in which they did.
    pub notes: Vec<(String, Vec<String>)>,
    /// Fields accepted without effect, by the shape they belong to.
    pub accepted: BTreeMap<&'static str, BTreeSet<String>>,
    /// The variant that is being read, where it is not the base.
    pub variant: Option<String>,
    /// All that were begun to be read, the base among them.
    pub variants: Vec<String>,
    /// Sections in files that could not be read: what they define is not known.
    pub unread_sections: BTreeSet<&'static str>,
    /// Whether the file has variants.
    pub has_variants: bool,
    /// The fields that variants change, wherever they stand.
    pub varied_fields: BTreeSet<String>,
    /// What is asked of the tree, where someone wants to know.
    pub record: Option<Record>,
    /// Whether a field that stands where it does not belong is told where it does.
    pub says_where_fields_belong: bool,
    /// What was said already, since every variant says again what is wrong with all.
    seen: BTreeSet<(Option<Place>, String)>,
}

/// Places where a field belongs that are named to those who have it elsewhere; a field of more is of no place in particular.
const HOMES_NAMED_MAXIMUM: usize = 4;

/// What the file without any patch is called among its variants.
pub const BASE: &str = "base";

/// A field and what it belongs to, for messages.
#[derive(Clone, Copy)]
pub struct What<'a> {
    /// The field.
    pub field: &'a str,
    /// Its owner, in words: "service `web`".
    pub of: &'a str,
}

impl fmt::Display for What<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` of {}", self.field, self.of)
    }
}

/// Names that can be referred to.
pub struct Names<T> {
    /// What they name, in words: "target group".
    pub kind: &'static str,
    /// The section that defines them.
    pub section: &'static str,
    /// The names, each with its key unless its definition was refused.
    pub known: Vec<(String, Option<Id<T>>)>,
}

impl<T> Names<T> {
    /// No names yet.
    pub fn new(kind: &'static str, section: &'static str) -> Names<T> {
        Names { kind, section, known: Vec::new() }
    }

    /// Adds a name; without a key where its definition was refused, so that no one complains twice.
    pub fn add(&mut self, name: &str, id: Option<Id<T>>) {
        self.known.push((name.to_owned(), id));
    }

    /// The names alone.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.known.iter().map(|(name, _)| name.as_str())
    }
}

/// The name at the end of an ARN or of a path such as `service/cluster/web`; any other text is itself the name.
pub fn last_name(text: &str) -> &str {
    let segments: Vec<&str> = text.split('/').collect();
    let after = |marker: &str, skip: usize| {
        segments.iter().position(|it| it.rsplit(':').next() == Some(marker)).and_then(|at| segments.get(at + 1 + skip))
    };
    // Target groups and load balancers end in an id, behind the name.
    if let Some(name) = after("targetgroup", 0) {
        return name;
    }
    if let Some(name) = after("loadbalancer", 1) {
        return name;
    }
    match segments.as_slice() {
        ["app" | "net", name, _id] => name,
        _ => segments.last().copied().unwrap_or(text),
    }
}

/// `one, two and three` would be nicer, but a list in code marks is easier to copy from.
pub fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 20;
    let names: Vec<&str> = names.into_iter().collect();
    let mut text = names.iter().take(SHOWN).map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}

impl<'o> Reader<'o> {
    /// A reader that has read nothing yet.
    pub fn new(open: Open<'o>) -> Reader<'o> {
        Reader {
            open,
            inputs: Vec::new(),
            access_logs: BTreeMap::new(),
            files: Vec::new(),
            problems: Vec::new(),
            unsupported: Vec::new(),
            notes: Vec::new(),
            accepted: BTreeMap::new(),
            variant: None,
            variants: Vec::new(),
            unread_sections: BTreeSet::new(),
            has_variants: false,
            varied_fields: BTreeSet::new(),
            record: None,
            says_where_fields_belong: true,
            seen: BTreeSet::new(),
        }
    }

    /// Records what is wrong.
    pub fn refuse(&mut self, mut problem: Problem) {
        if self.seen.insert((problem.at, problem.message.clone())) {
            if let Some(variant) = &self.variant {
                problem = problem.help(format!("this concerns the variant `{variant}`"));
            }
            self.problems.push(problem);
        }
    }

    /// Records that something which would change the result is not simulated; `what` names it.
    pub fn not_simulated(&mut self, at: Place, what: impl fmt::Display) {
        self.unsupported.push(Problem::new(at, format!("{what} is not simulated yet")));
    }

    /// Records what AWS refuses although published files have it: they can be read, and not run.
    pub fn not_runnable(&mut self, problem: Problem) {
        self.unsupported.push(problem);
    }

    /// Records a remark, once for all variants that it concerns.
    pub fn note(&mut self, note: impl Into<String>) {
        // What is found before any variant is read is wrong with the file.
        if self.variants.is_empty() {
            return self.note_of_file(note);
        }
        let note = note.into();
        let variant = self.variant.as_deref().unwrap_or(BASE);
        match self.notes.iter_mut().find(|it| it.0 == note) {
            Some((_, of)) if of.is_empty() || of.iter().any(|it| it == variant) => {}
            Some((_, of)) => of.push(variant.to_owned()),
            None => self.notes.push((note, vec![variant.to_owned()])),
        }
    }

    /// Records a remark on the file as a whole.
    fn note_of_file(&mut self, note: impl Into<String>) {
        let note = note.into();
        if self.notes.iter().all(|it| it.0 != note) {
            self.notes.push((note, Vec::new()));
        }
    }

    /// The remarks, with the names of the variants before those that do not concern all of `variants`.
    pub fn remarks(&self, variants: &[&str]) -> Vec<String> {
        let is_of_all = |of: &[String]| of.is_empty() || variants.iter().all(|it| of.iter().any(|of| of == it));
        let remark = |(note, of): &(String, Vec<String>)| match is_of_all(of) {
            true => note.clone(),
            false => format!("{}: {note}", of.join(", ")),
        };
        self.notes.iter().map(remark).collect()
    }

    fn expected<T>(&mut self, what: What<'_>, node: &Node, expected: impl fmt::Display) -> Option<T> {
        if node.value != Value::Unread {
            let problem = Problem::new(node.place, format!("{what} must be {expected}"));
            self.refuse(problem.label(found(node)));
        }
        None
    }

    fn reads(&mut self, node: &Node, kind: impl FnOnce() -> Kind) {
        if let Some(record) = &mut self.record {
            record.is_read_as(node, kind());
        }
    }

    /// A map to be read field by field; `of` says in words what it is.
    pub fn fields<'n>(&mut self, node: &'n Node, of: impl Into<String>) -> Option<Fields<'n>> {
        let of = of.into();
        match &node.value {
            Value::Map(entries) => Some(self.begin(node, of, entries)),
            Value::Null => Some(self.begin(node, of, &[])),
            Value::Unread => None,
            _ => {
                let problem = Problem::new(node.place, format!("{of} must be a map of fields"));
                self.refuse(problem.label(format!("found {}", node.kind())));
                None
            }
        }
    }

    fn begin<'n>(&mut self, node: &'n Node, of: String, entries: &'n [Entry]) -> Fields<'n> {
        let number = self.record.as_mut().map(|it| it.begins(Some(node)));
        Fields { of, place: node.place, entries, taken: vec![false; entries.len()], asked: Vec::new(), number }
    }

    /// The one entry of a map that may have one of these, which together are called `kind`.
    pub fn one_of<'n>(
        &mut self,
        what: What<'_>,
        node: &'n Node,
        (kind, words): (&'static str, &[&'static str]),
        expected: &str,
    ) -> Option<&'n Entry> {
        if let Some(record) = &mut self.record {
            record.is_read_as(node, Kind::OneOf(kind));
            let number = record.begins(Some(node));
            let asked = |&name| AskedField { name, is_required: false, usual: None };
            record.ends(number, words.iter().map(asked).collect(), &Shape::OURS);
        }
        let entry = match &node.value {
            Value::Map(entries) if entries.len() == 1 => &entries[0],
            _ => return self.expected(what, node, expected),
        };
        if words.contains(&entry.key.as_str()) {
            return Some(entry);
        }
        let mut problem = Problem::new(entry.key_place, format!("{what} cannot be `{}`", entry.key));
        if let Some(near) = nearest(&entry.key, words.iter().copied()) {
            problem = problem.label(format!("did you mean `{near}`?"));
        }
        self.refuse(problem.help(format!("it can be {}", listed(words.iter().copied()))));
        None
    }

    /// The items of a list.
    pub fn list<'n>(&mut self, what: What<'_>, node: &'n Node) -> &'n [Node] {
        self.reads(node, || Kind::List);
        match &node.value {
            Value::List(items) => items,
            Value::Null => &[],
            _ => self.expected(what, node, "a list").unwrap_or(&[]),
        }
    }

    /// The entries of a map keyed by name.
    pub fn entries<'n>(&mut self, what: What<'_>, node: &'n Node) -> &'n [Entry] {
        self.reads(node, || Kind::Named);
        match &node.value {
            Value::Map(entries) => entries,
            Value::Null => &[],
            _ => self.expected(what, node, "a map").unwrap_or(&[]),
        }
    }

    /// A text that is not empty.
    pub fn text<'n>(&mut self, what: What<'_>, node: &'n Node) -> Option<&'n str> {
        self.reads(node, || Kind::Text);
        match node.text() {
            Some(text) if !text.trim().is_empty() => Some(text),
            _ => self.expected(what, node, "a text"),
        }
    }

    /// A boolean: `true` or `false`, without quotes.
    pub fn flag(&mut self, what: What<'_>, node: &Node) -> Option<bool> {
        self.reads(node, || Kind::Flag);
        match &node.value {
            Value::Scalar { text, is_quoted: false } if matches!(text.as_str(), "true" | "True" | "TRUE") => Some(true),
            Value::Scalar { text, is_quoted: false } if matches!(text.as_str(), "false" | "False" | "FALSE") => {
                Some(false)
            }
            _ => self.expected(what, node, "`true` or `false`, without quotes"),
        }
    }

    /// A whole number within `range`, without quotes.
    pub fn whole(&mut self, what: What<'_>, node: &Node, range: RangeInclusive<u64>) -> Option<u64> {
        let (low, high) = range.clone().into_inner();
        self.reads(node, || Kind::Whole(low, high));
        let expected = if high >= u64::from(u32::MAX) {
            format!("a whole number of at least {low}")
        } else {
            format!("a whole number from {low} to {high}")
        };
        match &node.value {
            Value::Scalar { text, is_quoted: false } => match quantity::whole(text) {
                Some(number) if range.contains(&number) => Some(number),
                _ => self.expected(what, node, expected),
            },
            _ => self.expected(what, node, expected),
        }
    }

    /// A whole number within `range`, of at most 32 bits.
    pub fn count(&mut self, what: What<'_>, node: &Node, range: RangeInclusive<u32>) -> Option<u32> {
        let (low, high) = range.into_inner();
        let number = self.whole(what, node, u64::from(low)..=u64::from(high))?;
        u32::try_from(number).ok()
    }

    /// A finite number within `range`, without quotes.
    pub fn number(&mut self, what: What<'_>, node: &Node, range: RangeInclusive<f64>) -> Option<f64> {
        let (low, high) = range.clone().into_inner();
        self.reads(node, || Kind::Number(low, high));
        let expected = match (low == f64::MIN, high == f64::MAX) {
            (true, true) => "a finite number".to_owned(),
            (false, true) => format!("a finite number of at least {low}"),
            _ => format!("a number from {low} to {high}"),
        };
        match &node.value {
            Value::Scalar { text, is_quoted: false } => match quantity::number(text) {
                Some(number) if range.contains(&number) => Some(number),
                _ => self.expected(what, node, expected),
            },
            _ => self.expected(what, node, expected),
        }
    }

    /// A value with a grammar of its own; `parse` says what is wrong with it.
    pub fn parsed<T>(
        &mut self,
        what: What<'_>,
        node: &Node,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.reads(node, || Kind::Parsed);
        let Some(text) = node.text().filter(|it| !it.contains("{{")) else {
            return self.expected(what, node, "a single value");
        };
        match parse(text) {
            Ok(value) => Some(value),
            Err(why) => {
                self.refuse(Problem::new(node.place, format!("{what}: {why}")));
                None
            }
        }
    }

    /// A length of time.
    pub fn span(&mut self, what: What<'_>, node: &Node) -> Option<Span> {
        self.reads(node, || Kind::Span);
        self.parsed(what, node, quantity::span)
    }

    /// A length of time above zero.
    pub fn span_above_zero(&mut self, what: What<'_>, node: &Node) -> Option<Span> {
        match self.span(what, node)? {
            Span::ZERO => self.expected(what, node, "longer than nothing"),
            span => Some(span),
        }
    }

    /// One of these words.
    pub fn word<T: Copy>(&mut self, what: What<'_>, node: &Node, words: &[(&str, T)]) -> Option<T> {
        self.reads(node, || Kind::Words(words.iter().map(|(word, _)| (*word).to_owned()).collect()));
        let text = self.text(what, node)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let mut problem = Problem::new(node.place, format!("{what} cannot be `{text}`"))
            .help(format!("it can be {}", listed(words.iter().map(|(word, _)| *word))));
        if let Some(name) = nearest(text, words.iter().map(|(word, _)| *word)) {
            problem = problem.label(format!("did you mean `{name}`?"));
        }
        self.refuse(problem);
        None
    }

    /// What a name or an ARN refers to.
    pub fn reference<T>(&mut self, what: What<'_>, node: &Node, names: &Names<T>) -> Option<Id<T>> {
        let text = self.text(what, node)?;
        self.named(what, node.place, last_name(text), names)
    }

    /// What a name refers to.
    pub fn named<T>(&mut self, what: What<'_>, at: Place, name: &str, names: &Names<T>) -> Option<Id<T>> {
        if let Some((_, id)) = names.known.iter().find(|(known, _)| known == name) {
            return *id;
        }
        if self.unread_sections.contains(names.section) {
            return None;
        }
        let kind = names.kind;
        let mut problem = Problem::new(at, format!("{what} names `{name}`, and no {kind} is called that"));
        if let Some(near) = nearest(name, names.iter()) {
            problem = problem.label(format!("did you mean `{near}`?"));
        }
        let help = if names.known.is_empty() {
            format!("this scenario defines no {kind}; the section `{}` would", names.section)
        } else {
            format!("`{}` defines {}", names.section, listed(names.iter()))
        };
        self.refuse(problem.help(help));
        None
    }

    /// A distribution: a plain length, or a map whose one key names the law.
    pub fn distribution(&mut self, what: What<'_>, node: &Node) -> Option<Distribution> {
        const LAWS: &[&str] =
            &["constant", "exponential", "logNormal", "gamma", "erlang", "pareto", "uniform", "empirical"];
        self.reads(node, || Kind::Distribution);
        if node.text().is_some() {
            return self.span(what, node).map(Distribution::Constant);
        }
        let expected = "a length of time, or one law such as `exponential: {mean: 20ms}`";
        let entry = self.one_of(what, node, ("law", LAWS), expected)?;
        let law = entry.key.as_str();
        if law == "constant" {
            return self.span(What { field: law, of: what.field }, &entry.node).map(Distribution::Constant);
        }
        let mut fields = self.fields(&entry.node, format!("`{law}` in {what}"))?;
        let law = self.law(law, &mut fields, entry);
        fields.finish(self, &Shape::OURS);
        law
    }

    fn law(&mut self, law: &str, fields: &mut Fields<'_>, entry: &Entry) -> Option<Distribution> {
        match law {
            "exponential" => Some(Distribution::Exponential { mean: fields.required_span(self, "mean")? }),
            "logNormal" if fields.has("median") => {
                let median = fields.required_span(self, "median")?;
                let p99 = fields.required_span(self, "p99")?;
                if median == Span::ZERO || p99 <= median {
                    self.refuse(
                        Problem::new(entry.node.place, format!("`p99` ({p99}) must be above `median` ({median})"))
                            .help("a log-normal law has most of its values near the median and a tail above it"),
                    );
                    return None;
                }
                Some(Distribution::log_normal_of(median, p99))
            }
            "logNormal" => {
                let mean = fields.required_span(self, "mean");
                let cv2 = fields.required_positive(self, "cv2");
                Some(Distribution::LogNormal { mean: mean?, cv2: cv2? })
            }
            "gamma" => {
                let mean = fields.required_span(self, "mean");
                let shape = fields.required_positive(self, "shape");
                Some(Distribution::Gamma { mean: mean?, shape: shape? })
            }
            "erlang" => {
                let mean = fields.required_span(self, "mean");
                let stages = fields.required_count(self, "stages", 1..=1_000);
                Some(Distribution::Gamma { mean: mean?, shape: f64::from(stages?) })
            }
            "pareto" => {
                let minimum = fields.required_span(self, "minimum");
                let shape = fields.required_positive(self, "shape");
                let maximum = fields.span(self, "maximum");
                let (minimum, shape) = (minimum?, shape?);
                if shape <= 1.0 {
                    let problem = Problem::new(entry.node.place, "`shape` of `pareto` must be above 1");
                    self.refuse(problem.help("with 1 or less the law has no mean"));
                }
                if maximum.is_some_and(|it| it < minimum) {
                    self.refuse(Problem::new(entry.node.place, "`maximum` is below `minimum`"));
                }
                Some(Distribution::Pareto { minimum, shape, maximum })
            }
            "uniform" => {
                let minimum = fields.required_span(self, "minimum");
                let maximum = fields.required_span(self, "maximum");
                let (minimum, maximum) = (minimum?, maximum?);
                if maximum < minimum {
                    self.refuse(
                        Problem::new(entry.node.place, format!("`maximum` ({maximum}) is below `minimum` ({minimum})"))
                            .help("swap the two"),
                    );
                }
                Some(Distribution::Uniform { minimum, maximum })
            }
            _ => self.empirical(fields, entry),
        }
    }

    fn empirical(&mut self, fields: &mut Fields<'_>, entry: &Entry) -> Option<Distribution> {
        let what = What { field: "values", of: "`empirical`" };
        let node = fields.required(self, "values")?;
        let values: Option<Vec<Span>> = self.list(what, node).iter().map(|it| self.span(what, it)).collect();
        let weights: Option<Vec<f64>> = fields.take("weights").map_or(Some(Vec::new()), |node| {
            let what = What { field: "weights", of: "`empirical`" };
            self.list(what, node).iter().map(|it| self.number(what, it, 0.0..=f64::MAX)).collect()
        });
        let (values, mut weights) = (values?, weights?);
        if weights.is_empty() {
            weights = vec![1.0; values.len()];
        }
        let total: f64 = weights.iter().sum();
        if values.is_empty() || weights.len() != values.len() || !total.is_finite() || total <= 0.0 {
            let message =
                format!("`empirical` has {} values and {} weights of sum {total}", values.len(), weights.len());
            let problem = Problem::new(entry.node.place, message);
            self.refuse(problem.help("give at least one value, and as many weights as values, not all of them zero"));
            return None;
        }
        let mut sum = 0.0;
        let mut cumulative: Vec<f64> = weights
            .iter()
            .map(|it| {
                sum += it;
                sum / total
            })
            .collect();
        // Rounding may leave the last one short of 1, which would leave draws without a value.
        if let Some(last) = cumulative.last_mut() {
            *last = 1.0;
        }
        Some(Distribution::Empirical { values, cumulative })
    }
}

/// What stands where something else was expected, where that is worth saying.
fn found(node: &Node) -> String {
    let Value::Scalar { text, is_quoted } = &node.value else { return format!("found {}", node.kind()) };
    if text.contains("{{") {
        // A template is filled in by another tool, which has not run.
        return "found a template that nothing has filled in".to_owned();
    }
    match (text.to_ascii_lowercase().as_str(), is_quoted) {
        ("", _) => "found an empty string".to_owned(),
        ("yes" | "on" | "y", _) => "write `true`".to_owned(),
        ("no" | "off" | "n", _) => "write `false`".to_owned(),
        (_, true) if quantity::number(text).is_some() => "found a string: leave out the quotes".to_owned(),
        (_, true) => "found a string".to_owned(),
        (digits, false) if digits.len() > 1 && digits.starts_with('0') && quantity::whole(&digits[1..]).is_some() => {
            "leave out the leading zero, which some take for octal".to_owned()
        }
        _ => String::new(),
    }
}

/// A map that is being read: which of its fields have been asked for.
pub struct Fields<'n> {
    /// What it is, in words: "service `web`".
    pub of: String,
    /// Where it stands.
    pub place: Place,
    entries: &'n [Entry],
    taken: Vec<bool>,
    asked: Vec<AskedField>,
    /// Its number in the record.
    number: Option<usize>,
}

impl<'n> Fields<'n> {
    /// The value of a field in either of AWS's cases; nothing where it is absent or null.
    pub fn take(&mut self, name: &'static str) -> Option<&'n Node> {
        self.take_entry(name).map(|it| &it.node)
    }

    /// As [`take`](Fields::take), with the key.
    pub fn take_entry(&mut self, name: &'static str) -> Option<&'n Entry> {
        self.asked.push(AskedField { name, is_required: false, usual: None });
        let index = self.entries.iter().position(|it| is_same_field(&it.key, name))?;
        self.taken[index] = true;
        Some(&self.entries[index]).filter(|it| it.node.value != Value::Null)
    }

    /// The value under a field's name or its other name.
    pub fn take_either(&mut self, name: &'static str, other: &'static str) -> Option<&'n Node> {
        let first = self.take(name);
        let second = self.take(other);
        first.or(second)
    }

    /// Whether a field is there.
    pub fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|it| is_same_field(&it.key, name) && it.node.value != Value::Null)
    }

    /// The value of a field, which whoever reads it still has to take.
    pub fn peek(&self, name: &str) -> Option<&'n Node> {
        self.entries.iter().find(|it| is_same_field(&it.key, name)).map(|it| &it.node)
    }

    /// Where a field's value stands, or where it would.
    pub fn place_of(&self, name: &str) -> Place {
        self.entries.iter().find(|it| is_same_field(&it.key, name)).map_or(self.place, |it| it.node.place)
    }

    /// Where a field's key stands, or where it would.
    pub fn place_of_key(&self, name: &str) -> Place {
        self.entries.iter().find(|it| is_same_field(&it.key, name)).map_or(self.place, |it| it.key_place)
    }

    /// The value of a field that has to be there.
    pub fn required(&mut self, reader: &mut Reader<'_>, name: &'static str) -> Option<&'n Node> {
        self.required_entry(reader, name).map(|it| &it.node)
    }

    fn required_entry(&mut self, reader: &mut Reader<'_>, name: &'static str) -> Option<&'n Entry> {
        let entry = self.take_entry(name);
        self.asked.push(AskedField { name, is_required: true, usual: None });
        if entry.is_none() {
            let place = self.place_of_key(name);
            reader.refuse(Problem::new(place, format!("{} lacks `{name}`", self.of)).label("add it here"));
        }
        entry
    }

    /// A text, where the field is there.
    pub fn text(&mut self, reader: &mut Reader<'_>, name: &'static str) -> Option<&'n str> {
        let entry = self.take_entry(name)?;
        reader.text(What { field: &entry.key, of: &self.of }, &entry.node)
    }

    /// A boolean, where the field is there.
    pub fn flag(&mut self, reader: &mut Reader<'_>, name: &'static str) -> Option<bool> {
        let entry = self.take_entry(name)?;
        reader.flag(What { field: &entry.key, of: &self.of }, &entry.node)
    }

    /// A whole number within `range`, where the field is there.
    pub fn count(&mut self, reader: &mut Reader<'_>, name: &'static str, range: RangeInclusive<u32>) -> Option<u32> {
        let entry = self.take_entry(name)?;
        reader.count(What { field: &entry.key, of: &self.of }, &entry.node, range)
    }

    /// A whole number within `range` that has to be there.
    pub fn required_count(
        &mut self,
        reader: &mut Reader<'_>,
        name: &'static str,
        range: RangeInclusive<u32>,
    ) -> Option<u32> {
        let entry = self.required_entry(reader, name)?;
        reader.count(What { field: &entry.key, of: &self.of }, &entry.node, range)
    }

    /// A whole number of seconds within `range`, where the field is there.
    pub fn seconds(&mut self, reader: &mut Reader<'_>, name: &'static str, range: RangeInclusive<u32>) -> Option<Span> {
        self.count(reader, name, range).map(|it| Span::seconds(u64::from(it)))
    }

    /// A finite number within `range`, where the field is there.
    pub fn number(&mut self, reader: &mut Reader<'_>, name: &'static str, range: RangeInclusive<f64>) -> Option<f64> {
        let entry = self.take_entry(name)?;
        reader.number(What { field: &entry.key, of: &self.of }, &entry.node, range)
    }

    /// A finite number above zero that has to be there.
    pub fn required_positive(&mut self, reader: &mut Reader<'_>, name: &'static str) -> Option<f64> {
        let entry = self.required_entry(reader, name)?;
        let what = What { field: &entry.key, of: &self.of };
        match reader.number(what, &entry.node, 0.0..=f64::MAX)? {
            0.0 => reader.expected(what, &entry.node, "above 0"),
            number => Some(number),
        }
    }

    /// A length of time, where the field is there.
    pub fn span(&mut self, reader: &mut Reader<'_>, name: &'static str) -> Option<Span> {
        let entry = self.take_entry(name)?;
        reader.span(What { field: &entry.key, of: &self.of }, &entry.node)
    }

    /// A length of time that has to be there.
    pub fn required_span(&mut self, reader: &mut Reader<'_>, name: &'static str) -> Option<Span> {
        let entry = self.required_entry(reader, name)?;
        reader.span(What { field: &entry.key, of: &self.of }, &entry.node)
    }

    /// A value with a grammar of its own, where the field is there.
    pub fn parsed<T>(
        &mut self,
        reader: &mut Reader<'_>,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let entry = self.take_entry(name)?;
        reader.parsed(What { field: &entry.key, of: &self.of }, &entry.node, parse)
    }

    /// One of these words, where the field is there.
    pub fn word<T: Copy>(&mut self, reader: &mut Reader<'_>, name: &'static str, words: &[(&str, T)]) -> Option<T> {
        let entry = self.take_entry(name)?;
        reader.word(What { field: &entry.key, of: &self.of }, &entry.node, words)
    }

    /// What a name refers to, where the field is there.
    pub fn reference<T>(&mut self, reader: &mut Reader<'_>, name: &'static str, names: &Names<T>) -> Option<Id<T>> {
        let entry = self.take_entry(name)?;
        reader.reference(What { field: &entry.key, of: &self.of }, &entry.node, names)
    }

    /// A distribution, where the field is there.
    pub fn distribution(&mut self, reader: &mut Reader<'_>, name: &'static str) -> Option<Distribution> {
        let entry = self.take_entry(name)?;
        reader.distribution(What { field: &entry.key, of: &self.of }, &entry.node)
    }

    /// The items of a list, none where the field is absent.
    pub fn list(&mut self, reader: &mut Reader<'_>, name: &'static str) -> &'n [Node] {
        match self.take_entry(name) {
            Some(entry) => reader.list(What { field: &entry.key, of: &self.of }, &entry.node),
            None => &[],
        }
    }

    /// The entries of a map, none where the field is absent.
    pub fn entries(&mut self, reader: &mut Reader<'_>, name: &'static str) -> &'n [Entry] {
        match self.take_entry(name) {
            Some(entry) => reader.entries(What { field: &entry.key, of: &self.of }, &entry.node),
            None => &[],
        }
    }

    /// Says what stands for a field where it is absent.
    pub fn usual<T: Written + ?Sized>(&mut self, reader: &Reader<'_>, name: &'static str, usual: &T) {
        if reader.record.is_some() {
            let usual = Some(Usual::Value(usual.written()));
            self.asked.push(AskedField { name, is_required: false, usual });
        }
    }

    /// As [`usual`](Fields::usual), where that follows from other fields: with variants, which may change those, it is
    /// better left unsaid.
    pub fn derived<T: Written + ?Sized>(&mut self, reader: &Reader<'_>, name: &'static str, usual: &T) {
        if !reader.has_variants {
            self.usual(reader, name, usual);
        }
    }

    /// As [`usual`](Fields::usual), where that follows from one other field: where variants change that, the rule is said
    /// instead.
    pub fn derived_from<T: Written + ?Sized>(
        &mut self,
        reader: &Reader<'_>,
        name: &'static str,
        usual: &T,
        (source, rule): (&str, &str),
    ) {
        if !reader.varied_fields.iter().any(|it| is_same_field(it, source)) {
            self.usual(reader, name, usual);
        } else if reader.record.is_some() {
            let usual = Some(Usual::Rule(rule.to_owned()));
            self.asked.push(AskedField { name, is_required: false, usual });
        }
    }

    /// A map to be read field by field, one that says nothing where the field is absent.
    pub fn map(&mut self, reader: &mut Reader<'_>, name: &'static str) -> Option<Fields<'n>> {
        let of = if self.of == SCENARIO { format!("`{name}`") } else { format!("`{name}` of {}", self.of) };
        if let Some(node) = self.take(name) {
            return reader.fields(node, of);
        }
        let number = reader.record.as_mut().map(|it| it.begins(None));
        let usual = number.map(Usual::Map);
        self.asked.push(AskedField { name, is_required: false, usual });
        Some(Fields { of, place: self.place, entries: &[], taken: Vec::new(), asked: Vec::new(), number })
    }

    /// A boolean, or what is usual.
    pub fn flag_or(&mut self, reader: &mut Reader<'_>, name: &'static str, usual: bool) -> bool {
        self.usual(reader, name, &usual);
        self.flag(reader, name).unwrap_or(usual)
    }

    /// A whole number within `range`, or what is usual.
    pub fn count_or(
        &mut self,
        reader: &mut Reader<'_>,
        name: &'static str,
        range: RangeInclusive<u32>,
        usual: u32,
    ) -> u32 {
        self.usual(reader, name, &usual);
        self.count(reader, name, range).unwrap_or(usual)
    }

    /// A whole number of seconds within `range`, or what is usual.
    pub fn seconds_or(
        &mut self,
        reader: &mut Reader<'_>,
        name: &'static str,
        range: RangeInclusive<u32>,
        usual: Span,
    ) -> Span {
        self.usual(reader, name, &usual.as_seconds());
        self.seconds(reader, name, range).unwrap_or(usual)
    }

    /// A finite number within `range`, or what is usual.
    pub fn number_or(
        &mut self,
        reader: &mut Reader<'_>,
        name: &'static str,
        range: RangeInclusive<f64>,
        usual: f64,
    ) -> f64 {
        self.usual(reader, name, &usual);
        self.number(reader, name, range).unwrap_or(usual)
    }

    /// A finite number above zero, or what is usual.
    pub fn positive_or(&mut self, reader: &mut Reader<'_>, name: &'static str, usual: f64) -> f64 {
        self.usual(reader, name, &usual);
        let Some(entry) = self.take_entry(name) else { return usual };
        let what = What { field: &entry.key, of: &self.of };
        match reader.number(what, &entry.node, 0.0..=f64::MAX) {
            Some(0.0) => reader.expected(what, &entry.node, "above 0").unwrap_or(usual),
            number => number.unwrap_or(usual),
        }
    }

    /// A length of time, or what is usual.
    pub fn span_or(&mut self, reader: &mut Reader<'_>, name: &'static str, usual: Span) -> Span {
        self.usual(reader, name, &usual);
        self.span(reader, name).unwrap_or(usual)
    }

    /// A distribution, or what is usual.
    pub fn distribution_or(
        &mut self,
        reader: &mut Reader<'_>,
        name: &'static str,
        usual: Distribution,
    ) -> Distribution {
        self.usual(reader, name, &usual);
        self.distribution(reader, name).unwrap_or(usual)
    }

    /// One of these words, or what is usual.
    pub fn word_or<T: Copy + PartialEq>(
        &mut self,
        reader: &mut Reader<'_>,
        name: &'static str,
        words: &[(&str, T)],
        usual: T,
    ) -> T {
        if let Some((word, _)) = words.iter().find(|(_, it)| *it == usual) {
            self.usual(reader, name, *word);
        }
        self.word(reader, name, words).unwrap_or(usual)
    }

    /// Fields that nobody asked for: accepted where AWS knows them, refused where nobody does.
    pub fn finish(self, reader: &mut Reader<'_>, shape: &'static Shape) {
        for (entry, _) in self.entries.iter().zip(&self.taken).filter(|(_, taken)| !**taken) {
            let is = |name: &&str| is_same_field(name, &entry.key);
            if self.asked.iter().any(|it| is(&it.name)) {
                let problem = Problem::new(entry.key_place, format!("`{}` of {} is given twice", entry.key, self.of));
                reader.refuse(problem.label("the second, in AWS's other case"));
            } else if let Some(name) = shape.not_simulated.iter().find(|it| is(it)) {
                if !is_off(&entry.node) {
                    reader.not_simulated(entry.key_place, What { field: name, of: &self.of });
                }
            } else if let Some(name) = shape.accepted.iter().find(|it| is(it)) {
                reader.accepted.entry(shape.name).or_default().insert((*name).to_owned());
            } else {
                let mut known: Vec<&str> = Vec::new();
                let taken = shape.not_simulated.iter().chain(shape.accepted).copied();
                for name in self.asked.iter().map(|it| it.name).chain(taken) {
                    if !known.contains(&name) {
                        known.push(name);
                    }
                }
                let mut problem = Problem::new(entry.key_place, format!("{} has no field `{}`", self.of, entry.key));
                let near = nearest(&entry.key, known.iter().copied());
                let homes = match reader.says_where_fields_belong && near.is_none_or(|it| !is_slip(&entry.key, it)) {
                    true => homes_of(&entry.key),
                    false => &[],
                };
                if (1..=HOMES_NAMED_MAXIMUM).contains(&homes.len()) {
                    let homes = listed(homes.iter().map(String::as_str));
                    let help = format!("`{}` is a field of {homes}", entry.key);
                    problem = problem.label("not a field here").help(help);
                    if near.is_none() {
                        problem = problem.help(format!("its fields are {}", listed(known)));
                    }
                } else if let Some(name) = near {
                    problem = problem.label(format!("did you mean `{name}`?"));
                } else {
                    problem = problem.label("not a field").help(format!("its fields are {}", listed(known)));
                }
                reader.refuse(problem);
            }
        }
        if let (Some(record), Some(number)) = (&mut reader.record, self.number) {
            record.ends(number, self.asked, shape);
        }
    }
}

/// Whether a value says that something is not wanted, as describe output does of everything that is not set.
fn is_off(node: &Node) -> bool {
    let says_no = |it: &Node| matches!(it.text(), Some("false" | "0" | "DISABLED"));
    node.is_blank() || says_no(node) || node.get("enabled").or(node.get("enable")).is_some_and(says_no)
}

#[cfg(test)]
mod tests {
    use super::last_name;

    #[test]
    fn arns_end_in_names() {
        for (text, name) in [
            ("web", "web"),
            ("web:3", "web:3"),
            ("arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/web/0123", "web"),
            ("app/lb/1/targetgroup/web/2", "web"),
            ("arn:aws:elasticloadbalancing:us-east-1:1:loadbalancer/app/front/0123", "front"),
            ("app/front/0123", "front"),
            ("arn:aws:ecs:us-west-2:1:task-definition/web:3", "web:3"),
            ("arn:aws:autoscaling:us-west-2:1:autoScalingGroup:uuid:autoScalingGroupName/x", "x"),
            ("service/cluster/web", "web"),
            ("arn:aws:ecs:us-west-2:1:service/web", "web"),
            ("arn:aws:ecs:us-west-2:1:capacity-provider/cp", "cp"),
        ] {
            assert_eq!(last_name(text), name, "{text}");
        }
    }
}
