//! The command line that an operator configures for something the server is asked to do: words with placeholders, never a shell's.

use std::ffi::OsString;
use std::path::Path;

use crate::error::WorkspaceError;

/// Words of a command at most.
const MAX_WORDS: usize = 100;
/// The longest word of a command, in bytes.
const MAX_WORD: usize = 4096;

/// A program and its arguments. What stands for a placeholder never becomes another word, nor an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandTemplate {
    program: String,
    words: Vec<Word>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    Parts(Vec<Part>),
    /// Only there for a draft.
    Draft(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Value(Placeholder),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placeholder {
    Branch,
    Base,
    Title,
    Body,
    BodyFile,
    Repo,
}

impl Placeholder {
    const ALL: &'static [(&'static str, Self)] = &[
        ("branch", Self::Branch),
        ("base", Self::Base),
        ("title", Self::Title),
        ("body", Self::Body),
        ("body-file", Self::BodyFile),
        ("repo", Self::Repo),
    ];
}

/// What stands for the placeholders.
pub(crate) struct Values<'a> {
    pub(crate) branch: &'a str,
    pub(crate) base: &'a str,
    pub(crate) title: &'a str,
    pub(crate) body: &'a str,
    pub(crate) body_file: &'a Path,
    pub(crate) repo: &'a str,
    pub(crate) is_draft: bool,
}

impl CommandTemplate {
    /// A command of these words, the program first: a name that is looked for on the `PATH`, or an absolute path.
    ///
    /// # Errors
    /// Says which word is at fault.
    pub fn parse(words: &[String]) -> Result<Self, String> {
        let Some((program, words)) = words.split_first() else {
            return Err("a command has at least a program".into());
        };
        if program.is_empty() || program.starts_with('-') || program.contains(['{', '\0']) {
            return Err(format!("`{program}` is no program"));
        }
        if program.contains('/') && !program.starts_with('/') {
            return Err(format!("`{program}` is neither a name nor an absolute path"));
        }
        if words.len() > MAX_WORDS || words.iter().any(|word| word.len() > MAX_WORD || word.contains('\0')) {
            return Err(format!(
                "a command has at most {MAX_WORDS} words of {MAX_WORD} bytes, none of them NUL"
            ));
        }
        let words = words.iter().map(|word| parse_word(word)).collect::<Result<_, _>>()?;
        Ok(Self { program: program.clone(), words })
    }

    /// The program.
    pub fn program(&self) -> &str {
        &self.program
    }

    /// Whether it can be told that something is a draft.
    pub(crate) fn knows_drafts(&self) -> bool {
        self.words.iter().any(|word| matches!(word, Word::Draft(_)))
    }

    /// The arguments.
    ///
    /// # Errors
    /// `Invalid` when a value would be taken for an option.
    pub(crate) fn arguments(&self, values: &Values<'_>) -> Result<Vec<OsString>, WorkspaceError> {
        let mut arguments = Vec::new();
        for word in &self.words {
            match word {
                Word::Draft(_) if !values.is_draft => {}
                Word::Draft(option) => arguments.push(option.into()),
                Word::Parts(parts) => arguments.push(filled(parts, values)?),
            }
        }
        Ok(arguments)
    }
}

fn parse_word(word: &str) -> Result<Word, String> {
    if let Some(option) = word.strip_prefix("{draft:").and_then(|rest| rest.strip_suffix('}')) {
        return match option.is_empty() || option.contains(['{', '}']) {
            true => Err(format!("`{word}` names no word for a draft, as `{{draft:--draft}}` does")),
            false => Ok(Word::Draft(option.to_owned())),
        };
    }
    let (mut parts, mut rest) = (Vec::new(), word);
    while let Some((text, after)) = rest.split_once('{') {
        let unknown = || {
            let known: Vec<_> = Placeholder::ALL.iter().map(|(name, _)| format!("{{{name}}}")).collect();
            format!("`{word}` has another placeholder than {} and `{{draft:WORD}}`", known.join(", "))
        };
        let (name, after) = after.split_once('}').ok_or_else(unknown)?;
        let (_, value) = Placeholder::ALL.iter().find(|(known, _)| *known == name).ok_or_else(unknown)?;
        if !text.is_empty() {
            parts.push(Part::Text(text.to_owned()));
        }
        parts.push(Part::Value(*value));
        rest = after;
    }
    if !rest.is_empty() || parts.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    Ok(Word::Parts(parts))
}

fn filled(parts: &[Part], values: &Values<'_>) -> Result<OsString, WorkspaceError> {
    let mut word = OsString::new();
    for part in parts {
        match part {
            Part::Text(text) => word.push(text),
            Part::Value(Placeholder::Branch) => word.push(values.branch),
            Part::Value(Placeholder::Base) => word.push(values.base),
            Part::Value(Placeholder::Title) => word.push(values.title),
            Part::Value(Placeholder::Body) => word.push(values.body),
            Part::Value(Placeholder::BodyFile) => word.push(values.body_file),
            Part::Value(Placeholder::Repo) => word.push(values.repo),
        }
    }
    let is_meant = matches!(parts.first(), Some(Part::Text(_)));
    if !is_meant && word.as_encoded_bytes().starts_with(b"-") {
        let shown: String = word.to_string_lossy().chars().take(40).collect();
        return Err(WorkspaceError::Invalid(format!(
            "`{shown}` begins with `-`: the configured command would take it for an option"
        )));
    }
    Ok(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    fn values(body: &str, is_draft: bool) -> Values<'_> {
        Values {
            branch: "b",
            base: "main",
            title: "a title; $(rm -rf) {base}",
            body,
            body_file: Path::new("/x/body"),
            repo: "https://example.com/r.git",
            is_draft,
        }
    }

    #[test]
    fn a_value_is_never_a_word_of_its_own_or_an_option() {
        let command =
            words("gh pr create --title={title} --head {branch} --body={body} {draft:--draft} {body-file}");
        let command = CommandTemplate::parse(&command).unwrap();
        assert_eq!(command.program(), "gh");
        let plain = command.arguments(&values("- a\n- b", false)).unwrap();
        let expected = [
            "pr",
            "create",
            "--title=a title; $(rm -rf) {base}",
            "--head",
            "b",
            "--body=- a\n- b",
            "/x/body",
        ];
        assert_eq!(plain, expected.map(OsString::from));
        let draft = command.arguments(&values("", true)).unwrap();
        assert_eq!((draft.len(), draft[6].to_str()), (8, Some("--draft")));
        let bare = CommandTemplate::parse(&words("x --body {body}")).unwrap();
        assert!(bare.arguments(&values("text", false)).is_ok() && !bare.knows_drafts());
        for body in ["--repo=evil/evil", "-x", "-"] {
            assert!(
                matches!(bare.arguments(&values(body, false)), Err(WorkspaceError::Invalid(_))),
                "{body}"
            );
        }
    }

    #[test]
    fn what_is_no_command_is_refused() {
        for line in [
            "",
            "-x",
            "./gh pr",
            "bin/gh",
            "{repo} x",
            "gh {nothing}",
            "gh {title",
            "gh {draft:}",
            "gh {draft}",
            "gh {env:HOME}",
        ] {
            assert!(CommandTemplate::parse(&words(line)).is_err(), "{line}");
        }
        assert!(CommandTemplate::parse(&["/usr/bin/gh".into(), String::new()]).is_ok());
    }
}
