//! `cluster.subnets`, and who names them: groups by `VPCZoneIdentifier`, services by `networkConfiguration`, which
//! names security groups too.

use crate::aws::auto_scaling_group::AvailabilityZone;
use crate::aws::security_group::SecurityGroup;
use crate::aws::subnet::{
    CidrBlock, DefaultRoute, EndpointService, NetworkConfiguration, SECURITY_GROUPS_MAXIMUM, SUBNETS_MAXIMUM, Subnet,
};
use crate::scenario::aws_fields::Shape;
use crate::scenario::problem::{Place, Problem};
use crate::scenario::reader::{Fields, Names, Reader, What};
use crate::scenario::tree::Node;
use crate::table::{Id, Table};

/// The cluster's subnets.
pub struct Subnets {
    /// In the file's order.
    pub table: Table<Subnet>,
    /// Their names.
    pub names: Names<Subnet>,
}

impl Default for Subnets {
    fn default() -> Subnets {
        Subnets { table: Table::new(), names: Names::new("subnet", "cluster.subnets") }
    }
}

impl Subnets {
    /// The map `subnets` of the cluster.
    pub fn read(&mut self, reader: &mut Reader<'_>, cluster: &mut Fields<'_>, zones: &Names<AvailabilityZone>) {
        let mut blocks: Vec<(CidrBlock, Place, &str)> = Vec::new();
        for entry in cluster.entries(reader, "subnets") {
            let Some(mut fields) = reader.fields(&entry.node, format!("subnet `{}`", entry.key)) else { continue };
            fields.required(reader, "AvailabilityZone");
            let zone = fields.reference(reader, "AvailabilityZone", zones);
            let place = fields.place_of("CidrBlock");
            let block = fields.parsed(reader, "CidrBlock", |text| {
                let block = CidrBlock::parse(text).filter(|it| (16..=28).contains(&it.prefix_length));
                block.ok_or_else(|| format!("`{text}` is no block such as 10.0.1.0/24; a subnet has /16 to /28"))
            });
            if let Some(block) = block {
                if let Some((_, first, name)) = blocks.iter().find(|it| it.0.overlaps(&block)) {
                    let message = format!("subnets `{name}` and `{}` overlap", entry.key);
                    reader.refuse(Problem::new(place, message).related(*first, "the first"));
                }
                blocks.push((block, place, &entry.key));
                fields.derived(reader, "AvailableIpAddressCount", &block.usable_addresses());
            } else if !fields.has("CidrBlock") {
                fields.required(reader, "AvailableIpAddressCount");
            }
            let at = fields.place_of("AvailableIpAddressCount");
            let available = fields.count(reader, "AvailableIpAddressCount", 0..=65_531);
            if let (Some(block), Some(available)) = (block, available)
                && available > block.usable_addresses()
            {
                let message = format!("{} has {available} free addresses", fields.of);
                let help = format!("its block has {}: AWS keeps five of each", block.usable_addresses());
                reader.refuse(Problem::new(at, message).help(help));
            }
            let routes = [
                ("natGateway", DefaultRoute::NatGateway),
                ("internetGateway", DefaultRoute::InternetGateway),
                ("none", DefaultRoute::None),
            ];
            let default_route = fields.word_or(reader, "defaultRoute", &routes, DefaultRoute::default());
            // One that leads to an internet gateway would serve for nothing otherwise.
            let maps_public_ip =
                fields.flag_or(reader, "MapPublicIpOnLaunch", default_route == DefaultRoute::InternetGateway);
            let services = [
                ("ecs", EndpointService::Ecs),
                ("ecr", EndpointService::Ecr),
                ("secretsmanager", EndpointService::SecretsManager),
                ("ssm", EndpointService::Ssm),
            ];
            let what = What { field: "vpcEndpoints", of: &fields.of.clone() };
            let nodes = fields.list(reader, "vpcEndpoints");
            let vpc_endpoints = nodes.iter().filter_map(|it| reader.word(what, it, &services)).collect();
            fields.finish(reader, &Shape::SUBNET);
            let available = available.or(block.map(|it| it.usable_addresses()));
            let subnet = zone.zip(available).map(|(availability_zone, available_addresses)| {
                let name = entry.key.clone();
                self.table.push(Subnet {
                    name,
                    availability_zone,
                    available_addresses,
                    default_route,
                    maps_public_ip,
                    vpc_endpoints,
                })
            });
            self.names.add(&entry.key, subnet);
        }
    }

    /// `VPCZoneIdentifier` of a group: a list, or a text such as `subnet-1,subnet-2`. `None` where it says nothing, or where
    /// the scenario has no subnets.
    pub fn of_group(&self, reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<Vec<Id<Subnet>>> {
        let name = "VPCZoneIdentifier";
        let node = fields.take(name)?;
        if self.table.is_empty() {
            return None;
        }
        let what = What { field: name, of: &fields.of };
        let mut subnets = Vec::new();
        match node.text() {
            Some(text) => {
                for name in text.split(',').map(str::trim).filter(|it| !it.is_empty()) {
                    subnets.extend(reader.named(what, node.place, name, &self.names));
                }
            }
            None => {
                for item in reader.list(what, node) {
                    subnets.extend(reader.reference(what, item, &self.names));
                }
            }
        }
        Some(subnets)
    }

    /// `networkConfiguration` of a service or of `RunTask`. Without its subnets, tasks may go to every subnet of the
    /// cluster. `None` where there is none.
    pub fn of_launch(
        &self,
        reader: &mut Reader<'_>,
        fields: &mut Fields<'_>,
        security_groups: &Names<SecurityGroup>,
    ) -> Option<NetworkConfiguration> {
        let is_said = fields.has("networkConfiguration");
        let all = || NetworkConfiguration { subnets: self.table.ids().collect(), ..NetworkConfiguration::default() };
        let of = fields.of.clone();
        let Some(mut network) = fields.map(reader, "networkConfiguration") else { return is_said.then(all) };
        let configuration = network.map(reader, "awsvpcConfiguration");
        network.finish(reader, &Shape::OURS);
        let Some(mut configuration) = configuration else { return is_said.then(all) };
        let said = configuration.take("subnets");
        let what = What { field: "subnets", of: &of };
        let nodes = said.map_or(&[][..], |it| reader.list(what, it));
        if let Some(node) = said.filter(|_| nodes.len() > SUBNETS_MAXIMUM) {
            let message = format!("{of} names {} subnets; {SUBNETS_MAXIMUM} are allowed", nodes.len());
            reader.refuse(Problem::new(node.place, message));
        }
        let groups = configuration.take("securityGroups");
        let of_groups = What { field: "securityGroups", of: &of };
        if let Some(node) = groups
            && let count @ 6.. = reader.list(of_groups, node).len()
        {
            let message = format!("{of} names {count} security groups; {SECURITY_GROUPS_MAXIMUM} are allowed");
            reader.refuse(Problem::new(node.place, message));
        }
        let subnets: Vec<_> = match self.table.is_empty() {
            true => Vec::new(),
            false => nodes.iter().filter_map(|it| reader.reference(what, it, &self.names)).collect(),
        };
        let of_groups = What { field: "securityGroups", of: &of };
        let security_groups =
            groups.map_or(Vec::new(), |it| named_security_groups(reader, of_groups, it, security_groups));
        // No default is said: where there is no configuration, a default would make one.
        let assign_public_ip =
            configuration.word(reader, "assignPublicIp", &[("ENABLED", true), ("DISABLED", false)]).unwrap_or(false);
        configuration.finish(reader, &Shape::AWSVPC_CONFIGURATION);
        let subnets = if subnets.is_empty() { self.table.ids().collect() } else { subnets };
        is_said.then_some(NetworkConfiguration { subnets, security_groups, assign_public_ip })
    }
}

/// The security groups of a list; none where the scenario describes none, so that what is pasted from elsewhere is let
/// be.
pub fn named_security_groups(
    reader: &mut Reader<'_>,
    what: What<'_>,
    node: &Node,
    names: &Names<SecurityGroup>,
) -> Vec<Id<SecurityGroup>> {
    let nodes = reader.list(what, node);
    if names.known.is_empty() {
        return Vec::new();
    }
    nodes.iter().filter_map(|it| reader.reference(what, it, names)).collect()
}
