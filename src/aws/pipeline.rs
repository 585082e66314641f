//! Pipelines of CodePipeline that build an image and deploy it to a service.
//!
//! *How pipeline executions work* in the CodePipeline User Guide (2026): a stage is locked while an execution is in it, but for
//! PARALLEL mode. Three stages: source, which never waits; build, on a machine of CodeBuild, whose image is pushed; deploy, which
//! registers a revision and updates the service.

use crate::aws::service::ServiceDefinition;
use crate::aws::task_definition::TaskDefinition;
use crate::distribution::Distribution;
use crate::table::Id;
use crate::units::Span;

/// Most executions of a pipeline in QUEUED or PARALLEL mode that are under way at once, a quota that is fixed; what comes then does not
/// start (*Quotas in AWS CodePipeline*, "Maximum number of concurrent pipeline executions per pipeline", read 2026).
pub const EXECUTIONS_AT_ONCE_MAXIMUM: usize = 50;

/// How long the deploy action of ECS waits for the service at the most.
pub const DEPLOYMENT_TIMEOUT_MAXIMUM: Span = Span::seconds(3600);

/// How often the deploy action looks at the service (inferred).
pub const DEPLOYMENT_POLL: Span = Span::seconds(10);

/// What becomes of an execution that finds another under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExecutionMode {
    /// Of those that wait to enter a stage only the newest goes on: CodePipeline's default.
    #[default]
    Superseded,
    /// They enter each stage in turn.
    Queued,
    /// None waits for any other, but for a machine to build on; the last to deploy wins.
    Parallel,
}

/// A pipeline.
#[derive(Clone, Debug, PartialEq)]
pub struct Pipeline {
    /// Name.
    pub name: String,
    /// What it deploys to.
    pub service: Id<ServiceDefinition>,
    /// `executionMode`
    pub execution_mode: ExecutionMode,
    /// From the commit until its source is there.
    pub source_time: Distribution,
    /// How images are built.
    pub build: Build,
    /// How they are deployed.
    pub deploy: Deploy,
    /// How many of its executions are simulated; those beyond them do not start.
    pub executions: usize,
    /// The revisions that it can register, of each task definition that its service is ever given by hand.
    pub revisions: Vec<RevisionsOf>,
    /// What bad commits are deployed as.
    pub bad_commits: Option<BadCommits>,
}

/// What a pipeline makes of a task definition: the same with a new image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevisionsOf {
    /// The task definition.
    pub task_definition: Id<TaskDefinition>,
    /// Of each execution, by its place.
    pub of_executions: Vec<Id<TaskDefinition>>,
}

impl Pipeline {
    /// What an execution registers while its service runs a task definition.
    pub fn revision(&self, of: Id<TaskDefinition>, execution: usize) -> Option<Id<TaskDefinition>> {
        self.revisions.iter().find(|it| it.task_definition == of)?.of_executions.get(execution).copied()
    }

    /// What a revision is the same as but for its image; `None` where it is none of the pipeline's.
    pub fn task_definition_of(&self, revision: Id<TaskDefinition>) -> Option<Id<TaskDefinition>> {
        // They are numbered in a row.
        let has_it = |it: &&RevisionsOf| it.of_executions.binary_search(&revision).is_ok();
        self.revisions.iter().find(has_it).map(|it| it.task_definition)
    }
}

/// `computeType` of a build project, on Linux (CodeBuild User Guide, *Build environment compute modes and types*). Which one decides what
/// a minute costs; how long a build takes is said apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ComputeType {
    /// `BUILD_GENERAL1_SMALL`
    #[default]
    Small,
    /// `BUILD_GENERAL1_MEDIUM`
    Medium,
    /// `BUILD_GENERAL1_LARGE`
    Large,
}

/// How images are built.
#[derive(Clone, Debug, PartialEq)]
pub struct Build {
    /// Time until a machine is there.
    pub provisioning_time: Distribution,
    /// Time to build from nothing.
    pub time: Distribution,
    /// Time to build where the machine's cache has what has not changed.
    pub cached_time: Distribution,
    /// The share of builds that find such a cache, 0 to 1.
    pub cache_share: f64,
    /// Builds at once, from 1; what is more waits for a machine.
    pub concurrent: u32,
    /// Time to push the layers that changed.
    pub push_time: Span,
    /// `computeType` of the machines.
    pub compute_type: ComputeType,
}

/// How images are deployed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deploy {
    /// Whether the stage lasts until the service has come to the new revision.
    pub waits_for_service: bool,
    /// How long it waits at the most: up to 60 minutes.
    pub timeout: Span,
}

/// Commits that break the service.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BadCommits {
    /// The share of commits that do, 0 to 1.
    pub share: f64,
    /// The revision that they are deployed as.
    pub task_definition: Id<TaskDefinition>,
}
