//! The server killed again and again, at any moment, under load: everything is accounted for.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::join_all;
use parallax_api::client::TerminalOptions;
use parallax_api::{AgentId, Code, EventData, SendRequest};

use super::terminal::{every_byte, raw_log};
use crate::backend::{ServerOptions, TestBackend, fake};
use crate::user::{Spawned, User};
use crate::wait::{PATIENCE, within};

/// How often the server is killed, unless `PARALLAX_TEST_KILLS` says otherwise.
const KILLS: usize = 10;
/// Agents that print and answer meanwhile.
const AGENTS: usize = 3;
/// The longest time between a start and the next kill, in milliseconds.
const LONGEST_LIFE: u64 = 400;

/// `kill -9` of the server at random moments while agents print numbered lines and answer messages: every byte, every
/// event and every message is there, once.
pub async fn killed_again_and_again(backend: &impl TestBackend) {
    let kills =
        std::env::var("PARALLAX_TEST_KILLS").ok().and_then(|count| count.parse().ok()).unwrap_or(KILLS);
    let user = backend.user();
    let mut agents =
        join_all((0..AGENTS).map(|number| user.spawn_ready(fake(&format!("loud-{number}"), &[])))).await;
    let followers: Vec<_> =
        agents.iter().map(|agent| tokio::spawn(follow(user.clone(), agent.id.clone()))).collect();
    let over = AtomicBool::new(false);
    let talking = join_all(agents.iter().map(|agent| talk(&user, &agent.id, &over)));
    let killing = async {
        let mut moments = Moments(0x2545_F491_4F6C_DD1D);
        for _ in 0..kills {
            tokio::time::sleep(moments.next()).await;
            backend.kill_server().await;
            backend.start_server(ServerOptions::default()).await;
        }
        over.store(true, Ordering::Relaxed);
    };
    let (told, ()) = tokio::join!(talking, killing);
    for (agent, told) in agents.iter_mut().zip(&told) {
        answered_once(agent, told).await;
    }
    for (agent, follower) in agents.iter().zip(followers) {
        agent.stop().await;
        let bytes =
            within("the terminal to end", PATIENCE * 2, follower).await.expect("the follower panicked");
        assert!(bytes == raw_log(agent).await, "what was followed is what the log has");
    }
}

/// Talks until it is over; the texts by the ids of the messages.
async fn talk(user: &User, id: &AgentId, over: &AtomicBool) -> HashMap<String, String> {
    let mut told = HashMap::new();
    while !over.load(Ordering::Relaxed) {
        let number = told.len();
        let request =
            SendRequest { message: format!("do lines 50 && say {number}"), ..SendRequest::default() };
        let key = format!("{id}-{number}");
        // A retry with the same key is the same message.
        let sent = within("a message to be accepted", PATIENCE * 2, async {
            loop {
                match user.client.send_once(&key, id, &request).await {
                    Ok(sent) => return Some(sent.message_id),
                    Err(problem) if problem.code == Code::ResourceLimit && over.load(Ordering::Relaxed) => {
                        return None;
                    }
                    Err(problem) => {
                        let passes = [Code::RuntimeUnavailable, Code::ShuttingDown, Code::ResourceLimit];
                        assert!(passes.contains(&problem.code), "{problem:?}");
                        tokio::time::sleep(Duration::from_millis(30)).await;
                    }
                }
            }
        })
        .await;
        let Some(sent) = sent else { break };
        assert_eq!(told.insert(sent, number.to_string()), None, "each message has an id of its own");
    }
    told
}

/// Each message has its own answer, once, in the events and in the conversation.
async fn answered_once(agent: &mut Spawned, told: &HashMap<String, String>) {
    for (id, number) in told {
        let is_answer = |data: &EventData| match data {
            EventData::Message { message } if message.in_reply_to.as_ref() == Some(id) => {
                Some(message.content.clone())
            }
            _ => None,
        };
        let content = agent.told(&format!("the answer to {id}"), is_answer).await;
        assert!(content.ends_with(&format!("line 50\n{number}")), "{id}: {content}");
    }
    let answers =
        agent.seen().iter().filter(|event| matches!(&event.data, EventData::Message { .. })).count();
    assert_eq!(answers, told.len(), "no answer came twice");
    let ids: std::collections::HashSet<&str> = agent.seen().iter().map(|event| event.id.as_str()).collect();
    assert_eq!(ids.len(), agent.seen().len(), "no event came twice");
    let messages = agent.messages().await;
    // The conversation comes in pages of a thousand.
    assert!(
        messages.len() == (told.len() * 2).min(1000),
        "{} of {} messages",
        messages.len(),
        told.len() * 2
    );
}

/// Every byte of a terminal from the first to the last, over connections that break.
async fn follow(user: User, id: AgentId) -> Vec<u8> {
    let options = TerminalOptions { since: Some(0), ..TerminalOptions::default() };
    loop {
        // The server may be dead just now.
        match user.client.terminal(&id, options).await {
            Ok(terminal) => return every_byte(terminal).await,
            Err(_) => tokio::time::sleep(Duration::from_millis(30)).await,
        }
    }
}

/// Moments that look random and are the same in every run (xorshift).
struct Moments(u64);

impl Moments {
    fn next(&mut self) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        Duration::from_millis(self.0 % LONGEST_LIFE)
    }
}
