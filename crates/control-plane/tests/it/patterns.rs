//! The library of patterns, and what is refused before a run. Runs with agents are in the top-level `tests/`.

use crate::plane::{Plane, one_runtime, within};
use futures::StreamExt;
use parallax_api::client::Retry;
use parallax_api::execution::{ExecutionAnswer, ExecutionEventData, ExecutionStatus};
use parallax_api::pattern::ExecuteRequest;
use parallax_api::{Code, Problem};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

/// A pattern that needs no agent: a person decides.
const SIGN: &str = "name: sign
description: A person signs.
inputs:
  what: {description: What to sign}
  times: {type: number, default: 1}
structure:
  roles:
    clerk: {agentType: claude, managed: true}
workflow:
  steps:
    - {id: sign, type: approve, approver: user, subject: 'Sign ${input.what} for $5?'}
  output: ${sign.comments}
";

async fn post(plane: &Plane, path: &str, kind: &str, body: &str) -> (u16, Value) {
    let request = reqwest::Client::new().post(plane.url(path)).header("content-type", kind);
    let answer = request.body(body.to_owned()).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn start(plane: &Plane, input: Value) -> Result<String, Problem> {
    let run = ExecuteRequest { input: serde_json::from_value(input).unwrap(), workdir: None };
    plane.client.execute(&uuid::Uuid::new_v4().to_string(), "sign", &run).await
}

#[tokio::test]
async fn the_library_keeps_files() {
    let (_dir, _runtime, plane) = one_runtime().await;
    let (status, stored) = post(&plane, "/api/patterns", "application/yaml", SIGN).await;
    assert_eq!((status, &stored["name"], &stored["source"]), (201, &json!("sign"), &json!(SIGN)), "{stored}");
    assert_eq!(stored["inputs"]["what"]["required"], true);
    let (status, problem) = post(&plane, "/api/patterns", "application/yaml", SIGN).await;
    assert_eq!((status, &problem["code"]), (409, &json!("CONFLICT")));

    let replaced = plane.client.put_pattern("sign", &SIGN.replace("A person signs.", "Anew.")).await.unwrap();
    assert_eq!(replaced.info.description.as_deref(), Some("Anew."));
    let elsewhere = plane.client.put_pattern("other", SIGN).await.unwrap_err();
    assert_eq!((elsewhere.code, &elsewhere.more["field"]), (Code::Validation, &json!("name")));
    let list = plane.client.patterns().await.unwrap().patterns;
    assert_eq!(list.iter().map(|info| info.name.as_str()).collect::<Vec<_>>(), ["sign"]);
    plane.client.delete_pattern("sign").await.unwrap();
    assert_eq!(plane.client.pattern("sign").await.unwrap_err().code, Code::NotFound);
    assert_eq!(plane.client.delete_pattern("sign").await.unwrap_err().code, Code::NotFound);
}

#[tokio::test]
async fn a_file_that_is_wrong_is_refused_with_everything_that_is() {
    let (_dir, _runtime, plane) = one_runtime().await;
    let bad =
        SIGN.replace("approver: user", "approver: clark").replace("${sign.comments}", "${sing.comments}");
    let (status, validation) = post(&plane, "/api/patterns/validate", "application/yaml", &bad).await;
    assert_eq!((status, &validation["valid"]), (200, &json!(false)));
    let errors = validation["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert_eq!(
        (&errors[0]["line"], &errors[0]["field"], &errors[0]["suggestion"]),
        (&json!(11), &json!("workflow.steps[0].approver"), &json!("did you mean `clerk`?"))
    );
    let (status, problem) = post(&plane, "/api/patterns", "application/yaml", &bad).await;
    assert_eq!((status, &problem["code"]), (400, &json!("VALIDATION_ERROR")));
    assert_eq!(problem["errors"], validation["errors"]);
    let good = post(&plane, "/api/patterns/validate", "text/yaml; charset=utf-8", SIGN).await;
    let clerk = json!({"name": "clerk", "managed": true, "types": ["claude"], "most": 1});
    assert_eq!(good, (200, json!({"valid": true, "errors": [], "chart": {"roles": [clerk]}})));
    let (status, problem) = post(&plane, "/api/patterns", "text/plain", SIGN).await;
    assert_eq!((status, &problem["code"]), (415, &json!("UNSUPPORTED_MEDIA_TYPE")));
    let huge = format!("# {}\n{SIGN}", "x".repeat(300_000));
    assert_eq!(post(&plane, "/api/patterns", "application/yaml", &huge).await.0, 413);

    let schema: Value =
        reqwest::get(plane.url("/api/patterns/schema.json")).await.unwrap().json().await.unwrap();
    assert_eq!(schema["title"], "Parallax org-chart pattern");
}

#[tokio::test]
async fn a_person_approves_and_everything_is_told() {
    let (_dir, _runtime, plane) = one_runtime().await;
    plane.client.put_pattern("sign", SIGN).await.unwrap();
    for (input, field) in [
        (json!({}), "input.what"),
        (json!({"what": 5}), "input.what"),
        (json!({"what": "x", "times": "twice"}), "input.times"),
        (json!({"what": "x", "wat": "y"}), "input.wat"),
    ] {
        let refused = start(&plane, input).await.unwrap_err();
        assert_eq!((refused.code, &refused.more["field"]), (Code::Validation, &json!(field)));
    }
    let id = start(&plane, json!({"what": "${x}"})).await.unwrap();
    let mut events = plane.client.execution_events(&id, None, Retry::NEVER);
    let mut told = Vec::new();
    let asked = within("a person is asked", async {
        loop {
            let event = events.next().await.unwrap().unwrap();
            told.push(event.id.clone());
            if let ExecutionEventData::QuestionRouted { id, .. } = event.data {
                return id;
            }
        }
    })
    .await;
    let shown = plane.client.execution(&id).await.unwrap();
    assert_eq!(shown.questions[0].question.text, "Sign ${x} for $5?");
    assert!(shown.questions[0].for_user);
    let answer = |option: &str| ExecutionAnswer {
        question_id: Some(asked.clone()),
        option: Some(option.into()),
        text: Some("gladly".into()),
    };
    assert_eq!(
        plane.client.answer_execution(&id, &answer("maybe")).await.unwrap_err().code,
        Code::Validation
    );
    let unknown = ExecutionAnswer { question_id: Some("nothing".into()), ..answer("approve") };
    assert_eq!(plane.client.answer_execution(&id, &unknown).await.unwrap_err().code, Code::NotFound);
    plane.client.answer_execution(&id, &answer("approve")).await.unwrap();
    within("the run ends", async {
        while let Some(event) = events.next().await.unwrap() {
            told.push(event.id.clone());
        }
    })
    .await;
    let ended = plane.client.execution(&id).await.unwrap();
    assert_eq!((ended.status, ended.output), (ExecutionStatus::Completed, Some(json!("gladly"))));
    assert_eq!(
        told,
        (1..=told.len()).map(|number| number.to_string()).collect::<Vec<_>>(),
        "each once, in order"
    );

    // The same over a WebSocket that comes late, and goes on after the third.
    let url = plane.socket_url(&format!("/api/executions/{id}/events?since=3"));
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    let mut again = Vec::new();
    while let Some(Ok(frame)) = within("a frame comes", socket.next()).await {
        match frame {
            Message::Text(text) => {
                let event: Value = serde_json::from_str(&text).unwrap();
                again.push(event["id"].as_str().unwrap().to_owned());
            }
            Message::Close(frame) => {
                assert_eq!(u16::from(frame.unwrap().code), 1000);
                break;
            }
            _ => {}
        }
    }
    assert_eq!(again, told[3..]);
    let nothing = reqwest::get(plane.url("/api/executions/none/events")).await.unwrap();
    assert_eq!(nothing.status(), 404);
    let odd = reqwest::get(plane.url(&format!("/api/executions/{id}/events?since=x"))).await.unwrap();
    assert_eq!(odd.status(), 400);
}

#[tokio::test]
async fn a_key_runs_once_and_a_rejection_closes_the_gate() {
    let (_dir, _runtime, plane) = one_runtime().await;
    plane.client.put_pattern("sign", SIGN).await.unwrap();
    let run = ExecuteRequest { input: [("what".to_owned(), json!("x"))].into(), workdir: None };
    let first = plane.client.execute("k", "sign", &run).await.unwrap();
    assert_eq!(plane.client.execute("k", "sign", &run).await.unwrap(), first);
    let other = ExecuteRequest { input: [("what".to_owned(), json!("y"))].into(), workdir: None };
    assert_eq!(plane.client.execute("k", "sign", &other).await.unwrap_err().code, Code::IdempotencyConflict);

    let path = "/api/patterns/sign/execute?wait=true&timeoutMs=20000";
    let waiting = reqwest::Client::new().post(plane.url(path)).header("idempotency-key", "k").json(&run);
    let waiting = tokio::spawn(waiting.send());
    let answer =
        ExecutionAnswer { option: Some("reject".into()), text: Some("not this".into()), question_id: None };
    within("the question is there", async {
        while plane.client.answer_execution(&first, &answer).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let ended: Value = within("the run ends", waiting).await.unwrap().unwrap().json().await.unwrap();
    assert_eq!((&ended["id"], &ended["status"]), (&json!(first), &json!("failed")), "{ended}");
    assert_eq!(ended["error"]["code"], "REJECTED");
    assert!(ended["error"]["message"].as_str().unwrap().contains("not this"), "{ended}");
    assert!(ended["metrics"]["durationMs"].is_number() && ended["steps"][0]["status"] == "failed", "{ended}");
}

#[tokio::test]
async fn a_run_goes_on_with_the_next_server() {
    let (dir, runtime, plane) = one_runtime().await;
    plane.client.put_pattern("sign", SIGN).await.unwrap();
    let id = start(&plane, json!({"what": "x"})).await.unwrap();
    let path = "/api/patterns/sign/execute?wait=true&timeoutMs=1";
    let late = reqwest::Client::new().post(plane.url(path)).json(&json!({"input": {"what": "z"}}));
    let late: Value = late.send().await.unwrap().json().await.unwrap();
    assert_eq!(late["code"], "TIMEOUT");
    let other = late["executionId"].as_str().unwrap().to_owned();
    plane.stop().await;

    let plane = Plane::start(dir.path(), vec![runtime.spec("local")]).await;
    let shown = plane.client.execution(&id).await.unwrap();
    assert_eq!(shown.status, ExecutionStatus::Running);
    let cancelled = plane.client.cancel_execution(&other).await.unwrap();
    assert_eq!(cancelled.status, ExecutionStatus::Cancelled);
    let answer = ExecutionAnswer { option: Some("approve".into()), ..ExecutionAnswer::default() };
    plane.client.answer_execution(&id, &answer).await.unwrap();
    let mut events = plane.client.execution_events(&id, None, Retry::NEVER);
    let mut asked = 0;
    within("the run ends", async {
        while let Some(event) = events.next().await.unwrap() {
            asked += usize::from(matches!(event.data, ExecutionEventData::QuestionAsked { .. }));
        }
    })
    .await;
    assert_eq!(asked, 1, "nobody is asked twice");
    assert_eq!(plane.client.execution(&id).await.unwrap().status, ExecutionStatus::Completed);
    let list = plane.client.executions(&Default::default()).await.unwrap().executions;
    assert_eq!(list.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), [other.as_str(), id.as_str()]);
}

/// A pattern whose condition has `terms` terms.
fn with_chain(terms: usize) -> String {
    format!(
        "name: chain\nstructure:\n  roles:\n    a: {{agentType: shell, managed: true, capabilities: [x]}}\nworkflow:\n  steps:\n    \
         - {{type: assign, id: one, role: a, task: hi}}\n    - type: condition\n      id: c\n      if: \"{}\"\n      \
         then: [{{type: assign, role: a, task: x}}]\n",
        vec!["true"; terms].join("&&")
    )
}

#[tokio::test]
async fn hostile_files_are_answered_and_others_are_served_meanwhile() {
    let (_dir, _runtime, plane) = one_runtime().await;
    for terms in [4000, 6000, 40_000] {
        let (status, answer) =
            post(&plane, "/api/patterns/validate", "application/yaml", &with_chain(terms)).await;
        assert_eq!((status, &answer["valid"]), (200, &json!(true)), "{terms}");
    }
    let (status, _) = post(&plane, "/api/patterns", "application/yaml", &with_chain(6000)).await;
    assert_eq!(status, 201);
    let nested = with_chain(1).replace("\"true\"", &format!("\"{}true\"", "(".repeat(100_000)));
    let (status, answer) = post(&plane, "/api/patterns/validate", "application/yaml", &nested).await;
    assert_eq!(status, 200);
    assert_eq!(answer["errors"][0]["field"], "workflow.steps[1].if", "{answer}");
    assert!(answer["errors"][0]["message"].as_str().unwrap().contains("within each other"), "{answer}");
    plane.client.health().await.unwrap();
}

#[tokio::test]
async fn a_text_that_no_message_may_hold_fails_the_run() {
    let (dir, runtime, plane) = one_runtime().await;
    for references in [1000, 20_000] {
        let source = format!(
            "name: bomb\ninputs: {{x: {{type: text}}}}\nstructure: {{roles: {{a: {{agentType: shell, managed: true}}}}}}\n\
             workflow:\n  steps:\n    - {{type: assign, id: one, role: a, task: \"{}\"}}\n",
            "${input.x}".repeat(references)
        );
        plane.client.put_pattern("bomb", &source).await.unwrap();
        let input = [("x".to_owned(), json!("A".repeat(1_000_000)))].into();
        let run = ExecuteRequest { input, workdir: None };
        let id = plane.client.execute(&format!("k{references}"), "bomb", &run).await.unwrap();
        let mut events = plane.client.execution_events(&id, None, Retry::NEVER);
        within("the run ends", async { while events.next().await.unwrap().is_some() {} }).await;
        let ended = plane.client.execution(&id).await.unwrap();
        assert_eq!(ended.status, ExecutionStatus::Failed);
        let fault = ended.error.unwrap();
        assert_eq!((fault.code.as_str(), fault.step.as_deref()), ("PAYLOAD_TOO_LARGE", Some("one")));
        assert!(fault.message.contains("1048576 bytes"), "{}", fault.message);
    }
    plane.stop().await;
    let plane = Plane::start(dir.path(), vec![runtime.spec("local")]).await;
    assert!(plane.client.executions(&Default::default()).await.unwrap().executions.len() == 2);
}
