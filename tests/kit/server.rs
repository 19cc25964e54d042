//! A server of the workspace as a process of its own, for what only a real process shows: SIGKILL, SIGTERM, what it
//! prints, what it holds.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::programs;
use crate::wait::{PATIENCE, until, within};

/// A server program and how it is started. It may be started and ended many times; the address stays.
#[derive(Debug)]
pub struct Server {
    program: PathBuf,
    args: Vec<String>,
    env: Vec<(String, String)>,
    home: PathBuf,
    port: u16,
    running: Option<Child>,
}

impl Server {
    /// The program `name` with `home` for a home, a working directory and its log, and a free port for its address.
    pub fn new(name: &str, home: &Path) -> Self {
        Self {
            program: programs::program(name),
            args: Vec::new(),
            env: Vec::new(),
            home: home.to_owned(),
            port: free_port(),
            running: None,
        }
    }

    /// The same with more arguments.
    #[must_use]
    pub fn args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(|&arg| arg.to_owned()));
        self
    }

    /// The same with a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Where it answers.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.running.as_ref().and_then(Child::id)
    }

    /// Starts it, with these arguments as well, and waits until it answers.
    pub async fn start(&mut self, more: &[String]) {
        assert!(self.running.is_none(), "{} runs already", self.program.display());
        let log =
            File::options().create(true).append(true).open(self.log()).expect("the home can be written");
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .args(["--listen", &self.address()])
            .args(more)
            .env_clear()
            .env("HOME", &self.home)
            .env("PATH", path_with_programs())
            .env("LOG_LEVEL", "info")
            .env("SERVERS_OWN", "not for agents")
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.home)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be shared"))
            .stderr(log)
            .kill_on_drop(true);
        let child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", self.program.display()));
        self.running = Some(child);
        let health = format!("{}/health", self.url());
        let client = reqwest_client();
        until(&format!("{} to answer", self.program.display()), PATIENCE, async || {
            if let Ok(Some(status)) = self.running.as_mut().expect("it was started").try_wait() {
                panic!("{} ended with {status}:\n{}", self.program.display(), self.log_tail());
            }
            match client.get(&health).send().await {
                Ok(answer) if answer.status().is_success() => Ok(()),
                Ok(answer) => Err(answer.status().to_string()),
                Err(error) => Err(error.to_string()),
            }
        })
        .await;
    }

    /// SIGKILL.
    pub async fn kill(&mut self) {
        let mut child = self.running.take().expect("it runs");
        within("a killed server to end", PATIENCE, child.kill()).await.expect("a child can be killed");
    }

    /// SIGTERM, and waits for the end: the grace is ten seconds.
    pub async fn end(&mut self) {
        let mut child = self.running.take().expect("it runs");
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        kill_process(pid.expect("it was not waited for"), Signal::TERM).expect("a child can be signalled");
        let limit = Duration::from_secs(12);
        let status = match tokio::time::timeout(limit, child.wait()).await {
            Ok(status) => status.expect("a child can be waited for"),
            Err(_) => panic!("{} did not end in {limit:?}:\n{}", self.program.display(), self.log_tail()),
        };
        assert!(status.success(), "{} ended with {status}:\n{}", self.program.display(), self.log_tail());
    }

    /// The last lines it logged.
    pub fn log_tail(&self) -> String {
        let text = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    fn log(&self) -> PathBuf {
        let name = self.program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.home.join(format!("{name}-{}.log", self.port))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the last of {}:\n{}", self.program.display(), self.log_tail());
        }
    }
}

/// An HTTP client for what the typed one cannot say: broken requests, foreign headers.
pub fn reqwest_client() -> reqwest::Client {
    // The typed client sets up what the library needs of cryptography.
    drop(parallax_api::client::Client::runtime("http://127.0.0.1", None));
    reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .timeout(Duration::from_secs(60))
        .build()
        .expect("a client without certificates can be built")
}

/// A free port. Another process may take it before it is used; that has not been seen.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback interface has a free port");
    listener.local_addr().expect("a listener has an address").port()
}

/// This process's `PATH` with the programs of the workspace before it.
pub fn path_with_programs() -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{}:{path}", programs::directory().display())
}
