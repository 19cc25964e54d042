//! What needs a cluster whose node is this machine: `make test-k8s`.

mod classes;
mod conformance;
mod dead_hosts;
mod deployment;
mod doctor;
mod forward;
mod installation;
mod lifecycle;
mod monitoring;
mod policy;
mod pool;
mod ports;
mod replicas;
mod resources;
mod rollout;
mod suspend;
mod workspaces;
