//! Values of the command line: durations, sizes, pairs.

use std::time::Duration;

use parallax_api::TerminalSize;
use parallax_api::time::parse_duration;

/// `30`, `30s`, `500ms`, `5m`, `2h`, `1d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| format!("`{text}` is no duration such as 30s, 5m, 2h"))
}

/// `120x40`.
pub(crate) fn size(text: &str) -> Result<TerminalSize, String> {
    let parsed = text.split_once('x').and_then(|(cols, rows)| {
        Some(TerminalSize { cols: cols.trim().parse().ok()?, rows: rows.trim().parse().ok()? })
    });
    parsed
        .filter(|size| size.is_sane() && *size == size.for_agent())
        .ok_or_else(|| format!("`{text}` is no size such as 120x40 (at least 40x10, at most 1000x1000)"))
}

/// `KEY=VALUE`.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is not KEY=VALUE")),
    }
}

/// A variant of a type of the API by its word on the wire.
pub(crate) fn word<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(text.into()).map_err(|error| {
        // "unknown variant `x`, expected one of `a`, `b`" says all there is to say.
        error.to_string()
    })
}

#[cfg(test)]
mod tests {
    use parallax_api::AgentStatus;

    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        assert!(duration("1.5h").expect_err("no duration").contains("`1.5h`"));
    }

    #[test]
    fn sizes_pairs_and_words() {
        assert_eq!(size("120x40"), Ok(TerminalSize { cols: 120, rows: 40 }));
        assert!(size("1x1").is_err() && size("120").is_err() && size("99999x40").is_err());
        assert_eq!(pair("A=b=c"), Ok(("A".into(), "b=c".into())));
        assert!(pair("=x").is_err() && pair("A").is_err());
        assert_eq!(word::<AgentStatus>("busy"), Ok(AgentStatus::Busy));
        assert!(word::<AgentStatus>("bussy").expect_err("no status").contains("`busy`"));
    }
}
