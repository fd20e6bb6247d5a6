//! The issuer's keys: which of a set can be used, and which one a token means. Fetches nothing.

use std::fmt;

use crate::codec::jwks::{self, Jwk, JwkError, JwksError, Material};
use crate::error::{Actionable, Facts, Fault, Retry};
use crate::identity::{Algorithm, signature};

/// Fewest bits of an RSA modulus (RFC 7518, sections 3.3 and 3.5: "A key of size 2048 bits or larger MUST be used").
const MIN_RSA_BITS: usize = 2048;

/// Most bits of an RSA modulus: what ring verifies with; above, one check costs milliseconds.
const MAX_RSA_BITS: usize = 8192;

/// Smallest and largest public exponent: FIPS 186-5, section 5.1, asks for more than 2^16; ring takes up to 33 bits.
const RSA_EXPONENTS: std::ops::RangeInclusive<u64> = 65_537..=0x1_ffff_ffff;

/// An issuer's usable keys.
#[derive(Debug)]
pub struct KeySet {
    keys: Vec<Key>,
    unusable: Vec<UnusableKey>,
}

#[derive(Debug)]
struct Key {
    key_id: Option<String>,
    algorithm: Option<Algorithm>,
    material: Material,
}

impl KeySet {
    /// Reads a JWKS document. Keys that cannot be used are left out and listed.
    ///
    /// # Errors
    /// [`KeySetError`] if it is no key set, or no key in it can be used.
    pub fn from_jwks(bytes: &[u8]) -> Result<Self, KeySetError> {
        let entries = jwks::parse(bytes).map_err(KeySetError::Malformed)?;
        let ids: Vec<Option<String>> =
            entries.iter().map(|entry| entry.as_ref().ok().and_then(|jwk| jwk.key_id.clone())).collect();
        let mut set = Self::empty();
        for (index, entry) in entries.into_iter().enumerate() {
            match entry.map_err(KeyProblem::Malformed).and_then(|jwk| usable(jwk, &ids)) {
                Ok(key) => set.keys.push(key),
                Err(reason) => set.unusable.push(UnusableKey { index, reason }),
            }
        }
        if set.keys.is_empty() { Err(KeySetError::NoUsableKey { unusable: set.unusable }) } else { Ok(set) }
    }

    /// No keys: every signature is refused.
    #[must_use]
    pub fn empty() -> Self {
        Self { keys: Vec::new(), unusable: Vec::new() }
    }

    /// The keys that were left out, for warnings.
    #[must_use]
    pub fn unusable(&self) -> &[UnusableKey] {
        &self.unusable
    }

    /// The ids of the keys that can be used, in the set's order.
    pub fn ids(&self) -> impl Iterator<Item = Option<&str>> {
        self.keys.iter().map(|key| key.key_id.as_deref())
    }

    /// Whether a token that names `key_id` would find its key here.
    #[must_use]
    pub fn has(&self, key_id: &str) -> bool {
        self.keys.iter().any(|key| key.key_id.as_deref() == Some(key_id))
    }

    /// The one key that a token with this algorithm and key id can have been signed with.
    pub(super) fn find(&self, algorithm: Algorithm, key_id: Option<&str>) -> Result<&Material, FindError> {
        let key = match key_id {
            Some(_) => self.keys.iter().find(|key| key.key_id.as_deref() == key_id).ok_or(FindError::Unknown)?,
            // Rule: without a key id, the set has one key; keys are not tried one after the other
            // (OIDC Core 1.0, section 10.1: "If there are multiple keys ..., a kid value MUST be provided").
            None => match self.keys.as_slice() {
                [only] => only,
                [] => return Err(FindError::Unknown),
                several => return Err(FindError::Ambiguous { keys: several.len() }),
            },
        };
        // Rule: a key is used with the algorithm that it is for (RFC 8725, section 3.1), and with that of its type.
        let meant = key.algorithm.is_none_or(|own| own == algorithm);
        if meant && signature::fits(&key.material, algorithm) { Ok(&key.material) } else { Err(FindError::Algorithm) }
    }
}

/// Why no key of a set is the one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FindError {
    /// None has that id.
    Unknown,
    /// The token names none, and there are several.
    Ambiguous {
        /// How many.
        keys: usize,
    },
    /// It is for another algorithm.
    Algorithm,
}

fn usable(jwk: Jwk, ids: &[Option<String>]) -> Result<Key, KeyProblem> {
    // Rule: of keys that share an id none is used: which one is meant would be a guess.
    if jwk.key_id.is_some() && ids.iter().filter(|id| **id == jwk.key_id).count() > 1 {
        return Err(KeyProblem::DuplicateId);
    }
    let algorithm = match &jwk.algorithm {
        None => None,
        Some(name) => Some(Algorithm::from_name(name).ok_or(KeyProblem::UnknownAlgorithm)?),
    };
    if algorithm.is_some_and(|algorithm| !signature::fits(&jwk.material, algorithm)) {
        return Err(KeyProblem::AlgorithmOfOtherType);
    }
    if let Material::Rsa { n, e } = &jwk.material {
        check_rsa(n, e)?;
    }
    if matches!(&jwk.material, Material::Ed25519 { x } if is_of_small_order(x)) {
        return Err(KeyProblem::SmallOrder);
    }
    Ok(Key { key_id: jwk.key_id, algorithm, material: jwk.material })
}

fn check_rsa(n: &[u8], e: &[u8]) -> Result<(), KeyProblem> {
    let leading = n.first().map_or(0, |first| usize::try_from(first.leading_zeros()).unwrap_or(0));
    let bits = n.len().saturating_mul(8).saturating_sub(leading);
    if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
        return Err(KeyProblem::RsaSize { bits });
    }
    let exponent = e.iter().fold(0u64, |value, byte| value.saturating_mul(256).saturating_add(u64::from(*byte)));
    // Rule: both are odd (RFC 8017, section 3.1: they share no factor with p - 1 and q - 1, and n is no multiple of 2).
    if !RSA_EXPONENTS.contains(&exponent) || exponent.is_multiple_of(2) {
        return Err(KeyProblem::RsaExponent);
    }
    if n.last().is_none_or(|last| last.is_multiple_of(2)) {
        return Err(KeyProblem::RsaModulus);
    }
    if is_roca(n) { Err(KeyProblem::Roca) } else { Ok(()) }
}

/// Whether a modulus shows the pattern of CVE-2017-15361 (ROCA), whose private key can be computed: its primes are
/// `k * M + 65537^a mod M`, with M the product of the first primes, so modulo each of these the modulus is a power
/// of 65537. A sound modulus passes for one about once in 2^27.
fn is_roca(n: &[u8]) -> bool {
    const PRIMES: [u32; 38] = [
        3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107,
        109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
    ];
    let rest = |value: u32, prime: u32| value.checked_rem(prime).unwrap_or(0);
    PRIMES.iter().all(|&prime| {
        let residue =
            n.iter().fold(0, |left: u32, byte| rest(left.saturating_mul(256).saturating_add(u32::from(*byte)), prime));
        // All powers of 65537 modulo the prime: they repeat after at most prime - 1 steps.
        let powers =
            std::iter::successors(Some(1), |power: &u32| Some(rest(power.saturating_mul(rest(65_537, prime)), prime)));
        powers.take(usize::try_from(prime).unwrap_or(0)).any(|power| power == residue)
    })
}

/// Whether an Ed25519 key has an order of 1, 2, 4 or 8 (RFC 8032, section 5.1): one signature fits all messages then,
/// and ring does not ask. The sign bit does not matter, nor whether the coordinate is reduced.
fn is_of_small_order(x: &[u8]) -> bool {
    const OF_ORDER_8: [[u8; 32]; 2] = [
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
            0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
            0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
        ],
    ];
    let mut y = x.to_vec();
    if let Some(last) = y.last_mut() {
        *last &= 0x7f;
    }
    match y.as_slice() {
        // 0 and 1; then p - 1, p and p + 1 for p = 2^255 - 19, little-endian.
        [0 | 1, rest @ ..] if rest.iter().all(|byte| *byte == 0) => true,
        [0xec..=0xee, rest @ .., 0x7f] if rest.iter().all(|byte| *byte == 0xff) => true,
        other => OF_ORDER_8.iter().any(|known| known == other),
    }
}

/// A key of a set that is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnusableKey {
    /// Its place in the set, from 0.
    pub index: usize,
    /// Why.
    pub reason: KeyProblem,
}

impl fmt::Display for UnusableKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {} of the set is not used: {}", self.index, self.reason)
    }
}

impl std::error::Error for UnusableKey {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.reason)
    }
}

impl Actionable for UnusableKey {
    fn facts(&self) -> Facts {
        match self.reason {
            KeyProblem::Malformed(JwkError::NotPublic) => Facts::new(
                "KEY_PRIVATE",
                Fault::Identity,
                Retry::Backoff,
                "Have the issuer replace this key at once: whoever reads the set could sign tokens with it.",
            ),
            KeyProblem::Malformed(
                JwkError::NotAnObject | JwkError::Member { .. } | JwkError::UnknownKind | JwkError::NotForSignatures,
            )
            | KeyProblem::DuplicateId
            | KeyProblem::UnknownAlgorithm
            | KeyProblem::AlgorithmOfOtherType
            | KeyProblem::RsaSize { .. }
            | KeyProblem::RsaExponent
            | KeyProblem::RsaModulus
            | KeyProblem::Roca
            | KeyProblem::SmallOrder => Facts::new(
                "KEY_UNUSABLE",
                Fault::Identity,
                Retry::Backoff,
                "Do nothing unless tokens are refused for it: the set's other keys are used.",
            ),
        }
    }
}

/// Why a key of a set is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyProblem {
    /// It is not the public signature key that it should be.
    Malformed(JwkError),
    /// Another key of the set has the same id.
    DuplicateId,
    /// It is for an algorithm that we do not know.
    UnknownAlgorithm,
    /// It is for an algorithm that needs a key of another type or curve.
    AlgorithmOfOtherType,
    /// An RSA modulus that is too short or too long.
    RsaSize {
        /// How many bits it has.
        bits: usize,
    },
    /// An RSA exponent that is even, below 65,537 or above 33 bits.
    RsaExponent,
    /// An RSA modulus that is even.
    RsaModulus,
    /// An RSA modulus whose private key can be computed (CVE-2017-15361).
    Roca,
    /// An Ed25519 key for which everybody can sign.
    SmallOrder,
}

impl fmt::Display for KeyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(source) => source.fmt(f),
            Self::DuplicateId => f.write_str("another key has the same id"),
            Self::UnknownAlgorithm => f.write_str("it is for an algorithm that is not known here"),
            Self::AlgorithmOfOtherType => f.write_str("it is for an algorithm that needs another type of key"),
            Self::RsaSize { bits } => write!(f, "its modulus has {bits} bits, not {MIN_RSA_BITS} to {MAX_RSA_BITS}"),
            Self::RsaExponent => f.write_str("its exponent is even, below 65537 or above 33 bits"),
            Self::RsaModulus => f.write_str("its modulus is even"),
            Self::Roca => f.write_str("its private key can be computed (CVE-2017-15361)"),
            Self::SmallOrder => f.write_str("its order is at most 8, so that everybody can sign"),
        }
    }
}

impl std::error::Error for KeyProblem {}

/// Why a document gives no keys.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeySetError {
    /// It is no key set within the limits.
    Malformed(JwksError),
    /// It is one, but no key in it can be used.
    NoUsableKey {
        /// Why not, key by key; empty for an empty set.
        unusable: Vec<UnusableKey>,
    },
}

impl fmt::Display for KeySetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(source) => source.fmt(f),
            Self::NoUsableKey { unusable } => match unusable.first() {
                Some(first) => write!(f, "none of the set's {} keys can be used; {first}", unusable.len()),
                None => f.write_str("the key set is empty"),
            },
        }
    }
}

impl std::error::Error for KeySetError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Malformed(source) => Some(source),
            Self::NoUsableKey { .. } => None,
        }
    }
}

impl Actionable for KeySetError {
    fn facts(&self) -> Facts {
        match self {
            Self::Malformed(_) => Facts::new(
                "KEYS_MALFORMED",
                Fault::Identity,
                Retry::Backoff,
                "Point spark.security.oidc.jwks.file or jwks.url at the issuer's JSON Web Key Set, not at a page or a certificate.",
            ),
            Self::NoUsableKey { .. } => Facts::new(
                "KEYS_NONE_USABLE",
                Fault::Identity,
                Retry::Backoff,
                "Have the issuer publish a public RSA (2048 bits or more), P-256, P-384 or Ed25519 signature key.",
            ),
        }
    }
}
