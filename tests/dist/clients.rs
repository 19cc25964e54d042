//! The published clients, used by the examples as somebody uses them who has not this repository.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use parallax_testkit::local::Directory;
use parallax_testkit::up::Up;

use crate::artefact;

const NPM: &str = "parallax-agent-runtimes-client";

fn tool(name: &str) -> PathBuf {
    let tools = std::env::var("PARALLAX_OPENAPI_TOOLS").expect("make test-dist says where the tools are");
    Path::new(&tools).join(name)
}

fn example(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/clients").join(file);
    fs::read_to_string(path).expect("the example is there")
}

fn run(command: &mut Command) -> String {
    let Output { status, stdout, stderr } =
        command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let out = String::from_utf8_lossy(&stdout).into_owned();
    assert!(status.success(), "{command:?}: {status}\n{out}{}", String::from_utf8_lossy(&stderr));
    out
}

async fn up(directory: &Directory) -> Up {
    let profiles = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/profiles");
    Up::start_with(directory, &profiles, &[], &[]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs packages and tools of PyPI: make test-dist"]
async fn the_python_client() {
    let directory = Directory::new();
    let Up { mut server, .. } = up(&directory).await;
    let installed = directory.path().join("installed");
    let pip = |package: PathBuf, to: &Path| {
        let args = ["install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--target"];
        run(Command::new(tool("bin/pip")).args(args).arg(to).arg(package));
    };
    pip(artefact("parallax_agent_runtimes_client-", ".whl"), &installed);
    let script = directory.path().join("example.py");
    // The example has the streams beside it; the package has them in it.
    let text = example("python/example.py")
        .replace("\nfrom streams import", "\nfrom parallax_client.streams import");
    assert!(text.contains("parallax_client.streams import"));
    fs::write(&script, text).expect("the directory can be written");
    let mut python = Command::new(tool("bin/python"));
    python
        .arg("-B")
        .arg(&script)
        .arg(server.url())
        .env("PYTHONPATH", &installed)
        .current_dir(directory.path());
    assert_eq!(run(&mut python), "done\n");

    // From its sources it is the same.
    let from_sources = directory.path().join("from-sources");
    pip(artefact("parallax_agent_runtimes_client-", ".tar.gz"), &from_sources);
    run(Command::new("diff")
        .args(["-r", "-x", "__pycache__"])
        .args([installed, from_sources].map(|dir| dir.join("parallax_client"))));
    server.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs packages and tools of npm: make test-dist"]
async fn the_typescript_client() {
    let directory = Directory::new();
    let Up { mut server, .. } = up(&directory).await;
    let project = directory.path().join("project");
    let package = project.join("node_modules").join(NPM);
    fs::create_dir_all(&package).expect("the directory can be written");
    // As npm lays it out; what it depends on would be asked of the registry.
    let mut tar = Command::new("tar");
    run(tar.args(["-xzf"]).arg(artefact(NPM, ".tgz")).args(["--strip-components=1", "-C"]).arg(&package));
    for dependency in
        ["openapi-fetch", "openapi-typescript-helpers", "typescript", "@types", "undici-types", "ws"]
    {
        symlink(tool("node_modules").join(dependency), project.join("node_modules").join(dependency))
            .expect("it can be made");
    }
    let text = example("typescript/example.ts")
        .replace("import type { paths } from \"./schema.js\";\n", "")
        .replace("import createClient from \"openapi-fetch\";\n", "")
        .replace("\"./streams.js\"", &format!("{NPM:?}"))
        .replace("import { Terminal, events }", "import { Terminal, events, parallax }")
        .replace("createClient<paths>({", "parallax({");
    assert!(text.contains("parallax({ baseUrl: base })") && !text.contains("\"./"), "{text}");
    fs::write(project.join("example.ts"), text).expect("it can be written");
    for file in ["package.json", "tsconfig.json"] {
        fs::write(project.join(file), example(&format!("typescript/{file}"))).expect("it can be written");
    }
    let hook = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi/websocket.mjs");
    fs::copy(hook, project.join("websocket.mjs")).expect("it can be copied");
    run(Command::new(tool("node_modules/.bin/tsc")).current_dir(&project));
    let mut node = Command::new("node");
    node.args(["--import", "./websocket.mjs", "built/example.js"]).arg(server.url()).current_dir(&project);
    assert_eq!(run(&mut node), "done\n");
    server.end().await;
}
