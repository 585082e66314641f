//! Figures of a run about capacity: how long tasks waited for their instances, and how often groups changed their size.

use std::collections::BTreeMap;

use crate::aws::service::ServiceDefinition;
use crate::aws::stop_cause::is_of_failed_checks;
use crate::run::{Run, TaskLife};
use crate::table::Id;
use crate::units::Instant;

impl TaskLife {
    /// Whether it stopped, or was asked to, otherwise than it was meant to: it did not start, failed its checks, ended
    /// of itself or was lost. A standalone task is meant to end with exit code 0.
    pub fn has_failed(&self) -> bool {
        let reason = self.stopped_reason.as_deref().unwrap_or_default();
        match self.stop_code {
            None | Some("UserInitiated" | "TerminationNotice") => false,
            Some("ServiceSchedulerInitiated") => is_of_failed_checks(reason),
            Some("EssentialContainerExited") => self.service.is_some() || self.exit_code != Some(0),
            Some(_) => true,
        }
    }

    /// Whether it was given up before an instance was found.
    pub fn was_given_up(&self) -> bool {
        self.placed_at.is_none() && self.stopped_at.is_some()
    }
}

impl Run {
    /// How long tasks waited for an instance, seconds, in ascending order: standalone tasks, and those of services that a capacity
    /// provider's managed scaling grows a group for. What was never placed has waited until it was given up, or until the end.
    /// Tasks of a settled cluster were there before the run began, and have none.
    pub fn waits_for_instances(&self, is_asked: impl Fn(&TaskLife) -> bool) -> Vec<f64> {
        let providers = self.scenario.capacity_providers.iter();
        let managed: Vec<&str> = providers.filter(|it| it.managed_scaling.is_some()).map(|it| &*it.name).collect();
        let end = Instant::START + self.simulated;
        let can_wait = |task: &&TaskLife| {
            let is_managed = task.capacity_provider.as_deref().is_some_and(|it| managed.contains(&it));
            let is_fresh = task.created_at > Instant::START || !self.scenario.begins_settled;
            task.run_task.is_some() || (is_managed && is_fresh)
        };
        let tasks = self.tasks.iter().filter(can_wait).filter(|it| is_asked(it));
        let until = |task: &TaskLife| task.placed_at.or(task.stopped_at).unwrap_or(end);
        let mut waits: Vec<f64> = tasks.map(|it| until(it).since(it.created_at).as_seconds()).collect();
        waits.sort_by(f64::total_cmp);
        waits
    }

    /// Requests a second that a healthy task of a service behind a load balancer can serve: workers over the mean time of a request, no
    /// more than the CPU allows. `None` without a load balancer.
    pub fn capacity_of_task(&self, service: Id<ServiceDefinition>) -> Option<f64> {
        let definition = &self.scenario.services[service];
        let load_balancer = definition.load_balancer.as_ref()?;
        let task_definition = &self.scenario.task_definitions[definition.task_definition];
        let serving = load_balancer.container_in(task_definition)?;
        let application = &task_definition.containers[serving].application;
        let (cpu, wait) = (application.cpu_time.mean_nanos() / 1e9, application.wait_time.mean_nanos() / 1e9);
        let providers = definition.launch.capacity_provider_strategy.iter().map(|it| it.capacity_provider);
        let is_on_fargate = providers.map(|it| &self.scenario.capacity_providers[it]).any(|it| it.fargate().is_some());
        let cap = task_definition.cpu_cap_of(serving, is_on_fargate);
        let cap = cap.map_or(f64::INFINITY, |units| units / 1024.0);
        let slowed = cpu / cap.min(1.0);
        let by_workers = f64::from(application.concurrency) / (slowed + wait).max(1e-9);
        Some(by_workers.min(if cpu > 0.0 { cap / cpu } else { f64::INFINITY }))
    }

    /// How often the desired capacity of a group was greater at the end of a minute than at that of the minute before, and how
    /// often less.
    pub fn capacity_changes(&self) -> (u32, u32) {
        let (mut out, mut back) = (0, 0);
        let mut last: BTreeMap<&str, u32> = BTreeMap::new();
        for row in &self.capacity_minutes {
            let before = last.insert(&row.capacity_provider, row.desired_capacity);
            out += u32::from(before.is_some_and(|it| it < row.desired_capacity));
            back += u32::from(before.is_some_and(|it| it > row.desired_capacity));
        }
        (out, back)
    }

    /// Instances in service at the end of the minute that had most; `None` without groups.
    pub fn instances_maximum(&self) -> Option<u32> {
        let minutes = self.capacity_minutes.chunk_by(|one, other| one.minute == other.minute);
        minutes.map(|rows| rows.iter().map(|it| it.in_service).sum()).max()
    }
}

/// The least of some values in ascending order that this share of them does not pass.
pub fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let rank = (share * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_met() {
        let values: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!(
            (quantile(&values, 0.5), quantile(&values, 0.99), quantile(&[], 0.5)),
            (Some(100.0), Some(198.0), None)
        );
        assert_eq!(quantile(&[3.0], 0.99), Some(3.0));
    }
}
