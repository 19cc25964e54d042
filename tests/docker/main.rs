//! What needs a Docker engine: the conformance suite over containers, and what only containers have (images, limits, mounts,
//! networks, neighbours, an engine that goes away). `make test-docker` runs it.

mod conformance;
mod containers;
mod doctor;
mod images;
mod isolation;
mod kept_workspaces;
mod monitoring;
mod neighbours;
mod networks;
mod pauses;
mod placement;
mod policy;
mod pool;
mod ports;
mod suspension;
mod teams;
mod workdirs;
mod workspaces;
