//! How a runtime is configured.

use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use parallax_api::runtime::RuntimeKind;
use parallax_service::websocket::TakeViewers;
use secrecy::SecretString;

/// A runtime to know of.
#[derive(Clone, Debug)]
pub struct RuntimeSpec {
    /// Its name, unique: 1 to 63 lower-case letters, digits and `-`.
    pub name: String,
    /// The kind it must say it is.
    pub kind: RuntimeKind,
    /// Where it answers.
    pub url: String,
    /// The lowest is tried first.
    pub priority: u32,
    /// What it is sent as bearer token.
    pub token: Option<Credential>,
    /// Who takes viewers of its agents, where it runs in this process.
    pub viewers: Option<Arc<dyn TakeViewers>>,
}

/// Where a runtime's token stands.
#[derive(Clone, Debug)]
pub enum Credential {
    /// Here.
    Secret(SecretString),
    /// In this environment variable; read once, at start.
    Variable(String),
}

impl RuntimeSpec {
    /// The built-in runtime of this kind: named after it, with its priority.
    pub fn of_kind(kind: RuntimeKind, url: impl Into<String>) -> Self {
        Self {
            name: kind.to_string(),
            kind,
            url: url.into(),
            priority: kind.default_priority(),
            token: None,
            viewers: None,
        }
    }

    /// The same with this token.
    #[must_use]
    pub fn with_token(mut self, token: SecretString) -> Self {
        self.token = Some(Credential::Secret(token));
        self
    }

    /// The same in this process: viewers are not relayed to it.
    #[must_use]
    pub fn in_process(mut self, viewers: Arc<dyn TakeViewers>) -> Self {
        self.viewers = Some(viewers);
        self
    }
}

impl FromStr for RuntimeSpec {
    type Err = anyhow::Error;

    /// Reads `name=…,kind=…,url=…[,priority=…][,token=…|,token-env=…]`. Without `name` it is the kind, without
    /// `priority` the kind's own.
    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (mut name, mut kind, mut url, mut priority, mut token) = (None, None, None, None, None);
        for part in text.split(',') {
            // The text of a part that is not understood may be a token with a comma in it: it is not shown.
            let (key, value) =
                part.trim().split_once('=').context("every part of a runtime is `key=value`")?;
            let twice = match key {
                "name" => name.replace(value).is_some(),
                "kind" => kind.replace(value.parse::<RuntimeKind>().map_err(anyhow::Error::msg)?).is_some(),
                "url" => url.replace(value).is_some(),
                "priority" => {
                    let number = value.parse().with_context(|| format!("`{value}` is not a priority"))?;
                    priority.replace(number).is_some()
                }
                "token" => token.replace(Credential::Secret(SecretString::from(value))).is_some(),
                "token-env" => token.replace(Credential::Variable(value.into())).is_some(),
                _ => bail!("a runtime has name, kind, url, priority, token and token-env, not `{key}`"),
            };
            ensure!(!twice, "`{key}` is given twice");
        }
        let kind = kind.context("a runtime needs `kind=local`, `kind=docker` or `kind=kubernetes`")?;
        let url = url.context("a runtime needs `url=…`")?;
        let name = name.unwrap_or(kind.as_str());
        let is_word = (1..=63).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        ensure!(is_word, "a runtime's name has 1 to 63 of `a-z`, `0-9` and `-`");
        ensure!(
            name.parse::<RuntimeKind>().is_ok_and(|named| named == kind)
                || name.parse::<RuntimeKind>().is_err(),
            "a runtime of the kind {kind} cannot be named `{name}`"
        );
        let priority = priority.unwrap_or(kind.default_priority());
        Ok(Self { name: name.into(), kind, url: url.into(), priority, token, viewers: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_given_and_fills_in_the_rest() {
        let spec: RuntimeSpec =
            "name=east,kind=docker,url=http://east:3100,priority=5,token-env=EAST".parse().unwrap();
        assert_eq!((spec.name.as_str(), spec.kind, spec.priority), ("east", RuntimeKind::Docker, 5));
        assert_eq!(spec.url, "http://east:3100");
        assert!(matches!(spec.token, Some(Credential::Variable(name)) if name == "EAST"));

        let spec: RuntimeSpec = "kind=kubernetes, url=http://k?a=b".parse().unwrap();
        assert_eq!(
            (spec.name.as_str(), spec.url.as_str(), spec.priority),
            ("kubernetes", "http://k?a=b", 30)
        );
    }

    #[test]
    fn refuses_with_what_is_wrong() {
        for (text, why) in [
            ("", "key=value"),
            ("kind=local", "url"),
            ("url=http://x", "kind"),
            ("kind=moon,url=x", "moon"),
            ("kind=local,url=x,colour=red", "colour"),
            ("kind=local,url=x,priority=low", "low"),
            ("kind=local,kind=local,url=x", "twice"),
            ("name=docker,kind=local,url=x", "cannot be named"),
            ("name=A B,kind=local,url=x", "name"),
        ] {
            let error = format!("{:#}", text.parse::<RuntimeSpec>().unwrap_err());
            assert!(error.contains(why), "{text}: {error}");
        }
        let error = format!("{:#}", "kind=local,url=x,token=s3cr,et".parse::<RuntimeSpec>().unwrap_err());
        assert!(!error.contains("et"), "{error}");
    }
}
