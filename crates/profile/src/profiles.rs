//! The profiles there are.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::profile::{Profile, ProfileError};

/// Profiles by name.
#[derive(Clone, Debug, Default)]
pub struct Profiles(BTreeMap<String, Arc<Profile>>);

/// The profiles that are compiled in.
const BUILTIN: [&str; 3] = [
    include_str!("../profiles/claude.toml"),
    include_str!("../profiles/codex.toml"),
    include_str!("../profiles/gemini.toml"),
];

impl Profiles {
    /// The three that are compiled in.
    pub fn builtin() -> Self {
        let mut profiles = Self::default();
        for text in BUILTIN {
            profiles.add(Profile::parse(text).expect("the built-in profiles are valid: a test reads them"));
        }
        profiles
    }

    /// The three that are compiled in, and those of a directory, when there is one. Fails as [`Self::with_directory`].
    pub fn with_more(directory: Option<&Path>) -> Result<Self, ProfileError> {
        match directory {
            Some(directory) => Self::builtin().with_directory(directory),
            None => Ok(Self::builtin()),
        }
    }

    /// Adds a profile, or overrides the one of that name.
    pub fn add(&mut self, profile: Profile) {
        self.0.insert(profile.name.clone(), Arc::new(profile));
    }

    /// Adds every `*.toml` of a directory, in the order of their names. Fails naming file, line and field.
    pub fn with_directory(mut self, directory: &Path) -> Result<Self, ProfileError> {
        let unreadable =
            |path: &Path, source| ProfileError::Unreadable { path: path.display().to_string(), source };
        let mut files: Vec<_> = std::fs::read_dir(directory)
            .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect())
            .map_err(|source| unreadable(directory, source))?;
        files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        files.sort();
        for path in files {
            let text = std::fs::read_to_string(&path).map_err(|source| unreadable(&path, source))?;
            let profile = Profile::parse(&text).map_err(|source| ProfileError::File {
                path: path.display().to_string(),
                source: Box::new(source),
            })?;
            self.add(profile);
        }
        Ok(self)
    }

    /// The profile of that name.
    pub fn get(&self, name: &str) -> Option<Arc<Profile>> {
        self.0.get(name).cloned()
    }

    /// All names, in order.
    pub fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// All profiles, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Profile>> {
        self.0.values()
    }
}
