//! What the flags of runtimes have in common.

use anyhow::ensure;

/// A flag that may be repeated, or what the configuration file says when it is not given.
pub fn flags_or_file<T>(flags: Vec<T>, file: Vec<T>) -> Vec<T> {
    if flags.is_empty() { file } else { flags }
}

/// The two sides of `NAME=VALUE`, the value of `flag`.
///
/// # Errors
/// When one of them is missing.
pub fn name_and_value(flag: &str, text: &str) -> anyhow::Result<(String, String)> {
    let (name, value) = text.split_once('=').unwrap_or_default();
    ensure!(!name.is_empty() && !value.is_empty(), "{flag} is NAME=VALUE, not `{text}`");
    Ok((name.to_owned(), value.to_owned()))
}
