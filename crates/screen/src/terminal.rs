//! What the pieces of a stream do to a terminal.

use memchr::memchr;

use crate::csi::{self, Csi, Params};
use crate::emulator::{Emulator, link_fields};
use crate::query;
use crate::report::{ProgramStatus, TerminalReport, clean, split_once};
use crate::splitter::{ESC, Piece};

/// Ends whatever is not ended, and means nothing otherwise.
const STRING_TERMINATOR: &[u8] = b"\x1b\\";

/// What came of some bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fed {
    /// What the log and viewers get: everything but the queries, whole sequences and characters only.
    pub output: Vec<u8>,
    /// What to write back to the PTY, in the order of the queries.
    pub replies: Vec<u8>,
    /// What the program told about itself.
    pub reports: Vec<TerminalReport>,
    /// Where in `output` the sequence of each report begins: what was printed before it, and what after.
    pub report_starts: Vec<usize>,
}

/// What is behind the splitter.
pub(crate) struct Terminal {
    pub(crate) emulator: Emulator,
    /// The title for people: bounded, without blanks at the ends.
    pub(crate) title: String,
    /// The title as viewers have it.
    pub(crate) window_title: String,
    /// The last piece of output was cut short by the sequence after it.
    open: bool,
    /// Those of the sequence that is shown.
    params: Params,
}

impl Terminal {
    pub(crate) fn new(emulator: Emulator) -> Self {
        Terminal {
            emulator,
            title: String::new(),
            window_title: String::new(),
            open: false,
            params: Params::default(),
        }
    }

    /// Takes a piece: answers it when it is a query, which comes after `catch_up`, and notes what the program reports. True: it
    /// is to be shown, in time.
    pub(crate) fn hear(&mut self, piece: Piece<'_>, catch_up: impl FnOnce(&mut Self), fed: &mut Fed) -> bool {
        let start = fed.output.len();
        match piece {
            Piece::Sequence(bytes) => {
                if query::may_be(bytes) {
                    // The answer says how things are at this point.
                    catch_up(self);
                    if query::answer(bytes, &self.emulator, &mut fed.replies) {
                        if std::mem::take(&mut self.open) {
                            // The query ended what came before. Without it, that would go on in what comes next.
                            fed.output.extend_from_slice(STRING_TERMINATOR);
                        }
                        return false;
                    }
                }
                self.report(bytes, &mut fed.reports);
            }
            Piece::Text(bytes) => {
                if memchr(0x07, bytes).is_some() && fed.reports.last() != Some(&TerminalReport::Bell) {
                    fed.reports.push(TerminalReport::Bell);
                }
            }
            Piece::Fragment(_) => {}
        }
        fed.output.extend_from_slice(piece.bytes());
        fed.report_starts.resize(fed.reports.len(), start);
        self.open = piece.is_open();
        true
    }

    /// Takes plain pieces, which ask and report nothing; `last` is the last of them.
    pub(crate) fn hear_plain(&mut self, bytes: &[u8], last: Piece<'_>, fed: &mut Fed) {
        fed.output.extend_from_slice(bytes);
        self.open = last.is_open();
    }

    /// What a sequence tells about the program.
    fn report(&mut self, bytes: &[u8], reports: &mut Vec<TerminalReport>) {
        if let Some((body, _)) = csi::osc(bytes) {
            self.command(body, reports);
        }
    }

    /// Shows a piece that was heard.
    pub(crate) fn show(&mut self, piece: Piece<'_>) {
        match piece {
            Piece::Sequence(bytes) => self.sequence(bytes),
            Piece::Text(bytes) => self.emulator.text(bytes),
            Piece::Fragment(bytes) => {
                if bytes.starts_with(b"\x1b") && !is_string(bytes) {
                    // What breaks off does not come between two characters, but the controls in it do, and what cancels it.
                    let controls: Vec<u8> =
                        bytes[1..].iter().copied().filter(|byte| *byte < 0x20 && *byte != ESC).collect();
                    self.emulator.text(&controls);
                } else {
                    self.emulator.interrupt(bytes.len());
                }
            }
        }
    }

    fn sequence(&mut self, bytes: &[u8]) {
        if let Some(csi) = Csi::parse(bytes) {
            self.params.read(&csi);
            self.emulator.csi(&csi, &self.params, bytes.len());
        } else if is_string(bytes) {
            if let Some((body, _)) = csi::osc(bytes) {
                self.appearance(body);
            }
            self.emulator.interrupt(bytes.len());
        } else if bytes[1..].iter().any(|byte| is_control(*byte)) {
            // Controls inside a sequence are carried out as they come.
            let controls: Vec<u8> = bytes[1..].iter().copied().filter(|byte| is_control(*byte)).collect();
            self.emulator.text(&controls);
            self.sequence(&without_controls(bytes));
        } else if bytes == b"\x1bc" {
            self.emulator.reset();
        } else if bytes.starts_with(b"\x1b[") {
            self.emulator.interrupt(bytes.len());
        } else {
            self.emulator.escape(bytes);
        }
    }

    /// `ESC ] …`, as far as it is a report.
    fn command(&mut self, body: &[u8], reports: &mut Vec<TerminalReport>) {
        let (code, rest) = split_once(body, b';').unwrap_or((body, b""));
        // As a number: zeros before it change nothing.
        let zeros = code.iter().take_while(|byte| **byte == b'0').count().min(code.len().saturating_sub(1));
        match &code[zeros..] {
            b"0" | b"2" => self.set_title(rest, reports),
            b"7501" => reports.extend(ProgramStatus::parse(rest).map(TerminalReport::Status)),
            b"133" => {
                let mark = rest.first().filter(|mark| mark.is_ascii_alphabetic());
                reports.extend(mark.map(|&mark| TerminalReport::Prompt(char::from(mark))));
            }
            _ => {}
        }
    }

    /// `ESC ] …`, as far as it changes how things look.
    fn appearance(&mut self, body: &[u8]) {
        let (code, rest) = split_once(body, b';').unwrap_or((body, b""));
        match code {
            b"8" => {
                if let Some((parameters, address)) = link_fields(rest) {
                    self.emulator.link(parameters, address);
                }
            }
            b"4" | b"10" | b"11" | b"12" | b"104" | b"110" | b"111" | b"112" => {
                self.emulator.set_color(code, rest);
            }
            _ => {}
        }
    }

    fn set_title(&mut self, title: &[u8], reports: &mut Vec<TerminalReport>) {
        let title = String::from_utf8_lossy(title);
        self.window_title = title.chars().filter(|char| !char.is_control()).collect();
        let title = clean(title.as_bytes());
        if title != self.title {
            reports.push(TerminalReport::Title(title.clone()));
            self.title = title;
        }
    }
}

/// Whether it is `ESC P`, `ESC X`, `ESC ]`, `ESC ^` or `ESC _` with all that belongs to it.
fn is_string(sequence: &[u8]) -> bool {
    matches!(sequence.get(1), Some(b'P' | b'X' | b']' | b'^' | b'_'))
}

fn is_control(byte: u8) -> bool {
    byte < 0x20 || byte == 0x7f
}

/// A sequence as it is without the controls inside.
fn without_controls(sequence: &[u8]) -> Vec<u8> {
    let (esc, rest) = sequence.split_at(1);
    esc.iter().chain(rest.iter().filter(|byte| !is_control(**byte))).copied().collect()
}
