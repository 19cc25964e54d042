//! Scripts for Chromium: run by Node, with the modules that `make` puts into the cache.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;

/// Where npm put Playwright, xterm.js and axe.
pub fn modules() -> PathBuf {
    std::env::var_os("PARALLAX_BROWSER_MODULES").expect("set by `make test-browser`").into()
}

/// Runs `browser/NAME` with the modules and these arguments. `on_line` hears each line that it prints, and the script goes on when
/// it has an answer. Fails with what the script failed with.
pub async fn run(name: &str, args: &[&str], mut on_line: impl AsyncFnMut(&str)) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser").join(name);
    let mut node = Command::new("node")
        .arg(script)
        .arg(modules())
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("node runs");
    let mut stdin = node.stdin.take().expect("piped");
    let mut stderr = node.stderr.take().expect("piped");
    let errors = tokio::spawn(async move {
        let mut text = String::new();
        stderr.read_to_string(&mut text).await.map(|_| text)
    });
    let mut lines = BufReader::new(node.stdout.take().expect("piped")).lines();
    let mut said = String::new();
    while let Some(line) = lines.next_line().await.expect("node prints text") {
        on_line(&line).await;
        tokio::io::AsyncWriteExt::write_all(&mut stdin, b"done\n").await.ok();
        said.push_str(&line);
        said.push('\n');
    }
    let status = node.wait().await.expect("node ends");
    let errors = errors.await.expect("the reader ends").expect("node prints text");
    assert!(status.success(), "{said}\n{errors}");
}
