//! A client with a user's verbs. Every verb is bounded and panics with what it waited for: this is for tests.

use std::time::Duration;

use parallax_api::agent::{RestartRequest, StopRequest};
use parallax_api::client::{Client, EventStream, EventsOptions, Transport};
use parallax_api::message::{AnswerRequest, MessageState, MessagesQuery};
use parallax_api::terminal::InputRequest;
use parallax_api::workspace::WorkspaceEnd;
use parallax_api::{
    Agent, AgentExit, AgentId, AgentStatus, Attention, AttentionKind, Event, EventData, Message, Problem,
    SendRequest, SpawnRequest,
};

use crate::wait::{PATIENCE, within};

/// A user of a control plane or a runtime.
#[derive(Clone, Debug)]
pub struct User {
    /// The typed client, for what has no verb here.
    pub client: Client,
}

impl User {
    /// A user of the runtime server at `url`.
    pub fn of_runtime(url: &str) -> Self {
        Self { client: Client::runtime(url, None).expect("a test server has a good address") }
    }

    /// A user of the control plane at `url`.
    pub fn of_control_plane(url: &str) -> Self {
        Self { client: Client::control_plane(url, None).expect("a test server has a good address") }
    }

    /// Spawns an agent and follows its events from the first on.
    pub async fn spawn(&self, request: SpawnRequest) -> Spawned {
        let what = format!("the agent `{}` to spawn", request.name);
        let agent = within(&what, PATIENCE * 2, self.client.spawn(&request)).await;
        self.follow(agent.unwrap_or_else(|problem| panic!("{what}: {problem:?}")).id).await
    }

    /// Spawns an agent and waits until it is ready.
    pub async fn spawn_ready(&self, request: SpawnRequest) -> Spawned {
        let mut spawned = self.spawn(request).await;
        spawned.becomes(AgentStatus::Ready).await;
        spawned
    }

    /// The refusal of a request that must not spawn.
    pub async fn spawn_refused(&self, request: &SpawnRequest) -> Problem {
        match within("a refusal", PATIENCE * 2, self.client.spawn(request)).await {
            Ok(agent) => {
                panic!("`{}` was spawned as {}, and should have been refused", request.name, agent.id)
            }
            Err(problem) => problem,
        }
    }

    /// Takes up an agent that is there, with all its events that are kept.
    pub async fn follow(&self, id: AgentId) -> Spawned {
        let options = EventsOptions {
            agent: Some(id.clone()),
            since: Some("0".into()),
            transport: Transport::WebSocket,
            ..EventsOptions::default()
        };
        let events = within("the event stream to open", PATIENCE, self.client.events(options)).await;
        let events = events.unwrap_or_else(|problem| panic!("no event stream: {problem:?}"));
        Spawned { client: self.client.clone(), id, events, seen: Vec::new() }
    }
}

/// An agent in a user's hands. Its events are followed, also across a restart of the server.
pub struct Spawned {
    /// The typed client, for what has no verb here.
    pub client: Client,
    /// The agent.
    pub id: AgentId,
    events: EventStream,
    seen: Vec<Event>,
}

impl Spawned {
    /// The agent as it is now.
    pub async fn agent(&self) -> Agent {
        let agent = within("the agent to be shown", PATIENCE, self.client.get(&self.id)).await;
        agent.unwrap_or_else(|problem| panic!("agent {} cannot be shown: {problem:?}", self.id))
    }

    /// The events that were waited through so far.
    pub fn seen(&self) -> &[Event] {
        &self.seen
    }

    /// The next event.
    pub async fn next_event(&mut self) -> Event {
        let event = self.events.next().await;
        let event =
            event.unwrap_or_else(|problem| panic!("the event stream of {} broke: {problem:?}", self.id));
        self.seen.push(event.clone());
        event
    }

    /// Waits for an event in which `found` finds something, beginning after those already seen.
    pub async fn event<T>(&mut self, what: &str, mut found: impl FnMut(&EventData) -> Option<T>) -> T {
        self.event_within(what, PATIENCE, &mut found).await
    }

    /// The same, beginning with the first event.
    pub async fn told<T>(&mut self, what: &str, mut found: impl FnMut(&EventData) -> Option<T>) -> T {
        match self.seen.iter().find_map(|event| found(&event.data)) {
            Some(hit) => hit,
            None => self.event(what, found).await,
        }
    }

    async fn event_within<T>(
        &mut self,
        what: &str,
        limit: Duration,
        found: &mut impl FnMut(&EventData) -> Option<T>,
    ) -> T {
        let search = async {
            loop {
                if let Some(hit) = found(&self.next_event().await.data) {
                    return hit;
                }
            }
        };
        match tokio::time::timeout(limit, search).await {
            Ok(hit) => hit,
            Err(_) => panic!("waited {limit:?} in vain for {what} of {}; {}", self.id, self.account().await),
        }
    }

    /// Waits until `found` finds something in the agent, looking anew at each event.
    pub async fn is<T>(&mut self, what: &str, mut found: impl FnMut(&Agent) -> Option<T>) -> T {
        let search = async {
            loop {
                let agent = self.agent().await;
                if let Some(hit) = found(&agent) {
                    return hit;
                }
                // Nothing but the queue and the activity changes without an event; those are looked at once a second.
                let _ = tokio::time::timeout(Duration::from_secs(1), self.next_event()).await;
            }
        };
        match tokio::time::timeout(PATIENCE * 2, search).await {
            Ok(hit) => hit,
            Err(_) => panic!("waited in vain for {} to be {what}; {}", self.id, self.account().await),
        }
    }

    /// Waits until the agent has this status and no open question.
    pub async fn becomes(&mut self, status: AgentStatus) -> Agent {
        self.is(status.as_str(), |agent| {
            (agent.status == status && agent.attention.is_none()).then(|| agent.clone())
        })
        .await
    }

    /// Waits until a person is needed for a thing of this kind and the options (of a question) are there.
    pub async fn asks(&mut self, kind: AttentionKind) -> Attention {
        let complete = |attention: &Attention| match kind {
            AttentionKind::Login => attention.login_url.is_some(),
            _ => !attention.options.is_empty(),
        };
        // A permission and a plan are questions, too.
        let fits = move |of: AttentionKind| of == kind || kind == AttentionKind::Question && of.is_question();
        self.is(&format!("in need of a person ({kind:?})"), |agent| {
            agent.attention.clone().filter(|attention| fits(attention.kind) && complete(attention))
        })
        .await
    }

    /// Waits until it has ended.
    pub async fn ends(&mut self) -> AgentExit {
        self.is("stopped", |agent| agent.exit.clone().filter(|_| agent.status == AgentStatus::Stopped)).await
    }

    /// Waits until the agent has stopped and gives what became of its workspace, which is told later where saving what a dead host left
    /// takes long.
    pub async fn ends_its_workspace(&mut self) -> WorkspaceEnd {
        self.is("stopped, with its workspace's end", |agent| {
            agent.exit.as_ref().filter(|_| agent.status == AgentStatus::Stopped)?.workspace.clone()
        })
        .await
    }

    /// Sends a message and gives its answer.
    pub async fn say(&self, message: impl Into<String>) -> String {
        let on_question = parallax_api::message::OnQuestion::Wait;
        self.answered(SendRequest { message: message.into(), on_question, ..SendRequest::default() }).await
    }

    /// The answer to this request. Without one it says what there is instead.
    pub async fn answered(&self, request: SendRequest) -> String {
        let excerpt: String = request.message.chars().take(60).collect();
        let request = SendRequest { expect_response: true, timeout_ms: Some(60_000), ..request };
        let answer = within("an answer", Duration::from_secs(70), self.client.send(&self.id, &request)).await;
        match answer {
            Ok(answer) => answer.response.expect("a response was asked for").content,
            Err(problem) => panic!("no answer to `{excerpt}`: {problem:?}; {}", self.account().await),
        }
    }

    /// Sends a message without waiting for its answer; gives its id.
    pub async fn tell(&self, message: impl Into<String>) -> String {
        let request = SendRequest { message: message.into(), ..SendRequest::default() };
        let sent = within("a message to be accepted", PATIENCE, self.client.send(&self.id, &request)).await;
        sent.unwrap_or_else(|problem| panic!("the message was refused: {problem:?}")).message_id
    }

    /// The refusal of a message that must not be accepted.
    pub async fn send_refused(&self, request: SendRequest) -> Problem {
        match within("a refusal", Duration::from_secs(70), self.client.send(&self.id, &request)).await {
            Ok(sent) => {
                panic!("the message was accepted as {}, and should have been refused", sent.message_id)
            }
            Err(problem) => problem,
        }
    }

    /// Waits for the event with the answer to this message.
    pub async fn answer_to(&mut self, message_id: &str) -> Message {
        self.event(&format!("the answer to {message_id}"), |data| match data {
            EventData::Message { message } if message.in_reply_to.as_deref() == Some(message_id) => {
                Some(message.clone())
            }
            _ => None,
        })
        .await
    }

    /// The conversation so far.
    pub async fn messages(&self) -> Vec<Message> {
        let query = MessagesQuery { limit: Some(1000), ..MessagesQuery::default() };
        let messages = within("the conversation", PATIENCE, self.client.messages(&self.id, &query)).await;
        messages.unwrap_or_else(|problem| panic!("no conversation: {problem:?}"))
    }

    /// Waits until the message has come so far.
    pub async fn message_is(&mut self, message_id: &str, state: MessageState) -> Message {
        crate::wait::until(&format!("message {message_id} to be {state:?}"), PATIENCE, async || {
            let messages = self.messages().await;
            let message = messages.into_iter().find(|message| message.id == message_id);
            message.clone().filter(|message| message.state == Some(state)).ok_or(message)
        })
        .await
    }

    /// Answers the pending question with the option of this id.
    pub async fn choose(&self, option: &str) -> Result<Agent, Problem> {
        self.answer(AnswerRequest::option(option)).await
    }

    /// Answers the question that stands now, and no other.
    pub async fn answer(&self, answer: AnswerRequest) -> Result<Agent, Problem> {
        let answer = match self.agent().await.attention {
            Some(attention) => answer.to(attention.id),
            None => answer,
        };
        within("the answer to be taken", PATIENCE, self.client.answer(&self.id, &answer)).await
    }

    /// The same with an option that must be there.
    pub async fn chooses(&self, option: &str) {
        if let Err(problem) = self.choose(option).await {
            panic!("`{option}` could not be chosen: {problem:?}; {}", self.account().await);
        }
    }

    /// Answers the pending question or login with text.
    pub async fn reply(&self, text: &str) -> Result<Agent, Problem> {
        self.answer(AnswerRequest::text(text)).await
    }

    /// Presses keys.
    pub async fn press(&self, keys: &[&str]) {
        let keys = Some(keys.iter().map(|&key| key.to_owned()).collect());
        let input = InputRequest { text: None, keys };
        within("keys to be taken", PATIENCE, self.client.input(&self.id, &input))
            .await
            .expect("an agent that runs takes keys");
    }

    /// The screen as text.
    pub async fn screen(&self) -> String {
        let screen = within("the screen", PATIENCE, self.client.screen(&self.id)).await;
        screen.expect("an agent that runs has a screen").lines.join("\n")
    }

    /// Interrupts the turn.
    pub async fn interrupt(&self) -> Agent {
        let agent = within("the interrupt", PATIENCE, self.client.interrupt(&self.id)).await;
        agent.expect("a busy agent can be interrupted")
    }

    /// A new process, with or without the conversation.
    pub async fn restart(&mut self, resume: bool) -> Agent {
        let restart = RestartRequest { resume };
        within("the restart", PATIENCE * 4, self.client.restart(&self.id, &restart))
            .await
            .expect("an agent can be restarted")
    }

    /// Stops it and gives it as it ended.
    pub async fn stop(&self) -> Agent {
        self.stop_with(StopRequest::default()).await
    }

    /// Stops it as requested.
    pub async fn stop_with(&self, stop: StopRequest) -> Agent {
        let agent = within("the agent to stop", PATIENCE * 2, self.client.stop(&self.id, &stop)).await;
        agent.unwrap_or_else(|problem| panic!("agent {} cannot be stopped: {problem:?}", self.id))
    }

    /// What there is to say when a wait was in vain: the status and why, and the screen.
    pub async fn account(&self) -> String {
        let status = self.client.status(&self.id).await;
        let screen = self.client.screen(&self.id).await.map(|screen| screen.lines.join("\n"));
        let agent = self.client.get(&self.id).await;
        format!(
            "agent: {agent:#?}\nstatus: {status:#?}\nscreen:\n{}",
            screen.unwrap_or_else(|p| p.to_string())
        )
    }
}
