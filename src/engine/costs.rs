//! What a run costs: by kind, and by hour and owner.

use std::collections::{BTreeMap, BTreeSet};

use crate::aws::fargate::FargateCapacity;
use crate::aws::instance_type::InstanceType;
use crate::aws::launch::Launcher;
use crate::aws::load_balancer::{LoadBalancer, LoadBalancerType};
use crate::aws::price::{
    AlarmKind, CONTAINER_INSIGHTS_METRICS_OF_CLUSTER, CONTAINER_INSIGHTS_METRICS_OF_FAMILY,
    CONTAINER_INSIGHTS_METRICS_OF_SERVICE, DETAILED_MONITORING_METRICS, INSTANCE_LEVEL_METRICS_OF_CLUSTER,
    INSTANCE_LEVEL_METRICS_OF_INSTANCE, billed, billed_on_fargate, load_balancer_capacity_units,
    network_load_balancer_capacity_units,
};
use crate::aws::split_cost::{Amount, split};
use crate::aws::task_definition::VolumeKind;
use crate::cluster::{ContainerInstance, Host, Task};
use crate::control::Control;
use crate::control::relations::Relations;
use crate::data::Traffic;
use crate::run::{Cost, CostKind, CostOwner, CostRow, LoadBalancerMinute};
use crate::scenario::{ContainerInsights, Scenario};
use crate::table::Id;
use crate::units::{Instant, Span};

const HOUR: u64 = Span::HOUR.0;

/// What everything has cost by the end, by kind and in rows by hour, owner and kind. The sum of the rows is the cost, but for rounding:
/// each is computed by itself.
pub fn costs(scenario: &Scenario, control: &Control, traffic: &Traffic, end: Instant) -> (Cost, Vec<CostRow>) {
    let mut ledger = Ledger { end, rows: BTreeMap::new() };
    let mut cost = Cost::default();
    let held = held(control, end);
    for (id, row) in control.cluster.instances.entries() {
        let held = held.get(&id).map_or(&[][..], Vec::as_slice);
        instance(scenario, control, (id, row), held, &mut cost, &mut ledger);
        cpu_credits(scenario, traffic, (id, row), held, &mut cost, &mut ledger);
    }
    for task in &control.cluster.tasks {
        task_by_itself(scenario, control, task, &mut cost, &mut ledger);
    }
    let mut minutes_of: Vec<Vec<&LoadBalancerMinute>> = vec![Vec::new(); scenario.load_balancers.len()];
    for row in &control.records.load_balancer_minutes {
        minutes_of[row.load_balancer].push(row);
    }
    for (load_balancer, definition) in scenario.load_balancers.entries() {
        cost.load_balancers_usd +=
            load_balancer_usd((scenario, &control.relations), &minutes_of, load_balancer, definition, &mut ledger);
    }
    cloud_watch(scenario, control, &mut cost, &mut ledger);
    if let Some(nat) = &scenario.nat_gateways {
        for hour in 0..ledger.hours() {
            ledger.add(
                hour,
                CostOwner::Cluster,
                CostKind::NatGateway,
                scenario.prices.nat_gateway_usd(nat.number, 1, 0.0),
            );
        }
        let bytes: u64 = control.cluster.tasks.iter().map(|it| it.pulled_through_nat_bytes).sum();
        cost.nat_gateways_usd = scenario.prices.nat_gateway_usd(nat.number, ledger.hours(), bytes as f64 / 1e9);
    }
    for row in control.pipelines.iter().flat_map(|it| it.rows()) {
        let Some(began_at) = row.build_began_at.filter(|it| *it < ledger.end) else { continue };
        let definition = &scenario.pipelines[Id::new(row.pipeline)];
        let took = row.pushed_at.or(row.ended_at).unwrap_or(ledger.end).min(ledger.end).since(began_at);
        let usd = scenario.prices.build_usd(definition.build.compute_type, took);
        ledger.add(began_at.0 / HOUR, CostOwner::Service(definition.service.index()), CostKind::CodeBuild, usd);
        cost.builds_usd += usd;
    }
    (cost, ledger.into_rows())
}

/// What is written down so far.
struct Ledger {
    end: Instant,
    rows: BTreeMap<(u64, CostOwner, CostKind), (f64, f64)>,
}

impl Ledger {
    /// Hours that have begun.
    fn hours(&self) -> u64 {
        self.end.0.div_ceil(HOUR)
    }

    fn add(&mut self, hour: u64, owner: CostOwner, kind: CostKind, usd: f64) {
        self.add_both(hour, owner, kind, usd, 0.0);
    }

    fn add_both(&mut self, hour: u64, owner: CostOwner, kind: CostKind, usd: f64, redistributed_usd: f64) {
        let row = self.rows.entry((hour, owner, kind)).or_default();
        row.0 += usd;
        row.1 += redistributed_usd;
    }

    /// The hours in which something that was there from one instant to another is billed, each with so many of its hours. What is
    /// billed beyond its end, up to a minute, belongs to its last hour.
    fn billed_hours(&self, since: Instant, until: Instant) -> Vec<(u64, f64)> {
        self.hours_of((since, until), billed(until.since(since)))
    }

    /// The hours of what was there from an instant until another one, and is billed for so long.
    fn hours_of(&self, (since, until): (Instant, Instant), billed: Span) -> Vec<(u64, f64)> {
        let billed_until = since + billed;
        let last = (until.0.max(since.0 + 1) - 1) / HOUR;
        let hours = since.0 / HOUR..=last;
        let of_hour = |hour: u64| {
            let from = since.0.max(hour * HOUR);
            let to = if hour == last { billed_until.0 } else { (hour + 1) * HOUR };
            (hour.min(self.hours().max(1) - 1), Span(to - from).as_hours())
        };
        hours.map(of_hour).collect()
    }

    fn into_rows(self) -> Vec<CostRow> {
        let rows = self.rows.into_iter().filter(|(_, (usd, redistributed))| *usd != 0.0 || *redistributed != 0.0);
        rows.map(|((hour, owner, kind), (usd, redistributed_usd))| CostRow {
            hour,
            owner,
            kind,
            usd,
            redistributed_usd,
        })
        .collect()
    }
}

fn owner_of(task: &Task) -> CostOwner {
    match task.launcher {
        Launcher::Service(service) => CostOwner::Service(service.index()),
        Launcher::RunTask(run_task) => CostOwner::RunTask(run_task.index()),
    }
}

/// What a task reserves on an instance, and from when until when.
struct Held {
    owner: CostOwner,
    amount: Amount,
    since: Instant,
    until: Instant,
}

fn held(control: &Control, end: Instant) -> BTreeMap<Id<ContainerInstance>, Vec<Held>> {
    let mut held: BTreeMap<Id<ContainerInstance>, Vec<Held>> = BTreeMap::new();
    for task in &control.cluster.tasks {
        if let (Some(Host::Instance(instance)), Some(since)) = (task.host, task.placed_at) {
            let amount = Amount {
                vcpu: f64::from(task.reservation.cpu_units) / 1024.0,
                gb: f64::from(task.reservation.memory_mib) / 1024.0,
            };
            let until = task.released_at.unwrap_or(end);
            held.entry(instance).or_default().push(Held { owner: owner_of(task), amount, since, until });
        }
    }
    held
}

/// An instance and its volumes, split over the tasks on it.
fn instance(
    scenario: &Scenario,
    control: &Control,
    (id, row): (Id<ContainerInstance>, &ContainerInstance),
    held: &[Held],
    cost: &mut Cost,
    ledger: &mut Ledger,
) {
    let kind = row.instance_type(&scenario.auto_scaling_groups);
    let capacity = capacity_of(row, kind);
    for bill in control.instance_bills(id, ledger.end) {
        cost.instances_usd += bill.usd;
        let usd_per_hour = bill.usd / billed(bill.until.since(bill.since)).as_hours();
        share(CostKind::Ec2, usd_per_hour, (bill.since, bill.until), capacity, held, ledger);
    }
    let volumes = &scenario.auto_scaling_groups[row.auto_scaling_group].volumes;
    let usd_per_hour = volumes.iter().map(|it| scenario.prices.volume_usd_per_hour(it)).fold(0.0, |sum, it| sum + it);
    let until = row.terminated_at.unwrap_or(ledger.end);
    let lifetime = until.since(row.launched_at);
    cost.volumes_usd += volumes.iter().map(|it| scenario.prices.volume_usd(it, lifetime)).fold(0.0, |sum, it| sum + it);
    share(CostKind::Ebs, usd_per_hour, (row.launched_at, until), capacity, held, ledger);
}

/// An instance's surplus CPU credits, split over the tasks that are on it in the hour in which they are charged.
fn cpu_credits(
    scenario: &Scenario,
    traffic: &Traffic,
    (id, row): (Id<ContainerInstance>, &ContainerInstance),
    held: &[Held],
    cost: &mut Cost,
    ledger: &mut Ledger,
) {
    let group = &scenario.auto_scaling_groups[row.auto_scaling_group];
    let kind = row.instance_type(&scenario.auto_scaling_groups);
    let until = row.terminated_at.unwrap_or(ledger.end);
    for (hour, credits) in traffic.charged_credits(id, row.terminated_at) {
        let runs_windows = group.operating_system_family.is_windows();
        let usd = scenario.prices.cpu_credits_usd(kind.cpu_architecture, runs_windows, credits);
        let (since, until) = (row.launched_at.max(Instant(hour * HOUR)), until.min(Instant((hour + 1) * HOUR)));
        cost.cpu_credits_usd += usd;
        let usd_per_hour = usd / billed(until.since(since)).as_hours();
        share(CostKind::CpuCredits, usd_per_hour, (since, until), capacity_of(row, kind), held, ledger);
    }
}

/// What costs of an instance are split by.
fn capacity_of(row: &ContainerInstance, kind: &InstanceType) -> Amount {
    Amount {
        vcpu: f64::from(kind.vcpu.max(row.registered_cpu_units / 1024)),
        gb: kind.memory_gib.max(f64::from(row.registered_memory_mib) / 1024.0),
    }
}

/// Splits what something costs that belongs to an instance, hour by hour.
fn share(
    kind: CostKind,
    usd_per_hour: f64,
    (since, until): (Instant, Instant),
    capacity: Amount,
    held: &[Held],
    ledger: &mut Ledger,
) {
    let first = since.0 / HOUR;
    let billed = ledger.billed_hours(since, until);
    let mut allocated: Vec<BTreeMap<CostOwner, Amount>> = vec![BTreeMap::new(); billed.len()];
    for task in held {
        let (from, to) = (task.since.max(since), task.until.min(until));
        if from >= to {
            continue;
        }
        for hour in from.0 / HOUR..=(to.0 - 1) / HOUR {
            let of_hour = Span(to.0.min((hour + 1) * HOUR) - from.0.max(hour * HOUR)).as_hours();
            allocated[(hour - first) as usize].entry(task.owner).or_default().add(task.amount, of_hour);
        }
    }
    for ((hour, hours), allocated) in billed.into_iter().zip(allocated) {
        let mut there = Amount::default();
        there.add(capacity, hours);
        let amounts: Vec<Amount> = allocated.values().copied().collect();
        let split = split(usd_per_hour * hours, there, &amounts);
        let mut given = 0.0;
        for (owner, (usd, redistributed)) in allocated.keys().zip(&split.parts) {
            ledger.add_both(hour, *owner, kind, *usd, *redistributed);
            given += redistributed;
        }
        ledger.add_both(hour, CostOwner::Unused, kind, split.unused, -given);
    }
}

/// What a task costs by itself: on Fargate, its EBS volume, and what was pulled for it through a NAT gateway.
fn task_by_itself(scenario: &Scenario, control: &Control, task: &Task, cost: &mut Cost, ledger: &mut Ledger) {
    let owner = owner_of(task);
    let until = task.stopped_at.unwrap_or(ledger.end);
    let capacity = task.capacity_provider.and_then(|it| scenario.capacity_providers[it].fargate());
    if let (Some(capacity), Some(since)) = (capacity, control.fargate_billed_since(task)) {
        let definition = &scenario.task_definitions[task.task_definition];
        let size = (task.reservation.cpu_units, task.reservation.memory_mib, definition.ephemeral_storage_gib);
        let platform = definition.fargate_platform();
        cost.fargate_usd += scenario.prices.fargate_usd(capacity, platform, size, until.since(since));
        let usd_per_hour = scenario.prices.fargate_usd_per_hour(capacity, platform, size);
        let kind = match capacity {
            FargateCapacity::OnDemand => CostKind::Fargate,
            FargateCapacity::Spot => CostKind::FargateSpot,
        };
        let billed = billed_on_fargate(platform, until.since(since));
        for (hour, hours) in ledger.hours_of((since, until), billed) {
            ledger.add(hour, owner, kind, usd_per_hour * hours);
        }
    }
    let has_volume = scenario.task_definitions[task.task_definition].has_volume(VolumeKind::Ebs);
    let volume = task.volume.as_ref().filter(|_| has_volume);
    if let (Some(volume), Some(since)) = (volume, task.placed_at) {
        cost.volumes_usd += scenario.prices.volume_usd(volume, until.since(since));
        let usd_per_hour = scenario.prices.volume_usd_per_hour(volume);
        for (hour, hours) in ledger.billed_hours(since, until) {
            ledger.add(hour, owner, CostKind::Ebs, usd_per_hour * hours);
        }
    }
    if let Some(since) = task.pull_started_at.filter(|_| task.pulled_through_nat_bytes > 0) {
        let usd = scenario.prices.nat_gateway_usd(0, 0, task.pulled_through_nat_bytes as f64 / 1e9);
        ledger.add((since.0 / HOUR).min(ledger.hours().max(1) - 1), owner, CostKind::NatGateway, usd);
    }
}

/// A load balancer, split over the services behind it by the requests that came to them in each hour.
fn load_balancer_usd(
    (scenario, relations): (&Scenario, &Relations),
    minutes_of: &[Vec<&LoadBalancerMinute>],
    load_balancer: Id<LoadBalancer>,
    definition: &LoadBalancer,
    ledger: &mut Ledger,
) -> f64 {
    // What comes to an Application Load Balancer through a Network Load Balancer is what that passes on.
    let is_before = |it: &LoadBalancer| it.comes_through.is_some_and(|it| it.load_balancer == load_balancer);
    let counted_at = scenario.load_balancers.find(is_before).unwrap_or(load_balancer);
    // An hour's units follow its requests: each new connection carries several of them.
    let (mut unit_hours, mut all_gb) = (0.0, 0.0);
    for hour in 0..ledger.hours() {
        let minutes = &minutes_of[counted_at.index()];
        let begin = |hour: u64| minutes.partition_point(|row| row.minute < hour * 60);
        let rows = &minutes[begin(hour)..begin(hour + 1)];
        let whole = || rows.iter().filter(|row| row.target_group.is_none());
        let requests: u64 = whole().map(|row| row.counts.arrived).sum();
        let evaluations: u64 = whole().map(|row| row.routing.rule_evaluations.billed).sum();
        let (mut active, mut bytes, mut flows) = (0.0, 0.0, 0.0);
        for capacity in rows.iter().filter_map(|row| row.capacity.as_deref()) {
            active += capacity.active_client_connections / 60.0;
            bytes += capacity.processed_bytes;
            flows += capacity.new_client_connections;
        }
        let connections = requests as f64 / 3600.0 / scenario.assumptions.requests_per_connection;
        let gb = bytes / 1e9;
        let units = if definition.kind == LoadBalancerType::Network {
            network_load_balancer_capacity_units(definition.protocol, flows / 3600.0, active, gb)
        } else {
            load_balancer_capacity_units(connections, active, gb, evaluations as f64 / 3600.0)
        };
        all_gb += gb;
        unit_hours += units;
        let usd = scenario.prices.load_balancer_usd(definition.kind, 1, units, gb);
        let parts = requests_by_service(scenario, relations, counted_at, rows);
        let all = parts.values().fold(0.0, |sum, it| sum + it);
        if all == 0.0 {
            // Nobody is behind it.
            ledger.add(hour, CostOwner::Cluster, CostKind::LoadBalancer, usd);
        }
        for (service, part) in parts.iter().filter(|_| all > 0.0) {
            ledger.add(hour, CostOwner::Service(*service), CostKind::LoadBalancer, usd * part / all);
        }
    }
    scenario.prices.load_balancer_usd(definition.kind, ledger.hours(), unit_hours, all_gb)
}

/// The services behind a load balancer, each with the requests that came to its target groups; where none came to any, each alike.
fn requests_by_service(
    scenario: &Scenario,
    relations: &Relations,
    load_balancer: Id<LoadBalancer>,
    rows: &[&LoadBalancerMinute],
) -> BTreeMap<usize, f64> {
    let mut arrived: BTreeMap<usize, u64> = BTreeMap::new();
    for row in rows {
        if let Some(group) = row.target_group {
            *arrived.entry(group).or_default() += row.counts.arrived;
        }
    }
    let mut parts: BTreeMap<usize, f64> = BTreeMap::new();
    for &service in relations.services_behind(load_balancer, None) {
        let Some(balancer) = scenario.services[service].load_balancer.as_ref() else { continue };
        let requests: u64 = balancer.target_groups().filter_map(|it| arrived.get(&it.index())).sum();
        // Services that share a target group share what comes to it.
        let sharing = relations.services_behind(load_balancer, Some(balancer.target_group)).len();
        parts.insert(service.index(), requests as f64 / sharing as f64);
    }
    if parts.values().all(|it| *it == 0.0) {
        parts.values_mut().for_each(|it| *it = 1.0);
    }
    parts
}

/// Alarms and custom metrics, both by the hour begun.
fn cloud_watch(scenario: &Scenario, control: &Control, cost: &mut Cost, ledger: &mut Ledger) {
    let prices = &scenario.prices;
    let hours = ledger.hours();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for (alarm, in_force) in control.alarms.iter().zip(&control.alarms_in_force) {
        // Policies may have an alarm in common.
        let is_billed = scenario.assumptions.managed_alarms_billed || !in_force.is_managed();
        if !is_billed || !seen.insert(&alarm.name) {
            continue;
        }
        let kind = AlarmKind::of_period(alarm.rule.period);
        let stats = alarm.watches.stats();
        let metrics = stats.len() as u32;
        cost.cloud_watch_usd += prices.alarm_usd(kind, metrics, hours as f64);
        let service = stats.first().and_then(|it| it.metric.service());
        let owner = service.map_or(CostOwner::Cluster, |it| CostOwner::Service(it.index()));
        for hour in 0..hours {
            ledger.add(hour, owner, CostKind::CloudWatch, prices.alarm_usd(kind, metrics, 1.0));
        }
    }
    for _ in &scenario.composite_alarms {
        cost.cloud_watch_usd += prices.alarm_usd(AlarmKind::Composite, 1, hours as f64);
        for hour in 0..hours {
            let usd = prices.alarm_usd(AlarmKind::Composite, 1, 1.0);
            ledger.add(hour, CostOwner::Cluster, CostKind::CloudWatch, usd);
        }
    }
    for (hour, metrics) in custom_metrics(scenario, control, ledger).into_iter().enumerate() {
        let usd = prices.custom_metric_usd(metrics, 1.0);
        cost.cloud_watch_usd += usd;
        ledger.add(hour as u64, CostOwner::Cluster, CostKind::CloudWatch, usd);
    }
}

/// How many custom metrics are published in each hour: by detailed monitoring of instances, at 20 s by services, by Container
/// Insights, and by CloudWatch agents on container instances.
fn custom_metrics(scenario: &Scenario, control: &Control, ledger: &Ledger) -> Vec<u64> {
    let of_services: usize = scenario.services.iter().map(|it| it.high_resolution_metrics.len()).sum();
    let families: BTreeSet<&str> = scenario.task_definitions.iter().map(|it| it.family.as_str()).collect();
    let of_insights = match scenario.container_insights {
        ContainerInsights::Disabled => 0,
        ContainerInsights::Enabled | ContainerInsights::Enhanced => {
            CONTAINER_INSIGHTS_METRICS_OF_CLUSTER
                + CONTAINER_INSIGHTS_METRICS_OF_SERVICE * scenario.services.len() as u64
                + CONTAINER_INSIGHTS_METRICS_OF_FAMILY * families.len() as u64
        }
    };
    let of_agent = if scenario.has_instance_level_insights() { INSTANCE_LEVEL_METRICS_OF_CLUSTER } else { 0 };
    let mut metrics = vec![of_services as u64 + of_insights + of_agent; ledger.hours() as usize];
    let mut add = |since: Instant, until: Option<Instant>, count: u64| {
        let last = (until.unwrap_or(ledger.end).0.max(since.0 + 1) - 1) / HOUR;
        for hour in since.0 / HOUR..=last.min(ledger.hours().max(1) - 1) {
            metrics[hour as usize] += count;
        }
    };
    for row in &control.cluster.instances {
        if scenario.auto_scaling_groups[row.auto_scaling_group].detailed_monitoring {
            add(row.launched_at, row.terminated_at, DETAILED_MONITORING_METRICS);
        }
        if let Some(since) = row.registered_at.filter(|_| of_agent > 0) {
            add(since, row.terminated_at, INSTANCE_LEVEL_METRICS_OF_INSTANCE);
        }
    }
    if scenario.container_insights == ContainerInsights::Enhanced {
        for task in &control.cluster.tasks {
            if let Some(since) = task.started_at {
                add(since, task.stopped_at, CONTAINER_INSIGHTS_METRICS_OF_FAMILY);
            }
        }
    }
    metrics
}
