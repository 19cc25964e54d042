//! Extractors: the agent's id in the path, and a request as a call to the agent's runtime.

use std::collections::HashMap;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, MatchedPath, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use parallax_api::{AgentId, Code, Problem};
use parallax_service::extract::Path;

use crate::relay::Call;

/// The agent's id in the path. Text that cannot be an id names no agent.
#[derive(Debug)]
pub struct Id(pub AgentId);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(id) = Path::<String>::from_request_parts(parts, state).await?;
        id.parse().map(Self)
    }
}

/// A request to one agent, to be made of its runtime as it came: with its method, query, body and the headers that describe it.
#[derive(Debug)]
pub struct Forwarded {
    /// The agent.
    pub id: AgentId,
    /// The call, to the same place below the agent.
    pub call: Call,
}

/// Where agents are in this server's API.
const AGENT: &str = "/api/managed-agents/{id}";

impl<S: Send + Sync> FromRequest<S> for Forwarded {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let Path(names) = Path::<HashMap<String, String>>::from_request_parts(&mut parts, state).await?;
        let id = names.get("id").map(String::as_str).unwrap_or_default().parse()?;
        let matched = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
        // Of the route, and so nothing that a caller wrote: what it names below the agent is for its handler.
        let rest = matched.strip_prefix(AGENT).unwrap_or_default().to_owned();
        let request = Request::from_parts(parts.clone(), body);
        let Body(body) = Body::from_request(request, state).await?;
        let call = Call::new(parts.method, rest);
        Ok(Self { id, call: call.query(parts.uri.query()).body(&parts.headers, body) })
    }
}

/// The body of a request, unparsed.
#[derive(Clone, Debug)]
pub struct Body(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        Bytes::from_request(request, state).await.map(Self).map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                Problem::new(Code::PayloadTooLarge, "the body is longer than this server takes")
            }
            _ => Problem::new(Code::Validation, format!("the body did not arrive whole: {rejection}")),
        })
    }
}
