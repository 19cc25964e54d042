//! Cuts a terminal's byte stream into text and control sequences.

use memchr::memchr;

use crate::run;

/// A sequence longer than this (an image, a clipboard) is passed on in pieces instead of being kept back.
pub(crate) const SEQUENCE_LIMIT: usize = 64 * 1024;

pub(crate) const ESC: u8 = 0x1b;
pub(crate) const BEL: u8 = 0x07;
const CAN: u8 = 0x18;
const SUB: u8 = 0x1a;

/// A cut of the stream. All pieces in order are the stream again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Printable text and C0 controls. Never ends inside a character.
    Text(&'a [u8]),
    /// One whole control sequence, from its ESC to its final byte or terminator.
    Sequence(&'a [u8]),
    /// Part of a sequence that was cancelled, never finished, or is longer than [`SEQUENCE_LIMIT`]. Means nothing.
    Fragment(&'a [u8]),
}

impl<'a> Piece<'a> {
    pub(crate) fn bytes(self) -> &'a [u8] {
        let (Piece::Text(bytes) | Piece::Sequence(bytes) | Piece::Fragment(bytes)) = self;
        bytes
    }

    /// Whether what follows would be taken for a part of it, unless an ESC comes between.
    pub(crate) fn is_open(self) -> bool {
        match self {
            Piece::Text(bytes) => unfinished_character(bytes).0 > 0,
            Piece::Sequence([_, b']', string @ ..]) => !matches!(string, [.., ESC, b'\\'] | [.., BEL]),
            Piece::Sequence([_, b'P' | b'X' | b'^' | b'_', string @ ..]) => {
                !matches!(string, [.., ESC, b'\\'])
            }
            Piece::Sequence(_) => false,
            Piece::Fragment(_) => true,
        }
    }
}

/// Takes the pieces of a stream, in order.
pub(crate) trait Sink {
    /// One piece.
    fn piece(&mut self, piece: Piece<'_>);

    /// Takes several pieces at once from the start of `bytes`, where one begins. Answers how many bytes they have; the next piece is
    /// given by itself.
    fn plain(&mut self, bytes: &[u8]) -> usize {
        let _ = bytes;
        0
    }
}

impl<F: FnMut(Piece<'_>)> Sink for F {
    fn piece(&mut self, piece: Piece<'_>) {
        self(piece);
    }
}

/// Where in a sequence the stream stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    /// In a UTF-8 character that needs this many more bytes.
    Character(u8),
    /// After ESC.
    Escape,
    /// After ESC and an intermediate byte.
    EscapeIntermediate,
    /// After `ESC [`.
    Csi,
    /// Among the parameters.
    CsiParameter,
    CsiIntermediate,
    /// In a sequence that means nothing.
    CsiIgnore,
    /// In a character that ended a sequence, and means nothing either; it needs this many more bytes.
    Swallow(u8),
    /// In `ESC P`, before the byte that says what it is.
    DeviceHead,
    /// In a string.
    Text(Kind),
    /// In a string, after an ESC that may begin the terminator.
    TextEscape(Kind),
}

/// What kind of string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// `ESC ]`, which also ends with BEL.
    Command,
    /// `ESC P`.
    Device,
    /// `ESC X`, `ESC ^` and `ESC _`, which end with any character that is not ASCII, as in xterm.js.
    Other,
}

/// What a byte does to the sequence it comes in.
enum Step {
    Continue(State),
    /// The byte is the last of the sequence.
    End,
    /// The byte is the last of a sequence that means nothing any more.
    Cancel,
    /// The byte does not belong to it.
    Before,
    /// The byte, and the ESC before it, do not belong to it.
    BeforeEscape,
}

/// The state between two chunks: what is not complete yet, at most [`SEQUENCE_LIMIT`] bytes.
#[derive(Debug, Default)]
pub(crate) struct Splitter {
    state: State,
    held: Vec<u8>,
    /// The sequence was too long to be kept: its bytes are given out as they come.
    passing: bool,
}

impl Splitter {
    /// Gives `sink` every piece that is complete with `bytes`.
    pub(crate) fn split(&mut self, bytes: &[u8], mut sink: impl Sink) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = match self.state {
                State::Ground => match sink.plain(rest) {
                    0 => self.text(rest, &mut sink),
                    taken => taken,
                },
                _ => self.sequence(rest, &mut sink),
            };
            rest = &rest[taken..];
        }
        if self.held.len() > SEQUENCE_LIMIT {
            self.passing = true;
        }
        if self.passing && !self.held.is_empty() {
            // A trailing ESC may begin the next sequence: it stays.
            let keep = usize::from(matches!(self.state, State::TextEscape(_)));
            let cut = self.held.len() - keep;
            if cut > 0 {
                sink.piece(Piece::Fragment(&self.held[..cut]));
                self.held.drain(..cut);
            }
        }
    }

    /// Gives `sink` what is kept back, because nothing more will come.
    pub(crate) fn flush(&mut self, mut sink: impl Sink) {
        let held = std::mem::take(&mut self.held);
        let state = std::mem::take(&mut self.state);
        self.passing = false;
        match state {
            _ if held.is_empty() => {}
            State::Character(_) => sink.piece(Piece::Text(&held)),
            _ => sink.piece(Piece::Fragment(&held)),
        }
    }

    /// What makes a terminal take what comes next for the rest of a string, when it is one that is passed on in pieces.
    pub(crate) fn opener(&self) -> &'static str {
        match self.state {
            State::Text(kind) | State::TextEscape(kind) if self.passing => match kind {
                Kind::Command => "\x1b]1337;",
                Kind::Device => "\x1bP~",
                Kind::Other => "\x1b_",
            },
            _ => "",
        }
    }

    /// What is kept back.
    pub(crate) fn held(&self) -> &[u8] {
        &self.held
    }

    /// From the ground state: one run of text, up to the next ESC. Answers how many bytes were used.
    fn text(&mut self, bytes: &[u8], sink: &mut impl Sink) -> usize {
        debug_assert!(self.held.is_empty());
        let end = memchr(ESC, bytes).unwrap_or(bytes.len());
        if end == 0 {
            if let Some(length) = run::control(bytes) {
                sink.piece(Piece::Sequence(&bytes[..length]));
                return length;
            }
            self.state = State::Escape;
            return self.sequence(bytes, sink);
        }
        let mut whole = end;
        if end == bytes.len() {
            let (begun, missing) = unfinished_character(&bytes[..end]);
            if begun > 0 {
                whole -= begun;
                self.held.extend_from_slice(&bytes[whole..]);
                self.state = State::Character(missing);
            }
        }
        if whole > 0 {
            sink.piece(Piece::Text(&bytes[..whole]));
        }
        end
    }

    /// Inside a sequence or character: goes on to its end. Answers how many bytes were used.
    fn sequence(&mut self, bytes: &[u8], sink: &mut impl Sink) -> usize {
        // The ESC itself, when the sequence begins here.
        let begins = self.held.is_empty() && !self.passing;
        let mut at = usize::from(begins);
        while let Some(&byte) = bytes.get(at) {
            match self.state.step(byte) {
                Step::Continue(state) => {
                    self.state = state;
                    at += 1;
                    if let State::Text(kind) = state {
                        at += string_run(&bytes[at..], kind);
                    }
                }
                Step::End => return self.finish(&bytes[..at + 1], true, sink),
                Step::Cancel => return self.finish(&bytes[..at + 1], false, sink),
                Step::Before => return self.finish(&bytes[..at], false, sink),
                // A string ends with any ESC, as in xterm and xterm.js.
                Step::BeforeEscape if at > 0 => return self.finish(&bytes[..at - 1], true, sink),
                Step::BeforeEscape => {
                    // The ESC came with the chunk before: it begins the next sequence.
                    self.held.pop();
                    self.finish(&[], true, sink);
                    self.held.push(ESC);
                    self.state = State::Escape;
                    return 0;
                }
            }
        }
        self.held.extend_from_slice(bytes);
        bytes.len()
    }

    /// Ends what is held together with `tail`. Answers the length of `tail`.
    fn finish(&mut self, tail: &[u8], complete: bool, sink: &mut impl Sink) -> usize {
        let character = matches!(self.state, State::Character(_));
        let fragment = !complete || self.passing || self.held.len() + tail.len() > SEQUENCE_LIMIT;
        let mut give = |bytes: &[u8]| match (character, fragment) {
            _ if bytes.is_empty() => {}
            (true, _) => sink.piece(Piece::Text(bytes)),
            (_, true) => sink.piece(Piece::Fragment(bytes)),
            (_, false) => sink.piece(Piece::Sequence(bytes)),
        };
        if self.held.is_empty() {
            give(tail);
        } else {
            self.held.extend_from_slice(tail);
            give(&self.held);
            self.held.clear();
        }
        self.state = State::Ground;
        self.passing = false;
        tail.len()
    }
}

impl State {
    /// What `byte` does here. Not for [`State::Ground`].
    fn step(self, byte: u8) -> Step {
        use State::{
            Character, Csi, CsiIgnore, CsiIntermediate, CsiParameter, DeviceHead, Escape, EscapeIntermediate,
            Ground, Swallow, Text, TextEscape,
        };
        match (self, byte) {
            (Ground, _) => unreachable!("text is not stepped through"),
            (Character(1), 0x80..=0xbf) => Step::End,
            (Character(missing), 0x80..=0xbf) => Step::Continue(Character(missing - 1)),
            (Character(_), _) => Step::Before,
            (TextEscape(_), b'\\') => Step::End,
            (TextEscape(_), _) => Step::BeforeEscape,
            (_, CAN | SUB) => Step::Cancel,
            (Text(Kind::Command), BEL) => Step::End,
            (Text(kind), ESC) => Step::Continue(TextEscape(kind)),
            (Text(Kind::Other), 0x80..=0xff) => swallow(byte),
            (Text(kind), _) => Step::Continue(Text(kind)),
            (Swallow(1), 0x80..=0xbf) => Step::Cancel,
            (Swallow(missing), 0x80..=0xbf) => Step::Continue(Swallow(missing - 1)),
            (Swallow(_), _) => Step::Before,
            (_, ESC) => Step::Before,
            // Controls are carried out, and DEL is ignored, wherever they stand.
            (state, 0x00..=0x1f | 0x7f) => Step::Continue(state),
            (CsiIgnore, 0x40..=0x7e) => Step::Cancel,
            (Csi | CsiParameter | CsiIntermediate, 0x40..=0x7e) => Step::End,
            (CsiIgnore, _) => Step::Continue(CsiIgnore),
            (Csi, 0x30..=0x3f) | (CsiParameter, 0x30..=0x3b) => Step::Continue(CsiParameter),
            (Csi | CsiParameter | CsiIntermediate, 0x20..=0x2f) => Step::Continue(CsiIntermediate),
            (CsiParameter | CsiIntermediate, 0x30..=0x3f) => Step::Continue(CsiIgnore),
            (Escape, b'[') => Step::Continue(Csi),
            (Escape, b']') => Step::Continue(Text(Kind::Command)),
            (Escape, b'P') => Step::Continue(DeviceHead),
            (Escape, b'X' | b'^' | b'_') => Step::Continue(Text(Kind::Other)),
            (Escape | EscapeIntermediate, 0x30..=0x7e) => Step::End,
            (Escape | EscapeIntermediate, 0x20..=0x2f) => Step::Continue(EscapeIntermediate),
            (DeviceHead, 0x40..=0x7e) => Step::Continue(Text(Kind::Device)),
            (DeviceHead, 0x20..=0x3f) => Step::Continue(DeviceHead),
            // No character that is not ASCII stands in a sequence: it goes with what was begun.
            (_, 0x80..=0xff) => swallow(byte),
        }
    }
}

/// The first byte of a character that ends the sequence it stands in.
fn swallow(byte: u8) -> Step {
    match byte {
        0xc2..=0xdf => Step::Continue(State::Swallow(1)),
        0xe0..=0xef => Step::Continue(State::Swallow(2)),
        0xf0..=0xf4 => Step::Continue(State::Swallow(3)),
        _ => Step::Cancel,
    }
}

/// How many bytes at the start of `bytes` are sure to be inside a string.
fn string_run(bytes: &[u8], kind: Kind) -> usize {
    let ends = |byte: u8| byte < 0x20 || kind == Kind::Other && byte >= 0x80;
    bytes.iter().position(|&byte| ends(byte)).unwrap_or(bytes.len())
}

/// How many bytes at the end of `bytes` begin a UTF-8 character, and how many it still needs.
pub(crate) fn unfinished_character(bytes: &[u8]) -> (usize, u8) {
    for (index, &byte) in bytes.iter().rev().take(3).enumerate() {
        let length = match byte {
            0x80..=0xbf => continue,
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => return (0, 0),
        };
        let begun = index + 1;
        return if begun < length { (begun, (length - begun) as u8) } else { (0, 0) };
    }
    (0, 0)
}
