//! Starts a host and talks HTTP to it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long a test waits for anything.
pub const LIMIT: Duration = Duration::from_secs(30);

/// A running host. Dropping it kills the host; the kernel hangs up the agent's terminal.
pub struct Host {
    pub child: Child,
    pub dir: PathBuf,
}

/// The launch of a shell that works in `workdir`.
pub fn shell_launch(workdir: &Path) -> Value {
    let profile = include_str!("../../../../examples/profiles/shell.toml");
    let profile = serde_json::to_value(parallax_profile::Profile::parse(profile).unwrap()).unwrap();
    let id = uuid::Uuid::now_v7().to_string();
    json!({
        "agent": {
            "id": id, "name": "test", "type": "shell", "status": "starting", "runtime": "local",
            "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
            "capabilities": [], "labels": {}, "workdir": workdir, "queued": 0,
        },
        "profile": profile,
        "args": [], "approvals": "ask", "prompt": null,
        "env": { "PATH": std::env::var("PATH").unwrap(), "HOME": workdir, "LANG": "C.UTF-8" },
        "workdir": workdir, "terminal": { "cols": 120, "rows": 40 },
        "idleTimeoutSeconds": null, "maxLifetimeSeconds": null, "image": null, "resources": {},
        "logLimit": 64 * 1024 * 1024,
    })
}

impl Host {
    /// Starts a host in `dir` and waits until its agent has started.
    pub fn start(dir: &Path, launch: &Value, args: &[&str]) -> Self {
        Self::start_with_stderr(dir, launch, args, Stdio::inherit())
    }

    pub fn start_with_stderr(dir: &Path, launch: &Value, args: &[&str], stderr: Stdio) -> Self {
        let program = Path::new(env!("CARGO_BIN_EXE_parallax-agent-host"));
        Self::start_command(command(program, dir, args).stderr(stderr), dir, launch)
    }

    pub fn start_command(command: &mut Command, dir: &Path, launch: &Value) -> Self {
        let (child, line) = hand_over(command, launch);
        assert!(line.contains("ready"), "the host says: {line}");
        Self { child, dir: dir.into() }
    }

    /// What a host says whose agent does not start.
    pub fn fail_to_start(dir: &Path, launch: &Value) -> String {
        let program = Path::new(env!("CARGO_BIN_EXE_parallax-agent-host"));
        let (mut child, line) = hand_over(&mut command(program, dir, &[]), launch);
        assert!(line.contains("failed"), "the host says: {line}");
        child.wait().unwrap();
        line
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.join("host.sock")
    }

    /// The status code and the body.
    pub fn call(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Vec<u8>) {
        call(&self.socket(), method, path, body).unwrap()
    }

    pub fn get(&self, path: &str) -> Value {
        let (status, body) = self.call("GET", path, None);
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }

    /// Sends a message and returns its answer.
    pub fn ask(&self, message: &str) -> String {
        let id = uuid::Uuid::now_v7().to_string();
        let request = json!({"message": message, "expectResponse": true, "timeoutMs": 25_000});
        let (status, body) = self.call("POST", "/send", Some(&json!({"messageId": id, "request": request})));
        assert_eq!(status, 200, "{message}: {}", String::from_utf8_lossy(&body));
        let body: Value = serde_json::from_slice(&body).unwrap();
        body["response"]["content"].as_str().unwrap().to_owned()
    }

    /// The numbers and types of the events after `since`, and whether a gap was reported.
    pub fn events(&self, since: u64) -> (Vec<(u64, String)>, bool) {
        let mut stream = UnixStream::connect(self.socket()).unwrap();
        write!(stream, "GET /events?since={since} HTTP/1.0\r\nHost: host\r\n\r\n").unwrap();
        // The state comes first, however long a busy machine takes.
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let mut text = vec![0; 4096];
        let read = stream.read(&mut text).unwrap();
        text.truncate(read);
        // The stream stays open: what came until it falls silent is all there is.
        stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        drop(stream.read_to_end(&mut text));
        let (mut events, mut gap) = (Vec::new(), false);
        for line in String::from_utf8_lossy(&text).lines() {
            let Ok(line) = serde_json::from_str::<Value>(line) else { continue };
            gap |= line.get("oldest").is_some();
            if let Some(seq) = line.get("seq").and_then(Value::as_u64) {
                events.push((seq, line["event"].as_str().unwrap_or_default().to_owned()));
            }
        }
        (events, gap)
    }

    /// The same, asked for until they are enough: the stream of a host that is kept waiting falls silent before it has told all.
    pub fn events_when(
        &self,
        since: u64,
        what: &str,
        is_enough: impl Fn(&[(u64, String)]) -> bool,
    ) -> (Vec<(u64, String)>, bool) {
        let mut told = self.events(since);
        wait_for(what, || {
            let is_so = is_enough(&told.0);
            if !is_so {
                told = self.events(since);
            }
            is_so
        });
        told
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // The host may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A host that is not started yet.
pub fn command(program: &Path, dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.arg("serve").arg("--dir").arg(dir).args(args).env_clear();
    command.env("PATH", std::env::var("PATH").unwrap()).env("HOME", "/tmp");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// Starts a host, gives it its launch, and returns what it says about its start.
fn hand_over(command: &mut Command, launch: &Value) -> (Child, String) {
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{launch}").unwrap();
    drop(stdin);
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (child, line)
}

/// Waits until `is_so`, polling.
pub fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < until, "waited in vain for: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// One HTTP request over a Unix socket.
pub fn call(
    socket: &Path,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> std::io::Result<(u16, Vec<u8>)> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(LIMIT))?;
    let len = body.len();
    // HTTP/1.0: the end of the answer is the end of the connection.
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: host\r\nContent-Type: application/json\r\nContent-Length: {len}\r\n\r\n{body}"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let head = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let status = String::from_utf8_lossy(&answer[9..12]).parse().unwrap();
    Ok((status, answer[head + 4..].to_vec()))
}
