//! Clients in Python and TypeScript, generated from the description, and used by the examples: spawn, send, follow events with
//! resuming, type into a terminal, resume that, stop.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Servers, tool};

/// Copies what users start from into the servers' directory.
fn copied(servers: &Servers, language: &str) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/clients").join(language);
    let to = servers.directory.path().join(language);
    fs::create_dir(&to).expect("the directory can be written");
    for entry in fs::read_dir(from).expect("the example is there") {
        let entry = entry.expect("it can be read");
        fs::copy(entry.path(), to.join(entry.file_name())).expect("it can be copied");
    }
    to
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs tools of npm and PyPI: make test-openapi"]
async fn a_python_client_is_generated_and_works() {
    let mut servers = Servers::start().await;
    for (name, url) in servers.urls.clone() {
        let description = servers.description(name, &url).await;
        let output = servers.directory.path().join(format!("{name} client"));
        let mut generator = Command::new(tool("bin/openapi-python-client"));
        generator.args(["generate", "--meta", "none", "--path"]).arg(description);
        generator.arg("--output-path").arg(&output);
        let tools = tool("bin");
        let path = std::env::var("PATH").expect("it is set");
        generator.env("PATH", format!("{}:{path}", tools.display()));
        // Bodies may be JSON or YAML, and the generator knows JSON alone; it says so, and leaves nothing else out.
        servers.content(name, &mut generator, |text| {
            let others = text
                .lines()
                .filter(|line| line.starts_with("Unable to") || line.contains("will not be generated"));
            others.count() == 0
        });
        if name == "control plane" {
            let example = copied(&servers, "python");
            fs::rename(output, example.join("parallax_client")).expect("it can be moved");
            let mut python = Command::new(tool("bin/python"));
            servers
                .content("example", python.arg(example.join("example.py")).arg(url), |text| text == "done\n");
        }
    }
    servers.stop_agents().await;
    servers.server.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs tools of npm and PyPI: make test-openapi"]
async fn a_typescript_client_is_generated_and_works() {
    let mut servers = Servers::start().await;
    let (_, url) = servers.urls[0].clone();
    let description = servers.description("description", &url).await;
    let example = copied(&servers, "typescript");
    std::os::unix::fs::symlink(tool("node_modules"), example.join("node_modules")).expect("it can be made");
    let hook = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi/websocket.mjs");
    fs::copy(hook, example.join("websocket.mjs")).expect("it can be copied");
    let mut generator = Command::new(tool("node_modules/.bin/openapi-typescript"));
    generator.arg(description).arg("--output").arg(example.join("schema.d.ts"));
    servers.content("types", &mut generator, |_| true);
    let mut compiler = Command::new(tool("node_modules/.bin/tsc"));
    servers.content("compiler", compiler.arg("--project").arg(&example), str::is_empty);
    let mut node = Command::new("node");
    node.arg("--import").arg(example.join("websocket.mjs")).arg(example.join("built/example.js")).arg(url);
    servers.content("example", &mut node, |text| text == "done\n");
    servers.stop_agents().await;
    servers.server.end().await;
}

/// What the page takes for the server's types is what the server says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs tools of npm and PyPI: make test-openapi"]
async fn the_types_of_the_page_are_of_today() {
    let mut servers = Servers::start().await;
    let (_, url) = servers.urls[0].clone();
    let file = servers.description("description", &url).await;
    let text = fs::read(&file).expect("it was written");
    let mut description: serde_json::Value = serde_json::from_slice(&text).expect("it is JSON");
    // As `npm run api` of the page has it.
    description["paths"] = serde_json::json!({});
    fs::write(&file, description.to_string()).expect("it can be written");
    let types = servers.directory.path().join("schema.ts");
    let mut generator = Command::new(tool("node_modules/.bin/openapi-typescript"));
    servers.content("types", generator.arg(file).arg("--output").arg(&types), |_| true);
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/control-plane/ui/src/api/schema.ts");
    let [types, page] = [types, page].map(|file| fs::read_to_string(file).expect("it can be read"));
    assert!(types == page, "run `npm run api -- {url}` in crates/control-plane/ui");
    servers.server.end().await;
}
