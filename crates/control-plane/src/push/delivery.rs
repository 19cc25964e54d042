//! The way of messages to one device: the newest state, again until the service has taken it.

use std::sync::Arc;
use std::time::Duration;

use parallax_api::client::install_crypto;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderName};
use reqwest::{Client, StatusCode, Url};
use serde_json::json;
use tokio::sync::watch;

use super::News;
use super::encryption::Recipient;
use super::endpoint::InternetOnly;
use super::vapid::VapidKey;

const TTL: HeaderName = HeaderName::from_static("ttl");
const URGENCY: HeaderName = HeaderName::from_static("urgency");
const TOPIC: HeaderName = HeaderName::from_static("topic");
/// How long a service keeps what it cannot deliver, in seconds. Who looks at the phone later looks at the page.
const KEPT_SECONDS: &str = "14400";
/// Of the messages that wait at a service only the last counts: an answer withdraws its question.
const ONE_TOPIC: &str = "parallax-waiting";
/// How long a service may take.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The waits between attempts: doubled each time, up to the limit.
const FIRST_WAIT: Duration = Duration::from_secs(2);
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// The way to one device.
#[derive(Debug)]
pub struct Delivery {
    client: Client,
    key: Arc<VapidKey>,
    endpoint: Url,
    recipient: Recipient,
}

/// What a service said.
enum Taken {
    Yes,
    /// The subscription has ended.
    Gone,
    No(String),
}

impl Delivery {
    pub fn new(key: Arc<VapidKey>, endpoint: Url, recipient: Recipient) -> anyhow::Result<Self> {
        install_crypto();
        let mut client = Client::builder()
            .timeout(TIMEOUT)
            .dns_resolver(Arc::new(InternetOnly))
            // A proxy would look names up where nobody looks at what they lead to.
            .no_proxy()
            // A redirect may lead anywhere.
            .redirect(reqwest::redirect::Policy::none());
        if endpoint.scheme() == "http" {
            // A server of this machine, in a test.
            client = client.tls_certs_only([]);
        }
        Ok(Self { client: client.build()?, key, endpoint, recipient })
    }

    /// Sends news as they come, until the subscription has ended. `failure` says why the last message did not go out.
    pub async fn run(self, mut news: watch::Receiver<News>, failure: watch::Sender<Option<String>>) {
        let mut sent = *news.borrow_and_update();
        let mut wait = FIRST_WAIT;
        loop {
            let now = *news.borrow_and_update();
            if now == sent {
                if news.changed().await.is_err() {
                    return std::future::pending().await;
                }
                continue;
            }
            match self.send(now, sent).await {
                Taken::Yes => {
                    failure.send_replace(None);
                    (sent, wait) = (now, FIRST_WAIT);
                }
                Taken::Gone => return,
                Taken::No(why) => {
                    tracing::info!(service = self.endpoint.host_str(), why, "a device was not told");
                    failure.send_replace(Some(why));
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
            }
        }
    }

    async fn send(&self, now: News, sent: News) -> Taken {
        let is_new = now.began > sent.began && now.waiting > 0;
        let message = json!({ "waiting": now.waiting, "new": is_new }).to_string();
        let origin = self.endpoint.origin().ascii_serialization();
        let made = self
            .recipient
            .encrypt(message.as_bytes())
            .and_then(|body| Ok((body, self.key.authorization(&origin)?)));
        let (body, authorization) = match made {
            Ok(made) => made,
            Err(error) => return Taken::No(error.to_string()),
        };
        let request = self
            .client
            .post(self.endpoint.clone())
            .header(AUTHORIZATION, authorization)
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_ENCODING, "aes128gcm")
            .header(TTL, KEPT_SECONDS)
            .header(URGENCY, if is_new { "high" } else { "normal" })
            .header(TOPIC, ONE_TOPIC)
            .body(body);
        match request.send().await.map(|response| response.status()) {
            Ok(StatusCode::NOT_FOUND | StatusCode::GONE) => Taken::Gone,
            Ok(status) if status.is_success() => Taken::Yes,
            Ok(status) => Taken::No(format!("the push service answers {status}")),
            // Its words may hold the endpoint, which is a secret.
            Err(error) if error.is_timeout() => Taken::No("the push service does not answer in time".into()),
            Err(_) => Taken::No("the push service cannot be reached".into()),
        }
    }
}
