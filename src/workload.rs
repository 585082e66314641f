//! When requests come.

pub mod access_log;
pub mod arrivals;
pub mod clients;
pub mod cloud_watch;
pub mod commits;
pub mod modulation;
pub mod renewal;
pub mod task_calls;
pub mod task_trace;
pub mod trace;
pub mod users;
pub mod words;

use crate::aws::listener::{ListenerRule, RuleEvaluations};
use crate::aws::load_balancer::LoadBalancer;
use crate::aws::service::ServiceDefinition;
use crate::table::Id;
use crate::units::Span;
use crate::workload::arrivals::ArrivalProcess;
use crate::workload::clients::Clients;
use crate::workload::users::Habit;

/// Requests of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// Name.
    pub name: String,
    /// Where they go.
    pub destination: Destination,
    /// When; where they are those of users, when the users come.
    pub arrivals: ArrivalProcess,
    /// What the users do, where requests do not come by themselves.
    pub users: Option<Habit>,
    /// How long a caller waits; `None` is until the load balancer gives up.
    pub timeout: Option<Span>,
    /// Requests after which a client opens a new connection through a Network Load Balancer, at least 1; `None` is as many
    /// as it sends.
    pub requests_per_connection: Option<u32>,
    /// Who sends them; `None` is a new client for each.
    pub clients: Option<Clients>,
}

/// Where the requests of a workload go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Straight to the target group of a service.
    Service(Id<ServiceDefinition>),
    /// To a listener of a load balancer: all are of one kind, so that one rule is for all of them.
    Rule {
        /// The load balancer.
        load_balancer: Id<LoadBalancer>,
        /// Rules that redirect each of them first, in turn.
        redirects: Vec<Id<ListenerRule>>,
        /// The rule that deals with them.
        rule: Id<ListenerRule>,
        /// Rules that are evaluated for each of them, on the whole way.
        evaluations: RuleEvaluations,
    },
}
