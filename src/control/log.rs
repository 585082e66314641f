//! Decisions, each with the one that caused it, in AWS's own words.

use sha2::{Digest, Sha256};

use crate::run::{Event, LoadBalancerCounts, LoadBalancerMinute, ServiceMinute};
use crate::units::Instant;

/// The place of a decision in the log.
pub type Decision = usize;

/// Decisions so far, and the fingerprint over them.
#[derive(Clone, Default)]
pub struct Log {
    /// In order of time.
    pub events: Vec<Event>,
    hash: Sha256,
}

impl Log {
    /// Writes a decision down and tells its place.
    pub fn put(
        &mut self,
        at: Instant,
        cause: Option<Decision>,
        kind: &'static str,
        resource: String,
        message: String,
    ) -> Decision {
        self.hash.update(at.0.to_le_bytes());
        for text in [kind, &resource, &message] {
            self.hash.update((text.len() as u64).to_le_bytes());
            self.hash.update(text.as_bytes());
        }
        self.events.push(Event { at, cause, kind, resource, message });
        self.events.len() - 1
    }

    /// Adds a closed period to the fingerprint.
    pub fn close_period(&mut self, row: &ServiceMinute) {
        let counts = &row.counts;
        for number in [
            row.minute,
            row.service as u64,
            counts.arrived,
            counts.served,
            counts.failed(),
            row.cpu_percent.unwrap_or(-1.0).to_bits(),
            row.memory_percent.unwrap_or(-1.0).to_bits(),
            row.response_time_ms.mean.unwrap_or(-1.0).to_bits(),
            row.response_time_ms.p99.unwrap_or(-1.0).to_bits(),
        ] {
            self.hash.update(number.to_le_bytes());
        }
    }

    /// Adds a load balancer's closed period to the fingerprint.
    pub fn close_load_balancer_period(&mut self, row: &LoadBalancerMinute) {
        let Some(own) = row.own.as_deref() else { return };
        let LoadBalancerCounts { requests, redirects, non_sticky, .. } = own;
        let load_balancer = row.load_balancer as u64;
        for number in [row.minute, load_balancer, requests.arrived, requests.failed(), *redirects, *non_sticky] {
            self.hash.update(number.to_le_bytes());
        }
    }

    /// 32 hexadecimal digits over every decision and every closed period.
    pub fn fingerprint(&self) -> String {
        self.hash.clone().finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
