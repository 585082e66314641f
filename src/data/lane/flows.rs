//! The flows of a Network Load Balancer: a client keeps its connection, and all its requests go to that connection's target.
//!
//! Follows *What is a Network Load Balancer?* and *Edit target group attributes* (read 2026-08): a target is chosen for each
//! connection, by a hash that comes to a draw; a connection ends when its client leaves, when it has carried as many
//! requests as the client sends over one, when nothing came for the idle timeout, or with its target.
//! Left out: what has not ended yet keeps its connection from being idle; counted is from the last request.

use crate::workload::clients::Client;

/// The connections of the clients of each source.
pub(super) struct Flows {
    /// By source, then by the client's place.
    connections: Vec<Vec<Option<Connection>>>,
    /// Requests after which a client of each source opens a new one; zero is never.
    requests_per_connection: Vec<u32>,
    /// Nanoseconds.
    idle_timeout: f64,
}

#[derive(Clone, Copy)]
struct Connection {
    /// Which of the clients that have had this place.
    generation: u32,
    /// Its station.
    place: usize,
    /// When the last request came over it, and how many have.
    used_at: f64,
    requests: u32,
}

impl Flows {
    /// No connections yet.
    pub(super) fn new(requests_per_connection: Vec<u32>, idle_timeout: f64) -> Flows {
        let connections = vec![Vec::new(); requests_per_connection.len()];
        Flows { connections, requests_per_connection, idle_timeout }
    }

    /// The station that a client's connection leads to, if it has one that is still open: over it goes its request.
    pub(super) fn follow(&mut self, source: usize, client: Client, now: f64) -> Option<usize> {
        let most = self.requests_per_connection[source];
        let open = self.connections[source].get_mut(client.place as usize)?.as_mut().filter(|it| {
            let is_used_up = most > 0 && it.requests >= most;
            it.generation == client.generation && now - it.used_at <= self.idle_timeout && !is_used_up
        })?;
        open.used_at = now;
        open.requests += 1;
        Some(open.place)
    }

    /// A client's first request over a new connection goes to the station at `place`; what it had before is closed.
    pub(super) fn open(&mut self, source: usize, client: Client, place: usize, now: f64) {
        let connection = Connection { generation: client.generation, place, used_at: now, requests: 1 };
        let connections = &mut self.connections[source];
        if connections.len() <= client.place as usize {
            connections.resize(client.place as usize + 1, None);
        }
        connections[client.place as usize] = Some(connection);
    }

    /// The connections to a station are reset.
    pub(super) fn reset(&mut self, place: usize) {
        for connection in self.connections.iter_mut().flatten() {
            *connection = connection.filter(|it| it.place != place);
        }
    }

    /// Connections that are open at `now`.
    pub(super) fn active(&self, now: f64) -> u64 {
        let open = |it: &&Connection| now - it.used_at <= self.idle_timeout;
        self.connections.iter().flatten().flatten().filter(open).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_lasts_until_its_client_leaves_or_it_is_used_up_idle_or_reset() {
        let client = |generation| Client { place: 1, generation };
        let mut flows = Flows::new(vec![0, 3], 350.0);
        assert_eq!(flows.follow(1, client(0), 0.0), None);
        flows.open(1, client(0), 7, 0.0);
        assert_eq!(flows.follow(1, client(0), 350.0), Some(7), "not idle for longer than the timeout");
        assert_eq!(flows.follow(1, client(0), 351.0), Some(7));
        assert_eq!(flows.follow(1, client(0), 352.0), None, "three requests are all it carries");
        flows.open(1, client(0), 8, 352.0);
        assert_eq!(flows.follow(1, client(1), 353.0), None, "another client");
        assert_eq!((flows.active(702.0), flows.active(703.0)), (1, 0));
        assert_eq!(flows.follow(1, client(0), 703.0), None, "idle");
        flows.open(1, client(0), 8, 703.0);
        flows.reset(8);
        assert_eq!(flows.follow(1, client(0), 703.0), None);
    }
}
