//! From the first prompt to the end, and on after a restart.

use serde_json::json;

use crate::harness::{Host, shell_launch, wait_for};

#[test]
fn answers_restarts_and_ends() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(&dir.path().join("a"), &shell_launch(dir.path()), &[]);
    assert_eq!(host.ask("(sleep 1000 &); echo one"), "one");
    assert_eq!(host.get("/metrics")["processes"], 2);

    let (status, _) = host.call("POST", "/restart", Some(&json!({"resume": false})));
    assert_eq!(status, 200);
    assert_eq!(host.ask("echo two"), "two");
    assert_eq!(host.get("/metrics")["processes"], 1, "a restart begins with nothing left of before");

    let (status, _) = host.call("POST", "/stop", None);
    assert_eq!(status, 200);
    let agent = host.get("/agent");
    assert_eq!(
        (agent["status"].as_str(), agent["exit"]["reason"].as_str()),
        (Some("stopped"), Some("stopped"))
    );
    let (events, gap) = host.events(0);
    assert!(!gap);
    let seqs: Vec<u64> = events.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
    assert_eq!(events.last().map(|(_, kind)| kind.as_str()), Some("agent_stopped"));
    assert_eq!(host.call("POST", "/release", None).0, 204);
    wait_for("the host's end", || !host.socket().exists());
}
