//! The description of an API: what both kinds of server say alike.
//!
//! [`agents`] is the one list of the routes of agents; [`complete`] adds what every operation has in common.

pub mod agents;
mod unions;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::routing::MethodRouter;
use parallax_api::Problem;
use parallax_api::problem::PROBLEM_JSON;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::response::Response;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Content, License, OpenApi, Ref, RefOr, Server};

/// Operations that need no token.
const OPEN: [&str; 2] = ["/health", "/ready"];

/// The route that answers with the description, which is made when somebody first asks: it takes megabytes to make.
pub fn route<S: Clone + Send + Sync + 'static>(document: fn() -> OpenApi) -> MethodRouter<S> {
    let written = Arc::new(OnceLock::new());
    axum::routing::get(move || {
        let written = written.clone();
        async move {
            let json =
                written.get_or_init(|| document().to_json().map(Bytes::from).unwrap_or_default()).clone();
            ([(CONTENT_TYPE, "application/json")], json)
        }
    })
}

/// The description with what every operation has: refusals with their media type, a description of each response, an
/// `operationId` of its own, and how callers are known.
#[must_use]
pub fn complete(mut document: OpenApi) -> OpenApi {
    document.info.license = Some(license());
    document.servers = Some(vec![Server::new("/")]);
    let components = document.components.get_or_insert_default();
    components.security_schemes.insert("bearer".into(), RefOr::T(bearer()));
    components.security_schemes.insert("ticket".into(), RefOr::T(ticket()));
    components.schemas.entry("Problem".into()).or_insert_with(<Problem as utoipa::PartialSchema>::schema);
    components
        .schemas
        .entry("Code".into())
        .or_insert_with(<parallax_api::Code as utoipa::PartialSchema>::schema);
    unions::distribute(&mut components.schemas);
    let mut names: BTreeMap<String, u32> = BTreeMap::new();
    for (path, item) in &mut document.paths.paths {
        for operation in operations(item) {
            complete_operation(path, operation);
            let name = operation.operation_id.get_or_insert_default();
            let same = names.entry(name.clone()).or_default();
            *same += 1;
            if *same > 1 {
                *name = format!("{name}_{}", noun(path));
                names.insert(name.clone(), 1);
            }
        }
    }
    document
}

fn complete_operation(path: &str, operation: &mut Operation) {
    let is_open = OPEN.contains(&path);
    let responses = &mut operation.responses.responses;
    for (status, response) in responses.iter_mut() {
        let RefOr::T(response) = response else { continue };
        if let Some(RefOr::T(stream)) = response.content.get_mut("text/event-stream") {
            stream.schema = stream.schema.take().map(server_sent);
        }
        if status.starts_with(['4', '5'])
            && let Some(body) = response.content.shift_remove("application/json")
        {
            // A runtime's `/ready` answers 503 with its status, which is no refusal.
            let is_problem = refers_to(&body, "Problem");
            let media_type = if is_problem { PROBLEM_JSON } else { "application/json" };
            response.content.insert(media_type.into(), body);
        }
        if response.description.is_empty() {
            response.description = words(status).into();
        }
    }
    for range in ["4XX", "5XX"] {
        responses.entry(range.into()).or_insert_with(|| RefOr::T(refusal(range)));
    }
    // A WebSocket has no answer of the usual kind: what does not upgrade is a refusal.
    if !responses.keys().any(|status| status.starts_with('2')) {
        responses.entry("default".into()).or_insert_with(|| RefOr::T(refusal("default")));
    }
    operation.security = Some(if is_open {
        Vec::new()
    } else {
        vec![
            SecurityRequirement::new::<_, [&str; 0], _>("bearer", []),
            SecurityRequirement::new::<_, [&str; 0], _>("ticket", []),
            // Where no token is configured: the server's own account.
            SecurityRequirement::default(),
        ]
    });
}

/// A server-sent event whose `data` is this as JSON: what a client reads from the stream is lines, and `data` is text.
fn server_sent(data: RefOr<Schema>) -> RefOr<Schema> {
    let mut json = Extensions::default();
    json.insert("contentMediaType".into(), "application/json".into());
    json.insert("contentSchema".into(), serde_json::to_value(data).unwrap_or_default());
    let text = |words: &str| ObjectBuilder::new().schema_type(Type::String).description(Some(words));
    let event = ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("id", text("What to resume after"))
        .property("event", text("What kind it is of"))
        .property("data", text("The event, as JSON").extensions(Some(json)))
        .required("data");
    RefOr::T(event.into())
}

fn refers_to(body: &RefOr<Content>, name: &str) -> bool {
    let RefOr::T(body) = body else { return false };
    let Some(RefOr::Ref(reference)) = &body.schema else { return false };
    reference.ref_location.ends_with(&format!("/{name}"))
}

fn refusal(range: &str) -> Response {
    let content = Content::new(Some(Ref::from_schema_name("Problem")));
    let mut response = Response::new(words(range));
    response.content.insert(PROBLEM_JSON.into(), RefOr::T(content));
    response
}

fn words(status: &str) -> &'static str {
    match status {
        "101" => "The WebSocket is open",
        "200" => "Done",
        "201" => "Made",
        "202" => "Accepted",
        "204" => "Done; there is no body",
        "4XX" => "Refused: `code` says why, `detail` what to do",
        "5XX" => "Failed: `code` says why, `detail` what to do",
        "default" => "Not upgraded: `code` says why, `detail` what to do",
        _ => "See the body",
    }
}

/// What a path is about: its last fixed part but for the verb, or all there is.
fn noun(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != "api").collect();
    parts.iter().find(|part| !part.starts_with('{')).map_or_else(String::new, |part| part.replace('-', "_"))
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete].into_iter().filter_map(Option::as_mut)
}

fn bearer() -> SecurityScheme {
    let text = "A token of the server: `Authorization: Bearer TOKEN`. Without configured tokens none is needed by \
                programs of the server's own account.";
    SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(text)).build())
}

fn ticket() -> SecurityScheme {
    let text = "A single-use ticket of `POST /api/tickets`, for a browser's WebSocket and EventSource.";
    SecurityScheme::ApiKey(ApiKey::Query(ApiKeyValue::with_description("ticket", text)))
}

fn license() -> License {
    let mut license = License::new("Apache-2.0");
    license.identifier = Some("Apache-2.0".into());
    license
}
