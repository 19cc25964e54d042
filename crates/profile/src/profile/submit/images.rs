//! How a CLI takes images, and how its composer shows that it has.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::observation::Composer;
use crate::profile::pattern::Pattern;

/// What stands for the path in [`ImageRule::insert`].
pub(crate) const PATH: &str = "{path}";

/// How images are put before the text of a message: one after the other, each until the composer shows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageRule {
    /// What is pasted for one image, with `{path}` for the path of its file, escaped as in a shell.
    pub insert: String,
    /// What the composer shows for an image that it has: the sign without which the message is not entered.
    pub mark: Pattern,
    /// What the prompts that the CLI reports have for images. Default: the marks.
    #[serde(default)]
    pub told: Vec<Pattern>,
}

impl ImageRule {
    /// What is pasted for the image in this file.
    pub fn inserted(&self, file: &Path) -> String {
        let mut path = String::new();
        for char in file.to_string_lossy().chars() {
            if char.is_ascii() && !char.is_ascii_alphanumeric() && !"/._-".contains(char) {
                path.push('\\');
            }
            path.push(char);
        }
        self.insert.replace(PATH, &path)
    }

    /// What a composer shows beside the marks of images. `None`: it does not show `count` of them.
    pub fn beside(&self, composer: &Composer, count: usize) -> Option<Composer> {
        let (marks, beside) = self.split(composer);
        (marks == count).then_some(beside)
    }

    /// What a composer shows beside marks, of which those of `count` images may be among what does not fit.
    pub fn beside_some(&self, composer: &Composer, count: usize) -> Option<Composer> {
        let (marks, beside) = self.split(composer);
        (marks < count).then_some(beside)
    }

    fn split(&self, composer: &Composer) -> (usize, Composer) {
        let Composer::Holds(shown) = composer else { return (0, composer.clone()) };
        let beside = self.mark.without(shown).trim().to_owned();
        let beside = if beside.is_empty() { Composer::Empty } else { Composer::Holds(beside) };
        (self.mark.count(shown), beside)
    }

    /// The marks in a text that a person wrote.
    pub fn count(&self, text: &str) -> usize {
        self.mark.count(text)
    }

    /// A text without marks.
    pub fn without_marks(&self, text: &str) -> String {
        self.mark.without(text)
    }

    /// A prompt as the CLI reports it, or a text that was typed, without what stands for images.
    pub fn untold(&self, prompt: &str) -> String {
        let told = if self.told.is_empty() { std::slice::from_ref(&self.mark) } else { &self.told };
        told.iter().fold(prompt.to_owned(), |prompt, told| told.without(&prompt))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Profiles;

    fn rule(profile: &str) -> ImageRule {
        Profiles::builtin().get(profile).unwrap().submit().images.clone().unwrap()
    }

    #[test]
    fn a_path_is_one_word() {
        let file = Path::new("/state (1)/own/images/m-1/1.png");
        assert_eq!(rule("claude").inserted(file), r"/state\ \(1\)/own/images/m-1/1.png");
        assert_eq!(rule("gemini").inserted(file), r"@/state\ \(1\)/own/images/m-1/1.png ");
    }

    #[test]
    fn marks_are_counted() {
        let holds = |text: &str| Composer::Holds(text.into());
        let table = [
            ("claude", holds("[Image #1] [Image #7]hello"), 2, Some(holds("hello"))),
            ("codex", holds("[Image #1]"), 1, Some(Composer::Empty)),
            ("codex", holds("/images/1.png"), 1, None),
            ("gemini", holds("[Image 1.png] [Image ...ong-name.webp] hi"), 2, Some(holds("hi"))),
            ("gemini", Composer::Empty, 1, None),
            ("gemini", Composer::Absent, 0, Some(Composer::Absent)),
        ];
        for (name, composer, count, expected) in table {
            assert_eq!(rule(name).beside(&composer, count), expected, "{name} {composer:?}");
        }
    }

    #[test]
    fn a_reported_prompt_is_the_text_that_was_sent() {
        assert_eq!(rule("claude").untold("[Image #2] [Image #3]what is this?").trim(), "what is this?");
        let gemini =
            "@1.png @a/2.webp what is this?\n--- Content from referenced files ---\n--- End of content ---";
        assert_eq!(rule("gemini").untold(gemini).trim(), "what is this?");
    }
}
