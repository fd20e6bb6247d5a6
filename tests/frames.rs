//! The bytes on the wire, typed by hand from the protocol's words, and what becomes of every damaged one.

#[path = "support/job.rs"]
#[expect(dead_code, reason = "each test file uses its part of the helpers")]
mod job;

use std::time::Duration;

use job::{EPOCH, NOW, accepted, bundle, secret_in};
use safe_conduct::codec::frame::{FrameError, HEADER_LENGTH, Header, MAX_BODY};
use safe_conduct::credential::{CredentialError, UserCredentials};
use safe_conduct::distribute::message::{Ask, MAX_ASK, MAX_ASK_WITH_TOKEN, Reply, Timing};
use safe_conduct::distribute::{MessageError, Refusal};
use safe_conduct::name::ExecutorName;
use safe_conduct::secret::Secret;
use safe_conduct::store::{Version, VersionedCredentials};
use safe_conduct::time::{Moment, Timestamp};

// By `printf %x`: 1,795,378,259 s (NOW) is 6b034c53, an hour later 6b035a63, and 30,000 ms is 7530. Each line is a
// field, or two of the same purpose.
const ASK_WITH_NOTHING: &[u8] = b"SC\x01\x01\0\0\0\x0a\
    \0\x01\
    \x06exec-1\
    \0";

const ASK_WITH_VERSION: &[u8] = b"SC\x01\x01\0\0\0\x22\
    \0\x01\
    \x06exec-1\
    \x01\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\0\0\0\0\0\0\x01\x02";

// 20 bytes of body: 2 + 7 + 1, and 2 + 8 of the token.
const ASK_WITH_TOKEN: &[u8] = b"SC\x01\x05\0\0\0\x14\
    \0\x01\
    \x06exec-1\
    \0\
    \0\x08aa.bb.cc";

const UNCHANGED: &[u8] = b"SC\x01\x03\0\0\0\x10\
    \0\0\0\0\x6b\x03\x4c\x53\
    \0\0\0\0\0\0\x75\x30";

const REFUSED: &[u8] = b"SC\x01\x04\0\0\0\x11\
    \0\0\0\0\x6b\x03\x4c\x53\
    \0\0\0\0\0\0\x75\x30\
    \x01";

const BUNDLE: &[u8] = b"SC\x01\x02\0\0\0\x4e\
    \0\0\0\0\x6b\x03\x4c\x53\
    \0\0\0\0\0\0\x75\x30\
    \x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\0\0\0\0\0\0\0\x02\
    \x01\
    \x03s3a\
    \0\0\0\0\x6b\x03\x5a\x63\
    \x01\
    \x11fs.s3a.secret.key\
    \0\x04pass";

fn version(number: u64) -> Version {
    Version { epoch: EPOCH, number }
}

fn ask(have: Option<Version>) -> Ask {
    Ask { executor: ExecutorName::new("exec-1").unwrap(), have }
}

fn learned() -> Moment {
    Moment { wall: Timestamp::from_unix_seconds(NOW).unwrap(), monotonic: Duration::ZERO }
}

fn timing() -> Timing {
    Timing { now: learned().wall, next_ask: Duration::from_secs(30) }
}

fn split(frame: &[u8]) -> Result<(Header, &[u8]), FrameError> {
    let (header, body) = frame.split_first_chunk::<HEADER_LENGTH>().ok_or(FrameError::Truncated)?;
    let header = Header::decode(*header)?;
    if header.length > body.len() {
        return Err(FrameError::Truncated);
    }
    if header.length < body.len() { Err(FrameError::Trailing) } else { Ok((header, body)) }
}

fn read_ask(frame: &[u8]) -> Result<Ask, MessageError> {
    let (header, body) = split(frame)?;
    Ask::decode(header.kind, body)
}

/// What an answer says, as text that two answers can be compared by.
fn read_answer(frame: &[u8]) -> Result<String, MessageError> {
    let (header, body) = split(frame)?;
    let (reply, timing) = Reply::decode(header.kind, body, &accepted(), Duration::ZERO)?;
    Ok(match reply {
        Reply::Bundle(bundle) => {
            let expiry = bundle.credentials.get(&job::s3a().into()).unwrap().expires_at();
            format!("{timing:?} {:?} {expiry} {}", bundle.version, secret_in(&bundle.credentials))
        }
        other => format!("{timing:?} {other:?}"),
    })
}

#[test]
fn asks_are_these_bytes() {
    assert_eq!(ask(None).encode().unwrap().as_slice(), ASK_WITH_NOTHING);
    assert_eq!(ask(Some(version(258))).encode().unwrap().as_slice(), ASK_WITH_VERSION);
    assert_eq!(read_ask(ASK_WITH_NOTHING), Ok(ask(None)));
    assert_eq!(read_ask(ASK_WITH_VERSION), Ok(ask(Some(version(258)))));
    let longest = Ask { executor: ExecutorName::new(&"n".repeat(128)).unwrap(), have: Some(version(1)) };
    assert!(longest.encode().unwrap().as_slice().len() - HEADER_LENGTH <= MAX_ASK);
}

fn read_ask_with_token(frame: &[u8]) -> Result<(Ask, Option<String>), MessageError> {
    let (header, body) = split(frame)?;
    let (ask, token) = Ask::decode_with_token(header.kind, body)?;
    Ok((ask, token.map(|token| token.expose().to_owned())))
}

#[test]
fn an_ask_with_a_token_is_these_bytes_and_no_ask_for_those_who_want_none() {
    let token = Secret::from_text("aa.bb.cc");
    assert_eq!(ask(None).encode_with_token(&token).unwrap().as_slice(), ASK_WITH_TOKEN);
    assert_eq!(read_ask_with_token(ASK_WITH_TOKEN), Ok((ask(None), Some("aa.bb.cc".to_owned()))));
    assert_eq!(read_ask_with_token(ASK_WITH_NOTHING), Ok((ask(None), None)));
    assert_eq!(read_ask_with_token(UNCHANGED), Err(MessageError::Kind { kind: 3 }));
    assert_eq!(read_ask(ASK_WITH_TOKEN), Err(MessageError::Kind { kind: 5 }));
    let longest = Ask { executor: ExecutorName::new(&"n".repeat(128)).unwrap(), have: Some(version(1)) };
    let frame = |length: usize| longest.encode_with_token(&Secret::from_text(&"t".repeat(length))).unwrap();
    assert!(frame(20_000).as_slice().len() - HEADER_LENGTH <= MAX_ASK_WITH_TOKEN);
    assert!(read_ask_with_token(frame(20_000).as_slice()).is_ok());
    assert_eq!(read_ask_with_token(frame(20_001).as_slice()), Err(FrameError::TooLong.into()));
    for (place, bit) in (0..ASK_WITH_TOKEN.len()).flat_map(|place| (0..8).map(move |bit| (place, 1u8 << bit))) {
        let mut flipped = ASK_WITH_TOKEN.to_vec();
        flipped[place] ^= bit;
        assert_ne!(read_ask_with_token(&flipped), read_ask_with_token(ASK_WITH_TOKEN), "byte {place}, bit {bit}");
    }
    let body = &ASK_WITH_TOKEN[HEADER_LENGTH..];
    for length in 0..body.len() {
        let refused = Ask::decode_with_token(5, &body[..length]).map(drop);
        assert_eq!(refused, Err(MessageError::Frame(FrameError::Truncated)), "{length}");
    }
    let refused = Ask::decode_with_token(5, &[body, &[0]].concat()).map(drop);
    assert_eq!(refused, Err(MessageError::Frame(FrameError::Trailing)));
}

/// Refusals with reasons 2 to 6: only the last byte differs.
const REFUSED_FOR: [(&[u8], Refusal); 5] = [
    (b"SC\x01\x04\0\0\0\x11\0\0\0\0\x6b\x03\x4c\x53\0\0\0\0\0\0\x75\x30\x02", Refusal::Protocol),
    (b"SC\x01\x04\0\0\0\x11\0\0\0\0\x6b\x03\x4c\x53\0\0\0\0\0\0\x75\x30\x03", Refusal::TokenRequired),
    (b"SC\x01\x04\0\0\0\x11\0\0\0\0\x6b\x03\x4c\x53\0\0\0\0\0\0\x75\x30\x04", Refusal::TokenRefused),
    (b"SC\x01\x04\0\0\0\x11\0\0\0\0\x6b\x03\x4c\x53\0\0\0\0\0\0\x75\x30\x05", Refusal::TokenUnchecked),
    (b"SC\x01\x04\0\0\0\x11\0\0\0\0\x6b\x03\x4c\x53\0\0\0\0\0\0\x75\x30\x06", Refusal::Other { reason: 6 }),
];

#[test]
fn refusals_for_other_reasons_are_these_bytes() {
    for (bytes, refusal) in REFUSED_FOR {
        assert_eq!(Reply::Refused(refusal).encode(timing()).unwrap().as_slice(), bytes);
        assert!(read_answer(bytes).unwrap().ends_with(&format!("Refused({refusal:?})")));
    }
}

// As ASK_WITH_TOKEN, with a bundle in hand: 24 bytes more.
const ASK_WITH_VERSION_AND_TOKEN: &[u8] = b"SC\x01\x05\0\0\0\x2c\
    \0\x01\
    \x06exec-1\
    \x01\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\0\0\0\0\0\0\x01\x02\
    \0\x08aa.bb.cc";

#[test]
fn an_ask_with_a_version_and_a_token_is_these_bytes() {
    let token = Secret::from_text("aa.bb.cc");
    assert_eq!(ask(Some(version(258))).encode_with_token(&token).unwrap().as_slice(), ASK_WITH_VERSION_AND_TOKEN);
    let read = read_ask_with_token(ASK_WITH_VERSION_AND_TOKEN);
    assert_eq!(read, Ok((ask(Some(version(258))), Some("aa.bb.cc".to_owned()))));
    let mut newer = ASK_WITH_VERSION_AND_TOKEN.to_vec();
    newer[9] = 2;
    assert_eq!(read_ask_with_token(&newer), Err(MessageError::Protocol { protocol: 2 }));
    newer[9] = 1;
    newer[3] = 6;
    assert_eq!(read_ask_with_token(&newer), Err(MessageError::Kind { kind: 6 }));
}

#[test]
fn reasons_of_refusals_are_these_numbers() {
    for (refusal, number) in [
        (Refusal::NothingYet, 1),
        (Refusal::Protocol, 2),
        (Refusal::TokenRequired, 3),
        (Refusal::TokenRefused, 4),
        (Refusal::TokenUnchecked, 5),
        (Refusal::Other { reason: 6 }, 6),
    ] {
        let mut frame = REFUSED.to_vec();
        frame[24] = number;
        assert_eq!(Reply::Refused(refusal).encode(timing()).unwrap().as_slice(), frame);
        assert!(read_answer(&frame).unwrap().ends_with(&format!("Refused({refusal:?})")));
    }
}

#[test]
fn answers_are_these_bytes() {
    let credentials = bundle("fs.s3a.secret.key", "pass", 3600, learned());
    let newest = Reply::Bundle(VersionedCredentials { version: version(2), credentials });
    for (reply, bytes) in
        [(newest, BUNDLE), (Reply::Unchanged, UNCHANGED), (Reply::Refused(Refusal::NothingYet), REFUSED)]
    {
        assert_eq!(reply.encode(timing()).unwrap().as_slice(), bytes);
        let (header, body) = split(bytes).unwrap();
        let (read, at) = Reply::decode(header.kind, body, &accepted(), Duration::ZERO).unwrap();
        assert_eq!(at, timing());
        assert_eq!(read.encode(at).unwrap().as_slice(), bytes);
    }
    assert!(read_answer(BUNDLE).unwrap().ends_with("2026-11-22T21:10:59Z pass"));
}

#[test]
fn every_flipped_bit_of_a_frame_is_refused_or_changes_the_value() {
    let asks = [ASK_WITH_NOTHING, ASK_WITH_VERSION];
    for frame in [ASK_WITH_NOTHING, ASK_WITH_VERSION, UNCHANGED, REFUSED, BUNDLE] {
        for (place, bit) in (0..frame.len()).flat_map(|place| (0..8).map(move |bit| (place, 1u8 << bit))) {
            let mut flipped = frame.to_vec();
            flipped[place] ^= bit;
            if asks.contains(&frame) {
                assert_ne!(read_ask(&flipped), read_ask(frame), "byte {place}, bit {bit}");
            } else {
                assert_ne!(read_answer(&flipped), read_answer(frame), "byte {place}, bit {bit}");
            }
        }
    }
}

#[test]
fn every_shortened_or_lengthened_body_is_refused() {
    for frame in [ASK_WITH_NOTHING, ASK_WITH_VERSION, UNCHANGED, REFUSED, BUNDLE] {
        let (kind, body) = (frame[3], &frame[HEADER_LENGTH..]);
        let read = |body: &[u8]| match kind {
            1 => Ask::decode(kind, body).map(drop),
            _ => Reply::decode(kind, body, &accepted(), Duration::ZERO).map(drop),
        };
        assert_eq!(read(body), Ok(()));
        for length in 0..body.len() {
            let refused = read(&body[..length]).unwrap_err();
            let truncated = FrameError::Truncated;
            let expected = [MessageError::Frame(truncated), MessageError::Bundle(CredentialError::Frame(truncated))];
            assert!(expected.contains(&refused), "{length}: {refused:?}");
        }
        let longer = [body, &[0]].concat();
        assert_eq!(read(&longer), Err(MessageError::Frame(FrameError::Trailing)));
    }
}

#[test]
fn what_an_older_peer_does_not_know_is_refused_by_name() {
    let changed = |frame: &[u8], place: usize, byte| {
        let mut changed = frame.to_vec();
        changed[place] = byte;
        changed
    };
    assert_eq!(read_ask(&changed(ASK_WITH_NOTHING, 9, 2)), Err(MessageError::Protocol { protocol: 2 }));
    assert_eq!(read_ask(&changed(ASK_WITH_NOTHING, 3, 9)), Err(MessageError::Kind { kind: 9 }));
    assert_eq!(read_ask(&changed(ASK_WITH_NOTHING, 17, 2)), Err(MessageError::Flag { flag: 2 }));
    assert_eq!(read_answer(&changed(UNCHANGED, 3, 1)), Err(MessageError::Kind { kind: 1 }));
    assert_eq!(read_answer(&changed(UNCHANGED, 8, 1)), Err(MessageError::Time));
    assert_eq!(read_answer(&changed(UNCHANGED, 2, 2)), Err(FrameError::Version { version: 2 }.into()));
    assert!(read_answer(&changed(REFUSED, 24, 77)).unwrap().contains("Other { reason: 77 }"));
}

#[test]
fn a_bundle_that_fits_into_no_frame_is_an_error_of_the_sender() {
    let property = |number: usize| format!("p{number}");
    let long = "x".repeat(16 * 1024);
    let mut credentials = UserCredentials::new();
    for (number, scheme) in ["a", "b", "c", "d"].into_iter().enumerate() {
        let one = bundle(&property(number), &long, 3600, learned());
        let credential = one.get(&job::s3a().into()).unwrap().clone();
        credentials = credentials.with(safe_conduct::name::Scheme::new(scheme).unwrap(), credential);
    }
    let reply = Reply::Bundle(VersionedCredentials { version: version(1), credentials });
    assert_eq!(reply.encode(timing()).map(drop), Err(FrameError::TooLong));
    assert_eq!(Header::encode(2, &[0; MAX_BODY + 1]), Err(FrameError::TooLong));
}
