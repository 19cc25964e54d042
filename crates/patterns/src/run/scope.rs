//! The values of variables in a run.

use parallax_api::agent::MAX_MESSAGE;
use serde_json::{Map, Value, json};

use super::engine::Engine;
use super::step_error::StepError;
use crate::expression::template::{Template, TemplateError};
use crate::expression::values::Scope;

/// The inputs, the run's context, and the results so far.
pub(super) struct Variables<'a>(pub &'a Engine);

impl Scope for Variables<'_> {
    fn get(&self, root: &str) -> Option<Value> {
        let Engine { store, id, pattern, .. } = self.0;
        match root {
            "input" => Some(Value::Object(store.read(|state| Map::from_iter(state.input().clone())))),
            "context" => Some(json!({"executionId": id, "pattern": pattern.name})),
            _ => store.read(|state| state.result(root).cloned()),
        }
    }
}

impl Engine {
    /// A text of the file with its variables filled in: no longer than a message may be.
    pub(super) fn text(&self, text: &str) -> Result<String, StepError> {
        self.text_within(text, MAX_MESSAGE)
    }

    /// The same, with at most `most` bytes.
    pub(super) fn text_within(&self, text: &str, most: usize) -> Result<String, StepError> {
        let template = Template::parse(text).map_err(StepError::type_error)?;
        template.text(&Variables(self), most).map_err(failed)
    }

    /// The same, with the type of a variable that stands alone.
    pub(super) fn value(&self, text: &str) -> Result<Value, StepError> {
        let template = Template::parse(text).map_err(StepError::type_error)?;
        template.value(&Variables(self), MAX_MESSAGE).map_err(failed)
    }
}

fn failed(error: TemplateError) -> StepError {
    match error {
        TemplateError::NoValue(why) => StepError::type_error(why),
        TemplateError::TooLong(most) => {
            StepError::too_large(format!("with its variables filled in, a text is longer than {most} bytes"))
        }
    }
}
