//! HTTP to one host: one connection a request, so that a host that goes takes nothing else with it.

mod ports;
mod workspace;

use std::fmt::Display;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, RANGE};
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, request};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use parallax_api::agent::{RestartRequest, StopRequest};
use parallax_api::compat::{self, AnyVersion};
use parallax_api::files::FileQuery;
use parallax_api::host::{HostSend, HostStarted};
use parallax_api::message::{
    AnswerRequest, MessageList, MessageProgress, MessageQuery, MessagesQuery, OnQuestion,
};
use parallax_api::observe::{LogsQuery, Metrics, StatusReport};
use parallax_api::terminal::{InputRequest, Screen};
use parallax_api::{Agent, Code, Problem, SendRequest, SendResponse};
use parallax_profile::Launch;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::address::HostAddress;
use super::dial::Dial;
use crate::handshake::start_timeout;

/// How long a host may take for an answer that needs no work of the agent.
pub(super) const QUICK: Duration = Duration::from_secs(10);
/// How long typing keys, answering or interrupting may take: the host waits for the screen between keys.
const TYPING: Duration = Duration::from_secs(30);
/// How long a file may take to be opened or written.
const FILE: Duration = Duration::from_secs(20);
/// How long a restart may take: the old process is asked, then killed, and the new one must start.
const RESTART: Duration = Duration::from_secs(60);
/// How long a host that was asked to go may take beyond the grace.
const LEAVING: Duration = Duration::from_secs(2);
/// What a call may take beyond the time it was told to wait.
const MARGIN: Duration = Duration::from_secs(15);
/// The longest answer that is read into memory, in bytes: a thousand messages are the largest there is.
const MAX_ANSWER: usize = 256 * 1024 * 1024;

/// One agent host's API. Cheap to clone; opens a connection for each call.
#[derive(Clone, Debug)]
pub struct HostClient {
    address: HostAddress,
}

/// A host's answer handed on as it comes: status, content type and a streaming body.
pub type HostAnswer = Response<Body>;

impl HostClient {
    /// A client of the host at `address`. Connects to nothing yet.
    pub fn new(address: HostAddress) -> Self {
        Self { address }
    }

    /// Whether the host is a process of this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.address.is_local()
    }

    /// The agent as it is now.
    pub async fn agent(&self) -> Result<Agent, Problem> {
        self.get("/agent").await.map(|AnyVersion(agent)| agent)
    }

    /// Hands over a message; sending the same `message_id` twice is sending once. Waits as long as the request does.
    pub async fn send(&self, message_id: String, request: SendRequest) -> Result<SendResponse, Problem> {
        let wait = match request.expect_response {
            true => {
                Duration::from_millis(request.timeout_ms.unwrap_or(parallax_api::message::DEFAULT_TIMEOUT_MS))
            }
            // Without an answer to wait for, `whenBusy: interrupt` may still wait for the turn to end.
            false => TYPING,
        };
        let mut send = HostSend { message_id, request };
        let answer = self.post("/send", &send, wait + MARGIN).await;
        if answer.as_ref().is_err_and(|problem| is_unknown_field(problem, "images")) {
            let detail = "the agent was started by a version of Parallax that did not take images";
            return Err(Problem::new(Code::Unsupported, detail).with("field", "images"));
        }
        if !answer.as_ref().is_err_and(|problem| is_unknown_field(problem, "onQuestion")) {
            return answer;
        }
        // A host that is older than the field waits through questions anyway.
        send.request.on_question = OnQuestion::default();
        self.post("/send", &send, wait + MARGIN).await
    }

    /// The conversation.
    pub async fn messages(&self, query: &MessagesQuery) -> Result<MessageList, Problem> {
        #[derive(Deserialize)]
        struct AnyMessages {
            messages: Vec<Value>,
        }
        let AnyMessages { messages } = self.get(&with_query("/messages", query)?).await?;
        Ok(MessageList { messages: messages.into_iter().filter_map(compat::message).collect() })
    }

    /// One message; waits as long as the query does.
    pub async fn message(&self, message: &str, query: &MessageQuery) -> Result<MessageProgress, Problem> {
        let path = with_query(&format!("/messages/{message}"), query)?;
        let limit = query.duration()? + MARGIN;
        let call = async { read(self.call(Method::GET, &path, None, limit).await?).await };
        within(limit, call).await
    }

    /// Withdraws a message that waits.
    pub async fn withdraw(&self, message: &str) -> Result<(), Problem> {
        let answer = self.call(Method::DELETE, &format!("/messages/{message}"), None, QUICK).await?;
        if answer.status() == StatusCode::METHOD_NOT_ALLOWED {
            let detail = "the agent was started by a version of Parallax that could not withdraw messages";
            return Err(Problem::new(Code::Unsupported, detail));
        }
        accepted(answer).await.map(drop)
    }

    /// What a person would see now.
    pub async fn screen(&self) -> Result<Screen, Problem> {
        self.get("/screen").await
    }

    /// Why the agent has the status it has.
    pub async fn status(&self) -> Result<StatusReport, Problem> {
        self.get("/status").await
    }

    /// What the agent uses and has done, as its host sees it.
    pub async fn metrics(&self) -> Result<Metrics, Problem> {
        self.get("/metrics").await
    }

    /// The log in the form that was asked for, streamed; a refusal is a [`Problem`].
    pub async fn logs(&self, query: &LogsQuery) -> Result<HostAnswer, Problem> {
        let answer = self.call(Method::GET, &with_query("/logs", query)?, None, QUICK).await?;
        Ok(accepted(answer).await?.map(Body::new))
    }

    /// What a dead host wrote, as an archive (tar), from a program that hands it out in its place.
    pub async fn export(&self) -> Result<HostAnswer, Problem> {
        let answer = self.call(Method::GET, "/export", None, QUICK).await?;
        Ok(accepted(answer).await?.map(Body::new))
    }

    /// A file or a directory of the agent: read (with the `Range` of HTTP), written or removed; or a directory as an archive. The
    /// answer is the host's own, a range that the file does not have included.
    pub async fn file(
        &self,
        method: Method,
        query: &FileQuery,
        range: Option<&HeaderValue>,
        content: Bytes,
    ) -> Result<HostAnswer, Problem> {
        let mut request = Request::builder().method(method).uri(with_query("/files", query)?);
        if let Some(range) = range {
            request = request.header(RANGE, range);
        }
        let answer = self.exchange(request, content, FILE).await?;
        if answer.status() == StatusCode::RANGE_NOT_SATISFIABLE {
            return Ok(answer.map(Body::new));
        }
        if answer.status() == StatusCode::NOT_FOUND && !answer.headers().contains_key(CONTENT_TYPE) {
            let detail = "the agent was started by a version of Parallax that did not have files";
            return Err(Problem::new(Code::Unsupported, detail));
        }
        let older = |problem: Problem| match is_unknown_field(&problem, "archive") {
            true => Problem::new(
                Code::Unsupported,
                "the agent was started by a version of Parallax that did not have archives",
            ),
            false => problem,
        };
        Ok(accepted(answer).await.map_err(older)?.map(Body::new))
    }

    /// Presses keys.
    pub async fn input(&self, request: &InputRequest) -> Result<(), Problem> {
        self.post_empty("/input", request, TYPING).await
    }

    /// Answers the pending question.
    pub async fn answer(&self, request: &AnswerRequest) -> Result<Agent, Problem> {
        let mut answered = self.post("/answer", request, TYPING).await;
        if answered.as_ref().is_err_and(|problem| is_unknown_field(problem, "attentionId")) {
            // The host is older than the field, so it cannot check it: this looks once before.
            let asked = self.agent().await?.attention.map(|attention| attention.id);
            if asked != request.attention_id {
                return Err(Problem::new(Code::QuestionChanged, "another question stands by now"));
            }
            let request = AnswerRequest { attention_id: None, ..request.clone() };
            answered = self.post("/answer", &request, TYPING).await;
        }
        answered.map(|AnyVersion(agent)| agent)
    }

    /// Stops the current turn.
    pub async fn interrupt(&self) -> Result<Agent, Problem> {
        self.post("/interrupt", &serde_json::json!({}), TYPING).await.map(|AnyVersion(agent)| agent)
    }

    /// Starts the agent's process anew.
    pub async fn restart(&self, request: &RestartRequest) -> Result<Agent, Problem> {
        self.post("/restart", request, RESTART).await.map(|AnyVersion(agent)| agent)
    }

    /// Ends the agent; returns after its whole process tree is gone.
    pub async fn stop(&self, request: &StopRequest) -> Result<Agent, Problem> {
        self.post("/stop", request, Duration::from_millis(request.grace_ms) + MARGIN)
            .await
            .map(|AnyVersion(agent)| agent)
    }

    /// Ends the agent, which another host is to go on with; returns after its whole process tree is gone. Refused with
    /// `UNSUPPORTED` when none could, and by a host that is older than this.
    pub async fn suspend(&self) -> Result<Agent, Problem> {
        let answer = self.call(Method::POST, "/suspend", Some(b"{}".to_vec()), RESTART).await?;
        let call = async { read(known(answer)?).await };
        within(RESTART, call).await.map(|AnyVersion(agent)| agent)
    }

    /// The launch of the agent, with its secrets, for the host that is to go on.
    pub async fn launch(&self) -> Result<Launch, Problem> {
        let call = async { read(known(self.call(Method::GET, "/launch", None, QUICK).await?)?).await };
        within(QUICK, call).await
    }

    /// Whether the host waits for a launch; a host that was asked waits for another five minutes.
    pub async fn waits(&self) -> Result<(), Problem> {
        let call = async { accepted(self.call(Method::GET, "/waiting", None, QUICK).await?).await };
        within(QUICK, call).await.map(drop)
    }

    /// Gives a host that waits its launch; returns when its agent runs, or could not be started.
    pub async fn start(&self, launch: &Launch) -> Result<(), Problem> {
        match self.post("/launch", launch, start_timeout(launch)).await? {
            HostStarted::Ready { .. } => Ok(()),
            HostStarted::Failed(problem) => Err(problem),
        }
    }

    /// Tells the host that everything is collected and it may go. `CONFLICT` when its agent has not ended.
    pub async fn release(&self) -> Result<(), Problem> {
        self.post_empty("/release", &serde_json::json!({}), QUICK).await
    }

    /// Asks the host to end its agent within `grace` and to go itself. What does not come of it is for the caller to
    /// insist on: a host that does not answer is no error here.
    pub async fn leave(&self, grace: Duration) {
        let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        let asking = async {
            self.stop(&StopRequest { grace_ms, force: grace.is_zero() }).await?;
            self.release().await
        };
        match tokio::time::timeout(grace + LEAVING, asking).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the host was asked to go"),
            Err(_) => tracing::warn!("a host does not answer"),
        }
    }

    /// Where the host answers.
    pub(super) fn address(&self) -> &HostAddress {
        &self.address
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Problem> {
        let call = async { read(self.call(Method::GET, path, None, QUICK).await?).await };
        within(QUICK, call).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        wait: Duration,
    ) -> Result<T, Problem> {
        let body = serde_json::to_vec(body).map_err(Problem::internal)?;
        let call = async { read(self.call(Method::POST, path, Some(body), wait).await?).await };
        within(wait, call).await
    }

    async fn post_empty(&self, path: &str, body: &impl Serialize, wait: Duration) -> Result<(), Problem> {
        let body = serde_json::to_vec(body).map_err(Problem::internal)?;
        let call = async { accepted(self.call(Method::POST, path, Some(body), wait).await?).await };
        within(wait, call).await.map(drop)
    }

    /// One request on a connection of its own; returns when the head of the answer is there.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        wait: Duration,
    ) -> Result<Response<Incoming>, Problem> {
        let mut request = Request::builder().method(method).uri(path);
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        self.exchange(request, Bytes::from(body.unwrap_or_default()), wait).await
    }

    async fn exchange(
        &self,
        request: request::Builder,
        body: Bytes,
        wait: Duration,
    ) -> Result<Response<Incoming>, Problem> {
        self.exchange_body(request, Body::from(body), wait).await
    }

    async fn exchange_body(
        &self,
        request: request::Builder,
        body: Body,
        wait: Duration,
    ) -> Result<Response<Incoming>, Problem> {
        let mut request = request.header(HOST, "host").header(ACCEPT, "*/*");
        if let Some(value) = self.authorization() {
            request = request.header(AUTHORIZATION, value);
        }
        let request = request.body(body).map_err(Problem::internal)?;
        let exchange = async {
            let stream = self.address.dial().await.map_err(away)?;
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(away)?;
            // Ends by itself when the answer is read or dropped, or the host goes.
            tokio::spawn(connection.with_upgrades());
            sender.send_request(request).await.map_err(away)
        };
        within(wait, exchange).await
    }

    pub(super) fn authorization(&self) -> Option<String> {
        match &self.address {
            HostAddress::Unix(_) => None,
            HostAddress::Tcp { token, .. } | HostAddress::Dialer { token, .. } => {
                Some(format!("Bearer {}", token.expose()))
            }
        }
    }
}

/// `RUNTIME_UNAVAILABLE` for a host that cannot be reached.
pub(crate) fn away(cause: impl Display) -> Problem {
    Problem::new(
        Code::RuntimeUnavailable,
        format!("the agent's host does not answer ({cause}); try again, the agent may have just ended"),
    )
}

async fn within<T>(limit: Duration, call: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
    tokio::time::timeout(limit, call)
        .await
        .unwrap_or_else(|_| Err(away(format!("nothing within {} s", limit.as_secs()))))
}

/// The answer, or the host's refusal.
pub(super) async fn accepted(answer: Response<Incoming>) -> Result<Response<Incoming>, Problem> {
    if answer.status().is_success() || answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Ok(answer);
    }
    let status = answer.status();
    if status == StatusCode::UNAUTHORIZED {
        // The address of a container that has ended is soon another's. The caller's own token is not in question.
        return Err(away("another agent's host is at its address now"));
    }
    let body = collect(answer).await?;
    Err(serde_json::from_slice(&body)
        .unwrap_or_else(|_| Problem::internal(format!("the agent's host answered {status}"))))
}

/// Refuses for a host that does not know what it was asked.
fn known(answer: Response<Incoming>) -> Result<Response<Incoming>, Problem> {
    if answer.status() == StatusCode::NOT_FOUND && !answer.headers().contains_key(CONTENT_TYPE) {
        let detail =
            "the agent was started by a version of Parallax that could not suspend agents; stop it instead";
        return Err(Problem::new(Code::Unsupported, detail));
    }
    Ok(answer)
}

/// Whether a host refused a request because it is older than this field of it.
fn is_unknown_field(problem: &Problem, field: &str) -> bool {
    problem.code == Code::Validation && problem.detail.contains(&format!("unknown field `{field}`"))
}

async fn read<T: DeserializeOwned>(answer: Response<Incoming>) -> Result<T, Problem> {
    let body = collect(accepted(answer).await?).await?;
    serde_json::from_slice(&body).map_err(not_understood)
}

fn not_understood(cause: serde_json::Error) -> Problem {
    Problem::internal(format!("the agent's host answered what is not understood: {cause}"))
}

async fn collect(answer: Response<Incoming>) -> Result<Bytes, Problem> {
    Ok(Limited::new(answer.into_body(), MAX_ANSWER).collect().await.map_err(away)?.to_bytes())
}

/// `path` with the fields of `query` behind it.
pub(super) fn with_query(path: &str, query: &impl Serialize) -> Result<String, Problem> {
    let query = serde_html_form::to_string(query).map_err(Problem::internal)?;
    Ok(if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_host_names_the_field_it_does_not_know() {
        // As hosts of version 0.1.0 say it.
        let detail = "Failed to deserialize the JSON body into the target type: request: unknown field `onQuestion`, expected one of \
                      `message`, `expectResponse`, `timeoutMs`, `whenBusy` at line 1 column 90";
        let problem = Problem::new(Code::Validation, detail);
        assert!(is_unknown_field(&problem, "onQuestion"));
        assert!(!is_unknown_field(&problem, "attentionId"));
        assert!(!is_unknown_field(&Problem::new(Code::Conflict, detail), "onQuestion"));
    }

    #[test]
    fn an_older_host_is_not_sent_what_says_nothing() {
        let send = HostSend { message_id: "m".into(), request: SendRequest::default() };
        let sent = serde_json::to_value(&send).expect("JSON");
        assert!(sent["request"].get("onQuestion").is_none(), "{sent}");
    }
}
