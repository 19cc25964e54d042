//! The address of a login, whole, however the CLI wrapped it.

use std::ops::Range;

use parallax_screen::Row;

/// An address and the rows it stands in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub url: String,
    pub rows: Range<usize>,
}

/// The last address in these rows of a screen `width` columns wide. One that is a link (OSC 8) is what the link says;
/// else rows are joined as long as each is full: CLIs wrap softly, hard, or paint each row for itself.
pub(super) fn last_link(rows: &[Row], range: Range<usize>, width: usize) -> Option<Link> {
    let (first, start) = range.clone().rev().find_map(|at| Some((at, address_start(&rows[at].text)?)))?;
    let mut url = String::new();
    let mut end = first;
    let mut rest = &rows[first].text[start..];
    loop {
        let word = rest.split_whitespace().next().unwrap_or_default();
        url.push_str(word);
        let row = &rows[end];
        end += 1;
        let is_full = row.text.ends_with(word) && (row.wrapped || row.columns() >= width);
        match rows.get(end).filter(|next| is_full && end < range.end && !next.is_blank()) {
            Some(next) => rest = next.text.trim_start(),
            None => break,
        }
    }
    let target = rows[first].links().into_iter().rfind(|link| link.starts_with("http"));
    let url = target.map_or_else(|| trimmed(&url).to_owned(), |target| target.to_string());
    Some(Link { url, rows: first..end })
}

fn address_start(text: &str) -> Option<usize> {
    let start = text.rfind("https://").or_else(|| text.rfind("http://"))?;
    let before = text[..start].chars().next_back();
    before.is_none_or(|c| !c.is_alphanumeric()).then_some(start)
}

/// Without what ends a sentence rather than an address, or frames it.
fn trimmed(url: &str) -> &str {
    url.trim_end_matches(['.', ',', ';', ')', '"', '\'', '│'])
}

#[cfg(test)]
mod tests {
    use parallax_api::TerminalSize;
    use parallax_screen::Screen;

    use super::*;

    fn found(output: &str) -> Option<String> {
        let mut screen = Screen::new(TerminalSize { cols: 20, rows: 8 }, 0);
        screen.feed(output.as_bytes());
        let rows = screen.rows();
        last_link(&rows, 0..rows.len(), 20).map(|link| link.url)
    }

    #[test]
    fn the_whole_address() {
        let table = [
            ("one row", "go to https://a.b/c now", "https://a.b/c"),
            ("sentence", "see https://a.b/c.", "https://a.b/c"),
            ("soft wrap", "https://a.b/0123456789012345", "https://a.b/0123456789012345"),
            ("hard wrap", "https://a.b/01234567\r\n89012345\r\n\r\ncode:", "https://a.b/0123456789012345"),
            ("cells", "\x1b[2;3Hhttps://a.b/012345\x1b[3;1H6789\x1b[5;1Hpress", "https://a.b/0123456789"),
            ("full, then blank", "https://a.b/01234567\r\n\r\npaste", "https://a.b/01234567"),
            ("link", "\x1b]8;;https://a.b/long?x=1\x1b\\https://a.b\x1b]8;;\x1b\\", "https://a.b/long?x=1"),
            ("last", "https://a.b/1\r\nhttps://a.b/2\r\n", "https://a.b/2"),
        ];
        for (name, output, expected) in table {
            assert_eq!(found(output).as_deref(), Some(expected), "{name}");
        }
        assert_eq!(found("no address"), None);
    }
}
