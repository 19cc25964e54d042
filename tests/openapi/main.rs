//! The descriptions of both servers, held against the tools that people use on them, and against the servers: `make
//! test-openapi`.

mod clients;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use parallax_testkit::local::Directory;
use parallax_testkit::server::Server;
use parallax_testkit::up::Up;

/// Agents that the tools may have at once: what they spawn more is refused.
const MAX_AGENTS: &str = "3";

/// A program of `make test-openapi`.
fn tool(name: &str) -> PathBuf {
    let tools = std::env::var("PARALLAX_OPENAPI_TOOLS").expect("make test-openapi says where the tools are");
    Path::new(&tools).join(name)
}

/// `parallax up` with the agent type `shell`, and the addresses of both its servers.
struct Servers {
    server: Server,
    urls: [(&'static str, String); 2],
    directory: Directory,
}

impl Servers {
    async fn start() -> Self {
        let directory = Directory::new();
        let profiles = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/profiles");
        let options = ["--max-agents", MAX_AGENTS];
        let Up { server, runtime_url } = Up::start_with(&directory, &profiles, &options, &[]).await;
        let urls = [("control plane", server.url()), ("runtime", runtime_url)];
        Self { server, urls, directory }
    }

    /// Runs a tool in the servers' directory. Panics with what it printed when it fails or is not content.
    fn content(&self, what: &str, command: &mut Command, is_content: impl Fn(&str) -> bool) {
        let ran = command.current_dir(self.directory.path()).stdin(Stdio::null()).output();
        let Output { status, stdout, stderr } = ran.unwrap_or_else(|error| panic!("{what}: {error}"));
        let text = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        assert!(status.success() && is_content(&text), "{what}: {status}\n{text}");
    }

    /// Stops what the tools spawned: agents outlive their servers.
    async fn stop_agents(&self) {
        let client = parallax_testkit::server::reqwest_client();
        let [_, (_, runtime)] = &self.urls;
        let agents = client.get(format!("{runtime}/api/agents")).send().await.expect("it answers");
        let agents: serde_json::Value = agents.json().await.expect("JSON");
        for agent in agents["agents"].as_array().into_iter().flatten() {
            let url = format!("{runtime}/api/agents/{}", agent["id"].as_str().expect("an id"));
            client.delete(url).send().await.expect("it answers");
        }
    }

    /// The file with the description of the server at `url`.
    async fn description(&self, name: &str, url: &str) -> PathBuf {
        let file = self.directory.path().join(format!("{name}.json"));
        let answer = parallax_testkit::server::reqwest_client().get(format!("{url}/api/openapi.json")).send();
        let text = answer.await.expect("it answers").text().await.expect("it is text");
        std::fs::write(&file, text).expect("the directory can be written");
        file
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs tools of npm and PyPI: make test-openapi"]
async fn generators_and_linters_find_nothing() {
    let mut servers = Servers::start().await;
    for (name, url) in servers.urls.clone() {
        let file = servers.description(name, &url).await;
        let mut validator = Command::new(tool("bin/openapi-spec-validator"));
        servers.content(name, validator.arg(&file), |_| true);
        let mut linter = Command::new(tool("node_modules/.bin/redocly"));
        linter.args(["lint", "--format=stylish"]).arg(&file).env("REDOCLY_TELEMETRY", "off");
        servers.content(name, &mut linter, |text| text.contains("is valid") && !text.contains("You have"));
    }
    servers.server.end().await;
}

/// Requests made from the descriptions: what they allow is taken, what they do not is refused, and every answer is one that
/// they name. `schemathesis.toml` beside this has what a schema cannot say.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs tools of npm and PyPI: make test-openapi"]
async fn servers_do_what_their_descriptions_say() {
    let seconds = std::env::var("PARALLAX_TEST_OPENAPI_SECONDS").unwrap_or_else(|_| "120".into());
    let seed = std::env::var("PARALLAX_TEST_SEED").unwrap_or_else(|_| "1".into());
    let mut servers = Servers::start().await;
    for (name, url) in servers.urls.clone() {
        let mut fuzzer = Command::new(tool("bin/schemathesis"));
        fuzzer
            .arg("--config-file")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi/schemathesis.toml"))
            .args(["run", &format!("{url}/api/openapi.json"), "--no-color", "--warnings=off"])
            .args(["--max-time", &seconds, "--max-examples", "20", "--seed", &seed])
            .args(["--generation-database", "none"]);
        servers.content(name, &mut fuzzer, |_| true);
    }
    servers.stop_agents().await;
    servers.server.end().await;
}
