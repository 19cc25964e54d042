//! Which names the server may be called by, and which pages may call it.
//!
//! A browser lets any page send requests to `localhost`. The `Host` check stops a page whose own name was made to
//! point here (DNS rebinding); the `Origin` check stops a page that says where it is from; fetch metadata stops what
//! a page loads without saying so (`<img>`, `<iframe>`).

use std::net::IpAddr;

use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use parallax_api::{Code, Problem};

/// The rules, from a [`super::AccessConfig`].
#[derive(Debug)]
pub(super) struct Origins {
    listen: Option<IpAddr>,
    hosts: Vec<String>,
    origins: Vec<String>,
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

impl Origins {
    pub fn new(listen: Option<IpAddr>, hosts: &[String], origins: &[String]) -> Self {
        Self {
            listen,
            hosts: hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            origins: origins.iter().map(|origin| origin.trim_end_matches('/').to_ascii_lowercase()).collect(),
        }
    }

    /// Whether a page elsewhere is allowed at all.
    pub fn allows_any(&self) -> bool {
        !self.origins.is_empty()
    }

    /// Whether pages of this origin are allowed, being elsewhere.
    pub fn allows(&self, origin: &HeaderValue) -> bool {
        origin.to_str().is_ok_and(|origin| self.origins.contains(&origin.to_ascii_lowercase()))
    }

    /// Fails with `FORBIDDEN` when the request came by a name that is not this server's or from a page that may not
    /// use it.
    pub fn check(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        let host = self.check_host(uri, headers)?;
        match one(headers, &header::ORIGIN)? {
            Some(origin) if same_origin(origin, &host) || self.allows(origin) => Ok(()),
            Some(origin) => Err(foreign(origin)),
            None => unsaid(method, headers),
        }
    }

    /// The same for a path that a key opens: whoever knows it may, but no page that says it is from elsewhere. The pages that it was made for
    /// have no origin.
    pub fn check_keyed(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        let host = self.check_host(uri, headers)?;
        match one(headers, &header::ORIGIN)? {
            Some(origin) if origin != "null" && !same_origin(origin, &host) => Err(foreign(origin)),
            _ => Ok(()),
        }
    }

    /// The name that the server is called by, which is one of its own.
    fn check_host(&self, uri: &Uri, headers: &HeaderMap) -> Result<Authority, Problem> {
        let host = one(headers, &header::HOST)?
            .and_then(|host| host.to_str().ok())
            .and_then(|host| host.parse::<Authority>().ok())
            .filter(|host| !host.as_str().contains('@'))
            .ok_or_else(|| refused("a request names the server in one valid `Host` header"))?;
        // `GET http://name/path` names the server a second time; only what agrees can be meant honestly.
        let agrees = uri.authority().is_none_or(|named| named.as_str().eq_ignore_ascii_case(host.as_str()));
        if !agrees || !self.knows(&host) {
            return Err(refused(format!(
                "this server is not called `{host}`; start it with `--allow-host {}` if it should be",
                host.host()
            )));
        }
        Ok(host)
    }

    /// Whether this is a name of this server: a loopback name, its own address, or an allowed one. The port does not
    /// matter: it may have been forwarded, and a name that is ours cannot have been made to point here.
    fn knows(&self, host: &Authority) -> bool {
        let name = host.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let own = match name.parse::<IpAddr>() {
            // An address cannot be rebound: pages that were loaded from it are of this server.
            Ok(address) => {
                address.is_loopback()
                    || self.listen.is_some_and(|listen| listen == address || listen.is_unspecified())
            }
            Err(_) => name == "localhost",
        };
        own || self
            .hosts
            .iter()
            .any(|allowed| *allowed == name || allowed.eq_ignore_ascii_case(host.as_str()))
    }
}

/// What a request without `Origin` comes from. Programs send no fetch metadata; browsers do, and then only the
/// server's own pages, the person at the address bar, and links that open the server's page pass.
fn unsaid(method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    let says = |name: &HeaderName, value: &str| headers.get(name).is_some_and(|said| said == value);
    let own = match headers.get(&SEC_FETCH_SITE) {
        None => true,
        Some(site) => site == "same-origin" || site == "none",
    };
    let link =
        *method == Method::GET && says(&SEC_FETCH_MODE, "navigate") && says(&SEC_FETCH_DEST, "document");
    if own || link { Ok(()) } else { Err(refused("a page elsewhere may not load this")) }
}

fn foreign(origin: &HeaderValue) -> Problem {
    let origin = origin.to_str().unwrap_or("?");
    refused(format!(
        "pages of `{origin}` may not use this server; start it with `--allow-origin {origin}` if they should"
    ))
}

fn same_origin(origin: &HeaderValue, host: &Authority) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    ["http://", "https://"].iter().any(|scheme| {
        origin.strip_prefix(scheme).is_some_and(|rest| rest.eq_ignore_ascii_case(host.as_str()))
    })
}

/// The header's only value; none when it is absent.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a HeaderValue>, Problem> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(refused(format!("`{name}` was sent more than once"))),
        (value, None) => Ok(value),
    }
}

fn refused(detail: impl Into<String>) -> Problem {
    Problem::new(Code::Forbidden, detail)
}
