//! Signatures: the only file that knows ring's verification. Knows keys and bytes, not tokens.

use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};

use crate::codec::jwks::Material;
use crate::identity::Algorithm;

/// The mark that a signature was found valid. Only [`verify`] makes one.
#[derive(Debug)]
pub(super) struct SignatureValid(());

/// The signature is not valid. Cryptography says no more than that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SignatureInvalid;

/// Whether a key of this type can be used with `algorithm` (RFC 7518, section 3.1; RFC 8725, section 3.1).
pub(super) fn fits(key: &Material, algorithm: Algorithm) -> bool {
    use Algorithm::{EdDsa, Es256, Es384, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
    match key {
        Material::Rsa { .. } => matches!(algorithm, Rs256 | Rs384 | Rs512 | Ps256 | Ps384 | Ps512),
        Material::P256 { .. } => algorithm == Es256,
        Material::P384 { .. } => algorithm == Es384,
        Material::Ed25519 { .. } => algorithm == EdDsa,
    }
}

/// Checks `signature` over `message` with the algorithm that is given, never with one that the token chose.
pub(super) fn verify(
    algorithm: Algorithm,
    key: &Material,
    message: &[u8],
    signature: &[u8],
) -> Result<SignatureValid, SignatureInvalid> {
    match (algorithm, key) {
        (Algorithm::Rs256, Material::Rsa { n, e }) => rsa(&RSA_PKCS1_2048_8192_SHA256, n, e, message, signature),
        (Algorithm::Rs384, Material::Rsa { n, e }) => rsa(&RSA_PKCS1_2048_8192_SHA384, n, e, message, signature),
        (Algorithm::Rs512, Material::Rsa { n, e }) => rsa(&RSA_PKCS1_2048_8192_SHA512, n, e, message, signature),
        (Algorithm::Ps256, Material::Rsa { n, e }) => rsa(&RSA_PSS_2048_8192_SHA256, n, e, message, signature),
        (Algorithm::Ps384, Material::Rsa { n, e }) => rsa(&RSA_PSS_2048_8192_SHA384, n, e, message, signature),
        (Algorithm::Ps512, Material::Rsa { n, e }) => rsa(&RSA_PSS_2048_8192_SHA512, n, e, message, signature),
        (Algorithm::Es256, Material::P256 { x, y }) => {
            unparsed(&ECDSA_P256_SHA256_FIXED, &uncompressed(x, y), message, signature)
        }
        (Algorithm::Es384, Material::P384 { x, y }) => {
            unparsed(&ECDSA_P384_SHA384_FIXED, &uncompressed(x, y), message, signature)
        }
        (Algorithm::EdDsa, Material::Ed25519 { x }) => unparsed(&ED25519, x, message, signature),
        // The key is of another type than the algorithm needs.
        _ => Err(SignatureInvalid),
    }
}

fn rsa(
    parameters: &RsaParameters,
    n: &[u8],
    e: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<SignatureValid, SignatureInvalid> {
    let key = RsaPublicKeyComponents { n, e };
    key.verify(parameters, message, signature).map(|()| SignatureValid(())).map_err(|_| SignatureInvalid)
}

/// ring takes ECDSA signatures of exactly twice the coordinate's length (RFC 7518, section 3.4), and checks that the
/// key is a point of the curve.
fn unparsed(
    algorithm: &'static dyn VerificationAlgorithm,
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<SignatureValid, SignatureInvalid> {
    let key = UnparsedPublicKey::new(algorithm, key);
    key.verify(message, signature).map(|()| SignatureValid(())).map_err(|_| SignatureInvalid)
}

/// A point in SEC 1's uncompressed form (section 2.3.3).
fn uncompressed(x: &[u8], y: &[u8]) -> Vec<u8> {
    [&[4], x, y].concat()
}
