//! Calls that AWS refused or throttled.

use crate::units::Instant;

/// Calls of one action that came to the same error: those of the timeline, and of standalone tasks those that failed for another reason
/// than that no instance, or Fargate, took a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedCalls {
    /// The action, such as `UpdateService`.
    pub action: &'static str,
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
    /// How many of them were not followed by another attempt, so that what they were to do is not done.
    pub given_up: u64,
}

impl FailedCalls {
    /// Whether they were too many, and nothing else was wrong with them.
    pub fn is_throttled(&self) -> bool {
        self.error.starts_with("ThrottlingException")
    }
}
