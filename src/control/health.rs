//! Targets: registration, health checks, draining.

use crate::agenda::Event;
use crate::aws::load_balancer::TargetGroup;
use crate::cluster::{Change, Target, TargetHealthReason, TargetState, Task};
use crate::control::Control;
use crate::control::stop_causes::CheckedBy;
use crate::data::{ProbeAnswer, Traffic};
use crate::run::{self, TargetChange};
use crate::table::Id;
use crate::units::{Instant, Span};

/// The first check of a new target comes within this time (or its interval, where that is shorter).
const FIRST_CHECK_WITHIN: Span = Span::seconds(10);

impl Control<'_> {
    /// Registers a running task with its service's target group, if it has one.
    pub(super) fn register_target(&mut self, task: Id<Task>) {
        let row = &self.cluster.tasks[task];
        let Some((service, registration)) = row.service().zip(row.registration) else { return };
        let group = registration.target_group;
        let now = self.now();
        let is_reachable = self.lets_in_load_balancer(task);
        let load_balancer = &self.scenario.load_balancers[self.scenario.target_groups[group].load_balancer];
        let zone_of_load_balancer = self.cluster.place_among_zones(task, load_balancer);
        let target = self.cluster.targets.push(Target {
            task,
            target_group: group,
            state: TargetState::Initial,
            reason: Some(TargetHealthReason::RegistrationInProgress),
            successes: 0,
            failures: 0,
            is_reachable,
            zone_of_load_balancer,
            registered_at: now,
            probe_sent_at: now,
            next_probe_at: Instant::NEVER,
            slow_start_since: None,
            is_anomalous: false,
            weight: 1.0,
        });
        self.cluster.tasks[task].target = Some(target);
        self.cluster.target_groups[group.index()].push(target);
        self.cluster.has_changed(Change::Target(target));
        self.record_target(target, TargetState::Initial, Some(TargetHealthReason::RegistrationInProgress));
        let name = &self.scenario.services[service].name;
        self.log.put(
            now,
            None,
            "service.targets_registered",
            self.service_resource(service),
            format!(
                "(service {name}) registered 1 targets in (target-group {})",
                self.scenario.target_groups[group].name
            ),
        );
        let interval = self.scenario.target_groups[group].health_check.interval;
        let within = interval.min(FIRST_CHECK_WITHIN);
        let share = self.streams.health_checks[group.index()].unit();
        let first = self.scenario.assumptions.target_registration_time + Span::from_nanos_f64(within.0 as f64 * share);
        self.put_probe(target, now + first);
    }

    /// The next health check of a target is sent at this instant, and none before.
    pub fn put_probe(&mut self, target: Id<Target>, at: Instant) {
        self.cluster.targets[target].next_probe_at = at;
        if at < Instant::NEVER {
            self.agenda.put(at, Event::ProbeIsSent(target));
        }
    }

    /// Makes a target healthy without a check, as in a cluster that has settled before the run begins.
    pub(super) fn settle_target(&mut self, task: Id<Task>) {
        if let Some(target) = self.cluster.tasks[task].target {
            self.target_comes_to(target, TargetState::Healthy, None);
        }
    }

    /// Whether a health check of the target is sent now.
    pub fn sends_probe(&self, target: Id<Target>) -> bool {
        self.is_checked(target) && self.cluster.targets[target].next_probe_at == self.now()
    }

    /// Whether the target is still checked.
    fn is_checked(&self, target: Id<Target>) -> bool {
        self.cluster.targets[target].is_in_rotation()
    }

    /// ECS finds a target `unused` for as long as another would need to fail its checks, and takes that for unhealthy
    /// (inferred).
    fn stays_unused(&mut self, target: Id<Target>) {
        let check = self.check_of(target);
        let row = &mut self.cluster.targets[target];
        row.failures += 1;
        if row.failures < check.unhealthy_threshold {
            self.put_probe(target, self.now() + check.interval);
            return;
        }
        self.target_comes_to(target, TargetState::Unhealthy, Some(TargetHealthReason::NotInUse));
        self.say_unhealthy(target, TargetHealthReason::NotInUse);
    }

    /// Puts down the verdict of a check that was just sent, or when to ask for it; and when the next one is sent.
    pub fn probe_was_sent(&mut self, target: Id<Target>, answer: ProbeAnswer) {
        let next = match answer {
            ProbeAnswer::PassedUntil(next) => next,
            _ => self.now() + self.check_of(target).interval,
        };
        self.put_probe(target, next);
        self.cluster.targets[target].probe_sent_at = self.now();
        if self.cluster.targets[target].reason == Some(TargetHealthReason::RegistrationInProgress) {
            self.cluster.targets[target].reason = Some(TargetHealthReason::InitialHealthChecking);
            self.record_target(target, TargetState::Initial, Some(TargetHealthReason::InitialHealthChecking));
        }
        self.await_probe(target, answer);
    }

    pub(super) fn probe_is_awaited(&mut self, target: Id<Target>, traffic: &Traffic) {
        if self.is_checked(target) {
            let answer = traffic.probe_answer(&self.cluster, target);
            self.await_probe(target, answer);
        }
    }

    fn await_probe(&mut self, target: Id<Target>, answer: ProbeAnswer) {
        let now = self.now();
        let ends = self.cluster.targets[target].probe_sent_at + self.check_of(target).timeout;
        let (at, event) = match answer {
            ProbeAnswer::PassedUntil(_) => return self.probe_ends(target, true),
            ProbeAnswer::Answered => (now, Event::ProbeEnds(target, true)),
            ProbeAnswer::After(span) if now + span <= ends => (now + span, Event::ProbeEnds(target, true)),
            ProbeAnswer::NotBefore(span) if now + span <= ends => (now + span, Event::ProbeIsAwaited(target)),
            ProbeAnswer::After(_) | ProbeAnswer::NotBefore(_) => (ends, Event::ProbeEnds(target, false)),
            ProbeAnswer::Never => (ends, Event::ProbeEnds(target, false)),
            ProbeAnswer::Refused => (now, Event::ProbeEnds(target, false)),
        };
        self.agenda.put(at, event);
    }

    /// A target of which no check is sent is looked at when it would be.
    pub(super) fn probe_is_due(&mut self, target: Id<Target>) {
        if !self.is_checked(target) && self.cluster.targets[target].state == TargetState::Initial {
            self.stays_unused(target);
        }
    }

    pub(super) fn probe_ends(&mut self, target: Id<Target>, passed: bool) {
        if !self.is_checked(target) {
            return;
        }
        let (check, now) = (self.check_of(target), self.now());
        let row = &mut self.cluster.targets[target];
        (row.successes, row.failures) = if passed { (row.successes + 1, 0) } else { (0, row.failures + 1) };
        let state = match row.state {
            // A new target needs one success only; the threshold is for recovery.
            TargetState::Initial if passed => TargetState::Healthy,
            TargetState::Unhealthy if row.successes >= check.healthy_threshold => TargetState::Healthy,
            TargetState::Initial | TargetState::Healthy if row.failures >= check.unhealthy_threshold => {
                TargetState::Unhealthy
            }
            same => same,
        };
        if state == row.state {
            return;
        }
        let is_late = now.since(row.probe_sent_at) >= check.timeout;
        let why = if is_late { TargetHealthReason::Timeout } else { TargetHealthReason::FailedHealthChecks };
        let (task, group) = (row.task, row.target_group);
        self.cluster.targets[target].slow_start_since =
            (state == TargetState::Healthy && self.starts_slowly(target)).then_some(self.now());
        self.target_comes_to(target, state, (state == TargetState::Unhealthy).then_some(why));
        if state == TargetState::Unhealthy {
            self.say_unhealthy(target, why);
            return;
        }
        self.note_first_healthy(task);
        self.forget_why_unhealthy(task, CheckedBy::LoadBalancer);
        let group_name = &self.scenario.target_groups[group].name;
        self.say_of_task(task, None, "target.healthy", &format!("is healthy in (target-group {group_name})"));
        self.schedule_service(self.service_of_target(task));
    }

    /// ECS notices that a target is unhealthy.
    fn say_unhealthy(&mut self, target: Id<Target>, why: TargetHealthReason) {
        let Target { task, target_group, .. } = self.cluster.targets[target];
        let group = &self.scenario.target_groups[target_group].name;
        let words = format!("is unhealthy in (target-group {group}) due to (reason {})", why.words_of_event());
        let decision = self.say_of_task(task, None, "target.unhealthy", &words);
        self.note_why_target_is_unhealthy(target, why);
        let service = self.service_of_target(task);
        self.services[service.index()].unhealthy_cause = Some(decision);
        self.schedule_service(service);
    }

    /// Whether a target that becomes healthy starts slowly: only if another is healthy already and does not.
    fn starts_slowly(&self, target: Id<Target>) -> bool {
        let group = self.cluster.targets[target].target_group;
        let duration = self.scenario.target_groups[group].slow_start;
        let goes_at_full = |it: &Id<Target>| {
            let other = &self.cluster.targets[*it];
            let is_over = other.slow_start_since.is_none_or(|since| since + duration <= self.now());
            *it != target && other.state == TargetState::Healthy && is_over
        };
        duration > Span::ZERO && self.cluster.target_groups[group.index()].iter().any(goes_at_full)
    }

    /// Takes a target out of rotation; requests in flight may end.
    pub(super) fn drain_target(&mut self, target: Id<Target>) {
        self.say_deregistered(target);
        self.target_comes_to(target, TargetState::Draining, Some(TargetHealthReason::DeregistrationInProgress));
    }

    /// Takes a target out altogether; requests in flight are cut off.
    pub(super) fn remove_target(&mut self, target: Id<Target>) {
        if self.cluster.targets[target].state != TargetState::Draining {
            self.say_deregistered(target);
        }
        self.target_comes_to(target, TargetState::Unused, Some(TargetHealthReason::NotRegistered));
        let group = self.cluster.targets[target].target_group;
        self.cluster.target_groups[group.index()].retain(|it| *it != target);
    }

    fn say_deregistered(&mut self, target: Id<Target>) {
        let Target { task, target_group, .. } = self.cluster.targets[target];
        let Some(service) = self.cluster.tasks[task].service() else { return };
        let name = &self.scenario.services[service].name;
        let group = &self.scenario.target_groups[target_group].name;
        let message = format!("(service {name}) deregistered 1 targets in (target-group {group})");
        let resource = self.service_resource(service);
        self.log.put(self.agenda.now(), None, "service.targets_deregistered", resource, message);
    }

    fn target_comes_to(&mut self, target: Id<Target>, state: TargetState, reason: Option<TargetHealthReason>) {
        let row = &mut self.cluster.targets[target];
        (row.state, row.reason) = (state, reason);
        self.cluster.has_changed(Change::Target(target));
        self.record_target(target, state, reason);
    }

    /// Writes down what `DescribeTargetHealth` tells of a target from now on.
    pub(super) fn record_target(&mut self, target: Id<Target>, state: TargetState, reason: Option<TargetHealthReason>) {
        let row = &self.cluster.targets[target];
        // One outside of the load balancer's zones is not in use, and nobody checks it.
        let is_in_use = row.zone_of_load_balancer.is_some();
        let (state, reason) = if is_in_use || matches!(state, TargetState::Draining | TargetState::Unused) {
            (state, reason)
        } else {
            (TargetState::Unused, Some(TargetHealthReason::NotInUse))
        };
        self.records.target_changes.push(TargetChange {
            at: self.agenda.now(),
            task: row.task.index(),
            target_group: row.target_group.index(),
            state: state.as_str(),
            reason: reason.map(TargetHealthReason::as_str),
            is_anomalous: row.is_anomalous,
            weight: row.weight,
        });
    }

    /// How long a drained target of the group keeps its task waiting.
    pub(super) fn deregistration_delay(&self, group: Id<TargetGroup>) -> Span {
        self.scenario.target_groups[group].deregistration_delay
    }

    fn check_of(&self, target: Id<Target>) -> crate::aws::load_balancer::HealthCheck {
        self.scenario.target_groups[self.cluster.targets[target].target_group].health_check
    }
}

/// A task's name.
pub fn task_name(task: Id<Task>) -> String {
    run::task_name(task.index())
}
