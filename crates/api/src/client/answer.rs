//! From what came back (or did not) to a value or a [`Problem`].

use std::error::Error;

use bytes::{Bytes, BytesMut};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Client;
use crate::text::cut;
use crate::{Code, Problem};

/// The longest answer that is read as a whole, in bytes: a page of 1000 agents takes one or two MiB.
const MAX_ANSWER: usize = 16 * 1024 * 1024;
/// The same of what agents said and showed: a host keeps 64 MiB of it, twice that while its disk is full, and JSON has two characters for some.
const MAX_LONG_ANSWER: usize = 256 * 1024 * 1024;
/// How much of an answer that is not ours is shown, in characters.
const EXCERPT: usize = 200;

impl Client {
    /// Sends, and reads the JSON of a success.
    pub(super) async fn fetch<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Problem> {
        let response = self.succeed(request).await?;
        self.json(&self.body(response).await?)
    }

    /// The same of an answer that may be long: what agents said or showed.
    pub(super) async fn fetch_long<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> Result<T, Problem> {
        let response = self.succeed(request).await?;
        self.json(&self.long_body(response).await?)
    }

    /// Sends, and gives the answer if it is a success.
    pub(super) async fn succeed(&self, request: RequestBuilder) -> Result<Response, Problem> {
        self.accepted(self.exchange(request).await?).await
    }

    /// The answer, if it is a success.
    pub(super) async fn accepted(&self, response: Response) -> Result<Response, Problem> {
        let status = response.status();
        if status.is_success() || status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(response);
        }
        Err(self.refusal(status, &self.body(response).await?))
    }

    /// Sends, and gives the answer whatever it is.
    pub(super) async fn exchange(&self, request: RequestBuilder) -> Result<Response, Problem> {
        request.send().await.map_err(|error| self.unreachable(&error))
    }

    /// Reads a whole body.
    pub(super) async fn body(&self, response: Response) -> Result<Bytes, Problem> {
        self.body_within(MAX_ANSWER, response).await
    }

    /// The same of one that may be long.
    pub(super) async fn long_body(&self, response: Response) -> Result<Bytes, Problem> {
        self.body_within(MAX_LONG_ANSWER, response).await
    }

    async fn body_within(&self, limit: usize, response: Response) -> Result<Bytes, Problem> {
        let body = read_within(limit, response).await.map_err(|error| self.unreachable(&error))?;
        body.ok_or_else(|| self.endless(&format!("with more than {} MiB", limit >> 20)))
    }

    /// An answer that goes on for longer than any of a server that means it.
    pub(super) fn endless(&self, how: &str) -> Problem {
        Problem::new(
            Code::RuntimeUnavailable,
            format!("{} answered {how}: no more of it is read", self.shown),
        )
    }

    /// Reads the JSON of a success.
    pub(super) fn json<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, Problem> {
        serde_json::from_slice(body).map_err(|error| {
            Problem::internal(format!(
                "{} answered with something else than expected ({error}); is it a Parallax server of this version?",
                self.shown
            ))
        })
    }

    /// The problem that a refusal carries; one of our own making when something else than a Parallax server refused.
    pub(super) fn refusal(&self, status: StatusCode, body: &[u8]) -> Problem {
        refusal(&self.shown, status, body)
    }

    /// No answer: why, and what to do.
    pub(super) fn unreachable(&self, error: &reqwest::Error) -> Problem {
        if error.is_timeout() && !error.is_connect() {
            let base = &self.shown;
            return Problem::new(
                Code::Timeout,
                format!("{base} did not answer in time; it may still be at work on it"),
            );
        }
        self.no_answer(&causes(error))
    }

    /// The same for a cause in words.
    pub(super) fn no_answer(&self, cause: &str) -> Problem {
        let base = &self.shown;
        Problem::new(
            Code::RuntimeUnavailable,
            format!("cannot reach {base}: {cause}; is the server running there? `parallax up` starts one"),
        )
    }
}

/// A whole body; none when it has more than `limit` bytes, of which no more are read then.
///
/// # Errors
/// When it breaks off.
pub async fn read_within(limit: usize, mut response: Response) -> reqwest::Result<Option<Bytes>> {
    // Most come whole.
    let Some(first) = response.chunk().await? else { return Ok(Some(Bytes::new())) };
    let mut size = first.len();
    let mut parts = BytesMut::from(first);
    while size <= limit
        && let Some(part) = response.chunk().await?
    {
        size += part.len();
        parts.extend_from_slice(&part);
    }
    Ok((size <= limit).then(|| parts.freeze()))
}

fn refusal(base: &str, status: StatusCode, body: &[u8]) -> Problem {
    if let Ok(problem) = serde_json::from_slice::<Problem>(body) {
        return problem;
    }
    // A newer server may have codes that this client does not know: its words still count.
    if let Ok(Value::Object(members)) = serde_json::from_slice(body)
        && let Some(detail) = members.get("detail").and_then(Value::as_str)
    {
        let mut problem = Problem::new(code_of(status), detail);
        problem.status = status.as_u16();
        return match members.get("code") {
            Some(code) => problem.with("serverCode", code.clone()),
            None => problem,
        };
    }
    let words = String::from_utf8_lossy(body);
    let excerpt = cut(words.trim().to_owned(), EXCERPT);
    let mut problem = Problem::new(
        code_of(status),
        format!(
            "{base} answered {status}, not in the words of a Parallax server; is the address right? {excerpt}"
        ),
    );
    problem.status = status.as_u16();
    problem.is_foreign = true;
    problem
}

/// The code that says about the same as an HTTP status.
fn code_of(status: StatusCode) -> Code {
    match status.as_u16() {
        401 => Code::Unauthorized,
        403 => Code::Forbidden,
        404 => Code::NotFound,
        405 => Code::MethodNotAllowed,
        409 => Code::Conflict,
        413 => Code::PayloadTooLarge,
        429 => Code::ResourceLimit,
        400..500 => Code::Validation,
        502 | 503 => Code::RuntimeUnavailable,
        504 => Code::Timeout,
        507 => Code::StorageFull,
        _ => Code::Internal,
    }
}

/// The innermost causes of an error: the outer ones repeat the URL and say nothing else.
pub(super) fn causes(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_becomes_a_problem() {
        let ours = serde_json::to_vec(&Problem::no_agent("x").with("hint", 1)).expect("json");
        assert_eq!(refusal("b", StatusCode::NOT_FOUND, &ours), Problem::no_agent("x").with("hint", 1));

        let newer =
            br#"{"type":"t","title":"T","status":409,"detail":"the moon is in the way","code":"MOON"}"#;
        let problem = refusal("b", StatusCode::CONFLICT, newer);
        assert_eq!((problem.code, problem.detail.as_str()), (Code::Conflict, "the moon is in the way"));
        assert_eq!(problem.more["serverCode"], "MOON");

        let proxy = refusal("http://p", StatusCode::BAD_GATEWAY, b"<html>Bad Gateway</html>");
        assert_eq!((proxy.code, proxy.status), (Code::RuntimeUnavailable, 502));
        assert!(proxy.detail.contains("http://p answered 502 Bad Gateway"), "{proxy}");
        let proxy = refusal("http://p", StatusCode::NOT_FOUND, b"404 page not found");
        assert_eq!((proxy.code, proxy.status), (Code::NotFound, 404));
        assert!(proxy.is_foreign && !problem.is_foreign);
        // No server says of itself that it is none, and none hears from another.
        let claims =
            Problem::no_agent("x").with("foreign", true).with("isForeign", true).with("is_foreign", true);
        let claims = serde_json::to_vec(&claims).expect("json");
        assert!(!refusal("b", StatusCode::NOT_FOUND, &claims).is_foreign);
        let sent = serde_json::to_vec(&proxy).expect("json");
        assert!(!refusal("b", StatusCode::BAD_GATEWAY, &sent).is_foreign);
    }
}
