//! What is fuzzed. A target fails when it panics or takes seconds.

mod expression;
mod frames;
mod storage;

use parallax_api::TerminalSize;
use parallax_api::agent::{CpuQuantity, Resources};
use parallax_profile::Profile;
use parallax_screen::{Screen, ViewerInput, render};

/// A function of bytes that others wrote.
pub struct Target {
    /// Its name.
    pub name: &'static str,
    /// Text that its inputs are likely to have.
    pub tokens: &'static [&'static str],
    /// Reads an input. Panics when something is wrong.
    pub run: fn(&[u8]),
}

/// All of them.
pub const ALL: [Target; 8] = [
    Target { name: "screen", tokens: SEQUENCES, run: screen },
    Target { name: "viewer", tokens: SEQUENCES, run: viewer },
    Target { name: "profile", tokens: PROFILE, run: profile },
    Target { name: "pattern", tokens: PATTERN, run: pattern },
    Target { name: "expression", tokens: expression::TOKENS, run: expression::run },
    Target { name: "storage", tokens: storage::TOKENS, run: storage::run },
    Target { name: "frames", tokens: frames::TOKENS, run: frames::run },
    Target { name: "quantities", tokens: QUANTITIES, run: quantities },
];

const SEQUENCES: &[&str] = &[
    "\u{1b}[",
    "\u{1b}]",
    "\u{1b}P",
    "\u{1b}_",
    "\u{7}",
    "\u{1b}\\",
    "\u{1b}[?1049h",
    "\u{1b}[?1049l",
    "\u{1b}[6n",
    "\u{1b}[c",
    "\u{1b}[999999999;999999999H",
    "\u{1b}[4294967295b",
    "\u{1b}[2J",
    "\u{1b}[3J",
    "\u{1b}[?2026h",
    "\u{1b}]8;;https://e/\u{1b}\\",
    "\u{1b}]7501;state=done:app=x\u{7}",
    "\u{1b}]0;t\u{7}",
    "\u{1b}[38;2;1;2;3m",
    "\u{1b}[?2004h",
    "\u{1b}[>1u",
    "\u{1b}[1;99999r",
    "\u{1b}#8",
    "\u{1b}7",
    "\u{1b}8",
    "\u{1b}c",
    "\u{9b}",
    "\u{200d}",
    "\u{fe0f}",
    "🦀",
    "日本",
    "é",
    "\u{301}",
    "\r\n",
    "\t",
    "\u{8}",
];

const PROFILE: &[&str] = &[
    "[[dialogs]]\n",
    "name = \"x\"\n",
    "begins = '",
    "ends = '",
    "(a*)*b",
    "(?:(?:a{1000}){1000})",
    "{env.",
    "|last:",
    "|quoted}",
    "{",
    "}",
    "'''",
    "\"\"\"",
    "[",
    "]",
    "\n",
    "= 1\n",
    "\\u0000",
    "[start]\n",
    "program = \"\"\n",
    "(?i)",
    "\\p{L}",
    "x{99999}",
];

const PATTERN: &[&str] = &[
    "\n",
    "  ",
    "- ",
    "{",
    "}",
    "[",
    "]",
    "&a ",
    "*a",
    "<<: *a\n",
    "? ",
    "|\n",
    ">\n",
    "---\n",
    "${",
    "}",
    "'",
    "\"",
    "reportsTo: ",
    "type: parallel\n",
    "steps:\n",
    "if: '",
    "!!str ",
    "#",
    "%YAML 1.2\n",
    ": ",
    "then:\n",
    "retries: 1e99\n",
];

const QUANTITIES: &[&str] = &[
    "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "k", "m", "M", "G", "e", "E", ".", "-", "+", "0", "9", "1e400",
    "NaN", "inf", " ", "0x", "٣", "∞",
];

/// Output that is tried at once, in bytes. It is fed three times, without optimisation.
const MAX_OUTPUT: usize = 8 * 1024;

/// Output of a program, in chunks and with resizes, and the snapshot that a viewer would get.
fn screen(input: &[u8]) {
    let (size, input) = size_of(input);
    let mut screen = Screen::new(size, 200);
    let input = &input[..input.len().min(MAX_OUTPUT)];
    let chunk = 1 + usize::from(input.first().copied().unwrap_or_default());
    for (index, part) in input.chunks(chunk).enumerate() {
        let fed = screen.feed(part);
        assert!(
            fed.replies.len() <= 64 * 1024,
            "{} bytes of replies to {} bytes",
            fed.replies.len(),
            part.len()
        );
        if index % 17 == 3 {
            screen.resize(TerminalSize {
                cols: 2 + u16::from(part[0]),
                rows: 2 + u16::from(part[part.len() - 1]) % 60,
            });
        }
    }
    screen.flush();
    let mut viewer = Screen::new(screen.size(), 200);
    let fed = viewer.feed(screen.snapshot().as_bytes());
    assert!(fed.replies.is_empty(), "a snapshot asks the viewer's terminal: {:?}", fed.replies);
    assert_eq!(viewer.view(0).lines, screen.view(0).lines, "a snapshot shows the screen");
    render::text_lines(input, 0, &[]);
    render::ansi_lines(input, 0, &[]);
}

/// A size out of the first two bytes.
fn size_of(input: &[u8]) -> (TerminalSize, &[u8]) {
    match input {
        [cols, rows, rest @ ..] => {
            (TerminalSize { cols: 2 + u16::from(*cols), rows: 2 + u16::from(*rows) % 80 }, rest)
        }
        rest => (TerminalSize::default(), rest),
    }
}

/// What a viewer types.
fn viewer(input: &[u8]) {
    let mut filter = ViewerInput::new();
    for part in input.chunks(7) {
        let kept = filter.filter(part);
        assert!(kept.len() <= input.len(), "a filter adds nothing");
    }
}

/// A profile file; one that is valid is written and read again.
fn profile(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    if let Ok(profile) = Profile::parse(&text) {
        let written = serde_json::to_string(&profile).expect("a profile can be written");
        serde_json::from_str::<Profile>(&written).expect("what was written can be read");
    }
}

/// A pattern file.
fn pattern(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    if let Ok(pattern) = parallax_patterns::check::read(&text) {
        parallax_patterns::check::inputs(&pattern);
    }
}

/// CPUs and memory of a spawn request.
fn quantities(input: &[u8]) {
    let text = String::from_utf8_lossy(input).into_owned();
    let resources = Resources {
        cpu: Some(CpuQuantity::Text(text.clone())),
        memory: Some(text.clone()),
        disk: Some(text.clone()),
        pids: None,
    };
    if let Ok(Some(cpus)) = resources.nano_cpus() {
        assert!(cpus > 0, "{text:?} are {cpus} CPUs");
    }
    if let Ok(Some(bytes)) = resources.memory_bytes() {
        assert!(bytes > 0, "{text:?} is {bytes} bytes");
    }
}
