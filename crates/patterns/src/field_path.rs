//! Where in a file something stands.

use std::fmt;
use std::sync::Arc;

/// One part of a [`FieldPath`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathSegment {
    /// An entry of a mapping.
    Field(Arc<str>),
    /// An item of a list.
    Index(usize),
}

/// The way from the top of a file to one value: `workflow.steps[2].task`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldPath(Vec<PathSegment>);

impl FieldPath {
    /// The top.
    pub fn top() -> Self {
        Self::default()
    }

    /// An entry of the mapping here.
    #[must_use]
    pub fn field(&self, name: &str) -> Self {
        self.with(PathSegment::Field(name.into()))
    }

    /// An item of the list here.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.with(PathSegment::Index(index))
    }

    /// The parts, from the top.
    pub fn segments(&self) -> &[PathSegment] {
        &self.0
    }

    /// Whether this is `other` or something in it.
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    fn with(&self, part: PathSegment) -> Self {
        let mut parts = self.0.clone();
        parts.push(part);
        Self(parts)
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, part) in self.0.iter().enumerate() {
            match part {
                PathSegment::Field(name) if number == 0 => f.write_str(name)?,
                PathSegment::Field(name) => write!(f, ".{name}")?,
                PathSegment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}
