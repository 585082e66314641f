//! What makes tasks end where `stoppedReason` does not say it: the thing that has to be changed.
//!
//! ECS says *Task failed ELB health checks* whatever the reason; *Troubleshooting service load balancers* in the developer guide (2026) lists
//! what to look for. Left out: checks that a busy process answers too late, of which no setting is the cause.

use std::ops::RangeInclusive;

use crate::aws::security_group::IpPermission;
use crate::aws::task_definition::{CpuArchitecture, Protocol};
use crate::units::Span;

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
    /// The image is for one architecture, and the machine has another.
    Architecture {
        /// What the image is for.
        image: CpuArchitecture,
        /// What it was to run on.
        machine: CpuArchitecture,
    },
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
                let names: Vec<String> = names.iter().map(|it| format!("`{it}`")).collect();
                let groups = if names.len() == 1 { "security group" } else { "security groups" };
                let lets = if names.len() == 1 { "lets" } else { "let" };
                let port = if *is_host_port { "host port" } else { "port" };
                format!(
                    "the load balancer's connections time out, since {groups} {} {lets} in {} and not {port}{} {} {}",
                    names.join(", "),
                    admitted(ingress),
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

/// What rules of ingress let in: `TCP 80 and UDP 53 to 60`, `nothing`.
fn admitted(ingress: &[IpPermission]) -> String {
    let rule = |it: &IpPermission| match it.protocol {
        Some(protocol) => format!("{} {}", protocol_name(protocol), range(&it.ports)),
        None => "everything".to_owned(),
    };
    let rules: Vec<String> = ingress.iter().map(rule).collect();
    match rules.split_last() {
        None => "nothing".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
