//! Tokens, what they allow, and who calls.

use std::fmt;
use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use parallax_api::{Code, Problem};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::Rule;
use super::client::ClientKey;

/// What a token allows; each scope includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Read: agents, screens, logs, events; watch terminals.
    View,
    /// Also spawn, send, type, stop.
    Operate,
    /// Also change the server itself.
    Admin,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::View => "view",
            Self::Operate => "operate",
            Self::Admin => "admin",
        })
    }
}

impl FromStr for Scope {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "view" => Ok(Self::View),
            "operate" => Ok(Self::Operate),
            "admin" => Ok(Self::Admin),
            _ => Err(anyhow::anyhow!("a scope is `view`, `operate` or `admin`")),
        }
    }
}

/// A secret and what it allows.
#[derive(Clone, Debug)]
pub struct Token {
    /// What it allows.
    pub scope: Scope,
    /// What callers send.
    pub secret: SecretString,
}

/// Who calls, as far as access control knows. An extractor for handlers behind [`super::protect`].
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    scope: Scope,
    rule: Rule,
    client: ClientKey,
    is_known: bool,
}

impl Caller {
    pub(super) fn new(scope: Scope, rule: Rule, client: ClientKey) -> Self {
        Self { scope, rule, client, is_known: true }
    }

    /// Somebody at a path that is open to all.
    pub(super) fn unknown(rule: Rule, client: ClientKey) -> Self {
        Self { is_known: false, ..Self::new(Scope::View, rule, client) }
    }

    /// Whether the caller has a scope by this server's rule, and is not just at a path that needs none.
    pub fn is_known(self) -> bool {
        self.is_known
    }

    /// What this server asks of callers.
    pub fn rule(self) -> Rule {
        self.rule
    }

    pub(super) fn client(self) -> ClientKey {
        self.client
    }

    /// What the caller may do.
    pub fn scope(self) -> Scope {
        self.scope
    }

    /// Fails with `FORBIDDEN` unless the caller may do as much. For what the method alone does not tell: a terminal
    /// is a `GET` that types.
    pub fn require(self, scope: Scope) -> Result<(), Problem> {
        if self.scope >= scope {
            return Ok(());
        }
        Err(Problem::new(
            Code::Forbidden,
            format!("this needs the scope `{scope}`, the token has `{}`", self.scope),
        )
        .with("scope", scope.to_string()))
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // A route that was not put behind access control must not pass for an open one.
        parts.extensions.get().copied().ok_or_else(|| Problem::internal("this route has no access control"))
    }
}

/// An extractor that lets only callers with the scope `admin` pass.
#[derive(Clone, Copy, Debug)]
pub struct Admin;

impl<S: Sync> FromRequestParts<S> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Caller::from_request_parts(parts, state).await?.require(Scope::Admin).map(|()| Self)
    }
}

/// An extractor that lets only callers with at least the scope `operate` pass: for what is read with `GET` and is more than a watcher
/// may see.
#[derive(Clone, Copy, Debug)]
pub struct Operator;

impl<S: Sync> FromRequestParts<S> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Caller::from_request_parts(parts, state).await?.require(Scope::Operate).map(|()| Self)
    }
}

/// The tokens a server knows, as digests: their comparison takes the same time whatever was sent, its length too.
#[derive(Debug)]
pub(super) struct Tokens(Vec<(Scope, [u8; 32])>);

impl Tokens {
    pub fn new(tokens: &[Token]) -> Self {
        Self(tokens.iter().map(|token| (token.scope, digest(token.secret.expose_secret()))).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What this secret allows. Looks at every token, so that the time tells nothing.
    pub fn scope(&self, secret: &str) -> Option<Scope> {
        let sent = digest(secret);
        self.0.iter().fold(
            None,
            |found, (scope, known)| {
                if bool::from(known.ct_eq(&sent)) { found.max(Some(*scope)) } else { found }
            },
        )
    }
}

pub(super) fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

/// The bearer token of a request; a second or malformed `Authorization` is refused, not passed over.
pub(super) fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let secret = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, secret)| secret.trim());
    match (secret, values.next()) {
        (Some(secret), None) => Ok(Some(secret)),
        _ => Err(Problem::new(Code::Unauthorized, "send one header `Authorization: Bearer TOKEN`")),
    }
}
