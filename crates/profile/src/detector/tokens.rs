//! Tokens that an agent has used, from the running totals or the single answers that its CLI reports.

use serde_json::Value;

use crate::observation::DetectorEvent;
use crate::profile::report::ReportPointers;

/// Conversations that are told apart. Of more, each counts as going on.
const MAX_CONVERSATIONS: usize = 256;

/// Tokens of one agent over all its conversations. The sums never go down: a CLI that resumes a conversation may count
/// from zero or go on counting, and a new conversation adds to the ones before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    input: u64,
    output: u64,
    /// What the conversations before the current one used: a reported total is about one conversation.
    earlier: (u64, u64),
    /// The conversations that were reported, each with what had been used before it.
    conversations: Vec<(String, (u64, u64))>,
    /// The answer whose tokens were added last: the same id again replaces them.
    last: Option<(String, u64, u64)>,
}

impl Tokens {
    /// Tokens that were used before, all of them in the conversation that goes on.
    pub fn used(input: u64, output: u64) -> Self {
        Self { input, output, ..Self::default() }
    }

    /// The same sums for the next process of the agent: with another conversation, unless it is resumed.
    pub fn carried_over(mut self, is_resumed: bool) -> Self {
        if !is_resumed {
            self.earlier = (self.input, self.output);
        }
        self.last = None;
        self.conversations.clear();
        self
    }

    /// Another conversation of the same process (`/new`) counts from zero. One that was there before goes on from where it began.
    pub(super) fn of_conversation(&mut self, id: &str) {
        if let Some((_, earlier)) = self.conversations.iter().find(|(known, _)| known == id) {
            self.earlier = *earlier;
        } else if self.conversations.len() < MAX_CONVERSATIONS {
            if !self.conversations.is_empty() {
                (self.earlier, self.last) = ((self.input, self.output), None);
            }
            self.conversations.push((id.to_owned(), self.earlier));
        }
    }

    /// Adds what a report says; an event when a sum changed.
    pub(super) fn add(
        &mut self,
        pointers: &ReportPointers,
        value: &Value,
        id: Option<&str>,
    ) -> Option<DetectorEvent> {
        let number = |pointer: &String| value.pointer(pointer).and_then(Value::as_u64);
        let before = (self.input, self.output);
        let total = |pointer: &Option<String>| pointer.as_ref().and_then(number).unwrap_or_default();
        self.input = self.input.max(self.earlier.0.saturating_add(total(&pointers.total_input_tokens)));
        self.output = self.output.max(self.earlier.1.saturating_add(total(&pointers.total_output_tokens)));

        let sum = |pointers: &[String]| pointers.iter().filter_map(number).fold(0, u64::saturating_add);
        let (input, output) = (sum(&pointers.input_tokens), sum(&pointers.output_tokens));
        if (input, output) != (0, 0) {
            // An answer may be reported while it grows.
            let (old_input, old_output) = match self.last.take_if(|(last, ..)| Some(last.as_str()) == id) {
                Some((_, input, output)) => (input, output),
                None => (0, 0),
            };
            self.input = self.input.saturating_add(input.saturating_sub(old_input));
            self.output = self.output.saturating_add(output.saturating_sub(old_output));
            self.last = id.map(|id| (id.to_owned(), input.max(old_input), output.max(old_output)));
        }
        (before != (self.input, self.output))
            .then_some(DetectorEvent::Tokens { input: self.input, output: self.output })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn total(tokens: &mut Tokens, input: u64) -> u64 {
        let pointers = ReportPointers { total_input_tokens: Some("/in".into()), ..ReportPointers::default() };
        tokens.add(&pointers, &json!({ "in": input }), None);
        tokens.input
    }

    fn answer(tokens: &mut Tokens, id: &str, input: u64) -> u64 {
        let pointers = ReportPointers { input_tokens: vec!["/in".into()], ..ReportPointers::default() };
        tokens.add(&pointers, &json!({ "in": input }), Some(id));
        tokens.input
    }

    #[test]
    fn sums_never_go_down() {
        let mut tokens = Tokens::default();
        assert_eq!(total(&mut tokens, 10), 10);
        assert_eq!(total(&mut tokens, 4), 10, "a total that shrinks (a compacted conversation)");
        let mut resumed = tokens.clone().carried_over(true);
        assert_eq!(total(&mut resumed, 15), 15, "the CLI goes on counting");
        let mut anew = tokens.carried_over(false);
        assert_eq!(total(&mut anew, 15), 25, "the CLI counts a new conversation");
    }

    #[test]
    fn answers_are_added_once_each() {
        let mut tokens = Tokens::default();
        assert_eq!(answer(&mut tokens, "a", 10), 10);
        assert_eq!(answer(&mut tokens, "a", 12), 12, "the same answer, later");
        assert_eq!(answer(&mut tokens, "b", 5), 17);
        let mut resumed = tokens.carried_over(true);
        assert_eq!(answer(&mut resumed, "c", 5), 22);
    }
}
