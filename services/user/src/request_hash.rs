//! Tells whether two registrations are the same, without keeping what they said: an HMAC-SHA256 (RFC 2104) under a key that
//! is derived from `SECRET_KEY`. A plain hash would let whoever reads the database guess passwords at full speed.

use auth::ServiceKeyConfig;
use hkdf::Hkdf;
use sha2::Sha256;

use crate::domain::Registration;

const PURPOSE: &[u8] = b"registration requests, HMAC-SHA256, v1";

/// The keys: the one of now first, then the one before it during a rotation.
pub(crate) struct RequestHashes {
    current: [u8; 32],
    previous: Option<[u8; 32]>,
}

impl RequestHashes {
    pub(crate) fn new(config: &ServiceKeyConfig) -> anyhow::Result<RequestHashes> {
        let (secret, previous) = config.secret_keys()?;
        Ok(RequestHashes {
            current: derive(secret, PURPOSE)?,
            previous: previous.map(|secret| derive(secret, PURPOSE)).transpose()?,
        })
    }

    /// The hash that is kept of a registration.
    pub(crate) fn hash(&self, registration: &Registration) -> Vec<u8> {
        hmac(&self.current, registration)
    }

    /// Returns whether `kept` is of this registration.
    pub(crate) fn matches(&self, registration: &Registration, kept: &[u8]) -> bool {
        std::iter::once(&self.current)
            .chain(&self.previous)
            .any(|key| hmac(key, registration) == kept)
    }
}

/// A key for one purpose.
pub(crate) fn derive(secret: &str, purpose: &[u8]) -> anyhow::Result<[u8; 32]> {
    let mut key = [0; 32];
    Hkdf::<Sha256>::new(Some(b"dompet"), secret.as_bytes())
        .expand(purpose, &mut key)
        .map_err(|_| anyhow::anyhow!("SECRET_KEY makes no key"))?;
    Ok(key)
}

fn hmac(key: &[u8; 32], registration: &Registration) -> Vec<u8> {
    let fields = [
        registration.name.as_str(),
        registration.email.as_str(),
        registration.phone.as_str(),
        registration.password.as_str(),
    ];
    hmac_of(key, &fields.map(str::as_bytes)).to_vec()
}

/// The HMAC of these fields.
pub(crate) fn hmac_of(key: &[u8; 32], fields: &[&[u8]]) -> [u8; 32] {
    // HKDF's first half is HMAC with the salt as its key (RFC 5869, section 2.2).
    Hkdf::<Sha256>::extract(Some(key), &framed(fields)).0.into()
}

/// The fields in one, each with its length before it, so that no others read the same.
pub(crate) fn framed(fields: &[&[u8]]) -> Vec<u8> {
    let mut text = Vec::new();
    for field in fields {
        let length = u64::try_from(field.len()).unwrap_or(u64::MAX);
        text.extend_from_slice(&length.to_le_bytes());
        text.extend_from_slice(field);
    }
    text
}
