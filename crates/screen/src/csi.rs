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

/// The parameters of a sequence, with their sub-parameters. At least one: none written is a 0.
#[derive(Debug)]
pub(crate) struct Params {
    values: [u32; Params::LIMIT],
    count: usize,
    subs: [Option<u32>; Params::LIMIT],
    sub_count: usize,
    /// Where the sub-parameters of each value end.
    ends: [u8; Params::LIMIT],
}

impl Default for Params {
    fn default() -> Self {
        let (values, subs, ends) = ([0; Self::LIMIT], [None; Self::LIMIT], [0; Self::LIMIT]);
        Params { values, count: 1, subs, sub_count: 0, ends }
    }
}

impl Params {
    /// Further parameters, and further sub-parameters, are ignored, as xterm.js does.
    const LIMIT: usize = 32;

    /// Takes those of `csi` in place of what was here.
    pub(crate) fn read(&mut self, csi: &Csi<'_>) {
        (self.count, self.sub_count) = (0, 0);
        let (mut value, mut digits, mut is_sub) = (0_u32, false, false);
        for &byte in csi.params {
            if byte < b':' {
                value = value.saturating_mul(10).saturating_add(u32::from(byte - b'0'));
                digits = true;
                continue;
            }
            self.add(value, digits, is_sub);
            if self.count == Self::LIMIT && byte == b';' {
                return;
            }
            (value, digits, is_sub) = (0, false, byte == b':');
        }
        self.add(value, digits, is_sub);
    }

    /// Numbers are at most those of 31 bits.
    fn add(&mut self, value: u32, digits: bool, is_sub: bool) {
        let value = value.min(i32::MAX as u32);
        if is_sub {
            if self.sub_count < Self::LIMIT {
                self.subs[self.sub_count] = digits.then_some(value);
                self.sub_count += 1;
            }
        } else {
            self.values[self.count] = value;
            self.count += 1;
        }
        self.ends[self.count - 1] = self.sub_count as u8;
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// The value at `index`; 0 when there is none.
    pub(crate) fn get(&self, index: usize) -> u32 {
        self.values[..self.count].get(index).copied().unwrap_or(0)
    }

    /// A count: 0 means 1.
    pub(crate) fn count(&self) -> usize {
        self.get(0).max(1) as usize
    }

    /// Whether there are sub-parameters.
    pub(crate) fn has_subs(&self) -> bool {
        self.sub_count > 0
    }

    /// The sub-parameters of the value at `index`; an empty one is `None`.
    pub(crate) fn subs(&self, index: usize) -> &[Option<u32>] {
        let start = index.checked_sub(1).map_or(0, |before| usize::from(self.ends[before]));
        &self.subs[start..usize::from(self.ends[index]).max(start)]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.values[..self.count].iter().copied()
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
