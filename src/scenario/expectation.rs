//! `expectations`: what must hold at the end.

use crate::aws::service::ServiceDefinition;
use crate::scenario::aws_fields::Shape;
use crate::scenario::problem::Problem;
use crate::scenario::reader::{Names, Reader, What};
use crate::scenario::tree::{Entry, Node, Value};
use crate::scenario::{Expectation, Measure};

const MEASURES: [(&str, Measure); 29] = [
    ("errorPercent", Measure::ErrorPercent),
    ("responseTimeP50Ms", Measure::ResponseTimeP50Ms),
    ("responseTimeP90Ms", Measure::ResponseTimeP90Ms),
    ("responseTimeP99Ms", Measure::ResponseTimeP99Ms),
    ("worstMinuteErrorPercent", Measure::WorstMinuteErrorPercent),
    ("worstMinuteP99Ms", Measure::WorstMinuteP99Ms),
    ("costUsd", Measure::CostUsd),
    ("taskHours", Measure::TaskHours),
    ("instanceHours", Measure::InstanceHours),
    ("runningCountAtEnd", Measure::RunningCountAtEnd),
    ("deploymentsCompleted", Measure::DeploymentsCompleted),
    ("deploymentsHanging", Measure::DeploymentsHanging),
    ("deploymentSeconds", Measure::DeploymentSeconds),
    ("deploymentFailedSeconds", Measure::DeploymentFailedSeconds),
    ("tasksNeverRan", Measure::TasksNeverRan),
    ("scaleOutSeconds", Measure::ScaleOutSeconds),
    ("newTaskSeconds", Measure::NewTaskSeconds),
    ("newTaskHealthySeconds", Measure::NewTaskHealthySeconds),
    ("waitForInstanceP95Seconds", Measure::WaitForInstanceP95Seconds),
    ("waitForInstanceP99Seconds", Measure::WaitForInstanceP99Seconds),
    ("capacityScaleOuts", Measure::CapacityScaleOuts),
    ("capacityScaleIns", Measure::CapacityScaleIns),
    ("instancesMaximum", Measure::InstancesMaximum),
    ("standaloneTasksNotRun", Measure::StandaloneTasksNotRun),
    ("failedTasks", Measure::FailedTasks),
    ("lastStandaloneTaskEndSeconds", Measure::LastStandaloneTaskEndSeconds),
    ("invocationsGivenUp", Measure::InvocationsGivenUp),
    ("pipelineExecutionsSucceeded", Measure::PipelineExecutionsSucceeded),
    ("commitToDeployedMaximumSeconds", Measure::CommitToDeployedMaximumSeconds),
];

/// The section `expectations`; an entry without `measure` is itself called after one.
pub fn expectations(
    reader: &mut Reader<'_>,
    entries: &[Entry],
    services: &Names<ServiceDefinition>,
) -> Vec<Expectation> {
    entries.iter().filter_map(|it| expectation(reader, it, services)).collect()
}

fn expectation(reader: &mut Reader<'_>, entry: &Entry, services: &Names<ServiceDefinition>) -> Option<Expectation> {
    let mut fields = reader.fields(&entry.node, format!("expectation `{}`", entry.key))?;
    let measure = if fields.has("measure") {
        fields.word(reader, "measure", &MEASURES)
    } else {
        // The key stands for the measure, so it is judged as one.
        fields.take("measure");
        let value = Value::Scalar { text: entry.key.clone(), is_quoted: false };
        let key = Node { place: entry.key_place, value };
        reader.word(What { field: "measure", of: &fields.of }, &key, &MEASURES)
    };
    let service = fields.reference(reader, "service", services);
    let is_of_a_service = fields.has("service");
    let at_most = fields.number(reader, "atMost", f64::MIN..=f64::MAX);
    let at_least = fields.number(reader, "atLeast", f64::MIN..=f64::MAX);
    if !fields.has("atMost") && !fields.has("atLeast") {
        let problem = Problem::new(entry.key_place, format!("{} has no limit", fields.of));
        reader.refuse(problem.help("give `atMost`, `atLeast` or both"));
    }
    if let (Some(most), Some(least)) = (at_most, at_least)
        && least > most
    {
        let message = format!("{} wants at least {least} and at most {most}", fields.of);
        reader.refuse(Problem::new(entry.node.place, message).help("nothing is both"));
    }
    if let Some(
        Measure::CostUsd
        | Measure::InstanceHours
        | Measure::CapacityScaleOuts
        | Measure::CapacityScaleIns
        | Measure::InstancesMaximum
        | Measure::StandaloneTasksNotRun
        | Measure::LastStandaloneTaskEndSeconds
        | Measure::InvocationsGivenUp
        | Measure::PipelineExecutionsSucceeded
        | Measure::CommitToDeployedMaximumSeconds,
    ) = measure
        && is_of_a_service
    {
        reader.note(format!("{} is measured over the whole cluster, whatever service it names", fields.of));
    }
    fields.finish(reader, &Shape::OURS);
    Some(Expectation { name: entry.key.clone(), measure: measure?, service, at_most, at_least })
}
