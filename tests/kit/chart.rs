//! The Helm chart, rendered with Helm's own libraries by a small program of ours: `tests/deploy/render`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

/// Where Debian's packages of Go libraries have their source.
const LIBRARIES: &str = "/usr/share/gocode";

/// A rendering of `deploy/chart`.
#[derive(Clone, Debug)]
pub struct Chart<'a> {
    /// The release's name.
    pub release: &'a str,
    /// The release's namespace.
    pub namespace: &'a str,
    /// Values that differ from those of `values.yaml`.
    pub values: Value,
    /// The objects that are in the cluster.
    pub cluster: Vec<Value>,
}

impl Chart<'_> {
    /// The objects of the chart; the words of what is wrong.
    ///
    /// # Errors
    /// When values do not fit the chart's schema, a template fails, or what it gives is no YAML.
    pub fn render(&self) -> Result<Vec<Value>, String> {
        let values = tempfile::NamedTempFile::new().expect("there is a temporary directory");
        // JSON is YAML.
        std::fs::write(values.path(), self.values.to_string()).expect("it can be written");
        let mut rendering = Command::new(renderer())
            .args([directory(), Path::new(self.release).into(), Path::new(self.namespace).into()])
            .arg(values.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it was built");
        let cluster = Value::from(self.cluster.clone()).to_string();
        let mut stdin = rendering.stdin.take().expect("it is piped");
        stdin.write_all(cluster.as_bytes()).expect("it is read, or it would fail for another reason");
        drop(stdin);
        let output = rendering.wait_with_output().expect("it ends");
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let list: Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
        Ok(list["items"].as_array().expect("it is a list").clone())
    }
}

/// Where the chart is.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/chart")
}

/// The program, built once for all tests of a process.
fn renderer() -> &'static Path {
    static BUILT: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, program) = BUILT.get_or_init(|| {
        let directory = tempfile::tempdir().expect("there is a temporary directory");
        let program = directory.path().join("render");
        let output = Command::new("go")
            .args(["build", "-o"])
            .arg(&program)
            .arg(".")
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/render"))
            .env("GO111MODULE", "off")
            .env("GOPATH", LIBRARIES)
            .output()
            .expect("Debian's package `golang-go` is installed");
        assert!(
            output.status.success(),
            "Debian's packages golang-github-burntsushi-toml-dev, golang-github-masterminds-sprig-dev, golang-k8s-sigs-yaml-dev and \
             golang-github-xeipuuv-gojsonschema-dev are installed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        (directory, program)
    });
    program
}
