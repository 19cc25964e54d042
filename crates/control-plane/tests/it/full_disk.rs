//! A full disk: what needs no disk goes on, what needs it is refused with a code, and all of it recovers by itself. On a
//! small file system in memory, which only root can make.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::plane::{Plane, ScriptedRuntime, take, within};
use parallax_api::runtime::RuntimeKind;
use parallax_api::{AgentStatus, Code, Event, EventData, Problem};
use tempfile::TempDir;

/// A file system of two mebibytes.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// None where it cannot be made.
    fn mount() -> Option<Self> {
        let dir = TempDir::new().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=2m,mode=700", "tmpfs"])
            .arg(dir.path())
            .output()
            .is_ok_and(|output| output.status.success());
        if !mounted {
            eprintln!("skipped: only root can mount a file system");
            return None;
        }
        Some(Self(dir))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes all the room there is.
    fn fill(&self) {
        let mut size = 1024 * 1024;
        let mut fill =
            fs::OpenOptions::new().create(true).append(true).open(self.path().join("fill")).unwrap();
        while size > 0 {
            if std::io::Write::write_all(&mut fill, &vec![0; size]).is_err() {
                size /= 2;
            }
        }
    }

    fn free(&self) {
        fs::remove_file(self.path().join("fill")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(self.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "the small disk is still mounted");
    }
}

async fn ready(plane: &Plane) -> Result<serde_json::Value, Problem> {
    let response = reqwest::get(plane.url("/ready")).await.unwrap();
    let is_ready = response.status().is_success();
    let body = response.json::<serde_json::Value>().await.unwrap();
    if is_ready { Ok(body) } else { Err(serde_json::from_value(body).unwrap()) }
}

async fn until_ready(plane: &Plane) {
    within("the disk is found to take writes", async { while ready(plane).await.is_err() {} }).await;
}

async fn put_pattern(plane: &Plane, name: &str) -> reqwest::StatusCode {
    let file = format!(
        "{{\"name\": \"{name}\", \"roles\": {{\"a\": {{\"type\": \"claude\"}}}}, \
         \"workflow\": [{{\"step\": \"ask\", \"role\": \"a\", \"prompt\": \"{}\"}}]}}",
        "x".repeat(20_000)
    );
    let request = reqwest::Client::new().put(plane.url(&format!("/api/patterns/{name}")));
    request.header("content-type", "application/json").body(file).send().await.unwrap().status()
}

fn words(events: &[Event]) -> Vec<String> {
    let words = events.iter().map(|event| match &event.data {
        EventData::Message { message } => message.content.clone(),
        data => data.name().into(),
    });
    words.collect()
}

#[tokio::test]
async fn a_full_disk_refuses_what_needs_it_and_nothing_else() {
    let Some(disk) = SmallDisk::mount() else { return };
    let runtime = ScriptedRuntime::start(RuntimeKind::Local).await;
    let plane = Plane::start(disk.path(), vec![runtime.spec("local")]).await;
    let agent = plane.spawn("worker", None).await.unwrap();
    let mut events = plane.events(None).await;
    runtime.says(agent.id.as_str(), "before").await;
    let first = take(&mut events, 1).await;

    disk.fill();
    // Events go on, in order and once, though none can be stored.
    for n in 0..20 {
        runtime.says(agent.id.as_str(), &format!("during {n} {}", "x".repeat(2000))).await;
    }
    let during = take(&mut events, 20).await;
    assert!(words(&during)[19].starts_with("during 19"));
    let problem = ready(&plane).await.unwrap_err();
    assert_eq!((problem.code, problem.status), (Code::StorageFull, 507));
    let refused = plane.spawn("another", None).await.unwrap_err();
    assert_eq!(refused.code, Code::StorageFull, "{refused}");
    assert_eq!(runtime.script.spawned.lock().unwrap().len(), 1);
    // Listing, showing, interrupting, a retry with a key and stopping need no disk.
    assert_eq!(plane.client.list_all(&Default::default()).await.unwrap().len(), 1);
    plane.client.interrupt(&agent.id).await.unwrap();
    // A subscriber that comes now, and one that resumes, get what stands in memory.
    let mut late = plane.events(Some(&first[0].id)).await;
    assert_eq!(take(&mut late, 20).await, during);
    let mut resumed = plane.events(Some(&during[4].id)).await;
    assert_eq!(take(&mut resumed, 15).await, during[5..]);
    plane.client.stop(&agent.id, &Default::default()).await.unwrap();

    disk.free();
    until_ready(&plane).await;
    plane.spawn("another", None).await.unwrap();
    runtime.says(agent.id.as_str(), "after").await;
    let after = take(&mut events, 1).await;
    assert_eq!(words(&after), ["after"]);
    // An id from the outage is still good in this server, and everything is kept for the next one.
    let mut resumed = plane.events(Some(&during[18].id)).await;
    assert_eq!(words(&take(&mut resumed, 2).await)[1], "after");
    plane.stop().await;
    let plane = Plane::start(disk.path(), vec![runtime.spec("local")]).await;
    let mut all = plane.events(Some("0")).await;
    let kept = words(&take(&mut all, 22).await);
    assert_eq!((kept[0].as_str(), kept[21].as_str()), ("before", "after"));
    // The next server cannot know whether all events of an outage were kept: it says so.
    let mut unsure = plane.events(Some(&during[18].id)).await;
    assert_eq!(words(&take(&mut unsure, 1).await), ["reset"]);
    plane.stop().await;
}

#[tokio::test]
async fn a_server_starts_on_a_full_disk() {
    let Some(disk) = SmallDisk::mount() else { return };
    let runtime = ScriptedRuntime::start(RuntimeKind::Local).await;
    let plane = Plane::start(disk.path(), vec![runtime.spec("local")]).await;
    let agent = plane.spawn("worker", None).await.unwrap();
    runtime.says(agent.id.as_str(), "before").await;
    let mut events = plane.events(Some("0")).await;
    take(&mut events, 1).await;
    plane.stop().await;
    disk.fill();
    let plane = Plane::start(disk.path(), vec![runtime.spec("local")]).await;
    assert_eq!(plane.client.list_all(&Default::default()).await.unwrap().len(), 1);
    // What the first server gave back when it closed its database, after it had answered for the last time.
    disk.fill();
    assert_eq!(plane.spawn("another", None).await.unwrap_err().code, Code::StorageFull);
    runtime.says(agent.id.as_str(), "during").await;
    let mut events = plane.events(Some("0")).await;
    assert_eq!(words(&take(&mut events, 2).await), ["before", "during"]);
    disk.free();
    until_ready(&plane).await;
    plane.spawn("another", None).await.unwrap();
    assert!(put_pattern(&plane, "kept").await != reqwest::StatusCode::INSUFFICIENT_STORAGE);
    plane.stop().await;
}

/// No database yet, and no room for one: everything is in memory until there is.
#[tokio::test]
async fn a_first_start_on_a_full_disk_moves_to_the_disk_when_there_is_room() {
    let Some(disk) = SmallDisk::mount() else { return };
    let runtime = ScriptedRuntime::start(RuntimeKind::Local).await;
    runtime.becomes("a1", AgentStatus::Ready).await;
    disk.fill();
    let plane = Plane::start(disk.path(), vec![runtime.spec("local")]).await;
    let mut events = plane.events(Some("0")).await;
    let first = take(&mut events, 1).await;
    assert_eq!(words(&first), ["agent_ready"]);
    assert_eq!(ready(&plane).await.unwrap_err().code, Code::StorageFull);
    disk.free();
    until_ready(&plane).await;
    plane.spawn("worker", None).await.unwrap();
    runtime.says("a1", "after").await;
    take(&mut events, 1).await;
    plane.stop().await;
    let plane = Plane::start(disk.path(), vec![runtime.spec("local")]).await;
    let mut all = plane.events(Some("0")).await;
    assert_eq!(words(&take(&mut all, 2).await), ["agent_ready", "after"]);
    plane.stop().await;
}
