//! What is drawn: arrivals, and the fate of each request.

use std::ops::Range;

use multiversion::multiversion;

use crate::aws::listener::RuleEvaluations;
use crate::aws::task_definition::{Application, ColdStart};
use crate::data::forwarding::{End, Forwarding};
use crate::data::lane::{BATCH_LASTS, BATCH_LEAST, BATCH_MOST, Lane};
use crate::data::sharing::StatusClass;
use crate::data::station::Station;
use crate::distribution::{Distribution, whole_nanos};
use crate::rng::Stream;
use crate::units::Span;
use crate::workload::arrivals::Arrivals;
use crate::workload::clients::{Client, ClientDraw};
use crate::workload::users::NOBODY;

/// One workload's arrivals, a batch at a time.
pub(super) struct Source {
    pub(super) arrivals: Arrivals,
    pub(super) patience: Patience,
    pub(super) clients: ClientDraw,
    /// Which of its requests come here, where that is not all of them.
    pub(super) forwarding: Option<Forwarding>,
    /// Rules that the load balancer evaluates for each of its requests.
    pub(super) rule_evaluations: RuleEvaluations,
    /// What its callers wait beyond the time that the load balancer waits for a task, and what they have waited before.
    pub(super) to_caller: Span,
    pub(super) redirected: Span,
    /// Those that have come, where sources are told apart.
    pub(super) arrived: u64,
    pub(super) times: Vec<f64>,
    pub(super) next: usize,
    pub(super) has_ended: bool,
}

/// How long a caller waits, and whose patience ends first.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    pub(super) nanos: f64,
    pub(super) is_callers: bool,
}

/// What a request costs a task of one revision; all laws are drawn for each request, from streams of the same names, so
/// that a revision that costs twice as much does so for each single request.
pub(super) struct Law {
    pub(super) cpu: Drawn,
    pub(super) wait: Drawn,
    /// Both together, where requests do both; see [`work`](Law::work).
    pub(super) both: Vec<f64>,
    /// The shares of requests that it answers with anything but a 2xx, and what each is answered with.
    pub(super) shares: StatusShares,
    pub(super) status: Vec<StatusClass>,
    pub(super) cancels: bool,
    /// Whether requests take CPU at all, and whether they wait for anything else.
    pub(super) computes: bool,
    pub(super) waits: bool,
    pub(super) cold_start: Option<ColdStart>,
    /// Whether it matters how many requests a process has taken.
    pub(super) counts_taken: bool,
    /// Whether requests in flight take memory.
    pub(super) takes_memory: bool,
    /// What the network adds to a response, nanoseconds.
    pub(super) to_target: f64,
    /// How long a task has for a request of each source, nanoseconds: what the network leaves of its patience.
    pub(super) patience: Vec<f64>,
    /// Of all sources; a response within it is in time for everyone.
    pub(super) least_patience: f64,
}

/// The shares of requests that are answered with 3xx, 4xx and 5xx.
#[derive(Clone, Copy)]
pub(super) struct StatusShares {
    pub(super) redirection: f64,
    pub(super) client_error: f64,
    pub(super) server_error: f64,
}

/// TLS handshakes between the load balancer and tasks, each of which takes CPU time of a request that opens a connection.
pub(super) struct Handshakes {
    /// The share of requests that open one.
    pub(super) share: f64,
    /// CPU time, nanoseconds.
    pub(super) cpu: f64,
    pub(super) stream: Stream,
}

pub(super) struct Drawn {
    pub(super) distribution: Distribution,
    pub(super) stream: Stream,
    pub(super) nanos: Vec<f64>,
    /// How many of them need not be drawn again, since they are always the same.
    constant: usize,
}

impl Law {
    /// The time of each request on a server where CPU is not short.
    #[inline(always)]
    pub(super) fn work(&self) -> &[f64] {
        match (self.computes, self.waits) {
            (true, true) => &self.both,
            (true, false) => &self.cpu.nanos,
            (false, _) => &self.wait.nanos,
        }
    }

    /// The CPU time of a request that comes to a station at `now`.
    pub(super) fn cpu_at(&self, station: &Station, request: usize, now: f64) -> f64 {
        let cpu = self.cpu.nanos[request];
        match self.cold_start {
            Some(ColdStart { factor, .. }) if station.is_cold(now) => whole_nanos(cpu * factor),
            _ => cpu,
        }
    }
}

impl StatusShares {
    pub(super) fn of(application: &Application) -> StatusShares {
        StatusShares {
            redirection: application.redirection_share,
            client_error: application.client_error_share,
            server_error: application.error_share,
        }
    }

    pub(super) fn are_any(self) -> bool {
        self.redirection > 0.0 || self.client_error > 0.0 || self.server_error > 0.0
    }

    /// What a request is answered with whose chance, above 0 and up to 1, falls so.
    pub(super) fn status(self, chance: f64) -> StatusClass {
        let StatusShares { redirection, client_error, server_error } = self;
        if chance <= server_error {
            StatusClass::ServerError
        } else if chance <= server_error + client_error {
            StatusClass::ClientError
        } else if chance <= server_error + client_error + redirection {
            StatusClass::Redirection
        } else {
            StatusClass::Success
        }
    }
}

impl Drawn {
    pub(super) fn new(distribution: &Distribution, stream: Stream) -> Drawn {
        Drawn { distribution: distribution.clone(), stream, nanos: Vec::new(), constant: 0 }
    }

    pub(super) fn fill(&mut self, len: usize) {
        if len > self.constant {
            self.distribution.fill(&mut self.stream, &mut self.nanos[..len]);
            self.constant = if matches!(self.distribution, Distribution::Constant(_)) { len } else { 0 };
        }
    }

    /// Makes some of them so many times as long.
    fn lengthen_by(&mut self, requests: Range<usize>, factor: f64) {
        self.nanos[requests].iter_mut().for_each(|it| *it = whole_nanos(*it * factor));
        self.constant = 0;
    }

    /// Makes one of them longer.
    fn lengthen(&mut self, request: usize, by: f64) {
        self.nanos[request] += by;
        self.constant = 0;
    }
}

/// Requests whose fate is drawn and that have not been served yet.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) arrival: Vec<f64>,
    pub(super) source: Vec<u32>,
    pub(super) node: Vec<u32>,
    /// Of users only: who sent it, and since when they wanted to.
    pub(super) user: Vec<u32>,
    pub(super) wanted_at: Vec<f64>,
    /// Who sends each, of the clients of its source; drawn where [`Lane::knows_clients`].
    pub(super) client: Vec<Client>,
    /// By which a target is chosen at random, from 0 to 1.
    pub(super) chance: Vec<f64>,
    /// By which a target that is broken fails, from 0 to 1.
    pub(super) error_chance: Vec<f64>,
    pub(super) next: usize,
    pub(super) len: usize,
    /// Written by the kernels: stations, and ends (where CPU is shared, the lengths of responses as they come).
    pub(super) place: Vec<u32>,
    pub(super) end: Vec<f64>,
    /// The bucket of its response time, where it was simply served.
    pub(super) bucket: Vec<u32>,
    /// Those of a segment that were not; one more than there are requests is room to write without asking.
    pub(super) late: Vec<u32>,
}

impl Lane {
    /// Draws the next batch; `false` when nothing more arrives.
    pub(super) fn draw(&mut self) -> bool {
        self.make_room();
        self.batch.next = 0;
        self.batch.len = match &mut self.sources[..] {
            [only] => only.arrivals.fill(&mut self.batch.arrival),
            _ => self.merge(),
        };
        self.draw_fates();
        self.batch.len > 0
    }

    /// Draws what befalls each request of the batch.
    pub(super) fn draw_fates(&mut self) {
        let n = self.batch.len;
        for law in &mut self.laws {
            law.cpu.fill(n);
            law.wait.fill(n);
        }
        if self.wait_factor != 1.0 {
            let factor = self.wait_factor;
            self.laws.iter_mut().for_each(|it| it.wait.lengthen_by(0..n, factor));
        }
        if let Some(handshakes) = &mut self.handshakes {
            for request in 0..n {
                if handshakes.stream.unit() <= handshakes.share {
                    self.laws.iter_mut().for_each(|it| it.cpu.lengthen(request, handshakes.cpu));
                }
            }
        }
        for law in self.laws.iter_mut().filter(|it| it.computes && it.waits) {
            add(&law.cpu.nanos[..n], &law.wait.nanos[..n], &mut law.both[..n]);
        }
        let nodes = self.rotation.nodes();
        if nodes > 1 {
            for node in &mut self.batch.node[..n] {
                *node = self.node_stream.below(nodes) as u32;
            }
        }
        if self.knows_clients {
            for (client, &source) in self.batch.client[..n].iter_mut().zip(&self.batch.source) {
                *client = self.sources[source as usize].clients.next_client();
            }
        }
        if let Some(stream) = &mut self.chances {
            self.batch.chance[..n].iter_mut().for_each(|it| *it = stream.unit());
        }
        if let Some(stream) = &mut self.faults {
            for request in 0..n {
                let chance = stream.unit();
                for law in &mut self.laws {
                    law.status[request] = law.shares.status(chance);
                }
            }
        }
        if let Some(stream) = &mut self.error_chances {
            self.batch.error_chance[..n].iter_mut().for_each(|it| *it = stream.unit());
            if self.faults.is_none() {
                // Broken targets have left their marks.
                self.laws.iter_mut().for_each(|it| it.status[..n].fill(StatusClass::Success));
            }
        }
    }

    /// What requests wait for takes so many times as long as usual from now on, for those that have been drawn already,
    /// too.
    pub(super) fn waits_change(&mut self, factor: f64) {
        if factor == self.wait_factor {
            return;
        }
        let drawn = self.batch.next..self.batch.len;
        let ratio = factor / std::mem::replace(&mut self.wait_factor, factor);
        for law in &mut self.laws {
            law.wait.lengthen_by(drawn.clone(), ratio);
            if law.computes && law.waits {
                add(&law.cpu.nanos[drawn.clone()], &law.wait.nanos[drawn.clone()], &mut law.both[drawn.clone()]);
            }
        }
    }

    /// Moves those of a range that come to this target group to its front; how many they are.
    pub(super) fn keep_part(&mut self, range: Range<usize>) -> usize {
        let Lane { batch, sources, laws, target_group, knows_clients, .. } = self;
        let mut kept = range.start;
        for request in range.clone() {
            let client = if *knows_clients { batch.client[request] } else { Client::default() };
            let forwarding = &mut sources[batch.source[request] as usize].forwarding;
            let end = forwarding.as_mut().map(|it| it.next_end(batch.arrival[request], client));
            if end.is_some_and(|it| it != End::TargetGroup(*target_group)) {
                continue;
            }
            if kept < request {
                batch.arrival[kept] = batch.arrival[request];
                batch.source[kept] = batch.source[request];
                batch.node[kept] = batch.node[request];
                batch.chance[kept] = batch.chance[request];
                batch.error_chance[kept] = batch.error_chance[request];
                if *knows_clients {
                    batch.client[kept] = client;
                }
                for law in laws.iter_mut() {
                    law.cpu.nanos[kept] = law.cpu.nanos[request];
                    law.wait.nanos[kept] = law.wait.nanos[request];
                    law.both[kept] = law.both[request];
                    law.status[kept] = law.status[request];
                }
            }
            kept += 1;
        }
        kept - range.start
    }

    /// Lets batches grow where requests come so fast that one is soon over.
    pub(super) fn make_room(&mut self) {
        let times = &self.batch.arrival[..self.batch.len];
        let is_short = times.last().is_some_and(|last| last - times[0] < BATCH_LASTS);
        let wanted = if is_short { (2 * self.room).min(BATCH_MOST) } else { self.room.max(BATCH_LEAST) };
        if wanted != self.room {
            self.resize(wanted);
        }
    }

    /// Makes room for so many requests.
    pub(super) fn resize(&mut self, wanted: usize) {
        self.room = wanted;
        let batch = &mut self.batch;
        for times in [&mut batch.arrival, &mut batch.chance, &mut batch.error_chance, &mut batch.end] {
            times.resize(wanted, 0.0);
        }
        for numbers in [&mut batch.source, &mut batch.node, &mut batch.place, &mut batch.bucket] {
            numbers.resize(wanted, 0);
        }
        if self.knows_clients {
            batch.client.resize(wanted, Client::default());
        }
        batch.late.resize(wanted + 1, 0);
        for law in &mut self.laws {
            for times in [&mut law.cpu.nanos, &mut law.wait.nanos, &mut law.both] {
                times.resize(wanted, 0.0);
            }
            law.status.resize(wanted, StatusClass::Success);
        }
    }

    /// The next arrivals of several workloads in order of time, as many as the batch has room for.
    pub(super) fn merge(&mut self) -> usize {
        let batch = &mut self.batch;
        let mut len = 0;
        while len < self.room {
            let mut earliest: Option<(f64, usize)> = None;
            // The one that comes first, and until when the others come after it; at a tie the first workload leads.
            let mut until = f64::INFINITY;
            let mut ties = true;
            for place in 0..self.sources.len() {
                let Some(time) = self.sources[place].peek() else { continue };
                match earliest {
                    Some((first, _)) if time >= first => {
                        if time < until {
                            (until, ties) = (time, true);
                        }
                    }
                    other => {
                        if let Some((first, _)) = other {
                            (until, ties) = (first, false);
                        }
                        earliest = Some((time, place));
                    }
                }
            }
            let Some((_, place)) = earliest else { break };
            let source = &mut self.sources[place];
            while len < self.room
                && let Some(&time) = source.times.get(source.next)
                && (time < until || (time == until && ties))
            {
                batch.arrival[len] = time;
                batch.source[len] = place as u32;
                source.next += 1;
                len += 1;
            }
        }
        len
    }
}

impl Batch {
    /// The user that sent a request, or nobody.
    #[inline(always)]
    pub(super) fn user_of(&self, request: usize) -> u32 {
        self.user.get(request).copied().unwrap_or(NOBODY)
    }

    /// Since when its caller waits for a request's answer.
    #[inline(always)]
    pub(super) fn awaited_since(&self, request: usize) -> f64 {
        self.wanted_at.get(request).copied().unwrap_or(self.arrival[request])
    }
}

impl Source {
    pub(super) fn peek(&mut self) -> Option<f64> {
        if self.next == self.times.len() && !self.has_ended {
            self.times.resize(BATCH_LEAST, 0.0);
            let filled = self.arrivals.fill(&mut self.times);
            self.has_ended = filled < BATCH_LEAST;
            self.times.truncate(filled);
            self.next = 0;
        }
        self.times.get(self.next).copied()
    }
}

#[multiversion(targets = "simd")]
pub(super) fn add(one: &[f64], other: &[f64], sum: &mut [f64]) {
    for ((sum, one), other) in sum.iter_mut().zip(one).zip(other) {
        *sum = one + other;
    }
}
