//! Connecting to a host: at its container's address, or by a relay that the engine runs in the container.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bollard::Docker;
use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecResults};
use bollard::models::EndpointSettings;
use bytes::Bytes;
use clap::ValueEnum;
use futures::{StreamExt, TryStreamExt};
use parallax_api::AgentId;
use parallax_runtime_core::HostAddress;
use parallax_runtime_core::host::{ByteStream, Dial};
use serde::Deserialize;
use tokio::io::join;
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_util::io::StreamReader;

use crate::identity::Identity;
use crate::layout::{HOST_DIR, PORT, PROGRAM, container_name};

/// How long a connection to a container may take. A container of this machine accepts or refuses within a millisecond.
const PROBE_TIMEOUT: Duration = Duration::from_millis(500);

/// How to connect to hosts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConnectMode {
    /// By address where this server can connect to containers, else by `exec`. Found out with the first agent.
    #[default]
    Auto,
    /// By the container's address: for an engine of this machine.
    Address,
    /// By the host's own relay, run in the container: for an engine elsewhere, or in a virtual machine.
    Exec,
}

/// Connects to this server's hosts.
pub(crate) struct Connector {
    mode: ConnectMode,
    identity: Identity,
    /// What `auto` has found.
    connects: OnceCell<bool>,
}

impl Connector {
    pub(crate) fn new(mode: ConnectMode, identity: Identity) -> Self {
        Self { mode, identity, connects: OnceCell::new() }
    }

    /// The address of an agent's host whose container is in these networks.
    pub(crate) async fn address(
        &self,
        docker: &Docker,
        id: &AgentId,
        networks: Option<HashMap<String, EndpointSettings>>,
    ) -> HostAddress {
        let token = self.identity.token(id);
        match address(networks) {
            Some(addr) if self.connects(addr).await => HostAddress::Tcp { addr, token },
            _ => HostAddress::Dialer {
                dial: Arc::new(Relay { docker: docker.clone(), container: container_name(id) }),
                token,
            },
        }
    }

    async fn connects(&self, addr: SocketAddr) -> bool {
        let probe = || async {
            let connected = tokio::time::timeout(PROBE_TIMEOUT, TcpStream::connect(addr)).await;
            if matches!(&connected, Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused) {
                // The host does not listen yet, or not any more: that says nothing about the way to the next one.
                return Err(());
            }
            let connects = matches!(connected, Ok(Ok(_)));
            if !connects {
                tracing::info!(%addr, "containers cannot be connected to; connecting to hosts by exec");
            }
            Ok(connects)
        };
        match self.mode {
            ConnectMode::Address => true,
            ConnectMode::Exec => false,
            ConnectMode::Auto => self.connects.get_or_try_init(probe).await.is_ok_and(|connects| *connects),
        }
    }
}

fn address(networks: Option<HashMap<String, EndpointSettings>>) -> Option<SocketAddr> {
    let ip: IpAddr = networks?.into_values().find_map(|network| network.ip_address?.parse().ok())?;
    Some(SocketAddr::new(ip, PORT))
}

/// Runs the host's relay in its container, one process for each connection.
struct Relay {
    docker: Docker,
    container: String,
}

#[async_trait]
impl Dial for Relay {
    async fn dial(&self) -> io::Result<Box<dyn ByteStream>> {
        let options = CreateExecOptions {
            cmd: Some(vec![PROGRAM, "relay", "--dir", HOST_DIR]),
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            ..CreateExecOptions::default()
        };
        let exec = self.docker.create_exec(&self.container, options).await.map_err(io::Error::other)?;
        let StartExecResults::Attached { output, input } =
            self.docker.start_exec(&exec.id, None).await.map_err(io::Error::other)?
        else {
            return Err(io::Error::other("the engine did not connect to the relay"));
        };
        let output = output.map(|output| match output.map_err(io::Error::other)? {
            LogOutput::StdErr { message } => {
                tracing::debug!(said = %String::from_utf8_lossy(&message), "the relay says");
                Ok::<Bytes, io::Error>(Bytes::new())
            }
            other => Ok(other.into_bytes()),
        });
        // An empty chunk would look like the end.
        let output = output.try_filter(|bytes: &Bytes| std::future::ready(!bytes.is_empty()));
        Ok(Box::new(join(StreamReader::new(Box::pin(output)), input)))
    }
}
