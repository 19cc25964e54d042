//! Headers between a caller and what an agent serves: a list of those that pass, in each direction. What is on neither list stays here,
//! with it everything about the connection itself, credentials (this server's, and those that a proxy before it adds), and what would give
//! the agent's page a say in this origin: cookies, service workers, policies, reports, storage.

use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, Method, Uri};
use reqwest::Url;

/// Those of a request that go on to the agent.
const REQUEST: [HeaderName; 18] = [
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::ACCEPT_LANGUAGE,
    header::CACHE_CONTROL,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_TYPE,
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::IF_UNMODIFIED_SINCE,
    HeaderName::from_static("last-event-id"),
    header::PRAGMA,
    header::RANGE,
    header::USER_AGENT,
    HeaderName::from_static("mcp-protocol-version"),
    HeaderName::from_static("x-requested-with"),
];
/// Those of a WebSocket's request that go on as well.
const REQUEST_UPGRADE: [HeaderName; 4] = [
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_VERSION,
    header::SEC_WEBSOCKET_PROTOCOL,
    header::SEC_WEBSOCKET_EXTENSIONS,
];
/// Those of a response that go back to the caller.
const RESPONSE: [HeaderName; 12] = [
    header::ACCEPT_RANGES,
    header::CACHE_CONTROL,
    header::CONTENT_DISPOSITION,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::ETAG,
    header::EXPIRES,
    header::LAST_MODIFIED,
    header::RETRY_AFTER,
    header::VARY,
];
/// Those of a WebSocket's response that go back as well.
const RESPONSE_UPGRADE: [HeaderName; 3] =
    [header::SEC_WEBSOCKET_ACCEPT, header::SEC_WEBSOCKET_PROTOCOL, header::SEC_WEBSOCKET_EXTENSIONS];

const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");
const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// The agent's page runs, and has no origin: it reaches nothing of this server, nor what other agents' pages store.
const POLICY: &str =
    "sandbox allow-scripts allow-forms allow-modals allow-popups allow-downloads; frame-ancestors 'self'";

/// Where a caller finds what the agent serves.
#[derive(Clone, Debug)]
pub struct Base {
    /// The path that stands for the agent's `/`; ends in `/`.
    pub path: String,
    /// Whether it has a key in it: then the caller may be a page without an origin.
    pub is_keyed: bool,
    /// The agent's port.
    pub port: u16,
}

impl Base {
    /// The headers that the agent gets.
    pub fn request(&self, given: &HeaderMap, is_upgrade: bool) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let upgrade = if is_upgrade { &REQUEST_UPGRADE[..] } else { &[] };
        for name in REQUEST.iter().chain(upgrade) {
            for value in given.get_all(name) {
                headers.append(name, value.clone());
            }
        }
        let own = format!("localhost:{}", self.port);
        headers.insert(header::HOST, own.parse().expect("it is a header's value"));
        // Servers of developers compare it with `Host`. Whether the page may be here was decided before.
        if given.contains_key(header::ORIGIN) {
            headers.insert(header::ORIGIN, format!("http://{own}").parse().expect("it is a header's value"));
        }
        if let Ok(prefix) = self.path.trim_end_matches('/').parse() {
            headers.insert(FORWARDED_PREFIX, prefix);
        }
        if is_upgrade {
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, WEBSOCKET);
        }
        headers
    }

    /// The headers that the caller gets of the agent's. `asked` is the agent's own path, `host` what the caller called this server.
    pub fn response(&self, given: &HeaderMap, asked: &Uri, host: Option<&HeaderValue>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for name in &RESPONSE {
            for value in given.get_all(name) {
                headers.append(name, value.clone());
            }
        }
        if let Some(location) =
            given.get(header::LOCATION).and_then(|value| self.location(value, asked, host))
        {
            headers.insert(header::LOCATION, location);
        }
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        // The path may hold a key.
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers
    }

    /// The headers of a response that makes the connection a WebSocket. `None`: that is not what it says.
    pub fn upgraded(&self, given: &HeaderMap) -> Option<HeaderMap> {
        let says = given.get(header::UPGRADE)?.as_bytes();
        if !says.eq_ignore_ascii_case(WEBSOCKET.as_bytes()) {
            return None;
        }
        let mut headers = HeaderMap::new();
        for name in &RESPONSE_UPGRADE {
            if let Some(value) = given.get(name) {
                headers.insert(name, value.clone());
            }
        }
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, WEBSOCKET);
        Some(headers)
    }

    /// Where a redirect leads: within what the agent serves it stays there; elsewhere in this server it leads nowhere, however it is
    /// written. So it is read as a browser reads it.
    fn location(&self, value: &HeaderValue, asked: &Uri, host: Option<&HeaderValue>) -> Option<HeaderValue> {
        let own = Url::parse(&format!("http://localhost:{}{asked}", self.port)).ok()?;
        let target = own.join(value.to_str().ok()?).ok()?;
        let is_loopback = matches!(target.host_str()?, "localhost" | "127.0.0.1" | "[::1]");
        if target.scheme() == "http" && is_loopback && target.port_or_known_default() == Some(self.port) {
            let path = target.path().trim_start_matches('/');
            let mut location = format!("{}{path}", self.path);
            for (mark, part) in [('?', target.query()), ('#', target.fragment())] {
                if let Some(part) = part {
                    location.push(mark);
                    location.push_str(part);
                }
            }
            return location.parse().ok();
        }
        let here = host
            .and_then(|host| host.to_str().ok())
            .and_then(|host| Url::parse(&format!("http://{host}")).ok());
        let is_here = here.is_none_or(|here| here.host_str() == target.host_str());
        let is_web = matches!(target.scheme(), "http" | "https");
        (is_web && !is_here).then(|| target.as_str().parse().ok()).flatten()
    }
}

/// Lets a page without an origin read what its own key opens. A preflight (`method` `OPTIONS`) is answered by these headers alone.
pub fn cross_origin(asked: &HeaderMap, method: &Method) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if asked.get(header::ORIGIN).is_none_or(|origin| origin != "null") {
        return headers;
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("null"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("*"));
    if method == Method::OPTIONS {
        let methods = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*"));
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Base {
        Base { path: "/agents/a/ports/8080/~key/".into(), is_keyed: true, port: 8080 }
    }

    fn map(headers: &[(&'static str, &str)]) -> HeaderMap {
        let parsed =
            |(name, value): &(&'static str, &str)| (HeaderName::from_static(name), value.parse().unwrap());
        headers.iter().map(parsed).collect()
    }

    #[test]
    fn no_credentials_go_on() {
        let given = map(&[
            ("authorization", "Bearer secret"),
            ("cookie", "session=secret"),
            ("proxy-authorization", "secret"),
            ("x-auth-request-access-token", "secret"),
            ("x-forwarded-for", "secret"),
            ("referer", "secret"),
            ("connection", "accept, close"),
            ("transfer-encoding", "chunked"),
            ("te", "trailers"),
            ("sec-websocket-protocol", "secret"),
            ("accept", "text/html"),
            ("origin", "null"),
            ("host", "localhost:3000"),
        ]);
        let headers = base().request(&given, false);
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["accept", "host", "origin", "x-forwarded-prefix"]);
        assert_eq!(
            (&headers["host"], &headers["origin"]),
            (&"localhost:8080".parse().unwrap(), &"http://localhost:8080".parse().unwrap())
        );
        let headers = base().request(&given, true);
        assert_eq!((&headers["connection"], &headers["upgrade"]), (&"upgrade".parse().unwrap(), &WEBSOCKET));
        assert!(headers.contains_key("sec-websocket-protocol") && !headers.contains_key("cookie"));
    }

    #[test]
    fn a_page_of_an_agent_is_none_of_this_server() {
        let given = map(&[
            ("set-cookie", "a=b"),
            ("service-worker-allowed", "/"),
            ("clear-site-data", "\"*\""),
            ("content-security-policy", "report-uri /api/managed-agents"),
            ("cross-origin-opener-policy", "same-origin"),
            ("strict-transport-security", "max-age=1"),
            ("access-control-allow-origin", "*"),
            ("www-authenticate", "Basic"),
            ("refresh", "0; url=/api"),
            ("link", "</x>; rel=preload"),
            ("x-accel-redirect", "/etc/passwd"),
            ("alt-svc", "h3=\":1\""),
            ("content-type", "text/html"),
        ]);
        let headers = base().response(&given, &Uri::from_static("/"), None);
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-security-policy", "content-type", "referrer-policy"]);
        assert_eq!(headers["content-security-policy"], POLICY);
        assert!(POLICY.starts_with("sandbox ") && !POLICY.contains("allow-same-origin"));
    }

    #[test]
    fn redirects_stay_with_the_agent_or_leave_this_server() {
        let host = HeaderValue::from_static("board.example:3000");
        let to = |location: &str| {
            let location = location.parse().unwrap();
            let found = base().location(&location, &Uri::from_static("/a/b?c"), Some(&host));
            found.map(|value| value.to_str().unwrap().to_owned())
        };
        for (location, expected) in [
            ("/login?next=%2F#top", "login?next=%2F#top"),
            ("c", "a/c"),
            ("?d", "a/b?d"),
            ("../../../../../agents/other/ports/1/", "agents/other/ports/1/"),
            ("/../..//api", "/api"),
            ("http://localhost:8080/x", "x"),
            ("http://127.0.0.1:8080", ""),
            ("//[::1]:8080/x", "x"),
        ] {
            let expected = expected.trim_start_matches('/');
            assert_eq!(to(location), Some(format!("{}{expected}", base().path)), "{location}");
        }
        assert_eq!(to("https://elsewhere.example/x").as_deref(), Some("https://elsewhere.example/x"));
        for location in [
            "http://board.example:3000/agents/other/ports/1/",
            "http://board.example/",
            "//board.example:3000/api",
            "/\\board.example:3000/api",
            "http:/\\BOARD.example:3000/api",
            "https://x@board.example:3000/",
            "javascript:alert(1)",
            "data:text/html,x",
        ] {
            assert_eq!(to(location), None, "{location}");
        }
    }

    #[test]
    fn only_a_page_without_an_origin_is_told_that_it_may_read() {
        let answer = |origin: &str, method| cross_origin(&map(&[("origin", origin)]), &method).len();
        assert_eq!(answer("null", Method::GET), 2);
        assert_eq!(answer("null", Method::OPTIONS), 5);
        assert_eq!(answer("http://localhost:3000", Method::OPTIONS), 0);
        assert_eq!(cross_origin(&HeaderMap::new(), &Method::GET).len(), 0);
    }
}
