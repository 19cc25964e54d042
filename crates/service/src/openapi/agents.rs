//! The routes of agents, once: a runtime has them, and a control plane proxies them. What both documents say of them is
//! made from this list.

#![expect(dead_code, reason = "the functions only carry the descriptions")]

use parallax_api::agent::{AgentList, RestartRequest, StopRequest};
use parallax_api::files::{ArchiveQuery, FileList, Unpacked};
use parallax_api::message::{AnswerRequest, MessageList, MessagesQuery};
use parallax_api::observe::{Logs, LogsQuery, Metrics, StatusReport};
use parallax_api::ports::AgentPorts;
use parallax_api::terminal::{InputRequest, Screen};
use parallax_api::workspace::{
    Changes, CommitRequest, Committed, Conflicts, ConflictsQuery, Diff, DiffQuery, MergeRequest, Merged,
    PullRequest, PullRequestRequest, PushRequest, Pushed,
};
use parallax_api::{Agent, Problem, SendRequest, SendResponse, SpawnRequest};
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;

use crate::listing::AgentsQuery;

/// Where a runtime has its agents; [`described_at`] puts them elsewhere.
const PREFIX: &str = "/api/agents";

/// Adds the routes of agents below `prefix` to a description.
#[must_use]
pub fn described_at(prefix: &str, mut document: OpenApi) -> OpenApi {
    let mut agents = Agents::openapi();
    agents.paths.paths = std::mem::take(&mut agents.paths.paths)
        .into_iter()
        .map(|(path, item)| (path.replacen(PREFIX, prefix, 1), item))
        .collect();
    let tags = document.tags.take();
    document.merge(agents);
    document.tags = tags;
    document
}

/// The paths of agents below `prefix`, as routers have them.
pub fn paths(prefix: &str) -> Vec<String> {
    Agents::openapi().paths.paths.keys().map(|path| path.replacen(PREFIX, prefix, 1)).collect()
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(
    spawn,
    list,
    get,
    stop,
    send,
    messages,
    input,
    answer,
    interrupt,
    restart,
    suspend,
    resume,
    logs,
    screen,
    status,
    metrics,
    ports,
    changes,
    diff,
    conflicts,
    commit,
    push,
    pull_request,
    merge,
    files,
    file,
    put_file,
    unpack,
    unpack_below,
    delete_file
))]
struct Agents;

/// Spawn an agent.
///
/// A named `runtime` (a kind or a name) takes it or nothing does. On a control plane it is otherwise the runtime with the
/// lowest priority number that is healthy, has room and can run the type; when that one cannot after all, the next.
#[utoipa::path(
    post, path = "/api/agents", tag = "agents",
    params(("idempotency-key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = r"^[!-~]([\t -~]*[!-~])?$", description = "The same key makes it the same agent")),
    request_body = SpawnRequest,
    responses(
        (status = 201, description = "The agent", body = Agent, headers(("location" = String, description = "Where it is"))),
        (status = "4XX", body = Problem), (status = "5XX", body = Problem),
    )
)]
fn spawn() {}

/// List agents, oldest first.
///
/// `status`, `type`, `runtime`, `capability` and `label` (`key` or `key=value`) may be repeated: several labels must all
/// match, several values of the others are alternatives. A control plane lists those of a runtime that does not answer as
/// last known, with `stale: true`.
#[utoipa::path(
    get, path = "/api/agents", tag = "agents", params(AgentsQuery),
    responses((status = 200, description = "A page of agents", body = AgentList), (status = "4XX", body = Problem))
)]
fn list() {}

/// One agent.
#[utoipa::path(
    get, path = "/api/agents/{id}", tag = "agents", params(("id" = String, Path, description = "The agent's id")),
    responses((status = 200, description = "The agent", body = Agent), (status = "4XX", body = Problem))
)]
fn get() {}

/// Stop an agent: ask, wait `graceMs`, insist.
///
/// Stopping one that has ended is no error.
#[utoipa::path(
    delete, path = "/api/agents/{id}", tag = "agents",
    params(("id" = String, Path, description = "The agent's id"), StopRequest),
    responses(
        (status = 200, description = "The agent with its `exit`", body = Agent),
        (status = "4XX", body = Problem), (status = "5XX", body = Problem),
    )
)]
fn stop() {}

/// Send a message.
///
/// 202 when it is accepted; with `expectResponse`, 200 with the answer to this very message. When the answer takes
/// longer than `timeoutMs` it is 504 with the `messageId`, and the answer comes as an event and stands in `messages`.
#[utoipa::path(
    post, path = "/api/agents/{id}/send", tag = "conversation",
    params(
        ("id" = String, Path, description = "The agent's id"),
        ("idempotency-key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = r"^[!-~]([\t -~]*[!-~])?$", description = "The same key makes it the same message"),
    ),
    request_body = SendRequest,
    responses(
        (status = 200, description = "Sent, with the answer", body = SendResponse),
        (status = 202, description = "Accepted", body = SendResponse),
        (status = "4XX", body = Problem), (status = "5XX", body = Problem),
    )
)]
fn send() {}

/// The conversation, oldest first.
#[utoipa::path(
    get, path = "/api/agents/{id}/messages", tag = "conversation",
    params(("id" = String, Path, description = "The agent's id"), MessagesQuery),
    responses((status = 200, description = "Messages", body = MessageList), (status = "4XX", body = Problem))
)]
fn messages() {}

/// Press keys: `text` as it stands, or named `keys`.
#[utoipa::path(
    post, path = "/api/agents/{id}/input", tag = "conversation",
    params(("id" = String, Path, description = "The agent's id")),
    request_body = InputRequest,
    responses((status = 204, description = "Pressed"), (status = "4XX", body = Problem))
)]
fn input() {}

/// Answer the pending question: with an `option` of `attention.options`, or with `text`.
#[utoipa::path(
    post, path = "/api/agents/{id}/answer", tag = "conversation",
    params(("id" = String, Path, description = "The agent's id")),
    request_body = AnswerRequest,
    responses((status = 200, description = "The agent", body = Agent), (status = "4XX", body = Problem))
)]
fn answer() {}

/// Stop the current turn, keep the agent.
#[utoipa::path(
    post, path = "/api/agents/{id}/interrupt", tag = "conversation",
    params(("id" = String, Path, description = "The agent's id")),
    responses((status = 200, description = "The agent", body = Agent), (status = "4XX", body = Problem))
)]
fn interrupt() {}

/// A new process, with the same id, directory and, unless told otherwise, conversation.
#[utoipa::path(
    post, path = "/api/agents/{id}/restart", tag = "agents",
    params(("id" = String, Path, description = "The agent's id")),
    request_body = Option<RestartRequest>,
    responses((status = 200, description = "The agent", body = Agent), (status = "4XX", body = Problem))
)]
fn restart() {}

/// End an agent's processes and keep what it needs to come back: workspace, home, conversation.
///
/// Docker and Kubernetes. It has then ended with the exit `suspended`; the runtime keeps it until it is resumed or stopped. One
/// that could not come back is refused with `UNSUPPORTED` and goes on; one that is suspended is no error.
#[utoipa::path(
    post, path = "/api/agents/{id}/suspend", tag = "agents",
    params(("id" = String, Path, description = "The agent's id")),
    responses(
        (status = 200, description = "The agent with its `exit`", body = Agent),
        (status = "4XX", body = Problem), (status = "5XX", body = Problem),
    )
)]
fn suspend() {}

/// Bring a suspended agent back, under the same id and with its conversation.
///
/// When that fails it stays suspended, with the reason in `error`. One that runs is no error.
#[utoipa::path(
    post, path = "/api/agents/{id}/resume", tag = "agents",
    params(("id" = String, Path, description = "The agent's id")),
    responses(
        (status = 200, description = "The agent", body = Agent),
        (status = "4XX", body = Problem), (status = "5XX", body = Problem),
    )
)]
fn resume() {}

/// The log: the last lines as JSON; with another `format`, or with `follow`, a body that streams.
#[utoipa::path(
    get, path = "/api/agents/{id}/logs", tag = "observation",
    params(("id" = String, Path, description = "The agent's id"), LogsQuery),
    responses(
        (status = 200, description = "`format=text` without `follow`: the lines. Otherwise the text or the bytes", content(
            (Logs = "application/json"),
            (String = "text/plain"),
            (String = "application/octet-stream"),
            (String = "application/x-asciicast"),
        )),
        (status = "4XX", body = Problem),
    )
)]
fn logs() {}

/// What a person would see now.
#[utoipa::path(
    get, path = "/api/agents/{id}/screen", tag = "observation",
    params(("id" = String, Path, description = "The agent's id")),
    responses((status = 200, description = "The screen", body = Screen), (status = "4XX", body = Problem))
)]
fn screen() {}

/// Why the agent has the status it has: which rule, which evidence.
#[utoipa::path(
    get, path = "/api/agents/{id}/status", tag = "observation",
    params(("id" = String, Path, description = "The agent's id")),
    responses((status = 200, description = "The reasons", body = StatusReport), (status = "4XX", body = Problem))
)]
fn status() {}

/// What the agent uses and has done.
#[utoipa::path(
    get, path = "/api/agents/{id}/metrics", tag = "observation",
    params(("id" = String, Path, description = "The agent's id")),
    responses((status = 200, description = "The numbers", body = Metrics), (status = "4XX", body = Problem))
)]
fn metrics() {}

/// The agent's ports, and who listens on TCP: its own processes, and whoever does on a port of its range.
#[utoipa::path(
    get, path = "/api/agents/{id}/ports", tag = "ports",
    params(("id" = String, Path, description = "The agent's id")),
    responses((status = 200, description = "The ports", body = AgentPorts), (status = "4XX", body = Problem))
)]
fn ports() {}

/// What was changed in the agent's workspace since it was made, committed or not.
///
/// An agent that was spawned without a `workspace`, or whose workspace is gone, has none: 404.
#[utoipa::path(
    get, path = "/api/agents/{id}/changes", tag = "workspaces",
    params(("id" = String, Path, description = "The agent's id")),
    responses((status = 200, description = "The changes", body = Changes), (status = "4XX", body = Problem), (status = "5XX", body = Problem))
)]
fn changes() {}

/// The difference itself, as a unified diff or by its hunks, files that git does not know yet included. At most 8 MiB.
#[utoipa::path(
    get, path = "/api/agents/{id}/diff", tag = "workspaces",
    params(("id" = String, Path, description = "The agent's id"), DiffQuery),
    responses(
        (status = 200, description = "The diff: text, or with `format=json` its files and hunks", content(
            (String = "text/x-diff"), (Diff = "application/json")
        )),
        (status = "4XX", body = Problem), (status = "5XX", body = Problem),
    )
)]
fn diff() {}

/// The files that would conflict if this agent's work were merged with another's, or with a branch. Nothing is merged.
#[utoipa::path(
    get, path = "/api/agents/{id}/conflicts", tag = "workspaces",
    params(("id" = String, Path, description = "The agent's id"), ConflictsQuery),
    responses((status = 200, description = "The files", body = Conflicts), (status = "4XX", body = Problem), (status = "5XX", body = Problem))
)]
fn conflicts() {}

/// Commit everything in the workspace.
#[utoipa::path(
    post, path = "/api/agents/{id}/commit", tag = "workspaces",
    params(("id" = String, Path, description = "The agent's id")),
    request_body = CommitRequest,
    responses((status = 200, description = "The commit", body = Committed), (status = "4XX", body = Problem), (status = "5XX", body = Problem))
)]
fn commit() {}

/// Push the commit that is checked out in the workspace.
#[utoipa::path(
    post, path = "/api/agents/{id}/push", tag = "workspaces",
    params(("id" = String, Path, description = "The agent's id")),
    request_body = Option<PushRequest>,
    responses((status = 200, description = "What was pushed", body = Pushed), (status = "4XX", body = Problem), (status = "5XX", body = Problem))
)]
fn push() {}

/// Push the commit that is checked out in the workspace to `origin`, unless it is there, and have the command that the runtime's operator
/// configured make a pull request of it.
///
/// 422 `UNSUPPORTED` where none is configured; 409 with its `output` and `exitCode` when it fails.
#[utoipa::path(
    post, path = "/api/agents/{id}/pull-request", tag = "workspaces",
    params(("id" = String, Path, description = "The agent's id")),
    request_body = Option<PullRequestRequest>,
    responses((status = 200, description = "The pull request", body = PullRequest), (status = "4XX", body = Problem), (status = "5XX", body = Problem))
)]
fn pull_request() {}

/// Merge what is committed in the workspace into a branch of its repository that is checked out nowhere.
///
/// 409 with `files` when it conflicts.
#[utoipa::path(
    post, path = "/api/agents/{id}/merge", tag = "workspaces",
    params(("id" = String, Path, description = "The agent's id")),
    request_body = MergeRequest,
    responses((status = 200, description = "What the branch is now", body = Merged), (status = "4XX", body = Problem), (status = "5XX", body = Problem))
)]
fn merge() {}

/// What is in the agent's working directory. Needs the scope `operate`.
#[utoipa::path(
    get, path = "/api/agents/{id}/files", tag = "files",
    params(("id" = String, Path, description = "The agent's id"), ArchiveQuery),
    responses(
        (status = 200, description = "The directory", content(
            (FileList = "application/json"),
            (String = "application/x-tar"),
        )),
        (status = "4XX", body = Problem),
    )
)]
fn files() {}

/// A directory below it as a list, or as an archive; a file as its bytes, with `Range` some of them. Needs the scope `operate`.
#[utoipa::path(
    get, path = "/api/agents/{id}/files/{path}", tag = "files",
    params(
        ("id" = String, Path, description = "The agent's id"),
        ("path" = String, Path, description = "Below the working directory; may hold slashes"),
        ("range" = Option<String>, Header, description = "One range of bytes"),
        ArchiveQuery,
    ),
    responses(
        (status = 200, description = "The directory, or the whole file", content(
            (FileList = "application/json"),
            (String = "application/octet-stream"),
            (String = "application/x-tar"),
        )),
        (status = 206, description = "A part of the file", body = String, content_type = "application/octet-stream"),
        (status = 416, description = "The file has nothing of the range"),
        (status = "4XX", body = Problem),
    )
)]
fn file() {}

/// Make a file, or replace one, whole or not at all. Its directory must be there. At most 8 MiB.
#[utoipa::path(
    put, path = "/api/agents/{id}/files/{path}", tag = "files",
    params(
        ("id" = String, Path, description = "The agent's id"),
        ("path" = String, Path, description = "Below the working directory; may hold slashes"),
    ),
    request_body(content = String, content_type = "application/octet-stream"),
    responses((status = 201, description = "It is new"), (status = 204, description = "It was replaced"), (status = "4XX", body = Problem))
)]
fn put_file() {}

/// Unpack a tar archive into the working directory. Links, devices and names that lead out are refused before anything is written.
/// At most 8 MiB.
#[utoipa::path(
    post, path = "/api/agents/{id}/files", tag = "files",
    params(("id" = String, Path, description = "The agent's id"), ArchiveQuery),
    request_body(content = String, content_type = "application/octet-stream", description = "A tar archive."),
    responses((status = 200, description = "What was in it", body = Unpacked), (status = "4XX", body = Problem), (status = "5XX", body = Problem))
)]
fn unpack() {}

/// Unpack a tar archive into a directory below it, which is made where it is not there.
#[utoipa::path(
    post, path = "/api/agents/{id}/files/{path}", tag = "files",
    params(
        ("id" = String, Path, description = "The agent's id"),
        ("path" = String, Path, description = "Below the working directory; may hold slashes"),
        ArchiveQuery,
    ),
    request_body(content = String, content_type = "application/octet-stream", description = "A tar archive."),
    responses((status = 200, description = "What was in it", body = Unpacked), (status = "4XX", body = Problem), (status = "5XX", body = Problem))
)]
fn unpack_below() {}

/// Remove a file, a link, or an empty directory.
#[utoipa::path(
    delete, path = "/api/agents/{id}/files/{path}", tag = "files",
    params(
        ("id" = String, Path, description = "The agent's id"),
        ("path" = String, Path, description = "Below the working directory; may hold slashes"),
    ),
    responses((status = 204, description = "It is gone"), (status = "4XX", body = Problem))
)]
fn delete_file() {}
