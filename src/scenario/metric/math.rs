//! `Metrics` with expressions, and the customized metrics of scaling policies.

use crate::aws::alarm::Watched;
use crate::aws::metric::MetricStat;
use crate::aws::metric_math::{self, Expression, Kind, METRICS_MAXIMUM, MetricDataQuery, MetricMath, QuerySource};
use crate::aws::service::ServiceDefinition;
use crate::aws::statistic::{STATISTICS, Statistic};
use crate::scenario::aws_fields::Shape;
use crate::scenario::metric::{Watchable, find};
use crate::scenario::placement::syntax_problem;
use crate::scenario::problem::{Place, Problem};
use crate::scenario::reader::{Fields, Reader, What};
use crate::scenario::tree::Node;
use crate::table::Id;
use crate::units::Span;

impl Watchable<'_> {
    /// `Statistic`, `ExtendedStatistic` or `Stat`.
    pub fn statistic(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<Statistic> {
        let extended = fields.parsed(reader, "ExtendedStatistic", Statistic::extended);
        if extended.is_some() && fields.has("Statistic") {
            let at = fields.place_of_key("ExtendedStatistic");
            let message = format!("{} has both `Statistic` and `ExtendedStatistic`", fields.of);
            reader.refuse(Problem::new(at, message).help("leave one of them out"));
        }
        let is_alone = extended.is_none() && !fields.has("ExtendedStatistic");
        if is_alone {
            return Some(fields.word_or(reader, "Statistic", &STATISTICS, Statistic::default()));
        }
        fields.take("Statistic");
        extended
    }

    /// `Metrics` or another list of queries: what it comes to, and the period that all its metrics have.
    pub fn math(
        &self,
        reader: &mut Reader<'_>,
        node: &Node,
        What { field, of }: What<'_>,
        service: Option<Id<ServiceDefinition>>,
    ) -> Option<(MetricMath, Span)> {
        let problems = reader.problems.len();
        let unsupported = reader.unsupported.len();
        let mut read: Vec<Query<'_>> = Vec::new();
        let mut periods: Vec<(Span, Place)> = Vec::new();
        for node in reader.list(What { field, of }, node) {
            let Some(mut fields) = reader.fields(node, format!("a metric of {of}")) else { continue };
            let id_node = fields.required(reader, "Id");
            let id = id_node.and_then(|it| reader.text(What { field: "Id", of: &fields.of }, it));
            if let (Some(id), Some(node)) = (id, id_node) {
                fields.of = format!("metric `{id}` of {of}");
                check_id(reader, node.place, id, &read, of);
            }
            let label = fields.text(reader, "Label");
            let returns = fields.flag_or(reader, "ReturnData", true);
            let expression = fields.take("Expression");
            let text = expression.and_then(|it| reader.text(What { field: "Expression", of: &fields.of }, it));
            let stat_node = fields.take("MetricStat");
            let period = period(reader, &mut fields);
            let stat = stat_node.and_then(|it| self.metric_stat(reader, it, &fields.of, service));
            if stat_node.is_some() == expression.is_some() {
                let problem =
                    Problem::new(node.place, format!("{} has not one of `MetricStat` and `Expression`", fields.of));
                reader.refuse(problem.help("a query is a metric or an expression over others"));
            }
            fields.finish(reader, &Shape::METRIC);
            periods.extend(period.filter(|_| expression.is_some()).map(|it| (it, node.place)));
            periods.extend(stat.as_ref().and_then(|it| it.1).map(|it| (it, node.place)));
            let source = stat.map(|it| it.0);
            read.push(Query {
                id: id.unwrap_or(""),
                label,
                text: text.zip(expression.map(|it| it.place)),
                source,
                returns,
            });
        }
        let period = periods.first().map_or(Span::MINUTE, |it| it.0);
        if let Some((other, at)) = periods.iter().find(|it| it.0 != period) {
            let message = format!("metrics of {of} have periods of {period} and of {other}");
            reader.refuse(Problem::new(*at, message).help("all metrics of an expression have the same period"));
        }
        let metrics = read.iter().filter(|it| it.text.is_none()).count();
        if metrics > METRICS_MAXIMUM {
            let message = format!("{of} reads {metrics} metrics; {METRICS_MAXIMUM} are allowed");
            reader.refuse(Problem::new(node.place, message));
        }
        let returned: Vec<usize> = (0..read.len()).filter(|it| read[*it].returns).collect();
        if reader.problems.len() > problems || reader.unsupported.len() > unsupported {
            return None;
        }
        let &[returned] = returned.as_slice() else {
            let message = format!("{} of the metrics of {of} return data; one has to", returned.len());
            reader.refuse(
                Problem::new(node.place, message)
                    .help("say `ReturnData: false` of the others; it is true unless it says so"),
            );
            return None;
        };
        let queries = understood(reader, &read, of)?;
        let kinds: Vec<(&str, Kind)> = queries.iter().map(|it| (it.0.id.as_str(), it.1)).collect();
        if kinds[returned].1 != Kind::Series {
            let at = read[returned].text.map_or(node.place, |it| it.1);
            let what = if kinds[returned].1 == Kind::Scalar { "one number" } else { "several time series" };
            let help = if kinds[returned].1 == Kind::Scalar {
                "`TIME_SERIES(...)` makes a series of a number"
            } else {
                "`SUM`, `MAX` or `AVG` of an array is one series"
            };
            let message = format!("what {of} returns comes to {what}, and not to a time series");
            reader.refuse(Problem::new(at, message).help(help));
            return None;
        }
        let queries = queries.into_iter().map(|it| it.0).collect();
        let mut math = MetricMath { queries, returned };
        for query in &mut math.queries {
            if let QuerySource::Stat(stat) = &mut query.source {
                stat.metric = self.at_resolution(reader, stat.metric, period, of);
            }
        }
        Some((math, period))
    }

    /// `MetricStat`, with its period where it says one.
    fn metric_stat(
        &self,
        reader: &mut Reader<'_>,
        node: &Node,
        of: &str,
        service: Option<Id<ServiceDefinition>>,
    ) -> Option<(MetricStat, Option<Span>)> {
        let mut fields = reader.fields(node, format!("`MetricStat` of {of}"))?;
        let metric_node = fields.required(reader, "Metric");
        let period = period(reader, &mut fields);
        let stat = fields.required(reader, "Stat");
        let statistic = stat.and_then(|it| {
            reader.parsed(What { field: "Stat", of: &fields.of }, it, |text| {
                find(&STATISTICS, text).map_or_else(|| Statistic::extended(text), Ok)
            })
        });
        fields.finish(reader, &Shape::METRIC);
        let mut fields = reader.fields(metric_node?, of)?;
        let metric = self.metric(reader, &mut fields, service);
        fields.finish(reader, &Shape::METRIC);
        Some((MetricStat { metric: metric?, statistic: statistic? }, period))
    }

    /// `CustomizedMetricSpecification`: one metric, or `Metrics`, and the period in which it is looked at.
    pub fn customized(
        &self,
        reader: &mut Reader<'_>,
        node: &Node,
        of: &str,
        scaled: CustomizedFor,
    ) -> Option<(Watched, Span)> {
        let mut fields = reader.fields(node, format!("the customized metric of {of}"))?;
        let service = match scaled {
            CustomizedFor::Service(service) => service,
            CustomizedFor::Group => None,
        };
        if let Some(metrics) = fields.take("Metrics") {
            let name = fields.of.clone();
            let math = self.math(reader, metrics, What { field: "Metrics", of: &name }, service);
            fields.finish(reader, &Shape::METRIC);
            let (math, period) = math?;
            let period = scaled.period(reader, metrics.place, &name, period)?;
            return Some((Watched::Math(Box::new(math)), period));
        }
        let metric = self.metric(reader, &mut fields, service);
        let statistic = Self::statistic(reader, &mut fields);
        let place = fields.place_of("Period");
        let period = match scaled {
            CustomizedFor::Group if fields.has("Period") => period(reader, &mut fields),
            _ => Some(Span::MINUTE),
        };
        let name = fields.of.clone();
        fields.finish(reader, &Shape::METRIC);
        let period = scaled.period(reader, place, &name, period?)?;
        let metric = self.at_resolution(reader, metric?, period, &name);
        Some((Watched::Stat(MetricStat { metric, statistic: statistic? }), period))
    }
}

/// What is scaled by a customized metric.
#[derive(Clone, Copy)]
pub enum CustomizedFor {
    /// A service; `None` where it was refused.
    Service(Option<Id<ServiceDefinition>>),
    /// An Auto Scaling group.
    Group,
}

impl CustomizedFor {
    /// The period, where metrics can be looked at in it: Application Auto Scaling has a minute, EC2 Auto Scaling 10 and 30 s as well
    /// (*Create a target tracking policy using high-resolution metrics for faster response*).
    fn period(self, reader: &mut Reader<'_>, place: Place, of: &str, period: Span) -> Option<Span> {
        let (known, help): (&[u64], _) = match self {
            CustomizedFor::Service(_) => (
                &[60],
                "Application Auto Scaling looks at customized metrics each minute; of ECS's own, \
                 `ECSServiceAverageCPUUtilizationHighResolution` and the like are looked at each 20 s",
            ),
            CustomizedFor::Group => (&[10, 30, 60], "EC2 Auto Scaling looks at metrics each 10, 30 or 60 s"),
        };
        if known.iter().any(|it| Span::seconds(*it) == period) {
            return Some(period);
        }
        let problem = Problem::new(place, format!("{of} has a period of {period}"));
        reader.refuse(problem.help(help));
        None
    }
}

/// A query before its expression is understood.
struct Query<'n> {
    id: &'n str,
    label: Option<&'n str>,
    text: Option<(&'n str, Place)>,
    source: Option<MetricStat>,
    returns: bool,
}

fn check_id(reader: &mut Reader<'_>, at: Place, id: &str, read: &[Query<'_>], of: &str) {
    let is_sound = id.starts_with(|it: char| it.is_ascii_lowercase())
        && id.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_');
    if !is_sound {
        let problem = Problem::new(at, format!("`{id}` cannot be the id of a metric of {of}"));
        reader.refuse(problem.help("an id begins with a small letter, and has letters, digits and `_`"));
    }
    if read.iter().any(|it| it.id == id) {
        reader.refuse(Problem::new(at, format!("two metrics of {of} have the id `{id}`")));
    }
}

/// Queries with their expressions understood, those that others read before these; in the file's order.
fn understood(reader: &mut Reader<'_>, read: &[Query<'_>], of: &str) -> Option<Vec<(MetricDataQuery, Kind)>> {
    let metrics: Vec<usize> = (0..read.len()).filter(|it| read[*it].text.is_none()).collect();
    let mut kinds: Vec<Option<Kind>> = read.iter().map(|it| it.source.map(|_| Kind::Series)).collect();
    let mut sources: Vec<Option<QuerySource>> = read.iter().map(|it| it.source.map(QuerySource::Stat)).collect();
    while kinds.iter().any(Option::is_none) {
        let is_known = |name: &&str| read.iter().position(|it| it.id == *name).is_none_or(|it| kinds[it].is_some());
        let ready = (0..read.len()).find(|&it| {
            kinds[it].is_none() && read[it].text.is_some_and(|it| metric_math::names_in(it.0).iter().all(is_known))
        });
        let Some(ready) = ready else {
            let stuck = (0..read.len()).find(|it| kinds[*it].is_none()).and_then(|it| read[it].text)?;
            let problem = Problem::new(stuck.1, format!("expressions of {of} read each other in a circle"));
            reader.refuse(problem);
            return None;
        };
        let (text, place) = read[ready].text?;
        let known: Vec<(&str, Kind)> =
            read.iter().zip(&kinds).map(|(it, kind)| (it.id, kind.unwrap_or(Kind::Series))).collect();
        match Expression::parse(text, &known, &metrics) {
            Ok(expression) => {
                kinds[ready] = Some(expression.kind(&known));
                sources[ready] = Some(QuerySource::Expression(expression));
            }
            Err(error) => {
                let name = format!("metric `{}` of {of}", read[ready].id);
                let what = What { field: "Expression", of: &name };
                let source = reader.files[place.file].text.to_string();
                reader.refuse(syntax_problem(&source, place, text, &error, what));
                return None;
            }
        }
    }
    let queries = read.iter().zip(sources).zip(kinds).map(|((it, source), kind)| {
        let label = it.label.or(it.text.map(|it| it.0)).unwrap_or(it.id).to_owned();
        Some((MetricDataQuery { id: it.id.to_owned(), label, source: source? }, kind?))
    });
    queries.collect()
}

/// `Period` of a query, in seconds.
fn period(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<Span> {
    let node = fields.take("Period")?;
    alarm_period(reader, node, &fields.of)
}

/// A period that alarms can have: 10, 20 or 30 s, or a multiple of a minute up to a week.
pub fn alarm_period(reader: &mut Reader<'_>, node: &Node, of: &str) -> Option<Span> {
    let seconds = reader.count(What { field: "Period", of }, node, 1..=604_800)?;
    if !matches!(seconds, 10 | 20 | 30) && seconds % 60 != 0 {
        let problem = Problem::new(node.place, format!("`Period` of {of} is {seconds} s"));
        reader.refuse(problem.help("a period is 10, 20 or 30 seconds, or a multiple of 60 seconds"));
        return None;
    }
    Some(Span::seconds(u64::from(seconds)))
}
