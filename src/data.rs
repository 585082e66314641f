//! The data plane: requests, in tight loops between two control events.

pub mod histogram;
