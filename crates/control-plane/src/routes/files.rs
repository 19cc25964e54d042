//! Files of an agent's working directory, proxied to its runtime.

use std::fmt::Write;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use parallax_api::{AgentId, Problem};
use parallax_service::access::{Caller, Scope};
use parallax_service::extract::Path;
use reqwest::Method;

use super::calls::proxy;
use super::extract::{Body, Id};
use crate::app::App;
use crate::relay::Call;

/// What is in the working directory.
pub async fn root(State(app): State<App>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    caller.require(Scope::Operate)?;
    proxy(&app, &id, Call::new(Method::GET, "/files")).await
}

/// A directory as a list, a file as its bytes.
pub async fn get(
    State(app): State<App>,
    caller: Caller,
    Path((id, path)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.require(Scope::Operate)?;
    let (id, rest) = located(&id, &path)?;
    proxy(&app, &id, Call::new(Method::GET, rest).body(&headers, Bytes::new())).await
}

/// Makes or replaces a file.
pub async fn put(
    State(app): State<App>,
    caller: Caller,
    Path((id, path)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    caller.require(Scope::Operate)?;
    let (id, rest) = located(&id, &path)?;
    proxy(&app, &id, Call::new(Method::PUT, rest).body(&headers, body.0)).await
}

/// Removes a file or an empty directory.
pub async fn delete(
    State(app): State<App>,
    caller: Caller,
    Path((id, path)): Path<(String, String)>,
) -> Result<Response, Problem> {
    caller.require(Scope::Operate)?;
    let (id, rest) = located(&id, &path)?;
    proxy(&app, &id, Call::new(Method::DELETE, rest)).await
}

/// The agent, and the file in the runtime's API. No part of the path may lead to another route there.
fn located(id: &str, path: &str) -> Result<(AgentId, String), Problem> {
    if path.split('/').any(|part| matches!(part, "." | "..")) {
        return Err(Problem::invalid(
            "path",
            "a path leads to something below the agent's working directory",
        ));
    }
    let mut rest = String::from("/files/");
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                rest.push(byte.into());
            }
            byte => write!(rest, "%{byte:02X}").expect("a string takes everything"),
        }
    }
    Ok((id.parse()?, rest))
}

#[cfg(test)]
mod tests {
    use super::located;

    #[test]
    fn a_path_stays_below_the_files() {
        let id = "0190";
        let rest = |path: &str| located(id, path).map(|(_, rest)| rest).map_err(|problem| problem.code);
        assert_eq!(rest("a/b c?x#y%2e").as_deref(), Ok("/files/a/b%20c%3Fx%23y%252e"));
        assert_eq!(rest("ä").as_deref(), Ok("/files/%C3%A4"));
        for path in ["..", ".", "a/../../x", "a/."] {
            assert_eq!(rest(path), Err(parallax_api::Code::Validation), "{path}");
        }
    }
}
