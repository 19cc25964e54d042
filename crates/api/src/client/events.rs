//! Events as they happen, with resume.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::stream::{BoxStream, SplitStream, Stream, StreamExt};
use reqwest::Method;
use reqwest::header::ACCEPT;
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

use super::answer::causes;
use super::retry::Reconnect;
use super::sse::SseParser;
use super::websocket::{SILENCE, WebSocket, WebSocketSink, keep_alive, lost, next_message};
use super::{Client, Retry};
use crate::event::EventsQuery;
use crate::{AgentId, Event, Problem};

/// How to follow events.
#[derive(Clone, Debug, Default)]
pub struct EventsOptions {
    /// Only events of this agent.
    pub agent: Option<AgentId>,
    /// Resume after the event with this id. None: from now on; `"0"`: from the oldest that is kept.
    pub since: Option<String>,
    /// Over what.
    pub transport: Transport,
    /// What to do when the connection is lost.
    pub retry: Retry,
}

/// What an event stream comes over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// Server-sent events.
    #[default]
    Sse,
    /// A WebSocket.
    WebSocket,
}

/// What an [`EventStream`] tells besides events.
#[derive(Clone, Debug)]
pub enum Change {
    /// An event.
    Event(Event),
    /// The connection is lost; it is being tried again.
    Lost(Problem),
    /// The connection is back, and goes on after the last event.
    Resumed,
    /// An event of a kind that this client does not know, as the server of a newer version told it.
    Unknown(Value),
}

/// Events in order, each once. Reconnects by itself and resumes after the last event it gave out.
///
/// Dropping a future of [`EventStream::next`] loses nothing.
pub struct EventStream {
    changes: BoxStream<'static, Result<(Change, usize), Problem>>,
    last_id: Option<String>,
}

impl Client {
    /// Follows events. Answers when the stream stands: what happens afterwards is in it.
    pub async fn events(&self, options: EventsOptions) -> Result<EventStream, Problem> {
        let follower = Follower { client: self.clone(), last_id: options.since.clone(), options };
        let connection = follower.connect().await?;
        let reconnect = Reconnect::new(follower.options.retry);
        let last_id = follower.last_id.clone();
        let changes = follow(follower, State::Connected(connection), reconnect).boxed();
        Ok(EventStream { changes, last_id })
    }
}

impl EventStream {
    /// The next event. An error is the end: a refusal, or the retries are used up.
    pub async fn next(&mut self) -> Result<Event, Problem> {
        loop {
            if let Change::Event(event) = self.next_change().await? {
                return Ok(event);
            }
        }
    }

    /// The next event, or news of the connection. An error is the end.
    pub async fn next_change(&mut self) -> Result<Change, Problem> {
        self.next_sized().await.map(|(change, _)| change)
    }

    /// The same, and how many bytes the event had on its way, for who keeps many; news of the connection has none.
    pub async fn next_sized(&mut self) -> Result<(Change, usize), Problem> {
        let change =
            self.changes.next().await.unwrap_or_else(|| Err(Problem::internal("the event stream has ended")));
        if let Ok((Change::Event(event), _)) = &change {
            self.last_id = Some(event.id.clone());
        }
        change
    }

    /// What to resume from: the id of the last event given out.
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }
}

/// What it takes to connect again.
struct Follower {
    client: Client,
    options: EventsOptions,
    last_id: Option<String>,
}

enum State {
    Connected(Box<Connection>),
    Lost(Duration),
    Over,
}

/// The loop: events while connected; after a loss pauses and attempts.
fn follow(
    follower: Follower,
    state: State,
    reconnect: Reconnect,
) -> impl Stream<Item = Result<(Change, usize), Problem>> + Send + 'static {
    futures::stream::unfold((follower, state, reconnect), |(mut follower, state, mut reconnect)| async move {
        let (change, state) = match state {
            State::Over => return None,
            State::Connected(mut connection) => match connection.next(&mut follower.last_id).await {
                Ok(change) => (Ok(change), State::Connected(connection)),
                Err(problem) => {
                    reconnect.held(connection.since.elapsed());
                    after(problem, &mut reconnect)
                }
            },
            State::Lost(pause) => {
                tokio::time::sleep(pause).await;
                match follower.connect().await {
                    Ok(connection) => (Ok((Change::Resumed, 0)), State::Connected(connection)),
                    Err(problem) => after(problem, &mut reconnect),
                }
            }
        };
        Some((change, (follower, state, reconnect)))
    })
}

fn after(problem: Problem, reconnect: &mut Reconnect) -> (Result<(Change, usize), Problem>, State) {
    match reconnect.delay_after(&problem) {
        Some(pause) => (Ok((Change::Lost(problem), 0)), State::Lost(pause)),
        None => (Err(problem), State::Over),
    }
}

impl Follower {
    async fn connect(&self) -> Result<Box<Connection>, Problem> {
        let query = EventsQuery {
            agent_id: self.options.agent.as_ref().map(ToString::to_string),
            since: self.last_id.clone(),
            ticket: None,
        };
        let path = self.client.events_path();
        let source = match self.options.transport {
            Transport::Sse => {
                let request =
                    self.client.open(Method::GET, path).query(&query).header(ACCEPT, "text/event-stream");
                let answer = tokio::time::timeout(SILENCE, self.client.succeed(request)).await;
                let response = answer.map_err(|_| lost(self.client.url(), "it did not answer in time"))??;
                Source::Sse { body: response.bytes_stream().boxed(), parser: SseParser::default() }
            }
            Transport::WebSocket => {
                let (sink, stream) = self.client.websocket(path, &query, None).await?.split();
                Source::WebSocket { sink, stream }
            }
        };
        let base = self.client.url().to_owned();
        Ok(Box::new(Connection { base, since: Instant::now(), pending: VecDeque::new(), source }))
    }
}

/// One connection, until it is lost.
struct Connection {
    base: String,
    since: Instant,
    /// Frames that came together, as JSON; no more than one read brought.
    pending: VecDeque<String>,
    source: Source,
}

enum Source {
    Sse { body: BoxStream<'static, reqwest::Result<Bytes>>, parser: SseParser },
    WebSocket { sink: WebSocketSink, stream: SplitStream<WebSocket> },
}

impl Connection {
    /// The next event, and its bytes; `last_id` follows it.
    async fn next(&mut self, last_id: &mut Option<String>) -> Result<(Change, usize), Problem> {
        loop {
            if let Some(frame) = self.pending.pop_front() {
                let change = read(&frame);
                *last_id = match &change {
                    Change::Event(event) => Some(event.id.clone()),
                    Change::Unknown(value) => value["id"].as_str().map(str::to_owned).or(last_id.take()),
                    Change::Lost(_) | Change::Resumed => unreachable!("a frame is no news of the connection"),
                };
                return Ok((change, frame.len()));
            }
            self.receive(last_id).await?;
        }
    }

    async fn receive(&mut self, last_id: &mut Option<String>) -> Result<(), Problem> {
        let base = &self.base;
        match &mut self.source {
            Source::Sse { body, parser } => {
                let part = tokio::time::timeout(SILENCE, body.next()).await;
                let part = part.map_err(|_| lost(base, "nothing was heard for too long"))?;
                let part = part.ok_or_else(|| lost(base, "the connection ended"))?;
                let part = part.map_err(|error| lost(base, &causes(&error)))?;
                self.pending.extend(parser.feed(&part).into_iter().map(|message| message.data));
                // A server tells where the stream stands before the first event: a loss then misses nothing.
                if self.pending.is_empty() && parser.last_id().is_some() {
                    *last_id = parser.last_id().map(str::to_owned);
                }
            }
            Source::WebSocket { sink, stream } => {
                let message = tokio::select! {
                    message = next_message(stream, base) => message?,
                    failed = keep_alive(sink) => return Err(lost(base, &failed.to_string())),
                };
                if let Message::Text(text) = message {
                    self.pending.push_back(text.to_string());
                }
            }
        }
        Ok(())
    }
}

fn read(frame: &str) -> Change {
    match Event::read(frame) {
        Ok(event) => Change::Event(event),
        Err(_) => Change::Unknown(serde_json::from_str(frame).unwrap_or_else(|_| frame.into())),
    }
}
