//! The conversation: messages on their way to the agent, and what it answered.
//!
//! A message goes `accepted → typed → taken → answered`, or `failed` with a reason. The session moves it; everyone else
//! reads, or waits for a message's end.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use parallax_api::message::{MessageImage, MessageProgress, MessageSource, MessageState, MessagesQuery};
use parallax_api::{AgentId, Code, Message, Problem, Role, Time};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// Messages that may wait. One more is refused with `RESOURCE_LIMIT`.
const MAX_QUEUED: usize = 100;
/// Messages of the conversation that are kept, and their bytes; the oldest finished ones go first.
const MAX_KEPT: usize = 2000;
const MAX_KEPT_BYTES: usize = 64 * 1024 * 1024;

/// Shared by the session, which moves messages, and the routes, which accept and list them.
#[derive(Clone)]
pub struct Inbox(Arc<Shared>);

struct Shared {
    conversation: Mutex<Conversation>,
    /// Counts changes; wakes callers that wait for an answer.
    changed_tx: watch::Sender<u64>,
}

struct Conversation {
    agent_id: AgentId,
    messages: VecDeque<Message>,
    bytes: usize,
    queue: VecDeque<String>,
    failures: HashMap<String, Problem>,
    accepted: u64,
    answered: u64,
    /// Messages that changed since they were last written.
    changed: Vec<String>,
}

/// The messages of a conversation, for when it goes on.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct KeptMessages {
    messages: Vec<Message>,
    accepted: u64,
    answered: u64,
}

/// What the agent answered.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The answer.
    pub content: String,
    /// Everything that was said in the turn, in order, when it is more than the answer.
    pub messages: Vec<String>,
    /// Where the answer comes from.
    pub source: Option<MessageSource>,
}

/// How a message ended.
#[derive(Clone, Debug)]
pub enum MessageOutcome {
    /// With this answer.
    Answered(Message),
    /// Without one.
    Failed(Problem),
}

impl Inbox {
    /// An empty conversation with the agent.
    pub fn new(agent_id: AgentId) -> Self {
        let conversation = Conversation {
            agent_id,
            messages: VecDeque::new(),
            bytes: 0,
            queue: VecDeque::new(),
            failures: HashMap::new(),
            accepted: 0,
            answered: 0,
            changed: Vec::new(),
        };
        Self(Arc::new(Shared { conversation: Mutex::new(conversation), changed_tx: watch::Sender::new(0) }))
    }

    /// A conversation that goes on after these messages.
    pub fn going_on(agent_id: AgentId, kept: KeptMessages) -> Self {
        let inbox = Self::new(agent_id);
        let mut conversation = inbox.lock();
        (conversation.accepted, conversation.answered) = (kept.accepted, kept.answered);
        let open: Vec<String> = kept
            .messages
            .iter()
            .filter(|message| is_open(message))
            .map(|message| message.id.clone())
            .collect();
        kept.messages.into_iter().for_each(|message| conversation.push(message));
        drop(conversation);
        for id in open {
            // Whether the CLI took it is unknown, so it is not typed again.
            let why = "the agent's host ended before the message was answered; send it again";
            inbox.fail(&id, Problem::new(Code::AgentStopped, why));
        }
        inbox
    }

    /// Takes the messages that changed since the last call.
    pub fn take_changed(&self) -> Vec<Message> {
        let mut conversation = self.lock();
        let changed = std::mem::take(&mut conversation.changed);
        changed.iter().filter_map(|id| conversation.find(id).cloned()).collect()
    }

    /// These messages could not be written: they count as changed.
    pub fn mark_changed<'a>(&self, ids: impl Iterator<Item = &'a str>) {
        let mut conversation = self.lock();
        ids.for_each(|id| conversation.touch(id));
    }

    /// What a conversation can go on from.
    pub fn keep(&self) -> KeptMessages {
        let conversation = self.lock();
        KeptMessages {
            messages: conversation.messages.iter().cloned().collect(),
            accepted: conversation.accepted,
            answered: conversation.answered,
        }
    }

    /// Puts a message in the queue. The same id again is the same message: nothing happens, and the answer is false.
    /// Fails with `RESOURCE_LIMIT` when the queue is full.
    pub fn accept(&self, id: &str, content: String, images: Vec<MessageImage>) -> Result<bool, Problem> {
        let mut conversation = self.lock();
        if conversation.find(id).is_some() {
            return Ok(false);
        }
        if conversation.queue.len() >= MAX_QUEUED {
            return Err(Problem::new(
                Code::ResourceLimit,
                format!("{MAX_QUEUED} messages wait already; send this one when some are answered"),
            ));
        }
        let message = Message {
            id: id.into(),
            agent_id: conversation.agent_id.clone(),
            role: Role::User,
            in_reply_to: None,
            part_of: None,
            content,
            images,
            messages: Vec::new(),
            source: None,
            timestamp: Time::now(),
            state: Some(MessageState::Accepted),
            failure: None,
            interrupted: false,
        };
        conversation.queue.push_back(id.into());
        conversation.accepted += 1;
        conversation.touch(id);
        conversation.push(message);
        drop(conversation);
        self.wake();
        Ok(true)
    }

    /// Takes the next message out of the queue.
    pub fn next(&self) -> Option<Message> {
        let mut conversation = self.lock();
        let id = conversation.queue.pop_front()?;
        conversation.find(&id).cloned()
    }

    /// Puts a message that was not entered back to the front of the queue.
    pub fn put_back(&self, id: &str) {
        let mut conversation = self.lock();
        if let Some(message) = conversation.find_mut(id) {
            message.state = Some(MessageState::Accepted);
            conversation.queue.push_front(id.into());
            conversation.touch(id);
        }
        drop(conversation);
        self.wake();
    }

    /// Takes a message out of the queue: it is not typed, and has failed. Fails with `NOT_FOUND`, or with `CONFLICT` when it does not
    /// wait any more.
    pub fn withdraw(&self, id: &str) -> Result<(), Problem> {
        let mut conversation = self.lock();
        if conversation.find(id).is_none() {
            return Err(Problem::new(Code::NotFound, "no message of this agent has that id"));
        }
        let Some(place) = conversation.queue.iter().position(|queued| queued == id) else {
            return Err(Problem::new(
                Code::Conflict,
                "the message waits no more: it was typed, or has ended",
            ));
        };
        conversation.queue.remove(place);
        drop(conversation);
        self.fail(id, Problem::new(Code::Conflict, "it was withdrawn before it was typed"));
        Ok(())
    }

    /// Whether a message has not ended.
    pub fn is_open(&self, id: &str) -> bool {
        self.lock().find(id).is_some_and(is_open)
    }

    /// A message that is kept.
    pub fn get(&self, id: &str) -> Option<Message> {
        self.lock().find(id).cloned()
    }

    /// Messages that wait.
    pub fn queued(&self) -> usize {
        self.lock().queue.len()
    }

    /// Messages accepted and answered so far.
    pub fn counts(&self) -> (u64, u64) {
        let conversation = self.lock();
        (conversation.accepted, conversation.answered)
    }

    /// Notes how far a message has come.
    pub fn advance(&self, id: &str, state: MessageState) {
        let mut conversation = self.lock();
        if let Some(message) = conversation.find_mut(id) {
            message.state = Some(state);
            conversation.touch(id);
        }
        drop(conversation);
        self.wake();
    }

    /// Adds what the agent said, as the answer to a message or by itself.
    pub fn said(&self, in_reply_to: Option<&str>, answer: Answer, interrupted: bool) -> Message {
        let mut conversation = self.lock();
        let message = Message {
            id: uuid::Uuid::now_v7().to_string(),
            agent_id: conversation.agent_id.clone(),
            role: Role::Agent,
            in_reply_to: in_reply_to.map(Into::into),
            part_of: None,
            content: answer.content,
            images: Vec::new(),
            messages: answer.messages,
            source: answer.source,
            timestamp: Time::now(),
            state: None,
            failure: None,
            interrupted,
        };
        conversation.touch(&message.id);
        conversation.push(message.clone());
        if let Some(asked) = in_reply_to.and_then(|id| conversation.find_mut(id)) {
            asked.state = Some(MessageState::Answered);
            conversation.answered += 1;
            in_reply_to.into_iter().for_each(|id| conversation.touch(id));
        }
        drop(conversation);
        self.wake();
        message
    }

    /// Adds what the agent said on its way to an answer.
    pub fn said_meanwhile(&self, part_of: Option<&str>, content: String) -> Message {
        let mut conversation = self.lock();
        let message = Message {
            id: uuid::Uuid::now_v7().to_string(),
            agent_id: conversation.agent_id.clone(),
            role: Role::Agent,
            in_reply_to: None,
            part_of: part_of.map(Into::into),
            content,
            images: Vec::new(),
            messages: Vec::new(),
            source: None,
            timestamp: Time::now(),
            state: None,
            failure: None,
            interrupted: false,
        };
        conversation.touch(&message.id);
        conversation.push(message.clone());
        drop(conversation);
        self.wake();
        message
    }

    /// Notes that a message has no answer, and why.
    pub fn fail(&self, id: &str, problem: Problem) {
        self.end_without_answer(id, problem, MessageState::Failed);
    }

    /// Notes that nobody knows whether a message was taken. It is not typed again.
    pub fn lose(&self, id: &str, problem: Problem) {
        self.end_without_answer(id, problem, MessageState::Unknown);
    }

    fn end_without_answer(&self, id: &str, problem: Problem, state: MessageState) {
        let mut conversation = self.lock();
        if let Some(message) = conversation.find_mut(id) {
            message.state = Some(state);
            message.failure = Some(problem.to_string());
            conversation.failures.insert(id.into(), problem.with("messageId", id));
            conversation.touch(id);
        }
        drop(conversation);
        self.wake();
    }

    /// Fails everything that waits.
    pub fn fail_queued(&self, problem: &Problem) {
        let queued: Vec<String> = self.lock().queue.drain(..).collect();
        for id in queued {
            self.fail(&id, problem.clone());
        }
    }

    /// Resolves when the message has ended.
    pub async fn outcome(&self, id: &str) -> MessageOutcome {
        let mut changed_rx = self.0.changed_tx.subscribe();
        loop {
            if let Some(outcome) = self.lock().outcome(id) {
                return outcome;
            }
            // The sender lives as long as `self`.
            if changed_rx.changed().await.is_err() {
                return MessageOutcome::Failed(Problem::internal("the conversation is gone"));
            }
        }
    }

    /// A message and its answer. Fails with `NOT_FOUND`.
    pub fn progress(&self, id: &str) -> Result<MessageProgress, Problem> {
        MessageProgress::find(id, &self.lock().messages)
    }

    /// The conversation, oldest first. Fails as [`MessagesQuery::page`] does.
    pub fn list(&self, query: &MessagesQuery) -> Result<Vec<Message>, Problem> {
        query.page(&self.lock().messages)
    }

    fn lock(&self) -> MutexGuard<'_, Conversation> {
        self.0.conversation.lock().expect("the inbox does not panic")
    }

    fn wake(&self) {
        self.0.changed_tx.send_modify(|changes| *changes += 1);
    }
}

/// Whether a message has not ended.
fn is_open(message: &Message) -> bool {
    matches!(message.state, Some(MessageState::Accepted | MessageState::Typed | MessageState::Taken))
}

/// What a message counts as, in bytes.
fn size(message: &Message) -> usize {
    message.content.len() + message.messages.iter().map(String::len).sum::<usize>()
}

impl KeptMessages {
    /// Adds what a host wrote that died before it could leave this: newer states, and newer messages.
    pub fn complete(&mut self, written: Vec<Message>) {
        for message in written {
            match self.messages.iter_mut().rev().find(|kept| kept.id == message.id) {
                Some(kept) => *kept = message,
                None => {
                    self.accepted += u64::from(message.role == Role::User);
                    self.answered += u64::from(message.state == Some(MessageState::Answered));
                    self.messages.push(message);
                }
            }
        }
    }
}

impl Conversation {
    fn find(&self, id: &str) -> Option<&Message> {
        self.messages.iter().rev().find(|message| message.id == id)
    }

    fn touch(&mut self, id: &str) {
        if !self.changed.iter().any(|changed| changed == id) {
            self.changed.push(id.into());
        }
    }

    fn find_mut(&mut self, id: &str) -> Option<&mut Message> {
        self.messages.iter_mut().rev().find(|message| message.id == id)
    }

    fn push(&mut self, message: Message) {
        self.bytes += size(&message);
        self.messages.push_back(message);
        while self.messages.len() > MAX_KEPT || self.bytes > MAX_KEPT_BYTES {
            // What is not answered yet stays, and so do the newest: a question and its answer. What is not written yet stays, too, unless the
            // disk takes nothing for so long that there is twice as much.
            let older = self.messages.len().saturating_sub(2);
            let changed: HashSet<&str> = self.changed.iter().map(String::as_str).collect();
            let is_written = |old: &Message| !is_open(old) && !changed.contains(old.id.as_str());
            let is_much = self.messages.len() > 2 * MAX_KEPT || self.bytes > 2 * MAX_KEPT_BYTES;
            let closed = || self.messages.iter().take(older).position(|old| !is_open(old));
            let written = self.messages.iter().take(older).position(is_written);
            let Some(oldest) = written.or_else(|| is_much.then(closed).flatten()) else { return };
            if let Some(old) = self.messages.remove(oldest) {
                self.bytes -= size(&old);
                self.failures.remove(&old.id);
            }
        }
    }

    fn outcome(&self, id: &str) -> Option<MessageOutcome> {
        match self.find(id).map(|message| message.state) {
            Some(Some(MessageState::Answered)) => {
                let answer = |message: &&Message| message.in_reply_to.as_deref() == Some(id);
                self.messages.iter().rev().find(answer).cloned().map(MessageOutcome::Answered)
            }
            Some(Some(MessageState::Failed | MessageState::Unknown)) => {
                // After a host before this one only the text of the failure is kept.
                let why = || self.find(id).and_then(|message| message.failure.clone()).unwrap_or_default();
                let problem = self.failures.get(id).cloned();
                let problem = problem.unwrap_or_else(|| Problem::new(Code::AgentFailed, why()));
                Some(MessageOutcome::Failed(problem))
            }
            Some(_) => None,
            None => Some(MessageOutcome::Failed(Problem::internal("the message is no longer kept"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// While the disk takes nothing, what is not written stays, but not without an end.
    #[test]
    fn what_is_not_written_is_kept_up_to_twice_the_bound() {
        let inbox = Inbox::new("a".parse().unwrap());
        let say = |number: usize| {
            drop(inbox.said(None, Answer { content: number.to_string(), ..Default::default() }, false));
        };
        (0..=MAX_KEPT).for_each(say);
        assert_eq!(inbox.keep().messages.len(), MAX_KEPT + 1, "nothing of it is written");
        (MAX_KEPT + 1..2 * MAX_KEPT + 100).for_each(say);
        assert_eq!(inbox.keep().messages.len(), 2 * MAX_KEPT);
        assert_eq!(inbox.keep().messages[0].content, "100", "the oldest went");
        inbox.take_changed();
        say(0);
        assert_eq!(inbox.keep().messages.len(), MAX_KEPT);
    }
}
