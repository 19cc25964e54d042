//! Secrets that stand where more people may read than may know them: sealed with the key that all replicas of a runtime share.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};

use crate::token_key::TokenKey;

impl TokenKey {
    /// Seals a text for whoever has this key, and for this purpose alone. `None`: the system has no random numbers.
    pub(crate) fn seal(&self, purpose: &str, text: &str) -> Option<String> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let mut sealed = text.as_bytes().to_vec();
        let key = self.sealing_key()?;
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad(purpose), &mut sealed).ok()?;
        Some(hex::encode(nonce) + &hex::encode(sealed))
    }

    /// The text of [`TokenKey::seal`]. `None`: it was sealed with another key or for another purpose, or was changed.
    pub(crate) fn open_sealed(&self, purpose: &str, sealed: &str) -> Option<String> {
        let bytes = hex::decode(sealed).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN)?;
        let (nonce, mut sealed) = (Nonce::try_assume_unique_for_key(nonce).ok()?, sealed.to_vec());
        let text = self.sealing_key()?.open_in_place(nonce, aad(purpose), &mut sealed).ok()?;
        String::from_utf8(text.to_vec()).ok()
    }

    fn sealing_key(&self) -> Option<LessSafeKey> {
        let key = Sha256::digest(self.derived("sealed").expose());
        UnboundKey::new(&AES_256_GCM, &key).ok().map(LessSafeKey::new)
    }
}

fn aad(purpose: &str) -> Aad<&[u8]> {
    Aad::from(purpose.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_has_the_key_reads_what_was_sealed() {
        let (key, other) = (TokenKey::of("a key"), TokenKey::of("another"));
        let sealed = key.seal("one", "secret").unwrap();
        assert!(!sealed.contains("secret"));
        assert_eq!(key.open_sealed("one", &sealed).as_deref(), Some("secret"));
        assert_ne!(key.seal("one", "secret").unwrap(), sealed, "the same text looks otherwise each time");
        assert_eq!(other.open_sealed("one", &sealed), None);
        assert_eq!(key.open_sealed("two", &sealed), None, "it is no other agent's");
        let changed = format!("{}0", &sealed[..sealed.len() - 1]);
        let changed = if changed == sealed { format!("{}1", &sealed[..sealed.len() - 1]) } else { changed };
        for bad in ["", "00", "xyz", &changed, &sealed[1..], &sealed[2..]] {
            assert_eq!(key.open_sealed("one", bad), None, "{bad}");
        }
    }
}
