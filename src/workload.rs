//! When requests come.

pub mod access_log;
pub mod arrivals;
pub mod clients;
pub mod cloud_watch;
pub mod modulation;
pub mod renewal;
pub mod trace;
pub mod words;

use crate::aws::service::ServiceDefinition;
use crate::table::Id;
use crate::units::Span;
use crate::workload::arrivals::ArrivalProcess;
use crate::workload::clients::Clients;

/// Requests to one service.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// Name.
    pub name: String,
    /// The service whose load balancer they arrive at.
    pub service: Id<ServiceDefinition>,
    /// When.
    pub arrivals: ArrivalProcess,
    /// How long a caller waits; `None` is until the load balancer gives up.
    pub timeout: Option<Span>,
    /// Requests after which a client opens a new connection through a Network Load Balancer, at least 1; `None` is as many
    /// as it sends.
    pub requests_per_connection: Option<u32>,
    /// Who sends them; `None` is a new client for each.
    pub clients: Option<Clients>,
}
