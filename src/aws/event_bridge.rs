//! EventBridge: rules and schedules whose targets run tasks.
//!
//! *Amazon EventBridge User Guide* (rules that run on a schedule, retry policies, dead-letter queues) and *EventBridge Scheduler
//! User Guide*, with the API models of `events` and `scheduler` (2026). Nothing of an event is passed on to its tasks, and nothing
//! keeps the next run from beginning while the last one goes on.

use crate::units::Span;

/// Most tasks of one invocation: what one call of `RunTask` starts.
pub const TASK_COUNT_MAXIMUM: u32 = 10;

/// Most targets of a rule (*Amazon EventBridge quotas*).
pub const TARGETS_MAXIMUM: usize = 5;

/// Longest pause before an invocation is tried again. AWS does not say how long they are; they are exponential, with jitter.
pub const RETRY_PAUSE_MAXIMUM: Span = Span::seconds(600);

/// Which of the two services invokes a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invoker {
    /// A rule of an event bus.
    Rule,
    /// A schedule of EventBridge Scheduler.
    Schedule,
}

impl Invoker {
    /// `startedBy` of the tasks of a rule or schedule.
    pub fn started_by(self, name: &str) -> String {
        match self {
            Invoker::Rule => format!("events-rule/{name}"),
            Invoker::Schedule => format!("chronos-schedule/{name}"),
        }
    }
}

/// What reaches a target, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Within the minute that the schedule names, always at the same second of it.
    WithinTheMinute,
    /// Within so long from then, `FlexibleTimeWindow`, each time anew.
    WithinWindow(Span),
    /// As soon as S3 has told the bus of an object, and the bus the target.
    OfObject,
}

/// A target that runs tasks: `EcsParameters`, with what is tried again and for how long.
#[derive(Clone, Debug, PartialEq)]
pub struct EcsTarget {
    /// Whose it is.
    pub invoker: Invoker,
    /// Name of the rule or schedule.
    pub name: String,
    /// When it is invoked.
    pub delivery: Delivery,
    /// `RetryPolicy`
    pub retry_policy: RetryPolicy,
    /// Whether what is given up goes to a queue: `DeadLetterConfig`.
    pub has_dead_letter_queue: bool,
}

/// `RetryPolicy` of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// `MaximumRetryAttempts`, 0 to 185: how often an invocation is tried beyond the first time.
    pub maximum_retry_attempts: u32,
    /// `MaximumEventAgeInSeconds`, 60 s to 24 h: after which it is not tried again.
    pub maximum_event_age: Span,
}

impl Default for RetryPolicy {
    /// AWS's: 185 times in 24 hours.
    fn default() -> RetryPolicy {
        RetryPolicy { maximum_retry_attempts: 185, maximum_event_age: Span::seconds(86_400) }
    }
}

impl RetryPolicy {
    /// The pause before an invocation of this age is tried again, which was `retries` times already; `None` where it is given up.
    /// `jitter` is drawn from 0 to 1.
    pub fn pause(&self, retries: u32, age: Span, jitter: f64) -> Option<Span> {
        let longest = RETRY_PAUSE_MAXIMUM.min(Span::SECOND * (1_u64 << retries.min(10)));
        let pause = Span::from_nanos_f64(longest.0 as f64 * jitter);
        (retries < self.maximum_retry_attempts && age + pause <= self.maximum_event_age).then_some(pause)
    }
}

/// What an object's key must be like for a rule: one item of `detail.object.key` of its `EventPattern`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPattern {
    /// This very key.
    Is(String),
    /// `prefix`
    Prefix(String),
    /// `suffix`
    Suffix(String),
    /// `wildcard`: `*` is any text.
    Wildcard(String),
}

impl KeyPattern {
    /// Whether a key is like that.
    pub fn matches(&self, key: &str) -> bool {
        match self {
            KeyPattern::Is(text) => key == text,
            KeyPattern::Prefix(text) => key.starts_with(text.as_str()),
            KeyPattern::Suffix(text) => key.ends_with(text.as_str()),
            KeyPattern::Wildcard(text) => matches_wildcard(text, key),
        }
    }
}

fn matches_wildcard(pattern: &str, key: &str) -> bool {
    let parts: Vec<&str> = pattern.split('*').collect();
    let [first, middle @ .., last] = parts.as_slice() else { return pattern == key };
    // The ends are fixed, and what lies between is found from the left.
    let Some(mut rest) = key.strip_prefix(first).and_then(|it| it.strip_suffix(last)) else { return false };
    middle.iter().all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_10_minutes_and_end_with_attempts_or_age() {
        let policy = RetryPolicy::default();
        let pauses: Vec<Option<Span>> = (0..12).map(|it| policy.pause(it, Span::ZERO, 1.0)).collect();
        let expected = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600].map(|it| Some(Span::seconds(it)));
        assert_eq!(pauses, expected);
        assert_eq!(policy.pause(2, Span::ZERO, 0.25), Some(Span::SECOND));
        assert_eq!((policy.pause(184, Span::ZERO, 0.5).is_some(), policy.pause(185, Span::ZERO, 0.5)), (true, None));
        assert_eq!(policy.pause(1, Span::seconds(86_398), 1.0), Some(Span::seconds(2)));
        assert_eq!(policy.pause(1, Span::seconds(86_399), 1.0), None);
        let never = RetryPolicy { maximum_retry_attempts: 0, ..policy };
        assert_eq!(never.pause(0, Span::ZERO, 0.0), None);
    }

    /// Traffic 7: 185 tries with full jitter take 14.7 h in the mean, so that the age rarely ends them.
    #[test]
    fn tries_185_take_14_7_hours_in_the_mean() {
        let policy = RetryPolicy::default();
        let total: f64 = (0..185).filter_map(|it| policy.pause(it, Span::ZERO, 0.5)).map(|it| it.as_seconds()).sum();
        assert!((total / 3600.0 - 14.7).abs() < 0.05, "{total}");
    }

    #[test]
    fn keys_are_matched_as_patterns_say() {
        let key = "incoming/2026/photo.jpg";
        let all = |text: &str| KeyPattern::Wildcard(text.to_owned()).matches(key);
        assert!(KeyPattern::Prefix("incoming/".into()).matches(key) && KeyPattern::Suffix(".jpg".into()).matches(key));
        assert!(KeyPattern::Is(key.into()).matches(key) && !KeyPattern::Is("incoming/".into()).matches(key));
        assert!(all("*.jpg") && all("incoming/*/photo.*") && all("*") && all(key) && all("*2026*"));
        assert!(!all("incoming/*.png") && !all("*/photo") && !all("incoming/2026/photo.jpg*g"));
    }
}
