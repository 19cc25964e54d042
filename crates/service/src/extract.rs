//! Extractors whose refusals are [`Problem`]s that name the field.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, FailedToBufferBody, PathRejection};
use axum::extract::{FromRequest, FromRequestParts, OptionalFromRequest, OptionalFromRequestParts, Request};
use axum::extract::{Path as AxumPath, WebSocketUpgrade};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use parallax_api::{Code, Problem};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A JSON body; also an answer. `Option<Json<T>>` takes a request without a body, or with `null`, as none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::new(
                Code::UnsupportedMediaType,
                "the body is JSON: send it with `Content-Type: application/json`",
            ));
        }
        let body = Bytes::from_request(request, state).await.map_err(unread)?;
        let mut json = serde_json::Deserializer::from_slice(&body);
        let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let path = error.path().to_string();
            let error = error.into_inner();
            match error.classify() {
                serde_json::error::Category::Data => unfit(&path, &error.to_string()),
                _ => not_json(&error),
            }
        })?;
        json.end().map_err(|error| not_json(&error))?;
        Ok(Self(value))
    }
}

impl<T: DeserializeOwned, S: Send + Sync> OptionalFromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, Problem> {
        use axum::body::HttpBody;
        if request.body().is_end_stream() {
            return Ok(None);
        }
        let Json(value) = <Json<Option<T>> as FromRequest<S>>::from_request(request, state).await?;
        Ok(value.map(Json))
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// The query; a key may come more than once where the field is a list.
#[derive(Clone, Copy, Debug, Default)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        serde_path_to_error::deserialize(serde_html_form::Deserializer::from_bytes(query.as_bytes()))
            .map(Self)
            .map_err(|error| unfit(&error.path().to_string(), &error.inner().to_string()))
    }
}

/// The parameters of the path.
#[derive(Clone, Copy, Debug, Default)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match <AxumPath<T> as FromRequestParts<S>>::from_request_parts(parts, state).await {
            Ok(AxumPath(value)) => Ok(Self(value)),
            Err(PathRejection::FailedToDeserializePathParams(error)) => {
                Err(Problem::new(Code::Validation, format!("the path does not fit: {}", error.body_text())))
            }
            Err(error) => Err(Problem::internal(error.body_text())),
        }
    }
}

/// A WebSocket upgrade; `Option<Upgrade>` takes a plain request as none.
#[derive(Debug)]
pub struct Upgrade(pub WebSocketUpgrade);

impl<S: Send + Sync> FromRequestParts<S> for Upgrade {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        WebSocketUpgrade::from_request_parts(parts, state).await.map(Self).map_err(|error| {
            Problem::new(Code::Validation, format!("this is a WebSocket: {}", error.body_text()))
                .with("field", "Upgrade")
        })
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for Upgrade {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Problem> {
        if !parts.headers.contains_key(header::UPGRADE) {
            return Ok(None);
        }
        <Self as FromRequestParts<S>>::from_request_parts(parts, state).await.map(Some)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()) else {
        return false;
    };
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn unread(error: BytesRejection) -> Problem {
    match error {
        BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => {
            Problem::new(Code::PayloadTooLarge, "the body is longer than this server takes")
        }
        error => {
            Problem::new(Code::Validation, format!("the body did not arrive whole: {}", error.body_text()))
        }
    }
}

fn not_json(error: &serde_json::Error) -> Problem {
    Problem::new(Code::Validation, format!("the body is not JSON: {error}"))
        .with("line", error.line())
        .with("column", error.column())
}

/// `VALIDATION_ERROR` naming the field. `path` is where reading stopped: for an absent or unknown field that is the
/// object around it, and the field's name stands in the words.
fn unfit(path: &str, words: &str) -> Problem {
    let named = ["missing field `", "unknown field `", "duplicate field `"]
        .iter()
        .find_map(|start| words.strip_prefix(start))
        .and_then(|rest| rest.split('`').next());
    let field = match (path, named) {
        ("." | "", Some(name)) => name.to_owned(),
        (path, Some(name)) if path != name && !path.ends_with(&format!(".{name}")) => {
            format!("{path}.{name}")
        }
        (path, _) => path.to_owned(),
    };
    match field.as_str() {
        "." | "" => Problem::new(Code::Validation, format!("the request does not fit: {words}")),
        field => Problem::invalid(field, format!("`{field}` does not fit: {words}")),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use serde_json::Value;

    use super::*;

    #[tokio::test]
    async fn a_body_that_may_be_left_out_may_be_null() {
        let read = async |body: &'static str| {
            let request = Request::builder().header(header::CONTENT_TYPE, "application/json");
            let request = request.body(Body::from(body)).unwrap();
            let read = <Json<Vec<u8>> as OptionalFromRequest<()>>::from_request(request, &()).await;
            read.map(|value| value.map(|Json(value)| value))
                .map_err(|problem| problem.more.get("field").cloned())
        };
        assert_eq!(read("").await, Ok(None));
        assert_eq!(read("null").await, Ok(None));
        assert_eq!(read("[1]").await, Ok(Some(vec![1])));
        assert_eq!(read("[null]").await, Err(Some(Value::from("[0]"))));
        assert_eq!(read("nul").await, Err(None));
    }
}
