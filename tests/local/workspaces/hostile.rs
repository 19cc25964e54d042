//! Repositories that set traps for whoever runs git in them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use parallax_api::Code;
use parallax_api::workspace::{DiffQuery, MergeRequest, PushRequest};
use parallax_testkit::backend::TestBackend;

use parallax_testkit::repository::{Repository, committed, git, local, place};

/// A repository full of traps, and an agent that sets more: none of them is sprung by what the server does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hostile_repository() {
    let backend = local().await;
    let (user, repository) = (backend.user(), Repository::new(backend.directory()));
    let client = user.client.clone();
    let (trap, sprung) = (backend.directory().join("trap.sh"), backend.directory().join("sprung"));
    fs::write(&trap, format!("#!/bin/sh\necho \"$0 $*\" >> '{}'\ncat\n", sprung.display())).expect("written");
    fs::set_permissions(&trap, fs::Permissions::from_mode(0o755)).expect("set");
    let trap = trap.to_str().expect("text");
    fs::write(repository.path.join(".gitattributes"), "* filter=evil diff=evil merge=evil\n")
        .expect("written");
    git(&repository.path, &["add", ".gitattributes"]);
    git(&repository.path, &["commit", "--quiet", "--message", "attributes", "--", ".gitattributes"]);
    fs::write(
        repository.path.join(".gitmodules"),
        "[submodule \"x\"]\n\tpath = x\n\turl = ext::sh -c touch% sprung\n\tupdate = !touch sprung\n",
    )
    .expect("written");
    git(&repository.path, &["add", ".gitmodules"]);
    git(&repository.path, &["commit", "--quiet", "--message", "modules", "--", ".gitmodules"]);
    let hooks = [
        "post-checkout",
        "post-index-change",
        "reference-transaction",
        "pre-commit",
        "prepare-commit-msg",
        "commit-msg",
        "post-commit",
        "pre-push",
        "pre-merge-commit",
        "pre-auto-gc",
    ];
    for hook in hooks {
        symlink(trap, repository.path.join(".git/hooks").join(hook)).expect("linked");
    }
    for hook in ["pre-receive", "update", "post-receive", "post-update", "reference-transaction"] {
        symlink(trap, repository.origin.join("hooks").join(hook)).expect("linked");
    }
    for (key, value) in [
        ("filter.evil.clean", trap),
        ("filter.evil.smudge", trap),
        ("filter.evil.process", trap),
        ("filter.evil.required", "true"),
        ("diff.evil.textconv", trap),
        ("diff.evil.command", trap),
        ("diff.external", trap),
        ("merge.evil.driver", trap),
        ("merge.default", "evil"),
        ("core.fsmonitor", trap),
        ("core.pager", trap),
        ("core.editor", trap),
        ("core.askPass", trap),
        ("core.sshCommand", trap),
        ("core.gitProxy", trap),
        ("core.alternateRefsCommand", trap),
        ("credential.helper", trap),
        ("gpg.program", trap),
        ("commit.gpgSign", "true"),
        ("push.gpgSign", "true"),
        ("remote.origin.receivepack", trap),
        ("remote.origin.uploadpack", trap),
        ("remote.ext.url", "ext::sh -c touch% sprung"),
        ("remote.option.url", "--receive-pack=touch sprung"),
        ("url.ext::sh -c touch% sprung .insteadOf", "nothing:"),
        ("alias.status", &format!("!{trap}")),
        ("alias.commit", &format!("!{trap}")),
    ] {
        git(&repository.path, &["-c", "core.fsmonitor=false", "config", key, value]);
    }
    drop(fs::remove_file(&sprung));

    let one = user.spawn_ready(repository.request("one")).await;
    let two = user.spawn_ready(repository.request("two")).await;
    let place = place(&one.agent().await);
    fs::write(place.join("common.txt"), "changed\n").expect("written");
    fs::write(place.join("line\nbreak\t\u{202e}x"), "odd\n").expect("written");
    fs::write(place.join("--output=sprung"), "option\n").expect("written");
    symlink("/etc/passwd", place.join("link")).expect("linked");
    symlink("/", place.join("root")).expect("linked");
    // A repository within, whose own configuration nobody chose.
    git(&place, &["-c", "core.hooksPath=/dev/null", "init", "--quiet", "nested"]);
    let nested =
        ["-c", "core.hooksPath=/dev/null", "commit", "--quiet", "--allow-empty", "--no-gpg-sign", "-m", "x"];
    git(&place.join("nested"), &nested);
    git(&place.join("nested"), &["config", "core.fsmonitor", trap]);
    fs::write(place.join("nested/file"), "x").expect("written");
    fs::write(self::place(&two.agent().await).join("common.txt"), "changed otherwise\n").expect("written");

    let changes = client.changes(&one.id).await.expect("changes");
    let paths: Vec<&str> = changes.files.iter().map(|file| file.path.as_str()).collect();
    for path in ["--output=sprung", "common.txt", "line\nbreak\t\u{202e}x", "link", "root"] {
        assert!(paths.contains(&path), "{path:?} of {paths:?}");
    }
    let diff = client.diff(&one.id, &DiffQuery::default()).await.expect("a diff");
    let diff = String::from_utf8_lossy(&diff);
    assert!(diff.contains("+changed") && !diff.contains("root:x:"), "links are shown, not followed: {diff}");
    for path in ["../x", "/etc/passwd", "root/../../etc/passwd", "", "a\0b"] {
        let query = DiffQuery { file: Some(path.into()), ..DiffQuery::default() };
        assert_eq!(client.diff(&one.id, &query).await.unwrap_err().code, Code::Validation, "{path:?}");
    }
    let option = DiffQuery { file: Some("--output=sprung".into()), ..DiffQuery::default() };
    assert!(
        String::from_utf8_lossy(&client.diff(&one.id, &option).await.expect("a diff")).contains("+option")
    );
    for with in ["--output=sprung", "-", "HEAD:common.txt", "nowhere", "@{-1"] {
        assert_eq!(client.conflicts(&one.id, with).await.unwrap_err().code, Code::Validation, "{with}");
    }
    assert_eq!(client.conflicts(&one.id, two.id.as_str()).await.expect("conflicts").files, ["common.txt"]);
    committed(&client, &one, "--amend\n\n# not a comment").await;
    committed(&client, &two, "two").await;
    assert!(!client.changes(&one.id).await.expect("changes").dirty);
    for remote in ["ext", "option", "none", "../origin.git"] {
        let push = PushRequest { remote: Some(remote.into()), ..PushRequest::default() };
        assert_eq!(client.push(&one.id, &push).await.unwrap_err().code, Code::Validation, "{remote}");
    }
    client.push(&one.id, &PushRequest::default()).await.expect("pushed");
    git(&repository.path, &["-c", "core.hooksPath=/dev/null", "branch", "next", "main"]);
    let merge = MergeRequest { into: "next".into(), ..MergeRequest::default() };
    client.merge(&one.id, &merge).await.expect("merged");
    assert_eq!(client.merge(&two.id, &merge).await.unwrap_err().code, Code::Conflict);
    for into in ["-D", "../x", "a..b", "none"] {
        let merge = MergeRequest { into: into.into(), ..MergeRequest::default() };
        assert_eq!(client.merge(&one.id, &merge).await.unwrap_err().code, Code::Validation, "{into}");
    }
    client.workspaces().await.expect("listed");
    assert!(!sprung.exists(), "{}", fs::read_to_string(&sprung).unwrap_or_default());
    one.stop().await;
    two.stop().await;
    client.clean_workspaces().await.expect("cleaned");
    assert!(!sprung.exists(), "{}", fs::read_to_string(&sprung).unwrap_or_default());
    assert!(!Path::new("/tmp/sprung").exists());
    backend.end_server().await;
}
