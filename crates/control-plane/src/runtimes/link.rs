//! Requests to a runtime as they came: the answer goes back as it is, refusals included.

use std::error::Error;
use std::time::Duration;

use parallax_api::client::WebSocket;
use parallax_api::{Code, Problem};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Serialize;

use super::Runtime;

/// No answer to a request.
#[derive(Debug)]
pub struct Unanswered {
    /// `RUNTIME_UNAVAILABLE`, or `TIMEOUT`.
    pub problem: Problem,
    /// Whether the runtime may have taken the request all the same. Only a connection that never stood rules it out.
    pub may_be_taken: bool,
    /// Whether the connection stood and then broke: asking again may find the runtime there.
    pub broke_off: bool,
}

impl Runtime {
    /// A request for `path` (with its query), carrying the runtime's token.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.open(method, path)
    }

    /// Sends a request; `limit` bounds the wait for the head of the answer. A refusal is an answer, except that the
    /// runtime does not know this control plane: that is no fault of the caller.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn exchange(&self, request: RequestBuilder, limit: Duration) -> Result<Response, Unanswered> {
        let answer = match tokio::time::timeout(limit, request.send()).await {
            Ok(answer) => answer.map_err(|error| self.unanswered(&error)),
            Err(_) => Err(Unanswered {
                problem: Problem::new(
                    Code::RuntimeUnavailable,
                    format!("the runtime `{}` did not answer within {} s", self.name(), limit.as_secs()),
                ),
                may_be_taken: true,
                broke_off: false,
            }),
        };
        let answer = answer.and_then(|response| match response.status() {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(Unanswered {
                problem: Problem::new(
                    Code::RuntimeUnavailable,
                    format!(
                        "the runtime `{}` does not let this control plane in: check its token",
                        self.name()
                    ),
                ),
                may_be_taken: false,
                broke_off: false,
            }),
            _ => Ok(response),
        });
        answer.inspect_err(|_| self.recheck())
    }

    /// Opens a WebSocket to the runtime.
    ///
    /// # Errors
    /// The runtime's refusal, or `RUNTIME_UNAVAILABLE`.
    pub async fn websocket(
        &self,
        path: &str,
        query: &impl Serialize,
        protocol: Option<&'static str>,
    ) -> Result<WebSocket, Problem> {
        let opened = self.client.websocket(path, query, protocol).await;
        opened.map_err(|problem| match problem.code {
            Code::RuntimeUnavailable | Code::Timeout | Code::Unauthorized | Code::Forbidden => {
                self.recheck();
                Problem::new(
                    Code::RuntimeUnavailable,
                    format!("the runtime `{}` does not answer: {}", self.name(), problem.detail),
                )
            }
            _ => problem,
        })
    }

    fn unanswered(&self, error: &reqwest::Error) -> Unanswered {
        let mut cause: &dyn Error = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        let detail = format!("the runtime `{}` does not answer: {cause}", self.name());
        let stood = !error.is_connect();
        Unanswered {
            problem: Problem::new(Code::RuntimeUnavailable, detail),
            may_be_taken: stood,
            broke_off: stood,
        }
    }
}
