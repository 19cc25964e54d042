//! What comes over sockets: frames of viewers and servers, lines of hosts, bodies of requests.

use parallax_api::host::{HostLine, HostStarted};
use parallax_api::pattern::ExecuteRequest;
use parallax_api::terminal::{InputRequest, ServerFrame, ViewerFrame};
use parallax_api::{Event, SendRequest, SpawnRequest};
use parallax_profile::Launch;
use serde::de::DeserializeOwned;

pub const TOKENS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"type\"",
    "\"event\"",
    "\"data\"",
    "\"name\"",
    "\"cols\"",
    "\"rows\"",
    "\"resize\"",
    "\"agent\"",
    "\"seq\"",
    "null",
    "true",
    "1e400",
    "-1",
    "\"\\ud800\"",
    "\"\\u0000\"",
    "18446744073709551616",
    "\"2026-01-01T00:00:00Z\"",
    "\"9999-99-99T99:99:99Z\"",
    "{\"type\":\"resize\",\"cols\":80,\"rows\":24}",
    "{\"name\":\"a\",\"type\":\"b\"}",
];

pub fn run(input: &[u8]) {
    read::<ViewerFrame>(input);
    read::<ServerFrame>(input);
    read::<HostLine>(input);
    read::<HostStarted>(input);
    read::<Event>(input);
    read::<InputRequest>(input);
    read::<ExecuteRequest>(input);
    read::<Launch>(input);
    if let Ok(request) = serde_json::from_slice::<SpawnRequest>(input) {
        drop(request.check());
    }
    if let Ok(request) = serde_json::from_slice::<SendRequest>(input) {
        drop(request.check());
    }
}

/// A value or an error: both are an answer.
fn read<T: DeserializeOwned>(input: &[u8]) {
    drop(serde_json::from_slice::<T>(input));
}
