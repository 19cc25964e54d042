//! A request on a connection of its own, to what has no client here: a peer, or a host on its Unix socket.

use anyhow::{Context, ensure};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

/// What bytes go over, whatever kind of socket it is.
pub(crate) trait Duplex: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}

impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Duplex for T {}

/// Connects to `HOST:PORT`, or to the Unix socket at a path.
pub(crate) async fn connect(address: &str) -> anyhow::Result<Box<dyn Duplex>> {
    if address.starts_with('/') {
        return Ok(Box::new(UnixStream::connect(address).await.with_context(|| address.to_owned())?));
    }
    let stream = TcpStream::connect(address).await.with_context(|| address.to_owned())?;
    stream.set_nodelay(true)?;
    Ok(Box::new(stream))
}

/// Asks, and answers the body, which is JSON.
///
/// # Errors
/// With the answer, when it is a refusal.
pub(crate) async fn call(
    address: &str,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> anyhow::Result<Value> {
    let body = text(address, method, path, body).await?;
    serde_json::from_str(&body).with_context(|| body.clone())
}

/// Asks, and answers the body as it came.
///
/// # Errors
/// With the answer, when it is a refusal.
pub(crate) async fn text(
    address: &str,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> anyhow::Result<String> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let name = if address.starts_with('/') { "localhost" } else { address };
    let request = format!(
        "{method} {path} HTTP/1.0\r\nHost: {name}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").context("an answer of HTTP")?;
    ensure!(head.split(' ').nth(1).is_some_and(|status| status.starts_with('2')), "{answer}");
    Ok(body.to_owned())
}
