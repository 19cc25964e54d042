//! A terminal that a program under test runs in.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};

use portable_pty::{CommandBuilder, MasterPty, PtySize, native_pty_system};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::wait::PATIENCE;

fn size(cols: u16, rows: u16) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}

/// What the program's terminal shows, and its keyboard.
pub struct Terminal {
    master: Box<dyn MasterPty + Send>,
    keyboard: Box<dyn Write + Send>,
    shown: Arc<(Mutex<Vec<u8>>, Notify)>,
    child: Option<Box<dyn portable_pty::Child + Send + Sync>>,
    /// Keeps the terminal alive when the program has ended, so that its settings can be looked at.
    _slave: Box<dyn portable_pty::SlavePty + Send>,
}

impl Terminal {
    /// Runs the program in a terminal of 80 x 24.
    pub fn run(program: &tokio::process::Command) -> Self {
        let pair = native_pty_system().openpty(size(80, 24)).expect("a terminal");
        let program = program.as_std();
        let mut command = CommandBuilder::new(program.get_program());
        command.args(program.get_args());
        command.env_clear();
        command.cwd(program.get_current_dir().unwrap_or(std::path::Path::new("/")));
        command.env("TERM", "xterm-256color");
        for (name, value) in program.get_envs() {
            command.env(name, value.expect("nothing is unset"));
        }
        let child = pair.slave.spawn_command(command).expect("the program starts");
        let shown: Arc<(Mutex<Vec<u8>>, Notify)> = Arc::default();
        let mut reader = pair.master.try_clone_reader().expect("reader");
        let sink = shown.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                sink.0.lock().expect("unlocked").extend_from_slice(&buffer[..count]);
                sink.1.notify_waiters();
            }
        });
        let keyboard = pair.master.take_writer().expect("writer");
        Self { master: pair.master, keyboard, shown, child: Some(child), _slave: pair.slave }
    }

    /// Everything that was printed so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown.0.lock().expect("unlocked")).into_owned()
    }

    /// Waits until this was printed.
    pub async fn shows(&self, needle: &str) {
        let wait = async {
            loop {
                let more = self.shown.1.notified();
                if self.text().contains(needle) {
                    return;
                }
                more.await;
            }
        };
        if timeout(PATIENCE, wait).await.is_err() {
            panic!("never showed {needle:?}, but {:?}", self.text());
        }
    }

    /// Types these bytes.
    pub fn types(&mut self, bytes: &[u8]) {
        self.keyboard.write_all(bytes).expect("typed");
        self.keyboard.flush().expect("typed");
    }

    /// Whether lines are edited by the system and signals made from keys: how a shell's terminal is, and a raw one is not.
    pub fn is_cooked(&self) -> bool {
        let settings = format!("{:?}", self.master.get_termios().expect("settings").local_flags);
        settings.contains("ICANON") && settings.contains("ECHO") && settings.contains("ISIG")
    }

    /// Changes the size of the terminal.
    pub fn resize(&self, cols: u16, rows: u16) {
        self.master.resize(size(cols, rows)).expect("resized");
    }

    /// Sends the signal of that name.
    pub fn signal(&self, name: &str) {
        let pid = self.child.as_ref().and_then(|child| child.process_id()).expect("it runs");
        let sent = std::process::Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status();
        assert!(sent.expect("kill").success());
    }

    /// The exit code, once it ended and the terminal is as it was.
    pub async fn ends(mut self) -> u32 {
        let mut child = self.child.take().expect("it is waited for once");
        let mut killer = child.clone_killer();
        let waited = tokio::task::spawn_blocking(move || child.wait().expect("status"));
        let Ok(status) = timeout(PATIENCE, waited).await else {
            killer.kill().ok();
            panic!("it never ends: {:?}", self.text());
        };
        assert!(self.is_cooked(), "the terminal is as it was");
        status.expect("joined").exit_code()
    }
}
