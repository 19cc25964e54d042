//! What the flags of runtimes have in common.

use std::convert::Infallible;
use std::str::FromStr;

use anyhow::{Context, ensure};
use parallax_api::quantity;
use parallax_workspace::{CommandTemplate, PullRequestCommand};
use serde::Deserialize;

use crate::{Environment, WorkspacePolicy};

/// Variables that the command for pull requests gets unless others are named: what `gh` and `glab` look for, and the way out.
const PULL_REQUEST_VARIABLES: &[&str] = &[
    "GH_CONFIG_DIR",
    "GH_ENTERPRISE_TOKEN",
    "GH_HOST",
    "GH_TOKEN",
    "GITHUB_TOKEN",
    "GITLAB_HOST",
    "GITLAB_TOKEN",
    "GLAB_CONFIG_DIR",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "https_proxy",
    "http_proxy",
    "no_proxy",
];

/// The words of a command: in a flag between blanks, in the configuration file one by one or like that.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "LineOrWords")]
pub struct CommandWords(pub Vec<String>);

#[derive(Deserialize)]
#[serde(untagged)]
enum LineOrWords {
    Line(String),
    Words(Vec<String>),
}

impl From<LineOrWords> for CommandWords {
    fn from(text: LineOrWords) -> Self {
        match text {
            LineOrWords::Line(line) => Self(line.split_whitespace().map(str::to_owned).collect()),
            LineOrWords::Words(words) => Self(words),
        }
    }
}

impl FromStr for CommandWords {
    type Err = Infallible;

    fn from_str(line: &str) -> Result<Self, Infallible> {
        Ok(LineOrWords::Line(line.to_owned()).into())
    }
}

/// What an operator says about checkouts of agents, from its flags.
///
/// # Errors
/// When the number of bytes or the command is none.
pub fn workspace_policy(
    max_bytes: Option<&str>,
    pull_request_command: Option<&CommandWords>,
    pull_request_variables: &[String],
    environment: &Environment,
) -> anyhow::Result<WorkspacePolicy> {
    let max_bytes = max_bytes
        .map(|text| {
            quantity::bytes(text).with_context(|| {
                format!("--workspaces-max-bytes is bytes with a unit, such as 20Gi, not `{text}`")
            })
        })
        .transpose()?;
    let template = pull_request_command
        .map(|words| CommandTemplate::parse(&words.0))
        .transpose()
        .map_err(|why| anyhow::anyhow!("--pull-request-command cannot be used: {why}"))?;
    let named = pull_request_variables.iter().map(String::as_str);
    let names: Vec<&str> = match pull_request_variables {
        [] => PULL_REQUEST_VARIABLES.to_vec(),
        _ => named.collect(),
    };
    let variables =
        names.into_iter().filter_map(|name| Some((name.to_owned(), environment.get(name)?.into())));
    let pull_requests =
        template.map(|template| PullRequestCommand { template, variables: variables.collect() });
    Ok(WorkspacePolicy { max_bytes, pull_requests })
}

/// A flag that may be repeated, or what the configuration file says when it is not given.
pub fn flags_or_file<T>(flags: Vec<T>, file: Vec<T>) -> Vec<T> {
    if flags.is_empty() { file } else { flags }
}

/// The two sides of `NAME=VALUE`, the value of `flag`.
///
/// # Errors
/// When one of them is missing.
pub fn name_and_value(flag: &str, text: &str) -> anyhow::Result<(String, String)> {
    let (name, value) = text.split_once('=').unwrap_or_default();
    ensure!(!name.is_empty() && !value.is_empty(), "{flag} is NAME=VALUE, not `{text}`");
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_operator_says_about_workspaces() {
        let all = [("GH_TOKEN", "t"), ("HOME", "/h"), ("MY_TOKEN", "m"), ("PARALLAX_API_TOKEN", "p")];
        let environment = Environment::of(all.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let line = "gh pr create --title={title}".parse().unwrap();
        let wrong = CommandWords(vec!["./gh".into()]);
        let policy = |bytes, words, names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            workspace_policy(bytes, words, &names, &environment)
        };
        let plain = policy(Some("1.5Gi"), Some(&line), &[]).unwrap();
        let names = |policy: WorkspacePolicy| {
            let command = policy.pull_requests.unwrap();
            command.variables.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!((plain.max_bytes, names(plain)), (Some(3 << 29), vec!["GH_TOKEN".to_owned()]));
        let named = policy(None, Some(&line), &["MY_TOKEN", "PARALLAX_API_TOKEN", "GONE"]).unwrap();
        assert_eq!(names(named), ["MY_TOKEN"], "the server's own token is never handed on");
        assert!(policy(None, None, &["MY_TOKEN"]).unwrap().pull_requests.is_none());
        for (bytes, words) in [(Some("much"), None), (Some("0"), None), (None, Some(&wrong))] {
            assert!(policy(bytes, words, &[]).is_err());
        }
        let file: CommandWords = serde_json::from_str(r#"["gh", "--body=a b"]"#).unwrap();
        assert_eq!(file.0, ["gh", "--body=a b"]);
    }
}
