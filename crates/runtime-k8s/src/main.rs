//! `parallax-runtime-k8s`: runs agents as pods of a Kubernetes cluster.

use std::net::TcpListener;

use anyhow::Context;
use clap::Parser;
use parallax_runtime_k8s::{ConnectedCluster, KubernetesArgs, KubernetesConfig, resource, standby};
use parallax_service::args::ServerArgs;
use parallax_service::memory;
use parallax_service::serve::DEFAULT_GRACE;
use parallax_service::shutdown::Shutdown;
use parallax_service::telemetry;

/// The default port.
const PORT: u16 = 3100;

/// Runs agents as pods of a Kubernetes cluster, behind the runtime API. They go on when this server ends.
#[derive(Parser)]
#[command(name = "parallax-runtime-k8s", version)]
struct Arguments {
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    kubernetes: KubernetesArgs,
    /// Print the definition of the ParallaxAgent resource, for `kubectl apply`, and end
    #[arg(long)]
    print_crd: bool,
}

fn main() -> anyhow::Result<()> {
    memory::set_up();
    run()
}

#[tokio::main]
async fn run() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if arguments.print_crd {
        print!("{}", resource::yaml()?);
        return Ok(());
    }
    let (settings, file) = arguments.server.resolve_with::<KubernetesArgs>("runtime-k8s", PORT)?;
    telemetry::init(&settings.log)?;
    let shutdown = Shutdown::new();
    shutdown.on_signals()?;
    let kubernetes = KubernetesConfig::resolve(&settings, arguments.kubernetes.or(file))?;
    let (cluster, mut lease) = ConnectedCluster::connect(&kubernetes).await?;
    let listener = TcpListener::bind(settings.listen)
        .with_context(|| format!("failed to listen on {}", settings.listen))?;
    listener.set_nonblocking(true)?;
    cluster.stand_by().await;
    if !standby::until_leader(&mut lease, &listener, &shutdown).await? {
        return Ok(());
    }
    lease.keep(&shutdown);
    let server = cluster.build(kubernetes, shutdown).await?;
    tracing::info!(address = %listener.local_addr()?, "the Kubernetes runtime listens");
    server.serve(tokio::net::TcpListener::from_std(listener)?, DEFAULT_GRACE).await
}
