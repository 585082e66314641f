//! Containers that are followed one by one: each starts when what it depends on has come to pass, is probed, ends and may be
//! started again.
//!
//! Follows *Task definition parameters* in the developer guide and the agent's dependency graph (2026-06). Tasks whose
//! containers only start and stop with them are not followed: `task_life` treats their containers as one.

use crate::agenda::Event;
use crate::aws::auto_scaling_group::AvailabilityZone;
use crate::aws::container::{
    ContainerHealth, EXIT_CODE_EXEC_FORMAT, EXIT_CODE_KILLED, EXIT_CODE_NEVER_STARTED, HealthStatus, Progress,
    Readiness, Stopping, lacked_command, stop_order, task_health,
};
use crate::aws::fargate::SPOT_WARNING;
use crate::aws::file_system::{not_mounted_on_fargate, not_mounted_on_instance, not_resolved};
use crate::aws::launch::Launcher;
use crate::aws::start_failure::StartFailure;
use crate::aws::stop_cause::StopCause;
use crate::aws::task_definition::{CpuArchitecture, VolumeKind};
use crate::cluster::{Change, Container, ContainerInstance, ContainerStatus, StopCode, TargetState, Task, TaskStatus};
use crate::control::Control;
use crate::control::image_pulls::{Pull, PullTime};
use crate::control::log::Decision;
use crate::control::placing::Wanted;
use crate::control::start_up::Phase;
use crate::control::stop_causes::CheckedBy;
use crate::scenario::SlotFreedAt;
use crate::table::Id;
use crate::units::{Instant, Span};

/// What is to become of the containers of a task.
#[derive(Clone, Debug, Default)]
pub struct Followed {
    containers: Vec<Next>,
    /// What the first containers wait for beside their images: the pause container and mounts; none once they have.
    preparation: Span,
    /// Why the pause container does not start, by the end of the preparation: without it there is no task.
    fails_unprepared: Option<StartFailure>,
    /// When all images are pulled, and how long they take, where they are pulled before the first container starts.
    pulled_upfront: Option<(Instant, PullTime)>,
    /// When a task that has not come to run by then is given up.
    gives_up_at: Option<Instant>,
    wakes_at: Option<Instant>,
}

/// What happens to a container next.
#[derive(Clone, Debug, Default)]
struct Next {
    fails_to_start: Option<(Instant, StartFailure)>,
    pulled_at: Option<Instant>,
    starts_at: Option<Instant>,
    listens_at: Option<Instant>,
    hangs_at: Option<Instant>,
    is_listening: bool,
    is_hanging: bool,
    exits_at: Option<(Instant, u8)>,
    is_stopping: bool,
    probe_is_sent_at: Option<Instant>,
    probe_times_out_at: Option<Instant>,
    /// When those that depend on it and still wait give up.
    dependants_give_up_at: Option<Instant>,
    health: ContainerHealth,
}

/// Something that is due for a container; what falls on one instant happens in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    FailsToStart,
    IsPulled,
    Starts,
    Listens,
    Hangs,
    Exits,
    ProbeIsSent,
    ProbeTimesOut,
    DependantsGiveUp,
}

impl Next {
    fn due(&self) -> impl Iterator<Item = (Instant, Due)> {
        [
            (self.fails_to_start.as_ref().map(|it| it.0), Due::FailsToStart),
            (self.pulled_at, Due::IsPulled),
            (self.starts_at, Due::Starts),
            (self.listens_at, Due::Listens),
            (self.hangs_at, Due::Hangs),
            (self.exits_at.map(|it| it.0), Due::Exits),
            (self.probe_is_sent_at, Due::ProbeIsSent),
            (self.probe_times_out_at, Due::ProbeTimesOut),
            (self.dependants_give_up_at, Due::DependantsGiveUp),
        ]
        .into_iter()
        .filter_map(|(at, due)| Some((at?, due)))
    }
}

impl Followed {
    /// What is due first: when, what, and for which container.
    fn first(&self) -> Option<(Instant, Due, usize)> {
        let of_each = self.containers.iter().enumerate();
        of_each.flat_map(|(container, next)| next.due().map(move |(at, due)| (at, due, container))).min()
    }
}

impl Control<'_> {
    /// The agent takes a task up: the containers that depend on nothing are pulled.
    pub(super) fn begin_containers(&mut self, task: Id<Task>) {
        let now = self.now();
        let definition = self.definition_of(task);
        let assumptions = &self.scenario.assumptions;
        let on_fargate = self.cluster.tasks[task].is_on_fargate();
        let (mut preparation, fails_unprepared) = match on_fargate {
            true => {
                // Each container adds what it takes to create it.
                let whole = assumptions.fargate.container_create_time;
                let beside = whole.max(assumptions.container_create_time) - assumptions.container_create_time;
                (self.varied(task, Phase::CreateAndStart, beside), None)
            }
            false => self.until_pause_container_has_started(task, now),
        };
        // No container is created for a mount, so that a slow runtime does not matter.
        if definition.has_volume(VolumeKind::Efs) && fails_unprepared.is_none() {
            preparation += self.varied(task, Phase::CreateAndStart, assumptions.efs_mount_time);
        }
        let all: Vec<usize> = (0..definition.containers.len()).collect();
        let upfront = !on_fargate && self.group_of(task).pull_dependent_containers_upfront;
        if upfront {
            self.count_pull_through_nat(task, &all);
        }
        let pulled_upfront = upfront.then(|| (now, self.pull_time(task, &all)));
        let gives_up_at = Some(now + assumptions.pending_timeout);
        self.cluster.tasks[task].containers = vec![Container::default(); all.len()];
        let containers = vec![Next::default(); all.len()];
        let followed =
            Followed { containers, preparation, fails_unprepared, pulled_upfront, gives_up_at, wakes_at: None };
        self.followed.insert(task, followed);
        self.start_what_is_ready(task);
        self.wake_containers(task);
    }

    /// Follows the containers of a task from here on, all of which run.
    fn follow_running_containers(&mut self, task: Id<Task>) {
        let row = &mut self.cluster.tasks[task];
        let container =
            Container { status: ContainerStatus::Running, started_at: row.started_at, ..Container::default() };
        row.containers = vec![container; self.scenario.task_definitions[row.task_definition].containers.len()];
        let containers = vec![Next { is_listening: true, ..Next::default() }; row.containers.len()];
        self.followed.insert(task, Followed { containers, ..Followed::default() });
    }

    /// Containers as they are long after their task began: those that run only first have ended, the others are healthy.
    pub(super) fn settle_containers(&mut self, task: Id<Task>) {
        let now = self.now();
        self.follow_running_containers(task);
        for (place, container) in self.definition_of(task).containers.iter().enumerate() {
            let row = &mut self.cluster.tasks[task].containers[place];
            row.started_at = Some(now);
            if let Some(exit) = container.application.exit.as_ref().filter(|_| !container.essential)
                && container.restart_policy.is_none()
            {
                (row.status, row.stopped_at, row.exit_code) = (ContainerStatus::Stopped, Some(now), Some(exit.code));
                continue;
            }
            if let Some(check) = container.health_check {
                row.health_status = HealthStatus::Healthy;
                let next = self.next(task, place);
                next.health.probe_ended(&check, Span::ZERO, true);
                next.probe_is_sent_at = Some(now + check.interval);
            }
            self.draw_end(task, place, now);
        }
        self.wake_containers(task);
    }

    /// Draws when a container that starts now, and listens from some instant on, ends or hangs by itself.
    fn draw_end(&mut self, task: Id<Task>, place: usize, listens_at: Instant) {
        let now = self.now();
        let application = &self.definition_of(task).containers[place].application;
        let stream = &mut self.streams.of(self.cluster.tasks[task].launcher).times;
        let exits_at = application.exit.as_ref().map(|it| (now + it.after.sample(stream), it.code));
        let hangs_at = application.unhealthy_after.as_ref().map(|it| listens_at + it.sample(stream));
        let exits_at = [exits_at, self.crash_of(task, place)].into_iter().flatten().min();
        let next = self.next(task, place);
        (next.exits_at, next.hangs_at) = (exits_at, hangs_at);
    }

    pub(super) fn containers_advance(&mut self, task: Id<Task>) {
        let now = self.now();
        if self.followed.get(&task).is_none_or(|it| it.wakes_at != Some(now)) {
            return;
        }
        while let Some((at, due, place)) = self.followed.get(&task).and_then(Followed::first)
            && at <= now
        {
            match due {
                Due::FailsToStart => self.container_fails_to_start(task, place),
                Due::IsPulled => self.image_is_pulled(task, place),
                Due::Starts => self.container_starts(task, place),
                Due::Listens => self.container_listens(task, place),
                Due::Hangs => {
                    let next = self.next(task, place);
                    (next.hangs_at, next.is_hanging) = (None, true);
                }
                Due::Exits => {
                    let (_, code) = self.next(task, place).exits_at.expect("its end is due");
                    self.container_ends(task, place, code, None);
                }
                Due::ProbeIsSent => self.container_is_probed(task, place),
                Due::ProbeTimesOut => self.container_probe_ends(task, place, false),
                Due::DependantsGiveUp => {
                    self.next(task, place).dependants_give_up_at = None;
                    self.start_what_is_ready(task);
                }
            }
        }
        if self.followed.get(&task).and_then(|it| it.gives_up_at).is_some_and(|it| it <= now) {
            let reason = "Task failed to start: its containers did not come to run in time".to_owned();
            self.fail_to_start(task, reason);
        }
        self.wake_containers(task);
    }

    fn wake_containers(&mut self, task: Id<Task>) {
        let Some(followed) = self.followed.get_mut(&task) else { return };
        let first = followed.first().map(|it| it.0);
        followed.wakes_at = [first, followed.gives_up_at].into_iter().flatten().min();
        if let Some(at) = followed.wakes_at {
            self.agenda.put(at, Event::ContainersAdvance(task));
        }
    }

    fn next(&mut self, task: Id<Task>, place: usize) -> &mut Next {
        &mut self.followed.get_mut(&task).expect("its containers are followed").containers[place]
    }

    /// Begins to pull the images of containers that may start, and gives up those that never will.
    fn start_what_is_ready(&mut self, task: Id<Task>) {
        let mut ready = Vec::new();
        // A container that is given up may be what another waits for.
        let mut goes_on = true;
        while std::mem::take(&mut goes_on) {
            ready.clear();
            for place in 0..self.cluster.tasks[task].containers.len() {
                let row = &self.cluster.tasks[task].containers[place];
                let next = &self.followed[&task].containers[place];
                let is_under_way =
                    next.fails_to_start.is_some() || next.pulled_at.is_some() || next.starts_at.is_some();
                if row.status != ContainerStatus::Pending || is_under_way {
                    continue;
                }
                match self.what_stands_against(task, place) {
                    None => ready.push(place),
                    Some((_, Readiness::Ready | Readiness::Waits)) => {}
                    Some((on, why)) => {
                        if self.container_never_starts(task, place, on, why) {
                            return;
                        }
                        goes_on = true;
                    }
                }
            }
        }
        if ready.is_empty() {
            return;
        }
        self.clean_up_images_for(task);
        let now = self.now();
        let upfront = self.followed[&task].pulled_upfront;
        let began = upfront.map_or(now, |it| it.0);
        let pulls: Vec<Pull> = ready.iter().map(|&it| self.pull_is_made(task, it, began)).collect();
        let begins = ready.iter().zip(&pulls).filter(|it| matches!(it.1, Pull::Begins(_)));
        let pulled: Vec<usize> = begins.map(|it| *it.0).collect();
        if upfront.is_none() && !pulled.is_empty() {
            self.count_pull_through_nat(task, &pulled);
        }
        let pull_time = match upfront {
            Some((_, time)) => time,
            None if pulled.is_empty() => PullTime::default(),
            None => self.pull_time(task, &pulled),
        };
        let timeout = self.pull_timeout(task);
        let mut preparation = None;
        for (place, pull) in ready.into_iter().zip(pulls) {
            let pulled_at = match pull {
                Pull::Fails(after, failure) => {
                    self.next(task, place).fails_to_start = Some(((began + after).max(now), failure));
                    continue;
                }
                Pull::Spared(after) => began + after,
                Pull::Begins(after) if after + pull_time.takes > timeout => {
                    let at = began + pull_time.waits + timeout;
                    if !self.serves_without_pull(task, place) {
                        let failure = StartFailure::TimedOut("pulled", timeout);
                        self.next(task, place).fails_to_start = Some((at.max(now), failure));
                        continue;
                    }
                    at
                }
                Pull::Begins(after) => began + after + pull_time.waits + pull_time.takes,
            };
            let pulled_at = pulled_at.max(now);
            // The first containers wait for it, side by side.
            let prepared = *preparation.get_or_insert_with(|| {
                std::mem::take(&mut self.followed.get_mut(&task).expect("its containers are followed").preparation)
            });
            let (after, failure) = match &self.followed[&task].fails_unprepared {
                Some(failure) => (Span::ZERO, Some(failure.clone())),
                None => self.until_started(task, pulled_at + prepared),
            };
            let at = pulled_at + prepared + after;
            let next = self.next(task, place);
            next.pulled_at = Some(pulled_at);
            match failure {
                Some(failure) => next.fails_to_start = Some((at, failure)),
                None => next.starts_at = Some(at),
            }
        }
    }

    /// A container has neither its image nor its secrets, or Docker does not start it, be it again: without what is essential, without
    /// secrets and without the pause container there is no task.
    fn container_fails_to_start(&mut self, task: Id<Task>, place: usize) {
        let now = self.now();
        let (_, failure) = self.next(task, place).fails_to_start.take().expect("its failure is due");
        let reason = self.start_has_failed(task, &failure);
        let row = &mut self.cluster.tasks[task].containers[place];
        (row.status, row.stopped_at) = (ContainerStatus::Stopped, Some(now));
        row.reason = Some(reason.clone());
        let is_of_task = matches!(failure, StartFailure::SecretNotFound(_) | StartFailure::SecretNotReached(_))
            || self.followed[&task].fails_unprepared.as_ref() == Some(&failure);
        let is_essential = self.definition_of(task).containers[place].essential;
        if is_essential && self.cluster.tasks[task].status == TaskStatus::Running {
            let words = format!("was not started again: {reason}");
            let decision = self.say_of_container(task, place, "container.not_started", &words);
            self.essential_container_has_ended(task, place, decision);
            return;
        }
        if is_of_task || is_essential {
            self.fail_to_start(task, reason);
            return;
        }
        let row = &mut self.cluster.tasks[task].containers[place];
        row.exit_code = row.exit_code.or(Some(EXIT_CODE_NEVER_STARTED));
        self.cluster.has_changed(Change::Task(task));
        self.say_of_container(task, place, "container.not_started", &format!("was not started: {reason}"));
        self.runs_if_all_have_started(task);
        self.start_what_is_ready(task);
    }

    /// The dependency that keeps a container from starting, and how; one that cannot come to hold before others.
    fn what_stands_against(&self, task: Id<Task>, place: usize) -> Option<(usize, Readiness)> {
        let now = self.now();
        let definition = self.definition_of(task);
        let row = &self.cluster.tasks[task];
        let mut waits = None;
        for dependency in &definition.containers[place].depends_on {
            let on = &row.containers[dependency.container];
            let patience = definition.containers[dependency.container].start_timeout;
            let progress = Progress {
                has_started: on.started_at.is_some(),
                exit_code: on.exit_code.filter(|_| on.status == ContainerStatus::Stopped),
                is_healthy: on.health_status == HealthStatus::Healthy,
                has_timed_out: patience
                    .is_some_and(|patience| on.started_at.is_some_and(|started| now >= started + patience)),
            };
            match dependency.condition.readiness(progress) {
                Readiness::Ready => {}
                Readiness::Waits => waits = waits.or(Some((dependency.container, Readiness::Waits))),
                never => return Some((dependency.container, never)),
            }
        }
        waits
    }

    /// Gives a container up; whether that was the end of its task.
    fn container_never_starts(&mut self, task: Id<Task>, place: usize, on: usize, why: Readiness) -> bool {
        let now = self.now();
        let containers = &self.definition_of(task).containers;
        let (name, on) = (&containers[place].name, &containers[on].name);
        let reason = match why {
            Readiness::TimedOut => {
                format!("dependency graph: container ordering dependency [{on}] for target [{name}] has timed out.")
            }
            _ => format!(
                "dependency graph: failed to resolve container ordering dependency [{on}] for target [{name}] as dependency did not exit successfully."
            ),
        };
        let reason = format!("CannotStartContainerError: {reason}");
        let row = &mut self.cluster.tasks[task].containers[place];
        row.status = ContainerStatus::Stopped;
        row.stopped_at = Some(now);
        row.exit_code = Some(EXIT_CODE_NEVER_STARTED);
        row.reason = Some(reason.clone());
        if containers[place].essential {
            self.fail_to_start(task, reason);
            return true;
        }
        self.say_of_container(task, place, "container.not_started", &format!("was not started: {reason}"));
        self.runs_if_all_have_started(task);
        false
    }

    fn fail_to_start(&mut self, task: Id<Task>, reason: String) {
        let now = self.now();
        let row = &mut self.cluster.tasks[task];
        row.stopping_at.get_or_insert(now);
        row.stopped_reason.get_or_insert((StopCode::TaskFailedToStart, reason.clone()));
        self.cluster.ask_to_stop(task);
        self.say_of_task(task, None, "task.failed_to_start", &format!("failed to start: {reason}"));
        self.stop_containers(task);
    }

    /// Why a task fails in a zone where one of its file systems has no mount target; `None` where it does not.
    pub(super) fn mount_failure(&self, task: Id<Task>, zone: Option<Id<AvailabilityZone>>) -> Option<String> {
        let (scenario, zone, definition) = (self.scenario, zone?, self.definition_of(task));
        let is_missing = |id: &str| scenario.file_systems.iter().any(|it| it.id == id && !it.mounts_in(zone));
        let (volume, id) = definition.volumes.iter().find_map(|it| {
            let id = it.file_system.as_deref().filter(|id| is_missing(id))?;
            Some((it.name.as_str(), id))
        })?;
        let says = not_resolved(id, &scenario.availability_zones[zone]);
        Some(match self.fargate_of(&Wanted::of(&self.cluster.tasks[task])) {
            Some(_) => not_mounted_on_fargate(&says),
            None => not_mounted_on_instance((&definition.family, definition.revision), volume, &says),
        })
    }

    fn image_is_pulled(&mut self, task: Id<Task>, place: usize) {
        let now = self.now();
        self.next(task, place).pulled_at = None;
        self.cluster.tasks[task].pull_stopped_at = Some(now);
        self.cache_layers_of(task, &[place]);
    }

    fn container_starts(&mut self, task: Id<Task>, place: usize) {
        let now = self.now();
        let container = &self.definition_of(task).containers[place];
        self.next(task, place).starts_at = None;
        if let Some(reason) = self.mount_failure(task, self.cluster.zone_of_task(task)) {
            self.fail_to_start(task, reason);
            return;
        }
        let machine = self.architecture_under(task);
        if let Some(wanted) = container.application.image_architecture.filter(|it| *it != machine) {
            let (image, on) = (wanted.as_str(), machine.attribute());
            let reason = format!("exec format error: an image for {image} on {on}");
            self.records.stop_causes.insert(task, StopCause::Architecture { image: wanted, machine });
            self.container_ends(task, place, EXIT_CODE_EXEC_FORMAT, Some(reason));
            return;
        }
        let stream = &mut self.streams.of(self.cluster.tasks[task].launcher).times;
        let start_time = container.application.start_time.sample(stream);
        let row = &mut self.cluster.tasks[task].containers[place];
        row.status = ContainerStatus::Running;
        row.started_at = Some(now);
        row.health_status = HealthStatus::Unknown;
        let next = self.next(task, place);
        next.listens_at = Some(now + start_time);
        (next.is_listening, next.is_hanging) = (false, false);
        next.health = ContainerHealth::default();
        next.probe_is_sent_at = container.health_check.map(|it| now + it.interval);
        next.dependants_give_up_at = container.start_timeout.map(|it| now + it);
        self.draw_end(task, place, now + start_time);
        self.cluster.has_changed(Change::Task(task));
        self.runs_if_all_have_started(task);
        self.start_what_is_ready(task);
    }

    /// A task is RUNNING once each of its containers has been started, or never will be.
    fn runs_if_all_have_started(&mut self, task: Id<Task>) {
        let row = &self.cluster.tasks[task];
        let has_come_far = |it: &Container| it.started_at.is_some() || it.status == ContainerStatus::Stopped;
        if row.status == TaskStatus::Activating && !row.is_asked_to_stop && row.containers.iter().all(has_come_far) {
            self.followed.get_mut(&task).expect("its containers are followed").gives_up_at = None;
            match self.take_host_ports(task) {
                true => self.task_runs(task),
                false => self.gets_no_host_port(task),
            }
        }
    }

    fn container_listens(&mut self, task: Id<Task>, place: usize) {
        let next = self.next(task, place);
        (next.listens_at, next.is_listening) = (None, true);
        if place == self.serving_container(task) {
            self.cluster.tasks[task].process_is_up = true;
            self.cluster.has_changed(Change::Task(task));
        }
    }

    /// The container whose process answers requests; the first essential one where no load balancer names one.
    pub(super) fn serving_container(&self, task: Id<Task>) -> usize {
        let first_essential = || self.definition_of(task).containers.iter().position(|it| it.essential).unwrap_or(0);
        self.cluster.tasks[task].registration.map_or_else(first_essential, |it| it.container)
    }

    /// The process of a container has ended: it is started again, or its task goes on without it, or ends with it.
    fn container_ends(&mut self, task: Id<Task>, place: usize, code: u8, reason: Option<String>) {
        let now = self.now();
        let container = &self.definition_of(task).containers[place];
        let next = self.next(task, place);
        let is_stopping = next.is_stopping;
        *next = Next { is_stopping, ..Next::default() };
        let serves = place == self.serving_container(task);
        let row = &mut self.cluster.tasks[task];
        row.process_is_up &= !serves;
        let is_asked_to_stop = row.is_asked_to_stop;
        let row = &mut self.cluster.tasks[task].containers[place];
        row.exit_code = Some(code);
        row.reason.clone_from(&reason);
        let restarts = container
            .restart_policy
            .as_ref()
            .is_some_and(|policy| row.started_at.is_some_and(|it| !is_asked_to_stop && policy.restarts(code, it, now)));
        let because = reason.map_or(String::new(), |it| format!(": {it}"));
        if restarts {
            row.status = ContainerStatus::Pending;
            row.health_status = HealthStatus::Unknown;
            row.restart_count += 1;
            let (after, failure) = self.until_started(task, now);
            let next = self.next(task, place);
            match failure {
                Some(failure) => next.fails_to_start = Some((now + after, failure)),
                None => next.starts_at = Some(now + after),
            }
            self.cluster.has_changed(Change::Task(task));
            let words = format!("exited with code {code}{because}; its restart policy starts it again");
            self.say_of_container(task, place, "container.restarted", &words);
            return;
        }
        row.status = ContainerStatus::Stopped;
        row.stopped_at = Some(now);
        self.cluster.has_changed(Change::Task(task));
        if is_stopping {
            return;
        }
        let kind =
            if code == EXIT_CODE_KILLED && !because.is_empty() { "task.out_of_memory" } else { "container.exited" };
        let decision = self.say_of_container(task, place, kind, &format!("exited with code {code}{because}"));
        if container.essential {
            self.essential_container_has_ended(task, place, decision);
        } else {
            self.runs_if_all_have_started(task);
            self.start_what_is_ready(task);
        }
    }

    /// What a standalone task was there for is done, whatever a restart policy would make of it.
    pub(super) fn first_essential_container_ends(&mut self, task: Id<Task>) {
        let (now, place) = (self.now(), self.serving_container(task));
        *self.next(task, place) = Next::default();
        let row = &mut self.cluster.tasks[task];
        row.process_is_up = false;
        let row = &mut row.containers[place];
        (row.status, row.exit_code, row.stopped_at) = (ContainerStatus::Stopped, Some(0), Some(now));
        self.cluster.has_changed(Change::Task(task));
        let decision = self.say_of_container(task, place, "container.exited", "exited with code 0");
        self.essential_container_has_ended(task, place, decision);
    }

    fn essential_container_has_ended(&mut self, task: Id<Task>, place: usize, decision: Decision) {
        let now = self.now();
        let row = &mut self.cluster.tasks[task];
        let (code, reason) = (row.containers[place].exit_code, &row.containers[place].reason);
        let out_of_memory = reason.clone().filter(|_| code == Some(EXIT_CODE_KILLED));
        let reason = out_of_memory.unwrap_or_else(|| "Essential container in task exited".to_owned());
        row.exit_code = code;
        row.stopping_at.get_or_insert(now);
        row.stopped_reason.get_or_insert((StopCode::EssentialContainerExited, reason));
        let launcher = row.launcher;
        self.cluster.ask_to_stop(task);
        self.note_unhealthy(launcher, decision);
        self.stop_containers(task);
    }

    /// The kernel kills a container for its memory.
    pub(super) fn kill_container(&mut self, task: Id<Task>, place: usize) {
        if self.cluster.tasks[task].containers.is_empty() {
            self.follow_running_containers(task);
        }
        if self.cluster.tasks[task].containers[place].status == ContainerStatus::Running
            && self.followed.contains_key(&task)
        {
            let reason = "OutOfMemoryError: Container killed due to memory usage".to_owned();
            self.container_ends(task, place, EXIT_CODE_KILLED, Some(reason));
            self.wake_containers(task);
        }
    }

    /// Sends SIGTERM to what runs, in reverse order of dependency; what has not started never will.
    pub(super) fn stop_containers(&mut self, task: Id<Task>) {
        let now = self.now();
        self.sigterm_meets_target(task);
        let longest = if self.was_interrupted(task) { SPOT_WARNING } else { Span(u64::MAX) };
        let definition = self.definition_of(task);
        let usual = self.usual_stop_timeout(task);
        let stream = &mut self.streams.of(self.cluster.tasks[task].launcher).times;
        let row = &mut self.cluster.tasks[task];
        row.status = TaskStatus::Stopping;
        let mut running = Vec::new();
        for (container, row) in definition.containers.iter().zip(&mut row.containers) {
            if row.status == ContainerStatus::Pending {
                row.status = ContainerStatus::Stopped;
            }
            let stopping = (row.status == ContainerStatus::Running).then(|| Stopping {
                shutdown_time: container.application.shutdown_time.sample(stream),
                stop_timeout: container.stop_timeout.unwrap_or(usual),
            });
            running.push((container.depends_on.iter().map(|it| it.container).collect(), stopping));
        }
        let stops = stop_order(&running);
        // Nothing is followed any more on an instance that is gone.
        if let Some(followed) = self.followed.get_mut(&task) {
            followed.gives_up_at = None;
            for (next, stop) in followed.containers.iter_mut().zip(&stops) {
                let exits_at = stop.as_ref().map(|it| {
                    let was_killed = it.was_killed || it.gone > longest;
                    (now + it.gone.min(longest), if was_killed { EXIT_CODE_KILLED } else { 0 })
                });
                *next = Next { exits_at, is_stopping: true, ..Next::default() };
            }
        }
        let was_killed = stops.iter().flatten().any(|it| it.was_killed || it.gone > longest);
        let exit_code = if was_killed { EXIT_CODE_KILLED } else { 0 };
        let any = stops.iter().flatten().count() > 0;
        let row = &mut self.cluster.tasks[task];
        row.exit_code = row.exit_code.or(any.then_some(exit_code));
        self.cluster.has_changed(Change::Task(task));
        self.free_slot_when(task, SlotFreedAt::Stopping);
        let gone = stops.iter().flatten().map(|it| it.gone).max().unwrap_or(Span::ZERO);
        self.wake_task(task, gone.min(longest));
        self.wake_containers(task);
    }

    /// Whether a container of the task runs, so that it takes a SIGTERM to end it.
    pub(super) fn has_running_container(&self, task: Id<Task>) -> bool {
        self.cluster.tasks[task].containers.iter().any(|it| it.status == ContainerStatus::Running)
    }

    /// All processes of a task are gone.
    pub(super) fn forget_containers(&mut self, task: Id<Task>) {
        let Some(followed) = self.followed.remove(&task) else { return };
        let now = self.now();
        for (row, next) in self.cluster.tasks[task].containers.iter_mut().zip(followed.containers) {
            if row.status != ContainerStatus::Stopped {
                let due = next.exits_at.filter(|it| it.0 <= now);
                row.exit_code = due.map(|it| it.1).or(row.exit_code);
                row.status = ContainerStatus::Stopped;
                row.stopped_at = Some(now);
            }
        }
        self.cluster.has_changed(Change::Task(task));
    }

    fn container_is_probed(&mut self, task: Id<Task>, place: usize) {
        let now = self.now();
        let container = &self.definition_of(task).containers[place];
        let Some(check) = container.health_check else { return };
        let lacked = lacked_command(&container.health_check_command, &container.application.lacked_commands);
        let next = self.next(task, place);
        next.probe_is_sent_at = None;
        if lacked.is_some() {
            self.container_probe_ends(task, place, false);
            return;
        }
        let next = self.next(task, place);
        if next.is_hanging {
            next.probe_times_out_at = Some(now + check.timeout);
        } else {
            let passed = next.is_listening;
            self.container_probe_ends(task, place, passed);
        }
    }

    fn container_probe_ends(&mut self, task: Id<Task>, place: usize, passed: bool) {
        let now = self.now();
        let container = &self.definition_of(task).containers[place];
        let Some(check) = container.health_check else { return };
        let started_at = self.cluster.tasks[task].containers[place].started_at.unwrap_or(now);
        let next = self.next(task, place);
        next.probe_times_out_at = None;
        next.probe_is_sent_at = Some(now + check.interval);
        let why = match (next.is_hanging, next.is_listening) {
            (true, _) => Some(StopCause::Hangs(check.timeout)),
            (false, false) => Some(StopCause::StartPeriodTooShort(check.start_period)),
            (false, true) => None,
        };
        next.health.probe_ended(&check, now.since(started_at), passed);
        let status = next.health.status;
        let row = &mut self.cluster.tasks[task];
        if std::mem::replace(&mut row.containers[place].health_status, status) == status {
            return;
        }
        let launcher = row.launcher;
        let is_unhealthy = status == HealthStatus::Unhealthy;
        let kind = if is_unhealthy { "container.unhealthy" } else { "container.healthy" };
        let lacked = lacked_command(&container.health_check_command, &container.application.lacked_commands);
        let words = match lacked {
            _ if !is_unhealthy => "is healthy".to_owned(),
            Some(command) => format!("failed its health check: {command}: not found (exit code 127)"),
            None => "failed its health check".to_owned(),
        };
        let mut decision = self.say_of_container(task, place, kind, &words);
        if container.essential {
            if is_unhealthy {
                self.note_why_container_is_unhealthy(task, place, why);
                let words = "failed container health checks.";
                decision = self.say_of_task(task, Some(decision), "task.unhealthy", words);
                self.note_unhealthy(launcher, decision);
            } else {
                self.forget_why_unhealthy(task, CheckedBy::Containers);
            }
            self.note_first_healthy(task);
            if let Launcher::Service(service) = launcher {
                self.schedule_service(service);
            }
        }
        self.start_what_is_ready(task);
    }

    /// Puts down when a task first counts as healthy by all that checks it.
    pub(super) fn note_first_healthy(&mut self, task: Id<Task>) {
        let row = &self.cluster.tasks[task];
        let by_target = row.target.is_none_or(|it| self.cluster.targets[it].state == TargetState::Healthy);
        if row.status == TaskStatus::Running && by_target && self.containers_are(task, HealthStatus::Healthy) {
            let now = self.now();
            if self.cluster.tasks[task].healthy_at.is_none() {
                self.cluster.tasks[task].healthy_at = Some(now);
                self.breaker_hears_of_healthy(task);
            }
        }
    }

    /// Whether essential containers of the task are probed.
    pub(super) fn is_probed(&self, task: Id<Task>) -> bool {
        self.definition_of(task).probed_containers().next().is_some()
    }

    /// Whether the essential containers that are probed make the task this: of the others nothing is ever known, and a
    /// service does not wait for them.
    pub(super) fn containers_are(&self, task: Id<Task>, status: HealthStatus) -> bool {
        let containers = &self.cluster.tasks[task].containers;
        let probed = self.definition_of(task).probed_containers();
        task_health(probed.map(|it| containers.get(it).map_or(HealthStatus::Unknown, |it| it.health_status))) == status
    }

    /// Whether the instance runs images of every container of the task's definition.
    pub(super) fn images_fit(&self, task: Id<Task>, instance: Id<ContainerInstance>) -> bool {
        let architecture = self.instance_type_of(instance).cpu_architecture;
        let containers = &self.definition_of(task).containers;
        containers.iter().all(|it| it.application.image_architecture.is_none_or(|it| it == architecture))
    }

    fn architecture_under(&self, task: Id<Task>) -> CpuArchitecture {
        match self.cluster.tasks[task].instance() {
            Some(instance) => self.instance_type_of(instance).cpu_architecture,
            None => self.definition_of(task).fargate_architecture(),
        }
    }

    fn say_of_container(&mut self, task: Id<Task>, place: usize, kind: &'static str, words: &str) -> Decision {
        let name = &self.definition_of(task).containers[place].name;
        self.say_of_task(task, None, kind, &format!("container {name} {words}"))
    }
}
