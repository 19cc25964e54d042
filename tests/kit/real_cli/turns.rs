//! Within a turn: what is said is seen at once, files are edited with leave, and what the provider will not give is told.

use std::path::Path;

use parallax_api::agent::Approvals;
use parallax_api::{AgentStatus, AttentionKind, SpawnRequest};
use serde_json::json;

use super::RealCli;
use super::cases::{finish, is_gate, scripted};
use crate::backend::TestBackend;
use crate::models::scenario::{Failure, Pace, Reply, Scenario, Step, ToolCall, ToolStep};
use crate::wait::{PATIENCE, until};

/// What the model has said stands on the screen while it has not said all.
pub async fn a_stream_is_seen(cli: RealCli) {
    // A CLI may show whole lines only.
    let first = "The first half of it is here.\n\nAnd a line that is not yet ";
    let slow = Reply::steps(vec![Step::text(first), Step::gate("go"), Step::text("whole.")]);
    let models = scripted(vec![slow]).await;
    let backend = cli.backend(&models).await;
    let mut agent = backend.user().spawn_ready(cli.request()).await;
    let id = agent.tell("Take your time").await;
    models.wait_for("the answer to be half told", |log| log.iter().any(is_gate).then_some(())).await;
    until("the first half on the screen", PATIENCE, async || {
        let screen = agent.screen().await;
        if screen.contains("The first half of it is here.") { Ok(()) } else { Err(screen) }
    })
    .await;
    assert_eq!(agent.agent().await.status, AgentStatus::Busy);
    models.open("go");
    let answer = agent.answer_to(&id).await.content;
    assert_eq!(answer, format!("{first}whole."));
    finish(backend).await;
}

/// A file is edited once that is permitted; with `approvals: edits` nobody is asked.
pub async fn edits_are_permitted(cli: RealCli) {
    let models = scripted(Vec::new()).await;
    let backend = cli.backend(&models).await;
    let workdir = backend.directory().join("work");
    std::fs::create_dir_all(&workdir).expect("the directory can be written");
    // What Codex writes in its workdir it does not ask for, what Gemini would write elsewhere it may not.
    let asked_in = if cli == RealCli::Codex { backend.directory() } else { &workdir };
    let file = asked_in.join("asked.txt");
    models.replace(editing(cli, &file));
    let in_work = |name: &str, approvals| SpawnRequest {
        name: name.into(),
        workdir: Some(workdir.to_string_lossy().into_owned()),
        approvals: Some(approvals),
        ..cli.request()
    };
    let request = in_work("asking", Approvals::Ask);
    let mut agent = backend.user().spawn_ready(request).await;
    let id = agent.tell("Please write it").await;
    let attention = agent.asks(AttentionKind::Permission).await;
    let tool = attention.tool.clone().expect("the tool is told");
    assert!(tool.input.to_string().contains("the words of it"), "{tool:?}");
    assert!(attention.text.contains("asked.txt"), "{attention:?}");
    assert!(!file.exists(), "it waits");
    agent.chooses("yes").await;
    assert_eq!(agent.answer_to(&id).await.content, "It is written.");
    assert!(std::fs::read_to_string(&file).expect("it was written").contains("the words of it"));

    let unasked = workdir.join("unasked.txt");
    models.replace(editing(cli, &unasked));
    let mut agent = backend.user().spawn_ready(in_work("unasked", Approvals::Edits)).await;
    let id = agent.tell("Please write it").await;
    assert_eq!(agent.answer_to(&id).await.content, "It is written.");
    assert!(std::fs::read_to_string(&unasked).expect("it was written").contains("the words of it"));
    finish(backend).await;
}

/// A hook of the user's own sends Claude Code back to work: the answer is what it says last, and what it said first is told.
pub async fn a_hook_sends_it_back(cli: RealCli) {
    let first = Reply { times: Some(1), ..Reply::text("First.").to("Work") };
    let models = scripted(vec![first, Reply::text("Last.")]).await;
    let backend = cli.backend(&models).await;
    let home = backend.directory().join("claude");
    let block = r#"grep -q '"stop_hook_active":true' || printf '{"decision":"block","reason":"add tests"}'"#;
    let hooks = json!({"hooks": {"Stop": [{"hooks": [{"type": "command", "command": block}]}]}});
    std::fs::create_dir(&home).expect("the directory can be written");
    let onboarded = json!({"hasCompletedOnboarding": true});
    std::fs::write(home.join(".claude.json"), onboarded.to_string()).expect("the directory can be written");
    std::fs::write(home.join("settings.json"), hooks.to_string()).expect("the directory can be written");
    let mut request = cli.request();
    request.env.insert("CLAUDE_CONFIG_DIR".into(), home.to_string_lossy().as_ref().into());
    let mut agent = backend.user().spawn_ready(request).await;
    let asked = agent.tell("Work, please").await;
    let answer = agent.answer_to(&asked).await;
    assert_eq!(answer.content, "Last.");
    assert_eq!(answer.messages, ["First.", "Last."]);
    assert_eq!(agent.say("And now?").await, "Last.");
    finish(backend).await;
}

/// A provider that will give no more is told with its words; once it gives again, the next message is answered.
pub async fn a_quota_is_told(cli: RealCli) {
    let models = scripted(vec![Reply::text("Better.").to("Again"), exhausted(cli)]).await;
    let backend = cli.backend(&models).await;
    let mut request = cli.request();
    request.env.insert("CLAUDE_CODE_MAX_RETRIES".into(), "1".into());
    let mut agent = backend.user().spawn_ready(request).await;
    let id = agent.tell("Fail, please").await;
    let failed = agent
        .is("out of quota", |agent| {
            let asks = agent.attention.as_ref().is_some_and(|attention| !attention.options.is_empty());
            (agent.status == AgentStatus::Error || asks).then(|| agent.clone())
        })
        .await;
    // Gemini asks whether to go on trying.
    if let Some(attention) = failed.attention {
        assert_eq!(cli, RealCli::Gemini);
        assert!(attention.text.contains("limit reached"), "{attention:?}");
        agent.chooses("no").await;
    } else {
        let error = failed.error.expect("an agent in error says why");
        assert_eq!(error.code, "rate_limit", "{error:?}");
        // Codex has words of its own for it.
        let words = if cli == RealCli::Codex { "usage limit" } else { "no more for today" };
        assert!(error.message.contains(words), "{error:?}");
    }
    agent.message_is(&id, parallax_api::message::MessageState::Failed).await;
    assert_eq!(agent.say("Again").await, "Better.");
    finish(backend).await;
}

/// The refusal of each provider, as it says it.
fn exhausted(cli: RealCli) -> Reply {
    let words = "there is no more for today";
    let body = match cli {
        RealCli::Claude => json!({"type": "error", "error": {"type": "rate_limit_error", "message": words}}),
        RealCli::Codex => json!({"error": {"type": "usage_limit_reached", "message": words}}),
        RealCli::Gemini => {
            json!({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": words, "details": [{
                "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}],
            }]}})
        }
    };
    let failure = Failure { status: Some(429), body: Some(body), ..Failure::default() };
    Reply { error: Some(failure), ..Reply::default() }.to("Fail")
}

/// A model that writes a file when it is told to.
fn editing(cli: RealCli, file: &Path) -> Scenario {
    let (path, words) = (file.to_string_lossy(), "the words of it");
    let (name, input, raw) = match cli {
        RealCli::Claude => ("Write", json!({"file_path": path, "content": words}), None),
        RealCli::Gemini => ("write_file", json!({"file_path": path, "content": words}), None),
        RealCli::Codex => {
            let patch = format!("*** Begin Patch\n*** Add File: {path}\n+{words}\n*** End Patch\n");
            let program = format!("const r = await tools.apply_patch({});\ntext(String(r));", json!(patch));
            ("exec", json!({}), Some(program))
        }
    };
    let input = input.as_object().cloned().unwrap_or_default();
    let write = Step::tool(ToolStep::All(ToolCall { name: name.into(), input, raw }));
    let replies = vec![Reply::steps(vec![write]).to("write it"), Reply::text("It is written.").after_tool()];
    Scenario { defaults: Pace::instant(), replies, ..Scenario::default() }
}
