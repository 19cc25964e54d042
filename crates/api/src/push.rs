//! Web Push: devices that are told when somebody waits.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Time;

/// The longest endpoint, in bytes.
pub const MAX_ENDPOINT: usize = 2048;
/// The longest label, in bytes.
pub const MAX_DEVICE_LABEL: usize = 100;

/// A subscription as the browser gives it: the body of `POST /api/push/devices`. The same endpoint is the same device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PushSubscription {
    /// Where its push service takes messages: an `https` address.
    #[schema(max_length = 2048)]
    pub endpoint: String,
    /// What messages to it are encrypted with.
    pub keys: PushKeys,
    /// A name for people.
    #[schema(max_length = 100)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Whether nothing is sent to it for now.
    #[serde(default)]
    pub muted: bool,
}

/// The keys of a subscription, in base64url without padding (RFC 8291).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PushKeys {
    /// The browser's public key on P-256, uncompressed: 65 bytes.
    #[schema(max_length = 100)]
    pub p256dh: String,
    /// Its secret: 16 bytes.
    #[schema(max_length = 32)]
    pub auth: String,
}

/// A device that is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushDevice {
    /// Names it; made of its endpoint.
    pub id: String,
    /// The host of its push service.
    pub service: String,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Whether nothing is sent to it for now.
    pub muted: bool,
    /// Since when.
    pub created_at: Time,
    /// Why the last message did not go out; none when it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// The answer to `GET /api/push`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushInfo {
    /// The server's key (VAPID), which a browser subscribes with: base64url without padding.
    pub public_key: String,
    /// Every device, oldest first.
    pub devices: Vec<PushDevice>,
}
