//! A registry with one image, on this machine: what an engine fetches from it without certificates or credentials.

use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::JoinHandle;

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";

/// A running registry. It ends with this.
#[derive(Debug)]
pub struct Registry {
    address: String,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Content {
    manifest: Bytes,
    blobs: HashMap<String, Bytes>,
}

impl Registry {
    /// A registry that has what the engine calls `image`.
    pub async fn of(image: &str) -> Self {
        let content = Arc::new(saved(image).await);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it listens").to_string();
        let router = Router::new()
            .route("/v2/", get(|| async { "{}" }))
            .route("/v2/{name}/manifests/{reference}", get(manifest))
            .route("/v2/{name}/blobs/{digest}", get(blob))
            .with_state(content);
        let task = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { address, task }
    }

    /// What the engine has to call the image to fetch it from here.
    pub fn image(&self) -> String {
        format!("{}/image:1", self.address)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn manifest(State(content): State<Arc<Content>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, MANIFEST)], content.manifest.clone())
}

async fn blob(State(content): State<Arc<Content>>, Path((_, digest)): Path<(String, String)>) -> Response {
    match content.blobs.get(&digest) {
        Some(blob) => ([(CONTENT_TYPE, "application/octet-stream")], blob.clone()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// The image as the engine saves it, in the form that a registry has it.
async fn saved(image: &str) -> Content {
    let output = Command::new("docker").args(["save", image]).output().await.expect("docker can be run");
    assert!(output.status.success(), "{image} is not here: make test-images");
    let mut files = HashMap::new();
    for entry in tar::Archive::new(output.stdout.as_slice()).entries().expect("it is an archive") {
        let mut entry = entry.expect("it is whole");
        let path = entry.path().expect("it has a path").to_string_lossy().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("it is whole");
        files.insert(path, Bytes::from(bytes));
    }
    let saved: Value = serde_json::from_slice(&files["manifest.json"]).expect("it is JSON");
    let mut blobs = HashMap::new();
    let mut described = |path: &Value, media_type: &str| {
        let bytes = files[path.as_str().expect("it is a path")].clone();
        let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let digest = format!("sha256:{digest}");
        let description = json!({"mediaType": media_type, "size": bytes.len(), "digest": digest});
        blobs.insert(digest, bytes);
        description
    };
    let config = described(&saved[0]["Config"], CONFIG);
    let layers = saved[0]["Layers"].as_array().expect("it has layers");
    let layers: Vec<Value> = layers.iter().map(|layer| described(layer, LAYER)).collect();
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers});
    Content { manifest: manifest.to_string().into(), blobs }
}
