//! Keys in paths: for a page that can send neither header nor cookie, because its origin is nobody's.
//!
//! `PREFIX~KEY/…` opens what is below `PREFIX` and nothing else. Whoever knows the key of a page is the page itself, and whoever gave
//! it the page: a key is made for one prefix, on the word of a caller who may use it, and forgotten when it is not used.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::request::Parts;
use tokio::time::Instant;
use uuid::Uuid;

use super::client::ClientKey;
use super::token::{Caller, Scope, digest};

/// What a path's part with a key begins with.
const MARK: &str = "/~";
/// Hexadecimal digits of a key.
const KEY_LENGTH: usize = 32;
/// A key that was not used for this long is forgotten.
pub const IDLE_LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);
/// Keys at once. One more, and the one that was not used for the longest is forgotten.
const MAX_KEYS: usize = 4096;

/// The keys of a server. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct PathKeys(Arc<Mutex<HashMap<[u8; 32], Issued>>>);

/// A key that is out.
#[derive(Debug)]
struct Issued {
    prefix: String,
    scope: Scope,
    used: Instant,
}

/// What the path of a request was opened with: the prefix with its key, as it stands in the path, `/` at its end included. An extension of requests;
/// an extractor that is `None` for requests that were let in otherwise.
#[derive(Clone, Debug)]
pub struct Keyed(pub String);

impl PathKeys {
    /// `prefix` (which ends in `/`) with a new key behind it, for a caller who may use what is there.
    pub fn issue(&self, prefix: &str, caller: Caller) -> String {
        // 122 random bits of the system's generator.
        let key = Uuid::new_v4().simple().to_string();
        let now = Instant::now();
        let mut out = self.out();
        out.retain(|_, issued| now < issued.used + IDLE_LIFETIME);
        if out.len() >= MAX_KEYS
            && let Some(oldest) = out.iter().min_by_key(|(_, issued)| issued.used).map(|(key, _)| *key)
        {
            out.remove(&oldest);
        }
        out.insert(digest(&key), Issued { prefix: prefix.to_owned(), scope: caller.scope(), used: now });
        format!("{prefix}~{key}/")
    }

    /// What the key in a path allows there. `None`: it has none, or one that opens nothing there.
    pub(super) fn find(&self, path: &str) -> Option<(Keyed, Scope, ClientKey)> {
        let (prefix, key) = parts(path)?;
        let digest = digest(key);
        let mut out = self.out();
        let issued = out.get_mut(&digest).filter(|issued| issued.prefix == prefix)?;
        let now = Instant::now();
        if issued.used + IDLE_LIFETIME <= now {
            out.remove(&digest);
            return None;
        }
        issued.used = now;
        // Streams of a page are counted as the page's: it cannot take those of the person who looks at it.
        Some((Keyed(format!("{prefix}~{key}/")), issued.scope, ClientKey::Token(digest)))
    }

    fn out(&self) -> MutexGuard<'_, HashMap<[u8; 32], Issued>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The prefix before a key, and the key.
fn parts(path: &str) -> Option<(&str, &str)> {
    let at = path.find(MARK)?;
    let (prefix, rest) = path.split_at(at + 1);
    let key = rest.strip_prefix('~')?.split('/').next()?;
    Some((prefix, key))
}

/// What is behind a prefix without the key that opened it once: a browser comes back to an address that it kept.
pub fn without_stale(rest: &str) -> &str {
    let key = rest.split('/').next().and_then(|part| part.strip_prefix('~'));
    match key {
        Some(key) if key.len() == KEY_LENGTH && key.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            rest[1 + KEY_LENGTH..].trim_start_matches('/')
        }
        _ => rest,
    }
}

/// A path as it may be logged: without the key in it.
pub(crate) fn without_key(path: &str) -> std::borrow::Cow<'_, str> {
    match parts(path) {
        Some((prefix, key)) if !key.is_empty() => {
            let rest = &path[prefix.len() + 1 + key.len()..];
            format!("{prefix}~…{rest}").into()
        }
        _ => path.into(),
    }
}

impl<S: Sync> axum::extract::OptionalFromRequestParts<S> for Keyed {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        Ok(parts.extensions.get().cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Rule;

    #[tokio::test(start_paused = true)]
    async fn a_key_opens_its_own_prefix_for_as_long_as_it_is_used() {
        let keys = PathKeys::default();
        let caller = Caller::new(Scope::Operate, Rule::Token, ClientKey::Account(1));
        let prefix = keys.issue("/agents/a/ports/1/", caller);
        let opens = |path: &str| keys.find(path).map(|(Keyed(prefix), scope, _)| (prefix, scope));
        let expected = Some((prefix.clone(), Scope::Operate));
        for rest in ["", "x", "../../../api", "~other/"] {
            assert_eq!(opens(&format!("{prefix}{rest}")), expected, "{rest}");
        }
        assert_eq!(opens(prefix.trim_end_matches('/')), expected);
        for path in [
            prefix.replace("/a/", "/b/"),
            prefix.replace("ports/1", "ports/2"),
            prefix.replacen('~', "", 1),
            format!("/api{prefix}"),
            format!("/~x{prefix}"),
            format!("{}0/", prefix.trim_end_matches('/')),
            "/agents/a/ports/1/~/".into(),
            "/".into(),
        ] {
            assert_eq!(opens(&path), None, "{path}");
        }
        tokio::time::sleep(IDLE_LIFETIME / 2).await;
        assert_eq!(opens(&prefix), expected);
        tokio::time::sleep(IDLE_LIFETIME - Duration::from_secs(1)).await;
        assert_eq!(opens(&prefix), expected);
        tokio::time::sleep(IDLE_LIFETIME).await;
        assert_eq!(opens(&prefix), None);
    }

    #[test]
    fn a_kept_address_is_one_without_its_key() {
        let key = "0123456789abcdef0123456789abcdef";
        for (rest, expected) in [
            (format!("~{key}/a/b"), "a/b"),
            (format!("~{key}"), ""),
            ("~user/a".into(), "~user/a"),
            (String::new(), ""),
            ("a/~b".into(), "a/~b"),
        ] {
            assert_eq!(without_stale(&rest), expected, "{rest}");
        }
    }

    #[test]
    fn a_log_has_no_key() {
        assert_eq!(without_key("/agents/a/ports/1/~abc/x/~y"), "/agents/a/ports/1/~…/x/~y");
        assert_eq!(without_key("/agents/a/ports/1/~abc"), "/agents/a/ports/1/~…");
        for path in ["/", "/api/a~b", "/a/~"] {
            assert_eq!(without_key(path), path);
        }
    }
}
