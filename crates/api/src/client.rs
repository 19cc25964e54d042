//! The typed client: one method a route, for the control plane and for a runtime server alike.
//!
//! - `agents`: the methods, one a route
//! - [`answer`](self): every refusal, also "nobody is there", is a [`Problem`]
//! - `patterns`: patterns and runs; [`ExecutionEvents`]: what happens in a run
//! - [`EventStream`]: events with resume, over SSE or WebSocket
//! - [`TerminalSocket`]: an agent's terminal with exact resume by offset
//! - [`LogFollower`]: an agent's output, followed with exact resume by offset
//! - [`ListFilter`]: which agents to list
//!
//! ```no_run
//! # async fn demo() -> Result<(), parallax_api::Problem> {
//! use parallax_api::client::Client;
//! use parallax_api::{SendRequest, SpawnRequest};
//!
//! let client = Client::control_plane("http://127.0.0.1:3000", None)?;
//! let agent = client.spawn(&SpawnRequest { name: "reviewer".into(), r#type: "claude".into(), ..Default::default() }).await?;
//! let message = SendRequest { message: "hello".into(), expect_response: true, ..Default::default() };
//! println!("{}", client.send(&agent.id, &message).await?.response.expect("was expected").content);
//! # Ok(()) }
//! ```

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::header::HeaderValue;
use reqwest::{Method, RequestBuilder, Url};
use secrecy::{ExposeSecret, SecretString};

use crate::Problem;
use crate::runtime::CONTROL_PLANE_HEADER;

mod agents;
mod answer;
mod direct;
mod events;
mod files;
mod filter;
mod log;
mod patterns;
mod presets;
mod retry;
mod sse;
mod terminal;
mod usage;
mod websocket;

pub use answer::read_within;
pub use events::{Change, EventStream, EventsOptions, Transport};
pub use files::{FileContent, FileStream};
pub use filter::ListFilter;
pub use log::{LastLines, LogFollower, LogItem};
pub use patterns::{ExecutionChange, ExecutionEvents};
pub use retry::Retry;
pub use terminal::{TerminalInput, TerminalItem, TerminalOptions, TerminalSocket};
pub use websocket::WebSocket;

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer may take where the request itself does not say.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a silent connection may be dead before that is noticed, where nothing else notices.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Which of the two APIs a server speaks. The bodies and codes are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Api {
    ControlPlane,
    Runtime,
}

/// A client of one server. Cheap to clone; connections are shared.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    /// Without a slash at the end.
    base: String,
    /// The same as everybody may read it: without a name and a password in it.
    shown: String,
    api: Api,
    token: Option<SecretString>,
    /// The control plane that asks, for its runtimes.
    control_plane: Option<HeaderValue>,
}

impl Client {
    /// A client of a control plane (`/api/managed-agents`). Fails with `VALIDATION_ERROR` when `url` is none.
    pub fn control_plane(url: &str, token: Option<SecretString>) -> Result<Self, Problem> {
        Self::new(url, token, Api::ControlPlane)
    }

    /// A client of a runtime server (`/api/agents`). Fails with `VALIDATION_ERROR` when `url` is none.
    pub fn runtime(url: &str, token: Option<SecretString>) -> Result<Self, Problem> {
        Self::new(url, token, Api::Runtime)
    }

    /// The same, telling the runtime which control plane asks. Fails with `VALIDATION_ERROR` when `name` is no good for a header.
    pub fn of_control_plane(self, name: &str) -> Result<Self, Problem> {
        let value =
            HeaderValue::from_str(name).map_err(|error| Problem::invalid("name", error.to_string()))?;
        Ok(Self { control_plane: Some(value), ..self })
    }

    /// Where the server is, without a slash at the end, and without the name and password that the address may have been given with.
    pub fn url(&self) -> &str {
        &self.shown
    }

    fn new(url: &str, token: Option<SecretString>, api: Api) -> Result<Self, Problem> {
        let text = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let parsed = Url::parse(&text).map_err(|error| bad_url(url, &error.to_string()))?;
        if !matches!(parsed.scheme(), "http" | "https") || parsed.host_str().is_none() {
            return Err(bad_url(url, "it starts with `http://` or `https://` and names a host"));
        }
        if token
            .as_ref()
            .is_some_and(|token| !token.expose_secret().bytes().all(|byte| byte.is_ascii_graphic()))
        {
            return Err(Problem::invalid("token", "a token holds visible ASCII characters only"));
        }
        install_crypto();
        let mut http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .tcp_keepalive(KEEPALIVE)
            // A redirect elsewhere would take the token along; the API has none.
            .redirect(reqwest::redirect::Policy::none());
        if parsed.scheme() == "http" {
            // No certificates are looked at, so none are loaded: a bare container has none.
            http = http.tls_certs_only([]);
        }
        if is_loopback(&parsed) {
            http = http.no_proxy();
        }
        let http = http.build().map_err(|error| Problem::internal(answer::causes(&error)))?;
        let base = text.trim_end_matches('/').to_owned();
        let shown = without_password(&base, parsed);
        Ok(Self { http, base, shown, api, token, control_plane: None })
    }

    /// The route of the collection with `rest` after it (`""` or `"/…"`).
    fn agents_path(&self, rest: &str) -> String {
        match self.api {
            Api::ControlPlane => format!("/api/managed-agents{rest}"),
            Api::Runtime => format!("/api/agents{rest}"),
        }
    }

    fn events_path(&self) -> &'static str {
        match self.api {
            Api::ControlPlane => "/api/managed-agents/events",
            Api::Runtime => "/api/events",
        }
    }

    /// A request with the token and no time limit of its own, for whoever relays what others ask.
    pub fn open(&self, method: Method, path: &str) -> RequestBuilder {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(name) = &self.control_plane {
            request = request.header(CONTROL_PLANE_HEADER, name);
        }
        match &self.token {
            Some(token) => request.bearer_auth(token.expose_secret()),
            None => request,
        }
    }

    /// A request with the token and the usual time limit.
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.open(method, path).timeout(ANSWER_TIMEOUT)
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("url", &self.shown).field("api", &self.api).finish_non_exhaustive()
    }
}

/// The address without a name and a password in it.
fn without_password(text: &str, mut parsed: Url) -> String {
    if parsed.username().is_empty() && parsed.password().is_none() {
        return text.to_owned();
    }
    // They fail for addresses that can have neither.
    let removed = parsed.set_password(None).and_then(|()| parsed.set_username(""));
    removed.map_or_else(|()| String::new(), |()| parsed.as_str().trim_end_matches('/').to_owned())
}

fn bad_url(url: &str, why: &str) -> Problem {
    // Where a password begins in what is no address nobody can say.
    let url = url.rsplit('@').next().unwrap_or_default();
    Problem::invalid("url", format!("`{url}` is no address of a server: {why}"))
}

fn is_loopback(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost") => true,
        Some(host) => {
            host.trim_matches(['[', ']']).parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
        }
        None => false,
    }
}

/// The TLS library has no cryptography of its own; whoever installed one first keeps it.
pub fn install_crypto() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        // Err means that there is one already, which is as good.
        drop(rustls::crypto::ring::default_provider().install_default());
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (given, base) in [
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("http://127.0.0.1:3000/", "http://127.0.0.1:3000"),
            ("localhost:3000", "http://localhost:3000"),
            ("https://agents.example.org/px/", "https://agents.example.org/px"),
        ] {
            assert_eq!(Client::control_plane(given, None).expect(given).url(), base);
        }
        for given in ["", "ftp://x", "http://", "http://a b"] {
            let problem = Client::runtime(given, None).expect_err(given);
            assert_eq!(
                (problem.code, problem.more["field"].as_str()),
                (crate::Code::Validation, Some("url"))
            );
        }
    }

    #[test]
    fn a_password_in_an_address_is_never_shown() {
        for (given, shown) in [
            ("http://ann:s3cret@localhost:3100/px/", "http://localhost:3100/px"),
            ("ann:s3cret@localhost:3100", "http://localhost:3100"),
            ("https://:s3cret@runtime.example", "https://runtime.example"),
            ("http://ann:s3c%40ret@localhost", "http://localhost"),
        ] {
            let client = Client::runtime(given, None).expect(given);
            assert_eq!(client.url(), shown);
            assert!(!format!("{client:?}").contains("s3c"), "{client:?}");
            let request = client.open(Method::GET, "/ready").build().expect("a request");
            assert!(request.headers().contains_key("authorization"), "it is sent");
        }
        for given in
            ["http://ann:s3cret@localhost:port", "ftp://ann:s3cret@localhost", "http://ann:s3/cret@localhost"]
        {
            let problem = Client::runtime(given, None).expect_err(given);
            assert!(!problem.detail.contains("s3"), "{problem}");
        }
    }

    #[test]
    fn a_token_is_never_shown() {
        let client = Client::control_plane("http://localhost", Some("s3cret".into())).expect("client");
        assert!(!format!("{client:?}").contains("s3cret"));
        assert!(Client::control_plane("http://localhost", Some("two\nlines".into())).is_err());
    }
}
