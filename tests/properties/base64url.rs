//! Property: every text that decodes is the one text of its bytes, and every bytes have a text that decodes.

use safe_conduct::codec::base64url::{decode, encode, encode_secret};

pub fn check(data: &[u8]) {
    let text = encode(data);
    assert_eq!(encode_secret(data).expose(), text);
    assert_eq!(decode(&text, data.len()).unwrap().as_slice(), data);
    assert!(data.is_empty() || decode(&text, data.len() - 1).is_err());
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(bytes) = decode(text, data.len())
    {
        assert_eq!(encode(bytes.as_slice()), text);
        assert_eq!(bytes.as_slice().len(), text.len() * 3 / 4);
    }
}
