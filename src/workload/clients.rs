//! The clients of a workload: which of them sends each request.
//!
//! So many clients are there at any time. Each request comes from one of them, all alike; after a request its client may
//! leave, and a new one takes its place, without cookies or connections.

use crate::rng::Stream;

/// The clients that the requests of a workload come from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clients {
    /// How many there are at any time, at least 1.
    pub count: u32,
    /// Requests that a client sends in the mean before it leaves, at least 1: its session is geometric. `None` is never.
    pub requests: Option<f64>,
}

/// One client of a workload: no two have the same number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Client {
    /// Its place among those that are there, below [`Clients::count`]; so that what is known of clients fits in a table.
    pub place: u32,
    /// How many have had this place before.
    pub generation: u32,
}

/// Draws a client for one request after the other.
#[derive(Clone, Debug)]
pub struct ClientDraw {
    leaves: f64,
    stream: Stream,
    generations: Vec<u32>,
}

impl ClientDraw {
    /// Without `clients` each request is a new one's.
    pub fn new(clients: Option<Clients>, stream: Stream) -> ClientDraw {
        let clients = clients.unwrap_or(Clients { count: 1, requests: Some(1.0) });
        ClientDraw {
            leaves: clients.requests.map_or(0.0, |it| 1.0 / it),
            stream,
            generations: vec![0; clients.count.max(1) as usize],
        }
    }

    /// The client that sends the next request.
    pub fn next_client(&mut self) -> Client {
        let place = self.stream.below(self.generations.len());
        let generation = self.generations[place];
        if self.leaves > 0.0 && self.stream.unit() <= self.leaves {
            self.generations[place] = generation.wrapping_add(1);
        }
        Client { place: place as u32, generation }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::rng::Seed;

    fn sessions(clients: Option<Clients>, requests: usize) -> BTreeMap<(u32, u32), u32> {
        let seed = Seed { seed: 7, replication: 0 };
        let mut draw = ClientDraw::new(clients, seed.stream("clients", "visitors"));
        let mut sessions = BTreeMap::new();
        for _ in 0..requests {
            let client = draw.next_client();
            *sessions.entry((client.place, client.generation)).or_default() += 1;
        }
        sessions
    }

    #[test]
    fn clients_that_stay_share_the_requests_evenly() {
        let sessions = sessions(Some(Clients { count: 100, requests: None }), 100_000);
        assert_eq!(sessions.len(), 100);
        // Each has 1000 in the mean, with a standard deviation of 31.5.
        assert!(sessions.values().all(|it| (850..1150).contains(it)), "{sessions:?}");
    }

    #[test]
    fn sessions_are_geometric() {
        let sessions = sessions(Some(Clients { count: 50, requests: Some(20.0) }), 400_000);
        // One request in twenty is a last one: 20000 of them, with a standard deviation of 138.
        let ended = sessions.len() as f64 - 50.0;
        assert!((ended - 20_000.0).abs() < 600.0, "{ended}");
        let single = sessions.values().filter(|it| **it == 1).count() as f64 / sessions.len() as f64;
        assert!((single - 0.05).abs() < 0.006, "{single}");
    }

    #[test]
    fn without_clients_each_request_is_a_new_one() {
        assert!(sessions(None, 1_000).values().all(|it| *it == 1));
    }
}
