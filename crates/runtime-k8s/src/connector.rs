//! Connecting to a host: at its pod's address, or by a stream that the API server forwards.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use clap::ValueEnum;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt as _};
use parallax_api::AgentId;
use parallax_api::agent::EnvValue;
use parallax_runtime_core::HostAddress;
use parallax_runtime_core::host::{ByteStream, Dial};
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use crate::cluster::Cluster;
use crate::pod::PORT;
use crate::token_key::TokenKey;

/// How long a connection to a pod may take. A pod that can be reached accepts or refuses within milliseconds.
const PROBE_TIMEOUT: Duration = Duration::from_millis(800);

/// How to connect to hosts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConnectMode {
    /// By address where this server can connect to pods, else forwarded. Found out with the first agent.
    #[default]
    Auto,
    /// By the pod's address: for a server in the cluster, or on one of its nodes.
    Address,
    /// By a stream that the API server forwards: for a server outside of the cluster.
    Forward,
}

/// Connects to this runtime's hosts.
pub(crate) struct Connector {
    mode: ConnectMode,
    pods: Api<Pod>,
    token_key: TokenKey,
    /// Whether pods can be connected to; none: not found out yet.
    connects: Mutex<Option<bool>>,
}

impl Connector {
    pub(crate) fn new(mode: ConnectMode, cluster: &Cluster, token_key: TokenKey) -> Self {
        let connects = match mode {
            ConnectMode::Auto => None,
            ConnectMode::Address => Some(true),
            ConnectMode::Forward => Some(false),
        };
        Self { mode, pods: cluster.pods(), token_key, connects: Mutex::new(connects) }
    }

    /// The address of an agent's host in this pod, which runs.
    pub(crate) async fn address(&self, id: &AgentId, pod: &Pod) -> HostAddress {
        self.address_in(pod.name_any(), id, ip(pod)).await
    }

    /// The same for another pod that asks for the token of the agent's host.
    pub(crate) async fn address_in(&self, pod: String, id: &AgentId, ip: Option<&str>) -> HostAddress {
        self.address_of(pod, ip, self.token_key.token(id)).await
    }

    /// The address of a host of the pool that waits in this pod.
    pub(crate) async fn pool_address(&self, pod: &Pod) -> HostAddress {
        let name = pod.name_any();
        let token = self.token_key.pool_token(&name);
        self.address_of(name, ip(pod), token).await
    }

    async fn address_of(&self, pod: String, ip: Option<&str>, token: EnvValue) -> HostAddress {
        let addr = ip.and_then(|ip| ip.parse::<IpAddr>().ok()).map(|ip| SocketAddr::new(ip, PORT));
        match addr {
            Some(addr) if self.connects(addr).await => HostAddress::Tcp { addr, token },
            _ => HostAddress::Dialer { dial: Arc::new(PortForward { pods: self.pods.clone(), pod }), token },
        }
    }

    /// The same for a pod that the cluster does not report as running yet. None, unless a connection succeeds.
    pub(crate) async fn early_address(&self, id: &AgentId, ip: Option<&str>) -> Option<HostAddress> {
        let addr = SocketAddr::new(ip?.parse().ok()?, PORT);
        if *self.connects.lock().await == Some(false) {
            return None;
        }
        let connected = tokio::time::timeout(PROBE_TIMEOUT, TcpStream::connect(addr)).await;
        matches!(connected, Ok(Ok(_))).then(|| HostAddress::Tcp { addr, token: self.token_key.token(id) })
    }

    async fn connects(&self, addr: SocketAddr) -> bool {
        let mut known = self.connects.lock().await;
        if let Some(known) = *known {
            return known;
        }
        let found = match tokio::time::timeout(PROBE_TIMEOUT, TcpStream::connect(addr)).await {
            Ok(Ok(_)) => true,
            // The pod's network answered, but the host does not listen yet: not a proof for later.
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => return true,
            _ => false,
        };
        if !found {
            tracing::info!(%addr, mode = ?self.mode, "pods cannot be connected to; connecting to hosts through the API server");
        }
        *known = Some(found);
        found
    }
}

fn ip(pod: &Pod) -> Option<&str> {
    pod.status.as_ref()?.pod_ip.as_deref().filter(|ip| !ip.is_empty())
}

/// Opens a forwarded stream for each connection.
struct PortForward {
    pods: Api<Pod>,
    pod: String,
}

#[async_trait]
impl Dial for PortForward {
    async fn dial(&self) -> io::Result<Box<dyn ByteStream>> {
        let mut forwarder = self.pods.portforward(&self.pod, &[PORT]).await.map_err(io::Error::other)?;
        let (stream, error) = (forwarder.take_stream(PORT), forwarder.take_error(PORT));
        let (Some(stream), Some(error)) = (stream, error) else {
            return Err(io::Error::other("the port was not forwarded"));
        };
        // A failed forward would leave its stream open. The task ends with the stream.
        tokio::spawn(async move {
            if let Some(words) = error.await {
                tracing::debug!(words, "a port could not be forwarded");
                forwarder.abort();
            }
        });
        Ok(Box::new(stream))
    }
}
