//! Access control before every route: which names and pages may reach the server, and who calls.
//!
//! In this order: `Host` and `Origin` ([`origin`]), CORS answers for allowed pages, token or ticket ([`token`],
//! [`ticket`]) or, without tokens, the account that made the connection ([`crate::peer`]), the streams of the client,
//! the body's bound ([`body`]). Everything refused is a [`Problem`]. A path with a key in it ([`path_key`]) is let in by the key, from
//! pages whose origin is nobody's too.

pub mod body;
mod client;
pub mod origin;
pub mod path_key;
pub mod ticket;
pub mod token;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use parallax_api::{Code, Problem};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use crate::fallback;
use crate::peer::Peer;
pub(crate) use client::UntilClosed;

use client::{ClientKey, Streams};
use origin::Origins;
use path_key::PathKeys;
use ticket::Tickets;
pub use token::{Admin, Caller, Operator, Scope, Token};
use token::{Tokens, bearer};

const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Who and what may pass.
#[derive(Clone, Debug)]
pub struct AccessConfig {
    /// The address the server listens on: it may be called by it, and on an unspecified address (`0.0.0.0`, `::`) by
    /// any address.
    pub listen: Option<IpAddr>,
    /// Who may call. Empty: whoever `without_token` lets in may do everything.
    pub tokens: Vec<Token>,
    /// Who may call where there are no tokens.
    pub without_token: WithoutToken,
    /// More names of this server, each with or without a port.
    pub allowed_hosts: Vec<String>,
    /// Origins of pages elsewhere that may use it, such as `https://board.example`, or `null`.
    pub allowed_origins: Vec<String>,
    /// Paths that need no token: exact, or a prefix that ends in `*`. For the server's own page; the data behind it
    /// stays closed.
    pub open_paths: Vec<String>,
    /// The longest body, in bytes.
    pub body_limit: usize,
}

impl Default for AccessConfig {
    fn default() -> Self {
        Self {
            listen: None,
            tokens: Vec::new(),
            without_token: WithoutToken::default(),
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            open_paths: vec!["/health".into(), "/ready".into()],
            body_limit: body::DEFAULT_LIMIT,
        }
    }
}

impl AccessConfig {
    /// The same with more paths that need no token.
    #[must_use]
    pub fn open(mut self, paths: &[&str]) -> Self {
        self.open_paths.extend(paths.iter().map(|path| (*path).into()));
        self
    }
}

/// Who may call a server that has no tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WithoutToken {
    /// Programs of the server's own account on this machine, and of root.
    #[default]
    OwnAccount,
    /// Whoever reaches the server.
    Anyone,
}

/// What is asked of callers, as `GET /health` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A token.
    Token,
    /// The server's own account, or root.
    OwnAccount,
    /// Nothing.
    Open,
}

impl Rule {
    /// The rule as the wire has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::OwnAccount => "own-account",
            Self::Open => "open",
        }
    }
}

/// The access control of a server. Clones share their tickets.
#[derive(Clone, Debug)]
pub struct Access(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    origins: Origins,
    tokens: Tokens,
    without_token: WithoutToken,
    tickets: Tickets,
    path_keys: PathKeys,
    streams: Streams,
    open_paths: Vec<String>,
    body_limit: usize,
}

impl Access {
    /// Access control by this configuration.
    pub fn new(config: AccessConfig) -> Self {
        Self(Arc::new(Inner {
            origins: Origins::new(config.listen, &config.allowed_hosts, &config.allowed_origins),
            tokens: Tokens::new(&config.tokens),
            without_token: config.without_token,
            tickets: Tickets::default(),
            path_keys: PathKeys::default(),
            streams: Streams::default(),
            open_paths: config.open_paths,
            body_limit: config.body_limit,
        }))
    }

    /// The keys that stand in paths, for who gives them out.
    pub fn path_keys(&self) -> PathKeys {
        self.0.path_keys.clone()
    }

    /// What is asked of callers.
    fn rule(&self) -> Rule {
        match self.0.without_token {
            _ if !self.0.tokens.is_empty() => Rule::Token,
            WithoutToken::OwnAccount => Rule::OwnAccount,
            WithoutToken::Anyone => Rule::Open,
        }
    }

    /// Who calls: from the token or the ticket the request brought, or the account that made the connection.
    fn caller(&self, request: &Request) -> Result<Caller, Problem> {
        let Inner { tokens, tickets, .. } = &*self.0;
        let peer = request.extensions().get::<Peer>();
        let rule = self.rule();
        let (scope, client) = match rule {
            Rule::Open => (Scope::Admin, ClientKey::Address(peer.map(|peer| peer.address.ip()))),
            Rule::OwnAccount => match peer {
                Some(Peer { uid: Some(uid), .. }) if peer.is_some_and(Peer::is_own_account) => {
                    (Scope::Admin, ClientKey::Account(*uid))
                }
                _ => return Err(not_own_account(peer)),
            },
            Rule::Token => {
                if let Some((_, scope, client)) = self.0.path_keys.find(request.uri().path()) {
                    (scope, client)
                } else if let Some(secret) = bearer(request.headers())? {
                    let known = tokens.scope(secret);
                    let scope =
                        known.ok_or_else(|| unauthorized("the token is not one this server knows"))?;
                    (scope, ClientKey::Token(token::digest(secret)))
                } else if let Some(ticket) = ticket::of(request) {
                    tickets.redeem(ticket).ok_or_else(|| {
                        unauthorized(
                            "the ticket is used, too old or unknown; get another with `POST /api/tickets`",
                        )
                    })?
                } else {
                    return Err(unauthorized(
                        "send `Authorization: Bearer TOKEN` with one of this server's tokens",
                    ));
                }
            }
        };
        let caller = Caller::new(scope, rule, client);
        caller.require(needed(request))?;
        Ok(caller)
    }

    fn is_open(&self, request: &Request) -> bool {
        let path = request.uri().path();
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        reads
            && self.0.open_paths.iter().any(|open| match open.strip_suffix('*') {
                Some(prefix) => path.starts_with(prefix),
                None => path == open,
            })
    }
}

/// Puts access control before every route of `router` and its fallback, and adds `POST /api/tickets`.
pub fn protect(router: Router, access: Access) -> Router {
    let router = router
        .route(
            ticket::PATH,
            post(ticket::create).fallback(fallback::method_not_allowed).with_state(access.clone()),
        )
        .layer(DefaultBodyLimit::disable()) // `check_caller` bounds the body, for every way of reading it
        .layer(from_fn_with_state(access.clone(), check_caller));
    let router = if access.0.origins.allows_any() { router.layer(cors(&access)) } else { router };
    router.layer(from_fn_with_state(access, check_origin))
}

async fn check_origin(State(access): State<Access>, request: Request, next: Next) -> Response {
    let Inner { origins, path_keys, .. } = &*access.0;
    let checked = match path_keys.find(request.uri().path()) {
        Some(_) => origins.check_keyed(request.uri(), request.headers()),
        None => origins.check(request.method(), request.uri(), request.headers()),
    };
    match checked {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

async fn check_caller(State(access): State<Access>, mut request: Request, next: Next) -> Response {
    let caller = match access.caller(&request) {
        Ok(caller) => caller,
        Err(_) if access.is_open(&request) => {
            let peer = request.extensions().get::<Peer>();
            Caller::unknown(access.rule(), ClientKey::Address(peer.map(|peer| peer.address.ip())))
        }
        Err(problem) => return refuse(problem),
    };
    let client = caller.client();
    request.extensions_mut().insert(caller);
    if let Some((keyed, ..)) = access.0.path_keys.find(request.uri().path()) {
        request.extensions_mut().insert(keyed);
    }
    let mut permit = None;
    if client::is_upgrade(&request) {
        match access.0.streams.begin(client) {
            // The socket outlives the request; without a connection of ours it is not counted.
            Ok(permit) => {
                if let Some(connection) = request.extensions().get::<UntilClosed>() {
                    connection.keep(permit);
                }
            }
            Err(problem) => return client::refuse_socket(request, problem).await,
        }
    } else if client::follows(&request) {
        match access.0.streams.begin(client) {
            Ok(begun) => permit = Some(begun),
            Err(problem) => return problem.into_response(),
        }
    }
    let response = match body::bound(request, access.0.body_limit).await {
        Ok(request) => next.run(request).await,
        Err(problem) => return problem.into_response(),
    };
    if permit.is_none() && client::is_event_stream(&response) {
        match access.0.streams.begin(client) {
            Ok(begun) => permit = Some(begun),
            Err(problem) => return problem.into_response(),
        }
    }
    match permit {
        Some(permit) => client::hold(response, permit),
        None => response,
    }
}

/// What a page's browser must be told before it lets the page use the answers.
fn cors(access: &Access) -> CorsLayer {
    let access = access.clone();
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin: &HeaderValue, _| access.0.origins.allows(origin)))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([header::LOCATION, header::RETRY_AFTER, IDEMPOTENCY_REPLAYED])
}

/// What a request needs by its method alone: reading is `view`, the rest `operate`. Getting a ticket grants nothing
/// that the caller does not have.
fn needed(request: &Request) -> Scope {
    match *request.method() {
        Method::GET | Method::HEAD => Scope::View,
        _ if request.uri().path() == ticket::PATH => Scope::View,
        _ => Scope::Operate,
    }
}

fn not_own_account(peer: Option<&Peer>) -> Problem {
    let whose = match peer.and_then(|peer| peer.uid) {
        Some(uid) => format!("this connection is of the account with the uid {uid}"),
        None => "whose connection this is is not known".into(),
    };
    unauthorized(&format!(
        "{whose}, and this server has no token: only its own account and root may use it; start it with \
         PARALLAX_API_TOKEN or --token-file, and send `Authorization: Bearer TOKEN`"
    ))
}

fn unauthorized(detail: &str) -> Problem {
    Problem::new(Code::Unauthorized, detail)
}

fn refuse(problem: Problem) -> Response {
    let challenge = problem.code == Code::Unauthorized;
    let mut response = problem.into_response();
    if challenge {
        let headers = response.headers_mut();
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}
