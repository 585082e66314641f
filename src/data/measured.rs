//! What is measured of services: their minutes, and the CPU and memory that their tasks used.

use std::collections::BTreeMap;

use crate::cluster::Task;
use crate::data::histogram::Histogram;
use crate::run::{ConnectionCounts, RequestCounts, ResponseTimes, RoutingCounts};
use crate::table::Id;

/// A service's minute, closed.
#[derive(Clone, Debug, Default)]
pub struct ServiceTraffic {
    /// Requests: arrivals of the minute, and what ended in it.
    pub counts: RequestCounts,
    /// What the load balancer's nodes counted.
    pub routing: RoutingCounts,
    /// Times until a target answered, a 5xx of its own included, ms.
    pub target_response_time_ms: ResponseTimes,
    /// The same, so that those of several services can be put together.
    pub target_response_time: Histogram,
    /// Requests in flight, in the mean over the minute.
    pub in_flight_mean: f64,
    /// Arrivals, by second; those after the last one are not in it.
    pub arrivals_by_second: Vec<u64>,
    /// Requests to a target group with sticky sessions for which a target was chosen anew.
    pub non_sticky: u64,
    /// Response times of served requests, ms.
    pub response_time_ms: ResponseTimes,
    /// Of Network and Classic Load Balancers.
    pub connections: ConnectionCounts,
    /// `CPUUtilization`, percent; `None` without running tasks.
    pub cpu_percent: Option<f64>,
    /// `MemoryUtilization`, percent; `None` without running tasks.
    pub memory_percent: Option<f64>,
    /// What its RUNNING tasks used, in the mean.
    pub used: Used,
    /// CPU and memory use of each of its RUNNING tasks, percent; where something watches how these differ.
    pub tasks: Vec<(f64, f64)>,
}

impl ServiceTraffic {
    /// Adds what came to another target group of the same service, but for response times in figures.
    pub(super) fn add(&mut self, other: &ServiceTraffic) {
        self.counts.add(&other.counts);
        self.routing.add(&other.routing);
        self.target_response_time.merge(&other.target_response_time);
        self.in_flight_mean += other.in_flight_mean;
        let seconds = self.arrivals_by_second.len().max(other.arrivals_by_second.len());
        self.arrivals_by_second.resize(seconds, 0);
        for (sum, more) in self.arrivals_by_second.iter_mut().zip(&other.arrivals_by_second) {
            *sum += more;
        }
        self.non_sticky += other.non_sticky;
        self.connections.add(&other.connections);
    }

    /// The minute's CPU and memory use.
    pub fn utilization(&self) -> Utilization<'_> {
        Utilization { cpu_percent: self.cpu_percent, memory_percent: self.memory_percent, tasks: &self.tasks }
    }
}

/// CPU and memory use of a service over a period, percent; `None` without running tasks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Utilization<'t> {
    /// `CPUUtilization`
    pub cpu_percent: Option<f64>,
    /// `MemoryUtilization`
    pub memory_percent: Option<f64>,
    /// Both, of each task, where something watches how these differ.
    pub tasks: &'t [(f64, f64)],
}

/// CPU and memory in use.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Used {
    /// CPU units.
    pub cpu_units: f64,
    /// MiB.
    pub memory_mib: f64,
}

/// What was sampled of a service's running tasks in the open period.
#[derive(Clone, Debug, Default)]
pub(super) struct Samples {
    pub(super) of_service: TaskSamples,
    /// Each task by itself, where something watches how they differ.
    pub(super) of_tasks: Option<BTreeMap<Id<Task>, TaskSamples>>,
}

/// Sums over tasks and seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TaskSamples {
    pub(super) cpu_units_used: f64,
    pub(super) cpu_units_base: f64,
    pub(super) memory_mib_used: f64,
    pub(super) memory_mib_base: f64,
}

/// 20 s that are open, and 20 s that have closed.
#[derive(Clone, Debug, Default)]
pub(super) struct TwentySeconds {
    pub(super) samples: Samples,
    pub(super) cpu_percent: Option<f64>,
    pub(super) memory_percent: Option<f64>,
    pub(super) tasks: Vec<(f64, f64)>,
}

impl TaskSamples {
    pub(super) fn add(&mut self, second: &TaskSamples) {
        self.cpu_units_used += second.cpu_units_used;
        self.cpu_units_base += second.cpu_units_base;
        self.memory_mib_used += second.memory_mib_used;
        self.memory_mib_base += second.memory_mib_base;
    }

    /// CPU and memory, percent.
    pub(super) fn percent(&self) -> (Option<f64>, Option<f64>) {
        let percent = |used: f64, base: f64| (base > 0.0).then(|| 100.0 * used / base);
        (percent(self.cpu_units_used, self.cpu_units_base), percent(self.memory_mib_used, self.memory_mib_base))
    }
}

impl Samples {
    pub(super) fn new(keeps_tasks: bool) -> Samples {
        Samples { of_service: TaskSamples::default(), of_tasks: keeps_tasks.then(BTreeMap::new) }
    }

    pub(super) fn add(&mut self, task: Id<Task>, second: &TaskSamples) {
        self.of_service.add(second);
        if let Some(tasks) = &mut self.of_tasks {
            tasks.entry(task).or_default().add(second);
        }
    }

    /// Ends the period.
    pub(super) fn close(&mut self) -> (TaskSamples, Vec<(f64, f64)>) {
        let tasks = self.of_tasks.as_mut().map(std::mem::take).unwrap_or_default();
        let of_tasks = tasks.values().map(TaskSamples::percent);
        let of_tasks = of_tasks.map(|(cpu, memory)| (cpu.unwrap_or(0.0), memory.unwrap_or(0.0))).collect();
        (std::mem::take(&mut self.of_service), of_tasks)
    }
}
