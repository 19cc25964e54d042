//! The control plane's program.

use anyhow::Context;
use clap::Parser;
use parallax_control_plane::{ControlPlane, ControlPlaneArgs};
use parallax_service::memory;
use parallax_service::shutdown::Shutdown;
use parallax_service::telemetry;
use tokio::net::TcpListener;

/// One address for every agent on every runtime.
#[derive(Parser)]
#[command(version, mut_arg("profiles", |arg| arg.hide(true)), mut_arg("max_agents", |arg| arg.hide(true)))]
struct Args {
    #[command(flatten)]
    control_plane: ControlPlaneArgs,
    /// Print the description of the API (OpenAPI, JSON), and do nothing else
    #[arg(long)]
    print_openapi: bool,
}

fn main() -> anyhow::Result<()> {
    memory::set_up();
    run()
}

#[tokio::main]
async fn run() -> anyhow::Result<()> {
    let args = Args::parse();
    if args.print_openapi {
        println!("{}", parallax_control_plane::openapi().to_pretty_json()?);
        return Ok(());
    }
    let (config, listen, log) = args.control_plane.resolve()?;
    telemetry::init(&log)?;
    let shutdown = Shutdown::new();
    shutdown.on_signals()?;
    if args.control_plane.server.max_agents.is_some() || args.control_plane.server.profiles.is_some() {
        tracing::warn!("profiles and the limit of agents are each runtime's own: not used here");
    }
    if config.runtimes.is_empty() {
        tracing::warn!("no runtime is configured: set PARALLAX_LOCAL_RUNTIME_URL, or give --runtime");
    }
    let control_plane = ControlPlane::build(config, shutdown).await?;
    let listener =
        TcpListener::bind(listen).await.with_context(|| format!("failed to listen on {listen}"))?;
    tracing::info!("listening on http://{}", listener.local_addr()?);
    control_plane.serve(listener).await
}
