//! The host's TCP listener: every caller shows the token of the launch, and says soon what it wants.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use parallax_api::agent::EnvValue;
use parallax_api::{Code, Problem};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long a caller may take for the head of a request. The runtime server opens a connection for each.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections at once: viewers, followers, calls. More wait in the backlog until others end.
pub(crate) const MAX_CONNECTIONS: usize = 512;
/// Pause after the system refused a connection, most often for want of file descriptors.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// What precedes the hexadecimal digest of a token.
const DIGEST: &str = "sha256:";

/// A TCP listener, and the bearer token that its callers must show.
pub struct TokenListener {
    listener: TcpListener,
    token: EnvValue,
}

impl TokenListener {
    /// Listens on `address`.
    ///
    /// # Errors
    /// When there is no token, or the address is not available.
    pub async fn bind(address: SocketAddr, token: Option<EnvValue>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address).await.with_context(|| format!("listening on {address}"))?;
        Self::over(listener, token)
    }

    /// Goes on with a listener.
    ///
    /// # Errors
    /// When there is no token.
    pub fn over(listener: TcpListener, token: Option<EnvValue>) -> anyhow::Result<Self> {
        let token = token.filter(|token| !token.expose().is_empty());
        let token = token.context("a host that listens on a network needs a token in its launch")?;
        Ok(Self { listener, token })
    }

    /// Serves `routes` behind the token until `closing`, then until open requests have ended. `GET /health` alone needs no
    /// token: it is for container engines.
    ///
    /// # Errors
    /// None: accepting goes on after every failure.
    pub async fn serve(self, routes: Router, closing: CancellationToken) -> io::Result<()> {
        let routes = guarded(routes, self.token);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = closing.cancelled() => break,
                Some(_) = connections.join_next() => {}
                accepted = self.listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                    Ok((stream, _)) => drop(connections.spawn(serve_one(stream, routes.clone(), closing.clone()))),
                    Err(error) => {
                        tracing::warn!(%error, "failed to accept a connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        while connections.join_next().await.is_some() {}
        Ok(())
    }
}

/// These routes behind a token, and `GET /health`, which needs none.
pub(crate) fn guarded(routes: Router, token: EnvValue) -> Router {
    routes.layer(from_fn_with_state(token, check)).route("/health", get(|| async { "ok" }))
}

/// One connection to its end.
pub(crate) async fn serve_one(stream: TcpStream, routes: Router, closing: CancellationToken) {
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes))
        .with_upgrades();
    let mut served = std::pin::pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = closing.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}

/// Whether a caller showed the token. A launch that the agent can read holds the token's digest only.
fn is_token(shown: &[u8], token: &str) -> bool {
    match token.strip_prefix(DIGEST) {
        Some(digest) => {
            let shown = hex::encode(Sha256::digest(shown));
            shown.as_bytes().ct_eq(digest.as_bytes()).into()
        }
        None => shown.ct_eq(token.as_bytes()).into(),
    }
}

async fn check(State(token): State<EnvValue>, request: Request, next: Next) -> Response {
    let shown =
        request.headers().get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    if shown.is_some_and(|shown| is_token(shown, token.expose())) {
        return next.run(request).await;
    }
    Problem::new(Code::Unauthorized, "this host answers its own runtime server only").into_response()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// What comes back over a new connection for `sent` until it is closed.
    async fn exchange(address: SocketAddr, sent: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(sent).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn who_says_nothing_is_dropped() {
        let listener = TokenListener::bind(([127, 0, 0, 1], 0).into(), Some("t".into())).await.unwrap();
        let address = listener.listener.local_addr().unwrap();
        let routes = Router::new().route("/agent", get(|| async { "an agent" }));
        let closing = CancellationToken::new();
        let serving = tokio::spawn(listener.serve(routes, closing.clone()));
        let asks = |token: &str| {
            format!(
                "GET /agent HTTP/1.1\r\nhost: h\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n"
            )
        };
        assert!(exchange(address, asks("t").as_bytes()).await.ends_with("an agent"));
        assert!(exchange(address, asks("x").as_bytes()).await.starts_with("HTTP/1.1 401"));
        let healthy = b"GET /health HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";
        assert!(exchange(address, healthy).await.starts_with("HTTP/1.1 200"));

        // The clock is the test's: it goes on whenever everything waits for it.
        tokio::time::pause();
        for head in ["", "GET /agent HTTP/1.1\r\nhost: "] {
            let began = tokio::time::Instant::now();
            let answer = exchange(address, head.as_bytes()).await;
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{head:?}: {answer}");
            assert!(began.elapsed() >= HEAD_TIMEOUT, "{head:?}: {:?}", began.elapsed());
        }
        closing.cancel();
        serving.await.unwrap().unwrap();
    }

    #[test]
    fn a_digest_is_no_token() {
        let digest = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert!(is_token(b"abc", "abc") && is_token(b"abc", digest));
        assert!(!is_token(b"abd", "abc") && !is_token(b"abd", digest));
        assert!(!is_token(digest.as_bytes(), digest), "what the agent can read does not open the host");
        assert!(!is_token(b"", "sha256:"));
    }
}
