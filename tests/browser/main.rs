//! Pages in headless Chromium: `make test-browser`, and with agents in containers `make test-docker-browser`.

mod page;
mod script;
mod terminal;
