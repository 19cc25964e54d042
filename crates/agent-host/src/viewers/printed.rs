//! A piece of output, and the frames that show it: the same for every viewer of a protocol.

use std::borrow::Cow;
use std::cell::OnceCell;

use bytes::Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::characters;

/// What was printed at once.
pub(super) struct Printed<'a> {
    pub(super) offset: u64,
    pub(super) bytes: &'a Bytes,
    text: OnceCell<Option<Bytes>>,
    v1: OnceCell<Bytes>,
}

impl<'a> Printed<'a> {
    /// What was printed from this offset on.
    pub(super) fn new(offset: u64, bytes: &'a Bytes) -> Self {
        Self { offset, bytes, text: OnceCell::new(), v1: OnceCell::new() }
    }

    /// The frame for viewers of `parallax.terminal.v1`, or else for xterm.js. `None`: its text would end inside a character.
    pub(super) fn frame(&self, v1: bool) -> Option<&Bytes> {
        if v1 {
            return Some(self.v1.get_or_init(|| frame(Data::Binary, &with_offset(self.offset, self.bytes))));
        }
        let text = || {
            let is_whole = characters::complete_len(self.bytes) == self.bytes.len();
            is_whole.then(|| frame(Data::Text, text(self.bytes).as_bytes()))
        };
        self.text.get_or_init(text).as_ref()
    }
}

/// The payload of a binary frame of `parallax.terminal.v1`.
pub fn with_offset(offset: u64, bytes: &[u8]) -> Vec<u8> {
    [&offset.to_be_bytes(), bytes].concat()
}

/// The payload of a text frame: whole characters. What is none is shown as one that is missing.
pub fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// A whole frame of a server's.
fn frame(kind: Data, payload: &[u8]) -> Bytes {
    let header = FrameHeader { opcode: OpCode::Data(kind), ..FrameHeader::default() };
    let length = payload.len() as u64;
    let mut frame = Vec::with_capacity(header.len(length) + payload.len());
    header.format(length, &mut frame).expect("a vector takes everything");
    frame.extend_from_slice(payload);
    frame.into()
}
