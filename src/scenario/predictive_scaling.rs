//! `PredictiveScalingPolicyConfiguration` of services, `PredictiveScalingConfiguration` of Auto Scaling groups, and the `history` that
//! both forecast from.

use crate::aws::alarm::Watched;
use crate::aws::auto_scaling_group::AutoScalingGroup;
use crate::aws::metric::{LoadBalancerMetric, Metric, MetricStat, ServiceMetric};
use crate::aws::predictive_scaling::{LoadMetric, MetricPair, PredictiveScaling};
use crate::aws::service::ServiceDefinition;
use crate::aws::statistic::Statistic;
use crate::scenario::aws_fields::Shape;
use crate::scenario::metric::read_file;
use crate::scenario::problem::{Place, Problem};
use crate::scenario::reader::{Fields, Reader, What};
use crate::scenario::recorded;
use crate::scenario::scaling::Scaling;
use crate::scenario::tree::Node;
use crate::table::Id;
use crate::units::Span;

const HOUR: Span = Span::seconds(3_600);
/// No more than two weeks are looked at, in periods of a minute at the shortest.
const PERIODS_MAXIMUM: usize = 14 * 24 * 60;

/// What a policy forecasts for.
#[derive(Clone, Copy)]
pub(super) enum ForecastFor {
    /// A service; `None` where it was refused.
    Service(Option<Id<ServiceDefinition>>),
    /// An Auto Scaling group.
    Group(Id<AutoScalingGroup>),
}

/// An item of `MetricSpecifications`.
struct MetricSpecification {
    target_value: f64,
    load: LoadMetric,
    scaling: Option<Watched>,
    capacity: Option<Watched>,
}

/// Metrics of AWS's own, by what they are of: the pair, the load of all, and that of one task or instance.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Predefined {
    Cpu,
    Memory,
    Requests,
    /// Bytes that instances receive or send.
    Network,
}

const PAIRS_OF_SERVICES: [(&str, Predefined); 3] = [
    ("ECSServiceCPUUtilization", Predefined::Cpu),
    ("ECSServiceMemoryUtilization", Predefined::Memory),
    ("ALBRequestCount", Predefined::Requests),
];
const LOADS_OF_SERVICES: [(&str, Predefined); 3] = [
    ("ECSServiceTotalCPUUtilization", Predefined::Cpu),
    ("ECSServiceTotalMemoryUtilization", Predefined::Memory),
    ("TotalALBRequestCount", Predefined::Requests),
];
const PAIRS_OF_GROUPS: [(&str, Predefined); 4] = [
    ("ASGCPUUtilization", Predefined::Cpu),
    ("ALBRequestCount", Predefined::Requests),
    ("ASGNetworkIn", Predefined::Network),
    ("ASGNetworkOut", Predefined::Network),
];
const LOADS_OF_GROUPS: [(&str, Predefined); 4] = [
    ("ASGTotalCPUUtilization", Predefined::Cpu),
    ("ALBTargetGroupRequestCount", Predefined::Requests),
    ("ASGTotalNetworkIn", Predefined::Network),
    ("ASGTotalNetworkOut", Predefined::Network),
];

impl Scaling<'_> {
    /// What a policy of predictive scaling says; `place` is that of the field.
    pub(super) fn predictive(
        &self,
        reader: &mut Reader<'_>,
        node: &Node,
        of: &str,
        place: Place,
        forecast_for: ForecastFor,
    ) -> Option<PredictiveScaling> {
        let mut fields = reader.fields(node, format!("the predictive scaling of {of}"))?;
        if self.run.0 % 3_600 != 0 {
            let problem =
                Problem::new(place, format!("{of} forecasts hours of the clock, and the run begins within one"));
            reader.refuse(problem.help("let `start` be a full hour"));
        }
        fields.required(reader, "MetricSpecifications");
        let specifications = fields.list(reader, "MetricSpecifications");
        if specifications.len() > 1 {
            let problem = Problem::new(specifications[1].place, format!("{} has more than one metric", fields.of));
            reader.refuse(problem.help("`MetricSpecifications` has one item"));
        }
        let scales = fields.word_or(reader, "Mode", &[("ForecastOnly", false), ("ForecastAndScale", true)], false);
        let scheduling_buffer_time = fields.seconds_or(reader, "SchedulingBufferTime", 0..=3_600, Span::seconds(300));
        let behaviours = [("HonorMaxCapacity", false), ("IncreaseMaxCapacity", true)];
        let increases = fields.word_or(reader, "MaxCapacityBreachBehavior", &behaviours, false);
        let buffer_place = fields.place_of("MaxCapacityBuffer");
        let buffer = fields.count(reader, "MaxCapacityBuffer", 0..=100);
        if buffer.is_some() != increases {
            let message =
                format!("{}: `MaxCapacityBuffer` belongs to `IncreaseMaxCapacity`, and that to it", fields.of);
            reader.refuse(Problem::new(buffer_place, message).help("give both or neither"));
        }
        let history = fields.take("history").map_or(Some(Vec::new()), |it| history(reader, it, of));
        fields.finish(reader, &Shape::OURS);
        let specification = self.metric_specification(reader, specifications.first()?, of, forecast_for)?;
        let MetricSpecification { target_value, load, scaling, capacity } = specification;
        Some(PredictiveScaling {
            load,
            scaling,
            capacity,
            target_value,
            scales,
            scheduling_buffer_time,
            max_capacity_buffer: buffer.filter(|_| increases),
            history: history?,
        })
    }

    fn metric_specification(
        &self,
        reader: &mut Reader<'_>,
        node: &Node,
        of: &str,
        forecast_for: ForecastFor,
    ) -> Option<MetricSpecification> {
        let mut fields = reader.fields(node, format!("the metric of {of}"))?;
        let target_value = fields.required_positive(reader, "TargetValue");
        let pair = fields.take("PredefinedMetricPairSpecification");
        let loads =
            [fields.take("PredefinedLoadMetricSpecification"), fields.take("CustomizedLoadMetricSpecification")];
        let scalings =
            [fields.take("PredefinedScalingMetricSpecification"), fields.take("CustomizedScalingMetricSpecification")];
        let capacity = fields.take("CustomizedCapacityMetricSpecification");
        let own = [&loads, &scalings].map(|it| it.iter().flatten().count());
        let is_whole = if pair.is_some() { own == [0, 0] } else { own == [1, 1] };
        if !is_whole {
            let message = format!("{} is neither a pair nor a load metric with a scaling metric", fields.of);
            let help = "give `PredefinedMetricPairSpecification` alone, or one `LoadMetricSpecification` and one \
                        `ScalingMetricSpecification`, each `Predefined` or `Customized`";
            reader.refuse(Problem::new(node.place, message).help(help));
        }
        fields.finish(reader, &Shape::OURS);
        if !is_whole {
            return None;
        }
        let capacity = match capacity {
            Some(node) => {
                Some(self.customized_load(reader, node, &format!("the capacity metric of {of}"), forecast_for)?)
            }
            None => None,
        };
        let (load, scaling) = match pair {
            Some(node) => (self.predefined_load(reader, node, of, forecast_for, true)?.0, None),
            None => self.load_and_scaling(reader, of, (loads, scalings), forecast_for)?,
        };
        if capacity.is_some() && scaling.is_none() {
            let message = format!(
                "{of} has a capacity metric, and nothing is computed with it: its load is its scaling metric, summed"
            );
            reader.note(message);
        }
        Some(MetricSpecification { target_value: target_value?, load, scaling, capacity })
    }

    /// A load and a scaling metric, one of each being there. The scaling metric is `None` where it is a part of the load.
    fn load_and_scaling(
        &self,
        reader: &mut Reader<'_>,
        of: &str,
        (loads, scalings): ([Option<&Node>; 2], [Option<&Node>; 2]),
        forecast_for: ForecastFor,
    ) -> Option<(LoadMetric, Option<Watched>)> {
        let (load, kind) = match loads {
            [Some(node), _] => {
                let (load, kind) = self.predefined_load(reader, node, of, forecast_for, false)?;
                (load, Some(kind))
            }
            [None, node] => {
                let of = format!("the load metric of {of}");
                (LoadMetric::Watched(self.customized_load(reader, node?, &of, forecast_for)?), None)
            }
        };
        let scaling = match (scalings, forecast_for) {
            ([Some(node), _], ForecastFor::Service(service)) => self.predefined_metric(reader, node, of, service)?.0,
            ([Some(node), _], ForecastFor::Group(group)) => self.predefined_group_metric(reader, node, of, group)?.0,
            ([None, node], _) => {
                self.customized_load(reader, node?, &format!("the scaling metric of {of}"), forecast_for)?
            }
        };
        let is_part_of_load = scalings[0].is_some() && kind.is_some() && kind == predefined_kind(&scaling);
        Some((load, Some(scaling).filter(|_| !is_part_of_load)))
    }

    /// `PredefinedMetricPairSpecification`, or `PredefinedLoadMetricSpecification`.
    fn predefined_load(
        &self,
        reader: &mut Reader<'_>,
        node: &Node,
        of: &str,
        forecast_for: ForecastFor,
        is_pair: bool,
    ) -> Option<(LoadMetric, Predefined)> {
        let mut fields = reader.fields(node, format!("the load of {of}"))?;
        let place = fields.place_of("PredefinedMetricType");
        fields.required(reader, "PredefinedMetricType");
        let words: &[(&str, Predefined)] = match (forecast_for, is_pair) {
            (ForecastFor::Service(_), true) => &PAIRS_OF_SERVICES,
            (ForecastFor::Service(_), false) => &LOADS_OF_SERVICES,
            (ForecastFor::Group(_), true) => &PAIRS_OF_GROUPS,
            (ForecastFor::Group(_), false) => &LOADS_OF_GROUPS,
        };
        let said = fields.word(reader, "PredefinedMetricType", words);
        let load = match forecast_for {
            ForecastFor::Service(service) => {
                fields.take("ResourceLabel");
                self.predefined_load_of_service(reader, said, (of, place), service)
            }
            ForecastFor::Group(group) => self.predefined_load_of_group(reader, &mut fields, said, (of, place), group),
        };
        fields.finish(reader, &Shape::OURS);
        Some((load?, said?))
    }

    fn predefined_load_of_service(
        &self,
        reader: &mut Reader<'_>,
        said: Option<Predefined>,
        (of, place): (&str, Place),
        service: Option<Id<ServiceDefinition>>,
    ) -> Option<LoadMetric> {
        let pair = match said? {
            Predefined::Cpu => MetricPair::CpuUtilization,
            Predefined::Memory => MetricPair::MemoryUtilization,
            Predefined::Requests | Predefined::Network => MetricPair::RequestCount,
        };
        let has_balancer = service.is_none_or(|it| self.watchable.services[it].load_balancer.is_some());
        if pair == MetricPair::RequestCount && !has_balancer {
            let message = format!("{of} counts requests, and its service has no target group");
            reader.refuse(Problem::new(place, message));
        }
        Some(LoadMetric::OfService(pair))
    }

    fn predefined_load_of_group(
        &self,
        reader: &mut Reader<'_>,
        fields: &mut Fields<'_>,
        said: Option<Predefined>,
        (of, place): (&str, Place),
        group: Id<AutoScalingGroup>,
    ) -> Option<LoadMetric> {
        let label = fields.take("ResourceLabel");
        let metric = match said? {
            Predefined::Cpu => Metric::InstanceCpuUtilization(group),
            Predefined::Requests => {
                self.requests_of_label(reader, label, (of, place), LoadBalancerMetric::RequestCount)?
            }
            Predefined::Memory | Predefined::Network => {
                reader.not_simulated(place, format!("network traffic of instances, which {of} forecasts"));
                return None;
            }
        };
        Some(LoadMetric::Watched(Watched::Stat(MetricStat { metric, statistic: Statistic::Sum })))
    }

    /// `CustomizedLoadMetricSpecification` and its like: `MetricDataQueries`, which have no periods of their own.
    fn customized_load(
        &self,
        reader: &mut Reader<'_>,
        node: &Node,
        of: &str,
        forecast_for: ForecastFor,
    ) -> Option<Watched> {
        let service = match forecast_for {
            ForecastFor::Service(service) => service,
            ForecastFor::Group(_) => None,
        };
        let mut fields = reader.fields(node, of)?;
        let queries = fields.required(reader, "MetricDataQueries");
        fields.finish(reader, &Shape::OURS);
        let (math, period) = self.watchable.math(reader, queries?, What { field: "MetricDataQueries", of }, service)?;
        if period != Span::MINUTE {
            let problem = Problem::new(node.place, format!("{of} has a `Period` of {period}"));
            reader.refuse(problem.help("leave `Period` out: forecasts look at the minutes of whole hours"));
            return None;
        }
        // A metric alone says which minutes have no load; an expression does not.
        Some(match math.single() {
            Some(stat) => Watched::Stat(stat),
            None => Watched::Math(Box::new(math)),
        })
    }
}

/// Which of AWS's own metrics of one task or instance this is.
fn predefined_kind(scaling: &Watched) -> Option<Predefined> {
    let Watched::Stat(stat) = scaling else { return None };
    match stat.metric {
        Metric::Service(_, ServiceMetric::CpuUtilization, _) | Metric::InstanceCpuUtilization(_) => {
            Some(Predefined::Cpu)
        }
        Metric::Service(_, ServiceMetric::MemoryUtilization, _) => Some(Predefined::Memory),
        Metric::LoadBalancer(..) => Some(Predefined::Requests),
        _ => None,
    }
}

/// Loads before the run, by the hour; finer ones become the mean of their hour.
fn history(reader: &mut Reader<'_>, node: &Node, of: &str) -> Option<Vec<f64>> {
    let mut fields = reader.fields(node, format!("the history of {of}"))?;
    let resolution_place = fields.place_of("resolution");
    let resolution = fields.span_or(reader, "resolution", HOUR);
    let (values, file) = (fields.take("values"), fields.take("file"));
    let column = fields.text(reader, "column").map(str::to_owned);
    let (place, of) = (fields.place, fields.of.clone());
    fields.finish(reader, &Shape::OURS);
    if resolution < Span::MINUTE || !HOUR.0.is_multiple_of(resolution.0) {
        let message =
            format!("`resolution` of {of} is {resolution}; whole hours are made of it, and it is a minute at least");
        reader.refuse(Problem::new(resolution_place, message));
        return None;
    }
    let samples: Vec<f64> = match (values, file) {
        (Some(node), None) => {
            let what = What { field: "values", of: &of };
            let nodes = reader.list(what, node);
            nodes.iter().filter_map(|it| reader.number(what, it, 0.0..=f64::MAX)).collect()
        }
        (None, Some(node)) => {
            let named = reader.text(What { field: "file", of: &of }, node)?;
            let read = |bytes: &[u8]| read_file(bytes, column.as_deref(), resolution, PERIODS_MAXIMUM);
            let periods: Vec<Vec<f64>> = recorded::decoded(reader, node, named, "metric", read)?;
            periods.iter().map(|it| it.iter().sum::<f64>() / it.len().max(1) as f64).collect()
        }
        _ => {
            let problem = Problem::new(place, format!("{of} has not one of `values` and `file`"));
            reader.refuse(
                problem.help("as in `values: [1200, 900, 850]`, by the hour up to the start, or `file: last-week.csv`"),
            );
            return None;
        }
    };
    let of_hour = (HOUR.0 / resolution.0) as usize;
    if !samples.len().is_multiple_of(of_hour) {
        let (count, message) = (samples.len(), "whole hours up to the start of the run are needed");
        reader.refuse(Problem::new(place, format!("{of} has {count} values of {resolution} each; {message}")));
        return None;
    }
    Some(samples.chunks(of_hour).map(|it| it.iter().sum::<f64>() / of_hour as f64).collect())
}
