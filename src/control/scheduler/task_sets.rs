//! Services whose deployment controller is EXTERNAL: the scheduler keeps as many tasks of each task set as its scale asks for, and
//! whoever calls does the rest.
//!
//! Follows *Deploy Amazon ECS services using a third-party controller* in the developer guide (2026), and `TaskSet` in the API's
//! reference; service events are in ECS's words as users have published them. What these leave open: a task set is scaled by the
//! service's own percentages, of the count that is computed for it; the calls are answered at once; a task set that is deleted is
//! DRAINING until its tasks are STOPPED.

use crate::aws::service::ServiceDefinition;
use crate::aws::task_set::{Scale, StabilityStatus, TaskSetChange, TaskSetStatus};
use crate::cluster::{StopCode, Task};
use crate::control::Control;
use crate::control::log::Decision;
use crate::control::scheduler::Service;
use crate::control::scheduler::deployment::Deployment;
use crate::control::service_calls::words_of;
use crate::table::Id;
use crate::units::Instant;

/// A task set as the scheduler keeps it, beside what it has of a deployment.
#[derive(Clone, Copy, Debug)]
pub struct TaskSet {
    /// `status`
    pub status: TaskSetStatus,
    /// `scale`
    pub scale: Scale,
    /// `stabilityStatus`
    pub stability: StabilityStatus,
}

impl Service {
    /// The task sets of a service as it is defined, by number; those that are not created yet are Missing. PRIMARY stands last.
    pub(super) fn task_sets_of(definition: &ServiceDefinition, at: Instant) -> Vec<Deployment> {
        let begun = |is_primary| if is_primary { TaskSetStatus::Primary } else { TaskSetStatus::Active };
        let sets = definition.task_sets.iter().enumerate().map(|(number, set)| Deployment {
            registration: set.registration,
            task_set: Some(TaskSet {
                status: if set.is_created_later { TaskSetStatus::Missing } else { begun(set.is_primary) },
                scale: set.scale,
                stability: StabilityStatus::default(),
            }),
            ..Deployment::new(number as u32, (set.task_definition, set.network), at)
        });
        let mut sets: Vec<Deployment> = sets.collect();
        sets.sort_by_key(|it| it.task_set.is_some_and(|it| it.status == TaskSetStatus::Primary));
        sets
    }

    /// Whether whoever calls brings new revisions, as task sets.
    pub fn has_task_sets(&self) -> bool {
        self.primary().task_set.is_some()
    }

    fn task_set(&mut self, number: u32) -> Option<&mut TaskSet> {
        self.deployments.iter_mut().find(|it| it.number == number)?.task_set.as_mut()
    }

    /// `computedDesiredCount` of a task set; of a deployment the desired count.
    pub(in crate::control) fn desired_count_of(&self, number: u32) -> u32 {
        let set = self.deployment(number).and_then(|it| it.task_set);
        set.map_or(self.desired_count, |it| it.scale.computed_desired_count(self.desired_count))
    }

    /// The numbers of its task sets that are there or on their way out, in order of number.
    pub(in crate::control) fn task_sets_there(&self) -> Vec<u32> {
        let is_there = |it: &&Deployment| {
            it.task_set.is_some_and(|it| !matches!(it.status, TaskSetStatus::Missing | TaskSetStatus::Deleted))
        };
        let mut numbers: Vec<u32> = self.deployments.iter().filter(is_there).map(|it| it.number).collect();
        numbers.sort_unstable();
        numbers
    }
}

impl Control<'_> {
    /// The name of a task set of a service; `None` where the service has none.
    pub(in crate::control) fn task_set_name(&self, service: Id<ServiceDefinition>, number: u32) -> Option<&str> {
        self.scenario.services[service].task_set(number).map(|it| it.external_id.as_str())
    }

    /// A service, as its events name it where they speak of one of its task sets: `(service web, taskSet green)`.
    pub(in crate::control) fn service_and_task_set(&self, service: Id<ServiceDefinition>, number: u32) -> String {
        let name = &self.scenario.services[service].name;
        match self.task_set_name(service, number) {
            Some(set) => format!("(service {name}, taskSet {set})"),
            None => format!("(service {name})"),
        }
    }

    /// What the timeline does to a task set.
    pub(in crate::control) fn change_task_set(
        &mut self,
        service: Id<ServiceDefinition>,
        task_set: usize,
        change: TaskSetChange,
    ) {
        let begins_with = self.services[service.index()].deployments.iter().map(|it| it.number).min();
        let number = begins_with.unwrap_or(0) + task_set as u32;
        let (kind, call) = words_of(change);
        if self.refuses_for_status(service, kind, call) {
            return;
        }
        let (name, set) = (&self.scenario.services[service].name, &self.scenario.services[service].task_sets[task_set]);
        let (action, call) = (call, format!("{call} {name} {}", set.external_id));
        let state = &self.services[service.index()];
        let found = state.deployment(number).and_then(|it| it.task_set).expect("a task set has a number");
        let computed = state.desired_count_of(number);
        let refusal = match change {
            TaskSetChange::Create if found.status != TaskSetStatus::Missing => {
                Some("InvalidParameterException: The task set is there already.")
            }
            TaskSetChange::Create => None,
            _ if !found.status.is_there() => Some("TaskSetNotFoundException: The specified task set wasn't found."),
            TaskSetChange::Delete { force: false } if computed > 0 => {
                Some("InvalidParameterException: The task set is scaled above 0, and its deletion is not forced.")
            }
            _ => None,
        };
        let message = match (refusal, change) {
            (Some(refusal), _) => format!("{call}: {refusal}"),
            (None, TaskSetChange::Create) => format!("{call}: scale {} percent", set.scale.as_percent()),
            (None, TaskSetChange::Update(scale)) => format!("{call}: scale {} percent", scale.as_percent()),
            (None, _) => call,
        };
        let now = self.now();
        let cause = self.log.put(now, None, kind, self.service_resource(service), message);
        if let Some(error) = refusal {
            self.note_failed_call(action, format!("task set `{}` of service `{name}`", set.external_id), error, true);
            return;
        }
        let state = &mut self.services[service.index()];
        state.wanted_because = Some(cause);
        state.retries.clear();
        match change {
            TaskSetChange::Create => {
                state.failed_starts = 0;
                let place = state.deployments.iter().position(|it| it.number == number);
                if let Some(it) = place.map(|it| &mut state.deployments[it]) {
                    it.created_at = now;
                }
                self.task_set_comes_to(service, number, TaskSetStatus::Active);
                self.computed_count_is_updated(service, number, 0, cause);
                self.watch_task_set(service, number);
            }
            TaskSetChange::Update(scale) => {
                if let Some(it) = state.task_set(number) {
                    it.scale = scale;
                }
                self.computed_count_is_updated(service, number, computed, cause);
            }
            TaskSetChange::Delete { .. } => self.task_set_comes_to(service, number, TaskSetStatus::Draining),
            TaskSetChange::MakePrimary => self.task_set_becomes_primary(service, number),
        }
        self.schedule_service(service);
    }

    fn task_set_comes_to(&mut self, service: Id<ServiceDefinition>, number: u32, status: TaskSetStatus) {
        if let Some(it) = self.services[service.index()].task_set(number) {
            it.status = status;
            it.stability = StabilityStatus::Stabilizing;
        }
        self.services[service.index()].is_steady = false;
    }

    /// PRIMARY stands last, and the one that was is ACTIVE.
    fn task_set_becomes_primary(&mut self, service: Id<ServiceDefinition>, number: u32) {
        let state = &mut self.services[service.index()];
        for set in state.deployments.iter_mut().filter_map(|it| it.task_set.as_mut()) {
            if set.status == TaskSetStatus::Primary {
                set.status = TaskSetStatus::Active;
            }
        }
        if let Some(set) = state.task_set(number) {
            set.status = TaskSetStatus::Primary;
        }
        state.deployments.sort_by_key(|it| it.number == number);
    }

    /// Says what is computed for a task set, where that is another count than before.
    fn computed_count_is_updated(&mut self, service: Id<ServiceDefinition>, number: u32, before: u32, cause: Decision) {
        let computed = self.services[service.index()].desired_count_of(number);
        if computed == before {
            return;
        }
        let state = &mut self.services[service.index()];
        if let Some(it) = state.task_set(number) {
            it.stability = StabilityStatus::Stabilizing;
        }
        // Whatever is unhealthy, a scale-in is one.
        let scales_in = |it: &&mut Deployment| it.number == number && computed < before;
        state.deployments.iter_mut().filter(scales_in).for_each(|it| it.replaces_unhealthy = false);
        state.is_steady = false;
        let name = &self.scenario.services[service].name;
        let set = self.task_set_name(service, number).unwrap_or_default();
        let message = format!("(service {name}) updated computedDesiredCount for taskSet {set} to {computed}.");
        let resource = self.service_resource(service);
        self.log.put(self.agenda.now(), Some(cause), "service.computed_desired_count", resource, message);
    }

    /// The desired count of a service has changed, and with it what is computed for its task sets.
    pub(super) fn task_sets_hear_of_scaling(&mut self, service: Id<ServiceDefinition>, before: u32, cause: Decision) {
        for number in self.services[service.index()].task_sets_there() {
            let state = &self.services[service.index()];
            let Some(set) = state.deployment(number).and_then(|it| it.task_set) else { continue };
            if set.status.is_there() {
                let before = set.scale.computed_desired_count(before);
                self.computed_count_is_updated(service, number, before, cause);
            }
        }
    }

    /// Places what the task sets of a service have from the beginning, as far as it goes; whether any task found a place.
    pub(super) fn settle_task_sets(&mut self, service: Id<ServiceDefinition>) -> bool {
        let mut found = false;
        for number in self.services[service.index()].task_sets_there() {
            let computed = self.services[service.index()].desired_count_of(number);
            self.services[service.index()].launches_for = Some(number);
            while self.tasks_of_set(service, number).len() < computed as usize && self.settle_next(service) {
                found = true;
            }
            self.services[service.index()].launches_for = None;
        }
        found
    }

    /// What the task sets of a service are when the run begins.
    pub(super) fn begin_task_sets(&mut self, service: Id<ServiceDefinition>) {
        let now = self.now();
        let mut all_are_steady = self.scenario.begins_settled;
        for number in self.services[service.index()].task_sets_there() {
            let computed = self.services[service.index()].desired_count_of(number);
            let is_settled =
                self.scenario.begins_settled && self.tasks_of_set(service, number).len() == computed as usize;
            all_are_steady &= is_settled;
            if !is_settled {
                self.watch_task_set(service, number);
                continue;
            }
            let state = &mut self.services[service.index()];
            if let Some(it) = state.task_set(number) {
                it.stability = StabilityStatus::SteadyState;
            }
            if let Some(it) = state.deployments.iter_mut().find(|it| it.number == number) {
                it.completed_at = Some(now);
            }
        }
        self.services[service.index()].is_steady = all_are_steady;
    }

    /// Tasks of a task set that are not asked to stop.
    fn tasks_of_set(&self, service: Id<ServiceDefinition>, number: u32) -> Vec<Id<Task>> {
        let is_its = |it: &Id<Task>| {
            let row = &self.cluster.tasks[*it];
            row.deployment == number && !row.is_asked_to_stop
        };
        self.services[service.index()].tasks.iter().copied().filter(is_its).collect()
    }

    /// The scheduler looks at a service with task sets.
    pub(super) fn task_sets_are_scheduled(&mut self, service: Id<ServiceDefinition>) {
        let mut all_are_steady = true;
        for number in self.services[service.index()].task_sets_there() {
            let set = self.services[service.index()].deployment(number).and_then(|it| it.task_set);
            if set.is_some_and(|it| it.status == TaskSetStatus::Draining) {
                all_are_steady = false;
                self.drain_task_set(service, number);
                continue;
            }
            let computed = self.services[service.index()].desired_count_of(number);
            self.keep_revision(service, number, computed);
            let roll = self.roll_of(service, &|it| (it == number).then_some(true));
            let is_settled = roll.is_settled(computed);
            all_are_steady &= is_settled;
            self.task_set_is(service, number, is_settled);
        }
        if all_are_steady {
            self.is_steady(service);
        } else {
            self.services[service.index()].is_steady = false;
        }
    }

    /// Puts the stability of a task set down; one that comes to be steady is told.
    fn task_set_is(&mut self, service: Id<ServiceDefinition>, number: u32, is_settled: bool) {
        let now = self.now();
        let stability = if is_settled { StabilityStatus::SteadyState } else { StabilityStatus::Stabilizing };
        let state = &mut self.services[service.index()];
        let cause = state.wanted_because;
        let Some(set) = state.task_set(number) else { return };
        let before = std::mem::replace(&mut set.stability, stability);
        if !is_settled || before == stability {
            return;
        }
        if let Some(it) = state.deployments.iter_mut().find(|it| it.number == number) {
            it.completed_at.get_or_insert(now);
        }
        let message = format!("{} updated state to STEADY_STATE.", self.service_and_task_set(service, number));
        self.log.put(now, cause, "service.task_set_steady_state", self.service_resource(service), message);
    }

    /// The tasks of a deleted task set stop, protected or not; when all are STOPPED it is gone.
    fn drain_task_set(&mut self, service: Id<ServiceDefinition>, number: u32) {
        let now = self.now();
        let cause = self.services[service.index()].wanted_because;
        let remaining = self.tasks_of_set(service, number);
        let decision = self.say_stopped(service, &remaining, cause);
        let reason = format!("{} was deleted", self.service_and_task_set(service, number));
        for task in remaining {
            self.stop_task(task, StopCode::ServiceSchedulerInitiated, reason.clone(), decision);
        }
        let tasks = &self.services[service.index()].tasks;
        if tasks.iter().any(|it| self.cluster.tasks[*it].deployment == number) {
            return;
        }
        self.task_set_comes_to(service, number, TaskSetStatus::Deleted);
        if let Some(it) = self.services[service.index()].deployments.iter_mut().find(|it| it.number == number) {
            it.interrupted_at = it.completed_at.is_none().then_some(now);
        }
        let message = format!("{} is gone.", self.service_and_task_set(service, number));
        self.log.put(now, cause, "service.task_set_deleted", self.service_resource(service), message);
        self.schedule_service(service);
    }
}
