//! The page of the control plane in headless Chromium, over `parallax up` with fake agents: `make test-browser`.
//!
//! Each test is a script of `page/`. It asks for what only this side can do by printing a line: `kill` kills the servers, `start`
//! starts them again.

use std::path::PathBuf;

use futures::StreamExt;
use futures::stream::iter;
use parallax_api::client::ListFilter;
use parallax_testkit::local::{Directory, write_fake_as, write_profiles};
use parallax_testkit::models::Models;
use parallax_testkit::models::scenario::Scenario;
use parallax_testkit::programs;
use parallax_testkit::real_cli::RealCli;
use parallax_testkit::repository::with_shell;
use parallax_testkit::up::Up;
use parallax_testkit::wait::{PATIENCE, within};

use crate::script;

/// Variables with which a server wants a token.
const TOKENS: [&str; 2] = ["PARALLAX_API_TOKEN", "PARALLAX_TOKEN_FILE"];

/// Agents that are stopped at the same time.
const AT_ONCE: usize = 10;

/// Plays the script with a server of its own, and leaves no agent.
async fn play(name: &str, env: &[(&str, String)]) {
    play_in(&Directory::new(), name, &[], env).await;
}

/// The same in this directory, and with more arguments for the script.
async fn play_in(directory: &Directory, name: &str, more: &[&str], env: &[(&str, String)]) {
    play_on(directory, name, more, &[], env).await;
}

/// The same on servers with these options.
async fn play_on(directory: &Directory, name: &str, more: &[&str], options: &[&str], env: &[(&str, String)]) {
    let mut up = Up::start_with(directory, &write_profiles(directory.path()), options, env).await;
    let url = up.server.url();
    let server = &mut up.server;
    let args = [&[url.as_str()], more].concat();
    let script = script::run(name, &args, async |line| match line {
        "kill" => server.kill().await,
        "start" => server.start(&[]).await,
        _ => (),
    });
    within("the browser", PATIENCE * 12, script).await;
    let user = up.user();
    // With tokens nobody here may ask; those scripts spawn nothing that outlives the servers.
    if env.iter().all(|(name, _)| !TOKENS.contains(name)) {
        let left = iter(user.client.list_all(&ListFilter::default()).await.expect("a list"));
        left.for_each_concurrent(AT_ONCE, async |agent| drop(user.follow(agent.id).await.stop().await)).await;
    }
    up.server.end().await;
}

macro_rules! pages {
    ($($(#[$doc:meta])* $name:ident: $script:literal;)*) => {
        $($(#[$doc])*
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        #[ignore = "needs a browser: make test-browser"]
        async fn $name() {
            play(concat!("page/", $script), &[]).await;
        })*
    };
}

pages! {
    /// Spawns by the form, talks, reads Markdown that runs nothing, watches the terminal, stops after being asked.
    an_agent_from_the_form_to_its_end: "agent.mjs";
    /// Many events a second: no click on the list is lost, and no row moves under the pointer.
    no_click_is_lost: "clicks.mjs";
    /// A click is for the question that it was aimed at, whatever slides there meanwhile.
    a_click_is_for_what_was_aimed_at: "aim.mjs";
    /// Answers each kind of question in the inbox; is told when somebody else was quicker.
    answers_in_the_inbox: "inbox.mjs";
    /// What is approved or reviewed hides nothing.
    nothing_hides_in_what_is_approved: "hidden.mjs";
    /// A message is gone from the box once it is sent, and nothing else is.
    what_is_sent_is_gone: "sending.mjs";
    /// Commands do what stood in the row that was chosen, or nothing.
    commands_stay_in_their_rows: "palette.mjs";
    /// A part of the page that does not come leaves the rest, and can be asked for again.
    a_part_that_does_not_come: "parts.mjs";
    /// A terminal is searched, copied, only watched, restarted; the list is as its address says.
    a_terminal_and_its_list: "terminal.mjs";
    /// The sides of boxes around emoji stand below each other, on a phone.
    columns_are_aligned: "columns.mjs";
    /// The servers are killed and come back: the page says so, and shows what is.
    the_server_goes_and_comes_back: "server_away.mjs";
    /// A connection that is dead without a word is given up, and resumed.
    a_dead_connection: "dead_connection.mjs";
    /// Every view says that it loads, why it failed, and comes back; what is old is said to be.
    states_are_told: "states.mjs";
    /// A preset is kept, chosen and deleted; a directory or a checkout.
    presets_in_the_form: "presets.mjs";
    /// A recording is played, searched, and linked to.
    a_recording: "recording.mjs";
    /// Search, commands, several agents and several terminals at once, files for an agent.
    finds_and_does_several: "several.mjs";
    /// What a first visit loads and how long it keeps the page at work, against budgets.
    a_first_visit_is_light: "budget.mjs";
    /// A pattern is added, run, and approved.
    a_run_of_a_pattern: "runs.mjs";
}

/// What agents use, by the server's measure: charts, figures and rows where it is known, no zero where it is not, over a restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a browser: make test-browser"]
async fn what_is_used() {
    play("page/usage.mjs", &[("PARALLAX_USAGE_INTERVAL", "1".to_owned())]).await;
}

/// No finding of axe on any view, light and dark, desk and phone. Charts are looked at too: they take two measurements.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a browser: make test-browser"]
async fn nothing_in_the_way_of_anybody() {
    play("page/axe.mjs", &[("PARALLAX_USAGE_INTERVAL", "1".to_owned())]).await;
}

/// The inbox has who is out of quota, who is stalled, and a runtime without room, with what can be done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a browser: make test-browser"]
async fn troubles_in_the_inbox() {
    play_on(&Directory::new(), "page/trouble.mjs", &[], &["--workspaces-max-bytes", "8Mi"], &[]).await;
}

/// Adds the type `shell`: Bash, as the examples have it.
fn write_shell(directory: &Directory) {
    let profiles = directory.path().join("profiles");
    std::fs::create_dir_all(&profiles).expect("the directory can be written");
    let shell = include_str!("../../examples/profiles/shell.toml");
    std::fs::write(profiles.join("shell.toml"), shell).expect("the directory can be written");
}

/// Plays the script where there is a shell.
async fn play_with_shell(name: &str) {
    let directory = Directory::new();
    write_shell(&directory);
    play_in(&directory, name, &[], &[]).await;
}

/// A permission in three taps, keys that a phone lacks, Ctrl-C in a real shell, a finger that scrolls, upright and on its side; and
/// the terminal's size as it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a browser: make test-browser"]
async fn a_phone() {
    play_with_shell("page/phone.mjs").await;
}

/// Files are dropped on a terminal, pasted into it and chosen for it: they are there, and their paths are typed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a browser: make test-browser"]
async fn files_for_a_terminal() {
    play_with_shell("page/files.mjs").await;
}

/// What an agent prints sets the clipboard of who types there, and of nobody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a browser: make test-browser"]
async fn the_clipboard_is_of_who_types() {
    play_with_shell("page/clipboard.mjs").await;
}

/// Images are pasted, dropped and removed, and shown to the model; an agent that takes none has them as files.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a browser: make test-browser"]
async fn images_with_a_message() {
    let directory = Directory::new();
    let blind = write_fake_as(directory.path(), "blind").join("blind.toml");
    let profile = std::fs::read_to_string(&blind).expect("it is written");
    let (before, images) = profile.split_once("[submit.images]").expect("the fake agent takes images");
    let (_, behind) = images.split_once("\n\n").expect("it is not the last");
    std::fs::write(&blind, format!("{before}{behind}")).expect("the directory can be written");
    play_in(&directory, "page/images.mjs", &[], &[]).await;
}

/// What an agent serves is listed and opened: with a token too, and not where the server shows none of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a browser: make test-browser"]
async fn what_an_agent_serves() {
    let program = programs::program("parallax-fake-agent").to_string_lossy().into_owned();
    let token = "let-me-in-to-this-server";
    for (mode, name, value) in [
        ("plain", "PARALLAX_PROXY_PORTS", "true"),
        (token, "PARALLAX_API_TOKEN", token),
        ("off", "PARALLAX_PROXY_PORTS", "false"),
    ] {
        let directory = Directory::new();
        with_shell(directory.path());
        play_in(&directory, "page/ports.mjs", &[&program, mode], &[(name, value.to_owned())]).await;
    }
}

/// A push service of this machine gets what it cannot read, and the browser with the keys can; answered, it is withdrawn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a browser: make test-browser"]
async fn told_by_web_push() {
    play("page/push.mjs", &[("PARALLAX_PUSH_LOOPBACK", "true".to_owned())]).await;
}

/// Three hundred agents, 20 events a second: no click of 200 is lost, and the page has time to spare.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a browser: make test-browser"]
async fn three_hundred_agents() {
    play("page/load.mjs", &[("MAX_AGENTS", "320".to_owned())]).await;
}

/// A token that may only look is offered nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a browser: make test-browser"]
async fn looks_with_a_token_that_may_look() {
    let directory = Directory::new();
    let file = directory.path().join("tokens");
    std::fs::write(&file, "operate let-me-work-with-this-server\nview let-me-look-at-this-server\n")
        .expect("the directory can be written");
    play("page/scope.mjs", &[("PARALLAX_TOKEN_FILE", file.to_string_lossy().into_owned())]).await;
}

/// A token is asked for, a wrong one is told, and another tab needs none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a browser: make test-browser"]
async fn signs_in_with_a_token() {
    play("page/sign_in.mjs", &[("PARALLAX_API_TOKEN", "let-me-in-to-this-server".to_owned())]).await;
}

/// Spawned by the form, told something, its permission given in the inbox. Skipped where the CLI is not installed.
async fn drives(cli: RealCli) {
    if !cli.is_installed() {
        println!("SKIPPED: {} is not on PATH; `make clis` installs it", cli.name());
        return;
    }
    let scenario = Scenario { replies: cli.reviews_and_makes(), ..Scenario::default() };
    let models = Models::start(scenario).await.expect("the loopback interface has a free port");
    let directory = Directory::new();
    cli.prepare(directory.path(), &models);
    play_in(&directory, "page/real_cli.mjs", &[cli.name()], &cli.env(&models)).await;
}

/// The real Claude Code by the page.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a browser: make test-browser"]
async fn drives_claude() {
    drives(RealCli::Claude).await;
}

/// The real Codex CLI by the page.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a browser: make test-browser"]
async fn drives_codex() {
    drives(RealCli::Codex).await;
}

/// The real Gemini CLI by the page.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a browser: make test-browser"]
async fn drives_gemini() {
    drives(RealCli::Gemini).await;
}

/// Takes the pictures of docs/page.md again: `make pictures`. Skipped where it was not said where they go, or a CLI is missing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a browser: make pictures"]
async fn pictures() {
    let clis = [RealCli::Claude, RealCli::Codex, RealCli::Gemini];
    let Ok(into) = std::env::var("PARALLAX_PICTURES") else {
        println!("SKIPPED: PARALLAX_PICTURES does not say where to put them");
        return;
    };
    if !clis.iter().all(|cli| cli.is_installed()) {
        println!("SKIPPED: not all CLIs are on PATH; `make clis` installs them");
        return;
    }
    let models = Models::start(Scenario::default()).await.expect("the loopback interface has a free port");
    // Its path is seen in some of them.
    let directory = match std::env::var_os("PARALLAX_PICTURES_IN") {
        Some(parent) => Directory::at(&PathBuf::from(parent).join("demo")),
        None => Directory::new(),
    };
    write_shell(&directory);
    let mut env = vec![("PARALLAX_USAGE_INTERVAL", "5".to_owned())];
    for cli in clis {
        cli.prepare(directory.path(), &models);
        env.extend(cli.env(&models));
    }
    play_in(&directory, "page/pictures.mjs", &[&models.url(), &into], &env).await;
}
