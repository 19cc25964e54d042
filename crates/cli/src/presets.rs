//! `parallax presets`.

use std::path::PathBuf;

use clap::Args;
use parallax_api::preset::{Preset, PresetRequest};
use parallax_api::{Code, Problem, Time};

use crate::context::Context;
use crate::error::CliError;
use crate::output::{Style, Table, ago, clean};

#[derive(Args, Debug)]
pub(crate) struct PresetsArgs {
    /// Print this preset
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Store the preset in this JSON file under NAME: {"description": …, "spawn": {…}}
    #[arg(long, value_name = "FILE", requires = "name")]
    put: Option<PathBuf>,
    /// Delete this preset
    #[arg(long, value_name = "NAME", conflicts_with = "name")]
    remove: Option<String>,
}

impl PresetsArgs {
    pub(crate) async fn run(self, context: &Context) -> Result<(), CliError> {
        let Context { client, output } = context;
        if let Some(name) = &self.remove {
            client.delete_preset(name).await?;
            output.note(&format!("{} is deleted", clean(name)));
            return Ok(());
        }
        if let Some(name) = &self.name {
            let preset = match &self.put {
                None => client.preset(name).await?,
                Some(file) => client.put_preset(name, &read(file)?).await?,
            };
            return Ok(output.document(&preset)?);
        }
        let list = client.presets().await?;
        if output.json() {
            return Ok(output.document(&list)?);
        }
        if list.presets.is_empty() {
            output.note("no presets; `parallax presets NAME --put FILE` stores one");
            return Ok(());
        }
        Ok(table(&list.presets, Time::now()).print(output)?)
    }
}

fn read(file: &std::path::Path) -> Result<PresetRequest, CliError> {
    let text = std::fs::read(file)?;
    serde_json::from_slice(&text)
        .map_err(|error| Problem::new(Code::Validation, format!("{}: {error}", file.display())).into())
}

fn table(presets: &[Preset], now: Time) -> Table<4> {
    let mut table = Table::new(["NAME", "TYPE", "UPDATED", "DESCRIPTION"]);
    for preset in presets {
        let r#type = &preset.spawn.r#type;
        table.row([
            (preset.name.clone(), Style::Plain),
            (if r#type.is_empty() { "-".into() } else { r#type.clone() }, Style::Plain),
            (ago(preset.updated_at, now), Style::Plain),
            (preset.description.clone().unwrap_or_default(), Style::Faint),
        ]);
    }
    table
}
