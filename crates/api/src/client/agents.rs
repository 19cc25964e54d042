//! The methods, one a route.

use std::time::Duration;

use bytes::Bytes;
use futures::stream::{Stream, StreamExt};
use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde_json::Value;

use super::{ANSWER_TIMEOUT, Client, ListFilter};
use crate::agent::{AgentList, RestartRequest, StopRequest};
use crate::check::CheckList;
use crate::message::{
    AnswerRequest, DEFAULT_TIMEOUT_MS, MessageList, MessageProgress, MessageQuery, MessagesQuery,
};
use crate::observe::{AgentMetricsList, Logs, LogsQuery, Metrics, StatusReport};
use crate::ports::AgentPorts;
use crate::runtime::{RuntimeList, RuntimeStatus, StorageStatus};
use crate::terminal::{InputRequest, Screen};
use crate::workspace::{
    Changes, CommitRequest, Committed, Conflicts, ConflictsQuery, DiffQuery, MergeRequest, Merged,
    PullRequest, PullRequestRequest, PushRequest, Pushed, WorkspaceCleanup, WorkspaceList,
};
use crate::{Agent, AgentId, Code, Message, Problem, SendRequest, SendResponse, SpawnRequest};

/// A spawn may have to fetch an image first.
const SPAWN_TIMEOUT: Duration = Duration::from_secs(300);
/// Git may have much to read, or somebody far away to ask.
const GIT_TIMEOUT: Duration = Duration::from_secs(180);
/// A pull request is a push, and a command that asks somebody far away.
const PULL_REQUEST_TIMEOUT: Duration = Duration::from_secs(320);
/// A runtime that looks at what it needs starts a container, and waits for what does not answer.
const CHECKS_TIMEOUT: Duration = Duration::from_secs(75);
/// A restart stops and starts.
const RESTART_TIMEOUT: Duration = Duration::from_secs(120);
/// A resume starts a host, which may take as long as a spawn.
const RESUME_TIMEOUT: Duration = Duration::from_secs(330);

/// The most pages of a list of all agents: a million agents, 1000 on each.
const MAX_PAGES: usize = 1000;
/// The longest list of all agents, in bytes.
const MAX_LIST: usize = 128 * 1024 * 1024;

impl Client {
    /// `GET /health`: what the server asks of callers (`token`, `own-account`, `open`); none when it does not say.
    pub async fn access_rule(&self) -> Result<Option<String>, Problem> {
        #[derive(serde::Deserialize)]
        struct Health {
            access: Option<String>,
        }
        let health: Health = self.fetch(self.request(Method::GET, "/health")).await?;
        Ok(health.access)
    }

    /// `POST …`: spawns an agent.
    pub async fn spawn(&self, spawn: &SpawnRequest) -> Result<Agent, Problem> {
        self.fetch(self.post(&self.agents_path(""), spawn).timeout(SPAWN_TIMEOUT)).await
    }

    /// The same with an `Idempotency-Key`: sent again with the same key, it gives the same agent.
    pub async fn spawn_once(&self, key: &str, spawn: &SpawnRequest) -> Result<Agent, Problem> {
        let request = self.post(&self.agents_path(""), spawn).header("idempotency-key", key);
        self.fetch(request.timeout(SPAWN_TIMEOUT)).await
    }

    /// `GET …`: one page of the agents that the filter lets through, oldest first.
    pub async fn list(&self, filter: &ListFilter) -> Result<AgentList, Problem> {
        self.list_page(&filter.pairs()).await
    }

    /// The page that this query asks for, with whatever it has: several values of one field, too.
    pub async fn list_page(&self, query: &[(&str, String)]) -> Result<AgentList, Problem> {
        self.fetch(self.request(Method::GET, &self.agents_path("")).query(query)).await
    }

    /// Every agent that the filter lets through, page after page. Fails with `RUNTIME_UNAVAILABLE` for a list that does not end
    /// within 1000 pages and 128 MiB.
    pub async fn list_all(&self, filter: &ListFilter) -> Result<Vec<Agent>, Problem> {
        let mut filter = filter.clone();
        let (mut agents, mut size) = (Vec::new(), 0);
        for _ in 0..MAX_PAGES {
            let asked = self.request(Method::GET, &self.agents_path("")).query(&filter.pairs());
            let body = self.body(self.succeed(asked).await?).await?;
            size += body.len();
            let page: AgentList = self.json(&body)?;
            agents.extend(page.agents);
            let Some(cursor) = page.next_cursor else { return Ok(agents) };
            // What is no list to its end must not pass for one: who is not on it is taken for gone.
            if size > MAX_LIST || filter.cursor.as_ref() == Some(&cursor) {
                break;
            }
            filter.cursor = Some(cursor);
        }
        Err(self.endless("with a list that does not end within 1000 pages and 128 MiB"))
    }

    /// `GET …/:id`: the agent.
    pub async fn get(&self, id: &AgentId) -> Result<Agent, Problem> {
        self.fetch(self.agent(Method::GET, id, "")).await
    }

    /// `POST …/:id/send`: sends a message; with `expect_response`, waits for its answer.
    pub async fn send(&self, id: &AgentId, message: &SendRequest) -> Result<SendResponse, Problem> {
        self.fetch(self.sending(id, message)).await
    }

    /// The same with an `Idempotency-Key`: sent again with the same key, it is the same message.
    pub async fn send_once(
        &self,
        key: &str,
        id: &AgentId,
        message: &SendRequest,
    ) -> Result<SendResponse, Problem> {
        self.fetch(self.sending(id, message).header("idempotency-key", key)).await
    }

    /// `GET …/:id/messages/:messageId`: one message, waiting for its end as long as the query says.
    pub async fn message(
        &self,
        id: &AgentId,
        message: &str,
        query: &MessageQuery,
    ) -> Result<MessageProgress, Problem> {
        let limit = query.duration()?.saturating_add(ANSWER_TIMEOUT);
        let call = self.agent(Method::GET, id, &format!("/messages/{message}")).query(query);
        self.fetch(call.timeout(limit)).await
    }

    /// `DELETE …/:id/messages/:messageId`: withdraws a message that waits; `CONFLICT` once it was typed.
    pub async fn withdraw(&self, id: &AgentId, message: &str) -> Result<(), Problem> {
        self.succeed(self.agent(Method::DELETE, id, &format!("/messages/{message}"))).await.map(drop)
    }

    /// `GET …/:id/messages`: the conversation, oldest first.
    pub async fn messages(&self, id: &AgentId, query: &MessagesQuery) -> Result<Vec<Message>, Problem> {
        let list: MessageList =
            self.fetch_long(self.agent(Method::GET, id, "/messages").query(query)).await?;
        Ok(list.messages)
    }

    /// `GET …/:id/logs`: the last lines as text. For other formats see [`Client::log_stream`],
    /// to follow it [`Client::follow_log`].
    pub async fn logs(&self, id: &AgentId, query: &LogsQuery) -> Result<Logs, Problem> {
        self.fetch_long(self.agent(Method::GET, id, "/logs").query(query)).await
    }

    /// `GET …/:id/logs` as a body: the answer's bytes as they come; with `follow`, until the agent ends. A lost
    /// connection is the last item.
    pub async fn log_stream(
        &self,
        id: &AgentId,
        query: &LogsQuery,
    ) -> Result<impl Stream<Item = Result<Bytes, Problem>> + Send + Unpin + use<>, Problem> {
        let response = self.succeed(self.open_logs(id, query)).await?;
        let client = self.clone();
        Ok(response.bytes_stream().map(move |part| part.map_err(|error| client.unreachable(&error))).boxed())
    }

    /// `GET …/:id/metrics`: what it uses and has done.
    pub async fn metrics(&self, id: &AgentId) -> Result<Metrics, Problem> {
        self.fetch(self.agent(Method::GET, id, "/metrics")).await
    }

    /// `GET /api/metrics` of a runtime server: the same of every agent that lives. A runtime of an earlier version does not know it.
    pub async fn all_metrics(&self) -> Result<AgentMetricsList, Problem> {
        self.fetch(self.request(Method::GET, "/api/metrics")).await
    }

    /// `GET …/:id/screen`: what a person would see now.
    pub async fn screen(&self, id: &AgentId) -> Result<Screen, Problem> {
        self.fetch(self.agent(Method::GET, id, "/screen")).await
    }

    /// `GET …/:id/status`: why it has the status it has.
    pub async fn status(&self, id: &AgentId) -> Result<StatusReport, Problem> {
        self.fetch(self.agent(Method::GET, id, "/status")).await
    }

    /// `POST …/:id/input`: presses keys.
    pub async fn input(&self, id: &AgentId, input: &InputRequest) -> Result<(), Problem> {
        self.succeed(self.agent(Method::POST, id, "/input").json(input)).await.map(drop)
    }

    /// `POST …/:id/answer`: answers the pending question.
    pub async fn answer(&self, id: &AgentId, answer: &AnswerRequest) -> Result<Agent, Problem> {
        self.fetch(self.agent(Method::POST, id, "/answer").json(answer)).await
    }

    /// `POST …/:id/interrupt`: stops the turn, keeps the agent.
    pub async fn interrupt(&self, id: &AgentId) -> Result<Agent, Problem> {
        self.fetch(self.agent(Method::POST, id, "/interrupt")).await
    }

    /// `POST …/:id/restart`: a new process with the same id.
    pub async fn restart(&self, id: &AgentId, restart: &RestartRequest) -> Result<Agent, Problem> {
        self.fetch(self.agent(Method::POST, id, "/restart").json(restart).timeout(RESTART_TIMEOUT)).await
    }

    /// `POST …/:id/suspend`: ends the agent's processes and keeps what it needs to come back.
    pub async fn suspend(&self, id: &AgentId) -> Result<Agent, Problem> {
        self.fetch(self.agent(Method::POST, id, "/suspend").timeout(RESTART_TIMEOUT)).await
    }

    /// `POST …/:id/resume`: brings a suspended agent back under the same id.
    pub async fn resume(&self, id: &AgentId) -> Result<Agent, Problem> {
        self.fetch(self.agent(Method::POST, id, "/resume").timeout(RESUME_TIMEOUT)).await
    }

    /// `DELETE …/:id`: stops the agent; answers when it is gone.
    pub async fn stop(&self, id: &AgentId, stop: &StopRequest) -> Result<Agent, Problem> {
        let limit = Duration::from_millis(stop.grace_ms).saturating_add(ANSWER_TIMEOUT);
        self.fetch(self.agent(Method::DELETE, id, "").query(stop).timeout(limit)).await
    }

    /// `GET …/:id/ports`: its ports, and who listens.
    pub async fn ports(&self, id: &AgentId) -> Result<AgentPorts, Problem> {
        self.fetch(self.agent(Method::GET, id, "/ports")).await
    }

    /// `GET …/:id/changes`: what was changed in its workspace.
    pub async fn changes(&self, id: &AgentId) -> Result<Changes, Problem> {
        self.fetch(self.agent(Method::GET, id, "/changes").timeout(GIT_TIMEOUT)).await
    }

    /// `GET …/:id/diff`: the same as a unified diff.
    pub async fn diff(&self, id: &AgentId, query: &DiffQuery) -> Result<Bytes, Problem> {
        let call = self.agent(Method::GET, id, "/diff").query(query).timeout(GIT_TIMEOUT);
        self.body(self.succeed(call).await?).await
    }

    /// `GET …/:id/conflicts`: what would conflict with another agent's work, or a branch.
    pub async fn conflicts(&self, id: &AgentId, with: &str) -> Result<Conflicts, Problem> {
        let query = ConflictsQuery { with: with.into() };
        self.fetch(self.agent(Method::GET, id, "/conflicts").query(&query).timeout(GIT_TIMEOUT)).await
    }

    /// `POST …/:id/commit`: commits everything in its workspace.
    pub async fn commit(&self, id: &AgentId, request: &CommitRequest) -> Result<Committed, Problem> {
        self.fetch(self.agent(Method::POST, id, "/commit").json(request).timeout(GIT_TIMEOUT)).await
    }

    /// `POST …/:id/push`: pushes what is committed in its workspace.
    pub async fn push(&self, id: &AgentId, request: &PushRequest) -> Result<Pushed, Problem> {
        self.fetch(self.agent(Method::POST, id, "/push").json(request).timeout(GIT_TIMEOUT)).await
    }

    /// `POST …/:id/pull-request`: pushes what is committed in its workspace, and makes a pull request of it.
    pub async fn pull_request(
        &self,
        id: &AgentId,
        request: &PullRequestRequest,
    ) -> Result<PullRequest, Problem> {
        let call = self.agent(Method::POST, id, "/pull-request").json(request);
        self.fetch(call.timeout(PULL_REQUEST_TIMEOUT)).await
    }

    /// `POST …/:id/merge`: merges what is committed in its workspace into a branch.
    pub async fn merge(&self, id: &AgentId, request: &MergeRequest) -> Result<Merged, Problem> {
        self.fetch(self.agent(Method::POST, id, "/merge").json(request).timeout(GIT_TIMEOUT)).await
    }

    /// `GET /api/workspaces`: every workspace, also of agents that are forgotten.
    pub async fn workspaces(&self) -> Result<WorkspaceList, Problem> {
        self.fetch(self.request(Method::GET, "/api/workspaces").timeout(GIT_TIMEOUT)).await
    }

    /// `POST /api/workspaces/gc`: removes those of ended agents in which nothing would be lost.
    pub async fn clean_workspaces(&self) -> Result<WorkspaceCleanup, Problem> {
        self.fetch(self.request(Method::POST, "/api/workspaces/gc").timeout(GIT_TIMEOUT)).await
    }

    /// `GET /api/runtimes` of a control plane: every runtime and how it is.
    pub async fn runtimes(&self) -> Result<RuntimeList, Problem> {
        self.fetch(self.request(Method::GET, "/api/runtimes")).await
    }

    /// `POST /api/runtimes/NAME/checks` of a control plane: the runtime looks at what it needs.
    pub async fn check_runtime(&self, name: &str) -> Result<CheckList, Problem> {
        let path = format!("/api/runtimes/{name}/checks");
        self.fetch(self.request(Method::POST, &path).timeout(CHECKS_TIMEOUT)).await
    }

    /// `POST /api/control-plane` of a runtime server: has it serve the control plane that this client names, and no other. Fails with
    /// `CONFLICT` while it serves another. A runtime of an earlier version serves any.
    pub async fn take_runtime(&self) -> Result<(), Problem> {
        match self.succeed(self.request(Method::POST, "/api/control-plane")).await {
            Err(problem) if !matches!(problem.code, Code::NotFound | Code::MethodNotAllowed) => Err(problem),
            _ => Ok(()),
        }
    }

    /// `GET /ready` of a runtime server: what it says of itself, healthy or not.
    pub async fn runtime_status(&self) -> Result<RuntimeStatus, Problem> {
        let response = self.exchange(self.request(Method::GET, "/ready")).await?;
        let status = response.status();
        let body = self.body(response).await?;
        // An unhealthy runtime says so with 503 and the same body.
        match status {
            StatusCode::OK => self.json(&body),
            _ => self.json(&body).map_err(|_| self.refusal(status, &body)),
        }
    }

    /// `GET /health`: whether the server lives.
    pub async fn health(&self) -> Result<(), Problem> {
        self.succeed(self.request(Method::GET, "/health")).await.map(drop)
    }

    /// `GET /ready`: whether the server can take work.
    pub async fn ready(&self) -> Result<(), Problem> {
        self.succeed(self.request(Method::GET, "/ready")).await.map(drop)
    }

    /// What `GET /ready` says of a control plane's storage: what is wrong with it, when something is.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn storage(&self) -> Result<Option<StorageStatus>, Problem> {
        let response = self.exchange(self.request(Method::GET, "/ready")).await?;
        let body: Value = self.json(&self.body(response).await?)?;
        Ok(body.get("storage").and_then(|storage| serde_json::from_value(storage.clone()).ok()))
    }

    /// `GET /metrics`: the server's numbers in Prometheus' text format.
    pub async fn prometheus(&self) -> Result<String, Problem> {
        let response = self.succeed(self.request(Method::GET, "/metrics")).await?;
        Ok(String::from_utf8_lossy(&self.body(response).await?).into_owned())
    }

    /// `GET /api/openapi.json`: the description of the API.
    pub async fn openapi(&self) -> Result<Value, Problem> {
        self.fetch(self.request(Method::GET, "/api/openapi.json")).await
    }

    fn post(&self, path: &str, body: &impl Serialize) -> reqwest::RequestBuilder {
        self.request(Method::POST, path).json(body)
    }

    pub(super) fn agent(&self, method: Method, id: &AgentId, rest: &str) -> reqwest::RequestBuilder {
        self.request(method, &self.agents_path(&format!("/{id}{rest}")))
    }

    fn sending(&self, id: &AgentId, message: &SendRequest) -> reqwest::RequestBuilder {
        let wait = message.timeout_ms.unwrap_or(DEFAULT_TIMEOUT_MS);
        // The server keeps the time; this only ends the wait for a server that is gone.
        let limit = Duration::from_millis(wait).saturating_add(ANSWER_TIMEOUT);
        self.agent(Method::POST, id, "/send").json(message).timeout(limit)
    }
}
