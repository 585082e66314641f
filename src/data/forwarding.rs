//! Which requests of a workload go where from the rule that deals with them.
//!
//! Everyone who serves a part of them (the lane of each target group, and the load balancer for what it answers itself)
//! asks for every request in turn and so comes to the same answers, without asking the others.

use crate::aws::listener::{Action, Forward, ListenerRule};
use crate::aws::load_balancer::TargetGroup;
use crate::cluster::Cluster;
use crate::rng::{Seed, Stream};
use crate::scenario::Scenario;
use crate::table::Id;
use crate::workload::Workload;
use crate::workload::clients::Client;

/// Where requests of one workload go on.
#[derive(Clone, Debug)]
pub struct Forwarding {
    rule: Id<ListenerRule>,
    action: Action,
    chances: Stream,
    /// What clients were told to come back to, by their places; none where the rule is never sticky.
    pins: Vec<Option<Pin>>,
}

/// The cookie `AWSALBTG` of a client.
#[derive(Clone, Copy, Debug)]
struct Pin {
    client: Client,
    target_group: Id<TargetGroup>,
    /// Nanoseconds.
    until: f64,
}

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// To this target group.
    TargetGroup(Id<TargetGroup>),
    /// Nowhere: the load balancer answers with this status code.
    FixedResponse(u16),
}

impl Forwarding {
    /// At the beginning of the run.
    pub fn new(scenario: &Scenario, rule: Id<ListenerRule>, workload: &Workload, seed: Seed) -> Forwarding {
        let clients = workload.clients.map_or(1, |it| it.count as usize);
        Forwarding {
            rule,
            action: scenario.listener_rules[rule].action.clone(),
            chances: seed.stream("target group", &workload.name),
            pins: vec![None; if is_ever_sticky(scenario, rule) { clients } else { 0 }],
        }
    }

    /// Takes the action that the rule has now.
    pub fn look(&mut self, cluster: &Cluster) {
        let action = &cluster.actions[self.rule.index()];
        if self.action != *action {
            self.action = action.clone();
        }
    }

    /// Where the next request goes.
    pub fn next_end(&mut self, arrival: f64, client: Client) -> End {
        // One for each request, whatever becomes of it, so that the next ones have theirs.
        let chance = self.chances.unit();
        let forward = match &self.action {
            Action::Forward(forward) => forward,
            Action::FixedResponse { status_code } => return End::FixedResponse(*status_code),
            Action::Redirect(_) => unreachable!("redirects are followed when the scenario is read"),
        };
        let Forward { stickiness: Some(duration), .. } = forward else { return End::TargetGroup(forward.pick(chance)) };
        let pin = &mut self.pins[client.place as usize];
        match pin {
            Some(it) if it.client == client && arrival < it.until && forward.names(it.target_group) => {
                End::TargetGroup(it.target_group)
            }
            _ => {
                let target_group = forward.pick(chance);
                *pin = Some(Pin { client, target_group, until: arrival + duration.0 as f64 });
                End::TargetGroup(target_group)
            }
        }
    }
}

/// Whether a rule ever keeps clients to their target group.
pub fn is_ever_sticky(scenario: &Scenario, rule: Id<ListenerRule>) -> bool {
    scenario.actions_of(rule).any(|it| matches!(it, Action::Forward(Forward { stickiness: Some(_), .. })))
}
