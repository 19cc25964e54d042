//! Search over what agents were told, said and showed.
//!
//! The hosts keep messages and logs; here is an index of them, a database of its own. After each event of an agent, what it has more
//! is read from its runtime: every message, and of lines at most so many at once. Of whose log lines were passed over, and who could not be
//! read, is told with what was found. What the index lost is a text that is not found, nothing else. An agent that is gone has no texts.

mod turns;
mod unread;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use parallax_api::client::read_within;
use parallax_api::message::MessagesQuery;
use parallax_api::observe::{LOG_OFFSET, Logs};
use parallax_api::search::{Hit, HitKind, Hits, SearchQuery};
use parallax_api::{AgentId, Code, EventData, Message, Problem, Time};
use parallax_service::events::EventLog;
use parallax_service::shutdown::Shutdown;
use parallax_store::{StoreError, TextIndex, TextPosition, TextQuery, TextRow, sqlite};
use reqwest::{Method, StatusCode};
use tokio::time::{Instant, MissedTickBehavior};

use crate::agent_cache::AgentCache;
use crate::locate::AgentLocator;
use crate::relay::Call;
use turns::{Refusal, Turns};
use unread::Unread;

/// Texts that are kept at most, of all agents.
const MAX_TEXTS: u64 = 100_000;
/// The longest text, in bytes. A longer one is cut into several.
const MAX_TEXT: usize = 2048;
/// Messages and lines that are read of an agent at once. More messages are read next; of more lines, the newest.
const MAX_MESSAGES: usize = 500;
const MAX_LINES: usize = 10_000;
/// Messages of an agent that are read before others have their turn, in so many calls.
const MAX_CALLS: usize = 10;
/// The longest answer with lines that is read, in bytes.
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// Where a conversation begins: without it, a runtime answers its end.
const FROM_THE_START: &str = "1970-01-01T00:00:00.000Z";
/// Agents of whose logs lines are missing that are named at most.
const MAX_INCOMPLETE: usize = 200;
/// How long is waited after an event before an agent is read.
const GATHER: Duration = Duration::from_secs(1);
/// How long is waited before events are followed again that came to an end.
const FOLLOW_AGAIN: Duration = Duration::from_secs(5);
/// How long reading one agent may take: others wait meanwhile.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// The index. Clones share it.
#[derive(Clone, Debug)]
pub struct Search {
    index: Arc<dyn TextIndex>,
    locator: AgentLocator,
    unread: Arc<Unread>,
}

impl Search {
    /// The index in this state directory.
    ///
    /// # Errors
    /// When its database cannot be opened.
    pub async fn open(state_dir: &Path, locator: AgentLocator) -> Result<Self, StoreError> {
        let index = sqlite::open_texts(&state_dir.join("search")).await?;
        Ok(Self { index, locator, unread: Arc::default() })
    }

    /// What was found, the newest first. Agents that could not be read are asked again soon.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` for a query that is none.
    pub async fn find(&self, query: &SearchQuery, cache: &AgentCache) -> Result<Hits, Problem> {
        let (limit, words) = (query.hits()?, query.words()?);
        if words.is_empty() {
            return Ok(Hits { hits: Vec::new(), next: None, incomplete: Vec::new() });
        }
        let query =
            TextQuery { words, agent: query.agent_id.clone(), kind: query.kind, before: query.before, limit };
        let mut incomplete = match (query.kind, &query.agent) {
            (Some(HitKind::Message), _) => Vec::new(),
            (_, None) => self.index.incomplete(MAX_INCOMPLETE).await?,
            (_, Some(agent)) if self.index.position(agent).await?.is_incomplete => vec![agent.clone()],
            (_, Some(_)) => Vec::new(),
        };
        let mut unread = self.unread.request_retry();
        unread.retain(|id| {
            let is_asked_for = query.agent.as_ref().is_none_or(|agent| agent == id);
            // One that went while it was read is noted until the next one goes.
            is_asked_for && !incomplete.contains(id) && cache.runtime_of(id).is_some()
        });
        incomplete.extend(unread);
        incomplete.truncate(MAX_INCOMPLETE);
        let found = self.index.search(query).await?;
        let next = (found.len() == limit).then(|| found.last().map(|last| last.number)).flatten();
        let hits = found.into_iter().map(|text| Hit {
            agent_name: cache.get(&text.agent).map(|agent| agent.name),
            agent_id: text.agent,
            kind: text.kind,
            message_id: text.message_id,
            at: text.at,
            excerpt: text.excerpt,
        });
        Ok(Hits { hits: hits.collect(), next, incomplete })
    }

    /// Reads what agents have more, after their events, until the shutdown begins.
    pub async fn follow(self, log: EventLog, shutdown: Shutdown) {
        let mut events = Box::pin(log.published());
        let mut departed = self.locator.cache.departures();
        departed.mark_changed();
        let mut turns = Turns::new(self.unread.clone());
        for known in self.locator.cache.all() {
            turns.add(known.agent().id.clone(), Instant::now());
        }
        // Not a sleep beside the events: where something happens all the time it would never end.
        // Not at once: a server that starts has its agents to find.
        let mut gathered = tokio::time::interval_at(Instant::now() + GATHER, GATHER);
        gathered.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.begun() => return,
                event = events.next() => match event {
                    Some(event) => note(&mut turns, event.data()),
                    None => {
                        tokio::time::sleep(FOLLOW_AGAIN).await;
                        events = Box::pin(log.published());
                    }
                },
                Ok(()) = departed.changed() => {
                    if let Err(error) = self.forget_departed().await {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(error, "texts of agents that are gone could not be deleted");
                    }
                }
                () = self.unread.retry_requested() => turns.hasten(Instant::now()),
                _ = gathered.tick(), if !turns.is_empty() => tokio::select! {
                    () = shutdown.begun() => return,
                    () = self.read_round(&mut turns) => {}
                },
            }
        }
    }

    /// Reads those whose turn it is.
    async fn read_round(&self, turns: &mut Turns) {
        for (id, runtime) in turns.round(Instant::now(), |id| self.locator.cache.runtime_of(id)) {
            if turns.puts_off(&id, &runtime, Instant::now()) {
                continue;
            }
            match self.read_in_time(&id).await {
                Ok(is_whole) => turns.was_read(id, &runtime, is_whole, Instant::now()),
                Err(problem) => {
                    tracing::debug!(agent.id = %id, %problem, "what an agent said could not be indexed");
                    let why = self.refusal(&runtime, &problem).await;
                    turns.was_refused(id, runtime, why, Instant::now());
                }
            }
        }
    }

    /// Who did not answer.
    async fn refusal(&self, runtime: &str, problem: &Problem) -> Refusal {
        if !matches!(problem.code, Code::RuntimeUnavailable | Code::Timeout) {
            return Refusal::Told;
        }
        let Some(runtime) = self.locator.runtimes.get(runtime) else { return Refusal::RuntimeSilence };
        // A runtime says so in the same words of an agent's host that does not answer.
        runtime.probe().await;
        if runtime.is_reachable() { Refusal::Silence } else { Refusal::RuntimeSilence }
    }

    /// Deletes the texts of agents that no runtime has any more.
    async fn forget_departed(&self) -> Result<(), StoreError> {
        self.unread.retain(|id| self.locator.cache.runtime_of(id).is_some());
        let mut gone = self.index.agents().await?;
        gone.retain(|id| self.locator.cache.runtime_of(id).is_none());
        if gone.is_empty() { Ok(()) } else { self.index.forget(gone).await }
    }

    /// Reads what this agent has more, or gives up: a runtime that does not go on must not keep the others waiting.
    async fn read_in_time(&self, id: &AgentId) -> Result<bool, Problem> {
        let read = tokio::time::timeout(READ_TIMEOUT, self.read(id)).await;
        read.unwrap_or_else(|_| Err(Problem::new(Code::RuntimeUnavailable, "it took too long")))
    }

    /// Reads what this agent has more; false when there are still more messages.
    async fn read(&self, id: &AgentId) -> Result<bool, Problem> {
        let runtime = self.locator.locate(id).await?;
        let mut position = self.index.position(id).await?;
        for _ in 0..MAX_CALLS {
            let since = position.message_id.clone().unwrap_or_else(|| FROM_THE_START.into());
            let query = MessagesQuery { since: Some(since), limit: Some(MAX_MESSAGES) };
            let messages = match runtime.client().messages(id, &query).await {
                // The message is none any more: the agent was spawned anew, or its archive cut. What it has is read from the start.
                Err(problem) if problem.code == Code::Validation && position.message_id.is_some() => {
                    self.index.forget(vec![id.clone()]).await?;
                    position = TextPosition::default();
                    continue;
                }
                messages => messages?,
            };
            let is_last = messages.len() < MAX_MESSAGES;
            let mut texts = Vec::new();
            for Message { id, content, timestamp, .. } in messages {
                texts.extend(pieces(&content).map(|text| TextRow {
                    kind: HitKind::Message,
                    message_id: Some(id.clone()),
                    at: timestamp,
                    text,
                }));
                position.message_id = Some(id);
            }
            // Before the lines, which may be refused, or come too late.
            self.index.add(id, texts, position.clone(), MAX_TEXTS).await?;
            if is_last {
                self.read_lines(id, position).await?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Adds the lines that the agent has more.
    async fn read_lines(&self, id: &AgentId, mut position: TextPosition) -> Result<(), Problem> {
        let Lines { lines, end, is_whole } = self.lines(id, position.log_offset).await?;
        let text = |text| TextRow { kind: HitKind::Log, message_id: None, at: Time::now(), text };
        let texts = pieces(&lines.join("\n")).map(text).collect();
        position.log_offset = end.or(position.log_offset);
        position.is_incomplete |= !is_whole;
        Ok(self.index.add(id, texts, position, MAX_TEXTS).await?)
    }

    /// The lines of an agent's log after this offset.
    async fn lines(&self, id: &AgentId, after: Option<u64>) -> Result<Lines, Problem> {
        let runtime = self.locator.locate(id).await?;
        let since = after.map(|offset| format!("&since={offset}")).unwrap_or_default();
        let call =
            Call::new(Method::GET, "/logs").query(Some(&format!("format=text&tail={MAX_LINES}{since}")));
        let answer = call.send(&runtime, id).await.map_err(|unanswered| unanswered.problem)?;
        match answer.status() {
            status if status.is_success() => {}
            // It was forgotten meanwhile, or has no log.
            StatusCode::NOT_FOUND => return Ok(Lines { lines: Vec::new(), end: None, is_whole: true }),
            status => {
                return Err(Problem::internal(format!("its log was not shown: {status}")));
            }
        }
        let end = answer.headers().get(LOG_OFFSET).and_then(|offset| offset.to_str().ok()?.parse().ok());
        let Some(body) = read_within(MAX_BYTES, answer).await.map_err(Problem::internal)? else {
            return Ok(Lines { lines: Vec::new(), end, is_whole: false });
        };
        let logs: Logs = serde_json::from_slice(&body).map_err(Problem::internal)?;
        Ok(Lines { is_whole: logs.logs.len() < MAX_LINES, lines: logs.logs, end })
    }
}

/// Lines of a log.
struct Lines {
    lines: Vec<String>,
    /// Where they end.
    end: Option<u64>,
    /// Whether they are all there were.
    is_whole: bool,
}

/// An agent that may have more. While it works it is not read: there will be an event at the end.
fn note(turns: &mut Turns, data: &EventData) {
    let is_at_work = matches!(data, EventData::AgentBusy { .. } | EventData::AgentStarted { .. });
    if let (false, Some(id)) = (is_at_work, data.agent_id()) {
        turns.add(id.clone(), Instant::now());
    }
}

/// A text in pieces of a bounded length, cut between lines where it can be.
fn pieces(text: &str) -> impl Iterator<Item = String> {
    let mut rest = text.trim();
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = match rest.len() {
            length if length <= MAX_TEXT => length,
            _ => {
                let most = (0..=MAX_TEXT).rev().find(|at| rest.is_char_boundary(*at)).unwrap_or_default();
                rest[..most].rfind('\n').filter(|at| *at > 0).unwrap_or(most)
            }
        };
        let (piece, after) = rest.split_at(end);
        rest = after.trim_start();
        Some(piece.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_in_pieces() {
        assert_eq!(pieces("  ").count(), 0);
        assert_eq!(pieces("one\ntwo").collect::<Vec<_>>(), ["one\ntwo"]);
        let lines = "a line of text\n".repeat(500);
        let all: Vec<String> = pieces(&lines).collect();
        assert!(all.iter().all(|piece| piece.len() <= MAX_TEXT && piece.ends_with("text")));
        let long = "ä".repeat(MAX_TEXT);
        assert_eq!(pieces(&long).map(|piece| piece.chars().count()).sum::<usize>(), MAX_TEXT);
    }
}
