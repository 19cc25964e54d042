//! The inputs of a pattern: declared, or all that its texts name.

use std::collections::{BTreeMap, BTreeSet};

use parallax_api::pattern::PatternInput;
use serde_json::Value;

use crate::expression;
use crate::expression::template::Template;
use crate::pattern::{FieldType, Output, Pattern, RoleWorkspace, Step, descendants};
use crate::suggest::suggestion;

/// The inputs that a run of the pattern needs or takes.
pub fn inputs(pattern: &Pattern) -> BTreeMap<String, PatternInput> {
    if let Some(inputs) = &pattern.inputs {
        let declared = inputs.iter().map(|(name, input)| {
            let declared = PatternInput {
                r#type: input.r#type.as_str().into(),
                description: input.description.clone(),
                required: input.default.is_none(),
            };
            (name.clone(), declared)
        });
        return declared.collect();
    }
    let needed =
        || PatternInput { r#type: FieldType::Text.as_str().into(), description: None, required: true };
    input_names(pattern).into_iter().map(|name| (name, needed())).collect()
}

/// The inputs of a run, with the defaults of those that were not given.
///
/// # Errors
/// The name of the first that is wrong, and what is wrong with it.
pub fn given_inputs(
    pattern: &Pattern,
    given: &BTreeMap<String, Value>,
) -> Result<BTreeMap<String, Value>, (String, String)> {
    let wanted = inputs(pattern);
    if let Some(name) = given.keys().find(|name| !wanted.contains_key(*name)) {
        let hint = suggestion(name, wanted.keys().map(String::as_str)).unwrap_or_default();
        return Err((name.clone(), format!("the pattern has no input `{name}`; {hint}")));
    }
    let mut inputs = BTreeMap::new();
    for (name, wanted) in wanted {
        let declared = pattern.inputs.as_ref().and_then(|inputs| inputs.get(&name));
        let value = given.get(&name).or(declared.and_then(|input| input.default.as_ref()));
        let Some(value) = value else {
            return Err((name.clone(), format!("the input `{name}` is missing")));
        };
        let kind = declared.map(|input| input.r#type).unwrap_or_default();
        if !kind.holds(value) {
            return Err((name, format!("this input is a {}, not `{value}`", wanted.r#type)));
        }
        inputs.insert(name, value.clone());
    }
    Ok(inputs)
}

/// The names in `${input.…}` anywhere in the file.
fn input_names(pattern: &Pattern) -> BTreeSet<String> {
    let mut texts: Vec<&str> = Vec::new();
    let mut conditions: Vec<&str> = Vec::new();
    for step in descendants(&pattern.workflow.steps) {
        match step {
            Step::Assign(step) => texts.push(&step.task),
            Step::Select(step) => texts.push(&step.task),
            Step::Review(step) => {
                texts.push(&step.subject);
                texts.extend(step.criteria.as_deref());
            }
            Step::Approve(step) => texts.push(&step.subject),
            Step::Aggregate(step) => texts.extend(step.criteria.as_deref()),
            Step::Diff(step) => texts.extend(step.file.as_deref()),
            Step::Merge(step) => {
                texts.extend([Some(step.into.as_str()), step.message.as_deref()].into_iter().flatten());
            }
            Step::Condition(step) => conditions.push(&step.r#if),
            Step::Parallel(_) | Step::Sequential(_) => {}
        }
    }
    match &pattern.workflow.output {
        None => {}
        Some(Output::One(text)) => texts.push(text),
        Some(Output::Several(several)) => texts.extend(several.values().map(String::as_str)),
    }
    for role in pattern.structure.roles.values() {
        texts.extend(role.workdir.as_deref());
        texts.extend(role.env.values().map(String::as_str));
        if let Some(workspace) = &role.workspace {
            let RoleWorkspace { repo, r#ref, branch, .. } = workspace;
            texts.extend([repo, r#ref, branch].into_iter().filter_map(Option::as_deref));
        }
    }
    let mut names = BTreeSet::new();
    let mut take = |variable: &expression::Variable| {
        if variable.root == "input" {
            names.extend(variable.fields.first().cloned());
        }
    };
    for template in texts.into_iter().filter_map(|text| Template::parse(text).ok()) {
        template.variables().for_each(&mut take);
    }
    for condition in conditions.into_iter().filter_map(|text| expression::parse(text).ok()) {
        condition.variables().into_iter().for_each(&mut take);
    }
    names
}
