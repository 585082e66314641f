//! Plimsoll: a deterministic discrete-event simulator of Amazon ECS.
//!
//! Between two control events the cluster stands still: serve every request up to the next control event, make one
//! decision, repeat. ARCHITECTURE.md shows the way data flows.

pub mod agenda;
pub mod aws;
pub mod cli;
pub mod cluster;
pub mod control;
pub mod data;
pub mod distribution;
pub mod engine;
pub mod logarithm;
pub mod metrics;
pub mod rare;
pub mod report;
pub mod rng;
pub mod run;
pub mod scenario;
pub mod spelling;
pub mod table;
pub mod units;
pub mod workload;
