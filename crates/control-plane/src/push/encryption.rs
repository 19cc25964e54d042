//! The encryption of messages to browsers: RFC 8291 over RFC 8188 (`aes128gcm`), one record.

use anyhow::{Context, anyhow, ensure};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parallax_api::push::PushKeys;
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::rand::{SecureRandom, SystemRandom};

/// Every message is filled up to so many bytes: its length says nothing.
const PADDED: usize = 256;
/// The size of a record; there is one.
const RECORD: u32 = 4096;
/// A point on P-256, uncompressed.
const POINT: usize = 65;
const SECRET: usize = 16;

/// What a browser's messages are encrypted with.
#[derive(Clone, Debug)]
pub struct Recipient {
    public_key: [u8; POINT],
    secret: [u8; SECRET],
}

impl Recipient {
    /// The keys of a subscription.
    ///
    /// # Errors
    /// When they are none: not base64url, of another length, or no point on the curve.
    pub fn new(keys: &PushKeys) -> anyhow::Result<Self> {
        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text.trim_end_matches('='));
        let public_key: [u8; POINT] = bytes(&keys.p256dh)
            .ok()
            .and_then(|key| key.try_into().ok())
            .context("`p256dh` is an uncompressed point on P-256 in base64url")?;
        let secret = bytes(&keys.auth)
            .ok()
            .and_then(|key| key.try_into().ok())
            .context("`auth` is 16 bytes in base64url")?;
        let recipient = Self { public_key, secret };
        // A point that is not on the curve is found out now, not when somebody waits.
        recipient.encrypt(b"")?;
        Ok(recipient)
    }

    /// The body of a message that only this browser can read.
    ///
    /// # Errors
    /// When the browser's key is no point on the curve, or the message is too long.
    pub fn encrypt(&self, message: &[u8]) -> anyhow::Result<Vec<u8>> {
        ensure!(message.len() < PADDED, "a message has less than {PADDED} bytes");
        let random = SystemRandom::new();
        let failed = |_| anyhow!("the message cannot be encrypted");
        let own = EphemeralPrivateKey::generate(&ECDH_P256, &random).map_err(failed)?;
        let own_public = own.compute_public_key().map_err(failed)?;
        let mut salt = [0; 16];
        random.fill(&mut salt).map_err(failed)?;

        let mut info = b"WebPush: info\0".to_vec();
        info.extend_from_slice(&self.public_key);
        info.extend_from_slice(own_public.as_ref());
        let peer = UnparsedPublicKey::new(&ECDH_P256, &self.public_key);
        let input = agree_ephemeral(own, &peer, |shared| derive(&self.secret, shared, &info))
            .map_err(|_| anyhow!("`p256dh` is no point on P-256"))?;
        let input: [u8; 32] = input?;
        let key: [u8; 16] = derive(&salt, &input, b"Content-Encoding: aes128gcm\0")?;
        let nonce: [u8; 12] = derive(&salt, &input, b"Content-Encoding: nonce\0")?;

        let mut text = message.to_vec();
        // The mark of the last record; what follows is padding.
        text.push(2);
        text.resize(PADDED + 1, 0);
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).map_err(failed)?);
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut text)
            .map_err(failed)?;

        let mut body = salt.to_vec();
        body.extend_from_slice(&RECORD.to_be_bytes());
        body.push(POINT as u8);
        body.extend_from_slice(own_public.as_ref());
        body.append(&mut text);
        Ok(body)
    }
}

/// HKDF with SHA-256.
fn derive<const N: usize>(salt: &[u8], secret: &[u8], info: &[u8]) -> anyhow::Result<[u8; N]> {
    struct Length(usize);
    impl KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let mut key = [0; N];
    Salt::new(HKDF_SHA256, salt)
        .extract(secret)
        .expand(&[info], Length(N))
        .and_then(|okm| okm.fill(&mut key))
        .map_err(|_| anyhow!("the key cannot be derived"))?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(p256dh: &[u8], auth: &[u8]) -> PushKeys {
        PushKeys { p256dh: URL_SAFE_NO_PAD.encode(p256dh), auth: URL_SAFE_NO_PAD.encode(auth) }
    }

    #[test]
    fn the_browser_reads_it_and_its_length_says_nothing() {
        let browser = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).unwrap();
        let public = browser.compute_public_key().unwrap();
        let secret = [7; 16];
        let recipient = Recipient::new(&keys(public.as_ref(), &secret)).unwrap();
        let body = recipient.encrypt(b"{\"waiting\":3}").unwrap();
        assert_eq!(body.len(), recipient.encrypt(b"{}").unwrap().len());

        let (salt, own_public) = (&body[..16], &body[21..86]);
        assert_eq!((&body[16..20], body[20]), (&RECORD.to_be_bytes()[..], 65));
        let mut info = b"WebPush: info\0".to_vec();
        info.extend_from_slice(public.as_ref());
        info.extend_from_slice(own_public);
        let peer = UnparsedPublicKey::new(&ECDH_P256, own_public);
        let input: [u8; 32] =
            agree_ephemeral(browser, &peer, |shared| derive(&secret, shared, &info)).unwrap().unwrap();
        let key: [u8; 16] = derive(salt, &input, b"Content-Encoding: aes128gcm\0").unwrap();
        let nonce: [u8; 12] = derive(salt, &input, b"Content-Encoding: nonce\0").unwrap();
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).unwrap());
        let mut text = body[86..].to_vec();
        let text = key.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut text).unwrap();
        let end = text.iter().rposition(|byte| *byte != 0).unwrap();
        assert_eq!((&text[..end], text[end]), (&b"{\"waiting\":3}"[..], 2));
    }

    #[test]
    fn keys_that_are_none() {
        let mut off_curve = [0; 65];
        off_curve[0] = 4;
        for bad in [keys(&off_curve, &[0; 16]), keys(&[4; 64], &[0; 16]), keys(&[4; 65], &[0; 15])] {
            assert!(Recipient::new(&bad).is_err());
        }
        let not_base64 = PushKeys { p256dh: "ä".into(), auth: "ä".into() };
        assert!(Recipient::new(&not_base64).is_err());
    }
}
