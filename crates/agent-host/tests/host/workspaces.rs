//! An agent whose host is given a repository before it starts.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use parallax_workspace::{CloneOptions, NewWorkspace, Workspaces};
use serde_json::{Value, json};

use crate::harness::{Host, call, shell_launch, wait_for};

fn git(directory: &Path, args: &[&str]) {
    let identity = ["-c", "user.name=T", "-c", "user.email=t@example.com"];
    let done = Command::new("git").arg("-C").arg(directory).args(identity).args(args).output().unwrap();
    assert!(done.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// The archive of a store with one commit, as a server makes it.
fn archive(dir: &Path, id: &str) -> Vec<u8> {
    let repository = dir.canonicalize().unwrap().join("repository");
    std::fs::create_dir(&repository).unwrap();
    git(&repository, &["init", "--quiet", "--initial-branch=main"]);
    std::fs::write(repository.join("file"), "one\n").unwrap();
    git(&repository, &["add", "--all"]);
    git(&repository, &["commit", "--quiet", "--message", "first"]);
    let workspaces = Workspaces::open(&dir.join("stores")).unwrap();
    let new = NewWorkspace {
        id: id.parse().unwrap(),
        name: "developer".into(),
        repository,
        reference: None,
        branch: None,
        keep: Default::default(),
        clone: Some(CloneOptions { is_store: true, ..CloneOptions::default() }),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = workspaces.create(&new).await.unwrap();
        std::fs::read(workspaces.pack(&store).await.unwrap().path()).unwrap()
    })
}

fn put(socket: &Path, body: &[u8]) -> u16 {
    let mut stream = UnixStream::connect(socket).unwrap();
    write!(stream, "PUT /workspace HTTP/1.0\r\nHost: host\r\nContent-Length: {}\r\n\r\n", body.len())
        .unwrap();
    // A host that refuses need not read all of it.
    drop(stream.write_all(body));
    let mut answer = Vec::new();
    // A host that ends breaks off.
    drop(stream.read_to_end(&mut answer));
    String::from_utf8_lossy(answer.get(9..12).unwrap_or(b"0")).parse().unwrap()
}

fn waiting_launch(dir: &Path) -> (Value, String) {
    let root = dir.canonicalize().unwrap().join("work");
    let mut launch = shell_launch(dir);
    let id = launch["agent"]["id"].as_str().unwrap().to_owned();
    launch["workdir"] = json!(root.join(&id));
    launch["checkout"] = json!({"root": root, "id": id});
    (launch, id)
}

#[test]
fn it_waits_for_its_repository_and_runs_git_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let (mut launch, id) = waiting_launch(dir.path());
    launch["setup"] = json!("cat file > .git/seen");
    let archive = archive(dir.path(), &id);
    let host_dir = dir.path().join("a");
    let socket = host_dir.join("host.sock");
    let giving = std::thread::spawn(move || {
        wait_for("the host's socket", || UnixStream::connect(&socket).is_ok());
        put(&socket, &archive)
    });
    let host = Host::start(&host_dir, &launch, &[]);
    assert_eq!(giving.join().unwrap(), 204);
    assert_eq!(host.ask("cat .git/seen; git --no-pager log --format=%s"), "one\nfirst");

    let ask = |body: Value| {
        let (status, body) = host.call("POST", "/workspace", Some(&body));
        (status, String::from_utf8_lossy(&body).into_owned())
    };
    let asked = |body: Value| -> Value { serde_json::from_str(&ask(body).1).unwrap() };
    assert_eq!(asked(json!({"call": "worthKeeping"})), Value::Null);
    host.ask("echo two >> file");
    let changes = asked(json!({"call": "changes"}));
    assert_eq!((&changes["dirty"], &changes["files"][0]["path"]), (&json!(true), &json!("file")));
    assert!(ask(json!({"call": "diff", "query": {}})).1.contains("+two"));
    let committed = asked(json!({"call": "commit", "request": {"message": "second"}}));
    let (_, export) = ask(json!({"call": "export", "whole": false}));
    let (stand, bundle) = export.split_once('\n').unwrap();
    assert_eq!(serde_json::from_str::<Value>(stand).unwrap()["head"], committed["commit"]);
    assert!(bundle.starts_with("# v2 git bundle"), "{bundle}");
    let (status, refused) = ask(json!({"call": "commit", "request": {"message": "nothing"}}));
    assert_eq!(
        (status, serde_json::from_str::<Value>(&refused).unwrap()["code"].clone()),
        (409, json!("CONFLICT"))
    );
    assert_eq!(ask(json!({"call": "no such"})).0, 400);
    assert_eq!(put(&host.socket(), b"once more"), 204, "it has one already");

    // Git goes on when the agent has ended.
    assert_eq!(host.call("POST", "/stop", None).0, 200);
    assert!(asked(json!({"call": "worthKeeping"})).as_str().unwrap().contains("on no remote"));
    // The next host of this directory does not wait for it again.
    drop(host);
    let host = Host::start(&host_dir, &launch, &["--contained"]);
    assert_eq!(host.ask("git --no-pager log -1 --format=%s"), "second");
}

#[test]
fn what_is_no_repository_fails_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let (launch, _) = waiting_launch(dir.path());
    let host_dir = dir.path().join("a");
    let socket = host_dir.join("host.sock");
    let giving = std::thread::spawn(move || {
        wait_for("the host's socket", || UnixStream::connect(&socket).is_ok());
        // Whoever breaks off may try again, and everything else waits.
        let mut stream = UnixStream::connect(&socket).unwrap();
        write!(stream, "PUT /workspace HTTP/1.1\r\nHost: host\r\nContent-Length: 100\r\n\r\nhalf").unwrap();
        drop(stream);
        let other = socket.clone();
        let waiting =
            std::thread::spawn(move || call(&other, "GET", "/agent", None).map(|(status, _)| status));
        wait_for("the second attempt", || put(&socket, b"no archive") != 409);
        waiting.join()
    });
    let said = Host::fail_to_start(&host_dir, &launch);
    assert!(said.contains("SPAWN_FAILED") && said.contains("the workspace could not be made"), "{said}");
    drop(giving.join());
}
