//! Tasks on Fargate: when they may be launched, in which zone, when Spot takes its capacity back, and when they are retired.
//!
//! Follows *AWS Fargate capacity providers*, *Fargate throttling quotas* and *Handle Fargate Spot termination notices* (re:Post)
//! of 2026, and *Task retirement and maintenance for AWS Fargate on Amazon ECS*. What that leaves open: which `stopCode` a retired
//! task has (that of the scheduler where it replaces the task, else `TerminationNotice`). Service or standalone makes no difference here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::agenda::Event;
use crate::aws::auto_scaling_group::AvailabilityZone;
use crate::aws::container::EXIT_CODE_KILLED;
use crate::aws::fargate::{
    FargateCapacity, FargateRefusal, RETIRED, SPOT_INTERRUPTED, SPOT_WARNING, choose_zone, images_on_storage_gib,
    is_within_quota, pull_time,
};
use crate::aws::launch::Launcher;
use crate::aws::service::ServiceDefinition;
use crate::aws::task_definition::VolumeKind;
use crate::aws::token_bucket::TokenBucket;
use crate::cluster::{ContainerStatus, Host, StopCode, Task, TaskStatus};
use crate::control::Control;
use crate::control::health::task_name;
use crate::control::log::Decision;
use crate::control::placing::Wanted;
use crate::control::start_up::Phase;
use crate::distribution::Distribution;
use crate::run::FargateMinute;
use crate::scenario::{FargateQuotas, SpotInterruption, TimelineChange};
use crate::table::Id;
use crate::units::Span;

/// One kind of Fargate capacity as the account stands.
#[derive(Clone, Debug)]
pub struct Fargate {
    bucket: TokenBucket,
    /// Tasks that wait for a launch, in order of creation.
    waiting: VecDeque<Id<Task>>,
    /// Whether the bucket will be looked at again.
    looks_again: bool,
    /// Tasks that are not STOPPED and have had a termination notice.
    given_notice: BTreeSet<Id<Task>>,
    /// Of the tasks that are not STOPPED.
    cpu_units_in_use: u64,
    cost_of_stopped_usd: f64,
    /// In the open minute.
    launched: u32,
    refused: u32,
    /// Those of them that were refused for want of capacity.
    without_capacity: u32,
}

impl Fargate {
    /// Nothing runs yet, and no launch is used up.
    pub fn new(quotas: &FargateQuotas) -> Fargate {
        Fargate {
            bucket: TokenBucket::new(quotas.launch_burst, quotas.launches_per_second),
            waiting: VecDeque::new(),
            looks_again: false,
            given_notice: BTreeSet::new(),
            cpu_units_in_use: 0,
            cost_of_stopped_usd: 0.0,
            launched: 0,
            refused: 0,
            without_capacity: 0,
        }
    }
}

impl Control<'_> {
    /// The kind of capacity that a task is to run on; `None` where it runs on container instances.
    pub(super) fn fargate_of(&self, wanted: &Wanted) -> Option<FargateCapacity> {
        self.scenario.capacity_providers[wanted.capacity_provider?].fargate()
    }

    pub(super) fn fargate_of_task(&self, task: Id<Task>) -> Option<FargateCapacity> {
        self.scenario.capacity_providers[self.cluster.tasks[task].capacity_provider?].fargate()
    }

    fn fargate(&mut self, capacity: FargateCapacity) -> &mut Fargate {
        &mut self.fargate[capacity as usize]
    }

    /// Why Fargate would not take one more task; `None` where it would.
    pub(super) fn would_refuse_on_fargate(&self, wanted: &Wanted, capacity: FargateCapacity) -> Option<FargateRefusal> {
        let quota = self.scenario.assumptions.fargate.quotas(capacity).vcpu;
        let cpu_units = wanted.reservation(self.scenario).cpu_units;
        if !is_within_quota(quota, self.fargate[capacity as usize].cpu_units_in_use, cpu_units) {
            Some(FargateRefusal::VcpuQuota)
        } else if self.fargate_zone(wanted, capacity).is_none() {
            Some(FargateRefusal::NoCapacity)
        } else {
            None
        }
    }

    /// Why Fargate does not take one more task, which counts as a launch that was refused; `None` where it does.
    pub(super) fn fargate_refusal(&mut self, wanted: &Wanted, capacity: FargateCapacity) -> Option<FargateRefusal> {
        let refusal = self.would_refuse_on_fargate(wanted, capacity);
        let state = self.fargate(capacity);
        state.refused += u32::from(refusal.is_some());
        state.without_capacity += u32::from(refusal == Some(FargateRefusal::NoCapacity));
        refusal
    }

    /// The zone that the next such task goes to; `None` where there is no capacity in any.
    fn fargate_zone(&self, wanted: &Wanted, capacity: FargateCapacity) -> Option<Id<AvailabilityZone>> {
        let scenario = self.scenario;
        let mut zones = self.zones_of_subnets(wanted);
        zones.retain(|it| wanted.availability_zone.is_none_or(|only| only == *it));
        zones.retain(|it| self.has_fargate_capacity(capacity, *it));
        // A full subnet is left out, unless all are full: then the launch fails for want of an address.
        if zones.iter().any(|it| !self.has_no_address(wanted, *it)) {
            zones.retain(|it| !self.has_no_address(wanted, *it));
        }
        let mut tasks_in = vec![0; scenario.availability_zones.len()];
        let count = |task: &Id<Task>| {
            let row = &self.cluster.tasks[*task];
            if let Some(Host::Fargate(zone)) = row.host
                && row.launcher == wanted.launcher
                && row.capacity_provider == wanted.capacity_provider
                && !row.is_asked_to_stop
            {
                tasks_in[zone.index()] += 1;
            }
        };
        match wanted.launcher {
            Launcher::Service(service) => self.services[service.index()].tasks.iter().for_each(count),
            Launcher::RunTask(_) => self.cluster.fargate_tasks.iter().for_each(count),
        }
        choose_zone(&zones, |zone| tasks_in[zone.index()])
    }

    /// The zones of the subnets that a task may have its address from, a zone as often as it has some; all where it names none.
    pub(super) fn zones_of_subnets(&self, wanted: &Wanted) -> Vec<Id<AvailabilityZone>> {
        let scenario = self.scenario;
        let subnets = scenario.subnets_of(wanted.launcher, wanted.network);
        match subnets {
            [] => scenario.availability_zones.ids().collect(),
            _ => subnets.iter().map(|it| scenario.subnets[*it].availability_zone).collect(),
        }
    }

    /// Whether AWS has capacity of a kind left in a zone, as the timeline has it.
    fn has_fargate_capacity(&self, capacity: FargateCapacity, zone: Id<AvailabilityZone>) -> bool {
        let now = self.now();
        if self.is_zone_out(zone) {
            return false;
        }
        !self.scenario.timeline.iter().take_while(|it| it.at <= now).any(|it| match it.change {
            TimelineChange::FargateCapacityUnavailable { capacity: of, availability_zone, lasts } => {
                of == capacity
                    && availability_zone.is_none_or(|it| it == zone)
                    && lasts.is_none_or(|lasts| now < it.at + lasts)
            }
            _ => false,
        })
    }

    /// Has Fargate launch a task that was just created: at once, or when the account may launch again.
    pub(super) fn launch_on_fargate(&mut self, task: Id<Task>) {
        let Some(capacity) = self.fargate_of_task(task) else { return };
        self.cluster.waits_for_fargate(task);
        let cpu_units = u64::from(self.cluster.tasks[task].reservation.cpu_units);
        let state = self.fargate(capacity);
        state.cpu_units_in_use += cpu_units;
        state.waiting.push_back(task);
        if !state.looks_again {
            self.fargate_launches(capacity);
        }
    }

    /// Launches what waits, as long as the bucket has launches.
    pub(super) fn fargate_launches(&mut self, capacity: FargateCapacity) {
        let now = self.now();
        self.fargate(capacity).looks_again = false;
        while let Some(&task) = self.fargate(capacity).waiting.front() {
            let state = self.fargate(capacity);
            if state.bucket.take(now) {
                state.waiting.pop_front();
                self.begin_on_fargate(task, capacity);
            } else {
                let next_at = state.bucket.next_at().expect("a bucket holds one launch at least");
                state.looks_again = true;
                self.agenda.put(next_at, Event::FargateLaunches(capacity));
                return;
            }
        }
    }

    /// A task is launched: it gets its micro-VM and network interface.
    fn begin_on_fargate(&mut self, task: Id<Task>, capacity: FargateCapacity) {
        let wanted = Wanted::of(&self.cluster.tasks[task]);
        let Some(zone) = self.fargate_zone(&wanted, capacity) else {
            let state = self.fargate(capacity);
            state.refused += 1;
            state.without_capacity += 1;
            let reason = FargateRefusal::NoCapacity.words().to_owned();
            let words = format!("failed to start: {reason}");
            let cause = self.say_of_task(task, None, "task.failed_to_start", &words);
            self.stop_task(task, StopCode::TaskFailedToStart, reason, Some(cause));
            return;
        };
        self.fargate(capacity).launched += 1;
        self.comes_to_fargate(task, zone, capacity);
        let assumptions = &self.scenario.assumptions;
        let volume = self.definition_of(task).has_volume(VolumeKind::Ebs).then_some(assumptions.ebs_attach_time);
        let usual = assumptions.fargate.provisioning_time_of(self.definition_of(task).operating_system_family);
        let provisioned = self.varied(task, Phase::Provisioning, usual);
        self.wake_task(task, volume.map_or(provisioned, |it| it.max(provisioned)));
    }

    fn comes_to_fargate(&mut self, task: Id<Task>, zone: Id<AvailabilityZone>, capacity: FargateCapacity) {
        let now = self.now();
        self.cluster.launch_on_fargate(task, zone, now);
        self.take_address(task);
        let rate = self.scenario.assumptions.fargate.spot_interruptions_per_hour;
        if capacity == FargateCapacity::Spot && rate > 0.0 {
            let law = Distribution::Exponential { mean: Span::from_seconds_f64(3600.0 / rate) };
            let after = law.sample(&mut self.streams.of(self.cluster.tasks[task].launcher).spot_interruptions);
            self.agenda.put(now + after, Event::SpotInterrupts(task));
        }
    }

    /// Makes such a task run at once, as in a cluster that has settled before the run begins; whether it could.
    pub(super) fn settle_on_fargate(&mut self, wanted: &Wanted, capacity: FargateCapacity) -> bool {
        let zone = match self.fargate_refusal(wanted, capacity) {
            None => self.fargate_zone(wanted, capacity),
            Some(_) => None,
        };
        let Some(zone) = zone.filter(|it| !self.has_no_address(wanted, *it)) else { return false };
        let task = self.create_task(wanted);
        let definition = self.definition_of(task);
        let architecture = definition.fargate_architecture();
        let mut images = definition.containers.iter().filter_map(|it| it.application.image_architecture);
        let is_without_files = self.mount_failure(task, Some(zone)).is_some();
        let is_cut_off = self.never_ran(task) || self.is_out_of_reach(task, Some(zone));
        if images.any(|it| it != architecture) || self.lacks_storage(task) || is_without_files || is_cut_off {
            // It never ran.
            self.launch_on_fargate(task);
            return true;
        }
        self.cluster.waits_for_fargate(task);
        let cpu_units = u64::from(self.cluster.tasks[task].reservation.cpu_units);
        self.fargate(capacity).cpu_units_in_use += cpu_units;
        self.comes_to_fargate(task, zone, capacity);
        self.runs_already(task);
        true
    }

    /// A task of Fargate's is STOPPED: its vCPUs are free for others, and it costs no more.
    pub(super) fn leave_fargate(&mut self, task: Id<Task>) {
        let Some(capacity) = self.fargate_of_task(task) else { return };
        let (cost_usd, cpu_units) = (self.fargate_task_usd(task), self.cluster.tasks[task].reservation.cpu_units);
        let state = self.fargate(capacity);
        state.cost_of_stopped_usd += cost_usd;
        state.cpu_units_in_use -= u64::from(cpu_units);
        state.waiting.retain(|it| *it != task);
        state.given_notice.remove(&task);
        self.retired.remove(&task);
        for service in self.retries_on_capacity() {
            self.schedule_service(service);
        }
    }

    /// What a task on Fargate has cost so far, USD.
    fn fargate_task_usd(&self, task: Id<Task>) -> f64 {
        let row = &self.cluster.tasks[task];
        let (Some(capacity), Some(since)) = (self.fargate_of_task(task), self.fargate_billed_since(row)) else {
            return 0.0;
        };
        let definition = self.definition_of(task);
        let size = (row.reservation.cpu_units, row.reservation.memory_mib, definition.ephemeral_storage_gib);
        let until = row.stopped_at.unwrap_or(self.now());
        self.scenario.prices.fargate_usd(capacity, definition.fargate_platform(), size, until.since(since))
    }

    /// What a kind of capacity has cost since the run began, USD.
    pub fn fargate_cost_usd(&self, capacity: FargateCapacity) -> f64 {
        let running = self.cluster.fargate_tasks.iter().filter(|it| self.fargate_of_task(**it) == Some(capacity));
        let running = running.map(|it| self.fargate_task_usd(*it)).fold(0.0, |sum, it| sum + it);
        self.fargate[capacity as usize].cost_of_stopped_usd + running
    }

    /// The time to pull the images of some containers of a task, of which nothing is cached.
    pub(super) fn fargate_pull_time(&self, task: Id<Task>, containers: &[usize], slowness: f64) -> Span {
        let definition = self.definition_of(task);
        let applications = containers.iter().map(|&it| &definition.containers[it].application);
        let (lazy, whole): (Vec<_>, Vec<_>) = applications.partition(|it| it.soci_index);
        let layers = whole.iter().flat_map(|it| &it.layers);
        let each: BTreeMap<&str, f64> = layers.map(|it| (it.name.as_str(), it.size_mb)).collect();
        let fargate = &self.scenario.assumptions.fargate;
        let speed = fargate.pull_speed(self.cluster.tasks[task].reservation.cpu_units);
        pull_time(slowness * each.values().sum::<f64>(), speed, !lazy.is_empty(), fargate.lazy_loading_time)
    }

    /// Whether the images of a task, compressed and unpacked, are more than its ephemeral storage.
    fn lacks_storage(&self, task: Id<Task>) -> bool {
        let definition = self.definition_of(task);
        let ratio = self.scenario.assumptions.fargate.unpacked_image_ratio;
        images_on_storage_gib(definition.image_mb(), ratio) > f64::from(definition.ephemeral_storage_gib)
    }

    /// Whether a task on Fargate fails because its images do not fit on its ephemeral storage.
    pub(super) fn fails_for_want_of_storage(&mut self, task: Id<Task>) -> bool {
        let fails = self.cluster.tasks[task].is_on_fargate() && self.lacks_storage(task);
        if fails {
            let reason = "CannotPullContainerError: failed to extract layer: no space left on device".to_owned();
            let words = format!("failed to start: {reason}");
            let cause = self.say_of_task(task, None, "task.failed_to_start", &words);
            self.stop_task(task, StopCode::TaskFailedToStart, reason, Some(cause));
        }
        fails
    }

    /// The timeline has AWS take back Spot capacity under running tasks, the oldest first; those that are about to end already
    /// are among them.
    pub(super) fn interrupt_spot_tasks(&mut self, interruption: &SpotInterruption) {
        let is_meant = |it: &Id<Task>| {
            let row = &self.cluster.tasks[*it];
            let runs = [TaskStatus::Running, TaskStatus::Deactivating, TaskStatus::Stopping].contains(&row.status);
            self.fargate_of_task(*it) == Some(FargateCapacity::Spot)
                && runs
                && !self.fargate[FargateCapacity::Spot as usize].given_notice.contains(it)
                && interruption.service.is_none_or(|it| row.service() == Some(it))
                && interruption.availability_zone.is_none_or(|zone| self.cluster.zone_of_task(*it) == Some(zone))
        };
        let mut meant: Vec<Id<Task>> = self.cluster.fargate_tasks.iter().copied().filter(is_meant).collect();
        meant.truncate(interruption.tasks.of(meant.len()));
        let names: Vec<String> = meant.iter().map(|it| task_name(*it)).collect();
        let message = match names.is_empty() {
            true => "no task on FARGATE_SPOT runs that could be interrupted".to_owned(),
            false => format!("{} tasks on FARGATE_SPOT get a termination notice: {}", names.len(), names.join(", ")),
        };
        let resource = match interruption.service {
            Some(service) => self.service_resource(service),
            None => "capacity-provider/FARGATE_SPOT".to_owned(),
        };
        let cause = self.log.put(self.agenda.now(), None, "timeline.interrupt_fargate_spot", resource, message);
        for task in meant {
            self.interrupt_spot_task(task, Some(cause));
        }
    }

    /// AWS takes back the capacity under one task, as the seed has it.
    pub(super) fn spot_interrupts(&mut self, task: Id<Task>) {
        let is_there = self.cluster.tasks[task].status < TaskStatus::Deprovisioning;
        if is_there && !self.fargate(FargateCapacity::Spot).given_notice.contains(&task) {
            let cause = self.say_of_task(task, None, "task.spot_interruption", "gets a termination notice");
            self.interrupt_spot_task(task, Some(cause));
        }
    }

    /// The two-minute warning: SIGTERM at once. The service hears of it, and starts another task on Spot. A task that is about
    /// to end already goes on with that, as long as it may.
    fn interrupt_spot_task(&mut self, task: Id<Task>, cause: Option<Decision>) {
        self.fargate(FargateCapacity::Spot).given_notice.insert(task);
        self.agenda.put(self.now() + SPOT_WARNING, Event::SpotTakesTask(task));
        if self.cluster.tasks[task].is_asked_to_stop {
            return;
        }
        self.stop_task(task, StopCode::SpotInterruption, SPOT_INTERRUPTED.to_owned(), cause);
        if let Some(service) = self.cluster.tasks[task].service() {
            self.services[service.index()].wanted_because = cause;
            self.schedule_service(service);
        }
    }

    /// The two minutes of a termination notice are over: what still runs of the task is killed, whatever it waits for.
    pub(super) fn spot_takes_task(&mut self, task: Id<Task>) {
        if self.cluster.tasks[task].status >= TaskStatus::Deprovisioning {
            return;
        }
        self.say_of_task(task, None, "task.spot_interruption", "is killed: the two minutes of its notice are over");
        let row = &mut self.cluster.tasks[task];
        row.exit_code = Some(EXIT_CODE_KILLED);
        for container in row.containers.iter_mut().filter(|it| it.status == ContainerStatus::Running) {
            container.exit_code = Some(EXIT_CODE_KILLED);
        }
        self.processes_are_gone(task);
    }

    /// AWS gives notice that tasks on Fargate will be retired: all that are there.
    pub(super) fn give_notice_of_retirement(
        &mut self,
        index: usize,
        service: Option<Id<ServiceDefinition>>,
        notice: Span,
    ) {
        let is_meant = |it: &Id<Task>| {
            let row = &self.cluster.tasks[*it];
            !row.is_asked_to_stop && service.is_none_or(|it| row.service() == Some(it))
        };
        let on_fargate = self.cluster.fargate_tasks.iter().copied();
        let waiting = self.fargate.iter().flat_map(|it| it.waiting.iter().copied());
        let mut tasks: Vec<Id<Task>> = on_fargate.chain(waiting).filter(is_meant).collect();
        tasks.sort_unstable();
        tasks.dedup();
        let names: Vec<String> = tasks.iter().map(|it| task_name(*it)).collect();
        let message = match names.is_empty() {
            true => "no task runs on Fargate that could be retired".to_owned(),
            false => format!("{} tasks on Fargate will be retired after {notice}: {}", names.len(), names.join(", ")),
        };
        let resource = service.map_or_else(|| "capacity-provider/FARGATE".to_owned(), |it| self.service_resource(it));
        self.log.put(self.agenda.now(), None, "timeline.retire_fargate_tasks", resource, message);
        self.to_be_retired.insert(index, tasks);
        self.agenda.put(self.now() + notice, Event::FargateTasksAreRetired(index));
    }

    /// The notice is over: services replace what is left of these tasks within their bounds, standalone ones are stopped.
    pub(super) fn fargate_tasks_are_retired(&mut self, index: usize) {
        let mut tasks = self.to_be_retired.remove(&index).unwrap_or_default();
        tasks.retain(|it| !self.cluster.tasks[*it].is_asked_to_stop);
        for task in tasks {
            let cause =
                self.say_of_task(task, None, "task.retirement", "is retired: its platform revision is replaced");
            match self.cluster.tasks[task].service() {
                Some(service) => {
                    self.retired.insert(task);
                    self.services[service.index()].wanted_because = Some(cause);
                    self.schedule_service(service);
                }
                None => self.stop_task(task, StopCode::TerminationNotice, RETIRED.to_owned(), Some(cause)),
            }
        }
    }

    /// SIGTERM is sent to a task that is interrupted.
    pub(super) fn interruption_meets_target(&mut self, task: Id<Task>) {
        if self.scenario.assumptions.fargate.spot_deregisters_at_warning
            && let Some(target) = self.cluster.tasks[task].target
        {
            self.drain_target(target);
        }
    }

    /// Whether Spot has taken back the capacity under a task.
    pub(super) fn was_interrupted(&self, task: Id<Task>) -> bool {
        self.cluster.tasks[task].stopped_reason.as_ref().is_some_and(|it| it.0 == StopCode::SpotInterruption)
    }

    /// Whether the target of a task stays registered although nothing answers any more, until it is STOPPED.
    pub(super) fn keeps_target_until_stopped(&self, task: Id<Task>) -> bool {
        self.was_interrupted(task) && !self.scenario.assumptions.fargate.spot_deregisters_at_warning
    }

    /// A minute of each kind of capacity that some tasks may run on.
    pub(super) fn record_fargate(&mut self) {
        let minute = self.now().0 / Span::MINUTE.0 - 1;
        for capacity in FargateCapacity::ALL {
            if !self.scenario.uses_fargate(capacity) {
                continue;
            }
            let tasks = self.cluster.fargate_tasks.iter().copied();
            let own: Vec<TaskStatus> = tasks
                .filter(|it| self.fargate_of_task(*it) == Some(capacity))
                .map(|it| self.cluster.tasks[it].status)
                .collect();
            let starts = [TaskStatus::Provisioning, TaskStatus::Pending, TaskStatus::Activating];
            let cost_usd = self.fargate_cost_usd(capacity);
            let vcpu_quota = self.scenario.assumptions.fargate.quotas(capacity).vcpu;
            let state = self.fargate(capacity);
            let [launched, refused, without_capacity] =
                [&mut state.launched, &mut state.refused, &mut state.without_capacity].map(std::mem::take);
            let row = FargateMinute {
                minute,
                capacity,
                running: own.iter().filter(|it| **it == TaskStatus::Running).count() as u32,
                starting: own.iter().filter(|it| starts.contains(it)).count() as u32,
                stopping: own.iter().filter(|it| **it > TaskStatus::Running).count() as u32,
                waiting: state.waiting.len() as u32,
                launched,
                refused,
                without_capacity,
                vcpu: state.cpu_units_in_use as f64 / 1024.0,
                vcpu_quota,
                cost_usd,
            };
            self.records.fargate_minutes.push(row);
        }
    }
}
