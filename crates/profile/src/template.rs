//! Text in a profile with places to fill in: `{workdir}`, `{env.NAME|quoted}`.
//!
//! | value | is |
//! |---|---|
//! | `{workdir}`, `{home}`, `{agent_dir}`, `{host_binary}` | directories and the host's program |
//! | `{session_id}`, `{model}` | the conversation's id; the model that was asked for |
//! | `{env.NAME}` | a variable of the agent's environment |
//! | `{hook.NAME}` | the shell command that reports the hook `NAME` to the host |
//!
//! `|quoted` makes it a string in JSON and TOML, quotes included; `|last:N` takes the last N characters. Braces around
//! anything else stand for themselves.

use std::collections::BTreeMap;
use std::path::Path;

use parallax_api::agent::EnvValue;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text with places to fill in, checked when the profile is read.
#[derive(Clone, Debug)]
pub struct Template {
    text: String,
    parts: Vec<Part>,
}

/// What there is to fill in.
pub struct Values<'a> {
    /// The agent's working directory.
    pub workdir: &'a Path,
    /// The user's home.
    pub home: &'a Path,
    /// The agent's own directory.
    pub agent_dir: &'a Path,
    /// The host's program.
    pub host_binary: &'a Path,
    /// The conversation's id.
    pub session_id: &'a str,
    /// The model that was asked for.
    pub model: Option<&'a str>,
    /// The agent's environment.
    pub env: &'a BTreeMap<String, EnvValue>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Value(Name, Vec<Filter>),
}

#[derive(Clone, Debug)]
enum Name {
    Workdir,
    Home,
    AgentDir,
    HostBinary,
    SessionId,
    Model,
    Env(String),
    Hook(String),
}

#[derive(Clone, Debug)]
enum Filter {
    Quoted,
    Last(usize),
}

impl Values<'_> {
    /// These templates, filled in.
    pub fn all(&self, templates: &[Template]) -> Vec<String> {
        templates.iter().map(|template| template.render(self)).collect()
    }

    fn get(&self, name: &Name) -> Option<String> {
        let path = |path: &Path| Some(path.display().to_string());
        match name {
            Name::Workdir => path(self.workdir),
            Name::Home => path(self.home),
            Name::AgentDir => path(self.agent_dir),
            Name::HostBinary => path(self.host_binary),
            Name::SessionId => Some(self.session_id.into()),
            Name::Model => self.model.map(Into::into),
            Name::Env(name) => self.env.get(name).map(|value| value.expose().to_owned()),
            Name::Hook(hook) => {
                Some(format!("{} hook {hook}", shell_word(&self.host_binary.display().to_string())))
            }
        }
    }
}

impl Template {
    /// Reads a template. Fails naming what cannot be filled in.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            plain.push_str(&rest[..open]);
            rest = &rest[open..];
            let inside =
                rest.find('}').map(|close| &rest[1..close]).filter(|inside| looks_like_a_value(inside));
            let Some(inside) = inside else {
                plain.push('{');
                rest = &rest[1..];
                continue;
            };
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(value(inside)?);
            rest = &rest[inside.len() + 2..];
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self { text: text.into(), parts })
    }

    /// The text, filled in; what is not known is empty.
    pub fn render(&self, values: &Values<'_>) -> String {
        self.parts.iter().map(|part| part.render(values).unwrap_or_else(|| part.unknown())).collect()
    }

    /// The text, filled in, when everything is known and not empty.
    pub fn render_known(&self, values: &Values<'_>) -> Option<String> {
        self.parts.iter().map(|part| part.render(values).filter(|text| !text.is_empty())).collect()
    }
}

impl Part {
    fn render(&self, values: &Values<'_>) -> Option<String> {
        match self {
            Part::Text(text) => Some(text.clone()),
            Part::Value(name, filters) => values.get(name).map(|value| filtered(value, filters)),
        }
    }

    fn unknown(&self) -> String {
        match self {
            Part::Text(_) => String::new(),
            Part::Value(_, filters) => filtered(String::new(), filters),
        }
    }
}

fn filtered(value: String, filters: &[Filter]) -> String {
    filters.iter().fold(value, |value, filter| match filter {
        Filter::Quoted => serde_json::Value::String(value).to_string(),
        Filter::Last(count) => {
            let skip = value.chars().count().saturating_sub(*count);
            value.chars().skip(skip).collect()
        }
    })
}

/// JSON and shell text has braces too: a value is named by a lower-case word, perhaps with a name and filters.
fn looks_like_a_value(inside: &str) -> bool {
    inside.starts_with(|c: char| c.is_ascii_lowercase())
        && inside.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.|:".contains(&b))
}

fn value(inside: &str) -> Result<Part, String> {
    let mut words = inside.split('|');
    let name = match words.next().unwrap_or_default() {
        "workdir" => Name::Workdir,
        "home" => Name::Home,
        "agent_dir" => Name::AgentDir,
        "host_binary" => Name::HostBinary,
        "session_id" => Name::SessionId,
        "model" => Name::Model,
        other => match other.split_once('.') {
            Some(("env", name)) => Name::Env(name.into()),
            Some(("hook", name)) => Name::Hook(name.into()),
            _ => return Err(format!("`{{{inside}}}` names nothing that can be filled in")),
        },
    };
    let filters = words.map(|word| match word.split_once(':') {
        None if word == "quoted" => Ok(Filter::Quoted),
        Some(("last", count)) if count.parse::<usize>().is_ok() => {
            Ok(Filter::Last(count.parse().unwrap_or_default()))
        }
        _ => Err(format!("`{word}` in `{{{inside}}}` is no filter (`quoted`, `last:N`)")),
    });
    Ok(Part::Value(name, filters.collect::<Result<_, _>>()?))
}

fn shell_word(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Template::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl Serialize for Template {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(text: &str) -> (String, Option<String>) {
        let env = BTreeMap::from([
            ("KEY".to_owned(), EnvValue::from("secret-0123456789")),
            ("EMPTY".into(), "".into()),
        ]);
        let values = Values {
            workdir: Path::new("/w d"),
            home: Path::new("/home/me"),
            agent_dir: Path::new("/agent"),
            host_binary: Path::new("/opt/it's/host"),
            session_id: "id-1",
            model: None,
            env: &env,
        };
        let template = Template::parse(text).unwrap();
        (template.render(&values), template.render_known(&values))
    }

    #[test]
    fn places_are_filled_in() {
        let table = [
            ("{workdir}", "/w d"),
            ("{workdir|quoted}={trust=1}", "\"/w d\"={trust=1}"),
            ("{home}/{session_id}.jsonl", "/home/me/id-1.jsonl"),
            ("{env.KEY|last:4|quoted}", "\"6789\""),
            ("{hook.Stop}", r"'/opt/it'\''s/host' hook Stop"),
            (r#"{"hooks":{"Stop":[{}]}}"#, r#"{"hooks":{"Stop":[{}]}}"#),
            ("a { b } {C} {", "a { b } {C} {"),
        ];
        for (text, expected) in table {
            assert_eq!(rendered(text).0, expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_known_is_empty_or_leaves_the_whole_out() {
        for text in ["{env.MISSING}/x", "{env.EMPTY}/x", "{model}/x"] {
            assert_eq!(rendered(text), ("/x".into(), None), "{text}");
        }
        assert_eq!(rendered("{env.MISSING|quoted}").0, "\"\"");
    }

    #[test]
    fn what_cannot_be_filled_in_is_refused() {
        for (text, named) in
            [("{wrkdir}", "wrkdir"), ("{env.A|upper}", "upper"), ("{workdir|last:x}", "last:x")]
        {
            let error = Template::parse(text).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    }
}
