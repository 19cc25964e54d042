//! The three example patterns: what their agents say and what must come of it, with fake and with real agents.

use std::time::Duration;

use parallax_api::client::Client;
use parallax_api::execution::{Execution, ExecutionEventData, ExecutionStatus};

use super::{FollowedRun, Script, example};
use crate::backend::{ServerOptions, TestBackend};
use crate::local::LocalBackend;
use crate::server::Server;
use crate::user::User;

/// What the agents of `startup-team` say: the tester finds nothing.
pub const STARTUP_TEAM: Script = &[
    ("Plan this as two parts", "Back end: an API.\nFront end: a page."),
    ("Build the back end", "The API stands at $5 a month."),
    ("Build the front end", "The page stands."),
    ("Review what stands between the lines", "Nothing breaks.\nVERDICT: APPROVED"),
];

/// What those of `enterprise-review` say: security asks, the architect passes it on, the director knows.
pub const ENTERPRISE_REVIEW: Script = &[
    ("You are \"director\"", "Only with consent."),
    ("asks the question between the lines", "ESCALATE"),
    ("The answer to your question", "With consent it is safe.\nVERDICT: APPROVED"),
    ("You are \"security\"", "QUESTION: May names be stored?"),
    ("You are \"performance\"", "It is fast.\nVERDICT: APPROVED"),
    ("Review what stands between the lines", "It fits.\nVERDICT: APPROVED"),
    ("Write one paragraph", "All three found it good."),
];

/// What those of `pair-programming` say: the first draft is sent back.
pub const PAIR_PROGRAMMING: Script = &[
    ("How would you go about this", "Step by step."),
    ("Sum up", "An empty program, with a test."),
    ("Mend this", "I added a test."),
    ("fn main() {}", "A test is missing.\nVERDICT: REJECTED"),
    ("I added a test", "Now it is right.\nVERDICT: APPROVED"),
    ("Write this", "fn main() {}"),
];

/// `startup-team`, from the task to a person's approval.
pub async fn startup_team(client: &Client) -> Execution {
    let task = serde_json::json!({"task": "a shop for $5 ${items}"});
    let mut run = FollowedRun::start(client, &example("startup-team"), task).await;
    let question = run.asks_user().await;
    assert!(question.text.contains("Nothing breaks."), "{question:#?}");
    run.chooses(&question, "approve").await;
    let execution = run.ends().await;
    let output = execution.output.clone().unwrap_or_else(|| panic!("{execution:#?}"));
    assert_eq!(output["plan"], "Back end: an API.\nFront end: a page.");
    assert_eq!(output["backend"], "The API stands at $5 a month.");
    assert_eq!(output["test"], "approved");
    assert_eq!(execution.metrics.agents, 4, "a founder, two engineers at once, a tester: {execution:#?}");
    let said = run.seen().iter().any(|event| {
        matches!(&event.data, ExecutionEventData::MessageSent { text, .. } if text.contains("a shop for $5 ${items}"))
    });
    assert!(said, "what looks like a variable stays text");
    run.was_said_once().await;
    execution
}

/// `enterprise-review`, with a question that climbs two levels.
pub async fn enterprise_review(client: &Client) -> Execution {
    let change = serde_json::json!({"change": "Store the names of visitors."});
    let mut run = FollowedRun::start(client, &example("enterprise-review"), change).await;
    let execution = run.ends().await;
    let output = execution.output.clone().unwrap_or_else(|| panic!("{execution:#?}"));
    assert_eq!((&output["decision"], &output["votes"]), (&"approved".into(), &3.into()));
    assert_eq!(output["summary"], "All three found it good.");
    let routed: Vec<&[String]> = run
        .seen()
        .iter()
        .filter_map(|event| match &event.data {
            ExecutionEventData::QuestionRouted { to, .. } => Some(to.as_slice()),
            _ => None,
        })
        .collect();
    assert_eq!(routed, [["architect".to_owned()], ["director".to_owned()]], "two levels up");
    let answered = run.seen().iter().any(
        |event| matches!(&event.data, ExecutionEventData::QuestionAnswered { by, .. } if by == "director"),
    );
    assert!(answered);
    let security = execution.agents.iter().find(|member| member.role == "security").expect("it was there");
    let heard = run.sent_to(&security.agent_id).await;
    assert!(heard.iter().any(|text| text.contains("Only with consent.")), "{heard:#?}");
    run.was_said_once().await;
    execution
}

/// `pair-programming`, with a draft that is sent back once.
pub async fn pair_programming(client: &Client) -> Execution {
    let task = serde_json::json!({"task": "an empty program"});
    let mut run = FollowedRun::start(client, &example("pair-programming"), task).await;
    let execution = run.ends().await;
    assert_eq!(execution.output, Some("An empty program, with a test.".into()), "{execution:#?}");
    let second = execution.steps.iter().find(|step| step.id.as_deref() == Some("second-look"));
    assert_eq!(
        second.and_then(|step| step.result.as_ref()).map(|result| &result["approved"]),
        Some(&true.into())
    );
    assert_eq!(execution.metrics.agents, 2, "each stays for the whole run");
    run.was_said_once().await;
    execution
}

/// `startup-team` with a control plane of its own that is killed three times in the middle, once together with the runtime:
/// the run goes on with the same agents, and no agent is asked twice.
pub async fn survives_three_kills(backend: &LocalBackend) -> Execution {
    let state = backend.directory().join("plane");
    let mut plane = Server::new("parallax-control-plane", backend.directory()).args(&[
        "--state-dir",
        &state.to_string_lossy(),
        "--local-runtime-url",
        &backend.url(),
    ]);
    plane.start(&[]).await;
    let client = User::of_control_plane(&plane.url()).client;
    let task = serde_json::json!({"task": "a shop"});
    let mut run = FollowedRun::start(&client, &example("startup-team"), task).await;
    let sent = |words: &'static str| {
        move |data: &ExecutionEventData| {
            matches!(data, ExecutionEventData::MessageSent { text, .. } if text.contains(words)).then_some(())
        }
    };
    run.event("the plan to be asked for", sent("Plan this as two parts")).await;
    plane.kill().await;
    plane.start(&[]).await;
    run.event("the back end to be asked for", sent("Build the back end")).await;
    plane.kill().await;
    backend.kill_server().await;
    // The answer may come while no server is there to publish it.
    tokio::time::sleep(Duration::from_secs(2)).await;
    backend.start_server(ServerOptions::default()).await;
    plane.start(&[]).await;
    let question = run.asks_user().await;
    plane.kill().await;
    plane.start(&[]).await;
    run.chooses(&question, "approve").await;
    let execution = run.ends().await;

    assert_eq!(execution.status, ExecutionStatus::Completed, "{execution:#?}");
    let resumed = |data: &ExecutionEventData| matches!(data, ExecutionEventData::ExecutionResumed { .. });
    assert_eq!(run.seen().iter().filter(|event| resumed(&event.data)).count(), 3);
    assert_eq!(execution.metrics.agents, 4, "the same agents all along: {execution:#?}");
    let asked = run.seen().iter().filter(|event| event.data.name() == "question_asked").count();
    assert_eq!(asked, 1, "nobody is asked twice");
    run.was_said_once().await;
    plane.end().await;
    execution
}
