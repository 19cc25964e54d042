//! A server of this crate alone, for one test.

use std::net::SocketAddr;
use std::sync::Once;
use std::time::Duration;

use axum::Router;
use parallax_api::Code;
use parallax_service::access::{Access, AccessConfig};
use parallax_service::metrics::Metrics;
use parallax_service::middleware;
use parallax_service::serve::serve;
use parallax_service::shutdown::Shutdown;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Longer than anything here takes; a test that reaches it has failed.
pub const LIMIT: Duration = Duration::from_secs(20);

pub struct Server {
    pub address: SocketAddr,
    pub shutdown: Shutdown,
    pub client: reqwest::Client,
    serving: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Server {
    /// Serves these routes behind this access control; the routes get the server's shutdown.
    pub async fn start(access: AccessConfig, routes: impl FnOnce(Shutdown) -> Router) -> Self {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| {
            rustls::crypto::ring::default_provider().install_default().unwrap();
        });
        let shutdown = Shutdown::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let metrics = Metrics::new("test", "1.2.3");
        let router = middleware::with_middleware(routes(shutdown.clone()), Access::new(access), &metrics);
        let serving = tokio::spawn(serve(listener, router, shutdown.clone(), Duration::from_secs(2)));
        let client = reqwest::Client::builder().timeout(LIMIT).build().unwrap();
        Self { address, shutdown, client, serving: Some(serving) }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    pub fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    pub fn post(&self, path: &str) -> RequestBuilder {
        self.request(Method::POST, path)
    }

    /// Begins the shutdown and waits until nothing is served any more.
    pub async fn stop(mut self) {
        self.shutdown.begin();
        let serving = self.serving.take().unwrap();
        tokio::time::timeout(LIMIT, serving)
            .await
            .expect("the server ends within its grace")
            .unwrap()
            .unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown.begin();
        if let Some(serving) = &self.serving {
            serving.abort();
        }
    }
}

/// Asserts that this is a refusal with this code, whole and consistent, and gives its body.
pub async fn refusal(response: Response, code: Code) -> Value {
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["code"], code.as_str(), "{body}");
    assert_eq!(status, code.status());
    assert_eq!(body["status"], code.status());
    assert!(body["type"].is_string() && body["title"].is_string() && body["detail"].is_string(), "{body}");
    body
}
