//! Reading an asciicast: when which bytes were printed to which size of terminal.

use std::io::{BufRead, BufReader, Read};

use parallax_api::{Problem, TerminalSize, Time};
use serde::Deserialize;
use serde_json::Value;

/// The first line of a recording.
#[derive(Deserialize)]
pub(super) struct Header {
    pub(super) width: u16,
    pub(super) height: u16,
    #[serde(default)]
    pub(super) timestamp: Option<f64>,
    #[serde(default)]
    pub(super) title: String,
}

/// One line after the header: seconds since the start, what, and its text.
pub(super) type Line = (f64, String, Value);

/// The sizes of the terminal, each with the number of recorded bytes before it. The first is the size at the start.
pub(super) fn sizes(cast: impl Read) -> Vec<(u64, TerminalSize)> {
    let mut lines = BufReader::new(cast).lines().map_while(Result::ok);
    let Some(header) = lines.next().and_then(|line| serde_json::from_str::<Header>(&line).ok()) else {
        return vec![];
    };
    let mut sizes = vec![(0, TerminalSize { cols: header.width, rows: header.height })];
    let mut bytes = 0;
    for (_, what, text) in lines.map_while(|line| serde_json::from_str::<Line>(&line).ok()) {
        let text = text.as_str().unwrap_or_default();
        match what.as_str() {
            "o" => bytes += text.len() as u64,
            "r" => sizes.extend(size(text).map(|size| (bytes, size))),
            _ => {}
        }
    }
    sizes
}

/// How many recorded bytes were printed at or before `time`.
pub(super) fn bytes_before(cast: impl Read, time: Time) -> Result<u64, Problem> {
    let mut lines = BufReader::new(cast).lines().map_while(Result::ok);
    let Some(header) = lines.next() else { return Ok(0) };
    let header: Header = serde_json::from_str(&header).map_err(Problem::internal)?;
    let Some(start) = header.timestamp else { return Ok(0) };
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit into 53 bits")]
    let until = time.as_millis() as f64 / 1000.0 - start;
    Ok(lines
        .map_while(|line| serde_json::from_str::<Line>(&line).ok())
        .take_while(|(at, ..)| *at <= until)
        .filter(|(_, what, _)| what == "o")
        .map(|(.., text)| text.as_str().map_or(0, str::len) as u64)
        .sum())
}

/// The size that an `r` event names.
pub(super) fn size(text: &str) -> Option<TerminalSize> {
    let (cols, rows) = text.split_once('x')?;
    let size = TerminalSize { cols: cols.parse().ok()?, rows: rows.parse().ok()? };
    size.is_sane().then_some(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAST: &str = "{\"version\":2,\"width\":80,\"height\":24,\"timestamp\":1000}\n\
        [0.5,\"o\",\"héllo\"]\n[1.0,\"r\",\"100x30\"]\n[1.5,\"o\",\"x\"]\n[2.0,\"i\",\"typed\"]\n[2.5,\"o\",\"yz\"]\n";

    #[test]
    fn knows_sizes_and_times_by_byte() {
        let size = |cols, rows| TerminalSize { cols, rows };
        assert_eq!(sizes(CAST.as_bytes()), [(0, size(80, 24)), (6, size(100, 30))]);
        for (ms, bytes) in [(0, 0), (1_000_499, 0), (1_000_500, 6), (1_001_600, 7), (2_000_000, 9)] {
            assert_eq!(bytes_before(CAST.as_bytes(), Time::from_millis(ms)), Ok(bytes), "{ms}");
        }
    }

    #[test]
    fn what_is_cut_off_counts_as_far_as_it_goes() {
        assert_eq!(sizes(&b""[..]), []);
        assert_eq!(sizes(&CAST.as_bytes()[..CAST.len() - 20]).len(), 2);
        assert_eq!(bytes_before(&b""[..], Time::from_millis(5)), Ok(0));
    }
}
