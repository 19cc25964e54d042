//! What the real CLIs ask, told whole and answered; and what people leave behind in front of a message.

use std::collections::BTreeMap;

use parallax_api::agent::Approvals;
use parallax_api::message::{AnswerRequest, Answers};
use parallax_api::terminal::InputRequest;
use parallax_api::{AgentStatus, AttentionKind, Code, SpawnRequest};
use serde_json::{Value, json};

use super::RealCli;
use super::cases::{finish, is_gate, scripted};
use crate::backend::TestBackend;
use crate::local::LocalBackend;
use crate::models::Models;
use crate::models::log::Entry;
use crate::models::scenario::{Pace, Reply, Scenario, Step, ToolCall, ToolStep};

/// Asks when it is told to, and has something to say afterwards.
async fn asking(cli: RealCli, questions: Value) -> Models {
    let tool = match cli {
        RealCli::Gemini => "ask_user",
        RealCli::Claude | RealCli::Codex => "AskUserQuestion",
    };
    let ask = call(tool, json!({"questions": questions}));
    scripted(vec![Reply::steps(vec![ask]).to("please ask"), Reply::text("Thanks.").after_tool()]).await
}

fn call(name: &str, input: Value) -> Step {
    let input = input.as_object().cloned().unwrap_or_default();
    Step::tool(ToolStep::All(ToolCall { name: name.into(), input, raw: None }))
}

fn choice(header: &str, multiple: bool, labels: &[&str]) -> Value {
    let options: Vec<Value> =
        labels.iter().map(|label| json!({"label": label, "description": format!("It is {label}")})).collect();
    json!({
        "question": format!("Which {header}?"), "header": header, "type": "choice",
        "multiSelect": multiple, "options": options,
    })
}

/// What the model got for its last tool.
fn tool_result(models: &Models) -> String {
    let mut requests = models.log().into_iter().filter_map(Entry::into_request);
    requests.rfind(|request| request.tool_result).expect("the tool had a result").body
}

/// Several questions at once, one with several choices, answered in one call.
pub async fn several_questions_are_answered_in_one_call(cli: RealCli) {
    let questions = json!([
        choice("Colour", false, &["Red", "Blue"]),
        choice("Targets", true, &["macOS", "Linux", "Windows"]),
    ]);
    let models = asking(cli, questions).await;
    let backend = cli.backend(&models).await;
    let mut agent = backend.user().spawn_ready(cli.request()).await;
    let asked = agent.tell("please ask").await;
    let attention = agent.asks(AttentionKind::Question).await;
    let told: Vec<_> =
        attention.questions.iter().map(|one| (one.id.as_str(), one.multiple, one.options.len())).collect();
    assert_eq!(told, [("colour", false, 2), ("targets", true, 3)]);
    assert_eq!(attention.options[1].description.as_deref(), Some("It is Blue"));
    let answers = BTreeMap::from([
        ("colour".to_owned(), Answers::One("blue".into())),
        ("targets".to_owned(), Answers::Several(vec!["macos".into(), "windows".into()])),
    ]);
    agent.answer(AnswerRequest { answers, ..AnswerRequest::default() }).await.expect("it is taken");
    assert_eq!(agent.answer_to(&asked).await.content, "Thanks.");
    let result = tool_result(&models);
    for chosen in ["Blue", "macOS", "Windows"] {
        assert!(result.contains(chosen), "{chosen}: {:.2000}", &result[result.len().saturating_sub(2000)..]);
    }
    finish(backend).await;
}

/// The same, part by part: each part is a question of its own, and the review at the end is one, too.
pub async fn questions_are_answered_one_by_one(cli: RealCli) {
    let questions =
        json!([choice("Colour", false, &["Red", "Blue"]), choice("Size", false, &["Small", "Large"])]);
    let models = asking(cli, questions).await;
    let backend = cli.backend(&models).await;
    let mut agent = backend.user().spawn_ready(cli.request()).await;
    let asked = agent.tell("please ask").await;
    let mut last = String::new();
    for (text, option) in
        [("Which Colour?", "blue"), ("Which Size?", "large"), ("Review your answers", "submit-answers")]
    {
        let attention = agent
            .is(&format!("asking {text}"), |agent| {
                let attention = agent.attention.clone()?;
                let offers = attention.options.iter().any(|offered| offered.id == option);
                (attention.text.contains(text) && offers).then_some(attention)
            })
            .await;
        if !last.is_empty() {
            let late = AnswerRequest::option(option).to(&last);
            let refused = agent.client.answer(&agent.id, &late).await.expect_err("it is over");
            assert_eq!(refused.code, Code::QuestionChanged);
        }
        agent.chooses(option).await;
        last = attention.id;
    }
    assert_eq!(agent.answer_to(&asked).await.content, "Thanks.");
    finish(backend).await;
}

/// Options with previews drawn beside them have the labels that the model gave them.
pub async fn previews_are_no_labels(cli: RealCli) {
    let preview = |name: &str| format!("```\nfn {name}_0() {{}}\nfn {name}_1() {{}}\n```");
    let option =
        |name: &str| json!({"label": name, "description": format!("It is {name}"), "preview": preview(name)});
    let questions = json!([{
        "question": "Which layout?", "header": "Layout", "multiSelect": false,
        "options": [option("alpha"), option("beta")],
    }]);
    let models = asking(cli, questions).await;
    let backend = cli.backend(&models).await;
    let mut agent = backend.user().spawn_ready(cli.request()).await;
    let asked = agent.tell("please ask").await;
    let attention = agent.asks(AttentionKind::Question).await;
    assert_eq!((attention.options[0].id.as_str(), attention.options[1].id.as_str()), ("alpha", "beta"));
    assert_eq!(attention.options[1].preview, Some(preview("beta")));
    agent.chooses("beta").await;
    assert_eq!(agent.answer_to(&asked).await.content, "Thanks.");
    assert!(tool_result(&models).contains("beta"));
    finish(backend).await;
}

/// A question that wants a text.
pub async fn a_question_wants_a_text(cli: RealCli) {
    let question =
        json!([{"question": "What name?", "header": "Name", "type": "text", "placeholder": "a name"}]);
    let models = asking(cli, question).await;
    let backend = cli.backend(&models).await;
    let mut agent = backend.user().spawn_ready(cli.request()).await;
    let asked = agent.tell("please ask").await;
    let attention = agent
        .is("asking for a name", |agent| {
            agent.attention.clone().filter(|attention| attention.kind.is_question())
        })
        .await;
    assert_eq!(attention.text, "What name?");
    agent.reply("Parallax, of course").await.expect("it takes text");
    assert_eq!(agent.answer_to(&asked).await.content, "Thanks.");
    assert!(tool_result(&models).contains("Parallax, of course"));
    finish(backend).await;
}

/// Own words instead of an option; even when they look like the number of one.
pub async fn own_words_are_an_answer(cli: RealCli) {
    let models = asking(cli, json!([choice("Number", false, &["Ten", "Twenty"])])).await;
    let backend = cli.backend(&models).await;
    let mut agent = backend.user().spawn_ready(cli.request()).await;
    let asked = agent.tell("please ask").await;
    agent.asks(AttentionKind::Question).await;
    agent.reply("1").await.expect("it takes text");
    assert_eq!(agent.answer_to(&asked).await.content, "Thanks.");
    let result = tool_result(&models);
    let told = &result[result.len().saturating_sub(4000)..];
    assert!(!told.contains("=\\\"Ten\\\"") && !told.contains("\\\"0\\\":\\\"Ten\\\""), "{told}");
    finish(backend).await;
}

/// A plan is told whole, and approved.
pub async fn a_plan_is_approved(cli: RealCli) {
    let models = scripted(vec![Reply::text("Hello.").to("hello")]).await;
    let backend = cli.backend(&models).await;
    let is_claude = cli == RealCli::Claude;
    let args = if is_claude { vec!["--permission-mode".into(), "plan".into()] } else { Vec::new() };
    let mut agent = backend.user().spawn_ready(SpawnRequest { args, ..cli.request() }).await;
    if !is_claude {
        // It has its mode from the keyboard: from the default to edits, to plans.
        for mode in ["auto-accept edits", "plan Shift+Tab"] {
            agent.press(&["shift-tab"]).await;
            crate::wait::until(mode, crate::wait::PATIENCE, async || {
                let screen = agent.screen().await;
                if screen.contains(mode) { Ok(()) } else { Err(screen) }
            })
            .await;
        }
    }
    agent.say("hello").await;
    let body = models.turns().pop().expect("the model was asked").body;
    let mut words = body.split(|char: char| char.is_whitespace() || "\"'`\\".contains(char));
    let directory = backend.directory().to_string_lossy();
    let named = |word: &&str| {
        word.contains("/plans/")
            && if is_claude { word.contains(".md") } else { word.starts_with(&*directory) }
    };
    let file = words.find(named).expect("the CLI says where its plan goes").trim_end_matches('.');
    let file = if is_claude { file.to_owned() } else { format!("{}/plan.md", file.trim_end_matches('/')) };
    let plan = "# Plan: add the widget\n\n1. Change a.py\n2. Add a test\n";
    let (write, leave) = if is_claude { ("Write", "ExitPlanMode") } else { ("write_file", "exit_plan_mode") };
    let write = call(write, json!({"file_path": file, "content": plan}));
    let leaving = if is_claude { json!({}) } else { json!({"plan_filename": "plan.md"}) };
    let written = vec![Step::text("Here is my plan."), call(leave, leaving)];
    models.replace(Scenario {
        defaults: Pace::instant(),
        replies: vec![
            Reply::steps(vec![write]).to("make a plan"),
            Reply { times: Some(1), ..Reply::steps(written).after_tool() },
            Reply::text("Going on.").after_tool(),
        ],
        ..Scenario::default()
    });
    let asked = agent.tell("make a plan").await;
    let attention = agent.asks(AttentionKind::Plan).await;
    assert!(attention.text.contains("widget") && attention.options.len() >= 2, "{attention:?}");
    assert_eq!(attention.tool.as_ref().map(|tool| tool.name.as_str()), Some(leave), "{attention:?}");
    assert_eq!(attention.plan.as_deref().map(str::trim), Some(plan.trim()), "{attention:?}");
    agent.chooses("yes").await;
    assert_eq!(agent.answer_to(&asked).await.content, "Going on.");
    finish(backend).await;
}

/// A command that runs on in the background leaves its agent free for messages, and is told.
pub async fn a_background_command_is_no_work(cli: RealCli) {
    let (command, why) = ("tail -f /dev/null", "Wait");
    let start = match cli {
        RealCli::Claude => {
            call("Bash", json!({"command": command, "description": why, "run_in_background": true}))
        }
        RealCli::Gemini => {
            call("run_shell_command", json!({"command": command, "description": why, "is_background": true}))
        }
        RealCli::Codex => {
            let call = json!({"cmd": command, "yield_time_ms": 250});
            let raw = Some(format!("const r = await tools.exec_command({call});\ntext(r.output);"));
            Step::tool(ToolStep::All(ToolCall { name: "exec".into(), input: Default::default(), raw }))
        }
    };
    let models = scripted(vec![
        Reply::steps(vec![start]).to("start the job"),
        Reply::text("Said it.").to_any("say it"),
        Reply::text("Started.").after_tool(),
    ])
    .await;
    let backend = cli.backend(&models).await;
    let request = SpawnRequest { approvals: Some(Approvals::All), ..cli.request() };
    let mut agent = backend.user().spawn_ready(request).await;
    assert_eq!(agent.say("start the job").await, "Started.");
    agent.becomes(AgentStatus::Ready).await;
    agent
        .is("telling of its command", |agent| {
            agent.activity.as_ref().filter(|activity| activity.background == 1).map(drop)
        })
        .await;
    assert_eq!(agent.say("say it").await, "Said it.");
    agent.becomes(AgentStatus::Ready).await;
    agent.interrupt().await;
    assert_eq!(agent.say("say it again").await, "Said it.");
    finish(backend).await;
}

/// A menu that somebody left open takes no message: it is closed, and nothing is chosen in it.
pub async fn a_message_is_not_typed_into_a_menu(cli: RealCli) {
    let models = scripted(vec![Reply::text("Said it.").to("say it")]).await;
    let backend = cli.backend(&models).await;
    let mut agent = backend.user().spawn_ready(cli.request()).await;
    assert_eq!(agent.say("say it").await, "Said it.");
    agent.becomes(AgentStatus::Ready).await;
    let typed = InputRequest { text: Some("/model".into()), keys: None };
    agent.client.input(&agent.id, &typed).await.expect("it takes keys");
    crate::wait::until("the command to show", crate::wait::PATIENCE, async || {
        let screen = agent.screen().await;
        if screen.contains("/model ") { Ok(()) } else { Err(screen) }
    })
    .await;
    agent.press(&["enter"]).await;
    agent
        .is("in a menu", |agent| {
            let attention = agent.attention.as_ref()?;
            let title = if cli == RealCli::Claude { "Select model" } else { "Select Model" };
            (attention.kind == AttentionKind::Unknown && attention.text.contains(title)).then_some(())
        })
        .await;
    assert_eq!(agent.say("say it once more").await, "Said it.");
    let screen = agent.screen().await;
    assert!(!screen.contains("as your default") && !screen.contains("Model changed"), "{screen}");
    assert!(cli != RealCli::Claude || screen.contains("Kept model"), "{screen}");
    finish(backend).await;
}

/// What the agent says before its last tool is told, and is no answer.
pub async fn what_is_said_before_a_tool_is_told(cli: RealCli) {
    let run = call("Bash", json!({"command": "true", "description": "Look"}));
    let models = scripted(vec![
        Reply::steps(vec![Step::text("All is well, but line 7 is wrong."), run]).to("review"),
        Reply::text("Done.").after_tool(),
    ])
    .await;
    let backend = cli.backend(&models).await;
    let request = SpawnRequest { approvals: Some(Approvals::All), ..cli.request() };
    let mut agent = backend.user().spawn_ready(request).await;
    let asked = agent.tell("review it").await;
    let answer = agent.answer_to(&asked).await;
    assert_eq!(answer.content, "Done.");
    assert_eq!(answer.messages, ["All is well, but line 7 is wrong.", "Done."]);
    finish(backend).await;
}

/// Tokens are those of the agent, before and after a restart.
pub async fn tokens_never_go_down(cli: RealCli) {
    let models = scripted(vec![Reply::text("Said it.").to("say it")]).await;
    let backend = cli.backend(&models).await;
    let mut agent = backend.user().spawn_ready(cli.request()).await;
    let mut before = 0;
    for _ in 0..3 {
        assert_eq!(agent.say("say it").await, "Said it.");
        before = crate::wait::until("more tokens to be told", crate::wait::PATIENCE, async || {
            let metrics = agent.client.metrics(&agent.id).await.expect("it has metrics");
            let input = metrics.tokens.map_or(0, |tokens| tokens.input);
            if input > before { Ok(input) } else { Err(input) }
        })
        .await;
        agent.restart(true).await;
        agent.becomes(AgentStatus::Ready).await;
    }
    finish(backend).await;
}

/// A server that was started by Claude Code itself has agents of its own, with conversations of their own.
pub async fn a_server_may_be_started_by_the_cli(cli: RealCli) {
    let models = scripted(vec![Reply::text("Said it.").to("say it")]).await;
    let mut env = cli.env(&models);
    let marks = [("CLAUDECODE", "1"), ("CLAUDE_CODE_CHILD_SESSION", "1"), ("CLAUDE_CODE_ENTRYPOINT", "cli")];
    env.extend(marks.map(|(name, value)| (name, value.to_owned())));
    let backend = LocalBackend::start_with(&[], &env, |home| cli.prepare(home, &models)).await;
    let mut agent = backend.user().spawn_ready(cli.request()).await;
    assert_eq!(agent.say("say it").await, "Said it.");
    agent.restart(true).await;
    agent.becomes(AgentStatus::Ready).await;
    assert_eq!(agent.say("say it again").await, "Said it.");
    assert!(models.turns().pop().expect("the model was asked").body.matches("say it").count() >= 2);
    finish(backend).await;
}

/// An interrupt ends its turn at the first call, right after another one.
pub async fn interrupts_in_a_row(cli: RealCli) {
    let endless = Reply::steps(vec![Step::text("Counting: one, "), Step::gate("never")]).to("Count");
    let models = scripted(vec![endless]).await;
    let backend = cli.backend(&models).await;
    let mut agent = backend.user().spawn_ready(cli.request()).await;
    for turn in 1..=3 {
        agent.tell("Count to a million").await;
        models
            .wait_for("the counting to begin", |log| {
                (log.iter().filter(|entry| is_gate(entry)).count() >= turn).then_some(())
            })
            .await;
        agent.becomes(AgentStatus::Busy).await;
        agent.interrupt().await;
        agent.becomes(AgentStatus::Ready).await;
    }
    finish(backend).await;
}
