//! Security groups: which ports of an instance or of a task's network interface anybody can reach.
//!
//! Follows *Security group rules* in the VPC user guide (2026). Left out: who a rule admits (`IpRanges`,
//! `UserIdGroupPairs`), as if every rule had the load balancer in mind, and where a rule of egress leads.

use std::ops::RangeInclusive;

use crate::aws::task_definition::Protocol;

/// A security group, as far as it admits connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityGroup {
    /// Id, such as `sg-0a1b`.
    pub name: String,
    /// `IpPermissions`; without any nothing comes in.
    pub ingress: Vec<IpPermission>,
    /// `IpPermissionsEgress`; a new group lets everything out.
    pub egress: Vec<IpPermission>,
}

/// A rule of ingress or egress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpPermission {
    /// `IpProtocol`; `None` is `-1`, every protocol and port.
    pub protocol: Option<Protocol>,
    /// `FromPort` to `ToPort`.
    pub ports: RangeInclusive<u16>,
}

impl IpPermission {
    /// Every protocol and port.
    pub const ALL: IpPermission = IpPermission { protocol: None, ports: 0..=u16::MAX };

    fn is_for(&self, protocol: Protocol, port: u16) -> bool {
        self.protocol.is_none_or(|it| it == protocol) && self.ports.contains(&port)
    }
}

/// What registries, Amazon ECS and Secrets Manager listen on.
pub const HTTPS_PORT: u16 = 443;

/// Whether some of these groups, all of which an interface has, admit connections to a port: rules add up.
pub fn admit<'a>(groups: impl IntoIterator<Item = &'a SecurityGroup>, protocol: Protocol, port: u16) -> bool {
    groups.into_iter().flat_map(|it| &it.ingress).any(|it| it.is_for(protocol, port))
}

/// Whether some of these groups let what is behind the interface call a port elsewhere; answers come back in any case.
pub fn let_out<'a>(groups: impl IntoIterator<Item = &'a SecurityGroup>, protocol: Protocol, port: u16) -> bool {
    groups.into_iter().flat_map(|it| &it.egress).any(|it| it.is_for(protocol, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_add_up_and_without_any_nothing_comes_in() {
        let group = |ingress: Vec<IpPermission>| SecurityGroup {
            name: "sg-1".to_owned(),
            ingress,
            egress: vec![IpPermission::ALL],
        };
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
        assert!(let_out([&nothing], Protocol::Tcp, 443));
        let shut = |ports| SecurityGroup {
            egress: vec![IpPermission { protocol: Some(Protocol::Tcp), ports }],
            ..nothing.clone()
        };
        assert!(!let_out([&shut(5432..=5432)], Protocol::Tcp, 443));
        assert!(let_out([&shut(5432..=5432), &shut(443..=443)], Protocol::Tcp, 443));
    }
}
