//! What becomes of the capacity that is paid for, and where the tasks of a service stand.

use std::collections::BTreeMap;

use crate::aws::auto_scaling_group::AutoScalingGroup;
use crate::aws::capacity_provider::EmptyInstances;
use crate::aws::launch::Launch;
use crate::aws::service::{SchedulingStrategy, ServiceDefinition};
use crate::aws::task_definition::Reservation;
use crate::cluster::{ContainerInstance, Host, InstanceStatus, TaskStatus};
use crate::control::Control;
use crate::data::Traffic;
use crate::run::{CapacitySplit, ServicePlacement, ZonePlacement};
use crate::table::Id;
use crate::units::Span;

impl Control<'_> {
    /// What becomes of the CPU and memory of a group's instances.
    pub(super) fn capacity_split(
        &self,
        group: Id<AutoScalingGroup>,
        hosts: &[&ContainerInstance],
        traffic: &Traffic,
    ) -> (CapacitySplit, CapacitySplit) {
        let used = traffic.used_on(group);
        let largest = self.largest_task(group);
        let (mut cpu, mut memory) = (CapacitySplit::default(), CapacitySplit::default());
        let (mut reserved_cpu, mut reserved_memory) = (0.0, 0.0);
        for host in hosts {
            let (of_cpu, of_memory) = (f64::from(host.registered_cpu_units), f64::from(host.registered_memory_mib));
            match host.status {
                InstanceStatus::Launching | InstanceStatus::Registering => {
                    cpu.booting += of_cpu;
                    memory.booting += of_memory;
                }
                InstanceStatus::Draining
                | InstanceStatus::Deregistering
                | InstanceStatus::Inactive
                | InstanceStatus::RegistrationFailed => {
                    cpu.draining += of_cpu;
                    memory.draining += of_memory;
                }
                InstanceStatus::Active => {
                    let (free_cpu, free_memory) = (host.remaining_cpu_units, host.remaining_memory_mib);
                    reserved_cpu += of_cpu - f64::from(free_cpu);
                    reserved_memory += of_memory - f64::from(free_memory);
                    let more = largest.as_ref().map_or(0, |it| times_it_fits(it, host));
                    let each = |of: fn(&Reservation) -> u32| f64::from(more * largest.as_ref().map_or(0, of));
                    let (room_for_cpu, room_for_memory) = (each(|it| it.cpu_units), each(|it| it.memory_mib));
                    cpu.headroom += room_for_cpu;
                    memory.headroom += room_for_memory;
                    cpu.fragmented += f64::from(free_cpu) - room_for_cpu;
                    memory.fragmented += f64::from(free_memory) - room_for_memory;
                }
                InstanceStatus::Warmed | InstanceStatus::Terminated => {}
            }
        }
        for (split, reserved, used) in
            [(&mut cpu, reserved_cpu, used.cpu_units), (&mut memory, reserved_memory, used.memory_mib)]
        {
            split.used = f64::min(used, reserved);
            split.reserved_unused = reserved - split.used;
        }
        (cpu, memory)
    }

    /// What the largest task reserves that may come to a group, by its greater share of an instance.
    fn largest_task(&self, group: Id<AutoScalingGroup>) -> Option<Reservation> {
        let scenario = self.scenario;
        let asg = &scenario.auto_scaling_groups[group];
        let comes_here = |launch: &Launch| {
            let providers = &launch.capacity_provider_strategy;
            let is_own = |provider| scenario.capacity_providers[provider].auto_scaling_group() == Some(group);
            providers.is_empty() || providers.iter().any(|it| is_own(it.capacity_provider))
        };
        // Tasks of DAEMON services come with an instance, and are no more after that.
        let is_replica = |it: &&ServiceDefinition| it.scheduling_strategy != SchedulingStrategy::Daemon;
        let of_services = scenario.services.iter().filter(is_replica).filter(|it| comes_here(&it.launch));
        let of_services = of_services.map(|it| scenario.task_definitions[it.task_definition].reservation());
        let standalone = scenario.run_tasks.iter().filter(|it| comes_here(&it.launch)).flat_map(|it| {
            let of_definition = scenario.task_definitions[it.task_definition].reservation();
            it.sizes.iter().map(move |size| size.reservation(of_definition.clone()))
        });
        let empty = EmptyInstances::of(asg.types().map(|kind| asg.registered_resources(kind)))?.largest;
        let (cpu_units, memory_mib) = (f64::from(empty.cpu_units), f64::from(empty.memory_mib.max(1)));
        let share =
            |it: &Reservation| f64::max(f64::from(it.cpu_units) / cpu_units, f64::from(it.memory_mib) / memory_mib);
        of_services.chain(standalone).max_by(|one, other| share(one).total_cmp(&share(other)))
    }

    /// Where the tasks of services stand that have moved since the last minute.
    pub(super) fn record_placements(&mut self) {
        if self.placements_seen_version == Some(self.cluster.version) {
            return;
        }
        self.placements_seen_version = Some(self.cluster.version);
        let (zones, services) = (self.scenario.availability_zones.len(), self.scenario.services.len());
        let mut found = vec![vec![ZonePlacement::default(); zones]; services];
        for instance in &self.cluster.instances {
            let mut here: BTreeMap<usize, u32> = BTreeMap::new();
            for task in instance.tasks.iter().map(|it| &self.cluster.tasks[*it]) {
                if let (TaskStatus::Running, Some(service)) = (task.status, task.service()) {
                    *here.entry(service.index()).or_default() += 1;
                }
            }
            for (service, tasks) in here {
                let zone = &mut found[service][instance.availability_zone.index()];
                zone.tasks += tasks;
                zone.on_fullest_instance = zone.on_fullest_instance.max(tasks);
            }
        }
        for task in self.cluster.fargate_tasks.iter().map(|it| &self.cluster.tasks[*it]) {
            if let (TaskStatus::Running, Some(Host::Fargate(zone)), Some(service)) =
                (task.status, task.host, task.service())
            {
                let zone = &mut found[service.index()][zone.index()];
                zone.tasks += 1;
                zone.on_fullest_instance = zone.on_fullest_instance.max(1);
            }
        }
        let minute = self.now().0 / Span::MINUTE.0 - 1;
        for (service, zones) in found.into_iter().enumerate() {
            let last = &mut self.last_placements[service];
            if *last != zones {
                last.clone_from(&zones);
                self.records.service_placements.push(ServicePlacement { minute, service, zones });
            }
        }
    }
}

/// How many more tasks that reserve this fit on an instance.
fn times_it_fits(task: &Reservation, instance: &ContainerInstance) -> u32 {
    if task.ports.iter().any(|it| instance.reserved_ports.contains_key(it)) {
        return 0;
    }
    instance.available().tasks(task, false)
}
