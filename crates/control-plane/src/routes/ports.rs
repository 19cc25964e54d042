//! `/agents/ID/ports/PORT/…`: what an agent serves on a port.

use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_REQUEST_METHOD, CACHE_CONTROL, HeaderName, LOCATION, REFERRER_POLICY, VARY,
};
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use parallax_api::{Code, Problem};
use parallax_service::access::path_key::{self, Keyed};
use parallax_service::access::{Caller, Scope};

use crate::app::App;
use crate::ports::{self, Base, Target, cross_origin};

/// Methods that go on to an agent.
const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrival {
    /// A program, or this server's own page: it can show who it is with every request.
    Program,
    /// A person's browser, which is to show the agent's page.
    Person,
}

/// Proxies a request of a program, or of a page that was given a key; gives a browser a key.
pub async fn proxy(
    State(app): State<App>,
    caller: Caller,
    keyed: Option<Keyed>,
    request: Request,
) -> Result<Response, Problem> {
    app.ports.check_enabled()?;
    let target = Target::of(request.uri().path())?;
    let query = without_ticket(request.uri().query());
    let base = match keyed {
        Some(Keyed(path)) => Base { path, is_keyed: true, port: target.port },
        None => {
            caller.require(Scope::Operate)?;
            let prefix = target.prefix.clone();
            let path = match arrival(&request)? {
                Arrival::Program => prefix,
                Arrival::Person => {
                    let rest = request.uri().path().strip_prefix(&prefix).unwrap_or_default();
                    let rest = path_key::without_stale(rest);
                    return redirect(&format!("{}{rest}", app.ports.open(&target, caller)), &query);
                }
            };
            Base { path, is_keyed: false, port: target.port }
        }
    };
    let Some(rest) = request.uri().path().strip_prefix(&base.path) else {
        // Without the slash at its end, what the page names would be beside it.
        return redirect(&base.path, &query);
    };
    let (method, asked) = (request.method().clone(), request.headers().clone());
    if !METHODS.contains(&method) {
        return Err(Problem::new(Code::MethodNotAllowed, format!("{method} does not go on to an agent")));
    }
    let readable = if base.is_keyed { cross_origin(&asked, &method) } else { Default::default() };
    if !readable.is_empty() && method == Method::OPTIONS && asked.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
    {
        return Ok((StatusCode::NO_CONTENT, readable).into_response());
    }
    let path: Uri = format!("/{rest}{query}").parse().map_err(|error| {
        Problem::new(Code::Validation, format!("the path is none that goes on to an agent: {error}"))
    })?;
    let mut response = match ports::forward(&app, &target, &base, path, request).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    };
    if base.is_keyed {
        response.headers_mut().append(VARY, HeaderValue::from_static("origin"));
    }
    response.headers_mut().extend(readable);
    Ok(response)
}

/// Who asks, of those that have no key. Fails with `FORBIDDEN` for a link of a page elsewhere, of an agent's too: what an agent serves may
/// act on a mere `GET`.
fn arrival(request: &Request) -> Result<Arrival, Problem> {
    let says = |name: &HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    if says(&SEC_FETCH_SITE).is_some_and(|site| site != "same-origin" && site != "none") {
        return Err(Problem::new(
            Code::Forbidden,
            "a page elsewhere may not lead to what an agent serves; open it from this server's own page or the address bar",
        ));
    }
    let is_get = *request.method() == Method::GET;
    let is_navigation = says(&SEC_FETCH_MODE) == Some("navigate");
    let has_ticket = request.uri().query().is_some_and(|query| query.split('&').any(is_ticket));
    let shows = is_get && (is_navigation || has_ticket) && !ports::is_websocket(request);
    Ok(if shows { Arrival::Person } else { Arrival::Program })
}

/// `?` and the query, or nothing. A ticket opens this server, and is nothing for an agent.
fn without_ticket(query: Option<&str>) -> String {
    let kept: Vec<&str> = query.unwrap_or_default().split('&').filter(|pair| !is_ticket(pair)).collect();
    let kept = kept.join("&");
    if kept.is_empty() { kept } else { format!("?{kept}") }
}

fn is_ticket(pair: &str) -> bool {
    pair.starts_with("ticket=")
}

fn redirect(path: &str, query: &str) -> Result<Response, Problem> {
    let location: HeaderValue = format!("{path}{query}").parse().map_err(Problem::internal)?;
    let headers = [
        (LOCATION, location),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    Ok((StatusCode::TEMPORARY_REDIRECT, headers).into_response())
}
