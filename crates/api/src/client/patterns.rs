//! Patterns and their runs, one method a route; and the events of a run, with resume.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use tokio::time::Instant;

use super::retry::Reconnect;
use super::sse::SseParser;
use super::websocket::{SILENCE, lost};
use super::{Client, Retry};
use crate::Problem;
use crate::execution::{
    Execution, ExecutionAnswer, ExecutionEvent, ExecutionEventData, ExecutionEventsQuery, ExecutionList,
    ExecutionsQuery,
};
use crate::pattern::{Accepted, ExecuteRequest, PatternList, StoredPattern, Validation};

/// Stopping the agents of a run takes their grace.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(120);

impl Client {
    /// `GET /api/patterns`: the library.
    pub async fn patterns(&self) -> Result<PatternList, Problem> {
        self.fetch(self.request(Method::GET, "/api/patterns")).await
    }

    /// `GET /api/patterns/:name`: a pattern with its file.
    pub async fn pattern(&self, name: &str) -> Result<StoredPattern, Problem> {
        self.fetch(self.request(Method::GET, &format!("/api/patterns/{name}"))).await
    }

    /// `PUT /api/patterns/:name`: adds a pattern or replaces it.
    pub async fn put_pattern(&self, name: &str, source: &str) -> Result<StoredPattern, Problem> {
        let request = self.request(Method::PUT, &format!("/api/patterns/{name}"));
        self.fetch(request.header(CONTENT_TYPE, "application/yaml").body(source.to_owned())).await
    }

    /// `DELETE /api/patterns/:name`: forgets a pattern.
    pub async fn delete_pattern(&self, name: &str) -> Result<(), Problem> {
        self.succeed(self.request(Method::DELETE, &format!("/api/patterns/{name}"))).await.map(drop)
    }

    /// `POST /api/patterns/validate`: what is wrong with a file.
    pub async fn validate_pattern(&self, source: &str) -> Result<Validation, Problem> {
        let request = self.request(Method::POST, "/api/patterns/validate");
        self.fetch(request.header(CONTENT_TYPE, "application/yaml").body(source.to_owned())).await
    }

    /// `POST /api/patterns/:name/execute`: starts a run and gives its id; with the same key it is the same run.
    pub async fn execute(&self, key: &str, name: &str, run: &ExecuteRequest) -> Result<String, Problem> {
        let request = self.request(Method::POST, &format!("/api/patterns/{name}/execute"));
        let accepted: Accepted = self.fetch(request.header("idempotency-key", key).json(run)).await?;
        Ok(accepted.execution_id)
    }

    /// `GET /api/executions`: runs, the newest first.
    pub async fn executions(&self, query: &ExecutionsQuery) -> Result<ExecutionList, Problem> {
        self.fetch(self.request(Method::GET, "/api/executions").query(query)).await
    }

    /// `GET /api/executions/:id`: a run.
    pub async fn execution(&self, id: &str) -> Result<Execution, Problem> {
        self.fetch(self.request(Method::GET, &format!("/api/executions/{id}"))).await
    }

    /// `POST /api/executions/:id/answer`: answers a question, or approves.
    pub async fn answer_execution(&self, id: &str, answer: &ExecutionAnswer) -> Result<Execution, Problem> {
        self.fetch(self.request(Method::POST, &format!("/api/executions/{id}/answer")).json(answer)).await
    }

    /// `POST /api/executions/:id/cancel`: cancels a run; answers when its agents are gone.
    pub async fn cancel_execution(&self, id: &str) -> Result<Execution, Problem> {
        let request = self.request(Method::POST, &format!("/api/executions/{id}/cancel"));
        self.fetch(request.timeout(CANCEL_TIMEOUT)).await
    }

    /// Follows the events of a run, after the one with the id `since` or from the first on.
    pub fn execution_events(&self, id: &str, since: Option<String>, retry: Retry) -> ExecutionEvents {
        ExecutionEvents {
            client: self.clone(),
            id: id.to_owned(),
            last_id: since,
            reconnect: Reconnect::new(retry),
            connection: None,
            pending: Vec::new().into_iter(),
            not_before: Instant::now(),
            over: false,
        }
    }
}

/// What an [`ExecutionEvents`] tells besides events.
#[derive(Clone, Debug)]
pub enum ExecutionChange {
    /// An event.
    Event(ExecutionEvent),
    /// The connection is lost; it is being tried again.
    Lost(Problem),
}

/// The events of a run in order, each once. Connects again by itself and goes on after the last event it gave out.
///
/// Dropping a future of [`ExecutionEvents::next`] loses nothing.
pub struct ExecutionEvents {
    client: Client,
    id: String,
    last_id: Option<String>,
    reconnect: Reconnect,
    connection: Option<Connection>,
    pending: std::vec::IntoIter<String>,
    /// The next attempt is not before.
    not_before: Instant,
    over: bool,
}

/// One answer whose body is read.
struct Connection {
    since: Instant,
    /// Something came on it: a server says now and then that it is there.
    has_spoken: bool,
    body: BoxStream<'static, reqwest::Result<Bytes>>,
    parser: SseParser,
}

impl ExecutionEvents {
    /// The next event; none after `execution_ended`. An error is the end: a refusal, or the retries are used up.
    pub async fn next(&mut self) -> Result<Option<ExecutionEvent>, Problem> {
        loop {
            match self.next_change().await? {
                Some(ExecutionChange::Event(event)) => return Ok(Some(event)),
                Some(ExecutionChange::Lost(_)) => {}
                None => return Ok(None),
            }
        }
    }

    /// The next event, or news of the connection; none after `execution_ended`. An error is the end.
    pub async fn next_change(&mut self) -> Result<Option<ExecutionChange>, Problem> {
        while !self.over {
            for frame in self.pending.by_ref() {
                // An event of a newer server that is not known here is passed over.
                let Ok(event) = serde_json::from_str::<ExecutionEvent>(&frame) else { continue };
                self.last_id = Some(event.id.clone());
                self.over = matches!(event.data, ExecutionEventData::ExecutionEnded { .. });
                return Ok(Some(ExecutionChange::Event(event)));
            }
            tokio::time::sleep_until(self.not_before).await;
            if let Err(problem) = self.receive().await {
                return self.lose(problem).map(Some);
            }
        }
        Ok(None)
    }

    fn lose(&mut self, problem: Problem) -> Result<ExecutionChange, Problem> {
        if let Some(connection) = self.connection.take().filter(|connection| connection.has_spoken) {
            // A run that waits for somebody says nothing for hours, over connections that somebody cuts.
            self.reconnect.held(connection.since.elapsed());
        }
        let Some(pause) = self.reconnect.delay_after(&problem) else { return Err(problem) };
        self.not_before = Instant::now() + pause;
        Ok(ExecutionChange::Lost(problem))
    }

    async fn receive(&mut self) -> Result<(), Problem> {
        let base = self.client.url().to_owned();
        let Connection { body, parser, has_spoken, .. } = match &mut self.connection {
            Some(connection) => connection,
            None => {
                let query = ExecutionEventsQuery { since: self.last_id.clone(), ticket: None };
                let path = format!("/api/executions/{}/events", self.id);
                let request = self.client.open(Method::GET, &path).query(&query);
                let request = request.header(ACCEPT, "text/event-stream");
                let answer =
                    tokio::time::timeout(self.reconnect.bound(SILENCE), self.client.succeed(request)).await;
                let response = answer.map_err(|_| lost(&base, "it did not answer in time"))??;
                let body = response.bytes_stream().boxed();
                self.connection.insert(Connection {
                    since: Instant::now(),
                    has_spoken: false,
                    body,
                    parser: SseParser::default(),
                })
            }
        };
        let part = tokio::time::timeout(SILENCE, body.next()).await;
        let part = part.map_err(|_| lost(&base, "nothing was heard for too long"))?;
        let part = part.ok_or_else(|| lost(&base, "the connection ended"))?;
        let part = part.map_err(|error| lost(&base, &super::answer::causes(&error)))?;
        *has_spoken = true;
        let frames: Vec<String> = parser.feed(&part).into_iter().map(|message| message.data).collect();
        if !frames.is_empty() {
            self.reconnect.held(Duration::MAX);
        }
        self.pending = frames.into_iter();
        Ok(())
    }
}
