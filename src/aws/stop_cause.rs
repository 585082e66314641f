//! What makes tasks end where `stoppedReason` does not say it: the thing that has to be changed.
//!
//! ECS says *Task failed ELB health checks* whatever the reason; *Troubleshooting service load balancers* in the developer guide (2026) lists
//! what to look for; of images that cannot be pulled *CannotPullContainer task errors* does.

use std::ops::RangeInclusive;

use crate::aws::security_group::{HTTPS_PORT, IpPermission};
use crate::aws::subnet::{DefaultRoute, EndpointService};
use crate::aws::task_definition::{CpuArchitecture, Protocol};
use crate::spelling::times;
use crate::units::Span;

/// Whether a `stoppedReason` of the service scheduler says that the task failed, as it does of health checks only (*Stopped tasks error
/// codes*).
pub fn is_of_failed_checks(stopped_reason: &str) -> bool {
    stopped_reason.starts_with("Task failed")
}

/// Why a task ends, by the thing that would have to be otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopCause {
    /// The security groups let nobody in to the port at which the load balancer looks for the task.
    SecurityGroups {
        /// Their ids.
        names: Vec<String>,
        /// All of their rules.
        ingress: Vec<IpPermission>,
        /// The protocol of the port.
        protocol: Protocol,
        /// The port, or from the least to the greatest of several tasks' ports.
        ports: RangeInclusive<u16>,
        /// Whether it is a port of the instance and not of a task's network interface.
        is_host_port: bool,
    },
    /// The load balancer is not enabled in the task's zone.
    ZoneNotEnabled {
        /// The load balancer.
        load_balancer: String,
        /// The zone.
        availability_zone: String,
    },
    /// The process was still starting when the load balancer's checks had failed often enough.
    GracePeriodTooShort(Span),
    /// The same of the container's own check.
    StartPeriodTooShort(Span),
    /// The image has not the command that `healthCheck` runs.
    LacksCommand(String),
    /// The container's process hung, so that its own check got no answer within this time.
    Hangs(Span),
    /// The process was busy with requests that came before the load balancer's check, and did not answer within this time.
    AnswersTooLate(Span),
    /// The process had no room left in its queue for the load balancer's check.
    QueueIsFull,
    /// The process had ended, and the task went on without it or started it again.
    ProcessIsDown,
    /// Its instance had gone, or nothing on it answered any more.
    InstanceIsLost,
    /// Nothing that a task needs beforehand can be reached, whatever answers there: `whom`, an image's registry or a service of AWS.
    NotLetOut {
        /// Whom.
        whom: String,
        /// What keeps the call in.
        by: NoEgress,
    },
    /// The registry did not answer.
    RegistryIsSilent(String),
    /// The registry turned all pulls away.
    RegistryTurnsAway(String),
    /// So many pulls in so long had been made of a registry before.
    PullQuotaUsedUp {
        /// The registry.
        registry: String,
        /// So many pulls ...
        pulls: u32,
        /// ... in so long.
        window: Span,
        /// Who made them.
        by: PullCaller,
    },
    /// No instance had room within the time that a task may wait in PROVISIONING.
    NoRoom {
        /// That time.
        waited: Span,
        /// The group that would have to grow and its `MaxSize`, where it had come to that.
        largest_group: Option<(String, u32)>,
    },
    /// The image is for one architecture, and the machine has another.
    Architecture {
        /// What the image is for.
        image: CpuArchitecture,
        /// What it was to run on.
        machine: CpuArchitecture,
    },
}

/// Whom a registry counts pulls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullCaller {
    /// The account whose credentials they come with.
    Account,
    /// A NAT gateway's address, which all behind it share.
    NatGateway,
    /// The public address of an instance or of a task on Fargate.
    OwnAddress,
}

/// What keeps a call to registries and services of AWS inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoEgress {
    /// Security groups that let nothing out to port 443.
    SecurityGroups {
        /// Their ids.
        names: Vec<String>,
        /// All of their rules.
        egress: Vec<IpPermission>,
    },
    /// No route of the subnet.
    Route {
        /// The subnet.
        subnet: String,
        /// Where its default route leads.
        default_route: DefaultRoute,
        /// Whether a task's own interface would need the public address, and not its instance's.
        is_on_fargate: bool,
        /// What a VPC endpoint would be for, where one would do.
        endpoint: Option<EndpointService>,
    },
}

impl NoEgress {
    fn words(&self, whom: &str) -> String {
        match self {
            NoEgress::SecurityGroups { names, egress } => {
                let (groups, let_out) = match names.len() {
                    1 => ("security group", "lets"),
                    _ => ("security groups", "let"),
                };
                format!(
                    "calls to {whom} time out, since {groups} {} {let_out} out {} and not port TCP {HTTPS_PORT}",
                    listed(names),
                    permitted(egress)
                )
            }
            NoEgress::Route { subnet, default_route, is_on_fargate, endpoint } => {
                let why = match (default_route, is_on_fargate) {
                    (DefaultRoute::InternetGateway, true) => {
                        "leads to an internet gateway only, and the task has no public address (assignPublicIp is DISABLED)"
                    }
                    (DefaultRoute::InternetGateway, false) => {
                        "leads to an internet gateway only, and the instance has no public address"
                    }
                    (DefaultRoute::None | DefaultRoute::NatGateway, _) => "has no default route",
                };
                let endpoint =
                    endpoint.map_or(String::new(), |it| format!(" and no VPC endpoint for {}", it.endpoints()));
                format!("calls to {whom} time out, since subnet `{subnet}` {why}{endpoint}")
            }
        }
    }
}

impl StopCause {
    /// Takes in the cause of another task, where it is the same but for the port; whether it is.
    pub fn takes_in(&mut self, other: &StopCause) -> bool {
        let StopCause::SecurityGroups { ports, .. } = self else { return self == other };
        let StopCause::SecurityGroups { ports: others, .. } = other else { return false };
        let both = *ports.start().min(others.start())..=*ports.end().max(others.end());
        let mut same = other.clone();
        if let StopCause::SecurityGroups { ports: of_same, .. } = &mut same {
            of_same.clone_from(ports);
        }
        let is_same = *self == same;
        if let (true, StopCause::SecurityGroups { ports, .. }) = (is_same, self) {
            *ports = both;
        }
        is_same
    }

    /// In words, without a full stop.
    pub fn words(&self) -> String {
        match self {
            StopCause::SecurityGroups { names, ingress, protocol, ports, is_host_port } => {
                let groups = if names.len() == 1 { "security group" } else { "security groups" };
                let lets = if names.len() == 1 { "lets" } else { "let" };
                let port = if *is_host_port { "host port" } else { "port" };
                format!(
                    "the load balancer's connections time out, since {groups} {} {lets} in {} and not {port}{} {} {}",
                    listed(names),
                    permitted(ingress),
                    if ports.start() == ports.end() { "" } else { "s" },
                    protocol_name(*protocol),
                    range(ports)
                )
            }
            StopCause::ZoneNotEnabled { load_balancer, availability_zone } => {
                format!("load balancer `{load_balancer}` is not enabled in {availability_zone}, where the task is")
            }
            StopCause::GracePeriodTooShort(period) => {
                format!("its process was still starting, and healthCheckGracePeriodSeconds is {}", period.as_seconds())
            }
            StopCause::StartPeriodTooShort(period) => {
                format!("its process was still starting, and startPeriod of healthCheck is {}", period.as_seconds())
            }
            StopCause::LacksCommand(command) => format!("the image lacks {command}, which its healthCheck runs"),
            StopCause::Hangs(timeout) => {
                format!(
                    "its process hung, and its healthCheck had no answer within timeout of {}",
                    timeout.as_seconds()
                )
            }
            StopCause::AnswersTooLate(timeout) => format!(
                "its process was busy with requests that came before the load balancer's checks, and did not answer them within \
                 HealthCheckTimeoutSeconds of {}",
                timeout.as_seconds()
            ),
            StopCause::QueueIsFull => {
                "its process was busy, and its queue had no room left for the load balancer's checks".to_owned()
            }
            StopCause::ProcessIsDown => "its process had ended, and nobody answered the checks".to_owned(),
            StopCause::InstanceIsLost => "its instance was lost, and nothing there answered the checks".to_owned(),
            StopCause::NotLetOut { whom, by } => by.words(whom),
            StopCause::RegistryIsSilent(registry) => format!("registry `{registry}` did not answer"),
            StopCause::RegistryTurnsAway(registry) => format!("registry `{registry}` turned all pulls away"),
            StopCause::PullQuotaUsedUp { registry, pulls, window, by } => {
                let whom = match by {
                    PullCaller::Account => "an account",
                    PullCaller::NatGateway => "an address, here the NAT gateway's that all behind it share",
                    PullCaller::OwnAddress => "an address",
                };
                let pulls = times(u64::from(*pulls));
                format!("registry `{registry}` lets {whom} pull {pulls} in {window}, and that was used up")
            }
            StopCause::NoRoom { waited, largest_group } => {
                let group = largest_group.as_ref();
                let group =
                    group.map_or(String::new(), |it| format!(", and `{}` was at its MaxSize of {}", it.0, it.1));
                format!("no instance had room for it within the {waited} that a task may wait in PROVISIONING{group}")
            }
            StopCause::Architecture { image, machine } => {
                format!(
                    "exec format error, since the image is for {} and the machine is {}",
                    image.as_str(),
                    machine.as_str()
                )
            }
        }
    }
}

fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "TCP",
        Protocol::Udp => "UDP",
    }
}

fn range(ports: &RangeInclusive<u16>) -> String {
    match ports.start() == ports.end() {
        true => ports.start().to_string(),
        false => format!("{} to {}", ports.start(), ports.end()),
    }
}

fn listed(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|it| format!("`{it}`")).collect();
    names.join(", ")
}

/// What rules let in or out: `TCP 80 and UDP 53 to 60`, `nothing`.
fn permitted(rules: &[IpPermission]) -> String {
    let rule = |it: &IpPermission| match it.protocol {
        Some(protocol) => format!("{} {}", protocol_name(protocol), range(&it.ports)),
        None => "everything".to_owned(),
    };
    let rules: Vec<String> = rules.iter().map(rule).collect();
    match rules.split_last() {
        None => "nothing".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_of_one_pull_is_once() {
        let words = |pulls| {
            let registry = "docker.io".to_owned();
            StopCause::PullQuotaUsedUp { registry, pulls, window: Span::seconds(3_600), by: PullCaller::Account }
                .words()
        };
        assert_eq!(words(1), "registry `docker.io` lets an account pull once in 1h, and that was used up");
        assert_eq!(words(200), "registry `docker.io` lets an account pull 200 times in 1h, and that was used up");
    }

    fn kept_out(ports: RangeInclusive<u16>, rules: &[RangeInclusive<u16>]) -> StopCause {
        let rule = |ports: &RangeInclusive<u16>| IpPermission { protocol: Some(Protocol::Tcp), ports: ports.clone() };
        StopCause::SecurityGroups {
            names: vec!["sg-1".to_owned()],
            ingress: rules.iter().map(rule).collect(),
            protocol: Protocol::Tcp,
            ports,
            is_host_port: true,
        }
    }

    #[test]
    fn the_same_but_for_the_port_is_the_same_cause() {
        let mut cause = kept_out(49_160..=49_160, &[80..=80]);
        assert!(cause.takes_in(&kept_out(49_153..=49_153, &[80..=80])));
        assert!(!cause.takes_in(&kept_out(49_153..=49_153, &[80..=80, 443..=443])));
        assert!(!cause.takes_in(&StopCause::LacksCommand("curl".to_owned())));
        assert_eq!(
            cause.words(),
            "the load balancer's connections time out, since security group `sg-1` lets in TCP 80 and not host ports TCP 49153 to 49160"
        );
        let nothing = kept_out(80..=80, &[]).words();
        assert!(nothing.ends_with("lets in nothing and not host port TCP 80"), "{nothing}");
    }
}
