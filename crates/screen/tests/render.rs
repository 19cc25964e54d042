//! Logs as lines, from small programs and from recorded ones.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use parallax_api::TerminalSize;
use parallax_screen::render::{Resize, ansi_lines, text_lines};
use parallax_screen::{Screen, ViewerInput};

const SIZE: TerminalSize = TerminalSize { cols: 10, rows: 4 };
const FROM_START: [Resize; 1] = [Resize { offset: 0, size: SIZE }];

fn text(bytes: &str) -> Vec<String> {
    text_lines(bytes.as_bytes(), 0, &FROM_START)
}

#[test]
fn scrollback_and_screen_are_lines() {
    assert_eq!(text("1\r\n2\r\n3\r\n4\r\n5\r\n\r\n"), ["1", "2", "3", "4", "5"]);
    assert_eq!(text(""), [""; 0]);
    assert_eq!(text("progress 1\rprogress 2\r\x1b[Kdone\r\n"), ["done"]);
}

#[test]
fn wrapped_rows_are_one_line() {
    assert_eq!(text("one two   three four\r\n漢字漢字a漢\r\n"), ["one two   three four", "漢字漢字a漢"]);
}

#[test]
fn attributes_are_kept_and_each_line_stands_alone() {
    let log =
        "\x1b[31mred\r\nstill\x1b[0m \x1b]8;;https://a.test\x07link\x1b]8;;\x07\r\n\x1b[1;48;5;4mbold\x1b[K";
    assert_eq!(
        ansi_lines(log.as_bytes(), 0, &FROM_START),
        [
            "\x1b[0;31mred\x1b[m",
            "\x1b[0;31mstill\x1b[m link",
            "\x1b[0;1;48;5;4mbold\x1b[0;48;5;4m      \x1b[m"
        ]
    );
}

#[test]
fn sizes_apply_from_their_offset() {
    let wide = TerminalSize { cols: 20, rows: 4 };
    // The log begins at 100: what was before is no longer kept.
    let resizes = [
        Resize { offset: 0, size: SIZE },
        Resize { offset: 112, size: wide },
        Resize { offset: 999, size: SIZE },
    ];
    let log = b"\x1b[11Chere\r\n..\x1b[11Cthere";
    assert_eq!(text_lines(log, 100, &resizes), ["         here", "..           there"][..].to_vec());
}

#[test]
fn an_alternate_screen_stays_where_it_was_left() {
    let editor = "\x1b[?1049h\x1b[H\x1b[2Jfile\r\n~\x1b[H\x1b[J\x1b[?1049l";
    assert_eq!(text(&format!("$ edit\r\n{editor}$ ls\r\na b")), ["$ edit", "file", "~", "$ ls", "a b"]);
    assert_eq!(text("$ edit\r\n\x1b[?1049h\x1b[Hfile"), ["file"], "still open");
}

struct Cast {
    size: TerminalSize,
    events: Vec<(String, String)>,
}

fn cast(name: &str) -> Cast {
    let path = format!("{}/tests/fixtures/{name}.cast", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let header = lines.next().unwrap();
    let size = |field: &str| header[field].as_u64().unwrap() as u16;
    let event = |line: serde_json::Value| {
        (line[1].as_str().unwrap().to_owned(), line[2].as_str().unwrap().to_owned())
    };
    Cast {
        size: TerminalSize { cols: size("width"), rows: size("height") },
        events: lines.map(event).collect(),
    }
}

/// Replays a recording: the screen, its log, and the sizes in it.
fn replay(cast: &Cast, mut check: impl FnMut(&Screen)) -> (Screen, Vec<u8>, Vec<Resize>) {
    let mut screen = Screen::new(cast.size, 1000);
    let mut log = Vec::new();
    let mut resizes = vec![Resize { offset: 0, size: cast.size }];
    for (kind, data) in &cast.events {
        match kind.as_str() {
            "o" => log.extend(screen.feed(data.as_bytes()).output),
            "r" => {
                let (cols, rows) = data.split_once('x').unwrap();
                let size = TerminalSize { cols: cols.parse().unwrap(), rows: rows.parse().unwrap() };
                screen.resize(size);
                resizes.push(Resize { offset: log.len() as u64, size });
            }
            _ => continue,
        }
        check(&screen);
    }
    (screen, log, resizes)
}

const RECORDINGS: [&str; 3] =
    ["claude_tool_permission_yes", "codex_simple_turn", "claude_resize_during_output"];

#[test]
fn recorded_screens_can_be_painted_at_any_time() {
    for name in RECORDINGS {
        replay(&cast(name), |screen| {
            let mut viewer = Screen::new(screen.size(), 1000);
            viewer.feed(screen.snapshot().as_bytes());
            assert_eq!(viewer.view(0), screen.view(0), "{name}");
            assert_eq!(viewer.rows(), screen.rows(), "{name}");
            assert_eq!(viewer.modes(), screen.modes(), "{name}");
        });
    }
}

#[test]
fn recorded_logs_tell_the_conversation() {
    for (name, said) in [
        (
            "claude_tool_permission_yes",
            ["❯ Create demo.txt for me", "● The file demo.txt now exists.", "claude --resume"],
        ),
        (
            "codex_simple_turn",
            ["› What is the capital of France?", "• The capital of France is Paris.", "codex resume"],
        ),
        (
            "claude_resize_during_output",
            [
                "row 58: the quick brown fox jumps over the lazy dog",
                "row 60: the quick brown fox",
                "claude --resume",
            ],
        ),
    ] {
        let (_, log, resizes) = replay(&cast(name), |_| {});
        let text = text_lines(&log, 0, &resizes).join("\n");
        let mut rest = text.as_str();
        for words in said {
            let at = rest.find(words).unwrap_or_else(|| panic!("{name} lacks {words:?} in order:\n{text}"));
            rest = &rest[at..];
        }
        assert!(!text.contains('\x1b'), "{name}");
    }
}

#[test]
fn recorded_replies_are_dropped_and_keys_are_not() {
    let mut input = ViewerInput::new();
    let mut kept = String::new();
    for name in RECORDINGS {
        for (_, data) in cast(name).events.iter().filter(|(kind, _)| kind == "i") {
            kept.push_str(&String::from_utf8(input.filter(data.as_bytes())).unwrap());
        }
    }
    assert!(kept.contains("\x1b[200~What is the capital of France?\x1b[201~\r/quit\r"), "{kept:?}");
    for reply in ["\x1b[?62;22c", "\x1b]10;", "\x1b]11;", "\x1b]7501;", "\x1b[1;1R"] {
        assert!(!kept.contains(reply), "{kept:?}");
    }
}
