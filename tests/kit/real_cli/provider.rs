//! Claude's provider, played: what its login asks once a person brings a code. The CLI knows one address for it, so it goes
//! there by a proxy of this machine, which shows a certificate that the CLI was told to trust.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// The hosts it answers for; connections to others are refused.
const HOSTS: [&str; 2] = ["platform.claude.com", "api.anthropic.com"];
/// The longest head of a `CONNECT` request, in bytes.
const MAX_HEAD: usize = 8192;

/// The provider and the proxy that leads to it. Dropping it ends it.
#[derive(Debug)]
pub struct Provider {
    proxy: String,
    authority: PathBuf,
    code_rx: watch::Receiver<Option<String>>,
    task: JoinHandle<()>,
}

impl Provider {
    /// Starts it, with the certificate of its authority in `directory`.
    pub async fn start(directory: &Path) -> Self {
        let (config, authority) = certificates(directory);
        let listener =
            TcpListener::bind("127.0.0.1:0").await.expect("the loopback interface has a free port");
        let proxy = format!("http://{}", listener.local_addr().expect("a listener has an address"));
        let (code_tx, code_rx) = watch::channel(None);
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let routes = routes(code_tx);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, routes) = (acceptor.clone(), routes.clone());
                // A connection that breaks is the CLI's to make again.
                tokio::spawn(async move { serve(stream, acceptor, routes).await.ok() });
            }
        });
        Self { proxy, authority, code_rx, task }
    }

    /// The variables that lead an agent here.
    pub fn env(&self) -> [(String, String); 3] {
        let authority = self.authority.to_string_lossy().into_owned();
        [
            ("HTTPS_PROXY".into(), self.proxy.clone()),
            ("NODE_EXTRA_CA_CERTS".into(), authority.clone()),
            ("SSL_CERT_FILE".into(), authority),
        ]
    }

    /// The code that was brought.
    pub fn code(&self) -> Option<String> {
        self.code_rx.borrow().clone()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn certificates(directory: &Path) -> (ServerConfig, PathBuf) {
    let key = || KeyPair::generate().expect("a key can be made");
    let mut root = CertificateParams::default();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(root, key()).expect("an authority can be made");
    let leaf_key = key();
    let mut leaf = CertificateParams::new(HOSTS.map(ToOwned::to_owned)).expect("names of hosts");
    // Without a name of its own it would have its authority's, and look like its own authority.
    leaf.distinguished_name.push(DnType::CommonName, "provider");
    let leaf = leaf.signed_by(&leaf_key, &root).expect("a certificate can be signed");
    let authority = directory.join("provider.pem");
    std::fs::write(&authority, root.pem()).expect("the directory can be written");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the library knows its own versions")
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .expect("the key is the certificate's");
    (config, authority)
}

/// What the CLI asks around a login, and no more.
fn routes(code_tx: watch::Sender<Option<String>>) -> Router {
    let account =
        json!({"uuid": "00000000-0000-4000-8000-000000000002", "email_address": "somebody@example.com"});
    let organization = json!({"uuid": "00000000-0000-4000-8000-000000000001", "name": "Example"});
    let token = json!({
        "token_type": "Bearer", "access_token": "invented-access", "refresh_token": "invented-refresh",
        "expires_in": 28800, "scope": "user:inference user:profile", "organization": organization, "account": account,
    });
    let profile = json!({
        "account": {"uuid": account["uuid"], "email": account["email_address"], "has_claude_max": true},
        "organization": {"uuid": organization["uuid"], "organization_type": "claude_max"},
    });
    let roles = json!({"organization_role": "admin", "workspace_role": null, "organization_name": "Example"});
    Router::new()
        .route(
            "/v1/oauth/token",
            post(|State(code_tx): State<watch::Sender<Option<String>>>, body: Bytes| async move {
                let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
                code_tx.send_replace(asked["code"].as_str().map(ToOwned::to_owned));
                Json(token)
            }),
        )
        .route("/api/oauth/profile", get(|| async { Json(profile) }))
        .route("/api/oauth/claude_cli/roles", get(|| async { Json(roles) }))
        .fallback(|| async { (StatusCode::NOT_FOUND, Json(json!({"error": {"type": "not_found_error"}}))) })
        .with_state(code_tx)
}

async fn serve(mut stream: TcpStream, acceptor: TlsAcceptor, routes: Router) -> anyhow::Result<()> {
    let host = connect(&mut stream).await?;
    if !HOSTS.contains(&host.as_str()) {
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").await?;
        return Ok(());
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    let stream = acceptor.accept(stream).await?;
    let service = TowerToHyperService::new(routes);
    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await?;
    Ok(())
}

/// Reads `CONNECT HOST:PORT`.
async fn connect(stream: &mut TcpStream) -> anyhow::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        anyhow::ensure!(head.len() < MAX_HEAD, "a head is not that long");
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head)?;
    let asked = head.strip_prefix("CONNECT ").and_then(|rest| rest.split_once(':'));
    Ok(asked.map(|(host, _)| host.to_owned()).unwrap_or_default())
}
