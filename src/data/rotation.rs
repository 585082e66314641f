//! Where requests go: the targets in rotation, and how the load balancer's nodes choose among them.
//!
//! Follows *Routing algorithms* in the User Guide for Application Load Balancers (read 2026-04). Each node chooses by
//! itself, with turns and counts of its own.

use crate::aws::load_balancer::RoutingAlgorithm;
use crate::data::outstanding::{Fewest, Lower, Outstanding, Raise, Send};

/// Nanoseconds between requests, until more is known.
const GAP_UNKNOWN: f64 = 1e6;

/// The targets that requests can go to, and what the nodes remember.
#[derive(Clone, Debug)]
pub struct Rotation {
    algorithm: RoutingAlgorithm,
    /// The pools that nodes choose from: one a zone without cross-zone load balancing, else one.
    pools: Vec<Pool>,
    nodes: Vec<Node>,
}

/// Targets, by the places of their stations, in order of registration.
#[derive(Clone, Debug)]
struct Pool {
    places: Vec<usize>,
    /// Kept where requests go to the target with the fewest.
    outstanding: Outstanding,
    /// The sum of the weights up to each, where they are chosen at random.
    weight_sums: Vec<f64>,
}

/// A load balancer node.
#[derive(Clone, Debug, Default)]
pub struct Node {
    pool: usize,
    /// Where it goes on in its pool.
    pub turn: usize,
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
        let pool = Pool { places: Vec::new(), outstanding: Outstanding::new(0, 0), weight_sums: Vec::new() };
        let nodes = (0..nodes.max(1)).map(|it| Node { pool: it % zones, turn: 0 }).collect();
        Rotation { algorithm, pools: vec![pool; zones], nodes }
    }

    /// Takes new targets, each pool's as places with their weights; `awaited` is what is under way.
    pub fn renew(&mut self, pools: Vec<Vec<(usize, f64)>>, awaited: impl Iterator<Item = Awaited>) {
        let nodes = self.nodes.len();
        for (pool, targets) in self.pools.iter_mut().zip(pools) {
            let mut sum = 0.0;
            pool.places.clear();
            pool.weight_sums.clear();
            for (place, weight) in targets {
                sum += weight;
                pool.places.push(place);
                pool.weight_sums.push(sum);
            }
            pool.outstanding = Outstanding::new(nodes, pool.places.len());
        }
        for node in &mut self.nodes {
            node.turn = node.turn.checked_rem(self.pools[node.pool].places.len()).unwrap_or(0);
        }
        if self.algorithm == RoutingAlgorithm::LeastOutstandingRequests {
            let awaited: Vec<Awaited> = awaited.collect();
            for (number, pool) in self.pools.iter_mut().enumerate() {
                pool.outstanding.expect(awaited.len(), GAP_UNKNOWN);
                for it in awaited.iter().filter(|it| self.nodes[it.node].pool == number) {
                    // Not the fewest, but as many as there are.
                    if let Some(target) = pool.places.iter().position(|place| *place == it.place) {
                        pool.outstanding.add(it.node, target, it.until);
                    }
                }
            }
        }
    }

    /// How many nodes there are.
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// All places, those of a pool after each other.
    pub fn places(&self) -> impl Iterator<Item = usize> + Clone {
        self.pools.iter().flat_map(|it| it.places.iter().copied())
    }

    /// The one pool and the one node's turn, where requests are dealt to one after the other.
    pub fn dealt_in_turn(&mut self) -> Option<(&[usize], &mut usize)> {
        match (&mut self.nodes[..], &self.pools[..]) {
            ([node], [pool]) if self.algorithm == RoutingAlgorithm::RoundRobin => Some((&pool.places, &mut node.turn)),
            _ => None,
        }
    }

    /// Whether every node has a target.
    pub fn serves_all(&self) -> bool {
        self.nodes.iter().all(|it| !self.pools[it.pool].places.is_empty())
    }

    /// Whether how many requests a target has decides where the next one goes.
    pub fn counts_requests(&self) -> bool {
        self.algorithm == RoutingAlgorithm::LeastOutstandingRequests
    }

    /// Makes ready for so many requests, which come so many nanoseconds apart in the mean.
    pub fn expect(&mut self, requests: usize, gap: f64) {
        if self.counts_requests() {
            let gap = gap * self.pools.len() as f64;
            self.pools.iter_mut().for_each(|it| it.outstanding.expect(requests, gap));
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
        is_dealt.then(|| requests / least + self.nodes.len())
    }

    /// Chooses a target for each request, where that does not depend on how the ones before fared; every node has one.
    pub fn route(&mut self, nodes: &[u32], chances: &[f64], places: &mut [u32]) {
        if self.algorithm == RoutingAlgorithm::RoundRobin {
            for (place, &node) in places.iter_mut().zip(nodes) {
                let node = &mut self.nodes[node as usize];
                let pool = &self.pools[node.pool].places;
                *place = pool[node.turn] as u32;
                node.turn = if node.turn + 1 == pool.len() { 0 } else { node.turn + 1 };
            }
        } else {
            for ((place, &node), &chance) in places.iter_mut().zip(nodes).zip(chances) {
                *place = self.choose(node as usize, 0.0, chance).expect("every node has a target") as u32;
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
            RoutingAlgorithm::RoundRobin => node.turn,
            RoutingAlgorithm::LeastOutstandingRequests => {
                pool.outstanding.deal(Fewest { node: node_number, turn: node.turn, now: arrival })
            }
            RoutingAlgorithm::WeightedRandom => {
                let sums = &pool.weight_sums;
                let point = chance * sums[sums.len() - 1];
                sums.partition_point(|it| *it <= point).min(sums.len() - 1)
            }
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
            if until == f64::INFINITY {
                pool.outstanding.deal(Raise { node: node_number, target });
            } else {
                pool.outstanding.deal(Send { node: node_number, target, end: until });
            }
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
