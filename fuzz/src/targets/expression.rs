//! Conditions and templates, in a pattern of which everything else is in order.

pub const TOKENS: &[&str] = &[
    "${",
    "}",
    "(",
    ")",
    "!",
    "&&",
    "||",
    "==",
    "!=",
    "<",
    ">=",
    "'",
    "\"",
    ".",
    "[0]",
    "[",
    "]",
    "input.task",
    "first",
    "1e308",
    "-",
    "null",
    "true",
    "contains",
    " ",
    "\\",
    "$$",
    "\u{0}",
    "$",
    "{",
    "first.x.y.z",
];

pub fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    // A YAML string in double quotes is a JSON string.
    let text = serde_json::to_string(&text).expect("a string is JSON");
    let source = format!(
        "name: fuzzed
inputs: {{task: {{}}}}
structure: {{roles: {{dev: {{agentType: shell, managed: true}}}}}}
workflow:
  steps:
    - {{type: assign, id: first, role: dev, task: {text}}}
    - {{type: condition, if: {text}, then: [{{type: assign, role: dev, task: x}}]}}
  output: {text}
"
    );
    // Findings or a pattern: both are an answer.
    drop(parallax_patterns::check::read(&source));
}
