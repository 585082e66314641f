//! Metric math: expressions over metrics, as alarms and target tracking take them.
//!
//! Follows *Using math expressions with CloudWatch metrics* (CloudWatch User Guide, 2024 to 2026 copies). The grammar, from what
//! binds least to what binds most:
//!
//! ```text
//! expression = and { ("OR" | "||") and }
//! and        = comparison { ("AND" | "&&") comparison }
//! comparison = sum { ("==" | "!=" | "<" | "<=" | ">" | ">=") sum }
//! sum        = product { ("+" | "-") product }
//! product    = power { ("*" | "/") power }
//! power      = sign [ "^" power ]
//! sign       = { "-" | "+" } primary
//! primary    = NUMBER | TEXT | ID | FUNCTION "(" [ expression { "," expression } ] ")"
//!            | "[" expression { "," expression } "]" | "(" expression ")"
//! ```
//!
//! An ID begins with a small letter, a function is written in capitals. A value is a number (S), a time series (TS) or an array
//! of series (TS[]); an alarm's expression comes to one series. A result exists where every series it reads has a point, and
//! a division by zero gives none. Functions of several series (`SUM([m1, m2])`, `AVG(METRICS())`) take a missing point as 0
//! where another of them has one. Left out: `SEARCH`, `ANOMALY_DETECTION_BAND`, `INSIGHT_RULE_METRIC`, `LAMBDA`,
//! `DB_PERF_INSIGHTS` and `SERVICE_QUOTA`, which alarms that scale cannot use or which ask what is not simulated.

use std::ops::Range;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::aws::cluster_query::SyntaxError;
use crate::aws::metric::MetricStat;
use crate::spelling::nearest;

/// `Metrics` of an alarm or of a customized metric: metrics and expressions, one of which is returned.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricMath {
    /// Metrics and expressions.
    pub queries: Vec<MetricDataQuery>,
    /// The place of the one with `ReturnData`.
    pub returned: usize,
}

/// `MetricDataQuery`.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricDataQuery {
    /// `Id`
    pub id: String,
    /// `Label`, or what stands for it.
    pub label: String,
    /// What it comes to.
    pub source: QuerySource,
}

/// What a query comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum QuerySource {
    /// `MetricStat`
    Stat(MetricStat),
    /// `Expression`
    Expression(Expression),
}

/// An expression, understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    /// As it was written.
    pub text: String,
    node: Node,
}

/// What an expression comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// S, one number.
    Scalar,
    /// TS, a time series.
    Series,
    /// TS[], several.
    Array,
    /// A text, as `REPEAT` is.
    Text,
}

impl Kind {
    fn words(self) -> &'static str {
        match self {
            Kind::Scalar => "a number",
            Kind::Series => "a time series",
            Kind::Array => "an array of time series",
            Kind::Text => "a text",
        }
    }
}

/// Most metrics that an alarm's expression may read.
pub const METRICS_MAXIMUM: usize = 10;

/// The periods that a series has points of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Periods {
    /// Start of the first, a UTC second.
    pub first_unix_seconds: i64,
    /// Length of each, seconds.
    pub seconds: u64,
    /// How many there are.
    pub count: usize,
}

/// Points by period, oldest first; `None` where there is none.
pub type Points = Vec<Option<f64>>;

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Number(f64),
    Text(String),
    /// A query, by its place.
    Query(usize),
    /// `METRICS()`: all metrics, or those whose ids contain a text.
    Metrics(Vec<usize>),
    Array(Vec<Node>),
    Negate(Box<Node>),
    Binary(Operator, Box<Node>, Box<Node>),
    Call(Function, Vec<Node>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Abs,
    Avg,
    Ceil,
    DatapointCount,
    Date,
    Day,
    Diff,
    DiffTime,
    Epoch,
    Fill,
    First,
    Floor,
    Hour,
    If,
    Last,
    Log,
    Log10,
    Max,
    MetricCount,
    Min,
    Minute,
    Month,
    Period,
    Rate,
    RemoveEmpty,
    RunningSum,
    Slice,
    Sort,
    Stddev,
    Sum,
    TimeSeries,
    Year,
}

const FUNCTIONS: &[(&str, Function)] = &[
    ("ABS", Function::Abs),
    ("AVG", Function::Avg),
    ("CEIL", Function::Ceil),
    ("DATAPOINT_COUNT", Function::DatapointCount),
    ("DATE", Function::Date),
    ("DAY", Function::Day),
    ("DIFF", Function::Diff),
    ("DIFF_TIME", Function::DiffTime),
    ("EPOCH", Function::Epoch),
    ("FILL", Function::Fill),
    ("FIRST", Function::First),
    ("FLOOR", Function::Floor),
    ("HOUR", Function::Hour),
    ("IF", Function::If),
    ("LAST", Function::Last),
    ("LOG", Function::Log),
    ("LOG10", Function::Log10),
    ("MAX", Function::Max),
    ("METRIC_COUNT", Function::MetricCount),
    ("MIN", Function::Min),
    ("MINUTE", Function::Minute),
    ("MONTH", Function::Month),
    ("PERIOD", Function::Period),
    ("RATE", Function::Rate),
    ("REMOVE_EMPTY", Function::RemoveEmpty),
    ("RUNNING_SUM", Function::RunningSum),
    ("SLICE", Function::Slice),
    ("SORT", Function::Sort),
    ("STDDEV", Function::Stddev),
    ("SUM", Function::Sum),
    ("TIME_SERIES", Function::TimeSeries),
    ("YEAR", Function::Year),
];

const LEFT_OUT: &[&str] =
    &["ANOMALY_DETECTION_BAND", "DB_PERF_INSIGHTS", "INSIGHT_RULE_METRIC", "LAMBDA", "SEARCH", "SERVICE_QUOTA"];

impl MetricMath {
    /// The metric where it is one alone, without an expression.
    pub fn single(&self) -> Option<MetricStat> {
        match self.queries.as_slice() {
            [MetricDataQuery { source: QuerySource::Stat(stat), .. }] => Some(*stat),
            _ => None,
        }
    }

    /// The metrics that it reads.
    pub fn stats(&self) -> impl Iterator<Item = &MetricStat> {
        self.queries.iter().filter_map(|it| match &it.source {
            QuerySource::Stat(stat) => Some(stat),
            QuerySource::Expression(_) => None,
        })
    }

    /// How it is spoken of: the expression that is returned.
    pub fn label(&self) -> &str {
        &self.queries[self.returned].label
    }

    /// The points that it comes to; `read` has those of each metric.
    pub fn evaluate(&self, periods: Periods, read: &mut dyn FnMut(&MetricStat) -> Points) -> Points {
        let mut values: Vec<Option<Value>> = vec![None; self.queries.len()];
        let value = self.value_of(self.returned, periods, &mut values, read);
        value.into_series(periods.count).unwrap_or_default()
    }

    fn value_of(
        &self,
        query: usize,
        periods: Periods,
        values: &mut Vec<Option<Value>>,
        read: &mut dyn FnMut(&MetricStat) -> Points,
    ) -> Value {
        if let Some(value) = &values[query] {
            return value.clone();
        }
        let value = match &self.queries[query].source {
            QuerySource::Stat(stat) => Value::Series(read(stat)),
            QuerySource::Expression(expression) => {
                for it in expression.reads() {
                    self.value_of(it, periods, values, read);
                }
                let known = |it: usize| values[it].clone().unwrap_or(Value::Scalar(None));
                expression.node.value(periods, &known)
            }
        };
        values[query] = Some(value.clone());
        value
    }
}

impl Expression {
    /// Reads an expression over queries with these ids and kinds; those of other expressions are found out first.
    ///
    /// # Errors
    /// Says what is wrong at which characters.
    pub fn parse(text: &str, queries: &[(&str, Kind)], metrics: &[usize]) -> Result<Expression, SyntaxError> {
        let mut parser = Parser { text, at: 0, queries, metrics };
        let (node, _) = parser.expression(0)?;
        parser.skip_space();
        if parser.at < text.len() {
            let rest = parser.at..text.len();
            return Err(parser.error(rest, "here the expression should end", None));
        }
        Ok(Expression { text: text.to_owned(), node })
    }

    /// What it comes to.
    pub fn kind(&self, queries: &[(&str, Kind)]) -> Kind {
        self.node.kind(queries)
    }

    /// The queries that it reads, by their places, each once.
    pub fn reads(&self) -> Vec<usize> {
        let mut places = Vec::new();
        self.node.reads(&mut places);
        places.sort_unstable();
        places.dedup();
        places
    }
}

/// The ids that an expression may refer to, found without understanding it: so that expressions that read each other are
/// understood in their order.
pub fn names_in(text: &str) -> Vec<&str> {
    let is_part = |it: char| it.is_ascii_alphanumeric() || it == '_';
    let words = text.split(|it: char| !is_part(it));
    words.filter(|it| it.starts_with(|first: char| first.is_ascii_lowercase())).collect()
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    queries: &'t [(&'t str, Kind)],
    metrics: &'t [usize],
}

type Parsed = Result<(Node, Kind), SyntaxError>;

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
    fn error(&self, at: Range<usize>, message: impl Into<String>, nearest: Option<&str>) -> SyntaxError {
        SyntaxError { at, message: message.into(), nearest: nearest.map(str::to_owned), help: None }
    }

    fn skip_space(&mut self) {
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

    fn expression(&mut self, depth: u32) -> Parsed {
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

impl Function {
    /// What a call with such arguments comes to, or what the function takes.
    fn kind(self, arguments: &[Kind]) -> Result<Kind, &'static str> {
        use Kind::{Array, Scalar, Series, Text};
        match self {
            Function::Abs | Function::Ceil | Function::Floor | Function::Log | Function::Log10 => match arguments {
                [kind @ (Scalar | Series | Array)] => Ok(*kind),
                _ => Err("one number, time series or array"),
            },
            Function::Avg | Function::Max | Function::Min | Function::Stddev | Function::Sum => match arguments {
                [Series] => Ok(Scalar),
                [Array] => Ok(Series),
                _ => Err("one time series, or an array of them as in `[m1, m2]`"),
            },
            Function::DatapointCount => match arguments {
                [Series] => Ok(Scalar),
                [Array] => Ok(Series),
                _ => Err("one time series, or an array of them"),
            },
            Function::MetricCount => match arguments {
                [Array] => Ok(Scalar),
                _ => Err("an array of time series"),
            },
            Function::Diff | Function::DiffTime | Function::Rate | Function::RunningSum => match arguments {
                [kind @ (Series | Array)] => Ok(*kind),
                _ => Err("one time series, or an array of them"),
            },
            Function::Date
            | Function::Day
            | Function::Epoch
            | Function::Hour
            | Function::Minute
            | Function::Month
            | Function::Year => match arguments {
                [Series] => Ok(Series),
                _ => Err("one time series"),
            },
            Function::Period => match arguments {
                [Series] => Ok(Scalar),
                _ => Err("one time series"),
            },
            Function::Fill => match arguments {
                [kind @ (Series | Array), Scalar | Series | Text] => Ok(*kind),
                _ => Err("a time series or an array, and a number, a time series, REPEAT or LINEAR"),
            },
            Function::First | Function::Last => match arguments {
                [Array] => Ok(Series),
                _ => Err("an array of time series"),
            },
            Function::If => match arguments {
                [Scalar | Series, Scalar | Series] => Ok(Series),
                [Scalar, Scalar, Scalar] => Ok(Scalar),
                [Scalar | Series, Scalar | Series, Scalar | Series] => Ok(Series),
                _ => Err("a condition and one or two values, each a number or a time series"),
            },
            Function::RemoveEmpty => match arguments {
                [Array] => Ok(Array),
                _ => Err("an array of time series"),
            },
            Function::Slice => match arguments {
                [Array, Scalar] => Ok(Series),
                [Array, Scalar, Scalar] => Ok(Array),
                _ => Err("an array of time series and the places of its first and of the one behind its last"),
            },
            Function::Sort => match arguments {
                [Array, Text, Text] | [Array, Text, Text, Scalar] => Ok(Array),
                _ => Err(
                    "an array, one of \"AVG\", \"MIN\", \"MAX\" and \"SUM\", \"ASC\" or \"DESC\", and a number or nothing",
                ),
            },
            Function::TimeSeries => match arguments {
                [Scalar] => Ok(Series),
                _ => Err("one number"),
            },
        }
    }
}

impl Node {
    fn kind(&self, queries: &[(&str, Kind)]) -> Kind {
        match self {
            Node::Number(_) => Kind::Scalar,
            Node::Text(_) => Kind::Text,
            Node::Query(query) => queries[*query].1,
            Node::Metrics(_) | Node::Array(_) => Kind::Array,
            Node::Negate(inside) => inside.kind(queries),
            Node::Binary(_, left, right) => match (left.kind(queries), right.kind(queries)) {
                (Kind::Array, _) | (_, Kind::Array) => Kind::Array,
                (Kind::Series, _) | (_, Kind::Series) => Kind::Series,
                _ => Kind::Scalar,
            },
            Node::Call(function, arguments) => {
                let kinds: Vec<Kind> = arguments.iter().map(|it| it.kind(queries)).collect();
                function.kind(&kinds).unwrap_or(Kind::Scalar)
            }
        }
    }

    fn reads(&self, places: &mut Vec<usize>) {
        match self {
            Node::Number(_) | Node::Text(_) => {}
            Node::Query(query) => places.push(*query),
            Node::Metrics(queries) => places.extend(queries),
            Node::Array(nodes) | Node::Call(_, nodes) => nodes.iter().for_each(|it| it.reads(places)),
            Node::Negate(inside) => inside.reads(places),
            Node::Binary(_, left, right) => {
                left.reads(places);
                right.reads(places);
            }
        }
    }

    fn value(&self, periods: Periods, known: &dyn Fn(usize) -> Value) -> Value {
        match self {
            Node::Number(number) => Value::Scalar(Some(*number)),
            Node::Text(text) => Value::Text(text.clone()),
            Node::Query(query) => known(*query),
            Node::Metrics(queries) => {
                Value::Array(queries.iter().filter_map(|it| known(*it).into_series(periods.count)).collect())
            }
            Node::Array(nodes) => {
                let series = nodes.iter().filter_map(|it| it.value(periods, known).into_series(periods.count));
                Value::Array(series.collect())
            }
            Node::Negate(inside) => inside.value(periods, known).map(&|it| Some(-it)),
            Node::Binary(operator, left, right) => {
                let (left, right) = (left.value(periods, known), right.value(periods, known));
                left.with(right, &|one, other| operator.apply(one, other))
            }
            Node::Call(function, arguments) => {
                let arguments = arguments.iter().map(|it| it.value(periods, known)).collect();
                function.call(arguments, periods)
            }
        }
    }
}

impl Operator {
    /// `None` where it has no finite result.
    fn apply(self, one: f64, other: f64) -> Option<f64> {
        let truth = |is_so: bool| Some(f64::from(u8::from(is_so)));
        let result = match self {
            Operator::Or => return truth(one != 0.0 || other != 0.0),
            Operator::And => return truth(one != 0.0 && other != 0.0),
            Operator::Equal => return truth(one == other),
            Operator::NotEqual => return truth(one != other),
            Operator::Less => return truth(one < other),
            Operator::LessOrEqual => return truth(one <= other),
            Operator::Greater => return truth(one > other),
            Operator::GreaterOrEqual => return truth(one >= other),
            Operator::Add => one + other,
            Operator::Subtract => one - other,
            Operator::Multiply => one * other,
            Operator::Divide => one / other,
            Operator::Power => libm::pow(one, other),
        };
        finite(result)
    }
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

#[derive(Clone, Debug, PartialEq)]
enum Value {
    /// `None` is no result, as of a division by zero.
    Scalar(Option<f64>),
    Series(Points),
    Array(Vec<Points>),
    Text(String),
}

impl Value {
    /// As a series: a number is there in every period.
    fn into_series(self, count: usize) -> Option<Points> {
        match self {
            Value::Scalar(value) => Some(vec![value; count]),
            Value::Series(points) => Some(points),
            Value::Array(_) | Value::Text(_) => None,
        }
    }

    fn number(&self) -> Option<f64> {
        if let Value::Scalar(value) = self { *value } else { None }
    }

    fn map(self, of: &dyn Fn(f64) -> Option<f64>) -> Value {
        let each = |points: Points| points.into_iter().map(|it| it.and_then(of)).collect();
        match self {
            Value::Scalar(value) => Value::Scalar(value.and_then(of)),
            Value::Series(points) => Value::Series(each(points)),
            Value::Array(all) => Value::Array(all.into_iter().map(each).collect()),
            text => text,
        }
    }

    /// Each series by itself.
    fn of_series(self, of: &dyn Fn(Points) -> Points) -> Value {
        match self {
            Value::Series(points) => Value::Series(of(points)),
            Value::Array(all) => Value::Array(all.into_iter().map(of).collect()),
            other => other,
        }
    }

    fn with(self, other: Value, of: &dyn Fn(f64, f64) -> Option<f64>) -> Value {
        let both = |one: Option<f64>, other: Option<f64>| of(one?, other?);
        let zip = |one: &Points, other: &Points| one.iter().zip(other).map(|(&one, &other)| both(one, other)).collect();
        match (self, other) {
            (Value::Scalar(one), Value::Scalar(other)) => Value::Scalar(both(one, other)),
            (Value::Array(all), Value::Series(other)) => Value::Array(all.iter().map(|it| zip(it, &other)).collect()),
            (Value::Series(one), Value::Array(all)) => Value::Array(all.iter().map(|it| zip(&one, it)).collect()),
            (Value::Series(one), Value::Series(other)) => Value::Series(zip(&one, &other)),
            (one, Value::Scalar(other)) => one.map(&|it| both(Some(it), other)),
            (Value::Scalar(one), other) => other.map(&|it| both(one, Some(it))),
            _ => Value::Scalar(None),
        }
    }
}

impl Function {
    fn call(self, arguments: Vec<Value>, periods: Periods) -> Value {
        let mut arguments = arguments.into_iter();
        let mut next = || arguments.next().unwrap_or(Value::Scalar(None));
        let first = next();
        match self {
            Function::Abs => first.map(&|it| Some(it.abs())),
            Function::Ceil => first.map(&|it| Some(it.ceil())),
            Function::Floor => first.map(&|it| Some(it.floor())),
            Function::Log => first.map(&|it| finite(libm::log(it))),
            Function::Log10 => first.map(&|it| finite(libm::log10(it))),
            Function::Avg | Function::Max | Function::Min | Function::Stddev | Function::Sum => match first {
                Value::Array(all) => Value::Series(across(&all, periods.count, &|values| self.aggregate(values))),
                Value::Series(points) => {
                    let real: Vec<f64> = points.iter().copied().flatten().collect();
                    Value::Scalar(self.aggregate(&real))
                }
                _ => Value::Scalar(None),
            },
            Function::DatapointCount => match first {
                Value::Array(all) => {
                    let count = |at: usize| all.iter().filter(|it| it.get(at).is_some_and(Option::is_some)).count();
                    Value::Series((0..periods.count).map(|at| Some(count(at) as f64)).collect())
                }
                Value::Series(points) => Value::Scalar(Some(points.iter().flatten().count() as f64)),
                _ => Value::Scalar(None),
            },
            Function::MetricCount => match first {
                Value::Array(all) => Value::Scalar(Some(all.len() as f64)),
                _ => Value::Scalar(None),
            },
            Function::Diff => first.of_series(&|points| step_by_step(&points, &|one, before, _| one - before)),
            Function::Rate => {
                let seconds = periods.seconds as f64;
                first.of_series(&|points| {
                    step_by_step(&points, &|one, before, apart| (one - before) / (apart as f64 * seconds))
                })
            }
            Function::DiffTime => {
                let seconds = periods.seconds as f64;
                first.of_series(&|points| step_by_step(&points, &|_, _, apart| apart as f64 * seconds))
            }
            Function::RunningSum => first.of_series(&|points| {
                let mut sum = 0.0;
                let add = |it: Option<f64>| {
                    sum += it?;
                    Some(sum)
                };
                points.into_iter().map(add).collect()
            }),
            Function::Fill => {
                let with = next();
                first.of_series(&|points| filled(points, &with))
            }
            Function::First => match first {
                Value::Array(all) => Value::Series(all.into_iter().next().unwrap_or(vec![None; periods.count])),
                _ => Value::Scalar(None),
            },
            Function::Last => match first {
                Value::Array(all) => Value::Series(all.into_iter().next_back().unwrap_or(vec![None; periods.count])),
                _ => Value::Scalar(None),
            },
            Function::If => choose(first, next(), arguments.next(), periods.count),
            Function::Period => Value::Scalar(Some(periods.seconds as f64)),
            Function::RemoveEmpty => match first {
                Value::Array(all) => {
                    Value::Array(all.into_iter().filter(|it| it.iter().any(Option::is_some)).collect())
                }
                other => other,
            },
            Function::Slice => {
                let (from, to) = (next(), arguments.next());
                slice(first, from.number(), to.as_ref().map(Value::number), periods.count)
            }
            Function::Sort => {
                let (by, order) = (next(), next());
                sorted(first, &by, &order, arguments.next().and_then(|it| it.number()))
            }
            Function::TimeSeries => Value::Series(vec![first.number(); periods.count]),
            Function::Date
            | Function::Day
            | Function::Epoch
            | Function::Hour
            | Function::Minute
            | Function::Month
            | Function::Year => {
                let Value::Series(points) = first else { return Value::Scalar(None) };
                let at = |index: usize| periods.first_unix_seconds + (index as u64 * periods.seconds) as i64;
                let points = points.iter().enumerate().map(|(index, point)| point.and(self.of_time(at(index))));
                Value::Series(points.collect())
            }
        }
    }

    /// Of the values of one series, or of several in one period.
    fn aggregate(self, values: &[f64]) -> Option<f64> {
        if values.is_empty() {
            return None;
        }
        let mean = || values.iter().sum::<f64>() / values.len() as f64;
        finite(match self {
            Function::Sum => values.iter().sum(),
            Function::Max => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            Function::Min => values.iter().copied().fold(f64::INFINITY, f64::min),
            Function::Stddev => {
                let mean = mean();
                (values.iter().map(|it| (it - mean) * (it - mean)).sum::<f64>() / values.len() as f64).sqrt()
            }
            _ => mean(),
        })
    }

    /// A part of the UTC time at which a period begins.
    fn of_time(self, unix_seconds: i64) -> Option<f64> {
        let time = Timestamp::from_second(unix_seconds).ok()?.to_zoned(TimeZone::UTC);
        Some(match self {
            Function::Epoch => unix_seconds as f64,
            Function::Minute => f64::from(time.minute()),
            Function::Hour => f64::from(time.hour()),
            // Monday is 1.
            Function::Day => f64::from(time.weekday().to_monday_one_offset()),
            Function::Date => f64::from(time.day()),
            Function::Month => f64::from(time.month()),
            _ => f64::from(time.year()),
        })
    }
}

/// What several series come to in each period; one without a point counts as 0 beside one that has one.
fn across(all: &[Points], count: usize, of: &dyn Fn(&[f64]) -> Option<f64>) -> Points {
    (0..count)
        .map(|at| {
            let points = || all.iter().map(|it| it.get(at).copied().flatten());
            points().any(|it| it.is_some()).then(|| points().map(|it| it.unwrap_or(0.0)).collect::<Vec<f64>>())
        })
        .map(|values| of(&values?))
        .collect()
}

/// Each point with the one before it and how many periods lie between.
fn step_by_step(points: &Points, of: &dyn Fn(f64, f64, usize) -> f64) -> Points {
    let mut before: Option<(usize, f64)> = None;
    let step = |(at, point): (usize, &Option<f64>)| {
        let value = (*point)?;
        let (index, last) = before.replace((at, value))?;
        finite(of(value, last, at - index))
    };
    points.iter().enumerate().map(step).collect()
}

fn filled(points: Points, with: &Value) -> Points {
    match with {
        Value::Scalar(value) => points.into_iter().map(|it| it.or(*value)).collect(),
        Value::Series(other) => points.into_iter().zip(other).map(|(it, other)| it.or(*other)).collect(),
        Value::Text(how) if how == "LINEAR" => linear(&points),
        _ => {
            let mut last = None;
            let repeat = |it: Option<f64>| {
                last = it.or(last);
                last
            };
            points.into_iter().map(repeat).collect()
        }
    }
}

/// Gaps filled along a straight line; before the first and behind the last there is nothing to draw it to.
fn linear(points: &Points) -> Points {
    let mut filled = points.clone();
    let real: Vec<(usize, f64)> = points.iter().enumerate().filter_map(|(at, it)| Some((at, (*it)?))).collect();
    for pair in real.windows(2) {
        let ((from, one), (to, other)) = (pair[0], pair[1]);
        for (at, point) in filled.iter_mut().enumerate().take(to).skip(from + 1) {
            *point = Some(one + (other - one) * (at - from) as f64 / (to - from) as f64);
        }
    }
    filled
}

/// `IF`: in each period the one or the other value; without another, no point where the condition does not hold.
fn choose(condition: Value, then: Value, otherwise: Option<Value>, count: usize) -> Value {
    let is_scalar = |it: &Value| matches!(it, Value::Scalar(_));
    if is_scalar(&condition)
        && is_scalar(&then)
        && let Some(otherwise) = otherwise.as_ref().filter(|it| is_scalar(it))
    {
        let chosen = condition.number().map(|it| if it != 0.0 { then.number() } else { otherwise.number() });
        return Value::Scalar(chosen.flatten());
    }
    let series = |it: Value| it.into_series(count).unwrap_or(vec![None; count]);
    let (condition, then) = (series(condition), series(then));
    let otherwise = otherwise.map_or(vec![None; count], series);
    let chosen = |at: usize| {
        let holds = condition.get(at).copied().flatten()? != 0.0;
        if holds { then.get(at) } else { otherwise.get(at) }.copied().flatten()
    };
    Value::Series((0..count).map(chosen).collect())
}

fn slice(array: Value, from: Option<f64>, to: Option<Option<f64>>, count: usize) -> Value {
    let Value::Array(all) = array else { return Value::Scalar(None) };
    let place = |it: f64| it.clamp(0.0, all.len() as f64) as usize;
    let from = from.map_or(0, place);
    match to {
        None => Value::Series(all.get(from).cloned().unwrap_or(vec![None; count])),
        Some(to) => Value::Array(all[from.min(to.map_or(all.len(), place))..to.map_or(all.len(), place)].to_vec()),
    }
}

fn sorted(array: Value, by: &Value, order: &Value, most: Option<f64>) -> Value {
    let (Value::Array(mut all), Value::Text(by), Value::Text(order)) = (array, by, order) else {
        return Value::Scalar(None);
    };
    let function = match by.as_str() {
        "MIN" => Function::Min,
        "MAX" => Function::Max,
        "SUM" => Function::Sum,
        _ => Function::Avg,
    };
    let key = |points: &Points| {
        let real: Vec<f64> = points.iter().copied().flatten().collect();
        function.aggregate(&real).unwrap_or(f64::NEG_INFINITY)
    };
    all.sort_by(|one, other| key(one).total_cmp(&key(other)));
    if order == "DESC" {
        all.reverse();
    }
    if let Some(most) = most {
        all.truncate(most.max(0.0) as usize);
    }
    Value::Array(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::metric::{ClusterMetric, Metric};
    use crate::aws::statistic::Statistic;
    use proptest::prelude::*;

    const PERIODS: Periods = Periods { first_unix_seconds: 1_767_605_400, seconds: 60, count: 4 };

    fn stat(metric: ClusterMetric) -> MetricStat {
        MetricStat { metric: Metric::Cluster(metric), statistic: Statistic::Average }
    }

    const METRICS: [ClusterMetric; 3] =
        [ClusterMetric::CpuReservation, ClusterMetric::MemoryReservation, ClusterMetric::GpuReservation];

    fn math(text: &str) -> MetricMath {
        let ids = [("m1", Kind::Series), ("m2", Kind::Series), ("errors", Kind::Series)];
        let expression =
            Expression::parse(text, &ids, &[0, 1, 2]).unwrap_or_else(|it| panic!("{text}: {}", it.message));
        let stats = ids.iter().zip(METRICS).map(|((id, _), metric)| MetricDataQuery {
            id: (*id).to_owned(),
            label: (*id).to_owned(),
            source: QuerySource::Stat(stat(metric)),
        });
        let mut queries: Vec<MetricDataQuery> = stats.collect();
        let source = QuerySource::Expression(expression);
        queries.push(MetricDataQuery { id: "e1".to_owned(), label: text.to_owned(), source });
        MetricMath { queries, returned: 3 }
    }

    fn evaluate(text: &str, series: &[Points; 3]) -> Points {
        let mut read = |it: &MetricStat| {
            let place = METRICS.iter().position(|metric| it.metric == Metric::Cluster(*metric));
            series[place.expect("a metric")].clone()
        };
        math(text).evaluate(PERIODS, &mut read)
    }

    fn series() -> [Points; 3] {
        [
            vec![Some(10.0), Some(20.0), None, Some(40.0)],
            vec![Some(2.0), Some(0.0), Some(5.0), Some(8.0)],
            vec![None, Some(-1.0), Some(3.5), Some(0.0)],
        ]
    }

    fn check(text: &str, expected: [Option<f64>; 4]) {
        assert_eq!(evaluate(text, &series()), expected, "{text}");
    }

    #[test]
    fn a_result_is_where_all_have_a_point_and_no_zero_divides() {
        check("m1 / m2", [Some(5.0), None, None, Some(5.0)]);
        check("m1 + m2 * 2", [Some(14.0), Some(20.0), None, Some(56.0)]);
        check("(m1 + m2) * 2", [Some(24.0), Some(40.0), None, Some(96.0)]);
        check("-m1 ^ 2", [Some(100.0), Some(400.0), None, Some(1600.0)]);
        check("2 ^ 3 ^ 2 + m2 * 0", [Some(512.0); 4]);
        check("m1/MAX([m2, TIME_SERIES(1)])", [Some(5.0), Some(20.0), None, Some(5.0)]);
    }

    #[test]
    fn comparisons_and_logic_are_one_or_zero() {
        check("m1 > 15", [Some(0.0), Some(1.0), None, Some(1.0)]);
        check("m2 == 5 OR m2 >= 8", [Some(0.0), Some(0.0), Some(1.0), Some(1.0)]);
        check("m2 != 5 && m2 < 8", [Some(1.0), Some(1.0), Some(0.0), Some(0.0)]);
        check("IF(m2 > 1, m1, 0)", [Some(10.0), Some(0.0), None, Some(40.0)]);
        check("IF(m2 > 1, m2)", [Some(2.0), None, Some(5.0), Some(8.0)]);
        check("IF(1, m2, m1)", [Some(2.0), Some(0.0), Some(5.0), Some(8.0)]);
    }

    #[test]
    fn functions() {
        check("FILL(m1, 0)", [Some(10.0), Some(20.0), Some(0.0), Some(40.0)]);
        check("FILL(m1, REPEAT)", [Some(10.0), Some(20.0), Some(20.0), Some(40.0)]);
        check("FILL(m1, LINEAR)", [Some(10.0), Some(20.0), Some(30.0), Some(40.0)]);
        check("FILL(m1, m2)", [Some(10.0), Some(20.0), Some(5.0), Some(40.0)]);
        check("DIFF(m1)", [None, Some(10.0), None, Some(20.0)]);
        check("RATE(m1)", [None, Some(10.0 / 60.0), None, Some(20.0 / 120.0)]);
        check("DIFF_TIME(m1)", [None, Some(60.0), None, Some(120.0)]);
        check("RUNNING_SUM(m1)", [Some(10.0), Some(30.0), None, Some(70.0)]);
        check("m1 / PERIOD(m1)", [Some(10.0 / 60.0), Some(20.0 / 60.0), None, Some(40.0 / 60.0)]);
        check("SUM(METRICS())", [Some(12.0), Some(19.0), Some(8.5), Some(48.0)]);
        check("AVG([m1, m2])", [Some(6.0), Some(10.0), Some(2.5), Some(24.0)]);
        check("MAX([m1, errors])", [Some(10.0), Some(20.0), Some(3.5), Some(40.0)]);
        check("STDDEV([m1, m2])", [Some(4.0), Some(10.0), Some(2.5), Some(16.0)]);
        check(
            "SUM(METRICS(\"m\")) * 100 / SUM(m2)",
            [Some(80.0), Some(2000.0 / 15.0), Some(500.0 / 15.0), Some(320.0)],
        );
        check("ABS(errors) + CEIL(errors) + FLOOR(errors)", [None, Some(-1.0), Some(3.5 + 4.0 + 3.0), Some(0.0)]);
        check("DATAPOINT_COUNT([m1, errors]) + METRIC_COUNT(METRICS())", [Some(4.0), Some(5.0), Some(4.0), Some(5.0)]);
        check("FIRST(SORT([m1, m2], \"AVG\", \"DESC\", 1))", [Some(10.0), Some(20.0), None, Some(40.0)]);
        check("SLICE([m1, m2], 1)", [Some(2.0), Some(0.0), Some(5.0), Some(8.0)]);
        check("LAST(SLICE([m1, m2], 0, 1))", [Some(10.0), Some(20.0), None, Some(40.0)]);
        check("LOG10(m2 * 10 + 80) + LOG(m2 - m2)", [None; 4]);
    }

    #[test]
    fn times_are_those_at_which_periods_begin() {
        // 2026-01-05, a Monday, 09:30.
        check("HOUR(m2) * 100 + MINUTE(m2)", [Some(930.0), Some(931.0), Some(932.0), Some(933.0)]);
        check("DAY(m1) + DATE(m1) + MONTH(m1) * YEAR(m1)", [Some(2032.0), Some(2032.0), None, Some(2032.0)]);
        check("EPOCH(m2) - 1767605400", [Some(0.0), Some(60.0), Some(120.0), Some(180.0)]);
    }

    #[test]
    fn mistakes_are_pointed_at() {
        let ids = [("m1", Kind::Series), ("m2", Kind::Series)];
        for (text, at, message, near) in [
            ("m1 / AVGE(m2)", 5..9, "there is no function `AVGE`", Some("AVG")),
            ("m1 / m3", 5..7, "`m3` is the id of no metric and of no expression", None),
            ("m1 +", 4..4, "the expression ends where a value should be", None),
            ("(m1 + m2", 8..8, "`)` is missing to end what `(` began", None),
            ("m1 m2", 3..5, "here the expression should end", None),
            ("m1 % m2", 3..7, "here the expression should end", None),
            ("SUM(m1, m2)", 0..11, "SUM takes one time series, or an array of them as in `[m1, m2]`", None),
            ("[m1] + [m2]", 0..11, "two arrays of time series cannot be combined", None),
            ("FILL(m1, REPEATED)", 9..17, "`REPEATED` is the id of no metric and of no expression", Some("REPEAT")),
            ("METRICS(\"x\")", 0..12, "no metric has `x` in its id", None),
            ("1.2.3", 0..5, "`1.2.3` is not a number", None),
            ("m1 + \"a\"", 0..8, "a text cannot be calculated with", None),
            ("SEARCH(\"x\")", 0..6, "`SEARCH` is not simulated yet", None),
        ] {
            let error = Expression::parse(text, &ids, &[0, 1]).expect_err(text);
            assert_eq!((error.at.clone(), error.message.as_str()), (at, message), "{text}");
            assert_eq!(error.nearest.as_deref(), near, "{text}");
        }
        let deep = format!("{}m1{}", "(".repeat(10_000), ")".repeat(10_000));
        assert!(Expression::parse(&deep, &ids, &[0, 1]).is_err());
    }

    #[test]
    fn an_expression_reads_another() {
        let mut it = math("m1 + m2");
        let ids = [("m1", Kind::Series), ("m2", Kind::Series), ("errors", Kind::Series), ("e1", Kind::Series)];
        let e2 = Expression::parse("e1 * 2", &ids, &[0, 1, 2]).expect("sound");
        assert_eq!(e2.reads(), [3]);
        let source = QuerySource::Expression(e2);
        it.queries.push(MetricDataQuery { id: "e2".to_owned(), label: "e2".to_owned(), source });
        it.returned = 4;
        let mut read = |_: &MetricStat| vec![Some(3.0); 4];
        assert_eq!(it.evaluate(PERIODS, &mut read), [Some(12.0); 4]);
    }

    /// An expression as text and what it should come to, worked out point by point beside it.
    fn arithmetic() -> impl Strategy<Value = (String, [Option<f64>; 4])> {
        let leaf = prop_oneof![
            (0..3usize).prop_map(|it| {
                let points = series()[it].clone();
                (["m1", "m2", "errors"][it].to_owned(), [points[0], points[1], points[2], points[3]])
            }),
            (0..50u32).prop_map(|it| (it.to_string(), [Some(f64::from(it)); 4])),
        ];
        leaf.prop_recursive(5, 40, 2, |inner| {
            (inner.clone(), inner, 0..9usize).prop_map(|((one, a), (other, b), how)| {
                let mark = ["+", "-", "*", "/", "<", ">=", "==", "AND", "||"][how];
                let of = |a: f64, b: f64| {
                    let truth = |it: bool| if it { 1.0 } else { 0.0 };
                    match how {
                        0 => a + b,
                        1 => a - b,
                        2 => a * b,
                        3 => a / b,
                        4 => truth(a < b),
                        5 => truth(a >= b),
                        6 => truth(a == b),
                        7 => truth(a != 0.0 && b != 0.0),
                        _ => truth(a != 0.0 || b != 0.0),
                    }
                };
                let mut points = [None; 4];
                for (at, point) in points.iter_mut().enumerate() {
                    *point = a[at].zip(b[at]).map(|(a, b)| of(a, b)).filter(|it| it.is_finite());
                }
                (format!("({one} {mark} {other})"), points)
            })
        })
    }

    proptest! {
        #[test]
        fn arithmetic_is_point_by_point((text, expected) in arithmetic()) {
            // A number alone is no series.
            let text = format!("{text} + m2 * 0");
            let with = |at: usize| expected[at].zip(series()[1][at]).map(|it| it.0);
            prop_assert_eq!(evaluate(&text, &series()), [with(0), with(1), with(2), with(3)]);
        }

        #[test]
        fn no_text_breaks_the_parser(text in "[m12 e+*/()\\[\\],.<=>A-Z\"^-]{0,40}") {
            let ids = [("m1", Kind::Series), ("m2", Kind::Series)];
            if let Err(error) = Expression::parse(&text, &ids, &[0, 1]) {
                prop_assert!(error.at.start <= error.at.end && error.at.end <= text.len());
                prop_assert!(text.get(error.at).is_some());
            }
        }
    }
}
