use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::eval::{self, Scope};
use super::template::Template;
use super::types::{self, Type, TypeEnv};
use super::*;

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
        Type::Record(fields.iter().map(|(name, known)| ((*name).to_owned(), known.clone())).collect())
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
        assert_eq!(Template::parse(text).unwrap().text(&scope()).unwrap(), expected, "{text}");
    }
    assert_eq!(Template::parse("${list}").unwrap().value(&scope()).unwrap(), json!(["a", "b"]));
    for text in ["${", "${a", "${}", "${a b}"] {
        assert!(Template::parse(text).is_err(), "{text}");
    }
    assert!(Template::parse("${nobody}").unwrap().text(&scope()).is_err());
}
