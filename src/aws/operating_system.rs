//! The operating systems of container instances and tasks: `runtimePlatform.operatingSystemFamily`, and what Windows has otherwise
//! than Linux.
//!
//! Follows `RuntimePlatform` of the API reference, *Amazon ECS task definition differences for EC2 instances running Windows* and
//! *Fargate Windows platform version change log* in the developer guide, and the agent's configuration for Windows (2026). Left out:
//! that containers of one build of Windows do not start on hosts of another one, gMSA, and the agent's workarounds for unbounded CPU
//! and memory.

use crate::aws::task_definition::CpuArchitecture;

/// `operatingSystemFamily`, as the API model has it; also the value of `ecs.os-family`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum OperatingSystemFamily {
    /// `LINUX`, Fargate's default; that of definitions and groups here that say nothing.
    #[default]
    Linux,
    /// `WINDOWS_SERVER_2004_CORE`
    WindowsServer2004Core,
    /// `WINDOWS_SERVER_2016_FULL`
    WindowsServer2016Full,
    /// `WINDOWS_SERVER_2019_CORE`
    WindowsServer2019Core,
    /// `WINDOWS_SERVER_2019_FULL`
    WindowsServer2019Full,
    /// `WINDOWS_SERVER_2022_CORE`
    WindowsServer2022Core,
    /// `WINDOWS_SERVER_2022_FULL`
    WindowsServer2022Full,
    /// `WINDOWS_SERVER_2025_CORE`
    WindowsServer2025Core,
    /// `WINDOWS_SERVER_2025_FULL`
    WindowsServer2025Full,
    /// `WINDOWS_SERVER_20H2_CORE`
    WindowsServer20H2Core,
}

/// The attribute that a task needs and container instances have.
const OS_FAMILY: &str = "ecs.os-family: ";

impl OperatingSystemFamily {
    /// All of them.
    pub const ALL: [OperatingSystemFamily; 10] = [
        OperatingSystemFamily::Linux,
        OperatingSystemFamily::WindowsServer2004Core,
        OperatingSystemFamily::WindowsServer2016Full,
        OperatingSystemFamily::WindowsServer2019Core,
        OperatingSystemFamily::WindowsServer2019Full,
        OperatingSystemFamily::WindowsServer2022Core,
        OperatingSystemFamily::WindowsServer2022Full,
        OperatingSystemFamily::WindowsServer2025Core,
        OperatingSystemFamily::WindowsServer2025Full,
        OperatingSystemFamily::WindowsServer20H2Core,
    ];

    /// What tasks of this family require of instances: the attribute with its value.
    pub fn required_attribute(self) -> &'static str {
        match self {
            OperatingSystemFamily::Linux => "ecs.os-family: LINUX",
            OperatingSystemFamily::WindowsServer2004Core => "ecs.os-family: WINDOWS_SERVER_2004_CORE",
            OperatingSystemFamily::WindowsServer2016Full => "ecs.os-family: WINDOWS_SERVER_2016_FULL",
            OperatingSystemFamily::WindowsServer2019Core => "ecs.os-family: WINDOWS_SERVER_2019_CORE",
            OperatingSystemFamily::WindowsServer2019Full => "ecs.os-family: WINDOWS_SERVER_2019_FULL",
            OperatingSystemFamily::WindowsServer2022Core => "ecs.os-family: WINDOWS_SERVER_2022_CORE",
            OperatingSystemFamily::WindowsServer2022Full => "ecs.os-family: WINDOWS_SERVER_2022_FULL",
            OperatingSystemFamily::WindowsServer2025Core => "ecs.os-family: WINDOWS_SERVER_2025_CORE",
            OperatingSystemFamily::WindowsServer2025Full => "ecs.os-family: WINDOWS_SERVER_2025_FULL",
            OperatingSystemFamily::WindowsServer20H2Core => "ecs.os-family: WINDOWS_SERVER_20H2_CORE",
        }
    }

    /// As the API spells it.
    pub fn as_str(self) -> &'static str {
        &self.required_attribute()[OS_FAMILY.len()..]
    }

    /// The value of `ecs.os-type`.
    pub fn os_type(self) -> &'static str {
        if self.is_windows() { "windows" } else { "linux" }
    }

    /// Whether it is Windows.
    pub fn is_windows(self) -> bool {
        self != OperatingSystemFamily::Linux
    }

    /// Whether Fargate runs it: of Windows what platform version 1.0.0 has.
    pub fn is_on_fargate(self) -> bool {
        matches!(
            self,
            OperatingSystemFamily::Linux
                | OperatingSystemFamily::WindowsServer2019Core
                | OperatingSystemFamily::WindowsServer2019Full
                | OperatingSystemFamily::WindowsServer2022Core
                | OperatingSystemFamily::WindowsServer2022Full
        )
    }

    /// The TCP ports that the agent reserves on an instance (agent source, `config_unix.go` and `config_windows.go`): on Windows those
    /// of DNS, RPC, NetBIOS, SMB, Remote Desktop and WinRM beside its own, and with task roles port 80, for its credentials.
    pub fn reserved_tcp_ports(self, has_task_roles: bool) -> &'static [u16] {
        match (self.is_windows(), has_task_roles) {
            (false, _) => &crate::aws::instance_type::RESERVED_TCP_PORTS,
            (true, false) => &RESERVED_TCP_PORTS_OF_WINDOWS[1..],
            (true, true) => &RESERVED_TCP_PORTS_OF_WINDOWS,
        }
    }

    /// The first port of those that are chosen when a task starts (`PortMapping`).
    pub fn first_ephemeral_port(self) -> u16 {
        if self.is_windows() { 49_152 } else { 49_153 }
    }
}

/// With that of task roles first.
const RESERVED_TCP_PORTS_OF_WINDOWS: [u16; 12] = [80, 53, 135, 139, 445, 2375, 2376, 3389, 5985, 5986, 51678, 51679];

/// Whether an attribute asks for an operating system.
pub fn is_of_operating_system(attribute: &str) -> bool {
    attribute.starts_with(OS_FAMILY)
}

/// What a task on Fargate runs on, which decides what it costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuntimePlatform {
    /// Operating system.
    pub operating_system_family: OperatingSystemFamily,
    /// Architecture; Windows has X86_64 only.
    pub cpu_architecture: CpuArchitecture,
}

/// CPU units that a container on a Windows instance can use at most, whatever is idle: its `cpu`, which is an absolute limit there; 1 %
/// of one CPU where it says 0 or nothing (`cpu` of `ContainerDefinition`).
pub fn windows_cpu_limit(cpu: u32) -> f64 {
    if cpu == 0 { 10.24 } else { f64::from(cpu) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_spelled_as_the_api_does() {
        let words: Vec<&str> = OperatingSystemFamily::ALL.iter().map(|it| it.as_str()).collect();
        assert_eq!(words[0], "LINUX");
        assert_eq!(words[5], "WINDOWS_SERVER_2022_CORE");
        for (word, it) in words.iter().zip(OperatingSystemFamily::ALL) {
            assert_eq!(word.starts_with("WINDOWS_SERVER_"), it.is_windows());
            assert!(is_of_operating_system(it.required_attribute()));
            assert_eq!(words.iter().filter(|other| *other == word).count(), 1);
        }
        let on_fargate: Vec<&str> =
            OperatingSystemFamily::ALL.into_iter().filter(|it| it.is_on_fargate()).map(|it| it.as_str()).collect();
        let windows = ["2019_CORE", "2019_FULL", "2022_CORE", "2022_FULL"].map(|it| format!("WINDOWS_SERVER_{it}"));
        assert_eq!(on_fargate[0], "LINUX");
        assert_eq!(on_fargate[1..], windows);
    }

    #[test]
    fn windows_reserves_ports_of_its_own() {
        let windows = OperatingSystemFamily::WindowsServer2022Core;
        assert_eq!(OperatingSystemFamily::Linux.reserved_tcp_ports(true), [22, 2375, 2376, 51678, 51679]);
        assert_eq!(windows.reserved_tcp_ports(false).len(), 11);
        assert!(!windows.reserved_tcp_ports(false).contains(&80) && windows.reserved_tcp_ports(true).contains(&80));
        assert!(windows.reserved_tcp_ports(false).contains(&3389) && !windows.reserved_tcp_ports(true).contains(&22));
    }

    #[test]
    fn a_windows_container_without_cpu_has_a_hundredth_of_one() {
        assert_eq!([0, 1, 512].map(windows_cpu_limit), [10.24, 1.0, 512.0]);
    }
}
