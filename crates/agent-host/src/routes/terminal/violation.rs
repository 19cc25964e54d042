//! Frames that no viewer may send.

use std::error::Error;

use axum::extract::ws::{Message, close_code};
use parallax_api::terminal::{MAX_CONTROL_FRAME, MAX_VIEWER_MESSAGE};
use tokio_tungstenite::tungstenite;

use super::Closing;

/// How to close a socket whose viewer sent what is too long; none when the length is allowed. `v1`: text frames are control.
pub(super) fn too_long(frame: &Message, v1: bool) -> Option<Closing> {
    let (len, limit) = match frame {
        Message::Text(text) if v1 => (text.len(), MAX_CONTROL_FRAME),
        Message::Text(text) => (text.len(), MAX_VIEWER_MESSAGE),
        Message::Binary(bytes) => (bytes.len(), MAX_VIEWER_MESSAGE),
        _ => return None,
    };
    (len > limit).then(|| {
        Closing::new(close_code::SIZE, format!("a message has at most {limit} bytes; send it in parts"))
    })
}

/// How to close a socket whose viewer broke the protocol; none when the connection is gone.
pub(super) fn closing(error: &axum::Error) -> Option<Closing> {
    use tungstenite::error::ProtocolError::ResetWithoutClosingHandshake;
    Some(match error.source()?.downcast_ref::<tungstenite::Error>()? {
        tungstenite::Error::Capacity(_) => Closing::new(
            close_code::SIZE,
            format!("a message has at most {MAX_VIEWER_MESSAGE} bytes; send it in parts"),
        ),
        tungstenite::Error::Utf8(_) => Closing::new(close_code::INVALID, "a text message is UTF-8"),
        tungstenite::Error::Protocol(error) if !matches!(error, ResetWithoutClosingHandshake) => {
            Closing::new(close_code::PROTOCOL, "this is not a WebSocket frame")
        }
        _ => return None,
    })
}
