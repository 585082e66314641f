//! A task's life, from placement to STOPPED.
//!
//! Follows *Amazon ECS task lifecycle* in the developer guide and the container agent's resource accounting (2026-06).

use std::collections::{BTreeSet, VecDeque};

use crate::agenda::Event;
use crate::aws::auto_scaling_group::AutoScalingGroup;
use crate::aws::container::EXIT_CODE_KILLED;
use crate::aws::deployment::TaskFailures;
use crate::aws::fargate;
use crate::aws::image_cache::ImageCache;
use crate::aws::launch::Launcher;
use crate::aws::placement::refusal::{Refusal, no_container_instances};
use crate::aws::start_failure::StartFailure;
use crate::aws::task_definition::{NetworkMode, Protocol, TaskDefinition, VolumeKind};
use crate::cluster::{Change, ContainerInstance, StopCode, Task, TaskStatus};
use crate::control::Control;
use crate::control::log::Decision;
use crate::control::placing::Wanted;
use crate::control::start_up::Phase;
use crate::control::stop_causes::CheckedBy;
use crate::data::Traffic;
use crate::scenario::SlotFreedAt;
use crate::table::Id;
use crate::units::{Instant, Span};

/// An instance's agent: its own book of what is really in use.
///
/// The cluster's book frees a slot when a task is sent SIGTERM; the agent's when the task is gone. In between a new task
/// waits in PENDING, in order, the head of the queue before all others.
#[derive(Clone, Debug, Default)]
pub struct Agent {
    waiting: VecDeque<Id<Task>>,
    cpu_units: u32,
    memory_mib: u32,
    gpus: u32,
    ports: BTreeSet<(Protocol, u16)>,
    holding: BTreeSet<Id<Task>>,
    /// Host ports that were chosen.
    pub(super) chosen_ports: BTreeSet<(Protocol, u16)>,
    /// Where the next one is looked for.
    pub(super) next_port: u16,
    /// When the pulls under way end, in order, where only so many go at once.
    pub(super) pulls_end_at: Vec<Instant>,
    /// Images on the instance.
    pub(super) images: ImageCache<Id<Task>>,
}

impl<'a> Control<'a> {
    /// Creates a task in PROVISIONING, not yet placed.
    pub(super) fn create_task(&mut self, wanted: &Wanted) -> Id<Task> {
        let service = wanted.launcher.service();
        let deployment = service.map_or(0, |it| self.services[it.index()].launching().number);
        self.create_task_of_deployment(wanted, deployment)
    }

    /// The same, of a deployment of its service by number; 0 of a standalone task.
    pub(super) fn create_task_of_deployment(&mut self, wanted: &Wanted, deployment: u32) -> Id<Task> {
        let (volume, registration) = match wanted.launcher {
            Launcher::Service(service) => {
                let deployment = self.services[service.index()].deployment(deployment);
                deployment.map_or((None, None), |it| (it.volume, it.registration))
            }
            Launcher::RunTask(_) => (self.scenario.launch(wanted.launcher).volume, None),
        };
        let task = Task {
            launcher: wanted.launcher,
            task_definition: wanted.task_definition,
            overrides: wanted.overrides,
            network: wanted.network,
            volume,
            registration,
            placement_constraints: wanted.placement_constraints,
            started_for_zone: wanted.availability_zone,
            deployment,
            capacity_provider: wanted.capacity_provider,
            host: None,
            subnet: None,
            host_ports: Vec::new(),
            status: TaskStatus::Provisioning,
            reservation: wanted.reservation(self.scenario),
            holds_reservation: false,
            process_is_up: false,
            containers: Vec::new(),
            run_time: None,
            is_asked_to_stop: false,
            target: None,
            created_at: self.now(),
            placed_at: None,
            released_at: None,
            pulled_through_nat_bytes: 0,
            pull_started_at: None,
            pull_stopped_at: None,
            started_at: None,
            healthy_at: None,
            stopping_at: None,
            sigterm_due_at: None,
            sigterm_at: None,
            stopped_at: None,
            stopped_reason: None,
            exit_code: None,
            error_share: 0.0,
        };
        let id = self.cluster.create(task);
        self.draw_start_up(id, wanted.launcher);
        match wanted.launcher {
            Launcher::Service(service) => self.services[service.index()].tasks.push(id),
            Launcher::RunTask(_) => {}
        }
        id
    }

    /// Puts a task on an instance that placement chose.
    pub(super) fn place_task(&mut self, task: Id<Task>, instance: Id<ContainerInstance>) {
        let now = self.now();
        self.cluster.place(task, instance, now);
        self.tasks_changed_on(instance);
        self.tasks_came_to_stand();
        self.placed_task_starts(task);
    }

    fn placed_task_starts(&mut self, task: Id<Task>) {
        self.take_address(task);
        let waits = match self.cluster.tasks[task].launcher {
            Launcher::Service(_) => self.call_waits(),
            Launcher::RunTask(_) => Span::ZERO,
        };
        let assumptions = &self.scenario.assumptions;
        let definition = self.definition_of(task);
        let needs_interface = definition.network_mode == NetworkMode::Awsvpc;
        let interface =
            needs_interface.then(|| self.varied(task, Phase::Provisioning, assumptions.network_interface_attach_time));
        let volume = definition.has_volume(VolumeKind::Ebs).then_some(assumptions.ebs_attach_time);
        if let Some(attached) = interface.max(volume) {
            self.wake_task(task, waits + attached);
        } else {
            self.cluster.tasks[task].status = TaskStatus::Pending;
            let after = waits + self.varied(task, Phase::PickUp, assumptions.agent_pick_up_time);
            self.wake_task(task, after);
        }
    }

    /// Makes a placed task run at once, as in a cluster that has settled before the run begins.
    pub(super) fn settle_task(&mut self, task: Id<Task>, instance: Id<ContainerInstance>) {
        let zone = self.cluster.instances[instance].availability_zone;
        let cannot_run = !self.images_fit(task, instance) || self.mount_failure(task, Some(zone)).is_some();
        let now = self.now();
        self.cluster.place(task, instance, now);
        if cannot_run || self.never_ran(task) || self.is_out_of_reach(task, Some(zone)) {
            self.tasks_changed_on(instance);
            self.tasks_came_to_stand();
            self.placed_task_starts(task);
            return;
        }
        self.take_address(task);
        self.agent_takes(task);
        self.take_host_ports(task);
        self.cache_layers(task);
        self.runs_already(task);
    }

    /// Makes a task that has its place run, as if it had for long.
    pub(super) fn runs_already(&mut self, task: Id<Task>) {
        let now = self.now();
        let row = &mut self.cluster.tasks[task];
        row.status = TaskStatus::Running;
        row.process_is_up = true;
        row.pull_started_at = Some(now);
        row.pull_stopped_at = Some(now);
        row.started_at = Some(now);
        row.healthy_at = Some(now);
        if self.follows_containers(task) {
            self.settle_containers(task);
        }
        self.cluster.has_changed(Change::Task(task));
        self.register_target(task);
        self.settle_target(task);
    }

    pub(super) fn task_advances(&mut self, task: Id<Task>, traffic: &Traffic) {
        let now = self.now();
        if self.task_wakes.get(&task) != Some(&now) {
            return;
        }
        let assumptions = &self.scenario.assumptions;
        let row = &mut self.cluster.tasks[task];
        match row.status {
            TaskStatus::Provisioning => {
                if row.host.is_none() {
                    self.provisioning_times_out(task);
                    return;
                }
                if self.fails_for_want_of_role(task) {
                    return;
                }
                if let Some(subnet) = self.subnet_without_address(task) {
                    self.gets_no_address(task, subnet);
                    return;
                }
                let row = &mut self.cluster.tasks[task];
                row.status = TaskStatus::Pending;
                let on_fargate = row.is_on_fargate();
                let pending =
                    if on_fargate { assumptions.fargate.pending_time } else { assumptions.agent_pick_up_time };
                self.wake_task(task, self.varied(task, Phase::PickUp, pending));
            }
            TaskStatus::Pending => {
                if self.fails_for_want_of_role(task) {
                    return;
                }
                let row = &self.cluster.tasks[task];
                let Some(instance) = row.instance() else {
                    self.begins_to_pull(task);
                    return;
                };
                if !self.cluster.instances[instance].agent_connected {
                    // It hears of the task when it is connected again.
                    return;
                }
                self.agents[instance.index()].waiting.push_back(task);
                self.agent_looks(instance);
            }
            TaskStatus::Activating if row.pull_stopped_at.is_none() => {
                if self.is_given_up(task) {
                    return;
                }
                self.cluster.tasks[task].pull_stopped_at = Some(now);
                self.cache_layers(task);
                let (after, failure) = self.until_all_have_started(task);
                self.start_failures.extend(failure.map(|it| (task, it)));
                self.wake_task(task, after);
            }
            TaskStatus::Activating if self.start_failures.contains_key(&task) => {
                self.is_given_up(task);
            }
            TaskStatus::Activating => match self.take_host_ports(task) {
                true => self.task_runs(task),
                false => self.gets_no_host_port(task),
            },
            TaskStatus::Running if row.is_asked_to_stop => self.running_task_leaves(task, None),
            TaskStatus::Running => {
                let ends_at = row.run_time.and_then(|it| Some(row.started_at? + it));
                if ends_at.is_some_and(|it| it <= now) {
                    self.run_time_is_over(task);
                } else if row.containers.is_empty() {
                    row.process_is_up = true;
                    self.cluster.has_changed(Change::Task(task));
                    if let Some(at) = ends_at {
                        self.wake_task(task, at.since(now));
                    }
                }
            }
            TaskStatus::Deactivating => {
                let drained = row.target.is_none_or(|target| {
                    let group = self.cluster.targets[target].target_group;
                    let since = row.stopping_at.expect("a deactivating task was asked to stop");
                    now >= since + self.scenario.target_groups[group].deregistration_delay
                        || (!assumptions.drain_full_delay && traffic.in_flight(target) == 0)
                });
                if drained {
                    self.send_sigterm(task);
                } else {
                    self.wake_task(task, Span::SECOND);
                }
            }
            TaskStatus::Stopping => self.processes_are_gone(task),
            TaskStatus::Deprovisioning => self.task_is_stopped(task),
            TaskStatus::Stopped => {}
        }
    }

    /// Asks a task to stop; what has not started ends at once, what serves is drained first.
    pub(super) fn stop_task(&mut self, task: Id<Task>, code: StopCode, reason: String, cause: Option<Decision>) {
        let now = self.now();
        let has_running_container = self.has_running_container(task);
        let row = &mut self.cluster.tasks[task];
        if row.is_asked_to_stop {
            return;
        }
        row.stopping_at = Some(now);
        row.stopped_reason = Some((code, reason));
        self.cluster.ask_to_stop(task);
        let row = &mut self.cluster.tasks[task];
        match row.status {
            TaskStatus::Running => {
                let is_call = matches!(code, StopCode::ServiceSchedulerInitiated | StopCode::UserInitiated);
                let waits = if is_call { self.call_waits() } else { Span::ZERO };
                if waits > Span::ZERO {
                    self.wake_task(task, waits);
                } else {
                    self.running_task_leaves(task, cause);
                }
            }
            TaskStatus::Activating if has_running_container => self.stop_containers(task),
            TaskStatus::Provisioning | TaskStatus::Pending | TaskStatus::Activating => self.processes_are_gone(task),
            TaskStatus::Deactivating | TaskStatus::Stopping | TaskStatus::Deprovisioning | TaskStatus::Stopped => {}
        }
    }

    /// A running task that was asked to stop leaves its target group, or is sent SIGTERM where it has none.
    fn running_task_leaves(&mut self, task: Id<Task>, cause: Option<Decision>) {
        let now = self.now();
        let row = &mut self.cluster.tasks[task];
        let waits = !row.stopped_reason.as_ref().is_some_and(|it| it.0.waits_for_no_target());
        let Some(target) = row.target.filter(|_| waits) else {
            self.send_sigterm(task);
            return;
        };
        row.stopping_at = Some(now);
        row.status = TaskStatus::Deactivating;
        self.cluster.has_changed(Change::Task(task));
        self.free_slot_when(task, SlotFreedAt::Deactivating);
        let group = self.cluster.targets[target].target_group;
        self.drain_target(target);
        self.begins_to_drain(task, cause);
        let delay = self.deregistration_delay(group);
        let after = if self.scenario.assumptions.drain_full_delay { delay } else { Span::SECOND.min(delay) };
        self.wake_task(task, after);
    }

    /// A container is killed for its memory; where it is essential the task ends without a SIGTERM, else it goes on.
    pub(super) fn kill_for_memory(&mut self, task: Id<Task>, container: usize) {
        let now = self.now();
        let definition = self.definition_of(task);
        let is_followed = !self.cluster.tasks[task].containers.is_empty();
        if is_followed || self.cluster.tasks[task].process_is_up && !definition.containers[container].essential {
            self.kill_container(task, container);
            return;
        }
        let container = &definition.containers[container];
        let row = &mut self.cluster.tasks[task];
        if !row.process_is_up || !container.essential {
            return;
        }
        row.exit_code = Some(EXIT_CODE_KILLED);
        row.stopping_at.get_or_insert(now);
        row.stopped_reason = Some((
            StopCode::EssentialContainerExited,
            "OutOfMemoryError: Container killed due to memory usage".to_owned(),
        ));
        let launcher = row.launcher;
        let words = format!(
            "container {} exited with code {EXIT_CODE_KILLED}: OutOfMemoryError: Container killed due to memory usage",
            container.name
        );
        let decision = self.say_of_task(task, None, "task.out_of_memory", &words);
        self.note_unhealthy(launcher, decision);
        self.processes_are_gone(task);
    }

    /// The instance under a task is gone: nothing answers any more, though ECS does not know yet.
    pub(super) fn lose_task(&mut self, task: Id<Task>) {
        self.cluster.tasks[task].process_is_up = false;
        self.task_wakes.remove(&task);
        self.forget_containers(task);
        self.cluster.has_changed(Change::Task(task));
    }

    /// ECS has noticed that the instance under a task is gone.
    pub(super) fn task_was_lost(&mut self, task: Id<Task>, code: StopCode, reason: &str) {
        let now = self.now();
        let row = &mut self.cluster.tasks[task];
        if row.status == TaskStatus::Stopped {
            return;
        }
        row.stopping_at.get_or_insert(now);
        row.stopped_reason.get_or_insert_with(|| (code, reason.to_owned()));
        self.forget_containers(task);
        self.cluster.ask_to_stop(task);
        self.take_out_of_rotation(task);
        self.cluster.release(task, now);
        self.agent_drops(task);
        self.task_is_stopped(task);
    }

    /// Puts down when a task is looked at next; an earlier wake-up becomes stale.
    pub(super) fn wake_task(&mut self, task: Id<Task>, after: Span) {
        let at = self.now() + after;
        self.task_wakes.insert(task, at);
        self.agenda.put(at, Event::TaskAdvances(task));
    }

    /// The group whose instance a placed task is on.
    pub(super) fn group_of(&self, task: Id<Task>) -> &'a AutoScalingGroup {
        let instance = self.cluster.tasks[task].instance().expect("a placed task is on an instance");
        &self.scenario.auto_scaling_groups[self.cluster.instances[instance].auto_scaling_group]
    }

    /// The definition a task runs.
    pub(super) fn definition_of(&self, task: Id<Task>) -> &'a TaskDefinition {
        &self.scenario.task_definitions[self.cluster.tasks[task].task_definition]
    }

    /// All containers of a task have been started.
    pub(super) fn task_runs(&mut self, task: Id<Task>) {
        let now = self.now();
        let definition = self.definition_of(task);
        let row = &mut self.cluster.tasks[task];
        row.status = TaskStatus::Running;
        row.started_at = Some(now);
        let launcher = row.launcher;
        self.cluster.has_changed(Change::Task(task));
        self.register_target(task);
        let run_time = self.cluster.tasks[task].run_time;
        if self.cluster.tasks[task].containers.is_empty() {
            let stream = &mut self.streams.of(launcher).times;
            let slowest = definition.containers.iter().map(|it| it.application.start_time.sample(stream)).max();
            let listens_after = slowest.unwrap_or(Span::ZERO);
            self.wake_task(task, run_time.map_or(listens_after, |it| it.min(listens_after)));
        } else if let Some(run_time) = run_time {
            self.wake_task(task, run_time);
        } else if self.is_probed(task) && self.cluster.tasks[task].target.is_none() {
            self.note_first_healthy(task);
        }
        let Launcher::Service(service) = launcher else { return };
        self.services[service.index()].failed_starts = 0;
        self.count_for_breaker(task, None, |it| it.some_task_has_run = true);
        self.task_may_tell_image_digests(task);
        self.schedule_service(service);
        if self.cluster.tasks[task].target.is_none() {
            // Nobody will say that it is healthy: it counts as such after a while.
            let at = now + self.scenario.assumptions.healthy_after;
            self.schedule_service_at(service, at);
        }
    }

    fn send_sigterm(&mut self, task: Id<Task>) {
        let now = self.now();
        self.cluster.tasks[task].sigterm_due_at.get_or_insert(now);
        if !self.agent_hears_of(task) {
            return;
        }
        self.cluster.tasks[task].sigterm_at = Some(now);
        if !self.cluster.tasks[task].containers.is_empty() {
            self.stop_containers(task);
            return;
        }
        let usual = self.usual_stop_timeout(task);
        let definition = self.definition_of(task);
        let launcher = self.cluster.tasks[task].launcher;
        self.sigterm_meets_target(task);
        self.cluster.tasks[task].status = TaskStatus::Stopping;
        self.cluster.has_changed(Change::Task(task));
        let stream = &mut self.streams.of(launcher).times;
        // Containers without dependencies are stopped side by side.
        let mut exit_code = 0;
        let mut longest = Span::ZERO;
        for container in &definition.containers {
            let shutdown = container.application.shutdown_time.sample(stream);
            let stop_timeout = container.stop_timeout.unwrap_or(usual);
            if shutdown > stop_timeout {
                exit_code = EXIT_CODE_KILLED;
            }
            longest = longest.max(shutdown.min(stop_timeout));
        }
        self.cluster.tasks[task].exit_code = Some(exit_code);
        self.free_slot_when(task, SlotFreedAt::Stopping);
        self.wake_task(task, longest);
    }

    pub(super) fn processes_are_gone(&mut self, task: Id<Task>) {
        self.forget_containers(task);
        if !self.keeps_target_until_stopped(task) && !self.target_is_left_behind(task) {
            self.take_out_of_rotation(task);
        }
        self.free_slot_when(task, SlotFreedAt::Stopping);
        self.agent_drops(task);
        self.cluster.ask_to_stop(task);
        let row = &mut self.cluster.tasks[task];
        row.process_is_up = false;
        let (was_placed, on_fargate) = (row.host.is_some(), row.is_on_fargate());
        self.cluster.has_changed(Change::Task(task));
        if was_placed && self.definition_of(task).network_mode == NetworkMode::Awsvpc {
            self.cluster.tasks[task].status = TaskStatus::Deprovisioning;
            let assumptions = &self.scenario.assumptions;
            let after = match on_fargate {
                true => assumptions.fargate.deprovisioning_time,
                false => assumptions.network_interface_detach_time,
            };
            self.wake_task(task, self.varied(task, Phase::Deprovisioning, after));
        } else {
            self.task_is_stopped(task);
        }
    }

    fn task_is_stopped(&mut self, task: Id<Task>) {
        let now = self.now();
        let row = &mut self.cluster.tasks[task];
        row.status = TaskStatus::Stopped;
        row.stopped_at = Some(now);
        row.process_is_up = false;
        let subnet = row.subnet.take();
        let (launcher, instance) = (row.launcher, row.instance());
        let (never_ran, created_at) = (row.started_at.is_none(), row.created_at);
        let code = row.stopped_reason.as_ref().map(|(code, _)| *code);
        self.cluster.return_address(subnet);
        if !self.target_is_left_behind(task) {
            self.take_out_of_rotation(task);
        }
        self.leave_fargate(task);
        self.free_slot_when(task, SlotFreedAt::Stopped);
        self.cluster.leave(task);
        if let Some(instance) = instance {
            self.tasks_changed_on(instance);
            self.terminate_soon_if_drained(instance);
        }
        self.task_wakes.remove(&task);
        self.start_failures.remove(&task);
        self.variations.remove(&task);
        self.forget_why_unhealthy(task, CheckedBy::LoadBalancer);
        self.forget_why_unhealthy(task, CheckedBy::Containers);
        self.cluster.has_changed(Change::Task(task));
        let Launcher::Service(service) = launcher else { return };
        let state = &mut self.services[service.index()];
        state.tasks.retain(|it| *it != task);
        if never_ran && state.newest_that_never_ran.is_none_or(|it| it.0 < task) {
            state.newest_that_never_ran = Some((task, now));
        }
        if code == Some(StopCode::ServiceSchedulerInitiated) {
            match self.has_come_to_its_end(service) {
                true => self.schedule_service_at(service, now),
                false => self.schedule_service(service),
            }
        } else {
            let deployment = self.cluster.tasks[task].deployment;
            if never_ran {
                self.count_for_breaker(task, None, TaskFailures::task_never_ran);
            } else {
                self.task_of_deployment_was_lost(service, deployment);
            }
            let state = &mut self.services[service.index()];
            // The pause grows step by step between launch attempts: tasks that were launched together fail as one.
            if never_ran && state.failed_start_at.is_none_or(|it| created_at >= it) {
                state.failed_starts += 1;
                state.failed_start_at = Some(now);
            }
            if code.is_some_and(StopCode::is_unforeseen) {
                self.task_is_replaced_later(service, task);
            } else {
                self.schedule_service(service);
            }
        }
    }

    pub(super) fn take_out_of_rotation(&mut self, task: Id<Task>) {
        if let Some(target) = self.cluster.tasks[task].target.take() {
            self.remove_target(target);
        }
    }

    /// Whether `StopTask` was called for a task, and its target does not know yet.
    fn target_is_left_behind(&self, task: Id<Task>) -> bool {
        let row = &self.cluster.tasks[task];
        let lag = self.scenario.assumptions.stop_task_deregistration_time;
        row.stopped_reason.as_ref().is_some_and(|it| it.0 == StopCode::UserInitiated)
            && row.sigterm_at.is_some_and(|it| self.now() < it + lag)
    }

    /// SIGTERM is sent to a task: its target is gone by then, but of one that is stopped without waiting for that.
    pub(super) fn sigterm_meets_target(&mut self, task: Id<Task>) {
        match self.cluster.tasks[task].stopped_reason.as_ref().map(|it| it.0) {
            Some(StopCode::SpotInterruption) => self.interruption_meets_target(task),
            Some(StopCode::UserInitiated) => {
                let at = self.now() + self.scenario.assumptions.stop_task_deregistration_time;
                self.agenda.put(at, Event::TargetOfStoppedTaskLeaves(task));
            }
            _ => self.take_out_of_rotation(task),
        }
    }

    pub(super) fn target_of_stopped_task_leaves(&mut self, task: Id<Task>) {
        match self.cluster.tasks[task].status {
            TaskStatus::Stopped => self.take_out_of_rotation(task),
            _ => {
                if let Some(target) = self.cluster.tasks[task].target {
                    self.drain_target(target);
                }
            }
        }
    }

    /// Gives a task's slot back, where that is due by now.
    pub(super) fn free_slot_when(&mut self, task: Id<Task>, now: SlotFreedAt) {
        if self.scenario.assumptions.slot_freed_at <= now && self.cluster.tasks[task].holds_reservation {
            let instance = self.cluster.tasks[task].instance().expect("a reservation is on an instance");
            self.cluster.release(task, self.agenda.now());
            self.capacity_was_freed(instance);
        }
    }

    fn cache_layers(&mut self, task: Id<Task>) {
        let all: Vec<usize> = (0..self.definition_of(task).containers.len()).collect();
        self.cache_layers_of(task, &all);
    }

    /// The images of these containers are on the task's instance.
    pub(super) fn cache_layers_of(&mut self, task: Id<Task>, containers: &[usize]) {
        // Nothing stays on Fargate.
        let Some(instance) = self.cluster.tasks[task].instance() else { return };
        self.clean_up_images(instance);
        let now = self.now();
        let definition = self.definition_of(task);
        let images = &mut self.agents[instance.index()].images;
        for container in containers.iter().map(|&it| &definition.containers[it]) {
            let layers = container.application.layers.iter().map(|it| it.name.as_str());
            images.is_used(&container.image, layers, task, now);
        }
    }

    fn agent_takes(&mut self, task: Id<Task>) {
        let row = &self.cluster.tasks[task];
        let agent = &mut self.agents[row.instance().expect("placed").index()];
        agent.cpu_units += row.reservation.cpu_units;
        agent.memory_mib += row.reservation.memory_mib;
        agent.gpus += row.reservation.gpus;
        agent.ports.extend(row.reservation.ports.iter().copied());
        agent.holding.insert(task);
    }

    fn agent_drops(&mut self, task: Id<Task>) {
        let row = &self.cluster.tasks[task];
        let Some(instance) = row.instance() else { return };
        let removed_at = self.agenda.now() + self.group_of(task).agent_configuration.image_cleanup.task_cleanup_wait;
        let agent = &mut self.agents[instance.index()];
        agent.images.task_has_stopped(task, removed_at);
        agent.waiting.retain(|it| *it != task);
        if agent.holding.remove(&task) {
            agent.cpu_units -= row.reservation.cpu_units;
            agent.memory_mib -= row.reservation.memory_mib;
            agent.gpus -= row.reservation.gpus;
            for port in &row.reservation.ports {
                agent.ports.remove(port);
            }
            for port in &row.host_ports {
                agent.chosen_ports.remove(port);
            }
        }
        self.agent_looks(instance);
        let agent = &self.agents[instance.index()];
        if agent.holding.is_empty() && agent.waiting.is_empty() {
            self.instance_is_empty(instance);
        }
    }

    /// The agent starts what waits, in order, as long as the head of the queue fits.
    fn agent_looks(&mut self, instance: Id<ContainerInstance>) {
        while let Some(&task) = self.agents[instance.index()].waiting.front() {
            let need = &self.cluster.tasks[task].reservation;
            let host = &self.cluster.instances[instance];
            let agent = &self.agents[instance.index()];
            let fits = agent.cpu_units + need.cpu_units <= host.registered_cpu_units
                && agent.memory_mib + need.memory_mib <= host.registered_memory_mib
                && agent.gpus + need.gpus <= host.registered_gpus
                && need.ports.iter().all(|port| !agent.ports.contains(port));
            if !fits {
                return;
            }
            self.agents[instance.index()].waiting.pop_front();
            self.agent_takes(task);
            self.begins_to_pull(task);
        }
    }

    /// The images of a task are pulled; of one whose containers are followed, those that are needed first.
    fn begins_to_pull(&mut self, task: Id<Task>) {
        let now = self.now();
        let row = &mut self.cluster.tasks[task];
        row.status = TaskStatus::Activating;
        row.pull_started_at = Some(now);
        self.clean_up_images_for(task);
        let definition = self.definition_of(task);
        if self.fails_for_want_of_storage(task) {
            return;
        }
        self.task_may_tell_image_digests(task);
        if self.follows_containers(task) {
            self.begin_containers(task);
        } else {
            let all: Vec<usize> = (0..definition.containers.len()).collect();
            self.count_pull_through_nat(task, &all);
            let pull = self.pull_time(task, &all);
            let timeout = self.pull_timeout(task);
            if pull.takes > timeout && !all.iter().all(|it| self.serves_without_pull(task, *it)) {
                self.start_failures.insert(task, StartFailure::TimedOut("pulled", timeout));
            }
            self.wake_task(task, pull.waits + pull.takes.min(timeout));
        }
    }

    /// `stopTimeout` of containers that do not say.
    pub(super) fn usual_stop_timeout(&self, task: Id<Task>) -> Span {
        match self.cluster.tasks[task].is_on_fargate() {
            true => fargate::STOP_TIMEOUT,
            false => self.group_of(task).container_stop_timeout,
        }
    }

    fn provisioning_times_out(&mut self, task: Id<Task>) {
        let words = "failed to start: no capacity within the provisioning timeout";
        self.say_of_task(task, None, "task.provisioning_timeout", words);
        let wanted = Wanted::of(&self.cluster.tasks[task]);
        let lacked = self.records.refusals.refusal_of(&wanted).map_or(no_container_instances(true), Refusal::of_api);
        let reason = format!("TaskFailedToStart: {lacked}");
        self.note_lack_of_room(task);
        self.stop_task(task, StopCode::TaskFailedToStart, reason, None);
    }
}
