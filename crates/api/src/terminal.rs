//! Keys, screens, and the frames of the terminal WebSocket.

use std::borrow::Cow;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::agent::AgentExit;
use crate::{Code, Problem, TerminalSize};

/// The WebSocket subprotocol for programs: output in binary frames with offsets, control as JSON text frames.
pub const TERMINAL_V1: &str = "parallax.terminal.v1";
/// Close code: the agent ended, and everything it printed has been sent.
pub const CLOSE_AGENT_ENDED: u16 = 4000;
/// Close code: no agent has this id.
pub const CLOSE_UNKNOWN_AGENT: u16 = 4404;
/// Close code: the runtime that has the agent does not answer.
pub const CLOSE_RUNTIME_UNAVAILABLE: u16 = 4503;
/// Close code: the server is going away (RFC 6455).
pub const CLOSE_GOING_AWAY: u16 = 1001;
/// Close code: a limit is reached, such as that of the viewers of an agent; try again later.
pub const CLOSE_TRY_AGAIN_LATER: u16 = 1013;
/// Viewers of one agent's terminal at once, at its host and at its runtime server.
pub const MAX_VIEWERS: usize = 256;
/// The longest message a viewer may send, in bytes: a large paste is one message.
pub const MAX_VIEWER_MESSAGE: usize = 16 * 1024 * 1024;
/// The longest control frame a viewer may send in `parallax.terminal.v1`, in bytes.
pub const MAX_CONTROL_FRAME: usize = 64 * 1024;

/// Bytes read at once from a viewer: keys. The libraries' default, 128 KiB, is cleared for every read and kept for every viewer.
pub const VIEWER_READ: usize = 4 * 1024;
/// Bytes read at once from a server: output.
pub const OUTPUT_READ: usize = 16 * 1024;
/// Bytes that the system may hold back for a socket of a terminal: what a slow viewer sees late when it interrupts a program.
/// The system takes twice as many, for its own needs.
pub const SEND_BUFFER: usize = 32 * 1024;

/// The same for what a server has sent and its client has not read.
pub const RECEIVE_BUFFER: u32 = 64 * 1024;

/// The code a terminal socket is closed with where a request would be refused so.
pub fn close_code(code: Code) -> u16 {
    match code {
        Code::AgentNotFound => CLOSE_UNKNOWN_AGENT,
        Code::AgentStopped => CLOSE_AGENT_ENDED,
        Code::ShuttingDown => CLOSE_GOING_AWAY,
        Code::ResourceLimit => CLOSE_TRY_AGAIN_LATER,
        _ => CLOSE_RUNTIME_UNAVAILABLE,
    }
}

/// Where the cursor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Cursor {
    /// Row, 0 at the top.
    pub row: u16,
    /// Column, 0 at the left.
    pub col: u16,
    /// Whether the program shows it.
    pub visible: bool,
}

/// What a person would see now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Screen {
    /// One string a row, without trailing blanks.
    pub lines: Vec<String>,
    /// The cursor.
    pub cursor: Cursor,
    /// The size in cells.
    pub size: TerminalSize,
    /// The window title the program set.
    pub title: String,
    /// Whether the alternate screen is shown.
    pub alternate: bool,
    /// The output offset this screen stands at.
    pub offset: u64,
}

/// Keys to press: `text` or `keys`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InputRequest {
    /// Typed as it stands, at most 64 KiB.
    #[schema(max_length = 65536)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Named keys in order: `enter`, `tab`, `esc`, `up`, `ctrl-c`, `f1`, …; at most 64.
    #[schema(max_items = 64)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Vec<String>>,
}

/// The query of the terminal WebSocket.
#[derive(Clone, Debug, Default, Serialize, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TerminalQuery {
    /// `view` watches only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<TerminalMode>,
    /// Resume at this byte instead of painting the screen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// A short-lived ticket, for browsers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
}

/// Whether a viewer may type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TerminalMode {
    /// Types and resizes.
    #[default]
    Interactive,
    /// Watches only.
    View,
}

/// A control frame from the server, in `parallax.terminal.v1`. Output itself comes in binary frames: the offset of
/// the first byte as eight bytes, most significant first, then the bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ServerFrame {
    /// The first frame. Output starts at `offset`; `epoch` names this agent's log: offsets of another epoch mean
    /// nothing here.
    Hello {
        /// Where output starts.
        offset: u64,
        /// Names the log.
        epoch: String,
        /// The terminal's size.
        #[serde(flatten)]
        size: TerminalSize,
        /// Whether this viewer may type.
        mode: TerminalMode,
        /// Who holds the size. None: the agent's host is of a version that knows no lease, and takes a `resize`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lease: Option<LeaseHolder>,
    },
    /// The screen as it stands at `offset`: write it to a terminal that was reset.
    Snapshot {
        /// The offset it stands at.
        offset: u64,
        /// What paints it, or its beginning.
        data: String,
        /// Whether it is too large for one frame, and goes on in the next.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        more: bool,
    },
    /// A snapshot goes on: to be written behind what came of it. Nothing else comes between.
    Continued {
        /// The next part.
        data: String,
        /// Whether this is not the last part.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        more: bool,
    },
    /// The terminal has a new size.
    Resize {
        /// The new size.
        #[serde(flatten)]
        size: TerminalSize,
    },
    /// Somebody else, or nobody, holds the size by now.
    Lease {
        /// Who.
        holder: LeaseHolder,
    },
    /// The bytes from `from` to `to` are passed over (the viewer was too slow, or they are no longer kept); a
    /// snapshot follows.
    Skip {
        /// First byte not sent.
        from: u64,
        /// Where output goes on.
        to: u64,
    },
    /// A frame of the viewer was refused; the connection goes on.
    Error {
        /// Why, for programs.
        code: Code,
        /// Why, for people.
        detail: String,
    },
    /// The agent ended; everything it printed has been sent.
    Exit {
        /// How.
        exit: AgentExit,
    },
}

/// Who holds the size of a terminal, as one viewer is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LeaseHolder {
    /// This viewer.
    You,
    /// Another one.
    Other,
    /// Nobody: the terminal has the size it was spawned with.
    None,
}

/// A control frame from a viewer, in `parallax.terminal.v1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ViewerFrame {
    /// Take the size, from whoever holds it, until this viewer leaves.
    Lease {
        /// The size the terminal gets.
        #[serde(flatten)]
        size: TerminalSize,
    },
    /// This viewer's window has another size. Who never took the size is refused.
    Resize {
        /// The new size.
        #[serde(flatten)]
        size: TerminalSize,
    },
    /// Give the size back.
    Release,
}

impl ViewerFrame {
    /// Reads a text frame. Fails with `VALIDATION_ERROR`.
    pub fn read(text: &str) -> Result<Self, Problem> {
        let frame =
            serde_json::from_str(text).map_err(|error| Problem::invalid("frame", error.to_string()))?;
        match frame {
            Self::Lease { size } | Self::Resize { size } if !size.is_sane() => {
                Err(Problem::invalid("size", "2 to 1000 columns and rows"))
            }
            frame => Ok(frame),
        }
    }
}

/// What a text frame is in the plain protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewerText {
    /// It takes the size of the terminal.
    Resize(TerminalSize),
    /// It means to resize, to a size that no terminal has: what a page computes for a hidden pane. Never typed.
    Refused,
    /// It is typed.
    Typed,
}

impl ViewerText {
    /// Reads a frame. A JSON object with `"type": "resize"` is never keyboard input.
    pub fn read(text: &str) -> Self {
        // A paste is not parsed twice.
        if !text.trim_start().starts_with('{') {
            return Self::Typed;
        }
        if let Ok(ViewerFrame::Resize { size }) = ViewerFrame::read(text) {
            return Self::Resize(size);
        }
        match serde_json::from_str(text) {
            Ok(SaysResize(true)) => Self::Refused,
            _ => Self::Typed,
        }
    }
}

/// Whether an object's `type` is `resize`; of several, the last one counts, as in JavaScript.
struct SaysResize(bool);

impl<'de> Deserialize<'de> for SaysResize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = SaysResize;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<SaysResize, M::Error> {
                let mut says = SaysResize(false);
                while let Some(key) = map.next_key::<Cow<'de, str>>()? {
                    if key == "type" {
                        says.0 = map.next_value::<serde_json::Value>()? == "resize";
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(says)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resize_is_never_typed() {
        let sane = ViewerText::Resize(TerminalSize { cols: 80, rows: 24 });
        assert_eq!(ViewerText::read(r#"{"type":"resize","cols":80,"rows":24}"#), sane);
        for size in [
            r#""cols":80,"rows":1"#,
            r#""cols":0,"rows":0"#,
            r#""cols":10000,"rows":10000"#,
            r#""cols":"91","rows":"31""#,
            r#""cols":92.0,"rows":32.0"#,
            r#""cols":-1,"rows":70000"#,
            r#""more":{"rows":[1]}"#,
            r#""cols":null"#,
            r#""cols":80,"cols":80,"rows":24"#,
            r#""type":"resize","cols":80,"rows":24"#,
            r#""cols":1e999,"rows":24"#,
        ] {
            let frame = format!(r#" {{"type":"resize",{size}}}"#);
            assert_eq!(ViewerText::read(&frame), ViewerText::Refused, "{frame}");
        }
        for typed in [
            "",
            "ls\r",
            r#"{"type":"other"}"#,
            r#"{"type":"resize","type":"other"}"#,
            r#"{"type":["resize"]}"#,
            r#"{"cols":80}"#,
            r#"[{"type":"resize"}]"#,
            "{\"type\":\"resize\"} x",
        ] {
            assert_eq!(ViewerText::read(typed), ViewerText::Typed, "{typed}");
        }
    }
    #[test]
    fn programs_take_keep_and_give_back_the_size() {
        let size = TerminalSize { cols: 80, rows: 24 };
        for (text, frame) in [
            (r#"{"type":"lease","cols":80,"rows":24}"#, ViewerFrame::Lease { size }),
            (r#"{"type":"resize","cols":80,"rows":24}"#, ViewerFrame::Resize { size }),
            (r#"{"type":"release"}"#, ViewerFrame::Release),
        ] {
            assert_eq!(ViewerFrame::read(text), Ok(frame));
        }
        for text in
            ["", "x", r#"{"type":"lease"}"#, r#"{"type":"lease","cols":2,"rows":1}"#, r#"{"type":"other"}"#]
        {
            assert_eq!(
                ViewerFrame::read(text).map_err(|problem| problem.code),
                Err(Code::Validation),
                "{text}"
            );
        }
        // In the plain protocol these are typed, as any JSON is.
        assert_eq!(ViewerText::read(r#"{"type":"release"}"#), ViewerText::Typed);
        assert_eq!(ViewerText::read(r#"{"type":"lease","cols":80,"rows":24}"#), ViewerText::Typed);
    }
}
