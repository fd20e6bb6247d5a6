//! The kinds of tokens: what is changed in a sound one, and whether it is sound all the same, by the standards and not by
//! any verifier's word.

use ring::hmac;
use safe_conduct::codec::base64url::{decode, encode};
use safe_conduct::identity::Algorithm;

use crate::draft::{Dice, Draft};

/// What is changed. Two faults in different places can be put into one token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Header,
    Claims,
    Signature,
    Keys,
    /// The whole token's text, or what goes together with nothing else.
    Whole,
}

pub struct Kind {
    pub name: &'static str,
    pub sound: bool,
    pub place: Place,
    pub change: fn(&mut Draft, &mut Dice),
}

const fn sound(name: &'static str, change: fn(&mut Draft, &mut Dice)) -> Kind {
    Kind { name, sound: true, place: Place::Whole, change }
}

const fn header(name: &'static str, change: fn(&mut Draft, &mut Dice)) -> Kind {
    Kind { name, sound: false, place: Place::Header, change }
}

const fn claims(name: &'static str, change: fn(&mut Draft, &mut Dice)) -> Kind {
    Kind { name, sound: false, place: Place::Claims, change }
}

const fn signature(name: &'static str, change: fn(&mut Draft, &mut Dice)) -> Kind {
    Kind { name, sound: false, place: Place::Signature, change }
}

const fn keys(name: &'static str, change: fn(&mut Draft, &mut Dice)) -> Kind {
    Kind { name, sound: false, place: Place::Keys, change }
}

const fn whole(name: &'static str, change: fn(&mut Draft, &mut Dice)) -> Kind {
    Kind { name, sound: false, place: Place::Whole, change }
}

pub static KINDS: &[Kind] = &[
    // Sound ones.
    sound("sound/plain", |_, _| {}),
    sound("sound/rs384-rs512", |d, dice| d.use_algorithm([Algorithm::Rs384, Algorithm::Rs512][dice.below(2)])),
    sound("sound/ps384-ps512", |d, dice| d.use_algorithm([Algorithm::Ps384, Algorithm::Ps512][dice.below(2)])),
    sound("sound/rs256", |d, _| d.use_algorithm(Algorithm::Rs256)),
    sound("sound/ps256", |d, _| d.use_algorithm(Algorithm::Ps256)),
    sound("sound/es256", |d, _| d.use_algorithm(Algorithm::Es256)),
    sound("sound/es384", |d, _| d.use_algorithm(Algorithm::Es384)),
    sound("sound/eddsa", |d, _| d.use_algorithm(Algorithm::EdDsa)),
    sound("sound/typ-jwt", |d, dice| d.header.set("typ", dice.of(&["\"JWT\"", "\"jwt\""]))),
    sound("sound/audience-list", |d, _| d.claims.set("aud", r#"["other","sts.example"]"#)),
    sound("sound/nbf", |d, _| d.claims.set("nbf", (d.now - 600).to_string())),
    sound("sound/more-claims", |d, _| {
        d.claims.set("kubernetes.io", r#"{"namespace":"spark","pod":{"name":"p","uid":"u"},"warnafter":1}"#);
        d.claims.set("groups", r#"["a","b"]"#);
        d.claims.set("ratio", "0.5");
        d.claims.set("nothing", "null");
    }),
    sound("sound/escaped-and-spaced", |d, _| {
        d.claims.set("sub", r#""\u0061lice\u00e9 \ud83d\ude00""#);
        d.claims_text.push(Box::new(|text| replaced(text, ",", " ,\n\t")));
    }),
    sound("sound/escaped-name", |d, _| d.claims_text.push(Box::new(|text| replaced(text, "\"iss\"", "\"\\u0069ss\"")))),
    sound("sound/other-s-of-ecdsa", |d, _| {
        // (r, n - s) is a signature of the same bytes too: ECDSA is malleable by design.
        d.use_algorithm(Algorithm::Es256);
        d.signature.push(Box::new(|signature| with_other_s(&signature)));
    }),
    sound("sound/no-kid-one-key", |d, _| {
        d.use_algorithm(Algorithm::Es256);
        d.header.remove("kid");
        d.jwks = one_key(&d.jwks, "p256");
    }),
    sound("sound/unusable-keys-beside", |d, _| {
        let odd = r#"{"keys": [{"kty":"RSA","use":"enc","kid":"e","n":"AQAB","e":"AQAB"}, {"kty":"EC","crv":"P-521","kid":"x","x":"AA","y":"AA"},"#;
        d.jwks = d.jwks.replacen("{\"keys\": [", odd, 1);
    }),
    sound("sound/unknown-header-member", |d, _| d.header.set("x-trace", "\"1\"")),
    // Headers.
    header("header/alg-none", |d, dice| {
        d.header.set("alg", dice.of(&["\"none\"", "\"None\"", "\"NONE\"", "\"nOnE\""]))
    }),
    whole("header/alg-none-unsigned", |d, _| {
        d.header.set("alg", "\"none\"");
        d.signature.push(Box::new(|_| Vec::new()));
    }),
    whole("header/hs256-with-the-public-key", |d, dice| {
        let name = ["rsa", "p256", "ed25519"][dice.below(3)];
        d.header.set("alg", "\"HS256\"");
        d.header.set("kid", format!("\"{name}\""));
        let secret = one_key(&d.jwks, name);
        d.token.push(Box::new(move |token| {
            let (input, _) = token.rsplit_once('.').unwrap();
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
            format!("{input}.{}", encode(hmac::sign(&key, input.as_bytes()).as_ref()))
        }));
    }),
    header("header/alg-in-other-case", |d, _| {
        d.header.set("alg", format!("\"{}\"", d.algorithm.to_string().to_lowercase()))
    }),
    header("header/alg-missing", |d, _| d.header.remove("alg")),
    header("header/alg-of-wrong-type", |d, dice| {
        d.header.set("alg", dice.of(&["null", "256", "[\"ES256\"]", "{}", "true"]))
    }),
    header("header/alg-of-another-family", |d, dice| {
        let own = d.algorithm.to_string();
        let other = [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa, Algorithm::Es384].map(|a| a.to_string());
        let other: Vec<&String> = other.iter().filter(|name| name[..2] != own[..2] || **name != own).collect();
        d.header.set("alg", format!("\"{}\"", other[dice.below(other.len())]));
    }),
    whole("header/rs-for-ps", |d, dice| {
        let rs = dice.below(2) == 0;
        d.use_algorithm(if rs { Algorithm::Rs256 } else { Algorithm::Ps256 });
        d.header.set("alg", if rs { "\"PS256\"" } else { "\"RS256\"" });
    }),
    header("header/crit", |d, dice| {
        d.header.set("exp", "1");
        d.header.set("crit", dice.of(&["[\"exp\"]", "[\"x\"]", "[\"b64\"]", "[\"alg\"]"]));
    }),
    header("header/crit-empty-or-no-list", |d, dice| {
        d.header.set("crit", dice.of(&["[]", "\"exp\"", "{}", "null", "[1]"]))
    }),
    header("header/b64-false", |d, _| d.header.set("b64", "false")),
    header("header/jku", |d, _| d.header.set("jku", "\"https://issuer.example/keys\"")),
    header("header/x5u", |d, _| d.header.set("x5u", "\"https://issuer.example/cert\"")),
    header("header/x5c", |d, _| d.header.set("x5c", "[\"MIIB\"]")),
    whole("header/jwk-of-the-attacker", |d, _| {
        d.use_algorithm(Algorithm::Rs256);
        d.header.set("jwk", format!("{{{}}}", crate::tokens::foreign_jwk()));
        d.foreign = true;
    }),
    header("header/zip-or-enc", |d, dice| d.header.set(dice.of(&["zip", "enc"]), dice.of(&["\"DEF\"", "\"A256GCM\""]))),
    header("header/cty-jwt", |d, _| d.header.set("cty", "\"JWT\"")),
    header("header/typ-of-another-type", |d, dice| {
        d.header.set("typ", dice.of(&["\"at+jwt\"", "\"dpop+jwt\"", "\"logout+jwt\"", "\"JWE\""]));
    }),
    header("header/typ-of-wrong-type", |d, dice| d.header.set("typ", dice.of(&["1", "null", "[\"JWT\"]"]))),
    header("header/kid-unknown", |d, dice| {
        d.header.set("kid", dice.of(&["\"other\"", "\"RSA\"", "\"../rsa\"", "\"rsa \""]))
    }),
    header("header/kid-missing", |d, _| d.header.remove("kid")),
    header("header/kid-of-wrong-type", |d, dice| {
        d.header.set("kid", dice.of(&["1", "null", "[\"rsa\"]", "\"\"", "true"]))
    }),
    header("header/kid-of-another-key", |d, _| {
        let other = if crate::tokens::key_id(d.algorithm) == "p256" { "ed25519" } else { "p256" };
        d.header.set("kid", format!("\"{other}\""));
    }),
    header("header/alg-twice", |d, dice| {
        if dice.below(2) == 0 { d.header.add_first("alg", "\"none\"") } else { d.header.add_first("alg", "\"HS256\"") }
    }),
    header("header/kid-twice", |d, _| d.header.add_first("kid", "\"other\"")),
    header("header/name-twice-by-escape", |d, _| d.header.add("\\u0061lg", "\"none\"")),
    header("header/a-list", |d, _| d.header_text.push(Box::new(|text| [b"[", text.as_slice(), b"]"].concat()))),
    header("header/trailing-data", |d, dice| {
        let tail = dice.of(&["{}", "x", ",", "\0"]).to_owned();
        d.header_text.push(Box::new(move |text| [text.as_slice(), tail.as_bytes()].concat()));
    }),
    header("header/byte-order-mark", |d, _| {
        d.header_text.push(Box::new(|text| [b"\xef\xbb\xbf", text.as_slice()].concat()))
    }),
    header("header/not-utf-8", |d, _| {
        d.header.set("x", "\"?\"");
        d.header_text
            .push(Box::new(|text| text.into_iter().map(|byte| if byte == b'?' { 0xff } else { byte }).collect()));
    }),
    header("header/over-2-kib", |d, _| d.header.set("x", format!("\"{}\"", "x".repeat(3000)))),
    header("header/too-deep", |d, _| d.header.set("x", format!("{}{}", "[".repeat(40), "]".repeat(40)))),
    // Claims.
    claims("claims/iss-wrong", |d, dice| {
        let wrong = [
            "https://other.example",
            "https://issuer.example/",
            "HTTPS://issuer.example",
            "https://issuer.example:443",
        ];
        d.claims.set("iss", format!("\"{}\"", dice.of(&wrong)));
    }),
    claims("claims/iss-missing", |d, _| d.claims.remove("iss")),
    claims("claims/iss-of-wrong-type", |d, dice| {
        d.claims.set("iss", dice.of(&["[\"https://issuer.example\"]", "null", "1", "{}", "true"]));
    }),
    claims("claims/aud-wrong", |d, dice| {
        d.claims.set(
            "aud",
            dice.of(&[
                "\"sts.example.evil\"",
                "\"sts\"",
                "\"STS.example\"",
                "\"sts.example/\"",
                "\"\"",
                "[\"a\",\"b\"]",
            ]),
        );
    }),
    claims("claims/aud-missing", |d, _| d.claims.remove("aud")),
    claims("claims/aud-empty", |d, dice| d.claims.set("aud", dice.of(&["[]", "null", "{}", "1", "true"]))),
    claims("claims/aud-mixed-list", |d, dice| {
        d.claims.set(
            "aud",
            dice.of(&["[\"sts.example\",1]", "[null,\"sts.example\"]", "[[\"sts.example\"],\"sts.example\"]"]),
        );
    }),
    claims("claims/aud-over-8", |d, _| {
        let many: Vec<String> = (0..9).map(|n| format!("\"a{n}\"")).collect();
        d.claims.set("aud", format!("[\"sts.example\",{}]", many.join(",")));
    }),
    claims("claims/exp-past", |d, dice| {
        let ago = 600 + u64::try_from(dice.below(100_000)).unwrap();
        d.claims.set("iat", (d.now - ago - 600).to_string());
        d.claims.set("exp", (d.now - ago).to_string());
    }),
    claims("claims/exp-missing", |d, _| d.claims.remove("exp")),
    claims("claims/exp-as-text", |d, _| d.claims.set("exp", format!("\"{}\"", d.now + 3600))),
    claims("claims/exp-with-fraction", |d, _| d.claims.set("exp", format!("{}.5", d.now + 3600))),
    claims("claims/exp-with-exponent", |d, _| d.claims.set("exp", format!("{}e0", d.now + 3600))),
    claims("claims/exp-no-number", |d, dice| d.claims.set("exp", dice.of(&["null", "true", "[]", "{}", "\"never\""]))),
    claims("claims/exp-negative-or-zero", |d, dice| d.claims.set("exp", dice.of(&["-1", "0", "-1e9"]))),
    claims("claims/exp-not-json", |d, dice| {
        d.claims.set("exp", dice.of(&["NaN", "Infinity", "01800000000", "+1800000000", "0x7fffffff"]))
    }),
    claims("claims/exp-huge", |d, dice| {
        d.claims.set(
            "exp",
            dice.of(&["99999999999999999999", "18446744073709551616", "9223372036854775808", "1e400", "253402300801"]),
        );
    }),
    claims("claims/exp-before-iat", |d, _| {
        d.claims.set("iat", (d.now - 100).to_string());
        d.claims.set("exp", (d.now - 700).to_string());
    }),
    claims("claims/nbf-future", |d, _| d.claims.set("nbf", (d.now + 1800).to_string())),
    claims("claims/nbf-of-wrong-type", |d, dice| {
        d.claims.set("nbf", dice.of(&["\"1\"", "null", "true", "[1]", "\"later\"", "-1", "0.5"]))
    }),
    claims("claims/iat-missing", |d, _| d.claims.remove("iat")),
    claims("claims/iat-future", |d, _| d.claims.set("iat", (d.now + 1800).to_string())),
    claims("claims/iat-of-wrong-type", |d, dice| {
        d.claims.set("iat", dice.of(&["\"1\"", "null", "true", "[1]", "\"now\"", "-1"]))
    }),
    claims("claims/lives-for-a-year", |d, _| d.claims.set("exp", (d.now + 365 * 86_400).to_string())),
    claims("claims/sub-missing", |d, _| d.claims.remove("sub")),
    claims("claims/sub-of-wrong-type", |d, dice| d.claims.set("sub", dice.of(&["1", "null", "[\"a\"]", "{}", "true"]))),
    claims("claims/sub-empty", |d, _| d.claims.set("sub", "\"\"")),
    claims("claims/sub-with-control", |d, dice| {
        d.claims.set("sub", dice.of(&["\"a\\u0000b\"", "\"a\\nb\"", "\"\\u001b[31m\""]))
    }),
    claims("claims/sub-over-255", |d, _| d.claims.set("sub", format!("\"{}\"", "s".repeat(256)))),
    claims("claims/exp-twice", |d, dice| {
        let far = (d.now + 7200).to_string();
        if dice.below(2) == 0 { d.claims.add("exp", far) } else { d.claims.add_first("exp", "1") }
    }),
    claims("claims/aud-twice", |d, _| d.claims.add_first("aud", "\"other\"")),
    claims("claims/sub-twice-by-escape", |d, _| d.claims.add("s\\u0075b", "\"root\"")),
    claims("claims/twice-deeper", |d, _| d.claims.set("x", r#"{"a":1,"a":2}"#)),
    claims("claims/a-list-or-text", |d, dice| {
        let form = dice.below(3);
        d.claims_text.push(Box::new(move |text| match form {
            0 => [b"[", text.as_slice(), b"]"].concat(),
            1 => b"\"claims\"".to_vec(),
            _ => b"null".to_vec(),
        }));
    }),
    claims("claims/trailing-data", |d, dice| {
        let tail = dice.of(&["{}", "x", ",", "\0", "]"]).to_owned();
        d.claims_text.push(Box::new(move |text| [text.as_slice(), tail.as_bytes()].concat()));
    }),
    claims("claims/byte-order-mark", |d, _| {
        d.claims_text.push(Box::new(|text| [b"\xef\xbb\xbf", text.as_slice()].concat()))
    }),
    claims("claims/not-utf-8", |d, _| {
        d.claims.set("x", "\"?\"");
        d.claims_text
            .push(Box::new(|text| text.into_iter().map(|byte| if byte == b'?' { 0xc0 } else { byte }).collect()));
    }),
    claims("claims/utf-16", |d, _| {
        d.claims_text.push(Box::new(|text| text.into_iter().flat_map(|byte| [byte, 0]).collect()));
    }),
    claims("claims/lone-surrogate", |d, _| d.claims.set("x", "\"\\ud800\"")),
    claims("claims/too-deep", |d, _| d.claims.set("x", format!("{}{}", "[".repeat(60), "]".repeat(60)))),
    claims("claims/comment-or-comma", |d, dice| {
        let change = dice.below(2);
        d.claims_text.push(Box::new(move |text| match change {
            0 => replaced(text, "{", "{/**/"),
            _ => replaced(text, "}", ",}"),
        }));
    }),
    claims("claims/single-quotes", |d, _| d.claims_text.push(Box::new(|text| replaced(text, "\"", "'")))),
    // Signatures.
    signature("signature/bit-flipped", |d, dice| {
        let number = dice.number();
        d.signature.push(Box::new(move |mut signature| {
            let place = usize::try_from(number).unwrap() % (signature.len() * 8);
            signature[place / 8] ^= 1 << (place % 8);
            signature
        }));
    }),
    signature("signature/truncated", |d, dice| {
        let less = 1 + dice.below(40);
        d.signature.push(Box::new(move |mut signature| {
            signature.truncate(signature.len() - less);
            signature
        }));
    }),
    signature("signature/extended", |d, dice| {
        let front = dice.below(2) == 0;
        d.signature.push(Box::new(move |signature| match front {
            true => [&[0], signature.as_slice()].concat(),
            false => [signature.as_slice(), &[0]].concat(),
        }));
    }),
    signature("signature/zeros-or-ones", |d, dice| {
        let byte = [0, 0xff][dice.below(2)];
        d.signature.push(Box::new(move |signature| vec![byte; signature.len()]));
    }),
    signature("signature/reversed", |d, _| {
        d.signature.push(Box::new(|mut signature| {
            signature.reverse();
            signature
        }));
    }),
    whole("signature/der-for-raw", |d, dice| {
        d.use_algorithm([Algorithm::Es256, Algorithm::Es384][dice.below(2)]);
        d.signature.push(Box::new(|signature| der(&signature)));
    }),
    whole("signature/s-plus-order", |d, _| {
        d.use_algorithm(Algorithm::EdDsa);
        d.signature.push(Box::new(|signature| s_plus_order(&signature)));
    }),
    whole("signature/of-a-foreign-key", |d, _| {
        d.use_algorithm(Algorithm::Rs256);
        d.foreign = true;
    }),
    whole("signature/of-other-claims", |d, _| {
        let other = encode(d.claims.text().replace("etl", "root").as_bytes());
        d.token.push(Box::new(move |token| with_segment(&token, 1, &other)));
    }),
    whole("signature/of-other-header", |d, _| {
        let other = encode(d.header.text().replace(',', ", ").as_bytes());
        d.token.push(Box::new(move |token| with_segment(&token, 0, &other)));
    }),
    // Key sets.
    keys("keys/none", |d, dice| d.jwks = dice.of(&["{\"keys\":[]}", "{}", "{\"keys\":null}", "[]"]).to_owned()),
    keys("keys/of-somebody-else", |d, _| {
        let id = crate::tokens::key_id(d.algorithm);
        d.jwks = format!("{{\"keys\":[{{\"kid\":\"{id}\",{}}}]}}", crate::tokens::foreign_jwk());
    }),
    keys("keys/same-id-twice", |d, _| {
        let id = crate::tokens::key_id(d.algorithm);
        let other = format!("{{\"keys\": [{{\"kid\":\"{id}\",{}}},", crate::tokens::foreign_jwk());
        d.jwks = d.jwks.replacen("{\"keys\": [", &other, 1);
    }),
    keys("keys/for-encryption", |d, _| d.jwks = d.jwks.replace("\"use\": \"sig\"", "\"use\": \"enc\"")),
    keys("keys/operations-without-verify", |d, dice| {
        let operations = dice.of(&["\"key_ops\": [\"encrypt\"]", "\"key_ops\": [\"deriveKey\"]"]);
        d.jwks = d.jwks.replace("\"use\": \"sig\"", operations);
    }),
    keys("keys/private-member", |d, _| {
        d.jwks = d.jwks.replace("\"kid\":", "\"d\": \"AQAB\", \"kid\":");
    }),
    keys("keys/of-unknown-type", |d, _| {
        d.jwks = d.jwks.replace("\"kty\": \"", "\"kty\": \"X");
    }),
    whole("keys/for-another-algorithm", |d, _| {
        d.use_algorithm(Algorithm::Rs256);
        d.jwks = d.jwks.replace("\"kid\": \"rsa\"", "\"alg\": \"PS256\", \"kid\": \"rsa\"");
    }),
    whole("keys/symmetric", |d, _| {
        d.header.set("alg", "\"HS256\"");
        d.header.set("kid", "\"h\"");
        let secret = b"a-secret-of-thirty-two-bytes-or-so";
        d.jwks = d.jwks.replacen(
            "{\"keys\": [",
            &format!("{{\"keys\": [{{\"kty\":\"oct\",\"kid\":\"h\",\"k\":\"{}\"}},", encode(secret)),
            1,
        );
        d.token.push(Box::new(move |token| {
            let (input, _) = token.rsplit_once('.').unwrap();
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
            format!("{input}.{}", encode(hmac::sign(&key, input.as_bytes()).as_ref()))
        }));
    }),
    whole("keys/coordinate-with-a-zero-in-front", |d, _| {
        d.use_algorithm(Algorithm::Es256);
        d.jwks = with_member(&d.jwks, "p256", "x", |x| [&[0], x].concat());
    }),
    whole("keys/modulus-with-a-zero-in-front", |d, _| {
        d.use_algorithm(Algorithm::Rs256);
        d.jwks = with_member(&d.jwks, "rsa", "n", |n| [&[0], n].concat());
    }),
    whole("keys/point-off-the-curve", |d, _| {
        d.use_algorithm(Algorithm::Es256);
        d.jwks = with_member(&d.jwks, "p256", "y", |y| {
            let mut y = y.to_vec();
            y[31] ^= 1;
            y
        });
    }),
    whole("keys/set-member-twice", |d, _| {
        d.jwks = format!("{{\"keys\":[],{}", d.jwks.trim_start().trim_start_matches('{'))
    }),
    // The token as a text.
    whole("text/padded", |d, _| d.token.push(Box::new(|token| format!("{token}=")))),
    whole("text/segment-padded", |d, dice| {
        let segment = dice.below(3);
        d.token.push(Box::new(move |token| {
            let text = format!("{}==", token.split('.').nth(segment).unwrap());
            with_segment(&token, segment, &text)
        }));
    }),
    whole("text/space-or-line-end", |d, dice| {
        let (tail, front) = (dice.of(&["\n", " ", "\r\n", "\t", "\0"]).to_owned(), dice.below(2) == 0);
        d.token.push(Box::new(move |token| if front { format!("{tail}{token}") } else { format!("{token}{tail}") }));
    }),
    whole("text/space-inside", |d, dice| {
        let (place, space) = (dice.number(), dice.of(&["\n", " ", "\t"]).to_owned());
        d.token.push(Box::new(move |mut token| {
            let place = 1 + usize::try_from(place).unwrap() % (token.len() - 1);
            token.insert_str(place, &space);
            token
        }));
    }),
    whole("text/character-outside", |d, dice| {
        let (place, odd) = (dice.number(), dice.of(&["+", "/", "%", "*", "é", "\u{3002}"]).to_owned());
        d.token.push(Box::new(move |mut token| {
            let place = usize::try_from(place).unwrap() % token.len();
            token.insert_str(place, &odd);
            token
        }));
    }),
    whole("text/character-changed", |d, dice| {
        let (place, with) = (dice.number(), dice.below(64));
        d.token.push(Box::new(move |token| with_other_character(&token, usize::try_from(place).unwrap(), with)));
    }),
    whole("text/unused-bits-set", |d, dice| {
        let segment = dice.below(3);
        d.claims.set("pad", "\"x\"");
        d.header.set("x-p", "\"x\"");
        d.token.push(Box::new(move |token| {
            // A segment without unused bits is made one with them: the signature always has some, or gets none.
            let text = token.split('.').nth(segment).unwrap();
            let segment = if text.len() % 4 == 0 { 2 } else { segment };
            let text = token.split('.').nth(segment).unwrap();
            if text.len() % 4 == 0 {
                format!("{token}A")
            } else {
                with_segment(&token, segment, &with_unused_bit(text))
            }
        }));
    }),
    whole("text/two-segments", |d, _| d.token.push(Box::new(|token| token.rsplit_once('.').unwrap().0.to_owned()))),
    whole("text/four-or-five-segments", |d, dice| {
        let tail = dice.of(&[".", ".x", ".x.y", "..", ".eyJ9"]).to_owned();
        d.token.push(Box::new(move |token| format!("{token}{tail}")));
    }),
    whole("text/empty-segment", |d, dice| {
        let segment = dice.below(3);
        d.token.push(Box::new(move |token| with_segment(&token, segment, "")));
    }),
    whole("text/json-serialisation", |d, _| {
        d.token.push(Box::new(|token| {
            let parts: Vec<&str> = token.split('.').collect();
            format!("{{\"protected\":\"{}\",\"payload\":\"{}\",\"signature\":\"{}\"}}", parts[0], parts[1], parts[2])
        }));
    }),
    whole("text/quoted-or-with-a-scheme", |d, dice| {
        let quoted = dice.below(2) == 0;
        d.token.push(Box::new(move |token| if quoted { format!("\"{token}\"") } else { format!("Bearer {token}") }));
    }),
    whole("text/over-20000", |d, _| d.claims.set("x", format!("\"{}\"", "x".repeat(20_000)))),
];

fn replaced(text: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    String::from_utf8(text).unwrap().replace(from, to).into_bytes()
}

/// A set of the one key of this id.
fn one_key(jwks: &str, id: &str) -> String {
    let set: serde_json::Value = serde_json::from_str(jwks).unwrap();
    let key = set["keys"].as_array().unwrap().iter().find(|key| key["kid"] == id).unwrap();
    format!("{{\"keys\":[{key}]}}")
}

/// The set with the bytes of one member changed.
fn with_member(jwks: &str, id: &str, member: &str, change: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let mut set: serde_json::Value = serde_json::from_str(jwks).unwrap();
    for key in set["keys"].as_array_mut().unwrap().iter_mut().filter(|key| key["kid"] == id) {
        let bytes = decode(key[member].as_str().unwrap(), 1024).unwrap();
        key[member] = encode(&change(bytes.as_slice())).into();
    }
    set.to_string()
}

fn with_segment(token: &str, place: usize, text: &str) -> String {
    let parts: Vec<&str> = token.split('.').enumerate().map(|(at, old)| if at == place { text } else { old }).collect();
    parts.join(".")
}

const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn with_unused_bit(text: &str) -> String {
    let (rest, last) = text.split_at(text.len() - 1);
    let value = ALPHABET.find(last).unwrap();
    format!("{rest}{}", &ALPHABET[value + 1..value + 2])
}

fn with_other_character(token: &str, place: usize, with: usize) -> String {
    let place =
        (0..token.len()).map(|step| (place + step) % token.len()).find(|at| token.as_bytes()[*at] != b'.').unwrap();
    let old = &token[place..=place];
    let new = (0..2).map(|step| &ALPHABET[(with + step) % 64..(with + step) % 64 + 1]).find(|new| *new != old).unwrap();
    format!("{}{new}{}", &token[..place], &token[place + 1..])
}

/// `n - s` for P-256, whose order is from SP 800-186, section 3.2.1.3.
fn with_other_s(signature: &[u8]) -> Vec<u8> {
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad,
        0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let (r, s) = signature.split_at(32);
    let mut out = ORDER.to_vec();
    let mut borrowed = 0;
    for (digit, other) in out.iter_mut().zip(s).rev() {
        let value = 256 + u16::from(*digit) - u16::from(*other) - borrowed;
        *digit = u8::try_from(value & 0xff).unwrap();
        borrowed = 1 - (value >> 8);
    }
    [r, &out].concat()
}

/// `S + L` for Ed25519, with the order from RFC 8032, section 5.1, little-endian.
fn s_plus_order(signature: &[u8]) -> Vec<u8> {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut out = signature.to_vec();
    let mut carry = 0;
    for (digit, other) in out[32..].iter_mut().zip(ORDER) {
        let value = u16::from(*digit) + u16::from(other) + carry;
        *digit = u8::try_from(value & 0xff).unwrap();
        carry = value >> 8;
    }
    out
}

/// The ASN.1 form of a raw ECDSA signature.
fn der(signature: &[u8]) -> Vec<u8> {
    let integer = |bytes: &[u8]| {
        let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len() - 1);
        let mut value = bytes[start..].to_vec();
        if value[0] >= 0x80 {
            value.insert(0, 0);
        }
        [&[2, u8::try_from(value.len()).unwrap()], value.as_slice()].concat()
    };
    let (r, s) = signature.split_at(signature.len() / 2);
    let body = [integer(r), integer(s)].concat();
    [&[0x30, u8::try_from(body.len()).unwrap()], body.as_slice()].concat()
}
