//! What Container Insights publishes: counts of clusters and services, a sample of each running task, and of each container instance.
//!
//! Follows *Amazon ECS Container Insights metrics* and *Container Insights performance log events for Amazon ECS* (2026 copies): use
//! and reservation come in an event of each task, so that their `Average` is that of a task, and their `Sum` that of all. Without a
//! running task there is none. What the CloudWatch agent tells of container instances is of their tasks alone.

use crate::aws::container::HealthStatus;
use crate::aws::fargate::images_on_storage_gib;
use crate::aws::launch::Launcher;
use crate::aws::metric::{ContainerInsightsMetric, InsightsOf, InstanceMetric};
use crate::aws::service::ServiceDefinition;
use crate::aws::task_definition::{ContainerDefinition, NetworkMode};
use crate::cluster::{ContainerInstance, ContainerStatus, Task, TaskStatus};
use crate::control::Control;
use crate::control::placing::is_candidate;
use crate::data::{Traffic, Used};
use crate::metrics::Datapoint;
use crate::table::Id;

const BYTES_PER_MIB: f64 = 1_048_576.0;

/// GB of 10^9 bytes in a GiB: 20 GiB of ephemeral storage are told as 21.47.
const GB_PER_GIB: f64 = 1.073_741_824;

use ContainerInsightsMetric as C;

impl Control<'_> {
    /// A metric of Container Insights in the minute that has just closed.
    pub(super) fn container_insights(
        &self,
        of: InsightsOf,
        metric: ContainerInsightsMetric,
        traffic: &Traffic,
    ) -> Option<Datapoint> {
        let count = |count: usize| Some(Datapoint::of(count as f64, 1.0));
        match metric {
            C::CpuUtilized
            | C::CpuReserved
            | C::MemoryUtilized
            | C::MemoryReserved
            | C::NetworkRxBytes
            | C::NetworkTxBytes
            | C::EphemeralStorageReserved
            | C::EphemeralStorageUtilized
            | C::EbsFilesystemSize
            | C::TaskCpuUtilization
            | C::TaskMemoryUtilization
            | C::TaskEphemeralStorageUtilization => self.samples_of_tasks(of, metric, traffic),
            C::RestartCount => {
                let restarts = |it: &Task| it.containers.iter().map(|it| f64::from(it.restart_count)).sum::<f64>();
                let has_policy = |it: &Task| {
                    let containers = &self.scenario.task_definitions[it.task_definition].containers;
                    containers.iter().any(|it| it.restart_policy.is_some())
                };
                let counted = self.running_tasks_of(of).filter(|it| has_policy(it.1));
                Datapoint::of_samples(counted.map(|it| (restarts(it.1), 1.0)).collect())
            }
            C::UnHealthyContainerHealthStatus => {
                let states = self.running_tasks_of(of).flat_map(|it| &it.1.containers).map(|it| it.health_status);
                let samples = states.filter_map(|it| match it {
                    HealthStatus::Healthy => Some((0.0, 1.0)),
                    HealthStatus::Unhealthy => Some((1.0, 1.0)),
                    HealthStatus::Unknown => None,
                });
                Datapoint::of_samples(samples.collect())
            }
            C::TaskCount | C::RunningTaskCount => count(self.running_tasks_of(of).count()),
            C::ServiceCount => count(self.scenario.services.len()),
            C::ContainerInstanceCount => {
                count(self.registered().filter(|it| self.running_on(it).next().is_some()).count())
            }
            C::DesiredTaskCount | C::PendingTaskCount | C::DeploymentCount | C::TaskSetCount => match of {
                InsightsOf::Service(service) => Some(Datapoint::of(self.counted_of_service(service, metric), 1.0)),
                InsightsOf::Cluster | InsightsOf::Family(_) => None,
            },
        }
    }

    fn counted_of_service(&self, service: Id<ServiceDefinition>, of: ContainerInsightsMetric) -> f64 {
        let state = &self.services[service.index()];
        let tasks = || state.tasks.iter().map(|it| &self.cluster.tasks[*it]);
        match of {
            C::PendingTaskCount => {
                let waits = |it: &&Task| {
                    matches!(it.status, TaskStatus::Provisioning | TaskStatus::Pending | TaskStatus::Activating)
                };
                tasks().filter(waits).count() as f64
            }
            C::DeploymentCount => {
                let mut deployments: Vec<u32> =
                    tasks().filter(|it| !it.is_asked_to_stop).map(|it| it.deployment).collect();
                // The newest is PRIMARY before its first task.
                deployments.push(state.primary().number);
                deployments.sort_unstable();
                deployments.dedup();
                deployments.len() as f64
            }
            C::TaskSetCount => state.task_sets_there().len() as f64,
            _ => f64::from(state.desired_count),
        }
    }

    /// Tasks that are RUNNING, of what a metric is of.
    fn running_tasks_of(&self, of: InsightsOf) -> impl Iterator<Item = (Id<Task>, &Task)> {
        let family = match of {
            InsightsOf::Family(first) => Some(self.scenario.task_definitions[first].family.as_str()),
            InsightsOf::Cluster | InsightsOf::Service(_) => None,
        };
        let hosted = self.cluster.instances.iter().flat_map(|it| &it.hosted).chain(&self.cluster.fargate_tasks);
        hosted.map(|it| (*it, &self.cluster.tasks[*it])).filter(move |(_, task)| {
            let is_of_service = match of {
                InsightsOf::Service(service) => task.service() == Some(service),
                InsightsOf::Cluster | InsightsOf::Family(_) => true,
            };
            let family_of = |it: &Task| self.scenario.task_definitions[it.task_definition].family.as_str();
            task.status == TaskStatus::Running && is_of_service && family.is_none_or(|it| it == family_of(task))
        })
    }

    fn running_tasks_of_service(&self, service: Id<ServiceDefinition>) -> impl Iterator<Item = &Task> {
        let tasks = self.services[service.index()].tasks.iter().map(|it| &self.cluster.tasks[*it]);
        tasks.filter(|it| it.status == TaskStatus::Running)
    }

    /// A sample of each running task.
    ///
    /// What is used is known of services as a whole: each of a service's tasks has the same of it, but for the extremes where something
    /// watches them. A service whose tasks are of two families gives each of these by the number of its tasks.
    fn samples_of_tasks(
        &self,
        of: InsightsOf,
        metric: ContainerInsightsMetric,
        traffic: &Traffic,
    ) -> Option<Datapoint> {
        // A percentage is what is used of what is reserved; anything else stands for itself.
        let used = match metric {
            C::TaskCpuUtilization => C::CpuUtilized,
            C::TaskMemoryUtilization => C::MemoryUtilized,
            C::TaskEphemeralStorageUtilization => C::EphemeralStorageUtilized,
            other => other,
        };
        let whole = |task: &Task| match metric {
            C::TaskCpuUtilization => Some(self.cpu_units_reserved(task)),
            C::TaskMemoryUtilization => Some(f64::from(task.reservation.memory_mib)),
            C::TaskEphemeralStorageUtilization => self.ephemeral_storage(task, C::EphemeralStorageReserved),
            _ => None,
        };
        let in_unit = |value: f64, whole: Option<f64>| whole.map_or(value, |it| 100.0 * value / it);
        let scale_of_standalone = if used == C::CpuUtilized { self.scale_of_standalone_cpu(traffic) } else { 0.0 };
        let mut samples: Vec<(f64, f64)> = Vec::new();
        let mut tasks_of_services: Vec<u32> = vec![0; self.scenario.services.len()];
        for (id, task) in self.running_tasks_of(of) {
            if whole(task) == Some(0.0) {
                continue;
            }
            let sample = match (used, task.launcher) {
                (C::CpuReserved, _) => Some(self.cpu_units_reserved(task)),
                (C::MemoryReserved, _) => Some(f64::from(task.reservation.memory_mib)),
                (C::EphemeralStorageReserved | C::EphemeralStorageUtilized, _) => self.ephemeral_storage(task, used),
                (C::EbsFilesystemSize, _) => task.volume.map(|it| f64::from(it.size_gib) * GB_PER_GIB),
                (C::NetworkRxBytes | C::NetworkTxBytes, _) if !self.has_network_metrics(task) => None,
                (_, Launcher::Service(service)) => {
                    tasks_of_services[service.index()] += 1;
                    None
                }
                (C::CpuUtilized, Launcher::RunTask(_)) => Some(match task.is_on_fargate() {
                    true => self.cpu_wanted(task).min(f64::from(task.reservation.cpu_units)),
                    false => self.cpu_wanted(task) * scale_of_standalone,
                }),
                (C::MemoryUtilized, Launcher::RunTask(_)) => Some(self.memory_held_mib(id, traffic)),
                // Nobody sends requests to them.
                (_, Launcher::RunTask(_)) => Some(0.0),
            };
            samples.extend(sample.map(|it| (in_unit(it, whole(task)), 1.0)));
        }
        let (mut sum, mut sample_count) = (0.0, 0.0);
        for (value, count) in &samples {
            (sum, sample_count) = (sum + value * count, sample_count + count);
        }
        for (place, &tasks) in tasks_of_services.iter().enumerate().filter(|it| *it.1 > 0) {
            let service = Id::new(place);
            let of_all: Option<f64> = self.running_tasks_of_service(service).map(whole).sum();
            let by_all = self.used_by_service(service, used, traffic);
            let mean = match of_all {
                Some(of_all) => 100.0 * by_all / of_all.max(1.0),
                None => by_all / self.running_tasks_of_service(service).count() as f64,
            };
            (sum, sample_count) = (sum + mean * f64::from(tasks), sample_count + f64::from(tasks));
            let each = self.running_tasks_of_service(service).next().and_then(whole);
            let known = self.used_by_each(service, used, traffic);
            match known.is_empty() {
                true => samples.push((mean, f64::from(tasks))),
                false => samples.extend(known.into_iter().map(|it| (in_unit(it, each), 1.0))),
            }
        }
        let point = Datapoint::of_samples(samples)?;
        Some(Datapoint { sum, sample_count, ..point })
    }

    /// What a service's tasks used or sent together, in the minute that has just closed.
    fn used_by_service(&self, service: Id<ServiceDefinition>, of: ContainerInsightsMetric, traffic: &Traffic) -> f64 {
        let closed = traffic.last_minute(service);
        let assumptions = &self.scenario.assumptions;
        match of {
            C::CpuUtilized => closed.used.cpu_units,
            C::MemoryUtilized => closed.used.memory_mib,
            C::NetworkRxBytes => closed.routing.routed as f64 * assumptions.request_bytes / 60.0,
            _ => closed.target_response_time.count() as f64 * assumptions.response_bytes / 60.0,
        }
    }

    /// What each of a service's tasks used, where something watches how they differ, and all have the same size.
    fn used_by_each(&self, service: Id<ServiceDefinition>, of: ContainerInsightsMetric, traffic: &Traffic) -> Vec<f64> {
        let running = || self.running_tasks_of_service(service);
        let of_task = |it: &Task| match of {
            C::CpuUtilized => self.cpu_units_reserved(it),
            _ => f64::from(it.reservation.memory_mib),
        };
        let Some(size) = running().next().map(of_task).filter(|size| running().all(|it| of_task(it) == *size)) else {
            return Vec::new();
        };
        let tasks = &traffic.last_minute(service).tasks;
        match of {
            C::CpuUtilized => tasks.iter().map(|it| it.0 * size / 100.0).collect(),
            C::MemoryUtilized => tasks.iter().map(|it| it.1 * size / 100.0).collect(),
            _ => Vec::new(),
        }
    }

    /// CPU units that a task reserves; those of its instance where that is nothing.
    fn cpu_units_reserved(&self, task: &Task) -> f64 {
        let reserved = task.reservation.cpu_units;
        let of_instance = || task.instance().map_or(0, |it| self.cluster.instances[it].registered_cpu_units);
        f64::from(if reserved > 0 { reserved } else { of_instance() })
    }

    fn has_network_metrics(&self, task: &Task) -> bool {
        let mode = self.scenario.task_definitions[task.task_definition].network_mode;
        matches!(mode, NetworkMode::Awsvpc | NetworkMode::Bridge)
    }

    /// GB of a task on Fargate; `None` of others.
    fn ephemeral_storage(&self, task: &Task, of: ContainerInsightsMetric) -> Option<f64> {
        let definition = &self.scenario.task_definitions[task.task_definition];
        if !task.is_on_fargate() || definition.operating_system_family.is_windows() {
            return None;
        }
        let ratio = self.scenario.assumptions.fargate.unpacked_image_ratio;
        let gib = match of {
            C::EphemeralStorageReserved => f64::from(definition.ephemeral_storage_gib),
            _ => images_on_storage_gib(definition.image_mb(), ratio),
        };
        Some(gib * GB_PER_GIB)
    }

    /// The containers of a task whose processes run.
    fn containers_there(&self, task: &Task) -> impl Iterator<Item = (usize, &ContainerDefinition)> {
        let definition = &self.scenario.task_definitions[task.task_definition];
        let runs = |place: usize| task.containers.get(place).is_none_or(|it| it.status == ContainerStatus::Running);
        definition.containers.iter().enumerate().filter(move |it| runs(it.0))
    }

    /// CPU units that a standalone task would use.
    fn cpu_wanted(&self, task: &Task) -> f64 {
        let wanted: f64 = self.containers_there(task).map(|it| it.1.application.background_cpu_units).sum();
        let definition = &self.scenario.task_definitions[task.task_definition];
        let cap = task.overrides.cpu.or(definition.cpu).map_or(f64::INFINITY, f64::from);
        wanted.min(cap)
    }

    /// The part of what standalone tasks on instances would use that they were given, as far as others left it to them.
    fn scale_of_standalone_cpu(&self, traffic: &Traffic) -> f64 {
        let scenario = self.scenario;
        let of_all: f64 = scenario.auto_scaling_groups.ids().map(|it| traffic.used_on(it).cpu_units).sum();
        let on_instances = |it: &Id<ServiceDefinition>| !scenario.runs_on_fargate(Launcher::Service(*it));
        let of_services: f64 =
            scenario.services.ids().filter(on_instances).map(|it| traffic.last_minute(it).used.cpu_units).sum();
        let standalone = self.running_tasks_of(InsightsOf::Cluster).map(|it| it.1);
        let wanted: f64 =
            standalone.filter(|it| it.service().is_none() && !it.is_on_fargate()).map(|it| self.cpu_wanted(it)).sum();
        if wanted > 0.0 { ((of_all - of_services).max(0.0) / wanted).min(1.0) } else { 0.0 }
    }

    /// MiB that a task holds now, but for what requests have left behind.
    fn memory_held_mib(&self, task: Id<Task>, traffic: &Traffic) -> f64 {
        let row = &self.cluster.tasks[task];
        let requests = row.target.map_or(0.0, |it| f64::from(traffic.in_flight(it)));
        let of_container = |(place, it): (usize, &ContainerDefinition)| {
            let started_at = row.containers.get(place).and_then(|it| it.started_at).or(row.started_at);
            let hours = started_at.map_or(0.0, |it| self.now().since(it).as_hours());
            let serves = row.registration.is_some_and(|it| it.container == place);
            let of_requests = if serves { requests * it.application.memory_per_request_mib } else { 0.0 };
            it.application.memory_base_mib + it.application.memory_leak_per_hour_mib * hours + of_requests
        };
        self.containers_there(row).map(of_container).sum()
    }

    /// A sample of each container instance that is ACTIVE or DRAINING, or of the one of a number.
    ///
    /// What memory is used is known of groups: an instance has as much of it as its tasks hold of what all of its group's do.
    pub(super) fn container_instances(
        &self,
        instance: Option<u32>,
        of: InstanceMetric,
        traffic: &Traffic,
    ) -> Option<Datapoint> {
        use InstanceMetric as I;
        let held_mib =
            |it: &ContainerInstance| -> f64 { it.hosted.iter().map(|task| self.memory_held_mib(*task, traffic)).sum() };
        let scale_of_memory: Vec<f64> = match of {
            I::MemoryUtilization | I::MemoryWorkingSet => {
                let mut held = vec![0.0; self.scenario.auto_scaling_groups.len()];
                self.registered().for_each(|it| held[it.auto_scaling_group.index()] += held_mib(it));
                let used = |group: usize| -> Used { traffic.used_on(Id::new(group)) };
                let scale = |(group, held): (usize, &f64)| match *held > 0.0 {
                    true => used(group).memory_mib / held,
                    false => 0.0,
                };
                held.iter().enumerate().map(scale).collect()
            }
            _ => Vec::new(),
        };
        let reserved = |it: &ContainerInstance, of: fn(&Task) -> u32| -> f64 {
            self.running_on(it).map(|task| f64::from(of(task))).sum()
        };
        let in_use_mib = |it: &ContainerInstance| held_mib(it) * scale_of_memory[it.auto_scaling_group.index()];
        let sample = |(id, it): (Id<ContainerInstance>, &ContainerInstance)| {
            let cpu_units = f64::from(it.registered_cpu_units);
            let memory_mib = f64::from(it.instance_type(&self.scenario.auto_scaling_groups).registered_memory_mib);
            let value = match of {
                I::CpuLimit => cpu_units,
                I::CpuReservedCapacity => 100.0 * reserved(it, |it| it.reservation.cpu_units) / cpu_units,
                I::CpuUsageTotal => traffic.cpu_units_used_by(id),
                I::CpuUtilization => 100.0 * traffic.cpu_units_used_by(id) / cpu_units,
                I::MemoryLimit => memory_mib * BYTES_PER_MIB,
                I::MemoryReservedCapacity => 100.0 * reserved(it, |it| it.reservation.memory_mib) / memory_mib,
                I::MemoryUtilization => 100.0 * in_use_mib(it) / memory_mib,
                I::MemoryWorkingSet => in_use_mib(it) * BYTES_PER_MIB,
                I::NumberOfRunningTasks => self.running_on(it).count() as f64,
            };
            (value, 1.0)
        };
        let is_meant = |it: &(Id<ContainerInstance>, &ContainerInstance)| {
            is_candidate(it.1) && instance.is_none_or(|number| number as usize == it.0.index())
        };
        let registered = self.cluster.instances.entries().filter(is_meant);
        Datapoint::of_samples(registered.map(sample).collect())
    }
}
