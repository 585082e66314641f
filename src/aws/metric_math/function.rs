//! Functions of metric math: what they take, what they come to, and the values between them.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::aws::metric_math::{Kind, Periods, Points};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
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

pub(super) const FUNCTIONS: &[(&str, Function)] = &[
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

pub(super) const LEFT_OUT: &[&str] =
    &["ANOMALY_DETECTION_BAND", "DB_PERF_INSIGHTS", "INSIGHT_RULE_METRIC", "LAMBDA", "SEARCH", "SERVICE_QUOTA"];

impl Function {
    /// What a call with such arguments comes to, or what the function takes.
    pub(super) fn kind(self, arguments: &[Kind]) -> Result<Kind, &'static str> {
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

impl Function {
    pub(super) fn call(self, arguments: Vec<Value>, periods: Periods) -> Value {
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

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// `None` is no result, as of a division by zero.
    Scalar(Option<f64>),
    Series(Points),
    Array(Vec<Points>),
    Text(String),
}

impl Value {
    /// As a series: a number is there in every period.
    pub(super) fn into_series(self, count: usize) -> Option<Points> {
        match self {
            Value::Scalar(value) => Some(vec![value; count]),
            Value::Series(points) => Some(points),
            Value::Array(_) | Value::Text(_) => None,
        }
    }

    fn number(&self) -> Option<f64> {
        if let Value::Scalar(value) = self { *value } else { None }
    }

    pub(super) fn map(self, of: &dyn Fn(f64) -> Option<f64>) -> Value {
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

    pub(super) fn with(self, other: Value, of: &dyn Fn(f64, f64) -> Option<f64>) -> Value {
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

pub(super) fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
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
