//! Everything that stands before a server's own routes, in the one right order.

use axum::Router;

use crate::gate::{self, Gate};
use crate::metrics::Metrics;
use crate::{fallback, telemetry};

/// The routes with all that every server has around them: `GET /metrics`, `POST /api/tickets`, refusals for unknown
/// routes and panics, the gate, counting and tracing. The last thing to do to a router before it is served.
pub fn stand_before(router: Router, gate: Gate, metrics: &Metrics) -> Router {
    let router = fallback::with_fallbacks(router.merge(metrics.route()));
    telemetry::trace(metrics.count(gate::protect(router, gate)))
}
