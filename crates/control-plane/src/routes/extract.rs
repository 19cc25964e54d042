//! Extractors: the agent's id in the path, and the body as it came.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use parallax_api::{AgentId, Code, Problem};
use parallax_service::extract::Path;

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
