//! Single screens of the real CLIs, and what must be concluded from them: each is an example of a kind.

use std::path::Path;
use std::time::Duration;

use parallax_api::{AgentStatus, AttentionKind, TerminalSize};
use parallax_profile::{AttentionRequest, Composer, Detector, DetectorInput, Observation, Profiles};
use parallax_screen::Screen;
use serde_json::{Value, json};

/// A recording played to its end, with hooks that came before the last output, and then so many seconds of silence.
fn played(name: &str, hooks: &[(&str, Value)], silence: u64, size: Option<TerminalSize>) -> Observation {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/recordings/cases/{name}.cast"));
    let cast = std::fs::read_to_string(path).expect("the recording is there");
    let mut lines = cast.lines();
    let header: Value = serde_json::from_str(lines.next().expect("a header")).expect("JSON");
    let number = |key: &str| u16::try_from(header[key].as_u64().expect("a number")).expect("small");
    let recorded = TerminalSize { cols: number("width"), rows: number("height") };
    let mut screen = Screen::new(recorded, 0);
    let mut detector = Detector::new(Profiles::builtin().get("claude").expect("built in"));
    let mut now = Duration::ZERO;
    let events: Vec<(f64, String, String)> =
        lines.map(|line| serde_json::from_str(line).expect("an event")).collect();
    for (index, (at, kind, data)) in events.iter().enumerate() {
        until(&mut detector, &screen, Duration::from_secs_f64(*at), &mut now);
        if index + 1 == events.len() {
            for (name, payload) in hooks {
                detector.observe(now, &screen, DetectorInput::Hook { name, payload });
            }
        }
        match kind.as_str() {
            "o" => {
                let fed = screen.feed(data.as_bytes());
                for report in &fed.reports {
                    detector.observe(now, &screen, DetectorInput::Terminal(report));
                }
                detector.observe(now, &screen, DetectorInput::Screen);
            }
            "i" if data.contains('\r') => drop(detector.observe(now, &screen, DetectorInput::Submitted)),
            _ => {}
        }
    }
    if let Some(size) = size {
        let end = now + Duration::from_secs(1);
        until(&mut detector, &screen, end, &mut now);
        screen.resize(size);
        detector.observe(now, &screen, DetectorInput::Screen);
    }
    let end = now + Duration::from_secs(silence);
    until(&mut detector, &screen, end, &mut now);
    detector.observation().clone()
}

fn until(detector: &mut Detector, screen: &Screen, end: Duration, now: &mut Duration) {
    while let Some(due) = detector.deadline().filter(|due| *due < end) {
        *now = due;
        detector.observe(due, screen, DetectorInput::Tick);
    }
    *now = end;
}

fn options(seen: &Observation) -> Vec<(&str, Option<bool>)> {
    let asked = seen.attention.as_ref().expect("something is asked");
    asked.options.iter().map(|option| (option.id.as_str(), option.selected)).collect()
}

#[test]
fn a_dim_hint_is_no_text() {
    for name in ["claude_hint_after_error", "min_hint_with_cursor_cell"] {
        let seen = played(name, &[], 5, None);
        assert_eq!((seen.composer, seen.attention), (Composer::Empty, None), "{name}");
        assert_eq!(seen.status, AgentStatus::Ready, "{name}");
    }
}

#[test]
fn a_menu_takes_no_message() {
    let seen = played("claude_model_overlay", &[], 2, None);
    let attention = seen.attention.expect("a person should look at it");
    assert_eq!((attention.kind, seen.composer), (AttentionKind::Unknown, Composer::Absent));
    assert!(attention.text.contains("Select model"), "{}", attention.text);
    assert_eq!(attention.close, ["esc"], "it can be closed without choosing");
}

#[test]
fn several_options_may_be_ticked() {
    let seen = played("claude_multi_select", &[], 1, None);
    assert_eq!(
        options(&seen),
        [
            ("red", Some(false)),
            ("blue", Some(true)),
            ("type-something", Some(false)),
            ("submit", None),
            ("chat-about-this", None)
        ]
    );
    let asked = seen.attention.expect("asked");
    assert_eq!(asked.text, "Which colours?");
    assert_eq!(asked.options[3].keys, ["down", "down", "down", "enter"]);
}

#[test]
fn several_questions_are_told_by_the_hook() {
    let choice = |label: &str, description: &str| json!({"label": label, "description": description});
    let input = json!({"questions": [
        {"question": "Which colours?", "header": "Colour", "multiSelect": true,
            "options": [choice("Red", "Warm"), choice("Blue", "Cool")]},
        {"question": "How many?", "header": "Count", "options": [choice("One", ""), choice("Two", "")]},
    ]});
    let hook = json!({"tool_name": "AskUserQuestion", "tool_input": input});
    let seen = played("claude_multi_select", &[("PreToolUse", hook)], 1, None);
    let asked = seen.attention.expect("asked");
    assert_eq!((asked.kind, asked.text.as_str()), (AttentionKind::Question, "Which colours?"));
    let questions: Vec<_> =
        asked.questions.iter().map(|q| (q.id.as_str(), q.multiple, q.options.len())).collect();
    assert_eq!(questions, [("colour", true, 2), ("count", false, 2)]);
    assert_eq!(asked.options[1].description.as_deref(), Some("Cool"));
}

#[test]
fn answers_are_reviewed_before_they_are_submitted() {
    let seen = played("claude_review_answers", &[], 1, None);
    assert_eq!(options(&seen), [("submit-answers", None), ("cancel", None)]);
    assert!(seen.attention.expect("asked").text.contains("Blue"));
}

#[test]
fn a_plan_is_asked_about_whole() {
    let seen = played("claude_plan_approval", &[], 1, None);
    let ids: Vec<&str> = options(&seen).iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, ["yes", "yes-manually-approve-edits", "tell-claude-what-to-change"]);
    let asked = seen.attention.expect("asked");
    assert_eq!(asked.kind, AttentionKind::Plan);
    assert!(asked.text.contains("1. Look") && asked.text.contains("2. Do"), "{}", asked.text);
    assert!(asked.takes_text.is_some(), "what to change");
}

/// Claude's dialog of a command, and what is asked when these tools were reported before it.
fn asked_with(tools: &[Value], cols: u16, command: &str) -> AttentionRequest {
    let mut screen = Screen::new(TerminalSize { cols, rows: 12 }, 0);
    let mut detector = Detector::new(Profiles::builtin().get("claude").expect("built in"));
    for tool in tools {
        let hook = json!({"tool_name": "Bash", "tool_input": tool});
        detector.observe(
            Duration::ZERO,
            &screen,
            DetectorInput::Hook { name: "PermissionRequest", payload: &hook },
        );
    }
    let rule = "─".repeat(cols.into());
    let dialog = format!(
        "\x1b]7501;state=blocked:kind=permission\x07{rule}\r\n Bash command\r\n   {command}\r\n Do you want to proceed?\r\n \
         ❯ 1. Yes\r\n   2. No\r\n\r\n Esc to cancel · Tab to\r\n amend"
    );
    let fed = screen.feed(dialog.as_bytes());
    for report in &fed.reports {
        detector.observe(Duration::ZERO, &screen, DetectorInput::Terminal(report));
    }
    detector.observe(Duration::ZERO, &screen, DetectorInput::Screen);
    detector.observe(Duration::from_millis(100), &screen, DetectorInput::Tick);
    detector.observation().attention.clone().expect("asked")
}

#[test]
fn a_permission_is_about_the_tool_that_is_shown_or_about_none() {
    let command = |command: &str| json!({"command": command});
    let push = "cd /home/dev/parallax-agents && git push --force";
    let queued = [command(push), command("cd /home/dev/parallax-agents && cargo test")];
    let tool =
        |tools: &[Value], cols, shown: &str| asked_with(tools, cols, shown).tool.map(|tool| tool.input);
    assert_eq!(tool(&queued, 80, push), Some(queued[0].clone()), "the beginning is that of both");
    let short = [command("rm -rf tools"), command("ls")];
    assert_eq!(tool(&short, 80, "rm -rf tools"), Some(short[0].clone()));
    assert_eq!(tool(&short, 80, "ls"), Some(short[1].clone()));
    let lying = [command("git push"), json!({"command": "ls", "x": "Do you want to proceed"})];
    assert_eq!(tool(&lying, 80, "git push"), None, "which one it is cannot be told");
    let cut = asked_with(&queued, 30, "cd /home/dev/parallax-a…");
    assert_eq!((cut.tool, cut.text.contains("cargo test")), (None, false), "nor here: {}", cut.text);
    let other = [command("make"), json!({"plan_step": "build"})];
    assert_eq!(tool(&other, 80, "rm -rf /"), None, "nothing of them is shown");
}

#[test]
fn what_is_left_out_of_a_question_is_said() {
    let long = json!({"content": "x".repeat(3000), "file_path": "/etc/passwd"});
    let asked = asked_with(&[long], 80, &format!("{}…", "x".repeat(60)));
    assert!(asked.text.contains("file_path: /etc/passwd"), "{}", asked.text);
    assert!(asked.text.contains("bytes more are left out"), "{}", asked.text);
}

#[test]
fn a_permission_says_what_it_permits_at_any_width() {
    let command =
        "find . -name '*.rs' -newer Cargo.toml -exec touch {} + && cargo build --release --workspace";
    let hook = json!({"tool_name": "Bash", "tool_input": {"command": command}});
    let mut screen = Screen::new(TerminalSize { cols: 30, rows: 12 }, 0);
    let mut detector = Detector::new(Profiles::builtin().get("claude").expect("built in"));
    let dialog = "\x1b]7501;state=blocked:kind=permission\x07──────────────────────────────\r\n Bash command\r\n   find . -name…\r\n Do you want to proceed?\r\n \
                  ❯ 1. Yes\r\n   2. No\r\n\r\n Esc to cancel · Tab to\r\n amend";
    detector.observe(
        Duration::ZERO,
        &screen,
        DetectorInput::Hook { name: "PermissionRequest", payload: &hook },
    );
    let fed = screen.feed(dialog.as_bytes());
    for report in &fed.reports {
        detector.observe(Duration::ZERO, &screen, DetectorInput::Terminal(report));
    }
    detector.observe(Duration::ZERO, &screen, DetectorInput::Screen);
    detector.observe(Duration::from_millis(100), &screen, DetectorInput::Tick);
    let asked = detector.observation().attention.clone().expect("asked");
    assert_eq!(asked.kind, AttentionKind::Permission);
    assert!(asked.text.contains(command), "{}", asked.text);
    assert_eq!(asked.tool.expect("the tool").name, "Bash");
}
