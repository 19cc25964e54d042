//! Counts requests to the API server: an idle agent should cause none.

use std::sync::Arc;
use std::task::{Context, Poll};

use kube::client::Body;
use parallax_service::metrics::Metrics;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tower::{Layer, Service};

/// Requests to the API server, counted. Clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct ApiRequests(Arc<Family<RequestLabels, Counter>>);

/// Labels of `parallax_kubernetes_requests_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    verb: &'static str,
    resource: String,
}

impl ApiRequests {
    /// Adds the counter to a server's metrics.
    pub(crate) fn register(&self, metrics: &Metrics) {
        metrics.register(|registry| {
            registry.register("kubernetes_requests", "Requests to the API server", (*self.0).clone());
        });
    }

    fn count(&self, request: &http::Request<Body>) {
        let uri = request.uri();
        let watches = uri.query().is_some_and(|query| query.split('&').any(|part| part == "watch=true"));
        let verb = match request.method().as_str() {
            "GET" if watches => "watch",
            "GET" => "get",
            "POST" => "create",
            "PUT" => "update",
            "PATCH" => "patch",
            "DELETE" => "delete",
            _ => "other",
        };
        let resource = resource(uri.path());
        self.0.get_or_create(&RequestLabels { verb, resource }).inc();
    }
}

/// `pods`, or `pods/log`: the kind in `/api/v1/namespaces/x/pods/NAME/log`.
fn resource(path: &str) -> String {
    let mut parts = path.split('/').skip_while(|part| *part != "namespaces").skip(2);
    let kind = parts.next().unwrap_or("-");
    match parts.nth(1) {
        Some(sub) => format!("{kind}/{sub}"),
        None => kind.to_owned(),
    }
}

/// Adds the counter to a client.
#[derive(Clone)]
pub(crate) struct CountingLayer(ApiRequests);

impl CountingLayer {
    pub(crate) fn new(requests: ApiRequests) -> Self {
        Self(requests)
    }
}

impl<S> Layer<S> for CountingLayer {
    type Service = CountingService<S>;

    fn layer(&self, inner: S) -> CountingService<S> {
        CountingService { inner, requests: self.0.clone() }
    }
}

/// A client whose requests are counted.
#[derive(Clone)]
pub(crate) struct CountingService<S> {
    inner: S,
    requests: ApiRequests,
}

impl<S: Service<http::Request<Body>>> Service<http::Request<Body>> for CountingService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> S::Future {
        self.requests.count(&request);
        self.inner.call(request)
    }
}

#[cfg(test)]
mod tests {
    use super::resource;

    #[test]
    fn kinds_are_told_without_names() {
        assert_eq!(resource("/api/v1/namespaces/x/pods"), "pods");
        assert_eq!(resource("/api/v1/namespaces/x/pods/a"), "pods");
        assert_eq!(resource("/api/v1/namespaces/x/pods/a/log"), "pods/log");
        assert_eq!(
            resource("/apis/parallax.io/v1alpha1/namespaces/x/parallaxagents/a/status"),
            "parallaxagents/status"
        );
        assert_eq!(resource("/version"), "-");
    }
}
