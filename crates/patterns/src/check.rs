//! Everything that is wrong with a file, at once: its shape by the schema, then what the types cannot express.

mod chart;
mod inputs;
mod rules;
mod steps;

use parallax_api::pattern::{Finding, MAX_SOURCE};

use crate::field_path::FieldPath;
use crate::findings::Findings;
use crate::pattern::Pattern;
use crate::schema;
use crate::yaml;
pub use inputs::{given_inputs, inputs};
use rules::check_word;

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
    let mut findings = Findings::new(&root);
    let mended = schema::check(&root, &mut findings);
    findings.hide_found();
    let pattern = match serde_json::from_value::<Pattern>(mended) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            // The findings of the schema say the same more clearly, and with lines.
            if findings.is_empty() {
                findings.add(&FieldPath::top(), error.to_string(), None);
            }
            None
        }
    };
    if let Some(pattern) = &pattern {
        check(pattern, &mut findings);
    }
    let list = findings.into_sorted();
    pattern.filter(|_| list.is_empty()).ok_or(list)
}

fn check(pattern: &Pattern, findings: &mut Findings<'_>) {
    let path = FieldPath::top().field("name");
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let name = &pattern.name;
    if !(1..=63).contains(&name.len()) || name.starts_with('-') || !name.chars().all(fits) {
        let suggestion = "write 1 to 63 lower-case letters, digits and `-`".to_owned();
        findings.add(&path, format!("`{name}` cannot be a name"), Some(suggestion));
    }
    if name == "validate" {
        findings.add(&path, "`validate` is a route, and cannot be a name", None);
    }
    for (name, input) in pattern.inputs.iter().flatten() {
        let path = FieldPath::top().field("inputs").field(name);
        check_word(name, &path, "an input", findings);
        if input.default.as_ref().is_some_and(|value| !input.r#type.holds(value)) {
            let message = format!("the default of `{name}` is no {}", input.r#type.as_str());
            findings.add(&path.field("default"), message, None);
        }
    }
    let given = rules::given_types(pattern);
    chart::check(pattern, &given, findings);
    steps::check(pattern, &given, findings);
}
