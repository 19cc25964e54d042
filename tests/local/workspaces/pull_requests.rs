//! Pull requests by a command that the operator configured: a script here, in the place of `gh` or `glab`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use parallax_api::Code;
use parallax_api::workspace::PullRequestRequest;
use parallax_testkit::backend::TestBackend;
use parallax_testkit::local::Directory;
use parallax_testkit::parallax::parallax;
use parallax_testkit::repository::{Repository, branch, committed, git, local, with_shell};
use parallax_testkit::up::Up;

/// Tells what it got, then does as the file `behaviour` beside it says.
const SCRIPT: &str = r#"#!/bin/sh
beside=${0%/*}
{
  printf 'argument %s\n' "$@"
  for argument in "$@"; do case $argument in --body-file=*) sed 's/^/body /' "${argument#*=}"; echo;; esac; done
  env | sed 's/^/variable /'
  git config --get-regexp . | sed 's/^/setting /'
  git log -1 --format='commit %s'
  git status > /dev/null 2>&1
} > "$beside/got"
if [ -t 0 ] || read -r line; then echo "input is open"; exit 9; fi
. "$beside/behaviour"
"#;

struct Forge {
    directory: PathBuf,
}

impl Forge {
    fn new(directory: &Path) -> Self {
        let forge = Self { directory: directory.to_owned() };
        fs::write(directory.join("forge.sh"), SCRIPT).expect("written");
        fs::set_permissions(directory.join("forge.sh"), fs::Permissions::from_mode(0o755)).expect("set");
        forge.behaves(
            "echo 'Creating a pull request' >&2; echo 'opened: https://forge.example/o/r/pull/7 (new)'",
        );
        forge
    }

    fn command(&self) -> String {
        let program = self.directory.join("forge.sh");
        let words = "create --repo={repo} --head={branch} --base={base} --title={title} --body-file={body-file} {draft:--draft}";
        format!("{} {words}", program.display())
    }

    fn behaves(&self, script: &str) {
        fs::write(self.directory.join("behaviour"), script).expect("written");
    }

    /// What it got of one kind.
    fn got(&self, kind: &str) -> Vec<String> {
        let got = fs::read_to_string(self.directory.join("got")).expect("it ran");
        let prefix = format!("{kind} ");
        got.lines().filter_map(|line| line.strip_prefix(&prefix)).map(str::to_owned).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_committed_is_pushed_and_offered() {
    let directory = Directory::new();
    with_shell(directory.path());
    let forge = Forge::new(directory.path());
    let env = [
        ("PARALLAX_PULL_REQUEST_COMMAND", forge.command()),
        ("GH_TOKEN", "the-token".into()),
        ("OTHER_SECRET", "not-handed-on".into()),
    ];
    let mut up = Up::start(&directory, &env).await;
    let (user, repository, url) = (up.user(), Repository::new(directory.path()), up.server.url());
    let client = user.client.clone();
    let agent = user.spawn_ready(repository.request("dev")).await;
    let shown = agent.agent().await;
    assert_eq!(agent.say("env | grep -c the-token").await, "0", "agents have no part in it");

    let plain = PullRequestRequest::default();
    let refused = client.pull_request(&agent.id, &plain).await.unwrap_err();
    assert!(refused.code == Code::Conflict && refused.detail.contains("commit first"), "{refused:?}");
    for request in [
        PullRequestRequest { title: Some("--repo=evil/evil".into()), ..plain.clone() },
        PullRequestRequest { title: Some("two\nlines".into()), ..plain.clone() },
        PullRequestRequest { base: Some("--upload-pack=x".into()), ..plain.clone() },
        PullRequestRequest { base: Some("a..b".into()), ..plain.clone() },
        PullRequestRequest { base: Some(branch(&shown)), ..plain.clone() },
        PullRequestRequest { body: Some("a\0b".into()), ..plain.clone() },
    ] {
        assert_eq!(
            client.pull_request(&agent.id, &request).await.unwrap_err().code,
            Code::Validation,
            "{request:?}"
        );
    }

    // Traps of the agent, in the repository that its checkout is of.
    let (trap, sprung) = (directory.path().join("trap.sh"), directory.path().join("sprung"));
    fs::write(&trap, format!("#!/bin/sh\necho \"$*\" >> '{}'\n", sprung.display())).expect("written");
    fs::set_permissions(&trap, fs::Permissions::from_mode(0o755)).expect("set");
    let trap = trap.to_str().expect("text");
    fs::write(repository.path.join(".git/hooks/pre-push"), format!("#!/bin/sh\n{trap}\n")).expect("written");
    for (key, value) in [
        ("core.fsmonitor", trap),
        ("core.sshCommand", trap),
        ("core.pager", trap),
        ("gpg.program", trap),
        ("log.showSignature", "true"),
        ("credential.helper", trap),
    ] {
        git(&repository.path, &["-c", "core.fsmonitor=false", "config", key, value]);
    }
    agent.say("echo mine > mine.txt; mkdir -p .git-not; echo '--draft' > own.txt").await;
    let commit = committed(&client, &agent, "Add mine\n\nBecause.").await;

    // From the command line, with a title that a shell would take apart.
    let title = "It's; $(touch sprung) `x` {base} \"y\"";
    let arguments = ["pr", "dev", "--title", title, "--body", "- a list\n- --draft", "--json"];
    let made = parallax(&url, &arguments).await.succeeded().json();
    assert_eq!(made["url"], "https://forge.example/o/r/pull/7");
    assert_eq!((made["pushed"].as_bool(), made["commit"].as_str()), (Some(true), Some(&*commit)));
    assert!(made["output"].as_str().is_some_and(|said| said.contains("Creating a pull request")), "{made}");
    assert_eq!(git(&repository.origin, &["rev-parse", &branch(&shown)]), commit);
    let arguments = forge.got("argument");
    let expected = [
        "create".to_owned(),
        format!("--repo={}", repository.origin.display()),
        format!("--head={}", branch(&shown)),
        "--base=main".into(),
        format!("--title={title}"),
    ];
    assert_eq!(arguments[..5], expected);
    assert_eq!((arguments.len(), forge.got("body")), (6, vec!["- a list".to_owned(), "- --draft".into()]));
    assert_eq!(forge.got("commit"), ["Add mine"]);
    let variables = forge.got("variable");
    assert!(variables.contains(&"GH_TOKEN=the-token".into()), "{variables:?}");
    let leaks = |line: &String| line.contains("OTHER_SECRET") || line.starts_with("PARALLAX");
    assert!(!variables.iter().any(leaks), "{variables:?}");
    let settings = forge.got("setting");
    assert!(settings.contains(&format!("remote.origin.url {}", repository.origin.display())), "{settings:?}");
    assert!(settings.iter().all(|line| !line.contains(trap)), "{settings:?}");
    assert!(!sprung.exists(), "{}", fs::read_to_string(&sprung).unwrap_or_default());
    let state = directory.path().join("state/runtime-local/workspaces");
    let mut left = fs::read_dir(state).expect("it is there").map(|entry| entry.expect("read").file_name());
    assert!(left.all(|name| !name.to_string_lossy().starts_with(".scratch")), "nothing of ours is left");

    // Once more, with what the commits say: it is there already.
    let made = client
        .pull_request(&agent.id, &PullRequestRequest { draft: true, ..plain.clone() })
        .await
        .expect("made");
    assert!(!made.pushed && made.base == "main" && made.branch == branch(&shown), "{made:?}");
    let arguments = forge.got("argument");
    assert_eq!((arguments[4].as_str(), arguments[6].as_str()), ("--title=Add mine", "--draft"));
    assert_eq!(forge.got("body"), ["Because."]);
    let told = parallax(&url, &["pr", "dev"]).await.succeeded();
    assert_eq!(told.out, "https://forge.example/o/r/pull/7\n");

    // Its failures are told in its words; what it says without an end is cut.
    forge.behaves("echo partly; echo 'a pull request exists already' >&2; exit 3");
    let refused = client.pull_request(&agent.id, &plain).await.unwrap_err();
    assert_eq!((refused.code, refused.more["exitCode"].as_i64()), (Code::Conflict, Some(3)));
    assert_eq!(refused.more["output"], "partly\na pull request exists already");
    forge.behaves("yes no-url-here | head -c 3000000; yes complaint | head -c 3000000 >&2");
    let made = client.pull_request(&agent.id, &plain).await.expect("made");
    assert!(made.url.is_none() && made.output.len() < 80_000, "{}", made.output.len());
    forge.behaves("kill -9 $$");
    let refused = client.pull_request(&agent.id, &plain).await.unwrap_err();
    assert!(refused.code == Code::Conflict && refused.detail.contains("killed"), "{refused:?}");
    fs::remove_file(directory.path().join("forge.sh")).expect("removed");
    let refused = client.pull_request(&agent.id, &plain).await.unwrap_err();
    assert_eq!(refused.code, Code::CliNotFound, "{refused:?}");

    let end = agent.stop().await.exit.and_then(|exit| exit.workspace).expect("told");
    assert!(!end.kept, "it was pushed: {end:?}");
    git(&repository.path, &["-c", "core.fsmonitor=false", "config", "--unset", "core.fsmonitor"]);
    repository.untouched();
    up.server.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_command_it_is_said_how_to_configure_one() {
    let backend = local().await;
    let (user, repository) = (backend.user(), Repository::new(backend.directory()));
    let agent = user.spawn_ready(repository.request("dev")).await;
    let refused = user.client.pull_request(&agent.id, &PullRequestRequest::default()).await.unwrap_err();
    assert_eq!(refused.code, Code::Unsupported);
    assert!(refused.detail.contains("--pull-request-command"), "{refused:?}");
    agent.stop().await;
    backend.end_server().await;
}
