//! Property of `codec::http_date`: a date that is read is the one text of its second, by another way of counting.
#![allow(dead_code, reason = "a test prints with it")]

use safe_conduct::codec::http_date::parse_http_date;
use safe_conduct::time::Timestamp;

pub fn check(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(time) = parse_http_date(text)
    {
        assert_eq!(printed(time), text);
    }
    if let Some(bytes) = data.first_chunk()
        && let Some(time) = Timestamp::from_unix_seconds(u64::from_be_bytes(*bytes))
    {
        assert_eq!(parse_http_date(&printed(time)), Ok(time));
    }
}

/// Written from the parts of the RFC 3339 form, with the day by Sakamoto's rule instead of a count from 1970.
pub fn printed(time: Timestamp) -> String {
    let text = time.to_string();
    let field = |from: usize, to: usize| text[from..to].parse::<usize>().expect("Timestamp prints digits");
    let (year, month, day) = (field(0, 4), field(5, 7), field(8, 10));
    let shift = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4][month - 1];
    let counted = if month < 3 { year - 1 } else { year };
    let name = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
        [(counted + counted / 4 - counted / 100 + counted / 400 + shift + day) % 7];
    let months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let month = &months[(month - 1) * 3..month * 3];
    format!("{name}, {day:02} {month} {year:04} {} GMT", &text[11..19])
}
