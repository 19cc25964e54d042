//! A Docker engine that is restarted under its agents: `make test-engine`.

mod restart;
