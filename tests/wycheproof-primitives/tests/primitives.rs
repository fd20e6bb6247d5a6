//! Project Wycheproof's signatures by RSA, ECDSA and EdDSA through our layer: keys as JWK, messages as they are.
//!
//! Every case is tried with each of our algorithms: a valid one must be accepted by the one that it was made for, and
//! by no other; an invalid one by none, or only by the other algorithm that its comment says it was made with. What is
//! valid and not ours is listed with the reason and the number of cases.

use std::collections::BTreeMap;

use safe_conduct::codec::base64url::encode;
use safe_conduct::codec::jwks::JwkError;
use safe_conduct::identity::{Algorithm, KeyProblem, KeySet, KeySetError, VerifyError, verify_raw_signature};
use wycheproof::{EllipticCurve, HashFunction, TestResult, ecdsa, eddsa, rsa_pkcs1_verify, rsa_pss_verify};

/// Why a valid signature is refused, and how many are: more or fewer fail the test.
const REFUSED_BY_DESIGN: &[(&str, u32)] =
    &[(CURVE, 10_243), (HASH, 3750), (SALT, 755), (MISSING_NULL, 12), (EXPONENT, 5)];

/// Valid signatures that are ours, and all cases. These numbers too were counted in the vectors by a script of its own,
/// from their fields for curve, hash, salt, exponent and result.
const ACCEPTED: u32 = 1681;
const TOTAL: u32 = 39_840;

/// Signatures that are invalid in their file because they are of another algorithm, which is one of ours.
const SWAPPED: u32 = 105;

const CURVE: &str = "the curve is neither P-256 nor P-384 nor Ed25519";
const HASH: &str = "RFC 7518 has no algorithm with this hash for this type of key";
const EXPONENT: &str = "the exponent is 3, and FIPS 186-5 asks for more than 65,536";
const SALT: &str = "RFC 7518, section 3.5: the salt is as long as the hash, which MGF1 uses too";
const MISSING_NULL: &str = "acceptable only: the padding leaves out a NULL that RFC 8017, appendix B.1, has";

/// What can be done with a group's key.
struct Group {
    keys: Result<KeySet, KeyProblem>,
    /// The algorithm of ours that its signatures are made for, or why there is none.
    algorithm: Result<Algorithm, &'static str>,
    /// RSA's hash.
    hash: Option<HashFunction>,
}

impl Group {
    fn new(members: &str, algorithm: Result<Algorithm, &'static str>) -> Self {
        let keys = match KeySet::from_jwks(format!("{{\"keys\":[{{{members}}}]}}").as_bytes()) {
            Ok(keys) => Ok(keys),
            Err(KeySetError::NoUsableKey { unusable }) => Err(unusable[0].reason),
            Err(error) => panic!("{error}"),
        };
        Self { keys, algorithm, hash: None }
    }

    fn rsa(n: &[u8], e: &[u8], hash: HashFunction, algorithm: Result<Algorithm, &'static str>) -> Self {
        let [n, e] = [n, e].map(|number| encode(without_zeros(number)));
        let group = Self::new(&format!("\"kty\":\"RSA\",\"n\":\"{n}\",\"e\":\"{e}\""), algorithm);
        assert!(matches!(group.keys, Ok(_) | Err(KeyProblem::RsaExponent)), "{:?}", group.keys);
        Self { hash: Some(hash), ..group }
    }

    /// Which algorithms accept a signature: none where the key itself is refused.
    fn accepting(&self, message: &[u8], signature: &[u8]) -> Vec<Algorithm> {
        let Ok(keys) = &self.keys else { return Vec::new() };
        let verdict = |algorithm: &Algorithm| match verify_raw_signature(keys, *algorithm, message, signature) {
            Ok(()) => true,
            Err(VerifyError::Signature | VerifyError::KeyAlgorithm { .. }) => false,
            Err(error) => panic!("{error}"),
        };
        Algorithm::ALL.into_iter().filter(verdict).collect()
    }

    /// The algorithm that must accept a valid signature, or why none may.
    fn expected(&self) -> Result<Algorithm, &'static str> {
        match self.keys {
            Ok(_) => self.algorithm,
            Err(KeyProblem::RsaExponent) => Err(EXPONENT),
            Err(KeyProblem::Malformed(JwkError::UnknownKind)) => Err(CURVE),
            Err(problem) => panic!("{problem}"),
        }
    }
}

fn without_zeros(number: &[u8]) -> &[u8] {
    &number[number.iter().take_while(|byte| **byte == 0).count()..]
}

struct Case<'a> {
    name: String,
    comment: &'a str,
    message: &'a [u8],
    signature: &'a [u8],
    result: TestResult,
}

/// The algorithm that an invalid RSA signature was made with in truth, by its comment, if it is one of ours.
fn made_with(comment: &str) -> Option<Algorithm> {
    let hashed = comment.strip_prefix("The message is hashed with ");
    let hash = hashed.or(comment.strip_prefix("PKCS #1 v1.5 signature with "))?;
    match hash.split(' ').next() {
        Some("SHA-256") => Some(Algorithm::Rs256),
        Some("SHA-384") => Some(Algorithm::Rs384),
        Some("SHA-512") => Some(Algorithm::Rs512),
        _ => None,
    }
}

/// The same for RSASSA-PSS with a salt that another file or group has. Not every comment says whether it is the salt
/// that we ask for: the number of swaps says it.
fn made_as_pss(comment: &str, group: &Group) -> Option<Algorithm> {
    let (pss, length) = match group.hash? {
        HashFunction::Sha2_256 => (Algorithm::Ps256, 32),
        HashFunction::Sha2_384 => (Algorithm::Ps384, 48),
        HashFunction::Sha2_512 => (Algorithm::Ps512, 64),
        _ => return None,
    };
    (comment == "RSASSA-PSS signature" || comment == format!("s_len changed to {length}")).then_some(pss)
}

#[derive(Default)]
struct Tally {
    accepted: u32,
    invalid: u32,
    /// Invalid in their file, where they stand for a swap of algorithms, and valid by the algorithm that made them.
    swapped: u32,
    by_design: BTreeMap<&'static str, u32>,
}

impl Tally {
    fn case(&mut self, group: &Group, case: &Case<'_>) {
        let accepting = group.accepting(case.message, case.signature);
        let expected = match case.result {
            TestResult::Valid => group.expected().map_err(Some),
            TestResult::Acceptable => Err(Some(group.expected().err().unwrap_or(MISSING_NULL))),
            TestResult::Invalid => Err(None),
        };
        let swapped = if group.keys.is_err() || expected.is_ok() {
            None
        } else if accepting.is_empty() {
            made_with(case.comment)
        } else {
            made_with(case.comment).or(made_as_pss(case.comment, group))
        };
        assert!(swapped.is_none() || swapped != group.algorithm.ok(), "{} is no swap", case.name);
        let wanted: Vec<Algorithm> = expected.iter().copied().chain(swapped).collect();
        assert_eq!(accepting, wanted, "{} {}", case.name, case.comment);
        match expected {
            Ok(_) => self.accepted += 1,
            Err(Some(reason)) => *self.by_design.entry(reason).or_insert(0) += 1,
            Err(None) if swapped.is_some() => self.swapped += 1,
            Err(None) => self.invalid += 1,
        }
    }

    fn total(&self) -> u32 {
        self.accepted + self.invalid + self.swapped + self.by_design.values().sum::<u32>()
    }
}

/// The case of one file as ours: each file has a type of its own, with the same members.
macro_rules! case {
    ($set:expr, $case:expr, $signature:expr) => {
        Case {
            name: format!("{:?} {}", $set, $case.tc_id),
            comment: &$case.comment,
            message: &$case.msg,
            signature: $signature,
            result: $case.result,
        }
    };
}

fn rsa_pkcs1(tally: &mut Tally) {
    for set in rsa_pkcs1_verify::TestName::all() {
        for group in rsa_pkcs1_verify::TestSet::load(set).unwrap().test_groups {
            let algorithm = match group.hash {
                HashFunction::Sha2_256 => Ok(Algorithm::Rs256),
                HashFunction::Sha2_384 => Ok(Algorithm::Rs384),
                HashFunction::Sha2_512 => Ok(Algorithm::Rs512),
                _ => Err(HASH),
            };
            let key = Group::rsa(&group.key.n, &group.key.e, group.hash, algorithm);
            for case in group.tests {
                let missing = case.flags.contains(&rsa_pkcs1_verify::TestFlag::MissingNull);
                assert!(case.result != TestResult::Acceptable || missing, "another acceptable case");
                tally.case(&key, &case!(set, case, &case.sig));
            }
        }
    }
}

fn rsa_pss(tally: &mut Tally) {
    for set in rsa_pss_verify::TestName::all() {
        for group in rsa_pss_verify::TestSet::load(set).unwrap().test_groups {
            let (algorithm, length) = match group.hash {
                HashFunction::Sha2_256 => (Ok(Algorithm::Ps256), 32),
                HashFunction::Sha2_384 => (Ok(Algorithm::Ps384), 48),
                HashFunction::Sha2_512 => (Ok(Algorithm::Ps512), 64),
                _ => (Err(HASH), 0),
            };
            let of_rfc_7518 = group.salt_size == length && group.mgf_hash == Some(group.hash);
            let algorithm = algorithm.and_then(|own| if of_rfc_7518 { Ok(own) } else { Err(SALT) });
            let key = Group::rsa(&group.key.n, &group.key.e, group.hash, algorithm);
            for case in group.tests {
                assert_ne!(case.result, TestResult::Acceptable, "an acceptable case");
                tally.case(&key, &case!(set, case, &case.sig));
            }
        }
    }
}

fn elliptic(tally: &mut Tally) {
    for set in ecdsa::TestName::all() {
        for group in ecdsa::TestSet::load(set).unwrap().test_groups {
            let (name, algorithm) = match (group.key.curve, group.hash) {
                (EllipticCurve::Secp256r1, HashFunction::Sha2_256) => ("P-256".to_owned(), Ok(Algorithm::Es256)),
                (EllipticCurve::Secp256r1, _) => ("P-256".to_owned(), Err(HASH)),
                (EllipticCurve::Secp384r1, HashFunction::Sha2_384) => ("P-384".to_owned(), Ok(Algorithm::Es384)),
                (EllipticCurve::Secp384r1, _) => ("P-384".to_owned(), Err(HASH)),
                (EllipticCurve::Secp521r1, _) => ("P-521".to_owned(), Err(CURVE)),
                (EllipticCurve::Secp256k1, _) => ("secp256k1".to_owned(), Err(CURVE)),
                (other, _) => (format!("{other:?}"), Err(CURVE)),
            };
            let (form, point) = group.key.key.split_first().unwrap();
            assert_eq!(*form, 4, "an uncompressed point");
            let (x, y) = point.split_at(point.len() / 2);
            let members = [("crv", name), ("x", encode(x)), ("y", encode(y))];
            let members = members.map(|(name, value)| format!("\"{name}\":\"{value}\"")).join(",");
            let key = Group::new(&format!("\"kty\":\"EC\",{members}"), algorithm);
            for case in group.tests {
                let name = format!("{set:?} {}", case.tc_id);
                assert_ne!(case.result, TestResult::Acceptable, "{name}");
                if group.test_type == ecdsa::TestGroupTypeId::EcdsaP1363 {
                    tally.case(&key, &case!(set, case, &case.sig));
                    continue;
                }
                // JWS has the two numbers side by side: DER is refused as it is, and judged as the numbers in it.
                assert_eq!(key.accepting(&case.msg, &case.sig), [], "{name} as DER");
                let Some(numbers) = from_der(&case.sig, x.len()) else {
                    assert_eq!(case.result, TestResult::Invalid, "{name}");
                    tally.invalid += 1;
                    continue;
                };
                tally.case(&key, &case!(set, case, &numbers));
            }
        }
    }
}

/// The two numbers of a signature in DER, each of so many bytes or more, or nothing if it is not strictly that.
fn from_der(der: &[u8], length: usize) -> Option<Vec<u8>> {
    let (inside, rest) = element(0x30, der)?;
    let (r, behind) = element(2, inside)?;
    let (s, end) = element(2, behind)?;
    let number = |bytes: &[u8]| {
        let positive = *bytes.first()? < 0x80;
        let shortest = bytes.len() == 1 || bytes[0] != 0 || bytes[1] >= 0x80;
        let digits = without_zeros(bytes);
        (positive && shortest).then(|| [&vec![0; length.saturating_sub(digits.len())], digits].concat())
    };
    (rest.is_empty() && end.is_empty()).then_some(())?;
    Some([number(r)?, number(s)?].concat())
}

/// Content and rest of an element with this tag and a length in its shortest form.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let [found, length, rest @ ..] = der else { return None };
    let (length, rest) = match (*length, rest) {
        (short, rest) if short < 0x80 => (short, rest),
        (0x81, [long, rest @ ..]) if *long >= 0x80 => (*long, rest),
        _ => return None,
    };
    (*found == tag && rest.len() >= usize::from(length)).then(|| rest.split_at(usize::from(length)))
}

fn edwards(tally: &mut Tally) {
    for set in eddsa::TestName::all() {
        for group in eddsa::TestSet::load(set).unwrap().test_groups {
            let (curve, x) = (group.key.curve, encode(&group.key.pk));
            let members = format!("\"kty\":\"OKP\",\"crv\":\"{curve:?}\",\"x\":\"{x}\"");
            let key = Group::new(&members, Ok(Algorithm::EdDsa));
            for case in group.tests {
                assert_ne!(case.result, TestResult::Acceptable, "an acceptable case");
                tally.case(&key, &case!(set, case, &case.sig));
            }
        }
    }
}

#[test]
fn every_signature_is_accepted_by_the_one_algorithm_it_was_made_for_or_refused_for_a_listed_reason() {
    let mut tally = Tally::default();
    for run in [rsa_pkcs1, rsa_pss, elliptic, edwards] {
        let before = tally.accepted;
        run(&mut tally);
        assert!(tally.accepted > before, "a file of which nothing is accepted proves nothing");
    }
    let (total, accepted, invalid) = (tally.total(), tally.accepted, tally.invalid);
    println!("wycheproof primitives: {total} cases, {accepted} valid and accepted, {invalid} invalid and refused");
    println!("wycheproof primitives: {} invalid as a swap, accepted by the other algorithm only", tally.swapped);
    for (reason, count) in &tally.by_design {
        println!("wycheproof primitives: {count} refused by design: {reason}");
    }
    assert_eq!((total, accepted, tally.swapped), (TOTAL, ACCEPTED, SWAPPED));
    assert_eq!(tally.by_design, REFUSED_BY_DESIGN.iter().copied().collect());
}
