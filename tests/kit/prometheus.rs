//! A Prometheus that scrapes the servers of a test, and the dashboard that is shown over it.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::server::free_port;
use crate::wait::{PATIENCE, until};

/// A running Prometheus with a directory of its own. It ends with this.
#[derive(Debug)]
pub struct Prometheus {
    url: String,
    _process: Child,
    _directory: TempDir,
}

impl Prometheus {
    /// Starts the `prometheus` of the PATH with targets of these jobs, each `HOST:PORT`, and waits until it answers.
    pub async fn start(targets: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("there is a temporary directory");
        let mut config =
            "global: {scrape_interval: 500ms, scrape_timeout: 500ms}\nscrape_configs:\n".to_owned();
        for (job, target) in targets {
            writeln!(config, "- {{job_name: {job}, static_configs: [{{targets: ['{target}']}}]}}")
                .expect("a string can be written");
        }
        let file = directory.path().join("prometheus.yml");
        std::fs::write(&file, config).expect("it can be written");
        let address = format!("127.0.0.1:{}", free_port());
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("Debian's package `prometheus` is installed");
        let this = Self { url: format!("http://{address}"), _process: process, _directory: directory };
        until("Prometheus to answer", PATIENCE, async || {
            reqwest::get(format!("{}/-/ready", this.url)).await.and_then(reqwest::Response::error_for_status)
        })
        .await;
        this
    }

    /// The values that an expression has now: none while nothing was scraped that it is about.
    pub async fn values(&self, expression: &str) -> Vec<f64> {
        let mut url =
            reqwest::Url::parse(&self.url).expect("it is one").join("api/v1/query").expect("it is one");
        url.query_pairs_mut().append_pair("query", expression);
        let answer = reqwest::get(url).await.expect("it answers").text().await.expect("it is text");
        let answer: Value = serde_json::from_str(&answer).expect("it is JSON");
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
        let found = answer["data"]["result"].as_array().expect("a vector").iter();
        found.filter_map(|series| series["value"][1].as_str()?.parse().ok()).collect()
    }

    /// Waits until an expression has a value that is a number: quantiles of what did not happen are none.
    pub async fn has(&self, what: &str, expression: &str) {
        until(what, PATIENCE, async || {
            let values = self.values(expression).await;
            if values.iter().any(|value| value.is_finite()) {
                return Ok(());
            }
            Err(format!("{expression} is {values:?}"))
        })
        .await;
    }
}

/// A query of the dashboard.
#[derive(Debug)]
pub struct PanelQuery {
    /// The row that its panel stands under.
    pub row: String,
    /// The panel's title.
    pub title: String,
    /// What Prometheus is asked, with values for the dashboard's variables.
    pub expression: String,
}

/// The queries of `deploy/monitoring/dashboard.json`.
pub fn dashboard() -> Vec<PanelQuery> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/monitoring/dashboard.json");
    let text = std::fs::read_to_string(file).expect("it is there");
    let dashboard: Value = serde_json::from_str(&text).expect("it is JSON");
    let mut row = String::new();
    let mut queries = Vec::new();
    for panel in dashboard["panels"].as_array().expect("it has panels") {
        let title = panel["title"].as_str().expect("each has a title").to_owned();
        if panel["type"] == "row" {
            row = title;
            continue;
        }
        for target in panel["targets"].as_array().expect("each has queries") {
            let expression = target["expr"].as_str().expect("each has an expression");
            let expression = expression.replace("$job", ".+").replace("$__rate_interval", "30s");
            queries.push(PanelQuery { row: row.clone(), title: title.clone(), expression });
        }
    }
    queries
}
