//! Search.

use axum::extract::State;
use parallax_api::Problem;
use parallax_api::search::{Hits, SearchQuery};
use parallax_service::extract::{Json, Query};

use crate::app::App;

/// What agents were told, said and showed, by words, the newest first.
///
/// The index follows its agents by some seconds, and keeps the newest 100,000 pieces of text.
#[utoipa::path(
    get, path = "/api/search", tag = "observation", params(SearchQuery),
    responses(
        (status = 200, body = Hits),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn find(State(app): State<App>, Query(query): Query<SearchQuery>) -> Result<Json<Hits>, Problem> {
    app.search.find(&query, &app.cache).await.map(Json)
}
