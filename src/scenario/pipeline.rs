//! `pipelines`: commits that become images, and images that are deployed.

use std::sync::Arc;

use crate::aws::pipeline::{
    BadCommits, Build, ComputeType, DEPLOYMENT_TIMEOUT_MAXIMUM, Deploy, ExecutionMode, Pipeline, RevisionsOf,
};
use crate::aws::service::ServiceDefinition;
use crate::aws::task_definition::{CpuArchitecture, ImageLayer, TaskDefinition};
use crate::distribution::Distribution;
use crate::scenario::aws_fields::Shape;
use crate::scenario::problem::{Problem, nearest};
use crate::scenario::quantity::size_mb;
use crate::scenario::reader::{Fields, Reader, What, listed};
use crate::scenario::task_definition::{TaskDefinitions, check_name};
use crate::scenario::timeline::{Around, UpdatedService};
use crate::scenario::tree::Entry;
use crate::scenario::update_service::new_definition;
use crate::scenario::workload::arrivals;
use crate::scenario::{TimelineChange, TimelineEntry};
use crate::table::{Id, Table};
use crate::units::{Instant, Span};
use crate::workload::commits::Commits;

/// Executions of a pipeline that are simulated where its commits come at random.
const EXECUTIONS_USUAL: u32 = 100;
const EXECUTIONS_MAXIMUM: usize = 1_000;

/// Pipelines that are read, whose revisions are yet to be made.
pub struct Pipelines {
    table: Table<Pipeline>,
    commits: Vec<Commits>,
    images: Vec<NewImage>,
}

/// What the image of each execution is like.
struct NewImage {
    /// Its container.
    container: String,
    /// MB of layers that are not in the image before.
    changed_mb: f64,
    /// The one architecture that it is for.
    architecture: Option<CpuArchitecture>,
    /// How many there are.
    count: usize,
}

impl Pipelines {
    /// The section `pipelines`; what they deploy is judged by their services as they are defined, and as the timeline has `updated` them.
    pub fn read(
        reader: &mut Reader<'_>,
        entries: &[Entry],
        around: &Around<'_>,
        updated: &[UpdatedService],
    ) -> Pipelines {
        let mut pipelines = Pipelines { table: Table::new(), commits: Vec::new(), images: Vec::new() };
        for entry in entries {
            check_name(reader, entry.key_place, &entry.key, "a pipeline");
            if let Some((pipeline, commits, image)) = pipeline(reader, entry, around, updated) {
                pipelines.table.push(pipeline);
                pipelines.commits.push(commits);
                pipelines.images.push(image);
            }
        }
        pipelines
    }

    /// With the revisions that their executions register, which come after all others of the family.
    pub fn with_revisions(
        mut self,
        definitions: &mut TaskDefinitions,
        services: &Table<ServiceDefinition>,
        timeline: &[TimelineEntry],
    ) -> (Table<Pipeline>, Vec<Commits>) {
        for (pipeline, image) in self.table.iter_mut().zip(&self.images) {
            let mut given = vec![services[pipeline.service].task_definition];
            for entry in timeline {
                match entry.change {
                    TimelineChange::UpdateService { service, task_definition: Some(it), .. }
                        if service == pipeline.service && !given.contains(&it) =>
                    {
                        given.push(it);
                    }
                    _ => {}
                }
            }
            let last = |family: &str| {
                let same_family = definitions.table.iter().filter(|it| it.family == family);
                same_family.map(|it| it.revision).max().unwrap_or(0)
            };
            let given: Vec<(Id<TaskDefinition>, u32)> =
                given.into_iter().map(|it| (it, last(&definitions.table[it].family))).collect();
            for (task_definition, last) in given {
                let old = definitions.table[task_definition].clone();
                let new = (1..=image.count as u32).map(|number| with_new_image(&old, image, last + number));
                let of_executions = new.map(|it| definitions.table.push(it)).collect();
                pipeline.revisions.push(RevisionsOf { task_definition, of_executions });
            }
        }
        (self.table, self.commits)
    }
}

/// A revision whose container has another image: as large as the one before, of which the layers built last have changed.
fn with_new_image(old: &TaskDefinition, image: &NewImage, revision: u32) -> TaskDefinition {
    let mut new = TaskDefinition { revision, ..old.clone() };
    let place = new.containers.iter().position(|it| it.name == image.container).unwrap_or(0);
    let container = &mut new.containers[place];
    let name = format!("{}@{revision}", container.name);
    let layers = &mut container.application.layers;
    let mut left = image.changed_mb;
    while left > 0.0
        && let Some(last) = layers.last_mut()
    {
        if last.size_mb > left {
            last.size_mb -= left;
            left = 0.0;
        } else {
            left -= last.size_mb;
            layers.pop();
        }
    }
    layers.push(ImageLayer { name, size_mb: image.changed_mb });
    if image.architecture.is_some() {
        container.application.image_architecture = image.architecture;
    }
    new
}

fn pipeline(
    reader: &mut Reader<'_>,
    entry: &Entry,
    around: &Around<'_>,
    updated: &[UpdatedService],
) -> Option<(Pipeline, Commits, NewImage)> {
    let mut fields = reader.fields(&entry.node, format!("pipeline `{}`", entry.key))?;
    fields.required(reader, "service");
    let service = fields.reference(reader, "service", around.service_names);
    if let Some(service) = service.map(|it| &around.services[it]).filter(|it| !it.task_sets.is_empty()) {
        let message =
            format!("{} deploys service `{}`, whose deployment controller is EXTERNAL", fields.of, service.name);
        let help = "the timeline creates its task sets: `createTaskSet`";
        reader.refuse(Problem::new(fields.place_of("service"), message).help(help));
    }
    let modes = [
        ("SUPERSEDED", ExecutionMode::Superseded),
        ("QUEUED", ExecutionMode::Queued),
        ("PARALLEL", ExecutionMode::Parallel),
    ];
    let execution_mode = fields.word_or(reader, "executionMode", &modes, ExecutionMode::default());
    let commits = commits(reader, &mut fields, around.duration);
    let source_time = fields.distribution_or(reader, "sourceTime", Distribution::Constant(Span::seconds(10)));
    let states = commits.as_ref().zip(service).map_or(Vec::new(), |((commits, _), service)| {
        let first = match commits {
            Commits::At(times) => times.first().copied().unwrap_or(Instant::START),
            Commits::Drawn(_) => Instant::START,
        };
        states_from(first, service, around, updated)
    });
    let runs: Vec<&TaskDefinition> =
        states.iter().map(|it| &around.task_definitions.table[it.task_definition]).collect();
    let build = build(reader, &mut fields, &runs);
    let deploy = deploy(reader, &mut fields);
    let bad_commits = bad_commits(reader, &mut fields, service, &states, around);
    fields.finish(reader, &Shape::OURS);
    let ((commits, count), (build, container, changed_mb, architecture)) = (commits?, build?);
    let pipeline = Pipeline {
        name: entry.key.clone(),
        service: service?,
        execution_mode,
        source_time,
        build,
        deploy,
        executions: count,
        revisions: Vec::new(),
        bad_commits,
    };
    Some((pipeline, commits, NewImage { container, changed_mb, architecture, count }))
}

/// What a service is, one after the other, while something may be deployed to it whose first commit comes at `first`.
fn states_from<'a>(
    first: Instant,
    service: Id<ServiceDefinition>,
    around: &Around<'a>,
    updated: &'a [UpdatedService],
) -> Vec<&'a ServiceDefinition> {
    let its: Vec<&UpdatedService> = updated.iter().filter(|it| it.service == service).collect();
    let ends = its.iter().map(|it| Some(it.at)).chain([None]);
    let states = std::iter::once(&around.services[service]).chain(its.iter().map(|it| &it.definition));
    states.zip(ends).filter(|(_, end)| end.is_none_or(|it| it > first)).map(|it| it.0).collect()
}

/// When commits come, and for how many of them there is an execution.
fn commits(reader: &mut Reader<'_>, fields: &mut Fields<'_>, duration: Span) -> Option<(Commits, usize)> {
    let of = fields.of.clone();
    let node = fields.required(reader, "commits")?;
    let mut fields = reader.fields(node, format!("`commits` of {of}"))?;
    let at = fields.take("at");
    let drawn = fields.take("arrivals");
    let most = fields.count(reader, "executions", 1..=EXECUTIONS_MAXIMUM as u32);
    let commits = match (at, drawn) {
        (Some(node), None) => {
            let what = What { field: "at", of: &fields.of };
            let nodes = if node.text().is_some() { std::slice::from_ref(node) } else { reader.list(what, node) };
            let mut times: Vec<Instant> =
                nodes.iter().filter_map(|it| Some(Instant::START + reader.span(what, it)?)).collect();
            times.sort_unstable();
            if times.len() > EXECUTIONS_MAXIMUM {
                let message = format!("{} are {}; at most {EXECUTIONS_MAXIMUM} are simulated", fields.of, times.len());
                reader.refuse(Problem::new(node.place, message));
            }
            if most.is_some() {
                let problem =
                    Problem::new(fields.place_of("executions"), format!("{} are known one by one", fields.of));
                reader.refuse(problem.help("`executions` is for commits that come at random"));
            }
            if let Some(late) = times.iter().find(|it| it.since(Instant::START) >= duration) {
                reader.note(format!("{}: one at {late} comes after the end of the run", fields.of));
            }
            let count = times.len();
            Some((Commits::At(Arc::from(times)), count))
        }
        (None, Some(node)) => {
            let of = fields.of.clone();
            let process = arrivals(reader, node, &of, duration);
            process.map(|it| (Commits::Drawn(it), most.unwrap_or(EXECUTIONS_USUAL) as usize))
        }
        _ => {
            let problem = Problem::new(node.place, format!("{} must be given in one way", fields.of));
            reader.refuse(problem.help(
                "`at: [10m, 20m]`, or `arrivals: {poisson: {rate: 4/h}}` with as many `executions` as are simulated",
            ));
            None
        }
    };
    fields.finish(reader, &Shape::OURS);
    commits
}

/// What is built: how long that takes, of which container, how much of its image changes, and for which architecture.
type Built = (Build, String, f64, Option<CpuArchitecture>);

fn build(reader: &mut Reader<'_>, fields: &mut Fields<'_>, runs: &[&TaskDefinition]) -> Option<Built> {
    let mut build = fields.map(reader, "build")?;
    let minutes = |it: u64| Distribution::Constant(Span::MINUTE * it);
    let provisioning_time =
        build.distribution_or(reader, "provisioningTime", Distribution::Constant(Span::seconds(30)));
    let time = build.distribution_or(reader, "time", minutes(3));
    let cached_time = build.distribution_or(reader, "cachedTime", minutes(1));
    let cache_share = build.number_or(reader, "cacheShare", 0.0..=1.0, 0.0);
    let concurrent = build.count_or(reader, "concurrent", 1..=1_000, 1);
    let architectures = [("X86_64", CpuArchitecture::X86_64), ("ARM64", CpuArchitecture::Arm64)];
    let architecture = build.word(reader, "architecture", &architectures);
    let compute_types = [
        ("BUILD_GENERAL1_SMALL", ComputeType::Small),
        ("BUILD_GENERAL1_MEDIUM", ComputeType::Medium),
        ("BUILD_GENERAL1_LARGE", ComputeType::Large),
    ];
    let compute_type = build.word_or(reader, "computeType", &compute_types, ComputeType::default());
    build.usual(reader, "changed", "20MB");
    let changed_mb = build.parsed(reader, "changed", size_mb).unwrap_or(20.0);
    let push_mb_per_second = build.positive_or(reader, "pushMbPerSecond", 50.0);
    let at = build.place_of("container");
    let said = build.text(reader, "container");
    let of = build.of.clone();
    build.finish(reader, &Shape::OURS);
    let container = said.unwrap_or(&runs.first()?.containers[0].name);
    let lacks = |it: &&&TaskDefinition| it.containers.iter().all(|it| it.name != container);
    if let Some(definition) = runs.iter().find(lacks) {
        let names = || definition.containers.iter().map(|it| it.name.as_str());
        let message = format!("`container` of {of} is `{container}`, which `{}` does not have", definition.name());
        let problem = Problem::new(at, message);
        reader.refuse(match nearest(container, names()) {
            Some(near) => problem.label(format!("did you mean `{near}`?")),
            None => problem.help(format!("it has {}", listed(names()))),
        });
        return None;
    }
    let push_time = Span::from_seconds_f64(changed_mb / push_mb_per_second);
    let build = Build { provisioning_time, time, cached_time, cache_share, concurrent, push_time, compute_type };
    Some((build, container.to_owned(), changed_mb, architecture))
}

fn deploy(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Deploy {
    let usual = Deploy { waits_for_service: true, timeout: DEPLOYMENT_TIMEOUT_MAXIMUM };
    let Some(mut deploy) = fields.map(reader, "deploy") else { return usual };
    let waits_for_service = deploy.flag_or(reader, "waitsForService", true);
    let minutes = deploy.count_or(reader, "DeploymentTimeout", 1..=60, 60);
    deploy.finish(reader, &Shape::OURS);
    Deploy { waits_for_service, timeout: Span::MINUTE * u64::from(minutes) }
}

fn bad_commits(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    service: Option<Id<ServiceDefinition>>,
    states: &[&ServiceDefinition],
    around: &Around<'_>,
) -> Option<BadCommits> {
    let node = fields.take("badCommits")?;
    let mut bad = reader.fields(node, format!("`badCommits` of {}", fields.of))?;
    bad.required(reader, "share");
    let share = bad.number(reader, "share", 0.0..=1.0);
    let node = bad.required(reader, "taskDefinition");
    let of = bad.of.clone();
    let mut task_definition = None;
    if let (Some(node), Some(service)) = (node, service) {
        // It may come at any time; what it cannot replace is told of once.
        for state in states {
            let mut services = around.services.clone();
            services[service] = (*state).clone();
            let around = Around { services: &services, ..*around };
            task_definition = new_definition(reader, node, &of, Some(service), &around);
            if task_definition.is_none() {
                break;
            }
        }
    }
    bad.finish(reader, &Shape::OURS);
    Some(BadCommits { share: share?, task_definition: task_definition? })
}
