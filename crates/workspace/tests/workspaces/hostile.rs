//! Repositories and agents that mean harm.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::Duration;

use parallax_api::workspace::{DiffQuery, WorkspaceKeep};
use parallax_workspace::{Outcome, WorkspaceError};

use crate::bed::{Bed, git, invalid, trap};

#[tokio::test]
async fn a_hostile_repository_runs_nothing() {
    let bed = Bed::new();
    let (trap, sprung) = trap(&bed);
    let trap = trap.as_str();
    for hook in ["post-checkout", "post-index-change", "reference-transaction", "pre-commit", "post-commit"] {
        symlink(trap, bed.repository.join(".git/hooks").join(hook)).unwrap();
    }
    fs::write(
        bed.repository.join(".gitattributes"),
        "* filter=evil diff=evil merge=evil\n*.txt filter=far\ninner/* filter=branch\n",
    )
    .unwrap();
    git(&bed.repository, &["-c", "core.hooksPath=/dev/null", "add", ".gitattributes"]);
    git(&bed.repository, &["-c", "core.hooksPath=/dev/null", "commit", "--quiet", "-m", "attributes"]);
    for (key, value) in [
        ("filter.evil.clean", trap),
        ("filter.evil.smudge", trap),
        ("filter.evil.required", "true"),
        ("filter.other.name.process", trap),
        ("diff.evil.textconv", trap),
        ("diff.evil.command", trap),
        ("diff.external", trap),
        ("core.fsmonitor", trap),
        ("core.pager", trap),
        ("core.editor", trap),
        ("core.sshCommand", trap),
        ("core.alternateRefsCommand", trap),
        ("credential.helper", trap),
        ("alias.status", &format!("!{trap}")),
    ] {
        git(&bed.repository, &["-c", "core.fsmonitor=false", "config", key, value]);
    }
    // Filters that are there only as a worktree of the repository sees it.
    for (name, condition) in [("far", "gitdir:**/worktrees/**"), ("branch", "onbranch:parallax/**")] {
        let file = bed.repository.join(".git").join(name);
        let filter = format!("[filter \"{name}\"]\n\tsmudge = {trap}\n\tclean = {trap}\n");
        fs::write(&file, filter).unwrap();
        let key = format!("includeIf.{condition}.path");
        git(&bed.repository, &["-c", "core.fsmonitor=false", "config", &key, file.to_str().unwrap()]);
    }
    let workspace = bed.create("a").await;
    assert!(!sprung.exists(), "{}", fs::read_to_string(&sprung).unwrap());
    fs::write(workspace.directory().join("common.txt"), "changed\n").unwrap();
    fs::write(workspace.directory().join("new"), "new\n").unwrap();
    workspace.changes().await.unwrap();
    let diff = String::from_utf8(workspace.diff(&DiffQuery::default()).await.unwrap()).unwrap();
    assert!(diff.contains("+changed") && diff.contains("+new"), "{diff}");
    bed.workspaces.finish("a", WorkspaceKeep::Changed).await.unwrap();
    bed.workspaces.finish("a", WorkspaceKeep::Never).await.unwrap();
    // One that goes after git itself looked whether it is as it was checked out.
    let touched = bed.create("b").await;
    fs::write(touched.directory().join("common.txt"), "one\ntwo\nthree\n").unwrap();
    assert_eq!(bed.workspaces.finish("b", WorkspaceKeep::Changed).await.unwrap(), Outcome::Removed);
    assert!(!sprung.exists(), "{}", fs::read_to_string(&sprung).unwrap());
}

#[tokio::test]
async fn an_agent_that_bends_its_checkout_costs_only_itself() {
    let bed = Bed::new();
    let workspace = bed.create("a").await;
    let victim = bed.create("b").await;
    fs::write(victim.directory().join("precious"), "p").unwrap();
    // Its `.git` leads to the neighbour.
    fs::copy(victim.directory().join(".git"), workspace.directory().join(".git")).unwrap();
    assert!(
        bed.workspaces.finish("a", WorkspaceKeep::Changed).await.is_err() || workspace.directory().exists()
    );
    drop(bed.workspaces.finish("a", WorkspaceKeep::Never).await);
    assert!(victim.directory().join("precious").exists());
    // Its directory is a link to somewhere else.
    let outside = bed.repository.with_file_name("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("precious"), "p").unwrap();
    drop(fs::remove_dir_all(workspace.directory()));
    symlink(&outside, bed.root.join("a")).unwrap();
    assert!(matches!(bed.workspaces.get("a"), Err(WorkspaceError::NotFound(_))));
    assert!(outside.join("precious").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_is_none_holds_nobody_up() {
    let bed = Bed::new();
    let workspace = bed.create("a").await;
    let own = bed.repository.join(".git/worktrees/a");
    let (index, aside) = (own.join("index"), own.join("aside"));
    fs::rename(&index, &aside).unwrap();
    let pipe = || assert!(Command::new("mkfifo").arg(&index).status().unwrap().success());
    let link = || symlink(&aside, &index).unwrap();
    let long = || fs::File::create(&index).unwrap().set_len(300 << 20).unwrap();
    for odd in [&pipe as &dyn Fn(), &link, &long] {
        odd();
        let workspace = workspace.clone();
        let reading = tokio::spawn(async move { workspace.changes().await });
        let answer = tokio::time::timeout(Duration::from_secs(20), reading).await.unwrap().unwrap();
        assert!(invalid(answer).contains("index"));
        fs::remove_file(&index).unwrap();
    }
    // The name of a copy is not one that an agent can take beforehand, and no copy stays.
    fs::rename(&aside, &index).unwrap();
    workspace.changes().await.unwrap();
    let left = fs::read_dir(&own).unwrap().chain(fs::read_dir(&bed.root).unwrap());
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(!left.iter().any(|name| name.contains("parallax") || name.starts_with(".scratch")), "{left:?}");
}

#[tokio::test]
async fn files_that_a_repository_names_are_not_read() {
    let bed = Bed::new();
    let workspace = bed.create("a").await;
    let pipe = bed.repository.with_file_name("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for key in ["core.attributesFile", "diff.orderFile"] {
        git(&bed.repository, &["config", key, pipe.to_str().unwrap()]);
    }
    fs::write(workspace.directory().join("common.txt"), "changed\n").unwrap();
    let looking = async {
        assert_eq!(workspace.changes().await.unwrap().files.len(), 1);
        let diff = workspace.diff(&DiffQuery::default()).await.unwrap();
        assert!(String::from_utf8(diff).unwrap().contains("+changed"));
    };
    tokio::time::timeout(Duration::from_secs(20), looking).await.unwrap();
}
