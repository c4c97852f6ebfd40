//! The keys that sign users' tokens, and their public halves as a JWKS (RFC 7517, RFC 8037).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A secret shorter than this many bytes is refused.
pub const MIN_SECRET_BYTES: usize = settings::SECRET_BYTES_MIN;

/// The first bytes of a PKCS#8 document of an Ed25519 private key (RFC 8410, section 7); the 32-byte seed follows.
const PKCS8_ED25519_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// Why a secret makes no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Too short to be a secret.
    #[error("a secret needs at least {MIN_SECRET_BYTES} bytes")]
    TooShort,
    /// A public key that is not one of Ed25519.
    #[error("not a public key of Ed25519")]
    NotEd25519,
}

/// Derives 32 bytes for one purpose from a secret (HKDF-SHA256, RFC 5869).
pub(crate) fn derive(secret: &str, purpose: &str) -> Result<[u8; 32], KeyError> {
    if secret.len() < MIN_SECRET_BYTES {
        return Err(KeyError::TooShort);
    }
    let mut key = [0; 32];
    Hkdf::<Sha256>::new(Some(b"dompet"), secret.as_bytes())
        .expand(purpose.as_bytes(), &mut key)
        .map_err(|_| KeyError::TooShort)?;
    Ok(key)
}

/// One public key, as a JSON Web Key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(example = json!({"kid": "2yJ0bX3m5rQk", "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}))]
pub struct Jwk {
    /// The key's id: the start of the SHA-256 of the public key, so equal secrets have equal ids everywhere.
    pub kid: String,
    /// Always `OKP`.
    pub kty: String,
    /// Always `Ed25519`.
    pub crv: String,
    /// Always `EdDSA`.
    pub alg: String,
    /// Always `sig`.
    #[serde(rename = "use")]
    pub usage: String,
    /// The public key, in base64url.
    pub x: String,
}

impl Jwk {
    pub(crate) fn decoding_key(&self) -> Result<DecodingKey, KeyError> {
        if self.kty != "OKP" || self.crv != "Ed25519" {
            return Err(KeyError::NotEd25519);
        }
        DecodingKey::from_ed_components(&self.x).map_err(|_| KeyError::NotEd25519)
    }
}

/// The public keys that tokens are verified with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Jwks {
    /// The key that signs now first, then the one before it while its tokens live.
    pub keys: Vec<Jwk>,
}

/// The private key that signs tokens now, and the public keys that are still accepted.
#[derive(Clone)]
pub struct SigningKeys {
    pub(crate) kid: String,
    pub(crate) encoding: EncodingKey,
    jwks: Jwks,
}

impl SigningKeys {
    /// Derives the keys from `SECRET_KEY` and, during a rotation, from the one before it.
    pub fn from_secrets(secret: &str, previous: Option<&str>) -> Result<SigningKeys, KeyError> {
        let seed = derive(secret, PURPOSE)?;
        let mut keys = vec![public_key(&seed)];
        if let Some(previous) = previous {
            let key = public_key(&derive(previous, PURPOSE)?);
            if key != keys[0] {
                keys.push(key);
            }
        }
        let pkcs8 = [&PKCS8_ED25519_PREFIX[..], &seed[..]].concat();
        Ok(SigningKeys {
            kid: keys[0].kid.clone(),
            encoding: EncodingKey::from_ed_der(&pkcs8),
            jwks: Jwks { keys },
        })
    }

    /// The public halves, for `/.well-known/jwks.json`.
    pub fn jwks(&self) -> &Jwks {
        &self.jwks
    }
}

const PURPOSE: &str = "user tokens, Ed25519, v1";

fn public_key(seed: &[u8; 32]) -> Jwk {
    let public = ed25519_dalek::SigningKey::from_bytes(seed)
        .verifying_key()
        .to_bytes();
    Jwk {
        kid: URL_SAFE_NO_PAD.encode(&Sha256::digest(public)[..9]),
        kty: "OKP".to_owned(),
        crv: "Ed25519".to_owned(),
        alg: "EdDSA".to_owned(),
        usage: "sig".to_owned(),
        x: URL_SAFE_NO_PAD.encode(public),
    }
}
