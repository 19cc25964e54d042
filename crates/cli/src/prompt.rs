//! What a person types as the answer to a question.

use std::io::{self, IsTerminal};

use rustix::io::{read, retry_on_intr};
use rustix::termios::{QueueSelector, tcflush};

/// Drops what was typed so far: it is no answer to a question that is only now shown.
pub(crate) fn forget_typed() {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        // At a terminal that is gone nobody types.
        tcflush(stdin, QueueSelector::IFlush).ok();
    }
}

/// The next line, without its end; none at the end of input (Ctrl-D), where half a line is no answer. Nothing is read ahead: the lines
/// behind it stay with the terminal, where [`forget_typed`] finds them.
///
/// # Errors
/// When the keyboard cannot be read.
pub(crate) fn typed_line() -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let count = retry_on_intr(|| read(io::stdin(), &mut chunk))?;
        if count == 0 {
            return Ok(None);
        }
        line.extend_from_slice(&chunk[..count]);
        if let Some(end) = line.iter().position(|byte| *byte == b'\n') {
            return Ok(Some(String::from_utf8_lossy(&line[..end]).into_owned()));
        }
    }
}
