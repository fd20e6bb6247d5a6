//! The signature examples of RFC 7515, RFC 7520 and RFC 8037: what we take verifies, the rest is refused for what it is.

#[path = "support/verdicts.rs"]
mod verdicts;

use safe_conduct::codec::base64url::{decode, encode};
use safe_conduct::codec::jwks::JwkError;
use safe_conduct::codec::jwt::Segment;
use safe_conduct::identity::{Algorithm, KeyProblem, KeySet, verify_compact_signature};
use verdicts::{ALGORITHM, SIGNATURE, Verdict, character, empty, key_algorithm, problem};

fn keys(members: &str) -> KeySet {
    KeySet::from_jwks(format!("{{\"keys\":[{{{members}}}]}}").as_bytes()).unwrap()
}

fn rsa(n: &str, e: &str) -> String {
    format!("\"kty\":\"RSA\",\"n\":\"{n}\",\"e\":\"{e}\"")
}

fn ec(curve: &str, x: &str, y: &str) -> String {
    format!("\"kty\":\"EC\",\"crv\":\"{curve}\",\"x\":\"{x}\",\"y\":\"{y}\"")
}

fn oct(k: &str) -> String {
    format!("\"kty\":\"oct\",\"k\":\"{k}\"")
}

fn refused_key(source: JwkError) -> Option<KeyProblem> {
    Some(KeyProblem::Malformed(source))
}

/// The example verifies, and no longer does once a bit of its signature or its payload is another.
fn accepted(example: &str, key: &str, header: &str, payload: &str, signature: &str) {
    let keys = keys(key);
    let said =
        |payload: &str, signature: &str| verify_compact_signature(&format!("{header}.{payload}.{signature}"), &keys);
    assert_eq!(said(payload, signature), Ok(()), "{example}");
    let mut other = decode(signature, 1024).unwrap().as_slice().to_vec();
    for place in [0, other.len() / 2, other.len() - 1] {
        other[place] ^= 1;
        assert_eq!(said(payload, &encode(&other)), SIGNATURE, "{example}, byte {place}");
        other[place] ^= 1;
    }
    assert_eq!(said(&encode(b"another payload"), signature), SIGNATURE, "{example}");
}

/// What is said to an example with the keys of all three documents that we take, so that none is missing.
fn said(token: &str) -> Verdict {
    let own = [rsa(A2_N, "AQAB"), ec("P-256", A3_X, A3_Y), OKP.to_owned()];
    let named = |(number, key): (usize, &String)| format!("{{\"kid\":\"{number}\",{key}}}");
    let all: Vec<String> = own.iter().enumerate().map(named).collect();
    let bilbo = format!("{{\"kid\":\"{BILBO}\",{}}}", rsa(BILBO_N, "AQAB"));
    let set = format!("{{\"keys\":[{},{bilbo}]}}", all.join(","));
    verify_compact_signature(token, &KeySet::from_jwks(set.as_bytes()).unwrap())
}

/// That the tag of an example is right, so that it is refused for its algorithm and not for what we typed.
fn tag_is_right(k: &str, input: &str, tag: &str) {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, decode(k, 64).unwrap().as_slice());
    assert_eq!(ring::hmac::verify(&key, input.as_bytes(), decode(tag, 32).unwrap().as_slice()), Ok(()));
}

#[test]
fn rfc_7515_a_1_hs256_is_refused_as_token_and_as_key() {
    tag_is_right(A1_K, &format!("{A1_HEADER}.{CLAIMS}"), A1_SIGNATURE);
    assert_eq!(said(&format!("{A1_HEADER}.{CLAIMS}.{A1_SIGNATURE}")), ALGORITHM);
    assert_eq!(problem(&oct(A1_K)), refused_key(JwkError::NotPublic));
}

#[test]
fn rfc_7515_a_2_rs256_verifies_and_its_private_key_is_refused() {
    accepted("A.2", &rsa(A2_N, "AQAB"), &header("RS256"), CLAIMS, A2_SIGNATURE);
    let private = format!("{},\"d\":\"{A2_D}\"", rsa(A2_N, "AQAB"));
    assert_eq!(problem(&private), refused_key(JwkError::NotPublic));
}

#[test]
fn rfc_7515_a_3_es256_verifies_with_its_own_key_and_algorithm_only() {
    let key = ec("P-256", A3_X, A3_Y);
    accepted("A.3", &key, &header("ES256"), CLAIMS, A3_SIGNATURE);
    let crossed = |name: &str| format!("{}.{CLAIMS}.{A3_SIGNATURE}", header(name));
    let said = |name: &str| verify_compact_signature(&crossed(name), &keys(&key));
    assert_eq!(said("RS256"), key_algorithm(Algorithm::Rs256));
    assert_eq!(said("ES384"), key_algorithm(Algorithm::Es384));
}

#[test]
fn rfc_7515_a_4_es512_is_refused_as_token_and_as_key() {
    assert_eq!(said(&format!("{}.{A4_PAYLOAD}.{A4_SIGNATURE}", header("ES512"))), ALGORITHM);
    assert_eq!(problem(&ec("P-521", A4_X, A4_Y)), refused_key(JwkError::UnknownKind));
}

#[test]
fn rfc_7515_a_5_an_unsecured_token_is_refused() {
    assert_eq!(said(&format!("{}.{CLAIMS}.", header("none"))), empty(Segment::Signature));
    assert_eq!(said(&format!("{}.{CLAIMS}.AA", header("none"))), ALGORITHM);
}

#[test]
fn rfc_7515_a_6_and_a_7_the_serialisations_in_json_are_refused() {
    let signature = |algorithm: &str, key_id: &str, signature: &str| {
        format!(
            "\"protected\":\"{}\",\"header\":{{\"kid\":\"{key_id}\"}},\"signature\":\"{signature}\"",
            header(algorithm)
        )
    };
    let first = signature("RS256", "2010-12-29", A2_SIGNATURE);
    let second = signature("ES256", "e9bc097a-ce51-4036-9562-d2ade882db0d", A3_SIGNATURE);
    let general = format!("{{\"payload\":\"{CLAIMS}\",\"signatures\":[{{{first}}},{{{second}}}]}}");
    let flattened = format!("{{\"payload\":\"{CLAIMS}\",{second}}}");
    assert_eq!(said(&general), character(0), "A.6");
    assert_eq!(said(&flattened), character(0), "A.7");
}

#[test]
fn rfc_7520_4_1_and_4_2_rs256_and_ps384_verify_and_their_private_key_is_refused() {
    let bilbo = format!("\"kid\":\"{BILBO}\",\"use\":\"sig\",{}", rsa(BILBO_N, "AQAB"));
    accepted("4.1", &bilbo, S4_1_HEADER, TEXT, S4_1_SIGNATURE);
    accepted("4.2", &bilbo, S4_2_HEADER, TEXT, S4_2_SIGNATURE);
    let bound = keys(&format!("{bilbo},\"alg\":\"RS256\""));
    let said =
        |header: &str, signature: &str| verify_compact_signature(&format!("{header}.{TEXT}.{signature}"), &bound);
    assert_eq!(said(S4_1_HEADER, S4_1_SIGNATURE), Ok(()));
    assert_eq!(said(S4_2_HEADER, S4_2_SIGNATURE), key_algorithm(Algorithm::Ps384));
    assert_eq!(problem(&format!("{bilbo},\"d\":\"{BILBO_D}\"")), refused_key(JwkError::NotPublic));
}

#[test]
fn rfc_7520_4_3_es512_is_refused_as_token_and_as_key() {
    assert_eq!(said(&format!("{S4_3_HEADER}.{TEXT}.{S4_3_SIGNATURE}")), ALGORITHM);
    assert_eq!(problem(&ec("P-521", BILBO_X, BILBO_Y)), refused_key(JwkError::UnknownKind));
}

#[test]
fn rfc_7520_4_4_and_4_5_hs256_is_refused_with_its_content_and_without() {
    tag_is_right(SHARED_K, &format!("{S4_4_HEADER}.{TEXT}"), S4_4_SIGNATURE);
    assert_eq!(said(&format!("{S4_4_HEADER}.{TEXT}.{S4_4_SIGNATURE}")), ALGORITHM, "4.4");
    assert_eq!(problem(&oct(SHARED_K)), refused_key(JwkError::NotPublic));
    // 4.5 is 4.4 with its content detached: as compact text, and in JSON without a payload.
    assert_eq!(said(&format!("{S4_4_HEADER}..{S4_4_SIGNATURE}")), empty(Segment::Payload), "4.5");
    let detached = format!("{{\"protected\":\"{S4_4_HEADER}\",\"signature\":\"{S4_4_SIGNATURE}\"}}");
    assert_eq!(said(&detached), character(0), "4.5");
}

#[test]
fn rfc_7520_4_6_and_4_7_headers_that_are_not_signed_are_refused() {
    tag_is_right(SHARED_K, &format!("{}.{TEXT}", header("HS256")), S4_6_SIGNATURE);
    tag_is_right(SHARED_K, &format!(".{TEXT}"), S4_7_SIGNATURE);
    let key_id = format!("{{\"kid\":\"{SHARED}\"}}");
    let protected = format!("\"protected\":\"{}\",\"header\":{key_id}", header("HS256"));
    let unprotected = format!("\"header\":{{\"alg\":\"HS256\",\"kid\":\"{SHARED}\"}}");
    for (example, head, signature) in [("4.6", protected, S4_6_SIGNATURE), ("4.7", unprotected, S4_7_SIGNATURE)] {
        let members = format!("{head},\"signature\":\"{signature}\"");
        let general = format!("{{\"payload\":\"{TEXT}\",\"signatures\":[{{{members}}}]}}");
        assert_eq!(said(&general), character(0), "{example}");
        assert_eq!(said(&format!("{{\"payload\":\"{TEXT}\",{members}}}")), character(0), "{example}");
    }
    assert_eq!(said(&format!(".{TEXT}.{S4_7_SIGNATURE}")), empty(Segment::Header));
}

#[test]
fn rfc_7520_4_8_of_several_signatures_none_is_looked_for() {
    let signatures = format!(
        "{{\"protected\":\"{}\",\"header\":{{\"kid\":\"{BILBO}\"}},\"signature\":\"{S4_8_SIGNATURE_1}\"}},\
         {{\"header\":{{\"alg\":\"ES512\",\"kid\":\"{BILBO}\"}},\"signature\":\"{S4_8_SIGNATURE_2}\"}},\
         {{\"protected\":\"{S4_4_HEADER}\",\"signature\":\"{S4_4_SIGNATURE}\"}}",
        header("RS256")
    );
    assert_eq!(said(&format!("{{\"payload\":\"{TEXT}\",\"signatures\":[{signatures}]}}")), character(0));
    // The first of them alone is a compact token, whose header just names no key.
    accepted("4.8", &rsa(BILBO_N, "AQAB"), &header("RS256"), TEXT, S4_8_SIGNATURE_1);
    // The three keys as one set: two share an id, of which one is none of ours, so the other is not in doubt.
    let of_bilbo = format!("{{\"kid\":\"{BILBO}\",{}}}", rsa(BILBO_N, "AQAB"));
    let p521 = format!("{{\"kid\":\"{BILBO}\",{}}}", ec("P-521", BILBO_X, BILBO_Y));
    let set = format!("{{\"keys\":[{of_bilbo},{p521},{{\"kid\":\"{SHARED}\",{}}}]}}", oct(SHARED_K));
    let set = KeySet::from_jwks(set.as_bytes()).unwrap();
    let reasons: Vec<_> = set.unusable().iter().map(|key| (key.index, Some(key.reason))).collect();
    assert_eq!(reasons, [(1, refused_key(JwkError::UnknownKind)), (2, refused_key(JwkError::NotPublic))]);
    assert_eq!(verify_compact_signature(&format!("{S4_1_HEADER}.{TEXT}.{S4_1_SIGNATURE}"), &set), Ok(()));
}

#[test]
fn rfc_8037_a_1_to_a_4_eddsa_verifies_and_its_private_key_is_refused() {
    assert_eq!(problem(&format!("{OKP},\"d\":\"{OKP_D}\"")), refused_key(JwkError::NotPublic), "A.1");
    assert_eq!(problem(OKP), None, "A.2");
    // RFC 7638, section 3.1: the members that are needed, in the order of their names.
    let canonical = format!("{{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"{OKP_X}\"}}");
    let thumbprint = ring::digest::digest(&ring::digest::SHA256, canonical.as_bytes());
    assert_eq!(encode(thumbprint.as_ref()), OKP_THUMBPRINT, "A.3");
    accepted("A.4", OKP, &header("EdDSA"), &encode(b"Example of Ed25519 signing"), OKP_SIGNATURE);
}

#[test]
fn rfc_8037_a_6_a_key_for_key_agreement_is_refused() {
    let key =
        "\"kty\":\"OKP\",\"crv\":\"X25519\",\"kid\":\"Bob\",\"x\":\"3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08\"";
    assert_eq!(problem(key), refused_key(JwkError::UnknownKind));
}

/// The header that names its algorithm and nothing else, as the examples write it.
fn header(algorithm: &str) -> String {
    encode(format!("{{\"alg\":\"{algorithm}\"}}").as_bytes())
}

// RFC 8037, appendices A.1 to A.4.
const OKP: &str = r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;
const OKP_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const OKP_D: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
const OKP_THUMBPRINT: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
const OKP_SIGNATURE: &str = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

// RFC 7515, appendices A.1 to A.7. ring knows no ES512: those signatures, here and below, were checked with OpenSSL.
const CLAIMS: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const A1_HEADER: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9";
const A1_SIGNATURE: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const A1_K: &str = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
const A2_N: &str = "\
    ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZ\
    S-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2\
    R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcD\
    TW9gb54h4FRWyuXpoQ";
const A2_D: &str = "\
    Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui395IW_G\
    O-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0ZHHzQl\
    BjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0\
    QU91p1DhOVRuOopznQ";
const A2_SIGNATURE: &str = "\
    cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CU\
    Ar7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_d\
    O--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0ig\
    cN_IoypGlUPQGe77Rw";
const A3_X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
const A3_Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
const A3_SIGNATURE: &str = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
const A4_X: &str = "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk";
const A4_Y: &str = "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2";
const A4_PAYLOAD: &str = "UGF5bG9hZA";
const A4_SIGNATURE: &str = "\
    AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2Y\
    BJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn";

// RFC 7520, section 4.
const BILBO: &str = "bilbo.baggins@hobbiton.example";
const SHARED: &str = "018c0ae5-4d9b-471b-bfd6-eef314bc7037";
const TEXT: &str = "\
    SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwg\
    YW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9m\
    ZiB0by4";
const BILBO_N: &str = "\
    n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2w\
    qVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bT\
    wJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5\
    iaiQkqgc5gHdrNP5zw";
const BILBO_D: &str = "\
    bWUC9B-EFRIo8kpGfh0ZuyGPvMNKvYWNtB_ikiH9k20eT-O1q_I78eiZkpXxXQ0UTEs2LsNRS-8uJbvQ-A1irkwMSMkK1J3XTGgdrhCku9gR\
    ldY7sNA_AKZGh-Q661_42rINLRCe8W-nZ34ui_qOfkLnK9QWDDqpaIsA-bMwWWSDFu2MUBYwkHTMEzLYGqOe04noqeq1hExBTHBOBdkMXiuF\
    hUq1BU6l-DqEiWxqg82sXt2h-LMnT3046AOYJoRioz75tSUQfGCshWTBnP5uDjd18kKhyv07lhfSJdrPdM5Plyl21hsFf4L_mHCuoFau7gds\
    PfHPxxjVOcOpBrQzwQ";
const BILBO_X: &str = "AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt";
const BILBO_Y: &str = "AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1";
const SHARED_K: &str = "hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg";
const S4_1_HEADER: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9";
const S4_1_SIGNATURE: &str = "\
    MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xuglII7PNDi84wnB-BDk\
    oBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5aAE6x8wW1Kt9eRo4QPocSadnHXFxnt8Is9Uzp\
    ERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6L2aXic1U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH84ogo\
    ree7vjbU5y18kDquDg";
const S4_2_HEADER: &str = "eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9";
const S4_2_SIGNATURE: &str = "\
    cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8TTB5dDDItllVo6_1OL\
    PpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shn\
    r2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6\
    oD4ifKo8DYM-X72Eaw";
const S4_3_HEADER: &str = "eyJhbGciOiJFUzUxMiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9";
const S4_3_SIGNATURE: &str = "\
    AE_R_YZCChjn4791jSQCrdPZCNYqHXCTZH0-JZGYNlaAjP2kqaluUIIUnC9qvbu9Plon7KRTzoNEuT4Va2cmL1eJAQy3mtPBu_u_sDDyYjnA\
    MDxXPn7XrT0lw-kvAD890jl8e2puQens_IEKBpHABlsbEPX6sFY8OcGDqoRuBomu9xQ2";
const S4_4_HEADER: &str = "eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9";
const S4_4_SIGNATURE: &str = "s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0";
const S4_6_SIGNATURE: &str = "bWUSVaxorn7bEF1djytBd0kHv70Ly5pvbomzMWSOr20";
const S4_7_SIGNATURE: &str = "xuLifqLGiblpv9zBpuZczWhNj1gARaLV3UxvxhJxZuk";
const S4_8_SIGNATURE_1: &str = "\
    MIsjqtVlOpa71KE-Mss8_Nq2YH4FGhiocsqrgi5NvyG53uoimic1tcMdSg-qptrzZc7CG6Svw2Y13TDIqHzTUrL_lR2ZFcryNFiHkSw129Eg\
    hGpwkpxaTn_THJTCglNbADko1MZBCdwzJxwqZc-1RlpO2HibUYyXSwO97BSe0_evZKdjvvKSgsIqjytKSeAMbhMBdMma622_BG5t4sdbuCHt\
    Fjp9iJmkio47AIwqkZV1aIZsv33uPUqBBCXbYoQJwt7mxPftHmNlGoOSMxR_3thmXTCm4US-xiNOyhbm8afKK64jU6_TPtQHiJeQJxz9G3Tx\
    -083B745_AfYOnlC9w";
const S4_8_SIGNATURE_2: &str = "\
    ARcVLnaJJaUWG8fG-8t5BREVAuTY8n8YHjwDO1muhcdCoFZFFjfISu0Cdkn9Ybdlmi54ho0x924DUz8sK7ZXkhc7AFM8ObLfTvNCrqcI3Jkl\
    2U5IX3utNhODH6v7xgy1Qahsn0fyb4zSAkje8bAWz4vIfj5pCMYxxm4fgV3q7ZYhm5eD";
