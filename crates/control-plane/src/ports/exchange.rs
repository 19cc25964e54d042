//! One request to what an agent serves: HTTP/1.1 over a tunnel through its runtime and its host.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CONNECTION, CONTENT_LENGTH, HOST, UPGRADE};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use hyper::client::conn::http1;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use parallax_api::ports::TUNNEL;
use parallax_api::{Code, Problem, tunnel};
use reqwest::Upgraded;

use super::headers::Base;
use super::reader::Reader;
use super::target::Target;
use crate::app::App;
use crate::relay;
use crate::runtimes::Runtime;

/// How long a tunnel may take to stand.
const OPEN_TIMEOUT: Duration = Duration::from_secs(20);
/// How long the head of a response may take: what builds before it answers takes its time.
const HEAD_TIMEOUT: Duration = Duration::from_secs(120);
/// The longest head of a response, in bytes.
const MAX_HEAD: usize = 64 * 1024;

/// Makes the request of the agent and answers its response; `path` is the agent's own, with its query. A WebSocket is carried until one side ends.
///
/// # Errors
/// `NOT_FOUND` where nobody listens, or not for this agent; `AGENT_FAILED` for what is no response, `TIMEOUT` for none.
pub async fn forward(
    app: &App,
    target: &Target,
    base: &Base,
    path: Uri,
    mut request: Request,
) -> Result<Response, Problem> {
    let permit = app.ports.begin()?;
    let runtime = app.locator.locate(&target.id).await?;
    let stream = open(&runtime, target).await?;
    let is_upgrade = is_websocket(&request);
    let client = request.extensions_mut().remove::<OnUpgrade>().filter(|_| is_upgrade);
    let (parts, body) = request.into_parts();
    let mut asked = Request::new(body);
    *asked.method_mut() = parts.method.clone();
    *asked.uri_mut() = path.clone();
    *asked.headers_mut() = base.request(&parts.headers, is_upgrade);

    let failed = |error: hyper::Error| {
        let detail = format!("what the agent serves on the port {} did not answer: {error}", target.port);
        Problem::new(Code::AgentFailed, detail)
    };
    let (mut sender, connection) =
        http1::Builder::new().max_buf_size(MAX_HEAD).handshake(TokioIo::new(stream)).await.map_err(failed)?;
    let (shutdown, held, reader) = (app.shutdown.clone(), permit.clone(), Reader::default());
    let watched = reader.clone();
    app.shutdown.tracker().spawn(async move {
        // Until the response has been read, or nobody waits for it.
        tokio::select! {
            ended = connection.with_upgrades() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection to an agent's port ended");
                }
            }
            () = watched.stalled() => tracing::debug!("a response of an agent's port was not read on"),
            () = shutdown.begun() => {}
        }
        drop(held);
    });
    let answer = tokio::time::timeout(HEAD_TIMEOUT, sender.send_request(asked)).await.map_err(|_| {
        let detail = format!(
            "what the agent serves on the port {} did not answer within {} s",
            target.port,
            HEAD_TIMEOUT.as_secs()
        );
        Problem::new(Code::Timeout, detail)
    })?;
    let answer = answer.map_err(failed)?;
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        let headers = client.is_some().then(|| base.upgraded(answer.headers())).flatten();
        let (Some(client), Some(headers)) = (client, headers) else {
            let detail = "what the agent serves there switched to a protocol that nobody asked for";
            return Err(Problem::new(Code::AgentFailed, detail));
        };
        let shutdown = app.shutdown.clone();
        app.shutdown.tracker().spawn(async move {
            let (Ok(client), Ok(agent)) = tokio::join!(client, hyper::upgrade::on(answer)) else { return };
            tokio::select! {
                () = tunnel::join(TokioIo::new(client), TokioIo::new(agent)) => {}
                () = shutdown.begun() => {}
            }
            drop(permit);
        });
        return Ok((StatusCode::SWITCHING_PROTOCOLS, headers).into_response());
    }
    let mut headers = base.response(answer.headers(), &path, parts.headers.get(HOST));
    if parts.method == Method::HEAD
        && let Some(length) = answer.headers().get(CONTENT_LENGTH)
    {
        headers.insert(CONTENT_LENGTH, length.clone());
    }
    Ok((answer.status(), headers, Body::new(reader.watch(answer.into_body()))).into_response())
}

/// Whether the caller asks for a WebSocket.
pub fn is_websocket(request: &Request) -> bool {
    let protocol = request.headers().get(UPGRADE);
    *request.method() == Method::GET
        && protocol.is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// A stream of bytes to the port.
async fn open(runtime: &Runtime, target: &Target) -> Result<Upgraded, Problem> {
    let path = format!("/api/agents/{}/ports/{}/tunnel", target.id, target.port);
    let request =
        || runtime.request(Method::GET, &path).header(CONNECTION, "upgrade").header(UPGRADE, TUNNEL);
    let answer = match runtime.exchange(request(), OPEN_TIMEOUT).await {
        // A kept connection that the runtime closed at that moment.
        Err(unanswered) if unanswered.broke_off => runtime.exchange(request(), OPEN_TIMEOUT).await,
        answer => answer,
    };
    let answer = answer.map_err(|unanswered| unanswered.problem)?;
    let status = answer.status();
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return answer.upgrade().await.map_err(Problem::internal);
    }
    let body = relay::read(answer, runtime).await?;
    Err(relay::problem(&body).unwrap_or_else(|| {
        Problem::internal(format!("the runtime `{}` answered {status} to a tunnel", runtime.name()))
    }))
}
