//! What every real CLI must do. Each case is a test of its own by [`real_cli!`](crate::real_cli!).

use std::path::Path;

use parallax_api::{AgentStatus, AttentionKind, EventData};
use serde_json::{Value, json};

use super::RealCli;
pub use super::images::*;
use super::provider::Provider;
pub use super::questions::*;
pub use super::texts::*;
pub use super::turns::*;
use crate::awkward_messages::{as_taken, fifty};
use crate::backend::{ServerOptions, TestBackend};
use crate::local::Directory;
use crate::models::Models;
use crate::models::scenario::{Failure, Pace, Reply, Scenario, Step, ToolStep};
use crate::server::reqwest_client;
use crate::up::Up;
use crate::wait::{PATIENCE, until};

/// The seed's two calls as they stand, from a start with `parallax up` to the model's answer.
pub async fn the_two_calls(cli: RealCli) {
    let answer = "The change is **sound**; two remarks:\n\n1. `parse` may fail\n2. a test is missing";
    let models = scripted(vec![Reply::text(answer).to("Review the latest changes")]).await;
    let directory = Directory::new();
    cli.prepare(directory.path(), &models);
    let mut up = Up::start(&directory, &cli.env(&models)).await;

    let client = reqwest_client();
    let agents = format!("{}/api/managed-agents", up.server.url());
    let spawn = json!({"name": "code-reviewer", "type": cli.name(), "capabilities": ["code_review"]});
    let spawned = client.post(&agents).json(&spawn).send().await.expect("the control plane answers");
    let (status, location) = (spawned.status(), spawned.headers().get("location").cloned());
    let agent: Value = spawned.json().await.expect("JSON");
    assert_eq!(status, 201, "{agent}");
    let id = agent["id"].as_str().expect("an agent has an id");
    assert_eq!(location.expect("a location"), format!("/api/managed-agents/{id}").as_str());

    let send = json!({"message": "Review the latest changes", "expectResponse": true});
    let sent = client
        .post(format!("{agents}/{id}/send"))
        .json(&send)
        .send()
        .await
        .expect("the control plane answers");
    let status = sent.status();
    let sent: Value = sent.json().await.expect("JSON");
    assert_eq!(status, 200, "{sent}");
    assert_eq!(sent["sent"], true);
    assert_eq!(sent["response"]["content"], answer, "{sent}");
    assert_eq!(models.turns().len(), 1, "the model was asked once");

    let stopped = client.delete(format!("{agents}/{id}")).send().await.expect("the control plane answers");
    let stopped: Value = stopped.json().await.expect("JSON");
    assert_eq!(stopped["status"], "stopped", "{stopped}");
    up.server.end().await;
}

/// Fifty messages of every awkward shape in a row: taken once, whole, each with its own answer.
pub async fn fifty_messages(cli: RealCli) {
    let messages = fifty();
    let answers: Vec<String> =
        (1..=messages.len()).map(|number| format!("Answer number {number}.")).collect();
    let replies = answers.iter().map(|answer| Reply { times: Some(1), ..Reply::text(answer) });
    let models = scripted(replies.collect()).await;
    let backend = cli.backend(&models).await;
    let agent = backend.user().spawn_ready(cli.request()).await;
    for (message, answer) in messages.iter().zip(&answers) {
        let said = agent.say(message.text.as_str()).await;
        assert_eq!(&said, answer, "{}: {:.100?}", message.name, message.text);
        let taken = models.turns().pop().expect("the model was asked").whole_text;
        // Before it may stand what makes it text and not a command.
        let (taken, sent) = (squeezed(&taken), squeezed(&as_taken(&message.text)));
        assert!(taken.ends_with(&sent), "{}:\nsent  {sent:.300}\ntaken {taken:.300}", message.name);
        assert!(
            taken.len() <= sent.len() + 20,
            "{}: more was taken than was sent: {taken:.300}",
            message.name
        );
    }
    assert_eq!(models.turns().len(), messages.len(), "each was taken once");
    finish(backend).await;
}

/// A tool asks first; permitted by option, it runs.
pub async fn permission_is_given(cli: RealCli) {
    let models = asking_models(cli).await;
    let backend = cli.backend(&models).await;
    let mut agent = backend.user().spawn_ready(cli.request()).await;
    let id = agent.tell("Please make the file").await;
    let attention = agent.asks(AttentionKind::Question).await;
    assert!(attention.text.contains("touch made.txt"), "{attention:?}");
    let tool = attention.tool.clone().expect("the tool is told");
    assert!(tool.input.to_string().contains("touch made.txt"), "{tool:?}");
    let options: Vec<&str> = attention.options.iter().map(|option| option.id.as_str()).collect();
    assert!(options.contains(&"yes") && options.contains(&"no"), "{attention:?}");
    assert!(!made(&backend), "it waits");
    agent.chooses("yes").await;
    let answer = agent.answer_to(&id).await.content;
    assert!(answer.ends_with("It is done."), "{answer}");
    assert!(made(&backend), "the tool ran");
    agent.becomes(AgentStatus::Ready).await;
    finish(backend).await;
}

/// The other way: the tool does not run, and the agent is ready for more.
pub async fn permission_is_refused(cli: RealCli) {
    let models = asking_models(cli).await;
    let backend = cli.backend(&models).await;
    let mut agent = backend.user().spawn_ready(cli.request()).await;
    agent.tell("Please make the file").await;
    agent.asks(AttentionKind::Question).await;
    agent.chooses("no").await;
    agent.becomes(AgentStatus::Ready).await;
    assert!(!made(&backend), "the tool did not run");
    assert_eq!(agent.say("What now?").await, "Nothing.");
    finish(backend).await;
}

/// A restart is a new process in the same conversation: the model gets the earlier messages.
pub async fn a_restart_keeps_the_conversation(cli: RealCli) {
    let replies =
        vec![Reply::text("I will remember.").to("number is 4711"), Reply::text("It is 4711.").to("Which")];
    let models = scripted(replies).await;
    let backend = cli.backend(&models).await;
    let mut agent = backend.user().spawn_ready(cli.request()).await;
    assert_eq!(agent.say("The number is 4711").await, "I will remember.");
    agent.restart(true).await;
    agent.becomes(AgentStatus::Ready).await;
    assert_eq!(agent.say("Which one was it?").await, "It is 4711.");
    let last = models.turns().pop().expect("the model was asked");
    assert!(
        last.body.contains("The number is 4711") && last.body.contains("I will remember."),
        "{:.2000}",
        last.body
    );
    finish(backend).await;
}

/// `kill -9` of the server in the middle of an answer: the answer is there, once, with the server that comes back.
pub async fn an_answer_survives_the_server(cli: RealCli) {
    let slow = Reply::steps(vec![Step::text("Half of it, "), Step::gate("go"), Step::text("and the rest.")]);
    let models = scripted(vec![slow]).await;
    let backend = cli.backend(&models).await;
    let mut agent = backend.user().spawn_ready(cli.request()).await;
    let id = agent.tell("Take your time").await;
    models.wait_for("the answer to be half told", |log| log.iter().any(is_gate).then_some(())).await;
    backend.kill_server().await;
    models.open("go");
    backend.start_server(ServerOptions::default()).await;
    assert_eq!(agent.answer_to(&id).await.content, "Half of it, and the rest.");
    let messages = agent.messages().await;
    assert_eq!(messages.iter().filter(|message| message.in_reply_to.as_ref() == Some(&id)).count(), 1);
    finish(backend).await;
}

/// An interrupted turn is over; the next message is answered.
pub async fn a_turn_is_interrupted(cli: RealCli) {
    let endless = Reply::steps(vec![Step::text("Counting: one, "), Step::gate("never")]).to("Count");
    let models = scripted(vec![endless, Reply::text("Still here.").to("Hello")]).await;
    let backend = cli.backend(&models).await;
    let mut agent = backend.user().spawn_ready(cli.request()).await;
    agent.tell("Count to a million").await;
    models.wait_for("the counting to begin", |log| log.iter().any(is_gate).then_some(())).await;
    agent.becomes(AgentStatus::Busy).await;
    agent.interrupt().await;
    agent.becomes(AgentStatus::Ready).await;
    assert_eq!(agent.say("Hello?").await, "Still here.");
    finish(backend).await;
}

/// An error of the provider is the agent's, with the provider's words; the next message may do better.
pub async fn an_error_is_told(cli: RealCli) {
    let refusal = Failure {
        status: Some(400),
        message: Some("the scripted model will not have it".into()),
        ..Failure::default()
    };
    let failing = Reply { error: Some(refusal), ..Reply::default() }.to("Fail");
    let models = scripted(vec![Reply::text("Better.").to("Again"), failing]).await;
    let backend = cli.backend(&models).await;
    let mut agent = backend.user().spawn_ready(cli.request()).await;
    agent.tell("Fail, please").await;
    let failed = agent.becomes(AgentStatus::Error).await;
    let error = failed.error.expect("an agent in error says why");
    assert!(error.message.contains("will not have it"), "{error:?}");
    assert_eq!(agent.say("Again").await, "Better.");
    finish(backend).await;
}

/// Without credentials: a login is asked for and the agent never is ready. Where the CLI shows an address, it is whole.
pub async fn a_stranger_must_log_in(cli: RealCli) {
    let models = scripted(Vec::new()).await;
    let backend = cli.backend_without_login(&models).await;
    let mut agent = backend.user().spawn(cli.request()).await;
    // First-run screens (a theme, how to log in) are passed without a person: the address comes by itself.
    let url = agent.is("showing where to log in", |agent| agent.attention.as_ref()?.login_url.clone()).await;
    let (begins, ends, least) = match cli {
        RealCli::Claude => ("https://claude.ai/oauth/authorize?", "", 60),
        RealCli::Codex => ("https://auth.openai.com/oauth/authorize?", "originator=codex-tui", 400),
        RealCli::Gemini => {
            ("https://accounts.google.com/o/oauth2/v2/auth?", "apps.googleusercontent.com", 500)
        }
    };
    assert!(url.starts_with(begins) && url.ends_with(ends) && url.len() >= least, "{url}");
    assert!(!url.contains(|c: char| c.is_whitespace() || c.is_control()), "{url}");
    agent
        .told("the login to be told", |event| {
            matches!(event, EventData::LoginRequired { login_url: Some(told), .. } if *told == url)
                .then_some(())
        })
        .await;
    agent.stop().await;
    agent.told("the end", |event| matches!(event, EventData::AgentStopped { .. }).then_some(())).await;
    assert!(agent.seen().iter().all(|event| event.data.name() != "agent_ready"), "{:#?}", agent.seen());
    backend.end_server().await;
}

/// A login that a person makes through the agent makes it ready: with a key, which needs no browser.
pub async fn a_login_makes_it_ready(cli: RealCli) {
    let models = scripted(Vec::new()).await;
    let backend = cli.backend_with_unused_key(&models).await;
    let mut agent = backend.user().spawn(cli.request()).await;
    for option in cli.way_to_a_key() {
        agent
            .is(&format!("offering `{option}`"), |agent| {
                let options = &agent.attention.as_ref()?.options;
                options.iter().any(|offered| offered.id == *option).then_some(())
            })
            .await;
        agent.chooses(option).await;
    }
    agent
        .is("asking for a key", |agent| {
            let attention =
                agent.attention.as_ref().filter(|attention| attention.kind == AttentionKind::Login)?;
            attention
                .text
                .contains("API key")
                .then_some(())
                .or_else(|| attention.text.contains("API Key").then_some(()))
        })
        .await;
    assert!(agent.seen().iter().all(|event| event.data.name() != "agent_ready"), "{:#?}", agent.seen());
    agent.reply("an-invented-key-0123456789abcdef").await.expect("a login takes text");
    agent.becomes(AgentStatus::Ready).await;
    finish(backend).await;
}

/// Claude Code's login: a code that a person brings from the browser makes it ready.
pub async fn a_code_makes_it_ready(cli: RealCli) {
    let backend = cli.backend_without_models().await;
    let provider = Provider::start(backend.directory()).await;
    let mut request = cli.request();
    request.env.extend(provider.env().map(|(name, value)| (name, value.into())));
    let mut agent = backend.user().spawn(request).await;
    agent.asks(AttentionKind::Login).await;
    assert!(agent.seen().iter().all(|event| event.data.name() != "agent_ready"), "{:#?}", agent.seen());
    agent.reply("an-invented-code#an-invented-state").await.expect("a login takes text");
    agent.becomes(AgentStatus::Ready).await;
    assert_eq!(provider.code().as_deref(), Some("an-invented-code"));
    finish(backend).await;
}

pub(super) async fn scripted(replies: Vec<Reply>) -> Models {
    let defaults = Pace { chunk_chars: Some(16), chunk_delay_ms: Some(2), first_delay_ms: Some(5) };
    let scenario = Scenario { defaults, replies, ..Scenario::default() };
    Models::start(scenario).await.expect("the loopback interface has a free port")
}

/// Asks for a tool when asked to make the file, and has something to say afterwards.
async fn asking_models(cli: RealCli) -> Models {
    let tool = Step::tool(ToolStep::All(cli.touch("made.txt")));
    // What comes after a refusal may still hold the text before it: the later text is looked for first.
    scripted(vec![
        Reply::text("Nothing.").to_any("What now"),
        Reply::steps(vec![Step::text("I will make it. "), tool]).to("make the file"),
        Reply::text("It is done.").after_tool(),
    ])
    .await
}

pub(super) fn is_gate(entry: &crate::models::log::Entry) -> bool {
    matches!(entry.event, crate::models::log::LogEvent::GateWait { .. })
}

fn made(backend: &crate::local::LocalBackend) -> bool {
    Path::new(backend.directory()).join("made.txt").exists()
}

fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// Ends everything and looks for what is left.
pub async fn finish(backend: crate::local::LocalBackend) {
    let user = backend.user();
    for agent in user.client.list_all(&Default::default()).await.expect("the server lists its agents") {
        user.follow(agent.id).await.stop().await;
    }
    until("everything that agents left behind to be gone", PATIENCE, async || {
        let left = backend.leftovers().await;
        if left.is_empty() { Ok(()) } else { Err(left) }
    })
    .await;
    backend.end_server().await;
}

/// Makes every case a test of this CLI, ignored unless asked for.
#[macro_export]
macro_rules! real_cli {
    ($cli:expr) => {
        $crate::real_cli!($cli;
            the_two_calls, fifty_messages, odd_messages, nothing_visible_is_refused, permission_is_given, permission_is_refused,
            a_restart_keeps_the_conversation, an_answer_survives_the_server, a_turn_is_interrupted,
            an_error_is_told, a_stranger_must_log_in, interrupts_in_a_row, a_stream_is_seen, edits_are_permitted,
            a_quota_is_told, images_reach_the_model,
        );
    };
    ($cli:expr; $($case:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[ignore = "needs the real CLIs: make test-clis"]
            async fn $case() {
                $crate::real_cli::cases::$case($cli).await;
            }
        )+
    };
}
