//! Files of an agent's working directory, proxied to its runtime.

use std::fmt::Write;

use axum::extract::State;
use axum::response::Response;
use parallax_api::Problem;
use parallax_service::access::Operator;
use parallax_service::extract::Path;

use super::calls::proxy;
use super::extract::Forwarded;
use crate::app::App;

/// The working directory itself.
pub async fn root(
    State(app): State<App>,
    _: Operator,
    Forwarded { id, call }: Forwarded,
) -> Result<Response, Problem> {
    proxy(&app, &id, call).await
}

/// A file or a directory below it.
pub async fn below(
    State(app): State<App>,
    _: Operator,
    Path((_, path)): Path<(String, String)>,
    Forwarded { id, call }: Forwarded,
) -> Result<Response, Problem> {
    proxy(&app, &id, call.to(located(&path)?)).await
}

/// The file in the runtime's API. No part of the path may lead to another route there.
fn located(path: &str) -> Result<String, Problem> {
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
    Ok(rest)
}

#[cfg(test)]
mod tests {
    use super::located;

    #[test]
    fn a_path_stays_below_the_files() {
        let rest = |path: &str| located(path).map_err(|problem| problem.code);
        assert_eq!(rest("a/b c?x#y%2e").as_deref(), Ok("/files/a/b%20c%3Fx%23y%252e"));
        assert_eq!(rest("ä").as_deref(), Ok("/files/%C3%A4"));
        for path in ["..", ".", "a/../../x", "a/."] {
            assert_eq!(rest(path), Err(parallax_api::Code::Validation), "{path}");
        }
    }
}
