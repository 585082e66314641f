//! When requests come.

pub mod access_log;
pub mod arrivals;
pub mod cloud_watch;
pub mod modulation;
pub mod renewal;
pub mod trace;
pub mod users;
pub mod words;

use crate::aws::service::ServiceDefinition;
use crate::table::Id;
use crate::units::Span;
use crate::workload::arrivals::ArrivalProcess;
use crate::workload::users::Habit;

/// Requests to one service.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// Name.
    pub name: String,
    /// The service whose load balancer they arrive at.
    pub service: Id<ServiceDefinition>,
    /// When; where they are those of users, when the users come.
    pub arrivals: ArrivalProcess,
    /// What the users do, where requests do not come by themselves.
    pub users: Option<Habit>,
    /// How long a caller waits; `None` is until the load balancer gives up.
    pub timeout: Option<Span>,
}
