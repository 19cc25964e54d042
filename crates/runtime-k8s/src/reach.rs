//! Reaching a host: at its pod's address, or by a stream that the API server forwards to it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use clap::ValueEnum;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use parallax_api::AgentId;
use parallax_runtime_core::HostAddress;
use parallax_runtime_core::host::{ByteStream, Dial};
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use crate::cluster::Cluster;
use crate::key::Key;
use crate::names;
use crate::pod::PORT;

/// A pod answers, or refuses, in a millisecond; one hop further in some more.
const PROBE: Duration = Duration::from_millis(800);

/// How hosts are reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReachBy {
    /// At the pod's address when this server can connect to it, else forwarded. Tried with the first agent.
    #[default]
    Auto,
    /// At the pod's address: this server is in the cluster, or on one of its nodes.
    Address,
    /// By a stream that the API server forwards: this server is elsewhere.
    Forward,
}

/// Reaches this runtime's hosts.
pub(crate) struct Reach {
    by: ReachBy,
    pods: Api<Pod>,
    key: Key,
    /// Whether pods can be connected to, when that was found out.
    connects: Mutex<Option<bool>>,
}

impl Reach {
    pub(crate) fn new(by: ReachBy, cluster: &Cluster, key: Key) -> Self {
        let connects = match by {
            ReachBy::Auto => None,
            ReachBy::Address => Some(true),
            ReachBy::Forward => Some(false),
        };
        Self { by, pods: cluster.pods(), key, connects: Mutex::new(connects) }
    }

    /// Where the host of this agent answers, its pod having this address.
    pub(crate) async fn address(&self, id: &AgentId, ip: Option<&str>) -> HostAddress {
        let token = self.key.token(id);
        let addr = ip.and_then(|ip| ip.parse::<IpAddr>().ok()).map(|ip| SocketAddr::new(ip, PORT));
        match addr {
            Some(addr) if self.connects(addr).await => HostAddress::Tcp { addr, token },
            _ => HostAddress::Dialer {
                dial: Arc::new(Forward { pods: self.pods.clone(), pod: names::pod(id) }),
                token,
            },
        }
    }

    /// The same for a pod of which the cluster does not say yet that it runs: none, unless its host can be connected to.
    pub(crate) async fn early(&self, id: &AgentId, ip: Option<&str>) -> Option<HostAddress> {
        let addr = SocketAddr::new(ip?.parse().ok()?, PORT);
        if *self.connects.lock().await == Some(false) {
            return None;
        }
        let connected = tokio::time::timeout(PROBE, TcpStream::connect(addr)).await;
        matches!(connected, Ok(Ok(_))).then(|| HostAddress::Tcp { addr, token: self.key.token(id) })
    }

    async fn connects(&self, addr: SocketAddr) -> bool {
        let mut known = self.connects.lock().await;
        if let Some(known) = *known {
            return known;
        }
        let found = match tokio::time::timeout(PROBE, TcpStream::connect(addr)).await {
            Ok(Ok(_)) => true,
            // A host that does not listen yet: its machine answered. Nothing is settled by it.
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => return true,
            _ => false,
        };
        if !found {
            tracing::info!(%addr, by = ?self.by, "a pod's address cannot be reached; reaching hosts through the API server");
        }
        *known = Some(found);
        found
    }
}

/// Forwards to a host, a stream for each connection.
struct Forward {
    pods: Api<Pod>,
    pod: String,
}

#[async_trait]
impl Dial for Forward {
    async fn dial(&self) -> io::Result<Box<dyn ByteStream>> {
        let mut forwarder = self.pods.portforward(&self.pod, &[PORT]).await.map_err(io::Error::other)?;
        let (stream, error) = (forwarder.take_stream(PORT), forwarder.take_error(PORT));
        let (Some(stream), Some(error)) = (stream, error) else {
            return Err(io::Error::other("the port was not forwarded"));
        };
        // The stream of a port that is of no use would stay open. Ends with the stream.
        tokio::spawn(async move {
            if let Some(words) = error.await {
                tracing::debug!(words, "a port could not be forwarded");
                forwarder.abort();
            }
        });
        Ok(Box::new(stream))
    }
}
