//! Which of the server's own variables agents get: a chosen few, never all.

use std::collections::BTreeMap;

use parallax_api::agent::EnvValue;
use parallax_profile::Profile;

/// What every program needs to find its way: the user, the language, the time zone, temporary files, proxies.
const COMMON: &[&str] = &[
    "HOME",
    "LANG",
    "LANGUAGE",
    "LOGNAME",
    "NODE_EXTRA_CA_CERTS",
    "PATH",
    "SHELL",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TEMP",
    "TMP",
    "TMPDIR",
    "TZ",
    "USER",
];
/// The same, by the beginning of the name.
const COMMON_PREFIXES: &[&str] = &["LC_", "XDG_"];
/// Written in either case.
const PROXIES: &[&str] = &["ALL_PROXY", "FTP_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"];
/// The server's own: its token is among them.
const OWN_PREFIX: &str = "PARALLAX_";

/// Set by the program in whose terminal a server was started. A CLI that finds them takes itself for a part of that
/// program: Claude Code as a child of Claude Code writes no session file.
const PARENT: &[&str] = &[
    "CLAUDECODE",
    "GEMINI_CLI",
    "TERM_PROGRAM",
    "TERM_PROGRAM_VERSION",
    "TMUX",
    "TMUX_PANE",
    "STY",
    "WINDOW",
];
/// The same, by the beginning of the name.
const PARENT_PREFIXES: &[&str] = &[
    "CLAUDE_CODE_CHILD",
    "CODEX_SANDBOX",
    "CURSOR_",
    "GHOSTTY_",
    "ITERM_",
    "KITTY_",
    "VSCODE_",
    "WEZTERM_",
    "ZED_",
    "ZELLIJ",
];
/// … and by name, where others that begin so configure the CLI.
const PARENT_SESSION: &[&str] = &[
    "CLAUDE_CODE_ENTRYPOINT",
    "CLAUDE_CODE_EXECPATH",
    "CLAUDE_CODE_SESSION_ID",
    "CLAUDE_CODE_SSE_PORT",
    "CLAUDE_CODE_REMOTE",
    "CLAUDE_CODE_REMOTE_SESSION_ID",
    "CLAUDE_CODE_CONTAINER_ID",
    "CLAUDE_CODE_AGENT",
    "CLAUDE_CODE_TASK_LIST_ID",
    "CLAUDE_CODE_SIMPLE",
    "CLAUDE_ENV_FILE",
    "CLAUDE_PROJECT_DIR",
    "CLAUDE_PLUGIN_ROOT",
    "CODEX_THREAD_ID",
    "CODEX_CI",
    "CODEX_INTERNAL_ORIGINATOR_OVERRIDE",
    "CODEX_MANAGED_BY_NPM",
    "GEMINI_CLI_NO_RELAUNCH",
    "GEMINI_SESSION_ID",
];

/// The variables that agents may get from the server. For places that are not this machine there are none.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<String, EnvValue>);

impl Environment {
    /// What may be handed on of these variables. The server's own never may.
    pub fn of(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let foreign = |(name, _): &(String, String)| !name.starts_with(OWN_PREFIX) && !is_parents(name);
        Self(variables.into_iter().filter(foreign).map(|(name, value)| (name, value.into())).collect())
    }

    /// What an agent with this profile gets: the common ones, and those that the profile names.
    pub fn inherited_by(&self, profile: &Profile) -> BTreeMap<String, EnvValue> {
        let handed_on = |name: &str| is_common(name) || profile.inherits(name);
        self.0
            .iter()
            .filter(|(name, _)| handed_on(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// One of them.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(EnvValue::expose)
    }
}

/// Whether a variable says in which program the server was started.
fn is_parents(name: &str) -> bool {
    PARENT.contains(&name)
        || PARENT_SESSION.contains(&name)
        || PARENT_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn is_common(name: &str) -> bool {
    COMMON.contains(&name)
        || COMMON_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || PROXIES.contains(&name.to_ascii_uppercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hands_on_a_chosen_few() {
        let names = [
            "PATH",
            "HOME",
            "LC_ALL",
            "XDG_CONFIG_HOME",
            "https_proxy",
            "NO_PROXY",
            "TZ", // handed on
            "PARALLAX_API_TOKEN",
            "PARALLAX_LISTEN",
            "AWS_SECRET_ACCESS_KEY",
            "LD_PRELOAD",
            "SSH_AUTH_SOCK",
        ];
        let environment = Environment::of(names.map(|name| (name.to_owned(), "value".to_owned())));
        let profile = Profile::parse("name = 'x'\ntitle = 'X'\n[start]\nprogram = 'x'\n").unwrap();
        let inherited = environment.inherited_by(&profile);
        let mut expected = names[..7].to_vec();
        expected.sort_unstable();
        assert_eq!(inherited.keys().map(String::as_str).collect::<Vec<_>>(), expected);
        assert_eq!(environment.get("PARALLAX_API_TOKEN"), None);
    }

    #[test]
    fn an_agent_is_nobodys_child() {
        let marks = [
            "CLAUDECODE",
            "CLAUDE_CODE_CHILD_SESSION",
            "CLAUDE_CODE_ENTRYPOINT",
            "CLAUDE_CODE_SSE_PORT",
            "CODEX_SANDBOX_NETWORK_DISABLED",
            "GEMINI_CLI",
            "TMUX",
            "VSCODE_IPC_HOOK_CLI",
        ];
        let configures = ["CLAUDE_CODE_MAX_RETRIES", "CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CONFIG_DIR"];
        let names = marks.iter().chain(&configures).map(|name| ((*name).to_owned(), "1".to_owned()));
        let profile = "name = 'x'\ntitle = 'X'\n[start]\nprogram = 'x'\ninherit = ['CLAUDE*', 'CODEX_*', 'GEMINI_*', 'T*', 'VSCODE_*']\n";
        let inherited = Environment::of(names).inherited_by(&Profile::parse(profile).unwrap());
        assert_eq!(inherited.keys().map(String::as_str).collect::<Vec<_>>(), configures);
    }
}
