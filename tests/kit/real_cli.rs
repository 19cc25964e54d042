//! The real CLIs, with a scripted model behind them: how each is set up the way its users set it up, and what every one
//! of them must do ([`cases`]).
//!
//! [`real_cli!`](crate::real_cli!) makes the cases tests of one CLI. They are ignored unless asked for, because the CLIs
//! must be installed: `make test-clis`.

pub mod cases;
pub mod images;
pub mod provider;
pub mod questions;
pub mod texts;
pub mod turns;

use std::fs;
use std::path::Path;

use parallax_api::SpawnRequest;
use serde_json::json;

use crate::local::LocalBackend;
use crate::models::Models;
use crate::models::ask::Api;
use crate::models::scenario::{Reply, Step, ToolCall, ToolStep};

/// One of the CLIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RealCli {
    /// Claude Code.
    Claude,
    /// Codex CLI.
    Codex,
    /// Gemini CLI.
    Gemini,
}

impl RealCli {
    /// The agent type.
    pub fn name(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
        }
    }

    /// The model API it speaks.
    pub fn api(self) -> Api {
        match self {
            Self::Claude => Api::Anthropic,
            Self::Codex => Api::Openai,
            Self::Gemini => Api::Gemini,
        }
    }

    /// A spawn request for it.
    pub fn request(self) -> SpawnRequest {
        SpawnRequest {
            name: format!("a-{}", self.name()),
            r#type: self.name().into(),
            ..SpawnRequest::default()
        }
    }

    /// The variables that its users have, with the scripted models for a provider.
    pub fn env(self, models: &Models) -> Vec<(&'static str, String)> {
        match self {
            Self::Claude => {
                vec![("ANTHROPIC_BASE_URL", models.url()), ("ANTHROPIC_AUTH_TOKEN", "invented".into())]
            }
            Self::Codex => vec![("CODEX_TEST_KEY", "invented".into())],
            Self::Gemini => {
                vec![("GOOGLE_GEMINI_BASE_URL", models.url()), ("GEMINI_API_KEY", "invented".into())]
            }
        }
    }

    /// The files that its users have in their home. Codex takes a provider from its configuration only.
    pub fn prepare(self, home: &Path, models: &Models) {
        if self == Self::Codex {
            write(
                &home.join(".codex/config.toml"),
                &format!(
                    "model = \"gpt-6-sol\"\nmodel_provider = \"scripted\"\n\n[model_providers.scripted]\n\
                     name = \"Scripted\"\nbase_url = \"{}/v1\"\nenv_key = \"CODEX_TEST_KEY\"\nwire_api = \"responses\"\n",
                    models.url()
                ),
            );
        }
    }

    /// The same for a user who is logged out. Claude would go to its provider's own address on a home it does not know.
    pub fn prepare_stranger(self, home: &Path) {
        match self {
            Self::Claude => {
                write(&home.join(".claude.json"), &json!({"hasCompletedOnboarding": true}).to_string());
            }
            Self::Codex => {}
            Self::Gemini => {
                let settings = json!({"security": {"auth": {"selectedType": "oauth-personal"}}});
                write(&home.join(".gemini/settings.json"), &settings.to_string());
            }
        }
    }

    /// A local backend for it, with the scripted models for a provider.
    pub async fn backend(self, models: &Models) -> LocalBackend {
        self.must_be_installed();
        LocalBackend::start_with(&[], &self.env(models), |home| self.prepare(home, models)).await
    }

    /// A local backend of a user who has not logged in.
    pub async fn backend_without_login(self, models: &Models) -> LocalBackend {
        self.must_be_installed();
        // The provider's address is no credential.
        let env: Vec<_> =
            self.env(models).into_iter().filter(|(name, _)| name.ends_with("_BASE_URL")).collect();
        LocalBackend::start_with(&[], &env, |home| self.prepare_stranger(home)).await
    }

    /// A local backend of a user who has not logged in, in a home that is prepared for it, and who is not sent to the scripted
    /// models: the login is with the CLI's own provider.
    pub async fn backend_without_models(self) -> LocalBackend {
        self.must_be_installed();
        LocalBackend::start_with(&[], &[], |home| self.prepare_stranger(home)).await
    }

    /// A local backend of a user who has a key and has not given it yet.
    pub async fn backend_with_unused_key(self, models: &Models) -> LocalBackend {
        self.must_be_installed();
        let env: Vec<_> =
            self.env(models).into_iter().filter(|(name, _)| name.ends_with("_BASE_URL")).collect();
        LocalBackend::start_with(&[], &env, |home| {
            if self == Self::Gemini {
                let settings = json!({"security": {"auth": {"selectedType": "gemini-api-key"}}});
                write(&home.join(".gemini/settings.json"), &settings.to_string());
            }
        })
        .await
    }

    /// What is chosen, one after the other, until the CLI asks for a key. Claude Code takes none: it logs in with a browser.
    pub fn way_to_a_key(self) -> &'static [&'static str] {
        match self {
            Self::Codex => &["cancel", "sign-in-another-way", "use-an-openai-api-key"],
            Self::Claude | Self::Gemini => &[],
        }
    }

    /// How its model asks to make the file `name` in a way that needs permission.
    pub fn touch(self, name: &str) -> ToolCall {
        self.command(&format!("touch {name}"))
    }

    /// The call of its tool for commands.
    pub fn command(self, command: &str) -> ToolCall {
        let (tool, input, raw) = match self {
            Self::Claude => ("Bash", json!({"command": command, "description": "Make a file"}), None),
            Self::Gemini => {
                ("run_shell_command", json!({"command": command, "description": "Make a file"}), None)
            }
            Self::Codex => {
                let call = json!({"cmd": command, "sandbox_permissions": "require_escalated", "justification": "to see"});
                (
                    "exec",
                    json!({}),
                    Some(format!("const r = await tools.exec_command({call});\ntext(r.output);")),
                )
            }
        };
        let input = input.as_object().cloned().unwrap_or_default();
        ToolCall { name: tool.into(), input, raw }
    }

    /// The same of an agent that does everything unasked: Codex refuses to ask for more rights then.
    pub fn unasked_command(self, command: &str) -> ToolCall {
        match self {
            Self::Codex => {
                let call = json!({"cmd": command});
                let raw = format!("const r = await tools.exec_command({call});\ntext(r.output);");
                ToolCall { name: "exec".into(), input: Default::default(), raw: Some(raw) }
            }
            Self::Claude | Self::Gemini => self.command(command),
        }
    }

    /// What its model says to a review, and to being told to make the file `made.txt`, for which it needs permission.
    pub fn reviews_and_makes(self) -> Vec<Reply> {
        let tool = Step::tool(ToolStep::All(self.touch("made.txt")));
        vec![
            Reply::text("The change is **sound**.").to("Review the latest changes"),
            Reply::steps(vec![Step::text("I will make it. "), tool]).to("make the file"),
            Reply::text("It is done.").after_tool(),
        ]
    }

    /// Whether its program is on the `PATH`.
    pub fn is_installed(self) -> bool {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|dir| dir.join(self.name()).exists())
    }

    fn must_be_installed(self) {
        assert!(
            self.is_installed(),
            "{} is not on PATH: `make clis` installs it, `make test-clis` runs this",
            self.name()
        );
    }
}

fn write(path: &Path, contents: &str) {
    let parent = path.parent().expect("a file is in a directory");
    fs::create_dir_all(parent).and_then(|()| fs::write(path, contents)).expect("the home can be written");
}
