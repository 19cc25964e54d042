//! What agents reach, tried from inside a container like theirs.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::models::{ContainerCreateBody, HostConfig, Mount, MountType, NetworkInspect};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, InspectNetworkOptions,
    RemoveContainerOptionsBuilder,
};
use futures::StreamExt;
use parallax_api::Problem;
use parallax_api::check::Check;
use parallax_api::host::Reached;
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use crate::context::Context;
use crate::engine;
use crate::layout::{PROGRAM, PROGRAM_DIR, label};
use crate::network;

/// Where clouds tell a machine who it is, with its credentials.
const METADATA: &str = "169.254.169.254:80";
/// A public name that is there to be asked for: <https://www.iana.org/help/example-domains>.
const PUBLIC: &str = "example.com:443";
/// No address of this network is used: <https://www.rfc-editor.org/rfc/rfc5737>.
const NOWHERE: &str = "192.0.2.1:9";
/// How long the machine itself may take to reach the public name.
const PUBLIC_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the container may take.
const TIMEOUT: Duration = Duration::from_secs(25);
/// The longest output that is read, in bytes.
const MAX_OUTPUT: usize = 64 * 1024;
/// The user and the memory, in bytes, of the container.
const USER: &str = "1000:1000";
const MEMORY: i64 = 64 * 1024 * 1024;

/// Something to be reached, or not.
struct Target {
    address: String,
    /// In words.
    what: String,
    /// Agents should reach it.
    wanted: bool,
}

/// Tries from a container of `image` in this network. `restricted`: this runtime promises what is not reached.
pub(super) async fn examine(
    context: &Context,
    docker: &Docker,
    network: &str,
    image: &str,
    restricted: bool,
) -> Vec<Check> {
    let inspected = match docker.inspect_network(network, None::<InspectNetworkOptions>).await {
        Ok(inspected) => inspected,
        Err(error) => {
            let problem = engine::problem("describe the network", &error);
            return vec![Check::bad("reach", problem.detail)];
        }
    };
    let mut checks = Vec::new();
    // What agents are kept from answers only while it listens.
    let listener = TcpListener::bind("0.0.0.0:0").await.ok();
    let port = listener.as_ref().and_then(|listener| listener.local_addr().ok()).map(|own| own.port());
    let mut targets = vec![target(METADATA, "the metadata service of clouds (169.254.169.254)", false)];
    match (port, is_here(&inspected)) {
        (Some(port), true) => targets.extend(of_this_machine(&inspected, port).await),
        _ => checks.push(
            Check::note(
                "reach",
                "the engine's bridge is not on this machine: nothing is enforced there by this runtime",
            )
            .advise("restrict what containers reach on the engine's machine"),
        ),
    }
    match public_is_reached().await {
        true => targets.push(target(PUBLIC, "public names (example.com)", true)),
        false => checks.push(Check::note(
            "reach",
            "public names: not tried, as this machine does not reach example.com itself",
        )),
    }
    match try_all(context, docker, network, image, &targets).await {
        Ok(reached) => {
            checks.extend(
                targets.iter().zip(&reached).map(|(target, reached)| judge(target, reached, restricted)),
            );
        }
        Err(problem) => checks.push(Check::bad("reach", problem.detail)),
    }
    checks
}

fn target(address: impl Into<String>, what: impl Into<String>, wanted: bool) -> Target {
    Target { address: address.into(), what: what.into(), wanted }
}

fn judge(target: &Target, reached: &Reached, restricted: bool) -> Check {
    const WHAT: &str = "reach";
    let Target { what, wanted, .. } = target;
    match (&reached.error, wanted) {
        (None, true) => Check::good(WHAT, format!("{what}: reached from a container")),
        (Some(error), true) => Check::bad(WHAT, format!("{what}: not reached from a container ({error})"))
            .advise("agents need their models: is there a name server and a way out for containers?"),
        (Some(_), false) => Check::good(WHAT, format!("{what}: out of reach")),
        (None, false) if restricted => Check::bad(WHAT, format!("agents reach {what}")).advise(
            "the runtime could not restrict their network: let it change iptables on the engine's machine, or restrict the \
             network yourself and name it with --network",
        ),
        (None, false) => Check::note(WHAT, format!("agents reach {what}")),
    }
}

/// Whether the network's bridge is on this machine.
fn is_here(inspected: &NetworkInspect) -> bool {
    let id = inspected.id.as_deref().unwrap_or_default();
    Path::new("/sys/class/net").join(network::bridge_of(id, inspected.options.as_ref())).exists()
}

/// The gateway of the network, and the address by which this machine is known on its own network.
async fn of_this_machine(inspected: &NetworkInspect, port: u16) -> Vec<Target> {
    let configured = inspected.ipam.as_ref().and_then(|ipam| ipam.config.as_ref()).into_iter().flatten();
    let gateways = configured.filter_map(|config| config.gateway.as_deref()?.parse::<IpAddr>().ok());
    let gateway = gateways.map(|gateway| {
        target(socket(gateway, port), format!("this machine by the gateway ({gateway})"), false)
    });
    let own = own_address()
        .await
        .map(|own| target(socket(own, port), format!("this machine on its network ({own})"), false));
    gateway.chain(own).collect()
}

fn socket(address: IpAddr, port: u16) -> String {
    SocketAddr::new(address, port).to_string()
}

/// The address by which this machine reaches others. Nothing is sent.
async fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").await.ok()?;
    socket.connect(NOWHERE).await.ok()?;
    socket.local_addr().ok().map(|own| own.ip()).filter(|own| !own.is_loopback())
}

async fn public_is_reached() -> bool {
    matches!(tokio::time::timeout(PUBLIC_TIMEOUT, TcpStream::connect(PUBLIC)).await, Ok(Ok(_)))
}

/// Runs the host's program in a container that is removed afterwards; one answer for each target.
async fn try_all(
    context: &Context,
    docker: &Docker,
    network: &str,
    image: &str,
    targets: &[Target],
) -> Result<Vec<Reached>, Problem> {
    let volume = context.host_volume.ensure(docker, image).await?;
    let addresses = targets.iter().map(|target| target.address.clone());
    let body = ContainerCreateBody {
        image: Some(image.into()),
        user: Some(USER.into()),
        entrypoint: Some(vec![PROGRAM.into()]),
        cmd: Some(std::iter::once("reach".to_owned()).chain(addresses).collect()),
        working_dir: Some("/".into()),
        // Without an agent: should this server die, the next one removes it.
        labels: Some(HashMap::from([
            (label::SERVER.to_owned(), context.identity.server().to_owned()),
            (label::OWNER.to_owned(), context.identity.owner()),
        ])),
        attach_stdout: Some(true),
        host_config: Some(HostConfig {
            network_mode: Some(network.to_owned()),
            mounts: Some(vec![Mount {
                target: Some(PROGRAM_DIR.into()),
                source: Some(volume),
                typ: Some(MountType::VOLUME),
                read_only: Some(true),
                ..Mount::default()
            }]),
            memory: Some(MEMORY),
            memory_swap: Some(MEMORY),
            pids_limit: Some(64),
            readonly_rootfs: Some(true),
            cap_drop: Some(vec!["ALL".into()]),
            security_opt: Some(vec!["no-new-privileges:true".into()]),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let options = CreateContainerOptionsBuilder::default().build();
    let made = docker.create_container(Some(options), body).await;
    let container =
        made.map_err(|error| engine::problem("make a container to try the network from", &error))?.id;
    let tried = tokio::time::timeout(TIMEOUT, run(docker, &container)).await;
    let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    if let Err(error) = docker.remove_container(&container, Some(options)).await {
        tracing::warn!(
            container,
            error = engine::words(&error),
            "a container that tried the network is left"
        );
    }
    let output = tried
        .unwrap_or_else(|_| Err(Problem::internal("the container that tries the network did not end")))?;
    let lines = String::from_utf8_lossy(&output).into_owned();
    let reached: Vec<Reached> = lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    match reached.len() == targets.len() {
        true => Ok(reached),
        false => {
            Err(Problem::internal(format!("the container that tries the network said: {}", lines.trim())))
        }
    }
}

/// What the container says until it ends.
async fn run(docker: &Docker, container: &str) -> Result<Vec<u8>, Problem> {
    let options = AttachContainerOptionsBuilder::default().stream(true).stdout(true).stderr(true).build();
    let attached = docker.attach_container(container, Some(options)).await;
    let mut attached = attached.map_err(|error| engine::problem("connect to the container", &error))?;
    let started = docker.start_container(container, None).await;
    started.map_err(|error| engine::problem("start the container that tries the network", &error))?;
    let mut output = Vec::new();
    while let Some(part) = attached.output.next().await {
        let part: LogOutput = part.map_err(|error| engine::away(&error))?;
        output.extend_from_slice(&part.into_bytes());
        if output.len() > MAX_OUTPUT {
            break;
        }
    }
    Ok(output)
}

#[cfg(test)]
mod tests {
    use parallax_api::check::CheckState;

    use super::*;

    #[test]
    fn judged_by_what_is_promised() {
        let gateway = target("172.18.0.1:1", "this machine", false);
        let public = target(PUBLIC, "public names", true);
        let reached =
            |error: Option<&str>| Reached { target: String::new(), error: error.map(str::to_owned) };
        let state = |target: &Target, error, restricted| judge(target, &reached(error), restricted).state;
        assert_eq!(state(&gateway, Some("refused"), true), CheckState::Good);
        assert_eq!(state(&gateway, None, true), CheckState::Bad);
        assert_eq!(state(&gateway, None, false), CheckState::Note, "nobody promised it");
        assert_eq!(state(&public, None, true), CheckState::Good);
        assert_eq!(state(&public, Some("no such host"), false), CheckState::Bad);
    }
}
