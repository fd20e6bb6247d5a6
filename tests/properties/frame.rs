//! Frames: what is read prints back to the same bytes, and no length is believed beyond its limit.

use safe_conduct::codec::frame::{FieldReader, FieldWriter, HEADER_LENGTH, Header, MAX_BODY};

/// Checks `data` as a header with a body, and as fields.
pub fn check(data: &[u8]) {
    let Some((header, body)) = data.split_first_chunk::<HEADER_LENGTH>() else { return };
    if let Ok(read) = Header::decode(*header) {
        assert!(read.length <= MAX_BODY);
        assert_eq!(Header::encode(read.kind, &vec![0; read.length]), Ok(*header));
    }
    let mut fields = FieldReader::new(body);
    let mut again = FieldWriter::new();
    let mut taken = 0;
    for choice in header.iter().map(|byte| byte % 5) {
        // Each field that is read is written again; nothing is read where it cannot be written.
        let whole = match choice {
            0 => fields.u8().map(|value| again.u8(value)),
            1 => fields.u64().map(|value| again.u64(value)),
            2 => fields.text().map(|text| again.text(text)),
            3 => fields.count(200).map(|count| again.count(count)),
            _ => fields.secret(1000).map(|secret| again.secret(&secret)),
        };
        match whole {
            Ok(Ok(())) => taken = again.body().len(),
            Ok(Err(_)) => assert!(body.len() > MAX_BODY),
            Err(_) => return,
        }
    }
    assert_eq!(again.body(), &body[..taken]);
    assert_eq!(fields.end().is_ok(), taken == body.len());
}
