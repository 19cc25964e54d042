//! Prometheus metrics: a registry every part of a server adds to, and the counting of HTTP requests.

mod exposition;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use parallax_api::Problem;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use exposition::ExpositionFormat;

/// Seconds; from a look-up in memory to an answer somebody waited for.
const BUCKETS: [f64; 10] = [0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 5.0, 20.0, 60.0, 300.0];

/// A server's metrics. Clones are the same registry.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    requests: Family<Answered, Counter>,
    durations: Family<Route, Histogram>,
}

/// Labels of `parallax_http_requests_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: &'static str,
    route: String,
    status: u16,
}

/// Labels of `parallax_http_request_duration_seconds`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    method: &'static str,
    route: String,
}

impl Metrics {
    /// A registry that knows the program's name and version.
    pub fn new(program: &str, version: &str) -> Self {
        let requests = Family::default();
        let durations = Family::new_with_constructor((|| Histogram::new(BUCKETS)) as fn() -> Histogram);
        let mut registry = Registry::with_prefix("parallax");
        let build = Info::new([("program", program.to_owned()), ("version", version.to_owned())]);
        registry.register("build", "The program and its version", build);
        registry.register("http_requests", "HTTP requests answered", requests.clone());
        registry.register(
            "http_request_duration_seconds",
            "Time to the head of the answer",
            durations.clone(),
        );
        Self { registry: Arc::new(Mutex::new(registry)), requests, durations }
    }

    /// Adds metrics of the server's own; their names get the prefix `parallax_`.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut self.registry.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// `GET /metrics`.
    pub fn route(&self) -> Router {
        Router::new().route("/metrics", get(show).with_state(self.clone()))
    }

    /// Counts every request of `router` under its route's template; what matched none counts as `unmatched`.
    pub fn count(&self, router: Router) -> Router {
        router.layer(from_fn_with_state(self.clone(), count))
    }
}

async fn show(State(metrics): State<Metrics>, headers: HeaderMap) -> Result<Response, Problem> {
    let mut text = String::new();
    let registry = metrics.registry.lock().unwrap_or_else(PoisonError::into_inner);
    encode(&mut text, &registry).map_err(Problem::internal)?;
    let format = ExpositionFormat::accepted(&headers);
    let headers = [(header::CONTENT_TYPE, format.media_type()), (header::VARY, "accept")];
    Ok((headers, format.write(text)).into_response())
}

async fn count(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = known(request.method());
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let response = next.run(request).await;
    let status = response.status().as_u16();
    metrics.requests.get_or_create(&Answered { method, route: route.clone(), status }).inc();
    metrics.durations.get_or_create(&Route { method, route }).observe(began.elapsed().as_secs_f64());
    response
}

/// The method as a label. Callers may invent methods; they must not invent series.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
