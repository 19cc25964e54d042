//! The values of variables in a run.

use serde_json::{Map, Value, json};

use super::engine::Engine;
use super::step_error::StepError;
use crate::expression::eval::Scope;
use crate::expression::template::Template;

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
    /// A text of the file with its variables filled in.
    pub(super) fn text(&self, text: &str) -> Result<String, StepError> {
        let template = Template::parse(text).map_err(StepError::type_error)?;
        template.text(&Variables(self)).map_err(StepError::type_error)
    }

    /// The same, with the type of a variable that stands alone.
    pub(super) fn value(&self, text: &str) -> Result<Value, StepError> {
        let template = Template::parse(text).map_err(StepError::type_error)?;
        template.value(&Variables(self)).map_err(StepError::type_error)
    }
}
