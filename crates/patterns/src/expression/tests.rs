use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::eval;
use super::template::{Template, TemplateError};
use super::types::{self, Type, TypeEnv};
use super::values::Scope;
use super::*;

/// The longest text of these tests.
const MAX: usize = 1000;

struct Values(Value);

impl Scope for Values {
    fn get(&self, root: &str) -> Option<Value> {
        self.0.get(root).cloned()
    }
}

fn scope() -> Values {
    Values(json!({
        "input": {"task": "cost $5 ${input.task}", "urgent": true, "n": 3},
        "review": {"approved": false, "verdict": "rejected"},
        "score": "{\"value\": 8, \"ok\": \"true\"}",
        "fenced": "Here it is:\n```json\n{\"value\": 9}\n```\nDone.",
        "said": " Yes ", "list": ["a", "b"],
    }))
}

#[test]
fn conditions() {
    for (text, expected) in [
        ("true", true),
        ("!true", false),
        ("${input.urgent} && !${review.approved}", true),
        ("review.approved || input.n >= 3", true),
        ("${score.value} > 7 && ${score.value} <= 8", true),
        ("${fenced.value} == 9", true),
        ("score.ok", true),
        ("said == 'Yes'", true),
        ("said != \"Yes\"", false),
        ("list.1 == 'b'", true),
        ("(false || true) && !(1 > 2)", true),
        ("false && true || true", true),
        ("-1 < 0.5", true),
        ("review.verdict != null", true),
        ("'b' > 'a'", true),
    ] {
        assert_eq!(eval::holds(&parse(text).unwrap(), &scope()), Ok(expected), "{text}");
    }
    for text in ["said > 3", "said", "nobody == 1", "said.field == 1", "review.nothing", "list > 2"] {
        assert!(eval::holds(&parse(text).unwrap(), &scope()).is_err(), "{text}");
    }
}

#[test]
fn what_is_no_condition() {
    for (text, words) in [
        ("", "empty"),
        ("a = b", "`==`"),
        ("a & b", "`&&`"),
        ("(a", "`)`"),
        ("a b", "too many"),
        ("a ==", "missing"),
        ("${a", "`}`"),
        ("'x", "quote"),
        ("a == 1.2.3", "no number"),
        ("${a b}", "no variable"),
        ("a..b", "no variable"),
        ("&& a", "where a value should"),
        ("a @ b", "means nothing"),
    ] {
        let why = parse(text).unwrap_err();
        assert!(why.contains(words), "{text}: {why}");
    }
    assert!(parse(&format!("{}true", "(".repeat(1000))).is_err());
}

#[test]
fn types_are_known_before() {
    let record = |fields: &[(&str, Type)]| {
        Type::record(fields.iter().map(|(name, known)| ((*name).to_owned(), known.clone())))
    };
    let known = TypeEnv {
        types: BTreeMap::from([
            ("input".to_owned(), record(&[("task", Type::Text), ("n", Type::Number)])),
            ("review".to_owned(), record(&[("approved", Type::Boolean), ("comments", Type::Text)])),
            ("said".to_owned(), Type::Any),
        ]),
        maybe: BTreeMap::from([("rework".to_owned(), "it is done in a condition".to_owned())]),
    };
    for text in ["review.approved && said > 3", "input.n == 1", "said.x == 'y' || !said", "input.task < 'b'"]
    {
        assert_eq!(types::check(&parse(text).unwrap(), &known), Ok(Type::Boolean), "{text}");
    }
    for (text, words) in [
        ("review.aproved", "did you mean `approved`"),
        ("review.approved == 'true'", "without quotes"),
        ("review.approved > 1", "numbers or texts"),
        ("input.task && true", "wants true or false"),
        ("input.task == 3", "never holds"),
        ("input.task.x == 3", "has none"),
        ("reviw.approved", "did you mean `review`"),
        ("rework.x", "condition"),
    ] {
        let mistakes = types::check(&parse(text).unwrap(), &known).unwrap_err();
        assert!(format!("{mistakes:?}").contains(words), "{text}: {mistakes:?}");
    }
    let two = types::check(&parse("nobody == 1 && nothing == 2").unwrap(), &known).unwrap_err();
    assert_eq!(two.len(), 2);
}

#[test]
fn text_that_contains_a_dollar_stays_text() {
    for (text, expected) in [
        ("plain", "plain"),
        ("$5 and $ and $$", "$5 and $ and $$"),
        ("$${input.task}", "${input.task}"),
        ("do: ${input.task}!", "do: cost $5 ${input.task}!"),
        ("${input.n}${input.urgent}", "3true"),
        ("${list}", "[\"a\",\"b\"]"),
    ] {
        assert_eq!(Template::parse(text).unwrap().text(&scope(), MAX).unwrap(), expected, "{text}");
    }
    assert_eq!(Template::parse("${list}").unwrap().value(&scope(), MAX).unwrap(), json!(["a", "b"]));
    for text in ["${", "${a", "${}", "${a b}"] {
        assert!(Template::parse(text).is_err(), "{text}");
    }
    assert!(Template::parse("${nobody}").unwrap().text(&scope(), MAX).is_err());
}

/// Counts how often a root is fetched.
struct Counting(Values, std::cell::Cell<usize>);

impl Scope for Counting {
    fn get(&self, root: &str) -> Option<Value> {
        self.1.set(self.1.get() + 1);
        self.0.get(root)
    }
}

#[test]
fn a_text_is_bounded_before_it_is_made() {
    let long =
        Values(json!({"x": "A".repeat(1_000_000), "list": vec!["b".repeat(1000); 1000], "none": null}));
    let most = 1024 * 1024;
    for text in ["${x}".repeat(20_000), "${list}".repeat(1000), format!("{}${{x}}", "c".repeat(100_000))] {
        let scope = Counting(Values(long.0.clone()), Default::default());
        let made = Template::parse(&text).unwrap().text(&scope, most);
        assert_eq!(made, Err(TemplateError::TooLong(most)));
        assert_eq!(scope.1.get(), 1, "each value is fetched once");
    }
    let text = Template::parse("${x}${none}").unwrap().text(&long, most).unwrap();
    assert_eq!(text.len(), 1_000_000);
    let exact = Template::parse("${x}").unwrap();
    assert!(exact.text(&long, 1_000_000).is_ok() && exact.text(&long, 999_999).is_err());
}

#[test]
fn json_in_a_text_is_looked_into_at_any_depth() {
    let inner = json!({"b": "{\"c\": [1, {\"d\": \"deep\"}]}"}).to_string();
    let scope = Values(json!({"a": {"text": inner}, "plain": "no JSON"}));
    for (text, expected) in [("${a.text.b.c.0}", "1"), ("${a.text.b.c.1.d}${a.text.b.c.0}", "deep1")] {
        assert_eq!(Template::parse(text).unwrap().text(&scope, MAX).unwrap(), expected, "{text}");
    }
    for (text, words) in [
        ("${a.text.b.c.1.d.e}", "it has no field `e`"),
        ("${plain.x}", "it has no field `x`"),
        ("${a.none}", "there is no `none`"),
        ("${a.text.b.c.7}", "there is no `7`"),
        ("${nobody.x}", "`nobody` has no value"),
    ] {
        let Err(TemplateError::NoValue(why)) = Template::parse(text).unwrap().text(&scope, MAX) else {
            panic!("{text}")
        };
        assert!(why.contains(words), "{text}: {why}");
    }
}

#[test]
fn long_chains_over_long_texts_have_an_end() {
    let scope = Counting(Values(json!({"x": "A".repeat(1_000_000), "j": "{\"v\": 1}"})), Default::default());
    let chain = parse(&vec!["j.v == 1"; 10_000].join(" && ")).unwrap();
    assert_eq!(eval::holds(&chain, &scope), Ok(true));
    assert_eq!(scope.1.get(), 1, "a value is fetched and parsed once");
    let why = eval::holds(&parse(&vec!["x == x"; 10_000].join(" && ")).unwrap(), &scope).unwrap_err();
    assert!(why.contains("64 MiB"), "{why}");
    let why = eval::holds(&parse("x").unwrap(), &scope).unwrap_err();
    assert!(why.len() < 200, "a message shows the beginning of a text only");
}
