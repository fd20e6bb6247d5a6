//! Property of `codec::form`: what is written is plain ASCII of bounded length and reads back as what went in.

use safe_conduct::codec::form::FormBuilder;

/// Writes two fields made of `data` and reads them back with a decoder of its own (RFC 3986, section 2.1).
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (name, value) = text.split_at(text.char_indices().nth(text.chars().count() / 3).map_or(0, |(at, _)| at));
    let Ok(body) = FormBuilder::new().text(name, value).text("last", value).finish() else {
        assert!(data.len() > 20_000, "a short form must fit");
        return;
    };
    let body = std::str::from_utf8(body.as_slice()).expect("ASCII");
    assert!(body.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%&=".contains(&byte)));
    assert!(body.len() <= 6 * data.len() + 16);
    let fields: Vec<_> = body.split('&').map(|field| field.split_once('=').expect("a pair")).collect();
    let read: Vec<_> = fields.iter().map(|(name, value)| (decoded(name), decoded(value))).collect();
    let wrote =
        [(name, value), ("last", value)].map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
    assert_eq!(read, wrote);
}

fn decoded(text: &str) -> Vec<u8> {
    let mut pieces = text.split('%');
    let mut out = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        out.push(u8::from_str_radix(&piece[..2], 16).expect("two digits"));
        out.extend_from_slice(&piece.as_bytes()[2..]);
    }
    out
}
