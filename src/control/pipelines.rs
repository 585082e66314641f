//! Pipelines: commits become images, images revisions, and revisions deployments, one execution after the other or several at once.

use crate::agenda::Event;
use crate::aws::pipeline::{DEPLOYMENT_POLL, EXECUTIONS_AT_ONCE_MAXIMUM, ExecutionMode, Pipeline};
use crate::aws::service::ServiceDefinition;
use crate::aws::task_definition::TaskDefinition;
use crate::control::Control;
use crate::control::log::Decision;
use crate::control::scheduler::deployment::NewRevision;
use crate::rng::{Seed, Stream};
use crate::run::{CalledBy, ExecutionStatus, PipelineExecution};
use crate::scenario::Scenario;
use crate::table::Id;
use crate::units::{Instant, Span};
use crate::workload::commits::CommitSource;

/// A pipeline as it stands.
pub struct PipelineInForce {
    commits: CommitSource,
    next_commit: Option<Instant>,
    /// How long the stages of an execution take, and whether its commit is bad.
    fates: Stream,
    executions: Vec<Execution>,
}

/// One execution.
struct Execution {
    stage: Stage,
    fate: Fate,
    row: PipelineExecution,
}

/// What is drawn for an execution when its commit comes, whatever becomes of it.
struct Fate {
    source: Span,
    build: Span,
    is_bad: bool,
}

/// How far an execution has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Source { until: Instant },
    WaitsToBuild,
    Build { built: Instant, until: Instant },
    WaitsToDeploy,
    Deploy { deployment: u32, until: Instant, look_at: Instant },
    Ended,
}

impl PipelineInForce {
    /// Before the first commit.
    pub fn of(scenario: &Scenario, seed: Seed) -> Vec<PipelineInForce> {
        let each = scenario.pipelines.iter().zip(&scenario.commits);
        each.map(|(pipeline, commits)| PipelineInForce {
            commits: CommitSource::new(commits, seed.stream("commits", &pipeline.name)),
            next_commit: None,
            fates: seed.stream("pipeline executions", &pipeline.name),
            executions: Vec::new(),
        })
        .collect()
    }

    /// What has come of its executions.
    pub fn rows(&self) -> impl Iterator<Item = PipelineExecution> + '_ {
        self.executions.iter().map(|it| it.row.clone())
    }

    fn are_in(&self, is_there: impl Fn(Stage) -> bool) -> usize {
        self.executions.iter().filter(|it| is_there(it.stage)).count()
    }
}

fn is_waiting_to_build(stage: Stage) -> bool {
    stage == Stage::WaitsToBuild
}

fn is_waiting_to_deploy(stage: Stage) -> bool {
    stage == Stage::WaitsToDeploy
}

fn is_building(stage: Stage) -> bool {
    matches!(stage, Stage::Build { .. })
}

fn is_deploying(stage: Stage) -> bool {
    matches!(stage, Stage::Deploy { .. })
}

impl Control<'_> {
    pub(super) fn begin_pipelines(&mut self) {
        for pipeline in self.scenario.pipelines.ids() {
            self.await_next_commit(pipeline);
        }
    }

    fn await_next_commit(&mut self, pipeline: Id<Pipeline>) {
        let state = &mut self.pipelines[pipeline.index()];
        state.next_commit = state.commits.next_commit();
        if let Some(at) = state.next_commit {
            self.agenda.put(at, Event::PipelineAdvances(pipeline));
        }
    }

    /// A commit has come, a stage has ended, or the service is looked at.
    pub(super) fn pipeline_advances(&mut self, pipeline: Id<Pipeline>) {
        let now = self.now();
        while self.pipelines[pipeline.index()].next_commit.is_some_and(|it| it <= now) {
            self.commit_comes(pipeline);
            self.await_next_commit(pipeline);
        }
        for place in 0..self.pipelines[pipeline.index()].executions.len() {
            self.execution_advances(pipeline, place);
        }
        self.builds_begin(pipeline);
        self.deployments_begin(pipeline);
    }

    fn commit_comes(&mut self, pipeline: Id<Pipeline>) {
        let now = self.now();
        let definition = &self.scenario.pipelines[pipeline];
        let state = &mut self.pipelines[pipeline.index()];
        let build = &definition.build;
        let (cached, bad) = (state.fates.unit(), state.fates.unit());
        let source = definition.source_time.sample(&mut state.fates);
        let provisioning = build.provisioning_time.sample(&mut state.fates);
        let (fresh, from_cache) = (build.time.sample(&mut state.fates), build.cached_time.sample(&mut state.fates));
        let fate = Fate {
            source,
            build: provisioning + if cached < build.cache_share { from_cache } else { fresh },
            is_bad: definition.bad_commits.is_some_and(|it| bad < it.share),
        };
        let number = state.executions.len();
        let under_way = state.are_in(|it| it != Stage::Ended);
        let refusal = if number >= definition.executions {
            Some("the scenario simulates no more executions")
        } else if definition.execution_mode != ExecutionMode::Superseded && under_way >= EXECUTIONS_AT_ONCE_MAXIMUM {
            Some("too many executions are under way")
        } else {
            None
        };
        let until = now + fate.source;
        let mut execution = Execution {
            stage: Stage::Source { until },
            row: PipelineExecution::new(pipeline.index(), number as u32 + 1, now, fate.is_bad),
            fate,
        };
        match refusal {
            Some(reason) => {
                execution.stage = Stage::Ended;
                execution.row.ended(now, ExecutionStatus::NotStarted, reason);
            }
            None => self.agenda.put(until, Event::PipelineAdvances(pipeline)),
        }
        state.executions.push(execution);
    }

    /// A stage of one execution has ended, where it has.
    fn execution_advances(&mut self, pipeline: Id<Pipeline>, place: usize) {
        let now = self.now();
        let execution = &mut self.pipelines[pipeline.index()].executions[place];
        match execution.stage {
            Stage::Source { until } if until <= now => {
                execution.row.source_ended_at = Some(now);
                execution.stage = Stage::WaitsToBuild;
            }
            Stage::Build { built, until } if until <= now => {
                execution.row.build_ended_at = Some(built);
                execution.row.pushed_at = Some(now);
                execution.stage = Stage::WaitsToDeploy;
            }
            Stage::Deploy { deployment, until, look_at } if look_at <= now => {
                self.deployment_is_looked_at(pipeline, place, deployment, until);
            }
            Stage::Source { .. } | Stage::WaitsToBuild | Stage::Build { .. } => {}
            Stage::WaitsToDeploy | Stage::Deploy { .. } | Stage::Ended => {}
        }
    }

    /// Those that may enter the build do.
    fn builds_begin(&mut self, pipeline: Id<Pipeline>) {
        let now = self.now();
        let definition = &self.scenario.pipelines[pipeline];
        let room = match definition.execution_mode {
            ExecutionMode::Parallel => definition.build.concurrent as usize,
            ExecutionMode::Superseded | ExecutionMode::Queued => 1,
        };
        self.newest_supersedes(pipeline, is_waiting_to_build);
        let state = &mut self.pipelines[pipeline.index()];
        let free = room.saturating_sub(state.are_in(is_building));
        for execution in state.executions.iter_mut().filter(|it| it.stage == Stage::WaitsToBuild).take(free) {
            let built = now + execution.fate.build;
            let until = built + definition.build.push_time;
            execution.row.build_began_at = Some(now);
            execution.stage = Stage::Build { built, until };
            self.agenda.put(until, Event::PipelineAdvances(pipeline));
        }
    }

    /// Those that may enter the deployment do.
    fn deployments_begin(&mut self, pipeline: Id<Pipeline>) {
        let mode = self.scenario.pipelines[pipeline].execution_mode;
        self.newest_supersedes(pipeline, is_waiting_to_deploy);
        loop {
            let state = &self.pipelines[pipeline.index()];
            if mode != ExecutionMode::Parallel && state.are_in(is_deploying) > 0 {
                return;
            }
            let Some(place) = state.executions.iter().position(|it| is_waiting_to_deploy(it.stage)) else { return };
            if let Some(pause) = self.pipelines_call_is_throttled(pipeline) {
                self.agenda.put(self.now() + pause, Event::PipelineAdvances(pipeline));
                return;
            }
            self.deployment_begins(pipeline, place);
        }
    }

    /// In SUPERSEDED mode only the newest of those that wait for a stage goes on.
    fn newest_supersedes(&mut self, pipeline: Id<Pipeline>, waits: fn(Stage) -> bool) {
        if self.scenario.pipelines[pipeline].execution_mode != ExecutionMode::Superseded {
            return;
        }
        let now = self.now();
        let executions = &mut self.pipelines[pipeline.index()].executions;
        let Some(newest) = executions.iter().rposition(|it| waits(it.stage)) else { return };
        for older in executions[..newest].iter_mut().filter(|it| waits(it.stage)) {
            older.stage = Stage::Ended;
            older.row.ended(now, ExecutionStatus::Superseded, &format!("execution {} overtook it", newest + 1));
        }
    }

    /// The task definition of a service that the deploy action finds and gives another image: what the service was given last by
    /// hand, whatever pipelines and bad commits have made of it since.
    fn given_by_hand(&self, service: Id<ServiceDefinition>) -> Id<TaskDefinition> {
        let scenario = self.scenario;
        let own = || scenario.pipelines.iter().filter(|it| it.service == service);
        let is_bad =
            |of: Id<TaskDefinition>| own().any(|it| it.bad_commits.is_some_and(|bad| bad.task_definition == of));
        let deployments = &self.services[service.index()].deployments;
        let runs = deployments.iter().rev().map(|it| it.task_definition).find(|it| !is_bad(*it));
        scenario.revision_before_pipelines(service, runs.unwrap_or(scenario.services[service].task_definition))
    }

    /// A revision is registered, and the service updated to it.
    fn deployment_begins(&mut self, pipeline: Id<Pipeline>, place: usize) {
        let now = self.now();
        let definition = &self.scenario.pipelines[pipeline];
        let runs = self.given_by_hand(definition.service);
        let execution = &self.pipelines[pipeline.index()].executions[place];
        let bad = definition.bad_commits.filter(|_| execution.fate.is_bad).map(|it| it.task_definition);
        let execution = &mut self.pipelines[pipeline.index()].executions[place];
        let revision = bad.or(definition.revision(runs, place)).expect("an execution that started has a revision");
        execution.row.deploy_began_at = Some(now);
        execution.row.task_definition = Some(revision.index());
        let number = execution.row.execution;
        let cause = self.say_of_pipeline(
            pipeline,
            "pipeline.deploy",
            &format!("execution {number} updates its service to {}", self.scenario.task_definitions[revision].name()),
        );
        let revision = NewRevision { task_definition: Some(revision), ..NewRevision::default() };
        let error = match self.error_of_status(definition.service) {
            Some(error) => Some(error.to_owned()),
            None => self.registration_of_next(definition.service, &revision).err(),
        };
        if let Some(error) = error {
            let target = format!("service `{}`", self.scenario.services[definition.service].name);
            self.note_failed_call_of(CalledBy::Pipeline, "UpdateService", target, &error, true);
            self.execution_ends(pipeline, place, ExecutionStatus::Failed, &error);
            return;
        }
        self.start_deployment(definition.service, revision, Some(cause));
        let deployment = self.services[definition.service.index()].primary().number;
        let execution = &mut self.pipelines[pipeline.index()].executions[place];
        if definition.deploy.waits_for_service {
            let until = now + definition.deploy.timeout;
            let look_at = until.min(now + DEPLOYMENT_POLL);
            execution.stage = Stage::Deploy { deployment, until, look_at };
            self.agenda.put(look_at, Event::PipelineAdvances(pipeline));
        } else {
            self.execution_ends(pipeline, place, ExecutionStatus::Succeeded, "");
        }
    }

    fn deployment_is_looked_at(&mut self, pipeline: Id<Pipeline>, place: usize, deployment: u32, until: Instant) {
        let now = self.now();
        let service = self.scenario.pipelines[pipeline].service;
        let primary = self.services[service.index()].primary();
        let failure = self.services[service.index()].deployment(deployment).and_then(|it| it.failure);
        if primary.number != deployment {
            let reason = failure.map_or("another deployment replaced it".to_owned(), |it| it.words());
            self.execution_ends(pipeline, place, ExecutionStatus::Failed, &reason);
        } else if primary.is_completed() {
            self.execution_ends(pipeline, place, ExecutionStatus::Succeeded, "");
        } else if now >= until {
            let reason = failure.map_or("the service did not come to it in time".to_owned(), |it| it.words());
            self.execution_ends(pipeline, place, ExecutionStatus::Failed, &reason);
        } else {
            let look_at = until.min(now + DEPLOYMENT_POLL);
            let execution = &mut self.pipelines[pipeline.index()].executions[place];
            execution.stage = Stage::Deploy { deployment, until, look_at };
            self.agenda.put(look_at, Event::PipelineAdvances(pipeline));
        }
    }

    fn execution_ends(&mut self, pipeline: Id<Pipeline>, place: usize, status: ExecutionStatus, reason: &str) {
        let now = self.now();
        let execution = &mut self.pipelines[pipeline.index()].executions[place];
        execution.stage = Stage::Ended;
        execution.row.ended(now, status, reason);
        let number = execution.row.execution;
        let words = match reason {
            "" => format!("execution {number} succeeded"),
            reason => format!("execution {number} failed: {reason}"),
        };
        self.say_of_pipeline(pipeline, "pipeline.ended", &words);
    }

    fn say_of_pipeline(&mut self, pipeline: Id<Pipeline>, kind: &'static str, words: &str) -> Decision {
        let name = &self.scenario.pipelines[pipeline].name;
        let (resource, message) = (format!("pipeline/{name}"), format!("(pipeline {name}) {words}"));
        self.log.put(self.agenda.now(), None, kind, resource, message)
    }
}
