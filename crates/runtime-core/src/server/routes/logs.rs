//! Logs: lines, or a body in another form, streamed.

use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use parallax_api::Problem;
use parallax_api::observe::{LogFormat, LogsQuery};
use parallax_service::extract::{Json, Query};
use tokio_util::io::ReaderStream;

use super::{App, Id};
use crate::server::archive::LogAnswer;
use crate::server::core::LogSource;

/// Lines of a recording that are read ahead of the client.
const LINES: usize = 64;

/// The log: the last lines as JSON, or with another `format` as a body; `follow` streams on until the agent ends.
pub(super) async fn logs(
    State(app): State<App>,
    Id(id): Id,
    Query(query): Query<LogsQuery>,
) -> Result<Response, Problem> {
    let as_body = query.follow == Some(true) || query.format == Some(LogFormat::Ansi);
    Ok(match app.core.logs(&id, &query).await? {
        LogSource::Host(answer) => {
            let going = app.core.shutdown.token().clone().cancelled_owned();
            answer.map(|body| Body::from_stream(body.into_data_stream().take_until(going)))
        }
        LogSource::Archive(LogAnswer::Lines(logs)) if as_body => {
            let lines = logs.logs.into_iter().fold(String::new(), |text, line| text + &line + "\n");
            ([(CONTENT_TYPE, "text/plain; charset=utf-8")], lines).into_response()
        }
        LogSource::Archive(LogAnswer::Lines(logs)) => Json(logs).into_response(),
        LogSource::Archive(LogAnswer::Recording(recording)) => {
            // Read in a thread of its own, as fast as the client takes it; it ends when the client leaves.
            let (lines_tx, lines) = tokio::sync::mpsc::channel(LINES);
            tokio::task::spawn_blocking(move || {
                recording.map(|line| lines_tx.blocking_send(line)).find(Result::is_err)
            });
            let body = futures::stream::unfold(lines, async |mut lines| Some((lines.recv().await?, lines)));
            let body = Body::from_stream(body);
            ([(CONTENT_TYPE, "application/x-asciicast")], body).into_response()
        }
        LogSource::Archive(LogAnswer::File { file, media_type }) => {
            let body = Body::from_stream(ReaderStream::new(tokio::fs::File::from_std(file)));
            ([(CONTENT_TYPE, media_type)], body).into_response()
        }
    })
}
