//! Schedulers of one's own: what calls of `StartTask` put on instances that they name.
//!
//! What the instance does not have makes the call fail for it; strategies and constraints are not asked. A scheduler that polls sees
//! the instances as `DescribeContainerInstances` shows them, asks for no task that it sees no room for, and keeps what is left for
//! its next look.

use std::collections::{BTreeMap, VecDeque};

use crate::agenda::Event;
use crate::aws::cluster_query::{InstanceFacts, matches};
use crate::aws::launch::Launcher;
use crate::aws::placement::Reason;
use crate::aws::run_task::RunTask;
use crate::aws::start_task::{
    Choice, CustomScheduler, INACTIVE, INSTANCES_OF_A_CALL, InstancesNamed, MISSING, Manner, StartTask,
};
use crate::cluster::{ContainerInstance, InstanceStatus, Task, TaskStatus};
use crate::control::Control;
use crate::control::placing::{Asked, Wanted, is_candidate};
use crate::control::run_tasks::Call;
use crate::table::Id;
use crate::units::{Instant, Span};
use crate::workload::task_calls::DrawnCall;

/// What a scheduler has in mind.
#[derive(Default)]
pub struct OwnScheduler {
    /// Tasks that it is to place: how long each runs, and its size.
    queue: VecDeque<(Option<Span>, usize)>,
    /// Tasks that it keeps.
    kept: Vec<Id<Task>>,
}

impl OwnScheduler {
    /// How many tasks it has not yet placed.
    pub(super) fn queued(&self) -> u32 {
        self.queue.len() as u32
    }
}

impl<'a> Control<'a> {
    pub(super) fn begin_own_scheduler(&mut self, run_task: Id<RunTask>) {
        if self.custom_scheduler(run_task).is_some() {
            self.agenda.put(Instant::START, Event::CustomSchedulerLooks(run_task));
        }
    }

    fn custom_scheduler(&self, run_task: Id<RunTask>) -> Option<(&'a StartTask, CustomScheduler)> {
        match &self.scenario.run_tasks[run_task].caller {
            crate::aws::run_task::Caller::StartTask(start_task) => match start_task.manner {
                Manner::Polling(scheduler) => Some((start_task, scheduler)),
                Manner::OnEach => None,
            },
            _ => None,
        }
    }

    /// The scenario asks for tasks: at once, or of the scheduler that will look at them.
    pub(super) fn start_task_is_asked_for(&mut self, run_task: Id<RunTask>, start_task: &StartTask, call: DrawnCall) {
        if self.custom_scheduler(run_task).is_some() {
            let calls = &mut self.run_tasks[run_task.index()];
            let run_times = calls.ask(call.count);
            calls.own_scheduler.queue.extend(run_times.into_iter().map(|it| (it, call.size)));
            return;
        }
        let instances = self.instances_named(&start_task.container_instances);
        for chunk in instances.chunks(INSTANCES_OF_A_CALL) {
            let run_times = self.run_tasks[run_task.index()].ask(chunk.len() as u32);
            let container_instances = chunk.to_vec();
            let call = Call { run_times, container_instances, size: call.size, attempts: 0, since: call.at };
            self.call_start_task(run_task, call);
        }
    }

    /// One call: a task on each of the instances. One that is throttled is made again, as AWS's SDKs do.
    pub(super) fn call_start_task(&mut self, run_task: Id<RunTask>, call: Call) {
        if !self.may_call(run_task) {
            self.call_is_throttled(run_task, call);
            return;
        }
        let mut failures: BTreeMap<&'static str, u32> = BTreeMap::new();
        let mut started = Vec::new();
        let (wanted, asked) = self.asked_by_start_task(run_task, call.size);
        for (instance, run_time) in call.container_instances.iter().zip(call.run_times) {
            let failure = match instance {
                Some(instance) => self.start_task_failure(&asked, *instance),
                None => Some(MISSING),
            };
            match (failure, instance) {
                (None, Some(instance)) => started.push(self.start_on(&wanted, *instance, run_time)),
                (failure, _) => *failures.entry(failure.unwrap_or(MISSING)).or_default() += 1,
            }
        }
        for error in failures.keys() {
            self.note_failed_call("StartTask", self.scenario.launcher_words(Launcher::RunTask(run_task)), error, true);
        }
        self.count_failures(run_task, call.size, &failures);
        self.say_start_task(run_task, &started, &failures);
    }

    fn say_start_task(&mut self, run_task: Id<RunTask>, started: &[Id<Task>], failures: &BTreeMap<&'static str, u32>) {
        let launcher = Launcher::RunTask(run_task);
        if !started.is_empty() {
            self.say_of_tasks(launcher, None, "task.started", "has started", started);
        }
        if !failures.is_empty() {
            let failures: Vec<String> = failures.iter().map(|(it, count)| format!("{count} {it}")).collect();
            let words = format!("StartTask had failures: {}.", failures.join(", ").trim_end_matches('.'));
            self.say_of_launcher(launcher, None, "task.start_task_failed", &words);
        }
    }

    /// A task as `StartTask` asks for it: without any constraint.
    fn asked_by_start_task(&self, run_task: Id<RunTask>, size: usize) -> (Wanted, Asked<'a>) {
        let definition = &self.scenario.run_tasks[run_task];
        let wanted = Wanted {
            launcher: Launcher::RunTask(run_task),
            task_definition: definition.task_definition,
            capacity_provider: None,
            network: None,
            placement_constraints: None,
            availability_zone: None,
            overrides: definition.sizes[size],
        };
        let mut asked = self.asked_by(&wanted);
        asked.constraints.clear();
        (wanted, asked)
    }

    fn start_task_failure(&self, asked: &Asked<'a>, instance: Id<ContainerInstance>) -> Option<&'static str> {
        let failure = asked.with_candidate(&self.cluster, instance, None, |it| asked.failure(it));
        failure.map(|it| if it == Reason::NotActive { INACTIVE } else { it.of_api() })
    }

    fn start_on(&mut self, wanted: &Wanted, instance: Id<ContainerInstance>, run_time: Option<Span>) -> Id<Task> {
        let task = self.create_standalone_task(wanted, run_time);
        self.place_task(task, instance);
        task
    }

    /// The instances that are meant, in the order in which they were launched; `None` for an ordinal that none has.
    fn instances_named(&self, named: &InstancesNamed) -> Vec<Option<Id<ContainerInstance>>> {
        let is_meant = |(id, it): (Id<ContainerInstance>, &ContainerInstance)| {
            let is_of_group = named.auto_scaling_group.is_none_or(|group| group == it.auto_scaling_group);
            let is_in_zone = named.availability_zone.is_none_or(|zone| zone == it.availability_zone);
            let is_there = is_candidate(it) && is_of_group && is_in_zone;
            (is_there && named.filter.as_ref().is_none_or(|filter| self.selects(filter, id))).then_some(id)
        };
        let all: Vec<Id<ContainerInstance>> = self.cluster.instances.entries().filter_map(is_meant).collect();
        match named.ordinals.as_slice() {
            [] => all.into_iter().map(Some).collect(),
            ordinals => ordinals.iter().map(|it| all.get(*it as usize - 1).copied()).collect(),
        }
    }

    /// Whether a `filter` of `ListContainerInstances` selects an instance.
    fn selects(&self, filter: &crate::aws::cluster_query::Expression, instance: Id<ContainerInstance>) -> bool {
        let row = &self.cluster.instances[instance];
        let group = &self.scenario.auto_scaling_groups[row.auto_scaling_group];
        let hosted = || row.hosted.iter().map(|it| &self.cluster.tasks[*it]).filter(|it| !it.is_asked_to_stop);
        let task_groups: Vec<&str> = hosted()
            .map(|it| self.scenario.task_groups[self.scenario.launch(it.launcher).task_group].name.as_str())
            .collect();
        let facts = InstanceFacts {
            attributes: &row.attributes,
            ec2_instance_id: &row.name,
            agent_connected: row.agent_connected,
            agent_version: &group.agent_version,
            agent_configuration: Some(&group.agent_configuration),
            registered_at_unix_nanos: self.unix_nanos(row.registered_at.unwrap_or(self.now())),
            running_tasks_count: hosted().count() as u32,
            task_groups: &task_groups,
        };
        matches(filter, &facts)
    }

    /// A scheduler looks at the cluster, and starts what it can.
    pub(super) fn custom_scheduler_looks(&mut self, run_task: Id<RunTask>) {
        let Some((start_task, scheduler)) = self.custom_scheduler(run_task) else { return };
        self.agenda.put(self.now() + scheduler.every, Event::CustomSchedulerLooks(run_task));
        let missing = self.missing_of(run_task, scheduler);
        if missing == 0 {
            return;
        }
        let instances: Vec<Id<ContainerInstance>> =
            self.instances_named(&start_task.container_instances).into_iter().flatten().collect();
        let mut started = Vec::new();
        for number in 0..missing {
            // Each call names ten instances; what is throttled waits for the next look.
            if number % INSTANCES_OF_A_CALL == 0 && !self.room_for_next(run_task, scheduler, &instances) {
                break;
            }
            if number % INSTANCES_OF_A_CALL == 0 && !self.may_call(run_task) {
                break;
            }
            let Some(task) = self.start_next(run_task, scheduler, &instances) else { break };
            started.push(task);
        }
        self.say_start_task(run_task, &started, &BTreeMap::new());
    }

    /// Tasks that a scheduler is still to start.
    fn missing_of(&mut self, run_task: Id<RunTask>, scheduler: CustomScheduler) -> usize {
        let own = &mut self.run_tasks[run_task.index()].own_scheduler;
        let Some(desired) = scheduler.desired_count else { return own.queue.len() };
        let tasks = &self.cluster.tasks;
        own.kept.retain(|it| tasks[*it].status != TaskStatus::Stopped && !tasks[*it].is_asked_to_stop);
        (desired as usize).saturating_sub(own.kept.len())
    }

    fn next_size(&self, run_task: Id<RunTask>) -> usize {
        self.run_tasks[run_task.index()].own_scheduler.queue.front().map_or(0, |it| it.1)
    }

    fn room_for_next(
        &self,
        run_task: Id<RunTask>,
        scheduler: CustomScheduler,
        instances: &[Id<ContainerInstance>],
    ) -> bool {
        let (_, asked) = self.asked_by_start_task(run_task, self.next_size(run_task));
        self.chosen(&asked, scheduler.choice, instances).is_some()
    }

    fn start_next(
        &mut self,
        run_task: Id<RunTask>,
        scheduler: CustomScheduler,
        instances: &[Id<ContainerInstance>],
    ) -> Option<Id<Task>> {
        let (wanted, asked) = self.asked_by_start_task(run_task, self.next_size(run_task));
        let instance = self.chosen(&asked, scheduler.choice, instances)?;
        let calls = &mut self.run_tasks[run_task.index()];
        let run_time = match scheduler.desired_count {
            Some(_) => calls.ask(1).remove(0),
            None => calls.own_scheduler.queue.pop_front().expect("a task is asked for").0,
        };
        let task = self.start_on(&wanted, instance, run_time);
        if scheduler.desired_count.is_some() {
            self.run_tasks[run_task.index()].own_scheduler.kept.push(task);
        }
        Some(task)
    }

    /// The instance that a scheduler takes, of those that it sees room on.
    fn chosen(
        &self,
        asked: &Asked<'a>,
        choice: Choice,
        instances: &[Id<ContainerInstance>],
    ) -> Option<Id<ContainerInstance>> {
        let has_room = |it: &&Id<ContainerInstance>| {
            self.cluster.instances[**it].status == InstanceStatus::Active
                && self.start_task_failure(asked, **it).is_none()
        };
        let mut able = instances.iter().filter(has_room);
        match choice {
            Choice::FirstFit => able.next().copied(),
            Choice::LeastLoaded => {
                let reserved = |it: &Id<ContainerInstance>| {
                    let row = &self.cluster.instances[*it];
                    let used = u64::from(row.registered_cpu_units - row.available().cpu_units);
                    used * 1_000_000_000 / u64::from(row.registered_cpu_units.max(1))
                };
                able.copied().min_by_key(reserved)
            }
        }
    }
}
