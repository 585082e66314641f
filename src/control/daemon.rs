//! DAEMON services: one task on each ACTIVE container instance that meets the placement constraints, and none elsewhere.
//!
//! Follows *Daemon scheduling strategy* in the developer guide (*Amazon ECS service deployment controllers and strategies*, 2026)
//! and *Improving daemon services in Amazon ECS* of the containers blog: their tasks are the first on an instance and the last
//! to stop, and ECS sets CPU, memory and network interfaces aside for them.
//!
//! What these leave open: an instance of another architecture, or of a zone without a subnet of the service, is none that meets
//! the constraints; a task is replaced on its instance once it is STOPPED; deployments go through the instances in the
//! order of their launch; nothing is set aside where the instance could not hold the task even without other services; an
//! instance whose agent is not connected keeps the task that it has and gets none.

use crate::aws::auto_scaling_group::{AutoScalingGroup, AvailabilityZone};
use crate::aws::container_instance::RegisteredResources;
use crate::aws::instance_type::InstanceType;
use crate::aws::launch::Launcher;
use crate::aws::placement::Reason;
use crate::aws::service::{ServiceDefinition, deployment_bounds};
use crate::aws::subnet::Subnet;
use crate::aws::task_definition::Reservation;
use crate::cluster::{ContainerInstance, InstanceStatus, StopCode, Task};
use crate::control::Control;
use crate::control::health::task_name;
use crate::control::log::Decision;
use crate::control::network::has_subnet;
use crate::control::placing::{Asked, Wanted};
use crate::control::scheduler::deployment::Deployment;
use crate::table::Id;

/// Tasks of a DAEMON service, sorted by what is to become of them; those asked to stop left out.
#[derive(Default)]
struct Roll {
    /// On instances that no longer meet the constraints.
    violating: Vec<Id<Task>>,
    /// On draining instances that have nothing else left, or not started yet.
    drained: Vec<Id<Task>>,
    /// Of an older deployment, and healthy.
    old_healthy: Vec<Id<Task>>,
    /// Of an older deployment, and not healthy.
    old: Vec<Id<Task>>,
    /// Of the PRIMARY deployment, but failing their health checks.
    unhealthy: Vec<Id<Task>>,
    /// Of the PRIMARY deployment, to be kept.
    staying: u32,
    /// Healthy ones among these.
    staying_healthy: u32,
}

impl<'a> Control<'a> {
    /// Has the scheduler look soon at services that depend on which instances there are, wherever their tasks are: DAEMON ones,
    /// and those that are even over the zones, as far as it knows.
    pub(super) fn container_instances_changed(&mut self) {
        for place in 0..self.daemons.len() {
            self.schedule_service(self.daemons[place]);
        }
        self.look_at_zones_soon();
    }

    /// Whether an instance has tasks that keep it: those of DAEMON services do not.
    pub(super) fn is_used(&self, instance: Id<ContainerInstance>) -> bool {
        self.cluster.instances[instance].tasks.iter().any(|it| !self.is_of_daemon(*it))
    }

    fn is_of_daemon(&self, task: Id<Task>) -> bool {
        self.scenario.is_daemon(self.cluster.tasks[task].launcher)
    }

    /// A task has come to an instance or has left it: that may be what a DAEMON service waits for.
    pub(super) fn tasks_changed_on(&mut self, instance: Id<ContainerInstance>) {
        let drains = self.cluster.instances[instance].status == InstanceStatus::Draining;
        for place in 0..self.daemons.len() {
            let service = self.daemons[place];
            if drains || self.goes_by_tasks(&self.wanted_next(service, &[])) {
                self.schedule_service(service);
            }
        }
    }

    /// Gives the DAEMON services their places on an instance, before any other task is asked about; what those need that
    /// find no room is set aside for them.
    pub(super) fn place_daemons(&mut self, instance: Id<ContainerInstance>) {
        let placed = self.take_places(instance);
        self.say_places_taken(placed);
    }

    /// Settles a service on all instances with room, as before the run begins; whether any task found one.
    pub(super) fn settle_daemon(&mut self, service: Id<ServiceDefinition>) -> bool {
        let places = self.places_of(service);
        self.services[service.index()].desired_count = places.len() as u32;
        let before = self.services[service.index()].tasks.len();
        let wanted = self.wanted_next(service, &[]);
        let (asked, need) = (self.asked_by(&wanted), wanted.reservation(self.scenario));
        for instance in places {
            let has_room = self.failure_on(&asked, &need, instance).is_none();
            if self.task_of_daemon(service, instance).is_none()
                && has_room
                && !self.has_no_address(&wanted, self.cluster.instances[instance].availability_zone)
                && !self.has_no_host_ports(&wanted, instance)
            {
                let task = self.create_task(&wanted);
                self.settle_task(task, instance);
            }
        }
        self.services[service.index()].tasks.len() > before
    }

    /// The scheduler looks at a DAEMON service.
    pub(super) fn daemon_is_scheduled(&mut self, service: Id<ServiceDefinition>) {
        let places = self.count_places(service);
        let state = &self.services[service.index()];
        let desired = state.desired_count;
        let (lower, _) = deployment_bounds(desired, state.minimum_healthy_percent, state.maximum_percent);
        let mut roll = self.roll_of_daemon(service);
        self.stop_violating(service, &roll.violating);
        let reason =
            format!("Scaling activity initiated by (deployment {})", self.services[service.index()].primary().number);
        let cause = self.services[service.index()].wanted_because;
        self.stop_daemons(service, &roll.drained, &reason, cause);

        let healthy = roll.staying_healthy + roll.old_healthy.len() as u32;
        let may_stop = (healthy.saturating_sub(lower) as usize).min(roll.old_healthy.len());
        let mut replaced = std::mem::take(&mut roll.old);
        replaced.extend(roll.old_healthy.drain(..may_stop));
        self.stop_daemons(service, &replaced, &reason, cause);
        if !roll.old_healthy.is_empty() && lower >= desired {
            self.say_deployment_is_stuck(service);
        }
        self.replace_unhealthy(service, &roll, places.len() as u32);

        let mut placed = Vec::new();
        for instance in self.cluster.instances.ids() {
            let waits = places.binary_search(&instance).is_ok() && self.task_of_daemon(service, instance).is_none();
            if waits || self.cluster.instances[instance].set_aside != RegisteredResources::default() {
                placed.extend(self.take_places(instance));
            }
        }
        self.say_places_taken(placed);
        self.say_lack_of_room(service, &places);

        let roll = self.roll_of_daemon(service);
        let is_settled = roll.violating.is_empty()
            && roll.old.is_empty()
            && roll.old_healthy.is_empty()
            && roll.unhealthy.is_empty()
            && (roll.staying, roll.staying_healthy) == (desired, desired);
        if is_settled {
            self.is_steady(service);
        } else {
            self.services[service.index()].is_steady = false;
        }
    }

    /// What a new instance of a type has for other tasks, where it is launched with the fewest tasks of DAEMON services.
    ///
    /// The developer guide says that these are set aside, and managed scaling counts by the largest room of an instance.
    pub(super) fn empty_but_for_daemons(
        &self,
        group: Id<AutoScalingGroup>,
        kind: &InstanceType,
    ) -> RegisteredResources {
        let empty = self.registered_when_launched(group, kind);
        if self.daemons.is_empty() {
            return empty;
        }
        let everywhere = self.daemons_of_all_new_instances(group, kind);
        everywhere.iter().fold(empty, |left, it| left.less(&self.reservation_of(*it)).unwrap_or(left))
    }

    /// Whether tasks of DAEMON services have a static host port on all new instances of a group that a task needs.
    pub(super) fn daemons_take_a_port(&self, need: &Reservation, group: Id<AutoScalingGroup>) -> bool {
        if self.daemons.is_empty() || need.ports.is_empty() {
            return false;
        }
        let is_taken = |service| self.reservation_of(service).ports.iter().any(|it| need.ports.contains(it));
        let types = self.launched_types(group);
        types.flat_map(|kind| self.daemons_of_all_new_instances(group, kind)).any(is_taken)
    }

    /// The DAEMON services with a task on an instance of a type that a group would launch now in a zone and subnet.
    pub(super) fn daemons_of_new_instance(
        &self,
        (group, kind): (Id<AutoScalingGroup>, &InstanceType),
        place: (Id<AvailabilityZone>, Option<Id<Subnet>>),
    ) -> Vec<Id<ServiceDefinition>> {
        let definition = &self.scenario.auto_scaling_groups[group];
        let mut left = self.registered_when_launched(group, kind);
        let mut found = Vec::new();
        for &service in &self.daemons {
            let &Deployment { task_definition, network, .. } = self.services[service.index()].primary();
            let runs = &self.scenario.task_definitions[task_definition];
            let launcher = Launcher::Service(service);
            let is_meant = runs.cpu_architecture.is_none_or(|it| it == kind.cpu_architecture)
                && definition.missing_attributes(runs).next().is_none()
                && has_subnet(self.scenario, (launcher, network), runs, place.0)
                && self.would_select((group, kind), place, &self.constraints_of(&self.wanted_next(service, &[])), &[]);
            if let Some(rest) = left.less(&runs.reservation()).filter(|_| is_meant) {
                left = rest;
                found.push(service);
            }
        }
        found
    }

    /// The DAEMON services with a task on an instance of a type that a group would launch now, wherever that is.
    fn daemons_of_all_new_instances(
        &self,
        group: Id<AutoScalingGroup>,
        kind: &InstanceType,
    ) -> Vec<Id<ServiceDefinition>> {
        let places = self.scenario.auto_scaling_groups[group].places(&self.scenario.subnets);
        let of_places = places.map(|it| self.daemons_of_new_instance((group, kind), it));
        let common = of_places.reduce(|common, here| common.into_iter().filter(|it| here.contains(it)).collect());
        common.unwrap_or_default()
    }

    fn reservation_of(&self, service: Id<ServiceDefinition>) -> Reservation {
        self.scenario.task_definitions[self.services[service.index()].primary().task_definition].reservation()
    }

    /// As [`place_daemons`](Control::place_daemons); tells what was placed.
    fn take_places(&mut self, instance: Id<ContainerInstance>) -> Vec<(Id<ServiceDefinition>, Id<Task>)> {
        let mut placed = Vec::new();
        if self.daemons.is_empty() {
            return placed;
        }
        let group = self.cluster.instances[instance].auto_scaling_group;
        // What the instance would have left if no other service had a task there.
        let has_trunk = self.cluster.instances[instance].has_trunk;
        let kind = self.instance_type_of(instance);
        let mut left = self.scenario.auto_scaling_groups[group].registered_resources_with(kind, has_trunk);
        let mut set_aside = RegisteredResources::default();
        self.cluster.set_aside(instance, set_aside);
        for place in 0..self.daemons.len() {
            let service = self.daemons[place];
            let wanted = self.wanted_next(service, &[]);
            let asked = self.asked_by(&wanted);
            if !self.has_place_on(service, &asked, instance) {
                continue;
            }
            let need = wanted.reservation(self.scenario);
            let rest = left.less(&need);
            left = rest.unwrap_or(left);
            let present = self.task_of_daemon(service, instance).map(|it| &self.cluster.tasks[it]);
            if present.is_some_and(|it| it.holds_reservation) {
                continue;
            }
            let is_due = present.is_none() && !self.daemon_is_replaced_later(service, instance);
            if is_due && self.failure_on(&asked, &need, instance).is_none() && self.may_start_daemon(service) {
                let task = self.create_task(&wanted);
                self.place_task(task, instance);
                let others_wait = self.services[service.index()].desired_count > 1;
                self.task_seeks_image_digests(service, task, others_wait);
                placed.push((service, task));
            } else if rest.is_some() {
                set_aside = set_aside.and(&need);
                self.cluster.set_aside(instance, set_aside);
            }
        }
        placed
    }

    fn may_start_daemon(&mut self, service: Id<ServiceDefinition>) -> bool {
        if self.waits_for_image_digests(service) || self.services[service.index()].primary().failure.is_some() {
            return false;
        }
        let now = self.now();
        if let Some(gate) = self.start_gate(service).filter(|gate| *gate > now) {
            self.schedule_service_at(service, gate);
            return false;
        }
        if !self.may_launch(service, false) {
            self.schedule_service_at(service, now.next_minute());
            return false;
        }
        self.services[service.index()].launches.1 += 1;
        true
    }

    fn say_places_taken(&mut self, mut placed: Vec<(Id<ServiceDefinition>, Id<Task>)>) {
        placed.sort_unstable();
        for of_service in placed.chunk_by(|one, other| one.0 == other.0) {
            let service = of_service[0].0;
            self.count_places(service);
            let tasks: Vec<Id<Task>> = of_service.iter().map(|it| it.1).collect();
            let wanted = self.wanted_next(service, &[]);
            self.records.refusals.end(&wanted, self.agenda.now());
            self.say_started(service, &tasks);
        }
    }

    /// Whether a service is to have a task on an instance.
    fn has_place_on(&self, service: Id<ServiceDefinition>, asked: &Asked<'a>, instance: Id<ContainerInstance>) -> bool {
        if self.cluster.instances[instance].status != InstanceStatus::Active {
            return false;
        }
        match self.failure_on(asked, &Reservation::default(), instance) {
            None => true,
            Some(Reason::Agent) => {
                let task = self.task_of_daemon(service, instance);
                task.is_some_and(|it| !self.cluster.tasks[it].is_asked_to_stop)
            }
            Some(_) => false,
        }
    }

    /// The instances that a service is to have a task on, in the order of their launch.
    fn places_of(&self, service: Id<ServiceDefinition>) -> Vec<Id<ContainerInstance>> {
        let asked = self.asked_by(&self.wanted_next(service, &[]));
        self.cluster.instances.ids().filter(|it| self.has_place_on(service, &asked, *it)).collect()
    }

    /// The same, their number being the desired count from now on.
    fn count_places(&mut self, service: Id<ServiceDefinition>) -> Vec<Id<ContainerInstance>> {
        let places = self.places_of(service);
        let (before, desired) = (self.services[service.index()].desired_count, places.len() as u32);
        if before != desired {
            let name = &self.scenario.services[service].name;
            let message =
                format!("(service {name}) desired count {before} to {desired}, one for each container instance");
            let resource = self.service_resource(service);
            let decision = self.log.put(self.agenda.now(), None, "service.desired_count", resource, message);
            let state = &mut self.services[service.index()];
            state.desired_count = desired;
            state.wanted_because = Some(decision);
            state.is_steady = false;
        }
        places
    }

    /// The task of a service on an instance that is not STOPPED.
    fn task_of_daemon(&self, service: Id<ServiceDefinition>, instance: Id<ContainerInstance>) -> Option<Id<Task>> {
        let hosted = &self.cluster.instances[instance].hosted;
        hosted.iter().copied().find(|it| self.cluster.tasks[*it].launcher == Launcher::Service(service))
    }

    fn roll_of_daemon(&mut self, service: Id<ServiceDefinition>) -> Roll {
        let primary = self.services[service.index()].primary();
        let (primary, has_failed) = (primary.number, primary.failure.is_some());
        let mut roll = Roll::default();
        let asked = self.asked_by(&self.wanted_next(service, &[]));
        let tasks = self.services[service.index()].tasks.clone();
        for task in tasks {
            let row = &self.cluster.tasks[task];
            let Some(instance) = row.instance().filter(|_| !row.is_asked_to_stop) else { continue };
            let (deployment, never_ran) = (row.deployment, row.started_at.is_none());
            let host = &self.cluster.instances[instance];
            match host.status {
                InstanceStatus::Draining => {
                    if never_ran || host.hosted.iter().all(|it| self.is_of_daemon(*it)) {
                        roll.drained.push(task);
                    }
                    continue;
                }
                InstanceStatus::Active => {}
                // It will be noticed that these tasks are lost.
                _ => continue,
            }
            if !self.has_place_on(service, &asked, instance) {
                roll.violating.push(task);
                continue;
            }
            let is_healthy = self.is_healthy(task);
            if deployment != primary && !has_failed {
                if is_healthy { roll.old_healthy.push(task) } else { roll.old.push(task) }
            } else if self.has_failed_its_checks(task) {
                roll.unhealthy.push(task);
            } else {
                roll.staying += 1;
                roll.staying_healthy += u32::from(is_healthy);
            }
        }
        roll.old_healthy.sort_unstable_by_key(|it| self.cluster.tasks[*it].instance());
        roll
    }

    fn stop_violating(&mut self, service: Id<ServiceDefinition>, tasks: &[Id<Task>]) {
        if tasks.is_empty() {
            return;
        }
        let name = &self.scenario.services[service].name;
        let message = format!("(service {name}) no longer meets the placement constraints: {}.", names_of(tasks));
        let kind = "service.daemon_placement_constraint_violated";
        let cause = self.log.put(self.agenda.now(), None, kind, self.service_resource(service), message);
        let reason = format!("Task no longer meets the placement constraints of (service {name})");
        self.stop_daemons(service, tasks, &reason, Some(cause));
    }

    /// Tasks that fail their health checks go one at a time; their instances have no room for two.
    fn replace_unhealthy(&mut self, service: Id<ServiceDefinition>, roll: &Roll, places: u32) {
        let is_starting = roll.staying != roll.staying_healthy;
        let all = roll.staying + roll.unhealthy.len() as u32;
        if roll.unhealthy.is_empty() || is_starting || all < places {
            return;
        }
        let draw = self.streams.services[service.index()].placement.below(roll.unhealthy.len());
        let task = roll.unhealthy[draw];
        let cause = self.services[service.index()].unhealthy_cause;
        let reason = self.fails_health_checks(task);
        self.stop_daemons(service, &[task], &reason, cause);
    }

    fn stop_daemons(
        &mut self,
        service: Id<ServiceDefinition>,
        tasks: &[Id<Task>],
        reason: &str,
        cause: Option<Decision>,
    ) {
        if tasks.is_empty() {
            return;
        }
        let name = &self.scenario.services[service].name;
        let message = format!("(service {name}) has stopped {} running tasks: {}.", tasks.len(), names_of(tasks));
        let resource = self.service_resource(service);
        let decision = self.log.put(self.agenda.now(), cause, "service.tasks_stopped", resource, message);
        for &task in tasks {
            self.stop_task(task, StopCode::ServiceSchedulerInitiated, reason.to_owned(), Some(decision));
        }
    }

    /// Puts down and says what the instances lack that are to have a task and have no room for it.
    fn say_lack_of_room(&mut self, service: Id<ServiceDefinition>, places: &[Id<ContainerInstance>]) {
        let wanted = self.wanted_next(service, &[]);
        let asked = self.without_room(service, &wanted, places);
        if asked.places.as_ref().is_none_or(Vec::is_empty) {
            self.records.refusals.is_over(&wanted);
            return;
        }
        let row = self.daemon_is_refused(&wanted, &asked);
        let words = format!("was unable to place a task because {}", self.records.refusals.rows[row].refusal);
        let cause = self.services[service.index()].wanted_because;
        self.say_once(service, "service.task_placement_failure", &words, cause);
    }

    /// The places of a service where there is no task of it, and no room either.
    fn without_room(
        &self,
        service: Id<ServiceDefinition>,
        wanted: &Wanted,
        places: &[Id<ContainerInstance>],
    ) -> Asked<'a> {
        let mut asked = self.asked_by(wanted);
        let without = |it: &Id<ContainerInstance>| self.task_of_daemon(service, *it).is_none();
        let mut places: Vec<Id<ContainerInstance>> = places.iter().copied().filter(without).collect();
        asked.places = Some(Vec::new());
        places.retain(|it| asked.with_candidate(&self.cluster, *it, None, |it| asked.failure(it)).is_some());
        asked.places = Some(places);
        asked
    }

    /// Whether some instances are to have a task of a service and have no room for it.
    pub(super) fn lacks_room(&self, service: Id<ServiceDefinition>) -> bool {
        let asked = self.without_room(service, &self.wanted_next(service, &[]), &self.places_of(service));
        asked.places.is_some_and(|it| !it.is_empty())
    }
}

fn names_of(tasks: &[Id<Task>]) -> String {
    tasks.iter().map(|it| format!("(task {})", task_name(*it))).collect::<Vec<_>>().join(" ")
}
