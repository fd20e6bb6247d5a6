//! How long an STS request takes to sign beside the crate that AWS's own SDK signs with.

use std::hint::black_box;
use std::time::{Duration, Instant, UNIX_EPOCH};

use aws_credential_types::Credentials as TheirCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningParams, SigningSettings, sign};
use aws_sigv4::sign::v4;
use safe_conduct::Secret;
use safe_conduct::codec::hash::Sha256;
use safe_conduct::codec::sigv4::{
    Credentials, PathRule, Request, Scope, SignedHeaders, SigningKey, sign_headers, signature,
};
use safe_conduct::time::Timestamp;

/// What is aimed at: at least this many times faster, with a key that is derived for each request, as AWS's crate does.
const LEAST: f64 = 2.0;

/// Rounds, and signatures of each kind in a round. The kinds take turns, so that a busy moment meets them all.
const ROUNDS: usize = 2000;
const BATCH: u32 = 20;

const KEY_ID: &str = "ASIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const REGION: &str = "eu-central-1";
const SERVICE: &str = "sts";
const HOST: &str = "sts.eu-central-1.amazonaws.com";
const TYPE: &str = "application/x-www-form-urlencoded";
const BODY: &str = "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fspark\
                    &RoleSessionName=alice%40example.com&DurationSeconds=3600";

/// 2026-08-30T12:36:00Z, and a session token of about the length that STS gives out.
const AT: u64 = 1_788_093_360;
const TOKEN: usize = 1000;

type Work<'a> = Box<dyn Fn() + 'a>;

fn main() {
    let token: String = "FwoGZXIvYXdzEJr/".chars().cycle().take(TOKEN).collect();
    let (secret, session) = (Secret::from_text(SECRET), Secret::from_text(&token));
    let credentials = Credentials { access_key_id: KEY_ID, secret_access_key: &secret, session_token: Some(&session) };
    let at = Timestamp::from_unix_seconds(AT).unwrap();
    let scope = Scope { at, region: REGION, service: SERVICE };
    let identity = TheirCredentials::new(KEY_ID, SECRET, Some(token), None, "bench").into();
    let time = UNIX_EPOCH + Duration::from_secs(AT);

    let key = SigningKey::derive(&secret, &scope).unwrap();
    let our_whole = || ours(&credentials, &scope, &SigningKey::derive(&secret, &scope).unwrap());
    let their_whole = || {
        let settings = SigningSettings::default();
        let parameters = v4::SigningParams::builder().identity(&identity).region(REGION).name(SERVICE).time(time);
        theirs(&SigningParams::V4(parameters.settings(settings).build().unwrap()))
    };
    assert!(our_whole().authorization.ends_with(&their_whole()), "the two do not sign alike");

    let their_key = v4::generate_signing_key(SECRET, time, REGION, SERVICE);
    let text = "AWS4-HMAC-SHA256\n20260830T123600Z\n20260830/eu-central-1/sts/aws4_request\n\
                f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59";
    assert_eq!(signature(&key, text), v4::calculate_signature(&their_key, text.as_bytes()));

    let works: [Work<'_>; 7] = [
        Box::new(|| drop(black_box(our_whole()))),
        Box::new(|| drop(black_box(their_whole()))),
        Box::new(|| drop(black_box(ours(&credentials, &scope, &key)))),
        Box::new(|| drop(black_box(SigningKey::derive(black_box(&secret), &scope).unwrap()))),
        Box::new(|| drop(black_box(v4::generate_signing_key(black_box(SECRET), time, REGION, SERVICE)))),
        Box::new(|| drop(black_box(signature(&key, black_box(text))))),
        Box::new(|| drop(black_box(v4::calculate_signature(&their_key, black_box(text.as_bytes()))))),
    ];
    let [whole, their_whole, at_hand, derived, their_derived, last, their_last] =
        least(&works).map(|time| time.as_nanos() as f64 / 1000.0);
    println!(
        "an AssumeRole of {} bytes, a session token of {TOKEN}; the best of {ROUNDS} rounds of {BATCH}",
        BODY.len()
    );
    println!("a request signed, key derived: {whole:.2} us, aws-sigv4 {their_whole:.2} us");
    println!("a request signed, key at hand: {at_hand:.2} us (aws-sigv4 keeps no key)");
    println!(
        "its parts: the key {derived:.2} us, aws-sigv4 {their_derived:.2} us, ratio {:.2}",
        derived / their_derived
    );
    println!("           the signature {last:.2} us, aws-sigv4 {their_last:.2} us, ratio {:.2}", last / their_last);
    let faster = their_whole / whole;
    let met = faster >= LEAST;
    println!(
        "times faster than aws-sigv4: {faster:.2} (aim: at least {LEAST}): {}",
        if met { "met" } else { "MISSED" }
    );
    std::process::exit(i32::from(!met));
}

fn ours(credentials: &Credentials<'_>, scope: &Scope<'_>, key: &SigningKey) -> SignedHeaders {
    let headers = [("host", HOST), ("content-type", TYPE)];
    let request = Request {
        method: "POST",
        path: "/",
        path_rule: PathRule::Normalized,
        query: &[],
        headers: &headers,
        body: Sha256::of(black_box(BODY).as_bytes()),
    };
    sign_headers(&request, credentials, scope, key).unwrap()
}

/// The signature. The URL is taken apart by the crate itself: a caller has no other way in.
fn theirs(parameters: &SigningParams<'_>) -> String {
    let headers = [("host", HOST), ("content-type", TYPE)].into_iter();
    let body = SignableBody::Bytes(black_box(BODY).as_bytes());
    let request = SignableRequest::new("POST", format!("https://{HOST}/"), headers, body).unwrap();
    let (instructions, signature) = sign(request, parameters).unwrap().into_parts();
    black_box(instructions);
    signature
}

/// The time of one piece of work of each kind, in the round that was disturbed least.
fn least<const N: usize>(works: &[Work<'_>; N]) -> [Duration; N] {
    let mut best = [Duration::MAX; N];
    for _ in 0..ROUNDS {
        for (work, best) in works.iter().zip(&mut best) {
            let start = Instant::now();
            for _ in 0..BATCH {
                work();
            }
            *best = start.elapsed().div_f64(f64::from(BATCH)).min(*best);
        }
    }
    best
}
