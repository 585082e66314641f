//! Health checks of tasks that nothing else is asked of: what comes of them is known when they are sent, so that neither the
//! task's lane nor its machine has to wake for them.
//!
//! What differs from one that is asked of the task: a task that ends in the milliseconds until the answer has answered all the same,
//! and the machine does not count the check among what its tasks ask of the next second. What is known of a target is forgotten with
//! its task's place on the machine (`roster`); a lane that has to look at the cluster anew stays awake until that is done.

use crate::cluster::{Cluster, Target, TargetState, Task};
use crate::data::{TaskSamples, Traffic};
use crate::scenario::Scenario;
use crate::table::Id;
use crate::units::{Instant, NANOS_PER_SECOND, Span};

/// What each health check of a target comes to while its lane and its machine are at rest. Holds until one of them is looked at again.
#[derive(Clone, Copy, Debug)]
pub(super) struct QuietProbe {
    lane: usize,
    machine: usize,
    task: Id<Task>,
    /// The number of its service, where the task's use of CPU is sampled.
    service: Option<usize>,
    /// From the question to the answer.
    lasts: Span,
    /// In the mean over the second in which it lies.
    cpu_units: f64,
}

impl Traffic {
    /// Answers a health check if the target is healthy and nothing else happens to its task until the answer, all of it in the second
    /// under way. Tells whether it did.
    pub(super) fn answers_quietly(&mut self, scenario: &Scenario, cluster: &Cluster, target: Id<Target>) -> bool {
        if cluster.targets[target].state != TargetState::Healthy {
            return false;
        }
        if self.quiet_probes.len() <= target.index() {
            self.quiet_probes.resize(target.index() + 1, None);
        }
        let known = self.quiet_probes[target.index()];
        let Some(probe) = known.or_else(|| self.quiet_probe(scenario, cluster, target)) else { return false };
        self.quiet_probes[target.index()] = Some(probe);
        if self.puts_off[probe.lane] {
            return false;
        }
        let is_at_rest = !self.awake.contains(probe.lane) && !self.roster.awake.contains(probe.machine);
        let end = self.now + probe.lasts;
        let second_ends = Instant(self.now.0.next_multiple_of(NANOS_PER_SECOND));
        // At the very end of a second it would belong to the next.
        if !is_at_rest || end.0 as f64 >= self.due[probe.lane] || self.now == second_ends || end > second_ends {
            return false;
        }
        let machine = &self.roster.machines[probe.machine];
        if let Some((instance, group)) = machine.instance {
            if let Some([open, _]) = &mut self.instances {
                *open.entry(instance).or_default() += probe.cpu_units;
            }
            self.used[group].cpu_units += probe.cpu_units;
        }
        if let Some(service) = probe.service {
            let used = TaskSamples { cpu_units_used: probe.cpu_units, ..TaskSamples::default() };
            self.samples[service].add(probe.task, &used);
            if let Some(it) = &mut self.twenty_seconds[service] {
                it.samples.add(probe.task, &used);
            }
        }
        true
    }

    /// What a target's health checks come to, if they always come to the same.
    fn quiet_probe(&self, scenario: &Scenario, cluster: &Cluster, target: Id<Target>) -> Option<QuietProbe> {
        let Target { task, target_group, .. } = cluster.targets[target];
        let lane = self.lane_of_target(cluster, target).filter(|it| !self.awake.contains(*it))?;
        let place = self.lanes[lane].place_of(task)?;
        let (machine, guest) = self.roster.machine_of_station.get(lane)?.get(place).copied().flatten()?;
        if self.roster.awake.contains(machine) || self.roster.machines[machine].burst.is_some() {
            return None;
        }
        let (cpu_time, lasts) = self.lanes[lane].constant_probe(scenario, cluster, place)?;
        let guest = &self.roster.machines[machine].guests[guest];
        (lasts <= scenario.target_groups[target_group].health_check.timeout).then_some(QuietProbe {
            lane,
            machine,
            task,
            service: guest.base.and(guest.service),
            lasts,
            cpu_units: cpu_time * 1024.0 / NANOS_PER_SECOND as f64,
        })
    }
}
