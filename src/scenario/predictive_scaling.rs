//! `PredictiveScalingPolicyConfiguration`, and the `history` that it forecasts from.

use crate::aws::predictive_scaling::{MetricPair, PredictiveScaling};
use crate::aws::service::ServiceDefinition;
use crate::scenario::aws_fields::Shape;
use crate::scenario::metric::read_file;
use crate::scenario::problem::{Place, Problem};
use crate::scenario::reader::{Reader, What};
use crate::scenario::recorded;
use crate::scenario::scaling::Scaling;
use crate::scenario::tree::Node;
use crate::table::Id;
use crate::units::Span;

const HOUR: Span = Span::seconds(3_600);
/// No more than two weeks are looked at, in periods of a minute at the shortest.
const PERIODS_MAXIMUM: usize = 14 * 24 * 60;

impl Scaling<'_> {
    pub(super) fn predictive(
        &self,
        reader: &mut Reader<'_>,
        node: &Node,
        of: &str,
        place: Place,
        service: Option<Id<ServiceDefinition>>,
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
        let (metric_pair, target_value) = self.metric_pair(reader, specifications.first()?, of, service)?;
        Some(PredictiveScaling {
            metric_pair,
            target_value,
            scales,
            scheduling_buffer_time,
            max_capacity_buffer: buffer.filter(|_| increases),
            history: history?,
        })
    }

    fn metric_pair(
        &self,
        reader: &mut Reader<'_>,
        node: &Node,
        of: &str,
        service: Option<Id<ServiceDefinition>>,
    ) -> Option<(MetricPair, f64)> {
        let mut fields = reader.fields(node, format!("the metric of {of}"))?;
        let target_value = fields.required_positive(reader, "TargetValue");
        let mut is_of_own = false;
        for name in [
            "CustomizedCapacityMetricSpecification",
            "CustomizedLoadMetricSpecification",
            "CustomizedScalingMetricSpecification",
            "PredefinedLoadMetricSpecification",
            "PredefinedScalingMetricSpecification",
        ] {
            if let Some(entry) = fields.take_entry(name) {
                is_of_own = true;
                reader.not_simulated(entry.key_place, format!("`{name}` of {of}"));
            }
        }
        // What has a pair of its own has been told so, and needs no other.
        let is_told = is_of_own && !fields.has("PredefinedMetricPairSpecification");
        let pair = fields.map(reader, "PredefinedMetricPairSpecification").filter(|_| !is_told);
        let pair = if let Some(mut pair) = pair {
            let place = pair.place_of("PredefinedMetricType");
            pair.required(reader, "PredefinedMetricType");
            let types = [
                ("ECSServiceCPUUtilization", MetricPair::CpuUtilization),
                ("ECSServiceMemoryUtilization", MetricPair::MemoryUtilization),
                ("ALBRequestCount", MetricPair::RequestCount),
            ];
            let said = pair.word(reader, "PredefinedMetricType", &types);
            pair.take("ResourceLabel");
            pair.finish(reader, &Shape::OURS);
            let has_balancer = service.is_none_or(|it| self.watchable.services[it].load_balancer.is_some());
            if said == Some(MetricPair::RequestCount) && !has_balancer {
                let problem = Problem::new(place, format!("{of} counts requests, and its service has no target group"));
                reader.refuse(problem);
            }
            said
        } else {
            None
        };
        fields.finish(reader, &Shape::OURS);
        Some((pair?, target_value?))
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
