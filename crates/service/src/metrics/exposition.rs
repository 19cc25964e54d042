//! The forms of `GET /metrics`, and which of them a scraper wants.

use std::fmt::Write as _;

use axum::http::{HeaderMap, header};

/// A form of metrics on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExpositionFormat {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// The text format of Prometheus, 0.0.4: what every scraper reads.
    Prometheus,
}

impl ExpositionFormat {
    /// The form these headers ask for: OpenMetrics for who names it, and wants no plain text more than that.
    pub(super) fn accepted(headers: &HeaderMap) -> Self {
        let (mut open, mut plain) = (0.0_f32, 0.0_f32);
        let lists = headers.get_all(header::ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
        for range in lists.flat_map(|list| list.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let media_type = parts.next().unwrap_or_default();
            let quality = parts.find_map(|parameter| parameter.strip_prefix("q="));
            let quality = quality.map_or(1.0, |quality| quality.parse().unwrap_or(0.0));
            if media_type.eq_ignore_ascii_case("application/openmetrics-text") {
                open = open.max(quality);
            } else if media_type.eq_ignore_ascii_case("text/plain") {
                plain = plain.max(quality);
            }
        }
        if open > 0.0 && open >= plain { Self::OpenMetrics } else { Self::Prometheus }
    }

    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// `text`, which is OpenMetrics, in this form.
    pub(super) fn write(self, text: String) -> String {
        match self {
            Self::OpenMetrics => text,
            Self::Prometheus => prometheus(&text),
        }
    }
}

/// Families are named as their samples are, kinds that Prometheus does not know are the nearest that it does, and there is
/// no end mark.
fn prometheus(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // The help of a family stands before its kind, which says how the family is named.
    let mut help = None;
    for line in text.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("EOF" | "UNIT"), ..) => {}
            (Some("#"), Some("HELP"), Some(_), text) => help = Some(text.unwrap_or_default()),
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                let (suffix, kind) = match kind {
                    "counter" => ("_total", "counter"),
                    "info" => ("_info", "gauge"),
                    "stateset" => ("", "gauge"),
                    "unknown" => ("", "untyped"),
                    kind => ("", kind),
                };
                if let Some(help) = help.take() {
                    writeln!(out, "# HELP {name}{suffix} {help}").expect("a string takes everything");
                }
                writeln!(out, "# TYPE {name}{suffix} {kind}").expect("a string takes everything");
            }
            _ => writeln!(out, "{line}").expect("a string takes everything"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_metrics_is_for_who_asks_for_it() {
        let accepted = |accept: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in accept {
                headers.append(header::ACCEPT, value.parse().unwrap());
            }
            ExpositionFormat::accepted(&headers)
        };
        let scraper = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
            text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        for accept in [
            &[scraper][..],
            &["application/openmetrics-text"],
            &["text/html", "Application/OpenMetrics-Text; version=1.0.0; q=0.4"],
        ] {
            assert_eq!(accepted(accept), ExpositionFormat::OpenMetrics, "{accept:?}");
        }
        for accept in [
            &[][..],
            &["*/*"],
            &["text/html,application/xhtml+xml,*/*;q=0.8"],
            &["text/plain;version=0.0.4,application/openmetrics-text;q=0.5"],
            &["application/openmetrics-text;q=0"],
        ] {
            assert_eq!(accepted(accept), ExpositionFormat::Prometheus, "{accept:?}");
        }
    }

    #[test]
    fn prometheus_text_says_the_same() {
        let open = "# HELP a_requests Requests answered.\n# TYPE a_requests counter\n\
            a_requests_total{route=\"# EOF\"} 3\n\
            # HELP a_build The program.\n# TYPE a_build info\na_build_info{version=\"1\"} 1\n\
            # HELP a_seconds Time.\n# TYPE a_seconds histogram\n# UNIT a_seconds seconds\n\
            a_seconds_sum 1.5\na_seconds_count 1\na_seconds_bucket{le=\"+Inf\"} 1\n\
            # TYPE a_viewers gauge\na_viewers 2\n# EOF\n";
        let expected = "# HELP a_requests_total Requests answered.\n# TYPE a_requests_total counter\n\
            a_requests_total{route=\"# EOF\"} 3\n\
            # HELP a_build_info The program.\n# TYPE a_build_info gauge\na_build_info{version=\"1\"} 1\n\
            # HELP a_seconds Time.\n# TYPE a_seconds histogram\n\
            a_seconds_sum 1.5\na_seconds_count 1\na_seconds_bucket{le=\"+Inf\"} 1\n\
            # TYPE a_viewers gauge\na_viewers 2\n";
        assert_eq!(ExpositionFormat::Prometheus.write(open.to_owned()), expected);
        assert_eq!(ExpositionFormat::OpenMetrics.write(open.to_owned()), open);
    }
}
