//! An API server that answers as a test tells it: for what a healthy cluster does not show.

mod controlling;
mod leading;
mod removing;
mod watching;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::cluster::Cluster;
use crate::request_metrics::ApiRequests;

/// What is answered to a request.
pub(super) enum Answer {
    /// JSON with this status.
    Json(u16, Value),
    /// The lines of a watch; then it is cut, or stays open.
    Watch { lines: Vec<Value>, cut: bool },
    /// The lines of a watch as they come.
    Lines(mpsc::UnboundedReceiver<Value>),
    /// Nothing.
    Never,
}

/// Requests as they came: `GET /path?query`, and what is to be changed: `PATCH /path?query {"status":…}`.
pub(super) type Asked = Arc<Mutex<Vec<String>>>;

/// A cluster that answers by `script`, which gets the method, and the path with its query.
pub(super) fn cluster(mut script: impl FnMut(&str, &str) -> Answer + Send + 'static) -> (Cluster, Asked) {
    let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Said>>();
    let asked = Asked::default();
    let seen = asked.clone();
    tokio::spawn(async move {
        let mut silent = Vec::new();
        while let Some((request, send)) = handle.next_request().await {
            let (head, body) = request.into_parts();
            let (method, path) = (head.method.as_str(), head.uri.to_string());
            let body = body.collect().await.unwrap().to_bytes();
            let body = String::from_utf8_lossy(&body);
            seen.lock().unwrap().push(format!("{method} {path} {body}").trim_end().to_owned());
            match script(method, &path) {
                Answer::Json(status, value) => {
                    send.send_response(Response::builder().status(status).body(whole(&value)).unwrap());
                }
                Answer::Watch { lines, cut: true } => {
                    send.send_response(Response::new(stream(futures::stream::iter(lines))));
                }
                Answer::Watch { lines, cut: false } => {
                    let lines = futures::stream::iter(lines).chain(futures::stream::pending());
                    send.send_response(Response::new(stream(lines)));
                }
                Answer::Lines(lines_rx) => {
                    let lines = futures::stream::unfold(lines_rx, async |mut lines_rx| {
                        Some((lines_rx.recv().await?, lines_rx))
                    });
                    send.send_response(Response::new(stream(lines)));
                }
                Answer::Never => silent.push(send),
            }
        }
    });
    let cluster = Cluster {
        client: Client::new(service, "team"),
        namespace: "team".into(),
        server_namespace: "team".into(),
        requests: ApiRequests::default(),
    };
    (cluster, asked)
}

/// What a server says.
type Said = UnsyncBoxBody<Bytes, std::io::Error>;

fn whole(value: &Value) -> Said {
    Full::new(Bytes::from(value.to_string()))
        .map_err(|never| -> std::io::Error { match never {} })
        .boxed_unsync()
}

fn stream(lines: impl Stream<Item = Value> + Send + 'static) -> Said {
    StreamBody::new(lines.map(|line| Ok(Frame::data(Bytes::from(format!("{line}\n")))))).boxed_unsync()
}

/// A refusal as the API server has it.
pub(super) fn refusal(code: u16, reason: &str, message: &str) -> Answer {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": reason, "code": code
    });
    Answer::Json(code, status)
}

/// A list of these things.
pub(super) fn list(version: &str, items: &[Value]) -> Answer {
    let list =
        json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": version}, "items": items});
    Answer::Json(200, list)
}

/// A resource of somebody's with this phase.
pub(super) fn agent(name: &str, phase: &str) -> Value {
    json!({
        "apiVersion": "parallax.io/v1alpha1", "kind": "ParallaxAgent",
        "metadata": {"name": name, "namespace": "team", "resourceVersion": "7", "generation": 1,
            "uid": "0f4e2d6b-0000-4000-8000-000000000000"},
        "spec": {"type": "fake"},
        "status": {"phase": phase},
    })
}

/// The pod of that resource, which runs.
pub(super) fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "team", "resourceVersion": "8",
            "labels": {"parallax.io/agent": name, "parallax.io/runtime": "parallax"}},
        "status": {"phase": "Running", "podIP": "192.0.2.1", "containerStatuses": [{"name": "agent", "image": "i",
            "imageID": "", "ready": true, "restartCount": 0, "state": {"running": {"startedAt": "2026-11-22T10:00:00Z"}}}]},
    })
}
