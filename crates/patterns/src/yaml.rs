//! YAML into a tree that knows its lines.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parallax_api::pattern::Finding;
use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};
use serde_json::{Map, Number, Value};

use crate::field_path::{FieldPath, PathSegment};

/// Nodes of a file at most, those of an alias counted each time.
const MAX_NODES: usize = 20_000;
/// Text of a file at most, in bytes, that of an alias counted each time.
const MAX_TEXT: usize = 1024 * 1024;
/// Lists and mappings within each other at most, those of an alias included. Recursion over the tree is bounded by it.
const MAX_DEPTH: usize = 64;

/// A node of a file with its position. Cheap to clone but for scalars.
#[derive(Clone, Debug)]
pub struct Node {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// Its content.
    pub kind: Kind,
}

/// The content of a node.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Text, number, boolean or nothing.
    Plain(Value),
    /// A list.
    List(Arc<[Node]>),
    /// A mapping, in the order of the file.
    Map(Arc<[(Key, Node)]>),
}

/// The key of an entry with its position.
#[derive(Clone, Debug)]
pub struct Key {
    /// The key.
    pub name: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
}

impl Node {
    /// The value without line numbers.
    pub fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Plain(value) => value.clone(),
            Kind::List(items) => items.iter().map(Self::to_json).collect(),
            Kind::Map(entries) => {
                let entries = entries.iter().map(|(key, value)| (key.name.clone(), value.to_json()));
                Value::Object(Map::from_iter(entries))
            }
        }
    }

    /// The line and column of this path, or else of the nearest node around it.
    pub fn position(&self, path: &FieldPath) -> (usize, usize) {
        let (mut node, mut at) = (self, (self.line, self.column));
        for part in path.segments() {
            let next = match (&node.kind, part) {
                (Kind::List(items), PathSegment::Index(index)) => items.get(*index),
                (Kind::Map(entries), PathSegment::Field(name)) => {
                    let entry = entries.iter().find(|(key, _)| *key.name == **name);
                    entry.map(|(_, value)| value)
                }
                _ => None,
            };
            let Some(next) = next else { return at };
            (node, at) = (next, (next.line, next.column));
        }
        at
    }

    /// Its type, for messages.
    pub fn word(&self) -> &'static str {
        match &self.kind {
            Kind::Plain(Value::Null) => "nothing",
            Kind::Plain(Value::Bool(_)) => "a boolean",
            Kind::Plain(Value::Number(_)) => "a number",
            Kind::Plain(_) => "a text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a mapping",
        }
    }
}

/// Reads a document. JSON is YAML.
///
/// # Errors
/// The position where it is no YAML, exceeds a limit, or repeats a key.
pub fn parse(source: &str) -> Result<Node, Finding> {
    let mut reader = Reader {
        parser: Parser::new_from_str(source),
        anchors: HashMap::new(),
        size: Size::default(),
        depth: 0,
        deepest: 0,
    };
    loop {
        match reader.next()? {
            (Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _) => {}
            (Event::StreamEnd | Event::DocumentEnd, at) => return Err(finding(at, "the file is empty")),
            (event, at) => {
                let node = reader.node(event, at)?;
                return reader.end().map(|()| node);
            }
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Anchor>,
    size: Size,
    depth: usize,
    /// The greatest depth since the innermost anchored node began.
    deepest: usize,
}

/// A node that aliases can repeat.
struct Anchor {
    node: Node,
    size: Size,
    /// Lists and mappings within each other in it.
    height: usize,
}

#[derive(Clone, Copy, Default)]
struct Size {
    nodes: usize,
    text: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Finding> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            // The parser has a bound of its own on lists and mappings in one line.
            Some(Err(error)) if error.info() == "recursion limit exceeded" => {
                Err(finding(Span::new(*error.marker(), *error.marker()), too_deep()))
            }
            Some(Err(error)) => Err(Finding {
                line: error.marker().line(),
                column: error.marker().col() + 1,
                field: String::new(),
                message: format!("this is no YAML: {}", error.info()),
                suggestion: Some("check the indentation, and quote texts that hold `: ` or ` #`".into()),
            }),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'a>, at: Span) -> Result<Node, Finding> {
        let before = self.size;
        let deepest = std::mem::replace(&mut self.deepest, self.depth);
        self.count(Size { nodes: 1, text: 0 }, at)?;
        let (anchor, kind) = match event {
            Event::Scalar(text, style, anchor, _) => {
                self.count(Size { nodes: 0, text: text.len() }, at)?;
                (anchor, Kind::Plain(plain(text, style)))
            }
            Event::SequenceStart(anchor, _) => (anchor, self.list(at)?),
            Event::MappingStart(anchor, _) => (anchor, self.map(at)?),
            Event::Alias(anchor) => {
                let Some(Anchor { node, size, height }) = self.anchors.get(&anchor) else {
                    return Err(finding(at, "an alias of itself has no end"));
                };
                let (node, size, height) = (node.clone(), *size, *height);
                self.count(size, at)?;
                self.deepest = deepest.max(self.depth + height);
                self.check_depth(self.depth + height, at)?;
                return Ok(node);
            }
            other => return Err(finding(at, format!("this is no YAML that is understood here: {other:?}"))),
        };
        let node = Node { line: at.start.line(), column: at.start.col() + 1, kind };
        if anchor > 0 {
            let size = Size { nodes: self.size.nodes - before.nodes, text: self.size.text - before.text };
            let height = self.deepest - self.depth;
            self.anchors.insert(anchor, Anchor { node: node.clone(), size, height });
        }
        self.deepest = self.deepest.max(deepest);
        Ok(node)
    }

    fn list(&mut self, at: Span) -> Result<Kind, Finding> {
        self.deeper(at)?;
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => break,
                (event, at) => items.push(self.node(event, at)?),
            }
        }
        self.depth -= 1;
        Ok(Kind::List(items.into()))
    }

    fn map(&mut self, at: Span) -> Result<Kind, Finding> {
        self.deeper(at)?;
        let mut entries: Vec<(Key, Node)> = Vec::new();
        let mut names = HashSet::new();
        loop {
            let (name, at) = match self.next()? {
                (Event::MappingEnd, _) => break,
                (Event::Scalar(text, ..), at) => (text.into_owned(), at),
                (_, at) => return Err(finding(at, "a key is a text")),
            };
            self.count(Size { nodes: 0, text: name.len() }, at)?;
            if !names.insert(name.clone()) {
                return Err(finding(at, format!("`{name}` stands twice in this mapping")));
            }
            let key = Key { name, line: at.start.line(), column: at.start.col() + 1 };
            let (event, at) = self.next()?;
            entries.push((key, self.node(event, at)?));
        }
        self.depth -= 1;
        Ok(Kind::Map(entries.into()))
    }

    fn deeper(&mut self, at: Span) -> Result<(), Finding> {
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
        self.check_depth(self.depth, at)
    }

    fn check_depth(&self, depth: usize, at: Span) -> Result<(), Finding> {
        if depth > MAX_DEPTH {
            return Err(finding(at, too_deep()));
        }
        Ok(())
    }

    /// Counts before anything is copied.
    fn count(&mut self, more: Size, at: Span) -> Result<(), Finding> {
        self.size.nodes += more.nodes;
        self.size.text += more.text;
        if self.size.nodes > MAX_NODES {
            return Err(finding(at, format!("a file has at most {MAX_NODES} values")));
        }
        if self.size.text > MAX_TEXT {
            return Err(finding(
                at,
                format!("a file has at most {MAX_TEXT} bytes of text, aliases included"),
            ));
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Finding> {
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(()),
                (Event::DocumentEnd, _) => {}
                (_, at) => return Err(finding(at, "a file holds one document")),
            }
        }
    }
}

fn too_deep() -> String {
    format!("at most {MAX_DEPTH} lists and mappings may stand within each other")
}

fn finding(at: Span, message: impl Into<String>) -> Finding {
    Finding {
        line: at.start.line().max(1),
        column: at.start.col() + 1,
        field: String::new(),
        message: message.into(),
        suggestion: None,
    }
}

/// A scalar by YAML 1.2's core schema: only what is not quoted can be something else than text.
fn plain(text: Cow<'_, str>, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::String(text.into_owned());
    }
    match text.as_ref() {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let begins_as_number = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
    let number = || {
        let digits = text.strip_prefix('+').unwrap_or(&text);
        if let Ok(whole) = digits.parse::<i64>() {
            return Some(Number::from(whole));
        }
        Number::from_f64(digits.parse().ok()?)
    };
    match number().filter(|_| begins_as_number) {
        Some(number) => Value::Number(number),
        None => Value::String(text.into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn scalars_lists_and_anchors() {
        let source =
            "a: 1\nb: [yes, true, '1', 1.5, ~, 0x1F, -3]\nc: &x {k: v}\nd: *x\ne: |\n  two\n  lines\n";
        let expected = json!({"a": 1, "b": ["yes", true, "1", 1.5, null, "0x1F", -3], "c": {"k": "v"},
            "d": {"k": "v"}, "e": "two\nlines\n"});
        assert_eq!(parse(source).unwrap().to_json(), expected);
        assert_eq!(parse(r#"{"a": [1, {"b": "c"}]}"#).unwrap().to_json(), json!({"a": [1, {"b": "c"}]}));
    }

    #[test]
    fn what_is_no_file_says_where() {
        for (source, line, words) in [
            ("", 1, "empty"),
            ("a: 1\na: 2\n", 2, "twice"),
            ("a: 1\n---\nb: 2\n", 2, "one document"),
            ("a: [1, 2\nb: 3\n", 2, "no YAML"),
            ("a: 1\n? [x]\n: 2\n", 2, "key"),
        ] {
            let finding = parse(source).unwrap_err();
            assert!(
                finding.line.abs_diff(line) <= 1 && finding.message.contains(words),
                "{source:?}: {finding:?}"
            );
        }
    }

    #[test]
    fn repeated_anchors_do_not_explode() {
        let mut source = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..9 {
            let last = vec![format!("*a{}", n - 1); 10].join(", ");
            source.push_str(&format!("a{n}: &a{n} [{last}]\n"));
        }
        assert!(parse(&source).unwrap_err().message.contains("20000"));
        assert!(parse(&"[".repeat(500)).is_err());
        let text = format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), vec!["*a"; 1000].join(", "));
        assert!(parse(&text).unwrap_err().message.contains("bytes of text"));
        // Nested through aliases: no deeper than what is nested in the file itself.
        let nested = |levels: usize| {
            let mut source = "a0: &a0 [x]\n".to_owned();
            for n in 1..levels {
                source.push_str(&format!("a{n}: &a{n} {{k: [*a{}]}}\n", n - 1));
            }
            parse(&source)
        };
        assert!(nested(31).is_ok());
        assert!(nested(40).unwrap_err().message.contains("within each other"));
    }
}
