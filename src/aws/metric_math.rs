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

mod function;
mod parser;

use crate::aws::cluster_query::SyntaxError;
use crate::aws::metric::MetricStat;
use crate::aws::metric_math::function::{Function, Value, finite};
use crate::aws::metric_math::parser::Parser;

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
