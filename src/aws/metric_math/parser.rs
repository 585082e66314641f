//! Expressions of metric math as they are written.

use std::ops::Range;

use crate::aws::cluster_query::SyntaxError;
use crate::aws::metric_math::function::{FUNCTIONS, Function, LEFT_OUT};
use crate::aws::metric_math::{Kind, Node, Operator};
use crate::spelling::nearest;

pub(super) struct Parser<'t> {
    pub(super) text: &'t str,
    pub(super) at: usize,
    pub(super) queries: &'t [(&'t str, Kind)],
    pub(super) metrics: &'t [usize],
}

pub(super) type Parsed = Result<(Node, Kind), SyntaxError>;

/// Operators by how much they bind, from least; longer ones before those they begin with.
const OPERATORS: [&[(&str, Operator)]; 5] = [
    &[("||", Operator::Or), ("OR", Operator::Or)],
    &[("&&", Operator::And), ("AND", Operator::And)],
    &[
        ("==", Operator::Equal),
        ("!=", Operator::NotEqual),
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ],
    &[("+", Operator::Add), ("-", Operator::Subtract)],
    &[("*", Operator::Multiply), ("/", Operator::Divide)],
];

/// Brackets within brackets, at most.
const DEPTH_MAXIMUM: u32 = 100;

impl Parser<'_> {
    pub(super) fn error(&self, at: Range<usize>, message: impl Into<String>, nearest: Option<&str>) -> SyntaxError {
        SyntaxError { at, message: message.into(), nearest: nearest.map(str::to_owned), help: None }
    }

    pub(super) fn skip_space(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    fn takes(&mut self, mark: &str) -> bool {
        self.skip_space();
        let rest = &self.text[self.at..];
        let is_word = mark.starts_with(|it: char| it.is_ascii_alphabetic());
        let goes_on = |it: char| it.is_ascii_alphanumeric() || it == '_';
        let is_it = rest.starts_with(mark) && !(is_word && rest[mark.len()..].starts_with(goes_on));
        self.at += if is_it { mark.len() } else { 0 };
        is_it
    }

    fn must(&mut self, mark: &str, after: &str) -> Result<(), SyntaxError> {
        if self.takes(mark) {
            return Ok(());
        }
        let end = self.next_end();
        Err(self.error(self.at..end, format!("`{mark}` is missing {after}"), None))
    }

    /// The end of the character that is next.
    fn next_end(&self) -> usize {
        self.at + self.text[self.at..].chars().next().map_or(0, char::len_utf8)
    }

    pub(super) fn expression(&mut self, depth: u32) -> Parsed {
        if depth > DEPTH_MAXIMUM {
            return Err(self.error(self.at..self.at, "brackets lie too deep within each other", None));
        }
        self.level(0, depth)
    }

    fn level(&mut self, level: usize, depth: u32) -> Parsed {
        let Some(operators) = OPERATORS.get(level) else { return self.power(depth) };
        let begin = self.at;
        let mut left = self.level(level + 1, depth)?;
        while let Some((_, operator)) = operators.iter().find(|(mark, _)| self.takes(mark)) {
            let right = self.level(level + 1, depth)?;
            left = self.combined(*operator, left, right, begin..self.at)?;
        }
        Ok(left)
    }

    fn power(&mut self, depth: u32) -> Parsed {
        let begin = self.at;
        let base = self.sign(depth)?;
        if !self.takes("^") {
            return Ok(base);
        }
        let exponent = if depth > DEPTH_MAXIMUM { self.sign(depth)? } else { self.power(depth + 1)? };
        self.combined(Operator::Power, base, exponent, begin..self.at)
    }

    fn combined(&self, operator: Operator, left: (Node, Kind), right: (Node, Kind), at: Range<usize>) -> Parsed {
        let kind = match (left.1, right.1) {
            (Kind::Text, _) | (_, Kind::Text) => {
                return Err(self.error(at, "a text cannot be calculated with", None));
            }
            (Kind::Array, Kind::Array) => {
                return Err(self.error(at, "two arrays of time series cannot be combined", None));
            }
            (Kind::Array, _) | (_, Kind::Array) => Kind::Array,
            (Kind::Series, _) | (_, Kind::Series) => Kind::Series,
            (Kind::Scalar, Kind::Scalar) => Kind::Scalar,
        };
        Ok((Node::Binary(operator, Box::new(left.0), Box::new(right.0)), kind))
    }

    fn sign(&mut self, depth: u32) -> Parsed {
        let mut is_negative = false;
        loop {
            if self.takes("-") {
                is_negative = !is_negative;
            } else if !self.takes("+") {
                break;
            }
        }
        let begin = self.at;
        let (node, kind) = self.primary(depth)?;
        if is_negative && kind == Kind::Text {
            return Err(self.error(begin..self.at, "a text cannot be calculated with", None));
        }
        Ok((if is_negative { Node::Negate(Box::new(node)) } else { node }, kind))
    }

    fn primary(&mut self, depth: u32) -> Parsed {
        self.skip_space();
        let begin = self.at;
        if self.takes("(") {
            let inside = self.expression(depth + 1)?;
            self.must(")", "to end what `(` began")?;
            return Ok(inside);
        }
        if self.takes("[") {
            let mut series = Vec::new();
            for (node, kind, at) in self.list("]", depth)? {
                if kind != Kind::Series {
                    return Err(self.error(
                        at,
                        format!("an array has time series, and this is {}", kind.words()),
                        None,
                    ));
                }
                series.push(node);
            }
            return Ok((Node::Array(series), Kind::Array));
        }
        let rest = &self.text[self.at..];
        match rest.chars().next() {
            Some('"' | '\'') => {
                let quote = &rest[..1];
                let length = rest[1..].find(quote).ok_or_else(|| {
                    self.error(begin..self.text.len(), format!("{quote} ends this text nowhere"), None)
                })?;
                self.at += length + 2;
                Ok((Node::Text(rest[1..=length].to_owned()), Kind::Text))
            }
            Some(first) if first.is_ascii_digit() || first == '.' => self.number(),
            Some(first) if first.is_ascii_alphabetic() || first == '_' => {
                let is_part = |it: char| it.is_ascii_alphanumeric() || it == '_';
                let length = rest.find(|it| !is_part(it)).unwrap_or(rest.len());
                self.at += length;
                self.word(begin, &rest[..length], depth)
            }
            Some(first) => {
                let at = begin..begin + first.len_utf8();
                Err(self.error(at, format!("`{first}` is neither a number, nor an id, nor a function"), None))
            }
            None => Err(self.error(begin..begin, "the expression ends where a value should be", None)),
        }
    }

    fn number(&mut self) -> Parsed {
        let begin = self.at;
        let bytes = self.text.as_bytes();
        let mut end = begin;
        while end < bytes.len() {
            let is_exponent_sign = matches!(bytes[end], b'+' | b'-') && matches!(bytes[end - 1], b'e' | b'E');
            if !(bytes[end].is_ascii_alphanumeric() || bytes[end] == b'.' || (end > begin && is_exponent_sign)) {
                break;
            }
            end += 1;
        }
        self.at = end;
        let text = &self.text[begin..end];
        match text.parse::<f64>().ok().filter(|it| it.is_finite()) {
            Some(number) => Ok((Node::Number(number), Kind::Scalar)),
            None => Err(self.error(begin..end, format!("`{text}` is not a number"), None)),
        }
    }

    /// The items of a list up to its end mark, each with where it stands.
    fn list(&mut self, end: &str, depth: u32) -> Result<Vec<(Node, Kind, Range<usize>)>, SyntaxError> {
        let mut items = Vec::new();
        if self.takes(end) {
            return Ok(items);
        }
        loop {
            self.skip_space();
            let begin = self.at;
            let (node, kind) = self.expression(depth + 1)?;
            items.push((node, kind, begin..self.at));
            if self.takes(end) {
                return Ok(items);
            }
            self.must(",", &format!("between two values, or `{end}` behind the last"))?;
        }
    }

    fn word(&mut self, begin: usize, word: &str, depth: u32) -> Parsed {
        let at = begin..self.at;
        if !self.takes("(") {
            if word == "REPEAT" || word == "LINEAR" {
                return Ok((Node::Text(word.to_owned()), Kind::Text));
            }
            let known = self.queries.iter().position(|it| it.0 == word);
            return known.map(|it| (Node::Query(it), self.queries[it].1)).ok_or_else(|| {
                let ids = self.queries.iter().map(|it| it.0);
                let functions = FUNCTIONS.iter().map(|it| it.0).chain(["METRICS", "REPEAT", "LINEAR"]);
                let near = nearest(word, ids.clone()).or_else(|| nearest(word, functions));
                let mut error = self.error(at, format!("`{word}` is the id of no metric and of no expression"), near);
                let ids: Vec<String> = ids.map(|it| format!("`{it}`")).collect();
                error.help = Some(format!("the ids here are {}", ids.join(", ")));
                error
            });
        }
        let arguments = self.list(")", depth)?;
        let whole = begin..self.at;
        if word == "METRICS" {
            return match arguments.as_slice() {
                [] => Ok((Node::Metrics(self.metrics.to_vec()), Kind::Array)),
                [(Node::Text(part), ..)] => {
                    let has_it = |it: &&usize| self.queries[**it].0.contains(part.as_str());
                    let chosen: Vec<usize> = self.metrics.iter().filter(has_it).copied().collect();
                    if chosen.is_empty() {
                        return Err(self.error(whole, format!("no metric has `{part}` in its id"), None));
                    }
                    Ok((Node::Metrics(chosen), Kind::Array))
                }
                _ => Err(self.error(whole, "METRICS takes nothing, or a text in double quotes", None)),
            };
        }
        let Some((_, function)) = FUNCTIONS.iter().find(|it| it.0 == word) else {
            if LEFT_OUT.contains(&word) {
                return Err(self.error(at, format!("`{word}` is not simulated yet"), None));
            }
            let near = nearest(word, FUNCTIONS.iter().map(|it| it.0).chain(["METRICS"]));
            return Err(self.error(at, format!("there is no function `{word}`"), near));
        };
        let kinds: Vec<Kind> = arguments.iter().map(|it| it.1).collect();
        let kind =
            function.kind(&kinds).map_err(|takes| self.error(whole.clone(), format!("{word} takes {takes}"), None))?;
        if *function == Function::Fill
            && let Some((Node::Text(text), ..)) = arguments.get(1)
            && text != "REPEAT"
            && text != "LINEAR"
        {
            let near = nearest(text, ["REPEAT", "LINEAR"]);
            return Err(self.error(
                whole,
                format!("FILL fills with a number, REPEAT or LINEAR, not with `{text}`"),
                near,
            ));
        }
        Ok((Node::Call(*function, arguments.into_iter().map(|it| it.0).collect()), kind))
    }
}
