//! Health checks of tasks that nothing else is asked of: what comes of them is known when they are sent, so that neither the
//! task's lane nor its machine has to wake for them; nor are they sent one by one, but added up when somebody asks.
//!
//! That holds until the task or the target changes, requests come to the lane, or somebody computes on the machine. What differs
//! from a check that is asked of the task: a task that ends in the milliseconds until the answer has answered all the same, and the
//! machine does not count the check among what its tasks ask of the next second.

use crate::cluster::{Cluster, ContainerInstance, Target, TargetState, Task};
use crate::data::{TaskSamples, Traffic};
use crate::scenario::Scenario;
use crate::table::Id;
use crate::units::{Instant, NANOS_PER_SECOND, Span};

/// What is known of quiet health checks, and which targets are checked so.
#[derive(Debug, Default)]
pub(super) struct QuietProbes {
    /// By target.
    known: Vec<Option<QuietProbe>>,
    /// Of each lane, targets that are checked without being asked, and some that were; and which targets stand there.
    unasked: Vec<Vec<Id<Target>>>,
    is_listed: Vec<bool>,
    /// Targets that have to be asked again, and when.
    due: Vec<(Id<Target>, Instant)>,
}

/// What each health check of a target comes to while nobody computes on its machine.
#[derive(Clone, Copy, Debug)]
struct QuietProbe {
    lane: usize,
    machine: usize,
    /// The instance, and its group's number.
    instance: Option<(Id<ContainerInstance>, usize)>,
    task: Id<Task>,
    /// The number of its service, where the task's use of CPU is sampled.
    service: Option<usize>,
    /// From the question to the answer.
    lasts: Span,
    interval: Span,
    /// That it uses, in the mean over a second.
    cpu_units: f64,
    /// Whether requests take memory, which is sampled when a second ends.
    takes_memory: bool,
    /// While they are not asked, when the first one begins that was not begun to be added up.
    unasked_from: Option<Instant>,
    /// CPU units of the one before that were not added up.
    left: f64,
    /// When the target is asked again if nobody wakes before.
    asked_at: Instant,
}

/// What of a health check counts that is not answered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counted {
    /// All of it.
    Begun,
    /// What it has used.
    UntilNow,
}

impl QuietProbes {
    pub(super) fn new(lanes: usize) -> QuietProbes {
        QuietProbes { unasked: vec![Vec::new(); lanes], ..QuietProbes::default() }
    }

    /// A target that has to be asked again, and when.
    pub(super) fn next_due(&mut self) -> Option<(Id<Target>, Instant)> {
        self.due.pop()
    }
}

impl Traffic {
    /// Answers a health check if the target is healthy and nothing else happens to its task until the answer. Tells when the next one has
    /// to be sent, unless the lane or the machine wakes before: then [`Traffic::asks_again`] does.
    pub(super) fn answers_quietly(
        &mut self,
        scenario: &Scenario,
        cluster: &Cluster,
        target: Id<Target>,
    ) -> Option<Instant> {
        if cluster.targets[target].state != TargetState::Healthy {
            return None;
        }
        if self.quiet_probes.known.len() <= target.index() {
            self.quiet_probes.known.resize(target.index() + 1, None);
            self.quiet_probes.is_listed.resize(target.index() + 1, false);
        }
        self.add_up_probes(target, self.now, Counted::Begun);
        let known = self.quiet_probes.known[target.index()];
        let mut probe = known.or_else(|| self.quiet_probe(scenario, cluster, target))?;
        let next = self.next_to_be_asked(&probe);
        probe.unasked_from = next.map(|_| self.now + probe.interval);
        if let Some(next) = next {
            (probe.asked_at, probe.left) = (next, probe.cpu_units);
            self.roster.machines[probe.machine].has_unasked = true;
            if !std::mem::replace(&mut self.quiet_probes.is_listed[target.index()], true) {
                self.quiet_probes.unasked[probe.lane].push(target);
            }
        }
        self.quiet_probes.known[target.index()] = Some(probe);
        next
    }

    /// When a target has to be asked that is asked now, if not now.
    fn next_to_be_asked(&self, probe: &QuietProbe) -> Option<Instant> {
        let lane = &self.lanes[probe.lane];
        let (end, next_request) = (self.now + probe.lasts, lane.next_request());
        let second_ends = Instant(self.now.0.next_multiple_of(NANOS_PER_SECOND));
        let is_sampled = probe.takes_memory && end > second_ends;
        let is_idle = self.roster.machines[probe.machine].has_idle_offers && lane.nobody_waits_for(probe.task);
        if !is_idle || lane.puts_off() || is_sampled || end.0 as f64 >= next_request {
            return None;
        }
        if next_request == f64::INFINITY {
            return Some(Instant::NEVER);
        }
        // The interval is of whole seconds: all of them lie alike in theirs.
        let intervals = Instant(next_request.ceil() as u64).since(end).0.div_ceil(probe.interval.0);
        Some(Instant(self.now.0 + intervals * probe.interval.0))
    }

    /// What a target's health checks come to, if they always come to the same.
    fn quiet_probe(&self, scenario: &Scenario, cluster: &Cluster, target: Id<Target>) -> Option<QuietProbe> {
        let Target { task, target_group, .. } = cluster.targets[target];
        let lane = self.lane_of_target(cluster, target)?;
        let place = self.lanes[lane].place_of(task)?;
        let (number, guest) = self.roster.machine_of_station.get(lane)?.get(place).copied().flatten()?;
        let machine = &self.roster.machines[number];
        // Until the machine has been looked at again another task may stand where this one does.
        let guest = machine.guests.get(guest).filter(|it| it.task == task)?;
        if self.roster.has_to_look_at(cluster, task) || machine.burst.is_some() {
            return None;
        }
        let (cpu_time, lasts) = self.lanes[lane].constant_probe(scenario, cluster, place)?;
        let check = &scenario.target_groups[target_group].health_check;
        (lasts <= check.timeout).then_some(QuietProbe {
            lane,
            machine: number,
            instance: machine.instance,
            task,
            service: guest.base.and(guest.service),
            lasts,
            interval: check.interval,
            cpu_units: cpu_time * 1024.0 / NANOS_PER_SECOND as f64,
            takes_memory: guest.memory_per_request_mib > 0.0,
            unasked_from: None,
            left: 0.0,
            asked_at: Instant::NEVER,
        })
    }

    /// Adds up the CPU that a target's unasked checks that begin before `now` have used.
    fn add_up_probes(&mut self, target: Id<Target>, now: Instant, counted: Counted) {
        let Some(Some(probe)) = self.quiet_probes.known.get_mut(target.index()) else { return };
        let Some(mut from) = probe.unasked_from else { return };
        let mut cpu_units = std::mem::take(&mut probe.left);
        if from < now {
            let count = now.since(from).0.div_ceil(probe.interval.0);
            from = Instant(from.0 + count * probe.interval.0);
            cpu_units += count as f64 * probe.cpu_units;
            probe.unasked_from = Some(from);
        }
        let ends = Instant(from.0 - probe.interval.0) + probe.lasts;
        if counted == Counted::UntilNow && ends > now {
            probe.left = probe.cpu_units * (ends.since(now).0 as f64 / probe.lasts.0 as f64);
            cpu_units -= probe.left;
        }
        if cpu_units > 0.0 {
            let probe = *probe;
            self.use_cpu(&probe, cpu_units);
        }
    }

    fn use_cpu(&mut self, probe: &QuietProbe, cpu_units: f64) {
        if let Some((instance, group)) = probe.instance {
            if let Some([open, _]) = &mut self.instances {
                *open.entry(instance).or_default() += cpu_units;
            }
            self.used[group].cpu_units += cpu_units;
        }
        if let Some(service) = probe.service {
            let used = TaskSamples { cpu_units_used: cpu_units, ..TaskSamples::default() };
            self.samples[service].add(probe.task, &used);
            if let Some(it) = &mut self.twenty_seconds[service] {
                it.samples.add(probe.task, &used);
            }
        }
    }

    /// Adds up the CPU that all unasked checks have used until now.
    pub(super) fn add_up_all_probes(&mut self) {
        let mut unasked = std::mem::take(&mut self.quiet_probes.unasked);
        for targets in &mut unasked {
            targets.retain(|&target| {
                self.add_up_probes(target, self.now, Counted::UntilNow);
                let QuietProbes { known, is_listed, .. } = &mut self.quiet_probes;
                is_listed[target.index()] = known[target.index()].is_some_and(|it| it.unasked_from.is_some());
                is_listed[target.index()]
            });
        }
        self.quiet_probes.unasked = unasked;
    }

    /// From `now` on a target is asked again.
    fn asks_again(&mut self, target: Id<Target>, now: Instant) {
        self.add_up_probes(target, now, Counted::Begun);
        let Some(Some(probe)) = self.quiet_probes.known.get_mut(target.index()) else { return };
        if let Some(next) = probe.unasked_from.take().filter(|it| *it < probe.asked_at) {
            self.quiet_probes.due.push((target, next));
        }
    }

    /// From `now` on all targets of a lane are asked again.
    pub(super) fn asks_lane_again(&mut self, lane: usize, now: Instant) {
        while let Some(target) = self.quiet_probes.unasked[lane].pop() {
            self.asks_again(target, now);
            self.quiet_probes.is_listed[target.index()] = false;
        }
    }

    /// What was known of the health checks of a task may hold no more, and it is asked again.
    pub(super) fn forget_quiet_probe(&mut self, cluster: &Cluster, task: Id<Task>) {
        let Some(target) = cluster.tasks[task].target else { return };
        self.asks_again(target, self.now);
        if let Some(known) = self.quiet_probes.known.get_mut(target.index()) {
            *known = None;
        }
    }
}
