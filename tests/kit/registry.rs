//! A registry with one image, on this machine: what an engine fetches from it without certificates or credentials.

use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
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

/// How much of a layer is sent at once, in bytes.
const PART: usize = 64 * 1024;

/// The size of a layer that no engine has, in bytes, and the name of its file.
const NEW_LAYER: usize = 20 * 1024 * 1024;
const NEW_LAYER_FILE: &str = "new/layer.tar";

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
        Self::with_pauses(image, Duration::ZERO).await
    }

    /// The same on a slow line, where each 64 KiB take this long, and with a layer more, of 20 MiB, that no engine has.
    pub async fn with_pauses(image: &str, pause: Duration) -> Self {
        let content = Arc::new(saved(image, !pause.is_zero()).await);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it listens").to_string();
        let router = Router::new()
            .route("/v2/", get(|| async { "{}" }))
            .route("/v2/{name}/manifests/{reference}", get(manifest))
            .route("/v2/{name}/blobs/{digest}", get(blob))
            .with_state((content, pause));
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

async fn manifest(State((content, _)): State<(Arc<Content>, Duration)>) -> impl IntoResponse {
    ([(CONTENT_TYPE, MANIFEST)], content.manifest.clone())
}

async fn blob(
    State((content, pause)): State<(Arc<Content>, Duration)>,
    Path((_, digest)): Path<(String, String)>,
) -> Response {
    match content.blobs.get(&digest) {
        Some(blob) => {
            let headers = [
                (CONTENT_TYPE, "application/octet-stream".to_owned()),
                (CONTENT_LENGTH, blob.len().to_string()),
            ];
            let parts = futures::stream::unfold((blob.clone(), pause), async |(mut rest, pause)| {
                let part = rest.split_to(rest.len().min(PART));
                tokio::time::sleep(pause).await;
                (!part.is_empty()).then(|| (Ok::<Bytes, std::convert::Infallible>(part), (rest, pause)))
            });
            (headers, Body::from_stream(parts)).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// The image as the engine saves it, in the form that a registry has it.
async fn saved(image: &str, has_new_layer: bool) -> Content {
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
    let mut saved: Value = serde_json::from_slice(&files["manifest.json"]).expect("it is JSON");
    if has_new_layer {
        add_layer(&mut saved[0], &mut files);
    }
    let mut blobs = HashMap::new();
    let mut described = |path: &Value, media_type: &str| {
        let bytes = files[path.as_str().expect("it is a path")].clone();
        let digest = hex::encode(Sha256::digest(&bytes));
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

/// Adds a layer with contents of its own.
fn add_layer(saved: &mut Value, files: &mut HashMap<String, Bytes>) {
    let contents = uuid::Uuid::new_v4().to_string().repeat(NEW_LAYER / 36);
    let mut layer = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(contents.len() as u64);
    header.set_mode(0o644);
    layer.append_data(&mut header, "new", contents.as_bytes()).expect("it is written to memory");
    let layer = layer.into_inner().expect("it is written to memory");
    let digest = hex::encode(Sha256::digest(&layer));
    let config = saved["Config"].as_str().expect("it is a path").to_owned();
    let mut described: Value = serde_json::from_slice(&files[&config]).expect("it is JSON");
    described["rootfs"]["diff_ids"].as_array_mut().expect("a list").push(json!(format!("sha256:{digest}")));
    described["history"].as_array_mut().expect("a list").push(json!({"created_by": "a test"}));
    saved["Layers"].as_array_mut().expect("a list").push(json!(NEW_LAYER_FILE));
    files.insert(config, described.to_string().into());
    files.insert(NEW_LAYER_FILE.to_owned(), layer.into());
}
