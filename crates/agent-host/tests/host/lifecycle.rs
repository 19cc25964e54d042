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

/// A shell that took no message has no conversation, and its exit command is none either.
#[test]
fn a_fresh_shell_is_restarted() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(&dir.path().join("a"), &shell_launch(dir.path()), &[]);
    for body in [None, Some(json!({})), Some(json!({"resume": true}))] {
        let (status, answer) = host.call("POST", "/restart", body.as_ref());
        assert_eq!(status, 200, "{body:?}: {}", String::from_utf8_lossy(&answer));
        wait_for("the restarted shell", || host.get("/agent")["status"] == "ready");
    }
    assert_eq!(host.ask("echo alive"), "alive");
    let (status, answer) = host.call("POST", "/restart", None);
    assert_eq!(status, 422, "a conversation cannot be resumed: {}", String::from_utf8_lossy(&answer));
    assert_eq!(host.ask("echo still alive"), "still alive", "a refused restart stops nothing");
}

/// The next host of a directory, as when a container is started again.
#[test]
fn a_shell_comes_back_without_its_conversation() {
    let dir = tempfile::tempdir().unwrap();
    let launch = shell_launch(dir.path());
    let host = Host::start(&dir.path().join("a"), &launch, &["--contained"]);
    assert_eq!(host.ask("echo before"), "before");
    assert_eq!(host.call("POST", "/stop", None).0, 200);
    let before = host.get("/agent");
    assert_eq!(before["status"], "stopped");
    let (events, _) = host.events(0);
    drop(host);
    let host = Host::start(&dir.path().join("a"), &launch, &["--contained"]);
    assert_eq!(host.ask("echo after"), "after");
    assert_eq!(host.get("/messages")["messages"].as_array().unwrap().len(), 4);
    let (more, gap) = host.events(events.last().unwrap().0);
    assert!(!gap, "a host that ended well lost no number");
    assert_eq!(
        more.first().map(|(seq, kind)| (*seq, kind.as_str())),
        Some((events.len() as u64 + 1, "agent_started"))
    );
}

#[test]
fn a_daemon_without_the_agents_environment_ends_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(&dir.path().join("a"), &shell_launch(dir.path()), &[]);
    let mark = format!("{}", 100_000 + std::process::id());
    host.ask(&format!("(setsid -f env -i /bin/sleep {mark} </dev/null >/dev/null 2>&1); echo ok"));
    let runs = || {
        let mut lines = std::fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .map(|entry| std::fs::read(entry.path().join("cmdline")).unwrap_or_default());
        lines.any(|line| line == format!("/bin/sleep\0{mark}\0").as_bytes())
    };
    wait_for("the daemon", runs);
    assert_eq!(host.call("POST", "/stop", None).0, 200);
    assert!(!runs());
}

#[test]
fn what_exec_would_refuse_is_refused_before() {
    let dir = tempfile::tempdir().unwrap();
    let mut launch = shell_launch(dir.path());
    launch["env"]["BIG"] = json!("x".repeat(200_000));
    let said = Host::fail_to_start(&dir.path().join("a"), &launch);
    assert!(said.contains("VALIDATION_ERROR") && said.contains("BIG"), "{said}");
}

/// A host that is killed, and another one in its directory.
#[test]
fn messages_outlive_a_killed_host() {
    let dir = tempfile::tempdir().unwrap();
    let launch = shell_launch(dir.path());
    let mut host = Host::start(&dir.path().join("a"), &launch, &["--contained"]);
    assert_eq!(host.ask("echo one"), "one");
    let open = json!({"messageId": "open", "request": {"message": "sleep 1000"}});
    assert_eq!(host.call("POST", "/send", Some(&open)).0, 202);
    host.child.kill().unwrap();
    host.child.wait().unwrap();
    let host = Host::start(&dir.path().join("a"), &launch, &["--contained"]);
    let messages = host.get("/messages");
    let messages = messages["messages"].as_array().unwrap();
    let told: Vec<_> = messages
        .iter()
        .map(|message| (message["content"].as_str().unwrap(), message["state"].as_str()))
        .collect();
    assert_eq!(told, [("echo one", Some("answered")), ("one", None), ("sleep 1000", Some("failed"))]);
    assert_eq!(host.ask("echo two"), "two");
    let (events, gap) = host.events(0);
    let seqs: Vec<u64> = events.iter().map(|(seq, _)| *seq).collect();
    assert!(!gap && seqs == (1..=seqs.len() as u64).collect::<Vec<_>>(), "{seqs:?}");
}

/// The engine ends the container, and no server is there: the host does not wait until it is killed.
#[test]
fn a_host_that_nobody_asks_ends_soon() {
    let dir = tempfile::tempdir().unwrap();
    let mut host = Host::start(&dir.path().join("a"), &shell_launch(dir.path()), &["--contained"]);
    assert_eq!(host.ask("echo alive"), "alive");
    let pid = rustix::process::Pid::from_raw(i32::try_from(host.child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let mut ended = None;
    wait_for("the host's end", || {
        ended = host.child.try_wait().unwrap();
        ended.is_some()
    });
    assert!(ended.unwrap().success(), "{ended:?}");
    assert!(dir.path().join("a/journal.ndjson").exists(), "what it kept is there");
}
