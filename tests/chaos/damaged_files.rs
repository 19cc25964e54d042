//! Files of the state directory are damaged while no server runs: the next one starts, has everything that is whole, and deletes
//! nothing.

use std::fs;
use std::path::{Path, PathBuf};

use parallax_api::client::ListFilter;
use parallax_testkit::backend::{ServerOptions, TestBackend, fake};
use parallax_testkit::local::LocalBackend;
use parallax_testkit::user::{Spawned, User};
use parallax_testkit::wait::{PATIENCE, within};

use crate::seed::{Random, rounds};

/// Every file below a directory.
fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files(&entry.path(), found),
            Ok(kind) if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
}

/// Damages a file in one of five ways; says which.
fn damage(path: &Path, random: &mut Random) -> String {
    let mut bytes = fs::read(path).expect("it can be read");
    let how = match random.below(5) {
        0 => {
            bytes.truncate(random.below(bytes.len() + 1));
            format!("cut to {} bytes", bytes.len())
        }
        1 => {
            let count = 1 + bytes.len() / 50;
            for _ in 0..count {
                let at = random.below(bytes.len());
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = random.next() as u8;
                }
            }
            format!("{count} bytes garbled")
        }
        2 => {
            bytes.extend((0..200).map(|_| random.next() as u8));
            "200 bytes appended".to_owned()
        }
        3 => {
            bytes.fill(0);
            "zeroed".to_owned()
        }
        _ => {
            bytes.clear();
            bytes.extend_from_slice(b"{\"version\": 99, \"from\": \"the future\"}\n");
            "of a newer version".to_owned()
        }
    };
    fs::write(path, bytes).expect("it can be written");
    how
}

/// An agent that lives, one that has ended, and the files of their server, which was killed.
async fn leave_state(backend: &LocalBackend, user: &User) -> (Spawned, Spawned, Vec<PathBuf>) {
    let (alive, ended) =
        (user.spawn_ready(fake("alive", &[])).await, user.spawn_ready(fake("ended", &[])).await);
    assert_eq!(alive.say("before").await, "echo: before");
    assert_eq!(ended.say("before").await, "echo: before");
    ended.stop().await;
    backend.kill_server().await;
    let mut found = Vec::new();
    files(&backend.directory().join("state"), &mut found);
    found.sort();
    (alive, ended, found)
}

/// One damaged file at a time: the server starts and answers, and an agent that the file does not belong to has lost nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "damages files: make test-chaos"]
async fn a_damaged_file_costs_at_most_itself() {
    let mut random = Random::for_test("damaged files");
    for round in 0..rounds() * 3 {
        let backend = LocalBackend::start().await;
        let user = backend.user();
        let (alive, ended, found) = leave_state(&backend, &user).await;
        let chosen = found[random.below(found.len())].clone();
        let how = damage(&chosen, &mut random);
        println!("round {round}: {} {how}", chosen.display());
        backend.start_server(ServerOptions::default()).await;

        let agents = within("the list", PATIENCE, user.client.list_all(&ListFilter::default())).await;
        let agents = agents.unwrap_or_else(|problem| panic!("{} {how}: {problem:?}", chosen.display()));
        let belongs_to = |id: &str| chosen.to_string_lossy().contains(id);
        if !belongs_to(alive.id.as_str()) {
            assert!(
                agents.iter().any(|agent| agent.id == alive.id),
                "{} {how}: {agents:#?}",
                chosen.display()
            );
            assert_eq!(alive.say("after").await, "echo: after", "{} {how}", chosen.display());
            assert_eq!(alive.messages().await.len(), 4, "{} {how}", chosen.display());
        }
        if !belongs_to(ended.id.as_str()) {
            assert!(
                agents.iter().any(|agent| agent.id == ended.id),
                "{} {how}: {agents:#?}",
                chosen.display()
            );
            assert_eq!(ended.messages().await.len(), 2, "{} {how}", chosen.display());
        }
        stop_what_answers(&user).await;
        backend.end_server().await;
    }
}

/// An agent whose own files are damaged may not answer any more; its processes end with the backend's directory.
async fn stop_what_answers(user: &User) {
    for agent in user.client.list_all(&ListFilter::default()).await.expect("a list") {
        let stop = parallax_api::agent::StopRequest { force: true, ..Default::default() };
        drop(user.client.stop(&agent.id, &stop).await);
    }
}

/// A lost database: agents that live are found, and transcripts of those that ended are taken in again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "damages files: make test-chaos"]
async fn a_lost_database_loses_no_transcript() {
    let backend = LocalBackend::start().await;
    let user = backend.user();
    let (alive, ended, found) = leave_state(&backend, &user).await;
    let is_database = |path: &&PathBuf| {
        path.file_name().is_some_and(|name| {
            let name = name.to_string_lossy();
            name.contains(".db") || name.contains(".sqlite")
        })
    };
    let databases: Vec<_> = found.iter().filter(is_database).collect();
    assert!(!databases.is_empty(), "{found:#?}");
    for database in databases {
        fs::remove_file(database).expect("it can be removed");
    }
    backend.start_server(ServerOptions::default()).await;
    assert_eq!(alive.say("after").await, "echo: after");
    assert_eq!(ended.messages().await.len(), 2, "the transcript is taken in again");
    alive.stop().await;
    backend.end_server().await;
}
