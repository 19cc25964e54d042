//! The values of variables in a run.

use serde_json::{Map, Value, json};

use super::Inner;
use super::failure::Failure;
use crate::expression::eval::Scope;
use crate::expression::template::Template;

/// What was told, what is known of the run, and the results there are.
pub(super) struct Variables<'a>(pub &'a Inner);

impl Scope for Variables<'_> {
    fn get(&self, root: &str) -> Option<Value> {
        let Inner { book, id, pattern, .. } = self.0;
        match root {
            "input" => Some(Value::Object(book.read(|ledger| Map::from_iter(ledger.input().clone())))),
            "context" => Some(json!({"executionId": id, "pattern": pattern.name})),
            _ => book.read(|ledger| ledger.result(root).cloned()),
        }
    }
}

impl Inner {
    /// A text of the file with its variables filled in.
    pub(super) fn text(&self, text: &str) -> Result<String, Failure> {
        let template = Template::parse(text).map_err(Failure::untyped)?;
        template.text(&Variables(self)).map_err(Failure::untyped)
    }

    /// The same, with the type of a variable that stands alone.
    pub(super) fn value(&self, text: &str) -> Result<Value, Failure> {
        let template = Template::parse(text).map_err(Failure::untyped)?;
        template.value(&Variables(self)).map_err(Failure::untyped)
    }
}
