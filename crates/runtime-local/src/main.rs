//! `parallax-runtime-local`: runs agents as processes of this machine.

use clap::Parser;
use parallax_runtime_local::{LocalArgs, LocalConfig};
use parallax_service::args::ServerArgs;
use parallax_service::memory;
use parallax_service::shutdown::Shutdown;
use parallax_service::telemetry;

/// The port it listens on unless configured.
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

fn main() -> anyhow::Result<()> {
    memory::set_up();
    run()
}

#[tokio::main]
async fn run() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let (settings, file) = arguments.server.resolve_with::<LocalArgs>("runtime-local", PORT)?;
    telemetry::init(&settings.log)?;
    let shutdown = Shutdown::new();
    shutdown.on_signals()?;
    let config = LocalConfig::resolve(&settings, arguments.local.or(file))?;
    let backend = config.backend()?;
    parallax_runtime_core::run(settings.listen, config.runtime, backend, shutdown).await
}
