//! `parallax up` and what follows, for real: servers, an agent host, an agent.

use std::path::Path;
use std::process::Stdio;

use parallax_api::TerminalSize;
use parallax_screen::Screen;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use parallax_testkit::parallax::{Run, parallax, program};
use parallax_testkit::processes;
use parallax_testkit::pty::Terminal;
use parallax_testkit::server::reqwest_client;
use parallax_testkit::wait::{PATIENCE, until};

/// An agent type that needs nothing installed: it echoes what is typed, for ever.
const PROFILE: &str = "name = 'echo'\ntitle = 'Echo'\n[start]\nprogram = 'cat'\n";

/// A directory for state, profiles and home. Dropping it ends what a failed test left.
struct TestHome(TempDir);

impl TestHome {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().expect("a directory"));
        std::fs::create_dir(home.path().join("profiles")).expect("made");
        std::fs::write(home.path().join("profiles/echo.toml"), PROFILE).expect("written");
        home
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// `parallax up` on free ports.
    fn up(&self, args: &[&str]) -> Command {
        let mut command = program("", &["up", "--listen", "127.0.0.1:0", "--runtime-listen", "127.0.0.1:0"]);
        command.env("HOME", self.path()).current_dir(self.path());
        command.arg("--state-dir").arg(self.path().join("state"));
        command.arg("--profiles").arg(self.path().join("profiles")).args(args);
        command
    }

    /// The same, running, and where its control plane is.
    async fn running(&self, args: &[&str]) -> (Child, String, Value) {
        let mut child =
            self.up(args).arg("--json").stdout(Stdio::piped()).spawn().expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let line =
            tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("in time").expect("readable");
        let told: Value = serde_json::from_str(&line.expect("a line")).expect("json");
        (child, told["url"].as_str().expect("an address").to_owned(), told)
    }

    /// An agent in this directory.
    async fn spawn(&self, url: &str) -> Run {
        let workdir = self.path().to_string_lossy().into_owned();
        parallax(url, &["spawn", "echo", "one", "-w", &workdir]).await.succeeded()
    }

    /// How many agents live: hosts that have a child. A host stays for a while after its agent, until all is collected.
    fn living(&self) -> usize {
        let children = |pid: &String| std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        self.hosts()
            .iter()
            .filter(|pid| children(pid).is_ok_and(|children| !children.trim().is_empty()))
            .count()
    }

    /// The process ids of the hosts that are left.
    fn hosts(&self) -> Vec<String> {
        let agents = std::fs::read_dir(self.path().join("state/runtime-local/agents"));
        let pids =
            agents.into_iter().flatten().flatten().filter_map(|agent| processes::host_of(&agent.path()));
        pids.map(|pid| pid.to_string()).filter(|pid| Path::new("/proc").join(pid).exists()).collect()
    }
}

impl Drop for TestHome {
    fn drop(&mut self) {
        for pid in self.hosts() {
            // The agent's terminal goes with its host, and the agent with its terminal.
            std::process::Command::new("kill").args(["-KILL", &pid]).status().ok();
        }
    }
}

async fn signal(child: &mut Child, name: &str) -> Option<i32> {
    let pid = child.id().expect("it runs").to_string();
    Command::new("kill").args([&format!("-{name}"), &pid]).status().await.expect("kill");
    tokio::time::timeout(PATIENCE, child.wait()).await.expect("it ends in time").expect("status").code()
}

async fn status_of_one(url: &str) -> String {
    let list = parallax(url, &["ls", "--all", "--json"]).await.succeeded().json();
    list["agents"][0]["status"].as_str().expect("an agent").to_owned()
}

#[tokio::test]
async fn a_signal_ends_the_servers_and_ctrl_c_the_agents_too() {
    let home = TestHome::new();
    let (mut up, url, told) = home.running(&[]).await;
    assert_eq!(told["agents"], 0);
    assert!(
        told["types"]
            .as_array()
            .expect("types")
            .iter()
            .any(|info| info["name"] == "echo" && info["available"] == true)
    );
    home.spawn(&url).await;

    assert_eq!(signal(&mut up, "TERM").await, Some(0));
    assert_eq!(home.living(), 1, "the agent goes on");
    let (mut up, url, told) = home.running(&[]).await;
    assert_eq!(told["agents"], 1);
    assert_ne!(status_of_one(&url).await, "stopped");

    // Without a terminal it does not ask.
    assert_eq!(signal(&mut up, "INT").await, Some(0));
    assert_eq!(home.living(), 0);
}

#[tokio::test]
async fn detached_agents_go_on() {
    let home = TestHome::new();
    let (mut up, url, _) = home.running(&["--detach"]).await;
    home.spawn(&url).await;
    assert_eq!(signal(&mut up, "INT").await, Some(0));
    assert_eq!(home.living(), 1);
    let (mut up, url, _) = home.running(&[]).await;
    parallax(&url, &["stop", "one", "--force"]).await.succeeded();
    assert_eq!(status_of_one(&url).await, "stopped");
    assert_eq!(signal(&mut up, "INT").await, Some(0));
}

#[tokio::test]
async fn a_preset_is_stored_and_spawned() {
    let home = TestHome::new();
    let (mut up, url, _) = home.running(&[]).await;
    let file = home.path().join("preset.json");
    let preset = json!({ "description": "Echoes", "spawn": { "type": "echo", "role": "parrot", "workdir": home.path() } });
    std::fs::write(&file, preset.to_string()).expect("written");
    parallax(&url, &["presets", "parrot", "--put", &file.to_string_lossy()]).await.succeeded();
    let list = parallax(&url, &["presets"]).await.succeeded();
    assert!(list.out.contains("parrot") && list.out.contains("Echoes"), "{}", list.out);

    let agent = parallax(&url, &["spawn", "--preset", "parrot", "--json"]).await.succeeded().json();
    assert_eq!((&agent["type"], &agent["role"]), (&json!("echo"), &json!("parrot")));
    assert!(agent["name"].as_str().is_some_and(|name| name.starts_with("parrot-")), "{agent}");
    // What is said counts.
    let args = ["spawn", "echo", "two", "--preset", "parrot", "--role", "other", "--json"];
    assert_eq!(parallax(&url, &args).await.succeeded().json()["role"], "other");

    parallax(&url, &["presets", "--remove", "parrot"]).await.succeeded();
    let refused = parallax(&url, &["spawn", "--preset", "parrot"]).await;
    assert_eq!(refused.code, 2, "{}", refused.err);
    assert!(refused.err.contains("there is no preset `parrot`"), "{}", refused.err);
    assert_eq!(signal(&mut up, "INT").await, Some(0));
}

/// `up` in a terminal, and the address it shows.
async fn in_a_terminal(home: &TestHome) -> (Terminal, String) {
    let terminal = Terminal::run(&home.up(&[]));
    terminal.shows("Ctrl-C ends it.").await;
    let text = terminal.text();
    let url = text.split_whitespace().find(|word| word.starts_with("http://")).expect("an address");
    (terminal, url.trim_end_matches('/').to_owned())
}

#[tokio::test]
async fn a_person_is_asked() {
    let home = TestHome::new();
    let (mut terminal, url) = in_a_terminal(&home).await;
    home.spawn(&url).await;
    terminal.types(b"\x03");
    terminal.shows("1 agent running (one). Stop them? [Y/n]").await;
    terminal.types(b"n\r");
    terminal.shows("left running: 1 agent").await;
    assert_eq!(terminal.ends().await, 0);
    assert_eq!(home.living(), 1);

    let (mut terminal, _) = in_a_terminal(&home).await;
    terminal.shows("Still there from before: 1 agent").await;
    terminal.types(b"\x03");
    terminal.shows("Stop them?").await;
    terminal.types(b"\r");
    assert_eq!(terminal.ends().await, 0);
    assert_eq!(home.living(), 0);
}

#[tokio::test]
async fn attached_to_a_real_agent() {
    let home = TestHome::new();
    let (mut up, url, _) = home.running(&[]).await;
    home.spawn(&url).await;
    let mut terminal = Terminal::run(&program(&url, &["attach", "one", "-q"]));
    // The line editor of the agent's terminal gives a cooked echo; what comes back a second time is from the agent.
    terminal.shows("\u{1b}[2J").await;
    terminal.types(b"said once\r");
    terminal.shows("said once\r\nsaid once").await;
    terminal.types(b"\x1d");
    terminal.shows("[detached").await;
    assert_eq!(terminal.ends().await, 0);
    assert_ne!(status_of_one(&url).await, "stopped");

    let mut terminal = Terminal::run(&program(&url, &["attach", "one", "-q"]));
    terminal.shows("said once").await;
    terminal.types(b"\x04");
    terminal.shows("[one ended: exited with code 0]").await;
    assert_eq!(terminal.ends().await, 0);
    assert_eq!(signal(&mut up, "TERM").await, Some(0));
}

/// Two people: one works in a terminal of 80 x 24, the other watches in one that is half as large.
#[tokio::test]
async fn watched_from_a_smaller_terminal() {
    let home = TestHome::new();
    let (mut up, url, _) = home.running(&[]).await;
    home.spawn(&url).await;
    let mut worker = Terminal::run(&program(&url, &["attach", "one", "-q"]));
    worker.shows("\u{1b}[2J").await;
    let lines: String = (1..=30).map(|n| format!("line {n}\r")).collect();
    worker.types(lines.as_bytes());
    // Once as it was typed, and once as the agent wrote it.
    until("the last line twice", PATIENCE, async || match worker.text().matches("line 30").count() {
        2 => Ok(()),
        count => Err(count),
    })
    .await;

    let mut watcher = Terminal::run(&program(&url, &["attach", "one", "-q", "--view"]));
    watcher.shows("line 30").await;
    watcher.resize(40, 10);
    let shown = async |terminal: &Terminal, what: &str, shows: &dyn Fn(&[String]) -> bool| {
        until(what, PATIENCE, async || {
            let mut screen = Screen::new(TerminalSize { cols: 40, rows: 10 }, 0);
            // What was painted for the size before is cut off, and painted over.
            screen.feed(terminal.text().as_bytes());
            let lines = screen.view(0).lines;
            if shows(&lines) { Ok(()) } else { Err(lines) }
        })
        .await;
    };
    shown(&watcher, "the part with the cursor", &|lines| lines[8] == "line 30" && lines[9].is_empty()).await;
    watcher.types(b"not for the agent\x1b[H");
    shown(&watcher, "the oldest row", &|lines| lines[0] == "line 1").await;
    worker.types(b"more\r");
    worker.shows("more\r\nmore").await;
    watcher.types(b"\x1b[F");
    shown(&watcher, "what came last", &|lines| lines[8] == "more").await;
    let agents = parallax(&url, &["ls", "--json"]).await.succeeded().json();
    let id = agents["agents"][0]["id"].as_str().expect("an agent").to_owned();
    let screen: Value = reqwest_client()
        .get(format!("{url}/api/managed-agents/{id}/screen"))
        .send()
        .await
        .expect("it answers")
        .json()
        .await
        .expect("JSON");
    assert_eq!(screen["size"], json!({"cols": 80, "rows": 24}), "who watches changes nothing");
    assert!(!screen.to_string().contains("not for the agent"));
    for mut terminal in [watcher, worker] {
        terminal.types(b"\x1d");
        assert_eq!(terminal.ends().await, 0);
    }
    parallax(&url, &["stop", "one", "--force"]).await.succeeded();
    assert_eq!(signal(&mut up, "TERM").await, Some(0));
}

#[tokio::test]
async fn a_port_that_is_taken_is_told() {
    let home = TestHome::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("port");
    let address = taken.local_addr().expect("address").to_string();
    let output = home.up(&["--listen", &address]).output().await.expect("it runs");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "given twice: {error}");
    let mut command = program("", &["up", "--listen", &address, "--runtime-listen", "127.0.0.1:0"]);
    command.env("HOME", home.path()).arg("--state-dir").arg(home.path().join("state"));
    let output = command.output().await.expect("it runs");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains(&format!("cannot listen on {address}")) && error.contains("--listen"), "{error}");
    assert!(!home.path().join("state").exists(), "nothing is touched");
}
