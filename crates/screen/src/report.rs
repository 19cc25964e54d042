//! What a program tells about itself in its output.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Longer titles and messages are cut here, in characters.
const TEXT_LIMIT: usize = 1024;

/// Base64 with or without padding: programs differ.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Something the program reported in its byte stream. Untrusted: to be shown and compared, never obeyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TerminalReport {
    /// Its status (OSC 7501).
    Status(ProgramStatus),
    /// Its window title (OSC 0 and 2), empty when it takes the title away.
    Title(String),
    /// It rang the bell; several in a row are one.
    Bell,
    /// A shell's prompt mark (OSC 133): `A` prompt, `B` command typed from here, `C` output, `D` command done.
    Prompt(char),
}

/// A record of the Program Status Protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProgramStatus {
    /// `idle`, `working`, `blocked`, `done`, `error` or `clear`.
    pub state: String,
    /// What it is blocked by: `permission`, `question`, `auth`.
    pub kind: Option<String>,
    /// Which program says so.
    pub app: Option<String>,
    /// The sub-task it is about; none means the program itself.
    pub id: Option<String>,
    /// The sub-task's title.
    pub title: Option<String>,
    /// 0 to 100.
    pub progress: Option<u8>,
    /// A line for people.
    pub msg: Option<String>,
}

impl ProgramStatus {
    /// Reads `key=value:key=value…`. `None` without a state.
    pub(crate) fn parse(body: &[u8]) -> Option<Self> {
        let mut status = ProgramStatus::default();
        for pair in body.split(|&byte| byte == b':') {
            let Some((key, value)) = split_once(pair, b'=') else { continue };
            match key {
                b"state" => status.state = clean(value),
                b"kind" => status.kind = Some(clean(value)),
                b"app" => status.app = Some(clean(value)),
                b"id" => status.id = Some(clean(value)),
                b"title" => status.title = decode(value),
                b"progress" => status.progress = clean(value).parse().ok().filter(|percent| *percent <= 100),
                b"msg" => status.msg = decode(value),
                _ => {}
            }
        }
        (!status.state.is_empty()).then_some(status)
    }
}

/// Text from the program, for people: one line, no controls, bounded.
pub(crate) fn clean(bytes: &[u8]) -> String {
    let text: String =
        String::from_utf8_lossy(bytes).chars().filter(|char| !char.is_control()).take(TEXT_LIMIT).collect();
    text.trim().to_owned()
}

fn decode(value: &[u8]) -> Option<String> {
    BASE64.decode(value).ok().map(|bytes| clean(&bytes))
}

/// Splits at the first `separator`.
pub(crate) fn split_once(bytes: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|&byte| byte == separator)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}
