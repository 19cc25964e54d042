//! How much room workspaces take: told before it is all, refused then, and freed by a clean-up.

use parallax_api::workspace::WorkspaceRequest;
use parallax_api::{Code, SpawnRequest};
use parallax_testkit::backend::TestBackend;
use parallax_testkit::local::LocalBackend;
use parallax_testkit::parallax::parallax;
use parallax_testkit::repository::{Repository, branch, committed, git, with_shell};
use parallax_testkit::wait::{PATIENCE, until};

const MIB: u64 = 1 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_told_before_no_more_are_made() {
    let backend = LocalBackend::start_with(&["--workspaces-max-bytes", "8Mi"], &[], with_shell).await;
    let (user, repository) = (backend.user(), Repository::new(backend.directory()));
    let client = user.client.clone();
    let space = async || {
        let space = client.runtime_status().await.expect("it answers").workspaces;
        space.ok_or("it was not counted yet")
    };
    let agent = user.spawn_ready(repository.request("hoarder")).await;
    let counted = until("the first count", PATIENCE, space).await;
    assert_eq!((counted.max_bytes, counted.warning), (Some(8 * MIB), None));

    // Of four fifths it is told everywhere, and others still come.
    agent.say("head -c 7000000 /dev/urandom > large").await;
    let told = until("a warning", PATIENCE, async || {
        let space = space().await?;
        space.warning.clone().ok_or("none").map(|warning| (space.bytes, warning))
    })
    .await;
    assert!(told.0 >= 7_000_000 && told.0 < 8 * MIB && told.1.contains("workspaces gc"), "{told:?}");
    let url = backend.url();
    let listed = client.workspaces().await.expect("listed");
    assert_eq!(listed.space["local"].warning.as_deref(), Some(&*told.1));
    assert!(listed.workspaces[0].bytes.is_some_and(|bytes| bytes >= 7_000_000), "{listed:?}");
    let metrics =
        reqwest::get(format!("{url}/metrics")).await.expect("it answers").text().await.expect("text");
    assert!(metrics.contains(&format!("parallax_workspaces_max_bytes {}", 8 * MIB)), "{metrics}");
    let gauge = metrics.lines().find_map(|line| line.strip_prefix("parallax_workspaces_bytes "));
    assert!(
        gauge.and_then(|bytes| bytes.parse().ok()).is_some_and(|bytes: u64| bytes >= 7_000_000),
        "{metrics}"
    );
    let other = user.spawn_ready(repository.request("other")).await;
    assert!(!other.stop().await.exit.and_then(|exit| exit.workspace).expect("told").kept);

    // What it leaves would be lost with it; then somebody has it on a branch, and a clean-up would free it.
    agent.say("head -c 2000000 /dev/urandom > more").await;
    until("it to be full", PATIENCE, async || {
        let space = space().await?;
        if space.bytes >= 8 * MIB { Ok(()) } else { Err("not yet") }
    })
    .await;
    committed(&client, &agent, "all of it").await;
    let shown = agent.agent().await;
    assert!(agent.stop().await.exit.and_then(|exit| exit.workspace).expect("told").kept);
    // One that is there may be worked in, and an agent without one is not concerned.
    let reuse = WorkspaceRequest { reuse: Some(agent.id.clone()), ..WorkspaceRequest::default() };
    let heir = user.spawn_ready(SpawnRequest { workspace: Some(reuse), ..repository.request("heir") }).await;
    heir.stop().await;
    let plain = user.spawn_ready(SpawnRequest { workspace: None, ..repository.request("plain") }).await;
    plain.stop().await;
    git(&repository.path, &["branch", "kept", &branch(&shown)]);
    let refused = user.spawn_refused(&repository.request("refused")).await;
    assert_eq!((refused.code, refused.more["maxBytes"].as_u64()), (Code::ResourceLimit, Some(8 * MIB)));
    assert!(refused.detail.contains("gc` would free") && refused.detail.contains("`hoarder`"), "{refused:?}");
    assert_eq!(refused.more["reclaimable"][0]["id"], agent.id.as_str());
    assert!(refused.more["reclaimableBytes"].as_u64().is_some_and(|bytes| bytes >= 8 * MIB), "{refused:?}");
    assert_eq!(repository.worktrees().len(), 1, "nothing is left of the one that was refused");

    // Another server knows it, too.
    backend.kill_server().await;
    backend.start_server(Default::default()).await;
    assert_eq!(user.spawn_refused(&repository.request("refused")).await.code, Code::ResourceLimit);
    let cleaned = parallax(&url, &["workspaces", "gc"]).await.succeeded();
    assert!(cleaned.out.contains("1 removed (") && cleaned.out.contains("MiB)"), "{}", cleaned.out);
    let after = user.spawn_ready(repository.request("after")).await;
    after.stop().await;
    repository.untouched();
    backend.end_server().await;
}
