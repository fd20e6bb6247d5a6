//! Asks and answers: whatever is read is written again as the same message, and an ask as the same bytes.

use std::time::Duration;

use safe_conduct::codec::frame::{HEADER_LENGTH, Header, MAX_BODY};
use safe_conduct::credential::AcceptedProperties;
use safe_conduct::distribute::message::{Ask, Reply};
use safe_conduct::name::{PropertyName, Scheme};

/// Checks `data` as a frame: as an ask, as an ask with a token, and as an answer.
pub fn check(data: &[u8]) {
    let Some((header, body)) = data.split_first_chunk::<HEADER_LENGTH>() else { return };
    let Ok(header) = Header::decode(*header) else { return };
    let body = &body[..body.len().min(header.length)];
    let plain = Ask::decode(header.kind, body);
    let with_token = Ask::decode_with_token(header.kind, body);
    if let Ok(ask) = &plain {
        assert_eq!(&ask.encode().unwrap().as_slice()[HEADER_LENGTH..], body);
    }
    match &with_token {
        Ok((ask, None)) => assert_eq!(plain.as_ref(), Ok(ask)),
        Ok((ask, Some(token))) => {
            assert!(plain.is_err(), "who wants no token takes none");
            assert_eq!(&ask.encode_with_token(token).unwrap().as_slice()[HEADER_LENGTH..], body);
        }
        Err(_) => assert!(plain.is_err()),
    }
    if let Some((again, same)) = again(header.kind, body) {
        assert!(plain.is_err() && with_token.is_err(), "no answer is an ask");
        // Schemes and properties may come in any order, and are written in one.
        assert_eq!(again.len(), body.len());
        assert!(header.kind == 2 || same, "only a bundle has an order");
        assert_eq!(self::again(header.kind, &again), Some((again, true)));
    }
}

/// An answer read and written, and whether it is the same bytes; `None` if it is none.
fn again(kind: u8, body: &[u8]) -> Option<(Vec<u8>, bool)> {
    let names = ["fs.s3a.access.key", "fs.s3a.secret.key"].map(|name| PropertyName::new(name).unwrap());
    let accepted = ["s3a", "gs"].iter().fold(AcceptedProperties::none(), |accepted, scheme| {
        accepted.with(Scheme::new(scheme).unwrap(), names.clone())
    });
    let (reply, timing) = Reply::decode(kind, body, &accepted, Duration::ZERO).ok()?;
    let written = reply.encode(timing).unwrap();
    let written = written.as_slice()[HEADER_LENGTH..].to_vec();
    assert!(written.len() <= MAX_BODY);
    let same = written == body;
    Some((written, same))
}
