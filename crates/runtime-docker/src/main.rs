//! `parallax-runtime-docker`: runs agents as containers of a Docker engine.

use anyhow::Context;
use clap::Parser;
use parallax_runtime_docker::{DockerArgs, DockerSettings, build, gc};
use parallax_service::args::ServerArgs;
use parallax_service::serve::DEFAULT_GRACE;
use parallax_service::shutdown::Shutdown;
use parallax_service::telemetry;
use tokio::net::TcpListener;

/// Where it listens unless told.
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

#[tokio::main]
async fn main() -> anyhow::Result<()> {
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
    let docker = DockerSettings::resolve(&settings, arguments.docker.or(file))?;
    let server = build(docker, shutdown).await?;
    let listener = TcpListener::bind(settings.listen)
        .await
        .with_context(|| format!("failed to listen on {}", settings.listen))?;
    tracing::info!(address = %listener.local_addr()?, "the Docker runtime listens");
    server.serve(listener, DEFAULT_GRACE).await
}
