//! Everything that is tested from outside, in one binary.

mod bad_input;
mod cli;
mod container_instances;
mod containers;
mod daemons;
mod fargate;
mod goldens;
mod group_upkeep;
mod listeners;
mod load_balancer_metrics;
mod load_balancer_types;
mod mixed_instances;
mod oracle;
mod packing;
mod placement_constraints;
mod processes;
mod properties;
mod real_data;
mod reference;
mod refusals;
mod routing;
mod run_tasks;
mod scenario_file;
mod schema;
mod theory;
