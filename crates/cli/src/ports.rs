//! `parallax ports`: the ports of an agent, and who listens.

use clap::Args;
use parallax_api::AgentId;
use parallax_api::ports::AgentPorts;

use crate::context::Context;
use crate::error::CliError;
use crate::find;
use crate::output::{Output, Style, Table, one_line};

#[derive(Args, Debug)]
pub(crate) struct PortsArgs {
    /// Id, beginning of an id, or name
    agent: String,
}

impl PortsArgs {
    pub(crate) async fn run(self, context: &Context) -> Result<(), CliError> {
        let Context { client, output } = context;
        let agent = find::agent(client, &self.agent).await?;
        let ports = client.ports(&agent.id).await?;
        match output.json() {
            true => output.document(&ports)?,
            false => print(client.url(), &agent.id, &ports, output)?,
        }
        Ok(())
    }
}

fn print(server: &str, id: &AgentId, ports: &AgentPorts, output: &Output) -> std::io::Result<()> {
    output.note(&match ports.range {
        Some(range) => format!("its own: {range}"),
        None => "none of its own (spawn with --ports N)".into(),
    });
    if ports.listeners.is_empty() {
        output.note("nobody listens");
        return Ok(());
    }
    let mut table = Table::new(["PORT", "ADDRESS", "REACH", "PROCESS", "URL"]);
    let server = server.trim_end_matches('/');
    for one in &ports.listeners {
        let process = match (&one.process, one.pid) {
            (Some(name), Some(pid)) => one_line(&format!("{name} ({pid})")),
            _ => "not the agent's".into(),
        };
        table.row([
            (one.port.to_string(), Style::Plain),
            (one.address.to_string(), Style::Plain),
            (one.reach.as_str().into(), Style::Plain),
            (process, if one.own { Style::Plain } else { Style::Bad }),
            (format!("{server}/agents/{id}/ports/{}/", one.port), Style::Plain),
        ]);
    }
    table.print(output)
}
