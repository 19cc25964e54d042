//! Frames that no viewer may send.

use std::error::Error;

use axum::extract::ws::close_code;
use parallax_api::terminal::MAX_VIEWER_MESSAGE;
use tokio_tungstenite::tungstenite;

use super::Closing;

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
