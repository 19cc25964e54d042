//! Web Push: devices that are told when somebody waits for a person, also while no page is open.
//!
//! - `endpoint`: where messages may go
//! - `encryption`, `vapid`: what browsers and push services want of a message
//! - `delivery`: the way of messages to one device, a task each
//! - `waiting`: who waits, and what of it is news
//!
//! A message has no content but a number: it passes a service of somebody else, and is shown on locked screens.

mod delivery;
mod encryption;
mod endpoint;
mod vapid;
mod waiting;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use parallax_api::push::{MAX_DEVICE_LABEL, PushDevice, PushInfo, PushSubscription};
use parallax_api::text::is_plain;
use parallax_api::{Code, Problem};
use parallax_service::shutdown::Shutdown;
use parallax_store::{DeviceRow, DeviceStore, Put, StoreError};
use reqwest::Url;
use tokio::sync::{OnceCell, watch};
use tokio::task::AbortHandle;
use tracing::Instrument;

use delivery::Delivery;
use encryption::Recipient;
use vapid::VapidKey;
pub use waiting::follow;

/// Devices at most: each is told of everything.
const MAX_DEVICES: usize = 64;

/// How messages are sent.
#[derive(Clone, Debug)]
pub struct PushConfig {
    /// Whom push services may write to about this server: `mailto:` or `https:`.
    pub contact: String,
    /// Whether endpoints may be on this machine, without TLS: for tests.
    pub loopback: bool,
}

impl Default for PushConfig {
    fn default() -> Self {
        Self { contact: "mailto:parallax@example.com".into(), loopback: false }
    }
}

/// Who waits, as devices are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct News {
    /// How many wait.
    waiting: usize,
    /// How often somebody began to.
    began: u64,
}

/// The devices. Clones share them.
#[derive(Clone, Debug)]
pub struct Push(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Arc<dyn DeviceStore>,
    config: PushConfig,
    state_dir: PathBuf,
    key: OnceCell<Arc<VapidKey>>,
    news: watch::Sender<News>,
    devices: Mutex<HashMap<String, Device>>,
    shutdown: Shutdown,
}

/// A device that is served.
#[derive(Debug)]
struct Device {
    failure: watch::Receiver<Option<String>>,
    /// None when it is muted.
    task: Option<AbortHandle>,
}

impl Push {
    /// The devices in `store`. None is told anything before [`Push::resume`].
    pub fn new(
        store: Arc<dyn DeviceStore>,
        config: PushConfig,
        state_dir: PathBuf,
        shutdown: Shutdown,
    ) -> Self {
        let (key, news, devices) = (OnceCell::new(), watch::Sender::new(News::default()), Mutex::default());
        Self(Arc::new(Inner { store, config, state_dir, key, news, devices, shutdown }))
    }

    /// Begins to serve the stored devices.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn resume(&self) -> Result<(), Problem> {
        for row in self.0.store.list().await? {
            let id = row.id.clone();
            if let Err(problem) = self.serve(row).await {
                tracing::warn!(device.id = id, %problem, "a device cannot be told");
            }
        }
        Ok(())
    }

    /// The server's key, and every device.
    ///
    /// # Errors
    /// When the store fails, or there is no key.
    pub async fn info(&self) -> Result<PushInfo, Problem> {
        let public_key = self.key().await?.public();
        let rows = self.0.store.list().await?;
        Ok(PushInfo { public_key, devices: rows.into_iter().map(|row| self.shown(row)).collect() })
    }

    /// Stores a device, in place of the same one. Returns whether it is new.
    ///
    /// # Errors
    /// `VALIDATION_ERROR`, `RESOURCE_LIMIT` when there are as many as may be.
    pub async fn put(&self, device: PushSubscription) -> Result<(bool, PushDevice), Problem> {
        let label = device.label.as_deref().unwrap_or_default();
        if label.len() > MAX_DEVICE_LABEL || !is_plain(label) {
            let detail = format!(
                "a label has at most {MAX_DEVICE_LABEL} bytes, none that control or turn the text or cannot be seen"
            );
            return Err(Problem::invalid("label", detail));
        }
        self.way_to(&device)?;
        let push = self.clone();
        // A task of its own: the caller may hang up, and what is stored is served.
        tokio::spawn(async move { push.store(device).await }.in_current_span())
            .await
            .map_err(Problem::internal)?
    }

    async fn store(&self, device: PushSubscription) -> Result<(bool, PushDevice), Problem> {
        let id = id_of(&device.endpoint);
        let put = self.0.store.put(&id, &device, MAX_DEVICES).await?;
        if put == Put::TooMany {
            let detail = format!("{MAX_DEVICES} devices are told already; remove some");
            return Err(Problem::new(Code::ResourceLimit, detail));
        }
        let rows = self.0.store.list().await?;
        let row = rows.into_iter().find(|row| row.id == id);
        let row = row.ok_or_else(|| Problem::internal("a device that was stored is gone"))?;
        self.serve(row.clone()).await?;
        Ok((put == Put::Created, self.shown(row)))
    }

    /// Forgets a device.
    ///
    /// # Errors
    /// `NOT_FOUND` when there is none of that id.
    pub async fn delete(&self, id: &str) -> Result<(), Problem> {
        let (push, id) = (self.clone(), id.to_owned());
        // One that stays stored is told on. In a task of its own, as above.
        let deleting = async move {
            let deleted = push.0.store.delete(&id).await?;
            push.end(&id);
            Ok::<_, StoreError>(deleted)
        };
        if tokio::spawn(deleting.in_current_span()).await.map_err(Problem::internal)?? {
            return Ok(());
        }
        Err(Problem::new(Code::NotFound, "no device has that id; `GET /api/push` lists those there are"))
    }

    /// Where its messages go and what they are encrypted with.
    fn way_to(&self, device: &PushSubscription) -> Result<(Url, Recipient), Problem> {
        let endpoint = endpoint::checked(&device.endpoint, self.0.config.loopback)?;
        let recipient =
            Recipient::new(&device.keys).map_err(|error| Problem::invalid("keys", error.to_string()))?;
        Ok((endpoint, recipient))
    }

    async fn serve(&self, row: DeviceRow) -> Result<(), Problem> {
        let (endpoint, recipient) = self.way_to(&row.subscription)?;
        self.end(&row.id);
        let (failure_tx, failure) = watch::channel(None);
        let task = if row.subscription.muted {
            None
        } else {
            let delivery =
                Delivery::new(self.key().await?, endpoint, recipient).map_err(Problem::internal)?;
            let (news, push, id) = (self.0.news.subscribe(), self.clone(), row.id.clone());
            let shutdown = self.0.shutdown.clone();
            let work = async move {
                tokio::select! {
                    () = delivery.run(news, failure_tx) => {
                        // The service says that the subscription has ended.
                        if let Err(error) = push.0.store.delete(&id).await {
                            let error = &error as &dyn std::error::Error;
                            tracing::warn!(device.id = id, error, "an ended subscription could not be removed");
                        }
                        push.devices().remove(&id);
                    }
                    () = shutdown.begun() => {}
                }
            };
            Some(self.0.shutdown.tracker().spawn(work).abort_handle())
        };
        let earlier = self.devices().insert(row.id, Device { failure, task });
        // The same browser said it twice at once: one of the two delivers.
        if let Some(Device { task: Some(task), .. }) = earlier {
            task.abort();
        }
        Ok(())
    }

    fn end(&self, id: &str) {
        if let Some(Device { task: Some(task), .. }) = self.devices().remove(id) {
            task.abort();
        }
    }

    async fn key(&self) -> Result<Arc<VapidKey>, Problem> {
        let inner = self.0.clone();
        let open = async || {
            let opening =
                tokio::task::spawn_blocking(move || VapidKey::open(&inner.state_dir, &inner.config.contact));
            let key = opening.await.map_err(Problem::internal)?;
            key.map(Arc::new).map_err(|error| Problem::internal(format!("{error:#}")))
        };
        self.0.key.get_or_try_init(open).await.cloned()
    }

    fn shown(&self, row: DeviceRow) -> PushDevice {
        let service = row.subscription.endpoint.parse::<Url>().ok();
        let service = service.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
        let failure = self.devices().get(&row.id).and_then(|device| device.failure.borrow().clone());
        PushDevice {
            id: row.id,
            service,
            label: row.subscription.label,
            muted: row.subscription.muted,
            created_at: row.created_at,
            failure,
        }
    }

    fn devices(&self) -> MutexGuard<'_, HashMap<String, Device>> {
        self.0.devices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The id of the device with this endpoint: it says nothing of where messages to it go.
fn id_of(endpoint: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, endpoint.as_bytes());
    hex::encode(&digest.as_ref()[..12])
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use parallax_api::Time;
    use parallax_api::push::PushKeys;
    use ring::agreement::{ECDH_P256, EphemeralPrivateKey};
    use ring::rand::SystemRandom;
    use tokio::sync::Semaphore;

    use super::*;

    /// Each change waits for a permit; without `is_whole` none is deleted.
    #[derive(Debug)]
    struct Slow {
        rows: Mutex<Vec<DeviceRow>>,
        gate: Semaphore,
        is_whole: bool,
    }

    impl Slow {
        async fn wait(&self) {
            self.gate.acquire().await.expect("it is never closed").forget();
        }
    }

    #[async_trait]
    impl DeviceStore for Slow {
        async fn put(&self, id: &str, device: &PushSubscription, _: usize) -> Result<Put, StoreError> {
            self.wait().await;
            let row = DeviceRow { id: id.into(), subscription: device.clone(), created_at: Time::now() };
            self.rows.lock().expect("rows").push(row);
            Ok(Put::Created)
        }

        async fn list(&self) -> Result<Vec<DeviceRow>, StoreError> {
            self.wait().await;
            Ok(self.rows.lock().expect("rows").clone())
        }

        async fn delete(&self, id: &str) -> Result<bool, StoreError> {
            self.wait().await;
            if !self.is_whole {
                return Err(StoreError::Full("no room".into()));
            }
            self.rows.lock().expect("rows").retain(|row| row.id != id);
            Ok(true)
        }
    }

    fn push(is_whole: bool) -> (Push, Arc<Slow>, PushSubscription) {
        let store = Arc::new(Slow { rows: Mutex::default(), gate: Semaphore::new(0), is_whole });
        let push = Push::new(store.clone(), PushConfig::default(), PathBuf::new(), Shutdown::new());
        let private = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).expect("a key");
        let public = private.compute_public_key().expect("its other half");
        let keys = PushKeys {
            p256dh: URL_SAFE_NO_PAD.encode(public.as_ref()),
            auth: URL_SAFE_NO_PAD.encode([7; 16]),
        };
        let endpoint = "https://push.example.org/1".to_owned();
        (push, store, PushSubscription { endpoint, keys, label: None, muted: true })
    }

    #[tokio::test]
    async fn who_hangs_up_leaves_no_device_half_changed() {
        let (push, store, device) = push(true);
        let id = id_of(&device.endpoint);
        let is_served = || push.devices().contains_key(&id);
        for begin in [true, false] {
            let change = async {
                match begin {
                    true => push.put(device.clone()).await.map(drop),
                    false => push.delete(&id).await,
                }
            };
            tokio::select! {
                biased;
                _ = change => panic!("it waits for the store"),
                () = tokio::task::yield_now() => {}
            }
            store.gate.add_permits(2);
            while is_served() != begin {
                tokio::task::yield_now().await;
            }
            assert_eq!(store.rows.lock().expect("rows").len(), usize::from(begin));
        }
    }

    #[tokio::test]
    async fn a_device_that_stays_stored_is_served_on() {
        let (push, store, device) = push(false);
        store.gate.add_permits(3);
        let (_, put) = push.put(device).await.expect("stored");
        assert_eq!(push.delete(&put.id).await.expect_err("no room").code, Code::StorageFull);
        assert!(push.devices().contains_key(&put.id));
    }
}
