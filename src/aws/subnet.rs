//! Subnets: where instances and tasks get their addresses.
//!
//! Follows *Subnet CIDR blocks* in the VPC user guide and *Task networking with the awsvpc network mode* in the ECS
//! developer guide (2026). Of route tables only where the default route leads is known. Left out: IPv6, prefix
//! delegation, addresses that other services use (`AvailableIpAddressCount` has them).

use crate::aws::auto_scaling_group::AvailabilityZone;
use crate::aws::security_group::SecurityGroup;
use crate::aws::start_failure::is_ecr;
use crate::table::Id;

/// Most subnets of one service (`AwsVpcConfiguration`).
pub const SUBNETS_MAXIMUM: usize = 16;
/// Most security groups of one service (`AwsVpcConfiguration`).
pub const SECURITY_GROUPS_MAXIMUM: usize = 5;

/// `networkConfiguration` of a service or of `RunTask`, or that `UpdateService` gives a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkConfiguration {
    /// Subnets that its tasks of network mode `awsvpc` get their addresses from; none where addresses are not counted.
    pub subnets: Vec<Id<Subnet>>,
    /// Security groups of their network interfaces; where there are none everything comes in.
    pub security_groups: Vec<Id<SecurityGroup>>,
    /// `assignPublicIp`, on Fargate.
    pub assign_public_ip: bool,
}

/// Where the default route of a subnet leads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DefaultRoute {
    /// To a NAT gateway, so that everything inside reaches the internet.
    #[default]
    NatGateway,
    /// To an internet gateway, which only what has a public address can use.
    InternetGateway,
    /// Nowhere.
    None,
}

/// A service of AWS that a VPC endpoint leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointService {
    /// `ecs`, with `ecs-agent` and `ecs-telemetry`: what agents talk to.
    Ecs,
    /// `ecr.api`, `ecr.dkr` and `s3`: what images of Amazon ECR come through.
    Ecr,
    /// `secretsmanager`
    SecretsManager,
    /// `ssm`
    Ssm,
}

impl EndpointService {
    /// What a call to a registry can take; `None` where the internet alone leads there.
    pub fn of_registry(registry: &str) -> Option<EndpointService> {
        is_ecr(registry).then_some(EndpointService::Ecr)
    }

    /// The endpoints that it takes, by the ends of their names.
    pub fn endpoints(self) -> &'static str {
        match self {
            EndpointService::Ecs => "ecs, ecs-agent and ecs-telemetry",
            EndpointService::Ecr => "ecr.api, ecr.dkr and s3",
            EndpointService::SecretsManager => "secretsmanager",
            EndpointService::Ssm => "ssm",
        }
    }
}

/// A subnet of the cluster's VPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// Id, such as `subnet-0a1b`.
    pub name: String,
    /// Its zone.
    pub availability_zone: Id<AvailabilityZone>,
    /// `AvailableIpAddressCount` before anything here has taken one.
    pub available_addresses: u32,
    /// Where its default route leads.
    pub default_route: DefaultRoute,
    /// Whether instances launched in it get a public address (`MapPublicIpOnLaunch`).
    pub maps_public_ip: bool,
    /// Services that VPC endpoints lead to, whatever the default route does.
    pub vpc_endpoints: Vec<EndpointService>,
}

impl Subnet {
    /// Whether something inside, with a public address or without, reaches a service of AWS; `None` is something else
    /// on the internet.
    pub fn reaches(&self, service: Option<EndpointService>, has_public_ip: bool) -> bool {
        let by_route = match self.default_route {
            DefaultRoute::NatGateway => true,
            DefaultRoute::InternetGateway => has_public_ip,
            DefaultRoute::None => false,
        };
        by_route || service.is_some_and(|it| self.vpc_endpoints.contains(&it))
    }
}

/// An IPv4 block of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CidrBlock {
    first: u32,
    /// Leading bits that all of its addresses share.
    pub prefix_length: u32,
}

impl CidrBlock {
    /// `10.0.1.0/24`; `None` where the text is none, or has bits below its prefix.
    pub fn parse(text: &str) -> Option<CidrBlock> {
        let (address, length) = text.split_once('/')?;
        let first = u32::from(address.parse::<std::net::Ipv4Addr>().ok()?);
        let prefix_length = length.parse().ok().filter(|it| *it <= 32)?;
        let block = CidrBlock { first, prefix_length };
        (u64::from(first) % block.size() == 0).then_some(block)
    }

    /// Addresses that a subnet of this block can give away: AWS keeps the first four and the last one.
    pub fn usable_addresses(&self) -> u32 {
        u32::try_from(self.size().saturating_sub(5)).unwrap_or(u32::MAX)
    }

    /// Whether an address is in both.
    pub fn overlaps(&self, other: &CidrBlock) -> bool {
        let end = |it: &CidrBlock| u64::from(it.first) + it.size();
        u64::from(self.first) < end(other) && u64::from(other.first) < end(self)
    }

    fn size(&self) -> u64 {
        1 << (32 - self.prefix_length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_addresses_of_a_block_are_not_for_use() {
        let block = |text: &str| CidrBlock::parse(text).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(block("10.0.0.0/24").usable_addresses(), 251);
        assert_eq!(block("10.0.0.16/28").usable_addresses(), 11);
        assert_eq!(block("10.0.0.0/31").usable_addresses(), 0);
        assert!(block("10.0.0.0/16").overlaps(&block("10.0.255.0/24")));
        assert!(!block("10.0.0.0/24").overlaps(&block("10.0.1.0/24")));
        for wrong in ["10.0.0.0", "10.0.0.1/24", "10.0.0/24", "10.0.0.0/33", "subnet-1"] {
            assert_eq!(CidrBlock::parse(wrong), None, "{wrong}");
        }
    }
}
