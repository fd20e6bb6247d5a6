//! Numbered bad inputs, 112 to 154: keys, sets of keys and the ways to them, and the one refusal that each must meet.

#[path = "support/folder.rs"]
mod folder;
#[path = "support/issuer.rs"]
mod issuer;
#[path = "support/verdicts.rs"]
mod verdicts;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use folder::Folder;
use issuer::{DAY, DOCUMENT, FakeIssuer, HOUR, ISSUER, KEYS, after, one_key};
use safe_conduct::codec::base64url::encode;
use safe_conduct::codec::json::JsonError;
use safe_conduct::codec::jwks::{JwkError, JwksError, MAX_KEY_SET};
use safe_conduct::codec::url::{ServiceUrl, UrlError};
use safe_conduct::identity::{Algorithm, KeyProblem, KeySet, KeySetError, UnusableKey, VerifyError};
use safe_conduct::ingest::{KeySource, KeySourceError};
use safe_conduct::sys::file::FileError;
use safe_conduct::sys::http::{HttpError, Phase, Roots, UreqClient};
use verdicts::tokens::{jwks, signed, signed_with_header};
use verdicts::*;

/// A modulus of 2,048 bits whose primes are `k * M + 65537^a mod M`, with M the product of the first 126 primes: the
/// form of CVE-2017-15361. Made for this test with Python's integers from primes found that way.
const ROCA: &str = "\
    mnOdl49zejRB2c8c-QgeU9fFKYXo9oOqYbALzQWGFbgKiqYsBVglUQvxi4DlBw9bTqipfkG1hhKP8gg5fwTOspeR_q44tWqTb3j98AEpiIbp\
    UTgtAr1O_dKujFwt02qq9f19AOL6FY5Dlkn3ODaYP2jf2Xv0hixi8Q9xWTrDy9r3G1l-L4DSawZw4w4PvBHy5blqrkLd1WOQMOFWRLNcfiuy\
    g6Pen_0djhfHiPRjVwIYta82MHZmMeSb3bthAkMaCmh_tuMte7zGBfsLZPNf8gZ-yEluHtYvUuGqOa6nUwBpAnYgqO0tMpj623YMT-w0mf54\
    TK6h9mvwQiG4FaMVUQ";

fn rsa(n: &[u8], e: &[u8]) -> Option<KeyProblem> {
    problem(&format!("\"kty\":\"RSA\",\"n\":\"{}\",\"e\":\"{}\"", encode(n), encode(e)))
}

/// The members of an elliptic curve key.
fn point(kind: &str, curve: &str, x: &[u8], y: &[u8]) -> String {
    format!("\"kty\":\"{kind}\",\"crv\":\"{curve}\",\"x\":\"{}\",\"y\":\"{}\"", encode(x), encode(y))
}

fn malformed_key(name: &'static str) -> KeyProblem {
    KeyProblem::Malformed(JwkError::Member { name })
}

#[test]
fn bad_inputs_112_to_123_and_126_are_keys_that_are_left_out() {
    let (n, f4) = (modulus(), [1, 0, 1]);
    let shorter = [&[0x7f], &n[1..]].concat();
    let bits = |bits| Some(KeyProblem::RsaSize { bits });
    let exponent = Some(KeyProblem::RsaExponent);
    let ec = |curve: &str, x: usize, y: usize| problem(&point("EC", curve, &vec![1; x], &vec![1; y]));
    let member = |name| Some(malformed_key(name));
    let unknown = Some(KeyProblem::Malformed(JwkError::UnknownKind));
    let roca = format!("\"kty\":\"RSA\",\"n\":\"{ROCA}\",\"e\":\"AQAB\"");
    assert_eq!((rsa(&n, &f4), ec("P-256", 32, 32), ec("P-384", 48, 48)), (None, None, None));
    let rows = [
        (112, rsa(&n[..128], &f4), bits(1024)),
        (113, rsa(&shorter, &f4), bits(2047)),
        // Longer than is even decoded: 8,192 bits are 1,024 bytes.
        (114, rsa(&n.repeat(8), &f4), member("n")),
        (115, rsa(&n, &[1]), exponent),
        (116, rsa(&n, &[2]), exponent),
        (117, rsa(&n, &[3]), exponent),
        (118, rsa(&n, &[0xff; 512]), member("e")),
        (118, rsa(&n, &[0xff; 5]), exponent),
        (119, rsa(&[&n[..255], &[0x82]].concat(), &f4), Some(KeyProblem::RsaModulus)),
        (120, rsa(&[&[0], n.as_slice()].concat(), &f4), member("n")),
        (120, rsa(&n, &[0, 1, 0, 1]), member("e")),
        (121, problem(&roca), Some(KeyProblem::Roca)),
        (122, problem("\"kty\":\"RSA\",\"e\":\"AQAB\""), member("n")),
        (122, problem(&format!("\"kty\":\"RSA\",\"n\":\"{}\"", encode(&n))), member("e")),
        (122, rsa(&[], &f4), member("n")),
        (123, ec("P-256", 31, 32), member("x")),
        (123, ec("P-256", 33, 32), member("x")),
        (123, ec("P-384", 48, 47), member("y")),
        (123, ec("P-384", 48, 49), member("y")),
        (126, ec("P-384", 32, 32), member("x")),
        (126, ec("P-256", 48, 48), member("x")),
        (126, ec("secp256k1", 32, 32), unknown),
        (126, ec("P-521", 66, 66), unknown),
        (126, ec("Ed25519", 32, 32), unknown),
        (126, problem(&point("OKP", "P-256", &[1; 32], &[1; 32])), unknown),
        (126, problem("\"kty\":\"EC\",\"x\":\"AA\",\"y\":\"AA\""), unknown),
    ];
    let (named, crossed) = rows.split_at(rows.len() - 7);
    check(112..=123, named);
    check(126..=126, crossed);
}

/// What is said to tokens for the one key of a set, an elliptic curve's with these coordinates.
fn said_for_point(algorithm: Algorithm, x: &[u8], y: &[u8]) -> Vec<Verdict> {
    let curve = if algorithm == Algorithm::Es256 { "P-256" } else { "P-384" };
    let set = format!("{{\"keys\":[{{{}}}]}}", point("EC", curve, x, y));
    let keys = KeySet::from_jwks(set.as_bytes()).unwrap();
    let token = signed_with_header(algorithm, &format!("{{\"alg\":\"{algorithm}\"}}"), &claims(&[]));
    let (input, signature) = token.rsplit_once('.').unwrap();
    // Besides a real signature, those that a broken check lets through: zeros, and numbers taken from the key.
    let made_up = [vec![0; 2 * x.len()], [x, x].concat(), [x, y].concat()].map(|bytes| encode(&bytes));
    let signatures = made_up.iter().map(String::as_str).chain([signature]);
    signatures.map(|signature| said_with(&verifier(), &keys, &format!("{input}.{signature}"), NOW)).collect()
}

/// The coordinates of the issuer's key on this curve.
fn coordinates(key_id: &str, length: usize) -> [Vec<u8>; 2] {
    let set = jwks();
    let line = set.lines().find(|line| line.contains(&format!("\"kid\": \"{key_id}\""))).unwrap();
    ["x", "y"].map(|name| {
        let text = line.split(&format!("\"{name}\": \"")).nth(1).unwrap().split('"').next().unwrap();
        safe_conduct::codec::base64url::decode(text, length).unwrap().as_slice().to_vec()
    })
}

/// ring shows no check of a point but as a part of verifying, or of a key agreement with a random key of one's own. So
/// such a key is in the set, where reading stays a function of the document, and nothing verifies with it.
#[test]
fn bad_inputs_124_and_125_are_keys_with_which_nothing_verifies() {
    for (algorithm, key_id, length) in [(Algorithm::Es256, "p256", 32), (Algorithm::Es384, "p384", 48)] {
        let [x, y] = coordinates(key_id, length);
        let good = said_for_point(algorithm, &x, &y);
        assert_eq!(good.last(), Some(&Ok(())), "the point itself is on the curve");
        let mut rows = Vec::new();
        let mut moved = y.clone();
        moved[length - 1] ^= 1;
        let above = vec![0xff; length];
        let off_curve = [(&x, &moved), (&y, &x), (&x, &x), (&x, &above), (&above, &y)];
        for (x, y) in off_curve {
            rows.extend(said_for_point(algorithm, x, y).into_iter().map(|said| (124, said, SIGNATURE)));
        }
        // The point at infinity has no coordinates: neither zeros stand for it nor texts without bytes.
        let zeros = vec![0; length];
        rows.extend(said_for_point(algorithm, &zeros, &zeros).into_iter().map(|said| (125, said, SIGNATURE)));
        check(124..=125, &rows);
    }
    check(125..=125, &[(125, problem(&point("EC", "P-256", &[], &[])), Some(malformed_key("x")))]);
}

/// What becomes of a set: the keys that are left out with the reasons, or no set.
type Reading = Result<Vec<UnusableKey>, KeySetError>;

fn read(document: &[u8]) -> Reading {
    KeySet::from_jwks(document).map(|keys| keys.unusable().to_vec())
}

/// What becomes of this key beside the issuer's own, which stay and verify as before.
fn beside_good(members: &str) -> Reading {
    let set = jwks().replacen("{\"keys\": [", &format!("{{\"keys\": [{{{members}}},"), 1);
    let keys = KeySet::from_jwks(set.as_bytes()).unwrap();
    assert_eq!(said_with(&verifier(), &keys, &signed(Algorithm::Es256, &claims(&[])), NOW), Ok(()), "{members}");
    read(set.as_bytes())
}

fn left_out(reason: KeyProblem) -> Reading {
    Ok(vec![UnusableKey { index: 0, reason }])
}

fn refused(source: JwkError) -> Reading {
    left_out(KeyProblem::Malformed(source))
}

const ED25519: &str = r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;

#[test]
fn bad_inputs_127_to_133_are_left_out_and_the_other_keys_stay() {
    let with = |extra: &str| beside_good(&format!("{ED25519},{extra}"));
    let private = |members: &str| beside_good(&format!("{members},\"d\":\"AAAA\""));
    let not_public = refused(JwkError::NotPublic);
    let not_for_signatures = refused(JwkError::NotForSignatures);
    let p256 = point("EC", "P-256", &[1; 32], &[1; 32]);
    assert_eq!(with("\"use\":\"sig\",\"key_ops\":[\"verify\"],\"alg\":\"EdDSA\""), Ok(vec![]));
    check(
        127..=133,
        &[
            (127, beside_good("\"kty\":\"oct\",\"k\":\"AAAA\",\"alg\":\"HS256\""), not_public.clone()),
            (127, beside_good("\"kty\":\"oct\""), refused(JwkError::UnknownKind)),
            (128, beside_good("\"kty\":\"AKP\",\"alg\":\"ML-DSA-44\",\"pub\":\"AA\""), refused(JwkError::UnknownKind)),
            (128, beside_good("\"kty\":\"rsa\",\"n\":\"AQAB\",\"e\":\"AQAB\""), refused(JwkError::UnknownKind)),
            (128, beside_good("\"kid\":\"x\""), refused(JwkError::Member { name: "kty" })),
            (129, with("\"use\":\"enc\""), not_for_signatures.clone()),
            (129, with("\"use\":[\"sig\"]"), refused(JwkError::Member { name: "use" })),
            (130, with("\"key_ops\":[\"encrypt\"]"), not_for_signatures.clone()),
            (131, with("\"key_ops\":[\"sign\"]"), not_for_signatures),
            (132, with("\"alg\":\"ES256\""), left_out(KeyProblem::AlgorithmOfOtherType)),
            (132, with("\"alg\":\"RS256\""), left_out(KeyProblem::AlgorithmOfOtherType)),
            (132, with("\"alg\":\"HS256\""), left_out(KeyProblem::UnknownAlgorithm)),
            (132, with("\"alg\":\"none\""), left_out(KeyProblem::UnknownAlgorithm)),
            (132, with("\"alg\":\"RSA-OAEP\""), left_out(KeyProblem::UnknownAlgorithm)),
            (133, private(ED25519), not_public.clone()),
            (133, private(&p256), not_public.clone()),
            (133, private("\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\""), not_public.clone()),
            (133, beside_good("\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\",\"q\":\"AAAA\""), not_public),
        ],
    );
}

#[test]
fn bad_inputs_134_to_145_are_no_key_sets_or_have_keys_that_are_left_out() {
    let no_set = |source| Err(KeySetError::Malformed(source));
    let json = |source| no_set(JwksError::Json(source));
    let with_id = |x: &str| format!("{{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"a\",\"x\":\"{x}\"}}");
    let (one, other) = (with_id(&encode(&[7; 32])), with_id(&encode(&[9; 32])));
    let pair = |first: &str, second: &str| read(format!("{{\"keys\":[{first},{second}]}}").as_bytes());
    let duplicates = [0, 1].map(|index| UnusableKey { index, reason: KeyProblem::DuplicateId });
    let nothing_left = Err(KeySetError::NoUsableKey { unusable: duplicates.to_vec() });
    let many = |entry: &str, count: usize| format!("{{\"keys\":[{}]}}", vec![entry; count].join(","));
    let huge = format!("{{\"keys\":[]{}}}", " ".repeat(10_000_000));
    let too_long = json(JsonError::TooLong { most: MAX_KEY_SET });
    check(
        134..=145,
        &[
            (134, pair(&one, &other), nothing_left.clone()),
            (135, pair(&one, &one), nothing_left),
            (136, read(format!("[{one}]").as_bytes()), json(JsonError::NotAnObject)),
            (137, read(b"{}"), no_set(JwksError::NoKeyList)),
            (137, read(b"{\"keys\":null}"), no_set(JwksError::NoKeyList)),
            (137, read(b"{\"keys\":{}}"), no_set(JwksError::NoKeyList)),
            (137, read(one.as_bytes()), no_set(JwksError::NoKeyList)),
            (138, read(b"{\"keys\":[]}"), Err(KeySetError::NoUsableKey { unusable: vec![] })),
            (139, read(many(&one, 10_000).as_bytes()), too_long.clone()),
            (139, read(many("1", 10_000).as_bytes()), json(JsonError::TooManyValues { most: 4096 })),
            (139, read(many("1", 101).as_bytes()), no_set(JwksError::TooManyKeys { count: 101 })),
            (140, read(huge.as_bytes()), too_long),
            (141, read(b"<!DOCTYPE html><title>Sign in</title>"), json(JsonError::Syntax { line: 1, column: 1 })),
            // RFC 1952, section 2.3.1: gzip starts with 1f 8b, and 8b starts no character.
            (142, read(b"\x1f\x8b\x08\0\0\0\0\0\0\x03"), json(JsonError::NotUtf8 { position: 1 })),
            (143, read(b"{\"keys\":["), json(JsonError::Syntax { line: 1, column: 9 })),
            (144, read(b"{\"keys\":[],\"keys\":[]}"), json(JsonError::Duplicate)),
            (144, read(b"{\"keys\":[],\"\\u006beys\":[]}"), json(JsonError::Duplicate)),
            (145, beside_good("\"kty\":\"RSA\",\"n\":\"!\",\"e\":\"AQAB\""), left_out(malformed_key("n"))),
            (145, beside_good("\"kty\":[]"), left_out(malformed_key("kty"))),
        ],
    );
    let folder = Folder::new();
    let path = folder.write("jwks.json", huge.as_bytes());
    let said = KeySource::file(path.clone()).keys(None, after(HOUR)).map(|_| ()).unwrap_err();
    assert_eq!(said, KeySourceError::File(FileError::TooLong { path, most: MAX_KEY_SET }), "140, as a file");
}

/// What a source of keys says, and how often it asked the issuer in all.
type Fetch = (Result<(), KeySourceError>, usize);

/// What is said to an issuer that gives this answer where its keys should be.
fn answered(status: u16, body: &[u8]) -> Fetch {
    let issuer = FakeIssuer::new();
    issuer.answers(KEYS, status, body);
    let said = issuer.source().keys(None, after(HOUR)).map(|_| ());
    (said, issuer.asked())
}

/// What is said so long after keys were fetched, at an issuer that has failed since.
fn warm(age: Duration, fail: impl Fn(&FakeIssuer)) -> Fetch {
    let issuer = FakeIssuer::new();
    issuer.answers(KEYS, 200, one_key("a"));
    let mut source = issuer.source();
    source.keys(None, after(HOUR)).unwrap();
    fail(&issuer);
    let said = source.keys(Some("a"), after(HOUR + age)).map(|keys| assert!(keys.has("a")));
    (said, issuer.asked())
}

/// A thousand made-up key ids a second for 100 seconds.
fn flood() -> Fetch {
    let issuer = FakeIssuer::new();
    issuer.answers(KEYS, 200, one_key("a"));
    let mut source = issuer.source();
    let mut said = Ok(());
    for number in 0..100_000 {
        let made_up = format!("made-up-{number}");
        said = said.and(source.keys(Some(&made_up), after(Duration::from_millis(number))).map(|_| ()));
    }
    (said, issuer.asked())
}

/// The issuer's key gets another id, as in a rotation that drops the old key at once.
fn rotation() -> Fetch {
    let issuer = FakeIssuer::new();
    issuer.answers(KEYS, 200, jwks());
    let mut source = issuer.source();
    let of = |id: &str| {
        signed_with_header(Algorithm::Es256, &format!("{{\"alg\":\"ES256\",\"kid\":\"{id}\"}}"), &claims(&[]))
    };
    let mut said = |id: &str, at: Duration| {
        let keys = source.keys(Some(id), after(at))?;
        Ok::<Verdict, KeySourceError>(said_with(&verifier(), keys, &of(id), NOW))
    };
    assert_eq!(said("p256", HOUR), Ok(Ok(())));
    issuer.answers(KEYS, 200, jwks().replace("\"kid\": \"p256\"", "\"kid\": \"new\""));
    let soon = HOUR + Duration::from_secs(60);
    assert_eq!(said("new", soon), Ok(Ok(())), "the unknown id is the reason to fetch");
    assert_eq!(said("p256", soon), Ok(Err(VerifyError::KeyUnknown)), "the old key is gone");
    (Ok(()), issuer.asked())
}

/// What is said to a discovery document with this issuer and place of the keys.
fn discovered(name: &str, url: &str) -> Fetch {
    let issuer = FakeIssuer::new();
    issuer.answers(DOCUMENT, 200, format!("{{\"issuer\":\"{name}\",\"jwks_uri\":\"{url}\"}}"));
    issuer.answers(KEYS, 200, one_key("a"));
    let said = issuer.discovery(ISSUER).unwrap().keys(None, after(HOUR)).map(|_| ());
    (said, issuer.asked())
}

#[test]
fn bad_inputs_146_to_154_are_refused_on_the_way_to_the_keys() {
    let status = |status| (Err(KeySourceError::Status { status }), 1);
    let second = Duration::from_secs(1);
    let error = |issuer: &FakeIssuer| issuer.answers(KEYS, 500, "");
    let timeout = |issuer: &FakeIssuer| issuer.fails(KEYS, HttpError::Timeout { phase: Phase::Answer });
    let page = |issuer: &FakeIssuer| issuer.answers(KEYS, 200, "<html>");
    let stale = (Err(KeySourceError::Stale { age: DAY + second, most: DAY }), 2);
    let place = |source| (Err(KeySourceError::KeySetUrl(source)), 1);
    let other_host = (Err(KeySourceError::OtherHost), 1);
    let other_issuer = (Err(KeySourceError::OtherIssuer), 1);
    assert_eq!(discovered(ISSUER, KEYS), (Ok(()), 2));
    check(
        146..=154,
        &[
            (146, answered(302, b""), status(302)),
            (146, answered(307, one_key("a").as_bytes()), status(307)),
            (147, answered(301, b""), status(301)),
            (147, answered(308, b""), status(308)),
            (148, warm(HOUR, error), (Ok(()), 2)),
            (148, warm(HOUR, timeout), (Ok(()), 2)),
            (148, warm(DAY, page), (Ok(()), 2)),
            (149, warm(DAY + second, error), stale.clone()),
            (149, warm(DAY + second, timeout), stale),
            // At 0, 30, 60 and 90 s.
            (150, flood(), (Ok(()), 4)),
            (151, rotation(), (Ok(()), 2)),
            (152, discovered("https://evil.example/realm", KEYS), other_issuer.clone()),
            (152, discovered("https://issuer.example/realm/", KEYS), other_issuer),
            (153, discovered(ISSUER, "http://issuer.example/realm/keys"), place(UrlError::NotEncrypted)),
            (154, discovered(ISSUER, "https://evil.example/realm/keys"), other_host.clone()),
            (154, discovered(ISSUER, "https://issuer.example:8443/keys"), other_host.clone()),
            (154, discovered(ISSUER, "https://a@issuer.example/keys"), place(UrlError::UserInformation)),
            (154, discovered(ISSUER, "https://169.254.169.254/keys"), other_host.clone()),
            (154, discovered(ISSUER, "https://[::1]/keys"), other_host),
        ],
    );
}

/// Our client at a server on loopback that gives one answer, in the place of the issuer.
fn over_loopback(answer: String) -> Result<(), KeySourceError> {
    let (listener, address) = listener();
    let server = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut chunk = [0; 1024];
        while !request.ends_with(b"\r\n\r\n") {
            let count = peer.read(&mut chunk).unwrap();
            assert!(count > 0, "the request ended early");
            request.extend_from_slice(&chunk[..count]);
        }
        peer.write_all(answer.as_bytes()).unwrap();
    });
    let url = ServiceUrl::new(&format!("http://{address}/keys")).unwrap();
    let client = Arc::new(UreqClient::new(Roots::Compiled).unwrap());
    let said = KeySource::url(url, client, None, HOUR, DAY).keys(None, after(HOUR)).map(|_| ());
    server.join().unwrap();
    said
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[test]
fn bad_inputs_142_and_146_are_refused_by_the_client_itself() {
    let set = one_key("a");
    let plain = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{set}", set.len());
    assert_eq!(over_loopback(plain.clone()), Ok(()));
    let encoded = plain.replace("\r\n\r\n", "\r\nContent-Encoding: gzip\r\n\r\n");
    assert_eq!(over_loopback(encoded), Err(KeySourceError::Unreachable(HttpError::ContentEncoding)));
    let (other, address) = listener();
    let redirect = format!("HTTP/1.1 302 Found\r\nLocation: http://{address}/keys\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(over_loopback(redirect), Err(KeySourceError::Status { status: 302 }));
    other.set_nonblocking(true).unwrap();
    assert_eq!(other.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "nobody came to the other host");
}
