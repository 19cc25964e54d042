//! Search over what agents were told, said and showed.
//!
//! The hosts keep messages and logs; here is an index of them, a database of its own. After each event of an agent, what it has more
//! is read from its runtime, at most so much at once. What the index lost or never had is a text that is not found, nothing else.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use parallax_api::message::MessagesQuery;
use parallax_api::observe::{LOG_OFFSET, Logs};
use parallax_api::search::{Hit, HitKind, Hits, SearchQuery};
use parallax_api::{AgentId, Code, EventData, Message, Problem, Time};
use parallax_service::events::EventLog;
use parallax_service::shutdown::Shutdown;
use parallax_store::{StoreError, TextIndex, TextPosition, TextQuery, TextRow, sqlite};
use reqwest::Method;
use tokio::time::{Instant, MissedTickBehavior};

use crate::agent_cache::AgentCache;
use crate::locate::AgentLocator;
use crate::relay::Call;

/// Texts that are kept at most, of all agents.
const MAX_TEXTS: u64 = 100_000;
/// The longest text, in bytes. A longer one is cut into several.
const MAX_TEXT: usize = 2048;
/// Messages and lines that are read of an agent at once. Of more lines, the newest.
const MAX_MESSAGES: usize = 500;
const MAX_LINES: usize = 5000;
/// The longest answer with lines that is read, in bytes.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// How long is waited after an event before an agent is read, and how often one is read at most.
const GATHER: Duration = Duration::from_secs(1);
const READ_INTERVAL: Duration = Duration::from_secs(5);
/// Agents that are read one after the other before events are looked at again.
const READ_AT_ONCE: usize = 32;

/// The index. Clones share it.
#[derive(Clone, Debug)]
pub struct Search {
    index: Arc<dyn TextIndex>,
    locator: AgentLocator,
}

impl Search {
    /// The index in this state directory.
    ///
    /// # Errors
    /// When its database cannot be opened.
    pub async fn open(state_dir: &Path, locator: AgentLocator) -> Result<Self, StoreError> {
        Ok(Self { index: sqlite::open_texts(&state_dir.join("search")).await?, locator })
    }

    /// What was found, the newest first.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` for a query that is none.
    pub async fn find(&self, query: &SearchQuery, cache: &AgentCache) -> Result<Hits, Problem> {
        let (limit, words) = (query.hits()?, query.words()?);
        if words.is_empty() {
            return Ok(Hits { hits: Vec::new(), next: None });
        }
        let query =
            TextQuery { words, agent: query.agent_id.clone(), kind: query.kind, before: query.before, limit };
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
        Ok(Hits { hits: hits.collect(), next })
    }

    /// Reads what agents have more, after their events, until the shutdown begins.
    pub async fn follow(self, log: EventLog, shutdown: Shutdown) {
        let mut events = Box::pin(log.subscribe(None, None));
        let known = self.locator.cache.all();
        let mut due: HashSet<AgentId> = known.iter().map(|known| known.agent().id.clone()).collect();
        let mut read_at: HashMap<AgentId, Instant> = HashMap::new();
        // Not a sleep beside the events: where something happens all the time it would never end.
        let mut gathered = tokio::time::interval(GATHER);
        gathered.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.begun() => return,
                event = events.next() => match event {
                    Some(event) => note(&mut due, &event.data),
                    None => {
                        tokio::time::sleep(READ_INTERVAL).await;
                        events = Box::pin(log.subscribe(None, None));
                    }
                },
                _ = gathered.tick(), if !due.is_empty() => {
                    let now = Instant::now();
                    read_at.retain(|_, at| now.duration_since(*at) < READ_INTERVAL);
                    let late: Vec<AgentId> =
                        due.iter().filter(|id| !read_at.contains_key(*id)).take(READ_AT_ONCE).cloned().collect();
                    for id in late {
                        due.remove(&id);
                        read_at.insert(id.clone(), now);
                        tokio::select! {
                            () = shutdown.begun() => return,
                            read = self.read(&id) => if let Err(problem) = read {
                                tracing::debug!(agent.id = %id, %problem, "what an agent said could not be indexed");
                            }
                        }
                    }
                }
            }
        }
    }

    /// Reads what this agent has more.
    async fn read(&self, id: &AgentId) -> Result<(), Problem> {
        let mut position = self.index.position(id).await?;
        let runtime = self.locator.locate(id).await?;
        let query = MessagesQuery { since: position.message_id.clone(), limit: Some(MAX_MESSAGES) };
        let mut texts = Vec::new();
        let messages = match runtime.client().messages(id, &query).await {
            // The message is none any more: the agent was spawned anew, or its archive cut.
            Err(problem) if problem.code == Code::Validation => {
                runtime.client().messages(id, &MessagesQuery { since: None, ..query }).await
            }
            messages => messages,
        };
        for Message { id, content, timestamp, .. } in messages? {
            texts.extend(pieces(&content).map(|text| TextRow {
                kind: HitKind::Message,
                message_id: Some(id.clone()),
                at: timestamp,
                text,
            }));
            position.message_id = Some(id);
        }
        let (lines, offset) = self.lines(id, position.log_offset).await?;
        texts.extend(pieces(&lines.join("\n")).map(|text| TextRow {
            kind: HitKind::Log,
            message_id: None,
            at: Time::now(),
            text,
        }));
        let stands = TextPosition { log_offset: offset.or(position.log_offset), ..position };
        self.index.add(id, texts, stands, MAX_TEXTS).await?;
        Ok(())
    }

    /// The lines of an agent's log after this offset, and where they end.
    async fn lines(&self, id: &AgentId, after: Option<u64>) -> Result<(Vec<String>, Option<u64>), Problem> {
        let runtime = self.locator.locate(id).await?;
        let since = after.map(|offset| format!("&since={offset}")).unwrap_or_default();
        let call =
            Call::new(Method::GET, "/logs").query(Some(&format!("format=text&tail={MAX_LINES}{since}")));
        let answer = call.send(&runtime, id).await.map_err(|unanswered| unanswered.problem)?;
        if !answer.status().is_success() {
            return Ok((Vec::new(), None));
        }
        let offset = answer.headers().get(LOG_OFFSET).and_then(|offset| offset.to_str().ok()?.parse().ok());
        let mut body = Vec::new();
        let mut parts = answer.bytes_stream();
        while let Some(part) = parts.next().await {
            body.extend_from_slice(&part.map_err(Problem::internal)?);
            if body.len() > MAX_BYTES {
                return Ok((Vec::new(), offset));
            }
        }
        let logs: Logs = serde_json::from_slice(&body).map_err(Problem::internal)?;
        Ok((logs.logs, offset))
    }
}

/// An agent that may have more. While it works it is not read: there will be an event at the end.
fn note(due: &mut HashSet<AgentId>, data: &EventData) {
    let is_at_work = matches!(data, EventData::AgentBusy { .. } | EventData::AgentStarted { .. });
    if let (false, Some(id)) = (is_at_work, data.agent_id()) {
        due.insert(id.clone());
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
