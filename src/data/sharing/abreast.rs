//! Tasks that share their CPU, eight abreast: each takes its own next step, an arrival or a departure, whichever it is,
//! without a branch that a processor would have to guess.
//!
//! The steps of a task are those of [`Sharing`], the same operations in the same order, so that the numbers are the same
//! to the last bit. What has no place here (waiting, queues, quotas) is left to it.

use multiversion::multiversion;

use crate::data::kernel::{greater, smaller};
use crate::data::sharing::{Computing, Job, Sharing};
use crate::distribution::whole_nanos;

/// Tasks abreast.
pub const WIDTH: usize = 8;

/// Jobs that a task can hold here.
const ROWS: usize = 32;

type Row = [f64; WIDTH];

/// Requests that are dealt to tasks in turn, one to each before the first gets another.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// When they come, nanoseconds.
    pub arrivals: &'a [f64],
    /// CPU time of each, nanoseconds.
    pub cpu: &'a [f64],
    /// How many tasks they are dealt to.
    pub tasks: usize,
    /// No caller waits shorter than that, nanoseconds.
    pub least_patience: f64,
    /// Until when the tasks run; no request comes after it.
    pub until: f64,
}

/// A job that is done.
#[derive(Clone, Copy, Debug)]
pub enum Departure {
    /// One that its task held before.
    Held(Job),
    /// A request of the segment, by its number.
    Request(usize),
}

/// Room for tasks abreast, and what came of them.
#[derive(Debug, Default)]
pub struct Abreast {
    lanes: Box<Lanes>,
    /// Arrivals and CPU times, behind them nobody for each task.
    arrivals: Vec<f64>,
    cpu: Vec<f64>,
    /// The jobs that the tasks held before; they are numbered before the requests.
    held: Vec<Job>,
    /// Numbers of those that are done, and when; a stretch of room for each task.
    done: Vec<(f64, f64)>,
}

/// The state of tasks abreast.
#[derive(Debug)]
struct Lanes {
    /// What jobs must have been given when they are done, the next one first, and their numbers. Behind them infinity.
    needs: [Row; ROWS + 2],
    jobs: [Row; ROWS + 2],
    count: Row,
    at: Row,
    given: Row,
    used: Row,
    vcpu: Row,
    inverse_vcpu: Row,
    next_cpu: Row,
    /// The number of the next request of each.
    next: [usize; WIDTH],
    /// Where the next one that is done is put down.
    done: [usize; WIDTH],
    /// The most jobs that a task can hold and not be full.
    room: usize,
}

impl Default for Lanes {
    fn default() -> Self {
        let (nobody, zero) = ([f64::INFINITY; WIDTH], [0.0; WIDTH]);
        Lanes {
            needs: [nobody; ROWS + 2],
            jobs: [zero; ROWS + 2],
            count: zero,
            at: zero,
            given: zero,
            used: zero,
            vcpu: [1.0; WIDTH],
            inverse_vcpu: [1.0; WIDTH],
            next_cpu: nobody,
            next: [0; WIDTH],
            done: [0; WIDTH],
            room: ROWS,
        }
    }
}

impl Abreast {
    /// Takes the requests of a segment, of which each group of tasks will run its own.
    pub fn expect(&mut self, segment: &Segment<'_>) {
        for (all, some, nobody) in
            [(&mut self.arrivals, segment.arrivals, f64::INFINITY), (&mut self.cpu, segment.cpu, 0.0)]
        {
            all.clear();
            all.extend_from_slice(some);
            all.resize(some.len() + segment.tasks, nobody);
        }
    }

    /// Runs up to eight tasks, by their places, through the segment: the first request goes to the task of each at
    /// `firsts`. `false`, and nothing has happened, where one of them holds, or would hold, what has no place here.
    /// `job_of` is what a request is to its task; `departs` hears of each job that is done: where, which, when.
    #[inline(always)]
    pub fn run(
        &mut self,
        tasks: &mut [Sharing],
        (places, firsts): (&[usize], &[usize]),
        segment: &Segment<'_>,
        job_of: impl Fn(usize) -> Job,
        mut departs: impl FnMut(usize, Departure, f64),
    ) -> bool {
        let has_room = |it: &Sharing| it.computing.len() <= ROWS.min(it.servers);
        if !places.iter().all(|&it| tasks[it].only_computes() && has_room(&tasks[it])) {
            return false;
        }
        self.load(tasks, places, firsts, segment);
        if !run_abreast(&mut self.lanes, &self.arrivals, &self.cpu, segment, self.held.len() as f64, &mut self.done) {
            return false;
        }
        let numbered = |number: f64| (number as usize).checked_sub(self.held.len());
        let stretch = self.done.len() / WIDTH;
        for (lane, &place) in places.iter().enumerate() {
            for &(number, at) in &self.done[lane * stretch..self.lanes.done[lane]] {
                match numbered(number) {
                    Some(request) => departs(place, Departure::Request(request), at),
                    None => departs(place, Departure::Held(self.held[number as usize]), at),
                }
            }
            let task = &mut tasks[place];
            if let Some(first) = segment.arrivals.get(firsts[lane]) {
                task.earliest_deadline = smaller(task.earliest_deadline, first + segment.least_patience);
            }
            task.computing.clear();
            for row in (0..self.lanes.count[lane] as usize).rev() {
                let number = self.lanes.jobs[row][lane];
                let job = numbered(number).map_or_else(|| self.held[number as usize], &job_of);
                task.computing.push(Computing { needs: self.lanes.needs[row][lane], job });
            }
            (task.at, task.given, task.used) = (self.lanes.at[lane], self.lanes.given[lane], self.lanes.used[lane]);
            task.next_cpu = self.lanes.next_cpu[lane];
        }
        true
    }

    fn load(&mut self, tasks: &[Sharing], places: &[usize], firsts: &[usize], segment: &Segment<'_>) {
        let lanes = &mut *self.lanes;
        lanes.needs = [[f64::INFINITY; WIDTH]; ROWS + 2];
        self.held.clear();
        // As many as one can hold and get, and one more to write without asking.
        let stretch = ROWS + segment.arrivals.len().div_ceil(segment.tasks) + 1;
        self.done.resize(WIDTH * stretch, (0.0, 0.0));
        lanes.room = ROWS;
        for lane in 0..WIDTH {
            lanes.done[lane] = lane * stretch;
            let (Some(&place), Some(&first)) = (places.get(lane), firsts.get(lane)) else {
                // Behind the last request: nothing ever happens here.
                lanes.next[lane] = segment.arrivals.len();
                lanes.next_cpu[lane] = f64::INFINITY;
                lanes.count[lane] = 0.0;
                continue;
            };
            let task = &tasks[place];
            for (row, computing) in task.computing.iter().rev().enumerate() {
                lanes.needs[row][lane] = computing.needs;
                lanes.jobs[row][lane] = self.held.len() as f64;
                self.held.push(computing.job);
            }
            lanes.room = lanes.room.min(task.servers);
            lanes.count[lane] = task.computing.len() as f64;
            (lanes.at[lane], lanes.given[lane], lanes.used[lane]) = (task.at, task.given, task.used);
            (lanes.vcpu[lane], lanes.inverse_vcpu[lane]) = (task.vcpu, task.inverse_vcpu);
            lanes.next_cpu[lane] = task.next_cpu;
            lanes.next[lane] = first.min(segment.arrivals.len());
        }
    }
}

/// Runs all lanes until `segment.until`; `false` if one would hold more than there is room for.
#[multiversion(targets = "simd")]
fn run_abreast(
    lanes: &mut Lanes,
    arrivals: &[f64],
    cpu: &[f64],
    segment: &Segment<'_>,
    first_number: f64,
    done: &mut [(f64, f64)],
) -> bool {
    let mut most = greatest(&lanes.count);
    loop {
        let mut arrival = [0.0; WIDTH];
        let mut work = [0.0; WIDTH];
        let mut number = [0.0; WIDTH];
        for lane in 0..WIDTH {
            let next = lanes.next[lane];
            (arrival[lane], work[lane], number[lane]) = (arrivals[next], cpu[next], next as f64 + first_number);
        }
        let mut departs = [0.0; WIDTH];
        let mut arrives = [0.0; WIDTH];
        let mut needs = [0.0; WIDTH];
        let mut now = [0.0; WIDTH];
        let mut happens = [0.0; WIDTH];
        for lane in 0..WIDTH {
            let at = smaller(lanes.next_cpu[lane], arrival[lane]);
            let is_departure = lanes.next_cpu[lane] <= arrival[lane];
            happens[lane] = if at <= segment.until { 1.0 } else { 0.0 };
            departs[lane] = if is_departure { happens[lane] } else { 0.0 };
            arrives[lane] = happens[lane] - departs[lane];
            now[lane] = if at <= segment.until { at } else { lanes.at[lane] };
            let count = lanes.count[lane];
            let given = (now[lane] - lanes.at[lane]) * smaller(lanes.vcpu[lane] * (1.0 / count), 1.0);
            lanes.at[lane] = now[lane];
            lanes.used[lane] += given * count;
            let given = if count == 0.0 { 0.0 } else { lanes.given[lane] + given };
            // The end of a step is rounded to a nanosecond; what was done in it is not.
            lanes.given[lane] = if departs[lane] == 1.0 { lanes.needs[0][lane] } else { given };
            needs[lane] = if arrives[lane] == 1.0 { given + work[lane] } else { f64::INFINITY };
        }
        if greatest(&happens) == 0.0 {
            return true;
        }
        for lane in 0..WIDTH {
            done[lanes.done[lane]] = (lanes.jobs[0][lane], now[lane]);
            lanes.done[lane] += departs[lane] as usize;
        }
        let mut before = [f64::NEG_INFINITY; WIDTH];
        let mut job_before = [0.0; WIDTH];
        for row in 0..=most as usize {
            for lane in 0..WIDTH {
                let (own, behind) = (lanes.needs[row][lane], lanes.needs[row + 1][lane]);
                let (job, job_behind) = (lanes.jobs[row][lane], lanes.jobs[row + 1][lane]);
                // At a tie the one that came first is done first.
                let is_ahead = own <= needs[lane];
                let is_its_place = before[lane] <= needs[lane];
                let inserted = if is_its_place { needs[lane] } else { before[lane] };
                let job_inserted = if is_its_place { number[lane] } else { job_before[lane] };
                let with = if is_ahead { own } else { inserted };
                let job_with = if is_ahead { job } else { job_inserted };
                (before[lane], job_before[lane]) = (own, job);
                lanes.needs[row][lane] = if departs[lane] == 1.0 { behind } else { with };
                lanes.jobs[row][lane] = if departs[lane] == 1.0 { job_behind } else { job_with };
            }
        }
        for lane in 0..WIDTH {
            let count = lanes.count[lane] + arrives[lane] - departs[lane];
            lanes.count[lane] = count;
            let slowdown = greater(count * lanes.inverse_vcpu[lane], 1.0);
            let left = whole_nanos(greater(lanes.needs[0][lane] - lanes.given[lane], 0.0) * slowdown);
            lanes.next_cpu[lane] = lanes.at[lane] + left;
        }
        most = greatest(&lanes.count);
        if most > lanes.room as f64 {
            return false;
        }
        for (next, arrives) in lanes.next.iter_mut().zip(arrives) {
            *next += if arrives == 1.0 { segment.tasks } else { 0 };
        }
    }
}

/// The greatest of numbers that are not negative, by their bits, which are in the same order and have no NaN to mind.
#[inline(always)]
fn greatest(row: &Row) -> f64 {
    f64::from_bits(row.iter().fold(0, |most, it| if it.to_bits() > most { it.to_bits() } else { most }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::sharing::{JobKind, StatusClass};
    use crate::rng::Seed;
    use crate::workload::users::NOBODY;

    fn job(arrival: f64, cpu: f64) -> Job {
        let kind = JobKind::Request { is_callers_patience: false, status: StatusClass::Success };
        Job { arrival, cpu, wait: 0.0, deadline: arrival + 1e15, node: 0, user: NOBODY, kind, caller_has_ended: false }
    }

    /// Steps that fall on one instant, tasks of unlike CPU, tasks that get none, and some that overflow.
    #[test]
    fn abreast_is_one_by_one() {
        let mut fitted = 0;
        for case in 0..400 {
            let mut stream = Seed { seed: case, replication: 0 }.stream("test", "abreast");
            let tasks = 1 + stream.below(WIDTH);
            let servers = [3, 12, 1000][stream.below(3)];
            let mut plain: Vec<Sharing> = (0..tasks).map(|_| Sharing::new(servers, 10, false, None)).collect();
            for it in &mut plain {
                it.is_given(0.0, [0.25, 1.0, 2.0, 3.0][stream.below(4)]);
            }
            let mut wide = plain.clone();
            let places: Vec<usize> = (0..tasks).collect();
            let mut abreast = Abreast::default();
            let (mut now, mut turn) = (0.0, 0);
            for _ in 0..6 {
                let mut arrivals = Vec::new();
                for _ in 0..stream.below(120) {
                    now += stream.below(4) as f64 * 20.0;
                    arrivals.push(now);
                }
                let cpu: Vec<f64> = arrivals.iter().map(|_| stream.below(6) as f64 * 50.0).collect();
                let until = now + stream.below(300) as f64;
                let mut ends = Vec::new();
                for (request, (&arrival, &cpu)) in arrivals.iter().zip(&cpu).enumerate() {
                    let task = &mut plain[(turn + request) % tasks];
                    task.run(arrival, |job, end| ends.push((job.arrival, end)));
                    task.take(arrival, job(arrival, cpu), |_, _| ());
                }
                plain.iter_mut().for_each(|it| it.run(until, |job, end| ends.push((job.arrival, end))));
                let segment = Segment { arrivals: &arrivals, cpu: &cpu, tasks, least_patience: 1e15, until };
                let firsts: Vec<usize> = (0..tasks).map(|lane| (lane + tasks - turn) % tasks).collect();
                let job_of = |request: usize| job(arrivals[request], cpu[request]);
                let mut ends_abreast = Vec::new();
                abreast.expect(&segment);
                let fits = abreast.run(&mut wide, (&places, &firsts), &segment, job_of, |_, departure, end| {
                    ends_abreast.push(match departure {
                        Departure::Held(job) => (job.arrival, end),
                        Departure::Request(request) => (arrivals[request], end),
                    });
                });
                turn = (turn + arrivals.len()) % tasks;
                now = until;
                if !fits {
                    // Where it does not fit, it was left as it stood.
                    wide.clone_from(&plain);
                    continue;
                }
                fitted += 1;
                ends.sort_by(|one, other| one.partial_cmp(other).expect("numbers"));
                ends_abreast.sort_by(|one, other| one.partial_cmp(other).expect("numbers"));
                assert_eq!(ends_abreast, ends, "case {case}");
                for (wide, plain) in wide.iter().zip(&plain) {
                    assert_eq!(wide.used(until).to_bits(), plain.used(until).to_bits(), "case {case}");
                    assert_eq!(wide.next_cpu.to_bits(), plain.next_cpu.to_bits(), "case {case}");
                    let jobs = |it: &Sharing| it.jobs().map(|it| it.arrival).collect::<Vec<f64>>();
                    assert_eq!(jobs(wide), jobs(plain), "case {case}");
                }
            }
        }
        assert!(fitted > 400, "{fitted}");
    }
}
