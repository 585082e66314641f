//! Sticky sessions: the target that each client's requests stay with.
//!
//! Follows *Sticky sessions for your Application Load Balancer* in its user guide (read 2026-04). A session is taken to
//! begin and to be renewed with the request, not with its response.

use crate::aws::load_balancer::Stickiness;
use crate::cluster::Target;
use crate::data::lane::Lane;
use crate::table::Id;
use crate::workload::clients::Client;

/// Sessions of a target group.
pub(super) struct Sessions {
    /// From a client's last request, nanoseconds.
    duration: f64,
    /// Of each source, by the places of its clients.
    tables: Vec<Vec<Option<Session>>>,
}

/// The cookie `AWSALB` of a client, or its application's.
#[derive(Clone, Copy)]
struct Session {
    client: Client,
    target: Id<Target>,
    place: usize,
    last_seen: f64,
}

impl Sessions {
    /// None yet, of so many sources.
    pub(super) fn new(stickiness: Stickiness, sources: usize) -> Sessions {
        Sessions { duration: stickiness.duration.0 as f64, tables: vec![Vec::new(); sources] }
    }
}

impl Lane {
    /// The target of a request: its client's, as long as that is healthy, or one that is chosen anew, and then stays.
    #[inline(always)]
    pub(super) fn choose_target(&mut self, request: usize, node: usize, arrival: f64) -> Option<usize> {
        let batch = &self.batch;
        let Some(sessions) = &mut self.sessions else {
            return self.rotation.choose(node, arrival, batch.chance[request]);
        };
        let client = batch.client[request];
        let table = &mut sessions.tables[batch.source[request] as usize];
        if table.len() <= client.place as usize {
            table.resize(client.place as usize + 1, None);
        }
        let session = &mut table[client.place as usize];
        if let Some(it) = session
            && it.client == client
            && arrival - it.last_seen <= sessions.duration
            && self.stations[it.place].target == it.target
            && self.rotation.stays(node, it.place)
        {
            it.last_seen = arrival;
            return Some(it.place);
        }
        let place = self.rotation.choose(node, arrival, batch.chance[request])?;
        *session = Some(Session { client, target: self.stations[place].target, place, last_seen: arrival });
        self.minute.non_sticky += 1;
        Some(place)
    }
}
