//! Index entries: which output was printed when.

use parallax_api::{TerminalSize, Time};

/// From which offset on output was printed at which time to which size of terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// The first byte.
    pub offset: u64,
    /// When it was printed.
    pub at: Time,
    /// The terminal's size then.
    pub size: TerminalSize,
}

impl IndexEntry {
    /// Bytes of an entry on disk: offset, time, columns, rows.
    pub(super) const LEN: usize = 20;

    pub(super) fn encode(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..8].copy_from_slice(&self.offset.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.at.as_millis().to_be_bytes());
        bytes[16..18].copy_from_slice(&self.size.cols.to_be_bytes());
        bytes[18..].copy_from_slice(&self.size.rows.to_be_bytes());
        bytes
    }

    /// `bytes` are [`Self::LEN`].
    pub(super) fn decode(bytes: &[u8]) -> Self {
        let long = |from: usize| u64::from_be_bytes(bytes[from..from + 8].try_into().expect("eight bytes"));
        let short = |from: usize| u16::from_be_bytes(bytes[from..from + 2].try_into().expect("two bytes"));
        Self {
            offset: long(0),
            at: Time::from_millis(long(8).cast_signed()),
            size: TerminalSize { cols: short(16), rows: short(18) },
        }
    }
}
