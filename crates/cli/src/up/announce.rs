//! What a person sees when all is up: where the page is, which CLIs are there, what to try.

use std::fmt::Write;

use parallax_api::client::{Client, ListFilter};
use parallax_api::runtime::TypeInfo;
use parallax_api::{Agent, AgentStatus};
use parallax_service::args::Settings;
use serde_json::json;

use crate::error::CliError;
use crate::output::{Output, clean};

pub(super) async fn announce(
    output: &Output,
    runtime: &Client,
    url: &str,
    settings: &Settings,
) -> Result<(), CliError> {
    let status = runtime.runtime_status().await?;
    let (types, agents) = (status.types, status.agents);
    if output.json() {
        output.json_line(&json!({
            "url": url, "runtimeUrl": runtime.url(), "stateDir": settings.state_dir, "types": types, "agents": agents,
        }))?;
    } else {
        output.line(as_text(runtime.url(), url, &types, agents, !settings.tokens.is_empty()))?;
    }
    Ok(())
}

/// The agents that live, of this runtime.
pub(super) async fn running_agents(runtime: &Client) -> Result<Vec<Agent>, CliError> {
    let mut agents = runtime.list_all(&ListFilter::default()).await?;
    agents.retain(|agent| agent.status != AgentStatus::Stopped);
    Ok(agents)
}

fn as_text(runtime_url: &str, url: &str, types: &[TypeInfo], agents: usize, needs_token: bool) -> String {
    let mut text = format!(
        "Parallax is up.\n\n  page     {url}/\n  API      {url}/api/managed-agents  ({url}/api/openapi.json describes it)\n  runtime  \
         {runtime_url}\n"
    );
    let mut add = |line: String| writeln!(text, "{line}").expect("writing to a string");
    for (index, info) in types.iter().enumerate() {
        let label = if index == 0 { "agents" } else { "" };
        let state = match (&info.version, &info.reason) {
            _ if !info.available => clean(info.reason.as_deref().unwrap_or("not available")),
            (Some(version), _) => clean(version),
            (None, _) => "installed".into(),
        };
        add(format!("  {label:<7}  {:<8} {state}", clean(&info.name)));
    }
    if agents > 0 {
        add(format!("\nStill there from before: {} (`parallax ls`)", count(agents)));
    }
    let example = types.iter().find(|info| info.available).map_or("claude", |info| info.name.as_str());
    // Bash would take a question for a command.
    let message = if example == "shell" { "uname -a" } else { "What does this project do?" };
    let token = if needs_token { " -H \"Authorization: Bearer $PARALLAX_API_TOKEN\"" } else { "" };
    add(format!(
        "\nTry:\n  curl -X POST {url}/api/managed-agents{token} -H \"Content-Type: application/json\" \\\n    -d '{{\"name\": \
         \"code-reviewer\", \"type\": \"{example}\", \"capabilities\": [\"code_review\"]}}'\n  curl -X POST \
         {url}/api/managed-agents/ID/send{token} -H \"Content-Type: application/json\" \\\n    -d '{{\"message\": \"{message}\", \
         \"expectResponse\": true}}'"
    ));
    text + "\nCtrl-C ends it."
}

/// `1 agent`, `2 agents`.
pub(super) fn count(agents: usize) -> String {
    format!("{agents} agent{}", if agents == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_with_how_to_get_it() {
        let info = |name: &str, reason: Option<&str>| TypeInfo {
            name: name.into(),
            available: reason.is_none(),
            reason: reason.map(str::to_owned),
            version: None,
        };
        let types = [info("claude", Some("not installed: npm install -g x")), info("codex", None)];
        let text = as_text("http://r", "http://c", &types, 1, true);
        assert!(text.contains("claude   not installed: npm install -g x\n"), "{text}");
        assert!(text.contains("from before: 1 agent ("), "{text}");
        assert!(
            text.contains(r#"Bearer $PARALLAX_API_TOKEN" -H"#) && text.contains(r#""type": "codex""#),
            "{text}"
        );
    }
}
