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
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;

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

async fn check(State(token): State<EnvValue>, request: Request, next: Next) -> Response {
    let shown =
        request.headers().get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    if shown.is_some_and(|shown| bool::from(shown.ct_eq(token.expose().as_bytes()))) {
        return next.run(request).await;
    }
    Problem::new(Code::Unauthorized, "this host answers its own runtime server only").into_response()
}
