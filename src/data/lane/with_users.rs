//! Lanes whose requests are those of users: who asks next depends on who is answered.

use crate::data::lane::{Lane, SETTLED_AT_LEAST};
use crate::workload::clients::Client;
use crate::workload::users::NOBODY;

/// Nanoseconds until a user knows, beside the way, that nobody takes the request: time has to pass before the next one.
const REFUSAL_TAKES: f64 = 1e6;

/// Who sends the next request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sender {
    /// A user who is there.
    User,
    /// A workload: one of its users comes, or a request that comes by itself.
    Workload(usize),
}

impl Lane {
    /// Serves until `until`, one request after the other.
    pub(super) fn advance_with_users(&mut self, until: f64) {
        loop {
            let next = self.next_sender().filter(|it| it.0 < until);
            let horizon = next.map_or(until, |it| it.0);
            if let Some((at, place)) = self.next_of_sharing().filter(|it| it.0 <= horizon) {
                self.run_station(place, at);
                continue;
            }
            if let Some(at) = self.next_of_surge().filter(|it| *it <= horizon) {
                self.run_surge(at);
                continue;
            }
            let Some((at, sender)) = next else { return };
            if let Sender::Workload(place) = sender {
                self.sources[place].next += 1;
                if self.users.ask(place) {
                    self.users.joins(place, at as u64);
                    continue;
                }
            }
            if self.draw_one(at, sender) {
                self.serve(1, until);
            }
            if self.under_way() >= self.settle_at {
                self.settle(at);
                self.settle_at = SETTLED_AT_LEAST.max(2 * self.under_way());
            }
        }
    }

    /// Who sends the next request, and when. At a tie workloads lead.
    fn next_sender(&mut self) -> Option<(f64, Sender)> {
        let mut next = self.users.next_at().map(|at| (at as f64, Sender::User));
        for place in (0..self.sources.len()).rev() {
            if let Some(at) = self.sources[place].peek()
                && next.is_none_or(|it| at <= it.0)
            {
                next = Some((at, Sender::Workload(place)));
            }
        }
        next
    }

    /// The station whose CPU is short where something happens next, and when.
    fn next_of_sharing(&self) -> Option<(f64, usize)> {
        if !self.may_share {
            return None;
        }
        let nexts = self.places_short_of_cpu().map(|place| (self.sharing[place].next(), place));
        nexts.reduce(|one, other| if other.0 < one.0 { other } else { one })
    }

    /// Draws the one request that comes next; `false` where a user leaves instead.
    fn draw_one(&mut self, at: f64, sender: Sender) -> bool {
        if self.room != 1 {
            self.resize(1);
            self.batch.user.resize(1, NOBODY);
            self.batch.wanted_at.resize(1, 0.0);
        }
        let (source, user, wanted_at, generation) = match sender {
            Sender::Workload(place) => (place, NOBODY, at, 0),
            Sender::User => {
                let Some(sending) = self.users.send() else { return false };
                (sending.workload, sending.user, sending.wanted_at as f64, sending.generation)
            }
        };
        let batch = &mut self.batch;
        (batch.next, batch.len) = (0, 1);
        (batch.arrival[0], batch.wanted_at[0]) = (at, wanted_at);
        (batch.source[0], batch.user[0]) = (source as u32, user);
        self.draw_fates();
        if self.knows_clients && user != NOBODY {
            // Users are clients of their own.
            self.batch.client[0] = Client { place: user, generation };
        }
        true
    }

    /// What the load balancer waits beyond the time that a request is at the station at `place`, nanoseconds.
    #[inline(always)]
    pub(super) fn way_to(&self, place: usize) -> f64 {
        self.stations[place].to_target
    }

    /// The request of a user ends at the station at `place` at `at`, as far as is known.
    #[inline(always)]
    pub(super) fn answers(&mut self, user: u32, at: f64, place: usize) {
        if user != NOBODY {
            self.users.are_answered(user, (at + self.way_to(place)) as u64);
        }
    }

    /// A request ends on its arrival: there is nobody to take it.
    #[inline(always)]
    pub(super) fn refuses(&mut self, request: usize) {
        let (user, arrival) = (self.batch.user_of(request), self.batch.arrival[request]);
        if user != NOBODY {
            self.users.are_answered(user, (arrival + REFUSAL_TAKES) as u64);
        }
    }
}
