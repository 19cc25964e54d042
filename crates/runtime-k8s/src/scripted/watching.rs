use std::time::Duration;

use parallax_service::shutdown::Shutdown;
use serde_json::json;

use super::{Answer, agent, cluster, list, pod, refusal};
use crate::cache::ClusterCache;

const POD: &str = "reviewer-0f4e2d6b";

/// Answers lists at once, and watches as `watch` says; `watch` gets how many were begun before.
fn answers(mut watch: impl FnMut(usize) -> Answer + Send + 'static) -> impl FnMut(&str, &str) -> Answer {
    let mut watches = 0;
    move |_, path| match (path.contains("watch=true"), path.contains("/pods")) {
        (false, true) => list("10", &[pod(POD)]),
        (false, false) => list("10", &[agent("reviewer", "Running")]),
        (true, true) => Answer::Watch { lines: vec![], cut: false },
        (true, false) => {
            watches += 1;
            watch(watches - 1)
        }
    }
}

async fn settles(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..500 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("waited in vain for {what}");
}

#[tokio::test]
async fn a_watch_that_is_too_old_is_begun_anew() {
    let gone = json!({"type": "ERROR", "object": {"kind": "Status", "apiVersion": "v1", "status": "Failure",
        "message": "too old resource version", "reason": "Expired", "code": 410}});
    let (cluster, asked) = cluster(answers(move |number| match number {
        0 => Answer::Watch { lines: vec![gone.clone()], cut: true },
        _ => Answer::Watch { lines: vec![], cut: false },
    }));
    let shutdown = Shutdown::new();
    let cache = ClusterCache::open(&cluster, "parallax", &shutdown);
    cache.wait_until_ready().await.unwrap();
    let lists = || asked.lock().unwrap().iter().filter(|asked| !asked.contains("watch=true")).count();
    settles("a second list", || lists() == 3).await;
    settles("no trouble", || cache.watch_error().is_none()).await;
    let id = POD.parse().unwrap();
    assert!(cache.resource_of(&id).is_some() && cache.pod(&id).is_some() && cache.recent_exit(&id).is_none());
    shutdown.begin();
}

#[tokio::test]
async fn a_watch_that_is_cut_goes_on_where_it_was() {
    let changed = |phase: &str, version: &str| {
        let mut object = agent("reviewer", phase);
        object["metadata"]["resourceVersion"] = version.into();
        json!({"type": "MODIFIED", "object": object})
    };
    let (first, second) = (changed("Suspending", "11"), changed("Suspended", "12"));
    let (cluster, asked) = cluster(answers(move |number| match number {
        0 => Answer::Watch { lines: vec![first.clone()], cut: true },
        1 => Answer::Watch { lines: vec![second.clone()], cut: false },
        _ => Answer::Never,
    }));
    let shutdown = Shutdown::new();
    let cache = ClusterCache::open(&cluster, "parallax", &shutdown);
    cache.wait_until_ready().await.unwrap();
    let phase = || format!("{:?}", cache.resource("reviewer").unwrap().status.as_ref().unwrap().phase);
    settles("the second change", || phase() == "Suspended").await;
    let asked = asked.lock().unwrap();
    let resumed =
        asked.iter().any(|asked| asked.contains("parallaxagents") && asked.contains("resourceVersion=11"));
    assert!(resumed, "{asked:#?}");
    shutdown.begin();
}

#[tokio::test]
async fn a_server_that_is_broken_is_trouble_until_it_is_not() {
    let mut broken = 3;
    let (cluster, _) = cluster(move |_, path| match path.contains("watch=true") {
        true => Answer::Watch { lines: vec![], cut: false },
        false if broken > 0 => {
            broken -= 1;
            refusal(500, "InternalError", "etcdserver: leader changed")
        }
        false => list("10", &[]),
    });
    let shutdown = Shutdown::new();
    let cache = ClusterCache::open(&cluster, "parallax", &shutdown);
    settles("the trouble to be told", || {
        cache.watch_error().is_some_and(|trouble| trouble.contains("etcdserver: leader changed"))
    })
    .await;
    cache.wait_until_ready().await.unwrap();
    settles("no trouble", || cache.watch_error().is_none()).await;
    shutdown.begin();
}
