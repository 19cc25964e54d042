//! The repository of devices that are told by Web Push.

use std::fmt::Debug;

use async_trait::async_trait;
use parallax_api::Time;
use parallax_api::push::PushSubscription;

use crate::{Put, StoreError};

/// A device as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRow {
    /// Names it.
    pub id: String,
    /// How it is reached.
    pub subscription: PushSubscription,
    /// When it was first stored.
    pub created_at: Time,
}

/// Devices by id.
#[async_trait]
pub trait DeviceStore: Debug + Send + Sync {
    /// Stores a device, in place of one of this id; `max` is how many may be stored.
    async fn put(&self, id: &str, device: &PushSubscription, max: usize) -> Result<Put, StoreError>;

    /// Every device, oldest first.
    async fn list(&self) -> Result<Vec<DeviceRow>, StoreError>;

    /// Deletes a device; false when there was none.
    async fn delete(&self, id: &str) -> Result<bool, StoreError>;
}
