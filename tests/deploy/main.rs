//! What `deploy/` has for operators, tried with the programs that read it. `make test-deploy` runs it.

mod chart;
mod monitoring;
