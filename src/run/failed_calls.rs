//! Calls that AWS refused or throttled.

use crate::units::Instant;

/// Who makes a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalledBy {
    /// The account itself, or what starts standalone tasks for it: what the call was made for tells which.
    Account,
    /// Application Auto Scaling.
    ApplicationAutoScaling,
    /// A pipeline that deploys.
    Pipeline,
}

impl CalledBy {
    /// As outputs have it.
    pub fn as_str(self) -> &'static str {
        match self {
            CalledBy::Account => "account",
            CalledBy::ApplicationAutoScaling => "application-auto-scaling",
            CalledBy::Pipeline => "pipeline",
        }
    }
}

/// Calls of one action that somebody made and that came to the same error: those of the timeline, of Application Auto Scaling and of
/// pipelines, and of standalone tasks those that failed for another reason than that no instance, or Fargate, took a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedCalls {
    /// The action, such as `UpdateService`.
    pub action: &'static str,
    /// Who called.
    pub called_by: CalledBy,
    /// The error, with its message where it has one.
    pub error: String,
    /// What they were made for, such as "service `web`", each once and in order of time.
    pub targets: Vec<String>,
    /// How many attempts were answered with it.
    pub attempts: u64,
    /// When the first was.
    pub first_at: Instant,
    /// When the last was.
    pub last_at: Instant,
    /// How many of them were not followed by another attempt, so that what they were to do is not done. AWS's own services try until they
    /// are answered, unless they want something newer.
    pub given_up: u64,
}

impl FailedCalls {
    /// Whether they were too many, and nothing else was wrong with them.
    pub fn is_throttled(&self) -> bool {
        self.error.starts_with("ThrottlingException")
    }
}
