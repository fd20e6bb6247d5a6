//! Signature Version 4 read the other way round, as a service does: from the request as it came. Independent of src/.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::fmt::Write as _;

use ring::{digest, hmac};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

/// The scope of a POST of `body` to `path`, if `authorization` is its signature with `secret`. Headers have names in
/// lower case, and what is named as signed must be there.
pub fn scope_of(path: &str, headers: &[(String, String)], body: &[u8], secret: &str) -> Option<String> {
    let header = |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let rest = header("authorization")?.strip_prefix("AWS4-HMAC-SHA256 Credential=")?;
    let (credential, rest) = rest.split_once(", SignedHeaders=")?;
    let (names, signature) = rest.split_once(", Signature=")?;
    let (_, scope) = credential.split_once('/')?;
    let mut canonical = format!("POST\n{path}\n\n");
    for name in names.split(';') {
        writeln!(canonical, "{name}:{}", header(name)?).unwrap();
    }
    write!(canonical, "\n{names}\n{}", sha256(body)).unwrap();
    let date = header("x-amz-date")?;
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", sha256(canonical.as_bytes()));
    let first = format!("AWS4{secret}").into_bytes();
    let key = scope.split('/').fold(first, |key, part| hmac(&key, part));
    let all = ["content-type", "host", "x-amz-date", "x-amz-security-token"].join(";");
    (names == all && hex(&hmac(&key, &to_sign)) == signature).then(|| scope.to_owned())
}
