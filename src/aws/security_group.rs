//! Security groups: which ports of an instance or of a task's network interface anybody can reach.
//!
//! Follows *Security group rules* in the VPC user guide (2026). Left out: who a rule admits (`IpRanges`,
//! `UserIdGroupPairs`), as if every rule had the load balancer in mind, and rules of egress.

use std::ops::RangeInclusive;

use crate::aws::task_definition::Protocol;

/// A security group, as far as it admits connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityGroup {
    /// Id, such as `sg-0a1b`.
    pub name: String,
    /// `IpPermissions`; without any nothing comes in.
    pub ingress: Vec<IpPermission>,
}

/// A rule of ingress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpPermission {
    /// `IpProtocol`; `None` is `-1`, every protocol and port.
    pub protocol: Option<Protocol>,
    /// `FromPort` to `ToPort`.
    pub ports: RangeInclusive<u16>,
}

/// Whether some of these groups, all of which an interface has, admit connections to a port: rules add up.
pub fn admit<'a>(groups: impl IntoIterator<Item = &'a SecurityGroup>, protocol: Protocol, port: u16) -> bool {
    let mut rules = groups.into_iter().flat_map(|it| &it.ingress);
    rules.any(|it| it.protocol.is_none_or(|it| it == protocol) && it.ports.contains(&port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_add_up_and_without_any_nothing_comes_in() {
        let group = |ingress: Vec<IpPermission>| SecurityGroup { name: "sg-1".to_owned(), ingress };
        let rule = |protocol, ports| IpPermission { protocol, ports };
        let web = group(vec![rule(Some(Protocol::Tcp), 80..=80)]);
        let dynamic = group(vec![rule(Some(Protocol::Tcp), 32_768..=65_535)]);
        let all = group(vec![rule(None, 0..=65_535)]);
        let nothing = group(Vec::new());
        assert!(admit([&web], Protocol::Tcp, 80));
        assert!(!admit([&web], Protocol::Udp, 80));
        assert!(!admit([&web], Protocol::Tcp, 49_153));
        assert!(admit([&web, &dynamic], Protocol::Tcp, 49_153));
        assert!(admit([&all], Protocol::Udp, 53));
        assert!(!admit([&nothing], Protocol::Tcp, 80));
        assert!(!admit([], Protocol::Tcp, 80));
    }
}
