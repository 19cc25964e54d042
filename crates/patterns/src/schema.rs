//! The JSON Schema of pattern files, made from the types, and the check of a file's shape against it.

use serde_json::{Map, Value};

use crate::field_path::FieldPath;
use crate::findings::Findings;
use crate::pattern::Pattern;
use crate::suggest::suggestion;
use crate::yaml::{Key, Kind, Node};

/// The schema, for editors.
pub fn schema() -> Value {
    schemars::schema_for!(Pattern).to_value()
}

/// Finds everything in the tree that the schema does not allow. Returns the tree as JSON, repaired: values that do not fit
/// are left out or replaced by blank ones, so that the rest can be checked as well.
pub fn check(node: &Node, findings: &mut Findings<'_>) -> Value {
    let schema = schema();
    let checker = SchemaChecker { definitions: &schema["$defs"] };
    checker.check(node, &schema, &FieldPath::top(), findings).unwrap_or_else(|| checker.blank(&schema))
}

/// The part of JSON Schema that our types make.
struct SchemaChecker<'a> {
    definitions: &'a Value,
}

impl SchemaChecker<'_> {
    fn resolve<'b>(&'b self, schema: &'b Value) -> &'b Value {
        match schema["$ref"].as_str().and_then(|reference| reference.strip_prefix("#/$defs/")) {
            Some(name) => self.resolve(&self.definitions[name]),
            None => schema,
        }
    }

    /// The value as far as it fits; none when nothing of it does.
    fn check(
        &self,
        node: &Node,
        schema: &Value,
        path: &FieldPath,
        findings: &mut Findings<'_>,
    ) -> Option<Value> {
        if findings.is_full() {
            return None;
        }
        let schema = self.resolve(schema);
        if let Some(options) = schema["anyOf"].as_array().or(schema["oneOf"].as_array()) {
            return self.check_one_of(node, options, path, findings);
        }
        if schema.get("const").is_some() || schema.get("enum").is_some() {
            return check_words(node, std::slice::from_ref(schema), path, findings);
        }
        let wanted: Vec<&str> = match &schema["type"] {
            Value::String(name) => vec![name],
            Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
            // Anything will do.
            _ => return Some(node.to_json()),
        };
        if !wanted.iter().any(|name| is_a(node, name)) {
            let words: Vec<&str> =
                wanted.iter().filter(|name| **name != "null").map(|n| word_of(n)).collect();
            let message = format!("this is {}, and should be {}", node.word(), words.join(" or "));
            let quoting = wanted.contains(&"string")
                && matches!(node.kind, Kind::Plain(Value::Number(_) | Value::Bool(_)));
            findings.add(path, message, quoting.then(|| "put it in quotes".to_owned()));
            return None;
        }
        match &node.kind {
            Kind::Map(entries) => Some(self.check_map(entries, schema, path, findings)),
            Kind::List(items) => {
                check_least(items.len(), schema, path, findings);
                let check = |(index, item)| {
                    let mended = self.check(item, &schema["items"], &path.index(index), findings);
                    // Blank, not left out: the others keep their numbers.
                    mended.unwrap_or_else(|| self.blank(&schema["items"]))
                };
                Some(items.iter().enumerate().map(check).collect())
            }
            Kind::Plain(Value::Number(number)) => {
                check_range(number.as_f64().unwrap_or(f64::MAX), schema, path, findings)
                    .then(|| node.to_json())
            }
            Kind::Plain(_) => Some(node.to_json()),
        }
    }

    fn check_map(
        &self,
        entries: &[(Key, Node)],
        schema: &Value,
        path: &FieldPath,
        findings: &mut Findings<'_>,
    ) -> Value {
        let none = Map::new();
        let fields = schema["properties"].as_object().unwrap_or(&none);
        let mut mended = Map::new();
        for (key, value) in entries {
            let here = path.field(&key.name);
            let value = match (fields.get(&key.name), &schema["additionalProperties"]) {
                (Some(field), _) => self.check(value, field, &here, findings),
                (None, Value::Bool(false)) => {
                    let message = format!("there is no field `{}` here", key.name);
                    let known = fields.keys().map(String::as_str);
                    findings.add_at((key.line, key.column), &here, message, suggestion(&key.name, known));
                    None
                }
                (None, Value::Object(_)) => {
                    self.check(value, &schema["additionalProperties"], &here, findings)
                }
                (None, _) => Some(value.to_json()),
            };
            mended.extend(value.map(|value| (key.name.clone(), value)));
        }
        for name in required(schema) {
            if entries.iter().all(|(key, _)| key.name != name) {
                let purpose = fields.get(name).and_then(|field| field["description"].as_str());
                findings.add(
                    &path.field(name),
                    format!("the field `{name}` is missing"),
                    purpose.map(|text| format!("add `{name}`: {}", lower(text))),
                );
            }
            if !mended.contains_key(name) {
                mended.insert(name.to_owned(), self.blank(&fields[name]));
            }
        }
        Value::Object(mended)
    }

    /// One of several options: by `type` in a tagged union, else by the kind of the value.
    fn check_one_of(
        &self,
        node: &Node,
        options: &[Value],
        path: &FieldPath,
        findings: &mut Findings<'_>,
    ) -> Option<Value> {
        let options: Vec<&Value> = options.iter().map(|option| self.resolve(option)).collect();
        if options.iter().all(|option| option.get("const").is_some() || option.get("enum").is_some()) {
            return check_words(node, &options, path, findings);
        }
        if let (Kind::Map(entries), true) = (&node.kind, options.iter().all(|option| tag(option).is_some())) {
            let field = |name: &str| entries.iter().find(|(key, _)| key.name == name).map(|(_, value)| value);
            let Some(kind) = field("type") else {
                let words: Vec<String> =
                    options.iter().filter_map(|option| tag(option)).map(|word| format!("`{word}`")).collect();
                let suggestion = format!("add `type`: one of {}", words.join(", "));
                findings.add(&path.field("type"), "the field `type` is missing", Some(suggestion));
                return Some(self.unknown_step(stand_in(&options), field("id")));
            };
            let json = kind.to_json();
            if let Some(option) = options.iter().find(|option| tag(option) == json.as_str()) {
                return self.check(node, option, path, findings);
            }
            let words: Vec<&Value> = options.iter().map(|option| &option["properties"]["type"]).collect();
            check_words(kind, &words, &path.field("type"), findings);
            findings.hide(path);
            return Some(self.unknown_step(stand_in(&options), field("id")));
        }
        let fits = |option: &&&Value| match &option["type"] {
            Value::String(name) => is_a(node, name),
            _ => true,
        };
        // `null` is an option of every optional field, and rarely the one that is meant.
        let meant =
            options.iter().find(fits).or_else(|| options.iter().find(|option| option["type"] != "null"));
        meant.and_then(|option| self.check(node, option, path, findings))
    }

    /// A step of which only the id is known.
    fn unknown_step(&self, option: &Value, id: Option<&Node>) -> Value {
        let mut blank = self.blank(option);
        if let Some(id) = id.map(Node::to_json).filter(Value::is_string) {
            blank["id"] = id;
        }
        blank
    }

    /// The least that fits.
    fn blank(&self, schema: &Value) -> Value {
        let schema = self.resolve(schema);
        if let Some(options) = schema["anyOf"].as_array().or(schema["oneOf"].as_array()) {
            let options: Vec<&Value> = options.iter().map(|option| self.resolve(option)).collect();
            return self.blank(stand_in(&options));
        }
        if let Some(word) = schema.get("const").or(schema["enum"].get(0)) {
            return word.clone();
        }
        match schema["type"].as_str().or(schema["type"][0].as_str()) {
            Some("string") => Value::String(String::new()),
            Some("array") => Value::Array(Vec::new()),
            Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(Value::from(0)),
            Some("boolean") => Value::Bool(false),
            Some("object") => required(schema)
                .map(|name| (name.to_owned(), self.blank(&schema["properties"][name])))
                .collect::<Map<_, _>>()
                .into(),
            _ => Value::Null,
        }
    }
}

/// The `type` of an option of a tagged union.
fn tag(option: &Value) -> Option<&str> {
    option["properties"]["type"]["const"].as_str()
}

/// The option that a blank value has: the step that needs no other steps, or else nothing, a text, the first of the others.
fn stand_in<'a>(options: &[&'a Value]) -> &'a Value {
    let rank = |option: &&&'a Value| match (tag(option), option["type"].as_str()) {
        (Some("assign"), _) => 0,
        (_, Some("null")) => 1,
        (_, Some("string")) => 2,
        _ => 3,
    };
    options.iter().min_by_key(rank).copied().unwrap_or(&Value::Null)
}

fn required(schema: &Value) -> impl Iterator<Item = &str> {
    schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn check_words<S: std::borrow::Borrow<Value>>(
    node: &Node,
    options: &[S],
    path: &FieldPath,
    findings: &mut Findings<'_>,
) -> Option<Value> {
    let words: Vec<&str> = options
        .iter()
        .map(std::borrow::Borrow::borrow)
        .flat_map(|option| {
            let several = option["enum"].as_array().into_iter().flatten();
            option["const"].as_str().into_iter().chain(several.filter_map(Value::as_str))
        })
        .collect();
    let json = node.to_json();
    let given = json.as_str().unwrap_or_else(|| node.word());
    if words.contains(&given) {
        return Some(json);
    }
    let suggestion = suggestion(given, words.iter().copied());
    findings.add(path, format!("`{given}` is none of the words that may stand here"), suggestion);
    None
}

fn check_range(number: f64, schema: &Value, path: &FieldPath, findings: &mut Findings<'_>) -> bool {
    let (least, most) = (schema["minimum"].as_f64(), schema["maximum"].as_f64());
    let below = least.is_some_and(|least| number < least);
    let above = most.is_some_and(|most| number > most);
    if below || above {
        let bounds = match (least, most) {
            (Some(least), Some(most)) => format!("{least} to {most}"),
            (Some(least), None) => format!("at least {least}"),
            _ => format!("at most {}", most.unwrap_or_default()),
        };
        findings.add(path, format!("{number} is out of range"), Some(format!("allowed is {bounds}")));
    }
    !below && !above
}

fn check_least(count: usize, schema: &Value, path: &FieldPath, findings: &mut Findings<'_>) {
    if let Some(least) = schema["minItems"].as_u64().filter(|least| (count as u64) < *least) {
        findings.add(path, format!("this list has {count} entries, and needs at least {least}"), None);
    }
}

fn is_a(node: &Node, name: &str) -> bool {
    match (&node.kind, name) {
        (Kind::Plain(Value::Null), "null")
        | (Kind::Plain(Value::Bool(_)), "boolean")
        | (Kind::Plain(Value::Number(_)), "number")
        | (Kind::Plain(Value::String(_)), "string")
        | (Kind::List(_), "array")
        | (Kind::Map(_), "object") => true,
        (Kind::Plain(Value::Number(number)), "integer") => number.is_i64() || number.is_u64(),
        _ => false,
    }
}

fn word_of(name: &str) -> &str {
    match name {
        "string" => "a text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "`true` or `false`",
        "array" => "a list",
        "object" => "a mapping",
        other => other,
    }
}

fn lower(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}
