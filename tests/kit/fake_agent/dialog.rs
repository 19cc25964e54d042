//! Questions that take the composer's backend: numbered options, answered by digit; some take free text.

/// A question on the screen.
#[derive(Debug)]
pub(super) struct Dialog {
    title: String,
    body: String,
    question: String,
    options: Vec<String>,
    /// The option that opens the entry for free text.
    opens_entry: Option<usize>,
    /// The text being typed, once the entry is open.
    text: Option<String>,
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The option with this index.
    Option(usize),
    /// Free text.
    Text(String),
    /// Esc.
    Cancelled,
}

impl Dialog {
    pub(super) fn permission(what: &str) -> Self {
        Self::new("Permission", what, "Do you want to go on?", &["Yes", "Yes, and don't ask again", "No"])
    }

    pub(super) fn choice(options: &[String]) -> Self {
        let mut dialog = Self::new("Question", "", "Which one?", &[]);
        dialog.options = options.to_vec();
        dialog.opens_entry = Some(options.len());
        dialog.options.push("Type something else".to_owned());
        dialog
    }

    /// The first option, which an Enter takes, leaves: as with Claude.
    pub(super) fn trust(folder: &str) -> Self {
        Self::new("Folder", folder, "Do you trust this folder?", &["No, leave", "Yes, I trust it"])
    }

    pub(super) fn login(url: &str) -> Self {
        let mut dialog = Self::new("Login", url, "Open the URL above, then paste the code here:", &[]);
        dialog.text = Some(String::new());
        dialog
    }

    fn new(title: &str, body: &str, question: &str, options: &[&str]) -> Self {
        Self {
            title: title.to_owned(),
            body: body.to_owned(),
            question: question.to_owned(),
            options: options.iter().map(|&option| option.to_owned()).collect(),
            opens_entry: None,
            text: None,
        }
    }

    /// The whole question in a line, for the state report.
    pub(super) fn summary(&self) -> String {
        [self.body.as_str(), self.question.as_str()].join(" ").trim().to_owned()
    }

    pub(super) fn type_char(&mut self, character: char) -> Option<Answer> {
        let digit = character.to_digit(10).and_then(|digit| (digit as usize).checked_sub(1));
        match (&mut self.text, digit.filter(|index| *index < self.options.len())) {
            (Some(text), _) => text.push(character),
            (None, Some(index)) if self.opens_entry == Some(index) => self.text = Some(String::new()),
            (None, Some(index)) => return Some(Answer::Option(index)),
            (None, None) => {}
        }
        None
    }

    pub(super) fn paste(&mut self, pasted: &str) {
        if let Some(text) = &mut self.text {
            text.push_str(pasted.trim_end_matches(['\r', '\n']));
        }
    }

    pub(super) fn enter(&mut self) -> Option<Answer> {
        match &mut self.text {
            Some(text) if text.is_empty() => None,
            Some(text) => Some(Answer::Text(std::mem::take(text))),
            None => Some(Answer::Option(0)),
        }
    }

    /// What is painted, in `cols` columns, and which line has the cursor.
    pub(super) fn lines(&self, cols: usize) -> (Vec<String>, usize) {
        let mut lines = vec!["═".repeat(cols), self.title.clone()];
        lines.extend(wrapped(&self.body, cols));
        lines.push(self.question.clone());
        for (index, option) in self.options.iter().enumerate() {
            let mark = if index == 0 { "❯" } else { " " };
            lines.push(format!("{mark} {}. {option}", index + 1));
        }
        if let Some(text) = &self.text {
            lines.push(format!("› {text}"));
        }
        let cursor = lines.len() - 1;
        lines.push("Esc to cancel".to_owned());
        (lines, cursor)
    }
}

/// `text` cut into rows of `cols` characters, as a program does that wraps by itself.
fn wrapped(text: &str, cols: usize) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    chars.chunks(cols.max(1)).map(|row| row.iter().collect()).collect()
}
