//! Scripted models on a loopback port: see [`parallax_testkit::models`].
//!
//! ```text
//! parallax-fake-models [--port N] [--scenario FILE] [--log FILE]
//! ```
//! The first line of standard output is `{"port": N}`.

use std::fs::{self, OpenOptions};

use anyhow::{Context, bail};
use parallax_testkit::models::Models;
use parallax_testkit::models::log::Log;
use parallax_testkit::models::scenario::Scenario;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (mut port, mut scenario, mut log) = (0_u16, Scenario::default(), Log::default());
    let mut args = std::env::args().skip(1);
    while let Some(flag) = args.next() {
        let value = args.next().with_context(|| format!("{flag} needs a value"))?;
        match flag.as_str() {
            "--port" => port = value.parse().context("--port is a number")?,
            "--scenario" => {
                let text = fs::read_to_string(&value).with_context(|| format!("failed to read {value}"))?;
                scenario = serde_json::from_str(&text).with_context(|| format!("{value} is no scenario"))?;
            }
            "--log" => {
                let file = OpenOptions::new().create(true).append(true).open(&value);
                log = Log::to_file(file.with_context(|| format!("failed to open {value}"))?);
            }
            _ => bail!("unknown flag {flag}; there are --port, --scenario and --log"),
        }
    }
    let models = Models::listen(TcpListener::bind(("127.0.0.1", port)).await?, scenario, log)?;
    println!("{}", serde_json::json!({"port": models.port()}));
    models.wait().await;
    Ok(())
}
