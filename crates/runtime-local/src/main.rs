//! `parallax-runtime-local`: runs agents as processes of this machine.

use anyhow::Context;
use clap::Parser;
use parallax_runtime_local::{LocalArgs, LocalSettings, build};
use parallax_service::args::ServerArgs;
use parallax_service::serve::DEFAULT_GRACE;
use parallax_service::shutdown::Shutdown;
use parallax_service::telemetry;
use tokio::net::TcpListener;

/// Where it listens unless told.
const PORT: u16 = 3100;

/// Runs agents as processes of this machine, behind the runtime API. They go on when this server ends.
#[derive(Parser)]
#[command(name = "parallax-runtime-local", version)]
struct Arguments {
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    local: LocalArgs,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let settings = arguments.server.resolve("runtime-local", PORT)?;
    telemetry::init(&settings.log)?;
    let shutdown = Shutdown::new();
    shutdown.on_signals()?;
    let server = build(LocalSettings::resolve(&settings, arguments.local)?, shutdown).await?;
    let listener = TcpListener::bind(settings.listen)
        .await
        .with_context(|| format!("failed to listen on {}", settings.listen))?;
    tracing::info!(address = %listener.local_addr()?, "the local runtime listens");
    server.serve(listener, DEFAULT_GRACE).await
}
