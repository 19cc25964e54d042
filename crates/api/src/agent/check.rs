//! What a spawn request may say, wherever it goes.

use super::{Resources, SpawnRequest};
use crate::{Code, Problem};

/// The most capabilities, labels, arguments and variables a spawn request may have, each.
pub const MAX_LIST: usize = 64;
/// The longest single capability, label or role, in bytes.
pub const MAX_WORD: usize = 253;
/// The longest image reference, in bytes: a name of 255, a tag of 128 and a digest.
pub const MAX_IMAGE: usize = 512;
/// The longest prompt or message, in bytes.
pub const MAX_MESSAGE: usize = 1024 * 1024;

impl SpawnRequest {
    /// Checks every bound that does not depend on the place. Fails with `VALIDATION_ERROR` naming the field.
    pub fn check(&self) -> Result<(), Problem> {
        let chars = self.name.chars().count();
        let blank = self.name.trim().is_empty();
        if blank || !(1..=63).contains(&chars) || self.name.chars().any(char::is_control) {
            return Err(Problem::invalid(
                "name",
                "a name has 1 to 63 characters, not all blank, and no control characters",
            ));
        }
        if self.r#type.is_empty() || self.r#type.len() > 63 {
            return Err(Problem::invalid("type", "a type has 1 to 63 characters, such as `claude`"));
        }
        bounded("capabilities", self.capabilities.len())?;
        bounded("labels", self.labels.len())?;
        bounded("args", self.args.len())?;
        bounded("env", self.env.len())?;
        self.capabilities.iter().try_for_each(|word| short("capabilities", word))?;
        if self.capabilities.iter().any(|word| word.trim().is_empty()) {
            return Err(Problem::invalid("capabilities", "a capability is a word, not blank"));
        }
        self.labels.iter().try_for_each(|(key, value)| {
            short("labels", key)?;
            if key.is_empty() || key.contains('=') {
                return Err(Problem::invalid("labels", "a label's key is not empty and holds no `=`"));
            }
            short("labels", value)
        })?;
        self.role.iter().try_for_each(|word| short("role", word))?;
        self.model.iter().try_for_each(|word| short("model", word))?;
        for (key, value) in &self.env {
            if key.is_empty() || key.contains(['=', '\0']) || value.expose().contains('\0') {
                return Err(Problem::invalid("env", format!("`{key}` cannot be an environment variable")));
            }
        }
        if self.args.iter().any(|arg| arg.contains('\0')) {
            return Err(Problem::invalid("args", "an argument cannot hold a NUL character"));
        }
        if self.terminal.is_some_and(|size| !size.is_sane()) {
            return Err(Problem::invalid("terminal", "a terminal has 2 to 1000 columns and rows"));
        }
        if self.prompt.as_ref().is_some_and(|prompt| prompt.trim().is_empty() || prompt.len() > MAX_MESSAGE) {
            return Err(Problem::invalid("prompt", format!("a prompt has 1 to {MAX_MESSAGE} bytes")));
        }
        self.resources.iter().try_for_each(Resources::check)?;
        if self.image.as_ref().is_some_and(|image| !is_image(image)) {
            let detail = format!(
                "an image is a reference such as `debian:12` or `registry.example/team/agent@sha256:…`: at most {MAX_IMAGE} \
                 letters, digits, `.`, `_`, `-`, `/`, `:` and `@`"
            );
            return Err(Problem::invalid("image", detail));
        }
        if self.idle_timeout_seconds == Some(0) {
            return Err(Problem::invalid("idleTimeoutSeconds", "must be at least 1"));
        }
        if self.max_lifetime_seconds == Some(0) {
            return Err(Problem::invalid("maxLifetimeSeconds", "must be at least 1"));
        }
        Ok(())
    }
}

/// Whether this can be an image reference. It becomes part of a path in an engine's API: nothing may lead elsewhere there.
fn is_image(image: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || "._-:@".contains(c);
    let is_part =
        |part: &str| part.starts_with(|c: char| c.is_ascii_alphanumeric()) && part.chars().all(is_word);
    image.len() <= MAX_IMAGE && image.split('/').all(is_part)
}

fn bounded(field: &str, count: usize) -> Result<(), Problem> {
    if count > MAX_LIST {
        return Err(Problem::invalid(field, format!("at most {MAX_LIST} entries, not {count}")));
    }
    Ok(())
}

fn short(field: &str, word: &str) -> Result<(), Problem> {
    if word.len() > MAX_WORD || word.chars().any(char::is_control) {
        return Err(Problem::new(
            Code::Validation,
            format!("an entry of `{field}` has at most {MAX_WORD} bytes and no control characters"),
        )
        .with("field", field));
    }
    Ok(())
}
