//! What the API answers is no page of the server, whatever is in it.

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use parallax_service::access::{AccessConfig, Scope, Token};
use secrecy::SecretString;

use crate::server::Server;

#[tokio::test]
async fn answers_of_the_api_are_no_pages() {
    let token = Token { scope: Scope::View, secret: SecretString::from("viewer") };
    let config = AccessConfig { tokens: vec![token], ..AccessConfig::default() };
    let page = || async { Html("<script>fetch('/api/tickets', {method: 'POST'})</script>") };
    let server = Server::start(config.open(&["/page"]), |_| {
        Router::new().route("/api/file", get(page)).route("/page", get(page))
    })
    .await;
    for (path, token, status) in [
        ("/api/file", "viewer", 200),
        ("/api/none", "viewer", 404),
        ("/api/file", "guess", 401),
        ("/page", "viewer", 200),
        ("/health", "viewer", 404),
    ] {
        let answer = server.get(path).bearer_auth(token).send().await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
        let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap());
        let is_api = path.starts_with("/api/");
        let policy = is_api.then_some("sandbox; default-src 'none'");
        assert_eq!(header("content-security-policy"), policy, "{path}");
        assert_eq!(header("x-content-type-options"), is_api.then_some("nosniff"), "{path}");
    }
}
