//! What a process does as a whole: signals, environment, logs. Each test runs this program again with one of the
//! ignored tests below as its `main`.

use std::process::Stdio;
use std::time::Duration;

use clap::Parser;
use parallax_api::Time;
use parallax_service::args::{ServerArgs, Settings};
use parallax_service::events::EventLog;
use parallax_service::shutdown::Shutdown;
use parallax_service::telemetry;
use parallax_store::sqlite::open_runtime;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::events::{busy, next};
use crate::server::LIMIT;

/// This program as one of the children below.
fn child(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([&format!("process::{name}"), "--exact", "--ignored", "--nocapture"]);
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

async fn signal(child: &Child, name: &str) {
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-s", name, &pid]).status().await.unwrap().success());
}

#[tokio::test]
async fn the_first_signal_begins_the_shutdown_and_the_second_ends_it() {
    for (first, second, code) in [("TERM", "INT", 130), ("INT", "TERM", 143)] {
        let mut child = child("child_that_never_finishes").spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut until = async |word: &str| {
            let found =
                async { while !lines.next_line().await.unwrap().expect("more lines").contains(word) {} };
            tokio::time::timeout(LIMIT, found).await.unwrap_or_else(|_| panic!("`{word}` was never printed"));
        };
        until("waiting").await;
        signal(&child, first).await;
        until("begun").await;
        signal(&child, second).await;
        let status =
            tokio::time::timeout(LIMIT, child.wait()).await.expect("the second signal ends it").unwrap();
        assert_eq!(status.code(), Some(code));
        let mut log = String::new();
        child.stderr.take().unwrap().read_to_string(&mut log).await.unwrap();
        let line: serde_json::Value =
            serde_json::from_str(log.lines().next().unwrap()).expect("JSON off a terminal");
        assert!(line["message"].as_str().unwrap().contains("shutting down"), "{line}");
    }
}

#[tokio::test]
#[ignore = "the child of another test"]
async fn child_that_never_finishes() {
    telemetry::init("info").unwrap();
    let shutdown = Shutdown::new();
    shutdown.on_signals().unwrap();
    println!("waiting");
    shutdown.begun().await;
    println!("begun");
    tokio::time::sleep(Duration::from_secs(60)).await;
}

#[tokio::test]
async fn a_server_that_is_killed_has_every_event_it_told_of() {
    let dir = tempfile::tempdir().unwrap();
    let mut told = Vec::new();
    let mut last_seq = 0;
    for _ in 0..3 {
        let mut child = child("child_that_appends").env("STATE", dir.path()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut of_this_one = 0;
        let mut was_killed = false;
        // To the end of what it printed: it goes on appending until the kill arrives.
        while let Some(line) =
            tokio::time::timeout(LIMIT, lines.next_line()).await.expect("more lines").unwrap()
        {
            let Some((seq, id)) = line.strip_prefix("told ").and_then(|line| line.split_once(' ')) else {
                continue;
            };
            let seq: u64 = seq.parse().unwrap();
            assert!(seq > last_seq, "the next server goes on after what was appended");
            last_seq = seq;
            told.push(id.to_owned());
            of_this_one += 1;
            if of_this_one >= 50 && !was_killed {
                child.start_kill().unwrap();
                was_killed = true;
            }
        }
        child.wait().await.unwrap();
    }
    let stores = open_runtime(dir.path()).await.unwrap();
    let log = EventLog::open(stores.events, 100_000).await.unwrap();
    let kept = log.source_seq("a").await.unwrap();
    let mut events = Box::pin(log.subscribe(Some("0".into()), None));
    let kept: Vec<String> =
        next(&mut events, kept.try_into().unwrap()).await.into_iter().map(|event| event.id).collect();
    let missing: Vec<_> = told.iter().filter(|id| !kept.contains(id)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    // Resuming from the last one that was told gives what was appended and not told, and no reset.
    let since = told.last().unwrap();
    let rest = kept.iter().skip_while(|id| *id != since).skip(1).cloned().collect::<Vec<_>>();
    let mut resumed = Box::pin(log.subscribe(Some(since.clone()), None));
    let resumed: Vec<String> =
        next(&mut resumed, rest.len()).await.into_iter().map(|event| event.id).collect();
    assert_eq!(resumed, rest);
}

#[tokio::test]
#[ignore = "the child of another test"]
async fn child_that_appends() {
    let state = std::env::var("STATE").unwrap();
    let stores = open_runtime(state.as_ref()).await.unwrap();
    let log = EventLog::open(stores.events, 100_000).await.unwrap();
    let first = log.source_seq("a").await.unwrap() + 1;
    // Bounded, should nobody kill it.
    for seq in first..first + 20_000 {
        let event = log.append("a", seq, busy("a"), Time::now()).await.unwrap().expect("a new number");
        println!("told {seq} {}", event.id);
    }
}

#[tokio::test]
async fn flags_win_over_the_environment_and_that_over_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let (config, tokens) = (dir.path().join("server.toml"), dir.path().join("tokens"));
    std::fs::write(&tokens, "view look\n").unwrap();
    std::fs::write(&config, "listen = '127.0.0.1:3'\nlog = 'warn'\nmax-agents = 3\nprofiles = 'from-file'\n")
        .unwrap();
    let output = child("child_that_resolves")
        .env("PARALLAX_LISTEN", "127.0.0.1:1")
        .env("PORT", "2")
        .env("MAX_AGENTS", "2")
        .env("LOG_LEVEL", "debug")
        .env("PARALLAX_CONFIG", &config)
        .env("PARALLAX_TOKEN_FILE", &tokens)
        .env("PARALLAX_API_TOKEN", "own")
        .env("XDG_STATE_HOME", "/state")
        .output();
    let output = tokio::time::timeout(LIMIT, output).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
#[ignore = "the child of another test"]
fn child_that_resolves() {
    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        server: ServerArgs,
    }
    let Program { server } = Program::parse_from(["program", "--log", "error"]);
    let Settings { listen, state_dir, profiles, max_agents, log, tokens, .. } =
        server.resolve("test", 3000).unwrap();
    assert_eq!(listen.port(), 1);
    assert_eq!(max_agents, Some(2));
    assert_eq!(log, "error");
    assert_eq!(profiles.unwrap().to_str(), Some("from-file"));
    assert_eq!(state_dir.to_str(), Some("/state/parallax/test"));
    assert_eq!(tokens.len(), 2);
}
