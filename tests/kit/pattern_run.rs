//! A run of a pattern in a user's hands, and the words that its agents are scripted with.

pub mod teams;

use std::path::Path;
use std::time::Duration;

use parallax_api::client::{Client, ExecutionEvents, Retry};
use parallax_api::execution::{
    Execution, ExecutionAnswer, ExecutionEvent, ExecutionEventData, Question, USER,
};
use parallax_api::message::MessagesQuery;
use parallax_api::pattern::ExecuteRequest;
use parallax_api::{AgentId, AgentStatus, Message, Role};
use serde_json::Value;

use crate::models::scenario::Reply;
use crate::wait::{PATIENCE, within};

/// What agents say: words in the prompt, and the answer. The first that fits counts.
pub type Script = &'static [(&'static str, &'static str)];

/// The script for [`Fake agents`](crate::fake_agent), as a file in `directory`. A line that begins with `!` is an act.
pub fn write_lines(directory: &Path, script: &[(&str, &str)]) -> String {
    let act = |line: &str| match line.strip_prefix('!') {
        Some(act) => act.to_owned(),
        None => format!("say {line}"),
    };
    let line = |(words, answer): &(&str, &str)| {
        let acts: Vec<String> = answer.lines().map(act).collect();
        format!("{words} => {}\n", acts.join(" && "))
    };
    let path = directory.join("lines");
    let lines: String = script.iter().map(line).collect();
    std::fs::write(&path, lines).expect("the directory can be written");
    path.to_string_lossy().into_owned()
}

/// The same script for models.
pub fn replies(script: &[(&str, &str)]) -> Vec<Reply> {
    script.iter().map(|(words, answer)| Reply::text(*answer).to(*words)).collect()
}

/// A pattern of the examples.
pub fn example(name: &str) -> String {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/patterns").join(format!("{name}.yaml"));
    std::fs::read_to_string(path).expect("the example is there")
}

/// A run. Its events are followed, also across a restart of the server.
pub struct FollowedRun {
    /// The typed client.
    pub client: Client,
    /// Its id.
    pub id: String,
    events: ExecutionEvents,
    seen: Vec<ExecutionEvent>,
}

impl FollowedRun {
    /// Puts the pattern into the library and runs it.
    pub async fn start(client: &Client, source: &str, input: Value) -> Self {
        let name = source.lines().find_map(|line| line.strip_prefix("name: ")).expect("a pattern has a name");
        let put = within("the pattern to be kept", PATIENCE, client.put_pattern(name, source)).await;
        put.unwrap_or_else(|problem| panic!("{problem:#?}"));
        let input = serde_json::from_value(input).expect("the input is an object");
        let request = ExecuteRequest { input, workdir: None };
        let started = within("the run to start", PATIENCE, client.execute(name, name, &request)).await;
        let id = started.unwrap_or_else(|problem| panic!("{problem:#?}"));
        let events = client.execution_events(&id, None, Retry::default());
        Self { client: client.clone(), id, events, seen: Vec::new() }
    }

    /// Every event so far waited through.
    pub fn seen(&self) -> &[ExecutionEvent] {
        &self.seen
    }

    /// Waits for an event in which `found` finds something, beginning after those already seen.
    pub async fn event<T>(
        &mut self,
        what: &str,
        mut found: impl FnMut(&ExecutionEventData) -> Option<T>,
    ) -> T {
        let search = async {
            loop {
                let event = self.events.next().await.unwrap_or_else(|problem| panic!("{problem:#?}"));
                let event = event?;
                self.seen.push(event.clone());
                if let Some(hit) = found(&event.data) {
                    return Some(hit);
                }
            }
        };
        match tokio::time::timeout(PATIENCE * 4, search).await {
            Ok(Some(hit)) => hit,
            Ok(None) => panic!("the run ended before {what}: {:#?}", self.seen),
            Err(_) => panic!("waited in vain for {what}: {:#?}", self.seen),
        }
    }

    /// Waits until a person is asked.
    pub async fn asks_user(&mut self) -> Question {
        let id = self
            .event("a question to a person", |data| match data {
                ExecutionEventData::QuestionRouted { id, to, .. } if to.iter().any(|to| to == USER) => {
                    Some(id.clone())
                }
                _ => None,
            })
            .await;
        let asked = self.seen.iter().find_map(|event| match &event.data {
            ExecutionEventData::QuestionAsked { question } if question.id == id => {
                Some(Question::clone(question))
            }
            _ => None,
        });
        asked.expect("what is passed on was asked")
    }

    /// Answers a question with an option, as a person.
    pub async fn chooses(&self, question: &Question, option: &str) {
        let answer = ExecutionAnswer {
            question_id: Some(question.id.clone()),
            option: Some(option.into()),
            text: None,
        };
        let answered =
            within("the answer to be taken", PATIENCE, self.client.answer_execution(&self.id, &answer)).await;
        answered.unwrap_or_else(|problem| panic!("{problem:#?}"));
    }

    /// Waits for the end; looks whether every managed agent is gone.
    pub async fn ends(&mut self) -> Execution {
        self.event("its end", |data| matches!(data, ExecutionEventData::ExecutionEnded { .. }).then_some(()))
            .await;
        let execution = within("the run to be shown", PATIENCE, self.client.execution(&self.id)).await;
        let execution = execution.unwrap_or_else(|problem| panic!("{problem:#?}"));
        for member in execution.agents.iter().filter(|member| member.managed) {
            let agent =
                self.client.get(&member.agent_id).await.unwrap_or_else(|problem| panic!("{problem:#?}"));
            assert_eq!(agent.status, AgentStatus::Stopped, "{agent:#?}");
        }
        execution
    }

    /// What an agent was sent, in order.
    pub async fn sent_to(&self, agent: &AgentId) -> Vec<String> {
        let query = MessagesQuery { limit: Some(1000), ..MessagesQuery::default() };
        let messages: Vec<Message> =
            self.client.messages(agent, &query).await.unwrap_or_else(|problem| panic!("{problem:#?}"));
        messages
            .into_iter()
            .filter(|message| message.role == Role::User)
            .map(|message| message.content)
            .collect()
    }

    /// That every message was sent once and came once, to the agent it was written down for.
    pub async fn was_said_once(&self) {
        let mut told: Vec<(AgentId, String)> = Vec::new();
        for event in &self.seen {
            if let ExecutionEventData::MessageSent { agent_id, text, .. } = &event.data {
                told.push((agent_id.clone(), text.clone()));
            }
        }
        let mut agents: Vec<&AgentId> = told.iter().map(|(agent, _)| agent).collect();
        agents.sort();
        agents.dedup();
        for agent in agents {
            let expected: Vec<&String> =
                told.iter().filter(|(other, _)| other == agent).map(|(_, text)| text).collect();
            assert_eq!(self.sent_to(agent).await.iter().collect::<Vec<_>>(), expected, "{agent}");
        }
    }
}

/// How long the engine itself took, for people.
pub fn cost(execution: &Execution) -> String {
    let metrics = execution.metrics;
    let total = Duration::from_millis(metrics.duration_ms);
    format!(
        "{}: {total:?} in all, {} ms of it the engine, {} messages, {} agents",
        execution.pattern, metrics.engine_ms, metrics.messages, metrics.agents
    )
}
