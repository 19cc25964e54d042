//! Single screens as they were seen of the real CLIs: what is a composer and in which mode, what is a menu, what is offered.

use std::time::Duration;

use parallax_api::TerminalSize;
use parallax_profile::{Composer, Detector, DetectorInput, Observation, Profiles};
use parallax_screen::Screen;

/// What is observed once this stands on the screen for long. `|` is the cursor.
fn shown(profile: &str, rows: &str) -> Observation {
    let mut screen = Screen::new(TerminalSize { cols: 60, rows: 24 }, 0);
    let before = rows.split('|').next().unwrap_or_default();
    let (row, column) =
        (before.matches('\n').count() + 1, before.lines().last().unwrap_or_default().chars().count() + 1);
    let text = rows.replace('|', "").replace('\n', "\r\n");
    screen.feed(format!("\x1b[2J\x1b[H{text}\x1b[{row};{column}H").as_bytes());
    let mut detector = Detector::new(Profiles::builtin().get(profile).expect("it is built in"));
    for second in 0..30 {
        detector.observe(Duration::from_secs(second), &screen, DetectorInput::Screen);
    }
    detector.observation().clone()
}

#[test]
fn a_mode_of_the_composer_is_known() {
    let rule = "─".repeat(60);
    let table = [
        ("claude", format!("{rule}\n! touch x|\n{rule}\n  ! for shell mode"), "touch x", Some("shell")),
        (
            "claude",
            format!("─── History 6/6 {}\n❯ earlier|\n{rule}\n  ? for shortcuts", "─".repeat(44)),
            "earlier",
            None,
        ),
        (
            "codex",
            "\n! touch x|\n\n  GPT-6-Sol · ~/w\n                         Shell mode".into(),
            "touch x",
            Some("shell"),
        ),
        ("codex", "\n› 1. buy milk|\n\n  GPT-6-Sol · ~/w".into(), "1. buy milk", None),
        (
            "gemini",
            "▄▄▄▄▄▄▄▄▄▄▄▄\n ! touch x|\n▀▀▀▀▀▀▀▀▀▀▀▀\n workspace (/directory)".into(),
            "touch x",
            Some("shell"),
        ),
        (
            "gemini",
            "▄▄▄▄▄▄▄▄▄▄▄▄\n > half a line|\n▀▀▀▀▀▀▀▀▀▀▀▀\n            workspace (/directory)\n [NORMAL]   /w"
                .into(),
            "half a line",
            Some("vim normal"),
        ),
    ];
    for (profile, rows, typed, mode) in table {
        let seen = shown(profile, &rows);
        assert_eq!(seen.composer, Composer::Holds(typed.into()), "{profile}: {rows}");
        assert_eq!(seen.composer_mode.map(|mode| mode.name).as_deref(), mode, "{profile}: {rows}");
    }
}

#[test]
fn what_stands_in_an_empty_composer_is_no_text() {
    let frame = |hint: &str| format!("▄▄▄▄▄▄▄▄▄▄▄▄\n > |  {hint}\n▀▀▀▀▀▀▀▀▀▀▀▀\n workspace (/directory)");
    for hint in
        ["Type your message or @path/to/file", "Press 'Esc' for NORMAL mode.", "Press 'i' for INSERT mode."]
    {
        assert_eq!(shown("gemini", &frame(hint)).composer, Composer::Empty, "{hint}");
    }
}

#[test]
fn a_menu_is_no_composer_and_can_be_closed() {
    let table = [
        "  Skills\n  Choose an action\n\n› |1. List skills\n  2. Enable/Disable Skills\n\n  enter select · esc back",
        "  Select items\n\n› |[x] activity\n  [ ] model\n  space toggle · enter save · esc cancel",
        "• Fine.\n\n|No matches · full transcript · esc cancel",
        "• Fine.\n\n ↑/↓ to scroll · pgup/pgdn to page\n q close · f3 find · esc browse prompts|",
        "› hello\n\n› |Ask Codex to do anything\n\n  GPT-6-Sol · ~/w\n  reverse-i-search:",
        "  hello\n\n  ? help  esc back  ↑/↓ move  enter open  n new|",
    ];
    for rows in table {
        let seen = shown("codex", rows);
        assert_eq!(seen.composer, Composer::Absent, "{rows}");
        let attention = seen.attention.unwrap_or_else(|| panic!("it is told: {rows}"));
        assert!(!attention.close.is_empty(), "{rows}");
    }
}

#[test]
fn what_has_no_room_is_offered_all_the_same() {
    let rows = "  Would you like to run the following command?\n\n  $ touch a b\n\n› |1. Yes, proceed (y)\n  2. Yes, and don't ask \
                again for commands\n     that start with `touch a\n↓\n  Press enter to confirm or esc to cancel";
    let needed = shown("codex", rows).attention.expect("it asks");
    let offered: Vec<&str> = needed.options.iter().map(|option| option.id.as_str()).collect();
    assert_eq!(offered, ["yes", "always", "no"]);
    let whole = rows.replace('↓', "  3. No, and tell Codex what to do differently (esc)\n");
    let needed = shown("codex", &whole).attention.expect("it asks");
    assert_eq!(needed.options.iter().filter(|option| option.id == "no").count(), 1, "{needed:?}");
}

#[test]
fn a_question_is_one_though_its_last_row_is_wrapped() {
    let rule = "─".repeat(43);
    for last in [
        "n to\nadd notes · Tab to switch questions · Esc\nto cancel",
        "ctrl+g to edit in Vim · Esc to\ncancel",
    ] {
        let rows = format!(
            "{rule}\n←  ☐ Database  ✔ Submit  →\n\nWhich one?\n\n❯ 1. PostgreSQL          ┌───────┐\n  2. SQLite              │ use   │\n\
             {rule}\n  Chat about this\n\nEnter to select · ↑/↓ to navigate · {last}|"
        );
        let needed = shown("claude", &rows).attention.expect("it asks");
        let offered: Vec<&str> = needed.options.iter().map(|option| option.label.as_str()).collect();
        assert_eq!(offered, ["PostgreSQL", "SQLite"], "{rows}");
    }
}

#[test]
fn what_runs_on_in_the_background_is_counted() {
    let codex = "  1 background terminal running · /ps to view\n\n\n› |\n\n  GPT-6-Sol · ~/w";
    let gemini = "──────────\n YOLO        2 Background processes\n▄▄▄▄▄▄▄▄▄▄▄▄\n > |\n▀▀▀▀▀▀▀▀▀▀▀▀\n workspace (/directory)";
    assert_eq!(shown("codex", codex).background, 1);
    assert_eq!(shown("gemini", gemini).background, 2);
    assert_eq!(
        shown("codex", "• I say: 1 background terminal running\n\n› |\n\n  GPT-6-Sol · ~/w").background,
        0
    );
}
