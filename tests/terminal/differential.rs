//! What a program writes makes the same of the host's screen, of a viewer that was there from the start, and of viewers
//! that came late.

use std::cell::{Cell, RefCell};

use parallax_api::TerminalSize;
use parallax_screen::Screen;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestError, TestRunner};

use crate::grammar::steps;
use crate::reference::{Attach, Case, Reference, Step};

/// Rows above the screen; fewer than a snapshot has, so that nobody lacks any.
const SCROLLBACK: usize = 200;
const CLEAR: &str = "\x1b[2J";
/// Viewers that come late, each at a place of its own.
const ATTACHES: usize = 3;
/// So many differences are shown, each of the shortest stream that has it.
const MAX_DIFFERENCES: usize = 20;

#[test]
#[ignore = "needs Node.js and xterm.js: make test-terminal"]
fn generated_streams_look_the_same_to_everybody() {
    let cases = number("PARALLAX_TEST_STREAMS", 400);
    let seed = u64::from(number("PARALLAX_TEST_SEED", 1));
    println!("{cases} streams from seed {seed} (PARALLAX_TEST_STREAMS, PARALLAX_TEST_SEED)");
    let config =
        Config { cases, rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let reference = RefCell::new(Reference::start());
    let strategy =
        ((4..30u16, 2..12u16), steps(14), prop::collection::vec(any::<prop::sample::Index>(), ATTACHES));
    let mut differences = Vec::new();
    let failed = Cell::new(0);
    for _ in 0..cases {
        let tree = strategy.new_tree(&mut runner).expect("a stream is made");
        let result = runner.run_one(tree, |((cols, rows), steps, places)| {
            let places: Vec<usize> = places.iter().map(|place| place.index(steps.len())).collect();
            match play(&mut reference.borrow_mut(), cols, rows, &steps, &places) {
                Outcome::Same => Ok(()),
                Outcome::ReferenceFailed => {
                    failed.set(failed.get() + 1);
                    Ok(())
                }
                Outcome::Different(difference) => Err(TestCaseError::fail(difference)),
            }
        });
        match result {
            Ok(_) => {}
            Err(TestError::Fail(reason, (size, steps, places))) => {
                differences
                    .push(format!("{reason}\nsize {size:?}\nsteps {steps:?}\nviewers come at {places:?}"));
            }
            Err(error) => panic!("{error}"),
        }
        if differences.len() == MAX_DIFFERENCES {
            break;
        }
    }
    println!("xterm.js itself failed over {}", failed.get());
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n\n"));
}

/// The number in this variable of the environment.
pub fn number(name: &str, usual: u32) -> u32 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(usual)
}

/// What came of a stream.
pub enum Outcome {
    Same,
    Different(String),
    /// xterm.js stopped with an error that is known.
    ReferenceFailed,
}

/// Plays a stream to the host's screen, a viewer that was there all along, and late ones.
pub fn play(reference: &mut Reference, cols: u16, rows: u16, steps: &[Step], places: &[usize]) -> Outcome {
    let mut size = TerminalSize { cols, rows };
    let mut screen = Screen::new(size, SCROLLBACK);
    let mut case = Case { cols, rows, scrollback: SCROLLBACK, steps: Vec::new(), attaches: Vec::new() };
    let (mut is_narrowed, mut is_lowered, mut narrowed) = (false, false, Vec::new());
    for (index, step) in steps.iter().enumerate() {
        is_narrowed &= screen.modes().alternate;
        is_lowered &= screen.modes().alternate;
        // Half of a wide character at the edge is known to who saw it cut off.
        // So is a saved cursor that is below an alternate screen which became lower.
        let is_cut = places.contains(&index) && (is_lowered || screen.inspect().contains('‹'));
        for _ in places.iter().filter(|place| **place == index && !is_cut) {
            let attach =
                Attach { at: case.steps.len(), size: (size.cols, size.rows), snapshot: screen.snapshot() };
            case.attaches.push(attach);
            // So is what is behind the edge of the alternate screen, and moves into it.
            narrowed.push(is_narrowed && screen.modes().alternate);
        }
        match step {
            Step::Write(text) => {
                let output = screen.feed(text.as_bytes()).output;
                case.steps.push(Step::Write(String::from_utf8(output).expect("whole characters come out")));
            }
            Step::Resize(cols, rows) => {
                is_narrowed |= *cols < size.cols && screen.modes().alternate;
                is_lowered |= *rows < size.rows && screen.modes().alternate;
                size = TerminalSize { cols: *cols, rows: *rows };
                screen.resize(size);
                case.steps.push(step.clone());
                if screen.modes().alternate {
                    // As programs do. What a smaller width cut off comes back with a larger one, but only to who had it.
                    screen.feed(CLEAR.as_bytes());
                    case.steps.push(Step::Write(CLEAR.to_owned()));
                }
            }
        }
    }
    let answer = reference.play(&case);
    if let Some(error) = answer.error {
        // ED 1 behind the last column of the last row, without scrollback, makes xterm.js fail; so does wrapping rows
        // anew into fewer than they were.
        let is_known =
            error.contains("isWrapped") || error.contains("copyCellsFrom") || error.contains("_data");
        return if is_known {
            Outcome::ReferenceFailed
        } else {
            Outcome::Different(format!("xterm.js: {error}"))
        };
    }
    let host = screen.inspect();
    let late = answer.late.iter().zip(&case.attaches).zip(narrowed);
    let difference = first_difference("the host's screen", &host, &answer.live).or_else(|| {
        late.into_iter().find_map(|((state, attach), is_narrowed)| {
            // A cursor behind the last column can only be had by writing into it, be it a blank.
            let seen = if is_narrowed { colourless } else { trimmed };
            let difference = first_difference("a late viewer", &seen(state), &seen(&answer.live))?;
            Some(format!("{difference}\nsnapshot {:?}", attach.snapshot))
        })
    });
    difference.map_or(Outcome::Same, Outcome::Different)
}

/// Nothing to be seen, and the second half of what is before it.
const BLANK: [char; 3] = [' ', '·', '«'];

/// Without the blanks at the ends of rows.
fn trimmed(state: &str) -> String {
    let trim =
        |line: &str| line.trim_end_matches(BLANK).trim_end_matches("{}").trim_end_matches(BLANK).to_owned();
    state.lines().map(|line| trim(line) + "\n").collect()
}

/// Nor without the look of these blanks.
fn colourless(state: &str) -> String {
    let trim = |mut line: &str| loop {
        let shorter = line.trim_end_matches(BLANK);
        let begins = shorter.rfind('{').filter(|_| shorter.ends_with('}'));
        match begins {
            Some(begins) => line = &shorter[..begins],
            None => return shorter.to_owned() + "\n",
        }
    };
    state.lines().map(trim).collect()
}

fn first_difference(whose: &str, found: &str, reference: &str) -> Option<String> {
    let mut lines = found.lines().zip(reference.lines()).enumerate();
    let (line, (found_line, reference_line)) =
        lines.find(|(_, (found, reference))| found != reference).or_else(|| {
            (found.lines().count() != reference.lines().count())
                .then_some((usize::MAX, ("rows", "other rows")))
        })?;
    Some(format!("{whose} differs in line {line}\n  {whose}: {found_line}\n  xterm.js: {reference_line}"))
}
