//! How long a token's verification takes beside the bare signature check by ring, and beside jsonwebtoken.

use std::hint::black_box;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature as rs;
use safe_conduct::Secret;
use safe_conduct::identity::{Algorithm, KeySet, TokenVerifier};
use safe_conduct::name::{Audience, Issuer};
use safe_conduct::time::Timestamp;

#[path = "../../tests/support/tokens.rs"]
mod tokens;

const ISSUER: &str = "https://issuer.example";
const AUDIENCE: &str = "sts.example";

/// What is aimed at: all of our rules cost at most this many bare checks, and less than jsonwebtoken's.
const MOST: f64 = 1.15;

/// Rounds, and verifications of each kind in a round. The kinds take turns, so that a busy moment meets them all.
const ROUNDS: usize = 500;
const BATCH: u32 = 20;

type Check = Box<dyn Fn()>;

fn main() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let verifier = TokenVerifier::new(Issuer::new(ISSUER).unwrap(), Audience::new(AUDIENCE).unwrap());
    let claims = claims(now);
    println!("a token of {} claim bytes; the best of {ROUNDS} rounds of {BATCH}", claims.len());
    let mut missed = 0;
    for algorithm in [Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256, Algorithm::EdDsa] {
        let token = tokens::signed(algorithm, &claims);
        let checks = [
            bare(algorithm, &token),
            ours(verifier.clone(), &token, now),
            jsonwebtoken_on_ring(algorithm, &token),
            jsonwebtoken(algorithm, &token),
        ];
        let [bare, ours, same, next] = least(&checks).map(|time| time.as_nanos() as f64 / 1000.0);
        println!(
            "{algorithm}: ring alone {bare:.1} us, TokenVerifier {ours:.1} us, jsonwebtoken 9 (ring) {same:.1} us, \
             jsonwebtoken 11 (aws-lc) {next:.1} us"
        );
        let (floor, rival) = (ours / bare, ours / same);
        let met = floor <= MOST && rival < 1.0;
        missed += u32::from(!met);
        println!(
            "{algorithm}: ratio to ring alone {floor:.3} (aim: at most {MOST}), to jsonwebtoken on ring {rival:.3} (aim: \
             below 1), to jsonwebtoken on aws-lc {:.3}: {}",
            ours / next,
            if met { "met" } else { "MISSED" }
        );
    }
    std::process::exit(i32::from(missed > 0));
}

/// The claims of a Kubernetes service account's token, in shape and size.
fn claims(now: u64) -> String {
    format!(
        r#"{{"aud":["{AUDIENCE}"],"exp":{},"iat":{now},"iss":"{ISSUER}","jti":"8f5ad3e0-5fd4-4f6b-9f0a-0a2f7e1f3b11","kubernetes.io":{{"namespace":"spark","node":{{"name":"worker-17","uid":"b1f0f4d2-6f0e-4a7a-8f0e-7f9f2c8c1a55"}},"pod":{{"name":"etl-driver","uid":"0c5f3f0e-1f0a-4b7e-9a70-3f1d2c4b5a66"}},"serviceaccount":{{"name":"etl","uid":"5d7e9c1b-3a2f-4e8d-8b6c-9f0e1d2c3b77"}}}},"nbf":{now},"sub":"system:serviceaccount:spark:etl"}}"#,
        now + 3600
    )
}

/// The time of one verification of each kind, in the round that was disturbed least.
fn least<const N: usize>(checks: &[Check; N]) -> [Duration; N] {
    let mut times: [Vec<Duration>; N] = std::array::from_fn(|_| Vec::with_capacity(ROUNDS));
    for round in 0..ROUNDS + 1 {
        for (check, times) in checks.iter().zip(&mut times) {
            let start = Instant::now();
            for _ in 0..BATCH {
                check();
            }
            // The first round warms up.
            if round > 0 {
                times.push(start.elapsed() / BATCH);
            }
        }
    }
    times.map(|times| times.into_iter().min().unwrap())
}

/// The signature alone, over bytes that are decoded already.
fn bare(algorithm: Algorithm, token: &str) -> Check {
    let (input, signature) = token.rsplit_once('.').unwrap();
    let (input, signature) = (input.to_owned(), URL_SAFE_NO_PAD.decode(signature).unwrap());
    let member = |name| URL_SAFE_NO_PAD.decode(jwk(algorithm)[name].as_str().unwrap()).unwrap();
    match algorithm {
        Algorithm::Rs256 | Algorithm::Ps256 => {
            let parameters = if algorithm == Algorithm::Rs256 {
                &rs::RSA_PKCS1_2048_8192_SHA256
            } else {
                &rs::RSA_PSS_2048_8192_SHA256
            };
            let key = rs::RsaPublicKeyComponents { n: member("n"), e: member("e") };
            Box::new(move || key.verify(parameters, black_box(input.as_bytes()), &signature).unwrap())
        }
        Algorithm::Es256 => {
            let key =
                rs::UnparsedPublicKey::new(&rs::ECDSA_P256_SHA256_FIXED, [vec![4], member("x"), member("y")].concat());
            Box::new(move || key.verify(black_box(input.as_bytes()), &signature).unwrap())
        }
        _ => {
            let key = rs::UnparsedPublicKey::new(&rs::ED25519, member("x"));
            Box::new(move || key.verify(black_box(input.as_bytes()), &signature).unwrap())
        }
    }
}

/// Every rule, from the token's text to a user.
fn ours(verifier: TokenVerifier, token: &str, now: u64) -> Check {
    let keys = KeySet::from_jwks(tokens::jwks().as_bytes()).unwrap();
    let (token, now) = (token.to_owned(), Timestamp::from_unix_seconds(now).unwrap());
    Box::new(move || drop(verifier.verify(Secret::from_text(black_box(&token)), &keys, now).unwrap()))
}

fn jwk(algorithm: Algorithm) -> serde_json::Value {
    let set: serde_json::Value = serde_json::from_str(&tokens::jwks()).unwrap();
    let keys = set["keys"].as_array().unwrap();
    keys.iter().find(|key| key["kid"] == tokens::key_id(algorithm)).unwrap().clone()
}

macro_rules! rival {
    ($name:ident, $package:ident) => {
        /// With the checks that it has: issuer, audience, `exp`, `nbf`, and the claims read.
        fn $name(algorithm: Algorithm, token: &str) -> Check {
            use $package::{Algorithm as Theirs, DecodingKey, Validation, decode, jwk::Jwk};
            let mut validation = Validation::new(match algorithm {
                Algorithm::Rs256 => Theirs::RS256,
                Algorithm::Ps256 => Theirs::PS256,
                Algorithm::Es256 => Theirs::ES256,
                _ => Theirs::EdDSA,
            });
            validation.set_issuer(&[ISSUER]);
            validation.set_audience(&[AUDIENCE]);
            validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
            validation.validate_nbf = true;
            let mut members = jwk(algorithm);
            members.as_object_mut().unwrap().remove("alg");
            let key = DecodingKey::from_jwk(&serde_json::from_value::<Jwk>(members).unwrap()).unwrap();
            let token = token.to_owned();
            Box::new(move || {
                drop(decode::<serde_json::Value>(black_box(&token), &key, &validation).unwrap());
            })
        }
    };
}

rival!(jsonwebtoken_on_ring, jsonwebtoken_on_ring);
rival!(jsonwebtoken, jsonwebtoken);
