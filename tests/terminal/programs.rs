//! Programs that everybody has, driven by scripted keys and resized at random: what they write makes the same of the
//! host's screen, of a viewer that was there from the start, and of viewers that came late.

use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use parallax_api::TerminalSize;
use parallax_screen::Screen;
use portable_pty::{CommandBuilder, MasterPty, PtySize, native_pty_system};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngSeed, TestRunner};

use crate::differential::{Outcome, number, play};
use crate::reference::{Reference, Step};

/// A program that writes nothing for so long waits for keys. How much it has written makes no difference to what is
/// compared, which is the same bytes everywhere.
const QUIET: Duration = Duration::from_millis(120);
/// Times each program is run, resized differently, unless `PARALLAX_TEST_RUNS` says otherwise.
const RUNS: u32 = 2;
/// Viewers that come late in each run.
const VIEWERS: usize = 8;

/// A program, how it is started, and what is typed. `SOCKET` stands for a name of its own.
struct Script {
    command: &'static [&'static str],
    keys: &'static [&'static str],
    /// Ends what the program left behind.
    after: Option<&'static [&'static str]>,
}

const SCRIPTS: [Script; 9] = [
    Script {
        command: &["less", "-R", "text"],
        keys: &[
            " ", " ", "\x1b[C", "b", "/漢\r", "n", "G", "g", "-N\r", "40g", "-S\r", " ", "F", "\x03", "h",
            "q", "q",
        ],
        after: None,
    },
    Script {
        command: &["vim", "-u", "NONE", "-i", "NONE", "-n", "--cmd", "set nocp mouse=a ruler title", "text"],
        keys: &[
            "\x04",
            ":set number hlsearch\r",
            "/line\r",
            "iHello 漢字 👍🏽 é\x1b",
            "o\tmore\x1b",
            "yy20p",
            ":split\r",
            "\x17j",
            "G",
            "dd",
            "u",
            "v5jy",
            ":vsplit\r",
            ":set list\r",
            ":syntax on\r",
            ":terminal echo in vim\r",
            "\x17:only!\r",
            "ggVGd",
            "u",
            ":!echo out\r",
            "\r",
            ":qa!\r",
        ],
        after: None,
    },
    Script {
        command: &["nano", "-I", "text"],
        keys: &[
            "typed 漢字 ✅ text\r",
            "\x16",
            "\x17line\r",
            "\x0b",
            "\x15",
            "\x1bG12\r",
            "\x07",
            "\x18",
            "\x1b[5~",
            "\x18",
            "n",
        ],
        after: None,
    },
    Script {
        command: &["mc", "-u", "-c", ".", "/etc"],
        keys: &[
            "\t", "\x1b[B", "\x1b[B", "\x1b[6~", "\x1b9", "\x1b[C", "\r", "\x1b\x1b", "\x1b3", "\x1b[6~",
            "\x1b\x1b", "\x0f", "\x0f", "\x1b0", "\r",
        ],
        after: None,
    },
    Script {
        command: &["htop", "-d", "3"],
        keys: &["\x1b[B", "t", "\x1b[6~", "H", "/sh\r", "\x1b", "\x1bOR", "\x1b", "h", " ", "q", "q"],
        after: None,
    },
    Script {
        command: &["top", "-d", "0.3"],
        keys: &["1", "z", "x", "c", "V", "h", "q", "q", "f", "\x1b", "u\r", "m", "t", "q"],
        after: None,
    },
    Script {
        command: &["tmux", "-L", "SOCKET", "-f", "/dev/null", "new", "bash --norc"],
        keys: &[
            "cat text\r",
            "\x02%",
            "seq 1 200\r",
            "\x02\"",
            "ls --color /usr/bin\r",
            "\x02o",
            "\x02[",
            "\x1b[5~",
            "\x1b[5~",
            "q",
            "\x02z",
            "printf '\\e[1;31mred 漢字\\e[m\\n'\r",
            "\x02z",
            "\x02c",
            "vim -u NONE -n text\r",
            ":q\r",
            "\x02p",
            "\x02 ",
            "\x02w",
            "q",
            "\x02d",
        ],
        after: Some(&["tmux", "-L", "SOCKET", "kill-server"]),
    },
    Script {
        command: &["watch", "-n", "0.2", "-d", "-c", "date +%N; ls -l --color=always; cat text"],
        keys: &[" ", " ", " ", "\x03"],
        after: None,
    },
    Script {
        command: &["bash", "--norc", "--noprofile", "-i"],
        keys: &[
            "PS1='\\[\\e]2;a title\\a\\e[1;32m\\]\\w\\[\\e[m\\] $ '\r",
            "seq 1 300\r",
            "echo a long line 漢字漢字漢字漢字 that wraps 👩‍👩‍👧 around the edge ✅ of it\x01\x0b\x19",
            "\x12seq\x1b",
            "\x15",
            "ls --color -la /etc | head -40\r",
            "\tl\t\t",
            "\x15",
            "clear; cat text\r",
            "less text\r",
            " ",
            "q",
            "printf '\\e[5;10r\\e[?6h\\e[3;3Hin the middle\\n\\n\\n\\n\\n\\e[r\\e[?6l\\n'\r",
            "tput smcup; seq 50\r",
            "tput rmcup\r",
            "exit\r",
        ],
        after: None,
    },
];

/// Long lines, wide characters, tabs, colours.
fn text() -> String {
    let line = |n: usize| match n % 5 {
        0 => {
            format!("{n}\ta line with tabs\tand 漢字かな交じり文 in it, {}", "long enough to wrap ".repeat(8))
        }
        1 => format!("{n} │ ✅ done │ 📦 pkg │ 👩‍👩‍👧 🇩🇪 👍🏽 ❤️ e\u{301} ก\u{e33} │"),
        2 => format!("\x1b[3{}mline {n}\x1b[1;4m in colour\x1b[0m", n % 8),
        3 => String::new(),
        _ => format!("line {n} {}", "═║╔╗".repeat(n % 30)),
    };
    (1..150).map(|n| line(n) + "\n").collect()
}

#[test]
#[ignore = "needs Node.js and xterm.js: make test-terminal"]
fn programs_look_the_same_to_everybody() {
    let seed = u64::from(number("PARALLAX_TEST_SEED", 1));
    let runs = number("PARALLAX_TEST_RUNS", RUNS);
    let config = Config { rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let mut reference = Reference::start();
    let home = tempfile::tempdir().expect("a directory");
    std::fs::write(home.path().join("text"), text()).expect("written");
    let (mut differences, mut skipped, mut bytes, mut failed) = (Vec::new(), Vec::new(), 0, 0);
    for script in &SCRIPTS {
        let name = script.command[0];
        if !is_installed(name) {
            skipped.push(name);
            continue;
        }
        for _ in 0..runs {
            let steps = record(script, home.path(), &mut runner);
            bytes += steps
                .iter()
                .map(|step| if let Step::Write(text) = step { text.len() } else { 0 })
                .sum::<usize>();
            let places: Vec<usize> = (0..VIEWERS).map(|_| pick(&mut runner, 0..steps.len().max(1))).collect();
            let (cols, rows) = FIRST;
            match play(&mut reference, cols, rows, &steps, &places) {
                Outcome::Same => {}
                Outcome::ReferenceFailed => failed += 1,
                Outcome::Different(difference) => {
                    let difference = shortest(&mut reference, &steps, &places, difference);
                    differences.push(format!("{name}: {difference}"));
                }
            }
        }
    }
    let ran = SCRIPTS.len() - skipped.len();
    println!("{ran} programs, {runs} runs each, {bytes} bytes, seed {seed}; not installed: {skipped:?}");
    println!("xterm.js itself failed over {failed}");
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n\n"));
}

const FIRST: (u16, u16) = (80, 24);

fn is_installed(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(name).is_file())
}

fn pick<T: std::fmt::Debug>(runner: &mut TestRunner, from: impl Strategy<Value = T>) -> T {
    from.new_tree(runner).expect("there is something to pick").current()
}

/// Runs the program to the end of its script: what it wrote, and how it was resized.
fn record(script: &Script, home: &Path, runner: &mut TestRunner) -> Vec<Step> {
    let socket = format!("parallax-{}", std::process::id());
    let words = |words: &[&str]| words.iter().map(|word| word.replace("SOCKET", &socket)).collect::<Vec<_>>();
    let mut program = Program::start(&words(script.command), home);
    let mut steps = program.writes();
    for keys in script.keys {
        if pick(runner, 0..3u8) == 0 {
            let (cols, rows) = pick(runner, (40..140u16, 10..45u16));
            program.resize(cols, rows);
            steps.push(Step::Resize(cols, rows));
        }
        program.types(keys.as_bytes());
        steps.extend(program.writes());
    }
    drop(program);
    if let Some(after) = script.after {
        let words = words(after);
        // It may have ended by itself.
        drop(Command::new(&words[0]).args(&words[1..]).env("TMUX_TMPDIR", home).output());
    }
    steps
}

/// The difference with the fewest steps that lead to one.
fn shortest(reference: &mut Reference, steps: &[Step], places: &[usize], whole: String) -> String {
    let (cols, rows) = FIRST;
    for count in 1..steps.len() {
        let places: Vec<usize> = places.iter().copied().filter(|place| *place < count).collect();
        if let Outcome::Different(difference) = play(reference, cols, rows, &steps[..count], &places) {
            let last = &steps[count.saturating_sub(2)..count];
            return format!("after {count} of {} steps, the last {last:?}: {difference}", steps.len());
        }
    }
    whole
}

/// A program in a terminal, whose queries the host's screen answers.
struct Program {
    master: Box<dyn MasterPty + Send>,
    keyboard: Box<dyn Write + Send>,
    child: Box<dyn portable_pty::Child + Send + Sync>,
    output: Receiver<Vec<u8>>,
    screen: Screen,
}

impl Program {
    fn start(words: &[String], home: &Path) -> Self {
        let (cols, rows) = FIRST;
        let pair = native_pty_system().openpty(size(cols, rows)).expect("a terminal");
        let mut command = CommandBuilder::new(&words[0]);
        command.args(&words[1..]);
        command.env_clear();
        command.cwd(home);
        for (name, value) in [("PATH", "/usr/bin:/bin"), ("TERM", "xterm-256color"), ("LANG", "C.UTF-8")] {
            command.env(name, value);
        }
        for name in ["HOME", "TMUX_TMPDIR", "TMPDIR"] {
            command.env(name, home);
        }
        let child = pair.slave.spawn_command(command).expect("the program starts");
        let mut reader = pair.master.try_clone_reader().expect("a reader");
        let (output_tx, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                if output_tx.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        let keyboard = pair.master.take_writer().expect("a writer");
        let screen = Screen::new(TerminalSize { cols, rows }, 0);
        Program { master: pair.master, keyboard, child, output, screen }
    }

    /// What it writes until it waits. A program that never does is left after a hundred pieces.
    fn writes(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        while steps.len() < 100
            && let Ok(bytes) = self.output.recv_timeout(QUIET)
        {
            let fed = self.screen.feed(&bytes);
            self.types(&fed.replies);
            steps.push(Step::Write(String::from_utf8_lossy(&fed.output).into_owned()));
        }
        steps
    }

    fn types(&mut self, bytes: &[u8]) {
        // A program that has ended reads no more.
        drop(self.keyboard.write_all(bytes).and_then(|()| self.keyboard.flush()));
    }

    fn resize(&mut self, cols: u16, rows: u16) {
        self.screen.resize(TerminalSize { cols, rows });
        self.master.resize(size(cols, rows)).expect("resized");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn size(cols: u16, rows: u16) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}
