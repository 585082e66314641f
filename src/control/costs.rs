//! Since when what is there is billed, and what it has cost so far; and what is pulled through NAT gateways.

use std::collections::BTreeMap;

use crate::aws::price::instance_usd;
use crate::cluster::{ContainerInstance, Host, Task};
use crate::control::Control;
use crate::scenario::FargateBilledFrom;
use crate::table::Id;
use crate::units::Instant;

/// What EC2 bills for an instance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InstanceBill {
    /// Since when it has been `running`.
    pub since: Instant,
    /// Until when.
    pub until: Instant,
    /// What that costs, USD.
    pub usd: f64,
}

impl Control<'_> {
    /// What EC2 bills for an instance until an instant: the time in which it is `running`, not `pending` or `shutting-down`. An instance
    /// that is launched is `running` when its group has it in service. `None` where it has not come so far.
    pub fn instance_bill(&self, instance: Id<ContainerInstance>, until: Instant) -> Option<InstanceBill> {
        let row = &self.cluster.instances[instance];
        let until = row.terminated_at.map_or(until, |it| it.min(until));
        let since = row.in_service_at.filter(|it| *it <= until)?;
        Some(InstanceBill { since, until, usd: instance_usd(row.usd_per_hour, until.since(since), false) })
    }

    /// What an instance has cost so far, USD.
    pub(super) fn instance_cost_usd(&self, instance: Id<ContainerInstance>) -> f64 {
        self.instance_bill(instance, self.now()).map_or(0.0, |it| it.usd)
    }

    /// Since when a task on Fargate is billed; `None` where it is not.
    pub fn fargate_billed_since(&self, task: &Task) -> Option<Instant> {
        match self.scenario.assumptions.fargate.billed_from {
            _ if !task.is_on_fargate() => None,
            FargateBilledFrom::Launched => task.placed_at,
            FargateBilledFrom::PullStarted => task.pull_started_at,
            FargateBilledFrom::Running => task.started_at,
        }
    }

    /// Counts what is pulled for some containers of a task where the way to the registry leads through a NAT gateway: on Fargate from
    /// the task's subnet, else from its instance's, which pulls for it.
    pub(super) fn count_pull_through_nat(&mut self, task: Id<Task>, containers: &[usize]) {
        let Some(nat) = &self.scenario.nat_gateways else { return };
        let row = &self.cluster.tasks[task];
        let (subnet, cached) = match row.host {
            Some(Host::Instance(instance)) => {
                let host = &self.cluster.instances[instance];
                (host.subnet, Some(&host.cached_layers))
            }
            _ => (row.subnet, None),
        };
        if !nat.carry(subnet) {
            return;
        }
        let definition = &self.scenario.task_definitions[row.task_definition];
        let layers = containers.iter().flat_map(|&it| &definition.containers[it].application.layers);
        let missing = layers.filter(|it| !cached.is_some_and(|cached| cached.contains(&it.name)));
        let each: BTreeMap<&str, u64> = missing.map(|it| (it.name.as_str(), (it.size_mb * 1e6) as u64)).collect();
        let bytes: u64 = each.values().sum();
        self.cluster.tasks[task].pulled_through_nat_bytes += bytes;
    }
}
