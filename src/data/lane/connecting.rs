//! Requests whose connection to their target never comes about: packets are dropped on the way, and nobody answers.
//!
//! Follows *HTTP 504: Gateway timeout* in the user guide of Application Load Balancers (2026): the load balancer *failed to establish a
//! connection to the target before the connection timeout expired (10 seconds)*. What it leaves open: a connection that is tried goes on
//! being tried where its target is deregistered or its task stops meanwhile, since nobody is there to refuse it.

use crate::cluster::Target;
use crate::data::lane::Lane;
use crate::data::lane::accounts::Outcome;
use crate::data::rotation::Awaited;
use crate::data::sharing::JobKind;
use crate::table::Id;
use crate::units::Span;

/// How long a load balancer tries to connect to a target.
const CONNECTION_TIMEOUT: Span = Span::seconds(10);

/// A request that waits for a connection.
#[derive(Clone)]
pub(super) struct Connecting {
    /// When it came, nanoseconds.
    pub(super) arrival: f64,
    /// When its load balancer gives up, or its caller does before.
    pub(super) ends_at: f64,
    /// Who of them.
    pub(super) outcome: Outcome,
    /// The target that it goes to, and the station that this had then.
    target: Id<Target>,
    pub(super) place: u32,
    node: u8,
}

impl Lane {
    /// No connection comes in to a request's target: its load balancer gives up after a while, where its caller does not before.
    pub(super) fn finds_no_way(&mut self, request: usize, place: usize, until: f64) {
        let mut job = self.job_of(request, place);
        let given_up = job.arrival + CONNECTION_TIMEOUT.0 as f64;
        if given_up < job.deadline
            && let JobKind::Request { status, .. } = job.kind
        {
            job.deadline = given_up;
            job.kind = JobKind::Request { is_callers_patience: false, status };
        }
        self.answers(job.user, job.deadline, place);
        self.rotation.sent(job.node as usize, place, job.deadline);
        if job.deadline <= until {
            self.minute.count_job(&job, f64::INFINITY, place);
            return;
        }
        self.connecting.push(Connecting {
            arrival: job.arrival,
            ends_at: job.deadline,
            outcome: job.outcome(f64::INFINITY),
            target: self.stations[place].target,
            place: place as u32,
            node: job.node,
        });
    }

    /// Counts those that have been given up by `until`.
    pub(super) fn settle_connecting(&mut self, until: f64) {
        let window = &mut self.minute;
        self.connecting.retain(|it| {
            let is_over = it.ends_at <= until;
            if is_over {
                window.count(it.outcome, it.ends_at - it.arrival, it.place as usize);
            }
            !is_over
        });
    }

    /// How many wait for a connection to a target at `now`.
    pub(super) fn connecting_to(&self, target: Id<Target>, now: f64) -> usize {
        self.connecting.iter().filter(|it| it.target == target && it.ends_at > now).count()
    }

    /// What the nodes wait for of them; of targets that are gone nobody counts it.
    pub(super) fn awaited_connections(&self, now: f64) -> impl Iterator<Item = Awaited> {
        let is_there = move |it: &&Connecting| self.stations[it.place as usize].target == it.target && it.ends_at > now;
        let awaited = |it: &Connecting| Awaited { node: it.node as usize, place: it.place as usize, until: it.ends_at };
        self.connecting.iter().filter(is_there).map(awaited)
    }
}
