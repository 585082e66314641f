//! What is published to CloudWatch, period by period: the metrics that something watches, and no others.
//!
//! Follows *Amazon ECS CloudWatch metrics*, *Amazon ECS Container Insights metrics* and the metrics pages of Elastic Load
//! Balancing, EC2 and EC2 Auto Scaling (2023 to 2026 copies).

use std::collections::{BTreeMap, BTreeSet};

use crate::aws::alarm::{AlarmRule, Watched};
use crate::aws::auto_scaling_group::AutoScalingGroup;
use crate::aws::lifecycle::LifecycleState;
use crate::aws::load_balancer::{LoadBalancer, TargetGroup};
use crate::aws::metric::{
    ClusterMetric, GroupMetric, LoadBalancerMetric, Metric, MetricStat, Resolution, ServiceMetric,
};
use crate::aws::metric_math::{MetricMath, Periods};
use crate::aws::service::ServiceDefinition;
use crate::cluster::{ContainerInstance, Task, TaskStatus};
use crate::control::Control;
use crate::control::placing::is_candidate;
use crate::data::histogram::Histogram;
use crate::data::{Traffic, Utilization};
use crate::metrics::{Datapoint, Series, Windows};
use crate::rare::Rare;
use crate::run::{Level, MetricPoint};
use crate::scenario::Scenario;
use crate::table::Id;
use crate::units::{Instant, Span};

/// SQS publishes nothing of a queue that was empty and that nobody has asked for so long (*Available CloudWatch metrics for Amazon
/// SQS*).
const SQS_INACTIVITY: Span = Span::seconds(6 * 3600);
const SQS: &str = "AWS/SQS";

/// EC2 publishes this often without detailed monitoring.
const BASIC_MONITORING: Span = Span::seconds(300);

/// The metrics that something watches.
#[derive(Default)]
pub struct Metrics {
    series: Vec<(Metric, Series)>,
    /// Where each of them stands.
    places: BTreeMap<Metric, usize>,
    /// Those of which samples are kept, not only their sum and extremes.
    with_samples: BTreeSet<Metric>,
    /// CPU use of instances in the open period, summed over minutes, percent.
    instances: BTreeMap<Id<ContainerInstance>, (f64, u32)>,
}

impl Metrics {
    /// Begins to keep what is watched.
    pub fn watch(&mut self, scenario: &Scenario, watched: &Watched) {
        for MetricStat { metric, statistic } in watched.stats() {
            self.places.entry(metric).or_insert_with(|| {
                self.series.push((metric, series_of(scenario, metric)));
                self.series.len() - 1
            });
            if statistic.needs_samples() {
                self.with_samples.insert(metric);
            }
        }
    }

    /// The series of a metric that is watched.
    ///
    /// # Panics
    /// When nothing watches it.
    pub fn series(&self, metric: Metric) -> &Series {
        &self.series[self.place(metric)].1
    }

    /// Where the series of a metric stands that is watched.
    ///
    /// # Panics
    /// When nothing watches it.
    pub fn place(&self, metric: Metric) -> usize {
        *self.places.get(&metric).expect("what is read was watched from the start")
    }

    /// The series at a place.
    pub fn at(&self, place: usize) -> &Series {
        &self.series[place].1
    }

    /// Appends the datapoint of a metric's next period, if it is watched.
    pub fn publish(&mut self, metric: Metric, point: Option<Datapoint>) {
        if let Some(place) = self.places.get(&metric) {
            self.series[*place].1.publish(point);
        }
    }
}

/// A metric before its first datapoint, with the delay of its namespace.
fn series_of(scenario: &Scenario, metric: Metric) -> Series {
    let a = &scenario.assumptions;
    match metric {
        Metric::Service(_, _, Resolution::TwentySeconds) => {
            Series::new(Resolution::TwentySeconds.period(), a.high_resolution_metric_delay)
        }
        Metric::Service(..) => Series::new(Span::MINUTE, a.ecs_metric_delay),
        Metric::Cluster(_) => Series::new(Span::MINUTE, a.cluster_metric_delay),
        Metric::CapacityProviderReservation(_) => Series::new(Span::MINUTE, a.capacity_provider_metric_delay),
        Metric::LoadBalancer(..) | Metric::HealthyHostsOfZone(..) | Metric::UnHealthyHostsOfZone(..) => {
            Series::new(Span::MINUTE, a.load_balancer_metric_delay)
        }
        Metric::ContainerInsights(..) | Metric::ContainerInstances(_) => {
            Series::new(Span::MINUTE, a.container_insights_metric_delay)
        }
        Metric::InstanceCpuUtilization(group) if scenario.auto_scaling_groups[group].detailed_monitoring => {
            Series::new(Span::MINUTE, a.instance_metric_delay)
        }
        Metric::InstanceCpuUtilization(_) => Series::new(BASIC_MONITORING, a.basic_instance_metric_delay),
        Metric::AutoScalingGroup(..) => Series::new(Span::MINUTE, a.group_metric_delay),
        Metric::Supplied(supplied) => {
            let it = &scenario.supplied_metrics[supplied];
            let point = |samples: &Vec<f64>| Datapoint::of_samples(samples.iter().map(|value| (*value, 1.0)).collect());
            let series = Series::supplied(it.resolution, it.delay, it.begins, it.samples.iter().map(point).collect());
            match it.namespace.as_str() {
                SQS => series.with_inactivity(SQS_INACTIVITY, a.queue_metric_delay_after_inactivity),
                _ => series,
            }
        }
    }
}

impl Control<'_> {
    /// Closes 20 s of the services whose metrics have that resolution.
    pub(super) fn publish_twenty_seconds(&mut self, traffic: &Traffic) {
        for place in 0..self.metrics.series.len() {
            let Metric::Service(service, of, Resolution::TwentySeconds) = self.metrics.series[place].0 else {
                continue;
            };
            let is_running = |it: &&Id<Task>| self.cluster.tasks[**it].status == TaskStatus::Running;
            let running = self.services[service.index()].tasks.iter().filter(is_running).count();
            let point = utilization(running as u32, of, traffic.last_twenty_seconds(service));
            self.metrics.series[place].1.publish(point);
        }
        self.put_twenty_seconds();
    }

    /// Closes the minute of all metrics but those that are computed later or come more often.
    pub(super) fn publish_metrics(&mut self, traffic: &Traffic) {
        for place in 0..self.metrics.series.len() {
            let metric = self.metrics.series[place].0;
            match metric {
                Metric::Supplied(_)
                | Metric::CapacityProviderReservation(_)
                | Metric::Service(_, _, Resolution::TwentySeconds) => {}
                Metric::InstanceCpuUtilization(group) => self.publish_instances(group, traffic),
                _ => {
                    let point = self.minute_of(metric, traffic);
                    self.metrics.series[place].1.publish(point);
                }
            }
        }
    }

    /// What a metric comes to in the minute that has just closed.
    fn minute_of(&self, metric: Metric, traffic: &Traffic) -> Option<Datapoint> {
        match metric {
            Metric::Service(service, of, _) => {
                // The rows of this minute have just been put down, a service after the other.
                let rows = &self.records.service_minutes;
                let row = &rows[rows.len() - self.scenario.services.len() + service.index()];
                utilization(row.running_count, of, traffic.last_minute(service).utilization())
            }
            Metric::Cluster(of) => self.of_cluster(of, traffic).map(|value| Datapoint::of(value, 1.0)),
            Metric::LoadBalancer(load_balancer, group, of) => {
                let keeps_samples = self.metrics.with_samples.contains(&metric);
                self.of_load_balancer(load_balancer, group, of, traffic, keeps_samples)
            }
            Metric::HealthyHostsOfZone(group, zone) => self.hosts[group.index()].of_zone(zone).map(|it| level(it.0)),
            Metric::UnHealthyHostsOfZone(group, zone) => self.hosts[group.index()].of_zone(zone).map(|it| level(it.1)),
            Metric::ContainerInsights(of, metric) => self.container_insights(of, metric, traffic),
            Metric::ContainerInstances(of) => self.container_instances(of, traffic),
            Metric::AutoScalingGroup(group, of) => Some(Datapoint::of(self.of_group(group, of), 1.0)),
            Metric::InstanceCpuUtilization(_) | Metric::CapacityProviderReservation(_) | Metric::Supplied(_) => None,
        }
    }

    /// Container instances that are ACTIVE or DRAINING.
    pub(super) fn registered(&self) -> impl Iterator<Item = &ContainerInstance> {
        self.cluster.instances.iter().filter(|it| is_candidate(it))
    }

    /// Tasks that are RUNNING on an instance.
    pub(super) fn running_on<'a>(&'a self, instance: &'a ContainerInstance) -> impl Iterator<Item = &'a Task> {
        instance.hosted.iter().map(|it| &self.cluster.tasks[*it]).filter(|it| it.status == TaskStatus::Running)
    }

    /// `None` where no task runs on an instance, or nothing is registered.
    fn of_cluster(&self, of: ClusterMetric, traffic: &Traffic) -> Option<f64> {
        let registered = |it: &ContainerInstance| match of {
            ClusterMetric::CpuReservation | ClusterMetric::CpuUtilization => it.registered_cpu_units,
            ClusterMetric::MemoryReservation | ClusterMetric::MemoryUtilization => it.registered_memory_mib,
            ClusterMetric::GpuReservation => it.registered_gpus,
        };
        let taken = |it: &Task| match of {
            ClusterMetric::CpuReservation | ClusterMetric::CpuUtilization => it.reservation.cpu_units,
            ClusterMetric::MemoryReservation | ClusterMetric::MemoryUtilization => it.reservation.memory_mib,
            ClusterMetric::GpuReservation => it.reservation.gpus,
        };
        let all: u64 = self.registered().map(|it| u64::from(registered(it))).sum();
        let has_tasks = self.registered().any(|it| self.running_on(it).next().is_some());
        let used = || self.scenario.auto_scaling_groups.ids().map(|it| traffic.used_on(it));
        let part = match of {
            ClusterMetric::CpuUtilization => used().map(|it| it.cpu_units).sum(),
            ClusterMetric::MemoryUtilization => used().map(|it| it.memory_mib).sum(),
            _ => {
                let of_instance = |it| self.running_on(it).map(|task| u64::from(taken(task))).sum::<u64>();
                self.registered().map(of_instance).sum::<u64>() as f64
            }
        };
        (all > 0 && has_tasks).then(|| 100.0 * part / all as f64)
    }

    fn of_load_balancer(
        &self,
        load_balancer: Id<LoadBalancer>,
        group: Option<Id<TargetGroup>>,
        of: LoadBalancerMetric,
        traffic: &Traffic,
        keeps_samples: bool,
    ) -> Option<Datapoint> {
        use LoadBalancerMetric as L;
        let rows = &self.records.load_balancer_minutes;
        let first = rows.len().checked_sub(self.relations.rows_of_load_balancers())?;
        let row = rows.get(first + self.relations.row(load_balancer, group))?;
        let (counts, routing, hosts) = (&row.counts, &row.routing, row.hosts);
        let (own, capacity) = (row.own.as_deref(), row.capacity.as_deref());
        let count = |count: u64| (count > 0).then(|| Datapoint::of(count as f64, 1.0));
        let amount = |amount: f64| (amount > 0.0).then(|| Datapoint::of(amount, 1.0));
        let services = self.relations.services_behind(load_balancer, group);
        let minute = |it: &Id<ServiceDefinition>| match group {
            Some(group) => traffic.last_minute_at(*it, group),
            None => traffic.last_minute(*it),
        };
        let minutes = || services.iter().map(minute);
        match of {
            L::RequestCount => count(routing.routed),
            L::RequestCountPerTarget => row.request_count_per_target.map(|it| Datapoint::of(it, 1.0)),
            L::TargetResponseTime => response_time(minutes().map(|it| &it.target_response_time), keeps_samples),
            L::HttpCodeTarget2xx => count(counts.served - counts.target_3xx - counts.target_4xx),
            L::HttpCodeTarget3xx => count(counts.target_3xx),
            L::HttpCodeTarget4xx => count(counts.target_4xx),
            L::HttpCodeTarget5xx => count(counts.target_5xx),
            L::HttpCodeElb4xx => count(counts.client_timeout),
            L::HttpCodeElb5xx => count(counts.elb_502 + counts.elb_503 + counts.elb_504),
            L::HttpCodeElb502 => count(counts.elb_502),
            L::HttpCodeElb503 => count(counts.elb_503),
            L::HttpCodeElb504 => count(counts.elb_504),
            L::HealthyHostCount => hosts.map(|it| level(it.healthy)),
            L::UnHealthyHostCount => hosts.map(|it| level(it.unhealthy)),
            L::AnomalousHostCount => hosts.map(|it| level(it.anomalous)),
            L::MitigatedHostCount => hosts.map(|it| level(it.mitigated)),
            L::HealthyStateRouting => hosts.map(|it| level(it.healthy_state_routing)),
            L::HealthyStateDns => hosts.map(|it| level(it.healthy_state_dns)),
            L::UnhealthyStateRouting => {
                hosts.map(|it| Datapoint::of(f64::from(it.unhealthy_state_routing_maximum), 1.0))
            }
            L::UnhealthyStateDns => hosts.map(|it| Datapoint::of(f64::from(it.unhealthy_state_dns_maximum), 1.0)),
            L::UnhealthyRoutingRequestCount => count(routing.unhealthy_routed),
            L::TargetConnectionErrorCount => count(routing.target_connection_errors),
            L::NewConnectionCount => {
                capacity.and_then(|it| amount(it.new_client_connections + it.new_target_connections))
            }
            L::ActiveConnectionCount => capacity.and_then(|it| amount(2.0 * it.active_client_connections)),
            L::ProcessedBytes => capacity.and_then(|it| amount(it.processed_bytes)),
            L::ConsumedLcus => capacity.map(|it| Datapoint::of(it.consumed_lcus, 1.0)),
            L::PeakLcus => capacity.map(|it| Datapoint::of(it.peak_lcus, 1.0)),
            L::RuleEvaluations => count(routing.rule_evaluations.all),
            L::HttpRedirectCount => own.and_then(|it| count(it.redirects)),
            L::HttpFixedResponseCount => own.and_then(|it| count(it.fixed_responses())),
            L::NonStickyRequestCount => own.and_then(|it| count(it.non_sticky)),
            L::NewFlowCount => capacity.and_then(|it| amount(it.new_client_connections)),
            L::ActiveFlowCount => capacity.map(|it| Datapoint::of(it.active_client_connections, 1.0)),
            L::SurgeQueueLength => {
                minutes().map(|it| it.connections.surge_queue_length).max().map(|it| Datapoint::of(it as f64, 1.0))
            }
            L::SpilloverCount => count(minutes().map(|it| it.connections.spillover).sum()),
        }
    }

    /// *Amazon CloudWatch metrics for Amazon EC2 Auto Scaling*: the total is of what is in service, pending and terminating; what is in
    /// the warm pool has metrics of its own.
    pub(super) fn of_group(&self, group: Id<AutoScalingGroup>, of: GroupMetric) -> f64 {
        use GroupMetric as G;
        use LifecycleState as S;
        let state = &self.groups[group.index()];
        let is_terminating = |it: Id<ContainerInstance>| self.cluster.instances[it].is_terminating;
        let stands = |it: Id<ContainerInstance>, wanted: &[S]| {
            wanted.contains(&self.instances_in_groups[it.index()].lifecycle_state) && !is_terminating(it)
        };
        // Instances, or the units of capacity that they are.
        let sum = |units: bool, counts: &dyn Fn(Id<ContainerInstance>) -> bool| -> f64 {
            let meant = state.instances.iter().copied().filter(|it| counts(*it));
            meant.map(|it| if units { f64::from(self.weight_of(it)) } else { 1.0 }).sum()
        };
        let in_service = |units| sum(units, &|it| stands(it, &[S::InService]));
        let pending = |units| sum(units, &|it| stands(it, &[S::Pending, S::PendingWait]));
        let standby = |units| sum(units, &|it| stands(it, &[S::Standby]));
        let terminating = |units| sum(units, &|it| is_terminating(it) && !self.is_warmed(it));
        let total = |units| in_service(units) + pending(units) + terminating(units);
        let warm_pending = || sum(true, &|it| stands(it, &[S::WarmedPending, S::WarmedPendingWait]));
        let warmed = || sum(true, &|it| stands(it, &[S::WarmedStopped, S::WarmedRunning, S::WarmedHibernated]));
        let warm_terminating = || sum(true, &|it| is_terminating(it) && self.is_warmed(it));
        let warm_total = || warm_pending() + warmed() + warm_terminating();
        let pool = self.scenario.auto_scaling_groups[group].upkeep.warm_pool;
        let warm_desired = || pool.map_or(0.0, |it| f64::from(it.size(state.max_size, state.desired_capacity)));
        match of {
            G::MinSize => f64::from(state.min_size),
            G::MaxSize => f64::from(state.max_size),
            G::DesiredCapacity => f64::from(state.desired_capacity),
            G::InServiceInstances => in_service(false),
            G::PendingInstances => pending(false),
            G::StandbyInstances => standby(false),
            G::TerminatingInstances => terminating(false),
            G::TotalInstances => total(false),
            G::InServiceCapacity => in_service(true),
            G::PendingCapacity => pending(true),
            G::StandbyCapacity => standby(true),
            G::TerminatingCapacity => terminating(true),
            G::TotalCapacity => total(true),
            G::WarmPoolMinSize => pool.map_or(0.0, |it| f64::from(it.min_size)),
            G::WarmPoolDesiredCapacity => warm_desired(),
            G::WarmPoolPendingCapacity => warm_pending(),
            G::WarmPoolTerminatingCapacity => warm_terminating(),
            G::WarmPoolWarmedCapacity => warmed(),
            G::WarmPoolTotalCapacity => warm_total(),
            G::GroupAndWarmPoolDesiredCapacity => f64::from(state.desired_capacity) + warm_desired(),
            G::GroupAndWarmPoolTotalCapacity => total(true) + warm_total(),
        }
    }

    /// CPU use of a group's EC2 instances: each minute with detailed monitoring, each fifth without.
    fn publish_instances(&mut self, group: Id<AutoScalingGroup>, traffic: &Traffic) {
        for &instance in &self.groups[group.index()].instances {
            if self.is_left_out_of_metrics(instance) {
                continue;
            }
            let kind = self.cluster.instances[instance].instance_type(&self.scenario.auto_scaling_groups);
            let cpu_units = f64::from(kind.vcpu) * 1024.0;
            let percent = 100.0 * traffic.cpu_units_used_by(instance) / cpu_units;
            let (sum, minutes) = self.metrics.instances.entry(instance).or_default();
            *sum += percent;
            *minutes += 1;
        }
        let metric = Metric::InstanceCpuUtilization(group);
        let period = self.metrics.series(metric).resolution();
        if !self.now().0.is_multiple_of(period.0) {
            return;
        }
        let cluster = &self.cluster;
        let mut samples = Vec::new();
        self.metrics.instances.retain(|instance, (sum, minutes)| {
            let is_own = cluster.instances[*instance].auto_scaling_group == group;
            if is_own {
                samples.push((*sum / f64::from(*minutes), 1.0));
            }
            !is_own
        });
        self.metrics.publish(metric, Datapoint::of_samples(samples));
    }

    /// The newest periods, `count` of them, that an alarm of this rule looks at now.
    pub(super) fn windows_of(&self, rule: &AlarmRule, watched: &Watched, count: usize) -> Windows {
        let stats = watched.stats();
        newest_windows(rule, stats.iter().map(|it| self.metrics.series(it.metric)), count, self.now())
    }

    /// What is watched, in these periods, as far as it can be read at `now`.
    pub(super) fn points(&self, watched: &Watched, windows: Windows, now: Instant) -> Vec<Option<f64>> {
        let read = |stat: &MetricStat| self.metrics.series(stat.metric).values(windows, stat.statistic, now);
        match watched {
            Watched::Stat(stat) => read(stat),
            Watched::Math(math) => math.evaluate(self.periods(windows), &mut |stat| read(stat)),
        }
    }

    /// The same periods by the calendar.
    pub(super) fn periods(&self, windows: Windows) -> Periods {
        let length = windows.period.0 as i64 * windows.count as i64;
        Periods {
            first_unix_seconds: self.scenario.start_unix_seconds + (windows.end.0 as i64 - length) / 1_000_000_000,
            seconds: windows.period.0 / Span::SECOND.0,
            count: windows.count,
        }
    }

    /// The newest value of what is watched that can be read, of an alarm's periods.
    pub(super) fn newest_value(&self, watched: &Watched, rule: &AlarmRule) -> Option<f64> {
        let now = self.now();
        // As many periods as the longest alarm of a target tracking policy fetches.
        let windows = self.windows_of(rule, watched, 60);
        match watched {
            Watched::Stat(stat) => {
                let series = self.metrics.series(stat.metric);
                let Windows { end, period, .. } = windows;
                let count = (end.0 / period.0.max(1)) as usize + 1;
                let mut back = (0..count).map(|back| Windows { end, period, count: back + 1 }.each().next().flatten());
                back.find_map(|window| series.value(window?, stat.statistic, now))
            }
            Watched::Math(_) => self.points(watched, windows, now).into_iter().rev().flatten().next(),
        }
    }

    /// Every datapoint of what no other output has.
    pub(crate) fn metric_points(&self) -> Vec<MetricPoint> {
        let mut told: Vec<(&Watched, Span)> = Vec::new();
        let mut by_metric: BTreeMap<Option<Metric>, Vec<(&Watched, Span)>> = BTreeMap::new();
        for alarm in self.alarms.iter().filter(|it| is_told_nowhere_else(&it.watches)) {
            let watched = (&alarm.watches, alarm.rule.period);
            let alike = by_metric.entry(alarm.watches.stats().first().map(|it| it.metric)).or_default();
            if !alike.contains(&watched) {
                alike.push(watched);
                told.push(watched);
            }
        }
        let end = self.now();
        let mut points = Vec::new();
        for (watched, period) in told {
            let count = (end.0 / period.0) as usize;
            let windows = Windows { end: Instant(count as u64 * period.0), period, count };
            let (metric, statistic) = self.scenario.watched_words(watched);
            for (value, window) in self.points(watched, windows, Instant::NEVER).into_iter().zip(windows.each()) {
                let (Some(value), Some((at, _))) = (value, window) else { continue };
                points.push(MetricPoint { at, period, metric: metric.clone(), statistic: statistic.clone(), value });
            }
        }
        points
    }
}

/// The newest periods, `count` of them, that an alarm of this rule looks at in these metrics at `now`.
///
/// Where a period takes in several datapoints, the newest is the last of which all can be read: else it would always lack
/// those that are not yet published, and a sum over it would never be whole.
pub(super) fn newest_windows<'a>(
    rule: &AlarmRule,
    watched: impl Iterator<Item = &'a Series>,
    count: usize,
    now: Instant,
) -> Windows {
    let late = watched.filter(|it| it.resolution() < rule.period).map(Series::delay).max();
    let readable = Instant(now.0.saturating_sub(late.unwrap_or(Span::ZERO).0));
    Windows { end: rule.data_until(readable), period: rule.period, count }
}

/// Whether nothing but an alarm tells it: metrics of services, load balancers and capacity providers have files of their own.
fn is_told_nowhere_else(watched: &Watched) -> bool {
    match watched {
        Watched::Math(math) => MetricMath::stats(math).next().is_some(),
        Watched::Stat(stat) => !matches!(
            stat.metric,
            Metric::Service(_, _, Resolution::Minute)
                | Metric::LoadBalancer(..)
                | Metric::CapacityProviderReservation(_)
        ),
    }
}

/// A number over a minute: one sample of its mean, with its extremes.
fn level(it: Level) -> Datapoint {
    Datapoint {
        sum: it.mean,
        sample_count: 1.0,
        minimum: f64::from(it.minimum),
        maximum: f64::from(it.maximum),
        samples: Rare::default(),
    }
}

/// Seconds until targets answered.
fn response_time<'a>(histograms: impl Iterator<Item = &'a Histogram>, keeps_samples: bool) -> Option<Datapoint> {
    let several: Vec<&Histogram> = histograms.filter(|it| it.count() > 0).collect();
    let merged;
    let answers = match several.as_slice() {
        [] => return None,
        [only] => *only,
        all => {
            let mut sum = Histogram::default();
            all.iter().for_each(|it| sum.merge(it));
            merged = sum;
            &merged
        }
    };
    let point = Datapoint::of(answers.mean()? / 1e9, answers.count() as f64);
    if !keeps_samples {
        return Some(point);
    }
    let samples = answers.filled().map(|(nanos, count)| (nanos / 1e9, count as f64)).collect();
    let known = Datapoint::of_samples(samples)?;
    Some(Datapoint { sum: point.sum, sample_count: point.sample_count, ..known })
}

/// One sample of each task that runs.
fn utilization(running: u32, of: ServiceMetric, period: Utilization<'_>) -> Option<Datapoint> {
    let percent = match of {
        ServiceMetric::CpuUtilization => period.cpu_percent,
        ServiceMetric::MemoryUtilization => period.memory_percent,
    };
    let of_task = |&(cpu, memory): &(f64, f64)| match of {
        ServiceMetric::CpuUtilization => cpu,
        ServiceMetric::MemoryUtilization => memory,
    };
    let point = Datapoint::of(percent?, f64::from(running.max(1)));
    let samples = Datapoint::of_samples(period.tasks.iter().map(|it| (of_task(it), 1.0)).collect());
    Some(match samples {
        Some(of_tasks) => Datapoint { sum: point.sum, sample_count: point.sample_count, ..of_tasks },
        None => point,
    })
}
