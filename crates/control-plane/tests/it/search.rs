//! The index of what agents were told and said: the whole of a long history, and nothing of an agent that is gone.

use parallax_api::client::ListFilter;
use parallax_api::search::Hits;
use parallax_api::{AgentStatus, Problem};

use crate::plane::{Plane, one_runtime, until};

async fn found(plane: &Plane, words: &str) -> Hits {
    let url = plane.url(&format!("/api/search?q={words}"));
    reqwest::get(url).await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn a_long_history_is_found_until_its_agent_is_gone() {
    let (_dir, runtime, plane) = one_runtime().await;
    let texts: Vec<String> = (0..1300).map(|number| format!("said number{number}")).collect();
    runtime.keeps("a1", &texts);
    runtime.shows(&["a line of the log"]);
    runtime.becomes("a1", AgentStatus::Ready).await;
    for words in ["number0", "number700", "number1299", "line"] {
        until(words, async || found(&plane, words).await.hits.len() == 1).await;
    }
    assert_eq!(found(&plane, "line").await.incomplete, []);

    // More lines at once than are read: that is told.
    let lines: Vec<String> = (0..10_000).map(|number| format!("row{number}")).collect();
    runtime.shows(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    runtime.becomes("a1", AgentStatus::Busy).await;
    runtime.becomes("a1", AgentStatus::Ready).await;
    until("that lines are missing", async || !found(&plane, "row9999").await.incomplete.is_empty()).await;
    assert_eq!(found(&plane, "row9999").await.hits.len(), 1);

    runtime.script.agents.lock().unwrap().remove("a1");
    until("its texts are gone", async || {
        plane.client.list(&ListFilter::default()).await.unwrap();
        let hits = found(&plane, "number700").await;
        hits.hits.is_empty() && hits.incomplete.is_empty()
    })
    .await;
    plane.stop().await;
}

/// What its runtime does not show is missing, which is told; a search has it asked for again.
#[tokio::test]
async fn an_agent_whose_log_is_refused_is_named_until_it_is_shown() {
    let (_dir, runtime, plane) = one_runtime().await;
    *runtime.script.log_refusal.lock().unwrap() = Some(Problem::internal("it cannot be read"));
    runtime.keeps("a1", &["a message".into()]);
    runtime.shows(&["a line of the log"]);
    runtime.becomes("a1", AgentStatus::Ready).await;
    until("the message", async || found(&plane, "message").await.hits.len() == 1).await;
    until("that the lines are missing", async || !found(&plane, "line").await.incomplete.is_empty()).await;
    let missing = found(&plane, "line").await;
    assert_eq!((missing.hits.len(), missing.incomplete), (0, vec!["a1".parse().unwrap()]));
    assert_eq!(found(&plane, "line&kind=message").await.incomplete, ["a1".parse().unwrap()]);
    assert_eq!(found(&plane, "line&agentId=b1").await.incomplete, []);

    // Nothing happens to the agent: only the searches ask.
    *runtime.script.log_refusal.lock().unwrap() = None;
    until("the line", async || found(&plane, "line").await.hits.len() == 1).await;
    assert_eq!(found(&plane, "message").await.hits.len(), 1);
    assert_eq!(found(&plane, "line").await.incomplete, []);

    // One that is gone is not missed.
    *runtime.script.log_refusal.lock().unwrap() = Some(Problem::internal("it cannot be read"));
    runtime.becomes("a2", AgentStatus::Ready).await;
    until("that another's are missing", async || !found(&plane, "line").await.incomplete.is_empty()).await;
    runtime.script.agents.lock().unwrap().remove("a2");
    until("it is forgotten", async || {
        plane.client.list(&ListFilter::default()).await.unwrap();
        found(&plane, "line").await.incomplete.is_empty()
    })
    .await;
    plane.stop().await;
}

/// Its container is paused, say. The runtime is there, and so are the others.
#[tokio::test]
async fn an_agent_that_does_not_answer_keeps_no_other_waiting() {
    let (_dir, runtime, plane) = one_runtime().await;
    *runtime.script.held.lock().unwrap() = Some("a1".into());
    runtime.becomes("a1", AgentStatus::Ready).await;
    until("that it is missing", async || !found(&plane, "message").await.incomplete.is_empty()).await;
    runtime.keeps("a2", &["a message".into()]);
    runtime.shows(&["a line of the log"]);
    runtime.becomes("a2", AgentStatus::Ready).await;
    until("the message of another", async || found(&plane, "message").await.hits.len() == 1).await;
    assert_eq!(found(&plane, "message").await.incomplete, ["a1".parse().unwrap()]);
    plane.stop().await;
}
