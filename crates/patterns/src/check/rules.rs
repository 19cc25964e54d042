//! Rules that several parts of a file share: names, roles, templates.

use std::collections::BTreeMap;

use parallax_api::execution::USER;

use crate::expression::template::Template;
use crate::expression::types::{Type, TypeEnv};
use crate::field_path::FieldPath;
use crate::findings::Findings;
use crate::pattern::{FieldType, Pattern};
use crate::suggest::suggestion;

/// Checks a name that expressions can use.
pub(super) fn check_word(name: &str, path: &FieldPath, what: &str, findings: &mut Findings<'_>) {
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !begins || !name.chars().all(fits) || name.len() > 63 {
        let suggestion = "begin with a letter; then letters, digits, `_` and `-`, 63 at most".to_owned();
        findings.add(path, format!("`{name}` cannot be the name of {what}"), Some(suggestion));
    }
}

/// Checks that a role exists; `user` where a person is allowed.
pub(super) fn check_role(
    pattern: &Pattern,
    name: &str,
    user: bool,
    path: &FieldPath,
    findings: &mut Findings<'_>,
) {
    if findings.is_full() || pattern.structure.roles.contains_key(name) || (user && name == USER) {
        return;
    }
    if name == USER {
        let suggestion = "a person can be asked by `approve`, and by the rules for questions".to_owned();
        return findings.add(path, "`user` is the person, and cannot do this", Some(suggestion));
    }
    let suggestion = suggestion(name, pattern.structure.roles.keys().map(String::as_str));
    findings.add(path, format!("there is no role `{name}`"), suggestion);
}

/// The types of the variables at the start of a run.
pub(super) fn given_types(pattern: &Pattern) -> TypeEnv {
    let input = match &pattern.inputs {
        Some(inputs) => {
            Type::record(inputs.iter().map(|(name, input)| (name.clone(), type_of(input.r#type))))
        }
        // Not declared: a text that a run needs, whatever it is called.
        None => Type::Any,
    };
    let context = ["executionId", "pattern"].map(|name| (name.to_owned(), Type::Text));
    let types = [("input".to_owned(), input), ("context".to_owned(), Type::record(context))];
    TypeEnv { types: types.into(), maybe: BTreeMap::new() }
}

/// The type of a declared field.
pub(super) fn type_of(field: FieldType) -> Type {
    match field {
        FieldType::Text => Type::Text,
        FieldType::Number => Type::Number,
        FieldType::Boolean => Type::Boolean,
    }
}

/// Checks a text with variables.
pub(super) fn check_template(text: &str, known: &TypeEnv, path: &FieldPath, findings: &mut Findings<'_>) {
    match Template::parse(text) {
        Err(why) => findings.add(path, why, None),
        Ok(template) => {
            for variable in template.variables() {
                if findings.is_full() {
                    return;
                }
                findings.type_errors(path, known.of(variable).err());
            }
        }
    }
}
