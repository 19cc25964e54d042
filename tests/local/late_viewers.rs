//! Who comes late sees what the others see, whatever the terminal stands in the middle of.

use parallax_api::agent::RestartRequest;
use parallax_api::{AgentId, TerminalSize};
use parallax_testkit::viewer::Viewer;

use crate::local_runtime::LocalRuntime;

/// Larger than what the host keeps back of a string that has not ended.
const PAYLOAD: usize = 150_000;

/// The host's own screen, row by row.
async fn lines(program: &LocalRuntime, id: &AgentId) -> Vec<String> {
    program.client().screen(id).await.expect("it has a screen").lines
}

async fn connect(program: &LocalRuntime, id: &AgentId) -> Viewer {
    Viewer::connect(program.client().url(), id, "").await
}

/// The window is made larger while a program has the alternate screen; the program ends, and the shell goes on below.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_alternate_screen_covers_one_of_another_size() {
    let program = LocalRuntime::start();
    let agent = program.bash().await;
    let id = &agent.id;
    program
        .run(id, "seq 1 60; printf '\\e[?1049h\\e[HFU''LL'; read -r; printf '\\e[?1049l'; echo af''ter")
        .await;
    let mut live = connect(&program, id).await;
    live.until("the program", |text| text.starts_with("FULL")).await;
    for (cols, rows) in [(132, 50), (60, 12), (120, 45)] {
        live.send(&format!(r#"{{"type":"resize","cols":{cols},"rows":{rows}}}"#)).await;
        live.resize(TerminalSize { cols, rows });
    }
    program.until_size(id, TerminalSize { cols: 120, rows: 45 }).await;
    let mut late = connect(&program, id).await;
    late.resize(TerminalSize { cols: 120, rows: 45 });
    late.until("the program", |text| text.starts_with("FULL")).await;
    live.send("\r").await;
    for viewer in [&mut live, &mut late] {
        viewer.until("the shell again", |text| text.trim_end().ends_with("after\nprompt>")).await;
    }
    let host = lines(&program, id).await;
    assert_eq!(host, live.lines());
    assert_eq!(host, late.lines());
    assert_eq!(host.iter().rposition(|line| line == "prompt>"), Some(44), "in the last row: {host:#?}");
}

/// An image, a clipboard, a message to nobody: half of it was there before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rest_of_a_long_string_is_no_text() {
    let program = LocalRuntime::start();
    let agent = program.bash().await;
    let id = &agent.id;
    let strings = [
        ("\\eP0;1;0q", '~', "\\e\\\\"),
        ("\\eP+p", 'A', "\\e\\\\"),
        ("\\e]1337;File=inline=1:", 'A', "\\a"),
        ("\\e]52;c;", 'A', "\\a"),
        ("\\e]0;", 'A', "\\e\\\\"),
        ("\\e_G", 'A', "\\e\\\\"),
        ("\\e^", 'A', "\\e\\\\"),
        ("\\eX", 'A', "\\e\\\\"),
        ("\\e]8;;https://a.test/", 'A', "\\e\\\\"),
    ];
    for (number, (opens, filler, ends)) in strings.into_iter().enumerate() {
        let half = format!("head -c {PAYLOAD} /dev/zero | tr '\\0' '{filler}'");
        let line = format!(
            "clear; printf 'be''gun{number}{opens}'; {half}; read -rs; {half}; printf '{ends}af''ter{number}\\n'"
        );
        let before = program.output(id).await.len();
        program.run(id, &line).await;
        program.until_output(id, before + PAYLOAD).await;
        let mut late = connect(&program, id).await;
        late.until("what was there before", |text| text.contains(&format!("begun{number}"))).await;
        late.send("\r").await;
        late.until("what comes after", |text| text.contains(&format!("begun{number}after{number}\nprompt>")))
            .await;
        assert_eq!(late.lines(), lines(&program, id).await, "{opens}");
        assert!(!late.text().contains(&filler.to_string().repeat(3)), "{opens}: {}", late.text());
    }
}

/// A viewer's terminal keeps over a reset what it was told about cursor and title: it is told anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_process_begins_with_a_terminal_like_new() {
    let program = LocalRuntime::start();
    let agent = program.bash().await;
    let id = &agent.id;
    program
        .run(id, "printf '\\e[?25l\\e[?1049h\\e[?1003h\\e[?1006h\\e[5;9r\\e[?6h\\e(0\\e]2;old\\aOL''D'")
        .await;
    let mut live = connect(&program, id).await;
    live.until("the old process", |text| text.contains("OLD")).await;
    assert_eq!((live.shows_cursor(), live.title()), (false, "old"));
    program.client().restart(id, &RestartRequest { resume: false }).await.expect("it restarts");
    live.until("the new process", |text| text.trim_end() == "prompt>").await;
    assert_eq!((live.shows_cursor(), live.title()), (true, ""));
    let mut late = connect(&program, id).await;
    late.until("the new process", |text| text.trim_end() == "prompt>").await;
    assert!(late.shows_cursor());
    assert_eq!(late.modes(), live.modes());
}

/// What a page computes for a hidden pane, and what is broken otherwise, never reaches the prompt.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resize_to_no_size_is_not_typed() {
    let program = LocalRuntime::start();
    let agent = program.bash().await;
    let id = &agent.id;
    let mut viewer = connect(&program, id).await;
    for rest in [
        r#""cols":80,"rows":1"#,
        r#""cols":0,"rows":0"#,
        r#""cols":2,"rows":1"#,
        r#""cols":10000,"rows":10000"#,
        r#""cols":"91","rows":"31""#,
        r#""cols":92.0,"rows":32.0"#,
        r#""cols":null,"rows":null"#,
        r#""cols":-80,"rows":24"#,
        r#""cols":1e400,"rows":24"#,
        r#""cols":80,"cols":90,"rows":24"#,
        r#""type":"resize","cols":80"#,
        r#""rows":24,"more":[[[{}]]]"#,
    ] {
        viewer.send(&format!(r#"{{"type":"resize",{rest}}}"#)).await;
    }
    viewer.send(r#"{"type":"resize"}"#).await;
    viewer.send(" {\"cols\": 1,\r\n\"type\": \"resi\\u007ae\"}\n").await;
    // Other text is typed, JSON or not; so is a binary frame.
    viewer.send("echo '{\"type\":\"other\"}' ").await;
    viewer.send_binary(b"'{\"type\":\"resize\",\"cols\":1}'").await;
    viewer.send("\r").await;
    viewer
        .until("both", |text| {
            text.contains("\n{\"type\":\"other\"} {\"type\":\"resize\",\"cols\":1}\nprompt>")
        })
        .await;
    let screen = program.client().screen(id).await.expect("it has a screen");
    assert_eq!(screen.size, TerminalSize::default());
    let typed: Vec<&String> = screen.lines.iter().filter(|line| line.contains("resize")).collect();
    assert_eq!(typed.len(), 2, "{typed:#?}");
}
