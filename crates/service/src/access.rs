//! Access control before every route: which names and pages may reach the server, and who calls.
//!
//! In this order: `Host` and `Origin` ([`origin`]), CORS answers for allowed pages, token or ticket ([`token`],
//! [`ticket`]), the body's bound ([`body`]). Everything refused is a [`Problem`].

pub mod body;
pub mod origin;
pub mod ticket;
pub mod token;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, Method};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use parallax_api::{Code, Problem};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use origin::Origins;
use ticket::Tickets;
pub use token::{Admin, Caller, Scope, Token};
use token::{Tokens, bearer};

/// Who and what may pass.
#[derive(Clone, Debug)]
pub struct AccessConfig {
    /// The address the server listens on: it may be called by it, and on an unspecified address (`0.0.0.0`, `::`) by
    /// any address.
    pub listen: Option<IpAddr>,
    /// Who may call. Empty: whoever reaches the server may do everything.
    pub tokens: Vec<Token>,
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

/// The access control of a server. Clones share their tickets.
#[derive(Clone, Debug)]
pub struct Access(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    origins: Origins,
    tokens: Tokens,
    tickets: Tickets,
    open_paths: Vec<String>,
    body_limit: usize,
}

impl Access {
    /// Access control by this configuration.
    pub fn new(config: AccessConfig) -> Self {
        Self(Arc::new(Inner {
            origins: Origins::new(config.listen, &config.allowed_hosts, &config.allowed_origins),
            tokens: Tokens::new(&config.tokens),
            tickets: Tickets::default(),
            open_paths: config.open_paths,
            body_limit: config.body_limit,
        }))
    }

    /// Who calls, from the token or the ticket the request brought.
    fn caller(&self, request: &Request) -> Result<Caller, Problem> {
        let Inner { tokens, tickets, .. } = &*self.0;
        if tokens.is_empty() {
            return Ok(Caller::new(Scope::Admin));
        }
        let scope = if let Some(secret) = bearer(request.headers())? {
            tokens.scope(secret).ok_or_else(|| unauthorized("the token is not one this server knows"))?
        } else if let Some(ticket) = ticket::of(request) {
            tickets.redeem(ticket).ok_or_else(|| {
                unauthorized("the ticket is used, too old or unknown; get another with `POST /api/tickets`")
            })?
        } else {
            return Err(unauthorized("send `Authorization: Bearer TOKEN` with one of this server's tokens"));
        };
        let caller = Caller::new(scope);
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
        .route(ticket::PATH, post(ticket::create).with_state(access.clone()))
        .layer(DefaultBodyLimit::disable()) // `check_caller` bounds the body, for every way of reading it
        .layer(from_fn_with_state(access.clone(), check_caller));
    let router = if access.0.origins.allows_any() { router.layer(cors(&access)) } else { router };
    router.layer(from_fn_with_state(access, check_origin))
}

async fn check_origin(State(access): State<Access>, request: Request, next: Next) -> Response {
    match access.0.origins.check(request.method(), request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

async fn check_caller(State(access): State<Access>, mut request: Request, next: Next) -> Response {
    let caller =
        if access.is_open(&request) { Ok(Caller::new(Scope::View)) } else { access.caller(&request) };
    let caller = match caller {
        Ok(caller) => caller,
        Err(problem) => return refuse(problem),
    };
    request.extensions_mut().insert(caller);
    match body::bound(request, access.0.body_limit).await {
        Ok(request) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// What a page's browser must be told before it lets the page use the answers.
fn cors(access: &Access) -> CorsLayer {
    let access = access.clone();
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin: &HeaderValue, _| access.0.origins.allows(origin)))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers(AllowHeaders::mirror_request())
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

fn unauthorized(detail: &str) -> Problem {
    Problem::new(Code::Unauthorized, detail)
}

fn refuse(problem: Problem) -> Response {
    let challenge = problem.code == Code::Unauthorized;
    let mut response = problem.into_response();
    if challenge {
        let headers = response.headers_mut();
        headers.insert(axum::http::header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}
