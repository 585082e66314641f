//! Standalone tasks: calls of `RunTask`, which place what they can at once.
//!
//! A task that finds no instance is a failure of the call, and nobody tries again; behind a capacity provider with managed
//! scaling it waits in PROVISIONING instead (API Reference, *RunTask*). There may be 500 of these in a cluster (*Amazon ECS service
//! quotas*): a call that would make them more is a `ClientException`, and starts nothing. Which tasks it counts AWS does not say:
//! here all of a call that may have to wait, since tasks are in PROVISIONING before they are placed.
//!
//! Calls for tasks on Fargate have a bucket of their own (*Fargate throttling quotas*), and others share that of requests which
//! modify the cluster's resources (*Request throttling for the Amazon ECS API*): one too many is a `ThrottlingException`. A program
//! that makes it tries again as AWS's SDKs do, EventBridge as `event_bridge` has it.

use std::collections::BTreeMap;

use crate::agenda::Event;
use crate::aws::capacity_provider::{CapacityProvider, choose_provider};
use crate::aws::launch::Launcher;
use crate::aws::run_task::{Caller, PROVISIONING_LIMIT, RunTask, TASKS_OF_A_CALL, THROTTLED, retry_pause};
use crate::cluster::{ContainerInstance, StopCode, Task, TaskStatus};
use crate::control::Control;
use crate::control::log::Decision;
use crate::control::placing::Wanted;
use crate::control::start_tasks::OwnScheduler;
use crate::rng::{Seed, Stream};
use crate::run::{RefusalOutcome, RunTaskMinute, RunTaskTotals};
use crate::spelling::{one_or_more, plural};
use crate::table::Id;
use crate::units::{Instant, Span};
use crate::workload::task_calls::{DrawnCall, TaskCallSource};

/// Calls of one entry of the scenario.
pub struct Calls {
    source: TaskCallSource,
    next: Option<DrawnCall>,
    /// Calls that are yet to be made or to be made again, by when and in the order in which they were put off.
    put_off: BTreeMap<(Instant, u64), Call>,
    /// How many were put off so far.
    put_off_count: u64,
    /// For the pauses before these.
    pub(super) retries: Stream,
    /// For when events of EventBridge come to their target, and how often.
    pub(super) deliveries: Stream,
    /// The second of the minute at which a schedule invokes its target, and where it is drawn from: all targets of a rule have one.
    pub(super) offset: Option<Span>,
    pub(super) offsets: Stream,
    /// What a scheduler that calls `StartTask` has in mind.
    pub(super) own_scheduler: OwnScheduler,
    pub(super) totals: RunTaskTotals,
    /// The totals when the last minute closed.
    at_last_minute: RunTaskTotals,
}

impl Calls {
    /// Before the first call of an entry; `rule` is the rule or schedule whose target it is, else the entry.
    pub fn new(source: TaskCallSource, seed: Seed, name: &str, rule: &str) -> Calls {
        Calls {
            source,
            next: None,
            put_off: BTreeMap::new(),
            put_off_count: 0,
            retries: seed.stream("calls again", name),
            deliveries: seed.stream("event deliveries", name),
            offset: None,
            offsets: seed.stream("event deliveries", rule),
            own_scheduler: OwnScheduler::default(),
            totals: RunTaskTotals::default(),
            at_last_minute: RunTaskTotals::default(),
        }
    }

    /// What has come of them when the run ends.
    pub fn totals_at_end(&self) -> RunTaskTotals {
        let mut totals = self.totals.clone();
        // Throttled calls of programs are put off as well, and are no events.
        totals.events.pending = if totals.events.invocations > 0 { self.put_off.len() as u64 } else { 0 };
        totals
    }

    /// How long the tasks of a call run, each for itself; and that they are asked for.
    pub(super) fn ask(&mut self, count: u32) -> Vec<Option<Span>> {
        self.totals.asked += u64::from(count);
        (0..count).map(|_| self.source.run_time()).collect()
    }
}

/// One call of `RunTask` or `StartTask`.
pub(super) struct Call {
    /// How long each of its tasks runs. Drawn whatever becomes of the task, so that variants run the same ones.
    pub(super) run_times: Vec<Option<Span>>,
    /// The instances that a call of `StartTask` names, one for each task, `None` where one is not there; none of `RunTask`.
    pub(super) container_instances: Vec<Option<Id<ContainerInstance>>>,
    /// Which of the sizes they have.
    pub(super) size: usize,
    /// How often it was made in vain.
    pub(super) attempts: u32,
    /// When it was first to be made.
    pub(super) since: Instant,
}

/// What a call that was answered has not started.
pub(super) struct NotStarted {
    /// How long each of these tasks would have run.
    pub(super) run_times: Vec<Option<Span>>,
    /// How many there are for each reason.
    pub(super) failures: BTreeMap<&'static str, u32>,
}

impl Control<'_> {
    pub(super) fn begin_run_tasks(&mut self) {
        for run_task in self.scenario.run_tasks.ids() {
            self.await_next_call(run_task);
            self.begin_own_scheduler(run_task);
        }
    }

    fn await_next_call(&mut self, run_task: Id<RunTask>) {
        let calls = &mut self.run_tasks[run_task.index()];
        calls.next = calls.source.next_call();
        if let Some(call) = calls.next {
            self.agenda.put(call.at, Event::RunTaskIsCalled(run_task));
        }
    }

    pub(super) fn run_task_is_called(&mut self, run_task: Id<RunTask>) {
        let call = self.run_tasks[run_task.index()].next.expect("a call is awaited");
        match &self.scenario.run_tasks[run_task].caller {
            Caller::Program => {
                let mut left = call.count;
                while left > 0 {
                    let count = left.min(TASKS_OF_A_CALL);
                    let run_times = self.run_tasks[run_task.index()].ask(count);
                    let container_instances = Vec::new();
                    let call = Call { run_times, container_instances, size: call.size, attempts: 0, since: call.at };
                    self.call(run_task, call);
                    left -= count;
                }
            }
            Caller::EventBridge(target) => self.event_occurs(run_task, target, call),
            Caller::StartTask(start_task) => self.start_task_is_asked_for(run_task, start_task, call),
        }
        self.await_next_call(run_task);
    }

    /// A call that was put off is made.
    pub(super) fn run_task_is_retried(&mut self, run_task: Id<RunTask>) {
        let now = self.now();
        let calls = &mut self.run_tasks[run_task.index()];
        let Some(first) = calls.put_off.first_entry().filter(|it| it.key().0 <= now) else { return };
        let call = first.remove();
        match &self.scenario.run_tasks[run_task].caller {
            Caller::EventBridge(target) => self.target_is_invoked(run_task, target, call),
            Caller::Program => self.call(run_task, call),
            Caller::StartTask(_) => self.call_start_task(run_task, call),
        }
    }

    /// Has a call made later.
    pub(super) fn put_off(&mut self, run_task: Id<RunTask>, call: Call, at: Instant) {
        let calls = &mut self.run_tasks[run_task.index()];
        calls.put_off_count += 1;
        calls.put_off.insert((at, calls.put_off_count), call);
        self.agenda.put(at, Event::RunTaskIsRetried(run_task));
    }

    /// A call is throttled: it is made again after a while, as long as it may.
    pub(super) fn call_is_throttled(&mut self, run_task: Id<RunTask>, mut call: Call) {
        let now = self.now();
        call.attempts += 1;
        if call.attempts >= self.scenario.assumptions.run_task_max_attempts {
            self.call_fails(run_task, &call, THROTTLED);
            return;
        }
        let at = now + retry_pause(call.attempts - 1, self.run_tasks[run_task.index()].retries.unit());
        let (operation, kind) = match self.scenario.run_tasks[run_task].caller {
            Caller::StartTask(_) => ("StartTask", "task.start_task_throttled"),
            Caller::Program | Caller::EventBridge(_) => ("RunTask", "task.run_task_throttled"),
        };
        let tasks = plural(call.run_times.len(), "task");
        let words = format!("{operation} for {tasks} is tried again at {at}: {THROTTLED}");
        self.put_off(run_task, call, at);
        self.say_of_launcher(Launcher::RunTask(run_task), None, kind, &words);
    }

    /// Makes one call for a program.
    fn call(&mut self, run_task: Id<RunTask>, call: Call) {
        match self.try_call(run_task, &call) {
            Ok(not_started) => self.count_failures(run_task, call.size, &not_started.failures),
            Err(THROTTLED) => self.call_is_throttled(run_task, call),
            Err(exception) => self.call_fails(run_task, &call, exception),
        }
    }

    /// Whether the account may make a call now; one that it may not is throttled.
    pub(super) fn may_call(&mut self, run_task: Id<RunTask>) -> bool {
        let now = self.now();
        let may = match self.scenario.runs_on_fargate(Launcher::RunTask(run_task)) {
            true => self.fargate_calls.take(now),
            false => self.cluster_calls.take(now),
        };
        self.run_tasks[run_task.index()].totals.throttled += u64::from(!may);
        may
    }

    /// Makes one call: what it has not started, or the exception with which it failed as a whole.
    pub(super) fn try_call(&mut self, run_task: Id<RunTask>, call: &Call) -> Result<NotStarted, &'static str> {
        if !self.may_call(run_task) {
            return Err(THROTTLED);
        }
        let size = call.size;
        let launcher = Launcher::RunTask(run_task);
        let definition = &self.scenario.run_tasks[run_task];
        let mut counts = vec![0; definition.launch.capacity_provider_strategy.len()];
        let providers: Vec<Option<Id<CapacityProvider>>> =
            call.run_times.iter().map(|_| self.provider_of_call(run_task, &mut counts)).collect();
        let may_wait = providers.iter().filter(|it| self.provisions(**it)).count();
        if may_wait > 0 && !self.may_provision(may_wait) {
            return Err(PROVISIONING_LIMIT);
        }
        let mut not_started = Vec::new();
        let mut started = Vec::new();
        let mut waiting = 0;
        let mut failures: BTreeMap<&'static str, u32> = BTreeMap::new();
        for (run_time, capacity_provider) in call.run_times.iter().copied().zip(providers) {
            let wanted = Wanted {
                placement_constraints: None,
                availability_zone: None,
                launcher,
                task_definition: definition.task_definition,
                capacity_provider,
                network: None,
                overrides: definition.sizes[size],
            };
            if let Some(capacity) = self.fargate_of(&wanted) {
                if let Some(refusal) = self.fargate_refusal(&wanted, capacity) {
                    *failures.entry(refusal.words()).or_default() += 1;
                    not_started.push(run_time);
                } else {
                    let task = self.create_standalone_task(&wanted, run_time);
                    self.launch_on_fargate(task);
                    started.push(task);
                }
                continue;
            }
            match self.choose_instance(&wanted) {
                Some(instance) => {
                    let task = self.create_standalone_task(&wanted, run_time);
                    self.place_task(task, instance);
                    self.records.refusals.end(&wanted, self.agenda.now());
                    started.push(task);
                }
                None if self.provisions(capacity_provider) => {
                    let task = self.create_standalone_task(&wanted, run_time);
                    self.wake_task(task, self.scenario.assumptions.provisioning_timeout);
                    self.placement_is_refused(&wanted, 1, RefusalOutcome::WaitsInProvisioning);
                    waiting += 1;
                }
                None => {
                    self.placement_is_refused(&wanted, 1, RefusalOutcome::NotStarted);
                    *failures.entry(self.refusal(&wanted).of_api()).or_default() += 1;
                    not_started.push(run_time);
                }
            }
        }
        self.say_called(run_task, &started, waiting, &failures);
        Ok(NotStarted { run_times: not_started, failures })
    }

    /// Counts tasks that a call has not started, and that nobody tries again.
    pub(super) fn count_failures(
        &mut self,
        run_task: Id<RunTask>,
        size: usize,
        failures: &BTreeMap<&'static str, u32>,
    ) {
        let cpu_units = self.cpu_units_of(run_task, size);
        let totals = &mut self.run_tasks[run_task.index()].totals;
        for (reason, count) in failures {
            *totals.failures.entry(reason).or_default() += u64::from(*count);
            totals.failed_cpu_units += u64::from(cpu_units) * u64::from(*count);
        }
    }

    /// The capacity provider of a call's next task: its strategy is split over the tasks of the call.
    fn provider_of_call(&self, run_task: Id<RunTask>, counts: &mut [u32]) -> Option<Id<CapacityProvider>> {
        let strategy = &self.scenario.run_tasks[run_task].launch.capacity_provider_strategy;
        if strategy.is_empty() {
            return None;
        }
        let chosen = choose_provider(strategy, counts);
        counts[chosen] += 1;
        Some(strategy[chosen].capacity_provider)
    }

    /// A call starts nothing, for a reason that is not any task's.
    pub(super) fn call_fails(&mut self, run_task: Id<RunTask>, call: &Call, exception: &'static str) {
        let count = call.run_times.len() as u64;
        let cpu_units = self.cpu_units_of(run_task, call.size);
        let totals = &mut self.run_tasks[run_task.index()].totals;
        totals.failed_calls += 1;
        totals.failed_cpu_units += u64::from(cpu_units) * count;
        *totals.failures.entry(exception).or_default() += count;
        if exception != THROTTLED {
            let target = self.scenario.launcher_words(Launcher::RunTask(run_task));
            self.note_failed_call("RunTask", target, exception, true);
        }
        let (operation, kind) = match self.scenario.run_tasks[run_task].caller {
            Caller::StartTask(_) => ("StartTask", "task.start_task_failed"),
            Caller::Program | Caller::EventBridge(_) => ("RunTask", "task.run_task_failed"),
        };
        let words = format!("{operation} failed for {}: {exception}", plural(count, "task"));
        self.say_of_launcher(Launcher::RunTask(run_task), None, kind, &words);
    }

    /// CPU units of a task of one of the sizes.
    fn cpu_units_of(&self, run_task: Id<RunTask>, size: usize) -> u32 {
        let definition = &self.scenario.run_tasks[run_task];
        let of_definition = self.scenario.task_definitions[definition.task_definition].reservation();
        definition.sizes[size].reservation(of_definition).cpu_units
    }

    /// Whether tasks of a capacity provider wait in PROVISIONING where no instance can take them.
    pub(super) fn provisions(&self, capacity_provider: Option<Id<CapacityProvider>>) -> bool {
        capacity_provider.is_some_and(|it| self.scenario.capacity_providers[it].managed_scaling.is_some())
    }

    /// Whether the cluster takes so many more tasks in PROVISIONING.
    pub(super) fn may_provision(&self, tasks: usize) -> bool {
        self.cluster.waiting.len() + tasks <= self.scenario.assumptions.provisioning_maximum as usize
    }

    pub(super) fn create_standalone_task(&mut self, wanted: &Wanted, run_time: Option<Span>) -> Id<Task> {
        let task = self.create_task(wanted);
        self.cluster.tasks[task].run_time = run_time;
        task
    }

    fn say_called(
        &mut self,
        run_task: Id<RunTask>,
        started: &[Id<Task>],
        waiting: u32,
        failures: &BTreeMap<&'static str, u32>,
    ) {
        let launcher = Launcher::RunTask(run_task);
        let mut cause = None;
        if !started.is_empty() {
            cause = Some(self.say_of_tasks(launcher, None, "task.started", "has started", started));
        }
        if waiting > 0 {
            let (wait, their) = one_or_more(waiting, ("waits", "its"), ("wait", "their"));
            let words = format!("{} {wait} in PROVISIONING for {their} capacity provider.", plural(waiting, "task"));
            cause = Some(self.say_of_launcher(launcher, cause, "task.provisioning", &words));
        }
        if !failures.is_empty() {
            let reason = |it: &str| it.trim_end_matches('.').to_owned();
            let failures: Vec<String> = failures.iter().map(|(it, count)| format!("{count} {}", reason(it))).collect();
            let words = format!("RunTask had failures: {}.", failures.join(", "));
            self.say_of_launcher(launcher, cause, "task.run_task_failed", &words);
        }
    }

    /// Has standalone tasks in PROVISIONING looked at soon, where there are any.
    pub(super) fn place_standalone_tasks_soon(&mut self) {
        if self.cluster.waiting.iter().next_back().is_some_and(|it| it.0.service().is_none()) {
            let at = self.now() + self.scenario.assumptions.scheduler_delay;
            if self.standalone_passes.insert(at) {
                self.agenda.put(at, Event::StandaloneTasksArePlaced);
            }
        }
    }

    /// A task has come to an instance: that may be what others wait for that want to be where it is.
    pub(super) fn tasks_came_to_stand(&mut self) {
        let waiting = self.cluster.waiting.iter().rev().take_while(|it| it.0.service().is_none());
        let mut one_of_each: Vec<(Launcher, Id<Task>)> = waiting.copied().collect();
        one_of_each.dedup_by_key(|it| it.0);
        if one_of_each.iter().any(|it| self.goes_by_tasks(&Wanted::of(&self.cluster.tasks[it.1]))) {
            self.place_standalone_tasks_soon();
        }
    }

    pub(super) fn standalone_tasks_are_placed(&mut self) {
        let now = self.now();
        self.standalone_passes.remove(&now);
        for run_task in self.scenario.run_tasks.ids() {
            let launcher = Launcher::RunTask(run_task);
            let placed = self.place_waiting_tasks_of(launcher);
            if !placed.is_empty() {
                self.say_of_tasks(launcher, None, "task.started", "has started", &placed);
            }
        }
    }

    /// The time that a standalone task was to run is over: its essential container exits with code 0.
    pub(super) fn run_time_is_over(&mut self, task: Id<Task>) {
        let now = self.now();
        if !self.cluster.tasks[task].containers.is_empty() {
            self.first_essential_container_ends(task);
            return;
        }
        let row = &mut self.cluster.tasks[task];
        row.exit_code = Some(0);
        row.stopping_at.get_or_insert(now);
        let reason = "Essential container in task exited".to_owned();
        row.stopped_reason.get_or_insert((StopCode::EssentialContainerExited, reason));
        self.processes_are_gone(task);
    }

    pub(super) fn record_run_tasks(&mut self) {
        let minute = self.now().0 / Span::MINUTE.0 - 1;
        let mut running = vec![0; self.run_tasks.len()];
        if !running.is_empty() {
            let on_instances = self.cluster.instances.iter().flat_map(|it| &it.hosted);
            for task in on_instances.chain(&self.cluster.fargate_tasks).map(|it| &self.cluster.tasks[*it]) {
                if let (Launcher::RunTask(run_task), TaskStatus::Running) = (task.launcher, task.status) {
                    running[run_task.index()] += 1;
                }
            }
        }
        for (number, (calls, running)) in self.run_tasks.iter_mut().zip(running).enumerate() {
            let launcher = Launcher::RunTask(Id::new(number));
            let before = std::mem::replace(&mut calls.at_last_minute, calls.totals.clone());
            let waiting =
                self.cluster.waiting.range((launcher, Id::new(0))..).take_while(|it| it.0 == launcher).count();
            self.records.run_task_minutes.push(RunTaskMinute {
                minute,
                run_task: number,
                asked: calls.totals.asked - before.asked,
                failed: calls.totals.failed() - before.failed(),
                provisioning: waiting as u32,
                queued: calls.own_scheduler.queued(),
                running,
                failed_calls: calls.totals.failed_calls - before.failed_calls,
                throttled: calls.totals.throttled - before.throttled,
                events: calls.totals.events.since(&before.events),
            });
        }
    }

    pub(super) fn say_of_launcher(
        &mut self,
        launcher: Launcher,
        cause: Option<Decision>,
        kind: &'static str,
        words: &str,
    ) -> Decision {
        let message = format!("({}) {words}", self.launcher_words(launcher));
        let resource = self.launcher_resource(launcher);
        self.log.put(self.agenda.now(), cause, kind, resource, message)
    }

    /// Logs what becomes of some tasks of a launcher, with their names.
    pub(super) fn say_of_tasks(
        &mut self,
        launcher: Launcher,
        cause: Option<Decision>,
        kind: &'static str,
        words: &str,
        tasks: &[Id<Task>],
    ) -> Decision {
        let names: Vec<String> =
            tasks.iter().map(|it| format!("(task {})", crate::control::health::task_name(*it))).collect();
        self.say_of_launcher(launcher, cause, kind, &format!("{words} {} tasks: {}.", tasks.len(), names.join(" ")))
    }
}
