//! The `parallax` program as a person runs it, against a scripted control plane.

mod attach;
mod commands;
mod following;
mod patterns;
mod terminal;
mod up;

use std::process::Stdio;
use std::time::Duration;

use axum::Router;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Nothing here takes this long, unless it hangs.
const LIMIT: Duration = Duration::from_secs(20);

const ID: &str = "01900000-0000-7000-8000-00000000000a";

fn agent(id: &str, name: &str, status: &str) -> Value {
    json!({
        "id": id, "name": name, "type": "claude", "status": status, "runtime": "local", "queued": 0,
        "createdAt": "2026-01-01T00:00:00.000Z", "updatedAt": "2026-01-01T00:00:00.000Z",
    })
}

/// Serves the routes on a free port for the rest of the test.
async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// What a run of the program came to.
struct Run {
    code: i32,
    out: String,
    err: String,
}

impl Run {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.out, self.err))
    }

    fn succeeded(self) -> Self {
        assert_eq!(self.code, 0, "{}\n{}", self.out, self.err);
        self
    }
}

/// The program with nothing of the environment of the tests.
fn program(url: &str, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parallax"));
    command
        .args(args)
        .env_clear()
        .envs([("PARALLAX_URL", url), ("PATH", "/usr/bin:/bin"), ("HOME", "/nonexistent")])
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

async fn parallax(url: &str, args: &[&str]) -> Run {
    finish(program(url, args), "").await
}

async fn finish(mut command: Command, input: &str) -> Run {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(input.as_bytes()).await.ok();
    drop(stdin);
    let output =
        tokio::time::timeout(LIMIT, child.wait_with_output()).await.expect("it ends").expect("output");
    Run {
        code: output.status.code().expect("not killed"),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}
