//! What agents use over time.

use axum::extract::State;
use parallax_api::Problem;
use parallax_api::usage::{AgentUsageList, UsageQuery, UsageSeries};
use parallax_service::extract::{Json, Query};

use crate::app::App;

/// What an agent, or all together, used over time: the newest 1,440 points of a minute, or 720 of an hour.
///
/// A figure that nobody told is left out, and a minute in which nothing was measured has no point.
#[utoipa::path(
    get, path = "/api/usage", tag = "observation", params(UsageQuery),
    responses(
        (status = 200, body = UsageSeries),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn series(
    State(app): State<App>,
    Query(query): Query<UsageQuery>,
) -> Result<Json<UsageSeries>, Problem> {
    app.usage.series(&query).await.map(Json)
}

/// What each agent used when it was last measured: one answer for all.
#[utoipa::path(
    get, path = "/api/usage/agents", tag = "observation",
    responses(
        (status = 200, body = AgentUsageList),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn agents(State(app): State<App>) -> Json<AgentUsageList> {
    Json(app.usage.agents())
}
