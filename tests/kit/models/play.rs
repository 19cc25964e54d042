//! Plays a reply: its steps, paced, as a stream or as one document.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::State;
use super::ask::Ask;
use super::log::LogEvent;
use super::scenario::{Playing, Reply, Step};
use super::wire::{self, Wire};

/// Chunks on their way to a client that reads slowly; then the script waits, as a real model's stream does.
const STREAM_QUEUE: usize = 16;
/// Between two signs of life while a gate is closed.
const PING: Duration = Duration::from_millis(500);

/// How a reply ended.
enum End {
    Whole,
    /// Cut, or failed in the middle.
    Short,
    ClientGone,
}

/// The answer to `ask`: its reply, as the API answers.
pub(super) async fn play(state: State, playing: Arc<Playing>, ask: Ask, reply: Reply) -> Response {
    let pace = playing.pace(&reply);
    tokio::time::sleep(Duration::from_millis(pace.first_delay_ms.unwrap_or(80))).await;
    let player = Player {
        chunk_chars: pace.chunk_chars.unwrap_or(24).max(1),
        chunk_delay: Duration::from_millis(pace.chunk_delay_ms.unwrap_or(15)),
        wire: wire::of(&ask),
        client: None,
        state,
        playing,
        ask,
    };
    if player.ask.stream { player.stream(reply.steps) } else { player.whole(reply.steps).await }
}

struct Player {
    state: State,
    playing: Arc<Playing>,
    ask: Ask,
    wire: Box<dyn Wire>,
    chunk_chars: usize,
    chunk_delay: Duration,
    /// The reader of the stream; none when the answer is one document.
    client: Option<mpsc::Sender<std::io::Result<Bytes>>>,
}

impl Player {
    fn stream(mut self, steps: Vec<Step>) -> Response {
        let (client_tx, client_rx) = mpsc::channel(STREAM_QUEUE);
        self.client = Some(client_tx);
        // The task ends with the script or with the client, whose going away fails the next send.
        tokio::spawn(async move {
            let end = self.run(steps).await;
            self.note_end(end);
        });
        let headers = [
            ("content-type", "text/event-stream; charset=utf-8"),
            ("cache-control", "no-cache"),
            ("request-id", "req_fake"),
        ];
        (headers, Body::from_stream(ReceiverStream::new(client_rx))).into_response()
    }

    async fn whole(mut self, steps: Vec<Step>) -> Response {
        let end = self.run(steps).await;
        let answer = axum::Json(self.wire.whole()).into_response();
        self.note_end(end);
        answer
    }

    fn note_end(&self, end: End) {
        let (api, main) = (self.ask.api, self.ask.main);
        match end {
            End::Whole => self.state.log.note(LogEvent::StreamEnd { api, main }),
            End::ClientGone => self.state.log.note(LogEvent::ClientGone { api, main }),
            End::Short => {}
        }
    }

    async fn run(&mut self, steps: Vec<Step>) -> End {
        self.state.log.note(LogEvent::StreamBegin { api: self.ask.api, main: self.ask.main });
        self.wire.begin();
        for step in steps {
            match self.step(step).await {
                End::Whole => {}
                early => return early,
            }
        }
        self.wire.end();
        self.flush().await
    }

    async fn step(&mut self, step: Step) -> End {
        if let Some(ms) = step.delay_ms {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
        if let Some(name) = step.gate
            && let gone @ End::ClientGone = self.wait_at(&name).await
        {
            return gone;
        }
        if let Some(thought) = step.thinking {
            self.wire.thinking(&thought);
        }
        if let Some(text) = step.text {
            let chars: Vec<char> = text.chars().collect();
            for piece in chars.chunks(self.chunk_chars) {
                self.wire.text(&piece.iter().collect::<String>());
                if let gone @ End::ClientGone = self.flush().await {
                    return gone;
                }
                if self.client.is_some() && !self.chunk_delay.is_zero() {
                    tokio::time::sleep(self.chunk_delay).await;
                }
            }
        }
        if let Some(call) = step.tool.as_ref().and_then(|tool| tool.call(self.ask.api)) {
            self.wire.tool(call);
        }
        if let Some(failure) = step.stream_error {
            self.wire.fail(&failure);
            self.flush().await;
            return End::Short;
        }
        if step.drop {
            self.cut().await;
            return End::Short;
        }
        self.flush().await
    }

    async fn wait_at(&mut self, name: &str) -> End {
        self.state.log.note(LogEvent::GateWait { name: name.to_owned() });
        let mut gate = self.playing.gate(name).subscribe();
        loop {
            if let Ok(opened) = tokio::time::timeout(PING, gate.wait_for(|open| *open)).await {
                opened.expect("the scenario keeps its gates while it is played");
                return End::Whole;
            }
            // A closed channel tells of a client that went away, with or without a ping to write.
            self.wire.ping();
            if self.client.as_ref().is_some_and(mpsc::Sender::is_closed) {
                return End::ClientGone;
            }
            self.flush().await;
        }
    }

    async fn cut(&mut self) {
        self.state.log.note(LogEvent::Drop { api: self.ask.api });
        if let Some(client) = &self.client {
            // An error in the body makes the server close the connection in mid-stream. Nobody there: nothing to cut.
            let _ = client.send(Err(std::io::Error::other("cut by the scenario"))).await;
        }
    }

    async fn flush(&mut self) -> End {
        let written = self.wire.take();
        let Some(client) = &self.client else { return End::Whole };
        if written.is_empty() || client.send(Ok(written.into())).await.is_ok() {
            End::Whole
        } else {
            End::ClientGone
        }
    }
}
