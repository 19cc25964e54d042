//! Values of the command line: durations, sizes, pairs.

use std::time::Duration;

use parallax_api::TerminalSize;

/// `30`, `30s`, `500ms`, `5m`, `2h`, `1d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let wrong = || format!("`{text}` is no duration such as 30s, 5m, 2h");
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let millis = match unit {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(millis).map(Duration::from_millis).ok_or_else(wrong)
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
        for (text, millis) in
            [("30", 30_000), ("500ms", 500), ("5m", 300_000), ("2h", 7_200_000), ("1d", 86_400_000)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "m", "1.5h", "-1", "5 m", "99999999999999999999d", "18446744073709551615d"] {
            assert!(duration(text).is_err(), "{text}");
        }
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
