//! `parallax-runtime-docker`: runs agents as containers of a Docker engine.

use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use parallax_runtime_docker::{DockerArgs, DockerBackend, DockerConfig, gc};
use parallax_service::args::ServerArgs;
use parallax_service::memory;
use parallax_service::shutdown::Shutdown;
use parallax_service::telemetry;

/// The port it listens on unless configured.
const PORT: u16 = 3100;

/// Runs agents as containers of a Docker engine, behind the runtime API. They go on when this server ends.
#[derive(Parser)]
#[command(name = "parallax-runtime-docker", version)]
struct Arguments {
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    docker: DockerArgs,
    /// Remove what no server of this machine owns any more (containers, the hosts' volumes, the network), and end
    #[arg(long)]
    gc: bool,
}

fn main() -> anyhow::Result<()> {
    memory::set_up();
    run()
}

#[tokio::main]
async fn run() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let (settings, file) = arguments.server.resolve_with::<DockerArgs>("runtime-docker", PORT)?;
    telemetry::init(&settings.log)?;
    if arguments.gc {
        for removed in gc::collect().await.context("failed to look for what nobody owns")? {
            println!("removed {removed}");
        }
        return Ok(());
    }
    let shutdown = Shutdown::new();
    shutdown.on_signals()?;
    let config = DockerConfig::resolve(&settings, arguments.docker.or(file))?;
    let backend = Arc::new(DockerBackend::new(&config)?);
    let ran = parallax_runtime_core::run(settings.listen, config.runtime, backend.clone(), shutdown).await;
    backend.drain_pool().await;
    ran
}
