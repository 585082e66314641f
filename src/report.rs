//! A finished run as bytes: it knows `Run` and nothing else, and a format is a file here.

pub mod capacity;
pub mod chart;
pub mod charts;
pub mod comparison;
pub mod costs;
pub mod csv_files;
pub mod deployments;
pub mod draining;
pub mod event_bridge;
pub mod failed_calls;
pub mod findings;
pub mod pipelines;
pub mod placement;
pub mod refusals;
pub mod standalone;
pub mod stopped_tasks;
pub mod summary;
mod tables;
pub mod waits;
pub mod waterfall;
pub(crate) mod words;

use crate::run::Run;

/// Every file of a run, name and bytes, in a fixed order.
pub fn files(run: &Run) -> Vec<(&'static str, Vec<u8>)> {
    let mut files = vec![("summary.json", summary::summary(run))];
    files.extend(csv_files::files(run));
    files.extend(charts::charts(run));
    files
}
