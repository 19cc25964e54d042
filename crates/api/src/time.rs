//! Points in time as the wire has them (RFC 3339, UTC, milliseconds), and lengths of time as people write them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Writes points in time at once, where `fmt` would write them in pieces: each event has four of them.
const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(3));

/// A point in time. Written as RFC 3339 in UTC with milliseconds (`2026-11-22T13:16:37.042Z`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, ToSchema)]
#[schema(value_type = String, format = DateTime)]
#[serde(transparent)]
pub struct Time(pub Timestamp);

impl Time {
    /// The present, by the system's clock, in whole milliseconds: what is written comes back equal.
    pub fn now() -> Self {
        Self::from_millis(Timestamp::now().as_millisecond())
    }

    /// This point, or the millisecond after `earlier` where it is not later than that: a coarse clock shows two changes at
    /// once, and one that was set back shows the second before the first.
    pub fn or_just_after(self, earlier: Time) -> Self {
        self.max(earlier.next())
    }

    /// The millisecond after this point.
    pub fn next(self) -> Self {
        Self::from_millis(self.as_millis().saturating_add(1))
    }

    /// Milliseconds since the Unix epoch.
    pub fn as_millis(self) -> i64 {
        self.0.as_millisecond()
    }

    /// The point `millis` milliseconds after the Unix epoch; clamped to what a calendar can hold.
    pub fn from_millis(millis: i64) -> Self {
        Self(Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX))
    }
}

impl FromStr for Time {
    type Err = jiff::Error;

    /// Reads RFC 3339, to whole milliseconds.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self::from_millis(text.parse::<Timestamp>()?.as_millisecond()))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&PRINTER.timestamp_to_string(&self.0))
    }
}

impl Serialize for Time {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&PRINTER.timestamp_to_string(&self.0))
    }
}

/// Reads a length of time: `30` or `30s`, `500ms`, `5m`, `2h`, `1d`. `None` for anything else, and for more milliseconds than
/// a `u64` holds.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let millis = match unit {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(millis).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        for (text, millis) in
            [("30", 30_000), ("500ms", 500), ("5m", 300_000), ("2h", 7_200_000), ("1d", 86_400_000)]
        {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "m", "1.5h", "-1", "5 m", "99999999999999999999d", "18446744073709551615d"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn points_in_time_are_written_alike_as_text_and_in_json() {
        for millis in [i64::MIN, -1, 0, 951_782_400_042, 4_294_967_296_999, i64::MAX] {
            let time = Time::from_millis(millis);
            assert_eq!(serde_json::to_string(&time).unwrap(), format!("\"{time}\""));
        }
        let finer = Time("2026-11-22T13:16:37.042987654Z".parse().unwrap());
        assert_eq!(serde_json::to_string(&finer).unwrap(), "\"2026-11-22T13:16:37.042Z\"");
    }

    #[test]
    fn what_comes_after_is_later_whatever_the_clock_says() {
        for (clock, earlier, expected) in [(5, 3, 5), (5, 4, 5), (5, 5, 6), (5, 9, 10), (-7, -7, -6)] {
            let (clock, earlier) = (Time::from_millis(clock), Time::from_millis(earlier));
            assert_eq!(clock.or_just_after(earlier), Time::from_millis(expected), "{clock} after {earlier}");
        }
        assert_eq!(
            Time::now().or_just_after(Time(Timestamp::MAX)),
            Time(Timestamp::MAX),
            "there is nothing later"
        );
    }
}
