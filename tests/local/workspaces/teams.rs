//! Workspaces of teams: each role its own, a role's agents on one branch, and what becomes of the work.

use std::fs;

use parallax_api::execution::{ExecutionEventData as Data, ExecutionStatus};
use parallax_api::workspace::WorkspaceRequest;
use parallax_api::{Code, SpawnRequest};
use parallax_testkit::backend::TestBackend;
use parallax_testkit::local::{Directory, write_fake_as};
use parallax_testkit::parallax::parallax;
use parallax_testkit::pattern_run::{FollowedRun, write_lines};
use parallax_testkit::up::Up;
use serde_json::json;

use parallax_testkit::repository::{Repository, branch, git, local, place, with_shell};

/// Two developers on one branch and a tester on one of its own; a reviewer reads the diff, and the last step merges.
const TEAM: &str = "name: branch-team
structure:
  roles:
    developer:
      agentType: shell
      managed: true
      briefing: false
      minInstances: 2
      workspace: {repo: '${input.repo}', branch: 'feature/${input.name}', shared: true}
    tester:
      agentType: shell
      managed: true
      briefing: false
      workspace: {repo: '${input.repo}'}
    reviewer: {agentType: claude, managed: true}
workflow:
  steps:
    - type: parallel
      steps:
        - {type: assign, role: developer, task: 'sleep 1; echo line by one > one.txt'}
        - {type: assign, role: developer, task: 'sleep 1; echo line by two > two.txt'}
        - {type: assign, role: tester, task: 'sleep 1; echo mine > common.txt'}
    - {id: changes, type: diff, role: developer}
    - {id: tests, type: diff, role: tester, file: common.txt}
    - {id: review, type: review, reviewer: reviewer, subject: '${changes}'}
    - {id: merged, type: merge, role: developer, into: next, strategy: squash, message: 'Add ${input.name}'}
  output: {changes: '${changes}', tests: '${tests}', commit: '${merged.commit}'}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reviewer_reads_the_diff_and_the_last_step_merges() {
    let directory = Directory::new();
    with_shell(directory.path());
    write_fake_as(directory.path(), "claude");
    let script = [("+line by two", "VERDICT: APPROVED"), ("Judge", "VERDICT: REJECTED")];
    let lines = write_lines(directory.path(), &script);
    let mut up = Up::start(&directory, &[("FAKE_AGENT_LINES", lines)]).await;
    let repository = Repository::new(directory.path());
    git(&repository.path, &["branch", "next", "main"]);
    let client = up.user().client;
    let input = json!({"repo": repository.path, "name": "lines"});
    let mut run = FollowedRun::start(&client, TEAM, input).await;
    let execution = run.ends().await;
    assert_eq!(execution.status, ExecutionStatus::Completed, "{execution:#?}");
    let output = execution.output.expect("there is one");
    let text = |field: &str| output[field].as_str().expect("a text").to_owned();
    for line in ["+line by one", "+line by two", "+++ b/one.txt"] {
        assert!(text("changes").contains(line), "{output:#}");
    }
    assert!(text("tests").contains("+mine") && !text("changes").contains("+mine"), "{output:#}");

    let next = git(&repository.path, &["rev-parse", "next"]);
    assert_eq!(next, text("commit"));
    let log = git(&repository.path, &["log", "--format=%s", "main..next"]);
    assert_eq!(log, "Add lines");
    assert_eq!(git(&repository.path, &["show", "next:one.txt", "next:two.txt"]), "line by one\nline by two");
    // Both developers in one checkout: the second was wanted in that of the first.
    let wanted: Vec<_> = run
        .seen()
        .iter()
        .filter_map(|event| match &event.data {
            Data::AgentWanted { role, workspace, .. } if role == "developer" => Some(workspace.is_some()),
            _ => None,
        })
        .collect();
    assert_eq!(wanted, [false, true]);
    let members = execution.agents.iter().filter(|member| member.role == "developer");
    let mut places = Vec::new();
    for member in members {
        let agent = client.get(&member.agent_id).await.expect("it is kept");
        assert_eq!(branch(&agent), "feature/lines");
        places.push(place(&agent));
    }
    assert_eq!((places.len(), &places[0]), (2, &places[1]));
    // What is on no other branch stays: the tester's file. So does the commit that was squashed, unless that made the very same one:
    // the same files, words and people, within a second.
    let kept = client.workspaces().await.expect("listed").workspaces;
    let of_tester = kept.iter().filter(|one| one.branch != "feature/lines").count();
    assert!(of_tester == 1 && kept.len() <= 2, "{kept:#?}");
    assert!(kept.iter().all(|one| one.in_use == Some(false) && one.reason.is_some()), "{kept:#?}");
    repository.untouched();
    up.server.end().await;
}

/// A workspace that was kept, and one that another agent works in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn used_again() {
    let backend = local().await;
    let (user, repository) = (backend.user(), Repository::new(backend.directory()));
    let first = user.spawn_ready(repository.request("first")).await;
    first.say("echo draft > draft.txt").await;
    let ended = first.stop().await;
    assert!(ended.exit.and_then(|exit| exit.workspace).expect("told").kept);

    let again = |name: &str| SpawnRequest {
        workspace: Some(WorkspaceRequest { reuse: Some(first.id.clone()), ..WorkspaceRequest::default() }),
        ..repository.request(name)
    };
    let second = user.spawn_ready(again("second")).await;
    assert_eq!(second.say("cat draft.txt").await, "draft");
    let shown = second.agent().await;
    assert_eq!(shown.workspace.as_ref().and_then(|one| one.id.clone()).as_ref(), Some(&first.id));
    let changes = user.client.changes(&second.id).await.expect("changes");
    assert_eq!(changes.files[0].path, "draft.txt");
    let third = user.spawn_ready(again("third")).await;
    assert_eq!(place(&third.agent().await), place(&shown));
    assert!(user.client.conflicts(&second.id, third.id.as_str()).await.expect("conflicts").files.is_empty());

    // A set-up that fails takes nothing of it away.
    let mut refused = again("refused");
    refused.workspace.as_mut().expect("it has one").setup = Some("exit 3".into());
    assert_eq!(user.spawn_refused(&refused).await.code, Code::SpawnFailed);
    assert!(place(&shown).join("draft.txt").exists());

    // While one works in it, it stays, and a clean-up passes it over; then it goes with the last one.
    third.say("rm draft.txt").await;
    let end = second.stop().await.exit.and_then(|exit| exit.workspace).expect("told");
    assert!(end.kept && end.reason.expect("told").contains("another agent works in it"));
    let done = user.client.clean_workspaces().await.expect("cleaned");
    assert!(done.removed.is_empty() && done.kept[0].in_use == Some(true), "{done:?}");
    // A server that knows nothing of the past knows it, too.
    backend.kill_server().await;
    for name in fs::read_dir(backend.directory().join("state")).expect("it is there") {
        let path = name.expect("read").path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().contains(".db")) {
            fs::remove_file(path).expect("removed");
        }
    }
    backend.start_server(Default::default()).await;
    let done = user.client.clean_workspaces().await.expect("cleaned");
    assert!(done.removed.is_empty() && done.kept[0].in_use == Some(true), "{done:?}");
    let third = user.follow(third.id).await;
    let end = third.stop().await.exit.and_then(|exit| exit.workspace).expect("told");
    assert!(!end.kept, "{end:?}");
    assert_eq!((repository.worktrees().len(), repository.branches().len()), (0, 0));
    let gone = user.spawn_refused(&again("late")).await;
    assert_eq!(gone.code, Code::NotFound, "{gone:?}");
    repository.untouched();
    backend.end_server().await;
}

/// Two agents of one workspace that end at the same moment leave nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_last_one_takes_it_away() {
    let directory = Directory::new();
    with_shell(directory.path());
    let mut up = Up::start(&directory, &[]).await;
    let (user, repository) = (up.user(), Repository::new(directory.path()));
    let first = user.spawn_ready(repository.request("first")).await;
    let reuse = ["spawn", "shell", "second", "--reuse", first.id.as_str(), "--wait"];
    parallax(&up.server.url(), &reuse).await.succeeded();
    let listed = user.client.workspaces().await.expect("listed").workspaces;
    assert_eq!(listed.len(), 1);
    let url = up.server.url();
    let (one, other) = tokio::join!(parallax(&url, &["stop", "first"]), parallax(&url, &["stop", "second"]));
    one.succeeded();
    other.succeeded();
    assert_eq!(user.client.workspaces().await.expect("listed").workspaces, []);
    assert_eq!(repository.worktrees(), Vec::<String>::new());
    up.server.end().await;
}
