//! Users who wait for an answer before they ask again: closed and partly open workloads (Schroeder, Wierman and
//! Harchol-Balter, "Open Versus Closed: A Cautionary Tale", NSDI 2006).
//!
//! A user who is late because the answer before was late has wanted to ask earlier: response times count from then, so
//! that a stall is not left out of them (G. Tene's "coordinated omission").

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::distribution::Distribution;
use crate::rng::Stream;
use crate::units::Span;

/// What users do after they have come.
#[derive(Clone, Debug, PartialEq)]
pub struct Habit {
    /// What lies between two requests of a user.
    pub pause: Pause,
    /// Requests of a user in the mean, at least 1, their number geometric; `None` is without end.
    pub requests: Option<f64>,
    /// Whether a user pauses before the first request too.
    pub begins_with_pause: bool,
}

/// What lies between two requests of a user.
#[derive(Clone, Debug, PartialEq)]
pub enum Pause {
    /// So long from an answer (or from giving up) to the next request.
    ThinkTime(Distribution),
    /// So long from one request to the next, above 0; late where the answer is.
    Every(Span),
}

/// Nobody's number: a request without a user.
pub const NOBODY: u32 = u32::MAX;

/// Nanoseconds that lie between two requests of a user at least, so that time passes however fast the answers are.
const PAUSE_LEAST: u64 = 10_000;

/// The users of one service, as they think and wait.
#[derive(Clone, Debug, Default)]
pub struct Users {
    habits: Vec<Option<(Habit, Stream)>>,
    /// How long answers are on their way to the users of each workload.
    ways: Vec<Span>,
    users: Vec<User>,
    /// Numbers of users who have left, to be used again.
    free: Vec<u32>,
    /// When users ask next. One whose user says otherwise by now is stale.
    upcoming: BinaryHeap<Reverse<(u64, u32)>>,
}

#[derive(Clone, Debug)]
struct User {
    workload: u32,
    /// How many have had this number before.
    generation: u32,
    /// When the next request is sent; [`AWAITS`] while one is under way.
    sends_at: u64,
    /// When the last request was sent, and when the user wanted to.
    sent_at: u64,
    wanted_at: u64,
    /// The pause after the request under way; drawn with it, so that it does not depend on who is answered first.
    pause: u64,
    /// Whether the request under way is the last one.
    leaves: bool,
}

const AWAITS: u64 = u64::MAX;

/// A request that a user sends. Nanoseconds since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sending {
    /// The user's number, and how many have had it before.
    pub user: u32,
    /// Generation.
    pub generation: u32,
    /// Which workload it belongs to.
    pub workload: usize,
    /// When.
    pub at: u64,
    /// When the user wanted to, not later.
    pub wanted_at: u64,
}

impl Users {
    /// Nobody has come yet; what those of each workload do, `None` where its requests come by themselves, and how long an
    /// answer is on its way to them.
    pub fn new(habits: Vec<Option<(Habit, Stream)>>, ways: Vec<Span>) -> Users {
        Users { habits, ways, ..Users::default() }
    }

    /// Whether the requests of some workload are those of users.
    pub fn are_expected(&self) -> bool {
        self.habits.iter().any(Option::is_some)
    }

    /// Whether the requests of a workload are those of users.
    pub fn ask(&self, workload: usize) -> bool {
        self.habits[workload].is_some()
    }

    /// A user comes at `at`.
    pub fn joins(&mut self, workload: usize, at: u64) {
        let Some((habit, stream)) = &mut self.habits[workload] else { return };
        let pause = match &habit.pause {
            Pause::ThinkTime(think_time) if habit.begins_with_pause => think_time.sample(stream).0,
            _ => 0,
        };
        let at = at + pause;
        let workload = workload as u32;
        let mut user =
            User { workload, generation: 0, sends_at: at, sent_at: at, wanted_at: at, pause: 0, leaves: false };
        let number = match self.free.pop() {
            Some(number) => {
                user.generation = self.users[number as usize].generation.wrapping_add(1);
                self.users[number as usize] = user;
                number
            }
            None => {
                self.users.push(user);
                (self.users.len() - 1) as u32
            }
        };
        self.upcoming.push(Reverse((at, number)));
    }

    /// When the next request is sent, or a user leaves.
    pub fn next_at(&mut self) -> Option<u64> {
        while let Some(&Reverse((at, number))) = self.upcoming.peek() {
            if self.users[number as usize].sends_at == at {
                return Some(at);
            }
            self.upcoming.pop();
        }
        None
    }

    /// Sends the next request; `None` where its user leaves instead.
    pub fn send(&mut self) -> Option<Sending> {
        self.next_at()?;
        let Reverse((at, number)) = self.upcoming.pop()?;
        let user = &mut self.users[number as usize];
        if user.leaves {
            user.sends_at = AWAITS;
            self.free.push(number);
            return None;
        }
        let workload = user.workload as usize;
        let (habit, stream) = self.habits[workload].as_mut()?;
        user.sends_at = AWAITS;
        user.sent_at = at;
        if let Pause::ThinkTime(think_time) = &habit.pause {
            user.wanted_at = at;
            user.pause = think_time.sample(stream).0;
        }
        user.leaves = habit.requests.is_some_and(|mean| stream.unit() * mean <= 1.0);
        Some(Sending { user: number, generation: user.generation, workload, at, wanted_at: user.wanted_at })
    }

    /// The request of a user ends at `at`, from where its answer goes its way; said again, what was said before is void.
    pub fn are_answered(&mut self, number: u32, at: u64) {
        let user = &mut self.users[number as usize];
        let at = at + self.ways[user.workload as usize].0;
        let Some((habit, _)) = &self.habits[user.workload as usize] else { return };
        let least = user.sent_at + PAUSE_LEAST;
        user.sends_at = match habit.pause {
            Pause::ThinkTime(_) => (at + user.pause).max(least),
            Pause::Every(_) if user.leaves => at.max(least),
            Pause::Every(span) => {
                // What was said before counted the same step.
                let wanted_at = if user.sends_at == AWAITS { user.wanted_at + span.0 } else { user.wanted_at };
                user.wanted_at = wanted_at;
                wanted_at.max(at).max(least)
            }
        };
        self.upcoming.push(Reverse((user.sends_at, number)));
    }

    /// When the request of a user ends is no longer known.
    pub fn wait_on(&mut self, number: u32) {
        let user = &mut self.users[number as usize];
        if let Some((Habit { pause: Pause::Every(span), .. }, _)) = &self.habits[user.workload as usize]
            && user.sends_at != AWAITS
            && !user.leaves
        {
            user.wanted_at -= span.0;
        }
        user.sends_at = AWAITS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;

    const MILLI: u64 = 1_000_000;

    fn users(habit: Habit) -> Users {
        Users::new(vec![Some((habit, Seed { seed: 3, replication: 0 }.stream("think time", "test")))], vec![Span::ZERO])
    }

    fn mean(values: &[u64]) -> f64 {
        values.iter().map(|it| *it as f64).sum::<f64>() / values.len() as f64 / MILLI as f64
    }

    /// In milliseconds, by the nearest rank.
    fn percentile(values: &[u64], share: f64) -> f64 {
        values[((values.len() as f64 * share).ceil() as usize).clamp(1, values.len()) - 1] as f64 / MILLI as f64
    }

    /// A hundred seconds of users who come 10 ms after each other; an answer takes 1 ms, but of every ten seconds the last
    /// one stands still. Sorted response times, since they wanted to ask.
    fn stalls(count: u64, pause: Pause) -> Vec<u64> {
        let mut users = users(Habit { pause, requests: None, begins_with_pause: false });
        (0..count).for_each(|it| users.joins(0, 10 * MILLI * it));
        let mut waits = Vec::new();
        while let Some(sending) = users.send()
            && sending.at < 100_000 * MILLI
        {
            let (ten, within) = (sending.at / (10_000 * MILLI), sending.at % (10_000 * MILLI));
            let end = if within >= 9_000 * MILLI { (ten + 1) * 10_000 * MILLI } else { sending.at + MILLI };
            waits.push(end - sending.wanted_at);
            users.are_answered(sending.user, end);
        }
        waits.sort_unstable();
        waits
    }

    /// Worked example 17: 100 requests a second are intended.
    #[test]
    fn w17_what_a_stall_keeps_from_being_sent_is_measured_too() {
        let omitting = stalls(1, Pause::ThinkTime(Distribution::Constant(Span::millis(9))));
        assert_eq!(percentile(&omitting, 0.99), 1.0);
        assert!((mean(&omitting) - 2.11).abs() < 0.015, "{}", mean(&omitting));
        let intended = stalls(100, Pause::Every(Span::SECOND));
        // A thousandth of them take a second.
        let percentiles = [0.95, 0.99, 0.999_1].map(|it| percentile(&intended, it));
        assert_eq!((percentiles, mean(&intended)), ([500.0, 900.0, 1_000.0], 51.4));
        // One user has the whole stall to catch up with, one request after the other.
        let late = stalls(1, Pause::Every(Span::millis(10)));
        assert!(percentile(&late, 0.99) > 900.0 && mean(&late) > 51.4);
    }

    #[test]
    fn a_user_leaves_after_so_many_requests_in_the_mean() {
        let habit = Habit {
            pause: Pause::ThinkTime(Distribution::Constant(Span::SECOND)),
            requests: Some(4.0),
            begins_with_pause: true,
        };
        let mut users = users(habit);
        for _ in 0..2_000 {
            users.joins(0, 0);
        }
        assert_eq!(users.next_at(), Some(Span::SECOND.0));
        let mut sent = 0;
        while users.next_at().is_some() {
            if let Some(sending) = users.send() {
                sent += 1;
                users.are_answered(sending.user, sending.at + MILLI);
            }
        }
        // Geometric: the standard deviation of a mean of 2,000 is 0.077.
        assert!((f64::from(sent) / 2_000.0 - 4.0).abs() < 0.25, "{sent}");
        assert_eq!(users.free.len(), 2_000);
    }

    #[test]
    fn an_answer_that_comes_otherwise_is_the_one_that_counts() {
        for pause in [Pause::ThinkTime(Distribution::Constant(Span::millis(50))), Pause::Every(Span::millis(51))] {
            let mut users = users(Habit { pause, requests: None, begins_with_pause: false });
            users.joins(0, 0);
            let sending = users.send().expect("the user asks at once");
            users.are_answered(sending.user, 500 * MILLI);
            users.are_answered(sending.user, MILLI);
            assert_eq!(users.next_at(), Some(51 * MILLI));
            users.wait_on(sending.user);
            assert_eq!(users.next_at(), None);
            users.are_answered(sending.user, MILLI);
            assert_eq!(users.send().map(|it| it.at), Some(51 * MILLI));
            assert_eq!(users.send(), None);
        }
    }
}
