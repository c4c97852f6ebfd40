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
            current: derive(secret)?,
            previous: previous.map(derive).transpose()?,
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

fn derive(secret: &str) -> anyhow::Result<[u8; 32]> {
    let mut key = [0; 32];
    Hkdf::<Sha256>::new(Some(b"dompet"), secret.as_bytes())
        .expand(PURPOSE, &mut key)
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
    // Each with its length before it, so that no two registrations read the same.
    let mut request = Vec::new();
    for field in fields {
        let length = u64::try_from(field.len()).unwrap_or(u64::MAX);
        request.extend_from_slice(&length.to_le_bytes());
        request.extend_from_slice(field.as_bytes());
    }
    // HKDF's first half is HMAC with the salt as its key (RFC 5869, section 2.2).
    Hkdf::<Sha256>::extract(Some(key), &request).0.to_vec()
}
