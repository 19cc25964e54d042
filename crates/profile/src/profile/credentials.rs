//! Where a CLI keeps its login.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Where a login shows without starting the CLI. For `parallax doctor`; nothing else depends on it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Credentials {
    /// Variables that hold a key.
    pub env: Vec<String>,
    /// Files that are there after a login: `~/…`, or `$VARIABLE/…`, which is passed over when the variable is not set.
    pub files: Vec<String>,
}

/// Whether a CLI is logged in, as far as variables and files show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// This variable holds a key.
    Variable(String),
    /// This file is there.
    File(PathBuf),
    /// There is none of them.
    Missing,
    /// The profile does not say where to look.
    Unknown,
}

impl Credentials {
    /// Looks for a login of the user with this home and these variables.
    pub fn find(&self, home: &Path, variable: impl Fn(&str) -> Option<String>) -> Login {
        if self.env.is_empty() && self.files.is_empty() {
            return Login::Unknown;
        }
        let is_set = |name: &&String| variable(name).is_some_and(|value| !value.trim().is_empty());
        if let Some(name) = self.env.iter().find(is_set) {
            return Login::Variable(name.clone());
        }
        let path = |file: &String| match file.strip_prefix('$') {
            None => Some(home.join(file.strip_prefix("~/").unwrap_or(file))),
            Some(rest) => {
                let (name, below) = rest.split_once('/')?;
                Some(PathBuf::from(variable(name).filter(|value| !value.is_empty())?).join(below))
            }
        };
        let found = self.files.iter().filter_map(path).find(|path| path.is_file());
        found.map_or(Login::Missing, Login::File)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_a_variable_or_a_file() {
        let home = tempfile::tempdir().unwrap();
        let credentials = Credentials {
            env: vec!["KEY".into()],
            files: vec!["$ELSEWHERE/auth.json".into(), "~/.cli/auth.json".into()],
        };
        let none = |_: &str| None;
        assert_eq!(credentials.find(home.path(), none), Login::Missing);
        assert_eq!(Credentials::default().find(home.path(), none), Login::Unknown);

        let with =
            |name: &'static str, value: String| move |asked: &str| (asked == name).then(|| value.clone());
        assert_eq!(credentials.find(home.path(), with("KEY", "k".into())), Login::Variable("KEY".into()));
        assert_eq!(
            credentials.find(home.path(), with("KEY", " ".into())),
            Login::Missing,
            "an empty key is none"
        );

        let file = home.path().join(".cli/auth.json");
        std::fs::create_dir(home.path().join(".cli")).unwrap();
        std::fs::write(&file, "{}").unwrap();
        assert_eq!(credentials.find(home.path(), none), Login::File(file.clone()));
        let elsewhere = home.path().join(".cli").display().to_string();
        assert_eq!(credentials.find(Path::new("/nowhere"), with("ELSEWHERE", elsewhere)), Login::File(file));
    }
}
