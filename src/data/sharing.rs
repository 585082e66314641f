//! A task whose threads share its CPU: each of the n that compute progresses at min(1, v / n) of a vCPU, where the task
//! is given v of them, and the rest of its work is waiting. (Kleinrock, "Queueing Systems" II, 1976: processor sharing.)
//!
//! A CFS quota is the CPU time that all of them may use in each period. Once it is spent they stand still until the next
//! period begins. (Linux kernel documentation, "CFS Bandwidth Control": a budget for each period, shared by all threads.)
//!
//! The clock of a task moves only when one of its requests begins or ends a step, or when v changes, so that the numbers
//! do not depend on how often someone looks.

pub mod abreast;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use crate::data::kernel::{greater, smaller};
use crate::distribution::whole_nanos;

/// A request at a task. Times are whole nanoseconds in floats.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    /// When it came; of a user who wanted to send it before, when that was.
    pub arrival: f64,
    /// CPU time.
    pub cpu: f64,
    /// Time that it waits after that, holding its thread.
    pub wait: f64,
    /// When its caller, or the load balancer, gives it up.
    pub deadline: f64,
    /// Load balancer node.
    pub node: u8,
    /// The user that sent it, or nobody.
    pub user: u32,
    /// Whose patience ends at the deadline, and what the answer would be.
    pub kind: JobKind,
    /// Whether nobody waits for it any more.
    pub caller_has_ended: bool,
}

/// The class of the status code that a task answers with (RFC 9110, section 15).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatusClass {
    /// 2xx
    #[default]
    Success,
    /// 3xx
    Redirection,
    /// 4xx
    ClientError,
    /// 5xx
    ServerError,
}

/// What a job is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobKind {
    /// A request.
    Request {
        /// Whether it is its caller that gives up, rather than the load balancer.
        is_callers_patience: bool,
        /// What the application answers with.
        status: StatusClass,
    },
    /// A health check.
    Probe,
}

/// The jobs of one task.
#[derive(Clone, Debug)]
pub struct Sharing {
    servers: usize,
    queue_limit: usize,
    /// Whether a job whose caller has given up is dropped before it starts.
    cancels: bool,
    /// What it is given, and what of that its threads use now: nothing while its quota is spent.
    offered_vcpu: f64,
    vcpu: f64,
    inverse_vcpu: f64,
    /// When the clock was moved last, and the work that each job that computes has been given by then, counted from
    /// when the first of them began.
    at: f64,
    given: f64,
    /// CPU time that all have used by then.
    used: f64,
    /// Those that compute, the one that is done next at the end.
    computing: Vec<Computing>,
    waiting: Waiting,
    queue: VecDeque<Job>,
    throttle: Option<Throttle>,
    /// When the next step ends; infinite without any. Where `quota_turns`, it is that the quota is spent or fresh.
    next_cpu: f64,
    quota_turns: bool,
    next_wait: f64,
    /// No job's caller gives up before this.
    earliest_deadline: f64,
}

/// CPU time that all threads of a task may use in each period.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quota {
    /// CPU time, nanoseconds; above 0.
    pub amount: f64,
    /// Length of the periods, nanoseconds; above 0.
    pub period: u64,
    /// When one of the first periods begins, less than a period from zero, nanoseconds.
    pub phase: u64,
}

/// How much of its quota a task has used.
#[derive(Clone, Copy, Debug)]
struct Throttle {
    quota: Quota,
    /// The part of it that is for these jobs.
    part: f64,
    period_ends: f64,
    /// The CPU time used, all in all, when the quota of this period is spent.
    spent_at: f64,
}

impl Throttle {
    /// A new period has begun, if one has by `now`.
    fn renew(&mut self, now: f64, used: f64) {
        if now >= self.period_ends {
            let Quota { amount, period, phase } = self.quota;
            // In whole numbers, since a quotient of floats may be rounded up to the next period.
            let since_phase = now as u64 + period - phase;
            self.period_ends = ((since_phase / period) * period + phase) as f64;
            self.spent_at = used + amount * self.part;
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Computing {
    /// What it must have been given when it is done.
    needs: f64,
    job: Job,
}

/// Jobs that wait, holding their threads: by when they are done, and where they are kept.
#[derive(Clone, Debug, Default)]
struct Waiting {
    ends: BinaryHeap<Reverse<(u64, u32)>>,
    jobs: Vec<Option<Job>>,
    free: Vec<u32>,
}

impl Waiting {
    fn push(&mut self, until: f64, job: Job) {
        let place = self.free.pop().unwrap_or(self.jobs.len() as u32);
        if place as usize == self.jobs.len() {
            self.jobs.push(None);
        }
        self.jobs[place as usize] = Some(job);
        self.ends.push(Reverse((until as u64, place)));
    }

    fn pop(&mut self) -> Option<Job> {
        let Reverse((_, place)) = self.ends.pop()?;
        self.free.push(place);
        self.jobs[place as usize].take()
    }

    fn next(&self) -> f64 {
        self.ends.peek().map_or(f64::INFINITY, |Reverse((until, _))| *until as f64)
    }
}

impl Sharing {
    /// An idle task; with a `quota`, one whose CPU is throttled.
    pub fn new(servers: usize, queue_limit: usize, cancels: bool, quota: Option<Quota>) -> Sharing {
        Sharing {
            servers,
            queue_limit,
            cancels,
            offered_vcpu: 1.0,
            vcpu: 1.0,
            inverse_vcpu: 1.0,
            at: 0.0,
            given: 0.0,
            used: 0.0,
            computing: Vec::new(),
            waiting: Waiting::default(),
            queue: VecDeque::new(),
            throttle: quota.map(|quota| Throttle { quota, part: 1.0, period_ends: 0.0, spent_at: 0.0 }),
            next_cpu: f64::INFINITY,
            quota_turns: false,
            next_wait: f64::INFINITY,
            earliest_deadline: f64::INFINITY,
        }
    }

    /// Jobs that hold a thread.
    #[inline(always)]
    fn busy(&self) -> usize {
        self.computing.len() + self.waiting.ends.len()
    }

    /// How many jobs it holds, those that queue included.
    pub fn held(&self) -> usize {
        self.busy() + self.queue.len()
    }

    /// Whether it holds nothing but jobs that compute, as fast as it is given CPU.
    #[inline(always)]
    fn only_computes(&self) -> bool {
        self.waiting.ends.is_empty() && self.queue.is_empty() && self.throttle.is_none()
    }

    /// Whether it takes one more job: onto a thread, or into its queue.
    pub fn has_room(&self) -> bool {
        self.busy() < self.servers || self.queue.len() < self.queue_limit
    }

    /// When something happens next, if nothing comes: a step ends, or a caller may give up.
    pub fn next(&self) -> f64 {
        self.next_cpu.min(self.next_wait).min(self.earliest_deadline)
    }

    /// All jobs, in no particular order.
    pub fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.computing.iter().map(|it| &it.job).chain(self.waiting.jobs.iter().flatten()).chain(&self.queue)
    }

    /// All jobs, in no particular order.
    pub fn jobs_mut(&mut self) -> impl Iterator<Item = &mut Job> {
        let computing = self.computing.iter_mut().map(|it| &mut it.job);
        computing.chain(self.waiting.jobs.iter_mut().flatten()).chain(&mut self.queue)
    }

    /// CPU time used by `now`, at or after the last step.
    pub fn used(&self, now: f64) -> f64 {
        self.used + (now - self.at) * (self.computing.len() as f64).min(self.vcpu)
    }

    /// Gives the task so many vCPUs from `now` on, up to which it has run.
    pub fn is_given(&mut self, now: f64, vcpu: f64) {
        if vcpu != self.offered_vcpu {
            self.pass(now);
            (self.offered_vcpu, self.vcpu) = (vcpu, vcpu);
            self.inverse_vcpu = 1.0 / vcpu;
            self.foresee();
        }
    }

    /// From the next period on its jobs have this part of the quota, above 0: the rest is used by others of its task.
    pub fn has_part_of_quota(&mut self, part: f64) {
        if let Some(throttle) = &mut self.throttle {
            throttle.part = part;
        }
    }

    /// Runs until `until`: `ended` hears of each job that is done by then, and when; of one that is dropped, infinity.
    #[inline(always)]
    pub fn run(&mut self, until: f64, mut ended: impl FnMut(&Job, f64)) {
        loop {
            if self.next_cpu <= until && self.next_cpu <= self.next_wait {
                self.computes(&mut ended);
            } else if self.next_wait <= until {
                self.waits(&mut ended);
            } else {
                return;
            }
        }
    }

    /// The next one that computes is done with it.
    #[inline(always)]
    fn computes(&mut self, ended: &mut impl FnMut(&Job, f64)) {
        let now = self.next_cpu;
        self.pass(now);
        if self.quota_turns {
            self.foresee();
            return;
        }
        let Some(Computing { needs, job }) = self.computing.pop() else { return };
        self.given = needs;
        if job.wait > 0.0 {
            self.waiting.push(now + job.wait, job);
            self.next_wait = self.waiting.next();
        } else {
            ended(&job, now);
            self.go_on(now, ended);
        }
        self.foresee();
    }

    /// The next one that waits is done with it.
    fn waits(&mut self, ended: &mut impl FnMut(&Job, f64)) {
        let now = self.next_wait;
        let Some(job) = self.waiting.pop() else { return };
        self.next_wait = self.waiting.next();
        ended(&job, now);
        self.go_on(now, ended);
        self.foresee();
    }

    /// A thread is free for the next one of the queue.
    #[inline(always)]
    fn go_on(&mut self, now: f64, ended: &mut impl FnMut(&Job, f64)) {
        while let Some(job) = self.queue.pop_front() {
            if self.cancels && job.deadline < now {
                ended(&job, f64::INFINITY);
                continue;
            }
            self.pass(now);
            self.compute(job.cpu, job);
            return;
        }
    }

    /// Takes a job that comes at `now`, up to which the task has run. Tells whether there was room, and who was dropped.
    #[inline(always)]
    pub fn take(&mut self, now: f64, job: Job, ended: impl FnMut(&Job, f64)) -> bool {
        if self.busy() >= self.servers {
            return self.queues(now, job, ended);
        }
        self.earliest_deadline = smaller(self.earliest_deadline, job.deadline);
        self.pass(now);
        self.compute(job.cpu, job);
        self.foresee();
        true
    }

    fn queues(&mut self, now: f64, job: Job, mut ended: impl FnMut(&Job, f64)) -> bool {
        if self.cancels {
            self.queue.retain(|it| {
                let stays = it.deadline > now;
                if !stays {
                    ended(it, f64::INFINITY);
                }
                stays
            });
        }
        let is_taken = self.queue.len() < self.queue_limit;
        if is_taken {
            self.earliest_deadline = smaller(self.earliest_deadline, job.deadline);
            self.queue.push_back(job);
        }
        is_taken
    }

    /// Takes a job as it stands at `now`.
    pub fn take_over(&mut self, now: f64, job: Job, stands: Standing) {
        self.earliest_deadline = smaller(self.earliest_deadline, job.deadline);
        match stands {
            Standing::Queues => self.queue.push_back(job),
            Standing::Computes(left) => {
                self.pass(now);
                self.compute(left, job);
                self.foresee();
            }
            Standing::Waits(until) => {
                self.waiting.push(until, job);
                self.next_wait = self.waiting.next();
            }
        }
    }

    /// Hands all jobs over as they stand at `now`, up to which the task has run: those that hold threads, then those
    /// that queue, in order.
    pub fn hand_over(&mut self, now: f64) -> Vec<(Job, Standing)> {
        self.pass(now);
        let left = |needs: f64| whole_nanos((needs - self.given).max(0.0));
        let computing = self.computing.iter().map(|it| (it.job, Standing::Computes(left(it.needs))));
        let mut jobs: Vec<(Job, Standing)> = computing.collect();
        for Reverse((until, place)) in &self.waiting.ends {
            jobs.extend(self.waiting.jobs[*place as usize].map(|it| (it, Standing::Waits(*until as f64))));
        }
        jobs.sort_by(|one, other| one.0.arrival.total_cmp(&other.0.arrival));
        jobs.extend(self.queue.iter().map(|it| (*it, Standing::Queues)));
        self.empty();
        jobs
    }

    /// When the health check that it holds will be answered if nothing more comes; `None` without one.
    pub fn foretell_probe(&self) -> Option<f64> {
        self.jobs().find(|it| it.kind == JobKind::Probe)?;
        let mut future = self.clone();
        let mut answered = None;
        while answered.is_none() && future.next_cpu.min(future.next_wait) < f64::INFINITY {
            future.run(future.next_cpu.min(future.next_wait), |job, end| {
                if job.kind == JobKind::Probe {
                    answered = Some(end);
                }
            });
        }
        answered
    }

    /// Calls `given_up` for each job whose caller gives up by `until`.
    pub fn expire(&mut self, until: f64, mut given_up: impl FnMut(&Job)) {
        if self.earliest_deadline > until {
            return;
        }
        let mut earliest = f64::INFINITY;
        for job in self.jobs_mut().filter(|it| !it.caller_has_ended) {
            if job.deadline <= until {
                given_up(job);
                job.caller_has_ended = true;
            } else {
                earliest = earliest.min(job.deadline);
            }
        }
        self.earliest_deadline = earliest;
    }

    /// The process is gone, and all it held with it; what it has used stays.
    pub fn empty(&mut self) {
        self.computing.clear();
        self.waiting = Waiting::default();
        self.queue.clear();
        self.given = 0.0;
        (self.next_cpu, self.next_wait) = (f64::INFINITY, f64::INFINITY);
        self.earliest_deadline = f64::INFINITY;
    }

    /// Moves the clock.
    #[inline(always)]
    pub fn pass(&mut self, now: f64) {
        let count = self.computing.len();
        let length = now - self.at;
        self.at = now;
        let given = length * smaller(self.vcpu * inverse(count), 1.0);
        // Counted anew whenever nobody computes, so that no digits are lost in the long run.
        self.given = if count == 0 { 0.0 } else { self.given + given };
        self.used += given * count as f64;
    }

    #[inline(always)]
    fn compute(&mut self, cpu: f64, job: Job) {
        let needs = self.given + cpu;
        let computing = Computing { needs, job };
        self.computing.push(computing);
        let mut at = self.computing.len() - 1;
        // At a tie the one that came first is done first.
        while at > 0 && self.computing[at - 1].needs <= needs {
            self.computing[at] = self.computing[at - 1];
            at -= 1;
        }
        self.computing[at] = computing;
    }

    #[inline(always)]
    fn foresee(&mut self) {
        if self.throttle.is_some() {
            self.foresee_throttled();
            return;
        }
        self.next_cpu = self.computing.last().map_or(f64::INFINITY, |it| self.done_at(it.needs));
    }

    /// When one that computes and needs the least is done, if nothing comes.
    #[inline(always)]
    fn done_at(&self, needs: f64) -> f64 {
        let slowdown = greater(self.computing.len() as f64 * self.inverse_vcpu, 1.0);
        self.at + whole_nanos(greater(needs - self.given, 0.0) * slowdown)
    }

    fn foresee_throttled(&mut self) {
        let (Some(throttle), Some(next)) = (&mut self.throttle, self.computing.last()) else {
            (self.next_cpu, self.quota_turns) = (f64::INFINITY, false);
            return;
        };
        throttle.renew(self.at, self.used);
        let Throttle { period_ends, spent_at, .. } = *throttle;
        let speed = smaller(self.computing.len() as f64, self.offered_vcpu);
        let spent = self.at + whole_nanos(greater(spent_at - self.used, 0.0) / speed);
        let done = self.done_at(next.needs);
        // What is done just when the quota is spent is done.
        self.quota_turns = done > smaller(spent, period_ends);
        let is_spent = self.quota_turns && spent <= self.at;
        self.vcpu = if is_spent { 0.0 } else { self.offered_vcpu };
        self.next_cpu = match self.quota_turns {
            false => done,
            true if is_spent => period_ends,
            true => smaller(spent, period_ends),
        };
    }
}

/// One over few, without a division; of none, whatever is finite.
#[inline(always)]
fn inverse(count: usize) -> f64 {
    const INVERSES: [f64; 64] = {
        let mut inverses = [1.0; 64];
        let mut count = 1;
        while count < 64 {
            inverses[count] = 1.0 / count as f64;
            count += 1;
        }
        inverses
    };
    if count < 64 { INVERSES[count] } else { 1.0 / count as f64 }
}

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Standing {
    /// It has not begun.
    Queues,
    /// It has so much CPU time left to do.
    Computes(f64),
    /// It waits until then.
    Waits(f64),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::users::NOBODY;

    fn job(arrival: f64, cpu: f64, wait: f64) -> Job {
        let kind = JobKind::Request { is_callers_patience: false, status: StatusClass::Success };
        Job { arrival, cpu, wait, deadline: 1e12, node: 0, user: NOBODY, kind, caller_has_ended: false }
    }

    fn ends(sharing: &mut Sharing, until: f64) -> Vec<(f64, f64)> {
        let mut ends = Vec::new();
        sharing.run(until, |job, end| ends.push((job.arrival, end)));
        ends
    }

    #[test]
    fn threads_share_what_the_task_is_given() {
        let mut sharing = Sharing::new(3, 10, false, None);
        sharing.is_given(0.0, 0.5);
        assert!(sharing.take(0.0, job(0.0, 100.0, 0.0), |_, _| ()));
        assert!(sharing.take(0.0, job(0.0, 200.0, 50.0), |_, _| ()));
        // Each has a quarter of a vCPU until the first is done; then the other has half.
        assert_eq!(ends(&mut sharing, 399.0), []);
        assert_eq!(ends(&mut sharing, 400.0), [(0.0, 400.0)]);
        assert_eq!(sharing.used(400.0), 200.0);
        assert_eq!(sharing.held(), 1);
        assert_eq!(ends(&mut sharing, 1000.0), [(0.0, 650.0)], "200 more on the CPU, then 50 of waiting");
        assert_eq!(sharing.used(1000.0), 300.0);
    }

    #[test]
    fn more_than_the_threads_queue_and_more_than_the_queue_are_refused() {
        let mut sharing = Sharing::new(1, 1, false, None);
        for (arrival, is_taken) in [(0.0, true), (1.0, true), (2.0, false)] {
            assert_eq!(sharing.take(arrival, job(arrival, 100.0, 10.0), |_, _| ()), is_taken);
        }
        assert_eq!(ends(&mut sharing, 1000.0), [(0.0, 110.0), (1.0, 220.0)], "a thread is held while it waits");
    }

    #[test]
    fn what_changes_hands_ends_when_it_would_have() {
        let mut sharing = Sharing::new(2, 10, false, None);
        for arrival in [0.0, 10.0, 20.0] {
            sharing.take(arrival, job(arrival, 100.0, 30.0), |_, _| ());
        }
        let jobs = sharing.hand_over(60.0);
        assert_eq!(sharing.held(), 0);
        let mut other = Sharing::new(2, 10, false, None);
        jobs.into_iter().for_each(|(job, stands)| other.take_over(60.0, job, stands));
        let mut whole = Sharing::new(2, 10, false, None);
        for arrival in [0.0, 10.0, 20.0] {
            whole.take(arrival, job(arrival, 100.0, 30.0), |_, _| ());
        }
        assert_eq!(ends(&mut other, 1e6), ends(&mut whole, 1e6));
    }
    /// When jobs of so much CPU time each, which come at `begin`, are done by a task of this quota in each 100 ms; all ms.
    fn throttled(begin: f64, jobs: &[f64], quota: f64) -> Vec<f64> {
        let quota = Quota { amount: quota * 1e6, period: 100_000_000, phase: 0 };
        let mut sharing = Sharing::new(8, 10, false, Some(quota));
        sharing.is_given(0.0, 8.0);
        for cpu in jobs {
            sharing.take(begin * 1e6, job(begin * 1e6, cpu * 1e6, 0.0), |_, _| ());
        }
        let ends = ends(&mut sharing, 1e12);
        assert!((sharing.used(1e12) - jobs.iter().sum::<f64>() * 1e6).abs() < 1.0);
        ends.into_iter().map(|(_, end)| end / 1e6 - begin).collect()
    }

    #[test]
    fn a_burst_takes_whole_periods_and_the_rest() {
        assert_eq!(throttled(0.0, &[25.0], 10.0), [205.0]);
        assert_eq!(throttled(0.0, &[50.0; 4], 100.0), [125.0; 4]);
        assert_eq!(throttled(0.0, &[50.0; 2], 50.0), [125.0; 2]);
        assert_eq!(throttled(0.0, &[30.0], 25.0), [105.0]);
        assert_eq!(throttled(0.0, &[12.5; 4], 200.0), [12.5; 4]);
        assert_eq!(throttled(0.0, &[7.5; 4], 25.0), [101.25; 4], "25 ms are spent in 6.25 ms");
        assert_eq!(throttled(0.0, &[10.0, 20.0], 30.0), [10.0, 20.0], "30 ms of CPU are just enough");
    }

    #[test]
    fn a_burst_within_a_period_meets_the_next_one_sooner() {
        assert_eq!(throttled(90.0, &[30.0], 25.0), [30.0], "10 ms of this period, 20 ms of the next");
        assert_eq!(throttled(195.0, &[40.0], 25.0), [5.0 + 100.0 + 10.0]);
    }

    #[test]
    fn one_that_comes_while_the_quota_is_spent_stands_still_too() {
        let quota = Quota { amount: 10.0, period: 100, phase: 30 };
        let mut sharing = Sharing::new(8, 10, false, Some(quota));
        sharing.is_given(0.0, 8.0);
        sharing.take(30.0, job(30.0, 12.0, 0.0), |_, _| ());
        assert_eq!(ends(&mut sharing, 50.0), []);
        assert_eq!(sharing.used(50.0), 10.0);
        sharing.take(50.0, job(50.0, 1.0, 0.0), |_, _| ());
        assert_eq!(ends(&mut sharing, 1000.0), [(50.0, 131.0), (30.0, 132.0)]);
        assert_eq!(sharing.used(1000.0), 13.0);
    }
}
