//! Eight agents on one repository: two of each CLI and two shells, each told to edit a file of its own and a common one; and a team
//! that hands its work on.

use std::path::Path;

use futures::future::join_all;
use parallax_api::execution::ExecutionStatus;
use parallax_api::workspace::{DiffQuery, MergeRequest, PushRequest, WorkspaceRequest};
use parallax_api::{Approvals, SpawnRequest};
use parallax_testkit::backend::TestBackend;
use parallax_testkit::local::{Directory, LocalBackend};
use parallax_testkit::models::Models;
use parallax_testkit::models::scenario::{Pace, Reply, Scenario, Step, ToolStep};
use parallax_testkit::pattern_run::FollowedRun;
use parallax_testkit::real_cli::{RealCli, cases};
use parallax_testkit::repository::{Repository, branch, committed, git, place, with_shell};
use parallax_testkit::up::Up;
use serde_json::json;

/// Which CLI an agent is; none: a shell.
const AGENTS: [Option<RealCli>; 8] = [
    Some(RealCli::Claude),
    Some(RealCli::Codex),
    Some(RealCli::Gemini),
    None,
    Some(RealCli::Claude),
    Some(RealCli::Codex),
    Some(RealCli::Gemini),
    None,
];

fn command(number: usize) -> String {
    format!("echo 'by {number}' > own-{number}.txt; echo 'two by {number}' > common.txt")
}

fn task(number: usize) -> String {
    format!("Do the work of number {number:03}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the real CLIs: make test-clis"]
async fn eight_agents_on_one_repository() {
    let mut replies = Vec::new();
    for (number, cli) in AGENTS.iter().enumerate().filter_map(|(number, cli)| Some((number, (*cli)?))) {
        let tool = Step::tool(ToolStep::All(cli.unasked_command(&command(number))));
        replies.push(Reply::steps(vec![Step::text("I will. "), tool]).to(task(number)));
    }
    replies.push(Reply::text("It is done.").after_tool());
    let defaults = Pace { chunk_chars: Some(16), chunk_delay_ms: Some(2), first_delay_ms: Some(5) };
    let models = Models::start(Scenario { defaults, replies, ..Scenario::default() })
        .await
        .expect("the loopback interface has a free port");
    let clis = [RealCli::Claude, RealCli::Codex, RealCli::Gemini];
    let env: Vec<_> = clis.into_iter().flat_map(|cli| cli.env(&models)).collect();
    let backend = LocalBackend::start_with(&[], &env, |home| {
        clis.iter().for_each(|cli| cli.prepare(home, &models));
        with_shell(home);
    })
    .await;
    let (user, repository) = (backend.user(), Repository::new(backend.directory()));
    let client = user.client.clone();

    let spawning = AGENTS.iter().enumerate().map(|(number, cli)| {
        let shell = repository.request(&format!("dev {number}"));
        user.spawn(match cli {
            None => shell,
            Some(cli) => SpawnRequest {
                name: shell.name,
                workspace: shell.workspace,
                approvals: Some(Approvals::All),
                ..cli.request()
            },
        })
    });
    let agents = join_all(spawning).await;
    join_all(agents.iter().enumerate().map(async |(number, agent)| match AGENTS[number] {
        None => agent.say(command(number)).await,
        Some(_) => agent.say(task(number)).await,
    }))
    .await;

    repository.untouched();
    assert_eq!(repository.branches().len(), 8);
    let mut shown = Vec::new();
    for (number, agent) in agents.iter().enumerate() {
        let agent = agent.agent().await;
        let workspace = agent.workspace.as_ref().expect("it was asked for");
        assert_eq!(workspace.base, repository.before.head, "all begin with one commit");
        let changes = client.changes(&agent.id).await.expect("changes");
        let files: Vec<_> = changes.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(files, ["common.txt", &format!("own-{number}.txt")], "{:?}", AGENTS[number]);
        let diff = client.diff(&agent.id, &DiffQuery::default()).await.expect("a diff");
        git(&place(&agent), &["add", "--intent-to-add", "--all"]);
        let plain = git(&place(&agent), &["diff", &workspace.base]);
        assert_eq!(String::from_utf8_lossy(&diff).trim_end_matches('\n'), plain);
        shown.push(agent);
    }
    for other in &shown[1..] {
        let conflicts = client.conflicts(&shown[0].id, other.id.as_str()).await.expect("conflicts");
        assert_eq!(conflicts.files, ["common.txt"]);
    }

    // The first seven are committed and pushed, the first one is merged; the last one stays as it is.
    for agent in &agents[..7] {
        let commit = committed(&client, agent, "my work").await;
        let pushed = client.push(&agent.id, &PushRequest::default()).await.expect("pushed");
        assert_eq!(git(&repository.origin, &["rev-parse", &pushed.branch]), commit);
    }
    git(&repository.path, &["branch", "next", "main"]);
    let merge = MergeRequest { into: "next".into(), ..MergeRequest::default() };
    client.merge(&shown[0].id, &merge).await.expect("merged");
    let refused = client.merge(&shown[1].id, &merge).await.unwrap_err();
    assert_eq!(refused.more["files"][0], "common.txt");
    // One goes on where another has stopped.
    let kept = agents[7].stop().await.exit.and_then(|exit| exit.workspace).expect("told");
    assert!(kept.kept && Path::new(&kept.path).exists(), "{kept:?}");
    let reuse = WorkspaceRequest { reuse: Some(shown[7].id.clone()), ..WorkspaceRequest::default() };
    let heir = SpawnRequest { workspace: Some(reuse), ..repository.request("heir") };
    let heir = user.spawn_ready(heir).await;
    assert_eq!(heir.say("cat own-7.txt").await, "by 7");
    assert!(heir.stop().await.exit.and_then(|exit| exit.workspace).expect("told").kept);
    for (agent, shown) in agents[..7].iter().zip(&shown) {
        let end = agent.stop().await.exit.and_then(|exit| exit.workspace).expect("told");
        assert!(!end.kept && !Path::new(&end.path).exists(), "{end:?}");
        assert!(!repository.branches().contains(&branch(shown)));
    }
    assert_eq!((repository.worktrees().len(), repository.branches().len()), (1, 1));
    repository.untouched();
    cases::finish(backend).await;
}

/// Claude develops, Codex reads the diff of its branch, and the last step merges that.
const TEAM: &str = "name: reviewed-branch
structure:
  roles:
    developer:
      agentType: claude
      managed: true
      approvals: all
      workspace: {repo: '${input.repo}', branch: 'feature/reviewed'}
    reviewer: {agentType: codex, managed: true}
workflow:
  steps:
    - {type: assign, role: developer, task: 'Write the file of the feature'}
    - {id: changes, type: diff, role: developer}
    - {id: review, type: review, reviewer: reviewer, subject: '${changes}'}
    - {id: merged, type: merge, role: developer, into: next, message: 'Add the feature'}
  output: {changes: '${changes}', commit: '${merged.commit}'}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the real CLIs: make test-clis"]
async fn a_reviewer_reads_the_diff_of_the_developers_branch() {
    let work =
        Step::tool(ToolStep::All(RealCli::Claude.unasked_command("echo by the developer > feature.txt")));
    let replies = vec![
        Reply::steps(vec![Step::text("I will. "), work]).to("Write the file of the feature"),
        // The reviewer approves of what it was shown, and of nothing else.
        Reply::text("VERDICT: APPROVED").to("+by the developer"),
        Reply::text("VERDICT: REJECTED").to("Judge"),
        Reply::text("It is done.").after_tool(),
        Reply::text("Understood."),
    ];
    let defaults = Pace { chunk_chars: Some(16), chunk_delay_ms: Some(2), first_delay_ms: Some(5) };
    let models = Models::start(Scenario { defaults, replies, ..Scenario::default() })
        .await
        .expect("the loopback interface has a free port");
    let directory = Directory::new();
    let mut env = Vec::new();
    for cli in [RealCli::Claude, RealCli::Codex] {
        cli.prepare(directory.path(), &models);
        env.extend(cli.env(&models));
    }
    let mut up = Up::start(&directory, &env).await;
    let (client, repository) = (up.user().client, Repository::new(directory.path()));
    git(&repository.path, &["branch", "next", "main"]);
    let mut run = FollowedRun::start(&client, TEAM, json!({"repo": repository.path})).await;
    let execution = run.ends().await;
    assert_eq!(execution.status, ExecutionStatus::Completed, "{execution:#?}");
    let output = execution.output.expect("there is one");
    assert!(output["changes"].as_str().is_some_and(|diff| diff.contains("+by the developer")), "{output:#}");
    assert_eq!(output["commit"], git(&repository.path, &["rev-parse", "next"]));
    assert_eq!(git(&repository.path, &["show", "next:feature.txt"]), "by the developer");
    // Merged, so nothing of the checkout is left.
    assert_eq!(client.workspaces().await.expect("listed").workspaces, []);
    assert_eq!(repository.worktrees(), Vec::<String>::new());
    repository.untouched();
    up.server.end().await;
}
