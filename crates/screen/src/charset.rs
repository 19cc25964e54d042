//! Character sets: what SO, SI and `ESC (` make of ASCII.

/// What a character set puts in the place of ASCII characters.
pub(crate) type Charset = &'static [(u8, char)];

/// The four sets G0 to G3 and the one in use. `None` is ASCII.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Charsets {
    sets: [Option<Charset>; 4],
    level: usize,
    /// What characters are translated by: the set in use, or the one that came back with a saved cursor.
    pub(crate) current: Option<Charset>,
}

impl Charsets {
    /// Uses G0 to G3.
    pub(crate) fn shift(&mut self, level: usize) {
        self.level = level;
        self.current = self.sets[level];
    }

    pub(crate) fn designate(&mut self, level: usize, set: Option<Charset>) {
        self.sets[level] = set;
        if self.level == level {
            self.current = set;
        }
    }

    pub(crate) fn level(&self) -> usize {
        self.level
    }

    pub(crate) fn set(&self, level: usize) -> Option<Charset> {
        self.sets[level]
    }
}

/// The character that stands for `code` in a set.
pub(crate) fn translate(set: Charset, code: u32) -> u32 {
    let found = set.iter().find(|(ascii, _)| u32::from(*ascii) == code);
    found.map_or(code, |(_, ch)| u32::from(*ch))
}

/// The set that a designation's final byte names: `Some(None)` is ASCII, `None` no set.
pub(crate) fn by_name(name: u8) -> Option<Option<Charset>> {
    if name == b'B' {
        return Some(None);
    }
    SETS.iter().find(|(names, _)| names.contains(&name)).map(|(_, set)| Some(*set))
}

/// The final byte that names a set.
pub(crate) fn name(set: Option<Charset>) -> char {
    let found = set.and_then(|set| SETS.iter().find(|(_, other)| std::ptr::eq(*other, set)));
    found.map_or('B', |(names, _)| char::from(names[0]))
}

/// DEC's special graphics and the national replacement sets, as the VT220 and VT320 manuals have them and xterm.js
/// draws them.
const SETS: [(&[u8], Charset); 12] = [
    (b"0", GRAPHICS),
    (b"A", &[(b'#', '£')]),
    (
        b"4",
        &[
            (b'#', '£'),
            (b'@', '¾'),
            (b'[', 'i'),
            (b'\\', '½'),
            (b']', '|'),
            (b'{', '¨'),
            (b'|', 'f'),
            (b'}', '¼'),
            (b'~', '´'),
        ],
    ),
    (
        b"5C",
        &[
            (b'[', 'Ä'),
            (b'\\', 'Ö'),
            (b']', 'Å'),
            (b'^', 'Ü'),
            (b'`', 'é'),
            (b'{', 'ä'),
            (b'|', 'ö'),
            (b'}', 'å'),
            (b'~', 'ü'),
        ],
    ),
    (
        b"R",
        &[
            (b'#', '£'),
            (b'@', 'à'),
            (b'[', '°'),
            (b'\\', 'ç'),
            (b']', '§'),
            (b'{', 'é'),
            (b'|', 'ù'),
            (b'}', 'è'),
            (b'~', '¨'),
        ],
    ),
    (
        b"Q",
        &[
            (b'@', 'à'),
            (b'[', 'â'),
            (b'\\', 'ç'),
            (b']', 'ê'),
            (b'^', 'î'),
            (b'`', 'ô'),
            (b'{', 'é'),
            (b'|', 'ù'),
            (b'}', 'è'),
            (b'~', 'û'),
        ],
    ),
    (
        b"K",
        &[
            (b'@', '§'),
            (b'[', 'Ä'),
            (b'\\', 'Ö'),
            (b']', 'Ü'),
            (b'{', 'ä'),
            (b'|', 'ö'),
            (b'}', 'ü'),
            (b'~', 'ß'),
        ],
    ),
    (
        b"Y",
        &[
            (b'#', '£'),
            (b'@', '§'),
            (b'[', '°'),
            (b'\\', 'ç'),
            (b']', 'é'),
            (b'`', 'ù'),
            (b'{', 'à'),
            (b'|', 'ò'),
            (b'}', 'è'),
            (b'~', 'ì'),
        ],
    ),
    (
        b"6E",
        &[
            (b'@', 'Ä'),
            (b'[', 'Æ'),
            (b'\\', 'Ø'),
            (b']', 'Å'),
            (b'^', 'Ü'),
            (b'`', 'ä'),
            (b'{', 'æ'),
            (b'|', 'ø'),
            (b'}', 'å'),
            (b'~', 'ü'),
        ],
    ),
    (
        b"Z",
        &[
            (b'#', '£'),
            (b'@', '§'),
            (b'[', '¡'),
            (b'\\', 'Ñ'),
            (b']', '¿'),
            (b'{', '°'),
            (b'|', 'ñ'),
            (b'}', 'ç'),
        ],
    ),
    (
        b"7H",
        &[
            (b'@', 'É'),
            (b'[', 'Ä'),
            (b'\\', 'Ö'),
            (b']', 'Å'),
            (b'^', 'Ü'),
            (b'`', 'é'),
            (b'{', 'ä'),
            (b'|', 'ö'),
            (b'}', 'å'),
            (b'~', 'ü'),
        ],
    ),
    (
        b"=",
        &[
            (b'#', 'ù'),
            (b'@', 'à'),
            (b'[', 'é'),
            (b'\\', 'ç'),
            (b']', 'ê'),
            (b'^', 'î'),
            (b'_', 'è'),
            (b'`', 'ô'),
            (b'{', 'ä'),
            (b'|', 'ö'),
            (b'}', 'ü'),
            (b'~', 'û'),
        ],
    ),
];

const GRAPHICS: Charset = &[
    (b'`', '◆'),
    (b'a', '▒'),
    (b'b', '␉'),
    (b'c', '␌'),
    (b'd', '␍'),
    (b'e', '␊'),
    (b'f', '°'),
    (b'g', '±'),
    (b'h', '␤'),
    (b'i', '␋'),
    (b'j', '┘'),
    (b'k', '┐'),
    (b'l', '┌'),
    (b'm', '└'),
    (b'n', '┼'),
    (b'o', '⎺'),
    (b'p', '⎻'),
    (b'q', '─'),
    (b'r', '⎼'),
    (b's', '⎽'),
    (b't', '├'),
    (b'u', '┤'),
    (b'v', '┴'),
    (b'w', '┬'),
    (b'x', '│'),
    (b'y', '≤'),
    (b'z', '≥'),
    (b'{', 'π'),
    (b'|', '≠'),
    (b'}', '£'),
    (b'~', '·'),
];
