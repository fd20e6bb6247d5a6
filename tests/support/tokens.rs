//! Identity tokens for tests and examples, signed with the test keys of `tests/keys`.
#![allow(dead_code, reason = "each test file uses a part of it")]

use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
    RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use safe_conduct::codec::base64url::encode;
use safe_conduct::identity::Algorithm;

const RSA: &[u8] = include_bytes!("../keys/rsa.pk8");
const OTHER_RSA: &[u8] = include_bytes!("../keys/other-rsa.pk8");
const P256: &[u8] = include_bytes!("../keys/p256.pk8");
const P384: &[u8] = include_bytes!("../keys/p384.pk8");
const ED25519: &[u8] = include_bytes!("../keys/ed25519.pk8");

/// The public keys: `rsa` (for every RSA algorithm), `p256`, `p384` and `ed25519`.
pub fn jwks() -> String {
    include_str!("../keys/jwks.json").to_owned()
}

/// The id of the key that signs with `algorithm`.
pub fn key_id(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Es256 => "p256",
        Algorithm::Es384 => "p384",
        Algorithm::EdDsa => "ed25519",
        _ => "rsa",
    }
}

/// A token with these claims, as an issuer would sign it.
pub fn signed(algorithm: Algorithm, claims: &str) -> String {
    let header = format!("{{\"alg\":\"{algorithm}\",\"kid\":\"{}\"}}", key_id(algorithm));
    signed_with_header(algorithm, &header, claims)
}

/// A token with a header of one's own, signed with `algorithm` whatever the header says.
pub fn signed_with_header(algorithm: Algorithm, header: &str, claims: &str) -> String {
    let input = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
    let signature = signature(algorithm, input.as_bytes());
    format!("{input}.{}", encode(&signature))
}

/// A token whose RS256 signature is good, but of a key that the issuer does not have.
pub fn signed_with_other_key(header: &str, claims: &str) -> String {
    let input = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
    format!("{input}.{}", encode(&foreign_signature(input.as_bytes())))
}

/// The RS256 signature of `input` by a key that the issuer does not have.
pub fn foreign_signature(input: &[u8]) -> Vec<u8> {
    rsa(OTHER_RSA, &RSA_PKCS1_SHA256, input)
}

/// The public key that belongs to [`foreign_signature`], as the members of a JWK.
pub fn foreign_jwk() -> String {
    let pair = RsaKeyPair::from_pkcs8(OTHER_RSA).expect("the test key is readable");
    let key = PublicKeyComponents::<Vec<u8>>::from(pair.public());
    format!("\"kty\":\"RSA\",\"n\":\"{}\",\"e\":\"{}\"", encode(&key.n), encode(&key.e))
}

/// The raw signature of `input`.
pub fn signature(algorithm: Algorithm, input: &[u8]) -> Vec<u8> {
    match algorithm {
        Algorithm::Rs256 => rsa(RSA, &RSA_PKCS1_SHA256, input),
        Algorithm::Rs384 => rsa(RSA, &RSA_PKCS1_SHA384, input),
        Algorithm::Rs512 => rsa(RSA, &RSA_PKCS1_SHA512, input),
        Algorithm::Ps256 => rsa(RSA, &RSA_PSS_SHA256, input),
        Algorithm::Ps384 => rsa(RSA, &RSA_PSS_SHA384, input),
        Algorithm::Ps512 => rsa(RSA, &RSA_PSS_SHA512, input),
        Algorithm::Es256 => ecdsa(P256, &ECDSA_P256_SHA256_FIXED_SIGNING, input),
        Algorithm::Es384 => ecdsa(P384, &ECDSA_P384_SHA384_FIXED_SIGNING, input),
        Algorithm::EdDsa => {
            let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(ED25519).expect("the test key is readable");
            pair.sign(input).as_ref().to_vec()
        }
        other => panic!("no test key for {other}"),
    }
}

fn rsa(key: &[u8], encoding: &'static dyn RsaEncoding, input: &[u8]) -> Vec<u8> {
    let pair = RsaKeyPair::from_pkcs8(key).expect("the test key is readable");
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(encoding, &SystemRandom::new(), input, &mut signature).expect("RSA signs");
    signature
}

fn ecdsa(key: &[u8], algorithm: &'static EcdsaSigningAlgorithm, input: &[u8]) -> Vec<u8> {
    let random = SystemRandom::new();
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, key, &random).expect("the test key is readable");
    pair.sign(&random, input).expect("ECDSA signs").as_ref().to_vec()
}
