//! Aligned columns.

use unicode_width::UnicodeWidthStr;

use super::{Output, Style, one_line};

/// Blanks between columns.
const GAP: usize = 2;
/// A last column is cut to the width of the terminal, but never below this.
const NARROWEST: usize = 10;

/// Rows under a heading. The last column takes what the terminal has left.
pub struct Table<const N: usize> {
    heading: [&'static str; N],
    rows: Vec<[(String, Style); N]>,
}

impl<const N: usize> Table<N> {
    /// An empty table.
    pub fn new(heading: [&'static str; N]) -> Self {
        Self { heading, rows: Vec::new() }
    }

    /// Adds a row; control characters and line breaks in it become harmless.
    pub fn row(&mut self, cells: [(String, Style); N]) {
        self.rows.push(cells.map(|(text, style)| (one_line(&text), style)));
    }

    /// Prints it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn print(&self, output: &Output) -> std::io::Result<()> {
        for line in self.lines(output.width(), |text, style| output.paint(text, style)) {
            output.line(line)?;
        }
        Ok(())
    }

    fn lines(&self, width: Option<usize>, paint: impl Fn(&str, Style) -> String) -> Vec<String> {
        let heading = self.heading.map(|text| (text.to_owned(), Style::Faint));
        let rows: Vec<_> = std::iter::once(&heading).chain(&self.rows).collect();
        let widths: [usize; N] =
            std::array::from_fn(|column| rows.iter().map(|row| row[column].0.width()).max().unwrap_or(0));
        let before_last: usize = widths[..N - 1].iter().map(|width| width + GAP).sum();
        let last = width.map_or(usize::MAX, |width| width.saturating_sub(before_last).max(NARROWEST));
        let line = |row: &[(String, Style); N]| {
            let mut line = String::new();
            for (column, (text, style)) in row.iter().enumerate() {
                if column + 1 == N {
                    line.push_str(&paint(&cut(text, last), *style));
                } else {
                    line.push_str(&paint(text, *style));
                    line.push_str(&" ".repeat(widths[column] - text.width() + GAP));
                }
            }
            line.trim_end().to_owned()
        };
        rows.into_iter().map(line).collect()
    }
}

/// The text in at most `width` cells.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    for character in text.chars() {
        if kept.width() + character.to_string().width() >= width {
            break;
        }
        kept.push(character);
    }
    kept + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other() {
        let mut table = Table::new(["NAME", "STATE", "WHAT"]);
        table.row(
            ["日本".into(), "busy".into(), "a long\nstory of many words".into()]
                .map(|text| (text, Style::Plain)),
        );
        table.row(["reviewer".into(), "ready".into(), String::new()].map(|text| (text, Style::Plain)));
        let plain = |text: &str, _| text.to_owned();
        assert_eq!(
            table.lines(Some(30), plain),
            ["NAME      STATE  WHAT", "日本      busy   a long story…", "reviewer  ready"]
        );
        assert_eq!(table.lines(None, plain)[1], "日本      busy   a long story of many words");
    }
}
