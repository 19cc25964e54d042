//! What agents use: measured, kept over a restart, and forgotten with the agent.

use std::path::Path;
use std::time::Duration;

use parallax_api::observe::{Metrics, Tokens};
use parallax_api::runtime::RuntimeKind;
use parallax_api::usage::{AgentUsage, UsagePoint, UsageQuery, UsageSpan};
use parallax_api::{AgentStatus, Code, Problem};
use parallax_control_plane::RuntimeSpec;
use tempfile::TempDir;

use crate::plane::{Plane, ScriptedRuntime, until};

const EVERY: Duration = Duration::from_millis(50);

async fn start(dir: &Path, spec: RuntimeSpec) -> Plane {
    Plane::start_measuring(dir, vec![spec], EVERY).await
}

fn metrics(memory_bytes: u64, tokens: Option<u64>) -> Metrics {
    let tokens = tokens.map(|input| Tokens { input, output: 1 });
    Metrics { processes: 1, cpu_seconds: 1.0, memory_bytes, tokens, ..Metrics::default() }
}

async fn latest(plane: &Plane, id: &str) -> Option<AgentUsage> {
    let list = plane.client.agents_usage().await.unwrap();
    list.agents.into_iter().find(|usage| usage.agent_id.as_str() == id)
}

async fn points(plane: &Plane, id: Option<&str>, span: UsageSpan) -> Vec<UsagePoint> {
    let agent_id = id.map(|id| id.parse().unwrap());
    let query = UsageQuery { agent_id, span: Some(span), since: None };
    plane.client.usage(&query).await.unwrap().points
}

#[tokio::test]
async fn measured_and_kept() {
    measures_and_keeps(false).await;
}

#[tokio::test]
async fn measured_and_kept_of_a_runtime_that_is_asked_for_one_after_the_other() {
    measures_and_keeps(true).await;
}

async fn measures_and_keeps(is_older: bool) {
    let dir = TempDir::new().unwrap();
    let runtime = ScriptedRuntime::start(RuntimeKind::Local).await;
    *runtime.script.is_older.lock().unwrap() = is_older;
    let spec = runtime.spec("local");
    runtime.measures("a1", metrics(100, Some(10)));
    runtime.measures("a2", metrics(20, None));
    runtime.becomes("a1", AgentStatus::Ready).await;
    runtime.becomes("a2", AgentStatus::Ready).await;
    let plane = start(dir.path(), spec.clone()).await;
    until("both are measured, twice", async || {
        latest(&plane, "a1").await.is_some_and(|usage| usage.cpu_percent.is_some())
            && latest(&plane, "a2").await.is_some_and(|usage| usage.cpu_percent.is_some())
    })
    .await;
    let usage = latest(&plane, "a1").await.unwrap();
    assert_eq!((usage.memory_bytes, usage.cpu_percent, usage.cost_usd), (Some(100), Some(0.0), None));
    assert_eq!(latest(&plane, "a2").await.unwrap().tokens, None);
    until("the sum of both", async || {
        let points = points(&plane, None, UsageSpan::Minutes).await;
        points.last().is_some_and(|point| point.memory_bytes == Some(120) && point.agents == Some(2))
    })
    .await;
    let of_all = points(&plane, None, UsageSpan::Hours).await;
    assert_eq!(of_all.last().unwrap().tokens, Some(Tokens { input: 10, output: 1 }));
    assert_eq!(of_all.last().unwrap().cost_usd, None);

    // Ended, it is measured once more; what it used stays in what all used.
    runtime.measures("a1", metrics(0, Some(15)));
    runtime.becomes("a1", AgentStatus::Stopped).await;
    until("the last count of the one that ended", async || {
        latest(&plane, "a1").await.unwrap().tokens.is_some_and(|tokens| tokens.input == 15)
    })
    .await;
    plane.stop().await;

    // The next server has what this one measured, and goes on counting.
    runtime.measures("a2", metrics(20, Some(2)));
    let plane = start(dir.path(), spec).await;
    assert_eq!(points(&plane, Some("a1"), UsageSpan::Minutes).await[0].memory_bytes, Some(100));
    until("tokens of both", async || {
        let point = points(&plane, None, UsageSpan::Hours).await.last().copied().unwrap();
        point.tokens == Some(Tokens { input: 17, output: 2 })
    })
    .await;

    // Nobody has it any more.
    runtime.script.agents.lock().unwrap().remove("a1");
    until("it is forgotten", async || {
        plane.client.list(&parallax_api::client::ListFilter::default()).await.unwrap();
        latest(&plane, "a1").await.is_none()
    })
    .await;
    let query = UsageQuery { agent_id: Some("a1".parse().unwrap()), ..UsageQuery::default() };
    assert_eq!(plane.client.usage(&query).await.unwrap_err().code, Code::AgentNotFound);
    assert!(!points(&plane, Some("a2"), UsageSpan::Minutes).await.is_empty());
    plane.stop().await;
}

/// Whether it refuses or is away: without it nobody knows what all use, and of the others everything is known.
#[tokio::test]
async fn who_does_not_answer_leaves_a_gap() {
    for is_away in [false, true] {
        let dir = TempDir::new().unwrap();
        let near = ScriptedRuntime::start(RuntimeKind::Local).await;
        let mut far = ScriptedRuntime::start(RuntimeKind::Docker).await;
        let specs = vec![near.spec("near"), far.spec("far")];
        let plane = Plane::start_measuring(dir.path(), specs, EVERY).await;
        let refusal = Problem::internal("it cannot be measured");
        *far.script.call_refusal.lock().unwrap() = Some(refusal);
        far.measures("b1", metrics(20, Some(2)));
        far.becomes("b1", AgentStatus::Ready).await;
        until("the far one is known", async || plane.client.get(&"b1".parse().unwrap()).await.is_ok()).await;
        if is_away {
            far.kill().await;
            plane.until_reachable("far", false).await;
        }
        near.measures("a1", metrics(100, Some(10)));
        near.becomes("a1", AgentStatus::Ready).await;
        until("the near one is known", async || plane.client.get(&"a1".parse().unwrap()).await.is_ok()).await;
        let of_a1 = async || points(&plane, Some("a1"), UsageSpan::Minutes).await;
        until("the near one is measured, twice", async || {
            of_a1().await.last().is_some_and(|point| point.cpu_percent.is_some())
        })
        .await;
        assert!(of_a1().await.iter().all(|point| point.memory_bytes == Some(100)));
        for span in [UsageSpan::Minutes, UsageSpan::Hours] {
            let of_all = points(&plane, None, span).await;
            let sums = of_all.iter().map(|point| (point.cpu_percent, point.memory_bytes));
            assert!(sums.clone().all(|sum| sum == (None, None)), "away: {is_away}, {of_all:?}");
            let last = of_all.last().unwrap();
            assert_eq!((last.agents, last.tokens), (Some(1), Some(Tokens { input: 10, output: 1 })));
        }
        assert!(latest(&plane, "b1").await.is_none());
        assert!(points(&plane, Some("b1"), UsageSpan::Minutes).await.is_empty());

        *far.script.call_refusal.lock().unwrap() = None;
        if is_away {
            far.revive().await;
        }
        until("the sum of both", async || {
            let point = points(&plane, None, UsageSpan::Minutes).await.last().copied().unwrap();
            (point.agents, point.memory_bytes) == (Some(2), Some(120))
                && point.tokens == Some(Tokens { input: 12, output: 2 })
        })
        .await;
        plane.stop().await;
    }
}

#[tokio::test]
async fn who_was_missing_in_one_list_is_not_counted_twice() {
    let dir = TempDir::new().unwrap();
    let runtime = ScriptedRuntime::start(RuntimeKind::Local).await;
    runtime.measures("a1", Metrics { cost_usd: Some(0.5), ..metrics(100, Some(10)) });
    runtime.becomes("a1", AgentStatus::Ready).await;
    let plane = start(dir.path(), runtime.spec("local")).await;
    let total = async || points(&plane, None, UsageSpan::Hours).await.last().copied().unwrap();
    until("it is measured", async || latest(&plane, "a1").await.is_some()).await;
    runtime.script.agents.lock().unwrap().remove("a1");
    until("it is gone", async || {
        plane.client.list(&parallax_api::client::ListFilter::default()).await.unwrap();
        latest(&plane, "a1").await.is_none()
    })
    .await;
    let before = total().await;
    assert_eq!((before.tokens, before.cost_usd), (Some(Tokens { input: 10, output: 1 }), Some(0.5)));
    runtime.measures("a1", Metrics { cost_usd: Some(0.75), ..metrics(100, Some(15)) });
    runtime.becomes("a1", AgentStatus::Ready).await;
    until("it is counted again", async || total().await.tokens != before.tokens).await;
    let after = total().await;
    assert_eq!((after.tokens, after.cost_usd), (Some(Tokens { input: 15, output: 1 }), Some(0.75)));
    plane.stop().await;
}

#[tokio::test]
async fn nobody_is_no_agent_and_who_is_away_is_not_measured_anew() {
    let dir = TempDir::new().unwrap();
    let near = ScriptedRuntime::start(RuntimeKind::Local).await;
    let mut far = ScriptedRuntime::start(RuntimeKind::Docker).await;
    for (runtime, id) in [(&near, "a1"), (&far, "b1")] {
        runtime.measures(id, metrics(100, None));
        runtime.becomes(id, AgentStatus::Ready).await;
    }
    let specs = vec![near.spec("near"), far.spec("far")];
    let plane = Plane::start_measuring(dir.path(), specs, EVERY).await;
    until("it is measured", async || latest(&plane, "b1").await.is_some()).await;
    let refused = UsageQuery { agent_id: Some("nobody".parse().unwrap()), ..UsageQuery::default() };
    assert_eq!(plane.client.usage(&refused).await.unwrap_err().code, Code::AgentNotFound);
    far.kill().await;
    plane.until_reachable("far", false).await;
    let near_at = async || latest(&plane, "a1").await.map(|usage| usage.at);
    let round = async || {
        let at = near_at().await;
        until("the next round", async || near_at().await > at).await;
    };
    round().await;
    let at = latest(&plane, "b1").await.unwrap().at;
    round().await;
    round().await;
    assert_eq!(latest(&plane, "b1").await.unwrap().at, at);
    plane.stop().await;
}
