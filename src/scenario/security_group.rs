//! `cluster.securityGroups`, as `DescribeSecurityGroups` tells of them.

use crate::aws::security_group::{IpPermission, SecurityGroup};
use crate::aws::task_definition::Protocol;
use crate::scenario::aws_fields::Shape;
use crate::scenario::problem::Problem;
use crate::scenario::reader::{Fields, Names, Reader};
use crate::table::Table;

/// The cluster's security groups.
pub struct SecurityGroups {
    /// In the file's order.
    pub table: Table<SecurityGroup>,
    /// Their names.
    pub names: Names<SecurityGroup>,
}

impl Default for SecurityGroups {
    fn default() -> SecurityGroups {
        SecurityGroups { table: Table::new(), names: Names::new("security group", "cluster.securityGroups") }
    }
}

impl SecurityGroups {
    /// The map `securityGroups` of the cluster.
    pub fn read(&mut self, reader: &mut Reader<'_>, cluster: &mut Fields<'_>) {
        for entry in cluster.entries(reader, "securityGroups") {
            let Some(mut fields) = reader.fields(&entry.node, format!("security group `{}`", entry.key)) else {
                continue;
            };
            let ingress = ip_permissions(reader, &mut fields, "IpPermissions", &entry.key);
            // Asked for in any case, so that a name that is nearly this one is known as such.
            let says_egress = fields.has("IpPermissionsEgress");
            let rules = ip_permissions(reader, &mut fields, "IpPermissionsEgress", &entry.key);
            let egress = if says_egress { rules } else { vec![IpPermission::ALL] };
            fields.finish(reader, &Shape::SECURITY_GROUP);
            let id = self.table.push(SecurityGroup { name: entry.key.clone(), ingress, egress });
            self.names.add(&entry.key, Some(id));
        }
    }
}

fn ip_permissions(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    field: &'static str,
    group: &str,
) -> Vec<IpPermission> {
    let nodes = fields.list(reader, field).iter();
    let rules = nodes.filter_map(|node| {
        let rule = reader.fields(node, format!("an IP permission of security group `{group}`"))?;
        ip_permission(reader, rule)
    });
    rules.collect()
}

fn ip_permission(reader: &mut Reader<'_>, mut rule: Fields<'_>) -> Option<IpPermission> {
    let at = rule.place_of("IpProtocol");
    rule.required(reader, "IpProtocol");
    let (tcp, udp) = (Some(Protocol::Tcp), Some(Protocol::Udp));
    // Of others, such as icmp, no port is asked for here.
    let words = [("tcp", Some(tcp)), ("udp", Some(udp)), ("-1", Some(None)), ("icmp", None), ("icmpv6", None)];
    let protocol = rule.word(reader, "IpProtocol", &words);
    let ports = ["FromPort", "ToPort"].map(|it| rule.count(reader, it, 0..=65_535));
    let of = rule.of.clone();
    rule.finish(reader, &Shape::IP_PERMISSION);
    let port = |it: u32| u16::try_from(it).unwrap_or(u16::MAX);
    match (protocol??, ports) {
        (None, _) => Some(IpPermission::ALL),
        (protocol, [Some(from), Some(to)]) if from <= to => {
            Some(IpPermission { protocol, ports: port(from)..=port(to) })
        }
        (_, [Some(from), Some(to)]) => {
            let message = format!("{of} goes from port {from} to {to}");
            reader.refuse(Problem::new(at, message).help("`FromPort` is the lower one"));
            None
        }
        _ => {
            let message = format!("{of} does not say both `FromPort` and `ToPort`");
            reader.refuse(Problem::new(at, message).help("`IpProtocol: -1` would be every port"));
            None
        }
    }
}
