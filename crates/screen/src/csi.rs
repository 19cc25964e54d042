//! The parts of control sequences.

/// A parsed `ESC [ … final`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Csi<'a> {
    /// `<`, `=`, `>` or `?`.
    pub(crate) marker: Option<u8>,
    params: &'a [u8],
    /// Such as the `$` of `CSI ? 1 $ p`.
    pub(crate) intermediates: &'a [u8],
    pub(crate) action: u8,
}

impl<'a> Csi<'a> {
    /// Reads a whole sequence; `None` when it is another kind, or one with controls inside.
    pub(crate) fn parse(sequence: &'a [u8]) -> Option<Self> {
        let body = sequence.strip_prefix(b"\x1b[")?;
        let (&action, body) = body.split_last()?;
        let (marker, body) = match body.split_first() {
            Some((&marker @ b'<'..=b'?', rest)) => (Some(marker), rest),
            _ => (None, body),
        };
        let end = body.iter().position(|byte| !(0x30..=0x3b).contains(byte)).unwrap_or(body.len());
        let (params, intermediates) = body.split_at(end);
        let plain = intermediates.iter().all(|byte| (0x20..=0x2f).contains(byte));
        plain.then_some(Csi { marker, params, intermediates, action })
    }

    /// The numbers between semicolons; empty ones are 0, sub-parameters are left out.
    pub(crate) fn params(&self) -> impl Iterator<Item = u16> + use<'a> {
        let some = (!self.params.is_empty()).then_some(self.params);
        some.into_iter().flat_map(|params| params.split(|&byte| byte == b';')).map(number)
    }

    /// The first number, 0 when there is none.
    pub(crate) fn first(&self) -> u16 {
        self.params().next().unwrap_or(0)
    }

    /// The marker, the last intermediate and the final byte: what tells sequences apart.
    pub(crate) fn kind(&self) -> (u8, u8, u8) {
        (self.marker.unwrap_or(0), self.intermediates.last().copied().unwrap_or(0), self.action)
    }
}

/// The body of `ESC ] … ST`, and its terminator (empty when an ESC cut it short).
pub(crate) fn osc(sequence: &[u8]) -> Option<(&[u8], &[u8])> {
    sequence.strip_prefix(b"\x1b]").map(split_terminator)
}

/// The body of `ESC P … ST`.
pub(crate) fn dcs(sequence: &[u8]) -> Option<&[u8]> {
    sequence.strip_prefix(b"\x1bP").map(|body| split_terminator(body).0)
}

/// The body of `ESC _ … ST`.
pub(crate) fn apc(sequence: &[u8]) -> Option<&[u8]> {
    sequence.strip_prefix(b"\x1b_").map(|body| split_terminator(body).0)
}

fn split_terminator(body: &[u8]) -> (&[u8], &[u8]) {
    let length = match body {
        [.., 0x1b, b'\\'] => 2,
        [.., 0x07] => 1,
        _ => 0,
    };
    body.split_at(body.len() - length)
}

/// A decimal number as terminals read it: what is not a digit ends it, too large is the largest.
fn number(digits: &[u8]) -> u16 {
    digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0u16, |value, byte| value.saturating_mul(10).saturating_add(u16::from(byte - b'0')))
}
