//! What only containers have: images, limits, mounts, networks, neighbours, an engine that goes away.
//! `make test-docker` runs it.

mod containers;
mod images;
mod neighbours;
mod networks;
mod placement;
mod teams;
mod workdirs;
