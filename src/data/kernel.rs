//! The inner loops: when requests end whose tasks are never short of CPU, never refuse and never drop.
//!
//! Times are whole nanoseconds held in floats: exact up to 2^53 ns, which is 104 days, and older processors have a
//! minimum and a maximum for floats but not for 64-bit integers. Where several loops serve the same requests they compute
//! the same numbers; correct only while the set of tasks stands still, that is, between two control events.

use multiversion::multiversion;

use crate::data::outstanding::{Counts, Ends, Outstanding, Work};
use crate::data::rotation::Node;

/// Most servers of a task that the loops take; beyond, keeping their times sorted costs more than a heap.
pub const SERVERS_MAXIMUM: usize = 8;

/// Requests in order of arrival: when they come, how long they hold a server, and (written) when they end.
pub struct Requests<'a> {
    /// Arrivals.
    pub arrivals: &'a [f64],
    /// Time on a server.
    pub work: &'a [f64],
    /// CPU time within it.
    pub cpu: &'a [f64],
    /// Ends.
    pub ends: &'a mut [f64],
}

/// Serves requests that were routed to `places`, each of `servers` servers that are next free at
/// `free_at[place * stride..]`, ascending; adds their CPU time to `cpu_done[place]`.
pub fn serve_routed(
    requests: &mut Requests,
    places: &[u32],
    servers: usize,
    stride: usize,
    free_at: &mut [f64],
    cpu_done: &mut [f64],
) {
    match servers {
        1 => routed::<1>(requests, places, stride, free_at, cpu_done),
        2 => routed::<2>(requests, places, stride, free_at, cpu_done),
        3 => routed::<3>(requests, places, stride, free_at, cpu_done),
        4 => routed::<4>(requests, places, stride, free_at, cpu_done),
        5 => routed::<5>(requests, places, stride, free_at, cpu_done),
        6 => routed::<6>(requests, places, stride, free_at, cpu_done),
        7 => routed::<7>(requests, places, stride, free_at, cpu_done),
        8 => routed::<8>(requests, places, stride, free_at, cpu_done),
        _ => unreachable!("a task of {servers} servers is not served here"),
    }
}

#[multiversion(targets = "simd")]
fn routed<const SERVERS: usize>(
    requests: &mut Requests,
    places: &[u32],
    stride: usize,
    free_at: &mut [f64],
    cpu_done: &mut [f64],
) {
    let times = requests.arrivals.iter().zip(requests.work).zip(requests.cpu).zip(&mut *requests.ends);
    for ((((&arrival, &work), &cpu), end), &place) in times.zip(places) {
        let place = place as usize;
        let free_at = free_at[place * stride..].first_chunk_mut::<SERVERS>().expect("a place has a row of servers");
        cpu_done[place] += cpu;
        *end = serve_one(free_at, arrival, work);
    }
}

/// Serves one request at the server that is free first, and keeps the servers in order.
#[inline(always)]
fn serve_one<const SERVERS: usize>(free_at: &mut [f64; SERVERS], arrival: f64, work: f64) -> f64 {
    let end = greater(free_at[0], arrival) + work;
    let mut carried = end;
    for server in 1..SERVERS {
        (free_at[server - 1], carried) = sorted(free_at[server], carried);
    }
    free_at[SERVERS - 1] = carried;
    end
}

/// Stations of equally many servers, by place.
pub struct Stations<'a> {
    /// Servers of each.
    pub servers: usize,
    /// Room for the servers of each in `free_at`.
    pub stride: usize,
    /// When their servers are free next, ascending.
    pub free_at: &'a mut [f64],
    /// CPU time that each has done.
    pub cpu_done: &'a mut [f64],
}

/// Whose requests they are, and what their callers and the load balancer do.
pub struct Callers<'a> {
    /// The node that each comes to.
    pub nodes: &'a [u32],
    /// The workload that each is of.
    pub sources: &'a [u32],
    /// How long the callers of each workload wait.
    pub patience: &'a [f64],
}

/// Serves requests, each at the target with the fewest outstanding, and writes to which `places` they went.
pub fn serve_at_fewest(
    requests: &mut Requests,
    callers: &Callers,
    pool: (&[usize], &mut Outstanding, &mut [Node]),
    places: &mut [u32],
    stations: Stations,
) {
    let serve = match stations.servers {
        1 => at_fewest::<1>,
        2 => at_fewest::<2>,
        3 => at_fewest::<3>,
        4 => at_fewest::<4>,
        5 => at_fewest::<5>,
        6 => at_fewest::<6>,
        7 => at_fewest::<7>,
        8 => at_fewest::<8>,
        servers => unreachable!("a task of {servers} servers is not served here"),
    };
    serve(requests, callers, pool, places, stations);
}

fn at_fewest<const SERVERS: usize>(
    requests: &mut Requests,
    callers: &Callers,
    (pool, outstanding, load_balancer_nodes): (&[usize], &mut Outstanding, &mut [Node]),
    places: &mut [u32],
    stations: Stations,
) {
    outstanding.deal(AtFewest::<SERVERS> { requests, callers, pool, load_balancer_nodes, places, stations });
}

struct AtFewest<'a, 'r, const SERVERS: usize> {
    requests: &'a mut Requests<'r>,
    callers: &'a Callers<'a>,
    pool: &'a [usize],
    load_balancer_nodes: &'a mut [Node],
    places: &'a mut [u32],
    stations: Stations<'a>,
}

impl<const SERVERS: usize> Work for AtFewest<'_, '_, SERVERS> {
    type Result = ();
    const IS_LONG: bool = true;

    #[inline(always)]
    fn run(self, counts: &mut impl Counts, ends: &mut Ends) {
        let AtFewest { requests, callers, pool, load_balancer_nodes, places, stations } = self;
        let Stations { stride, free_at, cpu_done, .. } = stations;
        let times = requests.arrivals.iter().zip(requests.work).zip(requests.cpu).zip(&mut *requests.ends);
        let callers_of = callers.nodes.iter().zip(callers.sources);
        for (((((&arrival, &work), &cpu), end), written), (&node, &source)) in times.zip(places).zip(callers_of) {
            let turn = &mut load_balancer_nodes[node as usize].turn;
            ends.pass(counts, arrival);
            let target = counts.fewest(node as usize, *turn);
            *turn = if target + 1 == pool.len() { 0 } else { target + 1 };
            let place = pool[target];
            let free_at = free_at[place * stride..].first_chunk_mut::<SERVERS>().expect("a place has a row of servers");
            cpu_done[place] += cpu;
            *end = serve_one(free_at, arrival, work);
            *written = place as u32;
            counts.raise(node as usize, target);
            ends.put(smaller(*end, arrival + callers.patience[source as usize]), node as usize, target);
        }
    }
}

/// Serves requests that are dealt in turn to the tasks of `lanes`, the first one to the task whose `turn` it is.
///
/// Consecutive requests go to consecutive tasks, so several of them never meet, and the compiler does them at once.
pub fn serve_in_turn(requests: &mut Requests, servers: usize, lanes: &mut Lanes, turn: usize) {
    match servers {
        1 => in_turn::<1>(requests, lanes, turn),
        2 => in_turn::<2>(requests, lanes, turn),
        3 => in_turn::<3>(requests, lanes, turn),
        4 => in_turn::<4>(requests, lanes, turn),
        5 => in_turn::<5>(requests, lanes, turn),
        6 => in_turn::<6>(requests, lanes, turn),
        7 => in_turn::<7>(requests, lanes, turn),
        8 => in_turn::<8>(requests, lanes, turn),
        _ => unreachable!("a task of {servers} servers is not served here"),
    }
}

/// Tasks side by side.
#[derive(Clone, Debug, Default)]
pub struct Lanes {
    /// How many there are.
    pub width: usize,
    /// When their servers are free next: first each task's earliest one, then each task's second, and so on.
    pub free_at: Vec<f64>,
    /// CPU time that each has done here.
    pub cpu_done: Vec<f64>,
}

#[multiversion(targets = "simd")]
fn in_turn<const SERVERS: usize>(requests: &mut Requests, lanes: &mut Lanes, mut turn: usize) {
    let mut first = 0;
    while first < requests.arrivals.len() {
        let in_round = (lanes.width - turn).min(requests.arrivals.len() - first);
        let end = first + in_round;
        while first + 8 <= end {
            side_by_side::<SERVERS, 8>(requests, first, lanes, turn);
            (first, turn) = (first + 8, turn + 8);
        }
        while first < end {
            side_by_side::<SERVERS, 1>(requests, first, lanes, turn);
            (first, turn) = (first + 1, turn + 1);
        }
        if turn == lanes.width {
            turn = 0;
        }
    }
}

/// Serves `N` consecutive requests, which go to as many consecutive tasks.
///
/// All is read before anything is written, so that the compiler need not ask whether the slices overlap.
#[inline(always)]
fn side_by_side<const SERVERS: usize, const N: usize>(
    requests: &mut Requests,
    first: usize,
    lanes: &mut Lanes,
    lane: usize,
) {
    let arrivals: [f64; N] = read(requests.arrivals, first);
    let work: [f64; N] = read(requests.work, first);
    let cpu: [f64; N] = read(requests.cpu, first);
    let mut cpu_done: [f64; N] = read(&lanes.cpu_done, lane);
    let mut free_at = [[0.0; N]; SERVERS];
    for (server, free_at) in free_at.iter_mut().enumerate() {
        *free_at = read(&lanes.free_at, server * lanes.width + lane);
    }
    let mut ends = [0.0; N];
    for place in 0..N {
        cpu_done[place] += cpu[place];
        ends[place] = greater(free_at[0][place], arrivals[place]) + work[place];
    }
    let mut carried = ends;
    for server in 1..SERVERS {
        for place in 0..N {
            (free_at[server - 1][place], carried[place]) = sorted(free_at[server][place], carried[place]);
        }
    }
    free_at[SERVERS - 1] = carried;
    requests.ends[first..first + N].copy_from_slice(&ends);
    lanes.cpu_done[lane..lane + N].copy_from_slice(&cpu_done);
    for (server, free_at) in free_at.iter().enumerate() {
        let row = server * lanes.width + lane;
        lanes.free_at[row..row + N].copy_from_slice(free_at);
    }
}

#[inline(always)]
fn read<const N: usize>(values: &[f64], first: usize) -> [f64; N] {
    *values[first..first + N].first_chunk().expect("as many as were asked for")
}

// Written as choices of a value, so that they become instructions and not jumps that are hard to foresee.

/// The lesser of two numbers, neither of which is NaN.
#[inline(always)]
pub fn smaller(one: f64, other: f64) -> f64 {
    if one < other { one } else { other }
}

/// The greater of two numbers, neither of which is NaN.
#[inline(always)]
pub fn greater(one: f64, other: f64) -> f64 {
    if one > other { one } else { other }
}

#[inline(always)]
fn sorted(one: f64, other: f64) -> (f64, f64) {
    (if one < other { one } else { other }, if one < other { other } else { one })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;

    /// Each task for itself, its servers searched for the one that is free first.
    fn plainly(arrivals: &[f64], work: &[f64], tasks: usize, servers: usize) -> Vec<f64> {
        let mut free_at = vec![vec![0.0f64; servers]; tasks];
        let serve = |(number, (&arrival, &work)): (usize, (&f64, &f64))| {
            let first = free_at[number % tasks].iter_mut().min_by(|one, other| one.total_cmp(other));
            let first = first.expect("a task has a server");
            *first = first.max(arrival) + work;
            *first
        };
        arrivals.iter().zip(work).enumerate().map(serve).collect()
    }

    #[test]
    fn both_loops_serve_first_come_first_served() {
        let mut stream = Seed { seed: 11, replication: 0 }.stream("test", "kernels");
        for servers in 1..=SERVERS_MAXIMUM {
            for tasks in [1, 2, 3, 7, 16] {
                let mut now = 0.0;
                let arrivals: Vec<f64> = std::iter::repeat_with(|| {
                    now += stream.below(100) as f64;
                    now
                })
                .take(500)
                .collect();
                let work: Vec<f64> = (0..500).map(|_| stream.below(100 * servers * tasks) as f64).collect();
                let expected = plainly(&arrivals, &work, tasks, servers);
                let places: Vec<u32> = (0..500).map(|it| it % tasks as u32).collect();
                let (mut free_at, mut cpu_done) = (vec![0.0; tasks * (servers + 1)], vec![0.0; tasks]);
                let mut ends = vec![0.0; 500];
                let mut requests = Requests { arrivals: &arrivals, work: &work, cpu: &work, ends: &mut ends };
                serve_routed(&mut requests, &places, servers, servers + 1, &mut free_at, &mut cpu_done);
                assert_eq!(ends, expected, "{tasks} tasks of {servers}, routed");
                let mut lanes = Lanes { width: tasks, free_at: vec![0.0; tasks * servers], cpu_done: vec![0.0; tasks] };
                for part in [0..123, 123..124, 124..500] {
                    let mut requests = Requests {
                        arrivals: &arrivals[part.clone()],
                        work: &work[part.clone()],
                        cpu: &work[part.clone()],
                        ends: &mut ends[part.clone()],
                    };
                    serve_in_turn(&mut requests, servers, &mut lanes, part.start % tasks);
                }
                assert_eq!(ends, expected, "{tasks} tasks of {servers}, in turn");
                assert_eq!(lanes.cpu_done, cpu_done);
            }
        }
    }
}
