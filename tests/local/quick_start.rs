//! The quick start of the README, word for word. What differs is named in [`STAND_INS`].

use std::path::Path;
use std::process::Stdio;

use parallax_testkit::local::Directory;
use parallax_testkit::parallax::{Run, finish};
use parallax_testkit::pty::Terminal;
use parallax_testkit::server::path_with_programs;
use parallax_testkit::up::Up;
use tokio::process::Command;

const README: &str = include_str!("../../README.md");

/// What a test cannot do as it stands, and what it does instead. Ports: many tests run at once. Programs: those built for tests.
const STAND_INS: [(&str, &str); 2] =
    [("localhost:3000", "127.0.0.1:$PORT"), ("export PATH=$PWD/target/release:$PATH", "true")];

/// The shell blocks of the quick start that need no CLI.
fn blocks() -> Vec<String> {
    let section = README.split("## Quick start").nth(1).and_then(|rest| rest.split("### With a CLI").next());
    let section = section.expect("the README has a quick start, and in it a part for who has a CLI");
    let blocks = section.split("```sh\n").skip(1);
    blocks.map(|block| block.split("```").next().expect("a block has an end").to_owned()).collect()
}

/// Bash in the clone's directory, where the quick start is read, with this test's servers.
fn bash(script: &str, home: &Path, port: u16) -> Command {
    let script =
        STAND_INS.iter().fold(script.to_owned(), |text, (word, instead)| text.replace(word, instead));
    let mut command = Command::new("bash");
    command
        .args(["-euo", "pipefail", "-c", &script])
        .env_clear()
        .env("PATH", path_with_programs())
        .env("HOME", home)
        .env("PORT", port.to_string())
        .env("PARALLAX_URL", format!("http://127.0.0.1:{port}"))
        .current_dir(home)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_quick_start_works_word_for_word() {
    let blocks = blocks();
    let [up, by_api, by_program] = blocks.as_slice() else { panic!("three blocks: {blocks:#?}") };
    assert_eq!(up, "make up\n");
    let makefile = include_str!("../../Makefile");
    assert!(
        makefile.contains("$(TARGET)/release/parallax up --profiles examples/profiles\n"),
        "what is started below is what `make up` starts"
    );

    let directory = Directory::new();
    let profiles = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/profiles");
    let Up { mut server, .. } = Up::start_with(&directory, &profiles, &[], &[]).await;
    let port =
        server.url().rsplit(':').next().and_then(|port| port.parse().ok()).expect("an address has a port");

    let run: Run = finish(bash(by_api, directory.path(), port), "").await.succeeded();
    let answer = run.out.lines().last().expect("the second call answers");
    assert!(answer.contains(r#""sent":true"#) && answer.contains(r#""content":"hello from "#), "{}", run.out);

    // What needs a terminal is used in one; the rest, up to it and after it, is run as it stands.
    let (before, rest) = by_program.split_once("parallax attach second").expect("it attaches");
    let after = rest.split_once('\n').expect("more follows").1;
    let run = finish(bash(before, directory.path(), port), "").await.succeeded();
    assert!(run.out.contains("Linux\n"), "the answer: {}", run.out);
    assert!(run.out.contains("first") && run.out.contains("second"), "both are listed: {}", run.out);
    let mut terminal = Terminal::run(&bash("parallax attach second", directory.path(), port));
    terminal.shows("Ctrl-] detaches").await;
    terminal.shows("uname -s").await;
    terminal.types(b"\x1d");
    terminal.shows("[detached").await;
    assert_eq!(terminal.ends().await, 0);
    let run = finish(bash(after, directory.path(), port), "").await.succeeded();
    assert!(run.out.contains("first is stopped") && run.out.contains("second is stopped"), "{}", run.out);
    server.end().await;
}

/// The words of the README for a name that is taken: refused, not a second agent that nothing can address.
#[test]
fn no_name_is_given_twice() {
    let section = README.split("## Quick start").nth(1).and_then(|rest| rest.split("## What runs").next());
    let section = section.expect("the README has a quick start");
    let spawned = section
        .match_indices("parallax spawn ")
        .map(|(at, _)| section[at..].split_whitespace().nth(3).expect("a spawn has a name"));
    let posted = section
        .match_indices("\"name\": \"")
        .map(|(at, found)| section[at + found.len()..].split('"').next().expect("a name is quoted"));
    let mut names: Vec<&str> = spawned.chain(posted).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 3, "{names:?}");
}
