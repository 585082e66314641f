//! AWS's nouns and their rules, pure: they answer questions, they do not wait.

pub mod alarm;
pub mod anomaly_detection;
pub mod auto_scaling_group;
pub mod capability;
pub mod capacity_provider;
pub mod cluster_query;
pub mod container;
pub mod container_instance;
pub mod cpu_sharing;
pub mod fargate;
pub mod file_system;
pub mod host_ports;
pub mod instance_type;
pub mod launch;
pub mod listener;
pub mod load_balancer;
pub mod network;
pub mod placement;
pub mod price;
pub mod run_task;
pub mod scaling_policy;
pub mod schedule;
pub mod service;
pub mod subnet;
pub mod task_definition;
