//! `parallax logs -f` goes on over the death of the server.

use std::process::Stdio;

use parallax_api::SpawnRequest;
use parallax_testkit::backend::fake;
use parallax_testkit::local::Directory;
use parallax_testkit::parallax::program;
use parallax_testkit::server::reqwest_client;
use parallax_testkit::up::Up;
use parallax_testkit::wait::{PATIENCE, within};
use tokio::io::AsyncReadExt;
use tokio::process::Child;

const LINES: usize = 20_000;

/// Prints numbers, green ones, when Enter is pressed.
fn counter() -> String {
    format!(
        r#"
name = "counter"
title = "Counter"
[start]
program = "bash"
args = ["-c", """
    echo begin; read -r
    for i in $(seq 1 {LINES}); do printf '\\e[32m<%d>\\e[0m\\n' $i; ((i % 100)) || sleep 0.01; done
    exit 3
"""]
"#
    )
}

/// A follower, and what it has printed.
struct Follower {
    child: Child,
    text: Vec<u8>,
}

impl Follower {
    fn start(url: &str, format: &str) -> Self {
        let child = program(url, &["logs", "-f", "one", "--format", format])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        Self { child, text: Vec::new() }
    }

    /// Reads until it has printed this.
    async fn prints(&mut self, needle: &str) {
        let out = self.child.stdout.as_mut().expect("piped");
        let text = &mut self.text;
        let wait = async {
            let mut from = 0;
            while !text[from..].windows(needle.len()).any(|window| window == needle.as_bytes()) {
                from = text.len().saturating_sub(needle.len());
                assert!(out.read_buf(text).await.expect("readable") > 0, "it ended before {needle}");
            }
        };
        within(&format!("{needle} in the log"), PATIENCE, wait).await;
    }

    /// Reads to its end: what it printed, and what it told beside that.
    async fn ends(mut self) -> (String, String) {
        let rest = async {
            let out = self.child.stdout.as_mut().expect("piped");
            out.read_to_end(&mut self.text).await.expect("readable");
            let mut told = String::new();
            let err = self.child.stderr.as_mut().expect("piped");
            err.read_to_string(&mut told).await.expect("readable");
            (told, self.child.wait().await.expect("status"))
        };
        let (told, status) = within("the end of the log", PATIENCE, rest).await;
        assert!(status.success(), "{status}: {told}");
        (String::from_utf8(self.text).expect("text"), told)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_followed_log_has_every_byte_once() {
    let directory = Directory::new();
    let profiles = directory.path().join("profiles");
    std::fs::create_dir_all(&profiles).expect("made");
    std::fs::write(profiles.join("counter.toml"), counter()).expect("written");
    let mut up = Up::start(&directory, &[]).await;
    let agent = up.user().spawn(SpawnRequest { r#type: "counter".into(), ..fake("one", &[]) }).await;
    let mut followers = ["text", "ansi", "raw"].map(|format| Follower::start(&up.server.url(), format));
    for follower in &mut followers {
        follower.prints("begin").await;
    }
    agent.press(&["enter"]).await;
    for (mark, is_killed) in [("<2000>", true), ("<6000>", false), ("<10000>", true)] {
        for follower in &mut followers {
            follower.prints(mark).await;
        }
        match is_killed {
            true => up.server.kill().await,
            false => up.server.end().await,
        }
        up.server.start(&[]).await;
    }
    let raw = format!("{}/api/managed-agents/{}/logs?format=raw", up.server.url(), agent.id);
    for (follower, format) in followers.into_iter().zip(["text", "ansi", "raw"]) {
        let (text, told) = follower.ends().await;
        assert!(told.contains("connecting again"), "{format}: {told}");
        let numbers = text.split('<').filter_map(|rest| rest.split_once('>')?.0.parse::<usize>().ok());
        assert!(numbers.eq(1..=LINES), "{format}: every line once, in order");
        match format {
            "text" => assert!(!text.contains('\u{1b}'), "no control sequences"),
            "ansi" => assert!(text.contains("\u{1b}[32m<9>")),
            _ => {
                let log = reqwest_client().get(&raw).send().await.expect("it answers").text().await;
                assert!(text == log.expect("a body"), "byte by byte");
            }
        }
    }
    up.server.end().await;
}
