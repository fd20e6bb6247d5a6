//! Property: a time that is read prints in the one form and reads back as itself; any number of seconds does too.

use safe_conduct::time::Timestamp;

pub fn check(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(time) = Timestamp::parse_rfc3339(text)
    {
        assert!(time <= Timestamp::MAX);
        round_trip(time);
    }
    if let Some(bytes) = data.first_chunk()
        && let Some(time) = Timestamp::from_unix_seconds(u64::from_be_bytes(*bytes))
    {
        round_trip(time);
    }
}

fn round_trip(time: Timestamp) {
    let printed = time.to_string();
    assert_eq!(printed.len(), 20);
    assert_eq!(Timestamp::parse_rfc3339(&printed), Ok(time));
}
