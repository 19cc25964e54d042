//! Org-chart patterns, the whole way: control plane, runtime, and agents that say what they are scripted to.

mod dialogs;

use std::time::Duration;

use parallax_api::execution::{
    ExecutionAnswer, ExecutionEventData as Data, ExecutionStatus, ExecutionsQuery, QuestionKind,
};
use parallax_api::{AgentStatus, Code, SpawnRequest};
use parallax_testkit::backend::{TestBackend, fake};
use parallax_testkit::local::{Directory, LocalBackend, write_fake_as};
use parallax_testkit::pattern_run::teams::{
    ENTERPRISE_REVIEW, PAIR_PROGRAMMING, STARTUP_TEAM, enterprise_review, pair_programming, startup_team,
    survives_three_kills,
};
use parallax_testkit::pattern_run::{FollowedRun, cost, write_lines};
use parallax_testkit::processes;
use parallax_testkit::up::Up;
use parallax_testkit::user::Spawned;
use parallax_testkit::wait::{PATIENCE, until};
use serde_json::json;

/// `parallax up` where every agent type is the fake agent with this script.
async fn company(script: &[(&str, &str)]) -> (Directory, Up) {
    let directory = Directory::new();
    for name in ["claude", "codex", "gemini"] {
        write_fake_as(directory.path(), name);
    }
    let lines = write_lines(directory.path(), script);
    let up = Up::start(&directory, &[("FAKE_AGENT_LINES", lines)]).await;
    (directory, up)
}

/// An agent that the role `guest` takes.
async fn visitor(up: &Up) -> Spawned {
    let visitor = SpawnRequest { capabilities: vec!["visiting".into()], ..fake("visitor", &[]) };
    up.user().spawn_ready(visitor).await
}

/// Ends it, and looks for what is left.
async fn close(directory: Directory, mut up: Up) {
    until("everything that agents left behind to be gone", PATIENCE, async || {
        let mut left = processes::within_directory(directory.path());
        left.retain(|process| Some(process.pid) != up.server.pid());
        if left.is_empty() { Ok(()) } else { Err(left) }
    })
    .await;
    up.server.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_startup_team() {
    let (directory, up) = company(STARTUP_TEAM).await;
    println!("{}", cost(&startup_team(&up.user().client).await));
    close(directory, up).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_enterprise_review() {
    let (directory, up) = company(ENTERPRISE_REVIEW).await;
    println!("{}", cost(&enterprise_review(&up.user().client).await));
    close(directory, up).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pair_programmers() {
    let (directory, up) = company(PAIR_PROGRAMMING).await;
    println!("{}", cost(&pair_programming(&up.user().client).await));
    close(directory, up).await;
}

/// A team of fake agents with these steps.
fn team(steps: &str) -> String {
    format!(
        "name: team
structure:
  roles:
    lead: {{agentType: fake, managed: true, singleton: true}}
    dev: {{agentType: [nobody-has-this, fake], managed: true, maxInstances: 2, reportsTo: lead}}
    careful: {{agentType: fake, managed: true, reportsTo: lead, permissionsAnsweredBy: [lead]}}
    guest: {{capabilities: [visiting]}}
workflow:
  steps:
{steps}"
    )
}

const WORKING: &[(&str, &str)] = &[
    ("asks the question between the lines", "I say:\nANSWER: blue"),
    ("paint", "!choose red|blue"),
    ("touch", "!ask touch a file"),
    ("sleep", "!wait 60000\nawake"),
    ("crash", "!crash 3"),
    ("greet", "hello"),
    ("slowly", "!wait 300\ndone slowly"),
];

/// A control plane is killed three times in the middle: the run goes on with the same agents, and no agent is asked twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_survives_three_kills() {
    let script: Vec<(&str, &str)> = STARTUP_TEAM
        .iter()
        .map(|(words, answer)| match *words {
            "Plan this as two parts" => (*words, "!wait 700\nBack end: an API.\nFront end: a page."),
            "Build the back end" => (*words, "!wait 1500\nThe API stands at $5 a month."),
            _ => (*words, *answer),
        })
        .collect();
    let lines_directory = Directory::new();
    let lines = write_lines(lines_directory.path(), &script);
    let backend = LocalBackend::start_with(&[], &[("FAKE_AGENT_LINES", lines)], |home| {
        for name in ["claude", "codex", "gemini"] {
            write_fake_as(home, name);
        }
    })
    .await;
    println!("{}", cost(&survives_three_kills(&backend).await));
    backend.end_server().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_choice_goes_up_and_a_permission_to_a_person() {
    let (directory, up) = company(WORKING).await;
    let steps = team(
        "    - {id: paint, type: assign, role: dev, task: paint}
    - {id: touch, type: assign, role: dev, task: touch}
  output: {paint: '${paint}', touch: '${touch}'}",
    );
    let mut run = FollowedRun::start(&up.user().client, &steps, json!({})).await;
    let question = run.asks_user().await;
    assert_eq!(
        question.kind,
        QuestionKind::Permission,
        "the choice was the lead's, this is not: {question:#?}"
    );
    let unknown = ExecutionAnswer { option: Some("perhaps".into()), ..ExecutionAnswer::default() };
    let refused = run.client.answer_execution(&run.id, &unknown).await.expect_err("no option");
    assert_eq!((refused.code, &refused.more["field"]), (Code::Validation, &json!("option")));
    run.chooses(&question, "yes").await;
    let execution = run.ends().await;
    assert_eq!(
        execution.output,
        Some(json!({"paint": "chose blue", "touch": "permitted"})),
        "{execution:#?}"
    );
    let late = run.client.answer_execution(&run.id, &unknown).await.expect_err("it is over");
    assert_eq!(late.code, Code::Conflict);
    close(directory, up).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_may_let_another_permit() {
    let script: Vec<(&str, &str)> = [("asks the question between the lines", "ANSWER: yes")]
        .into_iter()
        .chain(WORKING.iter().copied().skip(1))
        .collect();
    let (directory, up) = company(&script).await;
    let steps = team("    - {type: assign, role: careful, task: touch}");
    let mut run = FollowedRun::start(&up.user().client, &steps, json!({})).await;
    let execution = run.ends().await;
    assert_eq!(execution.output, Some(json!("permitted")), "{execution:#?}");
    let by: Vec<&String> = run
        .seen()
        .iter()
        .filter_map(|event| match &event.data {
            Data::QuestionAnswered { by, .. } => Some(by),
            _ => None,
        })
        .collect();
    assert_eq!(by, ["lead"]);
    close(directory, up).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_the_agents_are_gone() {
    let (directory, up) = company(WORKING).await;
    let client = up.user().client;
    // The names are no words of the script: agents hear the name of their team.
    for (name, step, code) in [
        ("breaks", "{type: assign, role: dev, task: crash, retries: 1}", "AGENT_STOPPED"),
        ("late", "{type: assign, role: dev, task: sleep, timeoutMs: 1500}", "TIMEOUT"),
        (
            "bad",
            "{type: condition, if: '${greeting} > 3', then: [{type: assign, role: dev, task: greet}]}",
            "TYPE_ERROR",
        ),
        ("nobody", "{type: assign, role: guest, task: greet}", "AGENT_NOT_FOUND"),
    ] {
        let steps = format!(
            "    - {{id: greeting, type: assign, role: dev, task: greet}}
    - {step}"
        );
        let source = team(&steps).replacen("name: team", &format!("name: {name}"), 1);
        let execution = FollowedRun::start(&client, &source, json!({})).await.ends().await;
        let error = execution.error.clone().unwrap_or_else(|| panic!("{execution:#?}"));
        assert_eq!(
            (execution.status, error.code.as_str()),
            (ExecutionStatus::Failed, code),
            "{execution:#?}"
        );
    }
    let cancelled = team(
        "    - {type: parallel, steps: [{type: assign, role: dev, task: sleep}, {type: assign, role: dev, task: sleep}]}",
    );
    let mut run = FollowedRun::start(&client, &cancelled, json!({})).await;
    for _ in 0..2 {
        run.event("both to be at work", |data| matches!(data, Data::MessageSent { .. }).then_some(())).await;
    }
    let began = std::time::Instant::now();
    let ended = client.cancel_execution(&run.id).await.expect("a run can be cancelled");
    assert_eq!(ended.status, ExecutionStatus::Cancelled);
    assert!(began.elapsed() < Duration::from_secs(12), "within the grace: {:?}", began.elapsed());
    run.ends().await;
    let again = client.cancel_execution(&run.id).await.expect("and again");
    assert_eq!(again.status, ExecutionStatus::Cancelled);
    let failed = ExecutionsQuery { status: Some(ExecutionStatus::Failed), ..ExecutionsQuery::default() };
    assert_eq!(client.executions(&failed).await.expect("a list").executions.len(), 4);
    close(directory, up).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_grow_with_the_work_and_shrink_after() {
    let (directory, up) = company(WORKING).await;
    let branch = "{type: assign, role: dev, task: slowly}";
    let steps = team(&format!(
        "    - {{type: parallel, steps: [{branch}, {branch}, {branch}, {branch}]}}
    - {{type: assign, role: dev, task: slowly}}"
    ));
    let mut run = FollowedRun::start(&up.user().client, &steps, json!({})).await;
    let execution = run.ends().await;
    assert_eq!(execution.status, ExecutionStatus::Completed, "{execution:#?}");
    assert_eq!((execution.metrics.agents, execution.metrics.agents_at_once), (2, 2), "{execution:#?}");
    let left_early = run.seen().iter().any(|event| {
        matches!(&event.data, Data::AgentLeft { reason, .. } if reason == "there is nothing more for it to do")
    });
    assert!(left_early, "{:#?}", run.seen());
    assert_eq!(execution.output, Some(json!("done slowly")));
    close(directory, up).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn running_agents_are_taken_by_capability_and_left_alone() {
    let (directory, up) = company(WORKING).await;
    let mut visitor = visitor(&up).await;
    let steps = team("    - {type: assign, role: guest, task: greet}");
    let mut run = FollowedRun::start(&up.user().client, &steps, json!({})).await;
    let execution = run.ends().await;
    assert_eq!(execution.output, Some(json!("hello")), "{execution:#?}");
    assert_eq!(execution.agents[0].agent_id, visitor.id);
    visitor.becomes(AgentStatus::Ready).await;
    assert_eq!(visitor.say("greet").await, "hello");
    visitor.stop().await;
    close(directory, up).await;
}
