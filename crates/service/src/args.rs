//! The configuration of every server: flags win over the environment, the environment over the configuration file.
//!
//! Everything is read once, in `main`, into a [`Settings`]; nothing deeper asks the environment.

mod file;
mod settings;

use std::path::PathBuf;

use clap::Args;
use secrecy::SecretString;
use serde::de::DeserializeOwned;

pub use file::NoExtraKeys;
pub use settings::{Settings, parse_listen, parse_tokens, state_dir};

/// The flags of every server; flatten it into the program's own.
#[derive(Args, Clone, Debug, Default)]
pub struct ServerArgs {
    /// Address and port to listen on [default: a port of 127.0.0.1; `PORT` sets the port alone]
    #[arg(long, env = "PARALLAX_LISTEN", value_name = "ADDR:PORT")]
    pub listen: Option<String>,
    /// Directory for what outlives the server [default: under the XDG state directory]
    #[arg(long, env = "PARALLAX_STATE_DIR", value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Directory with agent profiles that add to or override the built-in ones
    #[arg(long, env = "PARALLAX_PROFILES", value_name = "DIR")]
    pub profiles: Option<PathBuf>,
    /// Agents that may run at once [default: 100]
    #[arg(long, env = "MAX_AGENTS", value_name = "N")]
    pub max_agents: Option<usize>,
    /// What to log: `error`, `warn`, `info`, `debug`, or a filter such as `info,parallax_service=debug`
    #[arg(long, env = "LOG_LEVEL", value_name = "FILTER")]
    pub log: Option<String>,
    /// TOML file with the same names as these flags
    #[arg(long, env = "PARALLAX_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// File with tokens, one a line: `TOKEN`, or `view|operate|admin TOKEN`; adds to `PARALLAX_API_TOKEN`
    #[arg(long, env = "PARALLAX_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Ask no caller for a token, whatever address this listens on and whatever account they are
    #[arg(long)]
    pub insecure_no_auth: bool,
    /// Another name clients may call this server by (`Host` header); repeatable
    #[arg(long, value_name = "HOST")]
    pub allow_host: Vec<String>,
    /// A web page's origin that may use this server, such as `https://board.example`; repeatable
    #[arg(long, value_name = "ORIGIN")]
    pub allow_origin: Vec<String>,
}

/// What `main` reads from the environment besides the flags' own variables.
#[derive(Clone, Debug, Default)]
pub struct ArgsEnvironment {
    /// `PORT`: a port of 127.0.0.1.
    pub port: Option<String>,
    /// `PARALLAX_API_TOKEN`. No flag: arguments can be seen by every user of the machine.
    pub api_token: Option<SecretString>,
    /// `XDG_STATE_HOME`.
    pub state_home: Option<PathBuf>,
    /// `HOME`.
    pub home: Option<PathBuf>,
}

impl ArgsEnvironment {
    /// Reads it; empty variables count as absent.
    pub fn read() -> Self {
        let var = |name| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        Self {
            port: var("PORT"),
            api_token: var("PARALLAX_API_TOKEN").map(SecretString::from),
            state_home: var("XDG_STATE_HOME").map(PathBuf::from),
            home: var("HOME").map(PathBuf::from),
        }
    }
}

impl ServerArgs {
    /// The settings of a server. `name` is its directory below `parallax/` in the user's state directory
    /// (`control-plane`); `port` is where it listens unless told otherwise.
    ///
    /// # Errors
    /// When a value or the configuration file is not valid, or the server would listen unprotected.
    pub fn resolve(&self, name: &str, port: u16) -> anyhow::Result<Settings> {
        self.resolve_with::<NoExtraKeys>(name, port).map(|(settings, NoExtraKeys {})| settings)
    }

    /// The same for a server whose configuration file has keys of its own: `More` gets what is not one of the common
    /// keys, and should deny unknown fields.
    ///
    /// # Errors
    /// As [`ServerArgs::resolve`].
    pub fn resolve_with<More: DeserializeOwned>(
        &self,
        name: &str,
        port: u16,
    ) -> anyhow::Result<(Settings, More)> {
        self.resolve_in(name, port, ArgsEnvironment::read())
    }

    /// The same with an environment that was read before; reads only the files named in the arguments.
    ///
    /// # Errors
    /// As [`ServerArgs::resolve`].
    pub fn resolve_in<More: DeserializeOwned>(
        &self,
        name: &str,
        port: u16,
        environment: ArgsEnvironment,
    ) -> anyhow::Result<(Settings, More)> {
        let (file, more) = file::read(self.config.as_deref())?;
        let settings = Settings::resolve_in(self, file, environment, name, port)?;
        Ok((settings, more))
    }
}

#[cfg(test)]
mod tests;
