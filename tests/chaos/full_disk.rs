//! The file system of the state directory is full for a while. Needs root, for a file system of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use parallax_api::client::ListFilter;
use parallax_testkit::backend::{ServerOptions, TestBackend, fake};
use parallax_testkit::local::LocalBackend;
use parallax_testkit::wait::{PATIENCE, until};

/// A small file system in memory, mounted over a directory.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Self {
        fs::create_dir_all(at).expect("the directory can be made");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m,mode=0700", "tmpfs"]).arg(at).status();
        assert!(mounted.is_ok_and(|status| status.success()), "mounting needs root");
        Self(at.to_owned())
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        use std::io::Write;
        let mut file = fs::File::create(self.0.join("filler")).expect("the last file");
        let block = [b'x'; 4096];
        while file.write_all(&block).is_ok() {}
    }

    fn free(&self) {
        fs::remove_file(self.0.join("filler")).expect("it is there");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a host of a test that failed may still be there.
        drop(Command::new("umount").arg("--lazy").arg(&self.0).status());
    }
}

/// Agents go on, what needs the disk is refused with a code of its own, and when there is room again all goes on by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs root: make test-chaos"]
async fn a_full_disk_stops_no_agent() {
    let mut disk = None;
    let backend =
        LocalBackend::start_with(&[], &[], |home| disk = Some(SmallDisk::mount(&home.join("state")))).await;
    let disk = disk.expect("it was mounted");
    let user = backend.user();
    let mut agent = user.spawn_ready(fake("steady", &[])).await;
    assert_eq!(agent.say("before").await, "echo: before");

    disk.fill();
    for number in 0..5 {
        assert_eq!(agent.say(format!("full {number}")).await, format!("echo: full {number}"));
    }
    let refused = user.spawn_refused(&fake("another", &[])).await;
    assert_eq!((refused.code.to_string().as_str(), refused.status), ("STORAGE_FULL", 507), "{refused:?}");
    assert!(user.client.ready().await.is_err(), "a server without room is not ready");
    let listed = user.client.list_all(&ListFilter::default()).await.expect("listing needs no room");
    assert_eq!(listed.len(), 1);
    assert!(agent.screen().await.contains("echo: full 4"));

    // A server that starts meanwhile can list, watch and stop.
    backend.kill_server().await;
    backend.start_server(ServerOptions::default()).await;
    assert_eq!(agent.say("a new server").await, "echo: a new server");

    disk.free();
    until("the server to be ready again", PATIENCE, async || user.client.ready().await).await;
    assert_eq!(agent.say("after").await, "echo: after");
    let next = user.spawn_ready(fake("next", &[])).await;
    assert_eq!(next.say("hello").await, "echo: hello");
    next.stop().await;
    agent.stop().await;
    assert_eq!(agent.ends().await.reason, "stopped");
    backend.end_server().await;
}
