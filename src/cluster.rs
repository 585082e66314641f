//! The cluster as it stands: what the control plane writes and the data plane reads.

use std::collections::{BTreeMap, BTreeSet};

use crate::aws::auto_scaling_group::{AutoScalingGroup, AvailabilityZone};
use crate::aws::capacity_provider::CapacityProvider;
use crate::aws::container::HealthStatus;
use crate::aws::container_instance::{RegisteredResources, RegistrationFailure};
use crate::aws::instance_type::InstanceType;
use crate::aws::launch::Launcher;
use crate::aws::listener::Action;
use crate::aws::load_balancer::{LoadBalancer, TargetGroup};
use crate::aws::mixed_instances::PurchaseOption;
use crate::aws::placement::PlacementConstraint;
use crate::aws::run_task::Overrides;
use crate::aws::service::{Registration, ServiceDefinition};
use crate::aws::subnet::{NetworkConfiguration, Subnet};
use crate::aws::task_definition::{Protocol, Reservation, TaskDefinition};
use crate::aws::volume::EbsVolume;
use crate::table::{Id, Table};
use crate::units::{Instant, Span};

/// Tasks, instances and targets; they stay in their tables when they have stopped, and keys are never reused.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// Container instances, of all groups.
    pub instances: Table<ContainerInstance>,
    /// Tasks, of services and standalone.
    pub tasks: Table<Task>,
    /// Targets, of all target groups.
    pub targets: Table<Target>,
    /// Targets of each target group that are not gone, in order of registration; by the group's number.
    pub target_groups: Vec<Vec<Id<Target>>>,
    /// Free addresses of each subnet, by its number.
    pub free_addresses: Vec<u32>,
    /// What requests of a service wait for apart from CPU takes so many times as long, where it does not take as long
    /// as usual.
    pub wait_factors: BTreeMap<Id<ServiceDefinition>, f64>,
    /// What each listener rule does, by the rule's number.
    pub actions: Vec<Action>,
    /// Tasks in PROVISIONING for want of an instance, service by service in order of creation.
    pub waiting: BTreeSet<(Launcher, Id<Task>)>,
    /// Tasks on Fargate that are not STOPPED.
    pub fargate_tasks: BTreeSet<Id<Task>>,
    /// Instances that came, whose status or attributes have changed, since placement last looked.
    pub instances_described_anew: Vec<Id<ContainerInstance>>,
    /// Instances of which something else has changed that placement sees: what is left on them, and their tasks.
    pub instances_changed: Vec<Id<ContainerInstance>>,
    /// Those of them that have other tasks, of which those that are asked to stop do not count.
    pub hosted_changed: Vec<Id<ContainerInstance>>,
    /// Target groups of which a target has changed since targets were last counted.
    pub target_groups_changed: BTreeSet<Id<TargetGroup>>,
    /// What the data plane has not seen yet.
    pub changes: Vec<Change>,
    /// Grows with every change.
    pub version: u64,
}

/// What of the cluster has changed, for the data plane, which looks again at that alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A task: its place and whether it holds its room there, its status, its processes.
    Task(Id<Task>),
    /// A target: its state, its weight, its registration.
    Target(Id<Target>),
    /// A container instance: its status.
    Instance(Id<ContainerInstance>),
    /// What requests of a service wait for.
    WaitFactor(Id<ServiceDefinition>),
    /// What listener rules do.
    Actions,
}

/// `status` of a container instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InstanceStatus {
    /// EC2 is launching it, or it boots.
    Launching,
    /// In service in its group, the agent not yet registered, or a trunk not yet attached.
    Registering,
    /// In service in its group, and never to be an ACTIVE container instance.
    RegistrationFailed,
    /// Accepts tasks.
    Active,
    /// Takes no more tasks.
    Draining,
    /// It was deregistered, and its trunk is being detached.
    Deregistering,
    /// It was deregistered; its EC2 instance lives on.
    Inactive,
    /// In its group's warm pool, or on its way there.
    Warmed,
    /// Gone.
    Terminated,
}

/// A container instance, which is also its group's EC2 instance.
#[derive(Clone, Debug)]
pub struct ContainerInstance {
    /// EC2 instance id, made from its number.
    pub name: String,
    /// Its group.
    pub auto_scaling_group: Id<AutoScalingGroup>,
    /// The place of its type among those of its group.
    pub launch_template_override: usize,
    /// How it is bought.
    pub purchase_option: PurchaseOption,
    /// What it costs an hour, as of its launch, USD.
    pub usd_per_hour: f64,
    /// Its zone.
    pub availability_zone: Id<AvailabilityZone>,
    /// The subnet that it has its address from.
    pub subnet: Option<Id<Subnet>>,
    /// Its attributes, built-in and own, by name and value.
    pub attributes: Vec<(String, String)>,
    /// Status.
    pub status: InstanceStatus,
    /// Why it does not register; decided when it is launched.
    pub registration_failure: Option<RegistrationFailure>,
    /// Whether it was launched with a trunk network interface.
    pub has_trunk: bool,
    /// Whether its agent is connected; else it is given nothing, and its tasks go on.
    pub agent_connected: bool,
    /// Whether its group terminates it once it is empty.
    pub is_terminating: bool,
    /// When its group terminates it whether or not it is empty.
    pub drains_until: Option<Instant>,
    /// Registered CPU units.
    pub registered_cpu_units: u32,
    /// Registered MiB.
    pub registered_memory_mib: u32,
    /// Network interfaces that its tasks can have.
    pub registered_network_interfaces: u32,
    /// Registered GPUs.
    pub registered_gpus: u32,
    /// Registered Neuron devices.
    pub registered_neuron_devices: u32,
    /// CPU units not reserved.
    pub remaining_cpu_units: u32,
    /// MiB not reserved.
    pub remaining_memory_mib: u32,
    /// Reserved host ports, the agent's own included.
    pub reserved_ports: BTreeMap<(Protocol, u16), u32>,
    /// Network interfaces not in use.
    pub remaining_network_interfaces: u32,
    /// GPUs not in use.
    pub remaining_gpus: u32,
    /// Neuron devices not in use.
    pub remaining_neuron_devices: u32,
    /// What is kept of these for tasks of DAEMON services that are to be here and are not.
    pub set_aside: RegisteredResources,
    /// Tasks whose reservation it holds.
    pub tasks: Vec<Id<Task>>,
    /// Tasks that were placed on it and are not STOPPED, whether or not they still hold their reservation.
    pub hosted: Vec<Id<Task>>,
    /// Whether its group may not choose it for scale-in.
    pub is_protected_from_scale_in: bool,
    /// When EC2 began to launch it.
    pub launched_at: Instant,
    /// When it came in service in its group.
    pub in_service_at: Option<Instant>,
    /// When it registered.
    pub registered_at: Option<Instant>,
    /// When it was terminated.
    pub terminated_at: Option<Instant>,
    /// How long it was stopped, in its group's warm pool.
    pub stopped_for: Span,
}

/// `lastStatus` of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TaskStatus {
    /// Waits for capacity, or for its network interface.
    Provisioning,
    /// Placed; the agent has not taken it up.
    Pending,
    /// Images are pulled, containers created.
    Activating,
    /// Runs.
    Running,
    /// Leaves its target group.
    Deactivating,
    /// SIGTERM was sent.
    Stopping,
    /// Gives its network interface back.
    Deprovisioning,
    /// Done.
    Stopped,
}

/// A task.
#[derive(Clone, Debug)]
pub struct Task {
    /// Who started it.
    pub launcher: Launcher,
    /// What it runs.
    pub task_definition: Id<TaskDefinition>,
    /// What it has instead of its definition's.
    pub overrides: Overrides,
    /// The network configuration that the timeline had given its service when it was created; the service's own where `None`.
    pub network: Option<Id<NetworkConfiguration>>,
    /// The EBS volume that it gets from its placement until it is STOPPED.
    pub volume: Option<EbsVolume>,
    /// What its load balancer looks for, from RUNNING until it stops; `None` without a load balancer.
    pub registration: Option<Registration>,
    /// Placement constraints that the timeline had given its service when it was created; the service's own where `None`.
    pub placement_constraints: Option<Id<Vec<PlacementConstraint>>>,
    /// The zone that it is started in to rebalance its service; any where `None`.
    pub started_for_zone: Option<Id<AvailabilityZone>>,
    /// The number of its service's deployment, from 0; 0 of a standalone task.
    pub deployment: u32,
    /// The provider it was given to.
    pub capacity_provider: Option<Id<CapacityProvider>>,
    /// Where it runs, from placement on.
    pub host: Option<Host>,
    /// The subnet that its network interface has its address from, while it has one.
    pub subnet: Option<Id<Subnet>>,
    /// Host ports that were chosen for it when it started.
    pub host_ports: Vec<(Protocol, u16)>,
    /// Status.
    pub status: TaskStatus,
    /// What it reserves.
    pub reservation: Reservation,
    /// Whether its slot on the instance is taken.
    pub holds_reservation: bool,
    /// Whether its containers' processes are up and can serve: from their start until they exit or are killed.
    pub process_is_up: bool,
    /// Its containers, in the definition's order, where they are followed one by one; else all of them run while the task
    /// does, and none is here.
    pub containers: Vec<Container>,
    /// How long it runs, from RUNNING on, before it ends by itself; `None` is as its application does.
    pub run_time: Option<Span>,
    /// Whether it was asked to stop.
    pub is_asked_to_stop: bool,
    /// Its target, while it has one.
    pub target: Option<Id<Target>>,
    /// When it was created.
    pub created_at: Instant,
    /// When it was placed.
    pub placed_at: Option<Instant>,
    /// When its slot on the instance was given back.
    pub released_at: Option<Instant>,
    /// What was pulled for it through a NAT gateway, compressed bytes.
    pub pulled_through_nat_bytes: u64,
    /// When its pull began.
    pub pull_started_at: Option<Instant>,
    /// When its images were there.
    pub pull_stopped_at: Option<Instant>,
    /// When it reached RUNNING.
    pub started_at: Option<Instant>,
    /// When it first counted as healthy.
    pub healthy_at: Option<Instant>,
    /// When it was asked to stop.
    pub stopping_at: Option<Instant>,
    /// When its agent was to send its containers SIGTERM, whether it heard of that or not.
    pub sigterm_due_at: Option<Instant>,
    /// When its containers were sent SIGTERM.
    pub sigterm_at: Option<Instant>,
    /// When it reached STOPPED.
    pub stopped_at: Option<Instant>,
    /// `stopCode` and `stoppedReason`, once it was asked to stop or stopped.
    pub stopped_reason: Option<(StopCode, String)>,
    /// The exit code of its containers.
    pub exit_code: Option<u8>,
    /// Share of requests that it answers with a 5xx because the timeline has broken it, from 0 to 1.
    pub error_share: f64,
}

/// Where a task runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// On a container instance, beside others.
    Instance(Id<ContainerInstance>),
    /// On Fargate, in this zone, alone.
    Fargate(Id<AvailabilityZone>),
}

impl Task {
    /// The container instance that it was placed on; `None` before, and on Fargate.
    pub fn instance(&self) -> Option<Id<ContainerInstance>> {
        match self.host {
            Some(Host::Instance(instance)) => Some(instance),
            Some(Host::Fargate(_)) | None => None,
        }
    }

    /// Whether it was placed on Fargate.
    pub fn is_on_fargate(&self) -> bool {
        matches!(self.host, Some(Host::Fargate(_)))
    }

    /// Its service; `None` of a standalone task.
    pub fn service(&self) -> Option<Id<ServiceDefinition>> {
        self.launcher.service()
    }
}

/// `lastStatus` of a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ContainerStatus {
    /// Not started, or about to be started again.
    #[default]
    Pending,
    /// Its process runs.
    Running,
    /// It has ended, or will never start.
    Stopped,
}

/// A container of a task.
#[derive(Clone, Debug, Default)]
pub struct Container {
    /// Status.
    pub status: ContainerStatus,
    /// When it was last started.
    pub started_at: Option<Instant>,
    /// When it stopped.
    pub stopped_at: Option<Instant>,
    /// Its last exit code.
    pub exit_code: Option<u8>,
    /// Why it ended or was not started, where there is something to say.
    pub reason: Option<String>,
    /// `healthStatus`
    pub health_status: HealthStatus,
    /// How often its restart policy has started it again.
    pub restart_count: u32,
}

/// `stopCode` of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopCode {
    /// `TaskFailedToStart`
    TaskFailedToStart,
    /// `EssentialContainerExited`
    EssentialContainerExited,
    /// `ServiceSchedulerInitiated`
    ServiceSchedulerInitiated,
    /// `TerminationNotice`
    TerminationNotice,
    /// `UserInitiated`
    UserInitiated,
    /// `InfrastructureHealth`
    InfrastructureHealth,
    /// `SpotInterruption`
    SpotInterruption,
}

impl StopCode {
    /// Whether ECS learns that a task ends only when it is over: neither the scheduler nor a call had a hand in it, and AWS gave no
    /// notice.
    pub fn is_unforeseen(self) -> bool {
        match self {
            StopCode::TaskFailedToStart | StopCode::EssentialContainerExited | StopCode::InfrastructureHealth => true,
            StopCode::ServiceSchedulerInitiated
            | StopCode::UserInitiated
            | StopCode::TerminationNotice
            | StopCode::SpotInterruption => false,
        }
    }

    /// Whether a task is sent SIGTERM without waiting for its target to be drained.
    pub fn waits_for_no_target(self) -> bool {
        matches!(self, StopCode::SpotInterruption | StopCode::UserInitiated)
    }

    /// As the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            StopCode::TaskFailedToStart => "TaskFailedToStart",
            StopCode::EssentialContainerExited => "EssentialContainerExited",
            StopCode::ServiceSchedulerInitiated => "ServiceSchedulerInitiated",
            StopCode::TerminationNotice => "TerminationNotice",
            StopCode::UserInitiated => "UserInitiated",
            StopCode::InfrastructureHealth => "InfrastructureHealth",
            StopCode::SpotInterruption => "SpotInterruption",
        }
    }
}

/// State of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetState {
    /// Registered; no check has passed yet.
    Initial,
    /// Gets requests.
    Healthy,
    /// Failed its checks; gets requests only when no target is healthy.
    Unhealthy,
    /// Deregistered: no new requests; those in flight may end.
    Draining,
    /// Gone: what was still in flight is cut off.
    Unused,
}

impl TargetState {
    /// `TargetHealth.State`, as the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            TargetState::Initial => "initial",
            TargetState::Healthy => "healthy",
            TargetState::Unhealthy => "unhealthy",
            TargetState::Draining => "draining",
            TargetState::Unused => "unused",
        }
    }
}

/// `TargetHealth.Reason`: why a target is not healthy (API Reference of Elastic Load Balancing, *TargetHealth*). Those that
/// tell of what is not simulated, such as a response code that does not match, are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetHealthReason {
    /// The target is being registered.
    RegistrationInProgress,
    /// It is being checked, without a verdict so far.
    InitialHealthChecking,
    /// A check was not answered in time.
    Timeout,
    /// Its checks failed: nobody took the connection.
    FailedHealthChecks,
    /// It is being deregistered.
    DeregistrationInProgress,
    /// It is not registered.
    NotRegistered,
    /// It gets no requests: its zone is none of the load balancer's.
    NotInUse,
}

impl TargetHealthReason {
    /// As the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            TargetHealthReason::RegistrationInProgress => "Elb.RegistrationInProgress",
            TargetHealthReason::InitialHealthChecking => "Elb.InitialHealthChecking",
            TargetHealthReason::Timeout => "Target.Timeout",
            TargetHealthReason::FailedHealthChecks => "Target.FailedHealthChecks",
            TargetHealthReason::DeregistrationInProgress => "Target.DeregistrationInProgress",
            TargetHealthReason::NotRegistered => "Target.NotRegistered",
            TargetHealthReason::NotInUse => "Target.NotInUse",
        }
    }

    /// As service events put it (developer guide, *Amazon ECS service event messages*).
    pub fn words_of_event(self) -> &'static str {
        match self {
            TargetHealthReason::Timeout => "Request timed out",
            TargetHealthReason::NotInUse => {
                "Target is in an Availability Zone that is not enabled for the load balancer"
            }
            _ => "Health checks failed",
        }
    }
}

/// A task as a load balancer sees it.
#[derive(Clone, Debug)]
pub struct Target {
    /// The task.
    pub task: Id<Task>,
    /// Its group.
    pub target_group: Id<TargetGroup>,
    /// State.
    pub state: TargetState,
    /// Why it is not healthy.
    pub reason: Option<TargetHealthReason>,
    /// Consecutive checks that passed.
    pub successes: u32,
    /// Consecutive checks that failed.
    pub failures: u32,
    /// Whether security groups let connections in to its port.
    pub is_reachable: bool,
    /// The place of its zone among those of the load balancer; `None` where it is none of them, so that no node looks at it.
    pub zone_of_load_balancer: Option<usize>,
    /// When it was registered.
    pub registered_at: Instant,
    /// When it became healthy beside others that had been for longer, so that it starts slowly.
    pub slow_start_since: Option<Instant>,
    /// When its last health check was sent, of those that are sent one by one.
    pub probe_sent_at: Instant,
    /// When the next one is to be sent; as far as that is known, and later than anything that happens where none is.
    pub next_probe_at: Instant,
    /// Whether anomaly detection finds that it fails more than its peers.
    pub is_anomalous: bool,
    /// Its part of what goes to targets at random, from 0 to 1; less than 1 while an anomaly is mitigated.
    pub weight: f64,
}

impl Target {
    /// Whether its load balancer sends to it, or would if it were healthy: it is in one of its zones and not on its way out.
    pub fn is_in_rotation(&self) -> bool {
        self.zone_of_load_balancer.is_some()
            && matches!(self.state, TargetState::Initial | TargetState::Healthy | TargetState::Unhealthy)
    }
}

impl ContainerInstance {
    /// What placement can give away: what remains, less what is set aside.
    pub fn available(&self) -> RegisteredResources {
        RegisteredResources {
            cpu_units: self.remaining_cpu_units.saturating_sub(self.set_aside.cpu_units),
            memory_mib: self.remaining_memory_mib.saturating_sub(self.set_aside.memory_mib),
            network_interfaces: self.remaining_network_interfaces.saturating_sub(self.set_aside.network_interfaces),
            gpus: self.remaining_gpus.saturating_sub(self.set_aside.gpus),
            neuron_devices: self.remaining_neuron_devices.saturating_sub(self.set_aside.neuron_devices),
            ..self.set_aside
        }
    }

    /// Its type, among those of its group.
    pub fn instance_type<'s>(&self, groups: &'s Table<AutoScalingGroup>) -> &'s InstanceType {
        &groups[self.auto_scaling_group].launch_template_override(self.launch_template_override).instance_type
    }

    /// Whether it is in service in its group, or was until its group began to terminate it.
    pub fn is_in_service(&self) -> bool {
        self.in_service_at.is_some() && self.status != InstanceStatus::Terminated
    }
}

impl Cluster {
    /// Takes the task's reservation from the instance.
    ///
    /// # Panics
    /// When the instance has not that much left: placement must have asked.
    pub fn place(&mut self, task: Id<Task>, instance: Id<ContainerInstance>, at: Instant) {
        let row = &mut self.tasks[task];
        assert!(!row.holds_reservation, "a task is placed once");
        self.waiting.remove(&(row.launcher, task));
        row.host = Some(Host::Instance(instance));
        row.placed_at = Some(at);
        row.holds_reservation = true;
        let need = &row.reservation;
        let host = &mut self.instances[instance];
        assert!(
            need.cpu_units <= host.remaining_cpu_units
                && need.memory_mib <= host.remaining_memory_mib
                && need.network_interfaces <= host.remaining_network_interfaces
                && need.gpus <= host.remaining_gpus
                && need.neuron_devices <= host.remaining_neuron_devices,
            "an instance never promises more than it has"
        );
        host.remaining_cpu_units -= need.cpu_units;
        host.remaining_memory_mib -= need.memory_mib;
        host.remaining_network_interfaces -= need.network_interfaces;
        host.remaining_gpus -= need.gpus;
        host.remaining_neuron_devices -= need.neuron_devices;
        for port in &need.ports {
            let users = host.reserved_ports.entry(*port).or_default();
            assert_eq!(*users, 0, "a host port is promised once");
            *users += 1;
        }
        host.tasks.push(task);
        host.hosted.push(task);
        debug_assert!(self.is_balanced(instance), "what is left and what tasks hold make up what is registered");
        self.instances_changed.push(instance);
        self.hosted_changed.push(instance);
        self.has_changed(Change::Task(task));
    }

    /// Whether what an instance has left and what its tasks hold make up what it registered.
    fn is_balanced(&self, instance: Id<ContainerInstance>) -> bool {
        let host = &self.instances[instance];
        let held =
            |of: fn(&Reservation) -> u32| host.tasks.iter().map(|it| of(&self.tasks[*it].reservation)).sum::<u32>();
        held(|it| it.cpu_units) + host.remaining_cpu_units == host.registered_cpu_units
            && held(|it| it.memory_mib) + host.remaining_memory_mib == host.registered_memory_mib
            && held(|it| it.network_interfaces) + host.remaining_network_interfaces
                == host.registered_network_interfaces
    }

    /// Sets resources of an instance aside, in place of what was before.
    pub fn set_aside(&mut self, instance: Id<ContainerInstance>, resources: RegisteredResources) {
        let row = &mut self.instances[instance];
        if row.set_aside != resources {
            row.set_aside = resources;
            self.instances_changed.push(instance);
        }
    }

    /// Puts down that a task waits for Fargate, not for an instance.
    pub fn waits_for_fargate(&mut self, task: Id<Task>) {
        self.waiting.remove(&(self.tasks[task].launcher, task));
    }

    /// Launches a task on Fargate in a zone.
    ///
    /// # Panics
    /// When it was placed already.
    pub fn launch_on_fargate(&mut self, task: Id<Task>, zone: Id<AvailabilityZone>, at: Instant) {
        let row = &mut self.tasks[task];
        assert!(row.host.is_none(), "a task is placed once");
        row.host = Some(Host::Fargate(zone));
        row.placed_at = Some(at);
        self.fargate_tasks.insert(task);
        self.has_changed(Change::Task(task));
    }

    /// Adds a task that waits for an instance.
    pub fn create(&mut self, task: Task) -> Id<Task> {
        let launcher = task.launcher;
        let id = self.tasks.push(task);
        self.version += 1;
        self.waiting.insert((launcher, id));
        id
    }

    /// Puts down that a task was asked to stop: the scheduler counts it no more.
    pub fn ask_to_stop(&mut self, task: Id<Task>) {
        let row = &mut self.tasks[task];
        row.is_asked_to_stop = true;
        self.version += 1;
        self.waiting.remove(&(row.launcher, task));
        self.instances_changed.extend(row.instance());
        self.hosted_changed.extend(row.instance());
    }

    /// Takes a task off its instance, if it was on one, when it has reached STOPPED.
    pub fn leave(&mut self, task: Id<Task>) {
        self.fargate_tasks.remove(&task);
        if let Some(instance) = self.tasks[task].instance() {
            self.instances[instance].hosted.retain(|it| *it != task);
            self.instances_changed.push(instance);
            if !self.tasks[task].is_asked_to_stop {
                self.hosted_changed.push(instance);
            }
        }
    }

    /// Gives the task's reservation back to its instance; nothing where it holds none.
    pub fn release(&mut self, task: Id<Task>, at: Instant) {
        let row = &mut self.tasks[task];
        let Some(instance) = row.instance().filter(|_| row.holds_reservation) else { return };
        row.holds_reservation = false;
        row.released_at = Some(at);
        let host = &mut self.instances[instance];
        host.remaining_cpu_units += row.reservation.cpu_units;
        host.remaining_memory_mib += row.reservation.memory_mib;
        host.remaining_network_interfaces += row.reservation.network_interfaces;
        host.remaining_gpus += row.reservation.gpus;
        host.remaining_neuron_devices += row.reservation.neuron_devices;
        for port in &row.reservation.ports {
            host.reserved_ports.remove(port);
        }
        host.tasks.retain(|it| *it != task);
        assert!(
            host.remaining_cpu_units <= host.registered_cpu_units
                && host.remaining_memory_mib <= host.registered_memory_mib,
            "an instance never has more left than it registered"
        );
        debug_assert!(self.is_balanced(instance), "a stopped task gives back exactly what it held");
        self.instances_changed.push(instance);
        self.has_changed(Change::Task(task));
    }

    /// What has changed since the last time.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// The one of some subnets in a zone with the most free addresses, the first of equals; an error where all there are full.
    /// `Ok(None)` where none is in the zone.
    ///
    /// # Errors
    /// When no address is left: the first of the subnets in the zone.
    pub fn subnet_with_room(
        &self,
        among: &[Id<Subnet>],
        subnets: &Table<Subnet>,
        zone: Id<AvailabilityZone>,
    ) -> Result<Option<Id<Subnet>>, Id<Subnet>> {
        let inside = among.iter().copied().filter(|it| subnets[*it].availability_zone == zone);
        let free = |it: Id<Subnet>| self.free_addresses[it.index()];
        match inside.reduce(|best, it| if free(it) > free(best) { it } else { best }) {
            Some(best) if free(best) == 0 => Err(best),
            best => Ok(best),
        }
    }

    /// Takes an address of a subnet.
    ///
    /// # Panics
    /// When none is left: who takes one must have asked.
    pub fn take_address(&mut self, subnet: Id<Subnet>) {
        let free = &mut self.free_addresses[subnet.index()];
        *free = free.checked_sub(1).expect("a subnet never gives away more addresses than it has");
    }

    /// Gives an address back.
    pub fn return_address(&mut self, subnet: Option<Id<Subnet>>) {
        if let Some(subnet) = subnet {
            self.free_addresses[subnet.index()] += 1;
        }
    }

    /// Puts down what has changed.
    pub fn has_changed(&mut self, change: Change) {
        self.version += 1;
        if let Change::Target(target) = change {
            self.target_groups_changed.insert(self.targets[target].target_group);
        }
        if self.changes.last() != Some(&change) {
            self.changes.push(change);
        }
    }

    /// The targets that each zone's nodes may send to, healthy or not, in order of registration; one pool for all nodes with
    /// cross-zone load balancing. A target outside of the load balancer's zones is in none.
    pub fn target_pools(
        &self,
        id: Id<TargetGroup>,
        group: &TargetGroup,
        load_balancer: &LoadBalancer,
    ) -> Vec<Vec<Id<Target>>> {
        let zones = load_balancer.availability_zones.len().max(1);
        let registered = &self.target_groups[id.index()];
        let count = if group.cross_zone { 1 } else { zones };
        let mut pools: Vec<Vec<Id<Target>>> =
            (0..count).map(|_| Vec::with_capacity(registered.len().div_ceil(count))).collect();
        for &target in registered {
            let row = &self.targets[target];
            if let Some(zone) = row.zone_of_load_balancer.filter(|_| row.is_in_rotation()) {
                pools[if group.cross_zone { 0 } else { zone }].push(target);
            }
        }
        pools
    }

    /// The place of a task's zone among those of the load balancer; `None` where it is none of them.
    pub fn place_among_zones(&self, task: Id<Task>, load_balancer: &LoadBalancer) -> Option<usize> {
        let Some(zone) = self.zone_of_task(task) else { return Some(0) };
        load_balancer.availability_zones.iter().position(|it| *it == zone)
    }

    /// The zone that a task was placed in.
    pub fn zone_of_task(&self, task: Id<Task>) -> Option<Id<AvailabilityZone>> {
        self.tasks[task].host.map(|it| self.zone_of_host(it))
    }

    /// The zone of a host.
    pub fn zone_of_host(&self, host: Host) -> Id<AvailabilityZone> {
        match host {
            Host::Instance(instance) => self.instances[instance].availability_zone,
            Host::Fargate(zone) => zone,
        }
    }

    /// Healthy targets of a group.
    pub fn healthy_targets(&self, group: Id<TargetGroup>) -> usize {
        self.target_groups[group.index()].iter().filter(|&&it| self.targets[it].state == TargetState::Healthy).count()
    }
}
