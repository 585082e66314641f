//! Typed values out of the tree; whatever is wrong is noted, and reading goes on.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use jiff::Timestamp;

use crate::distribution::Distribution;
use crate::scenario::problem::{Problem, Problems, Source};
use crate::scenario::tree::{Key, Node, Place, Value, is_null, is_same_key};
use crate::units::Span;

/// What has been noticed so far.
#[derive(Default)]
pub struct Reader {
    /// The files that were read.
    pub sources: Vec<Source>,
    problems: Vec<Problem>,
    unsupported: Vec<Problem>,
    /// Known to AWS, accepted and without effect here.
    pub ignored: BTreeSet<String>,
}

/// The fields of a map, of which the ones that nobody asked for are wrong.
pub struct Fields<'n> {
    /// What it describes, for messages: `service web`.
    pub what: String,
    /// Where the map stands.
    pub place: Place,
    entries: &'n [(Key, Node)],
    asked: Vec<&'static str>,
}

impl Reader {
    /// Notes a problem, once.
    pub fn refuse(&mut self, problem: Problem) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// Notes something that AWS knows and that is not simulated yet, once.
    pub fn not_yet(&mut self, place: &Place, what: &str) {
        self.not_run(place, format!("{what} is not simulated yet"));
    }

    /// Notes something that is sound enough to be read, but not to be run, once.
    pub fn not_run(&mut self, place: &Place, message: String) {
        let problem = Problem::at(place.clone(), message)
            .help("`plimsoll check` accepts it; change it or take it out to run the scenario");
        if !self.unsupported.contains(&problem) {
            self.unsupported.push(problem);
        }
    }

    /// Whether a problem has been noted.
    pub fn has_problems(&self) -> bool {
        !self.problems.is_empty()
    }

    /// All problems, in order of their places.
    pub fn into_problems(mut self) -> (Problems, Problems) {
        self.problems.sort_by(|one, other| one.place.cmp(&other.place));
        self.unsupported.sort_by(|one, other| one.place.cmp(&other.place));
        (
            Problems { sources: self.sources.clone(), all: self.problems },
            Problems { sources: self.sources, all: self.unsupported },
        )
    }

    /// The fields of a map.
    pub fn fields<'n>(&mut self, node: &'n Node, what: impl Into<String>) -> Option<Fields<'n>> {
        let what = what.into();
        let Value::Map(entries) = &node.value else {
            self.refuse(
                Problem::at(node.place.clone(), format!("{what} is a map of fields")).expected("expected a map"),
            );
            return None;
        };
        for (place, (key, _)) in entries.iter().enumerate() {
            if entries[..place].iter().any(|(other, _)| is_same_key(&other.text, &key.text)) {
                self.refuse(
                    Problem::at(key.place.clone(), format!("{what}: `{}` stands twice, in AWS's two cases", key.text))
                        .expected("each field once"),
                );
            }
        }
        Some(Fields { what, place: node.place.clone(), entries, asked: Vec::new() })
    }

    /// The entries of a map by name; none for null.
    pub fn named<'n>(&mut self, node: Option<&'n Node>, what: &str) -> Vec<(&'n Key, &'n Node)> {
        match node.map(|node| (&node.value, node)) {
            None => Vec::new(),
            Some((_, node)) if is_null(node) => Vec::new(),
            Some((Value::Map(entries), _)) => entries.iter().map(|(key, node)| (key, node)).collect(),
            Some((_, node)) => {
                let problem = Problem::at(node.place.clone(), format!("{what} are a map keyed by name"));
                self.refuse(problem.expected("expected a map"));
                Vec::new()
            }
        }
    }

    /// The items of a list; none for null.
    pub fn list<'n>(&mut self, node: Option<&'n Node>, what: &str) -> Vec<&'n Node> {
        match node.map(|node| (&node.value, node)) {
            None => Vec::new(),
            Some((_, node)) if is_null(node) => Vec::new(),
            Some((Value::List(items), _)) => items.iter().collect(),
            Some((_, node)) => {
                self.refuse(Problem::at(node.place.clone(), format!("{what} is a list")).expected("expected a list"));
                Vec::new()
            }
        }
    }

    fn wrong<T>(&mut self, node: &Node, what: &str, expected: &str) -> Option<T> {
        let shown = match &node.value {
            Value::Scalar { text, is_quoted: true } => format!("\"{text}\""),
            Value::Scalar { text, .. } => text.clone(),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
        };
        let shown: String = shown.chars().take(60).collect();
        let problem = Problem::at(node.place.clone(), format!("{what}: {shown} is not {expected}"));
        self.refuse(problem.expected(format!("expected {expected}")));
        None
    }

    /// Any word, quoted or not.
    pub fn text(&mut self, node: &Node, what: &str) -> Option<String> {
        match &node.value {
            Value::Scalar { text, .. } if !is_null(node) => Some(text.clone()),
            _ => self.wrong(node, what, "a word"),
        }
    }

    /// One of a set of words, regardless of case where AWS's console and API disagree.
    pub fn one_of<T: Clone>(&mut self, node: &Node, what: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(node, what)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(&text)) {
            return Some(value.clone());
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let problem = Problem::at(node.place.clone(), format!("{what}: `{text}` is not known"))
            .expected(format!("expected one of {}", known.join(", ")));
        let problem = match nearest(&text, known.iter().copied()) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => problem,
        };
        self.refuse(problem);
        None
    }

    /// true or false, without quotes.
    pub fn boolean(&mut self, node: &Node, what: &str) -> Option<bool> {
        match &node.value {
            Value::Scalar { text, is_quoted: false } if text == "true" => Some(true),
            Value::Scalar { text, is_quoted: false } if text == "false" => Some(false),
            _ => self.wrong(node, what, "true or false"),
        }
    }

    /// A whole number within a range, without quotes.
    pub fn whole(&mut self, node: &Node, what: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let expected = match *range.end() {
            u64::MAX => format!("a whole number, at least {}", range.start()),
            end => format!("a whole number from {} to {end}", range.start()),
        };
        match &node.value {
            Value::Scalar { text, is_quoted: false } if text == "0" || !text.starts_with('0') => {
                match text.parse::<u64>() {
                    Ok(number) if range.contains(&number) => Some(number),
                    _ => self.wrong(node, what, &expected),
                }
            }
            _ => self.wrong(node, what, &expected),
        }
    }

    /// A whole number that fits in 32 bits.
    pub fn count(&mut self, node: &Node, what: &str, range: RangeInclusive<u32>) -> Option<u32> {
        let range = u64::from(*range.start())..=u64::from(*range.end());
        self.whole(node, what, range).and_then(|number| u32::try_from(number).ok())
    }

    /// A number within a range, without quotes.
    pub fn number(&mut self, node: &Node, what: &str, range: RangeInclusive<f64>) -> Option<f64> {
        let expected = match (*range.start(), *range.end()) {
            (start, end) if end == f64::INFINITY => format!("a number, at least {start}"),
            (start, end) if start == f64::NEG_INFINITY && end == f64::INFINITY => "a number".to_owned(),
            (start, end) => format!("a number from {start} to {end}"),
        };
        match &node.value {
            Value::Scalar { text, is_quoted: false } => match text.parse::<f64>() {
                Ok(number) if number.is_finite() && range.contains(&number) => Some(number),
                _ => self.wrong(node, what, &expected),
            },
            _ => self.wrong(node, what, &expected),
        }
    }

    /// Seconds as a plain number, as AWS's fields have them, or a length of time with its unit.
    pub fn seconds(&mut self, node: &Node, what: &str, range: RangeInclusive<u64>) -> Option<Span> {
        let Value::Scalar { text, .. } = &node.value else {
            return self.wrong(node, what, "a number of seconds");
        };
        let span = text.parse::<u64>().ok().map(Span::seconds).or_else(|| parse_span(text));
        let (least, most) = (Span::seconds(*range.start()), Span(range.end().saturating_mul(Span::SECOND.0)));
        match span {
            Some(span) if span >= least && span <= most => Some(span),
            _ => {
                let expected = match *range.end() {
                    u64::MAX => format!("a number of seconds, at least {}", range.start()),
                    end => format!("a number of seconds from {} to {end}", range.start()),
                };
                self.wrong(node, what, &expected)
            }
        }
    }

    /// A length of time with its unit.
    pub fn span(&mut self, node: &Node, what: &str) -> Option<Span> {
        match &node.value {
            Value::Scalar { text, .. } => match parse_span(text) {
                Some(span) => Some(span),
                None => self.wrong(node, what, "a length of time such as 250ms, 30s, 5m or 1h30m"),
            },
            _ => self.wrong(node, what, "a length of time such as 250ms, 30s, 5m or 1h30m"),
        }
    }

    /// Mebibytes, as a plain number or with a unit: `512`, `512MiB`, `2GiB`, `2 GB`.
    pub fn mebibytes(&mut self, node: &Node, what: &str) -> Option<f64> {
        let expected = "an amount of memory such as 512, 512MiB or 2GiB";
        let Value::Scalar { text, .. } = &node.value else { return self.wrong(node, what, expected) };
        let parsed = split_unit(text).and_then(|(number, unit)| match unit {
            "" | "MiB" | "MB" => Some(number),
            "GiB" | "GB" => Some(number * 1024.0),
            "KiB" | "KB" => Some(number / 1024.0),
            _ => None,
        });
        match parsed {
            Some(mebibytes) if mebibytes.is_finite() && mebibytes >= 0.0 => Some(mebibytes),
            _ => self.wrong(node, what, expected),
        }
    }

    /// Megabytes of an image, with a unit: `120MB`, `1.2GB`.
    pub fn megabytes(&mut self, node: &Node, what: &str) -> Option<f64> {
        let expected = "a size such as 120MB or 1.2GB";
        let Value::Scalar { text, .. } = &node.value else { return self.wrong(node, what, expected) };
        let parsed = split_unit(text).and_then(|(number, unit)| match unit {
            "kB" | "KB" => Some(number / 1e3),
            "MB" => Some(number),
            "MiB" => Some(number * 1.048_576),
            "GB" => Some(number * 1e3),
            "GiB" => Some(number * 1_073.741_824),
            _ => None,
        });
        match parsed {
            Some(megabytes) if megabytes.is_finite() && megabytes >= 0.0 => Some(megabytes),
            _ => self.wrong(node, what, expected),
        }
    }

    /// Requests a second: `100`, `100/s`, `6000/min`, `360000/h`.
    pub fn rate(&mut self, node: &Node, what: &str) -> Option<f64> {
        let expected = "a rate such as 100, 100/s, 6000/min or 360000/h, not negative";
        let Value::Scalar { text, .. } = &node.value else { return self.wrong(node, what, expected) };
        let (number, unit) = text.split_once('/').unwrap_or((text, "s"));
        let per = match unit.trim() {
            "s" | "sec" | "second" => 1.0,
            "m" | "min" | "minute" => 60.0,
            "h" | "hour" => 3600.0,
            _ => f64::NAN,
        };
        match number.trim().parse::<f64>().map(|number| number / per) {
            Ok(rate) if rate.is_finite() && rate >= 0.0 => Some(rate),
            _ => self.wrong(node, what, expected),
        }
    }

    /// A timestamp with its zone, as UTC seconds.
    pub fn timestamp(&mut self, node: &Node, what: &str) -> Option<i64> {
        let text = self.text(node, what)?;
        match text.parse::<Timestamp>() {
            Ok(timestamp) => Some(timestamp.as_second()),
            Err(_) => self.wrong(node, what, "a time with its zone such as 2026-11-27T05:00:00Z"),
        }
    }

    /// The law of a length of time: a plain length is constant, otherwise one key names the law.
    pub fn distribution(&mut self, node: &Node, what: &str) -> Option<Distribution> {
        if let Value::Scalar { .. } = node.value {
            return self.span(node, what).map(Distribution::Constant);
        }
        let expected = "a length of time, or one law: constant, exponential, logNormal, gamma, erlang, pareto, uniform or empirical";
        let Value::Map(entries) = &node.value else { return self.wrong(node, what, expected) };
        let [(law, parameters)] = entries.as_slice() else { return self.wrong(node, what, expected) };
        if law.text == "constant" {
            return self.span(parameters, what).map(Distribution::Constant);
        }
        let name = format!("{what}, {}", law.text);
        let above_zero = |it: f64| it > 0.0;
        match law.text.as_str() {
            "exponential" | "logNormal" | "gamma" | "erlang" | "pareto" | "uniform" => {}
            "empirical" => return self.empirical(parameters, &name),
            other => {
                let known =
                    ["constant", "exponential", "logNormal", "gamma", "erlang", "pareto", "uniform", "empirical"];
                let problem = Problem::at(law.place.clone(), format!("{what}: there is no law `{other}`"))
                    .expected(format!("expected one of {}", known.join(", ")));
                let problem = match nearest(other, known.into_iter()) {
                    Some(near) => problem.help(format!("did you mean `{near}`?")),
                    None => problem,
                };
                self.refuse(problem);
                return None;
            }
        }
        let mut fields = self.fields(parameters, name.clone())?;
        let law = match law.text.as_str() {
            "exponential" => fields.required(self, "mean", Reader::span).map(|mean| Distribution::Exponential { mean }),
            "logNormal" => {
                let mean = fields.required(self, "mean", Reader::span);
                let cv2 = fields.required(self, "cv2", |reader, node, what| {
                    reader.number(node, what, 0.0..=f64::INFINITY).filter(|&it| above_zero(it))
                });
                mean.zip(cv2).map(|(mean, cv2)| Distribution::LogNormal { mean, cv2 })
            }
            "gamma" => {
                let mean = fields.required(self, "mean", Reader::span);
                let shape = fields.required(self, "shape", |reader, node, what| reader.number(node, what, 0.01..=1e6));
                mean.zip(shape).map(|(mean, shape)| Distribution::Gamma { mean, shape })
            }
            "erlang" => {
                let mean = fields.required(self, "mean", Reader::span);
                let stages = fields.required(self, "stages", |reader, node, what| reader.count(node, what, 1..=1000));
                mean.zip(stages).map(|(mean, stages)| Distribution::Gamma { mean, shape: f64::from(stages) })
            }
            "pareto" => {
                let minimum = fields.required(self, "minimum", Reader::span);
                let shape = fields.required(self, "shape", |reader, node, what| reader.number(node, what, 1.001..=1e6));
                let maximum = fields.get(self, "maximum", Reader::span);
                minimum.zip(shape).map(|(minimum, shape)| Distribution::Pareto { minimum, shape, maximum })
            }
            _ => {
                let minimum = fields.required(self, "minimum", Reader::span);
                let maximum = fields.required(self, "maximum", Reader::span);
                minimum.zip(maximum).map(|(minimum, maximum)| Distribution::Uniform { minimum, maximum })
            }
        };
        fields.finish(self, &[]);
        if let Some(
            Distribution::Uniform { minimum, maximum } | Distribution::Pareto { minimum, maximum: Some(maximum), .. },
        ) = law
            && minimum > maximum
        {
            return self.wrong(parameters, &name, "a minimum that is at most the maximum");
        }
        law
    }

    fn empirical(&mut self, node: &Node, what: &str) -> Option<Distribution> {
        let mut fields = self.fields(node, what)?;
        let values = fields.take("values");
        let weights = fields.take("weights");
        fields.finish(self, &[]);
        let items = self.list(values, what);
        let values: Vec<Span> = items.iter().filter_map(|it| self.span(it, what)).collect();
        let weights: Vec<f64> = match weights {
            None => vec![1.0; values.len()],
            Some(weights) => self
                .list(Some(weights), what)
                .iter()
                .filter_map(|it| self.number(it, what, 0.0..=f64::INFINITY))
                .collect(),
        };
        let total: f64 = weights.iter().sum();
        if values.is_empty() || values.len() != weights.len() || total <= 0.0 {
            return self.wrong(node, what, "values, and as many weights that are not all 0");
        }
        let mut sum = 0.0;
        let mut cumulative: Vec<f64> = weights
            .iter()
            .map(|weight| {
                sum += weight;
                sum / total
            })
            .collect();
        *cumulative.last_mut().expect("there is a value") = 1.0;
        Some(Distribution::Empirical { values, cumulative })
    }

    /// The place in `names` of what a reference means, an ARN by its name.
    pub fn reference(&mut self, node: &Node, what: &str, kind: &str, names: &[String]) -> Option<usize> {
        let text = self.text(node, what)?;
        let wanted = name_of_arn(&text);
        if let Some(place) = names.iter().position(|it| it == wanted) {
            return Some(place);
        }
        let problem = Problem::at(node.place.clone(), format!("{what}: there is no {kind} `{wanted}`"));
        let problem = problem.expected(match names {
            [] => format!("no {kind} is defined"),
            names => format!("defined here: {}", names.join(", ")),
        });
        let problem = match nearest(wanted, names.iter().map(String::as_str)) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => problem,
        };
        self.refuse(problem);
        None
    }
}

impl<'n> Fields<'n> {
    /// A field's value as it stands, in AWS's either case.
    pub fn take(&mut self, name: &'static str) -> Option<&'n Node> {
        self.asked.push(name);
        let (_, node) = self.entries.iter().find(|(key, _)| is_same_key(&key.text, name))?;
        (!is_null(node)).then_some(node)
    }

    /// A field's value, read.
    pub fn get<T>(
        &mut self,
        reader: &mut Reader,
        name: &'static str,
        read: impl FnOnce(&mut Reader, &Node, &str) -> Option<T>,
    ) -> Option<T> {
        let node = self.take(name)?;
        let what = format!("{}, {name}", self.what);
        read(reader, node, &what)
    }

    /// A field that must be there.
    pub fn required<T>(
        &mut self,
        reader: &mut Reader,
        name: &'static str,
        read: impl FnOnce(&mut Reader, &Node, &str) -> Option<T>,
    ) -> Option<T> {
        if self.take(name).is_none() {
            let place = Place { end: self.place.start, ..self.place.clone() };
            let problem = Problem::at(place, format!("{}: `{name}` is missing", self.what));
            reader.refuse(problem.expected(format!("expected a field `{name}`")));
            return None;
        }
        self.get(reader, name, read)
    }

    /// Whether a field is there.
    pub fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|(key, node)| is_same_key(&key.text, name) && !is_null(node))
    }

    /// Refuses what nobody asked for, unless AWS knows it: that is accepted and listed.
    pub fn finish(self, reader: &mut Reader, known_to_aws: &[&'static str]) {
        for (key, _) in self.entries {
            if self.asked.iter().any(|name| is_same_key(&key.text, name)) {
                continue;
            }
            if known_to_aws.iter().any(|name| is_same_key(&key.text, name)) {
                let kind = self.what.split([' ', ',']).next().unwrap_or_default();
                reader.ignored.insert(format!("{} ({kind})", key.text));
                continue;
            }
            let known = || self.asked.iter().chain(known_to_aws).copied();
            let problem = Problem::at(key.place.clone(), format!("{}: there is no field `{}`", self.what, key.text))
                .expected("neither AWS nor this file format knows it");
            let problem = match nearest(&key.text, known()) {
                Some(near) => problem.help(format!("did you mean `{near}`?")),
                None => problem.help(format!("known here: {}", self.asked.join(", "))),
            };
            reader.refuse(problem);
        }
    }
}

/// The known name that is like a word, if one is.
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    known
        .map(|name| (strsim::jaro_winkler(&lower, &name.to_lowercase()), name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, name)| name)
}

/// The name that an ARN ends in, without what AWS appends; other text as it is.
pub fn name_of_arn(text: &str) -> &str {
    if !text.starts_with("arn:") {
        return text.strip_prefix("service/").and_then(|it| it.rsplit('/').next()).unwrap_or(text);
    }
    let rest = text.splitn(6, ':').nth(5).unwrap_or(text);
    for (prefix, part) in [("targetgroup/", 0), ("loadbalancer/app/", 0), ("loadbalancer/", 0)] {
        if let Some(rest) = rest.strip_prefix(prefix) {
            return rest.split('/').nth(part).unwrap_or(rest);
        }
    }
    rest.rsplit('/').next().unwrap_or(rest)
}

/// A length of time: numbers with units, the larger units first.
pub fn parse_span(text: &str) -> Option<Span> {
    let mut rest = text.trim();
    if rest == "0" {
        return Some(Span::ZERO);
    }
    let mut seconds = 0.0;
    let mut smallest = f64::INFINITY;
    while !rest.is_empty() {
        let digits = rest.find(|it: char| !it.is_ascii_digit() && it != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let after = &rest[digits..];
        let end = after.find(|it: char| it.is_ascii_digit()).unwrap_or(after.len());
        let unit = match after[..end].trim() {
            "ns" => 1e-9,
            "us" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        if unit >= smallest {
            return None;
        }
        smallest = unit;
        seconds += number * unit;
        rest = after[end..].trim_start();
    }
    // A hundred years: more is a slip.
    (smallest.is_finite() && seconds < 3.2e9).then(|| Span::from_seconds_f64(seconds))
}

fn split_unit(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let digits = text.find(|it: char| !it.is_ascii_digit() && it != '.').unwrap_or(text.len());
    Some((text[..digits].parse().ok()?, text[digits..].trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        for (text, nanos) in [
            ("250ms", Some(250_000_000)),
            ("1h30m", Some(5_400_000_000_000)),
            ("1.5s", Some(1_500_000_000)),
            ("2d", Some(172_800_000_000_000)),
            ("0", Some(0)),
            ("100us", Some(100_000)),
            ("30", None),
            ("30 parsecs", None),
            ("5s1m", None),
            ("-5s", None),
            ("", None),
        ] {
            assert_eq!(parse_span(text).map(|it| it.0), nanos, "{text}");
        }
    }

    #[test]
    fn names_of_arns() {
        for (arn, name) in [
            ("arn:aws:elasticloadbalancing:us-east-1:1111111111:targetgroup/test/12345678", "test"),
            ("arn:aws:ecs:us-west-2:123456789012:task-definition/sleep360:2", "sleep360:2"),
            ("arn:aws:autoscaling:us-west-2:1:autoScalingGroup:a1b2:autoScalingGroupName/MyGroup", "MyGroup"),
            ("arn:aws:ecs:us-west-2:123456789012:capacity-provider/Mine", "Mine"),
            ("service/default/web", "web"),
            ("web", "web"),
        ] {
            assert_eq!(name_of_arn(arn), name);
        }
    }
}
