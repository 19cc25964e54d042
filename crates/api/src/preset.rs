//! Presets: named spawn requests, for people who spawn the same kind of agent again and again.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::agent::SpawnRequest;
use crate::text::is_plain;
use crate::{Problem, Time};

/// The longest name, in bytes.
pub const MAX_PRESET_NAME: usize = 63;
/// The longest description, in bytes.
pub const MAX_PRESET_DESCRIPTION: usize = 1000;
/// The most bytes of a preset as JSON: its prompt is the start of a message, and no archive.
pub const MAX_PRESET: usize = 256 * 1024;

/// What a preset consists of: the body of `PUT /api/presets/:name`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PresetRequest {
    /// What it is for.
    #[schema(max_length = 1000)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The fields of a spawn request, without `name` and `preset`; all may be left out. Everyone who may spawn can read them.
    #[schema(value_type = Object)]
    pub spawn: SpawnRequest,
}

/// A preset.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Preset {
    /// Its name: lower-case letters, digits and `-`.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The fields of a spawn request.
    #[schema(value_type = Object)]
    pub spawn: SpawnRequest,
    /// When one of this name was first stored.
    pub created_at: Time,
    /// When it was last replaced.
    pub updated_at: Time,
}

/// The answer to `GET /api/presets`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PresetList {
    /// By name.
    pub presets: Vec<Preset>,
}

impl PresetRequest {
    /// Checks every bound. Fails with `VALIDATION_ERROR` naming the field.
    pub fn check(&self) -> Result<(), Problem> {
        let described = self.description.as_deref().unwrap_or_default();
        if described.len() > MAX_PRESET_DESCRIPTION || !is_plain(described) {
            let detail = format!(
                "a description has at most {MAX_PRESET_DESCRIPTION} bytes, and none that control or turn the text or cannot be seen"
            );
            return Err(Problem::invalid("description", detail));
        }
        if !self.spawn.name.is_empty() {
            return Err(Problem::invalid("spawn.name", "a preset names no agent; leave `name` out"));
        }
        if self.spawn.preset.is_some() {
            return Err(Problem::invalid(
                "spawn.preset",
                "a preset is not made of another; leave `preset` out",
            ));
        }
        let SpawnRequest { r#type, .. } = &self.spawn;
        let with_name = SpawnRequest {
            name: "preset".into(),
            r#type: if r#type.is_empty() { "any".into() } else { r#type.clone() },
            ..self.spawn.clone()
        };
        with_name.check()
    }
}

/// Checks the name of a preset: 1 to 63 lower-case letters, digits and `-`, first and last none of `-`.
pub fn check_preset_name(name: &str) -> Result<(), Problem> {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fits = (1..=MAX_PRESET_NAME).contains(&name.len())
        && name.bytes().all(is_word)
        && !name.starts_with('-')
        && !name.ends_with('-');
    if fits {
        return Ok(());
    }
    let detail = format!(
        "a preset's name has 1 to {MAX_PRESET_NAME} lower-case letters, digits and `-`, such as `code-review`"
    );
    Err(Problem::invalid("name", detail))
}

impl SpawnRequest {
    /// This request with what it leaves out taken from a preset. Labels and variables are those of both, where both name one
    /// this request's; arguments and capabilities are this request's when it has any.
    #[must_use]
    pub fn over(self, preset: SpawnRequest) -> SpawnRequest {
        let places_itself = self.workdir.is_some() || self.workspace.is_some();
        let (workdir, workspace) = match places_itself {
            true => (self.workdir, self.workspace),
            false => (preset.workdir, preset.workspace),
        };
        SpawnRequest {
            name: self.name,
            r#type: if self.r#type.is_empty() { preset.r#type } else { self.r#type },
            preset: None,
            capabilities: first_of(self.capabilities, preset.capabilities),
            workdir,
            workspace,
            env: preset.env.into_iter().chain(self.env).collect(),
            runtime: self.runtime.or(preset.runtime),
            class: self.class.or(preset.class),
            role: self.role.or(preset.role),
            labels: preset.labels.into_iter().chain(self.labels).collect(),
            model: self.model.or(preset.model),
            args: first_of(self.args, preset.args),
            approvals: self.approvals.or(preset.approvals),
            prompt: self.prompt.or(preset.prompt),
            terminal: self.terminal.or(preset.terminal),
            ports: self.ports.or(preset.ports),
            resources: self.resources.or(preset.resources),
            image: self.image.or(preset.image),
            idle_timeout_seconds: self.idle_timeout_seconds.or(preset.idle_timeout_seconds),
            max_lifetime_seconds: self.max_lifetime_seconds.or(preset.max_lifetime_seconds),
            stall_seconds: self.stall_seconds.or(preset.stall_seconds),
        }
    }
}

fn first_of(own: Vec<String>, preset: Vec<String>) -> Vec<String> {
    if own.is_empty() { preset } else { own }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(json: serde_json::Value) -> SpawnRequest {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_request_wins_over_its_preset() {
        let preset = parsed(serde_json::json!({
            "type": "claude", "model": "small", "workdir": "/a", "labels": {"team": "core", "kind": "x"}, "env": {"A": "1"}
        }));
        let asked = parsed(serde_json::json!({
            "name": "one", "preset": "p", "model": "large", "workspace": {"repo": "/r"}, "labels": {"kind": "y"}
        }));
        let request = asked.over(preset);
        assert_eq!((request.r#type.as_str(), request.model.as_deref()), ("claude", Some("large")));
        // A directory and a checkout exclude each other: the request's place is the only one.
        assert!(request.workdir.is_none() && request.workspace.is_some());
        assert_eq!(request.labels.values().collect::<Vec<_>>(), ["y", "core"]);
        assert_eq!(request.env["A"].expose(), "1");
        assert!(request.preset.is_none() && request.check().is_ok());
    }

    #[test]
    fn what_a_preset_may_not_say() {
        let refused = |spawn: serde_json::Value| {
            let request = PresetRequest { spawn: parsed(spawn), ..PresetRequest::default() };
            request.check().err()
        };
        assert!(refused(serde_json::json!({})).is_none());
        assert!(refused(serde_json::json!({"name": "one"})).is_some());
        assert!(refused(serde_json::json!({"preset": "other"})).is_some());
        assert!(refused(serde_json::json!({"stallSeconds": 0})).is_some());
        assert!(check_preset_name("code-review").is_ok());
        for name in ["", "-a", "A", "a b", "ä", "../x"] {
            assert!(check_preset_name(name).is_err(), "{name}");
        }
    }
}
