//! Numbered bad tokens, 1 to 111: what each is, and the one refusal that it must meet.

#[path = "support/verdicts.rs"]
mod verdicts;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use safe_conduct::Secret;
use safe_conduct::codec::base64url::{Base64Error, decode, encode};
use safe_conduct::codec::json::JsonError;
use safe_conduct::codec::jwt::{JwtError, Segment};
use safe_conduct::identity::{Algorithm, VerifyError};
use verdicts::tokens::{jwks, signature, signed, signed_with_header, signed_with_other_key};
use verdicts::*;

#[test]
fn bad_inputs_1_to_34_are_refused_for_their_shape() {
    use Segment::{Header, Payload, Signature};
    let token = signed(Algorithm::Es256, &claims(&[("jti", "\"j\"")]));
    let parts: Vec<&str> = token.split('.').collect();
    let (h, p, s) = (parts[0], parts[1], parts[2]);
    let inserted = |text: &str| said(&format!("{}{text}{}", &token[..10], &token[10..]));
    let odd = claims(&[("jti", "\"jj\"")]);
    let loose = with_trailing_bit(&encode(odd.as_bytes()));
    let long = |length: usize| malformed(JwtError::TooLong { length });
    let utf16: String = token.chars().flat_map(|c| [c, '\0']).collect();
    check(
        1..=34,
        &[
            (1, said(""), segments(1)),
            (2, said(" \t\r\n"), character(0)),
            (3, said(h), segments(1)),
            (4, said(&format!("{h}.{p}")), segments(2)),
            (5, said(&format!("{h}.{p}.{s}.{s}")), segments(4)),
            (6, said(&format!("{h}.{p}.{s}.{s}.{s}")), segments(5)),
            (7, said(".."), empty(Header)),
            (8, said(&format!(".{p}.{s}")), empty(Header)),
            (9, said(&format!("{h}..{s}")), empty(Payload)),
            (10, said(&format!("{}.{p}.", encode(RS256.as_bytes()))), empty(Signature)),
            (11, said(&format!("{token}.")), segments(4)),
            (12, said(&format!(".{token}")), segments(4)),
            (13, said(&".".repeat(20_000_000)), long(20_000_000)),
            (14, said(&format!("{h}.{}.{s}", "A".repeat(19_999 - h.len() - s.len()))), long(20_001)),
            (15, said(&format!("Bearer {token}")), character(6)),
            (16, inserted(" "), character(10)),
            (17, inserted("\n"), character(10)),
            (18, inserted("\r\n"), character(10)),
            (19, inserted("\0"), character(10)),
            (20, said(&format!("\u{feff}{token}")), character(0)),
            // As text, UTF-16 without its mark is the token with a zero byte after each character.
            (21, said(&utf16), character(1)),
            (22, said(&format!("{h}==.{p}.{s}")), character(h.len())),
            (22, said(&format!("{h}.{p}=.{s}")), character(h.len() + 1 + p.len())),
            (22, said(&format!("{token}==")), character(token.len())),
            (23, inserted("+"), character(10)),
            (23, inserted("/"), character(10)),
            (24, said(&format!("{}.{p}.{s}", with_trailing_bit(h))), encoding(Header, Base64Error::TrailingBits)),
            (25, said(&of_segments(Algorithm::Es256, h, &loose)), encoding(Payload, Base64Error::TrailingBits)),
            (25, said(&format!("{h}.{loose}.{s}")), encoding(Payload, Base64Error::TrailingBits)),
            (26, said(&format!("{h}.{p}.{}", with_trailing_bit(s))), encoding(Signature, Base64Error::TrailingBits)),
            (27, said(&format!("{}.{p}.{s}", &h[..9])), encoding(Header, Base64Error::Length { length: 9 })),
            (27, said(&format!("{h}.{p}.{}", &s[..85])), encoding(Signature, Base64Error::Length { length: 85 })),
            (28, said(&format!("{token}%3D")), character(token.len())),
            (29, said(&format!("{h}\u{3002}{p}.{s}")), character(h.len())),
            (30, said(&format!("\"{token}\"")), character(0)),
            (31, said(&format!("{{\"protected\":\"{h}\",\"payload\":\"{p}\",\"signature\":\"{s}\"}}")), character(0)),
            (
                32,
                said(&format!(
                    "{{\"payload\":\"{p}\",\"signatures\":[{{\"protected\":\"{h}\",\"signature\":\"{s}\"}}]}}"
                )),
                character(0),
            ),
            (33, said(&format!("{{\"{h}.\":0,\".{p}.\":0,\"signature\":\"{s}\"}}")), character(0)),
            (34, said(&format!("{token}~")), character(token.len())),
        ],
    );
}

/// A token under HS256 with `secret`, which an attacker would take from what is public.
fn mac(key_id: &str, secret: &[u8]) -> Verdict {
    let header = encode(format!("{{\"alg\":\"HS256\",\"kid\":\"{key_id}\"}}").as_bytes());
    let input = format!("{header}.{}", encode(claims(&[]).as_bytes()));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
    said(&format!("{input}.{}", encode(ring::hmac::sign(&key, input.as_bytes()).as_ref())))
}

/// SubjectPublicKeyInfo of an RSA key of 2048 bits with the exponent 65537: the frame is RFC 8017's, appendix A.1.1.
fn spki() -> Vec<u8> {
    let frame = hex("30820122300d06092a864886f70d01010105000382010f003082010a0282010100");
    [frame, modulus(), hex("0203010001")].concat()
}

#[test]
fn bad_inputs_35_to_54_are_refused_for_their_algorithm() {
    let named = |name: &str| said_of_header(&format!("{{\"alg\":{name},\"kid\":\"rsa\"}}"));
    let (h, p) = (encode(br#"{"alg":"none"}"#), encode(claims(&[]).as_bytes()));
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(spki()));
    let set = jwks();
    let line = set.lines().find(|line| line.contains("\"kty\": \"RSA\"")).unwrap();
    let jwk = line.trim().trim_end_matches(',');
    let line = set.lines().find(|line| line.contains("P-256")).unwrap();
    let coordinate = |name: &str| {
        let text = line.split(&format!("\"{name}\": \"")).nth(1).unwrap().split('"').next().unwrap();
        decode(text, 32).unwrap().as_slice().to_vec()
    };
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    let of_key = |own: &str, algorithm: Algorithm| {
        let keys = keys_with("\"kty\": \"RSA\"", &format!("\"kty\": \"RSA\", \"alg\": \"{own}\""));
        said_with(&verifier(), &keys, &signed(algorithm, &claims(&[])), NOW)
    };
    let on_p384 = signed_with_header(Algorithm::Es256, r#"{"alg":"ES256","kid":"p384"}"#, &claims(&[]));
    let only_rsa = verifier().algorithms(&[Algorithm::Rs256]);
    check(
        35..=54,
        &[
            (35, said(&format!("{h}.{p}.")), empty(Segment::Signature)),
            (35, said(&format!("{h}.{p}.AA")), ALGORITHM),
            (36, named("\"None\""), ALGORITHM),
            (36, named("\"NONE\""), ALGORITHM),
            (36, named("\"nOnE\""), ALGORITHM),
            (37, said_of_header(r#"{"kid":"rsa"}"#), member("alg")),
            (38, named("null"), member("alg")),
            (39, named("[\"RS256\"]"), member("alg")),
            (40, named("256"), member("alg")),
            (41, named("\"\""), ALGORITHM),
            (42, named("\"rs256\""), ALGORITHM),
            (43, named("\"RS256 \""), ALGORITHM),
            (44, mac("rsa", pem.as_bytes()), ALGORITHM),
            (44, mac("rsa", pem.trim_end().as_bytes()), ALGORITHM),
            (45, mac("rsa", &spki()), ALGORITHM),
            (46, mac("rsa", jwk.as_bytes()), ALGORITHM),
            (47, mac("rsa", &modulus()), ALGORITHM),
            (48, mac("p256", &point), ALGORITHM),
            (49, of_key("PS256", Algorithm::Rs256), key_algorithm(Algorithm::Rs256)),
            (50, of_key("PS512", Algorithm::Ps256), key_algorithm(Algorithm::Ps256)),
            (51, said(&on_p384), key_algorithm(Algorithm::Es256)),
            (52, named("\"ES256K\""), ALGORITHM),
            (53, named("\"ES512\""), ALGORITHM),
            (54, said_by(&only_rsa, &signed(Algorithm::EdDsa, &claims(&[]))), ALGORITHM),
        ],
    );
}

#[test]
fn bad_inputs_55_to_79_are_refused_for_a_member_of_the_header() {
    let own = format!("{{{}}}", tokens::foreign_jwk());
    let bringing = |member: &str, value: &str| {
        let header = format!("{{\"alg\":\"RS256\",\"kid\":\"rsa\",\"{member}\":{value}}}");
        said(&signed_with_other_key(&header, &claims(&[])))
    };
    let id = |value: &str| said_of_header(&format!("{{\"alg\":\"RS256\",\"kid\":{value}}}"));
    let kid_64_kib = signed_with_header(
        Algorithm::Rs256,
        &format!("{{\"alg\":\"RS256\",\"kid\":\"{}\"}}", "k".repeat(65_536)),
        &claims(&[]),
    );
    let unencoded = r#"{"alg":"RS256","kid":"rsa","b64":false,"crit":["b64"]}"#;
    let header_limit = encoding(Segment::Header, Base64Error::TooLong { most: 2048 });
    check(
        55..=79,
        &[
            (55, bringing("jwk", &own), forbidden("jwk")),
            (56, bringing("jku", "\"https://evil.example/jwks\""), forbidden("jku")),
            (57, bringing("x5u", "\"file:///etc/passwd\""), forbidden("x5u")),
            (58, bringing("x5c", &self_signed_chain()), forbidden("x5c")),
            (59, said_of_member("crit", "[\"urn:example:x\"]"), forbidden("crit")),
            (60, said_of_member("crit", "[]"), forbidden("crit")),
            (61, said_of_member("crit", "\"exp\""), forbidden("crit")),
            (62, said_of_member("crit", "[\"alg\"]"), forbidden("crit")),
            (63, said_of_member("crit", "[\"absent\"]"), forbidden("crit")),
            (64, said_of_header(unencoded), forbidden("crit")),
            (65, said_of_member("b64", "false"), forbidden("b64")),
            (66, said_of_member("zip", "\"DEF\""), forbidden("zip")),
            (67, said_of_member("cty", "\"JWT\""), forbidden("cty")),
            (68, said_of_member("typ", "\"at+jwt\""), TYPE),
            (69, said_of_member("typ", "\"logout+jwt\""), TYPE),
            (70, said_of_member("typ", "1"), member("typ")),
            (71, id("\"../../etc/passwd\""), KEY_UNKNOWN),
            (72, id("\"https://evil.example/key\""), KEY_UNKNOWN),
            (73, id("\"x' UNION SELECT 'key' --\""), KEY_UNKNOWN),
            (74, id("\"rsa\\u0000\""), member("kid")),
            (75, said(&kid_64_kib), malformed(JwtError::TooLong { length: kid_64_kib.len() })),
            (75, id(&format!("\"{}\"", "k".repeat(4096))), header_limit),
            (75, id(&format!("\"{}\"", "k".repeat(1024))), member("kid")),
            (76, id("{\"rsa\":1}"), member("kid")),
            (77, id("null"), member("kid")),
            (78, id("\"rsa2\""), KEY_UNKNOWN),
            (79, said_of_header(r#"{"alg":"RS256"}"#), Err(VerifyError::KeyAmbiguous { keys: 4 })),
        ],
    );
}

#[test]
fn bad_inputs_80_to_91_are_refused_for_the_json_of_the_header() {
    let header = |text: &str| said_of_header(text);
    let refused = |source| json(Segment::Header, source);
    let bytes = |bytes: &[u8]| said(&of_bytes(Algorithm::Rs256, bytes, claims(&[]).as_bytes()));
    let members = |count: usize| {
        let members: Vec<String> = (0..count).map(|number| format!("\"{number}\":0")).collect();
        signed_with_header(Algorithm::Rs256, &format!("{{{}}}", members.join(",")), &claims(&[]))
    };
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(127), "]".repeat(127));
    let control = r#"{"alg":"RS256","kid":"\u001b[31mred\u0007"}"#;
    let shown = {
        let token = signed_with_header(Algorithm::Rs256, control, &claims(&[]));
        let explained = verifier().explain(&Secret::from_text(&token), &keys(), at(NOW));
        format!("{explained:?} {:?} {}", explained.header(), explained.verdict().unwrap_err())
    };
    assert!(!shown.chars().any(char::is_control), "{shown}");
    let too_long = members(10_000);
    check(
        80..=91,
        &[
            (80, header(r#"{"alg":"none","kid":"rsa","alg":"RS256"}"#), refused(JsonError::Duplicate)),
            (81, header(r#"{"alg":"RS256","kid":"rsa","\u0061lg":"none"}"#), refused(JsonError::Duplicate)),
            (82, header(r#"{"alg":"RS256","kid":"rsa","x":1,"x":1}"#), refused(JsonError::Duplicate)),
            (83, header(r#"["RS256","rsa"]"#), refused(JsonError::NotAnObject)),
            (84, header("\"RS256\""), refused(JsonError::NotAnObject)),
            (84, header("256"), refused(JsonError::NotAnObject)),
            (84, header("null"), refused(JsonError::NotAnObject)),
            (85, header(&format!("{RS256}{{}}")), refused(JsonError::Trailing)),
            (85, header(&format!("{RS256}\0")), refused(JsonError::Trailing)),
            (86, header(&format!("\u{feff}{RS256}")), refused(JsonError::ByteOrderMark)),
            (87, bytes(b"{\"alg\":\"RS256\",\"kid\":\"\xc0\xaf\"}"), refused(JsonError::NotUtf8 { position: 22 })),
            (88, header(r#"{"alg":"RS256","kid":"\ud800"}"#), refused(JsonError::LoneSurrogate)),
            (89, header(&deep), refused(JsonError::TooDeep { most: 4 })),
            (90, said(&too_long), malformed(JwtError::TooLong { length: too_long.len() })),
            (90, said(&members(33)), refused(JsonError::TooManyValues { most: 32 })),
            (91, header(control), member("kid")),
        ],
    );
}

/// Signatures with another padding, made by `tests/keys/paddings.py`: what is good must pass, and nothing else.
fn paddings(number: u16, algorithm: &str) -> Vec<Row> {
    let lines = include_str!("keys/paddings.txt").lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let header = format!("{{\"alg\":\"{algorithm}\",\"kid\":\"rsa\"}}");
    let input = format!("{}.{}", encode(header.as_bytes()), encode(claims(&[]).as_bytes()));
    let of = |case: Vec<&str>| {
        let expected = if case[0] == "good" { Ok(()) } else { SIGNATURE };
        (number, said(&format!("{input}.{}", case[2])), expected)
    };
    lines.filter(|case| case[1] == algorithm).map(of).collect()
}

/// Every byte of a token with its lowest bit changed: what is no token's character is refused as that, a changed
/// payload and signature as a bad signature.
fn bit_flips() -> Vec<Row> {
    let token = signed(Algorithm::Es256, &claims(&[]));
    let payload = token.find('.').unwrap() + 1..token.rfind('.').unwrap();
    let mut rows = Vec::new();
    for place in payload {
        let mut bytes = token.clone().into_bytes();
        bytes[place] ^= 1;
        let of_a_token = bytes[place].is_ascii_alphanumeric() || b"-_".contains(&bytes[place]);
        let expected = if of_a_token { SIGNATURE } else { character(place) };
        rows.push((92, said(&String::from_utf8(bytes).unwrap()), expected));
    }
    for (algorithm, length) in
        [(Algorithm::Es256, 64), (Algorithm::Es384, 96), (Algorithm::EdDsa, 64), (Algorithm::Rs256, 256)]
    {
        for place in 0..length {
            let flip = |good: &[u8]| {
                let mut changed = good.to_vec();
                changed[place] ^= 1 << (place % 8);
                changed
            };
            rows.push((92, said_of_signature(algorithm, flip), SIGNATURE));
        }
    }
    rows
}

/// `SEQUENCE { INTEGER r, INTEGER s }`, each integer with the zero in front that keeps it positive.
fn der(raw: &[u8]) -> Vec<u8> {
    let (r, s) = raw.split_at(32);
    let integer = |digits: &[u8]| [&[2, 33, 0], digits].concat();
    [vec![0x30, 70], integer(r), integer(s)].concat()
}

/// An RS256 signature to which the modulus is added, so that it is the same number modulo n.
fn signature_above_the_modulus() -> Verdict {
    let n = modulus();
    let found = (0..100).find_map(|number| {
        let input =
            format!("{}.{}", encode(RS256.as_bytes()), encode(claims(&[("n", &number.to_string())]).as_bytes()));
        let signature = signature(Algorithm::Rs256, input.as_bytes());
        sum(&signature, &n).map(|above| format!("{input}.{}", encode(&above)))
    });
    said(&found.unwrap())
}

/// A token that names the key `rsa`, signed with another key that the issuer has too.
fn said_of_another_key_of_the_set() -> Verdict {
    let both = keys_with("{\"keys\": [", &format!("{{\"keys\": [{{\"kid\":\"other\",{}}},", tokens::foreign_jwk()));
    let of = |header: &str| said_with(&verifier(), &both, &signed_with_other_key(header, &claims(&[])), NOW);
    assert_eq!(of(r#"{"alg":"RS256","kid":"other"}"#), Ok(()));
    of(RS256)
}

/// A signature over the same header without its space: who writes the JSON anew before checking would take it.
fn said_of_json_written_anew() -> Verdict {
    let token = signed_with_header(Algorithm::Es256, ES256, &claims(&[]));
    let (_, rest) = token.split_once('.').unwrap();
    said(&format!("{}.{rest}", encode(br#"{ "alg": "ES256", "kid": "p256" }"#)))
}

#[test]
fn bad_inputs_92_to_111_are_refused_for_their_signature() {
    let es256 = |change: &dyn Fn(&[u8]) -> Vec<u8>| said_of_signature(Algorithm::Es256, change);
    let one = [vec![0; 31], vec![1]].concat();
    let n = hex(P256_ORDER);
    let token = signed_with_header(Algorithm::Es256, ES256, &claims(&[]));
    let parts: Vec<&str> = token.split('.').collect();
    let other_body = encode(claims(&[("sub", "\"admin\"")]).as_bytes());
    let spaced = encode(br#"{"alg":"ES256", "kid":"p256"}"#);
    let s_and_l = |good: &[u8]| {
        let (r, s) = good.split_at(32);
        let (mut s, mut l) = (s.to_vec(), hex(ED25519_ORDER));
        s.reverse();
        l.reverse();
        let mut above = sum(&s, &l).unwrap();
        above.reverse();
        [r.to_vec(), above].concat()
    };
    let mut rows = bit_flips();
    rows.extend([
        (93, said(&format!("{}.{other_body}.{}", parts[0], parts[2])), SIGNATURE),
        (94, said(&format!("{spaced}.{}.{}", parts[1], parts[2])), SIGNATURE),
        (95, es256(&|good| good[..63].to_vec()), SIGNATURE),
        (96, es256(&|good| [good, &[0]].concat()), SIGNATURE),
        (97, es256(&|good| [&[0], good].concat()), SIGNATURE),
        (98, said_of_signature(Algorithm::Rs256, |good| vec![0; good.len()]), SIGNATURE),
        (99, es256(&|_| vec![0; 64]), SIGNATURE),
        (100, es256(&|_| [vec![0; 32], one.clone()].concat()), SIGNATURE),
        (101, es256(&|good| [&n, &good[32..]].concat()), SIGNATURE),
        (102, es256(&|good| [&good[..32], &n].concat()), SIGNATURE),
        (103, es256(&|_| vec![0xff; 64]), SIGNATURE),
        (104, es256(&der), SIGNATURE),
        (105, es256(&|good| [&[1], &good[..32], &[1], &good[32..]].concat()), SIGNATURE),
        (105, es256(&|good| [good, &[0; 960]].concat()), SIGNATURE),
        (106, said_of_another_key_of_the_set(), SIGNATURE),
        (109, signature_above_the_modulus(), SIGNATURE),
        (109, said_of_signature(Algorithm::Rs256, |_| modulus()), SIGNATURE),
        (109, said_of_signature(Algorithm::Rs256, |good| vec![0xff; good.len()]), SIGNATURE),
        (110, said_of_signature(Algorithm::EdDsa, s_and_l), SIGNATURE),
        (111, said_of_json_written_anew(), SIGNATURE),
    ]);
    rows.extend(paddings(107, "RS256"));
    rows.extend(paddings(108, "PS256"));
    check(92..=111, &rows);
}
