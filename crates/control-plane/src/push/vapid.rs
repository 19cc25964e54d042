//! The server's key, by which push services know it (VAPID, RFC 8292).

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::json;

/// Its file in the state directory.
const FILE: &str = "vapid.pk8";
/// How long a signature counts; services take at most a day.
const COUNTS_FOR: Duration = Duration::from_secs(12 * 3600);

/// The key.
#[derive(Debug)]
pub struct VapidKey {
    pair: EcdsaKeyPair,
    /// Whom a push service may write to about this server: `mailto:` or `https:`.
    contact: String,
}

impl VapidKey {
    /// The key in this directory, made when there is none. A new key ends every subscription, so one that cannot be read stays.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn open(dir: &Path, contact: &str) -> anyhow::Result<Self> {
        let path = dir.join(FILE);
        let random = SystemRandom::new();
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
                    .map_err(|_| anyhow!("a key cannot be made"))?;
                write_new(&path, key.as_ref())
                    .with_context(|| format!("the key cannot be kept in {FILE}"))?;
                key.as_ref().to_vec()
            }
            Err(error) => return Err(error).with_context(|| format!("{FILE} cannot be read")),
        };
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &bytes, &random).map_err(|_| {
                anyhow!("{FILE} in the state directory holds no key; move it away to get a new one")
            })?;
        Ok(Self { pair, contact: contact.to_owned() })
    }

    /// The public key as browsers take it.
    pub fn public(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.pair.public_key().as_ref())
    }

    /// The `Authorization` of a message to the push service of this origin.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn authorization(&self, origin: &str) -> anyhow::Result<String> {
        let expires = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + COUNTS_FOR;
        let head = json!({ "typ": "JWT", "alg": "ES256" });
        let claims = json!({ "aud": origin, "exp": expires.as_secs(), "sub": self.contact });
        let part = |part: serde_json::Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", part(head), part(claims));
        let signature = self
            .pair
            .sign(&SystemRandom::new(), signed.as_bytes())
            .map_err(|_| anyhow!("the message cannot be signed"))?;
        Ok(format!("vapid t={signed}.{}, k={}", URL_SAFE_NO_PAD.encode(signature), self.public()))
    }
}

/// Writes a file for the owner alone, whole or not at all.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(new, path)
}

#[cfg(test)]
mod tests {
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;

    #[test]
    fn it_stays_the_same_and_signs() {
        let dir = tempfile::tempdir().unwrap();
        let public = VapidKey::open(dir.path(), "mailto:a@example.com").unwrap().public();
        let key = VapidKey::open(dir.path(), "mailto:a@example.com").unwrap();
        assert_eq!(key.public(), public);
        let authorization = key.authorization("https://push.example").unwrap();
        let token = authorization.strip_prefix("vapid t=").unwrap().split(',').next().unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, decode(&public))
            .verify(signed.as_bytes(), &decode(signature))
            .unwrap();
        let claims: serde_json::Value =
            serde_json::from_slice(&decode(signed.split_once('.').unwrap().1)).unwrap();
        assert_eq!(claims["aud"], "https://push.example");
    }

    #[test]
    fn what_is_no_key_stays_where_it_is() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), b"garbled").unwrap();
        assert!(VapidKey::open(dir.path(), "mailto:a@example.com").is_err());
        assert_eq!(fs::read(dir.path().join(FILE)).unwrap(), b"garbled");
    }
}
