//! The example patterns with real Claude Code, Codex and Gemini against scripted models: `make test-clis`.

use parallax_api::client::Client;
use parallax_api::execution::Execution;
use parallax_testkit::backend::TestBackend;
use parallax_testkit::local::{Directory, LocalBackend};
use parallax_testkit::models::Models;
use parallax_testkit::models::scenario::{Pace, Scenario};
use parallax_testkit::pattern_run::teams::{
    ENTERPRISE_REVIEW, PAIR_PROGRAMMING, STARTUP_TEAM, enterprise_review, pair_programming, startup_team,
    survives_three_kills,
};
use parallax_testkit::pattern_run::{self, cost};
use parallax_testkit::real_cli::RealCli;
use parallax_testkit::up::Up;

const CLIS: [RealCli; 3] = [RealCli::Claude, RealCli::Codex, RealCli::Gemini];

async fn scripted(script: pattern_run::Script) -> Models {
    let defaults = Pace { chunk_chars: Some(16), chunk_delay_ms: Some(2), first_delay_ms: Some(5) };
    let scenario = Scenario { defaults, replies: pattern_run::replies(script), ..Scenario::default() };
    Models::start(scenario).await.expect("the loopback interface has a free port")
}

/// All three CLIs at once, behind one control plane.
async fn company(script: pattern_run::Script, run: impl AsyncFnOnce(&Client) -> Execution) {
    let models = scripted(script).await;
    let directory = Directory::new();
    let mut env = Vec::new();
    for cli in CLIS {
        cli.prepare(directory.path(), &models);
        env.extend(cli.env(&models));
    }
    let mut up = Up::start(&directory, &env).await;
    let execution = run(&up.user().client).await;
    println!("{}", cost(&execution));
    let mut kinds: Vec<&str> = execution.agents.iter().map(|member| member.r#type.as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    println!("{kinds:?}");
    assert!(kinds.len() >= 2, "different CLIs work together: {execution:#?}");
    up.server.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the real CLIs: make test-clis"]
async fn a_startup_team() {
    company(STARTUP_TEAM, async |client| startup_team(client).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the real CLIs: make test-clis"]
async fn an_enterprise_review() {
    company(ENTERPRISE_REVIEW, async |client| enterprise_review(client).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the real CLIs: make test-clis"]
async fn pair_programmers() {
    company(PAIR_PROGRAMMING, async |client| pair_programming(client).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the real CLIs: make test-clis"]
async fn a_run_survives_three_kills() {
    let models = scripted(STARTUP_TEAM).await;
    let env: Vec<_> = CLIS.into_iter().flat_map(|cli| cli.env(&models)).collect();
    let backend =
        LocalBackend::start_with(&[], &env, |home| CLIS.iter().for_each(|cli| cli.prepare(home, &models)))
            .await;
    println!("{}", cost(&survives_three_kills(&backend).await));
    backend.end_server().await;
}
