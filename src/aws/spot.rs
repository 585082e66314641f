//! Spot Instances: what EC2 says before it takes one back.
//!
//! Follows *Spot Instance interruptions* and *EC2 instance rebalance recommendations* in the EC2 User Guide.

use crate::units::Span;

/// From the interruption notice until EC2 terminates the instance.
pub const INTERRUPTION_NOTICE: Span = Span::seconds(120);
