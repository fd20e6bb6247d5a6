//! An OIDC issuer for the example: a key of its own, discovery, a key set, and tokens.

use std::sync::Arc;

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use safe_conduct::codec::base64url;
use safe_conduct::time::Timestamp;

use super::world::{HttpServer, Stepped};

/// The issuer at work.
pub struct Issuer {
    key: EcdsaKeyPair,
    server: HttpServer,
}

impl Issuer {
    /// Makes a P-256 key and serves discovery and key set on loopback.
    pub fn start() -> Stepped<Self> {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).map_err(|_| "an issuer's key")?;
        let key = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).map_err(|_| "an issuer's key")?;
        // An uncompressed point: 04, x, y.
        let point = key.public_key().as_ref();
        let (x, y) = (base64url::encode(&point[1..33]), base64url::encode(&point[33..]));
        let key_set = format!(
            r#"{{"keys":[{{"kty":"EC","crv":"P-256","alg":"ES256","use":"sig","kid":"k1","x":"{x}","y":"{y}"}}]}}"#
        );
        let server = HttpServer::start(Arc::new(move |url: &str, path: &str, _: &[u8]| match path {
            "/.well-known/openid-configuration" => {
                (200, format!(r#"{{"issuer":"{url}","jwks_uri":"{url}/jwks"}}"#).into_bytes())
            }
            "/jwks" => (200, key_set.clone().into_bytes()),
            _ => (404, Vec::new()),
        }))?;
        Ok(Self { key, server })
    }

    /// The issuer identifier.
    pub fn url(&self) -> &str {
        self.server.url()
    }

    /// The public key as an uncompressed point.
    pub fn public_key(&self) -> Vec<u8> {
        self.key.public_key().as_ref().to_vec()
    }

    /// A signed token.
    pub fn token(&self, subject: &str, audience: &str, now: Timestamp, life: u64) -> Stepped<String> {
        let (issued, expires) = (now.unix_seconds(), now.unix_seconds() + life);
        let claims = format!(
            r#"{{"iss":"{}","sub":"{subject}","aud":["{audience}"],"iat":{issued},"nbf":{issued},"exp":{expires}}}"#,
            self.url()
        );
        let header = base64url::encode(br#"{"alg":"ES256","kid":"k1","typ":"JWT"}"#);
        let signed = format!("{header}.{}", base64url::encode(claims.as_bytes()));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).map_err(|_| "a signature")?;
        Ok(format!("{signed}.{}", base64url::encode(signature.as_ref())))
    }
}
