//! Requests that a load balancer answers by itself: fixed responses, redirects, and 503 for target groups without targets
//! that no service will ever fill.

use crate::aws::listener::{Action, RuleEvaluations};
use crate::aws::load_balancer::LoadBalancer;
use crate::cluster::Cluster;
use crate::data::forwarding::{End, Forwarding};
use crate::rng::Seed;
use crate::run::{LoadBalancerCounts, RequestCounts};
use crate::scenario::Scenario;
use crate::table::Id;
use crate::units::Instant;
use crate::workload::arrivals::Arrivals;
use crate::workload::clients::ClientDraw;
use crate::workload::{Destination, Workload};

/// Arrivals drawn at once.
const BATCH: usize = 1024;

/// What one load balancer answers by itself.
pub struct OwnAnswers {
    /// The load balancer.
    pub load_balancer: Id<LoadBalancer>,
    sources: Vec<Source>,
    /// Target groups that no service has, by their numbers.
    is_unserved: Vec<bool>,
    /// Whether what rules do may have changed.
    is_stale: bool,
    minute: LoadBalancerCounts,
    total: LoadBalancerCounts,
}

/// A workload, some requests of which it answers.
struct Source {
    arrivals: Arrivals,
    clients: ClientDraw,
    forwarding: Forwarding,
    /// How often each request is redirected before it comes to its rule.
    redirects: u64,
    /// Rules that are evaluated for each request.
    rule_evaluations: RuleEvaluations,
    times: Vec<f64>,
    next: usize,
    has_ended: bool,
}

impl OwnAnswers {
    /// `None` where the load balancer answers nothing by itself.
    pub fn new(scenario: &Scenario, load_balancer: Id<LoadBalancer>, seed: Seed) -> Option<OwnAnswers> {
        let mut is_unserved = vec![true; scenario.target_groups.len()];
        for balancer in scenario.services.iter().filter_map(|it| it.load_balancer.as_ref()) {
            balancer.target_groups().for_each(|it| is_unserved[it.index()] = false);
        }
        let sources: Vec<Source> = scenario
            .workloads
            .iter()
            .filter_map(|workload| Source::new(scenario, load_balancer, workload, &is_unserved, seed))
            .collect();
        (!sources.is_empty()).then(|| OwnAnswers {
            load_balancer,
            sources,
            is_unserved,
            is_stale: true,
            minute: LoadBalancerCounts::default(),
            total: LoadBalancerCounts::default(),
        })
    }

    /// What rules do has changed.
    pub fn actions_have_changed(&mut self) {
        self.is_stale = true;
    }

    /// Answers what arrives before `until`.
    pub fn advance(&mut self, cluster: &Cluster, until: Instant) {
        if std::mem::take(&mut self.is_stale) {
            self.sources.iter_mut().for_each(|it| it.forwarding.look(cluster));
        }
        let until = until.0 as f64;
        let LoadBalancerCounts { requests, redirects, rule_evaluations, .. } = &mut self.minute;
        for source in &mut self.sources {
            while let Some(arrival) = source.peek().filter(|it| *it < until) {
                source.next += 1;
                *redirects += source.redirects;
                // What a client needs to come back is taken off its patience, in the lane that serves it.
                let client = source.clients.next_client();
                match source.forwarding.next_end(arrival, client) {
                    End::FixedResponse(status_code) => requests.count_fixed_response(status_code),
                    End::TargetGroup(group) if self.is_unserved[group.index()] => {
                        requests.arrived += 1;
                        requests.elb_503 += 1;
                    }
                    // The lane that serves it counts all of it.
                    End::TargetGroup(_) => continue,
                }
                rule_evaluations.add(source.rule_evaluations);
            }
        }
    }

    /// Closes the minute.
    pub fn close_minute(&mut self) -> LoadBalancerCounts {
        let closed = std::mem::take(&mut self.minute);
        self.total.add(&closed);
        closed
    }

    /// The whole run so far, the open minute included.
    pub fn totals(&self) -> LoadBalancerCounts {
        let mut all = self.total.clone();
        all.add(&self.minute);
        all
    }
}

impl RequestCounts {
    fn count_fixed_response(&mut self, status_code: u16) {
        self.arrived += 1;
        if status_code >= 500 {
            self.fixed_response_5xx += 1;
        } else {
            self.fixed_response += 1;
        }
    }
}

impl Source {
    fn new(
        scenario: &Scenario,
        load_balancer: Id<LoadBalancer>,
        workload: &Workload,
        is_unserved: &[bool],
        seed: Seed,
    ) -> Option<Source> {
        let Destination::Rule { load_balancer: its, redirects, rule, evaluations } = &workload.destination else {
            return None;
        };
        let is_answered_here = |action: &Action| match action {
            Action::Forward(forward) => forward.target_groups.iter().any(|it| is_unserved[it.target_group.index()]),
            _ => true,
        };
        let concerns = !redirects.is_empty() || scenario.actions_of(*rule).any(is_answered_here);
        (*its == load_balancer && concerns).then(|| Source {
            arrivals: Arrivals::new(&workload.arrivals, seed.stream("arrivals", &workload.name)),
            clients: ClientDraw::new(workload.clients, seed.stream("clients", &workload.name)),
            forwarding: Forwarding::new(scenario, *rule, workload, seed),
            redirects: redirects.len() as u64,
            rule_evaluations: *evaluations,
            times: Vec::new(),
            next: 0,
            has_ended: false,
        })
    }

    fn peek(&mut self) -> Option<f64> {
        if self.next == self.times.len() && !self.has_ended {
            self.times.resize(BATCH, 0.0);
            let filled = self.arrivals.fill(&mut self.times);
            self.has_ended = filled < BATCH;
            self.times.truncate(filled);
            self.next = 0;
        }
        self.times.get(self.next).copied()
    }
}
