//! NAT gateways: what goes through them on its way to the internet, and to ECR without a VPC endpoint.
//!
//! Follows *NAT gateways* and their pricing in the Amazon VPC documentation (2026). Only image pulls are followed: requests and
//! their answers come and go through load balancers. Limits of a gateway are left out.

use crate::aws::subnet::Subnet;
use crate::table::Id;

/// The NAT gateways of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatGateways {
    /// How many there are, all the time.
    pub number: u32,
    /// Subnets whose route to the internet is one of them; `None` where all have one, and where there are no subnets.
    pub subnets: Option<Vec<Id<Subnet>>>,
}

impl NatGateways {
    /// Whether what is pulled in a subnet goes through one of them.
    pub fn carry(&self, subnet: Option<Id<Subnet>>) -> bool {
        self.subnets.as_ref().is_none_or(|with| subnet.is_some_and(|it| with.contains(&it)))
    }
}
