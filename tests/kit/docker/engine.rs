//! The engine itself, for tests that restart it. Only with leave: `PARALLAX_TEST_RESTARTS_ENGINE`.

use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::docker;
use crate::processes;
use crate::wait::{PATIENCE, until};

/// Where an engine says which process it is.
const PID_FILE: &str = "/var/run/docker.pid";
/// The same of the containerd that it started, when it started one.
const CONTAINERD_PID_FILE: &str = "/var/run/docker/containerd/containerd.pid";

/// The engine of this machine, as it was started. Dropping it starts it again like that.
#[derive(Debug)]
pub struct Engine {
    args: Vec<Vec<u8>>,
    environment: Vec<Vec<u8>>,
}

impl Engine {
    /// The engine that runs. Panics without leave to restart it.
    pub fn running() -> Self {
        let leave = std::env::var_os("PARALLAX_TEST_RESTARTS_ENGINE");
        assert!(
            leave.is_some(),
            "these tests restart the Docker engine: `make test-engine` says that they may"
        );
        let read = |what| {
            let bytes = fs::read(format!("/proc/{}/{what}", pid())).expect("the engine can be looked at");
            bytes.split(|byte| *byte == 0).filter(|part| !part.is_empty()).map(<[u8]>::to_vec).collect()
        };
        Self { args: read("cmdline"), environment: read("environ") }
    }

    /// Ends the engine with this signal, and starts it with these arguments as well.
    pub async fn restart(&self, signal: Signal, more: &[&str]) {
        let old = pid();
        let below = pid_in(CONTAINERD_PID_FILE);
        let process = i32::try_from(old).ok().and_then(Pid::from_raw).expect("a process has a number");
        kill_process(process, signal).expect("tests run as root");
        until("the engine to end", PATIENCE, async || if processes::lives(old) { Err(old) } else { Ok(()) })
            .await;
        // It ends its own containerd, or the kernel does, a moment later; the next engine would take it for one that stays.
        if let Some(below) = below {
            until(
                "containerd to end",
                PATIENCE,
                async || if processes::lives(below) { Err(below) } else { Ok(()) },
            )
            .await;
        }
        // Who was killed leaves files that the next would take for its own.
        for file in [PID_FILE, CONTAINERD_PID_FILE] {
            drop(fs::remove_file(file));
        }
        self.start(more);
        until("the engine to answer", PATIENCE * 2, async || {
            docker(&["info"]).await.map(drop).ok_or("no answer")
        })
        .await;
    }

    fn start(&self, more: &[&str]) {
        let word = |bytes: &Vec<u8>| std::ffi::OsString::from_vec(bytes.clone());
        let mut command = Command::new(word(&self.args[0]));
        command.args(self.args[1..].iter().map(word)).args(more).env_clear();
        for variable in &self.environment {
            let at = variable.iter().position(|byte| *byte == b'=').expect("NAME=VALUE");
            command.env(word(&variable[..at].to_vec()), word(&variable[at + 1..].to_vec()));
        }
        // In a session of its own, which outlives the test.
        let log = fs::File::options().create(true).append(true).open("/var/log/parallax-test-engine.log");
        let log = log.expect("tests run as root");
        let child = Command::new("setsid")
            .arg("--fork")
            .arg(command.get_program())
            .args(command.get_args())
            .env_clear()
            .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be shared"))
            .stderr(log)
            .status();
        assert!(child.expect("setsid can be run").success());
    }
}

fn pid() -> u32 {
    pid_in(PID_FILE).expect("an engine runs on this machine")
}

fn pid_in(file: &str) -> Option<u32> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}
