//! What a spawn request may say, wherever it goes.

use super::spawn::{Resources, SpawnRequest};
use crate::ports::{MAX_PORTS, PORT_VARIABLE, PORTS_VARIABLE};
use crate::text::{is_plain, plain_start};
use crate::workspace::WorkspaceRequest;
use crate::{Code, Problem};

/// The most capabilities, labels, arguments and variables a spawn request may have, each.
pub const MAX_LIST: usize = 64;
/// The longest single capability, label or role, in bytes.
pub const MAX_WORD: usize = 253;
/// The longest name, in characters.
pub const MAX_NAME: usize = 63;
/// The longest argument or value of a variable, in bytes. The kernel takes no more than 128 KiB in one string.
pub const MAX_STRING: usize = 64 * 1024;
/// All arguments and variables together, in bytes. The kernel takes 2 MiB, and a profile adds some of its own.
pub const MAX_STRINGS: usize = 512 * 1024;
/// The longest name of a variable, in bytes.
const MAX_KEY: usize = 256;
/// The longest working directory, in bytes: as long as a path of the system.
const MAX_PATH: usize = 4095;
/// The longest image reference, in bytes: a name of 255, a tag of 128 and a digest.
pub const MAX_IMAGE: usize = 512;
/// The longest prompt or message, in bytes.
pub const MAX_MESSAGE: usize = 1024 * 1024;

impl SpawnRequest {
    /// Checks every bound that does not depend on the runtime. Fails with `VALIDATION_ERROR` naming the field.
    pub fn check(&self) -> Result<(), Problem> {
        let chars = self.name.chars().count();
        let blank = self.name.trim().is_empty();
        if blank || !(1..=MAX_NAME).contains(&chars) || !is_plain(&self.name) {
            return Err(Problem::invalid(
                "name",
                "a name has 1 to 63 characters, not all blank, and none that control or turn the text or cannot be seen",
            ));
        }
        if self.preset.is_some() {
            return Err(Problem::invalid("preset", "presets are a control plane's: spawn the agent there"));
        }
        if self.r#type.is_empty() || self.r#type.len() > MAX_NAME || !is_plain(&self.r#type) {
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
        self.runtime.iter().try_for_each(|word| short("runtime", word))?;
        if self.class.as_ref().is_some_and(|class| !is_class(class)) {
            return Err(Problem::invalid(
                "class",
                "a class has 1 to 63 small letters, digits and dashes, such as `small`",
            ));
        }
        self.check_strings()?;
        if self
            .workdir
            .as_ref()
            .is_some_and(|dir| dir.is_empty() || dir.len() > MAX_PATH || dir.contains('\0'))
        {
            return Err(Problem::invalid(
                "workdir",
                format!("a directory has 1 to {MAX_PATH} bytes, none of them NUL"),
            ));
        }
        if self.workdir.is_some() && self.workspace.is_some() {
            return Err(Problem::invalid("workspace", "name a `workdir` or a `workspace`, not both"));
        }
        self.workspace.iter().try_for_each(WorkspaceRequest::check)?;
        if self.terminal.is_some_and(|size| !size.is_sane() || size != size.for_agent()) {
            return Err(Problem::invalid(
                "terminal",
                "a terminal has 40 to 1000 columns and 10 to 1000 rows",
            ));
        }
        if self.prompt.as_ref().is_some_and(|prompt| prompt.trim().is_empty() || prompt.len() > MAX_MESSAGE) {
            return Err(Problem::invalid("prompt", format!("a prompt has 1 to {MAX_MESSAGE} bytes")));
        }
        self.check_ports()?;
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
        if self.stall_seconds == Some(0) {
            return Err(Problem::invalid("stallSeconds", "must be at least 1"));
        }
        Ok(())
    }
}

impl SpawnRequest {
    /// Ports come with variables of their own: one that the request sets as well would be lost.
    fn check_ports(&self) -> Result<(), Problem> {
        let Some(count) = self.ports else { return Ok(()) };
        if !(1..=MAX_PORTS).contains(&count) {
            return Err(Problem::invalid("ports", format!("an agent gets 1 to {MAX_PORTS} ports")));
        }
        match [PORT_VARIABLE, PORTS_VARIABLE].into_iter().find(|name| self.env.contains_key(*name)) {
            Some(name) => {
                let detail = format!("`{name}` is set by `ports`; leave out one of the two");
                Err(Problem::invalid("env", detail))
            }
            None => Ok(()),
        }
    }

    /// The bounds of what is handed to a program: past the kernel's own it would not start (`E2BIG`).
    fn check_strings(&self) -> Result<(), Problem> {
        for (key, value) in &self.env {
            let is_name = !key.is_empty() && key.len() <= MAX_KEY && !key.contains('=') && is_plain(key);
            if !is_name || value.expose().contains('\0') {
                let key = plain_start(key, 80);
                return Err(Problem::invalid("env", format!("`{key}` cannot be an environment variable")));
            }
            if value.expose().len() > MAX_STRING {
                return Err(Problem::invalid(
                    "env",
                    format!("the value of `{key}` has more than {MAX_STRING} bytes"),
                ));
            }
        }
        if self.args.iter().any(|arg| arg.contains('\0') || arg.len() > MAX_STRING) {
            return Err(Problem::invalid(
                "args",
                format!("an argument has at most {MAX_STRING} bytes, none of them NUL"),
            ));
        }
        let args: usize = self.args.iter().map(String::len).sum();
        let env: usize = self.env.iter().map(|(key, value)| key.len() + value.expose().len()).sum();
        if args + env > MAX_STRINGS {
            let field = if args > env { "args" } else { "env" };
            let detail = format!(
                "arguments and variables have at most {MAX_STRINGS} bytes together; put what is long in a file"
            );
            return Err(Problem::invalid(field, detail));
        }
        Ok(())
    }
}

/// Whether this can be the name of a class: 1 to 63 small letters, digits and dashes, none of them first or last.
pub fn is_class(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=MAX_NAME).contains(&name.len())
        && name.chars().all(fits)
        && !name.starts_with('-')
        && !name.ends_with('-')
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
    if word.len() > MAX_WORD || !is_plain(word) {
        return Err(Problem::new(
            Code::Validation,
            format!(
                "an entry of `{field}` has at most {MAX_WORD} bytes, and none that control or turn the text or cannot be seen"
            ),
        )
        .with("field", field));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field_of(change: impl FnOnce(&mut SpawnRequest)) -> Option<String> {
        let mut request =
            SpawnRequest { name: "one".into(), r#type: "shell".into(), ..SpawnRequest::default() };
        change(&mut request);
        request.check().err().map(|problem| {
            assert!(is_plain(&problem.detail), "{problem:?}");
            problem.more["field"].as_str().expect("a field").to_owned()
        })
    }

    #[test]
    fn what_no_program_takes_is_refused_by_its_field() {
        assert_eq!(field_of(|_| {}), None);
        let long = |bytes: usize| "x".repeat(bytes);
        assert_eq!(field_of(|request| request.args = vec![long(MAX_STRING)]), None);
        assert_eq!(field_of(|request| request.args = vec![long(MAX_STRING + 1)]).as_deref(), Some("args"));
        assert_eq!(field_of(|request| request.args = vec![long(MAX_STRING); 9]).as_deref(), Some("args"));
        assert_eq!(field_of(|request| request.args = vec!["a\0b".into()]).as_deref(), Some("args"));
        let env = |key: &str, value: String| [(key.to_owned(), value.into())].into();
        assert_eq!(field_of(|request| request.env = env("A", long(MAX_STRING))), None);
        assert_eq!(field_of(|request| request.env = env("A", long(MAX_STRING + 1))).as_deref(), Some("env"));
        for key in ["", "A=B", "A\n", "A\u{202e}", &long(300)] {
            assert_eq!(
                field_of(|request| request.env = env(key, "x".into())).as_deref(),
                Some("env"),
                "{key:?}"
            );
        }
        let many = (0..20).map(|n| (format!("A{n}"), long(MAX_STRING).into())).collect();
        assert_eq!(field_of(|request| request.env = many).as_deref(), Some("env"));
        assert_eq!(field_of(|request| request.workdir = Some(long(5000))).as_deref(), Some("workdir"));
    }

    #[test]
    fn ports_and_their_variables_are_asked_for_once() {
        for (count, field) in [(0, Some("ports")), (1, None), (16, None), (17, Some("ports"))] {
            assert_eq!(field_of(|request| request.ports = Some(count)).as_deref(), field, "{count}");
        }
        for (name, ports, field) in
            [("PORT", None, None), ("PORT", Some(1), Some("env")), ("PORTS", Some(2), Some("env"))]
        {
            let set = |request: &mut SpawnRequest| {
                request.ports = ports;
                request.env = [(name.to_owned(), "3000".into())].into();
            };
            assert_eq!(field_of(set).as_deref(), field, "{name}");
        }
    }

    #[test]
    fn a_workspace_is_one_place_with_plain_names() {
        let workspace = |change: fn(&mut WorkspaceRequest)| {
            let mut workspace = WorkspaceRequest { repo: "/a".into(), ..WorkspaceRequest::default() };
            change(&mut workspace);
            field_of(|request| request.workspace = Some(workspace))
        };
        assert_eq!(workspace(|_| {}), None);
        assert_eq!(workspace(|one| one.setup = Some("make\nmake test".into())), None);
        for (change, field) in [
            ((|one| one.repo = String::new()) as fn(&mut WorkspaceRequest), "workspace.repo"),
            (|one| one.repo = "--upload-pack=x".into(), "workspace.repo"),
            (|one| one.repo = "/a\nb".into(), "workspace.repo"),
            (|one| one.r#ref = Some("--output=x".into()), "workspace.ref"),
            (|one| one.r#ref = Some("x".repeat(256)), "workspace.ref"),
            (|one| one.branch = Some("-b".into()), "workspace.branch"),
            (|one| one.branch = Some("a\u{202e}b".into()), "workspace.branch"),
            (|one| one.setup = Some("  ".into()), "workspace.setup"),
            (|one| one.setup = Some("x".repeat(16 * 1024 + 1)), "workspace.setup"),
            (|one| one.depth = Some(0), "workspace.depth"),
        ] {
            assert_eq!(workspace(change).as_deref(), Some(field));
        }
        let both = field_of(|request| {
            request.workdir = Some("/a".into());
            request.workspace = Some(WorkspaceRequest { repo: "/a".into(), ..WorkspaceRequest::default() });
        });
        assert_eq!(both.as_deref(), Some("workspace"));
    }

    #[test]
    fn names_neither_control_nor_turn_what_is_shown_beside_them() {
        for good in ["one", "Prüfer 2", "レビュー", "👩‍💻 dev", "مراجع"] {
            assert_eq!(field_of(|request| request.name = good.into()), None, "{good}");
        }
        for bad in [
            "",
            "  ",
            "a\u{1b}[31m",
            "a\u{202e}b",
            "a\u{2066}b",
            "a\u{200f}b",
            "a\u{2028}b",
            "one\u{200b}",
            "a\nb",
            &"x".repeat(64),
        ] {
            assert_eq!(field_of(|request| request.name = bad.into()).as_deref(), Some("name"), "{bad:?}");
        }
        assert_eq!(field_of(|request| request.role = Some("a\u{202e}".into())).as_deref(), Some("role"));
        let labels = [("k".to_owned(), "a\u{2067}".to_owned())].into();
        assert_eq!(field_of(|request| request.labels = labels).as_deref(), Some("labels"));
    }
}
