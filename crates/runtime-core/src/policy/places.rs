//! What a place has besides the rules of every runtime, by class.

use std::collections::BTreeMap;

use anyhow::Context;

use super::section::PolicySection;

/// A container's or a pod's part of the policy, for agents without a class and for each class.
#[derive(Clone, Debug, Default)]
pub struct Places<T> {
    base: T,
    classes: BTreeMap<String, T>,
}

impl<T> Places<T> {
    /// Resolves each section; a class is given what the policy says, to put its own over it.
    ///
    /// # Errors
    /// What `resolve` says of a section, with its name.
    pub fn new<P: clap::Args>(
        policy: &PolicySection<P>,
        classes: &BTreeMap<String, PolicySection<P>>,
        resolve: impl Fn(&PolicySection<P>, Option<&T>) -> anyhow::Result<T>,
    ) -> anyhow::Result<Self> {
        let base = resolve(policy, None).context("[policy]")?;
        let mut named = BTreeMap::new();
        for (name, class) in classes {
            let place = resolve(class, Some(&base)).with_context(|| format!("[classes.{name}]"))?;
            named.insert(name.clone(), place);
        }
        Ok(Self { base, classes: named })
    }

    /// One place for all, without classes.
    pub fn of(base: T) -> Self {
        Self { base, classes: BTreeMap::new() }
    }

    /// Every place that the operator wrote.
    pub fn all(&self) -> impl Iterator<Item = &T> {
        std::iter::once(&self.base).chain(self.classes.values())
    }

    /// The place of a class, or of agents without one. A class that is not there any more is as none.
    pub fn get(&self, class: Option<&str>) -> &T {
        class.and_then(|class| self.classes.get(class)).unwrap_or(&self.base)
    }
}
