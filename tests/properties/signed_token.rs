//! Property: a token is believed only if its header and payload are, byte for byte, ones that the issuer signed.

#[path = "../support/tokens.rs"]
mod tokens;

use std::sync::LazyLock;

use safe_conduct::Secret;
use safe_conduct::codec::base64url::{decode, encode};
use safe_conduct::identity::{Algorithm, KeySet, TokenVerifier};
use safe_conduct::name::{Audience, Issuer};
use safe_conduct::time::Timestamp;

/// What the issuer has signed, each for a subject of its own: an RSA, an ECDSA and an Ed25519 token.
static SIGNED: LazyLock<[String; 3]> = LazyLock::new(|| {
    [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa]
        .map(|algorithm| tokens::signed(algorithm, &claims(algorithm.name())))
});

static KEYS: LazyLock<KeySet> =
    LazyLock::new(|| KeySet::from_jwks(tokens::jwks().as_bytes()).expect("the test keys are readable"));

static VERIFIER: LazyLock<TokenVerifier> =
    LazyLock::new(|| TokenVerifier::new(Issuer::new("https://issuer.example").unwrap(), Audience::new("a").unwrap()));

/// What a step of a script puts in place of a character, and what a header that is written anew may say.
const CHARACTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n";
const NAMES: [&str; 6] = ["RS256", "PS256", "ES256", "EdDSA", "HS256", "none"];
const IDS: [&str; 5] = ["rsa", "p256", "p384", "ed25519", "other"];

fn claims(subject: &str) -> String {
    format!(
        "{{\"iss\":\"https://issuer.example\",\"aud\":\"a\",\"sub\":\"{subject}\",\"iat\":1800000000,\"exp\":1800003600}}"
    )
}

pub fn check(data: &[u8]) {
    // The bytes as a token, and as a script that changes one of the signed ones.
    check_token(std::str::from_utf8(data).unwrap_or_default());
    let (which, script) = data.split_first().unwrap_or((&0, &[]));
    let genuine = &SIGNED[usize::from(*which) % SIGNED.len()];
    let token = changed(genuine, script);
    let believed = check_token(&token);
    assert!(believed || token != *genuine, "what the issuer signed is refused");
}

/// Whether the token is believed. Its signature's bytes may be others than the issuer's: of an ECDSA signature (r, s)
/// everybody can make (r, n - s), over the same message (SEC 1, section 4.1.4, accepts both).
fn check_token(token: &str) -> bool {
    let now = Timestamp::from_unix_seconds(1_800_000_000).unwrap();
    let verified = VERIFIER.verify(Secret::from_text(token), &KEYS, now);
    let Ok(user) = verified else { return false };
    let message = |token: &str| token.rsplit_once('.').map(|(message, _)| message.to_owned());
    let original = SIGNED.iter().find(|signed| message(signed) == message(token));
    assert!(original.is_some(), "nobody has signed this, and it is believed: {token}");
    assert!(user.signature_checked() && user.token().expose() == token);
    let original = original.unwrap().split('.').nth(1).unwrap();
    let original = decode(original, 1000).unwrap();
    assert_eq!(original.as_slice(), claims(user.subject().as_str()).as_bytes());
    true
}

/// `token` after a script of steps of four bytes: which change, where (two bytes), and what with.
fn changed(token: &str, script: &[u8]) -> String {
    let mut token = token.as_bytes().to_vec();
    for (number, step) in script.chunks_exact(4).take(16).enumerate() {
        let [change, high, low, with] = [step[0], step[1], step[2], step[3]];
        let place = usize::from(u16::from_be_bytes([high, low])) % (token.len() + 1);
        let character = CHARACTERS[usize::from(with) % CHARACTERS.len()];
        match change % 8 {
            0 if place < token.len() => token[place] = character,
            1 => token.insert(place, character),
            2 if place < token.len() => drop(token.remove(place)),
            3 => token.truncate(place),
            4 => in_segment(&mut token, with, |bytes| flip(bytes, high, low)),
            5 => take_segment(&mut token, with, high),
            6 => in_segment(&mut token, 0, |header| *header = written_header(high, low)),
            7 => in_segment(&mut token, 1, |claims| *claims = script[4 * (number + 1)..].to_vec()),
            _ => {}
        }
    }
    String::from_utf8(token).unwrap_or_default()
}

/// Decodes one segment, lets it be changed, and encodes it anew.
fn in_segment(token: &mut Vec<u8>, which: u8, change: impl FnOnce(&mut Vec<u8>)) {
    let mut segments: Vec<String> = text(token).split('.').map(str::to_owned).collect();
    let which = usize::from(which) % segments.len();
    let Ok(decoded) = decode(&segments[which], 4096) else { return };
    let mut bytes = decoded.as_slice().to_vec();
    change(&mut bytes);
    segments[which] = encode(&bytes);
    *token = segments.join(".").into_bytes();
}

fn flip(bytes: &mut [u8], high: u8, low: u8) {
    let bit = usize::from(u16::from_be_bytes([high, low]));
    let count = bytes.len().max(1);
    if let Some(byte) = bytes.get_mut(bit / 8 % count) {
        *byte ^= 1 << (bit % 8);
    }
}

/// Puts a segment of another signed token in the place of this one's.
fn take_segment(token: &mut Vec<u8>, which: u8, other: u8) {
    let mut segments: Vec<String> = text(token).split('.').map(str::to_owned).collect();
    let which = usize::from(which) % segments.len();
    let other = &SIGNED[usize::from(other) % SIGNED.len()];
    segments[which] = other.split('.').nth(which).unwrap_or_default().to_owned();
    *token = segments.join(".").into_bytes();
}

fn written_header(name: u8, id: u8) -> Vec<u8> {
    let (name, id) = (NAMES[usize::from(name) % NAMES.len()], IDS[usize::from(id) % IDS.len()]);
    format!("{{\"alg\":\"{name}\",\"kid\":\"{id}\"}}").into_bytes()
}

fn text(token: &[u8]) -> &str {
    std::str::from_utf8(token).unwrap_or_default()
}
