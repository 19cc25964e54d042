//! Everything that is wrong with a file, at once: its shape by the schema, then what the types cannot say.

mod chart;
mod steps;

use std::collections::BTreeMap;

use parallax_api::execution::USER;
use parallax_api::pattern::{Finding, MAX_SOURCE, PatternInput};
use serde_json::Value;

use crate::expression::template::Template;
use crate::expression::types::{Known, Mistake, Type};
use crate::pattern::{FieldType, Pattern};
use crate::place::Place;
use crate::schema;
use crate::suggest::suggestion;
use crate::yaml::{self, Node};
pub use steps::numbered;

/// Findings of one file at most: whoever has a hundred begins with the first.
const MAX_FINDINGS: usize = 100;

/// What was found, each where it stands.
#[derive(Debug)]
pub struct Findings<'a> {
    root: &'a Node,
    list: Vec<Finding>,
    /// What does not fit: nothing more is said of it.
    hidden: Vec<Place>,
    /// Where the findings are.
    found: Vec<Place>,
}

impl Findings<'_> {
    /// Says nothing more of what is here.
    pub fn hide(&mut self, place: &Place) {
        self.hidden.push(place.clone());
    }

    /// Adds one.
    pub fn add(&mut self, place: &Place, message: impl Into<String>, suggestion: Option<String>) {
        self.add_at(self.root.position(place), place, message, suggestion);
    }

    /// Adds one that stands at this line and column.
    pub fn add_at(
        &mut self,
        (line, column): (usize, usize),
        place: &Place,
        message: impl Into<String>,
        suggestion: Option<String>,
    ) {
        if self.hidden.iter().any(|hidden| place.is_within(hidden)) {
            return;
        }
        self.found.push(place.clone());
        self.list.push(Finding {
            line,
            column,
            field: place.to_string(),
            message: message.into(),
            suggestion,
        });
    }

    /// Says nothing more of what was found so far.
    fn hide_found(&mut self) {
        self.hidden.append(&mut self.found);
    }

    /// Adds mistakes of an expression.
    fn mistakes(&mut self, place: &Place, mistakes: impl IntoIterator<Item = Mistake>) {
        for (message, suggestion) in mistakes {
            self.add(place, message, suggestion);
        }
    }
}

/// Reads a file.
///
/// # Errors
/// Everything that is wrong with it, by line.
pub fn read(source: &str) -> Result<Pattern, Vec<Finding>> {
    if source.len() > MAX_SOURCE {
        let message = format!("a pattern file has at most {MAX_SOURCE} bytes");
        return Err(vec![Finding { line: 1, column: 1, field: String::new(), message, suggestion: None }]);
    }
    let root = yaml::parse(source).map_err(|finding| vec![finding])?;
    let mut findings = Findings { root: &root, list: Vec::new(), hidden: Vec::new(), found: Vec::new() };
    let mended = schema::check(&root, &mut findings);
    findings.hide_found();
    let pattern = match serde_json::from_value::<Pattern>(mended) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            // The schema has said the same in better words, and with lines.
            if findings.list.is_empty() {
                findings.add(&Place::top(), error.to_string(), None);
            }
            None
        }
    };
    if let Some(pattern) = &pattern {
        check(pattern, &mut findings);
    }
    let mut list = findings.list;
    list.sort();
    list.dedup();
    list.truncate(MAX_FINDINGS);
    pattern.filter(|_| list.is_empty()).ok_or(list)
}

fn check(pattern: &Pattern, findings: &mut Findings<'_>) {
    let place = Place::top().field("name");
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let name = &pattern.name;
    if !(1..=63).contains(&name.len()) || name.starts_with('-') || !name.chars().all(fits) {
        let suggestion = "write 1 to 63 lower-case letters, digits and `-`".to_owned();
        findings.add(&place, format!("`{name}` cannot be a name"), Some(suggestion));
    }
    if name == "validate" {
        findings.add(&place, "`validate` is a route, and cannot be a name", None);
    }
    for (name, input) in pattern.inputs.iter().flatten() {
        let place = Place::top().field("inputs").field(name);
        word(name, &place, "an input", findings);
        if input.default.as_ref().is_some_and(|value| !input.r#type.holds(value)) {
            let message = format!("the default of `{name}` is no {}", input.r#type.as_str());
            findings.add(&place.field("default"), message, None);
        }
    }
    let given = given(pattern);
    chart::check(pattern, &given, findings);
    steps::check(pattern, &given, findings);
}

/// A name that variables can have.
fn word(name: &str, place: &Place, what: &str, findings: &mut Findings<'_>) {
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !begins || !name.chars().all(fits) || name.len() > 63 {
        let suggestion = "begin with a letter; then letters, digits, `_` and `-`, 63 at most".to_owned();
        findings.add(place, format!("`{name}` cannot be the name of {what}"), Some(suggestion));
    }
}

/// A role that must be there.
fn role(pattern: &Pattern, name: &str, user: bool, place: &Place, findings: &mut Findings<'_>) {
    if pattern.structure.roles.contains_key(name) || (user && name == USER) {
        return;
    }
    if name == USER {
        let suggestion = "a person can be asked by `approve`, and by the rules for questions".to_owned();
        return findings.add(place, "`user` is the person, and cannot do this", Some(suggestion));
    }
    let known: Vec<&str> = pattern.structure.roles.keys().map(String::as_str).collect();
    let suggestion = suggestion(name, known.iter().copied());
    findings.add(place, format!("there is no role `{name}`"), suggestion);
}

/// What is known when a run begins.
fn given(pattern: &Pattern) -> Known {
    let input = match &pattern.inputs {
        Some(inputs) => {
            Type::Record(inputs.iter().map(|(name, input)| (name.clone(), type_of(input.r#type))).collect())
        }
        // Not declared: a text that a run needs, whatever it is called.
        None => Type::Any,
    };
    let context = ["executionId", "pattern"].map(|name| (name.to_owned(), Type::Text));
    let types = [("input".to_owned(), input), ("context".to_owned(), Type::Record(context.into()))];
    Known { types: types.into(), maybe: BTreeMap::new() }
}

fn type_of(field: FieldType) -> Type {
    match field {
        FieldType::Text => Type::Text,
        FieldType::Number => Type::Number,
        FieldType::Boolean => Type::Boolean,
    }
}

/// A text with variables that must be known.
fn template(text: &str, known: &Known, place: &Place, findings: &mut Findings<'_>) {
    match Template::parse(text) {
        Err(why) => findings.add(place, why, None),
        Ok(template) => {
            let mistakes: Vec<Mistake> =
                template.variables().filter_map(|variable| known.of(variable).err()).collect();
            findings.mistakes(place, mistakes);
        }
    }
}

/// What a run of the pattern must or may be told.
pub fn inputs(pattern: &Pattern) -> BTreeMap<String, PatternInput> {
    if let Some(inputs) = &pattern.inputs {
        let told = inputs.iter().map(|(name, input)| {
            let told = PatternInput {
                r#type: input.r#type.as_str().into(),
                description: input.description.clone(),
                required: input.default.is_none(),
            };
            (name.clone(), told)
        });
        return told.collect();
    }
    let needed =
        || PatternInput { r#type: FieldType::Text.as_str().into(), description: None, required: true };
    steps::input_names(pattern).into_iter().map(|name| (name, needed())).collect()
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
