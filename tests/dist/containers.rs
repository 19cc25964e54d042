//! Each way of installing, in a bare Debian container: installed, up, an agent's first answer, stopped, removed.

use std::process::Stdio;
use std::time::{Duration, Instant};

use parallax_testkit::wait::until;
use tokio::process::Command;

use crate::{artefact, dist};

/// What a new user waits for at most: from `parallax up` to its page …
const PAGE: Duration = Duration::from_secs(10);
/// … and from the first command to an agent's first answer.
const ANSWER: Duration = Duration::from_secs(20);

/// One bash that asks for a path of the server; the container has no other client.
const GET: &str = r#"exec 3<>/dev/tcp/127.0.0.1/3000 && printf 'GET %s HTTP/1.1\r\nHost: localhost:3000\r\nConnection: close\r\n\r\n' "$1" >&3 && cat <&3"#;

/// What may differ after a removal: what the package manager of the system keeps of its own.
const NOT_OURS: &str =
    "/proc /sys /dev /tmp /var/lib/dpkg/status-old /var/lib/dpkg/available /var/log/dpkg.log";

/// A container that lives until it is dropped.
struct Container {
    id: String,
}

impl Container {
    async fn start(image: &str) -> Self {
        let mount = format!("{}:/dist:ro", dist().display());
        let args = ["run", "--detach", "--rm", "--init", "--network", "none", "--volume", &mount, image];
        let started = Command::new("docker").args(args).args(["sleep", "infinity"]).output().await;
        let started = started.expect("docker can be run");
        let error = String::from_utf8_lossy(&started.stderr).into_owned();
        assert!(started.status.success(), "{image}: {error}");
        Self { id: String::from_utf8_lossy(&started.stdout).trim().to_owned() }
    }

    fn bash(&self, script: &str, args: &[&str]) -> Command {
        let mut command = Command::new("docker");
        // State and caches are the user's, and stay: they are put where nothing is compared.
        command.args(["exec", "--env", "XDG_STATE_HOME=/tmp/state", "--env", "npm_config_cache=/tmp/npm"]);
        command.args(["--workdir", "/dist", &self.id, "bash", "-euo", "pipefail", "-c", script, "bash"]);
        command.args(args).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// What the script prints, or all that it said when it failed.
    async fn try_run(&self, script: &str, args: &[&str]) -> Result<String, String> {
        let ran = self.bash(script, args).output().await.expect("docker can be run");
        let out = String::from_utf8_lossy(&ran.stdout).into_owned();
        if ran.status.success() {
            return Ok(out);
        }
        Err(format!("{script}: {}\n{out}{}", ran.status, String::from_utf8_lossy(&ran.stderr)))
    }

    async fn run(&self, script: &str) -> String {
        self.try_run(script, &[]).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Every file and directory, one a line.
    async fn files(&self) -> Vec<String> {
        let pruned: Vec<String> = NOT_OURS.split(' ').map(|path| format!("-path {path} -prune -o")).collect();
        let found = self.run(&format!("find / {} -printf '%y %p\\n' | sort", pruned.join(" "))).await;
        found.lines().map(str::to_owned).collect()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let removed = std::process::Command::new("docker").args(["rm", "--force", &self.id]).output();
        assert!(removed.is_ok() || std::thread::panicking(), "{removed:?}");
    }
}

/// From nothing to a first answer, and back to nothing.
async fn first_minute(image: &str, install: &str, uninstall: &str) {
    let container = Container::start(image).await;
    assert!(container.try_run("type -p cc gcc cargo", &[]).await.is_err(), "there is no compiler");
    // npm makes these with its first package, and leaves them.
    container.run("mkdir -p /usr/local/lib/node_modules /usr/local/share/man/man1").await;
    let before = container.files().await;

    let begun = Instant::now();
    container.run(install).await;
    let installed = begun.elapsed();
    let starting = Instant::now();
    container
        .run("setsid parallax up >/tmp/up.out 2>/tmp/up.err </dev/null & echo $! >/tmp/up.pid; disown")
        .await;
    // Longer than a user waits, to say by how much.
    let page = until("the page", 3 * PAGE, async || match container.try_run(GET, &["/"]).await {
        Ok(answer) if answer.contains("200 OK") => Ok(answer),
        other => {
            Err((other, container.try_run("cat /tmp/up.out /tmp/up.err", &[]).await.unwrap_or_default()))
        }
    })
    .await;
    let up = starting.elapsed();
    assert!(page.contains("<script type=\"module\""), "the page is in the program: {page}");
    let script =
        page.split("src=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("it has a script");
    let script = container.try_run(GET, &[script]).await.expect("its script is there");
    assert!(script.contains("200 OK") && script.len() > 10_000, "{} bytes", script.len());

    container.run("parallax spawn shell first --wait").await;
    let answer = container.run(r#"parallax send first 'echo hello from $((6 * 7))'"#).await;
    let answered = begun.elapsed();
    println!(
        "{image}: installed in {installed:?}, page after {up:?}, first answer after {answered:?} in all"
    );
    assert_eq!(answer, "hello from 42\n");
    assert!(up < PAGE && answered < ANSWER, "installed in {installed:?}, page {up:?}, answer {answered:?}");

    let version = container.run("parallax --version").await;
    for program in ["parallax-control-plane", "parallax-runtime-local", "parallax-agent-host"] {
        let other = container.run(&format!("{program} --version")).await;
        assert_eq!(other.split(' ').nth(1), version.split(' ').nth(1), "{other}");
    }
    container.run("parallax stop first").await;
    // The signal goes to what the user started, whatever that is.
    container
        .run("kill $(cat /tmp/up.pid); while kill -0 $(cat /tmp/up.pid) 2>/dev/null; do sleep 0.1; done")
        .await;
    assert!(container.try_run(GET, &["/"]).await.is_err(), "the server has ended with it");
    assert_eq!(container.run("cat /tmp/up.err").await, "", "nothing went wrong meanwhile");

    let between = container.files().await;
    assert!(
        between.iter().any(|path| path.ends_with("/man1/parallax-spawn.1.gz")),
        "manual pages are installed"
    );
    container.run(uninstall).await;
    let after = container.files().await;
    let left: Vec<_> = after.iter().filter(|path| !before.contains(path)).collect();
    let lost: Vec<_> = before.iter().filter(|path| !after.contains(path)).collect();
    assert!(left.is_empty() && lost.is_empty(), "left: {left:?}, lost: {lost:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine and packages: make test-dist"]
async fn npm_packages() {
    let platform = artefact("parallax-agent-runtimes-linux-", ".tgz");
    let platform = platform.file_name().expect("a file").to_string_lossy();
    let wrapper = platform.split("-linux-").next().expect("a name").to_owned();
    let version = platform.rsplit('-').next().expect("a version");
    let package = platform.strip_suffix(&format!("-{version}")).expect("it ends with that");
    first_minute(
        "parallax-test-npm",
        &format!("npm install --global --foreground-scripts ./{wrapper}-{version} ./{platform}"),
        &format!("npm uninstall --global {wrapper} {package}"),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine and packages: make test-dist"]
async fn debian_package() {
    let package = artefact("parallax-agent-runtimes_", ".deb");
    first_minute(
        "debian:bookworm-slim",
        &format!("dpkg --install {}", package.file_name().expect("a file").to_string_lossy()),
        "dpkg --purge parallax-agent-runtimes; ! dpkg --status parallax-agent-runtimes 2>/dev/null",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine and packages: make test-dist"]
async fn archive_and_script() {
    let archive = artefact("parallax-", &format!("{}-unknown-linux-gnu.tar.gz", std::env::consts::ARCH));
    first_minute(
        "debian:bookworm-slim",
        &format!("sh install.sh {}", archive.file_name().expect("a file").to_string_lossy()),
        "sh install.sh --uninstall",
    )
    .await;
}
