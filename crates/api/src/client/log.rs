//! An agent's output, followed over losses: resumed by offset, each byte once.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use reqwest::{Method, Response};

use super::answer::causes;
use super::retry::Reconnect;
use super::websocket::lost;
use super::{ANSWER_TIMEOUT, Client, Retry};
use crate::observe::{LOG_GAPS, LOG_OFFSET, LogFormat, Logs, LogsQuery};
use crate::{AgentId, Problem};

/// The last lines of a log as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastLines {
    /// The lines, each with a line feed.
    pub text: String,
    /// Where in the log they end. None: nothing more comes, or a server of an older version.
    pub end: Option<u64>,
}

/// What comes of a log that is followed.
#[derive(Clone, Debug, PartialEq)]
pub enum LogItem {
    /// Output.
    Output(Bytes),
    /// The bytes from `from` to `to` are not kept.
    Gap {
        /// First byte that is not there.
        from: u64,
        /// Where output goes on.
        to: u64,
    },
    /// The connection is lost; it is being tried again.
    Lost(Problem),
}

/// Follows a log until the agent ends.
pub struct LogFollower {
    client: Client,
    id: AgentId,
    /// How the first connection asks; later ones go on where it stopped.
    query: LogsQuery,
    reconnect: Reconnect,
    /// Where the lost connection began, and how many bytes it brought.
    left: Option<(u64, u64)>,
    connection: Option<Connection>,
    /// Before the next attempt.
    pause: Duration,
}

/// One answer whose body is read.
struct Connection {
    /// The offset of its first byte.
    began: u64,
    received: u64,
    since: Instant,
    body: BoxStream<'static, reqwest::Result<Bytes>>,
}

impl Client {
    /// The last lines in the format `text` or `ansi`, and where they end, to follow the log from there.
    pub async fn last_lines(&self, id: &AgentId, query: &LogsQuery) -> Result<LastLines, Problem> {
        let request = self.open_logs(id, query).timeout(ANSWER_TIMEOUT);
        let response = self.succeed(request).await?;
        let end = offset(&response);
        let body = self.long_body(response).await?;
        let text = match query.format.unwrap_or_default() {
            LogFormat::Text => {
                let lines: Logs = self.json(&body)?;
                lines.logs.iter().flat_map(|line| [line, "\n"]).collect()
            }
            _ => String::from_utf8_lossy(&body).into_owned(),
        };
        Ok(LastLines { text, end })
    }

    /// Follows the output as the program wrote it, from where `query` says. What is lost is connected again as `retry` says.
    pub fn follow_log(&self, id: &AgentId, query: LogsQuery, retry: Retry) -> LogFollower {
        let query = LogsQuery { format: Some(LogFormat::Raw), follow: Some(true), ..query };
        LogFollower {
            client: self.clone(),
            id: id.clone(),
            query,
            reconnect: Reconnect::new(retry),
            left: None,
            connection: None,
            pause: Duration::ZERO,
        }
    }

    pub(super) fn open_logs(&self, id: &AgentId, query: &LogsQuery) -> reqwest::RequestBuilder {
        self.open(Method::GET, &self.agents_path(&format!("/{id}/logs"))).query(query)
    }
}

impl LogFollower {
    /// The next item; none when the agent has ended and everything has come. An error is the end: a refusal, or the retries
    /// are used up. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Option<LogItem>, Problem> {
        loop {
            let Some(connection) = &mut self.connection else {
                tokio::time::sleep(self.pause).await;
                match self.connect().await {
                    Ok(Some(gap)) => return Ok(Some(gap)),
                    Ok(None) => continue,
                    Err(problem) => return self.lose(problem).map(Some),
                }
            };
            match connection.body.next().await {
                Some(Ok(bytes)) if bytes.is_empty() => {}
                Some(Ok(bytes)) => {
                    connection.received += bytes.len() as u64;
                    return Ok(Some(LogItem::Output(bytes)));
                }
                Some(Err(error)) => {
                    let problem = lost(self.client.url(), &causes(&error));
                    return self.lose(problem).map(Some);
                }
                // The agent has ended, or a server goes away in good order.
                None => match self.client.get(&self.id).await {
                    Ok(agent) if agent.exit.is_some() && self.received() == 0 => return Ok(None),
                    // Asked once more, it has nothing left.
                    Ok(agent) if agent.exit.is_some() => self.leave(),
                    Ok(_) => {
                        let problem = lost(self.client.url(), "the server goes away");
                        return self.lose(problem).map(Some);
                    }
                    Err(problem) => return self.lose(problem).map(Some),
                },
            }
        }
    }

    fn received(&self) -> u64 {
        self.connection.as_ref().map_or(0, |connection| connection.received)
    }

    fn leave(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.reconnect.held(connection.since.elapsed());
            self.left = Some((connection.began, connection.received));
        }
        self.pause = Duration::ZERO;
    }

    fn lose(&mut self, problem: Problem) -> Result<LogItem, Problem> {
        if self.connection.is_some() {
            self.leave();
        }
        match self.reconnect.delay_after(&problem) {
            Some(pause) => {
                self.pause = pause;
                Ok(LogItem::Lost(problem))
            }
            None => Err(problem),
        }
    }

    /// Goes on where the last connection stopped. Answers what is missing there.
    async fn connect(&mut self) -> Result<Option<LogItem>, Problem> {
        let mut next = None;
        if let Some((began, received)) = self.left {
            // Where it began says how the bytes it brought lie in the log: there may be gaps between them.
            let gaps = if received > 0 { self.gaps_from(began).await? } else { Vec::new() };
            next = Some(position(began, received, &gaps));
        }
        let query = match next {
            Some(next) => LogsQuery { tail: None, since: Some(next.to_string()), ..self.query.clone() },
            None => self.query.clone(),
        };
        let response = self.ask(&query).await?;
        // An agent that has ended is answered for without it.
        let began = offset(&response).or(next).unwrap_or(0);
        let body = response.bytes_stream().boxed();
        self.connection = Some(Connection { began, received: 0, since: Instant::now(), body });
        self.left = Some((began, 0));
        Ok(next.filter(|next| *next < began).map(|from| LogItem::Gap { from, to: began }))
    }

    async fn gaps_from(&self, offset: u64) -> Result<Vec<(u64, u64)>, Problem> {
        let query = LogsQuery { tail: None, since: Some(offset.to_string()), ..self.query.clone() };
        let response = self.ask(&query).await?;
        let gaps = response.headers().get(LOG_GAPS).and_then(|gaps| gaps.to_str().ok()).unwrap_or_default();
        Ok(gaps.split(',').filter_map(range).collect())
    }

    async fn ask(&self, query: &LogsQuery) -> Result<Response, Problem> {
        let answer = self.client.succeed(self.client.open_logs(&self.id, query));
        let answer = tokio::time::timeout(self.reconnect.bound(ANSWER_TIMEOUT), answer).await;
        answer.unwrap_or_else(|_| Err(lost(self.client.url(), "it did not answer in time")))
    }
}

fn offset(response: &Response) -> Option<u64> {
    response.headers().get(LOG_OFFSET)?.to_str().ok()?.parse().ok()
}

/// `FROM-TO`.
fn range(gap: &str) -> Option<(u64, u64)> {
    let (from, to) = gap.trim().split_once('-')?;
    Some((from.parse().ok()?, to.parse().ok()?)).filter(|(from, to)| from < to)
}

/// Where in the log the byte is that follows `received` ones from `began` on, over `gaps`, which are in order.
fn position(began: u64, received: u64, gaps: &[(u64, u64)]) -> u64 {
    let (mut at, mut left) = (began, received);
    for &(from, to) in gaps.iter().filter(|(from, _)| *from >= began) {
        let before = from.saturating_sub(at);
        if left < before {
            break;
        }
        left -= before;
        at = to;
    }
    at + left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_lie_around_gaps() {
        let gaps = [(10, 20), (25, 40)];
        for (received, at) in [(0, 5), (4, 9), (5, 20), (6, 21), (10, 40), (12, 42)] {
            assert_eq!(position(5, received, &gaps), at, "{received}");
        }
        assert_eq!(position(22, 2, &gaps), 24);
        assert_eq!(position(22, 4, &gaps), 41);
        assert_eq!([range("3-9"), range(" 4-4"), range("x"), range("")], [Some((3, 9)), None, None, None]);
    }
}
