//! Where requests go: the targets in rotation, and how the load balancer's nodes choose among them.
//!
//! Follows *Routing algorithms* in the User Guide for Application Load Balancers (read 2026-04). Each node chooses by
//! itself, with turns and counts of its own.

use crate::aws::load_balancer::{RoutingAlgorithm, slow_start_weight};
use crate::data::outstanding::{Fewest, Lower, Outstanding};
use crate::units::Span;

/// Requests for each target, in the mean, that are dealt at once where they go to the one with the fewest.
const STRETCH: usize = 32;

/// Nanoseconds between requests, until more is known.
pub const GAP_UNKNOWN: f64 = 1e6;

/// The targets that requests can go to, and what the nodes remember.
#[derive(Clone, Debug)]
pub struct Rotation {
    algorithm: RoutingAlgorithm,
    /// The pools that nodes choose from: one a zone without cross-zone load balancing, else one.
    pools: Vec<Pool>,
    nodes: Vec<Node>,
    /// Where in the one pool the targets are that sessions may stay with, by the places of their stations; empty without
    /// sticky sessions.
    staying: Vec<Option<u32>>,
}

/// Targets, by the places of their stations, in order of registration.
#[derive(Clone, Debug)]
struct Pool {
    places: Vec<usize>,
    /// Kept where requests go to the target with the fewest.
    outstanding: Outstanding,
    /// Until when some start slowly, each by its ramp.
    slow_until: f64,
    ramps: Vec<Option<Ramp>>,
    /// The weights added up, where they differ; else nothing.
    weights_up_to: Vec<f64>,
    /// Whether too few are healthy, so that all are in it.
    is_fail_open: bool,
}

/// The targets that one pool's nodes send to.
#[derive(Clone, Debug, Default)]
pub struct Candidates {
    /// Targets, in order of registration.
    pub targets: Vec<Candidate>,
    /// Whether too few are healthy, so that all are among them.
    pub is_fail_open: bool,
}

/// A target that requests can go to.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// The place of its station.
    pub place: usize,
    /// Its slow start, where it has one.
    pub ramp: Option<Ramp>,
    /// Its weight where targets are chosen at random, above 0.
    pub weight: f64,
}

/// A target's slow start: from no requests at `begin` to its full part at `end`, nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Ramp {
    /// Begin.
    pub begin: f64,
    /// End.
    pub end: f64,
}

impl Ramp {
    fn weight(self, now: f64) -> f64 {
        slow_start_weight(Span((now - self.begin) as u64), Span((self.end - self.begin) as u64))
    }
}

impl Pool {
    fn new() -> Pool {
        Pool {
            places: Vec::new(),
            outstanding: Outstanding::new(0, 0),
            slow_until: 0.0,
            ramps: Vec::new(),
            weights_up_to: Vec::new(),
            is_fail_open: false,
        }
    }

    /// The target that a chance between 0 and 1 falls on, each by its weight.
    fn choose_at_random(&self, chance: f64) -> usize {
        let target = match self.weights_up_to.last() {
            Some(whole) => {
                let wanted = chance * whole;
                self.weights_up_to.partition_point(|&it| it <= wanted)
            }
            None => (chance * self.places.len() as f64) as usize,
        };
        target.min(self.places.len() - 1)
    }

    /// The target whose turn it is while some start slowly: each earns its weight with every request, and who has earned
    /// most is chosen and pays for all. Every part is met as closely as whole requests allow.
    fn choose_by_weight(&self, credits: &mut Vec<f64>, now: f64) -> usize {
        credits.resize(self.places.len(), 0.0);
        let (mut sum, mut chosen) = (0.0, 0);
        for (target, ramp) in self.ramps.iter().enumerate() {
            let weight = ramp.map_or(1.0, |it| it.weight(now));
            credits[target] += weight;
            sum += weight;
            if credits[target] > credits[chosen] {
                chosen = target;
            }
        }
        credits[chosen] -= sum;
        chosen
    }
}

/// A load balancer node.
#[derive(Clone, Debug, Default)]
pub struct Node {
    pool: usize,
    /// Where it goes on in its pool.
    pub turn: usize,
    /// What each target of its pool has earned, while some start slowly.
    credits: Vec<f64>,
}

/// A request that waits for its answer: its node, the place of its station, and until when the node waits.
#[derive(Clone, Copy, Debug)]
pub struct Awaited {
    /// Node.
    pub node: usize,
    /// Station.
    pub place: usize,
    /// When it ends for its caller, nanoseconds; infinite where that is not known.
    pub until: f64,
}

impl Rotation {
    /// No targets yet; `zones` pools, of which each node takes the one whose turn it is.
    pub fn new(algorithm: RoutingAlgorithm, nodes: usize, zones: usize) -> Rotation {
        let zones = zones.max(1);
        let nodes = (0..nodes.max(1)).map(|it| Node { pool: it % zones, ..Node::default() }).collect();
        Rotation { algorithm, pools: vec![Pool::new(); zones], nodes, staying: Vec::new() }
    }

    /// Takes each pool's new targets. Where they count, what is under way has to be
    /// [counted anew](Rotation::count_anew).
    pub fn renew(&mut self, pools: Vec<Candidates>) {
        for (pool, Candidates { targets, is_fail_open }) in self.pools.iter_mut().zip(pools) {
            pool.places = targets.iter().map(|it| it.place).collect();
            pool.ramps = targets.iter().map(|it| it.ramp).collect();
            pool.is_fail_open = is_fail_open;
            pool.weights_up_to.clear();
            if targets.iter().any(|it| it.weight != 1.0) {
                let mut sum = 0.0;
                pool.weights_up_to.extend(targets.iter().map(|it| {
                    sum += it.weight;
                    sum
                }));
            }
            pool.slow_until = pool.ramps.iter().flatten().map(|it| it.end).fold(0.0, f64::max);
        }
        for node in &mut self.nodes {
            node.credits.clear();
            node.turn = node.turn.checked_rem(self.pools[node.pool].places.len()).unwrap_or(0);
        }
    }

    /// Forgets what the targets have, but for what is awaited.
    pub fn count_anew(&mut self, awaited: &[Awaited]) {
        for (number, pool) in self.pools.iter_mut().enumerate() {
            pool.outstanding = Outstanding::new(self.nodes.len(), pool.places.len());
            pool.outstanding.expect(awaited.len(), GAP_UNKNOWN);
            for it in awaited.iter().filter(|it| self.nodes[it.node].pool == number) {
                // Not the fewest, but as many as there are.
                if let Some(target) = pool.places.iter().position(|place| *place == it.place) {
                    pool.outstanding.add(it.node, target, it.until);
                }
            }
        }
    }

    /// Sessions may stay with targets whose station's place passes; there is one pool, since they need cross-zone.
    pub fn let_stay(&mut self, is_healthy: impl Fn(usize) -> bool) {
        self.staying.clear();
        for (target, &place) in self.pools[0].places.iter().enumerate().filter(|(_, place)| is_healthy(**place)) {
            if self.staying.len() <= place {
                self.staying.resize(place + 1, None);
            }
            self.staying[place] = Some(target as u32);
        }
    }

    /// Whether a request of a session may stay with the target at `place`; then it is that node's choice. It is no turn.
    pub fn stays(&mut self, node: usize, place: usize) -> bool {
        let Some(target) = self.staying.get(place).copied().flatten() else { return false };
        if self.counts_requests() {
            // Who counts it finds the target before the turn.
            let target = target as usize;
            self.nodes[node].turn = if target + 1 == self.pools[0].places.len() { 0 } else { target + 1 };
        }
        true
    }

    /// How many nodes there are.
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// All places, those of a pool after each other.
    pub fn places(&self) -> impl Iterator<Item = usize> + Clone {
        self.pools.iter().flat_map(|it| it.places.iter().copied())
    }

    /// The one pool and the one node's turn, where requests from `now` on are dealt to one after the other.
    pub fn dealt_in_turn(&mut self, now: f64) -> Option<(&[usize], &mut usize)> {
        match (&mut self.nodes[..], &self.pools[..]) {
            ([node], [pool]) if self.algorithm == RoutingAlgorithm::RoundRobin && pool.slow_until <= now => {
                Some((&pool.places, &mut node.turn))
            }
            _ => None,
        }
    }

    /// Whether requests are dealt by weights that differ.
    pub fn is_weighted(&self) -> bool {
        self.algorithm == RoutingAlgorithm::WeightedRandom && self.pools.iter().any(|it| !it.weights_up_to.is_empty())
    }

    /// Whether a node sends to all targets because too few are healthy.
    pub fn is_fail_open_at(&self, node: usize) -> bool {
        self.pools[self.nodes[node].pool].is_fail_open
    }

    /// Whether all nodes do; `None` where some do and others do not.
    pub fn is_fail_open(&self) -> Option<bool> {
        let first = self.is_fail_open_at(0);
        (0..self.nodes.len()).all(|it| self.is_fail_open_at(it) == first).then_some(first)
    }

    /// The places, each with its part of requests that are dealt evenly.
    pub fn even_parts(&self) -> impl Iterator<Item = (usize, f64)> {
        let all = self.nodes.len() as f64;
        self.pools.iter().enumerate().flat_map(move |(number, pool)| {
            let nodes = self.nodes.iter().filter(|it| it.pool == number).count();
            let part = nodes as f64 / all / pool.places.len() as f64;
            pool.places.iter().map(move |it| (*it, part))
        })
    }

    /// Whether every node has a target.
    pub fn serves_all(&self) -> bool {
        self.nodes.iter().all(|it| !self.pools[it.pool].places.is_empty())
    }

    /// Whether how many requests a target has decides where the next one goes.
    pub fn counts_requests(&self) -> bool {
        self.algorithm == RoutingAlgorithm::LeastOutstandingRequests
    }

    /// Whether requests can be dealt by a loop: not to the fewest of several pools.
    pub fn is_dealt_apart(&self) -> bool {
        !self.counts_requests() || self.pools.len() == 1
    }

    /// Makes ready for so many requests, which come so many nanoseconds apart in the mean.
    pub fn expect(&mut self, requests: usize, gap: f64) {
        if self.counts_requests() {
            let gap = gap * self.pools.len() as f64;
            self.pools.iter_mut().for_each(|it| it.outstanding.expect(requests, gap));
        }
    }

    /// How many requests are best dealt at once, so that few counts have to be told apart.
    pub fn stretch(&self) -> usize {
        if self.counts_requests() {
            self.pools.iter().map(|it| it.places.len()).min().unwrap_or(0).max(1) * STRETCH
        } else {
            usize::MAX
        }
    }

    /// The one pool, its requests outstanding, and the nodes, where each request goes to the target with the fewest.
    pub fn dealt_to_fewest(&mut self) -> Option<(&[usize], &mut Outstanding, &mut [Node])> {
        match &mut self.pools[..] {
            [pool] if self.algorithm == RoutingAlgorithm::LeastOutstandingRequests => {
                Some((&pool.places, &mut pool.outstanding, &mut self.nodes))
            }
            _ => None,
        }
    }

    /// How many of `requests` one target can get at most; `None` where that depends on chance or on how they fare.
    pub fn most_to_one(&self, requests: usize) -> Option<usize> {
        // Each node deals evenly, one more at most to some.
        let least = self.pools.iter().map(|it| it.places.len()).min().filter(|it| *it > 0)?;
        let is_dealt = self.algorithm == RoutingAlgorithm::RoundRobin && self.pools.len() == 1;
        let is_even = is_dealt && self.pools[0].slow_until == 0.0;
        is_even.then(|| requests / least + self.nodes.len())
    }

    /// Chooses a target for each request, where that does not depend on how the ones before fared; every node has one.
    pub fn route(&mut self, arrivals: &[f64], nodes: &[u32], chances: &[f64], places: &mut [u32]) {
        let is_slow = self.pools.iter().any(|it| it.slow_until > arrivals[0]);
        if self.algorithm == RoutingAlgorithm::RoundRobin && !is_slow {
            for (place, &node) in places.iter_mut().zip(nodes) {
                let node = &mut self.nodes[node as usize];
                let pool = &self.pools[node.pool].places;
                *place = pool[node.turn] as u32;
                node.turn = if node.turn + 1 == pool.len() { 0 } else { node.turn + 1 };
            }
        } else {
            for (((place, &arrival), &node), &chance) in places.iter_mut().zip(arrivals).zip(nodes).zip(chances) {
                *place = self.choose(node as usize, arrival, chance).expect("every node has a target") as u32;
            }
        }
    }

    /// The target of a request that comes to `node` at `arrival`, with its chance between 0 and 1; `None` without any.
    #[inline(always)]
    pub fn choose(&mut self, node: usize, arrival: f64, chance: f64) -> Option<usize> {
        let node_number = node;
        let node = &mut self.nodes[node];
        let pool = &mut self.pools[node.pool];
        if pool.places.is_empty() {
            return None;
        }
        let target = match self.algorithm {
            RoutingAlgorithm::RoundRobin if pool.slow_until > arrival => {
                pool.choose_by_weight(&mut node.credits, arrival)
            }
            RoutingAlgorithm::RoundRobin => node.turn,
            RoutingAlgorithm::LeastOutstandingRequests => {
                pool.outstanding.deal(Fewest { node: node_number, turn: node.turn, now: arrival })
            }
            RoutingAlgorithm::WeightedRandom | RoutingAlgorithm::FlowHash => pool.choose_at_random(chance),
        };
        node.turn = if target + 1 == pool.places.len() { 0 } else { target + 1 };
        Some(pool.places[target])
    }

    /// The request that was just given to `place` at `node` is waited for until `until`; without an end that is known
    /// (infinity), until it is said to have [`ended`](Rotation::ended).
    #[inline(always)]
    pub fn sent(&mut self, node: usize, place: usize, until: f64) {
        if self.counts_requests() {
            let node_number = node;
            let node = &self.nodes[node];
            let pool = &mut self.pools[node.pool];
            // The turn stands behind the one that was chosen.
            let target = node.turn.checked_sub(1).unwrap_or(pool.places.len() - 1);
            debug_assert_eq!(pool.places[target], place);
            pool.outstanding.send(node_number, target, until);
        }
    }

    /// The places that a node chooses from.
    pub fn places_of(&self, node: usize) -> &[usize] {
        &self.pools[self.nodes[node].pool].places
    }

    /// The node sends to `place`, whoever's turn it is.
    pub fn turn_behind(&mut self, node: usize, place: usize) {
        let node = &mut self.nodes[node];
        let places = &self.pools[node.pool].places;
        if let Some(target) = places.iter().position(|it| *it == place) {
            node.turn = if target + 1 == places.len() { 0 } else { target + 1 };
        }
    }

    /// A request that was sent without saying until when has ended for its caller.
    pub fn ended(&mut self, node: usize, place: usize) {
        let pool = &mut self.pools[self.nodes[node].pool];
        if let Some(target) = pool.places.iter().position(|it| *it == place) {
            pool.outstanding.deal(Lower { node, target });
        }
    }
}
