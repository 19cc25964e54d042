//! What the fake agent shows besides its dialogs.

use super::FakeAgent;

impl FakeAgent {
    pub(super) fn print(&mut self, text: &str) {
        self.screen.print(text);
        self.paint();
    }

    /// The composer in its frame, and the footer.
    pub(super) fn paint(&mut self) {
        let (cols, _) = self.screen.size();
        let rule = "─".repeat(cols);
        // Half of the columns: no character is wider than two.
        let width = (cols.saturating_sub(2) / 2).max(1);
        let mut lines = vec![rule.clone()];
        for line in self.composer.lines() {
            let chars: Vec<char> = line.chars().collect();
            let rows = chars.chunks(width).map(|row| row.iter().collect::<String>());
            let rows: Vec<String> = if chars.is_empty() { vec![String::new()] } else { rows.collect() };
            for row in rows {
                let mark = if lines.len() == 1 { "❯ " } else { "  " };
                lines.push(format!("{mark}{row}"));
            }
        }
        let cursor = lines.len() - 1;
        lines.push(rule);
        let model = self.options.model.as_deref().unwrap_or("no model");
        lines.push(format!("  {} · {model}", self.footer));
        self.screen.paint(&lines, cursor);
    }
}
