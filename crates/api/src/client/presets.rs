//! Presets, one method a route.

use reqwest::Method;

use super::Client;
use crate::Problem;
use crate::preset::{Preset, PresetList, PresetRequest};

impl Client {
    /// `GET /api/presets`: every preset, by name.
    pub async fn presets(&self) -> Result<PresetList, Problem> {
        self.fetch(self.request(Method::GET, "/api/presets")).await
    }

    /// `GET /api/presets/:name`: one preset.
    pub async fn preset(&self, name: &str) -> Result<Preset, Problem> {
        self.fetch(self.request(Method::GET, &format!("/api/presets/{name}"))).await
    }

    /// `PUT /api/presets/:name`: adds a preset or replaces it.
    pub async fn put_preset(&self, name: &str, preset: &PresetRequest) -> Result<Preset, Problem> {
        self.fetch(self.request(Method::PUT, &format!("/api/presets/{name}")).json(preset)).await
    }

    /// `DELETE /api/presets/:name`: deletes a preset.
    pub async fn delete_preset(&self, name: &str) -> Result<(), Problem> {
        self.succeed(self.request(Method::DELETE, &format!("/api/presets/{name}"))).await.map(drop)
    }
}
