//! Aligned columns.

use unicode_width::UnicodeWidthStr;

use super::{Look, Output, one_line};
use crate::failure::Failure;

/// Blanks between columns.
const GAP: usize = 2;
/// A last column is cut to the width of the terminal, but never below this.
const NARROWEST: usize = 10;

/// Rows under a heading. The last column takes what the terminal has left.
pub struct Table<const N: usize> {
    heading: [&'static str; N],
    rows: Vec<[(String, Look); N]>,
}

impl<const N: usize> Table<N> {
    /// An empty table.
    pub fn new(heading: [&'static str; N]) -> Self {
        Self { heading, rows: Vec::new() }
    }

    /// Adds a row; control characters and line breaks in it become harmless.
    pub fn row(&mut self, cells: [(String, Look); N]) {
        self.rows.push(cells.map(|(text, look)| (one_line(&text), look)));
    }

    /// Prints it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn print(&self, output: &Output) -> Result<(), Failure> {
        for line in self.lines(output.width(), |text, look| output.paint(text, look)) {
            output.line(line)?;
        }
        Ok(())
    }

    fn lines(&self, width: Option<usize>, paint: impl Fn(&str, Look) -> String) -> Vec<String> {
        let heading = self.heading.map(|text| (text.to_owned(), Look::Faint));
        let rows: Vec<_> = std::iter::once(&heading).chain(&self.rows).collect();
        let widths: [usize; N] =
            std::array::from_fn(|column| rows.iter().map(|row| row[column].0.width()).max().unwrap_or(0));
        let before_last: usize = widths[..N - 1].iter().map(|width| width + GAP).sum();
        let last = width.map_or(usize::MAX, |width| width.saturating_sub(before_last).max(NARROWEST));
        let line = |row: &[(String, Look); N]| {
            let mut line = String::new();
            for (column, (text, look)) in row.iter().enumerate() {
                if column + 1 == N {
                    line.push_str(&paint(&cut(text, last), *look));
                } else {
                    line.push_str(&paint(text, *look));
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
                .map(|text| (text, Look::Plain)),
        );
        table.row(["reviewer".into(), "ready".into(), String::new()].map(|text| (text, Look::Plain)));
        let plain = |text: &str, _| text.to_owned();
        assert_eq!(
            table.lines(Some(30), plain),
            ["NAME      STATE  WHAT", "日本      busy   a long story…", "reviewer  ready"]
        );
        assert_eq!(table.lines(None, plain)[1], "日本      busy   a long story of many words");
    }
}
