//! The local runtime's program in a directory of its own, with bash for an agent: started, killed, and cleaned up after.

#![expect(clippy::unwrap_used, reason = "a test that meets what it did not expect has failed")]

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use parallax_api::client::{Client, EventStream, EventsOptions};
use parallax_api::observe::{LogFormat, LogsQuery};
use parallax_api::terminal::InputRequest;
use parallax_api::{Agent, AgentId, EventData, SpawnRequest, TerminalSize};
use parallax_testkit::programs;
use rustix::process::{Pid, Signal, kill_process};

/// How long anything here may take.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct LocalRuntime {
    pub dir: tempfile::TempDir,
    address: SocketAddr,
    child: Option<Child>,
    /// What runs it, before its own name.
    wrapper: Vec<String>,
}

impl LocalRuntime {
    pub fn start() -> Self {
        Self::start_under(&[])
    }

    /// The same, run by a program that becomes it: `setpriv` with its arguments.
    pub fn start_under(wrapper: &[&str]) -> Self {
        let dir = tempfile::Builder::new().prefix("plx").tempdir().unwrap();
        let profiles = dir.path().join("profiles");
        std::fs::create_dir(&profiles).unwrap();
        std::fs::create_dir(dir.path().join("work")).unwrap();
        let profile = |name: &str, program: &str| {
            let start = format!(
                "program = '{program}'\ninstall = 'install it'\nargs = ['--norc', '--noprofile', '-i']"
            );
            let text = format!(
                "name = '{name}'\ntitle = 'A shell'\nleave = {{ text = 'exit' }}\n[start]\n{start}\n"
            );
            std::fs::write(profiles.join(format!("{name}.toml")), text).unwrap();
        };
        profile("bash", "bash");
        profile("gone", "a-program-that-is-not-installed");
        // Both end at once; only one says that this is no start.
        for (name, window_ms) in [("brief", 0), ("stillborn", 10_000)] {
            let text = format!(
                "name = '{name}'\ntitle = 'Ends at once'\n[start]\nprogram = 'sh'\nwindow_ms = {window_ms}\n\
                 args = ['-c', 'echo no licence; exit 7']\n"
            );
            std::fs::write(profiles.join(format!("{name}.toml")), text).unwrap();
        }
        std::fs::write(profiles.join("shell.toml"), include_str!("../../examples/profiles/shell.toml"))
            .unwrap();
        let mut this =
            Self { dir, address: "127.0.0.1:0".parse().unwrap(), child: None, wrapper: Vec::new() };
        this.wrapper = wrapper.iter().map(|&word| word.to_owned()).collect();
        this.start_again();
        this
    }

    /// Starts the program, on the same port as before.
    pub fn start_again(&mut self) {
        let mut child = self.command().stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let line = lines.find(|line| line.contains("listens")).expect("it says where it listens");
        // Whatever else it says shall not block it.
        std::thread::spawn(move || lines.for_each(|line| eprintln!("{line}")));
        let address = line.split(r#""address":""#).nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        self.address = address.parse().unwrap();
        self.child = Some(child);
    }

    /// The program with this test's state.
    pub fn command(&self) -> Command {
        let program = programs::program("parallax-runtime-local");
        let mut command = match self.wrapper.split_first() {
            None => Command::new(program),
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
        };
        command
            .args(["--listen", &self.address.to_string(), "--log", "info"])
            .arg("--state-dir")
            .arg(self.state_dir())
            .arg("--profiles")
            .arg(self.dir.path().join("profiles"))
            .current_dir(self.dir.path().join("work"))
            .env("PARALLAX_AGENT_HOST", programs::program("parallax-agent-host"))
            .env("SERVER_SECRET", "s3cret")
            .env("LOG_FORMAT", "json")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM; returns when it has ended.
    pub fn end(&mut self) {
        let mut child = self.child.take().expect("it runs");
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        assert!(child.wait().unwrap().success());
    }

    /// The process of the server.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    pub fn client(&self) -> Client {
        Client::runtime(&format!("http://{}", self.address), None).unwrap()
    }

    pub fn state_dir(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    pub fn agent_dir(&self, id: &AgentId) -> PathBuf {
        self.state_dir().join("agents").join(id.as_str())
    }

    /// The process of an agent's host.
    pub fn host(&self, id: &AgentId) -> u32 {
        host_of(&self.agent_dir(id)).expect("the host is written down")
    }

    /// A bash that has shown its prompt.
    pub async fn bash(&self) -> Agent {
        let prompt = [("PS1".to_owned(), "prompt> ".into())].into();
        let agent = self.client().spawn(&SpawnRequest { env: prompt, ..request("bash") }).await.unwrap();
        self.until_printed(&agent.id, "prompt> ").await;
        agent
    }

    /// Types a line.
    pub async fn run(&self, id: &AgentId, line: &str) {
        let input = InputRequest { text: Some(format!("{line}\r")), keys: None };
        self.client().input(id, &input).await.unwrap();
    }

    /// What an agent printed, as it printed it.
    pub async fn output(&self, id: &AgentId) -> String {
        use futures::TryStreamExt;
        let raw = LogsQuery { format: Some(LogFormat::Raw), ..Default::default() };
        let parts: Vec<_> = self.client().log_stream(id, &raw).await.unwrap().try_collect().await.unwrap();
        String::from_utf8(parts.concat()).unwrap()
    }

    pub async fn until_printed(&self, id: &AgentId, text: &str) -> String {
        let looking = async {
            loop {
                let output = self.output(id).await;
                if output.contains(text) {
                    return output;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        within(&format!("{text:?} in the output"), looking).await
    }

    /// Waits until it has printed so many bytes.
    pub async fn until_output(&self, id: &AgentId, bytes: usize) {
        let looking = async {
            while self.output(id).await.len() < bytes {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        within(&format!("{bytes} bytes of output"), looking).await;
    }

    /// Waits until its terminal has this size.
    pub async fn until_size(&self, id: &AgentId, size: TerminalSize) {
        let looking = async {
            while self.client().screen(id).await.unwrap().size != size {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        within(&format!("the size {size:?}"), looking).await;
    }

    pub async fn events(&self, since: &str) -> EventStream {
        let options = EventsOptions { since: Some(since.into()), ..Default::default() };
        self.client().events(options).await.unwrap()
    }
}

impl Drop for LocalRuntime {
    /// Whatever a test that failed left behind.
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
        let dirs = std::fs::read_dir(self.state_dir().join("agents")).into_iter().flatten().flatten();
        for host in dirs.filter_map(|dir| host_of(&dir.path())).filter(is_host) {
            // Dead already: nothing was left behind.
            let _ = kill(host);
        }
    }
}

pub fn kill(pid: u32) -> rustix::io::Result<()> {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL)
}

/// The processes that carry an agent's mark.
pub fn marked(id: &AgentId) -> Vec<u32> {
    let mark = format!("PARALLAX_AGENT_ID={id}");
    let marked = |pid: &u32| {
        std::fs::read(format!("/proc/{pid}/environ"))
            .is_ok_and(|environ| environ.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes()))
    };
    let pids = std::fs::read_dir("/proc").unwrap().flatten();
    pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(marked).collect()
}

pub fn request(kind: &str) -> SpawnRequest {
    SpawnRequest { name: "test".into(), r#type: kind.into(), ..Default::default() }
}

pub async fn within<T>(what: &str, wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("waited in vain for: {what}"))
}

pub async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let looking = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within(what, looking).await;
}

/// The reason of an agent's end, from the event stream.
pub async fn stop_reason(events: &mut EventStream, id: &AgentId) -> String {
    loop {
        match within("its end", events.next()).await.unwrap().data {
            EventData::AgentStopped { agent, reason } if agent.id == *id => return reason,
            _ => {}
        }
    }
}

/// Whether a process is a host: tests write other numbers into their agents' files.
fn is_host(pid: &u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("parallax-agent-"))
}

fn host_of(dir: &Path) -> Option<u32> {
    std::fs::read_to_string(dir.join("process")).ok()?.split(' ').next()?.parse().ok()
}
