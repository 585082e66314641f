//! Since when what is there is billed, and what it has cost so far; and what is pulled through NAT gateways.

use std::collections::BTreeMap;

use crate::aws::price::instance_usd;
use crate::cluster::{ContainerInstance, Host, Task};
use crate::control::Control;
use crate::control::auto_scaling_group::Ec2Run;
use crate::run::InstanceBill;
use crate::scenario::FargateBilledFrom;
use crate::table::Id;
use crate::units::Instant;

impl Control<'_> {
    /// EC2 has an instance `running` from now on.
    pub(super) fn begins_to_run(&mut self, instance: Id<ContainerInstance>) {
        let since = self.now();
        let runs = &mut self.in_group(instance).runs;
        if runs.last().is_none_or(|it| it.until.is_some()) {
            runs.push(Ec2Run { since, until: None, interrupted_by_ec2: false });
        }
    }

    /// It is stopped or terminated.
    pub(super) fn ceases_to_run(&mut self, instance: Id<ContainerInstance>, interrupted_by_ec2: bool) {
        let now = self.now();
        if let Some(run) = self.in_group(instance).runs.last_mut().filter(|it| it.until.is_none()) {
            run.until = Some(now);
            run.interrupted_by_ec2 = interrupted_by_ec2;
        }
    }

    /// What EC2 bills for an instance until an instant: each time in which it is `running`, not `pending` or `shutting-down`.
    pub fn instance_bills(
        &self,
        instance: Id<ContainerInstance>,
        until: Instant,
    ) -> impl Iterator<Item = InstanceBill> {
        let usd_per_hour = self.cluster.instances[instance].usd_per_hour;
        let runs = self.instances_in_groups[instance.index()].runs.iter().filter(move |it| it.since <= until);
        runs.map(move |it| {
            let until = it.until.map_or(until, |ended| ended.min(until));
            let usd = instance_usd(usd_per_hour, until.since(it.since), it.interrupted_by_ec2);
            InstanceBill { since: it.since, until, usd }
        })
    }

    /// What an instance has cost so far, USD.
    pub(super) fn instance_cost_usd(&self, instance: Id<ContainerInstance>) -> f64 {
        self.instance_bills(instance, self.now()).map(|it| it.usd).sum()
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
                (host.subnet, Some(&self.agents[instance.index()].images))
            }
            _ => (row.subnet, None),
        };
        if !nat.carry(subnet) {
            return;
        }
        let definition = &self.scenario.task_definitions[row.task_definition];
        let layers = containers.iter().flat_map(|&it| &definition.containers[it].application.layers);
        let missing = layers.filter(|it| !cached.is_some_and(|cached| cached.has_layer(&it.name)));
        let each: BTreeMap<&str, u64> = missing.map(|it| (it.name.as_str(), (it.size_mb * 1e6) as u64)).collect();
        let bytes: u64 = each.values().sum();
        self.cluster.tasks[task].pulled_through_nat_bytes += bytes;
    }
}
