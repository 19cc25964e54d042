//! Runs whose servers died, as the next server finds them.

use std::path::Path;

use parallax_api::execution::{Execution, ExecutionEventData as Data, ExecutionStatus};
use parallax_api::runtime::RuntimeKind;
use parallax_api::{Code, Time};
use parallax_store::sqlite::open_control_plane;
use parallax_store::{ControlPlaneStores, NewRun, RunEventRow};

use crate::plane::{Plane, ScriptedRuntime, within};

const SOURCE: &str = "name: deadly
structure: {roles: {a: {agentType: claude, managed: true}}}
workflow: {steps: [{id: work, type: assign, role: a, task: t}, {id: sign, type: approve, approver: user, subject: s}]}
";

fn row(seq: u64, data: Data) -> RunEventRow {
    RunEventRow { seq, data, at: Time::now() }
}

fn step(path: &str, id: &str) -> Data {
    Data::StepStarted {
        step: path.into(),
        id: Some(id.into()),
        r#type: "assign".into(),
        attempt: 1,
        role: None,
    }
}

/// The store of a server that is not there any more.
async fn stores(dir: &Path) -> ControlPlaneStores {
    open_control_plane(dir).await.unwrap()
}

/// A server begins a run, gets as far as these events, and dies.
async fn begins_and_dies(dir: &Path, id: &str, events: Vec<Data>) {
    let stores = stores(dir).await;
    let started =
        Data::ExecutionStarted { pattern: "deadly".into(), input: Default::default(), workdir: None };
    let run =
        NewRun { id: id.into(), pattern: "deadly".into(), source: SOURCE.into(), started: row(1, started) };
    assert!(stores.runs.create(run, 500).await.unwrap());
    let rows = (2..).zip(events).map(|(seq, data)| row(seq, data)).collect();
    stores.runs.append(id, rows).await.unwrap();
}

/// Another server takes the run, gets as far as resuming it, and dies.
async fn resumes_and_dies(dir: &Path, id: &str) {
    let stores = stores(dir).await;
    stores.runs.acquire(id).await.unwrap();
    let last = stores.runs.events(id, 0, 1000).await.unwrap().last().unwrap().seq;
    stores.runs.append(id, vec![row(last + 1, Data::ExecutionResumed { crashed: true })]).await.unwrap();
}

async fn ended(plane: &Plane, id: &str) -> Execution {
    within("the run ends", async {
        loop {
            let execution = plane.client.execution(id).await.unwrap();
            if execution.status != ExecutionStatus::Running {
                return execution;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

#[tokio::test]
async fn a_step_that_killed_two_servers_fails_its_run() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = ScriptedRuntime::start(RuntimeKind::Local).await;
    begins_and_dies(dir.path(), "deadly", vec![step("0", "work")]).await;
    resumes_and_dies(dir.path(), "deadly").await;
    let plane = Plane::start(dir.path(), vec![runtime.spec("local")]).await;
    let execution = ended(&plane, "deadly").await;
    assert_eq!(execution.status, ExecutionStatus::Failed);
    let fault = execution.error.unwrap();
    assert_eq!((fault.code.as_str(), fault.step.as_deref()), ("SERVER_DIED", Some("work")));
    assert!(fault.message.contains("2 times"), "{}", fault.message);
    assert!(execution.agents.is_empty(), "nothing was tried again");
    plane.stop().await;
}

#[tokio::test]
async fn a_run_that_waits_for_a_person_outlives_any_server() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = ScriptedRuntime::start(RuntimeKind::Local).await;
    let question = serde_json::from_value(serde_json::json!({
        "id": "1:approval", "kind": "approval", "step": "1", "text": "s",
        "options": [{"id": "approve", "label": "a"}, {"id": "reject", "label": "r"}],
    }));
    let done = Data::StepEnded {
        step: "0".into(),
        attempt: 1,
        status: parallax_api::execution::StepStatus::Completed,
        result: Some("r".into()),
        error: None,
        again: false,
    };
    let events =
        vec![step("0", "work"), done, step("1", "sign"), Data::QuestionAsked { question: question.unwrap() }];
    begins_and_dies(dir.path(), "patient", events).await;
    for _ in 0..5 {
        resumes_and_dies(dir.path(), "patient").await;
    }
    let plane = Plane::start(dir.path(), vec![runtime.spec("local")]).await;
    let answer =
        parallax_api::execution::ExecutionAnswer { option: Some("approve".into()), ..Default::default() };
    within("a person is asked", async {
        while plane.client.answer_execution("patient", &answer).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(ended(&plane, "patient").await.status, ExecutionStatus::Completed);
    plane.stop().await;
}

#[tokio::test]
async fn a_run_that_no_server_can_load_is_not_loaded_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = ScriptedRuntime::start(RuntimeKind::Local).await;
    begins_and_dies(dir.path(), "heavy", vec![]).await;
    for _ in 0..2 {
        stores(dir.path()).await.runs.acquire("heavy").await.unwrap();
    }
    let plane = Plane::start(dir.path(), vec![runtime.spec("local")]).await;
    assert_eq!(ended(&plane, "heavy").await.status, ExecutionStatus::Failed);
    let again = plane.client.cancel_execution("heavy").await;
    assert!(again.is_ok() || again.unwrap_err().code == Code::Conflict);
    plane.stop().await;
}

#[tokio::test]
async fn a_server_that_stops_is_no_death() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = ScriptedRuntime::start(RuntimeKind::Local).await;
    let sign = SOURCE.replace("{id: work, type: assign, role: a, task: t}, ", "");
    let plane = Plane::start(dir.path(), vec![runtime.spec("local")]).await;
    plane.client.put_pattern("deadly", &sign).await.unwrap();
    let id = plane.client.execute("k", "deadly", &Default::default()).await.unwrap();
    let mut plane = Some(plane);
    for _ in 0..3 {
        plane.take().unwrap().stop().await;
        plane = Some(Plane::start(dir.path(), vec![runtime.spec("local")]).await);
    }
    plane.unwrap().stop().await;
    let resumed: Vec<Data> = stores(dir.path())
        .await
        .runs
        .events(&id, 0, 1000)
        .await
        .unwrap()
        .into_iter()
        .map(|row| row.data)
        .filter(|data| matches!(data, Data::ExecutionResumed { .. }))
        .collect();
    assert_eq!(resumed, vec![Data::ExecutionResumed { crashed: false }; resumed.len()]);
    assert!(!resumed.is_empty());
}
