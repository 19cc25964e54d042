//! A connection of its own for one WebSocket, where nothing but the network stands between.
//!
//! The system would let much more output wait for a slow viewer than it should, and the HTTP client has no say in that: what
//! waits in a receive buffer comes before the prompt that a Ctrl-C is to bring.

use std::io;
use std::net::SocketAddr;

use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use reqwest::{Body, Request, Response, Url};
use tokio::net::{TcpSocket, TcpStream, lookup_host};

use super::CONNECT_TIMEOUT;
use crate::terminal::RECEIVE_BUFFER;

/// Variables that name a proxy for plain HTTP.
const PROXIES: [&str; 4] = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];

/// Whether a request for `url` goes neither over TLS nor through a proxy.
pub(super) fn serves(url: &Url) -> bool {
    let has_proxy = || PROXIES.iter().any(|name| std::env::var_os(name).is_some_and(|url| !url.is_empty()));
    url.scheme() == "http" && (super::is_loopback(url) || !has_proxy())
}

/// Sends a request without a body and answers the response, which may be an upgrade.
pub(super) async fn exchange(request: &Request) -> io::Result<Response> {
    let url = request.url();
    let authority = url.host_str().ok_or(io::ErrorKind::InvalidInput)?;
    let port = url.port_or_known_default().unwrap_or(80);
    let connecting = connect(authority.trim_matches(['[', ']']), port);
    let stream = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await??;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    // Ends with the upgrade, or with the response.
    tokio::spawn(connection.with_upgrades());
    let mut path = url.path().to_owned();
    if let Some(query) = url.query() {
        path = format!("{path}?{query}");
    }
    let mut message = hyper::Request::builder().method(request.method()).uri(path);
    let host = url.port().map_or_else(|| authority.to_owned(), |port| format!("{authority}:{port}"));
    message = message.header(hyper::header::HOST, host);
    for (name, value) in request.headers() {
        message = message.header(name, value);
    }
    let message = message.body(Full::<bytes::Bytes>::default()).map_err(io::Error::other)?;
    let response = sender.send_request(message).await.map_err(io::Error::other)?;
    Ok(Response::from(response.map(Body::wrap)))
}

/// To the first address that answers.
async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = io::ErrorKind::NotFound.into();
    for address in lookup_host((host, port)).await? {
        match connect_to(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn connect_to(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Before it is connected: how much may be on its way is agreed on then.
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
