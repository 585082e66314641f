//! (being built)
use crate::run::Run;
/// charts
pub fn charts(_run: &Run) -> Vec<(&'static str, Vec<u8>)> {
    Vec::new()
}
