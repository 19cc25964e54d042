//! What every WebSocket of a server does alike.

use std::error::Error;

use axum::extract::ws::{CloseFrame, WebSocketUpgrade, close_code};
use axum::response::Response;
use parallax_api::Problem;
use parallax_api::terminal::{self, MAX_VIEWER_MESSAGE, TERMINAL_V1};
use tokio_tungstenite::tungstenite::Error as ProtocolError;

/// The longest reason a close frame holds, in bytes (RFC 6455: 125 with the code).
const MAX_REASON: usize = 123;
/// What is read of a message that is too long before the socket is closed: a client that still sends it may never see
/// the reason otherwise.
const MAX_READ: usize = 4 * MAX_VIEWER_MESSAGE;

/// The upgrade of a terminal socket.
pub fn terminal(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade.protocols([TERMINAL_V1]).max_message_size(MAX_READ).max_frame_size(MAX_READ)
}

/// The close frame with this code and the beginning of this reason.
pub fn close_frame(code: u16, reason: &str) -> CloseFrame {
    CloseFrame { code, reason: reason[..reason.floor_char_boundary(MAX_REASON)].into() }
}

/// The close frame for a socket where a request would be refused so.
pub fn refusal(problem: &Problem) -> CloseFrame {
    close_frame(terminal::close_code(problem.code), &problem.detail)
}

/// Accepts the upgrade and closes the socket: a browser cannot read why an upgrade was refused; it can read why a socket
/// was closed.
pub fn refuse(upgrade: WebSocketUpgrade, problem: Problem) -> Response {
    terminal(upgrade).on_upgrade(move |mut socket| async move {
        use axum::extract::ws::Message;
        // A client that is gone needs no reason.
        drop(socket.send(Message::Close(Some(refusal(&problem)))).await);
        while let Some(Ok(_)) = socket.recv().await {}
    })
}

/// Closes a socket whose client sent a message of this length; none when the length is allowed.
pub fn too_long(length: usize) -> Option<CloseFrame> {
    (length > MAX_VIEWER_MESSAGE).then(|| {
        close_frame(
            close_code::SIZE,
            &format!("a message has at most {MAX_VIEWER_MESSAGE} bytes; send it in parts"),
        )
    })
}

/// How to close a socket whose client broke the protocol; none when the connection is gone.
pub fn violation(error: &axum::Error) -> Option<CloseFrame> {
    let (code, reason) = match error.source()?.downcast_ref::<ProtocolError>()? {
        ProtocolError::Capacity(_) => (close_code::SIZE, "the message is too long; send it in parts"),
        ProtocolError::Utf8(_) => (close_code::INVALID, "a text message is UTF-8"),
        ProtocolError::Protocol(error) if !is_broken_off(error) => {
            (close_code::PROTOCOL, "this is not a WebSocket frame")
        }
        _ => return None,
    };
    Some(close_frame(code, reason))
}

fn is_broken_off(error: &tokio_tungstenite::tungstenite::error::ProtocolError) -> bool {
    use tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake;
    matches!(error, ResetWithoutClosingHandshake)
}
