//! What every WebSocket of a server does alike.

mod handed;

use std::error::Error;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, WebSocketUpgrade, close_code};
use axum::response::Response;
use parallax_api::Problem;
use parallax_api::terminal::{self, MAX_CONTROL_FRAME, MAX_VIEWER_MESSAGE, TERMINAL_V1, VIEWER_READ};
use parallax_api::text::CUT;
use tokio_tungstenite::tungstenite::Error as ProtocolError;

pub use handed::{HandOver, HandedConnection, TakeViewers, Taker};

/// The longest reason a close frame holds, in bytes (RFC 6455: 125 with the code).
const MAX_REASON: usize = 123;
/// What is read of a message that is too long before the socket is closed: a client that still sends it may never see
/// the reason otherwise.
const MAX_READ: usize = 2 * MAX_VIEWER_MESSAGE;
/// What is typed goes on in pieces of this size: a server that passes it on holds no more of it than it must, and is as
/// slow as the program.
const PIECE: usize = 64 * 1024;
/// How long a refused socket may take to close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The upgrade of a terminal socket.
pub fn terminal(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade
        .protocols([TERMINAL_V1])
        .max_message_size(MAX_READ)
        .max_frame_size(MAX_READ)
        .read_buffer_size(VIEWER_READ)
}

/// The close frame with this code and this reason, or as much of its beginning as there is room for.
pub fn close_frame(code: u16, reason: &str) -> CloseFrame {
    if reason.len() <= MAX_REASON {
        return CloseFrame { code, reason: reason.into() };
    }
    let end = reason.floor_char_boundary(MAX_REASON - CUT.len_utf8());
    CloseFrame { code, reason: format!("{}{CUT}", &reason[..end]).into() }
}

/// The close frame for a socket where a request would be refused so.
pub fn refusal(problem: &Problem) -> CloseFrame {
    close_frame(terminal::close_code(problem.code), &problem.detail)
}

/// Accepts the upgrade and closes the socket: a browser cannot read why an upgrade was refused; it can read why a socket
/// was closed.
pub fn refuse(upgrade: WebSocketUpgrade, problem: Problem) -> Response {
    terminal(upgrade).on_upgrade(move |mut socket| async move {
        let closing = async {
            // A client that is gone needs no reason.
            drop(socket.send(Message::Close(Some(refusal(&problem)))).await);
            while let Some(Ok(_)) = socket.recv().await {}
        };
        // One that does not close would keep its place for ever.
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, closing).await;
    })
}

/// How to close a socket whose viewer sent what is too long; none when the length is allowed. `v1`: text frames are control.
pub fn too_long(frame: &Message, v1: bool) -> Option<CloseFrame> {
    let (len, limit) = match frame {
        Message::Text(text) if v1 => (text.len(), MAX_CONTROL_FRAME),
        Message::Text(text) => (text.len(), MAX_VIEWER_MESSAGE),
        Message::Binary(bytes) => (bytes.len(), MAX_VIEWER_MESSAGE),
        _ => return None,
    };
    (len > limit).then(|| {
        close_frame(close_code::SIZE, &format!("a message has at most {limit} bytes; send it in parts"))
    })
}

/// A viewer's frame in pieces, in order. What is longer than a piece is typed in both protocols, and goes on as binary
/// frames, which are always typed.
pub fn pieces(frame: Message) -> impl Iterator<Item = Message> {
    let (whole, mut rest) = match frame {
        Message::Text(text) if text.len() > PIECE => (None, Bytes::copy_from_slice(text.as_bytes())),
        Message::Binary(bytes) if bytes.len() > PIECE => (None, bytes),
        frame => (Some(frame), Bytes::new()),
    };
    let cut = std::iter::from_fn(move || {
        let piece = rest.split_to(rest.len().min(PIECE));
        (!piece.is_empty()).then_some(Message::Binary(piece))
    });
    whole.into_iter().chain(cut)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_that_is_too_long_says_so() {
        assert_eq!(close_frame(4000, "it has ended").reason.as_str(), "it has ended");
        let whole = "日".repeat(MAX_REASON / 3);
        assert_eq!(close_frame(4000, &whole).reason.as_str(), whole);
        let cut = close_frame(4000, &format!("{whole}!")).reason;
        assert_eq!(cut.as_str(), format!("{}…", "日".repeat(MAX_REASON / 3 - 1)));
        assert_eq!(close_frame(4000, &cut).reason, cut, "once is enough");
    }

    #[test]
    fn a_paste_goes_on_in_pieces() {
        for frame in [Message::text("ls\r"), Message::binary("ls\r"), Message::text("")] {
            assert_eq!(pieces(frame.clone()).collect::<Vec<_>>(), [frame]);
        }
        let paste = "größer ".repeat(20_000);
        for frame in [Message::text(paste.clone()), Message::binary(paste.clone())] {
            let sent: Vec<Message> = pieces(frame).collect();
            assert!(
                sent.len() > 2
                    && sent
                        .iter()
                        .all(|piece| matches!(piece, Message::Binary(bytes) if bytes.len() <= PIECE))
            );
            let bytes: Vec<u8> = sent.into_iter().flat_map(Message::into_data).collect();
            assert_eq!(bytes, paste.as_bytes());
        }
    }

    #[test]
    fn what_is_too_long_is_refused_with_its_limit() {
        let long = Message::text("x".repeat(MAX_CONTROL_FRAME + 1));
        assert_eq!(too_long(&long, false), None);
        assert_eq!(too_long(&long, true).map(|frame| frame.code), Some(close_code::SIZE));
        let longer = Message::binary(vec![b'x'; MAX_VIEWER_MESSAGE + 1]);
        assert_eq!(too_long(&longer, true).map(|frame| frame.code), Some(close_code::SIZE));
    }
}
