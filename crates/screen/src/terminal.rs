//! What the pieces of a stream do to a terminal.

use memchr::memchr;

use crate::csi::{self, Csi};
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
    pub(crate) title: String,
    /// The last piece of output was cut short by the sequence after it.
    open: bool,
}

impl Terminal {
    pub(crate) fn new(emulator: Emulator) -> Self {
        Terminal { emulator, title: String::new(), open: false }
    }

    pub(crate) fn take(&mut self, piece: Piece<'_>, fed: &mut Fed) {
        let start = fed.output.len();
        match piece {
            Piece::Sequence(bytes) if query::answer(bytes, &self.emulator, &mut fed.replies) => {
                if std::mem::take(&mut self.open) {
                    // The query ended what came before. Without it, that would go on in what comes next.
                    fed.output.extend_from_slice(STRING_TERMINATOR);
                }
                return;
            }
            Piece::Sequence(bytes) => {
                fed.output.extend_from_slice(bytes);
                self.sequence(bytes, &mut fed.reports);
            }
            Piece::Text(bytes) => {
                fed.output.extend_from_slice(bytes);
                if memchr(0x07, bytes).is_some() && fed.reports.last() != Some(&TerminalReport::Bell) {
                    fed.reports.push(TerminalReport::Bell);
                }
                self.emulator.text(bytes);
            }
            Piece::Fragment(bytes) => {
                fed.output.extend_from_slice(bytes);
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
        fed.report_starts.resize(fed.reports.len(), start);
        self.open = piece.is_open();
    }

    fn sequence(&mut self, bytes: &[u8], reports: &mut Vec<TerminalReport>) {
        let is_control = |byte: &&u8| **byte < 0x20 || **byte == 0x7f;
        if !is_string(bytes) && bytes[1..].iter().any(|byte| is_control(&byte)) {
            // Controls inside a sequence are carried out as they come.
            let (controls, rest): (Vec<u8>, Vec<u8>) = bytes[1..].iter().partition(is_control);
            self.emulator.text(&controls);
            let sequence = [b"\x1b", &rest[..]].concat();
            return self.sequence(&sequence, reports);
        }
        if let Some(csi) = Csi::parse(bytes) {
            self.emulator.csi(&csi, bytes.len());
        } else if let Some((body, _)) = csi::osc(bytes) {
            self.command(body, reports);
            self.emulator.interrupt(bytes.len());
        } else if bytes == b"\x1bc" {
            self.emulator.reset();
        } else if is_string(bytes) || bytes.starts_with(b"\x1b[") {
            self.emulator.interrupt(bytes.len());
        } else {
            self.emulator.escape(bytes);
        }
    }

    /// `ESC ] …`
    fn command(&mut self, body: &[u8], reports: &mut Vec<TerminalReport>) {
        let (code, rest) = split_once(body, b';').unwrap_or((body, b""));
        match code {
            b"0" | b"2" => self.set_title(clean(rest), reports),
            b"7501" => reports.extend(ProgramStatus::parse(rest).map(TerminalReport::Status)),
            b"133" => {
                let mark = rest.first().filter(|mark| mark.is_ascii_alphabetic());
                reports.extend(mark.map(|&mark| TerminalReport::Prompt(char::from(mark))));
            }
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

    fn set_title(&mut self, title: String, reports: &mut Vec<TerminalReport>) {
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
