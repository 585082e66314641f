//! The life of an instance in its group, and the hooks that it waits for.
//!
//! Follows *Amazon EC2 Auto Scaling instance lifecycle* and *Amazon EC2 Auto Scaling lifecycle hooks* in the EC2 Auto Scaling guide
//! (2023 to 2026 copies).

use crate::distribution::Distribution;
use crate::rng::Stream;
use crate::units::Span;

/// `LifecycleState` of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LifecycleState {
    /// EC2 launches it.
    Pending,
    /// It waits for launch hooks.
    PendingWait,
    /// It counts for its group.
    InService,
    /// It still runs, and its group does not count on it.
    Standby,
    /// It waits for termination hooks, that of managed draining among them.
    TerminatingWait,
    /// Gone.
    Terminated,
    /// It is being prepared for the warm pool.
    WarmedPending,
    /// The same, and it waits for launch hooks.
    WarmedPendingWait,
    /// In the warm pool, stopped.
    WarmedStopped,
    /// In the warm pool, running.
    WarmedRunning,
    /// In the warm pool, stopped with its memory kept.
    WarmedHibernated,
}

impl LifecycleState {
    /// As the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            LifecycleState::Pending => "Pending",
            LifecycleState::PendingWait => "Pending:Wait",
            LifecycleState::InService => "InService",
            LifecycleState::Standby => "Standby",
            LifecycleState::TerminatingWait => "Terminating:Wait",
            LifecycleState::Terminated => "Terminated",
            LifecycleState::WarmedPending => "Warmed:Pending",
            LifecycleState::WarmedPendingWait => "Warmed:Pending:Wait",
            LifecycleState::WarmedStopped => "Warmed:Stopped",
            LifecycleState::WarmedRunning => "Warmed:Running",
            LifecycleState::WarmedHibernated => "Warmed:Hibernated",
        }
    }

    /// Whether it is in the warm pool, or on its way there.
    pub fn is_warmed(self) -> bool {
        self >= LifecycleState::WarmedPending
    }
}

/// `LifecycleTransition` of a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LifecycleTransition {
    /// `autoscaling:EC2_INSTANCE_LAUNCHING`
    Launching,
    /// `autoscaling:EC2_INSTANCE_TERMINATING`
    Terminating,
}

/// `LifecycleActionResult`, and the `DefaultResult` of a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LifecycleActionResult {
    /// The transition goes on once all hooks have completed.
    Continue,
    /// A launch has failed; a termination waits for no other hook.
    Abandon,
}

/// A lifecycle hook.
#[derive(Clone, Debug, PartialEq)]
pub struct LifecycleHook {
    /// Name.
    pub name: String,
    /// What it holds up.
    pub transition: LifecycleTransition,
    /// `HeartbeatTimeout`, 30 s to 7200 s; AWS's default is 3600 s.
    pub heartbeat_timeout: Span,
    /// `DefaultResult` where nobody completes it in time; AWS's default is `ABANDON`.
    pub default_result: LifecycleActionResult,
    /// How long its work takes until it calls `CompleteLifecycleAction`; `None` where it never does.
    pub completes: Option<Distribution>,
    /// What it says then.
    pub result: LifecycleActionResult,
    /// Whether it calls `RecordLifecycleActionHeartbeat` before each timeout.
    pub records_heartbeats: bool,
}

impl LifecycleHook {
    /// How long it holds an instance up, how it ends, and whether it timed out.
    pub fn ends(&self, stream: &mut Stream) -> (Span, LifecycleActionResult, bool) {
        let most = match self.records_heartbeats {
            // The global timeout: 48 hours, or a hundred times the heartbeat timeout.
            true => (self.heartbeat_timeout * 100).min(Span::seconds(48 * 3600)),
            false => self.heartbeat_timeout,
        };
        match self.completes.as_ref().map(|it| it.sample(stream)).filter(|it| *it < most) {
            Some(after) => (after, self.result, false),
            None => (if self.completes.is_some() { most } else { self.heartbeat_timeout }, self.default_result, true),
        }
    }
}

/// When the hooks of a transition have all ended, and which of them decided: the first that abandons, else the last.
pub fn deciding_hook(ends: &[(Span, LifecycleActionResult, bool)]) -> Option<usize> {
    let abandons =
        (0..ends.len()).filter(|it| ends[*it].1 == LifecycleActionResult::Abandon).min_by_key(|it| ends[*it].0);
    abandons.or_else(|| (0..ends.len()).max_by_key(|it| ends[*it].0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;

    fn hook(completes: Option<u64>, records_heartbeats: bool) -> LifecycleHook {
        LifecycleHook {
            name: "prepare".to_owned(),
            transition: LifecycleTransition::Launching,
            heartbeat_timeout: Span::seconds(300),
            default_result: LifecycleActionResult::Abandon,
            completes: completes.map(|it| Distribution::Constant(Span::seconds(it))),
            result: LifecycleActionResult::Continue,
            records_heartbeats,
        }
    }

    #[test]
    fn a_hook_completes_or_times_out() {
        let mut stream = Seed { seed: 1, replication: 0 }.stream("hooks", "test");
        let mut ends = |completes, heartbeats| hook(completes, heartbeats).ends(&mut stream);
        let (goes_on, given_up) = (LifecycleActionResult::Continue, LifecycleActionResult::Abandon);
        assert_eq!(ends(Some(90), false), (Span::seconds(90), goes_on, false));
        assert_eq!(ends(Some(900), false), (Span::seconds(300), given_up, true));
        assert_eq!(ends(Some(900), true), (Span::seconds(900), goes_on, false));
        assert_eq!(ends(None, false), (Span::seconds(300), given_up, true));
        // A hundred times the timeout, less than 48 hours.
        assert_eq!(ends(Some(40_000), true), (Span::seconds(30_000), given_up, true));
    }

    #[test]
    fn the_first_that_abandons_decides() {
        let (goes_on, given_up) = (LifecycleActionResult::Continue, LifecycleActionResult::Abandon);
        let at = |seconds, result| (Span::seconds(seconds), result, false);
        assert_eq!(deciding_hook(&[]), None);
        assert_eq!(deciding_hook(&[at(30, goes_on), at(90, goes_on)]), Some(1));
        assert_eq!(deciding_hook(&[at(90, goes_on), at(60, given_up), at(30, given_up)]), Some(2));
    }
}
