//! Task definitions, and what one task of a definition reserves.
//!
//! Follows `RegisterTaskDefinition` (ECS API model of 2026-08) and the agent's host resource accounting.
//! Left out: which of an instance's Neuron devices a definition names, the mesh proxy.

use std::collections::BTreeSet;

use crate::aws::cluster_query::Version;
use crate::aws::container::{ContainerDependency, ContainerHealthCheck, RestartPolicy};
use crate::aws::image_digest::{DigestIsTold, VersionConsistency, is_resolved, told_by_agent};
use crate::aws::operating_system::{OperatingSystemFamily, RuntimePlatform, windows_cpu_limit};
use crate::aws::placement::PlacementConstraint;
use crate::distribution::Distribution;
use crate::units::Span;

/// How a task's containers meet the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NetworkMode {
    /// No network at all.
    None,
    /// Docker's bridge; host ports are static or dynamic. AWS's default on Linux, and on Windows, where it is called `default` and is
    /// Docker's nat.
    #[default]
    Bridge,
    /// The instance's own network.
    Host,
    /// A network interface of the task's own.
    Awsvpc,
}

/// A processor architecture, as `runtimePlatform.cpuArchitecture` and `ecs.cpu-architecture` name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuArchitecture {
    /// `X86_64`
    X86_64,
    /// `ARM64`
    Arm64,
}

impl CpuArchitecture {
    /// As `runtimePlatform` spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            CpuArchitecture::X86_64 => "X86_64",
            CpuArchitecture::Arm64 => "ARM64",
        }
    }

    /// The value of `ecs.cpu-architecture`.
    pub fn attribute(self) -> &'static str {
        match self {
            CpuArchitecture::X86_64 => "x86_64",
            CpuArchitecture::Arm64 => "arm64",
        }
    }
}

/// A transport protocol of a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP, AWS's default.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

/// A port of a container and the instance's port that leads to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortMapping {
    /// The port inside the container, 1 to 65535.
    pub container_port: u16,
    /// Ports in a row from that one on, above 1 for a `containerPortRange`.
    pub count: u16,
    /// The port of the instance; 0 is one from the ephemeral range, chosen at start, and as many in a row for a range.
    pub host_port: u16,
    /// TCP unless said otherwise.
    pub protocol: Protocol,
}

/// The weight of tasks with a task-level `cpu` under contention, which the agent does not set (agent source, `buildExplicitLinuxCPUSpec`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CappedTaskWeight {
    /// The default of the kernel, 1024, whatever their size.
    #[default]
    KernelDefault,
    /// Their `cpu`, as users expect.
    TaskCpu,
}

/// One layer of an image, cached by name on each instance.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageLayer {
    /// The same name in two images is the same layer.
    pub name: String,
    /// Compressed size, in megabytes (10^6 bytes).
    pub size_mb: f64,
}

/// How a container behaves: what AWS does not know and a scenario must say.
#[derive(Clone, Debug, PartialEq)]
pub struct Application {
    /// The image's layers.
    pub layers: Vec<ImageLayer>,
    /// From the start of the container until it listens.
    pub start_time: Distribution,
    /// From SIGTERM until the process has gone of itself.
    pub shutdown_time: Distribution,
    /// CPU time of one request on one vCPU of this container.
    pub cpu_time: Distribution,
    /// Time of one request that is not spent on the CPU (a database, another service).
    pub wait_time: Distribution,
    /// CPU units that the process uses all the time that it runs, whatever it serves.
    pub background_cpu_units: f64,
    /// CPU time of one health check.
    pub health_check_cpu_time: Distribution,
    /// Requests served at once (workers); at least 1.
    pub concurrency: u32,
    /// Requests that may wait for a worker; more are refused (502 from the load balancer).
    pub queue: u32,
    /// Connections, each of a request that is served or waits; more are refused like those that the queue has no room for.
    pub connections: Option<u32>,
    /// The length of the periods of the task's CFS quota, 8 ms to 100 ms (`ECS_CGROUP_CPU_PERIOD` of the agent); without
    /// it a task-level `cpu` bounds what the task uses at each instant.
    pub cfs_period: Option<Span>,
    /// How slow a fresh process is.
    pub cold_start: Option<ColdStart>,
    /// Memory of the idle process, in MiB.
    pub memory_base_mib: f64,
    /// Memory of each request in flight, in MiB.
    pub memory_per_request_mib: f64,
    /// Memory that each request leaves behind, in MiB; 0 or more.
    pub memory_leak_per_request_mib: f64,
    /// Memory that the process loses in each hour since its task runs, in MiB; 0 or more.
    pub memory_leak_per_hour_mib: f64,
    /// The share of requests that the application itself answers with a 5xx status, 0 to 1.
    pub error_share: f64,
    /// The share of requests that it answers with a 4xx status: they are served, and the fault is the caller's.
    pub client_error_share: f64,
    /// The share of requests that it answers with a 3xx status. With the others at most 1.
    pub redirection_share: f64,
    /// Whether work whose caller has given up is dropped before it starts; by default it is done for nobody.
    pub cancel_on_timeout: bool,
    /// How the process ends by itself; it runs until it is stopped where `None`.
    pub exit: Option<Exit>,
    /// From when the process listens until it hangs for its container's health check, whose probes time out from then on.
    pub unhealthy_after: Option<Distribution>,
    /// Whether the image has a SOCI index, so that Fargate loads it lazily: it starts before all of it is there.
    pub soci_index: bool,
    /// Commands that the image does not have, such as `curl`: a health check that runs one of them fails each time.
    pub lacked_commands: Vec<String>,
    /// The one architecture that the image is built for; an image for any where `None`.
    pub image_architecture: Option<CpuArchitecture>,
}

/// How a process ends by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Exit {
    /// From its start until it ends.
    pub after: Distribution,
    /// Its exit code.
    pub code: u8,
}

/// A fresh process is cold: caches are empty, code is not compiled yet, connections are not open.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ColdStart {
    /// It is cold for so many requests,
    pub requests: u32,
    /// and for so long from when it listens: until both have passed.
    pub lasts: Span,
    /// The CPU time of a request is so many times as long.
    pub factor: f64,
}

impl Application {
    /// Requests that are served at once: no more than there may be connections.
    pub fn servers(&self) -> u32 {
        self.concurrency.max(1).min(self.connections.unwrap_or(u32::MAX))
    }

    /// Requests that may wait beside those that are served.
    pub fn queue_room(&self) -> u32 {
        self.queue.min(self.connections.map_or(u32::MAX, |it| it - self.servers()))
    }
}

impl Default for Application {
    /// A small web process: nothing to pull, 1 s to start, 10 ms of CPU a request, 8 workers. None of these are AWS's.
    fn default() -> Self {
        Application {
            layers: Vec::new(),
            start_time: Distribution::Constant(Span::SECOND),
            shutdown_time: Distribution::Constant(Span::SECOND),
            cpu_time: Distribution::Constant(Span::millis(10)),
            wait_time: Distribution::Constant(Span::ZERO),
            background_cpu_units: 0.0,
            health_check_cpu_time: Distribution::Constant(Span::millis(1)),
            concurrency: 8,
            queue: 1024,
            connections: None,
            cfs_period: None,
            cold_start: None,
            memory_base_mib: 64.0,
            memory_per_request_mib: 0.0,
            memory_leak_per_request_mib: 0.0,
            memory_leak_per_hour_mib: 0.0,
            error_share: 0.0,
            client_error_share: 0.0,
            redirection_share: 0.0,
            cancel_on_timeout: false,
            exit: None,
            unhealthy_after: None,
            soci_index: false,
            lacked_commands: Vec::new(),
            image_architecture: None,
        }
    }
}

/// A container of a task definition.
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerDefinition {
    /// Name, unique in the task definition.
    pub name: String,
    /// Image; opaque, but for whether it names a digest.
    pub image: String,
    /// Whether all tasks of a deployment run the image that the first one found.
    pub version_consistency: VersionConsistency,
    /// CPU units (1024 = one vCPU); 0 where absent.
    pub cpu: u32,
    /// Hard limit, MiB; exceeding it kills the container.
    pub memory: Option<u32>,
    /// Soft limit, MiB; what is reserved where it is set.
    pub memory_reservation: Option<u32>,
    /// Whether the task stops when this container does.
    pub essential: bool,
    /// GPUs that it has to itself (`resourceRequirements` of type `GPU`).
    pub gpus: u32,
    /// Numbers of the Neuron devices that it opens (`/dev/neuronN` of `linuxParameters.devices`), in order.
    pub neuron_devices: Vec<u32>,
    /// Ports.
    pub port_mappings: Vec<PortMapping>,
    /// What it waits for before it starts, and what waits for it to have stopped before it is stopped.
    pub depends_on: Vec<ContainerDependency>,
    /// Secrets and parameters that are fetched before it starts (`secrets`, `repositoryCredentials` and those of its
    /// log driver), as `valueFrom` names them.
    pub secrets: Vec<String>,
    /// How its health is probed; nobody looks where `None`.
    pub health_check: Option<ContainerHealthCheck>,
    /// `healthCheck.command`
    pub health_check_command: Vec<String>,
    /// How long those that depend on it wait, from its start; as long as it takes where `None`.
    pub start_timeout: Option<Span>,
    /// From SIGTERM to SIGKILL; what the instance's agent says where `None`.
    pub stop_timeout: Option<Span>,
    /// When it is started again after it has ended.
    pub restart_policy: Option<RestartPolicy>,
    /// What the process inside does.
    pub application: Application,
}

impl ContainerDefinition {
    /// Its weight among the containers of its task (`cpu` of `ContainerDefinition`): 2 where it says less or nothing.
    pub fn cpu_weight(&self) -> u32 {
        self.cpu.clamp(2, 262_144)
    }
}

/// A volume of a task definition, as far as it takes time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Name.
    pub name: String,
    /// What it is.
    pub kind: VolumeKind,
    /// `fileSystemId` of a file system of EFS.
    pub file_system: Option<String>,
}

/// Where a volume's data live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VolumeKind {
    /// On the instance: a bind mount or a volume of Docker's.
    Instance,
    /// A file system of EFS (`efsVolumeConfiguration`), mounted in zones where it has a mount target.
    Efs,
    /// A file system of FSx for Windows File Server, which only instances that run Windows mount.
    FsxWindows,
    /// An EBS volume that is made for each task in its zone (`configuredAtLaunch`).
    Ebs,
}

/// One revision of a task definition.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskDefinition {
    /// Family.
    pub family: String,
    /// Revision, from 1.
    pub revision: u32,
    /// Network mode.
    pub network_mode: NetworkMode,
    /// Task-level CPU units: a hard cap where set.
    pub cpu: Option<u32>,
    /// Task-level memory in MiB: a hard limit on the sum where set.
    pub memory: Option<u32>,
    /// Whether it was registered for Fargate (`requiresCompatibilities`), and holds to Fargate's rules.
    pub is_for_fargate: bool,
    /// `executionRoleArn`
    pub execution_role: Option<String>,
    /// GiB of ephemeral storage of a task on Fargate.
    pub ephemeral_storage_gib: u32,
    /// Operating system of its containers, which their instance must have: LINUX where the definition says none.
    pub operating_system_family: OperatingSystemFamily,
    /// Required architecture where the definition says one.
    pub cpu_architecture: Option<CpuArchitecture>,
    /// Constraints on where its tasks go, beside those of the service; `memberOf` only.
    pub placement_constraints: Vec<PlacementConstraint>,
    /// `requiresAttributes`: what agents must register, in order of their names.
    pub requires_attributes: Vec<String>,
    /// Volumes.
    pub volumes: Vec<Volume>,
    /// Containers, at least one, at least one of them essential.
    pub containers: Vec<ContainerDefinition>,
}

/// What one task takes away from an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reservation {
    /// CPU units.
    pub cpu_units: u32,
    /// MiB.
    pub memory_mib: u32,
    /// Static host ports, sorted.
    pub ports: Vec<(Protocol, u16)>,
    /// Network interfaces.
    pub network_interfaces: u32,
    /// GPUs.
    pub gpus: u32,
    /// Neuron devices. ECS counts none on container instances, but one chip runs one task (*Using Trn1 and Inf1 instances* in the developer
    /// guide), so that a task which finds none could not run.
    pub neuron_devices: u32,
}

impl TaskDefinition {
    /// `family:revision`, as an ARN ends.
    pub fn name(&self) -> String {
        format!("{}:{}", self.family, self.revision)
    }

    /// What one task reserves, from placement on (agent source, `Task.ToHostResources`).
    ///
    /// All containers count, also those that only run first; nothing is given back while the task lives.
    pub fn reservation(&self) -> Reservation {
        let sum = |amount: fn(&ContainerDefinition) -> u32| self.containers.iter().map(amount).sum::<u32>();
        let mut ports: Vec<(Protocol, u16)> = match self.network_mode {
            NetworkMode::Awsvpc | NetworkMode::None => Vec::new(),
            NetworkMode::Bridge => {
                self.mappings().filter(|it| it.host_port > 0).map(|it| (it.protocol, it.host_port)).collect()
            }
            NetworkMode::Host => {
                let ports = |it: &PortMapping| it.container_port..=it.container_port + (it.count - 1);
                self.mappings().flat_map(|it| ports(it).map(|port| (it.protocol, port))).collect()
            }
        };
        ports.sort_unstable();
        ports.dedup();
        Reservation {
            cpu_units: self.cpu.filter(|&cpu| cpu > 0).unwrap_or_else(|| sum(|it| it.cpu)),
            memory_mib: self
                .memory
                .filter(|&memory| memory > 0)
                .unwrap_or_else(|| sum(|it| it.memory_reservation.filter(|&soft| soft > 0).or(it.memory).unwrap_or(0))),
            ports,
            network_interfaces: u32::from(self.network_mode == NetworkMode::Awsvpc),
            gpus: sum(|it| it.gpus),
            // Containers of one task share a device that they all name.
            neuron_devices: self.containers.iter().flat_map(|it| &it.neuron_devices).collect::<BTreeSet<_>>().len()
                as u32,
        }
    }

    /// Images of its containers whose digests the first task of a deployment is to establish.
    pub fn resolved_images(&self) -> impl Iterator<Item = &str> {
        let resolved = self.containers.iter().filter(|it| is_resolved(&it.image, it.version_consistency));
        resolved.map(|it| it.image.as_str())
    }

    /// When an agent tells those that it establishes, the last of them; `None` where it establishes none.
    pub fn image_digests_told_by(&self, agent_version: &Version) -> Option<DigestIsTold> {
        self.resolved_images().filter_map(|it| told_by_agent(agent_version, it)).max()
    }

    /// Whether a deployment waits for capacity for the task that establishes them: where `versionConsistency` is said to be enabled.
    pub fn insists_on_image_digests(&self) -> bool {
        let is_said = |it: &ContainerDefinition| it.version_consistency == VersionConsistency::Enabled;
        self.containers.iter().any(|it| is_said(it) && is_resolved(&it.image, it.version_consistency))
    }

    /// Host ports that are chosen when a task starts: how many in a row, for each mapping that names none.
    pub fn dynamic_ports(&self) -> impl Iterator<Item = (Protocol, u16)> {
        let is_bridge = self.network_mode == NetworkMode::Bridge;
        self.mappings().filter(move |it| is_bridge && it.host_port == 0).map(|it| (it.protocol, it.count))
    }

    /// The port under which a container's port is reached: that of its instance, for which these host ports were chosen
    /// in the order of [`dynamic_ports`](TaskDefinition::dynamic_ports), or that of its own interface. `None` where it
    /// is not mapped, or nothing was chosen yet.
    pub fn port_of(
        &self,
        container: usize,
        container_port: u16,
        chosen: &[(Protocol, u16)],
    ) -> Option<(Protocol, u16)> {
        let is_bridge = self.network_mode == NetworkMode::Bridge;
        let mut next = 0;
        for (place, mapping) in self
            .containers
            .iter()
            .enumerate()
            .flat_map(|(place, it)| it.port_mappings.iter().map(move |it| (place, it)))
        {
            let within = container_port.checked_sub(mapping.container_port).filter(|it| *it < mapping.count);
            let offset = within.filter(|_| place == container);
            if is_bridge && mapping.host_port == 0 {
                if let Some(offset) = offset {
                    return chosen.get(next + usize::from(offset)).copied();
                }
                next += usize::from(mapping.count);
            } else if let Some(offset) = offset {
                let first = if is_bridge { mapping.host_port } else { mapping.container_port };
                return Some((mapping.protocol, first + offset));
            }
        }
        None
    }

    fn mappings(&self) -> impl Iterator<Item = &PortMapping> {
        self.containers.iter().flat_map(|it| &it.port_mappings)
    }

    /// The weight of a task under contention (agent source, `buildImplicitLinuxCPUSpec`): the sum of its containers'
    /// `max(2, cpu)`; one with a task-level `cpu`, of its definition or of its call, that of capped tasks. On Windows, where `cpu` bounds
    /// containers and weighs nothing, their number (inferred).
    pub fn cpu_weight(&self, task_cpu: Option<u32>, of_capped: CappedTaskWeight) -> u32 {
        match task_cpu {
            _ if self.operating_system_family.is_windows() => self.containers.len() as u32,
            Some(cpu) => match of_capped {
                CappedTaskWeight::KernelDefault => 1024,
                CappedTaskWeight::TaskCpu => cpu.clamp(2, 262_144),
            },
            None => self.containers.iter().map(ContainerDefinition::cpu_weight).sum(),
        }
    }

    /// The CPU time that all threads of a task may use in each period of its CFS quota (agent source,
    /// `buildExplicitLinuxCPUSpec`: whole microseconds); `None` without a task-level `cpu`, and on Windows, which has none.
    pub fn cfs_quota(&self, period: Span) -> Option<Span> {
        let micros = |cpu: u32| u64::from(cpu) * (period.0 / 1000) / 1024;
        self.cpu
            .filter(|&cpu| cpu > 0 && !self.operating_system_family.is_windows())
            .map(|cpu| Span(1000 * micros(cpu).max(1)))
    }

    /// The compressed size of its images, MB: each layer once.
    pub fn image_mb(&self) -> f64 {
        let layers = self.containers.iter().flat_map(|it| &it.application.layers);
        let each: std::collections::BTreeMap<&str, f64> = layers.map(|it| (it.name.as_str(), it.size_mb)).collect();
        each.values().sum()
    }

    /// Whether its containers are bounded one by one by their `cpu`, and its task-level `cpu` and `memory` by nothing: on instances that
    /// run Windows (*Amazon ECS task definition parameters*, task size: they are ignored for Windows containers). On Fargate the task's
    /// size is that of its machine.
    pub fn caps_containers(&self, is_on_fargate: bool) -> bool {
        self.operating_system_family.is_windows() && !is_on_fargate
    }

    /// CPU units that one container alone can use at most, where something but the machine bounds it.
    pub fn cpu_cap_of(&self, container: usize, is_on_fargate: bool) -> Option<f64> {
        match self.containers.get(container).filter(|_| self.caps_containers(is_on_fargate)) {
            Some(it) => Some(windows_cpu_limit(it.cpu)),
            None => self.cpu.map(f64::from),
        }
    }

    /// What Fargate runs it on.
    pub fn fargate_platform(&self) -> RuntimePlatform {
        let operating_system_family = self.operating_system_family;
        RuntimePlatform { operating_system_family, cpu_architecture: self.fargate_architecture() }
    }

    /// The architecture that Fargate runs it on.
    pub fn fargate_architecture(&self) -> CpuArchitecture {
        self.cpu_architecture.unwrap_or(CpuArchitecture::X86_64)
    }

    /// CPU units that `CPUUtilization` is a percentage of; 0 where the definition reserves none.
    pub fn cpu_base(&self) -> u32 {
        self.reservation().cpu_units
    }

    /// Whether it has a volume of this kind.
    pub fn has_volume(&self, kind: VolumeKind) -> bool {
        self.volumes.iter().any(|it| it.kind == kind)
    }

    /// Whether its containers have to be followed one by one: something but the task itself starts, ends or probes them.
    pub fn follows_containers(&self) -> bool {
        self.has_volume(VolumeKind::Efs)
            || self.containers.iter().any(|it| {
                !it.depends_on.is_empty()
                    || it.health_check.is_some()
                    || it.restart_policy.is_some()
                    || it.application.exit.is_some()
                    || it.application.image_architecture.is_some()
            })
    }

    /// Its essential containers whose health is probed: all of them must be HEALTHY before its tasks count as healthy.
    pub fn probed_containers(&self) -> impl Iterator<Item = usize> {
        let is_probed = |it: &ContainerDefinition| it.essential && it.health_check.is_some();
        self.containers.iter().enumerate().filter(move |(_, it)| is_probed(it)).map(|(place, _)| place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(cpu: u32, memory: Option<u32>, memory_reservation: Option<u32>) -> ContainerDefinition {
        ContainerDefinition {
            name: "web".to_owned(),
            image: "web".to_owned(),
            version_consistency: VersionConsistency::default(),
            cpu,
            memory,
            memory_reservation,
            essential: true,
            gpus: 0,
            neuron_devices: Vec::new(),
            port_mappings: Vec::new(),
            depends_on: Vec::new(),
            secrets: Vec::new(),
            health_check: None,
            health_check_command: Vec::new(),
            start_timeout: None,
            stop_timeout: None,
            restart_policy: None,
            application: Application::default(),
        }
    }

    fn definition(containers: Vec<ContainerDefinition>) -> TaskDefinition {
        TaskDefinition {
            family: "web".to_owned(),
            revision: 1,
            network_mode: NetworkMode::Bridge,
            cpu: None,
            memory: None,
            is_for_fargate: false,
            execution_role: None,
            ephemeral_storage_gib: 20,
            operating_system_family: OperatingSystemFamily::Linux,
            cpu_architecture: None,
            placement_constraints: Vec::new(),
            requires_attributes: Vec::new(),
            volumes: Vec::new(),
            containers,
        }
    }

    fn reserves(definition: &TaskDefinition) -> (u32, u32) {
        let reservation = definition.reservation();
        (reservation.cpu_units, reservation.memory_mib)
    }

    #[test]
    fn we_1_to_4_what_a_task_reserves() {
        let two = definition(vec![container(256, Some(512), Some(256)), container(0, Some(300), None)]);
        assert_eq!(reserves(&two), (256, 556));
        assert_eq!(reserves(&TaskDefinition { cpu: Some(1024), memory: Some(1024), ..two }), (1024, 1024));
        assert_eq!(reserves(&definition(vec![container(0, Some(300), Some(128))])), (0, 128));
        let soft = definition(vec![container(0, None, Some(100))]);
        let weight = |task_cpu, of_capped| soft.cpu_weight(task_cpu, of_capped);
        assert_eq!((reserves(&soft), weight(None, CappedTaskWeight::KernelDefault)), ((0, 100), 2));
        assert_eq!(weight(Some(256), CappedTaskWeight::KernelDefault), 1024);
        assert_eq!(weight(Some(256), CappedTaskWeight::TaskCpu), 256);
        assert_eq!(weight(None, CappedTaskWeight::TaskCpu), 2);
    }

    #[test]
    fn containers_of_a_task_share_a_neuron_device() {
        let on = |neuron_devices: &[u32]| ContainerDefinition {
            neuron_devices: neuron_devices.to_vec(),
            ..container(0, Some(128), None)
        };
        assert_eq!(definition(vec![on(&[0, 1]), on(&[1, 2])]).reservation().neuron_devices, 3);
        assert_eq!(definition(vec![on(&[])]).reservation().neuron_devices, 0);
    }

    #[test]
    fn a_quota_is_the_cpu_of_a_period() {
        let quota = |cpu, period| TaskDefinition { cpu, ..definition(Vec::new()) }.cfs_quota(Span::millis(period));
        assert_eq!(quota(Some(256), 100), Some(Span::millis(25)));
        assert_eq!(quota(Some(2048), 100), Some(Span::millis(200)));
        assert_eq!(quota(Some(100), 8), Some(Span(781_000)), "whole microseconds");
        assert_eq!(quota(None, 100), None);
    }

    #[test]
    fn connections_bound_who_is_served_and_who_waits() {
        let rooms = |concurrency, queue, connections| {
            let application = Application { concurrency, queue, connections, ..Application::default() };
            (application.servers(), application.queue_room())
        };
        assert_eq!(rooms(8, 100, None), (8, 100));
        assert_eq!(rooms(8, 100, Some(20)), (8, 12));
        assert_eq!(rooms(8, 5, Some(20)), (8, 5));
        assert_eq!(rooms(8, 100, Some(3)), (3, 0));
    }

    #[test]
    fn we_15_host_mode_reserves_the_container_port() {
        let mut web = container(0, Some(128), None);
        web.port_mappings = vec![PortMapping { container_port: 8080, count: 1, host_port: 0, protocol: Protocol::Tcp }];
        let ports = |network_mode| TaskDefinition { network_mode, ..definition(vec![web.clone()]) }.reservation().ports;
        assert_eq!(ports(NetworkMode::Host), [(Protocol::Tcp, 8080)]);
        assert_eq!(ports(NetworkMode::Bridge), []);
        assert_eq!(ports(NetworkMode::Awsvpc), []);
    }

    #[test]
    fn a_range_of_ports_is_reserved_in_host_mode_and_chosen_in_bridge_mode() {
        let mut web = container(0, Some(128), None);
        web.port_mappings = vec![
            PortMapping { container_port: 8000, count: 3, host_port: 0, protocol: Protocol::Udp },
            PortMapping { container_port: 80, count: 1, host_port: 80, protocol: Protocol::Tcp },
        ];
        let of = |network_mode| TaskDefinition { network_mode, ..definition(vec![web.clone()]) };
        let udp = [8000, 8001, 8002].map(|it| (Protocol::Udp, it));
        assert_eq!(of(NetworkMode::Host).reservation().ports, [&[(Protocol::Tcp, 80)], &udp[..]].concat());
        assert_eq!(of(NetworkMode::Bridge).reservation().ports, [(Protocol::Tcp, 80)]);
        assert_eq!(of(NetworkMode::Bridge).dynamic_ports().collect::<Vec<_>>(), [(Protocol::Udp, 3)]);
        assert_eq!(of(NetworkMode::Host).dynamic_ports().count(), 0);
    }
}
