//! Containers inside a task: the order in which they start and stop, their health, and when one is started again.
//!
//! Follows `ContainerDependency`, `HealthCheck` and `ContainerRestartPolicy` of the ECS API Reference (2026-08) and the
//! agent's dependency graph (2026-06); the timing of probes is Docker's. Left out: links and `volumesFrom`, which order
//! the start of containers as `START` does.

use std::ops::RangeInclusive;

use crate::units::{Instant, Span};

/// Seconds that `startTimeout` and `stopTimeout` may have on Fargate (`ContainerDefinition`).
pub const FARGATE_TIMEOUT_SECONDS: RangeInclusive<u32> = 2..=120;

/// The exit code of a process that was sent SIGKILL.
pub const EXIT_CODE_KILLED: u8 = 137;

/// The exit code of a container that is never started, because what it depends on cannot come to pass (agent source).
pub const EXIT_CODE_NEVER_STARTED: u8 = 143;

/// The exit code of a container whose image is of another architecture: what runc ends with after `exec format error`.
pub const EXIT_CODE_EXEC_FORMAT: u8 = 255;

/// What a container waits for before it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContainerDependency {
    /// The container it depends on, by its place in the task definition.
    pub container: usize,
    /// What that container must have come to.
    pub condition: ContainerCondition,
}

/// `condition` of a `ContainerDependency`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerCondition {
    /// It runs, or has run.
    Start,
    /// It has exited.
    Complete,
    /// It has exited with code 0.
    Success,
    /// Its health check has passed; asked at the start only.
    Healthy,
}

/// How far a container is that others depend on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Whether it has been started.
    pub has_started: bool,
    /// Its exit code, once it has ended for good.
    pub exit_code: Option<u8>,
    /// Whether its health check passes.
    pub is_healthy: bool,
    /// Whether its `startTimeout` has passed since it was started.
    pub has_timed_out: bool,
}

/// Whether a container may start, as far as one dependency goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// The condition holds.
    Ready,
    /// It may come to hold.
    Waits,
    /// The other container has exited with another code than 0.
    Failed,
    /// The `startTimeout` of the other container is over.
    TimedOut,
}

impl ContainerCondition {
    /// Whether a container that depends on another in this way may start. A `startTimeout` does not concern `START`, nor
    /// a container that has ended.
    pub fn readiness(self, on: Progress) -> Readiness {
        let holds = match self {
            ContainerCondition::Start => on.has_started,
            ContainerCondition::Complete => on.exit_code.is_some(),
            ContainerCondition::Success => on.exit_code == Some(0),
            ContainerCondition::Healthy => on.is_healthy && on.exit_code.is_none(),
        };
        let never_started = on.exit_code.is_some() && !on.has_started;
        match self {
            _ if holds => Readiness::Ready,
            ContainerCondition::Success if on.exit_code.is_some() => Readiness::Failed,
            ContainerCondition::Start | ContainerCondition::Healthy if never_started => Readiness::Failed,
            ContainerCondition::Start => Readiness::Waits,
            _ if on.has_timed_out && on.exit_code.is_none() => Readiness::TimedOut,
            _ => Readiness::Waits,
        }
    }
}

/// Containers that depend on each other in a circle, each on the next and the last on the first; `None` where there are
/// none. `depends_on` gives, for each container, those it depends on.
pub fn circle(depends_on: &[Vec<usize>]) -> Option<Vec<usize>> {
    (0..depends_on.len()).find_map(|first| {
        let mut path = vec![first];
        let mut seen = vec![false; depends_on.len()];
        leads_back(depends_on, first, &mut path, &mut seen).then_some(path)
    })
}

fn leads_back(depends_on: &[Vec<usize>], first: usize, path: &mut Vec<usize>, seen: &mut [bool]) -> bool {
    let last = path[path.len() - 1];
    for &next in &depends_on[last] {
        if next == first {
            return true;
        }
        if !std::mem::replace(&mut seen[next], true) {
            path.push(next);
            if leads_back(depends_on, first, path, seen) {
                return true;
            }
            path.pop();
        }
    }
    false
}

/// How a container that runs takes a SIGTERM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopping {
    /// From SIGTERM until the process would have gone of itself.
    pub shutdown_time: Span,
    /// From SIGTERM to SIGKILL.
    pub stop_timeout: Span,
}

/// How a container is stopped, counted from when its task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// When it is sent SIGTERM.
    pub sigterm: Span,
    /// When its process has gone.
    pub gone: Span,
    /// Whether it took a SIGKILL.
    pub was_killed: bool,
}

/// How the containers of a task are stopped: each once all that run and depend on it have stopped, the others side by side.
/// `containers` gives, for each, whom it depends on, and how it stops where it runs.
///
/// # Panics
/// When containers depend on each other in a circle, which registration refuses.
pub fn stop_order(containers: &[(Vec<usize>, Option<Stopping>)]) -> Vec<Option<Stop>> {
    let mut stops: Vec<Option<Stop>> = vec![None; containers.len()];
    let mut left: Vec<usize> = (0..containers.len()).filter(|&it| containers[it].1.is_some()).collect();
    while !left.is_empty() {
        let before = left.len();
        left.retain(|&container| {
            let dependants =
                containers.iter().enumerate().filter(|(_, it)| it.1.is_some() && it.0.contains(&container));
            let ends: Option<Vec<Span>> = dependants.map(|(dependant, _)| Some(stops[dependant]?.gone)).collect();
            let (Some(ends), Some(stopping)) = (ends, containers[container].1) else { return true };
            let sigterm = ends.into_iter().max().unwrap_or(Span::ZERO);
            stops[container] = Some(Stop {
                sigterm,
                gone: sigterm + stopping.shutdown_time.min(stopping.stop_timeout),
                was_killed: stopping.shutdown_time > stopping.stop_timeout,
            });
            false
        });
        assert!(left.len() < before, "containers do not depend on each other in a circle");
    }
    stops
}

/// `healthStatus` of a container or a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HealthStatus {
    /// Still evaluated, or there is no check.
    #[default]
    Unknown,
    /// Passed.
    Healthy,
    /// Failed.
    Unhealthy,
}

impl HealthStatus {
    /// As the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            HealthStatus::Unknown => "UNKNOWN",
            HealthStatus::Healthy => "HEALTHY",
            HealthStatus::Unhealthy => "UNHEALTHY",
        }
    }
}

/// The health of a task, from that of its essential containers (`HealthCheck`): UNHEALTHY where any is, else UNKNOWN where
/// any is, else HEALTHY.
pub fn task_health(essential: impl IntoIterator<Item = HealthStatus>) -> HealthStatus {
    let mut health = HealthStatus::Healthy;
    for container in essential {
        health = match (health, container) {
            (HealthStatus::Unhealthy, _) | (_, HealthStatus::Unhealthy) => HealthStatus::Unhealthy,
            (HealthStatus::Unknown, _) | (_, HealthStatus::Unknown) => HealthStatus::Unknown,
            _ => HealthStatus::Healthy,
        };
    }
    health
}

/// The command of a health check (`healthCheck.command`): what its first item says, and the words of what is run.
///
/// Of a shell's command line each word counts that a command could be; a check whose image lacks one of them fails each
/// time, with exit code 127, or with what the command line makes of that.
pub fn lacked_command<'c>(command: &'c [String], lacked: &[String]) -> Option<&'c str> {
    let is_lacked = |it: &&str| lacked.iter().any(|name| name == it.rsplit('/').next().unwrap_or(it));
    match command.split_first() {
        Some((first, rest)) if first == "CMD-SHELL" => {
            let words = rest.iter().flat_map(|it| it.split(|it: char| it.is_whitespace() || "|&;()`".contains(it)));
            words.into_iter().find(is_lacked)
        }
        Some((first, rest)) if first == "CMD" => rest.first().map(String::as_str).filter(is_lacked),
        Some((first, _)) => Some(first.as_str()).filter(is_lacked),
        None => None,
    }
}

/// `healthCheck` of a container, but for its command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContainerHealthCheck {
    /// From the start to the first probe, and from the end of one to the next: 5 s to 300 s, AWS's default 30 s.
    pub interval: Span,
    /// A probe that is not answered by then has failed: 2 s to 60 s, AWS's default 5 s.
    pub timeout: Span,
    /// So many failures in a row are UNHEALTHY: 1 to 10, AWS's default 3.
    pub retries: u32,
    /// Failures do not count for so long from the start: up to 300 s, AWS's default none.
    pub start_period: Span,
}

impl Default for ContainerHealthCheck {
    fn default() -> Self {
        ContainerHealthCheck {
            interval: Span::seconds(30),
            timeout: Span::seconds(5),
            retries: 3,
            start_period: Span::ZERO,
        }
    }
}

/// What Docker keeps of a container's probes since the container was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContainerHealth {
    /// The verdict so far.
    pub status: HealthStatus,
    failures: u32,
    has_passed: bool,
}

impl ContainerHealth {
    /// Counts a probe that ended so long after the container's start. One success is HEALTHY and ends the start period.
    pub fn probe_ended(&mut self, check: &ContainerHealthCheck, after: Span, passed: bool) {
        if passed {
            *self = ContainerHealth { status: HealthStatus::Healthy, failures: 0, has_passed: true };
        } else if self.has_passed || after >= check.start_period {
            self.failures += 1;
            if self.failures >= check.retries {
                self.status = HealthStatus::Unhealthy;
            }
        }
    }
}

/// `restartPolicy` of a container that has it enabled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestartPolicy {
    /// Ends with these codes are final; at most 50.
    pub ignored_exit_codes: Vec<u8>,
    /// How long a container must have run: 60 s to 1800 s, AWS's default 300 s.
    pub restart_attempt_period: Span,
}

impl RestartPolicy {
    /// Whether a container is started again that was started at one instant and exited at another.
    pub fn restarts(&self, exit_code: u8, started_at: Instant, exited_at: Instant) -> bool {
        !self.ignored_exit_codes.contains(&exit_code) && exited_at.since(started_at) >= self.restart_attempt_period
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: ContainerCondition = ContainerCondition::Start;
    const COMPLETE: ContainerCondition = ContainerCondition::Complete;
    const SUCCESS: ContainerCondition = ContainerCondition::Success;
    const HEALTHY: ContainerCondition = ContainerCondition::Healthy;

    #[test]
    fn what_each_condition_waits_for() {
        let readiness = |on: Progress| [START, COMPLETE, SUCCESS, HEALTHY].map(|it| it.readiness(on));
        let (ready, waits, failed, late) = (Readiness::Ready, Readiness::Waits, Readiness::Failed, Readiness::TimedOut);
        let nothing = Progress::default();
        let started = Progress { has_started: true, ..nothing };
        assert_eq!(readiness(nothing), [waits; 4]);
        assert_eq!(readiness(started), [ready, waits, waits, waits]);
        assert_eq!(readiness(Progress { is_healthy: true, ..started }), [ready, waits, waits, ready]);
        assert_eq!(readiness(Progress { exit_code: Some(0), ..started }), [ready, ready, ready, waits]);
        assert_eq!(readiness(Progress { exit_code: Some(1), ..started }), [ready, ready, failed, waits]);
        let timed_out = Progress { has_timed_out: true, ..started };
        assert_eq!(readiness(timed_out), [ready, late, late, late], "it does not concern START");
        assert_eq!(readiness(Progress { exit_code: Some(0), ..timed_out }), [ready, ready, ready, waits]);
        let never = Progress { exit_code: Some(EXIT_CODE_NEVER_STARTED), ..nothing };
        assert_eq!(readiness(never), [failed, ready, failed, failed]);
    }

    #[test]
    fn circles_are_found() {
        assert_eq!(circle(&[vec![1], vec![2], vec![]]), None);
        assert_eq!(circle(&[vec![1, 2], vec![2], vec![]]), None, "two ways to the same container are none");
        assert_eq!(circle(&[vec![0]]), Some(vec![0]));
        assert_eq!(circle(&[vec![], vec![2], vec![3], vec![1]]), Some(vec![1, 2, 3]));
    }

    fn stopping(shutdown: u64, timeout: u64) -> Option<Stopping> {
        Some(Stopping { shutdown_time: Span::seconds(shutdown), stop_timeout: Span::seconds(timeout) })
    }

    fn ends(containers: &[(Vec<usize>, Option<Stopping>)]) -> Vec<Option<(u64, bool)>> {
        let seconds = |it: Stop| (it.gone.0 / Span::SECOND.0, it.was_killed);
        stop_order(containers).into_iter().map(|it| it.map(seconds)).collect()
    }

    #[test]
    fn a_chain_stops_in_reverse_and_takes_the_sum_of_its_timeouts() {
        // The third depends on the second, the second on the first.
        let chain = [(vec![], stopping(99, 30)), (vec![0], stopping(99, 20)), (vec![1], stopping(99, 10))];
        assert_eq!(ends(&chain), [Some((60, true)), Some((30, true)), Some((10, true))]);
        let apart = [(vec![], stopping(99, 30)), (vec![], stopping(5, 20)), (vec![], stopping(99, 10))];
        assert_eq!(ends(&apart), [Some((30, true)), Some((5, false)), Some((10, true))]);
        let one_is_gone = [(vec![], stopping(3, 30)), (vec![0], None), (vec![1], stopping(7, 30))];
        assert_eq!(
            ends(&one_is_gone),
            [Some((3, false)), None, Some((7, false))],
            "only those that run are waited for"
        );
        let two_dependants = [(vec![], stopping(1, 30)), (vec![0], stopping(2, 30)), (vec![0], stopping(8, 30))];
        assert_eq!(ends(&two_dependants), [Some((9, false)), Some((2, false)), Some((8, false))]);
    }

    #[test]
    fn the_worst_of_the_essential_containers_is_the_task_s_health() {
        use HealthStatus::{Healthy, Unhealthy, Unknown};
        for (containers, expected) in [
            (&[Healthy, Healthy][..], Healthy),
            (&[Healthy, Unknown], Unknown),
            (&[Unknown, Unhealthy], Unhealthy),
            (&[Unhealthy, Healthy], Unhealthy),
            (&[Unknown], Unknown),
        ] {
            assert_eq!(task_health(containers.iter().copied()), expected, "{containers:?}");
        }
    }

    /// When a container first has a status, in seconds from its start; each probe takes so long and passes or not.
    fn first(check: &ContainerHealthCheck, status: HealthStatus, mut probe: impl FnMut(Span) -> (Span, bool)) -> f64 {
        let mut health = ContainerHealth::default();
        let mut at = Span::ZERO;
        for _ in 0..100 {
            at += check.interval;
            let (takes, passed) = probe(at);
            at += takes;
            health.probe_ended(check, at, passed);
            if health.status == status {
                return at.as_seconds();
            }
        }
        panic!("it never comes to {status:?}");
    }

    #[test]
    fn a_check_lacks_the_command_that_its_image_has_not() {
        let lacks = |command: &[&str], lacked: &[&str]| {
            let own = |it: &[&str]| it.iter().map(|it| (*it).to_owned()).collect::<Vec<String>>();
            lacked_command(&own(command), &own(lacked)).map(str::to_owned)
        };
        let curl = &["curl"][..];
        assert_eq!(lacks(&["CMD-SHELL", "curl -f http://localhost/ || exit 1"], curl).as_deref(), Some("curl"));
        assert_eq!(lacks(&["CMD-SHELL", "test -f /ready&&/usr/bin/curl -f ."], curl).as_deref(), Some("/usr/bin/curl"));
        assert_eq!(lacks(&["CMD", "curl", "-f", "localhost"], curl).as_deref(), Some("curl"));
        assert_eq!(lacks(&["CMD", "wget", "curl"], curl), None);
        assert_eq!(lacks(&["CMD-SHELL", "wget -q localhost"], curl), None);
        assert_eq!(lacks(&["CMD-SHELL", "curl"], &[]), None);
    }

    #[test]
    fn we_92_healthy_after_30_s_and_unhealthy_after_90_at_the_earliest() {
        let check = ContainerHealthCheck::default();
        assert_eq!(first(&check, HealthStatus::Healthy, |_| (Span::ZERO, true)), 30.0);
        assert_eq!(first(&check, HealthStatus::Unhealthy, |_| (Span::ZERO, false)), 90.0);
        assert_eq!(first(&check, HealthStatus::Unhealthy, |_| (check.timeout, false)), 105.0, "and the timeouts");
    }

    #[test]
    fn failures_do_not_count_in_the_start_period_which_a_success_ends() {
        let check = ContainerHealthCheck {
            interval: Span::seconds(10),
            start_period: Span::seconds(60),
            ..ContainerHealthCheck::default()
        };
        assert_eq!(first(&check, HealthStatus::Unhealthy, |_| (Span::ZERO, false)), 80.0, "60, 70 and 80");
        let dies_at_20 = |at: Span| (Span::ZERO, at < Span::seconds(20));
        assert_eq!(first(&check, HealthStatus::Unhealthy, dies_at_20), 40.0, "20, 30 and 40");
        let mut health = ContainerHealth::default();
        for (passed, expected) in [
            (false, HealthStatus::Unknown),
            (false, HealthStatus::Unknown),
            (true, HealthStatus::Healthy),
            (false, HealthStatus::Healthy),
            (false, HealthStatus::Healthy),
            (false, HealthStatus::Unhealthy),
            (true, HealthStatus::Healthy),
        ] {
            health.probe_ended(&ContainerHealthCheck::default(), Span::seconds(30), passed);
            assert_eq!(health.status, expected);
        }
    }

    #[test]
    fn what_ran_for_too_short_is_not_started_again() {
        let policy = RestartPolicy { ignored_exit_codes: vec![0, 3], restart_attempt_period: Span::seconds(60) };
        let at = |seconds| Instant::START + Span::seconds(seconds);
        assert!(policy.restarts(1, at(10), at(70)));
        assert!(!policy.restarts(1, at(10), at(69)), "it ran for 59 s");
        assert!(!policy.restarts(3, at(10), at(700)), "3 is ignored");
    }
}
