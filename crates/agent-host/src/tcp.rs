//! The host's TCP listener: every caller shows the token of the launch.

use std::net::SocketAddr;

use anyhow::Context as _;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use parallax_api::agent::EnvValue;
use parallax_api::{Code, Problem};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;

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
        let token = token.filter(|token| !token.expose().is_empty());
        let token = token.context("a host that listens on a network needs a token in its launch")?;
        let listener = TcpListener::bind(address).await.with_context(|| format!("listening on {address}"))?;
        Ok(Self { listener, token })
    }

    /// The listener, and `routes` behind the token. `GET /health` alone needs none: it is for container engines.
    pub fn with_auth(self, routes: Router) -> (TcpListener, Router) {
        let guarded = routes.layer(from_fn_with_state(self.token, check));
        (self.listener, guarded.route("/health", get(|| async { "ok" })))
    }
}

/// Whether a caller showed the token. A launch that the agent can read holds the token's digest only.
fn is_token(shown: &[u8], token: &str) -> bool {
    match token.strip_prefix(DIGEST) {
        Some(digest) => {
            let shown: String = Sha256::digest(shown).iter().map(|byte| format!("{byte:02x}")).collect();
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
    use super::is_token;

    #[test]
    fn a_digest_is_no_token() {
        let digest = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert!(is_token(b"abc", "abc") && is_token(b"abc", digest));
        assert!(!is_token(b"abd", "abc") && !is_token(b"abd", digest));
        assert!(!is_token(digest.as_bytes(), digest), "what the agent can read does not open the host");
        assert!(!is_token(b"", "sha256:"));
    }
}
