//! Everything that stands before a server's own routes, in the one right order.

use axum::Router;

use crate::access::{self, Access};
use crate::metrics::Metrics;
use crate::{compression, fallback, inert, telemetry};

/// The routes with all that every server has around them: `GET /metrics`, `POST /api/tickets`, refusals for unknown
/// routes and panics, access control, headers that keep answers from being taken for pages, counting, compression and
/// tracing. The last thing to do to a router before it is served.
pub fn with_middleware(router: Router, access: Access, metrics: &Metrics) -> Router {
    let router = fallback::with_fallbacks(router.merge(metrics.route()));
    telemetry::trace(compression::compressed(metrics.count(inert::inert(access::protect(router, access)))))
}
